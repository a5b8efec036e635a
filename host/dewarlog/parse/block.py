"""Blocks and their sections: header, body, seal, and where the CRC and the chain apply."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import construct as c

from dewarlog.parse.event import EVENT, check_lengths
from dewarlog.parse.from_table import many, only, run, struct_of, type_of, with_texts
from dewarlog_wire import FORMAT_VERSION, layout
from dewarlog_wire.errors import BlockError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dewarlog.parse.from_table import Construct, Fields

_HEADER: Final = struct_of(layout.BLOCK_HEADER)


_BLOCK_MIN_BYTES: Final = layout.BLOCK_HEADER.size + layout.BLOCK_SEAL.size


_BLOCK: Final = c.Struct(
    "covered"
    / c.RawCopy(
        c.Struct(
            "header" / _HEADER,
            "body" / c.Bytes(c.this.header.length - _BLOCK_MIN_BYTES),
            "seal" / struct_of(layout.BLOCK_SEAL, "crc32"),
        )
    ),
    "crc32" / c.Checksum(c.Int32ul, zlib.crc32, c.this.covered.data),
)


_SECTIONS: Final = many(
    c.Struct("kind" / c.Int8ul, "payload" / c.Prefixed(c.Int16ul, c.GreedyBytes))
)


_TEXT: Final = c.Struct("which" / c.Int8ul, "text" / c.GreedyString("utf8"))


_COLUMN: Final = c.Struct(
    *(name / type_of(code) for name, code, _, _ in layout.COLUMN_HEAD.fields),
    "coded" / c.GreedyBytes,
)


_SECTION_TEXT_MAX_BYTES: Final = 76


_EVENTS: Final = only(
    c.Struct("head" / struct_of(layout.EVENTS_HEAD), "events" / c.Array(c.this.head.count, EVENT))
)


_SECTION_BODIES: Final[Mapping[int, Construct]] = {
    layout.SECTION_SPAN: only(struct_of(layout.SPAN)),
    layout.SECTION_COLUMN: _COLUMN,
    layout.SECTION_STATES: many(struct_of(layout.STATE_RUN)),
    layout.SECTION_RAW: many(struct_of(layout.RAW_SET)),
    layout.SECTION_EVENTS: _EVENTS,
    layout.SECTION_IDENTITY: only(struct_of(layout.IDENTITY)),
    layout.SECTION_TEXT: _TEXT,
    layout.SECTION_SAMPLING: only(struct_of(layout.SAMPLING)),
    layout.SECTION_CHANNEL: only(struct_of(layout.CHANNEL)),
    layout.SECTION_RULE: only(struct_of(layout.RULE)),
    layout.SECTION_SHOCK_SETTINGS: only(struct_of(layout.SHOCK_SETTINGS)),
    layout.SECTION_TILT_SETTINGS: only(struct_of(layout.TILT_SETTINGS)),
    layout.SECTION_CALIBRATION: with_texts(layout.CALIBRATION, "reference"),
    layout.SECTION_ARMING: with_texts(layout.ARMING, "actor", "reason"),
    layout.SECTION_HANDLING: only(struct_of(layout.HANDLING)),
    layout.SECTION_SHOCK_HEAD: only(struct_of(layout.SHOCK_HEAD)),
}


# Which of their fields are texts, whose length is bounded.
_SECTION_TEXTS: Final[Mapping[int, tuple[str, ...]]] = {
    layout.SECTION_CALIBRATION: ("reference",),
    layout.SECTION_ARMING: ("actor", "reason"),
}


@dataclass(frozen=True, slots=True)
class ParsedSection:
    """One section: its bytes, and its content as dict or list; None for an unknown kind."""

    kind: int
    payload: bytes
    content: Fields | list[Fields] | None


@dataclass(frozen=True, slots=True)
class ParsedBlock:
    """One block: header and seal as dicts of fields, and its sections in order."""

    header: Fields
    sections: tuple[ParsedSection, ...]
    seal: Fields

    @property
    def sample_count(self) -> int:
        """Values in each of this block's columns, from its SPAN or SHOCK_HEAD; 0 without."""
        for section in self.sections:
            if section.kind in (layout.SECTION_SPAN, layout.SECTION_SHOCK_HEAD):
                assert isinstance(section.content, dict)  # noqa: S101 - both are one record
                return int(section.content["count"])
        return 0


def parse_block(data: bytes, previous_chain: bytes | None = None) -> ParsedBlock:
    """Read the block at the start of `data`; with `previous_chain`, check that it follows.

    Raises:
        BlockError: fault magic, version, length, crc, chain, section or event.
    """
    if len(data) < _BLOCK_MIN_BYTES:
        message = f"{len(data)} bytes are too few for a block"
        raise BlockError("length", message)
    header = run(_HEADER, data, BlockError, "length", "block header")
    if header["magic"] != layout.BLOCK_MAGIC:
        message = f"block begins with {header['magic']!r}"
        raise BlockError("magic", message)
    if header["version"] != FORMAT_VERSION:
        message = f"block has format version {header['version']}"
        raise BlockError("version", message)
    if not _BLOCK_MIN_BYTES <= header["length"] <= min(len(data), layout.BLOCK_MAX_BYTES):
        message = f"block says {header['length']} bytes; {len(data)} are there"
        raise BlockError("length", message)
    parsed = run(_BLOCK, data, BlockError, "length", "block")
    whole = parsed["covered"]["value"]
    if previous_chain is not None:
        sealed = data[: header["length"] - layout.BLOCK_SEAL.size]
        if hashlib.sha256(previous_chain + sealed).digest() != whole["seal"]["chain"]:
            message = "the chain value is not that of the block before"
            raise BlockError("chain", message)
    seal = {**whole["seal"], "crc32": parsed["crc32"]}
    return ParsedBlock(header, tuple(_parse_sections(whole["body"])), seal)


# Sections of which a body has one at most (SPEC.md 4.4).
_ONCE: Final = (1, 3, 4, 5, 16, 18, 21, 22, 24, 25, 32)


def _parse_sections(body: bytes) -> Iterable[ParsedSection]:
    sections = run(_SECTIONS, body, BlockError, "section", "body")
    _expect_once([section["kind"] for section in sections])
    for section in sections:
        kind, payload = section["kind"], section["payload"]
        content = parse_section(kind, payload) if kind in _SECTION_BODIES else None
        yield ParsedSection(kind, payload, content)


def parse_section(kind: int, payload: bytes) -> Fields | list[Fields]:
    """Read the payload of one section of a known kind.

    Raises:
        BlockError: fault section, or event for one of events.
    """
    fault = "event" if kind == layout.SECTION_EVENTS else "section"
    what = f"section of kind {kind}"
    content = run(_SECTION_BODIES[kind], payload, BlockError, fault, what)
    if kind == layout.SECTION_EVENTS:
        for event in content["events"]:
            check_lengths(event["head"]["kind"], event["body"])
    for name in _SECTION_TEXTS.get(kind, ()):
        if len(content[name].encode()) > _SECTION_TEXT_MAX_BYTES:
            message = f"the {name} of a section of kind {kind} is too long"
            raise BlockError("section", message)
    return content


def _expect_once(kinds: list[int]) -> None:
    """Refuse what would leave a reader a choice (SPEC.md 4.4)."""
    for kind in _ONCE:
        if kinds.count(kind) > 1:
            message = f"section {kind} stands twice"
            raise BlockError("section", message)
    if {layout.SECTION_SPAN, layout.SECTION_SHOCK_HEAD} <= set(kinds):
        message = "SPAN and SHOCK_HEAD both say how long the columns are"
        raise BlockError("section", message)
