"""One result of a self-test in words: which test, what was measured, what would have passed.

Stands beside selftest.py; the bench says them of a board at hand, checks and report of a log.
Tests and units: protocol/SPEC.md 5, event 27. Any number that fits its field is said: a board may
be newer, or a log forged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dewarlog import words
from dewarlog.records import named
from dewarlog_wire import layout

if TYPE_CHECKING:
    from typing import Protocol

    class Result(Protocol):
        """What a selftest event says, whoever holds it."""

        @property
        def test(self) -> int:
            """Number of the test."""
            ...

        @property
        def index(self) -> int:
            """Which of several."""
            ...

        @property
        def least(self) -> int:
            """Passes from here."""
            ...

        @property
        def most(self) -> int:
            """To here."""
            ...


_READING: Final = "1/128 degC"
_COUNTS_PER_DEGC: Final = {
    _READING: layout.TEMPERATURE_PER_DEGC,
    "1/64 degC": layout.COLD_JUNCTION_PER_DEGC,
}
# The ends of an i32 stand for no limit.
LEAST_OF_ALL: Final = -(2**31)
MOST_OF_ALL: Final = 2**31 - 1
_I16_LEAST: Final = -(2**15)
# What is counted, where the unit alone would not say it.
_NOUNS: Final = {"converter settings": "registers lost", "flash": "bytes wrong"}
# Tests there is one of for each probe, and for each axis of a sensor.
_OF_A_PROBE: Final = ("converter settings", "converter fault logic", "cold junction")
_OF_AN_AXIS: Final = ("tilt sensor self-test",)


def name_of(result: Result) -> str:
    """Name the test; one that this program does not know by its number."""
    known = result.test < len(layout.SELFTESTS)
    return layout.SELFTESTS[result.test][0] if known else f"test {result.test}"


def unit_of(result: Result) -> str:
    """Give the unit of value, least and most; empty where they have none."""
    return layout.SELFTESTS[result.test][1] if result.test < len(layout.SELFTESTS) else ""


def counts_per_degc(result: Result) -> int | None:
    """Give how many counts are 1 degC; None where a test measures no temperature."""
    return _COUNTS_PER_DEGC.get(unit_of(result))


def title_of(result: Result) -> str:
    """Say which test of which part: `cold junction, probe 2`."""
    name, index = name_of(result), result.index
    if name == "probe":
        return f"probe {index + 1}"
    if name in _OF_A_PROBE:
        return f"{name}, probe {index + 1}"
    if name in _OF_AN_AXIS and index < len("xyz"):
        return f"{name}, {'xyz'[index]}"
    return f"{name}, {index}" if index else name


def state_of(result: Result, value: int) -> str | None:
    """Say what is wrong with a probe that gives no temperature: `open`; None for all else."""
    if unit_of(result) != _READING or not _I16_LEAST <= value < layout.READING_MIN:
        return None
    return named(layout.STATE_NAMES, layout.state_of(value))


def value_words(result: Result, value: int) -> str:
    """Write a value in the unit of its test."""
    per_degc = counts_per_degc(result)
    if per_degc is not None:
        return state_of(result, value) or words.degc(value / per_degc)
    if result.least == result.most == 1 and value in (0, 1):
        return "yes" if value else "no"
    noun = _NOUNS.get(name_of(result), unit_of(result))
    return f"{_number(value)} {noun}" if noun else _number(value)


def limit_words(result: Result) -> str:
    """Say from where to where a value passes; nothing where every value does."""
    least, most = result.least, result.most
    if (least, most) == (LEAST_OF_ALL, MOST_OF_ALL):
        return ""
    if least == most:
        return value_words(result, least)
    if most == MOST_OF_ALL:
        return f"at least {value_words(result, least)}"
    is_count = counts_per_degc(result) is None
    if least == LEAST_OF_ALL or (least == 0 and is_count):
        return f"at most {value_words(result, most)}"
    low = _number(least) if is_count else value_words(result, least)
    return f"{low} to {value_words(result, most)}"


def _number(value: int) -> str:
    return f"{value:,}".replace("-", "\u2212")
