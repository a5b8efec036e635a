"""The simulated board's own side, running on MicroPython beneath the firmware."""
