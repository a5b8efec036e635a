"""A host's time reaches the clock chip in the second it was meant for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dewarlog.records import ClockRead, ClockSync
from line import make_trip, scenario_file

if TYPE_CHECKING:
    from pathlib import Path

# Six hours apart at most, the clock is read: just before the end of this trip for the first time.
LENGTH = "365 min"
TICK_S = 0.2  # a reading and its stamp, and the crystals' drift in six hours


@pytest.mark.parametrize("at", ["300 s", "303 s", "307 s"])
def test_the_chip_is_set_in_its_second_whatever_the_loop_sleeps_through(
    tmp_path: Path, at: str
) -> None:
    """It shows whole seconds; a chip set late would be behind for the rest of the trip."""
    sync = f'[[time_sync]]\nat = "{at}"\nerror_ms = 40\n'
    trip = make_trip(scenario_file(tmp_path, LENGTH, sync), tmp_path / "archive")

    told = next(event for event in trip.log.events if isinstance(event, ClockSync))
    read = next(
        event
        for event in trip.log.events
        if isinstance(event, ClockRead) and event.number > told.number
    )
    passed_s = (read.uptime_ms - told.uptime_ms) / 1000
    behind_s = told.utc_s + told.utc_ms / 1000 + passed_s - read.utc_s

    assert -TICK_S <= behind_s < 1 + TICK_S
