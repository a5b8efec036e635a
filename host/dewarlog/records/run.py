"""What the first block of a run says: how it samples, its probes, rules and preparation."""

from __future__ import annotations

from dataclasses import dataclass

from dewarlog.records.codes import COUNTS_PER_DEGC, named, refusal_names
from dewarlog_wire import layout

_POLICY_REFUSE = layout.CALIBRATION_POLICY_NAMES.index("refuse")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the run samples."""

    interval_ms: int
    fast_interval_ms: int
    conversions: int
    gain: int
    full_policy: int


@dataclass(frozen=True, slots=True)
class Channel:
    """One fitted probe and its calibration."""

    channel: int
    probe_type: str
    placement: str
    offset_count: int
    calibration_u_count: int
    calibrated_unix_s: int | None
    calibration_due_unix_s: int | None
    serial: str

    @property
    def name(self) -> str:
        """Say which probe this is, as a person counts: probe 1 is channel 0."""
        return f"probe {self.channel + 1}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One excursion rule of the shipment profile; see protocol/SPEC.md on excursions."""

    rule: int
    kind: int
    mode: int
    severity: int
    channel_mask: int
    threshold: int
    hysteresis: int
    dwell_s: int
    rate_window_s: int

    @property
    def is_rate(self) -> bool:
        """True where the threshold is a rate in K/h rather than a temperature."""
        return self.kind in (layout.RULE_RISING, layout.RULE_FALLING)

    @property
    def holds(self) -> bool:
        """True where reaching this rule means HOLD."""
        return self.severity == layout.SEVERITY_HOLD

    @property
    def threshold_degc(self) -> float:
        """Give the threshold of a level rule in degC."""
        return self.threshold / COUNTS_PER_DEGC

    def watches(self, channel: int) -> bool:
        """Say whether this rule looks at that channel."""
        return bool(self.channel_mask >> channel & 1)


@dataclass(frozen=True, slots=True)
class ShockSettings:
    """When a shock is captured and when it means HOLD."""

    rate_hz: int
    count_mg: int
    range_g: int
    trigger_count: int
    quiet_ms: int
    pre_trigger: int
    window: int
    band_1_g: int
    band_2_g: int
    band_3_g: int
    hold_band: int
    hold_velocity_change_mm_s: int

    @property
    def band_edges_g(self) -> tuple[int, int, int]:
        """Give the lower edges of the severity bands."""
        return (self.band_1_g, self.band_2_g, self.band_3_g)


@dataclass(frozen=True, slots=True)
class TiltSettings:
    """The angle bands and when time in them means HOLD."""

    edge_1_deg: int
    edge_2_deg: int
    edge_3_deg: int
    hold_band: int
    hold_minutes: int
    period_s: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """One point at which a probe was compared with a reference."""

    channel: int
    point: int
    reference_count: int  # what the probe should have read
    indicated_count: int  # what it read, without any offset
    u_count: int
    pressure_pa: int  # of the air over liquid nitrogen; 0: not needed
    unix_s: int | None
    serial: str
    reference: str

    @property
    def point_name(self) -> str:
        """Say at which point."""
        return named(layout.CALIBRATION_POINT_NAMES, self.point)

    @property
    def deviation_count(self) -> int:
        """Give how far the probe read above the reference."""
        return self.indicated_count - self.reference_count


@dataclass(frozen=True, slots=True)
class Handling:
    """What the profile asks of those who handle the product and of those who begin a run."""

    thaw_to_infusion_min: int  # 0: not told
    calibration_policy: int

    @property
    def refuses_overdue(self) -> bool:
        """True where a run must not begin, nor go on, past a calibration's due date."""
        return self.calibration_policy == _POLICY_REFUSE


@dataclass(frozen=True, slots=True)
class Arming:
    """Who began this run, for what plan, and what stood against it."""

    unix_s: int | None
    planned_s: int
    static_hold_s: int  # 0: not known
    charge_g: int  # 0: not weighed
    overridden: int  # bits: layout.ARM_REFUSAL_NAMES
    actor: str
    reason: str

    @property
    def overridden_names(self) -> tuple[str, ...]:
        """Name every refusal the run was begun over, in the order of their bits."""
        return refusal_names(self.overridden)


@dataclass(frozen=True, slots=True)
class Run:
    """Everything the first block of a run says."""

    run: int
    device_id: bytes
    log_id: bytes
    firmware: str
    micropython: str
    began_unix_s: int | None
    texts: tuple[tuple[str, str], ...]
    sampling: Sampling | None
    channels: tuple[Channel, ...]
    rules: tuple[Rule, ...]
    shock_settings: ShockSettings | None
    tilt_settings: TiltSettings | None
    calibrations: tuple[Calibration, ...] = ()
    handling: Handling | None = None
    arming: Arming | None = None

    def text(self, name: str) -> str | None:
        """Give the first text of that name (layout.TEXT_NAMES), or None."""
        return next((value for key, value in self.texts if key == name), None)

    def all_texts(self, name: str) -> tuple[str, ...]:
        """Give every text of that name, in order."""
        return tuple(value for key, value in self.texts if key == name)

    def channel(self, number: int) -> Channel | None:
        """Give the settings of one channel, or None where none are stored."""
        return next((item for item in self.channels if item.channel == number), None)

    def calibrations_of(self, channel: int) -> tuple[Calibration, ...]:
        """Give the points at which one channel was compared, those of another probe too."""
        return tuple(item for item in self.calibrations if item.channel == channel)

    def rule(self, number: int) -> Rule | None:
        """Give one rule by its number, or None."""
        return next((item for item in self.rules if item.rule == number), None)
