"""Proven conversations: tagged, enciphered, and what somebody between the two would do."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from dewarlog_wire import crc, frame, layout, proof, session, session_keys, token
from vectors.parts import DEVICE_ID, DEVICE_KEY, RUN, UTC_S, scenario

if TYPE_CHECKING:
    from vectors.parts import Vector

_FILE: Final = bytes(range(1, 101))
_ETAG: Final = 0x01020304


class Talk:
    """Writes a conversation of frames as both ends send them."""

    def __init__(self, key: int, caveats: bytes = b"") -> None:
        """Begin with HELLO; `key` and `caveats` say which secret AUTH proves."""
        role_key = proof.derived_key(DEVICE_KEY, key)
        self.secret = token.token_secret(role_key, caveats)
        self._key = key
        self._caveats = caveats
        self._lines: list[str] = []
        self._flags = 0
        self._keys: session_keys.SessionKeys | None = None
        self.hello = session.pack_body(layout.MSG_HELLO, 1, 0, 236, b"hostnonc")
        reply = (1, 1, 236, 63, DEVICE_ID, b"boardnon")
        self.reply = session.pack_body(layout.MSG_HELLO | layout.REPLY, *reply)
        self.add(">", layout.MSG_HELLO, 1, self.hello)
        self.add("<", layout.MSG_HELLO | layout.REPLY, 1, self.reply)

    def add(self, who: str, kind: int, seq: int, body: bytes) -> str:
        """Write a frame as it is; return its line."""
        self._lines.append(f"{who} {frame.encode_frame(kind, seq, body).hex()}\n")
        return self._lines[-1]

    def again(self, line: str) -> None:
        """Write a line once more: sent again, or played again by somebody else."""
        self._lines.append(line)

    def auth(self, seq: int, flags: int = 0, *, board: bool = True) -> str:
        """Write both proofs; from then on `say` tags. Without `board` only the host's."""
        said = proof.transcript(self.hello, self.reply, self._key, flags)
        shown = proof.host_proof(self.secret, said)
        body = session.pack_body(layout.MSG_AUTH, self._key, flags, shown, self._caveats)
        line = self.add(">", layout.MSG_AUTH, seq, body)
        if board:
            self.add(
                "<", layout.MSG_AUTH | layout.REPLY, seq, proof.board_proof(self.secret, said)
            )
        self._flags = flags
        self._keys = session_keys.SessionKeys(self.secret, said)
        return line

    def say(
        self, kind: int, seq: int, counter: int, *values: object, more: bytes = b"", bend: int = 0
    ) -> str:
        """Write a tagged frame; `bend` is XORed into the last byte of its mac."""
        assert self._keys is not None  # noqa: S101 - scenarios say AUTH first
        is_host = kind < layout.REPLY and kind not in (layout.MSG_END, layout.MSG_ERROR)
        sender = session_keys.HOST if is_host else session_keys.BOARD
        use = session_keys.END if kind == layout.MSG_END else sender
        body = bytearray(session.pack_body(kind, *values))
        if self._flags & layout.AUTH_SECRET:
            self._keys.cipher_into(body, use, counter, 0)
        tag = bytearray(self._keys.tag(sender, counter, kind, seq, body, more))
        tag[-1] ^= bend
        return self.add(">" if is_host else "<", kind, seq, bytes(body + tag))

    def read(self, seq: int, counter: int, offset: int, length: int) -> None:
        """Write READ and its reply."""
        prefix = crc.crc32(_FILE[:offset])
        asked = (RUN, 0, _ETAG, offset, length, prefix, 4096)
        self.say(layout.MSG_READ, seq, counter, *asked)
        self.say(layout.MSG_READ | layout.REPLY, seq, counter, 1, length)

    def data(self, seq: int, counter: int, begin: int, start: int, end: int) -> None:
        """Write DATA of the transfer that READ `counter` began at byte `begin`."""
        assert self._keys is not None  # noqa: S101 - as above
        held = bytearray(_FILE[start:end])
        if self._flags & layout.AUTH_SECRET:
            self._keys.cipher_into(held, session_keys.DATA, counter, start - begin)
        self.add("<", layout.MSG_DATA, seq, session.pack_body(layout.MSG_DATA, 1, 0, start, held))

    def end(self, seq: int, counter: int, start: int, end: int, held: bytes | None = None) -> str:
        """Write END of a transfer; `held` is what the board vouches for, if not the file's."""
        held = _FILE[start:end] if held is None else held
        values = (1, 0, end, crc.crc32(held))
        return self.say(layout.MSG_END, seq, counter, *values, more=sha256(held).digest())

    def done(self) -> Vector:
        """Return the vector."""
        return {"secret": self.secret.hex()}, "".join(self._lines)


@scenario
def proven_pull() -> Vector:
    """A courier's pull: requests and END are tagged, DATA and ACK are not."""
    talk = Talk(layout.KEY_COURIER)
    talk.auth(2)
    talk.read(3, 1, 20, 80)
    talk.data(3, 1, 20, 20, 60)
    talk.add(">", layout.MSG_ACK, 4, session.pack_body(layout.MSG_ACK, 1, 60, 4096))
    talk.data(3, 1, 20, 60, 100)
    talk.end(3, 1, 20, 100)
    talk.say(layout.MSG_SEAL, 5, 2)
    talk.say(layout.MSG_SEAL | layout.REPLY, 5, 2, 12, bytes(range(32)))
    return talk.done()


@scenario
def proven_enciphered_pull() -> Vector:
    """The same with AUTH_SECRET, and DATA cut where no block of the key stream ends."""
    talk = Talk(layout.KEY_COURIER)
    talk.auth(2, layout.AUTH_SECRET)
    talk.read(3, 1, 20, 80)
    talk.data(3, 1, 20, 20, 53)
    talk.add(">", layout.MSG_ACK, 4, session.pack_body(layout.MSG_ACK, 1, 53, 4096))
    talk.data(3, 1, 20, 53, 54)
    talk.data(3, 1, 20, 54, 100)
    talk.end(3, 1, 20, 100)
    talk.say(layout.MSG_SEAL, 5, 2)
    talk.say(layout.MSG_SEAL | layout.REPLY, 5, 2, 12, bytes(range(32)))
    return talk.done()


@scenario
def proven_by_token() -> Vector:
    """The holder of a token marks a step of custody, and is refused STOP."""
    identity = token.caveat(layout.CAVEAT_ID, b"token id")
    holder = token.caveat(layout.CAVEAT_HOLDER, "Zo\u00eb".encode())
    talk = Talk(layout.KEY_COURIER, identity + holder)
    talk.auth(2)
    talk.say(layout.MSG_MARK, 3, 1, 1, UTC_S, "Zo\u00eb", "gate 4", "")
    talk.say(layout.MSG_MARK | layout.REPLY, 3, 1)
    talk.say(layout.MSG_STOP, 4, 2)
    talk.say(layout.MSG_ERROR, 4, 2, layout.ERROR_NOT_ALLOWED, "a courier may not stop a run")
    return talk.done()


@scenario
def proven_request_again() -> Vector:
    """A reply was lost: the same frame again, and the same reply."""
    talk = Talk(layout.KEY_ADMIN)
    talk.auth(2)
    asked = talk.say(layout.MSG_STOP, 3, 1)
    talk.again(asked)
    answered = talk.say(layout.MSG_STOP | layout.REPLY, 3, 1)
    talk.again(answered)
    return talk.done()


@scenario
def proven_request_played_again() -> Vector:
    """Somebody plays an older request again: the board drops it."""
    talk = Talk(layout.KEY_ADMIN)
    talk.auth(2)
    asked = talk.say(layout.MSG_RADIO, 3, 1, 0, 90)
    talk.say(layout.MSG_RADIO | layout.REPLY, 3, 1)
    talk.say(layout.MSG_RADIO, 4, 2, 1, 0)
    talk.say(layout.MSG_RADIO | layout.REPLY, 4, 2)
    talk.again(asked)
    return talk.done()


@scenario
def proven_auth_played_again() -> Vector:
    """Somebody plays AUTH again and then what came behind it: the counter went on."""
    talk = Talk(layout.KEY_ADMIN)
    proven = talk.auth(2)
    asked = talk.say(layout.MSG_RADIO, 3, 1, 0, 90)
    talk.say(layout.MSG_RADIO | layout.REPLY, 3, 1)
    talk.say(layout.MSG_RADIO, 4, 2, 1, 0)
    talk.say(layout.MSG_RADIO | layout.REPLY, 4, 2)
    talk.again(proven)
    said = proof.transcript(talk.hello, talk.reply, layout.KEY_ADMIN, 0)
    talk.add("<", layout.MSG_AUTH | layout.REPLY, 2, proof.board_proof(talk.secret, said))
    talk.again(asked)
    talk.say(layout.MSG_RADIO, 5, 3, 1, 0)
    talk.say(layout.MSG_RADIO | layout.REPLY, 5, 3)
    return talk.done()


@scenario
def proven_tag_wrong() -> Vector:
    """A request, a reply and an END with a bent tag are dropped; the right ones are taken."""
    talk = Talk(layout.KEY_COURIER)
    talk.auth(2)
    talk.say(layout.MSG_TIME, 3, 1, UTC_S, 125, 40, bend=1)
    talk.say(layout.MSG_TIME, 3, 1, UTC_S, 125, 40)
    talk.say(layout.MSG_TIME | layout.REPLY, 3, 1, UTC_S - 2, 0, bend=128)
    talk.say(layout.MSG_TIME | layout.REPLY, 3, 1, UTC_S - 2, 0)
    talk.read(4, 2, 0, 100)
    talk.data(4, 2, 0, 0, 100)
    talk.say(layout.MSG_END, 4, 2, 1, 0, 100, crc.crc32(_FILE), bend=1)
    talk.end(4, 2, 0, 100)
    return talk.done()


@scenario
def proven_data_changed() -> Vector:
    """DATA was changed on its way under a right CRC: END does not vouch for it."""
    talk = Talk(layout.KEY_COURIER)
    talk.auth(2)
    talk.read(3, 1, 0, 100)
    talk.data(3, 1, 0, 0, 50)
    talk.add("<", layout.MSG_DATA, 3, session.pack_body(layout.MSG_DATA, 1, 0, 50, bytes(50)))
    talk.end(3, 1, 0, 100)
    return talk.done()


@scenario
def proven_reply_of_another_request() -> Vector:
    """An older reply under the seq of a newer request has the wrong counter."""
    talk = Talk(layout.KEY_COURIER)
    talk.auth(2)
    talk.say(layout.MSG_SEAL, 3, 1)
    talk.say(layout.MSG_SEAL | layout.REPLY, 3, 1, 12, bytes(range(32)))
    talk.say(layout.MSG_SEAL, 4, 2)
    talk.say(layout.MSG_SEAL | layout.REPLY, 4, 1, 12, bytes(range(32)))
    talk.say(layout.MSG_SEAL | layout.REPLY, 4, 2, 13, bytes(range(1, 33)))
    return talk.done()


@scenario
def proven_without_tag() -> Vector:
    """A request without a tag, shorter than one, behind AUTH."""
    talk = Talk(layout.KEY_COURIER)
    talk.auth(2)
    talk.add(">", layout.MSG_STOP, 3, b"")
    return talk.done()


@scenario
def proven_refused() -> Vector:
    """The host's proof is wrong: an error without a tag, and the conversation goes on unproven."""
    talk = Talk(layout.KEY_ADMIN)
    body = session.pack_body(layout.MSG_AUTH, layout.KEY_ADMIN, 0, bytes(16), b"")
    refused = (layout.ERROR_NOT_ALLOWED, "no such key")
    talk.add(">", layout.MSG_AUTH, 2, body)
    talk.add("<", layout.MSG_ERROR, 2, session.pack_body(layout.MSG_ERROR, *refused))
    talk.add(">", layout.MSG_SEAL, 3, b"")
    seal = session.pack_body(layout.MSG_SEAL | layout.REPLY, 12, bytes(range(32)))
    talk.add("<", layout.MSG_SEAL | layout.REPLY, 3, seal)
    return talk.done()


@scenario
def proven_by_a_liar() -> Vector:
    """The board's proof is wrong: nothing is proven to the host."""
    talk = Talk(layout.KEY_COURIER)
    talk.auth(2, board=False)
    talk.add("<", layout.MSG_AUTH | layout.REPLY, 2, bytes(16))
    return talk.done()
