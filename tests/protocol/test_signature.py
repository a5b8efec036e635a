"""Signed heads: what a board's seed must sign, judged by the Ed25519 of `cryptography`."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import describe_libraries
import vector_lines

FOLDER = Path(__file__).parents[2] / "protocol/vectors/signature"
SOUND = [
    path.name
    for path in sorted(FOLDER.glob("*.txt"))
    if path.read_text(encoding="utf-8").startswith("expect: ok")
]


def load(name: str) -> tuple[dict[str, str], bytes]:
    """Return header and bytes of one vector."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    header, _, data = vector_lines.parse_vector(text)
    return header, vector_lines.hex_bytes(data)


def holds(header: dict[str, str], message: bytes, signature: bytes) -> bool:
    """Ask the judge, who knows nothing but the public key."""
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(header["public key"]))
    try:
        public.verify(signature, message)
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize("name", SOUND)
def test_the_public_key_follows_from_the_device_key(name: str) -> None:
    """By the seed of SPEC.md 7.7."""
    header, _ = load(name)
    public = describe_libraries.signing_key(header).public_key().public_bytes_raw()

    assert public.hex() == header["public key"]


@pytest.mark.parametrize("name", SOUND)
def test_a_signature_holds_where_the_vector_says_so(name: str) -> None:
    """And it is the one signature RFC 8032 gives that message: it has no randomness."""
    header, body = load(name)
    message = describe_libraries.signed_message(header, body)

    assert holds(header, message, body[-64:]) == (header["holds"] == "yes")
    assert (describe_libraries.signing_key(header).sign(message) == body[-64:]) == (
        header["holds"] == "yes"
    )


def test_a_signature_holds_for_no_other_head() -> None:
    """Another bit anywhere: device, run, log id, blocks, chain, time or nonce."""
    header, body = load("by_hand.txt")
    message = describe_libraries.signed_message(header, body)
    wrong = [
        at
        for at in range(len(message))
        if holds(header, message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :], body[-64:])
    ]

    assert wrong == []
