"""The tables of a report: excursions, shocks, tilt, gaps, probes, events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dewarlog import its90, words
from dewarlog.checks.calibration import counts_until, is_void
from dewarlog.checks.finding import Moment
from dewarlog.checks.limits import probe_name, rule_words, value_words
from dewarlog.checks.selftest import self_tests
from dewarlog.records import SelfTestResult
from dewarlog.report.event_words import describe, describe_entry
from dewarlog.report.model import ShockCard, Table, TiltShare
from dewarlog.report.moments import when
from dewarlog.report.shock_plot import shock_svg
from dewarlog_wire import layout

if TYPE_CHECKING:
    from dewarlog.checks.excursion_machine import Excursion
    from dewarlog.checks.review import Review
    from dewarlog.checks.shock import Shock
    from dewarlog.report.traces import Traces

# A page of more is no page any more; a log of a year has a few hundred.
AUDIT_MAX: Final = 2000


def excursions(review: Review) -> Table:
    """List every excursion, those that mean HOLD first."""
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
                when(review, item.onset_at, bound=True),
                "still open" if item.end_at is None else when(review, item.end_at, bound=True),
                words.duration(item.duration_ms / 1000),
                extreme,
            )
        )
    return Table(("Probe", "Was", "Means", "From", "To", "Time beyond", "Extreme"), tuple(rows))


def _holds(review: Review, item: Excursion) -> bool:
    rule = None if review.run is None else review.run.rule(item.rule)
    return rule is not None and rule.holds


def shocks(review: Review) -> Table:
    """List every shock, with what is missing of it."""
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
                when(review, shock.at),
                f"{shock.peak_g:.1f} g",
                f"{shock.duration_ms:.1f} ms",
                f"{shock.velocity_change_mm_s / 1000:.2f} m/s",
                f"{shock.band}{', HOLD' if shock.holds else ''}",
                ", ".join(flags),
            )
        )
    heads = ("Shock", "When", "Peak", "Duration", "Velocity change", "Band", "Remarks")
    return Table(heads, tuple(rows))


def shock_cards(review: Review, traces: Traces) -> tuple[ShockCard, ...]:
    """Show the hardest shocks as small pictures."""
    by_number = {shock.number: shock for shock in review.shocks}
    cards: list[ShockCard] = []
    for window in traces.shocks:
        shock = by_number.get(window.shock)
        if shock is None:
            continue
        detail = _shock_words(shock)
        word = "HOLD \u00b7 " if shock.holds else ""
        title = f"Shock {shock.number} \u00b7 {word}{when(review, shock.at)}"
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


def tilt(review: Review) -> tuple[TiltShare, ...]:
    """Give the time in each band of tilt."""
    tilt = review.tilt
    if tilt is None:
        return ()
    total = max(1, sum(tilt.band_s))
    return tuple(
        TiltShare(band, tilt.band_name(band), words.duration(seconds), 100 * seconds / total)
        for band, seconds in enumerate(tilt.band_s)
    )


def tilt_stays(review: Review) -> Table:
    """List every stay away from upright."""
    tilt = review.tilt
    rows = (
        ()
        if tilt is None
        else tuple(
            (
                tilt.band_name(stay.band),
                when(review, stay.start),
                when(review, stay.end),
                words.duration(stay.duration_s),
                f"{stay.most_deg}\u00b0",
            )
            for stay in tilt.stays
        )
    )
    return Table(("From upright", "From", "To", "Time", "Most"), rows)


def gaps(review: Review) -> Table:
    """List every gap with its cause."""
    rows = tuple(
        (
            gap.cause if gap.boot_cause is None else f"{gap.cause} (restart: {gap.boot_cause})",
            when(review, gap.start, bound=True),
            when(review, gap.end, bound=True),
            "unknown" if gap.length_s is None else words.duration(gap.length_s),
            "yes" if gap.told else "no",
        )
        for gap in review.coverage.gaps
    )
    return Table(("Cause", "Last reading before", "First after", "Length", "Told by logger"), rows)


def probes(review: Review) -> Table:
    """Sum up each probe over the whole run, and its calibration."""
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
                if run is not None and is_void(run, settings):
                    calibration += " (another probe\u2019s)"
                offset = settings.offset_count / per_degc
                calibration += f", offset {offset:+.2f} K".replace("-", "\u2212")
        rows.append(
            (
                probe_name(run, item.channel),
                kind,
                words.degc(item.low_count / per_degc),
                words.degc(item.mean_degc),
                words.degc(item.high_count / per_degc),
                when(review, item.high_at),
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


def calibration(review: Review) -> Table:
    """List each point at which a probe was compared, with what, and until when it counts."""
    run = review.run
    rows: list[tuple[str, ...]] = []
    for item in () if run is None else run.calibrations:
        channel = None if run is None else run.channel(item.channel)
        due = None if channel is None else channel.calibration_due_unix_s
        pressure = f" at {item.pressure_pa / 100:.1f} hPa" if item.pressure_pa else ""
        deviation = f"{item.deviation_count / layout.TEMPERATURE_PER_DEGC:+.3f} K"
        serial = item.serial or "no serial"
        if channel is None or channel.serial != item.serial:
            serial += " (another probe)"
        rows.append(
            (
                probe_name(run, item.channel),
                serial,
                f"{item.point_name}{pressure}",
                words.degc(item.reference_count / layout.TEMPERATURE_PER_DEGC, 2),
                deviation.replace("-", "\u2212"),
                f"{item.u_count / layout.TEMPERATURE_PER_DEGC:.3f} K",
                item.reference or "not told",
                "unknown" if item.unix_s is None else words.utc(item.unix_s)[:10],
                "not told" if due is None else words.utc(due)[:10],
            )
        )
    heads = (
        "Probe",
        "Serial",
        "Point",
        "Reference",
        "Read",
        "Standard uncertainty",
        "Compared with",
        "On",
        "Due",
    )
    return Table(heads, tuple(rows))


def uncertainty(review: Review) -> Table:
    """Give the uncertainty budget of each probe at each limit."""
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
                        f"{budget.wire_k:.2f} K {'calibration' if budget.calibrated else 'wire'}"
                        + (f", {budget.offset_k:.2f} K wrong offset" if budget.offset_k else ""),
                        f"{budget.cold_junction_k:.2f} K",
                        f"{budget.converter_k:.2f} K",
                    )
                )
    heads = ("Probe", "At", "Expanded (k = 2)", "Wire", "Cold junction", "Converter")
    return Table(heads, tuple(rows))


def audit(review: Review, most: int = AUDIT_MAX) -> Table:
    """List who did what, in order, with the bound of each time; at most `most` entries."""
    entries = review.audit.entries
    rows = tuple(
        (when(review, item.at, bound=True), item.event.NAME, describe_entry(item), item.who)
        for item in entries[:most]
    )
    if len(entries) > most:
        rows += (("\u2013", f"{len(entries) - most:,} more", "`dewarlog check --audit`", ""),)
    return Table(("When", "What", "Details", "Who"), rows)


def events(review: Review, traces: Traces) -> Table:
    """List every event, in order; a self-test whole, in one line."""
    tests = {test.results[0].number: test for test in self_tests(traces.events)}
    rows: list[tuple[str, ...]] = []
    for event in traces.events:
        number, said = f"{event.number:,}", describe(event)
        if isinstance(event, SelfTestResult):
            test = tests.get(event.number)
            if test is None:
                continue
            said = test.words
            if len(test.results) > 1:
                number += f"\u2013{test.results[-1].number:,}"
        rows.append((number, when(review, Moment(event.boot, event.uptime_ms)), event.NAME, said))
    return Table(("No.", "When", "Event", "Details"), tuple(rows))
