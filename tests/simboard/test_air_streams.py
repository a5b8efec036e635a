"""Many notifications over the virtual radio: none lost, and what each stack does with too many."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from air_rig import DATA, ESP, PICO, Collector, connected, peripheral, run, shown, tell
from simboard import air

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import MicroPython
    from simboard.air import Faults


async def _burst(hub: str, board: str, count: int, interval_ms: float = 0) -> Collector:
    """Have a board send values of 244 bytes, 8 an interval; return what came."""
    values = Collector()
    async with connected(hub, board) as client:
        await client.start_notify(DATA, values)
        air.Faults(hub).pace(interval_ms, 8)
        await tell(client, f"burst {count} 244")
        await values.wait(count)
        air.Faults(hub).pace(0)
        return values


@pytest.mark.parametrize("board", [PICO, ESP])
def test_2000_notifications_arrive_whole_and_in_order(hub: str, board: str) -> None:
    """With NimBLE because the board tries again, with BTstack because it forgets nothing."""

    async def talk() -> None:
        values = await _burst(hub, board, 2000)

        assert values.numbers == list(range(2000))
        assert {(len(value), value[-1]) for value in values.values} == {(244, 0x55)}

    run(talk())


def test_btstack_takes_any_number_and_keeps_them_on_the_heap(hub: str, faults: Faults) -> None:
    """No error ever; the heap grows by more than the values themselves until they are sent."""

    async def talk() -> None:
        values = Collector()
        async with connected(hub, PICO) as client:
            await client.start_notify(DATA, values)
            before = int(await shown(client, "(gc.collect(), gc.mem_alloc())[1]"))
            faults.pace(50, 1)
            await tell(client, "burst 300 244")
            grown = int(await shown(client, "(gc.collect(), gc.mem_alloc())[1]")) - before
            faults.pace(0)
            await values.wait(300)

            assert grown > 250 * 244
            assert await shown(client, "refused") == "0"
            assert values.numbers == list(range(300))

    run(talk())


def test_nimble_refuses_what_has_no_buffer(hub: str, faults: Faults) -> None:
    """OSError(12), again and again until there is room; the same value then goes through."""

    async def talk() -> None:
        values = Collector()
        faults.pace(7.5, 4)
        async with connected(hub, ESP) as client:
            before = int(await shown(client, "refused"))
            await client.start_notify(DATA, values)
            await tell(client, "burst 60 244")
            await values.wait(60)

            assert int(await shown(client, "refused")) > before
            assert values.numbers == list(range(60))

    run(talk())


def test_the_report_tells_how_much_was_queued_and_refused(
    tmp_path: Path, micropython: MicroPython
) -> None:
    """In bytes as BTstack's heap would hold them, 319 for a value of 244 and its 3-byte head."""
    reports: list[dict[str, object]] = []
    with air.start() as path:
        for radio in ("btstack", "nimble"):
            with peripheral(tmp_path, path, radio, radio) as board:

                async def talk(name: str = radio) -> None:
                    await _burst(path, name, 40, 50)

                run(talk())
                board.stop()
                reports.append(board.report)

    pico, esp = reports
    assert pico["radio_values_sent"] == esp["radio_values_sent"] == 40
    assert pico["radio_values_refused"] == 0
    assert pico["radio_queue_max_bytes"] == pytest.approx(32 * 322, rel=0.25)
    assert esp["radio_queue_max_bytes"] == 0
    assert esp["radio_values_refused"] != 0


@pytest.mark.parametrize(
    ("interval_ms", "packets", "mtu"), [(7.5, 6, 247), (15, 4, 185), (50, 6, 65)]
)
def test_a_paced_link_moves_what_its_interval_allows(
    hub: str, faults: Faults, interval_ms: float, packets: int, mtu: int
) -> None:
    """No more than so many packets an interval, and on a free machine hardly less."""

    async def talk() -> None:
        values = Collector()
        async with connected(hub, PICO, mtu=mtu) as client:
            await client.start_notify(DATA, values)
            faults.pace(interval_ms, packets)
            await tell(client, f"burst {20 * packets} 244")
            await values.wait(1)
            began_s = time.monotonic()
            await values.wait(20 * packets)
            took_s = time.monotonic() - began_s

        assert {len(value) for value in values.values} == {mtu - 3}
        # 19 intervals lie between the first event and the last.
        assert 18 * interval_ms < took_s * 1000 < 40 * interval_ms

    run(talk())


def test_a_27_byte_link_cuts_and_joins_every_value(
    tmp_path: Path, micropython: MicroPython
) -> None:
    """Ten packets for one value of 244 bytes, both ways, and nothing is lost."""

    async def talk(path: str) -> None:
        values = Collector()
        async with connected(path, "esp") as client:
            await client.start_notify(DATA, values)
            before = air.Faults(path).arrived()
            await tell(client, "burst 100 244".ljust(200))
            await values.wait(100)
            after = air.Faults(path).arrived()

        assert values.numbers == list(range(100))
        assert after["host"] - before["host"] == 100 * 10 + 1  # and the answer to the write
        assert after["board"] - before["board"] == 8  # 200 bytes and the heads, 3 and 4

    with (
        air.start(acl_bytes=27) as path,
        peripheral(tmp_path, path, "nimble", "esp"),
    ):
        run(talk(path))
