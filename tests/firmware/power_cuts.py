"""Run on MicroPython: cut the power at flash operations of a scripted run, remount, compare.

argv: first operation to cut at, step. A RAM block device under MicroPython's own littlefs raises
PowerCut at the chosen program or erase (a program is torn half-way), then the log is opened again
as after a boot. Prints one line per failure and a closing line with counts.
"""

import struct
import sys

import vfs

from dewarlog_firmware.flash_log import FlashLog
from dewarlog_firmware.logbook import Logbook
from dewarlog_firmware.recorder import Recorder
from dewarlog_wire import block, layout

BLOCK_BYTES = 4096
BLOCKS = 96
SAMPLES = 40


class PowerCut(Exception):
    """The supply is gone: nothing after this reaches the flash."""


class Nor:
    """NOR flash in RAM that dies at a chosen operation."""

    def __init__(self) -> None:
        self.data = memoryview(bytearray(BLOCK_BYTES * BLOCKS))
        self.left = -1
        self.operations = 0
        self.dead = False

    def _spend(self) -> bool:
        if self.dead:
            raise PowerCut
        self.operations += 1
        if self.left >= 0:
            self.left -= 1
            if self.left < 0:
                self.dead = True
                return True
        return False

    def readblocks(self, number: int, buffer: memoryview, offset: int = 0) -> None:
        """Copy bytes out, as littlefs asks."""
        start = number * BLOCK_BYTES + offset
        buffer[:] = self.data[start : start + len(buffer)]

    def writeblocks(self, number: int, buffer: memoryview, offset: int = 0) -> None:
        """Program bytes; the operation the power fails at leaves half of them."""
        start = number * BLOCK_BYTES + offset
        if self._spend():
            torn = len(buffer) // 2
            self.data[start : start + torn] = memoryview(buffer)[:torn]
            raise PowerCut
        self.data[start : start + len(buffer)] = buffer

    def ioctl(self, operation: int, argument: int) -> int:
        """Tell the geometry (4, 5) or erase a block (6)."""
        if operation == 4:
            return BLOCKS
        if operation == 5:
            return BLOCK_BYTES
        if operation == 6:
            if self._spend():
                raise PowerCut
            start = argument * BLOCK_BYTES
            self.data[start : start + BLOCK_BYTES] = b"\xff" * BLOCK_BYTES
        return 0


class Engine:
    """Stands for the excursion engine: its state is the number of samples it has seen."""

    def __init__(self) -> None:
        self.seen = 0
        self.mute = False

    def sample(self, number: int, t_s: int, t_ms: int, values: tuple) -> None:
        """Count one sample."""
        self.seen += 1

    def state_bytes(self) -> bytes:
        """Return the count."""
        return struct.pack("<I", self.seen)

    def restore(self, data: bytes) -> None:
        """Take a count back."""
        self.seen = struct.unpack("<I", data)[0]

    def break_time(self) -> None:
        """Do nothing: counting knows no time."""


def new_logbook() -> Logbook:
    """Open the log as a boot does."""
    recorder = Recorder((0, 1, 2), False)
    engine = Engine()
    flash = FlashLog("/f/log", recorder.buffer)
    return Logbook(recorder, flash, engine, layout.FULL_STOP)


def codes(number: int) -> tuple:
    """Return the codes of one sample."""
    return (-24000 + number, -24100 - number, -32767 if number % 7 == 3 else -23000, 1280)


def script(book: Logbook, durable: list) -> None:
    """Write SAMPLES samples, some events, a shock window and a few seals."""
    book.at(1, 0)
    book.begin([(layout.SECTION_TEXT, b"\x02dewar")], b"logid123", 7)
    recorder = book.recorder
    for number in range(SAMPLES):
        book.at(10 * number, 0)
        if recorder.count == 0:
            recorder.begin_span(10000, 10 * number, 0)
        book.judge(0, codes(number))
        recorder.sample(0, codes(number))
        if recorder.wants_raw:
            recorder.raw_set(0, 0, -1000, 1280)
        if number % 9 == 4:
            book.emit(layout.KIND_SUPPLY, (3300, 0))
        book.commit()
        durable[0] = number + 1
        if number == 12:
            window = (list(range(100)), list(range(100)), list(range(100)))
            book.write_shock((1, 100, 10, 3200, 100, 0), window, 10 * number, 5)
        if number in (10, 11, 25):
            book.seal()


def read_run(book: Logbook) -> list:
    """Return the samples of the run as the sealed blocks tell, checking the chain on the way."""
    from dewarlog_wire.column import decode_column

    samples = []
    chain = layout.CHAIN_START
    events = 0
    for segment in book.flash.segments(book.recorder.run):
        with open("/f/log/%08x/%04x.seg" % (book.recorder.run, segment), "rb") as file:
            data = file.read()
        offset = 0
        while offset < len(data):
            found = block.check_block(data, offset, chain)
            chain = found.chain
            count = 0
            for kind, start, end in block.sections(data, found.body_start, found.body_end):
                if kind == layout.SECTION_SPAN:
                    first, count, _ = struct.unpack_from(layout.SPAN.format, data, start)
                    assert first == len(samples), (first, len(samples))
                elif kind == layout.SECTION_COLUMN and count:
                    if data[start] == 0 and data[start + 1] == 0:
                        samples.extend(decode_column(data[start:end], count))
                elif kind == layout.SECTION_EVENTS:
                    first, number = struct.unpack_from(layout.EVENTS_HEAD.format, data, start)
                    assert first == events, (first, events)
                    events += number
            offset += found.length
    assert chain == book.recorder.chain, "chain"
    return samples


def one_cut(left: int) -> bool:
    """Cut at operation `left`; return False when the script ended before it."""
    nor = Nor()
    vfs.VfsLfs2.mkfs(nor)
    vfs.mount(nor, "/f")
    durable = [0]
    nor.left = left
    cut = False
    book = None
    try:
        book = new_logbook()
        script(book, durable)
    except (PowerCut, OSError):
        cut = nor.dead
        assert cut
    if not cut:
        vfs.umount("/f")
        return False
    # The board boots again: a new mount over the same bytes. The old handle must not be left to
    # the garbage collector, which would close it with the heap locked.
    try:
        book.flash.release()
    except (PowerCut, OSError, AttributeError):
        pass
    nor.dead = False
    nor.left = -1
    try:
        vfs.umount("/f")
    except OSError:
        pass
    vfs.mount(nor, "/f")
    book = new_logbook()
    book.at(0, 0)
    state = book.flash.open_run()
    if state is None:
        assert durable[0] == 0
    else:
        book.resume()
        samples = read_run(book)
        assert len(samples) >= durable[0], (len(samples), durable[0])
        assert samples == [codes(n)[0] for n in range(len(samples))]
        assert book.engine.seen == len(samples), (book.engine.seen, len(samples))
        # The run goes on: one more sample, sealed, still one unbroken chain.
        number = len(samples)
        book.recorder.begin_span(10000, 5, 0)
        book.judge(0, codes(number))
        book.recorder.sample(0, codes(number))
        book.commit()
        book.seal()
        assert len(read_run(book)) == number + 1
    vfs.umount("/f")
    return True


def main(first: int, step: int) -> None:
    """Cut at every `step`-th operation from `first` on until the script outlives the cut."""
    cuts = 0
    failures = 0
    left = first
    while True:
        try:
            if not one_cut(left):
                break
        except Exception as error:
            failures += 1
            print("cut at operation %d: %r" % (left, error))
            sys.print_exception(error)
            if failures > 3:
                break
            try:
                vfs.umount("/f")
            except OSError:
                pass
        cuts += 1
        left += step
    print("%d cuts, %d failures" % (cuts, failures))


main(int(sys.argv[1]), int(sys.argv[2]))
