"""The channel map: what a board is called, and which probe hangs on which of its terminals.

Beside provision, which puts it into the board's profile. A TOML file that a person keeps with the
board's papers:

    name = "DL-0007"
    hardware = "C"

    [[probe]]
    terminal = 1                # as printed beside it: 1 to 4
    serial = "TC-T-0412"        # at most 12 characters
    type = "T"                  # T, K or E
    placement = "payload top"   # or payload bottom, neck, other

What a probe was calibrated to goes with its serial, not with its terminal: a probe that moves
takes its calibration along, and one that is new has none.
"""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from dewarlog import words
from dewarlog.errors import MapDamaged
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from dewarlog.profile.model import Profile

TERMINALS: Final = 4
SERIAL_MAX: Final = 12
_MAX_BYTES: Final = 1 << 16
_WHOLE: Final = "the file"


def _expect_trimmed(text: str) -> str:
    """Refuse blanks around a text: a name of blanks is none, and two serials may differ by one."""
    if text != text.strip():
        raise ValueError("no blanks before or behind it")
    return text


class _Strict(BaseModel):
    """A table that takes no other keys and no other types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class MappedProbe(_Strict):
    """One probe on its terminal."""

    terminal: Annotated[int, Field(ge=1, le=TERMINALS)]
    serial: Annotated[str, Field(min_length=1, max_length=SERIAL_MAX, pattern=r"^[ -~]+$")]
    type: Literal["T", "K", "E"]
    placement: str

    @field_validator("placement")
    @classmethod
    def _expect_known(cls, placement: str) -> str:
        if placement not in layout.PLACEMENT_NAMES:
            raise ValueError(f"one of {', '.join(layout.PLACEMENT_NAMES)}")
        return placement

    @field_validator("serial")
    @classmethod
    def _expect_said(cls, serial: str) -> str:
        return _expect_trimmed(serial)

    @property
    def channel(self) -> int:
        """Its number in the log: 0 to 3."""
        return self.terminal - 1


class ChannelMap(_Strict):
    """A board's name, its hardware revision, and its probes."""

    name: Annotated[str, Field(min_length=1, max_length=32)]
    hardware: Annotated[str, Field(max_length=32)] = ""
    probe: Annotated[tuple[MappedProbe, ...], Field(min_length=1, max_length=TERMINALS)]

    @field_validator("probe", mode="before")
    @classmethod
    def _from_list(cls, probes: object) -> object:
        return tuple(cast("list[object]", probes)) if isinstance(probes, list) else probes

    @field_validator("name", "hardware")
    @classmethod
    def _expect_printable(cls, text: str) -> str:
        if not text.isprintable():
            raise ValueError("no control characters")
        return _expect_trimmed(text)

    @field_validator("probe")
    @classmethod
    def _expect_once(cls, probes: tuple[MappedProbe, ...]) -> tuple[MappedProbe, ...]:
        for what in ("terminal", "serial"):
            values = [getattr(probe, what) for probe in probes]
            for value in values:
                if values.count(value) > 1:
                    raise ValueError(f"{what} {value} stands {values.count(value)} times")
        return tuple(sorted(probes, key=lambda probe: probe.terminal))

    def toml(self) -> str:
        """Write the map as the file that `read_map` reads."""
        probes = [
            (probe.terminal, probe.serial, probe.type, probe.placement) for probe in self.probe
        ]
        return _toml(self.name, self.hardware, probes)


def form_of(profile: Profile | None) -> str:
    """Write what a profile says of its board as a map's file, to be filled in where it is empty.

    Of a board without a profile: one probe that nobody has named.
    """
    if profile is None:
        return _toml("", "", [(1, "", "T", layout.PLACEMENT_NAMES[0])])
    probes = [
        (channel.channel + 1, channel.serial, channel.probe_type, channel.placement)
        for channel in profile.channels
    ]
    return _toml(profile.texts.board, profile.texts.hardware, probes)


def _toml(name: str, hardware: str, probes: Iterable[tuple[int, str, str, str]]) -> str:
    lines = [f"name = {_quoted(name)}", f"hardware = {_quoted(hardware)}"]
    for terminal, *said in probes:
        lines += ["", "[[probe]]", f"terminal = {terminal}"]
        lines += [
            f"{key} = {_quoted(text)}"
            for key, text in zip(("serial", "type", "placement"), said, strict=True)
        ]
    return "\n".join(lines) + "\n"


def read_map(path: Path) -> ChannelMap:
    """Read a channel map.

    Raises:
        MapDamaged: it is none; names the first key that is wrong, and what it may be.
        OSError: it cannot be read.
    """
    where = words.plain(str(path))
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise MapDamaged(where, _WHOLE, f"it has more than {_MAX_BYTES} bytes")
    try:
        document = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        found = "it is UTF-16" if wide else f"byte {error.start} is not UTF-8"
        raise MapDamaged(where, _WHOLE, f"{found}: save it as UTF-8") from error
    # tomllib lets through what Python says of a number of thousands of digits, and of tables
    # nested by the hundred.
    except (ValueError, RecursionError) as error:
        raise MapDamaged(where, _WHOLE, f"it is not TOML: {words.plain(str(error))}") from error
    try:
        return parse_map(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise MapDamaged(where, _place(first["loc"]), _reason(first)) from error


def parse_map(document: dict[str, Any]) -> ChannelMap:
    """Return the map that a document describes; pydantic's ValidationError says what is wrong."""
    return ChannelMap.model_validate(document)


def _place(loc: tuple[int | str, ...]) -> str:
    """Write where a mistake stands: `probe[1].serial`, counted from 0."""
    place = ""
    for part in loc:
        place += f"[{part}]" if isinstance(part, int) else f"{'.' if place else ''}{part}"
    return words.plain(place) or _WHOLE


def _reason(error: ErrorDetails) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "missing":
        return "it is missing"
    if error["type"] == "extra_forbidden":
        return "a channel map has no such key"
    return words.plain(f"{json.dumps(error['input'], default=str)[:60]}: {message}")


def _quoted(text: str) -> str:
    """Write a TOML basic string; JSON's escapes are among TOML's."""
    return json.dumps(text, ensure_ascii=False)
