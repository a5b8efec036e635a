"""USE, HOLD or NO DATA: one word, one plain sentence, every reason with its time.

Weighs the findings of the checks; computes nothing of its own. It says what the log shows and how
sure that is, and never that a shipment conforms to a law or a standard: that judgement belongs to
the people named in the profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from dewarlog import words
from dewarlog.checks.finding import Severity
from dewarlog.errors import ExitCode

if TYPE_CHECKING:
    from dewarlog.checks.finding import Finding
    from dewarlog.checks.review import Review
    from dewarlog.checks.wall_clock import WallTime


class Word(StrEnum):
    """The verdict in one word."""

    USE = "USE"
    HOLD = "HOLD"
    NO_DATA = "NO DATA"


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that decided, or that somebody should look at."""

    finding: Finding
    start: WallTime | None
    end: WallTime | None
    when: str  # start and end in words, wall time where a clock knows it


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with the product, and why."""

    word: Word
    sentence: str
    steps: tuple[str, ...]  # what to do with the product now
    contact: str | None  # whom to call, as the profile says
    intact: bool
    reasons: tuple[Reason, ...]  # what decided
    notes: tuple[Reason, ...]  # what to look at; did not decide

    @property
    def call_label(self) -> str:
        """Say when to call the contact."""
        if self.word is Word.HOLD:
            return "Call now, they decide"
        return "Questions" if self.word is Word.USE else "If the log stays empty, call"

    @property
    def exit_code(self) -> ExitCode:
        """Give the exit code that says the same."""
        if self.word is Word.NO_DATA:
            return ExitCode.NO_DATA
        if not self.intact:
            return ExitCode.NOT_INTACT
        return ExitCode.USE if self.word is Word.USE else ExitCode.HOLD


# The order in which reasons are told: what the bytes are worth, then what happened to the product.
_ORDER: Final = (
    "integrity",
    "excursion",
    "thaw",
    "probes",
    "coverage",
    "shock",
    "tilt",
    "agreement",
    "linearisation",
)


def judge(review: Review) -> Verdict:
    """Weigh the findings of a review."""
    deciding = [item for item in review.findings if item.severity in _DECIDE]
    noted = [item for item in review.findings if item.severity not in _DECIDE]
    reasons = tuple(_reason(review, item) for item in sorted(deciding, key=_rank))
    notes = tuple(
        _reason(review, item) for item in sorted(noted, key=lambda item: item.severity != "warn")
    )
    contact = None if review.run is None else review.run.text("contact")
    word = Word.HOLD if reasons else Word.USE
    if not review.has_readings:
        word = Word.NO_DATA
    return Verdict(
        word=word,
        sentence=_sentence(review, word, reasons),
        steps=steps_for(word),
        contact=contact,
        intact=review.integrity.intact,
        reasons=reasons,
        notes=notes,
    )


_DECIDE: Final = frozenset({Severity.HOLD, Severity.BROKEN})


def _rank(finding: Finding) -> tuple[int, int, int, int]:
    order = _ORDER.index(finding.check) if finding.check in _ORDER else len(_ORDER)
    start = finding.start
    if finding.check == "integrity":
        return (order, finding.offset or 0, 0, 0)
    return (order, 0, 0 if start is None else start.boot, 0 if start is None else start.uptime_ms)


def _sentence(review: Review, word: Word, reasons: tuple[Reason, ...]) -> str:
    if word is Word.NO_DATA:
        first = review.integrity.first_bad
        text = "This log holds no temperature reading, so it says nothing about the product."
        return text if first is None else f"{text} {first.message}"
    if word is Word.HOLD:
        first_bad = review.integrity.first_bad
        if first_bad is not None:
            return f"The log is not intact. {first_bad.message}"
        rest = len(reasons) - 1
        also = f" {words.plural(rest, 'more reason')} below." if rest else ""
        return f"{reasons[0].finding.message}{also}"
    span = review.coverage.recorded_s
    return (
        f"No reading came near a limit that means HOLD in {words.duration(span)}, "
        "and the log is intact."
    )


def steps_for(word: Word) -> tuple[str, ...]:
    """Say what to do with the product now."""
    if word is Word.USE:
        return ("Go on with the receiving steps of this shipment.",)
    keep = (
        "Do not use the product, and do not discard it.",
        "Leave it in the dewar, closed and upright.",
    )
    if word is Word.HOLD:
        return keep
    return (*keep, "Pull the log from the logger again and check it again.")


def _reason(review: Review, finding: Finding) -> Reason:
    start = None if finding.start is None else review.clock.at(finding.start)
    end = None if finding.end is None else review.clock.at(finding.end)
    when = ""
    if start is not None:
        when = words.wall(start)
        if end is not None and end.unix_s - start.unix_s >= 1:
            when = words.wall_span(start, end)
    elif finding.start is not None:
        when = words.uptime(finding.start.boot, finding.start.uptime_ms)
    return Reason(finding, start, end, when)
