"""The bound on what a host may have written: so many at once, one more in a while, never more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dewarlog_firmware.allowance import Allowance

TICKS = 1 << 30


def test_so_many_at_once_and_then_none() -> None:
    """All of them in the same millisecond."""
    allowance = Allowance(3, 1000)

    assert [allowance.take(7) for _ in range(5)] == [True, True, True, False, False]


def test_one_comes_back_with_each_interval() -> None:
    """Not a millisecond earlier; the rest of an interval is not lost by asking."""
    allowance = Allowance(2, 1000)
    allowance.take(5)
    allowance.take(5)

    taken = [ms for ms in range(5, 3100, 1) if allowance.take(ms)]

    assert taken == [1005, 2005, 3005]


def test_no_more_than_all_come_back() -> None:
    """After a week of silence."""
    allowance = Allowance(2, 1000)
    allowance.take(0)
    week_ms = 7 * 86_400_000

    assert [allowance.take(week_ms) for _ in range(3)] == [True, True, False]


def test_the_count_of_milliseconds_may_begin_again() -> None:
    """ticks_ms goes to 2**30."""
    allowance = Allowance(1, 1000)
    allowance.take(TICKS - 400)

    assert not allowance.take((TICKS - 400 + 999) % TICKS)
    assert allowance.take((TICKS - 400 + 1000) % TICKS)


@given(
    st.integers(1, 5),
    st.integers(1, 50),
    st.integers(0, TICKS - 1),
    st.lists(st.integers(0, 120), max_size=60),
)
def test_no_span_of_time_grants_more_than_its_share(
    most: int, every_ms: int, start: int, pauses: list[int]
) -> None:
    """Between any two moments: what was saved up, and one for each interval that passed."""
    allowance = Allowance(most, every_ms)
    now = start
    granted: list[int] = []
    for pause in pauses:
        now += pause
        if allowance.take(now % TICKS):
            granted.append(now)

    for first, began in enumerate(granted):
        for last, ended in enumerate(granted[first:], first):
            assert last - first + 1 <= most + (ended - began) // every_ms + 1
