"""The command line: every answer in words and as JSON, every exit code as documented."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from typer.testing import CliRunner

from dewarlog import cli, console, sim
from dewarlog.cli import log as cli_log
from dewarlog.errors import ExitCode
from dewarlog_wire import layout
from log_writer import DEFAULT_TEXTS, DEGC, UTC_2026_03_01, LogWriter
from trips import trip, written

if TYPE_CHECKING:
    from log_writer import EventSpec


class _Result(Protocol):
    """What typer's runner gives back."""

    @property
    def exit_code(self) -> int: ...
    @property
    def output(self) -> str: ...
    @property
    def stdout(self) -> str: ...


COMMANDS = ("check", "report", "export", "pull", "status", "mark", "scan", "archive", "sim")
HOSTILE = "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe [bold red]x[/] \x9b31m"


def _run(*arguments: str) -> _Result:
    return CliRunner().invoke(cli.app, list(arguments))


def _warm(hour: int, readings: list[list[int]]) -> list[EventSpec]:
    if hour == 1:
        readings[0][:] = [-120 * DEGC] * len(readings[0])
    return []


LOGS = {
    "use": (lambda: bytes(trip().data), ExitCode.USE, "USE"),
    "hold": (lambda: bytes(trip(change=_warm).data), ExitCode.HOLD, "HOLD"),
    "truncated": (lambda: bytes(trip().data[:-9]), ExitCode.NOT_INTACT, "HOLD"),
    "doubled": (lambda: bytes(trip().data) * 2, ExitCode.NOT_INTACT, "HOLD"),
}


@pytest.mark.parametrize("name", LOGS)
def test_check_answers_with_word_and_exit_code(tmp_path: Path, name: str) -> None:
    """The exit code and the JSON say what the words say."""
    make, code, word = LOGS[name]
    log = tmp_path / "a.dwl"
    log.write_bytes(make())

    said, told = _run("check", str(log)), _run("check", "--json", str(log))
    assert (said.exit_code, told.exit_code) == (code, code)
    assert said.output.split()[0] == word
    data = json.loads(told.stdout)
    assert (data["verdict"], data["exit_code"]) == (word, code)


def test_a_flipped_bit_anywhere_is_not_intact_and_is_placed(tmp_path: Path) -> None:
    """At 100 places of a log, and in each of its first 20 bytes: exit code 3, and where it is."""
    data = bytes(trip(2).data)
    log = tmp_path / "a.dwl"
    for place in (*range(20), *range(20, len(data), len(data) // 100)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        log.write_bytes(flipped)
        result = _run("check", str(log), "--json")
        assert result.exit_code == ExitCode.NOT_INTACT
        broken = [
            item for item in json.loads(result.stdout)["findings"] if item["offset"] is not None
        ]
        assert any(
            item["evidence"]["first_byte"] <= place < item["evidence"]["end_byte"]
            for item in broken
            if "first_byte" in item["evidence"]
        )


@pytest.mark.parametrize("data", [b"", b"not ours" * 100])
def test_check_of_no_log_is_no_data(tmp_path: Path, data: bytes) -> None:
    """Empty and foreign files end with the code of nothing to judge."""
    log = tmp_path / "a.dwl"
    log.write_bytes(data)

    assert _run("check", str(log)).exit_code == ExitCode.NO_DATA
    told = _run("check", "--json", str(log))
    assert json.loads(told.stdout)["error"] == "NotALog"


def test_a_missing_file_is_wrong_use(tmp_path: Path) -> None:
    """Nothing was done."""
    assert _run("check", str(tmp_path / "none.dwl")).exit_code == ExitCode.USAGE


def test_report_is_written_beside_the_log_or_where_told(tmp_path: Path) -> None:
    """The exit code is the verdict's."""
    log = written(tmp_path, trip(1))

    assert _run("report", str(log)).exit_code == ExitCode.USE
    assert log.with_suffix(".html").read_text().startswith("<!doctype html>")
    other = tmp_path / "other.html"
    told = _run("report", str(log), "-o", str(other), "--json")
    assert json.loads(told.stdout)["report"] == str(other)
    assert other.exists()


def test_export_writes_to_standard_output_or_a_file(tmp_path: Path) -> None:
    """CSV pipes; a damaged log is exported as far as it goes and says so by its exit code."""
    writer = trip(2)
    log = written(tmp_path, writer)
    damaged = tmp_path / "b.dwl"
    damaged.write_bytes(bytes(writer.data[:-9]))
    target = tmp_path / "t.csv"

    piped = _run("export", str(log))
    assert (piped.exit_code, piped.stdout.count("\n")) == (0, 9 + 1 + 720)
    filed = _run("export", str(log), "-o", str(target), "--json")
    assert json.loads(filed.stdout)["rows"] == 720
    assert target.read_text() == piped.stdout
    cut = _run("export", str(damaged))
    assert cut.exit_code == ExitCode.NOT_INTACT
    assert cut.stdout.count("\n") == 9 + 1 + 360


@pytest.mark.parametrize("arguments", [["-f", "xlsx"], ["--table", "all"], ["--json"]])
def test_export_refuses_what_it_cannot_do(tmp_path: Path, arguments: list[str]) -> None:
    """Wrong choices are wrong use."""
    log = written(tmp_path, trip(1))

    assert _run("export", str(log), *arguments).exit_code == ExitCode.USAGE


def test_nothing_from_a_log_reaches_the_terminal_raw(tmp_path: Path) -> None:
    """Escapes, bells, reordering and markup of a hostile log are printed as what they are."""
    texts = ((layout.TEXT_CONTACT, HOSTILE), *DEFAULT_TEXTS[:4])
    note = (layout.KIND_CUSTODY, 100_000, (2, UTC_2026_03_01, HOSTILE, HOSTILE, HOSTILE))
    writer = trip(2, texts=texts, change=lambda hour, _: [note] if hour == 0 else [])
    log = written(tmp_path, writer)

    for arguments in (["check"], ["check", "--json"], ["export", "--table", "events"], ["report"]):
        output = _run(*arguments, str(log)).output
        assert not any(char in output for char in "\x1b\x07\x9b\u202e")
    assert "\\x1b[2J" in _run("check", str(log)).output
    assert "[bold red]x[/]" in _run("check", str(log)).output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    """Help tells what it does, its options and where JSON comes from."""
    result = _run(command, "--help")

    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 6
    assert "Exit codes:" in result.output
    if command != "sim":
        assert "--json" in result.output


def test_the_readme_has_every_exit_code() -> None:
    """With the meaning that the help page gives."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()

    for code, meaning in console.EXIT_CODES:
        assert f"| {int(code)} | {meaning} |" in readme


def test_help_documents_every_exit_code() -> None:
    """The table is complete."""
    output = _run("--help").output

    assert {code for code, _ in console.EXIT_CODES} == set(ExitCode)
    for code, meaning in console.EXIT_CODES:
        assert f"{int(code):>7}  {meaning}" in output


@pytest.mark.parametrize("name", ["ttyACM0", "ble:", "tcp:1.2.3.4", "usb:"])
def test_a_wrong_device_name_is_wrong_use(name: str) -> None:
    """The message says how a device is named."""
    result = _run("status", name, "--json")

    assert result.exit_code == ExitCode.USAGE
    assert json.loads(result.stdout)["error"] == "BadDeviceName"


def test_a_port_that_is_not_there_is_a_device_error() -> None:
    """And a pull from it does nothing."""
    assert _run("pull", "usb:/dev/nonesuch").exit_code == ExitCode.DEVICE


def test_an_unknown_custody_step_is_refused_before_any_port_is_opened() -> None:
    """The message lists the steps there are."""
    result = _run("mark", "usb:/dev/nonesuch", "explode")

    assert result.exit_code == ExitCode.USAGE
    assert "pack-out" in result.output


def test_an_archive_that_holds_nothing_says_so(tmp_path: Path) -> None:
    """In words and as data."""
    assert _run("archive", "--archive", str(tmp_path)).output.startswith("0 logs in ")
    told = json.loads(_run("archive", "--archive", str(tmp_path), "--json").stdout)
    assert told == {"root": str(tmp_path), "logs": []}


def test_the_simulated_board_needs_a_source_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a wheel the message says where to get it."""
    with pytest.raises(sim.SimulatorMissing, match="clone the project"):
        sim.command([], tmp_path / "launch.py")
    monkeypatch.setattr(sim, "LAUNCHER", tmp_path / "launch.py")
    monkeypatch.setattr(sim.command, "__defaults__", (tmp_path / "launch.py",))
    monkeypatch.setattr(sim.run, "__defaults__", (tmp_path / "launch.py",))

    result = _run("sim")
    assert result.exit_code == ExitCode.USAGE


def test_a_launcher_that_fails_is_told_in_its_own_words(tmp_path: Path) -> None:
    """No hang: the last line it said is the reason."""
    launcher = tmp_path / "launch.py"
    launcher.write_text("import sys\nprint('no MicroPython here')\nsys.exit(2)\n")

    with (
        pytest.raises(sim.SimulatorMissing, match="no MicroPython here"),
        sim.running("bad", launcher),
    ):
        pass


def test_a_launcher_is_ended_with_the_block(tmp_path: Path) -> None:
    """The port is the one it names, and it does not outlive its use."""
    launcher = tmp_path / "launch.py"
    launcher.write_text(
        "import sys, time\nprint('day 1', flush=True)\nprint('pty /dev/pts/99', flush=True)\n"
        "print('serving', flush=True)\ntime.sleep(60)\n"
    )

    with sim.running("bad", launcher) as port:
        assert port == "/dev/pts/99"


def test_a_fault_of_the_program_never_looks_like_a_verdict(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python would end with 1, which means HOLD."""
    log = written(tmp_path, trip(1))
    monkeypatch.setattr(cli_log, "_judge", lambda _: 1 / 0)
    monkeypatch.setattr(sys, "argv", ["dewarlog", "check", str(log)])

    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == ExitCode.FAULT
    assert "please report" in capsys.readouterr().err


def test_the_module_runs_as_a_program(tmp_path: Path) -> None:
    """`python -m dewarlog check LOG`, in a process of its own, with a reader that goes away."""
    log = written(tmp_path, trip(1))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-m", "dewarlog", "check", str(log)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    # sh, because what is tested is a reader that goes away.
    gone = subprocess.run(
        ["sh", "-c", '"$1" -m dewarlog export "$2" | head -1', "sh", sys.executable, str(log)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert gone.stdout.startswith("# source_file")
    assert gone.stderr == ""


def test_a_log_of_one_block_of_a_run_is_no_data(tmp_path: Path) -> None:
    """The board was armed and never sampled."""
    writer = LogWriter()
    writer.start()

    assert _run("check", str(written(tmp_path, writer))).exit_code == ExitCode.NO_DATA


def test_check_loads_nothing_heavy_but_numpy(tmp_path: Path) -> None:
    """A verdict within a third of a second: no library that only other commands need."""
    log = written(tmp_path, trip(1))
    code = (
        "import sys\nfrom dewarlog.cli import main\n"
        "sys.argv = ['dewarlog', 'check', sys.argv[1]]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('heavy:', *[name for name in sorted(sys.modules) if name in "
        "('construct', 'jinja2', 'numpy', 'pyarrow', 'pydantic', 'rich', 'scipy', 'serial')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(log)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "heavy: numpy"
