"""What one shock window says: peak, duration and velocity change, in integers.

Place in the line: below shock, which hands a window over when the shock has ended. Pure. The host
recomputes the same figures from the stored window; this text is their definition.

Baseline   of an axis: the mean of the middle half, sorted, of its samples before the trigger; of
           the whole window when that was cut (CUT: what stands before the trigger is then shock
           too) or has fewer than BASELINE_MIN samples there. It holds gravity and the sensor's
           offset; a slow rise to the trigger cannot pull it away.
Curve      between samples i and i + 1 stand 7 more points, by band-limited interpolation over 12
           samples (Kaiser-windowed sinc, beta 3.5; beyond the window its first or last sample
           repeats). A sensor that passes up to half its data rate has peaks between samples: on
           recorded knocks, samples alone miss up to 23 % of a peak, the curve at most 3 %.
Peak       the largest resultant of the three curves, baselines removed. Looked for at every
           sample, and on the curve in the two intervals at the largest sample and in the first
           INTERVALS_MAX others at a sample of at least 1/sqrt(2) of that. The peaks of the axes
           are the largest values, with their sign, met on the way.
Pulse      on the axis that has most of the peak: the stretch around the peak in which it stays
           above a tenth of its value there, ends found by linear interpolation in the curve, or
           the end of the window.
Duration   of the pulse.
Velocity   change: resultant of the areas under the three curves over the pulse (trapezoids). For
           a drop this is impact plus rebound velocity: 0.76 m is 3.9 m/s and more.

Why a tenth and not the baseline itself: tails of recorded knocks linger about zero, and where
they cross it moves the area by up to 29 % with a change of a few mg; from tenth to tenth it stays
within 4 %. Of a half-sine pulse 0.5 % of the area and 6 % of the time lie outside.

Contract: main loop only, interrupts go on. On an RP2040, estimated from the number of operations:
50 ms for a knock, 0.1 s for a pulse of 11 ms, 0.3 s for a window full of vibration. Allocates
lists of the window's length; areas and times pass through a few big integers.
"""

from array import array
from collections import namedtuple

from dewarlog_firmware.isqrt import isqrt
from dewarlog_wire.layout import SHOCK_CUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Peaks in counts; the signed ones of the axes, the resultant without a sign.
ShockFigures = namedtuple(
    "ShockFigures",
    ("peak_x", "peak_y", "peak_z", "peak", "duration_us", "velocity_change_mm_s"),
)

BASELINE_MIN = 8
INTERVALS_MAX = 48
_PHASES = 8  # points of the curve for each sample
_TAPS = 12
_BEFORE = 5  # of the taps stand before sample i
# Phase 1 to 7: sinc(n - phase / 8) under a Kaiser window, in 1/4096, each row summing to 1.
# fmt: off
_KERNEL = array("h", (
    -27, 56, -105, 195, -422, 3999, 554, -230, 122, -66, 33, -13,
    -44, 95, -180, 333, -695, 3696, 1207, -466, 244, -132, 66, -28,
    -52, 114, -218, 402, -815, 3214, 1908, -668, 344, -187, 95, -41,
    -50, 113, -219, 403, -797, 2598, 2598, -797, 403, -219, 113, -50,
    -41, 95, -187, 344, -668, 1908, 3214, -815, 402, -218, 114, -52,
    -28, 66, -132, 244, -466, 1207, 3696, -695, 333, -180, 95, -44,
    -13, 33, -66, 122, -230, 554, 3999, -422, 195, -105, 56, -27,
))
# fmt: on
# Standard gravity, 9.80665 m/s2: mm/s2 of one mg, in 1/100000.
_MM_S2_PER_MG = 980665


def measure(
    columns: "Sequence[Sequence[int]]",
    count: int,
    trigger: int,
    flags: int,
    rate_hz: int,
    count_mg: int,
) -> ShockFigures:
    """Return the figures of a window: three columns of which the first `count` samples count.

    The rest are values of its SHOCK_HEAD.
    """
    quiet = count if flags & SHOCK_CUT or trigger < BASELINE_MIN else trigger
    window = _Window(columns, count, quiet)
    window.find_peak()
    begin, end = window.find_pulse()
    areas = [window.area(axis, begin, end) for axis in range(3)]
    area = isqrt(areas[0] * areas[0] + areas[1] * areas[1] + areas[2] * areas[2])
    # An area is in 1/16 count, 1/8 sample and 1/256: counts x samples are area / 2**15.
    divisor = rate_hz * 100000 << 15
    velocity = (area * count_mg * _MM_S2_PER_MG + (divisor >> 1)) // divisor
    lowest_16, highest_16 = window.lowest_16, window.highest_16
    peaks = []
    for axis in range(3):
        extreme_16 = highest_16[axis]
        if -lowest_16[axis] > extreme_16:
            extreme_16 = lowest_16[axis]
        peaks.append((extreme_16 + 8) >> 4)
    return ShockFigures(
        peaks[0],
        peaks[1],
        peaks[2],
        (isqrt(window.peak_2 << 2) + 4) >> 3,
        (end - begin) * 1000000 // (rate_hz << 11),
        velocity if velocity < 65536 else 65535,
    )


def baseline_16(column: "Sequence[int]", count: int) -> int:
    """Return the mean of the middle half of the first `count` samples, in 1/16 count."""
    ordered = sorted([column[index] for index in range(count)])
    skipped = count >> 2
    total = 0
    for index in range(skipped, count - skipped):
        total += ordered[index]
    kept = count - 2 * skipped
    return (32 * total + kept) // (2 * kept)


class _Window:
    """One window being measured. Places on the curve are counted in eighths of a sample."""

    def __init__(self, columns: "Sequence[Sequence[int]]", count: int, quiet: int) -> None:
        self._columns = columns
        self._count = count
        self._base_16 = [baseline_16(column, quiet) for column in columns]
        self._last = (count - 1) * _PHASES
        self.peak_2 = 0  # square of the largest resultant, in 1/4 count
        self._peak_at = 0
        self._pulse_axis = 0
        self._sign = 10  # of the peak on that axis, times ten
        self._level_10 = 0  # ten times the level at which the pulse ends
        self.lowest_16 = [0, 0, 0]
        self.highest_16 = [0, 0, 0]

    def value_16(self, axis: int, place: int) -> int:
        """Return the curve of one axis, baseline removed, in 1/16 count."""
        column = self._columns[axis]
        index = place >> 3
        phase = place & 7
        if phase == 0:
            return (column[index] << 4) - self._base_16[axis]
        tap = (phase - 1) * _TAPS
        first = index - _BEFORE
        last = self._count - 1
        total = 0
        if first >= 0 and first + _TAPS - 1 <= last:
            for at in range(first, first + _TAPS):
                total += _KERNEL[tap] * column[at]
                tap += 1
        else:
            for at in range(first, first + _TAPS):
                total += _KERNEL[tap] * column[0 if at < 0 else last if at > last else at]
                tap += 1
        return ((total + 128) >> 8) - self._base_16[axis]

    def _look(self, place: int) -> int:
        """Return the squared resultant at a place, in 1/4 count; keep it if it is the largest."""
        square = 0
        for axis in range(3):
            value_16 = self.value_16(axis, place)
            if value_16 > self.highest_16[axis]:
                self.highest_16[axis] = value_16
            elif value_16 < self.lowest_16[axis]:
                self.lowest_16[axis] = value_16
            value_4 = (value_16 + 2) >> 2
            square += value_4 * value_4
        if square > self.peak_2:
            self.peak_2 = square
            self._peak_at = place
        return square

    def _look_between(self, index: int) -> None:
        """Look at the curve between a sample and the next."""
        for place in range(index * _PHASES + 1, (index + 1) * _PHASES):
            self._look(place)

    def find_peak(self) -> None:
        """Find the place of the largest resultant."""
        count = self._count
        squares = [self._look(index * _PHASES) for index in range(count)]
        threshold = self.peak_2 >> 1
        largest = self._peak_at // _PHASES
        left = INTERVALS_MAX
        for index in range(count - 1):
            if index in (largest - 1, largest):
                self._look_between(index)
            elif left and (squares[index] >= threshold or squares[index + 1] >= threshold):
                self._look_between(index)
                left -= 1

    def find_pulse(self) -> "tuple[int, int]":
        """Return begin and end of the pulse, in 1/256 of a place."""
        peak_at = self._peak_at
        axis = 0
        for other in (1, 2):
            if abs(self.value_16(other, peak_at)) > abs(self.value_16(axis, peak_at)):
                axis = other
        self._pulse_axis = axis
        self._level_10 = abs(self.value_16(axis, peak_at))
        self._sign = 10 if self.value_16(axis, peak_at) > 0 else -10
        return (peak_at << 8) - self._reach(-1), (peak_at << 8) + self._reach(1)

    def _reach(self, step: int) -> int:
        """Return how far the pulse goes from the peak to one side, in 1/256 of a place."""
        place = self._peak_at
        above = self._level_10 * 9
        while 0 <= place + step <= self._last:
            after = self._sign * self.value_16(self._pulse_axis, place + step) - self._level_10
            if after <= 0:
                whole = (place - self._peak_at) * step << 8
                return whole + ((above << 8) // (above - after) if above else 0)
            above = after
            place += step
        return (place - self._peak_at) * step << 8

    def area(self, axis: int, begin: int, end: int) -> int:
        """Return the area under one curve from begin to end, in 1/16 count and 1/256 of a place.

        Trapezoids between places; the curve is straight between them.
        """
        first = (begin + 255) >> 8
        last = end >> 8
        value = self.value_16(axis, first)
        twice = 0  # in 1/16 count and places, of the whole steps
        edges = 0  # in 1/256 of a place
        if begin < first << 8:
            edges += self._edge(value, self.value_16(axis, first - 1), (first << 8) - begin)
        for place in range(first, last):
            after = self.value_16(axis, place + 1)
            twice += value + after
            value = after
        if end > last << 8:
            edges += self._edge(value, self.value_16(axis, last + 1), end - (last << 8))
        return (twice << 7) + edges

    def _edge(self, inside: int, outside: int, part: int) -> int:
        """Return the area of `part` / 256 of the step from an inner to an outer place."""
        cut = inside + ((outside - inside) * part >> 8)
        return (inside + cut) * part >> 1
