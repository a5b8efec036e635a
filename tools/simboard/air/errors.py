"""What can go wrong with the virtual radio itself, as a person can mend it."""

from __future__ import annotations

from simboard.errors import SimboardError


class AirError(SimboardError):
    """The hub cannot be started or reached, or does not take an order."""
