"""Completed shocks wait here until flash can be written without missing the next one.

Between shock (which needs its window for the next shock at once) and shock_keeper (which writes
to flash, and a flash operation holds interrupts off longer than the sensor's FIFO lasts). A row of
knocks comes faster than flash takes it. Pure; every buffer is made once.
"""

from array import array

ENTRIES_MAX = 16


class ShockShelf:
    """A stack of windows in one buffer, taken off all at once. Main loop only."""

    def __init__(self, sets: int) -> None:
        self._counts = array("h", bytes(2 * 3 * sets))
        self._view = memoryview(self._counts)
        self._used = 0
        self._entries: list = []

    def __len__(self) -> int:
        return len(self._entries)

    def has_room(self, count: int) -> bool:
        """Tell whether a window of `count` sets fits."""
        return len(self._entries) < ENTRIES_MAX and self._used + 3 * count <= len(self._counts)

    def put(self, entry: tuple, columns: tuple, count: int) -> None:
        """Copy a window beside what belongs to it. Call `has_room` first."""
        start = self._used
        at = start
        for axis in range(3):
            column = columns[axis]
            for index in range(count):
                self._counts[at] = column[index]
                at += 1
        self._used = at
        self._entries.append((entry, start, count))

    def take(self, number: int) -> tuple:
        """Return (entry, columns) of the number-th window; valid until `clear`."""
        entry, start, count = self._entries[number]
        view = self._view
        columns = tuple(
            [view[start + axis * count : start + (axis + 1) * count] for axis in range(3)]
        )
        return entry, columns

    def clear(self) -> None:
        """Empty the shelf."""
        self._entries.clear()
        self._used = 0
