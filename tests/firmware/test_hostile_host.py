"""Whatever a host says, the board answers or is silent, and goes on sampling.

The firmware's own servers, links, desk and log, on a bound of memory and of flash. What is tried,
and where it is held:

    oversized lengths in heads, reads, hashes     here, fuzzed; test_server for each by name
    endless credit, credits that wrap 32 bits     here: never a byte beyond the file, nor a window
    offsets beyond the end, acks of the future    here, and test_server
    wrong order, no HELLO, answers as requests    here, fuzzed; test_server
    replay: the same frame, minutes later, of     here: done once in its conversation; in another
      another conversation                          it is a new request, and bounded
    floods of HELLO                               here: nothing is written, nothing grows
    floods of SEAL, MARK, CONFIRM, HANDOFF        here: busy after 64, and two weeks' worth fits
    floods of TIME; times no clock holds          here, and test_desk
    guessing the key                              test_server (slow), and here in the fuzz
    LIST with odd values                          here: every value of both fields that matters
    READ of the journal while it is replaced      here: changed, or the bytes that stood there
    lines without an end, halves, 0x03 in lines,  here; test_link_usb, tests/protocol/test_frame
      base64 of another spelling
    pieces without an end, over the air           here; test_link_ble
    frames for a run that was closed              here
    parts of a profile that fit nothing, a        test_bench, fuzzed (`bench`); each cut of the
      profile that is none, erasing without end     power in tests/simboard/test_bench_cuts
    a flood while the flash is full               here
"""

from __future__ import annotations

import random
import struct
import tracemalloc
import zlib
from base64 import b64encode
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluetooth import BTSTACK, NIMBLE, Phone
from dewarlog_firmware.server import (
    KNOWN_WRITES_EVERY_MS,
    STRANGER_WRITES_EVERY_MS,
    WRITES_AT_ONCE,
)
from dewarlog_wire import PROTOCOL_VERSION, events, layout, proof
from dewarlog_wire.frame import (
    FrameReader,
    PieceReader,
    encode_frame,
    encode_serial_in,
    parse_serial_in,
)
from dewarlog_wire.session_keys import HOST, SessionKeys
from log_board import LogBoard
from memory_board import DEVICE_KEY
from shares import cases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dewarlog_wire.frame import Frame

HOUR_MS: Final = 3_600_000
HELLO: Final = struct.pack(layout.HELLO.format, PROTOCOL_VERSION, 0, 4096, bytes(8))
CUSTODY: Final = events.texts_body(layout.KIND_CUSTODY, (1, 2), ("Ann", "door B", "x" * 70))
U32: Final = (0, 1, 79, 4096, 65535, 65536, 1 << 30, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
# What a board's heap may hold more after a flood: the last reply's key, and no more than that.
HEAP_BYTES: Final = 16_384
BUSY: Final = bytes((layout.ERROR_BUSY,))


class Cable:
    """Whoever is at the other end of the USB cable. `patience` bounds each answer's polls."""

    def __init__(self, board: LogBoard) -> None:
        self.board = board
        self.seq = 0
        self._reader = FrameReader()

    def type(self, line: bytes) -> list[Frame]:
        """Type bytes at the console; return the frames that come until the board is at rest."""
        self.board.console.input.extend(line)
        found: list[Frame] = []
        idle = 0
        for _ in range(20_000):
            idle = 0 if self.board.usb.poll(self.board.usb_server) else idle + 1
            while self.board.console.output:
                found += self._reader.feed(self.board.console.output.pop(0))
            if idle > 1:
                return found
        raise AssertionError("the board never comes to rest")

    def say(self, kind: int, body: bytes = b"", seq: int | None = None) -> list[Frame]:
        """Say one sound frame."""
        self.seq = (self.seq + 1) % 256 if seq is None else seq
        return self.type(encode_serial_in(kind, self.seq, body))

    def hello(self) -> None:
        """Open a conversation."""
        ((kind, _, _),) = self.say(layout.MSG_HELLO, HELLO)
        assert kind == layout.MSG_HELLO | layout.REPLY


class Stranger(Cable):
    """Whoever is in reach of the radio."""

    def __init__(self, board: LogBoard, mtu: int = 247) -> None:
        super().__init__(board)
        self.phone = Phone(board.module.ble)
        self.phone.connect()
        self.phone.exchange_mtu(mtu)
        self._pieces = PieceReader()
        self._keys: SessionKeys | None = None
        self._counter = 0

    def write(self, piece: bytes) -> list[Frame]:
        """Write one piece; return the control frames that come until the board is at rest."""
        self.phone.write(layout.BLE_CONTROL_UUID, piece)
        found: list[Frame] = []
        control = self.phone.ble.handles[layout.BLE_CONTROL_UUID]
        idle = 0
        for _ in range(20_000):
            idle = 0 if self.board.air.poll(self.board.air_server) else idle + 1
            self.board.now_ms += 1  # a refusal of AUTH waits for its time
            self.phone.ble.carry()
            for handle, data in self.phone.heard:
                frame = self._pieces.feed(data, 0) if handle == control else None
                if frame is not None:
                    found.append(frame)
            self.phone.heard.clear()
            if idle > 1:
                return found
        raise AssertionError("the board never comes to rest")

    def say(self, kind: int, body: bytes = b"", seq: int | None = None) -> list[Frame]:
        """Write one sound frame."""
        self.seq = (self.seq + 1) % 256 if seq is None else seq
        if self._keys is not None:
            self._counter += 1
            body += self._keys.tag(HOST, self._counter, kind, self.seq, body)
        return self.write(bytes(encode_frame(kind, self.seq, body)))

    def prove(self) -> None:
        """Open a conversation and prove it by the courier key."""
        ((_, _, reply),) = self.say(layout.MSG_HELLO, HELLO)
        secret = proof.derived_key(DEVICE_KEY, layout.KEY_COURIER)
        said = proof.transcript(HELLO, reply, layout.KEY_COURIER, 0)
        body = bytes((layout.KEY_COURIER, 0)) + proof.host_proof(secret, said)
        ((kind, _, _),) = self.say(layout.MSG_AUTH, body)
        assert kind == layout.MSG_AUTH | layout.REPLY
        self._keys = SessionKeys(secret, said)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[LogBoard]:
    """Give a board that has recorded for ten minutes."""
    with closing(LogBoard(tmp_path)) as made:
        made.pass_time(600_000)
        yield made


def goes_on(board: LogBoard) -> None:
    """Assert that the next samples are taken and durable, and that the log is whole."""
    board.pass_time(0)  # what is due is taken
    before = board.logbook.recorder.next_sample
    board.pass_time(60_000)
    assert board.logbook.recorder.next_sample == before + 6
    board.boot()  # what is durable is what a power cut leaves
    assert board.logbook.recorder.next_sample == before + 6


def stored_bytes(board: LogBoard) -> int:
    """Return what all files of the log have."""
    return sum(path.stat().st_size for path in board.root.rglob("*") if path.is_file())


# --- anything at all -----------------------------------------------------------------------------
SIZES: Final = {
    layout.MSG_HELLO: layout.HELLO.size,
    layout.MSG_STATUS: 0,
    layout.MSG_TIME: layout.TIME.size,
    layout.MSG_LIST: layout.LIST.size,
    layout.MSG_READ: layout.READ.size,
    layout.MSG_ACK: layout.ACK.size,
    layout.MSG_ABORT: 0,
    layout.MSG_HASH: layout.HASH.size,
    layout.MSG_SEAL: 0,
    layout.MSG_MARK: len(CUSTODY),
    layout.MSG_CONFIRM: layout.CONFIRM.size,
    layout.MSG_AUTH: layout.AUTH.size,
    layout.MSG_HANDOFF: layout.EVENT_HANDOFF.size + 3,
    layout.MSG_RADIO: layout.RADIO.size,
    layout.MSG_KEY: 1,
    layout.MSG_STOP: 0,
}


@st.composite
def requests(draw: st.DrawFn) -> tuple[int, int, bytes]:
    """Draw (kind, seq, body): a known kind, a body of its size, odd numbers in it."""
    kind = draw(st.sampled_from(tuple(SIZES)))
    body = draw(st.one_of(st.binary(min_size=SIZES[kind], max_size=SIZES[kind]), ODD))[
        : SIZES[kind]
    ]
    if kind in (layout.MSG_READ, layout.MSG_HASH, layout.MSG_CONFIRM) and draw(st.booleans()):
        body = struct.pack("<I", 1) + body[4:]  # a run that is there
    if kind == layout.MSG_MARK and draw(st.booleans()):
        body = CUSTODY
    return kind, draw(st.integers(0, 3)), body


ODD: Final = st.lists(
    st.sampled_from([struct.pack("<I", value) for value in U32]), min_size=60, max_size=60
).map(b"".join)
ANYTHING: Final = st.tuples(
    st.integers(0, 255), st.integers(0, 3), st.binary(max_size=layout.REQUEST_BODY_MAX_BYTES)
)
SAYINGS: Final = st.lists(st.one_of(requests(), requests(), ANYTHING), min_size=1, max_size=25)


@given(sayings=SAYINGS, over_the_air=st.booleans())
@settings(max_examples=cases(80))
def test_no_request_ends_the_recording(
    tmp_path_factory: pytest.TempPathFactory,
    sayings: list[tuple[int, int, bytes]],
    over_the_air: bool,
) -> None:
    """Any kinds, numbers and bodies, in any order: answered in their turn, or ignored."""
    with closing(LogBoard(tmp_path_factory.mktemp("board"))) as board:
        board.pass_time(60_000)
        host = Stranger(board) if over_the_air else Cable(board)
        host.hello()

        for kind, seq, body in sayings:
            host.say(kind, body, seq)

        goes_on(board)


@given(wire=st.lists(st.binary(max_size=400), max_size=12))
@settings(max_examples=cases(60))
def test_no_bytes_on_the_wires_end_the_recording(
    tmp_path_factory: pytest.TempPathFactory, wire: list[bytes]
) -> None:
    """On the console and as writes to the control characteristic, sound frames among them."""
    with closing(LogBoard(tmp_path_factory.mktemp("board"))) as board:
        cable, stranger = Cable(board), Stranger(board)

        for number, data in enumerate(wire):
            cable.type(data)
            stranger.write(data or b"\0")
            if number % 3 == 0:
                cable.say(layout.MSG_STATUS, seq=number)
        cable.type(b"\n")
        cable.hello()

        goes_on(board)


# --- numbers -------------------------------------------------------------------------------------
@pytest.mark.parametrize("over_the_air", [False, True])
def test_no_credit_brings_a_byte_beyond_the_file_or_the_window(
    board: LogBoard, over_the_air: bool
) -> None:
    """Offsets, lengths and credits whose sums pass 32 bits: refused, or cut to what there is."""
    board.logbook.seal()
    size = len(next(iter(board.logs().values())))
    etag = board.logbook.list_entry(0)[3]
    host = Stranger(board) if over_the_air else Cable(board)
    host.hello()
    for offset in (*U32, size - 1, size, size + 1):
        for length in (0, size, U32[-1]):
            for credit in U32:
                fields = (1, 0, etag, offset, length, 0, credit)
                frames = host.say(layout.MSG_READ, struct.pack(layout.READ.format, *fields))
                sent = sum(
                    len(body) - layout.DATA_HEAD.size
                    for kind, _, body in frames
                    if kind == layout.MSG_DATA
                )
                assert sent <= max(0, min(size - offset, length, credit))
                for next_offset in (offset + 1, U32[-1]):
                    ack = struct.pack(layout.ACK.format, 1, next_offset & 0xFFFFFFFF, U32[-1])
                    host.say(layout.MSG_ACK, ack)

    goes_on(board)


def test_a_list_of_any_numbers_has_as_many_entries_as_there_are(board: LogBoard) -> None:
    """From behind the end, none; more than fit, those that fit."""
    cable = Cable(board)
    cable.hello()
    there_are = board.logbook.list_count()

    for first in (0, 1, there_are - 1, there_are, there_are + 1, 32768, 65535):
        for most in (0, 1, 22, 23, 127, 128, 255):
            body = struct.pack(layout.LIST.format, first, most)
            ((kind, _, reply),) = cable.say(layout.MSG_LIST, body)
            total, begins, count = struct.unpack_from(layout.LIST_REPLY.format, reply)
            assert kind == layout.MSG_LIST | layout.REPLY
            assert (total, begins) == (there_are, first)
            assert count == max(0, min(most, there_are - first))


# --- order and repeats ---------------------------------------------------------------------------
def test_a_frame_replayed_in_its_conversation_is_done_once(board: LogBoard) -> None:
    """Minutes later, and as often as one likes, while nothing else was asked."""
    cable = Cable(board)
    cable.hello()
    first = cable.say(layout.MSG_MARK, CUSTODY, seq=9)
    after = board.logbook.recorder.next_event

    for _ in range(50):
        board.now_ms += 1  # no sample: those make events too
        assert cable.say(layout.MSG_MARK, CUSTODY, seq=9) == first

    assert board.logbook.recorder.next_event == after


def test_frames_of_another_conversation_are_bounded_like_new_ones(board: LogBoard) -> None:
    """A stranger who recorded a courier's MARK plays it again and again."""
    stranger = Stranger(board)
    recorded = bytes(encode_frame(layout.MSG_MARK, 9, CUSTODY))
    before = board.logbook.recorder.next_event

    for _ in range(300):
        stranger.hello()
        stranger.write(recorded)

    # Each is three events: who speaks, for every conversation has its own, the mark and its pin.
    assert board.logbook.recorder.next_event - before == 3 * WRITES_AT_ONCE


# --- floods --------------------------------------------------------------------------------------
def test_a_flood_of_hello_writes_nothing_and_grows_nothing(board: LogBoard) -> None:
    """A thousand conversations, each new."""
    cable = Cable(board)
    cable.hello()
    before = stored_bytes(board)
    tracemalloc.start()
    begun = tracemalloc.get_traced_memory()[0]

    for _ in range(1000):
        cable.hello()

    grown = tracemalloc.get_traced_memory()[0] - begun
    tracemalloc.stop()
    assert stored_bytes(board) == before
    assert grown < HEAP_BYTES
    goes_on(board)


def floods(board: LogBoard) -> dict[int, Callable[[], bytes]]:
    """Return the requests that write, with a body that is carried out."""
    chain = board.logbook.seal

    def handoff() -> bytes:
        blocks, head = board.logbook.head()
        return events.handoff_body(1000, 0, 2, blocks, head, ("Ann", "Bo", "B"))

    return {
        layout.MSG_SEAL: lambda: b"",
        layout.MSG_MARK: lambda: CUSTODY,
        layout.MSG_CONFIRM: lambda: struct.pack(layout.CONFIRM.format, 1, *chain(), 7),
        layout.MSG_HANDOFF: handoff,
        layout.MSG_TIME: lambda: struct.pack(layout.TIME.format, 200_000_000, 0, 50),
    }


@pytest.mark.parametrize(
    "kind",
    [
        layout.MSG_SEAL,
        layout.MSG_MARK,
        layout.MSG_CONFIRM,
        layout.MSG_HANDOFF,
        layout.MSG_TIME,
    ],
)
def test_a_flood_over_the_cable_is_busy_after_so_many(board: LogBoard, kind: int) -> None:
    """Then as many as samples: a person at a bench never meets it, a program in a loop does."""
    board.logbook.seal()
    cable = Cable(board)
    body = floods(board)[kind]
    answers: list[int] = []

    for _ in range(WRITES_AT_ONCE + 20):
        cable.hello()  # a new conversation is no way round it
        ((answer, _, reply),) = cable.say(kind, body())
        answers.append(answer)
        assert answer == kind | layout.REPLY or reply[:1] == BUSY

    assert answers == [kind | layout.REPLY] * WRITES_AT_ONCE + [layout.MSG_ERROR] * 20
    board.pass_time(KNOWN_WRITES_EVERY_MS)
    assert cable.say(kind, body())[0][0] == kind | layout.REPLY
    assert cable.say(kind, body())[0][0] == layout.MSG_ERROR
    goes_on(board)


def test_an_hour_of_floods_from_strangers_costs_little(board: LogBoard) -> None:
    """Each of many connections asks for all there is; 68 requests are carried out in the hour."""
    before = stored_bytes(board)
    events_before = board.logbook.recorder.next_event
    stranger = Stranger(board)
    begun_ms = board.now_ms

    while board.now_ms - begun_ms < HOUR_MS:
        stranger.phone.disconnect()
        board.air.poll(board.air_server)
        stranger = Stranger(board)
        stranger.hello()
        for kind in (layout.MSG_MARK, layout.MSG_SEAL):
            stranger.say(kind, CUSTODY if kind == layout.MSG_MARK else b"")
        board.pass_time(20_000)

    carried_out = WRITES_AT_ONCE + HOUR_MS // STRANGER_WRITES_EVERY_MS
    # A mark is three events at most (above).
    assert board.logbook.recorder.next_event - events_before <= 3 * carried_out
    assert stored_bytes(board) - before < carried_out * 250 + 3000
    goes_on(board)


def test_a_courier_with_the_key_is_not_kept_out_by_a_strangers_flood(board: LogBoard) -> None:
    """Who proved the key, or holds the board, is counted apart."""
    stranger = Stranger(board)
    stranger.hello()
    while stranger.say(layout.MSG_MARK, CUSTODY)[0][0] != layout.MSG_ERROR:
        pass

    courier = stranger
    courier.prove()

    assert courier.say(layout.MSG_SEAL)[0][0] == layout.MSG_SEAL | layout.REPLY
    cable = Cable(board)
    cable.hello()
    assert cable.say(layout.MSG_MARK, CUSTODY)[0][0] == layout.MSG_MARK | layout.REPLY


def test_two_weeks_of_a_strangers_worst_fit_beside_a_trip() -> None:
    """Longest MARK each time; 14 days leave 568 KiB of a Pico W, 112 KiB are kept free."""
    fortnight_ms = 14 * 24 * HOUR_MS
    requests = WRITES_AT_ONCE + fortnight_ms // STRANGER_WRITES_EVERY_MS
    # The mark itself, its pin, and who speaks: each with the head of an event.
    spoken = layout.EVENT_ACCESS.size + 1
    longest = layout.REQUEST_BODY_MAX_BYTES + layout.EVENT_PIN.size + spoken
    longest += 3 * layout.EVENT_HEAD.size

    assert requests * longest < (568 - 112) * 1024


def test_a_flood_on_a_full_flash_is_refused_and_nothing_is_lost(
    board: LogBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request says memory full; what was durable stays."""
    monkeypatch.setattr(
        board.flash, "append_journal", lambda view: (_ for _ in ()).throw(OSError(28, "full"))
    )
    monkeypatch.setattr(
        board.flash, "append_block", lambda view: (_ for _ in ()).throw(OSError(28, "full"))
    )
    cable = Cable(board)
    cable.hello()
    before = board.logbook.recorder.next_sample

    for _ in range(20):
        for kind, body in ((layout.MSG_MARK, CUSTODY), (layout.MSG_SEAL, b"")):
            ((answer, _, reply),) = cable.say(kind, body)
            assert (answer, reply[0]) == (layout.MSG_ERROR, layout.ERROR_MEMORY_FULL)

    board.boot()
    assert board.logbook.recorder.next_sample == before


# --- files that change under a reader ------------------------------------------------------------
def test_a_journal_replaced_while_it_is_read_ends_as_changed(board: LogBoard) -> None:
    """Never a byte of the new one as if it were of the old."""
    cable = Cable(board)
    cable.hello()
    index = board.logbook.list_count() - 1
    run, file, _, etag, size, _ = board.logbook.list_entry(index)
    stood = bytes(board.journals[-1])
    assert (file, size) == (layout.FILE_JOURNAL, len(stood))
    fields = (run, file, etag, 0, size, 0, 100)
    frames = cable.say(layout.MSG_READ, struct.pack(layout.READ.format, *fields))
    xfer = frames[0][2][0]

    board.logbook.seal()
    ack = struct.pack(layout.ACK.format, xfer, 100, size)
    frames += cable.say(layout.MSG_ACK, ack)

    got = b"".join(body[layout.DATA_HEAD.size :] for kind, _, body in frames if kind == 0x40)
    assert frames[-1][0] == layout.MSG_END
    status, crc = struct.unpack(layout.END.format, frames[-1][2])[1::2]
    assert crc == zlib.crc32(got)
    assert status == layout.ERROR_CHANGED
    assert got == stood[: len(got)]
    again = cable.say(layout.MSG_READ, struct.pack(layout.READ.format, *fields))
    assert again[0][2][0] == layout.ERROR_CHANGED


def test_a_closed_run_takes_nothing_and_stays_readable(board: LogBoard) -> None:
    """MARK and HANDOFF are refused, SEAL and TIME change no byte of it, READ gives it whole."""
    chain = board.logbook.seal()
    board.logbook.end()
    before = board.logs()
    cable = Cable(board)
    cable.hello()

    refused = [cable.say(layout.MSG_MARK, CUSTODY), cable.say(layout.MSG_HANDOFF, bytes(60))]
    for kind in (layout.MSG_SEAL, layout.MSG_TIME, layout.MSG_CONFIRM):
        body = floods(board)[kind]() if kind != layout.MSG_CONFIRM else b""
        cable.say(kind, body)
    confirm = struct.pack(layout.CONFIRM.format, 1, *chain, 7)

    assert [frames[0][0] for frames in refused] == [layout.MSG_ERROR] * 2
    assert cable.say(layout.MSG_CONFIRM, confirm)[0][0] in (
        layout.MSG_CONFIRM | layout.REPLY,
        layout.MSG_ERROR,
    )
    assert board.logs() == before


# --- lines and pieces ----------------------------------------------------------------------------
def test_a_line_without_end_costs_nothing_and_the_next_one_is_heard(board: LogBoard) -> None:
    """A mark, a mebibyte of base64, then a sound line; halves of lines the same."""
    cable = Cable(board)
    cable.hello()
    tracemalloc.start()
    begun = tracemalloc.get_traced_memory()[0]

    for _ in range(256):
        assert cable.type(layout.SERIAL_IN_MARK + b"A" * 4094) == []
    grown = tracemalloc.get_traced_memory()[0] - begun
    tracemalloc.stop()
    half = encode_serial_in(layout.MSG_MARK, 77, CUSTODY)
    cable.type(half[: len(half) // 2])

    assert grown < HEAP_BYTES
    ((kind, _, _),) = cable.say(layout.MSG_STATUS)
    assert kind == layout.MSG_STATUS | layout.REPLY
    goes_on(board)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda line: line[:20] + b"\x03" + line[20:],
        lambda line: line[:20] + b"\n" + line[20:],
        lambda line: line[:20] + b" " + line[20:],
        lambda line: line.replace(b"=", b""),
        lambda line: line[:-1] + b"=\n",
        lambda line: line[:2] + b64encode(line) + b"\n",
        lambda line: line[1:],
        lambda line: line[:-1] + b"\r\n",
        lambda line: line[:2] + bytes(200) + b"\n",
    ],
)
def test_a_line_that_is_not_the_one_spelling_is_ignored(
    board: LogBoard, spoil: Callable[[bytes], bytes]
) -> None:
    """Ctrl-C in it, other base64, blanks: silence, and the next line is heard."""
    cable = Cable(board)
    cable.hello()
    before = board.logbook.recorder.next_event
    line = encode_serial_in(layout.MSG_MARK, 78, CUSTODY[:-3] + b"yyy")
    assert parse_serial_in(line)[0] == layout.MSG_MARK

    assert cable.type(spoil(line)) == []

    assert board.logbook.recorder.next_event == before
    assert cable.say(layout.MSG_STATUS)[0][0] == layout.MSG_STATUS | layout.REPLY


@pytest.mark.parametrize("stack", [BTSTACK, NIMBLE])
def test_pieces_without_end_cost_nothing_and_the_next_frame_is_heard(
    tmp_path: Path, stack: str
) -> None:
    """Heads that announce 65535 bytes, pieces of nothing, of too much, thousands of them."""
    with closing(LogBoard(tmp_path, stack)) as board:
        board.pass_time(60_000)
        stranger = Stranger(board)
        stranger.hello()
        noise = random.Random(4)
        tracemalloc.start()
        begun = tracemalloc.get_traced_memory()[0]

        for number in range(2_000):
            head = (noise.randrange(256), 0, number * 33 % 65536)
            packed = struct.pack(layout.FRAME_HEAD.format, *head)
            stranger.write(packed + noise.randbytes(noise.randrange(0, 236)))
            stranger.write(noise.randbytes(noise.randrange(1, 300)))
        grown = tracemalloc.get_traced_memory()[0] - begun
        tracemalloc.stop()
        board.now_ms += layout.BLE_PIECE_PAUSE_MS + 1

        assert grown < HEAP_BYTES
        assert stranger.say(layout.MSG_STATUS)[0][0] == layout.MSG_STATUS | layout.REPLY
        goes_on(board)
