"""What a thermocouple gives: ITS-90 reference functions of types T, K and E, in nanovolts.

Coefficients: NIST Monograph 175 (NIST ITS-90 Thermocouple Database, SRD 60), millivolts and
degrees Celsius, highest power first. The firmware linearises with a table of its own; nothing is
shared between the two.
"""

import math
from array import array

_T_BELOW = (
    7.9795153927e-31,
    1.3945027062e-27,
    1.079553927e-24,
    4.8768662286e-22,
    1.4251594779e-19,
    2.8213521925e-17,
    3.8493939883e-15,
    3.6071154205e-13,
    2.2651156593e-11,
    9.0138019559e-10,
    2.0032973554e-08,
    1.1844323105e-07,
    4.4194434347e-05,
    0.038748106364,
    0.0,
)
_T_ABOVE = (
    -2.7512901673e-20,
    4.547913529e-17,
    -3.0815758772e-14,
    1.0996880928e-11,
    -2.1882256846e-09,
    2.0618243404e-07,
    3.329222788e-05,
    0.038748106364,
    0.0,
)
_K_BELOW = (
    -1.6322697486e-23,
    -1.9889266878e-20,
    -1.0451609365e-17,
    -3.1088872894e-15,
    -5.7410327428e-13,
    -6.7509059173e-11,
    -4.9904828777e-09,
    -3.2858906784e-07,
    2.3622373598e-05,
    0.039450128025,
    0.0,
)
_K_ABOVE = (
    -1.2104721275e-26,
    9.7151147152e-23,
    -3.2020720003e-19,
    5.6075059059e-16,
    -5.6072844889e-13,
    3.1840945719e-10,
    -9.9457592874e-08,
    1.8558770032e-05,
    0.038921204975,
    -0.017600413686,
)
_E_BELOW = (
    -3.4657842013e-29,
    -5.5827328721e-26,
    -3.9673619516e-23,
    -1.6414776355e-20,
    -4.3979497391e-18,
    -8.0370123621e-16,
    -1.0287605534e-13,
    -9.3214058667e-12,
    -5.9452583057e-10,
    -2.5800160843e-08,
    -7.7998048686e-07,
    4.5410977124e-05,
    0.058665508708,
    0.0,
)
_E_ABOVE = (
    3.5960899481e-28,
    -1.4388041782e-24,
    2.1489217569e-21,
    -1.2536600497e-18,
    -1.9197495504e-16,
    6.502440327e-13,
    -3.3056896652e-10,
    2.8908407212e-08,
    4.5032275582e-05,
    0.05866550871,
    0.0,
)

# Type K above 0 degC adds a Gaussian: a0 exp(a1 (t - a2)^2).
_K_A0 = 0.1185976
_K_A1 = -0.1183432e-3
_K_A2 = 126.9686

_BELOW = {"T": _T_BELOW, "K": _K_BELOW, "E": _E_BELOW}
_ABOVE = {"T": _T_ABOVE, "K": _K_ABOVE, "E": _E_ABOVE}
LOWEST_DEGC = -270.0
TABLE_LOWEST = -220
TABLE_HIGHEST = 130


def voltage_nv(probe_type: str, degc: float) -> float:
    """Return E(T) in nanovolts with the other end at 0 degC."""
    if degc < 0.0:
        coefficients = _BELOW[probe_type]
        if degc < LOWEST_DEGC:
            degc = LOWEST_DEGC
    else:
        coefficients = _ABOVE[probe_type]
    mv = 0.0
    for coefficient in coefficients:
        mv = mv * degc + coefficient
    if degc >= 0.0 and probe_type == "K":
        off = degc - _K_A2
        mv += _K_A0 * math.exp(_K_A1 * off * off)
    return mv * 1e6


class Table:
    """E(T) from TABLE_LOWEST to TABLE_HIGHEST degC in steps of 1/8 K, to look up quickly.

    A straight line over 1/8 K errs by less than 0.2 nV. Temperatures are integers in micro-degC:
    float arithmetic would leave an object on the heap for every operation.
    """

    def __init__(self, probe_type: str) -> None:
        count = (TABLE_HIGHEST - TABLE_LOWEST) * 8 + 2
        self._nv = array("i", bytes(4 * count))
        for i in range(count):
            self._nv[i] = (
                int(voltage_nv(probe_type, TABLE_LOWEST + i / 8) + 1e9 + 0.5) - 1000000000
            )

    def voltage_nv(self, micro_degc: int) -> float:
        """Return E(T) in whole nanovolts."""
        place = micro_degc - TABLE_LOWEST * 1000000
        if place < 0:
            place = 0
        i = place // 125000
        nv = self._nv
        if i > len(nv) - 2:
            return nv[len(nv) - 1]
        return nv[i] + (nv[i + 1] - nv[i]) * (place - i * 125000) // 125000


def temperature_degc(probe_type: str, nv: float, lowest_degc: float, highest_degc: float) -> float:
    """Return the temperature at which E(T) is `nv`, limited to a range, by bisection."""
    low, high = lowest_degc, highest_degc
    for _ in range(40):
        middle = (low + high) / 2
        if voltage_nv(probe_type, middle) < nv:
            low = middle
        else:
            high = middle
    return (low + high) / 2
