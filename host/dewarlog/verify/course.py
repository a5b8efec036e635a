"""What is proved of a log, by which key, over which blocks; and what is not.

Below cli/verify.py: reads the log once and makes every claim. Whoever reads the answer trusts
neither the courier nor the board as it is now: protocol/DESIGN.md "Trust" says what each key is
worth, and what a captured board can still make up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog import words
from dewarlog.checks.finding import OF_ONE_KIND
from dewarlog.verify import by_keys, whole, witnesses
from dewarlog.verify.case import case_of
from dewarlog.verify.claims import Claim, Standing, Verified
from dewarlog.verify.log_facts import read_facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from dewarlog.verify.case import Case, Proofs


def verify_log(path: Path, proofs: Proofs) -> Verified:
    """Hold a log against everything that is here.

    Raises:
        LogError: the log, or the one before it, is none or of a newer format.
        ArchiveError: one of them cannot be read.
    """
    case = case_of(read_facts(path, proofs.seal_state), proofs)
    return Verified(
        path=path,
        sha256=case.facts.sha256,
        run=case.facts.run,
        blocks=case.facts.integrity.blocks,
        last_block=case.facts.last_block,
        has_journal=case.facts.journal_from is not None,
        claims=tuple(_capped(_claims(case))),
    )


def _claims(case: Case) -> Iterator[Claim]:
    """Make the claims in the order in which they are told."""
    yield from whole.bytes_claims(case)
    yield from whole.order_claims(case)
    yield from whole.heads_claims(case)
    yield from whole.device_claims(case)
    yield from by_keys.sealed_claims(case)
    yield from by_keys.signed_claims(case)
    for name, receipt in case.proofs.receipts:
        yield from witnesses.receipt_claims(case, name, receipt)
    for name, reason in case.proofs.damaged:
        text = f"{words.plain(name)}, beside the log: {words.plain(reason)}"
        yield Claim("receipt", Standing.CONTRADICTED, text)
    yield from witnesses.neighbour_claims(case)
    yield from witnesses.end_claims(case)
    yield from witnesses.copy_claims(case)


def _capped(claims: Iterable[Claim]) -> Iterator[Claim]:
    """Tell so many of one kind one by one: a log full of them is not better told by all."""
    seen: dict[tuple[str, Standing], int] = {}
    for claim in claims:
        kind = (claim.code, claim.standing)
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= OF_ONE_KIND:
            yield claim
    for (code, standing), count in seen.items():
        if count > OF_ONE_KIND:
            text = f"{count - OF_ONE_KIND:,} more of the same kind as above."
            yield Claim(code, standing, text, evidence={"count": count - OF_ONE_KIND})
