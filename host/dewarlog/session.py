"""One conversation with a board: requests and their replies as typed data.

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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from dewarlog.errors import (
    DeviceRefused,
    Impostor,
    KeyRefused,
    LinkError,
    NoAnswer,
    NotOurs,
    OutOfRange,
    PeerViolation,
    Unreachable,
)
from dewarlog_wire import PROTOCOL_VERSION, layout, proof

if TYPE_CHECKING:
    from collections.abc import Callable

    from dewarlog.link import Frame, Link

REQUEST_AGAIN_S = 1.0
# A board that erases flash while it seals answers late: 300 ms a sector, a few sectors.
REQUEST_GIVE_UP_S = 10.0
HELLO_AGAIN_S = 0.5
HELLO_GIVE_UP_S = 5.0
# Between two tries to open a lost link, when the first fails at once.
REOPEN_EVERY_S = 0.5

SIGNED_TEXT = b"dewarlog head 1"
LIST_MOST = 255
# 64 KiB each: 256 MiB, a hundred times the largest board's file system.
LIST_MAX_FILES = 4096
# A journal is sealed long before one block's worth of samples outgrows this.
JOURNAL_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Board:
    """What a board says of itself in HELLO."""

    device_id: bytes
    format_version: int
    body_max_bytes: int
    features: int

    @property
    def name(self) -> str:
        """The device id as it is written everywhere: 16 hex digits."""
        return self.device_id.hex()


@dataclass(frozen=True, slots=True)
class Status:
    """The board's state now; fields as in layout.STATUS_REPLY, a test holds the two together."""

    state: int
    run: int
    boot: int
    uptime_ms: int
    uptime_s: int
    utc_s: int
    clock_state: int
    interval_ms: int
    samples: int
    events: int
    blocks: int
    backlog_bytes: int
    free_bytes: int
    supply_mv: int
    reading_0: int
    reading_1: int
    reading_2: int
    reading_3: int
    cold_junction: int
    ring_high_water: int
    ring_dropped: int
    rules_active: int
    access: int
    failures: int
    key_index: int

    @property
    def recording(self) -> bool:
        """True while a run is being recorded."""
        return bool(self.state & layout.STATUS_RECORDING)

    @property
    def locked(self) -> bool:
        """True where roles are asked for on every link, and the console has no REPL."""
        return bool(self.access & layout.ACCESS_IS_LOCKED)

    @property
    def claimed(self) -> bool:
        """True once an admin has proven itself to the board."""
        return bool(self.access & layout.ACCESS_IS_CLAIMED)

    @property
    def readings(self) -> tuple[int, int, int, int]:
        """The latest reading code of each channel; see layout.state_of."""
        return (self.reading_0, self.reading_1, self.reading_2, self.reading_3)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file on the board as it was listed: a segment of a run's log, or its open journal."""

    run: int
    file: int
    flags: int
    etag: int
    size: int
    log_id: bytes

    @property
    def sealed(self) -> bool:
        """True when it will never grow."""
        return bool(self.flags & layout.ENTRY_SEALED)

    @property
    def is_journal(self) -> bool:
        """True for the open journal, False for a segment."""
        return self.file == layout.FILE_JOURNAL

    @property
    def name(self) -> str:
        """What to call it in a message."""
        part = "newest part" if self.is_journal else f"part {self.file + 1}"
        return f"run {self.run}, {part}"


@dataclass(frozen=True, slots=True)
class Sealed:
    """What SEAL answers: blocks of the open run, and the chain value after the last of them."""

    blocks: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class ClockBefore:
    """What the board's clock said before it was set."""

    utc_s: int
    state: int


class Transfer(NamedTuple):
    """What a READ began: its DATA and END carry `xfer` and `seq`, and `length` bytes will come."""

    xfer: int
    seq: int
    length: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """What HANDOFF answers: where in the log the event stands, and the board's proof over it."""

    run: int
    number: int
    uptime_s: int
    uptime_ms: int
    tag: bytes

    def head(self) -> bytes:
        """Return the bytes of the reply before the tag, which the tag covers."""
        values = (self.run, self.number, self.uptime_s, self.uptime_ms, b"")
        packed = struct.pack(layout.HANDOFF_REPLY.format, *values)
        return packed[: layout.HANDOFF_REPLY.offset_of("tag")]


@dataclass(frozen=True, slots=True)
class Signed:
    """What SIGN answers: the head of a run and the board's signature over it; and our nonce."""

    run: int
    log_id: bytes
    blocks: int
    chain: bytes
    uptime_s: int
    uptime_ms: int
    utc_s: int
    clock_state: int
    signature: bytes
    nonce: bytes

    def message(self, device_id: bytes) -> bytes:
        """Return the bytes that the board of this id has signed (protocol/SPEC.md 7.10)."""
        values = (
            self.run,
            self.log_id,
            self.blocks,
            self.chain,
            self.uptime_s,
            self.uptime_ms,
            self.utc_s,
            self.clock_state,
            b"",
        )
        packed = struct.pack(layout.SIGN_REPLY.format, *values)
        head = packed[: layout.SIGN_REPLY.offset_of("signature")]
        return SIGNED_TEXT + device_id + head + self.nonce


@dataclass(frozen=True, slots=True)
class SealState:
    """A state of the sealing key: who holds it could make, and can check, every seal since."""

    key_index: int
    """Of the block that is sealed by the key of this state."""
    state: bytes

    def __repr__(self) -> str:
        """Name the index, never the state."""
        return f"SealState({self.key_index})"


class Session:
    """Requests over one open link. Every method raises what `request` raises.

    With `courier_key`, every HELLO is followed by the mutual proof, also where a pull opens the
    link anew: `proven` says whether the board of this conversation has given it.

    `on_waiting(True)` is called when the link was lost and is being opened again, with False when
    it is back.
    """

    def __init__(
        self,
        link: Link,
        *,
        clock: Callable[[], float] = time.monotonic,
        random_bytes: Callable[[int], bytes] = os.urandom,
        sleep: Callable[[float], None] = time.sleep,
        courier_key: Callable[[bytes], bytes | None] | None = None,
    ) -> None:
        """Use `link`, which is open; `clock` counts seconds, for timeouts only.

        `courier_key` gives this computer's courier key for a device id; None where it has none.
        """
        self.link = link
        self.clock = clock
        self.on_waiting: Callable[[bool], None] = lambda _waiting: None
        self._sleep = sleep
        self._random_bytes = random_bytes
        # A random start, so that a board does not take this program's first request for a repeat
        # of the last program's.
        self._seq = self._answered_seq = random_bytes(1)[0]
        self._greeted = False
        self._board: Board | None = None
        self._courier_key = courier_key
        self.proven = False

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
            DeviceRefused: the board answered with an error.
            Unreachable: the link went away, and did not come back in its patience.
        """
        began_s = self.clock()
        while True:
            try:
                return self._request(kind, body, what, again_s=again_s, give_up_s=give_up_s)
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
        now = self.clock()
        deadline = now + give_up_s
        while now < deadline:
            self.link.send(kind, seq, body)
            again = min(now + again_s, deadline)
            while now < again:
                frame = self.link.receive(again - now)
                now = self.clock()
                if frame is None:
                    break
                if frame.seq != seq:
                    continue
                if frame.kind == kind | layout.REPLY:
                    self._answered_seq = seq
                    return bytes(frame.body)
                if frame.kind == layout.MSG_ERROR:
                    raise _refusal(what, frame)
            now = self.clock()
        raise NoAnswer(self.link.name, what, give_up_s)

    def send(self, kind: int, body: bytes) -> None:
        """Send what has no reply (an ack)."""
        self.link.send(kind, self._next_seq(), body)

    def _next_seq(self) -> int:
        self._seq = (self._seq + 1) % 256
        return self._seq

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
            raise PeerViolation(f"logger {before.name} became logger {now.name} during the pull")

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
            Impostor, KeyRefused: this computer has a key for the board, and it fails the proof.
        """
        try:
            self._board = self._hello()
        except Unreachable as loss:
            self.come_back(loss)
            self._board = self._hello()
        return self._board

    def _hello(self) -> Board:
        self._greeted = self.proven = False
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
        protocol, format_version, body_max_bytes, features, device_id, board_nonce = fields
        if protocol != PROTOCOL_VERSION:
            raise PeerViolation(f"it answered HELLO in protocol version {protocol}")
        self._greeted = True
        board = Board(device_id, format_version, body_max_bytes, features)
        secret = None if self._courier_key is None else self._courier_key(device_id)
        if secret is not None:
            self._prove(board, secret, nonce, board_nonce)
        return board

    def _prove(self, board: Board, secret: bytes, host_nonce: bytes, board_nonce: bytes) -> None:
        """Prove both sides to each other.

        A board that says it cannot is refused as well: the one this computer was paired with can.
        """
        ours = proof.host_proof(secret, host_nonce, board_nonce)
        body = struct.pack(layout.AUTH.format, layout.KEY_COURIER, ours)
        try:
            # Not again over a link that came back: its HELLO has other nonces.
            reply = self._request(layout.MSG_AUTH, body, "AUTH")
        except DeviceRefused as refusal:
            if refusal.code == layout.ERROR_NOT_ALLOWED:
                raise KeyRefused(board.name, refusal.text or refusal.code_name) from refusal
            raise Impostor(board.name, f"it will not prove it ({refusal.code_name})") from refusal
        theirs: bytes = read_record(layout.AUTH_REPLY, reply)[0]
        if not proof.same(theirs, proof.board_proof(secret, host_nonce, board_nonce)):
            raise Impostor(board.name, "it does not hold that logger's key")
        self.proven = True

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
        while len(files) < total:
            body = struct.pack(layout.LIST.format, len(files), LIST_MOST)
            reply = self.request(layout.MSG_LIST, body, "LIST")
            head = layout.LIST_REPLY.size
            if len(reply) < head:
                raise PeerViolation("its list has no head")
            total, first, count = struct.unpack_from(layout.LIST_REPLY.format, reply)
            if total > LIST_MAX_FILES:
                raise PeerViolation(f"it lists {total} files; no logger holds {LIST_MAX_FILES}")
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
        _check_list(files)
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
        return Transfer(xfer, self._answered_seq, will_come)

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
        return Recorded(*read_record(layout.HANDOFF_REPLY, reply))

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

    def stop(self) -> None:
        """End the run."""
        self.request(layout.MSG_STOP, b"", "STOP", once=True)

    def _ask(self, kind: int, what: str) -> bytes:
        return self.request(kind, b"", what)


def read_record(record: layout.Record, body: bytes) -> tuple[Any, ...]:
    """Read a reply's body, or raise PeerViolation when it has another length."""
    if len(body) != record.size:
        raise PeerViolation(f"its {record.name} has {len(body)} bytes where {record.size} are due")
    return struct.unpack(record.format, body)


def _refusal(what: str, frame: Frame) -> DeviceRefused:
    body = bytes(frame.body)
    code = body[0] if body else 0
    text = "".join(
        letter for letter in body[1:].decode("utf-8", "replace") if letter.isprintable()
    )
    return DeviceRefused(what, code, layout.ERROR_NAMES.get(code, "unknown error"), text)


def _check_list(files: list[StoredFile]) -> None:
    """Refuse sizes no board can hold and files listed twice: nothing is written for a liar."""
    seen: set[tuple[int, int, bytes]] = set()
    for file in files:
        most = JOURNAL_MAX_BYTES if file.is_journal else layout.SEGMENT_MAX_BYTES
        if file.size > most:
            raise PeerViolation(f"{file.name} is said to have {file.size} bytes, over {most}")
        key = (file.run, file.file, file.log_id)
        if key in seen:
            raise PeerViolation(f"{file.name} is listed twice")
        seen.add(key)
