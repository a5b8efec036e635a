"""On real MicroPython, 64-bit and 32-bit: a pull over BLE keeps to the heap it was given."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import MicroPython

SCRIPT = Path(__file__).parent / "heap_lock_ble.py"
FAKE = Path(__file__).parents[1] / "fakes" / "bluetooth.py"
# A board sends 21 packets ahead; what a stack keeps of them, its overhead included, is less.
GROWTH_BYTES = 8192
PROOF_BYTES = 1024
# As in test_server_heap: CRCs of 2**30 and more, which die at once.
FRAME_BYTES_32_BIT = 160

pytestmark = pytest.mark.micropython


def figures(micropython: MicroPython, folder: Path) -> dict[str, int]:
    """Run the script beside the stand-in for `bluetooth`; return what it measured."""
    shutil.copy(FAKE, folder)
    lines = micropython(SCRIPT, cwd=folder).stdout.split("\n")
    return {name: int(value) for name, _, value in (line.partition(" ") for line in lines if line)}


def test_a_packet_is_sent_with_the_heap_locked(micropython: MicroPython, tmp_path: Path) -> None:
    """From the file's bytes through both heads and the CRC to the stack."""
    measured = figures(micropython, tmp_path)

    assert measured["locked_frames"] == 14
    assert measured["frame_bytes"] == 0


@pytest.mark.parametrize("stack", ["btstack", "nimble", "btstack_secret", "nimble_secret"])
def test_a_whole_pull_grows_the_heap_by_8_kb_at_most(
    micropython: MicroPython, tmp_path: Path, stack: str
) -> None:
    """Whatever the host grants, on an air that takes nothing while the board can send."""
    measured = figures(micropython, tmp_path)

    assert measured[f"{stack}_bytes"] == measured["size"]
    assert 0 < measured[f"{stack}_growth"] <= GROWTH_BYTES


def test_a_proof_keeps_one_kb_while_its_conversation_lasts(
    micropython: MicroPython, tmp_path: Path
) -> None:
    """Three keys, who it is, and what it was answered."""
    assert 0 < figures(micropython, tmp_path)["proof_bytes"] <= PROOF_BYTES


def test_a_look_that_finds_nothing_new_allocates_nothing(
    micropython: MicroPython, tmp_path: Path
) -> None:
    """Once a second for two weeks."""
    assert figures(micropython, tmp_path)["look_bytes"] == 0


def test_a_packet_on_32_bits_costs_a_few_short_lived_ints(
    micropython32: MicroPython, tmp_path: Path
) -> None:
    """CRCs, and nothing that grows with the packet."""
    measured = figures(micropython32, tmp_path)

    assert measured["frame_bytes"] <= FRAME_BYTES_32_BIT
    assert measured["look_bytes"] == 0
