"""Measure what a log costs: stored bytes a sample, and wire bytes a stored byte.

    python tools/bench/stored_bytes.py [--days 14] [--block-samples N ...] [--json]

Encodes simulated noise with the board's own recorder into a whole log file (block 0, headers,
seals, raw sets and events included) and compares it, in the same run, with what any lossless coder
must spend and with what other coders spend on the columns alone. Ends with exit code 1 when an aim
is missed.

The model: three thermocouples near -190 degC with noise of 0.02, 0.05 and 0.1 degC, and a cold
junction near 20 degC with noise of 0.03 degC, every 10 s. Slow drift, a random walk and three lid
openings a probe stand under the noise. The bound is the Shannon entropy of the quantised noise
alone, as if a reader knew everything else.
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
import struct
import sys
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

_ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(_ROOT / part) for part in ("protocol", "firmware", "tests/fakes")]

from dewarlog_firmware import recorder as firmware_recorder  # noqa: E402
from dewarlog_firmware.sizes import LARGE, SMALL, Sizes  # noqa: E402
from dewarlog_wire import events, frame, layout, session  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Counts = NDArray[np.int16]

INTERVAL_S: Final = 10
NOISE_DEGC: Final = (0.02, 0.05, 0.1, 0.03)
COUNTS_PER_DEGC: Final = (
    layout.TEMPERATURE_PER_DEGC,
    layout.TEMPERATURE_PER_DEGC,
    layout.TEMPERATURE_PER_DEGC,
    layout.COLD_JUNCTION_PER_DEGC,
)
CHANNELS: Final = (0, 1, 2)
EVENT_EVERY_SAMPLES: Final = 8640  # a clock and a supply reading each day

AIM_STORED_OVER_BOUND: Final = 1.10
AIM_SERIAL: Final = 1.01
AIM_BLE: Final = 1.03
# What the board's serial link is granted at once; acks go out every half of it.
SERIAL_CREDIT_BYTES: Final = 65536
BLE_CREDIT_BYTES: Final = layout.BLE_WINDOW_PACKETS * 239


# --- the model --------------------------------------------------------------------------------
def model(days: float, seed: int = 1) -> tuple[list[Counts], float]:
    """Return the four columns of counts and the bound in bytes a sample."""
    rng = np.random.default_rng(seed)
    count = int(days * 86400 / INTERVAL_S)
    hours = np.arange(count) * INTERVAL_S / 3600
    columns: list[Counts] = []
    bits = 0.0
    for number, (noise, per_degc) in enumerate(zip(NOISE_DEGC, COUNTS_PER_DEGC, strict=True)):
        if number in CHANNELS:
            drift = -190 + 2 * np.sin(2 * np.pi * hours / (70 + 10 * number))
            drift += np.cumsum(rng.normal(0, 0.0005, count))
            for opening in rng.choice(count, 3, replace=False):
                # A lid opened: 8 degC at once, gone with a time constant of 15 min.
                drift[opening:] += 8 * np.exp(-(hours[opening:] - hours[opening]) * 4)
        else:
            drift = 20 + 5 * np.sin(2 * np.pi * hours / 24)
        values = (drift + rng.normal(0, noise, count)) * per_degc
        columns.append(np.round(values).astype(np.int16))
        bits += _entropy_bits(drift * per_degc, noise * per_degc)
    return columns, bits / 8


def _entropy_bits(mean_counts: NDArray[np.float64], sigma_counts: float) -> float:
    """Return the mean entropy of round(mean + noise) where the mean is known."""
    # The entropy depends on where the mean stands between two counts: take it at 32 places.
    places = np.linspace(0, 1, 32, endpoint=False)
    reach = math.ceil(12 * sigma_counts) + 1
    edges = np.arange(-reach, reach + 2) - 0.5
    scaled = (edges[None, :] - places[:, None]) / (sigma_counts * math.sqrt(2))
    cumulative = 0.5 * (1 + np.vectorize(math.erf)(scaled))
    chance = np.diff(cumulative, axis=1)
    logs = np.log2(np.where(chance > 0, chance, 1))
    entropy = -(chance * logs).sum(axis=1)
    place = np.floor((mean_counts % 1) * len(places)).astype(int)
    return float(entropy[place].mean())


# --- the log file -----------------------------------------------------------------------------
def write_log(columns: Sequence[Counts], sizes: Sizes) -> list[bytes]:
    """Return the blocks of one run, as the recorder of a board of such sizes makes them."""
    recorder = firmware_recorder.Recorder(CHANNELS, has_extremes=False, sizes=sizes)
    recorder.resume(1, 1, 0, layout.CHAIN_START, 0, 0)
    blocks = [recorder.run_block(_run_sections(), 0, 0).joined()]
    scratch = bytearray(events.EVENT_MAX_BYTES)
    for sample in range(len(columns[0])):
        uptime_s = sample * INTERVAL_S
        if not recorder.has_room():
            blocks.append(recorder.seal().joined())
        if recorder.count == 0:
            recorder.begin_span(INTERVAL_S * 1000, uptime_s, 0)
        recorder.sample(0, [int(column[sample]) for column in columns])
        if recorder.wants_raw:
            for channel in CHANNELS:
                recorder.raw_set(channel, 0, -150000 - channel, 1280)
        if sample % EVENT_EVERY_SAMPLES == 0:
            for kind, body in (
                (layout.KIND_CLOCK_READ, (200_000_000 + uptime_s, layout.CLOCK_OK)),
                (layout.KIND_SUPPLY, (4010, 0)),
            ):
                end = events.pack_event_into(scratch, 0, kind, uptime_s, 0, body)
                recorder.event(kind, bytes(scratch[layout.EVENT_HEAD.size : end]), uptime_s, 0)
        recorder.take_journal()
    blocks.append(recorder.seal().joined())
    return blocks


def _run_sections() -> list[tuple[int, bytes]]:
    """Return a block 0 as a real profile fills it: three probes, four rules, texts."""
    sections = [
        (
            layout.SECTION_IDENTITY,
            struct.pack(layout.IDENTITY.format, b"board-01", b"log-0001", 0, 1, 0, 1, 28, 0, 2),
        ),
        (
            layout.SECTION_SAMPLING,
            struct.pack(layout.SAMPLING.format, INTERVAL_S * 1000, 1000, 1, 8, layout.FULL_STOP),
        ),
    ]
    texts = (
        (layout.TEXT_BOARD, "RPI_PICO2_W"),
        (layout.TEXT_DEWAR, "LN2 dry shipper 4.3 l, dewar 17"),
        (layout.TEXT_SHIPMENT, "Manufacturing site to clinic, leg 1 of 2"),
        (layout.TEXT_CONTACT, "Cell therapy desk, day and night"),
        (layout.TEXT_INSTRUCTION, "Keep upright. Do not open before the verdict has been read."),
    )
    sections += [(layout.SECTION_TEXT, bytes((which,)) + text.encode()) for which, text in texts]
    for channel in CHANNELS:
        values = (channel, ord("T"), channel, -3, 13, 180_000_000, 220_000_000, b"TC-000417")
        sections.append((layout.SECTION_CHANNEL, struct.pack(layout.CHANNEL.format, *values)))
    for rule in range(4):
        values = (rule, layout.RULE_ABOVE, layout.MODE_SINGLE, 1, 7, -19200, 128, 600, 0)
        sections.append((layout.SECTION_RULE, struct.pack(layout.RULE.format, *values)))
    return sections


# --- other coders, on the columns alone ---------------------------------------------------------
def peers(columns: Sequence[Counts]) -> dict[str, int]:
    """Return what other coders make of the same columns: no header, no CRC, no chain."""
    rows = np.stack(columns, axis=1).astype("<i2")
    deltas = [_zigzag_of_delta(column) for column in columns]
    # Low bytes first, then high bytes: general coders do best on this.
    split = b"".join(delta.view(np.uint8).reshape(-1, 2).T.tobytes() for delta in deltas)
    sizes = {
        "rows of i16": rows.nbytes,
        "rows, zlib -9": len(zlib.compress(rows.tobytes(), 9)),
        "zigzag delta, varint": sum(_varint_bytes(delta) for delta in deltas),
        "zigzag delta, bytes split, zlib -9": len(zlib.compress(split, 9)),
        "zigzag delta, bytes split, lzma -9e": len(
            lzma.compress(split, preset=9 | lzma.PRESET_EXTREME)
        ),
    }
    try:
        import pyarrow as pa  # noqa: PLC0415 - carries zstd; an optional dependency
    except ImportError:
        return sizes
    zstd = pa.Codec("zstd", compression_level=19)
    sizes["zigzag delta, bytes split, zstd -19"] = len(zstd.compress(split, asbytes=True))
    return sizes


def _zigzag_of_delta(column: Counts) -> NDArray[np.uint16]:
    delta = np.diff(column.astype(np.int32), prepend=int(column[0]))
    return ((delta << 1) ^ (delta >> 31)).astype("<u2")


def _varint_bytes(zigzag: NDArray[np.uint16]) -> int:
    return int((1 + (zigzag >= 1 << 7) + (zigzag >= 1 << 14)).sum())


# --- the wire -----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Wire:
    """What one link carries to deliver a log, both directions, frame by frame."""

    out_bytes: int  # board to host
    in_bytes: int  # host to board
    payload_bytes: int

    @property
    def ratio(self) -> float:
        """Bytes the board sends for a byte of log: DATA, READ's replies and END."""
        return self.out_bytes / self.payload_bytes

    @property
    def ratio_both_ways(self) -> float:
        """The same with the host's requests and acks counted too."""
        return (self.out_bytes + self.in_bytes) / self.payload_bytes


def segments_of(blocks: Sequence[bytes]) -> list[bytes]:
    """Cut a log into segments as the board's flash log does: at most 64 KiB, whole blocks."""
    segments = [b""]
    for block in blocks:
        if len(segments[-1]) + len(block) > layout.SEGMENT_MAX_BYTES:
            segments.append(b"")
        segments[-1] += block
    return segments


def serial_wire(segments: Sequence[bytes]) -> Wire:
    """Count what a pull of `segments` puts on a serial line, in real frames."""
    out = bytearray(frame.serial_out_max_bytes(layout.SERIAL_BODY_MAX_BYTES + 8))
    sent = asked = 0
    room = layout.SERIAL_BODY_MAX_BYTES - layout.DATA_HEAD.size
    for segment in segments:
        frames = [
            (layout.MSG_DATA, (1, 0, at, segment[at : at + room]))
            for at in range(0, len(segment), room)
        ]
        for kind, values in _enclose(segment, frames):
            whole = frame.encode_frame(kind, 1, session.pack_body(kind, *values))
            sent += frame.encode_serial_out(whole, len(whole), out)
        for kind, values in _requests(segment, SERIAL_CREDIT_BYTES):
            asked += len(frame.encode_serial_in(kind, 1, session.pack_body(kind, *values)))
    return Wire(sent, asked, sum(map(len, segments)))


def ble_wire(segments: Sequence[bytes]) -> Wire:
    """Count the bytes of notifications and writes of the same pull at MTU 247."""
    sent = asked = 0
    room = layout.BLE_FRAME_MAX_BYTES - layout.DATA_SHORT_OVERHEAD_BYTES
    for segment in segments:
        for kind, values in _enclose(segment, []):
            sent += len(frame.encode_frame(kind, 1, session.pack_body(kind, *values)))
        for at in range(0, len(segment), room):
            sent += len(frame.encode_short_data(1, 1, at, segment[at : at + room]))
        for kind, values in _requests(segment, BLE_CREDIT_BYTES):
            asked += len(frame.encode_frame(kind, 1, session.pack_body(kind, *values)))
    return Wire(sent, asked, sum(map(len, segments)))


Message = tuple[int, tuple[object, ...]]


def _enclose(segment: bytes, frames: Sequence[Message]) -> list[Message]:
    """Put READ's reply before the DATA of one segment and END behind them."""
    end = (1, 0, len(segment), zlib.crc32(segment))
    return [(layout.MSG_READ | layout.REPLY, (1, len(segment))), *frames, (layout.MSG_END, end)]


def _requests(segment: bytes, credit: int) -> list[Message]:
    read = (1, 0, 0x12345678, 0, len(segment), 0, credit)
    acks = range(credit // 2, len(segment) + 1, credit // 2)
    return [(layout.MSG_READ, read), *((layout.MSG_ACK, (1, at, credit)) for at in acks)]


# --- report -------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Measurement:
    """One run's figures; sizes in bytes."""

    samples: int
    block_samples: int
    blocks: int
    file_bytes: int
    bytes_a_sample: float
    bound: float
    over_bound: float


def measure(columns: Sequence[Counts], bound: float, sizes: Sizes) -> Measurement:
    """Write the log of a board of such sizes and weigh it."""
    blocks = write_log(columns, sizes)
    size = sum(map(len, blocks))
    samples = len(columns[0])
    each = size / samples
    block_samples = int(cast("Any", sizes).block_samples)
    return Measurement(samples, block_samples, len(blocks), size, each, bound, each / bound)


def main() -> int:
    """Print the figures; 0 when every aim is met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--days", type=float, default=14)
    parser.add_argument("--block-samples", type=int, nargs="*", default=[])
    parser.add_argument("--json", action="store_true", help="print the figures as data")
    arguments = parser.parse_args()
    columns, bound = model(arguments.days)
    boards = [measure(columns, bound, sizes) for sizes in (SMALL, LARGE)]
    asked = [
        measure(columns, bound, Sizes(count, *LARGE[1:])) for count in arguments.block_samples
    ]
    measured = sorted(boards + asked, key=lambda one: one.block_samples)
    segments = segments_of(write_log(columns, LARGE))
    wires = {"serial": serial_wire(segments), "BLE, MTU 247": ble_wire(segments)}
    others = peers(columns)
    if arguments.json:
        figures = {
            "stored": [asdict(one) for one in measured],
            "peers": others,
            "wire": {name: asdict(wire) | {"ratio": wire.ratio} for name, wire in wires.items()},
        }
        print(json.dumps(figures, indent=2))
    else:
        _print(measured, others, wires)
    over = any(one.over_bound > AIM_STORED_OVER_BOUND for one in boards)
    over |= wires["serial"].ratio > AIM_SERIAL
    over |= wires["BLE, MTU 247"].ratio > AIM_BLE
    return int(over)


def _print(measured: list[Measurement], others: dict[str, int], wires: dict[str, Wire]) -> None:
    samples = measured[0].samples
    bound = measured[0].bound
    days = samples * INTERVAL_S / 86400
    print(f"{samples} samples of 4 columns ({days:g} days at {INTERVAL_S} s)")
    print(f"  {'':<40}{'bytes':>9}{'a sample':>10}{'x bound':>9}")
    print(f"  {'Shannon bound of the noise':<40}{bound * samples:>9.0f}{bound:>10.3f}{1:>9.3f}")
    for one in measured:
        name = f"dewarlog file, blocks of {one.block_samples}"
        print(f"  {name:<40}{one.file_bytes:>9}{one.bytes_a_sample:>10.3f}{one.over_bound:>9.3f}")
    for name, size in sorted(others.items(), key=lambda item: item[1]):
        print(f"  {name:<40}{size:>9}{size / samples:>10.3f}{size / samples / bound:>9.3f}")
    print(f"  aim: at most {AIM_STORED_OVER_BOUND:.2f} x bound, whole file\n")
    print("wire bytes for each stored byte (with the host's requests and acks)")
    for name, wire in wires.items():
        print(f"  {name:<40}{wire.ratio:>9.4f}  ({wire.ratio_both_ways:.4f})")
    print(f"  aim: at most {AIM_SERIAL} serial, {AIM_BLE} BLE")


if __name__ == "__main__":
    sys.exit(main())
