"""The log on MicroPython's own littlefs outlives a power cut at every flash operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workshop.places import ROOT

if TYPE_CHECKING:
    from conftest import MicroPython

SCRIPT = ROOT / "tests" / "firmware" / "power_cuts.py"
OPERATIONS_MIN = 200  # programs and erases of the scripted run: each is one place to cut


def test_no_cut_loses_a_durable_sample_or_breaks_the_chain(micropython: MicroPython) -> None:
    """Cut at every single program and erase, reboot, go on: no failure at any of them."""
    last = micropython(SCRIPT, "0", "1").stdout.splitlines()[-1]
    cuts, failures = last.split(", ")
    assert failures == "0 failures"
    assert int(cuts.removesuffix(" cuts")) >= OPERATIONS_MIN
