"""ITS-90 reference functions of the thermocouple types T, K and E, in floating point.

The host's own: it shares nothing with the board's integer tables, so that each can prove the
other. Source: NIST Monograph 175 (NIST Standard Reference Database 60), the coefficients of the
reference functions E(t), in mV and degC. The inverse is solved from E(t) by Newton's method and
not taken from NIST's approximate inverse polynomials, which err by up to 0.04 K.
"""

from __future__ import annotations

import math
from typing import Final

# For each type: E(t) below 0 degC, then from 0 degC up.
_REFERENCE: Final[dict[str, tuple[tuple[float, ...], tuple[float, ...]]]] = {
    "T": (
        (
            0.0,
            0.038748106364,
            4.4194434347e-05,
            1.1844323105e-07,
            2.0032973554e-08,
            9.0138019559e-10,
            2.2651156593e-11,
            3.6071154205e-13,
            3.8493939883e-15,
            2.8213521925e-17,
            1.4251594779e-19,
            4.8768662286e-22,
            1.079553927e-24,
            1.3945027062e-27,
            7.9795153927e-31,
        ),
        (
            0.0,
            0.038748106364,
            3.329222788e-05,
            2.0618243404e-07,
            -2.1882256846e-09,
            1.0996880928e-11,
            -3.0815758772e-14,
            4.547913529e-17,
            -2.7512901673e-20,
        ),
    ),
    "K": (
        (
            0.0,
            0.039450128025,
            2.3622373598e-05,
            -3.2858906784e-07,
            -4.9904828777e-09,
            -6.7509059173e-11,
            -5.7410327428e-13,
            -3.1088872894e-15,
            -1.0451609365e-17,
            -1.9889266878e-20,
            -1.6322697486e-23,
        ),
        (
            -0.017600413686,
            0.038921204975,
            1.8558770032e-05,
            -9.9457592874e-08,
            3.1840945719e-10,
            -5.6072844889e-13,
            5.6075059059e-16,
            -3.2020720003e-19,
            9.7151147152e-23,
            -1.2104721275e-26,
        ),
    ),
    "E": (
        (
            0.0,
            0.058665508708,
            4.5410977124e-05,
            -7.7998048686e-07,
            -2.5800160843e-08,
            -5.9452583057e-10,
            -9.3214058667e-12,
            -1.0287605534e-13,
            -8.0370123621e-16,
            -4.3979497391e-18,
            -1.6414776355e-20,
            -3.9673619516e-23,
            -5.5827328721e-26,
            -3.4657842013e-29,
        ),
        (
            0.0,
            0.05866550871,
            4.5032275582e-05,
            2.8908407212e-08,
            -3.3056896652e-10,
            6.502440327e-13,
            -1.9197495504e-16,
            -1.2536600497e-18,
            2.1489217569e-21,
            -1.4388041782e-24,
            3.5960899481e-28,
        ),
    ),
}
# Type K above 0 degC adds a0 * exp(a1 * (t - a2)**2).
_K_EXP_A0, _K_EXP_A1, _K_EXP_A2 = 0.1185976, -0.0001183432, 126.9686

PROBE_TYPES: Final = tuple(_REFERENCE)
LOWEST_DEGC: Final = -270.0
HIGHEST_DEGC: Final = {"T": 400.0, "K": 1372.0, "E": 1000.0}


def emf_mv(probe_type: str, temperature_degc: float) -> float:
    """Give the thermoelectric voltage against a 0 degC reference junction, in mV."""
    below, above = _REFERENCE[probe_type]
    emf = 0.0
    for coefficient in reversed(below if temperature_degc < 0.0 else above):
        emf = emf * temperature_degc + coefficient
    if probe_type == "K" and temperature_degc >= 0.0:
        emf += _K_EXP_A0 * math.exp(_K_EXP_A1 * (temperature_degc - _K_EXP_A2) ** 2)
    return emf


def sensitivity_mv_per_k(probe_type: str, temperature_degc: float) -> float:
    """Give the slope of the reference function, in mV/K."""
    below, above = _REFERENCE[probe_type]
    coefficients = below if temperature_degc < 0.0 else above
    slope = 0.0
    for power in range(len(coefficients) - 1, 0, -1):
        slope = slope * temperature_degc + power * coefficients[power]
    if probe_type == "K" and temperature_degc >= 0.0:
        away = temperature_degc - _K_EXP_A2
        slope += _K_EXP_A0 * math.exp(_K_EXP_A1 * away * away) * 2 * _K_EXP_A1 * away
    return slope


def temperature_degc(probe_type: str, emf: float) -> float:
    """Give the temperature whose reference voltage is `emf` mV.

    Raises:
        ValueError: the voltage is outside the range of the reference function.
    """
    low, high = LOWEST_DEGC, HIGHEST_DEGC[probe_type]
    if not emf_mv(probe_type, low) <= emf <= emf_mv(probe_type, high):
        message = f"{emf:.4f} mV is outside the reference function of type {probe_type}"
        raise ValueError(message)
    # Newton's method kept inside a shrinking bracket: E(t) rises everywhere in it, but is almost
    # flat at -270 degC, where a bare Newton step would leave the range.
    guess = min(max(emf / sensitivity_mv_per_k(probe_type, 0.0), low), high)
    for _ in range(100):
        error = emf_mv(probe_type, guess) - emf
        if error > 0.0:
            high = guess
        else:
            low = guess
        step = error / sensitivity_mv_per_k(probe_type, guess)
        after = guess - step
        if not low <= after <= high:
            after = (low + high) / 2
        if abs(after - guess) < 1e-9:
            return after
        guess = after
    return guess
