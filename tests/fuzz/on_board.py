"""Cases on a real MicroPython: thousands in one process, each held to what CPython says of it.

One interpreter reads a batch from a file and prints a line for each case; what it holds of the
heap is bounded by the heap it is given, and counted for each case.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

import device_readers
from engine import Finding, Tally
from workshop import interpreters
from workshop.places import FIRMWARE, PROTOCOL, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from targets import Target

ENGINES: Final = {
    "micropython": interpreters.find_micropython,
    "micropython32": interpreters.find_micropython32,
}
_BATCH_BYTES: Final = 1 << 20  # of cases; the 32-bit build copies no larger file
_HEAP_KIB: Final = 4096
_BATCH_HANG_S: Final = 600.0


def run_on_board(target: Target, engine: str, cases: Iterator[bytes], scratch: Path) -> Tally:
    """Run cases on one of the interpreters of ENGINES."""
    tally = Tally(target.name, engine)
    found = ENGINES[engine]()
    if found is None:
        tally.note = f"{engine} is not here; tools/setup gets it"
        return tally
    while batch := _next_batch(cases):
        _run_batch(target, found, tally, batch, scratch)
    return tally


def _next_batch(cases: Iterator[bytes]) -> list[bytes]:
    batch: list[bytes] = []
    room = _BATCH_BYTES
    for case in cases:
        batch.append(case)
        room -= 1 + len(case)
        if room < 0:
            break
    return batch


def _run_batch(
    target: Target,
    found: interpreters.Interpreter,
    tally: Tally,
    batch: list[bytes],
    scratch: Path,
) -> None:
    done = 0
    while done < len(batch):
        rest = batch[done:]
        lines, end = _printed(target, found, rest, scratch)
        for case, line in zip(rest, lines, strict=False):
            _judge(target, tally, case, line)
        done += len(lines)
        if end:
            if done < len(batch):
                tally.add("finding")
                what = f"{tally.engine}: the interpreter ended"
                tally.find(Finding(target.name, what, batch[done], end))
                done += 1
            elif done == 0:
                raise RuntimeError(end)


def _printed(
    target: Target, found: interpreters.Interpreter, batch: list[bytes], scratch: Path
) -> tuple[list[str], str]:
    """Run an interpreter over a batch; return its lines, and what it said when it failed."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        file = Path(folder) / "batch.txt"
        file.write_text("".join(f"{target.name} {case.hex()}\n" for case in batch))
        (Path(folder) / "scratch").mkdir()
        script = Path(device_readers.__file__)
        search = [".frozen", PROTOCOL, FIRMWARE, ROOT / "tests/protocol", script.parent]
        command = [*found.command, "-X", f"heapsize={_HEAP_KIB}k", str(script), str(file)]
        environment = {**os.environ, "MICROPYPATH": ":".join(map(str, search))}
        try:
            done = subprocess.run(
                [*command, f"{folder}/scratch"],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_BATCH_HANG_S,
                check=False,
            )
            output, failed = done.stdout, done.stderr if done.returncode else ""
            if done.returncode and not failed:
                failed = f"status {done.returncode}"
        except subprocess.TimeoutExpired as late:
            output = (late.stdout or b"").decode("utf-8", "replace")
            failed = "it did not end in time"
    lines = output.split("\n")[:-1]  # the last is whole only with its end of line
    return lines, failed or ("" if len(lines) == len(batch) else "it printed too little")


def _judge(target: Target, tally: Tally, case: bytes, line: str) -> None:
    """Hold one line of the board to what CPython says of the case."""
    _, word, *rest = line.split(" ", 3)
    if word == "!":
        tally.add("finding")
        text = " ".join(rest).encode().decode("unicode_escape")
        last = text.rstrip("'\"\n").rsplit("\n", 1)[-1].split(":")[0]
        tally.find(Finding(target.name, f"{tally.engine}: {last}", case, text))
        return
    digest, (used, took_us) = rest[0], map(int, rest[1].split())
    tally.worst_bytes = max(tally.worst_bytes, used)
    tally.worst_s = max(tally.worst_s, took_us / 1e6)
    tally.add(word)
    bound = target.heap_bytes + target.heap_per_byte * len(case)
    if used > bound:
        detail = f"{len(case)} bytes took {used} bytes of heap; the bound is {bound}"
        tally.find(Finding(target.name, f"{tally.engine}: memory", case, detail))
    if not target.agrees_on_board:
        return
    try:
        here_word, here_lines = device_readers.outcome_of(target.name, case)
    except Exception as error:  # noqa: BLE001 - whatever it is, the board did not raise it
        here_word, here_lines = type(error).__name__, [traceback.format_exc()]
    if (here_word, device_readers.digest_of(here_lines)) != (word, digest):
        detail = f"CPython: {here_word} {here_lines}\n{tally.engine}: {word} {digest}"
        what = f"{tally.engine} disagrees: {here_word} and {word}"
        tally.find(Finding(target.name, what, case, detail[:4000]))


def run_one(target: Target, engine: str, case: bytes, scratch: Path) -> Tally:
    """Run one case."""
    return run_on_board(target, engine, iter([case]), scratch)
