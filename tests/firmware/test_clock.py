"""Uptime goes on where the tick counter wraps."""

from dewarlog_firmware.clock import Uptime
from hypothesis import given
from hypothesis import strategies as st

PERIOD = 1 << 30


@given(st.integers(0, PERIOD - 1), st.lists(st.integers(0, PERIOD // 2 - 1), max_size=20))
def test_uptime_is_the_sum_of_all_steps_whatever_wraps(start: int, steps: list[int]) -> None:
    """Over many periods no millisecond is lost."""
    uptime = Uptime(start)
    total_ms = 0
    for step_ms in steps:
        total_ms += step_ms
        assert uptime.at((start + total_ms) % PERIOD) == divmod(total_ms, 1000)


def test_a_tick_from_before_the_newest_does_not_move_time_back() -> None:
    """A sample's tick lies before the loop's; asking for it changes nothing."""
    uptime = Uptime(100)
    uptime.at(100 + 5_000)

    assert uptime.at(100 + 4_200) == (4, 200)
    assert uptime.at(100 + 5_001) == (5, 1)


def test_a_tick_from_before_the_boot_is_the_boot() -> None:
    """Uptime has no time before 0."""
    assert Uptime(100).at(90) == (0, 0)
