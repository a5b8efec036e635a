"""First file a board runs: shut the prompt, keep the heap whole, room to report an exception.

Collecting after every 4 KB of a Pico W's heap, and not only when it is used up, leaves what lives
long side by side at its beginning: there are large pieces behind it then (firmware/README.md
"Memory"). A larger heap takes longer to collect, and has the more room to wait.

Ctrl-C does nothing until main.py knows whether the board is locked (dewarlog_firmware/lock.py).
docs.micropython.org, "Writing interrupt handlers", asks for the buffer at the start of the
program: a handler cannot allocate the exception's traceback itself. 100 bytes is the size there.
"""

import micropython

micropython.kbd_intr(-1)

import gc  # noqa: E402 - Ctrl-C comes first

micropython.alloc_emergency_exception_buf(100)
gc.threshold((gc.mem_alloc() + gc.mem_free()) // 46)
