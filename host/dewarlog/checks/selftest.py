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
from dewarlog.checks.probes import state_name
from dewarlog.records import SelfTestResult
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dewarlog.records import Event

# A self-test is over within 30 s (protocol/SPEC.md 7.11).
LONGEST_MS: Final = 30_000
_I16: Final = (-(2**15), 2**15 - 1)
_I32: Final = (-(2**31), 2**31 - 1)
# Each test has one result, each of its probes or axes another.
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
                "failed": ", ".join(result_name(result) for result in newest.failed),
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


def result_name(result: SelfTestResult) -> str:
    """Name a test, and which of several: `probe 2`, `tilt sensor self-test, axis y`."""
    name = result.test_name
    if name == "probe":
        return f"probe {result.index + 1}"
    if name == "tilt sensor self-test" and result.index < len("xyz"):
        return f"{name}, axis {'xyz'[result.index]}"
    return f"{name}, number {result.index + 1}" if result.index else name


def result_words(result: SelfTestResult) -> str:
    """Say one result: `free heap 31,000 bytes (at least 40,000 bytes pass)`."""
    text = f"{result_name(result)} {value_words(result, result.value)}"
    limits = limit_words(result)
    if not result.is_pass and not result.is_absent and result.verdict_name != "fail":
        text += f", verdict {result.verdict_name}"
    return f"{text} ({limits})" if limits else text


def limit_words(result: SelfTestResult) -> str:
    """Say what passes; nothing where everything does."""
    least, most = result.least, result.most
    low, high = value_words(result, least), value_words(result, most)
    if (least, most) == _I32:
        return ""
    if least == most:
        return f"{low} passes"
    if most == _I32[1]:
        return f"{low} or more passes"
    if least == _I32[0]:
        return f"{high} or less passes"
    return f"{low} to {high} passes"


def value_words(result: SelfTestResult, value: int) -> str:
    """Write a value in the unit of its test; a reading code that is a state by its name."""
    if result.unit == "1/128 degC" and _I16[0] <= value <= _I16[1]:
        state = layout.state_of(value)
        if state != layout.STATE_OK:
            return state_name(state)
        return words.degc(value / layout.TEMPERATURE_PER_DEGC)
    if result.unit == "1/64 degC":
        return words.degc(value / layout.COLD_JUNCTION_PER_DEGC)
    number = f"{value:,}".replace("-", "\u2212")
    return f"{number} {result.unit}" if result.unit else number
