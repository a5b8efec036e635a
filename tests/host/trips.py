"""Small trips for tests: a calm one that checks USE, and the parts to make it go wrong."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from dewarlog import its90
from dewarlog_wire import layout
from log_writer import DEGC, UTC_2026_03_01, EventSpec, LogWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BLOCK = 360  # samples a block: one hour at 10 s
HOUR_MS = 3_600_000
COLD_COUNT = 25 * 64
GAIN = 32
NEVER = layout.UTC_UNKNOWN
CALIBRATED = (26, UTC_2026_03_01 - 50 * 86400, UTC_2026_03_01 + 300 * 86400)


def voltage_raw(count: float, probe_type: str = "T", gain: int = GAIN) -> int:
    """Give the converter's voltage code behind a reading, cold junction at 25 degC."""
    emf = its90.emf_mv(probe_type, count / DEGC) - its90.emf_mv(probe_type, 25.0)
    return round(emf / 1000 * gain * 1.6 * (1 << 17))


def quiet(seed: int, degc: float = -190.0, count: int = BLOCK) -> list[int]:
    """Give readings with a little noise."""
    noise = random.Random(seed)
    return [round(degc * DEGC) + noise.randint(-3, 3) for _ in range(count)]


def clock_read(uptime_ms: int, ahead_s: int = 0) -> EventSpec:
    """Give a reading of a clock that agrees with uptime since 2026-03-01."""
    utc_s = UTC_2026_03_01 + uptime_ms // 1000 + ahead_s
    return (layout.KIND_CLOCK_READ, uptime_ms, (utc_s, layout.CLOCK_OK))


def custody(uptime_ms: int, step: int, place: str = "Leiden", *, ahead_s: int = 0) -> EventSpec:
    """Give a custody step told by a host whose clock is right."""
    utc_s = UTC_2026_03_01 + uptime_ms // 1000 + ahead_s
    return (layout.KIND_CUSTODY, uptime_ms, (step, utc_s, "A. Jansen", place, ""))


def trip(
    hours: int = 4,
    *,
    change: Callable[[int, list[list[int]]], list[EventSpec]] | None = None,
    clock: bool = True,
    stop: bool = True,
    writer: LogWriter | None = None,
    ahead_s: int = 0,
    **start: object,
) -> LogWriter:
    """Write a trip of two probes that begins `ahead_s` after 2026-03-01.

    `change(hour, readings)` may alter an hour and add events.
    """
    made = writer or LogWriter(channels=2)
    settings: dict[str, object] = {"calibration": CALIBRATED, **start}
    made.start(**settings)  # type: ignore[arg-type]
    state = layout.CLOCK_OK if clock else layout.CLOCK_ABSENT
    utc_s = UTC_2026_03_01 + ahead_s if clock else NEVER
    events: list[EventSpec] = [(layout.KIND_BOOT, 0, (1, 0, 0, 0, utc_s, state))]
    for hour in range(hours):
        start_ms = hour * HOUR_MS
        readings = [quiet(2 * hour + channel) for channel in range(made.channels)]
        if clock:
            half_ms = start_ms + HOUR_MS // 2
            events += [clock_read(start_ms, ahead_s), clock_read(half_ms, ahead_s)]
        if hour == 0:
            events.append(custody(60_000, 0, ahead_s=ahead_s))
        events += change(hour, readings) if change else []
        if hour == hours - 1:
            events.append(custody(start_ms + HOUR_MS - 60_000, 3, "Ward 4", ahead_s=ahead_s))
            if stop:
                events.append((layout.KIND_STOP, start_ms + HOUR_MS, (0,)))
        raw_sets = [
            (channel, 0, 0, voltage_raw(codes[0]), COLD_COUNT)
            for channel, codes in enumerate(readings)
            if codes[0] >= layout.READING_MIN
        ]
        events.sort(key=lambda event: event[1])
        made.samples(start_ms, readings, raw_sets=raw_sets, events=events)
        events = []
    return made


def written(folder: Path, writer: LogWriter, name: str = "trip.dwl") -> Path:
    """Put a log into a file."""
    path = folder / name
    path.write_bytes(bytes(writer.data))
    return path
