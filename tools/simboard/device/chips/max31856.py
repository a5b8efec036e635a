"""MAX31856 thermocouple converter at its registers.

Maxim 19-7534, "Precision Thermocouple to Digital Converter with Linearization". Register map:
table 6; conversion times: electrical characteristics and CR1 description; open-circuit test:
table 4. The chip takes its whole input chain from `probe`, which answers for a moment in time:
`input_nv(us)` (voltage between T+ and T-), `cold_junction_micro_degc(us)`, `state(us)` (probe.py).
Arithmetic is in integers, nanovolts and micro-degC: a float is an object on the heap.
"""

from simboard.device import its90
from simboard.device.clock import Event
from simboard.device.noise import Noise
from simboard.device.probe import OPEN, SHORTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simboard.device.clock import Clock
    from simboard.device.gpio import Line
    from simboard.device.probe import Probe

_CR0 = 0x00
_CR1 = 0x01
_CJHF = 0x03
_CJLF = 0x04
_LTHFTH = 0x05
_LTLFTH = 0x07
_CJTO = 0x09
_CJTH = 0x0A
_CJTL = 0x0B
_LTCBH = 0x0C
_SR = 0x0F

# Power-on values, table 6.
_RESET = (0x00, 0x03, 0xFF, 0x7F, 0xC0, 0x7F, 0xFF, 0x80, 0x00, 0, 0, 0, 0, 0, 0, 0)

_CR0_AUTO = 0x80
_CR0_ONE_SHOT = 0x40
_CR0_OPEN_TEST = 0x30
_CR0_CJ_OFF = 0x08
_CR0_INTERRUPT = 0x04
_CR0_FAULT_CLEAR = 0x02
_CR0_50HZ = 0x01

_SR_CJ_RANGE = 0x80
_SR_TC_RANGE = 0x40
_SR_CJ_HIGH = 0x20
_SR_CJ_LOW = 0x10
_SR_TC_HIGH = 0x08
_SR_TC_LOW = 0x04
_SR_OVUV = 0x02
_SR_OPEN = 0x01

# Typical times in us, for (60 Hz, 50 Hz).
_ONE_SHOT_US = (143000, 169000)  # also the first conversion of automatic mode
_AUTO_US = (82000, 98000)
_ONE_SHOT_AVERAGE_US = (33330, 40000)  # each further sample of the average
_AUTO_AVERAGE_US = (16670, 20000)
_CJ_US = 25000  # less when the cold junction sensor is off
# Table 4: fault test time for CR0 bits 5:4 = 1, 2, 3, cold junction sensor on and off.
_OPEN_TEST_US = ((13300, 40000), (33400, 60000), (113400, 140000))
_OPEN_TEST_EVERY = 16  # conversions, in automatic mode; each one-shot conversion is tested

# Types by CR1 bits 3:0: letter and range in degC (table 1). B, J, N, R, S are not modelled here:
# they read as out of range.
_TYPES = {1: ("E", -200.0, 1000.0), 3: ("K", -200.0, 1372.0), 7: ("T", -200.0, 400.0)}
_NOISE_NV = (1300, 400)  # input-referred, rms, gain 8 and 32
_SHARE = (1024, 724, 512, 362, 256)  # 1024/sqrt(n) of it after averaging 1, 2, 4, 8, 16
_CJ_NOISE_MICRO_K = 6000
_FULL_SCALE = 1 << 17  # code at the end of the input range: 78.125 mV, 19.531 mV


class MAX31856:
    """One converter on its SPI bus. `ready_line` is its DRDY output, `tolerance_ppm` its clock."""

    spi_phase = 1
    max_hz = 5000000

    def __init__(
        self,
        clock: "Clock",
        probe: "Probe",
        ready_line: "Line",
        seed: int,
        tolerance_ppm: float = 0,
    ) -> None:
        self.registers = bytearray(16)
        self.powered = False
        self._clock = clock
        self._probe = probe
        self._ready_line = ready_line
        self._noise = Noise(seed)
        self._tolerance_ppm = int(tolerance_ppm)
        self._done = Event(self._on_done)
        self._address = -1
        self._start_on_deselect = False
        self._started_us = 0
        self._conversion = 0  # of automatic mode, since it began
        self._average = 0  # power of two

    # --- power --------------------------------------------------------------------------------

    def power_on(self) -> None:
        """Start with the power-on register values; DRDY is high."""
        self.powered = True
        for i in range(16):
            self.registers[i] = _RESET[i]
        self._ready_line.set_level(1)

    def power_off(self) -> None:
        """Lose all registers and the conversion under way."""
        self.powered = False
        self._clock.cancel(self._done)
        self._start_on_deselect = False

    def brown_out(self) -> None:
        """Drop below the reset threshold and come back: the processor may not even notice."""
        self.power_off()
        self.power_on()

    # --- SPI ----------------------------------------------------------------------------------

    def select(self, level: int) -> None:
        """CS went to `level`."""
        self._address = -1
        if level and self._start_on_deselect:
            self._start_on_deselect = False
            self._begin()

    def exchange(self, out: bytes | None, into: bytearray | None, fill: int) -> None:
        """Move the bytes of one transfer while CS is low."""
        count = len(into) if out is None else len(out)
        start = 0
        address = self._address
        if address < 0:
            address = fill if out is None else out[0]
            if into is not None:
                into[0] = 0xFF  # SDO floats while the address goes in
            start = 1
        if not self.powered:
            if into is not None:
                for i in range(start, count):
                    into[i] = 0xFF
            self._address = address
            return
        if address & 0x80:
            for i in range(start, count):
                self._write(address & 0x0F, fill if out is None else out[i])
                address = 0x80 | (address + 1) & 0x0F
                if into is not None:
                    into[i] = 0xFF
        elif into is not None and start < count:
            self._read(address & 0x0F, into, start, count)
            address = (address + count - start) & 0x0F
        self._address = address

    def _read(self, register: int, into: bytearray, start: int, count: int) -> None:
        registers = self.registers
        end = register + count - start
        if end > _SR:
            self._watch_input()
        if end <= 16:
            into[start:count] = registers[register:end]
        else:
            for i in range(start, count):  # the address wraps within the map
                into[i] = registers[(register + i - start) & 0x0F]
        # DRDY goes up when a temperature register has been read.
        if register <= 0x0E and end > _CJTH:
            self._ready_line.set_level(1)

    def _write(self, register: int, value: int) -> None:
        registers = self.registers
        if register == _CR0:
            self._write_cr0(value)
        elif register in (_CJTH, _CJTL):
            if registers[_CR0] & _CR0_CJ_OFF:
                registers[register] = value
        elif register < _CJTH:
            registers[register] = value

    def _write_cr0(self, value: int) -> None:
        before = self.registers[_CR0]
        if value & _CR0_FAULT_CLEAR and value & _CR0_INTERRUPT:
            self.registers[_SR] = 0
        value &= ~_CR0_FAULT_CLEAR
        if value & _CR0_AUTO:
            value &= ~_CR0_ONE_SHOT
            if not before & _CR0_AUTO:
                self._conversion = 0
                self._start_on_deselect = True
        else:
            if before & _CR0_AUTO:
                self._clock.cancel(self._done)
            if value & _CR0_ONE_SHOT and not before & _CR0_ONE_SHOT:
                self._start_on_deselect = True
            value |= before & _CR0_ONE_SHOT  # clears itself when the conversion is done
        self.registers[_CR0] = value

    # --- conversion ---------------------------------------------------------------------------

    def _begin(self) -> None:
        """Start a conversion: work out how long it takes."""
        cr0 = self.registers[_CR0]
        hum = cr0 & _CR0_50HZ
        self._average = min(4, self.registers[_CR1] >> 4 & 7)
        more = (1 << self._average) - 1
        open_test = cr0 >> 4 & 3
        if not cr0 & _CR0_AUTO or self._conversion == 0:
            us = _ONE_SHOT_US[hum] + more * _ONE_SHOT_AVERAGE_US[hum]
        else:
            us = _AUTO_US[hum] + more * _AUTO_AVERAGE_US[hum]
        if cr0 & _CR0_CJ_OFF:
            us -= _CJ_US
        self._tests_open = open_test != 0 and (
            not cr0 & _CR0_AUTO or self._conversion % _OPEN_TEST_EVERY == 0
        )
        if self._tests_open:
            us += _OPEN_TEST_US[open_test - 1][1 if cr0 & _CR0_CJ_OFF else 0]
        us += us * self._tolerance_ppm // 1000000
        self._started_us = self._clock.now
        self._clock.at(self._done, self._started_us + us)

    def _on_done(self) -> None:
        now = self._clock.now
        middle_us = (self._started_us + now) // 2
        probe = self._probe
        state = probe.state(now)
        if state == SHORTED:
            # Overvoltage suspends conversions until it is gone.
            self.registers[_SR] |= _SR_OVUV
            self._clock.at(self._done, max(now + 1000, probe.state_until(now)))
            return
        registers = self.registers
        cr0 = registers[_CR0]
        if not cr0 & _CR0_CJ_OFF:
            self._store_cold_junction(middle_us)
        code = self._convert(middle_us, state)
        registers[_LTCBH] = code >> 11 & 0xFF
        registers[_LTCBH + 1] = code >> 3 & 0xFF
        registers[_LTCBH + 2] = code << 5 & 0xE0
        self._store_faults(code, state)
        self._ready_line.set_level(0)
        if cr0 & _CR0_AUTO:
            self._conversion += 1
            self._begin()
        else:
            registers[_CR0] = cr0 & ~_CR0_ONE_SHOT

    def _store_cold_junction(self, at_us: int) -> None:
        micro_degc = self._probe.cold_junction_micro_degc(at_us)
        micro_degc += self._noise.normal_part(_CJ_NOISE_MICRO_K)
        offset = self.registers[_CJTO]
        if offset & 0x80:
            offset -= 256
        count = (micro_degc * 64 + 500000) // 1000000 + offset * 4  # offset: 1/16 degC
        count = max(-8192, min(8191, count))
        self.registers[_CJTH] = count >> 6 & 0xFF
        self.registers[_CJTL] = count << 2 & 0xFC

    def _cold_junction_count(self) -> int:
        count = self.registers[_CJTH] << 6 | self.registers[_CJTL] >> 2
        return count - 16384 if count & 0x2000 else count

    def _convert(self, at_us: int, state: int) -> int:
        """Return the 19-bit code of the temperature register, signed."""
        type_bits = self.registers[_CR1] & 0x0F
        gain = 32 if type_bits & 0x0C == 0x0C else 8
        if state == OPEN:
            # The inputs drift to the bias; a test current has just pulled T+ up.
            nv = 78125000
        else:
            nv = self._probe.input_nv(at_us)
        noise_nv = _NOISE_NV[1 if gain == 32 else 0]
        nv += self._noise.normal_part(noise_nv * _SHARE[self._average] >> 10)
        if type_bits & 0x08:
            # Code = gain x 1.6 x 2^17 x volts.
            return _limit((nv * gain * 131072 * 16 // 1000000000 + 5) // 10, _FULL_SCALE)
        known = _TYPES.get(type_bits)
        if known is None:
            return _limit(1 << 19, _FULL_SCALE)
        letter, lowest, highest = known
        nv += its90.voltage_nv(letter, self._cold_junction_count() / 64)
        if nv <= its90.voltage_nv(letter, lowest):
            return _floor((lowest - 1.0) * 128)
        return _floor(its90.temperature_degc(letter, nv, lowest, highest) * 128 + 0.5)

    # --- faults -------------------------------------------------------------------------------

    def _store_faults(self, code: int, state: int) -> None:
        registers = self.registers
        cj = self._cold_junction_count()
        held = registers[_SR] & (_SR_CJ_HIGH | _SR_CJ_LOW | _SR_TC_HIGH | _SR_TC_LOW)
        comparator = not registers[_CR0] & _CR0_INTERRUPT
        slack = 2 if comparator else 0  # degC of hysteresis on thresholds
        now = 0
        if not -55 * 64 <= cj <= 125 * 64:
            now |= _SR_CJ_RANGE
        # In voltage mode the register is no temperature, and the bit is to be ignored.
        known = _TYPES.get(registers[_CR1] & 0x07, ("", 0, 0))
        if not known[1] * 128 <= code <= known[2] * 128:
            now |= _SR_TC_RANGE
        now |= _above(cj, _signed(registers[_CJHF], 8) * 64, slack * 64, held & _SR_CJ_HIGH)
        now |= _above(-cj, -_signed(registers[_CJLF], 8) * 64, slack * 64, held & _SR_CJ_LOW) >> 1
        high = _signed(registers[_LTHFTH] << 8 | registers[_LTHFTH + 1], 16) * 8
        low = _signed(registers[_LTLFTH] << 8 | registers[_LTLFTH + 1], 16) * 8
        now |= _above(code, high, slack * 128, held & _SR_TC_HIGH) >> 2
        now |= _above(-code, -low, slack * 128, held & _SR_TC_LOW) >> 3
        if self._tests_open:
            if state == OPEN:
                now |= _SR_OPEN
        elif comparator:
            now |= registers[_SR] & _SR_OPEN  # keeps what the last test found
        registers[_SR] = now if comparator else registers[_SR] | now

    def _watch_input(self) -> None:
        """Bring the overvoltage bit up to date: it follows the input, not the conversion."""
        registers = self.registers
        if self._probe.state(self._clock.now) == SHORTED:
            registers[_SR] |= _SR_OVUV
        elif not registers[_CR0] & _CR0_INTERRUPT:
            registers[_SR] &= ~_SR_OVUV & 0xFF


def _above(value: int, limit: int, slack: int, held: int) -> int:
    """Return 0x20 when `value` is above `limit`, or was and is not below by `slack`."""
    return 0x20 if value > limit - (slack if held else 0) else 0


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _floor(value: float) -> int:
    whole = int(value)
    return whole - 1 if whole > value else whole


def _limit(code: int, full_scale: int) -> int:
    if code >= full_scale:
        return full_scale - 1
    return -full_scale if code < -full_scale else code
