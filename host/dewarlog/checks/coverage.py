"""Was the temperature recorded all the way? Every hole with its length and cause.

A hole is time without samples: the board says so by an EVENT_GAP, or sample times jump, or the
board restarted. Each is listed once, with the board's own cause where it told one. The custody
steps say which part of the journey had to be covered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dewarlog import words
from dewarlog.checks.finding import Finding, Moment, Severity
from dewarlog.records import (
    BootEvent,
    CustodyEvent,
    CustodyRecord,
    GapEvent,
    SampleSpan,
    named,
)
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dewarlog.checks.wall_clock import WallClock
    from dewarlog.records import Event

# A sample may be this many intervals late before its lateness counts as a hole.
_LATE_INTERVALS = 1.5
# Packing and handing over take minutes; a custody step this far outside the samples is a finding.
_CUSTODY_SLACK_S = 600
# The event is stamped when the hole is noticed, at the sample that follows it.
_STAMP_SLACK_MS = 2000
_STARTS = frozenset({0, 1})  # pack-out, depart (layout.CUSTODY_STEP_NAMES)


@dataclass(frozen=True, slots=True)
class Gap:
    """One stretch of time without samples, between two moments of the run."""

    cause: str
    told: bool  # the board itself recorded it
    start: Moment  # the last sample before it
    end: Moment  # the first sample after it
    length_s: float | None  # None: no clock can tell
    missed: int
    restarts: int
    boot_cause: str | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the run has samples."""

    samples: int
    recorded_s: float
    missing_s: float
    unknown_gaps: int
    gaps: tuple[Gap, ...]
    restarts: int
    first: Moment | None
    last: Moment | None
    interval_ms: int
    most_late_ms: int

    @property
    def share(self) -> float:
        """Give the share of the run's time that samples cover, 0 to 1."""
        total = self.recorded_s + self.missing_s
        return self.recorded_s / total if total > 0 else 0.0


@dataclass(frozen=True, slots=True)
class _Hole:
    start: Moment
    end: Moment
    length_ms: int | None
    damaged: bool
    first_sample: int  # behind the last before it
    end_sample: int  # the first after it

    def is_among(self, given_up: Sequence[tuple[int, int]]) -> bool:
        """Say whether samples are missing here, and the board gave up those."""
        return self.first_sample < self.end_sample and any(
            first <= self.first_sample and self.end_sample <= end for first, end in given_up
        )


@dataclass(slots=True)
class CoverageCheck:
    """Takes spans and events in order; `damaged` tells of a stretch of the file that was lost."""

    _previous: SampleSpan | None = None
    _holes: list[_Hole] = field(default_factory=list[_Hole])
    _told: list[GapEvent] = field(default_factory=list[GapEvent])
    _overwritten: GapEvent | None = None  # the last: each tells all that was given up so far
    _boots: dict[int, BootEvent] = field(default_factory=dict[int, BootEvent])
    _custody: list[CustodyRecord] = field(default_factory=list[CustodyRecord])
    _damaged: bool = False
    _told_since: bool = False  # the board recorded a gap since the last samples
    _samples: int = 0
    _recorded_ms: int = 0
    _first: Moment | None = None
    _first_sample: int = 0
    _interval_ms: int = 0
    _most_late_ms: int = 0

    def damaged(self) -> None:
        """Tell that what stood here in the file cannot be read."""
        self._damaged = True

    def feed_span(self, span: SampleSpan) -> bool:
        """Take the next samples; True where time was interrupted before them.

        Interrupted means what it means to the board's rules: a boot, a gap the board recorded, or
        a loss. A hole that it did not notice is a finding, but its rules counted on across it.
        Events of a block go in before its samples.
        """
        self._samples += span.count
        self._recorded_ms += span.count * span.interval_ms
        self._interval_ms = self._interval_ms or span.interval_ms
        if span.lateness_ms is not None:
            self._most_late_ms = max(self._most_late_ms, int(span.lateness_ms.max()))
        start = Moment(span.boot, span.start_ms)
        previous = self._previous
        self._previous = span
        damaged, self._damaged = self._damaged, False
        told, self._told_since = self._told_since, False
        if previous is None:
            self._first = start
            self._first_sample = span.first_sample
            return True
        if span.boot != previous.boot:
            self._hole(previous, span, None, damaged=damaged)
            return True
        step_ms = span.start_ms - previous.last_nominal_ms
        due_ms = max(span.interval_ms, previous.interval_ms)
        if told or step_ms >= due_ms * _LATE_INTERVALS:
            self._hole(previous, span, step_ms, damaged=damaged)
        return told or damaged

    def _hole(
        self, before: SampleSpan, behind: SampleSpan, length_ms: int | None, *, damaged: bool
    ) -> None:
        self._holes.append(
            _Hole(
                Moment(before.boot, before.last_nominal_ms),
                Moment(behind.boot, behind.start_ms),
                length_ms,
                damaged,
                before.end_sample,
                behind.first_sample,
            )
        )

    def feed_event(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, GapEvent):
            if event.cause == layout.GAP_OVERWRITTEN:
                self._overwritten = event
                return
            self._told.append(event)
            if event.stream == layout.STREAM_SAMPLES:
                self._told_since = True
        elif isinstance(event, BootEvent):
            self._boots[event.boot] = event
        elif isinstance(event, CustodyRecord):
            self._custody.append(event)

    # --- the end ------------------------------------------------------------------------------

    def finish(
        self,
        clock: WallClock,
        blind_limit_s: float | None,
        given_up: Sequence[tuple[int, int]] = (),
    ) -> tuple[Coverage, tuple[Finding, ...]]:
        """Give the coverage and every finding about it.

        A hole as long as `blind_limit_s` could have hidden an excursion that means HOLD; see
        probes.blind_limit_s. `given_up`: see IntegrityCheck.
        """
        unmatched = [event for event in self._told if event.stream == layout.STREAM_SAMPLES]
        gaps: list[Gap] = []
        for hole in self._holes:
            events = [event for event in unmatched if _belongs(event, hole)]
            unmatched = [event for event in unmatched if event not in events]
            gaps.append(self._gap(hole, events, clock, overwritten=hole.is_among(given_up)))
        gaps += [_told_gap(event) for event in unmatched]
        is_first_gone = self._first_sample > 0 and (0, self._first_sample) in given_up
        if self._overwritten is not None and is_first_gone:
            # The first segment has no samples: no hole shows what is missing before all others.
            gaps.append(_told_gap(self._overwritten))
        gaps.sort(key=lambda gap: (gap.start.boot, gap.start.uptime_ms))
        last = None
        if self._previous is not None:
            last = Moment(self._previous.boot, self._previous.last_nominal_ms)
        known = [gap.length_s for gap in gaps if gap.length_s is not None]
        coverage = Coverage(
            samples=self._samples,
            recorded_s=self._recorded_ms / 1000,
            missing_s=sum(known),
            unknown_gaps=len(gaps) - len(known),
            gaps=tuple(gaps),
            restarts=max(0, len(self._boots) - 1),
            first=self._first,
            last=last,
            interval_ms=self._interval_ms,
            most_late_ms=self._most_late_ms,
        )
        findings = [_gap_finding(gap, blind_limit_s) for gap in gaps]
        findings += self._other_streams()
        return coverage, (*findings, *self._custody_findings(coverage, clock))

    def _gap(
        self, hole: _Hole, events: list[GapEvent], clock: WallClock, *, overwritten: bool
    ) -> Gap:
        """Tell what is known of a hole: in what was overwritten, other gaps may have been told."""
        restarts = hole.end.boot - hole.start.boot
        length_s = None if hole.length_ms is None else hole.length_ms / 1000
        if length_s is None:
            lengths = [event.length_ms for event in events]
            told_s = sum(length or 0 for length in lengths) / 1000
            before, after = clock.at(hole.start), clock.at(hole.end)
            if before is not None and after is not None:
                length_s = max(0.0, after.unix_s - before.unix_s)
            elif lengths and None not in lengths and not overwritten:
                length_s = told_s
        cause = _cause_name(events[0].cause) if events else "not told by the board"
        if overwritten:
            cause = _cause_name(layout.GAP_OVERWRITTEN)
        elif hole.damaged:
            cause = "the log is damaged here"
        elif not events and restarts:
            cause = "the board restarted"
        boot = self._boots.get(hole.end.boot) if restarts else None
        return Gap(
            cause=cause,
            told=bool(events) or overwritten,
            start=hole.start,
            end=hole.end,
            length_s=length_s,
            missed=sum(event.missed for event in events)
            + (hole.end_sample - hole.first_sample if overwritten else 0),
            restarts=restarts,
            boot_cause=None if boot is None else named(layout.BOOT_CAUSE_NAMES, boot.cause),
        )

    def _other_streams(self) -> list[Finding]:
        findings: list[Finding] = []
        for event in self._told:
            if event.stream == layout.STREAM_SAMPLES:
                continue
            stream = "shock" if event.stream == layout.STREAM_SHOCK else "event"
            length = event.length_ms
            lasting = "" if length is None else f" for {words.duration(length / 1000)}"
            findings.append(
                Finding(
                    "coverage",
                    Severity.WARN,
                    f"{stream}-gap",
                    f"The {stream} record was interrupted{lasting}: {_cause_name(event.cause)}.",
                    {"missed": event.missed},
                    start=Moment(event.boot, event.uptime_ms),
                    duration_s=None if length is None else length / 1000,
                )
            )
        return findings

    def _custody_findings(self, coverage: Coverage, clock: WallClock) -> list[Finding]:
        findings: list[Finding] = []
        for event in self._custody:
            moment = Moment(event.boot, event.uptime_ms)
            late_s = 0.0
            if _is_start(event) and coverage.first is not None:
                late_s = _apart_s(moment, coverage.first, clock)
                text = "began {} after"
            elif event.is_receipt and coverage.last is not None:
                late_s = _apart_s(coverage.last, moment, clock)
                text = "ended {} before"
            else:
                continue
            if late_s > _CUSTODY_SLACK_S:
                findings.append(
                    Finding(
                        "coverage",
                        Severity.HOLD,
                        "journey-not-covered",
                        f"The temperature record {text.format(words.duration(late_s))} "
                        f"'{event.step_name}': that part of the journey has no readings.",
                        {"missing_s": round(late_s, 1)},
                        start=moment,
                        duration_s=late_s,
                    )
                )
        if not any(_is_start(event) for event in self._custody):
            findings.append(
                Finding(
                    "coverage",
                    Severity.INFO,
                    "no-custody",
                    f"No {'pack-out or departure' if self._custody else 'custody step'} is in the "
                    "log, so it cannot show that the readings span the journey from pack-out to "
                    "receipt.",
                )
            )
        return findings


def _is_start(event: CustodyRecord) -> bool:
    """Say whether the journey begins with this step."""
    return isinstance(event, CustodyEvent) and event.step in _STARTS


def _gap_finding(gap: Gap, blind_limit_s: float | None) -> Finding:
    length_s = gap.length_s
    hides = blind_limit_s is not None and (length_s is None or length_s >= blind_limit_s)
    lasting = "of unknown length" if length_s is None else f"of {words.duration(length_s)}"
    text = f"There are no readings in a gap {lasting}: {gap.cause}"
    if gap.boot_cause is not None:
        text += f" (started again: {gap.boot_cause})"
    if hides and blind_limit_s is not None:
        text += (
            f". An excursion of {words.duration(blind_limit_s)}, which means HOLD, "
            "could have passed unseen"
        )
    return Finding(
        "coverage",
        Severity.HOLD if hides else Severity.WARN,
        "gap" if gap.told else "gap-untold",
        f"{text}.",
        {"cause": gap.cause, "missed": gap.missed, "restarts": gap.restarts},
        start=gap.start,
        end=gap.end,
        duration_s=length_s,
    )


def _belongs(event: GapEvent, hole: _Hole) -> bool:
    """Say whether an event of the board tells of this hole."""
    latest_ms = hole.end.uptime_ms + _STAMP_SLACK_MS
    if hole.start.boot != hole.end.boot:
        if event.boot == hole.end.boot:
            return event.uptime_ms <= latest_ms
        return hole.start.boot < event.boot < hole.end.boot
    return event.boot == hole.end.boot and hole.start.uptime_ms <= event.uptime_ms <= latest_ms


def _told_gap(event: GapEvent) -> Gap:
    length = event.length_ms
    at = Moment(event.boot, event.uptime_ms)
    return Gap(
        cause=_cause_name(event.cause),
        told=True,
        start=at,
        end=at,
        length_s=None if length is None else length / 1000,
        missed=event.missed,
        restarts=0,
    )


def _apart_s(earlier: Moment, later: Moment, clock: WallClock) -> float:
    """Give how far `later` stands behind `earlier`, negative if before; 0 where unknown."""
    if earlier.boot == later.boot:
        return (later.uptime_ms - earlier.uptime_ms) / 1000
    first, second = clock.at(earlier), clock.at(later)
    if first is None or second is None:
        return 0.0
    return second.unix_s - first.unix_s


def _cause_name(cause: int) -> str:
    return named(layout.GAP_CAUSE_NAMES, cause)
