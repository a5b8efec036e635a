"""Excursions: the array machine says what a literal reading of the normative text says."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from dewarlog.checks.excursion_machine import Excursion

from dewarlog.checks.excursion import ExcursionCheck, judged
from dewarlog.records import ChannelSamples, Rule, SampleSpan
from dewarlog_firmware.excursion import Engine
from dewarlog_wire import layout

OPEN = layout.state_code(layout.STATE_OPEN)
Found = tuple[int, int, int, int, int, int, int | None, int]


@dataclass
class Literal:
    """One rule on one channel, sample by sample, as protocol/SPEC.md words it."""

    rule: Rule
    found: list[Found] = field(default_factory=list)
    state: str = "IDLE"
    last: int | None = None
    total: int = 0
    was_beyond: bool = False
    history: list[tuple[int, int]] = field(default_factory=list)
    onset: int = 0
    stay: int = 0
    extreme: int = 0
    extreme_sample: int = 0
    begin: tuple[int, int] = (0, 0)

    def break_time(self) -> None:
        """Forget the time of the last sample and every earlier reading."""
        self.last = None
        self.history.clear()

    def sample(self, number: int, t: int, x: int) -> None:
        """Judge one reading code."""
        if x < layout.READING_MIN:
            self.break_time()
            return
        value = x
        if self.rule.is_rate:
            rate = self._rate(t, x)
            if rate is None:
                return
            value = -rate if self.rule.kind == layout.RULE_FALLING else rate
        dt = 0 if self.last is None else t - self.last
        self.last = t
        beyond = (
            value < self.rule.threshold
            if self.rule.kind == layout.RULE_BELOW
            else value > self.rule.threshold
        )
        back = (
            value >= self.rule.threshold + self.rule.hysteresis
            if self.rule.kind == layout.RULE_BELOW
            else value <= self.rule.threshold - self.rule.hysteresis
        )
        self._step(number, value, dt, beyond=beyond, back=back)
        self.was_beyond = beyond

    def _rate(self, t: int, x: int) -> int | None:
        window = self.rule.rate_window_s * 1000
        keep = not self.history or t - self.history[-1][0] >= window // 16
        then = [entry for entry in self.history if t - entry[0] >= window]
        if keep:
            self.history = [*self.history, (t, x)][-32:]
        if not then:
            return None
        return (x - then[-1][1]) * 3600000 // (128 * (t - then[-1][0]))

    def _step(self, number: int, value: int, dt: int, *, beyond: bool, back: bool) -> None:
        if self.state == "IDLE":
            if not beyond:
                return
            self.onset, self.stay = number, 0
            self.extreme, self.extreme_sample = value, number
            self.state = "PENDING"
        elif self.state == "PENDING":
            if not beyond:
                self.state = "IDLE"
                return
            self._add(number, value, dt)
        else:
            if back:
                self.found.append(self.excursion(number))
                self.state = "IDLE"
                return
            if beyond:
                self._add(number, value, dt if self.was_beyond else 0)
            return
        cumulative = self.rule.mode == layout.MODE_CUMULATIVE
        if (self.total if cumulative else self.stay) >= self.rule.dwell_s * 1000:
            self.state = "ACTIVE"
            self.begin = (number, value)

    def _add(self, number: int, value: int, dt: int) -> None:
        self.stay += dt
        self.total += dt
        low = self.rule.kind == layout.RULE_BELOW
        if value < self.extreme if low else value > self.extreme:
            self.extreme, self.extreme_sample = value, number

    def excursion(self, end: int | None) -> Found:
        """Give the excursion as one tuple, values clamped as in the events."""
        return (
            self.onset,
            self.begin[0],
            min(max(self.begin[1], -32768), 32767),
            min(max(self.extreme, -32768), 32767),
            self.extreme_sample,
            self.rule.rule,
            end,
            self.stay,
        )


def _as_found(item: Excursion) -> Found:
    return (
        item.onset,
        item.begin,
        item.begin_value,
        item.extreme,
        item.extreme_sample,
        item.rule,
        item.end,
        item.duration_ms,
    )


def _span(
    first: int, start_ms: int, interval_ms: int, codes: list[int], lateness: list[int] | None
) -> SampleSpan:
    raw = np.array(codes, dtype=np.int16)
    states = np.where(raw < layout.READING_MIN, raw.astype(np.int32) + 32768, 0).astype(np.uint8)
    return SampleSpan(
        boot=0,
        block_seq=0,
        first_sample=first,
        start_ms=start_ms,
        interval_ms=interval_ms,
        count=len(codes),
        channels={0: ChannelSamples(np.where(states == 0, raw, 0), states, None, None)},
        cold_junction_counts=None,
        cold_junction_states=None,
        lateness_ms=None if lateness is None else np.array(lateness, dtype=np.int16),
    )


def _rule(**changes: int) -> Rule:
    values = {
        "rule": 0,
        "kind": layout.RULE_ABOVE,
        "mode": layout.MODE_SINGLE,
        "severity": layout.SEVERITY_HOLD,
        "channel_mask": 1,
        "threshold": 100,
        "hysteresis": 20,
        "dwell_s": 30,
        "rate_window_s": 0,
    }
    return Rule(**{**values, **changes})


def _check(rule: Rule, spans: list[SampleSpan], breaks: set[int]) -> list[Found]:
    check = ExcursionCheck((rule,))
    for index, span in enumerate(spans):
        if index in breaks:
            check.break_time()
        check.feed(judged(span))
    return [_as_found(item) for item in check.all_found()]


def _literal(rule: Rule, spans: list[SampleSpan], breaks: set[int]) -> list[Found]:
    machine = Literal(rule)
    for index, span in enumerate(spans):
        if index in breaks:
            machine.break_time()
        samples = span.channels[0]
        assert samples.states is not None
        for at, t in enumerate(span.times_ms().tolist()):
            state = int(samples.states[at])
            code = layout.state_code(state) if state else int(samples.counts[at])
            machine.sample(span.first_sample + at, t, code)
    if machine.state == "ACTIVE":
        machine.found.append(machine.excursion(None))
    return sorted(machine.found)


_CODES = st.one_of(
    st.integers(60, 140), st.integers(99, 101), st.just(OPEN), st.integers(-32000, 32767)
)


@st.composite
def _logs(draw: st.DrawFn) -> tuple[list[SampleSpan], set[int]]:
    spans: list[SampleSpan] = []
    breaks: set[int] = set()
    now, number = draw(st.integers(0, 5000)), 0
    for index in range(draw(st.integers(1, 4))):
        interval_ms = draw(st.sampled_from([1000, 10_000, 60_000]))
        codes = draw(st.lists(_CODES, min_size=1, max_size=40))
        lateness = draw(
            st.none() | st.lists(st.integers(0, 400), min_size=len(codes), max_size=len(codes))
        )
        spans.append(_span(number, now, interval_ms, codes, lateness))
        if draw(st.booleans()):
            breaks.add(index + 1)
            now += draw(st.integers(1000, 10**6))
        now += interval_ms * len(codes) + 500
        number += len(codes)
    return spans, breaks


@settings(max_examples=150, deadline=None)
@given(
    log=_logs(),
    kind=st.sampled_from([layout.RULE_ABOVE, layout.RULE_BELOW]),
    mode=st.sampled_from([layout.MODE_SINGLE, layout.MODE_CUMULATIVE]),
    dwell_s=st.sampled_from([0, 1, 10, 25, 60, 300]),
    hysteresis=st.sampled_from([0, 1, 20]),
)
def test_level_rules_agree_with_a_literal_reading_of_the_text(
    log: tuple[list[SampleSpan], set[int]], kind: int, mode: int, dwell_s: int, hysteresis: int
) -> None:
    """Spans, gaps, faults and lateness in any mixture give the same excursions both ways."""
    rule = _rule(kind=kind, mode=mode, dwell_s=dwell_s, hysteresis=hysteresis)

    assert _check(rule, *log) == _literal(rule, *log)


@settings(max_examples=150, deadline=None)
@given(
    log=_logs(),
    kind=st.sampled_from([layout.RULE_RISING, layout.RULE_FALLING]),
    mode=st.sampled_from([layout.MODE_SINGLE, layout.MODE_CUMULATIVE]),
    window_s=st.sampled_from([1, 30, 60, 900]),
    dwell_s=st.sampled_from([0, 20, 90]),
)
def test_rate_rules_agree_with_a_literal_reading_of_the_text(
    log: tuple[list[SampleSpan], set[int]], kind: int, mode: int, window_s: int, dwell_s: int
) -> None:
    """Rates over a window, with histories cut by faults and gaps, give the same excursions."""
    rule = _rule(
        kind=kind, mode=mode, threshold=5, hysteresis=2, dwell_s=dwell_s, rate_window_s=window_s
    )

    assert _check(rule, *log) == _literal(rule, *log)


def test_a_stay_shorter_than_the_dwell_is_no_excursion() -> None:
    """Two samples above for 10 s with a dwell of 30 s say nothing."""
    spans = [_span(0, 0, 10_000, [0, 120, 120, 0, 0], None)]

    assert _check(_rule(), spans, set()) == []


def test_the_hand_worked_example_comes_out_count_by_count() -> None:
    """Onset 1, dwell of 30 s reached at sample 4, extreme 150 at 5, inside at 8."""
    codes = [0, 120, 110, 130, 140, 150, 90, 81, 80, 0]
    spans = [_span(0, 0, 10_000, codes, None)]

    # Beyond at samples 1 to 5: four intervals of 10 s. 90 and 81 are neither beyond nor back.
    assert _check(_rule(), spans, set()) == [(1, 4, 140, 150, 5, 0, 8, 40_000)]


def test_time_across_a_gap_does_not_count() -> None:
    """Ten seconds before a gap and ten after it do not reach a dwell of 30 s."""
    before = _span(0, 0, 10_000, [120, 120], None)
    after = _span(2, 1_000_000, 10_000, [120, 120, 0], None)

    assert _check(_rule(), [before, after], {1}) == []
    assert _check(_rule(), [before, after], set()) != []


def test_an_excursion_open_at_the_end_has_no_end() -> None:
    """A stay that lasts to the last sample is reported, with its end left open."""
    spans = [_span(0, 0, 10_000, [120] * 10, None)]

    assert _check(_rule(), spans, set()) == [(0, 3, 120, 120, 0, 0, None, 90_000)]


def _board(rule: Rule, spans: list[SampleSpan], breaks: set[int]) -> list[tuple[int, ...]]:
    """Run the board's own engine; return its events as (kind, ...)."""
    events: list[tuple[int, ...]] = []
    settings_of_rule = SimpleNamespace(
        **{name: getattr(rule, name) for name in Rule.__dataclass_fields__}
    )
    engine = Engine(
        [settings_of_rule],  # type: ignore[list-item] - a config.Rule by its fields
        [(0, 0)],
        lambda kind, values: events.append((kind, *values)),
    )
    for index, span in enumerate(spans):
        if index in breaks:
            engine.break_time()
        samples = span.channels[0]
        assert samples.states is not None
        for at, t in enumerate(span.times_ms().tolist()):
            state = int(samples.states[at])
            code = layout.state_code(state) if state else int(samples.counts[at])
            engine.sample(span.first_sample + at, t // 1000, t % 1000, [code])
    return events


def _as_events(rule: Rule, spans: list[SampleSpan], breaks: set[int]) -> list[tuple[int, ...]]:
    check = ExcursionCheck((rule,))
    for index, span in enumerate(spans):
        if index in breaks:
            check.break_time()
        check.feed(judged(span))
    events: list[tuple[int, ...]] = []
    for item in check.all_found():
        place = (item.rule, item.channel)
        begin = (layout.KIND_EXCURSION_BEGIN, *place, item.begin_value, item.onset, item.begin)
        events.append(begin)
        if item.end is None:
            continue
        extreme = (item.extreme, item.onset, item.extreme_sample)
        events.append((layout.KIND_EXCURSION_EXTREME, *place, *extreme))
        duration = (item.duration_ms % 1000, item.duration_ms // 1000)
        events.append((layout.KIND_EXCURSION_END, *place, *duration, item.onset, item.end))
    return events


@settings(max_examples=150, deadline=None)
@given(
    log=_logs(),
    kind=st.sampled_from([1, 2, 3, 4]),
    mode=st.sampled_from([layout.MODE_SINGLE, layout.MODE_CUMULATIVE]),
    dwell_s=st.sampled_from([0, 10, 60]),
    window_s=st.sampled_from([30, 900]),
)
def test_board_and_host_record_the_same_events(
    log: tuple[list[SampleSpan], set[int]], kind: int, mode: int, dwell_s: int, window_s: int
) -> None:
    """Two implementations of one text, on any log."""
    rate = kind in (layout.RULE_RISING, layout.RULE_FALLING)
    rule = _rule(
        kind=kind,
        mode=mode,
        dwell_s=dwell_s,
        rate_window_s=window_s if rate else 0,
        threshold=5 if rate else 100,
        hysteresis=2,
    )

    assert _as_events(rule, *log) == _board(rule, *log)
