"""What a log file is made of: blocks, the open journal behind them, and what cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dewarlog.records.event import Event
    from dewarlog.records.run import Run
    from dewarlog.records.samples import RawSet, SampleSpan, ShockWindow


@dataclass(frozen=True, slots=True)
class Lost:
    """A stretch of the file that could not be read.

    `why` is one of "corrupt" (bytes are there and wrong), "incomplete" (the file ends inside a
    block) or "foreign" (bytes that never were a block).
    """

    why: str
    detail: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong inside a block whose CRC holds: the writer's fault, or a forgery."""

    offset: int
    block_seq: int
    message: str


@dataclass(frozen=True, slots=True)
class Block:
    """One block with a good CRC and all that it holds."""

    offset: int
    length: int
    kind: int
    run: int
    block_seq: int
    boot: int
    start_ms: int
    chain: bytes
    chain_holds: bool | None  # None: the block before it was lost, so nothing can be said
    key_index: int  # of the seal; 0: the block has none
    tag: bytes  # the seal, zero without a key
    run_settings: Run | None
    span: SampleSpan | None
    raw_sets: tuple[RawSet, ...]
    first_event: int | None
    events: tuple[Event, ...]
    shock: ShockWindow | None
    unknown_sections: tuple[int, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class JournalTail:
    """The open journal at the end of a log: durable, with CRCs, not yet sealed in the chain."""

    offset: int
    length: int
    run: int
    block_seq: int
    boot: int
    first_sample: int
    first_event: int
    span: SampleSpan | None
    raw_sets: tuple[RawSet, ...]
    events: tuple[Event, ...]
    torn_bytes: int  # what follows the last whole record
    problem: str | None  # records that pass their CRC and still cannot be read
