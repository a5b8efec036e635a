"""Who did what, and when: the audit trail that 21 CFR Part 11 11.10(e) and ALCOA+ ask for.

Takes every event in order. The board records who speaks to it before what a host brings about
(protocol/SPEC.md 5, 19), so the actor of such an event is that of the newest proven or unproven
ACCESS event of the same boot. Times are the board's; whoever shows them has the fitted clock.
What is found here is looked at and never decides: an acknowledged alarm stays what it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from dewarlog import words
from dewarlog.checks.finding import Finding, Moment, Severity
from dewarlog.checks.selftest import SelfTestRows
from dewarlog.records import (
    AccessEvent,
    AcknowledgeEvent,
    BootEvent,
    ClockSync,
    CustodyEvent,
    FirmwareEvent,
    HandoffEvent,
    LockEvent,
    ProfileWritten,
    PullEvent,
    RadioEvent,
    RunErased,
    SealKeyEvent,
    SelfTestResult,
    SensorEvent,
    SettingEvent,
    SignatureEvent,
    StopEvent,
    SupplyEvent,
)
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dewarlog.records import Event

MANY_FAILURES: Final = 3
_CAUSE_HOST: Final = 1
_OPEN: Final = 0
_NEW_KEYS: Final = 2
_LOST_KEY: Final = 2
_STOP_COMMAND: Final = 0
_WRONG_IDENTITY: Final = 2
# What only a host brings about. Of the others, some have a cause that says so.
_BY_HOST: Final = (
    ClockSync,
    CustodyEvent,
    PullEvent,
    HandoffEvent,
    AcknowledgeEvent,
    SignatureEvent,
    ProfileWritten,
    SelfTestResult,
    RunErased,
)
_BY_BOARD: Final = (BootEvent, FirmwareEvent, SettingEvent, AccessEvent)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who spoke to the board."""

    proven: bool
    link: str
    role: str | None
    """Of the key that was proven: courier, reader or admin."""
    token: bytes | None
    holder: str
    """Whom the token names; it was written when the token was made."""

    @property
    def words(self) -> str:
        """Say who it was, and how sure that is."""
        if not self.proven:
            return f"somebody without a proof, by {self.link}"
        if self.token is None:
            return f"holder of the {self.role} key, by {self.link}"
        name = self.holder or "nobody named"
        return f"{name} (token {self.token.hex()} of the {self.role} key), by {self.link}"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that was done, or happened to the board."""

    event: Event
    by_host: bool
    actor: Actor | None
    """None: the board itself; of what a host did: nobody told."""
    results: tuple[SelfTestResult, ...] = ()
    """Of a self-test all its results, the event's own first."""

    @property
    def at(self) -> Moment:
        """Give when it was recorded, by the board's count."""
        return Moment(self.event.boot, self.event.uptime_ms)

    @property
    def who(self) -> str:
        """Say who did it."""
        if self.actor is not None:
            return self.actor.words
        return "not told" if self.by_host else "the logger"


@dataclass(frozen=True, slots=True)
class Audit:
    """The whole trail of a log."""

    entries: tuple[AuditEntry, ...]
    failures: int
    """Proofs that were refused, those without an event of their own too."""

    def actors(self) -> dict[int, Actor]:
        """Give who did what, by the number of the event."""
        return {
            event.number: item.actor
            for item in self.entries
            for event in (item.results or (item.event,))
            if item.actor is not None
        }

    def counts(self) -> dict[str, int]:
        """Count the entries of each kind, in the order of their first."""
        counted: dict[str, int] = {}
        for item in self.entries:
            counted[item.event.NAME] = counted.get(item.event.NAME, 0) + 1
        return counted


@dataclass(slots=True)
class AuditCheck:
    """Takes events in order."""

    _entries: list[AuditEntry] = field(default_factory=list[AuditEntry])
    _actor: Actor | None = None
    _boot: int | None = None
    _tells_actors: bool = False  # a board that records who speaks to it has done so in this log
    _torn: bool = False  # something is missing since the last ACCESS event
    _untold: list[AuditEntry] = field(default_factory=list[AuditEntry])
    _opened: list[AuditEntry] = field(default_factory=list[AuditEntry])
    _row: int = 0  # proofs refused since the last that held
    _failures: int = 0
    _worst: AuditEntry | None = None
    _worst_row: int = 0
    _low: bool = False
    _tests: SelfTestRows = field(default_factory=SelfTestRows)
    _tested: list[tuple[int, list[SelfTestResult]]] = field(
        default_factory=list[tuple[int, list[SelfTestResult]]]
    )
    """Where among the entries each self-test stands, and its results as they come."""
    _findings: list[Finding] = field(default_factory=list[Finding])

    def damaged(self) -> None:
        """Take note that events are missing here: who speaks is not known any more."""
        self._actor = None
        self._torn = True

    def feed(self, event: Event) -> None:
        """Take one event."""
        if event.boot != self._boot:
            self._boot, self._actor = event.boot, None
        if isinstance(event, AccessEvent):
            self._access(event)
            return
        if isinstance(event, SelfTestResult) and not self._tests.feed(event):
            return
        by_host = _is_by_host(event)
        if not by_host and not self._is_noted(event):
            return
        entry = AuditEntry(event, by_host, self._actor if by_host else None)
        if isinstance(event, SelfTestResult):
            self._tested.append((len(self._entries), self._tests.found[-1]))
        self._entries.append(entry)
        if by_host and entry.actor is None and not self._torn:
            self._untold.append(entry)
        if isinstance(event, LockEvent):
            self._lock(event, entry)
        elif isinstance(event, FirmwareEvent):
            self._firmware(event)
        elif isinstance(event, RunErased):
            self._erased(event, entry)
        elif isinstance(event, SealKeyEvent):
            self._seal_key(event)

    def _is_noted(self, event: Event) -> bool:
        """Say whether something that no host did belongs to the trail."""
        if isinstance(event, SupplyEvent):
            # Each time that it becomes low, not each time that it is measured.
            became_low = bool(event.low) and not self._low
            self._low = bool(event.low)
            return became_low
        if isinstance(event, SensorEvent):
            return event.state == _WRONG_IDENTITY
        if isinstance(event, SealKeyEvent):
            return event.state != 0
        return isinstance(event, (*_BY_BOARD, StopEvent, LockEvent, RadioEvent))

    def _access(self, event: AccessEvent) -> None:
        self._tells_actors = True
        actor: Actor | None = None
        if event.is_actor:
            self._torn = False
            proven = event.result == layout.ACCESS_PROVEN
            actor = Actor(proven, event.link_name, event.key_name, event.token_id, event.holder)
            self._actor = actor
        entry = AuditEntry(event, by_host=True, actor=actor)
        self._entries.append(entry)
        # A success tells the sum of the row before it; one without a proof ends no row.
        self._failures += max(0, event.failures - self._row)
        self._row = 0 if event.result == layout.ACCESS_PROVEN else max(self._row, event.failures)
        if event.failures > self._worst_row:
            self._worst, self._worst_row = entry, event.failures

    def _lock(self, event: LockEvent, entry: AuditEntry) -> None:
        if event.state == _OPEN and event.cause == _CAUSE_HOST:
            self._opened.append(entry)
        if event.state == _NEW_KEYS:
            text = (
                f"The logger was given new keys by {entry.who}: its tokens and its certificate "
                "from before are void."
            )
            self._note("keys-replaced", text, event)

    def _firmware(self, event: FirmwareEvent) -> None:
        self._note(
            "firmware-changed",
            f"The logger's firmware changed: {event.before} on MicroPython "
            f"{event.micropython_before} before, {event.after} on {event.micropython_after} now.",
            event,
        )

    def _erased(self, event: RunErased, entry: AuditEntry) -> None:
        if not event.was_held:
            self._note(
                "erased-unpulled",
                f"Run {event.run:,} ({words.plural(event.blocks, 'block')}) was erased from the "
                f"logger, and no computer had confirmed that it holds it: by {entry.who}.",
                event,
                run=event.run,
                log_id=event.log_id.hex(),
            )

    def _seal_key(self, event: SealKeyEvent) -> None:
        if event.state == _LOST_KEY:
            text = "The logger lost its sealing key: what it recorded from here on is not sealed."
            self._note("seal-key-lost", text, event)

    def _note(self, code: str, text: str, event: Event, **evidence: int | str) -> None:
        start = Moment(event.boot, event.uptime_ms)
        self._findings.append(Finding("audit", Severity.WARN, code, text, evidence, start=start))

    def finish(self) -> tuple[Audit, tuple[Finding, ...]]:
        """Give the trail and every finding."""
        if self._tells_actors and self._untold:
            self._untold_findings(self._untold)
        for entry in self._opened:
            text = f"The logger was locked and was opened on the way: by {entry.who}."
            self._note("lock-opened", text, entry.event)
        if self._worst is not None and self._worst_row >= MANY_FAILURES:
            event = self._worst.event
            link = event.link_name if isinstance(event, AccessEvent) else "?"
            self._note(
                "proofs-refused",
                f"Somebody tried keys that are not the logger's: {self._failures:,} proofs were "
                f"refused, {self._worst_row:,} in a row; by {link} at the last of them.",
                event,
                failures=self._failures,
            )
        for place, results in self._tested:
            self._entries[place] = replace(self._entries[place], results=tuple(results))
        return Audit(tuple(self._entries), self._failures), tuple(self._findings)

    def _untold_findings(self, untold: Sequence[AuditEntry]) -> None:
        first = untold[0].event
        one = len(untold) == 1
        names = sorted({entry.event.NAME for entry in untold})
        self._note(
            "no-actor",
            f"The log does not say who did {'this' if one else 'these'}, though it says so of "
            f"others: {words.plural(len(untold), 'event')} ({', '.join(names)}).",
            first,
            events=len(untold),
        )


def _is_by_host(event: Event) -> bool:
    """Say whether a host brought this about."""
    if isinstance(event, StopEvent):
        return event.cause == _STOP_COMMAND
    if isinstance(event, LockEvent | RadioEvent):
        return event.cause == _CAUSE_HOST
    return isinstance(event, _BY_HOST)
