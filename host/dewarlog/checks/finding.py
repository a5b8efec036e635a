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
    from collections.abc import Mapping

Evidence = int | float | str | bool | None


class Severity(StrEnum):
    """How much a finding weighs."""

    INFO = "info"  # worth knowing
    WARN = "warn"  # look at it; it does not decide
    HOLD = "hold"  # the product may not be used before somebody decides
    BROKEN = "broken"  # the log itself is not intact


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw, and where."""

    check: str
    severity: Severity
    code: str
    message: str
    evidence: Mapping[str, Evidence] = field(default_factory=dict[str, Evidence])
    block_seq: int | None = None
    offset: int | None = None
    sample: int | None = None
    boot: int | None = None
    uptime_ms: int | None = None
