"""One thermocouple with its wiring: what stands between the dewar and the converter's input."""

from simboard.device import its90
from simboard.device.clock import NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from simboard.device.dewar import Dewar

CONNECTED = 0
OPEN = 1
SHORTED = 2
_STILL_US = 500000  # nothing in a dewar moves in half a second: one step serves all converters


class Probe:
    """The probe of one channel.

    `faults` is a list of (start_us, end_us, OPEN or SHORTED). `offset_nv` is the error of the wire
    at cryogenic temperature, `cold_junction_error_k` how far the converter's own sensor is off the
    terminals.
    """

    def __init__(
        self,
        dewar: "Dewar",
        probe_type: str,
        placement: str,
        faults: "list[Any]",
        offset_nv: float,
        cold_junction_error_k: float,
    ) -> None:
        self._dewar = dewar
        self._table = its90.Table(probe_type)
        self._placement = placement
        self._faults = faults
        self._offset_nv = int(offset_nv)
        self._cold_junction_error = int(cold_junction_error_k * 1000000)

    def state(self, now_us: int) -> int:
        """Return CONNECTED, OPEN or SHORTED."""
        for start_us, end_us, state in self._faults:
            if start_us <= now_us < end_us:
                return state
        return CONNECTED

    def state_until(self, now_us: int) -> int:
        """Return when the state of `now_us` ends."""
        for start_us, end_us, _ in self._faults:
            if start_us <= now_us < end_us:
                return end_us
        return NEVER

    def input_nv(self, at_us: int) -> int:
        """Return the voltage between the converter's inputs, in whole nanovolts."""
        dewar = self._dewar
        if at_us - dewar.at_us > _STILL_US:
            dewar.advance(at_us)
        table = self._table
        hot = table.voltage_nv(dewar.micro_degc[self._placement])
        return hot - table.voltage_nv(dewar.board_micro_degc) + self._offset_nv

    def cold_junction_micro_degc(self, at_us: int) -> int:
        """Return what the converter's own temperature sensor sees."""
        dewar = self._dewar
        if at_us - dewar.at_us > _STILL_US:
            dewar.advance(at_us)
        return dewar.board_micro_degc + self._cold_junction_error
