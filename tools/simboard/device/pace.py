"""The wall clock, when the board runs in real time."""

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_WAIT_MS = 60000  # longer waits end early
_LOOK_US = 5000  # console input and orders are looked for at least this often


class Pace:
    """Maps wall time to virtual time, `speed` seconds a second, from the moment it is made.

    `wait` is what to do until there is something to do: it takes milliseconds and returns early
    when console input has come. `on_look` is called every few milliseconds.
    """

    def __init__(self, start_us: int, wait: "Callable[[int], object]", speed: float = 1) -> None:
        self.on_look = None
        self._wait = wait
        self._speed = speed
        self._virtual_us = start_us
        self._wall_us = time.ticks_us()
        self._looked_us = self._wall_us
        self._looking = False

    def now_us(self) -> int:
        """Return the virtual time it is now by the wall."""
        wall_us = time.ticks_us()
        self._virtual_us += int(time.ticks_diff(wall_us, self._wall_us) * self._speed)
        self._wall_us = wall_us
        if time.ticks_diff(wall_us, self._looked_us) > _LOOK_US and not self._looking:
            self._looked_us = wall_us
            self._looking = True
            try:
                self.on_look()
            finally:
                self._looking = False
        return self._virtual_us

    def wait_until(self, target_us: int) -> None:
        """Wait until `target_us` by the wall, or until console input comes."""
        left_us = (target_us - self.now_us()) / self._speed
        if left_us > 0:
            self._wait(min(int(left_us + 999) // 1000, _WAIT_MS))
