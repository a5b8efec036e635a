"""A setting event in words: which section of block 0 changed, field by field, old and new.

Between records and event_words. Both payloads are read by the records of the layout; one that does
not fit its record (a newer board, a forgery) is shown as bytes. Format: protocol/SPEC.md 5, 22.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from dewarlog import words
from dewarlog.records import refusal_names, unix_s_of
from dewarlog_wire import layout
from dewarlog_wire.errors import BlockError
from dewarlog_wire.texts import read_section_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dewarlog.records import SettingEvent

    Fields = dict[str, Any]

_RECORDS: Final[Mapping[int, layout.Record]] = {
    layout.SECTION_SAMPLING: layout.SAMPLING,
    layout.SECTION_CHANNEL: layout.CHANNEL,
    layout.SECTION_RULE: layout.RULE,
    layout.SECTION_SHOCK_SETTINGS: layout.SHOCK_SETTINGS,
    layout.SECTION_TILT_SETTINGS: layout.TILT_SETTINGS,
    layout.SECTION_CALIBRATION: layout.CALIBRATION,
    layout.SECTION_ARMING: layout.ARMING,
    layout.SECTION_HANDLING: layout.HANDLING,
}
_SECTION_WORDS: Final[Mapping[int, str]] = {
    layout.SECTION_SAMPLING: "sampling",
    layout.SECTION_CHANNEL: "probe",
    layout.SECTION_RULE: "rule",
    layout.SECTION_SHOCK_SETTINGS: "shock settings",
    layout.SECTION_TILT_SETTINGS: "tilt settings",
    layout.SECTION_CALIBRATION: "calibration of probe",
    layout.SECTION_ARMING: "arming",
    layout.SECTION_HANDLING: "handling",
}
# The field that numbers a section, from 0; a person counts from 1.
_NUMBERED_BY: Final[Mapping[int, str]] = {
    layout.SECTION_CHANNEL: "channel",
    layout.SECTION_RULE: "rule",
    layout.SECTION_CALIBRATION: "channel",
}
_LEVELS: Final = (layout.RULE_ABOVE, layout.RULE_BELOW)


def describe_setting(event: SettingEvent) -> str:
    """Say what a setting was and is now: "rule 1: dwell_s 600 -> 300", with a real arrow."""
    if event.section == layout.SECTION_TEXT:
        what, change = _text_change(event)
    else:
        what, change = _record_change(event)
    return f"{what}: {change} (before: run {event.before_run})"


def _record_change(event: SettingEvent) -> tuple[str, str]:
    try:
        before = _fields(event.section, event.before, is_cut=event.before_is_cut)
        after = _fields(event.section, event.after, is_cut=event.after_is_cut)
    except BlockError:
        return f"section {event.section}, number {event.index + 1}", _bytes_change(event)
    what = _SECTION_WORDS[event.section]
    number_field = _NUMBERED_BY.get(event.section)
    if number_field is not None:
        what += f" {(after or before)[number_field] + 1}"
        if before and after and before[number_field] != after[number_field]:
            what += f" (was {before[number_field] + 1})"
    if before and after:
        changes = [
            f"{name} {_value(before, name)} \u2192 {_value(after, name)}"
            for name in after
            if before[name] != after[name] and name != number_field
        ]
        return what, ", ".join(changes) or "the same"
    if not before and not after:
        return what, "nothing stands here"
    shown = ", ".join(
        f"{name} {_value(before or after, name)}"
        for name in (before or after)
        if name != number_field
    )
    return what, f"new, {shown}" if after else f"taken away, {shown}"


def _fields(section: int, payload: bytes, *, is_cut: bool) -> Fields:
    """Read one payload; nothing where there is none. BlockError: it is not that section's."""
    record = _RECORDS.get(section)
    if record is None:
        raise BlockError("section", f"no record is known of section {section}")
    if not payload:
        return {}
    names = [name for name, *_ in record.fields]
    if section in layout.SECTION_TEXTS:
        names += layout.SECTION_TEXTS[section]
        if is_cut and len(payload) >= record.size:
            values = struct.unpack_from(record.format, payload)
            told = _cut_texts(payload[record.size :], len(layout.SECTION_TEXTS[section]))
            return dict(zip(names, (*values, *told), strict=True))
        return dict(zip(names, read_section_texts(section, payload), strict=True))
    if len(payload) != record.size:
        raise BlockError("section", f"{record.name} of {len(payload)} bytes")
    return dict(zip(names, struct.unpack(record.format, payload), strict=True))


# --- One value ----------------------------------------------------------------------------------


def _temperature(count: int) -> str:
    return f"{count / layout.TEMPERATURE_PER_DEGC:.2f} \u00b0C"


def _fine_temperature(count: int) -> str:
    return f"{count / layout.TEMPERATURE_PER_DEGC:.3f} \u00b0C"


def _quoted(text: str) -> str:
    return f'"{text}"'


def _refusals(bits: int) -> str:
    return "+".join(refusal_names(bits)) or "none"


def _utc_or_never(utc_s: int) -> str:
    unix_s = unix_s_of(utc_s)
    return "never" if unix_s is None else words.utc(unix_s)


def _name_in(names: Mapping[int, str]) -> Callable[[int], str]:
    return lambda number: names.get(number, f"number {number}")


_VALUES: Final[Mapping[str, Callable[[Any], str]]] = {
    "probe_type": chr,
    "placement": _name_in(dict(enumerate(layout.PLACEMENT_NAMES))),
    "offset_count": lambda count: f"{count / layout.TEMPERATURE_PER_DEGC:.3f} K",
    "calibration_u_count": lambda count: f"{count / layout.TEMPERATURE_PER_DEGC:.3f} K",
    "calibrated_utc_s": _utc_or_never,
    "calibration_due_utc_s": _utc_or_never,
    "serial": lambda serial: f'"{serial.rstrip(bytes(1)).decode("ascii", "replace")}"',
    "mode": _name_in({layout.MODE_SINGLE: "single", layout.MODE_CUMULATIVE: "cumulative"}),
    "point": _name_in(dict(enumerate(layout.CALIBRATION_POINT_NAMES))),
    "reference_count": _fine_temperature,
    "indicated_count": _fine_temperature,
    "u_count": lambda count: f"{count / layout.TEMPERATURE_PER_DEGC:.3f} K",
    "utc_s": _utc_or_never,
    "calibration_policy": _name_in(dict(enumerate(layout.CALIBRATION_POLICY_NAMES))),
    "overridden": _refusals,
    "reference": _quoted,
    "actor": _quoted,
    "reason": _quoted,
    "severity": _name_in({layout.SEVERITY_WARN: "warn", layout.SEVERITY_HOLD: "hold"}),
    "full_policy": _name_in({layout.FULL_STOP: "stop", layout.FULL_OVERWRITE: "overwrite"}),
    "channel_mask": lambda mask: (
        "probes " + ("+".join(str(bit + 1) for bit in range(8) if mask >> bit & 1) or "none")
    ),
}


def _value(fields: Fields, name: str) -> str:
    """Say one field's value in its own unit."""
    value = fields[name]
    if "dwell_s" in fields:  # of a rule, whose kind says what its thresholds count
        if name == "kind":
            return _name_in(layout.RULE_KIND_NAMES)(value)
        if name in ("threshold", "hysteresis"):
            is_level = fields["kind"] in _LEVELS
            if name == "hysteresis" and is_level:
                return f"{value / layout.TEMPERATURE_PER_DEGC:.2f} K"
            return _temperature(value) if is_level else f"{value} K/h"
    words_of = _VALUES.get(name)
    return str(value) if words_of is None else words_of(value)


# --- Texts, and what cannot be read -------------------------------------------------------------


def _text_change(event: SettingEvent) -> tuple[str, str]:
    which = (event.after or event.before)[:1]
    name = layout.TEXT_NAMES.get(which[0], f"text {which[0]}") if which else "text"
    before = _text(event.before, is_cut=event.before_is_cut)
    after = _text(event.after, is_cut=event.after_is_cut)
    what = f"text {event.index + 1} ({name.replace('_', ' ')})"
    if before is None:
        return what, "nothing stands here" if after is None else f"new, {after}"
    return what, f"taken away, {before}" if after is None else f"{before} \u2192 {after}"


def _text(payload: bytes, *, is_cut: bool) -> str | None:
    if not payload:
        return None
    # Where it is cut the last character may be half: it is dropped, and an ellipsis stands for it.
    text = payload[1:].decode("utf-8", "ignore" if is_cut else "replace")
    return f'"{text}{chr(0x2026) if is_cut else ""}"'


def _cut_texts(payload: bytes, count: int) -> list[str]:
    """Read the texts behind a record whose payload was cut: from there on an ellipsis."""
    told: list[str] = []
    for _ in range(count):
        length = payload[0] if payload else -1
        text, payload = payload[1 : 1 + length], payload[1 + length :] if payload else b""
        if len(text) == length:
            told.append(text.decode("utf-8", "replace"))
        else:
            told.append(text.decode("utf-8", "ignore") + chr(0x2026))
            payload = b""
    return told


def _bytes_change(event: SettingEvent) -> str:
    before, after = (side.hex() or "nothing" for side in (event.before, event.after))
    return f"not read, {before} \u2192 {after}"
