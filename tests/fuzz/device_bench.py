"""The bench's requests with whatever a host says: the real bench and server over a real log.

As device_readers, which calls `read_bench` by its name; runs on CPython and on MicroPython. Beside
what the server promises: the profile's file is at each moment the one before or one that was
handed over whole and can be used; the open run stays; what is erased was told.
"""

import os

from device_rig import (
    LOG_ID,
    POLLS_MAX,
    Desk,
    Out,
    clear_log,
    new_lock,
    open_logbook,
    scratch,
    write,
)
from dewarlog_firmware.bench import Bench
from dewarlog_firmware.config import load_config
from dewarlog_firmware.server import Server
from dewarlog_wire import layout
from dewarlog_wire.crc import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dewarlog_firmware.logbook import Logbook

BY_AIR, IS_LOCKED = 1, 2  # bits of a case's first byte
PROFILE = b'{"channels": [{"channel": 0}], "rules": []}'
CONFIG_CRC = 7
RESULTS = [(test, 0, test % 3, -5, 0, 2**31 - 1) for test in range(20)]


class _Tester:
    """Stands for selftest.SelfTest."""

    def __init__(self) -> None:
        self.results: "list[tuple]" = []
        self._left = 0

    def begin(self) -> None:
        """Begin anew."""
        self.results = []
        self._left = 2

    def step(self) -> bool:
        """Do a slice."""
        self._left -= 1
        if self._left <= 0:
            self.results = RESULTS
        return self._left > 0


class _Figures:
    """Every figure that LIVE asks of the parts of an app."""

    def __init__(self) -> None:
        self.heap_free_bytes = self.heap_low_bytes = self.pass_max_us = 1
        self.wake_ups = self.awake_ms = self.late_ms = self.pending_mask = 1
        self.raw = [[1, -2, 3]]
        self.is_known = False

    def look_when_due(self, every_ms: int) -> None:
        """Look."""

    def values(self) -> tuple:
        """Return a TILT event's."""
        return (0, 1, 2, 3, 4, 5)

    def states(self) -> int:
        """Return those of all parts."""
        return 0


class _App:
    """Stands for app.App; a restart is counted."""

    def __init__(self, book: "Logbook", desk: Desk) -> None:
        self.logbook = book
        self.guard = desk.guard
        self.board = desk
        self.config = load_config(PROFILE)
        self.gauges = self.rest = self.engine = self.tilt = self.chips = self.keeper = _Figures()
        self.selftest = _Tester()
        self.stamp = desk.stamp
        self.restarts = 0
        self.awaits_second = False

    def begin_selftest(self) -> None:
        """Begin."""
        self.selftest.begin()

    def restart(self) -> None:
        """Count."""
        self.restarts += 1


class Place:
    """A board with a profile, a run that has ended, which nobody holds, and an open one."""

    def __init__(self, setting: int = 0) -> None:
        clear_log()
        self.path = scratch[0] + "/profile.json"
        write(self.path, PROFILE)
        self.book = open_logbook()
        self.book.at(0, 0)
        for number in range(2):
            self.book.begin([(layout.SECTION_TEXT, b"\x02dewar" + bytes(300))], LOG_ID, CONFIG_CRC)
            if not number:
                self.book.end()
        by_air = bool(setting & BY_AIR)
        self.body_max = layout.BLE_BODY_MAX_BYTES if by_air else 1024
        lock = new_lock()
        if setting & IS_LOCKED:
            lock.claim()
            lock.set(locked=True)
        desk = Desk(self.book, lock)
        self.app = _App(self.book, desk)
        app: "Any" = self.app
        self.bench = Bench(app, desk, self.path)  # pyright: ignore[reportArgumentType]
        self.server = Server(
            self.book,  # pyright: ignore[reportArgumentType]
            desk,  # pyright: ignore[reportArgumentType]
            desk.guard,
            lambda count: b"r" * count,
            self.body_max,
            in_hand=not by_air,
            more=self.bench.handlers,
        )


def read_bench(data: bytes) -> "list[str]":
    """Answer requests: a first byte that says which link and lock, then as `read_server`."""
    place = Place(data[0] if data else 0)
    app, bench, book, path, server = place.app, place.bench, place.book, place.path, place.server
    out = Out(place.body_max)
    at = 1
    while at + 3 <= len(data):
        length = data[at + 2]
        handed = bytes(server.draft or b"")
        server.handle(data[at], data[at + 1], data[at + 3 : at + 3 + length])
        at += 3 + length
        polls = 0
        while server.poll(out) or not server.ready or (bench.step() and not app.restarts):
            polls += 1
            if polls > POLLS_MAX:
                raise AssertionError("the server never comes to rest")
        _expect_profile(path, handed)
        if app.restarts:
            break  # a real board is gone by now
    if not app.restarts and book.recorder.run not in book.flash.runs():
        raise AssertionError("the open run was erased")
    server.drop()
    book.flash.release()
    with open(path, "rb") as file:
        out.lines.append("%d %d" % (app.restarts, crc32(file.read())))
    return out.lines


def _expect_profile(path: str, handed: bytes) -> None:
    """Expect the profile before, or the one that was just put in force."""
    with open(path, "rb") as file:
        held = file.read()
    if held != PROFILE:
        if held != handed:
            raise AssertionError("the profile is none that was handed over")
        load_config(held)
    if path.rpartition("/")[2] + ".new" in os.listdir(path.rpartition("/")[0]):
        raise AssertionError("half a profile was left")
