"""Deviation, correction and uncertainty are those of a chain whose errors are known."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog import its90
from dewarlog.calibrate import correction as calibration
from dewarlog.calibrate.contribution import Contribution
from dewarlog.calibrate.correction import (
    Chain,
    PointResult,
    correction,
    ice_reference,
    in_bath,
    ln2_reference,
    point_result,
    suspicion,
)
from dewarlog.calibrate.stability import Fit
from dewarlog.errors import BadPressure

_CHAIN = Chain(0, "T", "TC-T-0412", 0.25, 32)
_COLD_DEGC = 24.0


def _rest(degc: float) -> Fit:
    return Fit(20, 190.0, degc, 0.001, 0.001, 0.01)


def _reads(probe_type: str, degc: float, offset_mv: float, factor: float) -> float:
    """What a chain reads whose wire is off by a factor, and its input by a voltage."""
    terminals = its90.emf_mv(probe_type, _COLD_DEGC)
    wire = (its90.emf_mv(probe_type, degc) - terminals) * factor + offset_mv
    return its90.temperature_degc(probe_type, wire + terminals)


def _result(point: str, reference: float, indicated: float, u_k: float = 0.1) -> PointResult:
    return PointResult(point, reference, indicated, (Contribution("all", u_k, ""),), None)


def test_the_offset_that_the_board_applies_is_taken_off_first() -> None:
    """A reading of -195.00 with an offset of 0.25 was indicated as -195.25."""
    result = point_result(_CHAIN, ln2_reference(1013.25), _rest(-195.0), [24.0, 24.0])

    assert result.indicated_degc == pytest.approx(-195.25)
    assert result.deviation_k == pytest.approx(0.545, abs=0.001)


def test_a_budget_names_every_line_and_adds_their_squares() -> None:
    """Reference first, then stability, resolution, cold junction, repeatability."""
    result = point_result(_CHAIN, ice_reference(), _rest(0.1), [24.0, 24.5])

    assert [line.name for line in result.contributions] == [
        "ice bath",
        "stability",
        "resolution",
        "cold junction",
        "repeatability",
    ]
    assert result.u_k == pytest.approx(
        math.sqrt(sum(line.u_k**2 for line in result.contributions))
    )
    assert all(line.basis for line in result.contributions)


def test_a_cold_junction_that_moves_weighs_by_the_ratio_of_sensitivities() -> None:
    """0.5 K at the terminals: half may be missed, 2.5-fold in liquid nitrogen."""
    result = point_result(_CHAIN, ln2_reference(1013.25), _rest(-195.8), [24.0, 24.5])
    line = next(one for one in result.contributions if one.name == "cold junction")

    assert line.u_k == pytest.approx(0.25 * 2.49 / math.sqrt(3), rel=0.01)


@given(
    st.sampled_from(its90.PROBE_TYPES),
    st.floats(-0.01, 0.01),
    st.floats(0.99, 1.01),
    st.floats(650, 1050),
)
def test_the_error_left_at_the_hold_limit_is_the_one_told(
    probe_type: str, offset_mv: float, factor: float, pressure_hpa: float
) -> None:
    """For chains whose voltage is off by a constant and a factor, to the bend of the curve."""
    chain = Chain(0, probe_type, "", 0.0, 32)
    ln2_degc = ln2_reference(pressure_hpa).degc
    ln2 = _result("ln2", ln2_degc, _reads(probe_type, ln2_degc, offset_mv, factor))
    ice = _result("ice", 0.0, _reads(probe_type, 0.0, offset_mv, factor))

    made = correction(chain, ln2, ice)

    at_limit = _reads(probe_type, -150.0, offset_mv, factor) + made.offset_degc + 150.0
    assert at_limit == pytest.approx(made.left_k, abs=0.06)
    at_point = ln2.indicated_degc + made.offset_degc - ln2_degc
    assert abs(at_point) <= 1 / 256 + 1e-9
    assert made.left_known


@given(
    st.sampled_from(its90.PROBE_TYPES),
    st.floats(-0.01, 0.01),
    st.floats(0.99, 1.01),
    st.floats(-195, -150),
)
def test_between_nitrogen_and_the_limit_twice_the_uncertainty_holds_the_error(
    probe_type: str, offset_mv: float, factor: float, degc: float
) -> None:
    """With an exact ice point and LN2 point, what is left is within k = 2."""
    chain = Chain(0, probe_type, "", 0.0, 32)
    ln2 = _result("ln2", -195.8, _reads(probe_type, -195.8, offset_mv, factor), 0.05)
    ice = _result("ice", 0.0, _reads(probe_type, 0.0, offset_mv, factor), 0.05)

    made = correction(chain, ln2, ice)

    error = _reads(probe_type, degc, offset_mv, factor) + made.offset_degc - degc
    assert abs(error) <= 2 * made.u_k


def test_without_an_ice_point_the_class_of_the_wire_stands_for_it() -> None:
    """So the uncertainty is larger, and says why."""
    ln2 = _result("ln2", -195.8, -195.3)
    ice = _result("ice", 0.0, 0.1)

    alone, both = correction(_CHAIN, ln2), correction(_CHAIN, ln2, ice)

    assert alone.offset_degc == both.offset_degc == -0.5
    assert alone.u_k > both.u_k
    assert [line.name for line in alone.contributions] == [
        "LN2 point",
        "no ice point",
        "one constant",
        "rounding",
    ]
    assert not alone.left_known


def test_the_board_gets_whole_counts() -> None:
    """What it stores is what was computed."""
    made = correction(_CHAIN, _result("ln2", -195.795, -195.3))

    assert made.offset_degc * 128 == round(made.offset_degc * 128)
    assert made.offset_degc == pytest.approx(-0.495, abs=1 / 256)


@pytest.mark.parametrize(
    ("probe_type", "point", "deviation_k", "suspect"),
    [
        ("T", "ln2", 2.9, False),  # class 3: 1.5 % of 195.8 is 2.94 K
        ("T", "ln2", -2.9, False),
        ("T", "ln2", 3.5, True),
        ("T", "ln2", -3.5, True),
        ("T", "ice", 1.1, False),
        ("T", "ice", 1.5, True),
        ("K", "ice", 2.6, False),
        ("K", "ice", 3.5, True),
    ],
)
def test_more_than_the_class_of_its_wire_makes_a_probe_suspect(
    probe_type: str, point: str, deviation_k: float, suspect: bool
) -> None:
    """Class 3, and twice the uncertainty of the comparison."""
    chain = Chain(0, probe_type, "", 0.0, 32)
    reference = -195.8 if point == "ln2" else 0.0
    limit_k = suspicion(chain, _result(point, reference, reference + deviation_k))

    assert (limit_k is not None) == suspect


@pytest.mark.parametrize(("wire", "profile"), [("K", "T"), ("E", "T"), ("T", "K"), ("T", "E")])
def test_wire_of_another_type_than_the_profile_says_never_seems_to_be_in_the_nitrogen(
    wire: str, profile: str
) -> None:
    """It reads more than ten kelvin off, or nothing at all."""
    voltage = its90.emf_mv(wire, -195.8) - its90.emf_mv(wire, _COLD_DEGC)
    emf = voltage + its90.emf_mv(profile, _COLD_DEGC)
    if emf < its90.emf_mv(profile, its90.LOWEST_DEGC):
        return
    reads = its90.temperature_degc(profile, emf)

    assert not in_bath(reads, ln2_reference(1013.25))


def test_a_pressure_out_of_range_makes_no_reference() -> None:
    """The error names what to type instead."""
    with pytest.raises(BadPressure):
        ln2_reference(1013250)


def test_both_points_have_names_for_all_who_store_them() -> None:
    """In the order in which baths are taken."""
    assert (calibration.ICE, calibration.LN2) == calibration.POINTS == ("ice", "ln2")
