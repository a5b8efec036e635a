"""A board in memory that goes on recording: it proves itself, records handoffs, gives keys.

The real server and link of memory_board, over a log that grows by what a host has it record, with
the requests of the door (AUTH, HANDOFF, RADIO, KEY) as protocol/SPEC.md 7.4 and 7.7 say them.
"""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dewarlog.link import Frame
from dewarlog_firmware.server import Refused, Server
from dewarlog_wire import block, events, layout, proof
from dewarlog_wire.errors import BlockError
from log_writer import LogWriter
from memory_board import Clock, MemoryDevice, MemoryLink, MemoryStore, StoredRun
from trips import trip

if TYPE_CHECKING:
    from collections.abc import Callable

    from log_writer import EventSpec

# Of the log that log_writer writes.
DEVICE_ID: Final = bytes(range(1, 9))
LOG_ID: Final = bytes(range(8))
RUN: Final = 7
DEVICE_KEY: Final = bytes(range(100, 132))
_FEATURES: Final = layout.FEATURE_RADIO | layout.FEATURE_HANDOFF | layout.FEATURE_AUTH


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
    """The rest of a board that records."""

    state = layout.STATUS_RECORDING
    radio: tuple[int, int] | None = None

    def status(self) -> tuple[int, ...]:
        """Give a status of the open run."""
        values: list[int] = [0] * len(layout.STATUS_REPLY.fields)
        values[0], values[1] = self.state, RUN
        return tuple(values)


class DoorServer(Server):
    """The board's server with the requests of the door."""

    def __init__(
        self, store: GrowingStore, device: DoorDevice, device_id: bytes, device_key: bytes
    ) -> None:
        super().__init__(store, device, device_id, random.Random(3).randbytes)  # type: ignore[arg-type]
        self.store = store
        self.device = device
        self.device_key = device_key
        self.own_id = device_id
        self.features = _FEATURES
        self.over_usb = True
        self.handoffs = 0
        self.nonces = (b"", b"")
        self._handlers.update(
            {
                layout.MSG_AUTH: self._auth,
                layout.MSG_HANDOFF: self._handoff,
                layout.MSG_RADIO: self._radio,
                layout.MSG_KEY: self._key,
            }
        )

    def _answer(self, reply: bytes) -> int:
        self._reply[4 : 4 + len(reply)] = reply
        return len(reply)

    def _hello(self, body: bytes | memoryview) -> int:
        super()._hello(body)
        fields = list(struct.unpack_from(layout.HELLO_REPLY.format, self._reply, 4))
        fields[3] = self.features
        self.nonces = (bytes(body[-8:]), fields[5])
        return self._answer(struct.pack(layout.HELLO_REPLY.format, *fields))

    def _auth(self, body: bytes | memoryview) -> int:
        key, theirs = struct.unpack(layout.AUTH.format, body)
        if key != layout.KEY_COURIER:
            raise Refused(layout.ERROR_RANGE, "no such key")
        secret = proof.derived_key(self.device_key, key)
        if not proof.same(theirs, proof.host_proof(secret, *self.nonces)):
            raise Refused(layout.ERROR_NOT_ALLOWED, "that is not the courier key")
        return self._answer(proof.board_proof(secret, *self.nonces))

    def _handoff(self, body: bytes | memoryview) -> int:
        body = bytes(body)
        try:
            values = events.read_handoff(body)
        except BlockError as error:
            raise Refused(layout.ERROR_MALFORMED, str(error)) from error
        if self.store.chain_after(values[3]) != values[4]:
            raise Refused(layout.ERROR_NOT_ALLOWED, "that is not the chain of this run")
        number, uptime_ms = self.store.record(layout.KIND_HANDOFF, values)
        self.handoffs += 1
        said = (RUN, number, *divmod(uptime_ms, 1000), bytes(32))
        head = struct.pack(layout.HANDOFF_REPLY.format, *said)[:-32]
        secret = proof.derived_key(self.device_key, layout.KEY_RECEIPT)
        tag = proof.receipt_tag(secret, self.own_id, LOG_ID, head, body)
        return self._answer(head + tag)

    def _radio(self, body: bytes | memoryview) -> int:
        state, minutes = self.device.radio = struct.unpack(layout.RADIO.format, body)
        self.store.record(layout.KIND_RADIO, (state, 1, minutes))
        return 0

    def _key(self, body: bytes | memoryview) -> int:
        if not self.over_usb:
            raise Refused(layout.ERROR_NOT_ALLOWED, "keys are given over USB only")
        return self._answer(proof.derived_key(self.device_key, body[0]))


class DoorLink(MemoryLink):
    """A host's link to such a board; `lie(request, reply)` may change any reply's bytes."""

    server: DoorServer

    def __init__(
        self,
        store: GrowingStore | None = None,
        *,
        device_id: bytes = DEVICE_ID,
        device_key: bytes = DEVICE_KEY,
        fault: Callable[[str, int, bytes], bytes] | None = None,
    ) -> None:
        self.store = store or GrowingStore()
        device = DoorDevice()
        server = DoorServer(self.store, device, device_id, device_key)
        super().__init__(self.store, Clock(), fault, device, server=server)
        self.lie: Callable[[int, bytes], bytes] = lambda request, reply: reply

    def receive(self, timeout_s: float) -> Frame | None:
        """Give what the lie makes of the next frame."""
        frame = super().receive(timeout_s)
        if frame is None or not frame.kind & layout.REPLY:
            return frame
        lie = self.lie(frame.kind & ~layout.REPLY, bytes(frame.body))
        return Frame(frame.kind, frame.seq, lie)
