"""The boiling point of nitrogen is the tabulated one, and moves with the air as it must."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog.calibrate import nitrogen
from dewarlog.calibrate.contribution import combined_k
from dewarlog.errors import BadPressure, ExitCode


def test_at_one_atmosphere_it_boils_at_the_normal_boiling_point() -> None:
    """77.355 K at 101.325 kPa."""
    assert nitrogen.boiling_point_k(1013.25) == pytest.approx(77.355, abs=0.0005)
    assert nitrogen.boiling_point_degc(1013.25) == pytest.approx(-195.795, abs=0.0005)


@pytest.mark.parametrize(
    ("kelvin", "kpa"),
    # Saturation table of the reference equation (Span et al. 2000).
    [(63.151, 12.52), (65, 17.404), (70, 38.545), (75, 76.043), (80, 136.87), (90, 360.46)],
)
def test_the_curve_meets_the_tabulated_saturation_pressures(kelvin: float, kpa: float) -> None:
    """From the triple point on, within 0.03 %: 0.003 K."""
    assert nitrogen.vapour_pressure_hpa(kelvin) == pytest.approx(kpa * 10, rel=3e-4)


@given(st.floats(nitrogen.LEAST_HPA, nitrogen.MOST_HPA))
def test_the_boiling_point_is_where_the_vapour_pressure_is_that_of_the_air(hpa: float) -> None:
    """One is the inverse of the other, all over the range taken."""
    kelvin = nitrogen.boiling_point_k(hpa)

    assert nitrogen.vapour_pressure_hpa(kelvin) == pytest.approx(hpa, rel=1e-6)


def test_ten_hectopascals_move_it_by_eight_hundredths_of_a_kelvin() -> None:
    """What makes a barometer necessary."""
    slope = nitrogen.slope_k_per_hpa(1013.25)
    moved = nitrogen.boiling_point_k(1018.25) - nitrogen.boiling_point_k(1008.25)

    assert 10 * slope == pytest.approx(0.083, abs=0.001)
    assert moved == pytest.approx(10 * slope, rel=1e-3)


@pytest.mark.parametrize("hpa", [0, 499.9, 1100.1, 29.92, 760 * 1.7, math.nan, math.inf, -1013])
def test_a_pressure_that_no_barometer_shows_is_refused(hpa: float) -> None:
    """Inches and millimetres of mercury, or a slip: wrong use, and told what to type."""
    with pytest.raises(BadPressure, match="--sea-level-hpa") as refused:
        nitrogen.boiling_point_k(hpa)

    assert refused.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("altitude_m", "hpa"),
    # Standard atmosphere (ISO 2533).
    [(0, 1013.25), (500, 954.61), (1000, 898.75), (2000, 794.95), (3000, 701.09)],
)
def test_a_sea_level_pressure_is_brought_up_to_the_altitude(altitude_m: float, hpa: float) -> None:
    """By the standard atmosphere, to its tables."""
    assert nitrogen.station_pressure_hpa(1013.25, altitude_m) == pytest.approx(hpa, abs=0.05)


@pytest.mark.parametrize(
    ("sea_level_hpa", "altitude_m"), [(700, 0), (1200, 0), (1013, 6000), (1013, -500), (870, 5400)]
)
def test_a_sea_level_pressure_or_altitude_out_of_this_world_is_refused(
    sea_level_hpa: float, altitude_m: float
) -> None:
    """The last one is each possible, and together no air to work in."""
    with pytest.raises(BadPressure):
        nitrogen.station_pressure_hpa(sea_level_hpa, altitude_m)


def test_the_budget_of_an_open_dewar_is_below_a_tenth_of_a_kelvin() -> None:
    """Oxygen and depth weigh most; each line is one of the four named."""
    lines = nitrogen.reference_contributions(1013.25)

    assert [line.name for line in lines] == [
        "air pressure",
        "saturation curve",
        "oxygen in the nitrogen",
        "liquid over the probe",
    ]
    assert [line.u_k for line in lines] == pytest.approx(
        [0.0097, 0.0020, 0.0392, 0.0574], abs=2e-4
    )
    assert 0.06 < combined_k(lines) < 0.08


def test_a_pressure_known_less_well_weighs_more() -> None:
    """A limit of 8 hPa, as from sea level at 750 m, makes four times the line of 2 hPa."""
    near, far = (nitrogen.reference_contributions(930, limit)[0].u_k for limit in (2, 8))

    assert far == pytest.approx(4 * near)
