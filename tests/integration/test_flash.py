"""`dewarlog flash` on the simulated board, by the real mpremote and the real mpy-cross.

The board is blank: MicroPython and an empty flash, and nothing runs but what is flashed.
"""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import time
import tty
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import serial
from typer.testing import CliRunner

from dewarlog import cli
from dewarlog.errors import ExitCode, FlashCut, UnknownBoard
from dewarlog.flash import board_code, known, logger, prompt
from dewarlog.flash.flasher import Flasher, FlashOptions
from dewarlog.flash.upload import HALF, UploadProgress
from dewarlog.records import BootEvent, FirmwareEvent, RunErased
from dewarlog_wire import layout
from line import COMMAND_S, check, profile_file, pull, scenario_file
from owner import Owner
from simboard.launch import SimBoard, start
from workshop.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from conftest import MicroPython

pytestmark = pytest.mark.usefixtures("micropython")

# Not the flash chip's slowness is tested here.
QUICK = "erase_ms = [0.1, 0.2]\n"
HASH_ALL = (
    board_code.TOOLS
    + "for _entry in sorted([e[0] for e in os.ilistdir('/')]):\n"
    + f"    if '/' + _entry not in {(*board_code.FOLDERS, *board_code.SCRIPTS)!r}:\n"
    + "        _tree('/' + _entry)\n"
)


def _every_second(profile: dict[str, Any]) -> None:
    profile["sampling"]["interval_ms"] = 1000


@dataclass(frozen=True, slots=True)
class Bench:
    """A board on the bench, and the engineer's computer."""

    board: SimBoard
    folder: Path

    @property
    def port(self) -> str:
        """The board's port."""
        return self.board.pty

    def flash(self, *options: str) -> tuple[int, dict[str, Any]]:
        """Run `dewarlog flash --json`; return its exit code and answer."""
        keys = ("--keys", str(self.folder / "keys"))
        result = CliRunner().invoke(cli.app, ["flash", self.port, *options, *keys, "--json"])
        assert result.stdout, result.output
        return result.exit_code, json.loads(result.stdout)

    def flashed(self, *options: str) -> dict[str, Any]:
        """Run it where it must end well."""
        code, answer = self.flash(*options)
        assert code == ExitCode.USE, answer
        return answer

    def words(self, *options: str) -> str:
        """Run it for a person; return what it says, in one line."""
        keys = ("--keys", str(self.folder / "keys"))
        result = CliRunner().invoke(cli.app, ["flash", self.port, *options, *keys])
        return " ".join(result.output.split())

    def run(self, *arguments: str) -> None:
        """Run another command of ours, which must end well."""
        keys = ("--keys", str(self.folder / "keys"))
        result = CliRunner().invoke(cli.app, [*arguments, *keys])
        assert result.exit_code == 0, result.output

    def mpremote(self, *arguments: str) -> str:
        """Run the real mpremote as a person does."""
        done = subprocess.run(
            [sys.executable, "-m", "mpremote", "connect", self.port, *arguments],
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def log(self, name: str) -> dict[str, Any]:
        """Pull the newest log once there is one."""
        deadline_s = time.monotonic() + COMMAND_S
        while time.monotonic() < deadline_s:
            logs = pull(self.port, self.folder / name, "--no-tell-time")["logs"]
            if logs:
                newest: dict[str, Any] = logs[-1]
                return newest
        pytest.fail("the logger does not record")


def _bench(
    folder: Path,
    *,
    board: str = QUICK,
    profile: Path | None = None,
    flash_image: Path | None = None,
    happenings: str = "",
) -> Generator[Bench]:
    scenario = scenario_file(folder, "1 day", happenings, board=board)
    with start(
        scenario, real_time=True, blank=True, profile=profile, flash_image=flash_image
    ) as running:
        yield Bench(running, folder)


@pytest.fixture
def blank(tmp_path: Path) -> Iterator[Bench]:
    """Put a board on the bench that has never been flashed."""
    yield from _bench(tmp_path, profile=profile_file(tmp_path, _every_second))


@pytest.fixture(scope="module")
def image(micropython: MicroPython, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flash a board once; return what its flash holds then, for those that begin there."""
    assert micropython.interpreter.command
    folder = tmp_path_factory.mktemp("flashed")
    profile = profile_file(folder, _every_second)
    for bench in _bench(folder, profile=profile, flash_image=folder / "flash.bin"):
        bench.flashed()
        bench.log("first")
    return folder / "flash.bin"


@pytest.fixture
def flashed(image: Path, tmp_path: Path) -> Iterator[Bench]:
    """Put a board on the bench that was flashed before, and records."""
    copy = tmp_path / "flash.bin"
    shutil.copy(image, copy)
    for bench in _bench(tmp_path, flash_image=copy):
        _wait_for_logger(bench)
        yield bench


def _wait_for_logger(bench: Bench) -> logger.Running:
    return logger.await_logger(bench.port, records=True)


# --- what it is for ------------------------------------------------------------------------------
def test_a_blank_board_records_after_its_first_flash_and_from_its_own_flash(blank: Bench) -> None:
    """Every file new; then the host pulls a log that is whole, and every module is the flash's."""
    answer = blank.flashed()
    assert {entry["state"] for entry in answer["files"]} == {"new"}
    assert answer["written"] == len(answer["files"])
    assert answer["after"]["status"]["recording"] is True
    assert answer["after"]["live"]["firmware_minor"] == 1
    log = blank.log("archive")
    assert check(Path(log["path"])).checked["intact"] is True
    show = (
        "import sys\nfrom dewarlog_firmware import app\n"
        "print({m.__file__.split('/')[1] for m in sys.modules.values()"
        " if '__file__' in dir(m) and m.__file__.startswith('/')}, app.__file__)"
    )
    said = blank.mpremote("exec", show)
    assert "dewarlog_firmware/app.mpy" in said
    assert "rom" not in said


def test_a_second_flash_writes_nothing_and_the_run_goes_on(flashed: Bench) -> None:
    """Some kilobytes of questions, a reset, and the same log."""
    run = flashed.log("before")["run"]
    answer = flashed.flashed()
    assert (answer["written"], answer["removed"]) == (0, 0)
    assert {entry["state"] for entry in answer["files"]} == {"same"}
    assert answer["sent_bytes"] < 5000
    assert answer["after"]["status"]["run"] == run
    judged = check(Path(flashed.log("after")["path"]))
    assert judged.checked["intact"] is True
    assert len([event for event in judged.events if isinstance(event, BootEvent)]) > 1


def test_one_changed_file_is_written_one_that_is_gone_removed_and_the_log_names_the_version(
    flashed: Bench, tmp_path: Path
) -> None:
    """Of a source tree named by --firmware; the run that was open goes on."""
    run = flashed.log("before")["run"]
    tree = tmp_path / "tree"
    for name in ("firmware", "protocol"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    changed_file = tree / "firmware/dewarlog_firmware/__init__.py"
    text = changed_file.read_text()
    assert "VERSION = (0, 1, 0)" in text
    changed_file.write_text(text.replace("VERSION = (0, 1, 0)", "VERSION = (0, 1, 77)"))
    flashed.mpremote("resume", "fs", "touch", ":/dewarlog_wire/of_old.py")
    answer = flashed.flashed("--firmware", str(tree))
    changed = [entry for entry in answer["files"] if entry["state"] != "same"]
    assert [(entry["place"], entry["state"]) for entry in changed] == [
        ("/dewarlog_firmware/__init__.mpy", "changed"),
        ("/dewarlog_wire/of_old.py", "to be removed"),
    ]
    assert (answer["written"], answer["removed"]) == (1, 1)
    assert answer["firmware"] == "0.1.77"
    assert answer["after"]["live"]["firmware_patch"] == 77
    log = flashed.log("before")
    assert log["run"] == run
    told = [event for event in check(Path(log["path"])).events if isinstance(event, FirmwareEvent)]
    assert [event.patch for event in told] == [77]


# --- cut -----------------------------------------------------------------------------------------
def _cut_after(board: SimBoard, files: int) -> Callable[[UploadProgress], None]:
    """Return what takes the supply away once so many files are on their way."""
    seen: set[str] = set()

    def tell(now: UploadProgress) -> None:
        if now.total_bytes and now.what not in seen:
            seen.add(now.what)
            if len(seen) == files:
                board.cut_power(0.3)

    return tell


def _settled(bench: Bench) -> None:
    """Wait until the board's prompt shows: it does not start what is half written."""
    deadline_s = time.monotonic() + COMMAND_S
    while time.monotonic() < deadline_s:
        if logger.look(bench.port).at_prompt:
            return
    pytest.fail("no prompt")


@pytest.mark.parametrize("files", [2, 40])
def test_power_cut_in_a_flash_starts_nothing_keeps_the_log_and_the_next_completes(
    flashed: Bench, files: int
) -> None:
    """The log, the keys and the profile are the same bytes; main.py says why nothing runs."""
    archived = flashed.log("before")
    erase = "import os\nfor _n in os.listdir('/dewarlog_firmware')[5:]:\n    if '.' in _n: "
    # An older firmware: most of it is to be written anew. Asked at the prompt, nothing records.
    flashed.mpremote("exec", erase + "os.remove('/dewarlog_firmware/' + _n)")
    before = flashed.mpremote("resume", "exec", HASH_ALL)
    assert "/key.bin" in before
    assert "/log/" in before
    with pytest.raises(FlashCut) as caught:
        Flasher(flashed.port, FlashOptions(), tell=_cut_after(flashed.board, files)).run()
    assert caught.value.state == HALF
    _settled(flashed)
    said = flashed.mpremote("resume", "exec", "exec(open('/main.py').read())")
    assert "a flash was cut" in said
    after = flashed.mpremote("resume", "exec", HASH_ALL)
    kept = [line for line in after.splitlines() if "flashing" not in line]
    assert kept == before.splitlines()
    assert "An earlier flash of this board was cut" in flashed.words("--dry-run")
    answer = flashed.flashed()
    assert answer["goes_on"] is True
    assert answer["after"]["status"]["run"] == archived["run"]
    log = flashed.log("before")
    assert log["path"] == archived["path"]
    assert check(Path(log["path"])).checked["intact"] is True
    assert board_code.MARKER[1:] not in flashed.mpremote("exec", "import os\nprint(os.listdir())")


@pytest.mark.parametrize("operation", [1, 25, 400])
def test_power_that_goes_in_the_midst_of_a_flash_operation_is_mended_too(
    tmp_path: Path, operation: int
) -> None:
    """A torn page or half an erase, in the marker, in main.py, in the middle, near the end."""
    cut = f'[[power_cut]]\nflash_operation = {operation}\noff = "0.3 s"\n'
    for bench in _bench(tmp_path, happenings=cut):
        code, answer = bench.flash()
        assert (code, answer["error"]) == (ExitCode.DEVICE, "FlashCut")
        assert HALF in answer["message"]
        _settled(bench)
        answer = bench.flashed()
        assert answer["after"]["status"]["recording"] is True
        assert {entry["state"] for entry in bench.flashed()["files"]} == {"same"}


def test_a_cable_pulled_in_the_middle_is_told_with_what_the_board_holds(
    flashed: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the exit code of the port, and with the next step; the same command completes it."""
    flashed.mpremote("exec", "import os\nos.remove('/dewarlog_firmware/app.mpy')")
    run = prompt.SerialPrompt.run

    def pulled(self: prompt.SerialPrompt, code: str) -> str:
        if "app.mpy.new" in code:
            self._transport.serial.close()  # as the cable does
        return run(self, code)

    with monkeypatch.context() as patch:
        patch.setattr(prompt.SerialPrompt, "run", pulled)
        code, answer = flashed.flash()
    assert (code, answer["error"]) == (ExitCode.DEVICE, "FlashCut")
    assert "writing /dewarlog_firmware/app.mpy" in answer["message"]
    assert HALF in answer["message"]
    assert flashed.flashed()["goes_on"] is True


# --- looking -------------------------------------------------------------------------------------
def test_a_list_stops_no_logger_unless_it_is_told_to(flashed: Bench) -> None:
    """It says what the logger tells by wire; with --stop-logger it looks, and starts it again."""
    boot = _wait_for_logger(flashed).status.boot
    assert "--stop-logger" in flashed.words("--list")
    assert flashed.flashed("--list")["board"] is None
    assert _wait_for_logger(flashed).status.boot == boot
    answer = flashed.flashed("--list", "--stop-logger")
    assert {entry["state"] for entry in answer["files"]} == {"same"}
    assert "/log" in [entry["place"] for entry in answer["other_files"]]
    assert answer["after"]["status"]["boot"] == boot + 1


def test_a_dry_run_changes_no_byte_of_a_board(blank: Bench) -> None:
    """All it would do is in the answer, and the board is left at its prompt."""
    before = blank.mpremote("exec", "import os\nprint(os.listdir('/'))")
    answer = blank.flashed("--dry-run")
    assert answer["written_bytes"] > 100_000
    assert answer["after"] is None
    assert blank.mpremote("exec", "import os\nprint(os.listdir('/'))") == before


def test_firmware_that_does_not_start_is_told_in_its_own_words(tmp_path: Path) -> None:
    """Whole and verified all the same: here the profile is one it refuses."""

    def too_quick(profile: dict[str, Any]) -> None:
        profile["sampling"]["interval_ms"] = 17

    for bench in _bench(tmp_path, profile=profile_file(tmp_path, too_quick)):
        code, answer = bench.flash()
        assert (code, answer["error"]) == (ExitCode.DEVICE, "NotStarted"), answer
        assert "interval_ms" in answer["message"]
        assert "whole and verified" in answer["message"]


# --- refused -------------------------------------------------------------------------------------
def test_a_locked_logger_is_refused_and_goes_on(flashed: Bench) -> None:
    """With who can open it."""
    with Owner(flashed.board) as owner:
        secret = owner.ask(layout.MSG_KEY, bytes((layout.KEY_ADMIN,)))
        owner.prove(secret)
        owner.ask(layout.MSG_LOCK, b"\1")
    code, answer = flashed.flash()
    assert (code, answer["error"]) == (ExitCode.DEVICE, "BoardLocked")
    assert "dewarlog unlock" in answer["message"]
    assert _wait_for_logger(flashed).status.boot == 1


def test_a_version_that_is_not_known_is_refused_naming_both(tmp_path: Path) -> None:
    """Nothing is written."""
    for bench in _bench(tmp_path, board=QUICK + 'micropython = "1.24.1"\n'):
        code, answer = bench.flash()
        assert (code, answer["error"]) == (ExitCode.DEVICE, "UnknownMicroPython")
        assert "MicroPython 1.24.1" in answer["message"]
        assert "1.25 to 1.29" in answer["message"]
        assert bench.mpremote("exec", "import os\nprint(os.listdir('/'))").strip() == "[]"


def test_a_board_that_is_not_known_is_refused_and_what_ran_runs_on(
    flashed: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its logger was stopped to ask, and is started again."""
    monkeypatch.setattr(known, "BOARDS", known.BOARDS[2:])
    before = _wait_for_logger(flashed).status
    with pytest.raises(UnknownBoard, match=r"Pico W with RP2040.*RPI_PICO, ESP32_GENERIC_S3"):
        Flasher(flashed.port, FlashOptions()).run()
    after = _wait_for_logger(flashed).status
    assert (after.run, after.boot) == (before.run, before.boot + 1)


def test_a_board_that_runs_other_code_is_refused_by_its_file(
    blank: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And flashed when it is told to replace that."""
    monkeypatch.setattr("dewarlog.session.HELLO_GIVE_UP_S", 1)
    other = tmp_path / "main.py"
    other.write_text("import time\nwhile True:\n    print('blink')\n    time.sleep(1)\n")
    blank.mpremote("fs", "cp", str(other), ":main.py", "+", "reset")
    code, answer = blank.flash()
    assert (code, answer["error"]) == (ExitCode.DEVICE, "OtherCode")
    assert "/main.py" in answer["message"]
    assert "--replace-main" in answer["message"]
    with serial.Serial(blank.port, timeout=5) as port:
        assert b"blink" in port.read(7)  # it goes on
    assert blank.flashed("--replace-main")["after"]["status"]["recording"] is True


def test_too_small_a_flash_is_refused_with_the_bytes(tmp_path: Path) -> None:
    """What is needed, what is free, and how to make room."""
    for bench in _bench(tmp_path, board=QUICK + "flash_kib = 256\n"):
        code, answer = bench.flash()
        assert (code, answer["error"]) == (ExitCode.DEVICE, "NoRoom")
        assert "--erase-log" in answer["message"]
        assert "pull" in answer["message"]
        assert bench.flashed("--list")["problems"][0]["error"] == "NoRoom"
        assert bench.mpremote("exec", "import os\nprint(os.listdir('/'))").strip() == "[]"


def test_a_probe_past_due_warns_or_refuses_as_the_profile_says(tmp_path: Path) -> None:
    """With an option to flash all the same."""

    def overdue(profile: dict[str, Any]) -> None:
        _every_second(profile)
        profile["channels"][0]["calibrated"] = "2025-01-01"
        profile["channels"][0]["calibration_due"] = "2025-12-31"
        profile["handling"] = {"calibration_policy": "refuse"}

    for bench in _bench(tmp_path, profile=profile_file(tmp_path, overdue)):
        code, answer = bench.flash()
        assert (code, answer["error"]) == (ExitCode.DEVICE, "CalibrationOverdue")
        assert "due 2025-12-31" in answer["message"]
        told = bench.flashed("--overdue-too")
        assert told["calibration_overdue"][0]["due"] == "2025-12-31"


def test_a_port_with_nothing_behind_it_is_told_and_does_not_hang(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Left to itself mpremote would wait for ever."""
    monkeypatch.setattr(prompt, "_ENTER_S", 0.2)
    monkeypatch.setattr("dewarlog.session.HELLO_GIVE_UP_S", 0.2)
    master, slave = pty.openpty()
    tty.setraw(slave)
    try:
        result = CliRunner().invoke(cli.app, ["flash", os.ttyname(slave), "--json"])
    finally:
        os.close(master)
        os.close(slave)
    assert result.exit_code == ExitCode.DEVICE
    assert json.loads(result.stdout)["error"] == "NoPrompt"


def test_a_port_that_is_missing_or_busy_is_told(blank: Bench, tmp_path: Path) -> None:
    """As every command tells it."""
    result = CliRunner().invoke(cli.app, ["flash", str(tmp_path / "tty"), "--json"])
    assert json.loads(result.stdout)["error"] == "PortMissing"
    with serial.Serial(blank.port, exclusive=True):
        code, answer = blank.flash()
    assert (code, answer["error"]) == (ExitCode.DEVICE, "PortBusy")


@pytest.mark.parametrize(
    ("port", "error"), [("ble:4a32", "NotByRadio"), ("sim:", "BadDeviceName")]
)
def test_a_name_that_is_no_port_is_a_wrong_command_line(port: str, error: str) -> None:
    """No radio, no board that exists for one command alone."""
    result = CliRunner().invoke(cli.app, ["flash", port, "--json"])
    assert result.exit_code == ExitCode.USAGE
    assert json.loads(result.stdout)["error"] == error


# --- --erase-log ---------------------------------------------------------------------------------
def test_a_log_is_erased_for_its_admin_alone(
    flashed: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for an unclaimed board's finder, nor without the key here; then all of it, told."""
    code, answer = flashed.flash("--erase-log")
    assert (code, answer["error"]) == (ExitCode.DEVICE, "NotClaimed")
    flashed.run("claim", f"usb:{flashed.port}", "--certificate", str(flashed.folder / "c.json"))
    shutil.move(flashed.folder / "keys", flashed.folder / "elsewhere")
    code, answer = flashed.flash("--erase-log")
    assert (code, answer["error"]) == (ExitCode.DEVICE, "NoKey")
    run = flashed.log("before")["run"]
    shutil.rmtree(flashed.folder / "keys", ignore_errors=True)
    shutil.move(flashed.folder / "elsewhere", flashed.folder / "keys")
    with monkeypatch.context() as patch:
        patch.setattr(known, "BOARDS", known.BOARDS[2:])  # refused: then nothing is erased
        assert flashed.flash("--erase-log")[1]["error"] == "UnknownBoard"
    assert flashed.log("before")["run"] == run
    answer = flashed.flashed("--erase-log")
    assert answer["erased"]["erased"] >= 1
    assert answer["after"]["status"]["run"] == run + 1
    (log,) = pull(flashed.port, flashed.folder / "after", "--no-tell-time")["logs"]
    assert log["run"] == run + 1
    judged = check(Path(log["path"]))
    assert judged.checked["intact"] is True
    erased = [event for event in judged.events if isinstance(event, RunErased)]
    assert len(erased) == 1


def test_erasing_takes_a_logger_that_answers(blank: Bench) -> None:
    """At a prompt nobody can prove a key."""
    code, answer = blank.flash("--erase-log")
    assert (code, answer["error"]) == (ExitCode.DEVICE, "NothingToErase")
