"""Conversations of host and board, frame by frame, as the host sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dewarlog_wire import crc, frame, layout, session
from vectors.parts import DEVICE_ID, LOG_ID, RUN, scenario

if TYPE_CHECKING:
    from vectors.parts import Vector

    Said = tuple[str, int, int, tuple[object, ...]]


def talk(*said: Said) -> Vector:
    """Write a conversation: (">" or "<", kind, seq, values of the body)."""
    lines: list[str] = []
    for who, kind, seq, values in said:
        whole = frame.encode_frame(kind, seq, session.pack_body(kind, *values))
        lines.append(f"{who} {whole.hex()}\n")
    return {}, "".join(lines)


_REPLY: Final = layout.REPLY
_HELLO: Final[list[Said]] = [
    (">", layout.MSG_HELLO, 1, (1, 0, 4096, b"hostnonc")),
    ("<", layout.MSG_HELLO | _REPLY, 1, (1, 1, 4096, 0, DEVICE_ID, b"boardnon")),
]
_FILE: Final = bytes(range(1, 101))
_ETAG: Final = 0x01020304


def _read(seq: int, offset: int, length: int, credit: int) -> Said:
    prefix = crc.crc32(_FILE[:offset])
    return (">", layout.MSG_READ, seq, (RUN, 0, _ETAG, offset, length, prefix, credit))


def _begins(seq: int, xfer: int, length: int) -> Said:
    return ("<", layout.MSG_READ | _REPLY, seq, (xfer, length))


def _data(seq: int, xfer: int, start: int, end: int) -> Said:
    return ("<", layout.MSG_DATA, seq, (xfer, 0, start, _FILE[start:end]))


def _end(seq: int, xfer: int, start: int, end: int) -> Said:
    return ("<", layout.MSG_END, seq, (xfer, 0, end, crc.crc32(_FILE[start:end])))


def _ack(seq: int, xfer: int, next_offset: int, credit: int) -> Said:
    return (">", layout.MSG_ACK, seq, (xfer, next_offset, credit))


@scenario
def session_pull() -> Vector:
    """A file is listed, read within credit, hashed and confirmed."""
    entry = (RUN, 0, layout.ENTRY_SEALED, _ETAG, 100, LOG_ID)
    return talk(
        *_HELLO,
        (">", layout.MSG_LIST, 2, (0, 255)),
        ("<", layout.MSG_LIST | _REPLY, 2, (1, 0, entry)),
        _read(3, 0, 100, 60),
        _begins(3, 1, 100),
        _data(3, 1, 0, 30),
        _data(3, 1, 30, 60),
        _ack(4, 1, 60, 60),
        _data(3, 1, 60, 90),
        _data(3, 1, 90, 100),
        _end(3, 1, 0, 100),
        (">", layout.MSG_HASH, 5, (RUN, 0, _ETAG, 0, 100)),
        ("<", layout.MSG_HASH | _REPLY, 5, (bytes(range(32)),)),
        (">", layout.MSG_CONFIRM, 6, (RUN, 1, bytes(range(32)), 210_000_000)),
        ("<", layout.MSG_CONFIRM | _REPLY, 6, ()),
    )


@scenario
def session_resume() -> Vector:
    """A pull goes on where an earlier one was cut: no byte comes twice."""
    return talk(
        *_HELLO,
        _read(2, 70, 30, 4096),
        _begins(2, 1, 30),
        _data(2, 1, 70, 100),
        _end(2, 1, 70, 100),
    )


@scenario
def session_gap() -> Vector:
    """A DATA frame was lost: the host reads again from the missing byte."""
    return talk(
        *_HELLO,
        _read(2, 0, 100, 4096),
        _begins(2, 1, 100),
        _data(2, 1, 0, 40),
        _data(2, 1, 70, 100),
        _read(3, 40, 60, 4096),
        _end(2, 1, 0, 100),
        _begins(3, 2, 60),
        _data(3, 2, 40, 100),
        _end(3, 2, 40, 100),
    )


@scenario
def session_status_between_data() -> Vector:
    """Status is asked between DATA; a request is repeated and answered twice."""
    status = (1, RUN, 2, 250, 3600, 210_003_600, 0, 10000, 360, 9, 3, 900, 700_000, 4010)
    status += (-24320, -24310, -32760, -32760, 1281, 2, 0, 0, 5, 3, 9)
    return talk(
        *_HELLO,
        _read(2, 0, 100, 4096),
        _begins(2, 1, 100),
        _data(2, 1, 0, 50),
        (">", layout.MSG_STATUS, 3, ()),
        (">", layout.MSG_STATUS, 3, ()),
        _data(2, 1, 50, 100),
        ("<", layout.MSG_STATUS | _REPLY, 3, status),
        ("<", layout.MSG_STATUS | _REPLY, 3, status),
        _end(2, 1, 0, 100),
    )


@scenario
def session_end_again() -> Vector:
    """END was lost: an ACK makes the board say it again."""
    return talk(
        *_HELLO,
        _read(2, 0, 100, 4096),
        _begins(2, 1, 100),
        _data(2, 1, 0, 100),
        _ack(3, 1, 100, 4096),
        _end(2, 1, 0, 100),
        _end(2, 1, 0, 100),
    )


@scenario
def session_late_frames_before_hello() -> Vector:
    """Frames meant for a host that was here before HELLO are ignored."""
    return talk(_data(7, 3, 0, 50), _HELLO[0], _data(7, 3, 50, 100), _HELLO[1])


@scenario
def session_every_change() -> Vector:
    """Time, custody entry, seal, abort and stop, each with its reply."""
    return talk(
        *_HELLO,
        (">", layout.MSG_TIME, 2, (210_000_000, 125, 40)),
        ("<", layout.MSG_TIME | _REPLY, 2, (209_999_998, layout.CLOCK_OK)),
        (">", layout.MSG_MARK, 3, (2, 210_000_000, "courier 7", "gate 4", "")),
        ("<", layout.MSG_MARK | _REPLY, 3, ()),
        (">", layout.MSG_SEAL, 4, ()),
        ("<", layout.MSG_SEAL | _REPLY, 4, (12, bytes(range(32)))),
        (">", layout.MSG_ABORT, 5, ()),
        ("<", layout.MSG_ABORT | _REPLY, 5, ()),
        (">", layout.MSG_STOP, 6, ()),
        ("<", layout.MSG_STOP | _REPLY, 6, ()),
    )


@scenario
def session_refused() -> Vector:
    """The file changed since it was listed: an error with words for a person."""
    words = "the file is another since it was listed"
    return talk(
        *_HELLO, _read(2, 0, 100, 4096), ("<", layout.MSG_ERROR, 2, (layout.ERROR_CHANGED, words))
    )


@scenario
def session_credit_overrun() -> Vector:
    """The board sends a byte more than the host has granted."""
    return talk(*_HELLO, _read(2, 0, 100, 40), _begins(2, 1, 100), _data(2, 1, 0, 41))


@scenario
def session_offers_too_much() -> Vector:
    """The board offers more than was asked for."""
    return talk(*_HELLO, _read(2, 0, 50, 4096), _begins(2, 1, 51))


@scenario
def session_ack_too_far() -> Vector:
    """A host acknowledges a byte it was never sent."""
    return talk(
        *_HELLO, _read(2, 0, 100, 50), _begins(2, 1, 100), _data(2, 1, 0, 50), _ack(3, 1, 51, 50)
    )


@scenario
def session_request_before_hello() -> Vector:
    """A request before HELLO."""
    return talk((">", layout.MSG_STATUS, 1, ()))


@scenario
def session_data_after_end() -> Vector:
    """DATA behind END of the same transfer."""
    return talk(
        *_HELLO,
        _read(2, 0, 50, 4096),
        _begins(2, 1, 50),
        _data(2, 1, 0, 50),
        _end(2, 1, 0, 50),
        _data(2, 1, 0, 50),
    )


@scenario
def session_body_too_short() -> Vector:
    """A reply whose body is a byte short."""
    _, text = talk(*_HELLO)
    cut = frame.encode_frame(layout.MSG_TIME | _REPLY, 2, bytes(4))
    return {}, text + f"< {cut.hex()}\n"


@scenario
def session_kind_unknown() -> Vector:
    """A message of a kind this version does not know."""
    _, text = talk(*_HELLO)
    return {}, text + f"< {frame.encode_frame(0xEE, 2, b'').hex()}\n"


@scenario
def session_ack_of_an_older_transfer() -> Vector:
    """An ACK that was overtaken by a new READ grants nothing."""
    return talk(
        *_HELLO,
        _read(2, 0, 100, 40),
        _begins(2, 1, 100),
        _data(2, 1, 0, 40),
        _read(3, 40, 60, 20),
        _begins(3, 2, 60),
        _ack(4, 1, 40, 4096),
        _data(3, 2, 40, 61),
    )


@scenario
def session_mark_too_long() -> Vector:
    """A custody text one byte over the limit, as a request."""
    _, text = talk(*_HELLO)
    body = bytes((2,)) + bytes(4) + b"\x4d" + b"a" * 77 + b"\0\0"
    return {}, text + f"> {frame.encode_frame(layout.MSG_MARK, 2, body).hex()}\n"


def _refused_message(kind: int, body: bytes) -> Vector:
    _, text = talk(*_HELLO)
    side = "<" if kind & _REPLY else ">"
    return {}, text + f"{side} {frame.encode_frame(kind, 2, body).hex()}\n"


@scenario
def session_put_empty() -> Vector:
    """A part of a profile with no byte behind its head."""
    return _refused_message(layout.MSG_PUT, bytes(layout.PUT.size))


@scenario
def session_put_end_cut() -> Vector:
    """The end of a profile without the event that tells of it."""
    return _refused_message(layout.MSG_PUT_END, bytes(layout.PUT_END.size))


@scenario
def session_put_end_too_long() -> Vector:
    """A note one byte over the limit."""
    event = bytes(layout.PUT_END.size + layout.EVENT_PROFILE.size)
    return _refused_message(layout.MSG_PUT_END, event + b"\x01a\x4d" + b"a" * 77)


@scenario
def session_selftest_count_differs() -> Vector:
    """A page of test results that says two and holds one."""
    page = bytes((2, 0, 2)) + bytes(layout.EVENT_SELFTEST.size)
    return _refused_message(layout.MSG_SELFTEST | _REPLY, page)


@scenario
def session_live_too_short() -> Vector:
    """Figures a byte short."""
    return _refused_message(layout.MSG_LIVE | _REPLY, bytes(layout.LIVE_REPLY.size - 1))
