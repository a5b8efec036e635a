"""The prompt lives beside the logger: mpremote, Ctrl-C and stray text on the same port."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
import tty
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dewarlog.records import BootEvent, GapEvent
from dewarlog_wire import layout
from line import COMMAND_S, check, profile_file, pull, scenario_file
from owner import Owner
from simboard.launch import SimBoard, start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import MicroPython

pytestmark = pytest.mark.usefixtures("micropython")

TRIES_S = 12  # mpremote needs less than one where it gets in
STOPPED = b"dewarlog stopped; the run stays open. app.run() continues it."


def _every_second(profile: dict[str, Any]) -> None:
    profile["sampling"]["interval_ms"] = 1000


@pytest.fixture
def board(micropython: MicroPython, tmp_path: Path) -> Iterator[SimBoard]:
    """Run the logger in real time, a sample a second."""
    assert micropython.interpreter.command
    scenario = scenario_file(tmp_path, "1 day")
    profile = profile_file(tmp_path, _every_second)
    with start(scenario, real_time=True, profile=profile) as running:
        _wait_until_recording(running, tmp_path / "first")
        yield running


def _wait_until_recording(board: SimBoard, archive: Path) -> None:
    """Pull until there is a log: the logger runs."""
    deadline_s = time.monotonic() + COMMAND_S
    while time.monotonic() < deadline_s:
        if pull(board.pty, archive, "--no-tell-time")["logs"]:
            return
    pytest.fail("the logger did not start")


def _mpremote(board: SimBoard, *arguments: str) -> str:
    """Run the real mpremote on the board's port."""
    done = subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", board.pty, *arguments],
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _type(board: SimBoard, text: bytes, until: bytes = b"", most_s: float = COMMAND_S) -> bytes:
    """Type at the board's console as a terminal program does; return what it says."""
    port = os.open(board.pty, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(port)
        os.write(port, text)
        said = b""
        deadline_s = time.monotonic() + most_s
        while until not in said and time.monotonic() < deadline_s:
            ready, _, _ = select.select([port], [], [], 0.1)
            if ready:
                said += os.read(port, 4096)
        return said
    finally:
        os.close(port)


def test_mpremote_breaks_in_and_the_run_goes_on_after_a_reset(
    board: SimBoard, tmp_path: Path
) -> None:
    """Run code, list the log's files, reset: the same log, and the gap says who stopped it."""
    assert _mpremote(board, "resume", "exec", "print(6 * 7)").strip() == "42"
    assert "00000001" in _mpremote(board, "resume", "fs", "ls", ":/log")
    _mpremote(board, "resume", "reset")
    _wait_until_recording(board, tmp_path / "second")
    (log,) = pull(board.pty, tmp_path / "archive", "--no-tell-time")["logs"]
    judged = check(Path(log["path"]))
    assert judged.checked["intact"] is True
    boots = [event.boot_number for event in judged.events if isinstance(event, BootEvent)]
    assert boots == [0, 1]
    gaps = [event for event in judged.events if isinstance(event, GapEvent)]
    assert [gap.cause for gap in gaps] == [layout.GAP_STOPPED]
    assert judged.checked["coverage"]["restarts"] == 1
    assert {event.boot for event in judged.events} == {0, 1}


def test_junk_typed_at_the_logger_is_ignored(board: SimBoard, tmp_path: Path) -> None:
    """Commands of another program, half a frame, control characters: the log goes on whole."""
    junk = (
        b"hello?\r\nAT+GMR\r\n" + bytes(range(128, 256)) + b"\r\n~~\x01\x02\x04\x05" + b"\r\n" * 9
    )
    _type(board, junk)
    (log,) = pull(board.pty, tmp_path / "archive", "--no-tell-time")["logs"]
    judged = check(Path(log["path"]))
    assert judged.checked["intact"] is True
    assert judged.checked["coverage"]["gaps"] == []
    assert [event.boot for event in judged.events if isinstance(event, BootEvent)] == [0]


def test_ctrl_c_says_what_it_did_and_the_run_stays_open(board: SimBoard, tmp_path: Path) -> None:
    """The friendly line, then a prompt; Ctrl-D starts the logger again in the same run."""
    said = _type(board, b"\x03", b">>> ")
    assert STOPPED in said
    assert b"Traceback" not in said
    assert b"42" in _type(board, b"print(6 * 7)\r", b"42\r\n")
    _type(board, b"\x04", b"soft reboot")
    _wait_until_recording(board, tmp_path / "second")
    (log,) = pull(board.pty, tmp_path / "archive", "--no-tell-time")["logs"]
    judged = check(Path(log["path"]))
    assert log["run"] == 1
    assert judged.checked["intact"] is True
    gaps = [event for event in judged.events if isinstance(event, GapEvent)]
    assert [gap.cause for gap in gaps] == [layout.GAP_STOPPED]


# --- a locked board ------------------------------------------------------------------------------
def _set_lock(board: SimBoard, secret: bytes, state: int) -> int:
    """Lock the board or open it as its admin; return what STATUS then says of access."""
    with Owner(board) as owner:
        owner.prove(secret)
        owner.ask(layout.MSG_LOCK, bytes((state,)))
        return owner.access()


def _give_admin_key(board: SimBoard) -> bytes:
    with Owner(board) as owner:
        return owner.ask(layout.MSG_KEY, bytes((layout.KEY_ADMIN,)))


def _mpremote_is_kept_out(board: SimBoard) -> None:
    """Have the real mpremote try; it asks for the raw prompt until somebody stops it."""
    with subprocess.Popen(
        [sys.executable, "-m", "mpremote", "connect", board.pty, "exec", "print(6 * 7)"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as trying:
        try:
            trying.wait(TRIES_S)
        except subprocess.TimeoutExpired:
            trying.kill()
        assert trying.stdout is not None
        said = trying.stdout.read()
    assert trying.returncode != 0
    assert b"42" not in said


CLAIMED, LOCKED = layout.ACCESS_IS_CLAIMED, layout.ACCESS_IS_LOCKED


def test_a_locked_board_gives_nobody_its_prompt_until_its_admin_opens_it(
    board: SimBoard, tmp_path: Path
) -> None:
    """Mpremote gets nothing, Ctrl-C and every other key change nothing, a power cut neither."""
    secret = _give_admin_key(board)
    assert _set_lock(board, secret, 1) == CLAIMED | LOCKED
    _mpremote_is_kept_out(board)
    keys = b"\x03" * 40 + b"\r\x01\x02\x04\x05\x03\r\x04"
    assert b">" not in _type(board, keys, b">>>", 2)
    board.cut_power(1)
    assert b">" not in _type(board, b"\x03" * 2000, b">>>", 6)
    with Owner(board) as stranger:
        assert stranger.access() == CLAIMED | LOCKED
    _wait_until_recording(board, tmp_path / "second")
    assert _set_lock(board, secret, 0) == CLAIMED
    assert STOPPED in _type(board, b"\x03", b">>> ")
    assert _mpremote(board, "resume", "exec", "print(6 * 7)").strip() == "42"
    _mpremote(board, "resume", "reset")
    _wait_until_recording(board, tmp_path / "third")
    (log,) = pull(board.pty, tmp_path / "archive", "--no-tell-time")["logs"]
    judged = check(Path(log["path"]))
    assert judged.checked["intact"] is True
    boots = [event.boot_number for event in judged.events if isinstance(event, BootEvent)]
    assert boots == [0, 1, 2]


def test_a_locked_board_whose_firmware_fails_starts_over_and_says_why(
    micropython: MicroPython, tmp_path: Path
) -> None:
    """The error ends in a STOP event and a reset, not in a prompt; the run goes on."""
    assert micropython.interpreter.command
    main = (
        "import micropython\nmicropython.kbd_intr(-1)\n"
        "open('/lock.bin', 'w').close()\n"  # unreadable: locked
        "from dewarlog_firmware import app, lock\n"
        "def fail(self):\n"
        "    if self.logbook.recorder.next_sample > 5 and self.logbook.recorder.boot < 1:\n"
        "        raise ValueError('a fault of the firmware')\n"
        "    step(self)\n"
        "step = app.App.step\n"
        "app.App.step = fail\n"
        "lock.start()\n"
    )
    scenario = scenario_file(tmp_path, "1 day")
    profile = profile_file(tmp_path, _every_second)
    with start(scenario, real_time=True, profile=profile, main=main) as board:
        _wait_until_recording(board, tmp_path / "first")
        time.sleep(12)
        with Owner(board) as owner:
            assert owner.access() == CLAIMED | LOCKED
        (log,) = pull(board.pty, tmp_path / "archive", "--no-tell-time")["logs"]
    judged = check(Path(log["path"]))
    assert judged.checked["intact"] is True
    boots = [event.boot_number for event in judged.events if isinstance(event, BootEvent)]
    assert boots == [0, 1]
