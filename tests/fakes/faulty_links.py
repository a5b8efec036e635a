"""Two links to a `LogBoard` on which everything goes wrong that a cable or the air lets go wrong.

    SerialLink   the console's bytes, through the firmware's UsbLink and the host's own FrameReader
    AirLink      notifications and writes, through the firmware's BleLink and PieceReader

The host's session and pull run on them unchanged. Time is counted: waiting costs nothing. Each
line, frame, write or notification on its way meets the next `Fault` that is due.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bluetooth import Phone
from dewarlog.errors import OutOfRange, Unplugged
from dewarlog.link import Frame
from dewarlog_wire import layout
from dewarlog_wire.frame import FrameReader, PieceReader, encode_frame, encode_serial_in
from log_board import PowerCut
from memory_board import Clock

if TYPE_CHECKING:
    from log_board import LogBoard

KINDS: Final = (
    "lose",
    "flip",
    "shorten",
    "repeat",
    "late",
    "noise",
    "disconnect",
    "cut power",
    "cut power soon",
)
# What a radio's own CRC lets through is whole; a bit flips in queues and memories behind it.
_NOISE: Final = b"\r\nTraceback (most recent call last):\r\n\x00"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong: behind so many units on the line, of this kind, at that place."""

    after: int
    kind: str
    at: int


@dataclass
class Faults:
    """Goes through a list of faults, each once; `met` counts them."""

    plan: list[Fault]
    met: int = 0
    _passed: int = 0
    _held: list[bytes] = field(default_factory=list[bytes])

    def through(self, board: LogBoard, unit: bytes, cut: type[Exception]) -> list[bytes]:
        """Return what arrives of one unit; raise `cut` when the line is lost, or PowerCut."""
        held, self._held = self._held, []
        self._passed += 1
        if self.met == len(self.plan) or self._passed <= self.plan[self.met].after:
            return [unit, *held]
        fault = self.plan[self.met]
        self.met += 1
        self._passed = 0
        if fault.kind == "disconnect":
            raise cut
        if fault.kind == "cut power":
            raise PowerCut
        return [*self._changed(board, unit, fault), *held]

    def _changed(self, board: LogBoard, unit: bytes, fault: Fault) -> list[bytes]:
        at = fault.at % len(unit)
        if fault.kind == "lose":
            return []
        if fault.kind == "flip":
            flipped = bytearray(unit)
            flipped[at] ^= 1 << fault.at % 8
            return [bytes(flipped)]
        if fault.kind == "shorten":
            return [unit[:at]] if at else []
        if fault.kind == "repeat":
            return [unit] * (2 + fault.at % 3)
        if fault.kind == "late":  # behind the next one
            self._held = [unit]
            return []
        if fault.kind == "noise":
            return [_NOISE, unit]
        board.flash.cut_in = 1 + fault.at % 4
        return [unit]


class _Lost(Exception):
    """The line was lost."""


class FaultyLink:
    """What both links share. After a power cut the board boots; the line must be opened."""

    patience_s = 0.0
    stray = b""

    def __init__(self, board: LogBoard, faults: Faults) -> None:
        self.board = board
        self.faults = faults
        self.clock = Clock()
        self.is_open = False
        self._frames: deque[Frame] = deque()
        self.open()

    def _pass(self, ms: int) -> None:
        """Let time pass for both sides."""
        self.clock.now_s += ms / 1000
        self.board.pass_time(ms)

    def _carry(self, unit: bytes) -> list[bytes]:
        """Return what arrives of one unit on its way."""
        return self.faults.through(self.board, unit, _Lost)

    def _end(self, cause: Exception) -> None:
        """Lose the line; after a power cut the board boots."""
        self.is_open = False
        self._frames.clear()
        if isinstance(cause, PowerCut):
            self._boot()

    def _boot(self) -> None:
        self.board.boot()

    def open(self) -> None:
        """Open the line."""
        self.is_open = True
        self._frames.clear()

    def close(self) -> None:
        """Close it."""
        self.is_open = False

    def receive(self, timeout_s: float) -> Frame | None:
        """Let the board work until a frame arrives, or let the time pass."""
        self._must_be_open()
        idle = 0
        while not self._frames:
            try:
                idle = 0 if self._work() else idle + 1
                self._pass(1)
                if idle > 2:
                    self._pass(max(1, round(timeout_s * 1000)))
                    return None
            except (_Lost, PowerCut) as cause:
                self._end(cause)
                raise self._gone() from None
        return self._frames.popleft()

    def _must_be_open(self) -> None:
        if not self.is_open:
            raise self._gone()

    def _work(self) -> bool:
        """Give the board one turn and carry what it said; True while there was anything."""
        raise NotImplementedError

    def _gone(self) -> Exception:
        """Return the error that says that the line is lost."""
        raise NotImplementedError


class SerialLink(FaultyLink):
    """The cable."""

    name = "usb:memory"
    credit_bytes = 1 << 17

    def __init__(
        self,
        board: LogBoard,
        faults: Faults,
        body_max_bytes: int = layout.SERIAL_BODY_MAX_BYTES,
    ) -> None:
        self.body_max_bytes = body_max_bytes
        super().__init__(board, faults)

    def open(self) -> None:
        """Open the port; what the board said before is lost."""
        super().open()
        self._reader = FrameReader()
        self.board.console.output.clear()

    def send(self, kind: int, seq: int, body: bytes) -> None:
        """Type a line at the board."""
        self._must_be_open()
        try:
            for line in self._carry(encode_serial_in(kind, seq, body)):
                self.board.console.input.extend(line)
        except (_Lost, PowerCut) as cause:
            self._end(cause)
            raise self._gone() from None

    def _work(self) -> bool:
        busy = self.board.usb.poll(self.board.usb_server)
        while self.board.console.output:
            for wire in self._carry(self.board.console.output.pop(0)):
                self._frames.extend(Frame(*frame) for frame in self._reader.feed(wire))
        return busy

    def _gone(self) -> Exception:
        return Unplugged(self.name, "the line was lost")


class AirLink(FaultyLink):
    """The air: what is lost comes back for as long as its patience lasts."""

    name = "ble:memory"
    body_max_bytes = layout.BLE_BODY_MAX_BYTES
    credit_bytes = 1 << 16
    patience_s = 60.0

    def __init__(self, board: LogBoard, faults: Faults, mtu: int) -> None:
        self._mtu = mtu
        self._phone = Phone(board.module.ble)
        super().__init__(board, faults)

    def open(self) -> None:
        """Connect and agree on an MTU."""
        self.close()
        super().open()
        self._pass(50)
        self._pieces = PieceReader()
        self._phone = Phone(self.board.module.ble)
        self.board.air.poll(self.board.air_server)
        self._phone.connect()
        self._phone.exchange_mtu(self._mtu)
        self.board.air.poll(self.board.air_server)

    def close(self) -> None:
        """Disconnect."""
        super().close()
        if self._phone.connection >= 0:
            self._phone.disconnect()
            self.board.air.poll(self.board.air_server)

    def _end(self, cause: Exception) -> None:
        self.close()
        super()._end(cause)

    def send(self, kind: int, seq: int, body: bytes) -> None:
        """Write one frame in as many pieces as it needs."""
        self._must_be_open()
        frame = bytes(encode_frame(kind, seq, body))
        most = self._phone.mtu - layout.BLE_ATT_HEAD_BYTES
        try:
            for at in range(0, len(frame), most):
                for piece in self._carry(frame[at : at + most]):
                    self._phone.write(layout.BLE_CONTROL_UUID, piece)
        except (_Lost, PowerCut) as cause:
            self._end(cause)
            raise self._gone() from None

    def _work(self) -> bool:
        busy = self.board.air.poll(self.board.air_server)
        self._phone.ble.carry()
        control = self._phone.ble.handles[layout.BLE_CONTROL_UUID]
        heard, self._phone.heard = self._phone.heard, []
        for handle, data in heard:
            for notification in self._carry(data):
                if handle != control:
                    self._frames.append(Frame(layout.MSG_DATA_SHORT, 0, notification))
                    continue
                now_ms = round(self.clock.now_s * 1000)
                frame = self._pieces.feed(notification, now_ms)
                if frame is not None:
                    self._frames.append(Frame(*frame))
        if self._phone.connection < 0:  # the board ended it
            raise _Lost
        return busy

    def _gone(self) -> Exception:
        return OutOfRange(self.name, "the connection was lost")
