"""Whether a signature over the head of a log holds by a device certificate.

Beside certificate. What is signed: session.Signed, protocol/SPEC.md 7.10. Ed25519 comes from the
`cryptography` library; the board has its own, and the vectors of RFC 8032 hold the two together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dewarlog.certificate import Certificate
    from dewarlog.replies import Signed


def signature_holds(certificate: Certificate, signed: Signed) -> bool:
    """Say whether the board of this certificate signed these words.

    The device id in the message is the certificate's: a signature of another board never holds.
    """
    # Only here: no other command is to pay for loading it.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )

    try:
        key = Ed25519PublicKey.from_public_bytes(certificate.public_key)
        key.verify(signed.signature, signed.message(certificate.device_id))
    except (InvalidSignature, ValueError):
        return False
    return True
