"""A handoff by radio: the logger chosen, lost and found again, the same code as by cable."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from dewarlog import cli, journey
from dewarlog.checks.review import review_log
from dewarlog.cli import door as cli_door
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

    from typer.testing import Result

    from dewarlog.checks.review import Review

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
        found.device.guard(DEVICE_ID),
        random.Random(4).randbytes,
        body_max=layout.BLE_BODY_MAX_BYTES,
    )
    return found


def command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    on_air: list[MemoryPeripheral],
    *arguments: str,
    paired: bool = True,
) -> Result:
    """Run one command with these on the air."""
    monkeypatch.setattr(radio, "backends", MemoryAir(on_air).backends)
    keys = KeyStore(tmp_path / "keys")
    if paired:
        keys.keep(BoardKeys(DEVICE_ID, proof.derived_key(DEVICE_KEY, layout.KEY_COURIER)))
    return CliRunner().invoke(cli.app, [*arguments, "--keys", str(keys.root)])


def run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *on_air: MemoryPeripheral,
    paired: bool = True,
) -> tuple[int, str]:
    """Hand over to whoever is on the air; return the exit code and all that was said."""
    arguments = ("handoff", *NAMES, "--archive", str(tmp_path / "archive"))
    result = command(tmp_path, monkeypatch, list(on_air), *arguments, paired=paired)
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


NOT_SET = (
    "the logger's clock was not set: over the air this takes a proof by the courier or admin key"
)


def test_with_the_key_the_clock_is_set_by_radio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by cable."""
    one = dewar()

    _, output = run(tmp_path, monkeypatch, one)

    assert one.device.time_set is not None
    assert "clock was not set" not in output


def test_without_a_key_a_handoff_by_radio_goes_on_and_notes_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words, and as data."""
    one = dewar()
    code, output = run(tmp_path, monkeypatch, one, paired=False)
    arguments = ("handoff", *NAMES, "--archive", str(tmp_path / "archive"), "--json")
    as_data = command(tmp_path, monkeypatch, [one], *arguments, paired=False)

    assert (code, as_data.exit_code) == (ExitCode.USE, ExitCode.USE)
    assert f"note: {NOT_SET}" in output
    assert json.loads(as_data.stdout)["clock_not_set"] == NOT_SET
    assert one.device.time_set is None


@pytest.mark.parametrize("paired", [False, True])
def test_a_pull_by_radio_notes_a_clock_that_was_not_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, paired: bool
) -> None:
    """It ends well with and without a key."""
    one = dewar()
    pull = ("pull", "ble:dewarlog-0708", "--archive", str(tmp_path / "archive"))

    said = command(tmp_path, monkeypatch, [one], *pull, paired=paired)
    data = command(tmp_path, monkeypatch, [one], *pull, "--json", paired=paired)

    assert (said.exit_code, data.exit_code) == (ExitCode.USE, ExitCode.USE)
    assert (f"note: {NOT_SET}" in " ".join(said.output.split())) is not paired
    assert json.loads(data.stdout)["clock_not_set"] == (None if paired else NOT_SET)
    assert (one.device.time_set is not None) is paired


@pytest.mark.parametrize("paired", [False, True])
def test_flight_mode_by_radio_takes_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, paired: bool
) -> None:
    """Without it, the sentence says how to get one."""
    one = dewar()

    done = command(tmp_path, monkeypatch, [one], "radio", "ble:0708", "off", paired=paired)

    output = " ".join(done.output.split())
    assert done.exit_code == (ExitCode.USE if paired else ExitCode.DEVICE)
    assert one.device.radio_told == ((0, 0) if paired else None)
    assert ("Pair first, by its USB cable: `dewarlog pair usb:PORT`" in output) is not paired


def test_a_logger_that_parts_while_its_log_is_checked_is_joined_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow computer says nothing for longer than a logger waits."""
    one = dewar()

    def slow(path: Path) -> Review:
        one.cut()
        return review_log(path)

    monkeypatch.setattr(journey, "review_log", slow)

    code, output = run(tmp_path, monkeypatch, one)

    assert code == ExitCode.USE
    assert "the archive holds the record" in output
    assert one.connections == 2


def test_nothing_is_connected_to_before_the_names_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person types slowly, and a logger has one connection."""
    one = dewar()
    asked: list[int] = []
    monkeypatch.setattr(cli_door, "_is_terminal", lambda: True)

    def answer(_question: str, **_: object) -> str:
        asked.append(one.connections)
        return "courier"

    monkeypatch.setattr("typer.prompt", answer)
    arguments = ("handoff", "ble:0708", "--archive", str(tmp_path / "archive"))

    done = command(tmp_path, monkeypatch, [one], *arguments)

    assert (done.exit_code, asked) == (ExitCode.USE, [0, 0, 0, 0])


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
