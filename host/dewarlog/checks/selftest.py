"""Self-tests in the log: what the board found when it tested its own parts.

Takes events in order. One self-test is a row of results (protocol/SPEC.md 5, 27): another begins
where a test comes again, where the board started anew, or long after the result before. What the
newest one failed is looked at and never decides: the checks of the readings judge the readings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dewarlog import words
from dewarlog.checks.finding import Finding, Moment, Severity
from dewarlog.checks.selftest_words import limit_words, title_of, value_words
from dewarlog.records import SelfTestResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dewarlog.records import Event

# A self-test is over within 30 s (protocol/SPEC.md 7.11).
LONGEST_MS: Final = 30_000
# Of the failed ones; the rest is counted.
_TOLD_ONE_BY_ONE: Final = 6


@dataclass(frozen=True, slots=True)
class SelfTest:
    """All results of one self-test, in order; at least one."""

    results: tuple[SelfTestResult, ...]

    @property
    def at(self) -> Moment:
        """Give when its first result was recorded."""
        return Moment(self.results[0].boot, self.results[0].uptime_ms)

    @property
    def done(self) -> int:
        """Count the tests of parts that the board has."""
        return sum(not result.is_absent for result in self.results)

    @property
    def passed(self) -> int:
        """Count those that passed."""
        return sum(result.is_pass for result in self.results)

    @property
    def failed(self) -> tuple[SelfTestResult, ...]:
        """Give what neither passed nor has no part: a verdict nobody knows is no pass."""
        return tuple(one for one in self.results if not one.is_pass and not one.is_absent)

    @property
    def words(self) -> str:
        """Say it in one line: how many passed, and what failed with its figures."""
        text = f"{self.passed} of {words.plural(self.done, 'test')} passed"
        if self.failed:
            text += f"; failed: {failed_words(self.failed)}"
        return text


@dataclass(slots=True)
class SelfTestRows:
    """Puts results together as they come."""

    found: list[list[SelfTestResult]] = field(default_factory=list[list[SelfTestResult]])
    _seen: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])

    def feed(self, result: SelfTestResult) -> bool:
        """Take one result; True where it begins another self-test."""
        which = (result.test, result.index)
        before = self.found[-1][-1] if self.found else None
        begins = (
            before is None
            or which in self._seen
            or before.boot != result.boot
            or not 0 <= result.uptime_ms - before.uptime_ms <= LONGEST_MS
        )
        if begins:
            self.found.append([])
            self._seen.clear()
        self.found[-1].append(result)
        self._seen.add(which)
        return begins


@dataclass(slots=True)
class SelfTestCheck:
    """Takes events in order."""

    _rows: SelfTestRows = field(default_factory=SelfTestRows)

    def feed(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, SelfTestResult):
            self._rows.feed(event)

    def finish(self) -> tuple[tuple[SelfTest, ...], tuple[Finding, ...]]:
        """Give every self-test, and what the newest failed."""
        tests = tuple(SelfTest(tuple(row)) for row in self._rows.found)
        if not tests or not tests[-1].failed:
            return tests, ()
        newest = tests[-1]
        finding = Finding(
            "selftest",
            Severity.WARN,
            "selftest-failed",
            f"The logger's newest self-test failed {len(newest.failed)} of "
            f"{words.plural(newest.done, 'test')}: {failed_words(newest.failed)}.",
            {
                "failed": ", ".join(title_of(result) for result in newest.failed),
                "tests": newest.done,
            },
            start=newest.at,
        )
        return tests, (finding,)


def self_tests(events: Iterable[Event]) -> tuple[SelfTest, ...]:
    """Put the results among some events together."""
    rows = SelfTestRows()
    for event in events:
        if isinstance(event, SelfTestResult):
            rows.feed(event)
    return tuple(SelfTest(tuple(row)) for row in rows.found)


# --- in words -----------------------------------------------------------------------------------


def failed_words(failed: Sequence[SelfTestResult]) -> str:
    """Name what failed, each with its value and what would have passed."""
    told = [result_words(result) for result in failed[:_TOLD_ONE_BY_ONE]]
    if len(failed) > len(told):
        told.append(f"{len(failed) - len(told)} more")
    return "; ".join(told)


def result_words(result: SelfTestResult) -> str:
    """Say one result: `free heap 31,000 bytes (must be at least 40,000 bytes)`."""
    text = f"{title_of(result)} {value_words(result, result.value)}"
    limits = limit_words(result)
    if not result.is_pass and not result.is_absent and result.verdict_name != "fail":
        text += f", verdict {result.verdict_name}"
    return f"{text} (must be {limits})" if limits else text
