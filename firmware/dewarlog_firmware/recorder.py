"""Samples and events become journal records at once and sealed blocks in time.

Takes samples and events from logbook, gives it bytes to store; does no I/O of its own. One block
is open: its columns are encoded page by page as samples come, so that RAM holds the compressed
planes and one page, never the raw block. A closed one is given away in the pieces it was made in,
and there is no copy of it. How large it may become is sizes.py's. Format: protocol/SPEC.md
sections 4 to 6.

Contract: main loop only, never an interrupt. `sample` and `event` allocate nothing that lives on;
`seal` may allocate a SHA-256 object.
"""

import struct
from array import array

from dewarlog_firmware.sizes import LARGE
from dewarlog_wire import block, column, journal, layout
from dewarlog_wire.column import PAGE_REMAINDER_MAX_BYTES, ColumnEncoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from dewarlog_firmware.sizes import Sizes

    class SealKey(Protocol):
        """What is asked of seal_key.SealKey."""

        index: int
        secret: bytearray

        def tag(self, state: "bytes | bytearray | memoryview", chain: bytes) -> bytes:
            """Return the seal of a block."""
            ...


_EVENTS_BYTES = 3072
# One sample may begin or end the excursions of 8 rules on 4 probes: 32 x (20 + 24) bytes, beside
# its probe states.
_SAMPLE_EVENTS_BYTES = 1600
# The excursion engine's state of 8 rules on 4 probes, or a sample with a burst of events.
_JOURNAL_BYTES = 4096
_RUNS_MAX = 48
_RUN_FIELDS = 4  # channel, state, first index, count
LATENESS_MAX_MS = 30000


class SealedBlock:
    """A block in pieces of memory, none of which is copied; it stands until the next is begun."""

    def __init__(self, pieces: list, length: int) -> None:
        self.pieces = pieces
        self._length = length

    def __len__(self) -> int:
        return self._length

    def joined(self) -> bytes:
        """Return a copy in one piece."""
        return b"".join([bytes(piece) for piece in self.pieces])


class Recorder:
    """The open block of one run: columns, probe states, raw sets and events.

    `channels`: numbers of the fitted probes. `has_extremes`: each has min and max columns too.
    `sizes`: how much the open block holds; one that grows faster than usual is sealed early.
    `encode_page`: the page encoder to use, column.encode_page or its machine-code twin.
    """

    def __init__(
        self,
        channels: tuple,
        has_extremes: bool,
        encode_page: "Callable[..., object]" = column.encode_page,
        sizes: "Sizes" = LARGE,
    ) -> None:
        quantities = (layout.QUANTITY_READING,)
        if has_extremes:
            quantities += (layout.QUANTITY_MIN, layout.QUANTITY_MAX)
        keys = []
        for channel in channels:
            for quantity in quantities:
                keys.append((channel, quantity))
        keys.append((layout.CHANNEL_COMMON, layout.QUANTITY_COLD_JUNCTION))
        self._keys = tuple(keys)
        self.columns = len(keys)
        self._capacity = sizes.block_samples
        capacity_bytes = sizes.columns_bytes // (self.columns + 1)
        pages = (self._capacity + layout.COLUMN_PAGE - 1) // layout.COLUMN_PAGE
        self._encode_page = encode_page
        self._encoders = [
            ColumnEncoder(capacity_bytes, pages, encode_page) for _ in range(self.columns + 1)
        ]
        self._lateness = self._encoders[-1]
        self._has_lateness = False
        self._last_valid = [0] * self.columns
        # Probe state runs of this block: channel, state, first index, count.
        self._runs = array("H", bytes(2 * _RUN_FIELDS * _RUNS_MAX))
        self._run_count = 0
        self._raw = bytearray(layout.RAW_SET.size * len(channels))
        self._raw_bytes = 0
        self._events = bytearray(_EVENTS_BYTES)
        self._events_bytes = 0
        self._event_count = 0
        self._events_view = memoryview(self._events)
        self.journal_buffer = bytearray(_JOURNAL_BYTES)
        self._journal_view = memoryview(self.journal_buffer)
        self._journal_bytes = 0
        self._journal_crc = 0
        self.run = 0
        self.boot = 0
        self.blocks = 0
        self.chain = layout.CHAIN_START
        self.key: "SealKey | None" = None  # seals the blocks, while it has an index
        self.first_sample = 0
        self.first_event = 0
        self.count = 0
        self.interval_ms = 0
        self.uptime_s = 0
        self.uptime_ms = 0

    # --- where the run stands -----------------------------------------------------------------

    def resume(
        self, run: int, boot: int, blocks: int, chain: bytes, next_sample: int, next_event: int
    ) -> None:
        """Continue a run (or begin it, with zeros) with an empty open block."""
        self.run = run
        self.boot = boot
        self.blocks = blocks
        self.chain = chain
        self.first_sample = next_sample
        self.first_event = next_event
        self._clear()

    @property
    def next_sample(self) -> int:
        """Return the number the next sample will have in the run."""
        return self.first_sample + self.count

    @property
    def next_event(self) -> int:
        """Return the number the next event will have in the run."""
        return self.first_event + self._event_count

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to seal."""
        return not self.count and not self._event_count

    def has_room(self) -> bool:
        """Tell whether another sample and its events are sure to fit into the open block."""
        if self.count >= self._capacity or self._run_count > _RUNS_MAX - self.columns:
            return False
        if not self.fits_event(_SAMPLE_EVENTS_BYTES):
            return False
        for encoder in self._encoders:
            if not encoder.has_room():
                return False
        return True

    def fits_event(self, body_bytes: int) -> bool:
        """Tell whether an event with a body of that size still fits into the open block."""
        return self._events_bytes + layout.EVENT_HEAD.size + body_bytes <= _EVENTS_BYTES

    @property
    def wants_commit(self) -> bool:
        """Tell whether the journal records not yet taken are about to fill their buffer."""
        return self._journal_bytes > _JOURNAL_BYTES // 2

    # --- samples and events -------------------------------------------------------------------

    def begin_span(self, interval_ms: int, uptime_s: int, uptime_ms: int) -> None:
        """Say when the first sample of the open block was due and how far apart they stand."""
        self.interval_ms = interval_ms
        self.uptime_s = uptime_s
        self.uptime_ms = uptime_ms
        body = struct.pack(layout.JOURNAL_SPAN_BODY.format, interval_ms, uptime_ms, uptime_s)
        self._journal(layout.JOURNAL_SPAN, body)

    def lateness_of(self, uptime_s: int, uptime_ms: int) -> int:
        """Return how late (ms, may be negative) a sample at this uptime is for the next slot."""
        nominal_ms = self.count * self.interval_ms
        return (uptime_s - self.uptime_s) * 1000 + (uptime_ms - self.uptime_ms) - nominal_ms

    def sample(self, lateness_ms: int, codes: "Sequence[int]") -> None:
        """Add one sample: a reading code for each column. Call `has_room` first.

        Raises ValueError when the lateness does not fit: that is a gap, not a late sample.
        """
        if not -LATENESS_MAX_MS <= lateness_ms <= LATENESS_MAX_MS:
            raise ValueError("lateness %d ms" % lateness_ms)
        self._journal_sample(lateness_ms, codes)
        if lateness_ms:
            self._has_lateness = True
        self._lateness.push(lateness_ms)
        index = self.count
        for number in range(self.columns):
            code = codes[number]
            if code >= layout.READING_MIN:
                self._last_valid[number] = code
            else:
                channel, quantity = self._keys[number]
                if quantity in (layout.QUANTITY_READING, layout.QUANTITY_COLD_JUNCTION):
                    self._extend_run(channel, layout.state_of(code), index)
            self._encoders[number].push(self._last_valid[number])
        self.count = index + 1

    def _extend_run(self, channel: int, state: int, index: int) -> None:
        runs = self._runs
        end = _RUN_FIELDS * self._run_count
        for at in range(end - _RUN_FIELDS, -1, -_RUN_FIELDS):
            if runs[at] == channel:
                if runs[at + 1] == state and runs[at + 2] + runs[at + 3] == index:
                    runs[at + 3] += 1
                    return
                break
        runs[end], runs[end + 1], runs[end + 2], runs[end + 3] = channel, state, index, 1
        self._run_count += 1

    def pass_sample(self) -> None:
        """Count a sample that an earlier block holds. Only while the open block is empty."""
        self.first_sample += 1
        self.uptime_ms += self.interval_ms
        self.uptime_s += self.uptime_ms // 1000
        self.uptime_ms %= 1000

    def pass_event(self) -> None:
        """Count an event that an earlier block holds. Only while the open block is empty."""
        self.first_event += 1

    def raw_set(self, channel: int, fault: int, voltage_raw: int, cold_junction_raw: int) -> None:
        """Keep what the converter said for the newest sample; once a block for each channel."""
        if self._raw_bytes >= len(self._raw):
            return
        start = self._raw_bytes
        struct.pack_into(
            layout.RAW_SET.format,
            self._raw,
            start,
            channel,
            fault,
            self.count - 1,
            voltage_raw,
            cold_junction_raw,
        )
        self._raw_bytes = start + layout.RAW_SET.size
        self._journal(layout.JOURNAL_RAW, self._raw[start : self._raw_bytes])

    @property
    def wants_raw(self) -> bool:
        """Tell whether the open block still lacks its raw sets."""
        return not self._raw_bytes

    def event(self, kind: int, body: bytes, uptime_s: int, uptime_ms: int) -> None:
        """Add one event to the open block and the journal."""
        start = self._events_bytes
        end = start + layout.EVENT_HEAD.size + len(body)
        struct.pack_into(
            layout.EVENT_HEAD.format, self._events, start, kind, len(body), uptime_ms, uptime_s
        )
        self._events[start + layout.EVENT_HEAD.size : end] = body
        self._events_bytes = end
        self._event_count += 1
        self._journal(layout.JOURNAL_EVENT, self._events[start:end])

    # --- journal ------------------------------------------------------------------------------

    def open_journal(self, state: bytes, uptime_s: int, uptime_ms: int) -> None:
        """Start the journal anew: its head and the board's own state; `take_journal` has it."""
        self._journal_bytes, self._journal_crc = journal.pack_head_into(
            self.journal_buffer,
            0,
            self.columns,
            self.boot,
            self.run,
            self.blocks,
            self.first_sample,
            self.first_event,
            uptime_ms,
            uptime_s,
        )
        self._journal(layout.JOURNAL_STATE, state)

    def take_journal(self) -> memoryview:
        """Return the records made since the last call; valid until the next record is made."""
        view = self._journal_view[: self._journal_bytes]
        self._journal_bytes = 0
        return view

    def _journal(self, kind: int, body) -> None:  # noqa: ANN001 - bytes-like
        start = self._journal_bytes + layout.JOURNAL_RECORD.size
        self.journal_buffer[start : start + len(body)] = body
        self._close_record(kind, len(body))

    def _journal_sample(self, lateness_ms: int, codes: "Sequence[int]") -> None:
        offset = self._journal_bytes + layout.JOURNAL_RECORD.size
        struct.pack_into("<h", self.journal_buffer, offset, lateness_ms)
        for number in range(self.columns):
            struct.pack_into("<h", self.journal_buffer, offset + 2 + 2 * number, codes[number])
        self._close_record(layout.JOURNAL_SAMPLE, 2 + 2 * self.columns)

    def _close_record(self, kind: int, length: int) -> None:
        self._journal_bytes, self._journal_crc = journal.pack_record_into(
            self.journal_buffer, self._journal_bytes, kind, length, self._journal_crc
        )

    # --- blocks -------------------------------------------------------------------------------

    def seal(self) -> SealedBlock:
        """Close the open block and return it."""
        kind = layout.BLOCK_SAMPLES if self.count else layout.BLOCK_EVENTS
        if self.count:
            uptime_s, uptime_ms = self.uptime_s, self.uptime_ms
        else:
            head = struct.unpack_from(layout.EVENT_HEAD.format, self._events, 0)
            uptime_ms, uptime_s = head[2], head[3]
        pieces = self._begin(kind, uptime_s, uptime_ms)
        if self.count:
            self._put_samples(pieces)
        if self._event_count:
            self._put_events(pieces)
        sealed = self._finish(pieces)
        self.first_sample += self.count
        self.first_event += self._event_count
        self._clear()
        return sealed

    def run_block(
        self, sections: "Sequence[tuple[int, bytes]]", uptime_s: int, uptime_ms: int
    ) -> SealedBlock:
        """Build block 0 of a run from (section kind, body) pairs."""
        pieces = self._begin(layout.BLOCK_RUN, uptime_s, uptime_ms)
        for kind, body in sections:
            _put(pieces, kind, body)
        return self._finish(pieces)

    def shock_sections(self, head: "tuple[int, ...]", columns: "Sequence[Sequence[int]]") -> bytes:
        """Encode one shock window: SHOCK_HEAD values, then x, y and z counts, for `shock_block`.

        Allocates a column encoder for the time of the call: shocks are rare, RAM is not.
        """
        pieces: list = []
        _put(pieces, layout.SECTION_SHOCK_HEAD, struct.pack(layout.SHOCK_HEAD.format, *head))
        count = head[1]
        pages = (count + layout.COLUMN_PAGE - 1) // layout.COLUMN_PAGE
        encoder = ColumnEncoder(pages * PAGE_REMAINDER_MAX_BYTES, pages, self._encode_page)
        for axis in range(3):
            encoder.begin(axis, layout.QUANTITY_ACCELERATION)
            for index in range(count):
                encoder.push(columns[axis][index])
            for piece in encoder.finish():
                pieces.append(bytes(piece))  # the next axis is encoded over it
        return b"".join(pieces)

    def shock_block(
        self, sections: "bytes | memoryview", uptime_s: int, uptime_ms: int
    ) -> SealedBlock:
        """Build the block of one shock window from its sections, which stay where they are."""
        pieces = self._begin(layout.BLOCK_SHOCK, uptime_s, uptime_ms)
        pieces.append(sections)
        return self._finish(pieces)

    def _begin(self, kind: int, uptime_s: int, uptime_ms: int) -> list:
        head = bytearray(layout.BLOCK_HEADER.size)
        block.begin_block(head, kind, self.run, self.blocks, self.boot, uptime_s, uptime_ms)
        return [head]

    def _finish(self, pieces: list) -> SealedBlock:
        key = self.key
        if key is None or not key.index:
            length, self.chain = block.seal_pieces(pieces, self.chain)
        else:
            length, self.chain = block.seal_pieces(
                pieces, self.chain, key.index, key.secret, key.tag
            )
        self.blocks += 1
        return SealedBlock(pieces, length)

    def _put_samples(self, pieces: list) -> None:
        span = struct.pack(layout.SPAN.format, self.first_sample, self.count, self.interval_ms)
        _put(pieces, layout.SECTION_SPAN, span)
        for encoder in self._encoders:
            if encoder is not self._lateness or self._has_lateness:
                pieces.extend(encoder.finish())
        if self._run_count:
            runs = b"".join(
                [
                    struct.pack(layout.STATE_RUN.format, *self._runs[at : at + _RUN_FIELDS])
                    for at in range(0, _RUN_FIELDS * self._run_count, _RUN_FIELDS)
                ]
            )
            _put(pieces, layout.SECTION_STATES, runs)
        if self._raw_bytes:
            _put(pieces, layout.SECTION_RAW, self._raw[: self._raw_bytes])

    def _put_events(self, pieces: list) -> None:
        head = struct.pack(layout.EVENTS_HEAD.format, self.first_event, self._event_count)
        length = len(head) + self._events_bytes
        pieces.append(
            struct.pack(layout.SECTION_HEAD.format, layout.SECTION_EVENTS, length) + head
        )
        pieces.append(self._events_view[: self._events_bytes])

    def _clear(self) -> None:
        for number in range(self.columns):
            channel, quantity = self._keys[number]
            self._encoders[number].begin(channel, quantity)
            self._last_valid[number] = 0
        self._lateness.begin(layout.CHANNEL_COMMON, layout.QUANTITY_LATENESS)
        self._has_lateness = False
        self._run_count = 0
        self._raw_bytes = 0
        self._events_bytes = 0
        self._event_count = 0
        self.count = 0


def _put(pieces: list, kind: int, body) -> None:  # noqa: ANN001 - bytes-like
    """Add a section as two pieces."""
    pieces.append(struct.pack(layout.SECTION_HEAD.format, kind, len(body)))
    pieces.append(body)
