"""The demo: one bad trip from the probe's wire to the verdict, with the commands a person uses.

Started by tools/demo. Everything it makes lies in `demo/` of the clone; nothing else is touched.
demo_ble.py is another one, at the door, and demo_bench.py, on the bench.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from simboard import launch
from simboard.errors import SimboardError
from workshop.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER: Final = ROOT / "demo"
DEWARLOG: Final = Path(sys.executable).with_name("dewarlog")
SCENARIO: Final = "bad"
# What `dewarlog check` may answer about an intact log: USE or HOLD.
JUDGED: Final = (0, 1)
STEPS: Final = 4


def main() -> int:
    """Run the demo; return 0 when the trip was judged."""
    begin()
    archive = FOLDER.relative_to(ROOT) / "archive"
    page = FOLDER.relative_to(ROOT) / "report.html"
    step(1, STEPS, "a ten-day trip on a simulated board: the real firmware, some 30 s")
    try:
        with launch.start(SCENARIO, serve=True, tell=show_progress) as board:
            board.wait_serving(timeout_s=600)
            step(2, STEPS, "pull the log through the board's serial port")
            pulled = dewarlog("pull", f"usb:{board.pty}", "--archive", str(archive))
    except SimboardError as error:
        print(f"tools/demo: the simulated board failed: {error}", file=sys.stderr)
        return 1
    if pulled:
        return pulled
    log = only_log(ROOT / archive)
    step(3, STEPS, "check every byte and every claim")
    judged = dewarlog("check", str(log))
    step(4, STEPS, "write the page for the receiving site")
    dewarlog("report", str(log), "--output", str(page))
    if judged not in JUDGED:
        print(f"tools/demo: the check ended with exit code {judged}", file=sys.stderr)
        return 1
    print(f"""
The verdict is {("USE", "HOLD")[judged]}.
The report:   {ROOT / page}
The log:      {ROOT / log}

Try next:
    tools/demo --ble                                       the same trip, handed over by radio
    tools/demo --bench                                     a new board: flash to arm
    .venv/bin/dewarlog sim --scenario calm --real-time     a board to play with
    .venv/bin/dewarlog check {log} --json
    tools/simboard/scenarios/bad.toml                      change the trip and run this again""")
    return 0


# --- what all demos need -------------------------------------------------------------------------
def begin() -> None:
    """Work in the clone's root, with an empty folder for all that is made."""
    os.chdir(ROOT)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()


def only_log(archive: Path) -> Path:
    """Return the one log in an archive, from the clone's root."""
    return next(archive.rglob("*.dwl")).relative_to(ROOT)


def step(number: int, total: int, what: str) -> None:
    """Say what comes next."""
    print(f"\n[{number}/{total}] {what}", flush=True)


def show_progress(line: str) -> None:
    """Pass the days of the trip on, not what is meant for programs."""
    if line.startswith("day "):
        print(f"      {line}", flush=True)


def shown(arguments: Sequence[str]) -> None:
    """Show a command as a person types it."""
    print(f"$ {shlex.join(('dewarlog', *arguments))}", flush=True)


class StepFailed(Exception):
    """A command ended otherwise than the demo shows."""


def run(*arguments: str, codes: tuple[int, ...] = (0,)) -> int:
    """Show a command and run it; what ends with another code ends the demo."""
    code = dewarlog(*arguments)
    if code not in codes:
        raise StepFailed(f"`dewarlog {arguments[0]}` ended with exit code {code}")
    return code


def place(*names: str) -> str:
    """Name a place below the demo's folder as it is typed: from the clone's root."""
    return str(FOLDER.joinpath(*names).relative_to(ROOT))


def dewarlog(*arguments: str) -> int:
    """Show a command as a person types it, and run it; return its exit code."""
    shown(arguments)
    return subprocess.run([DEWARLOG, *arguments], check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
