"""Sections with texts: what is packed comes back; texts are bounded and are UTF-8."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog_wire import layout, texts
from dewarlog_wire.errors import BlockError

KINDS = sorted(layout.SECTION_TEXTS)
MOST = 76
CALIBRATION_VALUES = (1, 1, -25064, -25010, 32, 100_900, 210_000_000, b"PT-0000-0042")
ARMING_VALUES = (210_000_000, 432_000, 864_000, 4500, 0b10_0001)
VALUES = {layout.SECTION_CALIBRATION: CALIBRATION_VALUES, layout.SECTION_ARMING: ARMING_VALUES}


def test_each_section_with_texts_has_a_record() -> None:
    """The two tables name the same sections."""
    assert sorted(texts.SECTION_RECORDS) == KINDS


def test_a_calibration_point_is_laid_out_as_written() -> None:
    """Field by field from SPEC.md 4.7, then the reference behind its length."""
    packed = texts.section_texts_body(
        layout.SECTION_CALIBRATION, CALIBRATION_VALUES, ("Pt100 no. 7",)
    )

    assert packed == (
        b"\x01\x01"
        b"\x18\x9e"  # -25064: -195.8125 degC
        b"\x4e\x9e"  # -25010
        b"\x20\x00"
        b"\x24\x8a\x01\x00"
        b"\x80\x58\x84\x0c"
        b"PT-0000-0042"
        b"\x0bPt100 no. 7"
    )


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_values_and_texts_come_back(kind: int, data: st.DataObject) -> None:
    """Any texts that fit."""
    told = tuple(data.draw(st.text(max_size=MOST // 4)) for _ in layout.SECTION_TEXTS[kind])

    packed = texts.section_texts_body(kind, VALUES[kind], told)

    assert texts.read_section_texts(kind, packed) == VALUES[kind] + told


@pytest.mark.parametrize("kind", KINDS)
def test_texts_at_their_limit_fit_a_setting_event(kind: int) -> None:
    """A byte more is refused by name; what is longer than a setting holds is cut and says so."""
    names = layout.SECTION_TEXTS[kind]
    packed = texts.section_texts_body(kind, VALUES[kind], ("a" * MOST,) * len(names))
    with pytest.raises(BlockError) as caught:
        texts.section_texts_body(kind, VALUES[kind], ("",) * (len(names) - 1) + ("a" * 77,))

    record = texts.SECTION_RECORDS[kind]
    assert texts.read_section_texts(kind, packed)[len(record.fields) :] == (
        ("a" * MOST,) * len(names)
    )
    assert str(caught.value) == (
        f"{record.name} {names[-1]} is 77 bytes of UTF-8; at most 76 fit: shorten it"
    )


@pytest.mark.parametrize("kind", KINDS)
@given(payload=st.binary(max_size=120))
def test_any_bytes_are_read_or_refused(kind: int, payload: bytes) -> None:
    """What is read packs to the same bytes; else fault `section`."""
    try:
        values = texts.read_section_texts(kind, payload)
    except BlockError as error:
        fault, again = error.fault, payload
    else:
        fault = "section"
        count = len(layout.SECTION_TEXTS[kind])
        again = texts.section_texts_body(kind, values[:-count], values[-count:])

    assert (fault, again) == ("section", payload)


_RECORD = struct.pack(layout.ARMING.format, *ARMING_VALUES)


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (_RECORD[:-1], "arming body of 17 bytes is cut short"),
        (_RECORD, "arming actor does not fit its body"),
        (_RECORD + b"\x02a", "arming actor does not fit its body"),
        (_RECORD + b"\x4d" + b"a" * 77 + b"\x00", "arming actor does not fit its body"),
        (_RECORD + b"\x00", "arming reason does not fit its body"),
        (_RECORD + b"\x00\x01\xff", "arming reason is not UTF-8"),
        (_RECORD + b"\x00\x00\x00", "1 bytes stand behind the arming texts"),
    ],
)
def test_an_arming_that_does_not_fit_is_refused(payload: bytes, said: str) -> None:
    """With what is wrong with it."""
    with pytest.raises(BlockError) as caught:
        texts.read_section_texts(layout.SECTION_ARMING, payload)

    assert (caught.value.fault, str(caught.value)) == ("section", said)


def test_more_texts_than_a_section_has_are_refused() -> None:
    """The caller's mistake."""
    with pytest.raises(BlockError) as caught:
        texts.section_texts_body(layout.SECTION_ARMING, ARMING_VALUES, ("who",))

    assert str(caught.value) == "arming takes 2 texts, not 1"
