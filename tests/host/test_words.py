"""Words: durations, times and foreign text as a person may read them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog import words
from dewarlog.checks.wall_clock import WallTime


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.038, "38 ms"),
        (1.5, "1.5 s"),
        (59.6, "60 s"),
        (119, "119 s"),
        (120, "2 min"),
        (2510, "41 min 50 s"),
        (3600, "1 h"),
        (3599.7, "1 h"),
        (11_099, "3 h 5 min"),
        (172_799, "2 d"),
        (864_000, "10 d"),
        (871_500, "10 d 2 h"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: float, said: str) -> None:
    """Rounded, never `60 min` or `24 h 60 min`."""
    assert words.duration(seconds) == said


@given(st.floats(0, 1e9))
def test_no_duration_shows_a_unit_that_overflowed(seconds: float) -> None:
    """Minutes below 60, hours below 48."""
    said = words.duration(seconds).split()
    for number, unit in zip(said[::2], said[1::2], strict=True):
        assert float(number) < {"min": 60, "h": 48, "s": 120, "ms": 1001, "d": 12_000}[unit]


def test_a_span_of_time_names_the_day_once() -> None:
    """And the larger of both bounds."""
    start, end = WallTime(1772323200.0, 0.5), WallTime(1772330400.0, 2.31)

    assert words.wall_span(start, end) == "2026-03-01 00:00:00 to 02:00:00 UTC \u00b12.4 s"
    later = WallTime(1772409600.0, 0.5)
    assert words.wall_span(start, later).startswith("2026-03-01 00:00:00 to 2026-03-02 00:00:00")


@pytest.mark.parametrize(("seconds", "said"), [(0.01, "0.1 s"), (9.91, "10.0 s"), (601, "11 min")])
def test_an_error_bound_is_never_understated(seconds: float, said: str) -> None:
    """Rounded up."""
    assert words.error_bound(seconds) == said


@given(st.text())
def test_plain_text_cannot_speak_to_a_terminal(text: str) -> None:
    """No control character, no reordering, nothing hidden; and nothing lost."""
    made = words.plain(text)

    assert not {unicodedata.category(char) for char in made} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    if text.isascii() and text.isprintable():
        assert made == text


@pytest.mark.parametrize(
    ("char", "said"),
    [
        ("\x1b", r"\x1b"),
        ("\x9b", r"\x9b"),
        ("\u202e", r"\u202e"),
        ("\u061c", r"\u061c"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_a_character_that_acts_is_written_as_its_number(char: str, said: str) -> None:
    """Escapes, bidirectional marks and invisible tags; one number cannot be read as another."""
    assert words.plain(f"a{char}b") == f"a{said}b"


@pytest.mark.parametrize("unix_s", [1e18, -1e18, 2e11])
def test_a_time_no_calendar_holds_is_a_number(unix_s: float) -> None:
    """A forged log may claim any time."""
    assert words.utc(unix_s).endswith(("s after 1970", "UTC"))


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 blocks"), (1, "1 block"), (12_000, "12,000 blocks")]
)
def test_a_count_agrees_with_its_noun(count: int, said: str) -> None:
    """One block, many blocks."""
    assert words.plural(count, "block") == said
