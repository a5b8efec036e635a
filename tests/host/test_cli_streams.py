"""What the program prints to and writes: every stream a shell can give it, and no log harmed.

Each test starts the program itself, since what is tested lies between it and its caller.
"""

from __future__ import annotations

import contextlib
import os
import pty
import resource
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from typer.testing import CliRunner

from dewarlog import cli, console
from dewarlog.errors import ExitCode
from log_writer import DEGC
from trips import trip, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from log_writer import EventSpec

FULL: Final = Path("/dev/full")
_TIMEOUT_S: Final = 60


def _warm(hour: int, readings: list[list[int]]) -> list[EventSpec]:
    if hour == 1:
        readings[0][:] = [-120 * DEGC] * len(readings[0])
    return []


@pytest.fixture
def use(tmp_path: Path) -> Path:
    """A log that is intact and means USE."""
    return written(tmp_path, trip())


@pytest.fixture
def hold(tmp_path: Path) -> Path:
    """A log that is intact and means HOLD."""
    log = tmp_path / "hold.dwl"
    log.write_bytes(bytes(trip(change=_warm).data))
    return log


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """A log that is not whole."""
    log = tmp_path / "cut.dwl"
    log.write_bytes(bytes(trip().data[:-9]))
    return log


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more}


def _run(
    *arguments: str,
    stdout: int | None = subprocess.PIPE,
    before: Callable[[], object] | None = None,
    **more: str,
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "dewarlog", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=_environment(**more),
        preexec_fn=before,
        check=False,
        timeout=_TIMEOUT_S,
    )


def _into_shell(tail: str, *arguments: str) -> tuple[int, str]:
    """Run the program with a piece of shell behind it; return its own status and its errors."""
    done = subprocess.run(
        [
            "bash",
            "-c",
            f'"$@" {tail}; exit "${{PIPESTATUS[0]}}"',
            "bash",
            *(sys.executable, "-m", "dewarlog", *arguments),
        ],
        capture_output=True,
        text=True,
        env=_environment(),
        check=False,
        timeout=_TIMEOUT_S,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("tail", ["| true", ">&-"])
def test_a_reader_that_goes_away_does_not_change_the_verdict(
    tail: str, use: Path, hold: Path, cut: Path
) -> None:
    """The exit code is the log's, in words and as JSON, with `| head` and with none."""
    for log, code in ((use, 0), (hold, 1), (cut, 3)):
        assert _into_shell(tail, "check", str(log)) == (code, "")
        assert _into_shell(tail, "check", "--json", str(log)) == (code, "")


def test_a_table_or_help_that_nobody_reads_is_not_a_hold(use: Path, cut: Path) -> None:
    """1 would mean HOLD; a table of a damaged log still says so."""
    assert _into_shell("| true", "--help") == (0, "")
    assert _into_shell("| true", "export", str(use)) == (0, "")
    code, said = _into_shell("| true", "export", str(cut))
    assert (code, "not intact" in said) == (ExitCode.NOT_INTACT, True)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("flash", "/dev/nonesuch"), ExitCode.DEVICE),
        (("selftest", "usb:/dev/nonesuch"), ExitCode.DEVICE),
        (("check", "/dev/nonesuch"), ExitCode.USAGE),
        (("calibrate",), ExitCode.USAGE),
    ],
)
def test_a_failure_that_nobody_reads_is_neither_use_nor_hold(
    arguments: tuple[str, ...], code: ExitCode
) -> None:
    """Behind `2>&1 | head` the exit code is still that of what went wrong."""
    gone, writing = os.pipe()
    os.close(gone)
    done = subprocess.run(
        [sys.executable, "-m", "dewarlog", *arguments],
        stdout=writing,
        stderr=writing,
        env=_environment(),
        check=False,
        timeout=_TIMEOUT_S,
    )
    os.close(writing)

    assert done.returncode == code


@pytest.mark.parametrize("command", ["handoff", "calibrate"])
def test_ctrl_c_at_a_question_is_not_a_hold(command: str) -> None:
    """A terminal of its own, whose Ctrl-C reaches it; typer would end with 1."""
    child, leader = pty.fork()
    if not child:
        os.execve(  # noqa: S606 - the program itself, at a terminal
            sys.executable,
            [sys.executable, "-m", "dewarlog", command, "usb:/dev/nonesuch"],
            _environment(),
        )
    said = b""
    while b": " not in said:
        said += os.read(leader, 1024)
    with contextlib.suppress(OSError):  # its end of the terminal is closed with it
        while True:
            # Again and again, as a person would: one may come before it waits for an answer.
            os.write(leader, b"\x03")
            while select.select([leader], [], [], 0.5)[0]:
                piece = os.read(leader, 1024)
                if not piece:
                    break
                said += piece
    _, status = os.waitpid(child, 0)
    os.close(leader)

    assert os.waitstatus_to_exitcode(status) == ExitCode.INTERRUPTED
    assert said.endswith(b"dewarlog: stopped\r\n")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["check"], ["check", "--json"], ["export"], ["report"]])
def test_output_that_finds_no_room_is_an_error_of_storage(arguments: list[str], use: Path) -> None:
    """Neither a verdict nor a trace: one line that says what happened."""
    with FULL.open("wb") as full:
        done = _run(*arguments, str(use), stdout=full.fileno())

    assert done.returncode == ExitCode.STORAGE
    assert done.stderr.count(b"\n") == 1
    assert b"No space left" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_a_terminal_without_our_signs_shows_plainer_ones(encoding: str, hold: Path) -> None:
    """The minus sign above all: a verdict must not end in a fault, nor lose its sign."""
    done = _run("check", str(hold), PYTHONIOENCODING=encoding)

    assert (done.returncode, done.stderr) == (ExitCode.HOLD, b"")
    assert b" -150.0 " in done.stdout
    assert "°".encode(encoding, "replace").replace(b"?", b"deg") + b"C" in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_lines_and_bars_of_the_monitor_keep_their_width(encoding: str) -> None:
    """A line of a hundred dashes is not one of six hundred characters where there are none."""
    console.prepare()
    drawn = "\u2500" * 100 + "".join(map(chr, range(0x2581, 0x2589)))
    assert drawn.encode(encoding, "dewarlog.plainer") == b"-" * 100 + b"_.-=+*#@"
    assert "\u00b5V".encode("ascii", "dewarlog.plainer") == b"uV"


def test_a_table_is_utf_8_whatever_the_terminal_is(use: Path, tmp_path: Path) -> None:
    """What goes through a pipe is what would stand in the file."""
    target = tmp_path / "events.csv"
    piped = _run("export", "--table", "events", str(use), PYTHONIOENCODING="ascii")
    _run("export", "--table", "events", str(use), "-o", str(target))

    assert piped.stdout == target.read_bytes()


def test_text_fits_a_narrow_terminal(hold: Path) -> None:
    """At 40 columns every sentence wraps; hashes and commands stay whole."""
    said = _run("check", str(hold), COLUMNS="40", PYTHONUTF8="1").stdout.decode()
    sentences = said[: said.index(hold.name)].splitlines()[:-1]

    assert max(map(len, sentences)) <= 40


def test_no_colour_goes_where_no_person_looks(use: Path) -> None:
    """Not into a pipe, whatever the terminal is called."""
    assert b"\x1b" not in _run("check", str(use), TERM="xterm-256color").stdout


@pytest.mark.parametrize(
    ("command", "target"),
    [
        (["report"], "a.dwl"),
        (["export"], "a.dwl"),
        (["export", "-f", "parquet"], "a.dwl"),
        (["report"], "other.html"),
        (["report"], "new.dwl"),
        (["export"], "link.csv"),
    ],
)
def test_no_command_writes_over_a_log(command: list[str], target: str, tmp_path: Path) -> None:
    """Not over the one it reads, not over another, under whatever name."""
    log = written(tmp_path, trip(1))
    before = log.read_bytes()
    (tmp_path / "other.html").write_bytes(before)
    (tmp_path / "link.csv").symlink_to(log)
    done = _run(*command, str(log), "-o", str(tmp_path / target))

    assert done.returncode == ExitCode.USAGE
    assert b"logs are evidence" in done.stderr
    assert log.read_bytes() == (tmp_path / "other.html").read_bytes() == before
    assert not (tmp_path / "new.dwl").exists()


def test_a_log_named_like_a_page_is_not_replaced_by_its_page(tmp_path: Path) -> None:
    """The default name of the page is the log's own."""
    log = tmp_path / "log.html"
    log.write_bytes(bytes(trip(1).data))

    assert _run("report", str(log)).returncode == ExitCode.USAGE
    assert log.read_bytes() == bytes(trip(1).data)


@pytest.mark.parametrize("command", [["report"], ["export"], ["export", "-f", "parquet"]])
def test_a_file_is_written_whole_or_not_at_all(
    command: list[str], use: Path, tmp_path: Path
) -> None:
    """On a full disk what stood there still stands, and no half of a page beside it."""
    if "parquet" in command:
        pytest.importorskip("pyarrow", reason="pyarrow is an extra")
    target = tmp_path / "out"
    target.write_text("the one before")
    names = set(tmp_path.iterdir())
    done = _run(
        *command,
        str(use),
        "-o",
        str(target),
        before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )

    assert done.returncode == ExitCode.STORAGE
    assert str(target).encode() in done.stderr
    assert target.read_text() == "the one before"
    assert set(tmp_path.iterdir()) == names


def test_ctrl_c_ends_with_its_own_code_and_leaves_nothing(tmp_path: Path) -> None:
    """130, one line, and neither a page nor a part of one."""
    log = written(tmp_path, trip(1))
    with log.open("r+b") as file:
        file.truncate(4 << 30)  # a hole: many seconds to look through, and no room on the disk
    page = tmp_path / "page.html"
    with subprocess.Popen(
        [sys.executable, "-m", "dewarlog", "report", str(log), "-o", str(page)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
    ) as process:
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        output, error = process.communicate(timeout=_TIMEOUT_S)

    assert process.returncode == ExitCode.INTERRUPTED
    assert (output, error) == (b"", b"dewarlog: stopped\n")
    assert list(tmp_path.iterdir()) == [log]


@pytest.mark.parametrize("command", ["check", "report", "export"])
def test_a_pipe_is_no_log(command: str, use: Path) -> None:
    """Read a second time it would be empty: an empty table with exit code 0."""
    done = subprocess.run(
        [sys.executable, "-m", "dewarlog", command, "/dev/stdin"],
        input=use.read_bytes(),
        capture_output=True,
        env=_environment(),
        check=False,
        timeout=_TIMEOUT_S,
    )

    assert (done.returncode, done.stdout) == (ExitCode.USAGE, b"")
    assert b"save it to a file first" in done.stderr.replace(b"\n", b" ")


@pytest.mark.parametrize(("text", "said"), [("\udcff", b"UTF-8"), ("a\x1b[2J", b"control")])
@pytest.mark.parametrize(
    "arguments",
    [
        ("mark", "usb:/dev/nonesuch", "note", "--note"),
        ("acknowledge", "usb:/dev/nonesuch", "--actor"),
        ("provision", "usb:/dev/nonesuch", "--print-map", "--actor"),
        ("calibrate", "usb:/dev/nonesuch", "--reference"),
        ("arm", "usb:/dev/nonesuch", "--manifest", __file__, "--profile", __file__, "--actor"),
    ],
)
def test_what_is_no_text_is_wrong_use(arguments: tuple[str, ...], text: str, said: bytes) -> None:
    """Refused before a port is opened, not a fault."""
    done = _run(*arguments, text)

    assert done.returncode == ExitCode.USAGE
    assert said in done.stderr


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("arm", "usb:/dev/nonesuch", "--manifest", __file__, "--profile", __file__, "--planned-h"),
        (
            "arm",
            "usb:/dev/nonesuch",
            "--manifest",
            __file__,
            "--profile",
            __file__,
            "--battery-wh",
        ),
        ("arm", "usb:/dev/nonesuch", "--manifest", __file__, "--profile", __file__, "--weight-kg"),
        ("calibrate", "usb:/dev/nonesuch", "--pressure-hpa"),
        ("calibrate", "usb:/dev/nonesuch", "--pressure-hpa", "1000", "--settle-min"),
        ("monitor", "usb:/dev/nonesuch", "--every"),
        ("scan", "--no-ble", "--seconds"),
        ("token", "make", "-o", "t", "--device", "0" * 16, "--days"),
    ],
)
def test_what_is_no_number_passes_no_limit(arguments: tuple[str, ...], value: str) -> None:
    """`nan` is neither below a least nor above a most: a battery of nan Wh would be enough."""
    assert CliRunner().invoke(cli.app, [*arguments, value]).exit_code == ExitCode.USAGE
