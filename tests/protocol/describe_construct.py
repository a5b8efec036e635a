"""What a golden vector says, read with dewarlog.parse: the lines of describe.py, from construct.

Shares nothing with describe.py but how a value is written: names and nesting come from construct,
column values from the host's own decoder.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import describe_libraries
from dewarlog import parse
from dewarlog.columns import decode_columns
from dewarlog_wire import layout
from dewarlog_wire.errors import BlockError, WireError
from vector_lines import hex_bytes, show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAMES = {
    layout.SECTION_SPAN: "span",
    layout.SECTION_STATES: "state_run",
    layout.SECTION_RAW: "raw_set",
    layout.SECTION_IDENTITY: "identity",
    layout.SECTION_TEXT: "text",
    layout.SECTION_SAMPLING: "sampling",
    layout.SECTION_CHANNEL: "channel",
    layout.SECTION_RULE: "rule",
    layout.SECTION_SHOCK_SETTINGS: "shock_settings",
    layout.SECTION_TILT_SETTINGS: "tilt_settings",
    layout.SECTION_CALIBRATION: "calibration",
    layout.SECTION_ARMING: "arming",
    layout.SECTION_HANDLING: "handling",
    layout.SECTION_SHOCK_HEAD: "shock_head",
}


def outcome_of(layer: str, header: Mapping[str, str], data: str) -> tuple[str, list[str]]:
    """Return ("ok", lines), or the fault that refused the bytes and no lines."""
    try:
        return "ok", list(_DESCRIBE[layer](header, data))
    except WireError as error:
        return error.fault, []


def _line(name: str, fields: Mapping[str, Any]) -> str:
    return " ".join([name, *_pairs(fields)])


def _pairs(fields: Mapping[str, Any]) -> list[str]:
    return [f"{field}={show(value)}" for field, value in fields.items()]


def _block(header: Mapping[str, str], text: str) -> Iterator[str]:
    data = hex_bytes(text)
    before = header.get("chain before")
    chain = bytes.fromhex(before) if before else None
    state = header.get("seal state")
    while True:
        block = parse.parse_block(data, chain)
        wanted = ("kind", "run", "block_seq", "boot", "uptime_s", "uptime_ms", "length")
        fields = {name: block.header[name] for name in wanted}
        chain = block.seal["chain"]
        yield _line("block", {**fields, "chain": chain})
        yield from _seal(block.seal, state)
        for section in block.sections:
            yield from _section(section, block.sample_count)
        data = data[block.header["length"] :]
        if not data:
            return


def _seal(seal: parse.Fields, state: str | None) -> Iterator[str]:
    """Judge the seal of one block by the words of SPEC.md 4.9, from the state every time."""
    if not seal["key_index"]:
        return
    fields = {name: seal[name] for name in ("key_index", "tag")}
    if state is not None:
        index, held = state.split()
        if int(index) <= seal["key_index"]:
            tag = describe_libraries.seal_tag(
                bytes.fromhex(held), seal["key_index"] - int(index), seal["chain"]
            )
            fields["holds"] = int(tag == seal["tag"])
    yield _line("seal", fields)


def _section(section: parse.ParsedSection, count: int) -> Iterator[str]:
    content = section.content
    if section.kind == layout.SECTION_COLUMN:
        assert isinstance(content, dict)
        (values,) = decode_columns([(section.payload, count)])
        if isinstance(values, BlockError):
            raise values
        listed = ",".join(str(value) for value in values)
        where = f"channel={content['channel']} quantity={content['quantity']}"
        yield f"column {where} values={listed}"
    elif section.kind == layout.SECTION_EVENTS:
        assert isinstance(content, dict)
        first = content["head"]["first_event"]
        for number, event in enumerate(content["events"], start=first):
            yield _event({"number": number}, event)
    elif isinstance(content, list):
        for fields in content:
            yield _line(_NAMES[section.kind], fields)
    elif content is not None:
        yield _line(_NAMES[section.kind], content)
    else:
        yield _line("unknown_section", {"kind": section.kind, "bytes": section.payload})


def _event(first: Mapping[str, Any], event: parse.Fields) -> str:
    head = {name: event["head"][name] for name in ("kind", "uptime_s", "uptime_ms")}
    # Not one dict: a signature's body has an uptime too.
    return " ".join([_line("event", {**first, **head}), *_pairs(event["body"])])


def _journal(_header: Mapping[str, str], text: str) -> Iterator[str]:
    data = hex_bytes(text)
    journal = parse.parse_journal(data)
    hidden = ("magic", "version")
    head = {name: value for name, value in journal.head.items() if name not in hidden}
    yield _line("journal_head", head)
    for kind, body in journal.records:
        if kind == layout.JOURNAL_EVENT:
            yield _event({}, parse.parse_event(body))
        elif kind == layout.JOURNAL_RAW:
            yield _line("raw_set", parse.parse_record(layout.RAW_SET, body))
        elif kind == layout.JOURNAL_SPAN:
            yield _line("journal_span", parse.parse_record(layout.JOURNAL_SPAN_BODY, body))
        elif kind == layout.JOURNAL_SAMPLE:
            if not body or len(body) % 2:
                raise BlockError("section", f"a sample of {len(body)} bytes")
            lateness_ms, *codes = struct.unpack(f"<{len(body) // 2}h", body)
            yield f"sample lateness_ms={lateness_ms} codes={','.join(map(str, codes))}"
        else:
            name = "state" if kind == layout.JOURNAL_STATE else "unknown_record"
            yield _line(name, {"kind": kind, "bytes": body})
    yield f"readable bytes={journal.readable_bytes} of={len(data)}"


def _frame(header: Mapping[str, str], text: str) -> Iterator[str]:
    data = hex_bytes(text)
    binding = header["binding"]
    if binding == "frame":
        yield _frame_line(parse.parse_frame(data))
    elif binding == "serial in":
        yield _frame_line(parse.parse_serial_in(data))
    elif binding == "short data":
        seq, xfer, due = map(int, header["transfer"].split())
        offset, held = parse.parse_short_data(data, seq, xfer, due)
        yield _line("short_data", {"offset": offset, "bytes": held})
    elif binding == "ble control":
        frames, dropped = _pieces(header["pieces"], data)
        yield from map(_frame_line, frames)
        yield f"dropped frames={dropped}"
    else:
        frames, junk = parse.parse_serial_out(data)
        yield from map(_frame_line, frames)
        yield f"junk bytes={junk}"


def _pieces(lengths: str, data: bytes) -> tuple[list[parse.ParsedFrame], int]:
    """Join notifications up to each frame's length, by the words of SPEC.md 7.3."""
    frames: list[parse.ParsedFrame] = []
    begun = b""
    dropped = 0
    for length in lengths.split():
        if length == "pause":
            dropped += bool(begun)
            begun = b""
            continue
        begun += data[: int(length)]
        data = data[int(length) :]
        due = int.from_bytes(begun[2:4], "little") + 8
        if 4 <= len(begun) < due <= layout.BLE_FRAME_MAX_BYTES:
            continue
        try:
            frames.append(parse.parse_frame(begun))
        except WireError:
            dropped += 1
        begun = b""
    return frames, dropped


def _frame_line(frame: parse.ParsedFrame) -> str:
    return _line("frame", {"kind": frame.kind, "seq": frame.seq, "body": frame.body})


def _session(_header: Mapping[str, str], text: str) -> Iterator[str]:
    """Read the messages; whether they may be said now is the state machine's to judge."""
    for line in text.splitlines():
        if line.strip():
            frame = parse.parse_frame(hex_bytes(line[1:]))
            fields = parse.parse_message(frame.kind, frame.body)
            yield describe_libraries.message_line(frame.kind, frame.seq, fields)


_DESCRIBE = {
    "block": _block,
    "journal": _journal,
    "frame": _frame,
    "session": _session,
    "token": describe_libraries.describe_token,
    "proven": describe_libraries.describe_proven,
    "signature": describe_libraries.describe_signature,
}
