"""The aims of size hold for whole logs and real frames, measured by the bench itself."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "tools/bench/stored_bytes.py"


@pytest.fixture(scope="module")
def bench() -> dict[str, Any]:
    """Return the names of tools/bench/stored_bytes.py."""
    return runpy.run_path(str(BENCH))


@pytest.fixture(scope="module")
def blocks(bench: dict[str, Any]) -> list[bytes]:
    """Return four days of the model as blocks: long enough for whole blocks to weigh."""
    columns, _ = bench["model"](4)
    return bench["write_log"](columns, bench["LARGE"])


def test_a_whole_log_stays_within_a_tenth_of_the_entropy_of_its_noise(
    bench: dict[str, Any], blocks: list[bytes]
) -> None:
    """Headers, seals, raw sets and events included."""
    columns, bound = bench["model"](4)
    each = sum(map(len, blocks)) / len(columns[0])

    assert bound < each <= bench["AIM_STORED_OVER_BOUND"] * bound


def test_a_serial_pull_costs_a_hundredth_more_than_the_log(
    bench: dict[str, Any], blocks: list[bytes]
) -> None:
    """COBS, heads, CRCs, replies and END; with the host's requests and acks as well."""
    wire = bench["serial_wire"](bench["segments_of"](blocks))

    assert 1 < wire.ratio < wire.ratio_both_ways <= bench["AIM_SERIAL"]


def test_a_ble_pull_costs_three_hundredths_more_than_the_log(
    bench: dict[str, Any], blocks: list[bytes]
) -> None:
    """Short DATA in notifications of 244 bytes, with everything else that is said."""
    wire = bench["ble_wire"](bench["segments_of"](blocks))

    assert 1 < wire.ratio < wire.ratio_both_ways <= bench["AIM_BLE"]
