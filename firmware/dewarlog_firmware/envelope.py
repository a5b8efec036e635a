"""Tags and cipher of one proven conversation, the board's side.

Place in the line: the part of server and transfer that stands between a body and its frame once
AUTH has succeeded. Bytes and rules: protocol/SPEC.md 7.9. A request whose tag does not hold, or
that is older than the last one taken, is as if it had never come.
"""

import struct

from micropython import const

from dewarlog_wire import layout
from dewarlog_wire.session_keys import BOARD, DATA, HOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dewarlog_wire.session_keys import SessionKeys

_BODY_AT = const(4)  # FRAME_HEAD.size
_TAG_BYTES = layout.SESSION_TAG.size


class Envelope:
    """The keys of one conversation, and how far its host has counted.

    `counter` is that of the newest request that was taken: 0 behind HELLO, and it goes on over a
    second AUTH. `is_secret`: bodies and data are enciphered as well.
    """

    def __init__(self, keys: "SessionKeys", counter: int, *, is_secret: bool) -> None:
        self._keys = keys
        self._is_secret = is_secret
        self.counter = counter

    def open(self, kind: int, seq: int, body: "bytes | memoryview") -> "bytes | bytearray | None":
        """Return a request's body without its tag, deciphered; None when it is not to be taken.

        The one last taken is taken again: the caller knows it by its bytes.
        """
        end = len(body) - _TAG_BYTES
        if end < 0:
            return None
        tag = body[end:]
        counter = struct.unpack_from("<I", tag, 0)[0]
        if counter < self.counter or not self._keys.holds(HOST, kind, seq, body[:end], tag):
            return None
        self.counter = counter
        if not self._is_secret:
            return bytes(body[:end])
        plain = bytearray(body[:end])
        self._keys.cipher_into(plain, HOST, counter, 0)
        return plain

    def close(
        self,
        frame: memoryview,
        kind: int,
        seq: int,
        length: int,
        counter: int,
        use: int = BOARD,
        more: bytes = b"",
    ) -> int:
        """Encipher the body of `length` bytes in a frame, tag it, and return its new length."""
        end = _BODY_AT + length
        body = frame[_BODY_AT:end]
        if self._is_secret:
            self._keys.cipher_into(body, use, counter, 0)
        frame[end : end + _TAG_BYTES] = self._keys.tag(BOARD, counter, kind, seq, body, more)
        return length + _TAG_BYTES

    def hide(self, view: memoryview, counter: int, offset: int) -> None:
        """Encipher bytes of the transfer that the READ of this counter began, in place."""
        if self._is_secret:
            self._keys.cipher_into(view, DATA, counter, offset)
