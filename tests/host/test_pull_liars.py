"""A board that lies or is broken: refused with a sentence that names the lie, nothing filed.

What a hostile board may try, and where the host is held to it:

    endless or growing LIST, files listed twice   here
    gigabytes announced                           here: refused before a byte is written
    offsets backwards, gaps without end           here
    floods of DATA, END, or of other frames       here: given up in time, memory bounded
    replies of another length, before HELLO       here, test_pull_session
    another device id behind the same name        here; over the air test_link_ble
    a full disk on the way                        test_archive
    columns and sections that unfold              test_hostile_log: memory measured
    ids and texts made for paths and terminals    test_hostile_log: every command that prints
    markup, formulas, JSON in texts               test_report, test_export, test_hostile_log
    names on the air made for a terminal          test_scan
"""

from __future__ import annotations

import struct
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from dewarlog.archive import Archive
from dewarlog.errors import DeviceRefused, Incomplete, NoAnswer, PeerViolation
from dewarlog.link import Frame
from dewarlog.pull import PullOptions, pull
from dewarlog.session import Session
from dewarlog_wire import layout
from memory_board import DEVICE_ID, LOG_ID, Clock, MemoryLink, MemoryStore, StoredRun, make_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIST_REPLY = layout.MSG_LIST | layout.REPLY
READ_REPLY = layout.MSG_READ | layout.REPLY
HELLO_REPLY = layout.MSG_HELLO | layout.REPLY


class LyingLink(MemoryLink):
    """A board whose frames pass through `twist` on their way: it returns what arrives instead."""

    def __init__(self, twist: Callable[[Frame], list[Frame]]) -> None:
        super().__init__(MemoryStore({1: StoredRun(make_log(1, [3000] * 5))}), Clock())
        self.twist = twist
        self.arrived: list[Frame] = []

    def receive(self, timeout_s: float) -> Frame | None:
        """Give what the lie makes of the next frame."""
        while not self.arrived:
            frame = super().receive(timeout_s)
            if frame is None:
                return None
            self.arrived.extend(self.twist(frame))
        return self.arrived.pop(0)


def only(kind: int, lie: Callable[[bytes], bytes]) -> Callable[[Frame], list[Frame]]:
    """Change the bodies of one kind of frame."""

    def twist(frame: Frame) -> list[Frame]:
        if frame.kind == kind:
            return [Frame(frame.kind, frame.seq, lie(bytes(frame.body)))]
        return [frame]

    return twist


def listing(
    total: int, first: int, *entries: tuple[int, int, int, int, int, bytes], count: int = -1
) -> Callable[[bytes], bytes]:
    """Return a lie that answers LIST with these entries."""
    head = struct.pack(
        layout.LIST_REPLY.format, total, first, len(entries) if count < 0 else count
    )
    tail = b"".join(struct.pack(layout.LIST_ENTRY.format, *entry) for entry in entries)
    return lambda _: head + tail


def gigabytes(body: bytes) -> bytes:
    """Give 22 full segments at a time, as many as are allowed to be listed."""
    return listed_from(body, 4096, 22)


def listed_from(body: bytes, total: int, count: int) -> bytes:
    """Give `count` full segments from where the host asked."""
    first = struct.unpack_from(layout.LIST_REPLY.format, body)[1]
    count = min(count, total - first)
    entries = [entry(layout.SEGMENT_MAX_BYTES, first + at) for at in range(count)]
    return listing(total, first, *entries)(b"")


def growing(body: bytes) -> bytes:
    """Give one entry, and one more to come, for ever."""
    first = struct.unpack_from(layout.LIST_REPLY.format, body)[1]
    return listed_from(body, first + 2, 1)


def entry(size: int, file: int = 0) -> tuple[int, int, int, int, int, bytes]:
    """Return one list entry of run 1."""
    return (1, file, 1, 1000, size, LOG_ID)


def moved(by: int) -> Callable[[bytes], bytes]:
    """Return a lie that moves every DATA frame by so many bytes."""

    def lie(body: bytes) -> bytes:
        xfer, flags, offset = struct.unpack_from(layout.DATA_HEAD.format, body)
        head = struct.pack(layout.DATA_HEAD.format, xfer, flags, max(0, offset + by))
        return head + body[layout.DATA_HEAD.size :]

    return lie


def end_with(**changes: int) -> Callable[[bytes], bytes]:
    """Return a lie that changes fields of END."""

    def lie(body: bytes) -> bytes:
        fields = dict(
            zip(
                [name for name, _, _, _ in layout.END.fields],
                struct.unpack(layout.END.format, body),
                strict=True,
            )
        )
        return struct.pack(layout.END.format, *{**fields, **changes}.values())

    return lie


LIES = {
    "more bytes than announced": (
        only(layout.MSG_DATA, lambda body: body + bytes(60_000)),
        "up to byte",
    ),
    "DATA without a head": (only(layout.MSG_DATA, lambda body: body[:3]), "no head"),
    "offers more than asked": (
        only(READ_REPLY, lambda body: body[:1] + struct.pack("<I", 1 << 31)),
        "it offers 2147483648",
    ),
    "offers less than asked": (
        only(READ_REPLY, lambda body: body[:1] + struct.pack("<I", 1)),
        "it offers 1",
    ),
    "READ reply of another length": (only(READ_REPLY, lambda body: body + b"x"), "read_reply"),
    "a list without end": (only(LIST_REPLY, listing(65535, 0, entry(10))), "65535 files"),
    "a list that stops early": (only(LIST_REPLY, listing(9, 0)), "ends at 0 of 9"),
    "a list from elsewhere": (only(LIST_REPLY, listing(9, 5, entry(10))), "from 5"),
    "more entries than bytes": (only(LIST_REPLY, listing(9, 0, entry(1), count=9)), "cannot hold"),
    "a list without a head": (only(LIST_REPLY, lambda body: body[:2]), "no head"),
    "gigabytes in many files": (
        only(LIST_REPLY, gigabytes),
        "no logger holds 67108864",
    ),
    "a list that grows as it is read": (only(LIST_REPLY, growing), "grows while it is read"),
    "an absurd size": (only(LIST_REPLY, listing(1, 0, entry(0xFFFFFFFF))), "4294967295 bytes"),
    "a file listed twice": (only(LIST_REPLY, listing(2, 0, entry(9), entry(9))), "listed twice"),
    "an endless journal": (
        only(LIST_REPLY, listing(1, 0, entry(1 << 30, layout.FILE_JOURNAL))),
        "newest part is said to have",
    ),
    "a wrong CRC at the end": (only(layout.MSG_END, end_with(crc32=1)), "CRC-32"),
    "a HELLO cut short": (only(HELLO_REPLY, lambda body: body[:9]), "hello_reply has 9 bytes"),
    "another protocol": (only(HELLO_REPLY, lambda body: b"\x09" + body[1:]), "version 9"),
    "the same bytes again and again": (
        lambda frame: [frame] * (1100 if frame.kind == layout.MSG_DATA else 1),
        "already sent",
    ),
}


@pytest.mark.parametrize(
    ("twist", "words"),
    [pytest.param(*lie, id=name) for name, lie in LIES.items()],
)
def test_a_lie_is_named_and_nothing_is_filed(
    tmp_path: Path, twist: Callable[[Frame], list[Frame]], words: str
) -> None:
    """PeerViolation: the fault is the board's, and the sentence says which."""
    link = LyingLink(twist)

    with pytest.raises(PeerViolation) as caught:
        pull(link, Archive(tmp_path), PullOptions(seal=False), clock=link.clock)

    assert words in str(caught.value)
    assert "Nothing was filed" in str(caught.value)
    assert list(tmp_path.glob("*/*/*.dwl")) == []


@pytest.mark.parametrize(
    "twist",
    [
        pytest.param(only(layout.MSG_DATA, moved(5)), id="always a gap"),
        pytest.param(only(layout.MSG_DATA, moved(-1 << 20)), id="backwards"),
        pytest.param(lambda frame: [] if frame.kind == layout.MSG_DATA else [frame], id="no DATA"),
        pytest.param(only(layout.MSG_DATA, lambda body: body[:6]), id="empty DATA"),
    ],
)
def test_a_board_that_never_comes_to_the_end_is_given_up(
    tmp_path: Path, twist: Callable[[Frame], list[Frame]]
) -> None:
    """No new byte in many requests: Incomplete, not for ever."""
    link = LyingLink(twist)

    with pytest.raises((Incomplete, PeerViolation)):
        pull(link, Archive(tmp_path), PullOptions(), clock=link.clock)

    assert link.clock() < 120


def test_a_board_that_talks_of_other_things_is_given_up(tmp_path: Path) -> None:
    """Sound frames that answer nothing do not keep a pull waiting for ever."""
    chatter = Frame(layout.MSG_STATUS | layout.REPLY, 250, b"")

    class Chatty(MemoryLink):
        def receive(self, timeout_s: float) -> Frame | None:
            self.clock.now_s += 0.1
            return chatter

    link = Chatty(MemoryStore({}), Clock())

    with pytest.raises(NoAnswer, match="no answer to HELLO"):
        pull(link, Archive(tmp_path), PullOptions(), clock=link.clock)


class Flood(MemoryLink):
    """After the READ is answered, the same frame a thousand times a second, for ever."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(MemoryStore({1: StoredRun(make_log(1, [3000] * 5))}), Clock())
        self.frame = frame
        self.floods = False

    def receive(self, timeout_s: float) -> Frame | None:
        """Give the frame of the flood; HELLO and LIST are answered between."""
        if self.floods and self.kinds_sent[-1] not in (layout.MSG_HELLO, layout.MSG_READ):
            self.clock.now_s += 0.001
            return self.frame
        frame = super().receive(timeout_s)
        if frame is not None and frame.kind == READ_REPLY:
            self.floods = True
            self.kinds_sent.append(
                layout.MSG_ACK
            )  # whatever the host says next, the flood goes on
        return frame


END = struct.pack(layout.END.format, 99, 0, 0, 0)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(Frame(layout.MSG_END, 0, END), id="END of another transfer"),
        pytest.param(Frame(layout.MSG_DATA, 0, bytes(6) + b"x" * 4000), id="DATA of another"),
        pytest.param(Frame(layout.MSG_STATUS | layout.REPLY, 0, bytes(58)), id="late replies"),
        pytest.param(Frame(layout.MSG_ERROR, 0, b"\x05busy"), id="errors nobody asked for"),
        pytest.param(Frame(layout.MSG_DATA_SHORT, 0, b"\x42\0\0xx\0\0"), id="short DATA"),
        pytest.param(Frame(0x3F, 0, b""), id="a kind unknown"),
    ],
)
def test_a_flood_in_the_place_of_a_file_is_given_up_and_fills_no_memory(
    tmp_path: Path, frame: Frame
) -> None:
    """Two minutes at most, a mebibyte at most, nothing filed."""
    link = Flood(frame)
    tracemalloc.start()

    with pytest.raises((Incomplete, PeerViolation, NoAnswer)):
        pull(link, Archive(tmp_path), PullOptions(seal=False), clock=link.clock)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert link.clock() < 120
    assert peak < 1 << 20
    assert list(tmp_path.glob("*/*/*.dwl")) == []


def test_another_board_behind_the_same_name_is_noticed(tmp_path: Path) -> None:
    """After the link was opened anew, the device id must be the one the pull began with."""
    silent = {"from": 7}

    def twist(frame: Frame) -> list[Frame]:
        if frame.kind == HELLO_REPLY and link.opens:
            body = bytes(frame.body).replace(DEVICE_ID, b"another.")
            return [Frame(frame.kind, frame.seq, body)]
        if frame.kind in (layout.MSG_DATA, layout.MSG_END) and silent["from"]:
            return []
        return [frame]

    link = LyingLink(twist)

    with pytest.raises(PeerViolation, match=f"logger {DEVICE_ID.hex()} became logger"):
        pull(link, Archive(tmp_path), PullOptions(), clock=link.clock)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\x06beyond the end", "out of range (code 6): beyond the end"),
        (b"\xc8\xff\xfe\x07", "unknown error (code 200)"),
        (b"", "unknown error (code 0)"),
    ],
)
def test_an_error_of_the_board_is_passed_on_in_words(body: bytes, words: str) -> None:
    """Known code, unknown code, no code; control characters never reach the terminal."""
    link = LyingLink(
        lambda frame: [
            frame if frame.kind == HELLO_REPLY else Frame(layout.MSG_ERROR, frame.seq, body)
        ]
    )
    session = Session(link, clock=link.clock)
    session.hello()

    with pytest.raises(DeviceRefused) as caught:
        session.status()

    assert words in str(caught.value)
    assert str(caught.value).isprintable()
