"""Probes in baths: where they are when, how they get there, and what their wires add."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from device_script import on_device
from simboard import scenario
from simboard.errors import ScenarioError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import MicroPython

_BATHS: Final = """
from simboard.device.bath import Baths
S = 1000000
PLACES = {"dewar": -192300000, "air": 21000000}

def baths(schedule, settle=20, stir=0):
    micro = {"ice": 0, "ln2": -195795000}
    return Baths(schedule, micro, settle * S, stir, 3, lambda name: PLACES[name])
"""
_CASE: Final = """
title = "Baths"
begins = 2026-03-02T08:00:00Z
length = "1 h"
[ambient]
pressure_hpa = {hpa}
[[probe]]
channel = 0
{keys}
"""


def _load(folder: Path, keys: str = "", hpa: float = 1013.25) -> dict[str, Any]:
    file = folder / "case.toml"
    file.write_text(_CASE.format(keys=keys, hpa=hpa))
    return cast("dict[str, Any]", scenario.load(file).device)


def test_a_probe_nears_its_bath_with_its_time_constant(micropython: MicroPython) -> None:
    """From where it was: the dewar, then ice, then nitrogen before it has come to rest."""
    shown = on_device(
        micropython,
        _BATHS,
        """
        b = baths([[60 * S, "ice"], [90 * S, "ln2"]])
        show([b.micro_degc(t * S) for t in (0, 59, 60, 80, 90, 110, 400)])
        """,
    )

    at_90 = -192.3 * math.exp(-1.5)
    at_110 = -195.795 + (at_90 + 195.795) * math.exp(-1)
    expected = [-192.3, -192.3, -192.3, -192.3 * math.exp(-1), at_90, at_110, -195.795]
    assert [micro / 1e6 for micro in shown[0]] == pytest.approx(expected, abs=1e-4)


def test_a_probe_that_is_in_a_bath_from_the_beginning_is_at_rest(micropython: MicroPython) -> None:
    """It has been there for long."""
    assert on_device(micropython, _BATHS, 'show(baths([[0, "ice"]]).micro_degc(0))') == [0]


def test_stirring_moves_a_probe_by_its_standard_deviation(micropython: MicroPython) -> None:
    """The same at the same moment, another one some seconds later; none in air."""
    shown = on_device(
        micropython,
        _BATHS,
        """
        b = baths([[0, "ice"]], stir=20000)
        show([b.micro_degc(10 * S * i) for i in range(400)])
        show(b.micro_degc(4000 * S) == b.micro_degc(4000 * S + 1000))
        b.put("air", 5000 * S)
        show(b.micro_degc(6000 * S))
        """,
    )

    assert statistics.stdev(shown[0]) == pytest.approx(20000, rel=0.1)
    assert abs(statistics.mean(shown[0])) < 3000
    assert shown[1:] == [True, 21000000]


def test_an_order_puts_a_probe_into_a_bath_and_ends_the_schedule(micropython: MicroPython) -> None:
    """What the scenario still had in mind is forgotten."""
    shown = on_device(
        micropython,
        _BATHS,
        """
        b = baths([[100 * S, "ice"]])
        show(b.used)
        c = baths([])
        show(c.used)
        b.put("ln2", 50 * S)
        c.put("ln2", 50 * S)
        show([b.micro_degc(50 * S), b.micro_degc(900 * S), c.micro_degc(900 * S), c.used])
        """,
    )

    assert shown == [True, False, [-192300000, -195795000, -195795000, True]]


def test_a_wire_too_strong_reads_its_own_voltage_too_large(micropython: MicroPython) -> None:
    """By percents of the wire's voltage between tip and terminals; the offset comes on top."""
    shown = on_device(
        micropython,
        """
        from simboard.device import its90
        from simboard.device.probe import Probe
        class Dewar:
            at_us = 0
            board_micro_degc = 23000000
            micro_degc = {"neck": -130000000}
            def advance(self, us): pass
        sound = Probe(Dewar(), "T", "neck", [], 0, 0)
        strong = Probe(Dewar(), "T", "neck", [], 9000, 0, 5000)
        show([sound.input_nv(0), strong.input_nv(0)])
        """,
    )

    sound, strong = shown[0]
    assert strong == pytest.approx(sound * 1.005 + 9000, abs=2)


@pytest.mark.parametrize(
    ("hpa", "degc"), [(1013.25, -195.795), (760.43, -198.15), (968.4, -196.177), (600, -199.98)]
)
def test_nitrogen_boils_as_the_air_of_the_scenario_has_it(
    tmp_path: Path, hpa: float, degc: float
) -> None:
    """By the saturation table, from sea level to the mountains."""
    assert _load(tmp_path, hpa=hpa)["bath_micro_degc"]["ln2"] / 1e6 == pytest.approx(
        degc, abs=0.01
    )


def test_baths_of_a_scenario_are_moments_and_names(tmp_path: Path) -> None:
    """In microseconds, with time constant and stirring."""
    device = _load(
        tmp_path, 'bath = [["0 s", "ice"], ["10 min", "ln2"]]\nsettle = "35 s"\nstir_k = 0.02'
    )
    (probe,) = device["probes"]

    assert probe["baths"] == [[0, "ice"], [600_000_000, "ln2"]]
    assert (probe["settle_us"], probe["stir_k"]) == (35_000_000, 0.02)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ('bath = [["0 s", "tea"]]', "none of ice, ln2, air, dewar"),
        ('bath = [["soon", "ice"]]', "no moment"),
        ('bath = [["9 min", "ice"], ["8 min", "ln2"]]', "not in order"),
        ('bath = ["0 s", "ice"]', "not a list of pairs"),
        ('bath = "ice"', "not a list of pairs"),
        ('settle = "0 s"', "no probe is where its bath is at once"),
        ("stir_k = -1", "between"),
        ("slope_percent = 21", "between"),
    ],
)
def test_a_bath_that_cannot_be_is_named(tmp_path: Path, keys: str, problem: str) -> None:
    """By its key."""
    with pytest.raises(ScenarioError, match=problem):
        _load(tmp_path, keys)
