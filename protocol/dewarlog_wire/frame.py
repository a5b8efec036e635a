"""Frames: one message with its number, its length and its CRC, the same on every link.

Place in the line: layout, crc, cobs -> frame -> (link_usb | link). A frame is FRAME_HEAD, the body
and the CRC-32 of both. Only how it is set apart from other bytes differs by link:

    serial, board to host   00 COBS(frame) 00, between whatever else the console prints
    serial, host to board   06 09 base64(frame) LF: no byte a REPL acts on, so that Ctrl-C works
    BLE                     one frame, one notification or write; more where it does not fit

Format: protocol/SPEC.md section 7. Reasons: protocol/DESIGN.md "Wire".
"""

import struct
from binascii import a2b_base64, b2a_base64

from dewarlog_wire import cobs
from dewarlog_wire.crc import crc32
from dewarlog_wire.errors import FrameError
from dewarlog_wire.layout import (
    BLE_FRAME_MAX_BYTES,
    BLE_PIECE_PAUSE_MS,
    DATA_HEAD,
    DATA_SHORT_CRC_BYTES,
    DATA_SHORT_HEAD,
    DATA_SHORT_OVERHEAD_BYTES,
    FRAME_CRC_BYTES,
    FRAME_HEAD,
    FRAME_OVERHEAD_BYTES,
    MSG_DATA,
    MSG_DATA_SHORT,
    REQUEST_BODY_MAX_BYTES,
    SERIAL_BODY_MAX_BYTES,
    SERIAL_IN_MARK,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Readable = bytes | bytearray | memoryview
    Writable = bytearray | memoryview
    Frame = tuple[int, int, bytes]  # kind, seq, body

# The longest line of base64: a frame with the longest request in it.
LINE_MAX_BYTES = (REQUEST_BODY_MAX_BYTES + FRAME_OVERHEAD_BYTES + 2) // 3 * 4
_JUNK_KEPT_BYTES = 512
_MARK_FIRST = SERIAL_IN_MARK[0]
_MARK_SECOND = SERIAL_IN_MARK[1]
_LF = 10
# What the fields of the DATA frame that a short one stands for can say.
_OFFSET_MAX = 0xFFFFFFFF
_DATA_MAX_BYTES = 0xFFFF - DATA_HEAD.size


# --- one frame --------------------------------------------------------------------------------
def encode_frame_into(buffer: "Writable", kind: int, seq: int, body_length: int) -> int:
    """Close the frame whose body already stands at FRAME_HEAD.size; return the frame's length."""
    struct.pack_into(FRAME_HEAD.format, buffer, 0, kind, seq, body_length)
    end = FRAME_HEAD.size + body_length
    struct.pack_into("<I", buffer, end, crc32(memoryview(buffer)[:end]))
    return end + FRAME_CRC_BYTES


def encode_frame(kind: int, seq: int, body: "Readable") -> bytearray:
    """Return one whole frame."""
    frame = bytearray(len(body) + FRAME_OVERHEAD_BYTES)
    frame[FRAME_HEAD.size : FRAME_HEAD.size + len(body)] = body
    encode_frame_into(frame, kind, seq, len(body))
    return frame


def parse_frame(frame: "Readable") -> "Frame":
    """Return (kind, seq, body) of one whole frame, or raise FrameError: length or crc."""
    length = len(frame)
    if length < FRAME_OVERHEAD_BYTES:
        raise FrameError(
            "length", f"{length} bytes are no frame; the shortest has {FRAME_OVERHEAD_BYTES}"
        )
    kind, seq, body_length = struct.unpack_from(FRAME_HEAD.format, frame, 0)
    if body_length != length - FRAME_OVERHEAD_BYTES:
        raise FrameError(
            "length",
            f"frame says {body_length} bytes of body and holds {length - FRAME_OVERHEAD_BYTES}; "
            "bytes were lost on the link",
        )
    end = length - FRAME_CRC_BYTES
    found = crc32(memoryview(frame)[:end])
    stored = struct.unpack_from("<I", frame, end)[0]
    if found != stored:
        raise FrameError(
            "crc", f"frame CRC-32 is {found:08x}, the frame says {stored:08x}; ask again"
        )
    return kind, seq, bytes(frame[FRAME_HEAD.size : end])


# --- DATA where a frame is one packet of the link (BLE) -----------------------------------------
def _short_check(head: "Writable", seq: int, xfer: int, offset: int, data: "Readable") -> int:
    """Return the low 16 bits of the CRC-32 of the DATA frame that a short one stands for."""
    struct.pack_into(FRAME_HEAD.format, head, 0, MSG_DATA, seq, DATA_HEAD.size + len(data))
    struct.pack_into(DATA_HEAD.format, head, FRAME_HEAD.size, xfer, 0, offset)
    return crc32(data, crc32(head)) & 0xFFFF


def encode_short_data(seq: int, xfer: int, offset: int, data: "Readable") -> bytes:
    """Return the DATA_SHORT frame that stands for a DATA frame with flags 0."""
    check = _short_check(bytearray(FRAME_HEAD.size + DATA_HEAD.size), seq, xfer, offset, data)
    return (
        struct.pack(DATA_SHORT_HEAD.format, MSG_DATA_SHORT, offset & 0xFFFF)
        + bytes(data)
        + struct.pack("<H", check)
    )


def parse_short_data(
    frame: "Readable", seq: int, xfer: int, next_offset: int
) -> "tuple[int, bytes]":
    """Return (offset, bytes) of a DATA_SHORT frame of the transfer the receiver is in.

    `seq` and `xfer` are that transfer's, `next_offset` the byte it waits for: the frame's offset
    is the one nearest to it. A frame of another transfer fails the CRC.
    """
    length = len(frame)
    if length < DATA_SHORT_OVERHEAD_BYTES or frame[0] != MSG_DATA_SHORT:
        raise FrameError("length", f"{length} bytes are no short DATA frame")
    low = struct.unpack_from(DATA_SHORT_HEAD.format, frame, 0)[1]
    offset = max(0, next_offset + ((low - next_offset + 0x8000) & 0xFFFF) - 0x8000)
    end = length - DATA_SHORT_CRC_BYTES
    data = bytes(frame[DATA_SHORT_HEAD.size : end])
    if offset + len(data) > _OFFSET_MAX or len(data) > _DATA_MAX_BYTES:
        raise FrameError("length", f"no DATA frame has {len(data)} bytes from byte {offset} on")
    found = _short_check(bytearray(FRAME_HEAD.size + DATA_HEAD.size), seq, xfer, offset, data)
    stored = struct.unpack_from("<H", frame, end)[0]
    if found != stored:
        raise FrameError(
            "crc",
            f"short DATA frame near byte {offset} checks as {found:04x}, it says {stored:04x}; "
            "read again from the byte that is missing",
        )
    return offset, data


# --- BLE: frames that are longer than one notification or write ----------------------------------
_TICKS_MASK = 0x3FFFFFFF  # of ticks_ms on boards


class PieceReader:
    """Puts frames together from the notifications or writes of one characteristic.

    A frame begins with a piece of its own and goes on with the next ones until its length is
    reached. A piece that does not fit, or comes over BLE_PIECE_PAUSE_MS after the one before,
    costs the frame it belongs to: the host asks again. Memory is bounded by `frame_max`.
    """

    def __init__(self, frame_max: int = BLE_FRAME_MAX_BYTES) -> None:
        self._buffer = bytearray(frame_max)
        self._length = 0
        self._total = 0
        self._last_ms = 0
        self.dropped = 0

    def reset(self) -> None:
        """Forget the frame begun."""
        self._length = 0

    def feed(self, piece: "Readable", now_ms: int) -> "Frame | None":
        """Take one notification or write; return the frame it completes, if that is sound."""
        if self._length and (now_ms - self._last_ms) & _TICKS_MASK > BLE_PIECE_PAUSE_MS:
            self.dropped += 1
            self._length = 0
        self._last_ms = now_ms
        count = len(piece)
        if not self._length:
            if count < FRAME_HEAD.size:
                self.dropped += 1
                return None
            self._total = struct.unpack_from(FRAME_HEAD.format, piece, 0)[2] + FRAME_OVERHEAD_BYTES
        end = self._length + count
        if end > self._total or self._total > len(self._buffer):
            self.dropped += 1
            self._length = 0
            return None
        self._buffer[self._length : end] = piece
        self._length = end
        if end < self._total:
            return None
        self._length = 0
        try:
            return parse_frame(memoryview(self._buffer)[:end])
        except FrameError:
            self.dropped += 1
            return None


# --- serial, board to host ----------------------------------------------------------------------
def serial_out_max_bytes(frame_length: int) -> int:
    """Return how many bytes a frame can become on the serial line."""
    return cobs.encoded_max_bytes(frame_length) + 2


def encode_serial_out(
    frame: "Readable",
    length: int,
    target: "Writable",
    encode: "Callable[..., int]" = cobs.encode_into,
) -> int:
    """Write 00 COBS(frame) 00 at the start of `target`; return its length.

    `encode` is cobs.encode_into or a faster twin.
    """
    target[0] = 0
    end = encode(frame, length, target, 1)
    target[end] = 0
    return end + 1


class FrameReader:
    """Finds the frames in what a board's serial port says, however it is split.

    Everything between frames (boot text, a REPL, a traceback, a damaged frame) is junk: counted in
    `junk_bytes`, its last bytes kept in `junk` for a message. Memory is bounded by `body_max`.
    """

    def __init__(self, body_max: int = SERIAL_BODY_MAX_BYTES) -> None:
        self._max = cobs.encoded_max_bytes(body_max + FRAME_OVERHEAD_BYTES)
        self._parts: "list[bytes]" = []
        self._held = 0  # bytes in _parts
        self.junk_bytes = 0
        self.junk = b""

    def feed(self, data: bytes) -> "list[Frame]":
        """Take the next bytes from the port; return the sound frames they complete."""
        frames: "list[Frame]" = []
        pieces = data.split(b"\0")
        last = len(pieces) - 1
        for number, piece in enumerate(pieces):
            if piece:
                self._parts.append(piece)
                self._held += len(piece)
                if self._held > self._max:
                    self._drop()
            if number < last and self._held:
                frame = self._close()
                if frame is not None:
                    frames.append(frame)
        return frames

    def _close(self) -> "Frame | None":
        """Judge what stands between two zero bytes."""
        encoded = b"".join(self._parts)
        try:
            frame = parse_frame(cobs.decode(encoded))
        except FrameError:
            self._drop()
            return None
        self._parts = []
        self._held = 0
        return frame

    def _drop(self) -> None:
        self.junk_bytes += self._held
        self.junk = (self.junk + b"".join(self._parts))[-_JUNK_KEPT_BYTES:]
        self._parts = []
        self._held = 0


# --- serial, host to board ----------------------------------------------------------------------
def encode_serial_in(kind: int, seq: int, body: "Readable") -> bytes:
    """Return the line that carries one request to the board."""
    if len(body) > REQUEST_BODY_MAX_BYTES:
        raise FrameError(
            "length",
            f"request body of {len(body)} bytes; a board takes {REQUEST_BODY_MAX_BYTES}",
        )
    return SERIAL_IN_MARK + b2a_base64(encode_frame(kind, seq, body))


def parse_serial_in(line: "Readable") -> "Frame":
    """Return (kind, seq, body) of one whole line: mark, base64, LF."""
    if len(line) < 3 or line[0] != _MARK_FIRST or line[1] != _MARK_SECOND or line[-1] != _LF:
        raise FrameError("mark", "the line does not begin with 06 09 and end with LF")
    try:
        frame = a2b_base64(bytes(line[2:-1]))
    except ValueError:
        frame = b""
    # Decoders differ in what they forgive; the one spelling of these bytes is the only right one.
    if not frame or b2a_base64(frame) != bytes(line[2:]):
        raise FrameError("base64", f"{len(line) - 3} characters are not base64 of a frame")
    return parse_frame(frame)


class LineReader:
    """Finds the request lines in what a host types at the board, byte by byte.

    Keeps one line, in a buffer made once; pushing a byte that ends no line allocates nothing.
    Anything but a sound line is ignored and counted in `ignored`: it may have been meant for the
    REPL.
    """

    def __init__(self) -> None:
        self._line = bytearray(len(SERIAL_IN_MARK) + LINE_MAX_BYTES + 1)
        self._length = 0  # 0: waiting for a mark
        self.ignored = 0

    def push(self, byte: int) -> "Frame | None":
        """Take one byte; return the frame whose line it ends."""
        if byte == _MARK_FIRST:  # never part of base64: a new line begins, wherever it stands
            self._length = 0
        elif not self._length:
            self.ignored += byte == _LF
            return None
        if self._length == len(self._line):
            self._length = 0
            self.ignored += 1
            return None
        self._line[self._length] = byte
        self._length += 1
        if byte != _LF:
            return None
        length = self._length
        self._length = 0
        try:
            return parse_serial_in(memoryview(self._line)[:length])
        except FrameError:
            self.ignored += 1
            return None
