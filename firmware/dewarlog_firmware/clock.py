"""Uptime from a tick counter that wraps, as seconds and milliseconds that never do.

Place in the line: beside it; app turns every tick into an uptime here. Pure.
`ticks_ms` counts modulo 2**30 (12.4 days); uptime counts on for as long as the board runs. It is
kept as two small integers because a 32-bit board holds only 30 bits without touching the heap.
"""

_TICKS_MASK = 0x3FFFFFFF
_HALF = 0x20000000


class Uptime:
    """Time since the boot. Begins at 0 when made, with the tick count of that moment.

    Must be asked at least once in 6 days (half a period), which the main loop does many times a
    second. Ticks from before the newest are welcome: interrupts stamp earlier than the loop asks.
    """

    def __init__(self, ticks_ms: int) -> None:
        self._ticks_ms = ticks_ms & _TICKS_MASK
        self._s = 0
        self._ms = 0

    def at(self, ticks_ms: int) -> "tuple[int, int]":
        """Return the uptime (s, ms) at a tick count, which may lie in the near past."""
        ticks_ms &= _TICKS_MASK
        passed_ms = ((ticks_ms - self._ticks_ms + _HALF) & _TICKS_MASK) - _HALF
        whole_ms = self._ms + passed_ms
        s = self._s + whole_ms // 1000
        ms = whole_ms % 1000
        if s < 0:
            return 0, 0  # a tick from before the boot was counted
        if passed_ms > 0:
            self._ticks_ms = ticks_ms
            self._s = s
            self._ms = ms
        return s, ms
