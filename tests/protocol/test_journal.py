"""The journal: durable record by record, honest about its torn end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dewarlog import parse
from dewarlog_wire import journal, layout
from dewarlog_wire.errors import JournalError

RECORDS = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=30)), max_size=8)
HEAD = (5, 2, 9, 4, 360, 7, 250, 3600)


def written(records: list[tuple[int, bytes]]) -> list[bytes]:
    """Return head and records of one journal, each as bytes."""
    buffer = bytearray(64)
    end, crc = journal.pack_head_into(buffer, 0, *HEAD)
    parts = [bytes(buffer[:end])]
    for kind, body in records:
        buffer[layout.JOURNAL_RECORD.size : layout.JOURNAL_RECORD.size + len(body)] = body
        end, crc = journal.pack_record_into(buffer, 0, kind, len(body), crc)
        parts.append(bytes(buffer[:end]))
    return parts


def read(data: bytes) -> tuple[tuple[int, ...], list[tuple[int, bytes]], int]:
    """Return head, records with their bodies, and readable bytes."""
    head, records, readable = journal.read_journal(data)
    return head[:-1], [(kind, data[start:end]) for kind, start, end in records], readable


@given(RECORDS)
def test_records_come_back(records: list[tuple[int, bytes]]) -> None:
    """Head and every record, to the last byte."""
    data = b"".join(written(records))

    assert read(data) == (HEAD, records, len(data))


@given(RECORDS, st.integers(0, 400))
@settings(max_examples=200)
def test_power_lost_at_any_byte_keeps_every_whole_record(
    records: list[tuple[int, bytes]], cut: int
) -> None:
    """What was written before the cut is read; the torn record is not."""
    parts = written(records)
    data = b"".join(parts)[:cut]
    if cut < layout.JOURNAL_HEAD.size:
        with pytest.raises(JournalError):
            journal.read_journal(data)
        return
    whole = sum(len(b"".join(parts[: number + 2])) <= cut for number in range(len(records)))

    assert read(data) == (HEAD, records[:whole], len(b"".join(parts[: whole + 1])))


@given(RECORDS, RECORDS)
def test_old_bytes_behind_the_end_are_never_read(
    records: list[tuple[int, bytes]], older: list[tuple[int, bytes]]
) -> None:
    """Records of another journal fail: their CRC continues another one."""
    data = b"".join(written(records))
    stale = b"".join(written([(1, b"first"), *older])[2:])

    assert read(data + stale)[1:] == (records, len(data))


@given(RECORDS, st.integers(0, 1 << 16), st.integers(0, 7))
@settings(max_examples=200)
def test_a_flipped_bit_ends_the_journal_there(
    records: list[tuple[int, bytes]], where: int, bit: int
) -> None:
    """Records before the flip stand; it and all behind it are not read."""
    parts = written(records)
    data = bytearray(b"".join(parts))
    place = where % len(data)
    data[place] ^= 1 << bit
    before = 0
    at = len(parts[0])
    for part in parts[1:]:
        if at + len(part) <= place:
            before += 1
        at += len(part)
    try:
        found = len(read(bytes(data))[1])
    except JournalError:
        found = -1

    assert found == (before if place >= layout.JOURNAL_HEAD.size else -1)


@given(st.binary(max_size=120))
@settings(max_examples=200)
def test_garbage_is_refused_with_a_journal_error(data: bytes) -> None:
    """Nothing but JournalError leaves either reader."""
    with pytest.raises(JournalError):
        journal.read_journal(data)
    with pytest.raises(JournalError):
        parse.parse_journal(data)
