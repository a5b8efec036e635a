"""How the board fares: its starts and stops, clock, gaps, supply, parts and radio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dewarlog.records.codes import named
from dewarlog.records.event import Event
from dewarlog_wire import layout


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
class SupplyEvent(Event):
    """The supply voltage."""

    KIND: ClassVar[int] = layout.KIND_SUPPLY
    NAME: ClassVar[str] = "supply"

    supply_mv: int
    low: int


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
