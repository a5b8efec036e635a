"""Keeps the sealing state so that who captures the board finds the newest one and no older.

Beside the line: logbook seals with it and moves it on. What a state is: protocol/SPEC.md 4.9, and
protocol/DESIGN.md "Seal".

littlefs cannot keep it: what it overwrites stays in the flash until the block is used again. So
two files of one block each are made through littlefs, which keeps its allocator off those blocks,
and from then on their blocks are written past it. Each begins with a random mark, by which it is
found on the device; the marks stand in a third file, so that the blocks are never read through
littlefs, whose caches would keep what they read.

    /seal.a, /seal.b    4096 bytes: a header page with the mark, then 15 slot pages
    /seal.made          the two marks, their bits turned over; 1 once a state was kept; CRC-32;
                        and the same again: a bit that turns over here must not lose the key

A slot holds index u32, state, CRC-32, and the same again half a page further. Moving on programs
the next free slot, reads it back, and overwrites the old one with zeros, which needs no erase.
When a block has no slot left the next state goes into the other block; then the full one, zeros
but for its header by now, is erased and given its header again: one erase in 15 seals, of each
block in 30. Power may go at any of these operations: at boot the highest index that reads well is
taken, every other slot that is not free is overwritten, and a block that is not found is made
anew.

RAM: the state stands in one buffer, and what was derived on the way is overwritten (wiped_hmac).
Not reached: a port without viper, where hashlib's objects keep what they hashed until the heap is
used again; the random bytes inside the chip they came from; and the newest state itself, which
gives every later key, none before. A slot that fails to take zeros is bad flash: it is programmed
again at every boot, and nothing more can be done.
"""

import os
import struct

from micropython import const

from dewarlog_firmware.whole_file import write_whole
from dewarlog_wire import layout, seal
from dewarlog_wire.crc import crc32
from dewarlog_wire.proof import hmac_sha256

try:
    from dewarlog_firmware.wiped_hmac import agrees, hmac_into, wipe
except (ImportError, SyntaxError):  # no machine code on this port
    hmac_into = None
    wipe = None
else:
    # Compiled for a processor that no test here has: asked once a boot, a few ms.
    if not agrees():
        hmac_into = None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Device(Protocol):
        """The file system's block device, as vfs.AbstractBlockDev has it."""

        def readblocks(self, block_num: int, buf: bytearray, offset: int) -> object:
            """Fill `buf` from a block."""
            ...

        def writeblocks(self, block_num: int, buf: bytearray, offset: int) -> object:
            """Program, without an erase."""
            ...

        def ioctl(self, op: int, arg: int) -> "int | None":
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
_MARK_BYTES = const(16)
_RAW_PARTS = const(32)  # of 32 bytes: what the first state is made from
_STATE_AT = const(4)  # in a slot: index u32, state, CRC-32 over both
_CRC_AT = _STATE_AT + seal.STATE_BYTES
_FREE = b"\xff" * PAGE_BYTES
_SPENT = bytes(PAGE_BYTES)
_MADE_FORMAT = "<16s16sBI"
_MADE_BYTES = struct.calcsize(_MADE_FORMAT)
_COUNT_BLOCKS = const(4)  # requests of vfs.AbstractBlockDev.ioctl
_ERASE_BLOCK = const(6)
_ENODEV = const(19)


class SealKey:
    """The sealing state on flash and its copy in RAM; call `open` before anything else.

    `device`: the block device of the file system; its blocks have 4096 bytes. `folder`: in that
    file system, without its last slash. Flash operations happen in `open` and `move_on` alone.
    """

    def __init__(
        self, device: "Device", folder: str, random_bytes: "Callable[[int], bytes]"
    ) -> None:
        self.state = LOST  # IN_USE, NEW or LOST
        self.index = 0  # of the next block's seal; 0: there is no key
        self.secret = bytearray(seal.STATE_BYTES)
        self._device = device
        self._path = folder + "/seal."
        self._random = random_bytes
        self._page = bytearray(PAGE_BYTES)
        self._next = bytearray(seal.STATE_BYTES)
        self._marks = [b"", b""]
        self._blocks: "list[int | None]" = [None, None]
        self._at = (0, 0)  # block (0 or 1) and page of the newest state

    # --- what logbook asks --------------------------------------------------------------------

    def tag(self, state: "bytes | bytearray | memoryview", chain: bytes) -> bytes:
        """Return the tag of a block with this chain value by the key of a state."""
        if hmac_into is None:
            return seal.block_tag(state, chain)
        key = self._next
        hmac_into(key, state, seal.KEY_TEXT)
        hmac_into(key, key, chain)
        tag = bytes(memoryview(key)[: seal.TAG_BYTES])
        _wipe(key)
        return tag

    def move_on(self) -> None:
        """Replace the state by the next one. The key is lost when no slot takes it."""
        if hmac_into is None:
            self._next[:] = seal.next_state(self.secret)
        else:
            hmac_into(self._next, self.secret, seal.NEXT_TEXT)
        old = self._at
        try:
            kept = self._keep_next(self.index + 1)
            self._overwrite(*old)
            if kept and self._at[0] != old[0]:
                self._renew(old[0])
        except OSError:
            kept = False
        if kept:
            self.secret[:] = self._next
            self.index += 1
        else:
            self._lose()
        _wipe(self._next)
        _wipe(self._page)

    def given(self) -> tuple:
        """Return the values of SEAL_KEY_REPLY. The copy stays in RAM for as long as it may."""
        return self.index, bytes(self.secret)

    # --- finding and making -------------------------------------------------------------------

    def open(self, was_sealed: "Callable[[], bool]") -> None:
        """Find the state, or make the first one; `state` then says which, or that it is lost.

        `was_sealed` is asked when nothing tells of a key: whether a key has sealed stored blocks.
        """
        try:
            self._open(was_sealed)
        except OSError:  # no room for the files, or a device that refuses
            self._lose()
        _wipe(self._page)

    def _open(self, was_sealed: "Callable[[], bool]") -> None:
        was_kept = self._read_made()
        for which in (0, 1):
            self._blocks[which] = self._find(which)
        for which in (0, 1):
            self._look_for_newest(which)
        missing = None in self._blocks
        if missing:
            if was_kept is None:
                was_kept = was_sealed()
            for which in (0, 1):
                if self._blocks[which] is None:
                    self._make(which)
            self._write_made(was_kept)
            for which in (0, 1):
                self._blocks[which] = self._find(which)
            if None in self._blocks:
                return
        for which in (0, 1):
            self._clean(which)
        if self.index:
            self.state = IN_USE if was_kept else NEW
        elif not was_kept:
            self._begin()
        if not was_kept and self.index:
            self._write_made(True)

    def _begin(self) -> None:
        """Make the first state."""
        # Many times the bytes needed, each part the text of an HMAC by what came before: what
        # device_key does for the same reason, without leaving the state in a hash object.
        for _ in range(_RAW_PARTS):
            fresh = self._random(seal.STATE_BYTES)
            if hmac_into is None:
                self._next[:] = hmac_sha256(self._next, fresh)
            else:
                hmac_into(self._next, self._next, fresh)
            if wipe is not None:
                wipe(fresh, len(fresh))
        if self._keep((0, 1), seal.FIRST_INDEX):
            self.secret[:] = self._next
            self.index = seal.FIRST_INDEX
            self.state = NEW
        _wipe(self._next)

    def _lose(self) -> None:
        self.state = LOST
        self.index = 0
        _wipe(self.secret)

    def _read_made(self) -> "bool | None":
        """Take the marks; return whether a state was ever kept, None when nothing tells."""
        try:
            with open(self._path + "made", "rb") as file:
                data = file.read(2 * _MADE_BYTES)
        except OSError:
            return None
        for at in (0, _MADE_BYTES):
            made = data[at : at + _MADE_BYTES]
            if len(made) == _MADE_BYTES and made[-4:] == struct.pack("<I", crc32(made[:-4])):
                first, second, was_kept, _ = struct.unpack(_MADE_FORMAT, made)
                self._marks = [_turned_over(first), _turned_over(second)]
                return bool(was_kept)
        return None

    def _write_made(self, was_kept: bool) -> None:
        first, second = self._marks
        made = _turned_over(first) + _turned_over(second) + bytes((1 if was_kept else 0,))
        made += struct.pack("<I", crc32(made))
        write_whole(self._path + "made", made + made)

    def _find(self, which: int) -> "int | None":
        """Return the number of the one block with this mark whose file is in its place."""
        mark = self._marks[which]
        try:
            if not mark or os.stat(self._path + "ab"[which])[6] != BLOCK_BYTES:
                return None
        except OSError:
            return None
        count = self._device.ioctl(_COUNT_BLOCKS, 0) or 0
        found = bytearray(_MARK_BYTES)
        for offset in (0, _COPY_AT):
            hits = []
            for number in range(count):
                self._device.readblocks(number, found, offset)
                if found == mark:
                    hits.append(number)
            if hits:
                return hits[0] if len(hits) == 1 else None
        return None

    def _make(self, which: int) -> None:
        """Have littlefs set a block aside; what stood in the one before is spent."""
        self._marks[which] = self._random(_MARK_BYTES)
        data = bytearray(_FREE * (BLOCK_BYTES // PAGE_BYTES))
        self._put_mark(which, data)
        write_whole(self._path + "ab"[which], data)

    def _put_mark(self, which: int, page: bytearray) -> None:
        for offset in (0, _COPY_AT):
            page[offset : offset + _MARK_BYTES] = self._marks[which]

    # --- slots --------------------------------------------------------------------------------

    def _look_for_newest(self, which: int) -> None:
        """Take the state of the highest index in a block, if it is higher than what we have."""
        if self._blocks[which] is None:
            return
        for page in range(1, SLOTS + 1):
            self._read(which, page)
            for offset in (0, _COPY_AT):
                slot = memoryview(self._page)[offset : offset + _CRC_AT + 4]
                index = struct.unpack_from("<I", slot, 0)[0]
                crc = struct.unpack_from("<I", slot, _CRC_AT)[0]
                if index > self.index and crc32(slot[:_CRC_AT]) == crc:
                    self.index = index
                    self.secret[:] = slot[_STATE_AT:_CRC_AT]
                    self._at = (which, page)

    def _clean(self, which: int) -> None:
        """Overwrite every state but the newest, and erase the block that has none of it."""
        is_used = False
        for page in range(1, SLOTS + 1):
            if self.index and (which, page) == self._at:
                continue
            self._read(which, page)
            if self._page != _FREE:
                is_used = True
                if self._page != _SPENT:
                    self._overwrite(which, page)
        if is_used and not (self.index and self._at[0] == which):
            self._renew(which)

    def _keep_next(self, index: int) -> bool:
        """Put `_next` into the first slot behind the newest that takes it; say whether one did."""
        here, page = self._at
        for number in range(page + 1, SLOTS + 1):
            if self._keep((here, number), index):
                return True
        for number in range(1, SLOTS + 1):
            if self._keep((1 - here, number), index):
                return True
        return False

    def _keep(self, place: tuple, index: int) -> bool:
        """Program a free slot with `_next` and read it back."""
        which, number = place
        page = self._page
        self._read(which, number)
        if page != _FREE:
            return False
        for offset in (0, _COPY_AT):
            struct.pack_into("<I", page, offset, index)
            page[offset + _STATE_AT : offset + _CRC_AT] = self._next
            crc = crc32(memoryview(page)[offset : offset + _CRC_AT])
            struct.pack_into("<I", page, offset + _CRC_AT, crc)
        wanted = crc32(page)
        self._write(which, number)
        self._read(which, number)
        if crc32(page) != wanted:
            self._overwrite(which, number)
            return False
        self._at = place
        return True

    def _overwrite(self, which: int, number: int) -> None:
        """Program zeros over a slot: bits go from 1 to 0 without an erase."""
        self._page[:] = _SPENT
        self._write(which, number)

    def _renew(self, which: int) -> None:
        """Erase a block, spent by now, and give it its header again.

        One that does not take it is not used again before it is made anew at the next boot.
        """
        self._device.ioctl(_ERASE_BLOCK, self._number(which))
        self._page[:] = _FREE
        self._put_mark(which, self._page)
        wanted = crc32(self._page)
        self._write(which, 0)
        self._read(which, 0)
        if crc32(self._page) != wanted:
            self._blocks[which] = None

    def _read(self, which: int, page: int) -> None:
        self._device.readblocks(self._number(which), self._page, page * PAGE_BYTES)

    def _write(self, which: int, page: int) -> None:
        self._device.writeblocks(self._number(which), self._page, page * PAGE_BYTES)

    def _number(self, which: int) -> int:
        number = self._blocks[which]
        if number is None:
            raise OSError(_ENODEV)
        return number


def _wipe(buffer: bytearray) -> None:
    for index in range(len(buffer)):
        buffer[index] = 0


def _turned_over(mark: bytes) -> bytes:
    """Return the bits turned over: the file's copy must not look like a block's."""
    return bytes([0xFF ^ byte for byte in mark])
