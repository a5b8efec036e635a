"""Moments of a run in words: wall time where a clock knows it, else the board's count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog import words
from dewarlog.checks.finding import Moment

if TYPE_CHECKING:
    from dewarlog.checks.review import Review
    from dewarlog.checks.wall_clock import WallTime


def when(review: Review, moment: Moment | None, *, bound: bool = False) -> str:
    """Write a moment: wall time where a clock tells it, the board's count where none does."""
    if moment is None:
        return "\u2013"
    wall = review.clock.at(moment)
    if wall is None:
        return words.uptime(moment.boot, moment.uptime_ms)
    return words.wall(wall) if bound else words.utc(wall.unix_s)


def time_note(review: Review) -> str:
    """Say what the times of a report are and how wrong they may be."""
    if not review.clock.knows_time:
        return "No clock told the time: moments are counted from the logger's start."
    worst = max((wall.error_s for wall in walls(review)), default=0.0)
    return f"Times are UTC, within \u00b1{words.error_bound(worst)} everywhere in this report."


def walls(review: Review) -> list[WallTime]:
    """Give the wall time of the first and last moment of every boot a clock knows."""
    moments = [
        Moment(span.boot, at) for span in review.boots for at in (span.first_ms, span.last_ms)
    ]
    return [wall for moment in moments if (wall := review.clock.at(moment)) is not None]
