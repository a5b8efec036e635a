"""The demo on the bench: a new board flashed, made known, calibrated, tested, armed, watched.

Started by `tools/demo --bench`. The board is simulated and blank: MicroPython and nothing else, so
what runs on it in the end is what mpremote put there. Its time goes faster than ours, so that
nobody waits for a bath, but for the test that times its chips. What a person's hands do, moving
probes from ice to nitrogen, is done at the word of the command that asks for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from simboard import launch
from simboard.errors import SimboardError
from simboard.scenario import PROFILES
from workshop.demo import DEWARLOG, FOLDER, StepFailed, begin, place, run, shown, step
from workshop.places import ROOT

if TYPE_CHECKING:
    from simboard.launch import SimBoard

SCENARIO: Final = Path(__file__).with_name("bench.toml")
SHIPMENT: Final = ROOT / "host/dewarlog/arm/shipment.example.toml"
PROFILE: Final = PROFILES / "cryo_shipper.json"
SPEED: Final = 20.0
STEPS: Final = 8
PROBES: Final = 3
COOL_S: Final = 600.0
WATCH_S: Final = 15
SCREEN: Final = (32, 112)  # rows and columns
# The air pressure of the scenario, as a barometer beside the bath would show it.
PRESSURE_HPA: Final = "962"
# How the line begins that asks for the second bath.
LN2_ASKED: Final = "LN2 point"
REFUSED: Final = 7
MAP: Final = """\
name = "DL-0042"
hardware = "C"

[[probe]]
terminal = 1
serial = "TC-T-0412"
type = "T"
placement = "payload top"

[[probe]]
terminal = 2
serial = "TC-T-0413"
type = "T"
placement = "payload bottom"

[[probe]]
terminal = 3
serial = "TC-T-0414"
type = "T"
placement = "neck"
"""


def main() -> int:
    """Run the demo; return 0 when the board was armed."""
    begin()
    (FOLDER / "map.toml").write_text(MAP)
    try:
        with launch.start(SCENARIO, real_time=True, speed=SPEED, blank=True) as board:
            _prepare(board)
    except (SimboardError, StepFailed) as error:
        print(f"tools/demo: {error}", file=sys.stderr)
        return 1
    print(f"""
The board is armed.
Its label:       {ROOT / place("label.png")}
Its certificate: {ROOT / place("certificate.json")}
Its probes:      {ROOT / place("drift.svg")}
The view:        {ROOT / place("monitor.svg")}

Try next:
    .venv/bin/dewarlog sim --blank --real-time    a blank board to flash yourself
    firmware/README.md                            the same with a real one
    tools/workshop/bench.toml                     change the board, and run this again""")
    return 0


def _prepare(board: SimBoard) -> None:
    device = f"usb:{board.pty}"
    keys = ("--keys", place("keys"))
    archive = ("--archive", place("archive"))
    actor = ("--actor", "E. Kim")
    step(1, STEPS, f"a blank board on {board.pty}, its time {SPEED:.0f} times ours: flash it")
    run("flash", board.pty, *keys)
    step(2, STEPS, "again: nothing has changed, nothing is uploaded")
    run("flash", board.pty, *keys)
    step(3, STEPS, "make it known: name, probes, keys, certificate, label")
    papers = ("--label", place("label.png"), "--certificate", place("certificate.json"))
    run("provision", device, "--map", place("map.toml"), *papers, *actor, *keys)
    step(4, STEPS, "calibrate its probes in ice and in nitrogen")
    pressure = ("--pressure-hpa", PRESSURE_HPA)
    _calibrate(board, device, *pressure, *actor, *archive, *keys)
    history = ("--history", device, "--plot", place("drift.svg"))
    run("calibrate", *history, *archive, *keys)
    board.set_speed(1)
    step(5, STEPS, "let it test itself; its time is ours meanwhile")
    run("selftest", device, *keys)
    board.set_speed(SPEED)
    step(6, STEPS, "arm it for a shipment while its probes lie in the room: refused, with reasons")
    _move(board, "air")
    weight = ("--weight-kg", "8.60")
    shipment = ("--manifest", str(SHIPMENT.relative_to(ROOT)))
    profile = ("--profile", str(PROFILE.relative_to(ROOT)))
    arm = ("arm", device, *shipment, *profile, *weight, *actor, *keys)
    run("pull", device, *archive, *keys)
    run(*arm, codes=(REFUSED,))
    step(7, STEPS, f"into the dewar, and {COOL_S / 60:.0f} min of the board's time later again")
    _move(board, "dewar")
    time.sleep(COOL_S / SPEED)
    run("pull", device, *archive, *keys)
    run(*arm)
    step(8, STEPS, "what an engineer keeps open beside it")
    _watch(device, *keys)
    run("monitor", device, "--once", *keys)


def _move(board: SimBoard, where: str) -> None:
    for channel in range(PROBES):
        board.bath(channel, where)


def _watch(device: str, *keys: str) -> None:
    """Keep the view open for a while as in a terminal, then press q; it leaves its picture."""
    arguments = ("monitor", device, "--svg", place("monitor.svg"), *keys)
    shown(arguments)
    print(f"(for {WATCH_S} s, then q; what it shows at once comes below)", flush=True)
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", *SCREEN, 0, 0))
    with subprocess.Popen(
        [DEWARLOG, *arguments], stdin=inside, stdout=inside, stderr=inside
    ) as process:
        os.close(inside)
        until_s = time.monotonic() + WATCH_S
        while (left_s := until_s - time.monotonic()) > 0:
            if select.select([terminal], [], [], left_s)[0]:
                os.read(terminal, 1 << 16)
        os.write(terminal, b"q")
        with contextlib.suppress(OSError):  # how a terminal says that nobody writes any more
            while os.read(terminal, 1 << 16):
                pass
    os.close(terminal)
    if process.returncode:
        raise StepFailed(f"`dewarlog monitor` ended with exit code {process.returncode}")


def _calibrate(board: SimBoard, *arguments: str) -> None:
    """Run the command, and move the probes when it asks for it."""
    arguments = ("calibrate", *arguments, "--yes")
    shown(arguments)
    with subprocess.Popen(
        [DEWARLOG, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            if line.startswith(LN2_ASKED):
                _move(board, "ln2")
    if process.returncode:
        raise StepFailed(f"`dewarlog calibrate` ended with exit code {process.returncode}")


if __name__ == "__main__":
    raise SystemExit(main())
