"""Starts the simulated board of a source tree and gives its port: the device name `sim:`.

The simulated board is tools/simboard/launch.py: the unchanged firmware on MicroPython with its
chips modelled. It is no part of an installed wheel; this file only finds it, starts it as a
process of its own and reads the name of its port.

    sim:            a board that begins a calm trip now, in real time
    sim:SCENARIO    a board behind which that trip already lies (bad, calm or a file)
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dewarlog.errors import SimulatorMissing

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from types import FrameType

LAUNCHER: Final = Path(__file__).parents[2] / "tools" / "simboard" / "launch.py"
_PORT: Final = "pty "
_SERVING: Final = "serving"
_END_S: Final = 15.0  # it writes its flash image before it ends


def command(arguments: Sequence[str], launcher: Path = LAUNCHER) -> list[str]:
    """Give the command that starts the simulated board.

    Raises:
        SimulatorMissing: this is no source tree.
    """
    if not launcher.is_file():
        raise SimulatorMissing("this dewarlog was installed without its source tree")
    return [sys.executable, str(launcher), *arguments]


def run(arguments: Sequence[str], launcher: Path = LAUNCHER) -> int:
    """Run the simulated board in the foreground; return its exit status.

    Ctrl-C and SIGTERM end the board too.
    """

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with subprocess.Popen(command(arguments, launcher)) as process:  # noqa: S603 - see command
            try:
                return process.wait()
            except KeyboardInterrupt:
                _end(process)
                return 0
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def running(scenario: str, launcher: Path = LAUNCHER) -> Generator[str]:
    """Run a simulated board as long as the block lasts; give the name of its serial port.

    Raises:
        SimulatorMissing: there is none here, or it cannot run here.
    """
    arguments = ["--scenario", scenario, "--serve"] if scenario else ["--real-time"]
    with subprocess.Popen(  # noqa: S603 - written above
        command(arguments, launcher),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            yield _port_of(process, wait_for_trip=bool(scenario))
        finally:
            _end(process)


def _port_of(process: subprocess.Popen[str], *, wait_for_trip: bool) -> str:
    """Read what the board says until its port can be used."""
    port = ""
    said: list[str] = []
    for line in process.stdout or ():
        said.append(line.strip())
        if line.startswith(_PORT):
            port = line[len(_PORT) :].strip()
        if port and (not wait_for_trip or line.strip() == _SERVING):
            return port
    raise SimulatorMissing(said[-1] if said else f"it ended with status {process.wait()}")


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
