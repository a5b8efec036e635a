"""Feed every parser garbage: valid inputs changed, their CRCs put right, or any bytes at all.

Each case is accepted or refused by an error of our own: never another error, never more memory
than a bound, never without end; and where one format has several readers, they agree. The same
seed makes the same cases. Exit code 1 when anything else was found; each finding is a file that
`tools/fuzz --repeat FILE` runs again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import where  # noqa: F401 - makes the other modules importable

# isort: split

import host_readers
from engine import Tally, alarm, run_case, shrunk
from find_file import read_find, write_find
from on_board import ENGINES as BOARDS
from on_board import run_one
from share_out import ENGINES, notes, run_shares, shares_of
from targets import BY_NAME, TARGETS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine import Finding
    from share_out import Share

_EVERY_S: Final = 2.0  # between two words of progress


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/fuzz", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--cases", type=int, default=20_000, metavar="N", help="how many (20000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="which ones (1)")
    parser.add_argument(
        "--target", action="append", choices=list(BY_NAME), metavar="NAME", help="only this parser"
    )
    parser.add_argument(
        "--engine", action="append", choices=ENGINES, metavar="NAME", help=", ".join(ENGINES)
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes (2)")
    parser.add_argument(
        "--finds",
        type=Path,
        default=Path(".fuzz"),
        metavar="DIR",
        help="where findings go (.fuzz)",
    )
    parser.add_argument("--repeat", type=Path, metavar="FILE", help="run the case of a find again")
    parser.add_argument("--list", action="store_true", help="name the targets")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    asked = _arguments(words)
    if asked.list:
        print("\n".join(target.name for target in TARGETS))
        return 0
    if asked.repeat is not None:
        return repeat(asked.repeat)
    chosen = [BY_NAME[name] for name in asked.target] if asked.target else list(TARGETS)
    engines = asked.engine or list(ENGINES)
    for note in notes(engines):
        print(f"tools/fuzz: {note}", file=sys.stderr)
    shares = shares_of(chosen, engines, asked.cases, asked.seed)
    began = time.monotonic()
    tallies = _run(shares, asked.workers)
    _print_figures(tallies, time.monotonic() - began, asked.workers)
    findings = [finding for tally in tallies for finding in tally.findings]
    for finding in _distinct(findings):
        _print_finding(write_find(asked.finds, _small(finding)), finding)
    return 1 if findings else 0


def _run(shares: Sequence[Share], workers: int) -> list[Tally]:
    """Run the shares, and say how far it is; return a tally for each target and engine."""
    held: dict[tuple[str, str], Tally] = {}
    wanted = sum(share.count for share in shares)
    began = said = time.monotonic()
    for _, tally in run_shares(shares, workers):
        whole = held.setdefault((tally.target, tally.engine), Tally(tally.target, tally.engine))
        whole.join(tally)
        now = time.monotonic()
        if now - said > _EVERY_S:
            said = now
            done = sum(one.cases for one in held.values())
            found = sum(len(one.findings) for one in held.values())
            print(
                f"{done:>9,} of {wanted:,} cases, {done / (now - began):,.0f} a second, "
                f"{found} findings",
                file=sys.stderr,
                flush=True,
            )
    order = [(target.name, engine) for target in TARGETS for engine in ENGINES]
    return [held[key] for key in order if key in held]


def _print_figures(tallies: Sequence[Tally], took_s: float, workers: int) -> None:
    head = ("target", "cases", "accepted", "refused", "found", "worst KiB", "worst ms", "core s")
    print(("{:<17}" + "{:>10}" * 7).format(*head))
    for engine in ENGINES:
        of_engine = [tally for tally in tallies if tally.engine == engine]
        if not of_engine:
            continue
        print(f"-- {engine}: {sum(tally.cases for tally in of_engine):,} cases")
        for tally in of_engine:
            found = tally.words["finding"]
            print(
                f"{tally.target:<17}{tally.cases:>10,}{tally.accepted:>10,}"
                f"{tally.cases - tally.accepted - found:>10,}{found:>10,}"
                f"{tally.worst_bytes / 1024:>10,.0f}{1000 * tally.worst_s:>10,.1f}"
                f"{tally.took_s:>10,.1f}"
            )
    cases = sum(tally.cases for tally in tallies)
    faults = len(_distinct([finding for tally in tallies for finding in tally.findings]))
    print(f"{cases:,} cases by {workers} workers in {took_s:,.0f} s; {faults} faults found")


def _distinct(findings: Sequence[Finding]) -> list[Finding]:
    """Return one finding of each fault, the smallest."""
    smallest: dict[tuple[str, str], Finding] = {}
    for finding in sorted(findings, key=lambda one: len(one.data)):
        smallest.setdefault((finding.target, finding.what), finding)
    return list(smallest.values())


def _small(finding: Finding) -> Finding:
    with tempfile.TemporaryDirectory() as folder:
        host_readers.use_scratch(Path(folder))
        return shrunk(BY_NAME[finding.target], finding)


def _print_finding(path: Path, finding: Finding) -> None:
    print(f"\nFOUND in {finding.target}: {finding.what}")
    print("  " + finding.detail.strip()[-1500:].replace("\n", "\n  "))
    print(f"  again: tools/fuzz --repeat {path}")


def repeat(path: Path) -> int:
    """Run the case of a find on every interpreter that is here; return 1 if it is still wrong."""
    name, data = read_find(path)
    target = BY_NAME[name]
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory() as folder:
        host_readers.use_scratch(Path(folder))
        tally = Tally(name, "own")
        with alarm():
            finding = run_case(target, tally, data, measured=True)
        findings += [] if finding is None else [finding]
        print(f"CPython: {', '.join(tally.words)}")
        for engine in BOARDS if target.on_board else ():
            tally = run_one(target, engine, data, Path(folder))
            findings += tally.findings
            print(f"{engine}: {tally.note or ', '.join(tally.words)}")
    for finding in findings:
        print(f"{finding.what}\n{finding.detail}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
