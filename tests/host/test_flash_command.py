"""What `dewarlog flash` says: to a person, as data, and when it is stopped."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from dewarlog import cli
from dewarlog.errors import ExitCode
from dewarlog.flash import flasher, logger
from dewarlog.flash.flasher import Flasher
from dewarlog.flash.logger import Present, Running
from dewarlog.replies import Board, Status
from prompt_board import Disk, PromptBoard

if TYPE_CHECKING:
    from pathlib import Path

ID = bytes.fromhex("e660583883724a32")
RECORDS = Status(*([1] + [0] * 24))


class Desk:
    """An engineer's computer with a small source tree, and a board at its prompt."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tree = folder / "tree"
        for place, text in {
            "firmware/dewarlog_firmware/__init__.py": "VERSION = (4, 5, 6)\n",
            "firmware/dewarlog_firmware/app.py": "def run():\n    pass\n",
            "firmware/boot.py": "# dewarlog\n",
            "firmware/main.py": "# dewarlog\n",
            "protocol/dewarlog_wire/__init__.py": "",
        }.items():
            file = self.tree / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self.board = PromptBoard(Disk({"/notes\x1b.txt": b"of a person"}))
        monkeypatch.setattr(flasher, "Flasher", partial(Flasher, open_prompt=self.board.prompt))
        monkeypatch.setattr(logger, "look", lambda port: Present(at_prompt=True))
        running = Running(Board(ID, 1, 4096, 0), RECORDS, None)
        monkeypatch.setattr(logger, "await_logger", lambda port, records: running)

    def run(self, *options: str) -> tuple[int, str]:
        """Flash; return the exit code and all it said."""
        arguments = ["flash", "COM3", "--firmware", str(self.tree), *options]
        result = CliRunner().invoke(cli.app, arguments)
        return result.exit_code, result.output

    def json(self, *options: str) -> dict[str, Any]:
        """Flash with --json."""
        answer: dict[str, Any] = json.loads(self.run(*options, "--json")[1])
        return answer


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Sit down at one."""
    return Desk(tmp_path, monkeypatch)


def test_a_person_is_told_board_version_files_and_health(desk: Desk) -> None:
    """And a second time that there was nothing to do."""
    code, said = desk.run()
    assert code == ExitCode.USE
    assert "RPI_PICO2_W (Raspberry Pi Pico 2 W with RP2350), MicroPython 1.26.0" in said
    assert "Firmware here: 4.5.6" in said
    assert "Written: 5 files" in said
    assert "recording" in said
    assert desk.board.resets == 1
    assert "Nothing to write" in desk.run()[1]


def test_a_list_shows_every_file_and_what_is_left_alone(desk: Desk) -> None:
    """A dry run only what changes; neither touches the board, and no name speaks to a terminal."""
    before = dict(desk.board.disk.files)
    code, said = desk.run("--list")
    assert code == ExitCode.USE
    assert "/dewarlog_firmware/app.mpy" in said
    assert "/notes\\x1b.txt" in said
    assert "5 new" in said
    assert desk.board.disk.files == before
    assert desk.board.resets == 0
    desk.run()
    assert "app.mpy" in desk.run("--list")[1]
    assert "app.mpy" not in desk.run("--dry-run")[1]
    assert "would change nothing" in desk.run("--dry-run")[1]


def test_json_has_the_same_in_numbers(desk: Desk) -> None:
    """Files with states and sizes, bytes, and the logger after it."""
    answer = desk.json()
    assert (answer["firmware"], answer["board"]) == ("4.5.6", "RPI_PICO2_W")
    assert {entry["state"] for entry in answer["files"]} == {"new"}
    assert answer["written"] == 5
    assert answer["sent_bytes"] == desk.board.sent_bytes
    assert answer["after"]["status"]["device_id"] == ID.hex()


def test_a_list_names_what_a_flash_would_refuse_and_a_dry_run_refuses(desk: Desk) -> None:
    """Here another program's main.py."""
    desk.board.disk.files["/main.py"] = b"import blinky\n"
    code, said = desk.run("--list")
    assert code == ExitCode.USE
    assert "A flash refuses" in said
    assert desk.json("--list")["problems"][0]["error"] == "OtherCode"
    code, said = desk.run("--dry-run")
    assert code == ExitCode.DEVICE
    assert "--replace-main" in said


def test_a_flash_stopped_by_ctrl_c_says_what_the_board_holds(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next one completes it."""
    run = desk.board.run

    def stopped(code: str) -> str:
        if "app.mpy.new" in code:
            raise KeyboardInterrupt
        return run(code)

    with monkeypatch.context() as patch:
        patch.setattr(desk.board, "run", stopped)
        code, said = desk.run()
    assert code != ExitCode.USE
    assert "holds part of the new firmware" in said
    assert desk.board.resets == 0
    code, said = desk.run()
    assert "An earlier flash of this board was cut" in said
    assert "/flashing" not in desk.board.disk.files


def test_a_board_without_a_prompt_is_refused(desk: Desk) -> None:
    """Whatever it is."""
    desk.board.has_prompt = False
    assert desk.json()["error"] == "NoPrompt"


def test_a_cable_pulled_while_looking_changed_nothing(desk: Desk) -> None:
    """It says so."""
    for step in range(4):
        desk.board.ran.clear()
        desk.board.cable_cut_at = step
        answer = desk.json()
        assert answer["error"] == "FlashCut"
        assert "Nothing was changed" in answer["message"]
        desk.board.cable_cut_at = -1
    assert list(desk.board.disk.files) == ["/notes\x1b.txt"]


def test_what_a_board_says_of_itself_cannot_speak_to_a_terminal(desk: Desk) -> None:
    """Nor make a plan out of noise."""
    desk.board.uname.machine = "\x1b[2J evil"
    code, said = desk.run()
    assert code == ExitCode.DEVICE
    assert "\x1b" not in said


def test_a_dry_run_of_erasing_refuses_without_stopping_the_logger(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needs no look at its files is refused all the same; a list only looks."""
    present = Present(Running(Board(ID, 1, 4096, 0), RECORDS, None))
    monkeypatch.setattr(logger, "look", lambda port: present)
    dry = desk.run("--dry-run", "--erase-log", "--json")
    assert (dry[0], json.loads(dry[1])["error"]) == (ExitCode.DEVICE, "NotClaimed")
    assert desk.run("--list", "--erase-log")[0] == ExitCode.USE
    assert desk.board.resets == 0
