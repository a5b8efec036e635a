"""Events: what happened, with uptime and a body of its own; some carry texts, one two payloads.

Place in the line: texts -> events -> (recorder, journal | parse, readings). The bytes of an event
are the same in a block's EVENTS section and in a journal record. Format: protocol/SPEC.md
section 5.
"""

import struct

from dewarlog_wire.errors import BlockError
from dewarlog_wire.layout import (
    EVENT_HEAD,
    EVENT_TEXT_MAX_BYTES,
    EVENT_TEXTS,
    EVENTS,
    EVENTS_HEAD,
    KIND_ACKNOWLEDGE,
    KIND_CUSTODY,
    KIND_HANDOFF,
    KIND_PROFILE,
    KIND_SETTING,
    SETTING_AFTER_CUT,
    SETTING_BEFORE_CUT,
    SETTING_PART_MAX_BYTES,
)
from dewarlog_wire.texts import pack_texts, read_texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Readable = bytes | bytearray | memoryview
    Writable = bytearray | memoryview

EVENT_MAX_BYTES = EVENT_HEAD.size + 255


def custody_body(step: int, utc_s: int, texts: "tuple[str, ...]") -> bytes:
    """Pack a custody body from the actor, the place and the note; BlockError when one is too long.

    The same bytes are the body of a MARK request.
    """
    return texts_body(KIND_CUSTODY, (step, utc_s), texts)


def handoff_body(
    utc_s: int, verdict: int, role: int, blocks: int, chain: bytes, texts: "tuple[str, ...]"
) -> bytes:
    """Pack a handoff body; `texts` are giver, receiver and place. BlockError when one is too long.

    The same bytes are the body of a HANDOFF request.
    """
    return texts_body(KIND_HANDOFF, (utc_s, verdict, role, blocks, chain), texts)


def acknowledge_body(state: int, utc_s: int, texts: "tuple[str, ...]") -> bytes:
    """Pack an acknowledge body; `texts` are actor and note. BlockError when one is too long.

    The same bytes are the body of an ACKNOWLEDGE request.
    """
    return texts_body(KIND_ACKNOWLEDGE, (state, utc_s), texts)


def setting_body(
    section: int, index: int, before_run: int, before: "Readable", after: "Readable"
) -> bytes:
    """Pack a setting body from the payloads of a section of two runs; what is too long is cut."""
    most = SETTING_PART_MAX_BYTES
    flags = SETTING_BEFORE_CUT if len(before) > most else 0
    flags |= SETTING_AFTER_CUT if len(after) > most else 0
    before, after = bytes(before)[:most], bytes(after)[:most]
    head = struct.pack(EVENTS[KIND_SETTING].format, section, index, flags, before_run, len(before))
    return head + before + after


def read_setting(body: "Readable") -> "tuple[Any, ...]":
    """Return (section, index, flags, before_run, before_bytes, before, after) of a setting body.

    Raises BlockError, fault event: a payload is cut short, or longer than a setting may have.
    """
    record, most = EVENTS[KIND_SETTING], SETTING_PART_MAX_BYTES
    if len(body) < record.size:
        raise BlockError("event", f"setting body of {len(body)} bytes is cut short", len(body))
    values = struct.unpack_from(record.format, body, 0)
    middle = record.size + values[-1]
    if middle > len(body):
        raise BlockError("event", "the old payload of a setting does not fit its body", middle)
    if values[-1] > most or len(body) - middle > most:
        raise BlockError("event", f"a payload of a setting is over {most} bytes", middle)
    return values + (bytes(body[record.size : middle]), bytes(body[middle:]))


def profile_body(
    purpose: int, utc_s: int, before_crc32: int, crc32: int, texts: "tuple[str, ...]"
) -> bytes:
    """Pack a profile body; `texts` are actor and note. BlockError when one is too long.

    The same bytes end a PUT_END request.
    """
    return texts_body(KIND_PROFILE, (purpose, utc_s, before_crc32, crc32), texts)


def texts_body(kind: int, values: "tuple[Any, ...]", texts: "tuple[str, ...]") -> bytes:
    """Pack the record of an event kind and the texts behind it."""
    names, most = EVENT_TEXTS[kind], EVENT_TEXT_MAX_BYTES[kind]
    return pack_texts("event", EVENTS[kind], values, names, texts, most)


def read_custody(body: "Readable") -> "tuple[Any, ...]":
    """Return (step, utc_s, actor, place, note) of a custody body."""
    return read_texts_body(KIND_CUSTODY, body)


def read_handoff(body: "Readable") -> "tuple[Any, ...]":
    """Return (utc_s, verdict, role, blocks, chain, giver, receiver, place) of a handoff body."""
    return read_texts_body(KIND_HANDOFF, body)


def read_texts_body(kind: int, body: "Readable") -> "tuple[Any, ...]":
    """Return the fields of an event kind's record, then the texts behind it."""
    return read_texts("event", EVENTS[kind], body, EVENT_TEXTS[kind], EVENT_TEXT_MAX_BYTES[kind])


def pack_event_into(
    buffer: "Writable",
    offset: int,
    kind: int,
    uptime_s: int,
    uptime_ms: int,
    body: "tuple[Any, ...]",
) -> int:
    """Write one event, head and body, and return the offset behind it.

    `body` holds the values of the kind's record in order, then its texts if it has any, or the two
    payloads of a setting.
    """
    start = offset + EVENT_HEAD.size
    names = EVENT_TEXTS.get(kind)
    if kind == KIND_SETTING:
        packed = struct.pack(EVENTS[kind].format, *body[:5]) + body[5] + body[6]
        end = start + len(packed)
        buffer[start:end] = packed
    elif names is not None:
        packed = texts_body(kind, body[: -len(names)], body[-len(names) :])
        end = start + len(packed)
        buffer[start:end] = packed
    else:
        record = EVENTS[kind]
        end = start + record.size
        struct.pack_into(record.format, buffer, start, *body)
    struct.pack_into(EVENT_HEAD.format, buffer, offset, kind, end - start, uptime_ms, uptime_s)
    return end


def read_event(
    data: "Readable", start: int, end: int
) -> "tuple[int, int, int, tuple[Any, ...], int]":
    """Read the event at `start`: (kind, uptime_s, uptime_ms, body, offset behind it).

    The body of a kind this version does not know is one `bytes` value.
    """
    if end - start < EVENT_HEAD.size:
        raise BlockError("event", f"{end - start} bytes at byte {start} are no event head", start)
    kind, length, uptime_ms, uptime_s = struct.unpack_from(EVENT_HEAD.format, data, start)
    start += EVENT_HEAD.size
    if length > end - start:
        raise BlockError(
            "event",
            f"event of kind {kind} at byte {start} says {length} bytes; {end - start} are left",
            start,
        )
    raw = bytes(data[start : start + length])
    record = EVENTS.get(kind)
    if record is None:
        body = (raw,)
    elif kind in EVENT_TEXTS:
        body = read_texts_body(kind, raw)
    elif kind == KIND_SETTING:
        body = read_setting(raw)
    elif length != record.size:
        raise BlockError(
            "event",
            f"{record.name} event at byte {start} has {length} bytes, not {record.size}",
            start,
        )
    else:
        body = struct.unpack(record.format, raw)
    return kind, uptime_s, uptime_ms, body, start + length


def read_events(
    data: "Readable", start: int, end: int
) -> "Iterator[tuple[int, int, int, int, tuple[Any, ...]]]":
    """Yield (number, kind, uptime_s, uptime_ms, body) of each event of an EVENTS section."""
    if end - start < EVENTS_HEAD.size:
        raise BlockError(
            "event", f"{end - start} bytes at byte {start} are no events section", start
        )
    number, count = struct.unpack_from(EVENTS_HEAD.format, data, start)
    start += EVENTS_HEAD.size
    for _ in range(count):
        kind, uptime_s, uptime_ms, body, start = read_event(data, start, end)
        yield number, kind, uptime_s, uptime_ms, body
        number += 1
    if start != end:
        raise BlockError(
            "event", f"{end - start} bytes stand behind the last of {count} events", start
        )
