"""Frames, as they stand on serial and on BLE: whole, short, in COBS and in base64."""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import construct as c

from dewarlog.parse.from_table import many, only, run, struct_of
from dewarlog_wire import layout
from dewarlog_wire.errors import FrameError

if TYPE_CHECKING:
    from dewarlog.parse.from_table import Fields

_FRAME_HEAD: Final = struct_of(layout.FRAME_HEAD)


_FRAME: Final = only(
    c.Struct(
        "covered"
        / c.RawCopy(c.Struct("head" / _FRAME_HEAD, "body" / c.Bytes(c.this.head.length))),
        "crc32" / c.Checksum(c.Int32ul, zlib.crc32, c.this.covered.data),
    )
)


# A group: how far the next zero stands away, then what stands before it.
_COBS: Final = many(c.Struct("code" / c.Int8ul, "held" / c.Bytes(c.this.code - 1)))


_COBS_FULL: Final = 255  # no zero follows: the group is merely at its longest


@dataclass(frozen=True, slots=True)
class ParsedFrame:
    """One frame whose CRC was right."""

    kind: int
    seq: int
    body: bytes


def parse_frame(data: bytes) -> ParsedFrame:
    """Read one whole frame.

    Raises:
        FrameError: fault length or crc.
    """
    head = run(_FRAME_HEAD, data, FrameError, "length", "frame")
    if head["length"] != len(data) - layout.FRAME_OVERHEAD_BYTES:
        message = f"frame of {len(data)} bytes says {head['length']} bytes of body"
        raise FrameError("length", message)
    frame = run(_FRAME, data, FrameError, "length", "frame")
    whole = frame["covered"]["value"]
    return ParsedFrame(whole["head"]["kind"], whole["head"]["seq"], whole["body"])


_SHORT_DATA: Final = c.Struct("head" / struct_of(layout.DATA_SHORT_HEAD), "rest" / c.GreedyBytes)


def parse_short_data(data: bytes, seq: int, xfer: int, next_offset: int) -> tuple[int, bytes]:
    """Read a DATA_SHORT frame of the transfer (seq, xfer), whose next byte is `next_offset`.

    Raises:
        FrameError: fault length or crc.
    """
    frame = run(_SHORT_DATA, data, FrameError, "length", "short DATA")
    crc_bytes = layout.DATA_SHORT_CRC_BYTES
    held, check = frame["rest"][:-crc_bytes], frame["rest"][-crc_bytes:]
    if frame["head"]["kind"] != layout.MSG_DATA_SHORT or len(check) < crc_bytes:
        message = "no short DATA frame"
        raise FrameError("length", message)
    # Of all offsets with these low bits, the one nearest to the byte that is due.
    turns = (next_offset >> 16) - 1, next_offset >> 16, (next_offset >> 16) + 1
    offsets = [(turn << 16) | frame["head"]["offset_low"] for turn in turns]
    near = range(max(0, next_offset - 0x8000), next_offset + 0x8000)
    offset = next((one for one in offsets if one in near), 0)
    if offset + len(held) > 0xFFFFFFFF or layout.DATA_HEAD.size + len(held) > 0xFFFF:
        message = f"no DATA frame has {len(held)} bytes from byte {offset} on"
        raise FrameError("length", message)
    stands_for = _FRAME_HEAD.build(
        {"kind": layout.MSG_DATA, "seq": seq, "length": layout.DATA_HEAD.size + len(held)}
    ) + struct_of(layout.DATA_HEAD).build({"xfer": xfer, "flags": 0, "offset": offset})
    if zlib.crc32(stands_for + held).to_bytes(4, "little")[:crc_bytes] != check:
        message = "short DATA: the CRC does not match"
        raise FrameError("crc", message)
    return offset, held


def parse_serial_out(data: bytes) -> tuple[list[ParsedFrame], int]:
    """Find the frames in what a board's port said; return them and the count of other bytes."""
    frames: list[ParsedFrame] = []
    junk = 0
    pieces = data.split(b"\0")[:-1]  # no zero has ended the last one
    for piece in filter(None, pieces):
        try:
            frames.append(parse_frame(uncobs(piece)))
        except FrameError:
            junk += len(piece)
    return frames, junk


def uncobs(data: bytes) -> bytes:
    """Undo COBS: what stood between two zeros on the port.

    Raises:
        FrameError: fault cobs.
    """
    groups: list[Fields] = run(_COBS, data, FrameError, "cobs", "COBS")
    decoded = b""
    for group in groups:
        decoded += group["held"] + (b"" if group["code"] == _COBS_FULL else b"\0")
    ends_early = groups and groups[-1]["code"] != _COBS_FULL
    return decoded[:-1] if ends_early else decoded


def parse_serial_in(line: bytes) -> ParsedFrame:
    """Read one line that carries a request.

    Raises:
        FrameError: fault mark, base64, length or crc.
    """
    if len(line) < len(layout.SERIAL_IN_MARK) + 1 or not (
        line.startswith(layout.SERIAL_IN_MARK) and line.endswith(b"\n")
    ):
        message = "the line does not begin with 06 09 and end with LF"
        raise FrameError("mark", message)
    text = line[len(layout.SERIAL_IN_MARK) : -1]
    try:
        frame = base64.b64decode(text, validate=True)
    except binascii.Error as cause:
        message = "not base64"
        raise FrameError("base64", message) from cause
    if not frame or base64.b64encode(frame) != text:
        message = "not the one base64 spelling of these bytes"
        raise FrameError("base64", message)
    return parse_frame(frame)
