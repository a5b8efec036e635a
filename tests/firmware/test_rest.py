"""The main loop's rest: when it may be a light sleep, how long it lasts, and what it counts."""

from __future__ import annotations

from typing import Final

import pytest

from dewarlog_firmware import rest
from dewarlog_firmware.rest import LIGHT_LONGEST_MS, LONGEST_MS, Rest

LONG_AGO_MS: Final = 60_000  # a host's last frame, when a board under test begins
FREE: Final = (LONGEST_MS, 5_000, LONGEST_MS, 0)  # nothing is due for 5 s, nothing is against it


class Board:
    """A board whose time goes on when it sleeps. `frame_every_ms`: 0 while no host is there."""

    def __init__(self, *, can: bool = True) -> None:
        self.sleeps_lightly = can
        self.now_us = 0
        self.frame_every_ms = 0
        self.light: list[int] = []
        self.looks = 0

    def ticks_ms(self) -> int:
        """Return the time."""
        return self.now_us // 1000

    def ticks_us(self) -> int:
        """Return the time."""
        return self.now_us

    def light_sleep(self, ms: int) -> None:
        """Sleep all of it."""
        self.light.append(ms)
        self.now_us += ms * 1000

    def sleep_ms(self, ms: int) -> None:
        """Let the time pass."""
        self.looks += 1
        self.now_us += ms * 1000

    def usb_frame(self) -> int:
        """Count frames while there is a host."""
        return self.ticks_ms() // self.frame_every_ms & 0x7FF if self.frame_every_ms else 77


class Waiter:
    """Waits all it is asked to."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.waits: list[int] = []
        self.work_at_ms = -1

    def has_work(self) -> bool:
        """Tell whether that moment has come."""
        return 0 <= self.work_at_ms <= self.board.ticks_ms()

    def wait(self, ms: int) -> None:
        """Let the time pass."""
        self.waits.append(ms)
        self.board.now_us += ms * 1000


class Sleeper:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told = ""

    def light_begins(self) -> None:
        """Remember."""
        self.told += "("

    def light_ends(self) -> None:
        """Remember."""
        self.told += ")"


class Rig:
    """A rest on a board from which a host has been gone for long."""

    def __init__(self, *, light: bool = True, can: bool = True) -> None:
        self.board = Board(can=can)
        self.waiter = Waiter(self.board)
        self.sleeper = Sleeper()
        self.rest = Rest(self.board, light, self.waiter, self.sleeper)
        self.board.now_us = LONG_AGO_MS * 1000


@pytest.mark.parametrize("bit", ["RADIO", "HOST", "SHOCK", "CLOCK", "TIMER"])
def test_each_condition_alone_keeps_the_clocks_on(bit: str) -> None:
    """One bit of `against`, and the board waits with USB and pins alive."""
    rig = Rig()

    rig.rest.sleep(LONGEST_MS, 5_000, LONGEST_MS, getattr(rest, bit))

    assert rig.board.light == []
    assert rig.waiter.waits == [LONGEST_MS]


def test_the_bits_against_it_differ() -> None:
    """Each is a bit of its own."""
    bits = [rest.RADIO, rest.HOST, rest.SHOCK, rest.CLOCK, rest.TIMER]
    assert sum(bits) == 2 ** len(bits) - 1


@pytest.mark.parametrize(("light", "can"), [(False, True), (True, False), (False, False)], ids=str)
def test_profile_and_port_must_both_allow_it(light: bool, can: bool) -> None:
    """The default is to idle."""
    rig = Rig(light=light, can=can)

    rig.rest.sleep(*FREE)

    assert rig.board.light == []
    assert rig.waiter.waits == [LONGEST_MS]
    assert rig.board.looks == 0  # nobody asks for a host either


def test_with_nothing_against_it_the_sleep_is_light_and_ends_before_the_tick() -> None:
    """In pieces that a plugged cable can wait for; what is left is idled, over the tick."""
    rig = Rig()

    rig.rest.sleep(*FREE)

    assert rig.waiter.waits == []
    assert max(rig.board.light) == LIGHT_LONGEST_MS
    passed_ms = rig.board.ticks_ms() - LONG_AGO_MS
    assert 5_000 - rest.LIGHT_SHORTEST_MS - 2 < passed_ms <= 5_000 - 2 + 3

    rig.rest.sleep(LONGEST_MS, 4, LONGEST_MS, 0)
    assert rig.waiter.waits == [5]


@pytest.mark.parametrize("bridge_ms", [10, 21, 101, 499])
def test_no_light_sleep_outlasts_what_the_accelerometer_keeps(bridge_ms: int) -> None:
    """Each piece, whatever else would allow more."""
    rig = Rig()

    rig.rest.sleep(LONGEST_MS, 5_000, bridge_ms, 0)

    assert set(rig.board.light[:-1]) == {bridge_ms}
    assert rig.board.light[-1] <= bridge_ms


def test_a_shock_that_could_not_be_bridged_keeps_the_clocks_on() -> None:
    """Below the shortest light sleep none is worth its start."""
    rig = Rig()

    rig.rest.sleep(LONGEST_MS, 5_000, rest.LIGHT_SHORTEST_MS - 1, 0)

    assert rig.board.light == []
    assert rig.waiter.waits == [LONGEST_MS]


def test_a_host_on_usb_keeps_the_clocks_on_until_it_has_been_gone_for_seconds() -> None:
    """Its frames tell; a look is 3 ms long, twice a second at most."""
    rig = Rig()
    rig.board.frame_every_ms = 1

    rig.rest.sleep(2_000, 5_000, LONGEST_MS, 0)

    assert rig.board.light == []
    rig.board.frame_every_ms = 0
    rig.rest.sleep(4_000, 5_000, LONGEST_MS, 0)
    assert rig.board.light == []  # 5 s have not passed since its last frame
    rig.rest.sleep(*FREE)
    assert rig.board.light != []


def test_a_cable_plugged_into_a_sleeping_board_is_noticed_within_a_second() -> None:
    """The sleep ends long before its tick, and the next one is no light one."""
    rig = Rig()
    rig.rest.sleep(600, 5_000, 21, 0)
    plugged_ms = rig.board.ticks_ms()
    rig.board.frame_every_ms = 1

    rig.rest.sleep(LONGEST_MS, 9_000, 21, 0)

    assert rig.board.ticks_ms() - plugged_ms < 1_000
    asleep = len(rig.board.light)
    rig.rest.sleep(1_000, 8_000, 21, 0)
    assert len(rig.board.light) == asleep


def test_looks_for_a_host_are_rare_while_none_is_there() -> None:
    """Two a second at most: each keeps the board awake for 3 ms."""
    rig = Rig()

    for _ in range(12):
        rig.rest.sleep(LONGEST_MS, 5_000, 21, 0)

    passed_ms = rig.board.ticks_ms() - LONG_AGO_MS
    assert 0 < rig.board.looks <= passed_ms / LIGHT_LONGEST_MS + 1


def test_a_board_just_started_takes_it_that_a_host_is_there() -> None:
    """Who started it may be on the cable: it idles for seconds before it first looks."""
    board = Board()
    waiter = Waiter(board)
    resting = Rest(board, light=True, waiter=waiter, sleeper=Sleeper())

    resting.sleep(4_000, 5_000, LONGEST_MS, 0)

    assert (board.light, board.looks) == ([], 0)


def test_work_found_after_a_light_sleep_ends_the_rest() -> None:
    """And each sleep is told of before and after."""
    rig = Rig()
    rig.waiter.work_at_ms = LONG_AGO_MS + 100

    rig.rest.sleep(LONGEST_MS, 5_000, 30, 0)

    assert len(rig.board.light) == 4
    assert rig.sleeper.told == "()()()()"


def test_wake_ups_and_time_awake_are_counted_over_both_ways() -> None:
    """What passes between two sleeps is awake, to the microsecond; the looks are."""
    rig = Rig()
    before_ms = rig.rest.awake_ms
    rig.rest.sleep(100, 5_000, LONGEST_MS, rest.RADIO)
    rig.board.now_us += 1_500
    rig.rest.sleep(100, 5_000, LONGEST_MS, rest.RADIO)
    rig.board.now_us += 700
    rig.rest.sleep(100, 5_000, LONGEST_MS, rest.RADIO)

    assert rig.rest.awake_ms - before_ms == LONG_AGO_MS + 2
    assert rig.rest.wake_ups == 3
    assert rig.rest.light_sleeps == 0

    rig.rest.sleep(100, 5_000, 25, 0)
    assert rig.rest.wake_ups == 3 + len(rig.board.light)
    assert rig.rest.light_sleeps == len(rig.board.light) == 4
