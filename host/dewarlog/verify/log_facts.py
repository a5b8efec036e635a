"""What verify has to know of a log, gathered in one reading: chain, seals, signatures, handoffs.

Between readings and case; judges nothing by a key but the seals, whose state it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dewarlog.checks.integrity import IntegrityCheck
from dewarlog.durable import storage
from dewarlog.readings import LogReader
from dewarlog.records import Block, HandoffEvent, JournalTail, SignatureEvent, StopEvent
from dewarlog.replies import Signed
from dewarlog.seals import SealCheck

FIRST_BYTES: Final = 1 << 16  # the first block is in them

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from dewarlog.checks.finding import Finding
    from dewarlog.checks.integrity import Integrity
    from dewarlog.records import Event, Run
    from dewarlog.replies import SealState
    from dewarlog.seals import Seals


@dataclass(frozen=True, slots=True)
class SignedHere:
    """A signature that stands in the log as an event; `signed` is None where its head is lost."""

    event: int
    blocks: int
    signed: Signed | None


@dataclass(frozen=True, slots=True)
class LogFacts:
    """What one log says of itself."""

    path: Path
    sha256: str
    run: Run | None
    integrity: Integrity
    findings: tuple[Finding, ...]
    blocks: int
    """One more than the number of the last block."""
    chains: Mapping[int, bytes]
    """By a count of blocks: the chain value after them; those of lost blocks are missing."""
    offsets: Mapping[int, int]
    """By the number of a block: the byte in the file where it begins."""
    linked_from: Mapping[int, int]
    """By a count of blocks: the first block from which on the chain leads to them unbroken. Who
    vouches for their chain value vouches for the blocks from there on, and for no other."""
    seals: Seals
    signatures: tuple[SignedHere, ...]
    handoffs: Mapping[int, HandoffEvent]
    heads: Mapping[int, bool | None]
    """By the number of a handoff or pin: does the head it names match this log?"""
    last_event: int
    """Number of the last event; -1: there is none."""
    journal_from: int | None
    """Byte at which the part not yet sealed in a block begins."""
    stopped_by_command: bool
    stop_in_block: bool
    """Whether that stop stands in a block: in the journal anybody can put one behind a cut."""

    @property
    def last_block(self) -> int:
        """Give the number of the last block."""
        return self.blocks - 1

    def covered(self, blocks: int) -> tuple[int, int] | None:
        """Give the first and last block that who vouches for this head vouches for."""
        first = self.linked_from.get(blocks, blocks)
        return (first, blocks - 1) if first < blocks else None


def read_facts(path: Path, held: SealState | None = None) -> LogFacts:
    """Read a log; its seals are judged by `held`.

    Raises:
        LogError: it is none, or of a newer format.
        ArchiveError: the file cannot be read.
    """
    gathering = _Gathering(held)
    with storage(path), path.open("rb") as file:
        reader = LogReader(file, path)
        for item in reader.items():
            if gathering.integrity.feed(item):
                if isinstance(item, Block):
                    gathering.block(item)
                elif isinstance(item, JournalTail):
                    gathering.journal(item)
        return gathering.finish(path, reader.sha256)


def run_of(path: Path) -> Run | None:
    """Return what a log's first block says; None where it is not here.

    Raises:
        LogError: it is none, or of a newer format.
        ArchiveError: the file cannot be read.
    """
    with storage(path), path.open("rb") as file:
        for item in LogReader(file, path, FIRST_BYTES).items():
            if isinstance(item, Block):
                return item.run_settings
    return None


class _Gathering:
    """Takes every item that continues the log."""

    def __init__(self, held: SealState | None) -> None:
        self.integrity = IntegrityCheck()
        self._seals = SealCheck(held)
        self._run: Run | None = None
        self._offsets: dict[int, int] = {}
        self._linked_from: dict[int, int] = {0: 0}
        self._blocks = 0
        self._signatures: list[SignedHere] = []
        self._handoffs: dict[int, HandoffEvent] = {}
        self._last: Event | None = None
        self._last_in_block = False
        self._journal_from: int | None = None

    def block(self, block: Block) -> None:
        if block.run_settings is not None and self._run is None:
            self._run = block.run_settings
        linked = block.chain_holds is True and block.block_seq == self._blocks
        first = self._linked_from[self._blocks] if linked else block.block_seq + 1
        self._offsets[block.block_seq] = block.offset
        self._blocks = block.block_seq + 1
        self._linked_from[self._blocks] = first
        self._seals.feed(block)
        self._events(block.events, in_block=True)

    def journal(self, tail: JournalTail) -> None:
        self._journal_from = tail.offset
        self._seals.feed_events(tail.events)
        self._events(tail.events, in_block=False)

    def _events(self, events: Iterable[Event], *, in_block: bool) -> None:
        for event in events:
            self._last, self._last_in_block = event, in_block
            if isinstance(event, SignatureEvent):
                self._signatures.append(self._signed(event))
            elif isinstance(event, HandoffEvent):
                self._handoffs[event.number] = event

    def _signed(self, event: SignatureEvent) -> SignedHere:
        chain = self.integrity.chains.get(event.blocks)
        if chain is None or self._run is None:
            return SignedHere(event.number, event.blocks, None)
        signed = Signed(
            run=self._run.run,
            log_id=self._run.log_id,
            blocks=event.blocks,
            chain=chain,
            uptime_s=event.signed_uptime_s,
            uptime_ms=event.signed_uptime_part_ms,
            utc_s=event.utc_s,
            clock_state=event.clock_state,
            signature=event.signature,
            nonce=event.nonce,
        )
        return SignedHere(event.number, event.blocks, signed)

    def finish(self, path: Path, sha256: str) -> LogFacts:
        integrity, findings = self.integrity.finish()
        last = self._last
        return LogFacts(
            path=path,
            sha256=sha256,
            run=self._run,
            integrity=integrity,
            findings=findings,
            blocks=self._blocks,
            chains=self.integrity.chains,
            offsets=self._offsets,
            linked_from=self._linked_from,
            seals=self._seals.finish(),
            signatures=tuple(self._signatures),
            handoffs=self._handoffs,
            heads={**self.integrity.handoff_heads, **self.integrity.pin_heads},
            last_event=-1 if last is None else last.number,
            journal_from=self._journal_from,
            stopped_by_command=isinstance(last, StopEvent) and last.cause == 0,
            stop_in_block=self._last_in_block,
        )
