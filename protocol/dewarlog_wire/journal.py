"""The journal: samples and events since the last sealed block, made durable one by one.

Place in the line: layout, crc -> journal -> (flash_log | parse). Each record's CRC continues the
one before it, so a record left over from older content of the flash never passes. A torn tail is
expected after a power cut and is not an error. Format: protocol/SPEC.md section 6.
"""

import struct

from dewarlog_wire import FORMAT_VERSION
from dewarlog_wire.crc import crc32
from dewarlog_wire.errors import JournalError
from dewarlog_wire.layout import AT_JOURNAL_CRC, JOURNAL_HEAD, JOURNAL_MAGIC, JOURNAL_RECORD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Readable = bytes | bytearray | memoryview
    Writable = bytearray | memoryview

RECORD_CRC_BYTES = 4
RECORD_OVERHEAD_BYTES = JOURNAL_RECORD.size + RECORD_CRC_BYTES


def pack_head_into(buffer: "Writable", offset: int, *values: int) -> "tuple[int, int]":
    """Write a journal head; return the offset behind it and the CRC that seeds the first record.

    `values` are the fields of JOURNAL_HEAD from `columns` to the last before `crc32`.
    """
    struct.pack_into(
        JOURNAL_HEAD.format, buffer, offset, JOURNAL_MAGIC, FORMAT_VERSION, *values, 0
    )
    crc = crc32(memoryview(buffer)[offset : offset + AT_JOURNAL_CRC])
    struct.pack_into("<I", buffer, offset + AT_JOURNAL_CRC, crc)
    return offset + JOURNAL_HEAD.size, crc


def pack_record_into(
    buffer: "Writable", offset: int, kind: int, length: int, crc: int
) -> "tuple[int, int]":
    """Close the record whose body of `length` bytes already stands at `offset` + 3.

    `crc` is what the head or the record before it returned. Returns the offset behind the record
    and its own CRC, for the next.
    """
    struct.pack_into(JOURNAL_RECORD.format, buffer, offset, kind, length)
    end = offset + JOURNAL_RECORD.size + length
    crc = crc32(memoryview(buffer)[offset:end], crc)
    struct.pack_into("<I", buffer, end, crc)
    return end + RECORD_CRC_BYTES, crc


def read_head(data: "Readable", offset: int = 0) -> "tuple[Any, ...]":
    """Return the head's fields, from `columns` on; its last is the CRC that seeds the records."""
    if len(data) - offset < JOURNAL_HEAD.size:
        raise JournalError(
            "length",
            f"{len(data) - offset} bytes are too few for a journal head of {JOURNAL_HEAD.size}",
            offset,
        )
    values = struct.unpack_from(JOURNAL_HEAD.format, data, offset)
    if values[0] != JOURNAL_MAGIC:
        raise JournalError(
            "magic", f"no journal begins at byte {offset}: found {bytes(values[0])}", offset
        )
    if values[1] != FORMAT_VERSION:
        raise JournalError(
            "version",
            f"journal at byte {offset} has format version {values[1]}; this reader knows "
            f"{FORMAT_VERSION}: update dewarlog",
            offset,
        )
    crc = crc32(memoryview(data)[offset : offset + AT_JOURNAL_CRC])
    if crc != values[-1]:
        raise JournalError(
            "crc",
            f"journal head at byte {offset}: CRC-32 is {crc:08x}, it says {values[-1]:08x}; "
            "no record behind it can be trusted",
            offset,
        )
    return values[2:]


def read_records(data: "Readable", offset: int, crc: int) -> "Iterator[tuple[int, int, int]]":
    """Yield (kind, start, end) of each record's body from `offset` on; stop at the torn tail.

    `crc` is the head's. The last `end` + 4 is where the readable bytes end.
    """
    view = memoryview(data)
    length = len(data)
    while length - offset >= RECORD_OVERHEAD_BYTES:
        kind, body_bytes = struct.unpack_from(JOURNAL_RECORD.format, data, offset)
        start = offset + JOURNAL_RECORD.size
        end = start + body_bytes
        if end + RECORD_CRC_BYTES > length:
            return
        crc = crc32(view[offset:end], crc)
        if crc != struct.unpack_from("<I", data, end)[0]:
            return
        yield kind, start, end
        offset = end + RECORD_CRC_BYTES


def read_journal(
    data: "Readable", offset: int = 0
) -> "tuple[tuple[Any, ...], list[tuple[int, int, int]], int]":
    """Return (head, records, readable bytes) of the journal that begins at `offset`.

    Records are (kind, start, end) of the body within `data`; readable bytes count from `offset`.
    """
    head = read_head(data, offset)
    records = list(read_records(data, offset + JOURNAL_HEAD.size, head[-1]))
    end = records[-1][2] + RECORD_CRC_BYTES if records else offset + JOURNAL_HEAD.size
    return head, records, end - offset
