"""Are the readings those of the run's own probes?

The first block says which probes a run has. A block with columns of others, or a cold junction no
converter can measure, means that the board mistook one column for another: every limit would then
be held against the wrong numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from dewarlog import words
from dewarlog.checks.finding import Finding, Moment, Severity
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dewarlog.records import Run, SampleSpan

# What the cold-junction register of a MAX31856 can hold: 8 bits before the point (data sheet,
# cold-junction temperature registers).
_COLD_JUNCTION_DEGC: Final = (-128, 128)


@dataclass(slots=True)
class ColumnsCheck:
    """Takes spans in order; `run` as the first block told it, or None where that is lost."""

    run: Run | None = None
    _told: set[frozenset[int]] = field(default_factory=set[frozenset[int]])
    _findings: list[Finding] = field(default_factory=list[Finding])

    def feed(self, span: SampleSpan) -> None:
        """Take the next samples."""
        if self.run is not None:
            self._fitted(span, frozenset(item.channel for item in self.run.channels))
        self._cold_junction(span)

    def _fitted(self, span: SampleSpan, fitted: frozenset[int]) -> None:
        found = frozenset(span.channels)
        if found == fitted or found in self._told:
            return
        self._told.add(found)
        self._findings.append(
            Finding(
                "columns",
                Severity.HOLD,
                "columns-foreign",
                f"From sample {span.first_sample:,} on the log holds readings of "
                f"{_probes(found)}, but the run began with {_probes(fitted)}: whose readings "
                "these are is not certain.",
                sample=span.first_sample,
                block_seq=span.block_seq,
                start=Moment(span.boot, span.start_ms),
            )
        )

    def _cold_junction(self, span: SampleSpan) -> None:
        counts = span.cold_junction_counts
        if counts is None:
            return
        low, high = (limit * layout.COLD_JUNCTION_PER_DEGC for limit in _COLD_JUNCTION_DEGC)
        bad = (counts < low) | (counts >= high)
        if span.cold_junction_states is not None:
            bad &= span.cold_junction_states == layout.STATE_OK
        if not bad.any():
            return
        index = int(np.flatnonzero(bad)[0])
        sample = span.first_sample + index
        degc = words.degc(float(counts[index]) / layout.COLD_JUNCTION_PER_DEGC)
        self._findings.append(
            Finding(
                "columns",
                Severity.HOLD,
                "cold-junction-impossible",
                f"The cold junction of sample {sample:,} reads {degc}, which no converter can "
                "measure: this is another quantity, and the readings beside it are not certain.",
                {"samples": int(bad.sum())},
                sample=sample,
                block_seq=span.block_seq,
                start=Moment(span.boot, span.time_of_ms(sample)),
            )
        )

    def finish(self) -> tuple[Finding, ...]:
        """Give what was found."""
        return tuple(self._findings)


def _probes(channels: Iterable[int]) -> str:
    numbers = [str(channel + 1) for channel in sorted(channels)]
    if not numbers:
        return "no probe"
    return f"probe{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"
