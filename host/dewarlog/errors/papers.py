"""Errors of what is carried beside a log: receipts, tokens, device certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog.errors.root import DewarlogError, ExitCode

if TYPE_CHECKING:
    from pathlib import Path


# --- a receipt ----------------------------------------------------------------------------------


class ReceiptDamaged(DewarlogError):
    """A receipt cannot be read; `field` names the one that is wrong, empty for the whole file."""

    exit_code = ExitCode.NOT_INTACT

    def __init__(self, path: Path, field: str, reason: str) -> None:
        what = f"its field {field!r} is wrong" if field else "it is no receipt"
        super().__init__(f"{path}: this receipt proves nothing: {what} ({reason}).")
        self.path = path
        self.field = field
        self.reason = reason


# --- a token ------------------------------------------------------------------------------------


class TokenDamaged(DewarlogError):
    """A token file, or a token in this computer's store, cannot be read as one."""

    exit_code = ExitCode.NOT_INTACT

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path}: this token cannot be used: {reason}. Ask whoever made it for a new one."
        )
        self.path = path
        self.reason = reason


class TokenUseless(DewarlogError):
    """A token can be read, and no logger would take it."""

    exit_code = ExitCode.NO_DATA

    def __init__(self, path: Path, token_name: str, why: str) -> None:
        super().__init__(
            f"{path}: the {token_name} is of no use: {why}. Nothing was kept. Ask whoever made it "
            "for a new one."
        )
        self.path = path
        self.why = why


# --- a device certificate -----------------------------------------------------------------------


class CertificateDamaged(DewarlogError):
    """A file is no device certificate; `field` names what is wrong, empty for the whole file."""

    exit_code = ExitCode.NOT_INTACT

    def __init__(self, path: Path, field: str, reason: str) -> None:
        what = f"its field {field!r} is wrong" if field else "it is none"
        super().__init__(
            f"{path}: this device certificate cannot be used: {what} ({reason}). Get it again "
            "from whom you trust for it (`dewarlog claim usb:PORT` writes one)."
        )
        self.path = path
        self.field = field
        self.reason = reason
