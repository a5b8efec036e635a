"""Second file a board runs: start the logger. Ctrl-C leaves it, if the board is not locked."""

import micropython

micropython.kbd_intr(-1)  # MicroPython has set it anew; lock.start gives it to an open board

from dewarlog_firmware import lock  # noqa: E402 - nobody is to break into an import either

lock.start()
