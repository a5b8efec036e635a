"""What importing each module leaves in the heap, itself alone: not what it imports.

    micropython -c "from size_rig.imports import main; main()"

Prints `NAME BYTES STAYS` in the order of importing; STAYS is 0 for what the firmware lets go of
once it has booted (once.py). Code that is frozen is not in the heap; so what is
printed of frozen modules is their data, and what of compiled files is data and code.
"""

import builtins
import gc

from size_rig import board

_PACKAGES = ("dewarlog_wire", "dewarlog_firmware")
# What is imported only when it is first needed.
LATE = ("ed25519", "sha512", "restart", "wiped_hmac", "fast")


def main() -> None:
    """Import the firmware, app first, then what it imports late, and what it lets go of."""
    board.install()
    plain = builtins.__import__
    inner = [0]  # bytes that imports inside the one going on have left
    seen = {}

    def measured(name: str, *arguments: object) -> object:
        if not name.startswith(_PACKAGES):
            return plain(name, *arguments)
        gc.collect()
        before = gc.mem_alloc()
        outer = inner[0]
        inner[0] = 0
        try:
            return plain(name, *arguments)
        finally:
            gc.collect()
            whole = gc.mem_alloc() - before
            if name not in seen:
                seen[name] = whole - inner[0]
            inner[0] = outer + whole

    builtins.__import__ = measured
    for name in ("app",) + LATE:
        __import__("dewarlog_firmware." + name)
    from dewarlog_firmware import once

    for name in once.LET_GO:
        __import__("dewarlog_firmware." + name)
    builtins.__import__ = plain
    for name, count in seen.items():
        print(name, count, int(name.rpartition(".")[2] not in once.LET_GO))
