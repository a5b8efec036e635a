"""Starts a simulated board: `python tools/simboard/launch.py --scenario bad --serve`.

First line of output: `pty NAME`, the serial port to open. Then the trip, day by day, as fast as
it goes; `report {...}` when it is over; with --serve the board then runs on in real time behind
the pty until SIGTERM or Ctrl-C. Also a small API: `start(...)` returns a running SimBoard.

MicroPython holds the pty's master end; the port is a name under /dev/pts that any serial program
opens like a real one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import pty
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import tty
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, cast

# Run as a script, only its own folder is on the path.
_TOOLS: Final = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path[:0] = [str(_TOOLS), str(_TOOLS.parent / "protocol")]

from simboard import host_actions  # noqa: E402 - after the path
from simboard.errors import (  # noqa: E402
    AirMissing,
    BoardGone,
    InterpreterMissing,
    ScenarioError,
    SimboardError,
)
from simboard.scenario import Recording, Scenario, device_json, load  # noqa: E402
from workshop.interpreters import find_micropython  # noqa: E402
from workshop.places import ROOT  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from types import FrameType, TracebackType

_RUN: Final = Path(__file__).parent / "device" / "run.py"
_HEAP: Final = "64M"  # the flash image, a recording, and rare garbage collections
_QUIT_S: Final = 10.0  # a board that does not end by then is killed
_POLL_S: Final = 0.05


@dataclass
class SimBoard:
    """A running simulated board. Use as a context manager, or call `stop`.

    `pty` is its serial port, `process` MicroPython, `scenario` what it goes through.
    """

    pty: str
    process: subprocess.Popen[str]
    scenario: Scenario
    flash_image: Path
    lines: list[str] = field(default_factory=list[str])
    report: dict[str, object] = field(default_factory=dict[str, object])
    _orders: int = -1
    _slave: int = -1
    _folder: tempfile.TemporaryDirectory[str] | None = None
    _by_seq: dict[int, host_actions.Request] = field(
        default_factory=dict[int, host_actions.Request]
    )
    _reader: threading.Thread | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _ended: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def listen(self, tell: Callable[[str], None] | None) -> None:
        """Begin to take the board's lines, in a thread of its own."""
        self._reader = threading.Thread(target=self._read, args=(tell,), daemon=True)
        self._reader.start()

    def wait_for(self, line: str, timeout_s: float = 120.0) -> None:
        """Wait until the board has printed a line.

        Raises:
            BoardGone: It ended before it did, or did not within `timeout_s`.
        """

        def said() -> bool:
            return self._ended or line in self.lines

        with self._changed:
            self._changed.wait_for(said, timeout_s)
            if line not in self.lines:
                raise BoardGone(self.process.poll(), "\n".join(self.lines))

    def wait_serving(self, timeout_s: float = 120.0) -> None:
        """Wait until the trip is over and the board answers on its pty."""
        self.wait_for("serving", timeout_s)

    def wait_end(self, timeout_s: float = 300.0) -> dict[str, object]:
        """Wait until the process has ended by itself; return its report."""
        try:
            status = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise BoardGone(None, "\n".join(self.lines)) from error
        self._join()
        if status or not self.report:
            raise BoardGone(status, "\n".join(self.lines))
        return self.report

    def cut_power(self, off_s: float = 1.0) -> None:
        """Take the supply away for a while; only where the board runs in real time."""
        self._order(f"cut {off_s}")

    def set_speed(self, speed: float) -> None:
        """Let so many seconds of the board pass in one of ours from now on, in real time."""
        self._order(f"speed {speed}")

    def bath(self, channel: int, name: str) -> None:
        """Put a probe into one of scenario.BATHS; only where the board runs in real time."""
        self._order(f"bath {channel} {name}")

    def save_image(self, timeout_s: float = 10.0) -> Path:
        """Have the flash image written out as it is now; return its file."""
        with self._changed:
            self.lines[:] = [line for line in self.lines if line != "saved"]
        self._order("save")
        self.wait_for("saved", timeout_s)
        return self.flash_image

    def stop(self) -> None:
        """End the process, its flash image written out."""
        if self.process.poll() is None:
            with contextlib.suppress(OSError):
                self._order("quit")
            try:
                self.process.wait(_QUIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._join()
        for descriptor in (self._orders, self._slave):
            if descriptor >= 0:
                os.close(descriptor)
        self._orders = self._slave = -1
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def console_output(self) -> bytes:
        """Return what the board sent on its console during the trip."""
        if self._folder is None:
            return b""
        file = Path(self._folder.name) / "console.log"
        return file.read_bytes() if file.exists() else b""

    def refused(self) -> list[str]:
        """Return the host actions of the scenario that the board refused or did not answer."""
        return host_actions.refused(self.console_output(), self._by_seq)

    def _order(self, line: str) -> None:
        os.write(self._orders, line.encode() + b"\n")

    def _join(self) -> None:
        if self._reader is not None:
            self._reader.join()
            self._reader = None

    def _read(self, tell: Callable[[str], None] | None) -> None:
        """Take the board's lines as they come."""
        stream = self.process.stdout
        if stream is not None:
            for text in stream:
                line = text.rstrip("\n")
                with self._changed:
                    if line.startswith("report "):
                        self.report = cast("dict[str, object]", json.loads(line[7:]))
                    self.lines.append(line)
                    self._changed.notify_all()
                if tell is not None:
                    tell(line)
            stream.close()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def start(  # noqa: PLR0913 - one argument per option of the command
    scenario: str | Path | Scenario,
    *,
    flash_image: Path | None = None,
    serve: bool = False,
    real_time: bool = False,
    speed: float = 1.0,
    profile: Path | None = None,
    recording: Path | None = None,
    main: str = "",
    blank: bool = False,
    air: str | Path | None = None,
    tell: Callable[[str], None] | None = None,
) -> SimBoard:
    """Start a board on a scenario and return at once.

    Args:
        scenario: A scenario, its file, or the name of one of ours. Given by name it keeps its
            date, but with `serve` it is moved to end now, and with `real_time` to begin now: a
            host that then talks to the board finds its clock right.
        flash_image: Where the flash content is kept; taken over when it exists, else made anew.
        serve: When the trip is over, run on in real time behind the pty.
        real_time: Run the whole trip in real time behind the pty.
        speed: Simulated seconds a second, in real time.
        profile: /profile.json of a new flash image, instead of the scenario's.
        recording: Replaces the file of every [[recording]].
        main: Source text to run instead of the firmware's main.py.
        blank: A board with MicroPython and nothing else: no firmware but what is put on its
            flash, and a new flash image holds at most `profile`.
        air: Socket of the virtual radio (air.start, or air/hub.py) that the board is on while it
            runs in real time; without one its radio reaches nobody.
        tell: Called with every line the board prints.

    Raises:
        ScenarioError: The scenario cannot be right.
        InterpreterMissing: There is no MicroPython.
        AirMissing: No virtual radio is there.
    """
    now = datetime.now(UTC)
    if isinstance(scenario, Scenario):
        checked = scenario
    elif real_time:
        checked = load(scenario, begins=now)
    elif serve:
        checked = load(scenario, ends=now)
    else:
        checked = load(scenario)
    if recording is not None:
        checked = _with_recording(checked, recording)
    interpreter = find_micropython()
    if interpreter is None:
        raise InterpreterMissing
    attached = _attach(air) if air is not None else None
    folder = tempfile.TemporaryDirectory(prefix="simboard-")
    image = flash_image or Path(folder.name) / "flash.bin"
    master, slave = pty.openpty()
    tty.setraw(slave)
    port = os.ttyname(slave)
    # While nobody has the port open the master reads as hung up, and so the board knows.
    os.close(slave)
    os.set_blocking(master, False)
    orders_out, orders_in = os.pipe()
    os.set_blocking(orders_out, False)
    inputs, by_seq = host_actions.as_inputs(checked.requests)
    text = device_json(
        checked,
        Path(folder.name),
        inputs=[[at_us, list(data)] for at_us, data in inputs],
        files=_first_files(profile if blank else profile or checked.profile),
        flash_image=str(image.resolve()),
        console_log=str(Path(folder.name) / "console.log"),
        real_time=real_time,
        serve=serve or real_time,
        speed=speed,
        pty_fd=master,
        order_fd=orders_out,
        air_fd=attached.fileno() if attached is not None else -1,
        radio_address=secrets.token_hex(6),  # two boards on the air must differ in theirs
        repository=str(ROOT),
        main=main,
        blank=blank,
    )
    file = Path(folder.name) / "scenario.json"
    file.write_text(text)
    process = subprocess.Popen(
        [*interpreter.command, "-X", f"heapsize={_HEAP}", str(_RUN), str(file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "MICROPYPATH": str(_TOOLS)},
        pass_fds=(master, orders_out, *((attached.fileno(),) if attached is not None else ())),
        start_new_session=True,  # a Ctrl-C at our terminal is ours, not the board's
    )
    os.close(master)
    os.close(orders_out)
    if attached is not None:
        attached.close()
    board = SimBoard(
        port, process, checked, image, _orders=orders_in, _folder=folder, _by_seq=by_seq
    )
    board.listen(tell)
    return board


def _first_files(profile: Path | None) -> dict[str, str]:
    """Return what stands on a new flash image."""
    return {} if profile is None else {"profile.json": profile.read_text()}


def _attach(path: str | Path) -> socket.socket:
    """Connect to the virtual radio: what comes from there is a controller of our own."""
    attached = socket.socket(socket.AF_UNIX)
    try:
        attached.connect(str(path))
    except OSError as error:
        attached.close()
        raise AirMissing(str(path), error.strerror or str(error)) from error
    os.set_blocking(attached.fileno(), False)
    return attached


def _with_recording(scenario: Scenario, file: Path) -> Scenario:
    if not scenario.recordings:
        raise ScenarioError(str(scenario.path), "has no [[recording]] to replace")
    return replace(
        scenario,
        recordings=tuple(
            Recording(file.resolve(), entry.at_us, entry.has_gravity, entry.where)
            for entry in scenario.recordings
        ),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0: the trip went through, 1: the board failed, 2: wrong use."""
    parser = _parser()
    options = parser.parse_args(arguments)
    for place in (options.flash_image, options.pty_link):
        # Found missing at the end of the trip, the image would be lost.
        if place is not None and not place.absolute().parent.is_dir():
            parser.error(f"{place}: there is no folder {place.absolute().parent}")
    link = options.pty_link
    if link is not None and link.exists() and not link.is_symlink():
        parser.error(f"{link}: is a file or a folder; the link to the port needs a free name")
    stopping = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        stopping.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        board = start(
            options.scenario,
            flash_image=options.flash_image,
            serve=options.serve,
            real_time=options.real_time,
            speed=options.speed,
            profile=options.profile,
            recording=options.recording,
            main=options.main.read_text() if options.main else "",
            blank=options.blank,
            air=options.air,
            tell=_say,
        )
    except (SimboardError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    with board, _link(options.pty_link, board.pty):
        _say(f"pty {board.pty}")
        while not stopping.is_set() and board.process.poll() is None:
            stopping.wait(_POLL_S)
        if stopping.is_set():
            return 0
        status = board.process.returncode
        for problem in board.refused():
            _say(f"host action failed: {problem}")
        failed = (
            status or board.report.get("firmware_errors") or board.report.get("handler_failures")
        )
        return 1 if failed else 0


def _say(line: str) -> None:
    print(line, flush=True)


@contextlib.contextmanager
def _link(path: Path | None, port: str) -> Generator[None]:
    """Keep a symbolic link to the port while the board runs."""
    if path is None:
        yield
        return
    if path.is_symlink():
        path.unlink()
    path.symlink_to(port)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed < math.inf:
        raise ValueError
    return speed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Run the dewarlog firmware on a simulated board.",
        epilog="Scenario files are explained in tools/simboard/README.md.",
    )
    parser.add_argument(
        "--scenario", default="calm", help="calm, bad, replay, or a file (default: calm)"
    )
    parser.add_argument(
        "--flash-image", type=Path, help="keep the flash content here, and go on from it"
    )
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--fast", action="store_true", help="run the trip in virtual time (default)")
    pace.add_argument("--real-time", action="store_true", help="run it in real time on the pty")
    parser.add_argument(
        "--serve", action="store_true", help="after the trip, run on in real time on the pty"
    )
    parser.add_argument(
        "--speed", type=_speed, default=1.0, help="simulated seconds a second in real time"
    )
    parser.add_argument("--pty-link", type=Path, help="make a symbolic link to the pty")
    parser.add_argument("--profile", type=Path, help="profile.json of a new flash image")
    parser.add_argument("--recording", type=Path, help="CSV to replay in the replay scenario")
    parser.add_argument(
        "--air", type=Path, metavar="PATH", help="be on the virtual radio at this socket"
    )
    parser.add_argument(
        "--blank", action="store_true", help="no firmware, but what is put on its flash"
    )
    parser.add_argument("--main", type=Path, help="run this file instead of the firmware")
    return parser


if __name__ == "__main__":
    sys.exit(main())
