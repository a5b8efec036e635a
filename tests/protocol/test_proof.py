"""Proofs: HMAC as the standard library has it, on three interpreters; keys that stay apart."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog_wire import layout, proof, seal, token

if TYPE_CHECKING:
    from conftest import MicroPython

SECRET = bytes(range(32))
SCRIPT = """
from binascii import hexlify
from dewarlog_wire import proof
for length in (0, 32, 64, 65, 200):
    print(hexlify(proof.hmac_sha256(bytes(range(length)), b"dewar 17")).decode())
"""


@given(st.binary(max_size=200), st.binary(max_size=300))
def test_the_tag_is_that_of_the_standard_library(key: bytes, message: bytes) -> None:
    """Keys shorter, as long and longer than SHA-256's block."""
    assert proof.hmac_sha256(key, message) == hmac.digest(key, message, hashlib.sha256)


def _listing() -> list[str]:
    return [
        hmac.digest(bytes(range(length)), b"dewar 17", hashlib.sha256).hex()
        for length in (0, 32, 64, 65, 200)
    ]


@pytest.mark.micropython
def test_64_bit_micropython_makes_the_same_tag(micropython: MicroPython) -> None:
    """The unix build, whose hashlib is the boards'."""
    assert micropython(SCRIPT).stdout.split() == _listing()


@pytest.mark.micropython
def test_32_bit_micropython_makes_the_same_tag(micropython32: MicroPython) -> None:
    """Where small ints are those of the boards."""
    assert micropython32(SCRIPT).stdout.split() == _listing()


def test_every_purpose_has_a_secret_of_its_own() -> None:
    """Who holds one derived key can make no proof of another kind."""
    said = proof.transcript(b"hello", b"reply", layout.KEY_ADMIN, 0)
    made = {
        *(proof.derived_key(SECRET, key) for key in layout.KEY_NAMES),
        proof.signing_seed(SECRET),
        proof.host_proof(SECRET, said),
        proof.board_proof(SECRET, said),
        proof.receipt_tag(SECRET, bytes(8), bytes(8), bytes(14), b"body"),
        token.token_secret(SECRET, b"\x01\x08" + bytes(8)),
        seal.next_state(SECRET),
        seal.block_tag(SECRET, bytes(32)),
    }

    assert len(made) == len(layout.KEY_NAMES) + 7
    with pytest.raises(KeyError):
        proof.derived_key(SECRET, 5)


def test_a_proof_covers_all_that_was_said_before_it() -> None:
    """Who changes version, features, body_max, a nonce, the key or a flag on the way is found."""
    plain = (b"hello", b"reply", layout.KEY_ADMIN, 0)
    others = [
        (b"hellp", b"reply", layout.KEY_ADMIN, 0),
        (b"hello", b"replz", layout.KEY_ADMIN, 0),
        (b"hello", b"reply", layout.KEY_COURIER, 0),
        (b"hello", b"reply", layout.KEY_ADMIN, layout.AUTH_SECRET),
    ]
    made = {proof.host_proof(SECRET, proof.transcript(*said)) for said in [plain, *others]}

    assert len(made) == 5


def test_a_key_is_wiped_from_the_pad_it_was_mixed_into(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sealing state that was moved on must not stay in the heap."""
    pads: list[bytearray] = []

    def spy(data: bytes = b"") -> Any:  # noqa: ANN401 - hashlib hides its type
        if isinstance(data, bytearray):
            pads.append(data)
        return hashlib.sha256(data)

    monkeypatch.setattr(proof, "sha256", spy)
    proof.hmac_sha256(SECRET, b"message")

    assert len(pads) == 2
    assert pads[0] is pads[1]
    assert not any(pads[0])


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [(b"", b"", True), (b"ab", b"ab", True), (b"ab", b"ac", False), (b"ab", b"abc", False)],
)
def test_proofs_are_compared_whole(one: bytes, other: bytes, *, alike: bool) -> None:
    """Equal bytes and equal length."""
    assert proof.same(one, other) is alike
