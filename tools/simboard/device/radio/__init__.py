"""The board's radio: a small Bluetooth host under MicroPython's `bluetooth` module."""
