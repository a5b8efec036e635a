"""Bring a board's log to this computer: only what is missing, checked, and never a byte twice.

In the line: link -> pull -> archive. Files are written by the `Sink` it is given, which is the
archive in every command and something else in tests; memory stays flat whatever the log's size.
fetch.py brings one file.

What a pull does, in order:
  1. HELLO, and the mutual proof where this computer has a key or token; TIME and SIGN if asked;
     SEAL, so that the open journal's samples stand in a block
  2. LIST, and for each file: READ from where the sink ends, with the CRC of what it holds
  3. follow the log's hash chain; ask for the board's HASH of each file that it does not prove
  4. the sink files the log; if its chain is whole, CONFIRM tells the board so

A run whose files changed under the pull is listed anew. Whatever stops a pull, the next one goes
on where it stopped.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dewarlog.errors import Changed, DeviceRefused, HashMismatch
from dewarlog.fetch import Fetch
from dewarlog.session import Session
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from dewarlog.fetch import Part
    from dewarlog.link import Link
    from dewarlog.proven import Credentials
    from dewarlog.replies import Board, Signed, StoredFile

# A file may change under a pull when the board seals; listing again finds the new state.
LISTINGS = 3
PROGRESS_EVERY_S = 0.1
# What Progress says while a lost link is looked for.
OUT_OF_RANGE = "out of range: go nearer"
NONCE_BYTES = 16


# --- what a pull needs of the archive -----------------------------------------------------------
class LogSink(Protocol):
    """One run's log on this computer."""

    def part(self, file: StoredFile) -> Part:
        """Open what is held of one file."""
        ...

    def unproven(self, files: Sequence[StoredFile]) -> list[StoredFile]:
        """Return those of `files` whose bytes the log's own chain does not prove."""
        ...

    def file_log(self, files: Sequence[StoredFile], pulled: Pulled) -> FiledLog:
        """Make the log of everything verified, its journal included if `files` names it."""
        ...


class Sink(Protocol):
    """Where pulled logs go."""

    def lock(self, device_id: bytes) -> AbstractContextManager[None]:
        """Keep other pulls of the same board out."""
        ...

    def log(self, device_id: bytes, run: int, log_id: bytes) -> LogSink:
        """Open the log of one run, new or already there."""
        ...

    def log_apart(self, device_id: bytes, run: int, log_id: bytes) -> LogSink:
        """Open an empty log of the same run beside the one that is there."""
        ...


# --- what a pull says ---------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Disagreement:
    """Another copy of the same log says something else: one of the two was tampered with."""

    path: Path
    """The other copy."""
    block: int
    """The first block in which they differ."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A signature that this computer asked for: who chose the nonce knows that it is no old one.

    The signature itself stands in the log, with its nonce.
    """

    nonce: bytes
    blocks: int
    unix_s: int
    """When it was asked for, by this computer's clock."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What the archive keeps of the pull that brought a log."""

    proven_by: str | None = None
    """What this computer and the board had proven themselves by; None for nothing."""
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class FiledLog:
    """One log as it stands in the archive after a pull."""

    path: Path
    device_id: bytes
    run: int
    log_id: bytes
    size_bytes: int
    new_bytes: int
    sha256: bytes
    blocks: int
    """Number of the last block plus one."""
    chain: bytes
    """Chain value after the last block."""
    problem: str | None
    """Why the chain is not whole, in words; None when it is."""
    superseded: tuple[Path, ...]
    """Logs filed before and kept, because what followed did not begin with them; newest last."""
    disagrees: Disagreement | None = None
    """The copy filed before that has another block in the place of one of these."""
    proven: bool = False
    """Whether boards that had proven themselves vouched for every byte of it."""
    proven_by: str | None = None
    """What the newest pull was proven by; None for nothing."""
    asked: tuple[Asked, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pull is."""

    done_bytes: int
    total_bytes: int
    held_bytes: int
    rate_bytes_s: float
    left_s: float | None
    what: str


@dataclass(frozen=True, slots=True)
class PullOptions:
    """What a pull does beside fetching."""

    seal: bool = True
    confirm: bool = True
    hash_all: bool = False
    """Ask the board for the hash of files too that the log's own chain proves."""
    only_run: int | None = None
    set_time: Callable[[], tuple[int, int, int]] | None = None
    """Returns (utc_s, utc_ms, error_ms) when the board's clock is to be set."""
    sign: bool = False
    """Have the board sign the head of its open run first; the log then carries the signature."""
    credentials: Credentials | None = None
    """Gives what this computer has for a device id; with it, the board must prove itself."""
    strict: bool = True
    """False: a proof that fails is told, and the pull goes on without."""
    secret: bool = False
    """Encipher what follows the proof, or pull nothing."""
    utc_s: Callable[[], int] = lambda: int(time.time()) - layout.UTC_EPOCH_UNIX_S


@dataclass(frozen=True, slots=True)
class PullResult:
    """What came of a pull."""

    board: Board
    logs: tuple[FiledLog, ...]
    received_bytes: int
    held_bytes: int
    seconds: float
    not_sealed: str | None
    """Why the board did not seal its journal, when it was asked to and refused."""
    not_confirmed: str | None
    """Why the board did not take note that its log is held here, when it was told and refused."""
    clock_not_set: str | None
    """That the board did not set its clock, and why, when it was told the time and refused."""
    proven_by: str | None = None
    """What this computer and the board have proven themselves by; None for nothing."""
    not_proven: str | None = None
    """Why nothing is proven although this computer has something for the board."""
    signed: Signed | None = None
    not_signed: str | None = None
    """Why the board signed nothing, when it was asked to."""


class _Meter:
    """Counts received bytes and calls back, at most every PROGRESS_EVERY_S."""

    def __init__(
        self, clock: Callable[[], float], report: Callable[[Progress], None] | None
    ) -> None:
        self._clock = clock
        self._report = report
        self.began_s = self._told_s = clock()
        self._told_bytes = 0
        self._rate_bytes_s = 0.0
        self._waiting = ""
        self.what = ""
        self.done_bytes = 0
        self.total_bytes = 0
        self.held_bytes = 0

    def add(self, count: int) -> None:
        self.done_bytes += count
        if self._report is not None:
            now = self._clock()
            if now - self._told_s >= PROGRESS_EVERY_S:
                self.tell(now)

    def wait(self, waiting: bool) -> None:  # noqa: FBT001 - Session.on_waiting
        """Say that the link was lost and is looked for; or that it is back."""
        self._waiting = OUT_OF_RANGE if waiting else ""
        self.tell()

    def wait_locked_out(self, seconds: int) -> None:
        """Say that the board takes no proof for so long."""
        self._waiting = locked_out_words(seconds)
        self.tell()
        self._waiting = ""

    def tell(self, now: float | None = None) -> None:
        if self._report is None:
            return
        now = self._clock() if now is None else now
        span_s = now - self._told_s
        if span_s > 0:
            rate = (self.done_bytes - self._told_bytes) / span_s
            # Half old, half new: steady to read, and a stall shows within a second.
            self._rate_bytes_s = (self._rate_bytes_s + rate) / 2 if self._rate_bytes_s else rate
        self._told_s, self._told_bytes = now, self.done_bytes
        left_bytes = max(0, self.total_bytes - self.done_bytes)
        left_s = left_bytes / self._rate_bytes_s if self._rate_bytes_s > 0 else None
        self._report(
            Progress(
                self.done_bytes,
                self.total_bytes,
                self.held_bytes,
                self._rate_bytes_s,
                left_s,
                self._waiting or self.what,
            )
        )


def locked_out_words(seconds: int) -> str:
    """Say why nothing happens for so long."""
    return f"wrong keys were tried on this logger: waiting {seconds} s"


def pull(
    link: Link,
    sink: Sink,
    options: PullOptions | None = None,
    *,
    progress: Callable[[Progress], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    session: Session | None = None,
) -> PullResult:
    """Pull everything the board holds and the sink does not; return what is filed.

    `link` is open and stays open. Whatever goes wrong, bytes received before are kept. `session`
    is a conversation over `link` that goes on, with the proof it has; else a new one begins.

    Raises:
        LinkError: the link; Unreachable when it went away and did not come back.
        PullError: the board; Incomplete when it fell silent, Tampered when the line is not clean.
        ArchiveError: this computer's storage; DiskFull when there is no room.
    """
    options = options or PullOptions()
    if session is None:
        session = Session(
            link,
            clock=clock,
            credentials=options.credentials,
            strict=options.strict,
            secret=options.secret,
        )
    meter = _Meter(clock, progress)
    told = session.on_waiting, session.on_locked_out
    session.on_waiting, session.on_locked_out = meter.wait, meter.wait_locked_out
    try:
        board = session.board or session.hello()
        return _Pull(session, board, sink, options, meter, clock).run()
    finally:
        session.on_waiting, session.on_locked_out = told


def signed_by(session: Session, board: Board, run: int) -> tuple[Signed | None, str | None]:
    """Have the board sign the head of a run; say why not where it does not."""
    if not board.features & layout.FEATURE_SIGN:
        return None, "this logger's firmware signs nothing"
    try:
        return session.sign(run, os.urandom(NONCE_BYTES)), None
    except DeviceRefused as refusal:
        return None, refusal.text or refusal.code_name


class _Pull:
    """One pull, from behind HELLO to CONFIRM."""

    def __init__(
        self,
        session: Session,
        board: Board,
        sink: Sink,
        options: PullOptions,
        meter: _Meter,
        clock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._began_s = meter.began_s
        self._sink = sink
        self._options = options
        self._meter = meter
        self._session = session
        self._board = board
        self._fetch = Fetch(self._session, self._meter.add, clock)
        self._not_sealed: str | None = None
        self._not_confirmed: str | None = None
        self._clock_not_set: str | None = None
        self._signed: Signed | None = None
        self._not_signed: str | None = None

    def run(self) -> PullResult:
        try:
            return self._run()
        except BaseException:
            # Whatever ends a pull, Ctrl-C too: the board need not go on sending.
            self._session.abandon()
            raise

    def _run(self) -> PullResult:
        with self._sink.lock(self._board.device_id):
            if self._options.set_time is not None:
                self._set_time(*self._options.set_time())
            if self._options.sign:
                self._sign()
            if self._options.seal:
                self._seal()
            logs = self._all_runs()
        self._meter.tell()
        return PullResult(
            board=self._board,
            logs=logs,
            received_bytes=self._meter.done_bytes,
            held_bytes=self._meter.held_bytes,
            seconds=self._clock() - self._began_s,
            not_sealed=self._not_sealed,
            not_confirmed=self._not_confirmed,
            clock_not_set=self._clock_not_set,
            proven_by=None if self._session.proof is None else self._session.proof.name,
            not_proven=self._session.not_proven,
            signed=self._signed,
            not_signed=self._not_signed,
        )

    def _set_time(self, utc_s: int, utc_ms: int, error_ms: int) -> None:
        try:
            self._session.set_time(utc_s, utc_ms, error_ms)
        except DeviceRefused as refusal:
            # It may take the courier key; a log is pulled without one.
            why = refusal.text or refusal.code_name
            self._clock_not_set = f"the logger's clock was not set: {why}"

    def _sign(self) -> None:
        self._meter.what = "the logger signs its log"
        self._meter.tell()
        run = self._options.only_run
        run = self._session.status().run if run is None else run
        self._signed, self._not_signed = signed_by(self._session, self._board, run)

    def _seal(self) -> None:
        try:
            self._session.seal()
        except DeviceRefused as refusal:
            # Its memory may be full: the journal is pulled as it is.
            self._not_sealed = str(refusal)

    def _all_runs(self) -> tuple[FiledLog, ...]:
        """File every run; where a file changed under the pull, list again and go on."""
        changes = 0
        while True:
            runs = self._list_runs()
            self._count(runs)
            try:
                return tuple(self._one_run(*key, files) for key, files in runs.items())
            except Changed:
                changes += 1
                if changes == LISTINGS:
                    raise

    def _list_runs(self) -> dict[tuple[int, bytes], list[StoredFile]]:
        """List what is to be pulled, by run, each run's files in the order of its log."""
        files = self._session.list_files()
        newest = max((file.run for file in files), default=0)
        sealed = self._options.seal and self._not_sealed is None
        runs: dict[tuple[int, bytes], list[StoredFile]] = {}
        for file in sorted(files, key=lambda file: (file.run, file.file)):
            if self._options.only_run not in (None, file.run):
                continue
            if file.is_journal and sealed and file.run == newest:
                continue  # everything it held stands in a block now
            runs.setdefault((file.run, file.log_id), []).append(file)
        return runs

    def _count(self, runs: dict[tuple[int, bytes], list[StoredFile]]) -> None:
        """Find out how much is held and how much will come."""
        held_bytes = wanted_bytes = 0
        for (run, log_id), files in runs.items():
            log = self._sink.log(self._board.device_id, run, log_id)
            for file in files:
                part = log.part(file)
                held_bytes += min(part.size, file.size)
                wanted_bytes += max(0, file.size - part.size)
                part.close()
        self._meter.held_bytes = held_bytes
        self._meter.total_bytes = self._meter.done_bytes + wanted_bytes
        self._meter.tell()

    def _one_run(self, run: int, log_id: bytes, files: list[StoredFile]) -> FiledLog:
        log = self._sink.log(self._board.device_id, run, log_id)
        if any(self._contradicts(log, file) for file in files):
            # Evidence is never replaced: the board's version is filed beside the archive's.
            # Filing it names the first block in which the two disagree.
            log = self._sink.log_apart(self._board.device_id, run, log_id)
        with contextlib.ExitStack() as stack:
            fetched: list[tuple[Part, StoredFile]] = []
            for file in files:
                part = stack.enter_context(contextlib.closing(log.part(file)))
                if not part.complete:
                    self._bring(part, file)
                    fetched.append((part, file))
            self._verify(log, fetched)
        filed = log.file_log(files, self._pulled(run, log_id))
        if self._options.confirm and filed.problem is None and filed.blocks:
            self._confirm(filed)
        return filed

    def _pulled(self, run: int, log_id: bytes) -> Pulled:
        """Say what the archive is to keep of this pull, beside the log."""
        signed, proof = self._signed, self._session.proof
        asked: Asked | None = None
        if signed is not None and (signed.run, signed.log_id) == (run, log_id):
            unix_s = self._options.utc_s() + layout.UTC_EPOCH_UNIX_S
            asked = Asked(signed.nonce, signed.blocks, unix_s)
        return Pulled(None if proof is None else proof.name, asked)

    def _confirm(self, filed: FiledLog) -> None:
        try:
            self._session.confirm(filed.run, filed.blocks, filed.chain, self._options.utc_s())
        except DeviceRefused as refusal:
            # The log is filed and whole; only the board does not know it.
            self._not_confirmed = str(refusal)

    def _contradicts(self, log: LogSink, file: StoredFile) -> bool:
        """Tell whether the board's file is another than the one filed here for good."""
        with contextlib.closing(log.part(file)) as part:
            if not part.complete and (file.is_journal or not part.verified_bytes):
                return False
            # What is filed may have come from whoever said that he was this board.
            judged = part.proven or not (part.complete and self._session.proven)
            is_same = part.etag == file.etag and (not part.complete or part.size == file.size)
            if is_same and judged:
                return False
            # Bytes that another archive brought carry no etag of the board's: it is asked.
            if file.size < part.size or (part.complete and file.size != part.size):
                return True
            if self._fetch.sha256(file, part.size) != part.sha256():
                return True
            if not judged:
                part.vouched()
            return False

    # --- one file ---------------------------------------------------------------------------

    def _bring(self, part: Part, file: StoredFile) -> None:
        self._meter.what = file.name
        # A journal of another etag is another journal, also where it happens to be as long.
        if part.size > file.size or (file.is_journal and part.size and part.etag != file.etag):
            part.set_aside()
        self._fetch.fetch(part, file)
        part.close()

    def _verify(self, log: LogSink, fetched: list[tuple[Part, StoredFile]]) -> None:
        """Prove that the bytes are the board's: by the log's chain, or else by the board's hash.

        Done when all is here, so that the line is not kept waiting for this computer's disk. A
        file whose hash agrees although the chain is broken is damaged on the board: it is filed
        as it is, and `check` names the place.
        """
        unproven = log.unproven([file for _, file in fetched])
        for part, file in fetched:
            if file in unproven or self._options.hash_all:
                self._meter.what = f"checking {file.name}"
                self._meter.tell()
                theirs = self._fetch.sha256(file, file.size)
                ours = part.sha256()
                if ours != theirs:
                    part.set_aside()
                    raise HashMismatch(file.name, ours, theirs)
            part.verified(sealed=file.sealed, proven=self._session.proven)
