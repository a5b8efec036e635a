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
- What is written to the flash for a host is bounded, whatever it asks for (`expect_allowance`).
- Who may ask for what is access.py's, the tags and cipher behind AUTH envelope.py's; how a reply
  is framed, and kept for a host that asks again, reply.py's.
- Buffers are made once; only requests, which are small and rare, allocate.
- Here are the conversation, the log and the clock; requests at the door are door.py's, and more
  come as handlers from outside (bench.py): each takes this server and the body, and returns as
  the handlers here do.
"""

import struct
from binascii import crc32

from micropython import const

from dewarlog_firmware import door, transfer
from dewarlog_firmware.access import Refused, Visitor
from dewarlog_firmware.allowance import Allowance
from dewarlog_firmware.envelope import Envelope
from dewarlog_firmware.reply import BODY_MIN_BYTES, NO_KEY, Reply
from dewarlog_firmware.request import expect_empty, fields_of
from dewarlog_wire import FORMAT_VERSION, PROTOCOL_VERSION, access, layout
from dewarlog_wire.session_keys import SessionKeys, xor_into

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from dewarlog_firmware.access import Guard

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

        def secret(self, key: int) -> bytes:
            """Return the derived key of layout.KEY_*; empty when this board has no device key."""
            ...

        def ticks_ms(self) -> int:
            """Return a count of milliseconds, of which the low 30 bits are used."""
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

        def acknowledge(self, body: bytes) -> None:
            """Record that a person has seen what was raised; ValueError when the body is none."""
            ...

        def set_lock(self, *, locked: bool) -> None:
            """Lock the board or open it. OSError when that cannot be kept."""
            ...

        def seal_key(self) -> "tuple[int, bytes] | None":
            """Return index and state of the sealing key; None when there is none."""
            ...

        def sign(self, visitor: Visitor, run: int, nonce: bytes) -> None:
            """Begin to sign a run's head: ValueError when it has to wait, KeyError for no run."""
            ...

        def public(self, visitor: Visitor) -> None:
            """Begin to work out the public key. ValueError when it has to wait."""
            ...

        def signed(self, visitor: Visitor) -> "tuple | None":
            """Return the reply's values, once; None while they are worked on.

            ValueError when another host's took their place, OSError or MemoryError for no room.
            """
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
_ENOSPC = const(28)  # errno, the same on every port
LATER = const(-1)  # a handler's answer: the reply comes when the slices are done
_UNTAGGED = (layout.MSG_HELLO, layout.MSG_AUTH)  # they, and their replies
# What a board that is about to start again still carries out: none of it lasts.
_TO_THE_END = (layout.MSG_HELLO, layout.MSG_STATUS, layout.MSG_ABORT)
# Requests that write to the flash: so many at once, twenty pulls' worth, then one in a while. A
# stranger in reach may go on for a whole trip and not fill the memory; who holds the board or has
# the key writes at most as often as a sample is taken.
WRITES_AT_ONCE = const(64)
STRANGER_WRITES_EVERY_MS = const(900_000)
KNOWN_WRITES_EVERY_MS = const(10_000)


class Server:
    """One conversation with one host at a time; a new HELLO ends the one before.

    `body_max` is the largest body the link carries; `random_bytes(n)` makes the nonces.
    `crc_shift` is fast.crc_shift where the port has machine code. `packets`: DATA goes out as
    short DATA, and the link calls `use_packets` before each request. `in_hand`: whoever is at the
    other end holds the board in hand. `guard` is the same for every link; `xor` is fast.xor_into
    where the port has machine code. `more`: {kind: handler(server, body)}.

    For those handlers: `device`; `visitor` is whoever asks; `reply` takes the answer; `draft`
    holds what was handed over, `drafted` bytes of it so far, until the conversation ends.
    """

    def __init__(
        self,
        store: "Store",
        device: "Device",
        guard: "Guard",
        random_bytes: "Callable[[int], bytes]",
        body_max: int = layout.SERIAL_BODY_MAX_BYTES,
        crc_shift: "Callable[..., int] | None" = None,
        *,
        packets: bool = False,
        in_hand: bool = False,
        xor: "Callable[..., None]" = xor_into,
        more: "dict | None" = None,
    ) -> None:
        self._store = store
        self._more = dict(door.HANDLERS)
        self._more.update(more or {})
        self.device = device
        self._guard = guard
        self._in_hand = in_hand
        self._xor = xor
        self._random_bytes = random_bytes
        self._body_max = body_max
        self._session_body_max = body_max
        # Both outlast the host.
        self._stranger_writes = Allowance(WRITES_AT_ONCE, STRANGER_WRITES_EVERY_MS)
        self._known_writes = Allowance(WRITES_AT_ONCE, KNOWN_WRITES_EVERY_MS)
        self._transfer = transfer.Transfer(body_max, crc_shift, packets=packets)
        self._packet_out: "PacketOut | None" = None
        self._packet_max = 0
        self.reply = Reply(min(REPLY_BODY_MAX_BYTES, body_max))
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
        }
        self.drop()

    # --- what the link calls ------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """False while an answer waits to be sent: the link takes no further request then."""
        return not self.reply.is_due

    def drop(self) -> None:
        """Forget the host: the link was lost. Silent again until HELLO."""
        self._transfer.end()
        self._open = False
        self.reply.forget()
        self._job_key = NO_KEY  # (kind, seq, CRC of the body) of a request that is answered later
        self._job_counter = 0
        # Works on that request, unless it is READ or HASH; see `work_on`.
        self._work: "Callable[[], int | None] | None" = None
        self.draft: "bytearray | None" = None
        self.drafted = 0
        self._seq = 0
        self._envelope: "Envelope | None" = None  # from an AUTH that held on
        self._counted = 0  # of the newest request with a tag, before the AUTH in hand
        self.visitor = Visitor(self._guard, in_hand=self._in_hand)

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
        envelope = self._envelope
        if envelope is not None and kind not in _UNTAGGED:
            counter = envelope.counter
            plain = envelope.open(kind, seq, body)
            if plain is None or (counter == envelope.counter and not self._is_known(key)):
                return  # forged, or played again
            body = plain
        if key == self.reply.key:
            self.reply.is_due = True
        elif key != self._job_key:  # whose reply is still being worked on
            self._carry_out(key, body)

    def _is_known(self, key: "tuple[int, int, int]") -> bool:
        """Tell whether this is the request last answered, or the one in hand, sent again."""
        return key in (self.reply.key, self._job_key)

    def _carry_out(self, key: "tuple[int, int, int]", body: "bytes | memoryview") -> None:
        """Do what a request asks, and queue its answer unless that comes later."""
        kind = key[0]
        self._guard.speaker = self.visitor
        try:
            if kind not in self._handlers and kind not in self._more:
                raise Refused(layout.ERROR_UNKNOWN, "this board knows no request 0x%02x" % kind)
            if self._guard.is_leaving and kind not in _TO_THE_END:
                raise Refused(layout.ERROR_BUSY, "the board is about to start again")
            self.visitor.expect(access.NEEDS.get(kind, 0))
            self._seq = key[1]
            if kind in self._more:
                length = self._more[kind](self, body)
            else:
                length = self._handlers[kind](body)
            if length == LATER:
                self._job_key = key
                self._job_counter = self._counter()
            else:
                self._queue(key, kind | layout.REPLY, length, self._counter())
        except Refused as refusal:
            self._refuse(key, refusal.code, refusal.text, self._counter())
        except (KeyError, IndexError):
            self._refuse(
                key, layout.ERROR_CHANGED, "a file went away; list again", self._counter()
            )
        except (OSError, MemoryError) as error:
            self._refuse(key, _code_of(error), str(error), self._counter())
        finally:
            self._guard.speaker = None

    def _counter(self) -> int:
        """Return what the reply to the request in hand is counted by."""
        return 0 if self._envelope is None else self._envelope.counter

    def poll(self, out: "Out") -> bool:
        """Do one slice of work and send at most one frame; True while more could be done now."""
        reply = self.reply
        if reply.is_due:
            if out.send(reply.frame, reply.length):
                reply.is_due = False
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
        elif self._work is not None:
            return self._answer_work(self._work)
        return result != transfer.IDLE

    def _answer_job(self, result: int) -> None:
        """Queue the reply to a READ or HASH whose slices are done."""
        key = self._job_key
        self._job_key = NO_KEY
        counter = self._job_counter
        job = self._transfer
        if result == transfer.HASHED:
            length = self.reply.put(layout.HASH_REPLY, job.sha256.digest())
            self._queue(key, key[0] | layout.REPLY, length, counter)
        elif result == transfer.PREFIX_HELD:
            self._queue(
                key,
                key[0] | layout.REPLY,
                self.reply.put(layout.READ_REPLY, self._transfer.xfer, self._transfer.total),
                counter,
            )
        elif result == transfer.PREFIX_WRONG:
            self._refuse(
                key, layout.ERROR_CHANGED, "the bytes you hold are not this file's", counter
            )
        else:
            self._refuse(key, job.status, "the file could not be read to its end", counter)

    def _answer_work(self, work: "Callable[[], int | None]") -> bool:
        """Go on with a request in hand; True while more could be done now, or it is answered."""
        self._guard.speaker = self.visitor
        try:
            length = work()
        except Refused as refusal:
            self._end_work(refusal.code, refusal.text)
            return True
        except (OSError, MemoryError, ValueError) as error:
            self._end_work(_code_of(error), str(error))
            return True
        finally:
            self._guard.speaker = None
        if length is None or length == LATER:
            return length is not None
        key = self._job_key
        self._work = None
        self._job_key = NO_KEY
        self._queue(key, key[0] | layout.REPLY, length, self._job_counter)
        return True

    def _end_work(self, code: int, text: str) -> None:
        """Answer the request in hand with an error."""
        self._work = None
        self._refuse(self._job_key, code, text, self._job_counter)
        self._job_key = NO_KEY

    def _queue(self, key: "tuple[int, int, int]", kind: int, length: int, counter: int) -> None:
        """Queue the body that stands in the reply, tagged where the conversation asks for it."""
        envelope = None if key[0] in _UNTAGGED else self._envelope
        self.reply.queue(key, kind, length, counter, envelope)

    def _put_read_reply(self) -> int:
        return self.reply.put(layout.READ_REPLY, self._transfer.xfer, self._transfer.total)

    def _refuse(self, key: "tuple[int, int, int]", code: int, text: str, counter: int) -> None:
        """Queue an error."""
        self._queue(key, layout.MSG_ERROR, self.reply.put_error(code, text), counter)

    # --- what handlers from outside ask --------------------------------------------------------

    def room_bytes(self) -> int:
        """Return how long the body of a reply may be in this conversation."""
        room = min(self._session_body_max, REPLY_BODY_MAX_BYTES)
        return room if self._envelope is None else room - layout.SESSION_TAG.size

    def expect_idle(self) -> None:
        """Refuse while an earlier request is worked on."""
        if self._job_key != NO_KEY:
            raise Refused(layout.ERROR_BUSY, "another request is worked on")

    def work_on(self, work: "Callable[[], int | None]") -> int:
        """Have `work` called at each poll until it returns the length of the reply it put.

        Until then it returns None, or LATER to be called again at once. It may raise what a
        handler raises, and ValueError for "not now".
        """
        self._work = work
        return LATER

    def expect_allowance(self) -> None:
        """Refuse, for now, one more request that writes to the flash."""
        known = self.visitor.in_hand or self.visitor.is_proven
        allowance = self._known_writes if known else self._stranger_writes
        if not allowance.take(self.device.ticks_ms()):
            wait_s = (KNOWN_WRITES_EVERY_MS if known else STRANGER_WRITES_EVERY_MS) // 1000
            raise Refused(layout.ERROR_BUSY, "it was told too much; ask again in %d s" % wait_s)

    def _expect_no_work(self) -> None:
        if self._work is not None:
            raise Refused(layout.ERROR_BUSY, "another request is worked on")

    # --- requests: each takes a body and returns the length of its reply's ---------------------

    def _hello(self, body: "bytes | memoryview") -> int:
        protocol, _reserved, body_max, _nonce = fields_of(layout.HELLO, body)
        if protocol != PROTOCOL_VERSION:
            raise Refused(layout.ERROR_VERSION, "this board speaks version %d" % PROTOCOL_VERSION)
        if body_max < BODY_MIN_BYTES:
            raise Refused(layout.ERROR_RANGE, "body_max is below %d" % BODY_MIN_BYTES)
        self.drop()
        self._open = True
        self._session_body_max = min(body_max, self._body_max)
        self._transfer.set_body_max(self._session_body_max)
        self.reply.allow(self._session_body_max)
        length = self.reply.put(
            layout.HELLO_REPLY,
            PROTOCOL_VERSION,
            FORMAT_VERSION,
            self._body_max,
            self.device.features,
            self._guard.device_id,
            self._random_bytes(8),
        )
        self.visitor.greet(bytes(body), self.reply.body(length))
        return length

    def _status(self, body: "bytes | memoryview") -> int:
        expect_empty(body)
        return self.reply.put(layout.STATUS_REPLY, *self.device.status())

    def _time(self, body: "bytes | memoryview") -> int:
        utc_s, utc_ms, error_ms = fields_of(layout.TIME, body)
        if utc_ms > 999 or utc_s == layout.UTC_UNKNOWN:
            raise Refused(layout.ERROR_RANGE, "there is no such time")
        by_token = self.visitor.sets_by_token()
        if by_token:
            self._guard.expect_small_step(utc_s)
        self.expect_allowance()
        try:
            before = self.device.set_time(utc_s, utc_ms, error_ms)
        except ValueError as error:
            raise Refused(layout.ERROR_RANGE, str(error))
        self._guard.note_time(utc_s, by_token=by_token)
        return self.reply.put(layout.TIME_REPLY, *before)

    def _list(self, body: "bytes | memoryview") -> int:
        first, most = fields_of(layout.LIST, body)
        total = self._store.list_count()
        room = self.room_bytes() - layout.LIST_REPLY.size
        count = max(0, min(most, total - first, room // layout.LIST_ENTRY.size))
        length = self.reply.put(layout.LIST_REPLY, total, first, count)
        for index in range(first, first + count):
            entry = self._store.list_entry(index)
            length = self.reply.put_behind(length, layout.LIST_ENTRY, *entry)
        return length

    def _read(self, body: "bytes | memoryview") -> int:
        run, file, etag, offset, length, prefix_crc, credit = fields_of(layout.READ, body)
        reader = self._open_file(run, file, etag, offset)
        if self._packet_out is not None:
            self._transfer.set_packet_max(self._packet_max)
        self._transfer.use_envelope(self._envelope)
        if self._transfer.read(reader, self._seq, offset, length, prefix_crc, credit):
            return self._put_read_reply()
        return LATER

    def _hash(self, body: "bytes | memoryview") -> int:
        run, file, etag, offset, length = fields_of(layout.HASH, body)
        reader = self._open_file(run, file, etag, offset)
        if length > reader.size - offset:
            reader.close()
            raise Refused(layout.ERROR_RANGE, "the file has only %d bytes" % reader.size)
        self._transfer.hash(reader, offset, length)
        return LATER

    def _open_file(self, run: int, file: int, etag: int, offset: int) -> "transfer.Reader":
        """Open one file of the log; whatever was being sent ends first."""
        self._expect_no_work()
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
        if self._work is None:
            self._job_key = NO_KEY

    def _abort(self, body: "bytes | memoryview") -> int:
        expect_empty(body)
        self._end_job()
        return 0

    def _seal(self, body: "bytes | memoryview") -> int:
        expect_empty(body)
        self.expect_allowance()
        blocks, chain = self._store.seal()
        return self.reply.put(layout.SEAL_REPLY, blocks, chain)

    def _mark(self, body: "bytes | memoryview") -> int:
        self.expect_allowance()
        try:
            self.device.mark(bytes(body))
        except ValueError as error:
            raise Refused(layout.ERROR_MALFORMED, str(error))
        return 0

    def _confirm(self, body: "bytes | memoryview") -> int:
        run, blocks, chain, utc_s = fields_of(layout.CONFIRM, body)
        self.expect_allowance()
        if not self._store.confirm(run, blocks, chain, utc_s):
            raise Refused(layout.ERROR_NOT_ALLOWED, "that is not the chain of this run")
        return 0

    def _stop(self, body: "bytes | memoryview") -> int:
        expect_empty(body)
        self.device.stop()
        return 0

    def _auth(self, body: "bytes | memoryview") -> int:
        visitor = self.visitor
        auth = bytes(body)
        if visitor.is_this(auth):  # sent again
            return self.reply.put(layout.AUTH_REPLY, visitor.answer)
        self._expect_no_work()
        self._end_job()  # what was begun before has no tags, or others
        if self._envelope is not None:
            self._counted = self._envelope.counter
            self._envelope = None
        try:
            answer, secret, said = visitor.prove(auth, self.device.features)
            is_secret = auth[layout.AT_AUTH_FLAGS] & layout.AUTH_SECRET != 0
            keys = SessionKeys(secret, said, self._xor)
            self._envelope = Envelope(keys, self._counted, is_secret=is_secret)
        except (OSError, MemoryError):
            visitor.forget()  # a role whose requests have no tags would be anybody's
            raise
        return self.reply.put(layout.AUTH_REPLY, answer)


def _code_of(error: Exception) -> int:
    """Return the error code for what kept the board from carrying a request out."""
    full = isinstance(error, OSError) and error.errno == _ENOSPC
    return layout.ERROR_MEMORY_FULL if full else layout.ERROR_BUSY
