"""How fast a reading changes: the earlier readings a rate rule compares with.

Place in the line: below excursion, which asks for the rate at every sample. Pure; integers only.
Normative text: protocol/SPEC.md "Excursions".

Rate, in K/h: rise since the newest entry at least rate_window_s old, over its age, floored. An
entry is kept for a sample, after its rate is taken, when there is none yet or the last is at least
rate_window_s / 16 old; a state code, a gap or a boot clears them. Of the 32 entries that the text
lets a history hold, 18 can matter: entries older than the one in use never come back.
"""

import struct
from array import array

from micropython import const

_ENTRIES_PER_WINDOW = const(16)
_ENTRIES_MAX = const(18)  # 17 within a window, spaced by floor(window / 16), and the one in use
# 1 count is 1/128 K and 1 h is 3600000 ms: K/h = counts / ms * 3600000 / 128.
_K_PER_H = const(28125)

# Number of entries, time of the first; then for each the time since the one before, and the value.
_HEAD_FORMAT = "<BIH"
_HEAD_BYTES = struct.calcsize(_HEAD_FORMAT)
_ENTRY_FORMAT = "<Ih"
_ENTRY_BYTES = struct.calcsize(_ENTRY_FORMAT)
HISTORY_MAX_BYTES = _HEAD_BYTES + _ENTRIES_MAX * _ENTRY_BYTES


class RateHistory:
    """Earlier readings of one channel for the rate rules of one window; oldest entry first."""

    def __init__(self, window_s: int, channel: int, column: int) -> None:
        self.window_ms = window_s * 1000
        self.channel = channel
        self.column = column
        self.has_rate = False
        self.rate = 0  # K/h at the newest sample, if has_rate
        self._count = 0
        self._first = 0
        self._s = array("i", bytes(4 * _ENTRIES_MAX))
        self._ms = array("h", bytes(2 * _ENTRIES_MAX))
        self._x = array("h", bytes(2 * _ENTRIES_MAX))

    def clear(self) -> None:
        """Forget everything: what comes next does not follow what came before."""
        self.has_rate = False
        self._count = 0

    def take(self, t_s: int, t_ms: int, x: int) -> None:
        """Find the rate at this sample, then keep the sample if one is due."""
        while self._count > 1 and self._age_ms(1, t_s, t_ms) >= self.window_ms:
            self._drop_first()
        self.has_rate = False
        if self._count:
            age_ms = self._age_ms(0, t_s, t_ms)
            if age_ms >= self.window_ms:
                self.has_rate = True
                self.rate = (x - self._x[self._first]) * _K_PER_H // age_ms
        if self._count:
            spacing_ms = self.window_ms // _ENTRIES_PER_WINDOW
            if self._age_ms(self._count - 1, t_s, t_ms) < spacing_ms:
                return
        self._put(t_s, t_ms, x)

    def _age_ms(self, number: int, t_s: int, t_ms: int) -> int:
        at = (self._first + number) % _ENTRIES_MAX
        return (t_s - self._s[at]) * 1000 + t_ms - self._ms[at]

    def _drop_first(self) -> None:
        self._first = (self._first + 1) % _ENTRIES_MAX
        self._count -= 1

    def _put(self, t_s: int, t_ms: int, x: int) -> None:
        if self._count == _ENTRIES_MAX:  # only a clock that runs backwards gets here
            self._drop_first()
        at = (self._first + self._count) % _ENTRIES_MAX
        self._s[at] = t_s
        self._ms[at] = t_ms
        self._x[at] = x
        self._count += 1

    def pack_into(self, buffer: bytearray, offset: int) -> int:
        """Write the state at `offset` and return the offset behind it."""
        first = self._first
        s, ms = (self._s[first], self._ms[first]) if self._count else (0, 0)
        struct.pack_into(_HEAD_FORMAT, buffer, offset, self._count, s, ms)
        offset += _HEAD_BYTES
        for number in range(self._count):
            at = (first + number) % _ENTRIES_MAX
            since_ms = (self._s[at] - s) * 1000 + self._ms[at] - ms
            s, ms = self._s[at], self._ms[at]
            struct.pack_into(_ENTRY_FORMAT, buffer, offset, since_ms, self._x[at])
            offset += _ENTRY_BYTES
        return offset

    @staticmethod
    def end_of(buffer: bytes, offset: int) -> int:
        """Return where the state at `offset` ends. Raises ValueError when it cannot be one."""
        if len(buffer) < offset + _HEAD_BYTES or buffer[offset] > _ENTRIES_MAX:
            raise ValueError("excursion state of other rules")
        return offset + _HEAD_BYTES + buffer[offset] * _ENTRY_BYTES

    def unpack_from(self, buffer: bytes, offset: int) -> int:
        """Take over the state that `pack_into` wrote; return the offset behind it."""
        count, s, ms = struct.unpack_from(_HEAD_FORMAT, buffer, offset)
        offset += _HEAD_BYTES
        self._first = 0
        self._count = 0
        for _ in range(count):
            since_ms, x = struct.unpack_from(_ENTRY_FORMAT, buffer, offset)
            ms += since_ms
            s += ms // 1000
            ms %= 1000
            self._put(s, ms, x)
            offset += _ENTRY_BYTES
        return offset
