"""Claims by the owner's keys: what the sealing key proves, and what the signatures in the log do.

Beside whole and witnesses, on case. A seal convinces who holds a state of its key, and stands
against a captured board; a signature convinces all who trust the certificate, and does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog import words
from dewarlog.checks.finding import OF_ONE_KIND
from dewarlog.receipt import signed_words
from dewarlog.seals import Worth, span_words, spans
from dewarlog.verify.case import NEEDS_CERTIFICATE, NEEDS_SEAL, NEEDS_SIGN
from dewarlog.verify.claims import Claim, Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dewarlog.seals import Stretch
    from dewarlog.verify.case import Case
    from dewarlog.verify.log_facts import SignedHere

_PROVED, _OPEN, _WRONG = Standing.PROVED, Standing.NOT_PROVED, Standing.CONTRADICTED


# --- the seal -----------------------------------------------------------------------------------


def sealed_claims(case: Case) -> Iterator[Claim]:
    """Say which blocks are sealed, by the state of the sealing key that is held here."""
    facts, seals, held = case.facts, case.facts.seals, case.proofs.seal_state
    for trouble in seals.troubles:
        proven = spans(seals.worth(Worth.PROVEN))
        before = f" Proven: {span_words(proven)}." if proven else ""
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
        yield _never_sealed(case)
        return
    if held is None:
        unsealed = spans(seals.worth(Worth.UNSEALED))
        but = f" Without any: {span_words(unsealed)}." if unsealed else ""
        yield Claim(
            "sealed",
            _OPEN,
            f"{_capital(span_words(spans(seals.worth(Worth.NO_STATE))))} carry seals.{but} "
            "Without a state of the sealing key nobody can tell whether they are right.",
            needs=NEEDS_SEAL,
        )
        return
    for told, blocks in _told(seals.worth(Worth.PROVEN)):
        yield Claim(
            "sealed",
            _PROVED,
            f"The logger sealed {told}, and no byte there was changed since: the keys that sealed "
            "were gone from the logger at once, so that not even who opens it can make these "
            "seals again.",
            by=f"sealing key, from the state held here (key {held.key_index}) on",
            keyed=True,
            blocks=blocks,
        )
    yield from _not_judged(case)


def _never_sealed(case: Case) -> Claim:
    seals, held = case.facts.seals, case.proofs.seal_state
    if held is not None and not seals.lost_keys:
        return Claim(
            "sealed",
            _WRONG,
            "No block has a seal, though this logger had a sealing key (its state at key "
            f"{held.key_index} is held here) and does not say that it lost it: the seals "
            "were taken away, or the log is older than the key.",
            block_seq=0,
            offset=case.facts.offsets.get(0),
        )
    lost = " The logger says that it lost its sealing key." if seals.lost_keys else ""
    return Claim(
        "sealed",
        _OPEN,
        f"No block has a seal.{lost} Only a signature can show that nothing was changed.",
        needs=NEEDS_CERTIFICATE if case.certificate is None else None,
    )


def _not_judged(case: Case) -> Iterator[Claim]:
    """Tell of the blocks that the state held says nothing about."""
    seals, held = case.facts.seals, case.proofs.seal_state
    index = 0 if held is None else held.key_index
    covers = ""
    if seals.worth(Worth.PROVEN):
        covers = (
            ". The first seal that is proven covers them through the chain, as they were when it "
            "was made"
        )
    why = {
        Worth.BEFORE_STATE: f"were sealed before the state held here (key {index}), or by "
        f"another key: it cannot judge them{covers}",
        Worth.UNLINKED: "stand behind a block that is missing or damaged, or were changed: their "
        "seals are right, and do not reach what stands in them",
        Worth.OTHER_KEY: "were sealed by another key than the one held here. A logger that lost "
        "its key makes a new one and says so; so would somebody who has not got the old one",
        Worth.UNSEALED: "have no seal. A logger that lost its key says so; so would somebody who "
        "has not got it",
    }
    for worth, text in why.items():
        for told, blocks in _told(seals.worth(worth)):
            yield Claim(
                "sealed",
                _OPEN,
                f"{_capital(told)} {text}.",
                blocks=blocks,
                needs=NEEDS_SEAL if worth is not Worth.UNLINKED else "the missing blocks",
            )
    if case.facts.journal_from is not None:
        yield Claim(
            "sealed",
            _OPEN,
            "The newest records stand in no block yet: nothing seals or signs them.",
            needs="a pull that has the logger seal them first (without --no-seal)",
            offset=case.facts.journal_from,
        )


# --- signatures ---------------------------------------------------------------------------------


def signed_claims(case: Case) -> Iterator[Claim]:
    """Say how far the newest signature that holds reaches."""
    here = case.facts.signatures
    if not any(one.blocks for one in here):
        over = " over any of its blocks" if here else ""
        yield Claim("signed", _OPEN, f"No signature stands in this log{over}.", needs=NEEDS_SIGN)
    if not here:
        return
    if case.certificate is None:
        newest = max(one.blocks for one in here)
        yield Claim(
            "signed",
            _OPEN,
            f"{words.plural(len(here), 'signature')} {'stand' if len(here) > 1 else 'stands'} "
            f"in the log; the newest names its first {words.plural(newest, 'block')}.",
            needs=NEEDS_CERTIFICATE,
        )
        return
    for one in here:
        if one.signed is None:
            yield Claim(
                "signed",
                _OPEN,
                f"The signature of event {one.event} names {words.plural(one.blocks, 'block')}"
                ", the last of which is not in this log.",
                needs="the missing blocks",
            )
    bad = case.bad_signature
    if bad is not None:
        which, first = case.changed_before(bad.blocks)
        yield Claim(
            "signed",
            _WRONG,
            f"The signature of event {bad.event} does not hold by the certificate: the logger did "
            f"not sign this log as it stands here. Changed since: {which}.",
            block_seq=first,
            offset=None if first is None else case.facts.offsets.get(first),
            evidence={"event": bad.event},
        )
    if case.good_signature is not None:
        yield from _signed_up_to(case, case.good_signature)


def _signed_up_to(case: Case, newest: SignedHere) -> Iterator[Claim]:
    covered = case.facts.covered(newest.blocks)
    if newest.signed is None or case.certificate is None or covered is None:
        return
    first, last = covered
    yield Claim(
        "signed",
        _PROVED,
        f"Logger {case.certificate.device_id.hex()} signed {signed_words(newest.signed)}: "
        f"nothing in {span_words([covered])} was changed since then."
        f"{_asked_by(case, newest)}",
        by=f"device certificate {case.certificate.fingerprint}",
        keyed=True,
        blocks=covered,
        evidence={"event": newest.event, "nonce": newest.signed.nonce.hex()},
    )
    if first:
        yield Claim(
            "signed",
            _OPEN,
            f"The signature does not reach {span_words([(0, first - 1)])}, before a break of the "
            "chain.",
            blocks=(0, first - 1),
            needs="the missing blocks",
        )
    if last < case.facts.last_block:
        yield Claim(
            "signed",
            _OPEN,
            f"Not signed: {span_words([(last + 1, case.facts.last_block)])}, which came after the "
            "newest signature.",
            blocks=(last + 1, case.facts.last_block),
            needs=NEEDS_SIGN,
        )


def _asked_by(case: Case, newest: SignedHere) -> str:
    """Say for whom it was signed, where a receipt or this computer's archive tells."""
    nonce = None if newest.signed is None else newest.signed.nonce
    asked_unix_s = None if nonce is None else case.proofs.asked.get(nonce)
    if asked_unix_s is not None:
        at = words.utc(asked_unix_s)
        return f" This computer asked for it at {at}, by its own clock: it is no older."
    for name, receipt in case.proofs.receipts:
        if receipt.signed is not None and receipt.signed.nonce == nonce:
            return f" It answers the question of {words.plain(name)}."
    return ""


def _told(stretches: Iterable[Stretch]) -> Iterator[tuple[str, tuple[int, int] | None]]:
    """Say one row of blocks after the other; very many in one."""
    rows = spans(stretches)
    if len(rows) > OF_ONE_KIND:
        yield span_words(rows), None
        return
    for row in rows:
        yield span_words([row]), row


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
