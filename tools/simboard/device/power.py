"""What ends a run of the firmware from outside: power, resets, the end of the trip.

None of them is an `Exception`, so that no `except Exception` of the firmware can swallow them.
"""


class BoardStop(BaseException):
    """Root of everything that takes the processor away from the firmware.

    `newest` is the one that ended this boot, None while it goes on. A `finally` of the firmware
    may put another error in its place: a locked board's sleeps and resets, a file that is closed
    on a dead flash fails. The firmware then goes on until it sleeps or idles, see Clock.
    """

    newest: "BoardStop | None" = None

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        BoardStop.newest = self


class PowerCut(BoardStop):
    """The supply went away: RAM and chip settings are gone, flash stays as it was."""


class HardReset(BoardStop):
    """The processor starts over, chips keep their power; `cause` is a machine.reset_cause()."""

    def __init__(self, cause: int) -> None:
        super().__init__(cause)
        self.cause = cause


class SoftReset(BoardStop):
    """MicroPython starts over: timers and pin interrupts off, heap new."""


class TripOver(BoardStop):
    """The scenario has reached its end, or the person at the launcher said so."""
