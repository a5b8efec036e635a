"""Has a probe come to rest in its bath? Judged by its newest readings alone.

In the bench: calibration waits by it. Pure; time is the board's, so that a simulated board may be
in a hurry.

A straight line is fitted to the readings of the last minutes by least squares. Its slope says
whether the probe still moves, the scatter around it whether the bath is quiet:

    b = sum((t - t_mean) (x - x_mean)) / sum((t - t_mean)^2)
    s = sqrt(sum(residual^2) / (n - 2)),  u(b) = s / sqrt(sum((t - t_mean)^2))

A probe that nears its bath exponentially, with time constant tau, is still b * tau away when it
moves by b. Sheathed probes have time constants of seconds to a minute in a stirred liquid. Hence
the thresholds:
- |b| + u(b) at most 0.03 K/min: what is left to go is at most 0.03 K at a time constant of one
  minute. The uncertainty belongs to it, else a short noisy window would pass by luck;
- s at most 0.06 K. Converter and cold junction scatter by 0.01 to 0.02 K; beyond three times that
  the bath boils hard, is not stirred, or the probe touches its wall;
- 3 minutes and 12 readings at least: three time constants, and enough for s to mean something.
Readings come in counts of 1/128 degC: s is never taken as less than their rounding,
count/sqrt(12).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dewarlog.uncertainty import COVERAGE_FACTOR

if TYPE_CHECKING:
    from collections.abc import Sequence

COUNT_K: Final = 1 / 128
ROUNDING_K: Final = COUNT_K / math.sqrt(12.0)
TIME_CONSTANT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What counts as at rest; reasons above."""

    window_s: float = 180.0
    least_readings: int = 12
    slope_k_per_min: float = 0.03
    spread_k: float = 0.06


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a probe: seconds of the board's time, degC."""

    time_s: float
    degc: float


@dataclass(frozen=True, slots=True)
class Fit:
    """A straight line through readings."""

    count: int
    length_s: float
    mean_degc: float
    slope_k_per_min: float
    slope_u_k_per_min: float
    spread_k: float
    """Standard deviation around the line."""

    @property
    def u_k(self) -> float:
        """How well the mean says where the probe will end, as a standard uncertainty.

        Scatter of a mean; and the way that is left at a time constant of one minute, or half of
        the window's where that is more, as a limit.
        """
        way_s = max(TIME_CONSTANT_S, self.length_s / 2)
        left_k = abs(self.slope_k_per_min) / 60 * way_s
        return math.hypot(self.spread_k / math.sqrt(self.count), left_k / math.sqrt(3.0))


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a probe is at rest, and if not, why."""

    settled: bool
    why: str
    """Empty, "few readings", "slope" or "spread"."""
    fit: Fit | None
    readings: tuple[Reading, ...]
    """Those judged: the newest, as long as the window."""


def fit(readings: Sequence[Reading]) -> Fit:
    """Fit a line to three readings or more, taken at different times.

    Raises:
        ValueError: there are fewer, or all have one time.
    """
    count = len(readings)
    if count < 3:
        message = f"a line with a spread needs 3 readings, not {count}"
        raise ValueError(message)
    mean_s = math.fsum(one.time_s for one in readings) / count
    mean_degc = math.fsum(one.degc for one in readings) / count
    square_s2 = math.fsum((one.time_s - mean_s) ** 2 for one in readings)
    if square_s2 == 0.0:
        message = "all readings have the same time"
        raise ValueError(message)
    product = math.fsum((one.time_s - mean_s) * (one.degc - mean_degc) for one in readings)
    slope = product / square_s2
    squares = math.fsum(
        (one.degc - mean_degc - slope * (one.time_s - mean_s)) ** 2 for one in readings
    )
    spread = max(math.sqrt(squares / (count - 2)), ROUNDING_K)
    return Fit(
        count=count,
        length_s=readings[-1].time_s - readings[0].time_s,
        mean_degc=mean_degc,
        slope_k_per_min=slope * 60,
        slope_u_k_per_min=spread / math.sqrt(square_s2) * 60,
        spread_k=spread,
    )


def judge(readings: Sequence[Reading], thresholds: Thresholds = Thresholds()) -> Judgement:
    """Judge the newest of `readings`, which are in order of time."""
    newest = _newest(readings, thresholds)
    if newest is None:
        line = fit(readings) if len(readings) >= 3 and _spans(readings) else None
        return Judgement(settled=False, why="few readings", fit=line, readings=tuple(readings))
    line = fit(newest)
    why = ""
    if line.spread_k > thresholds.spread_k:
        why = "spread"
    steep_k = abs(line.slope_k_per_min)
    if steep_k + line.slope_u_k_per_min > thresholds.slope_k_per_min and (
        # A true slope is told first, for the scatter around a curve is its bend; one that noise
        # alone explains is the spread's doing.
        not why or steep_k > COVERAGE_FACTOR * line.slope_u_k_per_min
    ):
        why = "slope"
    return Judgement(settled=not why, why=why, fit=line, readings=newest)


def _spans(readings: Sequence[Reading]) -> bool:
    return readings[-1].time_s > readings[0].time_s


def _newest(readings: Sequence[Reading], thresholds: Thresholds) -> tuple[Reading, ...] | None:
    """Return the fewest newest readings that fill the window; None where there are not enough."""
    if not readings:
        return None
    last_s = readings[-1].time_s
    for first in range(len(readings) - thresholds.least_readings, -1, -1):
        if last_s - readings[first].time_s >= thresholds.window_s:
            return tuple(readings[first:])
    return None
