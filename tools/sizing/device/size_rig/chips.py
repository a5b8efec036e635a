"""Chips down to the registers the drivers touch, on buses that hold nothing but those.

A probe reads one temperature for ever, or the warmer one; the accelerometer makes its FIFO's words
as they are read. tools/simboard models the same chips in full, and takes a megabyte for it.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# MAX31856, voltage mode, gain 32: type T at -190 and at -140 degC, cold junction 20 degC.
_COLD = b"\x14\x00\xdb\x00\x00\x00"  # CJTH, CJTL, LTCBH, LTCBM, LTCBL, SR
_WARM = b"\x14\x00\xe3\x00\x00\x00"
_POWER_ON = b"\x00\x03\xff\x7f\xc0\x7f\xff\x80\x00\x00"
_FIFO = 0x42  # ADXL372 registers
_ACTIVITY = 0x20
_AWAKE = 0x40


class Pin:
    """machine.Pin: a select that a chip hears, or a line with one handler."""

    IN = OUT = PULL_UP = PULL_DOWN = 0
    IRQ_FALLING = IRQ_RISING = 1
    made = {}

    def __new__(cls, number: int, _mode: int = 0, _pull: int = 0, value: int = 1) -> "Pin":
        """Return the one pin of this number."""
        pin = cls.made.get(number)
        if pin is None:
            pin = cls.made[number] = object.__new__(cls)
            pin.now = value
            pin.handler = None
            pin.chip = None
        return pin

    def __call__(self, level: int) -> None:
        """Select, or let go."""
        self.now = level
        if level == 0 and self.chip is not None:
            self.chip.bus.chip = self.chip

    def value(self) -> int:
        """Return the level."""
        return self.now

    def irq(self, handler: "Callable | None", trigger: int, hard: bool = True) -> None:
        """Keep the handler."""
        self.handler = handler

    def interrupt(self, level: int) -> None:
        """Go to `level`, and interrupt."""
        self.now = level
        if self.handler is not None:
            self.handler(self)


class SPI:
    """machine.SPI: passes a transfer to the chip selected last."""

    made = {}

    def __new__(cls, number: int, **_settings: object) -> "SPI":
        """Return the one bus of this number."""
        bus = cls.made.get(number)
        if bus is None:
            bus = cls.made[number] = object.__new__(cls)
            bus.chip = None
        return bus

    def write_readinto(self, outgoing: bytes, incoming: bytearray) -> None:
        """Move bytes both ways."""
        self.chip.exchange(outgoing, incoming)


class Converter:
    """MAX31856: ten settings, and what a conversion left."""

    def __init__(self, bus: SPI, select: Pin, ready: Pin) -> None:
        self.bus = bus
        self.registers = bytearray(_POWER_ON) + bytearray(_COLD)
        self.ready = ready
        select.chip = self

    def exchange(self, outgoing: bytes, incoming: bytearray) -> None:
        """Write from, or read into, consecutive registers."""
        register = outgoing[0] & 0x0F
        writes = outgoing[0] & 0x80
        for at in range(1, len(outgoing)):
            if writes:
                self.registers[register] = outgoing[at]
            else:
                incoming[at] = self.registers[register]
            register = (register + 1) & 0x0F
        if not writes:
            self.ready.now = 1

    def convert(self, warm: bool) -> None:
        """End the conversion that was begun, if one was."""
        if self.registers[0] & 0x40:
            self.registers[0] &= 0xBF
            self.registers[10:16] = _WARM if warm else _COLD
            self.ready.interrupt(0)


class Accelerometer:
    """ADXL372: a shock is a FIFO that has `words` to give, `peak` counts in x, then rest."""

    def __init__(self, bus: SPI, select: Pin, line: Pin) -> None:
        self.bus = bus
        self.registers = bytearray(0x43)
        self.registers[0:3] = b"\xad\x1d\xfa"
        self.line = line
        line.now = 0
        self.words = 0
        self.peak = 0
        self._noise = 1
        self._byte = 0
        select.chip = self

    def exchange(self, outgoing: bytes, incoming: bytearray) -> None:
        """Move registers, or words of the FIFO."""
        register = outgoing[0] >> 1
        for at in range(1, len(outgoing)):
            if register == _FIFO:
                axis = self._byte // 2 % 3
                if not self._byte & 1:
                    self._noise = self._noise * 75 % 65537  # windows of a size as true ones have
                value = (self.peak if axis == 0 else 3 * axis) + (self._noise & 7)
                incoming[at] = (value & 15) << 4 | int(axis == 0) if self._byte & 1 else value >> 4
                self._byte = (self._byte + 1) % 6
                self.words -= 1 - (self._byte & 1)
                continue
            if not outgoing[0] & 1:
                self.registers[register] = outgoing[at]
            elif register == 6:
                incoming[at] = self.words >> 8
            elif register == 7:
                incoming[at] = self.words & 0xFF
            else:
                incoming[at] = self.registers[register]
                if register == 5:
                    self.registers[5] = 0
            register += 1
        if self.words < 3:
            self.line.now = 0

    def measure(self, sets: int, peak: int, *, begins: bool, awake: bool) -> None:
        """Have so many sets in the FIFO, of `peak` counts of 100 mg."""
        self.words += 3 * sets
        self.peak = peak
        self.registers[4] = _AWAKE if awake else 0
        if begins:
            self.registers[5] |= _ACTIVITY
        self.line.interrupt(1)


class I2C:
    """machine.I2C with LIS3DH and DS3231 as plain registers."""

    def __init__(self, _number: int, **_settings: object) -> None:
        self.tilt = bytearray(64)
        self.tilt[0x0F] = 0x33
        self.tilt[0x27] = 0x08
        self.tilt[0x2D] = 0x3E  # z: 1 g
        self.clock = bytearray(b"\x00\x00\x08\x01\x02\x03\x26") + bytearray(12)

    def readfrom_mem_into(self, address: int, register: int, incoming: bytearray) -> None:
        """Read registers."""
        registers = self.tilt if address == 0x18 else self.clock
        at = register & 0x7F
        incoming[:] = registers[at : at + len(incoming)]

    def writeto_mem(self, address: int, register: int, outgoing: bytes) -> None:
        """Write registers."""
        registers = self.tilt if address == 0x18 else self.clock
        at = register & 0x7F
        registers[at : at + len(outgoing)] = outgoing


class ADC:
    """machine.ADC: 4.2 V behind the divider."""

    def __init__(self, _pin: Pin) -> None:
        pass

    def read_u16(self) -> int:
        """Return 2.1 of 3.3 V."""
        return 41700
