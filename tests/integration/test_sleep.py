"""A board that sleeps between samples: its log is worth no less, and a host finds it in time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from dewarlog.records import ShockEvent
from line import INTERVAL_S, Trip, finish, profile_file, scenario_file
from simboard.launch import start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import MicroPython

pytestmark = pytest.mark.usefixtures("micropython")

COUNTS_A_G: Final = 10
HOUR_S: Final = 3600
KNOCKS: Final = 12


def knocks() -> str:
    """Return knocks at moments that fall anywhere between samples and sleeps."""
    return "".join(
        f'[[knock]]\nat = "{60 + 137.013 * number:.3f} s"\npeak_g = {30 + 2 * number}\n'
        f'pulse = "6 ms"\n'
        for number in range(KNOCKS)
    )


def _light(profile: dict[str, Any]) -> None:
    profile["power"] = {"sleep": "light"}
    profile["radio"] = {"mode": "off"}


def _idle(profile: dict[str, Any]) -> None:
    profile["radio"] = {"mode": "off"}


def _light_with_radio(profile: dict[str, Any]) -> None:
    profile["power"] = {"sleep": "light"}


@dataclass(frozen=True)
class Slept:
    """A trip, and what its board told of its energy until a host came."""

    trip: Trip
    energy: dict[str, Any]

    def shocks(self) -> list[ShockEvent]:
        """Return the shocks of the log."""
        return [event for event in self.trip.log.events if isinstance(event, ShockEvent)]


def travel(
    folder: Path, happenings: str, change: Callable[[dict[str, Any]], object], length: str = "1 h"
) -> Slept:
    """Run a trip and pull its log."""
    scenario = scenario_file(folder, length, happenings)
    board = start(scenario, serve=True, profile=profile_file(folder, change))
    trip = finish(board, folder / "archive", "--no-tell-time")
    told = next(line for line in board.lines if line.startswith("report "))
    return Slept(trip, json.loads(told[len("report ") :])["energy"])


@pytest.fixture(scope="module")
def light(micropython: MicroPython, tmp_path_factory: pytest.TempPathFactory) -> Slept:
    """Return an hour with knocks, slept through lightly."""
    assert micropython.interpreter.command
    return travel(tmp_path_factory.mktemp("light"), knocks(), _light)


@pytest.fixture(scope="module")
def idle(micropython: MicroPython, tmp_path_factory: pytest.TempPathFactory) -> Slept:
    """Return the same hour with all clocks on."""
    assert micropython.interpreter.command
    return travel(tmp_path_factory.mktemp("idle"), knocks(), _idle)


def test_a_calm_hour_wakes_the_board_for_its_samples_alone(tmp_path: Path) -> None:
    """A tick, and the converters' answers, which come together; the start is the rest.

    One that finds the board awake, at work for another reason, is not waked for.
    """
    slept = travel(tmp_path, "", _idle)

    needed = HOUR_S / INTERVAL_S * 2
    assert 0.99 * needed <= slept.energy["wake_ups"] <= 1.05 * needed
    assert slept.energy["light_sleeps"] == 0


def test_a_light_hour_is_spent_asleep(light: Slept) -> None:
    """All but what samples, flash, shocks and looks for a host take."""
    assert light.energy["light_ms"] > 0.9 * HOUR_S * 1000
    assert light.energy["radio_lost"] == 0


@pytest.mark.parametrize("way", ["light", "idle"])
def test_no_sample_is_late_or_lost(way: str, request: pytest.FixtureRequest) -> None:
    """Every interval has its sample, and nothing speaks against the log."""
    slept: Slept = request.getfixturevalue(way)
    coverage = slept.trip.log.checked["coverage"]

    assert coverage["gaps"] == []
    assert coverage["missing_s"] == 0
    assert coverage["samples"] >= HOUR_S / INTERVAL_S
    assert slept.trip.log.findings("gap") == []


def test_every_shock_is_caught_asleep_as_it_is_awake(light: Slept, idle: Slept) -> None:
    """As many, as hard, at the same moments: the accelerometer kept what nobody saw come."""
    assert len(idle.shocks()) == KNOCKS
    assert len(light.shocks()) == KNOCKS
    for asleep, awake in zip(light.shocks(), idle.shocks(), strict=True):
        assert asleep.peak == pytest.approx(awake.peak, abs=COUNTS_A_G)
        assert asleep.uptime_ms == pytest.approx(awake.uptime_ms, abs=20)


def test_a_host_that_plugs_in_while_the_board_sleeps_gets_its_answer(light: Slept) -> None:
    """The log above was pulled from a board that had slept until the cable came."""
    assert light.energy["usb_lost_bytes"] == 0  # until the host came, nobody spoke
    assert light.trip.log.checked["intact"] is True


def test_with_the_radio_on_the_board_never_sleeps_lightly(tmp_path: Path) -> None:
    """Whatever the profile allows: the radio's stack needs its turns."""
    slept = travel(tmp_path, "", _light_with_radio, "10 min")

    assert slept.energy["light_sleeps"] == 0
    assert slept.energy["radio_lost"] == 0
    assert slept.energy["wait_ms"] > 0.9 * 600 * 1000
