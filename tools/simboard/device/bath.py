"""The baths of a calibration: where a probe is when it is not in its dewar.

A probe that changes its bath goes on from where it was and nears the new one exponentially; then
stirring or boiling moves it about. Temperatures are those the launcher worked out, in micro-degC.
"""

import math

from simboard.device.noise import normal_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

DEWAR = "dewar"
_EDDY_US = 1500000  # the liquid around the probe is another one after so long
_GONE = 12  # time constants after which nothing is left of where it came from


class Baths:
    """Where one probe is when.

    `schedule` is a list of [at_us, name]; `micro_degc` the temperature of each bath by name.
    `settle_us` is the probe's time constant in a liquid, `stir_micro_k` the standard deviation
    of what stirring does; `outside(name)` tells the temperature of a place that is no bath: the
    dewar, and the air of the room. `used` is False for a probe that has not left its dewar, nor
    will.
    """

    def __init__(
        self,
        schedule: "list[Any]",
        micro_degc: "dict[str, int]",
        settle_us: int,
        stir_micro_k: int,
        stream: int,
        outside: "Callable[[str], int]",
    ) -> None:
        self._schedule = list(schedule)
        self._micro_degc = micro_degc
        self._settle_us = settle_us
        self._stir_micro_k = stir_micro_k
        self._stream = stream
        self._outside = outside
        self._name = DEWAR
        self._since_us = 0
        self._from_micro_degc = 0
        self._moved = False
        self.used = bool(schedule)

    def put(self, name: str, at_us: int) -> None:
        """Put the probe there now, and forget what was to come."""
        self._schedule = [[at_us, name]]
        self.used = True

    def micro_degc(self, at_us: int) -> int:
        """Return what the probe's tip has; time does not go back."""
        while self._schedule and self._schedule[0][0] <= at_us:
            since_us, name = self._schedule.pop(0)
            self._from_micro_degc = self._at(since_us)
            # At the very beginning it has been where it is for long.
            self._moved = since_us > 0
            self._name = name
            self._since_us = since_us
        return self._at(at_us)

    def _at(self, at_us: int) -> int:
        name = self._name
        goal = self._micro_degc.get(name)
        stirred = 0
        if goal is None:
            goal = self._outside(name)
        else:
            eddy = at_us // _EDDY_US
            stirred = int(normal_at(eddy, self._stream) * self._stir_micro_k)
        if not self._moved:
            return goal + stirred
        part = (at_us - self._since_us) / self._settle_us
        if part < _GONE:
            goal += int((self._from_micro_degc - goal) * math.exp(-part))
        return goal + stirred
