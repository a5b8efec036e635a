"""What `flash` answers: what is on a board, what changes, and how the logger is after it.

Apart from cli/flash.py, which asks for it, and from console.py, which knows how to print safely.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dewarlog import console, words
from dewarlog.answers import status_data, status_words
from dewarlog.flash import plan as plans
from dewarlog.words import byte_count

if TYPE_CHECKING:
    from dewarlog.flash.flasher import Outcome, Seen
    from dewarlog.flash.logger import Running

# How a logger is: the rows of `status` that tell of its health.
_HEALTH = ("Logger", "State", "Run", "Clock", "Not yet pulled", "Free memory", "Supply", "Access")


def flash_data(outcome: Outcome) -> dict[str, Any]:
    """Give all of it as data."""
    data: dict[str, Any] = {
        "port": outcome.port,
        "firmware": outcome.firmware,
        "was_recording": outcome.before.running is not None
        and outcome.before.running.status.recording,
        "sent_bytes": outcome.sent_bytes,
        "seconds": round(outcome.seconds, 2),
        "erased": None if outcome.erased is None else asdict(outcome.erased),
        "before": _running_data(outcome.before.running),
        "after": _running_data(outcome.after),
        "board": None,
    }
    if outcome.seen is not None:
        data |= _seen_data(outcome.seen)
    return data


def _seen_data(seen: Seen) -> dict[str, Any]:
    plan = seen.plan
    return {
        "board": seen.board.name,
        "machine": seen.identity.machine,
        "micropython": seen.identity.version_name,
        "built_in": seen.looked.built_in or None,
        "goes_on": plan.goes_on,
        "files": [asdict(entry) for entry in plan.states],
        "other_files": [asdict(entry) for entry in seen.looked.others],
        "written": len(plan.scripts) + len(plan.written),
        "written_bytes": plan.written_bytes,
        "removed": len(plan.removed),
        "needed_bytes": plan.needed_bytes,
        "free_bytes": plan.free_bytes,
        "calibration_overdue": [
            {"channel": entry.channel, "serial": entry.serial, "due": entry.due.isoformat()}
            for entry in seen.calibrations.overdue
        ],
        "problems": [
            {"error": type(problem).__name__, "message": str(problem)} for problem in seen.problems
        ],
    }


def _running_data(running: Running | None) -> dict[str, Any] | None:
    if running is None:
        return None
    return {
        "status": status_data(running.board, running.status),
        "live": None if running.live is None else asdict(running.live),
    }


def say_list(outcome: Outcome, *, whole: bool) -> None:
    """Print what is on the board and what a flash would change; `whole`: every file of it."""
    seen = outcome.seen
    if seen is None:
        _say_recording(outcome)
        return
    _say_board(outcome, seen)
    shown = [entry for entry in seen.plan.states if whole or entry.state != plans.SAME]
    if shown:
        console.say()
        console.say_table(
            ("File", "State", "On the board", "Firmware"),
            [
                (entry.place, entry.state, _size(entry.on_board_bytes), _size(entry.wanted_bytes))
                for entry in shown
            ],
        )
    if whole and seen.looked.others:
        console.say()
        console.say_table(
            ("Left as it is", "Files", "Size"),
            [
                (other.place, str(other.files), _size(other.size_bytes))
                for other in seen.looked.others
            ],
        )
    console.say()
    console.say(_plan_words(seen))
    for problem in seen.problems:
        console.say(console.wrapped(f"A flash refuses: {problem}", "  "))
    if outcome.after is not None:
        console.say("The logger was stopped for this look, and runs again.")


def _say_recording(outcome: Outcome) -> None:
    """Say what a logger that records tells without being stopped."""
    running = outcome.before.running
    if running is None:
        return
    for name, value in _running_rows(running):
        console.say(f"{name + ':':<18}{value}")
    console.say(f"{'Firmware here:':<18}{outcome.firmware or 'of unknown version'}")
    console.say()
    console.say(
        console.wrapped(
            "It is recording, and its files can be looked at from its prompt alone, which stops "
            "it for some seconds: a gap in its log. With --stop-logger it is stopped, looked at "
            "and started again.",
            "",
        )
    )


def say_flash(outcome: Outcome) -> None:
    """Print what was done, and how the logger is now."""
    seen = outcome.seen
    if seen is None:
        return
    _say_board(outcome, seen)
    if outcome.erased is not None:
        console.say(f"Log erased: {words.plural(outcome.erased.erased, 'run')}.")
    plan = seen.plan
    took = f"{words.duration(outcome.seconds)}, {byte_count(outcome.sent_bytes)} sent"
    if plan.has_changes:
        count = len(plan.scripts) + len(plan.written)
        removed = f", {len(plan.removed)} removed" if plan.removed else ""
        console.say(
            f"Written: {words.plural(count, 'file')}, {byte_count(plan.written_bytes)}{removed}; "
            f"verified ({took})"
        )
    else:
        console.say(f"Nothing to write: the board holds this firmware already ({took}).")
    if outcome.after is not None:
        console.say()
        for name, value in _running_rows(outcome.after):
            console.say(f"{name + ':':<18}{value}")
        if not outcome.after.status.recording:
            console.warn("note: the logger runs, and does not record.")


def _say_board(outcome: Outcome, seen: Seen) -> None:
    machine, version = seen.identity.machine, seen.identity.version_name
    console.say(words.plain(f"Board: {seen.board.name} ({machine}), MicroPython {version}"))
    console.say(f"Firmware here: {outcome.firmware or 'of unknown version'}")
    if seen.looked.built_in:
        built_in = seen.looked.built_in
        console.say(
            console.wrapped(
                f"Its image carries firmware {built_in} too: modules on the flash go before the "
                "image's, which keeps its own boot.py and main.py if it has them.",
                "",
            )
        )
    if seen.plan.goes_on:
        console.say("An earlier flash of this board was cut; this one completes it.")
    for entry in seen.calibrations.overdue:
        console.warn(f"note: the calibration of {entry.name}, is past due.")


def _plan_words(seen: Seen) -> str:
    plan = seen.plan
    if not plan.has_changes:
        return "A flash would change nothing: the board holds this firmware."
    counts = [(plan.count(state), state) for state in (plans.NEW, plans.CHANGED, plans.DAMAGED)]
    parts = [f"{count} {state}" for count, state in counts if count]
    if plan.removed:
        parts.append(f"{len(plan.removed)} {plans.OLD}")
    return (
        f"A flash would write {byte_count(plan.written_bytes)} ({', '.join(parts) or 'no file'}); "
        f"{byte_count(plan.free_bytes)} are free."
    )


def _running_rows(running: Running) -> list[tuple[str, str]]:
    rows = [row for row in status_words(running.board, running.status) if row[0] in _HEALTH]
    figures = running.live
    if figures is not None:
        on = f"{figures.firmware} on MicroPython {figures.micropython}"
        heap = f"{byte_count(figures.heap_free_bytes)}, {byte_count(figures.heap_low_bytes)} least"
        rows.insert(1, ("Firmware", on))
        rows.append(("Free heap", heap))
    return rows


def _size(count: int | None) -> str:
    return "" if count is None else byte_count(count)
