"""What the main loop is worth: its longest pass, and the heap at a look now and then."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from dewarlog_firmware import gauges as gauges_module
from dewarlog_firmware.gauges import LOOK_EVERY_MS, Gauges

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    import pytest


class Board:
    """Ticks as told."""

    def __init__(self) -> None:
        self.us = 0
        self.ms = 0

    def ticks_us(self) -> int:
        """Return microseconds."""
        return self.us

    def ticks_ms(self) -> int:
        """Return milliseconds."""
        return self.ms


def gauges_on(board: Board, monkeypatch: pytest.MonkeyPatch, free: list[int]) -> Gauges:
    """Make gauges over a heap that has so many bytes free at each look."""
    heap: Any = SimpleNamespace(collect=lambda: None, mem_free=lambda: free.pop(0))
    monkeypatch.setattr(gauges_module, "gc", heap)
    return Gauges(board)  # type: ignore[arg-type]


def test_the_longest_pass_counts_also_where_the_ticks_wrap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They do every 18 minutes."""
    board = Board()
    gauges = gauges_on(board, monkeypatch, [9])
    for began_us, ended_us in ((100, 600), (0x3FFFFFF0, 0x10), (700, 900)):
        board.us = ended_us
        gauges.passed(began_us)

    assert gauges.pass_max_us == 500


def test_the_heap_is_looked_at_once_in_a_while_and_its_least_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A look walks the whole heap."""
    board = Board()
    free = [90_000, 50_000, 80_000]
    gauges = gauges_on(board, monkeypatch, free)
    seen: list[tuple[int, int]] = []
    for board.ms in (0, LOOK_EVERY_MS - 1, LOOK_EVERY_MS, LOOK_EVERY_MS + 1, 2 * LOOK_EVERY_MS):
        gauges.look_when_due()
        seen.append((gauges.heap_free_bytes, gauges.heap_low_bytes))

    high, low = (90_000, 90_000), (50_000, 50_000)
    assert seen == [high, high, low, low, (80_000, 50_000)]


def test_without_a_count_of_the_heap_nothing_is_told() -> None:
    """As on CPython."""
    gauges = Gauges(Board())  # type: ignore[arg-type]

    assert (gauges.heap_free_bytes, gauges.heap_low_bytes) == (0, 0)


def test_no_figure_allocates_on_a_board(
    micropython: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """The sampling path takes note of each pass with the heap locked."""
    done = micropython(
        """
import micropython
from dewarlog_firmware.gauges import Gauges

class Board:
    def __init__(self):
        self.us = self.ms = 0
    def ticks_us(self):
        return self.us
    def ticks_ms(self):
        return self.ms

board = Board()
gauges = Gauges(board)
micropython.heap_lock()
board.us = 250
gauges.passed(0)
gauges.look_when_due()
board.ms = 70000
gauges.look_when_due()
micropython.heap_unlock()
print(gauges.pass_max_us, gauges.heap_free_bytes > 0, gauges.heap_low_bytes > 0)
"""
    )

    assert done.stdout == "250 True True\n"
