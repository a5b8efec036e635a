"""Shocks: peak, duration and velocity change computed again from the window the board kept.

Definitions (protocol/SPEC.md on shock), in floating point and from the raw counts alone:
- gravity is the mean of the samples before the trigger, and is taken off each axis;
- the peak is the greatest resultant; an axis peak is its signed value of greatest size;
- the shock lasts from where the resultant first stays above a tenth of the peak before it to where
  it falls below after it;
- the velocity change is the length of the vector of the three integrals over that time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from dewarlog.checks.finding import Finding, Moment, Severity
from dewarlog.records import ShockEvent
from dewarlog_wire import layout

if TYPE_CHECKING:
    from dewarlog.records import Event, Run, ShockSettings, ShockWindow

STANDARD_GRAVITY_M_S2: Final = 9.80665
SHARE_OF_PEAK: Final = 0.1
# The board computes in integers: these are how far its figures may stand from the host's.
PEAK_TOLERANCE: Final = 0.05
VELOCITY_TOLERANCE: Final = 0.10
_PEAK_SLACK_COUNTS: Final = 2.0
_VELOCITY_SLACK_MM_S: Final = 50.0
_FEW: Final = 5


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
    axes = np.stack([counts.astype(np.float64) for counts in window.counts])
    axes *= window.count_mg / 1000
    before = axes[:, : window.trigger] if 0 < window.trigger < axes.shape[1] else axes[:, :1]
    axes -= before.mean(axis=1, keepdims=True)
    resultant = np.sqrt((axes * axes).sum(axis=0))
    top = int(resultant.argmax())
    peak = float(resultant[top])
    below = np.flatnonzero(resultant < SHARE_OF_PEAK * peak)
    place = int(np.searchsorted(below, top))
    first = int(below[place - 1]) + 1 if place > 0 else 0
    stop = int(below[place]) if place < len(below) else len(resultant)
    step_s = 1.0 / window.rate_hz if window.rate_hz else 0.0
    change = axes[:, first:stop].sum(axis=1) * step_s * STANDARD_GRAVITY_M_S2 * 1000
    sized = [axis[int(np.abs(axis).argmax())] for axis in axes]
    return ShockFigures(
        peak_g=peak,
        axis_peaks_g=(float(sized[0]), float(sized[1]), float(sized[2])),
        duration_ms=(stop - first) * step_s * 1000,
        velocity_change_mm_s=float(np.sqrt((change * change).sum())),
    )


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
            if (off_peak or off_velocity) and len(findings) < _FEW:
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
