"""One line of an uncertainty budget, as JCGM 100 (GUM) draws it up; and their sum.

In the bench: shared by the references and by calibration. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Contribution:
    """A standard uncertainty in kelvin, what it comes from, and how it was found."""

    name: str
    u_k: float
    basis: str


def combined_k(contributions: Iterable[Contribution]) -> float:
    """Combine independent contributions: the root of the sum of their squares."""
    return math.hypot(*(one.u_k for one in contributions))
