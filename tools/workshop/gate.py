"""Everything a change must pass: format, lint, types, compilation, generated files, tests.

Run by tools/test, here and in CI alike. Steps that only read run side by side; the tests come
last and print as they go.
"""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from workshop.places import FIRMWARE, ROOT

_PYTHON: Final = sys.executable
_AT_ONCE: Final = 2  # steps at once: the smallest machine this runs on has two cores


@dataclass(frozen=True, slots=True)
class Step:
    """One check: a name for a person and the command that passes or fails."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step said."""

    step: Step
    passed: bool
    output: str
    took_s: float


def steps() -> list[Step]:
    """Return every step but the tests, in the order they are reported."""
    pyright = (_PYTHON, "-m", "pyright", "--warnings")
    rp2, esp32 = FIRMWARE / "pyrightconfig.json", FIRMWARE / "pyrightconfig.esp32.json"
    generators = sorted((ROOT / "tools").glob("make_*.py"))
    return [
        Step("format", (_PYTHON, "-m", "ruff", "format", "--check", "--quiet", ".")),
        Step("lint", (_PYTHON, "-m", "ruff", "check", "--quiet", ".")),
        Step("types", pyright),
        Step("types, rp2 board", (*pyright, "--project", str(rp2))),
        Step("types, esp32 board", (*pyright, "--project", str(esp32))),
        Step("mpy-cross", (_PYTHON, "tools/build_firmware.py")),
        *(Step(file.name, (_PYTHON, str(file), "--check")) for file in generators),
    ]


def run(step: Step) -> Outcome:
    """Run one step to its end."""
    began = time.monotonic()
    done = subprocess.run(
        step.command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Outcome(step, done.returncode == 0, done.stdout.rstrip(), time.monotonic() - began)


def report(outcome: Outcome) -> None:
    """Print one line for a step that passed; all it said for one that did not."""
    word = "ok  " if outcome.passed else "FAIL"
    last = outcome.output.splitlines()[-1] if outcome.output and outcome.passed else ""
    print(f"{word}  {outcome.step.name:<24} {outcome.took_s:5.1f} s  {last}".rstrip(), flush=True)
    if not outcome.passed:
        print(outcome.output, flush=True)


def run_tests(arguments: list[str]) -> Outcome:
    """Run pytest with the terminal to itself; its own summary is the report.

    A file's tests stay together, for they share what takes long to make; the order is that of
    tests/conftest.py, not that of the number of tests in a file.
    """
    side_by_side = ("-n", str(_AT_ONCE), "--dist", "loadfile", "--no-loadscope-reorder")
    step = Step("tests", (_PYTHON, "-m", "pytest", *side_by_side, *arguments))
    began = time.monotonic()
    status = subprocess.run(step.command, cwd=ROOT, check=False).returncode
    return Outcome(step, status == 0, "", time.monotonic() - began)


def main(arguments: list[str]) -> int:
    """Run every step, whatever fails before it; return 1 if any failed."""
    began = time.monotonic()
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for outcome in pool.map(run, steps()):
            report(outcome)
            outcomes.append(outcome)
    outcomes.append(run_tests(arguments))
    report(outcomes[-1])
    failed = [outcome.step.name for outcome in outcomes if not outcome.passed]
    took_s = time.monotonic() - began
    if failed:
        print(f"tools/test: FAILED ({', '.join(failed)}) after {took_s:.0f} s")
        return 1
    print(f"tools/test: all {len(outcomes)} steps passed in {took_s:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
