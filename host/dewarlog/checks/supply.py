"""Did the board have power to do its work?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dewarlog.checks.finding import Finding, Moment, Severity
from dewarlog.records import SensorEvent, SupplyEvent, named
from dewarlog_wire import layout

if TYPE_CHECKING:
    from dewarlog.records import Event

_DEVICE_KEY: Final = layout.PART_NAMES.index("device key")


@dataclass(frozen=True, slots=True)
class Supply:
    """The supply voltage over the run, in mV; None where none was recorded."""

    lowest_mv: int | None
    last_mv: int | None


@dataclass(slots=True)
class SupplyCheck:
    """Takes events in order."""

    _lowest: SupplyEvent | None = None
    _last: SupplyEvent | None = None
    _low_since: SupplyEvent | None = None
    _findings: list[Finding] = field(default_factory=list[Finding])

    def feed(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, SensorEvent):
            self._sensor(event)
        if not isinstance(event, SupplyEvent):
            return
        self._last = event
        if self._lowest is None or event.supply_mv < self._lowest.supply_mv:
            self._lowest = event
        if event.low and self._low_since is None:
            self._low_since = event

    def _sensor(self, event: SensorEvent) -> None:
        if event.state == 0:
            return
        part = named(layout.PART_NAMES, event.part)
        means = "What it watches was not recorded until the log says that it is ok again."
        if event.part == _DEVICE_KEY:
            means = "The board proves and signs nothing while that is so."
        self._findings.append(
            Finding(
                "supply",
                Severity.WARN,
                "part-fault",
                f"The board's {part} failed: {named(layout.SENSOR_STATE_NAMES, event.state)}. "
                + means,
                {"part": part},
                start=Moment(event.boot, event.uptime_ms),
            )
        )

    def finish(self) -> tuple[Supply, tuple[Finding, ...]]:
        """Give the supply's summary and findings."""
        if self._low_since is not None and self._lowest is not None:
            self._findings.append(
                Finding(
                    "supply",
                    Severity.WARN,
                    "supply-low",
                    f"The board's supply was low, {self._lowest.supply_mv / 1000:.2f} V at the "
                    "lowest: change the battery before the next trip.",
                    {"lowest_mv": self._lowest.supply_mv},
                    start=Moment(self._low_since.boot, self._low_since.uptime_ms),
                    extreme=f"{self._lowest.supply_mv / 1000:.2f} V",
                )
            )
        supply = Supply(
            None if self._lowest is None else self._lowest.supply_mv,
            None if self._last is None else self._last.supply_mv,
        )
        return supply, tuple(self._findings)
