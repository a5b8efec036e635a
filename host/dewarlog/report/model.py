"""Everything a report says, as data: built from a review, drawn by as_html, printed by the CLI.

Nothing here knows HTML but the pictures, which are ready-made SVG. Text from the log stays as it
was written; whoever shows it escapes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dewarlog import its90, words
from dewarlog.checks.calibration import counts_until
from dewarlog.checks.finding import Moment
from dewarlog.checks.limits import probe_name, rule_words, value_words
from dewarlog.records import named, unix_s_of
from dewarlog.report.event_words import describe
from dewarlog.report.plot import (
    NARROW,
    WIDE,
    Band,
    Journey,
    Limit,
    Mark,
    Spike,
    journey_svg,
    shock_svg,
)
from dewarlog.report.timeline import timeline_of
from dewarlog.report.traces import gather
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from dewarlog.checks.clock import WallTime
    from dewarlog.checks.excursion import Excursion
    from dewarlog.checks.review import Review
    from dewarlog.checks.shock import Shock
    from dewarlog.records import Rule, Run
    from dewarlog.report.timeline import Timeline
    from dewarlog.report.traces import Trace, Traces
    from dewarlog.verdict import Reason, Verdict

_PHONE: Final = re.compile(r"\+?\d[\d\s().\u2011-]{5,}\d")
_CLOSER_AIR_S: Final = 1200.0  # shown before and after an excursion, at least
_CLOSER_MAX: Final = 4
_DRIFT_LEAST_MS: Final = 3_600_000  # a shorter stretch tells nothing of a drift
_TITLES: Final = {
    "integrity": "Log damaged",
    "excursion": "Temperature",
    "near-limit": "Too near the limit",
    "no-limit": "No limit set",
    "probes": "Probe",
    "coverage": "Gap in the record",
    "shock-gap": "Shock record",
    "event-gap": "Event record",
    "journey-not-covered": "Journey not covered",
    "no-custody": "Custody",
    "shock": "Shock",
    "tilt": "Tilt",
    "agreement": "Logger and check disagree",
    "linearisation": "Reading not reproduced",
    "clock": "Clock",
    "calibration": "Calibration",
    "supply": "Logger",
    "not-yet-sealed": "Log",
    "still-recording": "Log",
    "no-sealing-key": "Log",
    "unknown": "Log",
    "overwritten": "Memory full",
}


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to call, with the part that can be dialled."""

    before: str
    phone: str
    after: str

    @property
    def dial(self) -> str:
        """Give the phone number as a `tel:` link wants it."""
        return re.sub(r"[^\d+]", "", self.phone)


@dataclass(frozen=True, slots=True)
class Point:
    """One reason or note."""

    title: str
    text: str
    when: str
    decides: bool


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and its value."""

    name: str
    value: str
    mono: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; the first cell of a row names it."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class ShockCard:
    """One shock window as a small picture."""

    svg: str
    title: str
    detail: str
    holds: bool


@dataclass(frozen=True, slots=True)
class TiltShare:
    """Time in one band of tilt."""

    band: int
    name: str
    duration: str
    percent: float


@dataclass(frozen=True, slots=True)
class CustodyStep:
    """One step of the custody timeline."""

    number: str
    step: str
    when: str
    actor: str
    place: str
    note: str


@dataclass(frozen=True, slots=True)
class Legend:
    """One line of the temperature picture."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as SVG in both sizes."""

    title: str
    wide: str
    narrow: str


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report."""

    heading: str  # shipment and dewar, or the file where the log names neither
    word: str
    sentence: str
    steps: tuple[str, ...]
    call_label: str
    contact: Contact | None
    instructions: tuple[str, ...]
    reasons: tuple[Point, ...]
    notes: tuple[Point, ...]
    facts: tuple[Fact, ...]
    journey: Picture
    closer: tuple[Picture, ...]
    legend: tuple[Legend, ...]
    has_gaps: bool
    has_outages: bool
    excursions: Table
    shock_cards: tuple[ShockCard, ...]
    shocks: Table
    tilt: tuple[TiltShare, ...]
    tilt_stays: Table
    custody: tuple[CustodyStep, ...]
    gaps: Table
    coverage: str
    probes: Table
    uncertainty: Table
    clock: tuple[Fact, ...]
    integrity: tuple[Fact, ...]
    agreement: str
    disagreements: tuple[Point, ...]
    events: Table
    events_left_out: int
    time_note: str


def build_report(path: Path, review: Review, verdict: Verdict) -> Report:
    """Put a report together; reads the log once more for its pictures."""
    axes = [timeline_of(review)]
    axes += _closer_axes(review, axes[0])
    traces = gather(path, review, axes)
    pictures = [
        _journey(review, axis, drawn) for axis, drawn in zip(axes, traces.pictures, strict=True)
    ]
    journey = pictures[0]
    disagreements = [
        _point(reason)
        for reason in (*verdict.reasons, *verdict.notes)
        if reason.finding.check in ("agreement", "linearisation")
        or reason.finding.code in ("shock-different", "probe-state-untold")
    ]
    run = review.run
    return Report(
        heading=_heading(path, review),
        word=verdict.word,
        sentence=verdict.sentence,
        steps=verdict.steps,
        call_label=verdict.call_label,
        contact=_contact(verdict.contact),
        instructions=() if run is None else run.all_texts("instruction"),
        reasons=tuple(_point(reason) for reason in verdict.reasons),
        notes=tuple(_point(reason) for reason in verdict.notes),
        facts=_facts(review),
        journey=Picture("", journey_svg(journey, WIDE), journey_svg(journey, NARROW)),
        closer=tuple(
            Picture(_axis_words(axis), journey_svg(picture, WIDE), journey_svg(picture, NARROW))
            for axis, picture in zip(axes[1:], pictures[1:], strict=True)
        ),
        legend=tuple(Legend(index % 4 + 1, name) for index, name in enumerate(journey.names)),
        has_gaps=any(band.kind == "gap" for band in journey.bands),
        has_outages=any(band.kind == "outage" for band in journey.bands),
        excursions=_excursions(review),
        shock_cards=_shock_cards(review, traces),
        shocks=_shock_table(review),
        tilt=_tilt(review),
        tilt_stays=_tilt_stays(review),
        custody=_custody(review),
        gaps=_gaps(review),
        coverage=_coverage(review),
        probes=_probes(review),
        uncertainty=_uncertainty(review),
        clock=_clock(review),
        integrity=_integrity(path, review),
        agreement=_agreement(review),
        disagreements=tuple(disagreements),
        events=_events(review, traces),
        events_left_out=traces.events_left_out,
        time_note=_time_note(review),
    )


# --- words --------------------------------------------------------------------------------------


def _point(reason: Reason) -> Point:
    finding = reason.finding
    title = _TITLES.get(finding.code) or _TITLES.get(finding.check, finding.check)
    decides = finding.severity in ("hold", "broken")
    return Point(title, finding.message, reason.when, decides)


def _contact(text: str | None) -> Contact | None:
    if not text:
        return None
    found = _PHONE.search(text)
    if found is None:
        return Contact(text, "", "")
    return Contact(text[: found.start()], found.group(), text[found.end() :])


def _when(review: Review, moment: Moment | None, *, bound: bool = False) -> str:
    """Write a moment: wall time where a clock tells it, the board's count where none does."""
    if moment is None:
        return "\u2013"
    wall = review.clock.at(moment)
    if wall is None:
        return words.uptime(moment.boot, moment.uptime_ms)
    return words.wall(wall) if bound else words.utc(wall.unix_s)


def _heading(path: Path, review: Review) -> str:
    run = review.run
    names = (("Shipment", "shipment"), ("Dewar", "dewar"))
    parts = [
        f"{label} {text}" for label, name in names if run is not None and (text := run.text(name))
    ]
    return " \u00b7 ".join(parts) or path.name


def _time_note(review: Review) -> str:
    if not review.clock.knows_time:
        return "No clock told the time: moments are counted from the logger's start."
    worst = max((wall.error_s for wall in _walls(review)), default=0.0)
    return f"Times are UTC, within \u00b1{words.error_bound(worst)} everywhere in this report."


def _walls(review: Review) -> list[WallTime]:
    moments = [
        Moment(span.boot, at) for span in review.boots for at in (span.first_ms, span.last_ms)
    ]
    return [wall for moment in moments if (wall := review.clock.at(moment)) is not None]


def _facts(review: Review) -> tuple[Fact, ...]:
    run = review.run
    facts: list[Fact] = []
    if run is not None:
        names = {
            "shipment": "Shipment",
            "chain_of_identity": "Chain of identity",
            "dewar": "Dewar",
            "profile": "Profile",
            "board": "Board",
        }
        facts += [
            Fact(label, text)
            for key, label in names.items()
            if (text := run.text(key)) is not None
        ]
        facts.append(Fact("Logger", run.device_id.hex(), mono=True))
        facts.append(Fact("Run", f"{run.run}, log {run.log_id.hex()}", mono=True))
        facts.append(Fact("Firmware", f"{run.firmware} on MicroPython {run.micropython}"))
    facts.append(Fact("Recorded from", _when(review, review.first)))
    facts.append(Fact("to", _when(review, review.last)))
    return tuple(facts)


# --- pictures -----------------------------------------------------------------------------------


def _journey(review: Review, timeline: Timeline, traces: tuple[Trace, ...]) -> Journey:
    """Lay out all that happened on one axis; what lies outside it is left out."""
    run = review.run

    def shown(bands: Iterable[Band]) -> Iterator[Band]:
        return (band for band in bands if band.end_s >= 0 and band.start_s <= timeline.length_s)

    def inside(at_s: float) -> bool:
        return 0 <= at_s <= timeline.length_s

    settings = None if run is None else run.shock_settings
    marks = [
        Mark(at_s, str(number), named(layout.CUSTODY_STEP_NAMES, event.step))
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


def _closer_axes(review: Review, timeline: Timeline) -> list[Timeline]:
    """Give the axis of a closer view around each temperature reason for HOLD."""
    windows: list[tuple[float, float]] = []
    for finding in review.findings:
        if finding.check != "excursion" or finding.severity != "hold" or finding.start is None:
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


def _watched(run: Run, rule: Rule) -> str:
    """Name the probes a limit watches where it does not watch them all."""
    numbers = [str(item.channel + 1) for item in run.channels if rule.watches(item.channel)]
    if len(numbers) == len(run.channels):
        return ""
    word = "probe" if len(numbers) == 1 else "probes"
    return f" ({word} {', '.join(numbers)})"


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


def _shock_cards(review: Review, traces: Traces) -> tuple[ShockCard, ...]:
    by_number = {shock.number: shock for shock in review.shocks}
    cards: list[ShockCard] = []
    for window in traces.shocks:
        shock = by_number.get(window.shock)
        if shock is None:
            continue
        detail = _shock_words(shock)
        title = f"Shock {shock.number} \u00b7 {_when(review, shock.at)}"
        cards.append(
            ShockCard(shock_svg(window, f"{title}: {detail}"), title, detail, shock.holds)
        )
    return tuple(cards)


def _shock_words(shock: Shock) -> str:
    at_least = "\u2265" if shock.clipped else ""
    return (
        f"{at_least}{shock.peak_g:.1f} g, {shock.duration_ms:.1f} ms, "
        f"{shock.velocity_change_mm_s / 1000:.2f} m/s"
    )


# --- tables -------------------------------------------------------------------------------------


def _holds(review: Review, item: Excursion) -> bool:
    rule = None if review.run is None else review.run.rule(item.rule)
    return rule is not None and rule.holds


def _excursions(review: Review) -> Table:
    rows: list[tuple[str, ...]] = []
    for item in sorted(review.excursions, key=lambda item: not _holds(review, item)):
        rule = None if review.run is None else review.run.rule(item.rule)
        if rule is None:
            continue
        extreme = value_words(rule, item.extreme)
        if not rule.is_rate and review.guard is not None:
            at_degc = item.extreme / layout.TEMPERATURE_PER_DEGC
            extreme += f" \u00b1{review.guard.expanded_k(at_degc, item.channel):.1f} K"
        rows.append(
            (
                probe_name(review.run, item.channel),
                rule_words(rule),
                "HOLD" if rule.holds else "warning",
                _when(review, item.onset_at, bound=True),
                "still open" if item.end_at is None else _when(review, item.end_at, bound=True),
                words.duration(item.duration_ms / 1000),
                extreme,
            )
        )
    return Table(("Probe", "Was", "Means", "From", "To", "Time beyond", "Extreme"), tuple(rows))


def _shock_table(review: Review) -> Table:
    rows: list[tuple[str, ...]] = []
    for shock in review.shocks:
        flags = [
            word
            for word, is_set in (
                ("clipped: at least this", shock.clipped),
                ("window cut", shock.cut),
                ("samples missing", shock.has_gap),
                ("no window kept", shock.found is None and shock.band > 0),
            )
            if is_set
        ]
        rows.append(
            (
                str(shock.number),
                _when(review, shock.at),
                f"{shock.peak_g:.1f} g",
                f"{shock.duration_ms:.1f} ms",
                f"{shock.velocity_change_mm_s / 1000:.2f} m/s",
                f"{shock.band}{', HOLD' if shock.holds else ''}",
                ", ".join(flags),
            )
        )
    heads = ("Shock", "When", "Peak", "Duration", "Velocity change", "Band", "Remarks")
    return Table(heads, tuple(rows))


def _tilt(review: Review) -> tuple[TiltShare, ...]:
    tilt = review.tilt
    if tilt is None:
        return ()
    total = max(1, sum(tilt.band_s))
    return tuple(
        TiltShare(band, tilt.band_name(band), words.duration(seconds), 100 * seconds / total)
        for band, seconds in enumerate(tilt.band_s)
    )


def _tilt_stays(review: Review) -> Table:
    tilt = review.tilt
    rows = (
        ()
        if tilt is None
        else tuple(
            (
                tilt.band_name(stay.band),
                _when(review, stay.start),
                _when(review, stay.end),
                words.duration(stay.duration_s),
                f"{stay.most_deg}\u00b0",
            )
            for stay in tilt.stays
        )
    )
    return Table(("From upright", "From", "To", "Time", "Most"), rows)


def _custody(review: Review) -> tuple[CustodyStep, ...]:
    steps: list[CustodyStep] = []
    for number, event in enumerate(review.custody, start=1):
        moment = Moment(event.boot, event.uptime_ms)
        when = _when(review, moment, bound=True)
        told = unix_s_of(event.utc_s)
        if review.clock.at(moment) is None and told is not None:
            when = f"{words.utc(told)} by the recording device's own clock"
        steps.append(
            CustodyStep(
                str(number),
                named(layout.CUSTODY_STEP_NAMES, event.step),
                when,
                event.actor,
                event.place,
                event.note,
            )
        )
    return tuple(steps)


def _gaps(review: Review) -> Table:
    rows = tuple(
        (
            gap.cause if gap.boot_cause is None else f"{gap.cause} (restart: {gap.boot_cause})",
            _when(review, gap.start, bound=True),
            _when(review, gap.end, bound=True),
            "unknown" if gap.length_s is None else words.duration(gap.length_s),
            "yes" if gap.told else "no",
        )
        for gap in review.coverage.gaps
    )
    return Table(("Cause", "Last reading before", "First after", "Length", "Told by logger"), rows)


def _coverage(review: Review) -> str:
    coverage = review.coverage
    if coverage.samples == 0:
        return "No samples were recorded."
    # Rounded down: 99.996 % is not all.
    percent = int(coverage.share * 10_000) / 100
    whole = words.duration(coverage.recorded_s + coverage.missing_s)
    interval = words.duration(coverage.interval_ms / 1000)
    text = (
        f"{percent:.2f} % of {whole} is covered by {coverage.samples:,} samples, "
        f"one every {interval}."
    )
    if coverage.unknown_gaps:
        text += f" {words.plural(coverage.unknown_gaps, 'gap')} of unknown length not counted."
    if coverage.restarts:
        text += f" The logger restarted {words.plural(coverage.restarts, 'time')}."
    return text


def _probes(review: Review) -> Table:
    rows: list[tuple[str, ...]] = []
    run = review.run
    last = None if review.last is None else review.clock.at(review.last)
    for item in review.channels:
        settings = None if run is None else run.channel(item.channel)
        per_degc = layout.TEMPERATURE_PER_DEGC
        calibration = "unknown"
        kind = "?"
        if settings is not None:
            kind = f"type {settings.probe_type}, {settings.serial or 'no serial'}"
            calibration = "never"
            if settings.calibrated_unix_s is not None:
                due = settings.calibration_due_unix_s
                calibration = words.utc(settings.calibrated_unix_s)[:10]
                if due is not None:
                    counts = counts_until(settings, None if last is None else last.unix_s)
                    calibration += f", due {words.utc(due)[:10]}{'' if counts else ' (expired)'}"
                offset = settings.offset_count / per_degc
                calibration += f", offset {offset:+.2f} K".replace("-", "\u2212")
        rows.append(
            (
                probe_name(run, item.channel),
                kind,
                words.degc(item.low_count / per_degc),
                words.degc(item.mean_degc),
                words.degc(item.high_count / per_degc),
                _when(review, item.high_at),
                f"{item.readings:,}" + (f" ({item.missing:,} missing)" if item.missing else ""),
                calibration,
            )
        )
    heads = (
        "Probe",
        "Wire",
        "Lowest",
        "Mean",
        "Highest",
        "Highest at",
        "Readings",
        "Calibrated",
    )
    return Table(heads, tuple(rows))


def _uncertainty(review: Review) -> Table:
    run, guard = review.run, review.guard
    rows: list[tuple[str, ...]] = []
    if run is not None and guard is not None:
        points = sorted({rule.threshold_degc for rule in run.rules if not rule.is_rate})
        for channel in run.channels:
            if channel.probe_type not in its90.PROBE_TYPES:
                continue
            for at_degc in points or [-150.0]:
                budget = guard.budget(at_degc, channel.channel)
                rows.append(
                    (
                        probe_name(run, channel.channel),
                        words.degc(at_degc),
                        f"\u00b1{budget.expanded_k:.1f} K",
                        f"{budget.wire_k:.2f} K {'calibration' if budget.calibrated else 'wire'}",
                        f"{budget.cold_junction_k:.2f} K",
                        f"{budget.converter_k:.2f} K",
                    )
                )
    heads = ("Probe", "At", "Expanded (k = 2)", "Wire", "Cold junction", "Converter")
    return Table(heads, tuple(rows))


def _clock(review: Review) -> tuple[Fact, ...]:
    clock = review.clock
    if not clock.knows_time:
        return (Fact("Wall clock", "none: durations only"),)
    facts: list[Fact] = []
    bounds = [wall.error_s for wall in _walls(review)]
    if bounds:
        facts.append(Fact("Time error, at the worst", f"\u00b1{words.error_bound(max(bounds))}"))
    for fit in clock.fits:
        if fit.frame < 0 or fit.last_ms - fit.first_ms < _DRIFT_LEAST_MS:
            continue
        middle, half = fit.drift_ppm
        facts.append(
            Fact(
                f"Uptime against clock chip, start {fit.boot + 1}",
                f"{middle:+.0f} \u00b1{half:.0f} ppm over "
                f"{words.duration((fit.last_ms - fit.first_ms) / 1000)}, "
                f"{words.plural(fit.readings, 'reading')}".replace("-", "\u2212"),
            )
        )
    for sync in clock.syncs:
        offset = "the clock had no time before"
        if sync.offset_s is not None:
            low, high = sync.offset_s
            offset = f"clock chip was {(low + high) / 2:+.1f} \u00b1{(high - low) / 2:.1f} s off"
        facts.append(
            Fact(f"Set by a host at {words.utc(sync.unix_s)}", offset.replace("-", "\u2212"))
        )
    if not clock.syncs:
        facts.append(Fact("Compared with a host", "not in this run; its setting is trusted"))
    return tuple(facts)


def _integrity(path: Path, review: Review) -> tuple[Fact, ...]:
    integrity = review.integrity
    facts = [
        Fact("File", path.name),
        Fact("Size", f"{review.size_bytes:,} bytes, {words.plural(integrity.blocks, 'block')}"),
        Fact("SHA-256 of the file", review.sha256, mono=True),
        Fact("Chain after the last block", integrity.last_chain.hex(), mono=True),
        Fact(
            "CRC, chain, numbering",
            "all hold"
            if integrity.first_bad is None
            else f"first fault: {integrity.first_bad.message}",
        ),
    ]
    if integrity.lost_bytes:
        facts.append(Fact("Not readable", words.plural(integrity.lost_bytes, "byte")))
    if integrity.journal_samples:
        facts.append(
            Fact(
                "Not yet sealed", f"{words.plural(integrity.journal_samples, 'sample')} at the end"
            )
        )
    facts.append(Fact("Ends with", "the logger's own stop" if integrity.stopped else "the pull"))
    return tuple(facts)


def _agreement(review: Review) -> str:
    agreement, lines = review.agreement, review.linearisation
    parts: list[str] = []
    if agreement.disagreements == 0:
        parts.append(
            "Every excursion was computed again from the readings: "
            + (
                f"the logger's {words.plural(agreement.compared, 'excursion record')} agree."
                if agreement.compared
                else "there is none, and the logger recorded none."
            )
        )
    else:
        parts.append(
            f"{words.plural(agreement.disagreements, 'difference')} between the logger's "
            "excursions and those computed again from its readings."
        )
    if agreement.compared_before is not None:
        parts.append(
            f"Compared up to sample {agreement.compared_before:,} only: "
            "behind it the log is damaged."
        )
    if lines.compared:
        kelvin = lines.worst_counts / layout.TEMPERATURE_PER_DEGC
        parts.append(
            f"{words.plural(lines.compared, 'reading')} computed again from raw voltage and cold "
            f"junction by ITS-90; the largest difference is {kelvin:.3f} K."
        )
    return " ".join(parts)


def _events(review: Review, traces: Traces) -> Table:
    rows = tuple(
        (
            f"{event.number:,}",
            _when(review, Moment(event.boot, event.uptime_ms)),
            event.NAME,
            describe(event),
        )
        for event in traces.events
    )
    return Table(("No.", "When", "Event", "Details"), rows)
