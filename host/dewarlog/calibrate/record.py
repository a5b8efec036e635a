"""What of a calibration goes into its file, and into the profile of the board.

In the bench: from course's outcome to calibration_file's keys and profile's. Pure.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dewarlog.calibrate.drift import NAME_OF_POINT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from dewarlog.calibrate.bath import Taken
    from dewarlog.calibrate.contribution import Contribution
    from dewarlog.calibrate.correction import PointResult
    from dewarlog.calibrate.course import Outcome, Plan, ProbeOutcome
    from dewarlog.calibrate.file import CalibrationFile
    from dewarlog.profile.model import Profile
    from dewarlog.replies import Board


def changed(profile: Profile, outcome: Outcome, file: CalibrationFile) -> Profile:
    """Give the profile with what was found in place of what was known before.

    The run that begins with it was not armed by anybody.
    """
    kept_as = file.record
    profile = profile.with_(arming=None)
    for found, kept in zip(outcome.probes, kept_as.probes, strict=True):
        profile = profile.with_channel(
            found.chain.channel,
            offset_degc=kept.offset_degc,
            calibration_u_degc=round(kept.u_k, 4),
            calibrated=kept_as.calibrated,
            calibration_due=kept_as.due,
            calibration=[
                {
                    "point": NAME_OF_POINT[point.point],
                    "reference_degc": round(point.reference_degc, 4),
                    "indicated_degc": round(point.indicated_degc, 4),
                    "u_degc": round(point.u_k, 4),
                    "pressure_hpa": None
                    if point.pressure_hpa is None
                    else round(point.pressure_hpa, 2),
                    "at": point.at,
                    "serial": kept.serial,
                    "reference": kept_as.reference,
                }
                for point in kept.points
            ],
        )
    return profile


def _lines(contributions: Sequence[Contribution]) -> list[dict[str, Any]]:
    return [asdict(line) for line in contributions]


def record(
    board: Board, plan: Plan, taken: Sequence[Taken], outcome: Outcome, at: datetime
) -> dict[str, Any]:
    """Give everything a calibration file holds, as CalibrationRecord names it."""
    return {
        "device_id": board.name,
        "run": outcome.run,
        "at": at,
        "actor": plan.actor,
        "reference": plan.reference,
        "pressure": plan.pressure,
        "valid_months": plan.valid_months,
        "calibrated": at.date(),
        "due": outcome.due,
        "thresholds": asdict(plan.patience.thresholds),
        "probes": [
            _probe_record(index, probe, taken) for index, probe in enumerate(outcome.probes)
        ],
        "series": [
            {
                "point": one.reference.point,
                "channels": tuple(probe.chain.channel for probe in outcome.probes),
                "rows": one.rows,
            }
            for one in taken
        ],
    }


def _probe_record(index: int, probe: ProbeOutcome, taken: Sequence[Taken]) -> dict[str, Any]:
    chain, made = probe.chain, probe.correction
    return {
        "channel": chain.channel,
        "probe_type": chain.probe_type,
        "serial": chain.serial,
        "offset_before_degc": chain.offset_degc,
        "points": [_point_record(one, one.results[index], index) for one in taken],
        "offset_degc": made.offset_degc,
        "u_k": made.u_k,
        "contributions": _lines(made.contributions),
        "hold_limit_degc": made.hold_limit_degc,
        "left_at_hold_limit_k": made.left_k,
        "left_is_known": made.left_known,
    }


def _point_record(one: Taken, result: PointResult, index: int) -> dict[str, Any]:
    line = one.fits[index]
    return {
        "point": result.point,
        "reference_degc": result.reference_degc,
        "indicated_degc": result.indicated_degc,
        "u_k": result.u_k,
        "contributions": _lines(result.contributions),
        "pressure_hpa": result.pressure_hpa,
        "at": one.at,
        "waited_s": one.waited_s,
        "readings": line.count,
        "window_s": line.length_s,
        "slope_k_per_min": line.slope_k_per_min,
        "slope_u_k_per_min": line.slope_u_k_per_min,
        "spread_k": line.spread_k,
    }
