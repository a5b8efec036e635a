"""The board's server without a link: one frame a poll, credit, repeats, slices, silence."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from dewarlog_firmware.server import BODY_MIN_BYTES, REPLY_BODY_MAX_BYTES, Server
from dewarlog_wire import FORMAT_VERSION, PROTOCOL_VERSION, events, layout, proof
from dewarlog_wire.frame import parse_frame, parse_short_data
from guarded_board import GuardedDevice, guard_of
from memory_board import (
    DEVICE_ID,
    DEVICE_KEY,
    LOG_ID,
    MemoryDevice,
    MemoryStore,
    StoredRun,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = bytes(range(256)) * 80
ROOM = layout.SERIAL_BODY_MAX_BYTES - layout.DATA_HEAD.size


@dataclass
class Out:
    """A link that keeps what it is given; `takes` False: not now."""

    takes: bool = True
    offered: int = 0
    frames: list[tuple[int, int, bytes]] = field(default_factory=list[tuple[int, int, bytes]])

    def send(self, frame: bytearray, length: int) -> bool:
        """Take one frame, or not."""
        self.offered += 1
        if self.takes:
            self.frames.append(parse_frame(bytes(frame[:length])))
        return self.takes


class Talk:
    """One conversation with a server; `host` counts the requests."""

    def __init__(
        self,
        data: bytes = DATA,
        *,
        body_max: int = 4096,
        greet: bool = True,
        in_hand: bool = True,
        more: dict[int, Callable[..., int]] | None = None,
    ) -> None:
        self.store = MemoryStore({1: StoredRun([data])})
        self.device = GuardedDevice()
        self.guard = guard_of(self.device)
        self.server = Server(
            self.store,  # type: ignore[arg-type]
            self.device,  # type: ignore[arg-type]
            self.guard,
            lambda count: b"n" * count,
            in_hand=in_hand,
            more=more,
        )
        self.out = Out()
        self.seq = 0
        if greet:
            self.ask(layout.MSG_HELLO, hello(body_max))

    def say(self, kind: int, body: bytes = b"", seq: int | None = None) -> None:
        """Hand one request to the server."""
        self.seq = (self.seq + 1) % 256 if seq is None else seq
        self.server.handle(kind, self.seq, body)

    def settle(self, most: int = 1000) -> list[tuple[int, int, bytes]]:
        """Poll until nothing is left to do; return the new frames."""
        before = len(self.out.frames)
        while self.server.poll(self.out):
            most -= 1
            assert most, "the server never comes to rest"
        return self.out.frames[before:]

    def ask(self, kind: int, body: bytes = b"") -> tuple[int, bytes]:
        """Ask and return the one answer's kind and body."""
        self.say(kind, body)
        ((answer, seq, reply),) = self.settle()
        assert seq == self.seq
        return answer, reply

    def read(self, offset: int = 0, length: int = 1 << 20, **fields: int) -> None:
        """Ask for bytes of the one file."""
        self.say(layout.MSG_READ, read_body(offset, length, **fields))

    def ack(self, next_offset: int, credit: int, xfer: int = 1) -> None:
        """Grant more."""
        self.say(layout.MSG_ACK, struct.pack(layout.ACK.format, xfer, next_offset, credit))


def hello(body_max: int = 4096, protocol: int = PROTOCOL_VERSION) -> bytes:
    """Return HELLO's body."""
    return struct.pack(layout.HELLO.format, protocol, 0, body_max, b"nonce..!")


def read_body(
    offset: int,
    length: int,
    *,
    prefix_crc32: int = 0,
    credit: int = 1 << 20,
    file: int = 0,
    etag: int = 1000,
) -> bytes:
    """Return READ's body for run 1."""
    fields = (1, file, etag, offset, length, prefix_crc32, credit)
    return struct.pack(layout.READ.format, *fields)


def hash_body(offset: int, length: int) -> bytes:
    """Return HASH's body for the one file."""
    return struct.pack(layout.HASH.format, 1, 0, 1000, offset, length)


def error_of(answer: tuple[int, bytes]) -> int:
    """Return the code of an ERROR."""
    kind, body = answer
    assert kind == layout.MSG_ERROR
    return body[0]


def payload(frames: list[tuple[int, int, bytes]]) -> bytes:
    """Return the bytes of the DATA frames, which must follow one another."""
    data = [body for kind, _, body in frames if kind == layout.MSG_DATA]
    offsets = [struct.unpack_from(layout.DATA_HEAD.format, body)[2] for body in data]
    joined = b""
    for offset, body in zip(offsets, data, strict=True):
        assert offset == offsets[0] + len(joined)
        joined += body[layout.DATA_HEAD.size :]
    return joined


# --- silence and greeting ------------------------------------------------------------------------
def test_nothing_is_said_before_hello() -> None:
    """No request is answered, no frame is sent unasked."""
    talk = Talk(greet=False)

    for kind in range(256):
        if kind != layout.MSG_HELLO:
            talk.say(kind)

    assert talk.settle() == []


def test_hello_says_who_is_there() -> None:
    """Versions, body size and device id, in this order."""
    kind, body = Talk(greet=False).ask(layout.MSG_HELLO, hello())

    assert kind == layout.MSG_HELLO | layout.REPLY
    assert struct.unpack(layout.HELLO_REPLY.format, body) == (
        PROTOCOL_VERSION,
        FORMAT_VERSION,
        layout.SERIAL_BODY_MAX_BYTES,
        MemoryDevice.features,
        DEVICE_ID,
        b"n" * 8,
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (hello(protocol=PROTOCOL_VERSION + 1), layout.ERROR_VERSION),
        (hello(body_max=BODY_MIN_BYTES - 1), layout.ERROR_RANGE),
        (hello()[:-1], layout.ERROR_MALFORMED),
    ],
)
def test_a_hello_it_cannot_keep_is_refused_and_opens_nothing(body: bytes, code: int) -> None:
    """After the refusal it is as silent as before."""
    talk = Talk(greet=False)

    assert error_of(talk.ask(layout.MSG_HELLO, body)) == code
    talk.say(layout.MSG_STATUS)
    assert talk.settle() == []


def test_a_new_hello_ends_the_transfer_in_hand() -> None:
    """Another host, or the same one started again."""
    talk = Talk()
    talk.read()
    talk.server.poll(talk.out)

    talk.say(layout.MSG_HELLO, hello(1000))

    assert [kind for kind, _, _ in talk.settle()] == [layout.MSG_HELLO | layout.REPLY]


# --- every request gets an answer ----------------------------------------------------------------
@pytest.mark.parametrize("kind", [0, 0x0E, 0x17, 0x3F, layout.MSG_DATA, layout.MSG_END])
def test_an_unknown_request_is_answered_with_an_error(kind: int) -> None:
    """Never with silence: the host would wait."""
    assert error_of(Talk().ask(kind)) == layout.ERROR_UNKNOWN


@pytest.mark.parametrize("kind", [layout.MSG_ERROR, 0x80, 0x82, 0xFF])
def test_an_answer_is_never_answered(kind: int) -> None:
    """Two ends that answer answers would never stop."""
    talk = Talk()

    talk.say(kind)

    assert talk.settle() == []


@pytest.mark.parametrize(
    "kind",
    [
        layout.MSG_STATUS,
        layout.MSG_TIME,
        layout.MSG_LIST,
        layout.MSG_READ,
        layout.MSG_ABORT,
        layout.MSG_HASH,
        layout.MSG_SEAL,
        layout.MSG_MARK,
        layout.MSG_CONFIRM,
        layout.MSG_STOP,
        layout.MSG_AUTH,
        layout.MSG_KEY,
        layout.MSG_SEAL_KEY,
        layout.MSG_PUBLIC,
        layout.MSG_ACKNOWLEDGE,
        layout.MSG_SIGN,
    ],
)
def test_a_request_of_another_length_is_malformed(kind: int) -> None:
    """Two bytes where none, one or more are due."""
    assert error_of(Talk().ask(kind, b"xx")) == layout.ERROR_MALFORMED


def test_a_malformed_ack_changes_nothing() -> None:
    """Acks have no reply: a bad one is as good as lost."""
    talk = Talk()

    talk.say(layout.MSG_ACK, b"short")

    assert talk.settle() == []


def test_status_time_mark_and_stop_reach_the_device() -> None:
    """Each with its reply."""
    talk = Talk()
    custody = struct.pack(layout.EVENT_CUSTODY.format, 2, 99) + b"\x00\x00\x00"

    status = talk.ask(layout.MSG_STATUS)
    time = talk.ask(layout.MSG_TIME, struct.pack(layout.TIME.format, 5, 6, 7))
    mark = talk.ask(layout.MSG_MARK, custody)
    stop = talk.ask(layout.MSG_STOP)

    assert struct.unpack(layout.STATUS_REPLY.format, status[1]) == talk.device.status()
    assert struct.unpack(layout.TIME_REPLY.format, time[1]) == (77, layout.CLOCK_UNSET)
    assert (mark[1], stop[1]) == (b"", b"")
    assert (talk.device.time_set, talk.device.marks, talk.device.stopped) == (
        (5, 6, 7),
        [custody],
        True,
    )


@pytest.mark.parametrize(("utc_s", "utc_ms"), [(layout.UTC_UNKNOWN, 0), (5, 1000)])
def test_a_time_that_is_none_is_refused(utc_s: int, utc_ms: int) -> None:
    """The clock is not touched."""
    talk = Talk()

    answer = talk.ask(layout.MSG_TIME, struct.pack(layout.TIME.format, utc_s, utc_ms, 0))

    assert (error_of(answer), talk.device.time_set) == (layout.ERROR_RANGE, None)


def test_a_seal_without_room_says_memory_full() -> None:
    """The store's OSError becomes an answer, not a stop of the logger."""
    talk = Talk()
    talk.store.full = True

    assert error_of(talk.ask(layout.MSG_SEAL)) == layout.ERROR_MEMORY_FULL


def test_a_confirm_of_another_chain_is_not_allowed() -> None:
    """The board deletes only what a host really holds."""
    body = struct.pack(layout.CONFIRM.format, 1, 3, b"x" * 32, 0)
    talk = Talk(data=b"")

    assert error_of(talk.ask(layout.MSG_CONFIRM, body)) == layout.ERROR_NOT_ALLOWED


@pytest.mark.parametrize(
    ("body_max", "most"),
    [(BODY_MIN_BYTES, BODY_MIN_BYTES), (236, 236), (4096, REPLY_BODY_MAX_BYTES)],
)
def test_words_of_an_error_are_cut_to_what_the_conversation_carries(
    body_max: int, most: int
) -> None:
    """A long reason does not outgrow the body, and has all of it."""
    talk = Talk(body_max=body_max)

    def fail(custody: bytes) -> None:
        raise ValueError("x" * 600)

    talk.device.mark = fail  # type: ignore[method-assign]

    words_bytes = len(talk.ask(layout.MSG_MARK, b"")[1])
    assert words_bytes + layout.SESSION_TAG.size == most


# --- repeats -------------------------------------------------------------------------------------
def test_a_repeated_request_gets_the_reply_it_got_and_is_done_once() -> None:
    """The reply was lost, not the request: nothing happens twice."""
    talk = Talk()
    talk.say(layout.MSG_MARK, bytes(layout.EVENT_CUSTODY.size), seq=9)
    first = talk.settle()
    talk.say(layout.MSG_MARK, bytes(layout.EVENT_CUSTODY.size), seq=9)
    second = talk.settle()

    assert first == second
    assert len(talk.device.marks) == 1


@pytest.mark.parametrize("change", ["seq", "body"])
def test_another_request_is_not_taken_for_a_repeat(change: str) -> None:
    """Same kind, but another number or another body."""
    talk = Talk()
    body = bytes(layout.EVENT_CUSTODY.size)
    talk.say(layout.MSG_MARK, body, seq=9)
    talk.settle()

    talk.say(layout.MSG_MARK, body + b"!" * (change == "body"), seq=9 + (change == "seq"))
    talk.settle()

    assert len(talk.device.marks) == 2


def test_a_request_repeated_while_it_is_worked_on_is_answered_once() -> None:
    """A HASH takes many polls; the host grows impatient; one reply comes."""
    talk = Talk()
    for _ in range(3):
        talk.say(layout.MSG_HASH, hash_body(0, len(DATA)), seq=5)
        talk.server.poll(talk.out)

    assert [kind for kind, _, _ in talk.settle()] == [layout.MSG_HASH | layout.REPLY]


# --- list ----------------------------------------------------------------------------------------
def test_a_list_comes_in_parts_that_fit() -> None:
    """Total first, then as many entries as the reply buffer holds."""
    talk = Talk()
    talk.store.runs = {n: StoredRun([b"x" * n]) for n in range(1, 31)}
    most = (REPLY_BODY_MAX_BYTES - layout.LIST_REPLY.size) // layout.LIST_ENTRY.size

    first = talk.ask(layout.MSG_LIST, struct.pack(layout.LIST.format, 0, 255))[1]
    rest = talk.ask(layout.MSG_LIST, struct.pack(layout.LIST.format, most, 255))[1]
    beyond = talk.ask(layout.MSG_LIST, struct.pack(layout.LIST.format, 99, 255))[1]

    assert struct.unpack_from(layout.LIST_REPLY.format, first) == (30, 0, most)
    assert struct.unpack_from(layout.LIST_REPLY.format, rest) == (30, most, 30 - most)
    assert struct.unpack_from(layout.LIST_REPLY.format, beyond) == (30, 99, 0)
    assert struct.unpack_from(layout.LIST_ENTRY.format, first, layout.LIST_REPLY.size) == (
        1,
        0,
        layout.ENTRY_SEALED,
        1000,
        1,
        LOG_ID,
    )


# --- READ ----------------------------------------------------------------------------------------
def test_a_read_is_answered_streamed_and_ended() -> None:
    """Reply, full DATA frames in order, END with the CRC of what was sent."""
    talk = Talk()

    talk.read()
    frames = talk.settle()

    assert frames[0][0] == layout.MSG_READ | layout.REPLY
    assert struct.unpack(layout.READ_REPLY.format, frames[0][2]) == (1, len(DATA))
    assert payload(frames) == DATA
    assert {len(body) for _, _, body in frames[1:-2]} == {layout.SERIAL_BODY_MAX_BYTES}
    assert struct.unpack(layout.END.format, frames[-1][2]) == (1, 0, len(DATA), zlib.crc32(DATA))
    assert {seq for _, seq, _ in frames} == {talk.seq}


def test_one_poll_sends_at_most_one_frame() -> None:
    """Sampling comes between any two."""
    talk = Talk()
    talk.read()

    counts: list[int] = []
    while talk.server.poll(talk.out):
        counts.append(len(talk.out.frames))

    assert all(b - a <= 1 for a, b in pairwise(counts))


@pytest.mark.parametrize("body_max", [BODY_MIN_BYTES, 236, 4064, 60000])
def test_frames_fit_both_sides(body_max: int) -> None:
    """The smaller of the two limits holds."""
    talk = Talk(body_max=body_max)

    talk.read()
    frames = talk.settle()

    assert payload(frames) == DATA
    assert max(len(body) for _, _, body in frames) == min(body_max, layout.SERIAL_BODY_MAX_BYTES)


@pytest.mark.parametrize("shift", [None, "plain"])
@pytest.mark.parametrize("offset", [0, 1, ROOM, 12345, len(DATA)])
def test_the_crc_of_a_transfer_is_that_of_its_bytes(offset: int, shift: str | None) -> None:
    """Joined from the frames' CRCs, or computed in a second pass: the same."""
    talk = Talk(greet=False)

    def shifted(crc: int, matrix: list[int]) -> int:
        result = 0
        for bit in range(32):
            if crc >> bit & 1:
                result ^= matrix[bit]
        return result

    talk.server = Server(
        talk.store,  # type: ignore[arg-type]
        talk.device,  # type: ignore[arg-type]
        guard_of(talk.device),
        bytes,
        crc_shift=shifted if shift else None,
    )
    talk.ask(layout.MSG_HELLO, hello())
    talk.read(offset, prefix_crc32=zlib.crc32(DATA[:offset]))

    crc = struct.unpack(layout.END.format, talk.settle()[-1][2])[3]

    assert crc == zlib.crc32(DATA[offset:])


def test_no_more_is_sent_than_granted() -> None:
    """Within credit to the byte; acks open the window, whole frames only."""
    talk = Talk()
    talk.read(credit=10_000)

    first = payload(talk.settle())
    talk.ack(len(first), 10_000)
    second = payload(talk.settle())

    assert (len(first), len(second)) == (2 * ROOM, 2 * ROOM)


def test_a_credit_below_one_frame_still_moves() -> None:
    """A host that grants little gets little, but never nothing."""
    talk = Talk(data=DATA[:300])
    talk.read(credit=100)
    got = b""
    while len(got) < 300:
        frames = talk.settle()
        assert len(payload(frames)) <= 100
        got += payload(frames)
        talk.ack(len(got), 100)

    assert got == DATA[:300]


def test_an_ack_of_an_older_state_takes_nothing_back() -> None:
    """Acks are cumulative: one that was overtaken changes nothing."""
    talk = Talk()
    talk.read(credit=2 * ROOM)
    talk.settle()
    talk.ack(2 * ROOM, 2 * ROOM)
    talk.settle()

    talk.ack(ROOM, ROOM)

    assert talk.settle() == []


@pytest.mark.parametrize(("next_offset", "xfer"), [(4 * ROOM, 1), (ROOM, 2), (0xFFFFFFFF, 1)])
def test_an_ack_of_what_was_never_sent_is_ignored(next_offset: int, xfer: int) -> None:
    """Bytes not sent yet, or another transfer."""
    talk = Talk()
    talk.read(credit=2 * ROOM)
    talk.settle()

    talk.ack(next_offset, 1 << 20, xfer)

    assert talk.settle() == []


def test_the_end_is_repeated_when_the_host_still_waits() -> None:
    """END was lost: an ack after it brings it again."""
    talk = Talk()
    talk.read()
    end = talk.settle()[-1]

    talk.ack(len(DATA), 4096)

    assert talk.settle() == [end]


def test_a_link_that_takes_nothing_is_offered_the_same_frame_again() -> None:
    """Nothing is lost, nothing is built anew."""
    talk = Talk()
    talk.read()
    talk.out.takes = False
    for _ in range(5):
        assert talk.server.poll(talk.out)
    talk.out.takes = True

    assert payload(talk.settle()) == DATA


def test_a_new_read_ends_the_one_before() -> None:
    """The host saw a gap: it reads anew from there, under a new transfer number."""
    talk = Talk()
    talk.read()
    for _ in range(3):
        talk.server.poll(talk.out)

    talk.read(ROOM, prefix_crc32=zlib.crc32(DATA[:ROOM]))
    frames = talk.settle()

    assert struct.unpack(layout.READ_REPLY.format, frames[0][2]) == (2, len(DATA) - ROOM)
    assert payload(frames) == DATA[ROOM:]


def test_a_request_during_a_transfer_is_answered_between_two_frames() -> None:
    """STATUS does not wait for the end, and the stream goes on."""
    talk = Talk()
    talk.read()
    for _ in range(3):
        talk.server.poll(talk.out)
    talk.say(layout.MSG_STATUS)

    frames = talk.settle()

    assert frames[0][0] == layout.MSG_STATUS | layout.REPLY
    assert payload(talk.out.frames) == DATA


def test_an_abort_stops_the_stream() -> None:
    """And is answered."""
    talk = Talk()
    talk.read()
    for _ in range(3):
        talk.server.poll(talk.out)

    assert talk.ask(layout.MSG_ABORT)[0] == layout.MSG_ABORT | layout.REPLY


# --- resume --------------------------------------------------------------------------------------
def test_a_resumed_read_sends_only_the_rest() -> None:
    """With the CRC of the held prefix."""
    talk = Talk()

    talk.read(5000, prefix_crc32=zlib.crc32(DATA[:5000]))

    assert payload(talk.settle()) == DATA[5000:]


def test_a_prefix_that_is_not_the_files_is_refused() -> None:
    """The host holds other bytes: changed, not one byte is sent."""
    talk = Talk()

    answer = talk.ask(layout.MSG_READ, read_body(5000, 100, prefix_crc32=1))

    assert error_of(answer) == layout.ERROR_CHANGED


def test_the_prefix_is_checked_in_slices() -> None:
    """No poll reads more than one frame body, however long the prefix."""
    talk = Talk()
    reads: list[tuple[int, int]] = []
    opened = talk.store.open

    def watched(run: int, file: int, etag: int) -> object:
        reader = opened(run, file, etag)
        reader.reads = reads
        return reader

    talk.store.open = watched  # type: ignore[method-assign]
    talk.read(len(DATA), prefix_crc32=zlib.crc32(DATA))
    steps: list[int] = []
    while talk.server.poll(talk.out):
        steps.append(len(reads))

    assert max(length for _, length in reads) <= layout.SERIAL_BODY_MAX_BYTES
    assert max(b - a for a, b in pairwise(steps)) == 1
    assert talk.out.frames[-1][0] == layout.MSG_END


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (read_body(0, 10, etag=1), layout.ERROR_CHANGED),
        (read_body(0, 10, file=9), layout.ERROR_NOT_FOUND),
        (read_body(len(DATA) + 1, 10), layout.ERROR_RANGE),
    ],
)
def test_a_read_of_what_is_not_there_is_refused(body: bytes, code: int) -> None:
    """Another version, another file, beyond the end."""
    assert error_of(Talk().ask(layout.MSG_READ, body)) == code


# --- a file that fails ---------------------------------------------------------------------------
def failing(how: Callable[[memoryview], int]) -> Talk:
    """Return a talk whose file fails at its third slice."""
    talk = Talk()
    opened = talk.store.open

    def open_failing(run: int, file: int, etag: int) -> object:
        reader = opened(run, file, etag)
        honest = reader.read_into

        def read_into(offset: int, view: memoryview) -> int:
            return how(view) if offset >= 2 * ROOM else honest(offset, view)

        reader.read_into = read_into  # type: ignore[method-assign]
        return reader

    talk.store.open = open_failing  # type: ignore[method-assign]
    return talk


def _changed(view: memoryview) -> int:
    raise ValueError("sealed meanwhile")


def _unreadable(view: memoryview) -> int:
    raise OSError(5, "EIO")


FAILURES = [
    (_changed, layout.ERROR_CHANGED),
    (_unreadable, layout.ERROR_BUSY),
    (lambda view: 3, layout.ERROR_CHANGED),
]


@pytest.mark.parametrize(("how", "status"), FAILURES)
def test_a_file_that_fails_under_a_read_ends_it_with_the_reason(
    how: Callable[[memoryview], int], status: int
) -> None:
    """END says how far it came and why it stopped."""
    talk = failing(how)

    talk.read()
    frames = talk.settle()

    assert payload(frames) == DATA[: 2 * ROOM]
    assert struct.unpack(layout.END.format, frames[-1][2])[1:3] == (status, 2 * ROOM)


@pytest.mark.parametrize(("how", "status"), FAILURES)
def test_a_file_that_fails_under_a_hash_is_an_error(
    how: Callable[[memoryview], int], status: int
) -> None:
    """The reply is an error; the server goes on."""
    talk = failing(how)

    assert error_of(talk.ask(layout.MSG_HASH, hash_body(0, len(DATA)))) == status
    assert talk.ask(layout.MSG_STATUS)[0] == layout.MSG_STATUS | layout.REPLY


# --- HASH ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("offset", "length"), [(0, len(DATA)), (100, 5000), (0, 0), (20480, 0)])
def test_a_hash_is_that_of_the_stored_bytes(offset: int, length: int) -> None:
    """Any range of the file."""
    kind, body = Talk().ask(layout.MSG_HASH, hash_body(offset, length))

    assert kind == layout.MSG_HASH | layout.REPLY
    assert body == sha256(DATA[offset : offset + length]).digest()


def test_a_hash_beyond_the_file_is_refused() -> None:
    """Rather than a hash of something shorter."""
    answer = Talk().ask(layout.MSG_HASH, hash_body(1, len(DATA)))

    assert error_of(answer) == layout.ERROR_RANGE


def test_a_lost_link_ends_everything() -> None:
    """After `drop` it is silent until HELLO."""
    talk = Talk()
    talk.read()
    talk.server.drop()

    talk.say(layout.MSG_STATUS)

    assert talk.settle() == []
    assert talk.server.ready


# --- handoff and radio ---------------------------------------------------------------------------
def test_a_handoff_is_answered_with_the_boards_proof() -> None:
    """Its place in the log, and the tag over all of it."""
    talk = Talk()
    body = events.handoff_body(1000, 1, 2, 3, bytes(32), ("Ann", "Bob", "Door 4"))

    kind, reply = talk.ask(layout.MSG_HANDOFF, body)

    secret = proof.derived_key(DEVICE_KEY, layout.KEY_RECEIPT)
    assert kind == layout.MSG_HANDOFF | layout.REPLY
    assert reply[14:] == proof.receipt_tag(secret, DEVICE_ID, LOG_ID, reply[:14], body)
    assert talk.device.handoffs == [body]


def test_a_handoff_sent_again_is_recorded_once() -> None:
    """The reply was lost: the same one comes again."""
    talk = Talk()
    body = events.handoff_body(1000, 1, 2, 3, bytes(32), ("Ann", "Bob", "Door 4"))
    first = talk.ask(layout.MSG_HANDOFF, body)

    talk.say(layout.MSG_HANDOFF, body, talk.seq)

    assert [(kind, reply) for kind, _, reply in talk.settle()] == [first]
    assert len(talk.device.handoffs) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (
            events.handoff_body(1, 0, 0, 3, b"x" * 32, ("A", "B", "C")),
            layout.ERROR_NOT_ALLOWED,
        ),
        (events.handoff_body(1, 0, 0, 3, bytes(32), ("A", "B", "C"))[:-1], layout.ERROR_MALFORMED),
        (b"", layout.ERROR_MALFORMED),
    ],
    ids=["another chain", "cut short", "empty"],
)
def test_a_handoff_of_another_log_or_none_is_refused(body: bytes, code: int) -> None:
    """Nothing is recorded."""
    talk = Talk()

    assert error_of(talk.ask(layout.MSG_HANDOFF, body)) == code
    assert talk.device.handoffs == []


def test_the_radio_is_switched_as_the_host_says() -> None:
    """State and minutes, with an empty answer."""
    talk = Talk()

    assert talk.ask(layout.MSG_RADIO, struct.pack(layout.RADIO.format, 0, 90)) == (
        layout.MSG_RADIO | layout.REPLY,
        b"",
    )
    assert talk.device.radio_told == (0, 90)


@pytest.mark.parametrize(
    ("body", "features", "code"),
    [
        (struct.pack(layout.RADIO.format, 2, 0), layout.FEATURE_RADIO, layout.ERROR_RANGE),
        (b"\0", layout.FEATURE_RADIO, layout.ERROR_MALFORMED),
        (struct.pack(layout.RADIO.format, 0, 0), 0, layout.ERROR_NOT_ALLOWED),
    ],
    ids=["a third state", "cut short", "no radio"],
)
def test_a_radio_request_that_makes_no_sense_is_refused(
    body: bytes, features: int, code: int
) -> None:
    """Nothing is switched."""
    talk = Talk()
    talk.device.features = features

    assert error_of(talk.ask(layout.MSG_RADIO, body)) == code
    assert talk.device.radio_told is None


# --- packets -------------------------------------------------------------------------------------
@dataclass
class Air(Out):
    """A link whose data goes out as packets."""

    packets: list[bytes] = field(default_factory=list[bytes])

    def send_packet(self, packet: memoryview) -> bool:
        """Take one packet, or not."""
        self.offered += 1
        if self.takes:
            self.packets.append(bytes(packet))
        return self.takes


class AirTalk(Talk):
    """A conversation over a link that carries `packet_max` bytes at once."""

    def __init__(self, packet_max: int, data: bytes = DATA) -> None:
        super().__init__(data, greet=False)
        self.server = Server(
            self.store,  # type: ignore[arg-type]
            self.device,  # type: ignore[arg-type]
            guard_of(self.device),
            bytes,
            layout.BLE_BODY_MAX_BYTES,
            packets=True,
        )
        self.out: Air = Air()
        self.packet_max = packet_max
        self.ask(layout.MSG_HELLO, hello(layout.BLE_BODY_MAX_BYTES))

    def say(self, kind: int, body: bytes = b"", seq: int | None = None) -> None:
        """Tell the server how much the link carries, as a link does, and hand over the request."""
        self.server.use_packets(self.out, self.packet_max)
        super().say(kind, body, seq)
        if kind == layout.MSG_READ:
            self.read_seq = self.seq

    def payload(self, offset: int = 0) -> bytes:
        """Return the bytes of the packets since the last call, which must follow one another."""
        joined = b""
        for packet in self.out.packets:
            at, data = parse_short_data(packet, self.read_seq, self.xfer, offset + len(joined))
            assert at == offset + len(joined)
            joined += data
        self.out.packets.clear()
        return joined

    def stream(self, offset: int = 0) -> list[tuple[int, int, bytes]]:
        """Take everything from `offset` on, acknowledging it; return the frames around it."""
        frames = self.settle(2000)
        while not frames or frames[-1][0] != layout.MSG_END:
            held = sum(len(packet) for packet in self.out.packets)
            held -= len(self.out.packets) * layout.DATA_SHORT_OVERHEAD_BYTES
            self.ack(offset + held, 1 << 20, self.xfer)
            frames += self.settle(2000)
        return frames

    xfer = 1
    read_seq = 0


@pytest.mark.parametrize("packet_max", [20, 62, 182, 244])
def test_packets_carry_the_file_at_every_size(packet_max: int) -> None:
    """Each is full but the last, and END is as on any link."""
    talk = AirTalk(packet_max)

    talk.read()
    frames = talk.stream()
    lengths = {len(packet) for packet in talk.out.packets[:-1]}

    assert talk.payload() == DATA
    assert lengths == {packet_max}
    assert struct.unpack(layout.END.format, frames[-1][2]) == (1, 0, len(DATA), zlib.crc32(DATA))


def test_offsets_beyond_64_kib_are_told_by_their_low_half() -> None:
    """The host knows the rest."""
    data = DATA * 5
    talk = AirTalk(244, data)

    talk.read(65000, prefix_crc32=zlib.crc32(data[:65000]))
    talk.stream(65000)

    assert talk.payload(65000) == data[65000:]


def test_a_packet_the_link_refuses_is_offered_again() -> None:
    """The same one, and none behind it."""
    talk = AirTalk(244)
    talk.read()
    talk.server.poll(talk.out)  # the reply
    talk.out.takes = False
    for _ in range(5):
        talk.server.poll(talk.out)
    talk.out.takes = True

    talk.stream()

    assert talk.payload() == DATA


def test_a_larger_mtu_counts_from_the_next_read_on() -> None:
    """One transfer has one packet size."""
    talk = AirTalk(20)
    talk.read(0, 100)
    talk.settle()
    talk.out.packets.clear()
    talk.packet_max = 244
    talk.xfer = 2

    talk.read(0)
    talk.stream()

    assert len(talk.out.packets[0]) == 244
    assert talk.payload() == DATA


def test_packets_stay_within_credit() -> None:
    """Bytes of the file count, whatever a packet is."""
    talk = AirTalk(244)

    talk.read(credit=4096)
    talk.settle()
    first = talk.payload()
    talk.ack(2048, 4096)
    talk.settle()

    assert 4096 - 239 < len(first) <= 4096
    assert len(talk.payload(len(first))) + len(first) <= 2048 + 4096


@pytest.mark.parametrize("packet_bytes", [20, 62, 182, 244])
def test_a_window_of_packets_bounds_what_is_on_its_way(packet_bytes: int) -> None:
    """Whatever the credit: each costs a stack's heap more than its bytes."""
    talk = AirTalk(packet_bytes)

    talk.read(credit=1 << 20)
    talk.settle()
    first = len(talk.out.packets)
    held = layout.BLE_ACK_PACKETS * (packet_bytes - 5)
    talk.ack(held, 1 << 20)
    talk.settle()

    assert first == layout.BLE_WINDOW_PACKETS
    assert len(talk.out.packets) == layout.BLE_WINDOW_PACKETS + layout.BLE_ACK_PACKETS


def test_a_hash_over_the_air_reads_more_than_a_packet_at_once() -> None:
    """A slice is 1 KiB, though a packet holds 15 bytes."""
    talk = AirTalk(20)
    talk.say(layout.MSG_HASH, hash_body(0, len(DATA)))
    polls = 1
    while talk.server.poll(talk.out):
        polls += 1

    assert talk.out.frames[-1][2] == sha256(DATA).digest()
    assert polls < len(DATA) // 1024 + 6
