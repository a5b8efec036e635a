"""What a board replies behind a right tag, and what comes of a file on its way here.

As host_readers. A `_Liar` has the right key and answers what a case says; a `_Middle` stands
between, has no key, and changes the file that is fetched.
"""

from __future__ import annotations

import contextlib
import json
import struct
import zlib
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import seeds
from dewarlog.bench import requests
from dewarlog.errors import DewarlogError, ReceiptDamaged
from dewarlog.fetch import Fetch
from dewarlog.held import HeldFile
from dewarlog.link import Frame
from dewarlog.proven import Credential, counter_of
from dewarlog.receipt import read_receipt, write_receipt
from dewarlog.replies import StoredFile
from dewarlog.session import Session
from dewarlog.signatures import signature_holds
from dewarlog.tokens import parse_token
from dewarlog_wire import PROTOCOL_VERSION, layout, proof
from dewarlog_wire.frame import encode_short_data
from dewarlog_wire.session_keys import BOARD, DATA, END, HOST, SessionKeys
from host_readers import ORDERS, expect, fresh

if TYPE_CHECKING:
    from collections.abc import Callable

    from dewarlog.receipt import Receipt
    from dewarlog.replies import Recorded, Signed
    from dewarlog.tokens import Token

_IS_PROVEN, _IS_SECRET, _IS_TOKEN = 1, 2, 4  # bits of a case's first byte
_AS_ERROR, _WRONG_TAG, _OTHER_SEQ, _OTHER_COUNTER = 1, 2, 4, 8  # bits of each reply's


class _Liar:
    """A link to a board that has the right key, and answers what a case says."""

    name = "usb:liar"
    body_max_bytes = 4096
    credit_bytes = 4096
    patience_s = 0.0
    stray = b""

    def __init__(self, data: bytes, secret: bytes) -> None:
        self.now_s = 0.0
        self._replies = data
        self._secret = secret
        self._waiting: list[Frame] = []
        self._hello = self._said = b""
        self._keys: SessionKeys | None = None
        self._is_secret = False

    def open(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def send(self, kind: int, seq: int, body: bytes) -> None:
        """Answer HELLO and AUTH as a board does, and all else as the case says."""
        if kind == layout.MSG_HELLO:
            features = (layout.FEATURE_BENCH << 1) - 1
            values = (PROTOCOL_VERSION, 1, 4096, features, seeds.DEVICE_ID, b"ournonce")
            self._hello, self._said = body, struct.pack(layout.HELLO_REPLY.format, *values)
            self._keys = None
            self._waiting.append(Frame(kind | layout.REPLY, seq, self._said))
        elif kind == layout.MSG_AUTH:
            key, flags, _ = struct.unpack_from(layout.AUTH.format, body)
            said = proof.transcript(self._hello, self._said, key, flags)
            shown = proof.board_proof(self._secret, said)
            self._waiting.append(Frame(kind | layout.REPLY, seq, shown))
            self._keys = SessionKeys(self._secret, said)
            self._is_secret = bool(flags & layout.AUTH_SECRET)
        elif kind != layout.MSG_ACK:
            self._answer(kind, seq, body)

    def _answer(self, asked: int, seq: int, request: bytes) -> None:
        if len(self._replies) < 3:
            return
        how, length = self._replies[0], int.from_bytes(self._replies[1:3], "little")
        body = self._replies[3 : 3 + length]
        self._replies = self._replies[3 + length :]
        kind = layout.MSG_ERROR if how & _AS_ERROR else asked | layout.REPLY
        if self._keys is not None:
            counter = (counter_of(request) or 0) + bool(how & _OTHER_COUNTER)
            buffer = bytearray(body)
            if self._is_secret:
                self._keys.cipher_into(buffer, BOARD, counter, 0)
            tag = bytearray(self._keys.tag(BOARD, counter, kind, seq, buffer))
            tag[-1] ^= bool(how & _WRONG_TAG)
            body = bytes(buffer + tag)
        self._waiting.append(Frame(kind, (seq + bool(how & _OTHER_SEQ)) % 256, body))

    def receive(self, timeout_s: float) -> Frame | None:
        """Return what was answered; else let the time pass."""
        if self._waiting:
            return self._waiting.pop(0)
        self.now_s += max(timeout_s, 0.01)
        return None


def read_replies(data: bytes) -> list[str]:
    """Ask a board everything, whose replies are the case's behind a right tag."""
    setting = data[0] if data else 0
    credential = Credential(layout.KEY_COURIER, bytes(32), b"", "courier key")
    if setting & _IS_TOKEN:
        credential = _sound_token().credential()
    is_proven = bool(setting & _IS_PROVEN)
    link = _Liar(data[1:], credential.secret)
    session = Session(
        link,
        clock=lambda: link.now_s,
        random_bytes=bytes,
        sleep=lambda _seconds: None,
        credentials=(lambda _device_id: credential) if is_proven else None,
        secret=is_proven and bool(setting & _IS_SECRET),
    )
    board = session.hello()
    _, trip = seeds.board_trip()
    asked: tuple[Callable[[], object], ...] = (
        session.status,
        lambda: session.set_time(5, 6, 7),
        session.list_files,
        session.seal,
        lambda: _signed_rightly(session.sign(trip.signed.run, trip.signed.nonce)),
        session.public_key,
        session.seal_key,
        lambda: _recorded_rightly(board.device_id, session.handoff(trip.receipt.body)),
        lambda: session.key(layout.KEY_COURIER),
        lambda: session.lock(on=True),
        lambda: _told_safely(requests.live(session)),
        lambda: requests.get_profile(session),
        lambda: requests.selftest(session),
        lambda: requests.erase(session, 9, unpulled=True),
        lambda: requests.put_profile(
            session, b"{}", before=b"", purpose=1, utc_s=5, actor="A", note=""
        ),
    )
    lines: list[str] = []
    for ask in asked:
        try:
            lines.append(repr(ask()))
        except DewarlogError as error:
            expect(not ORDERS & set(str(error)), "a board's words give the terminal orders")
            lines.append(type(error).__name__)
    return lines


def _told_safely(live: requests.Live) -> str:
    """Say figures as a person is told them."""
    return f"{live.firmware} {live.micropython} {live.part_states}"


def _sound_token() -> Token:
    """Return the sound token of the seeds."""
    return parse_token(Path(), json.loads(seeds.kept_tokens()[0]))


def _signed_rightly(signed: Signed) -> str:
    """Hold a signature to the certificate, and to the receipt it is written into."""
    board, trip = seeds.board_trip()
    holds = signature_holds(board.certificate, signed)
    expect(holds == (signed == trip.signed), "a signature holds that the board never made")
    _receipt_comes_back(replace(trip.receipt, signed=replace(signed, log_id=trip.receipt.log_id)))
    return f"{holds}"


def _recorded_rightly(device_id: bytes, recorded: Recorded) -> str:
    _, trip = seeds.board_trip()
    _receipt_comes_back(replace(trip.receipt, device_id=device_id, recorded=recorded, signed=None))
    return repr(recorded)


def _receipt_comes_back(receipt: Receipt) -> None:
    """Expect that what is written of a board's answer can be read."""
    path = write_receipt(receipt, fresh("answered") / "a.dwl")
    try:
        again = read_receipt(path)
    except ReceiptDamaged as error:
        raise AssertionError(f"a receipt that was written cannot be read: {error}") from error
    expect(again == receipt, "a receipt that was written says something else")


# --- a file on its way --------------------------------------------------------------------------
FILE: Final = bytes(index * 7 % 251 for index in range(900))
_FORGED, _TRUE, _END, _SHORT, _TRUE_SHORT, _END_FORGED, _SILENCE, _JUNK = range(8)
_OTHER_XFER, _AHEAD = 8, 16  # bits beside the kind


class _Middle(_Liar):
    """A board that tells the truth, and somebody on the line who says the frames of a case."""

    def __init__(self, data: bytes, secret: bytes) -> None:
        super().__init__(b"", secret)
        self._case = data
        self._xfer = 0
        self._seq = self._counter = self._at = self._due = 0
        self._said_bytes = b""

    def _answer(self, asked: int, seq: int, request: bytes) -> None:
        body, counter = request, 0
        if self._keys is not None:
            counter = counter_of(request) or 0
            buffer = bytearray(request[: -layout.SESSION_TAG.size])
            if self._is_secret:
                self._keys.cipher_into(buffer, HOST, counter, 0)
            body = bytes(buffer)
        if asked == layout.MSG_READ:
            values = struct.unpack(layout.READ.format, body)
            self._xfer = self._xfer % 255 + 1
            self._seq, self._counter, self._at = seq, counter, values[3]
            self._due = self._at
            self._said_bytes = b""
            held = struct.pack(layout.READ_REPLY.format, self._xfer, values[4])
            self._reply(asked, seq, counter, held)
            self._say()
        elif asked == layout.MSG_HASH:
            *_, offset, length = struct.unpack(layout.HASH.format, body)
            self._reply(asked, seq, counter, sha256(FILE[offset : offset + length]).digest())

    def _reply(self, asked: int, seq: int, counter: int, body: bytes) -> None:
        kind = asked | layout.REPLY
        self._waiting.append(Frame(kind, seq, self._closed(kind, seq, counter, body, BOARD)))

    def _closed(
        self, kind: int, seq: int, counter: int, body: bytes, use: int, more: bytes = b""
    ) -> bytes:
        """Return a body as the board sends it: enciphered and tagged."""
        if self._keys is None:
            return body
        buffer = bytearray(body)
        if self._is_secret:
            self._keys.cipher_into(buffer, use, counter, 0)
        return bytes(buffer) + self._keys.tag(BOARD, counter, kind, seq, buffer, more)

    def _say(self) -> None:
        """Say frames of the case until one that is silence; then the board's own, to the end."""
        while len(self._case) >= 2:
            what, length = self._case[0], self._case[1]
            payload = self._case[2 : 2 + length]
            self._case = self._case[2 + length :]
            if what & 7 == _SILENCE:
                return
            self._say_one(what, payload)
        self._data(FILE[self._due :], _TRUE)
        self._end(0)

    def _say_one(self, what: int, payload: bytes) -> None:
        kind = what & 7
        if kind in (_TRUE, _TRUE_SHORT):
            payload = FILE[self._due : self._due + len(payload)]
        if kind == _END:
            self._end(0)
        elif kind == _END_FORGED:
            self._end(payload[0] if payload else 0, crc=zlib.crc32(self._said_bytes))
        elif kind == _JUNK:
            other = payload[0] if payload else 0
            self._waiting.append(Frame(other, self._seq, payload[1:]))
        else:
            self._data(payload, what)

    def _data(self, payload: bytes, what: int) -> None:
        offset = self._due + (len(payload) if what & _AHEAD else 0)
        xfer = (self._xfer + bool(what & _OTHER_XFER)) % 256
        held = bytearray(payload)
        if self._keys is not None and self._is_secret:
            self._keys.cipher_into(held, DATA, self._counter, offset - self._at)
        if what & 7 in (_SHORT, _TRUE_SHORT):
            whole = encode_short_data(self._seq, xfer, offset, bytes(held))
            self._waiting.append(Frame(layout.MSG_DATA_SHORT, self._seq, bytes(whole)))
        else:
            head = struct.pack(layout.DATA_HEAD.format, xfer, 0, offset)
            self._waiting.append(Frame(layout.MSG_DATA, self._seq, head + bytes(held)))
        if not what & (_OTHER_XFER | _AHEAD):
            self._said_bytes += payload
            self._due = min(self._due + len(payload), len(FILE))

    def _end(self, flipped: int, crc: int | None = None) -> None:
        """Say END, with the board's own tag: as it is, or changed to a CRC and by a byte."""
        true = FILE[self._at :]
        head = self._xfer, 0, len(FILE)
        body = struct.pack(layout.END.format, *head, zlib.crc32(true))
        more = sha256(true).digest()
        whole = bytearray(self._closed(layout.MSG_END, self._seq, self._counter, body, END, more))
        if crc is not None:  # a cipher that is an XOR can be changed so by who knows the text
            said = struct.pack(layout.END.format, *head, crc)
            for at, (own, other) in enumerate(zip(body, said, strict=True)):
                whole[at] ^= own ^ other
        whole[flipped % len(whole)] ^= bool(flipped)
        self._waiting.append(Frame(layout.MSG_END, self._seq, bytes(whole)))


def read_transfer(data: bytes) -> list[str]:
    """Fetch a file while somebody who has no key forges, leaves out and adds frames.

    What a proven conversation calls fetched is the board's file, byte for byte.
    """
    setting = data[0] if data else 0
    credential = Credential(layout.KEY_COURIER, bytes(32), b"", "courier key")
    is_proven = bool(setting & _IS_PROVEN)
    link = _Middle(data[1:], credential.secret)
    session = Session(
        link,
        clock=lambda: link.now_s,
        random_bytes=bytes,
        sleep=lambda _seconds: None,
        credentials=(lambda _device_id: credential) if is_proven else None,
        secret=is_proven and bool(setting & _IS_SECRET),
    )
    session.hello()
    folder = fresh("fetched") / "segments"
    folder.mkdir()
    file = StoredFile(1, 0, layout.ENTRY_SEALED, 5, len(FILE), seeds.LOG_ID)
    with contextlib.closing(HeldFile(folder, file)) as part:
        Fetch(session, lambda _count: None, lambda: link.now_s).fetch(part, file)
        expect(part.size == file.size, "a file that was fetched is short")
        if is_proven:
            expect(part.sha256() == sha256(FILE).digest(), "a forged file was taken")
    return [str(link.now_s)]
