"""Calibrations as files in the archive: everything measured, for as long as the archive stands.

In the bench: course writes them, drift reads them. Beside a board's runs:

    <root>/<device id>/calibrations/
        20270212T101500Z.json           what was measured: written before the board is touched
        20270212T101500Z.applied.json   that the board took it, and what its readings were then

Each is written once, whole, read-only, under a name that is not taken; nothing here is ever
replaced. A calibration without its `applied` was not written to the board, or it is not known to
be. Format "dewarlog-calibration-1": one JSON object, UTF-8, names only once, every key of the
models below and no other; temperatures in degC, differences in K, moments as
"2027-02-12T10:15:00Z". A series has a row for each sample polled: seconds of the board's uptime,
the sample's number, the cold junction in 1/64 degC, then the reading code of each channel, with
the offset of that time in it. Readers refuse another format.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)

from dewarlog.archive import default_root
from dewarlog.durable import locked, storage, write_for_good
from dewarlog.errors import ArchiveError, CalibrationDamaged
from dewarlog.strict_json import NotStrict, read_at_most, read_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FORMAT: Final = "dewarlog-calibration-1"
APPLIED_FORMAT: Final = "dewarlog-calibration-applied-1"
FOLDER: Final = "calibrations"
_APPLIED: Final = ".applied.json"
_NAME: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z(-[0-9]+)?\.json")
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_ALREADY_MOST: Final = 1000  # calibrations of one board in one second


def _moment(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


# pydantic itself also takes a number of seconds, and other ways to write both.
def _moment_of(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not _MOMENT.fullmatch(value):
        message = "a moment is written 2027-02-12T10:15:00Z"
        raise ValueError(message)
    return datetime.fromisoformat(value)


def _day_of(value: object) -> object:
    return date.fromisoformat(value) if isinstance(value, str) else value


UtcMoment = Annotated[AwareDatetime, BeforeValidator(_moment_of), PlainSerializer(_moment)]
IsoDay = Annotated[date, BeforeValidator(_day_of), PlainSerializer(date.isoformat)]
HexId = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
Degc = Annotated[float, Field(ge=-273.15, le=1500, allow_inf_nan=False)]
Kelvin = Annotated[float, Field(ge=-2000, le=2000, allow_inf_nan=False)]
Uncertainty = Annotated[float, Field(ge=0, le=2000, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=400)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_Model = TypeVar("_Model", bound=_Part)


class LineRecord(_Part):
    """One line of a budget."""

    name: Text
    u_k: Uncertainty
    basis: Text


class PointRecord(_Part):
    """One probe in one bath."""

    point: Literal["ice", "ln2"]
    reference_degc: Degc
    indicated_degc: Degc
    """Without any offset."""
    u_k: Uncertainty
    contributions: tuple[LineRecord, ...]
    pressure_hpa: Number | None
    at: UtcMoment
    waited_s: Number
    """Of the board's time, until the probe was at rest."""
    readings: Annotated[int, Field(ge=3)]
    window_s: Number
    slope_k_per_min: Kelvin
    slope_u_k_per_min: Uncertainty
    spread_k: Uncertainty

    @property
    def deviation_k(self) -> float:
        """What it read less what it should have read."""
        return self.indicated_degc - self.reference_degc


class ProbeRecord(_Part):
    """One probe: what it was found to be, and what the board gets for it."""

    channel: Annotated[int, Field(ge=0, le=3)]
    probe_type: Literal["T", "K", "E"]
    serial: Annotated[str, Field(max_length=12)]
    offset_before_degc: Kelvin
    points: Annotated[tuple[PointRecord, ...], Field(min_length=1, max_length=2)]
    offset_degc: Kelvin
    u_k: Uncertainty
    contributions: tuple[LineRecord, ...]
    hold_limit_degc: Degc
    left_at_hold_limit_k: Kelvin
    left_is_known: bool


class SeriesRecord(_Part):
    """Every sample that was polled at one point."""

    point: Literal["ice", "ln2"]
    channels: tuple[int, ...]
    rows: tuple[tuple[Number, ...], ...]


class ThresholdsRecord(_Part):
    """What counted as at rest."""

    window_s: Number
    least_readings: int
    slope_k_per_min: Number
    spread_k: Number


class CalibrationRecord(_Part):
    """One calibration of one board."""

    format: Literal["dewarlog-calibration-1"]
    device_id: HexId
    run: Annotated[int, Field(ge=0)]
    """The run that was open, and ends with the new profile."""
    at: UtcMoment
    actor: Text
    reference: Text
    """With what the probes were compared, in the words of who did it."""
    pressure: Text
    """Where the pressure is from; empty where none was needed."""
    valid_months: Annotated[int, Field(ge=1, le=120)]
    calibrated: IsoDay
    due: IsoDay
    thresholds: ThresholdsRecord
    probes: Annotated[tuple[ProbeRecord, ...], Field(min_length=1, max_length=4)]
    series: tuple[SeriesRecord, ...]


class VerifiedRecord(_Part):
    """What a probe read with its new offset, in the last bath."""

    channel: Annotated[int, Field(ge=0, le=3)]
    expected_degc: Degc
    read_degc: Degc
    limit_k: Uncertainty
    readings: Annotated[int, Field(ge=1)]


class AppliedRecord(_Part):
    """That a board took a calibration."""

    format: Literal["dewarlog-calibration-applied-1"]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Of the calibration's file."""
    at: UtcMoment
    run: Annotated[int, Field(ge=0)]
    """The run that began with it."""
    profile_crc32: Annotated[int, Field(ge=0, lt=1 << 32)]
    verified: tuple[VerifiedRecord, ...]


class CalibrationFile:
    """One calibration in the archive, read or just written."""

    def __init__(
        self, path: Path, record: CalibrationRecord, applied: AppliedRecord | None
    ) -> None:
        self.path = path
        self.record = record
        self.applied = applied

    def apply(self, applied: Mapping[str, Any]) -> CalibrationFile:
        """Write beside it that the board took it; `applied` as AppliedRecord, without the digest.

        Raises:
            ArchiveError: it cannot be written, or is there already.
        """
        with storage(self.path):
            digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        made = AppliedRecord.model_validate(
            {"format": APPLIED_FORMAT, "sha256": digest} | dict(applied)
        )
        with locked(self.path.parent / ".lock"):
            _write_new(_applied_path(self.path), made)
        return CalibrationFile(self.path, self.record, made)


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of another archive's calibrations."""

    new: int
    damage: tuple[str, ...]
    """Why some were left where they are."""


class CalibrationShelf:
    """The calibrations in one archive."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()

    def file(self, fields: Mapping[str, Any]) -> CalibrationFile:
        """Write a calibration for good; `fields` as CalibrationRecord, without the format.

        Raises:
            DiskFull, ArchiveError: it cannot be written.
        """
        record = CalibrationRecord.model_validate({"format": FORMAT} | dict(fields))
        folder = self._folder(record.device_id)
        stem = record.at.strftime("%Y%m%dT%H%M%SZ")
        with locked(folder / ".lock"):
            for number in range(1, _ALREADY_MOST):
                path = _nth(folder, stem, number)
                if not path.exists():
                    _write_new(path, record)
                    return CalibrationFile(path, record, None)
        raise ArchiveError(folder, f"{folder}: no name is free for {stem}")

    def boards(self) -> list[str]:
        """Return the ids of all boards that have calibrations here."""
        with storage(self.root):
            return sorted(
                folder.parent.name
                for folder in self.root.glob(f"*/{FOLDER}")
                if re.fullmatch("[0-9a-f]{16}", folder.parent.name) and any(folder.glob("*.json"))
            )

    def prepare(self, device_id: str) -> None:
        """Make sure that a calibration can be filed, before anybody measures one.

        Raises:
            ArchiveError: nothing can be written there.
            ArchiveLocked: another program files one of this board just now.
        """
        with locked(self._folder(device_id) / ".lock"):
            pass

    def of_board(self, device_id: str) -> Iterator[CalibrationFile]:
        """Yield a board's calibrations, the oldest first.

        Raises:
            CalibrationDamaged: one of them is none.
        """
        read = [_read_of(device_id, path) for path in self.paths(device_id)]
        yield from sorted(read, key=lambda one: (one.record.at, one.path.name))

    def all(self) -> Iterator[CalibrationFile]:
        """Yield every calibration, board by board; raises as `of_board`."""
        for device_id in self.boards():
            yield from self.of_board(device_id)

    def take_over(self, other: CalibrationShelf) -> Joined:
        """Copy every calibration of another archive that is not here; it is only read.

        Two of one name with other bytes stand beside each other, as two of one second do.

        Raises:
            DiskFull, ArchiveError: this computer's storage.
        """
        new, damage = 0, list[str]()
        for device_id in other.boards():
            for path in other.paths(device_id):
                try:
                    _read_of(device_id, path)
                except CalibrationDamaged as error:
                    damage.append(str(error))
                    continue
                new += self._take(path, device_id)
        return Joined(new, tuple(damage))

    def _take(self, source: Path, device_id: str) -> bool:
        """Copy one calibration and its proof; return whether anything was not here."""
        folder = self._folder(device_id)
        stem = source.name.removesuffix(".json")
        with storage(source):
            data = source.read_bytes()
            beside = _applied_path(source)
            proof = beside.read_bytes() if beside.exists() else None
        with locked(folder / ".lock"), storage(folder):
            number = 1
            while (path := _nth(folder, stem, number)).exists() and path.read_bytes() != data:
                number += 1
            taken = not path.exists()
            if taken:
                write_for_good(path, data)
            if proof is not None and not _applied_path(path).exists():
                write_for_good(_applied_path(path), proof)
                taken = True
        return taken

    def paths(self, device_id: str) -> list[Path]:
        """Return the files of a board's calibrations, by name."""
        folder = self._folder(device_id)
        with storage(folder):
            return sorted(path for path in folder.glob("*.json") if _NAME.fullmatch(path.name))

    def _folder(self, device_id: str) -> Path:
        return self.root / device_id / FOLDER


def read_calibration(path: Path) -> CalibrationFile:
    """Read a calibration, and whether it was applied.

    Raises:
        CalibrationDamaged: it is none, is of a format this program does not know, or what stands
            beside it belongs to another.
        ArchiveError: it cannot be read.
    """
    record, digest = _read(path, FORMAT, CalibrationRecord)
    beside = _applied_path(path)
    if not beside.exists():
        return CalibrationFile(path, record, None)
    applied, _ = _read(beside, APPLIED_FORMAT, AppliedRecord)
    if applied.sha256 != digest:
        raise CalibrationDamaged(path, "it is not the one that was written to the board")
    return CalibrationFile(path, record, applied)


def _read_of(device_id: str, path: Path) -> CalibrationFile:
    """Read a calibration that must be of this board: in another's folder it would speak for it."""
    read = read_calibration(path)
    if read.record.device_id != device_id:
        raise CalibrationDamaged(path, f"it is of logger {read.record.device_id}")
    return read


def _read(path: Path, known: str, model: type[_Model]) -> tuple[_Model, str]:
    """Read one file as a model, and give its SHA-256."""
    try:
        with storage(path):
            data = read_at_most(path)
        found = read_object(data)
        if found.get("format") != known:
            raise CalibrationDamaged(path, f"its format is not {known}")
        return model.model_validate_json(data, strict=True), hashlib.sha256(data).hexdigest()
    except NotStrict as error:
        where = f"{error.field}: " if error.field else ""
        raise CalibrationDamaged(path, f"{where}{error.reason}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise CalibrationDamaged(path, f"{place}: {first['msg']}") from error


def _nth(folder: Path, stem: str, number: int) -> Path:
    """Name the first, second ... calibration of one second."""
    return folder / (f"{stem}.json" if number == 1 else f"{stem}-{number}.json")


def _applied_path(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".json") + _APPLIED)


def _write_new(path: Path, record: _Part) -> None:
    with storage(path):
        if path.exists():
            raise ArchiveError(path, f"{path}: is there already, and is never replaced.")
        write_for_good(path, _as_bytes(record))


def _as_bytes(record: _Part) -> bytes:
    """Write a line for each key: a series is long, and nobody reads it number by number."""
    lines = [
        f"{json.dumps(key)}: {json.dumps(value)}" for key, value in record.model_dump().items()
    ]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()
