"""Proofs: HMAC as the standard library has it, on three interpreters; keys that stay apart."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog_wire import layout, proof

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
    nonces = (b"hostnonc", b"boardnon")
    made = {
        proof.derived_key(SECRET, layout.KEY_COURIER),
        proof.derived_key(SECRET, layout.KEY_RECEIPT),
        proof.host_proof(SECRET, *nonces),
        proof.board_proof(SECRET, *nonces),
        proof.host_proof(SECRET, *reversed(nonces)),
        proof.receipt_tag(SECRET, bytes(8), bytes(8), bytes(14), b"body"),
    }

    assert len(made) == 6
    with pytest.raises(KeyError):
        proof.derived_key(SECRET, 3)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [(b"", b"", True), (b"ab", b"ab", True), (b"ab", b"ac", False), (b"ab", b"abc", False)],
)
def test_proofs_are_compared_whole(one: bytes, other: bytes, *, alike: bool) -> None:
    """Equal bytes and equal length."""
    assert proof.same(one, other) is alike
