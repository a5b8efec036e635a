"""What the probes, the shock sensor and the tilt sensor made the board say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dewarlog.records.event import Event
from dewarlog_wire import layout


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
