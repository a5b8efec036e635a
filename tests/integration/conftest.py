"""The two ten-day trips, each run once for all tests that ask about them, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from line import Trip, finish
from simboard.launch import SimBoard, start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import MicroPython


@pytest.fixture(scope="session")
def ten_days(micropython: MicroPython) -> Iterator[dict[str, SimBoard]]:
    """Start both trips at once: one for each of two cores."""
    assert micropython.interpreter.command
    boards = {name: start(name, serve=True) for name in ("calm", "bad")}
    yield boards
    for board in boards.values():
        board.stop()


@pytest.fixture(scope="session")
def calm(ten_days: dict[str, SimBoard], tmp_path_factory: pytest.TempPathFactory) -> Trip:
    """Return the calm trip, pulled and checked."""
    return finish(ten_days["calm"], tmp_path_factory.mktemp("calm"))


@pytest.fixture(scope="session")
def bad(ten_days: dict[str, SimBoard], tmp_path_factory: pytest.TempPathFactory) -> Trip:
    """Return the bad trip, pulled and checked."""
    return finish(ten_days["bad"], tmp_path_factory.mktemp("bad"))
