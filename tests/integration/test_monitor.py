"""The command `dewarlog monitor` on the simulated board: a view, lines of JSON, a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from simboard.launch import SimBoard, start

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from conftest import MicroPython

PATIENCE_S = 30.0
RECORDED = 18  # samples of three minutes; one that serves goes on at the pace of a clock
COMMAND = (sys.executable, "-m", "dewarlog", "monitor")
SCENARIO = """
title = "On the bench"
begins = 2026-03-02T08:00:00Z
length = "{length}"
seed = 11
profile = "cryo_shipper.json"

[[probe]]
channel = 0

[[probe]]
channel = 1
placement = "payload bottom"

[[probe]]
channel = 2
placement = "neck"

[[knock]]
at = "1 min"
peak_g = 40
pulse = "8 ms"
"""


@contextmanager
def board_of(folder: Path, length: str = "3 min") -> Generator[SimBoard]:
    """Run a board to the end of its scenario and let it serve."""
    scenario = folder / "bench.toml"
    scenario.write_text(SCENARIO.format(length=length))
    with start(scenario, serve=True) as board:
        board.wait_serving()
        yield board


@pytest.fixture(scope="module")
def board(
    micropython: MicroPython, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimBoard]:
    """Return a board that has recorded three minutes, with one shock."""
    assert micropython.interpreter.command
    with board_of(tmp_path_factory.mktemp("bench")) as running:
        yield running


def once(board: SimBoard, *options: str) -> subprocess.CompletedProcess[str]:
    """Look once, into a pipe."""
    return subprocess.run(
        [*COMMAND, f"usb:{board.pty}", "--once", *options],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_one_view_shows_what_the_board_measures(board: SimBoard) -> None:
    """Probes by their place, rules by their text, the shock, the memory."""
    shown = once(board)

    assert (shown.returncode, shown.stderr) == (0, "")
    for needed in (
        "1 payload top, T",
        "2 payload bottom, T",
        "above \u2212150 \u00b0C",
        "\u00b5V",
    ):
        assert needed in shown.stdout
    assert "Shocks      1" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 100


def test_the_figures_are_the_boards(board: SimBoard) -> None:
    """STATUS and LIVE as they came; a second look finds them again."""
    first, second = (json.loads(once(board, "--json").stdout) for _ in range(2))

    assert first["device_id"] == second["device_id"]
    assert second["status"]["samples"] >= first["status"]["samples"] >= RECORDED
    assert first["live"]["shocks"] == 1
    assert first["live"]["heap_low_bytes"] <= first["live"]["heap_free_bytes"]
    assert first["channels"][0]["reading_degc"] == pytest.approx(-192, abs=3)
    assert first["channels"][0]["voltage_uv"] == pytest.approx(-6290, abs=60)
    assert first["notes"] == []


def test_the_view_is_written_as_a_picture(board: SimBoard, tmp_path: Path) -> None:
    """Beside what is printed."""
    picture = tmp_path / "view.svg"

    assert once(board, "--svg", str(picture)).returncode == 0
    assert "payload" in picture.read_text()


def test_lines_end_with_their_reader_and_the_port_is_free(board: SimBoard) -> None:
    """As behind `| head -1`: nobody would end it else, and it would keep the port."""
    with subprocess.Popen(
        [*COMMAND, f"usb:{board.pty}", "--json"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        json.loads(process.stdout.readline())
        process.stdout.close()
        assert process.wait(PATIENCE_S) == 0
    assert once(board).returncode == 0


def test_a_picture_is_never_drawn_over_a_log_or_a_device(board: SimBoard, tmp_path: Path) -> None:
    """Evidence stays; what cannot be written is named."""
    log, device = tmp_path / "run.dwl", tmp_path / "device"
    log.write_bytes(b"evidence")
    device.symlink_to("/dev/full")
    over_log = once(board, "--svg", str(log))
    over_device = once(board, "--svg", str(device))

    assert (over_log.returncode, log.read_bytes()) == (2, b"evidence")
    assert over_device.returncode == 6
    assert f"{device}: No space left" in over_device.stderr
    assert device.is_symlink()


def test_a_port_that_is_not_there_is_an_error_and_no_lost_board() -> None:
    """Nobody waits for a name that was mistyped."""
    done = subprocess.run(
        [*COMMAND, "usb:/dev/no-such-port", "--json"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 5
    assert json.loads(done.stdout)["error"] == "PortMissing"


def test_a_terminal_is_kept_until_q_and_then_given_back(board: SimBoard) -> None:
    """The alternate screen is left, the cursor shown, the line settings are as they were."""
    import termios

    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    command = [*COMMAND, f"usb:{board.pty}"]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment)
    try:
        seen = _read_until(master, b"Pass, most")
        os.write(master, b"q")
        seen += _read_until(master, b"\x1b[?1049l")
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
    assert termios.tcgetattr(slave) == before
    assert b"\x1b[?1049h" in seen
    assert seen.rfind(b"\x1b[?25h") > seen.rfind(b"\x1b[?25l")
    os.close(master)
    os.close(slave)


def test_a_board_that_goes_away_is_said_to_be_lost_and_found_again(
    micropython: MicroPython, tmp_path: Path
) -> None:
    """The cable is pulled and put back: the same command goes on, and counts the loss."""
    assert micropython.interpreter.command
    name = tmp_path / "port"
    with board_of(tmp_path) as first:
        name.symlink_to(first.pty)
        process = subprocess.Popen(
            [*COMMAND, f"usb:{name}", "--json"], stdout=subprocess.PIPE, text=True
        )
        lines = _lines(process)
        assert next(lines)["connected"] is True
    try:
        lost = next(line for line in lines if not line["connected"])
        assert (lost["losses"], lost["reason"] != "") == (1, True)
        with board_of(tmp_path) as second:
            name.unlink()
            name.symlink_to(second.pty)
            found = next(line for line in lines if line["connected"])
            assert found["losses"] == 1
            assert found["status"]["samples"] >= RECORDED
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 130
    finally:
        process.kill()
        process.communicate()


def _lines(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


def _read_until(terminal: int, wanted: bytes) -> bytes:
    """Read what a terminal is sent until something stands in it."""
    seen = b""
    until_s = time.monotonic() + PATIENCE_S
    while wanted not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, until_s - time.monotonic()))
        assert ready, f"{wanted!r} did not come; came: {seen[-400:]!r}"
        seen += os.read(terminal, 65536)
    return seen
