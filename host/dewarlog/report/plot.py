"""The picture of a journey: temperatures with their limits, then shocks and tilt, on one axis.

It is drawn twice, wide for screens and paper, narrow for phones, so that its letters stay
readable; the page shows one of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np

from dewarlog import words
from dewarlog.report.canvas import DASHES, Canvas, round_step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from dewarlog.report.timeline import Tick
    from dewarlog.report.traces import Trace

_LABEL_ADVANCE: Final = 0.62  # of the font size: a letter of a bold sans-serif, on average
_LEAST_BAND: Final = 4.0  # minutes in a trip of days must still be seen


@dataclass(frozen=True, slots=True)
class Size:
    """One drawing size, in SVG units (about a pixel on the screen it is meant for)."""

    name: str
    width: int
    left: int
    right: int
    temperature_height: int
    ticks: int
    font: int

    @property
    def inner(self) -> int:
        """Give the width of the plotting area."""
        return self.width - self.left - self.right


WIDE: Final = Size("wide", 980, 62, 78, 300, 9, 13)
NARROW: Final = Size("narrow", 372, 60, 10, 240, 4, 12)


@dataclass(frozen=True, slots=True)
class Limit:
    """A horizontal line the readings are held against."""

    degc: float
    label: str
    holds: bool
    above: bool  # beyond is above the line


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of time, in seconds on the axis."""

    start_s: float
    end_s: float
    kind: str  # "excursion", "gap", "outage"
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A numbered moment: a custody step."""

    at_s: float
    number: str
    label: str


@dataclass(frozen=True, slots=True)
class Spike:
    """One shock on the strip."""

    at_s: float
    peak_g: float
    holds: bool


@dataclass(frozen=True, slots=True)
class Journey:
    """Everything the picture of a run shows, on one axis of time."""

    length_s: float
    ticks_wide: tuple[Tick, ...]
    ticks_narrow: tuple[Tick, ...]
    axis_label: str
    traces: tuple[Trace, ...]
    names: tuple[str, ...]  # of the traces
    limits: tuple[Limit, ...]
    bands: tuple[Band, ...]
    marks: tuple[Mark, ...]
    spikes: tuple[Spike, ...]
    shock_edges_g: tuple[int, ...]
    has_tilt: bool
    tilt: tuple[tuple[float, float, int], ...]  # start, end, band of each stay off upright
    summary: str  # for those who cannot see it


def journey_svg(journey: Journey, size: Size) -> str:
    """Draw temperatures with limits and excursions, then shocks and tilt on the same axis."""
    canvas = Canvas()
    top = 30 if journey.marks else 12  # flags of custody steps stand above the plot
    bottom = top + size.temperature_height
    strip = bottom + 12
    has_shocks = bool(journey.spikes)  # a closer view without any leaves the strip out
    shock_height = 46 if has_shocks else 0
    tilt_top = strip + shock_height + (10 if has_shocks else 0)
    tilt_height = 16 if journey.has_tilt else 0
    axis = tilt_top + tilt_height + (6 if journey.has_tilt else 0)
    height = axis + 38
    low, high = _range(journey)
    place = _Place(size, journey.length_s, top, bottom, low, high)

    ticks = journey.ticks_wide if size is WIDE else journey.ticks_narrow
    _grid(canvas, place, ticks)
    _limits(canvas, place, journey.limits)
    _bands(canvas, place, journey.bands)
    curves = _reduced(journey, size)
    _curves(canvas, place, journey, curves)
    _marks(canvas, place, journey.marks)
    _limit_labels(canvas, place, journey.limits, curves)
    if has_shocks:
        _shock_strip(canvas, place, journey, strip, shock_height)
    if journey.has_tilt:
        _tilt_strip(canvas, place, journey, tilt_top, tilt_height)
    _time_axis(canvas, place, ticks, axis, journey.axis_label)
    return (
        f'<svg class="plot {size.name}" viewBox="0 0 {size.width} {height}" role="img" '
        f'aria-label="{escape(journey.summary)}" font-size="{size.font}">'
        f"{_HATCH.format(name=size.name)}{''.join(canvas.parts)}</svg>"
    )


_FLAG_STEP: Final = 20.0  # from one flag's middle to the next one's


_HATCH: Final = (
    '<defs><pattern id="hatch-{name}" width="7" height="7" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect width="7" height="7" class="hatch-ground"/>'
    '<line x1="0" y1="0" x2="0" y2="7" class="hatch-line"/></pattern></defs>'
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Maps seconds and degrees to the canvas."""

    size: Size
    length_s: float
    top: float
    bottom: float
    low: float
    high: float

    def x(self, seconds: float) -> float:
        share = min(max(seconds / self.length_s, 0.0), 1.0)
        return self.size.left + share * self.size.inner

    def y(self, degc: float) -> float:
        share = min(max((degc - self.low) / (self.high - self.low), 0.0), 1.0)
        return self.bottom - share * (self.bottom - self.top)

    @property
    def right(self) -> float:
        return float(self.size.left + self.size.inner)


def _range(journey: Journey) -> tuple[float, float]:
    """Choose the axis so that readings and limits are all inside, with air around them."""
    values = [limit.degc for limit in journey.limits]
    for trace in journey.traces:
        good = ~np.isnan(trace.low_degc)
        if good.any():
            values += [float(trace.low_degc[good].min()), float(trace.high_degc[good].max())]
    if not values:
        return -200.0, -140.0
    low, high = min(values), max(values)
    air = max(4.0, (high - low) * 0.08)
    return low - air, high + air


def _grid(canvas: Canvas, place: _Place, ticks: Sequence[Tick]) -> None:
    for tick in ticks:
        x = place.x(tick.at_s)
        canvas.line(x, place.top, x, place.bottom, "grid")
    step = round_step(place.high - place.low, 6)
    value = math.ceil(place.low / step) * step
    while value <= place.high:
        y = place.y(value)
        canvas.line(place.size.left, y, place.right, y, "grid")
        canvas.text(place.size.left - 8, y + 4, words.degc(value, 0), "tick", "end")
        value += step


def _limits(canvas: Canvas, place: _Place, limits: Sequence[Limit]) -> None:
    for limit in limits:
        y = place.y(limit.degc)
        kind = "hold" if limit.holds else "warn"
        edge = place.top if limit.above else place.bottom
        if limit.holds:
            canvas.box(
                place.size.left,
                min(y, edge),
                place.size.inner,
                abs(edge - y),
                "beyond",
                limit.label,
            )
        canvas.line(place.size.left, y, place.right, y, f"limit {kind}")


def _limit_labels(
    canvas: Canvas, place: _Place, limits: Sequence[Limit], curves: Sequence[Trace]
) -> None:
    """Write on each limit what it means, on top of all else and where the fewest curves pass."""
    font = place.size.font
    for limit in limits:
        y = place.y(limit.degc)
        width = len(limit.label) * font * _LABEL_ADVANCE
        first, last = place.size.left + 8.0, max(place.size.left + 8.0, place.right - width - 8)
        lefts = (first, last, (first + last) / 2)
        spots = [(x, foot) for foot in (y - 6, y + font + 3) for x in lefts]
        x, foot = min(spots, key=lambda spot: _crossed(place, curves, *spot, width))
        canvas.text(x, foot, limit.label, f"limit-label {'hold' if limit.holds else 'warn'}")


def _crossed(
    place: _Place, curves: Sequence[Trace], left: float, foot: float, width: float
) -> int:
    """Count the columns of curves that pass behind a label."""
    head = foot - place.size.font
    count = 0
    for curve in curves:
        columns = len(curve.low_degc)
        first = int((left - place.size.left) / place.size.inner * columns)
        stop = math.ceil((left + width - place.size.left) / place.size.inner * columns)
        for low, high in zip(
            curve.low_degc[first:stop].tolist(), curve.high_degc[first:stop].tolist(), strict=True
        ):
            if not math.isnan(low) and place.y(high) <= foot + 3 and place.y(low) >= head:
                count += 1
    return count


def _bands(canvas: Canvas, place: _Place, bands: Sequence[Band]) -> None:
    """Shade stretches of time; overlapping ones of one kind are joined, the gravest lie on top."""
    kinds = ("warning", "excursion", "gap", "outage")
    joined = [band for kind in kinds for band in _joined(b for b in bands if b.kind == kind)]
    for band in joined:
        x = place.x(band.start_s)
        width = place.x(band.end_s) - x
        if width < _LEAST_BAND:
            x, width = x - (_LEAST_BAND - width) / 2, _LEAST_BAND
        kind = f"band {band.kind}"
        height = place.bottom - place.top
        if band.kind == "gap":
            canvas.add(
                f'<rect x="{x:.1f}" y="{place.top:.1f}" width="{width:.1f}" height="{height:.1f}" '
                f'class="{kind}" fill="url(#hatch-{place.size.name})">'
                f"<title>{escape(band.label)}</title></rect>"
            )
        elif band.kind == "outage":
            canvas.box(x, place.bottom - 7, width, 7, kind, band.label)
        else:
            canvas.box(x, place.top, width, height, kind, band.label)


def _joined(bands: Iterable[Band]) -> list[Band]:
    """Join bands that overlap; their labels are told one after the other."""
    joined: list[Band] = []
    for band in sorted(bands, key=lambda band: band.start_s):
        last = joined[-1] if joined else None
        if last is None or band.start_s > last.end_s:
            joined.append(band)
            continue
        label = last.label if band.label in last.label else f"{last.label}; {band.label}"
        joined[-1] = Band(last.start_s, max(last.end_s, band.end_s), band.kind, label)
    return joined


def _reduced(journey: Journey, size: Size) -> tuple[Trace, ...]:
    """Give the traces with about a column for each unit of the picture's width."""
    return tuple(trace.joined(len(trace.low_degc) // size.inner) for trace in journey.traces)


def _curves(canvas: Canvas, place: _Place, journey: Journey, curves: Sequence[Trace]) -> None:
    ends: list[tuple[float, int]] = []
    for index, (reduced, name) in enumerate(zip(curves, journey.names, strict=True)):
        columns = len(reduced.low_degc)
        width = place.size.inner / columns
        xs = np.arange(columns, dtype=np.float64) * width + (place.size.left + width / 2)
        colour = f"c{index % 4 + 1}"
        dash = DASHES[index % len(DASHES)]
        lasts = 0.0
        for first, stop in _runs(~np.isnan(reduced.low_degc)):
            low, high = reduced.low_degc[first:stop], reduced.high_degc[first:stop]
            canvas.add(_ribbon(place, xs[first:stop], low, high, colour))
            middle = (low + high) / 2
            canvas.add(_polyline(place, xs[first:stop], middle, colour, dash, name))
            lasts = place.y(float(middle[-1]))
        ends.append((lasts, index))
    if place.size is WIDE:
        for y, index in _spread(ends, 15.0):
            canvas.text(place.right + 8, y + 4, journey.names[index], f"name c{index % 4 + 1}")


def _runs(good: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(good.astype(np.int8), prepend=0, append=0)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _ribbon(
    place: _Place,
    xs: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    colour: str,
) -> str:
    """Fill between the least and the greatest of each column, at least a hair wide."""
    upper = [f"{x:.1f} {place.y(v):.1f}" for x, v in zip(xs.tolist(), high.tolist(), strict=True)]
    lower = [f"{x:.1f} {place.y(v):.1f}" for x, v in zip(xs.tolist(), low.tolist(), strict=True)]
    return f'<path class="ribbon {colour}" d="M{"L".join(upper + lower[::-1])}Z"/>'


def _polyline(
    place: _Place,
    xs: NDArray[np.float64],
    values: NDArray[np.float64],
    colour: str,
    dash: str,
    name: str,
) -> str:
    points = [
        f"{x:.1f},{place.y(v):.1f}" for x, v in zip(xs.tolist(), values.tolist(), strict=True)
    ]
    if len(points) == 1:
        x, y = points[0].split(",")
        points.append(f"{float(x) + 1:.1f},{y}")
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<polyline class="curve {colour}"{dashed} points="{" ".join(points)}">'
        f"<title>{escape(name)}</title></polyline>"
    )


def _spread(ends: list[tuple[float, int]], apart: float) -> list[tuple[float, int]]:
    """Move labels that would overlap apart, keeping their order."""
    placed: list[tuple[float, int]] = []
    last = -math.inf
    for y, index in sorted(ends):
        last = max(y, last + apart)
        placed.append((last, index))
    return placed


def _marks(canvas: Canvas, place: _Place, marks: Sequence[Mark]) -> None:
    """Flag custody steps; flags of steps close together stand side by side."""
    places = [place.x(mark.at_s) for mark in marks]
    for x in places:
        canvas.line(x, place.top - 6, x, place.bottom, "mark")
    for mark, flag in zip(marks, _side_by_side(places, place.right + 10), strict=True):
        if flag < place.size.left - 10:
            continue  # more steps than flags have room for
        canvas.add(
            f'<g class="flag"><circle cx="{flag:.1f}" cy="{place.top - 15:.1f}" r="9"/>'
            f"<title>{escape(mark.label)}</title></g>"
        )
        canvas.text(flag, place.top - 10.5, mark.number, "flag-number", "middle")


def _side_by_side(places: Sequence[float], right: float) -> list[float]:
    """Move flags apart: to the right, and back to the left from where there is no more room."""
    moved: list[float] = []
    for x in places:
        moved.append(max(x, moved[-1] + _FLAG_STEP) if moved else x)
    for index in reversed(range(len(moved))):
        moved[index] = min(moved[index], right)
        right = moved[index] - _FLAG_STEP
    return moved


def _shock_strip(
    canvas: Canvas, place: _Place, journey: Journey, top: float, height: float
) -> None:
    tallest = max(*(spike.peak_g for spike in journey.spikes), 1.0)
    edges = [edge for edge in journey.shock_edges_g if edge > 0]
    scale = max(tallest, *edges[:2], 1.0) * 1.1
    bottom = top + height
    canvas.line(place.size.left, bottom, place.right, bottom, "axis")
    for edge in edges:
        if edge < scale:
            y = bottom - edge / scale * height
            canvas.line(place.size.left, y, place.right, y, "grid")
    canvas.text(place.size.left - 8, bottom, "shock", "tick", "end")
    canvas.text(place.size.left - 8, top + 9, f"{scale / 1.1:.0f} g", "tick", "end")
    for spike in journey.spikes:
        x = place.x(spike.at_s)
        y = bottom - spike.peak_g / scale * height
        kind = "hold" if spike.holds else "plain"
        canvas.line(x, bottom, x, y, f"spike {kind}")
        canvas.add(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="spike-head {kind}"/>')


def _tilt_strip(
    canvas: Canvas, place: _Place, journey: Journey, top: float, height: float
) -> None:
    canvas.box(place.size.left, top, place.size.inner, height, "tilt band0", "upright")
    for start_s, end_s, band in journey.tilt:
        x = place.x(start_s)
        canvas.box(
            x, top, max(2.0, place.x(end_s) - x), height, f"tilt band{band}", f"tilt band {band}"
        )
    canvas.text(place.size.left - 8, top + height - 3, "tilt", "tick", "end")


def _time_axis(
    canvas: Canvas, place: _Place, ticks: Sequence[Tick], top: float, label: str
) -> None:
    canvas.line(place.size.left, top, place.right, top, "axis")
    for tick in ticks:
        x = place.x(tick.at_s)
        canvas.line(x, top, x, top + 5, "axis")
        anchor = "middle"
        if x > place.right - 14:
            anchor = "end"
        elif x < place.size.left + 14:
            anchor = "start"
        canvas.text(x, top + 18, tick.label, "tick", anchor)
    canvas.text(place.right, top + 34, label, "tick", "end")
