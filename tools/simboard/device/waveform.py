"""One disturbance as the accelerometer's converter sees it: filtered, sampled, in counts.

The input chain of an ADXL372: the part's four-pole low-pass (here Butterworth, by bilinear
transform on a grid far above its corner), sampling at the output data rate, optionally
the one-pole high-pass, noise, offset, and the 12-bit range. Worked out once per disturbance.
"""

import math
from array import array

import micropython

from simboard.device.noise import normal_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableSequence

    from simboard.device.motion import Motion

COUNTS_PER_G = 10
FULL_SCALE = 2047  # 12 bits, 100 mg each: the range ends at +204.7 g
LEAD_US = 20000  # the filter settles on gravity before the disturbance begins
TAIL_US = 60000
_OVERSAMPLING = 16
_GRID_MIN_HZ = 25600  # above the rate of any recording, so that none is aliased
# Quality factors of the two second-order sections of a fourth-order Butterworth filter.
_Q = (0.5411961, 1.3065630)
_NOISE_COUNTS = 3.5  # rms at 1600 Hz bandwidth, ADXL372 data sheet table 10
_LOW_NOISE_COUNTS = 3.0


class Input:
    """How a chip is set up to see: everything that decides what a sample will be.

    Sample `k` is taken at `first_us + k * period_us`.
    """

    def __init__(
        self,
        first_us: int,
        period_us: float,
        bandwidth_hz: float,
        high_pass_hz: float,
        low_noise: int,
        offset_g: tuple[float, ...],
        noise: float,
        seed: int,
    ) -> None:
        self.first_us = first_us
        self.period_us = period_us
        self.bandwidth_hz = bandwidth_hz
        self.high_pass_hz = high_pass_hz
        rms = _LOW_NOISE_COUNTS if low_noise else _NOISE_COUNTS
        self.noise_counts = noise * rms * math.sqrt(bandwidth_hz / 1600)
        self.offset_g = offset_g
        self.seed = seed

    def time_us(self, k: int) -> float:
        """Return when sample `k` is taken."""
        return self.first_us + k * self.period_us

    def index_from(self, us: int) -> int:
        """Return the first sample taken at `us` or later."""
        k = int((us - self.first_us) / self.period_us)
        while self.first_us + k * self.period_us < us:
            k += 1
        while k > 0 and self.first_us + (k - 1) * self.period_us >= us:
            k -= 1
        return max(0, k)

    def noise(self, k: int, axis: int) -> float:
        """Return the noise of one sample, in counts."""
        return self.noise_counts * normal_at(k, self.seed + axis)


class Waveform:
    """Counts of the samples `first` to before `end`, by axis. `detect` is for the detector."""

    def __init__(self, view: "Input", motion: "Motion", first: int, end: int) -> None:
        self.first = first
        self.count = end - first
        self.counts = []
        self.detect = self.counts
        self._make(view, motion)

    def sample(self, k: int) -> tuple[int, int, int]:
        """Return x, y, z of sample `k` in counts."""
        i = k - self.first
        counts = self.counts
        return counts[0][i], counts[1][i], counts[2][i]

    def _make(self, view: "Input", motion: "Motion") -> None:
        grid_hz = max(_OVERSAMPLING * view.bandwidth_hz, _GRID_MIN_HZ)
        begin_us = view.time_us(self.first)
        step_us = 1000000 / grid_hz
        points = int((self.count + 2) * view.period_us / step_us) + 4
        axes = [array("f", bytes(4 * points)) for _ in range(3)]
        x, y, z = axes
        for i in range(points):
            x[i], y[i], z[i] = motion.at(int(begin_us + i * step_us))
        per_sample = view.period_us / step_us
        for axis in range(3):
            signal = axes[axis]
            for q in _Q:
                _low_pass(signal, view.bandwidth_hz / grid_hz, q)
            self.counts.append(self._sample_axis(view, signal, per_sample, axis))

    def _sample_axis(
        self, view: "Input", signal: "MutableSequence[float]", per_sample: float, axis: int
    ) -> "MutableSequence[int]":
        counts = array("h", bytes(2 * self.count))
        offset = view.offset_g[axis]
        rest = signal[0] + offset
        held = 0.0
        keep = 1.0
        if view.high_pass_hz:
            keep = math.exp(-2 * math.pi * view.high_pass_hz * view.period_us / 1000000)
        before = rest
        for i in range(self.count):
            place = i * per_sample
            at = int(place)
            part = place - at
            g = signal[at] + part * (signal[at + 1] - signal[at]) + offset
            if view.high_pass_hz:
                held = keep * (held + g - before)
                before = g
                g = held
            counts[i] = to_counts(g * COUNTS_PER_G + view.noise(self.first + i, axis))
        return counts


def to_counts(value: int) -> int:
    """Round to a count and saturate at the ends of the range."""
    count = int(value + 2048.5) - 2048
    if count > FULL_SCALE:
        return FULL_SCALE
    return -FULL_SCALE - 1 if count < -FULL_SCALE - 1 else count


@micropython.native
def _low_pass(signal: "MutableSequence[float]", corner: float, q: float) -> None:
    """Filter in place with one second-order section; `corner` is a part of the sample rate.

    Coefficients: bilinear transform with pre-warping (R. Bristow-Johnson, Audio EQ Cookbook).
    """
    w = 2 * math.pi * corner
    cosine = math.cos(w)
    alpha = math.sin(w) / (2 * q)
    scale = 1 / (1 + alpha)
    b0 = (1 - cosine) / 2 * scale
    b1 = (1 - cosine) * scale
    a1 = -2 * cosine * scale
    a2 = (1 - alpha) * scale
    rest = signal[0]
    # Direct form II transposed, started as if the first value had stood for ever.
    s1 = rest * (1 - b0)
    s2 = rest * (b0 - a2)
    for i in range(len(signal)):
        value = signal[i]
        out = b0 * value + s1
        s1 = b1 * value - a1 * out + s2
        s2 = b0 * value - a2 * out
        signal[i] = out
