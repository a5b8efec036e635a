"""Journals: whole, torn, stale and damaged."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from dewarlog_wire import events, journal, layout
from vectors.parts import RUN, good, hex_text, resealed, scenario

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vectors.parts import Vector

    Record = tuple[int, bytes]


def journal_of(*records: Record) -> list[bytes]:
    """Return a journal's head and records, each as bytes."""
    buffer = bytearray(4096)
    offset, seed = journal.pack_head_into(buffer, 0, 2, 1, RUN, 4, 360, 7, 250, 3600)
    parts = [bytes(buffer[:offset])]
    for kind, body in records:
        buffer[layout.JOURNAL_RECORD.size : layout.JOURNAL_RECORD.size + len(body)] = body
        end, seed = journal.pack_record_into(buffer, 0, kind, len(body), seed)
        parts.append(bytes(buffer[:end]))
    return parts


def _sample(lateness_ms: int, *codes: int) -> Record:
    return layout.JOURNAL_SAMPLE, struct.pack(f"<h{len(codes)}h", lateness_ms, *codes)


def _journal_event() -> Record:
    buffer = bytearray(64)
    body = (0, 2, -19100, 300, 360)
    end = events.pack_event_into(buffer, 0, layout.KIND_EXCURSION_BEGIN, 3600, 250, body)
    return layout.JOURNAL_EVENT, bytes(buffer[:end])


_STATE: Final[Record] = (layout.JOURNAL_STATE, bytes(range(16)))
_SPAN: Final[Record] = (
    layout.JOURNAL_SPAN,
    struct.pack(layout.JOURNAL_SPAN_BODY.format, 10000, 250, 3600),
)


def _parts_text(parts: Sequence[bytes]) -> str:
    return "".join(
        hex_text(part, "record" if number else "head") for number, part in enumerate(parts)
    )


@scenario
def journal_opened() -> Vector:
    """A journal that was just opened: the head and the board's own state."""
    return {}, _parts_text(journal_of(_STATE))


@scenario
def journal_every_record() -> Vector:
    """Every kind of record, and a probe that is open."""
    raw = (layout.JOURNAL_RAW, struct.pack(layout.RAW_SET.format, 0, 0, 0, -9102, 1280))
    open_code = layout.state_code(layout.STATE_OPEN)
    records = [_STATE, _SPAN, _sample(0, -24320, 1281), raw, _journal_event()]
    return {}, _parts_text(journal_of(*records, _sample(-3, open_code, 1280)))


@scenario
def journal_unknown_record() -> Vector:
    """A record of a kind this version does not know stands between others."""
    return {}, _parts_text(journal_of(_STATE, (77, b"\x01\x02"), _SPAN))


@scenario
def journal_torn_record() -> Vector:
    """Power was cut inside the last record: the ones before it stand."""
    *parts, last = journal_of(_STATE, _SPAN, _sample(0, -24320, 1281), _sample(0, -24319, 1281))
    return {}, _parts_text([*parts, last[:-1]])


@scenario
def journal_bit_flipped() -> Vector:
    """A flipped bit in a record: it and all behind it are not read."""
    parts = journal_of(_STATE, _SPAN, _sample(0, -24320, 1281), _sample(0, -24319, 1281))
    changed = bytearray(parts[3])
    changed[5] ^= 1
    return {}, _parts_text([*parts[:3], bytes(changed), parts[4]])


@scenario
def journal_stale_tail() -> Vector:
    """Old flash content behind the last record: sound, but of another journal."""
    parts = journal_of(_STATE, _SPAN)
    other = journal_of(_STATE, _SPAN, _sample(0, -1, 1), _sample(0, -2, 2))
    return {}, _parts_text([*parts, other[4]])


@scenario
def journal_head_damaged() -> Vector:
    """The head is damaged: no record can be trusted."""
    parts = journal_of(_STATE)
    head = bytearray(parts[0])
    head[9] ^= 4
    return {}, _parts_text([bytes(head), parts[1]])


@scenario
def journal_magic_wrong() -> Vector:
    """A block where a journal was looked for."""
    return {}, hex_text(good())


@scenario
def journal_version_newer() -> Vector:
    """A newer journal."""
    head = bytearray(journal_of()[0])
    head[4] = 9
    return {}, hex_text(resealed(bytes(head)))


@scenario
def journal_head_cut() -> Vector:
    """Power was cut while the head was written."""
    return {}, hex_text(journal_of()[0][:-1])
