"""A report put together from a review and its verdict.

Reads the log once more, for its pictures and its list of events.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dewarlog.checks.finding import Severity
from dewarlog.report import facts, tables
from dewarlog.report.canvas import key_svg
from dewarlog.report.custody import custody_steps
from dewarlog.report.journey import closer_axes, picture_of
from dewarlog.report.model import Contact, Legend, Point, Report
from dewarlog.report.moments import time_note
from dewarlog.report.timeline import timeline_of
from dewarlog.report.traces import gather

if TYPE_CHECKING:
    from pathlib import Path

    from dewarlog.checks.review import Review
    from dewarlog.verdict import Reason, Verdict

# Checks and codes by which board and host say different things.
_DISAGREE: Final = frozenset(
    {"agreement", "linearisation", "shock-different", "probe-state-untold"}
)
_PHONE: Final = re.compile(r"\+?\d[\d\s().\u2011-]{5,}\d")
_TITLES: Final = {
    "integrity": "Log damaged",
    "handoff-head": "Another log",
    "pin-head": "Another log",
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
    "arming": "How it was begun",
    "thaw": "Thaw to infusion",
    "selftest": "Self-test",
    "agreement": "Logger and check disagree",
    "linearisation": "Reading not reproduced",
    "clock": "Clock",
    "calibration": "Calibration",
    "supply": "Logger",
    "audit": "Who did what",
    "not-yet-sealed": "Log",
    "still-recording": "Log",
    "no-sealing-key": "Log",
    "proof-not-checked": "Log",
    "unknown": "Log",
    "overwritten": "Memory full",
}


def build_report(path: Path, review: Review, verdict: Verdict) -> Report:
    """Put a report together; reads the log once more for its pictures."""
    axes = [timeline_of(review)]
    axes += closer_axes(review, axes[0])
    traces = gather(path, review, axes)
    pictures = [
        picture_of(review, axis, drawn) for axis, drawn in zip(axes, traces.pictures, strict=True)
    ]
    run = review.run
    excursions = tables.excursions(review)
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
        facts=facts.shipment(review),
        journey=pictures[0],
        closer=tuple(pictures[1:]),
        legend=tuple(
            Legend(key_svg(index), f"probe {trace.channel + 1}")
            for index, trace in enumerate(traces.pictures[0])
        ),
        axes_legend=tuple(Legend(key_svg(index), name) for index, name in enumerate("xyz")),
        has_holds=any(row[2] == "HOLD" for row in excursions.rows),
        has_warnings=any(row[2] != "HOLD" for row in excursions.rows),
        has_gaps=bool(review.coverage.gaps),
        has_outages=bool(review.outages),
        excursions=excursions,
        shock_cards=tables.shock_cards(review, traces),
        shocks=tables.shocks(review),
        tilt=tables.tilt(review),
        tilt_stays=tables.tilt_stays(review),
        custody=custody_steps(review),
        gaps=tables.gaps(review),
        coverage=facts.coverage(review),
        probes=tables.probes(review),
        calibration=tables.calibration(review),
        uncertainty=tables.uncertainty(review),
        clock=facts.clock(review),
        integrity=facts.integrity(path, review),
        agreement=facts.agreement(review),
        disagreements=tuple(
            _point(reason)
            for reason in (*verdict.reasons, *verdict.notes)
            if reason.finding.check in _DISAGREE or reason.finding.code in _DISAGREE
        ),
        audit=tables.audit(review),
        events=tables.events(review, traces),
        events_left_out=traces.events_left_out,
        time_note=time_note(review),
    )


def _point(reason: Reason) -> Point:
    finding = reason.finding
    title = _TITLES.get(finding.code) or _TITLES.get(finding.check, finding.check)
    decides = finding.severity in (Severity.HOLD, Severity.BROKEN)
    return Point(title, finding.message, reason.when, decides)


def _contact(text: str | None) -> Contact | None:
    if not text:
        return None
    found = _PHONE.search(text)
    if found is None:
        return Contact(text, "", "")
    return Contact(text[: found.start()], found.group(), text[found.end() :])


def _heading(path: Path, review: Review) -> str:
    run = review.run
    names = (
        ("Shipment", "shipment"),
        ("Chain of identity", "chain_of_identity"),
        ("Dewar", "dewar"),
    )
    parts = [
        f"{label} {text}" for label, name in names if run is not None and (text := run.text(name))
    ]
    return " \u00b7 ".join(parts) or path.name
