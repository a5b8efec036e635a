"""NOR flash behind MicroPython's own littlefs: programming clears bits, erasing takes long.

While a block is erased or programmed the processor's interrupts are off, as on rp2, where code
runs from the same flash; time goes on and what was triggered meanwhile is served afterwards. The
supply may go at any moment: a program then leaves its pages in part, an erase leaves a mix of old
and erased bits. Bits may also turn over while nobody looks: `flip`.
"""

import micropython

from simboard.device.noise import Noise
from simboard.device.power import PowerCut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from simboard.device.clock import Clock

BLOCK_BYTES = 4096  # sector of the W25Q16JV on a Pico; what rp2.Flash calls a block
PAGE_BYTES = 256
_READ_CALL_US = 2  # read in place over quad SPI: 20 MB/s once started
_PROGRAM_CALL_US = 12


def _memory(count: int) -> bytearray:
    """Return `count` bytes the garbage collector need not look through, where that can be had."""
    try:
        import ffi
        import uctypes

        allocate = ffi.open(None).func("p", "malloc", "L")
        return uctypes.bytearray_at(allocate(count), count)
    except (ImportError, OSError):
        return bytearray(count)


# Machine code, and no slices: a slice is three objects, and these run a hundred times a sample.
@micropython.viper
def _copy(image: ptr8, start: int, into: ptr8, count: int):  # noqa: F821 - viper has types of its own
    for i in range(count):
        into[i] = image[start + i]


@micropython.viper
def _erase(image: ptr8, start: int):  # noqa: F821 - viper has types of its own
    for i in range(start, start + 4096):
        image[i] = 0xFF


@micropython.viper
def _program(image: ptr8, start: int, data: ptr8, count: int):  # noqa: F821 - viper has types of its own
    for i in range(count):
        image[start + i] = image[start + i] & data[i]


class NorFlash:
    """The file system's part of the flash chip, and how long its operations take.

    `cut_operation`, when not negative, takes the supply away at that operation (erases and
    programs count together, from 0), after `cut_fraction` of its time: 0 is just before it, with
    nothing changed, 1 just after it, with all of it done. `watch`, if any, is called with the
    number of each operation before it begins.
    """

    def __init__(
        self,
        clock: "Clock",
        block_count: int,
        seed: int,
        erase_us: tuple[int, int] = (45000, 300000),
        program_us: int = 400,
    ) -> None:
        self.clock = clock
        self.block_count = block_count
        self.image = _memory(BLOCK_BYTES * block_count)
        for block in range(block_count):
            _erase(self.image, block * BLOCK_BYTES)
        self.erase_us = erase_us
        self.program_us = program_us
        self.operations = 0
        self.erases = 0
        self.programmed_pages = 0
        self.longest_stall_us = 0
        self.busy_us = 0  # time of erasing and programming
        self.worked_us = -1000000000  # when the last erase or program was over
        self.cut_operation = -1
        self.cut_fraction = 0.5
        self.watch: "Callable[[int], object] | None" = None
        self.wear = [0] * block_count
        self._noise = Noise(seed)

    def load(self, data: bytes) -> None:
        """Take over an image saved before. Raises ValueError when its size is another."""
        if len(data) != len(self.image):
            raise ValueError(
                "flash image has %d bytes, the board's file system %d"
                % (len(data), len(self.image))
            )
        self.image[:] = data

    def flip(self, bit: int) -> None:
        """Turn one bit of the image over, at rest: no operation, no time."""
        self.image[bit >> 3] ^= 1 << (bit & 7)

    def read(self, start: int, into: bytearray) -> None:
        """Fill `into` from `start`."""
        count = len(into)
        _copy(self.image, start, into, count)
        self.clock.now += _READ_CALL_US + count // 20

    def program(self, start: int, data: bytes) -> None:
        """Clear the bits that are 0 in `data`, page by page."""
        count = len(data)
        pages = (count + PAGE_BYTES - 1) // PAGE_BYTES
        fraction = self._stall(_PROGRAM_CALL_US + pages * self.program_us)
        if fraction is not None and fraction > 0:
            whole = int(count * fraction)
            _program(self.image, start, data, whole)
            torn = bytearray(data[whole : whole + 16])
            for i in range(len(torn)):  # bits of a torn page clear in no order
                torn[i] |= self._noise.bits(8)
            _program(self.image, start + whole, torn, len(torn))
        if fraction is not None:
            raise PowerCut
        _program(self.image, start, data, count)
        self.programmed_pages += pages

    def erase(self, block: int) -> None:
        """Set all bits of one block."""
        start = block * BLOCK_BYTES
        fraction = self._stall(self._erase_time_us())
        if fraction is not None:
            if fraction >= 1:
                _erase(self.image, start)
            elif fraction > 0:
                self._half_erase(start, fraction)
            raise PowerCut
        _erase(self.image, start)
        self.erases += 1
        self.wear[block] += 1

    def _half_erase(self, start: int, fraction: float) -> None:
        """Leave old and erased bits mixed."""
        image = self.image
        for i in range(start, start + BLOCK_BYTES):
            if fraction > 0.9 or not self._noise.bits(1):
                image[i] |= self._noise.bits(8) | self._noise.bits(8)

    def _erase_time_us(self) -> int:
        """Most erases take near the shortest time, one in a hundred near the longest."""
        shortest, longest = self.erase_us
        part = self._noise.bits(10)  # to the sixth power
        part = part * part >> 10
        part = part * part * part >> 20
        return shortest + ((longest - shortest) * part >> 10)

    def _stall(self, us: int) -> float | None:
        """Let the operation's time pass with interrupts off; return the part done if cut."""
        clock = self.clock
        if self.watch is not None:
            self.watch(self.operations)
        cut = self.operations == self.cut_operation
        self.operations += 1
        if us > self.longest_stall_us:
            self.longest_stall_us = us
        self.busy_us += us
        before = clock.disable_irq()
        start_us = clock.now
        try:
            clock.advance_to(start_us + (int(us * self.cut_fraction) if cut else us))
        except PowerCut:
            clock.irq_on = True
            return (clock.now - start_us) / us
        if cut:
            clock.irq_on = True
            return self.cut_fraction
        self.worked_us = clock.now
        clock.enable_irq(before)
        return None


class BlockDevice:
    """What rp2.Flash is to vfs.VfsLfs2; dead after a cut or reset: old files reach nobody.

    A PowerCut raised here leaves littlefs' code in the middle, whose open files are then not to be
    touched any more. With `on_cut` the device instead fails from then on, and `on_cut` is called,
    which must see to it that the firmware ends before anybody hears of it.
    """

    def __init__(self, flash: "NorFlash", on_cut: "Callable[[], object] | None" = None) -> None:
        self.dead = False
        self._flash = flash
        self._on_cut = on_cut

    def readblocks(self, block: int, buf: bytearray, offset: int = 0) -> int:
        """Fill `buf`; negative: an errno."""
        if self.dead:
            return -5
        self._flash.read(block * BLOCK_BYTES + offset, buf)
        return 0

    def writeblocks(self, block: int, buf: bytearray, offset: int | None = None) -> int:
        """Program `buf`; without an offset erase first, as the simple interface has it."""
        if self.dead:
            return -5
        try:
            if offset is None:
                for i in range((len(buf) + BLOCK_BYTES - 1) // BLOCK_BYTES):
                    self._flash.erase(block + i)
                offset = 0
            self._flash.program(block * BLOCK_BYTES + offset, buf)
        except PowerCut:
            return self._die()
        return 0

    def ioctl(self, request: int, argument: object) -> int:
        """Answer block count, block size and erase: the requests littlefs makes."""
        if request == 4:
            return self._flash.block_count
        if request == 5:
            return BLOCK_BYTES
        if request == 6:
            if self.dead:
                return -5
            try:
                self._flash.erase(argument)
            except PowerCut:
                return self._die()
        return 0

    def _die(self) -> int:
        """Fail for good; raises PowerCut where nobody is to be called."""
        self.dead = True
        if self._on_cut is None:
            raise PowerCut
        self._on_cut()
        return -5
