"""From the table of records to construct: a parser for each record, and its errors made ours.

construct's own errors become WireError in `run`, and its types stay in this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import construct as c

from dewarlog_wire import layout
from dewarlog_wire.errors import BlockError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dewarlog_wire.errors import WireError

    Fields = dict[str, Any]
    Construct = c.Construct[Any, Any]

_INTEGER: Final[Mapping[str, Construct]] = {
    layout.U8: c.Int8ul,
    layout.I8: c.Int8sl,
    layout.U16: c.Int16ul,
    layout.I16: c.Int16sl,
    layout.U32: c.Int32ul,
    layout.I32: c.Int32sl,
}


def struct_of(record: layout.Record, *without: str) -> Construct:
    """Return the construct parser of one record, leaving out the fields named in `without`."""
    return c.Struct(
        *(name / type_of(code) for name, code, _, _ in record.fields if name not in without)
    )


def type_of(code: str) -> Construct:
    """Return the construct parser of one field, by its code in the table."""
    return c.Bytes(int(code[:-1])) if code.endswith("s") else _INTEGER[code]


def only(construct: Construct) -> Construct:
    """Say that nothing may stand behind what `construct` parses."""
    return c.FocusedSeq("it", "it" / construct, c.Terminated)


def with_texts(record: layout.Record, *names: str) -> Construct:
    """Say that texts stand behind a record, each behind its length."""
    texts = (name / c.PascalString(c.Int8ul, "utf8") for name in names)
    return only(c.Struct(*(name / type_of(code) for name, code, _, _ in record.fields), *texts))


def many(construct: Construct) -> Construct:
    """Say that it stands there again and again, to the end."""
    return only(c.GreedyRange(construct))


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever construct returns
    """Turn construct's containers into dict and list."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: plain(held) for name, held in fields.items() if not name.startswith("_")}
    if isinstance(value, list):
        return [plain(held) for held in cast("list[Any]", value)]
    return value


def run(construct: Construct, data: bytes, error: type[WireError], fault: str, what: str) -> Any:  # noqa: ANN401 - each construct returns its own
    """Parse, and turn construct's errors into ours: the one place where they meet."""
    try:
        return plain(construct.parse(data))
    except c.ChecksumError as cause:
        message = f"{what}: the CRC-32 does not match"
        raise error("crc", message) from cause
    except c.ConstructError as cause:
        reason = str(cause).splitlines()[-1]
        message = f"{what}: {reason}"
        raise error(fault, message) from cause


def parse_record(record: layout.Record, data: bytes) -> Fields:
    """Read one record and nothing else.

    Raises:
        BlockError: fault section.
    """
    fields: Fields = run(only(struct_of(record)), data, BlockError, "section", record.name)
    return fields
