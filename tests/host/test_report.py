"""The report: one safe page that says the verdict first and leaves nothing out."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from dewarlog.checks.finding import Moment
from dewarlog.checks.review import review_log
from dewarlog.report.as_html import render
from dewarlog.report.as_json import as_json
from dewarlog.report.build import build_report
from dewarlog.report.journey import picture_of
from dewarlog.report.plot import WIDE
from dewarlog.report.timeline import timeline_of
from dewarlog.report.traces import COLUMNS, Trace, gather
from dewarlog.verdict import judge
from dewarlog_wire import layout
from log_writer import DEFAULT_TEXTS, DEGC, UTC_2026_03_01, LogWriter
from trips import BLOCK, HOUR_MS, custody, quiet, trip, written

if TYPE_CHECKING:
    from dewarlog.report.model import Report
    from log_writer import EventSpec

OPEN = layout.state_code(layout.STATE_OPEN)
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202eevil \"' & </title></style><img src=x onerror=y>"
VOID = {"meta", "br", "img", "hr", "input", "link"}


def _bad_hour(hour: int, readings: list[list[int]]) -> list[EventSpec]:
    if hour != 1:
        return []
    readings[0][100:200] = [-140 * DEGC] * 100
    readings[1][20:50] = [OPEN] * 30
    onset, at = BLOCK + 100, HOUR_MS
    return [
        (layout.KIND_PROBE_STATE, at + 200_000, (1, 1, 0, 1, BLOCK + 20)),
        (layout.KIND_EXCURSION_BEGIN, at + 1_600_000, (0, 0, -140 * DEGC, onset, onset + 60)),
        (layout.KIND_EXCURSION_EXTREME, at + 2_000_000, (0, 0, -140 * DEGC, onset, onset)),
        (layout.KIND_EXCURSION_END, at + 2_000_000, (0, 0, 0, 990, onset, onset + 100)),
        (layout.KIND_TILT, at, (0, 3, 3600, 0, 0, 0)),
        (layout.KIND_TILT, at + 100_000, (2, 85, 3700, 0, 0, 0)),
        (layout.KIND_TILT, at + 1_300_000, (0, 3, 3700, 0, 1200, 0)),
    ]


def _bad_trip() -> LogWriter:
    writer = trip(3, change=_bad_hour, stop=False)
    pulse = [int(900 * np.sin(np.pi * i / 35)) if 0 <= i < 35 else 0 for i in range(-160, 352)]
    writer.shock(2 * HOUR_MS, (pulse, [10] * 512, [0] * 512), number=1)
    writer.boot = 1
    utc_s = UTC_2026_03_01 + 3 * 3600 + 900
    events: list[EventSpec] = [
        (layout.KIND_BOOT, 5, (1, 1, 0, 0, utc_s, 0)),
        (layout.KIND_GAP, 1000, (0, layout.GAP_POWER, 0, 900, 90)),
        (layout.KIND_CLOCK_SYNC, 2000, (utc_s + 2, 0, 50, utc_s + 2, 0)),
    ]
    writer.samples(1000, [quiet(70), quiet(71)], events=events)
    return writer


def _made(folder: Path, writer: LogWriter) -> tuple[Report, str]:
    path = written(folder, writer)
    review = review_log(path)
    report = build_report(path, review, judge(review))
    return report, render(report)


class _Page(HTMLParser):
    """Checks that tags close as they open, and collects what matters."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("href", "src", "action", "data", "xlink:href"):
                self.links.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data.replace("\u00a0", " ")


def test_the_verdict_and_what_to_do_come_first(tmp_path: Path) -> None:
    """Word, sentence, steps and phone number stand before any figure."""
    report, page = _made(tmp_path, _bad_trip())
    text = _Page(page).text

    order = [
        "HOLD",
        report.sentence,
        "Do not use the product",
        "+1 555 0100",
        "Why",
        "The journey",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert 'href="tel:+15550100"' in page


@pytest.mark.parametrize("name", ["calm", "bad"])
def test_a_log_without_calibration_points_and_arming_reads_as_before(
    tmp_path: Path, name: str
) -> None:
    """Every figure and fact as old_logs.json has them, from before boards recorded more."""
    before = json.loads((Path(__file__).parent / "old_logs.json").read_text("utf-8"))[name]
    path = written(tmp_path, trip() if name == "calm" else _bad_trip())
    review = review_log(path)
    verdict = judge(review)
    now = as_json(review, verdict)
    now["file"]["path"] = "trip.dwl"
    report = build_report(path, review, verdict)

    assert {key: now[key] for key in before["check"]} == before["check"] | {
        "run": before["check"]["run"] | {"handling": None, "arming": None, "calibrations": []}
    }
    assert [[fact.name, fact.value] for fact in report.facts] == before["facts"]
    assert (report.calibration.rows, now["self_tests"]) == ((), [])
    assert "Points of calibration" not in render(report)


def test_the_first_line_names_the_shipment_and_whose_it_is(tmp_path: Path) -> None:
    """A report must be matched to the product in hand before its verdict is acted on."""
    report, page = _made(tmp_path, _bad_trip())

    assert report.heading == (
        "Shipment SHIP-2026-0310 \u00b7 Chain of identity COI-7F3A \u00b7 Dewar DW-0042"
    )
    assert page.index("COI-7F3A") < page.index("Do not use the product")


@pytest.mark.parametrize(("is_bad", "expected"), [(True, True), (False, False)])
def test_the_senders_handling_stands_behind_the_steps(
    tmp_path: Path, is_bad: bool, expected: bool
) -> None:
    """What was written before the journey must not read as an order against HOLD."""
    text = _Page(_made(tmp_path, _bad_trip() if is_bad else trip())[1]).text

    assert ("The steps above come first." in text) is expected
    assert "Keep the dewar upright." in text


def test_a_shock_that_means_hold_says_the_word(tmp_path: Path) -> None:
    """Its frame is red; on grey paper the word has to tell."""
    report, page = _made(tmp_path, _bad_trip())

    (card,) = report.shock_cards
    assert card.holds
    assert card.title.startswith("Shock 1 \u00b7 HOLD \u00b7 2026-03-01")
    assert "HOLD" in page[page.index("<figcaption>") : page.index("</figcaption>")]


def test_legends_tell_curves_apart_without_colour(tmp_path: Path) -> None:
    """Each curve's piece of line in a legend has the dash of the curve."""
    report, page = _made(tmp_path, _bad_trip())

    first, second = (re.sub(r"\bc\d\b", "", line.key) for line in report.legend)
    assert first != second
    assert page.count('class="key"') == len(report.legend) + len(report.axes_legend)
    assert "beyond a HOLD limit" in page
    assert "beyond a warning limit" not in page


def test_each_row_of_a_table_is_named_for_those_who_hear_it(tmp_path: Path) -> None:
    """The first cell heads its row; dates in cells stay on one line."""
    page = _made(tmp_path, _bad_trip())[1]

    assert page.count('<tr><th scope="row"') == page.count("<tr>") - page.count("<thead>")
    assert '<span class="unbroken">2026-03-01</span>' in page


@pytest.mark.parametrize(("crossed", "expected"), [("left", "right"), ("right", "left")])
def test_a_limit_is_written_where_no_curve_crosses_it(
    tmp_path: Path, crossed: str, expected: str
) -> None:
    """The words of a limit keep clear of the curve that passes it."""
    path = written(tmp_path, trip())
    review = review_log(path)
    axis = timeline_of(review)
    readings = np.full(COLUMNS, -190.0)
    part = slice(0, COLUMNS // 3) if crossed == "left" else slice(2 * COLUMNS // 3, None)
    readings[part] = np.linspace(-160, -140, COLUMNS // 3)
    picture = picture_of(review, axis, (Trace(0, readings, readings),)).wide

    place = re.search(r'<text x="([\d.]+)" [^>]*>HOLD above', picture)
    assert place is not None
    assert ("left" if float(place.group(1)) < WIDE.width / 4 else "right") == expected
    assert picture.rindex("<polyline") < picture.index("HOLD above", place.start())


def test_joining_columns_keeps_those_left_over() -> None:
    """Where the columns do not divide evenly, the last ones still count."""
    trace = Trace(0, np.array([-190.0, -190.0, -195.0]), np.array([-190.0, -190.0, -140.0]))

    joined = trace.joined(2)

    assert joined.low_degc.tolist() == [-190.0, -195.0]
    assert joined.high_degc.tolist() == [-190.0, -140.0]


def test_the_page_is_well_formed_and_needs_nothing_else(tmp_path: Path) -> None:
    """No script, no handler, no address but the phone; everything closes."""
    page = _Page(_made(tmp_path, _bad_trip())[1])

    assert page.open == []
    assert not page.tags & {"script", "iframe", "object", "embed", "link", "form", "img"}
    assert page.handlers == []
    assert page.links == ["tel:+15550100"]


@pytest.mark.parametrize(
    "part",
    [
        "Excursions",
        "\u2212140.0 \u00b0C \u00b1",
        "Custody",
        "Ward 4",
        "Shock 1",
        "Tilt from upright",
        "60\u2013120\u00b0",
        "Gaps in the record",
        "power lost (restart: power on)",
        "Probe 2 was open",
        "Calibrated",
        "Uncertainty at the limits",
        "Set by a computer at 2026-03-01",
        "SHA-256 of the file",
        "excursion records agree",
        "computed again from raw voltage",
        "Chain of identity",
        "Keep the dewar upright.",
    ],
)
def test_the_page_says(tmp_path: Path, part: str) -> None:
    """Every kind of evidence is there."""
    assert part in _Page(_made(tmp_path, _bad_trip())[1]).text


def test_the_page_carries_the_hash_of_the_file(tmp_path: Path) -> None:
    """The page can be matched to the log it was made from."""
    writer = trip()
    review = review_log(written(tmp_path, writer))

    assert review.sha256 in _made(tmp_path, writer)[1]


@pytest.mark.parametrize("which", range(1, 8))
def test_hostile_text_in_the_log_stays_text(tmp_path: Path, which: int) -> None:
    """Markup and terminal escapes from any text of the log do nothing."""
    texts = tuple(item for item in DEFAULT_TEXTS if item[0] != which)
    hostile = (layout.KIND_CUSTODY, 100_000, (2, UTC_2026_03_01, HOSTILE[:60], HOSTILE[:60], "x"))
    writer = trip(
        texts=((which, HOSTILE), *texts),
        change=lambda hour, _: [hostile] if hour == 0 else [],
    )
    page = _made(tmp_path, writer)[1]
    parsed = _Page(page)

    assert parsed.open == []
    assert not parsed.tags & {"script", "img"}
    assert parsed.handlers == []
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", page) is None


def test_a_trip_without_a_clock_counts_from_its_start(tmp_path: Path) -> None:
    """No date stands on a page whose log knows none."""
    report, page = _made(tmp_path, trip(clock=False))

    assert "No clock told the time" in report.time_note
    assert "since the start" in page
    told = re.findall(r"\d\d UTC(?! by the recording device)", _Page(page).text)
    assert told == []


def test_an_empty_run_still_makes_a_page(tmp_path: Path) -> None:
    """A log with its first block only says NO DATA, and everything else it can."""
    writer = LogWriter()
    writer.start()
    report, page = _made(tmp_path, writer)

    assert report.word == "NO DATA"
    assert _Page(page).open == []


def test_a_damaged_log_makes_a_page_that_says_so(tmp_path: Path) -> None:
    """Also without the block that names limits and probes."""
    writer = _bad_trip()
    writer.data[40] ^= 1
    report, page = _made(tmp_path, writer)

    assert report.word == "HOLD"
    assert "The log is not intact." in _Page(page).text
    assert report.heading == "trip.dwl"


def test_a_reading_that_lasted_one_sample_is_seen_in_the_picture(tmp_path: Path) -> None:
    """Reducing to pixel columns keeps the least and the greatest of each."""

    def change(hour: int, readings: list[list[int]]) -> list[EventSpec]:
        if hour == 2:
            readings[0][123] = -160 * DEGC
            readings[1][321] = -199 * DEGC
        return []

    path = written(tmp_path, trip(8, change=change))
    review = review_log(path)
    ((first, second),) = gather(path, review, [timeline_of(review)]).pictures

    assert len(first.low_degc) == COLUMNS
    assert np.nanmax(first.high_degc) == -160
    assert np.nanmax(first.joined(3).high_degc) == -160
    assert np.nanmin(second.low_degc) == -199
    assert not np.isnan(first.low_degc).any()


def test_steps_in_the_last_minutes_each_have_a_flag(tmp_path: Path) -> None:
    """Where a dewar changes hands the log ends: flags that find no room move to the left."""

    def late(hour: int, readings: list[list[int]]) -> list[EventSpec]:
        at = [HOUR_MS * 4 - second * 1000 for second in (50, 40, 30, 20)]
        return [custody(at_ms, 2) for at_ms in at] if hour == 3 else []

    path = written(tmp_path, trip(4, change=late))
    review = review_log(path)
    report = build_report(path, review, judge(review))

    flags = re.findall(
        r'<circle cx="([\d.]+)".*?class="flag-number"[^>]*>(\d)<', report.journey.wide
    )
    assert [number for _, number in flags] == ["1", "2", "3", "4", "5", "6"]
    assert all(float(after) - float(x) >= 20 for (x, _), (after, _) in pairwise(flags))


def test_boots_without_a_clock_follow_each_other_on_the_axis(tmp_path: Path) -> None:
    """A gap of unknown length is drawn short, and in order."""
    writer = trip(1, clock=False, stop=False)
    writer.boot = 1
    writer.samples(0, [quiet(1), quiet(2)])
    timeline = timeline_of(review_log(written(tmp_path, writer)))

    assert timeline.began_unix_s is None
    assert timeline.at(Moment(0, HOUR_MS)) < timeline.at(Moment(1, 0)) < timeline.length_s


@pytest.mark.parametrize("most", [4, 9])
def test_ticks_stand_at_round_times_and_are_not_too_many(tmp_path: Path, most: int) -> None:
    """At most as many as fit, all inside, evenly spaced."""
    timeline = timeline_of(review_log(written(tmp_path, trip())))
    ticks = timeline.ticks(most)

    assert 1 < len(ticks) <= most + 1
    steps = {round(after.at_s - tick.at_s) for tick, after in pairwise(ticks)}
    assert len(steps) == 1
    assert all(0 <= tick.at_s <= timeline.length_s for tick in ticks)


def test_the_json_of_a_check_has_every_finding_with_its_place(tmp_path: Path) -> None:
    """Severity, code, message, times with bounds, block and offset."""
    review = review_log(written(tmp_path, _bad_trip()))
    data = as_json(review, judge(review))

    assert (data["verdict"], data["exit_code"], data["intact"]) == ("HOLD", 1, True)
    codes = {item["code"] for item in data["findings"]}
    assert {"excursion", "gap", "shock", "probe-open", "tilt"} <= codes
    excursion = next(item for item in data["findings"] if item["code"] == "excursion")
    assert excursion["start_unix_s"] == pytest.approx(1772323200 + 4600, abs=2)
    assert 0 < excursion["error_s"] < 3
    assert data["shocks"][0]["peak_g"] == pytest.approx(90, rel=0.02)
    assert data["file"]["sha256"] == review.sha256
