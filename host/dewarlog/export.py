"""A log's samples or events as a table for other programs: CSV, or Parquet with pyarrow.

Streams the log a second time after its review, block by block. Every table carries the SHA-256 of
the log it was made from. Text from the log can never become a formula in a spreadsheet: a cell
that begins like one gets an apostrophe in front (OWASP, "CSV Injection").
"""

from __future__ import annotations

import csv
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TextIO

import numpy as np

from dewarlog import __version__, words
from dewarlog.checks.finding import Moment
from dewarlog.checks.integrity import IntegrityCheck
from dewarlog.checks.probes import state_name
from dewarlog.errors import ExtraMissing
from dewarlog.readings import LogReader
from dewarlog.records import Block, JournalTail
from dewarlog.report.event_words import describe
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from dewarlog.checks.review import Review
    from dewarlog.records import Event, SampleSpan

# The last four are the wide forms, which some spreadsheets take for the narrow ones.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", *"\uff1d\uff0b\uff0d\uff20")
_UNITS: Final = {"_degc": "degC", "_s": "s", "_k": "K"}
# Uncertainty hardly changes within a few degrees: a coarse grid and a straight line between.
_GRID_DEGC: Final = np.arange(-260.0, 401.0, 10.0)
_DIGITS: Final = 4
# What a table is filed by; whose the product is stays in the log.
_TEXTS: Final = (
    "shipment",
    "dewar",
    "hardware",
    "account",
    "purchase_order",
    "cost_centre",
    "consignee",
)
_EVENT_HEADS: Final = ("event", "boot", "uptime_s", "utc", "utc_error_s", "kind", "details", "who")


def contents(path: Path) -> Iterator[tuple[SampleSpan | None, tuple[Event, ...]]]:
    """Yield samples and events of everything that belongs to the log, in order."""
    integrity = IntegrityCheck()
    with path.open("rb") as file:
        for item in LogReader(file, path).items():
            if integrity.feed(item) and isinstance(item, Block | JournalTail):
                yield item.span, item.events


def safe(text: str) -> str:
    """Make text from a log safe for a spreadsheet cell."""
    text = words.plain(text)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def source_facts(review: Review) -> list[tuple[str, str]]:
    """Name what the table was made from."""
    facts = [
        ("source_file", review.path.name),
        ("source_sha256", review.sha256),
        ("source_intact", "yes" if review.integrity.intact else "no"),
        ("made_by", f"dewarlog {__version__}"),
        ("times", "UTC" if review.clock.knows_time else "none: no clock told the time"),
    ]
    run = review.run
    if run is not None:
        facts.append(("device_id", run.device_id.hex()))
        facts.append(("log_id", run.log_id.hex()))
        facts += [(name, text) for name, text in run.texts if name in _TEXTS]
    return facts


class _SampleTable:
    """Turns spans into columns of equal length."""

    def __init__(self, review: Review) -> None:
        self._review = review
        self.channels = tuple(item.channel for item in review.channels)
        self.has_extremes = (
            review.run is not None
            and review.run.sampling is not None
            and review.run.sampling.conversions > 1
        )

    @property
    def heads(self) -> list[str]:
        heads = ["sample", "boot", "uptime_s", "utc", "utc_error_s"]
        for channel in self.channels:
            name = f"probe_{channel + 1}"
            heads += [f"{name}_degc", f"{name}_state", f"{name}_expanded_u_k"]
            if self.has_extremes:
                heads += [f"{name}_low_degc", f"{name}_high_degc"]
        return [*heads, "cold_junction_degc"]

    def columns(self, span: SampleSpan) -> list[NDArray[Any]]:
        """Give one array for each head."""
        uptime_s = span.times_ms() / 1000
        unix_ms, error_s = self._wall(span)
        columns: list[NDArray[Any]] = [
            np.arange(span.first_sample, span.end_sample, dtype=np.int64),
            np.full(span.count, span.boot, dtype=np.int32),
            uptime_s,
            unix_ms,
            error_s,
        ]
        for channel in self.channels:
            columns += self._channel(span, channel)
        columns.append(span.cold_junction_degc().round(_DIGITS))
        return columns

    def _channel(self, span: SampleSpan, channel: int) -> list[NDArray[Any]]:
        samples = span.channels.get(channel)
        if samples is None:
            nothing = np.full(span.count, np.nan)
            states = np.full(span.count, layout.STATE_ABSENT, dtype=np.uint8)
            return [nothing, states, nothing] + [nothing, nothing] * self.has_extremes
        readings = span.readings_degc(channel)
        states = np.zeros(span.count, np.uint8) if samples.states is None else samples.states
        columns: list[NDArray[Any]] = [
            readings.round(_DIGITS),
            states,
            self._expanded_k(readings, span, channel),
        ]
        if self.has_extremes:
            for counts in (samples.low_counts, samples.high_counts):
                extremes = readings if counts is None else counts / layout.TEMPERATURE_PER_DEGC
                columns.append(np.where(np.isnan(readings), np.nan, extremes).round(_DIGITS))
        return columns

    def _expanded_k(
        self, readings: NDArray[np.float64], span: SampleSpan, channel: int
    ) -> NDArray[np.float64]:
        guard = self._review.guard
        if guard is None:
            return np.full(span.count, np.nan)
        cold = span.cold_junction_degc()
        good = cold[~np.isnan(cold)]
        cold_degc = round(float(good.mean())) if len(good) else 25.0
        grid = [guard.expanded_k(float(at), channel, cold_degc) for at in _GRID_DEGC]
        return np.interp(readings, _GRID_DEGC, np.array(grid)).round(2)

    def _wall(self, span: SampleSpan) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give Unix time in ms and its bound; between the ends of a span time runs straight."""
        times = span.times_ms()
        ends = [
            self._review.clock.at(Moment(span.boot, int(times[at]))) for at in (0, span.count - 1)
        ]
        first, last = ends
        if first is None or last is None:
            nothing = np.full(span.count, np.nan)
            return nothing, nothing
        share = np.linspace(0.0, 1.0, span.count)
        if times[-1] > times[0]:
            share = (times - times[0]) / (times[-1] - times[0])
        unix_s = first.unix_s + share * (last.unix_s - first.unix_s)
        error_s = max(first.error_s, last.error_s)
        return (unix_s * 1000).round(), np.full(span.count, error_s).round(3)


def export_csv(review: Review, out: TextIO, table: str = "samples") -> int:
    """Write a table as CSV, comment lines with its source first; return the rows written."""
    writer = csv.writer(out, lineterminator="\n")
    for name, value in source_facts(review):
        # One cell, quoted as a whole: a comma in the text cannot start a cell of its own.
        writer.writerow([f"# {name}: {words.plain(value)}"])
    if table == "events":
        return _events_csv(review, writer)
    samples = _SampleTable(review)
    writer.writerow(samples.heads)
    rows = 0
    for span, _ in contents(review.path):
        if span is not None:
            columns = [
                _cells(head, column)
                for head, column in zip(samples.heads, samples.columns(span), strict=True)
            ]
            writer.writerows(zip(*columns, strict=True))
            rows += span.count
    return rows


def _cells(head: str, column: NDArray[Any]) -> list[Any]:
    """Give one column's cells: names for states, ISO 8601 for times, nothing for NaN."""
    if head.endswith("_state"):
        return [state_name(state) for state in column.tolist()]
    if column.dtype.kind != "f":
        return column.tolist()
    missing = np.isnan(column)
    if head == "utc":
        times = np.where(missing, 0, column).astype("datetime64[ms]")
        cells: list[Any] = [f"{text}Z" for text in np.datetime_as_string(times).tolist()]
    else:
        cells = column.tolist()
    if missing.any():
        cells = ["" if gone else cell for cell, gone in zip(cells, missing.tolist(), strict=True)]
    return cells


def _events_csv(review: Review, writer: Any) -> int:  # noqa: ANN401 - csv hides its writer type
    writer.writerow(_EVENT_HEADS)
    rows = 0
    actors = review.audit.actors()
    for _, events in contents(review.path):
        for event in events:
            actor = actors.get(event.number)
            wall = review.clock.at(Moment(event.boot, event.uptime_ms))
            writer.writerow(
                [
                    event.number,
                    event.boot,
                    event.uptime_ms / 1000,
                    "" if wall is None else _iso(wall.unix_s),
                    "" if wall is None else round(wall.error_s, 3),
                    event.NAME,
                    safe(describe(event)),
                    "" if actor is None else safe(actor.words),
                ]
            )
            rows += 1
    return rows


def _iso(unix_s: float) -> str:
    return f"{np.datetime_as_string(np.datetime64(round(unix_s * 1000), 'ms'))}Z"


def export_parquet(review: Review, target: Path) -> int:
    """Write the samples as Parquet; return the rows written.

    Raises:
        ExtraMissing: pyarrow is not installed.
    """
    try:
        # An extra, and 130 ms to import. Untyped here, since it may not be installed.
        pa: Any = import_module("pyarrow")
        pq: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise ExtraMissing("Parquet", "pyarrow", "export") from None
    samples = _SampleTable(review)
    names = [state_name(state) for state in range(256)]
    fields = [
        pa.field(head, _arrow_type(pa, head), metadata=_unit(head)) for head in samples.heads
    ]
    facts = {name: words.plain(value) for name, value in source_facts(review)}
    schema = pa.schema(fields, metadata=facts)
    rows = 0
    # Opened here: pyarrow would take some names for the address of a network store.
    with target.open("wb") as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for span, _ in contents(review.path):
            if span is None:
                continue
            arrays = [
                _arrow_array(pa, field, column, names)
                for field, column in zip(fields, samples.columns(span), strict=True)
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
            rows += span.count
    return rows


def _unit(head: str) -> dict[str, str] | None:
    """Give a column's unit, which its name ends with, as metadata of the column."""
    for ending, unit in _UNITS.items():
        if head.endswith(ending):
            return {"unit": unit}
    return None


def _arrow_type(pa: Any, head: str) -> Any:  # noqa: ANN401 - pyarrow is an optional extra
    if head in ("sample", "boot"):
        return pa.int64()
    if head == "utc":
        return pa.timestamp("ms", tz="UTC")
    if head.endswith("_state"):
        return pa.dictionary(pa.uint8(), pa.string())
    return pa.float64()


def _arrow_array(pa: Any, field: Any, column: NDArray[Any], names: list[str]) -> Any:  # noqa: ANN401
    if field.name.endswith("_state"):
        return pa.DictionaryArray.from_arrays(pa.array(column, pa.uint8()), pa.array(names))
    if field.name == "utc":
        missing = np.isnan(column)
        return pa.array(np.where(missing, 0, column).astype(np.int64), mask=missing).cast(
            field.type
        )
    if column.dtype.kind == "f":
        return pa.array(column, field.type, mask=np.isnan(column))
    return pa.array(column, field.type)
