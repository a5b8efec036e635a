"""What flash knows before it changes anything: files, boards, what a board told, what to do."""

from __future__ import annotations

import ast
import contextlib
import struct
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog.errors import (
    CompilerMismatch,
    FirmwareMissing,
    NeedsImage,
    NotMicroPython,
    UnknownBoard,
    UnknownMicroPython,
)
from dewarlog.flash import board_code, looked, overdue
from dewarlog.flash.byte_code import (
    BoardFile,
    board_files,
    compiler_version,
    read_mpy,
)
from dewarlog.flash.known import BOARDS, SIMULATED, Identity, recognise
from dewarlog.flash.looked import Garbled, Held, Looked, read_look
from dewarlog.flash.plan import CHANGED, DAMAGED, NEW, OLD, SAME, make_plan
from dewarlog.flash.source import Source, firmware_files, firmware_version
from dewarlog_firmware import VERSION
from prompt_board import Disk, PromptBoard
from workshop.places import FIRMWARE, ROOT

if TYPE_CHECKING:
    from pathlib import Path

PICO_2_W = Identity(
    "Raspberry Pi Pico 2 W with RP2350",
    "v1.27.0 on 2025-12-01",
    "micropython",
    (1, 27, 0),
    6 | 3 << 8 | 7 << 10,
)


def look_of(files: dict[str, tuple[int, str]] | None = None, free_blocks: int = 100) -> Looked:
    """Return a board with our two folders and files, given as size and hash."""
    held = {place: Held(place, *entry) for place, entry in (files or {}).items()}
    folders = frozenset({"/dewarlog_firmware", "/dewarlog_wire"})
    return Looked(4096, 212, free_blocks, held, folders, {})


# --- the firmware's files ------------------------------------------------------------------------
def test_packages_go_compiled_and_start_up_files_as_source() -> None:
    """MicroPython looks for boot.py and main.py by these names alone."""
    places = [source.place for source in firmware_files()]
    assert places[-2:] == ["/boot.py", "/main.py"]
    assert "/dewarlog_firmware/sensors/adxl372.mpy" in places
    assert "/dewarlog_wire/layout.mpy" in places
    assert all(place.endswith(".mpy") for place in places[:-2])


@pytest.mark.parametrize("tree", [ROOT, FIRMWARE])
def test_a_source_tree_is_named_by_its_root_or_its_firmware_folder(tree: Path) -> None:
    """Both are what a person might name."""
    assert [s.place for s in firmware_files(tree)] == [s.place for s in firmware_files()]


def test_a_folder_without_firmware_is_refused_by_name(tmp_path: Path) -> None:
    """With what to name instead."""
    with pytest.raises(FirmwareMissing, match="folder that holds `firmware`"):
        firmware_files(tmp_path)


def test_a_program_installed_without_its_clone_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The firmware is no part of the wheel."""
    monkeypatch.setattr("dewarlog.flash.source.CLONE", tmp_path)
    with pytest.raises(FirmwareMissing, match="installed without"):
        firmware_files()


def test_the_version_is_the_firmwares_own() -> None:
    """Read from the source, which is not imported."""
    assert firmware_version(firmware_files()) == ".".join(map(str, VERSION))


# --- compiling -----------------------------------------------------------------------------------
def test_byte_code_is_made_for_the_processor_and_is_the_same_each_time(tmp_path: Path) -> None:
    """Else every flash would upload everything; machine code names its processor in the head."""
    file = tmp_path / "fast.py"
    file.write_text("import micropython\n@micropython.viper\ndef f(x: int) -> int:\n return x\n")
    source = Source(file, "/dewarlog_firmware/fast.mpy")
    for processor, number in (("armv6m", 4), ("armv7emsp", 7), ("xtensawin", 10), ("x64", 2)):
        (made,), (again,) = board_files([source], processor), board_files([source], processor)
        assert made.data[:2] == b"M\x06"
        assert made.data[2] >> 2 == number
        assert made == again


def test_a_file_that_is_no_micropython_is_told_in_the_compilers_words(tmp_path: Path) -> None:
    """With the line."""
    file = tmp_path / "bad.py"
    file.write_text("match x:\n    case 1: pass\n")
    with pytest.raises(NotMicroPython, match="line 1"):
        board_files([Source(file, "/dewarlog_firmware/bad.mpy")], "armv6m")


def test_line_ends_of_a_checkout_do_not_reach_the_board(tmp_path: Path) -> None:
    """A clone on Windows flashes the same bytes."""
    file = tmp_path / "main.py"
    file.write_bytes(b"a = 1\r\nb = 2\r\n")
    (made,) = board_files([Source(file, "/main.py")], "armv6m")
    assert made.data == b"a = 1\nb = 2\n"


# --- which board ---------------------------------------------------------------------------------
def test_boards_are_those_of_the_firmwares_wiring() -> None:
    """By the same beginnings, in the same order."""
    tree = ast.parse((FIRMWARE / "dewarlog_firmware/board.py").read_text())
    (rows,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_BOARDS"
    ]
    assert isinstance(rows, ast.Tuple)
    wired = [
        (ast.literal_eval(row.elts[1]), ast.literal_eval(row.elts[0]))
        for row in rows.elts
        if isinstance(row, ast.Tuple)
    ]
    assert [(one.name, one.machine) for one in BOARDS] == wired


@pytest.mark.parametrize(
    ("machine", "processor", "name"),
    [
        ("Raspberry Pi Pico 2 W with RP2350", 7, "RPI_PICO2_W"),
        ("Generic ESP32S3 module with ESP32S3", 10, "ESP32_GENERIC_S3"),
    ],
)
def test_each_known_board_is_recognised(machine: str, processor: int, name: str) -> None:
    """With MicroPython of every known version."""
    for minor in range(25, 30):
        told = Identity(machine, "", "micropython", (1, minor, 0), 6 | 3 << 8 | processor << 10)
        assert recognise("port", told, "6.3").name == name


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ("Raspberry Pi Pico W with RP2040", "RPI_PICO_W"),
        ("Raspberry Pi Pico with RP2040", "RPI_PICO"),
    ],
)
def test_a_board_too_small_for_files_is_told_to_take_an_image(machine: str, name: str) -> None:
    """By its name, and by what builds one; the simulated one, on this computer, takes files."""
    told = Identity(machine, "", "micropython", (1, 28, 0), 6 | 3 << 8 | 4 << 10)
    with pytest.raises(NeedsImage, match=f"BOARD={name} FROZEN_MANIFEST"):
        recognise("port", told, "6.3")
    assert recognise("port", replace(told, build=f"1.28 {SIMULATED}"), "6.3").name == name


def test_an_unknown_board_is_refused_naming_both() -> None:
    """What it is, and what the firmware is made for."""
    with pytest.raises(UnknownBoard) as caught:
        recognise("port", replace(PICO_2_W, machine="PYBv1.1 with STM32F405RG"), "6.3")
    said = str(caught.value)
    assert "PYBv1.1" in said
    assert all(one.name in said for one in BOARDS)


@pytest.mark.parametrize("version", [(1, 24, 1), (1, 30, 0), (2, 0, 0)])
def test_an_unknown_version_is_refused_naming_both(version: tuple[int, ...]) -> None:
    """Older and newer."""
    with pytest.raises(UnknownMicroPython) as caught:
        recognise("port", replace(PICO_2_W, version=version), "6.3")
    assert ".".join(map(str, version)) in str(caught.value)
    assert "1.25 to 1.29" in str(caught.value)


def test_another_python_is_refused_by_name() -> None:
    """CircuitPython has a prompt too."""
    with pytest.raises(UnknownMicroPython, match=r"circuitpython 9\.2\.0"):
        recognise("port", replace(PICO_2_W, python="circuitpython", version=(9, 2, 0)), "6.3")


def test_a_board_that_loads_other_files_than_are_made_is_refused_naming_both() -> None:
    """Its MicroPython and mpy-cross are of different ages."""
    with pytest.raises(CompilerMismatch, match=r"version 6\.2.*version 6\.3"):
        recognise("port", replace(PICO_2_W, mpy=6 | 2 << 8 | 7 << 10), "6.3")


@pytest.mark.parametrize("processor", [0, 2, 4, 11, 13])
def test_machine_code_of_another_kind_than_the_boards_is_refused(processor: int) -> None:
    """A RISC-V build of a Pico 2 W, or one that runs on a PC and does not say so."""
    with pytest.raises(UnknownBoard, match="armv7emsp"):
        recognise("port", replace(PICO_2_W, mpy=6 | 3 << 8 | processor << 10), "6.3")


def test_the_simulated_board_alone_runs_on_this_computers_processor() -> None:
    """It says that it is simulated."""
    x64 = replace(PICO_2_W, build="v1.26.0 (simulated board)", mpy=6 | 3 << 8 | 2 << 10)
    assert recognise("port", x64, "6.3").name == "RPI_PICO2_W"


def test_this_mpy_cross_makes_what_boards_from_1_25_on_load() -> None:
    """Version 6.3, since MicroPython 1.23."""
    assert compiler_version() == "6.3"
    assert read_mpy(2822).version_name == "6.3"
    assert read_mpy(2822).processor == "x64"


# --- what a board told ---------------------------------------------------------------------------
def test_what_a_board_prints_is_read_back() -> None:
    """Names with quotes, tabs and letters of every kind are literals."""
    said = (
        "room\t4096\t212\t100\r\nfolder\t'/dewarlog_wire'\r\n"
        "file\t\"/dewarlog_wire/o'\\t.mpy\"\t12\tabc\r\nfile\t'/main.py'\t0\t-\r\n"
        "text\t'/main.py'\tYWJj\r\ntext\t'/main.py'\tZGVm\r\nother\t'/log'\t4096\t3\r\n"
    )
    told = read_look(said)
    assert told.files["/dewarlog_wire/o'\t.mpy"].size_bytes == 12
    assert told.files["/main.py"].sha256 == ""
    assert told.texts["/main.py"] == b"abcdef"
    assert told.others == (looked.Other("/log", 4096, 3),)
    assert told.free_bytes == 409_600


@pytest.mark.parametrize(
    "said",
    ["", "hello\r\n", "room\t1\r\n", "file\t'/x'\r\n", "room\t4096\t2\t1\r\ntext\t'/x'\t***\r\n"],
)
def test_other_answers_are_told_as_garbled(said: str) -> None:
    """Never a crash, never a plan."""
    with pytest.raises(Garbled):
        read_look(said)


_WORDS = st.sampled_from(
    [
        *("room", "file", "folder", "text", "other", "id", "built in"),
        *("4096", "-1", "'/main.py'", "{[]: 1}", "YQ==", "(1, 2)"),
    ]
)


@given(
    st.lists(st.lists(_WORDS | st.text(max_size=5), max_size=6).map("\t".join)).map("\r\n".join)
)
def test_whatever_a_board_prints_is_read_or_told_as_garbled(said: str) -> None:
    """No other error leaves the reader."""
    with contextlib.suppress(Garbled):
        read_look(said)
    noise = PromptBoard(Disk())
    noise.run = lambda code: said
    with contextlib.suppress(Garbled):
        looked.ask_identity(noise)
    with contextlib.suppress(Garbled):
        looked.ask_hashes(noise)
    noise.run = lambda code: f"room\t4096\t2\t1\r\n{said}" if "statvfs" in code else said
    with contextlib.suppress(Garbled):
        looked.ask_all(noise)


@pytest.mark.parametrize(
    ("kept", "locked"),
    [
        (None, False),
        (b"\0\0" + struct.pack("<I", crc32(b"\0\0")), False),
        (b"\1\0" + struct.pack("<I", crc32(b"\1\0")), False),
        (b"\1\1" + struct.pack("<I", crc32(b"\1\1")), True),
        (b"\1\0" + bytes(4), True),
        (b"", True),
        (b"\1", True),
    ],
)
def test_a_lock_is_read_as_the_board_reads_it(kept: bytes | None, *, locked: bool) -> None:
    """One that cannot be read means locked."""
    told = look_of()
    if kept is not None:
        told.texts[board_code.LOCK] = kept
    assert told.is_locked is locked


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        (b"import blinky\n", ["/main.py"]),
        (b"# of dewarlog\nfrom dewarlog_firmware import lock\n", []),
        (b"# made by the port itself\n#import esp\n\n", []),
        (b"", []),
    ],
)
def test_a_start_up_file_that_does_something_else_is_foreign(
    text: bytes, foreign: list[str]
) -> None:
    """Comments alone, as a port makes them, are nobody's work."""
    told = look_of(files={"/main.py": (len(text), "x")})
    told.texts["/main.py"] = text
    assert told.foreign == foreign


# --- the plan ------------------------------------------------------------------------------------
FILES = [
    BoardFile("/dewarlog_firmware/a.mpy", b"a" * 5000),
    BoardFile("/dewarlog_wire/b.mpy", b"b"),
    BoardFile("/dewarlog_wire/c.mpy", b"c"),
    BoardFile("/dewarlog_wire/d.mpy", b"d"),
    BoardFile("/main.py", b"m"),
]


def test_every_file_has_its_state() -> None:
    """Same, changed, new, unreadable, and what is to go."""
    told = look_of(
        files={
            "/dewarlog_firmware/a.mpy": (5000, FILES[0].sha256),
            "/dewarlog_wire/b.mpy": (1, FILES[2].sha256),
            "/dewarlog_wire/d.mpy": (0, ""),
            "/dewarlog_wire/old.py": (700, "0"),
        }
    )
    plan = make_plan(FILES, told)
    assert [(entry.place[-5:], entry.state) for entry in plan.states] == [
        ("a.mpy", SAME),
        ("b.mpy", CHANGED),
        ("c.mpy", NEW),
        ("d.mpy", DAMAGED),
        ("ld.py", OLD),
        ("in.py", NEW),
    ]
    assert plan.removed == ("/dewarlog_wire/old.py",)
    assert [file.place for file in plan.scripts] == ["/main.py"]


def test_nothing_outside_our_folders_is_removed() -> None:
    """Whatever stands there."""
    told = look_of(files={"/boot.py": (3, "x"), "/main.py": (3, "x"), "/flashing": (3, "x")})
    assert make_plan(FILES, told).removed == ()


def test_a_folder_where_a_file_must_be_is_emptied_and_goes() -> None:
    """And a file where a folder must be."""
    base = look_of(files={"/dewarlog_firmware/a.mpy/x": (1, "x"), "/dewarlog_wire": (1, "x")})
    folders = frozenset({"/dewarlog_firmware", "/dewarlog_firmware/a.mpy"})
    told = Looked(4096, 212, 100, base.files, folders, {})
    plan = make_plan(FILES, told)
    assert set(plan.removed) == {"/dewarlog_firmware/a.mpy/x", "/dewarlog_wire"}
    assert plan.removed_folders == ("/dewarlog_firmware/a.mpy",)
    assert plan.made_folders == ("/dewarlog_wire",)


def test_room_is_counted_in_blocks_at_the_fullest_moment() -> None:
    """Old and new stand side by side while one is written; what is removed makes room first."""
    empty = make_plan(FILES, look_of())
    assert empty.needed_bytes == (4 + 1 + 2 + 3) * 4096  # spare, main.py, a in two, b, c, d
    older = look_of(
        files={
            "/dewarlog_firmware/old.mpy": (9000, "0"),
            "/dewarlog_firmware/a.mpy": (5000, "0"),
        }
    )
    assert make_plan(FILES, older).needed_bytes == (4 + 1 - 3 + 2 - 2 + 3) * 4096
    assert not make_plan(FILES, look_of(free_blocks=9)).fits
    assert make_plan(FILES, look_of(free_blocks=10)).fits


# --- calibration ---------------------------------------------------------------------------------
PROFILE = b"""{"channels": [
 {"channel": 0, "serial": "T-17", "calibration_due": "2026-01-31"},
 {"channel": 1, "calibration_due": "2026-02-01"},
 {"channel": 2, "calibration_due": null}, {"channel": 3}]%s}"""


def test_a_probe_is_overdue_from_its_due_date_on() -> None:
    """It is 00:00 UTC of that day, for flash, the gate and the check of a log alike."""
    judged = overdue.judge(PROFILE % b"", date(2026, 1, 31))
    assert [entry.name for entry in judged.overdue] == ["probe 1 (T-17), due 2026-01-31"]
    assert not judged.refuses
    assert overdue.judge(PROFILE % b"", date(2026, 1, 30)).overdue == ()


def test_the_profile_says_whether_overdue_refuses() -> None:
    """handling.calibration_policy."""
    refusing = PROFILE % b', "handling": {"calibration_policy": "refuse"}'
    assert overdue.judge(refusing, date(2026, 3, 1)).refuses


@pytest.mark.parametrize(
    "profile",
    [
        *(b"", b"\xff", b"[]", b"{", b'{"channels": 3}', b'{"channels": [3, {"channel": "x"}]}'),
        b'{"channels": [{"channel": 0, "calibration_due": "soon"}], "handling": 1}',
        b"[" * 9000,
    ],
)
def test_a_profile_that_is_none_is_the_firmwares_to_refuse(profile: bytes) -> None:
    """Flash goes on: it puts the firmware there that names the mistake."""
    assert overdue.judge(profile, date(2026, 3, 1)) == overdue.Calibrations()
