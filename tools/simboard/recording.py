"""Turns a recording (CSV of t_s, x_g, y_g, z_g, plain or gzip) into what the board replays.

The board interpolates with straight lines on a fine grid, so recordings below MIN_RATE_HZ are
resampled first with a windowed sinc: a straight line through 3 kHz samples would flatten peaks.
"""

from __future__ import annotations

import csv
import gzip
import math
from array import array
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from simboard.errors import ScenarioError

if TYPE_CHECKING:
    from pathlib import Path

MIN_RATE_HZ: Final = 20_000
_HEADER: Final = ["t_s", "x_g", "y_g", "z_g"]
# Loggers correct their clock between blocks, so that one step in hundreds is half as long again;
# the sensor's own clock is even. A step further off than this part of the mean is a hole.
_JITTER: Final = 0.6
_REACH: Final = 12  # samples on either side that the sinc takes in


def read_csv(path: Path, where: str) -> tuple[float, list[array[float]]]:
    """Return (interval in s, the three axes in g); ScenarioError names the row that is wrong."""
    opener = gzip.open if path.suffix == ".gz" else open
    times: list[float] = []
    axes = [array("d"), array("d"), array("d")]
    try:
        with opener(path, "rt", newline="") as file:
            rows = csv.reader(file)
            header = next(rows, list[str]())
            if header != _HEADER:
                raise ScenarioError(where, f"{path}: first line is not {','.join(_HEADER)}")
            for number, row in enumerate(rows, 2):
                try:
                    t_s, *values = (float(text) for text in row)
                    for axis, value in zip(axes, values, strict=True):
                        axis.append(value)
                except ValueError:
                    raise ScenarioError(where, f"{path}, line {number}: {row!r}") from None
                times.append(t_s)
    except OSError as error:
        raise ScenarioError(where, f"{path}: {error}") from error
    if len(times) < 2 * _REACH:
        raise ScenarioError(where, f"{path}: only {len(times)} samples")
    interval_s = (times[-1] - times[0]) / (len(times) - 1)
    for number, (before, after) in enumerate(pairwise(times), 3):
        if abs(after - before - interval_s) > _JITTER * interval_s:
            problem = f"{path}, line {number}: {after - before:.6f} s after the line before"
            raise ScenarioError(where, f"{problem}, the mean is {interval_s:.6f} s")
    return interval_s, axes


def upsample(axis: array[float], factor: int) -> array[float]:
    """Return the axis at `factor` times its rate: Hann-windowed sinc, one kernel a phase."""
    if factor == 1:
        return axis
    kernels: list[list[float]] = []
    for phase in range(factor):
        shift = phase / factor
        kernel: list[float] = []
        for tap in range(-_REACH + 1, _REACH + 1):
            x = tap - shift
            sinc = 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)
            kernel.append(sinc * (0.5 + 0.5 * math.cos(math.pi * x / _REACH)))
        total = sum(kernel)
        kernels.append([value / total for value in kernel])
    padded = [axis[0]] * (_REACH - 1) + list(axis) + [axis[-1]] * _REACH
    out = array("d")
    for i in range(len(axis)):
        near = padded[i : i + 2 * _REACH]
        out.extend(
            sum(map(float.__mul__, near, kernel)) if phase else axis[i]
            for phase, kernel in enumerate(kernels)
        )
    return out


def prepare(source: Path, target: Path, where: str) -> tuple[float, int]:
    """Write the board's sample file; return (interval in us, length in us)."""
    interval_s, axes = read_csv(source, where)
    factor = max(1, math.ceil(MIN_RATE_HZ * interval_s - 1e-9))
    fine = [upsample(axis, factor) for axis in axes]
    samples = array("f", (value for sample in zip(*fine, strict=True) for value in sample))
    target.write_bytes(samples.tobytes())
    interval_us = interval_s * 1e6 / factor
    return interval_us, round(len(fine[0]) * interval_us)
