"""What the main loop is worth: its longest pass, how much memory its heap has left, its version.

Beside app, which asks it once a pass; bench tells the figures (protocol/SPEC.md 7.11), and the log
the versions.
"""

import gc
import sys

from micropython import const

from dewarlog_firmware import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dewarlog_firmware.board import Board

LOOK_EVERY_MS = const(60_000)  # both collecting and counting walk the whole heap: milliseconds
_TICKS_MASK = const(0x3FFFFFFF)


class Gauges:
    """Figures of one boot. Main loop only; allocates nothing."""

    def __init__(self, board: "Board") -> None:
        self._board = board
        self._mem_free = getattr(gc, "mem_free", _none)  # CPython counts none
        self._looked_ms = 0
        self.pass_max_us = 0  # since it was last told
        self.heap_free_bytes = 0  # at the last look
        self.heap_low_bytes = 0
        self.look()
        self.heap_low_bytes = self.heap_free_bytes

    def passed(self, began_us: int) -> None:
        """Take note of a pass of the loop that began then and is over now."""
        took_us = (self._board.ticks_us() - began_us) & _TICKS_MASK
        if took_us > self.pass_max_us:
            self.pass_max_us = took_us

    def look_when_due(self) -> None:
        """Look at the heap once a minute: when the loop has nothing else to do."""
        if (self._board.ticks_ms() - self._looked_ms) & _TICKS_MASK >= LOOK_EVERY_MS:
            self.look()

    def look(self) -> None:
        """Collect what nobody uses, and count what is free."""
        self._looked_ms = self._board.ticks_ms() & _TICKS_MASK
        gc.collect()
        self.heap_free_bytes = self._mem_free()
        self.heap_low_bytes = min(self.heap_low_bytes, self.heap_free_bytes)


def versions() -> tuple:
    """Return firmware's and MicroPython's version, three numbers each."""
    version = sys.implementation.version
    return (VERSION[0], VERSION[1], VERSION[2], version[0], version[1], version[2])


def _none() -> int:
    return 0
