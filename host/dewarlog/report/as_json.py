"""A review and its verdict as plain data for programs: `dewarlog check --json`.

Keys are stable; new ones may be added. Times are Unix seconds with their error bound in seconds,
null where no clock knew; temperatures are degC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dewarlog.checks.selftest_words import limit_words, name_of, unit_of, value_words
from dewarlog.records import HandoffEvent, named, unix_s_of
from dewarlog.report.event_words import describe_entry
from dewarlog_wire import layout

if TYPE_CHECKING:
    from dewarlog.checks.audit import AuditEntry
    from dewarlog.checks.finding import Moment
    from dewarlog.checks.review import Review
    from dewarlog.checks.selftest import SelfTest
    from dewarlog.records import Calibration, CustodyRecord, Run
    from dewarlog.verdict import Reason, Verdict


def as_json(review: Review, verdict: Verdict) -> dict[str, Any]:
    """Give everything a check found, ready for json.dumps."""
    run = review.run
    integrity, coverage = review.integrity, review.coverage
    return {
        "format": 1,
        "verdict": verdict.word,
        "intact": verdict.intact,
        "exit_code": int(verdict.exit_code),
        "sentence": verdict.sentence,
        "steps": list(verdict.steps),
        "contact": verdict.contact,
        "file": {
            "path": str(review.path),
            "size_bytes": review.size_bytes,
            "sha256": review.sha256,
            "blocks": integrity.blocks,
            "lost_bytes": integrity.lost_bytes,
            "chain": integrity.last_chain.hex(),
            "samples_not_sealed": integrity.journal_samples,
            "ends_with_stop": integrity.stopped,
        },
        "run": None
        if run is None
        else {
            "run": run.run,
            "device_id": run.device_id.hex(),
            "log_id": run.log_id.hex(),
            "firmware": run.firmware,
            "micropython": run.micropython,
            "texts": [{"name": name, "text": text} for name, text in run.texts],
            "handling": _handling(run),
            "arming": _arming(run),
            "calibrations": [_calibration(run, item) for item in run.calibrations],
        },
        "findings": [_finding(reason) for reason in (*verdict.reasons, *verdict.notes)],
        "coverage": {
            "samples": coverage.samples,
            "recorded_s": coverage.recorded_s,
            "missing_s": coverage.missing_s,
            "gaps_of_unknown_length": coverage.unknown_gaps,
            "share": coverage.share,
            "restarts": coverage.restarts,
            "interval_ms": coverage.interval_ms,
            "gaps": [
                {
                    "cause": gap.cause,
                    "told_by_board": gap.told,
                    "length_s": gap.length_s,
                    "start": _moment(review, gap.start),
                    "end": _moment(review, gap.end),
                }
                for gap in coverage.gaps
            ],
        },
        "excursions": [
            {
                "rule": item.rule,
                "channel": item.channel,
                "onset_sample": item.onset,
                "begin_sample": item.begin,
                "end_sample": item.end,
                "extreme": item.extreme,
                "extreme_sample": item.extreme_sample,
                "duration_s": item.duration_ms / 1000,
                "start": _moment(review, item.onset_at),
                "end": _moment(review, item.end_at),
            }
            for item in review.excursions
        ],
        "agreement": {
            "compared": review.agreement.compared,
            "disagreements": review.agreement.disagreements,
            "compared_before_sample": review.agreement.compared_before,
        },
        "linearisation": {
            "compared": review.linearisation.compared,
            "worst_k": review.linearisation.worst_counts / layout.TEMPERATURE_PER_DEGC,
        },
        "channels": [
            {
                "channel": item.channel,
                "readings": item.readings,
                "missing": item.missing,
                "low_degc": item.low_count / layout.TEMPERATURE_PER_DEGC,
                "mean_degc": round(item.mean_degc, 4),
                "high_degc": item.high_count / layout.TEMPERATURE_PER_DEGC,
                "high_at": _moment(review, item.high_at),
            }
            for item in review.channels
        ],
        "probe_states": [
            {
                "channel": item.channel,
                "state": item.state_name,
                "duration_s": item.duration_s,
                "first_sample": item.first_sample,
                "samples": item.count,
                "start": _moment(review, item.start),
                "end": _moment(review, item.end),
            }
            for item in review.outages
        ],
        "shocks": [
            {
                "shock": item.number,
                "at": _moment(review, item.at),
                "peak_g": round(item.peak_g, 3),
                "duration_ms": round(item.duration_ms, 3),
                "velocity_change_mm_s": round(item.velocity_change_mm_s, 1),
                "band": item.band,
                "clipped": item.clipped,
                "means_hold": item.holds,
            }
            for item in review.shocks
        ],
        "tilt": None
        if review.tilt is None
        else {
            "band_s": list(review.tilt.band_s),
            "edges_deg": list(review.tilt.edges_deg),
            "stays": [
                {
                    "band": stay.band,
                    "duration_s": stay.duration_s,
                    "start": _moment(review, stay.start),
                    "end": _moment(review, stay.end),
                }
                for stay in review.tilt.stays
            ],
        },
        "supply": {"lowest_mv": review.supply.lowest_mv, "last_mv": review.supply.last_mv},
        "self_tests": [_self_test(review, item) for item in review.self_tests],
        "custody": [_custody(review, item) for item in review.custody],
        "audit": {
            "proofs_refused": review.audit.failures,
            "entries": [_audit(review, item) for item in review.audit.entries],
        },
        "clock": {
            "knows_time": review.clock.knows_time,
            "compared_with_host": review.clock.compared_with_host,
            "fits": [
                {
                    "boot": fit.boot,
                    "readings": fit.readings,
                    "drift_ppm": round(fit.drift_ppm[0], 3),
                    "drift_bound_ppm": round(fit.drift_ppm[1], 3),
                }
                for fit in review.clock.fits
            ],
        },
    }


def _handling(run: Run) -> dict[str, Any] | None:
    if run.handling is None:
        return None
    return {
        "thaw_to_infusion_min": run.handling.thaw_to_infusion_min or None,
        "calibration_policy": named(
            layout.CALIBRATION_POLICY_NAMES, run.handling.calibration_policy
        ),
    }


def _arming(run: Run) -> dict[str, Any] | None:
    arming = run.arming
    if arming is None:
        return None
    return {
        "told_unix_s": arming.unix_s,
        "planned_s": arming.planned_s or None,
        "static_hold_s": arming.static_hold_s or None,
        "charge_g": arming.charge_g or None,
        "overridden": list(arming.overridden_names),
        "actor": arming.actor,
        "reason": arming.reason,
    }


def _calibration(run: Run, item: Calibration) -> dict[str, Any]:
    channel = run.channel(item.channel)
    return {
        "channel": item.channel,
        "point": item.point_name,
        "reference_degc": item.reference_count / layout.TEMPERATURE_PER_DEGC,
        "indicated_degc": item.indicated_count / layout.TEMPERATURE_PER_DEGC,
        "standard_u_k": item.u_count / layout.TEMPERATURE_PER_DEGC,
        "pressure_pa": item.pressure_pa or None,
        "unix_s": item.unix_s,
        "due_unix_s": None if channel is None else channel.calibration_due_unix_s,
        "serial": item.serial,
        "reference": item.reference,
        "of_this_probe": channel is not None and channel.serial == item.serial,
    }


def _self_test(review: Review, item: SelfTest) -> dict[str, Any]:
    return {
        "at": _moment(review, item.at),
        "done": item.done,
        "passed": item.passed,
        "summary": item.words,
        "results": [
            {
                "event": result.number,
                "test": result.test,
                "name": name_of(result),
                "index": result.index,
                "verdict": result.verdict_name,
                "value": result.value,
                "least": result.least,
                "most": result.most,
                "unit": unit_of(result) or None,
                "value_words": value_words(result, result.value),
                "limit_words": limit_words(result) or None,
            }
            for result in item.results
        ],
    }


def _custody(review: Review, item: CustodyRecord) -> dict[str, Any]:
    handoff = isinstance(item, HandoffEvent)
    data: dict[str, Any] = {
        "step": item.step_name,
        "actor": item.giver if handoff else item.actor,
        "place": item.place,
        "note": "" if handoff else item.note,
        "uptime": {"boot": item.boot, "uptime_ms": item.uptime_ms},
        "told_unix_s": unix_s_of(item.utc_s),
    }
    if handoff:
        data |= {
            "event": item.number,
            "giver": item.giver,
            "receiver": item.receiver,
            "role": item.role_name,
            "verdict": item.verdict_word,
            "blocks": item.blocks,
            "chain": item.chain.hex(),
            "head_matches": review.handoff_heads.get(item.number),
        }
    return data


def _audit(review: Review, item: AuditEntry) -> dict[str, Any]:
    actor = item.actor
    return {
        "event": item.event.number,
        "at": _moment(review, item.at),
        "what": item.event.NAME,
        "details": describe_entry(item),
        "by_host": item.by_host,
        "who": item.who,
        "actor": None
        if actor is None
        else {
            "proven": actor.proven,
            "link": actor.link,
            "role": actor.role,
            "token": None if actor.token is None else actor.token.hex(),
            "holder": actor.holder or None,
        },
    }


def _finding(reason: Reason) -> dict[str, Any]:
    finding = reason.finding
    return {
        "check": finding.check,
        "severity": str(finding.severity),
        "code": finding.code,
        "message": finding.message,
        "when": reason.when or None,
        "start_unix_s": None if reason.start is None else round(reason.start.unix_s, 3),
        "end_unix_s": None if reason.end is None else round(reason.end.unix_s, 3),
        "error_s": None if reason.start is None else round(reason.start.error_s, 3),
        "duration_s": finding.duration_s,
        "extreme": finding.extreme,
        "channel": finding.channel,
        "sample": finding.sample,
        "block_seq": finding.block_seq,
        "offset": finding.offset,
        "evidence": dict(finding.evidence),
    }


def _moment(review: Review, moment: Moment | None) -> dict[str, Any] | None:
    if moment is None:
        return None
    wall = review.clock.at(moment)
    return {
        "boot": moment.boot,
        "uptime_ms": moment.uptime_ms,
        "unix_s": None if wall is None else round(wall.unix_s, 3),
        "error_s": None if wall is None else round(wall.error_s, 3),
    }
