"""On real MicroPython, 64-bit and 32-bit: serving a file leaves the board's heap alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import MicroPython

SCRIPT = Path(__file__).parent / "heap_lock_server.py"
# On 32-bit MicroPython an int of 2**30 or more is 16 bytes on the heap, and a frame has a few:
# CRCs and the credit of a long file. They die at once.
FRAME_BYTES_32_BIT = 160
# A frame of 4096 bytes has 128 blocks of key stream, each with its hash object and its digest.
SECRET_FRAME_BYTES = 128 * 256
# What ten pulls may leave behind: the last reply's key and digest.
PULL_BYTES = 256

pytestmark = pytest.mark.micropython


def figures(micropython: MicroPython) -> dict[str, int]:
    """Run the script; return what it measured."""
    lines = micropython(SCRIPT).stdout.split("\n")
    return {name: int(value) for name, _, value in (line.partition(" ") for line in lines if line)}


def test_a_full_frame_is_sent_with_the_heap_locked(micropython: MicroPython) -> None:
    """From the file's bytes through CRC and COBS to the console: nothing is allocated."""
    measured = figures(micropython)

    assert measured["locked_frames"] == 30
    assert measured["frame_bytes"] == 0


def test_a_proven_pull_allocates_no_more_than_its_cipher_needs(micropython: MicroPython) -> None:
    """A tagged frame nothing: its SHA-256 goes on in place. An enciphered one its key stream."""
    measured = figures(micropython)

    assert measured["tagged_bytes"] == 0
    assert 0 < measured["secret_bytes"] <= SECRET_FRAME_BYTES


def test_pulls_leave_nothing_behind(micropython: MicroPython) -> None:
    """Ten whole pulls with their hashes; then the heap is as full as after the first."""
    assert figures(micropython)["pull_bytes"] <= PULL_BYTES


def test_a_frame_on_32_bits_costs_a_few_short_lived_ints(micropython32: MicroPython) -> None:
    """CRCs, and nothing that grows with the frame."""
    assert figures(micropython32)["frame_bytes"] <= FRAME_BYTES_32_BIT
