"""bleak on the virtual radio: BleakScanner(backend=AirScanner), BleakClient(backend=AirClient).

The hub's socket is named by DEWARLOG_AIR or by the argument `air`. Everything a client sees of a
real backend is here: timeouts, lost connections, bleak's errors and never Bumble's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

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
    from collections.abc import Callable, Coroutine

    from bleak.args import SizedBuffer
    from bleak.assigned_numbers import CharacteristicPropertyName
    from bleak.backends.client import NotifyCallback
    from bleak.backends.scanner import AdvertisementDataCallback
    from bumble.device import Advertisement, Connection
    from bumble.gatt_client import CharacteristicProxy, DescriptorProxy

_T = TypeVar("_T")
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
        device = address_or_ble_device
        self._known = isinstance(device, BLEDevice)
        self._name = device.name if isinstance(device, BLEDevice) else None
        self._air = air
        self._mtu = mtu or int(os.environ.get(MTU_VARIABLE, "") or MTU_DEFAULT)
        self._host: AirHost | None = None
        self._connection: Connection | None = None
        self._lost: asyncio.Future[None] | None = None  # done when the connection is over
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
        return self._lost is not None and not self._lost.done()

    async def connect(self, pair: bool, **kwargs: Any) -> None:  # noqa: ANN401, ARG002, FBT001
        """Connect, agree on an MTU and find the services, all within the timeout."""
        if self.is_connected:
            raise BleakError("Client is already connected")
        self._host = await AirHost.open(self._air or socket_path())
        try:
            async with asyncio.timeout(cast("float", kwargs.get("timeout", self._timeout))):
                await self._connect(self._host)
        except TimeoutError as error:
            heard = self._connection is not None
            await self._close()
            if heard or self._known:
                raise
            # What backends say that look for an address by scanning first.
            raise BleakDeviceNotFoundError(
                self.address, f"Device with address {self.address} was not found."
            ) from error
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
        self._lost = asyncio.get_running_loop().create_future()
        connection.on(connection.EVENT_DISCONNECTION, self._on_disconnection)
        self.services = await self._ask(self._discover(Peer(connection)))

    async def _discover(self, peer: Peer) -> BleakGATTServiceCollection:
        """Agree on an MTU and find everything the board has."""
        if self._mtu > _MTU_MIN:
            await peer.request_mtu(self._mtu)
        await peer.discover_services()
        for service in peer.services:
            await peer.discover_characteristics(service=service)
            for characteristic in service.characteristics:
                await characteristic.discover_descriptors()
        return self._collect(peer)

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
        connection, lost = self._connection, self._lost
        if connection is not None and lost is not None and not lost.done():
            with contextlib.suppress(core.BaseBumbleError):
                await connection.disconnect()
                await lost
        await self._close()

    async def _close(self) -> None:
        self.services = None
        self._callbacks.clear()
        self._end()
        self._connection = None
        if self._host is not None:
            host, self._host = self._host, None
            await host.close()

    def _on_disconnection(self, _reason: int) -> None:
        self._end()
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    def _end(self) -> None:
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)

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
        return bytearray(await self._ask(_proxy(characteristic).read_value()))

    async def read_gatt_descriptor(
        self,
        descriptor: BleakGATTDescriptor,
        **_kwargs: Any,  # noqa: ANN401
    ) -> bytearray:
        """Read a descriptor."""
        proxy = cast("DescriptorProxy", descriptor.obj)
        return bytearray(await self._ask(proxy.read_value()))

    async def write_gatt_char(
        self,
        characteristic: BleakGATTCharacteristic,
        data: SizedBuffer,
        response: bool,  # noqa: FBT001 - bleak's signature
    ) -> None:
        """Write a value, and wait for the board's word if `response`."""
        value = bytes(data)
        if not response and len(value) > self.mtu_size - ATT_HEAD_BYTES:
            raise BleakError("data is longer than one write without response carries")
        await self._ask(_proxy(characteristic).write_value(value, with_response=response))

    async def write_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, data: SizedBuffer
    ) -> None:
        """Write a descriptor."""
        proxy = cast("DescriptorProxy", descriptor.obj)
        await self._ask(proxy.write_value(bytes(data), with_response=True))

    async def start_notify(
        self,
        characteristic: BleakGATTCharacteristic,
        callback: NotifyCallback,
        **_kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Subscribe; the callback gets every value from then on, in order."""

        def on_value(value: bytes) -> None:
            callback(bytearray(value))

        self._callbacks[characteristic.handle] = on_value
        await self._ask(_proxy(characteristic).subscribe(on_value))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Unsubscribe."""
        on_value = self._callbacks.pop(characteristic.handle, None)
        proxy = _proxy(characteristic)
        await self._ask(proxy.unsubscribe(on_value))  # pyright: ignore[reportUnknownMemberType]

    async def _ask(self, request: Coroutine[Any, Any, _T]) -> _T:
        """Wait for a request, or for the loss of the connection.

        Bumble waits for an answer even when the connection was lost before it asked, and cancels
        whoever waits when it is lost after.

        Raises:
            BleakError: The connection is lost, or was never there.
            BleakGATTProtocolError: The board refused.
        """
        lost = self._lost
        if lost is None or lost.done():
            request.close()
            raise BleakError("Not connected")
        asking = asyncio.create_task(request)
        try:
            await asyncio.wait((asking, lost), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not asking.done():
                asking.cancel()
        try:
            return await asking
        except ATT_Error as error:
            raise BleakGATTProtocolError(error.error_code) from error
        except (core.BaseBumbleError, AssertionError) as error:
            raise BleakError(str(error) or "Disconnected") from error
        except asyncio.CancelledError as error:
            raise BleakError("Disconnected") from error


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
