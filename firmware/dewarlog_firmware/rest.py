"""The main loop's rest: sleeps until the next interrupt, and counts how often and how long.

Beside app, whose loop calls `sleep` when nothing is left to do; bench tells the counts
(protocol/SPEC.md 7.11).
"""

from dewarlog_firmware.clock import TICKS_PERIOD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dewarlog_firmware.board import Board

_MASK = TICKS_PERIOD - 1  # of ticks_us: no pass of the loop is awake for its 18 minutes


class Rest:
    """How the board sleeps. Main loop only."""

    def __init__(self, board: "Board") -> None:
        self._board = board
        self._woke_us = board.ticks_us()
        self._awake_us = 0  # not yet a whole millisecond
        self.wake_ups = 0  # times a sleep ended, since the boot
        self.awake_ms = 0  # time that was not slept, since the boot

    def sleep(self) -> None:
        """Sleep until an interrupt."""
        board = self._board
        awake_us = self._awake_us + ((board.ticks_us() - self._woke_us) & _MASK)
        self.awake_ms += awake_us // 1000
        self._awake_us = awake_us % 1000
        board.idle()
        self._woke_us = board.ticks_us()
        self.wake_ups += 1
