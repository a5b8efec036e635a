"""The firmware stays under its ceilings (tools/sizing/budget.toml): flash, RAM, heap."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from sizing import board32, budget, measure

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = budget.load()


def test_flash_stays_under_every_ceiling() -> None:
    """Each module's and all modules', on the processor where they are largest."""
    assert LIMITS.flash_breaches(measure.flash()) == []


def test_a_module_that_outgrows_its_ceiling_is_named_with_the_bytes() -> None:
    """So is a new one that is large, a ceiling whose module is gone, and the sum."""
    limits = budget.Budget(1000, {"a.small": 500, "a.large": 500, "a.gone": 1}, 9, 1, 1, 1, 1)
    sizes = {
        "a.small": {"armv6m": 499, "armv7m": 500},
        "a.large": {"armv6m": 501, "armv7m": 512},
        "a.new": {"armv6m": 10, "armv7m": 9},
    }

    assert limits.flash_breaches(sizes) == [
        "a.large is 12 bytes over its 500 on armv7m",
        "a.new is 1 bytes over its 9 on armv6m",
        "a.gone has a ceiling and is not there",
        "all modules are 21 bytes over 1,000 on armv7m",
    ]


@pytest.fixture(scope="module")
def program() -> Path:
    """Return the 32-bit board with this firmware frozen into it."""
    if not board32.PROGRAM.exists() and not os.environ.get("CI"):
        pytest.skip("no 32-bit board here; tools/size builds it")
    if reason := board32.why_not():
        pytest.skip(reason)
    return board32.build()


def test_a_life_passes_in_the_heap_it_is_given(program: Path, tmp_path: Path) -> None:
    """Boot, samples, shocks, cable, air, signatures, power cut, other profile; frozen, 32 bits."""
    life = measure.Life(program, tmp_path)
    figures, failed = life.live(LIMITS.least_frozen_kib)
    need_kib = life.least_kib() if failed else 0

    assert failed == "", f"it needs {need_kib} KiB, {need_kib - LIMITS.least_frozen_kib} more"
    assert figures["first signed"] == figures["again signed"] == 1
    assert figures["first shocks"] == 3
    assert figures["other cable_bytes"] > figures["first stored_bytes"]


def test_the_figures_of_a_life_stay_under_their_ceilings(program: Path, tmp_path: Path) -> None:
    """What imports leave although frozen, and what the parts hold."""
    figures, _ = measure.Life(program, tmp_path).live(measure.MOST_KIB)

    assert max(0, figures["first imports"] - LIMITS.data_bytes) == 0
    assert max(0, figures["first parts"] - LIMITS.parts_bytes) == 0


def test_a_heap_too_small_fails_the_life(program: Path, tmp_path: Path) -> None:
    """Or the ceiling proves nothing: by a MemoryError, as on a board."""
    failed = measure.Life(program, tmp_path).live(measure.LEAST_KIB)[1]

    assert "memory allocation failed" in failed or "MemoryError" in failed
