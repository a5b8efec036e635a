"""Reads the body of a request, and refuses one that is not what the request has.

Place in the line: beside server; for it and for those who carry requests out. Bodies:
protocol/SPEC.md 7.4.
"""

import struct

from dewarlog_firmware.access import Refused
from dewarlog_wire import layout


def fields_of(record: layout.Record, body: "bytes | memoryview") -> "tuple":
    """Read a request's body; one that is shorter or longer is refused."""
    if len(body) != record.size:
        raise Refused(layout.ERROR_MALFORMED, "%s has %d bytes" % (record.name, record.size))
    return struct.unpack(record.format, body)


def expect_empty(body: "bytes | memoryview") -> None:
    """Refuse a body where a request has none."""
    if len(body):
        raise Refused(layout.ERROR_MALFORMED, "this request has no body")
