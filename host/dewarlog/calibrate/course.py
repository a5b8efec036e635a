"""The course of a calibration: bath after bath, then the board, then the proof that it took it.

In the bench: bath waits, calibration computes, calibration_file keeps, requests writes. It says
nothing to a person itself; a Guide does. What was measured is in the archive before the board is
touched, and nothing on the board changes before that: whatever ends the course early leaves the
board as it was.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol
from zlib import crc32

from dewarlog.bench import requests
from dewarlog.calibrate import correction as calibration
from dewarlog.calibrate.bath import BATH_NAMES, BathWait, Patience, Taken, samples
from dewarlog.calibrate.correction import COUNTS_PER_DEGC, ICE, LN2, Chain
from dewarlog.calibrate.drift import Found, found_in, found_on, jumps, together
from dewarlog.calibrate.record import changed, record
from dewarlog.errors import (
    DeviceRefused,
    NoSuchProbe,
    NothingNew,
    NotVerified,
    ProbeSuspect,
    ProfileChanged,
    ProfileNotPut,
    ProfileRefused,
)
from dewarlog.profile.model import Profile
from dewarlog.profile.parts import round_as_board
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dewarlog.calibrate.bath import Now
    from dewarlog.calibrate.correction import Correction, PointResult, Reference
    from dewarlog.calibrate.drift import Jump
    from dewarlog.calibrate.file import CalibrationFile, CalibrationShelf
    from dewarlog.replies import Board, Status
    from dewarlog.session import Session

VERIFY_READINGS: Final = 3
# A corrected reading may be this far from where it must be: the drift of minutes; or 3 deviations.
VERIFY_LEAST_K: Final = 0.1
_VERIFY_SAMPLES_MOST: Final = 12
_PURPOSE: Final = layout.PURPOSE_NAMES.index("calibrate")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, as the person asked for it."""

    references: tuple[Reference, ...]
    """In the order in which the baths are taken; the LN2 point is among them."""
    channels: tuple[int, ...] | None
    """None: every probe of the profile."""
    actor: str
    reference: str
    """With what is compared, for log and archive."""
    pressure: str
    """Where the pressure is from."""
    valid_months: int
    patience: Patience


class Guide(Protocol):
    """What stands between the course and a person."""

    def bath(self, reference: Reference, chains: Sequence[Chain]) -> None:
        """Say what to do for the next bath, and wait until it is done where somebody is there."""

    def show(self, now: Now) -> None:
        """Show how it goes; called for every new sample."""

    def confirm(self, outcome: Outcome) -> bool:
        """Show what was found; return whether it shall be written to the board."""
        ...

    def say(self, text: str) -> None:
        """Say one thing."""


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """What one probe was found to be."""

    chain: Chain
    points: tuple[PointResult, ...]
    correction: Correction


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a course found."""

    probes: tuple[ProbeOutcome, ...]
    jumps: tuple[Jump, ...]
    due: date
    run: int
    """The run that is open, and ends when this is written."""


@dataclass(frozen=True, slots=True)
class Done:
    """A course that went to its end; `file` is not applied where the person said no."""

    outcome: Outcome
    file: CalibrationFile


def months_after(day: date, months: int) -> date:
    """Return the same day so many months later, the last of its month where there is none."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class Course:
    """One calibration of one board."""

    def __init__(
        self,
        session: Session,
        shelf: CalibrationShelf,
        guide: Guide,
        *,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        """Use an open session; `now` dates what is written, in whole seconds of UTC."""
        self._session = session
        self._shelf = shelf
        self._guide = guide
        self._now = now
        self.touched = False
        """True from the moment at which the board may have been changed."""

    def run(self, plan: Plan) -> Done:
        """Go through all of it.

        Raises:
            CalibrationError: as its kinds say; the board is as it was, but for NotVerified.
            LinkError, PullError: from the board and the way there.
            ArchiveError: nothing can be kept, so nothing is written to the board.
        """
        session = self._session
        board = session.board or session.hello()
        status = session.status()
        requests.expect_rights(session, status)
        before = requests.get_profile(session)
        profile = _profile_of(board, before)
        chains = _chains(profile, plan.channels, board.name)
        # What is damaged, or cannot be written, or gives no readings, is told before anybody fills
        # a bath.
        if not status.recording:
            raise NothingNew(board.name, "it records nothing now")
        known = self._known(board, profile)
        self._shelf.prepare(board.name)
        if profile.arming is not None:
            self._guide.say(
                f"note: run {status.run} was armed for a trip; it ends when this is written"
            )
        taken: list[Taken] = []
        for reference in plan.references:
            self._guide.bath(reference, chains)
            baths = (*plan.references, calibration.ice_reference())
            wait = BathWait(session, status, chains, reference, baths, plan.patience)
            taken.append(wait.take(self._guide.show, self._now))
        outcome = self._outcome(board, status, profile, chains, known, taken, plan)
        file = self._shelf.file(record(board, plan, taken, outcome, self._now()))
        if self._guide.confirm(outcome):
            fresh = self._write(board, before, profile, outcome, file, plan)
            verified = self._verify(board, fresh, taken[-1], outcome, file)
            crc = crc32(requests.get_profile(session))
            file = file.apply(
                {
                    "at": self._now(),
                    "run": fresh.run,
                    "profile_crc32": crc,
                    "verified": verified,
                }
            )
        return Done(outcome, file)

    def _known(self, board: Board, profile: Profile) -> list[Found]:
        """Gather what archive and board know of probes."""
        found = [one for file in self._shelf.all() for one in found_in(file)]
        return together([*found, *found_on(profile, board.name)])

    def _outcome(
        self,
        board: Board,
        status: Status,
        profile: Profile,
        chains: Sequence[Chain],
        known: Sequence[Found],
        taken: Sequence[Taken],
        plan: Plan,
    ) -> Outcome:
        """Compute every probe's correction, and refuse those that must not be corrected."""
        due = months_after(self._now().date(), plan.valid_months)
        probes: list[ProbeOutcome] = []
        new: list[Found] = []
        for index, chain in enumerate(chains):
            points = {one.reference.point: one.results[index] for one in taken}
            for point in points.values():
                _expect_sound(chain, point)
            made = calibration.correction(
                chain, points[LN2], points.get(ICE), hold_limit_degc(profile, chain.channel)
            )
            probes.append(ProbeOutcome(chain, tuple(points.values()), made))
            new += [
                Found(
                    chain.serial,
                    one.reference.point,
                    one.at,
                    one.results[index].deviation_k,
                    one.results[index].u_k,
                    board.name,
                    chain.channel,
                    due,
                    applied=False,
                )
                for one in taken
                if chain.serial
            ]
        said = tuple(jump for jump in jumps([*known, *new]) if jump.after in new)
        return Outcome(tuple(probes), said, due, status.run)

    def _write(
        self,
        board: Board,
        before: bytes,
        profile: Profile,
        outcome: Outcome,
        file: CalibrationFile,
        plan: Plan,
    ) -> Status:
        """Write the new profile and wait for the run that begins with it."""
        data = changed(profile, outcome, file).write()
        numbers = ", ".join(str(probe.chain.channel + 1) for probe in outcome.probes)
        self._guide.say("writing to the logger")
        self.touched = True
        try:
            requests.put_profile(
                self._session,
                data,
                before=before,
                purpose=_PURPOSE,
                utc_s=int(self._now().timestamp()) - layout.UTC_EPOCH_UNIX_S,
                actor=plan.actor,
                note=f"calibrated probes {numbers}, due {outcome.due}",
            )
        except (DeviceRefused, ProfileChanged, ProfileNotPut, ProfileRefused):
            self.touched = False
            raise
        self._guide.say("waiting for its new run")
        fresh = requests.await_restart(self._session, outcome.run)
        if requests.get_profile(self._session) != data:
            raise NotVerified(board.name, "its profile is not the one written", file.path)
        return fresh

    def _verify(
        self, board: Board, fresh: Status, last: Taken, outcome: Outcome, file: CalibrationFile
    ) -> list[dict[str, Any]]:
        """Read the probes, still in the last bath, with their new offsets."""
        self._guide.say("reading the probes again: leave them in their bath")
        got: dict[int, list[float]] = {probe.chain.channel: [] for probe in outcome.probes}
        try:
            for count, status in enumerate(samples(self._session, fresh), 1):
                for channel, values in got.items():
                    code = status.readings[channel]
                    if layout.state_of(code) == layout.STATE_OK:
                        values.append(code / layout.TEMPERATURE_PER_DEGC)
                if all(len(values) >= VERIFY_READINGS for values in got.values()):
                    break
                if count >= _VERIFY_SAMPLES_MOST:
                    raise NotVerified(board.name, "a probe gives no readings now", file.path)
        except NothingNew as error:
            # Of itself it says that nothing was changed.
            what = f"it brings no new readings ({error.why})"
            raise NotVerified(board.name, what, file.path) from error
        verified: list[dict[str, Any]] = []
        for index, probe in enumerate(outcome.probes):
            channel = probe.chain.channel
            read = sum(got[channel]) / len(got[channel])
            expected = last.results[index].indicated_degc + probe.correction.offset_degc
            limit_k = max(VERIFY_LEAST_K, 3 * last.fits[index].spread_k)
            if abs(read - expected) > limit_k:
                what = (
                    f"probe {channel + 1} reads {read:.2f} degC, and must read {expected:.2f} "
                    f"degC within {limit_k:.2f} K"
                )
                raise NotVerified(board.name, what, file.path)
            verified.append(
                {
                    "channel": channel,
                    "expected_degc": expected,
                    "read_degc": read,
                    "limit_k": limit_k,
                    "readings": len(got[channel]),
                }
            )
        return verified


# --- what the board is, and may ------------------------------------------------------------------


def _profile_of(board: Board, data: bytes) -> Profile:
    if not data:
        raise NoSuchProbe(board.name, None, ())
    return Profile.read(data, f"logger {board.name}")


def _chains(profile: Profile, wanted: tuple[int, ...] | None, name: str) -> tuple[Chain, ...]:
    """Give the chains of the probes asked for, in order of their channels."""
    fitted = tuple(channel.channel for channel in profile.channels)
    for channel in wanted or ():
        if channel not in fitted:
            raise NoSuchProbe(name, channel + 1, tuple(each + 1 for each in fitted))
    return tuple(
        Chain(
            channel.channel,
            channel.probe_type,
            channel.serial,
            # The board adds whole counts.
            round_as_board(channel.offset_degc * COUNTS_PER_DEGC) / COUNTS_PER_DEGC,
            profile.sampling.gain,
        )
        for channel in sorted(profile.channels, key=lambda each: each.channel)
        if wanted is None or channel.channel in wanted
    )


def hold_limit_degc(profile: Profile, channel: int) -> float:
    """Give the coldest limit above which a probe means HOLD; where none is set, -150 degC."""
    limits = [
        rule.threshold_degc
        for rule in profile.rules
        if rule.kind == "above"
        and rule.severity == "hold"
        and channel in profile.channels_of(rule)
    ]
    return min(limits, default=calibration.HOLD_LIMIT_DEGC)


def _expect_sound(chain: Chain, point: PointResult) -> None:
    limit_k = calibration.suspicion(chain, point)
    if limit_k is None:
        return
    raise ProbeSuspect(
        chain.channel + 1, BATH_NAMES[point.point], point.deviation_k, limit_k, chain.probe_type
    )
