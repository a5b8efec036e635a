"""Measure `dewarlog check`: the whole command, the check alone, and its memory as logs grow.

    python tools/bench/check.py [--days 14] [--rounds 7] [--json]

The log is made by the board's own recorder from the noise model of stored_bytes.py, with raw sets
that fit its readings, 50 shock windows, and clock, supply and tilt events. In the same run stand:

- the bound: one SHA-256 and one CRC-32 over the same bytes, without which nothing is checked;
- construct: dewarlog.parse reads the sections of every block, the way most host tools read binary
  logs, and the reference decoder its columns, one value at a time (a tenth of the log, scaled);
- `python -c pass` and numpy's import, which the whole command pays before its first line.

Memory is the peak of a process that checks this log, one of a year and one of two years, made of
the same days joined: it rises until the reader's window is full, and then no more. Absolute
figures vary with the machine; the ratios of one run are the result. Prints figures and says which
aims are met; never gates.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

_ROOT = Path(__file__).parents[2]
_PATHS: Final = [str(_ROOT / part) for part in ("protocol", "host", "firmware", "tests/fakes")]
sys.path[:0] = _PATHS

import stored_bytes  # noqa: E402 - the script beside this one

from dewarlog import its90, parse  # noqa: E402
from dewarlog.checks.review import review_log  # noqa: E402
from dewarlog.readings import LogReader  # noqa: E402
from dewarlog.verdict import judge  # noqa: E402
from dewarlog_firmware import recorder as firmware_recorder  # noqa: E402
from dewarlog_wire import block, layout  # noqa: E402
from dewarlog_wire.column import decode_column  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHOCKS: Final = 50
SHOCK_SAMPLES: Final = 512
BLOCK_SAMPLES: Final = 3072
GAIN: Final = 32
UTC_S: Final = 200_000_000
LONG_DAYS: Final = 365
AIM_COMMAND_S: Final = 0.35
AIM_MB_S: Final = 10.0
AIM_GROWTH: Final = 1.05

Event = tuple[int, bytes]


# --- the log ------------------------------------------------------------------------------------
def make_log(days: float) -> list[bytes]:
    """Return the blocks of a calm trip that checks USE."""
    columns, _ = stored_bytes.model(days)
    count = len(columns[0])
    recorder = firmware_recorder.Recorder(stored_bytes.CHANNELS, has_extremes=False)
    recorder.resume(1, 0, 0, layout.CHAIN_START, 0, 0)
    blocks = [recorder.run_block(_run_sections(), 0, 0).joined()]
    rng = np.random.default_rng(2)
    shock_at = {int(at): number for number, at in enumerate(rng.choice(count, SHOCKS))}
    rows = np.stack(columns, axis=1).tolist()
    for sample, row in enumerate(rows):
        uptime_s = sample * stored_bytes.INTERVAL_S
        if recorder.count >= BLOCK_SAMPLES or not recorder.has_room():
            blocks.append(recorder.seal().joined())
        if recorder.count == 0:
            for kind, body in _standing(uptime_s, first=sample == 0):
                recorder.event(kind, body, uptime_s, 0)
            recorder.begin_span(stored_bytes.INTERVAL_S * 1000, uptime_s, 0)
        recorder.sample(0, row)
        if recorder.wants_raw:
            for channel in stored_bytes.CHANNELS:
                recorder.raw_set(channel, 0, _voltage_raw(row[channel], row[-1]), row[-1])
        if sample in shock_at:
            blocks.append(_shock_block(recorder, shock_at[sample], uptime_s, rng))
        recorder.take_journal()
    blocks.append(recorder.seal().joined())
    return blocks


def _run_sections() -> list[tuple[int, bytes]]:
    identity = (b"board-01", b"log-0001", 0, 1, 0, 1, 28, 0, UTC_S)
    sections = [
        (layout.SECTION_IDENTITY, struct.pack(layout.IDENTITY.format, *identity)),
        (
            layout.SECTION_SAMPLING,
            struct.pack(layout.SAMPLING.format, 10_000, 0, 1, GAIN, layout.FULL_STOP),
        ),
        (layout.SECTION_TEXT, bytes((layout.TEXT_CONTACT,)) + b"Cell therapy desk"),
    ]
    for channel in stored_bytes.CHANNELS:
        values = (channel, ord("T"), channel, 0, 13, UTC_S - 10**7, UTC_S + 10**8, b"TC-000417")
        sections.append((layout.SECTION_CHANNEL, struct.pack(layout.CHANNEL.format, *values)))
    hold, warn, single = layout.SEVERITY_HOLD, layout.SEVERITY_WARN, layout.MODE_SINGLE
    rules = (
        (0, layout.RULE_ABOVE, single, hold, 7, -150 * 128, 256, 600, 0),
        (1, layout.RULE_ABOVE, layout.MODE_CUMULATIVE, hold, 7, -135 * 128, 256, 60, 0),
        (2, layout.RULE_ABOVE, single, warn, 7, -170 * 128, 256, 1800, 0),
        (3, layout.RULE_RISING, single, warn, 7, 60, 10, 600, 900),
    )
    sections += [(layout.SECTION_RULE, struct.pack(layout.RULE.format, *rule)) for rule in rules]
    shock = (3200, 100, 200, 150, 20, 160, 1024, 25, 50, 100, 2, 2000)
    sections.append(
        (layout.SECTION_SHOCK_SETTINGS, struct.pack(layout.SHOCK_SETTINGS.format, *shock))
    )
    tilt = (30, 60, 120, 2, 120, 10)
    sections.append(
        (layout.SECTION_TILT_SETTINGS, struct.pack(layout.TILT_SETTINGS.format, *tilt))
    )
    return sections


def _standing(uptime_s: int, *, first: bool) -> list[Event]:
    """Give what the board says at the start of every block."""
    events = [
        (layout.KIND_CLOCK_READ, (UTC_S + uptime_s, layout.CLOCK_OK)),
        (layout.KIND_SUPPLY, (4010, 0)),
        (layout.KIND_TILT, (0, 4, uptime_s, 0, 0, 0)),
    ]
    if first:
        events.insert(0, (layout.KIND_BOOT, (1, 0, 0, 0, UTC_S, layout.CLOCK_OK)))
    return [(kind, struct.pack(layout.EVENTS[kind].format, *body)) for kind, body in events]


def _voltage_raw(reading: int, cold: int) -> int:
    """Give the voltage code from which the board would compute this reading."""
    emf = its90.emf_mv("T", reading / 128) - its90.emf_mv("T", cold / 64)
    return round(emf / 1000 * GAIN * 1.6 * (1 << 17))


def _shock_block(
    recorder: firmware_recorder.Recorder, number: int, uptime_s: int, rng: np.random.Generator
) -> bytes:
    """Give a window with a half-sine of ordinary handling: 15 g over 11 ms."""
    at = np.arange(SHOCK_SAMPLES) - 160
    pulse = np.where((at >= 0) & (at < 35), 150 * np.sin(np.pi * at / 35), 0.0)
    axes = [pulse, np.zeros(SHOCK_SAMPLES), np.full(SHOCK_SAMPLES, 10.0)]
    counts = tuple(
        np.round(axis + rng.normal(0, 0.7, SHOCK_SAMPLES)).astype(int).tolist() for axis in axes
    )
    head = (number, SHOCK_SAMPLES, 160, 3200, 100, 0)
    return recorder.shock_block(recorder.shock_sections(head, counts), uptime_s, 0).joined()


def repeated(blocks: Sequence[bytes], times: int, days: float) -> list[bytes]:
    """Join a log to itself as if the trip had gone on: numbers, times and chain all continue."""
    long = [blocks[0]]
    chain = block.check_block(blocks[0], 0, None).chain
    samples = events = shocks = 0
    for turn in range(times):
        shift_s = int(turn * days * 86400)
        counted = [0, 0, 0]
        for data in blocks[1:]:
            renumbered, chain, added = _renumbered(
                data, len(long), chain, shift_s, (samples, events, shocks)
            )
            long.append(renumbered)
            counted = [held + more for held, more in zip(counted, added, strict=True)]
        samples, events, shocks = samples + counted[0], events + counted[1], shocks + counted[2]
    return long


def _renumbered(
    data: bytes, block_seq: int, chain: bytes, shift_s: int, shift: tuple[int, int, int]
) -> tuple[bytes, bytes, tuple[int, int, int]]:
    """Copy a block with every number and time moved on; return it, its chain and its counts."""
    head = block.check_block(data, 0, None)
    buffer = bytearray(2 * layout.BLOCK_MAX_BYTES)
    end = block.begin_block(
        buffer, head.kind, head.run, block_seq, 0, head.uptime_s + shift_s, head.uptime_ms
    )
    added = [0, 0, 0]
    for kind, start, stop in block.sections(data, head.body_start, head.body_end):
        body = bytearray(data[start:stop])
        if kind in (layout.SECTION_SPAN, layout.SECTION_EVENTS):
            which = 0 if kind == layout.SECTION_SPAN else 1
            first, count = struct.unpack_from(layout.EVENTS_HEAD.format, body)
            struct.pack_into("<I", body, 0, first + shift[which])
            added[which] += count
            if which == 1:
                _move_events(body, count, shift_s)
        elif kind == layout.SECTION_SHOCK_HEAD:
            number = struct.unpack_from("<H", body)[0]
            struct.pack_into("<H", body, 0, (number + shift[2]) & 0xFFFF)
            added[2] += 1
        end = block.put_section(buffer, end, kind, body)
    length, chain = block.seal_block(buffer, end, chain)
    return bytes(buffer[:length]), chain, (added[0], added[1], added[2])


def _move_events(body: bytearray, count: int, shift_s: int) -> None:
    at = layout.EVENTS_HEAD.size
    for _ in range(count):
        kind, length, uptime_ms, uptime_s = struct.unpack_from(layout.EVENT_HEAD.format, body, at)
        struct.pack_into(
            layout.EVENT_HEAD.format, body, at, kind, length, uptime_ms, uptime_s + shift_s
        )
        at += layout.EVENT_HEAD.size
        if kind == layout.KIND_CLOCK_READ:
            utc_s = struct.unpack_from("<I", body, at)[0]
            struct.pack_into("<I", body, at, utc_s + shift_s)
        at += length


# --- measuring ----------------------------------------------------------------------------------
def best_s(action: Callable[[], object], rounds: int) -> float:
    """Return the shortest of several runs: the least disturbed."""
    times: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return min(times)


def command_s(command: Sequence[str], rounds: int) -> tuple[float, float]:
    """Return the best and the median time of a whole command."""
    times: list[float] = []
    environment = {"PYTHONPATH": ":".join(_PATHS), "PATH": "/usr/bin:/bin"}
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=True)
        times.append(time.perf_counter() - began)
    return min(times), statistics.median(times)


def peak_kb(log: Path) -> int:
    """Return the peak memory of a process that checks a log, in KB.

    Not from getrusage: a child's figure there begins with its parent's.
    """
    script = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[2:];"
        "from dewarlog.checks.review import review_log; review_log(Path(sys.argv[1]));"
        "status = Path('/proc/self/status').read_text();"
        "print(status.partition('VmHWM:')[2].split()[0])"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(log), *_PATHS],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(told.stdout)


def measure(folder: Path, days: float, rounds: int) -> dict[str, float]:
    """Measure everything once, interleaved as far as it can be."""
    blocks = make_log(days)
    log = folder / "trip.dwl"
    data = b"".join(blocks)
    log.write_bytes(data)
    review = review_log(log)
    verdict = judge(review)
    if verdict.word != "USE":
        sys.exit(f"tools/bench/check.py: its own log does not check USE: {verdict.sentence}")
    samples = review.coverage.samples
    python = [sys.executable]
    whole, whole_median = command_s([*python, "-m", "dewarlog", "check", str(log)], rounds)
    bare, _ = command_s([*python, "-c", "pass"], rounds)
    numpy_s, _ = command_s([*python, "-c", "import numpy"], rounds)
    check_s = best_s(lambda: review_log(log), rounds)
    read_s = best_s(lambda: _drain(log), rounds)
    bound_s = best_s(lambda: (hashlib.sha256(data).digest(), zlib.crc32(data)), rounds)
    tenth = blocks[:: max(1, len(blocks) // 10)]
    share = sum(map(len, tenth)) / len(data)
    plain_s = best_s(lambda: [_read_plainly(item) for item in tenth], 1) / share
    long = folder / "year.dwl"
    times = math.ceil(LONG_DAYS / days)
    long.write_bytes(b"".join(repeated(blocks, times, days)))
    longer = folder / "two_years.dwl"
    longer.write_bytes(b"".join(repeated(blocks, 2 * times, days)))
    year_s = best_s(lambda: review_log(long), 1)
    return {
        "days": days,
        "samples": samples,
        "bytes": len(data),
        "command_s": whole,
        "command_median_s": whole_median,
        "python_pass_s": bare,
        "import_numpy_s": numpy_s,
        "check_s": check_s,
        "check_ns_a_sample": check_s / samples * 1e9,
        "check_mb_s": len(data) / check_s / 1e6,
        "read_s": read_s,
        "bound_s": bound_s,
        "check_over_bound": check_s / bound_s,
        "plain_s": plain_s,
        "plain_over_check": plain_s / check_s,
        "year_bytes": long.stat().st_size,
        "year_s": year_s,
        "year_mb_s": long.stat().st_size / year_s / 1e6,
        "peak_kb": peak_kb(log),
        "year_peak_kb": peak_kb(long),
        "two_years_peak_kb": peak_kb(longer),
    }


def _drain(log: Path) -> None:
    """Read and decode a log without checking what it says."""
    with log.open("rb") as file:
        deque(LogReader(file).items(), maxlen=0)


def _read_plainly(data: bytes) -> None:
    """Read one block with construct and decode its columns one value at a time."""
    parse.parse_block(data)
    head = block.check_block(data, 0, None)
    count = 0
    for kind, start, stop in block.sections(data, head.body_start, head.body_end):
        if kind in (layout.SECTION_SPAN, layout.SECTION_SHOCK_HEAD):
            count = struct.unpack_from(
                "<H", data, start + (4 if kind == layout.SECTION_SPAN else 2)
            )[0]
        elif kind == layout.SECTION_COLUMN:
            decode_column(data[start:stop], count)


def _show(figures: dict[str, float]) -> None:
    f = figures
    growth = f["two_years_peak_kb"] / f["year_peak_kb"]
    rows = [
        ("whole command, best", f"{f['command_s']:.3f} s", f["command_s"] <= AIM_COMMAND_S),
        ("whole command, median", f"{f['command_median_s']:.3f} s", None),
        ("  of it: python -c pass", f"{f['python_pass_s']:.3f} s", None),
        ("  of it: import numpy (and python)", f"{f['import_numpy_s']:.3f} s", None),
        ("check alone", f"{f['check_s'] * 1000:.1f} ms", None),
        ("  a 4-channel sample", f"{f['check_ns_a_sample']:.0f} ns", None),
        ("  stored bytes", f"{f['check_mb_s']:.1f} MB/s", f["check_mb_s"] >= AIM_MB_S),
        ("  of it: reading and decoding", f"{f['read_s'] * 1000:.1f} ms", None),
        ("bound: one SHA-256 and one CRC-32", f"{f['bound_s'] * 1000:.2f} ms", None),
        ("  check over bound", f"{f['check_over_bound']:.0f} x", None),
        ("construct and one value at a time", f"{f['plain_s'] * 1000:.0f} ms", None),
        ("  over the whole check", f"{f['plain_over_check']:.0f} x", None),
        ("a year: check alone", f"{f['year_s']:.2f} s, {f['year_mb_s']:.1f} MB/s", None),
        ("peak memory, this log", f"{f['peak_kb'] / 1000:.1f} MB", None),
        ("peak memory, a year", f"{f['year_peak_kb'] / 1000:.1f} MB", None),
        (
            "peak memory, two years",
            f"{f['two_years_peak_kb'] / 1000:.1f} MB ({growth:.2f} x)",
            growth <= AIM_GROWTH,
        ),
    ]
    print(f"{f['days']:.0f} days, {f['samples']:,.0f} samples, {f['bytes']:,.0f} bytes")
    for name, value, met in rows:
        aim = "" if met is None else "   aim met" if met else "   AIM MISSED"
        print(f"{name:<38}{value:>24}{aim}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Plain)
    parser.add_argument("--days", type=float, default=14)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), arguments.days, arguments.rounds)
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        _show(figures)


class _Plain(argparse.RawDescriptionHelpFormatter):
    """Keep the module's own line breaks."""


if __name__ == "__main__":
    main()
