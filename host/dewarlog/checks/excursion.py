"""Every excursion recomputed from the readings, then held against what the board recorded.

Written from the normative text in protocol/SPEC.md on excursions alone; shares no code with the
board. The board judges sample by sample; this module judges whole spans as arrays and jumps from
one change of state to the next, so that a quiet log costs two comparisons a block. The answers are
exact: integers throughout, and a test runs both this and a literal sample-by-sample reading of the
text over random logs.

The same machine, fed with thresholds drawn in by the uncertainty of each reading, gives the guard
band: stays near a limit that may have been beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from dewarlog.checks.finding import Moment
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from dewarlog.records import Rule, SampleSpan

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

IDLE: Final = 0
PENDING: Final = 1
ACTIVE: Final = 2
# The history of a rate rule holds this many entries, 1/16 of its window apart at the closest.
RATE_HISTORY: Final = 32
RATE_ENTRIES_PER_WINDOW: Final = 16
MS_AN_HOUR: Final = 3_600_000
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
class _Series:
    """The samples one machine may judge, in order, and what they are to its rule."""

    boot: int
    samples: Ints
    times: Ints
    dt_ms: Ints  # time since the sample before, 0 where it does not count
    values: Ints
    beyond: Bools
    back: Bools

    def moment(self, at: int) -> Moment:
        return Moment(self.boot, int(self.times[at]))


class _Machine:
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

    def run(self, series: _Series) -> list[Excursion]:
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

    def _onset(self, at: int, series: _Series) -> None:
        self.onset = self.extreme_sample = int(series.samples[at])
        self.onset_at = self.extreme_at = series.moment(at)
        self.extreme = int(series.values[at])
        self.stay_ms = 0
        self.state = PENDING
        self._test_dwell(at, series)

    def _pend(self, index: int, stop: int, series: _Series) -> int:
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

    def _remain(self, index: int, stop: int, series: _Series) -> None:
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

    def _reach(self, index: int, stop: int, series: _Series) -> None:
        part = series.values[index:stop]
        seeks_low = self.rule.kind == layout.RULE_BELOW
        at = int(part.argmin() if seeks_low else part.argmax())
        value = int(part[at])
        if value < self.extreme if seeks_low else value > self.extreme:
            self.extreme = value
            self.extreme_sample = int(series.samples[index + at])
            self.extreme_at = series.moment(index + at)

    def _test_dwell(self, at: int, series: _Series) -> None:
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


class _RateHistory:
    """Earlier readings of one channel, for the rate of one rule."""

    __slots__ = ("spacing_ms", "times", "values", "window_ms")

    def __init__(self, window_s: int) -> None:
        self.window_ms = window_s * 1000
        self.spacing_ms = self.window_ms // RATE_ENTRIES_PER_WINDOW
        self.clear()

    def clear(self) -> None:
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


class Guard(Protocol):
    """How far a threshold is drawn in, in counts: the expanded uncertainty at the threshold."""

    def most(self, rule: Rule, channel: int) -> int:
        """Give a bound that no sample passes, so that a quiet block needs no array."""
        ...

    def counts(self, rule: Rule, channel: int, span: SampleSpan) -> NDArray[np.int64]:
        """Give the figure for every sample of a span."""
        ...


@dataclass(frozen=True, slots=True)
class JudgedSpan:
    """One channel's samples of a span as arrays, and which of them are temperatures."""

    span: SampleSpan
    channel: int
    part: slice
    times: Ints
    numbers: Ints
    values: Ints
    valid: Bools | None  # None: all
    extremes: tuple[int, int] | None  # of the temperatures; None: there is none

    @property
    def boot(self) -> int:
        """Give the boot the samples belong to."""
        return self.span.boot

    def dt_ms(self, last_ms: int | None) -> Ints:
        """Give the time each valid sample adds: 0 behind a state code or a break."""
        dt = np.empty(len(self.times), dtype=np.int64)
        dt[1:] = np.diff(self.times)
        dt[0] = 0 if last_ms is None else self.times[0] - last_ms
        if self.valid is None:
            return dt
        dt[1:][~self.valid[:-1]] = 0
        return dt[self.valid]

    def runs(self) -> Iterator[tuple[int, int]]:
        """Yield (first, stop) of every unbroken run of temperatures."""
        if self.valid is None:
            yield 0, len(self.times)
            return
        edges = np.flatnonzero(np.diff(self.valid.astype(np.int8), prepend=0, append=0)).tolist()
        yield from zip(edges[::2], edges[1::2], strict=True)


def judged(span: SampleSpan, start: int = 0, stop: int | None = None) -> list[JudgedSpan]:
    """Lay out the samples of a span, or those from index `start` to before `stop`, by channel."""
    part = slice(start, span.count if stop is None else stop)
    times = span.times_ms()[part]
    if len(times) == 0:
        return []
    numbers = np.arange(span.first_sample, span.end_sample, dtype=np.int64)[part]
    channels: list[JudgedSpan] = []
    for channel, samples in span.channels.items():
        valid: Bools | None = None
        if samples.states is not None:
            good = samples.states[part] == layout.STATE_OK
            valid = None if good.all() else good
        values = samples.counts[part].astype(np.int64)
        temperatures = values if valid is None else values[valid]
        extremes = None
        if len(temperatures):
            extremes = int(temperatures.min()), int(temperatures.max())
        channels.append(JudgedSpan(span, channel, part, times, numbers, values, valid, extremes))
    return channels


class _Level:
    """A rule on the reading itself."""

    __slots__ = ("guard", "last_ms", "machine")

    def __init__(self, rule: Rule, channel: int, guard: Guard | None) -> None:
        self.machine = _Machine(rule, channel)
        self.guard = guard
        self.last_ms: int | None = None

    def break_time(self) -> None:
        self.last_ms = None

    def feed(self, judged: JudgedSpan) -> list[Excursion]:
        last_ms = self.last_ms
        ends_valid = judged.valid is None or bool(judged.valid[-1])
        self.last_ms = int(judged.times[-1]) if ends_valid else None
        machine = self.machine
        extremes = judged.extremes
        if extremes is None:
            return []
        rule = machine.rule
        above = rule.kind == layout.RULE_ABOVE
        nearest = rule.threshold
        if self.guard is not None:
            most = self.guard.most(rule, machine.channel)
            nearest += -most if above else most
        if machine.state == IDLE and (extremes[1] <= nearest if above else extremes[0] >= nearest):
            machine.was_beyond = False
            return []
        values, numbers, times = judged.values, judged.numbers, judged.times
        threshold: Ints | int = rule.threshold
        if self.guard is not None:
            nearer = self.guard.counts(rule, machine.channel, judged.span)[judged.part]
            threshold = threshold - nearer if above else threshold + nearer
            if judged.valid is not None:
                threshold = threshold[judged.valid]
        if judged.valid is not None:
            values, numbers, times = (
                values[judged.valid],
                numbers[judged.valid],
                times[judged.valid],
            )
        if above:
            beyond, back = values > threshold, values <= threshold - rule.hysteresis
        else:
            beyond, back = values < threshold, values >= threshold + rule.hysteresis
        return machine.run(
            _Series(judged.boot, numbers, times, judged.dt_ms(last_ms), values, beyond, back)
        )


class _Rate:
    """A rule on the rate of change."""

    __slots__ = ("history", "last_ms", "machine")

    def __init__(self, rule: Rule, channel: int) -> None:
        self.machine = _Machine(rule, channel)
        self.history = _RateHistory(rule.rate_window_s)
        self.last_ms: int | None = None

    def break_time(self) -> None:
        self.history.clear()
        self.last_ms = None

    def feed(self, judged: JudgedSpan) -> list[Excursion]:
        ended: list[Excursion] = []
        for first, stop in judged.runs():
            if first > 0:
                self.break_time()
            ended += self._feed_run(judged, slice(first, stop))
        if judged.valid is not None and not judged.valid[-1]:
            self.break_time()
        return ended

    def _feed_run(self, judged: JudgedSpan, run: slice) -> list[Excursion]:
        times, values = judged.times[run], judged.values[run]
        history, machine = self.history, self.machine
        entry_times, entry_values = history.advance(times, values)
        last_ms = self.last_ms
        # Once one sample has a rate, all that follow in the same run have.
        if int(times[-1]) - int(entry_times[0]) < history.window_ms:
            return []
        self.last_ms = int(times[-1])
        most = max(int(values.max()), int(entry_values.max()))
        least = min(int(values.min()), int(entry_values.min()))
        threshold = machine.rule.threshold
        if machine.state == IDLE and threshold > 0 and history.bound(most - least) <= threshold:
            machine.was_beyond = False
            return []
        rated, rates = history.rates(times, values, entry_times, entry_values)
        if machine.rule.kind == layout.RULE_FALLING:
            rates = -rates
        beyond = rates > threshold
        if machine.state == IDLE and not beyond.any():
            machine.was_beyond = False
            return []
        back = rates <= threshold - machine.rule.hysteresis
        dt_ms = np.diff(times[rated], prepend=times[rated[0]] if last_ms is None else last_ms)
        numbers = judged.numbers[run][rated]
        return machine.run(_Series(judged.boot, numbers, times[rated], dt_ms, rates, beyond, back))


@dataclass(slots=True)
class ExcursionCheck:
    """Recomputes all excursions of a run: spans go in in order, breaks between them are told.

    With a guard every level rule is judged with its threshold drawn in, and rate rules are left
    out: most of a reading's uncertainty is the same a few minutes later.
    """

    rules: tuple[Rule, ...]
    guard: Guard | None = None
    ended: list[Excursion] = field(default_factory=list[Excursion])
    _levels: dict[int, list[_Level]] = field(default_factory=dict[int, list[_Level]])
    _rates: dict[int, list[_Rate]] = field(default_factory=dict[int, list[_Rate]])

    def break_time(self) -> None:
        """Tell that the next sample follows a boot or a gap: time across it does not count."""
        for levels in self._levels.values():
            for level in levels:
                level.break_time()
        for rates in self._rates.values():
            for rate in rates:
                rate.break_time()

    def feed(self, channels: Iterable[JudgedSpan]) -> None:
        """Judge the samples of one span; see `judged`."""
        for samples in channels:
            if samples.channel not in self._levels:
                self._open_channel(samples.channel)
            for level in self._levels[samples.channel]:
                self.ended += level.feed(samples)
            for rate in self._rates[samples.channel]:
                self.ended += rate.feed(samples)

    def _open_channel(self, channel: int) -> None:
        watching = [rule for rule in self.rules if rule.watches(channel)]
        self._levels[channel] = [
            _Level(rule, channel, self.guard) for rule in watching if not rule.is_rate
        ]
        self._rates[channel] = [
            _Rate(rule, channel) for rule in watching if rule.is_rate and self.guard is None
        ]

    def still_open(self) -> tuple[Excursion, ...]:
        """Give the excursions that have not ended."""
        machines = [level.machine for levels in self._levels.values() for level in levels]
        machines += [rate.machine for rates in self._rates.values() for rate in rates]
        found = (machine.still_open() for machine in machines)
        return tuple(sorted((item for item in found if item is not None), key=_by_onset))

    def all_found(self) -> tuple[Excursion, ...]:
        """Give every excursion so far, by onset."""
        return tuple(sorted((*self.ended, *self.still_open()), key=_by_onset))


def _by_onset(excursion: Excursion) -> tuple[int, int, int]:
    return (excursion.onset, excursion.rule, excursion.channel)
