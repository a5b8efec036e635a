"""What a scan on the virtual radio sees of boards."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from bleak import BleakScanner
from bleak.exc import BleakBluetoothNotAvailableError

from air_rig import ADVERT, ESP, PICO, SERVICE, WAIT_S, connected, find, run, seen_advertisement
from simboard.air.bleak_backend import AirScanner

if TYPE_CHECKING:
    from pathlib import Path

    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

    from simboard.air import Faults

_MISSED_S = 0.25  # a dozen advertising intervals


async def _hears_only(hub: str, *names: str | None, **options: Any) -> None:  # noqa: ANN401
    """Assert that a scan sees these names, and in a dozen advertising intervals no other."""
    seen: set[str | None] = set()
    heard = asyncio.Event()

    def on_advertisement(_device: BLEDevice, data: AdvertisementData) -> None:
        seen.add(data.local_name)
        if seen.issuperset(names):
            heard.set()

    async with BleakScanner(on_advertisement, backend=AirScanner, air=hub, **options):
        await asyncio.sleep(_MISSED_S)
        if names:
            async with asyncio.timeout(WAIT_S):
                await heard.wait()
    assert seen == set(names)


def test_an_advertisement_arrives_as_the_board_made_it(hub: str) -> None:
    """All 31 bytes, then the scan response with the name."""

    async def scan() -> None:
        data = await seen_advertisement(hub, PICO)

        _, raw = data.platform_data
        assert raw[:31] == ADVERT
        assert len(ADVERT) == 31
        assert data.local_name == PICO
        assert data.service_uuids == [SERVICE]
        assert data.manufacturer_data == {0xFFFF: bytes(range(1, 7))}

    run(scan())


def test_a_passive_scan_sees_no_name(hub: str) -> None:
    """The name is in the scan response, which a passive scanner does not ask for."""

    async def scan() -> None:
        await _hears_only(hub, None, scanning_mode="passive")

    run(scan())


def test_boards_are_on_the_air_at_once(hub: str) -> None:
    """Each has an address of its own, random and static."""

    async def scan() -> None:
        pico, esp = await asyncio.gather(find(hub, PICO), find(hub, ESP))

        assert pico.address != esp.address
        assert int(pico.address[:2], 16) >> 6 == 3

    run(scan())


def test_a_scan_takes_only_the_services_asked_for(hub: str) -> None:
    """As a scanner of a real system filters."""

    async def scan() -> None:
        await _hears_only(hub, PICO, ESP, service_uuids=[SERVICE])
        await _hears_only(hub, service_uuids=[SERVICE.replace("602e", "602f")])

    run(scan())


def test_signal_strength_is_what_the_air_says(hub: str, faults: Faults) -> None:
    """One board can be told to be weak."""

    async def scan() -> None:
        pico = await find(hub, PICO)
        faults.rssi(-91, pico.address)

        assert (await seen_advertisement(hub, PICO)).rssi == -91
        assert (await seen_advertisement(hub, ESP)).rssi == -50

    run(scan())


def test_a_board_out_of_range_is_not_seen_until_it_comes_back(hub: str, faults: Faults) -> None:
    """Its advertisements reach nobody; the other board's do."""

    async def scan() -> None:
        pico = await find(hub, PICO)
        faults.leave(pico.address)
        await _hears_only(hub, ESP)
        faults.leave()
        await _hears_only(hub)
        faults.come_back()
        await _hears_only(hub, PICO, ESP)

    run(scan())


def test_a_connected_board_does_not_advertise(hub: str) -> None:
    """One connection; it is seen again when the connection is over."""

    async def scan() -> None:
        async with connected(hub, PICO):
            await _hears_only(hub, ESP)
        await _hears_only(hub, PICO, ESP)

    run(scan())


def test_without_a_hub_bluetooth_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error bleak has for a computer without Bluetooth."""
    monkeypatch.delenv("DEWARLOG_AIR", raising=False)

    async def scan() -> None:
        with pytest.raises(BleakBluetoothNotAvailableError, match="no virtual radio at"):
            await _hears_only(str(tmp_path / "nothing"))
        with pytest.raises(BleakBluetoothNotAvailableError, match="names no virtual radio"):
            await BleakScanner.discover(backend=AirScanner)

    run(scan())
