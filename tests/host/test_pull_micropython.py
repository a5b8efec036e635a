"""The board's server and USB link on real MicroPython, pulled through a pseudo-terminal.

The firmware's own modules serve plain files (tools/bench/board/serve_files.py); the host's side is
the real one from the serial port to the archive.
"""

from __future__ import annotations

import contextlib
import os
import pty
import random
import select
import signal
import subprocess
import threading
import time
import tty
from typing import TYPE_CHECKING

import pytest

from dewarlog.archive import Archive
from dewarlog.errors import DewarlogError, Unplugged
from dewarlog.link.usb import UsbLink
from dewarlog.pull import Progress, PullOptions, PullResult, pull
from dewarlog.session import Session
from memory_board import make_log
from workshop.places import FIRMWARE, PROTOCOL, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import MicroPython

SCRIPT = ROOT / "tools" / "bench" / "board" / "serve_files.py"
NOISE = b'\r\nTraceback (most recent call last):\r\n  File "main.py", line 3\r\n'

pytestmark = pytest.mark.micropython


class Board:
    """A MicroPython that serves the files below a folder on a terminal of its own."""

    def __init__(self, micropython: MicroPython, folder: Path) -> None:
        self.console, self._host = pty.openpty()
        tty.setraw(self._host)
        self.port = os.ttyname(self._host)
        self.process = subprocess.Popen(
            [*micropython.interpreter.command, str(SCRIPT), str(folder)],
            stdin=self.console,
            stdout=self.console,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "MICROPYPATH": f"{PROTOCOL}:{FIRMWARE}"},
        )

    def unplug(self) -> None:
        """Let program and port go away, as when the cable is pulled."""
        self.process.kill()
        self.process.wait()
        for handle in (self.console, self._host):
            with contextlib.suppress(OSError):
                os.close(handle)


@pytest.fixture(autouse=True)
def every_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report progress after every frame, so that a test can act at any of them."""
    monkeypatch.setattr("dewarlog.pull.PROGRESS_EVERY_S", 0)


@pytest.fixture
def log() -> list[bytes]:
    """Return the segments of a log of 300 KiB, full DATA frames and short ones in it."""
    return make_log(3, [5000] * 60, 65536)


@pytest.fixture
def plug(
    micropython: MicroPython, tmp_path: Path, log: list[bytes]
) -> Iterator[Callable[[], Board]]:
    """Start boards that hold `log`; every one is gone after the test."""
    folder = tmp_path / "flash" / "00000003"
    folder.mkdir(parents=True)
    for number, segment in enumerate(log):
        (folder / f"{number:04x}.seg").write_bytes(segment)
    boards: list[Board] = []

    def start() -> Board:
        boards.append(Board(micropython, tmp_path / "flash"))
        return boards[-1]

    yield start
    for board in boards:
        board.unplug()


def pull_from(
    board: Board, root: Path, progress: Callable[[Progress], None] | None = None
) -> PullResult:
    """Pull everything through the board's port."""
    link = UsbLink(board.port)
    link.open()
    try:
        return pull(link, Archive(root), PullOptions(utc_s=lambda: 0), progress=progress)
    finally:
        link.close()


def test_a_log_comes_through_byte_for_byte(
    plug: Callable[[], Board], tmp_path: Path, log: list[bytes]
) -> None:
    """Machine-code COBS, joined CRCs, chain: all of it on both interpreters."""
    result = pull_from(plug(), tmp_path / "archive")

    assert result.logs[0].path.read_bytes() == b"".join(log)
    assert (result.logs[0].problem, result.logs[0].blocks) == (None, 60)


def test_the_boards_hashes_agree(
    plug: Callable[[], Board], tmp_path: Path, log: list[bytes]
) -> None:
    """HASH of every file, on the board's own SHA-256."""
    link = UsbLink(plug().port)
    link.open()

    result = pull(link, Archive(tmp_path), PullOptions(hash_all=True, utc_s=lambda: 0))

    assert result.logs[0].path.read_bytes() == b"".join(log)
    link.close()


def test_the_line_carries_at_most_one_percent_more_than_the_log(
    plug: Callable[[], Board], tmp_path: Path, log: list[bytes]
) -> None:
    """Frames, COBS, replies and lists included."""
    link = UsbLink(plug().port)
    link.open()

    pull(link, Archive(tmp_path), PullOptions(utc_s=lambda: 0))

    assert link.received_bytes <= 1.01 * len(b"".join(log))
    link.close()


def test_an_unplugged_board_is_pulled_on_from_where_it_was(
    plug: Callable[[], Board], tmp_path: Path, log: list[bytes]
) -> None:
    """The cable is pulled in the middle; plugged in again, only the rest comes."""
    board = plug()

    def pull_the_cable(progress: Progress) -> None:
        if progress.done_bytes > 100_000:
            board.unplug()

    with pytest.raises(Unplugged, match="Plug the logger in again"):
        pull_from(board, tmp_path / "archive", pull_the_cable)

    result = pull_from(plug(), tmp_path / "archive")

    assert result.logs[0].path.read_bytes() == b"".join(log)
    assert result.received_bytes + result.held_bytes == len(b"".join(log))
    assert result.held_bytes > 100_000


def test_another_programs_text_on_the_line_costs_only_time(
    plug: Callable[[], Board], tmp_path: Path, log: list[bytes]
) -> None:
    """It prints into the frames: torn ones are read anew, the log is whole."""
    board = plug()

    pulled = threading.Event()

    def print_something() -> None:
        while not pulled.is_set():
            os.write(board.console, NOISE)
            time.sleep(0.002)

    other = threading.Thread(target=print_something)
    other.start()
    try:
        result = pull_from(board, tmp_path / "archive")
    finally:
        pulled.set()
        other.join()

    assert result.logs[0].path.read_bytes() == b"".join(log)


class BadCable:
    """A second terminal joined to a board's by a line that spoils what it carries.

    About once in `mean_bytes` a piece is lost, gets a flipped bit, is said twice, is cut short or
    has noise in it; never a Ctrl-C, which is for the person at the board.
    """

    def __init__(self, board: Board, seed: int, mean_bytes: int) -> None:
        self.port_handle, self._far = pty.openpty()
        tty.setraw(self._far)
        self.port = os.ttyname(self._far)
        self.spoilt = 0
        self._board = os.open(board.port, os.O_RDWR | os.O_NOCTTY)
        self._chance = random.Random(seed)
        self._mean_bytes = mean_bytes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def close(self) -> None:
        """Take the cable away."""
        self._stop.set()
        self._thread.join()
        for handle in (self._board, self.port_handle, self._far):
            os.close(handle)

    def _carry(self) -> None:
        ways = {self._board: self.port_handle, self.port_handle: self._board}
        while not self._stop.is_set():
            for source in select.select(list(ways), [], [], 0.02)[0]:
                data = self._spoil(os.read(source, 1024))
                if source == self.port_handle:
                    data = data.replace(b"\x03", b"\x02")
                while data:
                    data = data[os.write(ways[source], data) :]

    def _spoil(self, data: bytes) -> bytes:
        if self._chance.random() >= len(data) / self._mean_bytes:
            return data
        self.spoilt += 1
        at = self._chance.randrange(len(data))
        kind = self._chance.randrange(5)
        if kind == 0:
            return data[:at] + data[at + 1 + self._chance.randrange(300) :]
        if kind == 1:
            return data[:at] + bytes((data[at] ^ 1 << self._chance.randrange(8),)) + data[at + 1 :]
        if kind == 2:
            return data + data
        if kind == 3:
            return data[:at]
        return data[:at] + NOISE + data[at:]


@pytest.mark.parametrize("seed", range(4))
def test_a_cable_that_spoils_bytes_brings_the_log_or_an_error_of_ours(
    plug: Callable[[], Board], tmp_path: Path, log: list[bytes], seed: int
) -> None:
    """Tries on a bad cable, then one on a good one: each files the log itself, or nothing."""
    board = plug()
    cable = BadCable(board, seed, 12_000)
    archive = Archive(tmp_path / "archive")
    whole = b"".join(log)
    try:
        for _ in range(3):
            link = UsbLink(cable.port)
            link.open()
            with contextlib.suppress(DewarlogError):
                pull(link, archive, PullOptions(utc_s=lambda: 0))
            link.close()
            for path in (tmp_path / "archive").glob("*/*/*.dwl"):
                assert whole.startswith(path.read_bytes())
    finally:
        cable.close()

    result = pull_from(board, tmp_path / "archive")

    assert cable.spoilt > 3
    assert result.logs[0].path.read_bytes() == whole


def test_text_typed_at_the_board_does_not_disturb_it(plug: Callable[[], Board]) -> None:
    """Lines for a REPL that is not running, before and between requests."""
    link = UsbLink(plug().port)
    link.open()
    session = Session(link)

    keyboard = os.open(link.port, os.O_WRONLY | os.O_NOCTTY)

    os.write(keyboard, b"import os\r\n\x06\x09!!\n" * 5)
    session.hello()
    os.write(keyboard, b"print(1)\r\n")

    assert session.status().run == 0
    os.close(keyboard)
    link.close()


def test_a_pull_after_a_pull_that_died_is_not_disturbed_by_its_rest(
    plug: Callable[[], Board], tmp_path: Path, log: list[bytes]
) -> None:
    """The first host stopped reading without a word; the second one says HELLO."""
    board = plug()
    first = UsbLink(board.port)
    first.open()
    session = Session(first)
    session.hello()
    file = session.list_files()[0]
    session.read(file, 0, 0, 1 << 16)
    first.close()

    result = pull_from(board, tmp_path / "archive")

    assert result.logs[0].path.read_bytes() == b"".join(log)


def test_ctrl_c_ends_the_server_and_leaves_the_console(plug: Callable[[], Board]) -> None:
    """KeyboardInterrupt passes through server and link to the program that runs them."""
    board = plug()
    link = UsbLink(board.port)
    link.open()
    Session(link).hello()

    board.process.send_signal(signal.SIGINT)
    board.process.wait(10)
    deadline = time.monotonic() + 2
    while b"stopped" not in link.stray and time.monotonic() < deadline:
        link.receive(0.05)

    assert b"stopped" in link.stray
    link.close()
