"""Self-test of the flash, and of the supply while the flash is written.

Part of selftest's jobs. A file of 4 KB is written, read back and removed. Writing is when the
board draws most: the flash 25 mA at most (W25Q16JV data sheet, "DC Electrical Characteristics",
page program and erase), the processor at work instead of asleep, the radio as it comes.
"""

import os

from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from dewarlog_firmware.app import App
    from dewarlog_firmware.selftest import SelfTest

_FLASH, _FLASH_TIME, _SUPPLY, _DROP = range(10, 14)  # layout.SELFTESTS
PATH = "/selftest.bin"
_PAGE_BYTES = const(256)
_PAGES = const(16)
_BYTES = const(4096)
# The log's last words come first: without room for those and a few blocks of the file system's own
# the flash is not written.
_ROOM_BYTES = const(32 * 1024)
# Samples come once a second at the most: a flash that takes longer for 4 KB falls behind them.
_MOST_MS = const(1000)
# Below this much the flash and the radio are no longer safe (chips.SUPPLY_LOW_MV, and its
# hysteresis); VSYS of a Pico bears 5.5 V (RP2040 boards: "Powering Pico").
_LEAST_MV = const(3150)
_MOST_MV = const(5500)
# Three fresh alkaline cells have some 0.5 ohm together: 0.1 A of flash, processor and radio is
# 50 mV. What drops six times as far is spent, or has a bad contact, and falls further in the cold.
_DROP_MOST_MV = const(300)
_TICKS_MASK = const(0x3FFFFFFF)


def run(app: "App", found: "SelfTest") -> "Iterator[bool]":
    """Test flash and supply. Each `yield` hands the main loop back."""
    yield False  # the supply is read after a rest
    supply = app.chips.supply
    idle_mv = lowest_mv = supply.read_mv()
    spent_us = 0
    wrong = -1  # bytes; -1: not tested
    if app.logbook.flash.free_bytes() >= _ROOM_BYTES:
        wrong = _BYTES
        flash = _Timed(app)
        try:
            file = flash.do(open, PATH, "wb")
            try:
                for page in range(_PAGES):
                    flash.do(file.write, _pattern(page))
                    lowest_mv = min(lowest_mv, supply.read_mv())
                    yield True
            finally:
                flash.do(file.close)
            lowest_mv = min(lowest_mv, supply.read_mv())
            yield True
            spent_us = flash.spent_us
            wrong = _differing()
        except OSError:
            wrong = _BYTES
        finally:
            _remove()
    else:
        lowest_mv = _lowest_at_work(app, lowest_mv)
    if wrong < 0:
        found.leave_out(_FLASH, 0, 0)
        found.leave_out(_FLASH_TIME, 0, _MOST_MS)
    else:
        found.judge(_FLASH, wrong, 0, 0)
        if wrong:
            found.leave_out(_FLASH_TIME, 0, _MOST_MS)
        else:
            found.judge(_FLASH_TIME, (spent_us + 500) // 1000, 0, _MOST_MS)
    found.judge(_SUPPLY, lowest_mv, _LEAST_MV, _MOST_MV)
    found.judge(_DROP, idle_mv - lowest_mv, 0, _DROP_MOST_MV)


class _Timed:
    """Does flash operations: counts their time, and tells who must know of interrupts held off."""

    def __init__(self, app: "App") -> None:
        self._ticks_us = app.board.ticks_us
        self._stalls = app.shock_sampler
        self.spent_us = 0

    def do(self, operation: "Callable[..., Any]", *arguments: object) -> "Any":  # noqa: ANN401
        """Do one; return what it returns."""
        began_us = self._ticks_us()
        self._stalls.stall_begins()
        try:
            return operation(*arguments)
        finally:
            self._stalls.stall_ends()
            self.spent_us += (self._ticks_us() - began_us) & _TICKS_MASK


def _pattern(page: int) -> bytes:
    """Return a page in which every bit is used both ways, and that no other page is like."""
    return bytes([(at * 7 ^ page * 29 ^ at >> 3) & 0xFF for at in range(_PAGE_BYTES)])


def _differing() -> int:
    """Return how many bytes are read back otherwise than written."""
    wrong = 0
    with open(PATH, "rb") as file:
        for page in range(_PAGES):
            data = file.read(_PAGE_BYTES)
            pattern = _pattern(page)
            if data != pattern:
                wrong += _PAGE_BYTES - len(data)
                wrong += sum([data[at] != pattern[at] for at in range(len(data))])
    return wrong


def _lowest_at_work(app: "App", lowest_mv: int) -> int:
    """Return the lowest supply while the processor alone is busy."""
    for _ in range(_PAGES):
        _pattern(0)
        lowest_mv = min(lowest_mv, app.chips.supply.read_mv())
    return lowest_mv


def _remove() -> None:
    try:
        os.remove(PATH)
    except OSError:
        pass  # it was not written
