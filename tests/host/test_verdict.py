"""The verdict: one word, one sentence, every reason with its time; the guard band decides HOLD."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dewarlog.checks.review import review_log
from dewarlog.errors import ExitCode
from dewarlog.report.as_json import as_json
from dewarlog.verdict import Verdict, Word, judge
from dewarlog_wire import layout
from log_writer import DEGC, LogWriter
from trips import BLOCK, HOUR_MS, NEVER, trip, written

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from log_writer import EventSpec

OPEN = layout.state_code(layout.STATE_OPEN)


def _judge(folder: Path, writer: LogWriter) -> Verdict:
    return judge(review_log(written(folder, writer)))


def _stay(degc: float, samples: int, *, told: bool) -> LogWriter:
    """Write a trip with probe 1 at one temperature for a while in hour 1."""

    def change(hour: int, readings: list[list[int]]) -> list[EventSpec]:
        if hour != 1:
            return []
        count = round(degc * DEGC)
        readings[0][100 : 100 + samples] = [count] * samples
        if not told:
            return []
        onset, at = BLOCK + 100, HOUR_MS
        end = onset + samples
        length_s = 10 * (samples - 1)
        return [
            (layout.KIND_EXCURSION_BEGIN, at + 1_600_000, (0, 0, count, onset, onset + 60)),
            (layout.KIND_EXCURSION_EXTREME, at + 3_000_000, (0, 0, count, onset, onset)),
            (layout.KIND_EXCURSION_END, at + 3_000_000, (0, 0, 0, length_s, onset, end)),
        ]

    return trip(change=change)


def test_a_calm_trip_is_use(tmp_path: Path) -> None:
    """Intact, no limit near: USE, exit code 0, and what to do next."""
    verdict = _judge(tmp_path, trip())

    assert (verdict.word, verdict.exit_code, verdict.reasons) == (Word.USE, ExitCode.USE, ())
    assert verdict.sentence == (
        "No reading came near a limit that means HOLD in 4 h, and the log is intact."
    )
    assert verdict.contact == "Cell therapy desk, +1 555 0100, day and night"


def test_an_excursion_is_hold_with_probe_limit_time_and_extreme(tmp_path: Path) -> None:
    """One plain sentence; the reason carries start and end in wall time with their bound."""
    verdict = _judge(tmp_path, _stay(-140, 100, told=True))

    assert (verdict.word, verdict.exit_code) == (Word.HOLD, ExitCode.HOLD)
    assert verdict.sentence == (
        "Probe 1 (payload top) was above \u2212150.0 \u00b0C for 16 min 30 s, "
        "\u2212140.0 \u00b0C at the warmest."
    )
    (reason,) = verdict.reasons
    assert reason.when.startswith("2026-03-01 01:16:41 to 01:33:21 UTC \u00b1")
    assert reason.start is not None
    assert reason.start.error_s < 1.5
    assert verdict.call_label.startswith("Call now")


def test_an_excursion_open_at_the_end_says_so(tmp_path: Path) -> None:
    """The log ends while it is warm."""

    def change(hour: int, readings: list[list[int]]) -> list[EventSpec]:
        if hour != 3:
            return []
        readings[0][200:] = [-120 * DEGC] * 160
        onset = 3 * BLOCK + 200
        begin = (0, 0, -120 * DEGC, onset, onset + 60)
        return [(layout.KIND_EXCURSION_BEGIN, 3 * HOUR_MS + 2_600_000, begin)]

    verdict = _judge(tmp_path, trip(change=change))

    assert verdict.sentence.endswith("at the warmest, and still was when the log ends.")


@pytest.mark.parametrize(
    ("degc", "word"), [(-153.0, Word.USE), (-151.5, Word.HOLD), (-149.9, Word.HOLD)]
)
def test_the_guard_band_decides_hold_near_the_limit(
    tmp_path: Path, degc: float, word: Word
) -> None:
    """A calibrated type T probe is sure within 2.2 K: -151.5 may have been above -150."""
    verdict = _judge(tmp_path, _stay(degc, 100, told=degc > -150))

    assert verdict.word is word
    near = [item for item in verdict.reasons if item.finding.code == "near-limit"]
    assert len(near) == (1 if degc == -151.5 else 0)
    if near:
        assert near[0].finding.message == (
            "Probe 1 (payload top) came too near the limit of \u2212150.0 \u00b0C to be sure: "
            "\u2212151.5 \u00b0C at the nearest, \u00b12.2 K, for 16 min 30 s. "
            "It may have been beyond it."
        )


def test_near_the_limit_for_less_than_the_dwell_is_no_reason(tmp_path: Path) -> None:
    """The guard band moves the limit, not the time a stay must last."""
    assert _judge(tmp_path, _stay(-151.5, 50, told=False)).word is Word.USE


def test_the_guard_band_is_wider_for_a_probe_never_calibrated(tmp_path: Path) -> None:
    """-153 degC is near enough to -150 where the wire alone is good to 2.25 K."""

    def change(hour: int, readings: list[list[int]]) -> list[EventSpec]:
        if hour == 1:
            readings[0][100:200] = [-153 * DEGC] * 100
        return []

    verdict = _judge(tmp_path, trip(change=change, calibration=(0, NEVER, NEVER)))

    assert [item.finding.code for item in verdict.reasons] == ["near-limit"]


def test_a_log_that_is_not_intact_is_hold_naming_the_first_bad_block(tmp_path: Path) -> None:
    """Whatever the readings say, and with an exit code of its own."""
    writer = trip()
    writer.data[writer.offsets[3] + 99] ^= 4
    verdict = _judge(tmp_path, writer)

    assert (verdict.word, verdict.intact) == (Word.HOLD, False)
    assert verdict.exit_code is ExitCode.NOT_INTACT
    assert verdict.sentence.startswith("The log is not intact. The log is damaged at bytes ")
    assert "block 3 is lost" in verdict.sentence


def test_a_log_without_a_reading_is_no_data(tmp_path: Path) -> None:
    """Every probe open from first to last."""
    writer = LogWriter()
    writer.start()
    writer.samples(0, [[OPEN] * 100], cold_junction=[1600] * 100)
    verdict = _judge(tmp_path, writer)

    assert (verdict.word, verdict.exit_code) == (Word.NO_DATA, ExitCode.NO_DATA)
    assert "no temperature reading" in verdict.sentence
    assert verdict.steps[0].startswith("Do not use")


def test_a_profile_without_a_limit_cannot_say_use(tmp_path: Path) -> None:
    """Nobody set what HOLD means; nor can a limit be kept that no probe watches."""
    none = _judge(tmp_path, trip(rules=()))
    rule = (0, layout.RULE_ABOVE, 0, layout.SEVERITY_HOLD, 0b1000, -150 * DEGC, 256, 600, 0)
    unwatched = _judge(tmp_path, trip(rules=(rule,)))

    assert [item.finding.code for item in none.reasons] == ["no-limit"]
    assert [item.finding.code for item in unwatched.reasons] == ["limit-unwatched"]


def test_a_warning_does_not_hold(tmp_path: Path) -> None:
    """A rule of severity warning is noted, and the product may be used."""
    warn = (0, layout.RULE_ABOVE, 0, layout.SEVERITY_WARN, 3, -170 * DEGC, 256, 600, 0)
    hold = (1, layout.RULE_ABOVE, 0, layout.SEVERITY_HOLD, 3, -130 * DEGC, 256, 600, 0)
    writer = _stay(-160, 100, told=True)
    rewritten = trip(
        rules=(warn, hold),
        change=lambda hour, codes: _replayed(writer, hour, codes),
    )
    verdict = _judge(tmp_path, rewritten)

    assert verdict.word is Word.USE
    assert verdict.notes[0].finding.code == "excursion"


def _replayed(_: LogWriter, hour: int, readings: list[list[int]]) -> list[EventSpec]:
    if hour != 1:
        return []
    readings[0][100:200] = [-160 * DEGC] * 100
    onset, at = BLOCK + 100, HOUR_MS
    return [
        (layout.KIND_EXCURSION_BEGIN, at, (0, 0, -160 * DEGC, onset, onset + 60)),
        (layout.KIND_EXCURSION_EXTREME, at, (0, 0, -160 * DEGC, onset, onset)),
        (layout.KIND_EXCURSION_END, at, (0, 0, 0, 990, onset, onset + 100)),
    ]


def test_without_a_clock_reasons_are_counted_from_the_start(tmp_path: Path) -> None:
    """No hour is made up."""

    def change(hour: int, readings: list[list[int]]) -> list[EventSpec]:
        return _replayed(LogWriter(), hour, readings)

    rule = (0, layout.RULE_ABOVE, 0, layout.SEVERITY_HOLD, 3, -170 * DEGC, 256, 600, 0)
    verdict = _judge(tmp_path, trip(change=change, rules=(rule,), clock=False))

    assert verdict.word is Word.HOLD
    assert verdict.reasons[0].when == "1 h 17 min after start 1"
    assert verdict.reasons[0].start is None


@pytest.mark.parametrize("made", [trip, lambda: _stay(-140, 100, told=True)])
def test_no_verdict_claims_conformity(tmp_path: Path, made: Callable[[], LogWriter]) -> None:
    """It shows evidence; these words belong to people."""
    path = written(tmp_path, made())
    review = review_log(path)
    text = str(as_json(review, judge(review))).lower()

    for word in ("complian", "mkt", "en 12830", "kinetic", "certif"):
        assert word not in text
