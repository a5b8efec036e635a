"""Cuts a count of cases into shares by target and engine, and runs them on several workers."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import host_readers
import targets
from by_atheris import ABSENT, is_here, run_by_atheris
from by_hypothesis import run_by_hypothesis
from engine import Tally, cases, run_cases
from on_board import ENGINES as BOARDS
from on_board import run_on_board

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from targets import Target

# Of all cases of a target, by engine. Hypothesis makes some hundred cases a second, an
# interpreter some hundred to a thousand; what one cannot run, our own mutation does.
OWN: Final = "own"
PARTS: Final = {"micropython": 0.04, "micropython32": 0.01, "hypothesis": 0.02, "atheris": 0.13}
ENGINES: Final = (OWN, *PARTS)
_SHARE_CASES: Final = 5000
# Above what the imports take. The largest bound of a target is below it: what asks for more is
# told MemoryError, which is a finding.
_MEMORY_BYTES: Final = 1 << 30
_FAST_FOLDER: Final = Path("/dev/shm")  # noqa: S108 - a folder in memory where there is one


@dataclass(frozen=True, slots=True)
class Share:
    """Some cases of one target, by one engine."""

    target: str
    engine: str
    seed: int
    number: int
    count: int


def shares_of(
    chosen: Sequence[Target], engines: Sequence[str], count: int, seed: int
) -> list[Share]:
    """Share `count` cases out, by weight; at least one share for every target and engine."""
    whole = sum(target.weight for target in chosen)
    made: list[Share] = []
    for target in chosen:
        wanted = max(1, round(count * target.weight / whole))
        usable = [one for one in engines if _can_run(target, one)]
        left = wanted
        for engine in usable:
            if engine == OWN:
                continue
            part = (
                PARTS[engine] if OWN in engines else PARTS[engine] / sum(PARTS[e] for e in usable)
            )
            number = min(left, max(1, round(wanted * part)))
            made += _cut(target.name, engine, seed, number)
            left -= number
        if OWN in usable:
            made += _cut(target.name, OWN, seed, left)
    # The longest first, so that no worker is left with one at the end.
    return sorted(made, key=lambda share: (share.engine == OWN, -share.count))


def _can_run(target: Target, engine: str) -> bool:
    if engine in BOARDS:
        return target.on_board
    return engine != "atheris" or is_here()


def _cut(target: str, engine: str, seed: int, count: int) -> list[Share]:
    size = count if engine in ("hypothesis", "atheris") else _SHARE_CASES
    return [
        Share(target, engine, seed, number, min(size, count - at))
        for number, at in enumerate(range(0, count, max(1, size)))
    ]


def notes(engines: Sequence[str]) -> Iterator[str]:
    """Say which engines are not here."""
    if "atheris" in engines and not is_here():
        yield ABSENT
    for engine, find in BOARDS.items():
        if engine in engines and find() is None:
            yield f"{engine} is not here; tools/setup gets it"


def run_shares(shares: Sequence[Share], workers: int) -> Iterator[tuple[Share, Tally]]:
    """Run all shares; yield each with its tally as it is done."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_bound_memory) as pool:
        waiting = {pool.submit(run_share, share): share for share in shares}
        for done in as_completed(waiting):
            yield waiting[done], done.result()


def run_share(share: Share) -> Tally:
    """Run one share in this process."""
    target = targets.BY_NAME[share.target]
    began = time.monotonic()
    fast = _FAST_FOLDER if _FAST_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(dir=fast, prefix="dewarlog-fuzz-") as folder:
        host_readers.use_scratch(Path(folder))
        number = share.seed * 1000 + share.number
        made = cases(target, f"{share.seed} {share.engine} {share.number}", share.count)
        if share.engine in BOARDS:
            tally = run_on_board(target, share.engine, made, Path(folder))
        elif share.engine == "hypothesis":
            tally = run_by_hypothesis(target, number, share.count)
        elif share.engine == "atheris":
            tally = run_by_atheris(target, number, share.count, Path(folder))
        else:
            tally = Tally(target.name, share.engine)
            run_cases(target, tally, made)
    tally.took_s = time.monotonic() - began
    return tally


def _bound_memory() -> None:
    """Let a worker hold so much and no more, where the system counts it."""
    if sys.platform != "linux":
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[5])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + _MEMORY_BYTES
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
