"""A board on MicroPython that has a sealing key: flash, boots, runs, and what must hold of them.

For seal_cuts.py and the scripts of test_seal_key.py. The flash is NOR: a program only clears bits.
"""

import micropython
import vfs

from dewarlog_firmware.flash_log import FlashLog
from dewarlog_firmware.logbook import Logbook
from dewarlog_firmware.recorder import Recorder
from dewarlog_firmware.seal_key import SealKey
from dewarlog_wire import block, layout, proof, seal

BLOCK_BYTES = 4096
BLOCKS = 64
PAGE_BYTES = 256
EVENTS_A_RUN = 15  # two runs, 17 seals each: both blocks of the key run full
BEFORE = 0  # else an operation is cut in its midst, that many eighths of it done
EIO = -5
PIECE_BYTES = 8


class PowerCut(Exception):
    """The supply is gone: nothing after this reaches the flash."""


@micropython.viper
def _program(image: ptr8, start: int, data: ptr8, count: int):  # noqa: F821, ANN202 - viper's own
    for at in range(count):
        image[start + at] = image[start + at] & data[at]


class Nor:
    """NOR flash in RAM that dies at a chosen operation.

    Dead it answers with an errno: files of the lost session, which the garbage collector closes
    some time, reach nothing, and a boot has a new object over the same bytes.
    """

    def __init__(self, how: int, data: "bytearray | None" = None) -> None:
        self.data = bytearray(b"\xff" * (BLOCK_BYTES * BLOCKS)) if data is None else data
        self.how = how
        self.left = -1
        self.erases = [0] * BLOCKS
        self.writes_nothing: "list[int]" = []  # worn out blocks
        self.operations = 0
        self.dead = False

    def _spend(self) -> bool:
        """Count an operation; say whether it is cut."""
        self.operations += 1
        if self.left < 0:
            return False
        self.left -= 1
        self.dead = self.left < 0
        return self.dead

    def readblocks(self, block_num: int, buf: bytearray, offset: int = 0) -> int:
        """Copy bytes out."""
        if self.dead:
            return EIO
        start = block_num * BLOCK_BYTES + offset
        buf[:] = memoryview(self.data)[start : start + len(buf)]
        return 0

    def writeblocks(self, block_num: int, buf: bytearray, offset: int = 0) -> int:
        """Clear the bits that are 0 in `buf`; one that is cut in its midst clears some."""
        if self.dead:
            return EIO
        if block_num in self.writes_nothing:
            return 0
        assert offset % PAGE_BYTES == len(buf) % PAGE_BYTES == 0, (offset, len(buf))
        start = block_num * BLOCK_BYTES + offset
        count = len(buf)
        cut = self._spend()
        if cut and self.how == BEFORE:
            raise PowerCut
        if cut:
            count = count * self.how // 8  # 1: in the first copy of a slot; 5: in the second
            for at in range(count, count + 16):
                self.data[start + at] &= buf[at] | 0x55
        _program(self.data, start, buf, count)
        if cut:
            raise PowerCut
        return 0

    def ioctl(self, op: int, arg: int) -> int:
        """Tell the geometry (4, 5) or erase a block (6)."""
        if op == 4:
            return BLOCKS
        if op == 5:
            return BLOCK_BYTES
        if op == 6:
            if self.dead:
                return EIO
            start = arg * BLOCK_BYTES
            if self._spend():
                if self.how != BEFORE:
                    for at in range(start, start + BLOCK_BYTES, 3):
                        self.data[at] |= 0x5A
                raise PowerCut
            self.data[start : start + BLOCK_BYTES] = b"\xff" * BLOCK_BYTES
            self.erases[arg] += 1
        return 0


class Engine:
    """Stands for the excursion engine: no samples are judged here."""

    mute = False

    def sample(self, number: int, t_s: int, t_ms: int, codes: tuple) -> None:
        """Judge no sample."""

    def state_bytes(self) -> bytes:
        """Return no state."""
        return b""

    def restore(self, state: bytes) -> None:
        """Take no state."""

    def break_time(self) -> None:
        """Do nothing."""


class Random:
    """Bytes that repeat from run to run, so that the test knows the first state."""

    def __init__(self) -> None:
        self.seed = 1
        self.mixed, self.parts = bytes(32), 0  # of a first state that is being drawn
        self.states: "list[bytes]" = []  # every state this flash may ever have held

    def __call__(self, count: int) -> bytes:
        """Return the next bytes; 32 times 32 of them make a first state."""
        drawn = bytearray(count)
        for index in range(count):
            self.seed = (self.seed * 1103515245 + 12345) & 0x3FFFFFFF
            drawn[index] = self.seed >> 16 & 0xFF
        if count == seal.STATE_BYTES:
            self.mixed = proof.hmac_sha256(self.mixed, drawn)
            self.parts += 1
            if self.parts < 32:
                return bytes(drawn)
            self.states = [self.mixed]
            self.mixed, self.parts = bytes(32), 0
            for _ in range(60):
                self.states.append(seal.next_state(self.states[-1]))
        return bytes(drawn)


def format_flash(nor: Nor) -> None:
    """Make an empty file system."""
    vfs.VfsLfs2.mkfs(nor, progsize=PAGE_BYTES)


def was_sealed() -> bool:
    """Tell whether blocks of a key are stored, as app does."""
    return FlashLog("/f/log").newest_key_index() > 0


def boot(nor: Nor, draw: Random) -> Logbook:
    """Mount the flash and open the key and the log as a boot does."""
    vfs.mount(vfs.VfsLfs2(nor, progsize=PAGE_BYTES), "/f")
    key = SealKey(nor, "/f", draw)
    key.open(was_sealed)
    recorder = Recorder((0,), False)
    return Logbook(recorder, FlashLog("/f/log"), Engine(), layout.FULL_STOP, key=key)


def begin(book: Logbook) -> None:
    """Begin a run as app does."""
    book.at(1, 0)
    book.begin([(layout.SECTION_TEXT, b"\x02dewar")], b"logid123", 7)
    book.note_key()


class Watch:
    """What must hold while the script runs: the highest index, and old states that are gone."""

    def __init__(self, nor: Nor, draw: Random) -> None:
        self.nor = nor
        self.draw = draw
        self.index = 0
        self.blocks = 0

    def look(self, book: Logbook) -> None:
        """Look at a completed step."""
        key = book.key
        assert key.index >= self.index, ("index", self.index, key.index)
        self.index = key.index
        assert key.secret == self.draw.states[key.index - 1], "state"
        image = self.nor.data
        for number in range(key.index - 1):
            state = self.draw.states[number]
            assert image.find(state) < 0, ("old state", number + 1)
            if number > key.index - 4:
                for at in range(0, len(state), PIECE_BYTES):
                    piece = state[at : at + PIECE_BYTES]
                    assert image.find(piece) < 0, ("piece of old state", number + 1, at)


def script(nor: Nor, draw: Random, watch: "Watch | None") -> None:
    """Begin two runs, one after the other, and seal block after block."""
    book = boot(nor, draw)
    if watch is not None:
        watch.look(book)
    for _ in (1, 2):
        begin(book)
        for number in range(EVENTS_A_RUN):
            book.at(10 * number, 0)
            book.emit(layout.KIND_SUPPLY, (3300, 0))
            book.commit()
            if number == 3:
                window = (list(range(64)), list(range(64)), list(range(64)))
                book.write_shock(
                    book.recorder.shock_sections((1, 64, 10, 3200, 100, 0), window), 10 * number, 5
                )
            book.seal()
            if watch is not None:
                watch.look(book)
        book.end()


def seals(book: Logbook, draw: Random) -> list:
    """Return the key index of every block stored; each tag checked, and the chain."""
    found = []
    for index, tag, chain in tags(book):
        assert index, "a block without a seal"
        assert tag == seal.block_tag(draw.states[index - 1], chain), ("tag", index)
        found.append(index)
    return found


def tags(book: Logbook) -> list:
    """Return (key index, tag, chain value) of every block stored; the chain is checked."""
    found = []
    for run in book.flash.runs():
        chain = layout.CHAIN_START
        for segment in book.flash.segments(run):
            with open("/f/log/%08x/%04x.seg" % (run, segment), "rb") as file:
                data = file.read()
            offset = 0
            while offset < len(data):
                one = block.check_block(data, offset, chain)
                chain = one.chain
                found.append(block.read_seal(data, one) + (chain,))
                offset += one.length
    return found
