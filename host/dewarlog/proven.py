"""What proves this computer to a board, and what protects their conversation from then on.

Beside session, which asks; this judges. A `Credential` is a role's key or a token, a `Proven` the
conversation after an AUTH that both sides passed: it tags what goes out, refuses what was changed
on its way, and counts, so that nothing said before is taken again. Rules: protocol/SPEC.md 7.7 to
7.9.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dewarlog_wire import access, layout, session_keys, token

if TYPE_CHECKING:
    from collections.abc import Callable

TAG_BYTES: Final = layout.SESSION_TAG.size


@dataclass(frozen=True, slots=True)
class Credential:
    """What this computer proves itself by: the key of a role, or a token made from one."""

    key: int
    """The role: layout.KEY_READER, KEY_COURIER or KEY_ADMIN."""
    secret: bytes = field(repr=False)
    caveats: bytes = b""
    """Of a token; empty for the key itself."""
    name: str = ""
    """How to call it in a sentence: "courier key", "token of Ana, until ..."."""

    @property
    def is_token(self) -> bool:
        """True for a token, False for the role's own key."""
        return bool(self.caveats)

    @property
    def may(self) -> int:
        """What it allows, layout.MAY_*, as long as its other caveats are met."""
        allowed = access.MAY[self.key]
        if self.is_token:
            allowed &= access.MAY_BY_TOKEN
        for kind, value, _ in token.read_caveats(self.caveats):
            if kind == layout.CAVEAT_MAY:
                allowed &= value[0]
        return allowed


if TYPE_CHECKING:
    # Gives what this computer has for a device id; None where it has nothing, and a sentence where
    # what it has cannot be used.
    Credentials = Callable[[bytes], Credential | str | None]


class Proven:
    """One conversation after AUTH, from this computer's side."""

    def __init__(self, secret: bytes, said: bytes, *, enciphered: bool = False) -> None:
        """Take the secret of AUTH and the transcript it was proven over."""
        self._keys = session_keys.SessionKeys(secret, said)
        self.enciphered = enciphered
        self.counter = 0
        """Of the newest request."""

    def request(self, kind: int, seq: int, body: bytes) -> bytes:
        """Return the body of a new request as it is sent, its SESSION_TAG behind it."""
        self.counter += 1
        if self.enciphered:
            body = self._ciphered(body, session_keys.HOST, self.counter)
        return body + self._keys.tag(session_keys.HOST, self.counter, kind, seq, body)

    def reply(self, kind: int, seq: int, body: bytes | memoryview) -> bytes | None:
        """Return what a reply or ERROR to the newest request says, without its tag.

        None when it is not the board's, or is its answer to another request.
        """
        said, tag = bytes(body[:-TAG_BYTES]), bytes(body[-TAG_BYTES:])
        if counter_of(body) != self.counter:
            return None
        if not self._keys.holds(session_keys.BOARD, kind, seq, said, tag):
            return None
        return self._ciphered(said, session_keys.BOARD, self.counter) if self.enciphered else said

    def end(self, body: bytes | memoryview, counter: int) -> bytes:
        """Return the END record in a frame of the transfer whose READ had this counter.

        It proves nothing before `end_holds`.
        """
        said = bytes(body[: layout.END.size])
        return self._ciphered(said, session_keys.END, counter) if self.enciphered else said

    def end_holds(self, seq: int, body: bytes | memoryview, counter: int, sha256: bytes) -> bool:
        """Say whether the board ended this transfer so, after bytes with this SHA-256."""
        said, tag = bytes(body[:-TAG_BYTES]), bytes(body[-TAG_BYTES:])
        if len(said) != layout.END.size or counter_of(body) != counter:
            return False
        kind = layout.MSG_END
        return self._keys.holds(session_keys.BOARD, kind, seq, said, tag, sha256)

    def data(self, payload: memoryview, counter: int, offset: int) -> bytes | memoryview:
        """Return the bytes of DATA in the clear; `offset` counts from the transfer's first."""
        if not self.enciphered:
            return payload
        return self._ciphered(bytes(payload), session_keys.DATA, counter, offset)

    def _ciphered(self, body: bytes, use: int, counter: int, offset: int = 0) -> bytes:
        buffer = bytearray(body)
        self._keys.cipher_into(buffer, use, counter, offset)
        return bytes(buffer)


def counter_of(body: bytes | memoryview) -> int | None:
    """Return the counter that a body's SESSION_TAG names; None when there is no room for one."""
    if len(body) < TAG_BYTES:
        return None
    counter: int = struct.unpack_from("<I", body, len(body) - TAG_BYTES)[0]
    return counter
