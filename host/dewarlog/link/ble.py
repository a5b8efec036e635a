"""A dewar's radio as a link: found by name, connected, and found again when it was lost.

Frames are control pieces and short DATA (protocol/SPEC.md, BLE binding). What each system's stack
needs, all of it seen in the field:

- A name comes late or never: devices are found by our service, and INFO says who they are.
- Discovery and connecting may hang for minutes: both have a timeout here and are tried again.
- A board may be heard before it is subscribed to, and what it says then is lost: both
  subscriptions stand before the first request is written.
- `mtu_size` is 23 for ever on BlueZ: writes are cut by max_write_without_response_size, which
  WinRT gives as 20 for a moment; it is asked again before every write.
- A write with response costs BlueZ 100 ms: every write is without.
- Notifications get lost in the system's queues: frames say so themselves (CRC, offset), and who
  asked asks again.

The callbacks of bleak store bytes and set an event, nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bleak import BleakClient
from bleak.exc import BleakGATTProtocolError

from dewarlog.errors import (
    DewarlogError,
    NotHeard,
    OutOfRange,
    PeerViolation,
    Stranger,
    TwoOfOneName,
)
from dewarlog.link import Frame, radio
from dewarlog.link.advert import answers_to, id_digits, is_address
from dewarlog_wire import PROTOCOL_VERSION, layout
from dewarlog_wire.frame import PieceReader, encode_frame

if TYPE_CHECKING:
    from bleak.backends.characteristic import BleakGATTCharacteristic
    from bleak.backends.device import BLEDevice

    from dewarlog.link.advert import Heard
    from dewarlog.link.radio import Ear

# A full window of the longest packets; the board itself bounds how many there are of shorter ones.
_CREDIT_BYTES: Final = layout.BLE_WINDOW_PACKETS * (
    layout.BLE_FRAME_MAX_BYTES - layout.DATA_SHORT_OVERHEAD_BYTES
)
# More notifications than any window has, at 15 bytes each; a flood costs the oldest.
_ARRIVED_MOST: Final = 1024
_STRAY_BYTES: Final = 512
_PATIENCE_S: Final = 60.0
_WRITE_SMALLEST: Final = layout.BLE_MTU_MIN - layout.BLE_ATT_HEAD_BYTES
_MTU_EVERY_S: Final = 0.05
_NEEDED: Final = {
    layout.BLE_CONTROL_UUID: {"write-without-response", "notify"},
    layout.BLE_DATA_UUID: {"notify"},
    layout.BLE_INFO_UUID: {"read"},
}


@dataclass(frozen=True, slots=True)
class Waits:
    """How long each step may take."""

    find_s: float = 15.0
    """For the dewar to be heard. Boards advertise a few times a second."""
    settle_s: float = 1.0
    """After the first that answers to a name: for a second of the same name to be heard."""
    connect_s: float = 20.0
    """For one try to connect and discover; WinRT has been seen to need over 10 s."""
    tries: int = 3
    write_s: float = 5.0
    mtu_s: float = 2.0
    """For WinRT to learn how long a write may be."""


class BleLink:
    """A `Link` to the dewar that answers to `wanted`: a name, its last digits or an address."""

    def __init__(
        self,
        wanted: str,
        backends: radio.Backends | None = None,
        waits: Waits | None = None,
        *,
        mtu_comes_late: bool = sys.platform == "win32",
    ) -> None:
        """Name the dewar; `open` finds it. `backends` are those of radio.backends when None."""
        self.wanted = wanted
        self.name = f"ble:{wanted}"
        self.body_max_bytes = layout.BLE_BODY_MAX_BYTES
        self.credit_bytes = _CREDIT_BYTES
        self.patience_s = _PATIENCE_S
        self.received_bytes = 0
        """Bytes that came in notifications since the link was first opened."""
        self._backends = backends
        self._waits = waits or Waits()
        self._mtu_comes_late = mtu_comes_late
        self._device_id: bytes | None = None
        self._address = ""
        self._connection: _Connection | None = None
        self._pieces = PieceReader()
        self._stray = b""

    @property
    def stray(self) -> bytes:
        """The last bytes received that belonged to no sound frame."""
        return self._stray

    # --- open and close -----------------------------------------------------------------------

    def open(self) -> None:
        """Find the dewar, connect to it, and see that it is the one.

        Raises:
            NotHeard, TwoOfOneName, Stranger, OutOfRange, NoBluetooth: as they say.
            PeerViolation: it speaks another version of the protocol.
        """
        self.close()
        self._pieces.reset()
        self._stray = b""
        chosen = radio.backends() if self._backends is None else self._backends
        for device in self._find(chosen):
            connection = self._connect(device, chosen)
            try:
                is_it = self._is_it(device, connection.info)
            except BaseException:
                connection.close()
                raise
            if is_it:
                self._connection = connection
                self._address = device.address
                return
            connection.close()
        raise NotHeard(self.name, self._waits.find_s, ())

    def close(self) -> None:
        """Disconnect; harmless when it is not open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _find(self, chosen: radio.Backends) -> list[BLEDevice]:
        """Listen for those who may be meant; several only when they do not tell their names."""
        with radio.listening(self.name, chosen) as ear:
            deadline = time.monotonic() + self._waits.find_s
            while (now := time.monotonic()) < deadline:
                if any(self._may_be(heard) for heard in ear.heard()):
                    return [self._only_one(ear, now + self._settle_s)]
                ear.wait(deadline - now)
            # Whoever never told a name is asked for it: INFO holds the device id.
            nameless = [heard for heard in ear.heard() if heard.name is None]
            if nameless and id_digits(self.wanted) and not self._address:
                return [ear.device(heard.address) for heard in nameless]
            others = tuple(sorted(_called(heard) for heard in ear.heard()))
        raise NotHeard(self.name, self._waits.find_s, others)

    @property
    def _settle_s(self) -> float:
        """How long to listen for a second one: an address is nobody else's."""
        return 0.0 if self._address or is_address(self.wanted) else self._waits.settle_s

    def _may_be(self, heard: Heard) -> bool:
        if self._address:  # connected before: nobody else takes its place
            return heard.address == self._address
        return answers_to(self.wanted, heard)

    def _only_one(self, ear: Ear, deadline: float) -> BLEDevice:
        """Listen until `deadline` for a second one of the same name; return the only one."""
        while (left_s := deadline - time.monotonic()) > 0:
            ear.wait(left_s)
        found = [heard for heard in ear.heard() if self._may_be(heard)]
        if len(found) > 1:
            raise TwoOfOneName(self.name, tuple(sorted(_called(heard) for heard in found)))
        return ear.device(found[0].address)

    def _connect(self, device: BLEDevice, chosen: radio.Backends) -> _Connection:
        """Connect, with as many tries as a busy room may need; who reopens tries again itself."""
        last: BaseException = TimeoutError()
        for _ in range(1 if self._address else self._waits.tries):
            connection = _Connection(self.name, device, chosen, self._waits)
            try:
                connection.open(mtu_comes_late=self._mtu_comes_late)
            except DewarlogError:
                raise
            except radio.RADIO_ERRORS as error:
                if radio.is_unavailable(error):
                    raise radio.why_not(self.name, error) from error
                last = error
            else:
                return connection
        raise OutOfRange(self.name, radio.reason(last)) from last

    def _is_it(self, device: BLEDevice, info: bytes) -> bool:
        """Judge INFO: the board asked for, the same as before, and one we can talk to."""
        if len(info) != layout.INFO.size:
            raise Stranger(self.name, f"its INFO has {len(info)} bytes, not {layout.INFO.size}")
        protocol, _format, frame_max, _features, device_id = struct.unpack(
            layout.INFO.format, info
        )
        if not layout.FRAME_OVERHEAD_BYTES < frame_max <= layout.BLE_FRAME_MAX_BYTES:
            raise Stranger(self.name, f"its INFO names frames of {frame_max} bytes")
        if protocol != PROTOCOL_VERSION:
            raise PeerViolation(f"{self.name} speaks protocol version {protocol}")
        digits = id_digits(self.wanted)
        if digits and not device_id.hex().endswith(digits):
            if device.name is None:
                return False
            raise Stranger(self.name, f"its device id is {device_id.hex()}")
        if self._device_id not in (None, device_id):
            raise Stranger(self.name, f"logger {device_id.hex()} took its place")
        self._device_id = device_id
        return True

    # --- frames -------------------------------------------------------------------------------

    def send(self, kind: int, seq: int, body: bytes) -> None:
        """Send one frame, in as many writes as the connection needs.

        When the connection is lost, and what came before is not all received, nobody is told yet:
        `receive` gives the rest first, so that it need not be sent again.
        """
        connection = self._open_connection()
        try:
            connection.write(bytes(encode_frame(kind, seq, body)))
        except OutOfRange:
            if not connection.holds_any:
                raise

    def receive(self, timeout_s: float) -> Frame | None:
        """Return the next sound frame, or None when none came in time.

        Short DATA comes as it is, with seq 0: only who asked for it can tell its offset.
        """
        connection = self._open_connection()
        deadline = time.monotonic() + timeout_s
        while True:
            while (notification := connection.take()) is not None:
                frame = self._frame(notification)
                if frame is not None:
                    return frame
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return None
            connection.wait(left_s)

    def _frame(self, notification: _Notification) -> Frame | None:
        data = notification.data
        self.received_bytes += len(data)
        if notification.is_data:
            return Frame(layout.MSG_DATA_SHORT, 0, data)
        dropped = self._pieces.dropped
        frame = self._pieces.feed(data, notification.at_ms)
        if self._pieces.dropped != dropped:
            self._stray = (self._stray + data)[-_STRAY_BYTES:]
        return None if frame is None else Frame(*frame)

    def _open_connection(self) -> _Connection:
        if self._connection is None:
            raise OutOfRange(self.name, "it is not open")
        return self._connection


def _called(heard: Heard) -> str:
    """Return how to ask for a dewar so that no other is meant, with its name."""
    return f"ble:{heard.address} ({heard.name or 'no name'}, {heard.rssi_dbm} dBm)"


@dataclass(frozen=True, slots=True)
class _Notification:
    """One notification as it arrived."""

    is_data: bool
    data: bytes
    at_ms: int


class _Connection:
    """One connection from connect to disconnect; a lost one is never used again."""

    def __init__(self, name: str, device: BLEDevice, chosen: radio.Backends, waits: Waits) -> None:
        self.info = b""
        self._name = name
        self._waits = waits
        self._arrived: deque[_Notification] = deque(maxlen=_ARRIVED_MOST)
        self._news = threading.Event()
        self._lost = False
        self._control: BleakGATTCharacteristic | None = None
        self._device = device
        self._chosen = chosen
        self._client: BleakClient | None = None

    # --- in the radio's loop ------------------------------------------------------------------

    def _on_lost(self, _client: BleakClient) -> None:
        self._lost = True
        self._news.set()

    def _on_control(self, _from: BleakGATTCharacteristic, data: bytearray) -> None:
        self._take_in(data, is_data=False)

    def _on_data(self, _from: BleakGATTCharacteristic, data: bytearray) -> None:
        self._take_in(data, is_data=True)

    def _take_in(self, data: bytearray, *, is_data: bool) -> None:
        at_ms = time.monotonic_ns() // 1_000_000
        self._arrived.append(_Notification(is_data, bytes(data), at_ms))
        self._news.set()

    async def _connect(self, *, mtu_comes_late: bool) -> None:
        # Made here, in the loop: CoreBluetooth's looks for it.
        client = self._client = BleakClient(
            self._device,
            self._on_lost,
            [layout.BLE_SERVICE_UUID],
            timeout=self._waits.connect_s,
            backend=self._chosen.client,
        )
        try:
            await client.connect()
            service = client.services.get_service(layout.BLE_SERVICE_UUID)
            found: dict[str, BleakGATTCharacteristic] = {}
            for uuid, properties in _NEEDED.items():
                characteristic = None if service is None else service.get_characteristic(uuid)
                if characteristic is None or not properties <= set(characteristic.properties):
                    raise Stranger(self._name, f"it lacks characteristic {uuid}")  # noqa: TRY301
                found[uuid] = characteristic
            control = found[layout.BLE_CONTROL_UUID]
            self.info = bytes(
                await client.read_gatt_char(found[layout.BLE_INFO_UUID], use_cached=False)
            )
            await client.start_notify(control, self._on_control)
            await client.start_notify(found[layout.BLE_DATA_UUID], self._on_data)
            if mtu_comes_late:
                await self._wait_for_mtu(control)
            self._control = control
        except BleakGATTProtocolError as error:
            await _let_go(client)
            raise Stranger(self._name, f"it refuses: {error.args[1]}") from error
        except BaseException:
            await _let_go(client)
            raise

    async def _wait_for_mtu(self, control: BleakGATTCharacteristic) -> None:
        """Wait, not for long, while the stack still says what it says before an exchange."""
        for _ in range(round(self._waits.mtu_s / _MTU_EVERY_S)):
            if control.max_write_without_response_size > _WRITE_SMALLEST:
                return
            await asyncio.sleep(_MTU_EVERY_S)

    async def _write(self, frame: bytes) -> None:
        client, control = self._client, self._control
        if client is None or control is None or self._lost:
            raise OutOfRange(self._name, "the connection was lost")
        # Asked for each time: the MTU may have been exchanged since.
        most = min(control.max_write_without_response_size, layout.BLE_FRAME_MAX_BYTES)
        most = max(most, _WRITE_SMALLEST)
        for at in range(0, len(frame), most):
            await client.write_gatt_char(control, frame[at : at + most], response=False)

    # --- in the caller's thread ---------------------------------------------------------------

    def open(self, *, mtu_comes_late: bool) -> None:
        """Connect; whatever fails, nothing stays connected."""
        radio.run(self._connect(mtu_comes_late=mtu_comes_late), self._waits.connect_s)

    def write(self, frame: bytes) -> None:
        """Write one frame; any failure means that the connection is of no more use."""
        try:
            radio.run(self._write(frame), self._waits.write_s)
        except DewarlogError:
            raise
        except radio.RADIO_ERRORS as error:
            raise OutOfRange(self._name, radio.reason(error)) from error

    @property
    def holds_any(self) -> bool:
        """True while notifications wait to be taken."""
        return bool(self._arrived)

    def take(self) -> _Notification | None:
        """Return the next notification; None when none is here.

        Raises:
            OutOfRange: none is here, and none will come.
        """
        lost = self._lost  # before the look at what arrived: that comes first
        if self._arrived:
            return self._arrived.popleft()
        if lost:
            raise OutOfRange(self._name, "the connection was lost")
        return None

    def wait(self, timeout_s: float) -> None:
        """Wait for news, at most so long."""
        self._news.wait(min(timeout_s, radio.TURN_S))
        self._news.clear()

    def close(self) -> None:
        """Disconnect, whatever state it is in."""
        if self._client is not None:
            with contextlib.suppress(*radio.RADIO_ERRORS):
                radio.run(self._client.disconnect(), self._waits.write_s)


async def _let_go(client: BleakClient) -> None:
    with contextlib.suppress(*radio.RADIO_ERRORS):
        await client.disconnect()
