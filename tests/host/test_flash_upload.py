"""A flash cut anywhere: the board starts nothing until the next one has made it whole.

The code that runs on a board runs here, over a file system of a dict (fakes/prompt_board.py).
"""

from __future__ import annotations

import random

import pytest

from dewarlog.errors import FlashCut, FlashError, FlashFailed, NoRoom
from dewarlog.flash import board_code, looked
from dewarlog.flash.byte_code import BoardFile
from dewarlog.flash.plan import Plan, make_plan, missing
from dewarlog.flash.prompt import PromptLost
from dewarlog.flash.upload import HALF, UNTOUCHED, WHOLE, Upload, UploadProgress
from prompt_board import Disk, PromptBoard

LONG = random.Random(1).randbytes(2 * board_code.CHUNK_BYTES + 77)
WANTED = [
    BoardFile("/dewarlog_firmware/__init__.mpy", b"M\x06new"),
    BoardFile("/dewarlog_firmware/app.mpy", LONG),
    BoardFile("/dewarlog_firmware/sensors/adxl372.mpy", b"M\x06sensor"),
    BoardFile("/dewarlog_wire/layout.mpy", b"M\x06wire"),
    BoardFile("/boot.py", b"# dewarlog boot\n"),
    BoardFile("/main.py", b"# dewarlog main, knows the marker\n"),
]
# What is nobody's but the logger's.
KEPT = {
    "/profile.json": b'{"channels": []}',
    "/key.bin": bytes(36),
    "/seal.a": b"seal" * 1000,
    "/log/00000001/0.seg": b"log" * 3000,
    "/notes.txt": b"of a person",
}
OLDER = {
    "/dewarlog_firmware/app.mpy": b"M\x06old",
    "/dewarlog_firmware/__init__.py": b"VERSION = (0, 0, 1)\n",  # would be imported before .mpy
    "/dewarlog_firmware/gone/part.mpy": b"M\x06gone",
    "/main.py": b"# dewarlog main of old\n",
}


def plan_of(board: PromptBoard, wanted: list[BoardFile] = WANTED) -> Plan:
    """Look at a board and plan."""
    board.enter()
    return make_plan(wanted, looked.ask_all(board))


def flash(board: PromptBoard, wanted: list[BoardFile] = WANTED) -> Upload:
    """Flash a board; return the upload, whose state says what the board holds."""
    upload = Upload("port", board, plan_of(board, wanted))
    upload.run("a flash")
    return upload


def assert_whole(disk: Disk) -> None:
    """See that the board holds this firmware, no other, and all that is not ours."""
    ours = {file.place: file.data for file in WANTED}
    assert disk.files == ours | {path: KEPT[path] for path in KEPT if path in disk.files}
    assert [path for path in disk.folders if "gone" in path] == []


def starts_something(disk: Disk) -> bool:
    """Tell whether main.py of the board would start a firmware."""
    main = disk.files.get("/main.py", b"")
    knows_the_marker = main == WANTED[-1].data
    return bool(main) and not (knows_the_marker and board_code.MARKER in disk.files)


def test_a_blank_board_gets_every_file() -> None:
    """Folders are made, and the marker is gone at the end."""
    board = PromptBoard(Disk(dict(KEPT)))
    upload = flash(board)
    assert_whole(board.disk)
    assert upload.state == WHOLE


def test_a_second_flash_changes_nothing() -> None:
    """The plan is empty: not a byte is written."""
    board = PromptBoard(Disk(dict(KEPT)))
    flash(board)
    plan = plan_of(board)
    assert not plan.has_changes
    assert plan.needed_bytes == plan.written_bytes == 0


def test_files_of_an_older_firmware_go_and_all_others_stay() -> None:
    """Source beside byte code would be imported in its place; a person's file is not ours."""
    board = PromptBoard(Disk(KEPT | OLDER))
    flash(board)
    assert_whole(board.disk)
    assert {path: board.disk.files[path] for path in KEPT} == KEPT


def test_one_changed_file_is_the_only_one_written() -> None:
    """By hash: same size, another byte."""
    board = PromptBoard(Disk({file.place: file.data for file in WANTED}))
    changed = [*WANTED]
    changed[1] = BoardFile(WANTED[1].place, b"X" + LONG[1:])
    plan = plan_of(board, changed)
    assert [file.place for file in plan.written] == ["/dewarlog_firmware/app.mpy"]
    assert plan.scripts == ()


def _operations() -> int:
    board = PromptBoard(Disk(KEPT | OLDER))
    flash(board)
    return board.disk.operations


@pytest.mark.parametrize("cut_at", range(_operations()))
def test_a_power_cut_at_any_change_is_mended_by_the_next_flash(cut_at: int) -> None:
    """The log, the keys and what is not ours are the same bytes; no half firmware is started."""
    disk = Disk(KEPT | OLDER)
    disk.cut_at = cut_at
    with pytest.raises(FlashCut) as caught:
        flash(PromptBoard(disk))
    assert {path: disk.files[path] for path in KEPT} == KEPT
    is_untouched = disk.files == KEPT | OLDER
    is_half = missing(tuple(WANTED), _held(disk)) and not is_untouched
    if is_half and disk.files["/main.py"] != OLDER["/main.py"]:
        assert not starts_something(disk)
    if is_half and disk.files["/main.py"] == OLDER["/main.py"]:
        # The older main.py starts the older firmware, which is still whole.
        assert {path: disk.files[path] for path in OLDER} == OLDER
    if not is_untouched:
        assert caught.value.state == HALF
    disk.cut_at = -1
    flash(PromptBoard(disk))
    assert_whole(disk)
    assert {path: disk.files[path] for path in KEPT} == KEPT


def _held(disk: Disk) -> dict[str, looked.Held]:
    board = PromptBoard(disk)
    board.enter()
    board.run(board_code.TOOLS)
    return looked.ask_hashes(board)[0]


def _pieces() -> int:
    board = PromptBoard(Disk(KEPT | OLDER))
    flash(board)
    return len(board.ran)


@pytest.mark.parametrize("cut_at", range(_pieces()))
def test_a_cable_pulled_at_any_step_says_what_the_board_holds(cut_at: int) -> None:
    """Before the first change nothing was; after it the next flash completes."""
    board = PromptBoard(Disk(KEPT | OLDER))
    board.cable_cut_at = cut_at
    before = dict(board.disk.files)
    with pytest.raises((FlashCut, PromptLost)) as caught:
        flash(board)
    changed = board.disk.files != before
    if isinstance(caught.value, FlashCut):
        assert changed
        assert caught.value.state == HALF
        assert "run the command again" in str(caught.value)
    else:
        assert not changed
    board.cable_cut_at = -1
    flash(board)
    assert_whole(board.disk)


@pytest.mark.parametrize("second", range(0, _operations(), 3))
def test_the_mending_flash_may_be_cut_too(second: int) -> None:
    """Twice in one place, and then it is let through."""
    disk = Disk(KEPT | OLDER)
    for cut_at in (11, 11 + 1 + second):
        disk.cut_at = cut_at
        try:
            flash(PromptBoard(disk))
        except FlashError:
            assert not starts_something(disk) or board_code.MARKER not in disk.files
    disk.cut_at = -1
    flash(PromptBoard(disk))
    assert_whole(disk)


def test_a_file_that_arrives_spoiled_is_written_once_more() -> None:
    """Its hash is taken on the board before it gets its name."""
    board = PromptBoard(Disk())
    plan = plan_of(board)
    board.disk.spoil_next = True
    Upload("port", board, plan).run("a flash")
    assert_whole(board.disk)


def test_flash_that_spoils_every_byte_is_told_and_never_renamed() -> None:
    """The old file stays in its place."""
    board = PromptBoard(Disk(dict(OLDER)))
    plan = plan_of(board)

    class Worn(PromptBoard):
        def run(self, code: str) -> str:
            self.disk.spoil_next = True
            return super().run(code)

    worn = Worn(board.disk)
    worn.enter()
    worn.run(board_code.TOOLS)
    with pytest.raises(FlashFailed, match="another hash"):
        Upload("port", worn, plan).run("a flash")
    assert board.disk.files["/main.py"] == OLDER["/main.py"]


def test_a_flash_that_runs_full_on_the_way_says_so_and_goes_on_later() -> None:
    """A log that grew meanwhile, say: the board starts nothing, and keeps all."""
    disk = Disk(dict(KEPT), blocks=30)
    board = PromptBoard(disk)
    plan = plan_of(board)
    disk.files["/log/00000001/1.seg"] = bytes(4096 * (disk.blocks - disk.used_blocks - 8))
    with pytest.raises(NoRoom) as caught:
        Upload("port", board, plan).run("a flash")
    assert "starts none of it" in str(caught.value)
    assert "--erase-log" in str(caught.value)
    del disk.files["/log/00000001/1.seg"]
    flash(board)
    assert_whole(disk)


def test_progress_rises_to_the_whole() -> None:
    """In bytes of what is written, never back and never beyond."""
    board = PromptBoard(Disk())
    seen: list[UploadProgress] = []
    Upload("port", board, plan_of(board), seen.append).run("a flash")
    done = [now.done_bytes for now in seen]
    assert done == sorted(done)
    assert {now.total_bytes for now in seen} == {sum(len(file.data) for file in WANTED)}
    assert done[-1] == seen[-1].total_bytes


def test_an_upload_that_has_not_begun_says_that_nothing_changed() -> None:
    """Or that an earlier one was cut."""
    board = PromptBoard(Disk())
    assert Upload("port", board, plan_of(board)).state == UNTOUCHED
    board.disk.files[board_code.MARKER] = b"cut"
    assert Upload("port", board, plan_of(board)).state == HALF
