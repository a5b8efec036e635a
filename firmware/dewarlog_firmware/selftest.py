"""The board tests itself: a slice of each test in every pass of the main loop.

Outside the line, loaded when a host first asks for it (bench). Tests, numbers and units:
layout.SELFTESTS; SPEC 5, event 27, and 7.11. Three jobs go on side by side, each a generator that
hands the loop back at every wait: probes (selftest_probes), motion sensors with the flash
(selftest_motion), and the rest (selftest_board). A job that ends, is given up or fails in the
middle runs through its `finally`, which leaves each chip as it was found.

What a verdict means:
    pass, fail   the value is, or is not, from `least` to `most`
    not there    the part need not be there: no radio on a board that has none, radio switched off,
                 no tilt sensor and no rule of the profile on tilt. Or the test could not be made
                 because of what another one tells: a probe that is shorted has no cold junction
                 reading. So one fault is one failure.
A part that a trip needs, or the profile asks for, and that does not answer, fails its identity: a
bus cannot tell a dead chip from a missing one.
"""

import gc

from micropython import const

from dewarlog_firmware import selftest_board, selftest_motion, selftest_probes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dewarlog_firmware.app import App

PASS = const(0)
FAIL = const(1)
NOT_THERE = const(2)

_LATENCY = const(14)
_HEAP = const(15)
# A signature (16 KB: tests/firmware/test_ed25519.py) during a pull by radio (8 KB: test_ble_heap).
_HEAP_LEAST_BYTES = const(24 * 1024)
_MOST = const(0x7FFFFFFF)
_TICKS_MASK = const(0x3FFFFFFF)


class SelfTest:
    """One board's self-test. `results`: (test, index, verdict, value, least, most), in order."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self._jobs: "list[Iterator[bool]]" = []
        self._began_us = -1  # ticks of the step before; -1: none
        self._longest_us = 0
        self._ran_out = False
        self.results: "list[tuple[int, int, int, int, int, int]]" = []

    @property
    def is_busy(self) -> bool:
        """Tell whether a test goes on."""
        return bool(self._jobs)

    def begin(self) -> None:
        """Begin anew. Raises ValueError while a test is going on."""
        if self._jobs:
            raise ValueError("a self-test is going on")
        app = self._app
        self.results = []
        self._began_us = -1
        self._longest_us = 0
        self._ran_out = False
        self._jobs = [
            selftest_probes.run(app, self),
            selftest_motion.run(app, self),
            selftest_board.run(app, self),
        ]

    def step(self) -> bool:
        """Do a slice of each job; True while at work.

        When all of them only wait, a millisecond is slept: interrupts go on meanwhile.
        """
        jobs = self._jobs
        if not jobs:
            return False
        board = self._app.board
        now_us = board.ticks_us()
        if self._began_us >= 0:
            self._longest_us = max(self._longest_us, (now_us - self._began_us) & _TICKS_MASK)
        self._began_us = now_us
        works = False
        for job in tuple(jobs):
            try:
                works = next(job) or works
            except StopIteration:
                jobs.remove(job)
            except MemoryError:
                jobs.remove(job)
                self._ran_out = True
        if not jobs:
            self._finish()
            return False
        if not works:
            board.sleep_ms(1)
        return True

    def drop(self) -> None:
        """Give the test up, if one is going on; every chip is as it was."""
        while self._jobs:
            job = self._jobs.pop()
            try:
                job.close()  # pyright: ignore[reportAttributeAccessIssue] - a generator
            except (OSError, MemoryError):
                pass  # the other jobs' chips are still to be brought back

    def was_held(self) -> None:
        """Leave the pass in hand out of the longest: a job kept it, where that loses nothing."""
        self._began_us = -1

    # --- what the jobs find -------------------------------------------------------------------

    def judge(self, test: int, value: int, least: int, most: int = _MOST, index: int = 0) -> None:
        """Note a value that was measured."""
        verdict = PASS if least <= value <= most else FAIL
        self.results.append((test, index, verdict, value, least, most))

    def leave_out(self, test: int, least: int, most: int = _MOST, index: int = 0) -> None:
        """Note a test that was not made."""
        self.results.append((test, index, NOT_THERE, 0, least, most))

    def has(self, test: int) -> bool:
        """Tell whether that test has a result already."""
        for result in self.results:
            if result[0] == test:
                return True
        return False

    def _finish(self) -> None:
        # A longer pass would lose samples of a shock.
        self.judge(_LATENCY, self._longest_us, 0, self._app.shock_sampler.ring_us())
        gauges = self._app.gauges
        gauges.look()
        free_bytes = 0 if self._ran_out else gauges.heap_free_bytes
        self.judge(_HEAP, min(free_bytes, _MOST), _HEAP_LEAST_BYTES)
        self.results.sort()
        gc.collect()
