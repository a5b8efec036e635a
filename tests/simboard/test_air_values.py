"""Values over the virtual radio: MTU, writes, reads, notifications, as MicroPython has them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from bleak.exc import BleakError, BleakGATTProtocolError

from air_rig import (
    CONTROL,
    DATA,
    ESP,
    LOG,
    ORDERS,
    PICO,
    SERVICE,
    Collector,
    connected,
    run,
    shown,
    tell,
)

if TYPE_CHECKING:
    from bleak import BleakClient

BOARDS = pytest.mark.parametrize("board", [PICO, ESP])


async def _control(client: BleakClient) -> bytes:
    await asyncio.sleep(0.05)
    return bytes(await client.read_gatt_char(CONTROL))


@pytest.mark.parametrize("mtu", [23, 65, 185, 247])
def test_the_mtu_is_what_the_host_asked_for(hub: str, mtu: int) -> None:
    """Notifications and writes without response then hold 3 bytes less."""

    async def talk() -> None:
        values = Collector()
        async with connected(hub, PICO, mtu=mtu) as client:
            control = client.services.get_characteristic(CONTROL)
            await client.start_notify(DATA, values)
            await tell(client, "burst 1 244")
            await values.wait(1)

            assert client.mtu_size == mtu
            assert control is not None
            assert control.max_write_without_response_size == mtu - 3
            assert len(values.values[0]) == mtu - 3

    run(talk())


def test_the_board_limits_the_mtu(hub: str) -> None:
    """config(mtu=247) holds against a host that would take 512, and the board hears of it."""

    async def talk() -> None:
        async with connected(hub, PICO, mtu=512) as client:
            assert client.mtu_size == 247
            assert await shown(client, "seen[-1]") == "'mtu247'"

    run(talk())


def test_without_an_exchange_the_mtu_is_23_and_the_board_hears_nothing(hub: str) -> None:
    """There is no event for an MTU that nobody asked for."""

    async def talk() -> None:
        async with connected(hub, PICO, mtu=23) as client:
            assert await shown(client, "seen[-1]") == "'connect'"

    run(talk())


@BOARDS
@pytest.mark.parametrize("response", [True, False])
def test_a_write_keeps_20_bytes_until_it_is_given_room(
    hub: str, board: str, response: bool
) -> None:
    """The rest is dropped without a word, whichever kind of write it was."""

    async def talk() -> None:
        async with connected(hub, board) as client:
            await tell(client, "room 20")
            await client.write_gatt_char(CONTROL, bytes(range(100, 144)), response=response)
            assert await _control(client) == bytes(range(100, 120))

            await tell(client, "room 244")
            await asyncio.sleep(0.05)
            await client.write_gatt_char(CONTROL, bytes(range(244)), response=response)
            assert await _control(client) == bytes(range(244))

    run(talk())


def test_a_value_longer_than_the_mtu_is_read_whole(hub: str) -> None:
    """By reading on from an offset."""

    async def talk() -> None:
        async with connected(hub, PICO, mtu=23) as client:
            assert await shown(client, "90*'x'") == repr(90 * "x")

    run(talk())


def test_a_write_without_response_beyond_the_mtu_never_leaves_the_host(hub: str) -> None:
    """As on every real system."""

    async def talk() -> None:
        async with connected(hub, PICO, mtu=65) as client:
            with pytest.raises(BleakError, match="longer than"):
                await client.write_gatt_char(CONTROL, bytes(63), response=False)

    run(talk())


def test_what_a_characteristic_does_not_allow_is_refused_by_the_board(hub: str) -> None:
    """With the code of the attribute protocol: 3, write not permitted; 2, read not permitted."""

    async def talk() -> None:
        async with connected(hub, PICO) as client:
            with pytest.raises(BleakGATTProtocolError) as write:
                await client.write_gatt_char(LOG, b"x", response=True)
            with pytest.raises(BleakGATTProtocolError) as read:
                await client.read_gatt_char(DATA)

            assert (write.value.code, read.value.code) == (3, 2)

    run(talk())


def test_services_are_found_with_their_properties(hub: str) -> None:
    """The board's own and the two that every board has."""

    async def talk() -> None:
        async with connected(hub, PICO) as client:
            found = {service.uuid: service for service in client.services}
            properties = {c.uuid: c.properties for c in found[SERVICE].characteristics}

            assert [uuid[4:8] for uuid in found] == ["1800", "1801", SERVICE[4:8]]
            assert properties == {
                CONTROL: ["read", "write-without-response", "write", "indicate"],
                DATA: ["notify"],
                LOG: ["read"],
                ORDERS: ["write"],
            }

    run(talk())


@BOARDS
def test_an_indication_is_confirmed(hub: str, board: str) -> None:
    """The board hears that the host has taken it."""

    async def talk() -> None:
        values = Collector()
        async with connected(hub, board) as client:
            await client.start_notify(CONTROL, values)
            await tell(client, "ask")
            await values.wait(1)

            assert values.values == [b"?"]
            assert await shown(client, "seen[-1]") == "'confirmed0'"

    run(talk())


def test_after_unsubscribing_nothing_is_handed_on(hub: str) -> None:
    """The board goes on notifying: MicroPython does not ask who has subscribed."""

    async def talk() -> None:
        values = Collector()
        async with connected(hub, PICO) as client:
            await client.start_notify(DATA, values)
            await tell(client, "burst 2 9")
            await values.wait(2)
            await client.stop_notify(DATA)
            before = await shown(client, "1")
            await tell(client, "burst 3 9")
            await asyncio.sleep(0.05)

            assert (before, len(values.values)) == ("1", 2)

    run(talk())


def test_event_data_is_gone_when_the_handler_has_returned(hub: str) -> None:
    """A memoryview that the firmware kept reads something else."""

    async def talk() -> None:
        async with connected(hub, PICO) as client:
            assert await shown(client, "bytes(kept)") == repr(b"\xee" * 6)

    run(talk())
