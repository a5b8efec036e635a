"""Supply voltage through a resistive divider and the board's own converter. Main loop only.

Integers only: at most 65535 x 3600 = 2.4e8, below 2**30.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Adc(Protocol):
        """What is asked of `machine.ADC`; esp32's has `read_uv` too, which is calibrated."""

        def read_u16(self) -> int:
            """Return 0 to 65535 for 0 V to the reference."""
            ...


_FULL_SCALE = 65535  # machine.ADC.read_u16 scales every port's converter to 16 bits
_READINGS = 8


class Supply:
    """Measures the supply in mV as the mean of eight readings."""

    def __init__(self, adc: "Adc", reference_mv: int, upper_kohm: int, lower_kohm: int) -> None:
        """`upper_kohm` lies between the supply and the pin, `lower_kohm` from there to ground."""
        self._read_u16 = adc.read_u16
        # esp32 knows the true voltage from its factory calibration; rp2 has no such method.
        self._read_uv = getattr(adc, "read_uv", None)
        self._reference_mv = reference_mv
        self._upper = upper_kohm
        self._lower = lower_kohm

    def read_mv(self) -> int:
        """Return the supply voltage before the divider."""
        total_mv = 0
        for _ in range(_READINGS):
            if self._read_uv is not None:
                total_mv += self._read_uv() // 1000
            else:
                total_mv += self._read_u16() * self._reference_mv // _FULL_SCALE
        return total_mv * (self._upper + self._lower) // (self._lower * _READINGS)
