"""The DS3231 driver against a chip of registers and against the library's calendar."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog_firmware.sensors.ds3231 import ADDRESS, DS3231
from dewarlog_wire.layout import CLOCK_ABSENT, CLOCK_OK, CLOCK_UNSET, UTC_UNKNOWN
from register_chips import Ds3231Chip, I2cBus

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
LAST_S = int((datetime(2054, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()) - 1


def connect() -> tuple[Ds3231Chip, DS3231]:
    """Return a chip and its driver."""
    bus = I2cBus()
    chip = Ds3231Chip()
    bus.chips[ADDRESS] = chip
    return chip, DS3231(bus)


def registers_of(moment: datetime) -> bytes:
    """Return the time registers for a moment, by way of its decimal digits."""
    weekday = moment.isoweekday()
    return bytes.fromhex(moment.strftime(f"%S%M%H0{weekday}%d%m%y"))


def test_last_second_is_below_two_to_the_thirty() -> None:
    """The reason the range ends there."""
    assert LAST_S < 2**30


@given(st.integers(0, LAST_S))
def test_every_second_in_range_is_set_and_read_back(utc_s: int) -> None:
    """As the decimal digits of the library's calendar."""
    chip, driver = connect()

    assert driver.set(utc_s)
    assert bytes(chip.registers[:7]) == registers_of(EPOCH + timedelta(seconds=utc_s))
    assert driver.read() == (utc_s, CLOCK_OK)


@pytest.mark.parametrize("utc_s", [-1, LAST_S + 1])
def test_a_time_out_of_range_is_refused(utc_s: int) -> None:
    """And the chip left alone."""
    chip, driver = connect()
    before = bytes(chip.registers)
    with pytest.raises(ValueError, match="20"):
        driver.set(utc_s)

    assert bytes(chip.registers) == before


def test_a_clock_whose_oscillator_stopped_is_unset() -> None:
    """Even though its registers hold a date."""
    chip, driver = connect()
    driver.set(1000)
    chip.registers[0x0F] |= 0x80

    assert driver.read() == (UTC_UNKNOWN, CLOCK_UNSET)


def test_setting_clears_the_flag_and_leaves_aging_alone() -> None:
    """And keeps the oscillator running on the battery."""
    chip, driver = connect()
    chip.registers[0x10] = 0x2A
    driver.set(0)

    assert chip.registers[0x0F] == 0x08
    assert chip.registers[0x0E] == 0x04
    assert chip.registers[0x10] == 0x2A


def test_no_clock_is_absent() -> None:
    """Which is not the same as unset."""
    assert DS3231(I2cBus()).read() == (UTC_UNKNOWN, CLOCK_ABSENT)


@pytest.mark.parametrize(
    "registers",
    [
        "0000000100 0120",  # day 0
        "00000001010020",  # month 0
        "00000001011320",  # month 13
        "00000001300220",  # 30 February
        "00000001290221",  # 29 February of a common year
        "60000001010120",  # second 60
        "0a000001010120",  # no decimal digit
        "00006401010120",  # 12-hour mode
        "00000001010119",  # before 2020
        "00000001010154",  # after 2053
    ],
)
def test_digits_that_are_no_date_are_unset(registers: str) -> None:
    """Rather than some other date."""
    chip, driver = connect()
    driver.set(0)
    chip.registers[:7] = bytes.fromhex(registers)

    assert driver.read() == (UTC_UNKNOWN, CLOCK_UNSET)


def test_a_century_bit_changes_nothing() -> None:
    """It is toggled from 99 to 00 and says nothing here."""
    chip, driver = connect()
    driver.set(12345)
    chip.registers[5] |= 0x80

    assert driver.read() == (12345, CLOCK_OK)


def test_a_rollover_behind_the_reading_is_read_again() -> None:
    """A clone that does not hold its time still shows 23:59:59 of a day and then 00:00:00."""
    chip, driver = connect()
    midnight_s = 86400
    driver.set(midnight_s - 1)
    reads = 0

    def roll_over() -> None:
        nonlocal reads
        reads += 1
        if reads == 2:
            chip.registers[:7] = registers_of(EPOCH + timedelta(days=1))

    chip.before_read = roll_over

    assert driver.read() == (midnight_s, CLOCK_OK)
    assert reads == 4


def test_the_oscillator_flag_and_the_seconds_are_told_alone() -> None:
    """What the self-test asks again and again."""
    chip, driver = connect()
    assert driver.has_stopped()
    driver.set(59)

    assert not driver.has_stopped()
    assert driver.second() == 59
    chip.registers[0] = 0x7A
    assert driver.second() == -1


def test_a_missing_clock_is_an_error_for_them() -> None:
    """`read` says so in words; these are asked by someone who wants to know."""
    _, driver = connect()
    missing = DS3231(I2cBus())
    with pytest.raises(OSError, match="5"):
        missing.has_stopped()
    with pytest.raises(OSError, match="5"):
        missing.second()
    assert driver.second() == 0
