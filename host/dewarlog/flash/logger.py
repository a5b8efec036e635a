"""The logger at the port, by its own protocol: before a flash, for erasing its log, and after.

Talking this way stops nothing: a logger that records goes on. At a prompt the same bytes do
nothing either.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dewarlog.bench.requests import Erased, Live, erase, live
from dewarlog.errors import (
    DeviceRefused,
    LinkError,
    NoAnswer,
    NoBench,
    NoKey,
    NotClaimed,
    NothingToErase,
    NotOurs,
    NotStarted,
)
from dewarlog.link.usb import UsbLink
from dewarlog.proven import Credential
from dewarlog.session import Session
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from dewarlog.link import Frame
    from dewarlog.replies import Board, Status

_PROMPT: Final = b">>> "
# Ctrl-B: a raw prompt becomes a friendly one, a friendly one shows itself; a logger skips it.
_SHOW_PROMPT: Final = b"\r\x02"
# Ctrl-C for the line that stands half typed there, then Ctrl-D.
_SOFT_RESET: Final = b"\x03\x04"
_RESTARTED: Final = b"soft reboot"
_START_OVER_S: Final = 5.0
_LOOK_S: Final = 0.05
# A board starts within 2 s, a Pico then opens its log and its sealing key; USB needs a second.
START_GIVE_UP_S: Final = 30.0
_AGAIN_S: Final = 0.3
# A logger is asked for its state until it records, or has had this long to begin.
_RECORDS_S: Final = 5.0
# Sealing what is open takes flash a second or two.
_ENDS_MOST: Final = 30
# A prompt seen at once may be the one before the reset.
_PROMPTS_MOST: Final = 4


class _AtPrompt(Exception):
    """What answers is MicroPython's prompt, not the logger."""


class _Watch(UsbLink):
    """A serial port that tells as soon as a prompt shows there."""

    def open(self) -> None:
        """Take the port, and have a prompt show itself if there is one."""
        super().open()
        self._port().write(_SHOW_PROMPT)

    def start_over(self) -> str:
        """Have the board at its prompt start over; return what it says before the next prompt.

        Whoever opens the port after a reset hears the end of a traceback at most.
        """
        port = self._port()
        port.reset_input_buffer()
        port.write(_SOFT_RESET)
        said = b""
        deadline_s = time.monotonic() + _START_OVER_S
        while _PROMPT not in said.partition(_RESTARTED)[2] and time.monotonic() < deadline_s:
            said += port.read(port.in_waiting)
            time.sleep(_LOOK_S)
        return _last_line(said.partition(_RESTARTED)[2])

    def receive(self, timeout_s: float) -> Frame | None:
        """Return the next sound frame, or None when none came in time."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            left_s = deadline_s - time.monotonic()
            frame = super().receive(max(0.0, min(_LOOK_S, left_s)))
            if frame is not None or left_s <= 0:
                return frame
            if _PROMPT in self.stray:
                raise _AtPrompt


def _last_line(said: bytes) -> str:
    """Return the last line a board printed before its banner and prompt, empty for none."""
    text = said.partition(_PROMPT)[0].decode(errors="replace")
    lines = [line.strip() for line in text.splitlines()]
    ours = ("MicroPython v", 'Type "help()"', "MPY: ", "raw REPL")
    lines = [line for line in lines if line and not line.startswith(ours)]
    return lines[-1][:160] if lines else ""


@dataclass(frozen=True, slots=True)
class Running:
    """A logger that answers."""

    board: Board
    status: Status
    live: Live | None
    """None where its firmware tells no figures."""


@dataclass(frozen=True, slots=True)
class Present:
    """What is at the port: a logger, a prompt, or something that says neither."""

    running: Running | None = None
    at_prompt: bool = False


def look(port: str) -> Present:
    """Ask who is at a port, without stopping it.

    Raises:
        PortMissing, PortBusy, PortDenied, BadDeviceName, Unplugged: the port cannot be used.
    """
    with _session(port) as session:
        try:
            return Present(_ask(session))
        except _AtPrompt:
            return Present(at_prompt=True)
        except (NoAnswer, NotOurs):
            return Present()


def _ask(session: Session) -> Running:
    board = session.hello()
    status = session.status()
    try:
        figures = live(session)
    except NoBench:
        figures = None
    return Running(board, status, figures)


@contextlib.contextmanager
def _session(port: str, admin: Credential | None = None) -> Generator[Session]:
    link = _Watch(port)
    try:
        link.open()
        yield Session(link, credentials=None if admin is None else lambda _device_id: admin)
    finally:
        link.close()


def await_logger(
    port: str,
    *,
    records: bool,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Running:
    """Wait until the logger answers after a reset, and where it is to record, until it does.

    Raises:
        NotStarted: it does not; with what it printed, if anything.
    """
    began_s = clock()
    said, prompts = "", 0
    answered: Running | None = None
    answered_s = 0.0
    while clock() - began_s < START_GIVE_UP_S and prompts < _PROMPTS_MOST:
        try:
            with _session(port) as session:
                answered = _ask(session)
        except _AtPrompt:
            prompts += 1
            if prompts == _PROMPTS_MOST:
                said = _why_not(port)
        except LinkError:
            pass  # the port is away, or nobody listens yet
        if answered is not None:
            answered_s = answered_s or clock()
            is_late = clock() - answered_s >= _RECORDS_S
            if answered.status.recording or not records or is_late:
                return answered
        sleep(_AGAIN_S)
    if answered is not None:
        return answered
    raise NotStarted(port, clock() - began_s, said)


def _why_not(port: str) -> str:
    """Have a board at its prompt start once more; return the last line of what it says."""
    link = _Watch(port)
    try:
        link.open()
        return link.start_over()
    except (LinkError, OSError):
        return ""
    finally:
        link.close()


@dataclass(frozen=True, slots=True)
class Admin:
    """Who may erase the log of a logger, with the key this computer holds for it."""

    device_id: bytes
    credential: Credential


def admin_of(port: str, present: Present, admin_key: Callable[[bytes], bytes | None]) -> Admin:
    """Find what proves this computer to be a logger's admin; nothing is asked of it yet.

    `admin_key` gives the key this computer holds for a device id.

    Raises:
        NothingToErase: no logger answers.
        NotClaimed, NoKey, NoBench: who may erase cannot be proven, or it is not known there.
    """
    if present.running is None:
        raise NothingToErase(port)
    board, status = present.running.board, present.running.status
    if not status.claimed:
        raise NotClaimed(port, board.name)
    secret = admin_key(board.device_id)
    if secret is None:
        raise NoKey(
            board.name,
            "admin key",
            "Run it on the computer that claimed the logger, or without --erase-log: its log "
            "then stays, and the run goes on.",
        )
    if not board.features & layout.FEATURE_BENCH:
        raise NoBench(board.name)
    return Admin(board.device_id, Credential(layout.KEY_ADMIN, secret, b"", "admin key"))


def end_run(port: str, admin: Admin) -> tuple[int, Erased]:
    """Prove the admin key, erase every run but the open one, and end that; return its number.

    The earlier ones go first: where the memory is full, the next run then has room to begin.

    Raises:
        Impostor, KeyRefused, LockedOut, DeviceRefused and the like: nothing was changed.
    """
    with _session(port, admin.credential) as session:
        session.hello()
        run = session.status().run
        try:
            erased = erase(session, run, unpulled=True)
        except DeviceRefused as refusal:
            if refusal.code != layout.ERROR_MALFORMED:
                raise
            return run, Erased(0, 0)  # no run is open: nothing to end
        session.stop()
        for _ in range(_ENDS_MOST):  # it ends once the answer is on its way
            session.pause(_AGAIN_S)
            if not session.status().recording:
                break
        return run, erased


def erase_runs(port: str, admin: Admin, to_run: int) -> Erased:
    """Prove the admin key and erase every run up to `to_run`; it stands in the run open now.

    Raises:
        Impostor, KeyRefused, LockedOut, DeviceRefused and the like: nothing was erased.
    """
    with _session(port, admin.credential) as session:
        session.hello()
        return erase(session, to_run, unpulled=True)
