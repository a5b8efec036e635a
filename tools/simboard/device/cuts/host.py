"""A host on the board's console: pulls, marks, hands over, has the board sign, locks it.

Speaks real frames. A visit is a generator of requests; each answer sends it on. What the board has
answered it must keep: the host holds the answer against what the witness knows to be durable.
"""

import os
import struct
from hashlib import sha256

from dewarlog_wire import PROTOCOL_VERSION, block, events, layout, proof, reader_names
from dewarlog_wire.errors import BlockError
from dewarlog_wire.frame import FrameReader, encode_serial_in
from dewarlog_wire.session_keys import BOARD, HOST, SessionKeys
from simboard.device.clock import Event
from simboard.device.cuts.broken import need

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from simboard.device.clock import Clock
    from simboard.device.console import Console
    from simboard.device.cuts.witness import RunWitness, Witness

    Visit = Generator[tuple[int, bytes], Any, None]

_THINKS_US = 3000
_CREDIT = 1 << 20
_NONCE = bytes(8)
_PROOF_REFUSED = reader_names.ACCESS_RESULT_NAMES.index("proof refused")
_BY_HOST = reader_names.LOCK_CAUSE_NAMES.index("host")


class Host:
    """One host, one visit at a time; a visit that the power cut ended is forgotten."""

    def __init__(
        self, clock: "Clock", console: "Console", witness: "Witness", start_utc_s: int
    ) -> None:
        self.clock = clock
        self.console = console
        self.witness = witness
        self.answers = {}  # kind of request: answers so far
        self.refusals = []  # (kind, code, words)
        self._start_utc_s = start_utc_s - layout.UTC_EPOCH_UNIX_S
        self._reader = FrameReader()
        self._visit = None
        self._waits_for = 0
        self._seq = 0
        self._data = None
        self._answer = None
        self._visits = 0
        self.key = 0  # KEY_* that this conversation is proven by; 0: it is not
        self._keys = None  # its SessionKeys
        self._counter = 0
        self._goes_on = Event(self._go_on)
        console.sink = self._hear

    def utc_s(self) -> int:
        """Return the host's time as the log counts it."""
        return self._start_utc_s + self.clock.now // 1000000

    def begin(self, visit: "Callable[[Host], Visit]") -> None:
        """Come to the board; whatever visit was going on is over."""
        self._visits += 1
        self._visit = visit(self)
        self._answer = None
        self.key = 0
        self._keys = None
        self._reader = FrameReader()
        self._go_on()

    def leave(self) -> None:
        """The board went away."""
        self._visit = None
        self.clock.cancel(self._goes_on)

    def _go_on(self) -> None:
        if not self.clock.irq_on:  # a flash operation is under way
            self.clock.at(self._goes_on, self.clock.now + 1000)
            return
        try:
            kind, body = self._visit.send(self._answer)
        except StopIteration:
            self._visit = None
            return
        self._waits_for = kind
        self._seq = (self._seq + 1) & 0xFF
        self._data = None
        if self._keys is not None:
            self._counter += 1
            body += self._keys.tag(HOST, self._counter, kind, self._seq, body)
        self.console.receive(encode_serial_in(kind, self._seq, body))

    def _hear(self, data: "Any") -> None:
        if self._visit is None:
            return
        for kind, seq, whole in self._reader.feed(bytes(data)):
            body = whole
            if kind == layout.MSG_DATA:
                if self._data is not None:
                    self._data += bytes(body)[layout.DATA_HEAD.size :]
            elif kind == layout.MSG_END:
                data = bytes(self._data or b"")
                self._untagged(kind, seq, body, sha256(data).digest())
                self._take(data)
            elif seq != self._seq:
                continue
            elif kind == layout.MSG_ERROR:
                body = self._untagged(kind, seq, body)
                words = bytes(body[layout.ERROR.size :]).decode()
                self.refusals.append((self._waits_for, body[0], words))
                self._take(None)
            elif kind == self._waits_for | layout.REPLY:
                body = self._untagged(kind, seq, body)
                self.answers[self._waits_for] = self.answers.get(self._waits_for, 0) + 1
                if kind == layout.MSG_READ | layout.REPLY:
                    self._data = bytearray()
                    if struct.unpack(layout.READ_REPLY.format, body)[1] == 0:
                        self._take(b"")
                else:
                    self._take(bytes(body))

    def _take(self, answer: "bytes | None") -> None:
        self._answer = answer
        self.clock.at(self._goes_on, self.clock.now + _THINKS_US)

    def _untagged(self, kind: int, seq: int, body: "Any", more: bytes = b"") -> bytes:
        """Return what stands before the tag, which must be right in a proven conversation."""
        body = bytes(body)
        if self._keys is None or self._waits_for == layout.MSG_AUTH:
            return body
        end = len(body) - layout.SESSION_TAG.size
        need(end >= 0, "an answer of kind %d has no tag", kind)
        counter = struct.unpack_from("<I", body, end)[0]
        holds = self._keys.holds(BOARD, kind, seq, body[:end], body[end:], more)
        need(holds and counter == self._counter, "the tag of an answer does not hold")
        return body[:end]

    # --- who it is ----------------------------------------------------------------------------

    def enter(self, key: "int | None" = None) -> "Generator[tuple[int, bytes], Any, bool]":
        """Begin a conversation, with a proof by `key`; False when that was refused.

        Without a key: every second time as a courier once the board was claimed, and always on a
        locked one.
        """
        if key is None:
            lock = self.lock()
            if lock is None or not lock[0] or not (lock[1] or self._visits & 1):
                yield _hello()
                return True
            key = layout.KEY_COURIER
        hello = _hello()
        reply = yield hello
        secret = proof.derived_key(self.device_key(), key)
        said = proof.transcript(hello[1], reply, key, 0)
        auth = struct.pack(layout.AUTH.format, key, 0, proof.host_proof(secret, said))
        answer = yield layout.MSG_AUTH, auth
        if answer is None:
            return False
        need(answer == proof.board_proof(secret, said), "the board's own proof does not hold")
        self._keys = SessionKeys(secret, said)
        self._counter = 0
        self.key = key
        return True

    def device_key(self) -> bytes:
        """Return the board's device key; zeros when it has none that is sure."""
        return (self.witness.small_file("/key.bin") or bytes(32))[:32]

    def lock(self) -> "tuple[int, int] | None":
        """Return (claimed, locked) as the lock's file says for sure; None when nothing is."""
        data = self.witness.small_file("/lock.bin")
        return None if data is None else (data[0], data[1])

    @property
    def is_recorded(self) -> bool:
        """Tell whether the board is recording: its memory is not full, its run not over."""
        return self.witness.app.is_recording

    # --- what was promised --------------------------------------------------------------------

    def need_event(self, kind: int, body: bytes, follows: "tuple | None" = None) -> None:
        """An answer says that this event is in the log: it must be durable by now.

        Its actor must be told before it, and `follows`, an event's kind and body, behind it.
        """
        run = self.witness.open_run
        if run is None:
            return
        for number in range(run.durable_events - 1, -1, -1):
            if run.events[number][:2] == (kind, body):
                self._need_actor(run, number)
                if follows is not None:
                    self.witness.promised.append((run, number, follows))
                return
        need(False, "answered before it was durable: event of kind %d, %r", kind, body)

    def _need_actor(self, run: "RunWitness", number: int) -> None:
        """The newest word on who speaks, before an event and in the same boot, is this host."""
        while number and run.events[number][0] != layout.KIND_BOOT:
            number -= 1
            kind, body, _, _ = run.events[number]
            if kind == layout.KIND_ACCESS and body[0] in (
                layout.ACCESS_OPEN,
                layout.ACCESS_PROVEN,
            ):
                result, link, key = body[:3]
                need(
                    (result, link, key) == (1 if self.key else 0, 0, self.key),
                    "the log says that key %d spoke, it was key %d",
                    key,
                    self.key,
                )
                return
        need(False, "run %d: event %d does not say who spoke", run.number, number)

    def need_block(self, blocks: int, chain: bytes) -> None:
        """An answer says that a run ends there: the block must be durable by now."""
        run = self.witness.open_run
        if run is None or not blocks:
            return
        need(run.durable_blocks >= blocks, "SEAL told %d blocks before they were durable", blocks)
        need(chain_of(run.blocks[blocks - 1]) == chain, "SEAL told another chain value")


def chain_of(data: bytes) -> bytes:
    """Return the chain value of one block's bytes."""
    start = len(data) - layout.BLOCK_SEAL.size
    return data[start : start + 32]


def _hello() -> "tuple[int, bytes]":
    body = struct.pack(layout.HELLO.format, PROTOCOL_VERSION, 0, 4096, _NONCE)
    return layout.MSG_HELLO, body


# --- visits -----------------------------------------------------------------------------------


def sync(host: Host) -> "Visit":
    """Set the board's clock."""
    yield from host.enter()
    utc_s = host.utc_s()
    answer = yield layout.MSG_TIME, struct.pack(layout.TIME.format, utc_s, 250, 40)
    run = host.witness.open_run
    if answer is not None and run is not None:
        before = struct.unpack(layout.TIME_REPLY.format, answer)
        body = struct.pack(layout.EVENT_CLOCK_SYNC.format, utc_s, 250, 40, before[0], before[1])
        host.need_event(layout.KIND_CLOCK_SYNC, body)


def mark(host: Host) -> "Visit":
    """Enter a custody step."""
    yield from host.enter()
    yield from _mark(host)


def _mark(host: Host) -> "Visit":
    run = host.witness.open_run
    # Nobody but a host, and a block of the events that come with the mark, moves the head now.
    body = events.custody_body(1, host.utc_s(), ("R. Lindqvist", "Dock B", ""))
    answer = yield layout.MSG_MARK, body
    if answer is None or run is None or run is not host.witness.open_run:
        return
    blocks = run.durable_blocks
    pin = struct.pack(layout.EVENT_PIN.format, blocks, chain_of(run.blocks[blocks - 1]))
    host.need_event(layout.KIND_CUSTODY, body, (layout.KIND_PIN, pin))


def radio_off(host: Host) -> "Visit":
    """Switch the radio off for five minutes."""
    yield from host.enter()
    yield layout.MSG_RADIO, struct.pack(layout.RADIO.format, 0, 5)


def radio_on(host: Host) -> "Visit":
    """Switch it on again."""
    yield from host.enter()
    yield layout.MSG_RADIO, struct.pack(layout.RADIO.format, 1, 0)


def stop(host: Host) -> "Visit":
    """Seal, then end the run."""
    yield from host.enter(layout.KEY_ADMIN)
    yield layout.MSG_SEAL, b""
    yield layout.MSG_STOP, b""


def pull(host: Host) -> "Visit":
    """Seal, list, read everything, confirm every run that came whole."""
    yield from host.enter()
    answer = yield layout.MSG_SEAL, b""
    if answer is None:
        return
    blocks, chain = struct.unpack(layout.SEAL_REPLY.format, answer)
    host.need_block(blocks, chain)
    entries = []
    total = 1
    while len(entries) < total:
        answer = yield layout.MSG_LIST, struct.pack(layout.LIST.format, len(entries), 20)
        if answer is None:
            return
        total, _, count = struct.unpack_from(layout.LIST_REPLY.format, answer)
        if not count:
            break
        for number in range(count):
            at = layout.LIST_REPLY.size + number * layout.LIST_ENTRY.size
            entries.append(struct.unpack_from(layout.LIST_ENTRY.format, answer, at))
    held, damaged = {}, set()
    for run, file, _, etag, size, _ in entries:
        if file == layout.FILE_JOURNAL or not size:
            continue
        body = struct.pack(layout.READ.format, run, file, etag, 0, size, 0, _CREDIT)
        answer = yield layout.MSG_READ, body
        if answer is None:
            return
        if run in damaged:
            continue
        need(len(answer) == size, "run %d: a pull of %d bytes gave %d", run, size, len(answer))
        if not _hold(host, held, run, answer):
            damaged.add(run)
    for run in sorted(held):
        count, chain = held[run]
        body = struct.pack(layout.CONFIRM.format, run, count, chain, host.utc_s())
        said = host.witness.run(run)
        said.offered_blocks = max(said.offered_blocks, count)
        answer = yield layout.MSG_CONFIRM, body
        if answer is not None:
            said.confirmed_blocks = count


def _hold(host: Host, held: dict, run: int, data: bytes) -> bool:
    """Check what was pulled of one file, and remember how far the run is held.

    False when a block of it is damaged: allowed where a bit was turned over.
    """
    said = host.witness.run(run)
    offset = 0
    while offset < len(data):
        try:
            found = block.check_block(data, offset, None)
        except BlockError as error:
            rot = host.witness.rot
            need(rot is not None and rot.run == run, "a pull gave a damaged block: %s", error)
            held.pop(run, None)  # a host names the block, and confirms nothing
            return False
        whole = data[offset : offset + found.length]
        need(
            found.block_seq < len(said.blocks) and said.blocks[found.block_seq] == whole,
            "run %d: the pull gave another block %d than was sealed",
            run,
            found.block_seq,
        )
        host.witness.checks += 1
        held[run] = (found.block_seq + 1, bytes(found.chain))
        offset += found.length
    return True


def handoff(host: Host) -> "Visit":
    """Seal, and hand the dewar over on that head."""
    yield from host.enter()
    answer = yield layout.MSG_SEAL, b""
    if answer is None:
        return
    blocks, chain = struct.unpack(layout.SEAL_REPLY.format, answer)
    host.need_block(blocks, chain)
    texts = ("R. Lindqvist", "Courier 118", "Dock B")
    body = events.handoff_body(host.utc_s(), 0, 0, blocks, chain, texts)
    answer = yield layout.MSG_HANDOFF, body
    if answer is not None:
        host.need_event(layout.KIND_HANDOFF, body)


def give_seal_key(host: Host) -> "Visit":
    """Take the sealing key's state, as a receiver does who will check the seals."""
    yield _hello()
    answer = yield layout.MSG_SEAL_KEY, b""
    if answer is not None:
        index, state = struct.unpack(layout.SEAL_KEY_REPLY.format, answer)
        seals = host.witness.seals
        need(index == seals.index and state == seals.state(index), "SEAL_KEY gave another state")


def claim(host: Host) -> "Visit":
    """Prove to be the admin, which claims the board; enter a custody step."""
    if not (yield from host.enter(layout.KEY_ADMIN)):
        return
    run = host.witness.open_run
    lock = host.lock()
    is_damaged = host.witness.is_rotten("/lock.bin")  # which means claimed and locked
    is_durable = is_damaged or (lock is not None and lock[0])
    need(run is None or is_durable, "claimed before it was durable")
    yield from _mark(host)


def fail(host: Host) -> "Visit":
    """Give a proof that does not hold: the first of a row is recorded."""
    hello = _hello()
    yield hello
    auth = struct.pack(layout.AUTH.format, layout.KEY_COURIER, 0, bytes(16))
    answer = yield layout.MSG_AUTH, auth
    need(answer is None, "a wrong proof was taken")
    run = host.witness.open_run
    if run is None or not host.is_recorded:
        return
    for kind, body, _, _ in run.events[: run.durable_events]:
        if kind == layout.KIND_ACCESS and body[0] == _PROOF_REFUSED:
            return
    lost_key = host.witness.is_rotten("/key.bin")
    need(lost_key, "run %d: a proof was refused, and the log does not say so", run.number)


def sign(host: Host) -> "Visit":
    """Have the head of the log signed, in slices, while samples are taken."""
    if not (yield from host.enter(layout.KEY_COURIER)):
        return
    run = host.witness.open_run
    if run is None:
        return
    samples = len(run.samples)
    nonce = bytes([(samples + at) & 0xFF for at in range(16)])
    answer = yield layout.MSG_SIGN, struct.pack(layout.SIGN.format, run.number, nonce)
    if answer is None or run is not host.witness.open_run:
        return
    values = struct.unpack(layout.SIGN_REPLY.format, answer)
    blocks, chain, signature = values[2], values[3], values[-1]
    host.need_block(blocks, chain)
    if not host.is_recorded:
        return  # memory is full: what was signed holds for who asked
    need(len(run.samples) > samples, "no sample was taken while the board signed")
    body = struct.pack(layout.EVENT_SIGNATURE.format, blocks, *(values[4:8] + (nonce, signature)))
    host.need_event(layout.KIND_SIGNATURE, body)


def selftest(host: Host) -> "Visit":
    """Have the board test itself: its results are durable once it answers, its file is gone."""
    if not (yield from host.enter(layout.KEY_ADMIN)):
        return
    run = host.witness.open_run
    answer = yield layout.MSG_SELFTEST, struct.pack(layout.SELFTEST.format, 0)
    if answer is None:
        return
    need("selftest.bin" not in os.listdir("/"), "the self-test left its file behind")
    if run is not None and run is host.witness.open_run and host.is_recorded:
        first = layout.SELFTEST_REPLY.size
        host.need_event(layout.KIND_SELFTEST, answer[first : first + layout.EVENT_SELFTEST.size])


def acknowledge(host: Host) -> "Visit":
    """Say that a person has seen what there is."""
    yield from host.enter()
    body = events.acknowledge_body(0, host.utc_s(), ("R. Lindqvist", "seen"))
    answer = yield layout.MSG_ACKNOWLEDGE, body
    if answer is not None:
        host.need_event(layout.KIND_ACKNOWLEDGE, body)


def lock(host: Host) -> "Visit":
    """Lock the board."""
    yield from _set_lock(host, 1)


def unlock(host: Host) -> "Visit":
    """Open it again."""
    yield from _set_lock(host, 0)


def _set_lock(host: Host, state: int) -> "Visit":
    if not (yield from host.enter(layout.KEY_ADMIN)):
        return
    answer = yield layout.MSG_LOCK, struct.pack(layout.LOCK.format, state)
    if answer is None:
        return
    is_right = host.lock() == (1, state) or host.witness.is_rotten("/lock.bin")
    need(is_right, "LOCK %d was answered, the lock is %r", state, host.lock())
    run = host.witness.open_run
    if run is not None and host.is_recorded:
        body = struct.pack(layout.EVENT_LOCK.format, state, _BY_HOST)
        host.need_event(layout.KIND_LOCK, body)


def break_in(host: Host) -> "Visit":
    """Press Ctrl-C at the console of a locked board, and go on as who only holds it."""
    is_locked = host.lock() == (1, 1)
    if is_locked:
        host.console.receive(b"\x03\x03")
    yield _hello()
    yield from _mark(host)
    answer = yield layout.MSG_RADIO, struct.pack(layout.RADIO.format, 1, 0)
    need(answer is None or not is_locked, "a locked board was told to switch its radio")
