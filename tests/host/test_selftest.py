"""What a person and a program read of a board's self-test."""

from __future__ import annotations

from typing import Final

import pytest

from dewarlog.bench import requests
from dewarlog.bench.selftest import Finding, report_on
from dewarlog_wire import layout

NO_LIMIT: Final = 2**31 - 1
PASS, FAIL, NOT_THERE = range(3)  # layout.SELFTEST_VERDICT_NAMES


def _number(name: str) -> int:
    return [known for known, _ in layout.SELFTESTS].index(name)


def _finding(
    name: str, value: int, least: int, most: int, *, index: int = 0, verdict: int = PASS
) -> Finding:
    return Finding(requests.TestResult(_number(name), index, verdict, value, least, most))


@pytest.mark.parametrize(
    ("finding", "row"),
    [
        (
            _finding("converter settings", 2, 0, 0, index=1, verdict=FAIL),
            ("converter settings, probe 2", "2 registers lost", "0 registers lost", "FAIL"),
        ),
        (
            _finding("converter fault logic", 0, 1, 1, verdict=FAIL),
            ("converter fault logic, probe 1", "no", "yes", "FAIL"),
        ),
        (
            _finding("probe", -196 * 128, -210 * 128, 60 * 128, index=3),
            ("probe 4", "\u2212196.0 °C", "\u2212210.0 °C to 60.0 °C", "pass"),
        ),
        (
            _finding("probe", layout.state_code(layout.STATE_OPEN), -210 * 128, 60 * 128),
            ("probe 1", "open", "\u2212210.0 °C to 60.0 °C", "pass"),
        ),
        (
            _finding("cold junction", 21 * 64 + 32, -20 * 64, 60 * 64),
            ("cold junction, probe 1", "21.5 °C", "\u221220.0 °C to 60.0 °C", "pass"),
        ),
        (
            _finding("tilt sensor self-test", 63, 17, 360, index=2),
            ("tilt sensor self-test, z", "63 counts", "17 to 360 counts", "pass"),
        ),
        (
            _finding("supply drop under load", 12, 0, 300),
            ("supply drop under load", "12 mV", "at most 300 mV", "pass"),
        ),
        (
            _finding("free flash", 811_008, 262_144, NO_LIMIT),
            ("free flash", "811,008 bytes", "at least 262,144 bytes", "pass"),
        ),
        (
            _finding("radio", 0, 1, 1, verdict=NOT_THERE),
            ("radio", "-", "yes", "not there"),
        ),
    ],
)
def test_a_row_says_value_unit_limits_and_verdict(
    finding: Finding, row: tuple[str, str, str, str]
) -> None:
    """States of a probe as words, yes and no for what has no number."""
    assert finding.row == row


def test_a_test_and_a_verdict_this_program_does_not_know_are_shown_by_number() -> None:
    """A newer firmware has more of them: nothing of it is dropped, and no failure is missed."""
    unknown = Finding(requests.TestResult(200, 3, FAIL, 7, 8, 9))
    stranger = Finding(requests.TestResult(0, 0, 77, 0, 0, 0))

    assert unknown.row == ("test 200, 3", "7", "8 to 9", "FAIL")
    assert (stranger.verdict, stranger.failed) == ("verdict 77", True)
    assert not report_on([unknown.result, stranger.result]).passed


def test_the_summary_counts_what_was_made_and_names_what_failed() -> None:
    """What was left out is counted apart."""
    results = [
        _finding("device key", 1, 1, 1).result,
        _finding("radio", 0, 1, 1, verdict=NOT_THERE).result,
    ]
    bad = _finding("probe", layout.state_code(layout.STATE_SHORT), 0, 1, index=1, verdict=FAIL)

    assert report_on(results).summary == "PASS: 1 test passed; not there: 1"
    assert report_on(results[:1]).summary == "PASS: 1 test passed"
    failed = report_on([*results, bad.result])
    assert failed.summary == "FAIL: 1 of 2 tests failed; not there: 1: probe 2"


def test_data_has_temperatures_in_degc_and_no_value_where_there_is_none() -> None:
    """For programs: null instead of a dash, and no limit instead of the largest number."""
    cold = _finding("cold junction", 21 * 64 + 32, -20 * 64, 60 * 64, index=1).as_data()
    opened = _finding("probe", layout.state_code(layout.STATE_OPEN), -26880, 7680, verdict=FAIL)
    flash = _finding("free flash", 5, 4, NO_LIMIT).as_data()
    assert _finding("free flash", 5, -(2**31), 9).as_data()["least"] is None

    assert (cold["value"], cold["least"], cold["most"], cold["unit"]) == (21.5, -20, 60, "degC")
    assert (opened.as_data()["value"], opened.as_data()["state"]) == (None, "open")
    assert opened.as_data()["verdict"] == "fail"
    assert (flash["value"], flash["most"], flash["unit"]) == (5, None, "bytes")
