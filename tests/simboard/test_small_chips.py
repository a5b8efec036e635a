"""LIS3DH, DS3231 and the supply against their data sheets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from device_script import on_device

if TYPE_CHECKING:
    from conftest import MicroPython

_TILT: Final = """
from simboard.device.chips.lis3dh import LIS3DH
from simboard.device.clock import Clock
from simboard.device.motion import Motion, Tilt

clock = Clock()
chip = LIS3DH(clock, Motion([Tilt(10000000, 20000000, 90.0)], [], [], 1), 3)
chip.power_on()

def read(register, count=1):
    data = bytearray(count)
    chip.read(register, data)
    return list(data)

def axes():
    data = read(0xA8, 6)
    values = [data[i] | data[i + 1] << 8 for i in (0, 2, 4)]
    return [value - 65536 if value & 0x8000 else value for value in values]
"""
_CLOCK: Final = """
from simboard.device.chips.ds3231 import DS3231
from simboard.device.clock import Clock

clock = Clock()
chip = DS3231(clock, 1772438399, DRIFT, KEPT, lambda: -10.25)

def read(register, count=1):
    data = bytearray(count)
    chip.read(register, data)
    return [hex(value) for value in data]
"""


def test_the_tilt_sensor_starts_as_table_18_says(micropython: MicroPython) -> None:
    """WHO_AM_I 0x33, CTRL_REG0 0x10, CTRL_REG1 0x07; powered down it gives no samples."""
    shown = on_device(
        micropython, _TILT, "show(read(0x0F) + read(0x1E) + read(0x20) + read(0x27)); show(axes())"
    )

    assert shown == [[0x33, 0x10, 0x07, 0x00], [0, 0, 0]]


@pytest.mark.parametrize(
    ("ctrl1", "ctrl4", "count_per_g", "step"),
    [
        (0x57, 0x08, 16000, 16),  # high resolution, 2 g: 1 mg a digit of 12 bits
        (0x57, 0x18, 8000, 16),  # 4 g: 2 mg
        (0x57, 0x38, 16000 / 12, 16),  # 16 g: 12 mg
        (0x57, 0x00, 16000, 64),  # normal: 10 bits
        (0x5F, 0x00, 16000, 256),  # low power: 8 bits
    ],
)
def test_samples_are_left_justified_at_their_resolution(
    micropython: MicroPython, ctrl1: int, ctrl4: int, count_per_g: float, step: int
) -> None:
    """At rest z reads 1 g, laid on its side y does."""
    shown = on_device(
        micropython,
        _TILT,
        f"""
        chip.write(bytes((0x20, {ctrl1})))
        chip.write(bytes((0x23, {ctrl4})))
        clock.advance_to(1000000)
        show(axes())
        clock.advance_to(15000000)
        show(axes())
        """,
    )

    noise = 0.02 * count_per_g + step
    assert shown[0] == pytest.approx([0, 0, count_per_g], abs=noise)
    assert shown[1] == pytest.approx([0, count_per_g, 0], abs=noise)
    assert all(value % step == 0 for sample in shown for value in sample)


def test_the_register_moves_on_only_when_bit_7_asks(micropython: MicroPython) -> None:
    """Without it a burst reads the same register again."""
    shown = on_device(micropython, _TILT, "show(read(0x0F, 3)); show(read(0x8F, 1))")

    assert shown == [[0x33, 0x33, 0x33], [0x33]]


def test_status_tells_new_data_until_it_has_been_read(micropython: MicroPython) -> None:
    """ZYXDA at the output data rate, here 100 Hz."""
    shown = on_device(
        micropython,
        _TILT,
        """
        chip.write(bytes((0x20, 0x57)))
        clock.advance_to(9000); show(read(0x27))
        clock.advance_to(11000); show(read(0x27))
        axes(); show(read(0x27))
        clock.advance_to(21000); show(read(0x27))
        """,
    )

    assert shown == [[0x00], [0x0F], [0x00], [0x0F]]


def test_the_fifo_in_stream_mode_holds_the_newest_32(micropython: MicroPython) -> None:
    """FIFO_SRC counts them, tells overrun, and falls as they are read."""
    shown = on_device(
        micropython,
        _TILT,
        """
        chip.write(bytes((0x20, 0x57)))
        chip.write(bytes((0x24, 0x40)))
        chip.write(bytes((0x2E, 0x80)))
        clock.advance_to(100000)
        show(read(0x2F)[0] & 0x1F)
        clock.advance_to(2000000)
        show(read(0x2F)[0] & 0x60)
        for _ in range(32): axes()
        show(read(0x2F)[0] & 0x3F)
        """,
    )

    assert shown == [10, 0x40, 0x20]


def test_the_clock_counts_in_bcd_and_rolls_over(micropython: MicroPython) -> None:
    """2026-03-02 07:59:59 becomes 08:00:00; a Monday is day 1 here."""
    script = _CLOCK.replace("DRIFT", "0").replace("KEPT", "True")
    shown = on_device(
        micropython,
        script,
        "show(read(0, 7)); clock.advance_to(1000000); show(read(0, 7)); show(read(0x0E, 2))",
    )

    assert shown[0] == ["0x59", "0x59", "0x7", "0x1", "0x2", "0x3", "0x26"]
    assert shown[1] == ["0x0", "0x0", "0x8", "0x1", "0x2", "0x3", "0x26"]
    assert shown[2] == ["0x1c", "0x8"]


def test_writing_the_seconds_starts_the_second_anew(micropython: MicroPython) -> None:
    """The countdown chain resets: the next second comes a whole second later."""
    script = _CLOCK.replace("DRIFT", "0").replace("KEPT", "True")
    shown = on_device(
        micropython,
        script,
        """
        clock.advance_to(10700000)
        chip.write(bytes((0, 0x30, 0x59, 0x23, 1, 0x31, 0x12, 0x29)))
        clock.advance_to(11600000); show(read(0))
        clock.advance_to(11700000); show(read(0))
        clock.advance_to(41700000); show(read(0, 7))
        """,
    )

    assert shown == [["0x30"], ["0x31"], ["0x1", "0x0", "0x0", "0x2", "0x1", "0x1", "0x30"]]


def test_an_unset_clock_says_that_its_oscillator_stopped(micropython: MicroPython) -> None:
    """OSF reads 1 until 0 is written to it; writing 1 sets nothing."""
    script = _CLOCK.replace("DRIFT", "0").replace("KEPT", "False")
    shown = on_device(
        micropython,
        script,
        """
        show(read(0x0F))
        chip.write(bytes((0x0F, 0x88))); show(read(0x0F))
        chip.write(bytes((0x0F, 0x08))); show(read(0x0F))
        chip.write(bytes((0x0F, 0x88))); show(read(0x0F))
        show(read(6))
        """,
    )

    assert shown == [["0x88"], ["0x88"], ["0x8"], ["0x8"], ["0x0"]]


def test_the_clock_drifts_as_it_is_told(micropython: MicroPython) -> None:
    """10 ppm fast is 8.64 s in ten days."""
    script = _CLOCK.replace("DRIFT", "10").replace("KEPT", "True")
    shown = on_device(
        micropython, script, "clock.advance_to(864000000000); show(chip.utc_s() - 1772438399)"
    )

    assert shown == [864_008]


def test_the_clock_tells_its_temperature(micropython: MicroPython) -> None:
    """Quarter degrees, two's complement, in the upper ten bits of 0x11 and 0x12."""
    script = _CLOCK.replace("DRIFT", "0").replace("KEPT", "True")
    shown = on_device(micropython, script, "show(read(0x11, 2))")

    assert shown == [["0xf5", "0xc0"]]


def test_the_supply_is_read_through_its_divider(micropython: MicroPython) -> None:
    """Half of 4.0 V is 2.0 of 3.3 V; a dip shows while it lasts."""
    shown = on_device(
        micropython,
        """
        from simboard.device.chips.supply import Supply
        from simboard.device.clock import Clock
        from simboard.device.noise import Noise
        clock = Clock()
        supply = Supply(clock, Noise(1), 4000, 3000, 1000000, [(500000, 600000, 2600)])
        for us in (0, 550000, 2000000):
            clock.advance_to(us)
            show(supply.read_u16() * 6600 / 65535)
        """,
    )

    assert shown == pytest.approx([4000, 2600, 3000], abs=12)


@pytest.mark.parametrize(("stuck", "least", "most"), [(False, 17, 360), (True, 0, 3)])
def test_the_self_test_moves_each_axis_by_what_table_4_says(
    micropython: MicroPython, *, stuck: bool, least: int, most: int
) -> None:
    """ST = 01 at +-2 g in normal mode, in digits of ten bits; a stuck mass does not follow."""
    shown = on_device(
        micropython,
        _TILT.replace("1), 3)", f"1), 3, stuck={stuck})"),
        """
        chip.write(bytes((0x20, 0x57)))
        for ctrl4 in (0x80, 0x82):
            chip.write(bytes((0x23, ctrl4)))
            sums = [0, 0, 0]
            for _ in range(5):
                clock.advance_to(clock.now + 90000)
                sums = [a + (b >> 6) for a, b in zip(sums, axes())]
            show(sums)
        """,
    )
    changes = [abs(after - before) / 5 for before, after in zip(*shown, strict=True)]

    assert all(least <= change <= most for change in changes)


def test_the_supply_falls_by_what_the_flash_draws(micropython: MicroPython) -> None:
    """25 mA through 20 ohm, until a millisecond after the flash was at work."""
    shown = on_device(
        micropython,
        """
        from simboard.device.chips.supply import Supply
        from simboard.device.clock import Clock
        from simboard.device.noise import Noise
        clock = Clock()
        supply = Supply(clock, Noise(1), 4000, 4000, 1000000, [], 20, lambda: 500000)
        for us in (500010, 502000):
            clock.advance_to(us)
            show(supply.read_u16() * 6600 / 65535)
        """,
    )

    assert shown == pytest.approx([3500, 4000], abs=12)
