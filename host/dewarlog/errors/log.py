"""Errors of a log file, and of what would be written over one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog.errors.root import DewarlogError, ExitCode

if TYPE_CHECKING:
    from pathlib import Path


# --- a log file ---------------------------------------------------------------------------------


class LogError(DewarlogError):
    """The log file at `path` cannot be used as it is; `offset` says where."""

    exit_code = ExitCode.NOT_INTACT

    def __init__(self, path: Path | None, offset: int, sentence: str) -> None:
        super().__init__(sentence if path is None else f"{path}: {sentence}")
        self.path = path
        self.offset = offset


class LogDamaged(LogError):
    """Bytes of the log changed, are missing, or are torn."""

    def __init__(self, path: Path | None, offset: int, reason: str) -> None:
        super().__init__(path, offset, f"damaged at byte {offset}: {reason}.")
        self.reason = reason


class UnknownVersion(LogError):
    """The log was written in a format newer than this program knows."""

    def __init__(self, path: Path | None, offset: int, version: int) -> None:
        super().__init__(
            path,
            offset,
            f"the block at byte {offset} has format version {version}, which this program does "
            "not know. Install a newer dewarlog.",
        )
        self.version = version


class NotALog(LogError):
    """The file is empty, or no dewarlog log at all."""

    exit_code = ExitCode.NO_DATA

    def __init__(self, path: Path | None, reason: str) -> None:
        super().__init__(path, 0, f"not a dewarlog log: {reason}.")
        self.reason = reason


# --- what a command writes ----------------------------------------------------------------------


class LogInTheWay(DewarlogError):
    """What a command was to write over is a log, or is named like one."""

    exit_code = ExitCode.USAGE

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: this is a log, or named like one, and logs are evidence: it is left as it "
            "is. Name another file."
        )
        self.path = path
