"""The picture of a board's calibrations: what each probe was off at each point, over the years.

In the bench: takes drift.Found, gives an SVG file that needs nothing else. In the manner of the
report's pictures: its canvas, its colours, light and dark, and no meaning on colour alone: the two
points differ by shape, dash and name.

One panel for each probe, all on one axis of time and one of kelvin, so that probes can be
compared. Bars are the expanded uncertainty (k = 2). A calibration that was measured and not
written to its board is drawn hollow. The thin upright lines are due dates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from html import escape
from typing import TYPE_CHECKING, Final

from dewarlog import words
from dewarlog.calibrate.drift import NAME_OF_POINT, jumps
from dewarlog.report.canvas import Canvas, round_step
from dewarlog.uncertainty import COVERAGE_FACTOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dewarlog.calibrate.drift import Found

_WIDTH: Final = 980
_LEFT: Final = 72
_RIGHT: Final = 98
_TOP: Final = 82
_PANEL: Final = 190
_BETWEEN: Final = 44
_FOOT: Final = 48
_FONT: Final = 13
_DAY_S: Final = 86400.0
_LEAST_HALF_RANGE_K: Final = 0.2
_AIR: Final = 0.05  # of the range, on both sides
_TICKS: Final = 8
# Both points of one calibration are minutes apart: drawn side by side, each can be seen.
_BESIDE: Final = {"ln2": -4.0, "ice": 4.0}
_COLOURS: Final = {"ln2": "c1", "ice": "c2"}
_DASHES: Final = {"ln2": "", "ice": ' stroke-dasharray="7 3"'}
_STYLE: Final = """
svg { --paper: #faf9f6; --ink: #1d1c1a; --soft: #5b5750; --grid: #ebe8e1; --c1: #0060a8;
  --c2: #a44e00; --hold: #a8281a; --warn: #8a6100; background: var(--paper);
  font-family: ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
@media (prefers-color-scheme: dark) { svg { --paper: #131416; --ink: #edebe6; --soft: #a9a59c;
  --grid: #292c30; --c1: #6db3f2; --c2: #f0a04b; --hold: #ff8a78; --warn: #e0b64c; } }
text { fill: var(--ink); } .title { font-size: 17px; font-weight: 700; }
.probe { font-weight: 700; } .tick, .soft { fill: var(--soft); } .name { font-weight: 600; }
.grid { stroke: var(--grid); } .axis { stroke: var(--soft); } .zero { stroke: var(--soft); }
.due { stroke: var(--warn); stroke-dasharray: 2 3; } .due-label { fill: var(--warn); }
.jump { fill: var(--hold); font-weight: 700; } polyline { fill: none; stroke-width: 1.5; }
.c1 { stroke: var(--c1); } .c2 { stroke: var(--c2); } .bar { stroke-width: 1.7; }
.full.c1 { fill: var(--c1); } .full.c2 { fill: var(--c2); } .hollow { fill: var(--paper); }
text.c1 { fill: var(--c1); stroke: none; } text.c2 { fill: var(--c2); stroke: none; }
"""


@dataclass(frozen=True, slots=True)
class _Axes:
    first_s: float
    last_s: float
    half_k: float

    def x(self, seconds: float) -> float:
        share = (seconds - self.first_s) / (self.last_s - self.first_s)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, top: float, kelvin: float) -> float:
        return top + (1 - kelvin / self.half_k) / 2 * _PANEL


def drift_svg(found: Sequence[Found], title: str) -> str:
    """Draw calibrations of one board's probes; there is one at least.

    Raises:
        ValueError: there is none.
    """
    if not found:
        message = "no calibration to draw"
        raise ValueError(message)
    probes = sorted({one.serial for one in found}, key=lambda serial: _place(found, serial))
    axes = _axes(found)
    height = _TOP + len(probes) * (_PANEL + _BETWEEN) - _BETWEEN + _FOOT
    canvas = Canvas()
    canvas.text(_LEFT, 26, words.plain(title), "title")
    canvas.text(_LEFT, 45, "Deviation before correction, with its uncertainty (k = 2)", "soft")
    bottom = _TOP
    for index, serial in enumerate(probes):
        top = _TOP + index * (_PANEL + _BETWEEN)
        bottom = top + _PANEL
        _panel(canvas, axes, top, serial, [one for one in found if one.serial == serial])
    _time_axis(canvas, axes, bottom)
    counts = words.plural(len(found), "comparison"), words.plural(len(probes), "probe")
    label = escape(words.plain(f"{title}: {counts[0]} of {counts[1]}"))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-label="{label}" '
        f'font-size="{_FONT}"><style>{_STYLE}</style>'
        f'<rect width="{_WIDTH}" height="{height}" style="fill: var(--paper)"/>'
        f"{''.join(canvas.parts)}</svg>\n"
    )


def _place(found: Sequence[Found], serial: str) -> tuple[int, str]:
    """Order probes by the channel they were last on."""
    last = max((one for one in found if one.serial == serial), key=lambda one: one.at)
    return (last.channel, serial)


def _axes(found: Sequence[Found]) -> _Axes:
    """Choose axes on which everything is, zero in the middle."""
    moments = [one.at.timestamp() for one in found]
    moments += [_seconds(one.due) for one in found if one.due is not None]
    first_s, last_s = min(moments), max(moments)
    air_s = max((last_s - first_s) * _AIR, 10 * _DAY_S)
    most_k = max(abs(one.deviation_k) + COVERAGE_FACTOR * one.u_k for one in found)
    half_k = max(most_k * (1 + 2 * _AIR), _LEAST_HALF_RANGE_K)
    return _Axes(first_s - air_s, last_s + air_s, half_k)


def _seconds(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _panel(canvas: Canvas, axes: _Axes, top: float, serial: str, found: Sequence[Found]) -> None:
    last = max(found, key=lambda one: one.at)
    canvas.text(_LEFT, top - 7, words.plain(f"Probe {last.channel + 1}, serial {serial}"), "probe")
    right = _WIDTH - _RIGHT
    step = round_step(2 * axes.half_k, 6)
    value = math.ceil(-axes.half_k / step) * step
    while value <= axes.half_k:
        y = axes.y(top, value)
        is_zero = abs(value) < step / 2
        canvas.line(_LEFT, y, right, y, "zero" if is_zero else "grid")
        canvas.text(_LEFT - 8, y + 4, _kelvin(0.0 if is_zero else value, step), "tick", "end")
        value += step
    for due in sorted({one.due for one in found if one.due is not None}):
        x = axes.x(_seconds(due))
        canvas.line(x, top, x, top + _PANEL, "due")
        canvas.text(x - 4, top + _PANEL - 5, f"due {due}", "due-label", "end")
    ends: list[tuple[float, str]] = []
    for point in ("ln2", "ice"):
        line = sorted((one for one in found if one.point == point), key=lambda one: one.at)
        if line:
            _series(canvas, axes, top, point, line)
            ends.append((axes.y(top, line[-1].deviation_k), point))
    _names(canvas, ends)
    for jump in jumps(found):
        x, y = _spot(axes, top, jump.after)
        canvas.text(x + 9, y - 8, f"{_kelvin(jump.by_k, 0.01)}", "jump")


def _series(canvas: Canvas, axes: _Axes, top: float, point: str, line: Sequence[Found]) -> None:
    colour = _COLOURS[point]
    spots = [_spot(axes, top, one) for one in line]
    if len(spots) > 1:
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        canvas.add(f'<polyline class="{colour}"{_DASHES[point]} points="{points}"/>')
    for one, (x, y) in zip(line, spots, strict=True):
        expanded_k = COVERAGE_FACTOR * one.u_k
        for end in (one.deviation_k - expanded_k, one.deviation_k + expanded_k):
            canvas.line(x - 5, axes.y(top, end), x + 5, axes.y(top, end), f"bar {colour}")
        low, high = (
            axes.y(top, one.deviation_k - expanded_k),
            axes.y(top, one.deviation_k + expanded_k),
        )
        canvas.line(x, low, x, high, f"bar {colour}")
        kind = f"{'full' if one.applied else 'hollow'} {colour}"
        tip = (
            f"{NAME_OF_POINT[point]}, {one.at:%Y-%m-%d}: {one.deviation_k:+.3f} K, expanded "
            f"uncertainty {expanded_k:.3f} K" + ("" if one.applied else "; not on the logger")
        )
        shape = (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" class="{kind}">'
            if point == "ln2"
            else f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" class="{kind}">'
        )
        close = "</circle>" if point == "ln2" else "</rect>"
        canvas.add(f"{shape}<title>{escape(tip)}</title>{close}")


def _spot(axes: _Axes, top: float, one: Found) -> tuple[float, float]:
    return axes.x(one.at.timestamp()) + _BESIDE[one.point], axes.y(top, one.deviation_k)


def _names(canvas: Canvas, ends: list[tuple[float, str]]) -> None:
    """Write at the right what each line is, one below the other where they meet."""
    last = -math.inf
    for y, point in sorted(ends):
        last = max(y, last + 16)
        canvas.text(
            _WIDTH - _RIGHT + 10, last + 4, NAME_OF_POINT[point], f"name {_COLOURS[point]}"
        )


def _kelvin(value: float, step: float) -> str:
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if value == 0:
        return "0 K"
    sign = "+" if value > 0 else ""
    return f"{sign}{value:.{digits}f} K".replace("-", "\u2212")


def _time_axis(canvas: Canvas, axes: _Axes, top: float) -> None:
    canvas.line(_LEFT, top, _WIDTH - _RIGHT, top, "axis")
    for at in _month_ticks(axes):
        x = axes.x(at.timestamp())
        canvas.line(x, top, x, top + 5, "axis")
        canvas.text(x, top + 20, f"{at:%Y-%m}", "tick", "middle")


def _month_ticks(axes: _Axes) -> list[datetime]:
    """Give first days of months, as far apart as their labels need."""
    months = (axes.last_s - axes.first_s) / (30.44 * _DAY_S)
    every = next(step for step in (1, 2, 3, 6, 12, 24, 60, 120, 10**6) if months / step <= _TICKS)
    begins = datetime.fromtimestamp(axes.first_s, UTC) + timedelta(days=31)
    month = begins.year * 12 + begins.month - 1
    if every < 10**6:
        month = -(-month // every) * every
    found: list[datetime] = []
    while True:
        at = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        if at.timestamp() > axes.last_s:
            return found
        found.append(at)
        month += every
