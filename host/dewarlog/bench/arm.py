"""Arms a logger for a trip: looks, watches, judges by the gate, and puts the profile in force.

Right of everything else of a bench. One conversation over one link:

    look      status, figures, profile, list of runs, newest self-test; nothing changes
    set time  the board's clock, before anything is judged by it
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
import struct
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from dewarlog.bench import contradictions, gate, requests, stability, trip_profile
from dewarlog.bench.charge import Dewar, charge_of, needed_kg
from dewarlog.bench.endurance import PLANS, bytes_needed, wh_needed
from dewarlog.bench.profile import Arming, LimitRule
from dewarlog.bench.settings import utc_s as wire_s
from dewarlog.errors import (
    ArmedNotSeen,
    ArmingUnknown,
    DeviceRefused,
    LinkError,
    NotArmed,
    PeerViolation,
    PullError,
)
from dewarlog.session import read_record
from dewarlog.uncertainty import budget
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dewarlog.bench.charge import Charge
    from dewarlog.bench.contradictions import Contradiction
    from dewarlog.bench.gate import Facts, Judged, Slope
    from dewarlog.bench.manifest import Manifest
    from dewarlog.bench.profile import Channel, Profile
    from dewarlog.bench.requests import Live
    from dewarlog.session import Board, Session, Status, StoredFile

TIME_ERROR_MS: Final = 1000
NOTE_MOST_BYTES: Final = layout.EVENT_TEXT_ASKED_MAX_BYTES[layout.KIND_PROFILE]
# Where samples stop coming while they are watched: three intervals, and what a link may take.
_SILENT_INTERVALS: Final = 3
_SILENT_S: Final = 15.0
_CLOCK_SET_S: Final = 3.0
_LOOK_LEAST_S: Final = 0.05
_LOOK_MOST_S: Final = 2.0


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
class Seen:
    """What a board told before anything was changed."""

    board: Board
    status: Status
    live: Live
    profile: bytes
    files: tuple[StoredFile, ...]
    failed_tests: tuple[str, ...] | None


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
        if order.dry_run:
            status, off_s = self._timed_status()
        else:
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
            probes=probes_of(wanted, status, {}),
            calibration_policy=wanted.handling.calibration_policy,
            charge=None
            if missing or order.weight_kg is None
            else charge_of(order.weight_kg, dewar, order.planned_h),
            charge_missing=missing,
            weight_needed_kg=needed_kg(dewar, order.planned_h),
            clock_state=status.clock_state,
            clock_off_s=off_s,
            clock_set=not order.dry_run,
            free_bytes=status.free_bytes,
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
        if against and not order.reason:
            # Five minutes would change nothing.
            return facts, status
        slopes, status = self._watch(status, wanted)
        _, off_s = self._timed_status()
        facts = replace(
            facts,
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
            self._session.pause(_LOOK_LEAST_S)
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

    def _watch(self, status: Status, profile: Profile) -> tuple[dict[int, Slope], Status]:
        """Follow the samples; return how each probe that gave one every time moved."""
        interval_s = status.interval_ms / 1000
        wanted_s = max(gate.WATCH_S, interval_s * gate.WATCH_SAMPLES)
        self._to.say(f"watching its probes for {wanted_s / 60:.0f} min")
        channels = [channel.channel for channel in profile.channels]
        readings: dict[int, list[stability.Reading]] = {channel: [] for channel in channels}
        faulty: set[int] = set()
        first = last = status
        began_s = heard_s = self._session.clock()
        while True:
            _note(last, readings, faulty)
            done_s = _board_s(last) - _board_s(first)
            self._to.watched(min(done_s, wanted_s), wanted_s)
            count = len(next(iter(readings.values())))
            if done_s >= wanted_s and count >= gate.WATCH_SAMPLES:
                break
            last_samples = last.samples
            while last.samples == last_samples:
                now_s = self._session.clock()
                # How much of the board's time goes by in one of this computer's: 1, but for a
                # simulated board in a hurry.
                pace = max(1.0, (_board_s(last) - _board_s(first)) / max(now_s - began_s, 0.1))
                silent_s = _SILENT_S + _SILENT_INTERVALS * interval_s / pace
                if now_s - heard_s > silent_s:
                    return {}, last
                look_s = interval_s / pace / 4
                self._session.pause(min(max(look_s, _LOOK_LEAST_S), _LOOK_MOST_S))
                last = self._session.status()
                if (last.run, last.boot) != (first.run, first.boot):
                    raise PeerViolation("it started again while its probes were watched")
            heard_s = self._session.clock()
        slopes: dict[int, Slope] = {}
        for channel in channels:
            if channel in faulty:
                continue
            line = stability.fit(readings[channel])
            slopes[channel] = gate.Slope(
                line.slope_k_per_min * 60, line.slope_u_k_per_min * 60, line.length_s, line.count
            )
        return slopes, last

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
            )
        except LinkError as loss:
            self._after_loss(loss, seen, data, outcome.run_before)
        self._to.say("waiting until it has started again")
        try:
            status = requests.await_restart(self._session, outcome.run_before)
            live = requests.live(self._session)
        except (LinkError, PullError) as error:
            raise ArmedNotSeen(seen.board.name, error) from error
        if live.profile_crc32 != crc32(data):
            problem = PeerViolation("its profile is not the one it was given")
            raise ArmedNotSeen(seen.board.name, problem)
        return replace(outcome, profile=profile, armed=True, run=status.run)

    def _after_loss(self, loss: LinkError, seen: Seen, data: bytes, run: int) -> None:
        """Find out whether a profile is in force whose last answer was lost.

        Raises:
            NotArmed: it is not.
            ArmingUnknown: the board does not come back.
        """
        self._to.say("the link was lost: looking for the logger")
        began_s = self._session.clock()
        last: LinkError = loss
        while self._session.clock() - began_s < requests.RESTART_GIVE_UP_S:
            self._session.pause(0.5)
            try:
                self._session.reopen()
                now = requests.get_profile(self._session)
            except LinkError as error:
                last = error
                continue
            if now == data:
                return
            raise NotArmed(seen.board.name, run, loss) from loss
        raise ArmingUnknown(seen.board.name, last) from last


# --- looking ------------------------------------------------------------------------------------


def look(session: Session) -> Seen:
    """Ask a board for everything that is judged; nothing changes.

    Raises:
        NoBench: its firmware is too old.
    """
    board = session.board or session.hello()
    live = requests.live(session)
    return Seen(
        board=board,
        status=session.status(),
        live=live,
        profile=requests.get_profile(session),
        files=tuple(session.list_files()),
        failed_tests=_failed_tests(session),
    )


def _failed_tests(session: Session) -> tuple[str, ...] | None:
    """Return what of the newest self-test failed; None where the board has none to show.

    Results are asked for from the second on: the first would begin a new self-test. So the first
    alone, one channel's converter settings, is not seen; a converter that loses them is a fault.
    """
    failed: list[str] = []
    first, total = 1, 2
    while first < total:
        body = struct.pack(layout.SELFTEST.format, first)
        try:
            reply = session.request(layout.MSG_SELFTEST, body, "SELFTEST")
        except DeviceRefused:
            return None
        head = layout.SELFTEST_REPLY.size
        total, at, count = read_record(layout.SELFTEST_REPLY, reply[:head])
        if at != first or count == 0 or len(reply) != head + count * layout.EVENT_SELFTEST.size:
            raise PeerViolation("its test results do not make a whole")
        for entry in struct.iter_unpack(layout.EVENT_SELFTEST.format, reply[head:]):
            result = requests.TestResult(*entry)
            if result.verdict == layout.SELFTEST_VERDICT_NAMES.index("fail"):
                failed.append(f"{result.name} {result.index}" if result.index else result.name)
        first += count
    return tuple(failed)


def is_held(file: StoredFile) -> bool:
    """Tell whether a host has confirmed to hold all of a file; an empty one holds nothing."""
    return bool(file.flags & layout.ENTRY_CONFIRMED) or not file.size


def probes_of(
    profile: Profile, status: Status, slopes: Mapping[int, Slope]
) -> tuple[gate.Probe, ...]:
    """Return what the gate judges of each fitted probe."""
    return tuple(
        _probe_of(profile, channel, status, slopes.get(channel.channel))
        for channel in profile.channels
    )


def _probe_of(
    profile: Profile, channel: Channel, status: Status, slope: Slope | None
) -> gate.Probe:
    code = status.readings[channel.channel]
    state = layout.state_of(code)
    degc = code / layout.TEMPERATURE_PER_DEGC if state == layout.STATE_OK else None
    calibrated = channel.calibrated
    expanded_k = 0.0
    if degc is not None:
        cold_junction = status.cold_junction / layout.COLD_JUNCTION_PER_DEGC
        expanded_k = budget(
            channel.probe_type,
            degc,
            *((cold_junction,) if status.cold_junction >= layout.READING_MIN else ()),
            gain=profile.sampling.gain,
            calibration_u_k=None if calibrated is None else channel.calibration_u_degc,
        ).expanded_k
    return gate.Probe(
        channel=channel.channel,
        serial=channel.serial,
        placement=channel.placement,
        state=state,
        degc=degc,
        expanded_k=expanded_k,
        limit_degc=_limit_of(profile, channel.channel),
        slope=slope,
        calibrated_utc_s=_midnight_s(calibrated),
        due_utc_s=_midnight_s(channel.calibration_due),
        point_serials=tuple(point.serial for point in channel.calibration),
    )


def _midnight_s(day: Any) -> int | None:  # noqa: ANN401 - a date or None
    if day is None:
        return None
    return wire_s(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _limit_of(profile: Profile, channel: int) -> float | None:
    """Return the coldest hold limit above which a channel may not be."""
    limits = [
        rule.threshold_degc
        for rule in profile.rules
        if isinstance(rule, LimitRule)
        and rule.kind == "above"
        and rule.severity == "hold"
        and channel in profile.channels_of(rule)
    ]
    return min(limits, default=None)


def _note(status: Status, readings: dict[int, list[stability.Reading]], faulty: set[int]) -> None:
    for channel, had in readings.items():
        code = status.readings[channel]
        if layout.state_of(code) != layout.STATE_OK:
            faulty.add(channel)
        degc = code / layout.TEMPERATURE_PER_DEGC
        had.append(stability.Reading(_board_s(status), degc))


def _board_s(status: Status) -> float:
    return status.uptime_s + status.uptime_ms / 1000


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
