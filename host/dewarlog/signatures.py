"""What a board signed: the message, and whether a signature over it holds by a certificate.

Beside certificate. The message: protocol/SPEC.md 7.10. Ed25519 comes from the `cryptography`
library; the board has its own, and the vectors of RFC 8032 hold the two together.
"""

from __future__ import annotations

import struct
from dataclasses import astuple
from typing import TYPE_CHECKING, Final

from dewarlog_wire import layout

if TYPE_CHECKING:
    from dewarlog.certificate import Certificate
    from dewarlog.session import Signed

NONCE_BYTES: Final = 16
SIGNATURE_BYTES: Final = 64
_HEAD: Final = b"dewarlog head 1"


def signed_message(device_id: bytes, signed: Signed) -> bytes:
    """Return the bytes that the board signed."""
    *fields, _, nonce = astuple(signed)
    reply = struct.pack(layout.SIGN_REPLY.format, *fields, bytes(SIGNATURE_BYTES))
    return _HEAD + device_id + reply[: layout.SIGN_REPLY.offset_of("signature")] + nonce


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
        key.verify(signed.signature, signed_message(certificate.device_id, signed))
    except (InvalidSignature, ValueError):
        return False
    return True
