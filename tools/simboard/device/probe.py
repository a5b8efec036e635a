"""One thermocouple with its wiring: what stands between the dewar and the converter's input."""

from simboard.device import its90
from simboard.device.bath import DEWAR
from simboard.device.clock import NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from simboard.device.bath import Baths
    from simboard.device.dewar import Dewar

CONNECTED = 0
OPEN = 1
SHORTED = 2
_STILL_US = 500000  # nothing in a dewar moves in half a second: one step serves all converters


class Probe:
    """The probe of one channel.

    `faults` is a list of (start_us, end_us, OPEN or SHORTED). `offset_nv` is the error of the wire
    at cryogenic temperature, `slope_ppm` how much too large its own voltage is,
    `cold_junction_error_k` how far the converter's own sensor is off the terminals. `baths` says
    where the probe is when it is not in the dewar, None for one that never leaves it.
    """

    def __init__(
        self,
        dewar: "Dewar",
        probe_type: str,
        placement: str,
        faults: "list[Any]",
        offset_nv: float,
        cold_junction_error_k: float,
        slope_ppm: float = 0,
        baths: "Baths | None" = None,
    ) -> None:
        self._dewar = dewar
        self._table = its90.Table(probe_type)
        self._placement = placement
        self._faults = faults
        self._offset_nv = int(offset_nv)
        self._slope_ppm = int(slope_ppm)
        self.baths = baths
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
        baths = self.baths
        if baths is None or not baths.used:
            tip = dewar.micro_degc[self._placement]
        else:
            tip = baths.micro_degc(at_us)
        wire = table.voltage_nv(tip) - table.voltage_nv(dewar.board_micro_degc)
        return wire + wire * self._slope_ppm // 1000000 + self._offset_nv

    def place_micro_degc(self, name: str) -> int:
        """Return the temperature of a place that is no bath: the dewar, or the air of the room."""
        if name == DEWAR:
            return self._dewar.micro_degc[self._placement]
        return int(self._dewar.ambient_degc(self._dewar.at_us) * 1000000)

    def cold_junction_micro_degc(self, at_us: int) -> int:
        """Return what the converter's own temperature sensor sees."""
        dewar = self._dewar
        if at_us - dewar.at_us > _STILL_US:
            dewar.advance(at_us)
        return dewar.board_micro_degc + self._cold_junction_error
