"""Where do two copies of one log disagree? Block by block, over all that both hold.

Beside archive. A block never changes once it is sealed, so two copies in which a block has other
bytes cannot both be what the logger recorded: one of them, or the logger, was tampered with or is
damaged. A copy that ends earlier, or whose first blocks the logger had given up to make room, does
not disagree.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from dewarlog_wire import layout
from dewarlog_wire.block import check_block
from dewarlog_wire.errors import BlockError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from dewarlog.held import Held


def first_difference(one: Iterable[bytes], other: Iterable[bytes]) -> int | None:
    """Return the number of the first block that both hold with other bytes; None: they agree.

    Each is given in pieces that begin where a block begins: segments, or a whole log.
    """
    ours = dict(_blocks(one))
    theirs = dict(_blocks(other))
    different = [number for number, held in theirs.items() if ours.get(number, held) != held]
    # A block that one lacks although it goes on behind it was cut out of that one.
    cut_out = [
        *(number for number in theirs.keys() - ours.keys() if _is_within(number, ours)),
        *(number for number in ours.keys() - theirs.keys() if _is_within(number, theirs)),
    ]
    return min([*different, *cut_out], default=None)


def first_break(pieces: Iterable[tuple[int, bytes]]) -> int | None:
    """Return the number of the first block that does not follow from the one before; None: all do.

    Pieces are (segment, its bytes). Behind a segment that is missing the chain begins anew.
    """
    due = next_segment = 0
    chain: bytes | None = layout.CHAIN_START
    for segment, data in pieces:
        if segment != next_segment:
            chain = None
        next_segment = segment + 1
        offset = 0
        while offset < len(data):
            try:
                block = check_block(data, offset, chain)
            except BlockError:
                return due
            due, chain = block.block_seq + 1, block.chain
            offset += block.length
    return None


def block_at(data: bytes, offset: int) -> int:
    """Return the number of the block that begins at `offset`, or of the last one before it."""
    number = 0
    for start, block_seq in _starts(data):
        if start > offset:
            break
        number = block_seq
    return number


def _starts(data: bytes) -> Iterator[tuple[int, int]]:
    offset = 0
    while offset < len(data):
        try:
            block = check_block(data, offset, None)
        except BlockError:
            return
        yield offset, block.block_seq
        offset += block.length


def _is_within(number: int, blocks: dict[int, bytes]) -> bool:
    return bool(blocks) and min(blocks) < number < max(blocks)


def _blocks(pieces: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the hash of every block; of a damaged one, that of all behind it."""
    due = 0
    for data in pieces:
        offset = 0
        while offset < len(data) and not data.startswith(layout.JOURNAL_MAGIC, offset):
            try:
                block = check_block(data, offset, None)
            except BlockError as error:
                if error.fault != "length":  # not merely cut off: bytes are there and wrong
                    yield due, hashlib.sha256(data[offset:]).digest()
                break
            end = offset + block.length
            yield block.block_seq, hashlib.sha256(data[offset:end]).digest()
            due = block.block_seq + 1
            offset = end


def pieces_of(parts: Iterable[Held]) -> Iterator[bytes]:
    """Give the segments held of a log, one by one."""
    return (part.read() for part in parts if part.segment is not None)


def whole(path: Path) -> Iterator[bytes]:
    """Give a filed log as one piece: a few megabytes, and only where there is a second copy."""
    yield path.read_bytes()
