"""From readings in two baths to the correction a board applies, with its uncertainty.

In the bench: takes what stability found at rest, gives what course writes to board and archive.
Pure. Budgets are drawn up as JCGM 100 (GUM) says, every line kept by name.

What is compared is the whole chain: wire, converter, cold junction, arithmetic. `deviation` is
what the chain read less what it should have read; readings carry the offset the board applies
already, so that offset is taken off first:

    indicated = mean of the readings - offset_degc now
    deviation(T) = indicated - reference

The board can apply one constant. It corrects at the LN2 point, the one nearest to where a payload
is held, so that what it stands in the limits' neighbourhood is best known:

    offset_degc = -deviation(T_ln2), rounded to 1/128 degC

Between its two points a thermocouple errs by a voltage that is linear in its own (a constant from
converter and terminals, a factor from the alloy), so with E the reference function and S = dE/dT

    w(T) = 1 - E(T) / E(T_ln2)
    deviation(T) = (w S(0) deviation(0) + (1 - w) S(T_ln2) deviation(T_ln2)) / S(T)

What is left at the hold limit after the constant, deviation(T_hold) - deviation(T_ln2), grows from
nothing at the LN2 point. It is told, and goes into calibration_u_degc as a limit (divided by
sqrt(3)), with the ice point's own uncertainty by its weight. Without an ice point deviation(0) is
anywhere within the class of the wire.

    u = sqrt(u_ln2^2 + left^2 / 3 + (w S(0) / S(T_hold) u_ice)^2 + rounding^2)

Lines of a point's budget:
- reference: of nitrogen, see there. Ice: ASTM E563 is the practice; a bath made by it of distilled
  water is good to 0.01 K or better, and 0.05 K is taken as the limit, since nobody measures the
  water;
- stability: of the mean, and what a still moving probe has left to go (stability);
- resolution: half a count of 1/128 degC and half a count of the converter, as limits;
- cold junction: it moved by so much meanwhile; half of that at the terminals may have been missed,
  times S(cold junction) / S(T). Its constant error is part of the deviation, and what it may be at
  other temperatures stands in the budget of every reading (uncertainty);
- repeatability: in another bath the same wire passes its gradients elsewhere. Guides for
  calibrating thermocouples (EURAMET cg-8) want a line for its homogeneity also where that was not
  measured, as here: a fifth of the class 2 tolerance is our limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from dewarlog import its90
from dewarlog.calibrate import nitrogen
from dewarlog.calibrate.contribution import Contribution, combined_k
from dewarlog.uncertainty import COVERAGE_FACTOR, wire_tolerance_k

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dewarlog.calibrate.stability import Fit

ICE: Final = "ice"
LN2: Final = "ln2"
POINTS: Final = (ICE, LN2)
ICE_DEGC: Final = 0.0
ICE_LIMIT_K: Final = 0.05
HOLD_LIMIT_DEGC: Final = -150.0
COUNTS_PER_DEGC: Final = 128
REPEATABILITY_PART: Final = 0.2
# How near a reading must come before a probe counts as being in a bath: more than any sound chain
# is off (class 3, converter and cold junction together are 6 K in liquid nitrogen), and far less
# than from one bath to the other or to the room.
ARRIVAL_K: Final = 10.0
# Volts of one code: 1 / (gain * 1.6 * 2^17) (MAX31856 datasheet, "Voltage Mode").
_CODE_MV_TIMES_GAIN: Final = 1e3 / (1.6 * 2**17)
_SQRT3: Final = math.sqrt(3.0)


@dataclass(frozen=True, slots=True)
class Reference:
    """What a probe in this bath should read."""

    point: str
    degc: float
    contributions: tuple[Contribution, ...]
    pressure_hpa: float | None = None


def ice_reference() -> Reference:
    """Give the ice point."""
    basis = f"+-{ICE_LIMIT_K} K: purity of the water, stirring (practice: ASTM E563)"
    return Reference(ICE, ICE_DEGC, (Contribution("ice bath", ICE_LIMIT_K / _SQRT3, basis),))


def ln2_reference(
    pressure_hpa: float, pressure_limit_hpa: float = nitrogen.PRESSURE_LIMIT_HPA
) -> Reference:
    """Give the boiling point of nitrogen under this air.

    Raises:
        BadPressure: no air has this pressure where people work.
    """
    return Reference(
        LN2,
        nitrogen.boiling_point_degc(pressure_hpa),
        nitrogen.reference_contributions(pressure_hpa, pressure_limit_hpa),
        pressure_hpa,
    )


@dataclass(frozen=True, slots=True)
class Chain:
    """What stands between bath and reading, as the board's profile has it."""

    channel: int
    probe_type: str
    serial: str
    offset_degc: float
    """What the board adds to every reading now."""
    gain: int


@dataclass(frozen=True, slots=True)
class PointResult:
    """One probe at one point."""

    point: str
    reference_degc: float
    indicated_degc: float
    contributions: tuple[Contribution, ...]
    pressure_hpa: float | None

    @property
    def deviation_k(self) -> float:
        """What the chain read less what it should have read."""
        return self.indicated_degc - self.reference_degc

    @property
    def u_k(self) -> float:
        """The standard uncertainty of the deviation."""
        return combined_k(self.contributions)


def point_result(
    chain: Chain, reference: Reference, rest: Fit, cold_junctions_degc: Sequence[float]
) -> PointResult:
    """Compare a probe at rest with its bath; the cold junctions are those of the same window."""
    slope = its90.sensitivity_mv_per_k(chain.probe_type, reference.degc)
    code_k = _CODE_MV_TIMES_GAIN / chain.gain / slope
    resolution_k = math.hypot(1 / COUNTS_PER_DEGC, code_k) / 2 / _SQRT3
    moved_k = max(cold_junctions_degc) - min(cold_junctions_degc)
    terminals = its90.sensitivity_mv_per_k(chain.probe_type, cold_junctions_degc[-1]) / slope
    repeat_k = REPEATABILITY_PART * class_2_tolerance_k(chain.probe_type, reference.degc)
    own = (
        Contribution(
            "stability",
            rest.u_k,
            f"{rest.count} readings in {rest.length_s:.0f} s, spread {rest.spread_k:.4f} K, "
            f"slope {rest.slope_k_per_min:+.4f} K/min",
        ),
        Contribution("resolution", resolution_k, f"1/128 degC, converter {code_k:.4f} K"),
        Contribution(
            "cold junction",
            moved_k / 2 * terminals / _SQRT3,
            f"moved by {moved_k:.3f} K, counts {terminals:.2f}-fold",
        ),
        Contribution(
            "repeatability", repeat_k / _SQRT3, f"+-{repeat_k:.3f} K, homogeneity of the wire"
        ),
    )
    return PointResult(
        reference.point,
        reference.degc,
        rest.mean_degc - chain.offset_degc,
        (*reference.contributions, *own),
        reference.pressure_hpa,
    )


def class_2_tolerance_k(probe_type: str, temperature_degc: float) -> float:
    """Give the class 2 tolerance of IEC 60584-1, its line drawn on to the cold.

    Type T: 1 K or 0.75 % of |t|; types K and E: 2.5 K or 0.75 %; the greater counts.
    """
    floor = 1.0 if probe_type == "T" else 2.5
    return max(floor, 0.0075 * abs(temperature_degc))


def suspicion(chain: Chain, result: PointResult) -> float | None:
    """Give the limit in kelvin that a deviation passes, None for a probe that is what it says.

    The limit is class 3 of the wire, and beyond it what the comparison may be off, with k = 2.
    """
    limit_k = wire_tolerance_k(chain.probe_type, result.reference_degc)
    limit_k += COVERAGE_FACTOR * result.u_k
    return limit_k if abs(result.deviation_k) > limit_k else None


@dataclass(frozen=True, slots=True)
class Correction:
    """What the board gets for one probe."""

    offset_degc: float
    """Whole counts of 1/128 degC."""
    contributions: tuple[Contribution, ...]
    hold_limit_degc: float
    left_k: float
    """Deviation that is left at the hold limit; known where there is an ice point."""
    left_known: bool

    @property
    def u_k(self) -> float:
        """Standard uncertainty of a corrected reading between liquid nitrogen and the limit."""
        return combined_k(self.contributions)


def correction(
    chain: Chain,
    ln2: PointResult,
    ice: PointResult | None = None,
    hold_limit_degc: float = HOLD_LIMIT_DEGC,
) -> Correction:
    """Find the constant that corrects at the LN2 point, and how far it serves up to the limit."""
    slope = partial(its90.sensitivity_mv_per_k, chain.probe_type)
    cold, hold = ln2.reference_degc, hold_limit_degc
    share = its90.emf_mv(chain.probe_type, hold) / its90.emf_mv(chain.probe_type, cold)
    from_ln2 = share * slope(cold) / slope(hold)
    from_ice = (1 - share) * slope(ICE_DEGC) / slope(hold)
    lines = [Contribution("LN2 point", ln2.u_k, f"deviation {ln2.deviation_k:+.3f} K")]
    if ice is None:
        left_k = from_ln2 * ln2.deviation_k - ln2.deviation_k
        class_k = wire_tolerance_k(chain.probe_type, ICE_DEGC)
        lines.append(
            Contribution(
                "no ice point",
                from_ice * class_k / _SQRT3,
                f"+-{class_k:.1f} K at 0 degC (class 3), weight {from_ice:.2f}",
            )
        )
    else:
        left_k = from_ice * ice.deviation_k + from_ln2 * ln2.deviation_k - ln2.deviation_k
        lines.append(
            Contribution("ice point", from_ice * ice.u_k, f"u {ice.u_k:.3f} K, by {from_ice:.2f}")
        )
    lines.append(
        Contribution(
            "one constant",
            abs(left_k) / _SQRT3,
            f"0 at the LN2 point, {left_k:+.3f} K left at {hold:.0f} degC",
        )
    )
    count = 1 / COUNTS_PER_DEGC
    lines.append(Contribution("rounding", count / 2 / _SQRT3, "to 1/128 degC"))
    return Correction(
        offset_degc=round(-ln2.deviation_k * COUNTS_PER_DEGC) / COUNTS_PER_DEGC,
        contributions=tuple(lines),
        hold_limit_degc=hold,
        left_k=left_k,
        left_known=ice is not None,
    )


def in_bath(degc: float, reference: Reference) -> bool:
    """Tell whether a reading without offset is one of a probe in this bath."""
    return abs(degc - reference.degc) <= ARRIVAL_K
