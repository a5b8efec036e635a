"""One numbered record of the event stream: what each kind of event here is made from.

Event classes carry their fields in the order of protocol/dewarlog_wire/layout.py, so that one
`struct` unpack fills one object; a test holds the two lists together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    """One numbered record of the event stream. Subclasses add the fields of their kind."""

    KIND: ClassVar[int] = 0
    NAME: ClassVar[str] = "unknown"

    number: int
    boot: int
    uptime_ms: int


@dataclass(frozen=True, slots=True)
class UnknownEvent(Event):
    """An event of a kind this host does not know: kept, reported as not read."""

    kind: int
    body: bytes
