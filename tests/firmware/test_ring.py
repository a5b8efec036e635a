"""The ring between interrupt and main loop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog_firmware.ring import TICKS_MASK, Ring, get_u32, put_u32


def fill(ring: Ring, value: int) -> bool:
    """Produce one slot that holds `value`; say whether there was room."""
    index = ring.slot()
    if index < 0:
        return False
    ring.views[index][0] = value
    ring.commit()
    return True


def empty(ring: Ring) -> int:
    """Consume one slot and return its value, or -1."""
    index = ring.peek()
    if index < 0:
        return -1
    value = ring.views[index][0]
    ring.release()
    return value


def test_every_slot_can_be_used_before_one_is_refused() -> None:
    """A ring of four takes four."""
    ring = Ring(1, 4)

    assert [fill(ring, value) for value in range(5)] == [True, True, True, True, False]
    assert ring.full()


def test_a_refused_slot_is_counted_and_overwrites_nothing() -> None:
    """What is in the ring stays; what did not fit is a number."""
    ring = Ring(1, 2)
    for value in (1, 2, 3, 4, 5):
        fill(ring, value)

    assert ring.dropped == 3
    assert [empty(ring), empty(ring), empty(ring)] == [1, 2, -1]


def test_asking_whether_it_is_full_counts_nothing() -> None:
    """Only a producer that had something to store has lost it."""
    ring = Ring(1, 1)
    fill(ring, 1)
    ring.full()

    assert ring.dropped == 0


def test_an_uncommitted_slot_is_not_seen_by_the_consumer() -> None:
    """The consumer never reads a slot that is still being written."""
    ring = Ring(1, 2)
    ring.views[ring.slot()][0] = 7

    assert ring.peek() == -1


def test_the_same_slot_is_given_until_it_is_committed() -> None:
    """A producer that gave up half way starts again in the same place."""
    ring = Ring(1, 2)

    assert ring.slot() == ring.slot() == 0


def test_high_water_remembers_the_most_ever_used() -> None:
    """It does not go down again."""
    ring = Ring(1, 4)
    for value in range(3):
        fill(ring, value)
    for _ in range(3):
        empty(ring)

    assert (ring.used(), ring.high_water) == (0, 3)


def test_slots_do_not_overlap() -> None:
    """Each view is its own memory."""
    ring = Ring(3, 3)
    for index, view in enumerate(ring.views):
        view[:] = bytes([index] * 3)

    assert [bytes(view) for view in ring.views] == [b"\0\0\0", b"\1\1\1", b"\2\2\2"]


@given(slots=st.integers(1, 5), steps=st.lists(st.booleans(), max_size=60))
def test_what_goes_in_comes_out_in_order(slots: int, steps: list[bool]) -> None:
    """Against a plain list, for any interleaving of producer and consumer."""
    ring = Ring(1, slots)
    model: list[int] = []
    for number, produce in enumerate(steps):
        if produce:
            if fill(ring, number):
                model.append(number)
        else:
            assert empty(ring) == (model.pop(0) if model else -1)
        assert ring.used() == len(model) <= slots


@pytest.mark.parametrize("value", [0, 1, 0x12345678 & TICKS_MASK, TICKS_MASK])
def test_a_stored_number_comes_back(value: int) -> None:
    """For every number an interrupt may hold."""
    view = bytearray(6)
    put_u32(view, 1, value)

    assert get_u32(view, 1) == value
    assert bytes(view[1:5]) == value.to_bytes(4, "little")
