"""First file a board runs: shut the prompt, and room to report an exception inside an interrupt.

Ctrl-C does nothing until main.py knows whether the board is locked (dewarlog_firmware/lock.py).
docs.micropython.org, "Writing interrupt handlers", asks for the buffer at the start of the
program: a handler cannot allocate the exception's traceback itself. 100 bytes is the size there.
"""

import micropython

micropython.kbd_intr(-1)
micropython.alloc_emergency_exception_buf(100)
