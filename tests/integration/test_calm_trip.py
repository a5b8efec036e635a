"""Ten days as they should be, from the thermocouple's register to the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dewarlog.records import ShockEvent
from dewarlog_wire import layout
from line import INTERVAL_S

if TYPE_CHECKING:
    from line import Trip


def test_calm_trip_means_use(calm: Trip) -> None:
    """The verdict, its exit code, and nothing that speaks against it."""
    assert calm.log.checked["verdict"] == "USE"
    assert calm.log.exit_code == 0
    assert calm.log.checked["intact"] is True
    grave = [found for found in calm.log.checked["findings"] if found["severity"] != "info"]
    assert grave == []


def test_board_took_every_action_of_its_hosts(calm: Trip) -> None:
    """Time and custody steps arrived, and stand in the log in their order."""
    assert calm.refused == []
    steps = [entry["step"] for entry in calm.log.checked["custody"]]
    assert steps == ["pack-out", "depart", "handoff", "receive", "store"]


def test_log_has_every_sample_of_ten_days(calm: Trip) -> None:
    """One each interval until the pull, within one; and no gap."""
    coverage = calm.log.checked["coverage"]
    seen_s = coverage["samples"] * INTERVAL_S
    assert coverage["interval_ms"] == INTERVAL_S * 1000
    assert coverage["gaps"] == []
    assert coverage["missing_s"] == 0
    assert seen_s >= calm.scenario.length_us / 1e6 - INTERVAL_S
    last = calm.log.events[-1]
    assert coverage["samples"] == pytest.approx(last.uptime_ms / 1000 / INTERVAL_S, abs=1)


def test_device_and_host_agree(calm: Trip) -> None:
    """No excursion for either, and the same temperatures from the same raw values."""
    assert calm.log.checked["excursions"] == []
    assert calm.log.checked["agreement"]["disagreements"] == 0
    assert calm.log.checked["linearisation"]["worst_k"] < 0.02


def test_clock_is_fitted_within_its_own_bound(calm: Trip) -> None:
    """A knock the scenario dates is dated so by the log; the bound is of some use."""
    knock = calm.happening("knock")
    (found,) = calm.log.checked["shocks"]
    assert found["at"]["error_s"] < 1.5
    assert found["at"]["unix_s"] == pytest.approx(
        calm.unix_s(knock.at_us), abs=found["at"]["error_s"] + 0.02
    )


def test_set_down_a_little_hard_is_an_event_below_the_lowest_band(calm: Trip) -> None:
    """14 g: kept, measured, and no reason for anything."""
    (told,) = [event for event in calm.log.events if isinstance(event, ShockEvent)]
    assert told.band == 0
    assert told.flags & layout.SHOCK_GAP == 0
    (found,) = calm.log.checked["shocks"]
    assert found["peak_g"] == pytest.approx(14, rel=0.05)
    assert found["means_hold"] is False
