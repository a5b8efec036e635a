"""What is proved of a log, by which key, over which blocks; and what is not.

On log_facts, receipt and signatures; below cli_verify. One function a claim. Whoever reads the
answer trusts neither the courier nor the board as it is now: protocol/DESIGN.md "Trust" says what
each key is worth, and what a captured board can still make up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dewarlog import words
from dewarlog.claims import Claim, Standing, Verified, joined
from dewarlog.log_facts import read_facts
from dewarlog.receipt import differences, signed_words
from dewarlog.seals import Worth, stretch_words
from dewarlog.signatures import signature_holds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dewarlog.certificate import Certificate
    from dewarlog.log_facts import LogFacts, SignedHere
    from dewarlog.pull import FiledLog
    from dewarlog.receipt import Receipt
    from dewarlog.session import SealState

_PROVED, _OPEN, _WRONG = Standing.PROVED, Standing.NOT_PROVED, Standing.CONTRADICTED
_NEEDS_CERTIFICATE: Final = "the logger's device certificate (--certificate), from its owner"
_NEEDS_SEAL: Final = "a state of the sealing key that its owner took before this log began"
_NEEDS_RECEIPT_KEY: Final = "the logger's receipt key, which its owner has"
_NEEDS_BOARD: Final = "the logger itself: pull it again"
# Findings of integrity by what they contradict; what is not named here is the order's.
_OF_BYTES: Final = frozenset(
    {"corrupt", "incomplete", "journal-torn", "malformed", "journal-malformed"}
)
_OF_HEADS: Final = frozenset({"handoff-head", "pin-head"})


@dataclass(frozen=True, slots=True)
class Proofs:
    """What is here to hold a log against; each may be missing."""

    certificate: Certificate | None = None
    seal_state: SealState | None = None
    receipt_key: bytes | None = None
    receipts: tuple[tuple[str, Receipt], ...] = ()
    """Each with the name of its file."""
    previous: Path | None = None
    """The log of the run before on the same board."""
    filed: tuple[FiledLog, ...] = ()
    """What this computer's archive holds of this board."""


def verify_log(path: Path, proofs: Proofs) -> Verified:
    """Hold a log against everything that is here.

    Raises:
        LogError: the log, or the one before it, is none or of a newer format.
        ArchiveError: one of them cannot be read.
    """
    facts = read_facts(path, proofs.seal_state)
    course = _Course(facts, proofs)
    return Verified(
        path=path,
        sha256=facts.sha256,
        run=facts.run,
        blocks=facts.integrity.blocks,
        claims=tuple(course.claims()),
    )


class _Course:
    """The claims about one log, in the order in which they are told."""

    def __init__(self, facts: LogFacts, proofs: Proofs) -> None:
        self.facts = facts
        self.proofs = proofs
        self.device_id = None if facts.run is None else facts.run.device_id
        self.certificate = proofs.certificate
        if self.certificate is not None and self.device_id not in (
            None,
            self.certificate.device_id,
        ):
            self.certificate = (
                None  # of another board: it says nothing about this log's signatures
            )

    def claims(self) -> Iterator[Claim]:
        yield from self._bytes()
        yield from self._order()
        yield from self._heads()
        yield from self._device()
        yield from self._sealed()
        yield from self._signed()
        for name, receipt in self.proofs.receipts:
            yield from self._receipt(name, receipt)
        yield from self._previous()
        yield from self._end()
        yield from self._copy()

    # --- what needs no key --------------------------------------------------------------------

    def _broken(self, wanted: frozenset[str] | None) -> list[Claim]:
        """Make a claim of each fault that integrity found; None: those of no other claim."""
        code = "order"
        if wanted is not None:
            code = "bytes" if wanted is _OF_BYTES else "heads"
        return [
            Claim(
                code,
                _WRONG,
                finding.message,
                block_seq=finding.block_seq,
                offset=finding.offset
                if finding.offset is not None or finding.block_seq is None
                else self.facts.offsets.get(finding.block_seq),
                evidence={"finding": finding.code, **finding.evidence},
            )
            for finding in self.facts.findings
            if finding.severity == "broken"
            and (
                finding.code in wanted
                if wanted is not None
                else finding.code not in _OF_BYTES | _OF_HEADS
            )
        ]

    def _all_blocks(self) -> tuple[int, int] | None:
        return (0, self.facts.last_block) if self.facts.blocks else None

    def _bytes(self) -> Iterator[Claim]:
        wrong = self._broken(_OF_BYTES)
        yield from wrong
        if wrong:
            return
        held = self.facts.integrity
        yield Claim(
            "bytes",
            _PROVED,
            f"Every byte of {words.plural(held.blocks, 'block')} is as it was written: all check "
            "sums hold. That excludes accidents; whoever changes a log on purpose makes new ones.",
            blocks=self._all_blocks(),
        )

    def _order(self) -> Iterator[Claim]:
        wrong = self._broken(None)
        yield from wrong
        given_up = [item for item in self.facts.findings if item.code == "overwritten"]
        for finding in given_up:
            yield Claim(
                "order",
                _OPEN,
                f"{finding.message} Nothing here says what stood in them.",
                needs="a pull made before that",
                block_seq=finding.block_seq,
                offset=finding.offset,
            )
        if wrong or not self.facts.blocks:
            return
        yield Claim(
            "order",
            _PROVED,
            "No block was taken out, put in, changed or moved on its own: each follows from the "
            "one before by its SHA-256. Whoever makes the whole log anew can make that fit too.",
            blocks=self._all_blocks(),
        )

    def _heads(self) -> Iterator[Claim]:
        wrong = self._broken(_OF_HEADS)
        yield from wrong
        heads = self.facts.heads
        if not heads:
            return
        lost = sum(holds is None for holds in heads.values())
        if lost:
            yield Claim(
                "heads",
                _OPEN,
                f"{words.plural(lost, 'custody record')} name blocks that are not in this log.",
                needs="the missing blocks",
            )
        right = sum(holds is True for holds in heads.values())
        if right and not wrong:
            yield Claim(
                "heads",
                _PROVED,
                f"{words.plural(right, 'handoff or pin', 'handoffs and pins')} in the log name "
                "its head as it was then, and it is this log's.",
            )

    def _device(self) -> Iterator[Claim]:
        run, certificate = self.facts.run, self.proofs.certificate
        if run is None:
            yield Claim(
                "device",
                _OPEN,
                "The log does not say which logger's it is: its first block is not here.",
                needs="its first block",
            )
            return
        name = run.device_id.hex()
        if certificate is not None and certificate.device_id != run.device_id:
            yield Claim(
                "device",
                _WRONG,
                f"The log says it is of logger {name}, the certificate is of logger "
                f"{certificate.device_id.hex()}: this is not the log of that logger.",
                block_seq=0,
                offset=self.facts.offsets.get(0),
            )
            return
        yield Claim(
            "device",
            _OPEN,
            f"The log says of itself: logger {name}, run {run.run}, log {run.log_id.hex()}. "
            "By itself that proves nothing; a signature or a seal below does.",
            needs=None if certificate is not None else _NEEDS_CERTIFICATE,
        )

    # --- the seal -----------------------------------------------------------------------------

    def _sealed(self) -> Iterator[Claim]:
        facts, seals, held = self.facts, self.facts.seals, self.proofs.seal_state
        for trouble in seals.troubles:
            proven = seals.worth(Worth.PROVEN)
            before = f" Proven: {stretch_words(proven)}." if proven else ""
            yield Claim(
                "sealed",
                _WRONG,
                trouble.message + (before if trouble.code == "wrong-tag" else ""),
                block_seq=trouble.block_seq,
                offset=trouble.offset,
                evidence={"finding": trouble.code},
            )
        if not facts.blocks:
            return
        if not seals.sealed:
            yield self._never_sealed()
            return
        if held is None:
            yield Claim(
                "sealed",
                _OPEN,
                f"{_capital(stretch_words(seals.worth(Worth.NO_STATE)))} carry seals. Without a "
                "state of the sealing key nobody can tell whether they are right.",
                needs=_NEEDS_SEAL,
            )
            return
        proven = seals.worth(Worth.PROVEN)
        if proven:
            yield Claim(
                "sealed",
                _PROVED,
                f"The logger sealed {stretch_words(proven)}, and no byte up to there was changed "
                "since: the keys that sealed them were gone from the logger at once, so that not "
                "even who opens it can make these seals again.",
                by=f"sealing key, from the state held here (key {held.key_index}) on",
                keyed=True,
                blocks=(proven[0].first_seq, proven[-1].last_seq),
            )
        yield from self._not_judged()

    def _never_sealed(self) -> Claim:
        seals, held = self.facts.seals, self.proofs.seal_state
        if held is not None and not seals.lost_keys:
            return Claim(
                "sealed",
                _WRONG,
                "No block has a seal, though this logger had a sealing key (its state at key "
                f"{held.key_index} is held here) and does not say that it lost it: the seals "
                "were taken away, or the log is older than the key.",
                block_seq=0,
                offset=self.facts.offsets.get(0),
            )
        lost = " The logger says that it lost its sealing key." if seals.lost_keys else ""
        return Claim(
            "sealed",
            _OPEN,
            f"No block has a seal.{lost} Only a signature can show that nothing was changed.",
            needs=_NEEDS_CERTIFICATE if self.certificate is None else None,
        )

    def _not_judged(self) -> Iterator[Claim]:
        """Tell of the blocks that the state held says nothing about."""
        seals, held = self.facts.seals, self.proofs.seal_state
        index = 0 if held is None else held.key_index
        why = {
            Worth.BEFORE_STATE: f"were sealed before the state held here (key {index}), or by "
            "another key: it cannot judge them",
            Worth.OTHER_KEY: "were sealed by another key than the one held here: the logger says "
            "that it made a new one. So would somebody who has not got the old one",
            Worth.UNSEALED: "have no seal: the logger says that it lost its key. So would "
            "somebody who has not got it",
        }
        for worth, text in why.items():
            stretches = seals.worth(worth)
            if stretches:
                yield Claim(
                    "sealed",
                    _OPEN,
                    f"{_capital(stretch_words(stretches))} {text}.",
                    blocks=(stretches[0].first_seq, stretches[-1].last_seq),
                    needs=_NEEDS_SEAL,
                )
        if self.facts.journal_from is not None:
            yield Claim(
                "sealed",
                _OPEN,
                "The newest records stand in no block yet: nothing seals or signs them.",
                needs="a pull that has the logger seal them first (without --no-seal)",
                offset=self.facts.journal_from,
            )

    # --- signatures ---------------------------------------------------------------------------

    def _signed(self) -> Iterator[Claim]:
        here = self.facts.signatures
        if not here:
            yield Claim("signed", _OPEN, "No signature stands in this log.", needs=_needs_sign())
            return
        if self.certificate is None:
            newest = max(one.blocks for one in here)
            yield Claim(
                "signed",
                _OPEN,
                f"{words.plural(len(here), 'signature')} {'stand' if len(here) > 1 else 'stands'} "
                f"in the log; the newest names its first {words.plural(newest, 'block')}.",
                needs=_NEEDS_CERTIFICATE,
            )
            return
        good: SignedHere | None = None
        for one in sorted(here, key=lambda one: one.blocks):
            if one.signed is None:
                yield Claim(
                    "signed",
                    _OPEN,
                    f"The signature of event {one.event} names {words.plural(one.blocks, 'block')}"
                    ", the last of which is not in this log.",
                    needs="the missing blocks",
                )
            elif signature_holds(self.certificate, one.signed):
                good = one
            else:
                yield self._not_signed(one, good)
                break
        if good is not None and good.signed is not None:
            yield from self._signed_up_to(good)

    def _not_signed(self, bad: SignedHere, good: SignedHere | None) -> Claim:
        """Say where the log stops being what was signed."""
        first = 0 if good is None else good.blocks
        last = max(bad.blocks - 1, first)
        which = f"block {first}" if first == last else f"a block from {first} to {last}"
        return Claim(
            "signed",
            _WRONG,
            f"The signature of event {bad.event} does not hold by the certificate: {which} is not "
            "what the logger signed, or another logger, or nobody, signed it.",
            block_seq=first,
            offset=self.facts.offsets.get(first),
            evidence={"event": bad.event},
        )

    def _signed_up_to(self, newest: SignedHere) -> Iterator[Claim]:
        assert newest.signed is not None  # noqa: S101 - a signature without a head never holds
        assert self.certificate is not None  # noqa: S101 - nor without a certificate
        last = newest.blocks - 1
        asked = self._asked_by(newest)
        yield Claim(
            "signed",
            _PROVED,
            f"Logger {self.certificate.device_id.hex()} signed {signed_words(newest.signed)}: "
            f"nothing in blocks 0 to {last} was changed since then.{asked}",
            by=f"device certificate {self.certificate.fingerprint}",
            keyed=True,
            blocks=(0, last),
            evidence={"event": newest.event, "nonce": newest.signed.nonce.hex()},
        )
        if last < self.facts.last_block:
            yield Claim(
                "signed",
                _OPEN,
                f"Blocks {last + 1} to {self.facts.last_block} came after the newest signature: "
                "they are not signed.",
                blocks=(last + 1, self.facts.last_block),
                needs=_needs_sign(),
            )

    def _asked_by(self, newest: SignedHere) -> str:
        """Say for whom it was signed, where a receipt here tells."""
        nonce = None if newest.signed is None else newest.signed.nonce
        for name, receipt in self.proofs.receipts:
            if receipt.signed is not None and receipt.signed.nonce == nonce:
                return f" It answers the question of {words.plain(name)}."
        return ""

    # --- receipts -----------------------------------------------------------------------------

    def _receipt(self, name: str, receipt: Receipt) -> Iterator[Claim]:
        name = words.plain(name)
        wrong = list(self._against_log(name, receipt))
        yield from wrong
        key = self.proofs.receipt_key
        if key is None:
            yield Claim(
                "receipt",
                _OPEN,
                f"{name}: that the logger made it.",
                needs=_NEEDS_RECEIPT_KEY,
            )
        elif receipt.tag_holds(key):
            yield Claim(
                "receipt",
                _PROVED,
                f"{name}: the logger recorded this handoff as event {receipt.recorded.number}, of "
                f"{words.plural(receipt.handoff.blocks, 'block')}"
                + ("." if wrong else ", and this log holds it, word for word."),
                by="receipt key",
                keyed=True,
                blocks=None if wrong else _first(receipt.handoff.blocks),
            )
        else:
            yield Claim(
                "receipt",
                _WRONG,
                f"{name}: its tag was not made with the logger's receipt key over these words: "
                "the receipt was forged or changed.",
            )
        yield from self._receipt_signed(name, receipt, in_log=not wrong)

    def _receipt_signed(self, name: str, receipt: Receipt, *, in_log: bool) -> Iterator[Claim]:
        signed, certificate = receipt.signed, self.proofs.certificate
        if signed is None or certificate is None:
            return
        if certificate.device_id != receipt.device_id or not signature_holds(certificate, signed):
            yield Claim(
                "receipt",
                _WRONG,
                f"{name}: its signature does not hold by the certificate: it was forged, changed, "
                "or is another logger's.",
            )
            return
        text = f"{name}: logger {certificate.device_id.hex()} signed {signed_words(signed)}"
        yield Claim(
            "receipt",
            _PROVED,
            text + (", and they are this log's." if in_log else "; this log's they are not."),
            by=f"device certificate {certificate.fingerprint}",
            keyed=True,
            blocks=_first(signed.blocks) if in_log else None,
        )

    def _against_log(self, name: str, receipt: Receipt) -> Iterator[Claim]:
        """Hold a receipt against the log: the same log, not shorter, and the same words."""
        run = self.facts.run
        if run is not None:
            ours = (run.device_id, run.log_id, run.run)
            theirs = (receipt.device_id, receipt.log_id, receipt.recorded.run)
            if ours != theirs:
                yield Claim(
                    "receipt",
                    _WRONG,
                    f"{name} is of another log: logger {receipt.device_id.hex()}, run "
                    f"{receipt.recorded.run}, log {receipt.log_id.hex()}. What was handed over is "
                    "not what is here.",
                    block_seq=0,
                    offset=self.facts.offsets.get(0),
                )
                return
        for blocks, chain in _heads_of(receipt):
            yield from self._reaches(name, blocks, chain)
        number = receipt.recorded.number
        if number > self.facts.last_event:
            yield Claim(
                "end",
                _WRONG,
                f"The log was cut, or is an older copy: {name} says that event {number} was "
                f"recorded in it, and it ends before. Pull it again.",
                block_seq=self.facts.blocks,
                evidence={"event": number},
            )
            return
        event = self.facts.handoffs.get(number)
        if event is None:
            yield Claim(
                "receipt",
                _WRONG,
                f"{name}: event {number} of this log is not that handoff.",
                evidence={"event": number},
            )
            return
        for field, reason in differences(receipt.handoff, event).items():
            text = f"{name}, field {field}: {words.plain(reason)}."
            yield Claim("receipt", _WRONG, text, evidence={"event": number, "field": field})

    def _reaches(self, witness: str, blocks: int, chain: bytes) -> Iterator[Claim]:
        """Hold the log against somebody who saw its head after so many blocks."""
        facts = self.facts
        ours = facts.chains.get(blocks)
        if ours == chain:
            return
        if blocks > facts.blocks:
            yield Claim(
                "end",
                _WRONG,
                f"The log was cut, or is an older copy: {witness} names "
                f"{words.plural(blocks, 'block')}, here are {facts.blocks}. Pull it again.",
                block_seq=facts.blocks,
                evidence={"blocks": blocks},
            )
        elif ours is None:
            yield Claim(
                "end",
                _OPEN,
                f"Whether this is what {witness} names: its block {blocks - 1} is not readable "
                "here.",
                needs="the missing blocks",
            )
        else:
            yield Claim(
                "end",
                _WRONG,
                f"This is another log than the one {witness} names: a block from 0 to "
                f"{blocks - 1} was changed since.",
                block_seq=0,
                offset=facts.offsets.get(0),
                evidence={"blocks": blocks},
            )

    # --- its ends -----------------------------------------------------------------------------

    def _previous(self) -> Iterator[Claim]:
        if self.proofs.previous is None:
            return
        before = read_facts(self.proofs.previous, self.proofs.seal_state)
        ours, theirs = self.facts.run, before.run
        name = words.plain(self.proofs.previous.name)
        if ours is None or theirs is None:
            needs = "the first blocks of both logs"
            text = f"Whether {name} is the run before: a log does not say which it is."
            yield Claim("previous", _OPEN, text, needs=needs)
            return
        if ours.device_id != theirs.device_id or ours.run <= theirs.run:
            yield Claim(
                "previous",
                _WRONG,
                f"{name} is no earlier run of this logger: it is run {theirs.run} of logger "
                f"{theirs.device_id.hex()}, this is run {ours.run} of {ours.device_id.hex()}.",
                block_seq=0,
                offset=self.facts.offsets.get(0),
            )
            return
        yield from self._continues(name, before, between=ours.run - theirs.run - 1)

    def _continues(self, name: str, before: LogFacts, *, between: int) -> Iterator[Claim]:
        """Hold the first key index against the last of the run before (SPEC 4.9.6)."""
        first, last = self.facts.seals.first_index, before.seals.last_index
        if not first or not last:
            text = f"That nothing is missing between {name} and this log: one has no seals there."
            yield Claim("previous", _OPEN, text)
            return
        if self.facts.seals.begins_with_new_key:
            yield Claim(
                "previous",
                _OPEN,
                f"That nothing is missing between {name} and this log: the logger says that it "
                "made a new sealing key, which counts anew.",
            )
            return
        missing = first - last - 1
        runs = f" ({words.plural(between, 'run')} of which lie between)" if between else ""
        if missing > 0:
            yield Claim(
                "previous",
                _OPEN if between else _WRONG,
                f"{words.plural(missing, 'block')}{runs} {'are' if missing > 1 else 'is'} missing "
                f"behind the end of {name}: it ends with seal {last}, this log begins with "
                f"{first}.",
                needs="the runs between" if between else None,
                evidence={"missing_blocks": missing},
            )
        elif missing < 0:
            yield Claim(
                "previous",
                _WRONG,
                f"This log begins with seal {first}, though {name}, of an earlier run, goes on to "
                f"{last}: one of them is not what the logger wrote.",
                block_seq=0,
                offset=self.facts.offsets.get(0),
            )
        else:
            sealed = _proves(before, before.last_block) and _proves(self.facts, 0)
            yield Claim(
                "previous",
                _PROVED if sealed else _OPEN,
                f"No block is missing between the end of {name} (seal {last}) and this log "
                f"(seal {first})"
                + ("." if sealed else ", if these numbers are true: the seals are not checked."),
                by="sealing key" if sealed else None,
                keyed=sealed,
                needs=None if sealed else _NEEDS_SEAL,
            )

    def _end(self) -> Iterator[Claim]:
        if self.facts.stopped_by_command:
            yield Claim(
                "end",
                _PROVED,
                "The run ended where the log ends: its last event is the logger's own stop"
                + (
                    "."
                    if _proves(self.facts, self.facts.last_block)
                    else ", if its last block is the logger's."
                ),
                blocks=(self.facts.last_block, self.facts.last_block),
            )
        else:
            yield Claim(
                "end",
                _OPEN,
                "That nothing came after: the log does not end with the logger's own stop, so it "
                "may have been cut behind the last block that a receipt or a signature names.",
                needs=_NEEDS_BOARD,
            )

    def _copy(self) -> Iterator[Claim]:
        run = self.facts.run
        if run is None:
            return
        same = [log for log in self.proofs.filed if (log.run, log.log_id) == (run.run, run.log_id)]
        newer = sorted({log.run for log in self.proofs.filed if log.run > run.run})
        for log in same:
            name = f"the copy filed on this computer ({words.plain(log.path.name)})"
            wrong = [_as_copy(claim) for claim in self._reaches(name, log.blocks, log.chain)]
            yield from wrong
            if wrong:
                return
        if newer:
            runs = joined(str(number) for number in newer)
            yield Claim(
                "copy",
                _OPEN,
                f"That this is the newest run: this computer holds run{'s' * (len(newer) > 1)} "
                f"{runs} of this logger too. See that it is the run you are asked to judge.",
                evidence={"newest_run": newer[-1]},
            )
        elif same:
            most = max(log.blocks for log in same)
            yield Claim(
                "copy",
                _PROVED,
                f"The copy filed on this computer has no more: {words.plural(most, 'block')}.",
                by="this computer's archive",
            )
        else:
            yield Claim(
                "copy",
                _OPEN,
                "That this is no older copy: this computer holds no other one of it.",
                needs=_NEEDS_BOARD,
            )


# --- parts ---------------------------------------------------------------------------------------


def _needs_sign() -> str:
    return "a handoff or a pull that has the logger sign its log"


def _first(blocks: int) -> tuple[int, int] | None:
    return (0, blocks - 1) if blocks else None


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _as_copy(claim: Claim) -> Claim:
    return Claim(
        "copy",
        claim.standing,
        claim.text,
        needs=claim.needs,
        block_seq=claim.block_seq,
        offset=claim.offset,
        evidence=claim.evidence,
    )


def _heads_of(receipt: Receipt) -> Iterator[tuple[int, bytes]]:
    yield receipt.handoff.blocks, receipt.handoff.chain
    if receipt.signed is not None:
        yield receipt.signed.blocks, receipt.signed.chain


def _proves(facts: LogFacts, block_seq: int) -> bool:
    """Say whether the seal of this block is proven."""
    return any(
        one.first_seq <= block_seq <= one.last_seq for one in facts.seals.worth(Worth.PROVEN)
    )
