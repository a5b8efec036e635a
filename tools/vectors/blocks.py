"""Blocks, sections, columns and events that a reader must read."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from dewarlog_wire import block, column, layout
from vectors.parts import (
    COMMON,
    DEVICE_ID,
    LOG_ID,
    READING,
    annotated,
    coded,
    event_section,
    noise,
    samples,
    scenario,
    sealed,
    texts_section,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vectors.parts import Vector


@scenario
def block_run() -> Vector:
    """Block 0 of a run: every section a run block can have."""
    identity = (DEVICE_ID, LOG_ID, 0, 1, 0, 1, 28, 0, 210_000_000)
    channel = (2, ord("T"), 1, -3, 13, 205_000_000, 236_536_000, b"TC-000417")
    rule = (0, layout.RULE_ABOVE, layout.MODE_SINGLE, 1, 7, -19200, 128, 600, 0)
    shock = (3200, 100, 200, 20, 50, 256, 1024, 5, 25, 50, 3, 3000)
    texts = (
        (layout.TEXT_DEWAR, "dewar 17"),
        (layout.TEXT_INSTRUCTION, "Keep upright, \u2264 30\u00b0."),
    )
    data = sealed(
        layout.BLOCK_RUN,
        [
            (layout.SECTION_IDENTITY, struct.pack(layout.IDENTITY.format, *identity)),
            *((layout.SECTION_TEXT, bytes((which,)) + text.encode()) for which, text in texts),
            (layout.SECTION_SAMPLING, struct.pack(layout.SAMPLING.format, 10000, 1000, 1, 8, 0)),
            (layout.SECTION_CHANNEL, struct.pack(layout.CHANNEL.format, *channel)),
            (layout.SECTION_RULE, struct.pack(layout.RULE.format, *rule)),
            (layout.SECTION_SHOCK_SETTINGS, struct.pack(layout.SHOCK_SETTINGS.format, *shock)),
            (
                layout.SECTION_TILT_SETTINGS,
                struct.pack(layout.TILT_SETTINGS.format, 30, 60, 120, 2, 60, 60),
            ),
        ],
        seq=0,
    )
    return {"chain before": layout.CHAIN_START.hex()}, annotated(data)


@scenario
def block_run_armed() -> Vector:
    """Block 0 of a run that an arming host began: its sections at the ends of their ranges."""
    most = "\u00e9" * 38  # 76 bytes of UTF-8
    serial = b"TC-000417".ljust(12, b"\0")
    points = (
        ((2, 0, 0, -32768, 65535, 0, layout.UTC_UNKNOWN, serial), ""),
        ((2, 1, -25069, 32767, 0, 4294967295, 0, serial), most),
        ((255, 255, -32768, 0, 1, 1, 1, bytes(12)), "=1+1"),
    )
    identity = (DEVICE_ID, LOG_ID, 0, 1, 0, 1, 28, 0, 210_000_000)
    texts = enumerate(("B2", "A-17", "PO 4711", "CC 9", "Ward 3"), start=layout.TEXT_HARDWARE)
    arming = (4294967295, 432_000, 0, 0, 65535)
    data = sealed(
        layout.BLOCK_RUN,
        [
            (layout.SECTION_IDENTITY, struct.pack(layout.IDENTITY.format, *identity)),
            *((layout.SECTION_TEXT, bytes((which,)) + text.encode()) for which, text in texts),
            *(texts_section(layout.SECTION_CALIBRATION, one, (text,)) for one, text in points),
            (layout.SECTION_HANDLING, struct.pack(layout.HANDLING.format, 65535, 255)),
            texts_section(layout.SECTION_ARMING, arming, (most, "")),
        ],
        seq=0,
    )
    return {"chain before": layout.CHAIN_START.hex()}, annotated(data)


@scenario
def block_column_ramp() -> Vector:
    """A column that climbs by one count a sample."""
    values = list(range(-24320, -24280))
    return {}, annotated(samples(coded(0, READING, values), count=len(values)))


@scenario
def block_column_two_pages() -> Vector:
    """A column of noise over a page and a bit: two parameter bytes, one bit stream."""
    values = noise(300, 6, -24320)
    return {}, annotated(samples(coded(0, READING, values), count=len(values)))


@scenario
def block_column_flat() -> Vector:
    """A column without change: k = 15 and no bits at all."""
    return {}, annotated(samples(coded(1, READING, [-24320] * 520), count=520))


@scenario
def block_column_flat_page_between() -> Vector:
    """A flat page between two that are not: the planes go on over it."""
    values = [*noise(255, 3, 100), 100, *([100] * 256), *noise(40, 3, 100, seed=9)]
    section = layout.SECTION_COLUMN, _flat_between(values)
    return {}, annotated(samples(section, count=len(values)))


def _flat_between(values: Sequence[int]) -> bytes:
    """Encode with shift 0 throughout, so that the second page's residuals are all zero."""

    def encode_page(*arguments: object) -> None:
        state = arguments[1]
        state[column.STATE_SHIFT_FIRST] = state[column.STATE_SHIFT_LAST] = 0  # type: ignore[index]
        column.encode_page(*arguments)  # type: ignore[arg-type]

    encoder = column.ColumnEncoder(4096, 16, encode_page)
    encoder.begin(0, READING)
    for value in values:
        encoder.push(value)
    buffer = bytearray(encoder.size())
    return bytes(buffer[layout.SECTION_HEAD.size : encoder.finish_into(buffer, 0)])


@scenario
def block_column_extremes() -> Vector:
    """The largest residuals there are: k = 14."""
    values = [-32768, 32767] * 8
    return {}, annotated(samples(coded(0, READING, values), count=len(values)))


@scenario
def block_states() -> Vector:
    """A probe opens and comes back: the column repeats, STATES says why."""
    values = [-24320, -24319, -24319, -24319, -24319, -24318]
    run = struct.pack(layout.STATE_RUN.format, 0, layout.STATE_OPEN, 2, 3)
    common = struct.pack(layout.STATE_RUN.format, COMMON, layout.STATE_SILENT, 3, 1)
    states = (layout.SECTION_STATES, run + common)
    return {}, annotated(samples(coded(0, READING, values), count=6, more=[states]))


@scenario
def block_columns_of_each_quantity() -> Vector:
    """Every kind of column: mean, min and max, cold junction, lateness."""
    columns = [
        coded(0, READING, [-24320, -24321]),
        coded(0, layout.QUANTITY_MIN, [-24330, -24333]),
        coded(0, layout.QUANTITY_MAX, [-24310, -24311]),
        coded(COMMON, layout.QUANTITY_COLD_JUNCTION, [1281, 1280]),
        coded(COMMON, layout.QUANTITY_LATENESS, [0, 37]),
    ]
    return {}, annotated(samples(*columns, count=2))


@scenario
def block_raw() -> Vector:
    """Raw sets of two channels, one of them with a fault."""
    raw = struct.pack(layout.RAW_SET.format, 0, 0, 1, -9102, 1280)
    raw += struct.pack(layout.RAW_SET.format, 1, 1, 1, 262143, -1280)
    section = (layout.SECTION_RAW, raw)
    return {}, annotated(samples(coded(0, READING, [5, 6]), count=2, more=[section]))


@scenario
def block_shock() -> Vector:
    """A shock window: head and three columns."""
    head = struct.pack(layout.SHOCK_HEAD.format, 3, 12, 4, 3200, 100, layout.SHOCK_CLIPPED)
    axes = (
        [0, 1, -1, 0, 40, 310, 2047, 1200, 220, 14, -3, 0],
        [0] * 12,
        [10, 10, 11, 9, -60, -2048, -700, -30, 10, 11, 10, 10],
    )
    columns = [
        coded(axis, layout.QUANTITY_ACCELERATION, values) for axis, values in enumerate(axes)
    ]
    data = sealed(layout.BLOCK_SHOCK, [(layout.SECTION_SHOCK_HEAD, head), *columns])
    return {}, annotated(data)


@scenario
def block_events_beside_samples() -> Vector:
    """Excursion begin, extreme and end, and a probe state, beside samples."""
    section = event_section(
        (layout.KIND_PROBE_STATE, (1, layout.STATE_OPEN, layout.STATE_OK, 1, 361)),
        (layout.KIND_EXCURSION_BEGIN, (0, 2, -19100, 300, 360)),
        (layout.KIND_EXCURSION_EXTREME, (0, 2, -18950, 300, 361)),
        (layout.KIND_EXCURSION_END, (0, 2, 20, 610, 300, 362)),
    )
    return {}, annotated(samples(coded(2, READING, [1, 2, 3]), count=3, more=[section]))


@scenario
def block_events_custody() -> Vector:
    """A custody entry whose texts are not ASCII, one of them empty."""
    body = (2, 210_003_600, "Zo\u00eb \u00c5ngstr\u00f6m", "\u6771\u4eac gate 4", "")
    return {}, annotated(sealed(layout.BLOCK_EVENTS, [event_section((layout.KIND_CUSTODY, body))]))


@scenario
def block_events_bench() -> Vector:
    """A profile, a self-test and an erase at the ends of their ranges."""
    section = event_section(
        (layout.KIND_PROFILE, (0, 0, 0, 4294967295, "", "a" * 76)),
        (layout.KIND_SELFTEST, (0, 0, 2, 0, 0, 0)),
        (layout.KIND_SELFTEST, (255, 255, 255, 2147483647, -2147483648, -1)),
        (layout.KIND_ERASE, (4294967295, LOG_ID, 4294967295, 0)),
    )
    return {}, annotated(sealed(layout.BLOCK_EVENTS, [section]))


@scenario
def block_event_unknown() -> Vector:
    """An event of a kind this version does not know: shown as bytes."""
    kind, payload = event_section((layout.KIND_STOP, (0,)))
    changed = bytearray(payload)
    changed[layout.EVENTS_HEAD.size] = 200
    return {}, annotated(sealed(layout.BLOCK_EVENTS, [(kind, bytes(changed))]))


@scenario
def block_section_unknown() -> Vector:
    """A section of a kind this version does not know: skipped and reported."""
    data = samples(coded(0, READING, [9]), count=1, more=[(99, b"\x01\x02\x03")])
    return {}, annotated(data)


@scenario
def block_body_empty() -> Vector:
    """A block without sections."""
    return {}, annotated(sealed(layout.BLOCK_EVENTS, []))


@scenario
def block_chain_of_two() -> Vector:
    """Two blocks, the second chained to the first."""
    first = sealed(layout.BLOCK_RUN, [(layout.SECTION_TEXT, b"\x01board")], seq=0)
    chain = block.check_block(first, 0, None).chain
    second = sealed(layout.BLOCK_EVENTS, [], seq=1, chain=chain)
    return {"chain before": layout.CHAIN_START.hex()}, annotated(first + second)


@scenario
def block_tiny_log() -> Vector:
    """A whole log file: block 0 and a block of three samples; the worked example of SPEC.md."""
    identity = (DEVICE_ID, LOG_ID, 0, 1, 0, 1, 28, 0, 210_000_000)
    channel = (0, ord("T"), 0, 0, 13, layout.UTC_UNKNOWN, layout.UTC_UNKNOWN, b"TC-000417")
    rule = (0, layout.RULE_ABOVE, layout.MODE_SINGLE, layout.SEVERITY_HOLD, 1, -19200, 128, 600, 0)
    first = sealed(
        layout.BLOCK_RUN,
        [
            (layout.SECTION_IDENTITY, struct.pack(layout.IDENTITY.format, *identity)),
            (layout.SECTION_TEXT, bytes((layout.TEXT_DEWAR,)) + b"dewar 17"),
            (layout.SECTION_SAMPLING, struct.pack(layout.SAMPLING.format, 10000, 0, 1, 8, 0)),
            (layout.SECTION_CHANNEL, struct.pack(layout.CHANNEL.format, *channel)),
            (layout.SECTION_RULE, struct.pack(layout.RULE.format, *rule)),
        ],
        seq=0,
    )
    raw = struct.pack(layout.RAW_SET.format, 0, 0, 0, -8979, 1280)
    second = sealed(
        layout.BLOCK_SAMPLES,
        [
            (layout.SECTION_SPAN, struct.pack(layout.SPAN.format, 0, 3, 10000)),
            coded(0, READING, [-24320, -24318, -24319]),
            coded(COMMON, layout.QUANTITY_COLD_JUNCTION, [1280, 1280, 1280]),
            (layout.SECTION_RAW, raw),
            event_section((layout.KIND_BOOT, (1, 1, 0, 0, 210_000_000, layout.CLOCK_OK)), first=0),
        ],
        chain=block.check_block(first, 0, None).chain,
    )
    return {"chain before": layout.CHAIN_START.hex()}, annotated(first + second)
