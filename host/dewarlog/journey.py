"""Which runs of a board belong to one journey, and what they say together.

A run ends when a host stops it or the board is given another profile, and the dewar travels on. So
the newest log alone does not answer for the journey: a run that ended shortly before it began does
too. Stands behind verdict; used wherever a board has just been pulled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dewarlog.checks.review import Review, review_log
from dewarlog.errors import ExitCode, NotALog
from dewarlog.verdict import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

# A dewar is emptied, dried and charged between two journeys, which takes days.
SAME_JOURNEY_S: Final = 24 * 3600
_GRAVEST_FIRST: Final = (ExitCode.NOT_INTACT, ExitCode.HOLD, ExitCode.NO_DATA, ExitCode.USE)


@dataclass(frozen=True, slots=True)
class Judged:
    """One run of the journey."""

    review: Review
    verdict: Verdict

    @property
    def run_name(self) -> str:
        """Give the run's number in words."""
        return "?" if self.review.run is None else str(self.review.run.run)


@dataclass(frozen=True, slots=True)
class Journey:
    """The runs of one journey, the newest last."""

    runs: tuple[Judged, ...]

    @property
    def newest(self) -> Judged:
        """Give the run the board was in when it was pulled."""
        return self.runs[-1]

    @property
    def earlier(self) -> tuple[Judged, ...]:
        """Give the runs before it."""
        return self.runs[:-1]

    @property
    def gravest(self) -> Judged:
        """Give the run that decides: of several alike, the newest."""
        return min(
            reversed(self.runs), key=lambda run: _GRAVEST_FIRST.index(run.verdict.exit_code)
        )


def judge_journey(logs: Sequence[Path]) -> Journey:
    """Judge the newest of a board's logs, given in order, and those that lead up to it.

    Raises what `review_log` raises.
    """
    return trace_back(reversed(logs))


def trace_back(newest_first: Iterable[Path]) -> Journey:
    """Judge a board's logs from the newest back, as far as they belong to its journey.

    A log is asked for only when the one behind it is judged, so that it may be pulled just then.
    Raises what `review_log` raises.
    """
    logs = iter(newest_first)
    runs = [_judged(next(logs))]
    for log in logs:
        try:
            before = _judged(log)
        except NotALog:
            continue  # a run that ended before its first block
        if not _leads_to(before.review, runs[0].review):
            break
        runs.insert(0, before)
    return Journey(tuple(runs))


def _judged(log: Path) -> Judged:
    review = review_log(log)
    return Judged(review, judge(review))


def _leads_to(before: Review, after: Review) -> bool:
    """Tell whether one run ended shortly before another began, or nobody can say."""
    ended = None if before.last is None else before.clock.at(before.last)
    began = None if after.first is None else after.clock.at(after.first)
    if ended is None or began is None:
        return True
    return began.unix_s - ended.unix_s <= SAME_JOURNEY_S
