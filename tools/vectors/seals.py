"""Blocks with seals: a state from which a reader can judge them, right tags and wrong ones."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from dewarlog_wire import block, layout, seal
from vectors.parts import annotated, event_section, resealed, scenario, sealed

if TYPE_CHECKING:
    from vectors.parts import Vector

STATE: Final = bytes(range(0x60, 0x80))
FIRST: Final = 7  # the index of STATE


def state_at(index: int) -> bytes:
    """Return the state of an index from FIRST on."""
    state = STATE
    for _ in range(index - FIRST):
        state = seal.next_state(state)
    return state


def known(index: int = FIRST) -> dict[str, str]:
    """Return the header lines of a reader that was given the state of an index."""
    return {
        "chain before": layout.CHAIN_START.hex(),
        "seal state": f"{index} {state_at(index).hex()}",
    }


def row(*indices: int) -> bytes:
    """Return a chain of events blocks sealed with these indices, right up to the tags."""
    chain = layout.CHAIN_START
    blocks = b""
    for seq, index in enumerate(indices):
        section = event_section((layout.KIND_SUPPLY, (4010 - seq, 0)), first=seq)
        state = state_at(index) if index else b""
        one = sealed(
            layout.BLOCK_EVENTS, [section], seq=seq, chain=chain, key_index=index, state=state
        )
        chain = block.check_block(one, 0, chain).chain
        blocks += one
    return blocks


def with_tag(data: bytes, tag: bytes) -> bytes:
    """Return one block with another tag under a right CRC: the chain does not cover it."""
    at = len(data) - layout.BLOCK_SEAL.size + layout.BLOCK_SEAL.offset_of("tag")
    return resealed(data[:at] + tag + data[at + len(tag) :])


def _second_wrong() -> bytes:
    whole = row(FIRST, FIRST + 1)
    middle = struct.unpack_from("<I", whole, layout.BLOCK_HEADER.offset_of("length"))[0]
    return whole[:middle] + with_tag(whole[middle:], bytes(range(16)))


@scenario
def block_seals_in_a_row() -> Vector:
    """Three sealed blocks, from the state of the first: each key follows from the one before."""
    return known(), annotated(row(FIRST, FIRST + 1, FIRST + 2))


@scenario
def block_seal_steps_on() -> Vector:
    """A state older than the first block: the reader steps on to its index."""
    return known(), annotated(row(FIRST + 5))


@scenario
def block_seal_index_jumps() -> Vector:
    """An index is left out: each tag is right, and a block between the two is missing."""
    return known(), annotated(row(FIRST, FIRST + 2))


@scenario
def block_seal_wrong() -> Vector:
    """The second block's tag is not that of its key."""
    return known(), annotated(_second_wrong())


@scenario
def block_seal_wrong_without_state() -> Vector:
    """The same bytes to a reader without a state: it can say nothing about seals."""
    return {"chain before": layout.CHAIN_START.hex()}, annotated(_second_wrong())


@scenario
def block_seal_before_state() -> Vector:
    """Blocks from before the state that the reader was given: only the last can be judged."""
    return known(FIRST + 2), annotated(row(FIRST, FIRST + 1, FIRST + 2))


@scenario
def block_seal_of_a_rewritten_block() -> Vector:
    """Who has captured a board wrote a block anew with a right chain; its old tag is wrong now."""
    honest = row(FIRST)
    tag = block.read_seal(honest, block.check_block(honest, 0, layout.CHAIN_START))[1]
    section = event_section((layout.KIND_SUPPLY, (4999, 0)), first=0)
    forged = sealed(
        layout.BLOCK_EVENTS, [section], seq=0, key_index=FIRST, state=state_at(FIRST + 1)
    )
    return known(), annotated(with_tag(forged, tag))


@scenario
def block_seal_left_off() -> Vector:
    """A block without a seal behind one that has it, and no event that says the key was lost."""
    return known(), annotated(row(FIRST, 0))
