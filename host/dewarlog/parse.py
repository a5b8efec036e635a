"""A second reader of every stored and sent byte, in construct, from the same table of records.

Place in the line: between archive and readings, as their referee. Fields come from
dewarlog_wire.layout; how records nest and where lengths and CRCs apply is written here again, on
purpose: a mistake in one reader does not hide in the other. Golden vectors (protocol/vectors) and
tests hold the two together. Slower than dewarlog_wire by far: for tests and for looking closely.

The only importer of construct: its errors become WireError in `_run`, its types stay here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import construct as c

from dewarlog_wire import FORMAT_VERSION, layout
from dewarlog_wire.errors import BlockError, FrameError, JournalError, TokenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dewarlog_wire.errors import WireError

    Fields = dict[str, Any]
    Construct = c.Construct[Any, Any]

_INTEGER: Final[Mapping[str, Construct]] = {
    layout.U8: c.Int8ul,
    layout.I8: c.Int8sl,
    layout.U16: c.Int16ul,
    layout.I16: c.Int16sl,
    layout.U32: c.Int32ul,
    layout.I32: c.Int32sl,
}


# --- From the table to construct ----------------------------------------------------------------
def struct_of(record: layout.Record, *without: str) -> Construct:
    """Return the construct parser of one record, leaving out the fields named in `without`."""
    return c.Struct(
        *(name / _type_of(code) for name, code, _, _ in record.fields if name not in without)
    )


def _type_of(code: str) -> Construct:
    return c.Bytes(int(code[:-1])) if code.endswith("s") else _INTEGER[code]


def _only(construct: Construct) -> Construct:
    """Say that nothing may stand behind what `construct` parses."""
    return c.FocusedSeq("it", "it" / construct, c.Terminated)


def _with_texts(record: layout.Record, *names: str) -> Construct:
    """Say that texts stand behind a record, each behind its length."""
    texts = (name / c.PascalString(c.Int8ul, "utf8") for name in names)
    return _only(c.Struct(*(name / _type_of(code) for name, code, _, _ in record.fields), *texts))


def _many(construct: Construct) -> Construct:
    return _only(c.GreedyRange(construct))


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever construct returns
    """Turn construct's containers into dict and list."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: _plain(held) for name, held in fields.items() if not name.startswith("_")}
    if isinstance(value, list):
        return [_plain(held) for held in cast("list[Any]", value)]
    return value


def _run(construct: Construct, data: bytes, error: type[WireError], fault: str, what: str) -> Any:  # noqa: ANN401 - each construct returns its own
    """Parse, and turn construct's errors into ours: the one place where they meet."""
    try:
        return _plain(construct.parse(data))
    except c.ChecksumError as cause:
        message = f"{what}: the CRC-32 does not match"
        raise error("crc", message) from cause
    except c.ConstructError as cause:
        reason = str(cause).splitlines()[-1]
        message = f"{what}: {reason}"
        raise error(fault, message) from cause


def parse_record(record: layout.Record, data: bytes) -> Fields:
    """Read one record and nothing else.

    Raises:
        BlockError: fault section.
    """
    fields: Fields = _run(_only(struct_of(record)), data, BlockError, "section", record.name)
    return fields


# --- Blocks -----------------------------------------------------------------------------------
_HEADER: Final = struct_of(layout.BLOCK_HEADER)
_BLOCK_MIN_BYTES: Final = layout.BLOCK_HEADER.size + layout.BLOCK_SEAL.size
_BLOCK: Final = c.Struct(
    "covered"
    / c.RawCopy(
        c.Struct(
            "header" / _HEADER,
            "body" / c.Bytes(c.this.header.length - _BLOCK_MIN_BYTES),
            "seal" / struct_of(layout.BLOCK_SEAL, "crc32"),
        )
    ),
    "crc32" / c.Checksum(c.Int32ul, zlib.crc32, c.this.covered.data),
)
_SECTIONS: Final = _many(
    c.Struct("kind" / c.Int8ul, "payload" / c.Prefixed(c.Int16ul, c.GreedyBytes))
)
_TEXT: Final = c.Struct("which" / c.Int8ul, "text" / c.GreedyString("utf8"))
_COLUMN: Final = c.Struct(
    *(name / _type_of(code) for name, code, _, _ in layout.COLUMN_HEAD.fields),
    "coded" / c.GreedyBytes,
)
_EVENTS_WITH_TEXTS: Final = {
    kind: c.Struct(
        *(name / _type_of(code) for name, code, _, _ in layout.EVENTS[kind].fields),
        *(name / c.PascalString(c.Int8ul, "utf8") for name in names),
    )
    for kind, names in layout.EVENT_TEXTS.items()
}
# How long texts and payloads may be: from the document, not from the table, so that a limit is
# written twice as well (DESIGN, "Two readers").
_TEXT_MAX_BYTES: Final = {
    layout.KIND_CUSTODY: 76,
    layout.KIND_HANDOFF: 63,
    layout.KIND_ACKNOWLEDGE: 76,
    layout.KIND_ACCESS: 32,
    layout.KIND_PROFILE: 76,
}
_SECTION_TEXT_MAX_BYTES: Final = 76
_SETTING_PART_MAX_BYTES: Final = 120
_SETTING: Final = c.Struct(
    *(name / _type_of(code) for name, code, _, _ in layout.EVENT_SETTING.fields),
    "before" / c.Bytes(c.this.before_bytes),
    "after" / c.GreedyBytes,
)
_EVENTS_THAT_GO_ON: Final = {**_EVENTS_WITH_TEXTS, layout.KIND_SETTING: _SETTING}
_EVENT_BODIES: Final = {
    kind: _only(_EVENTS_THAT_GO_ON.get(kind) or struct_of(record))
    for kind, record in layout.EVENTS.items()
}
_EVENT: Final = c.Struct(
    "head" / struct_of(layout.EVENT_HEAD),
    "body"
    / c.FixedSized(
        c.this.head.length,
        c.Switch(c.this.head.kind, _EVENT_BODIES, default=c.Struct("bytes" / c.GreedyBytes)),
    ),
)
_EVENTS: Final = _only(
    c.Struct("head" / struct_of(layout.EVENTS_HEAD), "events" / c.Array(c.this.head.count, _EVENT))
)
_SECTION_BODIES: Final[Mapping[int, Construct]] = {
    layout.SECTION_SPAN: _only(struct_of(layout.SPAN)),
    layout.SECTION_COLUMN: _COLUMN,
    layout.SECTION_STATES: _many(struct_of(layout.STATE_RUN)),
    layout.SECTION_RAW: _many(struct_of(layout.RAW_SET)),
    layout.SECTION_EVENTS: _EVENTS,
    layout.SECTION_IDENTITY: _only(struct_of(layout.IDENTITY)),
    layout.SECTION_TEXT: _TEXT,
    layout.SECTION_SAMPLING: _only(struct_of(layout.SAMPLING)),
    layout.SECTION_CHANNEL: _only(struct_of(layout.CHANNEL)),
    layout.SECTION_RULE: _only(struct_of(layout.RULE)),
    layout.SECTION_SHOCK_SETTINGS: _only(struct_of(layout.SHOCK_SETTINGS)),
    layout.SECTION_TILT_SETTINGS: _only(struct_of(layout.TILT_SETTINGS)),
    layout.SECTION_CALIBRATION: _with_texts(layout.CALIBRATION, "reference"),
    layout.SECTION_ARMING: _with_texts(layout.ARMING, "actor", "reason"),
    layout.SECTION_HANDLING: _only(struct_of(layout.HANDLING)),
    layout.SECTION_SHOCK_HEAD: _only(struct_of(layout.SHOCK_HEAD)),
}
# Which of their fields are texts, whose length is bounded.
_SECTION_TEXTS: Final[Mapping[int, tuple[str, ...]]] = {
    layout.SECTION_CALIBRATION: ("reference",),
    layout.SECTION_ARMING: ("actor", "reason"),
}


@dataclass(frozen=True, slots=True)
class ParsedSection:
    """One section: its bytes, and its content as dict or list; None for an unknown kind."""

    kind: int
    payload: bytes
    content: Fields | list[Fields] | None


@dataclass(frozen=True, slots=True)
class ParsedBlock:
    """One block: header and seal as dicts of fields, and its sections in order."""

    header: Fields
    sections: tuple[ParsedSection, ...]
    seal: Fields

    @property
    def sample_count(self) -> int:
        """Values in each of this block's columns, from its SPAN or SHOCK_HEAD; 0 without."""
        for section in self.sections:
            if section.kind in (layout.SECTION_SPAN, layout.SECTION_SHOCK_HEAD):
                assert isinstance(section.content, dict)  # noqa: S101 - both are one record
                return int(section.content["count"])
        return 0


def parse_block(data: bytes, previous_chain: bytes | None = None) -> ParsedBlock:
    """Read the block at the start of `data`; with `previous_chain`, check that it follows.

    Raises:
        BlockError: fault magic, version, length, crc, chain, section or event.
    """
    if len(data) < _BLOCK_MIN_BYTES:
        message = f"{len(data)} bytes are too few for a block"
        raise BlockError("length", message)
    header = _run(_HEADER, data, BlockError, "length", "block header")
    if header["magic"] != layout.BLOCK_MAGIC:
        message = f"block begins with {header['magic']!r}"
        raise BlockError("magic", message)
    if header["version"] != FORMAT_VERSION:
        message = f"block has format version {header['version']}"
        raise BlockError("version", message)
    if not _BLOCK_MIN_BYTES <= header["length"] <= min(len(data), layout.BLOCK_MAX_BYTES):
        message = f"block says {header['length']} bytes; {len(data)} are there"
        raise BlockError("length", message)
    parsed = _run(_BLOCK, data, BlockError, "length", "block")
    whole = parsed["covered"]["value"]
    if previous_chain is not None:
        sealed = data[: header["length"] - layout.BLOCK_SEAL.size]
        if hashlib.sha256(previous_chain + sealed).digest() != whole["seal"]["chain"]:
            message = "the chain value is not that of the block before"
            raise BlockError("chain", message)
    seal = {**whole["seal"], "crc32": parsed["crc32"]}
    return ParsedBlock(header, tuple(_parse_sections(whole["body"])), seal)


# Sections of which a body has one at most (SPEC.md 4.4).
_ONCE: Final = (1, 3, 4, 5, 16, 18, 21, 22, 24, 25, 32)


def _parse_sections(body: bytes) -> Iterable[ParsedSection]:
    sections = _run(_SECTIONS, body, BlockError, "section", "body")
    _expect_once([section["kind"] for section in sections])
    for section in sections:
        kind, payload = section["kind"], section["payload"]
        content = parse_section(kind, payload) if kind in _SECTION_BODIES else None
        yield ParsedSection(kind, payload, content)


def parse_section(kind: int, payload: bytes) -> Fields | list[Fields]:
    """Read the payload of one section of a known kind.

    Raises:
        BlockError: fault section, or event for one of events.
    """
    fault = "event" if kind == layout.SECTION_EVENTS else "section"
    what = f"section of kind {kind}"
    content = _run(_SECTION_BODIES[kind], payload, BlockError, fault, what)
    if kind == layout.SECTION_EVENTS:
        for event in content["events"]:
            _check_lengths(event["head"]["kind"], event["body"])
    for name in _SECTION_TEXTS.get(kind, ()):
        if len(content[name].encode()) > _SECTION_TEXT_MAX_BYTES:
            message = f"the {name} of a section of kind {kind} is too long"
            raise BlockError("section", message)
    return content


def _expect_once(kinds: list[int]) -> None:
    """Refuse what would leave a reader a choice (SPEC.md 4.4)."""
    for kind in _ONCE:
        if kinds.count(kind) > 1:
            message = f"section {kind} stands twice"
            raise BlockError("section", message)
    if {layout.SECTION_SPAN, layout.SECTION_SHOCK_HEAD} <= set(kinds):
        message = "SPAN and SHOCK_HEAD both say how long the columns are"
        raise BlockError("section", message)


def _check_lengths(kind: int, body: Fields) -> None:
    most = _TEXT_MAX_BYTES.get(kind, 0)
    for name in layout.EVENT_TEXTS.get(kind, ()):
        if len(body[name].encode()) > most:
            message = f"the {name} of an event of kind {kind} is over {most} bytes"
            raise BlockError("event", message)
    if kind == layout.KIND_SETTING:
        longest = max(len(body["before"]), len(body["after"]))
        if longest > _SETTING_PART_MAX_BYTES:
            message = f"a payload of a setting has {longest} bytes"
            raise BlockError("event", message)


# --- Journal ----------------------------------------------------------------------------------
_JOURNAL_HEAD: Final = c.Struct(
    "covered" / c.RawCopy(struct_of(layout.JOURNAL_HEAD, "crc32")),
    "crc32" / c.Checksum(c.Int32ul, zlib.crc32, c.this.covered.data),
)
_JOURNAL_RECORD: Final = c.Struct(
    "covered"
    / c.RawCopy(
        c.Struct("head" / struct_of(layout.JOURNAL_RECORD), "body" / c.Bytes(c.this.head.length))
    ),
    "crc32" / c.Int32ul,
)


@dataclass(frozen=True, slots=True)
class ParsedJournal:
    """A journal up to its torn tail: records are (kind, body)."""

    head: Fields
    records: tuple[tuple[int, bytes], ...]
    readable_bytes: int


def parse_journal(data: bytes) -> ParsedJournal:
    """Read the journal at the start of `data`.

    Raises:
        JournalError: the head cannot be trusted: fault length, magic, version or crc.
    """
    if len(data) < layout.JOURNAL_HEAD.size:
        message = f"{len(data)} bytes are too few for a journal head"
        raise JournalError("length", message)
    unchecked = _run(struct_of(layout.JOURNAL_HEAD), data, JournalError, "length", "journal head")
    if unchecked["magic"] != layout.JOURNAL_MAGIC:
        message = f"journal begins with {unchecked['magic']!r}"
        raise JournalError("magic", message)
    if unchecked["version"] != FORMAT_VERSION:
        message = f"journal has format version {unchecked['version']}"
        raise JournalError("version", message)
    _run(_JOURNAL_HEAD, data, JournalError, "length", "journal head")
    crc = unchecked["crc32"]
    at = layout.JOURNAL_HEAD.size
    records: list[tuple[int, bytes]] = []
    while True:
        try:
            record = _plain(_JOURNAL_RECORD.parse(data[at:]))
        except c.ConstructError:
            break
        covered = record["covered"]
        crc = zlib.crc32(covered["data"], crc)
        if crc != record["crc32"]:
            break
        records.append((covered["value"]["head"]["kind"], covered["value"]["body"]))
        at += covered["length"] + layout.FRAME_CRC_BYTES
    return ParsedJournal(unchecked, tuple(records), at)


def parse_event(data: bytes) -> Fields:
    """Read one event, head and body, as a journal record holds it.

    Raises:
        BlockError: fault event.
    """
    event: Fields = _run(_only(_EVENT), data, BlockError, "event", "event")
    _check_lengths(event["head"]["kind"], event["body"])
    return event


# --- Frames and messages ------------------------------------------------------------------------
_FRAME_HEAD: Final = struct_of(layout.FRAME_HEAD)
_FRAME: Final = _only(
    c.Struct(
        "covered"
        / c.RawCopy(c.Struct("head" / _FRAME_HEAD, "body" / c.Bytes(c.this.head.length))),
        "crc32" / c.Checksum(c.Int32ul, zlib.crc32, c.this.covered.data),
    )
)
# A group: how far the next zero stands away, then what stands before it.
_COBS: Final = _many(c.Struct("code" / c.Int8ul, "held" / c.Bytes(c.this.code - 1)))
_COBS_FULL: Final = 255  # no zero follows: the group is merely at its longest
_EMPTY: Final = c.Terminated
_SOME_BYTES: Final = c.ExprValidator(c.GreedyBytes, lambda held, _: len(held) > 0)
# Requests that carry the body of an event with texts.
_TEXTS_OF: Final = {
    layout.MSG_MARK: layout.KIND_CUSTODY,
    layout.MSG_HANDOFF: layout.KIND_HANDOFF,
    layout.MSG_ACKNOWLEDGE: layout.KIND_ACKNOWLEDGE,
    layout.MSG_PUT_END: layout.KIND_PROFILE,  # behind its own record
}
_MESSAGES: Final[Mapping[int, Construct]] = {
    layout.MSG_HELLO: struct_of(layout.HELLO),
    layout.MSG_HELLO | layout.REPLY: struct_of(layout.HELLO_REPLY),
    layout.MSG_STATUS: _EMPTY,
    layout.MSG_STATUS | layout.REPLY: struct_of(layout.STATUS_REPLY),
    layout.MSG_TIME: struct_of(layout.TIME),
    layout.MSG_TIME | layout.REPLY: struct_of(layout.TIME_REPLY),
    layout.MSG_LIST: struct_of(layout.LIST),
    layout.MSG_LIST | layout.REPLY: c.Struct(
        "head" / struct_of(layout.LIST_REPLY),
        "entries" / c.Array(c.this.head.count, struct_of(layout.LIST_ENTRY)),
    ),
    layout.MSG_READ: struct_of(layout.READ),
    layout.MSG_READ | layout.REPLY: struct_of(layout.READ_REPLY),
    layout.MSG_ACK: struct_of(layout.ACK),
    layout.MSG_ABORT: _EMPTY,
    layout.MSG_ABORT | layout.REPLY: _EMPTY,
    layout.MSG_HASH: struct_of(layout.HASH),
    layout.MSG_HASH | layout.REPLY: struct_of(layout.HASH_REPLY),
    layout.MSG_SEAL: _EMPTY,
    layout.MSG_SEAL | layout.REPLY: struct_of(layout.SEAL_REPLY),
    layout.MSG_MARK: _EVENTS_WITH_TEXTS[layout.KIND_CUSTODY],
    layout.MSG_MARK | layout.REPLY: _EMPTY,
    layout.MSG_CONFIRM: struct_of(layout.CONFIRM),
    layout.MSG_CONFIRM | layout.REPLY: _EMPTY,
    layout.MSG_STOP: _EMPTY,
    layout.MSG_STOP | layout.REPLY: _EMPTY,
    layout.MSG_AUTH: c.Struct("head" / struct_of(layout.AUTH), "caveats" / c.GreedyBytes),
    layout.MSG_AUTH | layout.REPLY: struct_of(layout.AUTH_REPLY),
    layout.MSG_HANDOFF: _EVENTS_WITH_TEXTS[layout.KIND_HANDOFF],
    layout.MSG_HANDOFF | layout.REPLY: struct_of(layout.HANDOFF_REPLY),
    layout.MSG_RADIO: struct_of(layout.RADIO),
    layout.MSG_RADIO | layout.REPLY: _EMPTY,
    layout.MSG_KEY: struct_of(layout.KEY),
    layout.MSG_KEY | layout.REPLY: struct_of(layout.KEY_REPLY),
    layout.MSG_SEAL_KEY: _EMPTY,
    layout.MSG_SEAL_KEY | layout.REPLY: struct_of(layout.SEAL_KEY_REPLY),
    layout.MSG_LOCK: struct_of(layout.LOCK),
    layout.MSG_LOCK | layout.REPLY: _EMPTY,
    layout.MSG_SIGN: struct_of(layout.SIGN),
    layout.MSG_SIGN | layout.REPLY: struct_of(layout.SIGN_REPLY),
    layout.MSG_PUBLIC: _EMPTY,
    layout.MSG_PUBLIC | layout.REPLY: struct_of(layout.PUBLIC_REPLY),
    layout.MSG_ACKNOWLEDGE: _EVENTS_WITH_TEXTS[layout.KIND_ACKNOWLEDGE],
    layout.MSG_ACKNOWLEDGE | layout.REPLY: _EMPTY,
    layout.MSG_LIVE: _EMPTY,
    layout.MSG_LIVE | layout.REPLY: struct_of(layout.LIVE_REPLY),
    layout.MSG_GET: struct_of(layout.GET),
    layout.MSG_GET | layout.REPLY: c.Struct(
        "head" / struct_of(layout.GET_REPLY), "bytes" / c.GreedyBytes
    ),
    layout.MSG_PUT: c.Struct("head" / struct_of(layout.PUT), "bytes" / _SOME_BYTES),
    layout.MSG_PUT | layout.REPLY: _EMPTY,
    layout.MSG_PUT_END: c.Struct(
        "head" / struct_of(layout.PUT_END),
        "event" / _EVENTS_WITH_TEXTS[layout.KIND_PROFILE],
    ),
    layout.MSG_PUT_END | layout.REPLY: _EMPTY,
    layout.MSG_SELFTEST: struct_of(layout.SELFTEST),
    layout.MSG_SELFTEST | layout.REPLY: c.Struct(
        "head" / struct_of(layout.SELFTEST_REPLY),
        "entries" / c.Array(c.this.head.count, struct_of(layout.EVENT_SELFTEST)),
    ),
    layout.MSG_ERASE: struct_of(layout.ERASE),
    layout.MSG_ERASE | layout.REPLY: struct_of(layout.ERASE_REPLY),
    layout.MSG_SEED: struct_of(layout.SEED),
    layout.MSG_SEED | layout.REPLY: _EMPTY,
    layout.MSG_DATA: c.Struct("head" / struct_of(layout.DATA_HEAD), "bytes" / _SOME_BYTES),
    layout.MSG_END: struct_of(layout.END),
    layout.MSG_ERROR: c.Struct("head" / struct_of(layout.ERROR), "text" / c.GreedyString("utf8")),
}


@dataclass(frozen=True, slots=True)
class ParsedFrame:
    """One frame whose CRC was right."""

    kind: int
    seq: int
    body: bytes


def parse_frame(data: bytes) -> ParsedFrame:
    """Read one whole frame.

    Raises:
        FrameError: fault length or crc.
    """
    head = _run(_FRAME_HEAD, data, FrameError, "length", "frame")
    if head["length"] != len(data) - layout.FRAME_OVERHEAD_BYTES:
        message = f"frame of {len(data)} bytes says {head['length']} bytes of body"
        raise FrameError("length", message)
    frame = _run(_FRAME, data, FrameError, "length", "frame")
    whole = frame["covered"]["value"]
    return ParsedFrame(whole["head"]["kind"], whole["head"]["seq"], whole["body"])


_SHORT_DATA: Final = c.Struct("head" / struct_of(layout.DATA_SHORT_HEAD), "rest" / c.GreedyBytes)


def parse_short_data(data: bytes, seq: int, xfer: int, next_offset: int) -> tuple[int, bytes]:
    """Read a DATA_SHORT frame of the transfer (seq, xfer), whose next byte is `next_offset`.

    Raises:
        FrameError: fault length or crc.
    """
    frame = _run(_SHORT_DATA, data, FrameError, "length", "short DATA")
    crc_bytes = layout.DATA_SHORT_CRC_BYTES
    held, check = frame["rest"][:-crc_bytes], frame["rest"][-crc_bytes:]
    if frame["head"]["kind"] != layout.MSG_DATA_SHORT or len(check) < crc_bytes:
        message = "no short DATA frame"
        raise FrameError("length", message)
    # Of all offsets with these low bits, the one nearest to the byte that is due.
    turns = (next_offset >> 16) - 1, next_offset >> 16, (next_offset >> 16) + 1
    offsets = [(turn << 16) | frame["head"]["offset_low"] for turn in turns]
    near = range(max(0, next_offset - 0x8000), next_offset + 0x8000)
    offset = next((one for one in offsets if one in near), 0)
    if offset + len(held) > 0xFFFFFFFF or layout.DATA_HEAD.size + len(held) > 0xFFFF:
        message = f"no DATA frame has {len(held)} bytes from byte {offset} on"
        raise FrameError("length", message)
    stands_for = _FRAME_HEAD.build(
        {"kind": layout.MSG_DATA, "seq": seq, "length": layout.DATA_HEAD.size + len(held)}
    ) + struct_of(layout.DATA_HEAD).build({"xfer": xfer, "flags": 0, "offset": offset})
    if zlib.crc32(stands_for + held).to_bytes(4, "little")[:crc_bytes] != check:
        message = "short DATA: the CRC does not match"
        raise FrameError("crc", message)
    return offset, held


def parse_serial_out(data: bytes) -> tuple[list[ParsedFrame], int]:
    """Find the frames in what a board's port said; return them and the count of other bytes."""
    frames: list[ParsedFrame] = []
    junk = 0
    pieces = data.split(b"\0")[:-1]  # no zero has ended the last one
    for piece in filter(None, pieces):
        try:
            frames.append(parse_frame(_uncobs(piece)))
        except FrameError:
            junk += len(piece)
    return frames, junk


def _uncobs(data: bytes) -> bytes:
    groups: list[Fields] = _run(_COBS, data, FrameError, "cobs", "COBS")
    decoded = b""
    for group in groups:
        decoded += group["held"] + (b"" if group["code"] == _COBS_FULL else b"\0")
    ends_early = groups and groups[-1]["code"] != _COBS_FULL
    return decoded[:-1] if ends_early else decoded


def parse_serial_in(line: bytes) -> ParsedFrame:
    """Read one line that carries a request.

    Raises:
        FrameError: fault mark, base64, length or crc.
    """
    if len(line) < len(layout.SERIAL_IN_MARK) + 1 or not (
        line.startswith(layout.SERIAL_IN_MARK) and line.endswith(b"\n")
    ):
        message = "the line does not begin with 06 09 and end with LF"
        raise FrameError("mark", message)
    text = line[len(layout.SERIAL_IN_MARK) : -1]
    try:
        frame = base64.b64decode(text, validate=True)
    except binascii.Error as cause:
        message = "not base64"
        raise FrameError("base64", message) from cause
    if not frame or base64.b64encode(frame) != text:
        message = "not the one base64 spelling of these bytes"
        raise FrameError("base64", message)
    return parse_frame(frame)


def parse_message(kind: int, body: bytes) -> Fields:
    """Read the body of one message.

    Raises:
        FrameError: fault message.
    """
    if kind not in _MESSAGES:
        message = f"no message has kind 0x{kind:02x}"
        raise FrameError("message", message)
    what = f"message 0x{kind:02x}"
    fields = _run(_only(_MESSAGES[kind]), body, FrameError, "message", what)
    event = fields["event"] if kind == layout.MSG_PUT_END else fields
    if kind in _TEXTS_OF:
        try:
            _check_lengths(_TEXTS_OF[kind], event)
        except BlockError as cause:
            raise FrameError("message", str(cause)) from cause
    return fields or {}


# --- Tokens -------------------------------------------------------------------------------------
_CAVEATS: Final = _many(
    c.RawCopy(c.Struct("kind" / c.Int8ul, "value" / c.Prefixed(c.Int8ul, c.GreedyBytes)))
)
# What each kind's value is; a holder's text is bounded below.
_CAVEAT_VALUES: Final[Mapping[int, Construct]] = {
    layout.CAVEAT_ID: c.Bytes(8),
    layout.CAVEAT_DEVICE: c.Bytes(8),
    layout.CAVEAT_NOT_BEFORE: c.Int32ul,
    layout.CAVEAT_NOT_AFTER: c.Int32ul,
    layout.CAVEAT_LOG: c.Bytes(8),
    layout.CAVEAT_MAY: c.Int8ul,
    layout.CAVEAT_HOLDER: c.GreedyString("utf8"),
}
_CAVEATS_MAX_BYTES: Final = 192
_HOLDER_MAX_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class ParsedCaveat:
    """One caveat of a token, and its bytes as they stand there."""

    kind: int
    value: bytes
    packed: bytes


def parse_caveats(data: bytes) -> list[ParsedCaveat]:
    """Cut caveats into heads and values, whatever their kinds: all that a secret needs.

    Raises:
        TokenError: they cannot be cut so, or are too long.
    """
    if len(data) > _CAVEATS_MAX_BYTES:
        message = f"{len(data)} bytes of caveats"
        raise TokenError(message)
    try:
        parsed = _plain(_CAVEATS.parse(data))
    except c.ConstructError as cause:
        raise TokenError(str(cause).splitlines()[-1]) from cause
    return [
        ParsedCaveat(one["value"]["kind"], one["value"]["value"], one["data"]) for one in parsed
    ]


def check_caveats(caveats: Iterable[ParsedCaveat]) -> None:
    """Say whether each caveat is one that this version knows, with a value of its kind.

    Raises:
        TokenError: one is not, or the id does not stand first, and once.
    """
    for place, one in enumerate(caveats):
        value_of = _CAVEAT_VALUES.get(one.kind)
        if value_of is None or (one.kind == layout.CAVEAT_ID) != (place == 0):
            message = f"no caveat of kind {one.kind} may stand in place {place}"
            raise TokenError(message)
        if one.kind == layout.CAVEAT_HOLDER and not 1 <= len(one.value) <= _HOLDER_MAX_BYTES:
            message = f"a holder of {len(one.value)} bytes"
            raise TokenError(message)
        try:
            _only(value_of).parse(one.value)
        except c.ConstructError as cause:
            raise TokenError(str(cause).splitlines()[-1]) from cause
