"""Valid inputs to begin from: golden vectors, logs written by the board's own code, documents."""

from __future__ import annotations

import functools
import hashlib
import json
import struct
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import describe
import device_readers
import fixups
from dewarlog.receipt import Receipt
from dewarlog.session import Recorded
from dewarlog_wire import block, events, layout, session
from dewarlog_wire import frame as wire_frame
from log_writer import DEFAULT_RULES, LogWriter
from trips import clock_read, custody, handoff, quiet, trip
from workshop.places import FIRMWARE, PROTOCOL, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

_VECTORS: Final = PROTOCOL / "vectors"
DEVICE_ID: Final = bytes(range(1, 9))
LOG_ID: Final = bytes(range(8))
LOG_ID_ON_BOARD: Final = b"logid123"
BOARD_FOLDER: Final = "log/00000001/"


def _vectors(layer: str) -> Iterator[tuple[dict[str, str], str]]:
    for path in sorted((_VECTORS / layer).glob("*.txt")):
        header, _, data = describe.parse_vector(path.read_text(encoding="utf-8"))
        yield header, data


# --- the wire -----------------------------------------------------------------------------------
@functools.cache
def blocks() -> list[bytes]:
    """Return every vector of blocks, and a log of each kind of block."""
    found = [describe.hex_bytes(data) for _, data in _vectors("block")]
    return [*found, bytes(_small_log().data)]


@functools.cache
def journals() -> list[bytes]:
    """Return every vector of journals."""
    return [describe.hex_bytes(data) for _, data in _vectors("journal")]


@functools.cache
def columns() -> list[bytes]:
    """Return the COLUMN sections of every vector, each behind its count of values."""
    found: list[bytes] = []
    for data in blocks():
        for payload, count in _columns_of(data):
            found.append(count.to_bytes(2, "little") + payload)
    return found


def _columns_of(data: bytes) -> Iterator[tuple[bytes, int]]:
    for kind, at, end, count in _sections_of(data):
        if kind == layout.SECTION_COLUMN:
            yield data[at:end], count


def _sections_of(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    at = count = 0
    try:
        while at < len(data):
            one = block.check_block(data, at, None)
            for kind, start, end in block.sections(data, one.body_start, one.body_end):
                if kind in (layout.SECTION_SPAN, layout.SECTION_SHOCK_HEAD):
                    count = int.from_bytes(data[start + 4 : start + 6], "little")
                    if kind == layout.SECTION_SHOCK_HEAD:
                        count = int.from_bytes(data[start + 2 : start + 4], "little")
                yield kind, start, end, count
            at += one.length
    except block.BlockError:
        return


@functools.cache
def events_sections() -> list[bytes]:
    """Return the EVENTS sections of every vector, and one with an event of every kind."""
    found = [
        data[at:end]
        for data in blocks()
        for kind, at, end, _ in _sections_of(data)
        if kind == layout.SECTION_EVENTS
    ]
    packed = [_event(kind) for kind in sorted(layout.EVENTS)]
    head = struct.pack(layout.EVENTS_HEAD.format, 0, len(packed))
    return [*found, head + b"".join(packed)]


def _event(kind: int) -> bytes:
    """Return an event of that kind with numbers that may stand there."""
    record = layout.EVENTS[kind]
    values: list[object] = [
        b"\0" * int(code[:-1]) if code[-1] == "s" else 1 for _, code, _, _ in record.fields
    ]
    values += ["né"] * len(layout.EVENT_TEXTS.get(kind, ()))
    buffer = bytearray(events.EVENT_MAX_BYTES)
    return bytes(buffer[: events.pack_event_into(buffer, 0, kind, 100, 5, tuple(values))])


@functools.cache
def frames() -> list[bytes]:
    """Return a frame of every message there is, and the vectors of frames."""
    found = [
        describe.hex_bytes(data)
        for header, data in _vectors("frame")
        if header["binding"] == "frame"
    ]
    return [*found, *(bytes(wire_frame.encode_frame(one[0], 7, one[1:])) for one in messages())]


@functools.cache
def messages() -> list[bytes]:
    """Return kind and body of every message."""
    found: list[bytes] = []
    for kind, record in session.BODIES.items():
        found.append(bytes([kind]) + bytes(range(1, record.size + 1)))
    texts = ("A. Jansen", "Leiden", "né")
    entry = (1, 0, 1, 2, 3, LOG_ID)
    for kind, values in (
        (layout.MSG_MARK, (3, 5000, *texts)),
        (layout.MSG_HANDOFF, (5000, 0, 2, 1, bytes(32), *texts)),
        (layout.MSG_ERROR, (5, "not now")),
        (layout.MSG_DATA, (1, 0, 512, b"bytes")),
        (layout.MSG_LIST | layout.REPLY, (2, 0, entry, entry)),
    ):
        found.append(bytes([kind]) + session.pack_body(kind, *values))
    return found


def _bound(binding: str) -> list[bytes]:
    return [
        describe.hex_bytes(data)
        for header, data in _vectors("frame")
        if header["binding"] == binding
    ]


@functools.cache
def serial_lines() -> list[bytes]:
    """Return lines to the board."""
    return [*_bound("serial in"), *(fixups.serial_line(data) for data in frames())]


@functools.cache
def serial_out() -> list[bytes]:
    """Return what a board's port says."""
    return [*_bound("serial out"), *(fixups.serial_out(data) for data in frames())]


@functools.cache
def pieces() -> list[bytes]:
    """Return frames in pieces."""
    return [fixups.pieces(data) for data in frames()]


@functools.cache
def short_data() -> list[bytes]:
    """Return short DATA frames, each behind seq, xfer and the byte due."""
    return [
        struct.pack("<BBI", 7, 3, due) + wire_frame.encode_short_data(7, 3, due, bytes(range(60)))
        for due in (0, 1, 65530, 70000, 2**31)
    ]


@functools.cache
def encoded() -> list[bytes]:
    """Return COBS."""
    return [part for data in serial_out() for part in data.split(b"\0") if part]


# --- logs ---------------------------------------------------------------------------------------
def _small_log() -> LogWriter:
    """Write a log with every kind of block, in little."""
    made = LogWriter(channels=2, conversions=2)
    rate = (1, layout.RULE_RISING, 1, 0, 1, 20, 10, 60, 600)
    made.start(rules=(*DEFAULT_RULES, rate))
    first = [quiet(1, count=40), quiet(2, -140.0, count=40)]
    first[1][5:9] = [layout.state_code(layout.STATE_OPEN)] * 4
    spread = [
        ([code - 2 for code in codes], [code + 2 for code in codes])
        for codes in (quiet(1, count=40), quiet(2, count=40))
    ]
    told = [(layout.KIND_BOOT, 0, (1, 0, 0, 0, 200_000_000, 0)), custody(60_000, 0)]
    made.samples(0, first, extremes=spread, lateness=[0] * 39 + [7], events=told)
    x, y, z = ([index % 50 * sign for index in range(30)] for sign in (1, -1, 2))
    made.shock(5000, (x, y, z), trigger=8)
    made.events(
        [
            handoff(500_000, made.blocks, made.chain),
            (layout.KIND_SHOCK, 500_001, (0, 2, 0, 9, 9, 9, 30, 900, 40)),
        ]
    )
    made.journal(600_000, [(0, -24000, -24002, -23998, -24000, -24001, -23999, 1600)] * 3)
    return made


@functools.cache
def logs() -> list[bytes]:
    """Return log files: small ones, a trip of an hour, one with a torn journal."""
    hour = bytes(trip(1).data)
    torn = LogWriter(channels=1)
    torn.start()
    torn.journal(0, [(0, -24000, 1600)] * 5, events=[custody(1000, 0)], torn=b"\x01\x04\0abc")
    return [bytes(_small_log().data), hour, bytes(torn.data), *blocks()]


@functools.cache
def bombs() -> list[bytes]:
    """Return a block that says as many values as its bytes can: flat columns, side by side."""
    payload = struct.pack(layout.COLUMN_HEAD.format, 0, 0, 5) + bytes([layout.COLUMN_FLAT] * 16)
    buffer = bytearray(layout.BLOCK_MAX_BYTES)
    at = block.begin_block(buffer, layout.BLOCK_SAMPLES, 1, 0, 0, 0, 0)
    span = struct.pack(layout.SPAN.format, 0, layout.BLOCK_MAX_SAMPLES, 1000)
    at = block.put_section(buffer, at, layout.SECTION_SPAN, span)
    number = 0
    while at + 3 + len(payload) + layout.BLOCK_SEAL.size <= len(buffer):
        named = bytes([number & 3, number >> 2 & 255]) + payload[2:]
        at = block.put_section(buffer, at, layout.SECTION_COLUMN, named)
        number += 1
    length, _ = block.seal_block(buffer, at, layout.CHAIN_START)
    return [bytes(buffer[:length])]


# --- the board's files --------------------------------------------------------------------------
@functools.cache
def _board_files() -> dict[str, bytes]:
    """Return the files of a run that the board's own code wrote."""
    with tempfile.TemporaryDirectory() as folder:
        before = device_readers.use_scratch(folder)
        device_readers.read_logbook(b"")  # a board that begins its first run
        device_readers.use_scratch(before)
        below = Path(folder) / "log"
        run = max(path for path in below.iterdir() if path.is_dir())
        return {path.name: path.read_bytes() for path in sorted(run.iterdir())}


@functools.cache
def logbooks() -> list[bytes]:
    """Return segments, journal and state of boards."""
    files = _board_files()
    segment, journal, state = files["0000.seg"], files["journal"], files["state"]
    first = block.check_block(segment, 0, None).length
    found = [
        [segment, b"", journal, state],
        [segment[:first], b"", _journal_of(_all_records(), first=0), state],
        [segment[:first], segment[first:], journal, state],
        [segment, b"", b"", state],
    ]
    found += [[segment[:first], b"", held, state] for held in journals()]
    return [fixups.logbook(fixups.joined(parts)) for parts in found]


def _all_records() -> list[tuple[int, bytes]]:
    """Return a journal record of every kind, an event of every kind among them."""
    state = struct.pack("<HB", 3, 1) + device_readers.new_engine().state_bytes()
    span = struct.pack(layout.JOURNAL_SPAN_BODY.format, 10000, 5, 100)
    sample = struct.pack("<5h", 0, -24000, -32767, -20000, 1600)
    raw = struct.pack(layout.RAW_SET.format, 0, 0, 0, -1000, 1600)
    records = [(layout.JOURNAL_STATE, state), (layout.JOURNAL_SPAN, span)]
    records += [(layout.JOURNAL_SAMPLE, sample), (layout.JOURNAL_RAW, raw)]
    return records + [(layout.JOURNAL_EVENT, _event(kind)) for kind in sorted(layout.EVENTS)]


def _journal_of(records: list[tuple[int, bytes]], first: int) -> bytes:
    head = struct.pack(
        layout.JOURNAL_HEAD.format, layout.JOURNAL_MAGIC, 1, 4, 0, 1, 1, first, 0, 5, 100, 0
    )
    bodies = [
        struct.pack(layout.JOURNAL_RECORD.format, kind, len(body)) + body + bytes(4)
        for kind, body in records
    ]
    return fixups.journal(head + b"".join(bodies))


@functools.cache
def former_runs() -> list[bytes]:
    """Return segment, journal and state of a run of another profile."""
    small = _small_log()
    segment = bytes(small.data[: small.offsets[1]])
    states = [struct.pack("<8sBII", LOG_ID, 0, config_crc, 0) for config_crc in (7, 8)]
    return [
        fixups.former_run(fixups.joined([segment, device_readers.parts_of(one, 4)[2], state]))
        for one in logbooks()
        for state in states
    ]


def servers() -> list[bytes]:
    """Return conversations: every request, in an order that gives each a chance."""
    files = _board_files()
    size = block.check_block(files["0000.seg"], 0, None).length
    etag = zlib.crc32(LOG_ID_ON_BOARD + struct.pack("<H", 0))
    hello = _request(layout.MSG_HELLO, 1, 0, 512, b"hostnonc")
    read = (1, 0, etag, 0, size, 0, 4096)
    wholes = [
        _request(layout.MSG_STATUS),
        _request(layout.MSG_TIME, 200_000_000, 5, 10),
        _request(layout.MSG_LIST, 0, 20),
        _request(layout.MSG_READ, *read),
        _request(layout.MSG_ACK, 1, 128, 4096),
        _request(layout.MSG_ABORT),
        _request(layout.MSG_HASH, 1, 0, etag, 0, 100),
        _request(layout.MSG_SEAL),
        _request(layout.MSG_MARK, 3, 5000, "A", "B", "C"),
        _request(layout.MSG_CONFIRM, 1, 1, bytes(32), 200_000_000),
        _request(layout.MSG_STOP),
        _request(layout.MSG_AUTH, 1, bytes(16)),
        _request(layout.MSG_HANDOFF, 5000, 0, 2, 1, bytes(32), "A", "B", "C"),
        _request(layout.MSG_RADIO, 0, 30),
        _request(layout.MSG_KEY, 1),
    ]
    every = hello + b"".join(wholes)
    return [
        bytes([link]) + talk
        for link in (0, 1)
        for talk in (every, *(hello + one for one in wholes))
    ]


def _request(kind: int, *values: object) -> bytes:
    body = session.pack_body(kind, *values)
    return bytes([kind, kind, len(body)]) + body


def radios() -> list[bytes]:
    """Return what radio.bin holds."""
    return [
        fixups.radio(struct.pack("<BHI", 0, minutes, utc_s))
        for minutes, utc_s in ((0, layout.UTC_UNKNOWN), (30, 200_000_100), (30, 5))
    ]


def device_keys() -> list[bytes]:
    """Return what key.bin holds."""
    key = bytes(range(32))
    return [key + struct.pack("<I", zlib.crc32(key))]


def profiles() -> list[bytes]:
    """Return profiles of boards."""
    names = (FIRMWARE / "profile.example.json", *(ROOT / "tools/simboard/profiles").glob("*.json"))
    return [path.read_bytes() for path in names]


# --- the host's files ---------------------------------------------------------------------------
def notes() -> list[bytes]:
    """Return a note and the bytes beside it, for a part and for a filed segment."""
    held = logs()[0]
    return [fixups.joined([note(held), held]), fixups.joined([note(held, 100), held])]


def note(held: bytes, next_offset: int = 0) -> bytes:
    """Return what is noted of bytes held."""
    fields = {
        "etag": 5,
        "next_offset": next_offset,
        "crc32": zlib.crc32(held[:next_offset]),
        "verified_bytes": len(held),
        "sha256": hashlib.sha256(held).hexdigest(),
    }
    return json.dumps(fields).encode()


def manifest() -> bytes:
    """Return the manifest of a filed log."""
    held = logs()[0]
    fields = {
        "format": 1,
        "device": DEVICE_ID.hex(),
        "run": 1,
        "log_id": LOG_ID.hex(),
        "file": f"00000001-{LOG_ID.hex()}.dwl",
        "bytes": len(held),
        "sha256": hashlib.sha256(held).hexdigest(),
        "blocks": 4,
        "chain": bytes(32).hex(),
        "problem": None,
        "superseded": [],
        "filed_utc": "2026-03-01T00:00:00+00:00",
    }
    return json.dumps(fields).encode()


def archives() -> list[bytes]:
    """Return archives in little: manifest, note, the segment, a receipt."""
    held = logs()[0]
    return [fixups.joined([manifest(), note(held), receipts()[0], held])]


@functools.cache
def receipts() -> list[bytes]:
    """Return receipts."""
    body = events.handoff_body(5000, 0, 2, 1, bytes(32), ("A. Jansen", "K. Mori", "né"))
    recorded = Recorded(1, 12, 100, 5, bytes(32))
    made = Receipt(DEVICE_ID, LOG_ID, recorded, body, proven=True, log="trip.dwl")
    return [json.dumps(made.fields()).encode()]


def keys() -> list[bytes]:
    """Return files of keys."""
    fields = {"format": 1, "device": DEVICE_ID.hex(), "courier": bytes(32).hex()}
    return [json.dumps(fields).encode(), json.dumps({**fields, "receipt": "ff" * 32}).encode()]


def adverts() -> list[bytes]:
    """Return manufacturer data behind the company's number."""
    return [
        struct.pack(layout.ADVERT.format, 1, state, 5, code)
        for state, code in ((1, -24000), (255, -32767))
    ]


def scenarios() -> list[bytes]:
    """Return scenarios of the simulated board."""
    return [
        path.read_bytes() for path in sorted((ROOT / "tools/simboard/scenarios").glob("*.toml"))
    ]


def _hostile_log() -> LogWriter:
    """Write a log whose texts are HTML, orders to a terminal and a spreadsheet, and paths."""
    made = LogWriter(channels=1)
    bad = "<script>alert(1)</script>\x1b[2J\x9b2J\u202e=1+1"
    made.start(texts=tuple((which, f"{bad}{which}") for which in sorted(layout.TEXT_NAMES)))
    told = [(layout.KIND_CUSTODY, 1000, (3, 200_000_000, bad, "../" + bad, "")), clock_read(2000)]
    made.samples(0, [quiet(1, count=40)], events=told)
    return made


@functools.cache
def commands() -> list[bytes]:
    """Return a byte that names a command and a log for it."""
    chosen = [*logs()[:3], bytes(_hostile_log().data)]
    return [bytes([number]) + log for number in range(5) for log in chosen]
