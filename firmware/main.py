"""Second file a board runs: start the logger. Ctrl-C leaves it, if the board is not locked."""

import micropython

micropython.kbd_intr(-1)  # MicroPython has set it anew; lock.start gives it to an open board

import os  # noqa: E402 - Ctrl-C comes first

try:
    with open("/lock.bin", "rb") as kept:
        is_open = kept.read()[1:2] == b"\0"
except OSError as error:
    is_open = error.args[0] == 2  # ENOENT: nobody has claimed this board

try:
    os.stat("/flashing")
    is_half = is_open  # a locked board has been flashed by nobody, and gives no prompt
except OSError:
    is_half = False

if is_half:
    micropython.kbd_intr(3)
    print("dewarlog: a flash was cut, the firmware is not whole: run dewarlog flash again")  # noqa: T201
else:
    try:
        from dewarlog_firmware import lock
    except BaseException:  # a damaged file: on a board that is not open it gives nobody a prompt
        if is_open:
            raise
        import time

        import machine

        time.sleep_ms(2000)
        machine.reset()

    lock.start()
