"""Seals: one-way steps, tags over the whole chain, the same bytes on three interpreters."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog import parse
from dewarlog_wire import block, layout, seal
from dewarlog_wire.crc import crc32

if TYPE_CHECKING:
    from conftest import MicroPython

STATE = bytes(range(32))
SCRIPT = """
from binascii import hexlify
from dewarlog_wire import block, seal
state = bytes(range(32))
for index in (1, 2, 3):
    buffer = bytearray(200)
    offset = block.begin_block(buffer, 4, 7, index, 0, 60, 0)
    length, chain = block.seal_block(buffer, offset, bytes(32), index, state)
    print(hexlify(buffer[:length]).decode())
    state = seal.next_state(state)
"""


def sealed(index: int, state: bytes, seq: int = 0, chain: bytes = layout.CHAIN_START) -> bytes:
    """Return an empty block with a seal."""
    buffer = bytearray(200)
    offset = block.begin_block(buffer, layout.BLOCK_EVENTS, 7, seq, 0, 60, 0)
    length, _ = block.seal_block(buffer, offset, chain, index, state)
    return bytes(buffer[:length])


def by_hmac(steps: int, chain: bytes) -> bytes:
    """Return the tag of SPEC.md 4.9 after so many steps, by the standard library."""
    state = STATE
    for _ in range(steps):
        state = hmac.digest(state, b"dewarlog seal next", hashlib.sha256)
    key = hmac.digest(state, b"dewarlog seal key", hashlib.sha256)
    return hmac.digest(key, chain, hashlib.sha256)[:16]


@given(st.integers(0, 20), st.binary(min_size=32, max_size=32))
def test_the_tag_is_that_of_the_standard_library(steps: int, chain: bytes) -> None:
    """However many blocks have been sealed since the state was given."""
    state = STATE
    for _ in range(steps):
        state = seal.next_state(state)

    assert seal.block_tag(state, chain) == by_hmac(steps, chain)


def listing() -> list[str]:
    """Return three blocks, as SCRIPT writes them."""
    state = STATE
    blocks: list[str] = []
    for index in (1, 2, 3):
        blocks.append(sealed(index, state, seq=index).hex())
        state = seal.next_state(state)
    return blocks


@pytest.mark.micropython
def test_64_bit_micropython_seals_alike(micropython: MicroPython) -> None:
    """The unix build, whose hashlib is the boards'."""
    assert micropython(SCRIPT).stdout.split() == listing()


@pytest.mark.micropython
def test_32_bit_micropython_seals_alike(micropython32: MicroPython) -> None:
    """Where small ints are those of the boards."""
    assert micropython32(SCRIPT).stdout.split() == listing()


def test_a_block_says_its_index_and_tag_to_both_readers() -> None:
    """And without a key both are zero."""
    data = sealed(4_000_000_000, STATE)
    found = block.check_block(data, 0, layout.CHAIN_START)
    read = parse.parse_block(data).seal
    bare = sealed(0, b"")

    assert block.read_seal(data, found) == (4_000_000_000, by_hmac(0, found.chain))
    assert block.read_seal(data, found) == (read["key_index"], read["tag"])
    assert block.read_seal(bare, block.check_block(bare, 0, None)) == (0, bytes(16))


def test_the_tag_of_a_later_block_covers_every_earlier_one() -> None:
    """Another first block changes the chain, and so every tag behind it."""
    tags: list[bytes] = []
    for boot in (0, 1):
        buffer = bytearray(200)
        offset = block.begin_block(buffer, layout.BLOCK_EVENTS, 7, 0, boot, 60, 0)
        _, chain = block.seal_block(buffer, offset, layout.CHAIN_START, 1, STATE)
        second = sealed(2, seal.next_state(STATE), seq=1, chain=chain)
        found = block.check_block(second, 0, chain)
        tags.append(block.read_seal(second, found)[1])

    assert tags[0] != tags[1]


def test_a_reader_without_a_state_takes_a_wrong_tag_for_a_sound_block() -> None:
    """The chain does not cover the tag: only who has the state can tell."""
    data = bytearray(sealed(1, STATE))
    data[-20:-4] = bytes(16)
    data[-4:] = crc32(data[:-4]).to_bytes(4, "little")
    found = block.check_block(data, 0, layout.CHAIN_START)

    assert block.read_seal(data, found) == (1, bytes(16))
    assert seal.block_tag(STATE, found.chain) != bytes(16)
