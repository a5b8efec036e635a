"""Frames: found however the bytes are split, whatever stands between them."""

from __future__ import annotations

import crcmod.predefined
import pytest
from cobs import cobs as judge
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dewarlog import parse
from dewarlog_wire import cobs, frame, layout
from dewarlog_wire.errors import FrameError

BODY = st.binary(max_size=300) | st.integers(0, 700).map(
    lambda n: bytes(range(1, 256)) * 3 + bytes(n)
)
FRAMES = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255), BODY), max_size=4)
# Text of a console: no zero byte, which only a frame may bring.
CONSOLE = st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=60)


def on_the_line(whole: bytes | bytearray) -> bytes:
    """Return a frame as the serial line carries it to the host."""
    target = bytearray(frame.serial_out_max_bytes(len(whole)))
    return bytes(target[: frame.encode_serial_out(whole, len(whole), target)])


@given(
    st.binary(max_size=1100)
    | st.integers(0, 1100).map(bytes)
    | st.integers(0, 1100).map(lambda n: b"\x07" * n)
)
def test_cobs_is_the_one_of_the_library(data: bytes) -> None:
    """Same bytes as PyPI's cobs, both ways, within the stated bound."""
    target = bytearray(cobs.encoded_max_bytes(len(data)))
    encoded = bytes(target[: cobs.encode_into(data, len(data), target, 0)])

    assert encoded == judge.encode(data)
    assert cobs.decode(encoded) == data


@given(st.binary(max_size=60))
@settings(max_examples=300)
def test_cobs_refuses_what_the_library_refuses(data: bytes) -> None:
    """Any bytes at all: the same decoding, or FrameError where the library has an error."""
    try:
        expected: bytes | None = judge.decode(data)
    except judge.DecodeError:
        expected = None
    try:
        decoded: bytes | None = cobs.decode(data)
    except FrameError:
        decoded = None

    assert decoded == expected


def test_cobs_names_the_place_of_a_zero_inside_a_frame() -> None:
    """A group may span it; it is refused all the same."""
    with pytest.raises(FrameError) as caught:
        cobs.decode(b"\x04a\0b")

    assert (caught.value.fault, caught.value.offset) == ("cobs", 2)


@given(st.integers(0, 255), st.integers(0, 255), BODY)
def test_a_frame_comes_back_and_its_crc_is_right(kind: int, seq: int, body: bytes) -> None:
    """Kind, seq and body; CRC-32 judged by crcmod."""
    whole = bytes(frame.encode_frame(kind, seq, body))
    crc = crcmod.predefined.mkPredefinedCrcFun("crc-32")

    assert frame.parse_frame(whole) == (kind, seq, body)
    assert int.from_bytes(whole[-4:], "little") == crc(whole[:-4])


@given(
    FRAMES, st.lists(CONSOLE, min_size=5, max_size=5), st.lists(st.integers(1, 80), max_size=60)
)
@settings(deadline=None)
def test_frames_are_found_in_any_split_among_console_text(
    frames: list[tuple[int, int, bytes]], texts: list[str], cuts: list[int]
) -> None:
    """Whole, byte by byte or in random pieces: the same frames, and all else counted as junk."""
    stream = texts[0].encode()
    for one, text in zip(frames, texts[1:], strict=False):
        stream += on_the_line(frame.encode_frame(*one)) + text.encode()
    stream += b"\0"
    junk = sum(len(text) for text in texts[: len(frames) + 1])
    found: list[list[tuple[int, int, bytes]]] = []
    counts: list[int] = []
    for sizes in ([len(stream)], [1] * len(stream), [*cuts, len(stream)]):
        reader = frame.FrameReader()
        got: list[tuple[int, int, bytes]] = []
        at = 0
        for size in sizes:
            got += reader.feed(stream[at : at + size])
            at += size
        found.append(got)
        counts.append(reader.junk_bytes)

    assert found == [frames] * 3
    assert counts == [junk] * 3


def test_a_frame_begun_inside_text_is_found_by_its_leading_zero() -> None:
    """A print cut short by a frame costs the print, not the frame."""
    reader = frame.FrameReader()
    got = reader.feed(
        b"Traceback (most rec" + on_the_line(frame.encode_frame(1, 2, b"x")) + b"ent"
    )

    assert got == [(1, 2, b"x")]
    assert reader.junk == b"Traceback (most rec"


def test_endless_text_without_a_zero_is_dropped_not_kept() -> None:
    """Memory is bounded by the longest frame, and the next frame is still found."""
    reader = frame.FrameReader(body_max=64)
    for _ in range(1000):
        assert reader.feed(b"x" * 50) == []
    held = reader._held  # noqa: SLF001 - what is bounded is private  # pyright: ignore[reportPrivateUsage]
    got = reader.feed(b"\0" + on_the_line(frame.encode_frame(1, 2, b"y")))

    assert held <= cobs.encoded_max_bytes(64 + layout.FRAME_OVERHEAD_BYTES)
    assert reader.junk_bytes == 50_000
    assert len(reader.junk) == 512
    assert got == [(1, 2, b"y")]


@given(st.binary(max_size=400))
@settings(max_examples=200)
def test_garbage_on_the_line_is_never_a_frame(data: bytes) -> None:
    """Both readers: junk, no frame, no other error."""
    reader = frame.FrameReader()

    assert reader.feed(data + b"\0") == []
    assert parse.parse_serial_out(data + b"\0")[0] == []


REQUEST = st.tuples(
    st.integers(0, 255), st.integers(0, 255), st.binary(max_size=layout.REQUEST_BODY_MAX_BYTES)
)


@given(st.lists(REQUEST, max_size=3), st.lists(st.binary(max_size=40), min_size=3, max_size=3))
def test_requests_are_found_among_what_a_person_types(
    requests: list[tuple[int, int, bytes]], typed: list[bytes]
) -> None:
    """The mark begins a line wherever it stands; all else is left alone."""
    reader = frame.LineReader()
    stream = b""
    for request, text in zip(requests, typed, strict=False):
        stream += text.replace(b"\x06", b"") + frame.encode_serial_in(*request)
    got = [one for one in map(reader.push, stream) if one is not None]

    assert got == requests


@given(REQUEST)
def test_a_request_line_never_holds_what_a_repl_acts_on(request: tuple[int, int, bytes]) -> None:
    """No Ctrl-A to Ctrl-E: 0x03 above all, which clears the board's input."""
    line = frame.encode_serial_in(*request)

    assert not set(line) & {1, 2, 3, 4, 5}
    assert line.count(b"\n") == 1


@given(st.binary(max_size=500))
@settings(max_examples=200)
def test_garbage_typed_at_a_board_is_ignored(data: bytes) -> None:
    """No byte sequence makes the board's reader fail, or take a request that was not sent."""
    reader = frame.LineReader()

    assert [one for one in map(reader.push, data + b"\n") if one is not None] == []


def test_a_line_over_the_limit_is_ignored_whole() -> None:
    """The buffer is never outgrown; the next request is read."""
    reader = frame.LineReader()
    stream = layout.SERIAL_IN_MARK + b"A" * 5000 + b"\n" + frame.encode_serial_in(2, 7, b"")
    got = [one for one in map(reader.push, stream) if one is not None]

    assert got == [(2, 7, b"")]
    assert reader.ignored == 2  # the line cut at its limit, and the rest of it


def test_a_request_over_the_limit_is_not_sent() -> None:
    """The host's own caller finds out at once."""
    with pytest.raises(FrameError) as caught:
        frame.encode_serial_in(layout.MSG_MARK, 1, bytes(layout.REQUEST_BODY_MAX_BYTES + 1))

    assert caught.value.fault == "length"


@given(
    st.integers(0, 255),
    st.integers(1, 255),
    st.integers(0, 200_000),
    st.binary(min_size=1, max_size=239),
    st.integers(-32767, 32768),
)
@example(0, 1, 40_000, b"a", -32767)
@example(0, 1, 40_000, b"a", 32768)
def test_short_data_comes_back_from_any_byte_that_is_near(
    seq: int, xfer: int, offset: int, data: bytes, ahead: int
) -> None:
    """The offset may lie from 32768 below the byte that is due to 32767 above it (SPEC.md 7.3)."""
    short = frame.encode_short_data(seq, xfer, offset, data)
    due = max(0, offset + ahead)

    assert frame.parse_short_data(short, seq, xfer, due) == (offset, data)
    assert parse.parse_short_data(short, seq, xfer, due) == (offset, data)
    assert len(short) == len(data) + layout.DATA_SHORT_OVERHEAD_BYTES


# --- BLE ----------------------------------------------------------------------------------------
@given(st.binary(max_size=layout.BLE_BODY_MAX_BYTES), st.integers(20, 244))
def test_a_frame_comes_back_from_pieces_of_any_mtu(body: bytes, most: int) -> None:
    """Cut at each MTU from 23 to 247; the next frame begins anew."""
    whole = bytes(frame.encode_frame(layout.MSG_STATUS, 5, body))
    pieces = [whole[at : at + most] for at in range(0, len(whole), most)]
    reader = frame.PieceReader()
    read = [reader.feed(piece, 1000) for piece in pieces * 2]

    expected = [None] * (len(pieces) - 1) + [(layout.MSG_STATUS, 5, body)]
    assert read == expected * 2
    assert reader.dropped == 0


@given(st.lists(st.tuples(st.binary(max_size=244), st.integers(0, 3000)), max_size=20))
def test_garbage_in_pieces_is_dropped_and_never_kept(listed: list[tuple[bytes, int]]) -> None:
    """Any notifications at any time: after a pause a sound frame is read."""
    reader = frame.PieceReader()
    now_ms = 0
    for piece, wait_ms in listed:
        now_ms += wait_ms
        reader.feed(piece, now_ms)
    whole = frame.encode_frame(layout.MSG_ABORT, 9, b"")

    assert reader.feed(whole, now_ms + layout.BLE_PIECE_PAUSE_MS + 1) == (layout.MSG_ABORT, 9, b"")


def test_a_reset_forgets_the_frame_begun() -> None:
    """What a lost connection left does not spoil the next one's first frame."""
    whole = bytes(frame.encode_frame(layout.MSG_STATUS, 5, bytes(40)))
    reader = frame.PieceReader()
    reader.feed(whole[:20], 0)
    reader.reset()

    assert reader.feed(bytes(frame.encode_frame(layout.MSG_ABORT, 9, b"")), 1) is not None


def test_the_clock_of_a_board_may_wrap_between_pieces() -> None:
    """ticks_ms counts to 2**30 and begins again."""
    whole = bytes(frame.encode_frame(layout.MSG_STATUS, 5, bytes(30)))
    reader = frame.PieceReader()
    reader.feed(whole[:20], (1 << 30) - 5)

    assert reader.feed(whole[20:], 5) == (layout.MSG_STATUS, 5, bytes(30))
