"""The profile's limits judged: excursions as findings, and stays too near a limit to be sure.

Guard band: a reading within its expanded uncertainty of a HOLD limit may have been beyond it. The
same machine as for excursions runs with each threshold drawn in by the uncertainty of a reading
at that threshold, sample by sample with the cold junction it had; what it finds and the plain
rule does not is reported as near the limit, and means HOLD.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from dewarlog import its90, words
from dewarlog.checks.calibration import is_void
from dewarlog.checks.finding import Finding, Severity
from dewarlog.uncertainty import Budget, budget
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from dewarlog.checks.excursion_machine import Excursion
    from dewarlog.records import Channel, Rule, Run, SampleSpan

# MAX31856 cold-junction limits of the budget hold from -20 to +85 degC; outside, the ends count.
_COLD_JUNCTION_GRID: Final = np.arange(-20.0, 86.0, 5.0)
_DEFAULT_GAIN: Final = 32


@dataclass(frozen=True, slots=True)
class UncertaintyGuard:
    """How far the uncertainty of the readings draws each threshold in.

    `distrusted`: channels whose calibration does not count (see calibration.py); those
    with another probe's calibration are known from the run itself.
    """

    run: Run
    distrusted: frozenset[int] = frozenset()
    _most: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])

    def most(self, rule: Rule, channel: int) -> int:
        """Give the figure for the warmest cold junction: the greatest there can be."""
        key = (rule.rule, channel)
        if key not in self._most:
            warmest = float(_COLD_JUNCTION_GRID[-1])
            self._most[key] = _ceil_counts(self.expanded_k(rule.threshold_degc, channel, warmest))
        return self._most[key]

    def counts(self, rule: Rule, channel: int, span: SampleSpan) -> NDArray[np.int64]:
        """Give the figure for every sample, by its own cold junction."""
        grid = [
            self.expanded_k(rule.threshold_degc, channel, float(cold))
            for cold in _COLD_JUNCTION_GRID
        ]
        cold = span.cold_junction_degc()
        cold[np.isnan(cold)] = _COLD_JUNCTION_GRID[-1]
        expanded = np.interp(cold, _COLD_JUNCTION_GRID, np.array(grid))
        return np.ceil(expanded * layout.TEMPERATURE_PER_DEGC).astype(np.int64)

    def expanded_k(
        self, temperature_degc: float, channel: int, cold_junction_degc: float = 25.0
    ) -> float:
        """Give the expanded uncertainty (k = 2) of one channel at a temperature."""
        return self.budget(temperature_degc, channel, cold_junction_degc).expanded_k

    def budget(
        self, temperature_degc: float, channel: int, cold_junction_degc: float = 25.0
    ) -> Budget:
        """Give the uncertainty budget of one channel at a temperature."""
        settings = self.run.channel(channel)
        probe_type = "T" if settings is None else settings.probe_type
        if probe_type not in its90.PROBE_TYPES:
            probe_type = "T"
        gain = _DEFAULT_GAIN if self.run.sampling is None else self.run.sampling.gain
        drawn_up = budget(
            probe_type,
            max(temperature_degc, its90.LOWEST_DEGC + 10.0),
            cold_junction_degc,
            gain,
            self.calibration_u_k(settings),
        )
        offset_k = self.wrong_offset_k(settings)
        return replace(drawn_up, offset_k=offset_k) if offset_k else drawn_up

    def calibration_u_k(self, settings: Channel | None) -> float | None:
        """Give the standard uncertainty of a calibration that counts, or None."""
        if settings is None or settings.calibrated_unix_s is None:
            return None
        if settings.channel in self.distrusted or is_void(self.run, settings):
            return None
        return settings.calibration_u_count / layout.TEMPERATURE_PER_DEGC

    def wrong_offset_k(self, settings: Channel | None) -> float:
        """Give the size of an offset that another probe's calibration had the board add."""
        if settings is None or not is_void(self.run, settings):
            return 0.0
        return abs(settings.offset_count) / layout.TEMPERATURE_PER_DEGC


def _ceil_counts(kelvin: float) -> int:
    return math.ceil(kelvin * layout.TEMPERATURE_PER_DEGC)


def probe_name(run: Run | None, channel: int) -> str:
    """Name a probe with its place: `Probe 1 (payload top)`."""
    settings = None if run is None else run.channel(channel)
    name = f"Probe {channel + 1}"
    return name if settings is None else f"{name} ({settings.placement})"


def rule_words(rule: Rule) -> str:
    """Say what a rule forbids: `above -150.0 degC`, `rising faster than 20 K/h`."""
    if rule.kind == layout.RULE_ABOVE:
        return f"above {words.degc(rule.threshold_degc)}"
    if rule.kind == layout.RULE_BELOW:
        return f"below {words.degc(rule.threshold_degc)}"
    direction = "rising" if rule.kind == layout.RULE_RISING else "falling"
    return f"{direction} faster than {rule.threshold} K/h"


def value_words(rule: Rule, value: int) -> str:
    """Write a value in the unit of a rule's threshold."""
    if rule.is_rate:
        return f"{value} K/h"
    return words.degc(value / layout.TEMPERATURE_PER_DEGC)


def excursion_findings(run: Run, excursions: Iterable[Excursion]) -> tuple[Finding, ...]:
    """Turn every excursion into a finding: HOLD or a warning, as its rule says."""
    findings: list[Finding] = []
    for item in excursions:
        rule = run.rule(item.rule)
        if rule is None:
            continue
        extreme = value_words(rule, item.extreme)
        if rule.is_rate:
            most = f"{extreme} at the most"
        else:
            most = f"{extreme} at the {'coldest' if rule.kind == layout.RULE_BELOW else 'warmest'}"
        lasting = words.duration(item.duration_ms / 1000)
        text = f"{probe_name(run, item.channel)} was {rule_words(rule)} for {lasting}, {most}"
        if item.end is None:
            text += ", and still was when the log ends"
        if rule.mode == layout.MODE_CUMULATIVE:
            text += f" (all such stays together may last {words.duration(rule.dwell_s)})"
        findings.append(
            Finding(
                "excursion",
                Severity.HOLD if rule.holds else Severity.WARN,
                "excursion",
                f"{text}.",
                {
                    "rule": rule.rule,
                    "threshold": rule.threshold,
                    "extreme": item.extreme,
                    "onset": item.onset,
                    "end": item.end,
                },
                sample=item.onset,
                channel=item.channel,
                start=item.onset_at,
                end=item.end_at,
                duration_s=item.duration_ms / 1000,
                extreme=extreme,
            )
        )
    return tuple(findings)


def near_limit_findings(
    run: Run,
    guard: UncertaintyGuard,
    near: Iterable[Excursion],
    excursions: Iterable[Excursion],
) -> tuple[Finding, ...]:
    """Name each stay within the guard band of a HOLD limit that is no excursion itself."""
    beyond = list(excursions)
    findings: list[Finding] = []
    for item in near:
        rule = run.rule(item.rule)
        if rule is None or any(_covers(item, other) for other in beyond):
            continue
        extreme = value_words(rule, item.extreme)
        expanded_k = guard.expanded_k(item.extreme / layout.TEMPERATURE_PER_DEGC, item.channel)
        findings.append(
            Finding(
                "excursion",
                Severity.HOLD,
                "near-limit",
                f"{probe_name(run, item.channel)} came too near the limit of "
                f"{words.degc(rule.threshold_degc)} to be sure: {extreme} at the nearest, "
                f"\u00b1{expanded_k:.1f} K, for {words.duration(item.duration_ms / 1000)}. "
                "It may have been beyond it.",
                {
                    "rule": rule.rule,
                    "threshold": rule.threshold,
                    "extreme": item.extreme,
                    "expanded_k": round(expanded_k, 3),
                },
                sample=item.onset,
                channel=item.channel,
                start=item.onset_at,
                end=item.end_at,
                duration_s=item.duration_ms / 1000,
                extreme=extreme,
            )
        )
    return tuple(findings)


def _covers(near: Excursion, other: Excursion) -> bool:
    """Say whether a stay in the guard band holds an excursion of the same rule."""
    if (near.rule, near.channel) != (other.rule, other.channel):
        return False
    return near.onset <= other.onset and (near.end is None or other.onset < near.end)


def limit_notes(run: Run, channels: Iterable[int]) -> tuple[Finding, ...]:
    """Name what keeps the profile from deciding anything."""
    holding = [rule for rule in run.rules if rule.holds and not rule.is_rate]
    if not holding:
        return (
            Finding(
                "excursion",
                Severity.HOLD,
                "no-limit",
                "The shipment profile sets no temperature limit that means HOLD, "
                "so this log cannot say USE.",
            ),
        )
    read = set(channels)
    return tuple(
        Finding(
            "excursion",
            Severity.HOLD,
            "limit-unwatched",
            f"No probe that the limit {rule_words(rule)} watches gave a reading.",
            {"rule": rule.rule},
        )
        for rule in holding
        if not any(rule.watches(channel) for channel in read)
    )
