"""The main loop's rest: how the board sleeps until there is something to do, and what it counts.

Place in the line: beside it; app calls `sleep` at the end of a pass that left nothing to do. Two
ways, of which board.py knows how they are done and DESIGN "The board's loop" why they are these:

    idle    all clocks on; any interrupt, and any byte of a host, ends it
    light   all clocks but the timer's off. Only where the profile asks for it and the port can,
            and nothing stands against it: a timer that is not a hard interrupt, what `against`
            names, or a host on USB. It is short: a shock must fit into what the accelerometer
            keeps by itself, and a cable that is plugged in must be noticed.

A host on USB is known by its frames, one a millisecond. In lightsleep none are seen, so the board
stays awake for LOOK_MS now and then and looks whether their number changes.
"""

from micropython import const

from dewarlog_firmware.clock import TICKS_PERIOD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Board(Protocol):
        """What is asked of board.Board."""

        sleeps_lightly: bool

        @property
        def ticks_ms(self) -> "Callable[[], int]":
            """What tells the time in ms."""
            ...

        @property
        def ticks_us(self) -> "Callable[[], int]":
            """What tells the time in us."""
            ...

        @property
        def sleep_ms(self) -> "Callable[[int], None]":
            """What lets so many ms pass."""
            ...

        def light_sleep(self, ms: int) -> None:
            """Sleep with all clocks off but the timer's."""
            ...

        def usb_frame(self) -> int:
            """Return the number of the newest USB frame."""
            ...

    class Waiter(Protocol):
        """See board.Waiter."""

        @property
        def has_work(self) -> "Callable[[], bool]":
            """What tells whether there is work."""
            ...

        def wait(self, ms: int) -> None:
            """Wait at most `ms`."""
            ...

    class Sleeper(Protocol):
        """What has to know of a light sleep: edges on pins may be lost in it."""

        def light_begins(self) -> None:
            """The clocks are about to stop."""
            ...

        def light_ends(self) -> None:
            """The clocks are back: look at levels."""
            ...


# What can stand against a light sleep: bits of `against`.
RADIO = const(1)  # it is on: its stack needs its turns
HOST = const(2)  # an answer waits to be taken
SHOCK = const(4)  # a capture goes on, or one waits to be written
CLOCK = const(8)  # the clock chip is to be set at a moment
TIMER = const(16)  # ticks come from the scheduler

LONGEST_MS = const(10_000)  # of any rest: what has no moment of its own is looked at this often
LIGHT_LONGEST_MS = const(500)  # a host tries for a second or two before it gives up on a device
LIGHT_SHORTEST_MS = const(10)  # below it, starting the PLLs again would take what is won
# The clocks are back before the tick comes, so that its sample is taken on time.
_TICK_AHEAD_MS = const(2)
_LOOK_MS = const(3)  # two frames of a host fall into it
_HOST_STAYS_MS = const(5_000)  # how long a host is taken to be there after its last frame
_MASK = TICKS_PERIOD - 1  # of ticks_us: no pass of the loop is awake for its 18 minutes


class Rest:
    """How the board sleeps. Main loop only.

    `light`: whether the profile allows it; `waiter`: what waits for interrupts with clocks on.
    """

    def __init__(self, board: "Board", light: bool, waiter: "Waiter", sleeper: "Sleeper") -> None:
        self._board = board
        self._light = light and board.sleeps_lightly
        self._waiter = waiter
        self._sleeper = sleeper
        self._woke_us = board.ticks_us()
        self._awake_us = 0  # not yet a whole millisecond
        self._has_host = True  # who made the board start may be on its cable
        self._looked_ms = board.ticks_ms()
        self.wake_ups = 0  # times a sleep ended, since the boot
        self.awake_ms = 0  # time that was not slept, since the boot
        self.light_sleeps = 0  # how many of them were light

    def sleep(self, limit_ms: int, tick_ms: int, bridge_ms: int, against: int) -> None:
        """Sleep until an interrupt brings work, a host says something, or `limit_ms` are over.

        `tick_ms` is how long it is until the next tick, `bridge_ms` how long a shock keeps
        unseen; `against`: RADIO and the other bits.
        """
        board = self._board
        limit_ms = min(limit_ms, LONGEST_MS)
        light_ms = 0
        if self._light and not against and bridge_ms >= LIGHT_SHORTEST_MS:
            light_ms = min(limit_ms, tick_ms - _TICK_AHEAD_MS)
            limit_ms = min(limit_ms, tick_ms + 1)  # idle over the tick, then lightly again
            if light_ms < LIGHT_SHORTEST_MS or self._is_host_there():
                light_ms = 0
        self._count()
        if light_ms:
            self._sleep_lightly(light_ms, min(bridge_ms, LIGHT_LONGEST_MS))
        else:
            self._waiter.wait(limit_ms)
            self._woke_us = board.ticks_us()
            self.wake_ups += 1

    def _sleep_lightly(self, limit_ms: int, most_ms: int) -> None:
        """Sleep `most_ms` at a time, until there is work or `limit_ms` are over."""
        board = self._board
        began_ms = board.ticks_ms()
        ms = min(limit_ms, most_ms)
        while ms >= LIGHT_SHORTEST_MS:
            self._sleeper.light_begins()
            board.light_sleep(ms)
            self._woke_us = board.ticks_us()
            self._sleeper.light_ends()
            self.wake_ups += 1
            self.light_sleeps += 1
            if self._waiter.has_work() or self._is_host_there():
                return
            self._count()
            ms = min(limit_ms - ((board.ticks_ms() - began_ms) & _MASK), most_ms)

    def _count(self) -> None:
        """Add the time since a sleep ended, or since it was added, to what was awake."""
        now_us = self._board.ticks_us()
        awake_us = self._awake_us + ((now_us - self._woke_us) & _MASK)
        self.awake_ms += awake_us // 1000
        self._awake_us = awake_us % 1000
        self._woke_us = now_us

    def _is_host_there(self) -> bool:
        """Tell whether a host is on USB, by a look that is not older than it may be."""
        board = self._board
        now_ms = board.ticks_ms()
        age_ms = (now_ms - self._looked_ms) & _MASK
        if age_ms >= (_HOST_STAYS_MS if self._has_host else LIGHT_LONGEST_MS):
            frame = board.usb_frame()
            board.sleep_ms(_LOOK_MS)
            self._has_host = board.usb_frame() != frame
            self._looked_ms = now_ms
        return self._has_host
