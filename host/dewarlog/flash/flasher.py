"""A whole flash, from who is at the port to the logger that runs the new firmware.

Last of flash's line. Everything that can refuse does so before the first change: what is at the
port, whether it is locked, what it is, whose code it starts, whether there is room. Only then the
plan is carried out (upload.py).
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from dewarlog.bench.requests import Erased
from dewarlog.errors import (
    BoardLocked,
    CalibrationOverdue,
    FlashCut,
    FlashError,
    FlashFailed,
    NoPrompt,
    NoRoom,
    OtherCode,
)
from dewarlog.flash import board_code, logger, looked, overdue
from dewarlog.flash.byte_code import board_files, compiler_version, read_mpy
from dewarlog.flash.known import recognise
from dewarlog.flash.plan import make_plan
from dewarlog.flash.prompt import CodeFailed, PromptLost, SerialPrompt
from dewarlog.flash.source import firmware_files, firmware_version
from dewarlog.flash.upload import HALF, UNTOUCHED, Upload, UploadProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from dewarlog.flash.known import Identity, KnownBoard
    from dewarlog.flash.logger import Present, Running
    from dewarlog.flash.looked import Looked
    from dewarlog.flash.overdue import Calibrations
    from dewarlog.flash.plan import Plan
    from dewarlog.flash.prompt import Prompt
    from dewarlog.flash.source import Source

_LOOKING: Final = "looking at the board"
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class FlashOptions:
    """What a flash may do beside writing the firmware."""

    tree: Path | None = None
    """Source tree of the firmware; None: this clone."""
    only_look: bool = False
    """Change nothing: say what is on the board, and what would change."""
    refuse: bool = True
    """Raise what a flash would refuse; else it is among `Outcome.problems`."""
    may_stop: bool = False
    """Whether only looking may stop a logger that records; it is started again."""
    erase_log: bool = False
    replace_main: bool = False
    overdue_too: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What the prompt told of a board, and what is to be done to it."""

    identity: Identity
    board: KnownBoard
    looked: Looked
    plan: Plan
    calibrations: Calibrations
    problems: tuple[FlashError, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a flash, or a look, came to."""

    port: str
    firmware: str
    """Version of the source: `0.1.0`; empty where it says none."""
    before: Present
    seen: Seen | None
    """None where a logger records that was not to be stopped."""
    erased: Erased | None
    after: Running | None
    """The logger as it runs now; None where nothing was changed and none is to run."""
    sent_bytes: int
    seconds: float


class Flasher:
    """One flash of the board at `port`; `state` says what that holds, whatever happens."""

    def __init__(
        self,
        port: str,
        options: FlashOptions,
        *,
        admin_key: Callable[[bytes], bytes | None] = lambda _device_id: None,
        tell: Callable[[UploadProgress], None] = lambda _now: None,
        open_prompt: Callable[[str], Prompt] = SerialPrompt,
    ) -> None:
        """Touch nothing yet; `admin_key` gives the key this computer holds for a device id."""
        self._port = port
        self._options = options
        self._admin_key = admin_key
        self._tell = tell
        self._open_prompt = open_prompt
        self._upload: Upload | None = None
        self._was_marked = False

    @property
    def state(self) -> str:
        """What the board holds now, in a sentence."""
        if self._upload is not None:
            return self._upload.state
        return HALF if self._was_marked else UNTOUCHED

    def run(self) -> Outcome:
        """Do all of it.

        Raises:
            SetUpError: the firmware cannot be made here; before the board is touched, where that
                does not hang on the board.
            LinkError: the port cannot be used.
            FlashError: as it says.
            PullError: the proof that erasing takes failed, or the logger refused it.
        """
        began_s = time.monotonic()
        options = self._options
        sources = firmware_files(options.tree)
        made_here = compiler_version()
        version = firmware_version(sources)
        self._say("looking who is there")
        before = logger.look(self._port)
        running = before.running
        if running is not None and running.status.locked:
            raise BoardLocked(self._port)
        records = running is not None and running.status.recording
        if options.only_look and records and not options.may_stop:
            if options.erase_log and options.refuse:
                logger.admin_of(self._port, before, self._admin_key)
            return Outcome(self._port, version, before, None, None, None, 0, 0.0)
        see = partial(self._see, sources, made_here)
        erased = self._erase_log(before, see) if options.erase_log else None
        with self._at_prompt(before) as prompt:
            seen = see(prompt)
            if seen.problems and (options.refuse or not options.only_look):
                raise seen.problems[0]
            if seen.plan.has_changes and not options.only_look:
                self._upload = Upload(self._port, prompt, seen.plan, self._tell)
                self._upload.run(f"dewarlog {version}: a flash of this board is under way.\n")
            sent_bytes = prompt.sent_bytes
        after = None
        if not options.only_look or running is not None:
            self._say("waiting for the logger")
            after = logger.await_logger(self._port, records=records or not options.only_look)
        seconds = time.monotonic() - began_s
        return Outcome(self._port, version, before, seen, erased, after, sent_bytes, seconds)

    def _see(self, sources: list[Source], made_here: str, prompt: Prompt) -> Seen:
        """Ask a board at its prompt for all there is to know, and plan."""
        self._say("looking at its files")
        identity = self._asked(lambda: looked.ask_identity(prompt))
        board = recognise(self._port, identity, made_here)
        found = self._asked(lambda: looked.ask_all(prompt))
        self._was_marked = found.is_marked
        self._say("compiling")
        plan = make_plan(board_files(sources, read_mpy(identity.mpy).processor), found)
        profile = found.texts.get(board_code.PROFILE, b"")
        calibrations = overdue.judge(profile, datetime.now(UTC).date())
        problems = tuple(self._problems(found, plan, calibrations))
        return Seen(identity, board, found, plan, calibrations, problems)

    def _erase_log(self, before: Present, see: Callable[[Prompt], Seen]) -> Erased | None:
        """Erase every run as the logger's admin; the run that is begun for it says so.

        Not before all is known that would refuse the flash, but for the room that it makes. A run
        is never erased while it is open, and an erasure is recorded in an open one: so the run is
        ended, the logger started again, and the ended run erased from the next.
        """
        admin = logger.admin_of(self._port, before, self._admin_key)
        if self._options.only_look:
            return None
        with self._at_prompt(before) as prompt:
            for problem in see(prompt).problems:
                if not isinstance(problem, NoRoom):
                    raise problem
        logger.await_logger(self._port, records=True)
        self._say("erasing the log")
        run, earlier = logger.end_run(self._port, admin)
        with self._at_prompt(before):
            pass  # it is started again behind this
        logger.await_logger(self._port, records=True)
        last = logger.erase_runs(self._port, admin, run)
        return Erased(earlier.erased + last.erased, last.kept)

    def _problems(
        self, found: Looked, plan: Plan, calibrations: Calibrations
    ) -> Generator[FlashError]:
        """Yield what stands against a flash, the gravest first."""
        options = self._options
        if found.is_locked:
            yield BoardLocked(self._port)
        if found.foreign and not options.replace_main:
            yield OtherCode(self._port, found.foreign)
        if calibrations.overdue and calibrations.refuses and not options.overdue_too:
            names = [entry.name for entry in calibrations.overdue]
            yield CalibrationOverdue(self._port, names)
        if not plan.fits:
            yield NoRoom(self._port, plan.needed_bytes, plan.free_bytes, begun=plan.goes_on)

    @contextlib.contextmanager
    def _at_prompt(self, before: Present) -> Generator[Prompt]:
        """Give the board's prompt for as long as the block lasts; then have the board start anew.

        A board whose prompt was there already is left at it by a look, and where a flash fails.
        """
        starts_after = not (before.at_prompt and self._options.only_look)
        try:
            prompt = self._open_prompt(self._port)
        except PromptLost as error:
            raise NoPrompt(self._port, error.reason) from error
        try:
            try:
                prompt.enter()
            except PromptLost as error:
                raise NoPrompt(self._port, error.reason) from error
            try:
                yield prompt
            except BaseException:
                # It was stopped for nothing: whatever ran there runs on.
                if not before.at_prompt and self._upload is None:
                    with contextlib.suppress(PromptLost):
                        prompt.send(board_code.RESET)
                raise
            if starts_after:
                try:
                    prompt.send(board_code.RESET)
                except PromptLost as error:
                    raise FlashCut(self._port, "the reset", self.state, error.reason) from error
        finally:
            prompt.close()

    def _asked(self, ask: Callable[[], _Answer]) -> _Answer:
        try:
            return ask()
        except PromptLost as error:
            raise FlashCut(self._port, _LOOKING, self.state, error.reason) from error
        except (CodeFailed, looked.Garbled) as error:
            raise FlashFailed(self._port, _LOOKING, self.state, str(error)) from error

    def _say(self, what: str) -> None:
        self._tell(UploadProgress(what, 0, 0))
