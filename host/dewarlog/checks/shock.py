"""Shocks: peak, duration and velocity change computed again from the window the board kept.

Definitions: protocol/SPEC.md on shock; here in floating point, from raw counts alone. In short:
- baseline: mean of the middle half of the samples before the trigger, taken off each axis;
- curve: seven points between samples by band-limited interpolation, because a peak stands between
  samples;
- peak: the largest resultant on the curve; pulse: on the axis that has most of it, from a tenth
  of its value before to a tenth behind; velocity change: length of the vector of the areas under
  the three curves over the pulse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from dewarlog.checks.finding import Finding, Moment, Severity
from dewarlog.records import ShockEvent
from dewarlog_wire import layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dewarlog.records import Event, Run, ShockSettings, ShockWindow

STANDARD_GRAVITY_M_S2: Final = 9.80665
SHARE_OF_PEAK: Final = 0.1
BASELINE_MIN: Final = 8  # samples before the trigger, fewer make no baseline
PHASES: Final = 8  # points of the curve for each sample
TAPS: Final = 12
KAISER_BETA: Final = 3.5
# The board computes in integers of 1/16 count, with a kernel of 1/4096: how far its figures may
# stand from the host's.
PEAK_TOLERANCE: Final = 0.01
VELOCITY_TOLERANCE: Final = 0.02
_PEAK_SLACK_COUNTS: Final = 1.0
_VELOCITY_SLACK_MM_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class ShockFigures:
    """What one window says, in physical units."""

    peak_g: float
    axis_peaks_g: tuple[float, float, float]
    duration_ms: float
    velocity_change_mm_s: float


@dataclass(frozen=True, slots=True)
class Shock:
    """One shock: the board's figures, the host's, or both."""

    number: int
    at: Moment
    told: ShockEvent | None
    found: ShockFigures | None
    band: int
    clipped: bool
    cut: bool
    has_gap: bool
    count_mg: int
    holds: bool

    @property
    def peak_g(self) -> float:
        """Give the peak, from the window where there is one."""
        if self.found is not None:
            return self.found.peak_g
        return 0.0 if self.told is None else self.told.peak * self.count_mg / 1000

    @property
    def duration_ms(self) -> float:
        """Give the duration, from the window where there is one."""
        if self.found is not None:
            return self.found.duration_ms
        return 0.0 if self.told is None else self.told.duration_us / 1000

    @property
    def velocity_change_mm_s(self) -> float:
        """Give the velocity change, from the window where there is one."""
        if self.found is not None:
            return self.found.velocity_change_mm_s
        return 0.0 if self.told is None else float(self.told.velocity_change_mm_s)


def measure(window: ShockWindow) -> ShockFigures:
    """Compute the figures of one window."""
    axes = np.array(window.counts, dtype=np.float64)
    axes *= window.count_mg / 1000
    if axes.shape[1] == 1:
        axes = np.repeat(axes, 2, axis=1)
    axes -= baseline(axes, window.trigger, window.flags)[:, np.newaxis]
    curve = _curve(axes)
    resultant = np.sqrt((curve * curve).sum(axis=0))
    top = int(np.where(_looked_at(resultant), resultant, 0.0).argmax())
    axis = int(np.abs(curve[:, top]).argmax())
    begin, end = _pulse(curve[axis], top)
    step_s = 1.0 / (PHASES * window.rate_hz) if window.rate_hz else 0.0
    area = np.array([_area(line, begin, end) for line in curve]) * step_s
    sized = [float(line[int(np.abs(line).argmax())]) for line in curve]
    return ShockFigures(
        peak_g=float(resultant[top]),
        axis_peaks_g=(sized[0], sized[1], sized[2]),
        duration_ms=(end - begin) * step_s * 1000,
        velocity_change_mm_s=float(np.sqrt((area * area).sum())) * STANDARD_GRAVITY_M_S2 * 1000,
    )


def baseline(axes: NDArray[np.float64], trigger: int, flags: int) -> NDArray[np.float64]:
    """Give what each axis showed at rest: gravity and the sensor's offset."""
    count = axes.shape[1]
    cut = bool(flags & layout.SHOCK_CUT)
    quiet = count if cut or trigger < BASELINE_MIN else min(trigger, count)
    ordered = np.sort(axes[:, :quiet], axis=1)
    skipped = quiet // 4
    return ordered[:, skipped : quiet - skipped].mean(axis=1)


@lru_cache(maxsize=1)
def _kernel() -> NDArray[np.float64]:
    """Give one row of weights for each point between samples: sinc under a Kaiser window."""
    taps = np.arange(TAPS) - (TAPS // 2 - 1)
    rows: list[NDArray[np.float64]] = []
    for phase in range(1, PHASES):
        away = taps - phase / PHASES
        window = np.i0(KAISER_BETA * np.sqrt(1 - (away / (TAPS / 2)) ** 2))
        row = np.sinc(away) * window
        rows.append(row / row.sum())
    return np.stack(rows)


def _curve(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Put PHASES - 1 points between the samples of each axis."""
    count = axes.shape[1]
    before = TAPS // 2 - 1
    padded = np.empty((axes.shape[0], count + TAPS))
    padded[:, before : before + count] = axes
    padded[:, :before] = axes[:, :1]
    padded[:, before + count :] = axes[:, -1:]
    taps = np.lib.stride_tricks.sliding_window_view(padded, TAPS, axis=1)[:, : count - 1]
    curve = np.empty((axes.shape[0], (count - 1) * PHASES + 1))
    curve[:, ::PHASES] = axes
    between = curve[:, :-1].reshape(axes.shape[0], count - 1, PHASES)
    between[:, :, 1:] = taps @ _kernel().T
    return curve


def _looked_at(resultant: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark the samples, and the points between where a sample nears the largest."""
    samples = resultant[::PHASES]
    near = samples >= samples.max() / np.sqrt(2.0)
    marked = np.zeros(len(resultant), dtype=np.bool_)
    marked[:-1] = np.repeat(near[:-1] | near[1:], PHASES)
    marked[::PHASES] = True
    return marked


def _pulse(line: NDArray[np.float64], top: int) -> tuple[float, float]:
    """Give where the line falls to a tenth of its value at `top`, before and behind it."""
    upright = line if line[top] > 0 else -line
    level = SHARE_OF_PEAK * float(upright[top])
    behind = _fall(upright[top:], level)
    before = _fall(upright[top::-1], level)
    return top - before, top + behind


def _fall(line: NDArray[np.float64], level: float) -> float:
    """Give how far from its first value a line falls to a level; its whole length if never."""
    below = np.flatnonzero(line <= level)
    if len(below) == 0:
        return float(len(line) - 1)
    at = int(below[0])
    if at == 0:
        return 0.0
    high, low = float(line[at - 1]), float(line[at])
    return at - 1 + (high - level) / (high - low)


def _area(line: NDArray[np.float64], begin: float, end: float) -> float:
    """Give the area under a line between two places, straight between its points."""
    first, last = math.ceil(begin), math.floor(end)
    at_begin, at_end = _value_at(line, begin), _value_at(line, end)
    if first > last:
        return (at_begin + at_end) / 2 * (end - begin)
    inner = line[first : last + 1]
    area = float(inner.sum()) - float(inner[0] + inner[-1]) / 2
    area += (at_begin + float(inner[0])) / 2 * (first - begin)
    return area + (float(inner[-1]) + at_end) / 2 * (end - last)


def _value_at(line: NDArray[np.float64], place: float) -> float:
    at = min(int(place), len(line) - 2)
    return float(line[at]) + (place - at) * float(line[at + 1] - line[at])


def band_of(peak_g: float, settings: ShockSettings | None) -> int:
    """Give the severity band of a peak: 0 below the lowest edge, 3 at the worst."""
    if settings is None:
        return 0
    return sum(peak_g >= edge for edge in settings.band_edges_g if edge)


@dataclass(slots=True)
class ShockCheck:
    """Takes shock windows and events in order; keeps figures, not windows."""

    _figures: dict[int, tuple[Moment, int, int, ShockFigures]] = field(
        default_factory=dict[int, tuple[Moment, int, int, ShockFigures]]
    )
    _told: dict[int, ShockEvent] = field(default_factory=dict[int, ShockEvent])

    def feed_window(self, window: ShockWindow) -> None:
        """Measure one window."""
        at_ms = window.start_ms
        if window.rate_hz:
            at_ms += window.trigger * 1000 // window.rate_hz
        self._figures[window.shock] = (
            Moment(window.boot, at_ms),
            window.flags,
            window.count_mg,
            measure(window),
        )

    def feed_event(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, ShockEvent):
            self._told[event.shock] = event

    def finish(self, run: Run | None) -> tuple[tuple[Shock, ...], tuple[Finding, ...]]:
        """Give every shock, in order, and the findings."""
        settings = None if run is None else run.shock_settings
        shocks = tuple(
            self._shock(number, settings) for number in sorted({*self._figures, *self._told})
        )
        findings = [*_severe(shocks, settings), *self._disagreements(shocks)]
        return shocks, tuple(findings)

    def _shock(self, number: int, settings: ShockSettings | None) -> Shock:
        told = self._told.get(number)
        kept = self._figures.get(number)
        found = None if kept is None else kept[3]
        count_mg = kept[2] if kept is not None else (settings.count_mg if settings else 0)
        flags = (kept[1] if kept is not None else 0) | (told.flags if told is not None else 0)
        if kept is not None:
            at = kept[0]
        else:
            assert told is not None  # noqa: S101 - numbers come from these two tables alone
            at = Moment(told.boot, told.uptime_ms)
        peak_g = found.peak_g if found is not None else 0.0
        if found is None and told is not None:
            peak_g = told.peak * count_mg / 1000
        band = band_of(peak_g, settings) if settings is not None else (told.band if told else 0)
        velocity = found.velocity_change_mm_s if found is not None else 0.0
        if found is None and told is not None:
            velocity = float(told.velocity_change_mm_s)
        holds = (
            settings is not None
            and settings.hold_band > 0
            and band >= settings.hold_band
            and velocity >= settings.hold_velocity_change_mm_s
        )
        return Shock(
            number=number,
            at=at,
            told=told,
            found=found,
            band=band,
            clipped=bool(flags & layout.SHOCK_CLIPPED),
            cut=bool(flags & layout.SHOCK_CUT),
            has_gap=bool(flags & layout.SHOCK_GAP),
            count_mg=count_mg,
            holds=holds,
        )

    @staticmethod
    def _disagreements(shocks: tuple[Shock, ...]) -> list[Finding]:
        findings: list[Finding] = []
        for shock in shocks:
            told, found = shock.told, shock.found
            if told is None or found is None:
                continue
            slack_g = _PEAK_SLACK_COUNTS * shock.count_mg / 1000
            told_g = told.peak * shock.count_mg / 1000
            off_peak = abs(told_g - found.peak_g) > PEAK_TOLERANCE * found.peak_g + slack_g
            off_velocity = abs(told.velocity_change_mm_s - found.velocity_change_mm_s) > (
                VELOCITY_TOLERANCE * found.velocity_change_mm_s + _VELOCITY_SLACK_MM_S
            )
            if off_peak or off_velocity:
                findings.append(
                    Finding(
                        "shock",
                        Severity.WARN,
                        "shock-different",
                        f"Shock {shock.number}: the board says {told_g:.1f} g and "
                        f"{told.velocity_change_mm_s / 1000:.2f} m/s, its own samples say "
                        f"{found.peak_g:.1f} g and {found.velocity_change_mm_s / 1000:.2f} m/s.",
                        {"shock": shock.number},
                        start=shock.at,
                    )
                )
        return findings


def _severe(shocks: tuple[Shock, ...], settings: ShockSettings | None) -> list[Finding]:
    """Name the shocks in the upper bands; the lowest band is what any parcel meets."""
    findings: list[Finding] = []
    for shock in shocks:
        if not shock.holds and shock.band < 2:
            continue
        at_least = "at least " if shock.clipped else ""
        text = (
            f"The dewar took a shock of {at_least}{shock.peak_g:.0f} g lasting "
            f"{shock.duration_ms:.0f} ms, a velocity change of "
            f"{shock.velocity_change_mm_s / 1000:.1f} m/s"
        )
        if shock.velocity_change_mm_s > 0:
            drop_m = (shock.velocity_change_mm_s / 1000) ** 2 / (2 * STANDARD_GRAVITY_M_S2)
            text += f" (as much as a drop from {drop_m:.2f} m without bounce)"
        if shock.holds and settings is not None:
            text += ". Shocks this hard mean HOLD"
        findings.append(
            Finding(
                "shock",
                Severity.HOLD if shock.holds else Severity.WARN,
                "shock",
                f"{text}.",
                {
                    "shock": shock.number,
                    "peak_g": round(shock.peak_g, 2),
                    "velocity_change_mm_s": round(shock.velocity_change_mm_s, 1),
                    "band": shock.band,
                    "clipped": shock.clipped,
                },
                start=shock.at,
                duration_s=shock.duration_ms / 1000,
                extreme=f"{shock.peak_g:.0f} g",
            )
        )
    return findings
