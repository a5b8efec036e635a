"""What a log says, as frozen data: one class a noun, units in every name.

Made by readings.py from the bytes, read by checks and report. Nothing here opens a file.
Event classes carry their fields in the order of protocol/dewarlog_wire/layout.py, so that one
`struct` unpack fills one object; a test holds the two lists together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

COUNTS_PER_DEGC = layout.TEMPERATURE_PER_DEGC
_POLICY_REFUSE = layout.CALIBRATION_POLICY_NAMES.index("refuse")


# --- The run ------------------------------------------------------------------------------------
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


# --- Samples ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ChannelSamples:
    """One channel's readings in a span, in counts of 1/128 degC.

    Where `states` is not ok the count beside it is a filler and means nothing.
    """

    counts: NDArray[np.int16]
    states: NDArray[np.uint8] | None  # None: every reading is a temperature
    low_counts: NDArray[np.int16] | None  # None: one conversion a sample, so low = high = reading
    high_counts: NDArray[np.int16] | None


@dataclass(frozen=True, slots=True)
class SampleSpan:
    """Samples of one boot with one interval between them and no gap."""

    boot: int
    block_seq: int | None  # None: from the open journal
    first_sample: int
    start_ms: int  # uptime of the first sample's nominal time
    interval_ms: int
    count: int
    channels: Mapping[int, ChannelSamples]
    cold_junction_counts: NDArray[np.int16] | None  # 1/64 degC
    cold_junction_states: NDArray[np.uint8] | None
    lateness_ms: NDArray[np.int16] | None  # None: every sample stands at its nominal time

    @property
    def end_sample(self) -> int:
        """Give the number after the last sample."""
        return self.first_sample + self.count

    @property
    def last_nominal_ms(self) -> int:
        """Give the nominal uptime of the last sample."""
        return self.start_ms + (self.count - 1) * self.interval_ms

    def times_ms(self) -> NDArray[np.int64]:
        """Give the uptime of every sample, lateness added."""
        import numpy as np  # noqa: PLC0415 - the commands that read no samples must not pay for it

        times = np.arange(self.count, dtype=np.int64)
        times *= self.interval_ms
        times += self.start_ms
        if self.lateness_ms is not None:
            times += self.lateness_ms
        return times

    def time_of_ms(self, sample: int) -> int:
        """Give the uptime of one sample of this span, lateness added."""
        index = sample - self.first_sample
        late = 0 if self.lateness_ms is None else int(self.lateness_ms[index])
        return self.start_ms + index * self.interval_ms + late

    def readings_degc(self, channel: int) -> NDArray[np.float64]:
        """Give one channel's readings in degC, NaN where there is no temperature."""
        import numpy as np  # noqa: PLC0415

        samples = self.channels[channel]
        readings = samples.counts / float(COUNTS_PER_DEGC)
        if samples.states is not None:
            readings[samples.states != layout.STATE_OK] = np.nan
        return readings

    def cold_junction_degc(self) -> NDArray[np.float64]:
        """Give the cold junction in degC, NaN where no converter told it."""
        import numpy as np  # noqa: PLC0415

        if self.cold_junction_counts is None:
            return np.full(self.count, np.nan)
        readings = self.cold_junction_counts / float(layout.COLD_JUNCTION_PER_DEGC)
        if self.cold_junction_states is not None:
            readings[self.cold_junction_states != layout.STATE_OK] = np.nan
        return readings


@dataclass(frozen=True, slots=True)
class RawSet:
    """What the converter said for one sample, before linearisation."""

    channel: int
    fault: int
    index: int  # sample index within the span it came with
    voltage_raw: int
    cold_junction_raw: int


@dataclass(frozen=True, slots=True)
class ShockWindow:
    """One captured shock: three columns of acceleration counts."""

    boot: int
    block_seq: int
    start_ms: int
    shock: int
    trigger: int
    rate_hz: int
    count_mg: int
    flags: int
    counts: tuple[NDArray[np.int16], NDArray[np.int16], NDArray[np.int16]]


# --- Events -------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Event:
    """One numbered record of the event stream. Subclasses add the fields of their kind."""

    KIND: ClassVar[int] = 0
    NAME: ClassVar[str] = "unknown"

    number: int
    boot: int
    uptime_ms: int


@dataclass(frozen=True, slots=True)
class UnknownEvent(Event):
    """An event of a kind this host does not know: kept, reported as not read."""

    kind: int
    body: bytes


@dataclass(frozen=True, slots=True)
class BootEvent(Event):
    """The board started."""

    KIND: ClassVar[int] = layout.KIND_BOOT
    NAME: ClassVar[str] = "boot"

    cause: int
    boot_number: int
    recovered_samples: int
    dropped_bytes: int
    utc_s: int
    clock_state: int


@dataclass(frozen=True, slots=True)
class StopEvent(Event):
    """The run was stopped."""

    KIND: ClassVar[int] = layout.KIND_STOP
    NAME: ClassVar[str] = "stop"

    cause: int


@dataclass(frozen=True, slots=True)
class ClockRead(Event):
    """The clock chip said a time: the true one was in [utc_s, utc_s + 1)."""

    KIND: ClassVar[int] = layout.KIND_CLOCK_READ
    NAME: ClassVar[str] = "clock read"

    utc_s: int
    clock_state: int


@dataclass(frozen=True, slots=True)
class ClockSync(Event):
    """A host told the time; the clock chip was set to it."""

    KIND: ClassVar[int] = layout.KIND_CLOCK_SYNC
    NAME: ClassVar[str] = "clock set"

    utc_s: int
    utc_ms: int
    error_ms: int
    before_utc_s: int
    before_state: int


@dataclass(frozen=True, slots=True)
class GapEvent(Event):
    """The board says that something is missing, and why."""

    KIND: ClassVar[int] = layout.KIND_GAP
    NAME: ClassVar[str] = "gap"

    stream: int
    cause: int
    length_part_ms: int  # 0 to 999
    length_s: int
    missed: int

    @property
    def length_ms(self) -> int | None:
        """Give the length, or None where no clock could tell it."""
        if self.length_s == layout.GAP_LENGTH_UNKNOWN:
            return None
        return self.length_s * 1000 + self.length_part_ms


@dataclass(frozen=True, slots=True)
class ProbeStateEvent(Event):
    """A probe went from one state to another."""

    KIND: ClassVar[int] = layout.KIND_PROBE_STATE
    NAME: ClassVar[str] = "probe state"

    channel: int
    state: int
    before: int
    fault: int
    sample: int


@dataclass(frozen=True, slots=True)
class ExcursionBegin(Event):
    """The board declared an excursion."""

    KIND: ClassVar[int] = layout.KIND_EXCURSION_BEGIN
    NAME: ClassVar[str] = "excursion begin"

    rule: int
    channel: int
    value: int
    onset: int
    sample: int


@dataclass(frozen=True, slots=True)
class ExcursionExtreme(Event):
    """The extreme of an excursion that ends."""

    KIND: ClassVar[int] = layout.KIND_EXCURSION_EXTREME
    NAME: ClassVar[str] = "excursion extreme"

    rule: int
    channel: int
    value: int
    onset: int
    sample: int


@dataclass(frozen=True, slots=True)
class ExcursionEnd(Event):
    """An excursion ended."""

    KIND: ClassVar[int] = layout.KIND_EXCURSION_END
    NAME: ClassVar[str] = "excursion end"

    rule: int
    channel: int
    duration_part_ms: int  # 0 to 999
    duration_s: int
    onset: int
    sample: int

    @property
    def duration_ms(self) -> int:
        """Give the time beyond the threshold, gaps and faults not counted."""
        return self.duration_s * 1000 + self.duration_part_ms


@dataclass(frozen=True, slots=True)
class ShockEvent(Event):
    """The board's own figures of one shock."""

    KIND: ClassVar[int] = layout.KIND_SHOCK
    NAME: ClassVar[str] = "shock"

    shock: int
    band: int
    flags: int
    peak_x: int
    peak_y: int
    peak_z: int
    peak: int
    duration_us: int
    velocity_change_mm_s: int


@dataclass(frozen=True, slots=True)
class TiltEvent(Event):
    """The tilt band entered, and the seconds spent in each band since the run began."""

    KIND: ClassVar[int] = layout.KIND_TILT
    NAME: ClassVar[str] = "tilt"

    band: int
    angle_deg: int
    band_0_s: int
    band_1_s: int
    band_2_s: int
    band_3_s: int

    @property
    def band_s(self) -> tuple[int, int, int, int]:
        """Give the totals of all four bands."""
        return (self.band_0_s, self.band_1_s, self.band_2_s, self.band_3_s)


@dataclass(frozen=True, slots=True)
class SupplyEvent(Event):
    """The supply voltage."""

    KIND: ClassVar[int] = layout.KIND_SUPPLY
    NAME: ClassVar[str] = "supply"

    supply_mv: int
    low: int


@dataclass(frozen=True, slots=True)
class CustodyEvent(Event):
    """A custody step, as a host told it: who, where, when by that host's clock."""

    KIND: ClassVar[int] = layout.KIND_CUSTODY
    NAME: ClassVar[str] = "custody"

    step: int
    utc_s: int
    actor: str
    place: str
    note: str

    @property
    def step_name(self) -> str:
        """Say which step this is."""
        return named(layout.CUSTODY_STEP_NAMES, self.step)

    @property
    def is_receipt(self) -> bool:
        """True where the journey ends with this step."""
        return self.step_name == "receive"


@dataclass(frozen=True, slots=True)
class PullEvent(Event):
    """A host confirmed that it holds the log up to a block."""

    KIND: ClassVar[int] = layout.KIND_PULL
    NAME: ClassVar[str] = "pull"

    last_block_seq: int
    utc_s: int


@dataclass(frozen=True, slots=True)
class SensorEvent(Event):
    """A part of the board began or stopped answering."""

    KIND: ClassVar[int] = layout.KIND_SENSOR
    NAME: ClassVar[str] = "sensor"

    part: int
    state: int


@dataclass(frozen=True, slots=True)
class RadioEvent(Event):
    """The radio went on, or off: flight mode."""

    KIND: ClassVar[int] = layout.KIND_RADIO
    NAME: ClassVar[str] = "radio"

    state: int
    cause: int
    minutes: int  # 0: until something else says so


@dataclass(frozen=True, slots=True)
class HandoffEvent(Event):
    """One person gave the dewar to another, and what a host had checked of the log by then."""

    KIND: ClassVar[int] = layout.KIND_HANDOFF
    NAME: ClassVar[str] = "handoff"

    utc_s: int
    verdict: int
    role: int
    blocks: int
    chain: bytes
    giver: str
    receiver: str
    place: str

    @property
    def step_name(self) -> str:
        """Say which step this is."""
        return "handoff"

    @property
    def is_receipt(self) -> bool:
        """True where the journey ends with this step."""
        return self.role_name == "receiving site"

    @property
    def verdict_word(self) -> str:
        """Give the word the host's check said."""
        return named(layout.VERDICT_NAMES, self.verdict)

    @property
    def role_name(self) -> str:
        """Say what the receiver is."""
        return named(layout.ROLE_NAMES, self.role)


@dataclass(frozen=True, slots=True)
class AcknowledgeEvent(Event):
    """A person has seen what the board had raised; it changes no verdict."""

    KIND: ClassVar[int] = layout.KIND_ACKNOWLEDGE
    NAME: ClassVar[str] = "acknowledge"

    state: int  # bits: layout.STATUS_* of what was seen
    utc_s: int
    actor: str
    note: str


@dataclass(frozen=True, slots=True)
class AccessEvent(Event):
    """Who speaks to the board from now on, or tried to."""

    KIND: ClassVar[int] = layout.KIND_ACCESS
    NAME: ClassVar[str] = "access"

    result: int
    link: int
    key: int  # layout.KEY_*; 0: none
    failures: int  # since the last success; 65535: or more
    token: bytes  # id of the token; zero: the key itself, or none
    holder: str

    @property
    def result_name(self) -> str:
        """Say how it ended."""
        return named(layout.ACCESS_RESULT_NAMES, self.result)

    @property
    def link_name(self) -> str:
        """Say how the host was connected."""
        return named(layout.LINK_NAMES, self.link)

    @property
    def key_name(self) -> str | None:
        """Give the role of the key, or None where none was named."""
        if self.key == 0:
            return None
        return layout.KEY_NAMES.get(self.key, f"number {self.key}")

    @property
    def token_id(self) -> bytes | None:
        """Give the id of the token, or None where there is none."""
        return self.token if any(self.token) else None

    @property
    def is_actor(self) -> bool:
        """True where the events behind this one are this speaker's; else the attempt failed."""
        return self.result in (layout.ACCESS_OPEN, layout.ACCESS_PROVEN)


@dataclass(frozen=True, slots=True)
class LockEvent(Event):
    """The board was locked or opened."""

    KIND: ClassVar[int] = layout.KIND_LOCK
    NAME: ClassVar[str] = "lock"

    state: int
    cause: int


@dataclass(frozen=True, slots=True)
class FirmwareEvent(Event):
    """This boot runs another firmware, or on another MicroPython, than the last."""

    KIND: ClassVar[int] = layout.KIND_FIRMWARE
    NAME: ClassVar[str] = "firmware"

    before_major: int
    before_minor: int
    before_patch: int
    before_micropython_major: int
    before_micropython_minor: int
    before_micropython_patch: int
    major: int
    minor: int
    patch: int
    micropython_major: int
    micropython_minor: int
    micropython_patch: int

    @property
    def before(self) -> str:
        """Give the firmware's version before."""
        return f"{self.before_major}.{self.before_minor}.{self.before_patch}"

    @property
    def after(self) -> str:
        """Give the firmware's version from now on."""
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def micropython_before(self) -> str:
        """Give MicroPython's version before."""
        parts = (
            self.before_micropython_major,
            self.before_micropython_minor,
            self.before_micropython_patch,
        )
        return ".".join(str(part) for part in parts)

    @property
    def micropython_after(self) -> str:
        """Give MicroPython's version from now on."""
        return f"{self.micropython_major}.{self.micropython_minor}.{self.micropython_patch}"


@dataclass(frozen=True, slots=True)
class SettingEvent(Event):
    """One section of block 0 differs from that of the run before on this board."""

    KIND: ClassVar[int] = layout.KIND_SETTING
    NAME: ClassVar[str] = "setting"

    section: int  # layout.SECTION_*
    index: int  # which of its kind in block 0, from 0
    flags: int
    before_run: int
    before_bytes: int
    before: bytes  # the old payload; empty: there was none
    after: bytes  # the new payload; empty: there is none

    @property
    def before_is_cut(self) -> bool:
        """True where the old payload was longer than what stands here."""
        return bool(self.flags & layout.SETTING_BEFORE_CUT)

    @property
    def after_is_cut(self) -> bool:
        """True where the new payload is longer than what stands here."""
        return bool(self.flags & layout.SETTING_AFTER_CUT)


@dataclass(frozen=True, slots=True)
class PinEvent(Event):
    """The head the log had when the custody event before this one was recorded."""

    KIND: ClassVar[int] = layout.KIND_PIN
    NAME: ClassVar[str] = "pin"

    blocks: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class SignatureEvent(Event):
    """The board signed the head of this log for a host (protocol/SPEC.md 7.10)."""

    KIND: ClassVar[int] = layout.KIND_SIGNATURE
    NAME: ClassVar[str] = "signature"

    blocks: int
    signed_uptime_s: int  # what was signed says; the event's own uptime may be later
    signed_uptime_part_ms: int  # 0 to 999
    utc_s: int
    clock_state: int
    nonce: bytes  # of the host that asked
    signature: bytes


@dataclass(frozen=True, slots=True)
class SealKeyEvent(Event):
    """What happened to the sealing key, and which index the next block's seal has."""

    KIND: ClassVar[int] = layout.KIND_SEAL_KEY
    NAME: ClassVar[str] = "seal key"

    state: int
    key_index: int  # 0: none


@dataclass(frozen=True, slots=True)
class ProfileWritten(Event):
    """A host wrote another profile; the run ends with it."""

    KIND: ClassVar[int] = layout.KIND_PROFILE
    NAME: ClassVar[str] = "profile"

    purpose: int
    utc_s: int  # the host's clock
    before_crc32: int  # 0: there was none
    crc32: int
    actor: str
    note: str

    @property
    def purpose_name(self) -> str:
        """Say what for."""
        return named(layout.PURPOSE_NAMES, self.purpose)


@dataclass(frozen=True, slots=True)
class SelfTestResult(Event):
    """One test of a self-test; all of one follow one another."""

    KIND: ClassVar[int] = layout.KIND_SELFTEST
    NAME: ClassVar[str] = "self-test"

    test: int
    index: int
    verdict: int
    value: int
    least: int
    most: int

    @property
    def verdict_name(self) -> str:
        """Say how it went."""
        return named(layout.SELFTEST_VERDICT_NAMES, self.verdict)

    @property
    def is_pass(self) -> bool:
        """True where the board says so."""
        return self.verdict == layout.SELFTEST_VERDICT_NAMES.index("pass")

    @property
    def is_absent(self) -> bool:
        """True where the board has not the part."""
        return self.verdict == layout.SELFTEST_VERDICT_NAMES.index("not there")


@dataclass(frozen=True, slots=True)
class RunErased(Event):
    """A run was erased from the board for a host."""

    KIND: ClassVar[int] = layout.KIND_ERASE
    NAME: ClassVar[str] = "erase"

    run: int
    log_id: bytes
    blocks: int  # it had
    confirmed: int

    @property
    def was_held(self) -> bool:
        """True where a host had confirmed that it holds all of it."""
        return bool(self.confirmed)


# Whatever says who has the dewar from now on.
CustodyRecord = CustodyEvent | HandoffEvent

EVENT_CLASSES: dict[int, type[Event]] = {
    kind.KIND: kind
    for kind in (
        BootEvent,
        StopEvent,
        ClockRead,
        ClockSync,
        GapEvent,
        ProbeStateEvent,
        ExcursionBegin,
        ExcursionExtreme,
        ExcursionEnd,
        ShockEvent,
        TiltEvent,
        SupplyEvent,
        CustodyEvent,
        PullEvent,
        SensorEvent,
        RadioEvent,
        HandoffEvent,
        AcknowledgeEvent,
        AccessEvent,
        LockEvent,
        FirmwareEvent,
        SettingEvent,
        PinEvent,
        SignatureEvent,
        SealKeyEvent,
        ProfileWritten,
        SelfTestResult,
        RunErased,
    )
}


# --- The file -----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Lost:
    """A stretch of the file that could not be read.

    `why` is one of "corrupt" (bytes are there and wrong), "incomplete" (the file ends inside a
    block) or "foreign" (bytes that never were a block).
    """

    why: str
    detail: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong inside a block whose CRC holds: the writer's fault, or a forgery."""

    offset: int
    block_seq: int
    message: str


@dataclass(frozen=True, slots=True)
class Block:
    """One block with a good CRC and all that it holds."""

    offset: int
    length: int
    kind: int
    run: int
    block_seq: int
    boot: int
    start_ms: int
    chain: bytes
    chain_holds: bool | None  # None: the block before it was lost, so nothing can be said
    key_index: int  # of the seal; 0: the block has none
    tag: bytes  # the seal, zero without a key
    run_settings: Run | None
    span: SampleSpan | None
    raw_sets: tuple[RawSet, ...]
    first_event: int | None
    events: tuple[Event, ...]
    shock: ShockWindow | None
    unknown_sections: tuple[int, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class JournalTail:
    """The open journal at the end of a log: durable, with CRCs, not yet sealed in the chain."""

    offset: int
    length: int
    run: int
    block_seq: int
    boot: int
    first_sample: int
    first_event: int
    span: SampleSpan | None
    raw_sets: tuple[RawSet, ...]
    events: tuple[Event, ...]
    torn_bytes: int  # what follows the last whole record
    problem: str | None  # records that pass their CRC and still cannot be read


def unix_s_of(utc_s: int) -> int | None:
    """Turn a stored UTC (seconds since 2020) into Unix time; None where it is unknown."""
    if utc_s == layout.UTC_UNKNOWN:
        return None
    return utc_s + layout.UTC_EPOCH_UNIX_S


def refusal_names(bits: int) -> tuple[str, ...]:
    """Name the refusals an arming host had, in the order of their bits."""
    return tuple(
        named(layout.ARM_REFUSAL_NAMES, bit) for bit in range(bits.bit_length()) if bits >> bit & 1
    )


def named(names: tuple[str, ...], number: int) -> str:
    """Give a name from a table of the layout; a number beyond it stays a number."""
    return names[number] if number < len(names) else f"number {number}"
