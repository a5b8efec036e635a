"""What a board's self-test found, as a person and a program read it.

Takes the results of requests.selftest; measures nothing. The board judges, by limits it sends with
each value: a firmware with other limits, or with tests this program does not know, is shown as it
says. Tests, units and verdicts: protocol/SPEC.md 5, event 27.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dewarlog import words
from dewarlog.checks.selftest_words import (
    LEAST_OF_ALL,
    MOST_OF_ALL,
    counts_per_degc,
    limit_words,
    state_of,
    title_of,
    value_words,
)
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dewarlog.bench.requests import TestResult

HEADS: Final = ("Test", "Measured", "Limits", "Result")
PASS: Final = layout.SELFTEST_VERDICT_NAMES.index("pass")
FAIL: Final = layout.SELFTEST_VERDICT_NAMES.index("fail")
NOT_THERE: Final = layout.SELFTEST_VERDICT_NAMES.index("not there")
_VERDICT_WORDS: Final = {PASS: "pass", FAIL: "FAIL", NOT_THERE: "not there"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One test of a self-test."""

    result: TestResult

    @property
    def title(self) -> str:
        """Which test of which part: `cold junction, probe 2`."""
        return title_of(self.result)

    @property
    def failed(self) -> bool:
        """True where the board says so, or a word that this program does not know to be better."""
        return self.result.verdict not in (PASS, NOT_THERE)

    @property
    def left_out(self) -> bool:
        """True where the part need not be there, or another test says why it was not tested."""
        return self.result.verdict == NOT_THERE

    @property
    def state(self) -> str | None:
        """What is wrong with a probe that gives no temperature: `open`; None for all else."""
        return None if self.left_out else state_of(self.result, self.result.value)

    @property
    def measured(self) -> str:
        """The value with its unit; a dash where there is none."""
        if self.left_out:
            return "-"
        return value_words(self.result, self.result.value)

    @property
    def limits(self) -> str:
        """From where to where the value passes."""
        return limit_words(self.result)

    @property
    def verdict(self) -> str:
        """`pass`, `FAIL`, `not there`; a verdict this program does not know by its number."""
        return _VERDICT_WORDS.get(self.result.verdict, f"verdict {self.result.verdict}")

    @property
    def row(self) -> tuple[str, str, str, str]:
        """The cells under HEADS."""
        return self.title, self.measured, self.limits, self.verdict

    def as_data(self) -> dict[str, Any]:
        """The same for a program; temperatures in degC, None for no limit and no value."""
        result = self.result
        per_degc = counts_per_degc(result)
        scale = 1 if per_degc is None else per_degc

        def scaled(value: int) -> float | int:
            return value if scale == 1 else value / scale

        has_value = not self.left_out and self.state is None
        return {
            "test": result.name,
            "number": result.test,
            "index": result.index,
            "title": self.title,
            "verdict": self.verdict.lower(),
            "value": scaled(result.value) if has_value else None,
            "state": self.state,
            "least": None if result.least == LEAST_OF_ALL else scaled(result.least),
            "most": None if result.most == MOST_OF_ALL else scaled(result.most),
            "unit": result.unit if per_degc is None else "degC",
        }


@dataclass(frozen=True, slots=True)
class SelfTestReport:
    """All that one self-test found."""

    findings: tuple[Finding, ...]

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The tests that failed, in the board's order."""
        return tuple(finding for finding in self.findings if finding.failed)

    @property
    def left_out(self) -> tuple[Finding, ...]:
        """The tests that were not made."""
        return tuple(finding for finding in self.findings if finding.left_out)

    @property
    def passed(self) -> bool:
        """True when no test failed.

        What is not there fails nothing: the board says so only of parts that neither a trip nor
        its profile needs. Whether a shipment needs one is for who prepares it to say.
        """
        return not self.failed

    @property
    def summary(self) -> str:
        """PASS or FAIL with the count, and what failed."""
        made = len(self.findings) - len(self.left_out)
        behind = f"; not there: {len(self.left_out)}" if self.left_out else ""
        if self.passed:
            return f"PASS: {words.plural(made, 'test')} passed{behind}"
        names = ", ".join(finding.title for finding in self.failed)
        return f"FAIL: {len(self.failed)} of {words.plural(made, 'test')} failed{behind}: {names}"

    def as_data(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "passed": self.passed,
            "tests_failed": len(self.failed),
            "tests_left_out": len(self.left_out),
            "tests": [finding.as_data() for finding in self.findings],
        }


def report_on(results: Sequence[TestResult]) -> SelfTestReport:
    """Put the results of a self-test together."""
    return SelfTestReport(tuple(Finding(result) for result in results))
