"""Calibrations are kept for good, read strictly, compared fairly, drawn, and fall due."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from dewarlog import cli
from dewarlog.answers.calibrate import due_words
from dewarlog.calibrate import due
from dewarlog.calibrate.course import months_after
from dewarlog.calibrate.drift import (
    Due,
    Found,
    due_by_calibration,
    found_in,
    found_on,
    jumps,
    newest_due,
    together,
    voids,
)
from dewarlog.calibrate.drift_plot import drift_svg
from dewarlog.calibrate.due import dues_of
from dewarlog.calibrate.file import CalibrationShelf, read_calibration
from dewarlog.errors import ArchiveError, CalibrationDamaged, ExitCode
from dewarlog.profile.model import Profile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_BOARD = "e660583883724a32"
_AT = datetime(2026, 3, 2, 10, 15, tzinfo=UTC)


def _fields(at: datetime = _AT, deviation_k: float = 0.3, **changes: object) -> dict[str, Any]:
    line = {"name": "all of it", "u_k": 0.1, "basis": "said so"}
    points = [
        {
            "point": point,
            "reference_degc": reference,
            "indicated_degc": reference + deviation_k,
            "u_k": 0.1,
            "contributions": [line],
            "pressure_hpa": pressure,
            "at": at,
            "waited_s": 200.0,
            "readings": 19,
            "window_s": 180.0,
            "slope_k_per_min": 0.001,
            "slope_u_k_per_min": 0.002,
            "spread_k": 0.01,
        }
        for point, reference, pressure in (("ice", 0.0, None), ("ln2", -195.8, 1013.25))
    ]
    fields: dict[str, Any] = {
        "device_id": _BOARD,
        "run": 3,
        "at": at,
        "actor": "A. Engineer",
        "reference": "flask 3",
        "pressure": "1013.25 hPa at the bath",
        "valid_months": 12,
        "calibrated": at.date(),
        "due": months_after(at.date(), 12),
        "thresholds": {
            "window_s": 180.0,
            "least_readings": 12,
            "slope_k_per_min": 0.03,
            "spread_k": 0.06,
        },
        "probes": [
            {
                "channel": 1,
                "probe_type": "T",
                "serial": "TC-T-0413",
                "offset_before_degc": 0.0,
                "points": points,
                "offset_degc": -deviation_k,
                "u_k": 0.2,
                "contributions": [line],
                "hold_limit_degc": -150.0,
                "left_at_hold_limit_k": 0.02,
                "left_is_known": True,
            }
        ],
        "series": [{"point": "ice", "channels": [1], "rows": [[12.5, 3, 1422, 38]]}],
    }
    return fields | changes


_APPLIED = {"at": _AT, "run": 4, "profile_crc32": 7, "verified": []}


def _found(deviation_k: float, days: int = 0, u_k: float = 0.1, **changes: object) -> Found:
    values: dict[str, Any] = {
        "serial": "TC-T-0413",
        "point": "ln2",
        "at": _AT + timedelta(days=days),
        "deviation_k": deviation_k,
        "u_k": u_k,
        "device_id": _BOARD,
        "channel": 1,
        "due": None,
        "applied": True,
    }
    values.update(changes)
    return Found(**values)


# --- the files -----------------------------------------------------------------------------------


def test_what_is_filed_is_read_again(tmp_path: Path) -> None:
    """Every value, and whether a board took it."""
    shelf = CalibrationShelf(tmp_path)
    filed = shelf.file(_fields())

    (read,) = shelf.of_board(_BOARD)
    assert (read.record, read.applied) == (filed.record, None)
    applied = filed.apply(_APPLIED)
    (read,) = shelf.all()
    assert (read.record, read.applied) == (filed.record, applied.applied)
    assert filed.path.name == "20260302T101500Z.json"


def test_nothing_filed_is_ever_replaced(tmp_path: Path) -> None:
    """Two in one second get two names; a second proof of one is refused."""
    shelf = CalibrationShelf(tmp_path)
    first, second = shelf.file(_fields()), shelf.file(_fields(deviation_k=0.5))
    before = first.path.read_bytes()
    first.apply(_APPLIED)

    with pytest.raises(ArchiveError, match="is there already"):
        first.apply(_APPLIED)

    assert second.path.name == "20260302T101500Z-2.json"
    assert first.path.read_bytes() == before
    assert len(list(shelf.all())) == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda fields: fields.update(format="dewarlog-calibration-2"), "its format is not"),
        (lambda fields: fields.update(run="3"), "run"),
        (lambda fields: fields.update(extra=1), "extra"),
        (lambda fields: fields.pop("due"), "due"),
        (lambda fields: fields["probes"].clear(), "probes"),
        (lambda fields: fields["probes"][0].update(channel=4), "probes.0.channel"),
        (lambda fields: fields["probes"][0]["points"][0].update(u_k=-1), "points.0.u_k"),
        (lambda fields: fields["probes"][0]["points"][0].update(at="2026"), "points.0.at"),
        (lambda fields: fields.update(device_id="../../etc/passwd"), "device_id"),
    ],
)
def test_a_file_that_is_not_one_is_named_with_what_is_wrong(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], told: str
) -> None:
    """Exit 3, and the place in it; nothing is guessed."""
    path = CalibrationShelf(tmp_path).file(_fields()).path
    fields = json.loads(path.read_text())
    change(fields)
    path.unlink()
    path.write_text(json.dumps(fields))

    with pytest.raises(CalibrationDamaged, match=told) as refused:
        read_calibration(path)

    assert refused.value.exit_code == ExitCode.NOT_INTACT


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"format": "a", "format": "b"}', "\x00", "[" * 99999]
)
def test_bytes_that_are_no_object_are_refused(tmp_path: Path, text: str) -> None:
    """Empty, cut, a name twice, or deep as a well."""
    path = CalibrationShelf(tmp_path).file(_fields()).path
    path.unlink()
    path.write_text(text)

    with pytest.raises(CalibrationDamaged):
        read_calibration(path)


def test_a_calibration_changed_after_it_was_applied_is_found(tmp_path: Path) -> None:
    """The proof names the file's SHA-256."""
    filed = CalibrationShelf(tmp_path).file(_fields()).apply(_APPLIED)
    text = filed.path.read_text().replace("A. Engineer", "B. Engineer")
    filed.path.unlink()
    filed.path.write_text(text)

    with pytest.raises(CalibrationDamaged, match="not the one"):
        read_calibration(filed.path)


def test_a_file_in_another_boards_folder_is_found(tmp_path: Path) -> None:
    """It would speak for probes it never saw."""
    shelf = CalibrationShelf(tmp_path)
    path = shelf.file(_fields()).path
    other = tmp_path / "0000000000000001" / "calibrations"
    other.mkdir(parents=True)
    (other / path.name).write_bytes(path.read_bytes())

    with pytest.raises(CalibrationDamaged, match=_BOARD):
        list(shelf.all())


def test_another_archive_brings_its_calibrations_once(tmp_path: Path) -> None:
    """With their proof; a damaged one stays where it is; two of one second stand side by side."""
    here, there = (CalibrationShelf(tmp_path / name) for name in ("here", "there"))
    mine = here.file(_fields(deviation_k=0.1))
    theirs = there.file(_fields(deviation_k=0.2)).apply(_APPLIED)
    broken = theirs.path.with_name("20260401T000000Z.json")
    broken.write_text("{}")

    first, second = (
        CliRunner().invoke(
            cli.app, ["archive", "--archive", str(here.root), "--merge", str(there.root)]
        )
        for _ in range(2)
    )

    assert (first.exit_code, second.exit_code) == (ExitCode.NOT_INTACT, ExitCode.NOT_INTACT)
    assert "calibrations: 1 new calibration" in first.output
    assert "calibrations: nothing new" in second.output
    assert broken.name in first.output
    read = {one.path.name: (one.record, one.applied) for one in here.of_board(_BOARD)}
    assert read == {
        "20260302T101500Z.json": (mine.record, None),
        "20260302T101500Z-2.json": (theirs.record, theirs.applied),
    }


def test_a_proof_that_came_later_is_taken_over_too(tmp_path: Path) -> None:
    """The calibration itself was here before."""
    here, there = (CalibrationShelf(tmp_path / name) for name in ("here", "there"))
    theirs = there.file(_fields())
    here.take_over(there)
    applied = theirs.apply(_APPLIED).applied

    assert here.take_over(there).new == 1
    assert [one.applied for one in here.all()] == [applied]
    assert here.take_over(there).new == 0


# --- drift ---------------------------------------------------------------------------------------


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_jump_is_what_is_more_than_twice_both_uncertainties(
    before_k: float, after_k: float, u_before_k: float, u_after_k: float
) -> None:
    """And nothing less, whichever way it goes."""
    said = jumps([_found(before_k, 0, u_before_k), _found(after_k, 365, u_after_k)])

    limit_k = 2 * (u_before_k**2 + u_after_k**2) ** 0.5
    assert bool(said) == (abs(after_k - before_k) > limit_k)


def test_each_calibration_is_compared_with_the_one_before_of_its_point() -> None:
    """Order of the list does not matter; ice and nitrogen are two stories."""
    said = jumps(
        [
            _found(0.9, 730),
            _found(0.0, 0),
            _found(0.1, 365),
            _found(5.0, 400, point="ice"),
            _found(7.0, 500, serial="TC-T-0001"),
        ]
    )

    assert [(jump.before.deviation_k, jump.after.deviation_k) for jump in said] == [(0.1, 0.9)]
    assert "moved by +0.80 K at the LN2 point since 2027-03-02" in said[0].sentence


def test_a_jump_between_two_boards_says_so() -> None:
    """The converter was another one too."""
    (jump,) = jumps([_found(0.0, 0, device_id="00" * 8, channel=0), _found(1.0, 365)])

    assert "another converter then: logger 0000000000000000, probe 1" in jump.sentence


def test_what_board_and_archive_both_know_counts_once() -> None:
    """The one that is known to be on a board stands."""
    both = together([_found(0.3, applied=False), _found(0.3001), _found(0.5, 10)])

    assert [(one.deviation_k, one.applied) for one in both] == [(0.3001, True), (0.5, True)]


def _profile(serial: str) -> Profile:
    point = {
        "point": "LN2 point",
        "reference_degc": -195.8,
        "indicated_degc": -195.5,
        "u_degc": 0.1,
        "pressure_hpa": 1013.25,
        "at": "2026-03-02T10:15:00Z",
        "serial": "TC-T-0413",
        "reference": "flask 3",
    }
    channel = {
        "channel": 1,
        "serial": serial,
        "calibrated": "2026-03-02",
        "calibration_due": "2027-03-02",
        "calibration": [point, point | {"point": "other bath"}],
    }
    return Profile.of({"channels": [channel], "rules": []}, "a test")


def test_a_board_tells_its_own_points() -> None:
    """Those of baths that can be compared, as the archive would tell them."""
    (found,) = found_on(_profile("TC-T-0413"), _BOARD)

    assert found == _found(found.deviation_k, due=date(2027, 3, 2))
    assert found.deviation_k == pytest.approx(0.3)


def test_a_probe_swapped_after_its_calibration_is_void() -> None:
    """By the serial that stands with the point."""
    assert voids(_profile("TC-T-0413")) == []
    (void,) = voids(_profile("TC-T-0999"))
    assert (void.channel, void.serial_now, void.serial_then) == (1, "TC-T-0999", "TC-T-0413")


def test_a_probe_without_a_serial_is_not_followed(tmp_path: Path) -> None:
    """Nobody knows whether it is the same."""
    fields = _fields()
    fields["probes"][0]["serial"] = ""

    assert found_in(CalibrationShelf(tmp_path).file(fields)) == []


# --- due dates -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "months", "after"),
    [
        (date(2026, 3, 2), 12, date(2027, 3, 2)),
        (date(2027, 8, 31), 6, date(2028, 2, 29)),
        (date(2026, 12, 15), 1, date(2027, 1, 15)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
    ],
)
def test_months_are_those_of_the_calendar(day: date, months: int, after: date) -> None:
    """The last day of a month that is shorter."""
    assert months_after(day, months) == after


def test_only_what_a_board_took_is_due(tmp_path: Path) -> None:
    """The newest of it, with the days that are left."""
    shelf = CalibrationShelf(tmp_path)
    shelf.file(_fields()).apply(_APPLIED)
    shelf.file(_fields(_AT + timedelta(days=100))).apply(_APPLIED)
    shelf.file(_fields(_AT + timedelta(days=200)))

    (one,) = dues_of(tmp_path)

    assert one == Due(_BOARD, 1, "TC-T-0413", date(2026, 6, 10), date(2027, 6, 10), "calibration")
    assert one.days_left(date(2027, 6, 20)) == -10
    assert due_by_calibration(shelf.all()) == [one]


@pytest.mark.parametrize(
    ("began_after_s", "listed"),
    [
        (60, [("TC-T-0999", None, "log")]),
        (-60, [("TC-T-0413", date(2027, 3, 2), "calibration")]),
        (None, [("TC-T-0413", date(2027, 3, 2), "calibration")]),
    ],
)
def test_a_probe_swapped_since_is_not_due_as_the_one_before(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    began_after_s: int | None,
    listed: list[tuple[str, date | None, str]],
) -> None:
    """What a later run says of its probes counts, also where it says that none is calibrated."""
    file = CalibrationShelf(tmp_path).file(_fields()).apply(_APPLIED)
    assert file.applied is not None
    applied_s = file.applied.at.timestamp()
    swapped = SimpleNamespace(
        channel=1, serial="TC-T-0999", calibrated_unix_s=None, calibration_due_unix_s=None
    )
    run = SimpleNamespace(
        device_id=bytes.fromhex(_BOARD),
        began_unix_s=None if began_after_s is None else applied_s + began_after_s,
        channels=(swapped,),
    )
    monkeypatch.setattr(due, "_newest_runs", lambda _archive: [run])
    assert [(one.serial, one.due, one.source) for one in dues_of(tmp_path)] == listed


def test_a_log_that_tells_of_a_newer_calibration_counts(tmp_path: Path) -> None:
    """And what was never calibrated stands first."""
    filed = Due("a", 0, "S", date(2026, 1, 1), date(2027, 1, 1), "calibration")
    logged = Due("a", 0, "S", date(2026, 5, 1), date(2027, 5, 1), "log")
    never = Due("b", 0, "S", None, None, "log")
    always = Due("b", 1, "S", date(2026, 1, 1), None, "log")

    assert newest_due([filed, always, logged, never]) == [never, logged, always]
    assert dues_of(tmp_path) == []


# --- the picture ---------------------------------------------------------------------------------


def test_the_picture_draws_every_comparison_with_its_bar_and_due_date() -> None:
    """One panel a probe, a mark and a bar a comparison, hollow where the board has it not."""
    found = [
        _found(0.1, 0, due=date(2027, 3, 2)),
        _found(0.9, 365, due=date(2028, 3, 2), applied=False),
        _found(0.2, 0, point="ice", due=date(2027, 3, 2)),
        _found(-0.2, 0, serial="<b>&", channel=0),
    ]
    svg = drift_svg(found, "Calibrations of \u202elogger")
    root = ET.fromstring(svg)  # noqa: S314 - it is ours
    names = {"s": "http://www.w3.org/2000/svg"}

    circles = root.findall(".//s:circle", names)
    assert len(circles) == 3
    assert [("hollow" in (one.get("class") or "")) for one in circles] == [False, False, True]
    assert "<b>" not in svg
    assert "\\u202e" in svg
    texts = [text.text for text in root.findall(".//s:text", names)]
    assert {"due 2027-03-02", "due 2028-03-02", "+0.80 K"} <= set(texts)
    assert "Probe 2, serial TC-T-0413" in texts
    for element in root.findall(".//s:line", names):
        assert all(0 <= float(element.get(key) or -1) <= 980 for key in ("x1", "x2"))


def test_an_archive_does_not_know_what_the_logger_never_took(tmp_path: Path) -> None:
    """It tells of the one whose record came back; of another, the logger itself must say."""
    shelf = CalibrationShelf(tmp_path)
    shelf.file(_fields()).apply(_APPLIED)
    shelf.file(_fields(_AT + timedelta(days=200)))
    told = CliRunner().invoke(
        cli.app, ["calibrate", "--history", _BOARD, "--archive", str(tmp_path)]
    )

    rows = [line.rstrip() for line in told.stdout.splitlines() if line.startswith("2026")]
    assert told.exit_code == 0
    assert [row.endswith("yes") for row in rows] == [True, True, False, False]
    assert [row.endswith("not known") for row in rows] == [False, False, True, True]


@given(
    st.lists(
        st.tuples(
            st.floats(-20, 20),
            st.integers(0, 20000),
            st.floats(0, 5),
            st.sampled_from(["ice", "ln2"]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_any_history_can_be_drawn(history: list[tuple[float, int, float, str]]) -> None:
    """A day or fifty years, a millikelvin or twenty kelvin: well-formed, nothing off the sheet."""
    svg = drift_svg([_found(k, days, u, point=point) for k, days, u, point in history], "All")
    root = ET.fromstring(svg)  # noqa: S314 - it is ours

    for element in root.iter("{http://www.w3.org/2000/svg}line"):
        assert 0 <= float(element.get("y1") or -1) <= float(root.get("height") or 0)


def test_nothing_makes_no_picture() -> None:
    """The command says that there is no calibration instead."""
    with pytest.raises(ValueError, match="no calibration"):
        drift_svg([], "None")


@pytest.mark.parametrize(
    ("days", "said"), [(1, "in 1 day"), (0, "DUE TODAY"), (-1, "PAST DUE by 1 d")]
)
def test_what_is_due_is_told_at_the_edge_of_its_day(days: int, said: str) -> None:
    """On the day itself nothing is past by 0 days."""
    one = Due("e660583883724a32", 0, "A", date(2026, 1, 31), date(2027, 1, 31), "log")
    assert due_words(one, days) == said
