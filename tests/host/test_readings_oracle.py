"""Two readers of one log: what readings.py says, construct's parser says too.

dewarlog.parse is written apart from the reader, from the same table of records; the reference
column decoder is neither's. A log with everything in it is read by both and compared field by
field.
"""

from __future__ import annotations

import io
import struct
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import pytest

from dewarlog import parse
from dewarlog.readings import LogReader
from dewarlog.records import Block, JournalTail, UnknownEvent
from dewarlog_wire import layout
from dewarlog_wire.column import decode_column
from log_writer import UTC_2026_03_01, LogWriter
from trips import custody, handoff

if TYPE_CHECKING:
    from log_writer import EventSpec

OPEN = layout.state_code(layout.STATE_OPEN)
SILENT = layout.state_code(layout.STATE_SILENT)


def _every_event() -> list[EventSpec]:
    """Give one event of every kind, with numbers that tell fields apart."""
    events: list[EventSpec] = []
    for kind, record in layout.EVENTS.items():
        if kind == layout.KIND_CUSTODY:
            events.append(custody(kind * 1000, 2))
            continue
        if kind == layout.KIND_HANDOFF:
            events.append(handoff(kind * 1000, 3, bytes(range(32)), verdict=1, role=2))
            continue
        values: tuple[object, ...] = tuple(
            bytes(range(index, index + int(code[:-1]))) if code.endswith("s") else 3 + index
            for index, (_, code, *_) in enumerate(record.fields)
        )
        if kind == layout.KIND_SETTING:
            values = (*values[:4], 3, b"old", "neu\u00df".encode())
        values += tuple(f"{name} \u00e9" for name in layout.EVENT_TEXTS.get(kind, ()))
        events.append((kind, kind * 1000, values))
    return events


@pytest.fixture(scope="module")
def log() -> bytes:
    """Write a log that holds every section, event and kind of block."""
    writer = LogWriter(channels=2, conversions=2)
    points = (
        (0, 0, 0, -5, 4, 0, UTC_2026_03_01 - 90, b"TC-001", "ice of distilled water"),
        (1, 1, -25069, -25101, 13, 100_900, layout.UTC_UNKNOWN, b"TC-009", "n\u00e4her"),
    )
    writer.start(
        offset_count=-7,
        calibration=(26, UTC_2026_03_01, layout.UTC_UNKNOWN),
        points=points,
        handling=(30, 1),
        arming=(UTC_2026_03_01, 432_000, 864_000, 4500, 528, "K. Mori", "probe 2 is new"),
    )
    readings = [[-24000 + i % 7 if i % 50 else OPEN for i in range(700)], [-23000] * 700]
    extremes = [([-24100] * 700, [-23900] * 700), ([-23100] * 700, [-22900] * 700)]
    writer.samples(
        123_456,
        readings,
        extremes=extremes,
        cold_junction=[1600 + i % 3 if i != 9 else SILENT for i in range(700)],
        lateness=[i % 11 for i in range(700)],
        raw_sets=[(0, 0, 3, -150_000, 1600), (1, 2, 3, 149_999, -40)],
        events=_every_event(),
    )
    writer.shock(200_000, ([5] * 300, list(range(300)), [-900] * 300), number=4, flags=3)
    writer.events([(layout.KIND_SUPPLY, 999_001, (3999, 1))])
    samples = [(i, -24000, -24001, -23999, -23000, -23001, -22999, 1600 + i) for i in range(5)]
    writer.journal(7_200_001, samples, events=_every_event()[:3], torn=b"torn")
    return bytes(writer.data)


def _both(log: bytes) -> list[tuple[Block, parse.ParsedBlock]]:
    items = [item for item in LogReader(io.BytesIO(log)).items() if isinstance(item, Block)]
    return [(item, parse.parse_block(log[item.offset :])) for item in items]


def _content(parsed: parse.ParsedBlock, kind: int) -> list[Any]:
    return [section.content for section in parsed.sections if section.kind == kind]


def test_headers_and_chain_agree(log: bytes) -> None:
    """Every field of every header, and the chain value."""
    for ours, theirs in _both(log):
        head = theirs.header
        assert (ours.kind, ours.run, ours.block_seq, ours.boot, ours.length) == (
            head["kind"],
            head["run"],
            head["block_seq"],
            head["boot"],
            head["length"],
        )
        assert ours.start_ms == head["uptime_s"] * 1000 + head["uptime_ms"]
        assert (ours.chain, ours.key_index, ours.tag) == (
            theirs.seal["chain"],
            theirs.seal["key_index"],
            theirs.seal["tag"],
        )
        assert ours.problems == ()


def test_the_run_agrees(log: bytes) -> None:
    """Identity, texts, sampling, channels, rules, shock and tilt settings."""
    block, parsed = _both(log)[0]
    run = block.run_settings
    assert run is not None

    (identity,) = _content(parsed, layout.SECTION_IDENTITY)
    assert (run.device_id, run.log_id) == (identity["device_id"], identity["log_id"])
    assert run.began_unix_s == identity["began_utc_s"] + layout.UTC_EPOCH_UNIX_S
    texts = _content(parsed, layout.SECTION_TEXT)
    assert run.texts == tuple((layout.TEXT_NAMES[t["which"]], t["text"]) for t in texts)
    for settings, section in (
        (run.sampling, layout.SECTION_SAMPLING),
        (run.rules[0], layout.SECTION_RULE),
        (run.shock_settings, layout.SECTION_SHOCK_SETTINGS),
        (run.tilt_settings, layout.SECTION_TILT_SETTINGS),
    ):
        assert settings is not None
        assert astuple(settings) == tuple(_content(parsed, section)[0].values())
    for ours, theirs in zip(run.channels, _content(parsed, layout.SECTION_CHANNEL), strict=True):
        assert ours.probe_type == chr(theirs["probe_type"])
        assert ours.placement == layout.PLACEMENT_NAMES[theirs["placement"]]
        assert (ours.offset_count, ours.calibration_u_count) == (-7, 26)
        assert ours.calibrated_unix_s == theirs["calibrated_utc_s"] + layout.UTC_EPOCH_UNIX_S
        assert ours.calibration_due_unix_s is None
        assert ours.serial.encode() == theirs["serial"].rstrip(b"\0")


def test_calibration_handling_and_arming_agree(log: bytes) -> None:
    """Every field and text; times as Unix time, serials without their padding."""
    block, parsed = _both(log)[0]
    run = block.run_settings
    assert run is not None
    (arming,) = _content(parsed, layout.SECTION_ARMING)
    (handling,) = _content(parsed, layout.SECTION_HANDLING)
    points = _content(parsed, layout.SECTION_CALIBRATION)

    assert run.arming is not None
    assert run.handling is not None
    assert astuple(run.handling) == tuple(handling.values())
    assert astuple(run.arming)[1:] == tuple(arming.values())[1:]
    assert run.arming.unix_s == arming["utc_s"] + layout.UTC_EPOCH_UNIX_S
    assert len(points) == 2
    for ours, theirs in zip(run.calibrations, points, strict=True):
        plain = tuple(theirs.values())
        assert (*astuple(ours)[:6], ours.reference) == (*plain[:6], plain[8])
        assert ours.serial.encode() == theirs["serial"].rstrip(b"\0")
    assert [item.unix_s for item in run.calibrations] == [
        points[0]["utc_s"] + layout.UTC_EPOCH_UNIX_S,
        None,
    ]


def test_samples_agree_value_by_value(log: bytes) -> None:
    """Columns, states, raw sets and the span they belong to."""
    block, parsed = _both(log)[1]
    span = block.span
    assert span is not None

    (head,) = _content(parsed, layout.SECTION_SPAN)
    assert (span.first_sample, span.count, span.interval_ms) == tuple(head.values())
    columns = {
        (content["channel"], content["quantity"]): decode_column(payload, span.count).tolist()
        for content, payload in (
            (section.content, section.payload)
            for section in parsed.sections
            if section.kind == layout.SECTION_COLUMN
        )
        if isinstance(content, dict)
    }
    common = layout.CHANNEL_COMMON
    for channel, samples in span.channels.items():
        assert samples.low_counts is not None
        assert samples.high_counts is not None
        assert samples.counts.tolist() == columns[channel, layout.QUANTITY_READING]
        assert samples.low_counts.tolist() == columns[channel, layout.QUANTITY_MIN]
        assert samples.high_counts.tolist() == columns[channel, layout.QUANTITY_MAX]
    assert span.cold_junction_counts is not None
    assert span.lateness_ms is not None
    assert span.cold_junction_counts.tolist() == columns[common, layout.QUANTITY_COLD_JUNCTION]
    assert span.lateness_ms.tolist() == columns[common, layout.QUANTITY_LATENESS]
    expected = {channel: [0] * span.count for channel in (0, common)}
    for run in _content(parsed, layout.SECTION_STATES)[0]:
        for index in range(run["first"], run["first"] + run["count"]):
            expected[run["channel"]][index] = run["state"]
    assert span.channels[0].states is not None
    assert span.cold_junction_states is not None
    assert span.channels[0].states.tolist() == expected[0]
    assert span.cold_junction_states.tolist() == expected[common]
    assert [astuple(item) for item in block.raw_sets] == [
        tuple(item.values()) for item in _content(parsed, layout.SECTION_RAW)[0]
    ]


def test_events_of_every_kind_agree(log: bytes) -> None:
    """Number, time and every field of the body."""
    for block, parsed in _both(log):
        told = _content(parsed, layout.SECTION_EVENTS)
        assert len(block.events) == (told[0]["head"]["count"] if told else 0)
        for ours, theirs in zip(block.events, told[0]["events"] if told else [], strict=True):
            assert not isinstance(ours, UnknownEvent)
            assert (ours.KIND, ours.uptime_ms) == (
                theirs["head"]["kind"],
                theirs["head"]["uptime_s"] * 1000 + theirs["head"]["uptime_ms"],
            )
            assert astuple(ours)[3:] == tuple(theirs["body"].values())


def test_shock_windows_agree(log: bytes) -> None:
    """Head and three columns."""
    block, parsed = _both(log)[2]
    window = block.shock
    assert window is not None

    (head,) = _content(parsed, layout.SECTION_SHOCK_HEAD)
    assert (window.shock, window.trigger, window.rate_hz, window.count_mg, window.flags) == (
        head["shock"],
        head["trigger"],
        head["rate_hz"],
        head["count_mg"],
        head["flags"],
    )
    payloads = [item.payload for item in parsed.sections if item.kind == layout.SECTION_COLUMN]
    for counts, payload in zip(window.counts, payloads, strict=True):
        assert counts.tolist() == decode_column(payload, head["count"]).tolist()


def test_the_journal_agrees(log: bytes) -> None:
    """Samples, events and where the readable bytes end."""
    tail = list(LogReader(io.BytesIO(log)).items())[-1]
    assert isinstance(tail, JournalTail)
    parsed = parse.parse_journal(log[tail.offset :])

    assert tail.length - tail.torn_bytes == parsed.readable_bytes
    assert (tail.run, tail.boot, tail.block_seq) == (
        parsed.head["run"],
        parsed.head["boot"],
        parsed.head["block_seq"],
    )
    rows = [
        struct.unpack("<8h", body)
        for kind, body in parsed.records
        if kind == layout.JOURNAL_SAMPLE
    ]
    assert tail.span is not None
    assert tail.span.lateness_ms is not None
    assert tail.span.lateness_ms.tolist() == [row[0] for row in rows]
    assert tail.span.channels[1].counts.tolist() == [row[4] for row in rows]
    events = [parse.parse_event(body) for kind, body in parsed.records if kind == 3]
    assert [event.KIND for event in tail.events] == [event["head"]["kind"] for event in events]
    assert [event.number for event in tail.events] == [
        len(layout.EVENTS) + 1 + index for index in range(3)
    ]
