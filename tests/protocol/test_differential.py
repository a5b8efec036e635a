"""Two readers that share nothing but the table agree on damaged data too."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import describe
import describe_construct
import vector_lines
from dewarlog_wire import layout
from dewarlog_wire.crc import crc32

FOLDER = Path(__file__).parents[2] / "protocol/vectors"


def sound(layer: str) -> list[tuple[dict[str, str], bytes]]:
    """Return header and bytes of every vector of a layer that is read without a fault."""
    found: list[tuple[dict[str, str], bytes]] = []
    for path in sorted((FOLDER / layer).glob("*.txt")):
        header, _, data = vector_lines.parse_vector(path.read_text(encoding="utf-8"))
        if header["expect"] == "ok":
            found.append((header, vector_lines.hex_bytes(data)))
    return found


VECTORS = {layer: sound(layer) for layer in ("block", "journal", "frame", "token", "signature")}


@pytest.mark.parametrize("layer", VECTORS)
@given(which=st.integers(0, 1000), where=st.integers(0, 1 << 20), bit=st.integers(0, 7))
@settings(max_examples=150, deadline=None)
def test_a_flipped_bit_means_the_same_to_both(
    layer: str, which: int, where: int, bit: int
) -> None:
    """Same outcome, same lines."""
    header, data = VECTORS[layer][which % len(VECTORS[layer])]
    changed = bytearray(data)
    changed[where % len(data)] ^= 1 << bit

    assert describe_construct.outcome_of(layer, header, changed.hex()) == describe.outcome_of(
        layer, header, changed.hex()
    )


@given(
    which=st.integers(0, 1000),
    where=st.integers(0, 1 << 20),
    byte=st.integers(0, 255),
)
@settings(max_examples=300, deadline=None)
def test_a_wrong_body_under_a_right_crc_means_the_same_to_both(
    which: int, where: int, byte: int
) -> None:
    """A writer's mistake, not the flash's: sections, columns and events are judged alike."""
    _, data = VECTORS["block"][which % len(VECTORS["block"])]
    length = int.from_bytes(data[8:12], "little")
    body_bytes = length - layout.BLOCK_HEADER.size - layout.BLOCK_SEAL.size
    changed = bytearray(data[:length])
    if body_bytes:
        changed[layout.BLOCK_HEADER.size + where % body_bytes] = byte
    changed[-4:] = crc32(changed[:-4]).to_bytes(4, "little")

    by_construct, construct_lines = describe_construct.outcome_of("block", {}, changed.hex())
    by_struct, struct_lines = describe.outcome_of("block", {}, changed.hex())
    # One cuts the whole body before it reads a section, the other reads as it cuts: where two
    # things are wrong, each names the one it meets first.
    if {by_construct, by_struct} <= {"section", "column", "event"}:
        by_construct = by_struct

    assert (by_construct, construct_lines) == (by_struct, struct_lines)


@pytest.mark.parametrize("layer", VECTORS)
@given(which=st.integers(0, 1000), length=st.integers(0, 1 << 20))
@settings(max_examples=100, deadline=None)
def test_a_cut_means_the_same_to_both(layer: str, which: int, length: int) -> None:
    """Data that ends early, at any byte."""
    header, data = VECTORS[layer][which % len(VECTORS[layer])]
    cut = data[: length % (len(data) + 1)].hex()

    assert describe_construct.outcome_of(layer, header, cut) == describe.outcome_of(
        layer, header, cut
    )


PROVEN = [
    vector_lines.parse_vector(path.read_text(encoding="utf-8"))
    for path in sorted((FOLDER / "proven").glob("*.txt"))
]


@given(
    which=st.integers(0, 1000),
    row=st.integers(0, 1000),
    where=st.integers(0, 1 << 20),
    bit=st.integers(0, 7),
)
@settings(max_examples=300, deadline=None)
def test_a_bent_frame_of_a_proven_conversation_means_the_same_to_both(
    which: int, row: int, where: int, bit: int
) -> None:
    """Changed on its way under a right CRC, as only an attacker can: dropped or taken by both."""
    header, _, text = PROVEN[which % len(PROVEN)]
    rows = [line for line in text.splitlines() if line.startswith((">", "<"))]
    row %= len(rows)
    changed = bytearray(vector_lines.hex_bytes(rows[row][1:]))
    head = layout.FRAME_HEAD.size
    body_bytes = len(changed) - layout.FRAME_OVERHEAD_BYTES
    if body_bytes:
        changed[head + where % body_bytes] ^= 1 << bit
    changed[-4:] = crc32(changed[:-4]).to_bytes(4, "little")
    rows[row] = rows[row][:1] + changed.hex()
    bent = "\n".join(rows)

    assert describe_construct.outcome_of("proven", header, bent) == describe.outcome_of(
        "proven", header, bent
    )
