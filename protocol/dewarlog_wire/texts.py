"""Texts behind a record: each one length byte and that many bytes of UTF-8.

Place in the line: layout -> texts -> (events, recorder | parse, readings). Some events end with
texts (protocol/SPEC.md section 5), and some sections of block 0 (section 4.7).
"""

import struct

from dewarlog_wire.errors import BlockError
from dewarlog_wire.layout import (
    ARMING,
    CALIBRATION,
    SECTION_ARMING,
    SECTION_CALIBRATION,
    SECTION_TEXT_MAX_BYTES,
    SECTION_TEXTS,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dewarlog_wire.layout import Record

    Readable = bytes | bytearray | memoryview

# The record each section with texts begins with.
SECTION_RECORDS = {SECTION_CALIBRATION: CALIBRATION, SECTION_ARMING: ARMING}


def section_texts_body(kind: int, values: "tuple[Any, ...]", texts: "tuple[str, ...]") -> bytes:
    """Pack the payload of a section with texts: CALIBRATION or ARMING.

    `values` in the order of its record; `texts` in that of SECTION_TEXTS. Raises BlockError, fault
    section: one is too long, or there are more or fewer.
    """
    names = SECTION_TEXTS[kind]
    most = SECTION_TEXT_MAX_BYTES
    return pack_texts("section", SECTION_RECORDS[kind], values, names, texts, most)


def read_section_texts(kind: int, payload: "Readable") -> "tuple[Any, ...]":
    """Return the fields of a CALIBRATION or ARMING section, then its texts.

    Raises BlockError, fault section.
    """
    names = SECTION_TEXTS[kind]
    return read_texts("section", SECTION_RECORDS[kind], payload, names, SECTION_TEXT_MAX_BYTES)


def pack_texts(
    fault: str,
    record: "Record",
    values: "tuple[Any, ...]",
    names: "tuple[str, ...]",
    texts: "tuple[str, ...]",
    most: int,
) -> bytes:
    """Pack a record and the texts behind it, each at most `most` bytes.

    Raises BlockError of that fault, with the name of the text that is too long.
    """
    if len(texts) != len(names):
        raise BlockError(fault, f"{record.name} takes {len(names)} texts, not {len(texts)}")
    body = struct.pack(record.format, *values)
    for name, text in zip(names, texts):
        encoded = text.encode()
        if len(encoded) > most:
            raise BlockError(
                fault,
                f"{record.name} {name} is {len(encoded)} bytes of UTF-8; at most {most} fit: "
                "shorten it",
            )
        body += bytes((len(encoded),)) + encoded
    return body


def read_texts(
    fault: str, record: "Record", body: "Readable", names: "tuple[str, ...]", most: int
) -> "tuple[Any, ...]":
    """Return the fields of a record, then the texts behind it.

    Raises BlockError of that fault: it is cut short, a text is too long or no UTF-8, or bytes
    stand behind the last.
    """
    if len(body) < record.size:
        raise BlockError(fault, f"{record.name} body of {len(body)} bytes is cut short", len(body))
    values = list(struct.unpack_from(record.format, body, 0))
    at = record.size
    for name in names:
        length = body[at] if at < len(body) else -1
        if not 0 <= length <= min(most, len(body) - at - 1):
            raise BlockError(fault, f"{record.name} {name} does not fit its body", at)
        try:
            values.append(str(bytes(body[at + 1 : at + 1 + length]), "utf-8"))
        except UnicodeError:
            raise BlockError(fault, f"{record.name} {name} is not UTF-8", at)
        at += 1 + length
    if at != len(body):
        raise BlockError(fault, f"{len(body) - at} bytes stand behind the {record.name} texts", at)
    return tuple(values)
