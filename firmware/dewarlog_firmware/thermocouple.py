"""Thermocouple voltage and cold junction become a temperature: ITS-90 in integers.

Place in the line: called by sampler's consumer for every conversion; pure, imports only the wire
layout and its90_tables. The converter's own linearisation is not used: it ends at -200 degC, 4 K
from liquid nitrogen.

Rule: the measured voltage V lacks what the terminals are above 0 degC, so the reference function
is inverted at V + E(T_cj); the branch (below or above 0 degC) follows from that sum, never from V.
Source: NIST Monograph 175 through tools/make_its90_tables.py, nanovolts at 1 K steps, linear
between. T, K and E from -250 to +130 degC; colder is STATE_BELOW_TABLE, warmer
STATE_ABOVE_TABLE. 4 K from liquid nitrogen is the sum of the wire's, the converter's and the cold
junction's tolerances, so a sound shipper never reads BELOW_TABLE, and a state is never an
excursion.

Accuracy of the arithmetic, the largest of T, K and E, probe -200 to +60 degC and cold junction -20
to +50 degC (measured by tests/firmware/test_thermocouple.py; 0.02 K is promised):
    linear interpolation             0.0015 K
    rounding to 1/128 degC           0.0039 K    the code's resolution is 0.0078 K
    all, with the cold junction's    0.0053 K
The converter's own resolution is apart from that. One count of voltage is 149 nV at gain 32 and
596 nV at gain 8; one count of cold junction is 1/64 degC. At the probe that is
                        -196 degC                       -150 degC
    type            T        K        E             T        K        E
    gain 32      0.0092   0.0093   0.0057 K      0.0067   0.0063   0.0041 K
    gain 8       0.0366   0.0373   0.0228 K      0.0267   0.0253   0.0165 K
    cold junction 0.039    0.040    0.036 K       0.028    0.027    0.026 K   (25 degC)

Contract: main loop, not an interrupt. Integers only and every intermediate value below 2**30, so
that nothing is put on the heap of a 32-bit board.
"""

from dewarlog_firmware.its90_tables import (
    EMF_NV_E,
    EMF_NV_K,
    EMF_NV_T,
    HIGHEST_DEGC,
    LOWEST_DEGC,
)
from dewarlog_wire.layout import (
    STATE_ABOVE_TABLE,
    STATE_BELOW_TABLE,
    STATE_COLD_JUNCTION,
    TEMPERATURE_PER_DEGC,
    state_code,
)

GAINS = (8, 32)
PROBE_TYPES = "TKE"

_LAST = HIGHEST_DEGC - LOWEST_DEGC  # index of the last table entry
# Where the MAX31856 specifies its cold-junction sensor (datasheet 19-7534 rev 0, page 3).
_COLD_JUNCTION_MIN_RAW = -55 * 64
_COLD_JUNCTION_MAX_RAW = 125 * 64

_TABLES = {ord("T"): EMF_NV_T, ord("K"): EMF_NV_K, ord("E"): EMF_NV_E}


def voltage_nv_from_raw(raw: int, gain: int) -> int:
    """Return the voltage of a 19-bit converter code, in nV, rounded to the nearest (half up).

    Volts are code / (gain * 1.6 * 2**17) (MAX31856 datasheet, "Voltage Mode"). With gain 8 one
    code is 9765625 / 2**14 nV = 596 + 761 / 2**14 nV, with gain 32 a quarter: taken apart like
    that no product passes 2**18 * 761 < 2**28.
    """
    if gain == 32:
        return raw * 149 + ((raw * 761 + 32768) >> 16)
    return raw * 596 + ((raw * 761 + 8192) >> 14)


def _entry_nv(table: bytes, index: int) -> int:
    """Return one table entry; no slice, no struct: nothing is allocated."""
    at = index << 2
    high = table[at + 3]
    if high >= 128:
        high -= 256
    return table[at] | table[at + 1] << 8 | table[at + 2] << 16 | high << 24


def cold_junction_nv(probe_type: int, cold_junction_raw: int) -> int:
    """Return E(T_cj) in nV; `cold_junction_raw` in 1/64 degC, within the converter's range."""
    table = _TABLES[probe_type]
    index = (cold_junction_raw >> 6) - LOWEST_DEGC
    below = _entry_nv(table, index)
    step = _entry_nv(table, index + 1) - below
    return below + ((step * (cold_junction_raw & 63) + 32) >> 6)


def temperature_count(probe_type: int, voltage_nv: int, cold_junction_raw: int) -> int:
    """Return the reading code: 1/128 degC, or a state code where there is no temperature.

    `probe_type` is the ASCII code of T, K or E; `cold_junction_raw` counts 1/64 degC. The caller
    adds the probe's calibration offset afterwards.
    """
    if not _COLD_JUNCTION_MIN_RAW <= cold_junction_raw <= _COLD_JUNCTION_MAX_RAW:
        return state_code(STATE_COLD_JUNCTION)
    table = _TABLES[probe_type]
    emf_nv = voltage_nv + cold_junction_nv(probe_type, cold_junction_raw)
    if emf_nv < _entry_nv(table, 0):
        return state_code(STATE_BELOW_TABLE)
    if emf_nv > _entry_nv(table, _LAST):
        return state_code(STATE_ABOVE_TABLE)
    # The last entry at or below emf_nv, but never the last of all: it has no step above it.
    index = 0
    behind = _LAST
    while behind - index > 1:
        middle = (index + behind) >> 1
        if _entry_nv(table, middle) <= emf_nv:
            index = middle
        else:
            behind = middle
    below = _entry_nv(table, index)
    step = _entry_nv(table, index + 1) - below
    # Nearest 1/128 degC: floor(128 * part + 1/2) with both sides doubled.
    part = (2 * TEMPERATURE_PER_DEGC * (emf_nv - below) + step) // (2 * step)
    return (LOWEST_DEGC + index) * TEMPERATURE_PER_DEGC + part
