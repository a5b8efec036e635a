"""Cuts the power of simulated boards, at every flash operation or at random: tools/cuts.

Starts workers, each a MicroPython that runs device/cuts/run.py; adds up what they say, and has the
host's own reader read a share of the logs. Exit status: 0 nothing was lost, 1 a claim was broken,
a worker failed or fewer cuts were made than asked for, 2 wrong use.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from simboard.cuts_reader import read_export
from simboard.errors import InterpreterMissing
from simboard.scenario import PROFILES, device_json, load
from workshop.interpreters import find_micropython
from workshop.places import FIRMWARE, PROTOCOL, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_RUN: Final = Path(__file__).parent / "device" / "cuts" / "run.py"
_TOOLS: Final = Path(__file__).resolve().parents[1]
_HEAP: Final = "32M"  # less, and MicroPython spends its time collecting
_HOURS_PER_SEED: Final = 1_000_000
_CUTS_PER_HOUR: Final = 25  # at most, of random ones

_HOST_READS_EVERY: Final = 20  # operations: the share of cuts whose logs the host reads
_PROGRESS_S: Final = 10.0


@dataclass(slots=True)
class Tally:
    """What has been cut, booted, compared and broken so far. `broken`: (cut, what)."""

    hours: int = 0
    cuts: int = 0
    power_cuts: int = 0  # a double cut counts twice
    boots: int = 0
    checked: int = 0
    host_logs: int = 0
    host_samples: int = 0
    broken: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    other: list[str] = field(default_factory=list[str])  # lines that are none of ours

    def take(self, line: str) -> None:
        """Add one line of a worker (see device/cuts/run.py)."""
        words = line.split(" ", 2)
        if words[0] == "ok":
            power_cuts, boots, checked = (int(word) for word in words[2].split())
            self.cuts += 1
            self.power_cuts += power_cuts
            self.boots += boots
            self.checked += checked
        elif words[0] == "hour":
            self.hours += 1
        elif words[0] == "broken":
            self.cuts += 1
            self.broken.append((words[1], words[2]))
        elif line and "EIO" not in line:  # a file of a board that lost its power, when collected
            self.other.append(line)

    def as_text(self, took_s: float) -> str:
        """Return the figures for a person."""
        return (
            f"{self.cuts:,} cuts in {self.hours:,} hours ({self.power_cuts:,} power cuts, "
            f"{self.boots:,} boots, {self.checked:,} durable records compared); "
            f"{self.host_logs:,} logs with {self.host_samples:,} samples read by the host; "
            f"{len(self.broken)} failures; {took_s:.0f} s"
            + (
                f"; {len(self.other)} lines of workers that are none of theirs"
                if self.other
                else ""
            )
        )

    def why_not_done(self, wanted: int) -> str:
        """Say why this is no result, for a person; empty when it is one.

        Args:
            wanted: How many cuts were asked for, at least.
        """
        if self.other:
            return "a worker failed: what is above is not the whole result"
        if self.cuts < wanted:
            return f"{self.cuts:,} of {wanted:,} cuts were made: this is no result"
        return ""


def cut(
    jobs: Sequence[dict[str, object]],
    *,
    limit: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> Tally:
    """Run jobs side by side until all are done or `limit` cuts were made; return the figures.

    Args:
        jobs: What each worker does: see `random_jobs` and its neighbours.
        limit: Stop the workers behind so many cuts.
        tell: Called with a line of progress now and then.

    Raises:
        InterpreterMissing: There is no MicroPython.
    """
    interpreter = find_micropython()
    if interpreter is None:
        raise InterpreterMissing
    tally = Tally()
    lock = threading.Lock()
    began_s = told_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cuts-") as name:
        folder = Path(name)
        processes = [
            _start(interpreter.command, folder, number, job) for number, job in enumerate(jobs)
        ]

        def listen(process: subprocess.Popen[str]) -> None:
            nonlocal told_s
            for line in process.stdout or ():
                with lock:
                    if limit is not None and tally.cuts >= limit:
                        break
                    known = len(tally.broken)
                    tally.take(line.rstrip("\n"))
                    _read_exports(folder, tally, line.rstrip("\n"))
                    if tell is not None:
                        for number, what in tally.broken[known:]:
                            tell(f"broken: {what}\n    again: tools/cuts --only {number}")
                    now_s = time.monotonic()
                    if tell is not None and now_s - told_s >= _PROGRESS_S:
                        told_s = now_s
                        tell(tally.as_text(now_s - began_s))

        is_done = True  # also when the person has had enough
        try:
            threads = [threading.Thread(target=listen, args=(one,)) for one in processes]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            is_done = limit is not None and tally.cuts >= limit
        finally:
            for process in processes:
                _end(process, tally, is_done=is_done)
    return tally


def _start(
    command: tuple[str, ...], folder: Path, number: int, job: dict[str, object]
) -> subprocess.Popen[str]:
    scenario = device_json(load("hour"), folder, radio_address="c0ffee000001")
    whole: dict[str, object] = {
        "scenario": json.loads(scenario),
        "profile": (PROFILES / "hour.json").read_text(),
        "export": str(folder),
        "export_every": _HOST_READS_EVERY,
        "only": [],
        "hours": [],
        "stride": 0,
        "offset": 0,
        "per_hour": _CUTS_PER_HOUR,
        "sabotage": "",
        **job,
    }
    file = folder / f"job{number}.json"
    file.write_text(json.dumps(whole))
    return subprocess.Popen(
        [*command, "-X", f"heapsize={_HEAP}", str(_RUN), str(file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "MICROPYPATH": f"{_TOOLS}:{FIRMWARE}:{PROTOCOL}"},
        cwd=ROOT,
        start_new_session=True,
    )


def _end(process: subprocess.Popen[str], tally: Tally, *, is_done: bool) -> None:
    """End a worker; one that ended badly by itself is a failure.

    `is_done`: enough cuts were made, it may still be at others. Else its output has ended, and it
    ends by itself.
    """
    if is_done and process.poll() is None:
        process.terminate()
    elif process.wait():
        tally.other.append(f"it ended with status {process.returncode}")
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _read_exports(folder: Path, tally: Tally, line: str) -> None:
    """Have the host read what the cut of this line has left."""
    words = line.split(" ", 2)
    if words[0] not in {"ok", "broken"}:
        return
    for log in sorted(folder.glob(f"{words[1]}.*.dwl")):
        reading = read_export(log)
        tally.host_logs += 1
        tally.host_samples += reading.samples
        if reading.wrong:
            tally.broken.append((words[1], f"host, {reading.name}: {reading.wrong}"))
        log.unlink()
        log.with_suffix(".json").unlink()


# --- jobs ---------------------------------------------------------------------------------------


def random_jobs(seed: int, count: int, workers: int) -> list[dict[str, object]]:
    """Return jobs that together make at least `count` random cuts, the same for the same seed."""
    hours = range(seed * _HOURS_PER_SEED, seed * _HOURS_PER_SEED + 1 + count // 3)
    return [{"hours": list(hours[number::workers])} for number in range(workers)]


def systematic_jobs(
    hours: Sequence[int], stride: int, offset: int, workers: int
) -> list[dict[str, object]]:
    """Return jobs that make every `stride`-th cut of all operations and ways of some hours."""
    return [
        {
            "hours": list(hours),
            "stride": stride * workers,
            "offset": offset % stride + number * stride,
        }
        for number in range(workers)
    ]


def only_job(numbers: Sequence[int]) -> dict[str, object]:
    """Return a job that makes these cuts again."""
    return {"only": list(numbers), "export_every": 1}


# --- the command --------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    options = _parser().parse_args(arguments)
    limit: int | None = None
    if options.only:
        jobs = [only_job(options.only)]
    elif options.systematic:
        hours = range(options.seed, options.seed + 2)  # one of each full policy
        jobs = systematic_jobs(hours, options.stride, options.offset, options.workers)
    else:
        limit = options.count
        jobs = random_jobs(options.seed, options.count, options.workers)
    began_s = time.monotonic()
    try:
        tally = cut(jobs, limit=limit, tell=_tell)
    except InterpreterMissing as error:
        print(f"tools/cuts: {error}", file=sys.stderr)
        return 2
    for line in tally.other[:20]:
        print(f"worker: {line}")
    print(tally.as_text(time.monotonic() - began_s))
    why = tally.why_not_done(limit if limit is not None else max(1, len(options.only or ())))
    if why:
        print(f"tools/cuts: {why}", file=sys.stderr)
    return 1 if tally.broken or why else 0


def _tell(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/cuts",
        description="Cut the power of a simulated board in a scripted hour, boot it again, and "
        "check that nothing durable was lost.",
    )
    parser.add_argument("--count", type=int, default=10_000, help="random cuts (10,000)")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the random cuts, or first hour (1)"
    )
    parser.add_argument("--workers", type=int, default=1, help="boards at once (1)")
    parser.add_argument(
        "--systematic", action="store_true", help="cut at every operation, in every way"
    )
    parser.add_argument("--stride", type=int, default=1, help="of the systematic cuts (1: all)")
    parser.add_argument("--offset", type=int, default=0, help="the first of them (0)")
    parser.add_argument(
        "--only", type=int, nargs="+", metavar="SEED", help="make these cuts again, by number"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
