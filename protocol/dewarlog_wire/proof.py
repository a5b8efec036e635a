"""Proofs by a shared secret: the same HMAC-SHA256 on the board and on the host.

Place in the line: beside frame; below session, server and receipt. MicroPython has no hmac module,
so the construction of RFC 2104 stands here, over the board's own SHA-256. What is proved by which
key: protocol/SPEC.md section 7.7; why: protocol/DESIGN.md "Proof at the door".
"""

from hashlib import sha256

from dewarlog_wire.layout import KEY_COURIER, KEY_RECEIPT

TYPE_CHECKING = False
if TYPE_CHECKING:
    Readable = bytes | bytearray | memoryview

SECRET_BYTES = 32
PROOF_BYTES = 16
_BLOCK_BYTES = 64  # of SHA-256
_PURPOSES = {KEY_COURIER: b"dewarlog key courier", KEY_RECEIPT: b"dewarlog key receipt"}
_HOST = b"dewarlog auth host"
_BOARD = b"dewarlog auth board"
_RECEIPT = b"dewarlog receipt 1"


def hmac_sha256(key: bytes, message: "Readable") -> bytes:
    """Return the tag of RFC 2104 with SHA-256: 32 bytes."""
    if len(key) > _BLOCK_BYTES:
        key = sha256(key).digest()
    padded = key + bytes(_BLOCK_BYTES - len(key))
    inner = sha256(bytes([byte ^ 0x36 for byte in padded]))
    inner.update(message)
    outer = sha256(bytes([byte ^ 0x5C for byte in padded]))
    outer.update(inner.digest())
    return outer.digest()


def derived_key(device_key: bytes, key: int) -> bytes:
    """Return the secret of KEY_COURIER or KEY_RECEIPT; KeyError for another number."""
    return hmac_sha256(device_key, _PURPOSES[key])


def host_proof(secret: bytes, host_nonce: bytes, board_nonce: bytes) -> bytes:
    """Return what a host says in AUTH, of the nonces of HELLO and its reply."""
    return hmac_sha256(secret, _HOST + host_nonce + board_nonce)[:PROOF_BYTES]


def board_proof(secret: bytes, host_nonce: bytes, board_nonce: bytes) -> bytes:
    """Return what the board answers."""
    return hmac_sha256(secret, _BOARD + host_nonce + board_nonce)[:PROOF_BYTES]


def receipt_tag(secret: bytes, device_id: bytes, log_id: bytes, head: bytes, body: bytes) -> bytes:
    """Return the board's tag over a handoff: `head` is HANDOFF_REPLY without its tag."""
    return hmac_sha256(secret, _RECEIPT + device_id + log_id + head + body)


def same(one: bytes, other: bytes) -> bool:
    """Compare two proofs in a time that does not tell where they differ."""
    if len(one) != len(other):
        return False
    difference = 0
    for left, right in zip(one, other):
        difference |= left ^ right
    return difference == 0
