"""The whole board says in its log who did what, and what is not as it was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dewarlog.records import AccessEvent, ClockSyncEvent, FirmwareEvent, PullEvent
from dewarlog_wire import layout
from line import check, pull, scenario_file
from simboard.launch import start

if TYPE_CHECKING:
    from dewarlog.records import Event

pytestmark = pytest.mark.usefixtures("micropython")

# As if the last boot had been another firmware's, once.
MAIN = """
import os
try:
    os.stat("/log")
except OSError:
    with open("/firmware.bin", "wb") as file:
        file.write(bytes((0, 0, 9, 1, 20, 3)))
from dewarlog_firmware import lock
lock.start()
"""


def test_a_pull_is_preceded_by_who_pulled_and_a_new_firmware_is_told_once(
    tmp_path: Path,
) -> None:
    """Over USB without a proof: one ACCESS event for the clock and the pull of a conversation."""
    scenario = scenario_file(tmp_path, "30 min", '[[power_cut]]\nat = "10 min"\n')
    with start(scenario, serve=True, main=MAIN) as board:
        board.wait_serving()
        pull(board.pty, tmp_path / "first")
        (log,) = pull(board.pty, tmp_path / "second", "--no-tell-time")["logs"]
    judged = check(Path(log["path"]))
    assert judged.checked["intact"] is True
    told: list[Event] = list(judged.events)
    (firmware,) = [event for event in told if isinstance(event, FirmwareEvent)]
    assert (firmware.before_major, firmware.before_minor, firmware.before_patch) == (0, 0, 9)
    assert firmware.boot == 0
    by_host = [
        event for event in told if isinstance(event, AccessEvent | ClockSyncEvent | PullEvent)
    ]
    assert [type(event) for event in by_host[:3]] == [AccessEvent, ClockSyncEvent, PullEvent]
    access = by_host[0]
    assert isinstance(access, AccessEvent)
    assert (access.result, access.link, access.key) == (layout.ACCESS_OPEN, 0, 0)
