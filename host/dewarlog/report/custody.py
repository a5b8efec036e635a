"""The custody timeline of a report: who had the dewar from when on, and what was checked then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog import words
from dewarlog.checks.finding import Moment
from dewarlog.records import HandoffEvent, unix_s_of
from dewarlog.report.model import CustodyStep
from dewarlog.report.moments import when

if TYPE_CHECKING:
    from dewarlog.checks.review import Review


def custody_steps(review: Review) -> tuple[CustodyStep, ...]:
    """List every custody step, numbered as in the picture."""
    steps: list[CustodyStep] = []
    for number, event in enumerate(review.custody, start=1):
        moment = Moment(event.boot, event.uptime_ms)
        at = when(review, moment, bound=True)
        told = unix_s_of(event.utc_s)
        if review.clock.at(moment) is None and told is not None:
            at = f"{words.utc(told)} by the recording device's own clock"
        if isinstance(event, HandoffEvent):
            actor = parties_words(event)
            note = handoff_words(event, head_holds=review.handoff_heads.get(event.number))
        else:
            actor, note = event.actor, event.note
        steps.append(CustodyStep(str(number), event.step_name, at, actor, event.place, note))
    return tuple(steps)


def parties_words(event: HandoffEvent) -> str:
    """Say who gave the dewar to whom."""
    return f"{event.giver} \u2192 {event.receiver} ({event.role_name})"


def handoff_words(event: HandoffEvent, *, head_holds: bool | None) -> str:
    """Say what was checked at a handoff, and whether it was this log."""
    if head_holds is None:
        head = f"block {event.blocks - 1}, its last then, is not in this log"
    elif head_holds:
        head = "what was checked is the beginning of this log"
    else:
        head = f"what was checked is NOT this log (its first {event.blocks} blocks differ)"
    return f"checked then: {event.verdict_word}; {head}"
