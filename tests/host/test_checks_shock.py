"""Shocks: the host's figures follow from physics, and the board's own code agrees with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog.checks.finding import Severity
from dewarlog.checks.review import review_log
from dewarlog.checks.shock import STANDARD_GRAVITY_M_S2, measure
from dewarlog.records import ShockWindow
from dewarlog_firmware import shock_pulse
from dewarlog_wire import layout
from trips import trip, written

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from log_writer import LogWriter

RATE_HZ = 3200
COUNT_MG = 100
TRIGGER = 32


def _window(
    axes: list[NDArray[np.float64]], trigger: int = TRIGGER, flags: int = 0
) -> ShockWindow:
    counts = [np.round(axis).astype(np.int16) for axis in axes]
    return ShockWindow(
        boot=0,
        block_seq=1,
        start_ms=0,
        shock=1,
        trigger=trigger,
        rate_hz=RATE_HZ,
        count_mg=COUNT_MG,
        flags=flags,
        counts=(counts[0], counts[1], counts[2]),
    )


def _half_sine(peak_g: float, pulse_ms: float, count: int = 400) -> NDArray[np.float64]:
    """Give a half-sine pulse in counts, sampled as the sensor does."""
    at_ms = (np.arange(count) - TRIGGER) / RATE_HZ * 1000
    inside = (at_ms >= 0) & (at_ms <= pulse_ms)
    return np.where(inside, peak_g * 10 * np.sin(np.pi * at_ms / pulse_ms), 0.0)


@pytest.mark.parametrize(
    ("peak_g", "pulse_ms"), [(56.0, 11.0), (124.0, 5.0), (35.0, 11.0), (30.0, 3.0)]
)
def test_a_half_sine_has_the_figures_of_the_textbook(peak_g: float, pulse_ms: float) -> None:
    """Peak as made; velocity change 2/pi x peak x time; 94 % of the time lies above a tenth.

    56 g for 11 ms and 124 g for 5 ms are both a fall of 0.76 m, 3.9 m/s.
    """
    pulse = _half_sine(peak_g, pulse_ms)
    figures = measure(_window([pulse * 0.6, pulse * 0.8, np.full(len(pulse), 10.0)]))

    whole = 2 / np.pi * peak_g * STANDARD_GRAVITY_M_S2 * pulse_ms
    assert figures.peak_g == pytest.approx(peak_g, rel=0.02)
    assert figures.velocity_change_mm_s == pytest.approx(whole, rel=0.02)
    assert figures.duration_ms == pytest.approx(0.936 * pulse_ms, rel=0.04)
    assert figures.axis_peaks_g[0] == pytest.approx(0.6 * peak_g, rel=0.02)
    assert abs(figures.axis_peaks_g[2]) < 0.2


def test_gravity_and_offset_are_not_part_of_a_shock() -> None:
    """A standing 1 g on one axis changes nothing."""
    pulse = _half_sine(50, 8)
    plain = measure(_window([pulse, pulse * 0, pulse * 0]))
    tilted = measure(_window([pulse + 7, pulse * 0 - 7, pulse * 0 + 3]))

    assert tilted.peak_g == pytest.approx(plain.peak_g, abs=0.05)
    assert tilted.velocity_change_mm_s == pytest.approx(plain.velocity_change_mm_s, rel=0.01)


@given(
    seed=st.integers(0, 10_000),
    trigger=st.integers(0, 160),
    count=st.integers(200, 1024),
    cut=st.booleans(),
    width=st.floats(3, 60),
    peak=st.floats(30, 1800),
)
def test_board_and_host_measure_the_same(
    seed: int, trigger: int, count: int, cut: bool, width: float, peak: float
) -> None:
    """Two implementations of one text: integers there, floating point here."""
    rng = np.random.default_rng(seed)
    at = np.arange(count) - trigger
    pulse = np.where((at >= 0) & (at < width), peak * np.sin(np.pi * at / width), 0.0)
    ringing = 0.3 * peak * np.exp(-np.maximum(at, 0) / 40) * np.sin(at * rng.uniform(0.1, 1.2))
    pulse += np.where(at > 0, ringing, 0.0)
    way = rng.normal(size=3)
    way /= np.linalg.norm(way)
    axes = [pulse * part + rng.normal(0, 1, count) + rng.uniform(-12, 12) for part in way]
    flags = layout.SHOCK_CUT if cut else 0
    window = _window(axes, trigger, flags)
    columns = [counts.tolist() for counts in window.counts]
    board = shock_pulse.measure(columns, count, trigger, flags, RATE_HZ, COUNT_MG)
    host = measure(window)

    assert board.peak * COUNT_MG / 1000 == pytest.approx(host.peak_g, rel=0.01, abs=0.1)
    assert board.velocity_change_mm_s == pytest.approx(host.velocity_change_mm_s, rel=0.02, abs=20)


def _shocked(peak_g: float, pulse_ms: float, told: tuple[int, ...] | None) -> LogWriter:
    writer = trip(1, stop=False)
    pulse = _half_sine(peak_g, pulse_ms)
    flat = [0] * len(pulse)
    writer.shock(
        1_800_000, (np.round(pulse).astype(int).tolist(), flat, flat), number=1, trigger=TRIGGER
    )
    if told is not None:
        writer.events([(layout.KIND_SHOCK, 1_800_010, told)])
    return writer


@pytest.mark.parametrize(
    ("peak_g", "pulse_ms", "severity"),
    [(20, 8, None), (40, 5, None), (60, 2, Severity.WARN), (60, 11, Severity.HOLD)],
)
def test_band_and_velocity_change_decide_together(
    tmp_path: Path, peak_g: float, pulse_ms: float, severity: Severity | None
) -> None:
    """Band 2 from 50 g on and 2 m/s: a short spike alone does not hold."""
    review = review_log(written(tmp_path, _shocked(peak_g, pulse_ms, None)))
    found = [item.severity for item in review.findings if item.code == "shock"]

    assert found == ([] if severity is None else [severity])
    assert review.shocks[0].band == sum(peak_g >= edge for edge in (25, 50, 100))


def test_figures_of_the_board_that_its_samples_do_not_bear_out_are_told(tmp_path: Path) -> None:
    """The board says 90 g, the window it kept says 60."""
    right = (1, 2, 0, 600, 0, 0, 600, 10_300, 4120)
    wrong = (1, 2, 0, 900, 0, 0, 900, 10_300, 4120)
    good = review_log(written(tmp_path, _shocked(60, 11, right), "good.dwl"))
    bad = review_log(written(tmp_path, _shocked(60, 11, wrong), "bad.dwl"))

    assert "shock-different" not in {item.code for item in good.findings}
    (finding,) = [item for item in bad.findings if item.code == "shock-different"]
    assert finding.message.startswith("Shock 1: the board says 90.0 g and 4.12 m/s")


def test_a_shock_without_a_window_still_counts(tmp_path: Path) -> None:
    """Memory was too full for its samples; the board's own figures decide."""
    writer = trip(1, stop=False)
    told = (5, 3, layout.SHOCK_CLIPPED, 2000, 0, 0, 2000, 5000, 6000)
    writer.events([(layout.KIND_SHOCK, 1_800_010, told)])
    review = review_log(written(tmp_path, writer))

    (shock,) = review.shocks
    assert (shock.peak_g, shock.holds, shock.clipped) == (200.0, True, True)
    (finding,) = [item for item in review.findings if item.code == "shock"]
    assert finding.message.startswith("The dewar took a shock of at least 200 g")


def test_a_window_of_one_sample_is_no_trouble() -> None:
    """Whatever a log holds."""
    one = np.array([100.0])

    assert measure(_window([one, one, one], trigger=0)).peak_g == 0.0
