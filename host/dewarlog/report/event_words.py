"""One event in words: what happened, and its figures."""

from __future__ import annotations

from dewarlog import words
from dewarlog.checks.probes import state_name
from dewarlog.records import (
    BootEvent,
    ClockRead,
    ClockSync,
    CustodyEvent,
    Event,
    ExcursionBegin,
    ExcursionEnd,
    ExcursionExtreme,
    GapEvent,
    HandoffEvent,
    ProbeStateEvent,
    PullEvent,
    RadioEvent,
    SensorEvent,
    ShockEvent,
    StopEvent,
    SupplyEvent,
    TiltEvent,
    UnknownEvent,
    named,
    unix_s_of,
)
from dewarlog_wire import layout


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
    if isinstance(event, UnknownEvent):
        return f"kind {event.kind}, {len(event.body)} bytes, not read"
    return ""


def _utc(utc_s: int) -> str:
    unix_s = unix_s_of(utc_s)
    return "no time" if unix_s is None else words.utc(unix_s)
