"""Write the board's thermocouple tables from the ITS-90 reference functions.

    python tools/make_its90_tables.py            write firmware/dewarlog_firmware/its90_tables.py
    python tools/make_its90_tables.py --check    fail if that file is not what would be written

Source: the reference functions E(t) of thermocouple types T, K and E, National Institute of
Standards and Technology, Monograph 175 (1993), NIST Standard Reference Database 60
(doi 10.18434/T4S888). Coefficients are in mV and degC, lowest power first, digits as published.
Evaluated in exact decimal arithmetic and rounded to the nearest nanovolt.
"""

from __future__ import annotations

import argparse
import struct
import sys
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Final

TABLE_PATH: Final = (
    Path(__file__).resolve().parents[1] / "firmware" / "dewarlog_firmware" / "its90_tables.py"
)

# -250 degC is the lowest temperature a reading code can name (-32000 / 128); +130 degC covers the
# converter's whole cold-junction range, which ends at +125 degC.
LOWEST_DEGC: Final = -250
HIGHEST_DEGC: Final = 130
_ENTRIES_A_LINE: Final = 5
_NV_PER_MV: Final = 1_000_000

# For each type: E(t) from -270 to 0 degC, then from 0 degC up.
COEFFICIENTS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "T": (
        (
            "0",
            "0.387481063640E-01",
            "0.441944343470E-04",
            "0.118443231050E-06",
            "0.200329735540E-07",
            "0.901380195590E-09",
            "0.226511565930E-10",
            "0.360711542050E-12",
            "0.384939398830E-14",
            "0.282135219250E-16",
            "0.142515947790E-18",
            "0.487686622860E-21",
            "0.107955392700E-23",
            "0.139450270620E-26",
            "0.797951539270E-30",
        ),
        (
            "0",
            "0.387481063640E-01",
            "0.332922278800E-04",
            "0.206182434040E-06",
            "-0.218822568460E-08",
            "0.109968809280E-10",
            "-0.308157587720E-13",
            "0.454791352900E-16",
            "-0.275129016730E-19",
        ),
    ),
    "K": (
        (
            "0",
            "0.394501280250E-01",
            "0.236223735980E-04",
            "-0.328589067840E-06",
            "-0.499048287770E-08",
            "-0.675090591730E-10",
            "-0.574103274280E-12",
            "-0.310888728940E-14",
            "-0.104516093650E-16",
            "-0.198892668780E-19",
            "-0.163226974860E-22",
        ),
        (
            "-0.176004136860E-01",
            "0.389212049750E-01",
            "0.185587700320E-04",
            "-0.994575928740E-07",
            "0.318409457190E-09",
            "-0.560728448890E-12",
            "0.560750590590E-15",
            "-0.320207200030E-18",
            "0.971511471520E-22",
            "-0.121047212750E-25",
        ),
    ),
    "E": (
        (
            "0",
            "0.586655087080E-01",
            "0.454109771240E-04",
            "-0.779980486860E-06",
            "-0.258001608430E-07",
            "-0.594525830570E-09",
            "-0.932140586670E-11",
            "-0.102876055340E-12",
            "-0.803701236210E-15",
            "-0.439794973910E-17",
            "-0.164147763550E-19",
            "-0.396736195160E-22",
            "-0.558273287210E-25",
            "-0.346578420130E-28",
        ),
        (
            "0",
            "0.586655087100E-01",
            "0.450322755820E-04",
            "0.289084072120E-07",
            "-0.330568966520E-09",
            "0.650244032700E-12",
            "-0.191974955040E-15",
            "-0.125366004970E-17",
            "0.214892175690E-20",
            "-0.143880417820E-23",
            "0.359608994810E-27",
        ),
    ),
}
# Type K from 0 degC up adds a0 * exp(a1 * (t - a2)**2), in mV.
K_EXPONENTIAL: Final = ("0.118597600000E+00", "-0.118343200000E-03", "0.126968600000E+03")

_HEAD: Final = '''"""ITS-90 reference functions of types T, K and E, in nanovolts at 1 K steps.

Place in the line: below thermocouple, which interpolates in it; imports nothing.
Made by tools/make_its90_tables.py; do not edit. Source: NIST Monograph 175 (SRD 60).

Entry i is E(LOWEST_DEGC + i) against a 0 degC junction, as a little-endian i32 in a bytes
literal: frozen into the firmware it is read from flash and takes no RAM.
"""

'''


def emf_nv(probe_type: str, temperature_degc: int) -> int:
    """Return the reference function at a whole degree, rounded to the nearest nanovolt."""
    below, above = COEFFICIENTS[probe_type]
    with localcontext() as context:
        context.prec = 50
        t = Decimal(temperature_degc)
        emf_mv = Decimal(0)
        for coefficient in reversed(below if temperature_degc < 0 else above):
            emf_mv = emf_mv * t + Decimal(coefficient)
        if probe_type == "K" and temperature_degc >= 0:
            a0, a1, a2 = (Decimal(number) for number in K_EXPONENTIAL)
            emf_mv += a0 * (a1 * (t - a2) ** 2).exp()
        return int((emf_mv * _NV_PER_MV).to_integral_value())


def table_bytes(probe_type: str) -> bytes:
    """Return one type's whole table as it stands in flash."""
    degrees = range(LOWEST_DEGC, HIGHEST_DEGC + 1)
    return struct.pack(f"<{len(degrees)}i", *(emf_nv(probe_type, t) for t in degrees))


def module_text() -> str:
    """Return the whole text of its90_tables.py."""
    lines = [_HEAD, f"LOWEST_DEGC = {LOWEST_DEGC}\n", f"HIGHEST_DEGC = {HIGHEST_DEGC}\n"]
    for probe_type in COEFFICIENTS:
        table = table_bytes(probe_type)
        lines.append(f"\nEMF_NV_{probe_type} = (\n")
        step = 4 * _ENTRIES_A_LINE
        for start in range(0, len(table), step):
            literal = "".join(f"\\x{byte:02x}" for byte in table[start : start + step])
            lines.append(f'    b"{literal}"\n')
        lines.append(")\n")
    return "".join(lines)


def main() -> int:
    """Write the module, or compare it with what would be written."""
    parser = argparse.ArgumentParser(description="Write the board's ITS-90 tables.")
    parser.add_argument(
        "--check", action="store_true", help="compare only; exit 1 on a difference"
    )
    text = module_text()
    if not parser.parse_args().check:
        TABLE_PATH.write_text(text, encoding="utf-8")
        return 0
    if TABLE_PATH.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{TABLE_PATH} is not what tools/make_its90_tables.py writes: run it\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
