"""The board's integer ITS-90 against an independent implementation, on every interpreter."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from math import floor
from pathlib import Path

import pytest
import thermocouple_its90

from dewarlog_firmware import its90_tables
from dewarlog_firmware.thermocouple import (
    GAINS,
    PROBE_TYPES,
    temperature_count,
    voltage_nv_from_raw,
)
from dewarlog_wire.layout import (
    STATE_ABOVE_TABLE,
    STATE_BELOW_TABLE,
    STATE_COLD_JUNCTION,
    state_code,
)

RunMicroPython = Callable[..., "subprocess.CompletedProcess[str]"]

REPOSITORY = Path(__file__).resolve().parents[2]
NV_PER_MV = 1e6
PROMISED_K = 0.02
MEASURED_K = 0.0054  # what the module's docstring states, rounded up
LN2_DEGC = -196.0
LIMIT_DEGC = -150.0
DEVICE_CASES = 4393


def emf_nv(probe_type: str, temperature_degc: float) -> float:
    """Return E(t) by the independent implementation, in nV."""
    return thermocouple_its90.get(probe_type).emf(temperature_degc) * NV_PER_MV


def measured_nv(probe_type: str, probe_degc: float, cold_junction_raw: int) -> int:
    """Return what a converter between the two temperatures would measure, in nV."""
    return round(emf_nv(probe_type, probe_degc) - emf_nv(probe_type, cold_junction_raw / 64))


def worst_error_k(
    probe_type: str, probes_degc: list[float], cold_junctions_raw: Iterator[int] | range
) -> float:
    """Return the largest error of the board's temperature over a grid."""
    probe_emf_nv = [emf_nv(probe_type, probe_degc) for probe_degc in probes_degc]
    worst_k = 0.0
    for cold_raw in cold_junctions_raw:
        cold_nv = emf_nv(probe_type, cold_raw / 64)
        for probe_degc, probe_nv in zip(probes_degc, probe_emf_nv, strict=True):
            code = temperature_count(ord(probe_type), round(probe_nv - cold_nv), cold_raw)
            worst_k = max(worst_k, abs(code / 128 - probe_degc))
    return worst_k


@pytest.mark.parametrize("probe_type", PROBE_TYPES)
def test_every_quarter_kelvin_is_within_the_promise_for_every_cold_junction(
    probe_type: str,
) -> None:
    """-200 to +60 degC in 0.25 K, cold junctions -20 to +50 degC in 13/64 K."""
    probes_degc = [quarter / 4 for quarter in range(-200 * 4, 60 * 4 + 1)]
    worst_k = worst_error_k(probe_type, probes_degc, range(-20 * 64, 50 * 64 + 1, 13))
    assert worst_k <= PROMISED_K


@pytest.mark.parametrize("probe_type", PROBE_TYPES)
def test_temperatures_between_the_codes_err_no_more_than_stated(probe_type: str) -> None:
    """A grid that falls anywhere between two codes meets the figure in the module's docstring."""
    probes_degc = [-200 + index * 0.0379 for index in range(6860)]
    worst_k = worst_error_k(probe_type, probes_degc, range(-20 * 64, 50 * 64 + 1, 331))
    assert 0.0039 < worst_k < MEASURED_K


@pytest.mark.parametrize("probe_type", PROBE_TYPES)
def test_readings_hold_to_the_ends_of_the_table(probe_type: str) -> None:
    """Readings below liquid nitrogen and above +60 degC err by one code at most."""
    probes_degc = [half / 2 for half in range(-250 * 2 + 1, 130 * 2)]
    assert worst_error_k(probe_type, probes_degc, range(0, 40 * 64, 640)) <= 1 / 128


def test_branch_follows_the_sum_and_not_the_voltage() -> None:
    """A probe at +1 degC read from a warm board has V below zero and still reads +1 degC."""
    voltage_nv = measured_nv("K", 1.0, 25 * 64)
    assert voltage_nv < 0
    assert temperature_count(ord("K"), voltage_nv, 25 * 64) == 128


@pytest.mark.parametrize("probe_type", PROBE_TYPES)
def test_beyond_the_table_is_a_state_and_never_a_temperature(probe_type: str) -> None:
    """One nanovolt past either end of the table is told by a state code."""
    lowest_nv = round(emf_nv(probe_type, its90_tables.LOWEST_DEGC))
    highest_nv = round(emf_nv(probe_type, its90_tables.HIGHEST_DEGC))
    codes = [
        temperature_count(ord(probe_type), voltage_nv, 0)
        for voltage_nv in (lowest_nv - 1, lowest_nv, highest_nv, highest_nv + 1)
    ]
    assert codes == [
        state_code(STATE_BELOW_TABLE),
        -250 * 128,
        130 * 128,
        state_code(STATE_ABOVE_TABLE),
    ]


@pytest.mark.parametrize("cold_junction_raw", [-8192, -55 * 64 - 1, 125 * 64 + 1, 8191])
def test_cold_junction_outside_the_converters_range_is_its_own_state(
    cold_junction_raw: int,
) -> None:
    """The voltage may be perfect: without a cold junction there is no temperature."""
    code = temperature_count(ord("T"), -6_000_000, cold_junction_raw)
    assert code == state_code(STATE_COLD_JUNCTION)


@pytest.mark.parametrize("cold_junction_raw", [-55 * 64, 125 * 64])
def test_whole_cold_junction_range_is_in_the_table(cold_junction_raw: int) -> None:
    """At both ends of the converter's own range a probe at -196 degC still reads -196 degC."""
    voltage_nv = measured_nv("T", LN2_DEGC, cold_junction_raw)
    assert temperature_count(ord("T"), voltage_nv, cold_junction_raw) == LN2_DEGC * 128


@pytest.mark.parametrize("gain", GAINS)
def test_voltage_of_a_code_is_exact_to_the_half_nanovolt(gain: int) -> None:
    """Against exact fractions, over the whole 19-bit range."""
    one_code_nv = Fraction(10**9) / (gain * Fraction(16, 10) * 2**17)
    codes = [*range(-(2**18), 2**18, 101), -1, 0, 1, 2**18 - 1]
    actual = [voltage_nv_from_raw(raw, gain) for raw in codes]
    assert actual == [floor(raw * one_code_nv + Fraction(1, 2)) for raw in codes]


@pytest.mark.parametrize(
    ("probe_type", "gain", "at_ln2_k", "at_limit_k"),
    [
        ("T", 32, 0.0092, 0.0067),
        ("K", 32, 0.0093, 0.0063),
        ("E", 32, 0.0057, 0.0041),
        ("T", 8, 0.0366, 0.0267),
        ("K", 8, 0.0373, 0.0253),
        ("E", 8, 0.0228, 0.0165),
    ],
)
def test_one_voltage_code_is_worth_what_the_docstring_states(
    probe_type: str, gain: int, at_ln2_k: float, at_limit_k: float
) -> None:
    """Steps between neighbouring codes, averaged over 200 of them, through the board's code."""
    for probe_degc, stated_k in ((LN2_DEGC, at_ln2_k), (LIMIT_DEGC, at_limit_k)):
        centre = round(
            measured_nv(probe_type, probe_degc, 0) * 10**5 / voltage_nv_from_raw(10**5, gain)
        )
        span = 100
        low, high = (
            temperature_count(ord(probe_type), voltage_nv_from_raw(centre + step, gain), 0) / 128
            for step in (-span, span)
        )
        assert (high - low) / (2 * span) == pytest.approx(stated_k, rel=0.02)


@pytest.mark.parametrize(
    ("probe_type", "at_ln2_k", "at_limit_k"),
    [("T", 0.039, 0.028), ("K", 0.040, 0.027), ("E", 0.036, 0.026)],
)
def test_one_cold_junction_code_is_worth_what_the_docstring_states(
    probe_type: str, at_ln2_k: float, at_limit_k: float
) -> None:
    """An error at the terminals is larger at the probe: 2.5 times at -196 degC."""
    for probe_degc, stated_k in ((LN2_DEGC, at_ln2_k), (LIMIT_DEGC, at_limit_k)):
        voltage_nv = measured_nv(probe_type, probe_degc, 25 * 64)
        low, high = (
            temperature_count(ord(probe_type), voltage_nv, 25 * 64 + step) / 128
            for step in (-64, 64)
        )
        assert (high - low) / 128 == pytest.approx(stated_k, abs=0.0006)


def test_tables_are_what_the_tool_writes() -> None:
    """The committed table is exactly the published polynomials, and the tool agrees with it."""
    command = [sys.executable, str(REPOSITORY / "tools" / "make_its90_tables.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("probe_type", PROBE_TYPES)
def test_tables_agree_with_the_independent_implementation(probe_type: str) -> None:
    """Every entry, to the nanovolt it is rounded to."""
    table = getattr(its90_tables, f"EMF_NV_{probe_type}")
    entries = [
        int.from_bytes(table[at : at + 4], "little", signed=True) for at in range(0, len(table), 4)
    ]
    degrees = range(its90_tables.LOWEST_DEGC, its90_tables.HIGHEST_DEGC + 1)
    assert len(entries) == len(degrees)
    worst_nv = max(
        abs(entry - emf_nv(probe_type, degc)) for entry, degc in zip(entries, degrees, strict=True)
    )
    assert worst_nv < 0.5 + 1e-3


# On the board's interpreters: the answers of CPython, and nothing put on the heap.
_DEVICE_SCRIPT = """
import micropython
from dewarlog_firmware.thermocouple import temperature_count, voltage_nv_from_raw
import struct
from array import array
COUNT = {count}
CASES = {cases!r}
EXPECTED = array("i", struct.unpack("<%di" % COUNT, {codes!r}))
TYPES = array("i", [0] * COUNT)
VOLTAGES = array("i", [0] * COUNT)
COLD = array("i", [0] * COUNT)
codes = array("i", [0] * COUNT)
for index in range(COUNT):
    TYPES[index], VOLTAGES[index], COLD[index] = struct.unpack_from("<iii", CASES, 12 * index)
def run():
    for index in range(COUNT):
        codes[index] = temperature_count(TYPES[index], VOLTAGES[index], COLD[index])
def run_voltages():
    for raw in range(-262144, 262144, 257):
        voltage_nv_from_raw(raw, 8)
        voltage_nv_from_raw(raw, 32)
micropython.heap_lock()
try:
    run()
    run_voltages()
finally:
    micropython.heap_unlock()
assert codes == EXPECTED, "codes differ"
assert [voltage_nv_from_raw(raw, 8) for raw in (-262144, -1, 1, 262143)] == {voltages!r}
print("agree", len(codes))
"""


def _device_script() -> str:
    cases = [
        (ord(probe_type), measured_nv(probe_type, probe_degc, cold_raw), cold_raw)
        for probe_type in PROBE_TYPES
        for cold_raw in range(-20 * 64, 50 * 64 + 1, 707)
        for probe_degc in [quarter / 4 for quarter in range(-200 * 4, 60 * 4 + 1, 5)]
    ]
    cases += [(84, -30_000_000, 1600), (84, 30_000_000, 1600), (75, 0, 8191), (69, 0, -8192)]
    codes = [temperature_count(*case) for case in cases]
    assert len(cases) == DEVICE_CASES
    return _DEVICE_SCRIPT.format(
        count=len(cases),
        cases=b"".join(struct.pack("<iii", *case) for case in cases),
        codes=struct.pack(f"<{len(codes)}i", *codes),
        voltages=[voltage_nv_from_raw(raw, 8) for raw in (-262144, -1, 1, 262143)],
    )


def test_micropython_gives_the_same_codes_and_allocates_nothing(
    micropython: RunMicroPython,
) -> None:
    """A sub-grid on the 64-bit build, under `heap_lock`."""
    assert micropython(_device_script()).stdout.split() == ["agree", str(DEVICE_CASES)]


def test_32_bit_micropython_gives_the_same_codes_and_allocates_nothing(
    micropython32: RunMicroPython,
) -> None:
    """The same sub-grid where an int of 2**30 would be put on the heap."""
    assert micropython32(_device_script()).stdout.split() == ["agree", str(DEVICE_CASES)]
