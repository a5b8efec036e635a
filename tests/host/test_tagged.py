"""Somebody sits between a computer and the logger it has proven itself to: what he can do.

On both links: the cable in memory, and bleak over GATT in memory. He is `Middle`: he changes,
drops, repeats and reorders sound frames. Nothing he makes is ever taken for the logger's.
"""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING, Any

import pytest

from dewarlog import fetch, session
from dewarlog.archive import Archive
from dewarlog.errors import (
    ExitCode,
    Impostor,
    Incomplete,
    KeyRefused,
    LinkError,
    LockedOut,
    NoAnswer,
    NotSecret,
    Tampered,
)
from dewarlog.link import Frame, radio
from dewarlog.link.ble import BleLink, Waits
from dewarlog.proven import Credential
from dewarlog.pull import PullOptions, PullResult, pull
from dewarlog.session import Session
from dewarlog_firmware.server import Server
from dewarlog_wire import events, layout, proof
from door_board import DEVICE_ID, DEVICE_KEY, DoorDevice, DoorLink, GrowingStore
from log_writer import LogWriter
from memory_air import ADDRESS, MemoryAir, MemoryPeripheral
from middle import Middle
from trips import trip

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from pathlib import Path

SECRET = proof.derived_key(DEVICE_KEY, layout.KEY_COURIER)
COURIER = Credential(layout.KEY_COURIER, SECRET, b"", "courier key")
WAITS = Waits(find_s=0.3, settle_s=0.05, connect_s=2.0, write_s=1.0, mtu_s=1.0)
TAG = layout.SESSION_TAG.size
# CRC-32's own polynomial: bytes with these bits turned over have the CRC they had before.
SAME_CRC = (0x1DB710641).to_bytes(5, "little")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Spare the disk, and wait tenths of seconds where a person would wait seconds."""
    monkeypatch.setattr("os.fsync", lambda handle: None)
    monkeypatch.setattr(session, "REQUEST_AGAIN_S", 0.05)
    monkeypatch.setattr(session, "REQUEST_GIVE_UP_S", 0.5)
    monkeypatch.setattr(fetch, "_STEPS", ((0.1, 1), (0.2, 2), (0.4, 0)))
    yield
    radio.end()


class Place:
    """A board that records, and a link of one kind to it with somebody on the link."""

    def __init__(self, kind: str) -> None:
        self.store = GrowingStore(trip(3, writer=LogWriter(channels=2), stop=False))
        self.clock: Any = None
        if kind == "usb":
            link = DoorLink(self.store)
            self.door, self.clock = link.door, link.clock
            self.middle = Middle(link)
            return
        self.door = DoorDevice(self.store, DEVICE_ID, DEVICE_KEY)
        peripheral = MemoryPeripheral(name="dewarlog-0708", device_id=DEVICE_ID)
        peripheral.device = self.door
        peripheral.server = Server(
            self.store,  # type: ignore[arg-type]
            self.door,
            self.door.guard(DEVICE_ID),
            random.Random(4).randbytes,
            body_max=layout.BLE_BODY_MAX_BYTES,
        )
        ble = BleLink(ADDRESS, MemoryAir([peripheral]).backends(), WAITS)
        ble.open()
        self.middle = Middle(ble)

    def session(self, **options: bool) -> Session:
        """Begin a conversation that is proven."""
        clock = {} if self.clock is None else {"clock": self.clock}
        made = Session(
            self.middle,
            credentials=lambda _: COURIER,
            sleep=lambda _: None,
            **clock,  # type: ignore[arg-type]
            **options,
        )
        made.hello()
        return made

    def pull(self, root: Path, **options: bool) -> PullResult:
        """Pull everything, proven."""
        clock = {} if self.clock is None else {"clock": self.clock}
        chosen = PullOptions(
            credentials=lambda _: COURIER,
            utc_s=lambda: 1_000_000,
            **options,  # type: ignore[arg-type]
        )
        return pull(self.middle, Archive(root), chosen, **clock)

    @property
    def log(self) -> bytes:
        """The log as the board holds it."""
        return self.store.log_bytes(7)


@pytest.fixture(params=["usb", "ble"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Generator[Place]:
    """Stand at a board with a cable, then on the air, whose waiting takes real time: a little."""
    for asking in (Session.request, Session._request):  # noqa: SLF001 - the defaults of both
        monkeypatch.setitem(asking.__kwdefaults__ or {}, "again_s", 0.2)
    made = Place(request.param)
    yield made
    made.middle.close()


def flipped(body: bytes | memoryview, at: int = 0) -> bytes:
    """Turn one bit over."""
    changed = bytearray(body)
    changed[at] ^= 1
    return bytes(changed)


def always(kind: int, change: Callable[[Frame], Iterable[Frame]]) -> Callable[[Frame], Any]:
    """Do this to every frame of a kind."""
    return lambda frame: change(frame) if frame.kind == kind else [frame]


def once(kind: int, change: Callable[[Frame], Iterable[Frame]]) -> Callable[[Frame], Any]:
    """Do this to the first frame of a kind."""
    fresh = [True]

    def to_first(frame: Frame) -> Iterable[Frame]:
        if frame.kind == kind and fresh:
            fresh.clear()
            return change(frame)
        return [frame]

    return to_first


STATUS_REPLY = layout.MSG_STATUS | layout.REPLY


# --- nobody does anything ------------------------------------------------------------------------
@pytest.mark.parametrize("secret", [False, True])
def test_a_proven_pull_brings_the_log_byte_for_byte(
    place: Place, tmp_path: Path, *, secret: bool
) -> None:
    """Tagged, and enciphered where asked; the result names what it was proven by."""
    result = place.pull(tmp_path, secret=secret)

    (log,) = result.logs
    assert log.path.read_bytes() == place.log
    assert (result.proven_by, result.not_confirmed) == ("courier key", None)


@pytest.mark.parametrize("secret", [False, True])
def test_enciphered_nobody_on_the_link_reads_the_log(
    place: Place, tmp_path: Path, *, secret: bool
) -> None:
    """Neither a name in the log nor one that is sent; without --secret both are heard."""
    body = events.custody_body(1, 1, ("Anna Jansen", "Dock 2", ""))
    place.session(secret=secret).mark(body)
    place.store.record(layout.KIND_CUSTODY, (1, 1, "Anna Jansen", "Dock 2", ""))
    place.pull(tmp_path, secret=secret)

    said = b"".join(bytes(frame.body) for who, frame in place.middle.heard if who == "host")
    sent = b"".join(
        bytes(frame.body[3:-2]) if frame.kind == layout.MSG_DATA_SHORT else bytes(frame.body[6:])
        for who, frame in place.middle.heard
        if who == "board" and frame.kind in (layout.MSG_DATA, layout.MSG_DATA_SHORT)
    )
    assert (b"Anna Jansen" in said) is not secret
    assert (b"Anna Jansen" in sent) is not secret


def test_every_frame_behind_the_proof_has_a_tag_of_its_own(place: Place, tmp_path: Path) -> None:
    """Counted up from 1 by the host; only ACK and DATA have none."""
    place.pull(tmp_path)

    counters: list[int] = []
    for who, frame in place.middle.heard:
        if who == "host" and frame.kind not in (
            layout.MSG_HELLO,
            layout.MSG_AUTH,
            layout.MSG_ACK,
        ):
            counters.append(int.from_bytes(frame.body[-TAG : 4 - TAG], "little"))
    assert counters == list(range(1, len(counters) + 1))


# --- replies -------------------------------------------------------------------------------------
@pytest.mark.parametrize("at", [0, 20, -TAG, -1], ids=["field", "middle", "counter", "mac"])
def test_a_reply_that_was_changed_once_is_dropped_and_asked_for_again(
    place: Place, at: int
) -> None:
    """The one that is taken is the board's own."""
    asked = place.session()
    before = asked.status()
    place.middle.to_host = once(
        STATUS_REPLY, lambda frame: [Frame(frame.kind, frame.seq, flipped(frame.body, at))]
    )

    assert asked.status() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda body: flipped(body, 2),
        lambda body: flipped(body, -1),
        lambda body: bytes(body[:-TAG]),
        lambda body: bytes(body[:-TAG]) + bytes(TAG),
        lambda body: b"",
        lambda body: bytes(body[:4]),
    ],
    ids=["field", "mac", "tag stripped", "tag zeroed", "empty", "short"],
)
def test_replies_that_are_changed_every_time_end_the_conversation(
    place: Place, change: Callable[[Any], bytes]
) -> None:
    """Tampered says so, after three tries; nothing of it is taken."""
    asked = place.session()
    place.middle.to_host = always(
        STATUS_REPLY, lambda frame: [Frame(frame.kind, frame.seq, change(frame.body))]
    )

    with pytest.raises(Tampered, match=r"is being tampered with.*Use another way") as caught:
        asked.status()

    assert caught.value.exit_code is ExitCode.DEVICE


def test_an_error_that_somebody_puts_in_is_not_the_boards(place: Place) -> None:
    """The board's own reply, behind it, is taken."""
    asked = place.session()
    refused = bytes((layout.ERROR_NOT_ALLOWED,)) + b"go away"
    place.middle.to_host = always(
        STATUS_REPLY, lambda frame: [Frame(layout.MSG_ERROR, frame.seq, refused), frame]
    )

    assert asked.status().run == 7


def test_a_reply_from_before_is_not_taken_for_a_new_one(place: Place) -> None:
    """The board was recording; he plays that to whoever asks once it is not."""
    asked = place.session()
    asked.status()
    old = [frame for who, frame in place.middle.heard if frame.kind == STATUS_REPLY][-1]
    place.door.state = 0
    place.middle.to_host = always(
        STATUS_REPLY, lambda frame: [Frame(old.kind, frame.seq, old.body)]
    )

    with pytest.raises(Tampered):
        asked.status()

    place.middle.to_host = always(
        STATUS_REPLY, lambda frame: [Frame(old.kind, frame.seq, old.body), frame]
    )
    assert not asked.status().recording


def test_replies_of_another_conversation_with_the_same_key_are_worth_nothing(place: Place) -> None:
    """Its keys follow from the nonces of its HELLO."""
    first = place.session()
    first.status()
    old = [frame for who, frame in place.middle.heard if frame.kind == STATUS_REPLY][-1]
    second = place.session()
    place.middle.to_host = always(
        STATUS_REPLY, lambda frame: [Frame(old.kind, frame.seq, old.body)]
    )

    with pytest.raises(Tampered):
        second.status()


def test_silence_is_no_tampering(place: Place) -> None:
    """Whoever drops frames is a bad line: NoAnswer, as ever."""
    asked = place.session()
    place.middle.to_host = always(STATUS_REPLY, lambda frame: [])

    with pytest.raises(NoAnswer):
        asked.request(layout.MSG_STATUS, b"", "STATUS", again_s=0.05, give_up_s=0.3)


# --- requests ------------------------------------------------------------------------------------
@pytest.mark.parametrize("at", [0, 2, -TAG, -1])
def test_the_board_does_nothing_that_was_changed_on_its_way(place: Place, at: int) -> None:
    """Nor answers it."""
    asked = place.session()
    place.middle.to_board = always(
        layout.MSG_RADIO,
        lambda frame: [Frame(frame.kind, frame.seq, flipped(frame.body, at))],
    )

    with pytest.raises(LinkError):
        asked.request(layout.MSG_RADIO, b"\0\5\0", "RADIO", again_s=0.05, give_up_s=0.3)

    assert place.door.radio_told is None


def test_the_board_does_not_do_again_what_is_played_to_it_again(place: Place) -> None:
    """Flight mode off, recorded by somebody and played once it is on."""
    asked = place.session()
    asked.radio(on=True, minutes=5)
    played = [frame for who, frame in place.middle.heard if frame.kind == layout.MSG_RADIO][-1]
    asked.radio(on=False, minutes=0)

    for seq in range(256):
        place.middle.link.send(played.kind, seq, bytes(played.body))
        place.middle.link.receive(0.01)

    assert place.door.radio_told == (0, 0)


# --- downgrades ----------------------------------------------------------------------------------
def test_a_board_that_seems_to_offer_no_proof_is_an_impostor(place: Place) -> None:
    """FEATURE_AUTH taken out of HELLO's reply: this computer knows that the board can."""
    hide(place, layout.FEATURE_AUTH)

    with pytest.raises(Impostor, match="says that it cannot"):
        place.session()


def hide(place: Place, feature: int) -> None:
    """Take a feature out of what the board says of itself."""

    def without(frame: Frame) -> list[Frame]:
        fields = list(struct.unpack(layout.HELLO_REPLY.format, frame.body))
        fields[3] &= ~feature
        return [Frame(frame.kind, frame.seq, struct.pack(layout.HELLO_REPLY.format, *fields))]

    place.middle.to_host = always(layout.MSG_HELLO | layout.REPLY, without)


@pytest.mark.parametrize("feature", [layout.FEATURE_SIGN, layout.FEATURE_HANDOFF])
def test_features_that_were_changed_on_their_way_fail_the_proof(
    place: Place, feature: int
) -> None:
    """The proofs are over all that was said before them."""
    hide(place, feature)

    with pytest.raises(KeyRefused):
        place.session()


def test_secrecy_that_seems_not_to_be_had_ends_it(place: Place) -> None:
    """Nothing is asked in the clear in its place."""
    hide(place, layout.FEATURE_SECRET)

    with pytest.raises(NotSecret):
        place.session(secret=True)

    kinds = {frame.kind for who, frame in place.middle.heard if who == "host"}
    assert kinds == {layout.MSG_HELLO}


def test_a_flag_of_auth_that_was_changed_fails_the_proof(place: Place) -> None:
    """AUTH_SECRET taken away: the board's and the host's transcripts differ."""
    place.middle.to_board = always(
        layout.MSG_AUTH, lambda frame: [Frame(frame.kind, frame.seq, flipped(frame.body, 1))]
    )

    with pytest.raises(KeyRefused):
        place.session(secret=True)


def test_a_conversation_once_proven_is_never_taken_up_without(place: Place) -> None:
    """By cable a proof that fails is borne at first; not where it held before the line was cut."""
    asked = place.session(strict=False)
    assert asked.proven
    hide(place, layout.FEATURE_AUTH)

    with pytest.raises(Impostor):
        asked.reopen()


def test_by_cable_a_proof_that_fails_is_told_and_the_work_goes_on() -> None:
    """A stale key must not stand in the way of who holds the board."""
    place = Place("usb")
    place.door.device_key = bytes(32)

    asked = place.session(strict=False)

    assert not asked.proven
    assert asked.not_proven is not None
    assert "does not take the key" in asked.not_proven
    assert asked.status().run == 7


# --- locked out ----------------------------------------------------------------------------------
def test_who_is_locked_out_waits_as_long_as_the_board_says_and_proves_himself_then() -> None:
    """Once: the seconds are told to whoever waits."""
    place = Place("usb")
    guess(place)
    waited: list[float] = []
    told: list[int] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        place.door.now_ms += int(seconds * 1000)

    asked = Session(
        place.middle,
        clock=place.clock,
        credentials=lambda _: COURIER,
        sleep=wait,
    )
    asked.on_locked_out = told.append

    asked.hello()

    assert asked.proven
    assert (waited, told) == ([1], [1])


def test_who_is_still_locked_out_is_told_to_come_back() -> None:
    """LockedOut, with the seconds."""
    place = Place("usb")
    guess(place)

    with pytest.raises(LockedOut, match=r"in 1 s\. If nobody here did that"):
        place.session()


def guess(place: Place) -> None:
    """Try a wrong key."""
    wrong = Credential(layout.KEY_COURIER, bytes(32), b"", "courier key")
    with pytest.raises(KeyRefused):
        Session(place.middle, clock=place.clock, credentials=lambda _: wrong).hello()


# --- the bytes of a log --------------------------------------------------------------------------
def with_bits(pattern: bytes, at: int) -> Callable[[int, bytes], bytes]:
    """Turn bits over in the byte at `at` of the file and those behind it."""

    def change(offset: int, data: bytes) -> bytes:
        changed = bytearray(data)
        for index, bits in enumerate(pattern):
            where = at + index - offset
            if 0 <= where < len(changed):
                changed[where] ^= bits
        return bytes(changed)

    return change


def first_time(change: Callable[[int, bytes], bytes], at: int) -> Callable[[int, bytes], bytes]:
    """Change what comes of the file until the bytes behind `at` have gone by once."""
    fresh = [True]

    def to_first(offset: int, data: bytes) -> bytes:
        if not fresh:
            return data
        if offset + len(data) > at + 8:
            fresh.clear()
        return change(offset, data)

    return to_first


@pytest.mark.parametrize("pattern", [b"\x01", SAME_CRC], ids=["a bit", "the CRC stays"])
def test_bytes_changed_once_on_their_way_are_fetched_again(
    place: Place, tmp_path: Path, pattern: bytes
) -> None:
    """END's tag is over the SHA-256 of the transfer; what came first is put aside, not filed."""
    place.middle.data = first_time(with_bits(pattern, 300), 300)

    (log,) = place.pull(tmp_path).logs

    assert log.path.read_bytes() == place.log


@pytest.mark.parametrize("pattern", [b"\x01", SAME_CRC], ids=["a bit", "the CRC stays"])
def test_bytes_changed_every_time_end_the_pull_and_nothing_is_filed(
    place: Place, tmp_path: Path, pattern: bytes
) -> None:
    """Also where he mends every CRC."""
    place.middle.data = with_bits(pattern, 300)

    with pytest.raises(Tampered):
        place.pull(tmp_path)

    assert list(tmp_path.rglob("*.dwl")) == []


def test_an_end_that_was_changed_is_no_end(place: Place, tmp_path: Path) -> None:
    """The bytes were right: they come again, and the END that is the board's files them."""
    place.middle.to_host = once(
        layout.MSG_END, lambda frame: [Frame(frame.kind, frame.seq, flipped(frame.body, -1))]
    )

    (log,) = place.pull(tmp_path).logs

    assert log.path.read_bytes() == place.log


@pytest.mark.parametrize(
    "change",
    [lambda body: flipped(body, -1), lambda body: bytes(body[:-TAG]), lambda body: b""],
    ids=["mac", "stripped", "empty"],
)
def test_without_the_boards_own_end_nothing_is_filed(
    place: Place, tmp_path: Path, change: Callable[[Any], bytes]
) -> None:
    """However well the bytes hang together by their own chain."""
    place.middle.to_host = always(
        layout.MSG_END, lambda frame: [Frame(frame.kind, frame.seq, change(frame.body))]
    )

    with pytest.raises(Tampered):
        place.pull(tmp_path)

    assert list(tmp_path.rglob("*.dwl")) == []


def test_an_end_that_never_comes_leaves_the_pull_incomplete(place: Place, tmp_path: Path) -> None:
    """Dropping is a bad line's doing, too."""
    place.middle.to_host = always(layout.MSG_END, lambda frame: [])

    with pytest.raises((Incomplete, LinkError)):
        place.pull(tmp_path)

    assert list(tmp_path.rglob("*.dwl")) == []


def test_the_end_of_another_transfer_is_not_this_ones(place: Place, tmp_path: Path) -> None:
    """He keeps the first END he hears and gives it for every later one."""
    kept: list[Frame] = []

    def swap(frame: Frame) -> list[Frame]:
        kept.append(frame)
        return [Frame(frame.kind, frame.seq, kept[0].body)]

    place.pull(tmp_path / "first")
    place.store.waiting.append((layout.KIND_RADIO, place.store.uptime_ms + 5, (0, 1, 0)))
    place.middle.to_host = always(layout.MSG_END, swap)
    kept.extend(frame for who, frame in place.middle.heard if frame.kind == layout.MSG_END)

    with pytest.raises((Tampered, Incomplete, LinkError)):
        place.pull(tmp_path / "second")

    assert list((tmp_path / "second").rglob("*.dwl")) == []


def test_bytes_whose_transfer_broke_off_are_held_against_the_boards_hash(
    place: Place, tmp_path: Path
) -> None:
    """He changes bytes, mends their CRC and drops their END: the next READ would go on behind."""
    dropped: list[Frame] = []

    def drop_early(frame: Frame) -> list[Frame]:
        if len(dropped) < 2:
            dropped.append(frame)
            return []
        return [frame]

    place.middle.data = first_time_whole(with_bits(SAME_CRC, 300))
    place.middle.to_host = always(layout.MSG_END, drop_early)

    (log,) = place.pull(tmp_path).logs

    assert len(dropped) == 2
    assert log.path.read_bytes() == place.log
    hashed = [f for who, f in place.middle.heard if who == "host" and f.kind == layout.MSG_HASH]
    assert hashed


def first_time_whole(change: Callable[[int, bytes], bytes]) -> Callable[[int, bytes], bytes]:
    """Change the first time each byte goes by; a file that is sent again is left alone."""
    seen = [0]

    def to_first(offset: int, data: bytes) -> bytes:
        if offset < seen[0]:
            return data
        seen[0] = offset + len(data)
        return change(offset, data)

    return to_first


def test_frames_out_of_order_change_nothing(place: Place, tmp_path: Path) -> None:
    """Two DATA frames for each other, again and again: the rest is read anew, as on a bad line."""
    kept: list[Frame] = []
    count = [0]

    def swap(frame: Frame) -> list[Frame]:
        if frame.kind not in (layout.MSG_DATA, layout.MSG_DATA_SHORT):
            return [*drain(), frame]
        count[0] += 1
        if count[0] % 5 == 0 and count[0] < 40:
            kept.append(frame)
            return []
        return [frame, *drain()]

    def drain() -> list[Frame]:
        found, kept[:] = list(kept), []
        return found

    place.middle.to_host = swap

    (log,) = place.pull(tmp_path).logs

    assert log.path.read_bytes() == place.log
