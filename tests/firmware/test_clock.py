"""Uptime counts every millisecond once, over any number of wraps of the tick counter."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog_firmware.clock import TICKS_PERIOD, Uptime, WallClock, earlier
from dewarlog_wire.layout import UTC_UNKNOWN

if TYPE_CHECKING:
    import subprocess

RunMicroPython = Callable[..., "subprocess.CompletedProcess[str]"]

DAY_MS = 86_400_000


@given(start=st.integers(0, 2**62), steps=st.lists(st.integers(0, TICKS_PERIOD // 2 - 1)))
def test_uptime_never_drifts_whatever_the_calls(start: int, steps: list[int]) -> None:
    """After any steps of up to 6.2 days the uptime is their exact sum."""
    uptime = Uptime(start)
    total_ms = 0
    for step in steps:
        total_ms += step
        assert uptime.at((start + total_ms) % TICKS_PERIOD) == divmod(total_ms, 1000)


def test_uptime_passes_the_wrap_of_the_counter() -> None:
    """2**30 ms are 12.4 days: a 30-day trip wraps twice."""
    uptime = Uptime(TICKS_PERIOD - 5)
    for hour in range(30 * 24):
        ticks_ms = (TICKS_PERIOD - 5 + hour * 3_600_000) % TICKS_PERIOD
        assert uptime.at(ticks_ms) == (hour * 3600, 0)


def test_tick_counter_of_64_bit_builds_is_taken_too() -> None:
    """There it does not wrap at 2**30; the uptime is the same."""
    start = 5 * TICKS_PERIOD + 17
    uptime = Uptime(start)
    assert uptime.at(start + 3 * DAY_MS) == (3 * 86400, 0)
    assert uptime.at(start + 6 * DAY_MS) == (6 * 86400, 0)


@given(now_ms=st.integers(0, 2**40), age_ms=st.integers(1, TICKS_PERIOD // 2))
def test_tick_noted_earlier_does_not_turn_the_clock_back(now_ms: int, age_ms: int) -> None:
    """An interrupt's tick is read after the loop's own; asking for it changes nothing."""
    uptime = Uptime(0)
    for passed_ms in range(0, now_ms, TICKS_PERIOD // 2 - 1):
        uptime.at(passed_ms % TICKS_PERIOD)
    now = uptime.at(now_ms % TICKS_PERIOD)
    assert now == divmod(now_ms, 1000)
    assert uptime.at((now_ms - age_ms) % TICKS_PERIOD) == divmod(now_ms - age_ms, 1000)
    assert uptime.at(now_ms % TICKS_PERIOD) == now


@given(uptime_s=st.integers(0, 10**8), uptime_ms=st.integers(0, 999), age_us=st.integers(0, 10**9))
def test_moment_some_microseconds_ago_is_floored_to_the_millisecond(
    uptime_s: int, uptime_ms: int, age_us: int
) -> None:
    """Across the second, too."""
    us = (uptime_s * 1000 + uptime_ms) * 1000 - age_us
    assert earlier(uptime_s, uptime_ms, age_us) == divmod(us // 1000, 1000)


@pytest.mark.parametrize(
    ("uptime", "utc_s"),
    [
        ((100, 400), 5000),
        ((100, 399), 4999),
        ((101, 399), 5000),
        ((40, 400), 4940),
        ((200, 999), 5100),
    ],
)
def test_wall_clock_keeps_the_meaning_of_the_chips_seconds(
    uptime: tuple[int, int], utc_s: int
) -> None:
    """Read as 5000 at uptime 100.400: the next second can begin no later than 101.400."""
    assert WallClock(5000, 100, 400).utc_at(*uptime) == utc_s


def test_unset_clock_gives_no_time() -> None:
    """No guess is made from a clock that lost its own."""
    assert WallClock(UTC_UNKNOWN, 100, 0).utc_at(200, 0) == UTC_UNKNOWN


_DEVICE_SCRIPT = """
import micropython
from dewarlog_firmware.clock import Uptime, WallClock, earlier
uptime = Uptime(1073741000)
wall = WallClock(190000000, 3, 500)
seen = [0, 0]
def run():
    ticks_ms = 1073741000
    for _ in range(400):
        ticks_ms = (ticks_ms + 3600017) & 0x3FFFFFFF
        uptime.at(ticks_ms)
        wall.utc_at(1000000, 17)
run()
print(uptime.at((1073741000 + 400 * 3600017) & 0x3FFFFFFF))
print(uptime.at((1073741000 + 400 * 3600017 - 5) & 0x3FFFFFFF))
print(earlier(100, 3, 1004001), wall.utc_at(1000000, 17))
"""


@pytest.mark.parametrize("interpreter", ["micropython", "micropython32"])
def test_micropython_keeps_the_same_time(interpreter: str, request: pytest.FixtureRequest) -> None:
    """400 hours over a wrap of the counter."""
    run: RunMicroPython = request.getfixturevalue(interpreter)
    assert run(_DEVICE_SCRIPT).stdout.splitlines() == [
        str(divmod(400 * 3600017, 1000)),
        str(divmod(400 * 3600017 - 5, 1000)),
        "(98, 998) 190999996",
    ]
