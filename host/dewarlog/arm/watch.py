"""Watches a board's probes: every sample for some minutes, and the line through them.

Left of `arm`. Time is the board's own (uptime), so that a simulated board may be in a hurry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dewarlog.arm import gate
from dewarlog.calibrate import stability
from dewarlog.errors import StartedAgain
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dewarlog.arm.gate import Slope
    from dewarlog.replies import Status
    from dewarlog.session import Session

# Where samples stop coming: three intervals, and what a link may take.
_SILENT_INTERVALS: Final = 3
_SILENT_S: Final = 15.0
_LOOK_LEAST_S: Final = 0.05
_LOOK_MOST_S: Final = 2.0


def length_s(status: Status) -> float:
    """Return how long a board must be watched, in seconds of its time."""
    return max(gate.WATCH_S, status.interval_ms / 1000 * gate.WATCH_SAMPLES)


def follow(
    session: Session,
    status: Status,
    channels: Sequence[int],
    watched: Callable[[float, float], None],
) -> tuple[dict[int, Slope], Status]:
    """Follow the samples from `status` on; return how each channel moved, and the last status.

    A channel that once gave no temperature has no slope; none has where samples stop coming.
    `watched` is called with the seconds of the board's time watched, and wanted.

    Raises:
        StartedAgain: the board started again meanwhile.
    """
    interval_s = status.interval_ms / 1000
    wanted_s = length_s(status)
    readings: dict[int, list[stability.Reading]] = {channel: [] for channel in channels}
    faulty: set[int] = set()
    first = last = status
    began_s = heard_s = session.clock()
    while True:
        _note(last, readings, faulty)
        done_s = _board_s(last) - _board_s(first)
        watched(min(done_s, wanted_s), wanted_s)
        count = len(next(iter(readings.values())))
        if done_s >= wanted_s and count >= gate.WATCH_SAMPLES:
            break
        last_samples = last.samples
        while last.samples == last_samples:
            now_s = session.clock()
            # How much of the board's time goes by in one of this computer's: 1, but for a
            # simulated board in a hurry.
            pace = max(1.0, (_board_s(last) - _board_s(first)) / max(now_s - began_s, 0.1))
            silent_s = _SILENT_S + _SILENT_INTERVALS * interval_s / pace
            if now_s - heard_s > silent_s:
                return {}, last
            look_s = interval_s / pace / 4
            session.pause(min(max(look_s, _LOOK_LEAST_S), _LOOK_MOST_S))
            last = session.status()
            if (last.run, last.boot) != (first.run, first.boot):
                raise StartedAgain("?" if session.board is None else session.board.name)
        heard_s = session.clock()
    slopes: dict[int, Slope] = {}
    for channel in channels:
        if channel in faulty:
            continue
        line = stability.fit(readings[channel])
        slopes[channel] = gate.Slope(
            line.slope_k_per_min * 60, line.slope_u_k_per_min * 60, line.length_s, line.count
        )
    return slopes, last


def _note(status: Status, readings: dict[int, list[stability.Reading]], faulty: set[int]) -> None:
    for channel, had in readings.items():
        code = status.readings[channel]
        if layout.state_of(code) != layout.STATE_OK:
            faulty.add(channel)
        degc = code / layout.TEMPERATURE_PER_DEGC
        had.append(stability.Reading(_board_s(status), degc))


def _board_s(status: Status) -> float:
    return status.uptime_s + status.uptime_ms / 1000


def strayed_s(first: Status, last: Status) -> float:
    """Return how far the clock chip went from the processor's time between two looks, in s.

    The chip tells whole seconds: up to 1 s of it says nothing.
    """
    return (last.utc_s - first.utc_s) - (_board_s(last) - _board_s(first))
