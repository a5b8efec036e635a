"""Calibration on the simulated board: what the scenario hid is found, and nothing else is changed.

The board runs two minutes a second. Probes are put into baths when the command asks for them.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import termios
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from dewarlog import its90
from dewarlog.calibrate.file import CalibrationShelf
from dewarlog.calibrate.stability import Thresholds
from dewarlog.readings import LogReader
from dewarlog.records import Block, ProfileWritten
from line import COMMAND_S, check, command, dewarlog, environment, profile_file, pull
from simboard.launch import SimBoard, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    _OnLine = Callable[[str, subprocess.Popen[str]], None]

pytestmark = pytest.mark.usefixtures("micropython")

_SPEED: Final = 120
_BOARD: Final = "e660583883724a32"
_HPA: Final = 968.4
_BOILS_DEGC: Final = -196.177  # at 968.4 hPa: between two points of the saturation table
_OFFSETS_UV: Final = (9.0, -6.0, 0.0)
_SLOPES_PERCENT: Final = (0.2, 0.0, -0.3)
_BOARD_DEGC: Final = 22.2  # the room, and what the board warms itself by
_SCENARIO: Final = """
title = "A bench with two baths"
begins = 2026-03-02T08:00:00Z
length = "10 days"
seed = 7
profile = "cryo_shipper.json"

[ambient]
swing_k = 0
pressure_hpa = 968.4

[[probe]]
channel = 0
bath = [["0 s", "air"]]
offset_uv = 9
slope_percent = 0.2

[[probe]]
channel = 1
bath = [["0 s", "air"]]
offset_uv = -6
{stir}

[[probe]]
channel = 2
bath = [["0 s", "air"]]
slope_percent = {slope}
"""


def _start(folder: Path, *, stir: str = "", slope: float = -0.3, more: str = "") -> SimBoard:
    file = folder / "bench.toml"
    file.write_text(_SCENARIO.format(stir=stir, slope=slope) + more)
    profile = profile_file(folder, _with_an_offset)
    return start(file, real_time=True, speed=_SPEED, profile=profile)


def _with_an_offset(document: dict[str, Any]) -> None:
    """Let the board correct a probe already, and have been armed for a trip."""
    document["channels"][1]["offset_degc"] = 0.5
    document["arming"] = {"at": "2026-03-02T07:00:00Z", "planned_h": 100, "actor": "A. Packer"}


@dataclass
class Calibrated:
    """What came of one run of the command."""

    code: int
    answer: dict[str, Any]
    said: str


def _calibrate(
    board: SimBoard,
    archive: Path,
    *options: str,
    on_line: _OnLine | None = None,
    json_too: bool = False,
) -> Calibrated:
    """Run the command to its end; `on_line` gets each line of standard error as it comes."""
    arguments = ["calibrate", f"usb:{board.pty}", "--archive", str(archive), "--yes", *options]
    if json_too:
        arguments.append("--json")
    said: list[str] = []
    with subprocess.Popen(
        command(*arguments),
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        for line in process.stderr:
            said.append(line)
            if on_line is not None:
                on_line(line, process)
        output = process.stdout.read()
        code = process.wait(COMMAND_S)
    answer = json.loads(output) if json_too and output else {}
    return Calibrated(code, answer, "".join(said) + output)


def _into_baths(board: SimBoard) -> _OnLine:
    """Do what the command says."""

    def do(line: str, _process: object) -> None:
        for begin, name in (("Ice point", "ice"), ("LN2 point", "ln2")):
            if line.startswith(begin):
                for channel in range(3):
                    board.bath(channel, name)

    return do


def _deviation_k(channel: int, degc: float) -> float:
    """What a chain of the scenario is off: by ITS-90, from what was hidden in it."""
    terminals = its90.emf_mv("T", _BOARD_DEGC)
    wire = (its90.emf_mv("T", degc) - terminals) * (1 + _SLOPES_PERCENT[channel] / 100)
    return its90.temperature_degc("T", wire + _OFFSETS_UV[channel] / 1000 + terminals) - degc


def _kept(archive: Path) -> list[dict[str, Any]]:
    """Return what was kept of the board under test."""
    return [
        json.loads(file.read_text())
        for file in sorted(archive.glob(f"{_BOARD}/calibrations/*Z*.json"))
        if not file.name.endswith(".applied.json")
    ]


def _file_an_earlier_one(archive: Path) -> None:
    """File a calibration of two years ago, on another board: one probe was 2 K off, one as now."""
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=700)
    line = {"name": "all", "u_k": 0.1, "basis": "as filed"}
    point = {
        "point": "ln2",
        "reference_degc": -195.8,
        "u_k": 0.1,
        "contributions": [line],
        "pressure_hpa": 1013.0,
        "at": at,
        "waited_s": 200.0,
        "readings": 19,
        "window_s": 180.0,
        "slope_k_per_min": 0.001,
        "slope_u_k_per_min": 0.002,
        "spread_k": 0.01,
    }
    probe = {
        "probe_type": "T",
        "offset_before_degc": 0.0,
        "offset_degc": 0.0,
        "u_k": 0.2,
        "contributions": [line],
        "hold_limit_degc": -150.0,
        "left_at_hold_limit_k": 0.0,
        "left_is_known": False,
    }
    known = [("TC-T-0414", 2.0), ("TC-T-0412", _deviation_k(0, -195.8))]
    CalibrationShelf(archive).file(
        {
            "device_id": "0" * 16,
            "run": 1,
            "at": at,
            "actor": "A. Engineer",
            "reference": "Flask 1",
            "pressure": "1013 hPa at the bath",
            "valid_months": 12,
            "calibrated": at.date(),
            "due": (at + timedelta(days=365)).date(),
            "thresholds": asdict(Thresholds()),
            "probes": [
                probe
                | {"channel": channel, "serial": serial}
                | {"points": [point | {"indicated_degc": -195.8 + deviation_k}]}
                for channel, (serial, deviation_k) in enumerate(known)
            ],
            "series": [],
        }
    )


# --- a calibration that goes through -------------------------------------------------------------


@dataclass
class Whole:
    """One calibration with all that came of it."""

    done: Calibrated
    archive: Path
    status: dict[str, Any]
    log: Path
    folder: Path
    history: dict[str, Any]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Calibrate three probes in both baths, then pull the board's log."""
    folder = tmp_path_factory.mktemp("whole")
    archive = folder / "archive"
    with _start(folder) as board:
        _file_an_earlier_one(archive)
        done = _calibrate(
            board,
            archive,
            *("--pressure-hpa", str(_HPA), "--actor", "A. Engineer", "--reference", "Flask 3"),
            on_line=_into_baths(board),
        )
        assert done.code == 0, done.said
        status = json.loads(dewarlog("status", f"usb:{board.pty}", "--json").stdout)
        history = json.loads(
            dewarlog(
                *("calibrate", "--history", f"usb:{board.pty}", "--json"),
                *("--archive", archive, "--plot", folder / "drift.svg"),
            ).stdout
        )
        pulled = pull(board.pty, archive)
    log = pulled["logs"][-1]["path"]
    return Whole(done, archive, status, folder / log, folder, history)


def test_hidden_errors_are_found_within_the_stated_uncertainty(whole: Whole) -> None:
    """Each deviation at each point, and what is left at the hold limit."""
    (record,) = _kept(whole.archive)

    for probe in record["probes"]:
        channel = probe["channel"]
        for point in probe["points"]:
            degc = 0.0 if point["point"] == "ice" else _BOILS_DEGC
            found_k = point["indicated_degc"] - point["reference_degc"]
            assert point["reference_degc"] == pytest.approx(degc, abs=0.01)
            assert abs(found_k - _deviation_k(channel, degc)) < 2 * point["u_k"]
            # It is far better than that: the scenario's baths have no oxygen and no depth.
            assert found_k == pytest.approx(_deviation_k(channel, degc), abs=0.05)
        left_k = _deviation_k(channel, -150.0) + probe["offset_degc"]
        assert probe["left_at_hold_limit_k"] == pytest.approx(left_k, abs=0.06)
        assert abs(left_k) < 2 * probe["u_k"]


def test_the_corrected_readings_are_those_of_the_bath(whole: Whole) -> None:
    """After the restart every probe reads what nitrogen boils at."""
    for degc in whole.status["readings_degc"][:3]:
        assert degc == pytest.approx(_BOILS_DEGC, abs=0.1)


def test_the_next_run_tells_the_calibration_in_its_first_block(whole: Whole) -> None:
    """Offset, uncertainty, dates and both points of each probe, with their reference."""
    (record,) = _kept(whole.archive)
    with whole.log.open("rb") as file:
        first = next(iter(LogReader(file, whole.log).items()))
    assert isinstance(first, Block)
    run = first.run_settings
    assert run is not None

    assert run.arming is None  # nobody armed this run
    today = datetime.fromisoformat(record["calibrated"]).replace(tzinfo=UTC).timestamp()
    for channel, probe in zip(run.channels, record["probes"], strict=True):
        assert channel.offset_count == round(probe["offset_degc"] * 128)
        assert channel.calibration_u_count == pytest.approx(probe["u_k"] * 128, abs=0.6)
        assert channel.calibrated_unix_s == today
        assert channel.calibration_due_unix_s == pytest.approx(today + 365.5 * 86400, abs=86400)
    points = [
        (point.channel, point.point, point.reference, point.serial) for point in run.calibrations
    ]
    assert points == [
        (channel.channel, point, "Flask 3", channel.serial)
        for channel in run.channels
        for point in (0, 1)
    ]
    assert {point.pressure_pa for point in run.calibrations} == {0, 96840}


def test_the_run_before_ends_with_who_calibrated(whole: Whole) -> None:
    """A profile event for the purpose of calibration, with the actor."""
    logs = sorted(whole.archive.glob("*/*/*.dwl"))
    events = [event for event in check(logs[0]).events if isinstance(event, ProfileWritten)]

    assert [(event.purpose, event.actor) for event in events] == [(1, "A. Engineer")]
    assert "probes 1, 2, 3" in events[0].note


def test_everything_is_kept_in_the_archive(whole: Whole) -> None:
    """Budgets that add up, every sample polled, and that the board took it."""
    (record,) = _kept(whole.archive)
    (applied,) = whole.archive.glob(f"{_BOARD}/calibrations/*.applied.json")

    assert [series["point"] for series in record["series"]] == ["ice", "ln2"]
    for series in record["series"]:
        assert len(series["rows"]) > 12
        assert {len(row) for row in series["rows"]} == {6}
    for probe in record["probes"]:
        for lines, u_k in [
            (probe["contributions"], probe["u_k"]),
            *((point["contributions"], point["u_k"]) for point in probe["points"]),
        ]:
            assert sum(line["u_k"] ** 2 for line in lines) == pytest.approx(u_k**2)
    proof = json.loads(applied.read_text())
    assert [one["channel"] for one in proof["verified"]] == [0, 1, 2]
    assert not os.access(applied, os.W_OK) or os.geteuid() == 0


def test_a_probe_that_moved_since_it_was_calibrated_is_told(whole: Whole) -> None:
    """By more than both calibrations may be off; another that did not move is not."""
    (line,) = [line for line in whole.done.said.splitlines() if "DRIFT" in line]

    moved_k = _deviation_k(2, _BOILS_DEGC) - 2.0
    assert f"Probe 3 (TC-T-0414) moved by {moved_k:+.1f}" in line
    assert "another converter then: logger 0000000000000000, probe 1" in line


def test_the_history_tells_each_comparison_once_and_draws_it(whole: Whole) -> None:
    """Board and archive know the same six; two of the probes were on another board before."""
    found = [(one["probe"], one["point"], one["applied"]) for one in whole.history["found"]]

    assert found[:2] == [(2, "ln2", False), (1, "ln2", False)]
    assert found[2:] == sorted(
        [(probe, point, True) for probe in (1, 2, 3) for point in ("ice", "ln2")],
        key=lambda one: (one[1], one[0]),
    )
    assert len(whole.history["jumps"]) == 1
    assert "TC-T-0413" in (whole.folder / "drift.svg").read_text()


def test_the_due_list_names_every_probe_of_the_archive(whole: Whole) -> None:
    """By the calibration, which is newer than what the log's run before says."""
    listed = json.loads(
        dewarlog("calibrate", "--due", "--archive", whole.archive, "--json").stdout
    )

    assert [(one["probe"], one["serial"]) for one in listed["probes"]] == [
        (1, "TC-T-0412"),
        (2, "TC-T-0413"),
        (3, "TC-T-0414"),
    ]
    assert all(360 < one["days_left"] < 370 for one in listed["probes"])


# --- one that does not ---------------------------------------------------------------------------


@dataclass
class Bench:
    """A board on which nothing must change, and an archive in which nothing must be kept."""

    board: SimBoard
    archive: Path

    def state(self) -> tuple[int, int]:
        """Return run and start."""
        status = json.loads(dewarlog("status", f"usb:{self.board.pty}", "--json").stdout)
        return status["run"], status["boot"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Start a board whose second probe is never still, in the air of a room."""
    with _start(tmp_path, stir="stir_k = 0.6", slope=1.5) as board:
        yield Bench(board, tmp_path / "archive")


def _air(
    bench: Bench, *options: str, on_line: _OnLine | None = None, json_too: bool = False
) -> Calibrated:
    return _calibrate(
        bench.board,
        bench.archive,
        "--pressure-hpa",
        str(_HPA),
        "--settle-min",
        "4",
        *options,
        on_line=on_line,
        json_too=json_too,
    )


def test_what_goes_wrong_in_a_bath_is_told_and_changes_nothing(bench: Bench) -> None:
    """A wrong bath, and a probe that errs by more than its class: exit 5 each."""
    before = bench.state()
    for channel in range(3):
        bench.board.bath(channel, "ice")

    wrong = _air(bench, "--points", "ln2", "--probe", "1", json_too=True)
    suspect = _air(
        bench,
        "--points",
        "ln2",
        "--probe",
        "3",
        "--settle-min",
        "9",
        on_line=_into_baths(bench.board),
    )

    assert (wrong.code, wrong.answer["error"]) == (5, "WrongBath")
    assert "it looks as if it were in the ice bath" in wrong.answer["message"]
    assert suspect.code == 5
    assert "An offset must not hide that" in suspect.said
    assert bench.state() == before
    assert _kept(bench.archive) == []


def test_a_probe_that_breaks_in_the_middle_is_told(tmp_path: Path) -> None:
    """Open from the sixth minute on: by number and fault, and nothing is changed."""
    fault = '[[probe_fault]]\nchannel = 0\nkind = "open"\nat = "9 min"\nfor = "9 h"\n'
    with _start(tmp_path, more=fault) as board:
        bench = Bench(board, tmp_path / "archive")
        done = _air(bench, "--points", "ln2", "--settle-min", "60")

        assert done.code == 5
        assert "Probe 1 gives no readings in the liquid nitrogen: open" in done.said
        assert bench.state()[0] == 1


def test_a_pulled_cable_and_ctrl_c_leave_the_board_as_it_was(bench: Bench) -> None:
    """Both in the midst of a bath; the note says that nothing was changed."""
    before = bench.state()

    def press(line: str, process: subprocess.Popen[str]) -> None:
        if line.startswith("  probe 1"):  # once: a second would meet a program that is ending
            process.send_signal(signal.SIGINT)

    stopped = _air(bench, on_line=press)
    after = bench.state()

    def pull_it(line: str, _process: object) -> None:
        if line.startswith("  probe"):
            bench.board.process.kill()

    pulled = _air(bench, on_line=pull_it)

    assert (stopped.code, pulled.code) == (130, 5)
    assert "nothing was changed on the logger" in stopped.said
    assert "nothing was changed on the logger" in pulled.said
    assert after == before
    assert _kept(bench.archive) == []


def test_probes_taken_out_too_early_are_not_verified(tmp_path: Path) -> None:
    """The board has the calibration, and its readings do not show it: that is said, exit 5."""

    def take_out(line: str, process: subprocess.Popen[str]) -> None:
        _into_baths(board)(line, process)
        if line.startswith("writing to the logger"):
            board.bath(0, "air")

    with _start(tmp_path) as board:
        bench = Bench(board, tmp_path / "archive")
        done = _air(
            bench, "--points", "ln2", "--probe", "1", "--settle-min", "60", on_line=take_out
        )
        run = bench.state()[0]

    assert (done.code, run) == (5, 2)
    assert "but not verified: probe 1 reads" in done.said
    assert len(_kept(bench.archive)) == 1
    assert not list(bench.archive.glob("*/calibrations/*.applied.json"))


def test_a_person_at_a_terminal_is_asked_and_may_say_no(tmp_path: Path) -> None:
    """Pressure, bath, then what was found; after a no the board is as it was, the file is kept."""
    asked = ("Air pressure at the bath in hPa", f"{_HPA}\n")
    answers = [asked, ("Enter when they are in", "\n"), ("Write this to the logger?", "n\n")]
    end_of_input = "\x04"
    with _start(tmp_path) as board:
        bench = Bench(board, tmp_path / "archive")
        before = bench.state()
        board.bath(0, "ln2")
        arguments = (
            *("calibrate", f"usb:{board.pty}", "--points", "ln2", "--probe", "1"),
            *("--archive", str(bench.archive), "--settle-min", "60"),
        )
        left, said = _at_a_terminal([asked, ("Enter when they are in", end_of_input)], *arguments)
        code, shown = _at_a_terminal(answers, *arguments)

        assert bench.state() == before
    assert (left, code) == (130, 0)
    assert "nothing was changed on the logger" in said
    assert "at rest" in shown
    assert "Not written to the logger; it is as it was." in shown
    assert len(_kept(bench.archive)) == 1


def test_a_program_at_a_terminal_is_asked_nothing() -> None:
    """With --json the words are not printed: nobody would know what to say Enter to."""
    code, said = _at_a_terminal([], "calibrate", "usb:/dev/none", "--json")
    assert code == 2
    assert "say how high the air pressure is" in " ".join(said.split())


def _at_a_terminal(answers: list[tuple[str, str]], *arguments: str) -> tuple[int, str]:
    """Run the command on a pseudo-terminal and answer what it asks; return all it showed too."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (40, 120))
    shown = ""
    with subprocess.Popen(
        command(*arguments),
        env=environment() | {"TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # how a terminal ends on Linux
            while data := os.read(ours, 4096):
                shown += data.decode(errors="replace")
                if answers and answers[0][0] in shown:
                    os.write(ours, answers.pop(0)[1].encode())
        code = process.wait(COMMAND_S)
    os.close(ours)
    assert answers == [], shown
    return code, shown
