"""Gaps, probe states, agreement, linearisation, tilt, supply and calibration of a whole log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dewarlog.checks.finding import Severity
from dewarlog.checks.review import review_log
from dewarlog_wire import layout
from log_writer import DEGC, UTC_2026_03_01, EventSpec, LogWriter
from trips import (
    BLOCK,
    COLD_COUNT,
    HOUR_MS,
    NEVER,
    clock_read,
    custody,
    quiet,
    trip,
    voltage_raw,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dewarlog.checks.finding import Finding
    from dewarlog.checks.review import Review

OPEN = layout.state_code(layout.STATE_OPEN)
SHORT = layout.state_code(layout.STATE_SHORT)


def _review(folder: Path, writer: LogWriter) -> Review:
    return review_log(written(folder, writer))


def _found(review: Review, code: str) -> list[Finding]:
    return [item for item in review.findings if item.code == code]


def _warm(hour: int, readings: list[list[int]]) -> list[EventSpec]:
    """Probe 1 above -150 degC for 60 samples of hour 1: the board told it all."""
    if hour != 1:
        return []
    readings[0][100:200] = [-140 * DEGC] * 100
    readings[0][150] = -139 * DEGC
    onset, at = BLOCK + 100, HOUR_MS
    return [
        (layout.KIND_EXCURSION_BEGIN, at + 1_600_000, (0, 0, -140 * DEGC, onset, BLOCK + 160)),
        (layout.KIND_EXCURSION_EXTREME, at + 2_000_000, (0, 0, -139 * DEGC, onset, BLOCK + 150)),
        (layout.KIND_EXCURSION_END, at + 2_000_000, (0, 0, 0, 990, onset, BLOCK + 200)),
    ]


# --- agreement ----------------------------------------------------------------------------------


def test_a_board_that_told_its_excursion_right_agrees(tmp_path: Path) -> None:
    """Begin, extreme and end are all the host finds, and nothing else."""
    review = _review(tmp_path, trip(change=_warm))

    assert (review.agreement.compared, review.agreement.disagreements) == (3, 0)
    (excursion,) = review.excursions
    assert (excursion.onset, excursion.begin, excursion.end) == (460, 520, 560)
    assert excursion.duration_ms == 990_000


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        (lambda events: events[:1] + events[2:], "excursion-missing"),
        (lambda _: [], "excursion-missing"),
        (lambda events: [*events, events[0]], "excursion-extra"),
        (
            lambda events: [(events[0][0], events[0][1], (0, 0, -18000, 460, 520)), *events[1:]],
            "excursion-different",
        ),
        (
            lambda events: [(events[0][0], events[0][1], (0, 1, -17920, 460, 520)), *events],
            "excursion-extra",
        ),
    ],
)
def test_every_disagreement_with_the_board_means_hold(
    tmp_path: Path, alter: Callable[[list[EventSpec]], list[EventSpec]], code: str
) -> None:
    """Missing, extra and different are told apart."""

    def change(hour: int, readings: list[list[int]]) -> list[EventSpec]:
        told = _warm(hour, readings)
        return alter(told) if told else []

    review = _review(tmp_path, trip(change=change))

    findings = _found(review, code)
    assert findings
    assert {item.severity for item in findings} == {Severity.HOLD}
    assert review.agreement.disagreements == len(findings)


def test_what_lies_behind_a_loss_is_not_compared(tmp_path: Path) -> None:
    """With a block lost, the host cannot know the state of the board's rules behind it."""
    writer = trip(change=_warm)
    writer.data[writer.offsets[1] + 60] ^= 1
    review = _review(tmp_path, writer)

    assert (review.agreement.compared, review.agreement.disagreements) == (0, 0)
    assert review.agreement.compared_before == 0
    assert len(review.excursions) == 1


# --- gaps ---------------------------------------------------------------------------------------


def _with_reboot(*, told: bool, clock: bool = True, off_s: int = 1200) -> LogWriter:
    """Write an hour, cut the power, and go on in a second boot."""
    writer = trip(1, stop=False, clock=clock)
    writer.boot = 1
    utc_s = UTC_2026_03_01 + 3600 + off_s if clock else NEVER
    state = layout.CLOCK_OK if clock else layout.CLOCK_ABSENT
    events: list[EventSpec] = [(layout.KIND_BOOT, 10, (5, 1, 0, 0, utc_s, state))]
    if told:
        length_s = off_s if clock else layout.GAP_LENGTH_UNKNOWN
        gap = (layout.STREAM_SAMPLES, layout.GAP_POWER, 0, length_s, off_s // 10)
        events.append((layout.KIND_GAP, 20, gap))
    if clock:
        events.append((layout.KIND_CLOCK_READ, 30, (utc_s, layout.CLOCK_OK)))
    writer.samples(1000, [quiet(50), quiet(51)], events=events)
    return writer


def test_a_power_cut_is_one_gap_with_length_and_cause(tmp_path: Path) -> None:
    """Its length comes from the clock, its cause from the board."""
    review = _review(tmp_path, _with_reboot(told=True))

    (gap,) = review.coverage.gaps
    assert (gap.cause, gap.told, gap.restarts, gap.boot_cause) == (
        "power lost",
        True,
        1,
        "brown-out",
    )
    assert gap.length_s == pytest.approx(1210, abs=2)
    assert review.coverage.restarts == 1
    (finding,) = _found(review, "gap")
    assert finding.severity is Severity.HOLD
    assert "An excursion of 10 min, which means HOLD, could have passed unseen" in finding.message


def test_a_gap_shorter_than_the_dwell_of_every_hold_rule_is_a_warning(tmp_path: Path) -> None:
    """An excursion that counts would have been seen on one side of it."""
    (finding,) = _found(_review(tmp_path, _with_reboot(told=True, off_s=300)), "gap")

    assert finding.severity is Severity.WARN


def test_a_gap_nobody_can_measure_means_hold(tmp_path: Path) -> None:
    """Without a clock the length is unknown, and is not guessed."""
    review = _review(tmp_path, _with_reboot(told=True, clock=False))

    (gap,) = review.coverage.gaps
    assert gap.length_s is None
    assert review.coverage.unknown_gaps == 1
    assert _found(review, "gap")[0].severity is Severity.HOLD


def test_a_restart_the_board_says_nothing_of_is_still_a_gap(tmp_path: Path) -> None:
    """Samples on both sides and two clocks tell how long it was."""
    (gap,) = _review(tmp_path, _with_reboot(told=False)).coverage.gaps

    assert (gap.cause, gap.told) == ("the board restarted", False)
    assert gap.length_s == pytest.approx(1210, abs=2)


def test_a_jump_in_sample_times_is_a_gap_even_if_untold(tmp_path: Path) -> None:
    """Half an hour without samples inside one boot."""
    writer = trip(1, stop=False)
    writer.samples(HOUR_MS + 1_800_000, [quiet(5), quiet(6)], events=[clock_read(HOUR_MS)])
    review = _review(tmp_path, writer)

    (gap,) = review.coverage.gaps
    assert (gap.told, gap.length_s) == (False, 1810.0)
    assert review.coverage.share == pytest.approx(7200 / (7200 + 1810))


def test_a_calm_trip_is_covered_to_the_last_second(tmp_path: Path) -> None:
    """No gap, and 100 %."""
    coverage = _review(tmp_path, trip()).coverage

    assert (coverage.gaps, coverage.share, coverage.samples) == ((), 1.0, 4 * BLOCK)


def test_a_log_that_begins_after_the_journey_began_says_what_it_cannot_show(
    tmp_path: Path,
) -> None:
    """A run with a receipt but no beginning may be a short one, started on the way."""
    writer = LogWriter(channels=2)
    writer.start()
    writer.samples(0, [quiet(1), quiet(2)], events=[custody(60_000, 3, "Ward 4")])

    (finding,) = _found(_review(tmp_path, writer), "no-custody")

    assert finding.severity is Severity.INFO
    assert finding.message.startswith("No pack-out or departure is in the log")
    assert _found(_review(tmp_path, trip()), "no-custody") == []


def test_readings_that_begin_after_pack_out_do_not_cover_the_journey(tmp_path: Path) -> None:
    """Custody says when the journey began; the samples came an hour later."""
    writer = LogWriter()
    writer.start()
    packed = (layout.KIND_CUSTODY, 1000, (0, UTC_2026_03_01, "A", "B", ""))
    writer.samples(HOUR_MS, [quiet(1)], events=[packed])

    (finding,) = _found(_review(tmp_path, writer), "journey-not-covered")
    assert finding.severity is Severity.HOLD
    assert finding.message.startswith("The temperature record began 59 min 59 s after 'pack-out'")


def test_readings_that_end_before_receipt_do_not_cover_the_journey(tmp_path: Path) -> None:
    """The last sample stands an hour before the receipt."""
    writer = trip(1, stop=False)
    received = (layout.KIND_CUSTODY, 3 * HOUR_MS, (3, UTC_2026_03_01 + 10800, "A", "B", ""))
    writer.events([received])

    (finding,) = _found(_review(tmp_path, writer), "journey-not-covered")
    assert "ended 2 h before 'receive'" in finding.message


def test_a_gap_in_the_shock_record_is_told_apart(tmp_path: Path) -> None:
    """Temperature went on; the accelerometer did not."""
    event = (layout.KIND_GAP, 1000, (layout.STREAM_SHOCK, layout.GAP_FLASH_STALL, 240, 0, 700))
    review = _review(tmp_path, trip(change=lambda hour, _: [event] if hour == 0 else []))

    (finding,) = _found(review, "shock-gap")
    assert finding.message == "The shock record was interrupted for 240 ms: flash stall."
    assert review.coverage.gaps == ()


# --- probes -------------------------------------------------------------------------------------


def _fault(code: int, channels: tuple[int, ...], samples: int) -> Callable[..., list[EventSpec]]:
    def change(hour: int, readings: list[list[int]]) -> list[EventSpec]:
        if hour != 1:
            return []
        events: list[EventSpec] = []
        for channel in channels:
            readings[channel][50 : 50 + samples] = [code] * samples
            state = layout.state_of(code)
            at = HOUR_MS + 500_000
            number = BLOCK + 50
            events.append((layout.KIND_PROBE_STATE, at, (channel, state, 0, 1, number)))
        return events

    return change


def test_one_open_probe_is_a_warning_with_its_length(tmp_path: Path) -> None:
    """The other probe of the rule read on."""
    review = _review(tmp_path, trip(change=_fault(OPEN, (1,), 30)))

    (outage,) = review.outages
    assert (outage.channel, outage.state_name, outage.duration_s) == (1, "open", 300.0)
    (finding,) = _found(review, "probe-open")
    assert finding.severity is Severity.WARN
    assert finding.message == (
        "Probe 2 was open (broken wire or unplugged) for 5 min: no temperature from it."
    )
    assert not _found(review, "probe-state-untold")


def test_all_probes_of_a_hold_rule_blind_for_its_dwell_means_hold(tmp_path: Path) -> None:
    """Nothing that the rule watches was seen for as long as counts."""
    review = _review(tmp_path, trip(change=_fault(SHORT, (0, 1), 60)))

    findings = _found(review, "probe-short")
    assert {item.severity for item in findings} == {Severity.HOLD}
    assert "could have passed unseen" in findings[0].message


def test_all_probes_blind_for_less_than_the_dwell_is_a_warning(tmp_path: Path) -> None:
    """59 samples of 10 s are less than ten minutes."""
    review = _review(tmp_path, trip(change=_fault(SHORT, (0, 1), 59)))

    assert {item.severity for item in _found(review, "probe-short")} == {Severity.WARN}


def test_a_probe_state_the_board_did_not_record_is_told(tmp_path: Path) -> None:
    """Samples and events must say the same."""
    silent = _fault(OPEN, (1,), 30)
    review = _review(tmp_path, trip(change=lambda hour, codes: silent(hour, codes) and []))

    assert len(_found(review, "probe-state-untold")) == 1


def test_each_probe_is_summed_up(tmp_path: Path) -> None:
    """Lowest, highest, where they stand, and how many readings there are."""

    def change(hour: int, readings: list[list[int]]) -> list[EventSpec]:
        if hour == 2:
            readings[0][7] = -195 * DEGC
            readings[0][9] = -185 * DEGC
        return []

    summary = _review(tmp_path, trip(change=change)).channels[0]
    assert (summary.low_count, summary.high_count) == (-195 * DEGC, -185 * DEGC)
    assert summary.high_at.uptime_ms == 2 * HOUR_MS + 90_000
    assert (summary.readings, summary.missing) == (4 * BLOCK, 0)
    assert summary.mean_degc == pytest.approx(-190, abs=0.02)


# --- linearisation ------------------------------------------------------------------------------


@pytest.mark.parametrize("probe_type", ["T", "K", "E"])
@pytest.mark.parametrize("offset_count", [0, -37])
def test_stored_readings_follow_from_their_raw_sets(
    tmp_path: Path, probe_type: str, offset_count: int
) -> None:
    """Voltage and cold junction give the reading, calibration offset added, within a count."""
    writer = LogWriter(probe_type=probe_type)
    writer.start(offset_count=offset_count)
    for index, degc in enumerate((-199, -150, -60, 0, 45)):
        count = degc * DEGC
        raw = (0, 0, 0, voltage_raw(count - offset_count, probe_type), COLD_COUNT)
        writer.samples(index * 60_000, [[count] * 6], raw_sets=[raw])
    review = _review(tmp_path, writer)

    assert review.linearisation.compared == 5
    assert review.linearisation.worst_counts < 1.0
    assert not _found(review, "linearisation")


def test_a_reading_that_does_not_follow_from_its_raw_set_means_hold(tmp_path: Path) -> None:
    """The board says -190 degC, its converter measured -140 degC."""
    writer = LogWriter()
    writer.start()
    raw = (0, 0, 2, voltage_raw(-140 * DEGC), COLD_COUNT)
    writer.samples(0, [[-190 * DEGC] * 6], raw_sets=[raw])

    (finding,) = _found(_review(tmp_path, writer), "linearisation")
    assert finding.severity is Severity.HOLD
    assert (finding.sample, finding.channel) == (2, 0)
    assert "stored -190.00 degC, but what its converter measured is -140.0" in finding.message


def test_a_mean_is_held_against_the_span_of_its_conversions(tmp_path: Path) -> None:
    """The raw set is one conversion of several: between their least and greatest."""
    writer = LogWriter(conversions=4)
    writer.start()
    count = -190 * DEGC
    raw = (0, 0, 0, voltage_raw(count + 90), COLD_COUNT)
    extremes = [([count - 100] * 6, [count + 100] * 6)]
    writer.samples(0, [[count] * 6], extremes=extremes, raw_sets=[raw])

    assert not _found(_review(tmp_path, writer), "linearisation")


# --- tilt, supply, calibration ------------------------------------------------------------------


def _tilt(at_ms: int, band: int, angle: int, totals: tuple[int, int, int, int]) -> EventSpec:
    return (layout.KIND_TILT, at_ms, (band, angle, *totals))


@pytest.mark.parametrize(("minutes", "severity"), [(119, Severity.WARN), (120, Severity.HOLD)])
def test_time_on_its_side_counts_against_the_profile(
    tmp_path: Path, minutes: int, severity: Severity
) -> None:
    """Two hours in band 2 mean HOLD in this profile, a minute less does not."""
    lying_s = minutes * 60
    events = [
        _tilt(1000, 0, 4, (1, 0, 0, 0)),
        _tilt(600_000, 2, 80, (600, 0, 0, 0)),
        _tilt(600_000 + lying_s * 500, 2, 88, (600, 0, lying_s // 2, 0)),
        _tilt(600_000 + lying_s * 1000, 0, 5, (600, 0, lying_s, 0)),
    ]
    review = _review(tmp_path, trip(change=lambda hour, _: events if hour == 0 else []))

    assert review.tilt is not None
    (stay,) = review.tilt.stays
    assert (stay.band, stay.duration_s, stay.most_deg) == (2, lying_s, 88)
    (finding,) = _found(review, "tilt")
    assert (finding.severity, finding.duration_s) == (severity, lying_s)
    assert finding.start is not None
    assert finding.start.uptime_ms == 600_000


def test_a_low_supply_and_a_failed_part_are_told(tmp_path: Path) -> None:
    """Both with the moment they began."""
    events: list[EventSpec] = [
        (layout.KIND_SUPPLY, 1000, (3900, 0)),
        (layout.KIND_SUPPLY, 2000, (3300, 1)),
        (layout.KIND_SENSOR, 3000, (0, 1)),
    ]
    review = _review(tmp_path, trip(change=lambda hour, _: events if hour == 0 else []))

    (low,) = _found(review, "supply-low")
    assert (low.extreme, review.supply.lowest_mv) == ("3.30 V", 3300)
    (part,) = _found(review, "part-fault")
    assert part.message.startswith("The board's accelerometer failed: silent.")


def test_a_device_key_that_is_damaged_is_told_for_what_it_is(tmp_path: Path) -> None:
    """Nothing that was to be recorded is missing; what the board could prove is."""
    events: list[EventSpec] = [(layout.KIND_SENSOR, 3000, (4, 3))]
    review = _review(tmp_path, trip(change=lambda hour, _: events if hour == 0 else []))

    (part,) = _found(review, "part-fault")
    assert part.message == (
        "The board's device key failed: fault. "
        "The board proves and signs nothing while that is so."
    )


@pytest.mark.parametrize(
    ("calibration", "code"),
    [
        ((26, NEVER, NEVER), "never-calibrated"),
        ((26, UTC_2026_03_01 - 100, UTC_2026_03_01 + 3600), "calibration-expired"),
    ],
)
def test_calibration_that_does_not_count_is_told(
    tmp_path: Path, calibration: tuple[int, int, int], code: str
) -> None:
    """Never calibrated, or due before the trip ended: the wire's tolerance counts."""
    good, bad = trip(), trip(calibration=calibration)
    trusted, distrusted = _review(tmp_path, good), _review(tmp_path, bad)

    assert len(_found(distrusted, code)) == 2
    assert trusted.guard is not None
    assert distrusted.guard is not None
    assert distrusted.guard.expanded_k(-150, 0) > trusted.guard.expanded_k(-150, 0) + 1


def test_without_a_clock_a_due_date_cannot_be_judged(tmp_path: Path) -> None:
    """Said, not guessed."""
    review = _review(tmp_path, trip(clock=False))

    assert len(_found(review, "calibration-unknown")) == 2
