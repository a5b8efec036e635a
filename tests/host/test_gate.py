"""The gate of arming: each reason by itself, all together, and where exactly each begins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog.arm import charge, endurance, gate
from dewarlog.arm.charge import Charge, Dewar, charge_of, needed_kg
from dewarlog.arm.contradictions import COLDEST_DEGC
from dewarlog.arm.course import NOTE_MOST_BYTES, note_of
from dewarlog.arm.gate import Facts, Probe, Slope, judge
from dewarlog.profile.model import Profile
from dewarlog_wire import layout

NOW_S: Final = 200_000_000
DAY_S: Final = 86_400
PLAN_H: Final = 72.0
CATALOGUE: Final = Dewar(5.31, 8.62, None, 240.0, None)
MEASURED: Final = Dewar(5.31, None, None, None, 0.33)
PROBE: Final = Probe(
    channel=0,
    serial="TC-1",
    placement="payload top",
    state=layout.STATE_OK,
    degc=-192.0,
    expanded_k=2.8,
    limit_degc=-150.0,
    slope=Slope(0.2, 0.2, 300.0, 30),
    calibrated_utc_s=NOW_S - 100 * DAY_S,
    due_utc_s=NOW_S + 100 * DAY_S,
    point_serials=("TC-1", "TC-1"),
)
NECK: Final = replace(
    PROBE, channel=2, serial="TC-3", placement="neck", degc=-134.0, limit_degc=None, slope=None,
    point_serials=(),
)  # fmt: skip
READY: Final = Facts(
    now_utc_s=NOW_S,
    planned_h=PLAN_H,
    recording=True,
    probes=(PROBE, NECK),
    calibration_policy="refuse",
    charge=charge_of(8.6, CATALOGUE, PLAN_H),
    charge_missing=(),
    weight_needed_kg=needed_kg(CATALOGUE, PLAN_H),
    clock_state=layout.CLOCK_OK,
    clock_off_s=0.4,
    clock_was_off_s=-40.0,
    clock_set=True,
    free_bytes=800_000,
    needed_bytes=200_000,
    supply_mv=4100,
    supply_low=False,
    battery_wh=54.0,
    needed_wh=47.8,
    unpulled_runs=(),
    backlog_bytes=900,
    parts=tuple((name, 0) for name in layout.PART_NAMES),
    failed_tests=None,
)


def with_probe(**changes: Any) -> Facts:  # noqa: ANN401 - as the fields are
    """Return the ready facts with the first probe changed."""
    return replace(READY, probes=(replace(PROBE, **changes), NECK))


# What stands against arming, each by its name, with a figure that must be told.
AGAINST: Final[dict[str, list[tuple[Facts, str]]]] = {
    "probe not cold": [
        (with_probe(degc=-150.0), "\u2212150.0 °C ±2.8 K"),
        (with_probe(degc=22.5), "22.5 °C"),
        (with_probe(limit_degc=None), "no rule holds a probe"),
    ],
    "probe not stable": [
        (with_probe(slope=Slope(4.0, 0.1, 300.0, 30)), "+4.0 ±0.2 K/h over 5 min"),
        (with_probe(slope=Slope(-30.0, 0.1, 300.0, 30)), "\u221230.0"),
        (with_probe(slope=Slope(0.0, 2.0, 20.0, 3)), "±4.0 K/h"),
        (with_probe(slope=None), "was not watched"),
    ],
    "probe fault": [
        (with_probe(degc=None, state=layout.STATE_BELOW_TABLE), "below table"),
        (with_probe(degc=-215.0), "\u2212215.0 °C"),
        (
            replace(READY, probes=(PROBE, replace(NECK, degc=None, state=layout.STATE_OPEN))),
            "probe 3 (TC-3), neck gives no temperature: open",
        ),
    ],
    "charge": [
        (replace(READY, charge=None, charge_missing=("the weight",)), "the weight was not told"),
        (replace(READY, charge=charge_of(7.0, CATALOGUE, PLAN_H)), "1.64 kg of liquid nitrogen"),
        (replace(READY, charge=charge_of(5.3, CATALOGUE, PLAN_H)), "no more than its tare"),
        (replace(READY, charge=charge_of(9.0, CATALOGUE, PLAN_H)), "more than it takes"),
    ],
    "calibration": [
        (with_probe(calibrated_utc_s=None), "was never calibrated"),
        (with_probe(due_utc_s=None), "no due date"),
        (with_probe(due_utc_s=NOW_S + 71 * 3600), "calibration is due 2026-05-06"),
        (with_probe(due_utc_s=NOW_S - 1), "valid to the trip's end"),
        (with_probe(calibrated_utc_s=NOW_S + 1), "calibrated 2026-05-03 19:33 UTC, and this"),
        (with_probe(point_serials=("TC-1", "TC-9")), "calibrated as TC-9: another probe"),
    ],
    "clock": [
        (replace(READY, clock_state=layout.CLOCK_ABSENT, clock_off_s=None), "absent"),
        (replace(READY, clock_state=layout.CLOCK_UNSET, clock_off_s=None), "unset"),
        (replace(READY, clock_off_s=-2.6), "\u22122.6 s"),
    ],
    "memory": [(replace(READY, free_bytes=199_999), "199,999 bytes are free")],
    "supply": [
        (replace(READY, supply_mv=3299), "the supply is 3.30 V"),
        (replace(READY, supply_low=True), "4.10 V"),
        (replace(READY, battery_wh=None), "was not told"),
        (replace(READY, battery_wh=47.7), "holds 47.7 Wh"),
    ],
    "log not pulled": [
        (replace(READY, unpulled_runs=(3, 5)), "run 3, 5"),
        (replace(READY, backlog_bytes=4097), "4,097 bytes"),
    ],
    "sensors": [
        (replace(READY, parts=(("tilt sensor", 1), *READY.parts[1:])), "tilt sensor is: silent"),
        (replace(READY, failed_tests=("flash",)), "self-test failed: flash"),
    ],
}
CASES: Final = [
    pytest.param(name, facts, figure, id=f"{name}, {figure}")
    for name, cases in AGAINST.items()
    for facts, figure in cases
]


def against(facts: Facts) -> tuple[str, ...]:
    """Return what stands against arming."""
    return gate.refusals(gate.judge(facts))


# --- reasons -------------------------------------------------------------------------------------


def test_a_logger_that_is_ready_is_let_through() -> None:
    """Nothing stands against it, and every check says what it found."""
    judged = gate.judge(READY)
    assert against(READY) == ()
    assert [one.name for one in judged] == list(layout.ARM_REFUSAL_NAMES)
    assert all(one.said for one in judged)


@pytest.mark.parametrize(("name", "facts", "figure"), CASES)
def test_each_reason_stands_by_itself(name: str, facts: Facts, figure: str) -> None:
    """One refusal, with what was measured, what is needed, and what to do."""
    refused = [one for one in gate.judge(facts) if not one.holds]
    assert [one.name for one in refused] == [name]
    [finding] = [one for one in refused[0].findings if one.refuses]
    assert figure in f"{finding.measured}; {finding.need}"
    assert finding.need
    assert finding.then


def test_every_name_has_a_case_of_its_own() -> None:
    """A refusal that is added is a refusal that is tested."""
    assert list(AGAINST) == list(layout.ARM_REFUSAL_NAMES)


def test_all_reasons_are_told_at_once() -> None:
    """No check waits for another."""
    everything = replace(
        READY,
        probes=(
            replace(PROBE, degc=-120.0, slope=Slope(40.0, 1.0, 300.0, 30), due_utc_s=NOW_S),
            replace(NECK, degc=None, state=layout.STATE_SHORT),
        ),
        charge=charge_of(6.0, CATALOGUE, PLAN_H),
        clock_off_s=9.0,
        free_bytes=0,
        supply_mv=2900,
        unpulled_runs=(1,),
        parts=(("accelerometer", 3),),
    )
    assert against(everything) == layout.ARM_REFUSAL_NAMES


def test_by_policy_a_calibration_past_its_date_only_warns() -> None:
    """It is told all the same; another probe's calibration is refused by any policy."""
    late = replace(with_probe(due_utc_s=NOW_S - 1), calibration_policy="warn")
    [judged] = [one for one in gate.judge(late) if one.name == "calibration"]
    assert judged.holds
    assert [finding.refuses for finding in judged.findings] == [False]
    swapped = replace(with_probe(point_serials=("TC-9",)), calibration_policy="warn")
    assert against(swapped) == ("calibration",)


def test_a_calibration_still_to_come_is_refused_by_any_policy() -> None:
    """One of two clocks was wrong, and no due date says anything then."""
    early = replace(with_probe(calibrated_utc_s=NOW_S + DAY_S), calibration_policy="warn")
    assert against(early) == ("calibration",)
    assert against(with_probe(calibrated_utc_s=NOW_S)) == ()


def test_only_as_many_probes_as_are_calibrated_are_called_valid() -> None:
    """Where the profile only warns, the line that says ok does not speak for the others."""

    def said(*probes: Probe) -> str:
        facts = replace(READY, probes=probes, calibration_policy="warn")
        [judged] = [one for one in gate.judge(facts) if one.name == "calibration"]
        assert judged.holds
        return judged.said

    never = replace(PROBE, calibrated_utc_s=None, due_utc_s=None)
    assert said(PROBE, PROBE) == "valid to 2026-08-11"
    assert said(PROBE, never, PROBE) == "2 of 3 probes valid to 2026-08-11"
    assert said(never, replace(PROBE, due_utc_s=NOW_S)) == "none valid to the trip's end"


@pytest.mark.parametrize(
    ("was_off_s", "clock_set", "told"),
    [
        (300.0, True, []),
        (None, True, []),
        (86_400.0, True, ["the clock was 24 h ahead of this computer's before it was set"]),
        (-3600.0, False, ["the clock was 1 h behind this computer's"]),
    ],
)
def test_a_computer_whose_clock_differs_from_the_logger_s_is_doubted(
    was_off_s: float | None, clock_set: bool, told: list[str]
) -> None:
    """The trip is dated by it; which of the two is wrong nobody here knows, so it is only said."""
    facts = replace(READY, clock_was_off_s=was_off_s, clock_set=clock_set)
    assert against(facts) == ()
    [judged] = [one for one in gate.judge(facts) if one.name == "clock"]
    assert [finding.measured for finding in judged.findings] == told


def test_the_last_readings_of_a_run_that_has_ended_let_nothing_through() -> None:
    """They may be of weeks ago; what to do is to begin another run."""
    ended = replace(READY, recording=False)
    assert against(ended) == ("probe not cold", "probe not stable", "probe fault")
    findings = [one for judged in gate.judge(ended) for one in judged.findings]
    assert {one.then.split(",")[0] for one in findings} == {"Reset it"}


def test_a_payload_that_no_rule_holds_is_told() -> None:
    """Rules for the neck alone say nothing of what is in the dewar."""
    warm = replace(PROBE, degc=21.0, limit_degc=None)
    cold_neck = replace(NECK, limit_degc=-120.0, slope=PROBE.slope)
    facts = replace(READY, probes=(warm, cold_neck))
    [cold] = [one for one in gate.judge(facts) if one.name == "probe not cold"]
    [told] = cold.findings
    assert told.measured.startswith("no rule holds probe 1 (TC-1), payload top to a limit")
    assert not told.refuses
    assert all("no rule" not in one.measured for j in gate.judge(READY) for one in j.findings)
    assert {name for name in layout.PLACEMENT_NAMES if name.startswith("payload")} == {
        "payload top",
        "payload bottom",
    }


def test_a_dry_run_judges_no_clock_it_has_not_set() -> None:
    """But one that is not there is missed."""
    adrift = replace(READY, clock_set=False, clock_off_s=500.0)
    assert against(adrift) == ()
    gone = replace(adrift, clock_state=layout.CLOCK_ABSENT, clock_off_s=None)
    assert against(gone) == ("clock",)


# --- borders -------------------------------------------------------------------------------------


@given(st.floats(-198, 60), st.floats(0, 8), st.sampled_from([-150.0, -135.0, -170.0]))
def test_cold_is_below_the_limit_by_margin_and_uncertainty(
    degc: float, expanded_k: float, limit: float
) -> None:
    """Exactly there, and nowhere else."""
    facts = with_probe(degc=degc, expanded_k=expanded_k, limit_degc=limit)
    is_cold = degc + expanded_k <= limit - gate.MARGIN_K
    assert ("probe not cold" not in against(facts)) == is_cold


@given(st.floats(-230, -180), st.floats(0, 8))
def test_colder_than_liquid_nitrogen_is_a_fault_beyond_uncertainty(
    degc: float, expanded_k: float
) -> None:
    """A good probe that reads a little too cold is no fault."""
    facts = with_probe(degc=degc, expanded_k=expanded_k)
    assert ("probe fault" in against(facts)) == (degc + expanded_k < COLDEST_DEGC)


@given(st.floats(-10, 10), st.floats(0, 3))
def test_stable_is_within_three_kelvin_an_hour_for_certain(slope: float, u: float) -> None:
    """The uncertainty counts against it."""
    facts = with_probe(slope=Slope(slope, u, 300.0, 30))
    is_stable = abs(slope) + 2 * u <= gate.SLOPE_LIMIT_K_PER_H
    assert ("probe not stable" not in against(facts)) == is_stable


@given(st.integers(-10, 10), st.floats(0.5, 2160))
def test_a_calibration_is_valid_to_the_last_second_of_the_trip(
    seconds: int, planned_h: float
) -> None:
    """Due at its end is valid, a second before is not."""
    ends_s = NOW_S + int(planned_h * 3600)
    facts = replace(
        READY,
        planned_h=planned_h,
        probes=(replace(PROBE, due_utc_s=ends_s + seconds), replace(NECK, due_utc_s=ends_s)),
    )
    assert ("calibration" in against(facts)) == (seconds < 0)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(1, 40_000), st.floats(1, 40_000))
def test_memory_and_battery_are_enough_from_what_is_needed_on(
    free: int, needed: int, battery: float, wanted: float
) -> None:
    """Equal is enough."""
    facts = replace(
        READY, free_bytes=free, needed_bytes=needed, battery_wh=battery, needed_wh=wanted
    )
    assert ("memory" in against(facts)) == (free < needed)
    assert ("supply" in against(facts)) == (battery < wanted)


# --- charge --------------------------------------------------------------------------------------


def test_a_full_dewar_holds_what_its_maker_says_less_what_is_taken_off() -> None:
    """By the weights of a 4 L shipper, by hand."""
    full = charge_of(8.62, CATALOGUE, PLAN_H)
    assert full.kg == pytest.approx(3.26)
    assert full.static_hold_h == pytest.approx(3.26 / 3.31 * 240)
    assert full.usable_h == pytest.approx(3.26 / 3.31 * 240 * 0.6)
    assert full.needed_h == 108
    own = charge_of(8.62, MEASURED, PLAN_H)
    assert own.static_hold_h == pytest.approx(3.26 / 0.33 * 24)
    assert own.usable_h == pytest.approx(3.26 / 0.33 * 24 * 0.8)
    assert (full.enough, own.enough) == (True, True)


def test_a_plan_that_no_charge_lasts_for_is_not_sent_to_be_charged() -> None:
    """A full one is for 144 h, and 200 h need 300: weighing again would change nothing."""
    for planned_h, said in (
        (200.0, "No charge of this dewar is enough, a full one is for 144 h"),
        (90.0, "Charge it, and weigh it again"),
    ):
        charged = judge(replace(READY, charge=charge_of(7.0, CATALOGUE, planned_h)))
        (finding,) = next(one for one in charged if one.name == "charge").findings
        assert finding.then.startswith(said)


@given(
    st.sampled_from([CATALOGUE, MEASURED, Dewar(5.31, None, 3.31, 240.0, None)]),
    st.floats(0.5, 400),
    st.floats(-0.5, 0.5),
)
def test_the_weight_that_is_asked_for_is_the_least_that_is_enough(
    dewar: Dewar, planned_h: float, more_kg: float
) -> None:
    """Above it the charge outlasts the plan, below it does not."""
    least_kg = needed_kg(dewar, planned_h)
    assert least_kg is not None
    found = charge_of(least_kg + more_kg, dewar, planned_h)
    if abs(more_kg) > 1e-6:
        assert (found.usable_h > found.needed_h) == (more_kg > 0)


@given(st.floats(0.01, 100), st.floats(0.5, 2160))
def test_more_weight_never_holds_shorter(weight_kg: float, planned_h: float) -> None:
    """And nothing below the tare holds at all."""
    lighter = charge_of(weight_kg, MEASURED, planned_h)
    heavier = charge_of(weight_kg + 0.1, MEASURED, planned_h)
    assert lighter.static_hold_h <= heavier.static_hold_h
    assert (lighter.static_hold_h == 0) == lighter.empty


@pytest.mark.parametrize(
    ("dewar", "missing"),
    [
        (CATALOGUE, ()),
        (MEASURED, ()),
        (Dewar(None, 8.6, None, 240.0, None), ("the tare weight",)),
        (Dewar(5.3, None, None, 240.0, None), ("the full weight (or the capacity)",)),
        (Dewar(5.3, 8.6, None, None, None), ("the static hold (or the evaporation a day)",)),
    ],
)
def test_what_a_dewar_lacks_is_named(dewar: Dewar, missing: tuple[str, ...]) -> None:
    """Before a weight can say anything."""
    assert dewar.missing == missing
    if missing:
        assert needed_kg(dewar, PLAN_H) is None
        with pytest.raises(ValueError, match=missing[0].split("(", maxsplit=1)[0]):
            charge_of(8.0, dewar, PLAN_H)


def test_a_weight_that_nothing_bounds_is_told() -> None:
    """19.4 pounds are 8.8 kg: against a measured evaporation alone they outlast any trip."""

    def judged(dewar: Dewar) -> gate.Judged:
        facts = replace(READY, charge=charge_of(19.4, dewar, PLAN_H))
        [found] = [one for one in gate.judge(facts) if one.name == "charge"]
        return found

    alone, bounded = judged(MEASURED), judged(replace(MEASURED, capacity_kg=3.3))
    assert alone.holds
    assert [one.measured for one in alone.findings] == [
        "how much nitrogen the dewar takes was not told"
    ]
    assert not bounded.holds


def test_free_liquid_is_no_charge() -> None:
    """A twentieth above what it takes is the most."""
    assert pytest.approx(3.4755) == charge.OVERFULL_PART * 3.31
    assert not charge_of(5.31 + 0.05 + 3.47, CATALOGUE, PLAN_H).overfull
    assert charge_of(5.31 + 0.05 + 3.48, CATALOGUE, PLAN_H).overfull
    assert isinstance(READY.charge, Charge)


# --- memory, battery -----------------------------------------------------------------------------


def _profile(channels: int, **sampling: int) -> Profile:
    document = {
        "channels": [{"channel": number} for number in range(channels)],
        "rules": [],
        "sampling": sampling,
    }
    return Profile.of(document, "test")


def test_what_a_log_takes_is_reckoned_no_smaller_than_measured() -> None:
    """Measured (README.md): 2.282 bytes a sample of four, 205 KiB for 14 days of three."""
    samples = 14 * DAY_S // 10
    assert endurance.bytes_needed(_profile(4), 14 * 24) > 2.282 * samples
    three = endurance.bytes_needed(_profile(3), 14 * 24)
    assert 205 * 1024 < three < 1.5 * 205 * 1024


def test_three_trips_of_two_weeks_fit_a_pico_w() -> None:
    """At 10 s, three probes, with shocks: a new board has 806,912 bytes free."""
    assert endurance.bytes_needed(_profile(3), 3 * 14 * 24) < 800_000


@given(st.integers(1, 4), st.integers(1000, 600_000), st.integers(0, 1000), st.floats(0.5, 2160))
def test_more_probes_samples_and_hours_never_take_less(
    channels: int, interval_ms: int, fast_ms: int, planned_h: float
) -> None:
    """Nor does a fast interval, or extremes beside means."""
    fast = {} if not fast_ms else {"fast_interval_ms": 1000}
    plain = endurance.bytes_needed(_profile(channels, interval_ms=interval_ms), planned_h)
    assert plain <= endurance.bytes_needed(
        _profile(channels, interval_ms=interval_ms, **fast), planned_h
    )
    assert plain <= endurance.bytes_needed(
        _profile(channels, interval_ms=interval_ms), planned_h + 1
    )
    frugal = _profile(channels)
    assert endurance.wh_needed(frugal, planned_h) < endurance.wh_needed(frugal, planned_h + 1)


def test_what_a_battery_must_hold_is_the_budget_of_the_firmware() -> None:
    """firmware/README.md: 14 days x 3 take 223 Wh with the radio on, 29 and 15 Wh asleep."""
    six_weeks_h = 3 * 14 * 24
    radio_on = _profile(4)
    off = radio_on.with_(radio={"mode": "off"})
    asleep = off.with_(power={"sleep": "light"})
    slow = asleep.with_(shock={"rate_hz": 800})
    fast = asleep.with_(shock={"rate_hz": 6400, "window_ms": 320})
    wanted = [
        endurance.wh_needed(each, six_weeks_h) for each in (radio_on, off, asleep, slow, fast)
    ]
    assert wanted == pytest.approx([223, 135, 29, 15, 135], abs=0.6)


# --- the note ------------------------------------------------------------------------------------


@given(
    st.lists(st.sampled_from(layout.ARM_REFUSAL_NAMES), unique=True, min_size=1),
    st.text(min_size=1, max_size=58).filter(lambda text: len(text.encode("utf-8", "replace")) > 0),
)
def test_an_override_always_fits_its_note(names: list[str], reason: str) -> None:
    """By name where there is room, else by bit; the reason whole."""
    reason = reason.encode("ascii", "replace").decode()
    note = note_of(tuple(names), reason)
    assert len(note.encode()) <= NOTE_MOST_BYTES
    assert note.endswith(reason)
    mask = sum(1 << layout.ARM_REFUSAL_NAMES.index(name) for name in names)
    assert all(name in note for name in names) or f"{mask:#05x}" in note
