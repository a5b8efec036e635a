"""How far a reading may stand from the truth: one budget a reading, expanded with k = 2.

Terms, each a limit taken as a rectangular distribution (limit / sqrt(3)) unless said otherwise:
- wire: IEC 60584-1 tolerance class 3 of the probe type, unless the probe is calibrated; then the
  stored standard uncertainty of its calibration stands in its place;
- cold junction: +-0.7 degC (MAX31856 datasheet, electrical characteristics, TA -20 to +85 degC),
  times S(Tcj)/S(T): what 1 K at the terminals does to the result;
- converter: full-scale and INL error +-0.15 %FS and input offset +-0.015 %FS (same table; full
  scale 78.125 mV at gain 8, 19.531 mV at gain 32), divided by S(T);
- arithmetic: the board's linearisation, promised within 0.02 K.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from dewarlog import its90

COVERAGE_FACTOR: Final = 2.0
COLD_JUNCTION_LIMIT_K: Final = 0.7
CONVERTER_LIMIT_OF_FULL_SCALE: Final = 0.0015
OFFSET_LIMIT_OF_FULL_SCALE: Final = 0.00015
FULL_SCALE_MV: Final = {8: 78.125, 32: 19.531}
ARITHMETIC_LIMIT_K: Final = 0.02
DEFAULT_COLD_JUNCTION_DEGC: Final = 25.0
_SQRT3: Final = math.sqrt(3.0)


@dataclass(frozen=True, slots=True)
class Budget:
    """The standard uncertainties behind one reading, in kelvin."""

    wire_k: float
    cold_junction_k: float
    converter_k: float
    arithmetic_k: float
    calibrated: bool
    offset_k: float = 0.0
    """An offset the board added that is known to be wrong: it widens the result as it is."""

    @property
    def expanded_k(self) -> float:
        """Combine the terms and expand with k = 2; a wrong offset stands whole beside them."""
        combined_k = math.hypot(
            self.wire_k, self.cold_junction_k, self.converter_k, self.arithmetic_k
        )
        return COVERAGE_FACTOR * combined_k + self.offset_k


def wire_tolerance_k(probe_type: str, temperature_degc: float) -> float:
    """Give the class 3 tolerance of IEC 60584-1 at a temperature, in kelvin.

    Type T: 1 K or 1.5 % of |t|; types K and E: 2.5 K or 1.5 % of |t|; the greater counts. The
    standard ends class 3 at -200 degC; below, the same line is drawn on.
    """
    floor = 1.0 if probe_type == "T" else 2.5
    return max(floor, 0.015 * abs(temperature_degc))


@lru_cache(maxsize=4096)
def budget(
    probe_type: str,
    temperature_degc: float,
    cold_junction_degc: float = DEFAULT_COLD_JUNCTION_DEGC,
    gain: int = 32,
    calibration_u_k: float | None = None,
) -> Budget:
    """Draw up the budget of one reading; `calibration_u_k` is None for an uncalibrated probe."""
    slope = its90.sensitivity_mv_per_k(probe_type, temperature_degc)
    ratio = its90.sensitivity_mv_per_k(probe_type, cold_junction_degc) / slope
    full_scale_mv = FULL_SCALE_MV.get(gain, FULL_SCALE_MV[8])
    limits_mv = (
        CONVERTER_LIMIT_OF_FULL_SCALE * full_scale_mv,
        OFFSET_LIMIT_OF_FULL_SCALE * full_scale_mv,
    )
    wire_k = (
        wire_tolerance_k(probe_type, temperature_degc) / _SQRT3
        if calibration_u_k is None
        else calibration_u_k
    )
    return Budget(
        wire_k=wire_k,
        cold_junction_k=COLD_JUNCTION_LIMIT_K * ratio / _SQRT3,
        converter_k=math.hypot(*limits_mv) / slope / _SQRT3,
        arithmetic_k=ARITHMETIC_LIMIT_K / _SQRT3,
        calibrated=calibration_u_k is not None,
    )
