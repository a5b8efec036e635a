"""The excursion engine keeps to the text, over gaps, faults and reboots."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dewarlog_firmware.config import Rule
from dewarlog_firmware.excursion import Engine
from dewarlog_wire import layout
from excursion_by_text import Event, judge

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

RunMicroPython = Callable[..., "subprocess.CompletedProcess[str]"]
Samples = list[tuple[int | None, tuple[int, ...]]]

BEGIN = layout.KIND_EXCURSION_BEGIN
EXTREME = layout.KIND_EXCURSION_EXTREME
END = layout.KIND_EXCURSION_END
OPEN = layout.state_code(layout.STATE_OPEN)
LIMIT = -150 * 128
ONE = ((0, 0),)  # one probe, its reading is the first code
FOUR = ((0, 0), (1, 1), (2, 2), (3, 3))


def rule(
    kind: int = layout.RULE_ABOVE,
    mode: int = layout.MODE_SINGLE,
    mask: int = 1,
    threshold: int = LIMIT,
    hysteresis: int = 256,
    dwell_s: int = 30,
    window_s: int = 0,
    number: int = 0,
) -> Rule:
    """Return a rule; by default above -150 degC by more than 30 s, 2 K of hysteresis."""
    severity = layout.SEVERITY_HOLD
    return Rule(number, kind, mode, severity, mask, threshold, hysteresis, dwell_s, window_s)


def feed(
    engine: Engine, samples: Sequence[tuple[int | None, tuple[int, ...]]], first: int = 0
) -> int:
    """Show samples (time in ms or None for a gap, codes) to an engine; return the next number."""
    number = first
    for t, codes in samples:
        if t is None:
            engine.break_time()
            continue
        engine.sample(number, t // 1000, t % 1000, codes)
        number += 1
    return number


def events_of(rules: Sequence[Rule], samples: Samples, columns: object = ONE) -> list[Event]:
    """Return what the board's engine emits."""
    events: list[Event] = []
    engine = Engine(rules, columns, lambda kind, values: events.append((kind, values)))  # pyright: ignore[reportArgumentType]
    feed(engine, samples)
    return events


def every_10_s(*readings_degc: float | None) -> Samples:
    """Return one channel's samples 10 s apart; None is an open probe."""
    return [
        (10_000 * i, (OPEN if degc is None else round(degc * 128),))
        for i, degc in enumerate(readings_degc)
    ]


# --- single steps of the text -------------------------------------------------------------------


def test_excursion_begins_once_the_dwell_is_reached_and_tells_its_onset() -> None:
    """30 s beyond the limit at 10 s samples: onset at sample 1, declared at sample 4."""
    samples = every_10_s(-160, -149, -148, -147, -146, -145)
    assert events_of([rule()], samples) == [(BEGIN, (0, 0, -146 * 128, 1, 4))]


def test_stay_shorter_than_the_dwell_leaves_no_event() -> None:
    """Back inside after 20 s, twice: two stays are not one."""
    samples = every_10_s(-160, -149, -149, -149, -151, -149, -149, -149, -151)
    assert events_of([rule()], samples) == []


def test_no_dwell_declares_at_the_onset_itself() -> None:
    """One sample beyond is enough when the dwell is 0 s."""
    assert events_of([rule(dwell_s=0)], every_10_s(-149)) == [(BEGIN, (0, 0, -149 * 128, 0, 0))]


def test_reading_on_the_limit_is_not_beyond_it() -> None:
    """Beyond is strict, on both sides."""
    samples = every_10_s(-150, -150)
    assert events_of([rule(dwell_s=0), rule(layout.RULE_BELOW, dwell_s=0)], samples) == []


def test_hysteresis_holds_the_excursion_open_without_counting_time() -> None:
    """Between limit and limit - 2 K the excursion goes on, but the stay beyond does not grow."""
    samples = every_10_s(-149, -148, -147, -151, -151.9, -149, -148, -152)
    events = events_of([rule(dwell_s=20)], samples)
    assert events == [
        (BEGIN, (0, 0, -147 * 128, 0, 2)),
        (EXTREME, (0, 0, -147 * 128, 0, 2)),
        # 0-10-20 s beyond, then 50-60 s beyond: the step into and out of the band is not counted.
        (END, (0, 0, 0, 30, 0, 7)),
    ]


def test_extreme_is_the_first_sample_that_reached_it() -> None:
    """The warmest reading of the whole stay, also while the dwell was running."""
    samples = every_10_s(-149, -140, -145, -140, -149, -160)
    assert events_of([rule()], samples)[1] == (EXTREME, (0, 0, -140 * 128, 0, 1))


def test_below_rule_mirrors_above() -> None:
    """Extreme is the minimum; back is above the limit by the hysteresis."""
    below = rule(layout.RULE_BELOW, threshold=-200 * 128, dwell_s=10)
    events = events_of([below], every_10_s(-199, -201, -203, -202, -199, -198))
    assert events == [
        (BEGIN, (0, 0, -203 * 128, 1, 2)),
        (EXTREME, (0, 0, -203 * 128, 1, 2)),
        (END, (0, 0, 0, 20, 1, 5)),
    ]


def test_cumulative_dwell_adds_up_stays() -> None:
    """Three stays of 10 s reach 30 s; the event tells the onset of the third."""
    samples = every_10_s(-149, -149, -160, -149, -149, -160, -149, -149)
    events = events_of([rule(mode=layout.MODE_CUMULATIVE)], samples)
    assert events == [(BEGIN, (0, 0, -149 * 128, 6, 7))]


def test_cumulative_rule_declares_every_later_stay_at_once() -> None:
    """The total is never forgotten within a run."""
    samples = every_10_s(-149, -149, -160, -149)
    events = events_of([rule(mode=layout.MODE_CUMULATIVE, dwell_s=10)], samples)
    assert [event for event in events if event[0] == BEGIN] == [
        (BEGIN, (0, 0, -149 * 128, 0, 1)),
        (BEGIN, (0, 0, -149 * 128, 3, 3)),
    ]


def test_fault_freezes_the_machine_and_its_time() -> None:
    """An open probe neither ends a stay nor lengthens it."""
    samples = every_10_s(-149, -149, None, None, None, -149, -149, -149)
    events = events_of([rule()], samples)
    # 10 s before the fault, 0 at the first sample after it, then 10 s and 10 s.
    assert events == [(BEGIN, (0, 0, -149 * 128, 0, 7))]


def test_fault_is_never_an_excursion() -> None:
    """All state codes are below -250 degC as numbers and still no rule sees them."""
    samples: Samples = [(10_000 * i, (layout.state_code(1 + i % 8),)) for i in range(30)]
    below = rule(layout.RULE_BELOW, threshold=-200 * 128, dwell_s=0)
    assert events_of([below, rule(dwell_s=0)], samples) == []


def test_gap_keeps_the_state_but_not_the_time() -> None:
    """A day without power adds nothing to a stay of 20 s."""
    samples: Samples = [
        (0, (-149 * 128,)),
        (10_000, (-149 * 128,)),
        (None, ()),
        (86_400_000, (-149 * 128,)),
        (86_410_000, (-149 * 128,)),
        (86_420_000, (-149 * 128,)),
    ]
    assert events_of([rule()], samples) == [(BEGIN, (0, 0, -149 * 128, 0, 4))]


def test_lateness_counts_as_it_was() -> None:
    """The stay is the real time between samples, to the millisecond."""
    times_ms = (0, 10_250, 19_999, 30_001, 40_000)
    readings_degc = (-149, -149, -149, -149, -160)
    samples: Samples = [
        (t, (degc * 128,)) for t, degc in zip(times_ms, readings_degc, strict=True)
    ]
    assert events_of([rule()], samples)[-1] == (END, (0, 0, 1, 30, 0, 4))


def test_each_channel_of_a_rule_is_judged_alone() -> None:
    """Channel 2 goes beyond; channel 1 is not in the mask; channel 0 stays inside."""
    samples: Samples = [(10_000 * i, (-160 * 128, -100 * 128, -100 * 128)) for i in range(4)]
    columns = ((0, 0), (1, 1), (2, 2))
    assert events_of([rule(mask=0b101)], samples, columns) == [
        (BEGIN, (0, 2, -100 * 128, 0, 3)),
    ]


def test_channel_of_a_rule_that_is_not_fitted_is_left_out() -> None:
    """The mask may name more than there is."""
    assert events_of([rule(mask=0b1111, dwell_s=0)], every_10_s(-149)) == [
        (BEGIN, (0, 0, -149 * 128, 0, 0))
    ]


def test_minimum_and_maximum_columns_are_not_judged() -> None:
    """The mean is; its place among the codes is given."""
    samples: Samples = [(0, (-160 * 128, -170 * 128, -100 * 128, 3200))]
    assert events_of([rule(dwell_s=0)], samples) == []


# --- rates --------------------------------------------------------------------------------------


def warming(kelvins_per_hour: float, samples: int, start_degc: float = -190.0) -> Samples:
    """Return a straight ramp at 10 s samples."""
    return every_10_s(
        *[start_degc + kelvins_per_hour * index * 10 / 3600 for index in range(samples)]
    )


def test_rate_rule_needs_a_whole_window_before_it_judges() -> None:
    """60 K/h for 600 s: the first rate exists at sample 60."""
    rising = rule(layout.RULE_RISING, threshold=20, hysteresis=5, dwell_s=0, window_s=600)
    events = events_of([rising], warming(60, 62))
    assert [(kind, values[3:]) for kind, values in events] == [(BEGIN, (60, 60))]
    assert events[0][1][2] in (59, 60)


def test_falling_rule_reports_its_rate_as_positive() -> None:
    """Cooling at 60 K/h is a value of 60 above the threshold of 20."""
    falling = rule(layout.RULE_FALLING, threshold=20, hysteresis=5, dwell_s=0, window_s=600)
    events = events_of([falling], warming(-60, 62))
    assert events[0][1][2] in (60, 61)


def test_step_faster_than_the_event_can_say_is_clamped() -> None:
    """200 K in one minute is 12000 K/h; in 10 s it would not fit and says 32767."""
    rising = rule(layout.RULE_RISING, threshold=20, hysteresis=5, dwell_s=0, window_s=1)
    assert events_of([rising], every_10_s(-190, 10))[0][1][2] == 32767


def test_fault_forgets_the_history_of_its_channel() -> None:
    """The window must fill again after the fault."""
    rising = rule(layout.RULE_RISING, threshold=20, hysteresis=5, dwell_s=0, window_s=600)
    samples = warming(60, 125)
    samples[30] = (samples[30][0], (OPEN,))
    assert events_of([rising], samples)[0][1][3] == 31 + 60


# --- the engine as a whole -----------------------------------------------------------------------


def test_pending_asks_for_the_fast_interval_until_all_rules_are_idle() -> None:
    """From the first sample beyond to the one back inside."""
    engine = Engine([rule()], ONE)
    seen: list[tuple[bool, int]] = []
    for number, (t, codes) in enumerate(every_10_s(-160, -149, -149, -149, -149, -151, -160)):
        assert t is not None
        engine.sample(number, t // 1000, 0, codes)
        seen.append((engine.pending, engine.active_mask))
    assert seen == [
        (False, 0),
        (True, 0),
        (True, 0),
        (True, 0),
        (True, 1),
        (True, 1),
        (False, 0),
    ]


def test_pending_mask_names_the_rules_within_their_dwell() -> None:
    """Bit n stands for rule n; one that is declared is not pending any more."""
    dwells_s = (0, 10, 20, 30)
    engine = Engine([rule(number=n, dwell_s=dwell_s) for n, dwell_s in enumerate(dwells_s)], ONE)
    seen: list[tuple[int, int]] = []
    for number, (t, codes) in enumerate(every_10_s(-160, -149, -149, -160)):
        assert t is not None
        engine.sample(number, t // 1000, 0, codes)
        seen.append((engine.pending_mask, engine.active_mask))
    assert seen == [(0, 0), (0b1110, 0b0001), (0b1100, 0b0011), (0, 0)]


def test_active_mask_names_the_rules() -> None:
    """Bit n stands for rule n."""
    rules = [rule(number=n, threshold=LIMIT + 640 * n, dwell_s=0) for n in range(8)]
    engine = Engine(rules, ONE)
    engine.sample(0, 0, 0, (LIMIT + 640 * 3 + 1,))
    assert engine.active_mask == 0b1111


@pytest.mark.parametrize("severity", [layout.SEVERITY_WARN, layout.SEVERITY_HOLD])
def test_a_limit_that_means_hold_stays_known_after_it_is_over(severity: int) -> None:
    """By rules that mean HOLD alone, and over a reboot."""
    watched = rule(dwell_s=0)._replace(severity=severity)
    engine = Engine([watched], ONE)
    feed(engine, every_10_s(-149))
    during = (engine.is_active(severity), engine.is_active(1 - severity), engine.has_held)
    feed(engine, every_10_s(-149, -160))
    restored = Engine([watched], ONE)
    restored.restore(engine.state_bytes())
    holds = severity == layout.SEVERITY_HOLD

    assert during == (True, False, holds)
    assert (engine.is_active(severity), engine.has_held) == (False, holds)
    assert restored.has_held == holds


def test_muted_engine_moves_on_without_a_word() -> None:
    """A replay of the journal ends in the same state as the run it repeats."""
    events: list[Event] = []
    loud = Engine([rule()], ONE, lambda kind, values: events.append((kind, values)))
    muted = Engine([rule()], ONE, lambda kind, values: events.append((kind, values)))
    muted.mute = True
    samples = every_10_s(-149, -149, -149, -149, -149)
    feed(muted, samples)
    assert events == []
    feed(loud, samples)
    assert muted.state_bytes() == loud.state_bytes()


# --- against the text, over random logs ----------------------------------------------------------

_LEVELS = st.sampled_from((layout.RULE_ABOVE, layout.RULE_BELOW))
_RATES = st.sampled_from((layout.RULE_RISING, layout.RULE_FALLING))
_MODES = st.sampled_from((layout.MODE_SINGLE, layout.MODE_CUMULATIVE))


@st.composite
def rule_sets(draw: st.DrawFn) -> list[Rule]:
    """Return up to eight rules of any kind, with at most two rate windows."""
    windows = draw(st.lists(st.integers(1, 90), min_size=1, max_size=2))
    rules: list[Rule] = []
    for number in range(draw(st.integers(1, 8))):
        mask = draw(st.integers(1, 15))
        dwell_s = draw(st.sampled_from((0, 1, 10, 30)))
        mode = draw(_MODES)
        if draw(st.booleans()):
            threshold, hysteresis = draw(st.integers(-300, 300)), draw(st.integers(0, 200))
            rules.append(
                rule(draw(_LEVELS), mode, mask, threshold, hysteresis, dwell_s, 0, number)
            )
        else:
            threshold, hysteresis = draw(st.integers(1, 2000)), draw(st.integers(0, 800))
            window_s = draw(st.sampled_from(windows))
            rules.append(
                rule(draw(_RATES), mode, mask, threshold, hysteresis, dwell_s, window_s, number)
            )
    return rules


def random_log(seed: int, length: int) -> Samples:
    """Return wandering readings of four channels with faults, gaps, reboots and late samples."""
    random = Random(seed)
    interval_ms = random.choice((1000, 2000, 10000))
    t = 0
    levels = [0.0] * 4
    faults = [0] * 4
    samples: Samples = []
    for _ in range(length):
        if random.random() < 0.02:
            samples.append((None, ()))
            t = 0 if random.random() < 0.5 else t + random.randrange(100_000)
        for channel in range(4):
            levels[channel] = levels[channel] * 0.98 + random.gauss(0, 60)
            if random.random() < 0.02:
                faults[channel] = random.randrange(1, 6)
        codes = tuple(
            layout.state_code(random.randrange(1, 9)) if fault else round(level)
            for level, fault in zip(levels, faults, strict=True)
        )
        faults = [max(fault - 1, 0) for fault in faults]
        samples.append((t + random.randrange(200), codes))
        t += interval_ms
    return samples


@given(rules=rule_sets(), seed=st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_engine_agrees_with_the_text_on_any_log(rules: list[Rule], seed: int) -> None:
    """Event by event, in the same order."""
    samples = random_log(seed, 120)
    assert events_of(rules, samples, FOUR) == judge(rules, FOUR, samples)


@given(rules=rule_sets(), seed=st.integers(0, 2**32), split=st.integers(0, 120))
@settings(max_examples=100, deadline=None)
def test_restored_engine_goes_on_as_if_nothing_had_happened(
    rules: list[Rule], seed: int, split: int
) -> None:
    """Split anywhere, a new engine with the old one's state emits the rest identically."""
    samples = random_log(seed, 120)
    events: list[Event] = []
    first = Engine(rules, FOUR, lambda kind, values: events.append((kind, values)))
    number = feed(first, samples[:split])
    state = first.state_bytes()
    assert len(state) <= first.state_max_bytes
    second = Engine(rules, FOUR, lambda kind, values: events.append((kind, values)))
    second.restore(state)
    assert second.state_bytes() == state
    feed(second, samples[split:], number)
    assert events == judge(rules, FOUR, samples)


@given(rules=rule_sets(), seed=st.integers(0, 2**32), split=st.integers(0, 120))
@settings(max_examples=50, deadline=None)
def test_reboot_loses_only_the_time_across_it(rules: list[Rule], seed: int, split: int) -> None:
    """State, restore, break_time, uptime from 0 again: the same as a boot in the text."""
    samples = random_log(seed, 120)
    later: Samples = [
        (None if t is None else t % 1_000_000, codes) for t, codes in samples[split:]
    ]
    events: list[Event] = []
    first = Engine(rules, FOUR, lambda kind, values: events.append((kind, values)))
    number = feed(first, samples[:split])
    second = Engine(rules, FOUR, lambda kind, values: events.append((kind, values)))
    second.restore(first.state_bytes())
    second.break_time()
    feed(second, later, number)
    assert events == judge(rules, FOUR, [*samples[:split], (None, ()), *later])


@pytest.mark.parametrize("damage", ["shorter", "longer", "fewer rules", "version", "history"])
def test_state_of_other_rules_is_refused_and_leaves_the_engine_as_it_was(damage: str) -> None:
    """A profile changed between boots must not put one rule's time on another."""
    rules = [rule(number=0), rule(layout.RULE_RISING, threshold=20, window_s=60, number=1)]
    engine = Engine(rules, ONE)
    feed(engine, every_10_s(*[-149 + 0.1 * i for i in range(20)]))
    state = engine.state_bytes()
    wrong = {
        "shorter": state[:-1],
        "longer": state + b"\0",
        "fewer rules": Engine(rules[:1], ONE).state_bytes(),
        "version": b"\xff" + state[1:],
        "history": state[: 2 + 2 * 31] + b"\xff" + state[3 + 2 * 31 :],
    }[damage]
    fresh = Engine(rules, ONE)
    empty = fresh.state_bytes()
    with pytest.raises(ValueError, match="excursion state"):
        fresh.restore(wrong)
    assert fresh.state_bytes() == empty


def test_largest_state_fits_the_journals_write_buffer() -> None:
    """8 rules on 4 channels and two rate windows: below 2000 of the recorder's 2048 bytes."""
    rules = [
        rule(layout.RULE_RISING, mask=15, window_s=600 + 300 * (number % 2), number=number)
        for number in range(8)
    ]
    assert Engine(rules, FOUR).state_max_bytes < 2000


# --- the board's interpreters --------------------------------------------------------------------

_DEVICE_SCRIPT = """
import micropython
import struct
from dewarlog_firmware.config import Rule
from dewarlog_firmware.excursion import Engine
RULES = {rules!r}
LOG = {log!r}
COLUMNS = ((0, 0), (1, 1), (2, 2), (3, 3))
events = []
def emit(kind, values):
    events.append((kind, values))
def engine_of():
    return Engine([Rule(*values) for values in RULES], COLUMNS, emit)
def run(engine, first, last):
    number = first
    for index in range(first, last):
        t_ms, a, b, c, d = struct.unpack_from("<ihhhh", LOG, 12 * index)
        if t_ms < 0:
            engine.break_time()
            t_ms = -1 - t_ms
        engine.sample(index, t_ms // 1000, t_ms % 1000, (a, b, c, d))
count = len(LOG) // 12
first = engine_of()
run(first, 0, count // 2)
second = engine_of()
second.restore(first.state_bytes())
run(second, count // 2, count)
for kind, values in events:
    print(kind, *values)
# Samples without an event leave nothing on the heap.
calm = engine_of()
codes = [-100, -100, -100, -100]
calm.sample(0, 0, 0, codes)
micropython.heap_lock()
try:
    for number in range(1, 200):
        codes[number & 3] = -100 - number % 7
        calm.sample(number, number, 17, codes)
        calm.pending
        calm.active_mask
    calm.break_time()
finally:
    micropython.heap_unlock()
"""


def _device_case() -> tuple[str, list[str]]:
    """Return the script with one recorded random log, and the lines the text expects."""
    rules = [
        rule(layout.RULE_ABOVE, layout.MODE_SINGLE, 15, 200, 100, 5, 0, 0),
        rule(layout.RULE_ABOVE, layout.MODE_CUMULATIVE, 3, 100, 20, 60, 0, 1),
        rule(layout.RULE_BELOW, layout.MODE_SINGLE, 12, -250, 80, 0, 0, 2),
        rule(layout.RULE_RISING, layout.MODE_SINGLE, 15, 500, 100, 2, 20, 3),
        rule(layout.RULE_FALLING, layout.MODE_CUMULATIVE, 5, 800, 300, 10, 60, 4),
    ]
    samples = random_log(20250301, 600)
    log = b""
    breaks = False
    for t, codes in samples:
        if t is None:
            breaks = True
            continue
        log += struct.pack("<ihhhh", -1 - t if breaks else t, *codes)
        breaks = False
    events = judge(rules, FOUR, samples)
    assert len(events) > 100
    script = _DEVICE_SCRIPT.format(rules=[tuple(each) for each in rules], log=log)
    return script, [" ".join(map(str, (kind, *values))) for kind, values in events]


@pytest.mark.parametrize("interpreter", ["micropython", "micropython32"])
def test_micropython_finds_the_same_excursions_and_allocates_nothing_in_calm(
    interpreter: str, request: pytest.FixtureRequest
) -> None:
    """A recorded random log with a restore half-way, on 64-bit and 32-bit builds."""
    run: RunMicroPython = request.getfixturevalue(interpreter)
    script, expected = _device_case()
    assert run(script).stdout.splitlines() == expected
