"""Reads one table of a scenario file: every key named in the error that concerns it.

Durations are written "3 h", "42 min", "11 ms"; moments "day 4 14:30" (day 1 is the day the trip
begins, times are UTC) or as a duration after the beginning. All times become microseconds.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Final, cast

from simboard.errors import ScenarioError

_UNITS_US: Final = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "day": 86_400_000_000,
    "days": 86_400_000_000,
}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) *(us|ms|s|min|h|days?)")
_MOMENT: Final = re.compile(r"day ([0-9]+),? +([0-2]?[0-9]):([0-5][0-9])(?::([0-5][0-9]))?")
_REQUIRED: Final = object()


class Table:
    """One table of the file, `where` being how a person finds it: "[[knock]] 2"."""

    def __init__(self, values: dict[str, object], where: str, begins: datetime | None) -> None:
        self._values = dict(values)
        self._where = where
        self._begins = begins

    def fail(self, key: str, problem: str) -> ScenarioError:
        """Return the error that says what is wrong with a key."""
        return ScenarioError(f"{self._where}: {key}" if key else self._where, problem)

    def finish(self) -> None:
        """Refuse keys nobody has asked for: a misspelt key must not be a silent default."""
        if self._values:
            unknown = ", ".join(sorted(self._values))
            raise self.fail(unknown, "unknown key")

    def _take(self, key: str, default: object) -> object:
        value = self._values.pop(key, default)
        if value is _REQUIRED:
            raise self.fail(key, "missing")
        return value

    def has(self, key: str) -> bool:
        """Tell whether a key is there."""
        return key in self._values

    def number(self, key: str, low: float, high: float, default: object = _REQUIRED) -> float:
        """Return a number within a range."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fail(key, f"{value!r} is not a number")
        if not low <= value <= high:
            raise self.fail(key, f"{value} is not between {low:g} and {high:g}")
        return float(value)

    def whole(self, key: str, low: int, high: int, default: object = _REQUIRED) -> int:
        """Return a whole number within a range."""
        value = self.number(key, low, high, default)
        if value != int(value):
            raise self.fail(key, f"{value} is not a whole number")
        return int(value)

    def text(self, key: str, default: object = _REQUIRED) -> str:
        """Return a string."""
        value = self._take(key, default)
        if not isinstance(value, str):
            raise self.fail(key, f"{value!r} is not a text in quotes")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self.fail(key, f"{value!r} is neither true nor false")
        return value

    def choice(self, key: str, choices: tuple[str, ...], default: object = _REQUIRED) -> str:
        """Return one of a few words."""
        value = self.text(key, default)
        if value not in choices:
            raise self.fail(key, f"{value!r} is none of {', '.join(choices)}")
        return value

    def vector(
        self, key: str, low: float, high: float, default: object = _REQUIRED, length: int = 3
    ) -> list[float]:
        """Return a list of numbers, each within a range."""
        value = self._take(key, default)
        items = cast("list[object]", value) if isinstance(value, list) else []
        if len(items) != length:
            raise self.fail(key, f"{value!r} is not a list of {length} numbers")
        return [Table({key: item}, self._where, None).number(key, low, high) for item in items]

    def pairs(self, key: str, default: object = _REQUIRED) -> list[tuple[str, str]]:
        """Return a list of pairs of texts: [["0 s", "ice"], ["10 min", "ln2"]]."""
        value = self._take(key, default)
        wanted = 'is not a list of pairs such as [["0 s", "ice"], ["10 min", "ln2"]]'
        if not isinstance(value, list):
            raise self.fail(key, f"{value!r} {wanted}")
        found: list[tuple[str, str]] = []
        for entry in cast("list[object]", value):
            texts = cast("list[object]", entry) if isinstance(entry, list) else []
            if len(texts) != 2 or not all(isinstance(text, str) for text in texts):
                raise self.fail(key, f"{entry!r} {wanted}")
            found.append((str(texts[0]), str(texts[1])))
        return found

    def duration_us(self, key: str, default: object = _REQUIRED) -> int:
        """Return a duration such as "42 min"."""
        return self._duration(key, self.text(key, default))

    def _duration(self, key: str, text: str) -> int:
        found = _DURATION.fullmatch(text)
        if found is None:
            raise self.fail(key, f'{text!r} is no duration such as "42 min" or "3 h"')
        return round(float(found[1]) * _UNITS_US[found[2]])

    def moment_us(self, key: str) -> int:
        """Return a moment of the trip as microseconds since it began."""
        return self.moment_of_us(key, self.text(key))

    def moment_of_us(self, key: str, text: str) -> int:
        """Return what a moment that stands in `key` is, in microseconds since the trip began."""
        found = _MOMENT.fullmatch(text)
        if found is None:
            if _DURATION.fullmatch(text) is None:
                raise self.fail(key, f'{text!r} is no moment such as "day 4 14:30" or "36 h"')
            return self._duration(key, text)
        begins = self._begins
        if begins is None:
            raise self.fail(key, "a day is known only once the trip has begun")
        hour = int(found[2])
        if hour > 23:
            raise self.fail(key, f"there is no hour {hour}")
        clock = time(hour, int(found[3]), int(found[4] or 0), tzinfo=UTC)
        at = datetime.combine(begins.date(), clock) + timedelta(days=int(found[1]) - 1)
        since_us = (at - begins) // timedelta(microseconds=1)
        if since_us < 0:
            raise self.fail(key, f"{text!r} is before the trip begins, {begins:%H:%M}")
        return since_us

    def span_us(self) -> tuple[int, int]:
        """Return start and end of an entry with the keys `at` and `for`."""
        start_us = self.moment_us("at")
        return start_us, start_us + self.duration_us("for")

    def date_time(self, key: str) -> datetime:
        """Return a TOML date and time, with its offset."""
        value = self._take(key, _REQUIRED)
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise self.fail(key, f"{value!r} is no moment such as 2026-03-02T08:00:00Z")
        return value.astimezone(UTC)
