"""The open journal: its head, and records up to the torn tail."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import construct as c

from dewarlog.parse.from_table import plain, run, struct_of
from dewarlog_wire import FORMAT_VERSION, layout
from dewarlog_wire.errors import JournalError

if TYPE_CHECKING:
    from dewarlog.parse.from_table import Fields

_JOURNAL_HEAD: Final = c.Struct(
    "covered" / c.RawCopy(struct_of(layout.JOURNAL_HEAD, "crc32")),
    "crc32" / c.Checksum(c.Int32ul, zlib.crc32, c.this.covered.data),
)


_JOURNAL_RECORD: Final = c.Struct(
    "covered"
    / c.RawCopy(
        c.Struct("head" / struct_of(layout.JOURNAL_RECORD), "body" / c.Bytes(c.this.head.length))
    ),
    "crc32" / c.Int32ul,
)


@dataclass(frozen=True, slots=True)
class ParsedJournal:
    """A journal up to its torn tail: records are (kind, body)."""

    head: Fields
    records: tuple[tuple[int, bytes], ...]
    readable_bytes: int


def parse_journal(data: bytes) -> ParsedJournal:
    """Read the journal at the start of `data`.

    Raises:
        JournalError: the head cannot be trusted: fault length, magic, version or crc.
    """
    if len(data) < layout.JOURNAL_HEAD.size:
        message = f"{len(data)} bytes are too few for a journal head"
        raise JournalError("length", message)
    unchecked = run(struct_of(layout.JOURNAL_HEAD), data, JournalError, "length", "journal head")
    if unchecked["magic"] != layout.JOURNAL_MAGIC:
        message = f"journal begins with {unchecked['magic']!r}"
        raise JournalError("magic", message)
    if unchecked["version"] != FORMAT_VERSION:
        message = f"journal has format version {unchecked['version']}"
        raise JournalError("version", message)
    run(_JOURNAL_HEAD, data, JournalError, "length", "journal head")
    crc = unchecked["crc32"]
    at = layout.JOURNAL_HEAD.size
    records: list[tuple[int, bytes]] = []
    while True:
        try:
            record = plain(_JOURNAL_RECORD.parse(data[at:]))
        except c.ConstructError:
            break
        covered = record["covered"]
        crc = zlib.crc32(covered["data"], crc)
        if crc != record["crc32"]:
            break
        records.append((covered["value"]["head"]["kind"], covered["value"]["body"]))
        at += covered["length"] + layout.FRAME_CRC_BYTES
    return ParsedJournal(unchecked, tuple(records), at)
