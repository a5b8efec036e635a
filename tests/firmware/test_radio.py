"""Flight mode: who switched the radio, until when, and what a reboot makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from dewarlog_firmware import radio as radio_module
from dewarlog_firmware.radio import FAREWELL_MS, STATE_OFF, STATE_ON, Radio
from dewarlog_wire.layout import CLOCK_OK, CLOCK_UNSET, RADIO_CAUSE_NAMES, UTC_UNKNOWN

if TYPE_CHECKING:
    from pathlib import Path

PROFILE, HOST, TIME_OVER, FAULT = range(len(RADIO_CAUSE_NAMES))
UTC_S = 180_000_000


@dataclass
class Link:
    """A radio that is switched."""

    is_open: bool = False
    connected: bool = False
    fails: Exception | None = None
    switched: list[str] = field(default_factory=list[str])

    def open(self) -> None:
        """Switch on, or fail."""
        if self.fails is not None:
            raise self.fails
        self.is_open = True
        self.switched.append("on")

    def close(self, server: object) -> None:
        """Switch off."""
        self.is_open = False
        self.switched.append("off")


class Board:
    """A radio's switch over any number of boots; the clock chip goes on between them."""

    def __init__(self, folder: Path, profile: int = STATE_ON) -> None:
        self.path = str(folder / "radio.bin")
        self.profile = profile
        self.events: list[tuple[int, int, int]] = []
        self.utc_s = UTC_S
        self.boot()
        self.radio.begin()

    def boot(self) -> None:
        """Power on."""
        self.link = Link()
        self.now_ms = 0
        self.radio = Radio(self.link, self.profile, self.path, self.note, self.read_clock)

    def note(self, values: tuple[int, int, int]) -> None:
        """Record an event."""
        self.events.append(values)

    def read_clock(self) -> tuple[int, int]:
        """Return what the clock chip says."""
        return self.utc_s, CLOCK_UNSET if self.utc_s == UTC_UNKNOWN else CLOCK_OK

    def reboot(self, away_s: int = 0) -> tuple[int, int, int]:
        """Lose power for so long; return the event of the next boot."""
        if self.utc_s != UTC_UNKNOWN:
            self.utc_s += away_s
        self.boot()
        self.radio.resume(0)
        return self.events[-1]

    def tell(self, state: int, minutes: int) -> None:
        """Be a host."""
        self.radio.tell(state, minutes, *divmod(self.now_ms, 1000))

    def wait(self, seconds: float) -> bool:
        """Let time pass, then look; return whether the switch is still busy."""
        self.now_ms += round(seconds * 1000)
        if self.utc_s != UTC_UNKNOWN:
            self.utc_s += round(seconds)
        return self.radio.look(None, *divmod(self.now_ms, 1000))  # type: ignore[arg-type]


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """Return a board whose profile has the radio on, a moment after its start."""
    made = Board(tmp_path)
    made.wait(1)
    return made


@pytest.mark.parametrize(("profile", "switched"), [(STATE_ON, ["on"]), (STATE_OFF, [])])
def test_a_run_begins_as_its_profile_says(
    tmp_path: Path, profile: int, switched: list[str]
) -> None:
    """And the log says so."""
    board = Board(tmp_path, profile)
    board.wait(1)

    assert board.events == [(profile, PROFILE, 0)]
    assert board.link.switched == switched


def test_a_host_switches_off_until_told_otherwise(board: Board) -> None:
    """0 minutes: no time ends it."""
    board.tell(STATE_OFF, 0)
    board.wait(30 * 86400)

    assert board.link.switched == ["on", "off"]
    assert board.events[1:] == [(STATE_OFF, HOST, 0)]


def test_time_over_switches_on_again(board: Board) -> None:
    """To the second, and recorded."""
    board.tell(STATE_OFF, 90)
    board.wait(1)
    board.wait(90 * 60 - 2)
    before = board.link.is_open
    board.wait(1)

    assert (before, board.link.is_open) == (False, True)
    assert board.events[1:] == [(STATE_OFF, HOST, 90), (STATE_ON, TIME_OVER, 0)]


def test_a_radio_that_is_off_by_profile_can_be_on_for_a_while(tmp_path: Path) -> None:
    """A depot opens the door for an hour."""
    board = Board(tmp_path, STATE_OFF)
    board.tell(STATE_ON, 60)
    board.wait(1)
    is_open = board.link.is_open
    board.wait(3600)

    assert (is_open, board.link.is_open) == (True, False)
    assert board.events[1:] == [(STATE_ON, HOST, 60), (STATE_OFF, TIME_OVER, 0)]


def test_a_later_word_replaces_an_earlier_one(board: Board) -> None:
    """The old time no longer runs."""
    board.tell(STATE_OFF, 1)
    board.tell(STATE_OFF, 0)
    board.wait(3600)

    assert not board.link.is_open


def test_a_host_on_the_air_gets_its_answer_before_the_link_closes(board: Board) -> None:
    """The board stays busy until then, so that it does not sleep over it."""
    board.link.connected = True
    board.tell(STATE_OFF, 0)

    assert board.wait(0) is True
    assert board.wait(FAREWELL_MS / 1000 - 0.001) is True
    assert board.link.is_open
    assert board.wait(0.001) is False
    assert not board.link.is_open


def test_a_host_that_has_gone_is_not_waited_for(board: Board) -> None:
    """Nobody is there to be answered."""
    board.tell(STATE_OFF, 0)

    assert board.wait(0) is False
    assert not board.link.is_open


@pytest.mark.parametrize("error", [OSError(110), RuntimeError("stack"), MemoryError()])
def test_a_radio_that_fails_stays_off_and_says_so(board: Board, error: Exception) -> None:
    """Sampling goes on; a host may try again over USB."""
    board.tell(STATE_OFF, 0)
    board.wait(1)
    board.link.fails = error
    board.tell(STATE_ON, 0)
    board.wait(1)
    board.wait(100)
    failed = list(board.events)
    board.link.fails = None
    board.tell(STATE_ON, 0)
    board.wait(1)

    assert failed[2:] == [(STATE_ON, HOST, 0), (STATE_OFF, FAULT, 0)]
    assert board.link.is_open


# --- reboots -------------------------------------------------------------------------------------
def test_flight_mode_survives_a_reboot(board: Board) -> None:
    """Power that comes back on a plane switches nothing on."""
    board.tell(STATE_OFF, 0)

    assert board.reboot(1000) == (STATE_OFF, HOST, 0)
    board.wait(100)
    assert board.link.switched == []


def test_the_time_goes_on_while_the_power_is_away(board: Board) -> None:
    """By the clock chip; a minute begun counts whole."""
    board.tell(STATE_OFF, 90)

    assert board.reboot(30 * 60 + 1) == (STATE_OFF, HOST, 60)
    board.wait(60 * 60 - 1)
    assert not board.link.is_open
    board.wait(1)
    assert board.link.is_open


def test_a_time_that_ended_while_the_power_was_away_is_over(board: Board) -> None:
    """The radio is on after this boot and the next."""
    board.tell(STATE_OFF, 90)

    assert board.reboot(90 * 60) == (STATE_ON, TIME_OVER, 0)
    assert board.reboot() == (STATE_ON, PROFILE, 0)


@pytest.mark.parametrize("when", ["told", "after"])
def test_without_a_clock_the_time_begins_anew(board: Board, when: str) -> None:
    """Late on is harmless, early is not."""
    if when == "told":
        board.utc_s = UTC_UNKNOWN
    board.tell(STATE_OFF, 90)
    board.utc_s = UTC_UNKNOWN

    assert board.reboot() == (STATE_OFF, HOST, 90)


def test_a_clock_that_was_set_back_does_not_lengthen_the_time(board: Board) -> None:
    """Never more than was said."""
    board.tell(STATE_OFF, 90)
    board.utc_s -= 86400

    assert board.reboot() == (STATE_OFF, HOST, 90)


def test_what_time_over_made_survives_too(tmp_path: Path) -> None:
    """Off by profile, on for an hour, and off again: a reboot finds it off by the profile."""
    board = Board(tmp_path, STATE_OFF)
    board.tell(STATE_ON, 60)
    board.wait(3600)

    assert board.reboot() == (STATE_OFF, PROFILE, 0)


def test_a_new_run_forgets_what_a_host_said(board: Board) -> None:
    """It begins as its own profile says."""
    board.tell(STATE_OFF, 0)
    board.boot()
    board.radio.begin()

    assert board.events[-1] == (STATE_ON, PROFILE, 0)
    assert board.reboot() == (STATE_ON, PROFILE, 0)


def test_a_damaged_file_is_none(board: Board) -> None:
    """Any flipped byte, any length: then the profile counts."""
    board.tell(STATE_OFF, 90)
    with open(board.path, "rb") as file:  # noqa: PTH123 - as the board opens it
        whole = file.read()
    for at in range(len(whole)):
        for damaged in (whole[:at], whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :]):
            with open(board.path, "wb") as file:  # noqa: PTH123 - as above
                file.write(damaged)
            assert board.reboot() == (STATE_ON, PROFILE, 0)


def test_a_full_file_system_does_not_keep_the_radio_on(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts now is that it sends nothing."""

    def full(_path: str, _data: bytes) -> None:
        raise OSError(28)

    monkeypatch.setattr(radio_module, "write_whole", full)
    board.tell(STATE_OFF, 0)
    board.wait(1)

    assert not board.link.is_open
    assert board.events[-1] == (STATE_OFF, HOST, 0)


def test_a_loop_that_ends_leaves_no_radio_on(board: Board) -> None:
    """Nobody would answer."""
    board.radio.stop(None)  # type: ignore[arg-type]

    assert board.link.switched == ["on", "off"]
