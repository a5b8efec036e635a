"""Names and values of a report: shipment, coverage, clock, the log itself, agreement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dewarlog import words
from dewarlog.report.model import Fact
from dewarlog.report.moments import walls, when
from dewarlog_wire import layout

if TYPE_CHECKING:
    from pathlib import Path

    from dewarlog.checks.review import Review
    from dewarlog.records import Run

_DRIFT_LEAST_MS: Final = 3_600_000  # a shorter stretch tells nothing of a drift


def shipment(review: Review) -> tuple[Fact, ...]:
    """Name the shipment, the dewar and the logger."""
    run = review.run
    facts: list[Fact] = []
    if run is not None:
        names = {
            "shipment": "Shipment",
            "chain_of_identity": "Chain of identity",
            "dewar": "Dewar",
            "profile": "Profile",
            "board": "Board",
            "hardware": "Hardware revision",
            "account": "Account",
            "purchase_order": "Purchase order",
            "cost_centre": "Cost centre",
            "consignee": "Consignee",
        }
        facts += [
            Fact(label, text)
            for key, label in names.items()
            if (text := run.text(key)) is not None
        ]
        facts.append(Fact("Logger", run.device_id.hex(), mono=True))
        facts.append(Fact("Run", f"{run.run}, log {run.log_id.hex()}", mono=True))
        facts.append(Fact("Firmware", f"{run.firmware} on MicroPython {run.micropython}"))
        facts += _preparation(run)
    facts.append(Fact("Recorded from", when(review, review.first)))
    facts.append(Fact("to", when(review, review.last)))
    return tuple(facts)


def _preparation(run: Run) -> list[Fact]:
    """Say who began the run, for what plan, and what the profile allows after thaw."""
    facts: list[Fact] = []
    arming = run.arming
    if arming is not None:
        told = "" if arming.unix_s is None else f", {words.utc(arming.unix_s)} by that computer"
        facts.append(Fact("Begun by", f"{arming.actor or 'nobody named'}{told}"))
        plan = words.duration(arming.planned_s) if arming.planned_s else "no length told"
        if arming.charge_g:
            plan += f"; charge {arming.charge_g / 1000:.2f} kg of nitrogen"
        if arming.static_hold_s:
            plan += f", holds {words.duration(arming.static_hold_s)} at rest"
        facts.append(Fact("Planned for", plan))
        if arming.overridden:
            facts.append(Fact("Begun over", ", ".join(arming.overridden_names)))
            facts.append(Fact("Reason given", arming.reason or "none"))
    if run.handling is not None and run.handling.thaw_to_infusion_min:
        minutes = run.handling.thaw_to_infusion_min
        facts.append(Fact("Thaw start to infusion", f"{words.duration(60 * minutes)} at most"))
    return facts


def coverage(review: Review) -> str:
    """Say how much of the run has samples."""
    covered = review.coverage
    if covered.samples == 0:
        return "No samples were recorded."
    # Rounded down: 99.996 % is not all.
    percent = int(covered.share * 10_000) / 100
    whole = words.duration(covered.recorded_s + covered.missing_s)
    interval = words.duration(covered.interval_ms / 1000)
    text = (
        f"{percent:.2f} % of {whole} is covered by {covered.samples:,} samples, "
        f"one every {interval}."
    )
    if covered.unknown_gaps:
        text += f" {words.plural(covered.unknown_gaps, 'gap')} of unknown length not counted."
    if covered.restarts:
        text += f" The logger restarted {words.plural(covered.restarts, 'time')}."
    return text


def clock(review: Review) -> tuple[Fact, ...]:
    """Say what the clock was worth."""
    fitted = review.clock
    if not fitted.knows_time:
        return (Fact("Wall clock", "none: durations only"),)
    rows: list[Fact] = []
    bounds = [wall.error_s for wall in walls(review)]
    if bounds:
        rows.append(Fact("Time error, at the worst", f"\u00b1{words.error_bound(max(bounds))}"))
    for fit in fitted.fits:
        if fit.frame < 0 or fit.last_ms - fit.first_ms < _DRIFT_LEAST_MS:
            continue
        middle, half = fit.drift_ppm
        rows.append(
            Fact(
                f"Uptime against clock chip, start {fit.boot + 1}",
                f"{middle:+.0f} \u00b1{half:.0f} ppm over "
                f"{words.duration((fit.last_ms - fit.first_ms) / 1000)}, "
                f"{words.plural(fit.readings, 'reading')}".replace("-", "\u2212"),
            )
        )
    for sync in fitted.syncs:
        offset = "the clock had no time before"
        if sync.offset_s is not None:
            low, high = sync.offset_s
            offset = f"clock chip was {(low + high) / 2:+.1f} \u00b1{(high - low) / 2:.1f} s off"
        rows.append(
            Fact(f"Set by a computer at {words.utc(sync.unix_s)}", offset.replace("-", "\u2212"))
        )
    if not fitted.syncs:
        rows.append(Fact("Compared with a computer", "not in this run; its setting is trusted"))
    return tuple(rows)


def integrity(path: Path, review: Review) -> tuple[Fact, ...]:
    """Say what file this is and what its bytes prove."""
    proved = review.integrity
    facts = [
        Fact("File", path.name),
        Fact("Size", f"{review.size_bytes:,} bytes, {words.plural(proved.blocks, 'block')}"),
        Fact("SHA-256 of the file", review.sha256, mono=True),
        Fact("Chain after the last block", proved.last_chain.hex(), mono=True),
        Fact(
            "CRC, chain, numbering",
            "all correct"
            if proved.first_bad is None
            else f"first fault: {proved.first_bad.message}",
        ),
    ]
    if proved.lost_bytes:
        facts.append(Fact("Not readable", words.plural(proved.lost_bytes, "byte")))
    if proved.journal_samples:
        facts.append(
            Fact("Not yet sealed", f"{words.plural(proved.journal_samples, 'sample')} at the end")
        )
    facts.append(Fact("Ends with", "the logger's own stop" if proved.stopped else "the pull"))
    return tuple(facts)


def agreement(review: Review) -> str:
    """Say whether board and host agree on excursions and readings."""
    told, lines = review.agreement, review.linearisation
    parts: list[str] = []
    if told.disagreements == 0:
        parts.append(
            "Every excursion was computed again from the readings: "
            + (
                f"the logger's {words.plural(told.compared, 'excursion record')} agree."
                if told.compared
                else "there is none, and the logger recorded none."
            )
        )
    else:
        parts.append(
            f"{words.plural(told.disagreements, 'difference')} between the logger's "
            "excursions and those computed again from its readings."
        )
    if told.compared_before is not None:
        parts.append(
            f"Compared up to sample {told.compared_before:,} only: behind it the log is damaged."
        )
    if lines.compared:
        kelvin = lines.worst_counts / layout.TEMPERATURE_PER_DEGC
        parts.append(
            f"{words.plural(lines.compared, 'reading')} computed again from raw voltage and cold "
            f"junction by ITS-90; the largest difference is {kelvin:.3f} K."
        )
    return " ".join(parts)
