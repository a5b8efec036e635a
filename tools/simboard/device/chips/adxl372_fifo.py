"""The FIFO of the ADXL372: which samples it holds, not their values.

Data sheet rev. C, "FIFO": 512 entries of one axis each, in whole sets. It is a span of sample
numbers, so that filling it costs nothing; values are worked out when they are read.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

OFF = 0
STREAM = 1
TRIGGERED = 2
OLDEST = 3
_ENTRIES = 512
_AXES = ((0, 1, 2), (0,), (1,), (0, 1), (2,), (0, 2), (1, 2), (0, 1, 2))  # by FIFO_FORMAT
_PEAKS = 7


class Fifo:
    """The span `first` to before `end`, less `skip` entries of the first set already read."""

    def __init__(self, mode: int, data_format: int, watermark: int) -> None:
        self.mode = mode
        self.axes = _AXES[data_format]
        self.keeps_peaks = data_format == _PEAKS
        self.watermark = watermark
        self.capacity = _ENTRIES // len(self.axes)
        self.overrun = False
        self.first = 0
        self.end = 0
        self.skip = 0
        self.trigger = -1  # sample that triggered, in triggered mode
        self._peaks = {}  # set number -> values, in peak mode
        self._emptied = False

    def entries(self) -> int:
        """Return how many entries can be read."""
        return (self.end - self.first) * len(self.axes) - self.skip

    def fill(self, k: int) -> None:
        """Take in every sample before `k`."""
        if self.mode == OFF or self.keeps_peaks:
            return
        if self.mode == TRIGGERED and self.trigger >= 0:
            last = self.trigger + (self.watermark + len(self.axes) - 1) // len(self.axes)
            k = min(k, last)
        if self.mode == OLDEST and k > self.first + self.capacity:
            k = max(self.end, self.first + self.capacity)
            self.overrun = True
        if k <= self.end:
            return
        if self._emptied:
            # Read to the last entry against the data sheet's advice: the sets come out of step.
            self._emptied = False
            if len(self.axes) > 1:
                self.skip = 1
        self.end = k
        if k - self.first > self.capacity:
            if not (self.mode == TRIGGERED and self.trigger < 0):
                self.overrun = True
            self.first = k - self.capacity
            self.skip = 0

    def add_peak(self, values: tuple[int, int, int]) -> None:
        """Store the peak of one impact, in peak mode."""
        if self.mode == OFF:
            return
        self._peaks[self.end] = values
        self.end += 1
        if self.end - self.first > self.capacity:
            del self._peaks[self.first]
            self.first += 1
            self.overrun = True

    def full_at(self) -> int:
        """Return the sample whose arrival reaches the watermark; -1 when there is none to come."""
        sets = (self.watermark + self.skip + len(self.axes) - 1) // len(self.axes)
        if self.mode == OFF or self.keeps_peaks or sets > self.capacity:
            return -1
        return self.first + sets - 1

    def at_watermark(self) -> bool:
        """Tell whether the watermark is reached."""
        return self.mode != OFF and self.entries() >= self.watermark

    def ready(self) -> bool:
        """Tell whether something can be read."""
        if self.mode == TRIGGERED and self.trigger < 0:
            return False
        return self.entries() > 0

    def pop_into(
        self,
        into: bytearray,
        start: int,
        count: int,
        sample: "Callable[[int], tuple[float, float, float]]",
    ) -> None:
        """Fill `count` bytes of `into` with entries; `sample(k)` gives the counts of a set."""
        axes = self.axes
        values = None
        i = start
        end = start + count
        while i + 1 < end:
            if self.entries() <= 0:
                into[i] = 0
                into[i + 1] = 0
                i += 2
                continue
            if values is None:
                values = self._peaks[self.first] if self.keeps_peaks else sample(self.first)
            entry = values[axes[self.skip]] << 4
            into[i] = entry >> 8 & 0xFF
            into[i + 1] = entry & 0xF0 | (1 if self.skip == 0 else 0)
            i += 2
            self.skip += 1
            if self.skip == len(axes):
                self.skip = 0
                self._peaks.pop(self.first, None)
                self.first += 1
                values = None
        if i < end:
            into[i] = 0
        if self.entries() == 0 and self.mode == STREAM:
            self._emptied = True

    def restart(self, k: int) -> None:
        """Begin anew with sample `k`, as triggered mode does once it has been read."""
        self.first = self.end = k
        self.skip = 0
        self.trigger = -1
