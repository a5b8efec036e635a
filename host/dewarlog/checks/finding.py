"""One finding: what a check saw, how grave it is, and where in the log to look.

Findings are the only thing checks hand on about faults; verdict.py weighs them, report shows
them, `dewarlog check --json` prints them. A message is one plain sentence; numbers a program may
want stand in `evidence`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Evidence = int | float | str | bool | None


class Severity(StrEnum):
    """How much a finding weighs."""

    INFO = "info"  # worth knowing
    WARN = "warn"  # look at it; it does not decide
    HOLD = "hold"  # the product may not be used before somebody decides
    BROKEN = "broken"  # the log itself is not intact


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of the run by the board's own count."""

    boot: int
    uptime_ms: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw, where in the file and when in the run."""

    check: str
    severity: Severity
    code: str
    message: str
    evidence: Mapping[str, Evidence] = field(default_factory=dict[str, Evidence])
    offset: int | None = None
    block_seq: int | None = None
    sample: int | None = None
    channel: int | None = None
    start: Moment | None = None
    end: Moment | None = None
    duration_s: float | None = None
    extreme: str | None = None  # the worst value, with its unit, for a person


# Of one kind so many are told one by one; a log full of them is not better told by thousands.
OF_ONE_KIND = 12


def limited(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Keep the first OF_ONE_KIND findings of each code and severity; count the rest in one."""
    kept: list[Finding] = []
    seen: dict[tuple[str, str, Severity], int] = {}
    for finding in findings:
        kind = (finding.check, finding.code, finding.severity)
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= OF_ONE_KIND:
            kept.append(finding)
    for (check, code, severity), count in seen.items():
        if count > OF_ONE_KIND:
            more = count - OF_ONE_KIND
            message = f"{more:,} more of the same kind as above ({code})."
            kept.append(Finding(check, severity, code, message, {"count": more}))
    return tuple(kept)
