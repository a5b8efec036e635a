"""A board in memory that goes on recording: it proves itself, records handoffs, gives keys.

The real server and link of memory_board, over a log that grows by what a host has it record.
"""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dewarlog.link import Frame
from dewarlog_firmware.server import Server
from dewarlog_wire import block, events, layout, proof
from dewarlog_wire.errors import BlockError
from log_writer import LogWriter
from memory_board import Clock, MemoryDevice, MemoryLink, MemoryStore, StoredRun
from trips import trip

if TYPE_CHECKING:
    from collections.abc import Callable

    from dewarlog_firmware.access import Visitor
    from log_writer import EventSpec

# Of the log that log_writer writes.
DEVICE_ID: Final = bytes(range(1, 9))
LOG_ID: Final = bytes(range(8))
RUN: Final = 7
DEVICE_KEY: Final = bytes(range(100, 132))
_TAG_AT: Final = layout.HANDOFF_REPLY.offset_of("tag")


class GrowingStore(MemoryStore):
    """The flash log of a run that is open: SEAL makes a block of what was recorded since."""

    def __init__(self, writer: LogWriter | None = None) -> None:
        self.writer = writer or trip(2, writer=LogWriter(channels=2), stop=False)
        run = StoredRun([bytes(self.writer.data)], LOG_ID, closed=False)
        super().__init__({RUN: run})
        self.waiting: list[EventSpec] = []
        self.uptime_ms = 2 * 3_600_000
        self.seals_refused = False

    def record(self, kind: int, values: tuple[object, ...]) -> tuple[int, int]:
        """Record one event in the journal; return its number and its uptime."""
        if self.full:
            raise OSError(28, "no space left on device")
        number = self.writer.next_event + len(self.waiting)
        self.uptime_ms += 1007
        self.waiting.append((kind, self.uptime_ms, values))
        ahead = replace(self.writer, data=bytearray())
        ahead.journal(self.uptime_ms, [], events=self.waiting)
        self.runs[RUN].journal = bytes(ahead.data)
        return number, self.uptime_ms

    def seal(self) -> tuple[int, bytes]:
        """Seal what was recorded since."""
        if self.full or self.seals_refused:
            raise OSError(28, "no space left on device")
        self.seals += 1
        if self.waiting:
            self.writer.events(self.waiting)
            self.waiting = []
            self.runs[RUN].segments = [bytes(self.writer.data)]
            self.runs[RUN].journal = None
        return self.writer.blocks, self.writer.chain

    def confirm(self, run: int, blocks: int, chain: bytes, utc_s: int) -> bool:
        """Take note of what a host holds, in the log too."""
        holds = super().confirm(run, blocks, chain, utc_s)
        if holds and not self.full:
            self.record(layout.KIND_PULL, (blocks - 1, utc_s))
        return holds

    def chain_after(self, blocks: int) -> bytes | None:
        """Return the chain value after so many blocks; None when there are fewer."""
        if blocks == 0:
            return layout.CHAIN_START
        data, offset = self.log_bytes(RUN), 0
        while offset < len(data):
            found = block.check_block(data, offset, None)
            offset += found.length
            if found.block_seq == blocks - 1:
                return found.chain
        return None


class DoorDevice(MemoryDevice):
    """The rest of a board that records into `store`."""

    def __init__(self, store: GrowingStore, device_id: bytes, device_key: bytes) -> None:
        super().__init__(device_key=device_key)
        self.store = store
        self.own_id = device_id
        self.state = layout.STATUS_RECORDING
        self.signing_refused = False

    def status(self) -> tuple[int, ...]:
        """Give a status of the open run."""
        values: list[int] = [0] * len(layout.STATUS_REPLY.fields)
        values[0], values[1] = self.state, RUN
        access = layout.ACCESS_IS_CLAIMED if self.lock.is_claimed else 0
        access |= layout.ACCESS_IS_LOCKED if self.lock.is_locked else 0
        values[-3:] = access, len(self.attempts), 41
        return tuple(values)

    def head(self, run: int) -> tuple[bytes, int, bytes, int, int]:
        """Seal, and return the head of the open run."""
        if run != RUN:
            raise KeyError(run)
        return LOG_ID, *self.store.seal(), *divmod(self.store.uptime_ms, 1000)

    def sign(self, visitor: Visitor, run: int, nonce: bytes) -> None:
        """Sign the head, and record it."""
        if self.signing_refused:
            raise ValueError("a signature is worked on")
        super().sign(visitor, run, nonce)
        _run, _log_id, blocks, _chain, *when, signature = self.answers[id(visitor)]
        self.store.record(layout.KIND_SIGNATURE, (blocks, *when, nonce, signature))

    def log_id(self) -> bytes:
        """Return the id of the open run."""
        return LOG_ID

    def acknowledge(self, body: bytes) -> None:
        """Record that an alarm was seen."""
        super().acknowledge(body)
        values = events.read_texts_body(layout.KIND_ACKNOWLEDGE, body)
        self.store.record(layout.KIND_ACKNOWLEDGE, values)

    def handoff(self, body: bytes) -> tuple[int, int, int, int, bytes] | None:
        """Record a handoff whose head is this log's; answer with the proof over it."""
        try:
            values = events.read_handoff(body)
        except BlockError as error:
            raise ValueError(str(error)) from None
        if self.store.chain_after(values[3]) != values[4]:
            return None
        number, uptime_ms = self.store.record(layout.KIND_HANDOFF, values)
        self.handoffs.append(body)
        head = (RUN, number, *divmod(uptime_ms, 1000))
        packed = struct.pack(layout.HANDOFF_REPLY.format, *head, b"")[:_TAG_AT]
        secret = self.secret(layout.KEY_RECEIPT)
        return (*head, proof.receipt_tag(secret, self.own_id, LOG_ID, packed, body))

    def radio(self, state: int, minutes: int) -> None:
        """Take note, in the log too."""
        super().radio(state, minutes)
        self.store.record(layout.KIND_RADIO, (state, 1, minutes))


class DoorLink(MemoryLink):
    """A host's link to such a board; `lie(request, reply)` may change any reply's bytes."""

    def __init__(
        self,
        store: GrowingStore | None = None,
        *,
        device_id: bytes = DEVICE_ID,
        device_key: bytes = DEVICE_KEY,
        in_hand: bool = True,
        fault: Callable[[str, int, bytes], bytes] | None = None,
    ) -> None:
        self.store = store or GrowingStore()
        self.door = DoorDevice(self.store, device_id, device_key)
        server = Server(
            self.store,  # type: ignore[arg-type]
            self.door,
            self.door.guard(device_id),
            random.Random(3).randbytes,
            in_hand=in_hand,
        )
        super().__init__(self.store, Clock(), fault, self.door, server=server)
        self.lie: Callable[[int, bytes], bytes] = lambda request, reply: reply

    def receive(self, timeout_s: float) -> Frame | None:
        """Give what the lie makes of the next frame."""
        frame = super().receive(timeout_s)
        if frame is None or not frame.kind & layout.REPLY:
            return frame
        lie = self.lie(frame.kind & ~layout.REPLY, bytes(frame.body))
        return Frame(frame.kind, frame.seq, lie)
