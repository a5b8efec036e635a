"""Reads what boards had on their flash after a cut, with the host's own reader and its checks.

Takes the files that device/cuts/export.py writes: a log as the host files it, and beside it what
stood in the recorder's hands. Nothing of the firmware is used here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict, cast

import numpy as np

from dewarlog.checks.integrity import IntegrityCheck
from dewarlog.readings import read_log
from dewarlog.records import Block, BootEvent, Lost
from dewarlog_wire import layout

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from dewarlog.records import SampleSpan

_STATES_FROM: Final = layout.READING_MIN  # a code below is a probe state, not a temperature


class Said(TypedDict):
    """What the recorder was given of one run, and how much of it was durable."""

    samples: list[list[int]]
    durable_samples: int
    events: list[int]
    removed_blocks: list[int]
    rot: str  # the bit that was turned over in this run; empty: none


@dataclass(frozen=True, slots=True)
class HostReading:
    """What the host made of one exported log. `wrong` is empty where all was as it should be."""

    name: str
    samples: int
    wrong: str


def read_export(log: Path) -> HostReading:
    """Read one log and compare it with what was recorded."""
    said = cast("Said", json.loads(log.with_suffix(".json").read_text()))
    wanted = np.array(said["samples"], dtype=np.int64)
    check = IntegrityCheck()
    seen = np.zeros(len(wanted), dtype=bool)
    wrong: list[str] = []
    dropped = 0  # bytes, as the board's own boots tell
    for item in read_log(log):
        counts = check.feed(item)
        if isinstance(item, Lost) or not counts:
            continue
        if item.span is not None:
            wrong.extend(_compare(item.span, wanted, seen))
        numbered = item.first_event
        if numbered is not None and numbered + len(item.events) > len(said["events"]):
            wrong.append(f"events from {numbered} on were never recorded")
        if isinstance(item, Block) and item.problems:
            wrong.append(f"block {item.block_seq}: {item.problems[0]}")
        dropped += sum(
            event.dropped_bytes for event in item.events if isinstance(event, BootEvent)
        )
    integrity, findings = check.finish()
    if not integrity.intact and not said["rot"]:
        wrong.append("; ".join(finding.message for finding in findings))
    is_told = bool(said["removed_blocks"]) or (said["rot"] and (dropped or not integrity.intact))
    if not is_told and not seen[: said["durable_samples"]].all():
        wrong.append(f"sample {int(np.argmin(seen))} is missing, and nothing says so")
    return HostReading(log.name, int(seen.sum()), " | ".join(wrong))


def _compare(span: SampleSpan, wanted: NDArray[np.int64], seen: NDArray[np.bool_]) -> list[str]:
    """Hold a span's codes against those recorded; mark what was seen."""
    first, end = span.first_sample, span.end_sample
    if end > len(wanted):
        return [f"samples to {end - 1} were read, {len(wanted)} were recorded"]
    if seen[first:end].any():
        return [f"samples {first} to {end - 1} are there twice"]
    seen[first:end] = True
    columns = [(span.channels[key].counts, span.channels[key].states) for key in span.channels]
    if span.cold_junction_counts is not None:
        columns.append((span.cold_junction_counts, span.cold_junction_states))
    wrong: list[str] = []
    for number, (counts, states) in enumerate(columns):
        codes = wanted[first:end, number]
        valid = codes >= _STATES_FROM
        found_valid = np.ones(len(codes), dtype=bool) if states is None else states == 0
        if (valid != found_valid).any() or (counts[valid] != codes[valid]).any():
            wrong.append(f"column {number} of samples {first} to {end - 1} differs")
    return wrong
