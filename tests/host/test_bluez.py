"""bleak's own BlueZ backend, which is what runs on Linux, against an `org.bluez` of our own.

The command runs as a person runs it, in a process of its own, every warning an error; only the
bus it is pointed at is private. test_link_ble.py has the rest of the link.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dewarlog.errors import ExitCode
from dewarlog_wire import layout
from memory_air import ADDRESS, Cut, MemoryPeripheral
from memory_bluez import MemoryBlueZ, serving
from memory_board import MemoryStore, StoredRun, make_log

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="BlueZ is Linux's")

TIMEOUT_S = 60.0
CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:dir={folder}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Return the address of a message bus of our own."""
    program = shutil.which("dbus-daemon")
    if program is None:
        reason = "dbus-daemon is not here; tools/setup gets it (Debian package dbus)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("bus")
    config = folder / "bus.conf"
    config.write_text(CONFIG.format(folder=folder))
    command = [program, f"--config-file={config}", "--nofork", "--nopidfile", "--print-address=1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as daemon:
        try:
            assert daemon.stdout is not None
            yield daemon.stdout.readline().strip()
        finally:
            daemon.terminate()


def run(bus: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `dewarlog` on that bus; it may warn of nothing."""
    environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus, "PYTHONWARNINGS": "error"}
    environment.pop("DEWARLOG_AIR", None)
    done = subprocess.run(
        [sys.executable, "-m", "dewarlog", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.stderr == ""
    return done


def store() -> MemoryStore:
    """Return a board with one run of three segments."""
    return MemoryStore({7: StoredRun(make_log(7, [900] * 30, 12000))})


def cut_at(notification: int) -> Callable[[str, int, bytes], bytes]:
    """Return a fault that loses the connection before one notification, once."""
    fresh = [True]

    def fault(direction: str, index: int, value: bytes) -> bytes:
        if direction == "out" and index >= notification and fresh:
            fresh.clear()
            raise Cut
        return value

    return fault


def test_scan_hears_the_dewar_through_bluez(bus: str) -> None:
    """Name, state and signal come through the properties BlueZ keeps."""
    with serving(MemoryBlueZ(MemoryPeripheral()), bus):
        told = json.loads(run(bus, "scan", "--json", "--no-usb", "--seconds", "1").stdout)

    assert told["bluetooth"] is None
    assert [(one["device"], one["state"], one["address"]) for one in told["dewars"]] == [
        ("ble:dewarlog-4b2f", "recording", ADDRESS)
    ]
    assert told["dewars"][0]["signal_dbm"] in (-60, -61)


@pytest.mark.parametrize("mtu", [23, 247])
def test_a_pull_goes_through_bluez_byte_for_byte(bus: str, tmp_path: Path, mtu: int) -> None:
    """Connect, discover, subscribe, write, notify and disconnect; writes without response."""
    held = store()
    with serving(MemoryBlueZ(MemoryPeripheral(held, mtu=mtu)), bus) as bluez:
        done = run(bus, "pull", "ble:4b2f", "--archive", str(tmp_path), "--json")

    assert done.returncode == ExitCode.USE
    assert next(tmp_path.rglob("*.dwl")).read_bytes() == held.log_bytes(7)
    assert bluez.write_types == {"command"}
    assert bluez.calls[-1] == "Disconnect"


def test_a_pull_that_is_cut_goes_on_through_bluez(bus: str, tmp_path: Path) -> None:
    """BlueZ says Connected: false; the command finds the dewar again and ends the pull."""
    held = store()
    peripheral = MemoryPeripheral(held, fault=cut_at(60))
    with serving(MemoryBlueZ(peripheral), bus):
        done = run(bus, "pull", f"ble:{ADDRESS}", "--archive", str(tmp_path), "--json")

    assert done.returncode == ExitCode.USE
    assert peripheral.connections == 2
    assert next(tmp_path.rglob("*.dwl")).read_bytes() == held.log_bytes(7)
    assert peripheral.data_bytes - len(held.log_bytes(7)) < layout.BLE_MTU_MAX


def test_an_adapter_that_is_switched_off_is_said(bus: str) -> None:
    """In the words a person needs."""
    with serving(MemoryBlueZ(MemoryPeripheral(), powered=False), bus):
        done = run(bus, "status", f"ble:{ADDRESS}", "--json")

    assert done.returncode == ExitCode.DEVICE
    assert "Bluetooth is switched off" in json.loads(done.stdout)["message"]


def test_a_system_without_bluez_is_said(bus: str) -> None:
    """The bus is there, and nobody behind it."""
    done = run(bus, "status", f"ble:{ADDRESS}", "--json")

    assert done.returncode == ExitCode.DEVICE
    assert "install bluez" in json.loads(done.stdout)["message"]


def test_a_system_without_a_bus_is_said(tmp_path: Path) -> None:
    """As in a container."""
    done = run(f"unix:path={tmp_path}/none", "status", f"ble:{ADDRESS}", "--json")

    assert done.returncode == ExitCode.DEVICE
    assert json.loads(done.stdout)["error"] == "NoBluetooth"
