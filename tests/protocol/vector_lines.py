"""The lines a golden vector is described in, and the file they stand in.

Shared by every reader of vectors; what a value means is theirs. Runs on CPython and MicroPython.
"""

import sys
from binascii import hexlify, unhexlify

from dewarlog_wire import layout, session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


# Requests that carry the body of an event with texts.
TEXTS_OF = {
    layout.MSG_MARK: layout.KIND_CUSTODY,
    layout.MSG_HANDOFF: layout.KIND_HANDOFF,
    layout.MSG_ACKNOWLEDGE: layout.KIND_ACKNOWLEDGE,
}
# Messages with bytes behind their record.
WITH_BYTES = {
    layout.MSG_DATA: layout.DATA_HEAD,
    layout.MSG_PUT: layout.PUT,
    layout.MSG_GET | layout.REPLY: layout.GET_REPLY,
}


# --- the file ---------------------------------------------------------------------------------
def parse_vector(text: str) -> "tuple[dict[str, str], list[str], str]":
    """Return (header, expected lines, data as text) of one vector file."""
    head, _, data = text.partition("\n\n")
    header: "dict[str, str]" = {}
    lines: "list[str]" = []
    for line in head.split("\n"):
        if line.startswith("  "):
            lines.append(line[2:])
        else:
            name, _, value = line.partition(":")
            header[name] = value.strip()
    return header, lines, data


def hex_bytes(text: str) -> bytes:
    """Return the bytes of hex text with free blanks and `#` comments."""
    return unhexlify("".join(["".join(line.split("#")[0].split()) for line in text.split("\n")]))


# --- the lines --------------------------------------------------------------------------------
def show(value: object) -> str:
    """Write one value: a number, quoted text, or hex ('-' for no bytes)."""
    if isinstance(value, str):
        return '"' + value + '"'
    if isinstance(value, (bytes, bytearray, memoryview)):
        return str(hexlify(bytes(value)), "ascii") or "-"
    return str(value)


def line_of(name: str, names: "tuple[str, ...]", values: "tuple[Any, ...]") -> str:
    """Write one line: what was read, then field=value."""
    pairs = [field + "=" + show(value) for field, value in zip(names, values)]
    return " ".join([name] + pairs)


def names_of(record: "layout.Record") -> "tuple[str, ...]":
    """Return the names of a record's fields."""
    return _NAMES.get(record, ())  # one of no fields is not in layout


def _names_by_record() -> "dict[layout.Record, tuple[str, ...]]":
    """Read every record's names from layout; where it is a board's, from its text, as a host."""
    named = vars(layout) if sys.implementation.name == "cpython" else _host_layout()
    return {
        getattr(layout, key): tuple([field[0] for field in value.fields])
        for key, value in named.items()
        if type(value).__name__ == "Record"
    }


def _host_layout() -> "dict[str, Any]":
    with open(layout.__file__) as file:
        text = file.read()
    named: "dict[str, Any]" = {"__name__": "host_layout"}
    exec(text.replace('sys.implementation.name == "micropython"', "False"), named)  # noqa: S102
    return named


_NAMES = _names_by_record()


def record_line(record: "layout.Record", values: "tuple[Any, ...]") -> str:
    """Write one line for one record."""
    return line_of(record.name, names_of(record), values)


def event_names(kind: int) -> "tuple[str, ...]":
    """Return the names of an event's fields and texts."""
    names = names_of(layout.EVENTS[kind]) + layout.EVENT_TEXTS.get(kind, ())
    return names + ("before", "after") if kind == layout.KIND_SETTING else names


def message_line(kind: int, seq: int, values: "tuple[Any, ...]") -> str:
    """Write one line for one message, its kind in hex."""
    if kind in TEXTS_OF:
        names = event_names(TEXTS_OF[kind])
    elif kind == layout.MSG_PUT_END:
        names = ("total",) + event_names(layout.KIND_PROFILE)
    elif kind == layout.MSG_AUTH:
        names = names_of(layout.AUTH) + ("caveats",)
    elif kind == layout.MSG_ERROR:
        names = ("code", "text")
    elif kind in WITH_BYTES:
        names = names_of(WITH_BYTES[kind]) + ("bytes",)
    elif kind in (layout.MSG_LIST | layout.REPLY, layout.MSG_SELFTEST | layout.REPLY):
        entries = [
            " ".join([show(value) for value in entry]).replace(" ", "/") for entry in values[2:]
        ]
        line = "message kind=%02x seq=%d total=%d from_index=%d" % (
            kind,
            seq,
            values[0],
            values[1],
        )
        return " ".join([line] + ["entry=" + entry for entry in entries])
    else:
        names = names_of(session.BODIES[kind])
    return line_of("message kind=%02x seq=%d" % (kind, seq), names, values)
