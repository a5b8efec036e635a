"""Events: every kind comes back; texts are bounded and are UTF-8."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dewarlog_wire import events, layout
from dewarlog_wire.errors import BlockError

_RANGES = {"B": (0, 255), "H": (0, 65535), "h": (-32768, 32767), "I": (0, 2**32 - 1)}
TEXT = st.text(max_size=19)  # at most 4 bytes a character: 76


@st.composite
def entries(draw: st.DrawFn) -> tuple[int, int, int, tuple[object, ...]]:
    """Draw one event: kind, uptime_s, uptime_ms, body."""
    kind = draw(st.sampled_from(sorted(layout.EVENTS)))
    body = tuple(draw(st.integers(*_RANGES[code])) for _, code, _, _ in layout.EVENTS[kind].fields)
    if kind == layout.KIND_CUSTODY:
        body += (draw(TEXT), draw(TEXT), draw(TEXT))
    return kind, draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 999)), body


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


def test_the_longest_custody_entry_fits_one_request() -> None:
    """Three texts at their limit make a body every link carries."""
    longest = "a" * events.CUSTODY_TEXT_MAX_BYTES
    body = events.custody_body(2, 1, (longest, longest, longest))

    assert len(body) == layout.REQUEST_BODY_MAX_BYTES == layout.BLE_BODY_MAX_BYTES
    assert events.read_custody(body) == (2, 1, longest, longest, longest)


@pytest.mark.parametrize("position", range(3))
def test_a_text_over_the_limit_is_named(position: int) -> None:
    """The message says which text, how long it is and how long it may be."""
    texts = ["", "", ""]
    texts[position] = "\u00e9" * 39  # 78 bytes of UTF-8
    with pytest.raises(BlockError) as caught:
        events.custody_body(2, 1, tuple(texts))

    assert str(caught.value) == (
        f"custody {events.CUSTODY_TEXTS[position]} is 78 bytes of UTF-8; "
        "at most 76 fit: shorten it"
    )


def test_a_custody_entry_has_three_texts() -> None:
    """Fewer or more is the caller's mistake."""
    with pytest.raises(BlockError) as caught:
        events.custody_body(2, 1, ("actor", "place"))

    assert str(caught.value) == "custody takes 3 texts, not 2"
