"""Proofs by a shared secret: the same HMAC-SHA256 on the board and on the host.

Place in the line: beside frame; below session, server and receipt. MicroPython has no hmac module,
so the construction of RFC 2104 stands here, over the board's own SHA-256. What is proved by which
key: protocol/SPEC.md section 7.7; why: protocol/DESIGN.md "Trust".
"""

from hashlib import sha256

from dewarlog_wire.layout import KEY_ADMIN, KEY_COURIER, KEY_READER, KEY_RECEIPT

TYPE_CHECKING = False
if TYPE_CHECKING:
    Readable = bytes | bytearray | memoryview

SECRET_BYTES = 32
PROOF_BYTES = 16
_BLOCK_BYTES = 64  # of SHA-256
_INNER = b"\x36" * _BLOCK_BYTES
_OUTER = b"\x5c" * _BLOCK_BYTES
_ZEROS = bytes(_BLOCK_BYTES)
_PURPOSES = {
    KEY_COURIER: b"dewarlog key courier",
    KEY_RECEIPT: b"dewarlog key receipt",
    KEY_READER: b"dewarlog key reader",
    KEY_ADMIN: b"dewarlog key admin",
}
_SIGN = b"dewarlog key sign"
_SEED = b"dewarlog seed"
_HOST = b"dewarlog auth host"
_BOARD = b"dewarlog auth board"
_RECEIPT = b"dewarlog receipt 1"
_HEAD = b"dewarlog head 1"


def hmac_sha256(key: "Readable", message: "Readable") -> bytes:
    """Return the tag of RFC 2104 with SHA-256: 32 bytes."""
    if len(key) > _BLOCK_BYTES:
        key = sha256(key).digest()
    pad = bytearray(_INNER)
    for index in range(len(key)):
        pad[index] = 0x36 ^ key[index]
    inner = sha256(pad)
    inner.update(message)
    pad[:] = _OUTER
    for index in range(len(key)):
        pad[index] = 0x5C ^ key[index]
    outer = sha256(pad)
    outer.update(inner.digest())
    pad[:] = _ZEROS  # a key must not stay in the heap after its use (seal.py): the only copy here
    return outer.digest()


def derived_key(device_key: bytes, key: int) -> bytes:
    """Return the secret of one of KEY_*; KeyError for another number."""
    return hmac_sha256(device_key, _PURPOSES[key])


def signing_seed(device_key: bytes) -> bytes:
    """Return the Ed25519 secret of a board (RFC 8032 5.1.5): 32 bytes."""
    return hmac_sha256(device_key, _SIGN)


def seeded_key(device_key: bytes, secret: "Readable") -> bytes:
    """Return the device key that a host's randomness has part in (SPEC 7.7): 32 bytes."""
    return hmac_sha256(device_key, _SEED + bytes(secret))


def transcript(hello: "Readable", hello_reply: "Readable", key: int, flags: int) -> bytes:
    """Return what the proofs and keys of a conversation are over: all that was said before it."""
    return bytes(hello) + bytes(hello_reply) + bytes((key, flags))


def host_proof(secret: bytes, said: bytes) -> bytes:
    """Return what a host says in AUTH; `said` is the transcript."""
    return hmac_sha256(secret, _HOST + said)[:PROOF_BYTES]


def board_proof(secret: bytes, said: bytes) -> bytes:
    """Return what the board answers."""
    return hmac_sha256(secret, _BOARD + said)[:PROOF_BYTES]


def receipt_tag(secret: bytes, device_id: bytes, log_id: bytes, head: bytes, body: bytes) -> bytes:
    """Return the board's tag over a handoff: `head` is HANDOFF_REPLY without its tag."""
    return hmac_sha256(secret, _RECEIPT + device_id + log_id + head + body)


def signed_head(device_id: bytes, head: "Readable", nonce: bytes) -> bytes:
    """Return the message a board signs: `head` is SIGN_REPLY without its signature (SPEC 7.10)."""
    return _HEAD + device_id + bytes(head) + nonce


def same(one: "Readable", other: "Readable") -> bool:
    """Compare two proofs in a time that does not tell where they differ."""
    if len(one) != len(other):
        return False
    difference = 0
    for left, right in zip(one, other):
        difference |= left ^ right
    return difference == 0
