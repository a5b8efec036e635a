"""bleak on the virtual radio: BleakScanner(backend=AirScanner), BleakClient(backend=AirClient).

The hub's socket is named by DEWARLOG_AIR or by the argument `air`. Everything a client sees of a
real backend is here: timeouts, lost connections, bleak's errors and never Bumble's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any, Final, cast

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError
from bleak.uuids import normalize_uuid_str
from bumble import core, hci
from bumble.att import ATT_Error
from bumble.core import AdvertisingData
from bumble.device import Peer

from simboard.air.host import MTU_DEFAULT, MTU_VARIABLE, AirHost, socket_path

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from bleak.args import SizedBuffer
    from bleak.assigned_numbers import CharacteristicPropertyName
    from bleak.backends.client import NotifyCallback
    from bleak.backends.scanner import AdvertisementDataCallback
    from bumble.device import Advertisement, Connection
    from bumble.gatt_client import CharacteristicProxy, DescriptorProxy

ATT_HEAD_BYTES: Final = 3
_MTU_MIN: Final = 23
_ACTIVE: Final = "active"
# Vol 3 Part G 3.3.1.1: the bits of a characteristic's properties, lowest first.
_PROPERTIES: Final = (
    "broadcast",
    "read",
    "write-without-response",
    "write",
    "notify",
    "indicate",
    "authenticated-signed-writes",
    "extended-properties",
)
_NAMES: Final = (
    AdvertisingData.Type.COMPLETE_LOCAL_NAME,
    AdvertisingData.Type.SHORTENED_LOCAL_NAME,
)
_UUID_LISTS: Final = {  # bytes in a UUID
    AdvertisingData.Type.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS: 2,
    AdvertisingData.Type.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS: 2,
    AdvertisingData.Type.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS: 16,
    AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS: 16,
}


class AirScanner(BaseBleakScanner):
    """Scans on the virtual radio; `scanning_mode` "passive" asks for no scan responses."""

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: str = _ACTIVE,
        *,
        air: str | None = None,
        **_others: Any,  # noqa: ANN401 - bleak passes on what other backends take
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._active = scanning_mode == _ACTIVE
        self._air = air
        self._host: AirHost | None = None

    async def start(self) -> None:
        """Begin to scan."""
        self.seen_devices = {}
        self._host = await AirHost.open(self._air or socket_path())
        device = self._host.device
        device.on("advertisement", self._on_advertisement)
        await device.start_scanning(legacy=True, active=self._active)

    async def stop(self) -> None:
        """Scan no more."""
        if self._host is not None:
            host, self._host = self._host, None
            await host.close()

    def _on_advertisement(self, advertisement: Advertisement) -> None:
        if self._host is None:
            return
        data = advertisement_data(advertisement)
        if self.is_allowed_uuid(data.service_uuids):
            address = _text(advertisement.address)
            device = self.create_or_update_device(
                address, address, data.local_name, advertisement.address, data
            )
            self.call_detection_callbacks(device, data)


def advertisement_data(advertisement: Advertisement) -> AdvertisementData:
    """Return an advertisement, its scan response included, as bleak shows it."""
    name: str | None = None
    companies: dict[int, bytes] = {}
    uuids: list[str] = []
    for kind, value in advertisement.data.ad_structures:
        if kind in _NAMES:
            name = value.decode(errors="replace")
        elif kind == AdvertisingData.Type.MANUFACTURER_SPECIFIC_DATA:
            companies[int.from_bytes(value[:2], "little")] = value[2:]
        elif kind in _UUID_LISTS:
            size = _UUID_LISTS[AdvertisingData.Type(kind)]
            starts = range(0, len(value), size)
            uuids.extend(_uuid_text(value[start : start + size]) for start in starts)
    return AdvertisementData(
        local_name=name,
        manufacturer_data=companies,
        service_data={},
        service_uuids=uuids,
        tx_power=None,
        rssi=advertisement.rssi,
        platform_data=(advertisement.address, bytes(advertisement.data)),
    )


class AirClient(BaseBleakClient):
    """A connection on the virtual radio.

    Args beyond bleak's: `air`, the hub's socket; `mtu`, what to ask the board for, 23 asking for
    nothing (else DEWARLOG_AIR_MTU, else 247).
    """

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        *,
        disconnected_callback: Callable[[], None] | None = None,
        timeout: float = 30.0,
        air: str | None = None,
        mtu: int | None = None,
        **_others: Any,  # noqa: ANN401 - bleak passes on what other backends take
    ) -> None:
        super().__init__(
            address_or_ble_device, disconnected_callback=disconnected_callback, timeout=timeout
        )
        known = isinstance(address_or_ble_device, BLEDevice)
        self._name = address_or_ble_device.name if known else None
        self._air = air
        self._mtu = mtu or int(os.environ.get(MTU_VARIABLE, "") or MTU_DEFAULT)
        self._host: AirHost | None = None
        self._connection: Connection | None = None
        self._lost = asyncio.Event()
        self._asked_to_end = False
        self._callbacks: dict[int, Callable[[bytes], None]] = {}

    # --- connection -----------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name it advertised, else its address."""
        return self._name or self.address.replace(":", "-")

    @property
    def mtu_size(self) -> int:
        """What both ends agreed on; 23 before they did."""
        return self._connection.att_mtu if self._connection is not None else _MTU_MIN

    @property
    def is_connected(self) -> bool:
        """Whether the connection stands."""
        return self._connection is not None and not self._lost.is_set()

    async def connect(self, pair: bool, **kwargs: Any) -> None:  # noqa: ANN401, ARG002, FBT001
        """Connect, agree on an MTU and find the services, all within the timeout."""
        if self.is_connected:
            raise BleakError("Client is already connected")
        self._lost.clear()
        self._asked_to_end = False
        self._host = await AirHost.open(self._air or socket_path())
        try:
            async with asyncio.timeout(cast("float", kwargs.get("timeout", self._timeout))):
                await self._connect(self._host)
        except BaseException:
            await self._close()
            raise

    async def _connect(self, host: AirHost) -> None:
        address = hci.Address(self.address, hci.Address.RANDOM_DEVICE_ADDRESS)
        try:
            connection = await host.device.connect(address, timeout=None)
        except (core.BaseBumbleError, AssertionError) as error:
            raise BleakDeviceNotFoundError(self.address, f"{self.address}: {error}") from error
        self._connection = connection
        connection.on(connection.EVENT_DISCONNECTION, self._on_disconnection)
        async with self._errors():
            peer = Peer(connection)
            if self._mtu > _MTU_MIN:
                await peer.request_mtu(self._mtu)
            await peer.discover_services()
            for service in peer.services:
                await peer.discover_characteristics(service=service)
                for characteristic in service.characteristics:
                    await characteristic.discover_descriptors()
            self.services = self._collect(peer)

    def _collect(self, peer: Peer) -> BleakGATTServiceCollection:
        """Return what was found as bleak's own."""
        found = BleakGATTServiceCollection()
        for service in peer.services:
            ours = BleakGATTService(service, service.handle, _uuid_text(bytes(service.uuid)))
            found.add_service(ours)
            for item in service.characteristics:
                characteristic = BleakGATTCharacteristic(
                    item,
                    item.handle,
                    _uuid_text(bytes(item.uuid)),
                    _property_names(item.properties),
                    lambda: self.mtu_size - ATT_HEAD_BYTES,
                    ours,
                )
                found.add_characteristic(characteristic)
                for descriptor in item.descriptors:
                    uuid = _uuid_text(bytes(descriptor.type))
                    found.add_descriptor(
                        BleakGATTDescriptor(descriptor, descriptor.handle, uuid, characteristic)
                    )
        return found

    async def disconnect(self) -> None:
        """End the connection, if it stands."""
        self._asked_to_end = True
        if self.is_connected and self._connection is not None:
            with contextlib.suppress(core.BaseBumbleError, asyncio.CancelledError):
                await self._connection.disconnect()
                await self._lost.wait()
        await self._close()

    async def _close(self) -> None:
        self.services = None
        self._callbacks.clear()
        self._lost.set()
        self._connection = None
        if self._host is not None:
            host, self._host = self._host, None
            await host.close()

    def _on_disconnection(self, _reason: int) -> None:
        self._lost.set()
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def pair(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Do not pair: the simulated boards cannot.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("no board on the virtual radio can pair")

    async def unpair(self) -> None:
        """Do nothing: nothing was paired."""

    # --- values ---------------------------------------------------------------------------------

    async def read_gatt_char(
        self,
        characteristic: BleakGATTCharacteristic,
        **_kwargs: Any,  # noqa: ANN401
    ) -> bytearray:
        """Read a value, however long it is."""
        async with self._errors():
            return bytearray(await _proxy(characteristic).read_value())
        raise AssertionError

    async def read_gatt_descriptor(
        self,
        descriptor: BleakGATTDescriptor,
        **_kwargs: Any,  # noqa: ANN401
    ) -> bytearray:
        """Read a descriptor."""
        async with self._errors():
            return bytearray(await cast("DescriptorProxy", descriptor.obj).read_value())
        raise AssertionError

    async def write_gatt_char(
        self,
        characteristic: BleakGATTCharacteristic,
        data: SizedBuffer,
        response: bool,  # noqa: FBT001 - bleak's signature
    ) -> None:
        """Write a value, and wait for the board's word if `response`."""
        async with self._errors():
            if not response and len(bytes(data)) > self.mtu_size - ATT_HEAD_BYTES:
                raise BleakError("data is longer than one write without response carries")
            await _proxy(characteristic).write_value(bytes(data), with_response=response)

    async def write_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, data: SizedBuffer
    ) -> None:
        """Write a descriptor."""
        async with self._errors():
            proxy = cast("DescriptorProxy", descriptor.obj)
            await proxy.write_value(bytes(data), with_response=True)

    async def start_notify(
        self,
        characteristic: BleakGATTCharacteristic,
        callback: NotifyCallback,
        **_kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Subscribe; the callback gets every value from then on, in order."""

        def on_value(value: bytes) -> None:
            callback(bytearray(value))

        async with self._errors():
            self._callbacks[characteristic.handle] = on_value
            await _proxy(characteristic).subscribe(on_value)

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Unsubscribe."""
        on_value = self._callbacks.pop(characteristic.handle, None)
        async with self._errors():
            proxy = _proxy(characteristic)
            await proxy.unsubscribe(on_value)  # pyright: ignore[reportUnknownMemberType]

    @contextlib.asynccontextmanager
    async def _errors(self) -> AsyncGenerator[None]:
        """Turn Bumble's errors, and its cancelling of requests, into bleak's.

        Raises:
            BleakError: The connection is lost, or was never there.
            BleakGATTProtocolError: The board refused.
        """
        if not self.is_connected:
            raise BleakError("Not connected")
        task = asyncio.current_task()
        asked_before = task.cancelling() if task is not None else 0
        try:
            yield
        except ATT_Error as error:
            raise BleakGATTProtocolError(error.error_code) from error
        except (core.BaseBumbleError, AssertionError) as error:
            raise BleakError(str(error) or "Disconnected") from error
        except asyncio.CancelledError as error:
            # Bumble cancels a request whose connection is lost; our own task was not cancelled.
            if self._lost.is_set() and task is not None and task.cancelling() == asked_before:
                raise BleakError("Disconnected") from error
            raise


def _proxy(characteristic: BleakGATTCharacteristic) -> CharacteristicProxy[bytes]:
    return cast("CharacteristicProxy[bytes]", characteristic.obj)


def _property_names(bits: int) -> list[CharacteristicPropertyName]:
    names = [name for place, name in enumerate(_PROPERTIES) if bits >> place & 1]
    return cast("list[CharacteristicPropertyName]", names)


def _text(address: hci.Address) -> str:
    return str(address).split("/")[0]


def _uuid_text(wire: bytes) -> str:
    """Return a UUID as bleak writes it; `wire` is little-endian, 2 or 16 bytes."""
    text = wire[::-1].hex()
    if len(wire) == 2:
        return normalize_uuid_str(text)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
