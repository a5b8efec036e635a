"""Uptime from the board's wrapping tick counter, and what the wall clock says about it.

Place in the line: app asks it when something happened; every record carries uptime, never a
stepped wall clock. Pure: ticks are arguments.

Uptime is a pair (s, ms) from the start of this boot. A single millisecond count would pass 2**30,
where 32-bit boards begin to put integers on the heap, after 12 days: less than a trip.
"""

from dewarlog_wire.layout import UTC_UNKNOWN

TICKS_PERIOD = 1 << 30  # of ticks_ms on 32-bit ports; it divides the period of all others
_MASK = TICKS_PERIOD - 1
_HALF = TICKS_PERIOD >> 1


class Uptime:
    """Counts up from the tick it is made at. Main loop only.

    Exact: every millisecond of ticks is counted once, whatever the calls. `at` must be asked for
    the present at least once in half a tick period, 6.2 days; a main loop does so all the time.
    """

    def __init__(self, ticks_ms: int) -> None:
        self._ticks_ms = ticks_ms & _MASK
        self._s = 0
        self._ms = 0

    def at(self, ticks_ms: int) -> "tuple[int, int]":
        """Return the uptime (s, ms) of a tick: the present one, or one an interrupt noted before.

        A tick counts as past when it is less than half a period behind the newest seen.
        """
        passed_ms = (ticks_ms - self._ticks_ms) & _MASK
        if passed_ms >= _HALF:
            ms = self._ms + passed_ms - TICKS_PERIOD
            return self._s + ms // 1000, ms % 1000
        ms = self._ms + passed_ms
        self._ticks_ms = ticks_ms & _MASK
        self._s += ms // 1000
        self._ms = ms % 1000
        return self._s, self._ms


def earlier(uptime_s: int, uptime_ms: int, age_us: int) -> "tuple[int, int]":
    """Return the uptime (s, ms) that lies `age_us` before another, floored to the millisecond.

    For samples whose time an interrupt noted in microseconds: age = ticks_us now - ticks_us then.
    """
    ms = uptime_ms + (-age_us) // 1000
    return uptime_s + ms // 1000, ms % 1000


class WallClock:
    """One reading of the clock chip, tied to the uptime at which it was taken.

    The chip shows whole seconds: when it said utc_s, true time by that clock was in
    [utc_s, utc_s + 1). What `utc_at` returns has the same meaning for another moment.
    """

    def __init__(self, utc_s: int, uptime_s: int, uptime_ms: int) -> None:
        self._utc_s = utc_s
        self._uptime_s = uptime_s
        self._uptime_ms = uptime_ms

    def utc_at(self, uptime_s: int, uptime_ms: int) -> int:
        """Return the UTC second (since 2020) of an uptime of this boot, or UTC_UNKNOWN."""
        if self._utc_s == UTC_UNKNOWN:
            return UTC_UNKNOWN
        passed_s = uptime_s - self._uptime_s
        if uptime_ms < self._uptime_ms:
            passed_s -= 1
        return self._utc_s + passed_s
