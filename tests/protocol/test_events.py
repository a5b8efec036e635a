"""Events: every kind comes back; texts are bounded and are UTF-8."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dewarlog_wire import events, layout
from dewarlog_wire.errors import BlockError

CUSTODY_TEXTS = layout.EVENT_TEXTS[layout.KIND_CUSTODY]
_RANGES = {
    layout.U8: (0, 255),
    layout.U16: (0, 65535),
    layout.I16: (-32768, 32767),
    layout.U32: (0, 2**32 - 1),
    layout.I32: (-(2**31), 2**31 - 1),
}
TEXT = st.text(max_size=8)  # at most 4 bytes a character: 32, the least that any text may have
BYTE = st.integers(0, 255)
PAYLOAD = st.binary(max_size=layout.SETTING_PART_MAX_BYTES)


@st.composite
def entries(draw: st.DrawFn) -> tuple[int, int, int, tuple[object, ...]]:
    """Draw one event: kind, uptime_s, uptime_ms, body."""
    kind = draw(st.sampled_from(sorted(layout.EVENTS)))
    times = draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 999))
    if kind == layout.KIND_SETTING:
        numbers = draw(st.tuples(BYTE, BYTE, BYTE, st.integers(0, 2**32 - 1)))
        before, after = draw(PAYLOAD), draw(PAYLOAD)
        return kind, *times, (*numbers, len(before), before, after)
    body = tuple(draw(_value(code)) for _, code, _, _ in layout.EVENTS[kind].fields)
    body += tuple(draw(TEXT) for _ in layout.EVENT_TEXTS.get(kind, ()))
    return kind, *times, body


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


def body_of(kind: int, text_bytes: int) -> tuple[bytes, tuple[object, ...]]:
    """Return an event's body and its values, each of its texts so many bytes long."""
    texts = ("a" * text_bytes,) * len(layout.EVENT_TEXTS[kind])
    values = tuple(
        bytes(int(code[:-1])) if code.endswith("s") else 1
        for _, code, _, _ in layout.EVENTS[kind].fields
    )
    return events.texts_body(kind, values, texts), values + texts


@pytest.mark.parametrize("kind", sorted(layout.EVENT_TEXTS))
def test_the_longest_event_with_texts_fits_its_length_byte(kind: int) -> None:
    """Every text at its limit."""
    body, values = body_of(kind, layout.EVENT_TEXT_MAX_BYTES[kind])

    assert len(body) <= 255
    assert events.read_texts_body(kind, body) == values


@pytest.mark.parametrize("kind", sorted(layout.EVENT_TEXT_ASKED_MAX_BYTES))
def test_the_longest_texts_a_host_may_send_fit_a_tagged_request(kind: int) -> None:
    """Body and tag go into one request of every link; a byte more for each text would not."""
    most = layout.EVENT_TEXT_ASKED_MAX_BYTES[kind]
    room = layout.REQUEST_BODY_MAX_BYTES - layout.SESSION_TAG.size
    body, _ = body_of(kind, most)

    assert len(body) <= room <= layout.BLE_BODY_MAX_BYTES
    if most < layout.EVENT_TEXT_MAX_BYTES[kind]:
        assert len(body_of(kind, most + 1)[0]) > room


def test_the_longest_setting_fits_its_length_byte() -> None:
    """Both payloads at their limit, and the flags say that more was cut off."""
    most = layout.SETTING_PART_MAX_BYTES
    body = events.setting_body(layout.SECTION_TEXT, 3, 6, bytes(most + 1), bytes(most))

    assert len(body) <= 255
    assert events.read_setting(body) == (
        layout.SECTION_TEXT,
        3,
        layout.SETTING_BEFORE_CUT,
        6,
        most,
        bytes(most),
        bytes(most),
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (bytes(7), "setting body of 7 bytes is cut short"),
        (bytes(7) + b"\x03ab", "the old payload of a setting does not fit its body"),
        (bytes(7) + b"\x79" + bytes(121), "a payload of a setting is over 120 bytes"),
        (bytes(8 + 121), "a payload of a setting is over 120 bytes"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(body: bytes, said: str) -> None:
    """With what is wrong with it."""
    with pytest.raises(BlockError) as caught:
        events.read_setting(body)

    assert (caught.value.fault, str(caught.value)) == ("event", said)


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
