"""Is the log whole and unchanged? Bytes, chain and numbering, with the place of every fault.

The reader has already checked each CRC and each chain value; this module judges what they mean
together. Three words are kept apart: *corrupt* (bytes are there and wrong), *incomplete* (the file
stops inside a record, or blocks are missing) and *gap* (the board itself says that it did not
record; see coverage.py). `in_line` tells which blocks continue the log, so that a doubled file or
a stray block is named once and never counted twice.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dewarlog import words
from dewarlog.checks.finding import Finding, Moment, Severity
from dewarlog.records import (
    Block,
    GapEvent,
    HandoffEvent,
    JournalTail,
    Lost,
    PinEvent,
    SignatureEvent,
    StopEvent,
    UnknownEvent,
)
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dewarlog.records import Event

# Kinds of block that take over what a journal held. A shock block does not: the journal goes on.
_FROM_JOURNAL: Final = (layout.BLOCK_SAMPLES, layout.BLOCK_EVENTS)


@dataclass(frozen=True, slots=True)
class Integrity:
    """What the bytes prove."""

    intact: bool
    blocks: int
    lost_bytes: int
    sealed_bytes: int
    journal_samples: int
    last_chain: bytes
    first_bad: Finding | None
    stopped: bool  # the log ends with the board's own stop


@dataclass(slots=True)
class _Jump:
    """A place where block numbers jump although no byte is damaged."""

    offset: int
    first_seq: int
    last_seq: int
    first_sample: int
    end_sample: int | None  # None: no sample has come behind it yet
    number: int  # of the finding it may become
    misplaced: int = 0  # of the blocks missing here, so many stand further back

    @property
    def end(self) -> int:
        """Give the number behind the last sample missing here."""
        return self.first_sample if self.end_sample is None else self.end_sample

    @property
    def samples(self) -> int:
        """Give how many samples are missing here."""
        return self.end - self.first_sample


@dataclass(slots=True)
class _Stray:
    """Blocks that follow each other and do not belong where they stand."""

    code: str
    run: int
    first_seq: int
    last_seq: int
    offset: int
    end: int
    whole: bool  # it begins with the log's own first block

    def goes_on_with(self, code: str, block: Block) -> bool:
        return (self.code, self.run, self.last_seq + 1, self.end) == (
            code,
            block.run,
            block.block_seq,
            block.offset,
        )


@dataclass(slots=True)
class IntegrityCheck:
    """Takes every item of a log in file order."""

    _findings: list[Finding] = field(default_factory=list[Finding])
    _last: Block | None = None
    _first_chain: bytes | None = None
    _run: int | None = None
    _next_seq: int = 0
    _next_seq_from_journal: int = 0  # behind the last block that took over a journal
    _next_sample: int = 0
    _next_event: int = 0
    _lost: Lost | None = None
    _lost_bytes: int = 0
    _sealed_bytes: int = 0
    _blocks: int = 0
    _journal: JournalTail | None = None
    # What the log says last of samples given up: how many in all, and blocks before that word.
    _told_given_up: tuple[int, int] | None = None
    _given_up: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    _jumps: list[_Jump] = field(default_factory=list[_Jump])
    # Blocks are missing since the last that held samples, or events: the next may begin anywhere.
    _samples_open: bool = False
    _events_open: bool = False
    _stray: _Stray | None = None
    _stopped: bool = False
    _sealed: int = 0
    _signatures: int = 0
    _signed_blocks: int = 0
    _unknown: dict[str, int] = field(default_factory=dict[str, int])
    _chains: dict[int, bytes] = field(default_factory=lambda: {0: layout.CHAIN_START})
    _heads: dict[int, bool | None] = field(default_factory=dict[int, "bool | None"])
    _pins: dict[int, bool | None] = field(default_factory=dict[int, "bool | None"])

    @property
    def chains(self) -> Mapping[int, bytes]:
        """Give the chain value after so many blocks, wherever the log has that block."""
        return self._chains

    @property
    def pin_heads(self) -> Mapping[int, bool | None]:
        """By the number of a pin: does the head it names match this log? None: unknown."""
        return self._pins

    @property
    def handoff_heads(self) -> Mapping[int, bool | None]:
        """By the number of a handoff: does the head it names match this log? None: unknown."""
        return self._heads

    @property
    def given_up(self) -> Sequence[tuple[int, int]]:
        """Give (first sample, end) of what the board gave up for room; known once finished."""
        return self._given_up

    # --- feeding ------------------------------------------------------------------------------

    def feed(self, item: Block | Lost | JournalTail) -> bool:
        """Take the next item; True where its content continues the log and may be counted."""
        if not isinstance(item, Block):
            self._close_stray()
        if isinstance(item, Lost):
            self._lost_bytes += item.length
            if self._lost is not None:
                self._close_lost(None)
            self._lost = item
            return False
        if isinstance(item, Block):
            return self._block(item)
        return self._journal_tail(item)

    def _block(self, block: Block) -> bool:
        after_stray = self._stray is not None
        if not self._continues(block):
            return False
        self._blocks += 1
        self._sealed_bytes += block.length
        self._run = block.run
        if block.block_seq == 0:
            self._first_chain = block.chain
        after_loss = self._lost is not None
        if after_loss:
            self._close_lost(block)
        elif block.block_seq != self._next_seq:
            self._jump(block)
        elif block.chain_holds is False and not after_stray:
            # Behind blocks that do not belong there, the reader compared with the wrong one.
            self._add(
                Severity.BROKEN,
                "chain",
                f"Block {block.block_seq} does not follow the block before it: "
                "a block was replaced or changed.",
                block,
            )
        if after_loss or block.block_seq != self._next_seq:
            self._samples_open = self._events_open = True
        self._numbers(block)
        for problem in block.problems:
            self._add(
                Severity.BROKEN,
                "malformed",
                f"Block {problem.block_seq} has a good CRC but breaks the format: "
                f"{words.plain(problem.message)}.",
                block,
            )
        for section in block.unknown_sections:
            self._note_unknown(f"section kind {section}")
        self._sealed += block.key_index != 0
        self._events(block.events, block.block_seq)
        self._chains[block.block_seq + 1] = block.chain
        self._next_seq = block.block_seq + 1
        if block.kind in _FROM_JOURNAL:
            self._next_seq_from_journal = self._next_seq
        self._last = block
        return True

    def _continues(self, block: Block) -> bool:
        """Say whether a block belongs behind the last one; name it where it does not."""
        code = self._why_astray(block)
        if code is None:
            self._close_stray()
            return True
        stray = self._stray
        if stray is not None and stray.goes_on_with(code, block):
            stray.last_seq, stray.end = block.block_seq, block.offset + block.length
            return False
        self._close_stray()
        again = block.block_seq == 0 and block.chain == self._first_chain
        end = block.offset + block.length
        seq = block.block_seq
        self._stray = _Stray(code, block.run, seq, seq, block.offset, end, again)
        return False

    def _why_astray(self, block: Block) -> str | None:
        if self._run is None:
            return None
        if block.run != self._run:
            return "foreign-run"
        if block.block_seq >= self._next_seq:
            return None
        before = bisect.bisect_right(self._jumps, block.block_seq, key=lambda jump: jump.first_seq)
        jump = self._jumps[before - 1] if before else None
        if jump is None or block.block_seq > jump.last_seq:
            return "doubled"
        jump.misplaced += 1
        return "out-of-order"

    def _close_stray(self) -> None:
        """Name the blocks that do not belong where they stand, now that their end is known."""
        stray = self._stray
        self._stray = None
        if stray is None:
            return
        one = stray.first_seq == stray.last_seq
        which = f"lock {stray.first_seq}"
        if not one:
            which = f"locks {stray.first_seq} to {stray.last_seq}"
        where = f"bytes {stray.offset:,} to {stray.end:,}"
        if stray.code == "foreign-run":
            text = (
                f"{'A block' if one else 'Blocks'} of another run (run {stray.run}, b{which}; "
                f"{where}) {'stands' if one else 'stand'} in the log of run {self._run}."
            )
        elif stray.code == "out-of-order":
            text = (
                f"B{which} ({where}) {'stands' if one else 'stand'} behind blocks that follow "
                "later: the parts of the log were joined in the wrong order. Pull it again."
            )
        elif stray.whole and not one:
            text = (
                f"The file holds the same log a second time from byte {stray.offset:,} on "
                f"(b{which}); it was counted once."
            )
        else:
            text = f"B{which} ({where}) {'stands' if one else 'stand'} in the file a second time."
        self._findings.append(
            Finding(
                "integrity",
                Severity.BROKEN,
                stray.code,
                text,
                {
                    "first_byte": stray.offset,
                    "end_byte": stray.end,
                    "first_block": stray.first_seq,
                    "last_block": stray.last_seq,
                    "run": stray.run,
                },
                offset=stray.offset,
                block_seq=stray.first_seq,
            )
        )

    def _close_lost(self, block: Block | None) -> None:
        """Name the stretch that was lost, now that it is known what follows it."""
        lost = self._lost
        self._lost = None
        if lost is None:
            return
        where = f"bytes {lost.offset:,} to {lost.offset + lost.length:,}"
        evidence: dict[str, int | float | str | bool | None] = {
            "first_byte": lost.offset,
            "end_byte": lost.offset + lost.length,
            "first_block": self._next_seq,
        }
        if lost.why == "incomplete":
            self._findings.append(
                Finding(
                    "integrity",
                    Severity.BROKEN,
                    "incomplete",
                    f"The log is incomplete: the file ends inside block {self._next_seq} "
                    f"({where}). Pull it again.",
                    evidence,
                    offset=lost.offset,
                    block_seq=self._next_seq,
                )
            )
            return
        text = f"The log is damaged at {where}"
        if block is None:
            text += f": block {self._next_seq} and anything after it cannot be read"
        elif block.block_seq > self._next_seq:
            last = block.block_seq - 1
            evidence["last_block"] = last
            text += (
                f": block {last} is lost"
                if last == self._next_seq
                else (f": blocks {self._next_seq} to {last} are lost")
            )
            if block.span is not None and block.span.first_sample > self._next_sample:
                evidence["first_sample"] = self._next_sample
                evidence["last_sample"] = block.span.first_sample - 1
                text += f", with samples {self._next_sample:,} to {block.span.first_sample - 1:,}"
        elif self._last is None:
            text += ", before its first block"
        else:
            text += ", between two blocks that follow each other"
        self._findings.append(
            Finding(
                "integrity",
                Severity.BROKEN,
                "corrupt",
                f"{text}.",
                evidence,
                offset=lost.offset,
                block_seq=self._next_seq,
            )
        )

    def _jump(self, block: Block) -> None:
        last = block.block_seq - 1
        missing = (
            f"Block {last} is"
            if last == self._next_seq
            else (f"Blocks {self._next_seq} to {last} are")
        )
        jump = _Jump(
            block.offset, self._next_seq, last, self._next_sample, None, len(self._findings)
        )
        if block.span is not None:
            jump.end_sample = max(jump.first_sample, block.span.first_sample)
        start = "The beginning of the log is missing. " if self._last is None else ""
        self._jumps.append(jump)
        self._findings.append(
            Finding(
                "integrity",
                Severity.BROKEN,
                "blocks-missing",
                f"{start}{missing} not in the file.",
                {"first_block": self._next_seq, "last_block": last, "samples": jump.samples},
                offset=block.offset,
                block_seq=self._next_seq,
            )
        )

    def _numbers(self, block: Block) -> None:
        """Hold sample and event numbers against those before; a loss has been named already."""
        span = block.span
        if span is not None:
            if self._samples_open:
                self._samples_open = False
                self._end_jump(span.first_sample)
            elif span.first_sample != self._next_sample:
                self._add(
                    Severity.BROKEN,
                    "sample-sequence",
                    f"Block {block.block_seq} begins with sample {span.first_sample:,} where "
                    f"sample {self._next_sample:,} should stand.",
                    block,
                )
            self._next_sample = span.end_sample
        if block.first_event is not None:
            if self._events_open:
                self._events_open = False
            elif block.first_event != self._next_event:
                self._add(
                    Severity.BROKEN,
                    "event-sequence",
                    f"Block {block.block_seq} begins with event {block.first_event:,} where "
                    f"event {self._next_event:,} should stand.",
                    block,
                )
            self._next_event = block.first_event + len(block.events)

    def _end_jump(self, first_sample: int) -> None:
        """Where no block behind a jump held samples so far, these tell how many are missing."""
        if self._jumps and self._jumps[-1].end_sample is None:
            jump = self._jumps[-1]
            jump.end_sample = max(jump.first_sample, first_sample)

    def _events(self, events: tuple[Event, ...], blocks: int) -> None:
        """Take events that stand behind the first `blocks` blocks of the log."""
        for event in events:
            if isinstance(event, GapEvent) and event.cause == layout.GAP_OVERWRITTEN:
                self._told_given_up = (event.missed, blocks)
            elif isinstance(event, UnknownEvent):
                self._note_unknown(f"event kind {event.kind}")
            elif isinstance(event, HandoffEvent | PinEvent):
                self._head(event, blocks)
            elif isinstance(event, SignatureEvent):
                self._signatures += 1
                self._signed_blocks = max(self._signed_blocks, event.blocks)
            self._stopped = isinstance(event, StopEvent)

    def _head(self, event: HandoffEvent | PinEvent, blocks: int) -> None:
        """Hold the head of the log that a handoff or a pin names against the log's own chain."""
        chain = self._chains.get(event.blocks)
        holds = None if chain is None and event.blocks <= blocks else chain == event.chain
        (self._heads if isinstance(event, HandoffEvent) else self._pins)[event.number] = holds
        if holds is not False:
            return
        if isinstance(event, HandoffEvent):
            code, then = "handoff-head", "checked then"
            who = f"The handoff to {words.plain(event.receiver) or 'nobody'}"
        else:
            code, then = "pin-head", "pinned then"
            who = "The pin of a custody step"
        self._findings.append(
            Finding(
                "integrity",
                Severity.BROKEN,
                code,
                f"{who} (event {event.number}) names another log than this one: after "
                f"{words.plural(event.blocks, 'block')} the chain is not what was {then}.",
                {"event": event.number, "blocks": event.blocks},
                block_seq=blocks,
                start=Moment(event.boot, event.uptime_ms),
            )
        )

    def _note_unknown(self, what: str) -> None:
        self._unknown[what] = self._unknown.get(what, 0) + 1

    def _journal_tail(self, tail: JournalTail) -> bool:
        if self._lost is not None:
            self._close_lost(None)
        if tail.torn_bytes:
            self._findings.append(
                Finding(
                    "integrity",
                    Severity.BROKEN,
                    "journal-torn",
                    f"The log is incomplete: its newest {words.plural(tail.torn_bytes, 'byte')}, "
                    "in the part not yet sealed, cannot be read. Pull it again.",
                    {"torn_bytes": tail.torn_bytes},
                    offset=tail.offset + tail.length - tail.torn_bytes,
                    block_seq=tail.block_seq,
                )
            )
        if tail.problem is not None:
            self._findings.append(
                Finding(
                    "integrity",
                    Severity.BROKEN,
                    "journal-malformed",
                    f"The part not yet sealed breaks the format: {words.plain(tail.problem)}.",
                    offset=tail.offset,
                    block_seq=tail.block_seq,
                )
            )
        if self._run is not None and tail.run != self._run:
            self._findings.append(
                Finding(
                    "integrity",
                    Severity.BROKEN,
                    "foreign-run",
                    f"The journal of another run (run {tail.run}) stands in this log.",
                    offset=tail.offset,
                )
            )
            return False
        if tail.block_seq < self._next_seq_from_journal or self._journal is not None:
            return False  # sealed since it was written: the blocks already say what it says
        if tail.block_seq > self._next_seq and self._blocks:
            self._findings.append(
                Finding(
                    "integrity",
                    Severity.BROKEN,
                    "blocks-missing",
                    f"Blocks {self._next_seq} to {tail.block_seq - 1} are not in the file.",
                    {"first_block": self._next_seq, "last_block": tail.block_seq - 1},
                    offset=tail.offset,
                    block_seq=self._next_seq,
                )
            )
        self._journal = tail
        if tail.span is not None:
            self._end_jump(tail.span.first_sample)
        self._events(tail.events, tail.block_seq)
        return True

    def _add(self, severity: Severity, code: str, message: str, block: Block) -> None:
        self._findings.append(
            Finding(
                "integrity",
                severity,
                code,
                message,
                offset=block.offset,
                block_seq=block.block_seq,
            )
        )

    # --- the end ------------------------------------------------------------------------------

    def add(self, finding: Finding) -> None:
        """Take what another look at the whole file has found."""
        self._findings.append(finding)

    def finish(self) -> tuple[Integrity, tuple[Finding, ...]]:
        """Give what the bytes prove, and every finding."""
        self._close_stray()
        if self._lost is not None:
            self._close_lost(None)
        self._settle_overwritten()
        self._settle_misplaced()
        findings = self._findings
        broken = [item for item in findings if item.severity is Severity.BROKEN]
        journal_samples = 0
        if self._journal is not None and self._journal.span is not None:
            journal_samples = self._journal.span.count
        integrity = Integrity(
            intact=not broken,
            blocks=self._blocks,
            lost_bytes=self._lost_bytes,
            sealed_bytes=self._sealed_bytes,
            journal_samples=journal_samples,
            last_chain=layout.CHAIN_START if self._last is None else self._last.chain,
            first_bad=min(broken, key=_place) if broken else None,
            stopped=self._stopped,
        )
        return integrity, (*findings, *self._notes(integrity))

    def _settle_overwritten(self) -> None:
        """Where the board says it overwrote its oldest samples, a jump among them is a known loss.

        They follow each other behind its first segment, which stays, so none lies further behind
        the first jump than samples were given up; a log joined from several pulls may have more
        jumps than one. The board tells before it does: its word stands behind each of them.
        """
        jumps = [jump for jump in self._jumps if jump.first_seq]
        if not jumps or self._told_given_up is None:
            return
        samples, blocks = self._told_given_up
        for jump in jumps:
            # A segment of events and shock windows alone holds no samples, and is told as well.
            if jump.end - jumps[0].first_sample > samples or jump.last_seq >= blocks:
                continue
            self._given_up.append((jump.first_sample, jump.end))
            old = self._findings[jump.number]
            self._findings[jump.number] = Finding(
                "integrity",
                Severity.HOLD,
                "overwritten",
                f"The board's memory was full: it gave up blocks {jump.first_seq} to "
                f"{jump.last_seq} to go on recording.",
                {**old.evidence, "samples": jump.samples},
                offset=jump.offset,
                block_seq=jump.first_seq,
            )

    def _settle_misplaced(self) -> None:
        """Where all blocks that seemed to be missing came later, they are not missing."""
        explained = {
            jump.number
            for jump in self._jumps
            if jump.misplaced > jump.last_seq - jump.first_seq
            and self._findings[jump.number].code == "blocks-missing"
        }
        self._findings = [
            finding for at, finding in enumerate(self._findings) if at not in explained
        ]

    def _notes(self, integrity: Integrity) -> list[Finding]:
        notes: list[Finding] = []
        for what, count in sorted(self._unknown.items()):
            notes.append(
                Finding(
                    "integrity",
                    Severity.INFO,
                    "unknown",
                    f"{what[0].upper()}{what[1:]} ({words.plural(count, 'time')}) is not known to "
                    "this program: not read. A newer one may say more.",
                    {"count": count},
                )
            )
        if integrity.journal_samples:
            notes.append(
                Finding(
                    "integrity",
                    Severity.INFO,
                    "not-yet-sealed",
                    f"The newest {words.plural(integrity.journal_samples, 'sample')} were not yet "
                    "sealed when the log was pulled: their CRCs hold, the chain does not cover "
                    "them.",
                    {"samples": integrity.journal_samples},
                )
            )
        if not integrity.stopped and self._last is not None:
            notes.append(
                Finding(
                    "integrity",
                    Severity.INFO,
                    "still-recording",
                    "The log does not end with a stop: it was pulled while the run went on, or "
                    f"its end is missing. Its last block is {self._next_seq - 1}.",
                    {"last_block": self._next_seq - 1},
                )
            )
        if self._blocks:
            notes.append(self._proof_note())
        return notes

    def _proof_note(self) -> Finding:
        """Say what proof the log carries; none of it is checked here, where no key is."""
        evidence = {
            "sealed_blocks": self._sealed,
            "signatures": self._signatures,
            "signed_blocks": self._signed_blocks,
        }
        signed = ""
        if self._signatures:
            signed = f"a signature names its first {words.plural(self._signed_blocks, 'block')}"
        if self._sealed < self._blocks:
            which = "No sealing key was in use"
            if self._sealed:
                which = f"{self._blocks - self._sealed} of {self._blocks} blocks have no seal"
            text = (
                f"{which}: the checks show that nothing was changed by accident, not who wrote it."
            )
            if signed:
                text += f" But {signed}: `dewarlog verify` checks that by its certificate."
            return Finding("integrity", Severity.INFO, "no-sealing-key", text, evidence)
        # Not "is sealed": nobody who holds no state may say that (protocol/SPEC.md 4.9).
        text = "Every block carries a seal"
        text += f", and {signed}" if signed else ", and nothing is signed"
        text += ". Who wrote it is not checked here: `dewarlog verify` does, by the keys it has."
        return Finding("integrity", Severity.INFO, "proof-not-checked", text, evidence)


def _place(finding: Finding) -> int:
    return finding.offset if finding.offset is not None else 1 << 62
