"""How long did the dewar lie on its side or stand on its head?

A dry shipper on its side loses up to 60 % of its hold time within hours; upside down, days become
hours. The board keeps the seconds spent in each band of angle from upright and records every
change of band; this module turns them into stays and judges the total.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dewarlog import words
from dewarlog.checks.finding import Finding, Moment, Severity
from dewarlog.records import TiltEvent
from dewarlog_wire import layout

if TYPE_CHECKING:
    from dewarlog.records import Event, TiltSettings

_ON_ITS_SIDE = 2  # the band from which on lying counts as a warning


@dataclass(frozen=True, slots=True)
class TiltStay:
    """One stretch in one band."""

    band: int
    start: Moment
    end: Moment
    duration_s: int
    most_deg: int


@dataclass(frozen=True, slots=True)
class Tilt:
    """Time in each band over the run, and the stays away from upright."""

    band_s: tuple[int, int, int, int]
    stays: tuple[TiltStay, ...]
    edges_deg: tuple[int, int, int]

    def band_name(self, band: int) -> str:
        """Name a band by its angles."""
        low = (0, *self.edges_deg)[min(band, 3)]
        if band < len(self.edges_deg):
            return f"{low}\u2013{self.edges_deg[band]}\u00b0"
        return f"above {low}\u00b0"


@dataclass(slots=True)
class TiltCheck:
    """Takes events in order."""

    _last: TiltEvent | None = None
    _began: TiltEvent | None = None  # the first event of the stay that goes on
    _began_at: Moment | None = None
    _began_s: int = 0  # seconds of its band before the stay
    _most_deg: int = 0
    _stays: list[TiltStay] = field(default_factory=list[TiltStay])

    def feed(self, event: Event) -> None:
        """Take one event."""
        if not isinstance(event, TiltEvent) or event.band >= layout.TILT_BANDS:
            return
        began = self._began
        if began is None or event.band != began.band:
            at, before_s = self._change(event)
            if began is not None:
                self._close(began, at, event)
            self._began, self._began_at, self._began_s = event, at, before_s
            self._most_deg = 0
        self._most_deg = max(self._most_deg, event.angle_deg)
        self._last = event

    def _change(self, event: TiltEvent) -> tuple[Moment, int]:
        """Say when the band of an event was entered, and its seconds until then.

        The board tells of a band once several looks have confirmed it, and by then has counted
        the time since the first of them in it.
        """
        last = self._last
        if last is None:
            return Moment(event.boot, event.uptime_ms), event.band_s[event.band]
        before_s = last.band_s[event.band]
        counted_ms = (event.band_s[event.band] - before_s) * 1000
        return Moment(event.boot, max(0, event.uptime_ms - counted_ms)), before_s

    def _close(self, began: TiltEvent, end: Moment, until: TiltEvent) -> None:
        """End the stay that `began`; its seconds follow from the totals at both ends."""
        if began.band == 0 or began is until or self._began_at is None:
            return
        self._stays.append(
            TiltStay(
                began.band,
                self._began_at,
                end,
                max(0, until.band_s[began.band] - self._began_s),
                self._most_deg,
            )
        )

    def finish(self, settings: TiltSettings | None) -> tuple[Tilt | None, tuple[Finding, ...]]:
        """Give time by band and the findings; None where the board recorded no tilt."""
        last = self._last
        if last is None:
            return None, ()
        if self._began is not None:
            self._close(self._began, Moment(last.boot, last.uptime_ms), last)
        edges = (30, 60, 120)
        if settings is not None:
            edges = (settings.edge_1_deg, settings.edge_2_deg, settings.edge_3_deg)
        tilt = Tilt(last.band_s, tuple(self._stays), edges)
        return tilt, self._judge(tilt, settings)

    @staticmethod
    def _judge(tilt: Tilt, settings: TiltSettings | None) -> tuple[Finding, ...]:
        band = settings.hold_band if settings is not None and settings.hold_band else _ON_ITS_SIDE
        total_s = sum(tilt.band_s[band:])
        if total_s == 0:
            return ()
        holds = (
            settings is not None
            and settings.hold_band > 0
            and total_s >= settings.hold_minutes * 60
        )
        stays = [stay for stay in tilt.stays if stay.band >= band]
        longest = max(stays, key=lambda stay: stay.duration_s, default=None)
        text = (
            f"The dewar was tilted more than {(0, *tilt.edges_deg)[band]}\u00b0 for "
            f"{words.duration(total_s)} in all"
        )
        if holds and settings is not None:
            text += f"; {words.duration(settings.hold_minutes * 60)} or more means HOLD"
        return (
            Finding(
                "tilt",
                Severity.HOLD if holds else Severity.WARN,
                "tilt",
                f"{text}.",
                {"total_s": total_s, "band": band},
                start=None if longest is None else longest.start,
                end=None if longest is None else longest.end,
                duration_s=float(total_s),
                extreme=None if longest is None else f"{longest.most_deg}\u00b0",
            ),
        )
