"""Readings in spans, the raw sets beside them, and captured shocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dewarlog.records.codes import COUNTS_PER_DEGC
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ChannelSamples:
    """One channel's readings in a span, in counts of 1/128 degC.

    Where `states` is not ok the count beside it is a filler and means nothing.
    """

    counts: NDArray[np.int16]
    states: NDArray[np.uint8] | None  # None: every reading is a temperature
    low_counts: NDArray[np.int16] | None  # None: one conversion a sample, so low = high = reading
    high_counts: NDArray[np.int16] | None


@dataclass(frozen=True, slots=True)
class SampleSpan:
    """Samples of one boot with one interval between them and no gap."""

    boot: int
    block_seq: int | None  # None: from the open journal
    first_sample: int
    start_ms: int  # uptime of the first sample's nominal time
    interval_ms: int
    count: int
    channels: Mapping[int, ChannelSamples]
    cold_junction_counts: NDArray[np.int16] | None  # 1/64 degC
    cold_junction_states: NDArray[np.uint8] | None
    lateness_ms: NDArray[np.int16] | None  # None: every sample stands at its nominal time

    @property
    def end_sample(self) -> int:
        """Give the number after the last sample."""
        return self.first_sample + self.count

    @property
    def last_nominal_ms(self) -> int:
        """Give the nominal uptime of the last sample."""
        return self.start_ms + (self.count - 1) * self.interval_ms

    def times_ms(self) -> NDArray[np.int64]:
        """Give the uptime of every sample, lateness added."""
        import numpy as np  # noqa: PLC0415 - the commands that read no samples must not pay for it

        times = np.arange(self.count, dtype=np.int64)
        times *= self.interval_ms
        times += self.start_ms
        if self.lateness_ms is not None:
            times += self.lateness_ms
        return times

    def time_of_ms(self, sample: int) -> int:
        """Give the uptime of one sample of this span, lateness added."""
        index = sample - self.first_sample
        late = 0 if self.lateness_ms is None else int(self.lateness_ms[index])
        return self.start_ms + index * self.interval_ms + late

    def readings_degc(self, channel: int) -> NDArray[np.float64]:
        """Give one channel's readings in degC, NaN where there is no temperature."""
        import numpy as np  # noqa: PLC0415

        samples = self.channels[channel]
        readings = samples.counts / float(COUNTS_PER_DEGC)
        if samples.states is not None:
            readings[samples.states != layout.STATE_OK] = np.nan
        return readings

    def cold_junction_degc(self) -> NDArray[np.float64]:
        """Give the cold junction in degC, NaN where no converter told it."""
        import numpy as np  # noqa: PLC0415

        if self.cold_junction_counts is None:
            return np.full(self.count, np.nan)
        readings = self.cold_junction_counts / float(layout.COLD_JUNCTION_PER_DEGC)
        if self.cold_junction_states is not None:
            readings[self.cold_junction_states != layout.STATE_OK] = np.nan
        return readings


@dataclass(frozen=True, slots=True)
class RawSet:
    """What the converter said for one sample, before linearisation."""

    channel: int
    fault: int
    index: int  # sample index within the span it came with
    voltage_raw: int
    cold_junction_raw: int


@dataclass(frozen=True, slots=True)
class ShockWindow:
    """One captured shock: three columns of acceleration counts."""

    boot: int
    block_seq: int
    start_ms: int
    shock: int
    trigger: int
    rate_hz: int
    count_mg: int
    flags: int
    counts: tuple[NDArray[np.int16], NDArray[np.int16], NDArray[np.int16]]
