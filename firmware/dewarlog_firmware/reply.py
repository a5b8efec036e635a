"""The one frame a server has to send: a reply or an error, kept so that it can be sent again.

Place in the line: beside server, which fills it; the links send `frame[:length]` while `is_due`.
The buffer is made once. Message bytes: protocol/SPEC.md 7.1 and 7.4.
"""

import struct
from binascii import crc32

from micropython import const

from dewarlog_wire import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dewarlog_firmware.envelope import Envelope

    Key = tuple[int, int, int]

# SIGN_REPLY with its tag and an error's words fit; no link we know carries less.
BODY_MIN_BYTES = const(160)
NO_KEY = (-1, 0, 0)  # of no request
_BODY_AT = const(4)  # FRAME_HEAD.size
_WORDS_MAX_BYTES = BODY_MIN_BYTES - layout.ERROR.size - layout.SESSION_TAG.size


class Reply:
    """`key` names the request last answered: its kind, seq and the CRC-32 of its body."""

    def __init__(self, body_max: int) -> None:
        self.frame = bytearray(body_max + layout.FRAME_OVERHEAD_BYTES)
        self._view = memoryview(self.frame)
        self.forget()

    def forget(self) -> None:
        """Answer nobody: the conversation is over."""
        self.is_due = False
        self.length = 0
        self.key = NO_KEY
        self.words_max = _WORDS_MAX_BYTES

    def allow(self, body_max: int) -> None:
        """Let an error have as many words as fit a body of so many bytes."""
        self.words_max = min(body_max, len(self.frame) - layout.FRAME_OVERHEAD_BYTES) - (
            layout.ERROR.size + layout.SESSION_TAG.size
        )

    def put(self, record: layout.Record, *values: "int | bytes") -> int:
        """Write one record as the body; return its length."""
        return self.put_behind(0, record, *values)

    def put_behind(self, length: int, record: layout.Record, *values: "int | bytes") -> int:
        """Write one record behind a body of `length` bytes; return the length of both."""
        struct.pack_into(record.format, self.frame, _BODY_AT + length, *values)
        return length + record.size

    def put_bytes(self, length: int, data: "bytes | memoryview") -> int:
        """Write bytes behind a body of `length` bytes; return the length of both."""
        end = length + len(data)
        self.frame[_BODY_AT + length : _BODY_AT + end] = data
        return end

    def put_error(self, code: int, text: str) -> int:
        """Write an error as the body, its words cut to what this conversation carries."""
        words = text.encode()[: self.words_max]
        self.frame[_BODY_AT] = code
        end = _BODY_AT + layout.ERROR.size + len(words)
        self.frame[end - len(words) : end] = words
        return end - _BODY_AT

    def body(self, length: int) -> bytes:
        """Return a copy of the body that was put."""
        return bytes(self._view[_BODY_AT : _BODY_AT + length])

    def queue(
        self, key: "Key", kind: int, length: int, counter: int, envelope: "Envelope | None"
    ) -> None:
        """Make a frame of the body that was put, tagged by `envelope`, and have it sent."""
        if envelope is not None:
            length = envelope.close(self._view, kind, key[1], length, counter)
        struct.pack_into(layout.FRAME_HEAD.format, self.frame, 0, kind, key[1], length)
        end = _BODY_AT + length
        struct.pack_into("<I", self.frame, end, crc32(self._view[:end]))
        self.key = key
        self.length = length + layout.FRAME_OVERHEAD_BYTES
        self.is_due = True
