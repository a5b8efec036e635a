"""Wall clock: what time it was at any uptime of any boot, and how wrong that may be.

Samples carry uptime, which is never stepped. Every reading of the clock chip, and every time a
host told, is a pair of bounds on one straight line, wall time against uptime. The lines that
respect all bounds form a convex polygon in (offset, rate); it is kept clipped as readings come, so
memory does not grow with the log. The time at an uptime is the middle of what those lines say
there, its error bound half their spread. Where no line is left a new polygon starts. Between two
settings of the chip its own error is drawn as a straight line. A chip that contradicts the host
that has just set it, or that jumped, is in doubt: its bound is widened to hold what both say. One
that is off by a second or two, and read six hours apart, cannot be told from one that drifts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dewarlog.checks.finding import Moment

# A board's crystal: 30 ppm at room temperature (RP2040 hardware design guide), more in the cold.
UPTIME_RATE_LIMIT: Final = 200e-6
# A crystal's rate changes by about 1 ppm for 5 K around room temperature: 0.1 s a day.
RATE_WANDER: Final = 20e-6
# DS3231: +-2 ppm at 0 to 40 degC, +-3.5 ppm at -40 to 85 degC, and 1 ppm a year of ageing.
CLOCK_RATE_LIMIT: Final = 5e-6
# A chip further off than this between two settings did not drift there: it was stopped or stepped.
DRIFT_LIMIT: Final = 50e-6
# Setting the chip restarts its second; the host's fraction of a second may be lost.
SETTING_MS: Final = 1000.0
_WHOLE_MS_S: Final = 0.001  # uptimes and what hosts say are whole ms, each rounded once
# Time zones and summer time explain hours; a computer a day away from a running clock is no judge.
BELIEVED_S: Final = 86400.0

# A step below this may be the weather's: the crystal's rate changed between two readings.
STEP_S: Final = 5.0

_Vertex = tuple[float, float]  # offset in ms at the polygon's reference uptime, rate


@dataclass(frozen=True, slots=True)
class WallTime:
    """A point in time with its error bound."""

    unix_s: float
    error_s: float


@dataclass(frozen=True, slots=True)
class Fit:
    """One straight piece of wall time against uptime, as the clock chip told it."""

    boot: int
    frame: int  # counts the settings of the clock chip; -1: from host times alone
    reference_ms: int
    first_ms: int
    last_ms: int
    readings: int
    vertices: tuple[_Vertex, ...]
    doubt_ms: tuple[float, float] = (0.0, 0.0)
    """How much further behind (negative) and ahead the chip may have been than is bounded else."""

    def bounds_ms(self, uptime_ms: float) -> tuple[float, float]:
        """Give the earliest and latest time any allowed line says, in ms since 1970."""
        away = uptime_ms - self.reference_ms
        times = [offset + rate * away for offset, rate in self.vertices]
        return uptime_ms + min(times), uptime_ms + max(times)

    def wide_bounds_ms(self, uptime_ms: float) -> tuple[float, float]:
        """Give the same, wider by what weather does to a crystal beyond the readings."""
        low, high = self.bounds_ms(uptime_ms)
        outside_ms = max(self.first_ms - uptime_ms, uptime_ms - self.last_ms, 0)
        return low - RATE_WANDER * outside_ms, high + RATE_WANDER * outside_ms

    @property
    def drift_ppm(self) -> tuple[float, float]:
        """Give the uptime clock's drift against the chip: middle and half width, in ppm.

        Positive: the board's uptime runs slow.
        """
        rates = [rate for _, rate in self.vertices]
        low, high = min(rates) * 1e6, max(rates) * 1e6
        return (low + high) / 2, (high - low) / 2


@dataclass(frozen=True, slots=True)
class Sync:
    """One moment at which a host told the time."""

    boot: int
    uptime_ms: int
    unix_s: float
    error_s: float
    before_unix_s: int | None
    offset_s: tuple[float, float] | None  # chip minus host, bounds; None where the chip was unset

    @property
    def believed(self) -> bool:
        """False where host and running chip are too far apart to take the host's word."""
        return self.offset_s is None or min(map(abs, self.offset_s)) < BELIEVED_S

    def contradiction_ms(self, fit: Fit, slack_ms: float) -> tuple[float, float] | None:
        """Bound how far the chip was off once it was set, as `fit` tells; None: as it should be.

        `slack_ms` is how long reading a clock takes.
        """
        low, high = fit.wide_bounds_ms(self.uptime_ms)
        host_ms, error_ms = self.unix_s * 1000, self.error_s * 1000 + slack_ms
        low, high = low - host_ms - error_ms, high - host_ms + error_ms
        return (low, high) if low > SETTING_MS or high < -SETTING_MS else None


@dataclass(frozen=True, slots=True)
class WallClock:
    """The fitted clock of a whole log. Without any reading it knows only durations."""

    fits: tuple[Fit, ...] = ()
    syncs: tuple[Sync, ...] = ()
    began_ms: float | None = None

    @property
    def knows_time(self) -> bool:
        """True where at least one boot can be put on the calendar."""
        return bool(self.fits)

    @property
    def compared_with_host(self) -> bool:
        """True where at least one host told the time during the run."""
        return any(sync.believed for sync in self.syncs)

    def at(self, moment: Moment) -> WallTime | None:
        """Give the wall time of a moment of the run; None where no clock can tell."""
        best: WallTime | None = None
        for fit in self.fits:
            if fit.boot != moment.boot:
                continue
            low, high = fit.wide_bounds_ms(moment.uptime_ms)
            shift_low, shift_high = self._chip_error_ms(fit.frame, (low + high) / 2)
            low, high = low - shift_high - fit.doubt_ms[1], high - shift_low - fit.doubt_ms[0]
            error_s = (high - low) / 2000 + _WHOLE_MS_S
            if best is None or error_s < best.error_s:
                best = WallTime((low + high) / 2000, error_s)
        return best

    def _chip_error_ms(self, frame: int, at_ms: float) -> tuple[float, float]:
        """Bound how far the chip stood from true time: chip minus truth, in ms."""
        if frame < 0:
            return 0.0, 0.0
        setting = next((sync for sync in self.syncs[:frame][::-1] if sync.believed), None)
        ending = next((sync for sync in self.syncs[frame:] if sync.believed), None)
        low, high = self._drift_ms(setting, ending, at_ms)
        for sync in self.syncs[:frame]:
            if not sync.believed and sync.offset_s is not None:
                # This host moved the chip to a time of its own: take that back.
                low -= sync.offset_s[1] * 1000 + SETTING_MS
                high -= sync.offset_s[0] * 1000 - SETTING_MS
        return low, high

    def _drift_ms(
        self, setting: Sync | None, ending: Sync | None, at_ms: float
    ) -> tuple[float, float]:
        """Bound the chip's error between two believed hosts, or beside one, or beside none."""
        start = 0.0 if setting is None else SETTING_MS + setting.error_s * 1000
        end = None if ending is None else ending.offset_s
        if ending is not None and end is not None:
            end_low, end_high = end[0] * 1000, end[1] * 1000
            if setting is None:
                grown = CLOCK_RATE_LIMIT * abs(ending.unix_s * 1000 - at_ms)
                return end_low - grown, end_high + grown
            span = (ending.unix_s - setting.unix_s) * 1000
            nearest = min(abs(end_low), abs(end_high)) if end_low * end_high > 0 else 0.0
            if nearest > start + DRIFT_LIMIT * span:
                # Stopped or stepped at a moment nobody knows: anything in between is possible.
                return min(-start, end_low), max(start, end_high)
            share = min(max((at_ms - setting.unix_s * 1000) / span, 0.0), 1.0) if span > 0 else 1.0
            return (
                -start * (1 - share) + end_low * share,
                start * (1 - share) + end_high * share,
            )
        if setting is not None:
            grown = CLOCK_RATE_LIMIT * abs(at_ms - setting.unix_s * 1000)
            return -start - grown, start + grown
        began_ms = at_ms if self.began_ms is None else self.began_ms
        grown = CLOCK_RATE_LIMIT * abs(at_ms - began_ms)
        return -grown, grown


def _clip(vertices: Sequence[_Vertex], away: float, limit: float, sign: float) -> list[_Vertex]:
    """Keep the part of a convex polygon where sign * (offset + rate * away - limit) >= 0."""
    kept: list[_Vertex] = []
    previous = vertices[-1]
    previous_side = sign * (previous[0] + previous[1] * away - limit)
    for vertex in vertices:
        side = sign * (vertex[0] + vertex[1] * away - limit)
        if (side < 0) != (previous_side < 0):
            share = previous_side / (previous_side - side)
            kept.append(
                (
                    previous[0] + (vertex[0] - previous[0]) * share,
                    previous[1] + (vertex[1] - previous[1]) * share,
                )
            )
        if side >= 0:
            kept.append(vertex)
        previous, previous_side = vertex, side
    return kept


@dataclass(slots=True)
class OpenFit:
    """A polygon still being clipped."""

    boot: int
    frame: int
    reference_ms: int
    first_ms: int
    last_ms: int
    readings: int
    vertices: list[_Vertex]
    doubt_ms: tuple[float, float] = (0.0, 0.0)

    def takes(self, uptime_ms: int, low_ms: float, high_ms: float) -> bool:
        """Clip by one reading; False, and unchanged, where no line is left."""
        away = float(uptime_ms - self.reference_ms)
        low, high = low_ms - uptime_ms, high_ms - uptime_ms
        vertices = _clip(self.vertices, away, low, 1.0)
        if vertices:
            vertices = _clip(vertices, away, high, -1.0)
        if not vertices:
            return False
        self.vertices = vertices
        self.last_ms = uptime_ms
        self.readings += 1
        return True

    def frozen(self) -> Fit:
        """Give the piece as it stands."""
        return Fit(
            self.boot,
            self.frame,
            self.reference_ms,
            self.first_ms,
            self.last_ms,
            self.readings,
            tuple(self.vertices),
            self.doubt_ms,
        )


def open_fit(boot: int, frame: int, uptime_ms: int, low_ms: float, high_ms: float) -> OpenFit:
    """Begin a polygon with one reading: any offset within it, any rate a crystal may have."""
    low, high, rate = low_ms - uptime_ms, high_ms - uptime_ms, UPTIME_RATE_LIMIT
    box = [(low, -rate), (high, -rate), (high, rate), (low, rate)]
    return OpenFit(boot, frame, uptime_ms, uptime_ms, uptime_ms, 1, box)
