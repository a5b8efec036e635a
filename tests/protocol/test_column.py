"""Columns: what is pushed comes back, in the fewest bits the coding allows, in every decoder."""

from __future__ import annotations

from array import array
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dewarlog.columns import decode_columns
from dewarlog_wire import column, layout
from dewarlog_wire.column import ColumnEncoder, decode_column
from dewarlog_wire.errors import BlockError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conftest import MicroPython

HERE = Path(__file__).parent
PAGE = layout.COLUMN_PAGE
I16 = st.integers(-32768, 32767)


@st.composite
def walks(draw: st.DrawFn, most: int = 700) -> list[int]:
    """Draw a column: a level, steps of one spread, and now and then a jump."""
    spread = draw(st.sampled_from([0, 1, 3, 20, 500, 40000]))
    edges = st.sampled_from([1, 2, PAGE - 1, PAGE, PAGE + 1, most])
    count = min(most, draw(edges | st.integers(1, most)))
    noise = Random(draw(st.integers(0, 1 << 30)))
    value = draw(I16)
    values: list[int] = []
    for _ in range(count):
        step = noise.randint(-spread, spread)
        if noise.random() < 0.01:
            step = noise.randint(-65535, 65535)
        value = max(-32768, min(32767, value + step))
        values.append(value)
    return values


def encode(values: Sequence[int], capacity_bytes: int = 8192) -> bytes:
    """Return the payload of a column section."""
    encoder = ColumnEncoder(capacity_bytes)
    encoder.begin(1, layout.QUANTITY_READING)
    for value in values:
        encoder.push(value)
    buffer = bytearray(encoder.size())
    end = encoder.finish_into(buffer, 0)
    return bytes(buffer[layout.SECTION_HEAD.size : end])


@given(walks())
@settings(max_examples=60, deadline=None)
def test_values_come_back(values: list[int]) -> None:
    """Encode and decode are inverse."""
    assert list(decode_column(encode(values), len(values))) == values


@given(st.lists(walks(), min_size=1, max_size=9))
@settings(max_examples=40, deadline=None)
def test_columns_decoded_together_equal_columns_decoded_alone(columns: list[list[int]]) -> None:
    """The host's numpy decoder says what the reference says."""
    # Copies make enough lanes for the numpy path whatever was drawn.
    payloads = [(encode(values), len(values)) for values in columns] * 5
    decoded = decode_columns(payloads)

    assert [list(values) for values in decoded if not isinstance(values, BlockError)] == [
        list(decode_column(*payload)) for payload in payloads
    ]


@given(
    st.lists(walks(300), min_size=1, max_size=3),
    st.integers(0, 1 << 30),
    st.sampled_from(["flip", "cut", "add", "count"]),
)
@settings(max_examples=120, deadline=None)
def test_damaged_columns_are_refused_alike(
    columns: list[list[int]], where: int, damage: str
) -> None:
    """A column that the reference refuses, or reads as something else, is so in numpy too."""
    payloads = [(encode(values), len(values)) for values in columns] * 5
    number = where % len(payloads)
    payload, count = payloads[number]
    changed = bytearray(payload)
    if damage == "flip":
        changed[where % len(payload)] ^= 1 << where % 8
    elif damage == "cut":
        del changed[where % len(payload) :]
    elif damage == "add":
        changed.append(where % 256)
    else:
        count = where % 5000
    payloads[number] = (bytes(changed), count)
    try:
        expected: list[int] | str = list(decode_column(bytes(changed), count))
    except BlockError as error:
        expected = str(error)
    found = decode_columns(payloads)[number]

    assert (str(found) if isinstance(found, BlockError) else list(found)) == expected


@given(st.binary(max_size=60), st.integers(0, 5000))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused(payload: bytes, count: int) -> None:
    """Garbage raises BlockError and nothing else."""
    try:
        read = len(decode_column(payload, count))
    except BlockError:
        read = count

    assert read == count


def brute_force_bits(values: Sequence[int], predictor: int) -> int:
    """Return the fewest bits any shift and k can code one page in, by trying them all."""
    best = 1 << 30
    for shift in range(8):
        p = predictor
        codes: list[int] = []
        for value in values:
            residual = value - (p + 128 >> 8)
            codes.append(2 * residual if residual >= 0 else -2 * residual - 1)
            p += (value * 256 - p) >> shift
        if not any(codes):
            return 0
        best = min(
            best, *(sum((code >> k) + 1 + k for code in codes) for k in range(layout.COLUMN_FLAT))
        )
    return best


@given(walks(PAGE))
@settings(max_examples=30, deadline=None)
def test_first_page_costs_no_bit_more_than_the_best(values: list[int]) -> None:
    """The encoder tries every shift and finds the best k."""
    page = array("h", (values + [0] * PAGE)[:PAGE])
    state = array("i", bytes(4 * column.STATE_SLOTS))
    state[column.STATE_PREDICTOR] = values[0] << 8
    state[column.STATE_COUNT] = len(values)
    state[column.STATE_SHIFT_LAST] = column.SHIFT_MAX
    column.encode_page(page, state, bytearray(600), bytearray(600))
    bits = state[column.STATE_REMAINDER_BITS] + state[column.STATE_UNARY_BITS]

    assert bits == brute_force_bits(values, values[0] << 8)


@given(st.lists(st.sampled_from([-32768, 32767, 0, 1, 12345]), min_size=1, max_size=9))
@settings(max_examples=20, deadline=None)
def test_a_page_begun_with_room_always_fits(pattern: list[int]) -> None:
    """has_room() promises room for the whole page, whatever its values; size() is a bound."""
    encoder = ColumnEncoder(1024, pages_max=4)
    pushed: list[int] = []
    while encoder.has_room():
        for index in range(PAGE):
            pushed.append(pattern[index * index % len(pattern)])
            encoder.push(pushed[-1])
    bound = encoder.size()
    buffer = bytearray(bound)
    end = encoder.finish_into(buffer, 0)

    assert encoder.count == len(pushed)
    assert end <= bound
    assert list(decode_column(buffer[layout.SECTION_HEAD.size : end], len(pushed))) == pushed


def test_an_encoder_begun_again_remembers_nothing() -> None:
    """Old bits of a longer column never show in the next."""
    encoder = ColumnEncoder(4096)
    for index in range(1000):
        encoder.push((index * 7919) % 3001 - 1500)
    buffer = bytearray(8192)
    encoder.finish_into(buffer, 0)
    encoder.begin(1, layout.QUANTITY_READING)
    for value in (5, 6, 7):
        encoder.push(value)
    end = encoder.finish_into(buffer, 0)

    assert bytes(buffer[layout.SECTION_HEAD.size : end]) == encode([5, 6, 7])


@pytest.mark.micropython
def test_machine_code_writes_the_same_bytes(micropython: MicroPython) -> None:
    """firmware/dewarlog_firmware/fast.py against the plain functions, on real MicroPython."""
    done = micropython(HERE / "on_micropython_fast.py", heap_kib=4096)

    assert done.stdout == "columns alike\nframes alike\nciphers alike\nnothing allocated\n"


@pytest.mark.micropython
def test_plain_functions_allocate_nothing_on_32_bits(micropython32: MicroPython) -> None:
    """Every number of the page encoder fits a small int of 31 bits."""
    done = micropython32(HERE / "on_micropython_plain.py")

    assert done.stdout == "nothing allocated\n"
