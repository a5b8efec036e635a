"""What a board holds, as its prompt told: board_code.look, read into typed data. Pure."""

from __future__ import annotations

import ast
import struct
from base64 import b64decode
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, cast
from zlib import crc32

from dewarlog.flash import board_code
from dewarlog.flash.known import Identity

if TYPE_CHECKING:
    from dewarlog.flash.prompt import Prompt

# firmware/dewarlog_firmware/lock.py: claimed, locked, CRC-32 of the two.
_LOCK: Final = "<BBI"
_OURS: Final = b"dewarlog"


class Garbled(Exception):
    """The board answered with something else than what the code prints."""


@dataclass(frozen=True, slots=True)
class Held:
    """One file on the board; `sha256` in hex digits, empty where it cannot be read."""

    place: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Other:
    """A file or folder of the board that is no part of the firmware: never touched."""

    place: str
    size_bytes: int
    files: int


@dataclass(frozen=True, slots=True)
class Looked:
    """All that a plan is made of."""

    block_bytes: int
    total_blocks: int
    free_blocks: int
    files: dict[str, Held]
    folders: frozenset[str]
    texts: dict[str, bytes] = field(repr=False)
    """The first bytes of the start-up files, the profile, the lock and the marker."""
    others: tuple[Other, ...] = ()
    built_in: str = ""
    """Version of a firmware that the image itself carries, where the flash holds none."""

    @property
    def free_bytes(self) -> int:
        """Room on its flash."""
        return self.free_blocks * self.block_bytes

    @property
    def is_marked(self) -> bool:
        """True where a flash was cut."""
        return board_code.MARKER in self.files

    @property
    def is_locked(self) -> bool:
        """What its lock file says; one that cannot be read means locked, as on the board."""
        data = self.texts.get(board_code.LOCK)
        if data is None:
            return any(other.place == board_code.LOCK for other in self.others)
        if len(data) != struct.calcsize(_LOCK):
            return True
        _claimed, locked, crc = struct.unpack(_LOCK, data)
        return crc != crc32(data[:-4]) or locked != 0

    @property
    def foreign(self) -> list[str]:
        """Start-up files that do something, and not for this firmware."""
        return [place for place in board_code.SCRIPTS if self._is_foreign(place)]

    def _is_foreign(self, place: str) -> bool:
        if place in self.folders:
            return True
        text = self.texts.get(place, b"?")
        return place in self.files and _OURS not in text and not _does_nothing(text)


def _does_nothing(text: bytes) -> bool:
    """Tell whether a script is comments alone, as the boot.py that esp32 makes by itself."""
    lines = [line.strip() for line in text.splitlines()]
    return all(not line or line.startswith(b"#") for line in lines)


def ask_identity(prompt: Prompt) -> Identity:
    """Ask a board what it is.

    Raises:
        Garbled: it answered something else.
        PromptLost, CodeFailed: as Prompt.run.
    """
    try:
        return _read_identity(prompt.run(board_code.IDENTIFY))
    except ValueError as error:
        raise Garbled(str(error)) from error


def _read_identity(said: str) -> Identity:
    for fields in _lines(said):
        if fields[0] == "id" and len(fields) == 6:
            machine, build, python = (str(_value(text)) for text in fields[1:4])
            return Identity(machine, build, python, _numbers(fields[4]), int(fields[5]))
    raise Garbled("it does not say what it is")


def ask_all(prompt: Prompt) -> Looked:
    """Ask a board for all that a plan is made of; changes nothing on it.

    Raises:
        Garbled, PromptLost, CodeFailed: as ask_identity.
    """
    prompt.run(board_code.TOOLS)
    looked = read_look(prompt.run(board_code.look()))
    if any(folder in looked.folders for folder in board_code.FOLDERS):
        return looked
    for fields in _lines(prompt.run(board_code.BUILT_IN)):
        if fields[0] == "built in":
            name = ".".join(map(str, _numbers(fields[1]))) or "of unknown version"
            return replace(looked, built_in=name)
    return looked


def ask_hashes(prompt: Prompt) -> tuple[dict[str, Held], frozenset[str]]:
    """Ask for the hash of every file of the firmware, and for its folders.

    Raises:
        Garbled, PromptLost, CodeFailed: as ask_identity.
    """
    files: dict[str, Held] = {}
    folders: set[str] = set()
    for fields in _lines(prompt.run(board_code.verify())):
        _take_entry(fields, files, folders)
    return files, frozenset(folders)


def read_look(said: str) -> Looked:
    """Read what board_code.look prints.

    Raises:
        Garbled: it is something else.
    """
    files: dict[str, Held] = {}
    folders: set[str] = set()
    texts: dict[str, bytes] = {}
    others: list[Other] = []
    room: list[int] = []
    try:
        for fields in _lines(said):
            if fields[0] == "room":
                room = [int(number) for number in fields[1:4]]
            elif fields[0] == "text":
                place = str(_value(fields[1]))
                texts[place] = texts.get(place, b"") + b64decode(fields[2], validate=True)
            elif fields[0] == "other":
                place, size_bytes, count = str(_value(fields[1])), int(fields[2]), int(fields[3])
                others.append(Other(place, size_bytes, count))
            else:
                _take_entry(fields, files, folders)
        block_bytes, total_blocks, free_blocks = room
    except (ValueError, IndexError) as error:
        raise Garbled(f"it answers with {said[:60]!r}") from error
    return Looked(
        block_bytes, total_blocks, free_blocks, files, frozenset(folders), texts, tuple(others)
    )


def _take_entry(fields: list[str], files: dict[str, Held], folders: set[str]) -> None:
    """Take one line that _tree prints."""
    try:
        if fields[0] == "folder":
            folders.add(str(_value(fields[1])))
        elif fields[0] == "file":
            place = str(_value(fields[1]))
            files[place] = Held(place, int(fields[2]), "" if fields[3] == "-" else fields[3])
        else:
            raise Garbled(f"it says {fields[0][:40]!r}")
    except (ValueError, IndexError) as error:
        raise Garbled(f"it answers with {fields!r:.60}") from error


def _lines(said: str) -> list[list[str]]:
    return [line.split("\t") for line in said.replace("\r", "").split("\n") if line]


def _numbers(text: str) -> tuple[int, ...]:
    """Read the numbers of a version, such as (1, 26, 0, '')."""
    version = _value(text)
    if not isinstance(version, tuple):
        raise Garbled(f"its version is {text[:40]}")
    parts = cast("tuple[object, ...]", version)
    return tuple(part for part in parts if isinstance(part, int))


def _value(text: str) -> object:
    """Read a literal that the board wrote with repr().

    Raises:
        ValueError: it is none.
    """
    try:
        return ast.literal_eval(text)
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(text[:40]) from error
