"""The owner of a simulated board at its port, in a few lines of his own: no host tool between."""

from __future__ import annotations

import random
import struct
import time
from typing import TYPE_CHECKING, Self

import pytest

from dewarlog.link.usb import UsbLink
from dewarlog_wire import PROTOCOL_VERSION, layout, proof, session_keys
from line import COMMAND_S

if TYPE_CHECKING:
    from simboard.launch import SimBoard


class Owner:
    """The owner of a board at its port, who speaks for himself: HELLO, AUTH, tagged requests."""

    def __init__(self, board: SimBoard) -> None:
        self._link = UsbLink(board.pty)
        self._seq = random.randrange(256)
        self._keys: session_keys.SessionKeys | None = None
        self._is_secret = False
        self._counter = 0

    def __enter__(self) -> Self:
        """Take the port and say HELLO."""
        self._link.open()
        hello = struct.pack(layout.HELLO.format, PROTOCOL_VERSION, 0, 4096, random.randbytes(8))
        self._greeting = (hello, self.ask(layout.MSG_HELLO, hello))
        return self

    def __exit__(self, *_: object) -> None:
        """Give the port back."""
        self._link.close()

    def ask(self, kind: int, body: bytes = b"") -> bytes:
        """Ask once a second until it is answered; return the reply's body without its tag."""
        self._seq = (self._seq + 1) % 256
        tagged = self._tagged(kind, body)
        deadline_s = time.monotonic() + COMMAND_S
        while time.monotonic() < deadline_s:
            self._link.send(kind, self._seq, tagged)
            frame = self._link.receive(1)
            while frame is not None:
                if frame.seq == self._seq and frame.kind == kind | layout.REPLY:
                    return self._plain(frame.kind, bytes(frame.body))
                assert frame.seq != self._seq, f"refused: {bytes(frame.body)!r}"
                frame = self._link.receive(1)
        pytest.fail("the board does not answer")

    def _tagged(self, kind: int, body: bytes) -> bytes:
        """Encipher and tag a request's body, once proven."""
        if self._keys is None:
            return body
        self._counter += 1
        data = bytearray(body)
        if self._is_secret:
            self._keys.cipher_into(data, session_keys.HOST, self._counter, 0)
        tag = self._keys.tag(session_keys.HOST, self._counter, kind, self._seq, data)
        return bytes(data) + tag

    def _plain(self, kind: int, body: bytes) -> bytes:
        """Check the tag of a reply and decipher it, once proven."""
        if self._keys is None:
            return body
        data, tag = bytearray(body[: -layout.SESSION_TAG.size]), body[-layout.SESSION_TAG.size :]
        assert self._keys.holds(session_keys.BOARD, kind, self._seq, data, tag)
        if self._is_secret:
            self._keys.cipher_into(data, session_keys.BOARD, self._counter, 0)
        return bytes(data)

    def prove(self, secret: bytes, flags: int = 0) -> None:
        """Prove to have the admin key."""
        said = proof.transcript(*self._greeting, layout.KEY_ADMIN, flags)
        given = proof.host_proof(secret, said)
        auth = struct.pack(layout.AUTH.format, layout.KEY_ADMIN, flags, given)
        assert self.ask(layout.MSG_AUTH, auth) == proof.board_proof(secret, said)
        self._keys = session_keys.SessionKeys(secret, said)
        self._is_secret = flags & layout.AUTH_SECRET != 0

    @property
    def device_id(self) -> bytes:
        """Return what the board calls itself."""
        at = layout.HELLO_REPLY.offset_of("device_id")
        return self._greeting[1][at : at + 8]

    def access(self) -> int:
        """Return the ACCESS_IS_* bits of STATUS."""
        reply = self.ask(layout.MSG_STATUS)
        return reply[layout.STATUS_REPLY.offset_of("access")]
