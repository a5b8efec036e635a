"""The angle from upright in integers, and the time in each band."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dewarlog_firmware.config import TiltSettings
from dewarlog_firmware.isqrt import isqrt
from dewarlog_firmware.tilt import CONFIRM_LOOKS, Tilt, half_degrees
from dewarlog_wire import layout

if TYPE_CHECKING:
    import subprocess

RunMicroPython = Callable[..., "subprocess.CompletedProcess[str]"]

SETTINGS = TiltSettings(30, 60, 120, 2, 60, 10)
STATED_ERROR_DEG = 0.02
PERIOD_S = 10


def leaning(angle_deg: float, heading_deg: float = 0.0, length_mg: float = 1000) -> list[int]:
    """Return what the sensor says, in whole mg, when leaning that far in that direction."""
    across = length_mg * math.sin(math.radians(angle_deg))
    return [
        round(across * math.cos(math.radians(heading_deg))),
        round(across * math.sin(math.radians(heading_deg))),
        round(length_mg * math.cos(math.radians(angle_deg))),
    ]


def true_angle_deg(x: int, y: int, z: int) -> float:
    """Return the angle of a vector from +z by floating point."""
    return math.degrees(math.atan2(math.hypot(x, y), z))


@given(st.integers(0, 2**40))
@example(0)
@example(2**30 - 1)
def test_square_root_is_exact(value: int) -> None:
    """As the standard library has it."""
    assert isqrt(value) == math.isqrt(value)


@given(st.integers(0, 2**20))
def test_square_root_is_exact_about_squares(root: int) -> None:
    """One below, at and one above a square."""
    values = [max(root * root + step, 0) for step in (-1, 0, 1)]
    assert [isqrt(value) for value in values] == [math.isqrt(value) for value in values]


@given(x=st.integers(-1300, 1300), y=st.integers(-1300, 1300), z=st.integers(-1300, 1300))
@example(0, 0, 1000)
@example(0, 0, -1000)
@example(1000, 0, 0)
@example(707, 0, 707)
@example(707, 0, -707)
def test_half_degrees_are_the_floor_within_the_stated_error(x: int, y: int, z: int) -> None:
    """In every octant: floor of twice the angle, the angle known to 0.02 degree."""
    if x * x + y * y + z * z < 700 * 700:
        return
    twice_deg = 2 * true_angle_deg(x, y, z)
    low = math.floor(twice_deg - 2 * STATED_ERROR_DEG)
    high = math.floor(twice_deg + 2 * STATED_ERROR_DEG)
    assert max(low, 0) <= half_degrees(x, y, z) <= high


@pytest.mark.parametrize(
    "angle_deg", [0, 1, 29, 31, 45, 59, 61, 89, 90, 91, 119, 121, 135, 179, 180]
)
@pytest.mark.parametrize("heading_deg", [0, 37, 135, 222, 300])
def test_whole_degree_is_the_nearest(angle_deg: int, heading_deg: int) -> None:
    """Whatever direction it leans in."""
    tilt = Tilt(SETTINGS)
    tilt.look(leaning(angle_deg, heading_deg), 0)
    assert tilt.angle_deg == angle_deg


@pytest.mark.parametrize(
    ("angle_deg", "band"),
    [(0, 0), (29.9, 0), (30.1, 1), (60.1, 2), (119.9, 2), (120.1, 3), (180, 3)],
)
def test_band_is_the_one_between_its_edges(angle_deg: float, band: int) -> None:
    """0-30, 30-60, 60-120, above 120."""
    tilt = Tilt(SETTINGS)
    tilt.look(leaning(angle_deg), 0)
    assert tilt.band == band


def look_at(tilt: Tilt, angles_deg: list[float | None], start_s: int = 0) -> list[bool]:
    """Look every 10 s; None is a reading that did not come."""
    return [
        tilt.look(None if angle is None else leaning(angle), start_s + PERIOD_S * index)
        for index, angle in enumerate(angles_deg)
    ]


def test_band_is_entered_after_three_looks_and_counted_from_the_first() -> None:
    """Laid on its side between the looks at 20 and 30 s."""
    tilt = Tilt(SETTINGS)
    changed = look_at(tilt, [0, 0, 0, 90, 90, 90, 90])
    assert changed == [False] * 5 + [True, False]
    # Upright until the look at 30 s, then 30 s on the side.
    assert tilt.values() == (2, 90, 30, 0, 30, 0)


def test_shorter_lean_is_not_a_change() -> None:
    """Two looks on the side while being carried through a door."""
    tilt = Tilt(SETTINGS)
    changed = look_at(tilt, [0, 90, 90, 0, 0])
    assert (changed, tilt.values()) == ([False] * 5, (0, 0, 40, 0, 0, 0))


def test_swinging_between_two_other_bands_settles_on_the_one_that_stays() -> None:
    """Each new band starts its own count of three."""
    tilt = Tilt(SETTINGS)
    changed = look_at(tilt, [0, 45, 90, 45, 90, 90, 90])
    assert changed == [False] * 6 + [True]
    assert tilt.values() == (2, 90, 40, 0, 20, 0)


@pytest.mark.parametrize("length_mg", [0, 300, 690, 1310, 2000])
def test_reading_that_is_not_gravity_is_not_an_angle(length_mg: int) -> None:
    """Falling or shaken: neither the angle nor the band follows."""
    tilt = Tilt(SETTINGS)
    tilt.look(leaning(0), 0)
    for second in range(10, 100, 10):
        assert not tilt.look(leaning(90, length_mg=length_mg), second)
    assert tilt.values() == (0, 0, 90, 0, 0, 0)


def test_sensor_that_falls_silent_leaves_the_time_where_the_shipper_was() -> None:
    """No reading, no news: the totals still add up to the time that passed."""
    tilt = Tilt(SETTINGS)
    look_at(tilt, [90, 90, None, None, None])
    assert tilt.values() == (2, 90, 0, 0, 40, 0)


def test_first_reading_of_a_run_is_believed_at_once() -> None:
    """A logger started on its side says so with its first look."""
    tilt = Tilt(SETTINGS)
    assert look_at(tilt, [90]) == [True]
    assert look_at(Tilt(SETTINGS), [0]) == [False]


@given(st.lists(st.sampled_from((0.0, 45.0, 90.0, 150.0, None)), min_size=1, max_size=60))
def test_totals_add_up_to_the_time_that_passed(angles_deg: list[float | None]) -> None:
    """No second is lost or counted twice, confirmed or not."""
    tilt = Tilt(SETTINGS)
    look_at(tilt, angles_deg)
    assert sum(tilt.values()[2:]) == PERIOD_S * (len(angles_deg) - 1)


def test_totals_go_on_after_a_boot_without_the_time_across_it() -> None:
    """From the newest event of the run, and what is known to have passed after it."""
    before = Tilt(SETTINGS)
    look_at(before, [0, 0, 90, 90, 90, 90])
    after = Tilt(SETTINGS)
    after.resume(before.values(), 25)
    assert look_at(after, [90, 90, 90], start_s=3) == [False] * 3
    assert after.values() == (2, 90, 20, 0, 30 + 25 + 20, 0)


def test_break_counts_no_time() -> None:
    """A day between two looks in different boots of the uptime."""
    tilt = Tilt(SETTINGS)
    look_at(tilt, [0, 0, 90])
    tilt.break_time()
    look_at(tilt, [90, 90], start_s=5)
    assert tilt.values() == (0, 90, 30, 0, 0, 0)


def test_values_are_those_of_the_event() -> None:
    """Packed by position."""
    names = [name for name, *_ in layout.EVENT_TILT.fields]
    assert len(Tilt(SETTINGS).values()) == len(names)
    assert names[:2] == ["band", "angle_deg"]
    assert CONFIRM_LOOKS == 3


_DEVICE_SCRIPT = """
import micropython
from dewarlog_firmware.config import TiltSettings
from dewarlog_firmware.tilt import Tilt, half_degrees
tilt = Tilt(TiltSettings(30, 60, 120, 2, 60, 10))
axes = [0, 0, 1000]
angles = bytearray(2 * 1331)
def run():
    at = 0
    for x in range(-1250, 1251, 250):
        for y in range(-1250, 1251, 250):
            for z in range(-1250, 1251, 250):
                half = half_degrees(x, y, z)
                angles[at] = half & 255
                angles[at + 1] = half >> 8
                at += 2
                axes[0], axes[1], axes[2] = x, y, z
                tilt.look(axes, at)
micropython.heap_lock()
try:
    run()
finally:
    micropython.heap_unlock()
import binascii
print(binascii.crc32(angles), tilt.values())
"""


@pytest.mark.parametrize("interpreter", ["micropython", "micropython32"])
def test_micropython_finds_the_same_angles_and_allocates_nothing(
    interpreter: str, request: pytest.FixtureRequest
) -> None:
    """A grid over all octants, under `heap_lock`."""
    run: RunMicroPython = request.getfixturevalue(interpreter)
    from binascii import crc32

    grid = range(-1250, 1251, 250)
    tilt = Tilt(SETTINGS)
    angles = bytearray()
    for x in grid:
        for y in grid:
            for z in grid:
                angles += half_degrees(x, y, z).to_bytes(2, "little")
                tilt.look([x, y, z], len(angles))
    assert run(_DEVICE_SCRIPT).stdout == f"{crc32(angles)} {tilt.values()}\n"


@pytest.mark.parametrize(("band", "seconds", "held"), [(2, 3599, False), (3, 3600, True)])
def test_minutes_beyond_the_band_that_counts_mean_hold(
    band: int, seconds: int, *, held: bool
) -> None:
    """60 min in band 2 or above; by a profile that never holds, no time does."""
    values = [0, 0, 9999, 9999, 0, 0]
    values[2 + band] = seconds
    tilt, never = Tilt(SETTINGS), Tilt(SETTINGS._replace(hold_band=0))
    tilt.resume(values)
    never.resume(values)

    assert (tilt.has_held, never.has_held) == (held, False)
