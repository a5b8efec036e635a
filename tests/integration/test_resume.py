"""A pull that is cut goes on where it stopped: nothing twice, nothing lost, the same bytes."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import threading
import time
import tty
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import pytest

from line import COMMAND_S, ONE_DAY, STILL, check, command, environment, pull, scenario_file
from simboard.launch import SimBoard, start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from conftest import MicroPython

CUT_AFTER: Final = 6000  # bytes from the board: about half of the log
CHUNK: Final = 256
CHUNK_EVERY_S: Final = 0.005


class Cable:
    """A serial cable that can be slow, counts what passes, and can be pulled out.

    `port` is the host's end. `passed` counts the bytes the board has sent through it.
    """

    def __init__(self, board_port: str, *, cut_after: int) -> None:
        self._board = os.open(board_port, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._board)
        self._near, far = pty.openpty()
        tty.setraw(far)
        self.port = os.ttyname(far)
        self._far = far
        self._cut_after = cut_after
        self.passed = 0
        self.is_at_cut = threading.Event()
        self._pull_out = threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pull_out()
        self._thread.join()
        os.close(self._board)

    def pull_out(self) -> None:
        """Take the host's end away."""
        self._pull_out.set()

    def _carry(self) -> None:
        with contextlib.suppress(OSError):
            while not self._pull_out.is_set():
                self._carry_once()
        for end in (self._near, self._far):
            os.close(end)

    def _carry_once(self) -> None:
        ready, _, _ = select.select([self._near, self._board], [], [], 0.05)
        if self._near in ready:
            os.write(self._board, os.read(self._near, CHUNK))
        if self._board in ready:
            if self.passed >= self._cut_after:
                self.is_at_cut.set()
                time.sleep(CHUNK_EVERY_S)
                return
            data = os.read(self._board, CHUNK)
            os.write(self._near, data)
            self.passed += len(data)
            time.sleep(CHUNK_EVERY_S)


@pytest.fixture(scope="module")
def board(
    micropython: MicroPython, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimBoard]:
    """Serve a day that has ended, so that its log stays as it is."""
    assert micropython.interpreter.command
    scenario = scenario_file(tmp_path_factory.mktemp("day"), "1 day", ONE_DAY)
    with start(scenario, serve=True) as served:
        served.wait_serving()
        yield served


@pytest.fixture(scope="module")
def whole(board: SimBoard, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the log as a pull without interruption has it."""
    answer = pull(board.pty, tmp_path_factory.mktemp("whole"), *STILL)
    assert answer["held_bytes"] == 0
    return Path(answer["logs"][0]["path"]).read_bytes()


def _begin_pull(port: str, archive: Path) -> subprocess.Popen[str]:
    arguments = command("pull", f"usb:{port}", "--archive", archive, "--json", *STILL)
    return subprocess.Popen(
        arguments,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _goes_on(board: SimBoard, archive: Path, whole: bytes, passed: int) -> None:
    """Pull again; hold the outcome to the uninterrupted pull, byte for byte and once each."""
    answer = pull(board.pty, archive, *STILL)
    (log,) = answer["logs"]
    assert Path(log["path"]).read_bytes() == whole
    assert answer["held_bytes"] + answer["received_bytes"] == len(whole)
    # Frames on the wire cost less than a tenth; at most one of them was on its way at the cut.
    assert passed * 0.9 - 2048 <= answer["held_bytes"] < passed
    assert check(Path(log["path"])).checked["intact"] is True
    assert pull(board.pty, archive, *STILL)["received_bytes"] == 0


def test_killed_pull_goes_on_without_sending_a_byte_twice(
    board: SimBoard, whole: bytes, tmp_path: Path
) -> None:
    """SIGKILL in the middle: nothing of the process is left but what it had put on disk."""
    assert len(whole) > 2 * CUT_AFTER
    with Cable(board.pty, cut_after=CUT_AFTER) as cable:
        process = _begin_pull(cable.port, tmp_path)
        assert cable.is_at_cut.wait(COMMAND_S)
        time.sleep(0.2)  # what has passed reaches the disk
        process.send_signal(signal.SIGKILL)
        assert process.wait(COMMAND_S) == -signal.SIGKILL
        process.communicate()
        passed = cable.passed
    _goes_on(board, tmp_path, whole, passed)


def test_unplugged_pull_goes_on_without_sending_a_byte_twice(
    board: SimBoard, whole: bytes, tmp_path: Path
) -> None:
    """The port goes away under the pull: exit code 5, one sentence, and what came is kept."""
    with Cable(board.pty, cut_after=CUT_AFTER) as cable:
        process = _begin_pull(cable.port, tmp_path)
        assert cable.is_at_cut.wait(COMMAND_S)
        cable.pull_out()
        output, errors = process.communicate(timeout=COMMAND_S)
        passed = cable.passed
    assert process.returncode == 5
    assert json.loads(output)["error"]
    assert "Traceback" not in errors
    _goes_on(board, tmp_path, whole, passed)
