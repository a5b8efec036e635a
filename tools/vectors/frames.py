"""Frames, alone and as the serial bindings carry them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from dewarlog_wire import frame, layout
from vectors.parts import hex_text, resealed, scenario

if TYPE_CHECKING:
    from vectors.parts import Vector


def _out(whole: bytes) -> bytes:
    buffer = bytearray(frame.serial_out_max_bytes(len(whole)))
    return bytes(buffer[: frame.encode_serial_out(whole, len(whole), buffer)])


def _raw(binding: str, data: bytes, **more: str) -> Vector:
    return {"binding": binding, **more}, hex_text(data)


_READ_REPLY: Final = bytes(
    frame.encode_frame(
        layout.MSG_READ | layout.REPLY, 9, struct.pack(layout.READ_REPLY.format, 4, 256)
    )
)


@scenario
def frame_read_reply() -> Vector:
    """A reply with a body."""
    return _raw("frame", _READ_REPLY)


@scenario
def frame_bit_flipped() -> Vector:
    """One bit of the body is flipped."""
    return _raw("frame", _READ_REPLY[:6] + bytes((_READ_REPLY[6] ^ 1,)) + _READ_REPLY[7:])


@scenario
def frame_length_wrong() -> Vector:
    """The length field says one byte more than came."""
    data = bytearray(_READ_REPLY)
    data[2] += 1
    return _raw("frame", resealed(bytes(data)))


@scenario
def frame_too_short() -> Vector:
    """Seven bytes: too few for any frame."""
    return _raw("frame", _READ_REPLY[:7])


@scenario
def frame_out_zeros() -> Vector:
    """COBS of a body full of zeros."""
    return _raw("serial out", _out(bytes(frame.encode_frame(layout.MSG_DATA, 0, bytes(12)))))


@scenario
def frame_out_full_group() -> Vector:
    """COBS of a body without zeros, longer than one group of 254."""
    body = bytes(1 + number % 255 for number in range(600))
    return _raw("serial out", _out(bytes(frame.encode_frame(layout.MSG_DATA, 1, body))))


@scenario
def frame_out_among_text() -> Vector:
    """Two frames among a boot message, a REPL prompt and a cut frame."""
    sound = _out(_READ_REPLY)
    data = b"MPY: soft reboot\r\n" + sound + b">>> " + sound[:6] + b"\0" + sound + b"\r\n>>> "
    return _raw("serial out", data)


@scenario
def frame_in_time() -> Vector:
    """A request as a line of base64."""
    body = struct.pack(layout.TIME.format, 210_000_000, 125, 40)
    return _raw("serial in", frame.encode_serial_in(layout.MSG_TIME, 3, body))


@scenario
def frame_in_typed_text() -> Vector:
    """What a person types at the REPL."""
    return _raw("serial in", b"help()\n")


@scenario
def frame_in_not_base64() -> Vector:
    """A character of the line is not base64."""
    line = frame.encode_serial_in(layout.MSG_STATUS, 3, b"")
    return _raw("serial in", line[:5] + b"*" + line[6:])


@scenario
def frame_in_second_spelling() -> Vector:
    """Unused bits of the last base64 character are not zero."""
    line = frame.encode_serial_in(layout.MSG_STATUS, 3, b"")  # 8 bytes: one `=`
    return _raw("serial in", line[:-3] + bytes((line[-3] + 1,)) + line[-2:])


@scenario
def frame_in_changed() -> Vector:
    """One character of the line was changed for another."""
    line = bytearray(frame.encode_serial_in(layout.MSG_STATUS, 3, b""))
    line[9] = ord("B") if line[9] != ord("B") else ord("C")
    return _raw("serial in", bytes(line))


@scenario
def frame_short_data() -> Vector:
    """Short DATA: its CRC is that of the DATA frame it stands for."""
    return _raw("short data", frame.encode_short_data(9, 4, 478, b"dewar"), transfer="9 4 239")


@scenario
def frame_short_data_turned() -> Vector:
    """Short DATA behind 64 KiB: the offset is the one nearest to the byte due."""
    return _raw("short data", frame.encode_short_data(9, 4, 65700, b"dewar"), transfer="9 4 65461")


@scenario
def frame_short_data_late() -> Vector:
    """Short DATA of a transfer that was replaced: its CRC does not match."""
    return _raw("short data", frame.encode_short_data(9, 4, 478, b"dewar"), transfer="10 5 478")


@scenario
def frame_pieces() -> Vector:
    """A reply of 32 bytes in two notifications of an MTU of 23, then one that fits."""
    hello = bytes(frame.encode_frame(layout.MSG_HELLO | layout.REPLY, 9, bytes(24)))
    data = hello + _READ_REPLY
    return _raw("ble control", data, pieces=f"20 {len(hello) - 20} {len(_READ_REPLY)}")


@scenario
def frame_pieces_lost() -> Vector:
    """The second of three notifications was lost; what is asked again comes whole."""
    hello = bytes(frame.encode_frame(layout.MSG_HELLO | layout.REPLY, 9, bytes(48)))
    pieces = (hello[:20], hello[40:], hello[:20], hello[20:40], hello[40:])
    lengths = [str(len(piece)) for piece in pieces]
    lengths.insert(2, "pause")
    return _raw("ble control", b"".join(pieces), pieces=" ".join(lengths))


@scenario
def frame_pieces_overrun() -> Vector:
    """A notification goes on beyond the frame's length: both are dropped."""
    hello = bytes(frame.encode_frame(layout.MSG_HELLO | layout.REPLY, 9, bytes(24)))
    return _raw("ble control", hello + b"!" + _READ_REPLY, pieces=f"20 {len(hello) - 19} 13")
