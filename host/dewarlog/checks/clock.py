"""The clock of a log: wall time fitted from its events, and all that is wrong with it.

Two kinds of event tie uptime to the calendar:
- CLOCK_READ: the clock chip said `utc_s`, so its time lay in [utc_s, utc_s + 1);
- CLOCK_SYNC: a host said the time, with its own error, and the chip was then set to it.

Readings that leave no line of wall_clock.py begin a new piece: the crystal's rate has changed with
the weather or, if by more than that can do, the clock was stepped. A host that is days away from a
clock that ran is not believed: nobody can tell which of them was right, and that is said. Once a
host has set the chip, readings that contradict that host count with all the doubt this casts on
them: the bound holds both.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from dewarlog import words
from dewarlog.checks.finding import Finding, Moment, Severity
from dewarlog.checks.wall_clock import (
    SETTING_MS,
    STEP_S,
    Fit,
    OpenFit,
    Sync,
    WallClock,
    open_fit,
)
from dewarlog.records import (
    BootEvent,
    ClockRead,
    ClockSync,
    CustodyRecord,
    Event,
    unix_s_of,
)
from dewarlog_wire import layout

# Reading the chip over I2C and stamping the event takes the main loop this long at most.
READ_LATENCY_MS: Final = 50.0
WRONG_WARN_S: Final = 60.0
# A clock in more pieces than this tells nothing; a forged log must not make us work on them.
PIECES_MAX: Final = 1000
CUSTODY_DIFFERENCE_WARN_S: Final = 300.0


@dataclass(slots=True)
class ClockCheck:
    """Takes the events of a log in order; `finish` gives the clock and what was wrong with it."""

    _fits: list[OpenFit] = field(default_factory=list[OpenFit])
    _host_fits: dict[int, OpenFit] = field(default_factory=dict[int, OpenFit])
    _syncs: list[Sync] = field(default_factory=list[Sync])
    _findings: list[Finding] = field(default_factory=list[Finding])
    _custody: list[CustodyRecord] = field(default_factory=list[CustodyRecord])
    _faults: dict[int, Event] = field(default_factory=dict[int, Event])
    _began_ms: float | None = None

    def feed(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, ClockRead | BootEvent):
            self._read(event, event.utc_s, event.clock_state)
        elif isinstance(event, ClockSync):
            self._sync(event)
        elif isinstance(event, CustodyRecord):
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
        doubt_ms = (0.0, 0.0)
        if current is not None and current.frame == frame:
            doubt_ms = current.doubt_ms
        if current is not None and (current.boot, current.frame) == (event.boot, frame):
            expected = current.frozen().bounds_ms(event.uptime_ms)
            if current.takes(event.uptime_ms, low_ms, high_ms):
                return
            self._step(event, (low_ms + high_ms - expected[0] - expected[1]) / 2000)
            least_ms, most_ms = low_ms - expected[1], high_ms - expected[0]
            if abs(least_ms + most_ms) >= 2000 * STEP_S:
                # Before it or after it the chip was wrong, and nobody knows which.
                doubt_ms = (doubt_ms[0] + min(least_ms, 0.0), doubt_ms[1] + max(most_ms, 0.0))
        if len(self._fits) == PIECES_MAX:
            return
        fit = open_fit(event.boot, frame, event.uptime_ms, low_ms, high_ms)
        fit.doubt_ms = doubt_ms
        self._fits.append(fit)

    def _step(self, event: Event, step_s: float) -> None:
        if abs(step_s) < STEP_S:
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
            self._host_fits[event.boot] = open_fit(
                event.boot, -1, event.uptime_ms, low_ms, high_ms
            )

    def finish(self) -> tuple[WallClock, tuple[Finding, ...]]:
        """Give the fitted clock and every finding about it."""
        fits = self._with_doubts([fit.frozen() for fit in self._fits])
        fits += [fit.frozen() for fit in self._host_fits.values()]
        clock = WallClock(tuple(fits), tuple(self._syncs), self._began_ms)
        return clock, (*self._findings, *self._state_findings(clock), *self._custody_times(clock))

    def _with_doubts(self, fits: list[Fit]) -> list[Fit]:
        """Widen the pieces behind a setting that the chip's own readings contradict."""
        firsts: dict[int, Fit] = {}
        for fit in fits:
            firsts.setdefault(fit.frame, fit)
        doubts: dict[int, tuple[float, float]] = {}
        for frame, setting in enumerate(self._syncs, start=1):
            first = firsts.get(frame)
            if first is None or first.boot != setting.boot or not setting.believed:
                continue
            off_ms = setting.contradiction_ms(first, READ_LATENCY_MS)
            if off_ms is not None:
                usual_ms = SETTING_MS + setting.error_s * 1000
                doubts[frame] = min(off_ms[0] + usual_ms, 0.0), max(off_ms[1] - usual_ms, 0.0)
                self._contradicted(setting, sum(off_ms) / 2000)
        return [_doubted(fit, *doubts[fit.frame]) if fit.frame in doubts else fit for fit in fits]

    def _contradicted(self, setting: Sync, off_s: float) -> None:
        self._findings.append(
            Finding(
                "clock",
                Severity.WARN,
                "clock-not-as-set",
                f"A computer set the clock chip, which then ran {abs(off_s):.1f} s "
                f"{'ahead of' if off_s > 0 else 'behind'} that computer: it was set at another "
                "moment, or stepped. Wall times after it are less sure.",
                {"offset_s": round(off_s, 3)},
                start=Moment(setting.boot, setting.uptime_ms),
            )
        )

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
                findings.append(
                    Finding(
                        "clock",
                        Severity.WARN,
                        "custody-clock",
                        f"The device that recorded '{event.step_name}' had a clock "
                        f"{words.duration(abs(difference_s))} "
                        f"{'ahead of' if difference_s > 0 else 'behind'} the log's.",
                        {"difference_s": round(difference_s, 1)},
                        start=Moment(event.boot, event.uptime_ms),
                    )
                )
        return findings


def _doubted(fit: Fit, behind_ms: float, ahead_ms: float) -> Fit:
    return replace(fit, doubt_ms=(fit.doubt_ms[0] + behind_ms, fit.doubt_ms[1] + ahead_ms))
