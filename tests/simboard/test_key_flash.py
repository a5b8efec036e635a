"""The file system's flash as rp2.Flash, and the real firmware's sealing key on it over cuts."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import pytest

from dewarlog_wire.crc import crc32
from simboard import launch

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import MicroPython

SCENARIO: Final = """
title = "Sealed"
begins = 2026-03-02T08:00:00Z
length = "20 min"
{tables}
[[probe]]
channel = 0
"""
SLOT: Final = "<I32sI"
COPY_BYTES: Final = 128
INDEX_MAX: Final = 1000


@pytest.fixture
def scenario_file(tmp_path: Path, micropython: MicroPython) -> Path:
    """Return where a test writes its scenario; skips where there is no MicroPython."""
    return tmp_path / "case.toml"


def states_in(image: bytes) -> dict[bytes, int]:
    """Return the index of every state that a slot of the image holds."""
    found: dict[bytes, int] = {}
    for at in range(0, len(image), COPY_BYTES):
        index, state, crc = struct.unpack_from(SLOT, image, at)
        # littlefs ends its metadata in a CRC-32 too, over bytes that are no index.
        if 0 < index < INDEX_MAX and crc == crc32(image[at : at + 36]):
            found[state] = index
    return found


def test_rp2_flash_is_what_the_file_system_stands_on(scenario_file: Path) -> None:
    """Raw programs clear bits of a file's block, raw erases set them, and both take time."""
    script = """
import rp2, time
with open("/block", "wb") as file:
    file.write(b"a mark to search" + b"\\xff" * 4080)
flash = rp2.Flash()
page = bytearray(16)
hits = []
for number in range(flash.ioctl(4, 0)):
    flash.readblocks(number, page, 0)
    if page == b"a mark to search":
        hits.append(number)
began = time.ticks_us()
flash.writeblocks(hits[0], b"\\x0f" * 256, 256)
flash.writeblocks(hits[0], b"\\xf1" * 256, 256)
programs_us = time.ticks_us() - began
with open("/block", "rb") as file:
    file.seek(255)
    print(len(hits), flash.ioctl(5, 0), file.read(2))
began = time.ticks_us()
flash.ioctl(6, hits[0])
print(programs_us >= 800, time.ticks_us() - began >= 45000)
flash.readblocks(hits[0], page, 256)
print(page == b"\\xff" * 16)
"""
    scenario_file.write_text(SCENARIO.format(tables=""))
    with launch.start(scenario_file, main=script) as board:
        board.wait_end(60)
        lines = board.console_output().splitlines()

    assert lines[:3] == [b"1 4096 b'\\xff\\x01'", b"True True", b"True"]


@pytest.mark.parametrize("operation", [*range(0, 60, 6), 100, 101, 102, 103, 104])
def test_the_firmware_keeps_one_state_over_a_cut(
    scenario_file: Path, tmp_path: Path, operation: int
) -> None:
    """While the key is made, and behind it: the board boots, and one state is in its flash."""
    cuts = f'[[power_cut]]\nflash_operation = {operation}\npart_done = 0.6\noff = "2 s"\n'
    image = tmp_path / "flash.bin"
    scenario_file.write_text(SCENARIO.format(tables=cuts))
    with launch.start(scenario_file, flash_image=image) as board:
        report = board.wait_end(60)

    assert report["boots"] == 2
    assert report["firmware_errors"] == 0
    assert list(states_in(image.read_bytes()).values()) in ([2], [3])


def test_timed_cuts_move_the_key_on_and_leave_no_state_behind(
    scenario_file: Path, tmp_path: Path
) -> None:
    """Each boot seals what the journal held: one index more, in one slot."""
    cuts = '[[power_cut]]\nat = "5 min"\noff = "5 s"\n[[power_cut]]\nat = "10 min"\noff = "5 s"\n'
    image = tmp_path / "flash.bin"
    scenario_file.write_text(SCENARIO.format(tables=cuts))
    with launch.start(scenario_file, flash_image=image) as board:
        board.wait_end(60)

    assert list(states_in(image.read_bytes()).values()) == [4]
