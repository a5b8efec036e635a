"""First file a board runs: room to report an exception raised inside an interrupt.

docs.micropython.org, "Writing interrupt handlers", asks for it at the start of the program: a
handler cannot allocate the exception's traceback itself. 100 bytes is the size given there.
"""

import micropython

micropython.alloc_emergency_exception_buf(100)
