"""Exports: the numbers of the log, the hash of the log, and no formula in a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog import export
from dewarlog.checks.review import review_log
from dewarlog.errors import ExtraMissing
from dewarlog.export import export_csv, export_parquet, safe
from dewarlog_wire import layout
from log_writer import DEFAULT_TEXTS, DEGC, UTC_2026_03_01, LogWriter
from trips import trip, written

if TYPE_CHECKING:
    from pathlib import Path

OPEN = layout.state_code(layout.STATE_OPEN)


def _rows(folder: Path, writer: LogWriter, table: str = "samples") -> tuple[list[list[str]], str]:
    review = review_log(written(folder, writer))
    out = io.StringIO()
    export_csv(review, out, table)
    return list(csv.reader(io.StringIO(out.getvalue()))), review.sha256


def _small(conversions: int = 1) -> LogWriter:
    writer = LogWriter(channels=2, conversions=conversions)
    writer.start()
    extremes = None
    if writer.conversions > 1:
        extremes = [([-24130] * 3, [-24110] * 3), ([-1] * 3, [1] * 3)]
    writer.samples(
        5_000,
        [[-24120, OPEN, -24121], [0, 64, -64]],
        cold_junction=[1600, 1601, layout.state_code(6)],
        lateness=[0, 250, 0],
        extremes=extremes,
        events=[(layout.KIND_CLOCK_READ, 0, (UTC_2026_03_01, layout.CLOCK_OK))],
    )
    return writer


def test_csv_rows_are_the_readings_of_the_log(tmp_path: Path) -> None:
    """Numbers, states as words, nothing where there is no temperature."""
    rows, _ = _rows(tmp_path, _small())
    at = next(index for index, row in enumerate(rows) if row[0] == "sample")
    table = [dict(zip(rows[at], row, strict=True)) for row in rows[at + 1 :]]

    assert [row["sample"] for row in table] == ["0", "1", "2"]
    assert [row["uptime_s"] for row in table] == ["5.0", "15.25", "25.0"]
    assert [row["probe_1_degc"] for row in table] == ["-188.4375", "", "-188.4453"]
    assert [row["probe_1_state"] for row in table] == ["ok", "open", "ok"]
    assert [row["probe_2_degc"] for row in table] == ["0.0", "0.5", "-0.5"]
    assert [row["cold_junction_degc"] for row in table] == ["25.0", "25.0156", ""]
    assert table[0]["utc"].startswith("2026-03-01T00:00:05.")
    assert 0 < float(table[0]["utc_error_s"]) < 1
    assert float(table[0]["probe_1_expanded_u_k"]) == pytest.approx(4.3, abs=0.3)


def test_csv_carries_the_hash_of_its_source(tmp_path: Path) -> None:
    """The table can be matched to the log it was made from."""
    rows, sha256 = _rows(tmp_path, _small())

    assert [f"# source_sha256: {sha256}"] in rows


def test_csv_has_low_and_high_where_a_sample_is_a_mean(tmp_path: Path) -> None:
    """Both columns, empty where the probe failed."""
    rows, _ = _rows(tmp_path, _small(conversions=4))
    at = next(index for index, row in enumerate(rows) if row[0] == "sample")
    low = rows[at].index("probe_1_low_degc")

    assert [row[low] for row in rows[at + 1 :]] == ["-188.5156", "", "-188.5156"]


def test_without_a_clock_there_is_no_time_in_the_table(tmp_path: Path) -> None:
    """Empty cells, not the year 1970."""
    writer = LogWriter()
    writer.start()
    writer.samples(0, [[1, 2]])
    rows, _ = _rows(tmp_path, writer)

    assert [row[3:5] for row in rows[-2:]] == [["", ""], ["", ""]]


@given(st.text(max_size=30))
def test_no_text_becomes_a_formula(text: str) -> None:
    """What a spreadsheet would run gets an apostrophe in front."""
    wide = ("\uff1d", "\uff0b", "\uff0d", "\uff20")
    assert not safe(text).startswith(("=", "+", "-", "@", "\t", "\r", *wide))


def test_hostile_texts_stay_in_their_cells(tmp_path: Path) -> None:
    """Commas, quotes, formulas and line ends from the log cannot make a cell of their own."""
    evil = '=HYPERLINK("http://x"),=1+1\r\n@SUM(A1)'
    texts = ((layout.TEXT_SHIPMENT, evil), *DEFAULT_TEXTS[4:])
    step = (layout.KIND_CUSTODY, 1000, (8, UTC_2026_03_01, "-2+3", "@x", "=cmd|' /C calc'!A1"))
    writer = trip(1, texts=texts, change=lambda *_: [step])
    rows, _ = _rows(tmp_path, writer, "events")

    for row in rows:
        for cell in row:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
            assert "\n" not in cell
    assert any("HYPERLINK" in row[0] for row in rows if row[0].startswith("# shipment"))


def test_every_event_is_in_the_event_table(tmp_path: Path) -> None:
    """Numbered, timed and described."""
    rows, _ = _rows(tmp_path, trip(2), "events")
    at = next(index for index, row in enumerate(rows) if row[0] == "event")

    assert [row[0] for row in rows[at + 1 :]] == [str(n) for n in range(len(rows) - at - 1)]
    assert rows[-1][5:] == ["stop", "command", ""]


def test_parquet_says_what_the_csv_says(tmp_path: Path) -> None:
    """Typed columns, missing values as null, the source in the metadata."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an extra")
    review = review_log(written(tmp_path, _small()))
    target = tmp_path / "out.parquet"

    assert export_parquet(review, target) == 3
    table = parquet.read_table(target)
    assert table["probe_1_degc"].to_pylist() == [-188.4375, None, -188.4453]
    assert table["probe_1_state"].to_pylist() == ["ok", "open", "ok"]
    assert table["utc"].to_pylist()[0].year == 2026
    assert table.schema.metadata[b"source_sha256"].decode() == review.sha256


def test_parquet_columns_carry_their_unit(tmp_path: Path) -> None:
    """Every number that is a quantity says in which unit it is."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an extra")
    target = tmp_path / "out.parquet"
    export_parquet(review_log(written(tmp_path, _small())), target)
    schema = parquet.read_schema(target)

    def unit(name: str) -> bytes | None:
        return (schema.field(name).metadata or {}).get(b"unit")

    names = ("probe_1_degc", "cold_junction_degc", "probe_1_expanded_u_k", "uptime_s", "sample")
    assert [unit(name) for name in names] == [b"degC", b"degC", b"K", b"s", None]
    assert str(schema.field("utc").type) == "timestamp[ms, tz=UTC]"


def test_without_pyarrow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says what to install."""

    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(export, "import_module", missing)
    review = review_log(written(tmp_path, _small()))

    with pytest.raises(ExtraMissing, match=r'pip install "dewarlog\[export\]"'):
        export_parquet(review, tmp_path / "out.parquet")


def test_a_doubled_file_is_exported_once(tmp_path: Path) -> None:
    """What does not belong to the log is not in its table."""
    writer = trip(1)
    writer.data *= 2
    rows, _ = _rows(tmp_path, writer)

    assert len([row for row in rows if row[0].isdigit()]) == 360
    assert all(float(row[5]) < -180 for row in rows if row[0].isdigit())
    assert DEGC == 128
