"""Claims by what stands outside the log: receipts, the run before, the copies filed here.

Beside whole and by_keys, on case. Nothing in a log can say that its end is missing; who saw its
head can, and so can the seals of the run that followed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from dewarlog import words
from dewarlog.receipt import differences, signed_words
from dewarlog.seals import Worth
from dewarlog.signatures import signature_holds
from dewarlog.verify.case import NEEDS_SEAL
from dewarlog.verify.claims import Claim, Standing, joined
from dewarlog.verify.log_facts import read_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dewarlog.receipt import Receipt
    from dewarlog.verify.case import Case
    from dewarlog.verify.log_facts import LogFacts

_PROVED, _OPEN, _WRONG = Standing.PROVED, Standing.NOT_PROVED, Standing.CONTRADICTED
_NEEDS_RECEIPT_KEY: Final = "the logger's receipt key, which its owner has"
_NEEDS_BOARD: Final = "the logger itself: pull it again"
_WHOSE: Final = {
    True: ", and they are this log's.",
    False: "; this log's they are not.",
    None: "; whether they are this log's cannot be seen here.",
}


# --- receipts -----------------------------------------------------------------------------------


def receipt_claims(case: Case, name: str, receipt: Receipt) -> Iterator[Claim]:
    """Hold a receipt against the log, its tag against the receipt key, its signature too."""
    name = words.plain(name)
    held = list(_against_log(case, name, receipt))
    yield from held
    # What cannot be compared is neither this log's nor another's.
    wrong = any(claim.standing is _WRONG for claim in held)
    is_ours = None if held and not wrong else not wrong
    key = case.proofs.receipt_key
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
            + (", and this log holds it, word for word." if is_ours else "."),
            by="receipt key",
            keyed=True,
            blocks=case.facts.covered(receipt.handoff.blocks) if is_ours else None,
        )
    else:
        yield Claim(
            "receipt",
            _WRONG,
            f"{name}: its tag was not made with the logger's receipt key over these words: "
            "the receipt was forged or changed.",
        )
    yield from _receipt_signed(case, name, receipt, is_ours=is_ours)


def _receipt_signed(
    case: Case, name: str, receipt: Receipt, *, is_ours: bool | None
) -> Iterator[Claim]:
    signed, certificate = receipt.signed, case.proofs.certificate
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
        text + _WHOSE[is_ours],
        by=f"device certificate {certificate.fingerprint}",
        keyed=True,
        blocks=case.facts.covered(signed.blocks) if is_ours else None,
    )


def _against_log(case: Case, name: str, receipt: Receipt) -> Iterator[Claim]:
    """Hold a receipt against the log: the same log, not shorter, and the same words."""
    run = case.facts.run
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
                offset=case.facts.offsets.get(0),
            )
            return
    for blocks, chain in _heads_of(receipt):
        yield from _reaches(case, name, blocks, chain)
    number = receipt.recorded.number
    if number > case.facts.last_event:
        yield Claim(
            "end",
            _WRONG,
            f"The log was cut, or is an older copy: {name} says that event {number} was "
            f"recorded in it, and it ends before. Pull it again.",
            block_seq=case.facts.blocks,
            evidence={"event": number},
        )
        return
    event = case.facts.handoffs.get(number)
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


def _reaches(case: Case, witness: str, blocks: int, chain: bytes) -> Iterator[Claim]:
    """Hold the log against somebody who saw its head after so many blocks."""
    facts = case.facts
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
            f"Whether this is what {witness} names: its block {blocks - 1} is not readable here.",
            needs="the missing blocks",
        )
    else:
        which, first = case.changed_before(blocks)
        yield Claim(
            "end",
            _WRONG,
            f"This is another log than the one {witness} names. Changed since: {which}.",
            block_seq=first,
            offset=None if first is None else facts.offsets.get(first),
            evidence={"blocks": blocks},
        )


# --- its ends ----------------------------------------------------------------------------------


def neighbour_claims(case: Case) -> Iterator[Claim]:
    """Hold the seals of the runs before and behind against those of this one (SPEC 4.9.6)."""
    for path, is_before in ((case.proofs.previous, True), (case.proofs.following, False)):
        if path is None:
            continue
        other = read_facts(path, case.proofs.seal_state)
        earlier, later = (other, case.facts) if is_before else (case.facts, other)
        yield from _follow(case, _Pair(earlier, later, words.plain(path.name), is_before))


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two runs of which one came before the other; one of them is the log in question."""

    earlier: LogFacts
    later: LogFacts
    name: str
    """Of the file of the other one."""
    is_before: bool
    """Whether the other one is the earlier."""

    @property
    def earlier_name(self) -> str:
        return self.name if self.is_before else "this log"

    @property
    def later_name(self) -> str:
        return "this log" if self.is_before else self.name

    @property
    def code(self) -> str:
        return "previous" if self.is_before else "end"

    def claim(
        self, standing: Standing, text: str, *, keyed: bool = False, **evidence: int
    ) -> Claim:
        return Claim(
            self.code,
            standing,
            text,
            by="sealing key" if keyed else None,
            keyed=keyed,
            evidence=evidence,
        )


def _follow(case: Case, pair: _Pair) -> Iterator[Claim]:
    """See that both are of one board, and in this order."""
    first, second = pair.earlier.run, pair.later.run
    if first is None or second is None:
        text = f"Whether {pair.name} is a neighbour of this run: a log does not say which it is."
        yield replace(pair.claim(_OPEN, text), needs="the first blocks of both logs")
    elif first.device_id != second.device_id or second.run <= first.run:
        place = "no earlier" if pair.is_before else "no later"
        yield replace(
            pair.claim(
                _WRONG,
                f"{pair.name} is {place} run of this logger: {pair.earlier_name} is run "
                f"{first.run} of logger {first.device_id.hex()}, {pair.later_name} run "
                f"{second.run} of {second.device_id.hex()}.",
            ),
            block_seq=0,
            offset=case.facts.offsets.get(0),
        )
    else:
        yield _missing(case, pair, between=second.run - first.run - 1)


def _missing(case: Case, pair: _Pair, *, between: int) -> Claim:
    """Hold the first key index of the later run against the last of the earlier."""
    last, first = pair.earlier.seals.last_index, pair.later.seals.first_index
    both = f"between {pair.earlier_name} and {pair.later_name}"
    if not first or not last:
        return pair.claim(_OPEN, f"That nothing is missing {both}: one has no seals there.")
    if pair.later.seals.begins_with_new_key:
        return pair.claim(
            _OPEN,
            f"That nothing is missing {both}: the logger says that it made a new sealing key, "
            "which counts anew.",
        )
    missing = first - last - 1
    if missing < 0:
        text = (
            f"{_capital(pair.later_name)} begins with seal {first}, though {pair.earlier_name}, "
            f"of an earlier run, goes on to {last}: one of them is not what the logger wrote."
        )
        place = case.facts.offsets.get(0)
        return replace(pair.claim(_WRONG, text), block_seq=0, offset=place)
    if missing > 0:
        runs = f" or in the {words.plural(between, 'run')} between" if between else ""
        are = "are" if missing > 1 else "is"
        text = (
            f"{words.plural(missing, 'block')} {are} missing at the end of "
            f"{pair.earlier_name}{runs}: it ends with seal {last}, {pair.later_name} begins "
            f"with {first}."
        )
        claim = pair.claim(_OPEN if between else _WRONG, text, missing_blocks=missing)
        at_end = not pair.is_before and not between
        return replace(
            claim,
            needs="the runs between" if between else None,
            block_seq=case.facts.blocks if at_end else None,
        )
    sealed = _proves(pair.earlier, pair.earlier.last_block) and _proves(pair.later, 0)
    text = f"No block is missing {both}: seals {last} and {first} follow each other"
    text += "." if sealed else ", if these numbers are true: the seals are not checked."
    claim = pair.claim(_PROVED if sealed else _OPEN, text, keyed=sealed)
    return claim if sealed else replace(claim, needs=NEEDS_SEAL)


def end_claims(case: Case) -> Iterator[Claim]:
    """Say whether anything shows that nothing is missing at the end."""
    last = case.facts.last_block
    if case.facts.stopped_by_command and not case.facts.stop_in_block:
        yield Claim(
            "end",
            _OPEN,
            "That nothing came after: the log ends with a stop, which stands in no block yet. "
            "Nothing seals it, so that anybody could have put it behind a cut.",
            needs=_NEEDS_BOARD,
        )
    elif case.facts.stopped_by_command and _proves(case.facts, last):
        yield Claim(
            "end",
            _PROVED,
            "The run ended where the log ends: its last event is the logger's own stop.",
            blocks=(last, last),
        )
    elif case.facts.stopped_by_command:
        yield Claim(
            "end",
            _OPEN,
            "That nothing came after: the log ends with a stop, in a block whose seal is not "
            "proven here.",
            needs=NEEDS_SEAL,
        )
    else:
        yield Claim(
            "end",
            _OPEN,
            "That nothing came after: the log does not end with the logger's own stop, so it "
            "may have been cut behind the last block that a receipt or a signature names.",
            needs=_NEEDS_BOARD,
        )


def copy_claims(case: Case) -> Iterator[Claim]:
    """Hold the log against what this computer has filed of its board."""
    run = case.facts.run
    if run is None:
        return
    same = [log for log in case.proofs.filed if (log.run, log.log_id) == (run.run, run.log_id)]
    newer = sorted({log.run for log in case.proofs.filed if log.run > run.run})
    for log in same:
        name = f"the copy filed on this computer ({words.plain(log.path.name)})"
        wrong = [
            replace(claim, code="copy") for claim in _reaches(case, name, log.blocks, log.chain)
        ]
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


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _heads_of(receipt: Receipt) -> Iterator[tuple[int, bytes]]:
    yield receipt.handoff.blocks, receipt.handoff.chain
    if receipt.signed is not None:
        yield receipt.signed.blocks, receipt.signed.chain


def _proves(facts: LogFacts, block_seq: int) -> bool:
    """Say whether the seal of this block is proven."""
    return any(
        one.first_seq <= block_seq <= one.last_seq for one in facts.seals.worth(Worth.PROVEN)
    )
