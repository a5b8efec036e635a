"""Runs on MicroPython: the whole interrupt side, and its consumers, with the heap locked.

Everything between `heap_lock` and `heap_unlock` raises MemoryError if it allocates even once. The
chips here are the least that makes every branch run, and allocate nothing themselves. Prints one
line a scenario for test_heap_lock.py to compare; times stand at the top of 30 bits, where a sum
that forgot its mask would leave the small integers of a 32-bit board.
"""

import sys
from array import array

import micropython

from dewarlog_firmware.sampler import Sample, Sampler
from dewarlog_firmware.sensors.adxl372 import ADXL372
from dewarlog_firmware.sensors.max31856 import MAX31856
from dewarlog_firmware.shock_sampler import ShockSampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dewarlog_firmware.sensors import Bytes

TOP = 0x3FFFFFFF


class Bus:
    """Passes a transfer to the chip selected last."""

    def __init__(self) -> None:
        self.chip: Converter | Accelerometer

    def write_readinto(self, outgoing: "bytes | Bytes", incoming: "Bytes") -> None:
        """Move bytes both ways."""
        self.chip.exchange(outgoing, incoming)


class Line:
    """An interrupt line; `level` is bound once, as board.InterruptLine does."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.handler: Callable[[object], None] | None = None
        self.level = self.read

    def read(self) -> int:
        """Return the level."""
        return self.now

    def watch(self, handler: "Callable[[object], None] | None") -> None:
        """Remember the handler."""
        self.handler = handler


def interrupt(line: Line) -> None:
    """Call the handler of a line."""
    if line.handler:
        line.handler(line)


class Converter:
    """MAX31856 registers."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.registers = bytearray(16)
        self.line = Line(1)

    def select(self, level: int) -> None:
        """Be chosen."""
        if level == 0:
            self.bus.chip = self

    def exchange(self, outgoing: "bytes | Bytes", incoming: "Bytes") -> None:
        """Write from, or read into, consecutive registers."""
        register = outgoing[0] & 0x0F
        for at in range(1, len(outgoing)):
            if outgoing[0] & 0x80:
                self.registers[register] = outgoing[at]
            else:
                incoming[at] = self.registers[register]
                self.line.now = 1
            register = (register + 1) & 0x0F

    def done(self) -> None:
        """Finish a conversion at the lowest voltage code, as interrupts see it."""
        self.registers[0] &= 0xBF
        self.registers[0x0A] = 0xE0
        self.registers[0x0C] = 0x80
        self.line.now = 0
        interrupt(self.line)


class Accelerometer:
    """ADXL372 with a FIFO that counts instead of storing: word n holds n, modulo 4096."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.registers = bytearray(0x43)
        self.registers[0] = 0xAD
        self.registers[1] = 0x1D
        self.registers[2] = 0xFA
        self.words = 0
        self.next = 0
        self.line = Line(0)

    def select(self, level: int) -> None:
        """Be chosen."""
        if level == 0:
            self.bus.chip = self

    def exchange(self, outgoing: "bytes | Bytes", incoming: "Bytes") -> None:
        """Move registers, or words of the FIFO."""
        register = outgoing[0] >> 1
        for at in range(1, len(outgoing)):
            if register == 0x42:
                word = self.next // 2
                incoming[at] = ((word & 15) << 4 | (word % 3 == 0)) if self.next & 1 else word >> 4
                self.next = (self.next + 1) % 8190  # a whole number of sets, below 12 bits
                self.words -= self.next & 1
                continue
            if not outgoing[0] & 1:
                self.registers[register] = outgoing[at]
            elif register == 6:
                incoming[at] = self.words >> 8
            elif register == 7:
                incoming[at] = self.words & 0xFF
            else:
                incoming[at] = self.registers[register]
                if register in (4, 5):
                    self.registers[register] = 0
            register += 1

    def collect(self, sets: int, status: int) -> None:
        """Have taken this many sets since the last read."""
        self.words += 3 * sets
        if self.words > 510:
            self.words = 510
            self.registers[4] |= 0x08
        self.registers[5] |= status


class Clock:
    """Ticks that a scenario moves; they wrap within 30 bits, as those of a 32-bit board do."""

    def __init__(self) -> None:
        self.now = TOP - 5

    def read(self) -> int:
        """Return the time."""
        return self.now

    def advance(self, step: int) -> None:
        """Move on, without a sum beyond 30 bits."""
        if self.now > TOP - step:
            self.now -= TOP
            self.now += step - 1
        else:
            self.now += step


class Timer:
    """A timer that a scenario fires."""

    hard = True

    def start(self, period_ms: int, callback: "Callable[[object], None]") -> None:
        """Remember the callback."""
        self.callback = callback

    def stop(self) -> None:
        """Forget it."""
        del self.callback


def locked(label: str, scenario: "Callable[[], object]") -> None:
    """Run a scenario with the heap locked and print what it returned."""
    micropython.heap_lock()
    try:
        result = scenario()
    finally:
        micropython.heap_unlock()
    sys.stdout.write("%s %s\n" % (label, result))


def allocate() -> object:
    """Do what must fail, or the lock proves nothing."""
    try:
        return len(bytearray(32))
    except MemoryError:
        return "MemoryError"


def four_probes(
    sampler: Sampler, timer: Timer, clock: Clock, converters: "list[Converter]", sample: Sample
) -> int:
    """Two whole ticks, one with a silent probe, one with a lost setting; return a checksum."""
    total = 0
    for round_no in range(4):
        clock.advance(10_000)
        timer.callback(timer)
        for converter in converters:
            if round_no == 1 and converter is converters[2]:
                continue
            converter.done()
        if round_no == 2:
            converters[0].registers[1] = 0x03
        while sampler.take(sample):
            for position in range(4):
                total += sample.voltage_raw[position] + sample.cold_junction_raw[position]
                total += sample.states[position]
            total += sample.ticks_ms & 0xFF
    return total


def full_ring(sampler: Sampler, timer: Timer, clock: Clock, converters: "list[Converter]") -> int:
    """Tick more often than there are slots, with nobody taking; return what was dropped."""
    for _ in range(20):
        clock.advance(10_000)
        timer.callback(timer)
        for converter in converters:
            converter.done()
    return sampler.ring.dropped


def shock(
    sampler: ShockSampler, chip: Accelerometer, clock: Clock, counts: "array[int]", bursts: int
) -> int:
    """Trigger, drain, overrun, fill the ring and empty it; return sets and gaps seen."""
    sets = 0
    gaps_us = 0
    sampler.stall_begins()
    clock.advance(300_000)
    chip.collect(400, 0x20)
    interrupt(chip.line)
    sampler.stall_ends()
    for burst in range(bursts):
        clock.advance(7_500 if burst % 8 else 250_000)
        chip.collect(24 if burst % 8 else 800, 0x20)
        interrupt(chip.line)
        if burst % 16 == 15:
            while True:
                taken = sampler.take(counts, 0)
                if not taken:
                    break
                sets += taken
                gaps_us += sampler.gap_us
            chip.line.now = 1
            sampler.service()
            chip.line.now = 0
    sampler.rearm()
    return sets * 1000 + gaps_us // 1_000_000


def main() -> None:
    """Build everything, then run each scenario."""
    bus = Bus()
    converters = [Converter(bus) for _ in range(4)]
    timer = Timer()
    clock = Clock()
    drivers = [MAX31856(bus, converter.select) for converter in converters]
    configured = [driver.configure() for driver in drivers]
    sampler = Sampler(
        [(driver, converter.line) for driver, converter in zip(drivers, converters)],
        timer,
        clock.read,
    )
    sampler.start(10_000)
    sample = Sample(4)
    sys.stdout.write("configured %s\n" % configured.count(True))
    locked("allocate", allocate)
    locked("probes", lambda: four_probes(sampler, timer, clock, converters, sample))
    locked("dropped", lambda: full_ring(sampler, timer, clock, converters))

    shock_bus = Bus()
    chip = Accelerometer(shock_bus)
    driver = ADXL372(shock_bus, chip.select, int)
    configured = driver.configure(100)
    shock_sampler = ShockSampler(driver, chip.line, clock.read)
    shock_sampler.start()
    counts = array("h", [0] * 3 * driver.burst_sets)
    sys.stdout.write("configured %s\n" % configured)
    locked("shock", lambda: shock(shock_sampler, chip, clock, counts, 64))


main()
