"""How a probe has moved from one calibration to the next, and what falls due when.

In the bench: takes calibrations of the archive and the points a board carries itself. Pure.

Two deviations of one probe at one point, found at different times, differ by more than they may
when

    |deviation_2 - deviation_1| > k sqrt(u_1^2 + u_2^2),  k = 2

What both have in common (the curve of nitrogen, the depth of the same bath) stands in both u and
makes the test milder, never sharper. A probe is known by its serial; on another board or channel
it was measured by another converter, and that is said with the jump.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dewarlog.uncertainty import COVERAGE_FACTOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime

    from dewarlog.calibrate.file import CalibrationFile
    from dewarlog.profile.model import Profile

# Points as a board's profile and its log name them, and as calibration does.
POINT_OF_NAME: Final = {"ice point": "ice", "LN2 point": "ln2"}
NAME_OF_POINT: Final = {point: name for name, point in POINT_OF_NAME.items()}


@dataclass(frozen=True, slots=True)
class Found:
    """What one probe was found to be at one point, once."""

    serial: str
    point: str
    at: datetime
    deviation_k: float
    u_k: float
    device_id: str
    channel: int
    due: date | None
    applied: bool
    """True where a board is known to have taken it."""


@dataclass(frozen=True, slots=True)
class Jump:
    """A change between two calibrations that is more than both may be off."""

    before: Found
    after: Found
    limit_k: float

    @property
    def by_k(self) -> float:
        """How far it moved."""
        return self.after.deviation_k - self.before.deviation_k

    @property
    def sentence(self) -> str:
        """Say it in words."""
        said = (
            f"Probe {self.after.channel + 1} ({self.after.serial}) moved by {self.by_k:+.2f} K at "
            f"the {NAME_OF_POINT[self.after.point]} since {self.before.at:%Y-%m-%d}; up to "
            f"{self.limit_k:.2f} K would be within the uncertainty of both calibrations (k = 2)."
        )
        here = (self.after.device_id, self.after.channel)
        if (self.before.device_id, self.before.channel) != here:
            said += (
                f" It was measured by another converter then: logger {self.before.device_id}, "
                f"probe {self.before.channel + 1}."
            )
        return said


def found_in(file: CalibrationFile) -> list[Found]:
    """List what one calibration found; probes without a serial cannot be followed."""
    record = file.record
    return [
        Found(
            probe.serial,
            point.point,
            point.at,
            point.deviation_k,
            point.u_k,
            record.device_id,
            probe.channel,
            record.due,
            file.applied is not None,
        )
        for probe in record.probes
        if probe.serial
        for point in probe.points
    ]


def found_on(profile: Profile, device_id: str) -> list[Found]:
    """List the points that a board carries; those of other baths are left out."""
    return [
        Found(
            point.serial,
            POINT_OF_NAME[point.point],
            point.at,
            point.indicated_degc - point.reference_degc,
            point.u_degc,
            device_id,
            channel.channel,
            channel.calibration_due,
            applied=True,
        )
        for channel in profile.channels
        for point in channel.calibration
        if point.serial and point.point in POINT_OF_NAME
    ]


def together(found: Iterable[Found]) -> list[Found]:
    """Put what several sources tell in order of time; the same comparison stands once."""
    kept: dict[tuple[str, str, int], Found] = {}
    for one in found:
        key = (one.serial, one.point, int(one.at.timestamp()))
        if key not in kept or (one.applied and not kept[key].applied):
            kept[key] = one
    return sorted(kept.values(), key=lambda one: (one.at, one.serial, one.point))


def jumps(found: Sequence[Found]) -> list[Jump]:
    """Compare each with the one before of the same probe and point."""
    made: list[Jump] = []
    last: dict[tuple[str, str], Found] = {}
    for one in together(found):
        key = (one.serial, one.point)
        before = last.get(key)
        if before is not None:
            limit_k = COVERAGE_FACTOR * math.hypot(before.u_k, one.u_k)
            if abs(one.deviation_k - before.deviation_k) > limit_k:
                made.append(Jump(before, one, limit_k))
        last[key] = one
    return made


@dataclass(frozen=True, slots=True)
class Void:
    """A calibration on a board that was made with another probe than the one it has now."""

    channel: int
    serial_now: str
    serial_then: str


def voids(profile: Profile) -> list[Void]:
    """List the probes of a profile that are not those that were calibrated."""
    return [
        Void(channel.channel, channel.serial, then)
        for channel in profile.channels
        for then in sorted({point.serial for point in channel.calibration} - {channel.serial})
    ]


@dataclass(frozen=True, slots=True)
class Due:
    """When one probe of one board must be calibrated again."""

    device_id: str
    channel: int
    serial: str
    calibrated: date | None
    due: date | None
    source: str
    """"calibration" or "log": where the archive has it from."""
    known_unix_s: float = field(default=0.0, compare=False)
    """When that was so."""

    def days_left(self, today: date) -> int | None:
        """Count the days to the due date; negative when it is past, None when there is none."""
        return None if self.due is None else (self.due - today).days


def due_by_calibration(files: Iterable[CalibrationFile]) -> list[Due]:
    """Give each probe's newest calibration that its board took."""
    newest: dict[tuple[str, int], Due] = {}
    for file in files:
        if file.applied is None:
            continue
        record = file.record
        for probe in record.probes:
            newest[record.device_id, probe.channel] = Due(
                record.device_id,
                probe.channel,
                probe.serial,
                record.calibrated,
                record.due,
                "calibration",
                file.applied.at.timestamp(),
            )
    return list(newest.values())


def newest_due(dues: Iterable[Due]) -> list[Due]:
    """Of what several sources tell of one probe keep the newest calibration, the soonest first."""
    newest: dict[tuple[str, int], Due] = {}
    for one in dues:
        before = newest.get((one.device_id, one.channel))
        if before is None or _made(one) > _made(before):
            newest[one.device_id, one.channel] = one
    return sorted(newest.values(), key=_soonest)


def _made(one: Due) -> int:
    return 0 if one.calibrated is None else one.calibrated.toordinal()


def _soonest(one: Due) -> tuple[int, str, int]:
    # Never calibrated, or for ever: the first asks for somebody to look, the second for nobody.
    day = 0 if one.calibrated is None else one.due.toordinal() if one.due else 10**7
    return (day, one.device_id, one.channel)
