"""Which probes of a board's profile are past their calibration's due date, and what that means.

Reads /profile.json and judges dates alone; the firmware judges the rest of a profile. A due date
is 00:00 UTC of its day, as the board records it: on that day a calibration no longer counts. Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSE = "refuse"
"""handling.calibration_policy of a profile; anything else warns."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """One probe past its due date."""

    channel: int
    serial: str
    due: date

    @property
    def name(self) -> str:
        """How to call it in a sentence: `probe 1 (T-0017), due 2026-01-31`."""
        serial = f" ({self.serial})" if self.serial else ""
        return f"probe {self.channel + 1}{serial}, due {self.due.isoformat()}"


@dataclass(frozen=True, slots=True)
class Calibrations:
    """What a profile says of calibrations, on one day."""

    overdue: tuple[Overdue, ...] = ()
    refuses: bool = False


def judge(profile: bytes, today: date) -> Calibrations:
    """Find the probes whose due date has come by `today`; none where the profile is not one."""
    try:
        document = json.loads(profile)
    except (ValueError, RecursionError):
        return Calibrations()
    if not isinstance(document, dict):
        return Calibrations()
    fields = cast("dict[str, Any]", document)
    handling = fields.get("handling")
    policy = ""
    if isinstance(handling, dict):
        policy = cast("dict[str, Any]", handling).get("calibration_policy")
    found = tuple(entry for entry in _dues(fields.get("channels")) if entry.due <= today)
    return Calibrations(found, refuses=policy == REFUSE)


def _dues(channels: object) -> Iterator[Overdue]:
    if not isinstance(channels, list):
        return
    for entry in cast("list[object]", channels):
        if not isinstance(entry, dict):
            continue
        fields = cast("dict[str, Any]", entry)
        channel, text = fields.get("channel"), fields.get("calibration_due")
        try:
            due = date.fromisoformat(text) if isinstance(text, str) else None
        except ValueError:
            continue
        if due is not None and type(channel) is int:
            yield Overdue(channel, str(fields.get("serial") or ""), due)
