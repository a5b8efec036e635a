"""How many requests that write to the flash a host may make: some at once, then one in a while.

Place in the line: beside server, which asks it before SEAL, MARK, CONFIRM, HANDOFF, TIME, RADIO.
No I/O. A seal of one sample costs 126 bytes and a few erased sectors: without a bound, anyone in
reach fills the memory and wears it out. The rule: protocol/SPEC.md 7.6; where the figures come
from: protocol/DESIGN.md "On the board".
"""

from micropython import const

_TICKS_MASK = const(0x3FFFFFFF)


class Allowance:
    """`most` requests at once, and one more every `every_ms`.

    A pause longer than the ticks count (12 days) is taken for a shorter one: never for a longer.
    """

    def __init__(self, most: int, every_ms: int) -> None:
        self._most = most
        self._every_ms = every_ms
        self._left = most
        self._since_ms = 0  # when the last one was granted back; of no meaning while all are left

    def take(self, ticks_ms: int) -> bool:
        """Take one at that count of milliseconds; False when none is left."""
        now_ms = ticks_ms & _TICKS_MASK
        back = ((now_ms - self._since_ms) & _TICKS_MASK) // self._every_ms
        if self._left + back >= self._most:
            self._left = self._most
            self._since_ms = now_ms
        else:
            self._left += back
            self._since_ms = (self._since_ms + back * self._every_ms) & _TICKS_MASK
        if not self._left:
            return False
        self._left -= 1
        return True
