"""How long a weighed charge of liquid nitrogen keeps a dry shipper cold, and how long it must.

In the bench: the gate asks it. Pure.

    charge       = weight - tare - what a scale may be off
    at rest      = charge / evaporation
    on its way   = at rest x what is left of that in a worse shipper
    needed       = plan x what a trip may take longer

The evaporation is that of the dewar itself where it was measured (two weighings 48 h apart, after
it had settled, as Taylor-Wharton's XL manual has it, page 15), else what its maker says: charge
when full / static hold.

Why so much is taken off. New shippers of one model and lot differ by 30 % in hold time, in use by
40 %; the probe wicks heat in; a dewar ages with its vacuum; each change of air pressure draws warm
air in; one on its side loses up to 60 % (blog.fisherbioservices.com/bid/339094 and 337378;
cellculturedish.com, "10 things to know about dry shippers"). Lying is not allowed for, the log's
tilt minutes tell of it; the rest is. Where the evaporation was measured on this very dewar, the
differences between shippers are in it, and half as much is left to allow for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SCALE_LIMIT_KG: Final = 0.05
"""A freight scale shows 0.1 lb."""
REST_OF_CATALOGUE: Final = 0.60
"""The worst of a model: 40 % below what its maker says."""
REST_OF_MEASURED: Final = 0.80
"""A dewar whose evaporation was measured, with its probe, under way."""
PLAN_FACTOR: Final = 1.5
"""A missed flight, a closed customs: half as long again."""
OVERFULL_PART: Final = 1.05
"""More than a full charge and a twentieth is free liquid, or another dewar's tare."""


@dataclass(frozen=True, slots=True)
class Dewar:
    """What a manifest tells of a dewar; None where it tells nothing. Weights in kg."""

    tare_kg: float | None
    full_kg: float | None
    capacity_kg: float | None
    static_hold_h: float | None
    evaporation_kg_per_day: float | None

    @property
    def full_charge_kg(self) -> float | None:
        """Liquid nitrogen in it when full."""
        if self.capacity_kg is not None:
            return self.capacity_kg
        if self.full_kg is not None and self.tare_kg is not None:
            return self.full_kg - self.tare_kg
        return None

    @property
    def evaporation_kg_per_h(self) -> float | None:
        """At rest; measured, or by its maker's word."""
        if self.evaporation_kg_per_day is not None:
            return self.evaporation_kg_per_day / 24
        if self.full_charge_kg is not None and self.static_hold_h is not None:
            return self.full_charge_kg / self.static_hold_h
        return None

    @property
    def missing(self) -> tuple[str, ...]:
        """Name what must be told before a weight says anything."""
        wanted: list[str] = []
        if self.tare_kg is None:
            wanted.append("the tare weight")
        if self.evaporation_kg_per_day is None:
            if self.static_hold_h is None:
                wanted.append("the static hold (or the evaporation a day)")
            elif self.capacity_kg is None and self.full_kg is None:
                wanted.append("the full weight (or the capacity)")
        return tuple(wanted)


@dataclass(frozen=True, slots=True)
class Charge:
    """A weighed charge: kg of liquid nitrogen, and hours."""

    kg: float
    """At least; below 0 where it weighs less than its tare."""
    static_hold_h: float
    """At rest."""
    usable_h: float
    """Under way, of a shipper as bad as is to be reckoned with."""
    needed_h: float
    full_charge_kg: float | None
    measured: bool
    """Whether the evaporation is this dewar's own."""

    @property
    def full_usable_h(self) -> float | None:
        """What a full charge would give under way; None where nobody told how much that is."""
        if self.full_charge_kg is None or self.kg <= 0:
            return None
        return self.usable_h / self.kg * self.full_charge_kg

    @property
    def empty(self) -> bool:
        """It weighs no more than its tare."""
        return self.kg <= 0

    @property
    def overfull(self) -> bool:
        """It weighs more than it can hold in its sorbent."""
        if self.full_charge_kg is None:
            return False
        return self.kg > self.full_charge_kg * OVERFULL_PART

    @property
    def enough(self) -> bool:
        """It keeps the dewar cold for as long as is needed."""
        return not self.empty and not self.overfull and self.usable_h >= self.needed_h


def charge_of(weight_kg: float, dewar: Dewar, planned_h: float) -> Charge:
    """Judge a weight against a plan.

    Raises:
        ValueError: the dewar misses what must be told (`Dewar.missing`).
    """
    tare_kg, rate = dewar.tare_kg, dewar.evaporation_kg_per_h
    if tare_kg is None or rate is None:
        raise ValueError(", ".join(dewar.missing))
    kg = weight_kg - tare_kg - SCALE_LIMIT_KG
    at_rest_h = max(0.0, kg) / rate
    measured = dewar.evaporation_kg_per_day is not None
    return Charge(
        kg=kg,
        static_hold_h=at_rest_h,
        usable_h=at_rest_h * (REST_OF_MEASURED if measured else REST_OF_CATALOGUE),
        needed_h=planned_h * PLAN_FACTOR,
        full_charge_kg=dewar.full_charge_kg,
        measured=measured,
    )


def needed_kg(dewar: Dewar, planned_h: float) -> float | None:
    """Return the least weight that is enough for a plan, in kg; None where too little is told."""
    tare_kg, rate = dewar.tare_kg, dewar.evaporation_kg_per_h
    if tare_kg is None or rate is None:
        return None
    measured = dewar.evaporation_kg_per_day is not None
    rest = REST_OF_MEASURED if measured else REST_OF_CATALOGUE
    return tare_kg + SCALE_LIMIT_KG + planned_h * PLAN_FACTOR / rest * rate
