"""Chips behind a bus, down to their registers and no further: a test sets and reads those.

They answer a transfer as the datasheets say and count what was asked. They know no physics: a test
puts the registers where it wants them, raises DRDY or INT1 itself, and looks at what came of it.
Written apart from tools/simboard, which models the same chips in full.
"""

from collections import deque
from collections.abc import Callable

Outgoing = bytes | bytearray | memoryview


class Pin:
    """A pin: an output as seen by a chip, or an input a test drives, with one handler."""

    def __init__(self, level: int = 1) -> None:
        self.now = level
        self.active = 1 - level  # the level whose edge is watched
        self.handler: Callable[[object], None] | None = None
        self.on_change: Callable[[int], None] | None = None
        self._serving = False
        self._latched = False

    def __call__(self, level: int | None = None) -> int:
        """Drive the pin, or return its level."""
        if level is not None and level != self.now:
            self.now = level
            if self.on_change is not None:
                self.on_change(level)
        return self.now

    def level(self) -> int:
        """Return the level, as board.InterruptLine does."""
        return self.now

    def watch(self, handler: Callable[[object], None] | None) -> None:
        """Remember who wants the edges, as board.InterruptLine does."""
        self.handler = handler

    def edge(self, level: int) -> None:
        """Go to `level` and, if that is the watched edge, interrupt."""
        changed = level != self.now
        self(level)
        if changed and level == self.active:
            self.interrupt()

    def interrupt(self) -> None:
        """Call the handler.

        As on a board, a handler does not interrupt itself: an edge that comes meanwhile is
        latched and served after.
        """
        if self.handler is None:
            return
        self._latched = True
        if self._serving:
            return
        self._serving = True
        while self._latched:
            self._latched = False
            self.handler(self)
        self._serving = False


class SpiBus:
    """SPI with one or more chips; the chip whose select is low answers."""

    def __init__(self, *chips: "SpiChip") -> None:
        self.chips = chips
        self.transfers = 0

    def write_readinto(self, outgoing: Outgoing, incoming: bytearray | memoryview) -> None:
        """Move bytes both ways; nobody selected reads as 0xFF."""
        assert len(outgoing) == len(incoming), "write_readinto takes equal lengths"
        selected = [chip for chip in self.chips if chip.cs.now == 0]
        assert len(selected) < 2, "two chips selected at once"
        self.transfers += 1
        for at, byte in enumerate(outgoing):
            incoming[at] = selected[0].exchange(byte) if selected else 0xFF


class SpiChip:
    """A chip that takes an address byte, then moves through its registers."""

    def __init__(self, register_count: int) -> None:
        self.registers = bytearray(register_count)
        self.cs = Pin(1)
        self.cs.on_change = self._select
        self.dead: int | None = None  # a byte it answers to everything, deaf to what it hears
        self.frames: list[bytes] = []  # what was sent to it, one entry a chip select
        self._frame = bytearray()

    def exchange(self, byte: int) -> int:
        """Take one byte and give one."""
        self._frame.append(byte)
        if self.dead is not None:
            return self.dead
        if len(self._frame) == 1:
            self.address(byte)
            return 0xFF  # what SDO gives while the address comes in is not defined
        return self.data(byte)

    def address(self, byte: int) -> None:
        """Take the address byte."""
        raise NotImplementedError

    def data(self, byte: int) -> int:
        """Move one data byte each way."""
        raise NotImplementedError

    def finished(self) -> None:
        """See the chip select rise after a frame."""

    def _select(self, level: int) -> None:
        if level == 0:
            self._frame = bytearray()
        elif self._frame:
            self.frames.append(bytes(self._frame))
            if self.dead is None:
                self.finished()


class Max31856Chip(SpiChip):
    """MAX31856 registers 0x00 to 0x0F; `convert` is what a conversion does to them."""

    POWER_ON = bytes.fromhex("0003ff7fc07fff800000 0000 000000 00")

    def __init__(self) -> None:
        super().__init__(16)
        self.drdy = Pin(1)
        self.conversions_started = 0
        self.open_tests_asked = 0
        self._register = 0
        self._writing = False
        self.power_on()

    def power_on(self) -> None:
        """Forget everything, as after a dip of the supply."""
        self.registers[:] = self.POWER_ON

    def put_result(self, voltage_raw: int, cold_junction_raw: int, fault: int = 0) -> None:
        """Put a result into the registers without saying so."""
        self.registers[0x0A:0x0C] = ((cold_junction_raw & 0x3FFF) << 2).to_bytes(2, "big")
        self.registers[0x0C:0x0F] = ((voltage_raw & 0x7FFFF) << 5).to_bytes(3, "big")
        self.registers[0x0F] = fault

    def convert(self, voltage_raw: int, cold_junction_raw: int, fault: int = 0) -> None:
        """Finish the conversion that was started: result, 1SHOT clear, DRDY falls."""
        self.put_result(voltage_raw, cold_junction_raw, fault)
        self.registers[0] &= ~0x40
        self.drdy.edge(0)

    def address(self, byte: int) -> None:
        """Bit 7 says write."""
        self._writing = bool(byte & 0x80)
        self._register = byte & 0x0F

    def data(self, byte: int) -> int:
        """Count the address up with each byte; reading the last voltage byte raises DRDY."""
        register = self._register
        self._register = (register + 1) & 0x0F
        answer = self.registers[register]
        if self._writing and register < 0x0C:
            if register == 0 and not answer & 0x30 and byte & 0x30:
                self.open_tests_asked += 1
            self.registers[register] = byte
        elif not self._writing and register == 0x0E:
            self.drdy(1)
        return answer

    def finished(self) -> None:
        """A write that leaves 1SHOT set starts a conversion as the chip select rises."""
        if self._writing and self.registers[0] & 0x40:
            self.conversions_started += 1


class Adxl372Chip(SpiChip):
    """ADXL372 registers 0x00 to 0x41, its FIFO of 512 words and its activity detection.

    Absolute thresholds, default and linked mode, activity of a single sample.
    """

    ACTIVITY, INACTIVITY = 0x20, 0x10

    def __init__(self) -> None:
        super().__init__(0x43)
        self.int1 = Pin(0)
        self.fifo: deque[int] = deque()
        self.fifo_words_most = 512
        self.resets = 0
        self.upset = False
        self._register = 0
        self._reading = False
        self._word = 0
        self._half = False
        self.power_on()

    def power_on(self) -> None:
        """Forget everything, as after a dip of the supply."""
        self.registers[:] = bytes(len(self.registers))
        self.registers[0:4] = b"\xad\x1d\xfa\x03"
        self.registers[0x39] = 0x80
        self.fifo.clear()
        self.awake = False
        self.overrun = False
        self.quiet_samples = 0
        self._full_told = False  # the watermark interrupt, up to a read of STATUS after its cause

    def measure(self, x: int, y: int, z: int, *, edges: bool = True) -> None:
        """Take one sample: into the FIFO, past the detector, INT1 as mapped."""
        for axis, value in enumerate((x, y, z)):
            self.fifo.append((value & 0xFFF) << 4 | (1 if axis == 0 else 0))
        while len(self.fifo) > self.fifo_words_most:
            self.fifo.popleft()
            self.overrun = True
        # Behind the 10 Hz activity detect filter one sample is next to nothing.
        if self.registers[0x3F] & 0x0B == 0x0B:
            threshold = self.registers[0x23] << 3 | self.registers[0x24] >> 5
            self._detect(beyond=max(abs(x), abs(y), abs(z)) > threshold)
        self.update_int1(edges=edges)

    def _detect(self, *, beyond: bool) -> None:
        linked = bool(self.registers[0x3E] & 0x30)
        found = self.registers[0x05]
        if beyond:
            self.quiet_samples = 0
            if not linked or not (self.awake or found & self.INACTIVITY):
                self.registers[0x05] |= self.ACTIVITY
                self.awake = True
        elif not linked or (self.awake and not found & self.ACTIVITY):
            self.quiet_samples += 1
            timer = self.registers[0x30] << 8 | self.registers[0x31]
            if self.quiet_samples >= max(1, timer * 83):  # 26 ms at 3200 Hz
                self.registers[0x05] |= self.INACTIVITY
                self.awake = False

    def update_int1(self, *, edges: bool = True) -> None:
        """Drive INT1 as the map says; without `edges` nobody hears it."""
        if self._watermark_reached():
            self._full_told = True
        mapped = self.registers[0x3B]
        level = int(
            bool(mapped & 0x20 and self.registers[0x05] & self.ACTIVITY)
            or bool(mapped & 0x04 and self._full_told)
        )
        if edges:
            self.int1.edge(level)
        else:
            self.int1(level)

    def _watermark_reached(self) -> bool:
        words = (self.registers[0x3A] & 1) << 8 | self.registers[0x39]
        return bool(self.registers[0x3A] & 0x06) and len(self.fifo) >= words

    def address(self, byte: int) -> None:
        """The address is in bits 7 to 1; bit 0 says read."""
        self._reading = bool(byte & 1)
        self._register = byte >> 1
        self._half = False

    def data(self, byte: int) -> int:
        """Count the address up with each byte, but pop words from FIFO_DATA."""
        register = self._register
        if register == 0x42 and self._reading:
            self._half = not self._half
            if self._half:
                self._word = self.fifo.popleft() if self.fifo else 0
                return self._word >> 8
            return self._word & 0xFF
        self._register += 1
        if not self._reading:
            self._write(register, byte)
            return 0
        if register == 0x04:
            return self._read_status()
        if register == 0x05:
            return self._read_status2()
        if register == 0x06:
            return len(self.fifo) >> 8
        if register == 0x07:
            return len(self.fifo) & 0xFF
        return self.registers[register]

    def _write(self, register: int, byte: int) -> None:
        self.registers[register] = byte
        if register == 0x41 and byte == 0x52:
            self.resets += 1
            self.power_on()

    def _read_status(self) -> int:
        reached = self._watermark_reached()
        status = 0x80 * self.upset | 0x40 * self.awake | 0x08 * self.overrun | 0x04 * reached
        if not reached:
            self._full_told = False
        if not self.fifo:
            self.overrun = False
        return status

    def _read_status2(self) -> int:
        status = self.registers[0x05]
        # Not linked, activity of a single sample stays until the chip has been in standby.
        stays = 0 if self.registers[0x3E] & 0x30 or self.registers[0x29] else self.ACTIVITY
        self.registers[0x05] &= stays
        if status & ~stays & (self.ACTIVITY | self.INACTIVITY):
            self.quiet_samples = 0
        return status

    def finished(self) -> None:
        """What was read or written may change INT1."""
        self.update_int1()


class I2cBus:
    """I2C with chips by address; nobody there is OSError, as on a board."""

    def __init__(self, **_options: object) -> None:
        self.chips: dict[int, I2cChip] = {}

    def readfrom_mem_into(
        self, address: int, register: int, incoming: bytearray | memoryview
    ) -> None:
        """Read registers from `register` on."""
        self._chip(address).read(register, incoming)

    def writeto_mem(self, address: int, register: int, outgoing: Outgoing) -> None:
        """Write registers from `register` on."""
        self._chip(address).write(register, outgoing)

    def _chip(self, address: int) -> "I2cChip":
        if address not in self.chips:
            raise OSError(5)
        return self.chips[address]


class I2cChip:
    """A plain register file."""

    def __init__(self, register_count: int) -> None:
        self.registers = bytearray(register_count)
        self.before_read: Callable[[], None] | None = None

    def read(self, register: int, incoming: bytearray | memoryview) -> None:
        """Give registers from `register` on."""
        if self.before_read is not None:
            self.before_read()
        incoming[:] = self.registers[register : register + len(incoming)]

    def write(self, register: int, outgoing: Outgoing) -> None:
        """Take registers from `register` on."""
        self.registers[register : register + len(outgoing)] = outgoing


class Lis3dhChip(I2cChip):
    """LIS3DH: the address counts up only with bit 7 of the sub-address set."""

    def __init__(self) -> None:
        super().__init__(0x40)
        self.registers[0x0F] = 0x33

    def measure(self, x_raw: int, y_raw: int, z_raw: int, status: int = 0x08) -> None:
        """Put a set of left-justified values into the output registers."""
        self.registers[0x27] = status
        for axis, value in enumerate((x_raw, y_raw, z_raw)):
            at = 0x28 + 2 * axis
            self.registers[at : at + 2] = value.to_bytes(2, "little", signed=True)

    def read(self, register: int, incoming: bytearray | memoryview) -> None:
        """Give one register over and over without the auto-increment bit."""
        if register & 0x80:
            super().read(register & 0x7F, incoming)
        else:
            incoming[:] = bytes((self.registers[register],)) * len(incoming)

    def write(self, register: int, outgoing: Outgoing) -> None:
        """As `read`."""
        assert register & 0x80 or len(outgoing) == 1, "several bytes need auto-increment"
        super().write(register & 0x7F, outgoing)


class Ds3231Chip(I2cChip):
    """DS3231 registers; its clock moves only when a test moves it."""

    def __init__(self) -> None:
        super().__init__(0x13)
        self.registers[0x0E] = 0x1C
        self.registers[0x0F] = 0x88  # OSF and EN32kHz after the first power-on
