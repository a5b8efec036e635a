"""Sealed blocks: header, sections, seal; written into a given buffer, read from any bytes.

Place in the line: layout, column -> block -> (recorder, flash_log | parse). A board has no room
for a block in one piece: it seals one that stands in pieces where they were made. Format:
protocol/SPEC.md section 4; chain and seal: protocol/DESIGN.md "Custody".
"""

import struct
from collections import namedtuple
from hashlib import sha256

from dewarlog_wire import FORMAT_VERSION
from dewarlog_wire.crc import crc32
from dewarlog_wire.errors import BlockError
from dewarlog_wire.layout import (
    AT_BLOCK_CRC,
    AT_BLOCK_LENGTH,
    BLOCK_HEADER,
    BLOCK_MAGIC,
    BLOCK_MAX_BYTES,
    BLOCK_SEAL,
    SECTION_HEAD,
)
from dewarlog_wire.seal import block_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NamedTuple

    from dewarlog_wire.layout import Record

    Readable = bytes | bytearray | memoryview
    Writable = bytearray | memoryview

    class Block(NamedTuple):
        """What a block says about itself, and where its body stands in the data."""

        kind: int
        run: int
        block_seq: int
        boot: int
        uptime_s: int
        uptime_ms: int
        body_start: int
        body_end: int
        length: int
        chain: bytes
else:
    Block = namedtuple(
        "Block",
        (
            "kind",
            "run",
            "block_seq",
            "boot",
            "uptime_s",
            "uptime_ms",
            "body_start",
            "body_end",
            "length",
            "chain",
        ),
    )

BLOCK_MIN_BYTES = BLOCK_HEADER.size + BLOCK_SEAL.size
_NO_TAG = bytes(16)


def begin_block(
    buffer: "Writable",
    kind: int,
    run: int,
    block_seq: int,
    boot: int,
    uptime_s: int,
    uptime_ms: int,
) -> int:
    """Write the header, its length still open, and return the offset where the body begins."""
    struct.pack_into(
        BLOCK_HEADER.format,
        buffer,
        0,
        BLOCK_MAGIC,
        FORMAT_VERSION,
        kind,
        0,
        0,
        run,
        block_seq,
        boot,
        uptime_ms,
        uptime_s,
    )
    return BLOCK_HEADER.size


def put_section(buffer: "Writable", offset: int, kind: int, payload: "Readable") -> int:
    """Write one section at `offset` and return the offset behind it."""
    length = len(payload)
    struct.pack_into(SECTION_HEAD.format, buffer, offset, kind, length)
    offset += SECTION_HEAD.size
    buffer[offset : offset + length] = payload
    return offset + length


def seal_block(
    buffer: "Writable",
    offset: int,
    previous_chain: bytes,
    key_index: int = 0,
    state: "Readable" = b"",
    tag_of: "Callable[[Readable, bytes], bytes]" = block_tag,
) -> "tuple[int, bytes]":
    """Close the block whose body ends at `offset`; return its length and its chain value.

    `key_index` and `state` are those of the sealing key (seal.py); 0 where none is in use. A board
    gives its own `tag_of`, which leaves no copy of the key behind.
    """
    pieces: "list[Readable]" = [memoryview(buffer)[:offset]]
    length, chain = seal_pieces(pieces, previous_chain, key_index, state, tag_of)
    buffer[offset:length] = pieces[1]
    return length, chain


def seal_pieces(
    pieces: "list[Any]",
    previous_chain: bytes,
    key_index: int = 0,
    state: "Readable" = b"",
    tag_of: "Callable[[Readable, bytes], bytes]" = block_tag,
) -> "tuple[int, bytes]":
    """Close a block that stands in pieces, as `seal_block`: the seal becomes one more of them.

    The first piece begins with the header and is written to.
    """
    offset = sum([len(piece) for piece in pieces])
    length = offset + BLOCK_SEAL.size
    if length > BLOCK_MAX_BYTES:
        raise BlockError(
            "length",
            f"block of {length} bytes is over the limit of {BLOCK_MAX_BYTES}; seal it earlier",
            offset,
        )
    struct.pack_into("<I", pieces[0], AT_BLOCK_LENGTH, length)
    digest = sha256(previous_chain)
    crc = 0
    for piece in pieces:
        digest.update(piece)
        crc = crc32(piece, crc)
    chain = digest.digest()
    tag = tag_of(state, chain) if key_index else _NO_TAG
    seal = bytearray(BLOCK_SEAL.size)
    struct.pack_into(BLOCK_SEAL.format, seal, 0, chain, key_index, tag, 0)
    struct.pack_into("<I", seal, AT_BLOCK_CRC, crc32(memoryview(seal)[:AT_BLOCK_CRC], crc))
    pieces.append(seal)
    return length, chain


def read_seal(data: "Readable", found: "Block") -> "tuple[int, bytes]":
    """Return (key_index, tag) of a block that was read."""
    _, key_index, tag, _ = struct.unpack_from(BLOCK_SEAL.format, data, found.body_end)
    return key_index, bytes(tag)


def read_header(data: "Readable", offset: int, room: "int | None" = None) -> "Block":
    """Read the header at `offset` without looking at the body; its chain is then empty.

    Enough to step from block to block: bounds are checked, the CRC is not. `room` is how many
    bytes there are from `offset` on, when `data` does not hold all of them.
    """
    if room is None:
        room = len(data) - offset
    if room < BLOCK_MIN_BYTES:
        raise BlockError(
            "length",
            f"{room} bytes at byte {offset} are too few for a block of at least "
            f"{BLOCK_MIN_BYTES}; the file was cut here",
            offset,
        )
    magic, version, kind, _, length, run, block_seq, boot, uptime_ms, uptime_s = (
        struct.unpack_from(BLOCK_HEADER.format, data, offset)
    )
    if magic != BLOCK_MAGIC:
        raise BlockError(
            "magic",
            f"no block begins at byte {offset}: found {bytes(magic)}, not {BLOCK_MAGIC}; "
            "the file is damaged here or is no dewarlog log",
            offset,
        )
    if version != FORMAT_VERSION:
        raise BlockError(
            "version",
            f"block at byte {offset} has format version {version}; this reader knows "
            f"{FORMAT_VERSION}: update dewarlog",
            offset,
        )
    if not BLOCK_MIN_BYTES <= length <= min(room, BLOCK_MAX_BYTES):
        raise BlockError(
            "length",
            f"block {block_seq} at byte {offset} says it is {length} bytes long; {room} bytes are "
            f"there and {BLOCK_MIN_BYTES} to {BLOCK_MAX_BYTES} are allowed",
            offset,
        )
    return Block(
        kind,
        run,
        block_seq,
        boot,
        uptime_s,
        uptime_ms,
        offset + BLOCK_HEADER.size,
        offset + length - BLOCK_SEAL.size,
        length,
        b"",
    )


def check_block(data: "Readable", offset: int, previous_chain: "bytes | None") -> "Block":
    """Read the block at `offset` and check its CRC and, given the chain before it, its chain.

    Raises BlockError with fault magic, version, length, crc or chain.
    """
    block = read_header(data, offset)
    view = memoryview(data)
    seal = block.body_end
    chain, _, _, stored_crc = struct.unpack_from(BLOCK_SEAL.format, data, seal)
    crc = crc32(view[offset : seal + AT_BLOCK_CRC])
    if crc != stored_crc:
        raise BlockError(
            "crc",
            f"block {block.block_seq} at byte {offset}: CRC-32 is {crc:08x}, its seal says "
            f"{stored_crc:08x}; at least one bit is wrong, pull the log again",
            offset,
        )
    if previous_chain is not None:
        digest = sha256(previous_chain)
        digest.update(view[offset:seal])
        if digest.digest() != chain:
            raise BlockError(
                "chain",
                f"block {block.block_seq} at byte {offset} does not follow the block before it: "
                "a block was removed, replaced or changed",
                offset,
            )
    return Block(*block[:-1], bytes(chain))


def sections(data: "Readable", start: int, end: int) -> "Iterator[tuple[int, int, int]]":
    """Yield (kind, start, end) of each section of the body that stands from `start` to `end`.

    Kinds this version does not know are yielded too: the caller skips and reports them.
    """
    while start < end:
        if end - start < SECTION_HEAD.size:
            raise BlockError(
                "section", f"{end - start} bytes at byte {start} are no section head", start
            )
        kind, length = struct.unpack_from(SECTION_HEAD.format, data, start)
        start += SECTION_HEAD.size
        if length > end - start:
            raise BlockError(
                "section",
                f"section {kind} at byte {start} says {length} bytes; {end - start} are left",
                start,
            )
        yield kind, start, start + length
        start += length


def read_record(record: "Record", data: "Readable", start: int, end: int) -> "tuple[Any, ...]":
    """Return the fields of a section that is one record and nothing else."""
    if end - start != record.size:
        raise BlockError(
            "section",
            f"{record.name} section at byte {start} has {end - start} bytes, not {record.size}",
            start,
        )
    return struct.unpack_from(record.format, data, start)


def read_records(
    record: "Record", data: "Readable", start: int, end: int
) -> "list[tuple[Any, ...]]":
    """Return the fields of each record of a section that is a list of them (STATES, RAW)."""
    if (end - start) % record.size:
        raise BlockError(
            "section",
            f"section at byte {start} has {end - start} bytes, which {record.name} records of "
            f"{record.size} bytes do not fill",
            start,
        )
    return [struct.unpack_from(record.format, data, at) for at in range(start, end, record.size)]


def read_text(data: "Readable", start: int, end: int) -> "tuple[int, str]":
    """Return which text a TEXT section holds, and the text."""
    if start == end:
        raise BlockError("section", f"text section at byte {start} is empty", start)
    try:
        return data[start], str(bytes(data[start + 1 : end]), "utf-8")
    except UnicodeError:
        raise BlockError("section", f"text section at byte {start} is not UTF-8", start)
