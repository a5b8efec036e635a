"""Was each probe within its calibration for the whole trip?

An expired calibration is the most common finding of a transport audit, and its figure no longer
counts: the probe's uncertainty falls back to the tolerance of its wire (uncertainty.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog import words
from dewarlog.checks.finding import Finding, Severity

if TYPE_CHECKING:
    from dewarlog.records import Channel, Run


def counts_until(channel: Channel, trip_end_unix_s: float | None) -> bool:
    """Say whether a probe's calibration may be counted on for a trip that ended then."""
    if channel.calibrated_unix_s is None:
        return False
    due = channel.calibration_due_unix_s
    return due is None or trip_end_unix_s is None or trip_end_unix_s <= due


def check_calibration(run: Run, trip_end_unix_s: float | None) -> tuple[Finding, ...]:
    """Judge every fitted probe; `trip_end_unix_s` is None where no clock told the time."""
    findings: list[Finding] = []
    for channel in run.channels:
        due = channel.calibration_due_unix_s
        if channel.calibrated_unix_s is None:
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
                    "used instead.",
                    {"due_unix_s": due},
                    channel=channel.channel,
                )
            )
    return tuple(findings)
