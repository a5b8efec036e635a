"""The wait for a bath ends as soon as it may, and says why when it cannot end well."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

import pytest

from dewarlog.calibrate.bath import BathWait, Now, Patience, Taken, samples
from dewarlog.calibrate.correction import Chain, ice_reference, ln2_reference
from dewarlog.errors import (
    CalibrationError,
    NoAnswer,
    NothingNew,
    NotSettled,
    ProbeFault,
    WrongBath,
)
from dewarlog.replies import Status
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from dewarlog.session import Session

_CHAINS = (Chain(0, "T", "A", 0.5, 32), Chain(2, "T", "C", 0.0, 32))
_OPEN = layout.state_code(layout.STATE_OPEN)


def _code(degc: float) -> int:
    return round(degc * 128)


class _Board:
    """Answers STATUS: one sample every 10 s, asked four times as often."""

    def __init__(
        self, readings: Callable[[float], tuple[int, int]], **changes: Callable[[Any], int]
    ) -> None:
        self.readings = readings
        self.changes = changes
        self.now_s = 1000.0
        self.board = None
        self.deaf = False
        self.reopened = 0

    def status(self) -> Status:
        if self.deaf:
            self.deaf = False
            raise NoAnswer("usb:X", "STATUS", 10)
        first, third = self.readings(self.now_s - 1000)
        values: dict[str, Any] = dict.fromkeys((one.name for one in fields(Status)), 0)
        values |= {
            "state": layout.STATUS_RECORDING,
            "run": 3,
            "boot": 1,
            "interval_ms": 10_000,
            "uptime_s": int(self.now_s),
            "uptime_ms": int(self.now_s % 1 * 1000),
            "samples": int(self.now_s / 10),
            "reading_0": first,
            "reading_2": third,
            "cold_junction": 24 * 64,
        }
        return Status(**(values | {key: value(self) for key, value in self.changes.items()}))

    def reopen(self) -> None:
        self.reopened += 1

    def pause(self, _seconds: float) -> None:
        self.now_s += 2.5


def _both(degc: Callable[[float], float]) -> Callable[[float], tuple[int, int]]:
    """Both probes in one bath; the board adds 0.5 K to the first."""
    return lambda at_s: (_code(degc(at_s) + 0.5), _code(degc(at_s)))


def _take(board: _Board, *, asks: bool = False, shown: list[Now] | None = None) -> Taken:
    session = cast("Session", board)
    wait = BathWait(
        session,
        board.status(),
        _CHAINS,
        ln2_reference(1013.25),
        (ln2_reference(1013.25), ice_reference()),
        Patience(asks=asks, settle_s=600),
    )
    return wait.take((shown if shown is not None else []).append)


def test_probes_that_settle_are_taken_when_the_last_one_is_at_rest() -> None:
    """Deviation without the board's offset, a row for every sample, and all of it shown."""
    shown: list[Now] = []
    board = _Board(_both(lambda at_s: -195.5 + 215 * math.exp(-at_s / 20)))

    taken = _take(board, shown=shown)

    assert [one.indicated_degc for one in taken.results] == pytest.approx([-195.5] * 2, abs=0.02)
    assert [one.deviation_k for one in taken.results] == pytest.approx([0.295] * 2, abs=0.02)
    assert len(taken.rows) == len(shown)
    assert taken.rows[0][1:] == (101, 24 * 64, *board.readings(10))
    assert [probe.ready for probe in shown[-1].probes] == [True, True]
    assert 300 < taken.waited_s < 450
    left = [taken.waited_s - now.waited_s for now in shown]
    assert [now.still_s for now in shown][-1] == 0
    # A guess that is never far too long, nor nothing while there is something to wait for.
    for now, left_s in list(zip(shown, left, strict=True))[:-1]:
        assert 0 < now.still_s < left_s + 420


@pytest.mark.parametrize("asks", [True, False])
def test_a_probe_in_the_other_bath_is_told_by_name(asks: bool) -> None:
    """At once where a person said that it is in; without one when the time is over."""
    board = _Board(_both(lambda _: 0.1))

    with pytest.raises(WrongBath) as told:
        _take(board, asks=asks)

    assert (told.value.probe, told.value.seems) == (1, "ice bath")
    assert (board.now_s - 1000 > 600) != asks


def test_a_probe_in_no_bath_at_all_is_told() -> None:
    """At room temperature."""
    with pytest.raises(WrongBath, match="in no bath"):
        _take(_Board(_both(lambda _: 21.0)), asks=True)


@pytest.mark.parametrize(
    ("degc", "why"),
    [
        (lambda at_s: -195 + 0.3 * math.sin(at_s / 7.0), "spread"),
        (lambda at_s: -195 + at_s / 600, "slope"),
    ],
)
def test_a_bath_that_never_settles_ends_with_its_reason(
    degc: Callable[[float], float], why: str
) -> None:
    """After the time that was given."""
    with pytest.raises(NotSettled) as told:
        _take(_Board(_both(degc)))

    assert told.value.why == why
    assert told.value.waited_s > 600


def test_one_fault_is_forgiven_and_two_in_a_row_end_it() -> None:
    """A converter may lose its settings once; then the quiet begins anew."""
    once = _Board(lambda at_s: (_OPEN if 100 <= at_s < 110 else _code(-195.3), _code(-195.8)))
    twice = _Board(lambda at_s: (_code(-195.3), _OPEN if at_s >= 100 else _code(-195.8)))

    assert _take(once).waited_s == pytest.approx(280, abs=11)
    with pytest.raises(ProbeFault) as told:
        _take(twice)
    assert (told.value.probe, told.value.state) == (3, "open")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"boot": lambda board: 1 + (board.now_s > 1100)}, "started again"),
        ({"run": lambda board: 3 + (board.now_s > 1100)}, "started again"),
        (
            {"state": lambda board: layout.STATUS_RECORDING * (board.now_s < 1100)},
            "records nothing",
        ),
        ({"samples": lambda board: min(110, int(board.now_s / 10))}, r"none for 9\d s"),
    ],
)
def test_a_board_that_brings_no_more_samples_of_this_run_is_told(
    changes: dict[str, Callable[[Any], int]], told: str
) -> None:
    """Readings of two runs are not of one bath."""
    with pytest.raises(NothingNew, match=told):
        _take(_Board(_both(lambda at_s: -195 + at_s / 60), **changes))


def test_a_board_deaf_after_a_restart_is_greeted_again() -> None:
    """Behind a port that stays open: then it is known that it started again."""
    board = _Board(_both(lambda _: -195.5), boot=lambda board: 1 + (board.reopened > 0))
    began = board.status()
    board.deaf = True

    with pytest.raises(NothingNew, match="started again"):
        next(samples(cast("Session", board), began))


def test_every_error_of_a_bath_says_that_nothing_was_changed() -> None:
    """So that nobody has to look."""
    errors: list[CalibrationError] = [
        NotSettled(1, "ice bath", 600, "slope", ""),
        WrongBath(1, "ice bath", 20, 0, None),
        ProbeFault(1, "ice bath", "open"),
        NothingNew("x", "it stopped"),
    ]

    assert all("Nothing was changed on the logger." in str(error) for error in errors)
