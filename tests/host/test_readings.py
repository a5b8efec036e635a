"""Reading a log: everything that was written comes out, and every loss is named."""

from __future__ import annotations

import io
import struct
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dewarlog import records
from dewarlog.errors import NotALog, UnknownVersion
from dewarlog.readings import LogReader
from dewarlog.records import Block, JournalTail, Lost, SampleSpan
from dewarlog_wire import layout
from dewarlog_wire.crc import crc32
from log_writer import DEGC, LogWriter
from trips import trip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from log_writer import EventSpec

    Item = Block | Lost | JournalTail

OPEN = layout.state_code(layout.STATE_OPEN)


def _items(data: bytes, window_bytes: int = 1 << 20) -> list[Item]:
    return list(LogReader(io.BytesIO(data), window_bytes=window_bytes).items())


def _spans(items: Sequence[Item]) -> list[SampleSpan]:
    return [item.span for item in items if not isinstance(item, Lost) and item.span is not None]


@pytest.mark.parametrize("kind", records.EVENT_CLASSES.values())
def test_event_classes_carry_the_fields_of_the_layout_in_order(kind: type[records.Event]) -> None:
    """One unpack fills one object, so the two lists must say the same."""
    wire = [name for name, *_ in layout.EVENTS[kind.KIND].fields]
    ours = [field.name for field in fields(kind)][3:]
    renamed = {
        "boot_number": "boot",
        "length_part_ms": "length_ms",
        "duration_part_ms": "duration_ms",
        "last_block_seq": "block_seq",
        "signed_uptime_s": "uptime_s",
        "signed_uptime_part_ms": "uptime_ms",
    }

    assert [renamed.get(name, name) for name in ours][: len(wire)] == wire


@pytest.mark.parametrize("window_bytes", [layout.BLOCK_MAX_BYTES, 1 << 20])
def test_samples_come_out_as_they_were_written(window_bytes: int) -> None:
    """Readings, states, extremes, cold junction and lateness survive, whatever the window."""
    writer = LogWriter(channels=2, conversions=3)
    writer.start()
    readings = [[-24000, -24001, OPEN, OPEN, -23990], [100, 90, 80, 70, 60]]
    extremes = [([-24010] * 5, [-23900] * 5), ([1] * 5, [200] * 5)]
    writer.samples(
        5_250,
        readings,
        extremes=extremes,
        cold_junction=[1600, 1601, 1602, layout.state_code(6), 1604],
        lateness=[0, 12, -3, 0, 5],
    )

    (span,) = _spans(_items(bytes(writer.data), window_bytes))

    assert (span.boot, span.first_sample, span.count, span.interval_ms) == (0, 0, 5, 10_000)
    assert span.times_ms().tolist() == [5250, 15262, 25247, 35250, 45255]
    first = span.channels[0]
    assert first.states is not None
    assert first.states.tolist() == [0, 0, 1, 1, 0]
    degc = span.readings_degc(0)
    assert np.isnan(degc).tolist() == [False, False, True, True, False]
    assert degc[4] == -23990 / DEGC
    assert span.channels[1].counts.tolist() == readings[1]
    assert first.low_counts is not None
    assert first.low_counts.tolist() == [-24010] * 5
    assert np.isnan(span.cold_junction_degc()).tolist() == [False, False, False, True, False]


def test_the_first_block_says_what_the_run_is() -> None:
    """Texts, channels and rules come out typed."""
    writer = LogWriter(channels=2)
    writer.start()

    (block,) = _items(bytes(writer.data))

    assert isinstance(block, Block)
    run = block.run_settings
    assert run is not None
    assert run.text("dewar") == "DW-0042"
    assert run.all_texts("instruction")[1].startswith("Do not open")
    assert [channel.serial for channel in run.channels] == ["TC-001", "TC-002"]
    assert (run.rules[0].threshold_degc, run.rules[0].holds) == (-150.0, True)
    assert run.sampling is not None
    assert run.sampling.gain == 32


def test_the_open_journal_is_read_up_to_its_torn_tail() -> None:
    """Whole records count, the torn rest is measured."""
    writer = LogWriter(channels=1)
    writer.start()
    writer.samples(0, [[-24000] * 4])
    samples = [(0, -24000, 1600), (7, OPEN, 1601), (0, -23999, 1602)]
    events: list[EventSpec] = [(layout.KIND_SUPPLY, 60_000, (4000, 0))]
    writer.journal(40_000, samples, events=events, torn=b"\x01\x06")

    tail = _items(bytes(writer.data))[-1]

    assert isinstance(tail, JournalTail)
    assert (tail.torn_bytes, tail.problem) == (2, None)
    assert tail.span is not None
    assert (tail.span.first_sample, tail.span.start_ms, tail.span.count) == (4, 40_000, 3)
    assert tail.span.times_ms().tolist() == [40_000, 50_007, 60_000]
    states = tail.span.channels[0].states
    assert states is not None
    assert states.tolist() == [0, layout.STATE_OPEN, 0]
    assert [event.NAME for event in tail.events] == ["supply"]


def test_every_block_says_whether_the_chain_holds() -> None:
    """A block taken out breaks the chain of the one behind it, and of no other."""
    data = bytes(trip().data)
    writer = trip()
    first, second = writer.offsets[2], writer.offsets[3]

    whole = [item.chain_holds for item in _items(data) if isinstance(item, Block)]
    cut = [
        item.chain_holds
        for item in _items(data[:first] + data[second:])
        if isinstance(item, Block)
    ]

    assert whole == [True] * 5
    assert cut == [True, True, False, True]


def test_later_blocks_are_read_behind_a_corrupt_one() -> None:
    """A flipped bit in the middle loses that block and nothing else."""
    writer = trip()
    data = bytearray(writer.data)
    data[writer.offsets[2] + 200] ^= 1

    items = _items(bytes(data))

    lost = [item for item in items if isinstance(item, Lost)]
    length = writer.offsets[3] - writer.offsets[2]
    assert lost == [
        Lost("corrupt", "no block with a good CRC stands here", writer.offsets[2], length)
    ]
    assert [span.first_sample for span in _spans(items)] == [0, 720, 1080]
    after = [item for item in items if isinstance(item, Block)][2]
    assert after.chain_holds is None


@pytest.mark.parametrize("window_bytes", [layout.BLOCK_MAX_BYTES, 1 << 20])
def test_rubbish_longer_than_a_window_is_one_loss(window_bytes: int) -> None:
    """Resynchronising works across windows, and a magic inside rubbish does not fool it."""
    writer = trip()
    rubbish = (b"\x00" * 37 + layout.BLOCK_MAGIC + b"\x01\x02\x00\x00\x70\x00\x00\x00") * 2000
    at = writer.offsets[1]
    data = bytes(writer.data[:at]) + rubbish + bytes(writer.data[at:])

    items = _items(data, window_bytes)

    assert [(item.offset, item.length) for item in items if isinstance(item, Lost)] == [
        (at, len(rubbish))
    ]
    assert len(_spans(items)) == 4


def test_a_file_that_ends_inside_a_block_is_incomplete_not_corrupt() -> None:
    """Cut anywhere in the last block, the loss is named for what it is."""
    writer = trip()
    last = writer.offsets[-1]
    data = bytes(writer.data)
    for length in (2, 20, 31, 32, 83, 84, 200, len(data) - last - 1):
        lost = _items(data[: last + length])[-1]
        assert isinstance(lost, Lost)
        assert (lost.why, lost.offset, lost.length) == ("incomplete", last, length)


@pytest.mark.parametrize("claimed", [0, 83, 32769, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_length_no_block_can_have_is_damage_and_costs_no_memory(claimed: int) -> None:
    """A huge or tiny length field in the last block loses that block only."""
    writer = trip()
    data = bytearray(writer.data)
    place = writer.offsets[-1] + layout.BLOCK_HEADER.offset_of("length")
    struct.pack_into("<I", data, place, claimed)

    lost = _items(bytes(data))[-1]

    assert isinstance(lost, Lost)
    assert (lost.why, lost.offset) == ("corrupt", writer.offsets[-1])


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "empty"), (b"%PDF-1.7 not ours\n" * 500, "another file"), (b"DWLB", "another file")],
)
def test_what_is_no_log_is_refused_by_name(data: bytes, words: str) -> None:
    """Empty and foreign files are told apart from damaged logs."""
    with pytest.raises(NotALog, match=words):
        _items(data)


def test_what_is_no_log_is_not_searched_for_ever() -> None:
    """A disk image or an endless device ends at the bound; a log behind less rubbish is found."""
    log = bytes(trip(1).data)
    rubbish = bytes(2 << 20)

    with pytest.raises(NotALog, match="in its first 1 MiB"):
        list(LogReader(io.BytesIO(rubbish + log), search_bytes=1 << 20).items())
    found = list(LogReader(io.BytesIO(rubbish + log), search_bytes=4 << 20).items())
    assert isinstance(found[0], Lost)
    assert found[0].length == len(rubbish)


def test_a_newer_format_is_refused_and_a_flipped_version_bit_is_damage() -> None:
    """Only a block whose CRC holds can say that it is newer."""
    writer = LogWriter()
    writer.start()
    newer = bytearray(writer.data)
    newer[4] = 9
    flipped = bytes(newer) + bytes(trip().data)
    struct.pack_into("<I", newer, len(newer) - 4, crc32(newer[:-4]))

    with pytest.raises(UnknownVersion, match="version 9"):
        _items(bytes(newer))
    assert isinstance(_items(flipped)[0], Lost)


def test_what_a_later_writer_adds_is_skipped_and_told() -> None:
    """Unknown sections and events do not stop the reading."""
    writer = LogWriter()
    writer.start(extra=((99, b"later"),))
    writer.events([(layout.KIND_SUPPLY, 0, (4000, 0))])

    items = _items(bytes(writer.data))

    assert isinstance(items[0], Block)
    assert items[0].unknown_sections == (99,)
    assert items[0].run_settings is not None


def test_a_good_crc_over_a_broken_format_is_a_problem_of_the_block() -> None:
    """A forged or buggy block is reported, and the next is read."""
    writer = LogWriter()
    writer.start()
    span = struct.pack(layout.SPAN.format, 0, 5000, 10_000)
    writer.block(layout.BLOCK_SAMPLES, 0, [(layout.SECTION_SPAN, span)])
    column = (layout.SECTION_COLUMN, b"\x00\x00\x00\x00\xff")
    short = struct.pack(layout.SPAN.format, 0, 3, 10_000)
    writer.block(layout.BLOCK_SAMPLES, 0, [(layout.SECTION_SPAN, short), column])
    writer.samples(0, [[1, 2, 3]])

    blocks = [item for item in _items(bytes(writer.data)) if isinstance(item, Block)]

    assert [bool(block.problems) for block in blocks] == [False, True, True, False]
    assert len(_spans(blocks)) == 1


_SMALL = bytes(trip(2).data)


@settings(max_examples=120, deadline=None)
@given(
    at=st.integers(0, len(_SMALL) - 1),
    flip=st.integers(1, 255),
    cut=st.integers(0, 200),
    window_bytes=st.sampled_from([layout.BLOCK_MAX_BYTES, 1 << 20]),
)
def test_no_damage_makes_the_reader_fail_or_invent(
    at: int, flip: int, cut: int, window_bytes: int
) -> None:
    """One changed byte and a cut: what comes out is as written, the rest is a named loss."""
    data = bytearray(_SMALL)
    data[at] ^= flip
    data = data[: len(data) - cut]
    good = {span.first_sample: span for span in _spans(_items(_SMALL))}

    try:
        items = _items(bytes(data), window_bytes)
    except (NotALog, UnknownVersion):
        return

    assert any(isinstance(item, Lost) for item in items) or (cut == 0 and at >= len(data))
    for span in _spans(items):
        same = good[span.first_sample]
        assert span.channels[0].counts.tolist() == same.channels[0].counts.tolist()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_at_all_are_read_or_refused(data: bytes) -> None:
    """Garbage behind a good block, and alone, raises nothing else."""
    writer = LogWriter()
    writer.start()
    items = _items(bytes(writer.data) + data)

    assert isinstance(items[0], Block)
    with pytest.raises(NotALog):
        _items(data)
