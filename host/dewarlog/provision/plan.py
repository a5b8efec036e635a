"""What a board is told of itself: its name, its hardware, its probes.

Beside channel_map, which a person writes; gives the profile that the board is to have. Pure. A
probe is known by its serial: its calibration goes where it goes, and a new one has none. Rules
judge the terminals that have a probe still; texts of the shipment and all else of the profile stay
as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dewarlog.provision.channel_map import ChannelMap, MappedProbe

Document = dict[str, Any]
# Of a channel of the profile: what goes with the probe, wherever it hangs.
_OF_PROBE: Final = (
    "offset_degc",
    "calibration_u_degc",
    "calibrated",
    "calibration_due",
    "calibration",
)
# What a board that was given no profile goes by (its firmware's own), so that one that is given
# its probes alone goes by it still. A test holds the two together.
BUILT_IN: Final[Mapping[str, Any]] = {
    "texts": {"profile": "built-in default"},
    "sampling": {"interval_ms": 10000, "fast_interval_ms": 2000},
    "rules": [
        {
            "kind": "above",
            "threshold_degc": -170,
            "hysteresis_degc": 2,
            "dwell_s": 600,
            "severity": "warn",
        },
        {
            "kind": "above",
            "threshold_degc": -150,
            "hysteresis_degc": 2,
            "dwell_s": 300,
            "severity": "hold",
        },
        {
            "kind": "above",
            "threshold_degc": -135,
            "hysteresis_degc": 2,
            "dwell_s": 0,
            "severity": "hold",
        },
        {
            "kind": "rising",
            "threshold_k_per_h": 20,
            "hysteresis_k_per_h": 10,
            "rate_window_s": 900,
            "dwell_s": 300,
            "severity": "warn",
        },
    ],
}


@dataclass(frozen=True, slots=True)
class Provision:
    """The profile a board is to have, and what is new in it."""

    document: Document
    changes: tuple[str, ...]
    """One sentence each; none: the board knows all of it already."""


def provision(present: Document | None, wanted: ChannelMap) -> Provision:
    """Put a channel map into a board's profile; `present` is None for a board without one.

    Of a profile that a run was armed with, the arming goes: the next run has its own.
    """
    document: Document = dict(BUILT_IN if present is None else present)
    document.pop("arming", None)
    changes: list[str] = []
    texts: Document = dict(document.get("texts") or {})
    for key, what, value in (
        ("board", "name", wanted.name),
        ("hardware", "hardware", wanted.hardware),
    ):
        before = texts.get(key) or ""
        if before != value:
            changes.append(f"{what} {before or 'none'} to {value or 'none'}")
        if value:
            texts[key] = value
        else:
            texts.pop(key, None)
    document["texts"] = texts
    held: list[Document] = [] if present is None else list(present.get("channels") or ())
    document["channels"] = [_channel(held, probe, changes) for probe in wanted.probe]
    document["rules"] = _rules(list(document.get("rules") or ()), wanted, changes)
    serials = {probe.serial for probe in wanted.probe}
    changes += [
        f"probe {channel.get('serial') or 'without serial'} is gone from terminal "
        f"{channel['channel'] + 1}"
        for channel in held
        if channel.get("serial") not in serials
    ]
    return Provision(document, tuple(changes))


def _channel(held: list[Document], probe: MappedProbe, changes: list[str]) -> Document:
    """Give one channel of the new profile, and say what is new in it."""
    known = [channel for channel in held if channel.get("serial") == probe.serial]
    same = [channel for channel in known if channel.get("probe_type", "T") == probe.type]
    made: Document = {
        "channel": probe.channel,
        "probe_type": probe.type,
        "placement": probe.placement,
        "serial": probe.serial,
    }
    name = f"probe {probe.serial}"
    if not known:
        changes.append(f"{name} is new at terminal {probe.terminal}, without a calibration")
        return made
    if not same:
        was = known[0].get("probe_type", "T")
        changes.append(f"{name} is type {probe.type}, not {was}: its calibration is void")
        return made
    before = same[0]
    made |= {key: before[key] for key in _OF_PROBE if key in before}
    if before["channel"] != probe.channel:
        changes.append(f"{name} moved from terminal {before['channel'] + 1} to {probe.terminal}")
    where = before.get("placement", "payload top")
    if where != probe.placement:
        changes.append(f"{name} is at {probe.placement}, not at {where}")
    return made


def _rules(rules: list[Document], wanted: ChannelMap, changes: list[str]) -> list[Document]:
    """Let rules judge the probes that are left; one that judged none but those gone goes too.

    A board that held its probes to a limit still does: by what is built into its firmware, where
    none of its own is left.
    """
    fitted = {probe.channel for probe in wanted.probe}
    made: list[Document] = []
    for number, rule in enumerate(rules, 1):
        named = rule.get("channels", "all")
        if named == "all" or fitted.issuperset(named):
            made.append(rule)
            continue
        free = ", ".join(str(channel + 1) for channel in named if channel not in fitted)
        left = [channel for channel in named if channel in fitted]
        name = f"rule {number} ({_said(rule)})"
        if left:
            changes.append(f"{name} no longer judges terminal {free}, where no probe is")
            made.append(rule | {"channels": left})
        else:
            changes.append(f"{name} is gone: it judged terminal {free} alone, where no probe is")
    if any(map(_holds, rules)) and not any(map(_holds, made)):
        changes.append("no limit of its own that means HOLD is left: it has those built in")
        made = [dict(rule) for rule in BUILT_IN["rules"]]
    return made


def _holds(rule: Document) -> bool:
    return rule.get("severity", "hold") == "hold"


def _said(rule: Document) -> str:
    degc = rule.get("threshold_degc")
    limit = f"{rule.get('threshold_k_per_h')} K/h" if degc is None else f"{degc:g} degC"
    return f"{rule.get('kind')} {limit}"
