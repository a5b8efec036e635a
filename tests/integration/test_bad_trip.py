"""Ten days in which everything happens: each cause is named, and when, by the scenario's times."""

from __future__ import annotations

import io
import json
import math
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv as pa_csv

from dewarlog.records import ExcursionBegin, ExcursionEnd, ShockEvent
from line import INTERVAL_S, dewarlog

if TYPE_CHECKING:
    from pathlib import Path

    from line import Trip

G_M_S2 = 9.80665
FALL_S = math.sqrt(2 * 0.76 / G_M_S2)
SHOCKS = ("drop", "knock", "knock", "knock")  # in the order of the scenario


def _shocks(bad: Trip) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = bad.log.checked["shocks"]
    return found


def _outside_limit(bad: Trip) -> dict[str, Any]:
    """Return the excursion of probe 1 above -150 degC."""
    (found,) = [
        item
        for item in bad.log.checked["excursions"]
        if item["rule"] == 0 and item["channel"] == 0
    ]
    return found


def test_bad_trip_means_hold(bad: Trip) -> None:
    """The verdict and its exit code; the log itself is intact."""
    assert bad.log.checked["verdict"] == "HOLD"
    assert bad.log.exit_code == 1
    assert bad.log.checked["intact"] is True
    assert bad.log.checked["file"]["lost_bytes"] == 0
    assert bad.refused == []


def test_reasons_are_those_of_the_scenario(bad: Trip) -> None:
    """Dry-out on both probes, the gap, the drop, the hardest knock, the tilt; nothing else."""
    reasons = [found for found in bad.log.checked["findings"] if found["severity"] == "hold"]
    codes = sorted(found["code"] for found in reasons)
    assert codes == ["excursion", "excursion", "gap", "shock", "shock", "tilt"]


def test_tilt_is_timed(bad: Trip) -> None:
    """On its side for 3 h: begin, end and length within one interval."""
    tilt = bad.happening("tilt")
    (found,) = bad.log.findings("tilt")
    assert found["start_unix_s"] == pytest.approx(bad.unix_s(tilt.at_us), abs=INTERVAL_S)
    assert found["end_unix_s"] == pytest.approx(bad.unix_s(tilt.end_us), abs=INTERVAL_S)
    assert found["duration_s"] == pytest.approx(3 * 3600, abs=INTERVAL_S)


@pytest.mark.parametrize("number", range(4))
def test_every_shock_is_found_when_it_was(bad: Trip, number: int) -> None:
    """Four, in order, each within its clock's error bound."""
    happened = [entry for entry in bad.scenario.happenings if entry.kind in SHOCKS]
    assert len(_shocks(bad)) == len(happened) == 4
    at = _shocks(bad)[number]["at"]
    assert at["unix_s"] == pytest.approx(
        bad.unix_s(happened[number].at_us), abs=at["error_s"] + FALL_S
    )
    assert at["error_s"] < INTERVAL_S


def test_drop_has_the_velocity_of_its_height(bad: Trip) -> None:
    """0.76 m: 3.86 m/s within 10 %, told by device and host alike."""
    velocity_mm_s = math.sqrt(2 * G_M_S2 * 0.76) * 1000
    told = next(event for event in bad.log.events if isinstance(event, ShockEvent))
    assert told.velocity_change_mm_s == pytest.approx(velocity_mm_s, rel=0.1)
    found = _shocks(bad)[0]
    assert found["velocity_change_mm_s"] == pytest.approx(velocity_mm_s, rel=0.1)
    assert found["means_hold"] is True


@pytest.mark.parametrize(("number", "band"), [(1, 0), (2, 1), (3, 3)])
def test_knocks_have_peak_and_band(bad: Trip, number: int, band: int) -> None:
    """Peaks within 5 % of the scenario's; the one below the lowest band is an event too."""
    peak_g = bad.happening("knock", number - 1).details["peak_g"]
    found = _shocks(bad)[number]
    assert found["band"] == band
    assert found["peak_g"] == pytest.approx(peak_g, rel=0.05)
    told = [event for event in bad.log.events if isinstance(event, ShockEvent)][number]
    assert told.band == band
    assert told.peak / 10 == pytest.approx(peak_g, rel=0.05)


def test_power_cut_is_a_gap_with_its_length(bad: Trip) -> None:
    """Off for 7 min: the gap is told by the board, and its length within one interval."""
    cut = bad.happening("power_cut")
    (gap,) = bad.log.checked["coverage"]["gaps"]
    assert gap["cause"] == "power lost"
    assert gap["told_by_board"] is True
    # From the last sample before to the first after: up to one interval on top of the outage.
    assert gap["length_s"] == pytest.approx(7 * 60, abs=INTERVAL_S + 1)
    assert gap["start"]["unix_s"] == pytest.approx(bad.unix_s(cut.at_us), abs=INTERVAL_S + 1)
    assert gap["end"]["unix_s"] == pytest.approx(bad.unix_s(cut.end_us), abs=INTERVAL_S + 1)
    assert bad.log.checked["coverage"]["restarts"] == 1


def test_no_sample_was_lost_but_in_the_power_cut(bad: Trip) -> None:
    """Samples and gap make up the whole time until the pull, within one interval."""
    coverage = bad.log.checked["coverage"]
    whole_s = coverage["samples"] * INTERVAL_S + coverage["missing_s"]
    last = bad.log.events[-1]
    assert last.boot == 1
    cut = bad.happening("power_cut")
    assert whole_s == pytest.approx((cut.end_us + last.uptime_ms * 1000) / 1e6, abs=2 * INTERVAL_S)


def test_open_probe_is_told_from_a_temperature(bad: Trip) -> None:
    """Probe 2 for 5 min: named, timed, and no reading made up meanwhile."""
    fault = bad.happening("probe_fault")
    (state,) = bad.log.checked["probe_states"]
    assert (state["channel"], state["state"]) == (1, "open")
    assert state["start"]["unix_s"] == pytest.approx(bad.unix_s(fault.at_us), abs=INTERVAL_S + 1)
    assert state["duration_s"] == pytest.approx(300, abs=INTERVAL_S)
    (missing,) = [item for item in bad.log.checked["channels"] if item["channel"] == 1]
    assert missing["missing"] == state["samples"] == 30


def test_dry_out_is_timed_and_has_its_extreme(bad: Trip) -> None:
    """Above -150 degC for 42 min: begin, end, length and the warmest reading.

    The excursion ends 1 K below the limit, where the hysteresis has it: the time above the limit
    is what is compared.
    """
    dry_out = bad.happening("dry_out")
    found = _outside_limit(bad)
    assert found["start"]["unix_s"] == pytest.approx(bad.unix_s(dry_out.at_us), abs=INTERVAL_S + 2)
    assert found["duration_s"] == pytest.approx(42 * 60, abs=INTERVAL_S)
    crossed_s = found["start"]["unix_s"] + found["duration_s"]
    assert crossed_s == pytest.approx(bad.unix_s(dry_out.end_us), abs=2 * INTERVAL_S)
    assert found["extreme"] / 128 == pytest.approx(-138, abs=0.3)


def test_device_and_host_agree_on_every_excursion(bad: Trip) -> None:
    """Begin and end of each, by sample number and length; both sides have all of them."""
    agreement = bad.log.checked["agreement"]
    assert agreement["disagreements"] == 0
    assert agreement["compared_before_sample"] is None
    begins = [
        (event.rule, event.channel, event.onset, event.sample)
        for event in bad.log.events
        if isinstance(event, ExcursionBegin)
    ]
    ends = [
        (event.rule, event.channel, event.duration_s)
        for event in bad.log.events
        if isinstance(event, ExcursionEnd)
    ]
    by_host = bad.log.checked["excursions"]
    assert sorted(begins) == sorted(
        (item["rule"], item["channel"], item["onset_sample"], item["begin_sample"])
        for item in by_host
    )
    assert sorted(ends) == sorted(
        (item["rule"], item["channel"], int(item["duration_s"])) for item in by_host
    )


def test_report_tells_verdict_and_every_cause(bad: Trip, tmp_path: Path) -> None:
    """One page: the word, and each finding's sentence as a person reads it."""
    page = tmp_path / "report.html"
    done = dewarlog("report", bad.log.path, "--output", page)
    assert done.returncode == 1
    text = page.read_text(encoding="utf-8")
    assert "HOLD" in text
    for cause in ("above \u2212150.0 °C", "power lost", "shock of", "tilted", "was open"):
        assert cause in text
    hard = [shock["peak_g"] for shock in bad.log.checked["shocks"] if shock["band"] > 1]
    assert len(hard) == 2  # the drop and the hardest knock; each is named with its peak
    for peak_g in hard:
        assert f"{peak_g:.1f} g" in text
    assert bad.log.checked["file"]["sha256"] in text


def test_csv_has_a_row_for_every_sample(bad: Trip) -> None:
    """As many rows as samples, under one line of names."""
    rows = [line for line in _csv_lines(bad) if not line.startswith(("#", '"#'))]
    assert len(rows) - 1 == bad.log.checked["coverage"]["samples"]


def test_parquet_equals_csv(bad: Trip, tmp_path: Path) -> None:
    """Every column, every row."""
    target = tmp_path / "samples.parquet"
    done = dewarlog("export", bad.log.path, "--format", "parquet", "--output", target, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["rows"] == bad.log.checked["coverage"]["samples"]
    table = pq.read_table(target)
    names = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    for name in names:
        column = table.column(name).cast(pa.string())
        table = table.set_column(table.column_names.index(name), name, column)
    rows = [line for line in _csv_lines(bad) if not line.startswith(("#", '"#'))]
    types = {field.name: field.type for field in table.schema}
    options = pa_csv.ConvertOptions(column_types=types, strings_can_be_null=False)
    from_csv = pa_csv.read_csv(io.BytesIO("\n".join(rows).encode()), convert_options=options)
    assert from_csv.column_names == table.column_names
    for name in table.column_names:
        assert from_csv.column(name).to_pylist() == table.column(name).to_pylist()


def _csv_lines(bad: Trip) -> list[str]:
    done = dewarlog("export", bad.log.path)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
