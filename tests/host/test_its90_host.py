"""ITS-90 on the host: its own floating-point reference, proved by an independent library."""

from __future__ import annotations

import pytest
import thermocouple_its90
from hypothesis import given
from hypothesis import strategies as st

from dewarlog import its90
from dewarlog.uncertainty import budget, wire_tolerance_k

TYPES = st.sampled_from(its90.PROBE_TYPES)


@given(probe_type=TYPES, degc=st.floats(-265, 395))
def test_voltages_agree_with_an_independent_library(probe_type: str, degc: float) -> None:
    """The reference functions say the same to a nanovolt."""
    independent = thermocouple_its90.get(probe_type).emf(degc)

    assert its90.emf_mv(probe_type, degc) == pytest.approx(independent, abs=1e-6)


@given(probe_type=TYPES, degc=st.floats(-265, 395))
def test_the_inverse_gives_the_temperature_back(probe_type: str, degc: float) -> None:
    """Newton's method ends on the root everywhere, also where the curve is almost flat."""
    emf = its90.emf_mv(probe_type, degc)

    assert its90.temperature_degc(probe_type, emf) == pytest.approx(degc, abs=1e-5)


@given(probe_type=TYPES, degc=st.floats(-200, 60))
def test_the_inverse_agrees_with_an_independent_library(probe_type: str, degc: float) -> None:
    """Within what NIST's approximate inverse polynomials may err by."""
    emf = its90.emf_mv(probe_type, degc)
    independent = thermocouple_its90.get(probe_type).temperature(emf)

    assert its90.temperature_degc(probe_type, emf) == pytest.approx(independent, abs=0.06)


@pytest.mark.parametrize("emf", [-7.0, 30.0])
def test_a_voltage_outside_the_function_is_refused(emf: float) -> None:
    """There is no temperature to make up."""
    with pytest.raises(ValueError, match="outside the reference function"):
        its90.temperature_degc("T", emf)


@pytest.mark.parametrize(
    ("probe_type", "degc", "uv_per_k"),
    [("T", -196, 16.3), ("T", -150, 22.3), ("T", 25, 40.7), ("K", -196, 16.0), ("E", -150, 36.2)],
)
def test_sensitivities_are_those_of_the_domain_table(
    probe_type: str, degc: float, uv_per_k: float
) -> None:
    """The figures behind the cold junction's factor of 2.5 at -196 degC."""
    assert its90.sensitivity_mv_per_k(probe_type, degc) * 1000 == pytest.approx(uv_per_k, abs=0.06)


@pytest.mark.parametrize(
    ("probe_type", "degc", "kelvin"),
    [("T", -196, 2.94), ("T", -150, 2.25), ("K", -150, 2.5), ("E", -196, 2.94), ("T", 0, 1.0)],
)
def test_wire_tolerances_are_those_of_class_3(probe_type: str, degc: float, kelvin: float) -> None:
    """IEC 60584-1, class 3."""
    assert wire_tolerance_k(probe_type, degc) == pytest.approx(kelvin)


def test_a_budget_joins_its_terms_and_a_calibration_takes_the_wires_place() -> None:
    """Worked by hand for type T at -150 degC, cold junction 25 degC, gain 32."""
    plain = budget("T", -150.0)
    calibrated = budget("T", -150.0, calibration_u_k=0.15)

    assert plain.wire_k == pytest.approx(2.25 / 3**0.5)
    assert plain.cold_junction_k == pytest.approx(0.7 * 40.7 / 22.3 / 3**0.5, rel=0.005)
    # 0.15 % and 0.015 % of 19.531 mV over 22.3 uV/K.
    assert plain.converter_k == pytest.approx(29.44 / 22.3 / 3**0.5, rel=0.005)
    assert plain.expanded_k == pytest.approx(3.36, abs=0.02)
    assert calibrated.wire_k == 0.15
    assert calibrated.expanded_k == pytest.approx(2.15, abs=0.03)


def test_the_low_gain_costs_accuracy() -> None:
    """At gain 8 the converter's error is four times that at gain 32."""
    assert budget("T", -150.0, gain=8).converter_k == pytest.approx(
        4 * budget("T", -150.0, gain=32).converter_k, rel=0.001
    )
