"""Sealed blocks: what was written is read, and no change of a byte goes unseen."""

from __future__ import annotations

import hashlib

import crcmod.predefined
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dewarlog import parse
from dewarlog_wire import block, layout
from dewarlog_wire.crc import CHECK_INPUT, CHECK_VALUE, crc32
from dewarlog_wire.errors import BlockError

SECTIONS = st.lists(st.tuples(st.integers(40, 255), st.binary(max_size=40)), max_size=5)


def sealed(
    sections: list[tuple[int, bytes]], seq: int = 3, chain: bytes = layout.CHAIN_START
) -> bytes:
    """Return one block of sections no version knows."""
    buffer = bytearray(layout.BLOCK_MAX_BYTES)
    offset = block.begin_block(buffer, layout.BLOCK_SAMPLES, 9, seq, 2, 100, 250)
    for kind, payload in sections:
        offset = block.put_section(buffer, offset, kind, payload)
    length, _ = block.seal_block(buffer, offset, chain)
    return bytes(buffer[:length])


@given(SECTIONS, st.binary(min_size=32, max_size=32))
def test_sections_come_back(sections: list[tuple[int, bytes]], chain: bytes) -> None:
    """Header fields, chain and every section are read as they were written."""
    data = sealed(sections, chain=chain)
    one = block.check_block(data, 0, chain)
    found = [
        (kind, data[start:end])
        for kind, start, end in block.sections(data, one.body_start, one.body_end)
    ]

    assert found == sections
    assert one[:6] == (layout.BLOCK_SAMPLES, 9, 3, 2, 100, 250)
    assert one.length == len(data)
    assert one.chain == hashlib.sha256(chain + data[: one.body_end]).digest()


def test_crc_is_the_one_of_the_catalogue() -> None:
    """CRC-32/ISO-HDLC, judged by crcmod's table."""
    judge = crcmod.predefined.mkPredefinedCrcFun("crc-32")

    assert crc32(CHECK_INPUT) == CHECK_VALUE == judge(CHECK_INPUT)


@given(SECTIONS)
def test_seal_holds_the_crc_an_independent_table_computes(
    sections: list[tuple[int, bytes]],
) -> None:
    """The CRC covers everything before it."""
    data = sealed(sections)
    judge = crcmod.predefined.mkPredefinedCrcFun("crc-32")

    assert int.from_bytes(data[-4:], "little") == judge(data[:-4])


@pytest.mark.parametrize("readable", [bytes, bytearray, memoryview])
def test_a_block_is_read_in_the_middle_of_other_data(readable: type) -> None:
    """Offsets count from the start of what was handed in, whatever type it has."""
    data = sealed([(50, b"abc")])
    one = block.check_block(readable(b"junk" + data + b"more"), 4, layout.CHAIN_START)

    assert (one.length, one.body_start) == (len(data), 4 + layout.BLOCK_HEADER.size)


def test_every_flipped_bit_is_seen() -> None:
    """One wrong bit anywhere: refused, by whichever layer meets it first."""
    data = sealed([(50, b"abc"), (51, b"")])
    faults: set[str] = set()
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BlockError) as caught:
            block.check_block(changed, 0, layout.CHAIN_START)
        faults.add(caught.value.fault)

    assert faults == {"magic", "version", "length", "crc"}


def test_every_cut_is_seen() -> None:
    """A block that lacks any of its last bytes is refused for its length."""
    data = sealed([(50, b"abc")])
    faults: list[str] = []
    for length in range(len(data)):
        with pytest.raises(BlockError) as caught:
            block.check_block(data[:length], 0, None)
        faults.append(caught.value.fault)

    assert set(faults) == {"length"}


def test_a_block_put_in_another_place_breaks_the_chain() -> None:
    """Blocks cannot be removed, swapped or taken from another run."""
    first = sealed([], seq=0)
    second = sealed([], seq=1, chain=block.check_block(first, 0, layout.CHAIN_START).chain)
    with pytest.raises(BlockError) as caught:
        block.check_block(second, 0, layout.CHAIN_START)

    assert caught.value.fault == "chain"
    assert "block 1 at byte 0" in str(caught.value)


def test_a_block_over_the_limit_is_not_sealed() -> None:
    """The writer finds out, not the reader."""
    buffer = bytearray(layout.BLOCK_MAX_BYTES + 100)
    with pytest.raises(BlockError) as caught:
        block.seal_block(buffer, layout.BLOCK_MAX_BYTES - 10, layout.CHAIN_START)

    assert caught.value.fault == "length"


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_garbage_is_refused_with_a_block_error(data: bytes) -> None:
    """Nothing but BlockError leaves either reader."""
    with pytest.raises(BlockError):
        block.check_block(data, 0, None)
    with pytest.raises(BlockError):
        parse.parse_block(data)


@given(st.binary(max_size=80))
@settings(max_examples=300)
def test_both_readers_cut_any_body_into_the_same_sections(body: bytes) -> None:
    """A body of any bytes under a good CRC: same sections, or both refuse it."""
    buffer = bytearray(layout.BLOCK_MAX_BYTES)
    offset = block.begin_block(buffer, 0, 1, 0, 1, 0, 0)
    buffer[offset : offset + len(body)] = body
    length, _ = block.seal_block(buffer, offset + len(body), layout.CHAIN_START)
    data = bytes(buffer[:length])
    try:
        by_struct: object = [
            (kind, data[start:end])
            for kind, start, end in block.sections(data, offset, offset + len(body))
        ]
    except BlockError as error:
        by_struct = error.fault
    try:
        by_construct: object = [
            (section.kind, section.payload) for section in parse.parse_block(data).sections
        ]
    except BlockError as error:
        # Known sections are read at once there: a wrong one is refused while it is cut.
        by_construct = by_struct if isinstance(by_struct, list) else error.fault

    assert by_construct == by_struct
