"""Valid inputs to begin from: golden vectors, logs written by the board's own code, documents."""

from __future__ import annotations

import functools
import hashlib
import json
import struct
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import device_bench
import device_readers
import device_rig
import device_trust
import fixups
import vector_lines
from dewarlog.keys import ROLES
from dewarlog.receipt import UNSIGNED_FORMAT, Receipt
from dewarlog.replies import Recorded
from dewarlog.tokens import Token, make_token
from dewarlog_wire import block, events, layout, session, token
from dewarlog_wire import frame as wire_frame
from log_writer import DEFAULT_RULES, LogWriter
from trips import clock_read, custody, handoff, quiet, trip
from trusted import TrustedBoard
from workshop.places import FIRMWARE, PROTOCOL, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from log_writer import EventSpec
    from trusted import Trip

_VECTORS: Final = PROTOCOL / "vectors"
DEVICE_ID: Final = bytes(range(1, 9))
LOG_ID: Final = bytes(range(8))
LOG_ID_ON_BOARD: Final = b"logid123"
BOARD_FOLDER: Final = "log/00000001/"


def _vectors(layer: str) -> Iterator[tuple[dict[str, str], str]]:
    for path in sorted((_VECTORS / layer).glob("*.txt")):
        header, _, data = vector_lines.parse_vector(path.read_text(encoding="utf-8"))
        yield header, data


# --- the wire -----------------------------------------------------------------------------------
@functools.cache
def blocks() -> list[bytes]:
    """Return every vector of blocks, and a log of each kind of block."""
    found = [vector_lines.hex_bytes(data) for _, data in _vectors("block")]
    return [*found, bytes(_small_log().data)]


@functools.cache
def journals() -> list[bytes]:
    """Return every vector of journals."""
    return [vector_lines.hex_bytes(data) for _, data in _vectors("journal")]


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


@functools.cache
def sections_with_texts() -> list[bytes]:
    """Return the sections with texts of every vector, each behind the place of its kind."""
    kinds = sorted(layout.SECTION_TEXTS)
    return [
        bytes([kinds.index(kind)]) + data[at:end]
        for data in blocks()
        for kind, at, end, _ in _sections_of(data)
        if kind in layout.SECTION_TEXTS
    ]


def _event(kind: int) -> bytes:
    """Return an event of that kind with numbers that may stand there."""
    record = layout.EVENTS[kind]
    buffer = bytearray(events.EVENT_MAX_BYTES)
    if kind == layout.KIND_SETTING:
        body = (layout.SECTION_TEXT, 0, 0, 1, 2, b"ab", b"\x02cd")
        return bytes(buffer[: events.pack_event_into(buffer, 0, kind, 100, 5, body)])
    values: list[object] = [
        b"\0" * int(code[:-1]) if code[-1] == "s" else 1 for _, code, _, _ in record.fields
    ]
    values += ["né"] * len(layout.EVENT_TEXTS.get(kind, ()))
    return bytes(buffer[: events.pack_event_into(buffer, 0, kind, 100, 5, tuple(values))])


@functools.cache
def frames() -> list[bytes]:
    """Return a frame of every message there is, and the vectors of frames."""
    found = [
        vector_lines.hex_bytes(data)
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
        (layout.MSG_ACKNOWLEDGE, (1, 5000, *texts[:2])),
        (layout.MSG_AUTH, (1, 0, bytes(16), b"")),
        (layout.MSG_AUTH, (4, 1, bytes(16), caveats()[-4])),
        (layout.MSG_ERROR, (5, "not now")),
        (layout.MSG_DATA, (1, 0, 512, b"bytes")),
        (layout.MSG_LIST | layout.REPLY, (2, 0, entry, entry)),
        (layout.MSG_GET | layout.REPLY, (9, 7, b"profile")),
        (layout.MSG_PUT, (9, 3, b"profile")),
        (layout.MSG_PUT_END, (9, 1, 5000, 7, 8, *texts[:2])),
        (layout.MSG_SELFTEST | layout.REPLY, (2, 0, (1, 2, 0, -5, 0, 9), (3, 0, 2, 1, 1, 1))),
    ):
        found.append(bytes([kind]) + session.pack_body(kind, *values))
    return found


def _bound(binding: str) -> list[bytes]:
    return [
        vector_lines.hex_bytes(data)
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
    sealed = bytes(board_trip()[1].log.data)
    return [
        bytes(_small_log().data),
        hour,
        bytes(torn.data),
        sealed,
        bytes(_told().data),
        *blocks(),
    ]


def _told() -> LogWriter:
    """Write a log of every setting and every event, in a block and in the journal behind it."""
    made = LogWriter(channels=1)
    made.start(
        texts=tuple((which, f"{name} =1+1") for which, name in layout.TEXT_NAMES.items()),
        points=((0, 1, -25069, -25000, 13, 100_900, 200_000_000, b"TC-9", "<script>alert(1)"),),
        handling=(30, 1),
        arming=(200_000_000, 60, 30, 4500, 0xFFFF, "\x1b[2J", "=cmd()"),
    )
    first: list[EventSpec] = []
    for kind in sorted(layout.EVENTS):
        body = _event(kind)
        first.append((kind, 1000, events.read_event(body, 0, len(body))[3]))
    made.samples(0, [quiet(1, count=40)])
    made.events(first)
    made.journal(600_000, [(0, -24000, 1600)] * 2, events=first)
    return made


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
    state = struct.pack("<HB", 3, 1) + device_rig.new_engine().state_bytes()
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
        _request(layout.MSG_AUTH, 1, 0, bytes(16), b""),
        _request(layout.MSG_AUTH, 4, 1, bytes(16), caveats()[-4]),
        _request(layout.MSG_HANDOFF, 5000, 0, 2, 1, bytes(32), "A", "B", "C"),
        _request(layout.MSG_RADIO, 0, 30),
        _request(layout.MSG_KEY, 1),
        _request(layout.MSG_SEAL_KEY),
        _request(layout.MSG_LOCK, 1),
        _request(layout.MSG_SIGN, 1, bytes(16)),
        _request(layout.MSG_PUBLIC),
        _request(layout.MSG_ACKNOWLEDGE, 1, 5000, "A", "B"),
    ]
    every = hello + b"".join(wholes)
    return [
        bytes([link]) + talk
        for link in (0, 1)
        for talk in (every, *(hello + one for one in wholes))
    ]


def benches() -> list[bytes]:
    """Return conversations of a bench: every request, profiles that can be used and others."""
    hello = _request(layout.MSG_HELLO, 1, 0, 512, b"hostnonc")
    before = zlib.crc32(device_bench.PROFILE)

    def put(profile: bytes, purpose: int = 1) -> bytes:
        parts = [
            _request(layout.MSG_PUT, len(profile), at, profile[at : at + 100])
            for at in range(0, len(profile), 100)
        ]
        values = (len(profile), purpose, 5000, before, zlib.crc32(profile), "A", "B")
        return b"".join(parts) + _request(layout.MSG_PUT_END, *values)

    sound = json.dumps({"channels": [{"channel": 1}], "rules": [], "tilt": {"period_s": 5}})
    wholes = [
        _request(layout.MSG_LIVE),
        _request(layout.MSG_GET, 0) + _request(layout.MSG_GET, 40),
        put(device_bench.PROFILE[:-1]),
        put(sound.encode().replace(b"5", b"0")),
        _request(layout.MSG_SELFTEST, 0) + _request(layout.MSG_SELFTEST, 14),
        _request(layout.MSG_ERASE, 9, 0),
        _request(layout.MSG_ERASE, 9, layout.ERASE_UNPULLED),
        put(sound.encode()),
        _request(layout.MSG_SEED, bytes(range(32))),
    ]
    every = hello + b"".join(wholes)
    return [
        bytes([setting]) + talk
        for setting in range(4)
        for talk in (every, *(hello + one for one in wholes))
    ]


def _request(kind: int, *values: object) -> bytes:
    body = session.pack_body(kind, *values)
    return bytes([kind, kind, len(body)]) + body


# --- keys, tokens and locks ---------------------------------------------------------------------
@functools.cache
def caveats() -> list[bytes]:
    """Return the caveats of tokens: those of the vectors, one of every kind, none."""
    every = [
        token.caveat(layout.CAVEAT_ID, b"token id"),
        token.caveat(layout.CAVEAT_DEVICE, device_rig.DEVICE_ID),
        token.caveat(layout.CAVEAT_LOG, device_rig.LOG_ID),
        token.caveat(layout.CAVEAT_NOT_BEFORE, struct.pack("<I", device_rig.UTC_S)),
        token.caveat(layout.CAVEAT_NOT_AFTER, struct.pack("<I", device_rig.UTC_S + 60)),
        token.caveat(layout.CAVEAT_MAY, b"\x07"),
        token.caveat(layout.CAVEAT_HOLDER, "Ané".encode()),
    ]
    found = [vector_lines.hex_bytes(data) for _, data in _vectors("token")]
    return [*found, b"".join(every), every[0], every[0] + every[5], every[0] + every[6] * 2]


def guarded() -> list[bytes]:
    """Return conversations whose tags are made by device_trust: every request behind a proof."""
    first = _first_block()
    size, chain = len(first), block.check_block(first, 0, None).chain
    etag = zlib.crc32(LOG_ID_ON_BOARD + struct.pack("<H", 0))
    acknowledge = events.acknowledge_body(1, 5000, ("A", "seen"))
    handed = events.handoff_body(5000, 0, 2, 1, chain, ("A", "B", "C"))
    rest = (1, 0, etag, 9, size - 9, zlib.crc32(first[:9]), 99)
    hello = _said(layout.MSG_HELLO, 1, 0, 512, b"hostnonc")
    wholes = [
        _said(layout.MSG_STATUS),
        _said(layout.MSG_TIME, device_rig.UTC_S + 9, 5, 10),
        _said(layout.MSG_LIST, 0, 20),
        _said(layout.MSG_READ, 1, 0, etag, 0, size, 0, 65536) + _said(layout.MSG_STATUS),
        _said(layout.MSG_READ, *rest) + _said(layout.MSG_ACK, 2, 99, 4096),
        _said(layout.MSG_HASH, 1, 0, etag, 0, 100),
        _said(layout.MSG_SEAL),
        _said_body(layout.MSG_MARK, events.custody_body(3, 5000, ("A", "B", "C"))),
        _said(layout.MSG_CONFIRM, 1, 1, chain, 200_000_000),
        _said_body(layout.MSG_HANDOFF, handed),
        _said(layout.MSG_RADIO, 0, 30),
        _said(layout.MSG_KEY, 1),
        _said(layout.MSG_SEAL_KEY),
        _said(layout.MSG_LOCK, 1) + _said(layout.MSG_LOCK, 0),
        _said(layout.MSG_SIGN, 1, bytes(16)) + _said(layout.MSG_STATUS) * 2,
        _said(layout.MSG_PUBLIC),
        _said_body(layout.MSG_ACKNOWLEDGE, acknowledge),
        _said(layout.MSG_STOP),
        _said(layout.MSG_ABORT),
        _said(0x30),
    ]
    proofs = [
        _said_body(layout.MSG_AUTH, bytes((key, flags)) + held)
        for key in (layout.KEY_READER, layout.KEY_COURIER, layout.KEY_ADMIN)
        for flags in (0, layout.AUTH_SECRET)
        for held in (b"", caveats()[-4])
    ]
    wrong = bytearray(proofs[0])
    wrong[2] |= device_trust.HOW_UNTAGGED
    settings = (0, device_trust.BY_AIR, device_trust.IS_LOCKED, 5, 6, 7)
    return [
        bytes([setting]) + hello + auth + talk
        for setting in settings
        for auth in proofs
        for talk in (b"".join(wholes[at:] + wholes[:at]) for at in (0, 5, 10, 15))
    ] + [bytes([0]) + hello + bytes(wrong) + proofs[0] + b"".join(wholes)]


@functools.cache
def _first_block() -> bytes:
    """Return the block that a run begins with where a conversation is answered."""
    with tempfile.TemporaryDirectory() as folder:
        before = device_readers.use_scratch(folder)
        device_trust.read_guarded(b"")
        device_readers.use_scratch(before)
        (run,) = [path for path in (Path(folder) / "log").iterdir() if path.is_dir()]
        return (run / "0000.seg").read_bytes()


def _said(kind: int, *values: object) -> bytes:
    return _said_body(kind, session.pack_body(kind, *values) if values else b"")


def _said_body(kind: int, body: bytes) -> bytes:
    return bytes([kind, kind, 0, len(body)]) + body


@functools.cache
def seal_keys() -> list[bytes]:
    """Return seal.made and the two blocks: new, in the midst, full, and without a key."""
    marks = [bytes(range(16)), bytes(range(16, 32))]
    found: list[bytes] = []
    for index, which, page, kept in ((1, 0, 1, 0), (7, 0, 7, 1), (15, 0, 15, 1), (22, 1, 7, 1)):
        made = bytearray(b"".join(bytes(255 - byte for byte in mark) for mark in marks))
        made.append(kept)
        sides = [bytearray(b"\xff" * 4096) for _ in marks]
        for side, mark in zip(sides, marks, strict=True):
            side[:16] = side[128:144] = mark
        for spent in range(1, page):
            sides[which][256 * spent : 256 * (spent + 1)] = bytes(256)
        slot = struct.pack("<I32s", index, hashlib.sha256(b"%d" % index).digest())
        for at in (256 * page, 256 * page + 128):
            sides[which][at : at + 40] = slot + fixups.crc(slot)
        found.append(fixups.joined([bytes(made) + fixups.crc(made), *map(bytes, sides)]))
    return [*found, bytes(4)]


def locks() -> list[bytes]:
    """Return what lock.bin holds."""
    return [fixups.checked(bytes(pair)) for pair in ((0, 0), (1, 0), (1, 1), (0, 1))]


def publics() -> list[bytes]:
    """Return what public.bin holds."""
    return [fixups.public(bytes(range(32)))]


def versions() -> list[bytes]:
    """Return what firmware.bin holds."""
    return [bytes((0, 9, 0, 1, 24, 1)), bytes((1, 2, 3, 1, 25, 0))]


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
    found = [path.read_bytes() for path in names]
    return [*found, json.dumps({**json.loads(found[0]), "access": {"lock": True}}).encode()]


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
    """Return receipts: without a signature, with one, and of the format before."""
    body = events.handoff_body(5000, 0, 2, 1, bytes(32), ("A. Jansen", "K. Mori", "né"))
    recorded = Recorded(1, 12, 100, 5, bytes(32))
    made = Receipt(DEVICE_ID, LOG_ID, recorded, body, proven=True, log="trip.dwl")
    signed = board_trip()[1].receipt
    before = replace(signed, signed=None, format=UNSIGNED_FORMAT)
    return [json.dumps(one.fields()).encode() for one in (made, signed, before)]


@functools.cache
def board_trips() -> list[Trip]:
    """Return three runs of a board with keys, one behind the other."""
    board = TrustedBoard()
    return [board.trip(run) for run in (6, 7, 8)]


def board_trip() -> tuple[TrustedBoard, Trip]:
    """Return that board as it was before them, and the run in the middle."""
    return TrustedBoard(), board_trips()[1]


def certificates() -> list[bytes]:
    """Return device certificates."""
    return [json.dumps(board_trip()[0].certificate.fields()).encode()]


@functools.cache
def keys() -> list[bytes]:
    """Return files of keys: of a board that is seldom met, and all of the trusted one's."""
    fields = {"format": 1, "device": DEVICE_ID.hex(), "courier": bytes(32).hex()}
    every: dict[str, object] = dict.fromkeys(ROLES, "0a" * 32)
    every |= {"seal_index": 5, "seal_state": "0b" * 32, "public_key": "0c" * 32}
    return [
        json.dumps(fields).encode(),
        json.dumps({**fields, "receipt": "ff" * 32}).encode(),
        json.dumps({**fields, **every}).encode(),
    ]


@functools.cache
def _tokens() -> list[Token]:
    said = caveats()[-4][2 + 8 + 2 + 8 :]  # id and device come with the token
    cut = (said[:10], said[10:16], said[16:22], said[22:25], said[25:])
    made = make_token(DEVICE_ID, layout.KEY_COURIER, bytes(32), b"token id", cut)
    plain = make_token(DEVICE_ID, layout.KEY_READER, bytes(32), b"token 2 ", ())
    return [made, plain]


def tokens() -> list[bytes]:
    """Return token files."""
    listed = [one.fields() for one in _tokens()]
    return [
        json.dumps({"format": 1, "tokens": listed}).encode(),
        json.dumps({"format": 1, "tokens": listed[1:]}).encode(),
    ]


def kept_tokens() -> list[bytes]:
    """Return tokens as they are kept beside keys."""
    return [json.dumps(one.fields()).encode() for one in _tokens()]


def keyrings() -> list[bytes]:
    """Return the names in a keyring, and what it holds under the first of them."""
    names = [DEVICE_ID.hex(), "token-" + DEVICE_ID.hex() + "-" + b"token id".hex()]
    return [fixups.joined([json.dumps(names).encode(), one]) for one in (*keys(), *kept_tokens())]


@functools.cache
def verified() -> list[bytes]:
    """Return options, a log, a certificate, a receipt and keys, as verify is given them."""
    board, trip_made = board_trip()
    held: dict[str, object] = {"format": 1, "device": board.device_id.hex()}
    held |= {"receipt": board.receipt_key.hex(), "seal_index": board.key_index}
    held["seal_state"] = board.seal_state.hex()
    receipt = json.dumps(trip_made.receipt.fields()).encode()
    parts = [bytes(trip_made.log.data), certificates()[0], receipt, json.dumps(held).encode()]
    return [
        *(fixups.joined([bytes([option]), *parts]) for option in range(8)),
        fixups.joined([b"\0", logs()[0], *parts[1:]]),
    ]


def replies() -> list[bytes]:
    """Return what a board replies, in the order host_readers asks it; each tagged there."""
    _, made = board_trip()
    signed = made.signed
    head = (signed.run, signed.log_id, signed.blocks, signed.chain, signed.uptime_s)
    entry = (1, 0, 1, 2, 3, LOG_ID)
    bodies = [
        struct.pack(layout.STATUS_REPLY.format, *([1] * len(layout.STATUS_REPLY.fields))),
        struct.pack(layout.TIME_REPLY.format, 5, 0),
        session.pack_body(layout.MSG_LIST | layout.REPLY, 2, 0, entry, (1, 1, 1, 2, 3, LOG_ID)),
        struct.pack(layout.SEAL_REPLY.format, 3, bytes(32)),
        struct.pack(
            layout.SIGN_REPLY.format,
            *(*head, signed.uptime_ms, signed.utc_s, signed.clock_state, signed.signature),
        ),
        struct.pack(layout.PUBLIC_REPLY.format, bytes(32)),
        struct.pack(layout.SEAL_KEY_REPLY.format, 41, bytes(32)),
        struct.pack(layout.HANDOFF_REPLY.format, 7, 12, 5, 6, bytes(32)),
        struct.pack(layout.KEY_REPLY.format, bytes(32)),
        b"",
        struct.pack(layout.LIVE_REPLY.format, *([1] * len(layout.LIVE_REPLY.fields))),
        session.pack_body(layout.MSG_GET | layout.REPLY, 9, zlib.crc32(b"a profile"), b"a pro"),
        session.pack_body(layout.MSG_GET | layout.REPLY, 9, zlib.crc32(b"a profile"), b"file"),
        session.pack_body(layout.MSG_SELFTEST | layout.REPLY, 2, 0, (1, 2, 0, -5, 0, 9)),
        session.pack_body(layout.MSG_SELFTEST | layout.REPLY, 2, 1, (3, 0, 2, 1, 1, 1)),
        struct.pack(layout.ERASE_REPLY.format, 2, 1),
        b"",  # PUT
        b"",  # PUT_END
    ]
    said = b"".join(_answered(0, body) for body in bodies)
    errors = b"".join(
        _answered(1, session.pack_body(layout.MSG_ERROR, code, "9 seconds left"))
        for code in layout.ERROR_NAMES
    )
    return [bytes([setting]) + talk for setting in range(8) for talk in (said, errors)]


def transfers() -> list[bytes]:
    """Return what comes while a file is fetched; see reply_readers.

    True parts, then a forged one, junk, a silence, ENDs right and wrong.
    """
    part = bytes(range(150))
    frames = [bytes([what, len(part)]) + part for what in (1, 0, 4, 3, 9, 17)]
    frames += [bytes([what, 1, 7]) for what in (2, 5)] + [b"\x07\x04\x41\0\0\0", b"\x06\0"]
    frames.append(b"\x05\0")
    true, forged, short, forged_short, other, ahead, end, end_forged, junk, silence, forged_crc = (
        frames
    )
    talks = [
        true * 6 + end,
        true * 2 + forged + true * 3 + end,
        short * 3 + silence + short * 4,
        true + ahead + true + other + end_forged,
        forged_short * 6 + end + silence + true,
        true * 3 + junk + end + silence + true * 2 + silence,
        forged * 6 + end + silence + forged * 6 + end,
        forged * 6 + forged_crc,
        true * 5 + forged_short + forged_crc,
    ]
    return [bytes([setting]) + talk for setting in (0, 1, 3) for talk in talks]


def _answered(how: int, body: bytes) -> bytes:
    return bytes([how]) + len(body).to_bytes(2, "little") + body


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
    chosen = [*logs()[:5], bytes(_hostile_log().data)]
    return [bytes([number]) + log for number in range(5) for log in chosen]
