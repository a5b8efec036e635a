"""Windows on the shelf of a board, and those longer than it."""

from __future__ import annotations

from array import array
from types import SimpleNamespace
from typing import Any

import pytest

from dewarlog_firmware.shock_keeper import ShockKeeper


@pytest.mark.parametrize(("count", "waits"), [(100, True), (101, False)])
def test_a_window_longer_than_the_shelf_is_written_at_once(count: int, waits: bool) -> None:
    """Its event first, then all of it; one that fits waits."""
    written: list[tuple[Any, ...]] = []
    book = SimpleNamespace(
        shocks=0,
        at=lambda *_: None,
        note_shock=lambda event: written.append(("event", event)),
        commit=lambda: None,
        write_shock=lambda head, columns, *_: (
            written.append((head, *[list(column) for column in columns])) or True
        ),
    )
    columns = tuple([array("h", range(axis, axis + 128)) for axis in range(3)])
    capture = SimpleNamespace(
        first_us=0,
        trigger=0,
        flags=0,
        band=1,
        count=count,
        columns=columns,
        event=lambda number: (number,),
        head=lambda number: (number, count),
        restart=lambda: None,
    )
    parts: list[Any] = [SimpleNamespace(), capture, book, 16, 3200, lambda: (1, 0), lambda: 0, 100]
    keeper = ShockKeeper(*parts)
    keeper._shelve()  # noqa: SLF001 - what a completed shock sets off
    assert (written == []) is waits

    keeper.flush()

    window = [list(range(axis, axis + count)) for axis in range(3)]
    assert written == [("event", (1,)), ((1, count), *window)]
