"""The MAX31856 model against its data sheet (Maxim 19-7534), register by register."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from device_script import CONVERTER, on_device

if TYPE_CHECKING:
    from conftest import MicroPython

# Table 6.
_RESET = [0x00, 0x03, 0xFF, 0x7F, 0xC0, 0x7F, 0xFF, 0x80, 0x00, 0, 0, 0, 0, 0, 0, 0]


def test_registers_hold_table_6_after_power_on(micropython: MicroPython) -> None:
    """All sixteen, in one burst; the address wraps to 0 behind the last."""
    shown = on_device(micropython, CONVERTER, "show(read(0, 16)); show(read(0x0F, 3))")

    assert shown == [_RESET, [0x00, 0x00, 0x03]]


def test_only_writable_registers_take_a_value(micropython: MicroPython) -> None:
    """Temperatures and the fault status are read only while the cold junction sensor is on."""
    shown = on_device(
        micropython,
        CONVERTER,
        """
        write(0x01, *range(0x40, 0x4F))
        show(read(0x01, 15))
        """,
    )

    assert shown == [[0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("cr0", "cr1", "expected_us"),
    [
        (0x40, 0x0C, 143_000),  # 60 Hz
        (0x41, 0x0C, 169_000),  # 50 Hz
        (0x41, 0x4C, 169_000 + 15 * 40_000),  # average of 16, 50 Hz
        (0x40, 0x1C, 143_000 + 33_330),  # average of 2, 60 Hz
        (0x49, 0x0C, 169_000 - 25_000),  # cold junction sensor off
        (0x50, 0x0C, 143_000 + 13_300),  # open-circuit test for low source resistance
        (0x71, 0x0C, 169_000 + 113_400),  # for long time constants
        (0x58, 0x0C, 143_000 - 25_000 + 40_000),  # with the cold junction sensor off
    ],
)
def test_a_one_shot_conversion_takes_the_time_of_its_settings(
    micropython: MicroPython, cr0: int, cr1: int, expected_us: int
) -> None:
    """Typical times of the electrical characteristics, CR1's averages and table 4."""
    shown = on_device(
        micropython,
        CONVERTER,
        f"write(1, {cr1}); write(0, {cr0}); show(wait_ready()); show(read(0))",
    )

    assert abs(shown[0] - expected_us) <= 110
    assert shown[1] == [cr0 & ~0x40]  # 1SHOT clears itself


def test_the_conversion_begins_when_chip_select_rises(micropython: MicroPython) -> None:
    """A multi-byte write starts it at its end, with the settings written along."""
    shown = on_device(
        micropython,
        CONVERTER,
        """
        select.drive(0)
        spi.write(b"\\x80\\x40")
        clock.advance_to(clock.now + 50000)
        spi.write(b"\\x0c")
        select.drive(1)
        show(wait_ready())
        """,
    )

    assert abs(shown[0] - 143_000) <= 110


def test_ready_stays_low_until_a_temperature_is_read(micropython: MicroPython) -> None:
    """DRDY is a level: reading the fault status alone does not release it."""
    shown = on_device(
        micropython,
        CONVERTER,
        """
        write(0, 0x40)
        wait_ready()
        levels = [ready.level]
        for register in (0x0F, 0x00, 0x0A):
            read(register)
            levels.append(ready.level)
        write(0, 0x40)
        wait_ready()
        read(0x0C, 3)
        levels.append(ready.level)
        show(levels)
        """,
    )

    assert shown == [[0, 0, 0, 1, 1]]


@pytest.mark.parametrize(("mode", "gain"), [(0x08, 8), (0x0C, 32), (0x0B, 8), (0x0F, 32)])
def test_voltage_mode_gives_gain_times_1_6_times_2_to_the_17(
    micropython: MicroPython, mode: int, gain: int
) -> None:
    """CR1 bits 10xx and 11xx; the noise is the data sheet's 1.3 and 0.4 uV rms."""
    shown = on_device(
        micropython,
        CONVERTER,
        f"""
        write(1, {mode})
        for nv in (0, -5500000, 12345678):
            probe.nv = nv
            total = 0
            for _ in range(30):
                write(0, 0x40)
                wait_ready()
                total += code()
            show(total / 30)
        """,
    )

    counts_per_nv = gain * 1.6 * 2**17 * 1e-9
    noise_counts = (1300 if gain == 8 else 400) * counts_per_nv / 30**0.5
    for found, nv in zip(shown, (0, -5_500_000, 12_345_678), strict=True):
        assert abs(found - nv * counts_per_nv) < 4 * noise_counts + 0.5


def test_the_input_range_ends_at_78_and_19_5_millivolts(micropython: MicroPython) -> None:
    """Beyond it the code stands still."""
    shown = on_device(
        micropython,
        CONVERTER,
        """
        for mode, nv in ((0x08, 90000000), (0x08, -90000000), (0x0C, 25000000), (0x0C, -25000000)):
            probe.nv = nv
            write(1, mode)
            write(0, 0x40)
            wait_ready()
            show(code())
        """,
    )

    assert shown == [131_071, -131_072, 131_071, -131_072]


def test_the_cold_junction_is_in_sixty_fourths_with_its_offset_added(
    micropython: MicroPython,
) -> None:
    """CJTO counts sixteenths of a degree; negative temperatures are two's complement."""
    shown = on_device(
        micropython,
        CONVERTER,
        """
        for micro, offset in ((25000000, 0), (-10250000, 0), (25000000, 0xF0), (25000000, 0x10)):
            probe.micro_degc = micro
            write(0x09, offset)
            write(0, 0x40)
            wait_ready()
            high, low = read(0x0A, 2)
            count = high << 6 | low >> 2
            show((count - 16384 if count & 0x2000 else count) / 64)
        """,
    )

    assert shown == pytest.approx([25.0, -10.25, 24.0, 26.0], abs=0.04)


def test_an_external_cold_junction_is_taken_when_the_sensor_is_off(
    micropython: MicroPython,
) -> None:
    """With CR0 bit 3 the register is the host's to write, and stays what it was till then."""
    shown = on_device(
        micropython,
        CONVERTER,
        """
        write(0, 0x40); wait_ready(); before = read(0x0A, 2)
        write(0, 0x08); write(0, 0x48); wait_ready()
        show(before == read(0x0A, 2))
        write(0x0A, 0x1E, 0x80)
        write(0, 0x48); wait_ready()
        show(read(0x0A, 2))
        """,
    )

    assert shown == [True, [0x1E, 0x80]]


def test_type_mode_linearises_with_the_cold_junction(micropython: MicroPython) -> None:
    """A K probe at 100 degC with terminals at 25 degC: 4.096 mV less 1.000 mV."""
    shown = on_device(
        micropython,
        CONVERTER,
        """
        probe.nv = 4096000 - 1000200
        write(1, 0x43)
        write(0, 0x40)
        wait_ready()
        show(code() / 128)
        show(read(0x0F))
        """,
    )

    assert shown[0] == pytest.approx(100.0, abs=0.15)
    assert shown[1] == [0x00]


def test_type_mode_ends_at_the_tables_lowest_temperature(micropython: MicroPython) -> None:
    """Below -200 degC a T probe is out of range, not open."""
    shown = on_device(
        micropython,
        CONVERTER,
        "probe.nv = -6800000\nwrite(1, 0x07)\nwrite(0, 0x50)\nwait_ready()\nshow(read(0x0F))",
    )

    assert shown == [[0x40]]


def test_an_open_probe_is_found_by_the_test_and_only_by_it(micropython: MicroPython) -> None:
    """Each one-shot conversion with OCFAULT set tests; without it nothing tells."""
    shown = on_device(
        micropython,
        CONVERTER,
        """
        write(1, 0x0C)
        for state in (CONNECTED, OPEN, CONNECTED):
            probe.now = state
            write(0, 0x50)
            wait_ready()
            show(read(0x0F)[0] & 1)
            read(0x0C)
        probe.now = OPEN
        write(0, 0x40)
        wait_ready()
        show(read(0x0F)[0] & 1)
        """,
    )

    assert shown == [0, 1, 0, 0]


def test_automatic_mode_tests_every_sixteenth_conversion(micropython: MicroPython) -> None:
    """Conversions follow each other at the automatic rate, the first takes as long as a shot."""
    shown = on_device(
        micropython,
        CONVERTER,
        """
        write(1, 0x0C)
        write(0, 0x90)
        times, faults = [], []
        for i in range(18):
            times.append(wait_ready())
            probe.now = OPEN
            faults.append(read(0x0F)[0] & 1)
            read(0x0C)
        show(times)
        show(faults)
        """,
    )

    assert abs(shown[0][0] - 156_300) <= 110
    assert all(abs(us - 82_000) <= 110 for us in shown[0][1:16])
    assert abs(shown[0][16] - 95_300) <= 110
    assert shown[1] == [0] * 16 + [1, 1]


def test_overvoltage_suspends_conversions_until_it_is_gone(micropython: MicroPython) -> None:
    """The bit follows the input; no conversion completes, and the next good one does."""
    shown = on_device(
        micropython,
        CONVERTER,
        """
        probe.now, probe.until = SHORTED, 5000000
        write(0, 0x40)
        show(wait_ready(1000000) >= 1000000)
        show(read(0x0F)[0] & 2)
        wait_ready(9000000)
        show(clock.now // 10000)
        show(read(0x0F)[0] & 2)
        """,
    )

    assert shown == [True, 2, 500, 0]


def test_thresholds_set_their_bits_with_two_degrees_of_hysteresis(
    micropython: MicroPython,
) -> None:
    """Comparator mode: the cold junction's high bit falls only 2 degC below its limit."""
    shown = on_device(
        micropython,
        CONVERTER,
        """
        write(0x03, 30, 0xF6)
        bits = []
        for degc in (29, 31, 29, 27, -11, -9, -7):
            probe.micro_degc = degc * 1000000
            write(0, 0x40)
            wait_ready()
            bits.append(read(0x0F)[0] & 0x30)
            read(0x0C)
        show(bits)
        """,
    )

    assert shown == [[0, 0x20, 0x20, 0, 0x10, 0x10, 0]]


def test_the_cold_junction_range_is_minus_55_to_125(micropython: MicroPython) -> None:
    """Outside it bit 7 says so."""
    shown = on_device(
        micropython,
        CONVERTER,
        """
        for degc in (-54, -56, 124, 126):
            probe.micro_degc = degc * 1000000
            write(0, 0x40)
            wait_ready()
            show(read(0x0F)[0] & 0x80)
            read(0x0A)
        """,
    )

    assert shown == [0, 0x80, 0, 0x80]


def test_interrupt_mode_keeps_a_fault_until_it_is_cleared(micropython: MicroPython) -> None:
    """CR0 bit 1 clears in interrupt mode, does nothing in comparator mode, and reads as 0."""
    shown = on_device(
        micropython,
        CONVERTER,
        """
        probe.now = OPEN
        write(0, 0x54); wait_ready(); read(0x0C)
        probe.now = CONNECTED
        write(0, 0x54); wait_ready(); read(0x0C)
        show(read(0x0F)[0] & 1)
        write(0, 0x16)
        show(read(0x0F)[0] & 1)
        show(read(0))
        """,
    )

    assert shown == [1, 0, [0x14]]


def test_a_brown_out_brings_the_reset_values_back(micropython: MicroPython) -> None:
    """The conversion under way is lost with the settings."""
    shown = on_device(
        micropython,
        CONVERTER,
        """
        write(1, 0x4C)
        write(0, 0x51)
        clock.advance_to(clock.now + 100000)
        chip.brown_out()
        show(read(0, 16))
        show(wait_ready(2000000) >= 2000000)
        """,
    )

    assert shown == [_RESET, True]


def test_the_wrong_spi_mode_reads_nonsense(micropython: MicroPython) -> None:
    """The chip takes data with CPHA 1; set up otherwise a driver must not seem to work."""
    shown = on_device(
        micropython, CONVERTER, "spi.init(phase=0); write(1, 0x0C); show(read(1) == [0x0C])"
    )

    assert shown == [False]


def test_a_limit_below_the_cold_junction_raises_its_fault_alone(micropython: MicroPython) -> None:
    """CJHF, p. 21: above it CJHIGH stands; comparator mode lets it fall once the limit is back."""
    shown = on_device(
        micropython,
        CONVERTER,
        """
        for limit in (0x7F, 20, 0x7F):
            write(3, limit)
            write(1, 0x0C)
            write(0, 0x51)
            wait_ready()
            read(0x0C, 3)
            show(read(0x0F)[0] & 0xBF)
        """,
    )

    assert shown == [0x00, 0x20, 0x00]
