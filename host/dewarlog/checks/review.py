"""One pass over a log: every check fed from the same stream, every answer in one `Review`.

The only place that knows all checks. Reads the file once, window by window; a second pass is made
only where a calibration turns out to have run out before the trip ended, because that widens the
guard band.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dewarlog.checks.agreement import Agreement, AgreementCheck
from dewarlog.checks.arming import check_arming
from dewarlog.checks.audit import Audit, AuditCheck
from dewarlog.checks.calibration import check_calibration, counts_until
from dewarlog.checks.clock import ClockCheck
from dewarlog.checks.columns import ColumnsCheck
from dewarlog.checks.coverage import Coverage, CoverageCheck
from dewarlog.checks.excursion import ExcursionCheck, judged
from dewarlog.checks.filing import check_filing
from dewarlog.checks.finding import Moment, limited
from dewarlog.checks.integrity import Integrity, IntegrityCheck
from dewarlog.checks.limits import (
    UncertaintyGuard,
    excursion_findings,
    limit_notes,
    near_limit_findings,
)
from dewarlog.checks.linearisation import Linearisation, LinearisationCheck
from dewarlog.checks.probes import ChannelSummary, Outage, ProbeCheck, blind_limit_s
from dewarlog.checks.selftest import SelfTest, SelfTestCheck
from dewarlog.checks.shock import Shock, ShockCheck
from dewarlog.checks.supply import Supply, SupplyCheck
from dewarlog.checks.thaw import check_thaw
from dewarlog.checks.tilt import Tilt, TiltCheck
from dewarlog.readings import LogReader
from dewarlog.records import Block, CustodyRecord, JournalTail, Lost, Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from dewarlog.checks.excursion_machine import Excursion
    from dewarlog.checks.finding import Finding
    from dewarlog.checks.wall_clock import WallClock
    from dewarlog.records import Event, SampleSpan


@dataclass(frozen=True, slots=True)
class BootSpan:
    """The part of one boot that the log tells of, by uptime."""

    boot: int
    first_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class Review:
    """Everything the checks say about one log."""

    path: Path
    size_bytes: int
    sha256: str
    run: Run | None
    integrity: Integrity
    clock: WallClock
    coverage: Coverage
    channels: tuple[ChannelSummary, ...]
    outages: tuple[Outage, ...]
    excursions: tuple[Excursion, ...]
    agreement: Agreement
    linearisation: Linearisation
    shocks: tuple[Shock, ...]
    tilt: Tilt | None
    supply: Supply
    self_tests: tuple[SelfTest, ...]
    audit: Audit
    custody: tuple[CustodyRecord, ...]
    handoff_heads: Mapping[int, bool | None]
    """By the number of a handoff: does the head it names match this log? None: it cannot say."""
    events: int
    boots: tuple[BootSpan, ...]
    guard: UncertaintyGuard | None
    findings: tuple[Finding, ...]

    @property
    def first(self) -> Moment | None:
        """Give the earliest moment the log tells of."""
        return _first(self.boots)

    @property
    def last(self) -> Moment | None:
        """Give the latest moment the log tells of."""
        return _last(self.boots)

    @property
    def has_readings(self) -> bool:
        """True where at least one probe gave at least one temperature."""
        return bool(self.channels)


def _first(boots: Sequence[BootSpan]) -> Moment | None:
    return Moment(boots[0].boot, boots[0].first_ms) if boots else None


def _last(boots: Sequence[BootSpan]) -> Moment | None:
    return Moment(boots[-1].boot, boots[-1].last_ms) if boots else None


def review_log(path: Path) -> Review:
    """Run every check over a log file.

    Raises:
        NotALog: the file is empty or holds no log.
        UnknownVersion: the log is written in a newer format.
        OSError: the file cannot be read.
    """
    review = _Pass(frozenset()).over(path)
    expired = _expired(review)
    return _Pass(expired).over(path) if expired else review


def _expired(review: Review) -> frozenset[int]:
    """Give the channels whose calibration ran out before the trip ended."""
    if review.run is None:
        return frozenset()
    trip_end = _wall_s(review.clock, review.last)
    return frozenset(
        channel.channel
        for channel in review.run.channels
        if channel.calibrated_unix_s is not None and not counts_until(channel, trip_end)
    )


def _wall_s(clock: WallClock, moment: Moment | None) -> float | None:
    time = None if moment is None else clock.at(moment)
    return None if time is None else time.unix_s


@dataclass(slots=True)
class _Pass:
    """The checks of one pass, and what they are fed."""

    distrusted: frozenset[int]
    integrity: IntegrityCheck = field(default_factory=IntegrityCheck)
    clock: ClockCheck = field(default_factory=ClockCheck)
    coverage: CoverageCheck = field(default_factory=CoverageCheck)
    columns: ColumnsCheck = field(default_factory=ColumnsCheck)
    probes: ProbeCheck = field(default_factory=ProbeCheck)
    agreement: AgreementCheck = field(default_factory=AgreementCheck)
    linearisation: LinearisationCheck = field(default_factory=LinearisationCheck)
    shock: ShockCheck = field(default_factory=ShockCheck)
    tilt: TiltCheck = field(default_factory=TiltCheck)
    supply: SupplyCheck = field(default_factory=SupplyCheck)
    selftest: SelfTestCheck = field(default_factory=SelfTestCheck)
    audit: AuditCheck = field(default_factory=AuditCheck)
    excursion: ExcursionCheck = field(default_factory=lambda: ExcursionCheck(()))
    near: ExcursionCheck = field(default_factory=lambda: ExcursionCheck(()))
    run: Run | None = None
    guard: UncertaintyGuard | None = None
    custody: list[CustodyRecord] = field(default_factory=list[CustodyRecord])
    events: int = 0
    boots: dict[int, BootSpan] = field(default_factory=dict[int, BootSpan])
    _next_seq: int = 0
    _next_sample: int = 0
    _lost_from: int | None = None  # first sample behind a loss

    def over(self, path: Path) -> Review:
        with path.open("rb") as file:
            reader = LogReader(file, path)
            for item in reader.items():
                counts = self.integrity.feed(item)
                if isinstance(item, Lost):
                    self._lose()
                elif counts and isinstance(item, Block):
                    self._block(item)
                elif counts and isinstance(item, JournalTail):
                    self._content(item.span, item.events)
                    if item.span is not None:
                        self.linearisation.feed(item.span, item.raw_sets)
                    if item.torn_bytes:
                        self._lose()
            return self._finish(path, reader.size_bytes, reader.sha256)

    def _lose(self) -> None:
        self.coverage.damaged()
        self.audit.damaged()
        if self._lost_from is None:
            self._lost_from = self._next_sample

    def _block(self, block: Block) -> None:
        if block.block_seq != self._next_seq:
            self._lose()
        self._next_seq = block.block_seq + 1
        if block.run_settings is not None:
            self._begin(block.run_settings)
        self._content(block.span, block.events)
        if block.span is not None:
            self.linearisation.feed(block.span, block.raw_sets)
        if block.shock is not None:
            self.shock.feed_window(block.shock)

    def _begin(self, run: Run) -> None:
        self.run = run
        self.columns.run = run
        self.linearisation.run = run
        self.guard = UncertaintyGuard(run, self.distrusted)
        self.excursion = ExcursionCheck(run.rules)
        self.near = ExcursionCheck(tuple(rule for rule in run.rules if rule.holds), self.guard)

    def _content(self, span: SampleSpan | None, events: Iterable[Event]) -> None:
        for event in events:
            self._event(event)
        if span is not None:
            self._span(span)

    def _event(self, event: Event) -> None:
        self.events += 1
        self._pass_by(Moment(event.boot, event.uptime_ms))
        self.clock.feed(event)
        self.coverage.feed_event(event)
        self.probes.feed_event(event)
        self.agreement.feed(event)
        self.shock.feed_event(event)
        self.tilt.feed(event)
        self.supply.feed(event)
        self.selftest.feed(event)
        self.audit.feed(event)
        if isinstance(event, CustodyRecord):
            self.custody.append(event)

    def _span(self, span: SampleSpan) -> None:
        self._pass_by(Moment(span.boot, span.start_ms))
        self._pass_by(Moment(span.boot, span.last_nominal_ms))
        self._next_sample = span.end_sample
        if self.coverage.feed_span(span):
            self.excursion.break_time()
            self.near.break_time()
        self.columns.feed(span)
        self.probes.feed_span(span)
        channels = judged(span)
        self.excursion.feed(channels)
        self.near.feed(channels)

    def _pass_by(self, moment: Moment) -> None:
        span = self.boots.get(moment.boot)
        if span is None:
            span = BootSpan(moment.boot, moment.uptime_ms, moment.uptime_ms)
        elif span.first_ms <= moment.uptime_ms <= span.last_ms:
            return
        self.boots[moment.boot] = BootSpan(
            moment.boot,
            min(span.first_ms, moment.uptime_ms),
            max(span.last_ms, moment.uptime_ms),
        )

    def _finish(self, path: Path, size_bytes: int, sha256: str) -> Review:
        run = self.run
        boots = tuple(span for _, span in sorted(self.boots.items()))
        last = _last(boots)
        for finding in check_filing(path, size_bytes, sha256):
            self.integrity.add(finding)
        integrity, findings = self.integrity.finish()
        clock, more = self.clock.finish()
        findings += more
        coverage, more = self.coverage.finish(clock, blind_limit_s(run), self.integrity.given_up)
        findings += more
        findings += self.columns.finish()
        channels, more = self.probes.finish(run, self._lost_from)
        findings += more
        excursions = self.excursion.all_found()
        agreement, more = self.agreement.finish(excursions, self._lost_from)
        findings += more
        linearisation, more = self.linearisation.finish()
        findings += more
        shocks, more = self.shock.finish(run)
        findings += more
        tilt, more = self.tilt.finish(None if run is None else run.tilt_settings)
        findings += more
        supply, more = self.supply.finish()
        findings += more
        self_tests, more = self.selftest.finish()
        findings += more
        audit, more = self.audit.finish()
        findings += more
        if run is not None and self.guard is not None:
            findings += excursion_findings(run, excursions)
            findings += near_limit_findings(run, self.guard, self.near.all_found(), excursions)
            findings += limit_notes(run, (summary.channel for summary in channels))
            findings += check_calibration(run, _wall_s(clock, last))
            findings += check_arming(run, clock, _first(boots), last, self.custody)
            findings += check_thaw(run, clock, last, self.custody)
        return Review(
            path=path,
            size_bytes=size_bytes,
            sha256=sha256,
            run=run,
            integrity=integrity,
            clock=clock,
            coverage=coverage,
            channels=channels,
            outages=tuple(self.probes.outages),
            excursions=excursions,
            agreement=agreement,
            linearisation=linearisation,
            shocks=shocks,
            tilt=tilt,
            supply=supply,
            self_tests=self_tests,
            audit=audit,
            custody=tuple(self.custody),
            handoff_heads=self.integrity.handoff_heads,
            events=self.events,
            boots=boots,
            guard=self.guard,
            findings=limited(findings),
        )
