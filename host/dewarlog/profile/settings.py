"""What may stand at one key of a profile: the kinds of values, and each kind's sentence.

Below the profile's model, which names one of these at every key. The ranges' sentences are those
that the board would say (firmware/dewarlog_firmware/config.py), so that a person reads the same
from both. Strict as the board is: a whole number is no `true`, no 10.0 and no "10".
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

from pydantic_core import PydanticCustomError, core_schema

from dewarlog_wire import layout

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

LOWEST_DEGC: Final = -250
HIGHEST_DEGC: Final = 130
TEXT_MAX_BYTES: Final = 200
SERIAL_MAX_CHARACTERS: Final = 12
# UTC on the wire is seconds since 2020 in 30 bits (layout): until here.
FIRST_YEAR: Final = 2020
LAST_YEAR: Final = 2053
REFUSAL: Final = "setting"
"""The type of the pydantic error that a kind raises; its context has `allowed`."""
SEVERAL: Final = "several"
"""The type of the error of keys that do not fit each other; its context has `mistakes`."""
_SHOWN_MOST: Final = 60


def shown(value: object) -> str:
    """Return a value as JSON, cut to a length that fits a sentence."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN_MOST else text[: _SHOWN_MOST - 3] + "..."


class Kind:
    """One kind of value. `allowed` says what may stand there."""

    @property
    def allowed(self) -> str:
        """What may stand there, for a person."""
        raise NotImplementedError

    def made(self, value: object) -> object:
        """Return what the model holds for this value.

        Raises:
            ValueError: it may not stand there.
        """
        raise NotImplementedError

    def refusal(self) -> PydanticCustomError:
        """Make the error that a value of another kind meets."""
        return PydanticCustomError(REFUSAL, "{allowed}", {"allowed": self.allowed})

    def __get_pydantic_core_schema__(
        self, source: type, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        def check(value: object) -> object:
            try:
                return self.made(value)
            except ValueError:
                raise self.refusal() from None

        return core_schema.no_info_before_validator_function(check, handler(source))


def _expect(holds: bool) -> None:  # noqa: FBT001 - the one thing it is asked
    if not holds:
        raise ValueError


@dataclass(frozen=True, slots=True)
class Whole(Kind):
    """A whole number in a range."""

    lowest: int
    highest: int

    @property
    def allowed(self) -> str:
        """As the board says it."""
        return f"a whole number from {self.lowest} to {self.highest}"

    def made(self, value: object) -> object:
        """Take an int in the range, and no bool."""
        _expect(type(value) is int and self.lowest <= value <= self.highest)
        return value


@dataclass(frozen=True, slots=True)
class Number(Kind):
    """A decimal in a range."""

    lowest: float
    highest: float

    @property
    def allowed(self) -> str:
        """As the board says it."""
        return f"a number from {self.lowest} to {self.highest}"

    def made(self, value: object) -> object:
        """Take an int or a float in the range, and no bool."""
        _expect(type(value) is int or type(value) is float)
        _expect(self.lowest <= value <= self.highest)  # type: ignore[operator]
        return float(value)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class OneOf(Kind):
    """One of a few values."""

    choices: tuple[str | int, ...]

    @property
    def allowed(self) -> str:
        """As the board says it."""
        return "one of " + ", ".join(shown(choice) for choice in self.choices)

    def made(self, value: object) -> object:
        """Take a choice of the same type: 1 is not `true`."""
        _expect(any(type(value) is type(choice) and value == choice for choice in self.choices))
        return value


@dataclass(frozen=True, slots=True)
class Flag(Kind):
    """True or false."""

    @property
    def allowed(self) -> str:
        """As the board says it."""
        return "true or false"

    def made(self, value: object) -> object:
        """Take a bool."""
        _expect(type(value) is bool)
        return value


@dataclass(frozen=True, slots=True)
class OrNull(Kind):
    """A value of another kind, or null: not known."""

    kind: Kind

    @property
    def allowed(self) -> str:
        """The other kind's words."""
        return f"{self.kind.allowed}, or null"

    def made(self, value: object) -> object:
        """Take null, and what the other kind takes."""
        return None if value is None else self.kind.made(value)


@dataclass(frozen=True, slots=True)
class Text(Kind):
    """A text that UTF-8 can write in so many bytes."""

    most_bytes: int = TEXT_MAX_BYTES

    @property
    def allowed(self) -> str:
        """As the board says it."""
        return f"a text of at most {self.most_bytes} bytes"

    def made(self, value: object) -> object:
        """Take a str without half a surrogate pair in it: JSON can write those, UTF-8 cannot."""
        _expect(type(value) is str and len(value.encode()) <= self.most_bytes)
        return value


@dataclass(frozen=True, slots=True)
class Serial(Kind):
    """A probe's serial: its record has 12 bytes of ASCII for it."""

    @property
    def allowed(self) -> str:
        """As the board says it."""
        return f"at most {SERIAL_MAX_CHARACTERS} ASCII characters"

    def made(self, value: object) -> object:
        """Take printable ASCII."""
        _expect(type(value) is str and len(value) <= SERIAL_MAX_CHARACTERS)
        _expect(all(32 <= ord(character) < 127 for character in str(value)))
        return value


@dataclass(frozen=True, slots=True)
class Day(Kind):
    """A day of the years that the board's clock can count, or null."""

    @property
    def allowed(self) -> str:
        """As the board says it."""
        return f"a date from {FIRST_YEAR}-01-01 to {LAST_YEAR}-12-31 as YYYY-MM-DD, or null"

    def made(self, value: object) -> object:
        """Take YYYY-MM-DD, a `date`, null; an empty text is null too."""
        if value is None or value == "":
            return None
        if type(value) is str:
            _expect(re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII) is not None)
            value = date.fromisoformat(value)
        _expect(type(value) is date and FIRST_YEAR <= value.year <= LAST_YEAR)
        return value


@dataclass(frozen=True, slots=True)
class Moment(Kind):
    """A second of UTC of the years that the board's clock can count."""

    @property
    def allowed(self) -> str:
        """As the board says it."""
        return f"a UTC time from {FIRST_YEAR} to {LAST_YEAR} as YYYY-MM-DDTHH:MM:SSZ"

    def made(self, value: object) -> object:
        """Take YYYY-MM-DDTHH:MM:SSZ, or an aware `datetime`, whose fractions are dropped."""
        if type(value) is str:
            shape = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
            _expect(re.fullmatch(shape, value, re.ASCII) is not None)
            value = datetime.fromisoformat(value)
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise ValueError
        moment = value.astimezone(UTC).replace(microsecond=0)
        _expect(FIRST_YEAR <= moment.year <= LAST_YEAR)
        return moment


@dataclass(frozen=True, slots=True)
class Rising(Kind):
    """Three whole numbers, each above the one before."""

    lowest: int
    highest: int

    @property
    def allowed(self) -> str:
        """As the board says it."""
        return f"three rising whole numbers from {self.lowest} to {self.highest}"

    def made(self, value: object) -> object:
        """Take a list of them."""
        _expect(isinstance(value, (list, tuple)))
        edges: tuple[object, ...] = tuple(value)  # type: ignore[arg-type]
        _expect(len(edges) == 3)
        before = self.lowest - 1
        for edge in edges:
            _expect(type(edge) is int and before < edge <= self.highest)
            before = int(edge)  # type: ignore[call-overload]
        return edges


@dataclass(frozen=True, slots=True)
class Items(Kind):
    """A list of so many; what stands in it has kinds of its own."""

    fewest: int
    most: int

    @property
    def allowed(self) -> str:
        """As the board says it."""
        return f"a list of {self.fewest} to {self.most}"

    def made(self, value: object) -> object:
        """Take a list of that length."""
        _expect(isinstance(value, (list, tuple)))
        items: tuple[object, ...] = tuple(value)  # type: ignore[arg-type]
        _expect(self.fewest <= len(items) <= self.most)
        return items


@dataclass(frozen=True, slots=True)
class Channels(Kind):
    """The channels of a rule: "all", or numbers; whether they are fitted is seen later."""

    @property
    def allowed(self) -> str:
        """As the board says it, but for which are fitted."""
        return '"all" or a list of the fitted channels'

    def made(self, value: object) -> object:
        """Take "all" or a list that is not empty, each channel counted once and in order."""
        if value == "all":
            return value
        _expect(isinstance(value, (list, tuple)))
        items: tuple[object, ...] = tuple(value)  # type: ignore[arg-type]
        _expect(bool(items) and all(type(item) is int and 0 <= item < 8 for item in items))
        return tuple(sorted({int(item) for item in items}))  # type: ignore[call-overload]


def utc_s(moment: datetime) -> int:
    """Return a moment as the wire has it: whole seconds since 2020-01-01T00:00:00Z."""
    return int(moment.timestamp()) - layout.UTC_EPOCH_UNIX_S
