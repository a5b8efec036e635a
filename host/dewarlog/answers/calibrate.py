"""What the command of calibration says, in words and as data.

Beside answers: takes what calibrate/course and calibrate/drift found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dewarlog import console, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dewarlog.calibrate.bath import Now, ProbeNow
    from dewarlog.calibrate.course import Done, ProbeOutcome
    from dewarlog.calibrate.drift import Due, Found
    from dewarlog.calibrate.file import CalibrationFile


def probe_list(channels: Sequence[int]) -> str:
    """Name probes as a person counts them: `probes 1, 2 and 3`."""
    numbers = [str(channel + 1) for channel in channels]
    if len(numbers) == 1:
        return f"probe {numbers[0]}"
    return f"probes {', '.join(numbers[:-1])} and {numbers[-1]}"


def probe_line(one: ProbeNow, now: Now) -> str:
    """Say how one probe is doing: value, slope, spread, and what is still wanting."""
    number = one.chain.channel + 1
    if one.degc is None:
        return f"  probe {number}: no reading"
    line = one.judgement.fit
    figures = ""
    if line is not None:
        figures = f"  slope {line.slope_k_per_min:+.3f} K/min  spread {line.spread_k:.3f} K"
    if one.ready:
        state = "at rest"
    elif one.judgement.settled:
        state = f"quiet, but not in a bath of {now.reference.degc:.1f} degC"
    else:
        state = {"slope": "moving", "spread": "unquiet"}.get(one.judgement.why, "begins")
    return f"  probe {number}: {one.degc:8.2f} degC{figures}  {state}"


def outcome_lines(one: ProbeOutcome) -> list[str]:
    """Say what one probe was found to be, and what it gets."""
    chain, made = one.chain, one.correction
    serial = words.plain(chain.serial) or "without a serial"
    lines = [f"Probe {chain.channel + 1} ({serial}, type {chain.probe_type})"]
    names = {"ice": "ice point", "ln2": "LN2 point"}
    lines += [
        f"  {names[point.point]}: should read {words.degc(point.reference_degc, 3)}, read "
        f"{words.degc(point.indicated_degc, 3)}: {kelvin(point.deviation_k)}, u {point.u_k:.3f} K"
        for point in one.points
    ]
    limit = words.degc(made.hold_limit_degc, 0)
    lines.append(
        f"  offset {kelvin(made.offset_degc)} (was {kelvin(chain.offset_degc)}); from liquid "
        f"nitrogen to {limit} u = {made.u_k:.3f} K"
    )
    if made.left_known:
        lines.append(f"  left at {limit}: {kelvin(made.left_k)}, by both points")
    else:
        lines.append("  not known without an ice point: what is left at the limit; u is larger")
    return lines


def kelvin(value: float) -> str:
    """Write a difference with its sign."""
    return f"{value:+.3f} K".replace("-", "\u2212")


def say_done(done: Done) -> None:
    """Print what became of a calibration."""
    file = done.file
    if file.applied is None:
        console.say("Not written to the logger; it is as it was.")
    else:
        console.say(
            f"Calibrated: {probe_list([one.channel for one in file.record.probes])}; due again "
            f"{file.record.due}. Logger {file.record.device_id} has it, and began run "
            f"{file.applied.run} with it."
        )
        for one in file.applied.verified:
            console.say(
                f"  probe {one.channel + 1} now reads {words.degc(one.read_degc, 2)}; expected "
                f"{words.degc(one.expected_degc, 2)}"
            )
    console.say(f"Kept: {words.plain(str(file.path))}")


def done_data(done: Done) -> dict[str, Any]:
    """Give what became of a calibration as data; its series is in the file."""
    return _file_data(done.file) | {
        "jumps": [
            {
                "probe": jump.after.channel + 1,
                "serial": jump.after.serial,
                "point": jump.after.point,
                "since": jump.before.at.isoformat(),
                "by_k": jump.by_k,
                "limit_k": jump.limit_k,
                "sentence": jump.sentence,
            }
            for jump in done.outcome.jumps
        ]
    }


def _file_data(file: CalibrationFile) -> dict[str, Any]:
    data = file.record.model_dump()
    del data["series"]  # it is in the file
    applied = None if file.applied is None else file.applied.model_dump()
    return data | {"file": str(file.path), "applied": applied}


def found_data(one: Found) -> dict[str, Any]:
    """Give one comparison as data."""
    return {
        "at": one.at.isoformat(),
        "device_id": one.device_id,
        "probe": one.channel + 1,
        "serial": one.serial,
        "point": one.point,
        "deviation_k": one.deviation_k,
        "u_k": one.u_k,
        "due": None if one.due is None else str(one.due),
        "applied": one.applied,
    }


def due_words(one: Due, days: int | None) -> str:
    """Say how long a calibration still holds."""
    if one.calibrated is None:
        return "NOT CALIBRATED"
    if days is None:
        return "no due date"
    if days == 0:
        return "DUE TODAY"
    return f"in {words.plural(days, 'day')}" if days > 0 else f"PAST DUE by {-days} d"
