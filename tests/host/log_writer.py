"""Writes logs for tests from plain numbers, with the board's own block and column encoders."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from dewarlog_wire import block, events, journal, layout, seal
from dewarlog_wire import texts as wire_texts
from dewarlog_wire.column import ColumnEncoder

DEGC = layout.TEMPERATURE_PER_DEGC
CJ = layout.COLD_JUNCTION_PER_DEGC
UTC_2026_03_01 = 1772323200 - layout.UTC_EPOCH_UNIX_S
HOLD_ABOVE_150 = (0, layout.RULE_ABOVE, layout.MODE_SINGLE, layout.SEVERITY_HOLD, 0x0F)
DEFAULT_RULES = ((*HOLD_ABOVE_150, -150 * DEGC, 2 * DEGC, 600, 0),)
DEFAULT_TEXTS = (
    (layout.TEXT_BOARD, "RPI_PICO2_W"),
    (layout.TEXT_DEWAR, "DW-0042"),
    (layout.TEXT_SHIPMENT, "SHIP-2026-0310"),
    (layout.TEXT_PROFILE, "CAR-T dry shipper"),
    (layout.TEXT_CONTACT, "Cell therapy desk, +1 555 0100, day and night"),
    (layout.TEXT_INSTRUCTION, "Keep the dewar upright."),
    (layout.TEXT_INSTRUCTION, "Do not open the lid before the lab says so."),
    (layout.TEXT_CHAIN_OF_IDENTITY, "COI-7F3A"),
)
SHOCK_SETTINGS = (3200, 100, 200, 150, 20, 160, 1024, 25, 50, 100, 2, 2000)
TILT_SETTINGS = (30, 60, 120, 2, 120, 10)

# channel, point, reference, indicated, u (counts), pressure_pa, utc_s, serial; then reference
PointSpec = tuple[int, int, int, int, int, int, int, bytes, str]
# utc_s, planned_s, static_hold_s, charge_g, overridden; then actor and reason
ArmingSpec = tuple[int, int, int, int, int, str, str]
EventSpec = tuple[int, int, tuple[object, ...]]  # kind, uptime_ms, body values


@dataclass(slots=True)
class LogWriter:
    """Appends blocks to `data`; numbers blocks, samples and events as a board does."""

    run: int = 7
    boot: int = 0
    channels: int = 1
    conversions: int = 1
    interval_ms: int = 10_000
    probe_type: str = "T"
    blocks: int = 0
    next_sample: int = 0
    next_event: int = 0
    device_id: bytes = b"\x01\x02\x03\x04\x05\x06\x07\x08"
    log_id: bytes = bytes(range(8))
    key_index: int = 0  # of the next block's seal; 0: no sealing key
    seal_state: bytes = b""
    chain: bytes = layout.CHAIN_START
    data: bytearray = field(default_factory=bytearray)
    offsets: list[int] = field(default_factory=list)
    _encoder: ColumnEncoder = field(default_factory=lambda: ColumnEncoder(16 * 4096))

    # --- blocks -------------------------------------------------------------------------------

    def block(self, kind: int, uptime_ms: int, sections: list[tuple[int, bytes]]) -> int:
        """Append one sealed block; return its offset."""
        buffer = bytearray(2 * layout.BLOCK_MAX_BYTES)
        offset = block.begin_block(
            buffer, kind, self.run, self.blocks, self.boot, uptime_ms // 1000, uptime_ms % 1000
        )
        for section, payload in sections:
            offset = block.put_section(buffer, offset, section, payload)
        key = (self.key_index, self.seal_state)
        length, self.chain = block.seal_block(buffer, offset, self.chain, *key)
        if self.key_index:
            self.key_index += 1
            self.seal_state = seal.next_state(self.seal_state)
        place = len(self.data)
        self.offsets.append(place)
        self.data += buffer[:length]
        self.blocks += 1
        return place

    def start(
        self,
        *,
        rules: tuple[tuple[int, ...], ...] = DEFAULT_RULES,
        texts: tuple[tuple[int, str], ...] = DEFAULT_TEXTS,
        began_utc_s: int = UTC_2026_03_01,
        offset_count: int = 0,
        calibration: tuple[int, int, int] = (0, layout.UTC_UNKNOWN, layout.UTC_UNKNOWN),
        gain: int = 32,
        shock: bool = True,
        tilt: bool = True,
        points: tuple[PointSpec, ...] = (),
        handling: tuple[int, int] | None = None,
        arming: ArmingSpec | None = None,
        extra: tuple[tuple[int, bytes], ...] = (),
    ) -> int:
        """Append the first block of the run. `calibration`: u in counts, when, due.

        `points`: the values of a CALIBRATION each, then its reference; `arming`: those of an
        ARMING, then actor and reason.
        """
        identity = (self.device_id, self.log_id, 0, 1, 0, 1, 27, 0)
        sections = [
            (
                layout.SECTION_IDENTITY,
                struct.pack(layout.IDENTITY.format, *identity, began_utc_s),
            )
        ]
        sections += [
            (layout.SECTION_TEXT, bytes([which]) + text.encode()) for which, text in texts
        ]
        sampling = (self.interval_ms, 0, self.conversions, gain, layout.FULL_STOP)
        sections.append((layout.SECTION_SAMPLING, struct.pack(layout.SAMPLING.format, *sampling)))
        for channel in range(self.channels):
            values = (channel, ord(self.probe_type), min(channel, 2), offset_count, *calibration)
            serial = f"TC-{channel + 1:03d}".encode().ljust(12, b"\0")
            sections.append(
                (layout.SECTION_CHANNEL, struct.pack(layout.CHANNEL.format, *values, serial))
            )
            sections += [
                _with_texts(layout.SECTION_CALIBRATION, point)
                for point in points
                if point[0] == channel
            ]
        sections += [
            _with_texts(layout.SECTION_CALIBRATION, point)
            for point in points
            if point[0] >= self.channels
        ]
        sections += [(layout.SECTION_RULE, struct.pack(layout.RULE.format, *r)) for r in rules]
        if shock:
            packed = struct.pack(layout.SHOCK_SETTINGS.format, *SHOCK_SETTINGS)
            sections.append((layout.SECTION_SHOCK_SETTINGS, packed))
        if tilt:
            packed = struct.pack(layout.TILT_SETTINGS.format, *TILT_SETTINGS)
            sections.append((layout.SECTION_TILT_SETTINGS, packed))
        if handling is not None:
            packed = struct.pack(layout.HANDLING.format, *handling)
            sections.append((layout.SECTION_HANDLING, packed))
        if arming is not None:
            sections.append(_with_texts(layout.SECTION_ARMING, arming))
        return self.block(layout.BLOCK_RUN, 0, [*sections, *extra])

    def samples(
        self,
        start_ms: int,
        readings: list[list[int]],
        *,
        cold_junction: list[int] | None = None,
        extremes: list[tuple[list[int], list[int]]] | None = None,
        lateness: list[int] | None = None,
        raw_sets: list[tuple[int, int, int, int, int]] | None = None,
        events: list[EventSpec] | None = None,
        interval_ms: int | None = None,
        extra: tuple[tuple[int, bytes], ...] = (),
    ) -> int:
        """Append one block of samples: one list of reading codes for each channel."""
        count = len(readings[0])
        span = (self.next_sample, count, interval_ms or self.interval_ms)
        sections = [(layout.SECTION_SPAN, struct.pack(layout.SPAN.format, *span))]
        states: list[bytes] = []
        for channel, codes in enumerate(readings):
            filled = _filled(codes, channel, states)
            sections.append(self._column(channel, layout.QUANTITY_READING, filled))
            if extremes is not None:
                low, high = extremes[channel]
                sections.append(self._column(channel, layout.QUANTITY_MIN, low))
                sections.append(self._column(channel, layout.QUANTITY_MAX, high))
        common = layout.CHANNEL_COMMON
        cj_codes = [25 * CJ] * count if cold_junction is None else cold_junction
        cj = _filled(cj_codes, common, states)
        sections.append(self._column(common, layout.QUANTITY_COLD_JUNCTION, cj))
        if lateness is not None and any(lateness):
            sections.append(self._column(common, layout.QUANTITY_LATENESS, lateness))
        if states:
            sections.append((layout.SECTION_STATES, b"".join(states)))
        if raw_sets:
            packed = b"".join(struct.pack(layout.RAW_SET.format, *item) for item in raw_sets)
            sections.append((layout.SECTION_RAW, packed))
        if events:
            sections.append((layout.SECTION_EVENTS, self._events(events)))
        self.next_sample += count
        return self.block(layout.BLOCK_SAMPLES, start_ms, [*sections, *extra])

    def events(self, items: list[EventSpec]) -> int:
        """Append a block of events alone."""
        section = (layout.SECTION_EVENTS, self._events(items))
        return self.block(layout.BLOCK_EVENTS, items[0][1], [section])

    def shock(
        self,
        start_ms: int,
        axes: tuple[list[int], list[int], list[int]],
        *,
        number: int = 0,
        trigger: int = 160,
        flags: int = 0,
        rate_hz: int = 3200,
        count_mg: int = 100,
    ) -> int:
        """Append one shock window of acceleration counts."""
        head = (number, len(axes[0]), trigger, rate_hz, count_mg, flags)
        sections = [(layout.SECTION_SHOCK_HEAD, struct.pack(layout.SHOCK_HEAD.format, *head))]
        sections += [
            self._column(axis, layout.QUANTITY_ACCELERATION, counts)
            for axis, counts in enumerate(axes)
        ]
        return self.block(layout.BLOCK_SHOCK, start_ms, sections)

    # --- the journal --------------------------------------------------------------------------

    def journal(
        self,
        start_ms: int,
        samples: list[tuple[int, ...]],
        *,
        events: list[EventSpec] | None = None,
        torn: bytes = b"",
    ) -> int:
        """Append an open journal: (lateness, code, ..., cold junction) a sample; return offset."""
        columns = len(samples[0]) - 1 if samples else 1
        place = len(self.data)
        head = bytearray(layout.JOURNAL_HEAD.size)
        when = (start_ms % 1000, start_ms // 1000)
        numbers = (self.run, self.blocks, self.next_sample, self.next_event)
        _, crc = journal.pack_head_into(head, 0, columns, self.boot, *numbers, *when)
        self.data += head
        records = [(layout.JOURNAL_STATE, b"opaque")]
        span = struct.pack(layout.JOURNAL_SPAN_BODY.format, self.interval_ms, *when)
        records.append((layout.JOURNAL_SPAN, span))
        records += [
            (layout.JOURNAL_SAMPLE, struct.pack(f"<{columns + 1}h", *values)) for values in samples
        ]
        records += [(layout.JOURNAL_EVENT, _event(*item)) for item in events or []]
        for kind, body in records:
            buffer = bytearray(len(body) + journal.RECORD_OVERHEAD_BYTES)
            buffer[3 : 3 + len(body)] = body
            _, crc = journal.pack_record_into(buffer, 0, kind, len(body), crc)
            self.data += buffer
        self.data += torn
        self.next_sample += len(samples)
        self.next_event += len(events or [])
        return place

    # --- parts --------------------------------------------------------------------------------

    def _column(self, channel: int, quantity: int, values: list[int]) -> tuple[int, bytes]:
        self._encoder.begin(channel, quantity)
        for value in values:
            self._encoder.push(value)
        buffer = bytearray(2 * layout.BLOCK_MAX_BYTES)
        end = self._encoder.finish_into(buffer, 0)
        return layout.SECTION_COLUMN, bytes(buffer[layout.SECTION_HEAD.size : end])

    def _events(self, items: list[EventSpec]) -> bytes:
        packed = struct.pack(layout.EVENTS_HEAD.format, self.next_event, len(items))
        self.next_event += len(items)
        return packed + b"".join(_event(*item) for item in items)


def _with_texts(section: int, values: tuple[object, ...]) -> tuple[int, bytes]:
    count = len(layout.SECTION_TEXTS[section])
    told = [str(text) for text in values[-count:]]
    return section, wire_texts.section_texts_body(section, values[:-count], tuple(told))


def _event(kind: int, uptime_ms: int, body: tuple[object, ...]) -> bytes:
    buffer = bytearray(events.EVENT_MAX_BYTES)
    end = events.pack_event_into(buffer, 0, kind, uptime_ms // 1000, uptime_ms % 1000, body)
    return bytes(buffer[:end])


def _filled(codes: list[int], channel: int, states: list[bytes]) -> list[int]:
    """Replace state codes by the last value and note them as runs, as the board does."""
    filled: list[int] = []
    last = 0
    run: list[int] | None = None  # state, first, count
    for index, code in enumerate(codes):
        state = layout.state_of(code)
        if state == layout.STATE_OK:
            last = code
        if run is not None and (state != run[0]):
            states.append(struct.pack(layout.STATE_RUN.format, channel, *run))
            run = None
        if state != layout.STATE_OK:
            if run is None:
                run = [state, index, 0]
            run[2] += 1
        filled.append(last)
    if run is not None:
        states.append(struct.pack(layout.STATE_RUN.format, channel, *run))
    return filled
