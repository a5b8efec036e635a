"""Windows around shocks, and what they say, against physics and two real recordings."""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shock_reference
from dewarlog_firmware import shock_pulse
from dewarlog_firmware.config import ShockSettings
from dewarlog_firmware.shock import (
    CAPTURING,
    COMPLETE,
    LONGEST_S,
    WATCHING,
    ShockCapture,
    means_hold,
)
from dewarlog_firmware.shock_pulse import ShockFigures, measure
from dewarlog_wire import layout
from dewarlog_wire.layout import SHOCK_CUT

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

RunMicroPython = Callable[..., "subprocess.CompletedProcess[str]"]
Counts = list[list[int]]

RATE_HZ = 3200
G_MM_S2 = 9806.65
# 8 g trigger, 10 ms (32 samples) before it, 30 ms (96 samples) quiet, 320 ms window.
SETTINGS = ShockSettings(RATE_HZ, 100, 200, 80, 30, 32, 1024, 25, 50, 100, 3, 0)
QUIET_SAMPLES = 96
REST = [0, 0, 10]  # 1 g on z


def settings_with(**changes: int) -> ShockSettings:
    """Return the settings with some fields changed."""
    return SETTINGS._replace(**changes)  # pyright: ignore[reportAttributeAccessIssue]


def rest(samples: int) -> Counts:
    """Return samples of a shipper at rest."""
    return [list(REST) for _ in range(samples)]


def knock(samples: int, counts: int = 300) -> Counts:
    """Return a rectangular knock on x."""
    return [[counts, 0, 10] for _ in range(samples)]


def half_sine(
    peak_g: float,
    duration_ms: float,
    direction: Sequence[float] = (0.0, 0.0, 1.0),
    phase: float = 0.0,
) -> Counts:
    """Return a half-sine pulse in counts on top of gravity, with 20 ms of rest around it."""
    length = math.sqrt(sum(part * part for part in direction))
    pulse_s = duration_ms / 1000
    samples: Counts = []
    for index in range(int((0.040 + pulse_s) * RATE_HZ)):
        t = (index + phase) / RATE_HZ - 0.020
        g = peak_g * math.sin(math.pi * t / pulse_s) if 0 < t < pulse_s else 0.0
        samples.append(
            [round(10 * g * part / length + at) for part, at in zip(direction, REST, strict=True)]
        )
    return samples


class Shock:
    """What a capture said when it was complete."""

    def __init__(self, capture: ShockCapture) -> None:
        self.flags = capture.flags
        self.trigger = capture.trigger
        self.first_us = capture.first_us
        self.samples = [list(row) for row in zip(*capture.columns, strict=True)][: capture.count]
        self.figures: ShockFigures = capture.figures
        self.event: dict[str, int] = dict(
            zip((name for name, *_ in layout.EVENT_SHOCK.fields), capture.event(7), strict=True)
        )
        self.head: dict[str, int] = dict(
            zip((name for name, *_ in layout.SHOCK_HEAD.fields), capture.head(7), strict=True)
        )


def feed(
    capture: ShockCapture, samples: Counts, first: int = 0, pieces: Sequence[int] = (16,)
) -> list[Shock]:
    """Feed samples in pieces of the given sizes, round and round; return the shocks told.

    `first` is the number of the first sample, for its time.
    """
    shocks: list[Shock] = []
    start = 0
    turn = 0
    while start < len(samples):
        piece = samples[start : start + pieces[turn % len(pieces)]]
        turn += 1
        counts = array("h", [value for sample in piece for value in sample])
        first_us = (first + start) * 1_000_000 // RATE_HZ & 0x3FFFFFFF
        at = 0
        while at < len(piece):
            at += capture.feed(counts, at, len(piece) - at, first_us)
            if capture.state == COMPLETE:
                shocks.append(Shock(capture))
                capture.restart()
        start += len(piece)
    return shocks


# --- windows -------------------------------------------------------------------------------------


def test_window_holds_the_samples_before_the_trigger_and_the_quiet_after() -> None:
    """32 before, the knock, and 96 quiet ones that say it is over."""
    samples = rest(100) + knock(20) + rest(200)
    (shock,) = feed(ShockCapture(SETTINGS), samples)
    assert shock.samples == samples[100 - 32 : 120 + QUIET_SAMPLES]
    assert (shock.trigger, shock.flags) == (32, 0)
    assert shock.first_us == (100 - 32) * 1_000_000 // RATE_HZ


def test_first_samples_of_a_capture_are_all_there_is_before_the_trigger() -> None:
    """Five samples after waking, the pre-trigger is five samples."""
    (shock,) = feed(ShockCapture(SETTINGS), rest(5) + knock(20) + rest(200))
    assert (shock.trigger, len(shock.samples)) == (5, 5 + 20 + QUIET_SAMPLES)


@given(pieces=st.lists(st.integers(1, 50), min_size=1, max_size=10))
@settings(max_examples=50, deadline=None)
def test_pieces_of_any_size_give_the_same_shocks(pieces: list[int]) -> None:
    """How the FIFO was drained leaves no trace."""
    samples = rest(50) + knock(20) + rest(120) + knock(3, -500) + rest(97) + knock(900) + rest(99)
    one = feed(ShockCapture(SETTINGS), samples, pieces=[len(samples)])
    many = feed(ShockCapture(SETTINGS), samples, pieces=pieces)
    assert len(one) == 3
    assert [(shock.head, shock.event, shock.samples) for shock in many] == [
        (shock.head, shock.event, shock.samples) for shock in one
    ]
    for single, split in zip(one, many, strict=True):
        assert abs(single.first_us - split.first_us) <= 1


def test_knocks_closer_than_the_quiet_time_are_one_shock() -> None:
    """95 quiet samples between are too few to end it, 96 are enough."""
    close = rest(50) + knock(5) + rest(95) + knock(5) + rest(200)
    apart = rest(50) + knock(5) + rest(96) + knock(5) + rest(200)
    counts = [len(feed(ShockCapture(SETTINGS), samples)) for samples in (close, apart)]
    assert counts == [1, 2]


def test_samples_of_one_shock_stand_before_the_trigger_of_the_next() -> None:
    """No sample is lost between two shocks."""
    samples = rest(50) + knock(5) + rest(100) + knock(5) + rest(200)
    _, second = feed(ShockCapture(SETTINGS), samples)
    assert second.samples[:33] == samples[155 - 32 : 156]


@pytest.mark.parametrize(("counts", "shocks"), [(79, 0), (80, 1), (-79, 0), (-80, 1)])
def test_trigger_is_reached_on_either_side_of_any_axis(counts: int, shocks: int) -> None:
    """80 counts are 8 g, gravity included, as in the sensor's own detector."""
    for axis in range(3):
        sample = list(REST)
        sample[axis] = counts
        samples = [*rest(40), sample, *rest(200)]
        assert len(feed(ShockCapture(SETTINGS), samples)) == shocks


def test_long_shock_keeps_the_hardest_blow_however_late() -> None:
    """0.6 s of tumbling at 20 g, then 90 g: the window is cut, and it is around the 90 g."""
    tumble = [[200 if index % 64 < 8 else 0, 0, 10] for index in range(2000)]
    samples = rest(50) + tumble + knock(4, 900) + tumble[:500] + rest(200)
    (shock,) = feed(ShockCapture(SETTINGS), samples)
    assert shock.flags == layout.SHOCK_CUT
    assert shock.samples[shock.trigger][0] == 900
    assert shock.samples == samples[2050 - 32 : 2050 - 32 + len(shock.samples)]
    assert shock.first_us == (2050 - 32) * 1_000_000 // RATE_HZ
    assert shock.event["peak"] >= 890


def test_shock_that_fits_the_window_exactly_is_not_cut() -> None:
    """32 before, 896 of knocking, 96 quiet: 1024."""
    (shock,) = feed(ShockCapture(SETTINGS), rest(50) + knock(896) + rest(200))
    assert (len(shock.samples), shock.flags) == (1024, 0)


def test_window_full_with_the_knock_still_going_on_is_cut() -> None:
    """One sample more beyond the trigger, and the window does not hold all."""
    (shock,) = feed(ShockCapture(SETTINGS), rest(50) + knock(993) + rest(200))
    assert (len(shock.samples), shock.flags) == (1024, layout.SHOCK_CUT)


def test_endless_vibration_is_told_every_ten_seconds() -> None:
    """Power may fail before it ends."""
    samples = rest(50) + [[100 if i % 2 else -100, 0, 10] for i in range(25 * RATE_HZ)] + rest(200)
    shocks = feed(ShockCapture(SETTINGS), samples, pieces=[512])
    assert [shock.flags for shock in shocks] == [layout.SHOCK_CUT] * 3
    assert LONGEST_S == 10


def test_samples_at_the_end_of_the_range_are_marked() -> None:
    """2000 counts are 200 g: what was beyond is not known."""
    flags = [
        feed(ShockCapture(SETTINGS), rest(40) + knock(1, counts) + rest(200))[0].flags
        for counts in (1999, 2000, -2000, 2047)
    ]
    assert flags == [0, layout.SHOCK_CLIPPED, layout.SHOCK_CLIPPED, layout.SHOCK_CLIPPED]


def test_short_gap_inside_a_shock_is_marked_and_closes_up() -> None:
    """5 ms are missing; the shock goes on."""
    capture = ShockCapture(SETTINGS)
    feed(capture, rest(48) + knock(16))
    capture.gap(5000)
    (shock,) = feed(capture, knock(16) + rest(200), first=80)
    assert shock.flags == layout.SHOCK_GAP
    assert shock.samples == rest(32) + knock(32) + rest(QUIET_SAMPLES)


def test_gap_longer_than_the_quiet_time_ends_the_shock() -> None:
    """What follows is another one, without anything before its trigger."""
    capture = ShockCapture(SETTINGS)
    feed(capture, rest(48) + knock(16))
    capture.gap(30_000)
    assert capture.state == COMPLETE
    first = Shock(capture)
    capture.restart()
    (second,) = feed(capture, knock(16) + rest(200), first=200)
    assert (first.flags, first.samples) == (layout.SHOCK_GAP, rest(32) + knock(16))
    assert (second.flags, second.trigger) == (0, 0)


def test_gap_before_a_shock_leaves_nothing_from_before_it_in_the_window() -> None:
    """A window's samples follow each other."""
    capture = ShockCapture(SETTINGS)
    feed(capture, [[1, 1, 1]] * 40)
    capture.gap(1000)
    (shock,) = feed(capture, rest(4) + knock(5) + rest(200), first=100)
    assert shock.samples[:5] == rest(4) + knock(1)


def test_new_capture_in_the_middle_of_a_shock_ends_it() -> None:
    """The sampler lost the thread: the shock is told with what there is of it."""
    capture = ShockCapture(SETTINGS)
    feed(capture, rest(48) + knock(16))
    capture.begin()
    assert (capture.state, capture.flags) == (COMPLETE, layout.SHOCK_GAP)
    capture.restart()
    (second,) = feed(capture, rest(3) + knock(16) + rest(200), first=900)
    assert (second.flags, second.trigger) == (0, 3)


@pytest.mark.parametrize(("before", "flags"), [(0, layout.SHOCK_GAP), (1, 0)])
def test_late_capture_is_whole_only_if_it_saw_the_rise(before: int, flags: int) -> None:
    """Beginning below the trigger it lost nothing, beginning beyond it did."""
    capture = ShockCapture(SETTINGS)
    capture.begin(is_late=True)
    (shock,) = feed(capture, rest(before) + knock(5) + rest(200))
    assert shock.flags == flags


def test_late_capture_without_a_shock_does_not_blame_a_later_one() -> None:
    """A capture that is not late clears the mark."""
    capture = ShockCapture(SETTINGS)
    capture.begin(is_late=True)
    capture.begin()
    (shock,) = feed(capture, knock(5) + rest(200))
    assert shock.flags == 0


def test_sampler_may_rearm_once_it_has_been_quiet_for_long_enough() -> None:
    """After a false alarm as after a shock, and never inside one."""
    capture = ShockCapture(SETTINGS)
    capture.begin()
    feed(capture, rest(QUIET_SAMPLES - 1))
    seen = [capture.is_quiet]
    feed(capture, rest(1))
    seen.append(capture.is_quiet)
    feed(capture, knock(1) + rest(QUIET_SAMPLES - 1))
    seen += [capture.is_quiet, capture.state == CAPTURING]
    feed(capture, rest(1))
    seen += [capture.is_quiet, capture.state == WATCHING]
    assert seen == [False, True, False, True, True, True]


@pytest.mark.parametrize("at", [0, 400, 900])
def test_half_a_window_still_has_the_hardest_blow(at: int) -> None:
    """Wherever it stood; it is CUT, its times go on, and what follows does not join it."""
    samples = rest(40) + knock(at, 100) + half_sine(60, 5) + knock(900 - at, 100) + rest(200)
    counts = array("h", [value for sample in samples for value in sample])
    capture = ShockCapture(SETTINGS)
    capture.feed(counts, 0, len(samples), 1000)
    whole = Shock(capture)
    assert len(whole.samples) == SETTINGS.window

    assert capture.shorten()

    half = Shock(capture)
    first = (half.first_us - whole.first_us) * RATE_HZ // 1_000_000
    first += (half.first_us - whole.first_us) * RATE_HZ % 1_000_000 > 0
    assert half.samples == whole.samples[first:][: SETTINGS.window // 2]
    assert half.figures.peak == pytest.approx(whole.figures.peak, abs=12)
    assert (half.samples[half.trigger], half.flags) == (max(whole.samples, key=sum), SHOCK_CUT)
    assert half.event["flags"] == half.head["flags"] == SHOCK_CUT
    while capture.shorten():
        assert capture.count >= 2 * SETTINGS.pre_trigger
    assert capture.figures.peak == pytest.approx(whole.figures.peak, rel=0.2)


@pytest.mark.parametrize(
    ("peak", "band"), [(249, 0), (250, 1), (499, 1), (500, 2), (999, 2), (1000, 3), (1500, 3)]
)
def test_band_is_that_of_the_resultant_peak(peak: int, band: int) -> None:
    """25, 50 and 100 g are the lower edges."""
    capture = ShockCapture(SETTINGS)
    counts = array("h", [value for sample in rest(40) + knock(30, peak) for value in sample])
    capture.feed(counts, 0, 70, 0)
    capture.gap(10**6)
    figures = capture.figures._replace(peak=peak)  # pyright: ignore[reportAttributeAccessIssue]
    capture._figures = figures  # noqa: SLF001 - what was measured, but for the peak
    assert capture.band == band


def test_records_have_the_fields_of_the_layout() -> None:
    """Head and event are packed by position."""
    (shock,) = feed(ShockCapture(SETTINGS), rest(40) + knock(20) + rest(200))
    assert shock.head == {
        "shock": 7,
        "count": 32 + 20 + 96,
        "trigger": 32,
        "rate_hz": 3200,
        "count_mg": 100,
        "flags": 0,
    }
    figures = shock.figures
    assert shock.event == {
        "shock": 7,
        "band": 1,
        "flags": 0,
        "peak_x": figures.peak_x,
        "peak_y": figures.peak_y,
        "peak_z": figures.peak_z,
        "peak": figures.peak,
        "duration_us": figures.duration_us,
        "velocity_change_mm_s": figures.velocity_change_mm_s,
    }


# --- figures -------------------------------------------------------------------------------------


def kaiser_sinc(phase: int) -> list[float]:
    """Return one row of the interpolation kernel by its formula."""
    at = np.arange(-5, 7) - phase / 8
    row = np.sinc(at) * np.i0(3.5 * np.sqrt(1 - (at / 6) ** 2)) / np.i0(3.5)
    return (row / row.sum() * 4096).tolist()


def test_interpolation_kernel_is_what_its_comment_says() -> None:
    """Each entry to the rounding, each row to a sum of exactly 1."""
    kernel = shock_pulse._KERNEL.tolist()  # noqa: SLF001
    rows = [kernel[12 * n : 12 * n + 12] for n in range(7)]
    assert [sum(row) for row in rows] == [4096] * 7
    worst = max(
        abs(value - exact)
        for phase, row in enumerate(rows, 1)
        for value, exact in zip(row, kaiser_sinc(phase), strict=True)
    )
    assert worst < 2


DIRECTIONS = [
    (0.0, 0.0, 1.0),
    (1.0, 0.0, 0.0),
    (0.0, -1.0, 0.0),
    (1.0, -2.0, 2.0),
    (1.0, 1.0, 1.0),
]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(
    ("peak_g", "duration_ms"), [(56, 11), (124, 5), (40, 2), (25, 20), (150, 3)]
)
def test_half_sine_pulse_has_the_figures_of_the_formula(
    peak_g: int, duration_ms: int, direction: tuple[float, float, float]
) -> None:
    """Peak A, time 0.936 T between its tenths, velocity change 2 A T / pi, at any phase."""
    velocity_mm_s = 2 / math.pi * peak_g * G_MM_S2 * duration_ms / 1000
    tenths_us = (1 - 2 / math.pi * math.asin(0.1)) * duration_ms * 1000
    for phase in (0.0, 0.25, 0.5, 0.75):
        samples = rest(30) + half_sine(peak_g, duration_ms, direction, phase) + rest(200)
        (shock,) = feed(ShockCapture(SETTINGS), samples)
        assert shock.event["peak"] / 10 == pytest.approx(peak_g, rel=0.03, abs=0.1)
        assert shock.event["duration_us"] == pytest.approx(tenths_us, rel=0.02, abs=60)
        assert shock.event["velocity_change_mm_s"] == pytest.approx(velocity_mm_s, rel=0.02)


def test_drop_of_the_facts_table_is_measured_whole() -> None:
    """A drop from 0.76 m without rebound: 3.86 m/s, whether 56 g for 11 ms or 124 g for 5 ms."""
    for peak_g, duration_ms in ((56, 11), (124, 5)):
        samples = rest(30) + half_sine(peak_g, duration_ms) + rest(200)
        (shock,) = feed(ShockCapture(SETTINGS), samples)
        assert shock.event["velocity_change_mm_s"] == pytest.approx(3860, rel=0.02)


def test_peaks_of_the_axes_carry_their_sign() -> None:
    """Down and to the left, gravity and offset removed."""
    samples = rest(30) + half_sine(60, 8, (-1.0, 2.0, -2.0)) + rest(200)
    (shock,) = feed(ShockCapture(SETTINGS), samples)
    peaks = [shock.event[name] for name in ("peak_x", "peak_y", "peak_z")]
    assert peaks == pytest.approx([-200, 400, -400], abs=6)


def test_ringing_after_the_blow_does_not_lengthen_the_pulse() -> None:
    """A blow of 2 ms and its ringing at 200 Hz: the pulse ends where the blow ends."""
    blow = half_sine(80, 2)
    ringing = [
        [0, 0, 10 + round(200 * math.exp(-i / 160) * -math.sin(2 * math.pi * 200 * i / RATE_HZ))]
        for i in range(800)
    ]
    end = int(0.022 * RATE_HZ)
    samples = rest(30) + blow[:end] + ringing + rest(200)
    (shock,) = feed(ShockCapture(SETTINGS), samples)
    assert shock.event["duration_us"] == pytest.approx(1870, rel=0.1)


def test_slow_rise_before_the_trigger_does_not_move_the_baseline() -> None:
    """20 g for 20 ms spends the last 2.6 ms below the trigger: the pre-trigger's top quarter."""
    samples = rest(60) + half_sine(20, 20) + rest(200)
    (shock,) = feed(ShockCapture(SETTINGS), samples)
    assert shock.event["peak"] == pytest.approx(200, abs=3)


def test_window_without_quiet_samples_before_takes_its_baseline_from_all() -> None:
    """Woken in the blow: the quiet end of the window tells gravity."""
    blow = half_sine(60, 10)
    top = int(0.025 * RATE_HZ)
    (shock,) = feed(ShockCapture(SETTINGS), blow[top:] + rest(200))
    assert shock.trigger == 0
    assert shock.event["peak"] == pytest.approx(600, abs=6)


def test_single_sample_is_measured_without_complaint() -> None:
    """A gap right behind the only sample of a shock."""
    columns = tuple(array("h", [value]) for value in (500, 0, 10))
    figures = measure(columns, 1, 0, layout.SHOCK_GAP, RATE_HZ, 100)
    assert figures == ShockFigures(0, 0, 0, 0, 0, 0)


@given(
    samples=st.lists(st.tuples(*[st.integers(-2048, 2047)] * 3), min_size=2, max_size=60),
    flags=st.integers(0, 7),
)
@settings(max_examples=200, deadline=None)
def test_any_window_has_figures_that_fit_their_record(
    samples: list[tuple[int, int, int]], flags: int
) -> None:
    """Noise at full range overshoots between samples, and still packs."""
    import struct

    columns = tuple(array("h", column) for column in zip(*samples, strict=True))
    figures = measure(columns, len(samples), len(samples) // 2, flags, RATE_HZ, 100)
    struct.pack(layout.EVENT_SHOCK.format, 1, 0, flags, *figures)
    assert figures.peak >= max(abs(peak) for peak in figures[:3]) - 1


def test_velocity_beyond_the_record_stands_at_its_end() -> None:
    """100 g for 0.3 s is no courier; the record's largest value says "at least"."""
    (shock,) = feed(ShockCapture(SETTINGS), rest(40) + knock(800, 1000) + rest(200))
    assert shock.event["velocity_change_mm_s"] == 65535


# --- real recordings -----------------------------------------------------------------------------

_PLACES = (
    os.environ.get("DEWARLOG_SHOCK_RECORDINGS", ""),
    str(Path(__file__).resolve().parents[2].parent / "shared" / "data" / "shock"),
)


def recording(name: str) -> shock_reference.Recording:
    """Load a recording, or skip: the project does not carry them."""
    for place in _PLACES:
        if place and (Path(place) / name).exists():
            return shock_reference.load(Path(place) / name)
    pytest.skip(f"{name} is not here; DEWARLOG_SHOCK_RECORDINGS names the folder that has it")


def low_bands() -> ShockSettings:
    """Return bands from 5 g and the trigger that goes with them, for recordings to 43 g."""
    return settings_with(band_1_g=5, band_2_g=20, band_3_g=40, trigger_count=18)


PHASES = [index / 8 for index in range(8)]


@pytest.mark.parametrize("phase", PHASES)
def test_every_recorded_knock_is_found_and_measured(phase: float) -> None:
    """Nine knocks of 11 to 43 g with ringing: peak within 5 %, velocity change within 10 %.

    The sensor's samples fall anywhere between the recording's; the judge works on the recording
    itself through the same filter, with the baseline of the 10 ms before each knock.
    """
    knocks = recording("knocks_20khz.csv.gz").filtered(RATE_HZ / 2)
    resting = np.median(knocks.g, axis=0)
    hard = np.linalg.norm(knocks.g - resting, axis=1) > 8
    starts = knocks.times_s[np.flatnonzero(hard)]
    onsets_s = [starts[0], *(after for before, after in pairwise(starts) if after - before > 0.03)]
    assert len(onsets_s) == 9
    shocks = feed(ShockCapture(low_bands()), knocks.counts(RATE_HZ, phase))
    found = [shock for shock in shocks if shock.event["band"] >= 1]
    assert len(found) == 9
    for onset_s, shock in zip(onsets_s, found, strict=True):
        began_s = shock.first_us / 1e6 + phase / RATE_HZ
        assert began_s < onset_s < began_s + len(shock.samples) / RATE_HZ
        baseline_g = np.median(knocks.between(onset_s - 0.011, onset_s - 0.001), axis=0)
        curve_g = knocks.between(onset_s - 0.03, onset_s + 0.03)
        judged = shock_reference.figures(curve_g, baseline_g, knocks.rate_hz)
        event = shock.event
        assert event["peak"] / 10 == pytest.approx(judged.peak_g, rel=0.05)
        assert event["velocity_change_mm_s"] == pytest.approx(judged.velocity_change_mm_s, rel=0.1)
        assert event["duration_us"] == pytest.approx(judged.duration_s * 1e6, rel=0.1)


@pytest.mark.parametrize("phase", PHASES[::2])
def test_recorded_vibration_is_one_shock_with_its_hardest_swing(phase: float) -> None:
    """Seven seconds of 100 Hz at 10 g: cut, told once, and measured at its hardest."""
    shaken = recording("handled_3khz.csv.gz").filtered(RATE_HZ / 2)
    (shock,) = feed(ShockCapture(low_bands()), shaken.counts(RATE_HZ, phase))
    began_s = shock.first_us / 1e6
    curve_g = shaken.between(began_s - 0.01, began_s + len(shock.samples) / RATE_HZ)
    resting = np.median(shaken.g, axis=0)
    judged = shock_reference.figures(curve_g, resting, shaken.rate_hz)
    hardest_g = float(np.linalg.norm(shaken.g - resting, axis=1).max())
    assert shock.flags == layout.SHOCK_CUT
    assert shock.event["band"] == 1
    assert shock.event["peak"] / 10 == pytest.approx(hardest_g, rel=0.05)
    assert shock.event["peak"] / 10 == pytest.approx(judged.peak_g, rel=0.05)
    velocity_mm_s = judged.velocity_change_mm_s
    assert shock.event["velocity_change_mm_s"] == pytest.approx(velocity_mm_s, rel=0.1)


# --- the board's interpreters --------------------------------------------------------------------

_DEVICE_SCRIPT = """
import micropython
from array import array
from dewarlog_firmware.config import ShockSettings
from dewarlog_firmware.shock import COMPLETE, ShockCapture, means_hold
capture = ShockCapture(ShockSettings(3200, 100, 200, 80, 30, 32, 1024, 25, 50, 100, 3, 0))
counts = array("h", {counts!r})
sets = len(counts) // 3
def feed(first, last):
    at = first
    while at < last:
        at += capture.feed(counts, at, min(16, last - at), 0)
        if capture.state == COMPLETE:
            return at
    return at
at = 0
# Watching, triggering and capturing put nothing on the heap; measuring does.
micropython.heap_lock()
try:
    at = feed(0, 240)
finally:
    micropython.heap_unlock()
print(capture.state, capture.count)
while at < sets:
    at = feed(at, sets)
    if capture.state == COMPLETE:
        print(capture.head(1), capture.event(1), capture.first_us)
        print(sum(capture.columns[0][:capture.count]))
        capture.restart()
"""


@pytest.mark.parametrize("interpreter", ["micropython", "micropython32"])
def test_micropython_tells_the_same_shocks_and_allocates_nothing_before(
    interpreter: str, request: pytest.FixtureRequest
) -> None:
    """Three shocks, one of them cut."""
    run: RunMicroPython = request.getfixturevalue(interpreter)
    samples = rest(150) + half_sine(150, 11, (1.0, -2.0, 2.0), 0.3) + rest(200)
    samples += [[round(150 * math.sin(i / 5)), 30, 10] for i in range(1500)] + rest(150)
    samples += knock(3, -2047) + rest(150)
    flat = [value for sample in samples for value in sample]
    capture = ShockCapture(SETTINGS)
    counts = array("h", flat)
    at = capture.feed(counts, 0, 240, 0)
    lines: list[Any] = [f"{CAPTURING} {capture.count}"]
    while at < len(samples):
        at += capture.feed(counts, at, len(samples) - at, 0)
        if capture.state == COMPLETE:
            lines.append(f"{capture.head(1)} {capture.event(1)} {capture.first_us}")
            lines.append(str(sum(capture.columns[0][: capture.count])))
            capture.restart()
    assert len(lines) == 7
    assert run(_DEVICE_SCRIPT.format(counts=flat)).stdout.splitlines() == lines


@pytest.mark.parametrize(
    ("hold_band", "band", "velocity", "held"),
    [(3, 3, 2000, True), (3, 3, 1999, False), (3, 2, 9000, False), (0, 3, 9000, False)],
)
def test_the_profile_says_which_shock_means_hold(
    hold_band: int, band: int, velocity: int, *, held: bool
) -> None:
    """Its band and its velocity change both count; band 0: none does."""
    settings = settings_with(hold_band=hold_band, hold_velocity_change_mm_s=2000)

    assert means_hold(settings, band, velocity) is held
