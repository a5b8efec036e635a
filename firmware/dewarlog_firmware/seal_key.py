"""Keeps the sealing state so that who captures the board finds the newest one and no older.

Beside the line: logbook seals with it and moves it on. What a state is: protocol/SPEC.md 4.9, and
protocol/DESIGN.md "Seal".

littlefs cannot keep it: what it overwrites stays in the flash until the block is used again. So
two files of one block each are made through littlefs, which keeps its allocator off those blocks,
and from then on their blocks are written past it. Each begins with a random mark, by which it is
found on the device; the marks stand in a third file, so that the blocks are never read through
littlefs, whose caches would keep what they read.

    /seal.a, /seal.b    4096 bytes: a header page with the mark, then 15 slot pages
    /seal.made          the two marks, 1 once a state was kept, CRC-32

A slot holds index u32, state, CRC-32, and the same again half a page further. Moving on programs
the next free slot, reads it back, and overwrites the old one with zeros, which needs no erase. When
a block has no slot left the next state goes into the other block; then the full one, zeros but for
its header by now, is erased and given its header again: one erase in 15 seals, each block in 30.
Power may go at any of these operations: at boot the highest index that reads well is taken, every
other slot that is not free is overwritten, and a block that is not found is made anew.

RAM: the state stands in one buffer, and what was derived on the way is overwritten (wiped_hmac).
Not reached: a port without viper, where hashlib's objects keep what they hashed until the heap is
used again; the random bytes inside the chip they came from; and the newest state itself, which
gives every later key, none before. A slot that fails to take zeros is bad flash: it is programmed
again at every boot, and nothing more can be done.
"""

import os
import struct

from dewarlog_firmware.whole_file import write_whole
from dewarlog_wire import layout, seal
from dewarlog_wire.crc import crc32

try:
    from dewarlog_firmware.wiped_hmac import hmac_into, wipe
except (ImportError, SyntaxError):  # no machine code on this port
    hmac_into = None
    wipe = None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Device(Protocol):
        """The file system's block device, as vfs.AbstractBlockDev has it."""

        def readblocks(self, block_num: int, buf: bytearray, offset: int, /) -> object:
            """Fill `buf` from a block."""
            ...

        def writeblocks(self, block_num: int, buf: bytearray, offset: int, /) -> object:
            """Program, without an erase."""
            ...

        def ioctl(self, op: int, arg: int, /) -> "int | None":
            """Tell the block count (4), the block size (5), or erase a block (6)."""
            ...


BLOCK_BYTES = 4096
PAGE_BYTES = 256  # RP2 programs whole pages
SLOTS = BLOCK_BYTES // PAGE_BYTES - 1
# States of the key, SEAL_KEY_STATE_NAMES.
IN_USE = layout.SEAL_KEY_STATE_NAMES.index("in use")
NEW = layout.SEAL_KEY_STATE_NAMES.index("new")
LOST = layout.SEAL_KEY_STATE_NAMES.index("lost")
_COPY_AT = PAGE_BYTES // 2  # where a page says the same again: one bit at rest may flip
_MARK_BYTES = 16
_SLOT_FORMAT = "<I32sI"
_SLOT_BYTES = struct.calcsize(_SLOT_FORMAT)
_MADE_FORMAT = "<16s16sB"
_MADE_BYTES = struct.calcsize(_MADE_FORMAT) + 4
_COUNT_OF_BLOCKS = 4  # requests of vfs.AbstractBlockDev.ioctl
_SIZE_OF_BLOCK = 5
_ERASE_BLOCK = 6
_NAMES = ("a", "b")
_NOWHERE = -1


class SealKey:
    """The sealing state on flash and its copy in RAM; call `open` before anything else.

    `device`: the block device of the file system that `folder` is in (without its last slash).
    """

    def __init__(
        self, device: "Device", folder: str, random_bytes: "Callable[[int], bytes]"
    ) -> None:
        self.state = LOST
        self.index = 0  # of the next block's seal; 0: there is no key
        self.secret = bytearray(seal.STATE_BYTES)
        self._device = device
        self._path = folder + "/seal."
        self._random = random_bytes

    def open(self, was_sealed: "Callable[[], bool]") -> None:
        """Find the state, or make the first one; `state` then says which, or that it is lost.

        `was_sealed` is asked when there is no trace of a key: whether blocks are stored that one
        has sealed.
        """

    def tag(self, state: "bytes | bytearray", chain: bytes) -> bytes:
        """Return the tag of a block with this chain value by the key of a state."""

    def move_on(self) -> None:
        """Replace the state by the next one. The key is lost when no slot takes it."""

    def given(self) -> tuple:
        """Return the values of SEAL_KEY_REPLY; a copy that outlives the state, so only to give."""
