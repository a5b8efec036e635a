"""The gate of arming: may this run begin? Facts in, judgements out; nothing is asked of anyone.

Right of charge and endurance, left of `arm`, which gathers the facts. One table, CHECKS, in the
order of layout.ARM_REFUSAL_NAMES: what is judged, how, and what to do. Each check judges its own
facts whatever the others found, so that a person reads every reason at once.

Thresholds, and why:
- cold: reading + expanded uncertainty + 5 K stay under every hold limit of the probe. The 5 K are
  the way that the payload's top goes when the dewar is tilted or knocked before it is closed;
- never colder than liquid nitrogen boils at 700 hPa, less its uncertainty: what reads so is
  another type of probe than the profile says, swapped wires or out of calibration;
- stable: |slope| + 2 u(slope) at most 3 K/h over five minutes and ten samples. A dry shipper
  without liquid warms by 15 K/h and more (0.76 W on 160 J/K of payload); a freshly filled one
  cools faster still. The uncertainty belongs to it, else a short noisy look would pass by luck;
- clock: set a moment ago by this computer, it must now tell the same within 2 s. What it told
  before is the only other clock there is: where the two differed by minutes, that is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dewarlog import words
from dewarlog.arm.contradictions import COLDEST_DEGC
from dewarlog.arm.endurance import PLANS
from dewarlog.records import named
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from dewarlog.arm.charge import Charge

MARGIN_K: Final = 5.0
SLOPE_LIMIT_K_PER_H: Final = 3.0
WATCH_S: Final = 300.0
WATCH_SAMPLES: Final = 10
CLOCK_LIMIT_S: Final = 2.0
CLOCK_DOUBT_S: Final = 300.0
"""The chip keeps a minute a year: who was off by more was set wrongly, or is set wrongly now."""
# A pull leaves the samples of the moment behind it; a journal of them grows by some 12 bytes each.
BACKLOG_MOST_BYTES: Final = 4096
SUPPLY_LEAST_MV: Final = 3300
"""A board gives up at 3000 mV (STATUS_LOW_SUPPLY): under load and in the cold there is less."""
_OK: Final = 0
_PAYLOAD: Final = "payload"
"""How the placements at a payload begin: layout.PLACEMENT_NAMES."""
_RESET: Final = "Reset it, or take its power away for a moment: it begins a run when it starts"


@dataclass(frozen=True, slots=True)
class Slope:
    """How a probe moved while it was watched, in K/h."""

    k_per_h: float
    u_k_per_h: float
    """Standard uncertainty."""
    watched_s: float
    samples: int

    @property
    def at_most_k_per_h(self) -> float:
        """The fastest that it may have moved."""
        return abs(self.k_per_h) + 2 * self.u_k_per_h


@dataclass(frozen=True, slots=True)
class Probe:
    """One fitted probe, as it reads and as its calibration stands."""

    channel: int
    serial: str
    placement: str
    state: int
    """layout.STATE_*."""
    degc: float | None
    """None where it gives no temperature."""
    expanded_k: float
    """Expanded uncertainty (k = 2) of that reading."""
    limit_degc: float | None
    """The coldest of the hold limits above it; None where no rule holds it to one."""
    slope: Slope | None
    """None: not watched."""
    calibrated_utc_s: int | None
    due_utc_s: int | None
    point_serials: tuple[str, ...]
    """Of the probes that stood in the calibration's baths."""

    @property
    def name(self) -> str:
        """What to call it."""
        serial = f" ({self.serial})" if self.serial else ""
        return f"probe {self.channel + 1}{serial}, {self.placement}"


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the gate judges; times in seconds since layout.UTC_EPOCH_UNIX_S."""

    now_utc_s: int
    planned_h: float
    recording: bool
    """False: a run that has ended brings no new readings, and those of `probes` are its last."""
    probes: tuple[Probe, ...]
    calibration_policy: str
    """Of layout.CALIBRATION_POLICY_NAMES."""
    charge: Charge | None
    charge_missing: tuple[str, ...]
    """What was not told, so that no charge can be judged."""
    weight_needed_kg: float | None
    clock_state: int
    clock_off_s: float | None
    """How far the board's clock is off at least; None where it tells no time."""
    clock_was_off_s: float | None
    """The same as it was found, before it was set."""
    clock_set: bool
    """Whether it was set for this; a dry run leaves it, and judges only that there is one."""
    free_bytes: int
    """Or in runs that were pulled, which make room by themselves."""
    needed_bytes: int
    """For three times the plan."""
    supply_mv: int
    supply_low: bool
    battery_wh: float | None
    needed_wh: float
    """Of rated energy, for three times the plan."""
    unpulled_runs: tuple[int, ...]
    """Ended runs that no host has confirmed to hold."""
    backlog_bytes: int
    """Of the open run."""
    parts: tuple[tuple[str, int], ...]
    """Of layout.PART_NAMES, and the state of each, as in layout.SENSOR_STATE_NAMES."""
    failed_tests: tuple[str, ...] | None
    """Of the newest self-test; None where none can be seen."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that stands against arming, or is noted only."""

    measured: str
    need: str
    then: str
    """What to do."""
    refuses: bool = True

    def __str__(self) -> str:
        return f"{self.measured}; needed: {self.need}. {self.then}"


@dataclass(frozen=True, slots=True)
class Judged:
    """What one check found."""

    name: str
    """Of layout.ARM_REFUSAL_NAMES."""
    holds: bool
    said: str
    """What was measured, where it holds."""
    findings: tuple[Finding, ...]


def judge(facts: Facts) -> tuple[Judged, ...]:
    """Judge everything, in the order of layout.ARM_REFUSAL_NAMES."""
    judged: list[Judged] = []
    for name, check in CHECKS:
        findings, said = check(facts)
        holds = not any(finding.refuses for finding in findings)
        judged.append(Judged(name, holds, said, tuple(findings)))
    return tuple(judged)


def refusals(judged: tuple[Judged, ...]) -> tuple[str, ...]:
    """Return the names of what does not hold."""
    return tuple(one.name for one in judged if not one.holds)


def _cold(facts: Facts) -> tuple[list[Finding], str]:
    if not facts.recording:
        return [
            Finding("its last readings are of a run that has ended", "some of now", _RESET)
        ], ""
    findings: list[Finding] = []
    said: list[str] = []
    for probe in facts.probes:
        if probe.degc is None or probe.limit_degc is None:
            continue  # without a temperature it is a fault; without a limit nothing holds it
        warmest = probe.degc + probe.expanded_k
        most = probe.limit_degc - MARGIN_K
        reading = f"{words.degc(probe.degc)} \u00b1{probe.expanded_k:.1f} K"
        said.append(f"{probe.name}: {reading}")
        if warmest > most:
            findings.append(
                Finding(
                    f"{probe.name} reads {reading}",
                    f"{words.degc(most)} or colder with its uncertainty, {MARGIN_K:g} K below its "
                    f"hold limit of {words.degc(probe.limit_degc)}",
                    "Charge the dewar, close it, and wait until it is cold",
                )
            )
    free = [probe for probe in facts.probes if probe.limit_degc is None]
    if len(free) < len(facts.probes):
        findings += [
            Finding(
                f"no rule holds {probe.name} to a limit, so that it may be of any temperature",
                "a hold limit for a probe at the payload",
                "See whether the profile is for these probes: `channels` of its rules",
                refuses=False,
            )
            for probe in free
            if probe.placement.startswith(_PAYLOAD)
        ]
    else:
        findings.append(
            Finding(
                "no rule holds a probe to a limit",
                "a hold limit for one at least",
                "Give the profile a rule of kind above, with severity hold",
            )
        )
    return findings, "; ".join(said)


def _stable(facts: Facts) -> tuple[list[Finding], str]:
    if not facts.recording:
        need = f"{words.duration(WATCH_S)} of readings without a fault"
        return [Finding("the logger records nothing now", need, _RESET)], ""
    findings: list[Finding] = []
    said: list[str] = []
    for probe in facts.probes:
        if probe.limit_degc is None:
            continue
        slope = probe.slope
        if slope is None:
            findings.append(
                Finding(
                    f"{probe.name} was not watched",
                    f"{words.duration(WATCH_S)} of readings without a fault",
                    "Run the command again when the rest holds",
                )
            )
            continue
        moved = f"{slope.k_per_h:+.1f} \u00b1{2 * slope.u_k_per_h:.1f} K/h".replace("-", "\u2212")
        moved += f" over {words.duration(slope.watched_s)}"
        said.append(f"{probe.name}: {moved}")
        if slope.at_most_k_per_h > SLOPE_LIMIT_K_PER_H:
            findings.append(
                Finding(
                    f"{probe.name} moves by {moved}",
                    f"at most {SLOPE_LIMIT_K_PER_H:g} K/h with its uncertainty",
                    "Wait until it has settled; a dewar that goes on warming is losing its cold",
                )
            )
    return findings, "; ".join(said)


def _faultless(facts: Facts) -> tuple[list[Finding], str]:
    if not facts.recording:
        need = "a reading of every fitted probe"
        return [Finding("the logger records nothing now", need, _RESET)], ""
    findings: list[Finding] = []
    for probe in facts.probes:
        if probe.state != layout.STATE_OK or probe.degc is None:
            findings.append(
                Finding(
                    f"{probe.name} gives no temperature: {named(layout.STATE_NAMES, probe.state)}",
                    "a reading of every fitted probe",
                    "See to its plug and wires, or let `dewarlog provision` leave it out",
                )
            )
        elif probe.degc + probe.expanded_k < COLDEST_DEGC:
            findings.append(
                Finding(
                    f"{probe.name} reads {words.degc(probe.degc)} \u00b1{probe.expanded_k:.1f} K",
                    f"no colder than {words.degc(COLDEST_DEGC)}, which liquid nitrogen is at "
                    "700 hPa",
                    "The probe is of another type than the profile says, its wires are swapped, "
                    "or it is out of calibration: `dewarlog calibrate`",
                )
            )
    return findings, f"{words.plural(len(facts.probes), 'probe')} without a fault"


def _charged(facts: Facts) -> tuple[list[Finding], str]:
    charge = facts.charge
    wanted = "" if facts.weight_needed_kg is None else f"{facts.weight_needed_kg:.2f} kg or more"
    if charge is None:
        missing = ", ".join(facts.charge_missing)
        return [
            Finding(
                f"the charge is not known: {missing} was not told",
                wanted or "a charge that outlasts the plan",
                "Weigh the closed dewar (--weight-kg); weights and hold stand in the manifest",
            )
        ], ""
    said = (
        f"{charge.kg:.2f} kg of liquid nitrogen: {charge.static_hold_h:.0f} h at rest, "
        f"{charge.usable_h:.0f} h to be reckoned with, {charge.needed_h:.0f} h needed"
    )
    need = f"{charge.needed_h:.0f} h ({wanted})"
    if charge.empty:
        return [
            Finding(
                "the dewar weighs no more than its tare, with what a scale may be off",
                need,
                "Charge it; if it is charged, the weight or the tare is wrong",
            )
        ], said
    if charge.overfull and charge.full_charge_kg is not None:
        return [
            Finding(
                f"{charge.kg:.2f} kg of liquid nitrogen, more than it takes",
                f"at most {charge.full_charge_kg:.2f} kg",
                "Pour free liquid out (it may not travel), or see whether this is the dewar",
            )
        ], said
    if not charge.enough:
        then = "Charge it, and weigh it again"
        if charge.full_usable_h is not None and charge.full_usable_h < charge.needed_h:
            then = (
                f"No charge of this dewar is enough, a full one is for {charge.full_usable_h:.0f} "
                "h: take a larger dewar, or plan to charge it on the way"
            )
        return [Finding(said, need, then)], said
    if charge.full_charge_kg is None:
        return [
            Finding(
                "how much nitrogen the dewar takes was not told",
                "its full weight, or its capacity",
                "A weight in pounds, or of another dewar, is not noticed without it",
                refuses=False,
            )
        ], said
    return [], said


def _calibrated(facts: Facts) -> tuple[list[Finding], str]:
    refuses = facts.calibration_policy == "refuse"
    ends_utc_s = facts.now_utc_s + int(facts.planned_h * 3600)
    findings: list[Finding] = []
    dues: list[int] = []
    again = "Calibrate it: `dewarlog calibrate`"
    for probe in facts.probes:
        if probe.calibrated_utc_s is None:
            findings.append(
                Finding(f"{probe.name} was never calibrated", "a calibration", again, refuses)
            )
        elif probe.calibrated_utc_s > facts.now_utc_s:
            # The clock of this computer is wrong now, or that of another was: no due date, and no
            # time of the log to come, is worth anything then, whatever the policy.
            findings.append(
                Finding(
                    f"{probe.name} was calibrated {_utc(probe.calibrated_utc_s)}, and this "
                    f"computer's clock says {_utc(facts.now_utc_s)}",
                    "one that was made before now",
                    "See to the clock of this computer; if it is right, calibrate the probe "
                    "anew: `dewarlog calibrate`",
                )
            )
        elif probe.due_utc_s is None:
            findings.append(
                Finding(
                    f"{probe.name}'s calibration has no due date", "a due date", again, refuses
                )
            )
        elif probe.due_utc_s < ends_utc_s:
            findings.append(
                Finding(
                    f"{probe.name}'s calibration is due {_utc(probe.due_utc_s)}",
                    f"valid to the trip's end, {_utc(ends_utc_s)}",
                    again,
                    refuses,
                )
            )
        else:
            dues.append(probe.due_utc_s)
        others = sorted(set(probe.point_serials) - {probe.serial})
        if others:
            # No policy makes another probe's correction this one's.
            findings.append(
                Finding(
                    f"{probe.name} was calibrated as {', '.join(others)}: another probe",
                    "a calibration with this probe",
                    again,
                )
            )
    if not dues:
        return findings, "none valid to the trip's end"
    some = "" if len(dues) == len(facts.probes) else f"{len(dues)} of {len(facts.probes)} probes "
    return findings, f"{some}valid to {words.utc(min(dues) + layout.UTC_EPOCH_UNIX_S)[:10]}"


def _utc(utc_s: int) -> str:
    return words.utc(utc_s + layout.UTC_EPOCH_UNIX_S, seconds=False)


def _timed(facts: Facts) -> tuple[list[Finding], str]:
    findings, said = _timed_now(facts)
    was_off_s = facts.clock_was_off_s
    if was_off_s is not None and abs(was_off_s) > CLOCK_DOUBT_S:
        by = words.duration(abs(was_off_s))
        before = " before it was set" if facts.clock_set else ""
        findings.append(
            Finding(
                f"the clock was {by} {'ahead of' if was_off_s > 0 else 'behind'} this computer's"
                f"{before}",
                "two clocks that agree",
                "See whether this computer's is right: the log of the trip is dated by it",
                refuses=False,
            )
        )
    return findings, said


def _timed_now(facts: Facts) -> tuple[list[Finding], str]:
    off_s = facts.clock_off_s
    if not facts.clock_set and facts.clock_state != layout.CLOCK_ABSENT:
        return [], "not set in a dry run"
    if facts.clock_state != layout.CLOCK_OK or off_s is None:
        state = named(layout.CLOCK_STATE_NAMES, facts.clock_state)
        return [
            Finding(
                f"the clock is {state}"
                + (", although it was just set" if facts.clock_set else ""),
                "a clock that keeps the time",
                "See to the clock chip and its cell",
            )
        ], ""
    off = f"{off_s:+.1f} s".replace("-", "\u2212")
    said = f"{off} from this computer's" if off_s else "as this computer's, to the second"
    if abs(off_s) > CLOCK_LIMIT_S:
        return [
            Finding(
                f"the clock is {said} although it was just set",
                f"within {CLOCK_LIMIT_S:g} s",
                "See to the clock chip and its cell",
            )
        ], said
    return [], said


def _roomy(facts: Facts) -> tuple[list[Finding], str]:
    said = f"{facts.free_bytes:,} bytes free, {facts.needed_bytes:,} for {PLANS} plans"
    if facts.free_bytes < facts.needed_bytes:
        return [
            Finding(
                f"{facts.free_bytes:,} bytes are free",
                f"{facts.needed_bytes:,} for {PLANS} times {facts.planned_h:g} h",
                "Pull its earlier runs, which then make room, or sample less often",
            )
        ], said
    return [], said


def _powered(facts: Facts) -> tuple[list[Finding], str]:
    findings: list[Finding] = []
    volts = f"{facts.supply_mv / 1000:.2f} V"
    if facts.supply_low or facts.supply_mv < SUPPLY_LEAST_MV:
        findings.append(
            Finding(
                f"the supply is {volts}",
                f"{SUPPLY_LEAST_MV / 1000:.2f} V or more",
                "Put a fresh battery in",
            )
        )
    battery = facts.battery_wh
    plans = f"{facts.needed_wh:.1f} Wh for {PLANS} times {facts.planned_h:g} h"
    if battery is None:
        # By its cable a board measures the voltage of the cable: only a person can tell.
        findings.append(
            Finding(
                "what the battery holds was not told",
                plans,
                "Give what its cells hold (--battery-wh, or battery_wh in the manifest: three AA "
                "lithium cells 13.5)",
            )
        )
    elif battery < facts.needed_wh:
        findings.append(
            Finding(
                f"the battery holds {battery:.1f} Wh",
                plans,
                "Put a larger one in, or let the profile spare it (radio off, sleep light)",
            )
        )
    held = "" if battery is None else f", {battery:.1f} Wh told, {plans}"
    return findings, volts + held


def _pulled(facts: Facts) -> tuple[list[Finding], str]:
    findings: list[Finding] = []
    pull = "Pull it: `dewarlog pull`"
    if facts.unpulled_runs:
        runs = ", ".join(str(run) for run in facts.unpulled_runs)
        findings.append(
            Finding(
                f"nobody has confirmed to hold all of run {runs}", "every ended run pulled", pull
            )
        )
    if facts.backlog_bytes > BACKLOG_MOST_BYTES:
        findings.append(
            Finding(
                f"{facts.backlog_bytes:,} bytes of the open run were not pulled",
                f"at most {BACKLOG_MOST_BYTES:,}",
                pull,
            )
        )
    return findings, f"{facts.backlog_bytes:,} bytes of the open run not pulled yet"


def _sensing(facts: Facts) -> tuple[list[Finding], str]:
    findings: list[Finding] = []
    for name, state in facts.parts:
        if state != _OK:
            findings.append(
                Finding(
                    f"the {name} is: {named(layout.SENSOR_STATE_NAMES, state)}",
                    "ok",
                    "See to it: `dewarlog selftest`",
                )
            )
    if facts.failed_tests:
        findings.append(
            Finding(
                f"the newest self-test failed: {', '.join(facts.failed_tests)}",
                "every test passed",
                "See to it, and test again: `dewarlog selftest`",
            )
        )
    said = f"{words.plural(len(facts.parts), 'part')} ok"
    if facts.failed_tests is None:
        said += ", no self-test since the board started"
    return findings, said


CHECKS: Final[tuple[tuple[str, Callable[[Facts], tuple[list[Finding], str]]], ...]] = tuple(
    zip(
        layout.ARM_REFUSAL_NAMES,
        (
            _cold,
            _stable,
            _faultless,
            _charged,
            _calibrated,
            _timed,
            _roomy,
            _powered,
            _pulled,
            _sensing,
        ),
        strict=True,
    )
)
"""Each refusal of layout.ARM_REFUSAL_NAMES and how it is judged."""
