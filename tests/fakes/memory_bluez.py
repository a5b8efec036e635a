"""A minimal `org.bluez` on a D-Bus of its own, with one `MemoryPeripheral` on the air.

What bleak's unmodified BlueZ backend asks of the real service and no more: one adapter, one
device, one GATT service. Object paths, interfaces and properties as BlueZ documents them
(org.bluez.Adapter, org.bluez.Device, org.bluez.GattCharacteristic).
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.constants import ErrorType

from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from memory_air import MemoryPeripheral

ADAPTER = "/org/bluez/hci0"
DEVICE = f"{ADAPTER}/dev_28_CD_C1_00_4B_2F"
SERVICE = f"{DEVICE}/service0001"
CHARACTERISTICS = {
    layout.BLE_CONTROL_UUID: f"{SERVICE}/char0002",
    layout.BLE_DATA_UUID: f"{SERVICE}/char0005",
    layout.BLE_INFO_UUID: f"{SERVICE}/char0008",
}
ADVERTISE_S = 0.05
# Signals at once, and the pause behind them: dbus-daemon drops a service that floods it.
BURST = 8
PAUSE_S = 0.002
PROPERTIES = "org.freedesktop.DBus.Properties"


class MemoryBlueZ:
    """The service; `powered` is the adapter's switch."""

    def __init__(self, peripheral: MemoryPeripheral, *, powered: bool = True) -> None:
        self.peripheral = peripheral
        self.calls: list[str] = []
        self.write_types: set[str] = set()
        uuids = Variant("as", [layout.BLE_SERVICE_UUID])
        self.objects: dict[str, dict[str, dict[str, Variant]]] = {
            ADAPTER: {
                "org.bluez.Adapter1": {
                    "Address": Variant("s", "00:00:00:00:00:01"),
                    "Powered": Variant("b", powered),
                    "Roles": Variant("as", ["central"]),
                }
            },
            DEVICE: {
                "org.bluez.Device1": {
                    "Adapter": Variant("o", ADAPTER),
                    "Address": Variant("s", peripheral.address),
                    "Alias": Variant("s", peripheral.name or peripheral.address),
                    "Connected": Variant("b", value=False),
                    "Paired": Variant("b", value=False),
                    "ServicesResolved": Variant("b", value=False),
                    "UUIDs": uuids,
                    "ManufacturerData": Variant(
                        "a{qv}",
                        {
                            company: Variant("ay", data)
                            for company, data in peripheral.manufacturer_data.items()
                        },
                    ),
                }
            },
            SERVICE: {
                "org.bluez.GattService1": {
                    "Device": Variant("o", DEVICE),
                    "Primary": Variant("b", value=True),
                    "UUID": Variant("s", layout.BLE_SERVICE_UUID),
                }
            },
        }
        if peripheral.name is not None:
            self.objects[DEVICE]["org.bluez.Device1"]["Name"] = Variant("s", peripheral.name)
        for uuid, path in CHARACTERISTICS.items():
            self.objects[path] = {
                "org.bluez.GattCharacteristic1": {
                    "Flags": Variant("as", list(peripheral.characteristics[uuid])),
                    "MTU": Variant("q", peripheral.mtu),
                    "Notifying": Variant("b", value=False),
                    "Service": Variant("o", SERVICE),
                    "UUID": Variant("s", uuid),
                }
            }
        self._bus: MessageBus | None = None
        self._out: asyncio.Queue[Message] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._methods: dict[str, Callable[[Message], tuple[str, list[Any]]]] = {
            "GetManagedObjects": lambda _: ("a{oa{sa{sv}}}", [self.objects]),
            "SetDiscoveryFilter": lambda _: ("", []),
            "StartDiscovery": self._start_discovery,
            "StopDiscovery": self._stop_discovery,
            "Connect": self._connect,
            "Disconnect": self._disconnect,
            "ReadValue": lambda _: ("ay", [peripheral.read_info()]),
            "WriteValue": self._write,
            "StartNotify": self._start_notify,
        }
        self._discovering = False

    async def serve(self, address: str, ready: threading.Event) -> None:
        """Be `org.bluez` on the bus at `address` until cancelled."""
        self._bus = await MessageBus(bus_address=address).connect()
        self._bus.add_message_handler(self._answer)
        await self._bus.request_name("org.bluez")
        self._tasks = [asyncio.create_task(self._advertise()), asyncio.create_task(self._send())]
        ready.set()
        try:
            await asyncio.gather(*self._tasks)
        finally:
            self._bus.disconnect()

    # --- methods ------------------------------------------------------------------------------

    def _answer(self, message: Message) -> bool:
        """Answer a call behind the signals it caused: that is the order BlueZ keeps."""
        if message.message_type != MessageType.METHOD_CALL or message.path is None:
            return False
        method = self._methods.get(message.member or "")
        self.calls.append(str(message.member))
        try:
            if method is None:
                reply = Message.new_error(message, ErrorType.UNKNOWN_METHOD, str(message.member))
            else:
                reply = Message.new_method_return(message, *method(message))
        except Exception as error:  # noqa: BLE001 - whatever it is, BlueZ says so
            reply = Message.new_error(message, "org.bluez.Error.Failed", str(error))
        self._out.put_nowait(reply)
        return True

    def _start_discovery(self, _: Message) -> tuple[str, list[Any]]:
        self._discovering = True
        return "", []

    def _stop_discovery(self, _: Message) -> tuple[str, list[Any]]:
        self._discovering = False
        return "", []

    def _connect(self, _: Message) -> tuple[str, list[Any]]:
        self.peripheral.connect(lambda: self._connected(state=False))
        self._connected(state=True)
        return "", []

    def _disconnect(self, _: Message) -> tuple[str, list[Any]]:
        self.peripheral.cut()
        return "", []

    def _write(self, message: Message) -> tuple[str, list[Any]]:
        value, options = message.body
        self.write_types.add(options["type"].value)
        self.peripheral.write(bytes(value))
        return "", []

    def _start_notify(self, message: Message) -> tuple[str, list[Any]]:
        path = str(message.path)
        uuid = next(uuid for uuid, known in CHARACTERISTICS.items() if known == path)

        def notify(value: bytearray) -> None:
            self._change(
                path, "org.bluez.GattCharacteristic1", {"Value": Variant("ay", bytes(value))}
            )

        self.peripheral.subscribe(uuid, notify)
        return "", []

    # --- signals ------------------------------------------------------------------------------

    def _connected(self, *, state: bool) -> None:
        changed = {"Connected": Variant("b", state), "ServicesResolved": Variant("b", state)}
        self.objects[DEVICE]["org.bluez.Device1"] |= changed
        self._change(DEVICE, "org.bluez.Device1", changed)

    def _change(self, path: str, interface: str, changed: dict[str, Variant]) -> None:
        body = [interface, changed, []]
        self._out.put_nowait(
            Message.new_signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", body)
        )

    async def _send(self) -> None:
        while True:
            message = await self._out.get()
            assert self._bus is not None
            await self._bus.send(message)
            if not self._out.qsize() % BURST:
                await asyncio.sleep(PAUSE_S)

    async def _advertise(self) -> None:
        """Change RSSI, by which bleak knows that an advertisement came."""
        turn = 0
        while True:
            await asyncio.sleep(ADVERTISE_S)
            if self._discovering and self.peripheral.on_cut is None and self.peripheral.in_range:
                turn += 1
                rssi = Variant("n", self.peripheral.rssi_dbm - turn % 2)
                self._change(DEVICE, "org.bluez.Device1", {"RSSI": rssi})


@contextmanager
def serving(bluez: MemoryBlueZ, address: str) -> Generator[MemoryBlueZ]:
    """Run the service in a thread as long as the block lasts."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    thread = threading.Thread(target=loop.run_forever, name="org.bluez")
    thread.start()
    try:
        future = asyncio.run_coroutine_threadsafe(bluez.serve(address, ready), loop)
        if not ready.wait(10):
            future.cancel()
            future.result(1)
        yield bluez
    finally:
        loop.call_soon_threadsafe(_end, loop)
        thread.join()
        loop.close()


def _end(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    done = asyncio.gather(*tasks, return_exceptions=True)
    done.add_done_callback(lambda _: loop.stop())
