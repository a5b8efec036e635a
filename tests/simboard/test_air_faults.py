"""Every fault of the virtual radio, as both ends see it, and how they go on after it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bleak import BleakClient
from bleak.exc import BleakDeviceNotFoundError, BleakError
from typer.testing import CliRunner

from air_rig import (
    DATA,
    ESP,
    LOG,
    PICO,
    WAIT_S,
    Collector,
    connected,
    find,
    peripheral,
    run,
    shown,
    tell,
)
from dewarlog import cli, sim
from simboard import air, launch
from simboard.air.bleak_backend import AirClient
from simboard.air.errors import AirError
from simboard.errors import AirMissing
from workshop.places import ROOT

if TYPE_CHECKING:
    from conftest import MicroPython
    from simboard.air import Faults

BOARDS = pytest.mark.parametrize("board", [PICO, ESP])


class _Watch:
    """Tells when a client's connection was lost."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def __call__(self, _client: BleakClient) -> None:
        self._event.set()

    async def wait(self) -> None:
        """Wait until it is."""
        async with asyncio.timeout(WAIT_S):
            await self._event.wait()


async def _still_works(hub: str, board: str) -> str:
    """Connect anew; return the last two events the board had before that."""
    async with connected(hub, board) as client:
        return await shown(client, "[s for s in seen if s != 'mtu247'][-3:-1]")


@BOARDS
def test_the_board_ends_the_connection(hub: str, board: str) -> None:
    """The client's callback is called, requests fail with bleak's error, the board is back."""

    async def talk() -> None:
        lost = _Watch()
        async with connected(hub, board, disconnected_callback=lost) as client:
            await tell(client, "bye")
            await lost.wait()
            assert not client.is_connected
            with pytest.raises(BleakError, match="Not connected"):
                await client.read_gatt_char(LOG)
        assert await _still_works(hub, board) == "['connect', 'gone']"

    run(talk())


@BOARDS
def test_the_host_ends_the_connection(hub: str, board: str) -> None:
    """The board hears of it and advertises again."""

    async def talk() -> None:
        async with connected(hub, board):
            pass
        assert await _still_works(hub, board) == "['connect', 'gone']"

    run(talk())


@pytest.mark.parametrize("after", [1, 7, 40])
@BOARDS
def test_a_connection_is_lost_after_so_many_packets_to_the_host(
    hub: str, faults: Faults, board: str, after: int
) -> None:
    """Those packets arrive and none after them."""

    async def talk() -> None:
        lost = _Watch()
        values = Collector()
        async with connected(hub, board, disconnected_callback=lost) as client:
            await client.start_notify(DATA, values)
            faults.lose("host", after + 1)  # the answer to the order is the first
            await tell(client, "burst 100 100")
            await lost.wait()
            assert values.numbers == list(range(after))
        assert await _still_works(hub, board) == "['connect', 'gone']"

    run(talk())


def test_a_connection_is_lost_after_so_many_packets_to_the_board(hub: str, faults: Faults) -> None:
    """The request arrives, its answer does not: the client gets an error, not a hang."""

    async def talk() -> None:
        async with connected(hub, PICO) as client:
            faults.lose("board", 2)
            await tell(client, "show 1")
            with pytest.raises(BleakError):
                await tell(client, "show 2")
        assert await _still_works(hub, PICO) == "['connect', 'gone']"

    run(talk())


def test_a_loss_can_come_again(hub: str, faults: Faults) -> None:
    """`times` connections are lost, each after as many packets."""

    async def talk() -> None:
        faults.lose("host", 3, times=2)
        for _ in range(2):
            with pytest.raises(BleakError):
                async with connected(hub, PICO):
                    pass
        assert await _still_works(hub, PICO) == "['connect', 'gone']"

    run(talk())


def test_out_of_range_both_ends_learn_of_it_after_the_supervision_timeout(
    hub: str, faults: Faults
) -> None:
    """Until then requests hang; then the connection is gone, and it is back with the board."""

    async def talk() -> None:
        lost = _Watch()
        device = await find(hub, PICO)
        async with connected(hub, PICO, disconnected_callback=lost) as client:
            faults.supervision(200)
            faults.leave(client.address)
            began_s = time.monotonic()
            with pytest.raises(BleakError, match="Disconnected"):
                await client.read_gatt_char(LOG)
            await lost.wait()
            assert time.monotonic() - began_s > 0.15
        for board, error in ((client.address, BleakDeviceNotFoundError), (device, TimeoutError)):
            with pytest.raises(error):
                await BleakClient(board, backend=AirClient, air=hub, timeout=0.2).connect()
        faults.come_back()
        assert await _still_works(hub, PICO) == "['connect', 'gone']"

    run(talk())


def test_packets_travel_as_long_as_they_are_told(hub: str, faults: Faults) -> None:
    """There and back is twice the delay."""

    async def talk() -> None:
        async with connected(hub, PICO) as client:
            await client.read_gatt_char(LOG)
            faults.delay(60)
            began_s = time.monotonic()
            await client.read_gatt_char(LOG)
            assert time.monotonic() - began_s > 0.115

    run(talk())


def test_the_board_hears_of_a_new_interval(hub: str, faults: Faults) -> None:
    """In units of 1.25 ms, as MicroPython gives it."""

    async def talk() -> None:
        async with connected(hub, PICO) as client:
            faults.pace(30)
            assert await shown(client, "seen[-1]") == "'interval24'"

    run(talk())


def test_a_power_cut_is_a_silent_connection_to_the_host(
    tmp_path: Path, micropython: MicroPython
) -> None:
    """And the board is on the air again after it boots."""

    async def talk(path: str, board: launch.SimBoard) -> None:
        lost = _Watch()
        async with connected(path, "pico", disconnected_callback=lost) as client:
            address = client.address
            board.cut_power(0.1)
            await lost.wait()
        assert (await find(path, "pico")).address == address
        assert await _still_works(path, "pico") == "[]"

    with air.start() as path, peripheral(tmp_path, path, "btstack", "pico") as board:
        run(talk(path, board))


def test_a_board_that_goes_away_is_lost_and_forgotten(
    tmp_path: Path, micropython: MicroPython
) -> None:
    """Its process ended; the hub tells the host."""

    async def talk(path: str, board: launch.SimBoard) -> None:
        lost = _Watch()
        async with connected(path, "pico", disconnected_callback=lost):
            await asyncio.to_thread(board.stop)
            await lost.wait()

    with air.start() as path, peripheral(tmp_path, path, "btstack", "pico") as board:
        run(talk(path, board))


def test_a_hub_that_ends_is_a_lost_connection_to_both(
    tmp_path: Path, micropython: MicroPython
) -> None:
    """The board goes on without air, and does not spin."""

    async def talk(path: str, hub: contextlib.ExitStack) -> None:
        lost = _Watch()
        async with connected(path, "pico", disconnected_callback=lost):
            await asyncio.to_thread(hub.close)
            await lost.wait()

    with contextlib.ExitStack() as hub:
        path = hub.enter_context(air.start())
        with peripheral(tmp_path, path, "btstack", "pico") as board:
            run(talk(path, hub))
            used_before_s = _processor_s(board)
            time.sleep(0.3)
            assert _processor_s(board) - used_before_s < 0.2
            board.save_image()  # it still obeys


def _processor_s(board: launch.SimBoard) -> float:
    """Return how long a board has computed: proc(5), stat, fields 14 and 15."""
    fields = Path(f"/proc/{board.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_radio_can_be_switched_off_and_on(tmp_path: Path, micropython: MicroPython) -> None:
    """Off, the connection ends and nothing is heard; on again, the firmware starts anew."""

    async def talk(path: str) -> None:
        lost = _Watch()
        async with connected(path, "pico", disconnected_callback=lost) as client:
            with pytest.raises(BleakError):
                await tell(client, "show ble.active(False)")
            await lost.wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await find(path, "pico")

    with air.start() as path, peripheral(tmp_path, path, "btstack", "pico"):
        run(talk(path))


def test_a_board_that_advertised_in_virtual_time_is_on_the_air_when_it_serves(
    tmp_path: Path, micropython: MicroPython
) -> None:
    """What the firmware asked for during the trip holds when real time begins."""

    async def check(path: str) -> None:
        assert await _still_works(path, "esp") == "[]"

    with (
        air.start() as path,
        peripheral(tmp_path, path, "nimble", "esp", real_time=False) as board,
    ):
        board.wait_serving(30)
        run(check(path))


def test_an_order_that_cannot_be_is_refused(hub: str, faults: Faults) -> None:
    """By name, and the hub goes on."""
    with pytest.raises(AirError, match="no connection interval is 8 ms"):
        faults.pace(8)
    with pytest.raises(AirError, match="after 1 packet or more"):
        faults.lose("host", 0)
    with pytest.raises(AirError, match="27 to 251"):
        faults.acl(20)
    assert set(faults.arrived()) == {"host", "board"}


def test_a_socket_left_behind_is_no_obstacle_but_a_living_hub_is(tmp_path: Path) -> None:
    """A killed hub leaves its socket; the next one takes it over."""
    path = Path(air_folder(tmp_path)) / "hub"
    command = [sys.executable, str(ROOT / "tools/simboard/air/hub.py"), "--socket", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        killed.stdout.readline()
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        killed.kill()

    assert (second.returncode, second.stderr) == (2, f"a hub is already at {path}\n")
    assert path.is_socket()
    with air.start(path) as again:
        assert again == str(path)
    assert not path.exists()


def air_folder(tmp_path: Path) -> Path:
    """Return a folder whose name is short enough for a socket's."""
    if len(str(tmp_path)) > 80:
        pytest.skip("the temporary folder's name is too long for a socket")
    return tmp_path


def test_a_board_without_its_hub_is_told_what_to_start(
    tmp_path: Path, micropython: MicroPython
) -> None:
    """Before anything else is done."""
    with pytest.raises(AirMissing, match=r"air/hub\.py --socket"):
        launch.start("calm", air=tmp_path / "nobody")


def test_dewarlog_sim_hands_the_socket_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """`dewarlog sim --air PATH` starts the board with it."""
    taken: list[str] = []

    def run_launcher(arguments: list[str]) -> int:
        taken.extend(arguments)
        return 0

    monkeypatch.setattr(sim, "run", run_launcher)
    result = CliRunner().invoke(cli.app, ["sim", "--real-time", "--air", "some/hub"])

    assert result.exit_code == 0
    assert taken[-2:] == ["--air", "some/hub"]
