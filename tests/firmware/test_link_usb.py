"""The board's USB link: never waits, bounded work a poll, frames and nothing but frames."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog_firmware import link_usb
from dewarlog_firmware.server import Server
from dewarlog_wire import PROTOCOL_VERSION, layout
from dewarlog_wire.frame import FrameReader, encode_serial_in
from guarded_board import guard_of
from memory_board import (
    Console,
    MemoryDevice,
    MemoryStore,
    StoredRun,
    usb_link_on,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

DATA = bytes(range(256)) * 64
HELLO = struct.pack(layout.HELLO.format, PROTOCOL_VERSION, 0, 4096, bytes(8))
READ = struct.pack(layout.READ.format, 1, 0, 1000, 0, len(DATA), 0, 1 << 20)
REPL_INPUT = b"\r\x03\r\x01import os\r\nprint(os.listdir())\r\n\x04"


class Board:
    """A server on a console in memory."""

    def __init__(self) -> None:
        self.console = Console()
        self.device = MemoryDevice()
        store = MemoryStore({1: StoredRun([DATA])})
        self.server = Server(
            store,  # type: ignore[arg-type]
            self.device,  # type: ignore[arg-type]
            guard_of(self.device),
            bytes,
            in_hand=True,
        )
        self.link = usb_link_on(self.console)
        self._reader = FrameReader()

    def type(self, data: bytes) -> None:
        """Let the host's bytes arrive."""
        self.console.input.extend(data)

    def run(self, polls: int = 2000) -> list[tuple[int, int, bytes]]:
        """Poll until it comes to rest; return the frames it sent."""
        while self.link.poll(self.server) and polls:
            polls -= 1
        frames = [frame for wire in self.console.output for frame in self._reader.feed(wire)]
        self.console.output.clear()
        return frames

    def greet(self) -> None:
        """Say HELLO and take the answer."""
        self.type(encode_serial_in(layout.MSG_HELLO, 1, HELLO))
        assert [frame[0] for frame in self.run()] == [layout.MSG_HELLO | layout.REPLY]


def kinds(frames: Sequence[tuple[int, int, bytes]]) -> list[int]:
    """Return the frames' kinds."""
    return [kind for kind, _, _ in frames]


def test_a_request_among_what_is_typed_at_a_repl_is_found() -> None:
    """mpremote, a person and a host share the line: only frames are ours."""
    board = Board()

    board.type(REPL_INPUT + encode_serial_in(layout.MSG_HELLO, 1, HELLO) + REPL_INPUT)

    assert kinds(board.run()) == [layout.MSG_HELLO | layout.REPLY]


@given(st.binary(max_size=400))
def test_whatever_is_typed_is_ignored_unless_it_is_a_frame(noise: bytes) -> None:
    """No byte sequence makes it answer or fail, and the next request is heard."""
    board = Board()

    board.type(noise)
    before = board.run()
    board.type(b"\n" + encode_serial_in(layout.MSG_HELLO, 1, HELLO))

    assert before == []
    assert kinds(board.run()) == [layout.MSG_HELLO | layout.REPLY]


def test_one_poll_reads_a_bounded_number_of_bytes() -> None:
    """A flood on the line does not keep the board from sampling."""
    board = Board()
    board.type(b"x" * 10_000)

    board.link.poll(board.server)

    assert len(board.console.input) == 10_000 - link_usb.INPUT_BYTES_A_POLL


def test_the_longest_request_of_a_transfer_is_read_in_one_poll() -> None:
    """An ack or a READ is never kept waiting behind a frame."""
    assert len(encode_serial_in(layout.MSG_READ, 1, READ)) <= link_usb.INPUT_BYTES_A_POLL


def test_two_requests_in_a_row_are_both_answered() -> None:
    """The second waits on the line until the first has its answer."""
    board = Board()
    board.greet()

    board.type(
        encode_serial_in(layout.MSG_STATUS, 2, b"") + encode_serial_in(layout.MSG_ABORT, 3, b"")
    )

    assert [frame[:2] for frame in board.run()] == [
        (layout.MSG_STATUS | layout.REPLY, 2),
        (layout.MSG_ABORT | layout.REPLY, 3),
    ]


def test_frames_on_the_line_begin_and_end_with_zero() -> None:
    """So that a reader finds them behind any text."""
    board = Board()
    board.type(encode_serial_in(layout.MSG_HELLO, 1, HELLO))
    while board.link.poll(board.server):
        pass

    assert [(wire[0], wire[-1], wire[1:-1].count(0)) for wire in board.console.output] == [
        (0, 0, 0)
    ]


def test_a_file_streams_through() -> None:
    """READ to END over the console."""
    board = Board()
    board.greet()

    board.type(encode_serial_in(layout.MSG_READ, 2, READ))
    frames = board.run()

    got = b"".join(frame[2][6:] for frame in frames if frame[0] == layout.MSG_DATA)
    assert (got, kinds(frames)[-1]) == (DATA, layout.MSG_END)


def test_nothing_is_written_while_the_host_takes_nothing() -> None:
    """The frame waits; when the host reads again, not a byte is missing."""
    board = Board()
    board.greet()
    board.type(encode_serial_in(layout.MSG_READ, 2, READ))
    board.console.takes_output = False
    for _ in range(20):
        board.link.poll(board.server)
    written = len(board.console.output)
    board.console.takes_output = True

    frames = board.run()

    got = b"".join(frame[2][6:] for frame in frames if frame[0] == layout.MSG_DATA)
    assert (written, got) == (0, DATA)


def test_a_frame_that_is_refused_does_not_keep_the_loop_busy() -> None:
    """A host that went in the middle of a transfer would else cost a battery."""
    board = Board()
    board.greet()
    board.type(encode_serial_in(layout.MSG_READ, 2, READ))
    board.console.takes_output = False
    busy = [board.link.poll(board.server) for _ in range(20)]

    assert busy[-1] is False
    assert board.link.is_refused is True
    board.console.takes_output = True
    assert board.link.poll(board.server) is True
    assert board.link.is_refused is False


def test_a_write_that_falls_short_ends_the_session() -> None:
    """The host stopped reading in the middle of a frame: silent until HELLO."""
    board = Board()
    board.greet()
    board.type(encode_serial_in(layout.MSG_READ, 2, READ))
    board.console.short_write = True
    board.run(5)
    board.console.short_write = False
    board.console.output.clear()

    board.type(encode_serial_in(layout.MSG_STATUS, 3, b""))
    after = board.run()
    board.type(b"\n" + encode_serial_in(layout.MSG_HELLO, 4, HELLO))

    assert after == []
    assert kinds(board.run())[-1] == layout.MSG_HELLO | layout.REPLY


def test_ctrl_c_passes_through() -> None:
    """KeyboardInterrupt in a read is the application's to catch."""
    board = Board()

    def interrupt(buffer: bytearray) -> int:
        raise KeyboardInterrupt

    board.console.readinto = interrupt  # type: ignore[method-assign]
    board.type(b"x")

    with pytest.raises(KeyboardInterrupt):
        board.link.poll(board.server)


@pytest.mark.parametrize("gone", [lambda buffer: 0, lambda buffer: None])
def test_a_console_that_gives_nothing_is_no_input(gone: object) -> None:
    """A port that closed says it is ready and has nothing."""
    board = Board()
    board.console.readinto = gone  # type: ignore[method-assign, assignment]
    board.type(b"x")

    assert board.link.poll(board.server) is False


def test_a_console_that_fails_is_no_input() -> None:
    """EIO while the port is away does not stop the logger."""
    board = Board()

    def fail(buffer: bytearray) -> int:
        raise OSError(5, "EIO")

    board.console.readinto = fail  # type: ignore[method-assign]
    board.type(b"x")

    assert board.link.poll(board.server) is False


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=236))
def test_no_request_line_holds_a_byte_a_repl_acts_on(kind: int, seq: int, body: bytes) -> None:
    """0x03 would interrupt the logger, 0x01, 0x02, 0x04 and 0x05 would change its REPL's mode."""
    line = encode_serial_in(kind, seq, body)

    assert not set(line) & {0x00, 0x01, 0x02, 0x03, 0x04, 0x05}
