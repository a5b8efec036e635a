"""The board tests itself: from the chips' registers to the table on a person's screen.

Most boards here run in virtual time, so that what is measured in time is the same on every
machine; their results are read from the log. The command is run against boards in real time, and
there nothing is asked of what depends on how fast this machine is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from dewarlog.bench import requests
from dewarlog.bench.selftest import SelfTestReport, report_on
from dewarlog.records import (
    Event,
    GapEvent,
    ProbeStateEvent,
    SelfTestResult,
    SensorEvent,
    ShockEvent,
    StopEvent,
)
from dewarlog_wire import layout
from line import Log, dewarlog, profile_file, pull
from simboard.launch import start

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conftest import MicroPython

pytestmark = pytest.mark.usefixtures("micropython")

HEAD: Final = """
title = "A board on the bench"
begins = 2026-03-02T08:00:00Z
length = "{length}"
seed = 11
profile = "cryo_shipper.json"

[board]
{board}

[supply]
{supply}

[sensors]
{sensors}

[[probe]]
channel = 0

[[probe]]
channel = 1

[[probe]]
channel = 2
{last_probe}
"""
ASKED: Final = '[[selftest]]\nat = "6 s"\n'
# Another visit: its greeting ends the conversation that waits for the reply.
STOPPED: Final = '[[stop]]\nat = "6700 ms"\n'
UNANSWERED: Final = "self-test: no answer"
TIMED: Final = {"clock rate", "flash write time", "loop latency"}  # of a machine that is shared


@dataclass(frozen=True)
class Bench:
    """A board that has tested itself, and its log."""

    log: Log
    report: SelfTestReport
    settings: dict[str, str]

    @property
    def failed(self) -> set[str]:
        """The titles of what failed."""
        return {finding.title for finding in self.report.failed}

    @property
    def left_out(self) -> set[str]:
        """The titles of what was not tested."""
        return {finding.title for finding in self.report.left_out}

    def of(self, kind: type[Event]) -> list[Any]:
        """Return the events of one kind."""
        return [event for event in self.log.events if isinstance(event, kind)]


def _scenario(folder: Path, happenings: str = ASKED, **parts: str) -> Path:
    """Write a scenario: 30 s of a board that is asked to test itself 6 s after its start."""
    values = {"length": "30 s", "board": "", "supply": "", "sensors": "", "last_probe": ""} | parts
    file = folder / "bench.toml"
    file.write_text(HEAD.format(**values) + happenings)
    return file


def _bench(
    folder: Path,
    happenings: str = ASKED,
    change: Callable[[dict[str, Any]], object] | None = None,
    *,
    refused: Sequence[str] = (),
    main: str = "",
    **parts: str,
) -> Bench:
    """Let a board test itself in virtual time, pull its log and read it."""
    profile = None if change is None else profile_file(folder, change)
    scenario = _scenario(folder, happenings, **parts)
    with start(scenario, serve=True, profile=profile, main=main) as board:
        board.wait_serving()
        pulled = pull(board.pty, folder / "archive", "--no-tell-time")
        assert board.refused() == list(refused)
        settings = cast("dict[str, str]", board.report["chip_settings"])
        assert board.report["handler_failures"] == []
    log = Log(Path(pulled["logs"][0]["path"]), 0, {})
    return Bench(log, report_on(_results(log)), settings)


def _results(log: Log) -> list[requests.TestResult]:
    return [
        requests.TestResult(
            event.test, event.index, event.verdict, event.value, event.least, event.most
        )
        for event in log.events
        if isinstance(event, SelfTestResult)
    ]


@pytest.fixture(scope="module")
def untested(micropython: MicroPython, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the settings registers of a board that was not asked to test itself."""
    assert micropython.interpreter.command
    with start(_scenario(tmp_path_factory.mktemp("untested"), "")) as board:
        board.process.wait(60)
        return cast("dict[str, str]", board.report["chip_settings"])


def _changed(bench: Bench, untested: dict[str, str]) -> set[str]:
    """Name the chips whose settings are others than without a self-test."""
    return {name for name, found in bench.settings.items() if found != untested[name]}


def test_a_good_board_passes_every_test(tmp_path: Path, untested: dict[str, str]) -> None:
    """Each of the tests there are, once for each probe and axis, and nothing is left out."""
    bench = _bench(tmp_path)
    numbers = [(finding.result.test, finding.result.index) for finding in bench.report.findings]
    several = {0: range(3), 1: range(3), 2: range(3), 3: range(3), 7: range(3)}

    assert bench.report.summary == "PASS: 30 tests passed"
    assert numbers == [
        (test, index)
        for test in range(len(layout.SELFTESTS))
        for index in several.get(test, range(1))
    ]
    assert _changed(bench, untested) == set()


PROBE_FAULT: Final = (
    '[[probe_fault]]\nat = "0 s"\nfor = "29 s"\nchannel = 1\nkind = "{}"\n' + ASKED
)
AXES: Final = {f"tilt sensor self-test, {axis}" for axis in "xyz"}


@pytest.mark.parametrize(
    ("parts", "failed", "left_out"),
    [
        pytest.param({"happenings": PROBE_FAULT.format("open")}, {"probe 2"}, set(), id="open"),
        pytest.param(
            {"happenings": PROBE_FAULT.format("short")},
            {"probe 2"},
            {"cold junction, probe 2", "converter fault logic, probe 2"},
            id="short",
        ),
        pytest.param(
            {"last_probe": "converter_fitted = false"},
            {"converter settings, probe 3"},
            {"probe 3", "cold junction, probe 3", "converter fault logic, probe 3"},
            id="converter missing",
        ),
        pytest.param(
            {"sensors": "shock_fitted = false"},
            {"shock sensor identity"},
            {"shock sensor self-test"},
            id="shock sensor dead",
        ),
        pytest.param(
            {"sensors": "shock_stuck = true"}, {"shock sensor self-test"}, set(), id="shock stuck"
        ),
        pytest.param(
            {"sensors": "tilt_fitted = false"}, {"tilt sensor identity"}, AXES, id="tilt dead"
        ),
        pytest.param({"sensors": "tilt_stuck = true"}, AXES, set(), id="tilt stuck"),
        pytest.param(
            {"board": "clock_set = false"}, {"clock oscillator"}, set(), id="clock never set"
        ),
        pytest.param(
            {"board": "clock_fitted = false"},
            {"clock oscillator"},
            {"clock rate"},
            id="clock missing",
        ),
        pytest.param(
            {"board": "clock_drift_ppm = 50000"}, {"clock rate"}, set(), id="clock too fast"
        ),
        pytest.param(
            {"supply": "source_ohm = 20"}, {"supply drop under load"}, set(), id="supply sags"
        ),
        pytest.param(
            {"supply": "start_mv = 3050\nend_mv = 3050"},
            {"supply under load"},
            set(),
            id="supply low",
        ),
        pytest.param({"board": "flash_kib = 300"}, {"free flash"}, set(), id="flash full"),
        pytest.param(
            {"board": "erase_ms = [500, 500]"},
            {"loop latency"},
            set(),
            id="flash slow",
        ),
        pytest.param({"board": 'radio = "none"'}, {"radio"}, set(), id="radio dead"),
        pytest.param({"board": 'name = "RPI_PICO"'}, set(), {"radio"}, id="no radio by design"),
    ],
)
def test_a_fault_fails_its_own_test_and_no_other(
    tmp_path: Path,
    untested: dict[str, str],
    parts: dict[str, Any],
    failed: set[str],
    left_out: set[str],
) -> None:
    """What cannot be tested because of it is left out, not failed once more; chips are as before.

    Where one is missing, or never was set, its registers are its own.
    """
    bench = _bench(tmp_path, **parts)
    own = {
        chip
        for said, chip in {
            "converter_fitted": "converter 2",
            "shock_fitted": "accelerometer",
            "tilt_fitted": "tilt sensor",
            "clock_set": "clock",
        }.items()
        if said in str(parts)
    }

    assert (bench.failed, bench.left_out) == (failed, left_out)
    assert _changed(bench, untested) == own


def test_the_profile_says_whether_a_tilt_sensor_is_needed(tmp_path: Path) -> None:
    """Where no rule looks at tilt, its absence fails nothing; nor does a radio told to be off."""

    def without_tilt(profile: dict[str, Any]) -> None:
        profile["tilt"]["hold_band"] = 0
        profile["radio"] = {"mode": "off"}

    bench = _bench(tmp_path, change=without_tilt, sensors="tilt_fitted = false")

    assert bench.failed == set()
    assert bench.left_out == {"tilt sensor identity", "radio", *AXES}


def _untouched(bench: Bench, interval_s: float, length_s: float) -> None:
    """Say that the log has every sample in time, and that only the shock sensor was away."""
    gaps = bench.of(GapEvent)
    assert [(gap.stream, gap.cause) for gap in gaps] == [
        (layout.STREAM_SHOCK, layout.GAP_SELFTEST)
    ]
    away_ms = gaps[0].length_s * 1000 + gaps[0].length_part_ms
    assert 670 < away_ms < 1500  # it settles for 370 ms and is pushed for 300
    assert gaps[0].missed == pytest.approx(away_ms * 3.2, abs=4)
    assert bench.of(ProbeStateEvent) == []
    assert bench.of(SensorEvent) == []
    done = dewarlog("check", bench.log.path, "--json")
    coverage = json.loads(done.stdout)["coverage"]
    assert (coverage["gaps"], coverage["missing_s"]) == ([], 0)
    assert coverage["interval_ms"] == interval_s * 1000
    assert coverage["samples"] >= length_s / interval_s


@pytest.mark.parametrize("interval_s", [1, 10])
def test_sampling_goes_on_meanwhile(tmp_path: Path, interval_s: int) -> None:
    """Looks fit between samples that are far apart; else the samples serve, and are as ever."""

    def often(profile: dict[str, Any]) -> None:
        profile["sampling"]["interval_ms"] = 1000 * interval_s

    bench = _bench(tmp_path, change=often)

    assert bench.report.passed
    _untouched(bench, interval_s, 30)


def test_a_run_that_ends_meanwhile_ends(tmp_path: Path, untested: dict[str, str]) -> None:
    """Its log has no results, but says for how long no shock was seen; the chips are as before."""
    bench = _bench(tmp_path, ASKED + STOPPED, refused=[UNANSWERED])
    away = [gap for gap in bench.of(GapEvent) if gap.cause == layout.GAP_SELFTEST]

    assert [(gap.stream, gap.length_s) for gap in away] == [(layout.STREAM_SHOCK, 0)]
    assert bench.log.events[-1].NAME == "stop"
    assert bench.report.findings == ()
    assert _changed(bench, untested) == set()


def test_a_knock_is_waited_out_and_kept(tmp_path: Path) -> None:
    """The sensor is taken away when no shock is going on: what woke it is in the log, whole."""
    knock = '[[knock]]\nat = "5950 ms"\npeak_g = 40\npulse = "8 ms"\n'
    bench = _bench(tmp_path, knock + ASKED)
    (shock,) = bench.of(ShockEvent)

    assert bench.report.passed
    assert shock.flags & layout.SHOCK_GAP == 0
    _untouched(bench, 10, 30)


def test_a_power_cut_meanwhile_leaves_a_board_that_passes(tmp_path: Path) -> None:
    """The half-written file, the lowered limit, the reset sensor: the next boot sees to all."""
    cut = '[[power_cut]]\nat = "6300 ms"\noff = "2 s"\n[[selftest]]\nat = "20 s"\n'
    bench = _bench(tmp_path, ASKED + cut, refused=[UNANSWERED])

    assert bench.failed == set()
    assert len(bench.report.findings) == 30


INTERRUPTED: Final = """
from dewarlog_firmware import app, selftest
step = selftest.SelfTest.step
steps = []

def cut(self):
    busy = step(self)
    steps.append(1)
    if len(steps) == {step}:
        raise KeyboardInterrupt
    return busy

selftest.SelfTest.step = cut
app.run()
print("stopped at step", len(steps))
"""


@pytest.mark.parametrize("step", [20, 200, 450, 800, 1300, 1600])
def test_ctrl_c_meanwhile_leaves_every_chip_as_it_was(
    tmp_path: Path, untested: dict[str, str], step: int
) -> None:
    """Whichever test is going on: at the prompt nobody has to know that there was one."""
    with start(_scenario(tmp_path), main=INTERRUPTED.format(step=step)) as board:
        board.process.wait(60)
        settings = cast("dict[str, str]", board.report["chip_settings"])
        said = board.console_output()

    assert f"stopped at step {step}".encode() in said
    assert settings == untested


WITHOUT_MEMORY: Final = """
from dewarlog_firmware import app
from dewarlog_firmware.sensors import adxl372

def pushed(self):
    raise MemoryError

adxl372.ADXL372.pushed = pushed
app.run()
"""


def test_memory_that_runs_out_meanwhile_is_a_failure_and_no_end(
    tmp_path: Path, untested: dict[str, str]
) -> None:
    """What its job would have told is missing; the run goes on, the chips are as before."""
    bench = _bench(tmp_path, main=WITHOUT_MEMORY)
    told = {finding.title for finding in bench.report.findings}

    assert bench.failed == {"free heap"}
    assert not told & {"shock sensor self-test", "tilt sensor identity"}
    assert _changed(bench, untested) == set()
    assert [gap.cause for gap in bench.of(GapEvent)] == [layout.GAP_SELFTEST]
    assert bench.of(SensorEvent) == []


SLOW: Final = """
from dewarlog_firmware import app

step = app.App.step

def slow(self):
    step(self)
    self.board.sleep_ms({pass_ms})

app.App.step = slow
app.run()
"""


@pytest.mark.parametrize("pass_ms", [110, 250, 290])
def test_slow_passes_fail_no_good_board(
    tmp_path: Path, untested: dict[str, str], pass_ms: int
) -> None:
    """A flash that erases often takes so long; no sensor is judged by when it was looked at.

    The length of the passes themselves has a limit of its own, for the shock ring's sake.
    """
    bench = _bench(tmp_path, main=SLOW.format(pass_ms=pass_ms))

    assert bench.failed - {"loop latency"} == set()
    assert _changed(bench, untested) == set()


@pytest.mark.parametrize(
    ("parts", "failed"),
    [
        ({"sensors": "tilt_stuck = true"}, AXES),
        ({"sensors": "shock_stuck = true"}, {"shock sensor self-test"}),
        ({"board": "clock_drift_ppm = 50000"}, {"clock rate"}),
    ],
)
def test_slow_passes_hide_no_fault(
    tmp_path: Path, parts: dict[str, str], failed: set[str]
) -> None:
    """What fails on a quick board fails on a slow one."""
    bench = _bench(tmp_path, ASKED, None, main=SLOW.format(pass_ms=250), **parts)

    assert bench.failed - {"loop latency"} == failed


@pytest.mark.parametrize(("rate_hz", "limit_ms"), [(800, 1280), (3200, 320), (6400, 160)])
def test_a_pass_may_be_as_long_as_the_shock_ring_bridges(
    tmp_path: Path, rate_hz: int, limit_ms: int
) -> None:
    """Which depends on how often the profile has the sensor measure."""

    def rate(profile: dict[str, Any]) -> None:
        profile["shock"]["rate_hz"] = rate_hz

    bench = _bench(tmp_path, change=rate)
    (most,) = {one.result.most for one in bench.report.findings if one.title == "loop latency"}

    assert most == limit_ms * 1000


def _at_the_end(what: str) -> str:
    """Return a board's program: `what` happens when the shock sensor is to be brought back."""
    return f"""
from dewarlog_firmware import app, selftest, selftest_motion
from dewarlog_firmware.sensors import adxl372

configure = adxl372.ADXL372.configure
push = adxl372.ADXL372.push
failures = []

def pushed(self):
    failures[:] = [0] * {what}
    return push(self)

def fails(self, *arguments, **named):
    if failures:
        failures.pop()
        raise MemoryError
    return configure(self, *arguments, **named)

adxl372.ADXL372.push = pushed
adxl372.ADXL372.configure = fails
app.run()
"""


@pytest.mark.parametrize("times", [1, 2])
def test_memory_that_runs_out_at_the_end_takes_no_sensor_away(
    tmp_path: Path, untested: dict[str, str], times: int
) -> None:
    """The shock sensor is brought back at the second try, or when the chips are looked at."""
    bench = _bench(tmp_path, main=_at_the_end(str(times)), length="80 s")

    assert _changed(bench, untested) == set()
    assert bench.of(SensorEvent) == []


WITHOUT_RESULTS: Final = """
from dewarlog_firmware import app, selftest

def no_room(self):
    raise MemoryError

selftest.SelfTest._finish = no_room
app.run()
"""


def test_results_that_find_no_memory_end_no_recording(tmp_path: Path) -> None:
    """The host hears nothing; the run goes on to the end of the scenario."""
    bench = _bench(tmp_path, refused=[UNANSWERED], main=WITHOUT_RESULTS)

    assert bench.of(StopEvent) == []
    done = dewarlog("check", bench.log.path, "--json")
    coverage = json.loads(done.stdout)["coverage"]
    assert coverage["gaps"] == []
    assert coverage["samples"] >= 3  # one every 10 s, from the start on; the last may be due yet


# --- the command ---------------------------------------------------------------------------------


def test_the_command_prints_what_the_log_says(tmp_path: Path) -> None:
    """Table, JSON and events agree; the exit code is that of the verdict."""
    with start(_scenario(tmp_path, ""), real_time=True) as board:
        said = dewarlog("selftest", f"usb:{board.pty}")
        told = dewarlog("selftest", f"usb:{board.pty}", "--json")
        pulled = pull(board.pty, tmp_path / "archive", "--no-tell-time")
    report = report_on(_results(Log(Path(pulled["logs"][0]["path"]), 0, {})))
    first, second = (
        SelfTestReport(report.findings[:30]),
        SelfTestReport(report.findings[30:]),
    )
    data = json.loads(told.stdout)

    assert {finding.title for finding in report.failed} <= TIMED
    assert said.returncode == (0 if first.passed else 1)
    assert told.returncode == data["exit_code"] == (0 if second.passed else 1)
    lines = said.stdout.splitlines()
    assert len(lines) == 1 + 30 + 2
    for line, finding in zip(lines[1:31], first.findings, strict=True):
        assert [cell.strip() for cell in line.split("  ") if cell.strip()] == list(finding.row)
    assert lines[-1] == first.summary
    assert "is recording" in said.stderr
    assert data["tests"] == [finding.as_data() for finding in second.findings]


def test_a_failure_has_its_own_exit_code_and_name(tmp_path: Path) -> None:
    """An open probe, in real time, by the real host."""
    fault = PROBE_FAULT.format("open").replace(ASKED, "").replace("29 s", "600 s")
    scenario = _scenario(tmp_path, fault, length="700 s")
    with start(scenario, real_time=True) as board:
        done = dewarlog("selftest", f"usb:{board.pty}")

    assert done.returncode == 1
    assert "probe 2                         open" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("FAIL: ")


def test_a_board_too_full_to_record_tests_itself_all_the_same(tmp_path: Path) -> None:
    """Nothing samples there: its looks are the only conversions, and its log takes no results."""
    with start(_scenario(tmp_path, "", board="flash_kib = 100"), real_time=True) as board:
        done = dewarlog("selftest", f"usb:{board.pty}", "--json")
    data = json.loads(done.stdout)
    failed = {test["title"] for test in data["tests"] if test["verdict"] == "fail"}

    assert (done.returncode, data["recorded"]) == (1, False)
    assert failed - TIMED == {"free flash"}
