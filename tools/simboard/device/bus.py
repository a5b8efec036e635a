"""SPI and I2C of the rp2 port, over chips that answer at their registers.

A chip on SPI has `select(level)`, `exchange(out, into, fill)`, `spi_phase` (its CPHA when CPOL
is 0), and `max_hz`. A bus set up against the chip's data sheet garbles every byte, as it would.
A chip on I2C has `address`, `read(register, into)` and `write(data)`.
"""

from micropython import heap_lock, heap_unlock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from simboard.device.clock import Clock
    from simboard.device.gpio import Line

_SPI_CALL_US = 4  # entry, locking and FIFO set-up of a machine.SPI call at 125 MHz
_I2C_CALL_US = 20
_EIO = 5  # what the rp2 port raises when nobody acknowledges


class SpiBus:
    """The wires of one SPI bus and the chips on it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.busy_us = 0  # time of its transfers
        self.selected = []

    def attach(self, chip: "Any", select_line: "Line") -> None:
        """Put `chip` on the bus, selected by a low level of `select_line`."""

        def on_select(level: int) -> None:
            if level:
                if chip in self.selected:
                    self.selected.remove(chip)
                    chip.select(1)
            elif chip not in self.selected:
                self.selected.append(chip)
                chip.select(0)

        select_line.listeners.append(on_select)

    def drop_selections(self) -> None:
        """Forget who was selected: the processor's pins went back to inputs, pulled high."""
        self.selected.clear()


class I2cBus:
    """The wires of one I2C bus and the chips on it, by address."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.busy_us = 0  # time of its transfers
        self.chips = {}

    def attach(self, chip: "Any") -> None:
        """Put `chip` on the bus."""
        self.chips[chip.address] = chip


def make_spi_class(clock: "Clock", buses: "dict[int, Any]") -> type:
    """Return the `machine.SPI` class over `buses`, a dict from bus number to SpiBus."""

    class SPI:
        """A hardware SPI controller, as in MicroPython's machine.SPI on rp2."""

        LSB = 0
        MSB = 1

        def __init__(self, id: "Any", baudrate: int | None = 1000000, **settings: "Any") -> None:
            if id not in buses:
                raise ValueError("SPI(%s) doesn't exist" % id)
            self._bus = buses[id]
            self._hz = 1000000
            self._phase = 0
            self._polarity = 0
            self.init(baudrate, **settings)

        def init(
            self,
            baudrate: int | None = None,
            *,
            polarity: int | None = None,
            phase: int | None = None,
            bits: int = 8,
            firstbit: int = MSB,
            sck: object = None,
            mosi: object = None,
            miso: object = None,
        ) -> None:
            """Set clock rate, clock polarity and phase."""
            if bits != 8:
                raise ValueError("bits must be 8 on the simulated board")
            if firstbit != SPI.MSB:
                raise NotImplementedError("LSB")
            if baudrate is not None:
                self._hz = baudrate
            if polarity is not None:
                self._polarity = polarity
            if phase is not None:
                self._phase = phase

        def deinit(self) -> None:
            """Release the controller; the bus stays usable after `init`."""

        def _exchange(self, out: bytes | None, into: bytearray | None, fill: int) -> int:
            """Move bytes both ways with whoever is selected; time passes for each of them."""
            count = len(out) if into is None else len(into)
            if not self._bus.selected and into is not None:
                for i in range(count):
                    into[i] = 0xFF  # nobody drives MISO
            for chip in self._bus.selected:
                if chip.max_hz < self._hz or chip.spi_phase != self._phase ^ self._polarity:
                    if into is not None:
                        for i in range(count):
                            into[i] = 0xAA  # bits taken at the wrong edge or too fast
                else:
                    chip.exchange(out, into, fill)
            us = _SPI_CALL_US + count * 8000000 // self._hz
            self._bus.busy_us += us
            return us

        def _transfer(self, out: bytes | None, into: bytearray | None, fill: int = 0) -> None:
            if clock.in_irq:
                heap_unlock()
                try:
                    clock.spend(self._exchange(out, into, fill))
                finally:
                    heap_lock()
            else:
                clock.spend(self._exchange(out, into, fill))

        def write_readinto(self, write_buf: bytes, read_buf: bytearray) -> None:
            """Send `write_buf` while filling `read_buf`."""
            if len(write_buf) != len(read_buf):
                raise ValueError("buffers must be the same length")
            self._transfer(write_buf, read_buf)

        def write(self, buf: bytes) -> None:
            """Send `buf`."""
            self._transfer(buf, None)

        def readinto(self, buf: bytearray, write: int = 0) -> None:
            """Fill `buf` while sending `write` over and over."""
            self._transfer(None, buf, write)

        def read(self, nbytes: int, write: int = 0) -> bytes:
            """Return `nbytes` bytes, read while sending `write` over and over."""
            buf = bytearray(nbytes)
            self._transfer(None, buf, write)
            return bytes(buf)

    return SPI


def make_i2c_class(clock: "Clock", buses: "dict[int, Any]") -> type:
    """Return the `machine.I2C` class over `buses`, a dict from bus number to I2cBus."""

    class I2C:
        """A hardware I2C controller, as in MicroPython's machine.I2C on rp2."""

        def __init__(
            self,
            id: "Any",
            *,
            scl: object = None,
            sda: object = None,
            freq: int = 400000,
            timeout: int = 50000,
        ) -> None:
            if id not in buses:
                raise ValueError("I2C(%s) doesn't exist" % id)
            self._bus = buses[id]
            self._hz = freq

        def init(self, *, scl: object = None, sda: object = None, freq: int = 400000) -> None:
            """Set the clock rate."""
            self._hz = freq

        def _chip(self, addr: int, count: int) -> object:
            """Return the chip at `addr` after the time `count` bytes take on the wire."""
            if clock.in_irq:
                heap_unlock()
            try:
                us = _I2C_CALL_US + (count + 2) * 9000000 // self._hz
                self._bus.busy_us += us
                clock.spend(us)
                chip = self._bus.chips.get(addr)
                if chip is None:
                    raise OSError(_EIO)
                return chip
            finally:
                if clock.in_irq:
                    heap_lock()

        def scan(self) -> list[int]:
            """Return the addresses that acknowledge."""
            clock.spend(112 * _I2C_CALL_US)
            return sorted(self._bus.chips)

        def readfrom_mem_into(
            self, addr: int, memaddr: int, buf: bytearray, *, addrsize: int = 8
        ) -> None:
            """Fill `buf` from register `memaddr` of the chip at `addr`."""
            self._chip(addr, len(buf) + 2).read(memaddr, buf)

        def readfrom_mem(
            self, addr: int, memaddr: int, nbytes: int, *, addrsize: int = 8
        ) -> bytes:
            """Return `nbytes` bytes from register `memaddr` of the chip at `addr`."""
            buf = bytearray(nbytes)
            self.readfrom_mem_into(addr, memaddr, buf)
            return bytes(buf)

        def writeto_mem(self, addr: int, memaddr: int, buf: bytes, *, addrsize: int = 8) -> None:
            """Write `buf` from register `memaddr` of the chip at `addr` on."""
            self._chip(addr, len(buf) + 1).write(bytes([memaddr]) + bytes(buf))

        def readfrom_into(self, addr: int, buf: bytearray, stop: bool = True) -> None:
            """Fill `buf` from where the chip's register pointer stands."""
            self._chip(addr, len(buf)).read(None, buf)

        def readfrom(self, addr: int, nbytes: int, stop: bool = True) -> bytes:
            """Return `nbytes` bytes from where the chip's register pointer stands."""
            buf = bytearray(nbytes)
            self.readfrom_into(addr, buf)
            return bytes(buf)

        def writeto(self, addr: int, buf: bytes, stop: bool = True) -> int:
            """Write `buf`, its first byte being the register; return the bytes acknowledged."""
            self._chip(addr, len(buf)).write(bytes(buf))
            return len(buf)

        def writevto(self, addr: int, vector: list[bytes], stop: bool = True) -> int:
            """Write the buffers of `vector` one after the other."""
            return self.writeto(addr, b"".join(vector))

    return I2C
