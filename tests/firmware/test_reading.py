"""Conversions become readings: means, extremes, and faults that no mean can hide."""

import pytest

from dewarlog_firmware.config import Channel
from dewarlog_firmware.reading import ReadingBuilder
from dewarlog_firmware.thermocouple import temperature_count, voltage_nv_from_raw
from dewarlog_wire import layout

GAIN = 32
COLD_RAW = 20 * 64
T = ord("T")
# Codes of about -190 degC at a cold junction of 20 degC.
RAW = -41_000


def channel(number: int, offset_count: int = 0) -> Channel:
    """Return a fitted probe of type T."""
    unknown = layout.UTC_UNKNOWN
    return Channel(number, T, 0, offset_count, 0, unknown, unknown, b"")


def expected(raw: int, cold_raw: int = COLD_RAW) -> int:
    """Return the code one conversion stands for."""
    return temperature_count(T, voltage_nv_from_raw(raw, GAIN), cold_raw)


def test_one_conversion_gives_reading_and_cold_junction() -> None:
    """Two probes: two readings and the mean of their cold junctions."""
    builder = ReadingBuilder((channel(0), channel(2)), GAIN, 1)
    builder.add(0, layout.STATE_OK, 0, RAW, COLD_RAW)
    builder.add(1, layout.STATE_OK, 0, RAW + 100, COLD_RAW + 2)

    assert builder.complete()
    assert builder.finish() == [expected(RAW), expected(RAW + 100, COLD_RAW + 2), COLD_RAW + 1]


def test_calibration_is_added_after_linearising() -> None:
    """The offset counts in 1/128 degC at the probe's end."""
    builder = ReadingBuilder((channel(0, offset_count=-37),), GAIN, 1)
    builder.add(0, layout.STATE_OK, 0, RAW, COLD_RAW)
    builder.complete()

    assert builder.finish()[0] == expected(RAW) - 37


def test_several_conversions_give_mean_least_and_most() -> None:
    """Mean rounded to the nearest, extremes as they were."""
    builder = ReadingBuilder((channel(0),), GAIN, 3)
    codes = []
    for step, done in ((0, False), (40, False), (90, True)):
        builder.add(0, layout.STATE_OK, 0, RAW + step, COLD_RAW)
        codes.append(expected(RAW + step))
        assert builder.complete() is done

    mean = (2 * sum(codes) + 3) // 6
    assert builder.finish() == [mean, min(codes), max(codes), COLD_RAW]


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_mean_never_hides_a_fault(failing: int) -> None:
    """One open conversion of three makes the whole sample open, whichever it was."""
    builder = ReadingBuilder((channel(0),), GAIN, 3)
    for number in range(3):
        state = layout.STATE_OPEN if number == failing else layout.STATE_OK
        builder.add(0, state, 1, RAW, COLD_RAW)
        builder.complete()

    assert builder.finish()[:3] == [layout.state_code(layout.STATE_OPEN)] * 3


def test_a_fault_of_one_sample_is_forgotten_in_the_next() -> None:
    """After `restart` the probe is judged anew."""
    builder = ReadingBuilder((channel(0),), GAIN, 1)
    builder.add(0, layout.STATE_SHORT, 2, RAW, COLD_RAW)
    builder.complete()
    builder.finish()
    builder.restart()
    builder.add(0, layout.STATE_OK, 0, RAW, COLD_RAW)
    builder.complete()

    assert builder.finish() == [expected(RAW), COLD_RAW]


def test_without_any_answer_the_cold_junction_says_so_too() -> None:
    """Silent converters give no temperature of anything."""
    builder = ReadingBuilder((channel(0),), GAIN, 1)
    builder.add(0, layout.STATE_SILENT, 0, 0, 0)
    builder.complete()

    silent = layout.state_code(layout.STATE_SILENT)
    assert builder.finish() == [silent, silent]


def test_a_voltage_below_the_table_is_a_state_not_a_number() -> None:
    """Colder than the reference function reaches."""
    builder = ReadingBuilder((channel(0),), GAIN, 1)
    builder.add(0, layout.STATE_OK, 0, -120_000, COLD_RAW)
    builder.complete()

    assert layout.state_of(builder.finish()[0]) == layout.STATE_BELOW_TABLE
