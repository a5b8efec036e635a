"""Do board and host agree on the excursions? Missing, extra and different ones, each named.

The board's begin, extreme and end events are held against what excursion.py computed from the
readings. Where part of the log is lost only what lies before the loss is compared: behind it the
host cannot know the state the board's rules were in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dewarlog.checks.finding import Finding, Moment, Severity
from dewarlog.records import ExcursionBegin, ExcursionEnd, ExcursionExtreme

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dewarlog.checks.excursion_machine import Excursion
    from dewarlog.records import Event

_Told = ExcursionBegin | ExcursionExtreme | ExcursionEnd
_Key = tuple[str, int, int, int]  # which event, rule, channel, onset


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the board's own excursion events compare with the host's."""

    compared: int
    disagreements: int
    compared_before: int | None  # first sample behind a loss; None: all compared


@dataclass(slots=True)
class AgreementCheck:
    """Collects the board's excursion events."""

    _told: list[_Told] = field(default_factory=list[_Told])

    def feed(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, _Told):
            self._told.append(event)

    def finish(
        self, excursions: Iterable[Excursion], before: int | None
    ) -> tuple[Agreement, tuple[Finding, ...]]:
        """Compare with the host's excursions, up to sample `before` where something is lost."""
        ours = {
            key: figures
            for excursion in excursions
            for key, figures in _expected(excursion).items()
            if before is None or figures[-1] < before
        }
        findings: list[Finding] = []
        compared = 0
        seen: set[_Key] = set()
        for event in self._told:
            if before is not None and event.sample >= before:
                continue
            compared += 1
            key = (event.NAME, event.rule, event.channel, event.onset)
            figures = _figures(event)
            expected = None if key in seen else ours.get(key)
            seen.add(key)
            if expected is None:
                findings.append(_finding(event, "extra", "the readings do not show it"))
            elif expected != figures:
                told, found = _words(event, figures), _words(event, expected)
                findings.append(
                    _finding(event, "different", f"it says {told}; the readings say {found}")
                )
        missing: dict[tuple[int, int, int], list[tuple[int, str]]] = {}
        for (name, *place), figures in ours.items():
            if (name, *place) not in seen:
                missing.setdefault((place[0], place[1], place[2]), []).append((figures[1], name))
        findings += [_missing(place, names) for place, names in sorted(missing.items())]
        return Agreement(compared, len(findings), before), tuple(findings)


def _expected(excursion: Excursion) -> dict[_Key, tuple[int, int]]:
    """Give the events the board must have recorded: (value or duration, sample) of each."""
    place = (excursion.rule, excursion.channel, excursion.onset)
    expected = {(ExcursionBegin.NAME, *place): (excursion.begin_value, excursion.begin)}
    if excursion.end is not None:
        expected[(ExcursionExtreme.NAME, *place)] = (excursion.extreme, excursion.extreme_sample)
        expected[(ExcursionEnd.NAME, *place)] = (excursion.duration_ms, excursion.end)
    return expected


def _figures(event: _Told) -> tuple[int, int]:
    value = event.duration_ms if isinstance(event, ExcursionEnd) else event.value
    return value, event.sample


def _words(event: _Told, figures: tuple[int, int]) -> str:
    what = "duration" if isinstance(event, ExcursionEnd) else "value"
    unit = " ms" if isinstance(event, ExcursionEnd) else ""
    return f"{what} {figures[0]}{unit} at sample {figures[1]:,}"


def _finding(event: _Told, how: str, text: str) -> Finding:
    return Finding(
        "agreement",
        Severity.HOLD,
        f"excursion-{how}",
        f"The board recorded '{event.NAME}' of rule {event.rule + 1} on probe "
        f"{event.channel + 1} (onset at sample {event.onset:,}), but {text}.",
        {"rule": event.rule, "onset": event.onset},
        sample=event.sample,
        channel=event.channel,
        start=Moment(event.boot, event.uptime_ms),
    )


def _missing(place: tuple[int, int, int], missing: list[tuple[int, str]]) -> Finding:
    """Name all that the board did not record of one excursion."""
    rule, channel, onset = place
    names = ", ".join(f"'{name}' at sample {sample:,}" for sample, name in sorted(missing))
    return Finding(
        "agreement",
        Severity.HOLD,
        "excursion-missing",
        f"The readings show an excursion of rule {rule + 1} on probe {channel + 1} from sample "
        f"{onset:,} on, of which the board did not record {names}.",
        {"rule": rule, "onset": onset},
        sample=min(sample for sample, _ in missing),
        channel=channel,
    )
