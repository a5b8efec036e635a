"""What a board looks like from one look to the next: its figures, named, with what went before.

Place in the line: beside requests, which asks; monitor_view draws what is made here. Pure: takes
what the board said and the time, and keeps the last minutes of each channel. Nothing here trusts
the board's text: monitor_view escapes it. Figures: protocol/SPEC.md, STATUS_REPLY and LIVE_REPLY.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from dewarlog.profile.parts import RateRule
from dewarlog.records import named, unix_s_of
from dewarlog_wire import layout

if TYPE_CHECKING:
    from dewarlog.bench.requests import Live
    from dewarlog.profile.model import Profile
    from dewarlog.profile.parts import Rule
    from dewarlog.replies import Board, Status

TREND_S: Final = 600.0
"""How far a trend reaches back."""
SLOPE_LEAST_S: Final = 30.0
"""What a slope needs of it: less would show the noise of two samples."""
_SLOPE_LEAST_POINTS: Final = 3
_PEAK_COUNTS_PER_G: Final = 10  # an ADXL372 count is 100 mg
# MAX31856, voltage mode: code = gain x 1.6 x 2**17 x volts (data sheet rev. 0, p. 20, note 7).
_CODES_PER_UV_AND_GAIN: Final = 1.6 * 2**17 / 1e6
_ANGLE_UNKNOWN: Final = 255


@dataclass(frozen=True, slots=True)
class ChannelLook:
    """One fitted channel now."""

    number: int
    """From 0, as on the wire; a person counts from 1."""
    name: str
    """Where the probe is, and its type; the board's own words."""
    reading_degc: float | None
    state: str
    """Of layout.STATE_NAMES."""
    voltage_uv: float | None
    """At the converter's input; None where the board tells no raw figures."""
    cold_junction_degc: float | None
    fault: int | None
    """The converter's fault register."""
    trend_degc: tuple[float, ...]
    """The readings of the last TREND_S, the newest last."""
    slope_k_per_h: float | None
    """Of a straight line through them; None while they are too few."""
    worst_rule: str
    """The gravest of the rules that are past their threshold: "hold", "warn", "pending" or ""."""


@dataclass(frozen=True, slots=True)
class RuleLook:
    """One rule of the profile now."""

    number: int
    text: str
    severity: str
    """hold, warn, or "" where the profile is not known."""
    state: str
    """"active" while an excursion is open, "pending" within its dwell, else ""."""


@dataclass(frozen=True, slots=True)
class Look:
    """Everything one look found. `live` is None where the board tells no figures."""

    at_unix_s: float
    board: Board
    status: Status
    live: Live | None
    profile: Profile | None
    channels: tuple[ChannelLook, ...]
    rules: tuple[RuleLook, ...]
    clock_offset_s: float | None
    """The board's clock less this computer's; None while it is not set."""
    notes: tuple[str, ...]
    """What could not be had, and why."""

    def data(self) -> dict[str, Any]:
        """Return the look as JSON has it."""
        return {
            "at_unix_s": round(self.at_unix_s, 3),
            "device_id": self.board.name,
            "connected": True,
            "clock_offset_s": self.clock_offset_s,
            "channels": [
                {key: value for key, value in asdict(channel).items() if key != "trend_degc"}
                for channel in self.channels
            ],
            "rules": [asdict(rule) for rule in self.rules],
            "status": asdict(self.status),
            "live": None if self.live is None else asdict(self.live),
            "notes": list(self.notes),
        }

    @property
    def shock_peak_g(self) -> float | None:
        """Of the last shock of this run; None where there was none."""
        if self.live is None or not self.live.shocks:
            return None
        return self.live.shock_peak / _PEAK_COUNTS_PER_G

    @property
    def tilt_angle_deg(self) -> int | None:
        """From upright; None where the board does not know it."""
        if self.live is None or self.live.tilt_angle_deg == _ANGLE_UNKNOWN:
            return None
        return self.live.tilt_angle_deg

    @property
    def awake_share(self) -> float | None:
        """The part of the time since the boot that the board did not sleep, 0 to 1."""
        if self.live is None or not self.status.uptime_s:
            return None
        return min(1.0, self.live.awake_s / self.status.uptime_s)

    @property
    def parts_failed(self) -> tuple[str, ...]:
        """The parts that are not well, each with what is wrong."""
        if self.live is None:
            return ()
        return tuple(
            f"{name} {named(layout.SENSOR_STATE_NAMES, state)}"
            for name, state in self.live.part_states.items()
            if state
        )


class Monitor:
    """Keeps what the looks before have shown."""

    def __init__(self) -> None:
        self._trends: dict[int, deque[tuple[float, float]]] = {}
        self._seen: tuple[int, int, int] | None = None  # run, boot, samples

    def look(
        self,
        at_unix_s: float,
        board: Board,
        status: Status,
        live: Live | None,
        profile: Profile | None,
        notes: tuple[str, ...] = (),
    ) -> Look:
        """Take what the board said at a moment of this computer's clock; return the whole look."""
        if self._seen is None or self._seen[0] != status.run:
            self._trends.clear()
        seen = (status.run, status.boot, status.samples)
        rules = _rules(status, live, profile)
        if seen != self._seen:
            self._note(at_unix_s, status)
        self._seen = seen
        return Look(
            at_unix_s,
            board,
            status,
            live,
            profile,
            self._channels(at_unix_s, status, live, profile, rules),
            rules,
            _clock_offset_s(at_unix_s, status),
            notes,
        )

    def _note(self, at_unix_s: float, status: Status) -> None:
        for number, code in enumerate(status.readings):
            if layout.state_of(code) == layout.STATE_OK:
                trend = self._trends.setdefault(number, deque())
                trend.append((at_unix_s, code / layout.TEMPERATURE_PER_DEGC))

    def _channels(
        self,
        at_unix_s: float,
        status: Status,
        live: Live | None,
        profile: Profile | None,
        rules: tuple[RuleLook, ...],
    ) -> tuple[ChannelLook, ...]:
        looks: list[ChannelLook] = []
        for number, code in enumerate(status.readings):
            state = layout.state_of(code)
            if state == layout.STATE_ABSENT:
                continue
            is_read = state == layout.STATE_OK
            trend = self._trends.get(number, deque[tuple[float, float]]())
            while trend and trend[0][0] < at_unix_s - TREND_S:
                trend.popleft()
            reading_degc = code / layout.TEMPERATURE_PER_DEGC if is_read else None
            gain = 32 if profile is None else profile.sampling.gain
            looks.append(
                ChannelLook(
                    number,
                    _channel_name(number, profile),
                    reading_degc,
                    named(layout.STATE_NAMES, state),
                    None
                    if live is None
                    else round(live.voltages_raw[number] / gain / _CODES_PER_UV_AND_GAIN, 2),
                    _cold_junction_degc(number, status, live),
                    None if live is None else live.faults[number],
                    tuple(value for _, value in trend),
                    slope_k_per_h(tuple(trend)),
                    _worst(number, reading_degc, rules, profile),
                )
            )
        return tuple(looks)


def slope_k_per_h(trend: tuple[tuple[float, float], ...]) -> float | None:
    """Return the slope of the least-squares line through (s, degC); None for too short a trend."""
    if len(trend) < _SLOPE_LEAST_POINTS or trend[-1][0] - trend[0][0] < SLOPE_LEAST_S:
        return None
    middle_s = sum(at for at, _ in trend) / len(trend)
    middle = sum(value for _, value in trend) / len(trend)
    square = sum((at - middle_s) ** 2 for at, _ in trend)
    return sum((at - middle_s) * (value - middle) for at, value in trend) / square * 3600


def rule_text(rule: Rule, channels: tuple[int, ...]) -> str:
    """Say what a rule forbids: `above 20 degC for 5 min, probes 1, 2`."""
    if isinstance(rule, RateRule):
        text = f"{rule.kind} over {rule.threshold_k_per_h} K/h"
    else:
        text = f"{rule.kind} {rule.threshold_degc:g} \u00b0C"
    if rule.dwell_s:
        whole = rule.dwell_s % 60 == 0
        dwell = f"{rule.dwell_s // 60} min" if whole else f"{rule.dwell_s} s"
        text += f" {'for' if rule.mode == 'single' else 'in all'} {dwell}"
    probes = ", ".join(str(number + 1) for number in channels)
    return f"{text}, {'probes' if len(channels) > 1 else 'probe'} {probes}".replace("-", "\u2212")


def _rules(status: Status, live: Live | None, profile: Profile | None) -> tuple[RuleLook, ...]:
    pending = 0 if live is None else live.rules_pending
    known = () if profile is None else profile.rules
    count = max(len(known), (status.rules_active | pending).bit_length())
    looks: list[RuleLook] = []
    for number in range(count):
        bit = 1 << number
        state = "active" if status.rules_active & bit else "pending" if pending & bit else ""
        if profile is None or number >= len(known):
            looks.append(RuleLook(number, "its text is not known", "", state))
            continue
        rule = known[number]
        text = rule_text(rule, profile.channels_of(rule))
        looks.append(RuleLook(number, text, rule.severity, state))
    return tuple(looks)


def _worst(
    number: int, reading_degc: float | None, rules: tuple[RuleLook, ...], profile: Profile | None
) -> str:
    """Return the gravest rule this channel breaks: STATUS says which rules, not by which probe."""
    if profile is None:
        return ""
    found = {
        look.severity if look.state == "active" else "pending"
        for look, rule in zip(rules, profile.rules, strict=False)
        if look.state and number in profile.channels_of(rule) and _can_be(rule, reading_degc)
    }
    return next((name for name in ("hold", "warn", "pending") if name in found), "")


def _can_be(rule: Rule, reading_degc: float | None) -> bool:
    """Tell whether a probe that reads this may be the one in a rule's excursion."""
    if reading_degc is None:
        return False
    if isinstance(rule, RateRule):
        return True
    beyond = reading_degc - rule.back_degc
    return beyond > 0 if rule.kind == "above" else beyond < 0


def _channel_name(number: int, profile: Profile | None) -> str:
    if profile is not None:
        for channel in profile.channels:
            if channel.channel == number:
                return f"{channel.placement}, {channel.probe_type}"
    return ""


def _cold_junction_degc(number: int, status: Status, live: Live | None) -> float | None:
    if live is not None:
        return live.cold_junctions_raw[number] / layout.COLD_JUNCTION_PER_DEGC
    if status.cold_junction < layout.READING_MIN:
        return None
    return status.cold_junction / layout.COLD_JUNCTION_PER_DEGC


def _clock_offset_s(at_unix_s: float, status: Status) -> float | None:
    unix_s = unix_s_of(status.utc_s)
    if unix_s is None or status.clock_state != layout.CLOCK_OK:
        return None
    return round(unix_s - at_unix_s, 1)
