"""Clock: wall time with a bound that holds, drift, steps, and honest silence without a clock."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog.checks.clock import ClockCheck
from dewarlog.checks.finding import Finding, Moment
from dewarlog.checks.review import review_log
from dewarlog.records import BootEvent, ClockRead, ClockSync, CustodyEvent
from dewarlog_wire import layout
from log_writer import UTC_2026_03_01, EventSpec
from trips import trip, written

if TYPE_CHECKING:
    from pathlib import Path

    from dewarlog.checks.wall_clock import WallClock

START_S = 100_000_000
UNIX_S = START_S + layout.UTC_EPOCH_UNIX_S
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def _read(boot: int, uptime_ms: int, utc_s: float, state: int = layout.CLOCK_OK) -> ClockRead:
    return ClockRead(0, boot, uptime_ms, math.floor(utc_s), state)


def _fit(events: list[ClockRead | ClockSync | BootEvent | CustodyEvent]) -> WallClock:
    return _both(events)[0]


def _both(
    events: list[ClockRead | ClockSync | BootEvent | CustodyEvent],
) -> tuple[WallClock, tuple[Finding, ...]]:
    check = ClockCheck()
    for event in events:
        check.feed(event)
    return check.finish()


@given(
    ppm=st.floats(-150, 150),
    fraction=st.floats(0, 0.999),
    every_ms=st.sampled_from([HOUR_MS // 2, 6 * HOUR_MS]),
    at=st.floats(0, 1),
)
def test_the_true_time_always_lies_within_the_bound(
    ppm: float, fraction: float, every_ms: int, at: float
) -> None:
    """Whatever the crystal's drift and the phase of the chip's second."""
    rate = 1 + ppm * 1e-6
    uptimes = range(0, 10 * DAY_MS, every_ms)
    clock = _fit([_read(0, u, START_S + fraction + rate * u / 1000) for u in uptimes])
    uptime_ms = int(at * 10 * DAY_MS)
    wall = clock.at(Moment(0, uptime_ms))

    assert wall is not None
    truth = UNIX_S + fraction + rate * uptime_ms / 1000
    assert abs(wall.unix_s - truth) <= wall.error_s + 0.001
    drift, bound = clock.fits[0].drift_ppm
    assert abs(drift - ppm) <= bound + 0.01


def test_more_readings_make_the_bound_tighter() -> None:
    """Ten days of readings pin the time down to well below a second."""
    few = _fit([_read(0, u, START_S + 0.5 + u * 1.00002e-3) for u in range(0, DAY_MS, HOUR_MS)])
    many = _fit(
        [_read(0, u, START_S + 0.5 + u * 1.00002e-3) for u in range(0, 10 * DAY_MS, HOUR_MS // 4)]
    )
    loose, tight = few.at(Moment(0, DAY_MS // 2)), many.at(Moment(0, 5 * DAY_MS))

    assert loose is not None
    assert tight is not None
    # What is left is mostly the chip's own drift since the run began: 5 ppm of 5 days are 2.2 s.
    assert tight.error_s - 5e-6 * 5 * 86400 < loose.error_s - 5e-6 * 43200


def test_memory_does_not_grow_with_readings() -> None:
    """The polygon keeps a few corners, however many readings cut it."""
    clock = _fit(
        [_read(0, u, START_S + 0.3 + u * 1.000013e-3) for u in range(0, 60 * DAY_MS, 997_000)]
    )

    assert clock.fits[0].readings > 5000
    assert len(clock.fits[0].vertices) < 80


def test_a_jump_of_the_chip_is_a_finding_and_starts_a_new_piece() -> None:
    """A chip that fell back by 100 s is found out, and times before it stay right."""
    good = [_read(0, u, START_S + u / 1000) for u in range(0, DAY_MS, HOUR_MS)]
    bad = [_read(0, u, START_S - 100 + u / 1000) for u in range(DAY_MS, 2 * DAY_MS, HOUR_MS)]
    clock, findings = _both([*good, *bad])

    step = next(item for item in findings if item.code == "clock-step")
    assert step.start == Moment(0, DAY_MS)
    assert step.evidence["step_s"] == pytest.approx(-100, abs=1.5)
    before = clock.at(Moment(0, HOUR_MS))
    assert before is not None
    assert before.unix_s == pytest.approx(UNIX_S + 3600, abs=1.5)


def test_a_host_that_sets_a_wrong_clock_corrects_the_times_before() -> None:
    """The chip was 90 s slow all along: earlier times are moved by as much."""
    reads = [_read(0, u, START_S - 90 + u / 1000) for u in range(0, DAY_MS, HOUR_MS)]
    sync = ClockSync(9, 0, DAY_MS, START_S + 86400, 0, 20, START_S - 90 + 86400, 0)
    clock, findings = _both([*reads, sync])

    assert [item.code for item in findings] == ["clock-was-wrong"]
    wall = clock.at(Moment(0, HOUR_MS))
    assert wall is not None
    assert abs(wall.unix_s - (UNIX_S + 3600)) <= wall.error_s
    assert wall.error_s < 3


def test_drift_between_two_settings_is_taken_out_in_a_straight_line() -> None:
    """A chip that lost 40 s between two syncs is 20 s off in the middle, and corrected."""
    first = ClockSync(0, 0, 0, START_S, 0, 20, layout.UTC_UNKNOWN, layout.CLOCK_UNSET)
    lost = 40 / (10 * 86400)
    reads = [
        _read(0, u, START_S + u / 1000 * (1 - lost)) for u in range(HOUR_MS, 10 * DAY_MS, HOUR_MS)
    ]
    last = ClockSync(9, 0, 10 * DAY_MS, START_S + 864000, 0, 20, START_S + 864000 - 40, 0)
    wall = _fit([first, *reads, last]).at(Moment(0, 5 * DAY_MS))

    assert wall is not None
    assert abs(wall.unix_s - (UNIX_S + 432000)) <= wall.error_s
    assert wall.error_s < 3


def test_a_host_alone_gives_time_where_the_chip_has_none() -> None:
    """The bound grows with the distance from that moment, by what a crystal may do."""
    unset = _read(0, 0, 0, layout.CLOCK_UNSET)
    sync = ClockSync(1, 0, HOUR_MS, START_S, 500, 100, layout.UTC_UNKNOWN, layout.CLOCK_UNSET)
    clock, findings = _both([unset, sync])
    near, far = clock.at(Moment(0, HOUR_MS)), clock.at(Moment(0, HOUR_MS + DAY_MS))

    assert near is not None
    assert far is not None
    assert near.unix_s == pytest.approx(UNIX_S + 0.5, abs=0.01)
    assert near.error_s < 0.2
    assert far.error_s == pytest.approx(near.error_s + 86400 * 220e-6, abs=0.1)
    assert "clock-unset" in {item.code for item in findings}


def test_without_any_clock_there_are_only_durations_and_it_says_so() -> None:
    """No time is made up."""
    clock, findings = _both(
        [BootEvent(0, 0, 0, 1, 0, 0, 0, layout.UTC_UNKNOWN, layout.CLOCK_ABSENT)]
    )

    assert not clock.knows_time
    assert clock.at(Moment(0, 5)) is None
    assert {item.code for item in findings} == {"no-clock", "clock-absent"}


def test_boots_are_placed_each_by_its_own_readings() -> None:
    """Uptime starts again at a boot; wall time does not."""
    clock = _fit([_read(0, 0, START_S), _read(1, 1000, START_S + 7200)])
    first, second = clock.at(Moment(0, 0)), clock.at(Moment(1, 0))

    assert first is not None
    assert second is not None
    assert second.unix_s - first.unix_s == pytest.approx(7199, abs=0.2)
    assert clock.at(Moment(2, 0)) is None


def test_two_hosts_that_disagree_are_named() -> None:
    """Nobody can tell which of them was right."""
    one = ClockSync(0, 0, 0, START_S, 0, 20, layout.UTC_UNKNOWN, layout.CLOCK_UNSET)
    other = ClockSync(1, 0, HOUR_MS, START_S, 0, 20, START_S + 3600, layout.CLOCK_OK)
    _, findings = _both([one, other])

    assert "hosts-disagree" in {item.code for item in findings}


def test_a_custody_device_with_a_wrong_clock_is_named() -> None:
    """A handheld that was an hour ahead is told, with the step it recorded."""
    reads = [_read(0, u, START_S + u / 1000) for u in range(0, DAY_MS, HOUR_MS)]
    event = CustodyEvent(5, 0, HOUR_MS, 2, START_S + 3600 + 3600, "A", "B", "")
    _, findings = _both([*reads, event])

    finding = next(item for item in findings if item.code == "custody-clock")
    assert finding.message == (
        "The device that recorded 'handoff' had a clock 1 h ahead of the log's."
    )


def test_a_host_a_day_away_from_a_running_clock_is_not_believed() -> None:
    """Nobody can tell which was right: the board's times stand, and that is said."""
    reads = [_read(0, u, START_S + u / 1000) for u in range(0, DAY_MS, HOUR_MS)]
    away = START_S + 86400 + 256 * 86400
    sync = ClockSync(9, 0, DAY_MS, away, 0, 20, START_S + 86400, 0)
    after = [_read(0, DAY_MS + u, away + u / 1000) for u in range(0, DAY_MS, HOUR_MS)]
    clock, findings = _both([*reads, sync, *after])

    assert "host-not-believed" in {item.code for item in findings}
    for uptime_ms in (HOUR_MS, DAY_MS + HOUR_MS):
        wall = clock.at(Moment(0, uptime_ms))
        assert wall is not None
        assert abs(wall.unix_s - (UNIX_S + uptime_ms / 1000)) <= wall.error_s < 5
    assert not clock.compared_with_host


def test_a_chip_that_stopped_between_two_settings_leaves_a_wide_bound() -> None:
    """It lost an hour at a moment nobody knows: the bound covers all of it."""
    first = ClockSync(0, 0, 0, START_S, 0, 20, layout.UTC_UNKNOWN, layout.CLOCK_UNSET)
    reads = [_read(0, u, START_S - 3600 + u / 1000) for u in range(HOUR_MS, DAY_MS, HOUR_MS)]
    last = ClockSync(9, 0, DAY_MS, START_S + 86400, 0, 20, START_S + 86400 - 3600, 0)
    clock = _fit([first, *reads, last])
    lost = [fit for fit in clock.fits if fit.frame == 1]

    assert lost
    low, high = clock._chip_error_ms(1, (UNIX_S + 43200) * 1000)  # noqa: SLF001 - the bound itself
    assert low <= -3_600_000 + 2000
    assert high >= 0


def test_a_rate_that_changes_with_the_weather_is_no_step() -> None:
    """20 ppm more from the second day on: a new piece, no finding, and bounds that hold."""
    reads = [_read(0, u, START_S + 0.5 + u / 1000) for u in range(0, DAY_MS, HOUR_MS)]
    reads += [
        _read(0, u, START_S + 0.5 + u / 1000 + (u - DAY_MS) * 20e-9)
        for u in range(DAY_MS, 4 * DAY_MS, HOUR_MS)
    ]
    clock, findings = _both(list(reads))

    assert "clock-step" not in {item.code for item in findings}
    for day in (1, 2, 3):
        uptime_ms = day * DAY_MS + HOUR_MS // 2
        wall = clock.at(Moment(0, uptime_ms))
        assert wall is not None
        truth = UNIX_S + 0.5 + uptime_ms / 1000 + (uptime_ms - DAY_MS) * 20e-9
        assert abs(wall.unix_s - truth) <= wall.error_s


# --- a chip that contradicts the host that set it ------------------------------------------------
def _set_late(
    late_s: float, ppm: float, every_ms: int, set_at_ms: int, days: int = 6
) -> list[ClockRead | ClockSync | BootEvent | CustodyEvent]:
    """Give a run whose clock a host sets, right to 40 ms, and the chip takes up late."""
    rate = 1 + ppm * 1e-6

    def utc_s(uptime_ms: float) -> float:
        return START_S + 0.4 + rate * uptime_ms / 1000

    reads = [_read(0, u, utc_s(u)) for u in range(0, set_at_ms, every_ms)]
    told_s, told_ms = divmod(round(utc_s(set_at_ms) * 1000), 1000)
    before_s = math.floor(utc_s(set_at_ms))
    sync = ClockSync(0, 0, set_at_ms, told_s, told_ms, 40, before_s, layout.CLOCK_OK)
    first_ms = set_at_ms + every_ms
    after = [_read(0, u, utc_s(u) - late_s) for u in range(first_ms, days * DAY_MS, every_ms)]
    return [*reads, sync, *after]


@given(
    # Between them lies what readings six hours apart cannot tell from drift.
    late_s=st.one_of(st.floats(-0.9, 0.9), st.floats(3, 8), st.floats(-8, -3)),
    ppm=st.floats(-100, 100),
    every_ms=st.sampled_from([HOUR_MS // 6, HOUR_MS, 6 * HOUR_MS]),
    set_at_ms=st.integers(0, 2 * DAY_MS),
    at=st.floats(0, 1),
)
def test_a_chip_that_was_set_wrong_never_breaks_the_bound(
    late_s: float, ppm: float, every_ms: int, set_at_ms: int, at: float
) -> None:
    """Set within the second that setting takes, or plainly not: the bound holds the truth."""
    clock = _fit(_set_late(late_s, ppm, every_ms, set_at_ms))
    uptime_ms = round(set_at_ms + at * (6 * DAY_MS - set_at_ms))
    wall = clock.at(Moment(0, uptime_ms))

    assert wall is not None
    truth = UNIX_S + 0.4 + (1 + ppm * 1e-6) * uptime_ms / 1000
    assert abs(wall.unix_s - truth) <= wall.error_s + 0.001


def test_a_chip_that_was_set_late_is_a_finding_and_has_a_wider_bound() -> None:
    """It says by how much, and from when on."""
    right, quiet = _both(_set_late(0.0, 12.0, HOUR_MS, DAY_MS))
    late, findings = _both(_set_late(1.83, 12.0, HOUR_MS, DAY_MS))
    moment = Moment(0, 4 * DAY_MS)
    sure, unsure = right.at(moment), late.at(moment)

    assert "clock-not-as-set" not in {item.code for item in quiet}
    (finding,) = [item for item in findings if item.code == "clock-not-as-set"]
    assert finding.start == Moment(0, DAY_MS)
    assert finding.evidence["offset_s"] == pytest.approx(-1.83, abs=0.2)
    assert "1.9 s behind that computer" in finding.message
    assert sure is not None
    assert unsure is not None
    # Half of what the chip was behind beyond the second that setting it may cost.
    assert 0.3 < unsure.error_s - sure.error_s < 0.8
    before = Moment(0, DAY_MS // 2)
    assert late.at(before) == right.at(before)


def test_the_doubt_lasts_through_a_reset_until_the_clock_is_set_again() -> None:
    """The chip runs on where uptime begins anew."""
    events = _set_late(30.0, 0.0, HOUR_MS, DAY_MS, days=2)
    truth_s = START_S + 0.4 + 2 * 86400
    later = [_read(1, u, truth_s - 30 + u / 1000) for u in range(0, DAY_MS, HOUR_MS)]
    wall = _fit([*events, *later]).at(Moment(1, HOUR_MS))

    assert wall is not None
    assert abs(wall.unix_s - (UNIX_S + 0.4 + 2 * 86400 + 3600)) <= wall.error_s


def test_behind_a_jump_the_time_told_before_it_still_holds() -> None:
    """The board's uptime went on; a chip that jumped is no better than that."""
    good = [_read(0, u, START_S + u / 1000) for u in range(0, DAY_MS, HOUR_MS)]
    bad = [_read(0, u, START_S - 100 + u / 1000) for u in range(DAY_MS, 9 * DAY_MS, HOUR_MS)]
    clock = _fit([*good, *bad])

    for uptime_ms in range(DAY_MS, 9 * DAY_MS, 6 * HOUR_MS):
        wall = clock.at(Moment(0, uptime_ms))
        assert wall is not None
        assert abs(wall.unix_s - (UNIX_S + uptime_ms / 1000)) <= wall.error_s < 60


def test_a_log_whose_clock_was_set_late_is_still_used_and_says_so(tmp_path: Path) -> None:
    """In a whole log as a board writes it: a note, and a bound that holds."""

    def set_late(hour: int, readings: list[list[int]]) -> list[EventSpec]:
        del readings
        if hour == 0:
            told = (UTC_2026_03_01 + 600, 0, 40, UTC_2026_03_01 + 597, layout.CLOCK_OK)
            return [(layout.KIND_CLOCK_SYNC, 600_000, told)]
        return []

    review = review_log(written(tmp_path, trip(30, change=set_late, ahead_s=-3)))
    wall = review.clock.at(Moment(0, 29 * HOUR_MS))

    assert "clock-not-as-set" in {finding.code for finding in review.findings}
    assert wall is not None
    truth = UTC_2026_03_01 + layout.UTC_EPOCH_UNIX_S + 29 * 3600
    assert abs(wall.unix_s - truth) <= wall.error_s < 4
