"""Scenario files: ours load, and a wrong key is named."""

from __future__ import annotations

import gzip
import json
import math
from array import array
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest

from simboard import recording, scenario
from simboard.errors import ScenarioError

if TYPE_CHECKING:
    from pathlib import Path

_LEAST = """
title = "Least"
begins = 2026-03-02T08:00:00Z
length = "2 days"
[[probe]]
channel = 0
"""


def _load(folder: Path, text: str) -> scenario.Scenario:
    file = folder / "case.toml"
    file.write_text(text)
    return scenario.load(file)


@pytest.mark.parametrize("name", ["calm", "bad", "replay"])
def test_our_scenarios_load(name: str) -> None:
    """By name, with their profile."""
    loaded = scenario.load(name)

    assert json.loads(loaded.profile.read_text())["channels"]
    probes = cast("list[dict[str, object]]", loaded.device["probes"])
    assert [probe["channel"] for probe in probes] == [0, 1, 2]


def test_the_bad_trip_has_what_a_bad_trip_needs() -> None:
    """Tilt, drop, knocks, power cut, open probe and dry-out, on their days."""
    loaded = scenario.load("bad")

    days = {}
    for happening in loaded.happenings:
        days.setdefault(happening.kind, []).append(
            (loaded.moment(happening.at_us).date() - loaded.begins.date()).days + 1
        )
    assert days["tilt"] == [3]
    assert days["drop"] == [4]
    assert days["knock"] == [4, 4, 4]
    assert days["power_cut"] == [6]
    assert days["dry_out"] == [9]
    spans_min = {
        happening.kind: (happening.end_us - happening.at_us) / 60e6
        for happening in loaded.happenings
    }
    assert spans_min["tilt"] == 180
    assert spans_min["dry_out"] == 42
    assert spans_min["probe_fault"] == 5


def test_moments_count_days_from_the_first(tmp_path: Path) -> None:
    """Day 1 is the day the trip begins; a duration counts from its beginning."""
    loaded = _load(
        tmp_path,
        _LEAST
        + """
        [[knock]]
        at = "day 2 07:30:15"
        peak_g = 10
        pulse = "5 ms"
        [[knock]]
        at = "36 h"
        peak_g = 10
        pulse = "5 ms"
        """,
    )

    assert [entry.at_us for entry in loaded.happenings] == [
        (23 * 3600 + 30 * 60 + 15) * 1_000_000,
        36 * 3600 * 1_000_000,
    ]


def test_a_trip_can_be_moved_to_end_now() -> None:
    """Dates move, distances stay: the board's clock and the host's messages go along."""
    ends = datetime(2030, 5, 1, 12, 0, tzinfo=UTC)
    moved, fixed = scenario.load("calm", ends=ends), scenario.load("calm")

    assert moved.begins == datetime(2030, 4, 21, 12, 0, tzinfo=UTC)
    assert moved.device["start_utc_s"] == int(moved.begins.timestamp())
    assert moved.happenings == fixed.happenings
    assert [request.at_us for request in moved.requests] == [
        request.at_us for request in fixed.requests
    ]


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        ('[[knock]]\nat = "1 h"\npeak_g = -3\npulse = "5 ms"', "[[knock]] 1: peak_g", "between"),
        ('[[knock]]\nat = "1 h"\npeak_g = 3', "[[knock]] 1: pulse", "missing"),
        ('[[knock]]\nat = "1 h"\npeak = 3\npeak_g = 3\npulse = "1 ms"', "peak", "unknown key"),
        ('[[tilt]]\nat = "later"\nfor = "1 h"\nangle_deg = 9', "[[tilt]] 1: at", "no moment"),
        ('[[tilt]]\nat = "1 h"\nfor = "long"\nangle_deg = 9', "[[tilt]] 1: for", "no duration"),
        ('[[tilt]]\nat = "day 1 07:00"\nfor = "1 h"\nangle_deg = 9', "at", "before the trip"),
        ('[[tilt]]\nat = "3 days"\nfor = "1 h"\nangle_deg = 9', "tilt", "trip is over"),
        ("[board]\ncrystal_ppm = true", "[board]: crystal_ppm", "not a number"),
        ('[board]\nname = "UNO"', "[board]: name", "none of RPI_PICO_W"),
        ("[bored]\nname = 1", "bored", "unknown table"),
        ("[[probe]]\nchannel = 0", "[[probe]] 2: channel", "two probes"),
        ("[[probe]]\nchannel = 7", "[[probe]] 2: channel", "between 0 and 3"),
        ('[[probe_fault]]\nchannel = 2\nkind = "open"\nat = "1 h"', "channel", "no probe"),
        ('[[mark]]\nat = "1 h"\nstep = "lunch"', "[[mark]] 1: step", "none of pack-out"),
        ('[[dry_out]]\nfrom = "20 h"\nfor = "1 h"\npeak_degc = -151', "peak_degc", "not above"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, text: str, where: str, problem: str) -> None:
    """Misspelt, missing, out of range or of the wrong kind."""
    with pytest.raises(ScenarioError) as caught:
        _load(tmp_path, _LEAST + text)

    assert where in caught.value.where
    assert problem in caught.value.problem


def test_a_file_that_is_no_toml_or_is_not_there_says_which_there_are(tmp_path: Path) -> None:
    """The message lists our own scenarios."""
    with pytest.raises(ScenarioError, match="bad, calm, hour, replay"):
        scenario.load(tmp_path / "nothing.toml")
    with pytest.raises(ScenarioError, match=r"case\.toml"):
        _load(tmp_path, "title = ")


def test_a_recording_is_resampled_without_losing_its_peaks(tmp_path: Path) -> None:
    """A 1 kHz burst sampled at 3 kHz keeps its shape on the fine grid."""
    rate_hz = 3000
    file = tmp_path / "burst.csv.gz"

    def x_g(t_s: float) -> float:
        return 10 * math.sin(2 * math.pi * 1000 * t_s) * math.exp(-(((t_s - 0.5) / 0.05) ** 2))

    rows = [f"{i / rate_hz:.6f},{x_g(i / rate_hz):.4f},0,1" for i in range(rate_hz)]
    with gzip.open(file, "wt") as out:
        out.write("t_s,x_g,y_g,z_g\n" + "\n".join(rows) + "\n")

    interval_us, length_us = recording.prepare(file, tmp_path / "out.f32", "case")

    samples = array("f")
    samples.frombytes((tmp_path / "out.f32").read_bytes())
    assert interval_us == pytest.approx(1e6 / rate_hz / 7, rel=1e-4)
    assert length_us == pytest.approx(1e6, rel=1e-3)
    for i in range(7000, 14000, 11):
        assert samples[3 * i] == pytest.approx(x_g(i * interval_us / 1e6), abs=0.05)
    assert min(samples[2::3]) == max(samples[2::3]) == 1.0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("t,x,y,z\n", "first line is not t_s,x_g,y_g,z_g"),
        ("t_s,x_g,y_g,z_g\n0,0,0\n", "line 2"),
        ("t_s,x_g,y_g,z_g\n0,0,0,1\n", "only 1 samples"),
        (
            "t_s,x_g,y_g,z_g\n"
            + "".join(f"{i if i < 50 else i + 40},0,0,1\n" for i in range(100)),
            "line 52",
        ),
    ],
)
def test_a_recording_that_is_none_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    """The row that is wrong is named."""
    file = tmp_path / "bad.csv"
    file.write_text(text)

    with pytest.raises(ScenarioError, match=problem):
        recording.prepare(file, tmp_path / "out.f32", "case")
