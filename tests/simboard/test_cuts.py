"""Nothing that was durable is lost, wherever the power goes, and nothing damaged is believed.

A fixed share of what tools/cuts does: of the systematic cuts every STRIDE-th, and 200 at random.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from simboard import cuts
from workshop.places import ROOT

if TYPE_CHECKING:
    from conftest import MicroPython

STRIDE: Final = 157  # of some 22,000: coprime to the 9 ways to cut, so that each has its turn
RANDOM_CUTS: Final = 200
TWO_HOURS: Final = (1, 2)  # one of each full policy


def test_no_cut_of_the_systematic_share_loses_anything(micropython: MicroPython) -> None:
    """Before, in the midst of and behind operations of both hours, once and twice, and bits."""
    tally = cuts.cut(cuts.systematic_jobs(TWO_HOURS, STRIDE, 0, workers=1))

    assert (tally.broken, tally.other) == ([], [])
    assert tally.hours == len(TWO_HOURS)
    assert tally.cuts > 100
    assert tally.boots > 4 * tally.cuts  # from the first on, four in an hour without a cut
    assert tally.checked > 100 * tally.cuts


def test_no_random_cut_loses_anything(micropython: MicroPython) -> None:
    """Random hours, operations and ways; what the host then reads is intact and equal."""
    tally = cuts.cut(cuts.random_jobs(7, RANDOM_CUTS, workers=1), limit=RANDOM_CUTS)

    assert (tally.broken, tally.other) == ([], [])
    assert tally.cuts == RANDOM_CUTS
    assert tally.power_cuts > RANDOM_CUTS
    assert tally.host_logs > 0
    assert tally.host_samples > 0


# A worse firmware, by what it does: Python for the board, and what the claim that it breaks says.
SABOTAGE: Final = {
    "a commit that stores nothing": (
        """
from dewarlog_firmware.flash_log import FlashLog
FlashLog.append_journal = lambda self, view: None
""",
        "were durable",
    ),
    "an engine whose state is not taken up": (
        """
from dewarlog_firmware.excursion import Engine
Engine.restore = lambda self, state: None
""",
        "the excursion engine does not stand",
    ),
    "a confirmation that is forgotten": (
        """
from dewarlog_firmware.flash_log import FlashLog
write_state = FlashLog.write_state
def forget(self, run, state):
    state.confirmed_blocks = 0
    write_state(self, run, state)
FlashLog.write_state = forget
""",
        "a host confirmed",
    ),
}


@pytest.mark.parametrize(("sabotage", "words"), SABOTAGE.values(), ids=SABOTAGE.keys())
def test_a_worse_firmware_does_not_go_unnoticed(
    micropython: MicroPython, sabotage: str, words: str
) -> None:
    """What the claims are for: each is broken by a firmware that breaks it."""
    jobs = cuts.systematic_jobs(TWO_HOURS[:1], STRIDE * 9, 0, workers=1)
    tally = cuts.cut([{**jobs[0], "sabotage": sabotage}])

    assert tally.broken
    assert any(words in what for _, what in tally.broken)


def test_one_cut_can_be_made_again_by_its_number(micropython: MicroPython) -> None:
    """The command takes the number that a failure was told with, and prints its figures."""
    done = subprocess.run(
        [ROOT / "tools" / "cuts", "--only", "10006244"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 cuts in 1 hours (2 power cuts, ")
    assert "0 failures" in done.stdout
