"""Messages: what the body of each kind of frame holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import construct as c

from dewarlog.parse.event import EVENTS_WITH_TEXTS, check_lengths
from dewarlog.parse.from_table import only, run, struct_of
from dewarlog_wire import layout
from dewarlog_wire.errors import BlockError, FrameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dewarlog.parse.from_table import Construct, Fields

_EMPTY: Final = c.Terminated


_SOME_BYTES: Final = c.ExprValidator(c.GreedyBytes, lambda held, _: len(held) > 0)


# Requests that carry the body of an event with texts.
_TEXTS_OF: Final = {
    layout.MSG_MARK: layout.KIND_CUSTODY,
    layout.MSG_HANDOFF: layout.KIND_HANDOFF,
    layout.MSG_ACKNOWLEDGE: layout.KIND_ACKNOWLEDGE,
    layout.MSG_PUT_END: layout.KIND_PROFILE,  # behind its own record
}


_MESSAGES: Final[Mapping[int, Construct]] = {
    layout.MSG_HELLO: struct_of(layout.HELLO),
    layout.MSG_HELLO | layout.REPLY: struct_of(layout.HELLO_REPLY),
    layout.MSG_STATUS: _EMPTY,
    layout.MSG_STATUS | layout.REPLY: struct_of(layout.STATUS_REPLY),
    layout.MSG_TIME: struct_of(layout.TIME),
    layout.MSG_TIME | layout.REPLY: struct_of(layout.TIME_REPLY),
    layout.MSG_LIST: struct_of(layout.LIST),
    layout.MSG_LIST | layout.REPLY: c.Struct(
        "head" / struct_of(layout.LIST_REPLY),
        "entries" / c.Array(c.this.head.count, struct_of(layout.LIST_ENTRY)),
    ),
    layout.MSG_READ: struct_of(layout.READ),
    layout.MSG_READ | layout.REPLY: struct_of(layout.READ_REPLY),
    layout.MSG_ACK: struct_of(layout.ACK),
    layout.MSG_ABORT: _EMPTY,
    layout.MSG_ABORT | layout.REPLY: _EMPTY,
    layout.MSG_HASH: struct_of(layout.HASH),
    layout.MSG_HASH | layout.REPLY: struct_of(layout.HASH_REPLY),
    layout.MSG_SEAL: _EMPTY,
    layout.MSG_SEAL | layout.REPLY: struct_of(layout.SEAL_REPLY),
    layout.MSG_MARK: EVENTS_WITH_TEXTS[layout.KIND_CUSTODY],
    layout.MSG_MARK | layout.REPLY: _EMPTY,
    layout.MSG_CONFIRM: struct_of(layout.CONFIRM),
    layout.MSG_CONFIRM | layout.REPLY: _EMPTY,
    layout.MSG_STOP: _EMPTY,
    layout.MSG_STOP | layout.REPLY: _EMPTY,
    layout.MSG_AUTH: c.Struct("head" / struct_of(layout.AUTH), "caveats" / c.GreedyBytes),
    layout.MSG_AUTH | layout.REPLY: struct_of(layout.AUTH_REPLY),
    layout.MSG_HANDOFF: EVENTS_WITH_TEXTS[layout.KIND_HANDOFF],
    layout.MSG_HANDOFF | layout.REPLY: struct_of(layout.HANDOFF_REPLY),
    layout.MSG_RADIO: struct_of(layout.RADIO),
    layout.MSG_RADIO | layout.REPLY: _EMPTY,
    layout.MSG_KEY: struct_of(layout.KEY),
    layout.MSG_KEY | layout.REPLY: struct_of(layout.KEY_REPLY),
    layout.MSG_SEAL_KEY: _EMPTY,
    layout.MSG_SEAL_KEY | layout.REPLY: struct_of(layout.SEAL_KEY_REPLY),
    layout.MSG_LOCK: struct_of(layout.LOCK),
    layout.MSG_LOCK | layout.REPLY: _EMPTY,
    layout.MSG_SIGN: struct_of(layout.SIGN),
    layout.MSG_SIGN | layout.REPLY: struct_of(layout.SIGN_REPLY),
    layout.MSG_PUBLIC: _EMPTY,
    layout.MSG_PUBLIC | layout.REPLY: struct_of(layout.PUBLIC_REPLY),
    layout.MSG_ACKNOWLEDGE: EVENTS_WITH_TEXTS[layout.KIND_ACKNOWLEDGE],
    layout.MSG_ACKNOWLEDGE | layout.REPLY: _EMPTY,
    layout.MSG_LIVE: _EMPTY,
    layout.MSG_LIVE | layout.REPLY: struct_of(layout.LIVE_REPLY),
    layout.MSG_GET: struct_of(layout.GET),
    layout.MSG_GET | layout.REPLY: c.Struct(
        "head" / struct_of(layout.GET_REPLY), "bytes" / c.GreedyBytes
    ),
    layout.MSG_PUT: c.Struct("head" / struct_of(layout.PUT), "bytes" / _SOME_BYTES),
    layout.MSG_PUT | layout.REPLY: _EMPTY,
    layout.MSG_PUT_END: c.Struct(
        "head" / struct_of(layout.PUT_END),
        "event" / EVENTS_WITH_TEXTS[layout.KIND_PROFILE],
    ),
    layout.MSG_PUT_END | layout.REPLY: _EMPTY,
    layout.MSG_SELFTEST: struct_of(layout.SELFTEST),
    layout.MSG_SELFTEST | layout.REPLY: c.Struct(
        "head" / struct_of(layout.SELFTEST_REPLY),
        "entries" / c.Array(c.this.head.count, struct_of(layout.EVENT_SELFTEST)),
    ),
    layout.MSG_ERASE: struct_of(layout.ERASE),
    layout.MSG_ERASE | layout.REPLY: struct_of(layout.ERASE_REPLY),
    layout.MSG_SEED: struct_of(layout.SEED),
    layout.MSG_SEED | layout.REPLY: _EMPTY,
    layout.MSG_DATA: c.Struct("head" / struct_of(layout.DATA_HEAD), "bytes" / _SOME_BYTES),
    layout.MSG_END: struct_of(layout.END),
    layout.MSG_ERROR: c.Struct("head" / struct_of(layout.ERROR), "text" / c.GreedyString("utf8")),
}


def parse_message(kind: int, body: bytes) -> Fields:
    """Read the body of one message.

    Raises:
        FrameError: fault message.
    """
    if kind not in _MESSAGES:
        message = f"no message has kind 0x{kind:02x}"
        raise FrameError("message", message)
    what = f"message 0x{kind:02x}"
    fields = run(only(_MESSAGES[kind]), body, FrameError, "message", what)
    event = fields["event"] if kind == layout.MSG_PUT_END else fields
    if kind in _TEXTS_OF:
        try:
            check_lengths(_TEXTS_OF[kind], event)
        except BlockError as cause:
            raise FrameError("message", str(cause)) from cause
    return fields or {}
