"""One dewar from hand to hand: prove, sync, check, record, and a receipt for both sides.

The right end of the line: it drives pull, checks and receipt over one open link. In order:

  1. HELLO, and where this computer has a key or a token for it: the mutual proof
  2. pull what the archive lacks of the open run, sealed up to now
  3. check the whole log, here and now; and every run that ended shortly before it began, since
     the dewar travelled through that one too: the gravest word is the journey's
  4. HANDOFF: the logger compares the log's head with its own, records who gave what to whom, and
     answers with its proof; then SIGN: it signs the head that holds the record, where it can
  5. the receipt, beside the log
  6. pull once more, so that the archive holds the record too

What goes wrong before 4 leaves no record; what goes wrong after it leaves the receipt.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from dewarlog import words
from dewarlog.certificate import paired_certificate
from dewarlog.errors import (
    ArchiveError,
    DeviceRefused,
    DewarlogError,
    ExitCode,
    Impostor,
    LinkError,
    NoDewar,
    NoHandoff,
    NoLog,
    NotRecorded,
    PeerViolation,
    PullError,
    ReceiptNotWritten,
    SeveralDewars,
)
from dewarlog.journey import trace_back
from dewarlog.pull import OUT_OF_RANGE, PullOptions, locked_out_words, pull, signed_by
from dewarlog.receipt import HeldLog, Receipt, receipts_of, write_receipt
from dewarlog.records import HandoffEvent
from dewarlog.session import Session
from dewarlog.signatures import signature_holds
from dewarlog.verdict import Word
from dewarlog_wire import layout
from dewarlog_wire.events import handoff_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from dewarlog.archive import Archive
    from dewarlog.journey import Journey, Judged
    from dewarlog.keys import BoardKeys, KeyStore
    from dewarlog.link import Link
    from dewarlog.proven import Credential
    from dewarlog.pull import FiledLog, Progress
    from dewarlog.replies import Board, Recorded, Signed
    from dewarlog.verdict import Verdict

    Bar = AbstractContextManager[Callable[[Progress], None] | None]

NOT_INTACT: Final = "NOT INTACT"
# A record like the one to be made, made so shortly before, is that one.
SAME_HANDOFF_S: Final = 15 * 60
_GRAVEST_FIRST: Final = (NOT_INTACT, Word.HOLD, Word.NO_DATA, Word.USE)
TEXT_MAX_BYTES: Final = layout.EVENT_TEXT_ASKED_MAX_BYTES[layout.KIND_HANDOFF]


# --- who -----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Parties:
    """Who gives the dewar to whom, and where; texts as they were typed."""

    giver: str
    receiver: str
    role: int
    """Of the receiver: its place in layout.ROLE_NAMES."""
    place: str


def text_problem(text: str) -> str | None:
    """Say why a name or a place cannot be recorded; None when it can."""
    if not text.strip():
        return "it is empty"
    return words.misfit(text, TEXT_MAX_BYTES)


def role_number(name: str) -> int | None:
    """Find a role by its name, hyphens or not; None when there is none."""
    wanted = name.strip().lower().replace("-", " ")
    return layout.ROLE_NAMES.index(wanted) if wanted in layout.ROLE_NAMES else None


def only_one(on_the_air: Sequence[str]) -> str:
    """Choose the logger when nobody named it.

    Raises:
        NoDewar, SeveralDewars: there is not exactly one.
    """
    if not on_the_air:
        raise NoDewar
    if len(on_the_air) > 1:
        raise SeveralDewars(on_the_air)
    return on_the_air[0]


# --- what came of it -----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Found:
    """One run of the journey: its log as it is filed, and what its check said."""

    log: FiledLog
    judged: Judged

    @property
    def word(self) -> str:
        """The verdict in one word, and NOT INTACT where the log is not."""
        verdict = self.judged.verdict
        intact = verdict.intact and self.log.disagrees is None
        return verdict.word if intact or verdict.word is Word.NO_DATA else NOT_INTACT

    @property
    def exit_code(self) -> ExitCode:
        """As that of a check."""
        if self.log.disagrees is not None:
            return ExitCode.NOT_INTACT
        return self.judged.verdict.exit_code


@dataclass(frozen=True, slots=True)
class Proof:
    """A receipt, and where it stands."""

    receipt: Receipt
    path: Path
    checked: bool
    """True where the receipt key is here and the logger's proof over the receipt holds."""


@dataclass(frozen=True, slots=True)
class Handoff:
    """A handoff that the logger has recorded."""

    board: Board
    parties: Parties
    log: FiledLog
    """Of the open run, which holds the record."""
    journey: Journey
    decides: Found
    """The run whose word is the journey's."""
    proven_by: str | None
    """What this computer and the logger have proven themselves by; None for nothing."""
    not_proven: str | None
    """Why nothing is proven although this computer has something for the logger."""
    proof: Proof | None
    """None where the record stood already, and its receipt is not here."""
    event: int
    """Number of the record in the log."""
    stood_s: int | None
    """How long the record had been in the log already; None when it was made just now."""
    not_held: str | None
    """Why the archive does not hold the record yet; None when it does."""
    contradicted: str | None
    """What the log says otherwise than the logger's own answer; None when they agree."""
    clock_not_set: str | None
    """That the logger did not set its clock, and why; None when it did, or was not told."""
    signed: Signed | None
    """The head that holds the record, signed by the logger."""
    not_signed: str | None
    """Why it is not signed, where a record was made and it is not."""

    @property
    def proven(self) -> bool:
        """Whether the logger has proven itself to this computer, and this computer to it."""
        return self.proven_by is not None

    @property
    def verdict(self) -> Verdict:
        """The verdict of the run that decides."""
        return self.decides.judged.verdict

    @property
    def earlier_run(self) -> str | None:
        """Which run decides, where it is not the open one."""
        judged = self.decides.judged
        return None if judged is self.journey.newest else judged.run_name

    @property
    def word(self) -> str:
        """The journey's verdict in one word, and NOT INTACT where a log is not."""
        return self.decides.word

    @property
    def exit_code(self) -> ExitCode:
        """As that of a check."""
        return ExitCode.NOT_INTACT if self.contradicted is not None else self.decides.exit_code


# --- the way there -------------------------------------------------------------------------------
class HandoffCourse:
    """Takes one handoff from the first HELLO to the receipt."""

    def __init__(  # noqa: PLR0913 - one argument for each thing a course is given
        self,
        link: Link,
        archive: Archive,
        keys: KeyStore,
        *,
        say: Callable[[str], None],
        bar: Callable[[], Bar],
        set_time: Callable[[], tuple[int, int, int]] | None = None,
        secret: bool = False,
        clock: Callable[[], float] = time.monotonic,
        utc_s: Callable[[], int] = lambda: int(time.time()) - layout.UTC_EPOCH_UNIX_S,
    ) -> None:
        """Use `link`, which is open; `say` tells each step, `bar` shows how far a pull is.

        `secret`: what follows the proof is enciphered, or nothing is done.
        """
        self._link = link
        self._archive = archive
        self._keys = keys
        self._say = say
        self._bar = bar
        self._set_time = set_time
        self._secret = secret
        self._clock = clock
        self._utc_s = utc_s
        self._board_keys: BoardKeys | None = None
        self._credentials: dict[bytes, Credential | str | None] = {}
        self._is_lost = False
        self._clock_not_set: str | None = None

    def run(self, parties: Parties, *, again: bool = False) -> Handoff:
        """Hand over; `again`: even where the log holds the same handoff from just now.

        Raises:
            Impostor, KeyRefused, TokenRefused: the logger is not the one it says it is, or does
                not take what this computer has for it.
            KeyNeeded: it is locked, and this computer has nothing for it.
            NoHandoff: it cannot record one; nothing was done.
            NotRecorded: the log was pulled and checked, but not all went well after that.
            PullError, LinkError, ArchiveError, LogError: as they say; no record was made.
        """
        session = self._session()
        board = session.hello()
        proof = session.proof
        proven = f"proven by the {proof.name}" if proof is not None else "not proven"
        why = f" ({session.not_proven})" if session.not_proven else ""
        self._say(f"logger {board.name}: {proven}{why}")
        run = _open_run(session, board)
        before = _runs_before(session, run)
        log, held_bytes = self._pull(session, board, run, first=True)
        held = f", {held_bytes:,} were here already" if held_bytes else ""
        self._say(f"log pulled: {log.new_bytes:,} new bytes{held}")
        journey, decides = self._judge(session, board, log, before)
        earlier = "" if decides.log is log else f", for run {decides.log.run} of this journey"
        self._say(f"checked: {decides.word}{earlier}")
        now_s = self._utc_s()
        stands = None if again else _standing(journey, parties, decides.word, log, now_s)
        if stands is not None:
            self._say("recorded in its log already")
            self._say("the archive holds the record")
            return Handoff(
                board=board,
                parties=parties,
                log=log,
                journey=journey,
                decides=decides,
                proven_by=None if proof is None else proof.name,
                not_proven=session.not_proven,
                proof=None,
                event=stands.number,
                stood_s=now_s - stands.utc_s,
                not_held=None,
                contradicted=None,
                clock_not_set=self._clock_not_set,
                signed=None,
                not_signed=None,
            )
        body = handoff_body(
            now_s,
            layout.VERDICT_NAMES.index(decides.word),
            parties.role,
            log.blocks,
            log.chain,
            (parties.giver, parties.receiver, parties.place),
        )
        recorded, session = self._record(board, run, body, decides.word)
        self._say("recorded in its log")
        receipt = Receipt(
            board.device_id, log.log_id, recorded, body, session.proven, log.path.name
        )
        try:
            signed, not_signed = self._sign(session, board, log)
        except BaseException:
            self._keep(receipt, board, log)  # Ctrl-C while the logger signs: it is recorded
            raise
        receipt = replace(receipt, signed=signed)
        kept = self._keep(receipt, board, log)
        log, not_held, contradicted = self._fetch_record(session, board, log, receipt)
        self._say(not_held or contradicted or "the archive holds the record")
        return Handoff(
            board=board,
            parties=parties,
            log=log,
            journey=journey,
            decides=decides,
            proven_by=None if session.proof is None else session.proof.name,
            not_proven=session.not_proven,
            proof=kept,
            event=recorded.number,
            stood_s=None,
            not_held=not_held,
            contradicted=contradicted,
            clock_not_set=self._clock_not_set,
            signed=signed,
            not_signed=not_signed,
        )

    # --- steps ------------------------------------------------------------------------------

    def _session(self) -> Session:
        session = Session(
            self._link, clock=self._clock, credentials=self._credential, secret=self._secret
        )
        session.on_waiting = self._wait
        session.on_locked_out = lambda seconds: self._say(locked_out_words(seconds))
        return session

    def _wait(self, waiting: bool) -> None:  # noqa: FBT001 - Session.on_waiting
        if waiting and not self._is_lost:
            self._say(OUT_OF_RANGE)
        self._is_lost = waiting

    def _credential(self, device_id: bytes) -> Credential | str | None:
        if device_id not in self._credentials:
            self._credentials[device_id] = self._keys.credential_over(
                self._link.name, device_id, self._utc_s()
            )
        return self._credentials[device_id]

    def _keys_of(self, device_id: bytes) -> BoardKeys:
        if self._board_keys is None or self._board_keys.device_id != device_id:
            self._board_keys = self._keys.of(device_id)
        return self._board_keys

    def _judge(
        self, session: Session, board: Board, log: FiledLog, before: Sequence[int]
    ) -> tuple[Journey, Found]:
        """Check the open run's log and the runs before it that belong to its journey.

        Those are pulled on the way, each only when the one behind it is judged. The first that
        turns out to belong to another journey was pulled in vain; the archive holds it then.
        """
        filed = {log.path: log}

        def logs() -> Iterator[Path]:
            yield log.path
            for run in before:
                earlier, _ = self._pull(session, board, run, first=False)
                filed[earlier.path] = earlier
                if earlier.new_bytes:
                    self._say(f"run {run}, before this one: {earlier.new_bytes:,} new bytes")
                yield earlier.path

        journey = trace_back(logs())
        found = [Found(filed[judged.review.path], judged) for judged in reversed(journey.runs)]
        return journey, min(found, key=lambda one: _GRAVEST_FIRST.index(one.word))

    def _keep(self, receipt: Receipt, board: Board, log: FiledLog) -> Proof:
        """Write the receipt, once its tag is the logger's where that can be known here."""
        receipt_key = self._keys_of(board.device_id).receipt
        if receipt_key is not None and not receipt.tag_holds(receipt_key):
            raise Impostor(board.name, "its receipt does not carry that logger's proof")
        number = receipt.recorded.number
        try:
            path = write_receipt(receipt, log.path)
        except ArchiveError as error:
            raise ReceiptNotWritten(error.path, number, error) from error
        self._say("receipt written")
        return Proof(receipt, path, checked=receipt_key is not None)

    def _pull(
        self, session: Session, board: Board, run: int, *, first: bool
    ) -> tuple[FiledLog, int]:
        """Pull one run; return what is filed and how much of it was held before.

        The conversation goes on: each new one would cost two round trips, and the logger ten
        HMACs. `first`: the logger is told the time.
        """
        options = PullOptions(
            only_run=run,
            set_time=self._set_time if first else None,
            utc_s=self._utc_s,
        )
        with self._bar() as progress:
            result = pull(
                self._link,
                self._archive,
                options,
                progress=progress,
                clock=self._clock,
                session=session,
            )
        if result.board.device_id != board.device_id:
            raise PeerViolation(f"logger {board.name} became logger {result.board.name}")
        if not result.logs:
            raise NoLog(board.name)
        if first:
            self._clock_not_set = result.clock_not_set
        return result.logs[-1], result.held_bytes

    def _sign(
        self, session: Session, board: Board, log: FiledLog
    ) -> tuple[Signed | None, str | None]:
        """Have the logger sign the head that holds the record; a handoff stands without, too."""
        if board.features & layout.FEATURE_SIGN:
            self._say("the logger signs its log")
        try:
            signed, why = signed_by(session, board, log.run)
        except (LinkError, PullError) as error:
            signed, why = None, str(error)
        if signed is None:
            return None, why
        if signed.log_id != log.log_id:
            return None, "what it signed is not of this log"
        if signed.blocks <= log.blocks:
            return None, "what it signed ends before this handoff"
        certificate = paired_certificate(self._keys_of(board.device_id))
        if certificate is not None and not signature_holds(certificate, signed):
            return None, "its signature does not hold by the public key it gave this computer"
        return signed, None

    def _record(self, board: Board, run: int, body: bytes, word: str) -> tuple[Recorded, Session]:
        """Have the logger record the handoff; return its answer, and the conversation it is in."""
        session = self._session()
        asked = False
        try:
            # A conversation of its own: the link may be lost since the check began, and a handoff
            # is asked for once.
            now = session.hello()
            if now.device_id != board.device_id:
                raise PeerViolation(f"logger {board.name} became logger {now.name}")
            asked = True
            recorded = session.handoff(body)
            if recorded.run != run:
                raise PeerViolation(
                    f"it recorded the handoff in run {recorded.run}, not in the open run {run}"
                )
        except Impostor:
            raise
        except (LinkError, PullError) as error:
            # Only the logger's own refusal is sure to have left nothing in its log.
            perhaps = asked and not isinstance(error, DeviceRefused)
            raise NotRecorded(word, error, perhaps=perhaps) from error
        return recorded, session

    def _fetch_record(
        self, session: Session, board: Board, log: FiledLog, receipt: Receipt
    ) -> tuple[FiledLog, str | None, str | None]:
        """Pull the record itself; say why it is not here, or what the log says otherwise."""
        try:
            log, _ = self._pull(session, board, log.run, first=False)
            held = HeldLog.read(log.path)
            standing = held.standing_of(receipt)
        except DewarlogError as error:
            return log, f"the archive does not hold the record yet: {error}", None
        if standing.wrong:
            name, reason = next(iter(standing.wrong.items()))
            return log, None, f"the log contradicts the logger's answer in {name}: {reason}"
        signed = receipt.signed
        if signed is not None and held.chains.get(signed.blocks, signed.chain) != signed.chain:
            return log, None, "the log is not the one that the logger signed"
        if not standing.held:
            return log, "the archive does not hold the record yet: the log ends before it", None
        return log, None, None


def _open_run(session: Session, board: Board) -> int:
    """Return the number of the run that records; a handoff has no place without one."""
    if not board.features & layout.FEATURE_HANDOFF:
        raise NoHandoff(board.name, "its firmware knows none; update it.")
    now = session.status()
    if now.recording:
        return now.run
    full = bool(now.state & layout.STATUS_MEMORY_FULL)
    why = "its memory is full, and it has stopped recording." if full else "it is not recording."
    raise NoHandoff(board.name, why)


def _runs_before(session: Session, run: int) -> list[int]:
    """Return the runs the logger holds from before the open one, the latest first."""
    return sorted({file.run for file in session.list_files() if file.run < run}, reverse=True)


def _standing(
    journey: Journey, parties: Parties, word: str, log: FiledLog, now_s: int
) -> HandoffEvent | None:
    """Find the record that a run whose answer was lost has left: the same words, just before.

    One whose receipt is here was answered: then this is another handoff.
    """
    review = journey.newest.review
    last = review.custody[-1] if review.custody else None
    if not isinstance(last, HandoffEvent) or review.handoff_heads.get(last.number) is not True:
        return None
    said = (last.giver, last.receiver, last.role, last.place, last.verdict_word)
    if said != (parties.giver, parties.receiver, parties.role, parties.place, word):
        return None
    is_recent = 0 <= now_s - last.utc_s <= SAME_HANDOFF_S
    return last if is_recent and not receipts_of(log.path, last.number) else None
