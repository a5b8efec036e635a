"""The board's linearisation proved: each raw set computed again, in floating point, from ITS-90.

Every block of samples keeps what the converter said for one of its samples. From voltage and cold
junction the host computes the temperature with its90.py, adds the calibration offset and holds it
against the reading that the board stored for that very sample.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dewarlog import its90
from dewarlog.checks.finding import Finding, Moment, Severity
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dewarlog.records import RawSet, Run, SampleSpan

# The board promises 0.02 K (2.6 counts) for linearisation; rounding of voltage, cold junction and
# reading adds at most one count.
TOLERANCE_COUNTS = 4
# MAX31856 datasheet: full scale is 2**17 codes at 1/(gain * 1.6) volts.
_CODES_PER_VOLT_AT_GAIN_1 = 1.6 * (1 << 17)


@dataclass(frozen=True, slots=True)
class Linearisation:
    """How the recomputed readings compare."""

    compared: int
    worst_counts: float


def recomputed_counts(probe_type: str, raw: RawSet, gain: int, offset_count: int) -> float:
    """Give the reading a raw set stands for, in counts of 1/128 degC.

    Raises:
        ValueError: the voltage is outside the reference function.
    """
    measured_mv = 1000.0 * raw.voltage_raw / (gain * _CODES_PER_VOLT_AT_GAIN_1)
    cold_degc = raw.cold_junction_raw / layout.COLD_JUNCTION_PER_DEGC
    emf = measured_mv + its90.emf_mv(probe_type, cold_degc)
    return its90.temperature_degc(probe_type, emf) * layout.TEMPERATURE_PER_DEGC + offset_count


@dataclass(slots=True)
class LinearisationCheck:
    """Takes spans with their raw sets."""

    run: Run | None = None
    _compared: int = 0
    _worst: float = 0.0
    _findings: list[Finding] = field(default_factory=list[Finding])

    def feed(self, span: SampleSpan, raw_sets: Iterable[RawSet]) -> None:
        """Compare the raw sets of one span."""
        run = self.run
        if run is None or run.sampling is None:
            return
        for raw in raw_sets:
            channel = run.channel(raw.channel)
            samples = span.channels.get(raw.channel)
            if channel is None or samples is None or raw.index >= span.count:
                continue
            if channel.probe_type not in its90.PROBE_TYPES or run.sampling.gain == 0:
                continue
            if samples.states is not None and samples.states[raw.index] != layout.STATE_OK:
                continue
            try:
                expected = recomputed_counts(
                    channel.probe_type, raw, run.sampling.gain, channel.offset_count
                )
            except ValueError:
                expected = float("inf")
            stored = int(samples.counts[raw.index])
            # Where a sample is a mean, its raw set is one conversion of it: between min and max.
            low, high = stored, stored
            if samples.low_counts is not None and samples.high_counts is not None:
                low = int(samples.low_counts[raw.index])
                high = int(samples.high_counts[raw.index])
            away = max(low - expected, expected - high, 0.0)
            self._compared += 1
            self._worst = max(self._worst, away)
            if away > TOLERANCE_COUNTS:
                self._disagree(span, raw, stored, expected)

    def _disagree(self, span: SampleSpan, raw: RawSet, stored: int, expected: float) -> None:
        per_degc = layout.TEMPERATURE_PER_DEGC
        told = (
            "lies outside the thermocouple's range"
            if expected == float("inf")
            else (f"is {expected / per_degc:.2f} degC")
        )
        sample = span.first_sample + raw.index
        self._findings.append(
            Finding(
                "linearisation",
                Severity.HOLD,
                "linearisation",
                f"Probe {raw.channel + 1}, sample {sample:,}: the board stored "
                f"{stored / per_degc:.2f} degC, but what its converter measured {told}.",
                {"stored_count": stored, "voltage_raw": raw.voltage_raw},
                block_seq=span.block_seq,
                sample=sample,
                channel=raw.channel,
                start=Moment(span.boot, span.time_of_ms(sample)),
            )
        )

    def finish(self) -> tuple[Linearisation, tuple[Finding, ...]]:
        """Give how many readings were recomputed, how far off the worst was, and the findings."""
        return Linearisation(self._compared, self._worst), tuple(self._findings)
