"""What one block holds: sections turned into records, columns into arrays.

Stands between readings.py, which finds sound blocks, and records. `read_block` reads all but
the columns; `decode` decodes the columns of many blocks together, which is what makes it quick.
Bytes that pass their CRC and still do not follow protocol/SPEC.md become a `Problem` of the block,
never an error: a forged or buggy log must not stop the reading.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from dewarlog import records
from dewarlog.records import (
    Block,
    ChannelSamples,
    Event,
    JournalTail,
    Lost,
    Problem,
    RawSet,
    Run,
    SampleSpan,
    ShockWindow,
    named,
    unix_s_of,
)
from dewarlog_wire import block as wire_block
from dewarlog_wire import events as wire_events
from dewarlog_wire import layout
from dewarlog_wire.errors import BlockError
from dewarlog_wire.texts import read_section_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Counts = NDArray[np.int16]
    States = NDArray[np.uint8]

AXES: Final = 3
_SHOCK_MAX_SAMPLES: Final = layout.BLOCK_MAX_SAMPLES
# Sections that stand once at most (protocol/SPEC.md 4.4): of two, readers take different ones.
_ONCE: Final = frozenset(
    {
        layout.SECTION_SPAN,
        layout.SECTION_STATES,
        layout.SECTION_RAW,
        layout.SECTION_EVENTS,
        layout.SECTION_SHOCK_HEAD,
        layout.SECTION_IDENTITY,
        layout.SECTION_SAMPLING,
        layout.SECTION_SHOCK_SETTINGS,
        layout.SECTION_TILT_SETTINGS,
        layout.SECTION_ARMING,
        layout.SECTION_HANDLING,
    }
)


@dataclass(frozen=True, slots=True)
class BlockDraft:
    """A block whose columns are still coded."""

    block: Block
    columns: tuple[tuple[int, int, memoryview], ...] = ()  # channel, quantity, payload
    states: bytes = b""
    span: tuple[int, int, int] | None = None  # first sample, count, interval_ms
    shock_head: tuple[int, ...] | None = None

    @property
    def length(self) -> int:
        """Give the bytes the block takes in the file."""
        return self.block.length

    @property
    def count(self) -> int:
        """Give how many values each column holds."""
        if self.span is not None:
            return self.span[1]
        return 0 if self.shock_head is None else self.shock_head[1]


# --- sections -----------------------------------------------------------------------------------


def read_block(
    window: bytes, head: wire_block.Block, offset: int, *, chain_holds: bool | None
) -> BlockDraft:
    """Read every section of a block whose CRC holds; `offset` is its place in the file."""
    found = _Sections(head.boot)
    problems: list[Problem] = []
    try:
        for kind, start, end in wire_block.sections(window, head.body_start, head.body_end):
            found.take(kind, window, start, end)
    except (BlockError, struct.error) as error:
        problems.append(Problem(offset, head.block_seq, str(error)))
    run_settings: Run | None = None
    if head.kind == layout.BLOCK_RUN:
        try:
            run_settings = _run(head.run, found.run_sections)
        except (BlockError, struct.error) as error:
            problems.append(Problem(offset, head.block_seq, str(error)))
    if head.kind not in layout.BLOCK_NAMES:
        problems.append(Problem(offset, head.block_seq, f"unknown kind of block {head.kind}"))
    key_index, tag = wire_block.read_seal(window, head)
    block = Block(
        offset=offset,
        length=head.length,
        kind=head.kind,
        run=head.run,
        block_seq=head.block_seq,
        boot=head.boot,
        start_ms=head.uptime_s * 1000 + head.uptime_ms,
        chain=head.chain,
        chain_holds=chain_holds,
        key_index=key_index,
        tag=tag,
        run_settings=run_settings,
        span=None,
        raw_sets=found.raw_sets,
        first_event=found.first_event,
        events=tuple(found.events),
        shock=None,
        unknown_sections=tuple(found.unknown),
        problems=tuple(problems),
    )
    return BlockDraft(block, tuple(found.columns), found.states, found.span, found.shock_head)


class _Sections:
    """Collects the sections of one block as they are met."""

    __slots__ = (
        "boot",
        "columns",
        "events",
        "first_event",
        "raw_sets",
        "run_sections",
        "seen",
        "shock_head",
        "span",
        "states",
        "unknown",
    )

    def __init__(self, boot: int) -> None:
        self.boot = boot
        self.span: tuple[int, int, int] | None = None
        self.shock_head: tuple[int, ...] | None = None
        self.columns: list[tuple[int, int, memoryview]] = []
        self.states = b""
        self.raw_sets: tuple[RawSet, ...] = ()
        self.first_event: int | None = None
        self.events: list[Event] = []
        self.run_sections: list[tuple[int, bytes]] = []
        self.unknown: list[int] = []
        self.seen: set[int] = set()

    def take(self, kind: int, window: bytes, start: int, end: int) -> None:
        """Read one section; BlockError or struct.error where it does not fit its record."""
        self._note(kind)
        if kind == layout.SECTION_SPAN:
            first, count, interval_ms = unpack(layout.SPAN, window[start:end])
            if not 1 <= count <= layout.BLOCK_MAX_SAMPLES or interval_ms == 0:
                raise BlockError("section", f"span of {count} samples, {interval_ms} ms apart")
            self.span = (first, count, interval_ms)
        elif kind == layout.SECTION_COLUMN:
            if end - start < layout.COLUMN_HEAD.size:
                raise BlockError("column", f"column section of {end - start} bytes")
            if len(self.columns) == layout.BLOCK_MAX_COLUMNS:
                raise BlockError("column", f"over {layout.BLOCK_MAX_COLUMNS} columns in a block")
            self.columns.append((window[start], window[start + 1], memoryview(window)[start:end]))
        elif kind == layout.SECTION_STATES:
            self.states = window[start:end]
        elif kind == layout.SECTION_RAW:
            sets = struct.iter_unpack(layout.RAW_SET.format, window[start:end])
            self.raw_sets = tuple(RawSet(*values) for values in sets)
        elif kind == layout.SECTION_EVENTS:
            self._take_events(window, start, end)
        elif kind == layout.SECTION_SHOCK_HEAD:
            self.shock_head = unpack(layout.SHOCK_HEAD, window[start:end])
            if not 1 <= self.shock_head[1] <= _SHOCK_MAX_SAMPLES:
                raise BlockError("section", f"shock window of {self.shock_head[1]} samples")
        elif layout.SECTION_IDENTITY <= kind <= layout.SECTION_HANDLING:
            self.run_sections.append((kind, window[start:end]))
        else:
            self.unknown.append(kind)

    def _note(self, kind: int) -> None:
        """Refuse a section that would leave a reader a choice."""
        if kind in _ONCE and kind in self.seen:
            raise BlockError("section", f"section {kind} stands twice; it may stand once")
        self.seen.add(kind)
        if {layout.SECTION_SPAN, layout.SECTION_SHOCK_HEAD} <= self.seen:
            raise BlockError("section", "SPAN and SHOCK_HEAD both say how long the columns are")

    def _take_events(self, window: bytes, start: int, end: int) -> None:
        if end - start >= layout.EVENTS_HEAD.size:
            self.first_event = struct.unpack_from(layout.EVENTS_HEAD.format, window, start)[0]
        for number, kind, uptime_s, uptime_ms, body in wire_events.read_events(window, start, end):
            self.events.append(
                event_of(kind, number, self.boot, uptime_s * 1000 + uptime_ms, body)
            )


def unpack(record: layout.Record, payload: bytes) -> tuple[Any, ...]:
    """Read one record and nothing else; BlockError where the length is another."""
    if len(payload) != record.size:
        raise BlockError(
            "section", f"{record.name} section has {len(payload)} bytes, not {record.size}"
        )
    return struct.unpack(record.format, payload)


def event_of(kind: int, number: int, boot: int, uptime_ms: int, body: tuple[Any, ...]) -> Event:
    """Make the event of a kind; one this program does not know keeps its bytes."""
    made: Any = records.EVENT_CLASSES.get(kind)
    if made is None:
        return records.UnknownEvent(number, boot, uptime_ms, kind, bytes(body[0]))
    return made(number, boot, uptime_ms, *body)


def _run(number: int, sections: Iterable[tuple[int, bytes]]) -> Run:
    """Put together what the first block of a run says."""
    single: dict[int, tuple[Any, ...]] = {}
    texts: list[tuple[str, str]] = []
    channels: list[records.Channel] = []
    calibrations: list[records.Calibration] = []
    rules: list[records.Rule] = []
    for kind, payload in sections:
        if kind == layout.SECTION_TEXT:
            if payload:
                name = layout.TEXT_NAMES.get(payload[0], f"text {payload[0]}")
                texts.append((name, payload[1:].decode("utf-8", "replace")))
        elif kind == layout.SECTION_CHANNEL:
            channels.append(_channel(unpack(layout.CHANNEL, payload)))
        elif kind == layout.SECTION_CALIBRATION:
            calibrations.append(_calibration(read_section_texts(kind, payload)))
        elif kind == layout.SECTION_ARMING:
            single[kind] = read_section_texts(kind, payload)
        elif kind == layout.SECTION_RULE:
            rules.append(records.Rule(*unpack(layout.RULE, payload)))
        else:
            single[kind] = unpack(_RUN_RECORDS[kind], payload)
    if layout.SECTION_IDENTITY not in single:
        raise BlockError("section", "the first block of the run has no identity")
    identity = single[layout.SECTION_IDENTITY]
    sampling = single.get(layout.SECTION_SAMPLING)
    shock = single.get(layout.SECTION_SHOCK_SETTINGS)
    tilt = single.get(layout.SECTION_TILT_SETTINGS)
    handling = single.get(layout.SECTION_HANDLING)
    arming = single.get(layout.SECTION_ARMING)
    return Run(
        run=number,
        device_id=identity[0],
        log_id=identity[1],
        firmware=".".join(str(part) for part in identity[2:5]),
        micropython=".".join(str(part) for part in identity[5:8]),
        began_unix_s=unix_s_of(identity[8]),
        texts=tuple(texts),
        sampling=None if sampling is None else records.Sampling(*sampling),
        channels=tuple(sorted(channels, key=lambda item: item.channel)),
        rules=tuple(sorted(rules, key=lambda item: item.rule)),
        shock_settings=None if shock is None else records.ShockSettings(*shock),
        tilt_settings=None if tilt is None else records.TiltSettings(*tilt),
        calibrations=tuple(sorted(calibrations, key=lambda item: item.channel)),
        handling=None if handling is None else records.Handling(*handling),
        arming=None if arming is None else records.Arming(unix_s_of(arming[0]), *arming[1:]),
    )


_RUN_RECORDS: Final = {
    layout.SECTION_IDENTITY: layout.IDENTITY,
    layout.SECTION_SAMPLING: layout.SAMPLING,
    layout.SECTION_SHOCK_SETTINGS: layout.SHOCK_SETTINGS,
    layout.SECTION_TILT_SETTINGS: layout.TILT_SETTINGS,
    layout.SECTION_HANDLING: layout.HANDLING,
}


def _channel(values: tuple[Any, ...]) -> records.Channel:
    number, probe_type, placement, offset_count, u_count, calibrated, due, serial = values
    return records.Channel(
        channel=number,
        probe_type=chr(probe_type),
        placement=named(layout.PLACEMENT_NAMES, placement),
        offset_count=offset_count,
        calibration_u_count=u_count,
        calibrated_unix_s=unix_s_of(calibrated),
        calibration_due_unix_s=unix_s_of(due),
        serial=_serial(serial),
    )


def _calibration(values: tuple[Any, ...]) -> records.Calibration:
    channel, point, reference, indicated, u_count, pressure_pa, utc_s, serial, text = values
    return records.Calibration(
        channel=channel,
        point=point,
        reference_count=reference,
        indicated_count=indicated,
        u_count=u_count,
        pressure_pa=pressure_pa,
        unix_s=unix_s_of(utc_s),
        serial=_serial(serial),
        reference=text,
    )


def _serial(padded: bytes) -> str:
    return padded.rstrip(b"\0").decode("ascii", "replace")


# --- columns ------------------------------------------------------------------------------------


def decode(
    drafts: Sequence[BlockDraft | Lost | JournalTail],
) -> Iterator[Block | Lost | JournalTail]:
    """Decode the columns of all drafts together; yield them as they came, finished."""
    from dewarlog import columns  # noqa: PLC0415 - brings numpy in: only where samples are read

    waiting = [
        (payload, draft.count)
        for draft in drafts
        if isinstance(draft, BlockDraft) and draft.count
        for _, _, payload in draft.columns
    ]
    decoded = iter(columns.decode_columns(waiting))
    for draft in drafts:
        if not isinstance(draft, BlockDraft):
            yield draft
        elif not draft.count:
            yield draft.block
        else:
            values = [next(decoded) for _ in draft.columns]
            yield _finished(draft, values)


def _finished(draft: BlockDraft, values: Sequence[Counts | BlockError]) -> Block:
    """Join a draft with its decoded columns."""
    block = draft.block
    problems = list(block.problems)
    columns: dict[tuple[int, int], Counts] = {}
    for (channel, quantity, _), column in zip(draft.columns, values, strict=True):
        if isinstance(column, BlockError):
            problems.append(Problem(block.offset, block.block_seq, str(column)))
        else:
            columns[channel, quantity] = column
    if draft.shock_head is not None:
        shock = _shock(block, draft.shock_head, columns)
        if shock is None:
            message = "a shock window lacks one of its three columns"
            problems.append(Problem(block.offset, block.block_seq, message))
        return replace(block, shock=shock, problems=tuple(problems))
    span: SampleSpan | None = None
    if draft.span is not None and len(columns) == len(draft.columns):
        try:
            states = _states(draft.states, draft.count)
        except (BlockError, struct.error) as error:
            problems.append(Problem(block.offset, block.block_seq, str(error)))
        else:
            place = (block.boot, block.block_seq, block.start_ms)
            span = span_of(place, draft.span, columns, states)
    return replace(block, span=span, problems=tuple(problems))


def _states(payload: bytes, count: int) -> dict[int, States]:
    """Spread the STATES section into one array of probe states for each channel it names."""
    import numpy as np  # noqa: PLC0415

    states: dict[int, States] = {}
    for channel, state, first, length in struct.iter_unpack(layout.STATE_RUN.format, payload):
        if first + length > count:
            raise BlockError(
                "section", f"states of samples {first} to {first + length} in a block of {count}"
            )
        if channel not in states:
            states[channel] = np.zeros(count, dtype=np.uint8)
        states[channel][first : first + length] = state
    return states


def span_of(
    place: tuple[int, int | None, int],
    span: tuple[int, int, int],
    columns: dict[tuple[int, int], Counts],
    states: dict[int, States],
) -> SampleSpan:
    """Put the columns and states of samples together; `place`: boot, block, uptime in ms."""
    first_sample, count, interval_ms = span
    channels = {
        channel: ChannelSamples(
            counts=counts,
            states=states.get(channel),
            low_counts=columns.get((channel, layout.QUANTITY_MIN)),
            high_counts=columns.get((channel, layout.QUANTITY_MAX)),
        )
        for (channel, quantity), counts in columns.items()
        if quantity == layout.QUANTITY_READING
    }
    return SampleSpan(
        boot=place[0],
        block_seq=place[1],
        first_sample=first_sample,
        start_ms=place[2],
        interval_ms=interval_ms,
        count=count,
        channels=channels,
        cold_junction_counts=columns.get((layout.CHANNEL_COMMON, layout.QUANTITY_COLD_JUNCTION)),
        cold_junction_states=states.get(layout.CHANNEL_COMMON),
        lateness_ms=columns.get((layout.CHANNEL_COMMON, layout.QUANTITY_LATENESS)),
    )


def _shock(
    block: Block, head: tuple[int, ...], columns: dict[tuple[int, int], Counts]
) -> ShockWindow | None:
    shock, _, trigger, rate_hz, count_mg, flags = head
    axes = [columns.get((axis, layout.QUANTITY_ACCELERATION)) for axis in range(AXES)]
    x, y, z = axes
    if x is None or y is None or z is None:
        return None
    return ShockWindow(
        boot=block.boot,
        block_seq=block.block_seq,
        start_ms=block.start_ms,
        shock=shock,
        trigger=trigger,
        rate_hz=rate_hz,
        count_mg=count_mg,
        flags=flags,
        counts=(x, y, z),
    )
