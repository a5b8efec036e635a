"""One place of a file a person wrote that cannot be used, and how all of them are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Mistake:
    """One place of a file a person wrote that cannot be used."""

    path: str
    """As `rules[2].threshold_degc`; empty for the whole."""
    found: str
    """What stands there."""
    allowed: str
    """What may stand there."""

    def __str__(self) -> str:
        return f"{self.path or 'it'} is {self.found}; allowed: {self.allowed}"


def listed(head: str, mistakes: Sequence[Mistake]) -> tuple[str, ...]:
    """Return the lines of an error that names every mistake."""
    last = "Nothing was changed. Correct it, and run the command again."
    return (head, *(f"{mistake}." for mistake in mistakes), last)
