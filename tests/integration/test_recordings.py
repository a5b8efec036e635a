"""Real recordings through the simulated accelerometer, firmware, cable and checks.

The recordings are not the project's: DEWARLOG_SHOCK_RECORDINGS names the folder that has them, or
they lie beside the repository. Judged by tests/firmware/shock_reference.py: scipy, from the
recording itself through the sensor's own low-pass filter.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import shock_reference
from dewarlog.records import ShockEvent
from line import Trip, make_trip, profile_file, scenario_file
from test_shock import recording

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("micropython")

RATE_HZ = 3200.0
AT_S = 60.0  # when the recording begins
WINDOW_S = 0.32
# ADXL372 data sheet, Table 1: 5.3 mg per root of a Hz, here over 1600 Hz. The hardest of many
# swings is the one that noise has made harder.
NOISE_G = 0.0053 * 1600**0.5


def _low_bands(profile: dict[str, Any]) -> None:
    """Let the lowest band begin at 8 g, with the trigger that goes with it.

    The lowest that can be of use: gravity, the part's offset and five times its noise come near
    the trigger that a lower band needs.
    """
    profile["shock"] |= {"trigger_g": 3.5, "bands_g": [8, 20, 40]}


def _replayed(
    source: shock_reference.Recording, coupling: str, folder: Path, noise: float
) -> Trip:
    """Send a recording through the whole line."""
    table = np.column_stack([source.times_s, source.g])
    csv = folder / "recording.csv"
    np.savetxt(csv, table, "%.9g", ",", header="t_s,x_g,y_g,z_g", comments="")
    replay = f'[[recording]]\nat = "{AT_S:g} s"\nfile = "{csv}"\ncoupling = "{coupling}"\n'
    sensors = f"[sensors]\nshock_noise = {noise:g}\n"
    scenario = scenario_file(folder, "2 min", sensors + replay)
    profile = profile_file(folder, _low_bands)
    trip = make_trip(scenario, folder / "archive", profile=profile)
    assert trip.log.checked["intact"] is True
    return trip


def _events(trip: Trip) -> list[ShockEvent]:
    """Return what the board says of the shocks above the lowest band."""
    return [event for event in trip.log.events if isinstance(event, ShockEvent) and event.band]


@pytest.mark.parametrize("noise", [0, 1])
def test_every_recorded_knock_comes_through(tmp_path: Path, noise: float) -> None:
    """Nine knocks, by device and host: peak within 5 %, velocity change within 10 %.

    The line itself keeps the 5 %; the part's own noise comes on top of a single peak.
    """
    source = recording("knocks_20khz.csv.gz")
    trip = _replayed(source, "ac", tmp_path, noise)
    knocks = source.filtered(RATE_HZ / 2)
    resting = np.median(knocks.g, axis=0)
    hard = np.linalg.norm(knocks.g - resting, axis=1) > 8
    starts = knocks.times_s[np.flatnonzero(hard)]
    onsets_s = [starts[0], *(after for before, after in pairwise(starts) if after - before > 0.03)]
    told = _events(trip)
    found = [shock for shock in trip.log.checked["shocks"] if shock["band"]]
    assert len(onsets_s) == len(told) == len(found) == 9
    for onset_s, event, shock in zip(onsets_s, told, found, strict=True):
        at_s = AT_S + onset_s - knocks.times_s[0]
        began_s = shock["at"]["uptime_ms"] / 1000
        assert began_s - 0.02 < at_s < began_s + WINDOW_S
        baseline_g = np.median(knocks.between(onset_s - 0.011, onset_s - 0.001), axis=0)
        curve_g = knocks.between(onset_s - 0.03, onset_s + 0.03)
        judged = shock_reference.figures(curve_g, baseline_g, knocks.rate_hz)
        peak = pytest.approx(judged.peak_g, abs=0.05 * judged.peak_g + 2 * noise * NOISE_G)
        assert event.peak / 10 == peak
        assert shock["peak_g"] == peak
        velocity = pytest.approx(judged.velocity_change_mm_s, rel=0.1)
        assert event.velocity_change_mm_s == velocity
        assert shock["velocity_change_mm_s"] == velocity


@pytest.mark.parametrize("noise", [0, 1])
def test_recorded_vibration_comes_through(tmp_path: Path, noise: float) -> None:
    """Seven seconds at 10 g: one shock, cut, measured at its hardest swing within the window."""
    source = recording("handled_3khz.csv.gz")
    trip = _replayed(source, "dc", tmp_path, noise)
    shaken = source.filtered(RATE_HZ / 2)
    resting = np.median(shaken.g, axis=0)
    hardest_g = float(np.linalg.norm(shaken.g - resting, axis=1).max())
    told = _events(trip)
    (shock, *_) = [shock for shock in trip.log.checked["shocks"] if shock["band"]]
    assert len(told) == 1
    hardest = pytest.approx(hardest_g, abs=0.05 * hardest_g + 3 * noise * NOISE_G)
    assert told[0].peak / 10 == hardest
    assert shock["peak_g"] == hardest
    began_s = shock["at"]["uptime_ms"] / 1000 - AT_S + shaken.times_s[0]
    curve_g = shaken.between(began_s - 0.03, began_s + 0.31)
    judged = shock_reference.figures(curve_g, resting, shaken.rate_hz)
    assert judged.peak_g == pytest.approx(hardest_g, rel=0.05)
    velocity = pytest.approx(judged.velocity_change_mm_s, rel=0.1)
    assert told[0].velocity_change_mm_s == velocity
    assert shock["velocity_change_mm_s"] == velocity
