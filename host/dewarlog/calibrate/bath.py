"""Waiting for probes to come to rest in one bath, by what the board tells of each sample.

In the bench: below course; polls the session, judges by stability. Time is the board's uptime, not
this computer's clock: a simulated board may be in a hurry. How often the board is asked follows
from how fast its uptime goes.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from dewarlog.calibrate import correction as calibration
from dewarlog.calibrate.correction import ICE, LN2, in_bath
from dewarlog.calibrate.stability import TIME_CONSTANT_S, Reading, Thresholds, judge
from dewarlog.errors import NoAnswer, NothingNew, NotSettled, ProbeFault, WrongBath
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dewarlog.calibrate.correction import Chain, PointResult, Reference
    from dewarlog.calibrate.stability import Fit, Judgement
    from dewarlog.errors import CalibrationError
    from dewarlog.replies import Status
    from dewarlog.session import Session

SETTLE_S: Final = 1800.0
BATH_NAMES: Final = {ICE: "ice bath", LN2: "liquid nitrogen"}
_FAULTS_IN_A_ROW: Final = 2  # one may be a converter that lost its settings
_SILENT_INTERVALS: Final = 6
_SILENT_LEAST_S: Final = 90.0
_ASKS_PER_INTERVAL: Final = 4
_ASK_MOST_S: Final = 2.0  # a display that lives
_ASK_LEAST_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Patience:
    """What counts as at rest, and how long it is waited for."""

    asks: bool
    """True where a person has said that the probes are in the bath."""
    settle_s: float = SETTLE_S
    thresholds: Thresholds = field(default_factory=Thresholds)


@dataclass(frozen=True, slots=True)
class ProbeNow:
    """How one probe is doing in its bath."""

    chain: Chain
    degc: float | None
    """Newest reading with the offset taken off; None for a fault."""
    judgement: Judgement
    arrived: bool

    @property
    def ready(self) -> bool:
        """At rest, and in the right bath."""
        return self.judgement.settled and self.arrived

    def still_s(self, needs_s: float, limits: Thresholds) -> float:
        """Guess how long it will be at least until it is at rest.

        A probe that nears its bath loses its slope with its time constant; one that scatters, or
        is elsewhere, needs a whole window from when that ends.
        """
        line = self.judgement.fit
        if self.ready:
            return 0.0
        if self.judgement.why == "few readings":
            return max(0.0, needs_s - (0.0 if line is None else line.length_s))
        if self.judgement.why == "slope" and line is not None:
            over = abs(line.slope_k_per_min) / limits.slope_k_per_min
            return TIME_CONSTANT_S * math.log(max(over, 1.2))
        return needs_s


@dataclass(frozen=True, slots=True)
class Now:
    """How the wait for one bath is going, in seconds of the board's time."""

    reference: Reference
    waited_s: float
    settle_s: float
    needs_s: float
    """How long a probe must be quiet."""
    still_s: float
    """How long it will be at least until all are at rest."""
    probes: tuple[ProbeNow, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """One bath, done: a result and a fit for each chain, and every sample polled."""

    reference: Reference
    at: datetime
    waited_s: float
    results: tuple[PointResult, ...]
    fits: tuple[Fit, ...]
    rows: tuple[tuple[float, ...], ...]
    """Board's uptime in s, number of the sample, cold junction in 1/64 degC, reading codes."""


class BathWait:
    """One bath with some probes in it."""

    def __init__(
        self,
        session: Session,
        began: Status,
        chains: Sequence[Chain],
        reference: Reference,
        others: Sequence[Reference],
        patience: Patience,
    ) -> None:
        """Use a session in the run and boot of `began`; `others` are baths a probe may be in."""
        self._session = session
        self._began = began
        self._chains = chains
        self._reference = reference
        self._others = others
        self._patience = patience
        # As the board tells them, its offset in them.
        self._readings: dict[int, list[Reading]] = {chain.channel: [] for chain in chains}
        self._cold_junctions: list[Reading] = []
        self._faults = dict.fromkeys(self._readings, 0)
        self._rows: list[tuple[float, ...]] = []

    def take(
        self, show: Callable[[Now], None], now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> Taken:
        """Wait until every probe is at rest; `now` dates the result.

        Raises:
            NotSettled, WrongBath, ProbeFault, NothingNew: it did not come about.
            LinkError, PullError: from the way there.
        """
        began_s: float | None = None
        for status in samples(self._session, self._began):
            now_s = uptime_s(status)
            began_s = now_s if began_s is None else began_s
            waited_s = now_s - began_s
            self._note(status, now_s)
            probes = tuple(self._probe_now(chain) for chain in self._chains)
            needs_s = self._needs_s(status.interval_ms / 1000)
            limits = self._patience.thresholds
            still_s = max(probe.still_s(needs_s, limits) for probe in probes)
            show(Now(self._reference, waited_s, self._patience.settle_s, needs_s, still_s, probes))
            if all(probe.ready for probe in probes):
                return self._taken(probes, waited_s, now())
            for probe in probes:
                if self._patience.asks and probe.judgement.settled and not probe.arrived:
                    raise self._wrong(probe)
            if waited_s > self._patience.settle_s:
                raise self._why_not(next(one for one in probes if not one.ready), waited_s)
        raise AssertionError  # samples never end

    def _needs_s(self, interval_s: float) -> float:
        limits = self._patience.thresholds
        return max(limits.window_s, (limits.least_readings - 1) * interval_s)

    def _note(self, status: Status, now_s: float) -> None:
        """Take one sample."""
        codes = [status.readings[chain.channel] for chain in self._chains]
        self._rows.append((now_s, status.samples, status.cold_junction, *codes))
        if status.cold_junction >= layout.READING_MIN:
            cold = status.cold_junction / layout.COLD_JUNCTION_PER_DEGC
            self._cold_junctions.append(Reading(now_s, cold))
        for chain, code in zip(self._chains, codes, strict=True):
            state = layout.state_of(code)
            if state == layout.STATE_OK:
                self._faults[chain.channel] = 0
                degc = code / layout.TEMPERATURE_PER_DEGC
                self._readings[chain.channel].append(Reading(now_s, degc))
                continue
            self._readings[chain.channel].clear()
            self._faults[chain.channel] += 1
            if self._faults[chain.channel] >= _FAULTS_IN_A_ROW:
                raise ProbeFault(
                    chain.channel + 1, BATH_NAMES[self._reference.point], _state_name(state)
                )

    def _probe_now(self, chain: Chain) -> ProbeNow:
        readings = self._readings[chain.channel]
        judged = judge(readings, self._patience.thresholds)
        newest = readings[-1].degc - chain.offset_degc if readings else None
        arrived = newest is not None and in_bath(newest, self._reference)
        return ProbeNow(chain, newest, judged, arrived)

    def _taken(self, probes: Sequence[ProbeNow], waited_s: float, at: datetime) -> Taken:
        results: list[PointResult] = []
        fits: list[Fit] = []
        for probe in probes:
            window = probe.judgement.readings
            colds = [one.degc for one in self._cold_junctions if one.time_s >= window[0].time_s]
            line = probe.judgement.fit
            if line is None or not colds:
                raise ProbeFault(
                    probe.chain.channel + 1,
                    BATH_NAMES[self._reference.point],
                    _state_name(layout.STATE_COLD_JUNCTION),
                )
            results.append(calibration.point_result(probe.chain, self._reference, line, colds))
            fits.append(line)
        return Taken(self._reference, at, waited_s, tuple(results), tuple(fits), tuple(self._rows))

    # --- why nothing came of it -----------------------------------------------------------------

    def _why_not(self, probe: ProbeNow, waited_s: float) -> CalibrationError:
        if not probe.arrived and probe.judgement.settled:
            return self._wrong(probe)
        line = probe.judgement.fit
        if line is None:
            figures = f"{len(probe.judgement.readings)} readings"
        else:
            limits = self._patience.thresholds
            degc = line.mean_degc - probe.chain.offset_degc
            figures = (
                f"it stands at {degc:.2f} degC; slope {line.slope_k_per_min:+.3f} "
                f"+-{line.slope_u_k_per_min:.3f} K/min, at most {limits.slope_k_per_min} may be "
                f"left; spread {line.spread_k:.3f} K, at most {limits.spread_k}"
            )
        return NotSettled(
            probe.chain.channel + 1,
            BATH_NAMES[self._reference.point],
            waited_s,
            probe.judgement.why,
            figures,
        )

    def _wrong(self, probe: ProbeNow) -> WrongBath:
        degc = probe.degc or 0.0
        seems = next((BATH_NAMES[one.point] for one in self._others if in_bath(degc, one)), None)
        return WrongBath(
            probe.chain.channel + 1,
            BATH_NAMES[self._reference.point],
            degc,
            self._reference.degc,
            seems,
        )


def uptime_s(status: Status) -> float:
    """Give the board's uptime."""
    return status.uptime_s + status.uptime_ms / 1000


def samples(session: Session, began: Status) -> Iterator[Status]:
    """Yield the board's state whenever it has taken another sample; never ends by itself.

    Raises:
        NothingNew: it records no longer, started again, or takes no samples.
    """
    name = "?" if session.board is None else session.board.name
    newest: int | None = None
    newest_s = 0.0
    pace = _Pace()
    while True:
        status = _status(session)
        now_s = uptime_s(status)
        pace.look(now_s)
        if (status.run, status.boot) != (began.run, began.boot):
            raise NothingNew(name, "it started again meanwhile")
        if not status.recording:
            raise NothingNew(name, "it records nothing now")
        if newest is None:
            newest, newest_s = status.samples, now_s  # of before: a bath begins with the next
        elif status.samples != newest:
            newest, newest_s = status.samples, now_s
            yield status
        silent_s = max(_SILENT_LEAST_S, _SILENT_INTERVALS * status.interval_ms / 1000)
        if now_s - newest_s > silent_s:
            raise NothingNew(name, f"none for {now_s - newest_s:.0f} s")
        session.pause(pace.wait_s(status.interval_ms / 1000))


def _status(session: Session) -> Status:
    """Ask how the board is; one that is deaf may have started again behind an open port."""
    try:
        return session.status()
    except NoAnswer:
        session.reopen()
        return session.status()


class _Pace:
    """How fast the board's time goes by this computer's, to ask it a few times an interval."""

    def __init__(self) -> None:
        self._began: tuple[float, float] | None = None
        self._rate = 1.0

    def look(self, board_s: float) -> None:
        here_s = time.monotonic()
        if self._began is None:
            self._began = (here_s, board_s)
            return
        if here_s - self._began[0] > _ASK_LEAST_S:
            self._rate = (board_s - self._began[1]) / (here_s - self._began[0])

    def wait_s(self, interval_s: float) -> float:
        wanted_s = interval_s / _ASKS_PER_INTERVAL / max(self._rate, 1.0)
        return min(max(wanted_s, _ASK_LEAST_S), _ASK_MOST_S)


def _state_name(state: int) -> str:
    known = state < len(layout.STATE_NAMES)
    return layout.STATE_NAMES[state] if known else f"state {state}"
