"""A handoff by radio: the logger chosen, lost and found again, the same code as by cable."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from dewarlog import cli, cli_door
from dewarlog.errors import ExitCode
from dewarlog.keys import BoardKeys, KeyStore
from dewarlog.link import radio
from dewarlog.receipt import HeldLog, read_receipt
from dewarlog_firmware.server import Server
from dewarlog_wire import layout, proof
from door_board import DEVICE_ID, DEVICE_KEY, DoorDevice, GrowingStore
from memory_air import Cut, MemoryAir, MemoryPeripheral

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

NAMES = ("--giver", "A", "--receiver", "B", "--role", "courier", "--place", "C")


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Listen briefly, spare the disk, and end the radio's thread after each test."""
    monkeypatch.setattr("os.fsync", lambda handle: None)
    monkeypatch.setattr(cli_door, "LISTEN_S", 0.3)
    yield
    radio.end()


def dewar(address: str = "C0:00:00:00:00:01", name: str = "dewarlog-0708") -> MemoryPeripheral:
    """Return a logger that records, on the air."""
    store = GrowingStore()
    found = MemoryPeripheral(address=address, name=name, device_id=DEVICE_ID)
    found.device = DoorDevice(store, DEVICE_ID, DEVICE_KEY)
    found.server = Server(
        store,  # type: ignore[arg-type]
        found.device,
        DEVICE_ID,
        random.Random(4).randbytes,
        body_max=layout.BLE_BODY_MAX_BYTES,
    )
    return found


def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *on_air: MemoryPeripheral
) -> tuple[int, str]:
    """Hand over to whoever is on the air; return the exit code and all that was said."""
    monkeypatch.setattr(radio, "backends", MemoryAir(list(on_air)).backends)
    keys = KeyStore(tmp_path / "keys")
    keys.keep(BoardKeys(DEVICE_ID, proof.derived_key(DEVICE_KEY, layout.KEY_COURIER)))
    places = ("--archive", str(tmp_path / "archive"), "--keys", str(keys.root))
    result = CliRunner().invoke(cli.app, ["handoff", *NAMES, *places])
    return result.exit_code, " ".join(result.output.split())


def test_the_only_dewar_on_the_air_is_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found, proven, synced, checked, recorded: by radio as by cable."""
    code, output = run(tmp_path, monkeypatch, dewar())

    assert code == ExitCode.USE
    assert "connecting to ble:dewarlog-0708" in output
    assert "the archive holds the record" in output
    (log,) = tmp_path.rglob("*.dwl")
    (receipt,) = tmp_path.rglob("*.handoff-*.json")
    assert len(HeldLog.read(log).handoffs) == 1
    assert read_receipt(receipt).proven is True


def test_two_dewars_on_the_air_are_not_chosen_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is named as a command takes it; nothing is connected to."""
    one, other = dewar(), dewar("C0:00:00:00:00:02", "dewarlog-0910")

    code, output = run(tmp_path, monkeypatch, one, other)

    assert code == ExitCode.USAGE
    assert "ble:dewarlog-0708, ble:dewarlog-0910" in output
    assert one.connections == other.connections == 0


def test_no_dewar_on_the_air_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what can be done about it."""
    code, output = run(tmp_path, monkeypatch)

    assert (code, "No logger is on the air here" in output) == (ExitCode.DEVICE, True)


def test_a_link_lost_on_the_way_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it is lost but at the record itself; and the logger proves itself anew."""
    plain = dewar()
    run(tmp_path / "plain", monkeypatch, plain)
    ends: list[tuple[int, int, bool]] = []

    for frame in range(2, plain.sent_out, 5):
        lost = dewar()
        cut_at = frame

        def fault(
            direction: str,
            index: int,
            value: bytes,
            lost: MemoryPeripheral = lost,
            at: int = cut_at,
        ) -> bytes:
            if direction == "out" and index == at and lost.connections == 1:
                raise Cut
            return value

        lost.fault = fault
        code, output = run(tmp_path / str(frame), monkeypatch, lost)
        ends.append((frame, code, "the archive holds the record" in output))

    uncertain = [frame for frame, code, _ in ends if code == ExitCode.DEVICE]
    assert len(uncertain) <= 1
    assert [end for end in ends if end[0] not in uncertain and end[1:] != (0, True)] == []


def test_a_logger_out_of_range_at_the_record_leaves_it_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not asked a second time: nobody knows whether it had recorded the first."""
    lost = dewar()

    def fault(direction: str, index: int, value: bytes) -> bytes:
        if lost.device.handoffs and direction == "out" and lost.connections == 1:
            raise Cut
        return value

    lost.fault = fault

    code, output = run(tmp_path, monkeypatch, lost)

    assert code == ExitCode.DEVICE
    assert "It is not known whether the handoff stands in its log" in output
    assert len(lost.device.handoffs) == 1
    assert list(tmp_path.rglob("*.handoff-*.json")) == []
