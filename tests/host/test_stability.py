"""A probe counts as at rest when it is, and not before: with noise, drift, counts and gaps."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog.calibrate.stability import ROUNDING_K, Fit, Reading, Thresholds, fit, judge

_LIMITS = Thresholds()


def _counted(degc: float) -> float:
    return round(degc * 128) / 128


def _settling(
    tau_s: float, noise_k: float, length_s: float, seed: int, interval_s: float = 10.0
) -> list[Reading]:
    """A probe at 20 degC put into nitrogen at 0 s, as a board reads it."""
    made = random.Random(seed)
    return [
        Reading(at_s, _counted(-195.8 + 215.8 * math.exp(-at_s / tau_s) + made.gauss(0, noise_k)))
        for at_s in (index * interval_s for index in range(int(length_s / interval_s)))
    ]


@given(
    st.floats(-250, 100), st.floats(-5, 5), st.integers(3, 60), st.floats(1, 60), st.floats(0, 1e6)
)
def test_a_straight_line_is_found_again(
    degc: float, slope: float, count: int, interval_s: float, begins_s: float
) -> None:
    """Slope and mean of readings that lie on a line, wherever its time begins."""
    readings = [
        Reading(begins_s + index * interval_s, degc + slope * index * interval_s / 60)
        for index in range(count)
    ]

    line = fit(readings)

    assert line.slope_k_per_min == pytest.approx(slope, abs=1e-6)
    assert line.mean_degc == pytest.approx(readings[0].degc + (readings[-1].degc - degc) / 2)
    assert line.spread_k == pytest.approx(ROUNDING_K, abs=1e-6)


def test_the_uncertainty_of_a_slope_is_that_of_repeated_fits() -> None:
    """Of 400 fits through noise 95 % have the true slope within two of their own uncertainties."""
    made = random.Random(5)
    hits = 0
    for _ in range(400):
        line = fit([Reading(10.0 * index, made.gauss(0, 0.05)) for index in range(30)])
        hits += abs(line.slope_k_per_min) < 2 * line.slope_u_k_per_min

    assert 0.92 < hits / 400 < 0.98


def test_the_spread_is_never_less_than_the_rounding_of_a_count() -> None:
    """Twenty equal readings say no more than that the probe is within half a count."""
    line = fit([Reading(10.0 * index, -195.796875) for index in range(20)])

    assert line.spread_k == ROUNDING_K


@pytest.mark.parametrize(
    "readings", [[], [Reading(0, 1)], [Reading(0, 1)] * 2, [Reading(3, 1)] * 9]
)
def test_too_few_readings_or_no_time_make_no_line(readings: list[Reading]) -> None:
    """Two readings have no spread, readings of one moment no slope."""
    with pytest.raises(ValueError, match=r"readings"):
        fit(readings)


@given(st.floats(-249, 99), st.integers(0, 11))
def test_less_than_the_window_is_never_rest(degc: float, count: int) -> None:
    """However quiet."""
    judged = judge([Reading(30.0 * index, degc) for index in range(count)])

    assert (judged.settled, judged.why) == (False, "few readings")


@given(st.floats(-249, 99), st.sampled_from([1.0, 2.0, 10.0, 60.0]))
def test_a_quiet_probe_is_at_rest_as_soon_as_the_window_is_full(
    degc: float, interval_s: float
) -> None:
    """The window is three minutes or twelve readings, whichever is longer."""
    needed = max(math.ceil(_LIMITS.window_s / interval_s) + 1, _LIMITS.least_readings)
    readings = [Reading(interval_s * index, _counted(degc)) for index in range(needed)]

    assert judge(readings).settled
    assert not judge(readings[:-1]).settled


@pytest.mark.parametrize("tau_s", [5, 20, 40, 60, 90])
@pytest.mark.parametrize("seed", range(5))
def test_a_probe_called_at_rest_is_within_its_stated_uncertainty_of_the_bath(
    tau_s: float, seed: int
) -> None:
    """Time constants up to beyond the assumed one: three standard uncertainties hold the bath."""
    readings = _settling(tau_s, 0.02, 1800, seed)
    first = next(
        judged for count in range(1, len(readings)) if (judged := judge(readings[:count])).settled
    )

    assert first.fit is not None
    assert abs(first.fit.mean_degc + 195.8) < 3 * first.fit.u_k
    assert first.fit.u_k < 0.03


def test_a_probe_that_creeps_is_not_at_rest_for_its_slope() -> None:
    """0.1 K a minute, as in a bath that runs low."""
    judged = judge([Reading(10.0 * index, -195 + index / 60) for index in range(60)])

    assert (judged.settled, judged.why) == (False, "slope")


def test_a_bath_that_boils_hard_is_not_at_rest_for_its_spread() -> None:
    """0.2 K of scatter around no slope."""
    made = random.Random(1)
    judged = judge([Reading(2.0 * index, -195 + made.gauss(0, 0.2)) for index in range(900)])

    assert (judged.settled, judged.why) == (False, "spread")


def test_a_step_within_the_window_is_not_rest() -> None:
    """A probe lifted for a moment: three minutes later it may count again."""
    before = [Reading(10.0 * index, -195.8) for index in range(30)]
    after = [Reading(300 + 10.0 * index, -195.3) for index in range(40)]

    settled = [judge([*before, *after[:count]]).settled for count in range(1, 40)]

    assert settled.index(True) >= 17
    assert not any(settled[1:17])


@given(st.integers(0, 2**32), st.floats(0, 0.03))
def test_noise_that_a_sound_chain_has_lets_it_come_to_rest(seed: int, noise_k: float) -> None:
    """Within ten minutes of a time constant of 40 s."""
    readings = _settling(40, noise_k, 900, seed)

    assert any(judge(readings[:count]).settled for count in range(18, len(readings)))


def test_half_the_window_counts_where_it_is_longer_than_a_time_constant() -> None:
    """The mean lies in the window's middle: what moved since belongs to its uncertainty."""
    short = Fit(20, 100, 0, 0.06, 0, 1e-9)
    long = Fit(20, 600, 0, 0.06, 0, 1e-9)

    assert short.u_k == pytest.approx(0.06 / math.sqrt(3))
    assert long.u_k == pytest.approx(0.3 / math.sqrt(3))
