"""Which runs of a board are one journey, and which of them decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dewarlog.journey import judge_journey
from log_writer import DEGC, EventSpec, LogWriter
from trips import trip, written

if TYPE_CHECKING:
    from pathlib import Path

DAY_S = 86_400


def _warm(hour: int, readings: list[list[int]]) -> list[EventSpec]:
    readings[0][100:] = [-140 * DEGC] * len(readings[0][100:])
    return []


def _logs(folder: Path, ahead_s: int) -> list[Path]:
    first = trip(2, change=_warm, writer=LogWriter(run=1, channels=2))
    second = trip(2, writer=LogWriter(run=2, channels=2), ahead_s=ahead_s)
    return [written(folder, first, "1.dwl"), written(folder, second, "2.dwl")]


@pytest.mark.parametrize(
    ("ahead_s", "runs", "word"),
    [(2 * 3600 + DAY_S - 60, 2, "HOLD"), (2 * 3600 + DAY_S + 60, 1, "USE")],
)
def test_a_run_within_a_day_belongs_to_the_journey(
    ahead_s: int, runs: int, word: str, tmp_path: Path
) -> None:
    """The dewar cannot have been emptied and charged in between."""
    journey = judge_journey(_logs(tmp_path, ahead_s))

    assert len(journey.runs) == runs
    assert journey.newest.verdict.word == "USE"
    assert journey.gravest.verdict.word == word


def test_without_a_clock_every_run_counts(tmp_path: Path) -> None:
    """Nobody can say that the runs were days apart."""
    first = trip(2, change=_warm, clock=False, writer=LogWriter(run=1, channels=2))
    second = trip(2, writer=LogWriter(run=2, channels=2))
    logs = [written(tmp_path, first, "1.dwl"), written(tmp_path, second, "2.dwl")]

    assert judge_journey(logs).gravest.review.path == logs[0]


def test_a_run_without_a_single_block_is_passed_over(tmp_path: Path) -> None:
    """It holds nothing to judge."""
    logs = _logs(tmp_path, 2 * 3600)
    empty = tmp_path / "empty.dwl"
    empty.write_bytes(b"")

    assert len(judge_journey([logs[0], empty, logs[1]]).runs) == 2
