"""What the pictures need, gathered in a second pass over the log.

Temperatures are reduced to the least and the greatest of each pixel column, so that a reading that
lasted one sample is still seen in a year's log; of the shock windows only the hardest are kept.
Memory does not grow with the log.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from dewarlog.checks.finding import Moment
from dewarlog.checks.integrity import IntegrityCheck
from dewarlog.readings import LogReader
from dewarlog.records import Block, JournalTail, ShockWindow
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dewarlog.checks.review import Review
    from dewarlog.records import Event, SampleSpan
    from dewarlog.report.timeline import Timeline

# Pixel columns of the widest picture; narrower ones join neighbours.
COLUMNS: Final = 840
_COLUMNS_LEAST: Final = 10
SHOCK_WINDOWS_MAX: Final = 12
# A year of hourly clock readings and everything else still fits; a flood does not.
EVENTS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Trace:
    """One probe's least and greatest temperature in each pixel column, NaN where there is none."""

    channel: int
    low_degc: NDArray[np.float64]
    high_degc: NDArray[np.float64]

    def joined(self, factor: int) -> Trace:
        """Join each `factor` columns into one."""
        if factor <= 1:
            return self
        short = -len(self.low_degc) % factor  # the last column may join fewer
        low = np.pad(self.low_degc, (0, short), constant_values=np.nan).reshape(-1, factor)
        high = np.pad(self.high_degc, (0, short), constant_values=np.nan).reshape(-1, factor)
        return Trace(
            self.channel,
            _least(low, axis=1),
            -_least(-high, axis=1),
        )


def _least(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Give the least along an axis; NaN only where all are NaN, and without a warning."""
    least = np.where(np.isnan(values), np.inf, values).min(axis=axis)
    return np.where(np.isinf(least), np.nan, least)


@dataclass(frozen=True, slots=True)
class Traces:
    """What the second pass gathered."""

    pictures: tuple[tuple[Trace, ...], ...]  # of each axis asked for, one trace a probe
    shocks: tuple[ShockWindow, ...]  # the hardest, in order of time
    events: tuple[Event, ...]
    events_left_out: int


@dataclass(slots=True)
class _Pixels:
    """The least and greatest temperature of every probe in each pixel column of one axis."""

    timeline: Timeline
    columns: int
    low: dict[int, NDArray[np.float64]] = field(default_factory=dict[int, "NDArray[np.float64]"])
    high: dict[int, NDArray[np.float64]] = field(default_factory=dict[int, "NDArray[np.float64]"])

    def take(self, span: SampleSpan) -> None:
        begin_s = self.timeline.at(Moment(span.boot, span.start_ms))
        end_s = self.timeline.at(Moment(span.boot, span.last_nominal_ms))
        if end_s < 0 or begin_s > self.timeline.length_s:
            return
        first_s = self.timeline.at(Moment(span.boot, 0))
        places = (span.times_ms() / 1000 + first_s) * (self.columns / self.timeline.length_s)
        columns = np.floor(places).astype(np.int64)
        columns[columns == self.columns] -= 1  # the very end belongs to the last column
        inside = (columns >= 0) & (columns < self.columns)
        for channel, samples in span.channels.items():
            good = inside
            if samples.states is not None:
                good = inside & (samples.states == layout.STATE_OK)
            low = samples.counts if samples.low_counts is None else samples.low_counts
            high = samples.counts if samples.high_counts is None else samples.high_counts
            self._merge(channel, columns[good], low[good], high[good])

    def _merge(
        self, channel: int, at: NDArray[np.int64], low: NDArray[np.int16], high: NDArray[np.int16]
    ) -> None:
        if len(at) == 0:
            return
        if channel not in self.low:
            self.low[channel] = np.full(self.columns, np.inf)
            self.high[channel] = np.full(self.columns, -np.inf)
        starts = np.flatnonzero(np.diff(at, prepend=-1))
        touched = at[starts]
        per_degc = layout.TEMPERATURE_PER_DEGC
        np.minimum.at(self.low[channel], touched, np.minimum.reduceat(low, starts) / per_degc)
        np.maximum.at(self.high[channel], touched, np.maximum.reduceat(high, starts) / per_degc)

    def traces(self) -> tuple[Trace, ...]:
        found: list[Trace] = []
        for channel in sorted(self.low):
            low, high = self.low[channel], self.high[channel]
            missing = np.isinf(low)
            low[missing] = high[missing] = np.nan
            found.append(Trace(channel, low, high))
        return tuple(found)


@dataclass(slots=True)
class _Gatherer:
    pictures: list[_Pixels]
    hardest: frozenset[int]
    shocks: list[ShockWindow] = field(default_factory=list[ShockWindow])
    events: list[Event] = field(default_factory=list["Event"])
    events_left_out: int = 0

    def take(self, span: SampleSpan | None, events: tuple[Event, ...]) -> None:
        room = EVENTS_MAX - len(self.events)
        self.events += events[:room]
        self.events_left_out += max(0, len(events) - room)
        if span is not None:
            for pixels in self.pictures:
                pixels.take(span)

    def finish(self) -> Traces:
        self.shocks.sort(key=lambda window: (window.boot, window.start_ms))
        return Traces(
            tuple(pixels.traces() for pixels in self.pictures),
            tuple(self.shocks),
            tuple(self.events),
            self.events_left_out,
        )


def gather(path: Path, review: Review, axes: Sequence[Timeline]) -> Traces:
    """Read the log once more and keep what its pictures and its event list show.

    `axes`: the axis of each temperature picture: the whole run, then its closer views.
    """
    hardest = heapq.nlargest(SHOCK_WINDOWS_MAX, review.shocks, key=lambda shock: shock.peak_g)
    # Two samples a column at least: a line drawn from samples must not fall apart into dots.
    apart_s = 2 * max(1.0, review.coverage.interval_ms / 1000)
    pictures = [
        _Pixels(axis, min(COLUMNS, max(_COLUMNS_LEAST, int(axis.length_s / apart_s))))
        for axis in axes
    ]
    gatherer = _Gatherer(pictures, frozenset(shock.number for shock in hardest))
    integrity = IntegrityCheck()  # tells what belongs to the log, as in the first pass
    with path.open("rb") as file:
        for item in LogReader(file, path).items():
            if not integrity.feed(item):
                continue
            if isinstance(item, Block):
                gatherer.take(item.span, item.events)
                if item.shock is not None and item.shock.shock in gatherer.hardest:
                    gatherer.shocks.append(item.shock)
            elif isinstance(item, JournalTail):
                gatherer.take(item.span, item.events)
    return gatherer.finish()
