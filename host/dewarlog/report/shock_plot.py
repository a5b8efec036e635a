"""The picture of one shock: three axes in g over milliseconds, small enough for a row of them."""

from __future__ import annotations

import math
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from dewarlog.checks.shock import baseline
from dewarlog.report.canvas import DASHES, Canvas, round_step

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from dewarlog.records import ShockWindow

_AXIS_NAMES: Final = ("x", "y", "z")
_SHOCK_POINTS: Final = 220  # pairs of least and greatest a shock line is reduced to


def shock_svg(window: ShockWindow, summary: str) -> str:
    """Draw one shock window: three axes in g over milliseconds, gravity taken off."""
    width, height, left, right, top, bottom = 300, 150, 34, 8, 10, 24
    axes = np.array(window.counts, dtype=np.float64)
    axes *= window.count_mg / 1000
    axes -= baseline(axes, window.trigger, window.flags)[:, np.newaxis]
    count = axes.shape[1]
    step_ms = 1000.0 / window.rate_hz if window.rate_hz else 1.0
    most = max(float(np.abs(axes).max()), 1.0)
    limit = round_step(most, 2) * math.ceil(most / round_step(most, 2))
    canvas = Canvas()

    def x_of(index: float) -> float:
        return left + index / max(1, count - 1) * (width - left - right)

    def y_of(value: float) -> float:
        return top + (limit - value) / (2 * limit) * (height - top - bottom)

    for value in (-limit, 0.0, limit):
        canvas.line(left, y_of(value), width - right, y_of(value), "grid")
        canvas.text(
            left - 5, y_of(value) + 4, f"{value:.0f}".replace("-", "\u2212"), "tick", "end"
        )
    canvas.line(x_of(window.trigger), top, x_of(window.trigger), height - bottom, "mark")
    for axis in range(3):
        points = _shock_points(axes[axis], x_of, y_of)
        dash = DASHES[axis]
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        canvas.add(
            f'<polyline class="curve thin c{axis + 1}"{dashed} points="{points}">'
            f"<title>{_AXIS_NAMES[axis]}</title></polyline>"
        )
    total_ms = (count - 1) * step_ms
    step = round_step(total_ms, 4)
    first = -window.trigger * step_ms
    at = math.ceil(first / step) * step
    while at <= first + total_ms:
        x = x_of((at - first) / step_ms)
        canvas.text(x, height - 8, f"{at:.0f}".replace("-", "\u2212"), "tick", "middle")
        at += step
    canvas.text(left - 5, height - 8, "ms", "tick", "end")
    return (
        f'<svg class="shock" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(summary)}" font-size="11">{"".join(canvas.parts)}</svg>'
    )


def _shock_points(
    values: NDArray[np.float64],
    x_of: Callable[[float], float],
    y_of: Callable[[float], float],
) -> str:
    """Reduce a line to the least and greatest of each of some columns, in their order in time."""
    count = len(values)
    columns = min(count, _SHOCK_POINTS)
    edges = np.linspace(0, count, columns + 1).astype(np.int64).tolist()
    points: list[str] = []
    for first, stop in pairwise(edges):
        part = values[first:stop]
        places = {first + int(part.argmin()), first + int(part.argmax())}
        points += [f"{x_of(at):.1f},{y_of(float(values[at])):.1f}" for at in sorted(places)]
    return " ".join(points)
