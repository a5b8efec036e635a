"""Boards that run a small peripheral of our own on the virtual radio, and clients for them.

The peripheral obeys what is written to its order characteristic, one order a write:

    burst COUNT SIZE   notify so many values of that size on the data characteristic, numbered
    room BYTES         gatts_set_buffer of the control characteristic
    ask                indicate
    bye                gap_disconnect
    show EXPRESSION    evaluate it; its repr is what the log characteristic then holds

`seen` is a list of the events so far, one word each; `refused` counts OSError(12).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from bleak import BleakClient, BleakScanner

from simboard import launch
from simboard.air.bleak_backend import AirClient, AirScanner

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine
    from pathlib import Path

    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

WAIT_S: Final = 10.0
PICO: Final = "dewar-pico"  # BTstack
ESP: Final = "dewar-esp"  # NimBLE
CONTROL: Final = "602e7c8b-a783-40c4-9ab4-ee1a151d1bb3"
DATA: Final = "602e7c8c-a783-40c4-9ab4-ee1a151d1bb3"
LOG: Final = "602e7c8d-a783-40c4-9ab4-ee1a151d1bb3"
ORDERS: Final = "602e7c8e-a783-40c4-9ab4-ee1a151d1bb3"
SERVICE: Final = "602e7c8a-a783-40c4-9ab4-ee1a151d1bb3"
# 31 bytes: flags, the service's UUID, manufacturer data of a company and six bytes.
ADVERT: Final = bytes.fromhex("020106 1107 b31b1d151aeeb49ac44083a78a7c2e60 09ffffff 010203040506")

_PERIPHERAL: Final = """
import bluetooth, gc, machine, time

NAME = %r
ADVERT = %r
ble = bluetooth.BLE()
ble.active(True)
ble.config(mtu=247)
uuids = [bluetooth.UUID("602e7c8%%s-a783-40c4-9ab4-ee1a151d1bb3" %% c) for c in "abcde"]
BOTH = bluetooth.FLAG_WRITE | bluetooth.FLAG_WRITE_NO_RESPONSE
((control, data, log, order),) = ble.gatts_register_services(((uuids[0], (
    (uuids[1], BOTH | bluetooth.FLAG_INDICATE | bluetooth.FLAG_READ),
    (uuids[2], bluetooth.FLAG_NOTIFY),
    (uuids[3], bluetooth.FLAG_READ),
    (uuids[4], bluetooth.FLAG_WRITE),
)),))
ble.gatts_set_buffer(order, 244)
connection = -1
orders = []
seen = []
kept = None
refused = 0

def advertise(connectable=True):
    ble.gap_advertise(20000, ADVERT, resp_data=bytes((len(NAME) + 1, 9)) + NAME,
        connectable=connectable)

def on_event(event, values):
    global connection, kept
    if event == 1:
        connection = values[0]
        kept = values[2]
        seen.append("connect")
    elif event == 2:
        connection = -1
        seen.append("gone")
        advertise()
    elif event == 3 and values[1] == order:
        words = ble.gatts_read(order).split()
        if words[0] == b"show":
            ble.gatts_write(log, repr(eval(b" ".join(words[1:]))).encode())
        else:
            orders.append(words)
    elif event == 20:
        seen.append("confirmed%%d" %% values[2])
    elif event == 21:
        seen.append("mtu%%d" %% values[1])
    elif event == 27:
        seen.append("interval%%d" %% values[1])

def burst(count, size):
    global refused
    value = bytearray(size)
    value[-1] = 0x55
    for number in range(count):
        value[0] = number & 0xFF
        value[1] = number >> 8
        while connection >= 0:
            try:
                ble.gatts_notify(connection, data, value)
                break
            except OSError as error:
                if error.errno != 12:
                    return
                refused += 1
                time.sleep_ms(1)

def obey(words):
    if words[0] == b"burst":
        burst(int(words[1]), int(words[2]))
    elif words[0] == b"room":
        ble.gatts_set_buffer(control, int(words[1]))
    elif words[0] == b"ask":
        ble.gatts_indicate(connection, control, b"?")
    elif words[0] == b"bye":
        ble.gap_disconnect(connection)

ble.irq(on_event)
advertise()
while True:
    machine.idle()
    while orders:
        obey(orders.pop(0))
"""
_SCENARIO: Final = """
title = "Air"
begins = 2026-03-02T08:00:00Z
length = "1 h"
[board]
radio = "{radio}"
[[probe]]
channel = 0
"""


def scenario(folder: Path, radio: str) -> Path:
    """Write the scenario of a board with that radio; return its file."""
    file = folder / f"{radio}.toml"
    file.write_text(_SCENARIO.format(radio=radio))
    return file


def peripheral(
    folder: Path, air: str, radio: str, name: str, *, real_time: bool = True
) -> launch.SimBoard:
    """Start a board that runs the peripheral, from the beginning or when a trip is over."""
    main = _PERIPHERAL % (name.encode(), ADVERT)
    file = scenario(folder, radio)
    return launch.start(file, real_time=real_time, serve=not real_time, main=main, air=air)


async def find(air: str, name: str) -> BLEDevice:
    """Scan until a board is seen."""
    # bleak hands `air` on to the backend, but its types do not say so.
    options: dict[str, Any] = {"air": air}
    device = await BleakScanner.find_device_by_name(
        name, timeout=WAIT_S, backend=AirScanner, **options
    )
    assert device is not None
    return device


async def seen_advertisement(air: str, name: str, **options: Any) -> AdvertisementData:  # noqa: ANN401
    """Scan until a board is seen; return what it said."""
    scanner = BleakScanner(backend=AirScanner, air=air, **options)
    async with scanner, asyncio.timeout(WAIT_S):
        async for _, data in scanner.advertisement_data():
            if data.local_name == name:
                return data
    raise AssertionError


@contextlib.asynccontextmanager
async def connected(air: str, name: str, **options: Any) -> AsyncGenerator[BleakClient]:  # noqa: ANN401
    """Connect to a board by name."""
    device = await find(air, name)
    options = {"timeout": WAIT_S, **options}
    async with BleakClient(device, backend=AirClient, air=air, **options) as client:
        yield client


async def tell(client: BleakClient, order: str) -> None:
    """Give the peripheral an order of any length."""
    await client.write_gatt_char(ORDERS, order.encode(), response=True)


async def shown(client: BleakClient, expression: str) -> str:
    """Have the peripheral evaluate an expression; return the repr."""
    await tell(client, f"show {expression}")
    return (await client.read_gatt_char(LOG)).decode()


class Collector:
    """Takes notifications, numbered from 0 by their first two bytes."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self._changed = asyncio.Event()

    def __call__(self, _sender: object, value: bytearray) -> None:
        """Take one: what bleak calls."""
        self.values.append(bytes(value))
        self._changed.set()

    @property
    def numbers(self) -> list[int]:
        """The numbers in the order they came."""
        return [value[0] | value[1] << 8 for value in self.values]

    async def wait(self, count: int) -> None:
        """Wait until so many have come."""
        async with asyncio.timeout(WAIT_S):
            while len(self.values) < count:
                self._changed.clear()
                await self._changed.wait()


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine."""
    asyncio.run(work)
