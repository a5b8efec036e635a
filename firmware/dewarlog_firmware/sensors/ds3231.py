"""DS3231: the clock that runs while the board does not, over I2C. Main loop only.

Times are whole seconds since 2020-01-01T00:00:00Z (protocol/SPEC.md section 2). The clock is read
and set, never disciplined: its aging register is left alone, drift is for the host to fit.

Source: DS3231 data sheet, Maxim 19-5170, Rev 10 (3/15), p. 11-14.
"""

from micropython import const

from dewarlog_wire.layout import CLOCK_ABSENT, CLOCK_OK, CLOCK_UNSET, UTC_UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dewarlog_firmware.sensors import I2c, ReadOnlyBytes

ADDRESS = 0x68  # I2C slave address, p. 16

# Timekeeping registers, Figure 1, p. 11; binary-coded decimal.
_SECONDS = const(0x00)
_MINUTES = const(0x01)
_HOURS = const(0x02)
_DAY = const(0x03)  # of the week, 1 to 7; ours to number
_DATE = const(0x04)
_MONTH = const(0x05)  # bit 7: century, toggled from year 99 to 00
_YEAR = const(0x06)
_CONTROL = const(0x0E)
_STATUS = const(0x0F)
_REGISTERS = const(16)  # 0x00 to 0x0F: time, alarms, control and status
_CONTROL_VALUE = const(0x04)  # p. 13: oscillator on in battery too (EOSC 0), no alarms, INTCN
_OSF = const(
    0x80
)  # p. 14: the oscillator stopped since this was cleared: time is not to be trusted

_FIRST_YEAR = const(2020)
_LAST_YEAR = const(2053)  # seconds stay below 2**30
END_UTC_S = 1_073_001_600  # 2054-01-01T00:00:00Z: the first second it cannot be set to
_DAY_S = const(86400)
_MONTH_DAYS = b"\x00\x1f\x1c\x1f\x1e\x1f\x1e\x1f\x1f\x1e\x1f\x1e\x1f"
_READS_MAX = const(4)


class DS3231:
    """One clock chip. `read` never raises; `set` raises OSError when nobody answers."""

    def __init__(self, i2c: "I2c", address: int = ADDRESS) -> None:
        self._i2c = i2c
        self._address = address
        self._registers = bytearray(_REGISTERS)
        self._again = bytearray(_DAY)

    def read(self) -> "tuple[int, int]":
        """Return (utc_s, clock state): the time and CLOCK_OK, else UTC_UNKNOWN and why.

        An oscillator that stopped gives CLOCK_UNSET, and so do digits that are no date.
        """
        try:
            self._read_steady()
        except OSError:
            return UTC_UNKNOWN, CLOCK_ABSENT
        if self._registers[_STATUS] & _OSF:
            return UTC_UNKNOWN, CLOCK_UNSET
        utc_s = _decode(self._registers)
        if utc_s < 0:
            return UTC_UNKNOWN, CLOCK_UNSET
        return utc_s, CLOCK_OK

    def set(self, utc_s: int) -> bool:
        """Set the time, start the oscillator and clear OSF; say whether the clock then agrees.

        Writing the seconds restarts the chip's second, so call this as the second begins.
        Raises ValueError outside 2020 to 2053, OSError when nobody answers.
        """
        self._i2c.writeto_mem(self._address, _SECONDS, _encode(utc_s))
        self._i2c.writeto_mem(self._address, _CONTROL, bytes((_CONTROL_VALUE,)))
        status = bytearray(1)
        self._i2c.readfrom_mem_into(self._address, _STATUS, status)
        status[0] &= ~_OSF & 0xFF
        self._i2c.writeto_mem(self._address, _STATUS, status)
        found, _ = self.read()
        return found in (utc_s, utc_s + 1)

    def has_stopped(self) -> bool:
        """Say whether the oscillator stopped since the clock was set. OSError: no answer."""
        status = bytearray(1)
        self._i2c.readfrom_mem_into(self._address, _STATUS, status)
        return status[0] & _OSF != 0

    def second(self) -> int:
        """Return the second of the minute, 0 to 59, or -1 for none. OSError: no answer."""
        second = bytearray(1)
        self._i2c.readfrom_mem_into(self._address, _SECONDS, second)
        return _from_bcd(second[0], 59)

    def _read_steady(self) -> None:
        """Read until seconds, minutes and hours did not change behind the reading.

        The chip copies its time aside at each START (p. 11), so one burst is consistent; a clone
        without that copy shows a rollover as a second reading that went back.
        """
        for _ in range(_READS_MAX):
            self._i2c.readfrom_mem_into(self._address, _SECONDS, self._registers)
            self._i2c.readfrom_mem_into(self._address, _SECONDS, self._again)
            if self._again == self._registers[:_DAY]:
                return


def _decode(registers: "ReadOnlyBytes") -> int:
    """Return seconds since 2020, or -1 when the registers hold no date in range."""
    second = _from_bcd(registers[_SECONDS], 59)
    minute = _from_bcd(registers[_MINUTES], 59)
    hour = _from_bcd(registers[_HOURS], 23)  # a set 12-hour bit is no digit: -1
    date = _from_bcd(registers[_DATE], 31)
    month = _from_bcd(registers[_MONTH] & 0x1F, 12)
    year = _from_bcd(registers[_YEAR], 99)
    if min(second, minute, hour, date - 1, month - 1, year) < 0:
        return -1
    year += 2000
    if not _FIRST_YEAR <= year <= _LAST_YEAR or date > _days_in(month, year):
        return -1
    days = date - 1
    for earlier in range(1, month):
        days += _days_in(earlier, year)
    for earlier in range(_FIRST_YEAR, year):
        days += 366 if earlier % 4 == 0 else 365
    return days * _DAY_S + (hour * 60 + minute) * 60 + second


def _encode(utc_s: int) -> bytes:
    """Return the seven time registers for a time. Raises ValueError when out of range."""
    days = utc_s // _DAY_S
    if days < 0:
        raise ValueError("time is before 2020")
    weekday = (days + 2) % 7 + 1  # 2020-01-01 was a Wednesday; Monday is 1
    year = _FIRST_YEAR
    while days >= (366 if year % 4 == 0 else 365):
        days -= 366 if year % 4 == 0 else 365
        year += 1
    if year > _LAST_YEAR:
        raise ValueError("time is after 2053")
    month = 1
    while days >= _days_in(month, year):
        days -= _days_in(month, year)
        month += 1
    rest_s = utc_s % _DAY_S
    fields = (
        rest_s % 60,
        rest_s // 60 % 60,
        rest_s // 3600,
        weekday,
        days + 1,
        month,
        year - 2000,
    )
    return bytes([value // 10 << 4 | value % 10 for value in fields])


def _from_bcd(code: int, most: int) -> int:
    """Return the number two BCD digits stand for, or -1 when they do not or it exceeds `most`."""
    value = (code >> 4) * 10 + (code & 0x0F)
    return value if code & 0x0F <= 9 and value <= most else -1


def _days_in(month: int, year: int) -> int:
    return 29 if month == 2 and year % 4 == 0 else _MONTH_DAYS[month]  # 2020 to 2053: no exception
