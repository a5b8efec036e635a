"""One stored file on its way to the host: prefix check, DATA frames within credit, END, hash.

Place in the line: the part of server that touches a file's bytes. No I/O of its own besides the
reader it is given. Every `step` does one slice of at most one frame body, so that sampling is
never kept waiting. Message bytes and rules: protocol/SPEC.md, frames and messages.

Allocation: buffers and views are made once. A full DATA frame allocates nothing where small ints
hold a CRC-32 (64-bit builds); on 32-bit boards a CRC of 2**30 or more is a short-lived int on the
heap. The last, shorter frame of a file makes one view.
"""

import struct
from binascii import crc32
from hashlib import sha256

from micropython import const

from dewarlog_wire import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

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
PREFIX_HELD = const(3)  # the host holds the true prefix; DATA follows
PREFIX_WRONG = const(4)
HASHED = const(5)  # `sha256` is complete
FAILED = const(6)  # the file could not be read; `status` says why

# END's status: complete, or the layout.ERROR_* that cut it short.
END_COMPLETE = const(0)

_JOB_NONE = const(0)
_JOB_PREFIX = const(1)
_JOB_DATA = const(2)
_JOB_HASH = const(3)

_BODY_AT = const(4)  # FRAME_HEAD.size
_DATA_AT = const(10)  # FRAME_HEAD.size + DATA_HEAD.size
_FRAME_HEAD = layout.FRAME_HEAD.format
_DATA_HEAD = layout.DATA_HEAD.format
_END = layout.END.format
_DATA_HEAD_BYTES = layout.DATA_HEAD.size
_END_BYTES = layout.END.size


class Transfer:
    """The one job the server has in hand: a READ or a HASH. `frame` holds the frame to send."""

    def __init__(self, body_max: int) -> None:
        self.frame = bytearray(body_max + layout.FRAME_OVERHEAD_BYTES)
        self.length = 0
        self.xfer = 0
        self.total = 0
        self.status = END_COMPLETE
        self.sha256 = sha256()
        self._view = memoryview(self.frame)
        self._end_view = self._view[: _BODY_AT + _END_BYTES]
        self._job = _JOB_NONE
        self._reader = None
        self._ended = False
        self._seq = 0
        self._crc = 0
        self._prefix_crc = 0
        self._start = self._at = self._acked = self._stop = self._limit = 0
        self.set_body_max(body_max)

    def set_body_max(self, body_max: int) -> None:
        """Fit the frames to what both sides can take."""
        self._room = body_max - _DATA_HEAD_BYTES
        self._data_view = self._view[_DATA_AT : _DATA_AT + self._room]
        self._full_view = self._view[: _DATA_AT + self._room]

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
        self._limit = min(self._stop, offset + credit)
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
                self._limit = max(self._limit, min(self._stop, next_offset + credit))
        elif self._ended:
            self._build_end()  # the host is still waiting: END was lost

    # --- one slice ----------------------------------------------------------------------------

    def step(self) -> int:
        """Do one slice of the job in hand; say what came of it."""
        if self._job == _JOB_DATA:
            return self._step_data()
        if self._job == _JOB_PREFIX:
            return self._step_prefix()
        if self._job == _JOB_HASH:
            return self._step_hash()
        return FRAME if self.length else IDLE

    def _step_data(self) -> int:
        count = self._limit - self._at
        if count >= self._room:
            view = self._data_view
            covered = self._full_view
        elif self._at == self._stop:
            return self._finish(END_COMPLETE)
        elif self._limit == self._stop or (count > 0 and self._at == self._acked):
            # The last bytes, or a host that grants less than one frame at a time.
            view = self._view[_DATA_AT : _DATA_AT + count]
            covered = self._view[: _DATA_AT + count]
        else:
            return IDLE  # wait for an ack that grants a whole frame
        count = len(view)
        status = self._fill(view)
        if status:
            return self._finish(status)
        struct.pack_into(
            _FRAME_HEAD, self.frame, 0, layout.MSG_DATA, self._seq, count + _DATA_HEAD_BYTES
        )
        struct.pack_into(_DATA_HEAD, self.frame, _BODY_AT, self.xfer, 0, self._at)
        self._crc = crc32(view, self._crc)
        self._at += count
        self._seal(covered)
        return FRAME

    def _step_prefix(self) -> int:
        count = self._start - self._at
        view = self._data_view if count >= self._room else self._data_view[:count]
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
        view = self._data_view if count >= self._room else self._data_view[:count]
        self.status = self._fill(view)
        if self.status:
            self.end()
            return FAILED
        self.sha256.update(view)
        self._at += len(view)
        return BUSY

    def _fill(self, view: memoryview) -> int:
        """Read the bytes at `_at` into `view`; return 0, or the error that stopped it."""
        try:
            if self._reader.read_into(self._at, view) == len(view):
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
        self._build_end()
        return FRAME

    def _build_end(self) -> None:
        struct.pack_into(_FRAME_HEAD, self.frame, 0, layout.MSG_END, self._seq, _END_BYTES)
        struct.pack_into(_END, self.frame, _BODY_AT, self.xfer, self.status, self._at, self._crc)
        self._seal(self._end_view)

    def _seal(self, covered: memoryview) -> None:
        """Close the frame in `frame` with the CRC of everything before it."""
        end = len(covered)
        struct.pack_into("<I", self.frame, end, crc32(covered))
        self.length = end + layout.FRAME_CRC_BYTES
