"""What `arm` answers: each reason with what was measured and what is needed; what was armed.

Apart from cli/arm.py, which asks for it, and from console.py, which knows how to print safely.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dewarlog import console, words
from dewarlog.arm import gate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dewarlog.arm.course import Outcome
    from dewarlog.arm.gate import Judged


def say_arm(outcome: Outcome, *, dry_run: bool) -> None:
    """Print how an arming ended."""
    name = outcome.board.name
    if outcome.already:
        _say_already(outcome)
        return
    _say_judged(outcome.judged, outcome.overridden)
    for doubt in outcome.doubts:
        console.warn(f"note: the profile: {doubt}")
    console.say()
    if outcome.armed:
        console.say(console.styled(f"Logger {name} is armed.", "strong"))
        _say_trip(outcome)
        return
    against = gate.refusals(outcome.judged)
    if not against:
        console.say(f"Logger {name} may be armed. Nothing was changed: this was a dry run.")
        return
    reasons = words.plural(len(against), "reason")
    console.say(console.styled(f"Logger {name} is not armed: {reasons} above.", "strong"))
    changed = "Nothing was changed." if dry_run else "Nothing was changed but its clock."
    goes_on = f"Run {outcome.run} goes on." if outcome.recording else "It records nothing now."
    console.say(f"{changed} {goes_on}")
    if outcome.overridden:
        console.say("Overriding these would arm it; this was a dry run.")
        return
    console.say(
        console.wrapped(
            "Where it must travel all the same: --override --reason TEXT. Both then stand in its "
            "log for good, with your name.",
            "",
        )
    )


def _say_judged(judged: Sequence[Judged], overridden: Sequence[str]) -> None:
    for one in judged:
        notes = [finding for finding in one.findings if not finding.refuses]
        word = "ok" if one.holds else "OVERRIDDEN" if one.name in overridden else "REFUSED"
        head = f"  {word:<11} {_asked(one.name):<16}"
        if one.holds and one.said:
            console.say(console.wrapped(one.said, " " * 30, f"{head} "))
        else:
            console.say(head.rstrip())
        for finding in one.findings:
            if finding.refuses:
                console.say(console.wrapped(f"{finding}.", " " * 18, " " * 16 + "- "))
        for note in notes:
            console.say(console.wrapped(f"{note}.", " " * 18, " " * 16 + "! "))


_ASKED = {
    "probe not cold": "probes cold",
    "probe not stable": "probes stable",
    "probe fault": "probes whole",
    "log not pulled": "log pulled",
}


def _asked(name: str) -> str:
    """Say what must hold, where a refusal's name says that it does not."""
    return _ASKED.get(name, name)


def _say_already(outcome: Outcome) -> None:
    arming = outcome.profile.arming
    name = outcome.board.name
    console.say(f"Logger {name} is armed for this trip already. Nothing was changed.")
    if arming is not None:
        when = words.utc(arming.at.timestamp())
        console.say(f"  armed by {words.plain(arming.actor)}, {when}")
    _say_trip(outcome)
    console.say("To arm it anew, in a new run: --again")


def _say_trip(outcome: Outcome) -> None:
    profile, arming = outcome.profile, outcome.profile.arming
    texts = profile.texts
    rows = [
        ("Run", f"{outcome.run}, every {words.duration(profile.sampling.interval_ms / 1000)}"),
        ("Shipment", texts.shipment),
        ("Account", texts.account),
        ("Purchase order", texts.purchase_order),
        ("Cost centre", texts.cost_centre),
        ("Consignee", texts.consignee),
        ("Identity", texts.chain_of_identity),
        ("Dewar", texts.dewar),
        ("Rules", words.plural(len(profile.rules), "rule")),
        ("Handling", words.plural(len(texts.instructions), "step")),
    ]
    limit = profile.handling.thaw_to_infusion_min
    if limit:
        rows.append(("Thaw to infusion", f"{limit} min at most"))
    if arming is not None:
        rows.append(("Planned", words.duration(arming.planned_h * 3600)))
        if arming.static_hold_h is not None:
            rows.append(("Static hold", words.duration(arming.static_hold_h * 3600)))
        if arming.overridden:
            why = f"{', '.join(arming.overridden)} ({arming.actor}: {arming.reason})"
            rows.append(("Overridden", why))
    rows.append(("Profile", f"CRC-32 {profile.crc32:08x}"))
    for label, value in rows:
        if value:
            console.say(console.wrapped(value, " " * 20, f"  {label + ':':<18}"))


def arm_data(outcome: Outcome, ignored: Sequence[str], steps: Sequence[str]) -> dict[str, Any]:
    """Give the same as data."""
    profile = outcome.profile
    arming = None if profile.arming is None else profile.arming.model_dump(mode="json")
    charge = outcome.charge
    return {
        "device_id": outcome.board.name,
        "armed": outcome.armed,
        "already": outcome.already,
        "refused": outcome.refused,
        "run": outcome.run,
        "run_before": outcome.run_before,
        "recording": outcome.recording,
        "profile_crc32": f"{profile.crc32:08x}" if outcome.armed else None,
        "shipment": profile.texts.shipment,
        "refusals": list(gate.refusals(outcome.judged)),
        "overridden": list(outcome.overridden),
        "judged": [
            {
                "name": one.name,
                "holds": one.holds,
                "said": one.said,
                "findings": [
                    {
                        "measured": finding.measured,
                        "need": finding.need,
                        "then": finding.then,
                        "refuses": finding.refuses,
                    }
                    for finding in one.findings
                ],
            }
            for one in outcome.judged
        ],
        "doubts": [str(doubt) for doubt in outcome.doubts],
        "charge": None
        if charge is None
        else {
            "kg": charge.kg,
            "static_hold_h": charge.static_hold_h,
            "usable_h": charge.usable_h,
            "needed_h": charge.needed_h,
        },
        "arming": arming,
        "ignored_columns": list(ignored),
        "steps": list(steps),
    }
