"""What every picture is drawn with: SVG elements we write ourselves, dashes, round steps.

No library, no script, no network. Colours are CSS variables of the page (light and dark); lines
also differ by dash and carry their name, so that no meaning hangs on colour alone.
"""

from __future__ import annotations

import math
from html import escape
from typing import Final

_NICE: Final = (1, 2, 5, 10, 20, 25, 50, 100)
DASHES: Final = ("", "7 3", "2 3", "9 3 2 3")


class Canvas:
    """Collects SVG elements."""

    def __init__(self) -> None:
        """Begin with none."""
        self.parts: list[str] = []

    def add(self, element: str) -> None:
        """Add one that is written out."""
        self.parts.append(element)

    def text(self, x: float, y: float, label: str, kind: str = "", anchor: str = "start") -> None:
        """Add text; `anchor` says which end of it stands at x."""
        self.add(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">'
            f"{escape(label)}</text>"
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Add a line."""
        self.add(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')

    def box(self, x: float, y: float, width: float, height: float, kind: str, tip: str) -> None:
        """Add a rectangle that says `tip` where a pointer rests on it."""
        self.add(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.0):.1f}" height="{height:.1f}" '
            f'class="{kind}"><title>{escape(tip)}</title></rect>'
        )


def key_svg(index: int) -> str:
    """Draw the piece of line that stands for a curve in a legend: its colour and its dash."""
    dash = DASHES[index % len(DASHES)]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        '<svg class="key" viewBox="0 0 30 10" width="30" height="10" aria-hidden="true">'
        f'<line x1="0" y1="5" x2="30" y2="5" class="curve c{index % 4 + 1}"{dashed}/></svg>'
    )


def round_step(span: float, most: int) -> float:
    """Give a round step that divides a span into at most so many parts."""
    size = 10.0 ** math.floor(math.log10(max(span / most, 1e-9)))
    return next(nice * size for nice in _NICE if span / (nice * size) <= most)
