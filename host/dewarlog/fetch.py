"""Bring one file of a board here: within credit, through gaps and silences, never a byte twice.

The part of pull that drives a transfer. Message bytes and rules: protocol/SPEC.md.

A gap in the offsets is read anew at once, from the first missing byte. When no new byte comes,
the steps of _STEPS follow: the last ack again, the rest read anew, the link opened anew; after
RECONNECTS of those without one new byte between them, the file is Incomplete. A link that is lost
is opened again as long as its patience lasts (a courier walks; a cable stays out).

In a conversation that is proven, bytes are the board's once the tag of their transfer's END says
so, or the board's tagged HASH of all of them does where a transfer broke off. Bytes that turn out
not to be are put aside, and the file is fetched again, once.
"""

from __future__ import annotations

import hashlib
import struct
import time
import zlib
from typing import TYPE_CHECKING, Protocol

from dewarlog.errors import (
    Changed,
    DeviceRefused,
    Incomplete,
    NoAnswer,
    PeerViolation,
    Tampered,
    Unreachable,
)
from dewarlog.proven import counter_of
from dewarlog.replies import read_record
from dewarlog_wire import layout
from dewarlog_wire.errors import FrameError
from dewarlog_wire.frame import parse_short_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from dewarlog.link import Frame
    from dewarlog.proven import Proven
    from dewarlog.replies import StoredFile, Transfer
    from dewarlog.session import Session

STALL_S = 3.0
READ_AGAIN_S = 5.0
GIVE_UP_S = 10.0
RECONNECTS = 2
# READs without a new byte between them: a line that loses every frame, or a board that is broken.
READS_IN_VAIN = 32
# Frames without a new byte in them, between two that have one. More than any window holds.
USELESS_FRAMES = 1024
_DATA_HEAD_BYTES = layout.DATA_HEAD.size
_WAIT, _ACK_AGAIN, _READ_AGAIN = range(3)
_STEPS = ((STALL_S, _ACK_AGAIN), (READ_AGAIN_S, _READ_AGAIN), (GIVE_UP_S, _WAIT))


class Part(Protocol):
    """One file of a log on this computer, as far as it is held."""

    @property
    def size(self) -> int:
        """Bytes held."""
        ...

    @property
    def crc32(self) -> int:
        """CRC-32 of the bytes held."""
        ...

    @property
    def etag(self) -> int:
        """The board's name for this version of the file."""
        ...

    @property
    def verified_bytes(self) -> int:
        """Bytes that are proven to be the board's."""
        ...

    @property
    def complete(self) -> bool:
        """True when it is filed for good: sealed on the board and verified here."""
        ...

    @property
    def proven(self) -> bool:
        """True when a board that had proven itself vouched for what is filed."""
        ...

    def sha256(self) -> bytes:
        """Return the SHA-256 of the bytes held."""
        ...

    def write(self, data: bytes | memoryview) -> None:
        """Add bytes at the end."""
        ...

    def verified(self, *, sealed: bool, proven: bool) -> None:
        """Take note that these bytes are the board's; `sealed`: it never grows.

        `proven`: the board that says so had proven itself.
        """
        ...

    def vouched(self) -> None:
        """Take note that a board that had proven itself has the bytes filed."""
        ...

    def set_aside(self) -> None:
        """Keep the bytes held under another name and begin again with none."""
        ...

    def close(self) -> None:
        """Keep what is held, so that the next pull goes on from there."""
        ...


class _Stalled(Exception):
    """No new byte came in GIVE_UP_S."""


class _Spoiled(Exception):
    """Bytes came that the board did not send so."""


class _Patience:
    """What to do next when no new byte comes: the steps of _STEPS, each once, then _Stalled."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.renew()

    def renew(self) -> None:
        """A new byte came."""
        self._since_s = self._clock()
        self._taken = 0

    def left_s(self) -> float:
        """Return how long to wait for a frame before the next step."""
        return max(0.0, self._since_s + _STEPS[self._taken][0] - self._clock())

    def step(self) -> int:
        """Return the step that is due, or _WAIT."""
        due_s, action = _STEPS[self._taken]
        if self._clock() - self._since_s < due_s:
            return _WAIT
        self._taken += 1
        if self._taken == len(_STEPS):
            raise _Stalled
        return action


class _Coming:
    """What came of one transfer so far, in the clear; its END is judged by it."""

    def __init__(
        self, transfer: Transfer, begin: int, tags: Proven | None, *, were_open: bool
    ) -> None:
        self.transfer = transfer
        self.tags = tags
        self.were_open = were_open
        self.crc = 0
        self._begin = begin
        self._hash = hashlib.sha256()

    def take(self, payload: memoryview, offset: int) -> bytes | memoryview:
        """Take the next bytes; return them in the clear."""
        clear: bytes | memoryview = payload
        if self.tags is not None:
            clear = self.tags.data(payload, self.transfer.counter, offset - self._begin)
            self._hash.update(clear)
        self.crc = zlib.crc32(clear, self.crc)
        return clear

    def is_end(self, frame: Frame) -> bool:
        """Say whether the board ended the transfer so, after these bytes and no others."""
        counter, sha256 = self.transfer.counter, self._hash.digest()
        return self.tags is not None and self.tags.end_holds(
            frame.seq, frame.body, counter, sha256
        )

    def is_others_end(self, body: bytes) -> bool:
        """Say whether it calls itself the END of another READ than this one."""
        return counter_of(body) not in (None, self.transfer.counter)


class Fetch:
    """Fetches files over one session; `on_bytes` is told of every new byte."""

    def __init__(
        self,
        session: Session,
        on_bytes: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Use `session`, which has said HELLO."""
        self._session = session
        self._link = session.link
        self._on_bytes = on_bytes
        self._clock = clock
        # Bytes of the file in hand came that no END of the board's has vouched for.
        self._are_open = False

    def sha256(self, file: StoredFile, length: int) -> bytes:
        """Ask the board for the SHA-256 of the first `length` bytes of a file."""
        try:
            return self._session.sha256(file, length)
        except DeviceRefused as refusal:
            raise _changed(file, refusal) from refusal

    def fetch(self, part: Part, file: StoredFile) -> None:
        """Bring the missing bytes, through stalls and gaps, opening the link anew if need be.

        Raises:
            Tampered: twice what came was not what the board sent.
        """
        for is_last in (False, True):
            try:
                self._fetch(part, file)
            except _Spoiled as spoiled:
                part.set_aside()
                if is_last:
                    raise Tampered(self._link.name, str(spoiled)) from spoiled
            else:
                return

    def _fetch(self, part: Part, file: StoredFile) -> None:
        # Bytes held from before are proven by what follows them in the log's chain, if all of
        # them are known to have been in it, and something does.
        self._are_open = part.size in (file.size, 0) or part.verified_bytes < part.size
        self._are_open = self._are_open and part.size > 0
        silences = 0
        lost_since_s: float | None = None
        ended = part.size == file.size
        while not ended:
            held_bytes = part.size
            try:
                self._transfers(part, file)
                ended = True
            except (_Stalled, NoAnswer) as error:
                silences = 1 if part.size > held_bytes else silences + 1
                if silences > RECONNECTS:
                    raise Incomplete(
                        file.name, part.size, file.size, "the logger fell silent"
                    ) from error
                self._reconnect(part, file)
            except Unreachable as loss:
                if part.size > held_bytes or lost_since_s is None:
                    lost_since_s = self._clock()
                elif self._clock() - lost_since_s >= self._link.patience_s:
                    raise  # it comes back and brings nothing
                self._session.come_back(loss)
        if self._session.proven and self._are_open:
            if self.sha256(file, part.size) != part.sha256():
                raise _Spoiled(f"the bytes of {file.name} are not those that the logger holds")
            self._are_open = False

    def _transfers(self, part: Part, file: StoredFile) -> None:
        """READ after READ until all is here and the board has said so."""
        patience = _Patience(self._clock)
        in_vain = 0
        ended = False
        while not ended or part.size < file.size:
            held_bytes = part.size
            ended = self._transfer(part, file, patience)
            in_vain = 0 if part.size > held_bytes else in_vain + 1
            if in_vain > READS_IN_VAIN:
                raise Incomplete(
                    file.name, part.size, file.size, f"{in_vain} requests brought nothing new"
                )

    def _reconnect(self, part: Part, file: StoredFile) -> None:
        try:
            self._session.reopen()
        except NoAnswer as error:
            raise Incomplete(file.name, part.size, file.size, "the logger fell silent") from error
        except Unreachable as loss:
            self._session.come_back(loss)

    def _transfer(self, part: Part, file: StoredFile, patience: _Patience) -> bool:
        """One READ; True with its END, False when the rest must be read anew."""
        credit_bytes = self._link.credit_bytes
        try:
            transfer = self._session.read(file, part.size, part.crc32, credit_bytes)
        except DeviceRefused as refusal:
            self._read_refused(part, file, refusal)
            return False
        acked = part.size
        coming = _Coming(transfer, part.size, self._session.tags, were_open=self._are_open)
        useless_frames = packets = 0
        while useless_frames <= USELESS_FRAMES:
            frame = self._link.receive(patience.left_s())
            step = patience.step()
            if step == _ACK_AGAIN:
                self._session.ack(transfer.xfer, part.size, credit_bytes)
            elif step == _READ_AGAIN:
                return False
            if frame is None:
                continue
            if frame.kind in (layout.MSG_DATA, layout.MSG_DATA_SHORT):
                offset, payload = _data(frame, transfer, file, part.size)
                if offset > part.size:
                    return False  # frames were lost
                if offset < part.size or not payload:
                    useless_frames += 1
                    continue
                self._are_open = True
                part.write(coming.take(payload, offset))
                self._on_bytes(len(payload))
                patience.renew()
                useless_frames = 0
                packets += frame.kind == layout.MSG_DATA_SHORT
                due = part.size - acked >= credit_bytes // 2 or packets >= layout.BLE_ACK_PACKETS
                if due and part.size < file.size:
                    acked, packets = part.size, 0
                    self._session.ack(transfer.xfer, acked, credit_bytes)
            elif frame.kind == layout.MSG_END and self._ended(part, file, frame, coming):
                return True
        raise PeerViolation(f"it keeps sending parts of {file.name} that it has already sent")

    def _ended(self, part: Part, file: StoredFile, frame: Frame, coming: _Coming) -> bool:
        """Judge an END; True when it is this transfer's."""
        body = bytes(frame.body)
        if coming.tags is not None:
            if not coming.is_end(frame):
                if part.size == file.size and not coming.is_others_end(body):
                    raise _Spoiled(f"what came of {file.name} is not what the logger sent")
                # Frames were lost before it, or a stranger said it: nothing rests on it.
                return part.size < file.size and not coming.is_others_end(body)
            body = coming.tags.end(body, coming.transfer.counter)
        xfer, status, offset, crc = read_record(layout.END, body)
        if xfer != coming.transfer.xfer:
            return False
        if status:
            name = layout.ERROR_NAMES.get(status, f"status {status}")
            raise Changed(file.name, f"the logger ended it at byte {offset}: {name}")
        if offset == part.size == file.size and crc != coming.crc:
            part.set_aside()
            raise PeerViolation(f"the CRC-32 it gives for {file.name} is not that of its bytes")
        if offset == part.size:
            self._are_open = coming.were_open
        return True

    def _read_refused(self, part: Part, file: StoredFile, refusal: DeviceRefused) -> None:
        """Find out why: the file is another (Changed), or only the bytes held are not its own."""
        if refusal.code != layout.ERROR_CHANGED or not part.size:
            raise _changed(file, refusal) from refusal
        if self.sha256(file, part.size) == part.sha256():
            raise PeerViolation(f"it denies bytes of {file.name} that its own hash confirms")
        part.set_aside()


def _data(
    frame: Frame, transfer: Transfer, file: StoredFile, due_offset: int
) -> tuple[int, memoryview]:
    """Return offset and bytes of a DATA frame; of another transfer's, nothing at offset 0."""
    body = memoryview(frame.body)
    if frame.kind == layout.MSG_DATA_SHORT:
        try:
            offset, data = parse_short_data(body, transfer.seq, transfer.xfer, due_offset)
        except FrameError:  # damaged, or of a transfer before
            return 0, body[:0]
        payload = memoryview(data)
    else:
        if len(body) < _DATA_HEAD_BYTES:
            raise PeerViolation(f"a DATA frame of {len(body)} bytes has no head")
        xfer, _flags, offset = struct.unpack_from(layout.DATA_HEAD.format, body)
        if xfer != transfer.xfer:
            return 0, body[:0]
        payload = body[_DATA_HEAD_BYTES:]
    if offset + len(payload) > file.size:
        raise PeerViolation(
            f"it sends {file.name} up to byte {offset + len(payload)} of {file.size}"
        )
    return offset, payload


def _changed(file: StoredFile, refusal: DeviceRefused) -> Changed | DeviceRefused:
    if refusal.code in (layout.ERROR_CHANGED, layout.ERROR_NOT_FOUND, layout.ERROR_RANGE):
        return Changed(file.name, refusal.text or refusal.code_name)
    return refusal
