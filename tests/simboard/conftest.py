"""Fixtures of the virtual radio: one hub with two boards on it, for all tests of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from air_rig import ESP, PICO, peripheral
from simboard import air

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import MicroPython


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, micropython: MicroPython) -> Iterator[str]:
    """Return the socket of a hub with a Pico-like and an ESP32-like board on it."""
    folder = tmp_path_factory.mktemp("air")
    with (
        air.start() as path,
        peripheral(folder, path, "btstack", PICO),
        peripheral(folder, path, "nimble", ESP),
    ):
        yield path


@pytest.fixture
def faults(hub: str) -> Iterator[air.Faults]:
    """Return the orders to that hub; whatever a test does to the air is undone after it."""
    orders = air.Faults(hub)
    yield orders
    orders.clear()
    orders.delay(0)
    orders.pace(0)
    orders.supervision(0)
    orders.come_back()
    orders.rssi(-50)
