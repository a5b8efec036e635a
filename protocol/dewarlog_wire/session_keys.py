"""What a proven conversation is protected by: a tag behind each frame's body, and a key stream.

Place in the line: beside proof; below server and session. Both ends make the same three keys from
the secret of AUTH and all that was said before it. Rules: protocol/SPEC.md section 7.9.
"""

import struct
from hashlib import sha256

from dewarlog_wire.layout import SESSION_TAG
from dewarlog_wire.proof import hmac_sha256, same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Readable = bytes | bytearray | memoryview

HOST = 0  # who tags, and what is enciphered: a request
BOARD = 1  # a reply or ERROR
DATA = 2  # the bytes of a transfer
END = 3
MAC_BYTES = 8
_STREAM_BYTES = 32
_PURPOSES = (b"dewarlog session host", b"dewarlog session board", b"dewarlog session secret")
_TAG_HEAD = "<BBI"
_STREAM_HEAD = "<BII"
_KEY_BYTES = 32


def xor_into(target: "bytearray | memoryview", at: int, stream: bytes, part: int) -> None:
    """XOR bytes of `stream` into `target` from `at` on.

    `part` is the first of them, and 256 x how many: a machine-code twin takes four arguments.
    """
    skip = part & 0xFF
    for index in range(part >> 8):
        target[at + index] ^= stream[skip + index]


class SessionKeys:
    """The keys of one conversation. `secret` and `said` are those of AUTH (proof.transcript).

    `xor` is `xor_into`, or its machine-code twin where a board has one.
    """

    def __init__(self, secret: bytes, said: bytes, xor: "Callable[..., None]" = xor_into) -> None:
        self._xor = xor
        keys = [hmac_sha256(secret, purpose + said) for purpose in _PURPOSES]
        self._keys = keys[:2]
        # What a block of the key stream is the hash of, made once: a board hashes 128 a frame.
        self._block = bytearray(keys[2]) + bytearray(struct.calcsize(_STREAM_HEAD))

    def tag(
        self, sender: int, counter: int, kind: int, seq: int, body: "Readable", more: bytes = b""
    ) -> bytes:
        """Return the SESSION_TAG of one frame.

        `sender` is HOST or BOARD; `body` stands in the frame before the tag, as it is sent; `more`
        is what the frame vouches for beyond it: END's SHA-256 of its transfer.
        """
        head = struct.pack(_TAG_HEAD, kind, seq, counter)
        mac = hmac_sha256(self._keys[sender], head + bytes(body) + more)
        return struct.pack(SESSION_TAG.format, counter, mac[:MAC_BYTES])

    def holds(
        self,
        sender: int,
        kind: int,
        seq: int,
        body: "Readable",
        tag: "Readable",
        more: bytes = b"",
    ) -> bool:
        """Say whether a frame's SESSION_TAG is right; its counter is the caller's to judge."""
        counter = struct.unpack_from("<I", tag, 0)[0]
        return same(self.tag(sender, counter, kind, seq, body, more), tag)

    def cipher_into(
        self, buffer: "bytearray | memoryview", use: int, counter: int, offset: int
    ) -> None:
        """Encipher or decipher `buffer` in place: XOR with the key stream from `offset` on.

        `use` is HOST, BOARD or END for a frame's body, DATA for the bytes of the transfer that the
        READ of this counter began; `offset` counts from their first byte.
        """
        block = self._block
        at = 0
        count = len(buffer)
        while at < count:
            skip = (offset + at) % _STREAM_BYTES
            number = (offset + at) // _STREAM_BYTES
            struct.pack_into(_STREAM_HEAD, block, _KEY_BYTES, use, counter, number)
            stream = sha256(block).digest()
            here = min(_STREAM_BYTES - skip, count - at)
            self._xor(buffer, at, stream, skip | here << 8)
            at += here
