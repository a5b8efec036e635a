"""The journey of a reviewed log laid out for its pictures: the whole run, then closer views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dewarlog import words
from dewarlog.checks.finding import Moment, Severity
from dewarlog.checks.limits import probe_name, rule_words
from dewarlog.report.model import Picture
from dewarlog.report.plot import NARROW, WIDE, Band, Journey, Limit, Mark, Spike, journey_svg
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dewarlog.checks.excursion_machine import Excursion
    from dewarlog.checks.review import Review
    from dewarlog.records import Rule, Run
    from dewarlog.report.timeline import Timeline
    from dewarlog.report.traces import Trace

_CLOSER_AIR_S: Final = 1200.0  # shown before and after an excursion, at least
_CLOSER_MAX: Final = 4


def closer_axes(review: Review, timeline: Timeline) -> list[Timeline]:
    """Give the axis of a closer view around each temperature reason for HOLD."""
    windows: list[tuple[float, float]] = []
    for finding in review.findings:
        if (
            finding.check != "excursion"
            or finding.severity is not Severity.HOLD
            or finding.start is None
        ):
            continue
        start_s = timeline.at(finding.start)
        end_s = timeline.length_s if finding.end is None else timeline.at(finding.end)
        air_s = max(_CLOSER_AIR_S, (end_s - start_s) / 2)
        windows.append((max(0.0, start_s - air_s), min(timeline.length_s, end_s + air_s)))
    joined: list[tuple[float, float]] = []
    for start_s, end_s in sorted(windows):
        if joined and start_s <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_s))
        else:
            joined.append((start_s, end_s))
    # A window that is most of the run anyway shows nothing new.
    return [
        timeline.window(start_s, end_s)
        for start_s, end_s in joined
        if end_s - start_s < timeline.length_s / 2
    ][:_CLOSER_MAX]


def picture_of(review: Review, axis: Timeline, traces: tuple[Trace, ...]) -> Picture:
    """Draw all that happened on one axis, in both sizes."""
    journey = _journey(review, axis, traces)
    return Picture(_axis_words(axis), journey_svg(journey, WIDE), journey_svg(journey, NARROW))


def _journey(review: Review, timeline: Timeline, traces: tuple[Trace, ...]) -> Journey:
    """Lay out all that happened on one axis; what lies outside it is left out."""
    run = review.run

    def shown(bands: Iterable[Band]) -> Iterator[Band]:
        return (band for band in bands if band.end_s >= 0 and band.start_s <= timeline.length_s)

    def inside(at_s: float) -> bool:
        return 0 <= at_s <= timeline.length_s

    settings = None if run is None else run.shock_settings
    marks = [
        Mark(at_s, str(number), event.step_name)
        for number, event in enumerate(review.custody, start=1)
        if inside(at_s := timeline.at(Moment(event.boot, event.uptime_ms)))
    ]
    spikes = [
        Spike(at_s, item.peak_g, item.holds)
        for item in review.shocks
        if inside(at_s := timeline.at(item.at))
    ]
    stays = () if review.tilt is None else review.tilt.stays
    tilted = [(timeline.at(stay.start), timeline.at(stay.end), stay.band) for stay in stays]
    return Journey(
        length_s=timeline.length_s,
        ticks_wide=tuple(timeline.ticks(WIDE.ticks)),
        ticks_narrow=tuple(timeline.ticks(NARROW.ticks)),
        axis_label="UTC" if timeline.began_unix_s is not None else "since the start",
        traces=traces,
        names=tuple(f"probe {trace.channel + 1}" for trace in traces),
        limits=_limits(run),
        bands=tuple(shown(_bands(review, timeline))),
        marks=tuple(marks),
        spikes=tuple(spikes),
        shock_edges_g=() if settings is None else settings.band_edges_g,
        has_tilt=review.tilt is not None,
        tilt=tuple(stay for stay in tilted if stay[1] >= 0 and stay[0] <= timeline.length_s),
        summary=_summary(review),
    )


def _axis_words(axis: Timeline) -> str:
    """Say from when to when an axis goes."""
    if axis.began_unix_s is None:
        start, end = axis.zero_s, axis.zero_s + axis.length_s
        return f"{words.duration(start)} to {words.duration(end)} after the start"
    first = words.utc(axis.began_unix_s, seconds=False).removesuffix(" UTC")
    last = words.utc(axis.began_unix_s + axis.length_s, seconds=False)
    return f"{first} to {last[11:] if last[:10] == first[:10] else last}"


def _limits(run: Run | None) -> tuple[Limit, ...]:
    limits: list[Limit] = []
    for rule in () if run is None else run.rules:
        if rule.is_rate or run is None:
            continue
        word = "HOLD" if rule.holds else "warning"
        label = f"{word} {rule_words(rule)}{_watched(run, rule)}"
        above = rule.kind == layout.RULE_ABOVE
        limits.append(Limit(rule.threshold_degc, label, rule.holds, above))
    return tuple(limits)


def _watched(run: Run, rule: Rule) -> str:
    """Name the probes a limit watches where it does not watch them all."""
    numbers = [str(item.channel + 1) for item in run.channels if rule.watches(item.channel)]
    if len(numbers) == len(run.channels):
        return ""
    word = "probe" if len(numbers) == 1 else "probes"
    return f" ({word} {', '.join(numbers)})"


def _bands(review: Review, timeline: Timeline) -> Iterator[Band]:
    """Give excursions, gaps and probe outages as stretches of the axis."""
    for item in review.excursions:
        yield _excursion_band(review, timeline, item)
    for gap in review.coverage.gaps:
        start_s, end_s = timeline.at(gap.start), timeline.at(gap.end)
        yield Band(start_s, end_s, "gap", f"no readings: {gap.cause}")
    for outage in review.outages:
        start_s, end_s = timeline.at(outage.start), timeline.at(outage.end)
        label = f"probe {outage.channel + 1}: {outage.state_name}"
        yield Band(start_s, end_s, "outage", label)


def _excursion_band(review: Review, timeline: Timeline, item: Excursion) -> Band:
    rule = None if review.run is None else review.run.rule(item.rule)
    holds = rule is not None and rule.holds
    end_s = timeline.length_s if item.end_at is None else timeline.at(item.end_at)
    label = "" if rule is None else f"{probe_name(review.run, item.channel)} {rule_words(rule)}"
    return Band(timeline.at(item.onset_at), end_s, "excursion" if holds else "warning", label)


def _summary(review: Review) -> str:
    per_degc = layout.TEMPERATURE_PER_DEGC
    parts = [
        f"probe {item.channel + 1} from {words.degc(item.low_count / per_degc)} "
        f"to {words.degc(item.high_count / per_degc)}"
        for item in review.channels
    ]
    return "Temperature over the journey: " + ", ".join(parts) if parts else "No temperature"
