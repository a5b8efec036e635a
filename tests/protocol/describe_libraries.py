"""What vectors of keys say, from the words of SPEC.md 4.9 and 7.7 to 7.10 and from libraries.

The lines of describe_trust.py without its modules: HMAC and SHA-256 are the standard library's,
Ed25519 that of `cryptography`, caveats and messages are read by construct.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dewarlog import parse
from dewarlog_wire.errors import TokenError
from vector_lines import hex_bytes, show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_UTC_UNKNOWN = 0xFFFFFFFF
_TAG_BYTES = 12
_REPLY = 0x80
_HELLO, _READ, _ACK, _AUTH, _DATA, _END = 0x01, 0x05, 0x06, 0x0D, 0x40, 0x41
_UNTAGGED = {_HELLO, _HELLO | _REPLY, _ACK, _AUTH, _AUTH | _REPLY}


def mac(key: bytes, *parts: bytes) -> bytes:
    """Return HMAC-SHA256 of the parts joined."""
    return hmac.digest(key, b"".join(parts), "sha256")


def line(name: str, fields: Mapping[str, Any]) -> str:
    """Write one line: what was read, then field=value."""
    return " ".join([name, *(f"{field}={show(value)}" for field, value in fields.items())])


def message_line(kind: int, seq: int, fields: parse.Fields) -> str:
    """Write the line of one message as construct read it."""
    start = f"message kind={kind:02x} seq={seq}"
    if "entries" in fields:
        head = fields["head"]
        begun = f"{start} total={head['total']} from_index={head['from_index']}"
        entries = ("/".join(map(show, entry.values())) for entry in fields["entries"])
        return " ".join([begun, *(f"entry={entry}" for entry in entries)])
    rest = {name: value for name, value in fields.items() if name not in {"head", "event"}}
    return line(start, {**fields.get("head", {}), **fields.get("event", {}), **rest})


def seal_tag(state: bytes, steps: int, chain: bytes) -> bytes:
    """Return the tag of a block sealed `steps` states after this one (4.9)."""
    for _ in range(steps):
        state = mac(state, b"dewarlog seal next")
    return mac(mac(state, b"dewarlog seal key"), chain)[:16]


# --- tokens (7.8) -------------------------------------------------------------------------------
def describe_token(header: Mapping[str, str], text: str) -> Iterator[str]:
    """Give the secret, each caveat, and what each board allows."""
    caveats = parse.parse_caveats(hex_bytes(text))
    secret = bytes.fromhex(header["role key"])
    for one in caveats:
        secret = mac(secret, b"dewarlog token", one.packed)
    yield line("secret", {"value": secret})
    try:
        parse.check_caveats(caveats)
        is_read = True
    except TokenError:
        is_read = False
    if is_read:
        for one in caveats:
            yield line("caveat", {"kind": one.kind, "value": one.value})
    for board in header["boards"].split(";"):
        device, log, utc_s, may = board.split()
        allowed = int(may)
        met = is_read
        for one in caveats if is_read else ():
            met &= _is_met(one, device, log, int(utc_s))
            if one.kind == 6:  # MAY
                allowed &= one.value[0]
        yield line("judged", {"holds": int(met), "may": allowed if met else 0})


def _is_met(one: parse.ParsedCaveat, device: str, log: str, utc_s: int) -> bool:
    if one.kind == 2:  # DEVICE
        return one.value == bytes.fromhex(device)
    if one.kind == 5:  # LOG
        return log != "-" and one.value == bytes.fromhex(log)
    limit_s = int.from_bytes(one.value, "little")
    if one.kind == 3:  # NOT_BEFORE
        return utc_s != _UTC_UNKNOWN and utc_s >= limit_s
    if one.kind == 4:  # NOT_AFTER
        return utc_s != _UTC_UNKNOWN and utc_s < limit_s
    return True


# --- proven conversations (7.7.1, 7.9) ----------------------------------------------------------
@dataclass(slots=True)
class _Talk:
    """What both sides of a conversation know by now."""

    secret: bytes
    hello: bytes = b""
    reply: bytes = b""
    transcript: bytes = b""
    keys: dict[str, bytes] = field(default_factory=dict[str, bytes])
    is_secret: bool = False
    counter: int = 0  # of the last request taken
    last: bytes = b""  # its body as it stood in the frame
    read_counter: int = 0
    read_offset: int = 0
    transfer: bytes = b""


def describe_proven(header: Mapping[str, str], text: str) -> Iterator[str]:
    """Follow a conversation as who knows the secret."""
    talk = _Talk(bytes.fromhex(header["secret"]))
    for row in text.splitlines():
        if not row.strip() or row.startswith("#"):
            continue
        frame = parse.parse_frame(hex_bytes(row[1:]))
        body, tag = frame.body, b""
        if talk.keys and frame.kind == _DATA:
            body = _data(talk, body)
        elif talk.keys and frame.kind not in _UNTAGGED:
            body, tag = frame.body[:-_TAG_BYTES], frame.body[-_TAG_BYTES:]
            if len(tag) < _TAG_BYTES or not _is_taken(talk, row.startswith(">"), frame):
                yield f"dropped kind={frame.kind:02x} seq={frame.seq}"
                continue
            use = 0 if row.startswith(">") else 3 if frame.kind == _END else 1
            if talk.is_secret:
                body = _xor(talk.keys, use, int.from_bytes(tag[:4], "little"), 0, body)
        fields = parse.parse_message(frame.kind, body)
        yield message_line(frame.kind, frame.seq, fields)
        if tag:
            yield f"tag counter={int.from_bytes(tag[:4], 'little')}"
        yield from _learn(talk, frame.kind, body, fields)


def _is_taken(talk: _Talk, is_host: bool, frame: parse.ParsedFrame) -> bool:
    """Judge mac and counter; a request that is taken moves the counter on."""
    body, tag = frame.body[:-_TAG_BYTES], frame.body[-_TAG_BYTES:]
    counter = int.from_bytes(tag[:4], "little")
    more = hashlib.sha256(talk.transfer).digest() if frame.kind == _END else b""
    key = talk.keys["host" if is_host else "board"]
    head = struct.pack("<BBI", frame.kind, frame.seq, counter)
    if mac(key, head, body, more)[:8] != tag[4:]:
        return False
    if not is_host:
        return counter == (talk.read_counter if frame.kind == _END else talk.counter)
    if counter <= talk.counter and frame.body != talk.last:
        return False
    talk.counter, talk.last = counter, frame.body
    return True


def _data(talk: _Talk, body: bytes) -> bytes:
    """Return the plain body of DATA; END vouches for its bytes."""
    # Before the first byte of a transfer there is no stream, nor a place for DATA.
    start = max(0, int.from_bytes(body[2:6], "little") - talk.read_offset)
    held = body[6:]
    if talk.is_secret:
        held = _xor(talk.keys, 2, talk.read_counter, start, held)
    talk.transfer += held
    return body[:6] + held


def _learn(talk: _Talk, kind: int, body: bytes, fields: parse.Fields) -> Iterator[str]:
    """Keep what later frames are judged by; say whether a proof holds."""
    if kind == _HELLO:
        talk.hello, talk.keys, talk.counter = body, {}, 0
    elif kind == _HELLO | _REPLY:
        talk.reply = body
    elif kind == _READ:
        talk.read_counter, talk.read_offset = talk.counter, fields["offset"]
        talk.transfer = b""
    elif kind == _AUTH:
        talk.keys, talk.is_secret = {}, bool(body[1] & 1)
        talk.transcript = talk.hello + talk.reply + body[:2]
        right = mac(talk.secret, b"dewarlog auth host", talk.transcript)[:16]
        yield f"proof side=host holds={int(right == body[2:18])}"
    elif kind == _AUTH | _REPLY:
        right = mac(talk.secret, b"dewarlog auth board", talk.transcript)[:16]
        yield f"proof side=board holds={int(right == body)}"
        if right == body:
            talk.keys = {
                name: mac(talk.secret, b"dewarlog session " + name.encode(), talk.transcript)
                for name in ("host", "board", "secret")
            }


def _xor(keys: Mapping[str, bytes], use: int, counter: int, start: int, data: bytes) -> bytes:
    """XOR with the key stream, byte by byte as 7.9.5 says it."""
    made = bytearray()
    for n, byte in enumerate(data, start=start):
        number = struct.pack("<BII", use, counter, n // 32)
        made.append(byte ^ hashlib.sha256(keys["secret"] + number).digest()[n % 32])
    return bytes(made)


# --- signed heads (7.10) ------------------------------------------------------------------------
def signing_key(header: Mapping[str, str]) -> Ed25519PrivateKey:
    """Return the secret key of the board of a vector."""
    seed = mac(bytes.fromhex(header["device key"]), b"dewarlog key sign")
    return Ed25519PrivateKey.from_private_bytes(seed)


def signed_message(header: Mapping[str, str], body: bytes) -> bytes:
    """Return what the board of a vector signed; `body` is that of its reply to SIGN."""
    device, nonce = bytes.fromhex(header["device"]), bytes.fromhex(header["nonce"])
    return b"dewarlog head 1" + device + body[:-64] + nonce


def describe_signature(header: Mapping[str, str], text: str) -> Iterator[str]:
    """Give the fields, the seed and the message that was signed."""
    body = hex_bytes(text)
    yield line("sign_reply", parse.parse_message(0x94, body))
    yield line("seed", {"value": signing_key(header).private_bytes_raw()})
    yield line("signed", {"message": signed_message(header, body)})
