"""Dewars on the air in memory: the real server behind GATT, as bleak's backends see it.

    air = MemoryAir(MemoryPeripheral(store), ...)
    link = BleLink("4b2f", air.backends())

A `MemoryPeripheral` is one board: its control, data and info characteristics, and what it
advertises. It cuts frames as a board does at its MTU, and a `fault` may change, lose or cut what
goes through the air. Nothing here waits: the server answers in the event loop's next turn.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError, BleakGATTProtocolError, BleakGATTProtocolErrorCode

from dewarlog.link.radio import Backends
from dewarlog_firmware.server import Server
from dewarlog_wire import FORMAT_VERSION, PROTOCOL_VERSION, layout
from dewarlog_wire.frame import PieceReader, encode_short_data
from memory_board import DEVICE_ID, MemoryDevice, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from bleak.args import SizedBuffer
    from bleak.assigned_numbers import CharacteristicPropertyName
    from bleak.backends.client import NotifyCallback
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementDataCallback

ADDRESS = "28:CD:C1:00:4B:2F"
# Frames between two turns of the event loop.
_FRAMES_A_TURN = 8


class Cut(Exception):
    """Raised by a fault: the connection is lost before this notification or write."""


class MemoryPeripheral:
    """One board on the air.

    `fault(direction, index, value)` sees every notification ("out") and write ("in") as bytes and
    returns what arrives, or None when it is lost; it may raise Cut.
    """

    def __init__(
        self,
        store: MemoryStore | None = None,
        *,
        address: str = ADDRESS,
        name: str | None = "dewarlog-4b2f",
        device_id: bytes = DEVICE_ID,
        device: MemoryDevice | None = None,
        mtu: int = layout.BLE_MTU_MAX,
        fault: Callable[[str, int, bytes], bytes | None] | None = None,
        advert: tuple[int, int, int] = (layout.STATUS_RECORDING, 12, -190 * 128),
        rssi_dbm: int = -60,
    ) -> None:
        self.address = address
        self.name = name
        self.mtu = mtu
        self.fault = fault
        self.rssi_dbm = rssi_dbm
        self.manufacturer_data = {
            layout.BLE_COMPANY: struct.pack(layout.ADVERT.format, layout.ADVERT_VERSION, *advert)
        }
        self.info = struct.pack(
            layout.INFO.format,
            PROTOCOL_VERSION,
            FORMAT_VERSION,
            layout.BLE_FRAME_MAX_BYTES,
            0,
            device_id,
        )
        self.characteristics: dict[str, tuple[CharacteristicPropertyName, ...]] = {
            layout.BLE_CONTROL_UUID: ("write", "write-without-response", "notify"),
            layout.BLE_DATA_UUID: ("notify",),
            layout.BLE_INFO_UUID: ("read",),
        }
        self.in_range = True
        self.answers = True
        self.refuses_connections = 0
        """So many tries to connect fail."""
        self.device = device or MemoryDevice()
        self.server = Server(
            store or MemoryStore({}),  # type: ignore[arg-type]
            self.device,
            self.device.guard(device_id),
            bytes,
            body_max=layout.BLE_BODY_MAX_BYTES,
        )
        self.connections = 0
        self.on_cut: Callable[[], None] | None = None
        self.sent_out = 0
        self.sent_in = 0
        self.data_bytes = 0
        """Bytes of files that were sent, whether they arrived or not."""
        self.longest = 0
        self.calls: list[str] = []
        self._callbacks: dict[str, NotifyCallback] = {}
        self._pieces = PieceReader()
        self._pumping = False

    # --- what a central does ------------------------------------------------------------------

    def connect(self, on_cut: Callable[[], None]) -> None:
        """Connect a central."""
        if self.refuses_connections:
            self.refuses_connections -= 1
            raise BleakError("le-connection-abort-by-local")
        if not self.in_range or self.on_cut is not None:
            raise BleakError("the device went away")
        self.connections += 1
        self.on_cut = on_cut

    def cut(self) -> None:
        """Lose the connection, as the board sees it and as the central does."""
        on_cut, self.on_cut = self.on_cut, None
        self._callbacks.clear()
        self._pieces.reset()
        self.server.drop()
        if on_cut is not None:
            on_cut()

    def subscribe(self, uuid: str, callback: NotifyCallback) -> None:
        """Turn notifications on."""
        self.calls.append(f"notify {uuid[7]}")
        self._callbacks[uuid] = callback

    def read_info(self) -> bytes:
        """Return INFO."""
        self.calls.append("info")
        return self.info

    def write(self, value: bytes) -> None:
        """Take one write on control."""
        self.calls.append("write")
        assert len(value) <= self.mtu - layout.BLE_ATT_HEAD_BYTES, "longer than the MTU allows"
        try:
            arrived = self._through_air("in", value)
        except Cut:
            self.cut()
            return
        if arrived is None or not self.answers:
            return
        frame = self._pieces.feed(arrived, 0)
        if frame is not None:
            self.server.handle(*frame)
        self._pump_soon()

    # --- what the board does ------------------------------------------------------------------

    def send(self, frame: bytearray, length: int) -> bool:
        """Notify one frame of the server's: short DATA, or pieces of control."""
        whole = bytes(frame[:length])
        most = min(self.mtu, layout.BLE_MTU_MAX) - layout.BLE_ATT_HEAD_BYTES
        if whole[0] != layout.MSG_DATA:
            for at in range(0, length, most):
                self._notify(layout.BLE_CONTROL_UUID, whole[at : at + most])
            return True
        head = layout.FRAME_HEAD.size
        xfer, _, offset = struct.unpack_from(layout.DATA_HEAD.format, whole, head)
        body = whole[head + layout.DATA_HEAD.size : -layout.FRAME_CRC_BYTES]
        room = most - layout.DATA_SHORT_OVERHEAD_BYTES
        for at in range(0, len(body), room):
            data = body[at : at + room]
            self.data_bytes += len(data)
            self._notify(
                layout.BLE_DATA_UUID, encode_short_data(whole[1], xfer, offset + at, data)
            )
        return True

    def say(self, uuid: str, value: bytes) -> None:
        """Notify a value that the server did not make."""
        callback = self._callbacks.get(uuid)
        if callback is not None:
            callback(bytearray(value))

    def _notify(self, uuid: str, value: bytes) -> None:
        if self.on_cut is None:
            return
        self.longest = max(self.longest, len(value))
        arrived = self._through_air("out", value)
        if arrived is not None:
            self.say(uuid, arrived)

    def _through_air(self, direction: str, value: bytes) -> bytes | None:
        index = self.sent_out if direction == "out" else self.sent_in
        if direction == "out":
            self.sent_out += 1
        else:
            self.sent_in += 1
        return value if self.fault is None else self.fault(direction, index, value)

    def _pump_soon(self) -> None:
        if not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        idle = 0
        try:
            for _ in range(_FRAMES_A_TURN):
                idle = 0 if self.server.poll(self) else idle + 1
                if idle > 1:
                    return
        except Cut:
            self.cut()
            return
        self._pump_soon()


@dataclass
class MemoryAir:
    """Everyone on the air, and this computer's radio, which may be off."""

    peripherals: list[MemoryPeripheral]
    radio_error: BaseException | None = None
    """Raised when the radio is used."""
    name_comes_late: bool = False
    """The name stands in the second advertisement only: in the scan response."""
    mtu_comes_late: bool = False
    """Writes are said to be at most 20 bytes until the fifth time of asking."""
    scans: list[list[str] | None] = field(default_factory=list[list[str] | None])
    filters: list[set[str] | None] = field(default_factory=list[set[str] | None])

    def backends(self) -> Backends:
        """Return the classes for bleak."""
        return Backends(
            type("AirScanner", (_Scanner,), {"air": self}),
            type("AirClient", (_Client,), {"air": self}),
        )

    def at(self, address: str) -> MemoryPeripheral:
        """Return who has an address."""
        return next(found for found in self.peripherals if found.address == address)


class _Scanner(BaseBleakScanner):
    """Hears everyone in range, twenty times a second."""

    air: ClassVar[MemoryAir]

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        *_: object,
        **__: object,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self.air.scans.append(service_uuids)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to hear."""
        if self.air.radio_error is not None:
            raise self.air.radio_error
        self._task = asyncio.create_task(self._hear())

    async def stop(self) -> None:
        """Hear no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _hear(self) -> None:
        turn = 0
        while True:
            for one in self.air.peripherals:
                # Who is connected does not advertise.
                if one.in_range and one.on_cut is None:
                    self._tell(one, named=not self.air.name_comes_late or turn > 0)
            turn += 1
            await asyncio.sleep(0.01 if turn < 3 else 0.05)

    def _tell(self, one: MemoryPeripheral, *, named: bool) -> None:
        name = one.name if named else None
        data = AdvertisementData(
            local_name=name,
            manufacturer_data=one.manufacturer_data,
            service_data={},
            service_uuids=[layout.BLE_SERVICE_UUID],
            tx_power=None,
            rssi=one.rssi_dbm,
            platform_data=(),
        )
        device = self.create_or_update_device(one.address, one.address, name, None, data)
        self.call_detection_callbacks(device, data)


class _Client(BaseBleakClient):
    """A connection to one peripheral."""

    air: ClassVar[MemoryAir]

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        services: set[str] | None = None,
        *,
        disconnected_callback: Callable[[], None] | None,
        timeout: float,
        **_: object,
    ) -> None:
        super().__init__(
            address_or_ble_device,
            disconnected_callback=disconnected_callback,
            timeout=timeout,
        )
        self.air.filters.append(services)
        self._peer = self.air.at(self.address)
        self._connected = False
        self._asked = 0

    @property
    def mtu_size(self) -> int:
        """Refuse: BlueZ would say 23, whatever it is."""
        raise AssertionError("mtu_size tells nothing on BlueZ")

    @property
    def is_connected(self) -> bool:
        """Tell whether the connection stands."""
        return self._connected

    async def connect(self, pair: bool, **_: object) -> None:
        """Connect and discover."""
        assert not pair
        self._peer.connect(self._on_cut)
        self._connected = True
        self.services = BleakGATTServiceCollection()
        service = BleakGATTService(None, 1, layout.BLE_SERVICE_UUID)
        self.services.add_service(service)
        for number, (uuid, properties) in enumerate(self._peer.characteristics.items()):
            self.services.add_characteristic(
                BleakGATTCharacteristic(
                    None, 2 + number, uuid, list(properties), self._write_most, service
                )
            )

    def _write_most(self) -> int:
        self._asked += 1
        if self.air.mtu_comes_late and self._asked < 5:
            return layout.BLE_MTU_MIN - layout.BLE_ATT_HEAD_BYTES
        return self._peer.mtu - layout.BLE_ATT_HEAD_BYTES

    def _on_cut(self) -> None:
        self._connected = False
        self.services = None
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def disconnect(self) -> None:
        """Disconnect."""
        if self._connected:
            self._peer.cut()

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **_: object
    ) -> bytearray:
        """Read INFO."""
        assert not use_cached
        if characteristic.uuid != layout.BLE_INFO_UUID:
            raise BleakGATTProtocolError(BleakGATTProtocolErrorCode.READ_NOT_PERMITTED)
        return bytearray(self._peer.read_info())

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool
    ) -> None:
        """Write without response."""
        if not self._connected:
            raise BleakError("Not connected")
        assert characteristic.uuid == layout.BLE_CONTROL_UUID
        assert not response, "a write with response costs BlueZ 100 ms"
        self._peer.write(bytes(data))

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_: object
    ) -> None:
        """Subscribe."""
        self._peer.subscribe(characteristic.uuid, callback)

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Not used."""
        raise NotImplementedError

    async def pair(self, *_: object, **__: object) -> None:
        """Not used."""
        raise NotImplementedError

    async def unpair(self) -> None:
        """Not used."""
        raise NotImplementedError

    async def read_gatt_descriptor(self, *_: object, **__: object) -> bytearray:
        """Not used."""
        raise NotImplementedError

    async def write_gatt_descriptor(self, *_: object, **__: object) -> None:
        """Not used."""
        raise NotImplementedError
