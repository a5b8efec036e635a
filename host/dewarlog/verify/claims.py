"""A claim about a log: what is proved, by which key, over which blocks; or what would prove it.

Below course, which collects them, and answers_verify, which tells them. A claim that cannot be
checked is no failure and never counts as proved.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from dewarlog.errors import ExitCode
from dewarlog.seals import span_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from dewarlog.checks.finding import Evidence
    from dewarlog.records import Run


class Standing(StrEnum):
    """How a claim stands."""

    PROVED = "proved"
    NOT_PROVED = "not proved"
    CONTRADICTED = "contradicted"


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that a receiver would like to know of a log."""

    code: str
    """bytes, order, heads, device, sealed, signed, receipt, end, copy or previous."""
    standing: Standing
    text: str
    by: str | None = None
    """Of what is proved: the key or file that proves it; None: arithmetic that needs no key."""
    keyed: bool = False
    """Whether only who has a secret could have made what proves this."""
    blocks: tuple[int, int] | None = None
    """The first and the last block this is about."""
    needs: str | None = None
    """Of what is not proved: the key or file that would prove it."""
    block_seq: int | None = None
    """Of what is contradicted: the first bad block, and its byte in the file."""
    offset: int | None = None
    evidence: Mapping[str, Evidence] = field(default_factory=dict[str, "Evidence"])


@dataclass(frozen=True, slots=True)
class Verified:
    """Everything that was asked of one log."""

    path: Path
    sha256: str
    run: Run | None
    blocks: int
    last_block: int
    """Number of the last block; -1: there is none."""
    has_journal: bool
    """Whether its newest records stand in no block yet."""
    claims: tuple[Claim, ...]

    def of(self, standing: Standing) -> tuple[Claim, ...]:
        """Give the claims that stand so."""
        return tuple(claim for claim in self.claims if claim.standing is standing)

    @property
    def first_bad(self) -> Claim | None:
        """Give the contradicted claim whose place in the file comes first, placeless ones last."""
        wrong = self.of(Standing.CONTRADICTED)
        return min(wrong, key=_place) if wrong else None

    @property
    def proved_by_key(self) -> bool:
        """True where at least one claim rests on a secret that a forger lacks."""
        return any(claim.keyed for claim in self.of(Standing.PROVED))

    @property
    def vouched(self) -> list[tuple[int, int]]:
        """Give first and last block of each row that keys vouch for."""
        rows: list[tuple[int, int]] = []
        keyed = [claim for claim in self.of(Standing.PROVED) if claim.keyed]
        for first, last in sorted(claim.blocks for claim in keyed if claim.blocks is not None):
            if rows and first <= rows[-1][1] + 1:
                rows[-1] = (rows[-1][0], max(last, rows[-1][1]))
            else:
                rows.append((first, last))
        return rows

    @property
    def not_vouched(self) -> list[tuple[int, int]]:
        """Give the rows that nobody's key vouches for."""
        ends = [-1, *(last for _, last in self.vouched)]
        begins = [*(first for first, _ in self.vouched), self.last_block + 1]
        rows = [(last + 1, first - 1) for last, first in zip(ends, begins, strict=True)]
        return [(first, last) for first, last in rows if first <= last]

    @property
    def exit_code(self) -> ExitCode:
        """Give 3 where anything is contradicted, 0 where a key proves something, else 4."""
        if self.first_bad is not None:
            return ExitCode.NOT_INTACT
        return ExitCode.USE if self.proved_by_key else ExitCode.NO_DATA

    @property
    def sentence(self) -> str:
        """Say it in one sentence."""
        bad = self.first_bad
        if bad is not None:
            return f"Do not rely on this log. {bad.text}"
        if self.vouched:
            return f"Nothing contradicts this log. {self._reach}"
        return (
            "Nothing contradicts this log, and no key here proves who wrote it: what stands under "
            "Not proved says what would."
        )

    @property
    def _reach(self) -> str:
        """Say how far keys vouch for it, and for what they do not."""
        rest = [span_words(self.not_vouched)] if self.not_vouched else []
        if self.has_journal:
            rest.append("its newest records, which stand in no block yet")
        if not rest:
            return f"Keys vouch for all of it: {span_words(self.vouched)}."
        return f"Keys vouch for {span_words(self.vouched)}, and not for {joined(rest)}."


def _place(claim: Claim) -> int:
    return 1 << 62 if claim.offset is None else claim.offset


def joined(parts: Iterable[str]) -> str:
    """List things in a sentence: `a`, `a and b`, `a, b and c`."""
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
