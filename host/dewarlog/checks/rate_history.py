"""Rates of change over a window, for whole arrays of readings.

The rate at a sample looks back to the newest entry of a history that is at least the window old;
protocol/SPEC.md on excursions says when an entry is made and when all are forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from dewarlog_wire import layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

# The history of a rate rule holds this many entries, 1/16 of its window apart at the closest.
RATE_HISTORY: Final = 32
RATE_ENTRIES_PER_WINDOW: Final = 16
MS_AN_HOUR: Final = 3_600_000


class RateHistory:
    """Earlier readings of one channel, for the rate of one rule."""

    __slots__ = ("spacing_ms", "times", "values", "window_ms")

    def __init__(self, window_s: int) -> None:
        self.window_ms = window_s * 1000
        self.spacing_ms = self.window_ms // RATE_ENTRIES_PER_WINDOW
        self.clear()

    def clear(self) -> None:
        """Forget everything: a boot, a gap or a state code."""
        self.times: Ints = np.empty(0, dtype=np.int64)
        self.values: Ints = np.empty(0, dtype=np.int64)

    def advance(self, times: Ints, values: Ints) -> tuple[Ints, Ints]:
        """Take the next samples; return the entries (times, values) their rates look back to."""
        kept = self._kept(times)
        entry_times = np.concatenate((self.times, times[kept]))
        entry_values = np.concatenate((self.values, values[kept]))
        self.times = entry_times[-RATE_HISTORY:]
        self.values = entry_values[-RATE_HISTORY:]
        return entry_times, entry_values

    def rates(
        self, times: Ints, values: Ints, entry_times: Ints, entry_values: Ints
    ) -> tuple[Ints, Ints]:
        """Return (indices, rates in K/h) of the samples that have an entry to look back to."""
        # An entry made at this very sample is added after its rate is computed; with a window
        # above 0 none that is not older can be found anyway.
        place = np.searchsorted(entry_times, times - max(self.window_ms, 1), side="right") - 1
        rated = np.flatnonzero(place >= 0)
        then = place[rated]
        elapsed = times[rated] - entry_times[then]
        rise = (values[rated] - entry_values[then]) * MS_AN_HOUR
        return rated, rise // (layout.TEMPERATURE_PER_DEGC * elapsed)

    def bound(self, rise: int) -> int:
        """Give a rate, in K/h, that no rise of at most so many counts can pass."""
        return rise * MS_AN_HOUR // (layout.TEMPERATURE_PER_DEGC * max(self.window_ms, 1))

    def _kept(self, times: Ints) -> Ints:
        """Return the indices of the samples that become entries."""
        count = len(times)
        first = 0
        if len(self.times):
            first = int(np.searchsorted(times, int(self.times[-1]) + self.spacing_ms))
        if count < 2 or first >= count:
            return np.arange(first, count, dtype=np.int64)
        steps = np.diff(times)
        step = int(steps[0])
        if step > 0 and (steps == step).all():
            stride = max(1, -(-self.spacing_ms // step))
            return np.arange(first, count, stride, dtype=np.int64)
        following: list[int] = np.searchsorted(times, times + self.spacing_ms).tolist()
        kept: list[int] = []
        index = first
        while index < count:
            kept.append(index)
            index = max(following[index], index + 1)
        return np.array(kept, dtype=np.int64)
