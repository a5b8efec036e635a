"""Everything a report says, as data: made by build.py, drawn by as_html.py.

Nothing here knows HTML but the pictures, which are ready-made SVG. Text from the log stays as it
was written; whoever shows it escapes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to call, with the part that can be dialled."""

    before: str
    phone: str
    after: str

    @property
    def dial(self) -> str:
        """Give the phone number as a `tel:` link wants it."""
        return re.sub(r"[^\d+]", "", self.phone)


@dataclass(frozen=True, slots=True)
class Point:
    """One reason or note."""

    title: str
    text: str
    when: str
    decides: bool


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and its value."""

    name: str
    value: str
    mono: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; the first cell of a row names it."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class ShockCard:
    """One shock window as a small picture."""

    svg: str
    title: str
    detail: str
    holds: bool


@dataclass(frozen=True, slots=True)
class TiltShare:
    """Time in one band of tilt."""

    band: int
    name: str
    duration: str
    percent: float


@dataclass(frozen=True, slots=True)
class CustodyStep:
    """One step of the custody timeline."""

    number: str
    step: str
    when: str
    actor: str
    place: str
    note: str


@dataclass(frozen=True, slots=True)
class Legend:
    """One line of the temperature picture: a piece of it as SVG, and its name."""

    key: str
    name: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as SVG in both sizes."""

    title: str
    wide: str
    narrow: str


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report."""

    heading: str  # shipment, identity and dewar, or the file where the log names neither
    word: str
    sentence: str
    steps: tuple[str, ...]
    call_label: str
    contact: Contact | None
    instructions: tuple[str, ...]
    reasons: tuple[Point, ...]
    notes: tuple[Point, ...]
    facts: tuple[Fact, ...]
    journey: Picture
    closer: tuple[Picture, ...]
    legend: tuple[Legend, ...]
    axes_legend: tuple[Legend, ...]  # of the shock pictures
    has_holds: bool  # a stretch beyond a HOLD limit is shaded
    has_warnings: bool
    has_gaps: bool
    has_outages: bool
    excursions: Table
    shock_cards: tuple[ShockCard, ...]
    shocks: Table
    tilt: tuple[TiltShare, ...]
    tilt_stays: Table
    custody: tuple[CustodyStep, ...]
    gaps: Table
    coverage: str
    probes: Table
    calibration: Table
    uncertainty: Table
    clock: tuple[Fact, ...]
    integrity: tuple[Fact, ...]
    agreement: str
    disagreements: tuple[Point, ...]
    audit: Table
    events: Table
    events_left_out: int
    time_note: str
