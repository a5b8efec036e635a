"""How cold boiling nitrogen is under the air of the day, and how well that is known.

In the bench: a reference of calibration. Pure.

The boiling point moves by 0.08 K for every 10 hPa, so it is computed from the pressure of the air
at the bath, the *station* pressure. What weather services tell is reduced to sea level: 50 hPa too
much at 400 m, 0.4 K. A sea-level value is therefore taken only together with an altitude.

Saturation curve: Span, Lemmon, Jacobsen, Wagner, Yokozeki, "A Reference Equation of State for the
Thermodynamic Properties of Nitrogen", J. Phys. Chem. Ref. Data 29 (2000) 1361, the ancillary
equation for the vapour pressure (page 1368), ITS-90, from the triple point (63.151 K) to the
critical one. It gives 77.355 K at 1013.25 hPa. Short Antoine equations for the whole liquid range
are not good enough: one that is often quoted is 0.4 K off there.

What an open dewar adds is never colder than the curve, and is not corrected but carried as
uncertainty, the root mean square of a rectangular distribution from 0 to its limit, limit/sqrt(3):
- oxygen of the air dissolves in the liquid. By Raoult's law a mole fraction x raises the boiling
  point by x (p_N2 - p_O2) / (dp_N2/dT); p_O2 is about a fifth of p_N2 at these temperatures. Up
  to 1 %, a dewar filled within the hour: 0.07 K;
- the weight of the liquid over the probe, up to 150 mm of it: 12 hPa, 0.1 K.
"""

from __future__ import annotations

import math
from typing import Final

from dewarlog.calibrate.contribution import Contribution
from dewarlog.errors import BadPressure

ZERO_DEGC_K: Final = 273.15
LEAST_HPA: Final = 500.0  # the highest towns stand at 5000 m
MOST_HPA: Final = 1100.0  # no barometer at sea level has read 1085 hPa
# How far a barometer at the bath, or a phone's, may be off, and the weather move meanwhile.
PRESSURE_LIMIT_HPA: Final = 2.0
# Services reduce by the temperature of the day, the standard atmosphere by its own: 20 K apart
# make 7 % of the difference of some 12 hPa in 100 m.
REDUCTION_LIMIT_HPA_PER_M: Final = 0.008
# Equation of state 0.02 % in pressure (abstract of the reference), ancillary equation as much.
EQUATION_LIMIT_PART: Final = 0.0004
OXYGEN_LIMIT_PART: Final = 0.01
OXYGEN_OF_NITROGEN_PRESSURE: Final = 0.2
HEAD_LIMIT_M: Final = 0.15
LIQUID_KG_PER_M3: Final = 807.0
GRAVITY_M_PER_S2: Final = 9.81

_CRITICAL_K: Final = 126.192
_CRITICAL_HPA: Final = 33958.0
_TRIPLE_K: Final = 63.151
_TERMS: Final = (
    (-6.12445284, 1.0),
    (1.26327220, 1.5),
    (-0.765910082, 2.5),
    (-1.77570564, 5.0),
)
# International Standard Atmosphere (ISO 2533): 288.15 K and -6.5 K/km from sea level up.
_ISA_LAPSE_PER_M: Final = 0.0065 / 288.15
_ISA_EXPONENT: Final = 5.25588
_ALTITUDES_M: Final = (-430.0, 5500.0)
_SQRT3: Final = math.sqrt(3.0)


def vapour_pressure_hpa(kelvin: float) -> float:
    """Give the vapour pressure of nitrogen, from its triple point to its critical point."""
    away = 1.0 - kelvin / _CRITICAL_K
    total = sum(factor * away**power for factor, power in _TERMS)
    return _CRITICAL_HPA * math.exp(_CRITICAL_K / kelvin * total)


def boiling_point_k(pressure_hpa: float) -> float:
    """Give the temperature at which nitrogen boils, in K.

    Raises:
        BadPressure: no air where people work has this pressure.
    """
    expect_plausible(pressure_hpa)
    low, high = _TRIPLE_K, _CRITICAL_K
    while high - low > 1e-7:
        middle = (low + high) / 2
        if vapour_pressure_hpa(middle) < pressure_hpa:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def boiling_point_degc(pressure_hpa: float) -> float:
    """Give the same in degC; raises as `boiling_point_k`."""
    return boiling_point_k(pressure_hpa) - ZERO_DEGC_K


def expect_plausible(pressure_hpa: float) -> None:
    """Refuse what no barometer shows where people work.

    Raises:
        BadPressure: it is below 500 or above 1100 hPa, or no number.
    """
    if not LEAST_HPA <= pressure_hpa <= MOST_HPA:
        raise BadPressure(pressure_hpa, LEAST_HPA, MOST_HPA)


def station_pressure_hpa(sea_level_hpa: float, altitude_m: float) -> float:
    """Give the pressure at an altitude from one reduced to sea level, by the standard atmosphere.

    Raises:
        BadPressure: either is nothing that occurs.
    """
    if not 850.0 <= sea_level_hpa <= MOST_HPA:  # 870 hPa in the eye of the deepest typhoon
        raise BadPressure(sea_level_hpa, 850.0, MOST_HPA, "at sea level")
    low, high = _ALTITUDES_M
    if not low <= altitude_m <= high:
        raise BadPressure(altitude_m, low, high, "altitude", unit="m")
    station = sea_level_hpa * (1.0 - _ISA_LAPSE_PER_M * altitude_m) ** _ISA_EXPONENT
    expect_plausible(station)
    return station


def slope_k_per_hpa(pressure_hpa: float) -> float:
    """Give how much warmer it boils for 1 hPa more."""
    kelvin = boiling_point_k(pressure_hpa)
    step_k = 1e-3
    rise = vapour_pressure_hpa(kelvin + step_k) - vapour_pressure_hpa(kelvin - step_k)
    return 2 * step_k / rise


def reference_contributions(
    pressure_hpa: float, pressure_limit_hpa: float = PRESSURE_LIMIT_HPA
) -> tuple[Contribution, ...]:
    """Give what makes the boiling point of an open dewar uncertain, each as a standard one.

    `pressure_limit_hpa`: how far `pressure_hpa` may be off, a rectangular distribution.
    """
    slope = slope_k_per_hpa(pressure_hpa)
    oxygen_k = OXYGEN_LIMIT_PART * (1 - OXYGEN_OF_NITROGEN_PRESSURE) * pressure_hpa * slope
    head_hpa = LIQUID_KG_PER_M3 * GRAVITY_M_PER_S2 * HEAD_LIMIT_M / 100
    return (
        Contribution(
            "air pressure",
            pressure_limit_hpa * slope / _SQRT3,
            f"+-{pressure_limit_hpa:.1f} hPa at {slope:.4f} K/hPa",
        ),
        Contribution(
            "saturation curve",
            EQUATION_LIMIT_PART * pressure_hpa * slope / _SQRT3,
            f"+-{EQUATION_LIMIT_PART:.2%} in pressure",
        ),
        Contribution(
            "oxygen in the nitrogen",
            oxygen_k / _SQRT3,
            f"0 to {OXYGEN_LIMIT_PART:.0%} by mole: 0 to {oxygen_k:.3f} K warmer",
        ),
        Contribution(
            "liquid over the probe",
            head_hpa * slope / _SQRT3,
            f"0 to {HEAD_LIMIT_M * 1000:.0f} mm: 0 to {head_hpa * slope:.3f} K warmer",
        ),
    )
