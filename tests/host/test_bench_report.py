"""What report, audit, JSON and export show of a board that was prepared on the bench."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from dewarlog import cli
from dewarlog.checks.review import review_log
from dewarlog.report.as_html import render
from dewarlog.report.build import build_report
from dewarlog.verdict import judge
from dewarlog_wire import layout
from log_writer import DEFAULT_TEXTS, UTC_2026_03_01, EventSpec, LogWriter
from trips import HOUR_MS, trip, written

if TYPE_CHECKING:
    from pathlib import Path

    from dewarlog.report.model import Report

DAY_S = 86_400
I32_MOST = 2**31 - 1
REFERENCES = (
    (layout.TEXT_HARDWARE, "B2"),
    (layout.TEXT_ACCOUNT, "A-17"),
    (layout.TEXT_PURCHASE_ORDER, "PO 4711"),
    (layout.TEXT_COST_CENTRE, "CC 9"),
    (layout.TEXT_CONSIGNEE, "Ward 3, Leiden"),
)
SERIALS = (b"TC-001", b"TC-002")
POINTS = tuple(
    (channel, *figures, UTC_2026_03_01 - 50 * DAY_S, serial, reference)
    for channel, serial in enumerate(SERIALS)
    for figures, reference in (
        ((0, 0, 5, 4, 0), "ice of distilled water"),
        ((1, -25069, -25005, 13, 100_900), "Pt100 no. 7"),
    )
)
ADMIN = (layout.KIND_ACCESS, 90_000, (1, 0, layout.KEY_ADMIN, 0, bytes(8), ""))
RESULTS: list[EventSpec] = [
    (layout.KIND_SELFTEST, 91_000, (2, 0, 0, -25069, -27000, 3840)),
    (layout.KIND_SELFTEST, 91_000, (15, 0, 1, 31_000, 40_000, I32_MOST)),
    (layout.KIND_SELFTEST, 91_000, (17, 0, 2, 0, 1, 1)),
]
ERASED = (layout.KIND_ERASE, 92_000, (6, bytes.fromhex("a1" * 8), 70, 1))
PROFILE = (layout.KIND_PROFILE, HOUR_MS, (2, UTC_2026_03_01 + 3600, 1, 2, "Bo", "trip 4"))
SAID = "1 of 2 tests passed; failed: free heap 31,000 bytes (must be at least 40,000 bytes)"


def prepared(*, erased: EventSpec = ERASED) -> LogWriter:
    """Write a trip of a board that was prepared, and tested and emptied on the way."""

    def change(hour: int, _readings: list[list[int]]) -> list[EventSpec]:
        return [ADMIN, *RESULTS, erased, PROFILE] if hour == 0 else []

    return trip(
        2,
        texts=(*DEFAULT_TEXTS, *REFERENCES),
        points=POINTS,
        handling=(30, 1),
        arming=(
            UTC_2026_03_01 - 9,
            5 * DAY_S,
            10 * DAY_S,
            4500,
            1 << 9,
            "A. Jansen",
            "tilt is out",
        ),
        change=change,
    )


def report_of(folder: Path, writer: LogWriter) -> tuple[Report, str]:
    """Build the report and its page."""
    path = written(folder, writer)
    review = review_log(path)
    report = build_report(path, review, judge(review))
    return report, render(report)


def data_of(folder: Path, writer: LogWriter) -> Any:  # noqa: ANN401 - JSON
    """Run check --json."""
    path = str(written(folder, writer))
    return json.loads(CliRunner().invoke(cli.app, ["check", path, "--json"]).stdout)


def test_the_facts_name_board_payer_receiver_and_who_began_it(tmp_path: Path) -> None:
    """In the order in which a person asks."""
    report, page = report_of(tmp_path, prepared())
    facts = {fact.name: fact.value for fact in report.facts}

    assert {name: facts[name] for name in list(facts)[5:10]} == {
        "Hardware revision": "B2",
        "Account": "A-17",
        "Purchase order": "PO 4711",
        "Cost centre": "CC 9",
        "Consignee": "Ward 3, Leiden",
    }
    assert facts["Begun by"] == "A. Jansen, 2026-02-28 23:59:51 UTC by that computer"
    assert facts["Planned for"] == "5 d; charge 4.50 kg of nitrogen, holds 10 d at rest"
    assert (facts["Begun over"], facts["Reason given"]) == ("sensors", "tilt is out")
    assert facts["Thaw start to infusion"] == "30 min at most"
    assert "Ward 3, Leiden" in page


def test_each_point_of_calibration_stands_with_date_due_and_reference(tmp_path: Path) -> None:
    """Two points of each probe."""
    report, page = report_of(tmp_path, prepared())

    assert report.calibration.rows[:2] == (
        (
            "Probe 1 (payload top)",
            "TC-001",
            "ice point",
            "0.00 \u00b0C",
            "+0.039 K",
            "0.031 K",
            "ice of distilled water",
            "2026-01-10",
            "2026-12-26",
        ),
        (
            "Probe 1 (payload top)",
            "TC-001",
            "LN2 point at 1009.0 hPa",
            "\u2212195.85 \u00b0C",
            "+0.500 K",
            "0.102 K",
            "Pt100 no. 7",
            "2026-01-10",
            "2026-12-26",
        ),
    )
    assert len(report.calibration.rows) == 4
    assert "Points of calibration" in page


def test_a_point_of_another_probe_is_called_that(tmp_path: Path) -> None:
    """In its row, beside the probe's dates, and its offset in the budget."""
    swapped = ((*POINTS[0][:7], b"TC-009", ""),)
    report, _ = report_of(tmp_path, trip(points=swapped, offset_count=-64))

    assert report.calibration.rows[0][1] == "TC-009 (another probe)"
    assert report.calibration.rows[0][6] == "not told"
    assert report.probes.rows[0][-1].endswith(" (another probe\u2019s), offset \u22120.50 K")
    assert report.uncertainty.rows[0][3] == "1.30 K wire, 0.50 K wrong offset"
    assert "another probe" not in report.probes.rows[1][-1]


def test_a_self_test_is_one_line_of_the_events_and_of_the_audit(tmp_path: Path) -> None:
    """How many passed, and what failed with value and limits."""
    report, _ = report_of(tmp_path, prepared())

    assert [row for row in report.events.rows if row[2] == "self-test"] == [
        ("4\u20136", report.events.rows[4][1], "self-test", SAID)
    ]
    (line,) = [row for row in report.audit.rows if row[1] == "self-test"]
    assert line[2:] == (SAID, "holder of the admin key, by USB")


def test_the_audit_says_who_erased_and_who_wrote_the_profile(tmp_path: Path) -> None:
    """Whoever proved himself before it."""
    report, _ = report_of(tmp_path, prepared())
    lines = {row[1]: row[2:] for row in report.audit.rows}
    who = "holder of the admin key, by USB"

    assert lines["erase"] == ("run 6, log a1a1a1a1a1a1a1a1, 70 blocks; held by a host", who)
    assert lines["profile"] == (
        "arm, profile 00000001 \u2192 00000002; Bo; trip 4; 2026-03-01 01:00:00 UTC",
        who,
    )


def test_a_run_erased_that_nobody_held_is_a_warning(tmp_path: Path) -> None:
    """It is gone, and who did it stands there."""
    erased = (layout.KIND_ERASE, 92_000, (6, bytes(8), 70, 0))
    review = review_log(written(tmp_path, prepared(erased=erased)))
    (finding,) = [item for item in review.findings if item.code == "erased-unpulled"]

    assert finding.message == (
        "Run 6 (70 blocks) was erased from the logger, and no computer had confirmed that it "
        "holds it: by holder of the admin key, by USB."
    )


def test_json_has_every_result_of_a_self_test(tmp_path: Path) -> None:
    """Numbers as they were recorded, and in words."""
    (test,) = data_of(tmp_path, prepared())["self_tests"]

    assert (test["done"], test["passed"], test["summary"]) == (2, 1, SAID)
    assert test["results"][1] == {
        "event": 5,
        "test": 15,
        "name": "free heap",
        "index": 0,
        "verdict": "fail",
        "value": 31_000,
        "least": 40_000,
        "most": I32_MOST,
        "unit": "bytes",
        "value_words": "31,000 bytes",
        "limit_words": "at least 40,000 bytes",
    }


def test_json_has_arming_handling_and_calibration(tmp_path: Path) -> None:
    """As data."""
    run = data_of(tmp_path, prepared())["run"]

    assert run["arming"] == {
        "told_unix_s": UTC_2026_03_01 - 9 + layout.UTC_EPOCH_UNIX_S,
        "planned_s": 5 * DAY_S,
        "static_hold_s": 10 * DAY_S,
        "charge_g": 4500,
        "overridden": ["sensors"],
        "actor": "A. Jansen",
        "reason": "tilt is out",
    }
    assert run["handling"] == {"thaw_to_infusion_min": 30, "calibration_policy": "refuse"}
    assert run["calibrations"][3] == {
        "channel": 1,
        "point": "LN2 point",
        "reference_degc": -25069 / 128,
        "indicated_degc": -25005 / 128,
        "standard_u_k": 13 / 128,
        "pressure_pa": 100_900,
        "unix_s": UTC_2026_03_01 - 50 * DAY_S + layout.UTC_EPOCH_UNIX_S,
        "due_unix_s": UTC_2026_03_01 + 300 * DAY_S + layout.UTC_EPOCH_UNIX_S,
        "serial": "TC-002",
        "reference": "Pt100 no. 7",
        "of_this_probe": True,
    }


def test_the_exported_events_name_who_ran_each_test(tmp_path: Path) -> None:
    """One row for each result there: a table is for programs."""
    path = str(written(tmp_path, prepared()))
    table = CliRunner().invoke(cli.app, ["export", path, "--table", "events"]).stdout
    lines = table.splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith(("#", '"#'))))
    tests = [row for row in rows if row["kind"] == "self-test"]

    assert [row["details"] for row in tests] == [
        "pass: probe 1 \u2212195.9 \u00b0C (must be \u2212210.9 \u00b0C to 30.0 \u00b0C)",
        "fail: free heap 31,000 bytes (must be at least 40,000 bytes)",
        "not there: radio no (must be yes)",
    ]
    assert {row["who"] for row in tests} == {"holder of the admin key, by USB"}
    assert "# consignee: Ward 3, Leiden" in table


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "\t=1"])
def test_a_text_of_the_bench_never_becomes_a_formula(tmp_path: Path, text: str) -> None:
    """In a cell of its own or behind a word."""

    def change(hour: int, _readings: list[list[int]]) -> list[EventSpec]:
        return [(layout.KIND_PROFILE, HOUR_MS, (2, 0, 1, 2, text, text))] if hour == 0 else []

    path = str(written(tmp_path, trip(2, change=change, texts=((layout.TEXT_ACCOUNT, text),))))
    table = CliRunner().invoke(cli.app, ["export", path, "--table", "events"]).stdout
    cells = [cell for row in csv.reader(table.splitlines()) for cell in row]

    assert [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t")] == []
