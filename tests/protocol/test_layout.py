"""The table itself: sizes, offsets and codes that everything else counts on."""

from __future__ import annotations

import ast
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dewarlog_wire import access, layout, reader_names, session

if TYPE_CHECKING:
    from conftest import MicroPython

ROOT = Path(__file__).parents[2]

# Requests that take no right.
FREE = {
    layout.MSG_HELLO,
    layout.MSG_STATUS,
    layout.MSG_AUTH,
    layout.MSG_ACK,
    layout.MSG_ABORT,
    layout.MSG_PUBLIC,
}
RECORDS = [value for value in vars(layout).values() if isinstance(value, layout.Record)]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_a_record_is_as_long_as_struct_says(record: layout.Record) -> None:
    """No padding: the board's struct and the table count alike."""
    assert struct.calcsize(record.format) == record.size


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_offsets_follow_each_other(record: layout.Record) -> None:
    """Each field begins where the one before it ends."""
    ends = [
        record.offset_of(name) + struct.calcsize("<" + code) for name, code, _, _ in record.fields
    ]
    starts = [record.offset_of(name) for name, _, _, _ in record.fields]

    assert [*starts, record.size] == [0, *ends]


def test_a_field_that_is_not_there_is_named() -> None:
    """A misspelt name fails where it stands."""
    with pytest.raises(KeyError, match="uptime"):
        layout.BLOCK_SEAL.offset_of("uptime")


@pytest.mark.parametrize("state", range(1, len(layout.STATE_NAMES)))
def test_every_state_has_a_code_no_temperature_has(state: int) -> None:
    """Below the coldest reading, and back."""
    code = layout.state_code(state)

    assert -32768 < code < layout.READING_MIN
    assert layout.state_of(code) == state


@pytest.mark.parametrize("code", [layout.READING_MIN, 0, 32767])
def test_a_temperature_is_the_state_ok(code: int) -> None:
    """From -250 degC up."""
    assert layout.state_of(code) == layout.STATE_OK


def test_names_are_as_many_as_their_numbers() -> None:
    """Every event kind has a record of its own, every error a name."""
    assert sorted(layout.EVENTS) == list(range(1, len(layout.EVENTS) + 1))
    assert sorted(layout.ERROR_NAMES) == list(range(1, len(layout.ERROR_NAMES) + 1))


def test_what_belongs_together_is_as_long() -> None:
    """Each kind with texts has their names and limit; each role a name and its rights."""
    assert layout.EVENT_TEXTS.keys() == layout.EVENT_TEXT_MAX_BYTES.keys()
    assert layout.EVENT_TEXTS.keys() < layout.EVENTS.keys()
    assert access.MAY.keys() == layout.KEY_NAMES.keys() - {layout.KEY_RECEIPT}
    assert (
        sum(getattr(layout, name) for name in vars(layout) if name.startswith("MAY_"))
        == access.MAY_ALL
    )
    assert set(access.NEEDS) | FREE == {
        kind
        for name, kind in vars(layout).items()
        if name.startswith("MSG_") and kind < layout.MSG_DATA
    }


def test_every_fixed_reply_fits_the_smallest_host_with_its_tag() -> None:
    """A host that takes bodies of 160 bytes gets every answer but a long list."""
    replies = [record for kind, record in session.BODIES.items() if kind & layout.REPLY]
    longest = max(record.size for record in replies)

    assert longest + layout.SESSION_TAG.size <= 160


def test_the_longest_token_fits_one_request() -> None:
    """AUTH itself has no tag."""
    assert layout.AUTH.size + layout.CAVEATS_MAX_BYTES <= layout.REQUEST_BODY_MAX_BYTES


def test_sizes_leave_room_where_they_must() -> None:
    """Frames fit a notification; blocks fit a segment; a section's length fits its field."""
    assert layout.BLE_BODY_MAX_BYTES + layout.FRAME_OVERHEAD_BYTES == layout.BLE_FRAME_MAX_BYTES
    assert layout.FRAME_HEAD.size + layout.FRAME_CRC_BYTES == layout.FRAME_OVERHEAD_BYTES
    assert (
        layout.DATA_SHORT_HEAD.size + layout.DATA_SHORT_CRC_BYTES
        == layout.DATA_SHORT_OVERHEAD_BYTES
    )
    assert layout.BLOCK_MAX_BYTES <= layout.SEGMENT_MAX_BYTES <= 1 << 16


def test_a_board_has_no_fields_and_counts_as_a_host_does(micropython: MicroPython) -> None:
    """Names, scales and units are for readers; sizes and the places it asks for are for both."""
    script = """
from dewarlog_wire import layout
records = [one for one in layout.__dict__.values() if type(one).__name__ == "Record"]
print(sum([one.size for one in records]), sum([len(one.fields) for one in records]))
print([getattr(layout, name) for name in sorted(layout.__dict__) if name[:3] == "AT_"])
"""
    places = [getattr(layout, name) for name in sorted(vars(layout)) if name.startswith("AT_")]

    assert micropython(script).stdout == f"{sum(one.size for one in RECORDS)} 0\n{places}\n"


def test_no_board_asks_for_a_name_that_readers_alone_have() -> None:
    """It would fail there, and nowhere else."""
    readers = {name for name in vars(reader_names) if name.isupper()}
    files = [*(ROOT / "firmware").rglob("*.py"), *(ROOT / "protocol/dewarlog_wire").glob("*.py")]
    asked = {
        f"{file.name}: {name}"
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        for name in names_asked(node)
        if name in readers
    }

    assert asked == set()


def names_asked(node: ast.AST) -> list[str]:
    """Return what a node asks of a module: `module.name`, or the names it imports."""
    if isinstance(node, ast.Attribute):
        return [node.attr]
    return [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
