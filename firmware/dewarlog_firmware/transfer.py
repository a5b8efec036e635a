"""One stored file on its way to the host: prefix check, DATA frames within credit, END, hash.

Place in the line: the part of server that touches a file's bytes. No I/O of its own besides the
reader it is given. Every `step` does one slice of at most one frame body, so that sampling is
never kept waiting. Message bytes and rules: protocol/SPEC.md, frames and messages.

DATA goes out as frames, or, where a frame is one packet of the link (BLE), as short DATA:
`set_packet_max` says how long a packet may be. Both are built around the same bytes.

One pass of CRC-32 over the bytes of a full frame serves both the frame and END: CRC-32 is linear,
so what END needs follows from the frame's CRC by a fixed 32 x 32 bit matrix (see `_join`). On a
board a pass costs about a tenth of the time a frame takes on USB.

Allocation: buffers and views are made once. A full DATA frame allocates nothing where small ints
hold a CRC-32 (64-bit builds); on 32-bit boards a CRC of 2**30 or more is a short-lived int on the
heap. The last, shorter frame of a file makes one view.
"""

import struct
from array import array
from binascii import crc32
from hashlib import sha256

from micropython import const

from dewarlog_wire import layout
from dewarlog_wire.session_keys import END

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from dewarlog_firmware.envelope import Envelope

    class Reader(Protocol):
        """One stored file as it stood when it was opened."""

        size: int

        def read_into(self, offset: int, view: memoryview) -> int:
            """Fill `view` from `offset`; fewer bytes only at the end."""
            ...

        def close(self) -> None:
            """Give the file back."""
            ...


# What one step came to.
IDLE = const(0)  # nothing to do: no job, or every granted byte is sent
BUSY = const(1)  # a slice is done, more to do
FRAME = const(2)  # `frame[:length]` is to be sent
PACKET = const(3)  # `packet` is to be sent
PREFIX_HELD = const(4)  # the host holds the true prefix; DATA follows
PREFIX_WRONG = const(5)
HASHED = const(6)  # `sha256` is complete
FAILED = const(7)  # the file could not be read; `status` says why

# END's status: complete, or the layout.ERROR_* that cut it short.
END_COMPLETE = const(0)

_JOB_NONE = const(0)
_JOB_PREFIX = const(1)
_JOB_DATA = const(2)
_JOB_HASH = const(3)

_BODY_AT = const(4)  # FRAME_HEAD.size
_DATA_AT = const(10)  # FRAME_HEAD.size + DATA_HEAD.size
_SHORT_AT = const(7)  # _DATA_AT - DATA_SHORT_HEAD.size: its head ends where the bytes begin
_SLICE_BYTES = const(1024)  # read at once for a prefix or a hash, where a packet holds far less
_FRAME_HEAD = layout.FRAME_HEAD.format
_DATA_HEAD = layout.DATA_HEAD.format
_SHORT_HEAD = layout.DATA_SHORT_HEAD.format
_END = layout.END.format
_DATA_HEAD_BYTES = layout.DATA_HEAD.size
_END_BYTES = layout.END.size
_ZEROS = bytes(64)


class Transfer:
    """The one job the server has in hand: a READ or a HASH. `frame` holds the frame to send.

    `crc_shift` is fast.crc_shift where the port has machine code; without it, END's CRC costs a
    second pass. With `packets`, DATA is short DATA, and `set_packet_max` must be told before READ.
    """

    def __init__(
        self,
        body_max: int,
        crc_shift: "Callable[[int, array[int]], int] | None" = None,
        *,
        packets: bool = False,
    ) -> None:
        size = body_max + layout.FRAME_OVERHEAD_BYTES
        self._packets = packets
        self.frame = bytearray(max(size, _DATA_AT + _SLICE_BYTES) if packets else size)
        self.length = 0  # 0: nothing waits to be sent
        self.xfer = 0
        self.total = 0
        self.status = END_COMPLETE
        self.sha256 = sha256()
        self._view = memoryview(self.frame)
        self.packet = self._view[:0]
        self._full_packet = self.packet
        self._due = FRAME  # or PACKET: what waits while `length` is not 0
        self._end_view = self._view[: _BODY_AT + _END_BYTES]
        self._heads_view = self._view[:_DATA_AT]
        self._crc_shift = crc_shift
        self._shift_matrix = array("I", [0] * 32)
        self._job = _JOB_NONE
        self._reader: "Reader | None" = None
        self._ended = False
        self._seq = 0
        self._crc = 0
        self._prefix_crc = 0
        self._start = self._at = self._acked = self._stop = self._limit = 0
        self._room = 0
        self._window = 0  # most bytes beyond what is acknowledged; 0: the host's credit alone
        self._set_room(body_max - _DATA_HEAD_BYTES)
        self._slice_view = self._view[_DATA_AT : _DATA_AT + _SLICE_BYTES] if packets else None

    def set_body_max(self, body_max: int) -> None:
        """Fit the frames to what both sides can take."""
        if not self._packets:
            self._set_room(body_max - _DATA_HEAD_BYTES)

    def set_packet_max(self, packet_max: int) -> None:
        """Fit the packets to what the link carries; not while a READ is under way."""
        self._set_room(packet_max - layout.DATA_SHORT_OVERHEAD_BYTES)

    def _set_room(self, room: int) -> None:
        """Make the views of a full frame or packet that holds `room` bytes of a file."""
        if room == self._room:
            return
        self._room = room
        self._data_view = self._view[_DATA_AT : _DATA_AT + room]
        if self._packets:
            self._window = room * layout.BLE_WINDOW_PACKETS
            self._full_packet = self._view[
                _SHORT_AT : _DATA_AT + room + layout.DATA_SHORT_CRC_BYTES
            ]
        if self._crc_shift is not None:
            for at in range(0, room, len(_ZEROS)):
                part = self._data_view[at : at + len(_ZEROS)]
                part[:] = _ZEROS[: len(part)]
            of_zeros = crc32(self._data_view)
            for bit in range(32):
                self._shift_matrix[bit] = crc32(self._data_view, 1 << bit) ^ of_zeros

    # --- jobs ---------------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """True while a READ or HASH is in hand."""
        return self._job != _JOB_NONE

    def end(self) -> None:
        """Drop the job in hand, if any, and what it had built."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None
        self._job = _JOB_NONE
        self._ended = False
        self.length = 0

    def use_envelope(self, envelope: "Envelope | None") -> None:
        """Tag the END of the next READ, and encipher if the conversation asks for it."""
        self._envelope = envelope
        if envelope is not None:
            self._counter = envelope.counter
            self._sent = sha256()

    def read(
        self, reader: "Reader", seq: int, offset: int, length: int, prefix_crc: int, credit: int
    ) -> bool:
        """Begin a READ; True when DATA follows at once, False when the prefix is checked first."""
        self.end()
        self._reader = reader
        self._seq = seq
        self.xfer = self.xfer % 255 + 1  # 0 names no transfer
        self._start = self._acked = offset
        self._stop = offset + min(length, reader.size - offset)
        self._limit = self._granted(offset, credit)
        self.total = self._stop - offset
        self.status = END_COMPLETE
        self._crc = 0
        self._prefix_crc = prefix_crc
        self._at = 0
        self._job = _JOB_PREFIX if offset else _JOB_DATA
        return not offset

    def hash(self, reader: "Reader", offset: int, length: int) -> None:
        """Begin a HASH of `length` bytes from `offset`."""
        self.end()
        self._reader = reader
        self._at = offset
        self._stop = offset + length
        self.sha256 = sha256()
        self._job = _JOB_HASH

    def ack(self, xfer: int, next_offset: int, credit: int) -> None:
        """Take the host's word for what it holds; an ack of an older state changes nothing."""
        if xfer != self.xfer:
            return
        if self._job == _JOB_DATA:
            if self._acked <= next_offset <= self._at:
                self._acked = next_offset
                self._limit = max(self._limit, self._granted(next_offset, credit))
        elif self._ended:
            self._build_end()  # the host is still waiting: END was lost

    def _granted(self, held: int, credit: int) -> int:
        """Return where DATA must stop for a host that holds all before `held`.

        A stack keeps packets on the heap, each with a head of its own: short ones cost more than
        their bytes, and those are all that a credit counts.
        """
        if self._window:
            credit = min(credit, self._window)
        return min(self._stop, held + credit)

    # --- one slice ----------------------------------------------------------------------------

    def step(self) -> int:
        """Do one slice of the job in hand; say what came of it.

        What waits to be sent is offered again until `length` is set to 0.
        """
        if self.length:
            return self._due
        if self._job == _JOB_DATA:
            return self._step_data()
        if self._job == _JOB_PREFIX:
            return self._step_prefix()
        if self._job == _JOB_HASH:
            return self._step_hash()
        return IDLE

    def _step_data(self) -> int:
        count = self._limit - self._at
        if count >= self._room:
            view = self._data_view
        elif self._at == self._stop:
            return self._finish(END_COMPLETE)
        elif self._limit == self._stop or (count > 0 and self._at == self._acked):
            # The last bytes, or a host that grants less than one frame at a time.
            view = self._view[_DATA_AT : _DATA_AT + count]
        else:
            return IDLE  # wait for an ack that grants a whole frame
        count = len(view)
        status = self._fill(view)
        if status:
            return self._finish(status)
        envelope = self._envelope
        if envelope is not None:
            self._crc = crc32(view, self._crc)
            self._sent.update(view)
            envelope.hide(view, self._counter, self._at - self._start)
        struct.pack_into(
            _FRAME_HEAD, self.frame, 0, layout.MSG_DATA, self._seq, count + _DATA_HEAD_BYTES
        )
        struct.pack_into(_DATA_HEAD, self.frame, _BODY_AT, self.xfer, 0, self._at)
        self._at += count
        of_heads = crc32(self._heads_view)
        of_frame = crc32(view, of_heads)
        if envelope is None:
            self._crc = self._join(view, of_heads, of_frame)
        if self._packets:
            return self._shorten(count, of_frame)
        struct.pack_into("<I", self.frame, _DATA_AT + count, of_frame)
        self.length = _DATA_AT + count + layout.FRAME_CRC_BYTES
        self._due = FRAME
        return FRAME

    def _shorten(self, count: int, of_frame: int) -> int:
        """Put the short head over the end of the long one, and the half CRC behind the bytes."""
        offset_low = (self._at - count) & 0xFFFF
        struct.pack_into(_SHORT_HEAD, self.frame, _SHORT_AT, layout.MSG_DATA_SHORT, offset_low)
        struct.pack_into("<H", self.frame, _DATA_AT + count, of_frame & 0xFFFF)
        self.length = count + layout.DATA_SHORT_OVERHEAD_BYTES
        if count == self._room:
            self.packet = self._full_packet
        else:
            self.packet = self._view[_SHORT_AT : _SHORT_AT + self.length]
        self._due = PACKET
        return PACKET

    def _join(self, view: memoryview, of_heads: int, of_frame: int) -> int:
        """Return the CRC of this transfer with the bytes of `view` added.

        For bytes D and any start v, crc32(D, v) = S(v) ^ crc32(D, 0), where S shifts v through as
        many zero bits as D has. The frame's CRC is crc32(D, of_heads); the one wanted is
        crc32(D, self._crc). They differ by S(of_heads ^ self._crc).
        """
        if self._crc_shift is None or view is not self._data_view:
            return crc32(view, self._crc)
        return of_frame ^ self._crc_shift(of_heads ^ self._crc, self._shift_matrix)

    def _step_prefix(self) -> int:
        view = self._slice(self._start - self._at)
        self.status = self._fill(view)
        if self.status:
            self.end()
            return FAILED
        self._crc = crc32(view, self._crc)
        self._at += len(view)
        if self._at < self._start:
            return BUSY
        if self._crc != self._prefix_crc:
            self.end()
            return PREFIX_WRONG
        self._crc = 0
        self._job = _JOB_DATA
        return PREFIX_HELD

    def _step_hash(self) -> int:
        count = self._stop - self._at
        if count == 0:
            self.end()
            return HASHED
        view = self._slice(count)
        self.status = self._fill(view)
        if self.status:
            self.end()
            return FAILED
        self.sha256.update(view)
        self._at += len(view)
        return BUSY

    def _slice(self, count: int) -> memoryview:
        """Return where to put the next bytes that are read but not sent, at most `count`."""
        view = self._data_view if self._slice_view is None else self._slice_view
        return view if count >= len(view) else view[:count]

    def _fill(self, view: memoryview) -> int:
        """Read the bytes at `_at` into `view`; return 0, or the error that stopped it."""
        reader = self._reader
        try:
            if reader is not None and reader.read_into(self._at, view) == len(view):
                return 0
        except ValueError:
            return layout.ERROR_CHANGED
        except OSError:
            return layout.ERROR_BUSY
        return layout.ERROR_CHANGED  # shorter than it was when it was opened

    def _finish(self, status: int) -> int:
        """End the READ with an END frame; it can be asked for again by an ack."""
        self.status = status
        self.end()
        self._ended = True
        if self._envelope is not None:
            self._sent_sha256 = self._sent.digest()
        self._build_end()
        return FRAME

    def _build_end(self) -> None:
        struct.pack_into(_END, self.frame, _BODY_AT, self.xfer, self.status, self._at, self._crc)
        length = _END_BYTES
        view = self._end_view
        if self._envelope is not None:
            length = self._envelope.close(
                self._view,
                layout.MSG_END,
                self._seq,
                length,
                self._counter,
                END,
                self._sent_sha256,
            )
            view = self._view[: _BODY_AT + length]
        struct.pack_into(_FRAME_HEAD, self.frame, 0, layout.MSG_END, self._seq, length)
        struct.pack_into("<I", self.frame, _BODY_AT + length, crc32(view))
        self.length = length + layout.FRAME_OVERHEAD_BYTES
        self._due = FRAME
