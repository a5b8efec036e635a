"""One file of a board as far as this computer holds it: to go on with, or filed for good.

Below archive, which puts these files together to a log. While bytes are missing, or the board may
still add some, they stand in `NAME.seg.part`; once the board says the file is sealed and its hash
agrees, in `NAME.seg`, read-only. Beside them a note (`NAME.json`) says what they are:

    etag            the board's name for this version of the file
    next_offset     bytes held when the note was written, and
    crc32           their CRC-32, so that damage on this computer is found before going on
    verified_bytes  how many of them are proven to be the board's, by the log's chain or by the
                    board's own hash of the file, and
    sha256          their hash
    proven          whether a board that had proven itself said so (protocol/SPEC.md 7.9)
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import zlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from dewarlog.durable import put_in_place, storage, write_whole
from dewarlog.errors import ArchiveDamaged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dewarlog.replies import StoredFile

JOURNAL_NAME: Final = "journal"
CHUNK_BYTES: Final = 1 << 16
_PART: Final = ".seg.part"
_FILED: Final = ".seg"
_NOTE: Final = ".json"
_NUMBERS: Final = ("etag", "next_offset", "crc32", "verified_bytes")
_MOST: Final = 0xFFFFFFFF  # a board's file, and what it says of it, is counted in u32
_HASH: Final = re.compile("(?:[0-9a-f]{64})?")
_NO_NOTE: Final = "the note beside it, which holds its hash, is missing or unreadable"


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of the bytes held; see the module's head."""

    etag: int
    next_offset: int = 0
    crc32: int = 0
    verified_bytes: int = 0
    sha256: str = ""
    proven: bool = False

    @classmethod
    def read(cls, path: Path) -> Note | None:
        """Read a note; None when there is none or it is not one."""
        try:
            fields = cast("dict[str, Any]", json.loads(path.read_bytes()))
            numbers = [fields[name] for name in _NUMBERS]
            sha256 = fields["sha256"]
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
            return None
        if not all(type(number) is int and 0 <= number <= _MOST for number in numbers):
            return None
        if not isinstance(sha256, str) or not _HASH.fullmatch(sha256):
            return None
        etag, next_offset, crc32, verified_bytes = numbers
        proven = fields.get("proven") is True
        return cls(etag, next_offset, crc32, verified_bytes, sha256, proven)

    def write(self, path: Path, *, sync: bool) -> None:
        """Write the note in one step; `sync` forces it to the disk."""
        write_whole(path, json.dumps(asdict(self), indent=2).encode() + b"\n", sync=sync)


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes of one file that are here: the first `size` of `path`.

    `sha256` is their hash, in hex; empty where it is not known. `proven`: a board that had proven
    itself vouched for all of them.
    """

    name: str
    path: Path
    size: int
    sha256: str
    proven: bool = False

    @property
    def sealed(self) -> bool:
        """True when the board said that the file will never grow."""
        return self.path.name.endswith(_FILED)

    @property
    def segment(self) -> int | None:
        """The segment's number on the board; None for the journal."""
        return None if self.name == JOURNAL_NAME else int(self.name, 16)

    def read(self) -> bytes:
        """Return the bytes: one segment's, so at most 64 KiB (of a journal, a little more)."""
        with self.path.open("rb") as file:
            return b"".join(chunks(file, self.size))


class HeldFile:
    """A `pull.Part` in a folder. Makes no file before the first byte is written."""

    def __init__(self, folder: Path, file: StoredFile) -> None:
        """Find what `folder` holds of `file`."""
        name = JOURNAL_NAME if file.is_journal else f"{file.file:04x}"
        self._folder = folder
        self._name = name
        self._part = folder / (name + _PART)
        self._filed = folder / (name + _FILED)
        self._note_path = folder / (name + _NOTE)
        self._new_etag = file.etag
        self._open_file: BinaryIO | None = None
        with storage(self._note_path):
            note = Note.read(self._note_path)
            self._note: Note = note or Note(file.etag)
            self._complete = self._filed.exists()
            self._begin()
            if self._complete:
                if note is None or not note.sha256:
                    raise ArchiveDamaged(self._filed, _NO_NOTE)
                # As it was filed: whether it still is so, the archive looks when it makes the log.
                self._size = note.verified_bytes
            elif self._part.exists():
                self._load()

    def _begin(self) -> None:
        self._size = 0
        self._crc32 = 0
        self._sha256 = hashlib.sha256()

    def _load(self) -> None:
        """Take up what an earlier pull left; what was damaged here since is set aside."""
        noted_crc: int | None = None
        with self._part.open("rb") as file:
            for chunk in chunks(file, self._part.stat().st_size):
                if self._size <= self._note.next_offset <= self._size + len(chunk):
                    head = chunk[: self._note.next_offset - self._size]
                    noted_crc = zlib.crc32(head, self._crc32)
                self._crc32 = zlib.crc32(chunk, self._crc32)
                self._sha256.update(chunk)
                self._size += len(chunk)
        if self._note.next_offset and noted_crc != self._note.crc32:
            self.set_aside()

    # --- what a pull asks -------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes held."""
        return self._size

    @property
    def verified_bytes(self) -> int:
        """Bytes that are proven to be the board's."""
        return self._note.verified_bytes

    @property
    def etag(self) -> int:
        """The board's name for the version held."""
        return self._note.etag

    @property
    def complete(self) -> bool:
        """True when it is filed for good: sealed on the board and verified here."""
        return self._complete

    @property
    def proven(self) -> bool:
        """True when a board that had proven itself vouched for what is filed here."""
        return self._note.proven

    @property
    def crc32(self) -> int:
        """CRC-32 of the bytes held."""
        return self._crc32

    def sha256(self) -> bytes:
        """Return the SHA-256 of the bytes held; of a filed file, the one it was filed with."""
        if self._complete:
            return bytes.fromhex(self._note.sha256)
        return self._sha256.digest()

    def write(self, data: bytes | memoryview) -> None:
        """Add bytes at the end. What was written before the disk was full counts as held."""
        view = memoryview(data)
        with storage(self._part):
            file = self._open()
            while view:
                count = file.write(view)
                taken = view[:count]
                self._crc32 = zlib.crc32(taken, self._crc32)
                self._sha256.update(taken)
                self._size += count
                view = view[count:]

    def verified(self, *, sealed: bool, proven: bool = False) -> None:
        """Take note that these bytes are the board's; `sealed`: it never grows.

        `proven`: the board that says so had proven itself.
        """
        if not self._size:
            return
        sha256 = self._sha256.hexdigest()
        note = Note(self._new_etag, self._size, self._crc32, self._size, sha256, proven)
        with storage(self._part):
            if note != self._note:
                file = self._open()
                os.fsync(file.fileno())
                note.write(self._note_path, sync=True)
                self._note = note
            self._shut()
            if sealed:
                put_in_place(self._part, self._filed)
                self._complete = True

    def vouched(self) -> None:
        """Take note that a board that had proven itself has the bytes filed here."""
        self._note = replace(self._note, proven=True)
        with storage(self._note_path):
            self._note.write(self._note_path, sync=True)

    def set_aside(self) -> None:
        """Keep the bytes held under another name and begin again with none."""
        with storage(self._part):
            self._shut()
            aside = self._folder.parent / "aside"
            aside.mkdir(parents=True, exist_ok=True)
            number = 1
            while (target := aside / f"{self._name}.seg.{number}").exists():
                number += 1
            self._part.replace(target)
            self._note_path.unlink(missing_ok=True)
        self._note = Note(self._new_etag)
        self._begin()

    def close(self) -> None:
        """Keep what is held, so that the next pull goes on from there."""
        if self._open_file is None:
            return
        try:
            # On a full disk the note may find no room either. It is an aid only: without it, the
            # board's own check of the prefix still guards the next pull.
            with contextlib.suppress(OSError):
                self._note = replace(self._note, next_offset=self._size, crc32=self._crc32)
                self._note.write(self._note_path, sync=False)
        finally:
            with storage(self._part):
                self._shut()

    def _open(self) -> BinaryIO:
        if self._open_file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._note = replace(self._note, etag=self._new_etag)
            self._note.write(self._note_path, sync=False)
            self._open_file = self._part.open("ab", buffering=0)
        return self._open_file

    def _shut(self) -> None:
        if self._open_file is not None:
            self._open_file.close()
            self._open_file = None


def held_files(folder: Path, *, verified_only: bool) -> list[Held]:
    """Return what is here of every file of a log, in the order of the log.

    With `verified_only`, of each file only the bytes that are proven to be the board's.

    Raises:
        ArchiveDamaged: a filed file's note is gone.
    """
    found: list[Held] = []
    for path in folder.glob("*" + _FILED):
        note = Note.read(path.with_suffix(_NOTE))
        if note is None or not note.sha256:
            raise ArchiveDamaged(path, _NO_NOTE)
        found.append(Held(path.stem, path, note.verified_bytes, note.sha256, note.proven))
    for path in folder.glob("*" + _PART):
        name = path.name.removesuffix(_PART)
        if not verified_only:
            found.append(Held(name, path, path.stat().st_size, ""))
            continue
        note = Note.read(folder / (name + _NOTE))
        if note is not None and note.verified_bytes:
            found.append(Held(name, path, note.verified_bytes, note.sha256, note.proven))
    # Hexadecimal numbers come before the journal's name in the alphabet.
    return sorted(found, key=lambda file: file.name)


def chunks(file: BinaryIO, length: int) -> Iterator[bytes]:
    """Yield the next `length` bytes of a file in parts, fewer if it ends before."""
    while length and (chunk := file.read(min(length, CHUNK_BYTES))):
        length -= len(chunk)
        yield chunk
