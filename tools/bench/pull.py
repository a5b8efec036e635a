"""Measure pulls over a pseudo-terminal against what people use today, interleaved in one run.

    python tools/bench/pull.py [--bytes 1048576] [--rounds 5] [--json]

Ours is the real thing on both sides: the board's server and USB link on MicroPython, reading
files; the host's pull over its serial link, with every frame's CRC-32, each file's CRC-32 and the
log's SHA-256 chain checked. Once into memory, as the peers do, and once into an archive on disk,
synced.

Peers: `xmodem` (PyPI) with 1 KiB packets, both ends CPython, the host's over pyserial as its
documentation shows; `mpremote` reading a file the way it
does from a real serial port (a name outside /dev/pts/), against a raw REPL on MicroPython. The
bound is MicroPython writing raw bytes to the same kind of terminal. Start-up is not counted: each
puller, ours and theirs, moves its bytes once before the clock starts.

Absolute figures vary with the machine and its load; the ratios within one run are the result. No
figure here is a board's: USB full speed ends at 1.2 MB/s. Prints figures and never gates; what is
missing (a peer not installed) is said, not skipped in silence.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import io
import json
import os
import pty
import random
import select
import statistics
import subprocess
import sys
import tempfile
import time
import tty
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import serial

_ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(_ROOT / part) for part in ("protocol", "host", "tools")]

from dewarlog.archive import Archive  # noqa: E402
from dewarlog.chain import ChainWalk  # noqa: E402
from dewarlog.link.usb import UsbLink  # noqa: E402
from dewarlog.pull import FiledLog, PullOptions, pull  # noqa: E402
from dewarlog_wire import block, layout  # noqa: E402
from workshop.interpreters import find_micropython  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from dewarlog.pull import Pulled
    from dewarlog.replies import StoredFile

BOARD: Final = Path(__file__).parent / "board"
AIM_XMODEM: Final = 10
AIM_MPREMOTE: Final = 1000
AIM_WIRE: Final = 1.01
# Reading 256 bytes a question, mpremote would need minutes for what the others move in 50 ms.
MPREMOTE_BYTES: Final = 1 << 16
START_S: Final = 0.3  # for a program to come up before the clock starts
RUNS: Final = 2  # transfers by each program that is started; the last is timed
OURS: Final = "ours, verified, into memory"
OURS_FILED: Final = "ours, verified, filed and synced"
RAW: Final = "raw bytes (the bound)"
XMODEM: Final = "xmodem, 1 KiB packets"
MPREMOTE: Final = "mpremote, serial path"
NAMES: Final = (OURS, OURS_FILED, RAW, XMODEM, MPREMOTE)


# --- the log to pull ----------------------------------------------------------------------------
def make_log(folder: Path, total_bytes: int) -> bytes:
    """Write a log of random blocks as segments below `folder`; return all its bytes."""
    noise = random.Random(1)
    chain = layout.CHAIN_START
    segments: list[bytearray] = [bytearray()]
    block_seq = 0
    while sum(map(len, segments)) < total_bytes:
        buffer = bytearray(layout.BLOCK_MAX_BYTES)
        end = block.begin_block(buffer, layout.BLOCK_EVENTS, 1, block_seq, 1, block_seq, 0)
        end = block.put_section(buffer, end, 200, noise.randbytes(4000))
        length, chain = block.seal_block(buffer, end, chain)
        if len(segments[-1]) + length > layout.SEGMENT_MAX_BYTES:
            segments.append(bytearray())
        segments[-1] += buffer[:length]
        block_seq += 1
    run = folder / "00000001"
    run.mkdir(parents=True)
    for number, segment in enumerate(segments):
        (run / f"{number:04x}.seg").write_bytes(segment)
    return b"".join(segments)


# --- terminals ----------------------------------------------------------------------------------
@contextlib.contextmanager
def terminal() -> Generator[tuple[int, int, str]]:
    """Give a raw pseudo-terminal: the board's end, the host's end, and the name of the latter."""
    board, host = pty.openpty()
    tty.setraw(host)
    try:
        yield board, host, os.ttyname(host)
    finally:
        os.close(board)
        os.close(host)


@contextlib.contextmanager
def board_program(script: str, *arguments: str) -> Generator[str]:
    """Run a script on MicroPython with a terminal as its console; give the terminal's name."""
    interpreter = find_micropython()
    if interpreter is None:
        sys.exit("tools/bench/pull.py: no MicroPython here; tools/setup finds or makes one")
    paths = f"{_ROOT / 'protocol'}:{_ROOT / 'firmware'}"
    with terminal() as (board, _, name):
        command = [*interpreter.command, "-X", "heapsize=512k", str(BOARD / script), *arguments]
        process = subprocess.Popen(
            command, stdin=board, stdout=board, env={**os.environ, "MICROPYPATH": paths}
        )
        try:
            yield name
        finally:
            process.kill()
            process.wait()


# --- our pull, into memory ----------------------------------------------------------------------
class MemoryPart:
    """One file in memory; a `fetch.Part`."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.size = 0
        self.etag = 0
        self.crc32 = 0
        self.verified_bytes = 0
        self.complete = False

    def write(self, data: bytes | memoryview) -> None:
        """Add bytes at the end."""
        self.data += data
        self.size += len(data)
        self.crc32 = zlib.crc32(data, self.crc32)

    def sha256(self) -> bytes:
        """Return the hash of everything so far."""
        return hashlib.sha256(self.data).digest()

    proven = False

    def vouched(self) -> None:
        """Nobody has proven anything here."""

    def verified(self, *, sealed: bool, proven: bool) -> None:  # noqa: ARG002
        """Take note that it is proven."""
        self.verified_bytes = self.size
        self.complete = sealed

    def set_aside(self) -> None:
        """Fail: a sound line and a sound board never make this happen."""
        raise AssertionError

    def close(self) -> None:
        """Keep everything."""


class MemorySink:
    """One pulled log in memory; a `pull.Sink` and its `pull.LogSink`."""

    def __init__(self) -> None:
        self.parts: dict[int, MemoryPart] = {}
        self._walk = ChainWalk()

    def lock(self, device_id: bytes) -> contextlib.AbstractContextManager[None]:  # noqa: ARG002
        """Let anyone in."""
        return contextlib.nullcontext()

    def log(self, device_id: bytes, run: int, log_id: bytes) -> MemorySink:  # noqa: ARG002
        """Return the one log there is."""
        return self

    log_apart = log

    def part(self, file: StoredFile) -> MemoryPart:
        """Return one file of it."""
        return self.parts.setdefault(file.file, MemoryPart())

    def unproven(self, files: Sequence[StoredFile]) -> list[StoredFile]:
        """Follow the log's chain, as the archive does."""
        return [
            file for file in files if not self._walk.segment(file.file, self.parts[file.file].data)
        ]

    def file_log(self, files: Sequence[StoredFile], pulled: Pulled) -> FiledLog:  # noqa: ARG002
        """Say what the chain said."""
        walk = self._walk
        size = sum(part.size for part in self.parts.values())
        return FiledLog(
            Path(), b"", 1, b"", size, size, b"", walk.blocks, walk.chain, walk.problem, ()
        )


def run_pull(port: str, sink: MemorySink | Archive, log: bytes) -> tuple[float, float]:
    """Pull the log; return (seconds, wire bytes a payload byte)."""
    link = UsbLink(port)
    link.open()
    began_s = time.perf_counter()
    result = pull(link, sink, PullOptions(utc_s=lambda: 0))
    seconds = time.perf_counter() - began_s
    link.close()
    if isinstance(sink, MemorySink):
        data = b"".join(bytes(part.data) for part in sink.parts.values())
    else:
        data = result.logs[0].path.read_bytes()
    if data != log or result.logs[0].problem is not None:
        sys.exit("tools/bench/pull.py: the pulled log is not the board's")
    return seconds, link.received_bytes / len(log)


# --- the peers ----------------------------------------------------------------------------------
def run_raw(length: int) -> float:
    """Read raw bytes; return the seconds it took."""
    with board_program("raw_write.py", str(length)) as port:
        handle = os.open(port, os.O_RDWR | os.O_NOCTTY)
        time.sleep(START_S)
        seconds = 0.0
        for _ in range(RUNS):
            began_s = time.perf_counter()
            os.write(handle, b"!")
            left = length
            while left > 0:
                left -= len(os.read(handle, 1 << 16))
            seconds = time.perf_counter() - began_s
        os.close(handle)
    return seconds


def _send_xmodem(handle: int, log: bytes) -> None:
    """Be the board's end: as direct as Python can, so that only the host's end is measured."""
    modem: Any = importlib.import_module("xmodem")

    def getc(size: int, timeout: float = 1) -> bytes | None:
        ready, _, _ = select.select([handle], [], [], timeout)
        return os.read(handle, size) if ready else None

    def putc(data: bytes, timeout: float = 1) -> int:  # noqa: ARG001 - xmodem passes it
        return os.write(handle, data)

    for _ in range(RUNS):
        modem.XMODEM1k(getc, putc).send(io.BytesIO(log), quiet=True)


def run_xmodem(log: bytes) -> float:
    """Receive the log as xmodem's own documentation shows: over pyserial; return the seconds."""
    modem: Any = importlib.import_module("xmodem")

    with terminal() as (board, _, name):
        tty.setraw(board)
        sender = os.fork()
        if not sender:
            _send_xmodem(board, log)
            os._exit(0)
        port = serial.Serial(name, timeout=1)
        time.sleep(START_S)

        def getc(size: int, timeout: float = 1) -> bytes | None:  # noqa: ARG001 - as shown there
            return port.read(size) or None

        def putc(data: bytes, timeout: float = 1) -> int | None:  # noqa: ARG001
            return port.write(data)

        received = io.BytesIO()
        seconds = 0.0
        for _ in range(RUNS):
            received = io.BytesIO()
            began_s = time.perf_counter()
            modem.XMODEM1k(getc, putc).recv(received, crc_mode=1, quiet=True)
            seconds = time.perf_counter() - began_s
        os.waitpid(sender, 0)
        port.close()
    if received.getvalue()[: len(log)] != log:
        sys.exit("tools/bench/pull.py: xmodem brought other bytes")
    return seconds


def run_mpremote(path: Path, scratch: Path) -> float:
    """Read a file as mpremote does from a real serial port; return the seconds it took."""
    mpremote: Any = importlib.import_module("mpremote.transport_serial")

    with board_program("raw_repl.py") as port:
        # mpremote reads a name below /dev/pts/ in a way of its own, meant for emulators.
        name = scratch / "ttyACM"
        name.unlink(missing_ok=True)
        name.symlink_to(port)
        transport = mpremote.SerialTransport(str(name))
        transport.enter_raw_repl(soft_reset=False)
        data, seconds = b"", 0.0
        for _ in range(RUNS):
            began_s = time.perf_counter()
            data = transport.fs_readfile(str(path))
            seconds = time.perf_counter() - began_s
        transport.serial.close()
    if data != path.read_bytes():
        sys.exit("tools/bench/pull.py: mpremote brought other bytes")
    return seconds


# --- the run ------------------------------------------------------------------------------------
def measure(total_bytes: int, rounds: int) -> tuple[dict[str, list[float]], float]:
    """Return kB/s of every puller, round by round, and our wire bytes a payload byte."""
    figures: dict[str, list[float]] = {name: [] for name in NAMES}
    wire = 0.0
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        log = make_log(scratch / "log", total_bytes)
        small = scratch / "small.bin"
        small.write_bytes(log[:MPREMOTE_BYTES])
        for number in range(rounds):
            with board_program("serve_files.py", str(scratch / "log")) as port:
                time.sleep(START_S)
                seconds = 0.0
                for _ in range(RUNS):
                    seconds, wire = run_pull(port, MemorySink(), log)
                figures[OURS].append(len(log) / seconds / 1000)
                archive = Archive(scratch / f"archive{number}")
                seconds, _ = run_pull(port, archive, log)
                figures[OURS_FILED].append(len(log) / seconds / 1000)
            figures[RAW].append(len(log) / run_raw(len(log)) / 1000)
            with contextlib.suppress(ImportError):
                figures[XMODEM].append(len(log) / run_xmodem(log) / 1000)
            with contextlib.suppress(ImportError):
                figures[MPREMOTE].append(MPREMOTE_BYTES / run_mpremote(small, scratch) / 1000)
    return figures, wire


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bytes", type=int, default=1 << 20, help="size of the log")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="figures as data")
    options = parser.parse_args()
    figures, wire = measure(options.bytes, options.rounds)
    medians = {name: statistics.median(runs) for name, runs in figures.items() if runs}
    ratios = {
        name: medians[OURS] / medians[name] for name in (RAW, XMODEM, MPREMOTE) if name in medians
    }
    if options.json:
        print(json.dumps({"kB/s": figures, "ratios": ratios, "wire bytes/payload byte": wire}))
        return
    print(f"{options.bytes} bytes, {options.rounds} rounds, interleaved; kB/s")
    print(f"{'':38}{'median':>12}{'best':>12}{'ours is x':>12}")
    for name in NAMES:
        if name not in medians:
            print(f"{name:38}{'not installed':>12}")
            continue
        ratio = f"{ratios[name]:12.2f}" if name in ratios else ""
        print(f"{name:38}{medians[name]:12,.0f}{max(figures[name]):12,.0f}{ratio}")
    print(f"wire bytes a payload byte: {wire:.4f} (aim: at most {AIM_WIRE})")
    print(f"aims: at least {AIM_XMODEM} x xmodem-1k, {AIM_MPREMOTE} x mpremote's serial path")


if __name__ == "__main__":
    main()
