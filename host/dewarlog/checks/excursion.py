"""Every excursion recomputed from the readings.

Takes whole spans: a quiet log costs two comparisons a block, because a rule whose machine is idle
and whose threshold no reading of the span reaches is done with it. A test runs this, a literal
sample-by-sample reading of the normative text, and the board's own engine over random logs.

The same machines, fed with thresholds drawn in by the uncertainty of each reading (a Guard), find
stays near a limit that may have been beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dewarlog.checks.excursion_machine import IDLE, Excursion, Machine, Series
from dewarlog.checks.rate_history import RateHistory
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from dewarlog.records import Rule, SampleSpan

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


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
        self.machine = Machine(rule, channel)
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
            Series(judged.boot, numbers, times, judged.dt_ms(last_ms), values, beyond, back)
        )


class _Rate:
    """A rule on the rate of change."""

    __slots__ = ("history", "last_ms", "machine")

    def __init__(self, rule: Rule, channel: int) -> None:
        self.machine = Machine(rule, channel)
        self.history = RateHistory(rule.rate_window_s)
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
        return machine.run(Series(judged.boot, numbers, times[rated], dt_ms, rates, beyond, back))


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
