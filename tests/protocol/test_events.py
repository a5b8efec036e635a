"""Events: every kind comes back; texts are bounded and are UTF-8."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dewarlog_wire import events, layout
from dewarlog_wire.errors import BlockError

CUSTODY_TEXTS = layout.EVENT_TEXTS[layout.KIND_CUSTODY]
_RANGES = {"B": (0, 255), "H": (0, 65535), "h": (-32768, 32767), "I": (0, 2**32 - 1)}
TEXT = st.text(max_size=15)  # at most 4 bytes a character: 60


@st.composite
def entries(draw: st.DrawFn) -> tuple[int, int, int, tuple[object, ...]]:
    """Draw one event: kind, uptime_s, uptime_ms, body."""
    kind = draw(st.sampled_from(sorted(layout.EVENTS)))
    body = tuple(draw(_value(code)) for _, code, _, _ in layout.EVENTS[kind].fields)
    body += tuple(draw(TEXT) for _ in layout.EVENT_TEXTS.get(kind, ()))
    return kind, draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 999)), body


def _value(code: str) -> st.SearchStrategy[int | bytes]:
    if code.endswith("s"):
        count = int(code[:-1])
        return st.binary(min_size=count, max_size=count)
    return st.integers(*_RANGES[code])


@given(st.lists(entries(), max_size=6), st.integers(0, 2**32 - 10))
@example([(layout.KIND_CUSTODY, 5, 0, (2, 210_000_000, "courier 7", "gate 4", ""))], 0)
@settings(deadline=None)
def test_events_come_back_numbered(
    listed: list[tuple[int, int, int, tuple[object, ...]]], first: int
) -> None:
    """Every kind, every field, numbers counting on from the first."""
    buffer = bytearray(6 * events.EVENT_MAX_BYTES + layout.EVENTS_HEAD.size)
    struct.pack_into(layout.EVENTS_HEAD.format, buffer, 0, first, len(listed))
    end = layout.EVENTS_HEAD.size
    for kind, uptime_s, uptime_ms, body in listed:
        end = events.pack_event_into(buffer, end, kind, uptime_s, uptime_ms, body)

    assert list(events.read_events(buffer, 0, end)) == [
        (first + number, *entry) for number, entry in enumerate(listed)
    ]


@given(st.binary(max_size=120))
@settings(max_examples=300)
def test_garbage_is_refused_with_a_block_error(data: bytes) -> None:
    """Any bytes at all: events, or fault `event`."""
    try:
        read = list(events.read_events(data, 0, len(data)))
    except BlockError as error:
        read = []
        fault = error.fault
    else:
        fault = "event"

    assert fault == "event"
    assert len(read) <= len(data) // layout.EVENT_HEAD.size


@pytest.mark.parametrize("kind", sorted(layout.EVENT_TEXTS))
def test_the_longest_entry_with_texts_fits_one_request(kind: int) -> None:
    """Three texts at their limit make a body every link carries."""
    texts = ("a" * layout.EVENT_TEXT_MAX_BYTES[kind],) * 3
    values = tuple(
        bytes(int(code[:-1])) if code.endswith("s") else 1
        for _, code, _, _ in layout.EVENTS[kind].fields
    )
    body = events.texts_body(kind, values, texts)

    assert len(body) <= layout.REQUEST_BODY_MAX_BYTES == layout.BLE_BODY_MAX_BYTES
    assert events.read_texts_body(kind, body) == values + texts


@pytest.mark.parametrize("position", range(3))
def test_a_text_over_the_limit_is_named(position: int) -> None:
    """The message says which text, how long it is and how long it may be."""
    texts = ["", "", ""]
    texts[position] = "\u00e9" * 39  # 78 bytes of UTF-8
    with pytest.raises(BlockError) as caught:
        events.custody_body(2, 1, tuple(texts))

    assert str(caught.value) == (
        f"custody {CUSTODY_TEXTS[position]} is 78 bytes of UTF-8; at most 76 fit: shorten it"
    )


def test_a_custody_entry_has_three_texts() -> None:
    """Fewer or more is the caller's mistake."""
    with pytest.raises(BlockError) as caught:
        events.custody_body(2, 1, ("actor", "place"))

    assert str(caught.value) == "custody takes 3 texts, not 2"
