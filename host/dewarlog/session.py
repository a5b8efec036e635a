"""One conversation with a board: what it is asked, answered as the typed data of replies.py.

Between link and pull. Knows when to ask again and when to give up; knows nothing of files on this
computer. Message bytes and rules: protocol/SPEC.md, frames and messages.

A request is repeated with the same number until it is answered; the board answers a repeat with
the reply it gave the first time, so that nothing is done twice.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
from typing import TYPE_CHECKING

from dewarlog.errors import (
    DeviceRefused,
    DewarlogError,
    Impostor,
    KeyNeeded,
    KeyRefused,
    LinkError,
    LockedOut,
    NoAnswer,
    NotOurs,
    NotSecret,
    OutOfRange,
    PeerViolation,
    PullError,
    Tampered,
    TokenRefused,
    Unreachable,
)
from dewarlog.proven import Proven
from dewarlog.replies import (
    Board,
    ClockBefore,
    Recorded,
    Sealed,
    SealState,
    Signed,
    Status,
    StoredFile,
    Transfer,
    check_list,
    read_record,
)
from dewarlog_wire import PROTOCOL_VERSION, access, layout, proof
from dewarlog_wire.seal import FIRST_INDEX

if TYPE_CHECKING:
    from collections.abc import Callable

    from dewarlog.link import Link
    from dewarlog.proven import Credential, Credentials

REQUEST_AGAIN_S = 1.0
# A board that erases flash while it seals answers late: 300 ms a sector, a few sectors.
REQUEST_GIVE_UP_S = 10.0
HELLO_AGAIN_S = 0.5
HELLO_GIVE_UP_S = 5.0
# A signature takes a board some seconds, and the key that checks it as long, beside its sampling.
SIGN_AGAIN_S = 5.0
SIGN_GIVE_UP_S = 60.0
# Times a request was sent to which every reply had a wrong tag. One may be a stranger's, sent in
# between; the board's own comes with the next.
SPOILED_MOST = 3
# A board makes who guesses keys wait 16 s at most (protocol/SPEC.md 7.7).
LOCKED_OUT_MOST_S = 20
# Between two tries to open a lost link, when the first fails at once.
REOPEN_EVERY_S = 0.5

_PART_MAX_MS = 999
LIST_MOST = 255
LIST_MAX_FILES = 4096
# A board may seal while its list is read: a file or two more, never a list that runs ahead.
LIST_MAX_GROWTH = 16


class Session:
    """Requests over one open link. Every method raises what `request` raises.

    Where `credentials` has something for the board, every HELLO is followed by the mutual proof,
    also where a pull opens the link anew, and every frame is tagged from then on. `proof` is what
    this computer proved itself by in this conversation, None where nothing is proven.

    `on_waiting(True)` is called when the link was lost and is being opened again, with False when
    it is back; `on_locked_out(seconds)` when the board makes everyone who proves himself wait.
    """

    def __init__(
        self,
        link: Link,
        *,
        clock: Callable[[], float] = time.monotonic,
        random_bytes: Callable[[int], bytes] = os.urandom,
        sleep: Callable[[float], None] = time.sleep,
        credentials: Credentials | None = None,
        strict: bool = True,
        secret: bool = False,
    ) -> None:
        """Use `link`, which is open; `clock` counts seconds, for timeouts only.

        Not `strict`: a proof that fails is told in `not_proven`, and the conversation goes on
        without, as by a cable, where one holds the board. `secret`: what follows the proof is
        enciphered, or there is no conversation.
        """
        self.link = link
        self.clock = clock
        self.on_waiting: Callable[[bool], None] = lambda _waiting: None
        self.on_locked_out: Callable[[int], None] = lambda _seconds: None
        self._sleep = sleep
        self._random_bytes = random_bytes
        # A random start, so that a board does not take this program's first request for a repeat
        # of the last program's.
        self._seq = self._answered_seq = random_bytes(1)[0]
        self._greeted = False
        self._board: Board | None = None
        self._credentials = credentials
        self._strict = strict
        self._secret = secret
        self._was_proven = False
        self.proof: Credential | None = None
        self.not_proven: str | None = None
        """Why nothing is proven although this computer has something for the board."""
        self.tags: Proven | None = None
        """What protects this conversation; None before AUTH."""

    @property
    def board(self) -> Board | None:
        """The board that answered HELLO; None before."""
        return self._board

    @property
    def proven(self) -> bool:
        """Whether the board of this conversation and this computer have proven themselves."""
        return self.proof is not None

    # --- the rule of asking -----------------------------------------------------------------

    def request(
        self,
        kind: int,
        body: bytes,
        what: str,
        *,
        again_s: float = REQUEST_AGAIN_S,
        give_up_s: float = REQUEST_GIVE_UP_S,
        once: bool = False,
    ) -> bytes:
        """Ask until answered; return the reply's body. `what` names the request in messages.

        When the link is lost meanwhile and comes back, the board no longer knows what it has
        answered: the request may then be carried out a second time. With `once` it is not asked
        again, and nobody knows whether it was carried out.

        Raises:
            NoAnswer: nothing came in `give_up_s`.
            DeviceRefused: the board answered with an error; KeyNeeded where a proof would help.
            Tampered: every answer was changed on its way, or is not the board's.
            Unreachable: the link went away, and did not come back in its patience.
        """
        began_s = self.clock()
        while True:
            try:
                return self._request(kind, body, what, again_s=again_s, give_up_s=give_up_s)
            except DeviceRefused as refusal:
                raise self._explained(kind, refusal) from refusal.__cause__
            except Unreachable as loss:
                if once or self.clock() - began_s >= self.link.patience_s:
                    raise
                self.come_back(loss)

    def _request(
        self,
        kind: int,
        body: bytes,
        what: str,
        *,
        again_s: float = REQUEST_AGAIN_S,
        give_up_s: float = REQUEST_GIVE_UP_S,
    ) -> bytes:
        seq = self._next_seq()
        sent = body if self.tags is None else self.tags.request(kind, seq, body)
        now = self.clock()
        deadline = now + give_up_s
        times_spoiled = 0
        while now < deadline and times_spoiled < SPOILED_MOST:
            self.link.send(kind, seq, sent)
            again = min(now + again_s, deadline)
            is_spoiled = False
            while now < again:
                frame = self.link.receive(again - now)
                now = self.clock()
                if frame is None:
                    break
                if frame.seq != seq or frame.kind not in (kind | layout.REPLY, layout.MSG_ERROR):
                    continue
                reply = bytes(frame.body)
                if self.tags is not None:
                    said = self.tags.reply(frame.kind, seq, reply)
                    if said is None:
                        is_spoiled = True
                        continue
                    reply = said
                if frame.kind == layout.MSG_ERROR:
                    raise _refusal(what, reply)
                self._answered_seq = seq
                return reply
            times_spoiled += is_spoiled
            now = self.clock()
        if times_spoiled:
            raise Tampered(self.link.name, f"no answer to {what} was the logger's own")
        raise NoAnswer(self.link.name, what, give_up_s)

    def _explained(self, kind: int, refusal: DeviceRefused) -> DeviceRefused:
        """Say that a proof is wanting, where it is that; and how the board is locked."""
        needs = access.NEEDS.get(kind, 0)
        if refusal.code != layout.ERROR_NOT_ALLOWED or not needs or self._board is None:
            return refusal
        by_radio = self.link.name.startswith("ble:")
        if by_radio and needs == layout.MAY_KEYS:
            return refusal  # to everyone: its own words say so
        try:
            is_locked = self.status().locked
        except DewarlogError:
            return refusal
        have = access.MAY_UNPROVEN[not by_radio, is_locked]
        have |= 0 if self.proof is None else self.proof.may
        if have & needs:
            return refusal
        held = self.not_proven if self.proof is None else f"it has the {self.proof.name} only"
        return KeyNeeded(self._board.name, refusal, locked=is_locked, needs=needs, held=held)

    def send(self, kind: int, body: bytes) -> None:
        """Send without waiting for a reply: an ack has none, and carries no tag."""
        seq = self._next_seq()
        if self.tags is not None and kind != layout.MSG_ACK:
            body = self.tags.request(kind, seq, body)
        self.link.send(kind, seq, body)

    def _next_seq(self) -> int:
        self._seq = (self._seq + 1) % 256
        return self._seq

    def pause(self, seconds: float) -> None:
        """Wait before asking again."""
        self._sleep(seconds)

    # --- a link that comes and goes -----------------------------------------------------------

    def reopen(self) -> None:
        """Open the link anew and say HELLO.

        Raises:
            LinkError: it does not open, or nobody answers.
            PeerViolation: another board answers than before.
        """
        self.link.close()
        self.link.open()
        before, now = self._board, self._hello()
        if before is not None and before.device_id != now.device_id:
            raise PeerViolation(f"logger {before.name} became logger {now.name} meanwhile")

    def come_back(self, loss: Unreachable) -> None:
        """Reopen a lost link, again and again as long as its patience lasts.

        Raises:
            Unreachable: it did not come back; `loss` itself when the link has no patience.
        """
        began_s = self.clock()
        waited_s = 0.0
        while waited_s < self.link.patience_s:
            self.on_waiting(True)  # noqa: FBT003 - a callback has no keywords
            try:
                self.reopen()
            except (Unreachable, NoAnswer):
                self._sleep(REOPEN_EVERY_S)
            else:
                self.on_waiting(False)  # noqa: FBT003
                return
            waited_s = self.clock() - began_s
        if not waited_s:
            raise loss
        raise OutOfRange(self.link.name, loss.reason, waited_s) from loss

    # --- requests ---------------------------------------------------------------------------

    def hello(self) -> Board:
        """Open the conversation, ending any other the board was in.

        Raises:
            NotOurs: bytes came, but no frame.
            PeerViolation: the reply is not one.
            Impostor, KeyRefused, TokenRefused: this computer has a key or a token for the board,
                and one of the two fails the proof.
            LockedOut: the board evaluates no proof for longer than this waits.
            NotSecret: secrecy was asked for, and cannot be had.
        """
        try:
            self._board = self._hello()
        except Unreachable as loss:
            self.come_back(loss)
            self._board = self._hello()
        return self._board

    def _hello(self) -> Board:
        # Once proven, never again without: else who cuts the line could take the proof away.
        is_strict = self._strict or self._was_proven
        self._greeted = False
        self.proof = self.not_proven = self.tags = None
        nonce = self._random_bytes(8)
        body = struct.pack(
            layout.HELLO.format, PROTOCOL_VERSION, 0, self.link.body_max_bytes, nonce
        )
        try:
            reply = self._request(
                layout.MSG_HELLO,
                body,
                "HELLO",
                again_s=HELLO_AGAIN_S,
                give_up_s=HELLO_GIVE_UP_S,
            )
        except NoAnswer:
            if self.link.stray:
                raise NotOurs(self.link.name, self.link.stray) from None
            raise
        fields = read_record(layout.HELLO_REPLY, reply)
        protocol, format_version, body_max_bytes, features, device_id, _nonce = fields
        if protocol != PROTOCOL_VERSION:
            raise PeerViolation(f"it answered HELLO in protocol version {protocol}")
        self._greeted = True
        board = Board(device_id, format_version, body_max_bytes, features)
        credential = None if self._credentials is None else self._credentials(device_id)
        if isinstance(credential, str):
            self.not_proven = credential
        elif credential is not None:
            try:
                self._prove(board, credential, body, reply, wait=is_strict)
            except PullError as error:
                if is_strict or self._secret:
                    raise
                self.not_proven = str(error)
        if self._secret and self.tags is None:
            raise NotSecret(
                board.name, self.not_proven or "this computer has no key and no token for it"
            )
        return board

    def _prove(
        self, board: Board, credential: Credential, hello: bytes, reply: bytes, *, wait: bool
    ) -> None:
        """Prove both sides to each other, over all that was said before.

        A board that says it cannot is refused as well: the one this computer has a key for can.
        """
        if not board.features & layout.FEATURE_AUTH:
            raise Impostor(board.name, "it will not prove it (it says that it cannot)")
        if self._secret and not board.features & layout.FEATURE_SECRET:
            raise NotSecret(board.name, "its firmware cannot encipher; update it")
        flags = layout.AUTH_SECRET if self._secret else 0
        said = proof.transcript(hello, reply, credential.key, flags)
        ours = proof.host_proof(credential.secret, said)
        body = struct.pack(layout.AUTH.format, credential.key, flags, ours) + credential.caveats
        answer = self._authenticate(board, credential, body, wait=wait)
        theirs: bytes = read_record(layout.AUTH_REPLY, answer)[0]
        if not proof.same(theirs, proof.board_proof(credential.secret, said)):
            raise Impostor(board.name, "it does not hold that logger's key")
        self.proof = credential
        self._was_proven = True
        self.tags = Proven(credential.secret, said, enciphered=self._secret)

    def _authenticate(
        self, board: Board, credential: Credential, body: bytes, *, wait: bool
    ) -> bytes:
        """Ask AUTH; where the board evaluates none for a while, wait, and ask once more."""
        for is_last in (not wait, True):
            try:
                # Not again over a link that came back: its HELLO has other nonces.
                return self._request(layout.MSG_AUTH, body, "AUTH")
            except DeviceRefused as refusal:
                if refusal.code != layout.ERROR_LOCKED_OUT:
                    raise _auth_refused(board, credential, refusal) from refusal
                wait_s = _seconds_told(refusal.text)
                if is_last or not 0 < wait_s <= LOCKED_OUT_MOST_S:
                    raise LockedOut(board.name, wait_s) from refusal
                self.on_locked_out(wait_s)
                self._sleep(wait_s)
        raise AssertionError  # the last try returns or raises

    def status(self) -> Status:
        """Ask how the board is."""
        return Status(*read_record(layout.STATUS_REPLY, self._ask(layout.MSG_STATUS, "STATUS")))

    def set_time(self, utc_s: int, utc_ms: int, error_ms: int) -> ClockBefore:
        """Tell the board the time (seconds since layout.UTC_EPOCH_UNIX_S) and its error bound."""
        body = struct.pack(layout.TIME.format, utc_s, utc_ms, error_ms)
        reply = self.request(layout.MSG_TIME, body, "TIME")
        return ClockBefore(*read_record(layout.TIME_REPLY, reply))

    def seal(self) -> Sealed:
        """Have the board seal what its journal holds, so that a pull gets everything."""
        return Sealed(*read_record(layout.SEAL_REPLY, self._ask(layout.MSG_SEAL, "SEAL")))

    def list_files(self) -> list[StoredFile]:
        """List every file the board offers.

        Raises:
            PeerViolation: the list contradicts itself or is beyond every bound.
        """
        files: list[StoredFile] = []
        total = 1
        most: int | None = None
        while len(files) < total:
            body = struct.pack(layout.LIST.format, len(files), LIST_MOST)
            reply = self.request(layout.MSG_LIST, body, "LIST")
            head = layout.LIST_REPLY.size
            if len(reply) < head:
                raise PeerViolation("its list has no head")
            total, first, count = struct.unpack_from(layout.LIST_REPLY.format, reply)
            if total > LIST_MAX_FILES:
                raise PeerViolation(f"it lists {total} files; no logger holds {LIST_MAX_FILES}")
            most = total + LIST_MAX_GROWTH if most is None else most
            if total > most:
                raise PeerViolation(f"its list grows while it is read, to {total} files so far")
            if first != len(files) or first + count > total:
                raise PeerViolation(
                    f"asked for its list from {len(files)}, it answered with {count} from {first}"
                )
            if count == 0 and len(files) < total:
                raise PeerViolation(f"its list ends at {len(files)} of {total} files")
            if len(reply) != head + count * layout.LIST_ENTRY.size:
                raise PeerViolation(f"{len(reply)} bytes cannot hold {count} list entries")
            entries = struct.iter_unpack(layout.LIST_ENTRY.format, reply[head:])
            files.extend(StoredFile(*entry) for entry in entries)
        check_list(files)
        return files

    def read(
        self, file: StoredFile, offset: int, prefix_crc32: int, credit_bytes: int
    ) -> Transfer:
        """Ask for the rest of a file."""
        length = file.size - offset
        body = struct.pack(
            layout.READ.format,
            file.run,
            file.file,
            file.etag,
            offset,
            length,
            prefix_crc32,
            credit_bytes,
        )
        reply = self.request(layout.MSG_READ, body, f"READ of {file.name}")
        xfer, will_come = read_record(layout.READ_REPLY, reply)
        if will_come != length:
            raise PeerViolation(f"asked for {length} bytes of {file.name}, it offers {will_come}")
        counter = 0 if self.tags is None else self.tags.counter
        return Transfer(xfer, self._answered_seq, will_come, counter)

    def ack(self, xfer: int, next_offset: int, credit_bytes: int) -> None:
        """Say that everything before `next_offset` is held, and grant more bytes."""
        self.send(layout.MSG_ACK, struct.pack(layout.ACK.format, xfer, next_offset, credit_bytes))

    def abandon(self) -> None:
        """Tell the board, if it listens, to stop sending; wait for nothing."""
        if self._greeted:
            with contextlib.suppress(LinkError):
                self.send(layout.MSG_ABORT, b"")

    def sha256(self, file: StoredFile, length: int) -> bytes:
        """Ask for the SHA-256 of the first `length` bytes of a file."""
        body = struct.pack(layout.HASH.format, file.run, file.file, file.etag, 0, length)
        reply = self.request(layout.MSG_HASH, body, f"HASH of {file.name}")
        return read_record(layout.HASH_REPLY, reply)[0]

    def confirm(self, run: int, blocks: int, chain: bytes, utc_s: int) -> None:
        """Tell the board that this computer holds `blocks` blocks of a run, ending in `chain`."""
        body = struct.pack(layout.CONFIRM.format, run, blocks, chain, utc_s)
        self.request(layout.MSG_CONFIRM, body, f"CONFIRM of run {run}")

    def mark(self, custody: bytes) -> None:
        """Have the board record a custody event: EVENT_CUSTODY's fields and its three texts."""
        self.request(layout.MSG_MARK, custody, "MARK", once=True)

    def handoff(self, body: bytes) -> Recorded:
        """Have the board record a handoff: EVENT_HANDOFF's fields and its three texts."""
        reply = self.request(layout.MSG_HANDOFF, body, "HANDOFF", once=True)
        recorded = Recorded(*read_record(layout.HANDOFF_REPLY, reply))
        _expect_part_of_second(recorded.uptime_ms)
        return recorded

    def radio(self, *, on: bool, minutes: int) -> None:
        """Switch the radio on or off for so many minutes; 0: until something else says so."""
        body = struct.pack(layout.RADIO.format, on, minutes)
        self.request(layout.MSG_RADIO, body, "RADIO", once=True)

    def key(self, key: int) -> bytes:
        """Ask for a derived key (layout.KEY_*); a board gives it over its USB port only."""
        body = struct.pack(layout.KEY.format, key)
        reply = self.request(layout.MSG_KEY, body, "KEY")
        secret: bytes = read_record(layout.KEY_REPLY, reply)[0]
        return secret

    def public_key(self) -> bytes:
        """Ask for the key that the board's signatures are checked by; it may take seconds."""
        reply = self.request(
            layout.MSG_PUBLIC, b"", "PUBLIC", again_s=SIGN_AGAIN_S, give_up_s=SIGN_GIVE_UP_S
        )
        public_key: bytes = read_record(layout.PUBLIC_REPLY, reply)[0]
        return public_key

    def sign(self, run: int, nonce: bytes) -> Signed:
        """Have the board sign the head of a run; `nonce` is 16 random bytes. It takes seconds.

        Raises:
            PeerViolation: it signed another run.
        """
        body = struct.pack(layout.SIGN.format, run, nonce)
        reply = self.request(
            layout.MSG_SIGN, body, "SIGN", again_s=SIGN_AGAIN_S, give_up_s=SIGN_GIVE_UP_S
        )
        signed = Signed(*read_record(layout.SIGN_REPLY, reply), nonce=nonce)
        if signed.run != run:
            raise PeerViolation(f"asked to sign run {run}, it signed run {signed.run}")
        _expect_part_of_second(signed.uptime_ms)
        return signed

    def seal_key(self) -> SealState:
        """Ask for the state of the sealing key; a board gives it over its USB port only."""
        reply = self._ask(layout.MSG_SEAL_KEY, "SEAL_KEY")
        state = SealState(*read_record(layout.SEAL_KEY_REPLY, reply))
        if state.key_index < FIRST_INDEX:
            raise PeerViolation(f"it gives a sealing state with the number {state.key_index}")
        return state

    def lock(self, *, on: bool) -> None:
        """Lock the board, or open it; it takes a proof by the admin key."""
        self.request(layout.MSG_LOCK, struct.pack(layout.LOCK.format, on), "LOCK")

    def acknowledge(self, body: bytes) -> None:
        """Have the board record that somebody has seen an alarm: an acknowledge body."""
        self.request(layout.MSG_ACKNOWLEDGE, body, "ACKNOWLEDGE", once=True)

    def stop(self) -> None:
        """End the run."""
        self.request(layout.MSG_STOP, b"", "STOP", once=True)

    def _ask(self, kind: int, what: str) -> bytes:
        return self.request(kind, b"", what)


def _expect_part_of_second(uptime_ms: int) -> None:
    """Refuse a time that no receipt can say: what is written of it must be read again."""
    if uptime_ms > _PART_MAX_MS:
        raise PeerViolation(f"it tells a time {uptime_ms} ms into a second")


def _auth_refused(board: Board, credential: Credential, refusal: DeviceRefused) -> PullError:
    why = refusal.text or refusal.code_name
    if refusal.code != layout.ERROR_NOT_ALLOWED:
        return Impostor(board.name, f"it will not prove it ({refusal.code_name})")
    if credential.is_token:
        return TokenRefused(board.name, credential.name, why)
    return KeyRefused(board.name, why)


def _seconds_told(text: str) -> int:
    """Read how long a board locks out; -1 where it does not say."""
    number = text.partition(" ")[0]
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 6 else -1


def _refusal(what: str, body: bytes) -> DeviceRefused:
    code = body[0] if body else 0
    text = "".join(
        letter for letter in body[1:].decode("utf-8", "replace") if letter.isprintable()
    )
    return DeviceRefused(what, code, layout.ERROR_NAMES.get(code, "unknown error"), text)
