"""Arms a logger for a trip: looks, watches, judges by the gate, and puts the profile in force.

Right of everything else of a bench. One conversation over one link:

    look      status, figures, profile, list of runs, newest self-test; nothing changes
    set time  the board's clock, before anything is judged by it, and again behind the watch
    watch     every sample for five minutes, where nothing else stands against it
    judge     the gate, on frozen facts
    put       the joined profile with its `arming`, purpose arm; the board starts again
    verify    a new run, recording, by the very profile that was sent

A link that is lost before `put` ends has changed nothing but the clock. One that is lost just then
is opened again, and the board's profile tells; where it does not come back, nobody knows, and the
next `arm` of the same trip finds a logger that is armed for it and leaves it alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from dewarlog.arm import contradictions, gate, trip_profile, watch
from dewarlog.arm.charge import Dewar, charge_of, needed_kg
from dewarlog.arm.endurance import PLANS, bytes_needed, wh_needed
from dewarlog.arm.look import is_held, look, probes_of, room_bytes
from dewarlog.bench import requests
from dewarlog.errors import (
    ArmedNotSeen,
    ArmingUnknown,
    LinkError,
    NotArmed,
    PeerViolation,
    ProfileNotPut,
    ProfileUnknown,
    PullError,
)
from dewarlog.profile.model import Arming
from dewarlog.profile.settings import utc_s as wire_s
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dewarlog.arm.charge import Charge
    from dewarlog.arm.contradictions import Contradiction
    from dewarlog.arm.gate import Facts, Judged
    from dewarlog.arm.look import Seen
    from dewarlog.arm.manifest import Manifest
    from dewarlog.profile.model import Profile
    from dewarlog.replies import Board, Status
    from dewarlog.session import Session

TIME_ERROR_MS: Final = 1000
NOTE_MOST_BYTES: Final = layout.EVENT_TEXT_ASKED_MAX_BYTES[layout.KIND_PROFILE]
_CLOCK_SET_S: Final = 3.0
_LOOK_EVERY_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asks for."""

    document: Mapping[str, Any]
    """The profile file's object."""
    where: str
    """What the profile file is called."""
    manifest: Manifest
    planned_h: float
    weight_kg: float | None
    battery_wh: float | None
    actor: str
    reason: str
    """Why what stands against it is overridden; empty: nothing is."""
    dry_run: bool = False
    again: bool = False
    """Also where the logger is armed for this trip already."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended; `run` is the run that is open now."""

    board: Board
    profile: Profile
    """What was put in force, or would have been."""
    judged: tuple[Judged, ...]
    doubts: tuple[Contradiction, ...]
    overridden: tuple[str, ...]
    armed: bool
    """The board records by it now."""
    already: bool
    """It did before, and nothing was done."""
    run: int
    run_before: int
    charge: Charge | None = None
    recording: bool = True
    """Whether `run` is open; else it has ended."""

    @property
    def refused(self) -> bool:
        """The gate stands against it, and nobody overrode it."""
        return bool(gate.refusals(self.judged)) and not self.overridden and not self.already


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Where a course tells how it gets on."""

    say: Callable[[str], None] = lambda _step: None
    watched: Callable[[float, float], None] = lambda _done_s, _total_s: None
    """Seconds of the board's time watched, and wanted."""


class ArmCourse:
    """One conversation that arms a logger. `host_s` gives Unix time in seconds."""

    def __init__(
        self, session: Session, order: Order, host_s: Callable[[], float], to: Callbacks
    ) -> None:
        self._session = session
        self._order = order
        self._host_s = host_s
        self._to = to

    def run(self) -> Outcome:
        """Look, judge, and arm unless the gate or the order says no.

        Raises:
            ProbesDiffer, ProfileInvalid, NotProvisioned: the profile is not for this board.
            KeyNeeded: this computer may not arm it; nothing was done.
            StartedAgain: the board did, while its probes were watched.
            NotArmed, ArmingUnknown, ArmedNotSeen: the link was lost on the way.
            PullError, LinkError: as `Session`.
        """
        order = self._order
        self._to.say("looking at the logger")
        seen = look(self._session)
        held = trip_profile.board_profile(seen.profile, seen.board.name)
        wanted = trip_profile.joined(order.document, order.where, held, order.manifest)
        doubts = tuple(
            doubt
            for doubt in contradictions.expect_agreement(
                wanted, order.where, order.planned_h * 3600
            )
            if not doubt.refused
        )
        is_armed = seen.status.recording and trip_profile.same_trip(held, wanted, order.planned_h)
        if is_armed and not order.again:
            return Outcome(
                board=seen.board,
                profile=held,
                judged=(),
                doubts=doubts,
                overridden=(),
                armed=True,
                already=True,
                run=seen.status.run,
                run_before=seen.status.run,
            )
        if not order.dry_run:
            requests.expect_rights(self._session, seen.status)
        # With the longest `arming` there is: what does not fit is told before anybody waits.
        _with_arming(wanted, _widest(order)).write()
        facts, status = self._facts(seen, wanted)
        judged = gate.judge(facts)
        outcome = Outcome(
            board=seen.board,
            profile=wanted,
            judged=judged,
            doubts=doubts,
            overridden=(),
            armed=False,
            already=False,
            run=status.run,
            run_before=status.run,
            charge=facts.charge,
            recording=status.recording,
        )
        against = gate.refusals(judged)
        if against and order.reason:
            outcome = replace(outcome, overridden=against)
        if outcome.refused or order.dry_run:
            return outcome
        return self._arm(seen, outcome)

    # --- facts --------------------------------------------------------------------------------

    def _facts(self, seen: Seen, wanted: Profile) -> tuple[Facts, Status]:
        order = self._order
        status, off_s = self._timed_status()
        was_off_s = off_s
        if not order.dry_run:
            self._to.say("setting its clock")
            status, off_s = self._set_time()
        dewar = Dewar(
            order.manifest.dewar_tare_kg,
            order.manifest.dewar_full_kg,
            order.manifest.dewar_capacity_kg,
            order.manifest.dewar_static_hold_h,
            order.manifest.dewar_evaporation_kg_per_day,
        )
        missing = (() if order.weight_kg is not None else ("the weight",)) + dewar.missing
        open_run = status.run if status.recording else None
        low = bool(status.state & layout.STATUS_LOW_SUPPLY)
        unpulled = sorted(
            {file.run for file in seen.files if not is_held(file) and file.run != open_run}
        )
        parts = seen.live.part_states
        facts = gate.Facts(
            now_utc_s=int(self._host_s()) - layout.UTC_EPOCH_UNIX_S,
            planned_h=order.planned_h,
            recording=status.recording,
            probes=probes_of(wanted, status, {}),
            calibration_policy=wanted.handling.calibration_policy,
            charge=None
            if missing or order.weight_kg is None
            else charge_of(order.weight_kg, dewar, order.planned_h),
            charge_missing=missing,
            weight_needed_kg=needed_kg(dewar, order.planned_h),
            clock_state=status.clock_state,
            clock_off_s=off_s,
            clock_was_off_s=was_off_s,
            clock_set=not order.dry_run,
            free_bytes=room_bytes(status, seen.files),
            needed_bytes=bytes_needed(wanted, order.planned_h * PLANS),
            supply_mv=status.supply_mv,
            supply_low=low,
            battery_wh=order.battery_wh,
            needed_wh=wh_needed(wanted, order.planned_h * PLANS),
            unpulled_runs=tuple(unpulled),
            backlog_bytes=status.backlog_bytes if open_run is not None else 0,
            parts=tuple(parts.items()),
            failed_tests=seen.failed_tests,
        )
        against = set(gate.refusals(gate.judge(facts))) - {"probe not stable"}
        if (against and not order.reason) or not status.recording:
            # Five minutes would change nothing.
            return facts, status
        wanted_s = watch.length_s(status)
        self._to.say(f"watching its probes for {wanted_s / 60:.0f} min")
        channels = [channel.channel for channel in wanted.channels]
        before = status
        slopes, status = watch.follow(self._session, status, channels, self._to.watched)
        # The run that begins is dated by what the clock says then.
        off_s = self._timed_status()[1] if order.dry_run else self._set_time()[1]
        strayed_s = watch.strayed_s(before, status)
        if off_s is not None and abs(strayed_s) > gate.CLOCK_LIMIT_S:
            off_s = strayed_s
        facts = replace(
            facts,
            now_utc_s=int(self._host_s()) - layout.UTC_EPOCH_UNIX_S,
            probes=probes_of(wanted, status, slopes),
            clock_state=status.clock_state,
            clock_off_s=off_s,
            supply_mv=status.supply_mv,
            supply_low=bool(status.state & layout.STATUS_LOW_SUPPLY),
        )
        return facts, status

    def _set_time(self) -> tuple[Status, float | None]:
        """Set the board's clock; return its status, and how far off it is, once it took that."""
        now_s = self._host_s()
        whole = int(now_s)
        milliseconds = int((now_s - whole) * 1000)
        self._session.set_time(whole - layout.UTC_EPOCH_UNIX_S, milliseconds, TIME_ERROR_MS)
        began_s = self._session.clock()
        while True:
            # It sets its chip where the next second begins.
            self._session.pause(_LOOK_EVERY_S)
            status, off_s = self._timed_status()
            if off_s is not None and abs(off_s) <= gate.CLOCK_LIMIT_S:
                return status, off_s
            if self._session.clock() - began_s > _CLOCK_SET_S:
                return status, off_s

    def _timed_status(self) -> tuple[Status, float | None]:
        """Return the board's status, and how far its clock is off at least, in seconds.

        The chip tells whole seconds, and the answer was made at some time between asking and
        having it. None where it tells no time.
        """
        asked_s = self._host_s()
        status = self._session.status()
        had_s = self._host_s()
        if status.clock_state != layout.CLOCK_OK:
            return status, None
        off_s = status.utc_s + layout.UTC_EPOCH_UNIX_S + 0.5 - (asked_s + had_s) / 2
        unsure_s = 0.5 + (had_s - asked_s) / 2
        return status, math.copysign(max(0.0, abs(off_s) - unsure_s), off_s)

    # --- arming -------------------------------------------------------------------------------

    def _arm(self, seen: Seen, outcome: Outcome) -> Outcome:
        order = self._order
        now = datetime.fromtimestamp(int(self._host_s()), UTC)
        charge = outcome.charge
        arming = Arming(
            at=now,
            planned_h=order.planned_h,
            static_hold_h=_within(charge and charge.static_hold_h, 0.1, 8760),
            charge_g=_grams(charge),
            overridden=outcome.overridden,
            actor=order.actor,
            reason=order.reason if outcome.overridden else "",
        )
        profile = _with_arming(outcome.profile, arming)
        data = profile.write()
        self._to.say("putting its profile in force")
        try:
            requests.put_profile(
                self._session,
                data,
                before=seen.profile,
                purpose=layout.PURPOSE_NAMES.index("arm"),
                utc_s=wire_s(now),
                actor=order.actor,
                note=note_of(outcome.overridden, order.reason),
                on_loss=lambda: self._to.say("the link was lost: looking for the logger"),
            )
        except ProfileNotPut as loss:
            raise NotArmed(seen.board.name, outcome.run_before, loss.cause) from loss
        except ProfileUnknown as loss:
            raise ArmingUnknown(seen.board.name, loss.cause) from loss
        self._to.say("waiting until it has started again")
        try:
            status = requests.await_restart(self._session, outcome.run_before)
            live = requests.live(self._session)
        except (LinkError, PullError) as error:
            raise ArmedNotSeen(seen.board.name, error) from error
        if live.profile_crc32 != crc32(data):
            problem = PeerViolation("its profile is not the one it was given")
            raise ArmedNotSeen(seen.board.name, problem)
        return replace(outcome, profile=profile, armed=True, run=status.run, recording=True)


# --- what is written --------------------------------------------------------------------------


def note_of(overridden: Sequence[str], reason: str) -> str:
    """Return the note of the profile event: names of what was overridden, or their bits; why."""
    if not overridden:
        return ""
    note = f"overridden {', '.join(overridden)}: {reason}"
    if len(note.encode()) <= NOTE_MOST_BYTES:
        return note
    mask = sum(1 << layout.ARM_REFUSAL_NAMES.index(name) for name in overridden)
    return f"overridden {mask:#05x}: {reason}"


def _with_arming(profile: Profile, arming: Arming) -> Profile:
    return profile.with_(arming=arming)


def _widest(order: Order) -> Arming:
    return Arming(
        at=datetime(2020, 1, 1, tzinfo=UTC),
        planned_h=order.planned_h,
        static_hold_h=8759.123456789,
        charge_g=100000,
        overridden=layout.ARM_REFUSAL_NAMES if order.reason else (),
        actor=order.actor,
        reason=order.reason,
    )


def _within(value: float | None, least: float, most: float) -> float | None:
    """Round for people; None where the record cannot hold it."""
    if value is None:
        return None
    rounded = round(value, 1)
    return rounded if least <= rounded <= most else None


def _grams(charge: Charge | None) -> int | None:
    grams = 0 if charge is None else round(charge.kg * 1000)
    return grams if 1 <= grams <= 100000 else None
