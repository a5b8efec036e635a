"""Tokens: a role's key, narrowed by caveats, that a board checks without a network.

Place in the line: beside proof; below server and keys. A token is a list of caveats and a secret
that follows from the role's key and each of them in order, so whoever holds a token can narrow it
further and nobody can widen it. Only the caveats cross the air: the secret is what AUTH proves.
Format: protocol/SPEC.md section 7.8; why: protocol/DESIGN.md "Trust".
"""

import struct

from dewarlog_wire.errors import TokenError
from dewarlog_wire.layout import (
    CAVEAT,
    CAVEAT_DEVICE,
    CAVEAT_HOLDER,
    CAVEAT_ID,
    CAVEAT_LOG,
    CAVEAT_MAY,
    CAVEAT_NOT_AFTER,
    CAVEAT_NOT_BEFORE,
    CAVEATS_MAX_BYTES,
    UTC_UNKNOWN,
)
from dewarlog_wire.proof import hmac_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Readable = bytes | bytearray | memoryview

HOLDER_MAX_BYTES = 32
_STEP = b"dewarlog token"
# Bytes of each kind's value; 0: what HOLDER may have.
_SIZES = {
    CAVEAT_ID: 8,
    CAVEAT_DEVICE: 8,
    CAVEAT_NOT_BEFORE: 4,
    CAVEAT_NOT_AFTER: 4,
    CAVEAT_LOG: 8,
    CAVEAT_MAY: 1,
    CAVEAT_HOLDER: 0,
}


def caveat(kind: int, value: bytes) -> bytes:
    """Return one caveat. TokenError when its kind has no such value."""
    packed = struct.pack(CAVEAT.format, kind, len(value)) + value
    _expect_value(kind, value)
    return packed


def _cut(caveats: "Readable") -> "Iterator[tuple[int, int, int]]":
    """Yield (kind, start, end) of each caveat, whatever its kind. TokenError: not to be cut so."""
    if len(caveats) > CAVEATS_MAX_BYTES:
        raise TokenError("%d bytes of caveats; at most %d" % (len(caveats), CAVEATS_MAX_BYTES))
    at = 0
    while at < len(caveats):
        start = at
        at += CAVEAT.size
        if at > len(caveats):
            raise TokenError("a caveat is cut short")
        kind, length = struct.unpack_from(CAVEAT.format, caveats, start)
        at += length
        if at > len(caveats):
            raise TokenError("a caveat is cut short")
        yield kind, start, at


def read_caveats(caveats: "Readable") -> "Iterator[tuple[int, bytes, bytes]]":
    """Yield (kind, value, the caveat's bytes) of each caveat, in order.

    Raises TokenError: too long, cut short, of a kind this version does not know, with a value that
    kind does not have, or without its id in the first place.
    """
    for kind, start, end in _cut(caveats):
        if (kind == CAVEAT_ID) != (start == 0):
            raise TokenError("a token's id stands first, and once")
        value = bytes(caveats[start + CAVEAT.size : end])
        _expect_value(kind, value)
        yield kind, value, bytes(caveats[start:end])


def _expect_value(kind: int, value: bytes) -> None:
    size = _SIZES.get(kind)
    if size is None:
        raise TokenError("a caveat of kind %d, which this version does not know" % kind)
    if size and len(value) != size:
        raise TokenError("a caveat of kind %d has %d bytes, not %d" % (kind, len(value), size))
    if kind == CAVEAT_HOLDER:
        if not 1 <= len(value) <= HOLDER_MAX_BYTES:
            raise TokenError("a holder has 1 to %d bytes" % HOLDER_MAX_BYTES)
        try:
            str(value, "utf-8")
        except UnicodeError:
            raise TokenError("a holder is not UTF-8")


def narrowed(secret: bytes, one: bytes) -> bytes:
    """Return the secret of a token with one more caveat behind those it has."""
    return hmac_sha256(secret, _STEP + one)


def token_secret(role_key: bytes, caveats: "Readable") -> bytes:
    """Return the secret of the token with these caveats, whatever they say.

    A proof is judged before what the caveats say (7.8): so a kind this version does not know has
    a secret too. TokenError: they are too long or cut short.
    """
    secret = role_key
    for _, start, end in _cut(caveats):
        secret = narrowed(secret, bytes(caveats[start:end]))
    return secret


def why_not(
    caveats: "Readable", device_id: bytes, log_id: bytes, utc_s: int, may: int
) -> "tuple[str, int, bytes, str]":
    """Judge a token whose secret was proven: (why it is refused, what it may, its id, its holder).

    The first is empty when it holds. `utc_s`: the board's clock, UTC_UNKNOWN when nobody set it;
    `log_id` of the open run, empty when there is none; `may`: layout.MAY_* of the role.
    """
    token_id, holder = b"", ""
    for kind, value, _ in read_caveats(caveats):
        if kind == CAVEAT_ID:
            token_id = value
        elif kind == CAVEAT_HOLDER:
            holder = str(value, "utf-8")
        elif kind == CAVEAT_MAY:
            may &= value[0]
        elif kind == CAVEAT_DEVICE:
            if value != device_id:
                return "the token is for another logger", 0, token_id, holder
        elif kind == CAVEAT_LOG:
            if value != log_id:
                return "the token is for another run", 0, token_id, holder
        else:
            if utc_s == UTC_UNKNOWN:
                return "the token has a time, and the clock is not set", 0, token_id, holder
            limit_s = struct.unpack("<I", value)[0]
            if kind == CAVEAT_NOT_BEFORE and utc_s < limit_s:
                return "the token is not valid yet", 0, token_id, holder
            if kind == CAVEAT_NOT_AFTER and utc_s >= limit_s:
                return "the token has expired", 0, token_id, holder
    return "", may, token_id, holder
