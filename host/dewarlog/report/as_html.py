"""The report as one HTML file: no network, no script, everything from the log escaped.

`render` takes the model and gives the page; the template and its style sheet stand beside this
file. jinja2 escapes every value; the only markup let through is what we draw ourselves.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from dewarlog import __version__, words
from dewarlog.verdict import Word

if TYPE_CHECKING:
    from dewarlog.report.model import Report

_KINDS: Final = {Word.USE: "use", Word.HOLD: "hold", Word.NO_DATA: "none"}
_UNIT: Final = re.compile(r"(?<=\d) (?=(?:\u00b0C|K|g|V|d|h|min|s|ms|m/s|K/h|ppm|%)(?![\w-]))")
# Dates and serial numbers; long words must still break.
_HYPHENED: Final = re.compile(r"\b\w{1,6}(?:-\w{1,6}){1,2}\b")
# The word is told by shape as well as by colour: a tick, a stop sign with two bars, a question.
_ICONS: Final = {
    "use": '<circle cx="50" cy="50" r="44"/><path d="M29 52l14 15 29-33"/>',
    "hold": '<path d="M31 6h38l25 25v38l-25 25h-38l-25-25v-38z"/><path d="M39 32v36M61 32v36"/>',
    "none": '<circle cx="50" cy="50" r="44"/>'
    '<path d="M36 39c1-10 7-15 15-15 9 0 15 6 15 13 0 12-15 12-15 24M51 75v1"/>',
}


def render(report: Report) -> str:
    """Give the whole page."""
    folder = files("dewarlog.report") / "templates"
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.from_string((folder / "report.html.j2").read_text("utf-8"))
    kind = _KINDS[Word(report.word)]
    icon = (
        '<svg viewBox="0 0 100 100" aria-hidden="true" fill="none" stroke="currentColor" '
        f'stroke-width="9" stroke-linecap="round" stroke-linejoin="round">{_ICONS[kind]}</svg>'
    )
    return template.render(
        report=report,
        kind=kind,
        icon=Markup(icon),  # noqa: S704 - written above
        svg=Markup,  # for what plot.py drew: it escapes on its own
        unbroken=_unbroken,
        style=Markup((folder / "report.css").read_text("utf-8")),  # noqa: S704 - our own file
        version=__version__,
    )


def _shown(value: object) -> object:
    """Make control characters visible and keep a number with its unit; jinja2 then escapes."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _UNIT.sub("\u00a0", words.plain(value))
    return value


def _unbroken(text: str) -> Markup:
    """Escape text and keep each date and serial number on one line: browsers break at hyphens."""
    return Markup(  # noqa: S704 - escaped before they are marked
        _HYPHENED.sub(r'<span class="unbroken">\g<0></span>', str(escape(_shown(text))))
    )
