"""What a log is held against, and the log as it was read: the case that every claim is about.

Below whole, by_keys and witnesses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from dewarlog.certificate import Certificate
    from dewarlog.pull import FiledLog
    from dewarlog.receipt import Receipt
    from dewarlog.session import SealState
    from dewarlog.verify.log_facts import LogFacts

NEEDS_CERTIFICATE: Final = "the logger's device certificate (--certificate), from its owner"
NEEDS_SEAL: Final = "a state of the sealing key that its owner took before this log began"
NEEDS_SIGN: Final = "a handoff or a pull that has the logger sign its log"


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
    following: Path | None = None
    """The log of the run behind it: a witness of its end even where nobody pulled."""
    filed: tuple[FiledLog, ...] = ()
    """What this computer's archive holds of this board."""


@dataclass(frozen=True, slots=True)
class Case:
    """A log as it was read, and what is here to hold it against."""

    facts: LogFacts
    proofs: Proofs

    @property
    def certificate(self) -> Certificate | None:
        """Give the certificate, if it is of the board that the log names."""
        run, certificate = self.facts.run, self.proofs.certificate
        if run is None or certificate is None or certificate.device_id == run.device_id:
            return certificate
        return None
