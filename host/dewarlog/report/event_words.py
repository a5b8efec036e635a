"""One event in words: what happened, and its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog import words
from dewarlog.checks.probes import state_name
from dewarlog.checks.selftest import SelfTest, result_words
from dewarlog.records import (
    AccessEvent,
    AcknowledgeEvent,
    BootEvent,
    ClockRead,
    ClockSync,
    CustodyEvent,
    Event,
    ExcursionBegin,
    ExcursionEnd,
    ExcursionExtreme,
    FirmwareEvent,
    GapEvent,
    HandoffEvent,
    LockEvent,
    PinEvent,
    ProbeStateEvent,
    ProfileWritten,
    PullEvent,
    RadioEvent,
    RunErased,
    SealKeyEvent,
    SelfTestResult,
    SensorEvent,
    SettingEvent,
    ShockEvent,
    SignatureEvent,
    StopEvent,
    SupplyEvent,
    TiltEvent,
    UnknownEvent,
    named,
    unix_s_of,
)
from dewarlog.report.setting_words import describe_setting
from dewarlog_wire import layout

if TYPE_CHECKING:
    from dewarlog.checks.audit import AuditEntry

_FAILURES_MOST = 65535
_STATUS_WORDS = {
    layout.STATUS_RECORDING: "recording",
    layout.STATUS_EXCURSION: "excursion",
    layout.STATUS_FAULT: "fault",
    layout.STATUS_CLOCK_UNSET: "clock unset",
    layout.STATUS_LOW_SUPPLY: "low supply",
    layout.STATUS_MEMORY_FULL: "memory full",
    layout.STATUS_HELD: "hold",
    layout.STATUS_WARNING: "warning",
}


def describe(event: Event) -> str:  # noqa: C901, PLR0911, PLR0912 - one line for each kind
    """Say an event's figures; its name says the rest."""
    if isinstance(event, BootEvent):
        text = f"{named(layout.BOOT_CAUSE_NAMES, event.cause)}, start {event.boot_number + 1}"
        if event.recovered_samples or event.dropped_bytes:
            text += (
                f"; {words.plural(event.recovered_samples, 'sample')} recovered, "
                f"{words.plural(event.dropped_bytes, 'byte')} dropped"
            )
        return text
    if isinstance(event, StopEvent):
        return named(layout.STOP_CAUSE_NAMES, event.cause)
    if isinstance(event, ClockRead):
        state = named(layout.CLOCK_STATE_NAMES, event.clock_state)
        return f"{_utc(event.utc_s)}{'' if event.clock_state == 0 else f' ({state})'}"
    if isinstance(event, ClockSync):
        return f"{_utc(event.utc_s)} \u00b1{event.error_ms} ms; before: {_utc(event.before_utc_s)}"
    if isinstance(event, GapEvent):
        if event.cause == layout.GAP_OVERWRITTEN:  # each tells all so far (protocol/SPEC.md 4.1)
            return f"overwritten so far: {words.plural(event.missed, 'sample')}"
        length = event.length_ms
        lasting = "unknown length" if length is None else words.duration(length / 1000)
        return (
            f"{named(layout.STREAM_NAMES, event.stream)}: "
            f"{named(layout.GAP_CAUSE_NAMES, event.cause)}, {lasting}, {event.missed} missed"
        )
    if isinstance(event, ProbeStateEvent):
        before, after = state_name(event.before), state_name(event.state)
        return f"probe {event.channel + 1}: {before} \u2192 {after}"
    if isinstance(event, ExcursionEnd):
        return (
            f"rule {event.rule + 1}, probe {event.channel + 1}: "
            f"{words.duration(event.duration_ms / 1000)} beyond"
        )
    if isinstance(event, ExcursionBegin | ExcursionExtreme):
        return f"rule {event.rule + 1}, probe {event.channel + 1}: value {event.value}"
    if isinstance(event, ShockEvent):
        return (
            f"shock {event.shock}, band {event.band}: peak {event.peak} counts, "
            f"{event.duration_us / 1000:.1f} ms, {event.velocity_change_mm_s / 1000:.2f} m/s"
        )
    if isinstance(event, TiltEvent):
        return f"band {event.band}, {event.angle_deg}\u00b0 from upright"
    if isinstance(event, SupplyEvent):
        return f"{event.supply_mv / 1000:.2f} V{' (low)' if event.low else ''}"
    if isinstance(event, CustodyEvent):
        parts = [
            named(layout.CUSTODY_STEP_NAMES, event.step),
            event.actor,
            event.place,
            event.note,
        ]
        return ", ".join(part for part in parts if part)
    if isinstance(event, PullEvent):
        return f"log held by a host up to block {event.last_block_seq}, {_utc(event.utc_s)}"
    if isinstance(event, SensorEvent):
        return (
            f"{named(layout.PART_NAMES, event.part)}: "
            f"{named(layout.SENSOR_STATE_NAMES, event.state)}"
        )
    if isinstance(event, RadioEvent):
        lasting = f" for {words.duration(60 * event.minutes)}" if event.minutes else ""
        state = "on" if event.state else "off (flight mode)"
        return f"{state}{lasting}, by {named(layout.RADIO_CAUSE_NAMES, event.cause)}"
    if isinstance(event, HandoffEvent):
        return (
            f"{event.giver} \u2192 {event.receiver} ({event.role_name}), {event.place}; "
            f"checked: {event.verdict_word}, {words.plural(event.blocks, 'block')}, "
            f"{_utc(event.utc_s)}"
        )
    return _describe_audit(event)


def _describe_audit(event: Event) -> str:  # noqa: PLR0911 - one line for each kind
    """Say the figures of the events that tell who did what to the board."""
    if isinstance(event, AcknowledgeEvent):
        seen = ", ".join(_status_words(event.state)) or "nothing"
        parts = [f"{event.actor} has seen: {seen}", event.note, _utc(event.utc_s)]
        return "; ".join(part for part in parts if part)
    if isinstance(event, AccessEvent):
        return access_words(event)
    if isinstance(event, LockEvent):
        state = named(layout.LOCK_STATE_NAMES, event.state)
        return f"{state}, by {named(layout.LOCK_CAUSE_NAMES, event.cause)}"
    if isinstance(event, FirmwareEvent):
        return (
            f"firmware {_change(event.before, event.after)}, "
            f"MicroPython {_change(event.micropython_before, event.micropython_after)}"
        )
    if isinstance(event, SettingEvent):
        return describe_setting(event)
    if isinstance(event, PinEvent):
        return f"head then: {words.plural(event.blocks, 'block')}, chain {event.chain.hex()}"
    if isinstance(event, SignatureEvent):
        state = named(layout.CLOCK_STATE_NAMES, event.clock_state)
        clock = _utc(event.utc_s) if event.clock_state == 0 else f"clock {state}"
        return f"the board signed {words.plural(event.blocks, 'block')}, {clock}"
    if isinstance(event, SealKeyEvent):
        following = f"the next seal is number {event.key_index}"
        state = named(layout.SEAL_KEY_STATE_NAMES, event.state)
        return f"{state}; {following if event.key_index else 'blocks are not sealed'}"
    return _describe_bench(event)


def _describe_bench(event: Event) -> str:
    """Say the figures of the events by which a board is prepared."""
    if isinstance(event, ProfileWritten):
        before = f"{event.before_crc32:08x}" if event.before_crc32 else "none"
        parts = [
            f"{event.purpose_name}, profile {before} \u2192 {event.crc32:08x}",
            event.actor,
            event.note,
            _utc(event.utc_s),
        ]
        return "; ".join(part for part in parts if part)
    if isinstance(event, SelfTestResult):
        return f"{event.verdict_name}: {result_words(event)}"
    if isinstance(event, RunErased):
        held = "held by a host" if event.was_held else "no host had confirmed to hold it"
        return (
            f"run {event.run}, log {event.log_id.hex()}, "
            f"{words.plural(event.blocks, 'block')}; {held}"
        )
    if isinstance(event, UnknownEvent):
        return f"kind {event.kind}, {len(event.body)} bytes, not read"
    return ""


def describe_entry(entry: AuditEntry) -> str:
    """Say one entry of the audit trail; a self-test whole, in one line."""
    return SelfTest(entry.results).words if entry.results else describe(entry.event)


def access_words(event: AccessEvent) -> str:
    """Say who spoke or tried to: the link, the key or token, and how many were refused."""
    text = f"{event.result_name} by {event.link_name}"
    if event.key_name is not None:
        text += f" for the {event.key_name} key"
    if event.token_id is not None:
        text += f", token {event.token_id.hex()}"
    if event.holder:
        text += f" of {event.holder}"
    if event.failures:
        many = "65535 or more" if event.failures == _FAILURES_MOST else str(event.failures)
        since = "since the last that held" if not event.is_actor else "refused before"
        text += f", {many} {since}"
    return text


def _status_words(state: int) -> list[str]:
    return [word for bit, word in _STATUS_WORDS.items() if state & bit]


def _change(before: str, after: str) -> str:
    return after if before == after else f"{before} \u2192 {after}"


def _utc(utc_s: int) -> str:
    unix_s = unix_s_of(utc_s)
    return "no time" if unix_s is None else words.utc(unix_s)
