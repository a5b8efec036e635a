"""The profile of a board as a model: /profile.json read, checked whole, changed, and written.

Place in the line: beside it. A bench's commands read a profile here, change it, and hand the bytes
to `requests.put_profile`. What this model takes the board takes, and it names every mistake at
once, where the board names the first. What contradicts itself, which the board cannot see, is in
contradictions.py.

Models are frozen. pydantic takes a tenth of a second to load: import this module late.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final, cast
from zlib import crc32

from pydantic import BeforeValidator, Field, ValidationError

from dewarlog.errors import Mistake, ProfileInvalid, ProfileTooLarge
from dewarlog.profile import settings
from dewarlog.profile.parts import (
    CHANNELS_MAX,
    RATE_WINDOWS_MAX,
    Access,
    Arming,
    CalibrationPoint,
    Channel,
    Handling,
    LimitRule,
    Power,
    Radio,
    RateRule,
    Rule,
    Sampling,
    Section,
    Shock,
    Texts,
    Tilt,
)
from dewarlog.profile.settings import Items, OneOf, shown
from dewarlog.strict_json import NotStrict, read_object
from dewarlog_wire import layout

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def _handling(value: object) -> object:
    return Handling() if value is None else value


class Profile(Section):
    """A whole profile. `read` makes one, `write` gives its bytes, `with_...` a changed copy."""

    texts: Texts = Texts()
    sampling: Sampling = Sampling()
    channels: Annotated[tuple[Channel, ...], Items(1, CHANNELS_MAX)]
    rules: Annotated[
        tuple[Annotated[Rule, Field(discriminator="kind")], ...], Items(0, layout.RULE_MAX)
    ]
    shock: Shock = Shock()
    tilt: Tilt = Tilt()
    radio: Radio = Radio()
    access: Access = Access()
    power: Power = Power()
    handling: Annotated[Handling, BeforeValidator(_handling)] = Handling()
    arming: Arming | None = None

    @classmethod
    def read(cls, data: bytes, where: str) -> Profile:
        """Read a profile from the bytes of a file, or of a board; `where` names it in errors.

        Contradictions between settings, which a board may already run by, are not judged here:
        `contradictions.judge` does.

        Raises:
            ProfileInvalid: what cannot be used, each key by name, all at once.
        """
        try:
            document = read_object(data.decode("utf-8-sig").encode())
        except (UnicodeError, NotStrict) as error:
            raise ProfileInvalid(where, [_unreadable(error)]) from error
        return cls.of(document, where)

    @classmethod
    def of(cls, document: dict[str, Any], where: str) -> Profile:
        """Make a profile of an object as JSON has it; raises as `read`."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            mistakes = [
                mistake
                for details in error.errors(include_url=False)
                for mistake in _mistakes_of(details)
            ]
            mistakes += _unfitted(document, {mistake.path for mistake in mistakes})
            raise ProfileInvalid(where, mistakes) from error

    def write(self) -> bytes:
        """Return the bytes of /profile.json: the same for equal profiles.

        Compact, for a board has little room: a line for each part, and for each channel and rule.

        Raises:
            ProfileTooLarge: they are more than a board takes.
        """
        document = self.document()
        parts = [f"{_compact(key)}:{_part(value)}" for key, value in document.items()]
        data = ("{" + ",\n".join(parts) + "}\n").encode()
        if len(data) > layout.PROFILE_MAX_BYTES:
            raise ProfileTooLarge(len(data), layout.PROFILE_MAX_BYTES)
        return data

    def document(self) -> dict[str, Any]:
        """Return the object that `write` writes: every setting by name, what is empty left out."""
        document = self.model_dump()
        document["texts"] = {key: text for key, text in document["texts"].items() if text}
        if document["shock"]["trigger_g"] is None:
            del document["shock"]["trigger_g"]
        for channel in document["channels"]:
            if not channel["calibration"]:
                del channel["calibration"]
        if self.power == Power():
            del document["power"]
        if self.handling == Handling():
            del document["handling"]
        if self.arming is None:
            del document["arming"]
        return document

    @property
    def crc32(self) -> int:
        """The CRC-32 of the bytes `write` gives, as LIVE tells it; raises as `write`."""
        return crc32(self.write())

    def channel(self, number: int) -> Channel:
        """Return a fitted channel by its number; KeyError when there is none."""
        for channel in self.channels:
            if channel.channel == number:
                return channel
        raise KeyError(number)

    def with_(self, **changes: object) -> Profile:
        """Return a copy with some parts replaced, checked again as `of` checks."""
        return self.of(_changed(self, changes), "the changed profile")

    def with_texts(self, **texts: object) -> Profile:
        """Return a copy with some texts replaced: names as in Texts; raises as `of`."""
        return self.with_(texts=_changed(self.texts, texts))

    def with_channel(self, number: int, **changes: object) -> Profile:
        """Return a copy with a channel changed, or added when it was not fitted; raises as `of`.

        `number` is that of the terminal. `changes` are named as in Channel.
        """
        kept = {channel.channel: _changed(channel, {}) for channel in self.channels}
        kept[number] = kept.get(number, {"channel": number}) | changes
        return self.with_(channels=[kept[each] for each in sorted(kept)])

    def without_channel(self, number: int) -> Profile:
        """Return a copy without a channel; raises as `of`, where a rule names it too."""
        return self.with_(channels=[each for each in self.channels if each.channel != number])

    def channels_of(self, rule: Rule) -> tuple[int, ...]:
        """Return the numbers of the channels a rule judges."""
        if rule.channels == "all":
            return tuple(channel.channel for channel in self.channels)
        return rule.channels

    def differing(self) -> list[tuple[str, str]]:
        """Each channel stands once, rules name fitted ones, rates have few windows."""
        mistakes: list[tuple[str, str]] = []
        fitted: list[int] = []
        for index, channel in enumerate(self.channels):
            if channel.channel in fitted:
                mistakes.append((f"channels[{index}].channel", "each channel once"))
            fitted.append(channel.channel)
        allowed = f'"all" or a list of the fitted channels, {fitted}'
        windows: list[int] = []
        for index, rule in enumerate(self.rules):
            if any(channel not in fitted for channel in self.channels_of(rule)):
                mistakes.append((f"rules[{index}].channels", allowed))
            if isinstance(rule, RateRule) and rule.rate_window_s not in windows:
                windows.append(rule.rate_window_s)
                if len(windows) > RATE_WINDOWS_MAX:
                    used = f"one of the windows used before, {windows[:RATE_WINDOWS_MAX]}"
                    mistakes.append((f"rules[{index}].rate_window_s", used))
        return mistakes


def _changed(section: Section, changes: dict[str, object]) -> dict[str, Any]:
    fields = type(section).model_fields
    return {key: getattr(section, key) for key in fields} | changes


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _part(value: object) -> str:
    if not isinstance(value, list | tuple) or not value:
        return _compact(cast("object", value))
    return "[\n" + ",\n".join(_compact(item) for item in cast("list[object]", value)) + "]"


# --- mistakes, named -----------------------------------------------------------------------------

_MODELS: Final[dict[str, type[Section]]] = {
    "texts": Texts,
    "sampling": Sampling,
    "channels": Channel,
    "channels.calibration": CalibrationPoint,
    "above": LimitRule,
    "below": LimitRule,
    "rising": RateRule,
    "falling": RateRule,
    "shock": Shock,
    "tilt": Tilt,
    "radio": Radio,
    "access": Access,
    "power": Power,
    "handling": Handling,
    "arming": Arming,
}
_KINDS: Final = ("above", "below", "rising", "falling")


def _unreadable(error: UnicodeError | NotStrict) -> Mistake:
    if isinstance(error, UnicodeError):
        return Mistake("", f"not UTF-8 ({error})", "a JSON object in UTF-8")
    if error.field:
        if error.field == "format":
            return Mistake("", "no object", "a JSON object {...}")
        return Mistake(error.field, "there twice", "each name once")
    why = error.__cause__
    where = f": {why}" if isinstance(why, json.JSONDecodeError) else ""
    return Mistake("", f"not JSON{where}", "a JSON object {...}")


def _mistakes_of(details: ErrorDetails) -> list[Mistake]:
    """Say one of pydantic's errors with the profile's own names."""
    loc = list(details["loc"])
    model: type[Section] = Profile
    if loc and loc[0] == "rules" and len(loc) > 2:
        model = _MODELS[str(loc.pop(2))]
    elif loc:
        # The object the key stands in: the longest known beginning of its path.
        names = [str(part) for part in loc[:-1] if isinstance(part, str)]
        model = _MODELS.get(".".join(names), Profile) if names else Profile
    path = _path(loc)
    found = details["input"]
    context = details.get("ctx", {})
    match details["type"]:
        case settings.REFUSAL:
            return [Mistake(path, shown(found), str(context["allowed"]))]
        case "missing":
            return [Mistake(path, "missing", _allowed(model, str(loc[-1])))]
        case "extra_forbidden":
            return [Mistake(path, "no setting of this board", ", ".join(model.model_fields))]
        case "union_tag_invalid" | "union_tag_not_found":
            given = cast("dict[str, object]", found)
            kind = shown(given["kind"]) if "kind" in given else "missing"
            return [Mistake(f"{path}.kind", kind, OneOf(_KINDS).allowed)]
        case settings.SEVERAL:
            pairs = cast("list[tuple[str, str]]", context["mistakes"])
            return [
                Mistake(f"{path}.{key}" if path else key, _found(found, key), allowed)
                for key, allowed in pairs
            ]
        case _:
            return [Mistake(path, shown(found), "an object {...}")]


def _unfitted(document: dict[str, Any], named: set[str]) -> list[Mistake]:
    """Return the rules of channels that are not fitted, where other mistakes hide `differing`."""
    channels, rules = (
        cast("list[object]", items if isinstance(items, (list, tuple)) else [])
        for items in (document.get("channels"), document.get("rules"))
    )
    fitted = [_inner(channel, "channel") for channel in channels]
    mistakes: list[Mistake] = []
    for index, rule in enumerate(rules):
        path = f"rules[{index}].channels"
        chosen = _inner(rule, "channels")
        if isinstance(chosen, (list, tuple)) and path not in named:
            items = cast("list[object]", chosen)
            if any(type(item) is int and item not in fitted for item in items):
                allowed = f'"all" or a list of the fitted channels, {fitted}'
                mistakes.append(Mistake(path, shown(items), allowed))
    return mistakes


def _inner(value: object, key: str) -> object:
    """Return what stands at a key of an object, as JSON or as a model has it."""
    if isinstance(value, dict):
        return cast("dict[str, object]", value).get(key)
    return getattr(value, key, None)


def _path(loc: list[int | str]) -> str:
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _allowed(model: type[Section], key: str) -> str:
    """Return what may stand at a key."""
    field = model.model_fields[key]
    for each in field.metadata:
        if isinstance(each, settings.Kind):
            return each.allowed
    return "it must be there"


def _found(document: object, path: str) -> str:
    """Return what stands at a path below an object."""
    for part in path.replace("[", ".").replace("]", "").split("."):
        match document:
            case dict():
                document = cast("dict[str, object]", document).get(part)
            case list() | tuple():
                document = cast("list[object]", document)[int(part)]
            case _:
                document = getattr(document, part, None)
    return shown(document)
