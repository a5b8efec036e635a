"""The conversation of one pull: every message's body, and who may say what when.

Place in the line: layout, events, frame -> session. No I/O and no clock: a program tells a
`Conversation` which frames it sent and received, and learns whose fault a wrong one is. The tables
are the rules of protocol/SPEC.md 7.6; the host's pull and the board's server each keep them in
their own way, and tests hold both to these tables. Who holds the keys of a proven conversation
takes the tag off each body, and deciphers it, before it comes here (session_keys.py).
"""

import struct

from dewarlog_wire import events
from dewarlog_wire.errors import BlockError, FrameError, LocalMisuse, PeerViolation
from dewarlog_wire.layout import (
    ACK,
    AUTH,
    AUTH_REPLY,
    CONFIRM,
    DATA_HEAD,
    END,
    ERASE,
    ERASE_REPLY,
    ERROR,
    EVENT_SELFTEST,
    EVENT_TEXTS,
    GET,
    GET_REPLY,
    HANDOFF_REPLY,
    HASH,
    HASH_REPLY,
    HELLO,
    HELLO_REPLY,
    KEY,
    KEY_REPLY,
    KIND_ACKNOWLEDGE,
    KIND_CUSTODY,
    KIND_HANDOFF,
    KIND_PROFILE,
    LIST,
    LIST_ENTRY,
    LIST_REPLY,
    LIVE_REPLY,
    LOCK,
    MSG_ABORT,
    MSG_ACK,
    MSG_ACKNOWLEDGE,
    MSG_AUTH,
    MSG_CONFIRM,
    MSG_DATA,
    MSG_END,
    MSG_ERASE,
    MSG_ERROR,
    MSG_GET,
    MSG_HANDOFF,
    MSG_HASH,
    MSG_HELLO,
    MSG_KEY,
    MSG_LIST,
    MSG_LIVE,
    MSG_LOCK,
    MSG_MARK,
    MSG_PUBLIC,
    MSG_PUT,
    MSG_PUT_END,
    MSG_RADIO,
    MSG_READ,
    MSG_SEAL,
    MSG_SEAL_KEY,
    MSG_SEED,
    MSG_SELFTEST,
    MSG_SIGN,
    MSG_STATUS,
    MSG_STOP,
    MSG_TIME,
    PUBLIC_REPLY,
    PUT,
    PUT_END,
    RADIO,
    READ,
    READ_REPLY,
    REPLY,
    SEAL_KEY_REPLY,
    SEAL_REPLY,
    SEED,
    SELFTEST,
    SELFTEST_REPLY,
    SIGN,
    SIGN_REPLY,
    STATUS_REPLY,
    TIME,
    TIME_REPLY,
    Record,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Readable = bytes | bytearray | memoryview

# --- Message bodies ---------------------------------------------------------------------------
EMPTY = Record("empty")
# Bodies that are one record and nothing else. AUTH, DATA, ERROR, PUT, PUT_END and the replies to
# LIST, GET and SELFTEST go on behind their record; MARK, HANDOFF and ACKNOWLEDGE are the bodies of
# events.
BODIES = {
    MSG_HELLO: HELLO,
    MSG_HELLO | REPLY: HELLO_REPLY,
    MSG_STATUS: EMPTY,
    MSG_STATUS | REPLY: STATUS_REPLY,
    MSG_TIME: TIME,
    MSG_TIME | REPLY: TIME_REPLY,
    MSG_LIST: LIST,
    MSG_READ: READ,
    MSG_READ | REPLY: READ_REPLY,
    MSG_ACK: ACK,
    MSG_ABORT: EMPTY,
    MSG_ABORT | REPLY: EMPTY,
    MSG_HASH: HASH,
    MSG_HASH | REPLY: HASH_REPLY,
    MSG_SEAL: EMPTY,
    MSG_SEAL | REPLY: SEAL_REPLY,
    MSG_MARK | REPLY: EMPTY,
    MSG_CONFIRM: CONFIRM,
    MSG_CONFIRM | REPLY: EMPTY,
    MSG_STOP: EMPTY,
    MSG_STOP | REPLY: EMPTY,
    MSG_AUTH | REPLY: AUTH_REPLY,
    MSG_HANDOFF | REPLY: HANDOFF_REPLY,
    MSG_RADIO: RADIO,
    MSG_RADIO | REPLY: EMPTY,
    MSG_KEY: KEY,
    MSG_KEY | REPLY: KEY_REPLY,
    MSG_SEAL_KEY: EMPTY,
    MSG_SEAL_KEY | REPLY: SEAL_KEY_REPLY,
    MSG_LOCK: LOCK,
    MSG_LOCK | REPLY: EMPTY,
    MSG_SIGN: SIGN,
    MSG_SIGN | REPLY: SIGN_REPLY,
    MSG_PUBLIC: EMPTY,
    MSG_PUBLIC | REPLY: PUBLIC_REPLY,
    MSG_ACKNOWLEDGE | REPLY: EMPTY,
    MSG_LIVE: EMPTY,
    MSG_LIVE | REPLY: LIVE_REPLY,
    MSG_GET: GET,
    MSG_PUT | REPLY: EMPTY,
    MSG_PUT_END | REPLY: EMPTY,
    MSG_SELFTEST: SELFTEST,
    MSG_ERASE: ERASE,
    MSG_ERASE | REPLY: ERASE_REPLY,
    MSG_SEED: SEED,
    MSG_SEED | REPLY: EMPTY,
    MSG_END: END,
}
# Bodies with bytes behind their record, at least so many.
_WITH_BYTES = {
    MSG_AUTH: (AUTH, 0),
    MSG_DATA: (DATA_HEAD, 1),
    MSG_GET | REPLY: (GET_REPLY, 0),
    MSG_PUT: (PUT, 1),
}
# Replies that end with a count, and behind it as many entries: head, entry.
_LISTS = {
    MSG_LIST | REPLY: (LIST_REPLY, LIST_ENTRY),
    MSG_SELFTEST | REPLY: (SELFTEST_REPLY, EVENT_SELFTEST),
}
# Requests that carry the body of an event with texts.
_TEXTS_OF = {
    MSG_MARK: KIND_CUSTODY,
    MSG_HANDOFF: KIND_HANDOFF,
    MSG_ACKNOWLEDGE: KIND_ACKNOWLEDGE,
}


def pack_body(kind: int, *values: "Any") -> bytes:  # noqa: ANN401 - each kind has its own
    """Return the body of one message, from the values `unpack_body` returns for it."""
    texts_of = _TEXTS_OF.get(kind)
    if texts_of is not None:
        count = len(EVENT_TEXTS[texts_of])
        return events.texts_body(texts_of, values[:-count], values[-count:])
    if kind == MSG_PUT_END:
        return struct.pack(PUT_END.format, values[0]) + events.texts_body(
            KIND_PROFILE, values[1:-2], values[-2:]
        )
    if kind == MSG_ERROR:
        return struct.pack(ERROR.format, values[0]) + values[1].encode()
    if kind in _WITH_BYTES:
        return struct.pack(_WITH_BYTES[kind][0].format, *values[:-1]) + values[-1]
    if kind in _LISTS:
        head, one = _LISTS[kind]
        entries = values[2:]
        body = struct.pack(head.format, values[0], values[1], len(entries))
        return body + b"".join([struct.pack(one.format, *entry) for entry in entries])
    return struct.pack(BODIES[kind].format, *values)


def unpack_body(kind: int, body: "Readable") -> "tuple[Any, ...]":
    """Return the values of one message's body, or raise FrameError with fault `message`.

    ERROR gives (code, text); DATA (xfer, flags, offset, bytes); AUTH (key, flags, proof, caveats),
    the caveats as they came (token.py reads them); PUT and GET's reply their record's fields and
    the bytes behind; LIST's and SELFTEST's reply (total, from_index, entry, entry, ...); MARK,
    HANDOFF and ACKNOWLEDGE the event and its texts, PUT_END (total, the event and its texts);
    every other its record's fields.
    A SESSION_TAG, where there is one, was taken off before.
    """
    body = bytes(body)
    texts_of = _TEXTS_OF.get(kind)
    if texts_of is not None:
        return _texts(texts_of, body)
    if kind == MSG_PUT_END:
        _need(len(body) >= PUT_END.size, kind, body)
        total = struct.unpack_from(PUT_END.format, body, 0)
        return total + _texts(KIND_PROFILE, body[PUT_END.size :])
    if kind == MSG_ERROR:
        _need(len(body) >= ERROR.size, kind, body)
        try:
            return struct.unpack_from(ERROR.format, body, 0) + (str(body[1:], "utf-8"),)
        except UnicodeError:
            raise FrameError("message", "the text of an ERROR is not UTF-8")
    if kind in _WITH_BYTES:
        head, fewest = _WITH_BYTES[kind]
        _need(len(body) >= head.size + fewest, kind, body)
        return struct.unpack_from(head.format, body, 0) + (body[head.size :],)
    if kind in _LISTS:
        head, one = _LISTS[kind]
        _need(len(body) >= head.size, kind, body)
        total, from_index, count = struct.unpack_from(head.format, body, 0)
        _need(len(body) == head.size + count * one.size, kind, body)
        return (total, from_index) + tuple(
            [struct.unpack_from(one.format, body, head.size + n * one.size) for n in range(count)]
        )
    record = BODIES.get(kind)
    if record is None:
        raise FrameError("message", f"no message has kind 0x{kind:02x}; is the other end newer?")
    _need(len(body) == record.size, kind, body)
    return struct.unpack(record.format, body)


def _texts(event_kind: int, body: bytes) -> "tuple[Any, ...]":
    try:
        return events.read_texts_body(event_kind, body)
    except BlockError as error:
        raise FrameError("message", str(error))


def _need(holds: bool, kind: int, body: bytes) -> None:
    if not holds:
        raise FrameError(
            "message", f"message 0x{kind:02x} cannot have a body of {len(body)} bytes"
        )


# --- Who may say what when --------------------------------------------------------------------
HOST = "host"
BOARD = "board"

# Asking. A request and its reply stand beside a transfer: a host may ask for STATUS between DATA.
SILENT = "silent"  # no HELLO yet: the board says nothing
GREETING = "greeting"  # HELLO is asked
READY = "ready"  # nothing is asked
ASKED = "asked"

# Transfer.
NONE = "none"
STREAMING = "streaming"  # between the reply to READ and END
ENDED = "ended"  # END was sent; the board repeats it when an ACK says the host still waits

# (who speaks, what): {state of asking: state after}. What is missing is a violation.
ASKING_TABLE = {
    (HOST, "hello"): {SILENT: GREETING, GREETING: GREETING, READY: GREETING, ASKED: GREETING},
    (HOST, "request"): {READY: ASKED, ASKED: ASKED},
    (BOARD, "reply"): {GREETING: READY, ASKED: READY},
    (BOARD, "error"): {GREETING: SILENT, ASKED: READY},
    # A reply that comes twice, or after the host stopped waiting, is ignored.
    (BOARD, "late reply"): {GREETING: GREETING, READY: READY, ASKED: ASKED},
}
# The same for the transfer: {state of transfer: state after}.
TRANSFER_TABLE = {
    (HOST, "hello"): {NONE: NONE, STREAMING: NONE, ENDED: NONE},
    (HOST, "abort"): {NONE: NONE, STREAMING: NONE, ENDED: NONE},
    (BOARD, "begin"): {NONE: STREAMING, STREAMING: STREAMING, ENDED: STREAMING},
    (BOARD, "data"): {STREAMING: STREAMING},
    (BOARD, "end"): {STREAMING: ENDED, ENDED: ENDED},
    (HOST, "ack"): {STREAMING: STREAMING, ENDED: ENDED},
    # Frames of a transfer that was aborted or replaced may still be on their way.
    (BOARD, "late"): {NONE: NONE, STREAMING: STREAMING, ENDED: ENDED},
}


class Conversation:
    """Judges one conversation as either end sees it: call `sent` and `received` for every frame.

    `asking` and `transfer` are the states of the two tables; `xfer`, `next_offset`, `limit` and
    `end_offset` say where the transfer stands: the byte due next, the byte up to which the host
    has granted, and the byte where it ends. `gap` is true from a DATA frame that skipped bytes to
    the next READ: the bytes before it were lost on the link, which is nobody's fault.
    """

    def __init__(self, role: str) -> None:
        """Begin before HELLO, as HOST or as BOARD."""
        self.role = role
        self.asking = SILENT
        self.transfer = NONE
        self._kind = 0  # of the request that is asked
        self._seq = 0
        self._read: "tuple[int, ...]" = (0, 0, 0)  # offset, length and credit of the READ asked
        self.xfer = 0
        self.next_offset = 0
        self.limit = 0
        self.end_offset = 0
        self.gap = False

    def sent(self, kind: int, seq: int, body: "Readable") -> "tuple[Any, ...]":
        """Judge a frame before it is sent; return its values. LocalMisuse: do not send it."""
        return self._judge(self.role, kind, seq, body)

    def received(self, kind: int, seq: int, body: "Readable") -> "tuple[Any, ...]":
        """Judge a frame that arrived; return its values.

        FrameError: the body is not what its kind demands. PeerViolation: not allowed now.
        """
        return self._judge(BOARD if self.role == HOST else HOST, kind, seq, body)

    def _judge(self, who: str, kind: int, seq: int, body: "Readable") -> "tuple[Any, ...]":
        values = unpack_body(kind, body)
        if who == HOST:
            self._host_says(kind, seq, values)
        else:
            self._board_says(kind, seq, values)
        return values

    def _host_says(self, kind: int, seq: int, values: "tuple[Any, ...]") -> None:
        if kind >= MSG_DATA:
            raise self._blame(HOST, f"0x{kind:02x} is the board's to say")
        if kind == MSG_ACK:
            self._ack(*values)
            return
        what = "hello" if kind == MSG_HELLO else "request"
        self.asking = self._step(ASKING_TABLE, HOST, what, self.asking)
        self._kind = kind
        self._seq = seq
        if kind == MSG_HELLO:
            self.transfer = self._step(TRANSFER_TABLE, HOST, "hello", self.transfer)
        elif kind == MSG_ABORT:
            self.transfer = self._step(TRANSFER_TABLE, HOST, "abort", self.transfer)
        elif kind == MSG_READ:
            self._read = (values[3], values[4], values[6])

    def _ack(self, xfer: int, next_offset: int, credit: int) -> None:
        state = self._step(TRANSFER_TABLE, HOST, "ack", self.transfer)
        if xfer != self.xfer:
            return  # of a transfer that has ended
        # The board has sent what the host may not have received yet: it judges the bound only.
        if next_offset > self.next_offset:
            raise self._blame(
                HOST, f"ACK of byte {next_offset}; only {self.next_offset} were sent"
            )
        self.limit = max(self.limit, min(self.end_offset, next_offset + credit))
        self.transfer = state

    def _board_says(self, kind: int, seq: int, values: "tuple[Any, ...]") -> None:
        if kind < MSG_DATA:
            raise self._blame(BOARD, f"0x{kind:02x} is the host's to say")
        is_answer = seq == self._seq and kind in (MSG_HELLO | REPLY, MSG_ERROR)
        if self.role == HOST and self.asking in (SILENT, GREETING) and not is_answer:
            return  # meant for a host that was here before
        if kind in (MSG_DATA, MSG_END):
            self._stream(kind, values)
            return
        due = seq == self._seq and self.asking in (GREETING, ASKED)
        if kind == MSG_ERROR:
            what = "error" if due else "late reply"
        else:
            due = due and kind == self._kind | REPLY
            what = "reply" if due else "late reply"
        self.asking = self._step(ASKING_TABLE, BOARD, what, self.asking)
        if due and kind == MSG_READ | REPLY:
            self._begin(*values)

    def _begin(self, xfer: int, length: int) -> None:
        offset, asked, credit = self._read
        if length > asked:
            raise self._blame(BOARD, f"asked for {asked} bytes, it offers {length}")
        self.transfer = self._step(TRANSFER_TABLE, BOARD, "begin", self.transfer)
        self.xfer = xfer
        self.next_offset = offset
        self.end_offset = offset + length
        self.limit = min(self.end_offset, offset + credit)
        self.gap = False

    def _stream(self, kind: int, values: "tuple[Any, ...]") -> None:
        if values[0] != self.xfer or self.transfer == NONE:
            if self.role == BOARD:
                raise self._blame(BOARD, f"there is no transfer {values[0]}")
            self._step(TRANSFER_TABLE, BOARD, "late", self.transfer)
            return
        what = "data" if kind == MSG_DATA else "end"
        state = self._step(TRANSFER_TABLE, BOARD, what, self.transfer)
        offset = values[2]
        after = offset + len(values[3]) if kind == MSG_DATA else offset
        if after > self.limit:
            raise self._blame(
                BOARD, f"bytes up to {after} were sent; only {self.limit} are granted"
            )
        if offset > self.next_offset:
            self.gap = True
        elif not self.gap:
            self.next_offset = max(self.next_offset, after)
        self.transfer = state

    def _step(self, table: "dict[Any, Any]", who: str, what: str, state: str) -> str:
        after = table[who, what].get(state)
        if after is None:
            raise self._blame(who, f"{what} has no place while the conversation is {state}")
        return after

    def _blame(self, who: str, message: str) -> "LocalMisuse | PeerViolation":
        if who == self.role:
            return LocalMisuse("session", f"not allowed now: {message}")
        return PeerViolation("session", f"the {who} broke the rules: {message}")
