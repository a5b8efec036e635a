"""Events: the body of each kind, and how long their texts and payloads may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import construct as c

from dewarlog.parse.from_table import only, run, struct_of, type_of
from dewarlog_wire import layout
from dewarlog_wire.errors import BlockError

if TYPE_CHECKING:
    from dewarlog.parse.from_table import Fields

EVENTS_WITH_TEXTS: Final = {
    kind: c.Struct(
        *(name / type_of(code) for name, code, _, _ in layout.EVENTS[kind].fields),
        *(name / c.PascalString(c.Int8ul, "utf8") for name in names),
    )
    for kind, names in layout.EVENT_TEXTS.items()
}


# How long texts and payloads may be: from the document, not from the table, so that a limit is
# written twice as well (DESIGN, "Two readers").
_TEXT_MAX_BYTES: Final = {
    layout.KIND_CUSTODY: 76,
    layout.KIND_HANDOFF: 63,
    layout.KIND_ACKNOWLEDGE: 76,
    layout.KIND_ACCESS: 32,
    layout.KIND_PROFILE: 76,
}


_SETTING_PART_MAX_BYTES: Final = 120


_SETTING: Final = c.Struct(
    *(name / type_of(code) for name, code, _, _ in layout.EVENT_SETTING.fields),
    "before" / c.Bytes(c.this.before_bytes),
    "after" / c.GreedyBytes,
)


_EVENTS_THAT_GO_ON: Final = {**EVENTS_WITH_TEXTS, layout.KIND_SETTING: _SETTING}


_EVENT_BODIES: Final = {
    kind: only(_EVENTS_THAT_GO_ON.get(kind) or struct_of(record))
    for kind, record in layout.EVENTS.items()
}


EVENT: Final = c.Struct(
    "head" / struct_of(layout.EVENT_HEAD),
    "body"
    / c.FixedSized(
        c.this.head.length,
        c.Switch(c.this.head.kind, _EVENT_BODIES, default=c.Struct("bytes" / c.GreedyBytes)),
    ),
)


def parse_event(data: bytes) -> Fields:
    """Read one event, head and body, as a journal record holds it.

    Raises:
        BlockError: fault event.
    """
    event: Fields = run(only(EVENT), data, BlockError, "event", "event")
    check_lengths(event["head"]["kind"], event["body"])
    return event


def check_lengths(kind: int, body: Fields) -> None:
    """Refuse texts and payloads of an event that are longer than the document allows."""
    most = _TEXT_MAX_BYTES.get(kind, 0)
    for name in layout.EVENT_TEXTS.get(kind, ()):
        if len(body[name].encode()) > most:
            message = f"the {name} of an event of kind {kind} is over {most} bytes"
            raise BlockError("event", message)
    if kind == layout.KIND_SETTING:
        longest = max(len(body["before"]), len(body["after"]))
        if longest > _SETTING_PART_MAX_BYTES:
            message = f"a payload of a setting has {longest} bytes"
            raise BlockError("event", message)
