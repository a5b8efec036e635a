"""DS3231 real-time clock at its registers.

Maxim 19-5170, "Extremely Accurate I2C-Integrated RTC/TCXO/Crystal": timekeeping registers in
figure 1. The coin cell keeps it running when the board's supply is cut. It counts true time off by
`drift_ppm`; nothing happens in it between two looks.
"""

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from simboard.device.clock import Clock

_ADDRESS = 0x68
_SECONDS = 0x00
_MONTH = 0x05
_CONTROL = 0x0E
_STATUS = 0x0F
_AGING = 0x10
_TEMPERATURE = 0x11
_LAST = 0x12

_STATUS_OSF = 0x80  # oscillator has stopped; cleared by writing 0
_STATUS_WRITABLE = 0x08  # EN32kHz; OSF, A1F and A2F can only be cleared
_CENTURY = 0x80


class DS3231:
    """The clock. `kept` False: the coin cell was out, so it starts unset with its flag up."""

    address = _ADDRESS

    def __init__(
        self,
        clock: "Clock",
        utc_s: int,
        drift_ppm: float,
        kept: bool,
        temperature_degc: "Callable[[], float]",
    ) -> None:
        self.registers = bytearray(_LAST + 1)
        self.registers[_CONTROL] = 0x1C
        self.registers[_STATUS] = 0x08 if kept else 0x88
        self._clock = clock
        self._drift_ppb = int(drift_ppm * 1000)
        # 2000-01-01 00:00:00 is what an unset chip counts from.
        self._set_s = utc_s if kept else 946684800
        self._set_at_us = 0
        self._pointer = 0
        self._temperature_degc = temperature_degc

    def utc_s(self) -> int:
        """Return what the chip counts, in seconds since 1970."""
        elapsed_us = self._clock.now - self._set_at_us
        elapsed_us += elapsed_us * self._drift_ppb // 1000000000
        return self._set_s + elapsed_us // 1000000

    def read(self, register: int | None, into: bytearray) -> None:
        """Fill `into`; the pointer wraps after the last register."""
        if register is not None:
            self._pointer = register
        self._latch()
        for i in range(len(into)):
            if self._pointer > _LAST:
                self._pointer = 0
            into[i] = self.registers[self._pointer]
            self._pointer += 1

    def write(self, data: bytes) -> None:
        """Write from the register the first byte names."""
        self._pointer = data[0]
        if len(data) == 1:
            return
        self._latch()
        sets_time = False
        sets_seconds = False
        for value in data[1:]:
            register = self._pointer
            if register <= 0x06:
                sets_time = True
                sets_seconds = sets_seconds or register == _SECONDS
            if register == _STATUS:
                flags = self.registers[_STATUS] & value & 0x83
                self.registers[_STATUS] = flags | value & _STATUS_WRITABLE
            elif register <= _AGING:
                self.registers[register] = value
            self._pointer = register + 1 if register < _LAST else 0
        if sets_time:
            self._take_time(sets_seconds)

    def _latch(self) -> None:
        """Copy the running time to the registers, as the chip does at each START."""
        year, month, day, hour, minute, second, weekday, _ = time.gmtime(self.utc_s())[:8]
        century = _CENTURY if year >= 2100 else 0
        fields = (second, minute, hour, 0, day, month, year % 100)
        for i in range(7):
            self.registers[i] = _bcd(fields[i])
        self.registers[3] = weekday + 1
        self.registers[_MONTH] |= century
        quarter = int(self._temperature_degc() * 4)
        self.registers[_TEMPERATURE] = quarter >> 2 & 0xFF
        self.registers[_TEMPERATURE + 1] = (quarter & 3) << 6

    def _take_time(self, sets_seconds: bool) -> None:
        """Run on from the registers; writing the seconds starts the current second anew."""
        r = self.registers
        hour = r[2]
        if hour & 0x40:  # 12-hour mode
            hour = _binary(hour & 0x1F) % 12 + (12 if hour & 0x20 else 0)
        else:
            hour = _binary(hour & 0x3F)
        year = 2000 + _binary(r[6]) + (100 if r[_MONTH] & _CENTURY else 0)
        month = _binary(r[_MONTH] & 0x1F)
        seconds = time.mktime(
            (year, month, _binary(r[4]), hour, _binary(r[1]), _binary(r[0] & 0x7F), 0, 0, 0)
        )
        if not sets_seconds:
            # Keep the running fraction of the second.
            now = self._clock.now
            elapsed_us = now - self._set_at_us
            elapsed_us += elapsed_us * self._drift_ppb // 1000000000
            self._set_at_us = now - elapsed_us % 1000000
        else:
            self._set_at_us = self._clock.now
        self._set_s = seconds


def _bcd(value: int) -> int:
    return value // 10 << 4 | value % 10


def _binary(bcd: int) -> int:
    return (bcd >> 4) * 10 + (bcd & 0x0F)
