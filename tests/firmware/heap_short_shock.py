"""A shock of the hardest noise on a heap that hosts have used up; prints what is told of it.

Run by test_shock_keeper.py with a real MicroPython, where memory can run out.
"""

import gc
import struct

from dewarlog_firmware.config import ShockSettings
from dewarlog_firmware.recorder import Recorder
from dewarlog_firmware.shock import ShockCapture
from dewarlog_firmware.shock_keeper import ShockKeeper
from dewarlog_firmware.sizes import Sizes
from dewarlog_wire import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableSequence
    from typing import Any

SETTINGS = ShockSettings(3200, 100, 200, 80, 30, 32, 1024, 25, 50, 100, 3, 0)
PIECE_BYTES = 1024
HOSTS_HOLD = 2  # pieces
FREE = 6


class Book:
    """A logbook that keeps what it is given."""

    def __init__(self) -> None:
        self.shocks = 0
        self.told: "list[tuple[int, ...]]" = []
        self.windows: "list[tuple[int, ...]]" = []
        self.recorder = Recorder((0,), has_extremes=False, sizes=Sizes(64, 2048, 6144, 64, 1024))

    def at(self, *_: int) -> None:
        """Take a time."""

    def commit(self) -> None:
        """Store nothing."""

    def note_shock(self, values: "tuple[int, ...]") -> None:
        """Keep a SHOCK event."""
        self.told.append(values)

    def write_shock(self, window: "bytes | memoryview", *_: int) -> bool:
        """Keep a window."""
        head = struct.unpack_from(layout.SHOCK_HEAD.format, window, layout.SECTION_HEAD.size)
        self.windows.append(head)
        return True


class Sampler:
    """Gives the noise in slots of 16 sets."""

    flags = gap_us = first_us = 0
    is_away = False
    seed = 1

    def __init__(self, slots: int) -> None:
        self.left = slots

    def take(self, counts: "MutableSequence[int]", _at: int) -> int:
        """Fill in one slot; the one that has the peak, and no other, has it on x."""
        if not self.left:
            return 0
        self.left -= 1
        for index in range(48):
            self.seed = (self.seed * 1103515245 + 12345) & 0x3FFFFFFF
            counts[index] = (self.seed >> 12) % 1600 - 800
        if self.left == 20:
            counts[0] = 1900
        return 16


def main() -> None:
    """Run the heap full, and let a shock come."""
    book, sampler = Book(), Sampler(62)
    hosts: "list[bytearray]" = []

    def free_heap() -> None:
        print("hosts left")
        hosts.clear()
        gc.collect()

    parts: "list[Any]" = [sampler, ShockCapture(SETTINGS), book, 16, 3200]
    keeper = ShockKeeper(
        *parts,
        now=lambda: (10, 0),
        ticks_us=lambda: 0,
        shelf_bytes=6144,
        free_heap=free_heap,
    )
    pieces: "list[Any]" = [None] * 512
    held = 0
    gc.collect()
    try:
        while True:
            pieces[held] = bytearray(PIECE_BYTES)
            held += 1
    except MemoryError:
        pass
    for _ in range(HOSTS_HOLD):
        held -= 1
        hosts.append(pieces[held])
        pieces[held] = None
    for _ in range(FREE):
        held -= 1
        pieces[held] = None
    gc.collect()
    keeper.end()
    pieces.clear()
    (event,) = book.told
    print("peak is", 1850 < event[3] < 2100, "flags", event[2])
    _, count, trigger, _, _, flags = book.windows[0]
    print("window of", count < 992 and 992 % count == 0, trigger, "flags", flags)


main()
