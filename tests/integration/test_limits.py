"""Where a board comes to its limits: memory, clock, configuration, flash that stalls."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from dewarlog.records import GapEvent, SensorEvent, ShockEvent, StopEvent, TiltEvent
from dewarlog_wire import layout
from line import Trip, check, dewarlog, make_trip, profile_file, pull, scenario_file
from simboard.launch import start

pytestmark = pytest.mark.usefixtures("micropython")

FIFO_MS = 170 / 3200 * 1000  # ADXL372 data sheet, "FIFO": 170 sets of three axes, at 3200 Hz


# --- memory --------------------------------------------------------------------------------------


def _knocks(count: int, every_s: float) -> str:
    return "".join(
        f'[[knock]]\nat = "{60 + number * every_s:g} s"\npeak_g = 30\npulse = "8 ms"\n'
        for number in range(count)
    )


def test_full_memory_stops_the_logger_and_loses_nothing(tmp_path: Path) -> None:
    """What was recorded stays whole; log, status and check all say why it ends."""
    scenario = scenario_file(tmp_path, "2 h", _knocks(100, 30), board="flash_kib = 172")

    def every_second(profile: dict[str, Any]) -> None:
        profile["sampling"]["interval_ms"] = 1000

    with start(scenario, serve=True, profile=profile_file(tmp_path, every_second)) as board:
        board.wait_serving()
        status = dewarlog("status", f"usb:{board.pty}")
        answer = pull(board.pty, tmp_path / "archive")
    log = check(Path(answer["logs"][0]["path"]))
    assert status.returncode == 0
    assert "not recording" in status.stdout
    assert "memory full" in status.stdout
    assert log.checked["intact"] is True
    stops = [event for event in log.events if isinstance(event, StopEvent)]
    assert [stop.cause for stop in stops] == [2]
    gaps = [event for event in log.events if isinstance(event, GapEvent)]
    assert [gap.cause for gap in gaps if gap.stream == layout.STREAM_SAMPLES] == [
        layout.GAP_MEMORY_FULL
    ]
    messages = " ".join(found["message"] for found in log.checked["findings"])
    assert "memory" in messages
    # Nothing lost before the end: a sample each interval until the board stopped.
    recorded_s = log.checked["coverage"]["samples"]
    assert recorded_s == pytest.approx(stops[0].uptime_ms / 1000, abs=2)
    assert log.checked["verdict"] == "HOLD"


def _shaking(folder: Path, at: str, for_s: float) -> str:
    """Shake the board at 30 g without a pause: one shock until the board has enough of it."""
    rows = [
        f"{number / 2000:.4f},{30 * math.sin(number / 2000 * 50 * math.tau):.2f},0,0"
        for number in range(int(for_s * 2000))
    ]
    file = folder / "shaking.csv"
    file.write_text("\n".join(["t_s,x_g,y_g,z_g", *rows]))
    return f'[[recording]]\nat = "{at}"\nfile = "{file}"\ncoupling = "ac"\n'


def test_a_shock_that_goes_on_when_the_run_is_ended_is_told_as_far_as_it_came(
    tmp_path: Path,
) -> None:
    """Its event, marked as having a gap, and its window; both before the STOP."""
    shaking = _shaking(tmp_path, "60 s", 8)
    scenario = scenario_file(tmp_path, "2 min", shaking + '[[stop]]\nat = "64 s"\n')
    trip = make_trip(scenario, tmp_path / "archive")
    (shock,) = [event for event in trip.log.events if isinstance(event, ShockEvent)]
    (window,) = trip.log.checked["shocks"]

    assert shock.flags & layout.SHOCK_GAP
    assert abs(shock.uptime_ms - 60_000) < 4_500
    assert shock.peak / 10 == pytest.approx(30, rel=0.1)
    assert window["peak_g"] == pytest.approx(30, rel=0.1)
    assert isinstance(trip.log.events[-1], StopEvent)
    assert trip.log.checked["intact"] is True


def test_memory_that_fills_amid_a_row_of_knocks_silences_none(tmp_path: Path) -> None:
    """Those that wait for the flash, or still go on, are told before the stop."""
    board = "flash_kib = 172\nerase_ms = [45, 45]"
    scenario = scenario_file(tmp_path, "3 min", _knocks(110, 1), board=board)

    def every_second(profile: dict[str, Any]) -> None:
        profile["sampling"]["interval_ms"] = 1000

    profile = profile_file(tmp_path, every_second)
    trip = make_trip(scenario, tmp_path / "archive", profile=profile)
    (stop,) = [event for event in trip.log.events if isinstance(event, StopEvent)]
    told = [event for event in trip.log.events if isinstance(event, ShockEvent)]

    assert stop.cause == 2
    knocked = [at_s for at_s in range(60, 170) if at_s * 1000 < stop.uptime_ms]
    assert len(knocked) < 110, "memory was to fill amid them"
    assert [round(event.uptime_ms / 1000) for event in told] == knocked


# --- clock ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("board", "code"),
    [("clock_fitted = false", "clock-absent"), ("clock_set = false", "clock-unset")],
)
def test_board_without_a_clock_still_gets_a_verdict(board: str, code: str, tmp_path: Path) -> None:
    """Durations only, said so; and the verdict by the readings."""
    trip = make_trip(
        scenario_file(tmp_path, "30 min", board=board), tmp_path / "archive", "--no-tell-time"
    )
    assert trip.log.checked["clock"]["knows_time"] is False
    assert len(trip.log.findings("no-clock")) == 1
    assert len(trip.log.findings(code)) == 1
    assert trip.log.checked["verdict"] == "USE"
    assert trip.log.exit_code == 0


# --- configuration -------------------------------------------------------------------------------


def test_profile_out_of_range_is_refused_by_name(tmp_path: Path) -> None:
    """The console names field, value and range; nothing is recorded by other limits."""

    def too_fast(profile: dict[str, Any]) -> None:
        profile["sampling"]["interval_ms"] = 50

    scenario = scenario_file(tmp_path, "5 min")
    with start(scenario, profile=profile_file(tmp_path, too_fast)) as board:
        report = board.wait_end()
        console = board.console_output().decode(errors="replace")
    assert "sampling.interval_ms is 50" in console
    assert "1000 to 600000" in console
    assert report["flash_erases"] == 0
    assert report["flash_pages"] == 0


# --- brown-outs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [0, 1])
def test_motion_sensor_that_lost_its_settings_works_again_within_a_minute(
    tmp_path: Path, part: int
) -> None:
    """Told as a fault, then as ok; the knocks, and the lean, that come after it are in the log."""
    name = ("accelerometer", "tilt sensor")[part]
    happenings = _knocks(5, 130) + (
        f'[[brown_out]]\nat = "130 s"\npart = "{name}"\n'
        '[[tilt]]\nat = "5 min"\nfor = "4 min"\nangle_deg = 80\n'
    )
    trip = make_trip(scenario_file(tmp_path, "12 min", happenings), tmp_path / "archive")
    told = [event for event in trip.log.events if isinstance(event, SensorEvent)]
    shocks = [event for event in trip.log.events if isinstance(event, ShockEvent)]
    leans = [event.angle_deg for event in trip.log.events if isinstance(event, TiltEvent)]

    assert [(event.part, event.state) for event in told] == [(part, 3), (part, 0)]
    assert 130_000 < told[0].uptime_ms <= told[1].uptime_ms < 192_000
    assert len(shocks) == 5
    assert max(leans) == pytest.approx(80, abs=3)


# --- stalls --------------------------------------------------------------------------------------


def _shaken(folder: Path, erase_ms: int) -> Trip:
    """Knock every 10.37 s, so that knocks fall on every part of the logging interval."""
    scenario = scenario_file(
        folder, "15 min", _knocks(60, 10.37), board=f"erase_ms = [{erase_ms}, {erase_ms}]"
    )
    trip = make_trip(scenario, folder / "archive")
    assert trip.log.checked["intact"] is True
    return trip


def _shock_gaps(trip: Trip) -> list[GapEvent]:
    return [
        event
        for event in trip.log.events
        if isinstance(event, GapEvent) and event.stream == layout.STREAM_SHOCK
    ]


def test_stall_the_fifo_can_bridge_costs_no_shock_sample(tmp_path: Path) -> None:
    """45 ms an erase: every knock whole, with its peak."""
    trip = _shaken(tmp_path, 45)
    told = [event for event in trip.log.events if isinstance(event, ShockEvent)]
    assert len(told) == 60
    assert _shock_gaps(trip) == []
    assert [event.flags & layout.SHOCK_GAP for event in told] == [0] * 60
    for event in told:
        assert event.peak / 10 == pytest.approx(30, rel=0.05)


def test_stall_the_fifo_cannot_bridge_is_never_silent(tmp_path: Path) -> None:
    """300 ms an erase: each knock is a shock near its time, or lies in a gap of the stream."""
    trip = _shaken(tmp_path, 300)
    _assert_none_is_lost_in_silence(trip, near_ms=200, late_ms=3000)
    for gap in _shock_gaps(trip):
        assert gap.missed == pytest.approx((gap.length_s * 1000 + gap.length_part_ms) * 3.2, abs=4)


def test_a_row_of_knocks_as_long_as_the_shelf_comes_through_whole(tmp_path: Path) -> None:
    """Seven a second, with the part's own noise and erases of up to 300 ms, on a Pico W."""
    trip = _hammered(tmp_path, 15)
    told = [event for event in trip.log.events if isinstance(event, ShockEvent)]
    assert _shock_gaps(trip) == []
    assert [event.flags & layout.SHOCK_GAP for event in told] == [0] * 15
    assert [event.peak / 10 for event in told] == pytest.approx([30] * 15, rel=0.1)
    assert [shock["peak_g"] for shock in trip.log.checked["shocks"]] == pytest.approx(
        [30] * 15, rel=0.1
    )


def test_a_longer_row_comes_through_where_the_fifo_bridges_an_erase(tmp_path: Path) -> None:
    """A full shelf is written a window at a time, and the ring is emptied between."""
    trip = _hammered(tmp_path, 40, "erase_ms = [45, 45]")
    told = [event for event in trip.log.events if isinstance(event, ShockEvent)]
    assert len(told) == 40
    assert _shock_gaps(trip) == []


def test_of_a_longer_row_nothing_is_lost_in_silence(tmp_path: Path) -> None:
    """Erases of up to 300 ms cost knocks then: each is a shock, or in a gap."""
    trip = _hammered(tmp_path, 40)
    assert any(isinstance(event, ShockEvent) for event in trip.log.events)
    _assert_none_is_lost_in_silence(trip, near_ms=75, late_ms=500)


def _hammered(folder: Path, count: int, board: str = "") -> Trip:
    board = f'name = "RPI_PICO_W"\n{board}'
    trip = make_trip(
        scenario_file(folder, "3 min", _knocks(count, 0.15), board=board), folder / "archive"
    )
    assert trip.log.checked["intact"] is True
    return trip


def _assert_none_is_lost_in_silence(trip: Trip, *, near_ms: int, late_ms: int) -> None:
    """Each knock is a shock within `near_ms`, or in a gap, told up to `late_ms` late."""
    told = [event for event in trip.log.events if isinstance(event, ShockEvent)]
    for happening in trip.scenario.happenings:
        at_ms = happening.at_us / 1000
        seen = [event for event in told if abs(event.uptime_ms - at_ms) < near_ms]
        missed = [
            gap
            for gap in _shock_gaps(trip)
            if gap.uptime_ms - gap.length_s * 1000 - gap.length_part_ms - late_ms
            < at_ms
            < gap.uptime_ms + near_ms
        ]
        assert seen or missed, f"knock at {at_ms} ms"
