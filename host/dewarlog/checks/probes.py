"""Probes that gave no temperature: open, short, below table and the rest, each told apart.

A probe state is never an excursion and never a blank. Whether it matters depends on what was still
seen: while another probe of the same rule reads on, it is a warning; once nothing a HOLD rule
watches gave a temperature for as long as that rule's dwell, an excursion could have passed unseen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dewarlog import words
from dewarlog.checks.finding import Finding, Moment, Severity
from dewarlog.records import ProbeStateEvent, named
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from dewarlog.records import Event, Run, SampleSpan

# A rule that holds at once (dwell 0) is blind for as long as this before it counts: a single
# faulty conversion is not worth a phone call at night.
SHORTEST_BLIND_S = 60.0
_WORDS = {
    layout.STATE_OPEN: "was open (broken wire or unplugged)",
    layout.STATE_SHORT: "was shorted to a supply",
    layout.STATE_BELOW_TABLE: "was colder than its table reaches",
    layout.STATE_ABOVE_TABLE: "was warmer than its table reaches",
    layout.STATE_COLD_JUNCTION: "had its cold junction out of range",
    layout.STATE_SILENT: "had a converter that did not answer",
    layout.STATE_BROWN_OUT: "had a converter that lost its supply",
    layout.STATE_ABSENT: "was not fitted",
}


@dataclass(frozen=True, slots=True)
class Outage:
    """One stretch in which one probe stood in one state other than ok."""

    channel: int
    state: int
    first_sample: int
    count: int
    start: Moment
    end: Moment
    duration_s: float

    @property
    def state_name(self) -> str:
        """Give the state's name."""
        return state_name(self.state)


@dataclass(frozen=True, slots=True)
class ChannelSummary:
    """One probe over the whole run."""

    channel: int
    readings: int
    missing: int
    low_count: int
    high_count: int
    mean_degc: float
    low_at: Moment
    high_at: Moment
    last_degc: float | None


def state_name(state: int) -> str:
    """Give the name of a probe state, also of one this program does not know."""
    return named(layout.STATE_NAMES, state)


def blind_limit_s(run: Run | None) -> float | None:
    """Give how long nothing may be seen before a HOLD could be missed; None: no such rule."""
    if run is None:
        return None
    dwells = [rule.dwell_s for rule in run.rules if rule.holds and not rule.is_rate]
    return max(SHORTEST_BLIND_S, float(min(dwells))) if dwells else None


@dataclass(slots=True)
class _OpenOutage:
    state: int
    first_sample: int
    count: int
    start: Moment
    end: Moment
    time_ms: int


@dataclass(slots=True)
class _Totals:
    readings: int = 0
    missing: int = 0
    total: int = 0
    low: int = layout.state_code(0) + 65535
    high: int = layout.READING_MIN - 1
    low_at: Moment = field(default_factory=lambda: Moment(0, 0))
    high_at: Moment = field(default_factory=lambda: Moment(0, 0))
    last: int | None = None


@dataclass(slots=True)
class ProbeCheck:
    """Takes spans and events in order; keeps one entry for each stretch without temperature."""

    outages: list[Outage] = field(default_factory=list[Outage])
    _open: dict[int, _OpenOutage] = field(default_factory=dict[int, _OpenOutage])
    _totals: dict[int, _Totals] = field(default_factory=dict[int, _Totals])
    _told: list[ProbeStateEvent] = field(default_factory=list[ProbeStateEvent])

    def feed_event(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, ProbeStateEvent):
            self._told.append(event)

    def feed_span(self, span: SampleSpan) -> None:
        """Take the next samples."""
        for channel, samples in span.channels.items():
            totals = self._totals.setdefault(channel, _Totals())
            states = samples.states
            if states is None or not states.any():
                self._close(channel)
                self._sum_up(totals, span, samples.counts, None)
                continue
            good = np.flatnonzero(states == layout.STATE_OK)
            self._sum_up(totals, span, samples.counts, good)
            edges = np.flatnonzero(np.diff(states)) + 1
            firsts = [0, *edges.tolist()]
            stops = [*edges.tolist(), span.count]
            for first, stop in zip(firsts, stops, strict=True):
                self._run_of(channel, int(states[first]), span, first, stop)

    def _run_of(self, channel: int, state: int, span: SampleSpan, first: int, stop: int) -> None:
        current = self._open.get(channel)
        number = span.first_sample + first
        continues = (
            current is not None
            and current.state == state
            and current.first_sample + current.count == number
            and current.end.boot == span.boot
        )
        if not continues:
            self._close(channel)
        if state == layout.STATE_OK:
            return
        start = Moment(span.boot, span.start_ms + first * span.interval_ms)
        end = Moment(span.boot, span.start_ms + (stop - 1) * span.interval_ms)
        time_ms = (stop - first) * span.interval_ms
        current = self._open.get(channel)
        if current is None:
            self._open[channel] = _OpenOutage(state, number, stop - first, start, end, time_ms)
        else:
            current.count += stop - first
            current.end = end
            current.time_ms += time_ms

    def _close(self, channel: int) -> None:
        current = self._open.pop(channel, None)
        if current is not None:
            self.outages.append(
                Outage(
                    channel,
                    current.state,
                    current.first_sample,
                    current.count,
                    current.start,
                    current.end,
                    current.time_ms / 1000,
                )
            )

    @staticmethod
    def _sum_up(
        totals: _Totals,
        span: SampleSpan,
        counts: NDArray[np.int16],
        good: NDArray[np.int64] | None,
    ) -> None:
        values = counts if good is None else counts[good]
        totals.readings += len(values)
        totals.missing += span.count - len(values)
        if len(values) == 0:
            return
        totals.total += int(values.sum(dtype=np.int64))
        totals.last = int(values[-1]) if good is None or good[-1] == span.count - 1 else None
        low_at, high_at = int(values.argmin()), int(values.argmax())
        if values[low_at] < totals.low:
            totals.low = int(values[low_at])
            totals.low_at = _moment(span, low_at if good is None else int(good[low_at]))
        if values[high_at] > totals.high:
            totals.high = int(values[high_at])
            totals.high_at = _moment(span, high_at if good is None else int(good[high_at]))

    # --- the end ------------------------------------------------------------------------------

    def finish(
        self, run: Run | None, compare_before: int | None
    ) -> tuple[tuple[ChannelSummary, ...], tuple[Finding, ...]]:
        """Give each probe's summary and the findings; board and host are compared up to a sample.

        `compare_before` is the first sample that follows a loss, None where nothing was lost.
        """
        for channel in list(self._open):
            self._close(channel)
        self.outages.sort(key=lambda outage: (outage.first_sample, outage.channel))
        summaries = tuple(
            ChannelSummary(
                channel,
                totals.readings,
                totals.missing,
                totals.low,
                totals.high,
                totals.total / totals.readings / layout.TEMPERATURE_PER_DEGC,
                totals.low_at,
                totals.high_at,
                None if totals.last is None else totals.last / layout.TEMPERATURE_PER_DEGC,
            )
            for channel, totals in sorted(self._totals.items())
            if totals.readings
        )
        findings = self._outage_findings(run)
        findings += self._disagreements(compare_before)
        return summaries, tuple(findings)

    def _outage_findings(self, run: Run | None) -> list[Finding]:
        limit_s = blind_limit_s(run)
        findings: list[Finding] = []
        for outage in self.outages:
            blind_s = self._blind_s(outage, run)
            hides = limit_s is not None and blind_s >= limit_s
            text = (
                f"Probe {outage.channel + 1} "
                f"{_WORDS.get(outage.state, 'stood in an unknown state')} for "
                f"{words.duration(outage.duration_s)}: no temperature from it"
            )
            if hides and limit_s is not None:
                text += (
                    f", and none from any other probe of its rule for {words.duration(blind_s)}. "
                    f"An excursion of {words.duration(limit_s)}, which means HOLD, "
                    "could have passed unseen"
                )
            findings.append(
                Finding(
                    "probes",
                    Severity.HOLD if hides else Severity.WARN,
                    f"probe-{outage.state_name.replace(' ', '-')}",
                    f"{text}.",
                    {"state": outage.state_name, "samples": outage.count},
                    sample=outage.first_sample,
                    channel=outage.channel,
                    start=outage.start,
                    end=outage.end,
                    duration_s=outage.duration_s,
                )
            )
        return findings

    def _blind_s(self, outage: Outage, run: Run | None) -> float:
        """Give the longest time in an outage in which no probe of one of its HOLD rules read."""
        if run is None:
            return 0.0
        longest = 0.0
        for rule in run.rules:
            if not rule.holds or rule.is_rate or not rule.watches(outage.channel):
                continue
            others = [
                channel
                for channel in self._totals
                if channel != outage.channel and rule.watches(channel)
            ]
            shared = (outage.first_sample, outage.first_sample + outage.count)
            for channel in others:
                overlap = _overlap(shared, (o for o in self.outages if o.channel == channel))
                shared = overlap
            samples = max(0, shared[1] - shared[0])
            longest = max(longest, outage.duration_s * samples / outage.count)
        return longest

    def _disagreements(self, compare_before: int | None) -> list[Finding]:
        """Hold the board's own probe-state events against the states in its samples."""
        told = {(event.channel, event.state, event.sample) for event in self._told}
        findings: list[Finding] = []
        for outage in self.outages:
            if compare_before is not None and outage.first_sample >= compare_before:
                continue
            if (outage.channel, outage.state, outage.first_sample) not in told:
                findings.append(
                    Finding(
                        "probes",
                        Severity.WARN,
                        "probe-state-untold",
                        f"Probe {outage.channel + 1} became '{outage.state_name}' at sample "
                        f"{outage.first_sample:,}, but the board recorded no such event.",
                        sample=outage.first_sample,
                        channel=outage.channel,
                        start=outage.start,
                    )
                )
        return findings


def _moment(span: SampleSpan, index: int) -> Moment:
    return Moment(span.boot, span.time_of_ms(span.first_sample + index))


def _overlap(shared: tuple[int, int], outages: Iterable[Outage]) -> tuple[int, int]:
    """Give the longest part of `shared` that lies in one of the outages."""
    best = (0, 0)
    for outage in outages:
        first = max(shared[0], outage.first_sample)
        stop = min(shared[1], outage.first_sample + outage.count)
        if stop - first > best[1] - best[0]:
            best = (first, stop)
    return best
