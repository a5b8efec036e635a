"""The supply voltage behind its divider, as the RP2040's converter reads it.

A lithium cell that empties evenly over the trip, falls under load by its resistance, and dips the
scenario asks for. The load that varies is the flash: 25 mA while it erases or programs (W25Q16JV
data sheet, "DC Electrical Characteristics"); the capacitors behind the cell take about a
millisecond to recover. RP2040 data sheet, 4.9: 12 bits over the 3.3 V reference; read_u16 scales
to 16 bits by repeating the top ones.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from simboard.device.clock import Clock
    from simboard.device.noise import Noise

_REFERENCE_MV = 3300
_DIVIDER = 2  # two equal resistors
_FLASH_MA = 25
_RECOVERS_US = 1000


class Supply:
    """`start_mv` falls to `end_mv` over `length_us`; `dips` is a list of (start, end, mv).

    `source_ohm`: the cell's resistance. `flash_us()` tells when the flash was last at work.
    """

    def __init__(
        self,
        clock: "Clock",
        noise: "Noise",
        start_mv: float,
        end_mv: float,
        length_us: int,
        dips: "list[Any]",
        source_ohm: float = 0,
        flash_us: "Callable[[], int] | None" = None,
    ) -> None:
        self._clock = clock
        self._noise = noise
        self._start_mv = start_mv
        self._end_mv = end_mv
        self._length_us = length_us
        self._dips = dips
        self._sag_mv = source_ohm * _FLASH_MA
        self._flash_us = flash_us

    def millivolts(self) -> float:
        """Return the supply voltage now."""
        now = self._clock.now
        for start_us, end_us, mv in self._dips:
            if start_us <= now < end_us:
                return mv
        part = min(1.0, now / self._length_us)
        mv = self._start_mv + (self._end_mv - self._start_mv) * part
        if self._flash_us is not None and now - self._flash_us() < _RECOVERS_US:
            mv -= self._sag_mv
        return mv

    def read_u16(self) -> int:
        """Return one conversion."""
        mv = self.millivolts() / _DIVIDER
        code = int(mv * 4096 / _REFERENCE_MV + self._noise.normal() * 2)
        code = max(0, min(4095, code))
        return code << 4 | code >> 8
