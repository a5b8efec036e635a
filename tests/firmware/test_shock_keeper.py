"""Windows on the shelf of a board: when which is written, and those longer than it."""

from __future__ import annotations

from array import array
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from dewarlog_firmware.shock import COMPLETE, WATCHING
from dewarlog_firmware.shock_keeper import CALM_MS, PATIENCE_MS, ShockKeeper
from dewarlog_firmware.shock_sampler import FLAG_FULL, FLAG_GAP
from dewarlog_firmware.shock_shelf import ENTRIES_MAX, Entry, ShockShelf
from dewarlog_wire import layout

if TYPE_CHECKING:
    from conftest import MicroPython

SCRIPT = Path(__file__).with_name("heap_short_shock.py")
_SHELF_BYTES = 100


class Bench:
    """A keeper whose book keeps what is written, and whose windows are as long as told."""

    def __init__(self) -> None:
        self.written: list[Any] = []
        self.now_us = 0
        self.stamps: list[tuple[int, int]] = []  # uptime that events were to carry
        self.freed = 0
        self.room = self.room_without_hosts = 1000  # bytes of a window that the heap takes
        self.is_full = False  # the flash
        self.is_capturing = False
        book = SimpleNamespace(
            shocks=0,
            at=lambda *moment: self.stamps.append(moment),
            note_shock=lambda event: self.written.append(("event", *event)),
            commit=self._commit,
            emit=lambda kind, values: self.written.append(("told", kind, *values[:2])),
            write_shock=lambda window, *_: self.written.append(bytes(window)) or True,
            recorder=SimpleNamespace(shock_sections=self._encoded),
        )
        self.capture: Any = SimpleNamespace(
            first_us=0,
            trigger=0,
            flags=0,
            band=1,
            count=0,
            columns=(array("h"), array("h"), array("h")),
            is_quiet=False,
            state=WATCHING,
            begin=lambda *_: None,
            gap=lambda _: None,
            feed=lambda _counts, _at, sets, _first_us: sets,
            shorten=self._shortened,
            event=lambda number: (number,),
            head=lambda number: (number, self.capture.count),
            restart=self._restarted,
        )
        self.slots: list[int] = []  # flags of those in the ring
        sampler = self.sampler = SimpleNamespace(
            is_away=False,
            service=lambda: None,
            take=self._take,
            gap_us=200_000,
            first_us=0,
            capturing=lambda: self.is_capturing,
        )
        parts: list[Any] = [sampler, self.capture, book, 16, 3200, lambda: (1, 0)]
        self.keeper = ShockKeeper(
            *parts,
            ticks_us=lambda: self.now_us,
            shelf_bytes=_SHELF_BYTES,
            free_heap=self._free_heap,
        )

    def _take(self, *_: object) -> int:
        if not self.slots:
            return 0
        self.sampler.flags = self.slots.pop(0)
        return 16

    def _commit(self) -> None:
        if self.is_full:
            raise OSError(28)

    def _free_heap(self) -> None:
        self.freed += 1
        self.room = self.room_without_hosts

    def _encoded(self, head: tuple[int, int], _columns: object) -> bytes:
        number, count = head
        if count > self.room:
            raise MemoryError
        return bytes([number] * count)

    def _shortened(self) -> bool:
        self.capture.count //= 2
        return True

    def _restarted(self) -> None:
        self.capture.state = WATCHING

    def shock(self, count_bytes: int, band: int = 1) -> None:
        """Complete a shock whose window takes `count_bytes`."""
        self.capture.count = count_bytes
        self.capture.band = band
        self.capture.state = COMPLETE
        self.keeper._shelve()  # noqa: SLF001 - what a completed shock sets off

    def after_ms(self, time_ms: int) -> bool:
        """Let time pass; tell whether the keeper then had work with an empty ring."""
        self.now_us += time_ms * 1000
        return self.keeper.take()


@pytest.mark.parametrize(("count", "waits"), [(100, True), (101, False)])
def test_a_window_longer_than_the_shelf_is_written_at_once(count: int, waits: bool) -> None:
    """Its event first, then all of it; one that fits waits."""
    bench = Bench()
    bench.shock(count)
    assert (bench.written == []) is waits

    bench.keeper.flush()

    assert bench.written == [("event", 1), bytes([1] * count)]


def test_once_it_is_calm_each_pass_writes_one_window() -> None:
    """The events of all that wait are durable with the first; every pass leaves time to drain."""
    bench = Bench()
    for count, band in [(30, 1), (0, 0), (30, 1)]:
        bench.shock(count, band)
    assert not bench.after_ms(CALM_MS - 1)
    assert bench.written == []

    assert bench.after_ms(1)
    assert bench.written == [("event", 1), ("event", 2), ("event", 3), bytes([1] * 30)]
    bench.is_capturing = True
    assert not bench.after_ms(1), "a knock came between: the next window waits for calm again"
    bench.is_capturing = False
    assert bench.after_ms(1)
    assert bench.written[4:] == [bytes([3] * 30)]
    assert not bench.after_ms(1)
    assert not bench.keeper.busy


def test_nobody_waits_longer_than_patience() -> None:
    """Amid a shock without end, too; one that came later waits on."""
    bench = Bench()
    bench.is_capturing = True
    bench.shock(30)
    bench.now_us += 1_000_000
    bench.shock(30)

    assert not bench.after_ms(PATIENCE_MS - 1001)
    assert bench.after_ms(1)
    assert not bench.after_ms(1)
    assert bench.written == [("event", 1), ("event", 2), bytes([1] * 30)]
    assert bench.after_ms(1000)


def test_a_full_shelf_writes_no_more_than_the_next_window_needs() -> None:
    """Each write holds interrupts off, amid a row of knocks."""
    bench = Bench()
    for _ in range(3):
        bench.shock(40)
    assert bench.written == [("event", 1), ("event", 2), bytes([1] * 40)]
    bench.shock(40)
    assert bench.written[3:] == [("event", 3), bytes([2] * 40)]

    bench.keeper.flush()

    assert bench.written[5:] == [("event", 4), bytes([3] * 40), bytes([4] * 40)]


def test_many_small_shocks_fill_the_shelf_by_their_number() -> None:
    """Those without a window go together: their events are all there is to write."""
    bench = Bench()
    for _ in range(ENTRIES_MAX):
        bench.shock(0, band=0)
    assert bench.written == []
    bench.shock(0, band=0)
    assert bench.written == [("event", number + 1) for number in range(ENTRIES_MAX)]


@pytest.mark.parametrize(("room", "kept"), [(100, 100), (99, 50), (49, 25)])
def test_a_heap_without_room_costs_conversations_then_half_of_the_window(
    room: int, kept: int
) -> None:
    """Never the shock, and never the logger: a pull and a signature may hold the heap."""
    bench = Bench()
    bench.room = 0
    bench.room_without_hosts = room
    bench.shock(100)

    bench.keeper.flush()

    assert bench.freed == 1
    assert bench.written == [("event", 1), bytes([1] * kept)]


@pytest.mark.parametrize(
    ("flags", "cause"),
    [(FLAG_GAP, layout.GAP_FLASH_STALL), (FLAG_GAP | FLAG_FULL, layout.GAP_RING_FULL)],
)
def test_a_gap_has_the_cause_that_the_sampler_found(flags: int, cause: int) -> None:
    """Whatever the ring had been through before."""
    bench = Bench()
    bench.slots = [flags]

    bench.keeper.take()

    assert bench.written == [("told", layout.KIND_GAP, layout.STREAM_SHOCK, cause)]


def test_what_a_window_brings_about_is_not_told_at_the_time_of_the_hit() -> None:
    """Such as the samples that are given up for it: the shock alone is told as from before."""
    bench = Bench()
    bench.capture.first_us = -400_000  # the fake's uptime stands still at 1 s
    bench.shock(60)

    bench.keeper.flush()

    assert bench.stamps == [(0, 600), (1, 0)]


@pytest.mark.micropython
def test_a_heap_that_has_run_out_still_tells_the_hardest_blow(micropython: MicroPython) -> None:
    """On a real heap, with 992 samples of noise: the window is a part of it, about the largest."""
    told = micropython(SCRIPT, heap_kib=400).stdout.splitlines()

    cut_off = layout.SHOCK_CUT | layout.SHOCK_GAP
    assert told == [
        "hosts left",
        f"peak is True flags {cut_off}",
        f"window of True 32 flags {cut_off}",
    ]


def test_a_shock_that_finds_no_room_in_the_log_is_told_at_the_end() -> None:
    """Once, with the number it would have had: the windows before it filled the memory."""
    bench = Bench()
    bench.shock(60)
    bench.is_full = True
    with pytest.raises(OSError, match="28"):
        bench.shock(60)
    bench.is_full = False

    bench.keeper.end()

    assert bench.written == [("event", 1), bytes([1] * 60), ("event", 2), bytes([2] * 60)]
    assert not bench.keeper.busy


def test_windows_move_up_when_the_oldest_is_dropped() -> None:
    """What is left stays what it was, and the room is free again."""
    first, second, third = [Entry(number, (1, 0), (number,), (0, 9), 1) for number in range(3)]
    shelf = ShockShelf(10)
    shelf.put(first, b"0123")
    shelf.put(second, b"45678")
    assert not shelf.has_room(2)
    shelf.drop()
    assert (bytes(shelf.oldest()), shelf.entry(0)) == (b"45678", second)
    assert shelf.has_room(5)
    shelf.put(third, b"abcde")
    shelf.drop()
    assert (bytes(shelf.oldest()), len(shelf)) == (b"abcde", 1)
