"""What vectors of keys say: tokens, proven conversations and signed heads, with dewarlog_wire.

Runs on CPython and on MicroPython; describe.py calls it.
"""

import struct
from binascii import unhexlify
from hashlib import sha256

from dewarlog_wire import frame, layout, proof, session, session_keys, token
from dewarlog_wire.errors import TokenError
from vector_lines import hex_bytes, line_of, message_line, record_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


# --- tokens -----------------------------------------------------------------------------------
def describe_token(header: "dict[str, str]", text: str) -> "list[str]":
    """Read caveats; say the token's secret, and what each board of the header allows it."""
    caveats = hex_bytes(text)
    secret = token.token_secret(unhexlify(header["role key"]), caveats)
    lines = [line_of("secret", ("value",), (secret,))]
    try:
        for kind, value, _ in token.read_caveats(caveats):
            lines.append(line_of("caveat", ("kind", "value"), (kind, value)))
    except TokenError:
        del lines[1:]
    for board in header["boards"].split(";"):
        device, log, utc_s, may = board.split()
        log_id = b"" if log == "-" else unhexlify(log)
        try:
            why, may_now, _, _ = token.why_not(
                caveats, unhexlify(device), log_id, int(utc_s), int(may)
            )
        except TokenError:
            why, may_now = "not read", 0
        lines.append(line_of("judged", ("holds", "may"), (int(not why), may_now)))
    return lines


# --- proven conversations ---------------------------------------------------------------------
def describe_proven(header: "dict[str, str]", text: str) -> "list[str]":
    """Read a conversation by who knows the secret its AUTH proves."""
    reader = _Proven(unhexlify(header["secret"]))
    for line in text.split("\n"):
        if line.strip() and line[0] != "#":
            kind, seq, body = frame.parse_frame(hex_bytes(line[1:]))
            if line[0] == ">":
                reader.host_says(kind, seq, body)
            else:
                reader.board_says(kind, seq, body)
    return reader.lines


class _Proven:
    """Follows one conversation: who has proven what, which keys are in use, which counters."""

    def __init__(self, secret: bytes) -> None:
        self.lines: "list[str]" = []
        self._secret = secret
        self._hello = b""
        self._said = b""  # the reply to HELLO
        self._transcript = b""
        self._keys: "session_keys.SessionKeys | None" = None
        self._flags = 0
        self._asked: "tuple[int, int, bytes]" = (0, 0, b"")  # the last request taken, as it came
        self._counter = 0  # of that request
        self._read: "tuple[int, int]" = (0, 0)  # counter and offset of the READ in hand
        self._transfer = bytearray()  # its plain bytes

    # --- the host -----------------------------------------------------------------------------
    def host_says(self, kind: int, seq: int, body: bytes) -> None:
        """Judge a request as the board does."""
        if kind == layout.MSG_HELLO:
            self._hello = body
            self._keys = None
            self._counter = 0
            self._say(kind, seq, body)
        elif kind == layout.MSG_AUTH:
            key, flags, shown = self._say(kind, seq, body)[:3]
            self._flags = flags
            self._transcript = proof.transcript(self._hello, self._said, key, flags)
            holds = proof.same(proof.host_proof(self._secret, self._transcript), shown)
            self._proof("host", holds)
            self._keys = None
        elif kind == layout.MSG_ACK or self._keys is None:
            self._say(kind, seq, body)
            self._note_read(kind, body)
        else:
            self._tagged_request(kind, seq, body)

    def _tagged_request(self, kind: int, seq: int, whole: bytes) -> None:
        body, counter = self._open(session_keys.HOST, session_keys.HOST, kind, seq, whole)
        again = (kind, seq, whole) == self._asked
        if body is None or (counter <= self._counter and not again):
            self._drop(kind, seq)
            return
        self._asked = (kind, seq, whole)
        self._counter = counter
        self._say(kind, seq, body)
        self._tag(counter)
        self._note_read(kind, body)

    def _note_read(self, kind: int, body: bytes) -> None:
        if kind == layout.MSG_READ:
            offset = session.unpack_body(kind, body)[3]
            self._read = (self._counter, offset)
            self._transfer = bytearray()

    # --- the board ----------------------------------------------------------------------------
    def board_says(self, kind: int, seq: int, body: bytes) -> None:
        """Judge what the board says as the host does."""
        if kind == layout.MSG_AUTH | layout.REPLY:
            (shown,) = self._say(kind, seq, body)
            holds = proof.same(proof.board_proof(self._secret, self._transcript), shown)
            self._proof("board", holds)
            if holds:
                self._keys = session_keys.SessionKeys(self._secret, self._transcript)
        elif kind == layout.MSG_HELLO | layout.REPLY:
            self._said = body
            self._say(kind, seq, body)
        elif self._keys is None:
            self._say(kind, seq, body)
        elif kind == layout.MSG_DATA:
            self._data(kind, seq, body)
        else:
            self._tagged_reply(kind, seq, body)

    def _data(self, kind: int, seq: int, body: bytes) -> None:
        counter, start = self._read
        _, _, offset, held = session.unpack_body(kind, body)
        plain = bytearray(held)
        if self._flags & layout.AUTH_SECRET:
            assert self._keys is not None
            # Before the first byte of a transfer there is no stream, nor a place for DATA.
            self._keys.cipher_into(plain, session_keys.DATA, counter, max(0, offset - start))
        self._transfer += plain
        self._say(kind, seq, body[: layout.DATA_HEAD.size] + bytes(plain))

    def _tagged_reply(self, kind: int, seq: int, whole: bytes) -> None:
        is_end = kind == layout.MSG_END
        due = self._read[0] if is_end else self._counter
        use = session_keys.END if is_end else session_keys.BOARD
        more = sha256(self._transfer).digest() if is_end else b""
        body, counter = self._open(session_keys.BOARD, use, kind, seq, whole, more)
        if body is None or counter != due:
            self._drop(kind, seq)
            return
        self._say(kind, seq, body)
        self._tag(counter)

    # --- both ---------------------------------------------------------------------------------
    def _open(
        self, sender: int, use: int, kind: int, seq: int, whole: bytes, more: bytes = b""
    ) -> "tuple[bytes | None, int]":
        """Return (plain body, counter); no body when the tag is wrong."""
        at = len(whole) - layout.SESSION_TAG.size
        if at < 0:
            return None, 0
        assert self._keys is not None
        body, tag = bytearray(whole[:at]), whole[at:]
        counter = struct.unpack_from("<I", tag, 0)[0]
        if not self._keys.holds(sender, kind, seq, body, tag, more):
            return None, counter
        if self._flags & layout.AUTH_SECRET:
            self._keys.cipher_into(body, use, counter, 0)
        return bytes(body), counter

    def _say(self, kind: int, seq: int, body: bytes) -> "tuple[Any, ...]":
        values = session.unpack_body(kind, body)
        self.lines.append(message_line(kind, seq, values))
        return values

    def _proof(self, side: str, holds: bool) -> None:
        self.lines.append("proof side=%s holds=%d" % (side, holds))

    def _tag(self, counter: int) -> None:
        self.lines.append("tag counter=%d" % counter)

    def _drop(self, kind: int, seq: int) -> None:
        self.lines.append("dropped kind=%02x seq=%d" % (kind, seq))


# --- signed heads -----------------------------------------------------------------------------
def describe_signature(header: "dict[str, str]", text: str) -> "list[str]":
    """Read a reply to SIGN; say the seed of its board's key and the message that was signed."""
    body = hex_bytes(text)
    values = session.unpack_body(layout.MSG_SIGN | layout.REPLY, body)
    head = body[: struct.calcsize(layout.SIGN_REPLY.format) - 64]
    message = proof.signed_head(unhexlify(header["device"]), head, unhexlify(header["nonce"]))
    return [
        record_line(layout.SIGN_REPLY, values),
        line_of("seed", ("value",), (proof.signing_seed(unhexlify(header["device key"])),)),
        line_of("signed", ("message",), (message,)),
    ]
