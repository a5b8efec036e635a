"""The two ten-day trips, each run once for all tests that ask about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from line import Trip, finish
from simboard.launch import start

if TYPE_CHECKING:
    from conftest import MicroPython


@pytest.fixture(scope="session")
def calm(micropython: MicroPython, tmp_path_factory: pytest.TempPathFactory) -> Trip:
    """Return the calm trip, pulled and checked."""
    return _trip("calm", micropython, tmp_path_factory)


@pytest.fixture(scope="session")
def bad(micropython: MicroPython, tmp_path_factory: pytest.TempPathFactory) -> Trip:
    """Return the bad trip, pulled and checked."""
    return _trip("bad", micropython, tmp_path_factory)


def _trip(name: str, micropython: MicroPython, folder: pytest.TempPathFactory) -> Trip:
    assert micropython.interpreter.command
    return finish(start(name, serve=True), folder.mktemp(name))
