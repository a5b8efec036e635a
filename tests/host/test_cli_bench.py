"""`dewarlog erase`, and what `dewarlog status` says of a board's software."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

import dewarlog.link
from bench_board import BenchBoard
from dewarlog import cli
from dewarlog.errors import ExitCode
from dewarlog_wire import layout
from test_bench_requests import BenchLink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BenchBoard]:
    """Put a board on every port: run 1 was pulled, run 2 not, run 3 is open."""
    made = BenchBoard(tmp_path)
    made.confirm(made.next_run())
    made.next_run()
    names = [name for name, *_ in layout.STATUS_REPLY.fields]
    values = [0] * len(names)
    values[names.index("run")], values[names.index("free_bytes")] = 3, 700_000
    made.device.status = lambda: tuple(values)  # type: ignore[method-assign]
    monkeypatch.setattr(dewarlog.link, "open_link", lambda _: BenchLink(made))
    yield made
    made.close()


def _run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, list(arguments))
    return result.exit_code, result.stdout


def _json(*arguments: str) -> tuple[int, Any]:
    code, output = _run(*arguments, "--json")
    return code, json.loads(output)


def test_erase_says_what_went_and_what_was_kept_and_why(board: BenchBoard) -> None:
    """Nobody is asked; what nobody holds stays."""
    code, output = _run("erase", "usb:x")

    assert code == 0
    assert "run 1: erased, " in output
    assert "run 2: kept, " in output
    assert ": no computer has confirmed to hold all of it\n" in output
    assert ": it is open\n" in output
    assert "Free memory: 700.0 kB\n" in output
    assert "--unpulled erases it unread" in output
    assert board.logbook.flash.runs() == [2, 3]


def test_erase_takes_unpulled_runs_only_when_told(board: BenchBoard) -> None:
    """And says the same as data."""
    code, data = _json("erase", "usb:x", "--unpulled", "--to-run", "2")

    assert code == 0
    assert [one["run"] for one in data["erased"]] == [1, 2]
    assert all(one["bytes"] > 0 for one in data["erased"])
    assert (data["kept"], data["free_bytes"]) == ([], 700_000)
    assert board.logbook.flash.runs() == [3]


def test_erase_up_to_a_run_leaves_what_is_newer(board: BenchBoard) -> None:
    """Not even named."""
    board.confirm(2)
    code, output = _run("erase", "usb:x", "--to-run", "1")

    assert (code, "run 2" in output) == (0, False)
    assert board.logbook.flash.runs() == [2, 3]


def test_erase_with_nothing_to_erase_says_so(board: BenchBoard) -> None:
    """A second time."""
    _run("erase", "usb:x")
    code, output = _run("erase", "usb:x")

    assert (code, "Nothing was erased.\n" in output) == (0, True)


def test_erase_of_a_board_that_cannot_ends_as_every_refusal(board: BenchBoard) -> None:
    """An older firmware; a run that has ended, with what to do then."""
    board.logbook.end()
    code, data = _json("erase", "usb:x")
    assert (code, data["error"]) == (ExitCode.DEVICE, "NotRecording")
    assert "reset it" in data["message"]

    board.device.features = layout.FEATURE_AUTH
    code, data = _json("erase", "usb:x")
    assert (code, data["error"]) == (ExitCode.DEVICE, "NoBench")


def test_status_says_which_firmware_runs(board: BenchBoard) -> None:
    """A line of its own, and two fields."""
    _, output = _run("status", "usb:x")
    _, data = _json("status", "usb:x")

    line = f"Firmware:         {data['firmware']} on MicroPython {data['micropython']}\n"
    assert line in output
    assert data["firmware"].split(".") == [str(int(part)) for part in data["firmware"].split(".")]


def test_status_of_a_board_that_tells_no_figures_is_as_it_was(board: BenchBoard) -> None:
    """An older firmware; or one that tells them to holders of a key only."""
    board.device.features = layout.FEATURE_AUTH
    _, output = _run("status", "usb:x")
    _, data = _json("status", "usb:x")

    assert "Firmware" not in output
    assert (data["firmware"], data["micropython"]) == (None, None)

    board.device.features |= layout.FEATURE_BENCH
    board.server.visitor.in_hand = False
    board.device.lock.is_locked = True
    board.server._in_hand = False  # noqa: SLF001 - the same board over the air
    assert "Firmware" not in _run("status", "usb:x")[1]
