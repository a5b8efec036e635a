"""What scenarios are made of: their register, and right blocks, columns and events to bend.

A scenario is a function without arguments named for its layer and its file; its docstring is the
vector's comment. It returns the vector's own header lines and its data as text.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from dewarlog_wire import block, column, crc, events, layout, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Vector = tuple[dict[str, str], str]
    Scenario = Callable[[], Vector]
    Section = tuple[int, bytes]

RUN: Final = 0x2A
LOG_ID: Final = bytes.fromhex("a1a2a3a4a5a6a7a8")
DEVICE_ID: Final = bytes.fromhex("e661640843214567")
DEVICE_KEY: Final = bytes(range(0xC0, 0xE0))
UTC_S: Final = 210_000_000
READING: Final = layout.QUANTITY_READING
COMMON: Final = layout.CHANNEL_COMMON
_HEX_LINE_BYTES: Final = 32

SCENARIOS: Final[list[Scenario]] = []


def scenario(function: Scenario) -> Scenario:
    """Register a scenario."""
    SCENARIOS.append(function)
    return function


def hex_text(data: bytes, what: str = "") -> str:
    """Write bytes as lines of hex, under a comment that says what they are."""
    lines = [f"# {what}"] if what else []
    lines += [data[at : at + _HEX_LINE_BYTES].hex() for at in range(0, len(data), _HEX_LINE_BYTES)]
    return "\n".join(lines) + "\n"


def sealed(
    kind: int,
    sections: Sequence[Section],
    *,
    seq: int = 1,
    chain: bytes = layout.CHAIN_START,
    key_index: int = 0,
    state: bytes = b"",
) -> bytes:
    """Return one block; with the index and state of a sealing key, one with a seal."""
    buffer = bytearray(layout.BLOCK_MAX_BYTES)
    offset = block.begin_block(buffer, kind, RUN, seq, 1, 3600, 250)
    for section, payload in sections:
        offset = block.put_section(buffer, offset, section, payload)
    length, _ = block.seal_block(buffer, offset, chain, key_index, state)
    return bytes(buffer[:length])


def resealed(data: bytes) -> bytes:
    """Return a changed block with its CRC made right again."""
    return data[:-4] + struct.pack("<I", crc.crc32(data[:-4]))


def annotated(data: bytes) -> str:
    """Write blocks as hex, cut where their parts begin."""
    text = ""
    while data:
        length = struct.unpack_from("<I", data, layout.BLOCK_HEADER.offset_of("length"))[0]
        body_end = length - layout.BLOCK_SEAL.size
        text += hex_text(data[: layout.BLOCK_HEADER.size], "header")
        at = layout.BLOCK_HEADER.size
        for kind, start, end in block.sections(data, at, body_end):
            text += hex_text(data[at:end], f"section of kind {kind}, {end - start} bytes")
            at = end
        text += hex_text(data[body_end:length], "seal")
        data = data[length:]
    return text


def texts_section(kind: int, values: tuple[object, ...], told: tuple[str, ...]) -> Section:
    """Return a section whose record is followed by texts."""
    return kind, texts.section_texts_body(kind, values, told)


def span(count: int, interval_ms: int = 10000) -> Section:
    """Return a SPAN section of samples from number 360 on."""
    return layout.SECTION_SPAN, struct.pack(layout.SPAN.format, 360, count, interval_ms)


def coded(channel: int, quantity: int, values: Sequence[int]) -> Section:
    """Return a COLUMN section."""
    encoder = column.ColumnEncoder(16384)
    encoder.begin(channel, quantity)
    for value in values:
        encoder.push(value)
    buffer = bytearray(encoder.size())
    end = encoder.finish_into(buffer, 0)
    return layout.SECTION_COLUMN, bytes(buffer[layout.SECTION_HEAD.size : end])


def samples(*columns: Section, count: int, more: Sequence[Section] = ()) -> bytes:
    """Return a samples block."""
    return sealed(layout.BLOCK_SAMPLES, [span(count), *columns, *more])


def event_section(*entries: tuple[int, tuple[object, ...]], first: int = 7) -> Section:
    """Return an EVENTS section; events come 1.5 s apart."""
    buffer = bytearray(4096)
    offset = struct.pack_into(layout.EVENTS_HEAD.format, buffer, 0, first, len(entries)) or 0
    offset = layout.EVENTS_HEAD.size
    for number, (kind, body) in enumerate(entries):
        at_ms = 3_600_250 + 1500 * number
        offset = events.pack_event_into(buffer, offset, kind, at_ms // 1000, at_ms % 1000, body)
    return layout.SECTION_EVENTS, bytes(buffer[:offset])


def noise(count: int, spread: int, centre: int, seed: int = 1) -> list[int]:
    """Return repeatable noise: sums of three draws of a linear congruential generator."""
    values: list[int] = []
    state = seed
    for _ in range(count):
        total = 0
        for _ in range(3):
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            total += (state >> 16) % (2 * spread + 1) - spread
        values.append(centre + total)
    return values


def good() -> bytes:
    """Return a samples block to damage."""
    return samples(coded(0, READING, [100, 101, 99]), count=3)
