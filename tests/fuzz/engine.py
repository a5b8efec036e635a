"""Makes cases, feeds them to the readers of a target and holds these to what they promise.

A case is accepted, or refused by an error the target allows; anything else is a `Finding`: another
error, more memory than the target's bound, no end, or two readers that do not agree. The same
seed makes the same cases, share by share, however many workers there are.
"""

from __future__ import annotations

import contextlib
import random
import signal
import time
import traceback
import tracemalloc
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import device_readers
import fixups
import mutate

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from types import FrameType

    from targets import Reader, Target

# No case takes more than a second or two on a slow machine: what is not done by now never ends.
HANG_S: Final = 30.0
MEASURED_EVERY: Final = 16  # cases: following every allocation makes a case several times slower
_KEPT_FINDINGS: Final = 8  # of a share


class Hang(BaseException):
    """The case did not end in time. No Exception, so that no reader catches it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A case in which a target did not do what it promises."""

    target: str
    what: str
    """One line that is the same for the same fault."""
    data: bytes
    detail: str


@dataclass(slots=True)
class Tally:
    """What became of a share of cases."""

    target: str
    engine: str
    cases: int = 0
    accepted: int = 0
    words: Counter[str] = field(default_factory=Counter[str])
    worst_bytes: int = 0
    worst_s: float = 0.0
    took_s: float = 0.0
    findings: list[Finding] = field(default_factory=list[Finding])
    note: str = ""
    """Why the share was not run."""

    def add(self, word: str) -> None:
        """Count one case by its outcome."""
        self.cases += 1
        self.accepted += word == "ok"
        self.words[word] += 1

    def find(self, finding: Finding) -> None:
        """Keep a finding, the smallest case of each fault."""
        for index, held in enumerate(self.findings):
            if held.what == finding.what:
                if len(finding.data) < len(held.data):
                    self.findings[index] = finding
                return
        if len(self.findings) < _KEPT_FINDINGS:
            self.findings.append(finding)

    def join(self, other: Tally) -> None:
        """Add another share of the same target."""
        self.cases += other.cases
        self.accepted += other.accepted
        self.words += other.words
        self.worst_bytes = max(self.worst_bytes, other.worst_bytes)
        self.worst_s = max(self.worst_s, other.worst_s)
        self.took_s += other.took_s
        for finding in other.findings:
            self.find(finding)


# --- cases --------------------------------------------------------------------------------------
def cases(target: Target, seed: str, count: int) -> Iterator[bytes]:
    """Yield that many cases of a target; the same for the same seed."""
    rng = random.Random(f"{seed} {target.name}")
    seeds = target.seeds()
    for _ in range(count):
        yield make_case(rng, target, seeds)


def make_case(rng: random.Random, target: Target, seeds: Sequence[bytes]) -> bytes:
    """Return one case."""
    if rng.random() < 0.05:
        data = mutate.random_bytes(rng, target.max_bytes)
    elif rng.random() < 0.85:
        data = _part_changed(rng, target, seeds)
    else:
        data = mutate.mutated(rng, seeds, target.max_bytes)
    if target.fix_up is not None and rng.random() < 0.75:
        data = target.fix_up(data)
    return data[: 4 * target.max_bytes]


def _part_changed(rng: random.Random, target: Target, seeds: Sequence[bytes]) -> bytes:
    """Change one file of a case, as JSON where it is JSON."""
    parts = device_readers.parts_of(rng.choice(seeds), target.parts)
    at = rng.randrange(len(parts))
    made = mutate.mutated_document(rng, parts[at]) if rng.random() < 0.8 else None
    if made is None:
        others = [parts[at]] if target.parts > 1 else seeds
        made = mutate.mutated(rng, others, target.max_bytes)
    parts[at] = made
    return fixups.joined(parts)


# --- one case -----------------------------------------------------------------------------------
def ring(_number: int, _frame: FrameType | None) -> None:
    """End whatever runs, when the alarm goes off."""
    raise Hang


@contextlib.contextmanager
def alarm() -> Generator[None]:
    """Raise Hang in whatever does not end; where there are alarms (not on Windows)."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    before = signal.signal(signal.SIGALRM, ring)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run_cases(target: Target, tally: Tally, data: Iterator[bytes]) -> None:
    """Run cases one after the other and count them."""
    with alarm():
        for number, case in enumerate(data):
            finding = run_case(target, tally, case, measured=number % MEASURED_EVERY == 0)
            if finding is not None:
                tally.find(finding)


def run_case(target: Target, tally: Tally, data: bytes, *, measured: bool) -> Finding | None:
    """Give one case to every reader; return what is wrong, if anything is."""
    outcomes: list[tuple[str, list[str]]] = []
    for reader in target.all_readers:
        if hasattr(signal, "setitimer") and signal.getsignal(signal.SIGALRM) is ring:
            signal.setitimer(signal.ITIMER_REAL, HANG_S)
        if measured:
            tracemalloc.start()
        began = time.perf_counter()
        try:
            outcomes.append(_outcome(target, reader, data))
        except (Exception, Hang) as error:  # noqa: BLE001 - whatever it is, it is the finding
            tally.add("finding")
            return Finding(target.name, _what(reader, error), data, traceback.format_exc())
        finally:
            took_s = time.perf_counter() - began
            peak = tracemalloc.get_traced_memory()[1] if measured else 0
            if measured:
                tracemalloc.stop()
        if not measured:
            tally.worst_s = max(tally.worst_s, took_s)
        bound = target.memory_bytes + target.memory_per_byte * len(data)
        if peak > bound:
            # What the first case of a process loads for good (a module, a cache) is not its own.
            peak = _peak_again(target, reader, data)
        tally.worst_bytes = max(tally.worst_bytes, peak)
        if peak > bound:
            tally.add("finding")
            detail = f"{len(data)} bytes took {peak} bytes; the bound is {bound}"
            return Finding(target.name, f"{reader.__name__}: memory", data, detail)
    tally.add(outcomes[0][0])
    return _disagreement(target, data, outcomes)


def _peak_again(target: Target, reader: Reader, data: bytes) -> int:
    """Return the bytes that a case takes which has just been read without a finding."""
    tracemalloc.start()
    try:
        _outcome(target, reader, data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _outcome(target: Target, reader: Reader, data: bytes) -> tuple[str, list[str]]:
    """Return ("ok", lines), or the word that refuses the case."""
    try:
        return "ok", reader(data)
    except target.allowed as error:
        word = str(getattr(error, "fault", type(error).__name__))
        return "/".join(sorted(target.one_word)) if word in target.one_word else word, []


def _disagreement(
    target: Target, data: bytes, outcomes: list[tuple[str, list[str]]]
) -> Finding | None:
    first = outcomes[0]
    for reader, outcome in zip(target.all_readers[1:], outcomes[1:], strict=True):
        if outcome != first:
            detail = f"{target.all_readers[0].__name__}: {first}\n{reader.__name__}: {outcome}"
            words = f"{first[0]} and {outcome[0]}"
            return Finding(target.name, f"readers disagree: {words}", data, detail[:4000])
    return None


def _what(reader: Reader, error: BaseException) -> str:
    """Name a fault by the error and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    while frames and frames[-1].name == ring.__name__:
        frames.pop()
    where = frames[-1] if frames else None
    place = "" if where is None else f" in {where.filename.rsplit('/', 1)[-1]} {where.name}"
    return f"{reader.__name__}: {type(error).__name__}{place}"


def shrunk(target: Target, finding: Finding, tries: int = 400) -> Finding:
    """Return a smaller case with the same fault, as far as a few tries find one."""
    best = finding
    step = max(1, len(best.data) // 2)
    with alarm():
        while step and tries > 0:
            at = 0
            while at < len(best.data) and tries > 0:
                tries -= 1
                data = best.data[:at] + best.data[at + step :]
                found = run_case(
                    target, Tally(target.name, ""), data, measured="memory" in best.what
                )
                if found is not None and found.what == best.what:
                    best = found
                else:
                    at += step
            step //= 2
    return best
