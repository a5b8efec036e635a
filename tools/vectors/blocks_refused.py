"""Blocks, sections, columns and events that a reader must refuse, and for which fault."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from dewarlog_wire import block, layout
from vectors.parts import (
    READING,
    RUN,
    annotated,
    coded,
    event_section,
    good,
    hex_text,
    resealed,
    samples,
    scenario,
    sealed,
    span,
)

if TYPE_CHECKING:
    from vectors.parts import Vector


@scenario
def block_chain_broken() -> Vector:
    """The second block was chained to another first one."""
    first = sealed(layout.BLOCK_RUN, [(layout.SECTION_TEXT, b"\x01board")], seq=0)
    second = sealed(layout.BLOCK_EVENTS, [], seq=1, chain=bytes(31) + b"\x01")
    return {"chain before": layout.CHAIN_START.hex()}, annotated(first + second)


@scenario
def block_magic_wrong() -> Vector:
    """Another file's first bytes."""
    return {}, hex_text(b"PK\x03\x04" + good()[4:])


@scenario
def block_version_newer() -> Vector:
    """A newer format: the CRC is right, and still nothing behind it is read."""
    data = bytearray(good())
    data[4] = 2
    return {}, hex_text(resealed(bytes(data)))


@scenario
def block_length_past_end() -> Vector:
    """The length field runs past the end of the data."""
    data = bytearray(good())
    struct.pack_into("<I", data, 8, len(data) + 1)
    return {}, hex_text(resealed(bytes(data)))


@scenario
def block_length_too_short() -> Vector:
    """The length field leaves no room for header and seal."""
    data = bytearray(good())
    struct.pack_into("<I", data, 8, block.BLOCK_MIN_BYTES - 1)
    return {}, hex_text(resealed(bytes(data)))


@scenario
def block_truncated() -> Vector:
    """The file ends inside the block."""
    return {}, hex_text(good()[:-1])


@scenario
def block_bit_flipped() -> Vector:
    """One bit of the body is flipped."""
    data = bytearray(good())
    data[layout.BLOCK_HEADER.size + 5] ^= 0x10
    return {}, hex_text(bytes(data))


def _with_body(body: bytes) -> bytes:
    """Return a sound block whose body is any bytes at all."""
    buffer = bytearray(layout.BLOCK_MAX_BYTES)
    offset = block.begin_block(buffer, layout.BLOCK_SAMPLES, RUN, 1, 1, 3600, 250)
    buffer[offset : offset + len(body)] = body
    length, _ = block.seal_block(buffer, offset + len(body), layout.CHAIN_START)
    return bytes(buffer[:length])


@scenario
def block_section_overruns() -> Vector:
    """A section says more bytes than the body holds."""
    return {}, hex_text(_with_body(b"\x63\x04\x00abc"))


@scenario
def block_section_head_cut() -> Vector:
    """The body ends inside a section head."""
    return {}, hex_text(_with_body(b"\x63\x00"))


@scenario
def block_span_too_long() -> Vector:
    """A SPAN section one byte too long."""
    kind, payload = span(1)
    return {}, annotated(sealed(layout.BLOCK_SAMPLES, [(kind, payload + b"\0")]))


@scenario
def block_states_cut() -> Vector:
    """A STATES section that ends inside its second record."""
    run = struct.pack(layout.STATE_RUN.format, 0, 1, 0, 1)
    return {}, annotated(sealed(layout.BLOCK_SAMPLES, [span(1), (3, run + run[:2])]))


@scenario
def block_text_empty() -> Vector:
    """A TEXT section that does not even say which text it is."""
    return {}, annotated(sealed(layout.BLOCK_RUN, [(layout.SECTION_TEXT, b"")], seq=0))


@scenario
def block_text_not_utf8() -> Vector:
    """A TEXT section that is cut inside a character."""
    return {}, annotated(sealed(layout.BLOCK_RUN, [(layout.SECTION_TEXT, b"\x02\xc3")], seq=0))


_ARMING: Final = struct.pack(layout.ARMING.format, 210_000_000, 432_000, 0, 0, 0)


def _arming(texts: bytes, *, times: int = 1) -> Vector:
    section = (layout.SECTION_ARMING, _ARMING + texts)
    return {}, annotated(sealed(layout.BLOCK_RUN, [section] * times, seq=0))


@scenario
def block_arming_cut() -> Vector:
    """An arming without its second text."""
    return _arming(b"\x02Bo")


@scenario
def block_arming_not_utf8() -> Vector:
    """An arming whose reason is cut inside a character."""
    return _arming(b"\x02Bo\x01\xc3")


@scenario
def block_arming_too_long() -> Vector:
    """An actor one byte over the limit."""
    return _arming(b"\x4d" + b"a" * 77 + b"\x00")


@scenario
def block_arming_byte_behind() -> Vector:
    """A byte stands behind the reason of an arming."""
    return _arming(b"\x02Bo\x00!")


@scenario
def block_arming_twice() -> Vector:
    """Two armings in one body: a reader would have to choose."""
    return _arming(b"\x02Bo\x00", times=2)


@scenario
def block_calibration_cut() -> Vector:
    """A calibration point that ends within its record."""
    section = (layout.SECTION_CALIBRATION, bytes(layout.CALIBRATION.size - 1))
    return {}, annotated(sealed(layout.BLOCK_RUN, [section], seq=0))


@scenario
def block_handling_length() -> Vector:
    """A byte stands behind the record of a HANDLING section."""
    section = (layout.SECTION_HANDLING, bytes(layout.HANDLING.size + 1))
    return {}, annotated(sealed(layout.BLOCK_RUN, [section], seq=0))


@scenario
def block_profile_note_too_long() -> Vector:
    """The note of a profile event one byte over the limit."""
    record = struct.pack(layout.EVENT_PROFILE.format, 2, 1, 2, 3)
    return _event(layout.KIND_PROFILE, record + b"\x00\x4d" + b"n" * 77)


def _column(payload: bytes, count: int) -> Vector:
    return {}, annotated(samples((layout.SECTION_COLUMN, payload), count=count))


@scenario
def block_column_without_span() -> Vector:
    """A column that stands in front of any SPAN: it has no count."""
    return {}, annotated(sealed(layout.BLOCK_SAMPLES, [coded(0, READING, [1])]))


@scenario
def block_column_reserved_bit() -> Vector:
    """A column's parameter byte sets the reserved bit."""
    return _column(b"\x00\x00\x64\x00" + b"\x8f", 3)


@scenario
def block_column_unary_short() -> Vector:
    """A column's unary plane ends before its last value."""
    return _column(b"\x00\x00\x64\x00" + b"\x00" + b"\xc0", 3)


@scenario
def block_column_padding() -> Vector:
    """Ones stand in the padding behind a column's last value."""
    return _column(b"\x00\x00\x64\x00" + b"\x00" + b"\xe1", 3)


@scenario
def block_column_byte_behind() -> Vector:
    """A byte stands behind a column's last value."""
    return _column(b"\x00\x00\x64\x00" + b"\x0f" + b"\x00", 3)


@scenario
def block_column_out_of_range() -> Vector:
    """A column decodes to a value no i16 holds."""
    # 32767, then residual 1: u = 0 and 2 with k = 0 are 1, 001.
    return _column(b"\x00\x00\xff\x7f" + b"\x00" + b"\x90", 2)


@scenario
def block_column_first_differs() -> Vector:
    """A column's first value is not the one its head names."""
    return _column(b"\x00\x00\x64\x00" + b"\x00" + b"\x20", 1)


@scenario
def block_event_length() -> Vector:
    """An event's body has not the length of its kind."""
    body = struct.pack(layout.EVENTS_HEAD.format, 0, 1)
    body += struct.pack(layout.EVENT_HEAD.format, layout.KIND_STOP, 2, 0, 5) + b"\0\0"
    return {}, annotated(sealed(layout.BLOCK_EVENTS, [(layout.SECTION_EVENTS, body)]))


@scenario
def block_event_byte_behind() -> Vector:
    """A byte stands behind the last event."""
    kind, payload = event_section((layout.KIND_STOP, (0,)))
    return {}, annotated(sealed(layout.BLOCK_EVENTS, [(kind, payload + b"\0")]))


@scenario
def block_event_missing() -> Vector:
    """An EVENTS section says three events and holds one."""
    kind, payload = event_section((layout.KIND_STOP, (0,)))
    payload = struct.pack(layout.EVENTS_HEAD.format, 0, 3) + payload[layout.EVENTS_HEAD.size :]
    return {}, annotated(sealed(layout.BLOCK_EVENTS, [(kind, payload)]))


def _custody(texts: bytes) -> Vector:
    body = struct.pack(layout.EVENT_CUSTODY.format, 1, 5) + texts
    head = struct.pack(layout.EVENT_HEAD.format, layout.KIND_CUSTODY, len(body), 0, 5)
    payload = struct.pack(layout.EVENTS_HEAD.format, 0, 1) + head + body
    return {}, annotated(sealed(layout.BLOCK_EVENTS, [(layout.SECTION_EVENTS, payload)]))


@scenario
def block_custody_not_utf8() -> Vector:
    """A custody text that is not UTF-8."""
    return _custody(b"\x02\xc3\x28\x00\x00")


@scenario
def block_custody_too_long() -> Vector:
    """A custody text one byte over the limit."""
    return _custody(b"\x4d" + b"a" * 77 + b"\x00\x00")


@scenario
def block_custody_byte_behind() -> Vector:
    """A byte stands behind the note of a custody body."""
    return _custody(b"\x01a\x00\x00!")


@scenario
def block_custody_cut() -> Vector:
    """A custody body without its third text."""
    return _custody(b"\x01a\x01b")


def _event(kind: int, body: bytes) -> Vector:
    head = struct.pack(layout.EVENT_HEAD.format, kind, len(body), 0, 5)
    payload = struct.pack(layout.EVENTS_HEAD.format, 0, 1) + head + body
    return {}, annotated(sealed(layout.BLOCK_EVENTS, [(layout.SECTION_EVENTS, payload)]))


def _setting(before_bytes: int, payloads: bytes) -> Vector:
    record = struct.pack(layout.EVENT_SETTING.format, layout.SECTION_TEXT, 0, 0, 6, before_bytes)
    return _event(layout.KIND_SETTING, record + payloads)


@scenario
def block_setting_cut() -> Vector:
    """A setting whose old payload is longer than its body."""
    return _setting(5, b"\x02old")


@scenario
def block_setting_record_cut() -> Vector:
    """A setting that ends inside its record."""
    return _event(layout.KIND_SETTING, bytes(7))


@scenario
def block_setting_before_too_long() -> Vector:
    """An old payload one byte over the limit."""
    return _setting(121, b"\x02" + b"a" * 120)


@scenario
def block_setting_after_too_long() -> Vector:
    """A new payload one byte over the limit."""
    return _setting(0, b"\x02" + b"a" * 120)


@scenario
def block_access_holder_too_long() -> Vector:
    """The holder of a token one byte over the limit."""
    record = struct.pack(layout.EVENT_ACCESS.format, 1, 0, 1, 0, bytes(8))
    return _event(layout.KIND_ACCESS, record + b"\x21" + b"a" * 33)


@scenario
def block_acknowledge_cut() -> Vector:
    """An acknowledgement without its note."""
    record = struct.pack(layout.EVENT_ACKNOWLEDGE.format, 64, 210_000_000)
    return _event(layout.KIND_ACKNOWLEDGE, record + b"\x01a")
