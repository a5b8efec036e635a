"""A host on the board's console, who pulls, confirms, marks and signs while the power may go.

Speaks real frames. A visit is a generator of requests; each answer sends it on. What the board has
answered it must keep: the host holds the answer against what the witness knows to be durable.
"""

import struct

from dewarlog_wire import PROTOCOL_VERSION, block, events, layout
from dewarlog_wire.errors import BlockError
from dewarlog_wire.frame import FrameReader, encode_serial_in
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
        self._goes_on = Event(self._go_on)
        console.sink = self._hear

    def utc_s(self) -> int:
        """Return the host's time as the log counts it."""
        return self._start_utc_s + self.clock.now // 1000000

    def begin(self, visit: "Callable[[Host], Visit]") -> None:
        """Come to the board; whatever visit was going on is over."""
        self._visit = visit(self)
        self._answer = None
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
        self.console.receive(encode_serial_in(kind, self._seq, body))

    def _hear(self, data: "Any") -> None:
        if self._visit is None:
            return
        for kind, seq, body in self._reader.feed(bytes(data)):
            if kind == layout.MSG_DATA:
                if self._data is not None:
                    self._data += bytes(body)[layout.DATA_HEAD.size :]
            elif kind == layout.MSG_END:
                self._take(bytes(self._data or b""))
            elif seq != self._seq:
                continue
            elif kind == layout.MSG_ERROR:
                words = bytes(body[layout.ERROR.size :]).decode()
                self.refusals.append((self._waits_for, body[0], words))
                self._take(None)
            elif kind == self._waits_for | layout.REPLY:
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

    # --- what was promised --------------------------------------------------------------------

    def need_event(self, kind: int, body: bytes, run: "RunWitness | None" = None) -> None:
        """An answer says that this event is in the log: it must be durable by now."""
        run = run or self.witness.open_run
        if run is None:
            return
        for number in range(run.durable_events - 1, -1, -1):
            if run.events[number][:2] == (kind, body):
                return
        need(False, "answered before it was durable: event of kind %d, %r", kind, body)

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
    yield _hello()
    utc_s = host.utc_s()
    answer = yield layout.MSG_TIME, struct.pack(layout.TIME.format, utc_s, 250, 40)
    run = host.witness.open_run
    if answer is not None and run is not None:
        before = struct.unpack(layout.TIME_REPLY.format, answer)
        body = struct.pack(layout.EVENT_CLOCK_SYNC.format, utc_s, 250, 40, before[0], before[1])
        host.need_event(layout.KIND_CLOCK_SYNC, body)


def mark(host: Host) -> "Visit":
    """Enter a custody step."""
    yield _hello()
    body = events.custody_body(1, host.utc_s(), ("R. Lindqvist", "Dock B", ""))
    answer = yield layout.MSG_MARK, body
    if answer is not None:
        host.need_event(layout.KIND_CUSTODY, body)


def radio_off(host: Host) -> "Visit":
    """Switch the radio off for five minutes."""
    yield _hello()
    yield layout.MSG_RADIO, struct.pack(layout.RADIO.format, 0, 5)


def radio_on(host: Host) -> "Visit":
    """Switch it on again."""
    yield _hello()
    yield layout.MSG_RADIO, struct.pack(layout.RADIO.format, 1, 0)


def stop(host: Host) -> "Visit":
    """Seal, then end the run."""
    yield _hello()
    yield layout.MSG_SEAL, b""
    yield layout.MSG_STOP, b""


def pull(host: Host) -> "Visit":
    """Seal, list, read everything, confirm every run that came whole."""
    yield _hello()
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
    yield _hello()
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
