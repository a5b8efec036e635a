"""Requests and typed replies, over the board's real server in memory."""

from __future__ import annotations

import struct
from dataclasses import fields
from hashlib import sha256

import pytest

from dewarlog.errors import DeviceRefused, NoAnswer, PeerViolation
from dewarlog.replies import ClockBefore, Sealed, Status, StoredFile
from dewarlog.session import Session
from dewarlog_wire import FORMAT_VERSION, events, layout
from dewarlog_wire.frame import parse_serial_in
from door_board import RUN, DoorLink
from memory_board import DEVICE_ID, LOG_ID, Clock, MemoryLink, MemoryStore, StoredRun


def greeted(link: MemoryLink) -> Session:
    """Return a session that has said HELLO."""
    session = Session(link, clock=link.clock)
    session.hello()
    return session


def link_to(*segments: bytes) -> MemoryLink:
    """Return a link to a board with one run."""
    return MemoryLink(MemoryStore({4: StoredRun(list(segments), closed=False)}), Clock())


def test_status_has_the_fields_of_the_wire_in_order() -> None:
    """One class on the host, one record in the layout: the same names."""
    assert [field.name for field in fields(Status)] == [
        name for name, _, _, _ in layout.STATUS_REPLY.fields
    ]


def test_hello_says_which_board_it_is() -> None:
    """Id, versions and limits."""
    link = link_to()

    board = Session(link, clock=link.clock).hello()

    assert (board.device_id, board.name) == (DEVICE_ID, DEVICE_ID.hex())
    assert (board.format_version, board.body_max_bytes) == (FORMAT_VERSION, 4096)


def test_status_comes_as_data() -> None:
    """Every field where it belongs."""
    status = greeted(link_to()).status()

    assert (status.state, status.run, status.rules_active) == (0, 1, 21)
    assert status.readings == (14, 15, 16, 17)
    assert not status.recording


def test_the_clock_is_set_and_tells_what_it_said_before() -> None:
    """TIME's reply."""
    link = link_to()

    before = greeted(link).set_time(100, 250, 40)

    assert before == ClockBefore(utc_s=77, state=layout.CLOCK_UNSET)
    assert link.device.time_set == (100, 250, 40)


def test_marks_and_stop_reach_the_board() -> None:
    """A custody event is passed on as it is."""
    link = link_to()
    session = greeted(link)
    custody = struct.pack(layout.EVENT_CUSTODY.format, 2, 99) + b"\x02me\x00\x00"

    session.mark(custody)
    session.stop()

    assert (link.device.marks, link.device.stopped) == ([custody], True)


def test_seal_and_hash_return_their_values() -> None:
    """Blocks and chain; a SHA-256."""
    session = greeted(link_to(b"some bytes"))
    file = session.list_files()[0]

    sealed = session.seal()

    assert sealed == Sealed(0, layout.CHAIN_START)
    assert session.sha256(file, 4) == sha256(b"some").digest()


def test_a_list_is_asked_for_until_it_is_complete() -> None:
    """More files than one reply holds."""
    link = link_to(*[bytes(n) for n in range(60)])

    files = greeted(link).list_files()

    assert [(file.file, file.size) for file in files] == [(n, n) for n in range(60)]
    assert files[0] == StoredFile(4, 0, layout.ENTRY_SEALED, 1000, 0, LOG_ID)
    assert [file.sealed for file in files[-2:]] == [True, False]
    assert files[7].name == "run 4, part 8"


def test_a_lost_request_is_asked_again_with_the_same_number() -> None:
    """The board takes it for the same request, done once."""
    lines: list[tuple[int, int, bytes]] = []
    link = link_to()

    def lose_two(direction: str, index: int, wire: bytes) -> bytes:
        if direction == "in":
            lines.append(parse_serial_in(wire))
        return b"" if direction == "out" and index in (1, 2) else wire

    link.fault = lose_two
    session = greeted(link)

    session.mark(bytes(layout.EVENT_CUSTODY.size + 3))

    assert len(lines) == 4
    assert lines[1] == lines[2] == lines[3]
    assert len(link.device.marks) == 1


def test_a_board_that_never_answers_is_no_answer() -> None:
    """After ten seconds, with what was asked and how long."""
    link = link_to()
    session = greeted(link)
    link.fault = lambda direction, index, wire: b""

    with pytest.raises(NoAnswer) as caught:
        session.status()

    assert (caught.value.asked, caught.value.waited_s) == ("STATUS", 10.0)
    assert link.clock() >= 10


def test_a_refusal_names_request_code_and_words() -> None:
    """What the board would not do, and why."""
    link = link_to()
    session = greeted(link)
    gone = StoredFile(9, 9, 0, 0, 10, LOG_ID)

    with pytest.raises(DeviceRefused) as caught:
        session.sha256(gone, 10)

    assert (caught.value.request, caught.value.code) == (
        "HASH of run 9, part 10",
        layout.ERROR_NOT_FOUND,
    )
    assert "no such file on this board" in str(caught.value)


def test_each_program_begins_with_a_number_of_its_own() -> None:
    """So that its first request is not taken for a repeat of the last program's."""
    starts = {
        Session(link_to(), random_bytes=lambda count, n=n: bytes((n,)) * count)._next_seq()  # noqa: SLF001
        for n in range(256)
    }

    assert starts == set(range(256))


def _overwritten(reply: bytes, record: layout.Record, name: str, value: int) -> bytes:
    """Return a reply that says another number in one field."""
    at = record.offset_of(name)
    code = next(code for field, code, _, _ in record.fields if field == name)
    packed = struct.pack("<" + code, value)
    return reply[:at] + packed + reply[at + len(packed) :]


@pytest.mark.parametrize(
    ("record", "name", "value"),
    [
        (layout.SIGN_REPLY, "uptime_ms", 1000),
        (layout.HANDOFF_REPLY, "uptime_ms", 65535),
        (layout.SEAL_KEY_REPLY, "key_index", 0),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_what_no_file_here_can_hold_is_a_violation(
    record: layout.Record, name: str, value: int
) -> None:
    """Else a receipt or a key would be written that nobody reads again."""
    link = DoorLink()
    link.open()
    session = Session(link, clock=link.clock)
    session.hello()
    link.lie = lambda _kind, reply: _overwritten(reply, record, name, value)
    writer = link.store.writer
    body = events.handoff_body(5, 0, 1, writer.blocks, writer.chain, ("A", "B", "C"))

    with pytest.raises(PeerViolation):
        {
            layout.SIGN_REPLY.name: lambda: session.sign(RUN, bytes(16)),
            layout.HANDOFF_REPLY.name: lambda: session.handoff(body),
            layout.SEAL_KEY_REPLY.name: session.seal_key,
        }[record.name]()
