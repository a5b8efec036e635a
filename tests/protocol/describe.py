"""What a golden vector says, read with dewarlog_wire: one line for each thing read.

Runs on CPython and on MicroPython (see protocol/vectors/README.md for the lines). Run as a script,
it reads every vector of a folder and prints what it read:

    micropython describe.py protocol/vectors
"""

import os
import sys
from binascii import unhexlify

from describe_trust import describe_proven, describe_signature, describe_token
from dewarlog_wire import block, column, events, frame, journal, layout, seal, session, texts
from dewarlog_wire.errors import BlockError, WireError
from vector_lines import (
    event_names,
    hex_bytes,
    line_of,
    message_line,
    names_of,
    parse_vector,
    record_line,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LAYERS = ("block", "journal", "frame", "session", "token", "proven", "signature")

_RECORD_SECTIONS = {
    layout.SECTION_SPAN: layout.SPAN,
    layout.SECTION_IDENTITY: layout.IDENTITY,
    layout.SECTION_SAMPLING: layout.SAMPLING,
    layout.SECTION_CHANNEL: layout.CHANNEL,
    layout.SECTION_RULE: layout.RULE,
    layout.SECTION_SHOCK_SETTINGS: layout.SHOCK_SETTINGS,
    layout.SECTION_TILT_SETTINGS: layout.TILT_SETTINGS,
    layout.SECTION_HANDLING: layout.HANDLING,
    layout.SECTION_SHOCK_HEAD: layout.SHOCK_HEAD,
}
# A body has at most one of these (SPEC.md 4.4).
_ONCE = (1, 3, 4, 5, 16, 18, 21, 22, 24, 25, 32)
_LIST_SECTIONS = {
    layout.SECTION_STATES: layout.STATE_RUN,
    layout.SECTION_RAW: layout.RAW_SET,
}


# --- blocks -----------------------------------------------------------------------------------
def describe_block(header: "dict[str, str]", text: str) -> "list[str]":
    """Read blocks from the first byte to the last, each following the one before."""
    data = hex_bytes(text)
    before = header.get("chain before")
    chain = unhexlify(before) if before else None
    seals = _Seals(header.get("seal state"))
    lines: "list[str]" = []
    at = 0
    while True:
        one = block.check_block(data, at, chain)
        names = ("kind", "run", "block_seq", "boot", "uptime_s", "uptime_ms", "length", "chain")
        values = (one.kind, one.run, one.block_seq, one.boot, one.uptime_s, one.uptime_ms)
        lines.append(line_of("block", names, values + (one.length, one.chain)))
        seals.describe(lines, data, one)
        _describe_body(lines, data, one.body_start, one.body_end)
        at += one.length
        chain = one.chain
        if at == len(data):
            return lines


class _Seals:
    """Judges the seals of blocks from a state on: `state` is its index and itself, in hex."""

    def __init__(self, state: "str | None") -> None:
        self._index = 0  # of the state; 0: none is known
        self._state = b""
        if state is not None:
            index, held = state.split()
            self._index = int(index)
            self._state = unhexlify(held)

    def describe(self, lines: "list[str]", data: bytes, one: "block.Block") -> None:
        """Write the line of a block that has a seal; `holds` where the state can tell."""
        index, tag = block.read_seal(data, one)
        if not index:
            return
        names = ("key_index", "tag")
        values = (index, tag)
        if 0 < self._index <= index:
            while self._index < index:
                self._state = seal.next_state(self._state)
                self._index += 1
            names += ("holds",)
            values += (int(seal.block_tag(self._state, one.chain) == tag),)
        lines.append(line_of("seal", names, values))


def _describe_body(lines: "list[str]", data: bytes, start: int, end: int) -> None:
    count = 0
    seen = []
    for kind, at, section_end in block.sections(data, start, end):
        if kind in _ONCE and kind in seen:
            raise BlockError("section", "section %d stands twice" % kind, at)
        seen.append(kind)
        if layout.SECTION_SPAN in seen and layout.SECTION_SHOCK_HEAD in seen:
            raise BlockError("section", "SPAN and SHOCK_HEAD stand in one body", at)
        if kind in _RECORD_SECTIONS:
            record = _RECORD_SECTIONS[kind]
            values = block.read_record(record, data, at, section_end)
            if kind in (layout.SECTION_SPAN, layout.SECTION_SHOCK_HEAD):
                count = values[1]
            lines.append(record_line(record, values))
        elif kind in layout.SECTION_TEXTS:
            record = texts.SECTION_RECORDS[kind]
            names = names_of(record) + layout.SECTION_TEXTS[kind]
            values = texts.read_section_texts(kind, data[at:section_end])
            lines.append(line_of(record.name, names, values))
        elif kind in _LIST_SECTIONS:
            record = _LIST_SECTIONS[kind]
            for values in block.read_records(record, data, at, section_end):
                lines.append(record_line(record, values))
        elif kind == layout.SECTION_COLUMN:
            values = column.decode_column(data[at:section_end], count)
            listed = ",".join([str(value) for value in values])
            lines.append(
                "column channel=%d quantity=%d values=%s" % (data[at], data[at + 1], listed)
            )
        elif kind == layout.SECTION_TEXT:
            text = block.read_text(data, at, section_end)
            lines.append(line_of("text", ("which", "text"), text))
        elif kind == layout.SECTION_EVENTS:
            for number, event, uptime_s, uptime_ms, body in events.read_events(
                data, at, section_end
            ):
                lines.append(_event_line((("number", number),), event, uptime_s, uptime_ms, body))
        else:
            bodies = (kind, data[at:section_end])
            lines.append(line_of("unknown_section", ("kind", "bytes"), bodies))


def _event_line(
    first: "tuple[tuple[str, Any], ...]",
    kind: int,
    uptime_s: int,
    uptime_ms: int,
    body: "tuple[Any, ...]",
) -> str:
    names = event_names(kind) if kind in layout.EVENTS else ("bytes",)
    names = tuple([name for name, _ in first]) + ("kind", "uptime_s", "uptime_ms") + names
    values = tuple([value for _, value in first]) + (kind, uptime_s, uptime_ms) + body
    return line_of("event", names, values)


# --- journals ---------------------------------------------------------------------------------
def describe_journal(_header: "dict[str, str]", text: str) -> "list[str]":
    """Read a journal up to its torn tail."""
    data = hex_bytes(text)
    head, records, readable = journal.read_journal(data)
    lines = [line_of("journal_head", names_of(layout.JOURNAL_HEAD)[2:], head)]
    for kind, start, end in records:
        if kind == layout.JOURNAL_EVENT:
            event, uptime_s, uptime_ms, body, behind = events.read_event(data, start, end)
            if behind != end:
                raise BlockError("event", "%d bytes stand behind it" % (end - behind), behind)
            lines.append(_event_line((), event, uptime_s, uptime_ms, body))
        elif kind == layout.JOURNAL_RAW:
            lines.append(
                record_line(layout.RAW_SET, block.read_record(layout.RAW_SET, data, start, end))
            )
        elif kind == layout.JOURNAL_SPAN:
            body = block.read_record(layout.JOURNAL_SPAN_BODY, data, start, end)
            lines.append(record_line(layout.JOURNAL_SPAN_BODY, body))
        elif kind == layout.JOURNAL_SAMPLE:
            if start == end or (end - start) & 1:
                raise BlockError("section", "a sample of %d bytes" % (end - start), start)
            numbers = [_i16(data, at) for at in range(start, end, 2)]
            listed = ",".join([str(number) for number in numbers[1:]])
            lines.append("sample lateness_ms=%d codes=%s" % (numbers[0], listed))
        else:
            name = "state" if kind == layout.JOURNAL_STATE else "unknown_record"
            lines.append(line_of(name, ("kind", "bytes"), (kind, data[start:end])))
    lines.append("readable bytes=%d of=%d" % (readable, len(data)))
    return lines


def _i16(data: bytes, at: int) -> int:
    value = data[at] | data[at + 1] << 8
    return value - 65536 if value & 32768 else value


# --- frames -----------------------------------------------------------------------------------
def describe_frame(header: "dict[str, str]", text: str) -> "list[str]":
    """Read frames as one binding carries them."""
    data = hex_bytes(text)
    binding = header["binding"]
    if binding == "frame":
        return [_frame_line(frame.parse_frame(data))]
    if binding == "serial in":
        return [_frame_line(frame.parse_serial_in(data))]
    if binding == "short data":
        seq, xfer, due = [int(number) for number in header["transfer"].split()]
        offset, held = frame.parse_short_data(data, seq, xfer, due)
        return [line_of("short_data", ("offset", "bytes"), (offset, held))]
    if binding == "ble control":
        return _describe_pieces(header["pieces"], data)
    reader = frame.FrameReader()
    lines = [_frame_line(one) for one in reader.feed(data)]
    lines.append("junk bytes=%d" % reader.junk_bytes)
    return lines


def _describe_pieces(lengths: str, data: bytes) -> "list[str]":
    """Read notifications that came 10 ms apart; `pause` stands for a pause that is too long."""
    reader = frame.PieceReader()
    lines: "list[str]" = []
    now_ms = at = 0
    for length in lengths.split():
        now_ms += 10
        if length == "pause":
            now_ms += 1000
            continue
        one = reader.feed(data[at : at + int(length)], now_ms)
        at += int(length)
        if one is not None:
            lines.append(_frame_line(one))
    lines.append("dropped frames=%d" % reader.dropped)
    return lines


def _frame_line(one: "tuple[int, int, bytes]") -> str:
    return line_of("frame", ("kind", "seq", "body"), one)


# --- sessions ---------------------------------------------------------------------------------
def describe_session(_header: "dict[str, str]", text: str) -> "list[str]":
    """Read a conversation as the host sees it: `>` lines it sends, `<` lines it receives."""
    talk = session.Conversation(session.HOST)
    lines: "list[str]" = []
    for line in text.split("\n"):
        if not line.strip():
            continue
        kind, seq, body = frame.parse_frame(hex_bytes(line[1:]))
        values = (talk.sent if line[0] == ">" else talk.received)(kind, seq, body)
        lines.append(message_line(kind, seq, values))
    names = ("asking", "transfer", "next_offset", "gap")
    state = (talk.asking, talk.transfer, talk.next_offset, int(talk.gap))
    pairs = ["%s=%s" % pair for pair in zip(names, state)]
    lines.append(" ".join(["conversation"] + pairs))
    return lines


# --- all --------------------------------------------------------------------------------------
DESCRIBE = {
    "block": describe_block,
    "journal": describe_journal,
    "frame": describe_frame,
    "session": describe_session,
    "token": describe_token,
    "proven": describe_proven,
    "signature": describe_signature,
}


def outcome_of(layer: str, header: "dict[str, str]", data: str) -> "tuple[str, list[str]]":
    """Return ("ok", lines), or the fault that refused the bytes and no lines."""
    try:
        return "ok", DESCRIBE[layer](header, data)
    except WireError as error:
        return error.fault, []


def main(folder: str) -> None:
    """Print what every vector of `folder` says."""
    for layer in LAYERS:
        for name in sorted(os.listdir(folder + "/" + layer)):
            with open(folder + "/" + layer + "/" + name) as file:
                header, _, data = parse_vector(file.read())
            outcome, lines = outcome_of(layer, header, data)
            print("%s/%s: %s" % (layer, name, outcome))
            for line in lines:
                print("  " + line)


if __name__ == "__main__":
    main(sys.argv[1])
