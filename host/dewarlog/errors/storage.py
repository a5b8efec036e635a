"""Errors of this computer's storage: the archive, keys, a full disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog.errors.root import DewarlogError, ExitCode

if TYPE_CHECKING:
    from pathlib import Path


class ArchiveError(DewarlogError):
    """The archive at `path` could not be read or written."""

    exit_code = ExitCode.STORAGE

    def __init__(self, path: Path, sentence: str) -> None:
        super().__init__(sentence)
        self.path = path


class DiskFull(ArchiveError):
    """No room to write; what was received before is kept."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            path,
            f"{path}: no room to write ({reason}). Nothing is lost, on the logger or here: make "
            "room, or choose another folder with --archive, and run the command again.",
        )
        self.reason = reason


class ArchiveLocked(ArchiveError):
    """Another command is writing into the same archive, for the same board."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            f"{path}: another command is writing here for this logger (a pull, a calibration). "
            "Wait for it to end.",
        )


class ArchiveDamaged(ArchiveError):
    """A file of the archive is not what it was when it was filed."""

    exit_code = ExitCode.NOT_INTACT

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            path,
            f"{path}: this archived file is not what was filed ({reason}). It is left as it is, "
            "as evidence. To pull a fresh copy, name an empty folder with --archive.",
        )
        self.reason = reason


class KeyExposed(ArchiveError):
    """Others on this computer can read or change a key, or the folder it stands in."""

    def __init__(self, path: Path, mode: int, *, mine: bool) -> None:
        whose = f"its permissions are {mode:04o}" if mine else "it belongs to another user"
        what = "the keys in this folder" if path.is_dir() else "this key"
        right = "0700 and those of the files in it to 0600" if path.is_dir() else "0600"
        super().__init__(
            path,
            f"{path}: others on this computer may know {what} ({whose}); what others know proves "
            f"nothing. Set the permissions to {right}. If somebody may have read it, tell whoever "
            "keeps the logger.",
        )
        self.mode = mode


class KeyDamaged(ArchiveError):
    """A file with a logger's keys cannot be read as one."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            path,
            f"{path}: this key file cannot be used ({reason}). Remove it, and pair again over "
            "USB: `dewarlog pair usb:PORT`.",
        )
        self.reason = reason


class KeyringUnusable(ArchiveError):
    """The operating system's keyring, in which keys are kept, cannot be used now."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            path,
            f"The keyring of this computer, where its keys are kept, cannot be used ({reason}). "
            "Unlock it, or run the command in the session it belongs to (not as another user, nor "
            "by ssh without D-Bus). Or keep keys in a folder: `--keys FOLDER` with this and every "
            "later command.",
        )
        self.reason = reason


class ReceiptNotWritten(ArchiveError):
    """The logger has recorded the handoff, and its receipt found no place on this computer."""

    def __init__(self, path: Path, event: int, cause: ArchiveError) -> None:
        super().__init__(
            path,
            f"The handoff is recorded by the logger as event {event}, but its receipt could not "
            f"be written: {cause} The record stands in the log all the same; for a receipt, hand "
            "over once more.",
        )
        self.event = event
        self.cause = cause


class NothingToMerge(ArchiveError):
    """The folder to merge from holds no log, or is the archive itself."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            path,
            f"{path}: nothing to merge ({reason}). Name the folder that `dewarlog archive` shows "
            "on the other computer, or a copy of it.",
        )
        self.reason = reason
