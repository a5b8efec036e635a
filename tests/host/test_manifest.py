"""A shipment's manifest is read from TOML and CSV as others write them, or refused by its cell."""

from __future__ import annotations

import csv
import io
import unicodedata
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from dewarlog.arm.manifest import FORMULA_SIGNS, text_problem
from dewarlog.arm.manifest_files import manifest_in, read_manifest
from dewarlog.cli import app
from dewarlog.errors import ExitCode, ManifestInvalid, ManifestUnreadable, NoShipment
from workshop.places import FIRMWARE, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from dewarlog.arm.manifest import Manifest

HEADS: Final = (
    *("Shipment No.", "Bill To", "PO Number", "Cost Center", "Ship To", "CoI ID", "Contact"),
    *("Handling Steps", "Transit hours", "Thaw to infusion (min)", "Tare weight (kg)"),
)
CELLS: Final = (
    *("S-7", "ACC 12", "4500-11", "CC 9", "Clinic Süd", "W1 26 1", "Desk +41 44 555 01 23"),
    *("Keep upright. | Do not open.", "72", "30", "5.31"),
)


def table(
    cells: tuple[str, ...] = CELLS, separator: str = ",", heads: tuple[str, ...] = HEADS
) -> bytes:
    """Return a CSV of one shipment."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows([heads, cells])
    return text.getvalue().encode()


def from_csv(data: bytes, shipment: str | None = None) -> Manifest:
    """Read a CSV."""
    return manifest_in(data, "trips.csv", is_toml=False, shipment=shipment).manifest


def with_cell(heading: str, cell: str) -> bytes:
    """Return a CSV with one cell replaced."""
    at = HEADS.index(heading)
    return table((*CELLS[:at], cell, *CELLS[at + 1 :]))


def refused(data: bytes) -> ManifestInvalid:
    """Return the error that reading a CSV ends with."""
    with pytest.raises(ManifestInvalid) as caught:
        from_csv(data)
    return caught.value


# --- what is taken -----------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_an_account_s_own_columns_are_found(separator: str, mark: bytes) -> None:
    """Headings as others write them, any separator, with a byte order mark or without."""
    manifest = from_csv(mark + table(separator=separator))
    assert (manifest.shipment, manifest.account, manifest.purchase_order) == (
        *("S-7", "ACC 12", "4500-11"),
    )
    assert (manifest.cost_centre, manifest.consignee) == ("CC 9", "Clinic Süd")
    assert manifest.chain_of_identity == "W1 26 1"
    assert manifest.handling == ("Keep upright.", "Do not open.")
    assert manifest.contact == "Desk +41 44 555 01 23"
    assert (manifest.planned_h, manifest.thaw_to_infusion_min) == (72, 30)
    assert manifest.dewar_tare_kg == 5.31


def test_steps_may_stand_in_columns_of_their_own() -> None:
    """`handling 1`, `handling 2`, in the order of the columns; empty ones are none."""
    data = table(
        ("S-1", "First", "", "Third"), heads=("shipment", "handling 1", "handling 2", "handling 3")
    )
    assert from_csv(data).handling == ("First", "Third")


def test_the_examples_say_the_same_in_both_forms() -> None:
    """The TOML and the first row of the CSV are one shipment."""
    toml = read_manifest(FIRMWARE / "shipment.example.toml")
    rows = read_manifest(FIRMWARE / "shipment.example.csv", "SHP-2026-00318")
    assert toml.manifest == rows.manifest
    assert (toml.ignored, rows.ignored) == ((), ())
    assert rows.where.endswith("shipment.example.csv, row 2")


@pytest.mark.parametrize("kind", ["toml", "csv"])
def test_the_template_is_the_example(kind: str) -> None:
    """`arm --template` prints what stands beside the profile's example."""
    done = CliRunner().invoke(app, ["arm", "--template", kind])
    example = (FIRMWARE / f"shipment.example.{kind}").read_text(encoding="utf-8")
    assert (done.exit_code, done.stdout) == (0, example)
    packed = ROOT / "host" / "dewarlog" / "arm" / f"shipment.example.{kind}"
    assert packed.read_text(encoding="utf-8") == example


def test_columns_of_others_are_told_and_left_alone() -> None:
    """A balance in an account's column is no formula; nothing of it is taken."""
    data = table((*CELLS, "-12.50", "x"), heads=(*HEADS, "Balance", "Sales region"))
    found = manifest_in(data, "trips.csv", is_toml=False)
    assert found.ignored == ("Balance", "Sales region")


def test_one_of_many_is_picked_by_its_number() -> None:
    """Only that row is read: another shipment's mistake is not in its way."""
    data = table() + b"S-8,=1,,,,,,,,,\r\n"
    assert from_csv(data, "S-7").shipment == "S-7"
    with pytest.raises(ManifestInvalid):
        from_csv(data, "S-8")


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("sign", sorted(FORMULA_SIGNS))
@pytest.mark.parametrize("heading", ["Bill To", "CoI ID", "Handling Steps", "Transit hours"])
def test_a_formula_is_refused_by_row_and_column(heading: str, sign: str) -> None:
    """In texts and in numbers, with every sign a spreadsheet begins a formula with."""
    error = refused(with_cell(heading, f"{sign}cmd|' /C calc'!A0"))
    [mistake] = error.mistakes
    assert mistake.path == f'row 2, column "{heading}"'
    assert error.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\n", "\x7f", "\x85", "\u202e", "\u200b"])
def test_a_control_character_is_refused_by_row_and_column(character: str) -> None:
    """Also those that reorder or hide text, and a line break in a quoted cell."""
    error = refused(with_cell("Ship To", f"Clinic{character}Süd"))
    [mistake] = error.mistakes
    assert mistake.path == 'row 2, column "Ship To"'
    assert f"U+{ord(character):04X}" in mistake.found


def test_a_formula_in_a_column_that_is_not_ours_is_refused_too() -> None:
    """Whoever put it there meant the row to be opened."""
    error = refused(table((*CELLS, "=HYPERLINK(1)"), heads=(*HEADS, "Notes")))
    assert [one.path for one in error.mistakes] == ['row 2, column "Notes"']


def test_an_entry_of_a_list_is_a_text_of_its_own() -> None:
    """A formula behind the separator is one all the same."""
    error = refused(with_cell("Handling Steps", "Keep upright. | =1+1"))
    [mistake] = error.mistakes
    assert mistake.path == 'row 2, column "Handling Steps"'
    assert '"=1+1"' in mistake.found


@pytest.mark.parametrize(
    ("heading", "cell", "allowed"),
    [
        ("Bill To", "é" * 101, "a text of at most 200 bytes"),
        ("Transit hours", "5,25", "a number from 0.5 to 2160"),
        ("Transit hours", "0.4", "a number from 0.5 to 2160"),
        ("Thaw to infusion (min)", "30.5", "a whole number from 0 to 10080"),
        ("Tare weight (kg)", "1e3", "a number from 0.01 to 2000"),
        ("Tare weight (kg)", "5.31 kg", "a number from 0.01 to 2000"),
        ("Handling Steps", "|".join(["x"] * 13), "a list of 0 to 12"),
        ("Contact", "|".join(["y" * 70] * 3), "together at most 200 bytes"),
    ],
)
def test_what_no_board_can_hold_is_refused_by_row_and_column(
    heading: str, cell: str, allowed: str
) -> None:
    """Too long by bytes, not a number, out of range."""
    error = refused(with_cell(heading, cell))
    [mistake] = error.mistakes
    assert mistake.path == f'row 2, column "{heading}"'
    assert mistake.allowed.startswith(allowed)


def test_a_decimal_comma_is_refused_with_what_to_write_instead() -> None:
    """It is a decimal sign in half of Europe, and one of thousands elsewhere."""
    error = refused(b"shipment;tare kg\nS-1;5,31\n")
    [line] = error.lines[1:-1]
    assert line == (
        'row 2, column "tare kg" is "5,31" (a comma may mean either: write a decimal point, and '
        "no thousands); allowed: a number from 0.01 to 2000, or nothing."
    )


@pytest.mark.parametrize("line", [b"sep=;\n", b'"sep=;"\r\n', b"\xef\xbb\xbfSEP=;\r\n"])
def test_a_line_that_tells_a_spreadsheet_its_separator_is_no_heading(line: bytes) -> None:
    """Rows are counted as the file's lines are, with it."""
    found = manifest_in(line + b"Shipment;Site\nS-1;a, b\n", "trip.csv", is_toml=False)
    assert (found.manifest.shipment, found.manifest.consignee) == ("S-1", "a, b")
    assert found.where == "trip.csv, row 3"


def test_a_heading_that_calculates_is_refused_in_a_whole_sentence() -> None:
    """Whoever reads it knows which."""
    error = refused(b"shipment,=1\nS-1,x\n")
    assert error.lines[1] == (
        'row 1, column "=1" is "=1" (it begins with \'=\', as a spreadsheet\'s formula does); '
        "allowed: a plain heading."
    )


def test_two_columns_for_one_thing_are_refused() -> None:
    """Nobody can tell which of them counts."""
    error = refused(table((*CELLS, "other"), heads=(*HEADS, "Purchase order")))
    assert [one.path for one in error.mistakes] == ['row 1, column "Purchase order"']


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        ("shipment,consignee\nS,Süd\n".encode("cp1252"), "byte 22, in line 2, is not UTF-8"),
        ("shipment\nS\n".encode("utf-16"), "UTF-16"),
        ("shipment,account\nS,A\n".encode("utf-16-le"), "UTF-16"),
        ("shipment,account\nS,A\n".encode("utf-16-be"), "UTF-16"),
        (b"account,consignee\na,b\n", "no column of its first line is the shipment's"),
        (b"shipment,account\nS-1\n", "row 2 has 1 cells, the first one 2"),
        (b'shipment,account\n"S-1,b\n', "no CSV"),
        (b"shipment\nS-1\nS-1\n", ""),
    ],
)
def test_what_is_no_table_is_said_so(data: bytes, reason: str) -> None:
    """With the byte, the line or the row."""
    with pytest.raises((ManifestUnreadable, NoShipment)) as caught:
        from_csv(data)
    assert reason in str(caught.value)
    assert caught.value.exit_code == ExitCode.USAGE


def test_which_shipment_is_asked_where_there_are_several() -> None:
    """The ones there are, are told; none is guessed."""
    data = table() + table(("S-8", *CELLS[1:])).split(b"\r\n", 1)[1]
    with pytest.raises(
        NoShipment, match=r"2 shipments: name one with --shipment\. It has: S-7, S-8"
    ):
        from_csv(data)
    with pytest.raises(NoShipment, match="no shipment 'S-9'"):
        from_csv(data, "S-9")
    with pytest.raises(ManifestUnreadable, match="rows 2, 3 are all shipment"):
        from_csv(table() + table().split(b"\r\n", 1)[1], "S-7")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('shipment = "=1"', "shipment"),
        ('shipment = "S"\naccuont = "A"', "accuont"),
        ('shipment = "S"\nplanned_h = "72"', "planned_h"),
        (f'shipment = "S"\nplanned_h = {"7" * 400}', "planned_h"),
        ('shipment = "S"\nhandling = ["ok", "@x"]', "handling[1]"),
        ('shipment = "S"\n[dewar]\ntare_kg = -1', "dewar.tare_kg"),
        ('shipment = "S"\n[dewar]\ntare_kg = 5.0\nfull_kg = 4.0', "dewar.full_kg"),
        ('shipment = "S"\ndewar = 4', "dewar"),
        ('account = "A"', "shipment"),
        ('shipment = " "', "shipment"),
    ],
)
def test_a_mistake_in_toml_is_named_by_its_key(text: str, place: str) -> None:
    """Misspelt, of another type, contradicting, or missing."""
    with pytest.raises(ManifestInvalid) as caught:
        manifest_in(text.encode(), "trip.toml", is_toml=True)
    assert [one.path for one in caught.value.mistakes] == [place]


def test_toml_that_is_none_is_said_so_with_its_line() -> None:
    """As the reader says it."""
    with pytest.raises(ManifestUnreadable, match="line 2"):
        manifest_in(b'shipment = "S"\nx = \n', "trip.toml", is_toml=True)
    for odd in (b"planned_h = " + b"1" * 5000, b"handling = " + b"[" * 5000):
        with pytest.raises(ManifestUnreadable, match="not TOML"):
            manifest_in(odd, "trip.toml", is_toml=True)
    with pytest.raises(NoShipment):
        manifest_in(b'shipment = "S"\n', "trip.toml", is_toml=True, shipment="T")


def test_a_broken_manifest_ends_the_command_before_the_port_is_opened(tmp_path: Path) -> None:
    """Exit code 2, each mistake on a line, no control character on the terminal."""
    (tmp_path / "trip.csv").write_bytes(with_cell("Ship To", "\x1b[2J") + b"\r\n")
    (tmp_path / "p.json").write_text('{"rules": []}')
    done = CliRunner().invoke(
        app,
        [
            *("arm", "usb:/dev/none", "--manifest", str(tmp_path / "trip.csv")),
            *("--profile", str(tmp_path / "p.json")),
        ],
    )
    assert done.exit_code == ExitCode.USAGE
    assert 'row 2, column "Ship To"' in done.stderr
    assert "\x1b" not in done.stderr


# --- anything at all ----------------------------------------------------------------------------


@given(st.binary(max_size=400))
def test_any_bytes_are_a_manifest_or_a_clear_refusal(data: bytes) -> None:
    """No other exception leaves the reader."""
    for is_toml in (True, False):
        try:
            manifest_in(data, "any", is_toml=is_toml)
        except (ManifestInvalid, ManifestUnreadable, NoShipment) as error:
            assert error.exit_code == ExitCode.USAGE  # noqa: PT017 - either outcome is right


@given(st.lists(st.text(max_size=20), min_size=len(CELLS), max_size=len(CELLS)))
def test_no_cell_that_is_taken_controls_or_calculates(cells: list[str]) -> None:
    """What comes through is text that a spreadsheet and a terminal take for text."""
    try:
        manifest = from_csv(table(tuple(cells)))
    except (ManifestInvalid, ManifestUnreadable, NoShipment):
        return
    texts = [
        *(manifest.shipment, manifest.account, manifest.purchase_order, manifest.cost_centre),
        *(manifest.consignee, manifest.chain_of_identity, *manifest.handling, *manifest.contacts),
    ]
    for text in texts:
        assert text_problem(text) is None
        assert text[:1] not in FORMULA_SIGNS or not text
        assert not any(unicodedata.category(character) == "Cc" for character in text)
