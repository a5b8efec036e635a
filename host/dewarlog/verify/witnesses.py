"""Claims by what stands outside the log: receipts, the run before, the copies filed here.

Beside whole and by_keys, on case. Nothing in a log can say that its end is missing; who saw its
head can, and so can the seals of the run that followed.
"""

from __future__ import annotations

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


# --- receipts -----------------------------------------------------------------------------------


def receipt_claims(case: Case, name: str, receipt: Receipt) -> Iterator[Claim]:
    """Hold a receipt against the log, its tag against the receipt key, its signature too."""
    name = words.plain(name)
    wrong = list(_against_log(case, name, receipt))
    yield from wrong
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
    yield from _receipt_signed(case, name, receipt, in_log=not wrong)


def _receipt_signed(case: Case, name: str, receipt: Receipt, *, in_log: bool) -> Iterator[Claim]:
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
        text + (", and they are this log's." if in_log else "; this log's they are not."),
        by=f"device certificate {certificate.fingerprint}",
        keyed=True,
        blocks=_first(signed.blocks) if in_log else None,
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
        yield Claim(
            "end",
            _WRONG,
            f"This is another log than the one {witness} names: a block from 0 to "
            f"{blocks - 1} was changed since.",
            block_seq=0,
            offset=facts.offsets.get(0),
            evidence={"blocks": blocks},
        )


# --- its ends ----------------------------------------------------------------------------------


def previous_claims(case: Case) -> Iterator[Claim]:
    """Hold the seals of the run before against those of this one."""
    if case.proofs.previous is None:
        return
    before = read_facts(case.proofs.previous, case.proofs.seal_state)
    ours, theirs = case.facts.run, before.run
    name = words.plain(case.proofs.previous.name)
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
            offset=case.facts.offsets.get(0),
        )
        return
    yield from _continues(case, name, before, between=ours.run - theirs.run - 1)


def _continues(case: Case, name: str, before: LogFacts, *, between: int) -> Iterator[Claim]:
    """Hold the first key index against the last of the run before (SPEC 4.9.6)."""
    first, last = case.facts.seals.first_index, before.seals.last_index
    if not first or not last:
        text = f"That nothing is missing between {name} and this log: one has no seals there."
        yield Claim("previous", _OPEN, text)
        return
    if case.facts.seals.begins_with_new_key:
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
            offset=case.facts.offsets.get(0),
        )
    else:
        sealed = _proves(before, before.last_block) and _proves(case.facts, 0)
        yield Claim(
            "previous",
            _PROVED if sealed else _OPEN,
            f"No block is missing between the end of {name} (seal {last}) and this log "
            f"(seal {first})"
            + ("." if sealed else ", if these numbers are true: the seals are not checked."),
            by="sealing key" if sealed else None,
            keyed=sealed,
            needs=None if sealed else NEEDS_SEAL,
        )


def end_claims(case: Case) -> Iterator[Claim]:
    """Say whether anything shows that nothing is missing at the end."""
    if case.facts.stopped_by_command:
        yield Claim(
            "end",
            _PROVED,
            "The run ended where the log ends: its last event is the logger's own stop"
            + (
                "."
                if _proves(case.facts, case.facts.last_block)
                else ", if its last block is the logger's."
            ),
            blocks=(case.facts.last_block, case.facts.last_block),
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
        wrong = [_as_copy(claim) for claim in _reaches(case, name, log.blocks, log.chain)]
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


def _first(blocks: int) -> tuple[int, int] | None:
    return (0, blocks - 1) if blocks else None


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
