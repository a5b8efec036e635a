"""What every error here is: its exit code, and its sentence or lines."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What a command's exit code says; the same in every command."""

    USE = 0
    """Done. Where a log was judged: it is intact and the verdict is USE."""
    HOLD = 1
    """The log is intact and the verdict is HOLD; or a logger failed its self-test."""
    USAGE = 2
    """The command line is wrong; nothing was done."""
    NOT_INTACT = 3
    """The log, or a copy of it, is not what the board recorded."""
    NO_DATA = 4
    """There is nothing to judge."""
    DEVICE = 5
    """The port or the board; what was received is kept."""
    STORAGE = 6
    """This computer's storage; what was received is kept."""
    REFUSED = 7
    """A board may not be armed now: the reasons are printed, and nothing was changed."""
    FAULT = 70
    """A fault of this program itself (EX_SOFTWARE of sysexits.h): please report it."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C (128 + SIGINT, as shells count); what was received is kept."""


class DewarlogError(Exception):
    """Root of every error this package raises on purpose."""

    exit_code: ClassVar[ExitCode] = ExitCode.DEVICE
    lines: tuple[str, ...] = ()
    """What it says, line by line, where that is more than a sentence; else empty."""
