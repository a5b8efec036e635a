"""One time axis for a whole run: seconds since it began, whatever clock there was.

Where a clock knew the time every boot stands at its wall time. Where none did, boots follow each
other with the gap the board told, and the axis says hours and days since the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from dewarlog import words
from dewarlog.checks.finding import Moment

if TYPE_CHECKING:
    from dewarlog.checks.review import Review

_HOUR_S: Final = 3600
_DAY_S: Final = 86400
_STEPS_S: Final = (
    60,
    300,
    900,
    1800,
    _HOUR_S,
    2 * _HOUR_S,
    3 * _HOUR_S,
    6 * _HOUR_S,
    12 * _HOUR_S,
    _DAY_S,
    2 * _DAY_S,
    5 * _DAY_S,
    10 * _DAY_S,
    30 * _DAY_S,
    90 * _DAY_S,
)
_UNKNOWN_GAP_SHARE: Final = 0.01  # of the run, drawn where no clock tells a gap's length


@dataclass(frozen=True, slots=True)
class Tick:
    """One mark of the time axis."""

    at_s: float
    label: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Places every moment of a run on one axis."""

    origins_s: dict[int, float]  # where uptime 0 of each boot stands on the axis
    length_s: float
    began_unix_s: float | None  # of the axis' zero; None where no clock knew
    zero_s: float = 0.0  # where this axis begins on that of the whole run

    def at(self, moment: Moment) -> float:
        """Give the place of a moment on the axis, in seconds; of an unknown boot, the end."""
        origin = self.origins_s.get(moment.boot)
        if origin is None:
            return self.length_s
        return origin + moment.uptime_ms / 1000

    def window(self, start_s: float, end_s: float) -> Timeline:
        """Give the axis of a part of this one; moments outside fall below 0 or beyond its end."""
        return Timeline(
            {boot: origin - start_s for boot, origin in self.origins_s.items()},
            max(1.0, end_s - start_s),
            None if self.began_unix_s is None else self.began_unix_s + start_s,
            self.zero_s + start_s,
        )

    def ticks(self, most: int) -> list[Tick]:
        """Give at most `most` marks at round times."""
        step = next((step for step in _STEPS_S if self.length_s / step <= most), _STEPS_S[-1])
        zero = self.zero_s if self.began_unix_s is None else self.began_unix_s
        first = -(-zero // step) * step
        ticks: list[Tick] = []
        at = first
        while at <= zero + self.length_s:
            ticks.append(Tick(at - zero, self._label(at, step)))
            at += step
        return ticks

    def _label(self, at: float, step: int) -> str:
        if self.began_unix_s is None:
            return words.duration(at) if at else "start"
        try:
            moment = datetime.fromtimestamp(at, UTC)
        except (OverflowError, OSError, ValueError):
            return ""
        day = f"{moment.day} {moment:%b}"
        if step >= _DAY_S:
            return day
        return day if moment.hour == 0 and moment.minute == 0 else f"{moment:%H:%M}"


def timeline_of(review: Review) -> Timeline:
    """Lay out the time axis of a reviewed log."""
    if not review.boots:
        return Timeline({}, 1.0, None)
    walls = {span.boot: review.clock.at(Moment(span.boot, span.first_ms)) for span in review.boots}
    known = {boot: wall.unix_s for boot, wall in walls.items() if wall is not None}
    if len(known) == len(review.boots):
        began = min(known.values())
        origins = {
            span.boot: known[span.boot] - began - span.first_ms / 1000 for span in review.boots
        }
        ends = [origins[span.boot] + span.last_ms / 1000 for span in review.boots]
        return Timeline(origins, max(1.0, *ends), began)
    return _without_clock(review)


def _without_clock(review: Review) -> Timeline:
    total_s = sum((span.last_ms - span.first_ms) / 1000 for span in review.boots)
    origins: dict[int, float] = {}
    at = 0.0
    for span in review.boots:
        gap_s = 0.0
        if origins:
            told = [gap.length_s for gap in review.coverage.gaps if gap.end.boot == span.boot]
            gap_s = told[0] if told and told[0] is not None else total_s * _UNKNOWN_GAP_SHARE
        at += gap_s
        origins[span.boot] = at - span.first_ms / 1000
        at += (span.last_ms - span.first_ms) / 1000
    return Timeline(origins, max(1.0, at), None)
