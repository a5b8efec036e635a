r"""Fixtures for every test: the real MicroPython interpreters, 64-bit and 32-bit.

    def test_codes_agree(micropython: MicroPython) -> None:
        assert micropython("print(6 * 7)").stdout == "42\n"

The script finds `dewarlog_wire` and `dewarlog_firmware`, whatever lies in `cwd`, and what stands
beside a script that is a file.
"""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import settings

from workshop import interpreters
from workshop.places import FIRMWARE, PROTOCOL

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_S: Final = 120.0

# No deadline: a busy machine is not a failing test.
settings.register_profile("dewarlog", deadline=None, print_blob=True)
settings.register_profile(
    "long", settings.get_profile("dewarlog"), max_examples=10_000, stateful_step_count=40
)
settings.load_profile("dewarlog")

# A shell's background job ignores Ctrl-C, and so would every program a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Folders whose files take longest, in this order: begun first, they keep no core waiting at last.
LONG_FIRST: Final = ("simboard", "integration", "tests")


def _turn(item: pytest.Item) -> int:
    folder = item.path.parent.name
    return LONG_FIRST.index(folder) if folder in LONG_FIRST else len(LONG_FIRST)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they use, so that `-m "not micropython"` means what it says."""
    items.sort(key=_turn)
    for item in items:
        fixtures: list[str] = getattr(item, "fixturenames", [])
        if {"micropython", "micropython32"} & set(fixtures):
            item.add_marker("micropython")
        if item.path.parent.name in {"integration", "simboard"}:
            item.add_marker("integration")


@dataclass(frozen=True, slots=True)
class MicroPython:
    """A real MicroPython that runs scripts with the wire and the firmware on its path."""

    interpreter: interpreters.Interpreter
    scratch: Path

    def run(
        self,
        code: str | Path,
        *argv: str,
        cwd: Path | None = None,
        timeout_s: float = TIMEOUT_S,
        heap_kib: int | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a script, given as text or as a file, and return what it printed.

        Args:
            code: The script.
            argv: Its arguments, `sys.argv[1:]`.
            cwd: Its working folder, also searched for modules; an empty one when not given.
            timeout_s: The test fails when the script takes longer.
            heap_kib: Heap to give it. The unix build counts 8-byte words where boards count 4;
                the 32-bit build takes it as a start and grows.
            check: Fail the test, showing stderr, when the script does not end with status 0.
        """
        folder = cwd or self.scratch / "empty"
        folder.mkdir(exist_ok=True)
        if isinstance(code, str):
            script = self.scratch / "script.py"
            script.write_text(code)
        else:
            script = code.resolve()
        heap = [] if heap_kib is None else ["-X", f"heapsize={heap_kib}k"]
        search = [".frozen", str(PROTOCOL), str(FIRMWARE), str(folder), str(script.parent)]
        done = subprocess.run(
            [*self.interpreter.command, *heap, str(script), *argv],
            cwd=folder,
            env={**os.environ, "MICROPYPATH": ":".join(search)},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode != 0:
            pytest.fail(
                f"the script ended with status {done.returncode} on MicroPython "
                f"{self.interpreter.version}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
            )
        return done

    __call__ = run


def _open(
    found: interpreters.Interpreter | None, what: str, factory: pytest.TempPathFactory
) -> MicroPython:
    if found is not None:
        return MicroPython(found, factory.mktemp("micropython"))
    reason = f"{what} is not here; tools/setup gets it"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def micropython(tmp_path_factory: pytest.TempPathFactory) -> MicroPython:
    """Return the unix build of MicroPython: 64-bit, no pins, no radio."""
    return _open(interpreters.find_micropython(), "MicroPython", tmp_path_factory)


@pytest.fixture(scope="session")
def micropython32(tmp_path_factory: pytest.TempPathFactory) -> MicroPython:
    """Return a 32-bit MicroPython, where an int of 2**30 allocates as on the boards."""
    return _open(interpreters.find_micropython32(), "32-bit MicroPython", tmp_path_factory)
