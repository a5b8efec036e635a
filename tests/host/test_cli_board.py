"""The commands that speak to a board: the real server and link, joined in memory."""

from __future__ import annotations

import json
import resource
import struct
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

import dewarlog.link
from dewarlog import cli
from dewarlog.archive import Archive
from dewarlog.cli import reach as cli_reach
from dewarlog.errors import ExitCode, PortMissing
from dewarlog_wire import layout
from dewarlog_wire.events import read_custody
from log_writer import DEGC, EventSpec, LogWriter
from memory_board import Clock, MemoryDevice, MemoryLink, MemoryStore, StoredRun
from trips import trip

if TYPE_CHECKING:
    from pathlib import Path

DEVICE_ID = "e660583883724b2f"


class _Device(MemoryDevice):
    """A board that is recording two probes, one of them open."""

    def status(self) -> tuple[int, ...]:
        """Give a status with known figures."""
        open_code = layout.state_code(layout.STATE_OPEN)
        absent = layout.state_code(layout.STATE_ABSENT)
        return (
            layout.STATUS_RECORDING | layout.STATUS_EXCURSION,
            *(7, 1, 500, 86400, 200_000_000, layout.CLOCK_OK, 10_000),
            *(8640, 12, 3, 41_000, 700_000, 3912),
            *(-24320, open_code, absent, absent, 1600, 3, 0, 1),
            *(layout.ACCESS_IS_CLAIMED, 2, 1234),
        )


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> MemoryLink:
    """Put a board with one run on every port."""
    writer = trip(2)
    store = MemoryStore({7: StoredRun([bytes(writer.data)])})
    link = MemoryLink(store, Clock(), device=_Device())

    def opened(_: str) -> MemoryLink:
        link.open()
        return link

    monkeypatch.setattr(dewarlog.link, "open_link", opened)
    return link


def _run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, list(arguments))
    return result.exit_code, result.stdout


def _json(*arguments: str) -> tuple[int, Any]:
    code, output = _run(*arguments, "--json")
    return code, json.loads(output)


def test_status_tells_how_the_board_is(board: MemoryLink) -> None:
    """State, readings with their own faults, clock, memory and supply."""
    code, output = _run("status", "usb:x")

    assert code == 0
    for part in (
        DEVICE_ID,
        "recording, EXCURSION",
        "Probe 1:          \u2212190.00 \u00b0C",
        "Probe 2:          open",
        "8,640 samples, 12 events, 3 blocks",
        "3.91 V",
        "OPEN (claimed): whoever holds it can change it; `dewarlog lock`",
        "2 since the last that held",
        "by key 1,234 next",
    ):
        assert part in output
    assert "Probe 3" not in output
    _, data = _json("status", "usb:x")
    assert data["readings_degc"] == [-190.0, None, None, None]
    assert (data["run"], data["recording"]) == (7, True)
    assert (data["locked"], data["claimed"], data["failures"]) == (False, True, 2)


def test_pull_files_the_log_and_says_what_to_do_next(board: MemoryLink, tmp_path: Path) -> None:
    """The archive holds the bytes of the board; a second pull fetches nothing."""
    code, output = _run("pull", "usb:x", "--archive", str(tmp_path))

    (log,) = tmp_path.rglob("*.dwl")
    assert (code, log.read_bytes()) == (0, bytes(trip(2).data))
    assert f"Next: dewarlog check {log}" in output
    _, again = _json("pull", "usb:x", "--archive", str(tmp_path))
    assert again["received_bytes"] == 0
    assert [item["path"] for item in again["logs"]] == [str(log)]


def test_pull_can_check_at_once(board: MemoryLink, tmp_path: Path) -> None:
    """In words the verdict follows the pull; as JSON both stand in one document."""
    code, output = _run("pull", "usb:x", "--archive", str(tmp_path), "--check")
    assert code == ExitCode.USE
    assert "Next: dewarlog check" not in output
    assert " USE " in output
    code, data = _json("pull", "usb:x", "--archive", str(tmp_path), "--check")
    assert (code, data["check"]["verdict"]) == (0, "USE")


def test_a_run_that_ended_on_the_way_counts_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The newest run says USE; the one before, of the same day, decides all the same."""

    def warm(hour: int, readings: list[list[int]]) -> list[EventSpec]:
        readings[0][100:] = [-140 * DEGC] * len(readings[0][100:])
        return []

    first = trip(2, change=warm, writer=LogWriter(run=1, channels=2))
    second = trip(2, writer=LogWriter(run=2, channels=2), ahead_s=3 * 3600)
    runs = {1: StoredRun([bytes(first.data)]), 2: StoredRun([bytes(second.data)])}
    store = MemoryStore(runs)
    monkeypatch.setattr(dewarlog.link, "open_link", lambda _: MemoryLink(store, Clock()))
    code, output = _run("pull", "usb:x", "--archive", str(tmp_path), "--check")
    again, data = _json("pull", "usb:x", "--archive", str(tmp_path), "--check")

    assert (code, again) == (ExitCode.HOLD, ExitCode.HOLD)
    assert output.rstrip().endswith("The journey:  HOLD  for run 1, above.")
    assert data["check"]["verdict"] == "USE"
    assert [check["verdict"] for check in data["earlier_checks"]] == ["HOLD"]
    assert data["journey_verdict"] == "HOLD"


def test_pull_tells_the_time_unless_told_not_to(board: MemoryLink, tmp_path: Path) -> None:
    """The board learns this computer's time, with its error."""
    _run("pull", "usb:x", "--archive", str(tmp_path), "--no-tell-time")
    assert board.device.time_set is None
    _run("pull", "usb:x", "--archive", str(tmp_path), "--time-error-ms", "40")
    assert board.device.time_set is not None
    assert board.device.time_set[2] == 40


def test_pull_of_an_empty_board_is_no_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing to judge."""
    link = MemoryLink(MemoryStore({}), Clock())
    monkeypatch.setattr(dewarlog.link, "open_link", lambda _: link)

    code, output = _run("pull", "usb:x", "--archive", str(tmp_path))
    assert (code, "holds no log" in output) == (ExitCode.NO_DATA, True)


def test_pull_of_a_run_that_is_not_there_names_it(board: MemoryLink, tmp_path: Path) -> None:
    """The board does hold a log: not this one."""
    code, output = _run("pull", "usb:x", "--archive", str(tmp_path), "--run", "99")

    assert code == ExitCode.NO_DATA
    assert "holds no run 99" in output


def test_a_full_disk_ends_with_the_code_of_storage_and_loses_nothing(
    board: MemoryLink, tmp_path: Path
) -> None:
    """What came is kept: with room again, only the rest is fetched."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # 700 bytes for a file: a note fits, the log does not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (700, before[1]))
    try:
        code, told = _json("pull", "usb:x", "--archive", str(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert (code, told["error"]) == (ExitCode.STORAGE, "DiskFull")
    assert str(tmp_path) in told["message"]
    code, told = _json("pull", "usb:x", "--archive", str(tmp_path))
    size = len(trip(2).data)
    assert (code, told["held_bytes"], told["received_bytes"]) == (0, 700, size - 700)


def test_an_archive_that_cannot_be_made_ends_with_the_code_of_storage(
    board: MemoryLink, tmp_path: Path
) -> None:
    """The message names the folder."""
    (tmp_path / "file").write_text("in the way")
    code, told = _json("pull", "usb:x", "--archive", str(tmp_path / "file" / "archive"))

    assert (code, told["error"]) == (ExitCode.STORAGE, "ArchiveError")
    assert str(tmp_path / "file" / "archive") in told["message"]


def test_a_second_pull_of_the_same_board_is_told_to_wait(
    board: MemoryLink, tmp_path: Path
) -> None:
    """It writes nothing and does not wait in silence."""
    with Archive(tmp_path).lock(bytes.fromhex(DEVICE_ID)):
        code, told = _json("pull", "usb:x", "--archive", str(tmp_path))

    assert (code, told["error"]) == (ExitCode.STORAGE, "ArchiveLocked")
    assert not list(tmp_path.rglob("*.dwl"))


def test_the_archive_lists_what_was_pulled(board: MemoryLink, tmp_path: Path) -> None:
    """Logger, run, size and hash."""
    _run("pull", "usb:x", "--archive", str(tmp_path))
    _, data = _json("archive", "--archive", str(tmp_path))

    (log,) = data["logs"]
    assert (log["device_id"], log["run"], log["problem"]) == (DEVICE_ID, 7, None)
    assert log["size_bytes"] == len(trip(2).data)
    code, output = _run("archive", "--archive", str(tmp_path))
    assert (code, log["sha256"][:16] in output) == (0, True)


@pytest.mark.parametrize(
    ("step", "number"),
    [
        *((name, number) for number, name in enumerate(layout.CUSTODY_STEP_NAMES)),
        *(("Thaw-Start", 6), ("PACK OUT", 0)),
    ],
)
def test_mark_records_every_custody_step_on_the_board(
    board: MemoryLink, step: str, number: int
) -> None:
    """By its name, however it is written; who, where and what, as the log will hold it."""
    options = ("--actor", "S. Haddad", "--place", "Cell lab", "--note", "cabinet 4")
    code, data = _json("mark", "usb:x", step, *options)

    assert (code, data["step"]) == (0, layout.CUSTODY_STEP_NAMES[number])
    recorded, utc_s, *texts = read_custody(board.device.marks[0])
    assert (recorded, texts) == (number, ["S. Haddad", "Cell lab", "cabinet 4"])
    assert data["unix_s"] == utc_s + layout.UTC_EPOCH_UNIX_S
    assert struct.calcsize(layout.EVENT_CUSTODY.format) < len(board.device.marks[0])


def test_a_text_too_long_for_the_log_is_wrong_use(board: MemoryLink) -> None:
    """Nothing is cut short in silence."""
    code, _ = _run("mark", "usb:x", "handoff", "--note", "x" * 200)

    assert code == ExitCode.USAGE
    assert board.device.marks == []


def test_a_port_that_is_gone_ends_with_the_code_of_the_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In words on standard error, or as data."""

    def missing(name: str) -> MemoryLink:
        raise PortMissing(name)

    monkeypatch.setattr(dewarlog.link, "open_link", missing)

    assert _run("status", "usb:/dev/ttyACM7")[0] == ExitCode.DEVICE
    code, data = _json("mark", "usb:/dev/ttyACM7", "handoff")
    assert (code, data["error"]) == (ExitCode.DEVICE, "PortMissing")


def test_the_progress_bar_says_bytes_rate_and_time_left(
    board: MemoryLink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where standard error is a terminal."""
    from dewarlog.pull import Progress

    told: list[str] = []
    with cli_reach.progress_bar(show=True) as progress:
        assert progress is None
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(
        "rich.progress.Progress.update",
        lambda *_, **fields: told.append(f"{fields['description']} {fields['figures']}"),
    )
    with cli_reach.progress_bar(show=True) as progress:
        assert progress is not None
        progress(Progress(1500, 3000, 0, 1000.0, 1.5, "run 7, part 1"))

    assert told == ["run 7, part 1 1.5 kB of 3.0 kB  1.0 kB/s, 1.5 s left"]
