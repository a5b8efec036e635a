"""One rule on one channel: IDLE, PENDING, ACTIVE, judged by jumps over whole arrays.

Written from the normative text in protocol/SPEC.md on excursions alone; shares no code with the
board, which judges sample by sample. This machine looks for the next sample that changes its
state, so that a quiet stretch costs one search whatever its length. Integers throughout: the
answers are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from dewarlog.checks.finding import Moment
from dewarlog_wire import layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dewarlog.records import Rule

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

IDLE: Final = 0
PENDING: Final = 1
ACTIVE: Final = 2
I16_MIN: Final = -32768
I16_MAX: Final = 32767


@dataclass(frozen=True, slots=True)
class Excursion:
    """One stay beyond a rule's threshold that reached its dwell."""

    rule: int
    channel: int
    onset: int
    onset_at: Moment
    begin: int  # the sample at which the dwell was reached
    begin_value: int
    extreme: int
    extreme_sample: int
    extreme_at: Moment
    end: int | None  # the first sample back inside; None: still open when the log ends
    end_at: Moment | None
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Series:
    """The samples one machine may judge, in order, and what they are to its rule."""

    boot: int
    samples: Ints
    times: Ints
    dt_ms: Ints  # time since the sample before, 0 where it does not count
    values: Ints
    beyond: Bools
    back: Bools

    def moment(self, at: int) -> Moment:
        """Give the moment of one sample."""
        return Moment(self.boot, int(self.times[at]))


class Machine:
    """IDLE, PENDING, ACTIVE for one rule on one channel."""

    __slots__ = (
        "begin",
        "begin_value",
        "channel",
        "extreme",
        "extreme_at",
        "extreme_sample",
        "onset",
        "onset_at",
        "rule",
        "state",
        "stay_ms",
        "total_ms",
        "was_beyond",
    )

    def __init__(self, rule: Rule, channel: int) -> None:
        self.rule = rule
        self.channel = channel
        self.state = IDLE
        self.onset = 0
        self.onset_at = Moment(0, 0)
        self.stay_ms = 0
        self.total_ms = 0
        self.extreme = 0
        self.extreme_sample = 0
        self.extreme_at = self.onset_at
        self.begin = 0
        self.begin_value = 0
        self.was_beyond = False

    def run(self, series: Series) -> list[Excursion]:
        """Judge the samples in order; return the excursions that ended."""
        count = len(series.samples)
        ended: list[Excursion] = []
        if count == 0:
            return ended
        beyond_at = np.flatnonzero(series.beyond)
        inside_at = np.flatnonzero(~series.beyond)
        back_at = np.flatnonzero(series.back)
        index = 0
        while index < count:
            if self.state == IDLE:
                at = _next(beyond_at, index, count)
                if at < count:
                    self._onset(at, series)
                index = at + 1
            elif self.state == PENDING:
                index = self._pend(index, _next(inside_at, index, count), series)
            else:
                stop = _next(back_at, index, count)
                self._remain(index, stop, series)
                if stop < count:
                    ended.append(self._excursion(int(series.samples[stop]), series.moment(stop)))
                    self.state = IDLE
                index = stop + 1
        self.was_beyond = bool(series.beyond[-1])
        return ended

    def _onset(self, at: int, series: Series) -> None:
        self.onset = self.extreme_sample = int(series.samples[at])
        self.onset_at = self.extreme_at = series.moment(at)
        self.extreme = int(series.values[at])
        self.stay_ms = 0
        self.state = PENDING
        self._test_dwell(at, series)

    def _pend(self, index: int, stop: int, series: Series) -> int:
        """Take the run of samples beyond, up to `stop`; return where to go on."""
        if stop > index:
            stays = np.cumsum(series.dt_ms[index:stop])
            reached = np.flatnonzero(stays + self._counted_ms >= self.rule.dwell_s * 1000)
            last = index + int(reached[0]) if len(reached) else stop - 1
            self._add(int(stays[last - index]))
            self._reach(index, last + 1, series)
            if len(reached):
                self._test_dwell(last, series)
                return last + 1
        if stop < len(series.samples):
            self.state = IDLE
        return stop + 1

    def _remain(self, index: int, stop: int, series: Series) -> None:
        """Take the samples of an active excursion up to the one that is back inside."""
        if stop == index:
            return
        beyond = series.beyond[index:stop]
        before = np.empty_like(beyond)
        before[0] = series.beyond[index - 1] if index else self.was_beyond
        before[1:] = beyond[:-1]
        self._add(int(series.dt_ms[index:stop][beyond & before].sum()))
        self._reach(index, stop, series)

    @property
    def _counted_ms(self) -> int:
        return self.total_ms if self.rule.mode == layout.MODE_CUMULATIVE else self.stay_ms

    def _add(self, time_ms: int) -> None:
        self.stay_ms += time_ms
        self.total_ms += time_ms

    def _reach(self, index: int, stop: int, series: Series) -> None:
        part = series.values[index:stop]
        seeks_low = self.rule.kind == layout.RULE_BELOW
        at = int(part.argmin() if seeks_low else part.argmax())
        value = int(part[at])
        if value < self.extreme if seeks_low else value > self.extreme:
            self.extreme = value
            self.extreme_sample = int(series.samples[index + at])
            self.extreme_at = series.moment(index + at)

    def _test_dwell(self, at: int, series: Series) -> None:
        if self._counted_ms >= self.rule.dwell_s * 1000:
            self.state = ACTIVE
            self.begin = int(series.samples[at])
            self.begin_value = int(series.values[at])

    def _excursion(self, end: int | None, end_at: Moment | None) -> Excursion:
        return Excursion(
            rule=self.rule.rule,
            channel=self.channel,
            onset=self.onset,
            onset_at=self.onset_at,
            begin=self.begin,
            begin_value=_clamp(self.begin_value),
            extreme=_clamp(self.extreme),
            extreme_sample=self.extreme_sample,
            extreme_at=self.extreme_at,
            end=end,
            end_at=end_at,
            duration_ms=self.stay_ms,
        )

    def still_open(self) -> Excursion | None:
        """Give the excursion that has not ended, if there is one."""
        return self._excursion(None, None) if self.state == ACTIVE else None


def _next(places: Ints, index: int, count: int) -> int:
    at = int(np.searchsorted(places, index))
    return int(places[at]) if at < len(places) else count


def _clamp(value: int) -> int:
    return min(max(value, I16_MIN), I16_MAX)
