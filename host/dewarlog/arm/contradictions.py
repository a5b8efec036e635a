"""What a profile says against itself: settings a board takes one by one, and that undo another.

Right of the profile's model: pure. A `Contradiction` that is refused would make a rule say
nothing, or the wrong thing; one that is only doubted may be meant so, and a person is told. A
board can run by either, so a profile read from one is judged only when it is armed.

Of rules that judge the same channel, and one kind:
- a warning stands on the way to its hold limit: with a hold limit that is reached first the
  warning says nothing that HOLD has not said, and whoever relies on it has no time left;
- an excursion ends at threshold -+ hysteresis. Where liquid nitrogen cannot bring a probe back
  there, or where it is an excursion of the opposite rule, it never ends well;
- `above` a colder limit than `below`: every temperature is an excursion of one of the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

from dewarlog import words
from dewarlog.calibrate.nitrogen import boiling_point_degc
from dewarlog.errors import Mistake, ProfileInvalid
from dewarlog.profile.model import LimitRule, RateRule

if TYPE_CHECKING:
    from dewarlog.profile.model import Profile, Rule

# Air of 700 hPa: 3000 m of altitude. Trucks cross passes and holds are kept at 750 hPa or more
# (14 CFR 25.841: a cabin altitude of at most 8000 ft).
LOWEST_AIR_HPA: Final = 700.0
COLDEST_DEGC: Final = boiling_point_degc(LOWEST_AIR_HPA)
"""Colder than this boils no nitrogen on its way: -198.8 degC."""
SEA_LEVEL_DEGC: Final = boiling_point_degc(1013.25)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two settings that do not go together."""

    path: str
    """The key to change: `rules[2].threshold_degc`."""
    found: str
    """What stands there, and against what."""
    allowed: str
    """What would agree."""
    refused: bool
    """False: doubted, and told."""

    def __str__(self) -> str:
        return f"{self.path}: {self.found}; {self.allowed}"


def judge(profile: Profile, planned_s: float | None = None) -> tuple[Contradiction, ...]:
    """Name what contradicts itself; `planned_s` is how long the trip takes, where it is known."""
    found = [
        *_orders(profile),
        *_ends(profile),
        *_dwells(profile, planned_s),
        *_rates(profile),
        *_probes(profile),
        *_silent(profile),
    ]
    return tuple(found)


def expect_agreement(
    profile: Profile, where: str, planned_s: float | None = None
) -> tuple[Contradiction, ...]:
    """Return the doubts about a profile.

    Raises:
        ProfileInvalid: it contradicts itself; all of it by name.
    """
    found = judge(profile, planned_s)
    mistakes = [Mistake(one.path, one.found, one.allowed) for one in found if one.refused]
    if mistakes:
        raise ProfileInvalid(where, mistakes)
    return tuple(found)


def _refused(path: str, found: str, allowed: str) -> Contradiction:
    return Contradiction(path, found, allowed, refused=True)


def _doubted(path: str, found: str, allowed: str) -> Contradiction:
    return Contradiction(path, found, allowed, refused=False)


def _threshold(rule: Rule) -> float:
    return rule.threshold_degc if isinstance(rule, LimitRule) else rule.threshold_k_per_h


def _key(rule: Rule, name: str) -> str:
    return f"{name}_degc" if isinstance(rule, LimitRule) else f"{name}_k_per_h"


def _shown(rule: Rule, value: float) -> str:
    return words.degc(value) if isinstance(rule, LimitRule) else f"{value:g} K/h"


def _orders(profile: Profile) -> list[Contradiction]:
    """A hold limit that is reached before the warning; a band with nothing in it."""
    found: list[Contradiction] = []
    for (at, first), (other_at, second) in combinations(enumerate(profile.rules), 2):
        if not set(profile.channels_of(first)) & set(profile.channels_of(second)):
            continue
        if first.kind == second.kind and first.severity != second.severity:
            hold_at, hold, warn_at, warn = (
                (at, first, other_at, second)
                if first.severity == "hold"
                else (other_at, second, at, first)
            )
            found += _warning_late(hold_at, hold, warn_at, warn)
        if {first.kind, second.kind} == {"above", "below"}:
            above, below = (first, second) if first.kind == "above" else (second, first)
            if _threshold(above) <= _threshold(below):
                path = f"rules[{at if above is first else other_at}].threshold_degc"
                limit = _shown(below, _threshold(below))
                rule = other_at if above is first else at
                found.append(
                    _refused(
                        path,
                        f"{_shown(above, _threshold(above))}, an upper limit that is not above "
                        f"the lower one of rules[{rule}], {limit}: every reading breaks one",
                        f"above {limit}",
                    )
                )
    return found


def _warning_late(hold_at: int, hold: Rule, warn_at: int, warn: Rule) -> list[Contradiction]:
    path = f"rules[{hold_at}].{_key(hold, 'threshold')}"
    hold_limit, warn_limit = _threshold(hold), _threshold(warn)
    sooner = hold_limit > warn_limit if hold.kind == "below" else hold_limit < warn_limit
    words_of = {"above": "colder", "below": "warmer"}.get(hold.kind, "slower")
    at_least = {"above": "or warmer", "below": "or colder"}.get(hold.kind, "or more")
    if sooner:
        return [
            _refused(
                path,
                f"{_shown(hold, hold_limit)}, a hold limit {words_of} than the warn limit of "
                f"rules[{warn_at}], {_shown(warn, warn_limit)}: the warning would come after HOLD",
                f"{_shown(warn, warn_limit)} {at_least}",
            )
        ]
    if hold_limit == warn_limit and hold.mode == warn.mode and hold.dwell_s <= warn.dwell_s:
        return [
            _doubted(
                f"rules[{warn_at}].dwell_s",
                f"{warn.dwell_s} s, no shorter than that of the hold rule rules[{hold_at}] at the "
                "same limit: the warning says nothing that HOLD has not said",
                f"less than {hold.dwell_s} s",
            )
        ]
    return []


def _ends(profile: Profile) -> list[Contradiction]:
    """An excursion that cannot end, or ends in the opposite one."""
    found: list[Contradiction] = []
    for at, rule in enumerate(profile.rules):
        path = f"rules[{at}].{_key(rule, 'hysteresis')}"
        if isinstance(rule, RateRule):
            if rule.hysteresis_k_per_h > rule.threshold_k_per_h:
                found.append(
                    _refused(
                        path,
                        f"{rule.hysteresis_k_per_h} K/h, more than the threshold: an excursion "
                        "would not end while the reading stands still",
                        f"at most {rule.threshold_k_per_h} K/h",
                    )
                )
            continue
        back = rule.back_degc
        if rule.kind == "above" and rule.threshold_degc < COLDEST_DEGC:
            # No hysteresis mends that.
            found.append(
                _refused(
                    f"rules[{at}].threshold_degc",
                    f"{words.degc(rule.threshold_degc)}: liquid nitrogen is no colder than "
                    f"{words.degc(COLDEST_DEGC)}, and every reading an excursion",
                    f"{words.degc(COLDEST_DEGC)} or warmer",
                )
            )
        elif rule.kind == "above" and back < COLDEST_DEGC:
            most = rule.threshold_degc - COLDEST_DEGC
            found.append(
                _refused(
                    path,
                    f"{rule.hysteresis_degc:g} K: the excursion would end at {words.degc(back)}, "
                    f"and liquid nitrogen is no colder than {words.degc(COLDEST_DEGC)}",
                    f"at most {int(most * 10) / 10:g} K",
                )
            )
        for other_at, other in enumerate(profile.rules):
            if not isinstance(other, LimitRule) or other.kind == rule.kind:
                continue
            if not set(profile.channels_of(rule)) & set(profile.channels_of(other)):
                continue
            over = (
                back < other.threshold_degc
                if rule.kind == "above"
                else back > other.threshold_degc
            )
            # Where the limits themselves are in the wrong order, that is the thing to say.
            apart = (rule.threshold_degc - other.threshold_degc) * (
                1 if rule.kind == "above" else -1
            )
            if over and apart > 0:
                found.append(
                    _refused(
                        path,
                        f"{rule.hysteresis_degc:g} K: the excursion would end at "
                        f"{words.degc(back)}, in one of rules[{other_at}]",
                        f"at most {apart:g} K",
                    )
                )
    return found


def _dwells(profile: Profile, planned_s: float | None) -> list[Contradiction]:
    found: list[Contradiction] = []
    for at, rule in enumerate(profile.rules):
        path = f"rules[{at}].dwell_s"
        if planned_s is None:
            continue
        if isinstance(rule, RateRule) and rule.rate_window_s > planned_s:
            found.append(
                _refused(
                    f"rules[{at}].rate_window_s",
                    f"{rule.rate_window_s} s ({words.duration(rule.rate_window_s)}), longer than "
                    f"the trip, {words.duration(planned_s)}: the rule could say nothing",
                    f"at most {int(planned_s)} s",
                )
            )
        if rule.dwell_s > planned_s:
            found.append(
                _refused(
                    path,
                    f"{rule.dwell_s} s ({words.duration(rule.dwell_s)}), longer than the trip, "
                    f"{words.duration(planned_s)}: the rule could say nothing",
                    f"at most {int(planned_s)} s",
                )
            )
    tilt = profile.tilt
    if tilt.hold_band and planned_s is not None and tilt.hold_minutes * 60 > planned_s:
        found.append(
            _doubted(
                "tilt.hold_minutes",
                f"{tilt.hold_minutes} min, longer than the trip, {words.duration(planned_s)}: no "
                "tilt can mean HOLD",
                f"at most {int(planned_s // 60)} min",
            )
        )
    return found


def _rates(profile: Profile) -> list[Contradiction]:
    found: list[Contradiction] = []
    interval_ms = profile.sampling.interval_ms
    for at, rule in enumerate(profile.rules):
        if isinstance(rule, RateRule) and rule.rate_window_s * 1000 < interval_ms:
            found.append(
                _refused(
                    f"rules[{at}].rate_window_s",
                    f"{rule.rate_window_s} s, shorter than the interval, {interval_ms} ms: the "
                    "rate would be that of the interval",
                    f"{-(-interval_ms // 1000)} s or more",
                )
            )
        if 0 < rule.dwell_s * 1000 < interval_ms and not profile.sampling.fast_interval_ms:
            found.append(
                _doubted(
                    f"rules[{at}].dwell_s",
                    f"{rule.dwell_s} s, shorter than the interval, {interval_ms} ms: the rule "
                    "waits for the second sample all the same",
                    f"0, or {-(-interval_ms // 1000)} s or more",
                )
            )
    return found


def _probes(profile: Profile) -> list[Contradiction]:
    found: list[Contradiction] = []
    by_serial: dict[str, int] = {}
    for at, channel in enumerate(profile.channels):
        if channel.serial and channel.serial in by_serial:
            found.append(
                _refused(
                    f"channels[{at}].serial",
                    f"{channel.serial}, which is the probe of channel {by_serial[channel.serial]} "
                    "too",
                    "one serial for each probe",
                )
            )
        by_serial.setdefault(channel.serial, channel.channel)
    return found


def _silent(profile: Profile) -> list[Contradiction]:
    found: list[Contradiction] = []
    if not any(rule.severity == "hold" for rule in profile.rules):
        found.append(
            _doubted(
                "rules",
                "without one that means HOLD",
                "a limit with severity hold: without it no temperature means HOLD",
            )
        )
    for at, rule in enumerate(profile.rules):
        if rule.kind == "below" and rule.threshold_degc > SEA_LEVEL_DEGC:
            found.append(
                _doubted(
                    f"rules[{at}].threshold_degc",
                    f"{words.degc(rule.threshold_degc)}, a lower limit that a probe in liquid "
                    f"nitrogen breaks: it is at {words.degc(SEA_LEVEL_DEGC)}, at sea level",
                    f"{words.degc(SEA_LEVEL_DEGC)} or colder, unless the dewar is kept warmer",
                )
            )
    if profile.power.sleep == "light" and profile.radio.mode == "on":
        found.append(
            _doubted(
                "power.sleep",
                "light, which a board does not sleep while its radio is on",
                "idle, or radio.mode off",
            )
        )
    if profile.shock.hold_velocity_change_m_s and not profile.shock.hold_band:
        found.append(
            _doubted(
                "shock.hold_velocity_change_m_s",
                f"{profile.shock.hold_velocity_change_m_s:g} m/s, which no shock is held to while "
                "hold_band is 0",
                "0, or a hold_band from 1 to 3",
            )
        )
    return found
