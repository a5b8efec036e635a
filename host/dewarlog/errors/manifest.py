"""Errors of a shipment's manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog.errors.mistake import Mistake, listed
from dewarlog.errors.root import DewarlogError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence


class ManifestUnreadable(DewarlogError):
    """A file is no manifest that can be read."""

    exit_code = ExitCode.USAGE

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: this manifest cannot be read: {reason}. Nothing was changed.")
        self.where = where
        self.reason = reason


class ManifestInvalid(DewarlogError):
    """Values of a manifest cannot be used; `mistakes` names each by its place in the file."""

    exit_code = ExitCode.USAGE

    def __init__(self, where: str, mistakes: Sequence[Mistake]) -> None:
        self.lines = listed(f"{where}: this manifest cannot be used:", mistakes)
        super().__init__(" ".join(self.lines))
        self.where = where
        self.mistakes = tuple(mistakes)


class NoShipment(DewarlogError):
    """A manifest does not have the shipment asked for, or has several and none was asked for."""

    exit_code = ExitCode.USAGE

    def __init__(
        self, where: str, shipment: str | None, known: Sequence[str], further: int
    ) -> None:
        count = len(known) + further
        names = ", ".join(known) + (f" and {further} more" if further else "")
        what = (
            f"it has {count} shipments: name one with --shipment"
            if shipment is None and count
            else "it has no shipment below its headings"
            if shipment is None
            else f"it has no shipment {shipment!r}"
        )
        super().__init__(
            f"{where}: {what}." + (f" It has: {names}." if count else "") + " Nothing was changed."
        )
        self.where = where
        self.shipment = shipment
        self.known = tuple(known)
