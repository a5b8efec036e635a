"""A second reader of every stored and sent byte, in construct, from the same table of records.

Place in the line: between archive and readings, as their referee. Fields come from
dewarlog_wire.layout; how records nest and where lengths and CRCs apply is written here again, on
purpose: a mistake in one reader does not hide in the other. Golden vectors (protocol/vectors) and
tests hold the two together. Slower than dewarlog_wire by far: for tests and for looking closely.

The only importer of construct. A file for each thing that is read; everybody imports from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog.parse.block import ParsedBlock, ParsedSection, parse_block, parse_section
from dewarlog.parse.event import parse_event
from dewarlog.parse.frame import (
    ParsedFrame,
    parse_frame,
    parse_serial_in,
    parse_serial_out,
    parse_short_data,
    uncobs,
)
from dewarlog.parse.from_table import parse_record, struct_of
from dewarlog.parse.journal import ParsedJournal, parse_journal
from dewarlog.parse.message import parse_message
from dewarlog.parse.token import ParsedCaveat, check_caveats, parse_caveats

if TYPE_CHECKING:
    from dewarlog.parse.from_table import Fields as Fields

__all__ = (
    "ParsedBlock",
    "ParsedCaveat",
    "ParsedFrame",
    "ParsedJournal",
    "ParsedSection",
    "check_caveats",
    "parse_block",
    "parse_caveats",
    "parse_event",
    "parse_frame",
    "parse_journal",
    "parse_message",
    "parse_record",
    "parse_section",
    "parse_serial_in",
    "parse_serial_out",
    "parse_short_data",
    "struct_of",
    "uncobs",
)
