"""Runs short scripts against the simulated board's own classes, on real MicroPython.

A script calls `show(value)` for each thing the test compares; `on_device` returns them in order.
"""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from conftest import MicroPython

TOOLS: Final = Path(__file__).parents[2] / "tools"

_PREAMBLE: Final = f"""
import json, sys
sys.path.insert(0, {str(TOOLS)!r})

def show(value):
    print(json.dumps(value))

"""

# One MAX31856 on a bus of its own, its probe made of plain numbers.
CONVERTER: Final = """
from simboard.device.bus import SpiBus, make_spi_class
from simboard.device.chips.max31856 import MAX31856
from simboard.device.clock import Clock, NEVER
from simboard.device.gpio import Line
from simboard.device.probe import CONNECTED, OPEN, SHORTED

class Probe:
    def __init__(self):
        self.nv = 0
        self.micro_degc = 25000000
        self.now = CONNECTED
        self.until = NEVER
    def state(self, us): return self.now if us < self.until else CONNECTED
    def state_until(self, us): return self.until
    def input_nv(self, us): return self.nv
    def cold_junction_micro_degc(self, us): return self.micro_degc

clock, probe = Clock(), Probe()
ready, select = Line(clock, 2), Line(clock, 17)
chip = MAX31856(clock, probe, ready, 1)
bus = SpiBus(0)
bus.attach(chip, select)
spi = make_spi_class(clock, {0: bus})(0, baudrate=5000000, phase=1)
chip.power_on()

def write(register, *values):
    select.drive(0)
    spi.write(bytes((0x80 | register,) + values))
    select.drive(1)

def read(register, count=1):
    select.drive(0)
    spi.write(bytes((register,)))
    data = spi.read(count)
    select.drive(1)
    return list(data)

def code():
    b = read(0x0C, 3)
    raw = b[0] << 11 | b[1] << 3 | b[2] >> 5
    return raw - (1 << 19) if raw & 1 << 18 else raw

def wait_ready(limit_us=3000000):
    start = clock.now
    while ready.level and clock.now < start + limit_us:
        clock.advance_to(clock.now + 100)
    return clock.now - start
"""

# One ADXL372 on a bus of its own; `world(...)` says what happens to it.
ACCELEROMETER: Final = """
from simboard.device.bus import SpiBus, make_spi_class
from simboard.device.chips.adxl372 import ADXL372
from simboard.device.clock import Clock
from simboard.device.gpio import Line
from simboard.device.motion import Drop, HalfSine, Motion, Tilt

clock = Clock()
int1, select = Line(clock, 14), Line(clock, 13)
int1.level = 0
bus = SpiBus(1)
spi = make_spi_class(clock, {1: bus})(1, baudrate=10000000)

def world(*disturbances, tilts=()):
    global chip
    chip = ADXL372(clock, Motion(list(tilts), list(disturbances), [], 1), int1, 5)
    bus.attach(chip, select)
    chip.power_on()

def write(register, *values):
    select.drive(0)
    spi.write(bytes((register << 1,) + values))
    select.drive(1)

def read(register, count=1):
    select.drive(0)
    spi.write(bytes((register << 1 | 1,)))
    data = spi.read(count)
    select.drive(1)
    return list(data)

def thresholds(first, counts, flags=1):
    for axis in range(3):
        write(first + 2 * axis, counts >> 3, (counts & 7) << 5 | flags)

def entries():
    high, low = read(0x06, 2)
    return high << 8 | low

def fifo(sets):
    data = read(0x42, 6 * sets)
    values = []
    for i in range(0, len(data), 2):
        value = data[i] << 4 | data[i + 1] >> 4
        values.append(value - 4096 if value & 0x800 else value)
    return values, [data[i] & 1 for i in range(1, len(data), 2)]

RATE_3200, BAND_1600, MEASURE = 0x60, 0x03, 0x1F  # MEASURE: both filters off, settles in 16 ms
"""


def on_device(micropython: MicroPython, *parts: str, heap_kib: int = 8192) -> list[Any]:
    """Run the parts of a script one after the other; return what it showed."""
    script = _PREAMBLE + "\n".join(dedent(part) for part in parts)
    output = micropython(script, heap_kib=heap_kib).stdout
    return [json.loads(line) for line in output.splitlines()]
