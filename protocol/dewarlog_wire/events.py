"""Events: what happened, with uptime and a body of its own; custody entries carry texts.

Place in the line: layout -> events -> (recorder, journal | parse, readings). The bytes of an event
are the same in a block's EVENTS section and in a journal record. Format: protocol/SPEC.md
section 5.
"""

import struct

from dewarlog_wire.errors import BlockError
from dewarlog_wire.layout import EVENT_CUSTODY, EVENT_HEAD, EVENTS, EVENTS_HEAD, KIND_CUSTODY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Readable = bytes | bytearray | memoryview
    Writable = bytearray | memoryview

CUSTODY_TEXTS = ("actor", "place", "note")
# Three texts of at most 76 bytes, their length bytes and EVENT_CUSTODY make 236 bytes: a MARK
# request then fits one BLE write, and an event's length its one byte.
CUSTODY_TEXT_MAX_BYTES = 76
EVENT_MAX_BYTES = EVENT_HEAD.size + 255


def custody_body(step: int, utc_s: int, texts: "tuple[str, ...]") -> bytes:
    """Pack a custody body from the actor, the place and the note; BlockError when one is too long.

    The same bytes are the body of a MARK request.
    """
    if len(texts) != len(CUSTODY_TEXTS):
        raise BlockError("event", f"custody takes {len(CUSTODY_TEXTS)} texts, not {len(texts)}")
    body = struct.pack(EVENT_CUSTODY.format, step, utc_s)
    for name, text in zip(CUSTODY_TEXTS, texts):
        encoded = text.encode()
        if len(encoded) > CUSTODY_TEXT_MAX_BYTES:
            raise BlockError(
                "event",
                f"custody {name} is {len(encoded)} bytes of UTF-8; at most "
                f"{CUSTODY_TEXT_MAX_BYTES} fit: shorten it",
            )
        body += bytes((len(encoded),)) + encoded
    return body


def read_custody(body: "Readable") -> "tuple[Any, ...]":
    """Return (step, utc_s, actor, place, note) of a custody body."""
    if len(body) < EVENT_CUSTODY.size:
        raise BlockError("event", f"custody body of {len(body)} bytes is cut short", len(body))
    values = list(struct.unpack_from(EVENT_CUSTODY.format, body, 0))
    at = EVENT_CUSTODY.size
    for name in CUSTODY_TEXTS:
        length = body[at] if at < len(body) else -1
        if not 0 <= length <= min(CUSTODY_TEXT_MAX_BYTES, len(body) - at - 1):
            raise BlockError("event", f"custody {name} does not fit its body", at)
        try:
            values.append(str(bytes(body[at + 1 : at + 1 + length]), "utf-8"))
        except UnicodeError:
            raise BlockError("event", f"custody {name} is not UTF-8", at)
        at += 1 + length
    if at != len(body):
        raise BlockError("event", f"{len(body) - at} bytes stand behind the custody texts", at)
    return tuple(values)


def pack_event_into(
    buffer: "Writable",
    offset: int,
    kind: int,
    uptime_s: int,
    uptime_ms: int,
    body: "tuple[Any, ...]",
) -> int:
    """Write one event, head and body, and return the offset behind it.

    `body` holds the values of the kind's record in order; custody: (step, utc_s, actor, place,
    note).
    """
    start = offset + EVENT_HEAD.size
    if kind == KIND_CUSTODY:
        packed = custody_body(body[0], body[1], body[2:])
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
    elif kind == KIND_CUSTODY:
        body = read_custody(raw)
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
