"""What a bench asks of a board: the real server and bench, in memory; and boards that lie."""

from __future__ import annotations

import json
import struct
from dataclasses import fields, replace
from typing import TYPE_CHECKING
from zlib import crc32

import pytest

from bench_board import RESULTS, BenchBoard
from dewarlog.bench import requests
from dewarlog.bench.requests import Erased, Live
from dewarlog.errors import (
    DeviceRefused,
    KeyNeeded,
    NoAnswer,
    NoBench,
    NotRestarted,
    PeerViolation,
    ProfileChanged,
    ProfileNotPut,
    ProfileRefused,
    ProfileUnknown,
    Unplugged,
)
from dewarlog.link import Frame
from dewarlog.session import Session
from dewarlog_firmware.profile import default_document
from dewarlog_wire import layout
from dewarlog_wire.errors import BlockError
from memory_board import DEVICE_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROFILE = json.dumps(default_document()).encode()
OTHER = json.dumps(default_document() | {"texts": {"dewar": "D-7" + "x" * 150}}).encode()


class BenchLink:
    """A host's link to a board in memory; it may be cut, and the board may be away for a while."""

    name = "usb:bench"
    body_max_bytes = 4096
    credit_bytes = 4096
    patience_s = 0.0
    stray = b""

    def __init__(self, board: BenchBoard) -> None:
        self.board = board
        self.now_s = 0.0
        self.cut_before: int | None = None
        self.cut_behind: int | None = None
        self.away_until_s = 0.0
        self.on_open: Callable[[], None] = lambda: None
        self.kinds: list[int] = []
        self.longest = 0

    def open(self) -> None:
        """Find the board, unless it is away."""
        if self.now_s < self.away_until_s:
            raise Unplugged(self.name, "away")
        self.on_open()

    def close(self) -> None:
        """Lose the conversation."""
        self.board.server.drop()

    def send(self, kind: int, seq: int, body: bytes) -> None:
        """Hand one request to the board."""
        self.kinds.append(kind)
        self.longest = max(self.longest, len(body))
        if kind == self.cut_before:
            self.cut_before = None
            raise Unplugged(self.name, "pulled")
        self.board.server.handle(kind, seq, body)
        if kind == self.cut_behind:
            self.cut_behind = None
            self.board.turn()
            raise Unplugged(self.name, "pulled")

    def receive(self, timeout_s: float) -> Frame | None:
        """Let the board work until it answers."""
        before = len(self.board.answers)
        for _ in range(100):
            self.board.turn()
            if len(self.board.answers) > before:
                return Frame(*self.board.answers[-1])
        self.now_s += max(timeout_s, 0.01)
        return None


@pytest.fixture
def board(tmp_path: Path) -> Iterator[BenchBoard]:
    """Give a board with a profile, which records."""
    (tmp_path / "profile.json").write_bytes(PROFILE)
    made = BenchBoard(tmp_path)
    made.keeping.convert(1000)
    yield made
    made.close()


def session_on(link: BenchLink) -> Session:
    """Begin a conversation whose waiting takes no time but the link's."""

    def sleep(seconds: float) -> None:
        link.now_s += seconds

    session = Session(link, clock=lambda: link.now_s, random_bytes=bytes, sleep=sleep)
    session.hello()
    return session


@pytest.fixture
def link(board: BenchBoard) -> BenchLink:
    """Give a link to it."""
    return BenchLink(board)


@pytest.fixture
def session(link: BenchLink) -> Session:
    """Give a conversation with it."""
    return session_on(link)


def put(
    session: Session, profile: bytes, before: bytes = PROFILE, actor: str = "Ann", note: str = ""
) -> None:
    """Put a profile in force."""
    requests.put_profile(
        session, profile, before=before, purpose=2, utc_s=1000, actor=actor, note=note
    )


# --- data ----------------------------------------------------------------------------------------
def test_live_has_the_fields_of_its_reply() -> None:
    """The dataclass is filled by position: names and order must be those of the table."""
    assert [one.name for one in fields(Live)] == [name for name, *_ in layout.LIVE_REPLY.fields]
    names = [name for name, *_ in layout.EVENT_SELFTEST.fields]
    assert [one.name for one in fields(requests.TestResult)] == names
    assert [one.name for one in fields(Erased)] == [n for n, *_ in layout.ERASE_REPLY.fields]


def test_live_is_read_with_its_units(session: Session) -> None:
    """Versions as text, parts by name, channels in fours."""
    live = requests.live(session)

    assert (live.heap_free_bytes, live.pass_max_us, live.wake_ups) == (90_000, 5000, 77)
    assert live.firmware.split(".")[0] == "0"
    assert live.micropython.count(".") == 2
    assert live.part_states == dict(zip(layout.PART_NAMES, (1, 0, 0, 0, 2), strict=True))
    assert live.band_s == (10, 20, 30, 40)
    assert live.voltages_raw == (-41_000, 0, 0, 0)
    assert live.cold_junctions_raw == (1280, 0, 0, 0)
    assert live.faults == (0, 0, 0, 0)


def test_a_test_is_named_and_one_of_a_newer_firmware_numbered() -> None:
    """Nothing is hidden because its name is not known."""
    make = requests.TestResult
    known, newer = make(2, 1, 1, 5, 0, 9), make(200, 0, 0, 5, 0, 9)

    assert (known.name, known.unit, known.passed) == ("probe", "1/128 degC", False)
    assert (newer.name, newer.unit, newer.passed) == ("test 200", "", True)


# --- requests ------------------------------------------------------------------------------------
def test_the_profile_comes_whole(session: Session, board: BenchBoard) -> None:
    """In parts, and empty where there is none."""
    board.profile.write_bytes(OTHER * 3)
    assert requests.get_profile(session) == OTHER * 3


def test_a_board_without_a_profile_gives_none(tmp_path: Path) -> None:
    """It runs by its built-in one."""
    board = BenchBoard(tmp_path)
    assert requests.get_profile(session_on(BenchLink(board))) == b""
    put(session_on(BenchLink(board)), OTHER, before=b"")
    assert board.profile.read_bytes() == OTHER
    board.close()


def test_a_profile_is_handed_over_in_requests_every_link_carries(
    session: Session, link: BenchLink, board: BenchBoard
) -> None:
    """With room for a tag."""
    put(session, OTHER, note="x" * 76)

    assert link.longest <= layout.REQUEST_BODY_MAX_BYTES - layout.SESSION_TAG.size
    assert board.profile.read_bytes() == OTHER
    (told,) = board.recorded(layout.KIND_PROFILE)
    assert told == (2, 1000, crc32(PROFILE), crc32(OTHER), "Ann", "x" * 76)


def test_a_profile_that_is_refused_is_named_by_its_key(session: Session) -> None:
    """In the board's words."""
    bad = json.dumps(default_document() | {"tilt": {"period_s": 0}}).encode()

    with pytest.raises(ProfileRefused, match=r"tilt\.period_s is 0; allowed: .* 1 to 600") as told:
        put(session, bad)
    assert isinstance(told.value, DeviceRefused)
    assert "Nothing was changed" in str(told.value)


@pytest.mark.parametrize("size", [0, layout.PROFILE_MAX_BYTES + 1])
def test_a_profile_no_board_takes_is_refused_here(
    session: Session, link: BenchLink, size: int
) -> None:
    """Before a byte of it is sent."""
    with pytest.raises(ProfileRefused, match="a logger takes 1 to 8192"):
        put(session, b" " * size)
    assert layout.MSG_PUT not in link.kinds


def test_a_profile_that_changed_meanwhile_is_not_replaced(
    session: Session, board: BenchBoard
) -> None:
    """Another program is at it too."""
    with pytest.raises(ProfileChanged, match="holds another profile"):
        put(session, OTHER, before=b"{}")
    assert board.profile.read_bytes() == PROFILE


def test_a_text_that_is_too_long_is_refused_here(session: Session) -> None:
    """By the format's own limit."""
    with pytest.raises(BlockError, match="profile actor"):
        put(session, OTHER, actor="x" * 77)


@pytest.mark.parametrize("kind", [layout.MSG_PUT, layout.MSG_PUT_END])
def test_a_link_that_is_lost_behind_a_cable_is_told(
    session: Session, link: BenchLink, board: BenchBoard, kind: int
) -> None:
    """A cable does not come back by itself; only before PUT_END is the board sure to be as it was.

    It is waited for once.
    """
    link.cut_before = kind
    link.away_until_s = 1e9
    with pytest.raises(ProfileNotPut if kind == layout.MSG_PUT else ProfileUnknown) as told:
        put(session, OTHER)
    assert isinstance(told.value.cause, Unplugged)
    assert board.profile.read_bytes() == PROFILE
    assert link.now_s < requests.RESTART_GIVE_UP_S + 1


def test_a_board_that_comes_back_without_it_says_so(
    session: Session, link: BenchLink, board: BenchBoard
) -> None:
    """The cable went before PUT_END had gone out; plugged in again, its profile is read."""
    link.cut_before = layout.MSG_PUT_END
    link.away_until_s = 3.0
    with pytest.raises(ProfileNotPut, match="its run is still open"):
        put(session, OTHER)
    assert board.profile.read_bytes() == PROFILE


def test_a_link_that_comes_back_hands_over_anew(
    session: Session, link: BenchLink, board: BenchBoard
) -> None:
    """The board has forgotten the parts."""
    link.patience_s = 60.0
    link.cut_before = layout.MSG_PUT
    put(session, OTHER)

    assert board.profile.read_bytes() == OTHER
    assert len(board.recorded(layout.KIND_PROFILE)) == 1


def test_an_answer_that_was_lost_is_made_up_for_by_looking(
    session: Session, link: BenchLink, board: BenchBoard
) -> None:
    """The board put the profile in force and started again: so the link went away.

    Until it does it is busy, and that says nothing.
    """
    looks: list[float] = []

    def opened() -> None:
        looks.append(link.now_s)
        board.guard.is_leaving = len(looks) < 3

    link.cut_behind = layout.MSG_PUT_END
    link.away_until_s = 3.0
    link.on_open = opened
    put(session, OTHER)

    assert len(looks) == 3

    assert board.profile.read_bytes() == OTHER


def test_an_answer_that_was_lost_for_the_same_profile_says_that_nobody_knows(
    session: Session, link: BenchLink
) -> None:
    """Looking cannot tell whether a run was ended."""
    link.cut_behind = layout.MSG_PUT_END
    with pytest.raises(ProfileUnknown):
        put(session, PROFILE)


# --- a restart -----------------------------------------------------------------------------------
def test_a_restart_is_waited_for_until_a_new_run_is_open(
    session: Session, link: BenchLink, board: BenchBoard
) -> None:
    """While the port is away, while the old run is still told, while nothing records."""
    index = layout.STATUS_REPLY.fields.index(("run", "I", 1, ""))
    told = [(1, 1), (0, 2), (1, 2)]  # state, run

    def status() -> tuple[int, ...]:
        values = [0] * len(layout.STATUS_REPLY.fields)
        values[0], values[index] = told.pop(0)
        return tuple(values)

    board.device.status = status  # type: ignore[method-assign]
    link.away_until_s = link.now_s + 4.0

    found = requests.await_restart(session, 1)

    assert (found.run, found.recording, told) == (2, True, [])
    assert link.now_s >= 4.0


def test_a_board_that_does_not_come_back_is_told_with_what_it_said_last(
    session: Session, link: BenchLink
) -> None:
    """After the time that was given."""
    link.away_until_s = 1e9
    with pytest.raises(NotRestarted, match=r"in 20 s .*went away") as told:
        requests.await_restart(session, 1, 20.0)
    assert told.value.device_name == DEVICE_ID.hex()
    assert link.now_s < 60


def test_another_board_on_the_port_is_none_that_came_back(
    session: Session, link: BenchLink, board: BenchBoard
) -> None:
    """Somebody plugged in the next one."""
    link.on_open = lambda: setattr(board.guard, "device_id", bytes(8))
    with pytest.raises(PeerViolation, match="became logger"):
        requests.await_restart(session, 1)


def test_another_board_on_the_port_is_not_given_the_keys_of_the_one_before(
    link: BenchLink, board: BenchBoard
) -> None:
    """A conversation begun anew, which knows no board, is told which one it was."""
    before = session_on(link)
    assert before.board is not None
    was = replace(before.status(), boot=7)
    told = list(board.device.status())
    told[0] |= layout.STATUS_RECORDING
    board.device.status = lambda: tuple(told)  # type: ignore[method-assign]
    link.on_open = lambda: setattr(board.guard, "device_id", bytes(8))
    new = Session(link, clock=before.clock, random_bytes=bytes, sleep=before.pause)
    with pytest.raises(PeerViolation, match="became logger 0000000000000000"):
        requests.await_boot(new, before.board, was)


# --- self-test and erasure -----------------------------------------------------------------------
def test_a_selftest_comes_whole(session: Session, board: BenchBoard) -> None:
    """Over its pages, once begun."""
    results = requests.selftest(session)

    assert [(one.test, one.value) for one in results] == [(one[0], one[3]) for one in RESULTS]
    assert board.tester.begun == 1


def test_what_was_erased_and_kept_is_told(session: Session, board: BenchBoard) -> None:
    """By the board's count."""
    board.confirm(board.next_run())
    board.next_run()

    assert requests.erase(session, 9, unpulled=False) == Erased(1, 1)
    assert requests.erase(session, 9, unpulled=True) == Erased(1, 0)


def test_a_locked_board_says_that_it_takes_the_admin_key_and_no_token(
    session: Session, board: BenchBoard
) -> None:
    """What to do next differs from what a courier is told."""
    board.device.lock.is_locked = True
    locked = layout.ACCESS_IS_LOCKED
    names = [name for name, *_ in layout.STATUS_REPLY.fields]
    values = [0] * len(names)
    values[names.index("access")] = locked
    board.device.status = lambda: tuple(values)  # type: ignore[method-assign]

    with pytest.raises(KeyNeeded, match=r"takes the admin key.*no token allows this"):
        requests.erase(session, 9, unpulled=False)


@pytest.mark.parametrize(
    "ask",
    [
        requests.live,
        requests.get_profile,
        requests.selftest,
        lambda session: requests.erase(session, 1, unpulled=False),
        lambda session: put(session, OTHER),
    ],
)
def test_a_board_of_an_older_firmware_is_told_from_one_that_refuses(
    link: BenchLink, board: BenchBoard, ask: Callable[[Session], object]
) -> None:
    """Nothing is asked of it."""
    board.device.features = layout.FEATURE_AUTH
    session = session_on(link)
    asked = list(link.kinds)

    with pytest.raises(NoBench, match="dewarlog flash"):
        ask(session)
    assert link.kinds == asked


# --- boards that lie -----------------------------------------------------------------------------
class Liar(BenchLink):
    """Answers as a test says."""

    def __init__(self, board: BenchBoard, replies: list[bytes]) -> None:
        super().__init__(board)
        self.replies = replies
        self.frames: list[Frame] = []

    def send(self, kind: int, seq: int, body: bytes) -> None:
        """Answer HELLO truly, all else as told."""
        if kind == layout.MSG_HELLO:
            super().send(kind, seq, body)
        elif self.replies:
            self.frames.append(Frame(kind | layout.REPLY, seq, self.replies.pop(0)))

    def receive(self, timeout_s: float) -> Frame | None:
        """Say it."""
        return self.frames.pop(0) if self.frames else super().receive(timeout_s)


def part(total: int, crc: int, data: bytes) -> bytes:
    """Return a reply to GET."""
    return struct.pack(layout.GET_REPLY.format, total, crc) + data


def page(total: int, first: int, count: int, held: int) -> bytes:
    """Return a reply to SELFTEST."""
    return bytes((total, first, count)) + bytes(held * layout.EVENT_SELFTEST.size)


@pytest.mark.parametrize(
    "replies",
    [
        [part(3, 0, b"abcd")],
        [part(3, 0, b"")],
        [part(3, 7, b"abc")],
        [part(3, crc32(b"abc"), b"ab"), part(3, crc32(b"abc"), b"")],
        [b"\0\0"],
        [b""],
        [part(0, 9, b"")],
    ],
)
def test_a_profile_that_is_no_whole_is_refused(board: BenchBoard, replies: list[bytes]) -> None:
    """Too long, empty in the middle, of another CRC, without its head."""
    with pytest.raises(PeerViolation):
        requests.get_profile(session_on(Liar(board, replies)))


def test_a_profile_that_changes_on_its_way_is_read_anew_and_not_for_ever(
    board: BenchBoard,
) -> None:
    """Three times; then it is told."""
    new = [part(4, crc32(b"news"), b"ne"), part(4, crc32(b"news"), b"ws")]
    changed = [part(3, crc32(b"old"), b"ol"), part(4, crc32(b"news"), b"ws")]

    assert requests.get_profile(session_on(Liar(board, [*changed, *new]))) == b"news"
    with pytest.raises(ProfileChanged, match="each time it was read"):
        requests.get_profile(session_on(Liar(board, changed * 3)))


@pytest.mark.parametrize(
    "replies",
    [
        [page(0, 0, 0, 0)],
        [page(5, 0, 0, 0)],
        [page(5, 0, 6, 6)],
        [page(5, 1, 1, 1)],
        [page(5, 0, 2, 1)],
        [page(5, 0, 1, 2)],
        [page(5, 0, 4, 4), page(6, 4, 1, 1)],
        [page(5, 0, 4, 4), page(5, 3, 1, 1)],
        [b"", b""],
    ],
)
def test_pages_that_make_no_whole_are_refused(board: BenchBoard, replies: list[bytes]) -> None:
    """None at all, beyond the end, from elsewhere, of another length."""
    with pytest.raises(PeerViolation):
        requests.selftest(session_on(Liar(board, replies)))


@pytest.mark.parametrize("size", [0, layout.LIVE_REPLY.size - 1, layout.LIVE_REPLY.size + 1])
def test_figures_of_another_length_are_refused(board: BenchBoard, size: int) -> None:
    """A newer board has a newer protocol."""
    with pytest.raises(PeerViolation, match="live_reply"):
        requests.live(session_on(Liar(board, [bytes(size)])))


def test_a_board_that_says_nothing_is_given_up(board: BenchBoard) -> None:
    """In bounded time."""
    link = Liar(board, [])
    with pytest.raises(NoAnswer, match="SELFTEST"):
        requests.selftest(session_on(link))
    assert link.now_s <= requests.SLOW_GIVE_UP_S + 1
