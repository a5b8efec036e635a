"""A log proves itself: every block's hash follows from the block before it, from zero on.

Below archive. Following the chain costs this computer one SHA-256 of the log and the board
nothing; asking the board to hash its files would cost a small one as long as sending them did.
Chain and seals: protocol/SPEC.md, blocks.
"""

from __future__ import annotations

from dewarlog_wire import layout
from dewarlog_wire.block import check_block
from dewarlog_wire.errors import BlockError


class ChainWalk:
    """Follows the chain through a log's segments, in order.

    `blocks` is the number of the last sound block plus one, `chain` its chain value, `problem` the
    first place where a block is damaged or does not follow from the one before it. Where the board
    gave up segments to make room, the chain begins anew behind the hole without being a problem:
    the log's own gap event tells of it, and `check` judges it.
    """

    def __init__(self) -> None:
        """Begin before block 0."""
        self.blocks = 0
        self.chain: bytes = layout.CHAIN_START
        self.problem: str | None = None
        self._next_segment = 0

    def segment(self, number: int, data: bytes | bytearray) -> bool:
        """Follow the chain through segment `number`; True when that proves every byte of it."""
        previous = self.chain if number == self._next_segment and not self.problem else None
        proven = previous is not None
        self._next_segment = number + 1
        offset = 0
        while offset < len(data):
            try:
                block = check_block(data, offset, previous)
            except BlockError as error:
                self.problem = self.problem or f"segment {number}: {error}"
                return False
            self.blocks, self.chain = block.block_seq + 1, block.chain
            previous = self.chain
            offset += block.length
        return proven
