"""Answers one host's requests from the flash log, one frame at a time.

Place in the line: after flash_log, before the links. No I/O of its own: `handle` takes one sound
frame and queues its answer, `poll` gives at most one frame to the link, so that sampling always
comes first. Message bytes and rules: protocol/SPEC.md, frames and messages.

Rules kept here:
- Silent until HELLO; from then on every request gets a reply or an error, never silence.
- The host grants bytes (credit); never more than that is on its way. Acks are cumulative.
- A request sent again (same kind, seq and body) gets the reply it got the first time.
- One job at a time: a new READ or HASH ends the one before (transfer.py).
- Where a frame is one packet, the link says how long it may be (`use_packets`); DATA is short.
- Over the air, what changes the board takes the courier key, and guessing it is slow (`_auth`).
- What is written to the flash for a host is bounded, whatever it asks for (`_expect_allowance`).
- Buffers are made once; only requests, which are small and rare, allocate.
"""

import struct
from binascii import crc32

from micropython import const

from dewarlog_firmware import transfer
from dewarlog_firmware.allowance import Allowance
from dewarlog_wire import FORMAT_VERSION, PROTOCOL_VERSION, layout, proof

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Store(Protocol):
        """What the server needs of the log."""

        def list_count(self) -> int:
            """Return how many files there are to read."""
            ...

        def list_entry(self, index: int) -> "tuple[int, int, int, int, int, bytes]":
            """Return (run, file, flags, etag, size, log_id) of one file."""
            ...

        def open(self, run: int, file: int, etag: int) -> transfer.Reader:
            """Open a file; KeyError when there is none, ValueError when its etag is another."""
            ...

        def seal(self) -> "tuple[int, bytes]":
            """Seal what the journal holds; return the blocks of the run and their chain value."""
            ...

        def confirm(self, run: int, blocks: int, chain: bytes, utc_s: int) -> bool:
            """Note that a host holds `blocks` blocks; False when the chain value is another."""
            ...

    class Device(Protocol):
        """What the server needs of the rest of the board."""

        @property
        def features(self) -> int:
            """Return layout.FEATURE_* bits."""
            ...

        def ticks_ms(self) -> int:
            """Return a count of milliseconds, of which the low 30 bits are used."""
            ...

        def secret(self, key: int) -> bytes:
            """Return the derived key of layout.KEY_*; empty when this board has no device key."""
            ...

        def handoff(self, body: bytes) -> "tuple[int, int, int, int, bytes] | None":
            """Record a handoff; return the values of HANDOFF_REPLY, None for another log's chain.

            ValueError when the body is none.
            """
            ...

        def radio(self, state: int, minutes: int) -> None:
            """Switch the radio, once the answer is on its way."""
            ...

        def status(self) -> "tuple[int, ...]":
            """Return the values of STATUS_REPLY, in order."""
            ...

        def set_time(self, utc_s: int, utc_ms: int, error_ms: int) -> "tuple[int, int]":
            """Set the clock; return what it said before, and its state then.

            ValueError when the clock cannot hold that time.
            """
            ...

        def mark(self, custody: bytes) -> None:
            """Record a custody event; ValueError when the body is none."""
            ...

        def stop(self) -> None:
            """End the run."""
            ...

    class Out(Protocol):
        """A link's sending side."""

        def send(self, frame: bytearray, length: int) -> bool:
            """Send `frame[:length]` whole; False: not now, offer it again."""
            ...

    class PacketOut(Protocol):
        """The sending side for short DATA, where a frame is one packet."""

        def send_packet(self, packet: memoryview) -> bool:
            """Send the packet; False: not now, offer it again."""
            ...


# A reply never needs more: 22 list entries. A longer list is asked for in parts.
REPLY_BODY_MAX_BYTES = const(512)
# STATUS_REPLY and an error's words fit; no link we know carries less.
BODY_MIN_BYTES = const(80)
_BODY_AT = const(4)  # FRAME_HEAD.size
_ENOSPC = const(28)  # errno, the same on every port
_LATER = const(-1)  # a handler's answer: the reply comes when the slices are done
_NO_KEY = (-1, 0, 0)
# Between two answers to AUTH, the first of which was a refusal: slow for who guesses, bearable for
# who took the wrong key.
_AUTH_PAUSE_MS = const(1000)
_TICKS_MASK = const(0x3FFFFFFF)
# Requests that write to the flash: so many at once, twenty pulls' worth, then one in a while. A
# stranger in reach may go on for a whole trip and not fill the memory; who holds the board or has
# the key writes at most as often as a sample is taken.
WRITES_AT_ONCE = const(64)
STRANGER_WRITES_EVERY_MS = const(900_000)
KNOWN_WRITES_EVERY_MS = const(10_000)


class Refused(Exception):
    """A request this board does not carry out; `code` is one of layout.ERROR_NAMES."""

    def __init__(self, code: int, text: str) -> None:
        """Keep the code and the words for the host's user."""
        super().__init__(text)
        self.code = code
        self.text = text


class Server:
    """One conversation with one host at a time; a new HELLO ends the one before.

    `body_max` is the largest body the link carries; `random_bytes(n)` makes the nonces.
    `crc_shift` is fast.crc_shift where the port has machine code. `packets`: DATA goes out as
    short DATA, and the link calls `use_packets` before each request. `in_hand`: whoever is at the
    other end holds the board in hand, so that keys are given, and nothing takes a proof.
    """

    def __init__(
        self,
        store: "Store",
        device: "Device",
        device_id: bytes,
        random_bytes: "Callable[[int], bytes]",
        body_max: int = layout.SERIAL_BODY_MAX_BYTES,
        crc_shift: "Callable[..., int] | None" = None,
        *,
        packets: bool = False,
        in_hand: bool = False,
    ) -> None:
        self._store = store
        self._device = device
        self._device_id = device_id
        self._random_bytes = random_bytes
        self._body_max = body_max
        self._session_body_max = body_max
        self._in_hand = in_hand
        # Ticks before which no AUTH is answered, and the queued reply is not sent; -1: no wait.
        # The first outlasts the host: coming back is no way round the pause.
        self._auth_from_ms = -1
        self._reply_from_ms = -1
        # Both outlast the host, too.
        self._stranger_writes = Allowance(WRITES_AT_ONCE, STRANGER_WRITES_EVERY_MS)
        self._known_writes = Allowance(WRITES_AT_ONCE, KNOWN_WRITES_EVERY_MS)
        self._transfer = transfer.Transfer(body_max, crc_shift, packets=packets)
        self._packet_out: "PacketOut | None" = None
        self._packet_max = 0
        reply_max = min(REPLY_BODY_MAX_BYTES, body_max) + layout.FRAME_OVERHEAD_BYTES
        self._reply = bytearray(reply_max)
        self._reply_view = memoryview(self._reply)
        self._handlers = {
            layout.MSG_HELLO: self._hello,
            layout.MSG_STATUS: self._status,
            layout.MSG_TIME: self._time,
            layout.MSG_LIST: self._list,
            layout.MSG_READ: self._read,
            layout.MSG_ABORT: self._abort,
            layout.MSG_HASH: self._hash,
            layout.MSG_SEAL: self._seal,
            layout.MSG_MARK: self._mark,
            layout.MSG_CONFIRM: self._confirm,
            layout.MSG_STOP: self._stop,
            layout.MSG_AUTH: self._auth,
            layout.MSG_HANDOFF: self._handoff,
            layout.MSG_RADIO: self._radio,
            layout.MSG_KEY: self._key,
        }
        self.drop()

    # --- what the link calls ------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """False while an answer waits to be sent: the link takes no further request then."""
        return not self._reply_due

    def drop(self) -> None:
        """Forget the host: the link was lost. Silent again until HELLO."""
        self._transfer.end()
        self._open = False
        self._reply_due = False
        self._reply_length = 0
        self._reply_key = _NO_KEY  # (kind, seq, CRC of the body) of the request last answered
        self._job_key = _NO_KEY  # the same of a request that is answered later
        self._seq = 0
        self._host_nonce = self._board_nonce = b""
        self._is_proven = False  # the host of this conversation, by AUTH
        if self._reply_from_ms >= 0:
            # The refusal that would have begun the next pause is never told.
            self._auth_from_ms = self._reply_from_ms
            self._reply_from_ms = -1

    def use_packets(self, out: "PacketOut", packet_max: int) -> None:
        """Send short DATA through `out` from the next READ on, at most `packet_max` bytes each."""
        self._packet_out = out
        self._packet_max = packet_max

    def handle(self, kind: int, seq: int, body: "bytes | memoryview") -> None:
        """Take one sound frame from the host and queue the answer, if it gets one."""
        if not self._open and kind != layout.MSG_HELLO:
            return
        if kind >= layout.MSG_ERROR:
            return  # an answer is never answered: two ends could go on for ever
        if kind == layout.MSG_ACK:
            if len(body) == layout.ACK.size:
                self._transfer.ack(*struct.unpack(layout.ACK.format, body))
            return
        key = (kind, seq, crc32(body))
        if key == self._reply_key:
            self._reply_due = True
            return
        if key == self._job_key:
            return  # its reply is still being worked on
        try:
            handler = self._handlers.get(kind)
            if handler is None:
                raise Refused(layout.ERROR_UNKNOWN, "this board knows no request 0x%02x" % kind)
            self._seq = seq
            length = handler(body)
            if length == _LATER:
                self._job_key = key
            else:
                self._queue(key, kind | layout.REPLY, length)
        except Refused as refusal:
            self._refuse(key, refusal.code, refusal.text)
        except (KeyError, IndexError):
            self._refuse(key, layout.ERROR_CHANGED, "a file went away; list again")
        except (OSError, MemoryError) as error:
            full = isinstance(error, OSError) and error.errno == _ENOSPC
            self._refuse(key, layout.ERROR_MEMORY_FULL if full else layout.ERROR_BUSY, str(error))

    def poll(self, out: "Out") -> bool:
        """Do one slice of work and send at most one frame; True while more could be done now."""
        if self._reply_due:
            if self._left_ms(self._reply_from_ms):
                return True
            self._reply_from_ms = -1
            if out.send(self._reply, self._reply_length):
                self._reply_due = False
            return True
        job = self._transfer
        result = job.step()
        if result == transfer.PACKET:
            if self._packet_out is not None and self._packet_out.send_packet(job.packet):
                job.length = 0
            return True
        if result == transfer.FRAME:
            if out.send(job.frame, job.length):
                job.length = 0
            return True
        if result > transfer.PACKET:
            self._answer_job(result)
        return result != transfer.IDLE

    def _answer_job(self, result: int) -> None:
        """Queue the reply to a READ or HASH whose slices are done."""
        key = self._job_key
        self._job_key = _NO_KEY
        job = self._transfer
        if result == transfer.HASHED:
            length = self._put(layout.HASH_REPLY, job.sha256.digest())
            self._queue(key, key[0] | layout.REPLY, length)
        elif result == transfer.PREFIX_HELD:
            self._queue(key, key[0] | layout.REPLY, self._put_read_reply())
        elif result == transfer.PREFIX_WRONG:
            self._refuse(key, layout.ERROR_CHANGED, "the bytes you hold are not this file's")
        else:
            self._refuse(key, job.status, "the file could not be read to its end")

    # --- replies ------------------------------------------------------------------------------

    def _put(self, record: layout.Record, *values: "int | bytes") -> int:
        """Write one record as the reply's body; return its length."""
        struct.pack_into(record.format, self._reply, _BODY_AT, *values)
        return record.size

    def _put_read_reply(self) -> int:
        return self._put(layout.READ_REPLY, self._transfer.xfer, self._transfer.total)

    def _queue(self, key: "tuple[int, int, int]", kind: int, length: int) -> None:
        """Make a frame of the body that stands in the reply buffer, and queue it."""
        struct.pack_into(layout.FRAME_HEAD.format, self._reply, 0, kind, key[1], length)
        end = _BODY_AT + length
        struct.pack_into("<I", self._reply, end, crc32(self._reply_view[:end]))
        self._reply_key = key
        self._reply_length = length + layout.FRAME_OVERHEAD_BYTES
        self._reply_due = True

    def _refuse(self, key: "tuple[int, int, int]", code: int, text: str) -> None:
        """Queue an error; its words are cut to what every link carries."""
        words = text.encode()[: BODY_MIN_BYTES - layout.ERROR.size]
        self._reply[_BODY_AT] = code
        end = _BODY_AT + layout.ERROR.size + len(words)
        self._reply[end - len(words) : end] = words
        self._queue(key, layout.MSG_ERROR, end - _BODY_AT)

    # --- requests: each takes a body and returns the length of its reply's ---------------------

    def _hello(self, body: "bytes | memoryview") -> int:
        protocol, _reserved, body_max, nonce = _fields(layout.HELLO, body)
        if protocol != PROTOCOL_VERSION:
            raise Refused(layout.ERROR_VERSION, "this board speaks version %d" % PROTOCOL_VERSION)
        if body_max < BODY_MIN_BYTES:
            raise Refused(layout.ERROR_RANGE, "body_max is below %d" % BODY_MIN_BYTES)
        self.drop()
        self._open = True
        self._host_nonce = nonce
        self._board_nonce = self._random_bytes(8)
        self._session_body_max = min(body_max, self._body_max)
        self._transfer.set_body_max(self._session_body_max)
        return self._put(
            layout.HELLO_REPLY,
            PROTOCOL_VERSION,
            FORMAT_VERSION,
            self._body_max,
            self._device.features,
            self._device_id,
            self._board_nonce,
        )

    def _status(self, body: "bytes | memoryview") -> int:
        _expect_empty(body)
        return self._put(layout.STATUS_REPLY, *self._device.status())

    def _time(self, body: "bytes | memoryview") -> int:
        self._expect_proof()
        utc_s, utc_ms, error_ms = _fields(layout.TIME, body)
        if utc_ms > 999 or utc_s == layout.UTC_UNKNOWN:
            raise Refused(layout.ERROR_RANGE, "there is no such time")
        self._expect_allowance()
        try:
            before = self._device.set_time(utc_s, utc_ms, error_ms)
        except ValueError as error:
            raise Refused(layout.ERROR_RANGE, str(error))
        return self._put(layout.TIME_REPLY, *before)

    def _list(self, body: "bytes | memoryview") -> int:
        first, most = _fields(layout.LIST, body)
        total = self._store.list_count()
        room = min(self._session_body_max, REPLY_BODY_MAX_BYTES) - layout.LIST_REPLY.size
        count = max(0, min(most, total - first, room // layout.LIST_ENTRY.size))
        length = self._put(layout.LIST_REPLY, total, first, count)
        for index in range(first, first + count):
            entry = self._store.list_entry(index)
            struct.pack_into(layout.LIST_ENTRY.format, self._reply, _BODY_AT + length, *entry)
            length += layout.LIST_ENTRY.size
        return length

    def _read(self, body: "bytes | memoryview") -> int:
        run, file, etag, offset, length, prefix_crc, credit = _fields(layout.READ, body)
        reader = self._open_file(run, file, etag, offset)
        if self._packet_out is not None:
            self._transfer.set_packet_max(self._packet_max)
        if self._transfer.read(reader, self._seq, offset, length, prefix_crc, credit):
            return self._put_read_reply()
        return _LATER

    def _hash(self, body: "bytes | memoryview") -> int:
        run, file, etag, offset, length = _fields(layout.HASH, body)
        reader = self._open_file(run, file, etag, offset)
        if length > reader.size - offset:
            reader.close()
            raise Refused(layout.ERROR_RANGE, "the file has only %d bytes" % reader.size)
        self._transfer.hash(reader, offset, length)
        return _LATER

    def _open_file(self, run: int, file: int, etag: int, offset: int) -> "transfer.Reader":
        """Open one file of the log; whatever was being sent ends first."""
        self._end_job()
        try:
            reader = self._store.open(run, file, etag)
        except KeyError:
            raise Refused(layout.ERROR_NOT_FOUND, "no such file on this board")
        except ValueError:
            raise Refused(layout.ERROR_CHANGED, "the file is another since it was listed")
        if offset > reader.size:
            reader.close()
            raise Refused(layout.ERROR_RANGE, "the file has only %d bytes" % reader.size)
        return reader

    def _end_job(self) -> None:
        self._transfer.end()
        self._job_key = _NO_KEY

    def _abort(self, body: "bytes | memoryview") -> int:
        _expect_empty(body)
        self._end_job()
        return 0

    def _seal(self, body: "bytes | memoryview") -> int:
        _expect_empty(body)
        self._expect_allowance()
        blocks, chain = self._store.seal()
        return self._put(layout.SEAL_REPLY, blocks, chain)

    def _mark(self, body: "bytes | memoryview") -> int:
        self._expect_allowance()
        try:
            self._device.mark(bytes(body))
        except ValueError as error:
            raise Refused(layout.ERROR_MALFORMED, str(error))
        return 0

    def _confirm(self, body: "bytes | memoryview") -> int:
        run, blocks, chain, utc_s = _fields(layout.CONFIRM, body)
        self._expect_allowance()
        if not self._store.confirm(run, blocks, chain, utc_s):
            raise Refused(layout.ERROR_NOT_ALLOWED, "that is not the chain of this run")
        return 0

    def _stop(self, body: "bytes | memoryview") -> int:
        self._expect_proof()
        _expect_empty(body)
        self._device.stop()
        return 0

    # --- requests at the door -----------------------------------------------------------------

    def _auth(self, body: "bytes | memoryview") -> int:
        key, given = _fields(layout.AUTH, body)
        if key != layout.KEY_COURIER:
            raise Refused(layout.ERROR_RANGE, "no host proves itself by key %d" % key)
        secret = self._secret(key)
        expected = proof.host_proof(secret, self._host_nonce, self._board_nonce)
        self._is_proven = proof.same(expected, given)
        # The right proof waits as well: who guesses must not know it by its quick answer.
        left_ms = self._left_ms(self._auth_from_ms)
        self._reply_from_ms = self._auth_from_ms if left_ms else -1
        self._auth_from_ms = -1
        if not self._is_proven:
            now_ms = self._device.ticks_ms()
            self._auth_from_ms = (now_ms + left_ms + _AUTH_PAUSE_MS) & _TICKS_MASK
            raise Refused(layout.ERROR_NOT_ALLOWED, "that is no proof by this board's courier key")
        answer = proof.board_proof(secret, self._host_nonce, self._board_nonce)
        return self._put(layout.AUTH_REPLY, answer)

    def _left_ms(self, from_ms: int) -> int:
        """Return how long it is until then; 0 when that has passed, or there is no wait."""
        if from_ms < 0:
            return 0
        left_ms = (from_ms - self._device.ticks_ms()) & _TICKS_MASK
        # At most the pause in hand and the one behind it; more is a time that has passed.
        return left_ms if left_ms <= 2 * _AUTH_PAUSE_MS else 0

    def _expect_proof(self) -> None:
        """Refuse what a stranger may not change over the air."""
        if not (self._in_hand or self._is_proven):
            raise Refused(layout.ERROR_NOT_ALLOWED, "over the air this needs the courier key")

    def _expect_allowance(self) -> None:
        """Refuse, for now, one more request that writes to the flash."""
        known = self._in_hand or self._is_proven
        allowance = self._known_writes if known else self._stranger_writes
        if not allowance.take(self._device.ticks_ms()):
            wait_s = (KNOWN_WRITES_EVERY_MS if known else STRANGER_WRITES_EVERY_MS) // 1000
            raise Refused(layout.ERROR_BUSY, "it was told too much; ask again in %d s" % wait_s)

    def _handoff(self, body: "bytes | memoryview") -> int:
        self._secret(layout.KEY_RECEIPT)
        self._expect_allowance()
        try:
            values = self._device.handoff(bytes(body))
        except ValueError as error:
            raise Refused(layout.ERROR_MALFORMED, str(error))
        if values is None:
            raise Refused(layout.ERROR_NOT_ALLOWED, "that is not the chain of this run")
        return self._put(layout.HANDOFF_REPLY, *values)

    def _radio(self, body: "bytes | memoryview") -> int:
        self._expect_proof()
        state, minutes = _fields(layout.RADIO, body)
        if state > 1:
            raise Refused(layout.ERROR_RANGE, "a radio is off (0) or on (1)")
        if not self._device.features & layout.FEATURE_RADIO:
            raise Refused(layout.ERROR_NOT_ALLOWED, "this board has no radio")
        self._expect_allowance()
        self._device.radio(state, minutes)
        return 0

    def _key(self, body: "bytes | memoryview") -> int:
        (key,) = _fields(layout.KEY, body)
        if not self._in_hand:
            raise Refused(layout.ERROR_NOT_ALLOWED, "keys are given over the USB port only")
        if key not in (layout.KEY_COURIER, layout.KEY_RECEIPT):
            raise Refused(layout.ERROR_RANGE, "there is no key %d" % key)
        return self._put(layout.KEY_REPLY, self._secret(key))

    def _secret(self, key: int) -> bytes:
        secret = self._device.secret(key)
        if not secret:
            raise Refused(layout.ERROR_NOT_ALLOWED, "this board could not store a device key")
        return secret


def _fields(record: layout.Record, body: "bytes | memoryview") -> "tuple":
    """Read a request's body; one that is shorter or longer is refused."""
    if len(body) != record.size:
        raise Refused(layout.ERROR_MALFORMED, "%s has %d bytes" % (record.name, record.size))
    return struct.unpack(record.format, body)


def _expect_empty(body: "bytes | memoryview") -> None:
    if len(body):
        raise Refused(layout.ERROR_MALFORMED, "this request has no body")
