"""Nothing that was durable is lost, wherever the power goes, and nothing damaged is believed.

A fixed share of what tools/cuts does: of the systematic cuts every STRIDE-th, and 120 at random.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from simboard import cuts
from workshop.places import ROOT

if TYPE_CHECKING:
    from conftest import MicroPython

STRIDE: Final = 599  # of some 29,000: coprime to the 10 ways to cut, so that each has its turn
RANDOM_CUTS: Final = 120
BENCH_HOUR: Final = (900,)
BENCH_STRIDE: Final = 811  # of some 7,000
FEW: Final = 3609  # a stride that makes a handful of cuts
TWO_HOURS: Final = (1, 2)  # one of each full policy


def test_no_cut_of_the_systematic_share_loses_anything(micropython: MicroPython) -> None:
    """Before, in the midst of and behind operations of both hours, once and twice, and bits."""
    tally = cuts.cut(cuts.systematic_jobs(TWO_HOURS, STRIDE, 0, workers=1))

    assert (tally.broken, tally.other) == ([], [])
    assert tally.hours == len(TWO_HOURS)
    assert tally.cuts > 40
    assert tally.boots > 4 * tally.cuts  # from the first on, four in an hour without a cut
    assert tally.checked > 100 * tally.cuts


def test_no_cut_on_the_bench_loses_anything(micropython: MicroPython) -> None:
    """Profiles put in force, runs erased, another device key made: the old or the new, whole."""
    tally = cuts.cut(cuts.systematic_jobs(BENCH_HOUR, BENCH_STRIDE, 0, workers=1))

    assert (tally.broken, tally.other) == ([], [])
    assert tally.hours == 1
    assert tally.cuts > 6
    assert tally.checked > 100 * tally.cuts


BENCH_SABOTAGE: Final = {
    "a seed that leaves the board to a key that is gone": (
        """
from dewarlog_firmware.lock import Lock
Lock.unclaim = lambda self: None
""",
        "SEED was answered, the lock is",
    ),
    "a board that promises what its restart forgets": (
        """
from dewarlog_firmware.access import Guard
Guard.is_leaving = property(lambda self: False, lambda self, value: None)
""",
        "a board about to start again took a custody step",
    ),
}


@pytest.mark.parametrize(("sabotage", "words"), BENCH_SABOTAGE.values(), ids=BENCH_SABOTAGE.keys())
def test_a_worse_bench_does_not_go_unnoticed(
    micropython: MicroPython, sabotage: str, words: str
) -> None:
    """In the hour itself, before any cut."""
    (job,) = cuts.systematic_jobs(BENCH_HOUR, 10**8, 0, workers=1)
    tally = cuts.cut([{**job, "sabotage": sabotage}])

    assert any(words in what for _, what in tally.broken)


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
    "a state that is left on the flash": (
        """
from dewarlog_firmware.seal_key import SealKey
SealKey._overwrite = lambda self, which, number: None
""",
        "is on the flash",
    ),
    "a key that stays": (
        """
from dewarlog_firmware.seal_key import SealKey
SealKey.move_on = lambda self: None
""",
        "the key is at 1, the last block had 1",
    ),
    "a seal by another key": (
        """
from dewarlog_firmware.seal_key import SealKey
SealKey.tag = lambda self, state, chain: bytes(16)
""",
        "the seal of block",
    ),
    "a lock that is kept in memory alone": (
        """
from dewarlog_firmware.lock import Lock
def forget(self, claimed, locked):
    self.is_claimed, self.is_locked = claimed, locked
Lock._keep = forget
""",
        "claimed before it was durable",
    ),
    "a lock that a boot does not apply": (
        """
from dewarlog_firmware.lock import Lock
def apply(self):
    import micropython
    micropython.kbd_intr(3)
Lock.apply = apply
""",
        "Ctrl-C is 3",
    ),
    "an actor that is not named": (
        """
from dewarlog_firmware.audit import Audit
Audit._introduce = lambda self, visitor: None
""",
        "does not say who spoke",
    ),
    "a custody step without its pin": (
        """
from dewarlog_firmware.logbook import Logbook
from dewarlog_wire import layout
def mark(self, body):
    self.record(layout.KIND_CUSTODY, body)
    self.commit()
Logbook.record_custody = mark
""",
        "behind event",
    ),
    "a signature that is told before it is durable": (
        """
from dewarlog_firmware.signer import Signer
Signer._record = lambda self, head, signature: None
""",
        "answered before it was durable: event of kind 24",
    ),
}


@pytest.mark.parametrize(("sabotage", "words"), SABOTAGE.values(), ids=SABOTAGE.keys())
def test_a_worse_firmware_does_not_go_unnoticed(
    micropython: MicroPython, sabotage: str, words: str
) -> None:
    """What the claims are for: each is broken by a firmware that breaks it."""
    jobs = cuts.systematic_jobs(TWO_HOURS[:1], FEW, 0, workers=1)  # it fails in the first
    tally = cuts.cut([{**jobs[0], "sabotage": sabotage}])

    assert tally.broken
    assert any(words in what for _, what in tally.broken)


# The same of what shows at one operation alone: the number of a cut there, behind the first block
# before the key has moved on, behind the first block of the run with other settings, and in an
# hour that overwrites its own first word on it. Another hour has other numbers: `--systematic`
# with the sabotage finds them.
SABOTAGE_AT: Final = {
    "a key that is not settled at a boot": (
        """
from dewarlog_firmware.logbook import Logbook
Logbook._settle_key = lambda self, stored_index: None
""",
        "the key is at 2, the last block had 2",
        10000224,
    ),
    "settings that only the first boot of a run would tell": (
        """
from dewarlog_firmware import opening
former = opening.former_sections
opening.former_sections = lambda flash, before=None: None if before else former(flash)
""",
        "has other settings and does not say so",
        10007455,
    ),
    "a setting that the journal does not give back": (
        """
from dewarlog_firmware.logbook import Logbook
can_replay = Logbook._can_replay
def forget(self, kind, body, first_sample):
    return (kind != 3 or body[0] != 22) and can_replay(self, kind, body, first_sample)
Logbook._can_replay = forget
""",
        "were durable",
        10007445,
    ),
    "a word on overwritten samples that counts those of one segment": (
        """
from dewarlog_firmware.flash_log import FlashLog
between = FlashLog.samples_between
def of_one(self, before, behind, first_unsealed):
    kept = between(self, before, self.segments(self.run)[1:], first_unsealed)
    return between(self, before, behind, first_unsealed) - kept
FlashLog.samples_between = of_one
""",
        "samples were overwritten",
        20014405,
    ),
}


@pytest.mark.parametrize(
    ("sabotage", "words", "number"), SABOTAGE_AT.values(), ids=SABOTAGE_AT.keys()
)
def test_a_firmware_that_is_worse_at_one_place_does_not_go_unnoticed(
    micropython: MicroPython, sabotage: str, words: str, number: int
) -> None:
    """A cut there is what breaks it; without the sabotage the same cut does no harm."""
    job = cuts.only_job([number])

    broken = cuts.cut([{**job, "sabotage": sabotage}]).broken

    assert any(words in what for _, what in broken)
    assert cuts.cut([job]).broken == []


def test_a_worker_that_fails_is_no_result(
    micropython: MicroPython, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No cut was made, so nothing is known: the command says so and fails."""
    monkeypatch.setattr(cuts, "_RUN", ROOT / "tools/simboard/device/cuts/gone.py")

    status = cuts.main(["--only", "10006244"])

    shown = capsys.readouterr()
    assert status == 1
    assert "a worker failed" in shown.err
    assert "lines of workers that are none of theirs" in shown.out


def test_an_hour_that_fails_before_its_first_cut_is_a_failure(micropython: MicroPython) -> None:
    """An error of the rig's own, not of the firmware."""
    tally = cuts.cut([{**cuts.only_job([10006244]), "profile": "no JSON"}])

    assert tally.cuts == len(tally.broken) == 1
    assert "the hour failed" in tally.broken[0][1]


def test_fewer_cuts_than_were_asked_for_are_no_result() -> None:
    """None at all above everything."""
    assert cuts.Tally(cuts=9).why_not_done(10).startswith("9 of 10 cuts were made")
    assert cuts.Tally(cuts=10).why_not_done(10) == ""


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
