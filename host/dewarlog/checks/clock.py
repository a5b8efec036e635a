"""Wall clock: what time it was at any uptime of any boot, and how wrong that may be.

Samples carry uptime, which is never stepped. Two kinds of event tie it to the calendar:
- CLOCK_READ: the clock chip said `utc_s`, so its time lay in [utc_s, utc_s + 1);
- CLOCK_SYNC: a host said the time, with its own error, and the chip was then set to it.

Every reading is a pair of bounds on one straight line, wall time against uptime. The lines that
respect all bounds form a convex polygon in (offset, rate); it is kept clipped as readings come, so
memory does not grow with the log. The time at an uptime is the middle of what those lines say
there, its error bound half their spread. Where no line is left a new polygon starts: the crystal's
rate has changed with the weather or, if by more than that can do, the clock was stepped. Between
two settings of the chip its own error is drawn as a straight line. A host that is days away from a
clock that ran is not believed: nobody can tell which of them was right, and that is said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dewarlog import words
from dewarlog.checks.finding import Finding, Moment, Severity
from dewarlog.records import (
    BootEvent,
    ClockRead,
    ClockSync,
    CustodyEvent,
    Event,
    named,
    unix_s_of,
)
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Sequence

# A board's crystal: 30 ppm at room temperature (RP2040 hardware design guide), more in the cold.
UPTIME_RATE_LIMIT: Final = 200e-6
# DS3231: +-2 ppm at 0 to 40 degC, +-3.5 ppm at -40 to 85 degC, and 1 ppm a year of ageing.
CLOCK_RATE_LIMIT: Final = 5e-6
# Reading the chip over I2C and stamping the event takes the main loop this long at most.
READ_LATENCY_MS: Final = 50.0
# Setting the chip restarts its second; the host's fraction of a second may be lost.
SETTING_MS: Final = 1000.0
WRONG_WARN_S: Final = 60.0
# A crystal's rate changes by about 1 ppm for 5 K around room temperature: 0.1 s a day.
RATE_WANDER: Final = 20e-6
STEP_WARN_S: Final = 5.0
# A clock in more pieces than this tells nothing; a forged log must not make us work on them.
PIECES_MAX: Final = 1000
# A chip further off than this between two settings did not drift there: it was stopped or stepped.
DRIFT_LIMIT: Final = 50e-6
# Time zones and summer time explain hours; a computer a day away from a running clock is no judge.
BELIEVED_S: Final = 86400.0
CUSTODY_DIFFERENCE_WARN_S: Final = 300.0

_Vertex = tuple[float, float]  # offset in ms at the polygon's reference uptime, rate


@dataclass(frozen=True, slots=True)
class WallTime:
    """A point in time with its error bound."""

    unix_s: float
    error_s: float


@dataclass(frozen=True, slots=True)
class Fit:
    """One straight piece of wall time against uptime, as the clock chip told it."""

    boot: int
    frame: int  # counts the settings of the clock chip; -1: from host times alone
    reference_ms: int
    first_ms: int
    last_ms: int
    readings: int
    vertices: tuple[_Vertex, ...]

    def bounds_ms(self, uptime_ms: float) -> tuple[float, float]:
        """Give the earliest and latest time any allowed line says, in ms since 1970."""
        away = uptime_ms - self.reference_ms
        times = [offset + rate * away for offset, rate in self.vertices]
        return uptime_ms + min(times), uptime_ms + max(times)

    @property
    def drift_ppm(self) -> tuple[float, float]:
        """Give the uptime clock's drift against the chip: middle and half width, in ppm.

        Positive: the board's uptime runs slow.
        """
        rates = [rate for _, rate in self.vertices]
        low, high = min(rates) * 1e6, max(rates) * 1e6
        return (low + high) / 2, (high - low) / 2


@dataclass(frozen=True, slots=True)
class Sync:
    """One moment at which a host told the time."""

    boot: int
    uptime_ms: int
    unix_s: float
    error_s: float
    before_unix_s: int | None
    offset_s: tuple[float, float] | None  # chip minus host, bounds; None where the chip was unset

    @property
    def believed(self) -> bool:
        """False where host and running chip are too far apart to take the host's word."""
        return self.offset_s is None or min(map(abs, self.offset_s)) < BELIEVED_S


@dataclass(frozen=True, slots=True)
class WallClock:
    """The fitted clock of a whole log. Without any reading it knows only durations."""

    fits: tuple[Fit, ...] = ()
    syncs: tuple[Sync, ...] = ()
    began_ms: float | None = None

    @property
    def knows_time(self) -> bool:
        """True where at least one boot can be put on the calendar."""
        return bool(self.fits)

    @property
    def compared_with_host(self) -> bool:
        """True where at least one host told the time during the run."""
        return any(sync.believed for sync in self.syncs)

    def at(self, moment: Moment) -> WallTime | None:
        """Give the wall time of a moment of the run; None where no clock can tell."""
        best: WallTime | None = None
        for fit in self.fits:
            if fit.boot != moment.boot:
                continue
            low, high = fit.bounds_ms(moment.uptime_ms)
            outside_ms = max(fit.first_ms - moment.uptime_ms, moment.uptime_ms - fit.last_ms, 0)
            low, high = low - RATE_WANDER * outside_ms, high + RATE_WANDER * outside_ms
            shift_low, shift_high = self._chip_error_ms(fit.frame, (low + high) / 2)
            low, high = low - shift_high, high - shift_low
            error_s = (high - low) / 2000
            if best is None or error_s < best.error_s:
                best = WallTime((low + high) / 2000, error_s)
        return best

    def _chip_error_ms(self, frame: int, at_ms: float) -> tuple[float, float]:
        """Bound how far the chip stood from true time: chip minus truth, in ms."""
        if frame < 0:
            return 0.0, 0.0
        setting = next((sync for sync in self.syncs[:frame][::-1] if sync.believed), None)
        ending = next((sync for sync in self.syncs[frame:] if sync.believed), None)
        low, high = self._drift_ms(setting, ending, at_ms)
        for sync in self.syncs[:frame]:
            if not sync.believed and sync.offset_s is not None:
                # This host moved the chip to a time of its own: take that back.
                low -= sync.offset_s[1] * 1000 + SETTING_MS
                high -= sync.offset_s[0] * 1000 - SETTING_MS
        return low, high

    def _drift_ms(
        self, setting: Sync | None, ending: Sync | None, at_ms: float
    ) -> tuple[float, float]:
        """Bound the chip's error between two believed hosts, or beside one, or beside none."""
        start = 0.0 if setting is None else SETTING_MS + setting.error_s * 1000
        end = None if ending is None else ending.offset_s
        if ending is not None and end is not None:
            end_low, end_high = end[0] * 1000, end[1] * 1000
            if setting is None:
                grown = CLOCK_RATE_LIMIT * abs(ending.unix_s * 1000 - at_ms)
                return end_low - grown, end_high + grown
            span = (ending.unix_s - setting.unix_s) * 1000
            nearest = min(abs(end_low), abs(end_high)) if end_low * end_high > 0 else 0.0
            if nearest > start + DRIFT_LIMIT * span:
                # Stopped or stepped at a moment nobody knows: anything in between is possible.
                return min(-start, end_low), max(start, end_high)
            share = min(max((at_ms - setting.unix_s * 1000) / span, 0.0), 1.0) if span > 0 else 1.0
            return (
                -start * (1 - share) + end_low * share,
                start * (1 - share) + end_high * share,
            )
        if setting is not None:
            grown = CLOCK_RATE_LIMIT * abs(at_ms - setting.unix_s * 1000)
            return -start - grown, start + grown
        began_ms = at_ms if self.began_ms is None else self.began_ms
        grown = CLOCK_RATE_LIMIT * abs(at_ms - began_ms)
        return -grown, grown


def _clip(vertices: Sequence[_Vertex], away: float, limit: float, sign: float) -> list[_Vertex]:
    """Keep the part of a convex polygon where sign * (offset + rate * away - limit) >= 0."""
    kept: list[_Vertex] = []
    previous = vertices[-1]
    previous_side = sign * (previous[0] + previous[1] * away - limit)
    for vertex in vertices:
        side = sign * (vertex[0] + vertex[1] * away - limit)
        if (side < 0) != (previous_side < 0):
            share = previous_side / (previous_side - side)
            kept.append(
                (
                    previous[0] + (vertex[0] - previous[0]) * share,
                    previous[1] + (vertex[1] - previous[1]) * share,
                )
            )
        if side >= 0:
            kept.append(vertex)
        previous, previous_side = vertex, side
    return kept


@dataclass(slots=True)
class _OpenFit:
    """A polygon still being clipped."""

    boot: int
    frame: int
    reference_ms: int
    first_ms: int
    last_ms: int
    readings: int
    vertices: list[_Vertex]

    def takes(self, uptime_ms: int, low_ms: float, high_ms: float) -> bool:
        """Clip by one reading; False, and unchanged, where no line is left."""
        away = float(uptime_ms - self.reference_ms)
        low, high = low_ms - uptime_ms, high_ms - uptime_ms
        vertices = _clip(self.vertices, away, low, 1.0)
        if vertices:
            vertices = _clip(vertices, away, high, -1.0)
        if not vertices:
            return False
        self.vertices = vertices
        self.last_ms = uptime_ms
        self.readings += 1
        return True

    def frozen(self) -> Fit:
        return Fit(
            self.boot,
            self.frame,
            self.reference_ms,
            self.first_ms,
            self.last_ms,
            self.readings,
            tuple(self.vertices),
        )


def _open_fit(boot: int, frame: int, uptime_ms: int, low_ms: float, high_ms: float) -> _OpenFit:
    low, high, rate = low_ms - uptime_ms, high_ms - uptime_ms, UPTIME_RATE_LIMIT
    box = [(low, -rate), (high, -rate), (high, rate), (low, rate)]
    return _OpenFit(boot, frame, uptime_ms, uptime_ms, uptime_ms, 1, box)


@dataclass(slots=True)
class ClockCheck:
    """Takes the events of a log in order; `finish` gives the clock and what was wrong with it."""

    _fits: list[_OpenFit] = field(default_factory=list[_OpenFit])
    _host_fits: dict[int, _OpenFit] = field(default_factory=dict[int, _OpenFit])
    _syncs: list[Sync] = field(default_factory=list[Sync])
    _findings: list[Finding] = field(default_factory=list[Finding])
    _custody: list[CustodyEvent] = field(default_factory=list[CustodyEvent])
    _faults: dict[int, Event] = field(default_factory=dict[int, Event])
    _began_ms: float | None = None

    def feed(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, ClockRead | BootEvent):
            self._read(event, event.utc_s, event.clock_state)
        elif isinstance(event, ClockSync):
            self._sync(event)
        elif isinstance(event, CustodyEvent):
            self._custody.append(event)

    def _read(self, event: Event, utc_s: int, clock_state: int) -> None:
        unix_s = unix_s_of(utc_s)
        if clock_state != layout.CLOCK_OK or unix_s is None:
            self._faults.setdefault(clock_state, event)
            return
        low_ms = unix_s * 1000.0 - READ_LATENCY_MS
        high_ms = unix_s * 1000.0 + 1000.0 + READ_LATENCY_MS
        if self._began_ms is None:
            self._began_ms = low_ms
        frame = len(self._syncs)
        current = self._fits[-1] if self._fits else None
        if current is not None and (current.boot, current.frame) == (event.boot, frame):
            expected = current.frozen().bounds_ms(event.uptime_ms)
            if current.takes(event.uptime_ms, low_ms, high_ms):
                return
            self._step(event, (low_ms + high_ms - expected[0] - expected[1]) / 2000)
        if len(self._fits) == PIECES_MAX:
            return
        self._fits.append(_open_fit(event.boot, frame, event.uptime_ms, low_ms, high_ms))

    def _step(self, event: Event, step_s: float) -> None:
        if abs(step_s) < STEP_WARN_S:
            return
        self._findings.append(
            Finding(
                "clock",
                Severity.WARN,
                "clock-step",
                f"The clock chip jumped by {step_s:+.1f} s with nobody setting it; "
                "wall times after it are less sure.",
                {"step_s": round(step_s, 3)},
                start=Moment(event.boot, event.uptime_ms),
            )
        )

    def _sync(self, event: ClockSync) -> None:
        unix_s = unix_s_of(event.utc_s)
        if unix_s is None:
            return
        host_ms = unix_s * 1000.0 + event.utc_ms
        error_ms = float(event.error_ms)
        before_unix_s = unix_s_of(event.before_utc_s)
        offset_s: tuple[float, float] | None = None
        if event.before_state == layout.CLOCK_OK and before_unix_s is not None:
            low = before_unix_s * 1000.0 - READ_LATENCY_MS
            high = before_unix_s * 1000.0 + 1000.0 + READ_LATENCY_MS
            current = self._fits[-1] if self._fits else None
            if current is not None and (current.boot, current.frame) == (
                event.boot,
                len(self._syncs),
            ):
                fitted = current.frozen().bounds_ms(event.uptime_ms)
                if max(low, fitted[0]) <= min(high, fitted[1]):
                    low, high = max(low, fitted[0]), min(high, fitted[1])
            offset_s = ((low - host_ms - error_ms) / 1000, (high - host_ms + error_ms) / 1000)
        self._syncs.append(
            Sync(
                event.boot,
                event.uptime_ms,
                host_ms / 1000,
                error_ms / 1000,
                before_unix_s if event.before_state == layout.CLOCK_OK else None,
                offset_s,
            )
        )
        middle = 0.0 if offset_s is None else (offset_s[0] + offset_s[1]) / 2
        if not self._syncs[-1].believed:
            self._findings.append(
                Finding(
                    "clock",
                    Severity.WARN,
                    "host-not-believed",
                    f"The board's clock ran {words.duration(abs(middle))} "
                    f"{'ahead of' if middle > 0 else 'behind'} the computer that set it. Nobody "
                    "can tell which of them was right: times here are the board's.",
                    {"offset_s": round(middle, 3)},
                    start=Moment(event.boot, event.uptime_ms),
                )
            )
            return
        self._host_time(event, host_ms, error_ms + READ_LATENCY_MS)
        if offset_s is not None and min(map(abs, offset_s)) > WRONG_WARN_S:
            self._findings.append(
                Finding(
                    "clock",
                    Severity.WARN,
                    "clock-was-wrong",
                    f"The board's clock was {words.duration(abs(middle))} "
                    f"{'fast' if middle > 0 else 'slow'} when a host set it; "
                    "times before that are corrected.",
                    {"offset_s": round(middle, 3)},
                    start=Moment(event.boot, event.uptime_ms),
                )
            )

    def _host_time(self, event: ClockSync, host_ms: float, error_ms: float) -> None:
        low_ms, high_ms = host_ms - error_ms, host_ms + error_ms
        known = self._host_fits.get(event.boot)
        if known is None or not known.takes(event.uptime_ms, low_ms, high_ms):
            if known is not None:
                self._findings.append(
                    Finding(
                        "clock",
                        Severity.WARN,
                        "hosts-disagree",
                        "Two computers that told this board the time disagree with each other.",
                        start=Moment(event.boot, event.uptime_ms),
                    )
                )
            self._host_fits[event.boot] = _open_fit(
                event.boot, -1, event.uptime_ms, low_ms, high_ms
            )

    def finish(self) -> tuple[WallClock, tuple[Finding, ...]]:
        """Give the fitted clock and every finding about it."""
        fits = [fit.frozen() for fit in self._fits]
        fits += [fit.frozen() for fit in self._host_fits.values()]
        clock = WallClock(tuple(fits), tuple(self._syncs), self._began_ms)
        return clock, (*self._findings, *self._state_findings(clock), *self._custody_times(clock))

    def _state_findings(self, clock: WallClock) -> list[Finding]:
        findings: list[Finding] = []
        if not clock.knows_time:
            findings.append(
                Finding(
                    "clock",
                    Severity.WARN,
                    "no-clock",
                    "No clock told the time during this run: the log gives durations, "
                    "but not on which day or hour anything happened.",
                )
            )
        for state, event in sorted(self._faults.items()):
            absent = state == layout.CLOCK_ABSENT
            findings.append(
                Finding(
                    "clock",
                    Severity.WARN,
                    "clock-absent" if absent else "clock-unset",
                    "No clock chip answered; its times are missing from there on."
                    if absent
                    else "The clock chip had stopped since it was last set; "
                    "its time was not used until it was set again.",
                    start=Moment(event.boot, event.uptime_ms),
                )
            )
        if clock.knows_time and not clock.compared_with_host:
            findings.append(
                Finding(
                    "clock",
                    Severity.INFO,
                    "clock-not-compared",
                    "No computer compared the board's clock during this run: how it was set "
                    "before the run is taken on trust.",
                )
            )
        return findings

    def _custody_times(self, clock: WallClock) -> list[Finding]:
        findings: list[Finding] = []
        for event in self._custody:
            told = unix_s_of(event.utc_s)
            ours = clock.at(Moment(event.boot, event.uptime_ms))
            if told is None or ours is None:
                continue
            difference_s = told - ours.unix_s
            if abs(difference_s) > ours.error_s + CUSTODY_DIFFERENCE_WARN_S:
                name = named(layout.CUSTODY_STEP_NAMES, event.step)
                findings.append(
                    Finding(
                        "clock",
                        Severity.WARN,
                        "custody-clock",
                        f"The device that recorded '{name}' had a clock "
                        f"{words.duration(abs(difference_s))} "
                        f"{'ahead of' if difference_s > 0 else 'behind'} the log's.",
                        {"difference_s": round(difference_s, 1)},
                        start=Moment(event.boot, event.uptime_ms),
                    )
                )
        return findings
