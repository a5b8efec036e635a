"""Arming, thaw to infusion, self-tests and calibration of another probe, of whole logs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dewarlog.checks.finding import Severity
from dewarlog.checks.review import review_log
from dewarlog.checks.selftest import result_words
from dewarlog.checks.selftest_words import limit_words, value_words
from dewarlog.records import SelfTestResult
from dewarlog.verdict import Word, judge
from dewarlog_wire import layout
from log_writer import UTC_2026_03_01, EventSpec, LogWriter
from trips import CALIBRATED, HOUR_MS, clock_read, quiet, trip, written

if TYPE_CHECKING:
    from pathlib import Path

    from dewarlog.checks.finding import Finding
    from dewarlog.checks.review import Review
    from log_writer import ArmingSpec, PointSpec

DAY_S = 86_400
ARMED: ArmingSpec = (UTC_2026_03_01 - 9, 5 * DAY_S, 10 * DAY_S, 4500, 0, "A. Jansen", "")
I32_LEAST, I32_MOST = -(2**31), 2**31 - 1
THAW, INFUSE = 6, 7
FREE_HEAP = 15


def reviewed(folder: Path, writer: LogWriter) -> Review:
    """Check a log."""
    return review_log(written(folder, writer))


def found(review: Review, check: str) -> list[Finding]:
    """Give what one check found."""
    return [item for item in review.findings if item.check == check]


def the_one(review: Review, check: str) -> Finding:
    """Give the only finding of a check."""
    (item,) = found(review, check)
    return item


# --- arming -------------------------------------------------------------------------------------


def test_a_run_that_nobody_armed_is_not_spoken_of(tmp_path: Path) -> None:
    """A board that begins by itself is no worse for it."""
    assert found(reviewed(tmp_path, trip()), "arming") == []


def test_a_run_that_nothing_stood_against_is_not_spoken_of(tmp_path: Path) -> None:
    """Armed within its plan."""
    assert found(reviewed(tmp_path, trip(arming=ARMED)), "arming") == []


def test_a_run_begun_over_refusals_names_each_who_and_why(tmp_path: Path) -> None:
    """A warning, which leaves the verdict alone."""
    bits = 1 << 4 | 1 << 9 | 1 << 15
    arming = (*ARMED[:4], bits, "A. Jansen", "probe 2 is new")
    review = reviewed(tmp_path, trip(arming=arming))
    finding = the_one(review, "arming")

    assert finding.message == (
        "This run was begun although 3 things stood against it: calibration, sensors, number 15. "
        'By A. Jansen; reason: "probe 2 is new".'
    )
    assert (finding.severity, finding.code) == (Severity.WARN, "armed-over-refusals")
    assert finding.evidence["overridden"] == bits
    assert judge(review).word is Word.USE


def test_a_run_begun_over_refusals_without_a_name_says_so(tmp_path: Path) -> None:
    """Whatever tool began it."""
    arming = (*ARMED[:4], 1 << 5, "", "")
    message = the_one(reviewed(tmp_path, trip(arming=arming)), "arming").message

    assert message.endswith("it: clock. By nobody named; reason: none was given.")


@pytest.mark.parametrize(
    ("planned_s", "hold_s", "code", "said"),
    [
        (3 * 3600, 0, "plan-passed", "The journey took 3 h 59 min; the run was begun for 3 h."),
        (
            3 * 3600,
            2 * 3600,
            "plan-passed",
            (
                "The journey took 3 h 59 min; the run was begun for 3 h; "
                "the charge holds 2 h at rest."
            ),
        ),
        (
            0,
            2 * 3600,
            "static-hold-passed",
            "The journey took 3 h 59 min; the charge holds 2 h at rest.",
        ),
    ],
)
def test_a_journey_longer_than_planned_is_told(
    tmp_path: Path, planned_s: int, hold_s: int, code: str, said: str
) -> None:
    """Until the dewar was received, not until somebody pulled the log."""
    arming = (ARMED[0], planned_s, hold_s, 0, 0, "A. Jansen", "")
    finding = the_one(reviewed(tmp_path, trip(4, arming=arming)), "arming")

    assert (finding.code, finding.message) == (code, said)
    assert finding.severity is Severity.WARN


def test_a_journey_as_long_as_planned_is_not_told(tmp_path: Path) -> None:
    """To the second."""
    seconds = 4 * 3600 - 60
    arming = (ARMED[0], seconds, seconds, 0, 0, "A. Jansen", "")

    assert found(reviewed(tmp_path, trip(4, arming=arming)), "arming") == []


def test_numbers_at_the_end_of_their_range_are_said(tmp_path: Path) -> None:
    """A plan of 136 years is none that can be passed."""
    arming = (2**32 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1, 0xFFFF, "\x1b[2J", "=cmd()")
    finding = the_one(reviewed(tmp_path, trip(arming=arming)), "arming")

    assert finding.message.startswith("This run was begun although 16 things stood against it")
    assert "By \\x1b[2J; " in finding.message


# --- calibration --------------------------------------------------------------------------------


def point(channel: int, serial: bytes, *, number: int = 1) -> PointSpec:
    """Give a point of calibration: at -195.85 degC the probe read 0.5 K more."""
    when = UTC_2026_03_01 - 50 * DAY_S
    return (channel, number, -25069, -25005, 13, 100_900, when, serial, "Pt100 no. 7")


def test_points_of_the_fitted_probe_say_nothing(tmp_path: Path) -> None:
    """Its uncertainty is that of its calibration."""
    points = (point(0, b"TC-001"), point(0, b"TC-001", number=0), point(1, b"TC-002"))
    review = reviewed(tmp_path, trip(points=points))

    assert found(review, "calibration") == []
    assert review.guard is not None
    assert review.guard.budget(-150.0, 0).calibrated


def test_a_probe_swapped_after_calibration_falls_back_to_its_wire(tmp_path: Path) -> None:
    """And the offset that is another probe's counts as an error, not in the root of squares."""
    points = (point(0, b"TC-009"), point(1, b"TC-002"))
    review = reviewed(tmp_path, trip(points=points, offset_count=-64))
    plain = reviewed(tmp_path, trip(calibration=(0, layout.UTC_UNKNOWN, layout.UTC_UNKNOWN)))
    finding = the_one(review, "calibration")

    assert finding.message == (
        "Probe 1 (TC-001) carries the calibration of another probe (TC-009): it says nothing of "
        "this one. The tolerance of its wire is used instead, and the offset of \u22120.50 K "
        "counts as an error."
    )
    assert (finding.code, finding.channel) == ("calibration-other-probe", 0)
    assert review.guard is not None
    assert plain.guard is not None
    assert not review.guard.budget(-150.0, 0).calibrated
    assert review.guard.budget(-150.0, 1).calibrated
    assert review.guard.expanded_k(-150.0, 0) == pytest.approx(
        plain.guard.expanded_k(-150.0, 0) + 0.5
    )


def test_a_swapped_probe_near_a_limit_means_hold(tmp_path: Path) -> None:
    """What calibration kept apart from the limit, the tolerance of the wire does not."""

    def near(hour: int, readings: list[list[int]]) -> list[EventSpec]:
        readings[0][:] = quiet(hour, -152.8)
        return []

    kept = reviewed(tmp_path, trip(points=(point(0, b"TC-001"),), change=near))
    swapped = reviewed(tmp_path, trip(points=(point(0, b"TC-009"),), change=near))

    assert (judge(kept).word, judge(swapped).word) == (Word.USE, Word.HOLD)
    assert "near-limit" in {item.code for item in swapped.findings}


def test_a_point_of_a_channel_that_is_not_fitted_is_nothing(tmp_path: Path) -> None:
    """It belongs to no probe of this run."""
    assert found(reviewed(tmp_path, trip(points=(point(7, b"TC-009"),))), "calibration") == []


@pytest.mark.parametrize(
    ("handling", "ends", "policy"),
    [
        (None, "The tolerance of its wire is used instead.", None),
        ((0, 0), "The tolerance of its wire is used instead.", "warn"),
        ((0, 1), "The profile asks that no run be made past that date.", "refuse"),
        ((0, 9), "The tolerance of its wire is used instead.", "number 9"),
    ],
)
def test_past_the_due_date_the_profiles_policy_is_told(
    tmp_path: Path, handling: tuple[int, int] | None, ends: str, policy: str | None
) -> None:
    """Where it refuses; the finding is the same."""
    late = (26, UTC_2026_03_01 - 100, UTC_2026_03_01 + 3600)
    review = reviewed(tmp_path, trip(calibration=late, handling=handling))
    findings = found(review, "calibration")

    assert [item.code for item in findings] == ["calibration-expired"] * 2
    assert all(item.message.endswith(ends) for item in findings)
    assert [item.evidence.get("policy") for item in findings] == [policy] * 2


# --- thaw ---------------------------------------------------------------------------------------


def step(uptime_ms: int, number: int, *, ahead_s: int = 0) -> EventSpec:
    """Give a custody step by a host whose clock is `ahead_s` ahead."""
    utc_s = UTC_2026_03_01 + uptime_ms // 1000 + ahead_s
    return (layout.KIND_CUSTODY, uptime_ms, (number, utc_s, "K. Mori", "Ward 4", ""))


def thawed(
    folder: Path, *steps: EventSpec, limit_min: int = 30, clock: bool = True, hours: int = 4
) -> Review:
    """Check a trip with these steps in its last hour."""
    change = lambda hour, _: list(steps) if hour == hours - 1 else []  # noqa: E731
    return reviewed(folder, trip(hours, change=change, handling=(limit_min, 0), clock=clock))


AT = 3 * HOUR_MS + 60_000


def test_an_infusion_in_time_is_not_spoken_of(tmp_path: Path) -> None:
    """To the second."""
    review = thawed(tmp_path, step(AT, THAW), step(AT + 30 * 60_000, INFUSE))

    assert found(review, "thaw") == []


def test_an_infusion_too_late_means_hold_with_both_times(tmp_path: Path) -> None:
    """A second past what the profile allows."""
    review = thawed(tmp_path, step(AT, THAW), step(AT + 30 * 60_000 + 1000, INFUSE))
    finding = the_one(review, "thaw")

    assert finding.message == (
        "The product was infused 30 min 1 s after its thaw began; at most 30 min may pass: "
        "thaw start 2026-03-01 03:01:01 UTC \u00b10.7 s, "
        "infusion 2026-03-01 03:31:02 UTC \u00b10.7 s."
    )
    assert (finding.severity, finding.code) == (Severity.HOLD, "thaw-too-long")
    assert finding.duration_s == 30 * 60 + 1
    assert judge(review).word is Word.HOLD


def test_without_a_clock_the_boards_own_count_tells(tmp_path: Path) -> None:
    """Both times by uptime."""
    review = thawed(tmp_path, step(AT, THAW), step(AT + 31 * 60_000, INFUSE), clock=False)

    assert the_one(review, "thaw").message.endswith(
        "thaw start 3 h 1 min after start 1, infusion 3 h 32 min after start 1."
    )


def test_a_profile_that_names_no_time_asks_for_nothing(tmp_path: Path) -> None:
    """However long it took."""
    review = thawed(tmp_path, step(AT, THAW), step(AT + 50 * 60_000, INFUSE), limit_min=0)

    assert found(review, "thaw") == []


def test_a_thaw_that_is_still_running_has_its_deadline_told(tmp_path: Path) -> None:
    """On the early side of what the clock is worth."""
    review = thawed(tmp_path, step(AT + 40 * 60_000, THAW))
    finding = the_one(review, "thaw")

    assert finding.message == (
        "Thaw began: infuse by 2026-03-01 04:10:59 UTC (30 min from thaw start)."
    )
    assert (finding.severity, finding.code) == (Severity.INFO, "thaw-deadline")


def test_a_log_that_goes_on_past_the_deadline_says_so(tmp_path: Path) -> None:
    """No infusion may mean that none was recorded: a warning."""
    review = thawed(tmp_path, step(AT, THAW))
    finding = the_one(review, "thaw")

    assert "the log goes on past that and tells of no infusion" in finding.message
    assert (finding.severity, finding.code) == (Severity.WARN, "thaw-deadline-passed")
    assert judge(review).word is Word.USE


def test_without_a_clock_the_deadline_is_by_the_computer_that_recorded_it(tmp_path: Path) -> None:
    """Its time is not the board's, and the sentence says whose it is."""
    review = thawed(tmp_path, step(AT + 40 * 60_000, THAW), clock=False)

    assert the_one(review, "thaw").message == (
        "Thaw began: infuse by 2026-03-01 04:11:00 UTC by the clock of the computer that recorded "
        "it (30 min from thaw start)."
    )


def test_an_infusion_without_a_thaw_start_is_told(tmp_path: Path) -> None:
    """Nothing says how long it was thawed."""
    finding = the_one(thawed(tmp_path, step(AT, INFUSE)), "thaw")

    assert finding.message == (
        "An infusion is in the log and no thaw start before it: whether it came within 30 min "
        "cannot be said."
    )
    assert (finding.severity, finding.code) == (Severity.WARN, "infusion-without-thaw")


def test_two_bags_are_taken_in_the_order_their_thaws_began(tmp_path: Path) -> None:
    """The first infusion is the first bag's: 35 min; the second bag is in time."""
    minute = 60_000
    review = thawed(
        tmp_path,
        step(AT, THAW),
        step(AT + 10 * minute, THAW),
        step(AT + 35 * minute, INFUSE),
        step(AT + 40 * minute, INFUSE),
    )
    finding = the_one(review, "thaw")

    assert (finding.code, finding.duration_s) == ("thaw-too-long", 35 * 60)


def restarted(
    folder: Path, infused_s: int, *, clock: bool, told_s: int | None = None
) -> list[Finding]:
    """Thaw before a restart of the board, infuse behind it; times since the run began."""
    writer = trip(1, clock=clock, stop=False, handling=(30, 0), change=_thaw_at_30_min)
    writer.boot = 1
    utc_s = UTC_2026_03_01 + 3600 + 60
    state = layout.CLOCK_OK if clock else layout.CLOCK_ABSENT
    ahead_s = 3600 + 60
    at_ms = 1000 * (infused_s - ahead_s)
    told = UTC_2026_03_01 + (infused_s if told_s is None else told_s)
    events: list[EventSpec] = [
        (layout.KIND_BOOT, 0, (1, 1, 0, 0, utc_s if clock else layout.UTC_UNKNOWN, state)),
        (layout.KIND_GAP, 1, (0, layout.GAP_POWER, 0, 60, 6)),
        (layout.KIND_CUSTODY, at_ms, (INFUSE, told, "K. Mori", "Ward 4", "")),
    ]
    if clock:
        events[1:1] = [clock_read(ms, ahead_s) for ms in (0, 1_800_000)]
    events.sort(key=lambda event: event[1])
    writer.samples(0, [quiet(3), quiet(4)], events=events)
    return found(reviewed(folder, writer), "thaw")


def _thaw_at_30_min(_hour: int, _readings: list[list[int]]) -> list[EventSpec]:
    return [step(30 * 60_000, THAW)]


def test_across_a_restart_the_fitted_clock_tells_with_its_bounds(tmp_path: Path) -> None:
    """A minute from the limit it is sure; at the limit it may have been beyond."""
    early = restarted(tmp_path, 3600 + 61, clock=True)
    exact = restarted(tmp_path, 3600 + 60 + 1740, clock=True)

    assert [item.code for item in (*early, *exact)] == ["thaw-too-long", "thaw-too-long"]
    assert 31 * 60 < (early[0].duration_s or 0) < 31 * 60 + 10


def test_across_a_restart_without_a_clock_the_hosts_tell(tmp_path: Path) -> None:
    """By what their clocks said; where these run backwards nobody knows."""
    long = restarted(tmp_path, 3600 + 120, clock=False)
    short = restarted(tmp_path, 3600 + 120, clock=False, told_s=3500)
    backwards = restarted(tmp_path, 3600 + 120, clock=False, told_s=60)

    assert [item.code for item in long] == ["thaw-too-long"]
    assert long[0].duration_s == 32 * 60
    assert short == []
    assert [(item.code, item.severity) for item in backwards] == [
        ("thaw-time-unknown", Severity.WARN)
    ]


# --- self-tests ---------------------------------------------------------------------------------


def result(at_ms: int, *values: int) -> EventSpec:
    """Give a self-test's result: test, index, verdict, value, least, most."""
    return (layout.KIND_SELFTEST, at_ms, values)


def passing(at_ms: int) -> list[EventSpec]:
    """Give a self-test of four tests, one of a part that is not there."""
    return [
        result(at_ms, 2, 0, 0, -25069, -27000, 3840),
        result(at_ms, 2, 1, 0, -25100, -27000, 3840),
        result(at_ms + 1, FREE_HEAP, 0, 0, 61_000, 40_000, I32_MOST),
        result(at_ms + 2, 17, 0, 2, 0, 1, 1),
    ]


def failing(at_ms: int) -> list[EventSpec]:
    """Give a self-test that fails twice."""
    events = passing(at_ms)
    events[1] = result(at_ms, 2, 1, 1, layout.state_code(layout.STATE_OPEN), -27000, 3840)
    events[2] = result(at_ms + 1, FREE_HEAP, 0, 1, 31_000, 40_000, I32_MOST)
    return events


def self_tested(folder: Path, *events: EventSpec) -> Review:
    """Check a trip of two hours with these events in the first."""
    return reviewed(folder, trip(2, change=lambda hour, _: list(events) if hour == 0 else []))


def test_a_self_test_that_passed_is_counted_and_not_spoken_of(tmp_path: Path) -> None:
    """A part that is not there neither passes nor fails."""
    review = self_tested(tmp_path, *passing(90_000))
    (test,) = review.self_tests

    assert (test.done, test.passed, test.words) == (3, 3, "3 of 3 tests passed")
    assert found(review, "selftest") == []


def test_a_failed_self_test_names_each_test_with_value_and_limits(tmp_path: Path) -> None:
    """A warning: the readings themselves decide."""
    review = self_tested(tmp_path, *failing(90_000))
    finding = the_one(review, "selftest")

    assert finding.message == (
        "The logger's newest self-test failed 2 of 3 tests: "
        "probe 2 open (must be \u2212210.9 \u00b0C to 30.0 \u00b0C); "
        "free heap 31,000 bytes (must be at least 40,000 bytes)."
    )
    assert finding.evidence == {"failed": "probe 2, free heap", "tests": 3}
    assert (finding.severity, judge(review).word) == (Severity.WARN, Word.USE)


def test_only_the_newest_self_test_is_judged(tmp_path: Path) -> None:
    """Failed, mended, passed: nothing. The other way round: a warning."""
    mended = self_tested(tmp_path, *failing(90_000), *passing(95_000))
    broken = self_tested(tmp_path, *passing(90_000), *failing(95_000))

    assert [(test.done, test.passed) for test in mended.self_tests] == [(3, 1), (3, 3)]
    assert found(mended, "selftest") == []
    assert the_one(broken, "selftest").start == broken.self_tests[1].at


def test_what_comes_between_two_results_cuts_no_self_test(tmp_path: Path) -> None:
    """The sampling goes on meanwhile, and records what it meets."""
    events = failing(90_000)
    events.insert(2, (layout.KIND_SUPPLY, 90_000, (4000, 0)))
    review = self_tested(tmp_path, *events)

    assert len(review.self_tests) == 1


def test_a_result_long_after_is_of_another_self_test(tmp_path: Path) -> None:
    """One that power cut short, and the next."""
    review = self_tested(tmp_path, *passing(90_000)[:1], *passing(150_000)[1:])

    assert [len(test.results) for test in review.self_tests] == [1, 3]


def test_a_verdict_that_nobody_knows_is_no_pass(tmp_path: Path) -> None:
    """From a newer board, or a forgery."""
    review = self_tested(tmp_path, result(90_000, 15, 0, 9, 7, 0, 10))

    assert "free heap 7 bytes, verdict number 9 (must be at most 10 bytes)" in (
        the_one(review, "selftest").message
    )


RESULT = SelfTestResult(0, 0, 0, 0, 0, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((2, 0, -25069), "probe 1 \u2212195.9 \u00b0C"),
        ((2, 3, -32767), "probe 4 open"),
        ((2, 0, I32_LEAST), "probe 1 \u221216777216.0 \u00b0C"),
        ((3, 1, 1600), "cold junction, probe 2 25.0 \u00b0C"),
        ((7, 2, -40), "tilt sensor self-test, z \u221240 counts"),
        ((7, 200, -40), "tilt sensor self-test, 200 \u221240 counts"),
        ((8, 0, 0), "clock oscillator 0"),
        ((0, 1, 3), "converter settings, probe 2 3 registers lost"),
        ((255, 0, I32_MOST), "test 255 2,147,483,647"),
    ],
)
def test_results_are_said_in_the_unit_of_their_test(
    values: tuple[int, int, int], said: str
) -> None:
    """A reading code that is a state by its name; an unknown test by its number."""
    test, index, value = values
    one = replace(
        RESULT, test=test, index=index, value=value, verdict=1, least=I32_LEAST, most=I32_MOST
    )

    assert result_words(one) == said


@pytest.mark.parametrize(
    ("least", "most", "said"),
    [
        (1, 1, "yes"),
        (7, 7, "7"),
        (5, I32_MOST, "at least 5"),
        (0, 5, "at most 5"),
        (I32_LEAST, -5, "at most \u22125"),
        (-1, 2000, "\u22121 to 2,000"),
        (I32_LEAST, I32_MOST, ""),
    ],
)
def test_limits_without_an_end_are_said_as_such(least: int, most: int, said: str) -> None:
    """The ends of an i32 stand for no limit."""
    one = replace(RESULT, test=8, least=least, most=most)

    assert limit_words(one) == said
    assert value_words(one, 2) == "2"


def test_a_self_test_of_many_failures_is_still_one_line(tmp_path: Path) -> None:
    """The first are named, the rest counted."""
    events = [result(90_000, 2, index, 1, -32767, 0, 1) for index in range(20)]
    message = the_one(self_tested(tmp_path, *events), "selftest").message

    assert message.count("probe") == 6
    assert message.endswith("; 14 more.")


# --- all together -------------------------------------------------------------------------------


def test_a_prepared_trip_without_fault_is_use_without_a_note(tmp_path: Path) -> None:
    """Calibrated, armed, tested, infused in time: nothing more to look at than of any trip."""
    points = (point(0, b"TC-001"), point(1, b"TC-002"))
    steps = [step(AT, THAW), step(AT + 60_000, INFUSE)]
    change = lambda hour, _: passing(90_000) if hour == 0 else steps if hour == 3 else []  # noqa: E731
    prepared = trip(
        4, points=points, arming=ARMED, handling=(30, 1), calibration=CALIBRATED, change=change
    )
    review, usual = reviewed(tmp_path, prepared), reviewed(tmp_path, trip(4))

    assert [item.code for item in review.findings] == [item.code for item in usual.findings]
    assert judge(review).word is Word.USE
