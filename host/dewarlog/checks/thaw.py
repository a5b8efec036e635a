"""From thaw start to infusion: was the product infused within the time the profile allows?

Takes custody steps in order, and judges them by HANDLING of block 0 (protocol/SPEC.md 4.7); a
profile that names no such time asks for nothing. Bags that thaw at once are taken in the order in
which their thaws began: the first infusion belongs to the first thaw. Where that is wrong the time
found is too long, never too short. The board's own count tells how long it took, and across
a restart the fitted clock, its bounds added; without one, the clocks of the hosts that told it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dewarlog import words
from dewarlog.checks.finding import Finding, Moment, Severity
from dewarlog.records import CustodyEvent, unix_s_of
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dewarlog.checks.wall_clock import WallClock
    from dewarlog.records import CustodyRecord, Run

_THAW_START: Final = layout.CUSTODY_STEP_NAMES.index("thaw start")
_INFUSE: Final = layout.CUSTODY_STEP_NAMES.index("infuse")


def check_thaw(
    run: Run, clock: WallClock, last: Moment | None, custody: Sequence[CustodyRecord]
) -> tuple[Finding, ...]:
    """Judge every thaw and infusion; `last` is the latest moment the log tells of."""
    if run.handling is None or not run.handling.thaw_to_infusion_min:
        return ()
    limit_s = 60 * run.handling.thaw_to_infusion_min
    findings: list[Finding] = []
    thaws: list[CustodyEvent] = []
    for event in custody:
        if not isinstance(event, CustodyEvent):
            continue
        if event.step == _THAW_START:
            thaws.append(event)
        elif event.step == _INFUSE and thaws:
            findings += _judged(clock, thaws.pop(0), event, limit_s)
        elif event.step == _INFUSE:
            findings.append(_without_thaw(event, limit_s))
    findings += [_still_thawing(clock, thaw, last, limit_s) for thaw in thaws]
    return tuple(findings)


def _judged(
    clock: WallClock, thaw: CustodyEvent, infusion: CustodyEvent, limit_s: int
) -> tuple[Finding, ...]:
    took_s = _longest_s(clock, thaw, infusion)
    evidence = {"limit_s": limit_s, "took_s": None if took_s is None else round(took_s, 1)}
    times = f"thaw start {_when(clock, thaw)}, infusion {_when(clock, infusion)}"
    if took_s is None:
        text = (
            f"No clock tells how long the product was thawed before its infusion: {times}. "
            f"At most {words.duration(limit_s)} may pass."
        )
        severity, code = Severity.WARN, "thaw-time-unknown"
    elif took_s > limit_s:
        text = (
            f"The product was infused {words.duration(took_s)} after its thaw began; at most "
            f"{words.duration(limit_s)} may pass: {times}."
        )
        severity, code = Severity.HOLD, "thaw-too-long"
    else:
        return ()
    return (
        Finding(
            "thaw",
            severity,
            code,
            text,
            evidence,
            start=_moment(thaw),
            end=_moment(infusion),
            duration_s=took_s,
        ),
    )


def _without_thaw(infusion: CustodyEvent, limit_s: int) -> Finding:
    return Finding(
        "thaw",
        Severity.WARN,
        "infusion-without-thaw",
        "An infusion is in the log and no thaw start before it: whether it came within "
        f"{words.duration(limit_s)} cannot be said.",
        {"limit_s": limit_s},
        start=_moment(infusion),
    )


def _still_thawing(
    clock: WallClock, thaw: CustodyEvent, last: Moment | None, limit_s: int
) -> Finding:
    """Tell until when the product may be infused; where the log goes on past that, say so."""
    passed = (
        last is not None
        and last.boot == thaw.boot
        and last.uptime_ms > thaw.uptime_ms + 1000 * limit_s
    )
    text = f"Thaw began: infuse by {_deadline(clock, thaw, limit_s)}"
    if passed:
        text += "; the log goes on past that and tells of no infusion"
    return Finding(
        "thaw",
        Severity.WARN if passed else Severity.INFO,
        "thaw-deadline-passed" if passed else "thaw-deadline",
        f"{text} ({words.duration(limit_s)} from thaw start).",
        {"limit_s": limit_s},
        start=_moment(thaw),
    )


# --- times --------------------------------------------------------------------------------------


def _moment(event: CustodyEvent) -> Moment:
    return Moment(event.boot, event.uptime_ms)


def _longest_s(clock: WallClock, thaw: CustodyEvent, infusion: CustodyEvent) -> float | None:
    if thaw.boot == infusion.boot:
        return (infusion.uptime_ms - thaw.uptime_ms) / 1000
    begun, ended = clock.at(_moment(thaw)), clock.at(_moment(infusion))
    if begun is not None and ended is not None:
        return ended.unix_s - begun.unix_s + begun.error_s + ended.error_s
    told = unix_s_of(thaw.utc_s), unix_s_of(infusion.utc_s)
    if told[0] is None or told[1] is None or told[1] < told[0]:
        return None
    return float(told[1] - told[0])


def _when(clock: WallClock, event: CustodyEvent) -> str:
    wall = clock.at(_moment(event))
    return words.uptime(event.boot, event.uptime_ms) if wall is None else words.wall(wall)


def _deadline(clock: WallClock, thaw: CustodyEvent, limit_s: int) -> str:
    """Give the deadline on the safe side of the clock's bound."""
    wall = clock.at(_moment(thaw))
    if wall is not None:
        return words.utc(int(wall.unix_s - wall.error_s + limit_s))
    told = unix_s_of(thaw.utc_s)
    if told is not None:
        return f"{words.utc(told + limit_s)} by the clock of the computer that recorded it"
    return words.uptime(thaw.boot, thaw.uptime_ms + 1000 * limit_s)
