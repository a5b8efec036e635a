"""A shipment's manifest: who pays, where it goes, what is in the dewar, how it is to be handled.

Beside the profile: `arm` joins the two. The model of one shipment; manifest_files.py reads it from
TOML, or from the CSV that an account's own system exports.

Texts go into the log and from there into tables that people open with a spreadsheet. So a text may
not begin with what a spreadsheet takes for a formula (= + - @, their full-width twins, tab and
carriage return: OWASP, CSV Injection), and holds no character that controls, hides or reorders
text. It is refused rather than changed: a reference that was changed is no reference.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import ValidationError

from dewarlog.errors import ManifestInvalid, Mistake
from dewarlog.profile import settings
from dewarlog.profile.parts import INSTRUCTIONS_MAX, Section
from dewarlog.profile.settings import Items, Kind, Number, OrNull, Text, Whole, shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

FORMULA_SIGNS: Final = "=+-@\t\r\uff1d\uff0b\uff0d\uff20\u2212"
_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_WITH_COMMA: Final = re.compile(r"\s*[0-9]+(,[0-9]+)+(\.[0-9]+)?\s*")
CONTACT_JOIN: Final = "; "
_CONTACTS_MAX: Final = 6


def text_problem(text: str) -> str | None:
    """Say what is wrong with a text from outside; None when nothing is."""
    for at, character in enumerate(text):
        if unicodedata.category(character) in _UNSAFE:
            name = f"U+{ord(character):04X}"
            return f"it holds a control character, {name}, as its character {at + 1}"
    first = text.lstrip()[:1]
    if first and first in FORMULA_SIGNS:
        return f"it begins with {first!r}, as a spreadsheet's formula does"
    return None


@dataclass(frozen=True, slots=True)
class CleanText(Kind):
    """A text that is safe in a table; at most so many bytes of UTF-8."""

    most_bytes: int = settings.TEXT_MAX_BYTES

    @property
    def allowed(self) -> str:
        """What may stand there."""
        return (
            f"a text of at most {self.most_bytes} bytes without control characters, that does not "
            "begin with = + - or @ (a phone number: its owner's name first)"
        )

    def made(self, value: object) -> object:
        """Take it without blanks around it."""
        text = Text(self.most_bytes).made(value)
        if text_problem(str(text)) is not None:
            raise ValueError
        return str(text).strip()


_Clean = Annotated[str, CleanText()]
_Kilograms = Annotated[float | None, OrNull(Number(0.01, 2000))]


class Manifest(Section):
    """One shipment. What is empty or None was not told."""

    shipment: _Clean
    """Its number: what every later paper calls it."""
    account: _Clean = ""
    purchase_order: _Clean = ""
    cost_centre: _Clean = ""
    consignee: _Clean = ""
    chain_of_identity: _Clean = ""
    """Opaque: carried as it is, never parsed."""
    handling: Annotated[tuple[_Clean, ...], Items(0, INSTRUCTIONS_MAX)] = ()
    """Steps, in the order a person is to follow."""
    contacts: Annotated[tuple[_Clean, ...], Items(0, _CONTACTS_MAX)] = ()
    thaw_to_infusion_min: Annotated[int, Whole(0, 10080)] = 0
    """From thaw start to infuse at most; 0: not told."""
    planned_h: Annotated[float | None, OrNull(Number(0.5, 2160))] = None
    """From closing the dewar to opening it at the consignee's."""
    dewar_model: _Clean = ""
    dewar_serial: _Clean = ""
    dewar_tare_kg: _Kilograms = None
    """Dry, with everything that travels in it: canister, payload, logger."""
    dewar_full_kg: _Kilograms = None
    """The same, freshly charged, without free liquid."""
    dewar_capacity_kg: _Kilograms = None
    """Liquid nitrogen that it takes up: instead of the full weight."""
    dewar_static_hold_h: Annotated[float | None, OrNull(Number(1, 8760))] = None
    """From full to empty at rest, as its maker says."""
    dewar_evaporation_kg_per_day: Annotated[float | None, OrNull(Number(0.001, 500))] = None
    """At rest, measured on this very dewar (weighed twice, 48 h apart)."""
    battery_wh: Annotated[float | None, OrNull(Number(0.1, 10_000))] = None
    """What the logger's battery still holds: rated capacity x voltage of its cells."""

    @property
    def contact(self) -> str:
        """Every contact in one text."""
        return CONTACT_JOIN.join(self.contacts)

    @property
    def dewar(self) -> str:
        """The dewar in one text."""
        serial = f"serial {self.dewar_serial}" if self.dewar_serial else ""
        return " ".join(part for part in (self.dewar_model, serial) if part)

    def differing(self) -> list[tuple[str, str]]:
        """What is joined must fit; weights must be in order; one way of telling each thing."""
        mistakes: list[tuple[str, str]] = []
        most = settings.TEXT_MAX_BYTES
        if len(self.contact.encode()) > most:
            mistakes.append(("contacts", f"together at most {most} bytes"))
        if len(self.dewar.encode()) > most:
            mistakes.append(("dewar_model", f"with the serial at most {most} bytes"))
        if not self.shipment:
            mistakes.append(("shipment", "the shipment's number"))
        tare, full = self.dewar_tare_kg, self.dewar_full_kg
        if tare is not None and full is not None and full <= tare:
            mistakes.append(("dewar_full_kg", f"more than the tare weight, {tare:g}"))
        if full is not None and self.dewar_capacity_kg is not None:
            mistakes.append(("dewar_capacity_kg", "left out where dewar_full_kg is given"))
        if self.dewar_static_hold_h is not None and self.dewar_evaporation_kg_per_day is not None:
            mistakes.append(
                ("dewar_static_hold_h", "left out where dewar_evaporation_kg_per_day is given")
            )
        return mistakes


def manifest_of(document: dict[str, Any], where: str, places: dict[str, str]) -> Manifest:
    """Make a manifest of named values; `places` says for each where it stands in the file.

    Raises:
        ManifestInvalid: what cannot be used, each by its place, all at once.
    """
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        mistakes = [
            mistake
            for details in error.errors(include_url=False)
            for mistake in _mistakes_of(details, document, places)
        ]
        raise ManifestInvalid(where, mistakes) from error


def _mistakes_of(
    details: ErrorDetails, document: dict[str, Any], places: dict[str, str]
) -> list[Mistake]:
    """Say one of pydantic's errors with the places of the file."""
    key, *inner = [str(part) for part in details["loc"]] or [""]
    entry = f"{key}[{inner[0]}]" if inner else key
    place = places.get(entry) or places.get(key, key) + entry.removeprefix(key)
    found = details["input"]
    context = details.get("ctx", {})
    match details["type"]:
        case settings.REFUSAL:
            problem = text_problem(found) if isinstance(found, str) else None
            if isinstance(found, str) and _WITH_COMMA.fullmatch(found):
                problem = "a comma may mean either: write a decimal point, and no thousands"
            what = f"{shown(found)} ({problem})" if problem else shown(found)
            # Neither TOML nor a table has a null.
            allowed = str(context["allowed"]).replace(", or null", ", or nothing")
            return [Mistake(place, what, allowed)]
        case settings.SEVERAL:
            return [
                Mistake(places.get(str(name), str(name)), shown(document.get(name)), str(allowed))
                for name, allowed in context["mistakes"]
            ]
        case "missing":
            return [Mistake(place, "missing", "it must be there")]
        case _:
            return [Mistake(place, "nothing a manifest has", ", ".join(Manifest.model_fields))]
