"""What a log is held against, and the log as it was read: the case that every claim is about.

Below whole, by_keys and witnesses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dewarlog.seals import Worth, spans
from dewarlog.signatures import signature_holds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dewarlog.certificate import Certificate
    from dewarlog.pull import FiledLog
    from dewarlog.receipt import Receipt
    from dewarlog.replies import SealState
    from dewarlog.verify.log_facts import LogFacts, SignedHere

NEEDS_CERTIFICATE: Final = "the logger's device certificate (--certificate), from its owner"
NEEDS_SEAL: Final = "a state of the sealing key that its owner took before this log began"
NEEDS_SIGN: Final = "a handoff or a pull that has the logger sign its log"


@dataclass(frozen=True, slots=True)
class Proofs:
    """What is here to hold a log against; each may be missing."""

    certificate: Certificate | None = None
    seal_state: SealState | None = None
    receipt_key: bytes | None = field(default=None, repr=False)
    receipts: tuple[tuple[str, Receipt], ...] = ()
    """Each with the name of its file."""
    damaged: tuple[tuple[str, str], ...] = ()
    """Files beside the log that should be receipts: their names, and why they are none."""
    asked: Mapping[bytes, int] = field(default_factory=dict[bytes, int])
    """When this computer asked for a signature, by the nonce it chose; Unix seconds."""
    previous: Path | None = None
    """The log of the run before on the same board."""
    following: Path | None = None
    """The log of the run behind it: a witness of its end even where nobody pulled."""
    filed: tuple[FiledLog, ...] = ()
    """What this computer's archive holds of this board."""


@dataclass(frozen=True, slots=True)
class Case:
    """A log as it was read, and what is here to hold it against."""

    facts: LogFacts
    proofs: Proofs
    certificate: Certificate | None
    """That of the proofs, if it is of the board that the log names."""
    good_signature: SignedHere | None
    """The newest before the first that does not hold."""
    bad_signature: SignedHere | None
    """The first that does not hold."""

    @property
    def vouched(self) -> int:
        """Count the blocks, from the first on, that a seal or a signature vouches for."""
        ends = [last + 1 for _, last in spans(self.facts.seals.worth(Worth.PROVEN))]
        if self.good_signature is not None:
            ends.append(self.good_signature.blocks)
        covered = [self.facts.covered(end) for end in ends]
        return max((last + 1 for first, last in filter(None, covered) if first == 0), default=0)

    def changed_before(self, blocks: int) -> tuple[str, int | None]:
        """Say which of the first `blocks` blocks may have been changed: words, and the first.

        None: a key vouches for all of them, so that whoever says otherwise is wrong.
        """
        first, last = self.vouched, blocks - 1
        if first > last:
            return "none of its blocks, though, for all are vouched for here", None
        return f"block {first}" if first == last else f"a block from {first} to {last}", first


def case_of(facts: LogFacts, proofs: Proofs) -> Case:
    """Look at the signatures in the log, oldest first, up to the first that does not hold."""
    run, certificate = facts.run, proofs.certificate
    if run is not None and certificate is not None and certificate.device_id != run.device_id:
        certificate = None
    good: SignedHere | None = None
    bad: SignedHere | None = None
    for one in sorted(facts.signatures, key=lambda one: one.blocks):
        if certificate is None or one.signed is None:
            continue
        if not signature_holds(certificate, one.signed):
            bad = one
            break
        good = one
    return Case(facts, proofs, certificate, good, bad)
