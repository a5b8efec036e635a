"""Who did what, in a real log: who speaks, failed proofs, locks, and what a person has seen."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from dewarlog_firmware.access import Guard, Visitor
from dewarlog_firmware.audit import Audit
from dewarlog_firmware.config import parse_config
from dewarlog_firmware.desk import Desk
from dewarlog_firmware.device_key import derived_keys
from dewarlog_firmware.profile import default_document, reading_columns
from dewarlog_firmware.server import Server
from dewarlog_wire import events, layout, token
from memory_board import DEVICE_ID, DEVICE_KEY, MemoryLock
from test_access import GOOD, ID, TOKEN_ID, Guest, secret_of
from test_keeper import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READER, COURIER, ADMIN = layout.KEY_READER, layout.KEY_COURIER, layout.KEY_ADMIN
UNPROVEN, PROVEN, PROOF_REFUSED, TOKEN_REFUSED, LOCKED_OUT = range(5)
USB, RADIO = range(2)
NO_TOKEN = bytes(8)
MARK = events.custody_body(2, 1000, ("A", "B", ""))
NOTED = "access"


class Board:
    """A desk with its audit over a real log, and a server for each link."""

    def __init__(self, root: Path, *, lock: bool = False) -> None:
        document = default_document()
        document["access"] = {"lock": lock}
        config = parse_config(document)
        self.bench = Bench(root, config)
        self.ticks_ms = 1000
        self.app: Any = SimpleNamespace(
            has_held=False,
            config=config,
            columns=reading_columns(config),
            logbook=self.bench.logbook,
            keeper=self.bench.keeper,
            engine=self.bench.engine,
            board=SimpleNamespace(device_id=DEVICE_ID, ticks_ms=lambda: self.ticks_ms),
            chips=SimpleNamespace(
                has_fault=False, supply_low=False, supply_mv=4100, read_clock=lambda: (1, 0)
            ),
            sampler=SimpleNamespace(ring=SimpleNamespace(high_water=1, dropped=0)),
            is_recording=True,
            end_requested=False,
            now=self.bench.chips.now,
            stamp=lambda: self.bench.logbook.at(*self.bench.chips.now()),
            set_clock_in=lambda utc_s, wait_ms: None,
            switch_radio=lambda state, minutes: self.audit.note(
                layout.KIND_RADIO, (state, 1, minutes)
            ),
            seal_key=None,
            signing=None,
        )
        features = layout.FEATURE_HANDOFF | layout.FEATURE_AUTH | layout.FEATURE_RADIO
        self.desk = Desk(self.app, derived_keys(DEVICE_KEY), features)
        self.lock = MemoryLock()
        self.guard = self.app.guard = Guard(self.desk, DEVICE_ID, self.lock)
        self.app.audit = self.audit = Audit(
            self.bench.logbook,
            self.guard,
            self.app.stamp,
            lambda: self.app.has_held,
            lambda values: values[1] >= 3,
        )
        self.bench.logbook.on_event = self.audit.before
        self.bench.logbook.flash.free_bytes = lambda: 1 << 20  # a PC's may not fit its field

    def guest(self, *, in_hand: bool = False) -> Guest:
        """Return a host on one of the links, greeted."""
        made = Guest(in_hand=in_hand, greet=False)
        made.server = Server(
            self.bench.logbook,
            self.desk,
            self.guard,
            lambda count: bytes((self.ticks_ms & 0xFF,)) * count,
            in_hand=in_hand,
        )
        made.greet()
        return made

    def told(self) -> list[tuple[object, ...]]:
        """Return the events of the run that a host brought about, and who is said to speak.

        ("access", result, link, key, failures, token, holder), else (name, ).
        """
        found: list[tuple[object, ...]] = []
        for event in self.bench.stored():
            if event.kind == layout.KIND_ACCESS:
                found.append((NOTED, *event.body))
            elif event.kind in (
                layout.KIND_CLOCK_SYNC,
                layout.KIND_CUSTODY,
                layout.KIND_PULL,
                layout.KIND_RADIO,
                layout.KIND_ACKNOWLEDGE,
                layout.KIND_LOCK,
            ):
                found.append((layout.EVENTS[event.kind].name,))
        return found


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    """Give a board whose run has begun; its journal is closed at the end."""
    made = Board(tmp_path)
    yield made
    made.bench.logbook.flash.release()


def said(result: int, link: int, key: int = 0, failures: int = 0) -> tuple[object, ...]:
    """Return what `told` gives for a host without a token."""
    return (NOTED, result, link, key, failures, NO_TOKEN, "")


# --- who speaks ----------------------------------------------------------------------------------
def test_a_host_without_a_proof_is_said_once_a_conversation(board: Board) -> None:
    """Before the first event it brings about, and not for what it only asks."""
    guest = board.guest()
    guest.ask(layout.MSG_STATUS)
    guest.ask(layout.MSG_MARK, MARK)
    guest.ask(layout.MSG_MARK, MARK)
    guest.greet()
    guest.ask(layout.MSG_STATUS)
    guest.ask(layout.MSG_MARK, MARK)

    stranger = said(UNPROVEN, RADIO)
    assert board.told() == [stranger, ("custody",), ("custody",), stranger, ("custody",)]


def test_a_proven_host_is_said_when_it_proves_itself(board: Board) -> None:
    """Whether it brings anything about or not; and not again before its events."""
    guest = board.guest()
    guest.prove(COURIER)
    guest.ask(layout.MSG_MARK, MARK)
    guest.ask(layout.MSG_RADIO, struct.pack(layout.RADIO.format, 0, 5))

    assert board.told() == [said(PROVEN, RADIO, COURIER), ("custody",), ("radio",)]


def test_the_actor_of_an_event_is_always_the_newest_one_said(board: Board) -> None:
    """Two hosts on two links, in turns."""
    courier, holder = board.guest(), board.guest(in_hand=True)
    courier.prove(COURIER)
    holder.ask(layout.MSG_MARK, MARK)
    courier.ask(layout.MSG_MARK, MARK)
    courier.ask(layout.MSG_MARK, MARK)
    holder.ask(layout.MSG_TIME, struct.pack(layout.TIME.format, 5, 0, 40))

    by_air, by_hand = said(PROVEN, RADIO, COURIER), said(UNPROVEN, USB)
    assert board.told() == [
        by_air,
        by_hand,
        ("custody",),
        by_air,
        ("custody",),
        ("custody",),
        by_hand,
        ("clock_sync",),
    ]


def test_a_refused_request_brings_nothing_about_and_nobody_in(board: Board) -> None:
    """Malformed, not allowed, another chain."""
    guest = board.guest()
    guest.ask(layout.MSG_MARK, MARK[:-1])
    guest.ask(layout.MSG_STOP)
    guest.ask(layout.MSG_CONFIRM, struct.pack(layout.CONFIRM.format, 1, 1, bytes(32), 5))

    assert board.told() == []


def test_the_one_who_confirms_is_said_before_the_pull(board: Board) -> None:
    """Though logbook records it by itself."""
    guest = board.guest()
    blocks, chain = board.bench.logbook.seal()
    body = struct.pack(layout.CONFIRM.format, board.bench.logbook.recorder.run, blocks, chain, 5)

    assert guest.code(layout.MSG_CONFIRM, body) == 0

    assert board.told() == [said(UNPROVEN, RADIO), ("pull",)]


def test_what_comes_of_itself_has_no_actor(board: Board) -> None:
    """The radio's time is over: nobody speaks."""
    guest = board.guest()
    guest.ask(layout.MSG_MARK, MARK)
    board.audit.note(layout.KIND_RADIO, (1, 2, 0))

    assert board.told() == [said(UNPROVEN, RADIO), ("custody",), ("radio",)]


def test_a_tokens_holder_is_said_by_name_and_id(board: Board) -> None:
    """Of 32 bytes at most."""
    holder = "Ægir and sons, van 7, night shift"[:31]
    caveats = ID + token.caveat(layout.CAVEAT_HOLDER, holder.encode())
    guest = board.guest()

    guest.prove(COURIER, caveats)

    assert board.told() == [(NOTED, PROVEN, RADIO, COURIER, 0, TOKEN_ID, holder)]


def test_failed_attempts_are_said_by_powers_of_two_and_the_success_tells_the_sum(
    board: Board,
) -> None:
    """On whichever link."""
    guest, other = board.guest(), board.guest(in_hand=True)
    wrong = struct.pack(layout.AUTH.format, ADMIN, 0, bytes(16))
    for _ in range(5):
        guest.ask(layout.MSG_AUTH, wrong)
    board.ticks_ms += 2000
    guest.prove(COURIER, GOOD)  # for another run
    board.ticks_ms += 4000
    other.prove(READER)

    assert board.told() == [
        said(PROOF_REFUSED, RADIO, ADMIN, 1),
        said(LOCKED_OUT, RADIO, ADMIN, 2),
        said(LOCKED_OUT, RADIO, ADMIN, 4),
        said(PROVEN, USB, READER, 6),
    ]


def test_a_refused_token_is_said_with_its_id_and_holder(board: Board) -> None:
    """Its proof held: it was this one."""
    board.guest().prove(COURIER, GOOD)

    assert board.told() == [(NOTED, TOKEN_REFUSED, RADIO, COURIER, 1, TOKEN_ID, "")]


def test_an_attempt_is_durable_at_once(board: Board) -> None:
    """Who pulls the plug does not take it back."""
    board.guest().prove(COURIER)

    assert len(board.bench.logbook.recorder.take_journal()) == 0


@pytest.mark.parametrize("what", ["full", "full meanwhile", "without a journal", "ended"])
def test_a_log_that_takes_no_more_keeps_nobody_out(
    board: Board, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof holds all the same."""
    if what == "ended":
        board.bench.logbook.end()
    elif what == "full":
        board.bench.logbook.is_full = True
    elif what == "without a journal":
        board.bench.logbook.flash.release()
    else:

        def append(view: memoryview) -> None:
            raise OSError(28, "no space left on device")

        monkeypatch.setattr(board.bench.logbook.flash, "append_journal", append)

    assert board.guest().prove(COURIER)[0] == layout.MSG_AUTH | layout.REPLY


def test_a_log_without_a_journal_keeps_no_radio_from_being_switched(board: Board) -> None:
    """As after a boot that found no room for one: an error there would end the firmware."""
    board.bench.logbook.flash.release()

    board.app.switch_radio(1, 0)

    assert board.told() == [("radio",)]


# --- lock ----------------------------------------------------------------------------------------
def test_the_lock_says_who_locked(board: Board) -> None:
    """And who opened."""
    guest = board.guest(in_hand=True)
    guest.prove(ADMIN)
    guest.ask(layout.MSG_LOCK, b"\1")
    guest.ask(layout.MSG_LOCK, b"\0")

    locks = [event.body for event in board.bench.stored() if event.kind == layout.KIND_LOCK]
    assert locks == [(1, 1), (0, 1)]
    assert board.told() == [said(PROVEN, USB, ADMIN), ("lock",), ("lock",)]


def test_a_profile_that_asks_for_it_locks_a_board_as_soon_as_it_is_claimed(
    tmp_path: Path,
) -> None:
    """Before that nobody could open it."""
    board = Board(tmp_path, lock=True)
    board.desk.lock_as_profile_says()
    before = board.lock.is_locked
    guest = board.guest(in_hand=True)
    guest.prove(ADMIN)

    assert (before, board.lock.is_locked) == (False, True)
    assert (0, 0) not in [e.body for e in board.bench.stored() if e.kind == layout.KIND_LOCK]
    assert board.told() == [said(PROVEN, USB, ADMIN), ("lock",)]
    board.bench.logbook.flash.release()


def test_a_profile_that_asks_for_nothing_locks_nothing(board: Board) -> None:
    """An admin has claimed the board."""
    board.guest(in_hand=True).prove(ADMIN)

    assert (board.lock.is_claimed, board.lock.is_locked) == (True, False)


# --- status --------------------------------------------------------------------------------------
def status(board: Board) -> dict[str, int]:
    """Return STATUS_REPLY by name."""
    names = [field[0] for field in layout.STATUS_REPLY.fields]
    return dict(zip(names, board.desk.status(), strict=True))


def test_status_tells_claim_lock_failures_and_the_sealing_key(board: Board) -> None:
    """Each from where it is kept."""
    first = status(board)
    guest = board.guest(in_hand=True)
    guest.prove(ADMIN)
    guest.ask(layout.MSG_LOCK, b"\1")
    guest.greet()
    guest.ask(layout.MSG_AUTH, struct.pack(layout.AUTH.format, ADMIN, 0, bytes(16)))
    board.app.seal_key = SimpleNamespace(index=42)
    last = status(board)

    assert (first["access"], first["failures"], first["key_index"]) == (0, 0, 0)
    assert last["access"] == layout.ACCESS_IS_CLAIMED | layout.ACCESS_IS_LOCKED
    assert (last["failures"], last["key_index"]) == (1, 42)


# --- acknowledge ---------------------------------------------------------------------------------
SEEN = events.acknowledge_body(layout.STATUS_HELD, 1000, ("Ann", "called the site"))


def is_seen(board: Board) -> bool:
    """Tell what STATUS says."""
    return status(board)["access"] & layout.ACCESS_IS_ACKNOWLEDGED != 0


def test_an_acknowledgement_is_in_the_log_with_its_actor_and_in_status(board: Board) -> None:
    """A body that is none is refused, as is one after the run."""
    guest = board.guest()
    before = is_seen(board)

    guest.ask(layout.MSG_ACKNOWLEDGE, SEEN)

    (event,) = [e for e in board.bench.stored() if e.kind == layout.KIND_ACKNOWLEDGE]
    assert (before, is_seen(board)) == (False, True)
    assert event.body == (layout.STATUS_HELD, 1000, "Ann", "called the site")
    assert board.told() == [said(UNPROVEN, RADIO), ("acknowledge",)]
    assert guest.code(layout.MSG_ACKNOWLEDGE, SEEN[:-1]) == layout.ERROR_MALFORMED
    board.bench.logbook.end()
    assert guest.code(layout.MSG_ACKNOWLEDGE, SEEN) == layout.ERROR_MALFORMED


SHOCK = (1, 2, 0, 1, 2, 3, 400, 9000, 3000)
NEWS: dict[str, tuple[int, tuple[int, ...], bool]] = {
    "excursion": (layout.KIND_EXCURSION_BEGIN, (0, 0, 5, 1, 2), True),
    "excursion's end": (layout.KIND_EXCURSION_END, (0, 0, 5, 1, 2, 3), False),
    "probe open": (layout.KIND_PROBE_STATE, (0, 1, 0, 1, 9), True),
    "probe well again": (layout.KIND_PROBE_STATE, (0, 0, 1, 0, 9), False),
    "sensor silent": (layout.KIND_SENSOR, (0, 1), True),
    "sensor well": (layout.KIND_SENSOR, (0, 0), False),
    "supply low": (layout.KIND_SUPPLY, (3000, 1), True),
    "supply": (layout.KIND_SUPPLY, (4000, 0), False),
    "hard shock": (layout.KIND_SHOCK, (1, 3, *SHOCK[2:]), True),
    "soft shock": (layout.KIND_SHOCK, (1, 1, *SHOCK[2:]), False),
    "memory full": (layout.KIND_GAP, (0, layout.GAP_MEMORY_FULL, 0, 1, 0), True),
    "late": (layout.KIND_GAP, (0, layout.GAP_LATE, 0, 1, 0), False),
}


@pytest.mark.parametrize("what", NEWS)
def test_what_is_new_was_not_seen(board: Board, what: str) -> None:
    """Good news, and what nobody need look at, changes nothing."""
    kind, values, raises = NEWS[what]
    board.guest().ask(layout.MSG_ACKNOWLEDGE, SEEN)

    board.bench.logbook.emit(kind, values)

    assert is_seen(board) is not raises


def test_a_run_that_means_hold_only_now_was_not_seen(board: Board) -> None:
    """As minutes of tilt that add up, which have no event of their own."""
    guest = board.guest()
    guest.ask(layout.MSG_ACKNOWLEDGE, SEEN)
    board.app.has_held = True
    later = is_seen(board)
    guest.ask(layout.MSG_ACKNOWLEDGE, SEEN)

    assert (later, is_seen(board)) == (False, True)


def test_a_visitor_is_nobody_before_a_proof(board: Board) -> None:
    """The link is all that is known."""
    visitor = Visitor(board.guard, in_hand=False)

    assert (visitor.key, visitor.token_id, visitor.holder) == (0, NO_TOKEN, "")
    assert secret_of(COURIER) != secret_of(READER)
