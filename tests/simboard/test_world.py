"""The world around the chips: thermocouples, the dewar, motion and the filter before the ADC."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
import thermocouple_its90
from scipy import signal

from device_script import on_device

if TYPE_CHECKING:
    from conftest import MicroPython

_DEWAR: Final = """
from simboard.device.dewar import Dewar
settings = {"hold_days": 10, "charge": 1.0, "full_kg": 3.3, "ambient_mean_degc": 22,
            "ambient_swing_k": 0, "ambient_warmest_h": 15, "start_h": 8}
HOUR, MINUTE = 3600000000, 60000000

def dewar(tilt=0, lids=(), dry_outs=(), heats=(), refills=(), **more):
    values = dict(settings)
    values.update(more)
    return Dewar(values, list(lids), list(heats), list(refills), list(dry_outs), lambda us: tilt)

def degc(d, placement="payload top"):
    return d.micro_degc[placement] / 1e6
"""


@pytest.mark.parametrize("probe_type", ["T", "K", "E"])
def test_thermocouples_follow_its_90(micropython: MicroPython, probe_type: str) -> None:
    """Polynomials and look-up table against an independent implementation, to 1 nV and 2 nV."""
    shown = on_device(
        micropython,
        f"""
        from simboard.device import its90
        table = its90.Table("{probe_type}")
        points = [-200 + i * 3.7 for i in range(80)]
        show(points)
        show([its90.voltage_nv("{probe_type}", t) for t in points])
        show([table.voltage_nv(int(t * 1e6)) for t in points])
        """,
    )

    points, exact, looked_up = shown
    reference = thermocouple_its90.get(probe_type)
    expected = [reference.emf(t) * 1e6 for t in points]
    assert exact == pytest.approx(expected, abs=1)
    assert looked_up == pytest.approx(expected, abs=2)


def test_a_full_dewar_lasts_its_hold_time_upright(micropython: MicroPython) -> None:
    """Cold for ten days, warming at once when the nitrogen is gone."""
    shown = on_device(
        micropython,
        _DEWAR,
        """
        d = dewar()
        for day in (5, 9.9, 10.4):
            d.advance(int(day * 24 * HOUR))
            show([d.charge, degc(d)])
        """,
    )

    assert shown[0][0] == pytest.approx(0.5, abs=0.01)
    assert shown[1][1] == pytest.approx(-192.3, abs=0.1)
    assert shown[2][1] > -160


@pytest.mark.parametrize(("angle_deg", "factor"), [(0, 1.0), (90, 2.5), (180, 20.0)])
def test_tilting_costs_hold_time(micropython: MicroPython, angle_deg: int, factor: float) -> None:
    """On its side a shipper loses 60 % of its hold time; upside down days become hours."""
    shown = on_device(
        micropython, _DEWAR, f"d = dewar({angle_deg}); d.advance(2 * HOUR); show(1 - d.charge)"
    )

    assert shown[0] == pytest.approx(factor * 2 / 240, rel=0.01)


def test_a_dry_out_stands_above_its_limit_from_its_moment_for_its_time(
    micropython: MicroPython,
) -> None:
    """Crossings of the payload's top, found to a second."""
    shown = on_device(
        micropython,
        _DEWAR,
        """
        d = dewar(dry_outs=[(50 * HOUR, 42 * MINUTE, -150.0, -138.0)])
        crossings, above, warmest = [], False, -200
        us = 44 * HOUR
        while us < 54 * HOUR:
            d.advance(us)
            warmest = max(warmest, degc(d))
            if (degc(d) > -150.0) != above:
                above = not above
                crossings.append((us - 50 * HOUR) / 1e6)
            us += 1000000
        show(crossings)
        show(warmest)
        d.advance(60 * HOUR)
        show(degc(d))
        """,
    )

    assert shown[0] == pytest.approx([0, 42 * 60], abs=2)
    assert shown[1] == pytest.approx(-138, abs=0.1)
    assert shown[2] == pytest.approx(-192.3, abs=0.1)


def test_an_open_lid_warms_the_neck_first(micropython: MicroPython) -> None:
    """Ten minutes: the neck by tens of kelvin, the payload by a few, and both come back."""
    shown = on_device(
        micropython,
        _DEWAR,
        """
        d = dewar(lids=[(HOUR, HOUR + 10 * MINUTE)])
        d.advance(HOUR - MINUTE)
        before = [degc(d, "neck"), degc(d)]
        d.advance(HOUR + 10 * MINUTE)
        show([degc(d, "neck") - before[0], degc(d) - before[1]])
        d.advance(6 * HOUR)
        show([degc(d, "neck") - before[0], degc(d) - before[1]])
        """,
    )

    assert 40 < shown[0][0] < 75
    assert 2 < shown[0][1] < 8
    assert shown[1] == pytest.approx([0, 0], abs=0.1)


def test_the_board_follows_the_day(micropython: MicroPython) -> None:
    """Warmest in the afternoon, a little behind the air, and warmer by its own heat."""
    shown = on_device(
        micropython,
        _DEWAR,
        """
        d = dewar(ambient_swing_k=5)
        readings = []
        for step in range(24 * 4 * 2):
            d.advance(step * 15 * MINUTE)
            readings.append(d.board_micro_degc / 1e6)
        day = readings[96:]
        show([max(day), min(day), day.index(max(day)) / 4 + 8])
        """,
    )

    warmest, coldest, hour = shown[0]
    assert warmest - coldest == pytest.approx(10, abs=0.2)
    assert (warmest + coldest) / 2 == pytest.approx(23.2, abs=0.1)
    assert 15 < hour < 16


def test_a_drop_falls_free_and_stops_with_its_whole_velocity(micropython: MicroPython) -> None:
    """0.76 m: 0.394 s of 0 g, then 56 g in 11 ms, which integrates to 3.86 m/s."""
    shown = on_device(
        micropython,
        """
        from simboard.device.motion import Drop, Motion
        drop = Drop(2000000, 0.76, 11000, (0.0, 0.0, 1.0))
        motion = Motion([], [drop], [], 1)
        show(2000000 - drop.start_us)
        show(motion.at(1800000))
        show(max([motion.at(2000000 + us)[2] for us in range(0, 11000, 10)]) - 1)
        show(sum([motion.at(2000000 + us)[2] - 1 for us in range(0, 11000, 10)]) * 1e-5 * 9.80665)
        """,
    )

    assert shown[0] == pytest.approx(math.sqrt(2 * 0.76 / 9.80665) * 1e6, abs=2)
    assert shown[1] == pytest.approx([0, 0, 0], abs=1e-6)
    assert shown[2] == pytest.approx(56.2, abs=0.2)
    assert shown[3] == pytest.approx(3.861, abs=0.005)


def test_the_filter_is_a_four_pole_butterworth(micropython: MicroPython) -> None:
    """A 1 ms half-sine through 1600 Hz, sampled at 3200 Hz, against scipy's filter."""
    shown = on_device(
        micropython,
        """
        from simboard.device.motion import HalfSine, Motion
        from simboard.device.waveform import Input, Waveform
        motion = Motion([], [HalfSine(1000000, 100.0, 1000, (1.0, 0.0, 0.0))], [], 1)
        view = Input(0, 312.5, 1600, 0, False, (0.0, 0.0, 0.0), 0, 1)
        first = view.index_from(990000)
        show(first)
        show(list(Waveform(view, motion, first, first + 80).counts[0]))
        """,
    )

    first, counts = shown
    rate_hz = 1_000_000
    times_us = np.arange(900_000, 1_100_000)
    pulse = np.where(
        (times_us >= 1_000_000) & (times_us <= 1_001_000),
        100 * np.sin(np.pi * (times_us - 1_000_000) / 1000),
        0,
    )
    sections = signal.butter(4, 1600, fs=rate_hz, output="sos")
    filtered = signal.sosfilt(sections, pulse)
    at = [round((first + i) * 312.5) - 900_000 for i in range(len(counts))]
    assert counts == pytest.approx([filtered[i] * 10 for i in at], abs=0.02 * max(counts))


def test_noise_repeats_with_its_seed_and_has_the_deviation_it_says(
    micropython: MicroPython,
) -> None:
    """The same seed gives the same trip; another seed another."""
    shown = on_device(
        micropython,
        """
        from simboard.device.noise import Noise, normal_at
        def some(seed):
            noise = Noise(seed)
            return [noise.normal_part(1000) for _ in range(4000)]
        one, two = some(1), some(2)
        show(one == some(1))
        show(one == two)
        show((sum([v * v for v in one]) / len(one)) ** 0.5)
        values = [normal_at(i, 5) for i in range(4000)]
        show((sum([v * v for v in values]) / len(values)) ** 0.5)
        show(sum([a * b for a, b in zip(values, values[1:])]) / len(values))
        """,
    )

    assert shown[:2] == [True, False]
    assert shown[2] == pytest.approx(1000, rel=0.05)
    assert shown[3] == pytest.approx(1, rel=0.05)
    assert shown[4] == pytest.approx(0, abs=0.05)
