"""Completed shocks wait here until flash can be written without missing the next one.

Between shock (which needs its window for the next shock at once) and shock_keeper (which writes
to flash, and a flash operation holds interrupts off longer than the sensor's FIFO lasts). A row of
knocks comes faster than flash takes it. Windows wait as they will be stored, which is a quarter of
their counts. Pure; the buffer is made once.
"""

from collections import namedtuple

ENTRIES_MAX = 16

# What belongs to a window: ticks_us when it was put here; (s, ms) of the hit and of its begin; the
# values of its SHOCK event; how many sets it has.
Entry = namedtuple("Entry", ("shelved_us", "hit_at", "event", "began_at", "count"))


class ShockShelf:
    """A queue of windows side by side in one buffer. Main loop only."""

    def __init__(self, capacity_bytes: int) -> None:
        self._buffer = bytearray(capacity_bytes)
        self._view = memoryview(self._buffer)
        self._used = 0
        self._entries: list = []

    def __len__(self) -> int:
        return len(self._entries)

    def has_room(self, count_bytes: int) -> bool:
        """Tell whether one more window of `count_bytes` fits."""
        return len(self._entries) < ENTRIES_MAX and self._used + count_bytes <= len(self._buffer)

    def put(self, entry: "Entry", window: bytes) -> None:
        """Copy a window behind the others, with what belongs to it. Call `has_room` first."""
        end = self._used + len(window)
        self._view[self._used : end] = window
        self._used = end
        self._entries.append((entry, len(window)))

    def entry(self, number: int) -> "Entry":
        """Return what was put beside the number-th window; 0 is the oldest."""
        return self._entries[number][0]

    def oldest(self) -> memoryview:
        """Return the oldest window; it stands until `drop`."""
        return self._view[: self._entries[0][1]]

    def drop(self) -> None:
        """Take the oldest window off; the others move up."""
        count_bytes = self._entries.pop(0)[1]
        left = self._used - count_bytes
        self._view[:left] = self._view[count_bytes : self._used]
        self._used = left
