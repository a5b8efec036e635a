"""Measure the way over the air: goodput, heap, resumed pulls, wire bytes, a handoff.

    python tools/bench/air.py [--cuts 200] [--flash-image FILE] [--json]

Everything is real but the air: the firmware on MicroPython, on the simulated board with BTstack's
behaviour; the host's BLE link on bleak, its pull and its archive; between them the virtual radio
of tools/simboard/air. First a trip of 14 days with a knock every two hours is run, 250 kB of log
(a minute or two; FILE keeps its flash, and the next run takes it from there). Then, with 200 cuts
in some ten minutes:

(a) Goodput: bytes of the log over the time from HELLO to the filed log, against the limit of the
    paced link, which is packets an event x bytes of the file in a packet / connection interval.
(b) Heap: the most that waited in BTstack's queue in all these pulls, each value counted as its
    heap holds it; and the growth that tests/firmware/test_ble_heap.py measures on MicroPython.
(c) Resume: the connection is lost after a random number of packets, and the pull goes on by
    itself. Whether the log is the same to the byte, and how many bytes the host's radio heard
    twice. The air is paced, so that packets wait in the board when it happens.
(d) Wire: bytes of notifications and writes (ATT values) for each byte of the log.
(e) The `dewarlog handoff` command from start to exit, paired before, on a link that carries
    35.5 kB/s of notifications: two packets of 244 bytes every 13.75 ms.

A pace is the virtual radio's: no noise, no packet repeated, every event kept. So (a) says what
share of a link the protocol uses, never how fast a board is; that takes a board. On a busy machine
(a) and (e) get worse. Prints figures and never gates.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

_ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(_ROOT / part) for part in ("protocol", "host", "tools")]

from dewarlog.archive import Archive  # noqa: E402
from dewarlog.link import radio  # noqa: E402
from dewarlog.link.ble import BleLink  # noqa: E402
from dewarlog.link.usb import UsbLink  # noqa: E402
from dewarlog.pull import PullOptions, pull  # noqa: E402
from dewarlog_wire import layout  # noqa: E402
from simboard import air  # noqa: E402
from simboard.air.host import AIR_VARIABLE, MTU_VARIABLE  # noqa: E402
from simboard.launch import SimBoard, start  # noqa: E402
from workshop.interpreters import find_micropython  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Generator

    from dewarlog.link import Frame

DAYS: Final = 14
KNOCK_EVERY_H: Final = 2
DIGITS: Final = "4a32"  # of the simulated board's id, as its name ends
TRIP_S: Final = 900.0
AIM_GOODPUT: Final = 0.95
AIM_HEAP_BYTES: Final = 8192
AIM_WIRE: Final = 1.03
AIM_HANDOFF_S: Final = 30
# (MTU, interval in ms, packets an event each way); the last two ask for a longer window.
PACES: Final = (
    (23, 15, 4),
    (65, 15, 4),
    (185, 15, 4),
    (247, 15, 4),
    (247, 15, 6),
    (247, 30, 8),
)
CUT_PACE: Final = (7.5, 10)
HANDOFF_PACE: Final = (13.75, 2)
_HEAP_SCRIPT: Final = _ROOT / "tests" / "firmware" / "heap_lock_ble.py"
_HEAP_STACKS: Final = _ROOT / "tests" / "fakes" / "bluetooth.py"
_HEAD: Final = """
title = "Two weeks"
begins = 2026-03-02T08:00:00Z
length = "{length}"
seed = 7
[[probe]]
channel = 0
[[probe]]
channel = 1
[[probe]]
channel = 2
"""
_KNOCK: Final = """
[[knock]]
at = "{hours} h"
peak_g = {peak_g}
pulse = "8 ms"
"""
_STOP: Final = """
[[stop]]
at = "5 s"
"""


@dataclass(frozen=True, slots=True)
class Goodput:
    """One pull on a paced link."""

    mtu: int
    interval_ms: float
    packets_per_event: int
    bytes_per_packet: int
    seconds: float
    kb_s: float
    limit_kb_s: float
    of_limit: float


@dataclass(frozen=True, slots=True)
class Cut:
    """One pull that lost its connection."""

    after_packets: int
    identical: bool
    twice_bytes: int
    seconds: float


class CountingLink(BleLink):
    """A BLE link that counts what a pull sends and hears."""

    data_bytes = 0  # of files, twice or not
    written_bytes = 0

    def receive(self, timeout_s: float) -> Frame | None:
        """Return the next frame."""
        frame = super().receive(timeout_s)
        if frame is not None and frame.kind == layout.MSG_DATA_SHORT:
            self.data_bytes += len(frame.body) - layout.DATA_SHORT_OVERHEAD_BYTES
        return frame

    def send(self, kind: int, seq: int, body: bytes) -> None:
        """Send a frame."""
        self.written_bytes += len(body) + layout.FRAME_OVERHEAD_BYTES
        super().send(kind, seq, body)


# --- the board ----------------------------------------------------------------------------------
def make_trip(image: Path, folder: Path) -> None:
    """Run the two weeks; leave the board's flash in `image`."""
    knocks = (
        _KNOCK.format(hours=hours, peak_g=20 + hours % 30)
        for hours in range(KNOCK_EVERY_H, DAYS * 24, KNOCK_EVERY_H)
    )
    file = folder / "two_weeks.toml"
    file.write_text(_HEAD.format(length=f"{DAYS} days") + "".join(knocks))
    with start(file, serve=True, flash_image=image) as board:
        board.wait_serving(TRIP_S)


@contextlib.contextmanager
def board_on(hub: str, image: Path, folder: Path, *, ended: bool) -> Generator[SimBoard]:
    """Give the board with that flash, on the air; `ended`: its log stays as it is."""
    copy = folder / "flash.bin"
    shutil.copy(image, copy)
    file = folder / "after.toml"
    file.write_text(_HEAD.format(length="10 s") + (_STOP if ended else ""))
    with start(file, serve=True, flash_image=copy, air=hub) as board:
        board.wait_serving(TRIP_S)
        yield board


def address_of(digits: str) -> str:
    """Return the radio address of the board whose name ends so."""
    with radio.listening("the bench", radio.backends()) as ear:
        while True:
            for heard in ear.heard():
                if heard.name == f"dewarlog-{digits}":
                    return heard.address
            ear.wait(1.0)


# --- pulls --------------------------------------------------------------------------------------
def pull_air(link: CountingLink, archive: Path, expected: bytes) -> tuple[float, bool]:
    """Pull everything by an open link; return (seconds, whether the log is the expected one)."""
    began_s = time.perf_counter()
    result = pull(link, Archive(archive), PullOptions(seal=False))
    seconds = time.perf_counter() - began_s
    link.close()
    return seconds, result.logs[0].path.read_bytes() == expected


def pull_cable(port: str, archive: Path) -> bytes:
    """Return the log as the cable brings it."""
    link = UsbLink(port)
    link.open()
    result = pull(link, Archive(archive), PullOptions(seal=False))
    link.close()
    return result.logs[0].path.read_bytes()


def measure_goodput(
    faults: air.Faults, address: str, expected: bytes, scratch: Path
) -> list[Goodput]:
    """Pull once at each pace."""
    found: list[Goodput] = []
    for number, (mtu, interval_ms, packets) in enumerate(PACES):
        os.environ[MTU_VARIABLE] = str(mtu)
        faults.pace(interval_ms, packets)
        link = CountingLink(address)
        link.open()
        seconds, identical = pull_air(link, scratch / f"goodput{number}", expected)
        if not identical:
            sys.exit("tools/bench/air.py: the pulled log is not the board's")
        each = mtu - layout.BLE_ATT_HEAD_BYTES - layout.DATA_SHORT_OVERHEAD_BYTES
        kb_s, limit_kb_s = len(expected) / seconds / 1000, packets * each / interval_ms
        share = kb_s / limit_kb_s
        found.append(Goodput(mtu, interval_ms, packets, each, seconds, kb_s, limit_kb_s, share))
    os.environ.pop(MTU_VARIABLE)
    return found


def measure_wire(address: str, expected: bytes, scratch: Path) -> tuple[float, float]:
    """Return ATT bytes a byte of the log: what the board sends, and both ways."""
    link = CountingLink(address)
    link.open()
    pull_air(link, scratch / "wire", expected)
    size = len(expected)
    return link.received_bytes / size, (link.received_bytes + link.written_bytes) / size


def measure_cuts(
    faults: air.Faults, address: str, expected: bytes, scratch: Path, count: int
) -> list[Cut]:
    """Pull so many times, each cut once at a random point."""
    points = random.Random(1)
    packets = len(expected) // (layout.BLE_FRAME_MAX_BYTES - layout.DATA_SHORT_OVERHEAD_BYTES)
    found: list[Cut] = []
    for _ in range(count):
        archive = scratch / "cut"
        link = CountingLink(address)
        link.open()
        after = points.randint(1, packets)
        faults.lose("host", after)
        seconds, identical = pull_air(link, archive, expected)
        faults.clear()
        found.append(Cut(after, identical, link.data_bytes - len(expected), seconds))
        shutil.rmtree(archive)
    return found


def measure_heap(folder: Path) -> dict[str, int]:
    """Run what tests/firmware/test_ble_heap.py runs; return the growth with each stack."""
    interpreter = find_micropython()
    if interpreter is None:
        sys.exit("tools/bench/air.py: no MicroPython here; tools/setup finds or makes one")
    shutil.copy(_HEAP_STACKS, folder)
    done = subprocess.run(
        [*interpreter.command, str(_HEAP_SCRIPT)],
        cwd=folder,
        env={
            **os.environ,
            "MICROPYPATH": f"{folder}:{_ROOT / 'protocol'}:{_ROOT / 'firmware'}",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    lines = (line.partition("_growth ") for line in done.stdout.splitlines())
    return {stack: int(value) for stack, found, value in lines if found}


def measure_handoff(board: SimBoard, scratch: Path) -> tuple[float, int]:
    """Hand the dewar over once; return (seconds, exit code)."""
    places = ("--archive", str(scratch / "door"), "--keys", str(scratch / "keys"))
    dewarlog = (sys.executable, "-m", "dewarlog")
    environment = {**os.environ, "PYTHONPATH": f"{_ROOT / 'host'}:{_ROOT / 'protocol'}"}
    subprocess.run(
        [*dewarlog, "pair", f"usb:{board.pty}", *places[2:]],
        env=environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    names = ("--giver", "A", "--receiver", "B", "--role", "courier", "--place", "the door")
    began_s = time.perf_counter()
    done = subprocess.run(
        [*dewarlog, "handoff", f"ble:{DIGITS}", *names, *places, "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began_s
    if not list(scratch.rglob("*.handoff-*.json")):
        sys.exit(f"tools/bench/air.py: no receipt came of it\n{done.stderr}{done.stdout}")
    return seconds, done.returncode


# --- the run ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Figures:
    """Everything measured in one run."""

    log_bytes: int
    goodput: list[Goodput]
    queue_max_bytes: object
    growth_bytes: dict[str, int]
    cuts: list[Cut]
    wire_out: float
    wire_both: float
    handoff_bytes: int
    handoff_s: float
    handoff_exit: int
    load_1_min: float


def measure(cuts: int, image: Path | None) -> Figures:
    """Do all of it."""
    with tempfile.TemporaryDirectory() as temporary, air.start() as hub:
        scratch = Path(temporary)
        flash = image or scratch / "two_weeks.bin"
        if not flash.exists():
            make_trip(flash, scratch)
        os.environ[AIR_VARIABLE] = hub
        faults = air.Faults(hub)
        with board_on(hub, flash, scratch, ended=True) as board:
            expected = pull_cable(board.pty, scratch / "cable")
            address = address_of(DIGITS)
            wire_out, wire_both = measure_wire(address, expected, scratch)
            goodput = measure_goodput(faults, address, expected, scratch)
            faults.pace(*CUT_PACE)
            found = measure_cuts(faults, address, expected, scratch, cuts)
        queue_max_bytes = board.report.get("radio_queue_max_bytes")
        radio.end()
        faults.pace(*HANDOFF_PACE)
        with board_on(hub, flash, scratch, ended=False) as board:
            handoff_s, handoff_exit = measure_handoff(board, scratch)
        (log,) = (scratch / "door").rglob("*.dwl")
        return Figures(
            len(expected),
            goodput,
            queue_max_bytes,
            measure_heap(scratch),
            found,
            wire_out,
            wire_both,
            log.stat().st_size,
            handoff_s,
            handoff_exit,
            os.getloadavg()[0],
        )


def show(figures: Figures) -> None:
    """Print them for a person."""
    print(f"log of {figures.log_bytes} bytes; load of this machine {figures.load_1_min:.1f}\n")
    print(f"{'MTU':>4}{'interval':>10}{'packets':>9}{'bytes each':>12}", end="")
    print(f"{'s':>8}{'kB/s':>8}{'limit':>8}{'of limit':>10}")
    for row in figures.goodput:
        print(f"{row.mtu:4}{row.interval_ms:7.4g} ms{row.packets_per_event:9}", end="")
        print(f"{row.bytes_per_packet:12}{row.seconds:8.2f}{row.kb_s:8.1f}", end="")
        print(f"{row.limit_kb_s:8.1f}{row.of_limit:10.3f}")
    print(f"aim: at least {AIM_GOODPUT} of the limit at MTU 247\n")
    print(
        f"heap: BTstack's queue held at most {figures.queue_max_bytes} bytes; growth", end=" on "
    )
    print("MicroPython", end="")
    print(
        f" {', '.join(f'{stack} {size}' for stack, size in figures.growth_bytes.items())}", end=""
    )
    print(f" (aim: at most {AIM_HEAP_BYTES})")
    if figures.cuts:
        same = sum(cut.identical for cut in figures.cuts)
        twice = [cut.twice_bytes for cut in figures.cuts]
        print(
            f"resume: {same} of {len(figures.cuts)} logs identical after a cut; heard twice at",
            end="",
        )
        print(f" most {max(twice)} bytes, {statistics.mean(twice):.1f} on average")
    print(f"wire bytes a byte of the log, MTU 247: {figures.wire_out:.4f} from the board,", end="")
    print(f" {figures.wire_both:.4f} both ways (aim: at most {AIM_WIRE})")
    print(
        f"handoff of {figures.handoff_bytes} bytes at 35.5 kB/s: {figures.handoff_s:.1f} s,",
        end="",
    )
    print(f" exit code {figures.handoff_exit} (aim: under {AIM_HANDOFF_S} s)")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cuts", type=int, default=200, help="pulls that are cut")
    parser.add_argument("--flash-image", type=Path, help="the two weeks' flash, made if not there")
    parser.add_argument("--json", action="store_true", help="figures as data")
    options = parser.parse_args()
    figures = measure(options.cuts, options.flash_image)
    if options.json:
        print(json.dumps(asdict(figures)))
    else:
        show(figures)


if __name__ == "__main__":
    main()
