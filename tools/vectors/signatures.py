"""Heads that a board has signed."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dewarlog_wire import layout, proof
from vectors.parts import DEVICE_ID, DEVICE_KEY, LOG_ID, RUN, UTC_S, hex_text, scenario

if TYPE_CHECKING:
    from vectors.parts import Vector


def _signed(*, bend: int = 0) -> Vector:
    key = Ed25519PrivateKey.from_private_bytes(proof.signing_seed(DEVICE_KEY))
    nonce = b"nonce of a host."
    head = (RUN, LOG_ID, 360, bytes(range(32)), 3600, 250, UTC_S, layout.CLOCK_OK)
    unsigned = struct.pack(layout.SIGN_REPLY.format, *head, bytes(64))
    unsigned = unsigned[: layout.SIGN_REPLY.offset_of("signature")]
    signature = bytearray(key.sign(proof.signed_head(DEVICE_ID, unsigned, nonce)))
    signature[0] ^= bend
    header = {
        "device key": DEVICE_KEY.hex(),
        "device": DEVICE_ID.hex(),
        "nonce": nonce.hex(),
        "public key": key.public_key().public_bytes_raw().hex(),
        "holds": "no" if bend else "yes",
    }
    return header, hex_text(unsigned, "the head") + hex_text(bytes(signature), "the signature")


@scenario
def signature_holds() -> Vector:
    """A signed head."""
    return _signed()


@scenario
def signature_bent() -> Vector:
    """A signed head with one wrong bit in its signature."""
    return _signed(bend=1)


@scenario
def signature_cut() -> Vector:
    """A reply to SIGN that lacks its last byte."""
    header, text = _signed()
    return header, text[:-3] + "\n"
