"""The whole line for tests: a simulated board at one end, the `dewarlog` command at the other.

Small trips are written as scenario files of minutes to hours; the two ten-day trips are ours of
tools/simboard/scenarios. What a test compares with comes from the scenario, not from the log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dewarlog.readings import LogReader
from dewarlog.records import Block, Event, JournalTail
from simboard.launch import SimBoard, start
from simboard.scenario import PROFILES
from workshop.places import PROTOCOL, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from simboard.scenario import Happening, Scenario

COMMAND_S: Final = 60.0
TRIP_S: Final = 400.0  # ten days take half a minute on a quiet machine; this one may be shared
INTERVAL_S: Final = 10.0  # the logging interval of our profile
# Options of a pull: the log must not change between the pulls that are compared.
STILL: Final = ("--no-seal", "--no-tell-time")
# Happenings of a day whose run is over at its end, with two shock windows in its log.
ONE_DAY: Final = """
[[knock]]
at = "3 h"
peak_g = 40
pulse = "8 ms"

[[knock]]
at = "9 h"
peak_g = 60
pulse = "8 ms"

[[stop]]
at = "23 h"
"""

_HEAD: Final = """
title = "A short trip"
begins = 2026-03-02T08:00:00Z
length = "{length}"
seed = 11
profile = "{profile}"

[board]
{board}

[[probe]]
channel = 0

[[probe]]
channel = 1

[[probe]]
channel = 2
"""


def scenario_file(
    folder: Path,
    length: str,
    happenings: str = "",
    *,
    board: str = "",
    profile: str = "cryo_shipper.json",
) -> Path:
    """Write a scenario with three probes and what `happenings` adds to it."""
    file = folder / "trip.toml"
    file.write_text(_HEAD.format(length=length, board=board, profile=profile) + happenings)
    return file


def profile_file(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Write our profile with a change to it."""
    document: dict[str, Any] = json.loads((PROFILES / "cryo_shipper.json").read_text())
    change(document)
    file = folder / "profile.json"
    file.write_text(json.dumps(document))
    return file


def command(*arguments: str | Path) -> list[str]:
    """Return the command line of `dewarlog` as this source tree has it."""
    return [sys.executable, "-m", "dewarlog", *map(str, arguments)]


def environment() -> dict[str, str]:
    """Return the environment in which `command` finds the source tree."""
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'host'}{os.pathsep}{PROTOCOL}"}


def dewarlog(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `dewarlog` to its end, whatever its exit code."""
    return subprocess.run(
        command(*arguments),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )


def pull(port: str, archive: Path, *options: str) -> dict[str, Any]:
    """Pull everything a board holds; return what `pull --json` says."""
    return pull_from(f"usb:{port}", archive, *options)


def pull_from(device: str, archive: Path, *options: str) -> dict[str, Any]:
    """Pull everything a board holds, by cable or over the air; return what `pull --json` says."""
    done = dewarlog("pull", device, "--archive", archive, "--json", *options)
    assert done.returncode == 0, done.stderr + done.stdout
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@dataclass(frozen=True)
class Log:
    """One pulled log and what `check --json` says about it."""

    path: Path
    exit_code: int
    checked: dict[str, Any]

    def findings(self, code: str) -> list[dict[str, Any]]:
        """Return the findings of one code."""
        return [found for found in self.checked["findings"] if found["code"] == code]

    @property
    def events(self) -> list[Event]:
        """Return every event of the log, in order."""
        found: list[Event] = []
        with self.path.open("rb") as file:
            for item in LogReader(file, self.path).items():
                if isinstance(item, Block | JournalTail):
                    found.extend(item.events)
        return found


def check(path: Path) -> Log:
    """Check a log file."""
    done = dewarlog("check", path, "--json")
    assert done.stdout, done.stderr
    return Log(path, done.returncode, json.loads(done.stdout))


@dataclass(frozen=True)
class Trip:
    """A trip that is over: what was to happen, and the log that was pulled after it."""

    scenario: Scenario
    pulled: dict[str, Any]
    log: Log
    refused: list[str]
    console: bytes

    def unix_s(self, us: int) -> float:
        """Return when a moment of the scenario was, as Unix time."""
        return self.scenario.moment(us).timestamp()

    def happening(self, kind: str, number: int = 0) -> Happening:
        """Return one of the things the scenario made happen."""
        return [entry for entry in self.scenario.happenings if entry.kind == kind][number]


def finish(board: SimBoard, archive: Path, *options: str) -> Trip:
    """Wait until a served trip is over, pull its log and check it; then stop the board."""
    with board:
        board.wait_serving(TRIP_S)
        pulled = pull(board.pty, archive, *options)
        console = board.console_output()
        refused = board.refused()
    log = check(Path(pulled["logs"][-1]["path"]))
    return Trip(board.scenario, pulled, log, refused, console)


def make_trip(scenario: Path, archive: Path, *options: str, profile: Path | None = None) -> Trip:
    """Run a short trip from the first boot to the check of its log."""
    return finish(start(scenario, serve=True, profile=profile), archive, *options)
