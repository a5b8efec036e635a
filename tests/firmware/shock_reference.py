"""The figures of a shock by floating point, from the recording itself rather than from samples.

Written from the definitions at the top of firmware/dewarlog_firmware/shock_pulse.py; shares
nothing with it. The curve is the recording through the sensor's low-pass filter, at the
recording's own rate and made 8 times denser by scipy, instead of interpolated counts.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import interpolate, signal

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MM_S2_PER_G = 9806.65
# ADXL372 data sheet, "Features": bandwidth selectable, 4-pole antialiasing filter.
FILTER_POLES = 4
COUNT_G = 0.1
DENSER = 8


@dataclass(frozen=True)
class Recording:
    """Acceleration in g on three axes, evenly spaced in time."""

    times_s: Floats
    g: Floats

    @property
    def rate_hz(self) -> float:
        """Return the mean rate of the samples."""
        return (len(self.times_s) - 1) / float(self.times_s[-1] - self.times_s[0])

    def filtered(self, bandwidth_hz: float) -> Recording:
        """Return it as it comes out of the sensor's filter; the filter starts settled."""
        if bandwidth_hz * 2 >= self.rate_hz:
            return self
        poles = signal.butter(FILTER_POLES, bandwidth_hz, fs=self.rate_hz, output="sos")
        g = signal.sosfilt(poles, self.g - self.g[0], axis=0) + self.g[0]
        return Recording(self.times_s, g)

    def counts(self, rate_hz: float, phase: float) -> list[list[int]]:
        """Return what the sensor puts out, its first sample `phase` of a period late."""
        times_s = np.arange(self.times_s[0] + phase / rate_hz, self.times_s[-1], 1 / rate_hz)
        g = interpolate.CubicSpline(self.times_s, self.g)(times_s)
        return np.clip(np.round(g / COUNT_G), -2048, 2047).astype(int).tolist()

    def between(self, begin_s: float, end_s: float) -> Floats:
        """Return the samples of a stretch of time."""
        return self.g[(self.times_s >= begin_s) & (self.times_s < end_s)]


@dataclass(frozen=True)
class Figures:
    """Peak, duration and velocity change of the pulse at the peak."""

    peak_g: float
    duration_s: float
    velocity_change_mm_s: float


def load(path: Path) -> Recording:
    """Read a recording: gzipped CSV of seconds and g on x, y, z, with a head line."""
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",", skiprows=1)
    return Recording(table[:, 0], table[:, 1:4])


def figures(curve_g: Floats, baseline_g: Floats, rate_hz: float) -> Figures:
    """Return the figures of the hardest pulse of a stretch of filtered recording."""
    # Beyond the stretch its ends go on as a line: a jump to zero there would ring into it.
    curve = signal.resample_poly(curve_g - baseline_g, DENSER, 1, axis=0, padtype="line")
    step_s = 1 / rate_hz / DENSER
    resultant = np.linalg.norm(curve, axis=1)
    peak_at = int(resultant.argmax())
    axis = int(np.abs(curve[peak_at]).argmax())
    along = curve[:, axis] * np.sign(curve[peak_at, axis])
    inside = along > along[peak_at] / 10
    begin = peak_at - int(np.argmin(inside[peak_at::-1])) + 1
    end = peak_at + int(np.argmin(inside[peak_at:])) - 1
    area = np.trapezoid(curve[begin : end + 1], dx=step_s, axis=0)
    return Figures(
        float(resultant[peak_at]),
        (end - begin) * step_s,
        float(np.linalg.norm(area)) * MM_S2_PER_G,
    )
