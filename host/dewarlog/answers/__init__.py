"""What the commands answer: a verdict, a pull, the state of a board, in words and as data.

Apart from the commands, which ask for it, and from console.py, which knows how to print safely.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dewarlog import console, words
from dewarlog.records import named, unix_s_of
from dewarlog_wire import layout

if TYPE_CHECKING:
    from pathlib import Path

    from dewarlog.bench.requests import Live
    from dewarlog.calibrate.file import Joined
    from dewarlog.checks.audit import Audit
    from dewarlog.checks.review import Review
    from dewarlog.journey import Journey
    from dewarlog.merge import MergedLog
    from dewarlog.pull import Disagreement, FiledLog, PullResult
    from dewarlog.replies import Board, Status
    from dewarlog.verdict import Reason, Verdict


def say_verdict(review: Review, verdict: Verdict, *, audit: bool = False) -> None:
    """Print a verdict with every reason; with `audit`, everything that was done, and by whom."""
    console.say()
    badge = console.styled(f" {verdict.word} ", verdict.word)
    console.say(f"  {badge}")
    console.say()
    console.say(console.wrapped(verdict.sentence, "  "))
    console.say()
    for number, step in enumerate(verdict.steps, start=1):
        console.say(console.wrapped(step, "     ", f"  {number}. "))
    if verdict.contact:
        console.say(console.wrapped(f"{verdict.call_label}: {verdict.contact}", "     "))
    _say_reasons("Why", verdict.reasons)
    _say_reasons("Also noted", verdict.notes)
    _say_handoffs(review)
    _say_audit(review, whole=audit)
    console.say()
    coverage = review.coverage
    console.say(
        f"  {words.plain(review.path.name)}: {review.size_bytes:,} bytes, "
        f"{words.plural(coverage.samples, 'sample')}, {words.plural(review.events, 'event')}"
    )
    console.say(f"  SHA-256 {review.sha256}")
    console.say(f"  Everything in one page: dewarlog report {words.plain(str(review.path))}")


def say_journey(journey: Journey) -> None:
    """Print the verdict of every run of a journey, the newest last, and which one decides."""
    for run in journey.earlier:
        console.say()
        console.say(f"Run {run.run_name} of this journey, which ended before the newest began:")
        say_verdict(run.review, run.verdict)
    if journey.earlier:
        console.say()
        console.say(f"Run {journey.newest.run_name}, the newest:")
    say_verdict(journey.newest.review, journey.newest.verdict)
    if journey.gravest is not journey.newest:
        run, word = journey.gravest.run_name, journey.gravest.verdict.word
        console.say()
        console.say(f"The journey: {console.styled(f' {word} ', word)} for run {run}, above.")


def journey_data(journey: Journey) -> dict[str, Any]:
    """Give the newest run's check, those before it, and the word that decides, as data."""
    from dewarlog.report.as_json import as_json  # noqa: PLC0415 - only where it is asked for

    return {
        "check": as_json(journey.newest.review, journey.newest.verdict),
        "earlier_checks": [as_json(run.review, run.verdict) for run in journey.earlier],
        "journey_verdict": journey.gravest.verdict.word,
    }


def _say_reasons(title: str, reasons: tuple[Reason, ...]) -> None:
    if not reasons:
        return
    console.say()
    console.say(f"  {console.styled(title, 'strong')}")
    for reason in reasons:
        console.say(console.wrapped(reason.finding.message, "    ", "  - "))
        if reason.when:
            console.say(console.styled(console.wrapped(reason.when, "    "), "soft"))


def _say_handoffs(review: Review) -> None:
    """Print who had the dewar from when on, and whether what was checked then is this log."""
    from dewarlog.report.custody import custody_steps  # noqa: PLC0415 - a pull needs no report

    steps = [step for step in custody_steps(review) if step.step == "handoff"]
    if steps:
        console.say()
        console.say(f"  {console.styled('Handed over', 'strong')}")
    for step in steps:
        console.say(console.wrapped(f"{step.actor}, {step.place}", "    ", "  - "))
        console.say(
            console.styled(
                console.wrapped(
                    "; ".join(part for part in (step.when, step.note) if part), "    "
                ),
                "soft",
            )
        )


def _say_audit(review: Review, *, whole: bool) -> None:
    """Print who did what; without `whole`, how many entries of each kind there are."""
    from dewarlog.report import tables  # noqa: PLC0415 - a pull needs no report

    entries = review.audit.entries
    if not entries:
        return
    console.say()
    console.say(f"  {console.styled('Who did what', 'strong')}")
    if not whole:
        console.say(console.wrapped(f"{audit_words(review.audit)}. All of it: --audit", "    "))
        return
    for when, what, details, who in tables.audit(review, len(entries)).rows:
        console.say(console.wrapped(f"{what}: {details}" if details else what, "    ", "  - "))
        console.say(console.styled(console.wrapped(f"{when}; {who}", "    "), "soft"))


def audit_words(audit: Audit) -> str:
    """Count what was done and by how many: `4 x pull, 1 x clock set`."""
    return ", ".join(f"{count:,} x {name}" for name, count in audit.counts().items())


def say_pull(
    result: PullResult, only_run: int | None = None, *, checked_next: bool = False
) -> None:
    """Print what a pull brought, and what to do next unless it is done anyway.

    `only_run` is the run that was asked for.
    """
    rate = result.received_bytes / result.seconds if result.seconds > 0 else 0.0
    received, held = words.byte_count(result.received_bytes), words.byte_count(result.held_bytes)
    console.say(
        f"Logger {result.board.name}: {received} in {result.seconds:.1f} s "
        f"({words.byte_count(rate)}/s), {held} held already"
    )
    for log in result.logs:
        new = f"{words.byte_count(log.new_bytes)} new" if log.new_bytes else "nothing new"
        console.say(f"  run {log.run}: {log.size_bytes:,} bytes, {log.blocks:,} blocks, {new}")
        if log.problem is not None:
            console.warn(f"  its chain does not hold: {log.problem}")
        if log.disagrees is not None:
            console.warn(f"  {tampering(log, log.disagrees)}")
        if result.proven_by is not None and not log.proven:
            console.warn(
                "  note: parts of it came before, not proven, and the logger no longer has them"
            )
    if result.proven_by is not None:
        console.say(f"  proven by the {result.proven_by}")
    notes = (
        result.clock_not_set,
        result.not_sealed,
        result.not_confirmed,
        result.not_proven and f"not proven: {result.not_proven}",
        result.not_signed and f"not signed: {result.not_signed}",
    )
    for note in notes:
        if note is not None:
            console.warn(f"  note: {note}")
    if not result.logs:
        if only_run is None:
            console.say("The logger holds no log.")
        else:
            console.say(f"The logger holds no run {only_run}. Without --run, every run is pulled.")
    elif not checked_next:
        console.say(f"Next: dewarlog check {words.plain(str(result.logs[-1].path))}")


def tampering(log: FiledLog, disagrees: Disagreement) -> str:
    """Say that two copies of one log cannot both be what the logger recorded."""
    return (
        f"TAMPERING: logger {log.device_id.hex()}, run {log.run}: block {disagrees.block} is not "
        f"the one held before. One of the two copies was changed. Both are kept: {log.path} and "
        f"{disagrees.path}. Do not use the product until somebody has looked into it."
    )


def tampering_data(disagrees: Disagreement | None) -> dict[str, Any] | None:
    """Give the same as data; None where there is none."""
    if disagrees is None:
        return None
    return {"other_path": str(disagrees.path), "block": disagrees.block}


def say_merge(merged: list[MergedLog], joined: Joined | None = None) -> None:
    """Print what another archive brought."""
    if joined is not None:
        new = words.plural(joined.new, "new calibration") if joined.new else "nothing new"
        console.say(f"calibrations: {new}")
        for damage in joined.damage:
            console.warn(f"left where it is: {damage}")
    for log in merged:
        if log.filed is None:
            console.warn(f"left where it is: {log.damage}")
            continue
        new = (
            f"{words.byte_count(log.filed.new_bytes)} new"
            if log.filed.new_bytes
            else "nothing new"
        )
        receipts = f", {words.plural(log.receipts, 'new receipt')}" if log.receipts else ""
        console.say(f"logger {log.filed.device_id.hex()}, run {log.filed.run}: {new}{receipts}")
        if log.disagrees is not None:
            console.warn(f"  {tampering(log.filed, log.disagrees)}")


def merge_data(
    root: Path, merged: list[MergedLog], joined: Joined | None = None
) -> dict[str, Any]:
    """Give what another archive brought as data."""
    return {
        "root": str(root),
        "calibrations": None
        if joined is None
        else {"new": joined.new, "damage": list(joined.damage)},
        "merged": [
            {
                "source": str(log.source),
                "log": None if log.filed is None else log_data(log.filed),
                "receipts": log.receipts,
                "damage": log.damage,
                "tampering": tampering_data(log.disagrees),
            }
            for log in merged
        ],
    }


def log_data(log: FiledLog) -> dict[str, Any]:
    """Give one filed log as data."""
    return {
        "path": str(log.path),
        "device_id": log.device_id.hex(),
        "run": log.run,
        "log_id": log.log_id.hex(),
        "size_bytes": log.size_bytes,
        "new_bytes": log.new_bytes,
        "sha256": log.sha256.hex(),
        "blocks": log.blocks,
        "chain": log.chain.hex(),
        "problem": log.problem,
        "superseded": [str(path) for path in log.superseded],
        "proven": log.proven,
        "tampering": tampering_data(log.disagrees),
    }


def pull_data(result: PullResult) -> dict[str, Any]:
    """Give what a pull brought as data."""
    return {
        "device_id": result.board.name,
        "received_bytes": result.received_bytes,
        "held_bytes": result.held_bytes,
        "seconds": round(result.seconds, 3),
        "not_sealed": result.not_sealed,
        "not_confirmed": result.not_confirmed,
        "clock_not_set": result.clock_not_set,
        "proven_by": result.proven_by,
        "not_proven": result.not_proven,
        "signed": result.signed is not None,
        "not_signed": result.not_signed,
        "logs": [log_data(log) for log in result.logs],
    }


def status_data(board: Board, now: Status) -> dict[str, Any]:
    """Give the state of a board as data."""
    return {
        "device_id": board.name,
        "recording": now.recording,
        "locked": now.locked,
        "claimed": now.claimed,
        "acknowledged": now.acknowledged,
        "readings_degc": [
            code / layout.TEMPERATURE_PER_DEGC if code >= layout.READING_MIN else None
            for code in now.readings
        ],
        **asdict(now),
    }


def software_data(live: Live | None) -> dict[str, Any]:
    """Give the versions a board runs as data; None where it does not tell them."""
    return {
        "firmware": None if live is None else live.firmware,
        "micropython": None if live is None else live.micropython,
    }


def status_words(board: Board, now: Status) -> list[tuple[str, str]]:
    """Give the state of a board as names and values."""
    rows = [
        ("Logger", board.name),
        ("State", _state_words(now.state)),
        ("Run", f"{now.run}; start {now.boot + 1} was {words.duration(now.uptime_s)} ago"),
    ]
    for channel, code in enumerate(now.readings):
        state = layout.state_of(code)
        if state == layout.STATE_ABSENT:
            continue
        value = words.degc(code / layout.TEMPERATURE_PER_DEGC, 2)
        if state != layout.STATE_OK:
            value = named(layout.STATE_NAMES, state)
        rows.append((f"Probe {channel + 1}", value))
    if now.cold_junction >= layout.READING_MIN:
        cold = now.cold_junction / layout.COLD_JUNCTION_PER_DEGC
        rows.append(("Cold junction", words.degc(cold)))
    counts = ((now.samples, "sample"), (now.events, "event"), (now.blocks, "block"))
    recorded = [words.plural(count, noun) for count, noun in counts]
    unix_s = unix_s_of(now.utc_s)
    clock = "none"
    if unix_s is not None and now.clock_state == layout.CLOCK_OK:
        offset = f"{unix_s - time.time():+.0f} s".replace("-", "\u2212")
        clock = f"{words.utc(unix_s)}, {offset} from this computer's"
    rows += [
        ("Clock", clock),
        ("Interval", words.duration(now.interval_ms / 1000)),
        ("Recorded", ", ".join(recorded)),
        ("Not yet pulled", words.byte_count(now.backlog_bytes)),
        ("Free memory", words.byte_count(now.free_bytes)),
        ("Supply", f"{now.supply_mv / 1000:.2f} V"),
    ]
    rows += _access_rows(board, now)
    if now.ring_dropped:
        rows.append(("Lost in the ring", words.plural(now.ring_dropped, "slot")))
    return rows


def _access_rows(board: Board, now: Status) -> list[tuple[str, str]]:
    """Say who may do what with the board, and whether it seals."""
    if now.locked:
        access = "locked: keys or a token are asked for, and its console is closed"
    elif board.features & layout.FEATURE_AUTH:
        claimed = "claimed" if now.claimed else "claimed by nobody"
        access = f"OPEN ({claimed}): whoever holds it can change it; `dewarlog lock`"
    else:
        access = "open: its firmware knows no keys"
    rows = [("Access", access)]
    if now.failures:
        count = "65,535 or more" if now.failures == 0xFFFF else f"{now.failures:,}"
        rows.append(("Proofs refused", f"{count} since the last that held; its log names each"))
    seals = f"by key {now.key_index:,} next" if now.key_index else "not by a key"
    rows.append(("Seals", seals))
    return rows


def _state_words(state: int) -> str:
    names = (
        (layout.STATUS_EXCURSION, "EXCURSION"),
        (layout.STATUS_HELD, "HOLD: a limit was passed in this run"),
        (layout.STATUS_WARNING, "warning: a reading is beyond a limit that warns"),
        (layout.STATUS_FAULT, "a probe or part has failed"),
        (layout.STATUS_CLOCK_UNSET, "clock not set"),
        (layout.STATUS_LOW_SUPPLY, "supply low"),
        (layout.STATUS_MEMORY_FULL, "memory full"),
    )
    parts = ["recording" if state & layout.STATUS_RECORDING else "not recording"]
    return ", ".join(parts + [name for bit, name in names if state & bit])
