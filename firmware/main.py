"""Second file a board runs: start the logger. Ctrl-C leaves it, if the board is not locked."""

import micropython

micropython.kbd_intr(-1)  # MicroPython has set it anew; lock.start gives it to an open board

try:
    from dewarlog_firmware import lock
except BaseException:  # a damaged file: on a board that is not open it gives nobody a prompt
    try:
        with open("/lock.bin", "rb") as kept:
            is_open = kept.read()[1:2] == b"\0"
    except OSError:
        is_open = True  # nobody has claimed this board
    if is_open:
        raise
    import time

    import machine

    time.sleep_ms(2000)
    machine.reset()

lock.start()
