"""The interrupt side allocates nothing, on the 64-bit and on a 32-bit MicroPython."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

SCRIPT = Path(__file__).with_name("heap_lock_sampling.py")


@pytest.fixture
def on_cpython(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what the script prints here, where nothing can lock the heap."""
    runpy.run_path(str(SCRIPT))
    return capsys.readouterr().out


@pytest.mark.micropython
@pytest.mark.parametrize("interpreter", ["micropython", "micropython32"])
def test_sampling_runs_with_the_heap_locked(
    interpreter: str, request: pytest.FixtureRequest, on_cpython: str
) -> None:
    """Every branch of tick, DRDY, FIFO drain and both takes; the lock itself is proved to hold."""
    run: Callable[[Path], CompletedProcess[str]] = request.getfixturevalue(interpreter)
    expected = on_cpython.replace("allocate 32", "allocate MemoryError")

    assert run(SCRIPT).stdout == expected


def test_the_script_sees_every_kind_of_sample(on_cpython: str) -> None:
    """All four probes configured, four ticks dropped, the accelerometer configured."""
    lines = on_cpython.splitlines()

    assert lines[0] == "configured 4"
    assert lines[3] == "dropped 4"
    assert lines[4] == "configured True"
