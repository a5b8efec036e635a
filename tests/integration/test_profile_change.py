"""Another profile is another run; the run before ends as it was, to the last sample."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dewarlog.records import SettingEvent
from dewarlog_wire import layout
from line import COMMAND_S, check, dewarlog, pull, scenario_file
from simboard.launch import SimBoard, start
from simboard.scenario import PROFILES

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("micropython")


def _one_rule_less(profile: dict[str, Any]) -> None:
    profile["rules"].pop()


def _two_probes(profile: dict[str, Any]) -> None:
    profile["channels"].pop()
    _only_channels(profile, [0, 1])


def _other_place(profile: dict[str, Any]) -> None:
    profile["channels"][2]["channel"] = 3
    _only_channels(profile, [0, 1])


def _with_extremes(profile: dict[str, Any]) -> None:
    profile["sampling"]["conversions"] = 2


def _only_channels(profile: dict[str, Any], channels: list[int]) -> None:
    for rule in profile["rules"]:
        rule["channels"] = channels


def _put(board: SimBoard, profile: dict[str, Any], folder: Path) -> None:
    """Give the running board another profile, as an engineer does, and restart it."""
    file = folder / "profile.json"
    file.write_text(json.dumps(profile))
    for arguments in (("cp", str(file), ":/profile.json"), ("reset",)):
        subprocess.run(
            [sys.executable, "-m", "mpremote", "connect", board.pty, *arguments],
            capture_output=True,
            timeout=COMMAND_S,
            check=True,
        )


def _wait_for_run(board: SimBoard, archive: Path, run: int) -> dict[int, Path]:
    """Pull until a run is there; return every run's log."""
    deadline_s = time.monotonic() + COMMAND_S
    while time.monotonic() < deadline_s:
        logs = pull(board.pty, archive, "--no-tell-time")["logs"]
        if logs and logs[-1]["run"] == run:
            return {log["run"]: Path(log["path"]) for log in logs}
        time.sleep(0.1)
    pytest.fail(f"run {run} did not begin")


def _rows(log: Path) -> list[list[str]]:
    """Return the log's samples as text, without their time by the wall: later events refine it."""
    done = dewarlog("export", log)
    assert done.returncode in (0, 3), done.stderr
    rows = csv.reader(line for line in done.stdout.splitlines() if not line.startswith('"#'))
    return [row[:3] + row[5:] for row in rows if len(row) > 5]


@pytest.mark.parametrize("change", [_one_rule_less, _two_probes, _other_place, _with_extremes])
def test_the_old_run_keeps_every_sample_as_it_was(
    change: Callable[[dict[str, Any]], None], tmp_path: Path
) -> None:
    """Its journal is sealed with its own columns; the new run begins with its own."""
    profile: dict[str, Any] = json.loads((PROFILES / "cryo_shipper.json").read_text())
    with start(scenario_file(tmp_path, "30 min"), serve=True) as board:
        board.wait_serving()
        before = pull(board.pty, tmp_path / "before", "--no-seal", "--no-tell-time")
        change(profile)
        _put(board, profile, tmp_path)
        logs = _wait_for_run(board, tmp_path / "archive", 2)
    recorded = _rows(Path(before["logs"][0]["path"]))
    kept = _rows(logs[1])
    old, new = check(logs[1]), check(logs[2])

    assert len(recorded) > 180
    assert kept[: len(recorded)] == recorded
    assert (old.exit_code, old.checked["intact"]) == (0, True)
    assert new.checked["intact"] is True
    settings = [event for event in new.events if isinstance(event, SettingEvent)]
    assert {event.before_run for event in settings} == {1}
    assert all(event.before != event.after for event in settings)
    assert not [event for event in old.events if isinstance(event, SettingEvent)]
    if change is _one_rule_less:
        assert [(one.section, one.after) for one in settings] == [(layout.SECTION_RULE, b"")]
