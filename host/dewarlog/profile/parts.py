"""The parts of a profile, each a frozen model: texts, sampling, a channel, a rule, and the rest.

Below profile.py, which makes a whole of them. Ranges, defaults and what must agree with what are
the board's own (firmware/dewarlog_firmware/config.py explains each key); tests hold the two
together.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer, model_validator
from pydantic_core import PydanticCustomError

from dewarlog.profile import settings
from dewarlog.profile.settings import (
    Channels,
    Day,
    Flag,
    Items,
    Moment,
    Number,
    OneOf,
    OrNull,
    Rising,
    Serial,
    Text,
    Whole,
)
from dewarlog_wire import layout

CHANNELS_MAX: Final = 4
INSTRUCTIONS_MAX: Final = 12
CALIBRATIONS_MAX: Final = 4
RATE_WINDOWS_MAX: Final = 2
CONVERSION_MIN_MS: Final = 1000
"""The converter takes up to 800 ms for one conversion: none may be due sooner."""
# Samples before a shock's trigger: fewer make no baseline, more do not fit the sensor's FIFO.
_PRE_TRIGGER_MIN: Final = 8
_PRE_TRIGGER_MAX: Final = 128
_SHOCK_WINDOW_MAX: Final = 4096


class Section(BaseModel):
    """One object of a profile: frozen, with no key that is not named here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def differing(self) -> list[tuple[str, str]]:
        """Return the keys that do not fit the others of this object, and what they may be."""
        return []

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if mistakes := self.differing():
            raise PydanticCustomError(
                settings.SEVERAL, "keys that do not fit", {"mistakes": mistakes}
            )
        return self


def _day(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def _moment(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def _number(value: float | None) -> float | int | None:
    return int(value) if value is not None and value == int(value) else value


OptionalDay = Annotated[date | None, Day(), PlainSerializer(_day)]
UtcMoment = Annotated[AwareDatetime, Moment(), PlainSerializer(_moment)]
_PLAIN: Final = PlainSerializer(_number)


def round_as_board(value: float) -> int:
    """Round to the nearest, half away from zero, as the board makes counts."""
    return int(value + 0.5) if value >= 0 else -int(0.5 - value)


class Texts(Section):
    """What a person reads of a trip; an empty text is left out of the log."""

    board: Annotated[str, Text()] = ""
    dewar: Annotated[str, Text()] = ""
    shipment: Annotated[str, Text()] = ""
    profile: Annotated[str, Text()] = ""
    contact: Annotated[str, Text()] = ""
    instructions: Annotated[tuple[Annotated[str, Text()], ...], Items(0, INSTRUCTIONS_MAX)] = ()
    chain_of_identity: Annotated[str, Text()] = ""
    hardware: Annotated[str, Text()] = ""
    account: Annotated[str, Text()] = ""
    purchase_order: Annotated[str, Text()] = ""
    cost_centre: Annotated[str, Text()] = ""
    consignee: Annotated[str, Text()] = ""


class Sampling(Section):
    """When probes are read, and how the converter measures."""

    interval_ms: Annotated[int, Whole(1000, 600000)] = 10000
    fast_interval_ms: Annotated[int, Whole(0, 600000)] = 0
    conversions: Annotated[int, Whole(1, 60)] = 1
    gain: Annotated[int, OneOf((8, 32))] = 32
    averaging: Annotated[int, OneOf((1, 2, 4, 8, 16))] = 16
    mains_hz: Annotated[int, OneOf((50, 60))] = 50
    when_full: Annotated[str, OneOf(("stop", "overwrite"))] = "stop"

    def differing(self) -> list[tuple[str, str]]:
        """Intervals hold whole conversions, and the fast one is no slower."""
        mistakes: list[tuple[str, str]] = []
        if self.fast_interval_ms > self.interval_ms:
            most = f"a whole number from 0 to {self.interval_ms}"
            mistakes.append(("fast_interval_ms", most))
        least = CONVERSION_MIN_MS * self.conversions
        allowed = f"{least} or more and a multiple of the {self.conversions} conversions"
        for key in ("interval_ms", "fast_interval_ms"):
            interval_ms = getattr(self, key)
            due = interval_ms or key == "interval_ms"
            if due and (interval_ms < least or interval_ms % self.conversions):
                mistakes.append((key, allowed))
        return mistakes


class CalibrationPoint(Section):
    """One comparison of a probe with something better known."""

    point: Annotated[str, OneOf(layout.CALIBRATION_POINT_NAMES)]
    reference_degc: Annotated[float, Number(-250, 130), _PLAIN]
    indicated_degc: Annotated[float, Number(-250, 130), _PLAIN]
    """What the probe read, without any offset."""
    u_degc: Annotated[float, Number(0, 10), _PLAIN]
    """Standard uncertainty of the comparison."""
    pressure_hpa: Annotated[float | None, OrNull(Number(300, 1100)), _PLAIN] = None
    """Of the air over liquid nitrogen; None where it does not matter."""
    at: UtcMoment
    serial: Annotated[str, Serial()] = ""
    """Of the probe then: another one now makes this void."""
    reference: Annotated[str, Text(layout.SECTION_TEXT_MAX_BYTES)] = ""
    """With what it was compared."""


class Channel(Section):
    """One fitted probe."""

    channel: Annotated[int, Whole(0, CHANNELS_MAX - 1)]
    probe_type: Annotated[str, OneOf(("T", "K", "E"))] = "T"
    placement: Annotated[str, OneOf(layout.PLACEMENT_NAMES)] = layout.PLACEMENT_NAMES[0]
    offset_degc: Annotated[float, Number(-10, 10), _PLAIN] = 0
    calibration_u_degc: Annotated[float, Number(0, 10), _PLAIN] = 0
    calibrated: OptionalDay = None
    calibration_due: OptionalDay = None
    serial: Annotated[str, Serial()] = ""
    calibration: Annotated[tuple[CalibrationPoint, ...], Items(0, CALIBRATIONS_MAX)] = ()

    def differing(self) -> list[tuple[str, str]]:
        """A calibration is due after it was made; a fixed point stands once."""
        mistakes: list[tuple[str, str]] = []
        due = self.calibration_due
        if due is not None and (self.calibrated is None or due <= self.calibrated):
            allowed = "a day after `calibrated`, which must be given"
            mistakes.append(("calibration_due", allowed))
        fixed: set[str] = set()
        for index, one in enumerate(self.calibration):
            if one.point in fixed:
                mistakes.append((f"calibration[{index}].point", "each fixed point once"))
            if one.point != layout.CALIBRATION_POINT_NAMES[-1]:
                fixed.add(one.point)
        return mistakes


class _Rule(Section):
    channels: Annotated[Literal["all"] | tuple[int, ...], Channels()] = "all"
    dwell_s: Annotated[int, Whole(0, 1209600)] = 0
    mode: Annotated[Literal["single", "cumulative"], OneOf(("single", "cumulative"))] = "single"
    severity: Annotated[Literal["warn", "hold"], OneOf(("warn", "hold"))] = "hold"


class LimitRule(_Rule):
    """A limit: an excursion is what lies above or below it."""

    kind: Literal["above", "below"]
    threshold_degc: Annotated[float, Number(settings.LOWEST_DEGC, settings.HIGHEST_DEGC), _PLAIN]
    hysteresis_degc: Annotated[float, Number(0, 100), _PLAIN] = 1

    @property
    def back_degc(self) -> float:
        """Where an excursion ends."""
        away = -self.hysteresis_degc if self.kind == "above" else self.hysteresis_degc
        return self.threshold_degc + away

    def differing(self) -> list[tuple[str, str]]:
        """The end of an excursion can be read."""
        per_degc = layout.TEMPERATURE_PER_DEGC
        threshold, hysteresis = (
            round_as_board(self.threshold_degc * per_degc),
            round_as_board(self.hysteresis_degc * per_degc),
        )
        back = threshold - hysteresis if self.kind == "above" else threshold + hysteresis
        if not settings.LOWEST_DEGC * per_degc <= back <= settings.HIGHEST_DEGC * per_degc:
            return [("hysteresis_degc", "an end of the excursion that can be read")]
        return []


class RateRule(_Rule):
    """A limit on how fast a reading changes."""

    kind: Literal["rising", "falling"]
    threshold_k_per_h: Annotated[int, Whole(1, 30000)]
    hysteresis_k_per_h: Annotated[int, Whole(0, 30000)] = 0
    rate_window_s: Annotated[int, Whole(60, 21600)] = 600


Rule = LimitRule | RateRule


class Shock(Section):
    """What of a shock is captured, and what it means."""

    rate_hz: Annotated[int, OneOf((800, 1600, 3200, 6400))] = 3200
    trigger_g: Annotated[float | None, Number(1.5, 200), _PLAIN] = None
    """None: 8 g, or less where the first band asks for it."""
    quiet_ms: Annotated[int, Whole(5, 500)] = 30
    pre_trigger_ms: Annotated[int, Whole(0, 1000)] = 10
    window_ms: Annotated[int, Whole(20, 10000)] = 320
    bands_g: Annotated[tuple[int, int, int], Rising(8, 340)] = (25, 50, 100)
    hold_band: Annotated[int, Whole(0, layout.SHOCK_BANDS)] = 3
    hold_velocity_change_m_s: Annotated[float, Number(0, 65), _PLAIN] = 0

    def differing(self) -> list[tuple[str, str]]:
        """The trigger misses no shock of the first band; the window fits sensor and block."""
        mistakes: list[tuple[str, str]] = []
        # A resultant of the first band has at least that / sqrt(3) on one axis, less 1 g.
        highest_g = (self.bands_g[0] * 577 // 100 - 10) / 10
        if self.trigger_g is not None and not 1.5 <= self.trigger_g <= highest_g:
            mistakes.append(("trigger_g", Number(1.5, highest_g).allowed))
        before = Whole(
            (_PRE_TRIGGER_MIN * 1000 + self.rate_hz - 1) // self.rate_hz,
            _PRE_TRIGGER_MAX * 1000 // self.rate_hz,
        )
        if not before.lowest <= self.pre_trigger_ms <= before.highest:
            mistakes.append(("pre_trigger_ms", before.allowed))
        window = Whole(20, _SHOCK_WINDOW_MAX * 1000 // self.rate_hz)
        if not window.lowest <= self.window_ms <= window.highest:
            mistakes.append(("window_ms", window.allowed))
        elif self._samples(self.window_ms) < 2 * self._samples(self.pre_trigger_ms):
            mistakes.append(("window_ms", "at least twice pre_trigger_ms"))
        return mistakes

    def _samples(self, duration_ms: int) -> int:
        return duration_ms * self.rate_hz // 1000


class Tilt(Section):
    """Bands of the angle from upright, and the minutes in them that mean HOLD."""

    edges_deg: Annotated[tuple[int, int, int], Rising(1, 179)] = (30, 60, 120)
    hold_band: Annotated[int, Whole(0, layout.TILT_BANDS - 1)] = 2
    hold_minutes: Annotated[int, Whole(1, 20160)] = 60
    period_s: Annotated[int, Whole(1, 600)] = 10


class Radio(Section):
    """What the radio does from the start of a run."""

    mode: Annotated[str, OneOf(("off", "on"))] = "on"
    advertise_ms: Annotated[int, Whole(100, 10000)] = 1000


class Access(Section):
    """Whether the board locks itself at each start."""

    lock: Annotated[bool, Flag()] = False


class Power(Section):
    """How deep the board sleeps between samples."""

    sleep: Annotated[Literal["idle", "light"], OneOf(("idle", "light"))] = "idle"
    """`light`: its clocks stop while radio and USB are off."""


class Handling(Section):
    """What is asked of those who handle the product, and of those who begin a run."""

    thaw_to_infusion_min: Annotated[int, Whole(0, 10080)] = 0
    """From thaw start to infuse at most; 0: not told."""
    calibration_policy: Annotated[
        Literal["warn", "refuse"], OneOf(layout.CALIBRATION_POLICY_NAMES)
    ] = "warn"
    """What arming and flashing do past a calibration's due date."""


class Arming(Section):
    """Who began the run of this profile, for what plan, and against what."""

    at: UtcMoment
    planned_h: Annotated[float, Number(0.1, 2160), _PLAIN]
    static_hold_h: Annotated[float | None, OrNull(Number(0.1, 8760)), _PLAIN] = None
    """What the charge gives at rest; None: not known."""
    charge_g: Annotated[int | None, OrNull(Whole(1, 100000))] = None
    """Liquid nitrogen by weight; None: not weighed."""
    overridden: Annotated[
        tuple[Annotated[str, OneOf(layout.ARM_REFUSAL_NAMES)], ...],
        Items(0, len(layout.ARM_REFUSAL_NAMES)),
    ] = ()
    actor: Annotated[str, Text(layout.SECTION_TEXT_MAX_BYTES)]
    reason: Annotated[str, Text(layout.SECTION_TEXT_MAX_BYTES)] = ""

    def differing(self) -> list[tuple[str, str]]:
        """Somebody arms, and says why where anything is overridden."""
        mistakes: list[tuple[str, str]] = []
        if not self.actor.strip():
            mistakes.append(("actor", "who armed the board"))
        if self.overridden and not self.reason.strip():
            mistakes.append(("reason", "a reason, because something is overridden"))
        return mistakes
