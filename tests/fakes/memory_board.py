"""A board in memory: the real server and USB link over a log made here, joined to the host.

Bytes pass through the real framing in both directions, and through a `Line` that can lose, flip,
repeat and interrupt them. Time is counted, not waited for. Both ends are held to the tables of
dewarlog_wire.session by a `Conversation` each.
"""

from __future__ import annotations

import random
import select
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dewarlog.link import Frame
from dewarlog_firmware import link_usb
from dewarlog_firmware.access import Guard
from dewarlog_firmware.server import Server
from dewarlog_wire import block, events, layout, proof, session
from dewarlog_wire.errors import BlockError
from dewarlog_wire.frame import FrameReader, encode_serial_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dewarlog_firmware.access import Visitor

DEVICE_ID = bytes.fromhex("e660583883724b2f")
LOG_ID = bytes.fromhex("00112233445566aa")
DEVICE_KEY = bytes(range(32))
# Frames that carry no SESSION_TAG in a conversation that is proven.
_UNTAGGED = frozenset(
    (
        layout.MSG_HELLO,
        layout.MSG_HELLO | layout.REPLY,
        layout.MSG_AUTH,
        layout.MSG_AUTH | layout.REPLY,
        layout.MSG_ACK,
        layout.MSG_DATA,
    )
)


def make_log(run: int, body_bytes: Iterable[int], segment_bytes: int = 65536) -> list[bytes]:
    """Return the segments of a log with one block a number, its body that many bytes long."""
    segments = [b""]
    chain = layout.CHAIN_START
    for seq, length in enumerate(body_bytes):
        buffer = bytearray(layout.BLOCK_MAX_BYTES)
        offset = block.begin_block(buffer, layout.BLOCK_EVENTS, run, seq, 1, 10 * seq, 0)
        # Section kind 200 is known to no reader: these bytes only have to be told apart.
        payload = random.Random(1000 * length + seq).randbytes(length)
        offset = block.put_section(buffer, offset, 200, payload)
        size, chain = block.seal_block(buffer, offset, chain)
        if len(segments[-1]) + size > segment_bytes:
            segments.append(b"")
        segments[-1] += bytes(buffer[:size])
    return segments


@dataclass
class StoredRun:
    """One run as the board holds it."""

    segments: list[bytes]
    log_id: bytes = LOG_ID
    closed: bool = True
    journal: bytes | None = None
    first_segment: int = 0
    confirmed_blocks: int = 0


class MemoryReader:
    """One stored file as it stood when it was opened."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self.reads: list[tuple[int, int]] = []

    def read_into(self, offset: int, view: memoryview) -> int:
        """Fill `view` from `offset`."""
        part = self.data[offset : offset + len(view)]
        view[: len(part)] = part
        self.reads.append((offset, len(part)))
        return len(part)

    def close(self) -> None:
        """Do nothing."""


@dataclass
class MemoryStore:
    """A flash log in memory."""

    runs: dict[int, StoredRun]
    full: bool = False
    seals: int = 0
    opened: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def files(self) -> list[tuple[int, int, int, int, bytes, bytes]]:
        """Return (run, file, flags, etag, data, log id) of everything stored."""
        found: list[tuple[int, int, int, int, bytes, bytes]] = []
        for number, run in self.runs.items():
            last = len(run.segments) - 1
            for index, data in enumerate(run.segments):
                flags = layout.ENTRY_SEALED if run.closed or index < last else 0
                segment = run.first_segment + index
                found.append((number, segment, flags, 1000 + segment, data, run.log_id))
            if run.journal is not None:
                etag = 5000 + self.seals
                found.append((number, layout.FILE_JOURNAL, 0, etag, run.journal, run.log_id))
        return found

    def list_count(self) -> int:
        """Return how many files there are."""
        return len(self.files())

    def list_entry(self, index: int) -> tuple[int, int, int, int, int, bytes]:
        """Return one list entry."""
        run, file, flags, etag, data, log_id = self.files()[index]
        return run, file, flags, etag, len(data), log_id

    def open(self, run: int, file: int, etag: int) -> MemoryReader:
        """Open one file."""
        self.opened.append((run, file))
        for entry in self.files():
            if entry[:2] == (run, file):
                if entry[3] != etag:
                    raise ValueError(etag)
                return MemoryReader(entry[4])
        raise KeyError((run, file))

    def seal(self) -> tuple[int, bytes]:
        """Seal the journal of the open run."""
        if self.full:
            raise OSError(28, "no space left on device")
        self.seals += 1
        return 0, layout.CHAIN_START

    def confirm(self, run: int, blocks: int, chain: bytes, utc_s: int) -> bool:
        """Take note of what a host holds, if it names the right chain value."""
        last = b""
        for data in self.runs[run].segments:
            offset = 0
            while offset < len(data):
                found = block.check_block(data, offset, None)
                offset += found.length
                if found.block_seq == blocks - 1:
                    last = found.chain
        if last != chain:
            return False
        self.runs[run].confirmed_blocks = blocks
        return True

    def log_bytes(self, run: int) -> bytes:
        """Return the whole log of a run without its journal."""
        return b"".join(self.runs[run].segments)


@dataclass
class MemoryLock:
    """Whether the board is claimed and locked, in memory."""

    is_claimed: bool = False
    is_locked: bool = False

    def claim(self) -> None:
        """Remember that an admin has proven itself."""
        self.is_claimed = True

    def unclaim(self) -> None:
        """Belong to nobody again."""
        self.is_claimed = False

    def set(self, *, locked: bool) -> None:
        """Lock the board or open it."""
        self.is_locked = locked


@dataclass
class MemoryDevice:
    """The rest of the board."""

    time_set: tuple[int, int, int] | None = None
    marks: list[bytes] = field(default_factory=list[bytes])
    stopped: bool = False
    features: int = (
        layout.FEATURE_RADIO
        | layout.FEATURE_HANDOFF
        | layout.FEATURE_AUTH
        | layout.FEATURE_SIGN
        | layout.FEATURE_SEAL
        | layout.FEATURE_SECRET
    )
    device_key: bytes = DEVICE_KEY
    chain: bytes = bytes(32)
    handoffs: list[bytes] = field(default_factory=list[bytes])
    radio_told: tuple[int, int] | None = None
    now_ms: int = 5000
    utc_s: int = layout.UTC_UNKNOWN
    lock: MemoryLock = field(default_factory=MemoryLock)
    attempts: list[tuple[int, int, bytes, str]] = field(
        default_factory=list[tuple[int, int, bytes, str]]
    )
    """(result, key, token id, holder) of every attempt to prove oneself that was recorded."""
    signatures: list[bytes] = field(default_factory=list[bytes])
    acknowledged: list[bytes] = field(default_factory=list[bytes])
    answers: dict[int, tuple[Any, ...]] = field(default_factory=dict[int, "tuple[Any, ...]"])
    """What was worked out for a visitor."""

    def guard(self, device_id: bytes) -> Guard:
        """Make what judges the visitors of this board's links."""
        return Guard(self, device_id, self.lock)  # type: ignore[arg-type]

    # --- what the guard asks ------------------------------------------------------------------

    def uptime_s(self) -> int:
        """Return a time that the test moves."""
        return self.now_ms // 1000

    def clock(self) -> tuple[int, int]:
        """Return what the clock says."""
        is_set = self.utc_s != layout.UTC_UNKNOWN
        return self.utc_s, layout.CLOCK_OK if is_set else layout.CLOCK_UNSET

    def log_id(self) -> bytes:
        """Return the id of the open run."""
        return LOG_ID

    def note_access(self, visitor: Visitor, result: int, failures: int) -> None:
        """Take note of an attempt."""
        self.attempts.append((result, visitor.key, visitor.token_id, visitor.holder))

    def note_claimed(self) -> None:
        """Take note of nothing: no profile asks for a lock here."""

    # --- what the server asks beside ----------------------------------------------------------

    def acknowledge(self, body: bytes) -> None:
        """Record that an alarm was seen."""
        try:
            events.read_texts_body(layout.KIND_ACKNOWLEDGE, body)
        except BlockError as error:
            raise ValueError(str(error)) from None
        self.acknowledged.append(body)

    def set_lock(self, *, locked: bool) -> None:
        """Lock or open."""
        self.lock.set(locked=locked)

    def seal_key(self) -> tuple[int, bytes] | None:
        """Return a state of the sealing key."""
        return 41, bytes(range(200, 232))

    def signing_key(self) -> Ed25519PrivateKey:
        """Return the key of the board's signatures, from an independent library."""
        return Ed25519PrivateKey.from_private_bytes(proof.signing_seed(self.device_key))

    def head(self, run: int) -> tuple[bytes, int, bytes, int, int]:
        """Return (log id, blocks, chain, uptime_s, uptime_ms) of a run; KeyError for none."""
        return LOG_ID, 0, self.chain, 61, 7

    def sign(self, visitor: Visitor, run: int, nonce: bytes) -> None:
        """Sign a head at once."""
        values = (run, *self.head(run), *self.clock())
        packed = struct.pack(layout.SIGN_REPLY.format, *values, b"")
        said = proof.signed_head(visitor.guard.device_id, packed[:-64], nonce)
        self.signatures.append(self.signing_key().sign(said))
        self.answers[id(visitor)] = (*values, self.signatures[-1])

    def public(self, visitor: Visitor) -> None:
        """Work the public key out at once."""
        self.answers[id(visitor)] = (self.signing_key().public_key().public_bytes_raw(),)

    def signed(self, visitor: Visitor) -> tuple[Any, ...] | None:
        """Return it once."""
        return self.answers.pop(id(visitor), None)

    def ticks_ms(self) -> int:
        """Return a time that the test moves."""
        return self.now_ms

    def status(self) -> tuple[int, ...]:
        """Return a status whose values are their own position."""
        return tuple(range(len(layout.STATUS_REPLY.fields)))

    def set_time(self, utc_s: int, utc_ms: int, error_ms: int) -> tuple[int, int]:
        """Set the clock."""
        self.time_set = (utc_s, utc_ms, error_ms)
        self.utc_s = utc_s
        return 77, layout.CLOCK_UNSET

    def mark(self, custody: bytes) -> None:
        """Record a custody event."""
        if len(custody) < layout.EVENT_CUSTODY.size:
            raise ValueError("custody body is too short")
        self.marks.append(custody)

    def secret(self, key: int) -> bytes:
        """Return a derived key."""
        return proof.derived_key(self.device_key, key) if self.device_key else b""

    def handoff(self, body: bytes) -> tuple[int, int, int, int, bytes] | None:
        """Record a handoff whose chain is ours."""
        try:
            chain = events.read_handoff(body)[4]
        except BlockError as error:
            raise ValueError(str(error)) from None
        if chain != self.chain:
            return None
        self.handoffs.append(body)
        head = (1, len(self.handoffs), 60, 500)
        secret = self.secret(layout.KEY_RECEIPT)
        packed = struct.pack("<IIIH", *head)
        return (*head, proof.receipt_tag(secret, DEVICE_ID, LOG_ID, packed, body))

    def radio(self, state: int, minutes: int) -> None:
        """Take note."""
        self.radio_told = (state, minutes)

    def stop(self) -> None:
        """End the run."""
        self.stopped = True


class Console:
    """A board's two console streams, and the poller that says when they are ready."""

    def __init__(self) -> None:
        self.input: deque[int] = deque()
        self.output: list[bytes] = []
        self.takes_output = True
        self.short_write = False

    def readinto(self, buffer: bytearray) -> int:
        """Read one byte; a board would wait for ever if there were none."""
        assert self.input, "the link read a byte that was not there: a board would hang here"
        buffer[0] = self.input.popleft()
        return 1

    def write(self, data: memoryview) -> int:
        """Write, or fall short as a console does whose host stopped reading."""
        taken = bytes(data)[: len(data) // 2] if self.short_write else bytes(data)
        self.output.append(taken)
        return len(taken)

    # --- select.poll as MicroPython has it ----------------------------------------------------
    POLLIN, POLLOUT = select.POLLIN, select.POLLOUT

    def poll(self) -> Console:
        """Return a poller: this object stands for both, and asks about what was registered."""
        poller = Console.Poller()
        poller.console = self
        return poller  # type: ignore[return-value]

    class Poller:
        """One poller of one stream."""

        console: Console
        events = 0

        def register(self, stream: object, events: int) -> None:
            """Take note of what is asked for."""
            self.events = events

        def ipoll(self, timeout_ms: int) -> Iterable[tuple[None, int]]:
            """Say what is ready now."""
            assert timeout_ms == 0, "the link waited for the host"
            ready = select.POLLIN if self.console.input else 0
            ready |= select.POLLOUT if self.console.takes_output else 0
            return [(None, ready)] if ready & self.events else []


def usb_link_on(
    console: Console, body_max: int = layout.SERIAL_BODY_MAX_BYTES
) -> link_usb.UsbLink:
    """Return the board's link on a console in memory."""
    real, link_usb.select = link_usb.select, console  # type: ignore[assignment]
    try:
        return link_usb.UsbLink(console, console, body_max=body_max)  # type: ignore[arg-type]
    finally:
        link_usb.select = real


class Clock:
    """Counts seconds as it is told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


class MemoryLink:
    """A host's `Link` to a board in memory.

    `fault(direction, index, wire)` may change what is on its way: `direction` is "out" (board to
    host) or "in", `index` counts the frames of that direction, `wire` is one frame as bytes. It
    returns the bytes that arrive; raising Unplugged cuts the line.
    """

    def __init__(
        self,
        store: MemoryStore,
        clock: Clock,
        fault: Callable[[str, int, bytes], bytes] | None = None,
        device: MemoryDevice | None = None,
        body_max: int = layout.SERIAL_BODY_MAX_BYTES,
        credit_bytes: int = 1 << 16,
        server: Server | None = None,
    ) -> None:
        self.name = "usb:memory"
        self.body_max_bytes = body_max
        self.credit_bytes = credit_bytes
        self.patience_s = 0.0
        self.device = device or MemoryDevice()
        self.server = server or Server(
            store,  # type: ignore[arg-type]
            self.device,
            self.device.guard(DEVICE_ID),
            bytes,
            in_hand=True,
        )
        self.console = Console()
        self.board_link = usb_link_on(self.console)
        self.clock = clock
        self.fault = fault
        self.is_open = True
        self.opens = 0
        self.sent_out = 0
        self.sent_in = 0
        self.wire_bytes = 0
        self.kinds_sent: list[int] = []
        self.data: list[tuple[int, int]] = []
        """(offset, bytes) of every DATA frame that arrived."""
        self.host_talk = session.Conversation(session.HOST)
        self.tagged = self.enciphered = self._asks_secret = False
        self._reader = FrameReader()
        self._frames: deque[Frame] = deque()

    @property
    def stray(self) -> bytes:
        """What arrived and was no frame."""
        return self._reader.junk

    def open(self) -> None:
        """Open the line again."""
        self.is_open = True
        self.opens += 1
        self._reader = FrameReader()
        self._frames.clear()

    def close(self) -> None:
        """Close the line; the board notices nothing."""
        self.is_open = False

    def send(self, kind: int, seq: int, body: bytes) -> None:
        """Type one line at the board."""
        assert self.is_open
        self._judge(self.host_talk.sent, kind, seq, body)
        self.kinds_sent.append(kind)
        line = encode_serial_in(kind, seq, body)
        if self.fault is not None:
            line = self.fault("in", self.sent_in, line)
        self.sent_in += 1
        self.console.input.extend(line)

    def receive(self, timeout_s: float) -> Frame | None:
        """Let the board work until a frame arrives, or let the time pass."""
        assert self.is_open
        idle = 0
        while not self._frames:
            busy = self.board_link.poll(self.server)
            self._carry()
            idle = 0 if busy else idle + 1
            if idle > 2:
                self.clock.now_s += max(timeout_s, 0.001)
                return None
            self.clock.now_s += 0.00001
        frame = self._frames.popleft()
        if frame.kind == layout.MSG_DATA:
            _, _, offset = layout_unpack(frame.body)
            self.data.append((offset, len(frame.body) - layout.DATA_HEAD.size))
        self._judge(self.host_talk.received, frame.kind, frame.seq, bytes(frame.body))
        return frame

    def _judge(
        self, heard: Callable[[int, int, bytes], object], kind: int, seq: int, body: bytes
    ) -> None:
        """Hold a frame to the tables, its tag taken off; what is enciphered they cannot read."""
        if kind == layout.MSG_HELLO:
            self.tagged = self.enciphered = False
        elif kind == layout.MSG_AUTH:
            self._asks_secret = bool(body[1] & layout.AUTH_SECRET)
        elif self.tagged and kind not in _UNTAGGED:
            body = body[: -layout.SESSION_TAG.size]
        if self.enciphered and kind not in _UNTAGGED:
            return
        heard(kind, seq, body)
        if kind == layout.MSG_AUTH | layout.REPLY:
            self.tagged, self.enciphered = True, self._asks_secret

    def _carry(self) -> None:
        while self.console.output:
            wire = self.console.output.pop(0)
            self.wire_bytes += len(wire)
            if self.fault is not None:
                wire = self.fault("out", self.sent_out, wire)
            self.sent_out += 1
            self._frames.extend(Frame(*frame) for frame in self._reader.feed(wire))


def by_radio(link: MemoryLink) -> MemoryLink:
    """Have the board take the link for its radio: who is at the other end holds nothing."""
    link.server._in_hand = False  # noqa: SLF001 - a server is made for one link, for good
    link.server.drop()
    link.name = "ble:memory"
    return link


def layout_unpack(body: bytes | memoryview) -> tuple[int, int, int]:
    """Return (xfer, flags, offset) of a DATA body."""
    return struct.unpack_from(layout.DATA_HEAD.format, body)  # type: ignore[return-value]
