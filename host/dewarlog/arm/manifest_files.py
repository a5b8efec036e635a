"""Reads a manifest from a file: TOML of one shipment, or CSV of as many as an account exports.

Right of the manifest's model. The CSV is that of somebody else's system: separator, order and
names of columns are theirs. A column counts as ours when its heading, in lower case and without
signs, is one of the names below; columns that are none of them are told and left alone. The
separator is the one by which most headings are ours. Text is UTF-8, with or without a byte order
mark.

A list stands in one cell with | between its entries, or in columns numbered from 1
(`handling 1`, `handling 2`).
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from dewarlog.arm.manifest import Manifest, manifest_of, text_problem
from dewarlog.errors import ManifestInvalid, ManifestUnreadable, Mistake, NoShipment
from dewarlog.profile.settings import shown

if TYPE_CHECKING:
    from pathlib import Path

# A year of shipments with long texts; more is another file.
FILE_MOST_BYTES: Final = 16 << 20
ROWS_SHOWN: Final = 10
LIST_SIGN: Final = "|"
_SEPARATORS: Final = (",", ";", "\t")
# A line that some programs put before the headings, for a spreadsheet to cut the rest by.
_TOLD_SEPARATOR: Final = re.compile(r'"?sep=([,;\t|])"?\r?\n', re.IGNORECASE)
_LISTS: Final = ("handling", "contacts")
_NUMBERS: Final = {
    "thaw_to_infusion_min": int,
    "planned_h": float,
    "dewar_tare_kg": float,
    "dewar_full_kg": float,
    "dewar_capacity_kg": float,
    "dewar_static_hold_h": float,
    "dewar_evaporation_kg_per_day": float,
    "battery_wh": float,
}
# Headings of others for our names; both without anything but letters and digits.
_OTHER_NAMES: Final = {
    "shipment": (
        *("shipment id", "shipment no", "shipment number", "shipment reference", "order id"),
        *("order no", "order number", "consignment", "consignment no", "waybill"),
    ),
    "account": (
        *("account id", "account no", "account number", "account name", "customer account"),
        *("customer", "customer no", "customer number", "bill to", "billing account"),
    ),
    "purchase_order": ("po", "po no", "po number", "purchase order no", "purchase order number"),
    "cost_centre": ("cost center", "cost centre no", "cost center no", "cost code", "cc"),
    "consignee": ("ship to", "deliver to", "receiver", "recipient", "destination", "site"),
    "chain_of_identity": (
        *("coi", "coi id", "chain of identity id", "chain of identity identifier"),
        *("coi identifier", "chain of identity no"),
    ),
    "handling": ("handling steps", "handling step", "instructions", "instruction"),
    "contacts": ("contact", "contact details", "emergency contact", "call"),
    "thaw_to_infusion_min": (
        *("thaw to infusion", "thaw to infusion limit", "thaw to infusion limit min"),
        *("thaw to infusion minutes", "thaw limit min"),
    ),
    "planned_h": (
        *("planned hours", "planned length h", "planned length hours", "transit hours"),
        *("trip hours", "planned duration h"),
    ),
    "dewar_model": ("shipper model", "dewar type", "shipper type"),
    "dewar_serial": (
        *("dewar", "dewar no", "dewar serial no", "dewar serial number", "shipper"),
        *("shipper serial", "shipper serial no", "shipper serial number", "shipper id"),
    ),
    "dewar_tare_kg": ("tare kg", "tare weight kg", "dry weight kg", "empty weight kg"),
    "dewar_full_kg": ("full kg", "full weight kg", "charged weight kg"),
    "dewar_capacity_kg": ("capacity kg", "ln2 capacity kg"),
    "dewar_static_hold_h": ("static hold h", "static hold hours", "static holding time h"),
    "dewar_evaporation_kg_per_day": (
        *("evaporation kg per day", "evaporation kg day", "ner kg per day", "ner kg day"),
    ),
    "battery_wh": ("battery energy wh", "battery capacity wh"),
}


def _bare(heading: str) -> str:
    return re.sub(r"[\W_]+", "", heading.lower())


_FIELDS: Final = {
    _bare(name): field for field, names in _OTHER_NAMES.items() for name in (field, *names)
}


@dataclass(frozen=True, slots=True)
class Found:
    """A manifest, and what its file held that is none of it."""

    manifest: Manifest
    where: str
    """The file, and the row of a table."""
    ignored: tuple[str, ...] = ()
    """Headings of columns that are not ours."""


def read_manifest(path: Path, shipment: str | None = None) -> Found:
    """Read the manifest in a file; `shipment` picks one of several. OSError as the system says it.

    Raises:
        ManifestUnreadable: it is no TOML, no table, or not UTF-8.
        NoShipment: no row, or more than one, is that shipment's.
        ManifestInvalid: what stands in it cannot be used; all of it by name.
    """
    with path.open("rb") as file:
        data = file.read(FILE_MOST_BYTES + 1)
    if len(data) > FILE_MOST_BYTES:
        raise ManifestUnreadable(str(path), f"it has more than {FILE_MOST_BYTES >> 20} MiB")
    return manifest_in(data, str(path), is_toml=path.suffix.lower() == ".toml", shipment=shipment)


def manifest_in(data: bytes, where: str, *, is_toml: bool, shipment: str | None = None) -> Found:
    """Read the manifest in the bytes of a file called `where`; raises as `read_manifest`."""
    text = _decoded(data, where)
    return _from_toml(text, where, shipment) if is_toml else _from_csv(text, where, shipment)


def _decoded(data: bytes, where: str) -> str:
    # With its mark, or without: the first character is one of ASCII in any manifest.
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or 0 in data[:2]:
        raise ManifestUnreadable(where, "it is UTF-16: save it as UTF-8 (in Excel: CSV UTF-8)")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestUnreadable(
            where,
            f"byte {error.start}, in line {line}, is not UTF-8: save it as UTF-8 (in Excel: CSV "
            "UTF-8)",
        ) from error
    if not text.strip():
        raise ManifestUnreadable(where, "it is empty")
    return text


# --- TOML ----------------------------------------------------------------------------------------


def _from_toml(text: str, where: str, shipment: str | None) -> Found:
    try:
        document = tomllib.loads(text)
    # ValueError: also a number of thousands of digits, which tomllib lets through.
    except (ValueError, RecursionError) as error:
        raise ManifestUnreadable(where, f"it is not TOML: {error}") from error
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    table = document.pop("dewar", {})
    if not isinstance(table, dict):
        raise ManifestInvalid(where, [Mistake("dewar", shown(table), "a table, [dewar]")])
    for key, value in cast("dict[str, Any]", table).items():
        values[f"dewar_{key}"] = value
        places[f"dewar_{key}"] = f"dewar.{key}"
    for key, value in document.items():
        if key in values:
            raise ManifestInvalid(
                where, [Mistake(key, f"there twice, with {places[key]}", "one of the two")]
            )
        values[key] = value
    manifest = manifest_of(values, where, places)
    if shipment is not None and manifest.shipment != shipment:
        raise NoShipment(where, shipment, [manifest.shipment], 0)
    return Found(manifest, where)


# --- CSV -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    """Of the file, from 1; where no cell has a line break, the row of a spreadsheet."""
    cells: list[str]


def _from_csv(text: str, where: str, shipment: str | None) -> Found:
    rows = _rows(text, where)
    heads = rows[0].cells
    fields = _fields_of(heads, where)
    ids = [at for at, field in enumerate(fields) if field == "shipment"]
    if not ids:
        raise ManifestUnreadable(
            where,
            "no column of its first line is the shipment's number (`shipment`); `dewarlog arm "
            "--template csv` prints a manifest to begin with",
        )
    body = rows[1:]
    row = _picked(body, ids[0], where, shipment)
    place = f"row {row.line}"
    _expect_clean(row, heads, fields, where)
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for at, (field, cell) in enumerate(zip(fields, row.cells, strict=True)):
        if field is None or not cell.strip():
            continue
        spot = f"{place}, column {shown(heads[at])}"
        if field in _LISTS:
            entries = [entry.strip() for entry in cell.split(LIST_SIGN)]
            had = cast("list[str]", values.setdefault(field, []))
            for entry in entries:
                if entry:
                    places[f"{field}[{len(had)}]"] = spot
                    had.append(entry)
            places.setdefault(field, spot)
        else:
            values[field] = _number(field, cell)
            places[field] = spot
    manifest = manifest_of(values, f"{where}, {place}", places)
    ignored = tuple(
        head for head, field in zip(heads, fields, strict=True) if field is None and head.strip()
    )
    return Found(manifest, f"{where}, {place}", ignored)


def _rows(text: str, where: str) -> list[_Row]:
    """Return the lines of the table, cut by the separator that makes most headings ours."""
    best: list[_Row] = []
    most = -1
    problem: ManifestUnreadable | None = None
    told = _TOLD_SEPARATOR.match(text)
    for separator in _SEPARATORS if told is None else (told[1],):
        try:
            rows = _cut(text if told is None else text[told.end() :], separator, where)
        except ManifestUnreadable as error:
            problem = problem or error
            continue
        known = sum(_field_of(head) is not None for head in rows[0].cells)
        if known > most:
            best, most = rows, known
    if not best:
        raise problem or ManifestUnreadable(where, "it is no table")
    if told is not None:
        best = [_Row(row.line + 1, row.cells) for row in best]
    width = len(best[0].cells)
    for row in best:
        if len(row.cells) != width:
            raise ManifestUnreadable(
                where, f"row {row.line} has {len(row.cells)} cells, the first one {width}"
            )
    return best


def _cut(text: str, separator: str, where: str) -> list[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[_Row] = []
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(_Row(line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise ManifestUnreadable(where, f"row {reader.line_num} is no CSV: {error}") from error
    if not rows:
        raise ManifestUnreadable(where, "it holds no row")
    return rows


def _field_of(heading: str) -> str | None:
    """Return our name for a heading; of a numbered column that of the list."""
    bare = _bare(heading)
    field = _FIELDS.get(bare)
    if field is not None:
        return field
    listed = _FIELDS.get(re.sub(r"\d+$", "", bare))
    return listed if listed in _LISTS else None


def _fields_of(heads: list[str], where: str) -> list[str | None]:
    """Return our name for each column.

    Raises:
        ManifestInvalid: two columns have one, or a heading is a formula or holds what controls.
    """
    fields = [_field_of(head) for head in heads]
    mistakes: list[Mistake] = []
    first: dict[str, str] = {}
    for head, field in zip(heads, fields, strict=True):
        problem = text_problem(head)
        if problem is not None:
            found = f"{shown(head)} ({problem})"
            mistakes.append(Mistake(f"row 1, column {shown(head)}", found, "a plain heading"))
        elif field is not None and field not in _LISTS and field in first:
            mistakes.append(
                Mistake(
                    f"row 1, column {shown(head)}",
                    f"the second one for {field}; {shown(first[field])} is too",
                    "one column for each",
                )
            )
        if field is not None:
            first.setdefault(field, head)
    if mistakes:
        raise ManifestInvalid(where, mistakes)
    return fields


def _picked(rows: list[_Row], column: int, where: str, shipment: str | None) -> _Row:
    """Return the row of the shipment asked for, or the only one."""
    known = [row.cells[column].strip() for row in rows]
    if shipment is None:
        if len(rows) == 1:
            return rows[0]
        raise NoShipment(where, None, known[:ROWS_SHOWN], max(0, len(known) - ROWS_SHOWN))
    matching = [row for row, number in zip(rows, known, strict=True) if number == shipment]
    if len(matching) == 1:
        return matching[0]
    if not matching:
        raise NoShipment(where, shipment, known[:ROWS_SHOWN], max(0, len(known) - ROWS_SHOWN))
    lines = ", ".join(str(row.line) for row in matching[:ROWS_SHOWN])
    raise ManifestUnreadable(where, f"rows {lines} are all shipment {shown(shipment)}: leave one")


def _expect_clean(row: _Row, heads: list[str], fields: list[str | None], where: str) -> None:
    """Refuse a formula or a control character in any cell of the row, ours or not.

    A plain number with a sign in a column that is not ours is a balance, and no formula.
    """
    mistakes: list[Mistake] = []
    for head, field, cell in zip(heads, fields, row.cells, strict=True):
        problem = text_problem(cell)
        if problem is None or (field is None and re.fullmatch(r"[+-]\d+([.,]\d+)?", cell)):
            continue
        mistakes.append(
            Mistake(
                f"row {row.line}, column {shown(head)}",
                f"{shown(cell)} ({problem})",
                "a plain text (of a phone number: its owner's name first)",
            )
        )
    if mistakes:
        raise ManifestInvalid(where, mistakes)


def _number(field: str, cell: str) -> object:
    """Return a cell's number; the cell where it is none, for the model to refuse."""
    kind = _NUMBERS.get(field)
    if kind is None:
        return cell.strip()
    if not re.fullmatch(r"\d{1,9}(\.\d{1,6})?", cell.strip(), re.ASCII):
        return cell
    value = float(cell)
    return int(value) if kind is int and value == int(value) else value
