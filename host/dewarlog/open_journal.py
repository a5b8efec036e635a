"""The open journal at the end of a log: samples and events not yet sealed into a block.

Beside contents.py, between readings.py, which finds the journal, and records. Its samples are
given the shape that sealed ones have, so that no check needs to know where a sample stood.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dewarlog.contents import event_of, span_of, unpack
from dewarlog.records import JournalTail, RawSet
from dewarlog_wire import events as wire_events
from dewarlog_wire import layout
from dewarlog_wire.errors import BlockError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from dewarlog.contents import BlockDraft
    from dewarlog.records import Event, SampleSpan

    Counts = NDArray[np.int16]
    States = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a journal stands in the file and how much of it is torn."""

    offset: int
    length: int
    torn_bytes: int


def journal_columns(draft: BlockDraft) -> tuple[tuple[int, int], ...]:
    """Say what the values of a journal sample are: (channel, quantity), in order.

    The first block of a run tells it, and so does every block of samples; () where neither does.
    """
    run = draft.block.run_settings
    if run is not None:
        quantities: tuple[int, ...] = (layout.QUANTITY_READING,)
        if run.sampling is not None and run.sampling.conversions > 1:
            quantities += (layout.QUANTITY_MIN, layout.QUANTITY_MAX)
        fitted = [(item.channel, quantity) for item in run.channels for quantity in quantities]
        return (*fitted, (layout.CHANNEL_COMMON, layout.QUANTITY_COLD_JUNCTION))
    if draft.span is not None:
        return tuple(
            (channel, quantity)
            for channel, quantity, _ in draft.columns
            if quantity != layout.QUANTITY_LATENESS
        )
    return ()


def read_journal(
    window: bytes,
    head: Sequence[Any],
    entries: Iterable[tuple[int, int, int]],
    place: Place,
    columns: tuple[tuple[int, int], ...],
) -> JournalTail:
    """Turn the whole records of an open journal into samples and events."""
    _, boot, run, block_seq, first_sample, first_event = head[:6]
    spans: list[tuple[int, int]] = []
    samples: list[tuple[int, ...]] = []
    raw_sets: list[RawSet] = []
    events: list[Event] = []
    width = 1 + len(columns)
    problem: str | None = None
    for kind, start, end in entries:
        try:
            if kind == layout.JOURNAL_SPAN:
                interval_ms, part_ms, seconds = unpack(layout.JOURNAL_SPAN_BODY, window[start:end])
                spans.append((seconds * 1000 + part_ms, interval_ms))
            elif kind == layout.JOURNAL_SAMPLE:
                samples.append(struct.unpack(f"<{width}h", window[start:end]))
            elif kind == layout.JOURNAL_RAW:
                raw_sets.append(RawSet(*unpack(layout.RAW_SET, window[start:end])))
            elif kind == layout.JOURNAL_EVENT:
                event_kind, seconds, part_ms, body = _event_record(window, start, end)
                number = first_event + len(events)
                events.append(event_of(event_kind, number, boot, seconds * 1000 + part_ms, body))
        except (BlockError, struct.error) as error:
            problem = problem or str(error)
    span = None
    if samples and spans:
        span = _samples((boot, None, spans[0][0]), first_sample, spans[0][1], samples, columns)
    elif samples:
        problem = problem or "samples stand in the journal, but not when they were due"
    return JournalTail(
        offset=place.offset,
        length=place.length,
        run=run,
        block_seq=block_seq,
        boot=boot,
        first_sample=first_sample,
        first_event=first_event,
        span=span,
        raw_sets=tuple(raw_sets),
        events=tuple(events),
        torn_bytes=place.torn_bytes,
        problem=problem,
    )


def _event_record(window: bytes, start: int, end: int) -> tuple[int, int, int, tuple[Any, ...]]:
    """Read a record that is one event and nothing else."""
    kind, seconds, part_ms, body, behind = wire_events.read_event(window, start, end)
    if behind != end:
        raise BlockError("event", f"{end - behind} bytes stand behind an event of the journal")
    return kind, seconds, part_ms, body


def _samples(
    place: tuple[int, int | None, int],
    first_sample: int,
    interval_ms: int,
    samples: Sequence[tuple[int, ...]],
    columns: tuple[tuple[int, int], ...],
) -> SampleSpan:
    """Give journal samples the shape that sealed ones have: fillers and states apart."""
    import numpy as np  # noqa: PLC0415

    table = np.array(samples, dtype=np.int16)
    lateness = np.ascontiguousarray(table[:, 0])
    values: dict[tuple[int, int], Counts] = {}
    states: dict[int, States] = {}
    for index, (channel, quantity) in enumerate(columns, start=1):
        counts = np.ascontiguousarray(table[:, index])
        values[channel, quantity] = counts
        missing = counts < layout.READING_MIN
        if quantity in (layout.QUANTITY_READING, layout.QUANTITY_COLD_JUNCTION) and missing.any():
            codes = counts.astype(np.int32) + 32768
            states[channel] = np.where(missing, codes, layout.STATE_OK).astype(np.uint8)
    if lateness.any():
        values[layout.CHANNEL_COMMON, layout.QUANTITY_LATENESS] = lateness
    return span_of(place, (first_sample, len(samples), interval_ms), values, states)
