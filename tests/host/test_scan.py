"""`dewarlog scan`: who is on the air and how they are, in words, as data and as a live table."""

from __future__ import annotations

import io
import json
import struct
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Protocol

import pytest
from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason
from rich.console import Console
from serial.tools import list_ports
from typer.testing import CliRunner

from dewarlog import cli, scan
from dewarlog.errors import ExitCode
from dewarlog.link import radio
from dewarlog.link.advert import Advert, Heard
from dewarlog.link.ports import SerialPort
from dewarlog_wire import layout
from memory_air import ADDRESS, MemoryAir, MemoryPeripheral

if TYPE_CHECKING:
    from collections.abc import Generator

RECORDING = layout.STATUS_RECORDING
COLD = -190 * layout.TEMPERATURE_PER_DEGC
HOSTILE = "\x1b[2Jdewar\u202e[red]x[/]\n"


class _Result(Protocol):
    """What typer's runner gives back."""

    @property
    def exit_code(self) -> int: ...
    @property
    def output(self) -> str: ...
    @property
    def stdout(self) -> str: ...


def _run(*arguments: str) -> _Result:
    return CliRunner().invoke(cli.app, ["scan", *arguments])


def on_air(monkeypatch: pytest.MonkeyPatch, *peripherals: MemoryPeripheral) -> MemoryAir:
    """Put these on the air that `scan` listens to."""
    air = MemoryAir(list(peripherals))
    monkeypatch.setattr(radio, "backends", air.backends)
    return air


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Give the machine one likely port and one other; end the radio's thread after each test."""
    found = [
        SimpleNamespace(device="/dev/ttyS0", vid=None, description="n/a", serial_number=None),
        SimpleNamespace(device="/dev/ttyACM1", vid=0x2E8A, description="Pico", serial_number="E6"),
    ]
    monkeypatch.setattr(list_ports, "comports", lambda: found)
    yield
    radio.end()


def heard(
    state: int = RECORDING, reading: int = COLD, name: str | None = "dewarlog-4b2f"
) -> Heard:
    """Return a dewar heard at time 0."""
    return Heard(ADDRESS, name, Advert(state, 12, reading), -60, 0.0)


# --- one line ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("state", "words"),
    [
        (RECORDING, "recording"),
        (0, "not recording"),
        (RECORDING | layout.STATUS_EXCURSION, "EXCURSION"),
        (RECORDING | layout.STATUS_HELD, "HOLD"),
        (RECORDING | layout.STATUS_WARNING, "warning"),
        (RECORDING | layout.STATUS_FAULT, "FAULT"),
        (RECORDING | layout.STATUS_CLOCK_UNSET, "clock not set"),
        (RECORDING | layout.STATUS_LOW_SUPPLY, "supply low"),
        (layout.STATUS_MEMORY_FULL, "memory full, not recording"),
        (
            RECORDING | layout.STATUS_CLOCK_UNSET | layout.STATUS_EXCURSION,
            "EXCURSION, clock not set",
        ),
    ],
)
def test_a_state_is_said_in_words_the_worst_first(state: int, words: str) -> None:
    """Never by colour alone."""
    assert scan.rows([heard(state)], 1.0)[0][1] == words


def test_a_row_says_all_that_is_known_before_connecting() -> None:
    """Name, state, temperature, battery, backlog, signal."""
    assert scan.rows([heard()], 1.0) == [
        (
            "ble:dewarlog-4b2f",
            "recording",
            "\u2212190.0 \u00b0C",
            "ok",
            "12 KiB",
            "|||. -60 dBm",
        )
    ]


def test_a_probe_that_gives_no_temperature_says_why() -> None:
    """A word of the log's, not a blank."""
    row = scan.rows([heard(reading=layout.state_code(layout.STATE_OPEN))], 1.0)[0]

    assert row[2] == "open"


def test_a_low_battery_stands_in_its_column() -> None:
    """In capitals: it decides what to do next."""
    assert scan.rows([heard(RECORDING | layout.STATUS_LOW_SUPPLY)], 1.0)[0][3] == "LOW"


def test_what_is_not_understood_is_shown_as_that() -> None:
    """A newer board, or a stranger: it is there, and nothing is guessed."""
    one = Heard(ADDRESS, None, None, -90, 0.0)

    assert scan.rows([one], 1.0) == [
        (f"ble:{ADDRESS}", "not understood", "-", "-", "-", ".... -90 dBm")
    ]


def test_a_dewar_that_fell_silent_keeps_its_line_and_says_so() -> None:
    """What it said last must not look like now."""
    row = scan.rows([heard()], scan.STALE_S + 3)[0]

    assert row[1] == "silent for 13 s"
    assert row[5] == "-"


def test_two_of_one_name_are_called_by_their_addresses() -> None:
    """So that what stands in the table can be typed."""
    twin = Heard("11:22:33:44:55:66", "DEWARLOG-4B2F", None, -70, 0.0)

    assert [row[0] for row in scan.rows([heard(), twin], 1.0)] == [
        "ble:11:22:33:44:55:66 (DEWARLOG-4B2F)",
        f"ble:{ADDRESS} (dewarlog-4b2f)",
    ]
    assert {one["device"] for one in scan.as_data([heard(), twin], 1.0)} == {
        f"ble:{ADDRESS}",
        "ble:11:22:33:44:55:66",
    }


@pytest.mark.parametrize(
    ("rssi_dbm", "bars"),
    [(-40, "||||"), (-66, "|||."), (-75, "||.."), (-88, "|..."), (-99, "....")],
)
def test_signal_bars_grow_with_the_signal(rssi_dbm: int, bars: str) -> None:
    """Four of them, and the number."""
    assert scan.signal(rssi_dbm) == f"{bars} {rssi_dbm} dBm"


# --- the command ---------------------------------------------------------------------------------
def test_scan_lists_dewars_and_then_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """A board's port stands before others, with its vendor's name."""
    on_air(monkeypatch, MemoryPeripheral())

    lines = _run("--seconds", "0.2").stdout.splitlines()

    assert lines[0].split() == ["Dewar", "State", "Temperature", "Battery", "To", "pull", "Signal"]
    assert lines[1].startswith("ble:dewarlog-4b2f  recording")
    assert lines[2].startswith("HOLD: a limit was passed on this trip")
    assert [line.split()[0] for line in lines[4:]] == ["usb:/dev/ttyACM1", "usb:/dev/ttyS0"]


def test_scan_gives_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every bit by its name."""
    advert = (layout.STATUS_EXCURSION | layout.STATUS_CLOCK_UNSET, 3, COLD)
    on_air(monkeypatch, MemoryPeripheral(advert=advert, rssi_dbm=-71))

    told = json.loads(_run("--json", "--seconds", "0.2").stdout)

    assert told["bluetooth"] is None
    assert told["dewars"][0].pop("heard_s_ago") < 1
    assert told["dewars"] == [
        {
            "device": "ble:dewarlog-4b2f",
            "name": "dewarlog-4b2f",
            "address": ADDRESS,
            "signal_dbm": -71,
            "state": "EXCURSION, clock not set, not recording",
            "recording": False,
            "excursion": True,
            "held": False,
            "warning": False,
            "fault": False,
            "clock_set": False,
            "supply_low": False,
            "memory_full": False,
            "temperature_degc": -190.0,
            "probe": "ok",
            "backlog_kib": 3,
        }
    ]
    assert told["ports"] == [
        {"device": "usb:/dev/ttyACM1", "about": "Raspberry Pi, Pico, serial E6", "likely": True},
        {"device": "usb:/dev/ttyS0", "about": "no description", "likely": False},
    ]


def test_nobody_and_no_port_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in a sentence; that is an answer, not an error."""
    on_air(monkeypatch)
    monkeypatch.setattr(list_ports, "comports", list)

    result = _run("--seconds", "0.1")

    assert result.exit_code == ExitCode.USE
    assert result.output.splitlines() == [
        "No dewar is on the air here.",
        "No serial port is here. Check the cable: some carry power only.",
    ]


def test_each_half_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ports alone need no radio; nothing at all is wrong use."""
    air = on_air(monkeypatch, MemoryPeripheral())

    assert "ble:" not in _run("--no-ble").output
    assert air.scans == []
    assert "usb:" not in _run("--no-usb", "--seconds", "0.1").output
    assert _run("--no-usb", "--no-ble").exit_code == ExitCode.USAGE


@pytest.mark.parametrize("as_json", [False, True])
def test_without_bluetooth_the_ports_are_listed_all_the_same(
    monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    """One sentence says what is so, and the exit code."""
    air = on_air(monkeypatch)
    off = BleakBluetoothNotAvailableReason.POWERED_OFF
    air.radio_error = BleakBluetoothNotAvailableError("No powered adapter.", off)

    result = _run(*["--json"] * as_json)

    assert result.exit_code == ExitCode.DEVICE
    assert "usb:/dev/ttyACM1" in result.output
    assert "Bluetooth is switched off (No powered adapter). Switch it on" in result.output


def test_a_hostile_name_reaches_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a line, in data and in the live table."""
    on_air(monkeypatch, MemoryPeripheral(name=HOSTILE))

    for output in (
        _run("--seconds", "0.1").output,
        _run("--seconds", "0.1", "--json").output,
        shown([heard(name=HOSTILE)], 1.0),
    ):
        assert not {"\x1b", "\u202e"} & set(output)
    assert "[red]x[/]" in shown([heard(name=HOSTILE)], 1.0)


def test_garbage_on_the_air_is_no_dewars_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands in the manufacturer data."""
    peripheral = MemoryPeripheral()
    peripheral.manufacturer_data = {layout.BLE_COMPANY: struct.pack("<9B", *range(9))}
    on_air(monkeypatch, peripheral)

    assert "not understood" in _run("--seconds", "0.1").output


# --- the live table ------------------------------------------------------------------------------
def shown(found: list[Heard], now_s: float, *, colour: bool = False) -> str:
    """Return what the live table shows, as text."""
    out = io.StringIO()
    screen = Console(file=out, width=120, force_terminal=colour, no_color=not colour)
    ports = [SerialPort("/dev/ttyACM1", "Pico", likely=True)]
    screen.print(scan.view(found, ports, now_s, "listening"))
    return out.getvalue()


def test_the_live_table_shows_the_same_rows_and_the_ports() -> None:
    """Word for word."""
    text = shown([heard()], 1.0)

    assert all(cell in text for cell in scan.rows([heard()], 1.0)[0])
    assert "usb:/dev/ttyACM1" in text


def test_the_live_table_colours_the_state_beside_the_word() -> None:
    """Red for what is bad, green for what is well."""
    assert "\x1b[1;37;41mEXCURSION" in shown([heard(3)], 1.0, colour=True)
    assert "\x1b[32mrecording" in shown([heard()], 1.0, colour=True)


def test_the_live_table_follows_what_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dewar that comes on the air while it is shown appears."""
    out = io.StringIO()
    late = MemoryPeripheral(name="dewarlog-late", address="11:22:33:44:55:66")
    late.in_range = False
    air = MemoryAir([MemoryPeripheral(), late])
    sleeps: list[float] = []

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        late.in_range = True
        radio.run(radio.asyncio.sleep(0.1), 1)

    monkeypatch.setattr(time, "sleep", sleep)
    with radio.listening("ble:", air.backends()) as ear:
        scan.show_live(ear, None, 0.3, Console(file=out, width=120, force_terminal=True))

    assert "dewarlog-late" in out.getvalue()
    assert len(sleeps) > 1


def test_ctrl_c_leaves_the_live_table_in_peace(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is how one leaves it."""

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    with radio.listening("ble:", MemoryAir([]).backends()) as ear:
        scan.show_live(ear, list, None, Console(file=io.StringIO()))
