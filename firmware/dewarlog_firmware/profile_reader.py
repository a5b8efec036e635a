"""Reads a profile's JSON objects key by key, and refuses what may not stand there, by name.

Place in the line: below config, which knows what a profile has. Pure: takes what json.loads gave,
opens nothing.
"""

import json

from dewarlog_wire import layout

SERIAL_MAX_BYTES = 12  # of layout.CHANNEL
_DAY_S = 86400


class ConfigError(Exception):
    """The profile cannot be used: `field` names the place, `allowed` what may stand there."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        """Keep the parts as data beside the sentence."""
        super().__init__("profile: %s is %s; allowed: %s" % (field, value, allowed))
        self.field = field
        self.value = value
        self.allowed = allowed


class Section:
    """One JSON object being read; remembers which keys were asked for.

    A default of None means that the key must be there.
    """

    def __init__(self, document: object, path: str) -> None:
        if not isinstance(document, dict):
            raise ConfigError(path or "profile", shown(document), "an object {...}")
        self._document = document
        self._path = path
        self._known = []

    def path(self, key: str) -> str:
        """Return the place of a key in the whole profile."""
        return self._path + "." + key if self._path else key

    def value(self, key: str, default: object, allowed: str) -> object:
        """Return what a key has, or its default."""
        if key not in self._known:
            self._known.append(key)
        if key in self._document:
            return self._document[key]
        if default is None:
            raise ConfigError(self.path(key), "missing", allowed)
        return default

    def refuse(self, key: str, allowed: str) -> ConfigError:
        """Return the error for a value that may not stand there."""
        return ConfigError(self.path(key), shown(self._document.get(key)), allowed)

    def whole(self, key: str, default: object, lowest: int, highest: int) -> int:
        """Return a whole number."""
        allowed = "a whole number from %d to %d" % (lowest, highest)
        value = self.value(key, default, allowed)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse(key, allowed)
        if not lowest <= value <= highest:
            raise self.refuse(key, allowed)
        return value

    def counts(self, key: str, default: object, lowest: float, highest: float, scale: int) -> int:
        """Return a decimal times `scale`, rounded to the nearest, half away from zero."""
        allowed = "a number from %s to %s" % (lowest, highest)
        value = self.value(key, default, allowed)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.refuse(key, allowed)
        if not lowest <= value <= highest:
            raise self.refuse(key, allowed)
        scaled = value * scale
        return int(scaled + 0.5) if scaled >= 0 else -int(0.5 - scaled)

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        allowed = "true or false"
        value = self.value(key, default, allowed)
        if not isinstance(value, bool):
            raise self.refuse(key, allowed)
        return value

    def one_of(self, key: str, default: object, choices: tuple) -> int:
        """Return the position of the value among `choices`."""
        allowed = "one of " + ", ".join([shown(choice) for choice in choices])
        value = self.value(key, default, allowed)
        for index in range(len(choices)):
            if type(value) is type(choices[index]) and value == choices[index]:
                return index
        raise self.refuse(key, allowed)

    def items(self, key: str, default: object, fewest: int, most: int) -> list:
        """Return a list."""
        allowed = "a list of %d to %d" % (fewest, most)
        value = self.value(key, default, allowed)
        if not isinstance(value, list) or not fewest <= len(value) <= most:
            raise self.refuse(key, allowed)
        return value

    def rising(self, key: str, default: list, lowest: int, highest: int) -> list:
        """Return a list of three whole numbers, each above the one before."""
        allowed = "three rising whole numbers from %d to %d" % (lowest, highest)
        values = self.items(key, default, 3, 3)
        before = lowest - 1
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int):
                raise self.refuse(key, allowed)
            if not before < value <= highest:
                raise self.refuse(key, allowed)
            before = value
        return values

    def text(self, key: str, most_bytes: int) -> str:
        """Return an optional text of at most so many bytes of UTF-8; empty when not there."""
        return checked_text(self.path(key), self.value(key, "", ""), most_bytes)

    def serial(self, key: str) -> bytes:
        """Return an optional serial number of a probe."""
        allowed = "at most %d ASCII characters" % SERIAL_MAX_BYTES
        serial = self.value(key, "", allowed)
        if not isinstance(serial, str) or len(serial) > SERIAL_MAX_BYTES:
            raise self.refuse(key, allowed)
        for character in serial:
            if not 32 <= ord(character) < 127:
                raise self.refuse(key, allowed)
        return serial.encode()

    def is_null(self, key: str) -> bool:
        """Tell whether an optional key is not there or null: not known."""
        self._known.append(key)
        return self._document.get(key) is None

    def date(self, key: str) -> int:
        """Return 00:00 UTC of an optional date in seconds since 2020-01-01; UTC_UNKNOWN: null."""
        allowed = "a date from 2020-01-01 to 2053-12-31 as YYYY-MM-DD, or null"
        text = self.value(key, "", allowed)
        if text is None or text == "":
            return layout.UTC_UNKNOWN
        if not isinstance(text, str) or len(text) != 10:
            raise self.refuse(key, allowed)
        return self._day(key, text, allowed) * _DAY_S

    def moment(self, key: str) -> int:
        """Return a required moment in seconds since 2020-01-01."""
        allowed = "a moment from 2020 to 2053 as YYYY-MM-DDTHH:MM:SSZ"
        text = self.value(key, None, allowed)
        if not isinstance(text, str) or len(text) != 20:
            raise self.refuse(key, allowed)
        if text[10] + text[13] + text[16] + text[19] != "T::Z":
            raise self.refuse(key, allowed)
        day = self._day(key, text[:10], allowed)
        if not (text[11:13] + text[14:16] + text[17:19]).isdigit():
            raise self.refuse(key, allowed)
        hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
        if hour > 23 or minute > 59 or second > 59:
            raise self.refuse(key, allowed)
        return day * _DAY_S + hour * 3600 + minute * 60 + second

    def _day(self, key: str, text: str, allowed: str) -> int:
        """Return the day of an ISO date, counted from 2020-01-01."""
        if text[4] + text[7] != "--" or not (text[:4] + text[5:7] + text[8:]).isdigit():
            raise self.refuse(key, allowed)
        year, month, day = int(text[:4]), int(text[5:7]), int(text[8:])
        if not 2020 <= year <= 2053 or not 1 <= month <= 12:
            raise self.refuse(key, allowed)
        # Every fourth year is a leap year between 2020 and 2053.
        months = [31, 28 if year % 4 else 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        if not 1 <= day <= months[month - 1]:
            raise self.refuse(key, allowed)
        return (year - 2020) * 365 + (year - 2017) // 4 + sum(months[: month - 1]) + day - 1

    def close(self) -> None:
        """Refuse whatever was not asked for: most likely a key misspelt."""
        for key in self._document:
            if not isinstance(key, str):  # MicroPython's reader takes any value for one
                raise ConfigError(
                    self._path or "profile", "the name " + shown(key), "names in quotes"
                )
            if key not in self._known:
                raise ConfigError(
                    self.path(key), "no setting of this board", ", ".join(self._known)
                )


def shown(value: object) -> str:
    """Return a value as JSON, cut to a length that fits a message."""
    try:
        text = json.dumps(value)
    except RuntimeError:  # recursion
        text = "nested too deep"
    return text if len(text) <= 60 else text[:57] + "..."


def checked_text(path: str, text: object, most_bytes: int) -> str:
    """Return a text that stands at `path`, if it is one."""
    if not isinstance(text, str) or not _is_unicode(text) or len(text.encode()) > most_bytes:
        raise ConfigError(path, shown(text), "a text of at most %d bytes" % most_bytes)
    return text


def _is_unicode(text: str) -> bool:
    """Tell whether a text has no half of a pair in it: JSON can write those, UTF-8 cannot."""
    for character in text:
        if 0xD800 <= ord(character) < 0xE000:
            return False
    return True
