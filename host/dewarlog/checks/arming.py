"""How the run was begun: over which refusals, by whom, and whether the plan held.

An arming host refuses to begin a run while something stands against it; whoever begins it all the
same gives a reason, and both stand in block 0 (protocol/SPEC.md 4.7, ARMING). A run that no
arming host began has no such section: nothing is said of it. Warnings, which never decide.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dewarlog import words
from dewarlog.checks.finding import Finding, Moment, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dewarlog.checks.wall_clock import WallClock
    from dewarlog.records import Arming, CustodyRecord, Run


def check_arming(
    run: Run,
    clock: WallClock,
    first: Moment | None,
    last: Moment | None,
    custody: Sequence[CustodyRecord],
) -> tuple[Finding, ...]:
    """Judge the arming of a run; `first` and `last` are what the log tells of."""
    arming = run.arming
    if arming is None:
        return ()
    findings: list[Finding] = []
    if arming.overridden:
        findings.append(_overridden(arming, first))
    if first is not None and last is not None:
        receipts = [item for item in custody if item.is_receipt]
        end = Moment(receipts[-1].boot, receipts[-1].uptime_ms) if receipts else last
        took_s = _took_s(clock, first, end)
        if took_s is not None and took_s > _shortest_s(arming):
            findings.append(_too_long(arming, took_s, end, received=bool(receipts)))
    return tuple(findings)


def _overridden(arming: Arming, first: Moment | None) -> Finding:
    names = arming.overridden_names
    actor = words.plain(arming.actor) or "nobody named"
    reason = f'"{words.plain(arming.reason)}"' if arming.reason else "none was given"
    return Finding(
        "arming",
        Severity.WARN,
        "armed-over-refusals",
        f"This run was begun although {words.plural(len(names), 'thing')} stood against it: "
        f"{', '.join(names)}. By {actor}; reason: {reason}.",
        {
            "refusals": ", ".join(names),
            "overridden": arming.overridden,
            "actor": arming.actor,
            "reason": arming.reason,
        },
        start=first,
    )


def _shortest_s(arming: Arming) -> float:
    """Give the shorter of plan and static hold; what was not told has no end."""
    return min(arming.planned_s or math.inf, arming.static_hold_s or math.inf)


def _too_long(arming: Arming, took_s: float, end: Moment, *, received: bool) -> Finding:
    parts = [
        f"{'The journey took' if received else 'The log goes on for'} {words.duration(took_s)}"
    ]
    if arming.planned_s:
        parts.append(f"the run was begun for {words.duration(arming.planned_s)}")
    if arming.static_hold_s:
        parts.append(f"the charge holds {words.duration(arming.static_hold_s)} at rest")
    planned = bool(arming.planned_s) and took_s > arming.planned_s
    return Finding(
        "arming",
        Severity.WARN,
        "plan-passed" if planned else "static-hold-passed",
        f"{'; '.join(parts)}.",
        {
            "planned_s": arming.planned_s or None,
            "static_hold_s": arming.static_hold_s or None,
            "took_s": round(took_s, 1),
        },
        start=end,
        duration_s=round(took_s, 1),
    )


def _took_s(clock: WallClock, first: Moment, end: Moment) -> float | None:
    """Give at least how long it was between; None where no clock joins two starts of the board."""
    if first.boot == end.boot:
        return (end.uptime_ms - first.uptime_ms) / 1000
    begun, ended = clock.at(first), clock.at(end)
    if begun is None or ended is None:
        return None
    return ended.unix_s - begun.unix_s - begun.error_s - ended.error_s
