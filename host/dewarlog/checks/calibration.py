"""Was each probe within its calibration for the whole trip?

An expired calibration is the most common finding of a transport audit, and its figure no longer
counts: the probe's uncertainty falls back to the tolerance of its wire (uncertainty.py). Nor does
that of a probe that was changed since: its points name another serial (protocol/SPEC.md 4.7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog import words
from dewarlog.checks.finding import Finding, Severity
from dewarlog.records import named
from dewarlog_wire import layout

if TYPE_CHECKING:
    from dewarlog.records import Channel, Run


def counts_until(channel: Channel, trip_end_unix_s: float | None) -> bool:
    """Say whether a probe's calibration may be counted on for a trip that ended then."""
    if channel.calibrated_unix_s is None:
        return False
    due = channel.calibration_due_unix_s
    return due is None or trip_end_unix_s is None or trip_end_unix_s <= due


def foreign_serials(run: Run, channel: Channel) -> tuple[str, ...]:
    """Name the other probes that points of this channel's calibration were taken with."""
    serials = (point.serial for point in run.calibrations_of(channel.channel))
    return tuple(dict.fromkeys(serial for serial in serials if serial != channel.serial))


def is_void(run: Run, channel: Channel) -> bool:
    """Say whether a calibration is another probe's, so that it says nothing of this one."""
    return bool(foreign_serials(run, channel))


def check_calibration(run: Run, trip_end_unix_s: float | None) -> tuple[Finding, ...]:
    """Judge every fitted probe; `trip_end_unix_s` is None where no clock told the time."""
    findings: list[Finding] = []
    for channel in run.channels:
        due = channel.calibration_due_unix_s
        if is_void(run, channel):
            findings.append(_other_probe(run, channel))
        elif channel.calibrated_unix_s is None:
            findings.append(
                Finding(
                    "calibration",
                    Severity.INFO,
                    "never-calibrated",
                    f"Probe {channel.channel + 1} was never calibrated: its readings carry the "
                    "full tolerance of its wire (IEC 60584-1 class 3).",
                    channel=channel.channel,
                )
            )
        elif due is not None and trip_end_unix_s is None:
            findings.append(
                Finding(
                    "calibration",
                    Severity.WARN,
                    "calibration-unknown",
                    f"Probe {channel.channel + 1}: calibration was due on "
                    f"{words.utc(due)[:10]}; no clock tells whether the trip was before that.",
                    channel=channel.channel,
                )
            )
        elif due is not None and not counts_until(channel, trip_end_unix_s):
            findings.append(
                Finding(
                    "calibration",
                    Severity.WARN,
                    "calibration-expired",
                    f"Probe {channel.channel + 1}: calibration was due on "
                    f"{words.utc(due)[:10]}, before the trip ended. The tolerance of its wire is "
                    f"used instead.{_policy(run)}",
                    {"due_unix_s": due, **_policy_evidence(run)},
                    channel=channel.channel,
                )
            )
    return tuple(findings)


def _policy(run: Run) -> str:
    """Say what the profile asks past a due date, where it asks for more than a warning."""
    if run.handling is None or not run.handling.refuses_overdue:
        return ""
    return " The profile asks that no run be made past that date."


def _policy_evidence(run: Run) -> dict[str, str]:
    if run.handling is None:
        return {}
    return {"policy": named(layout.CALIBRATION_POLICY_NAMES, run.handling.calibration_policy)}


def _other_probe(run: Run, channel: Channel) -> Finding:
    others = [
        words.plain(serial) or "without a serial" for serial in foreign_serials(run, channel)
    ]
    fitted = words.plain(channel.serial) or "without a serial"
    text = (
        f"Probe {channel.channel + 1} ({fitted}) carries the calibration of another probe "
        f"({', '.join(others)}): it says nothing of this one. The tolerance of its wire is used "
        "instead"
    )
    if channel.offset_count:
        offset_k = f"{channel.offset_count / layout.TEMPERATURE_PER_DEGC:+.2f} K"
        text += f", and the offset of {offset_k.replace('-', chr(0x2212))} counts as an error"
    return Finding(
        "calibration",
        Severity.WARN,
        "calibration-other-probe",
        f"{text}.",
        {"serial": channel.serial, "calibrated": ", ".join(foreign_serials(run, channel))},
        channel=channel.channel,
    )
