"""The dry shipper: charge, boil-off, and the temperatures its probes see.

A lumped model, stepped forward when a converter looks. Liquid nitrogen holds the payload near its
boiling point until it is gone; the neck stands between it and the weather. Tilting, opening the
lid and drying out each add an excess that settles with a time constant. Orders of magnitude: a
4 L shipper holds ten days upright (0.76 W), loses 60 % of that on its side, days turn to hours
upside down. A dry-out is prescribed by what it must do (stand above a limit from then, for so
long), and the model finds the heat leak and the refill that make it so.
"""

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

BOIL_DEGC = -195.8  # at one atmosphere
_HOUR_US = 3600 * 1000000
_DAY_US = 24 * _HOUR_US
_STEP_US = 60 * 1000000  # no longer step than this, so that gaps integrate as well

# Steady excess over the boiling point, upright, lid closed; share of the dry-out's excess; share
# of the lid's excess.
PLACEMENTS = {
    "payload top": (3.5, 1.0, 0.08),
    "payload bottom": (0.7, 0.93, 0.02),
    "neck": (62.0, 0.45, 1.0),
    "other": (3.5, 1.0, 0.08),
}
_TILT_EXCESS_K = 7.0  # top of the payload at 90 degrees
_TILT_TIME_S = 2700.0
_LID_EXCESS_K = 70.0
_LID_OPEN_TIME_S = 240.0
_LID_SHUT_TIME_S = 1500.0
_COOLING_TIME_S = 420.0  # after a refill
_BOARD_TIME_S = 1200.0  # the board's box follows the weather
_BOARD_SELF_HEATING_K = 1.2
_DRY_HEAT_CAPACITY_J_PER_K = 160.0  # cold mass once the liquid is gone
_VAPORISATION_J_PER_KG = 199000.0


class Dewar:
    """State of the shipper at `at_us`; `micro_degc[placement]` is what a probe there sees.

    `settings`: hold_days, charge (part of full), ambient_mean_degc, ambient_swing_k,
    ambient_warmest_h, start_h (time of day when the scenario begins). `lids`, `heats` and
    `refills` are (start_us, end_us, ...) lists, `dry_outs` as in the scenario; `tilt_deg(us)` is
    the angle from upright.
    """

    def __init__(
        self,
        settings: "dict[str, Any]",
        lids: "list[Any]",
        heats: "list[Any]",
        refills: "list[Any]",
        dry_outs: "list[Any]",
        tilt_deg: "Callable[[int], float]",
    ) -> None:
        self.at_us = 0
        self.charge = settings["charge"]
        self._hold_us = settings["hold_days"] * _DAY_US
        self._mean = settings["ambient_mean_degc"]
        self._swing = settings["ambient_swing_k"]
        self._warmest_us = (settings["ambient_warmest_h"] - settings["start_h"]) * _HOUR_US
        self._full_kg = settings["full_kg"]
        self._lids = lids
        self._heats = heats
        self._refills = refills
        self._tilt_deg = tilt_deg
        self._tilt_excess = 0.0
        self._lid_excess = 0.0
        self._dry_excess = 0.0
        self._dry_outs = [_DryOut(*entry) for entry in dry_outs]
        self._next_refill = 0
        self.board_degc = self.ambient_degc(0) + _BOARD_SELF_HEATING_K
        self.board_micro_degc = 0
        self.micro_degc = dict.fromkeys(PLACEMENTS, 0)
        self._publish()

    def ambient_degc(self, now_us: int) -> float:
        """Return the temperature around the shipper."""
        degc = self._mean + self._swing * math.cos(
            (now_us - self._warmest_us) * (2 * math.pi / _DAY_US)
        )
        for start_us, end_us, by_k in self._heats:
            if start_us <= now_us < end_us:
                degc += by_k
        return degc

    def advance(self, now_us: int) -> None:
        """Bring the state up to `now_us`; time does not go back."""
        while now_us > self.at_us:
            step_us = now_us - self.at_us
            if step_us > _STEP_US:
                step_us = _STEP_US
            self._step(step_us)
        self._publish()

    def _publish(self) -> None:
        """Set out the temperatures as integers in micro-degC: readers make no garbage then."""
        self.board_micro_degc = int(self.board_degc * 1000000)
        for placement in PLACEMENTS:
            self.micro_degc[placement] = int(self.temperature_degc(placement) * 1000000)

    def temperature_degc(self, placement: str) -> float:
        """Return what a probe at `placement` would read without error."""
        steady, dry_share, lid_share = PLACEMENTS[placement]
        degc = BOIL_DEGC + steady + self._dry_excess * dry_share + self._lid_excess * lid_share
        if dry_share == 1.0:
            degc += self._tilt_excess
        return degc

    def _step(self, step_us: int) -> None:
        now_us = self.at_us + step_us
        self.at_us = now_us
        step_s = step_us / 1000000
        ambient = self.ambient_degc(now_us)
        self.board_degc += (ambient + _BOARD_SELF_HEATING_K - self.board_degc) * _part(
            step_s, _BOARD_TIME_S
        )
        angle = self._tilt_deg(now_us)
        side = angle / 90.0
        self._tilt_excess += (
            _TILT_EXCESS_K * (side if side < 1.5 else 1.5) - self._tilt_excess
        ) * _part(step_s, _TILT_TIME_S)
        lid_open = _inside(self._lids, now_us)
        if lid_open:
            self._lid_excess += (_LID_EXCESS_K - self._lid_excess) * _part(
                step_s, _LID_OPEN_TIME_S
            )
        elif self._lid_excess:
            self._lid_excess -= self._lid_excess * _part(step_s, _LID_SHUT_TIME_S)
        leak = (ambient - BOIL_DEGC) / (22.0 - BOIL_DEGC)
        if side <= 1.0:
            leak *= 1.0 + 1.5 * side * side
        else:
            leak *= 2.5 + 17.5 * (side - 1.0)
        if lid_open:
            leak *= 8.0
        self.charge -= leak * step_us / self._hold_us
        self._refill(now_us)
        self._dry_excess = self._excess(now_us, step_s, leak)

    def _refill(self, now_us: int) -> None:
        refills = self._refills
        while self._next_refill < len(refills) and refills[self._next_refill][0] <= now_us:
            self.charge = refills[self._next_refill][1]
            self._next_refill += 1

    def _excess(self, now_us: int, step_s: float, leak: float) -> float:
        """Return the payload's excess because the liquid is, or was, gone."""
        for dry_out in self._dry_outs:
            if dry_out.dry_us <= now_us < dry_out.over_us:
                self.charge = 0.0 if now_us < dry_out.refill_us else 1.0
                return dry_out.excess_k(now_us)
        excess = self._dry_excess
        if self.charge > 0.0:
            return excess - excess * _part(step_s, _COOLING_TIME_S)
        self.charge = 0.0
        nominal_w = self._full_kg * _VAPORISATION_J_PER_KG / (self._hold_us / 1000000)
        excess += nominal_w * leak * step_s / _DRY_HEAT_CAPACITY_J_PER_K
        return min(excess, self.board_degc - BOIL_DEGC)


class _DryOut:
    """The excess that puts the payload's top above a limit at `from_us` for exactly `for_us`.

    The liquid goes at `dry_us`, the payload warms evenly to `peak_degc`, is refilled at
    `refill_us` and cools towards the boiling point with the time constant of a refill.
    """

    def __init__(self, from_us: int, for_us: int, limit_degc: float, peak_degc: float) -> None:
        base = BOIL_DEGC + PLACEMENTS["payload top"][0]
        limit_k = limit_degc - base
        self._peak_k = peak_degc - base
        cooling_us = int(_COOLING_TIME_S * math.log(self._peak_k / limit_k) * 1000000)
        self.refill_us = from_us + for_us - cooling_us
        self._slope = (self._peak_k - limit_k) / (self.refill_us - from_us)
        self.dry_us = from_us - int(limit_k / self._slope)
        self.over_us = self.refill_us + int(12 * _COOLING_TIME_S * 1000000)

    def excess_k(self, now_us: int) -> float:
        if now_us < self.refill_us:
            return self._slope * (now_us - self.dry_us)
        return self._peak_k * math.exp((self.refill_us - now_us) / (_COOLING_TIME_S * 1000000))


def _part(step_s: float, time_s: float) -> float:
    """Return how much of the way to its goal a first-order lag goes in one step."""
    part = step_s / time_s
    return part if part < 0.02 else 1.0 - math.exp(-part)


def _inside(spans: "list[Any]", now_us: int) -> bool:
    for span in spans:
        if span[0] <= now_us < span[1]:
            return True
    return False
