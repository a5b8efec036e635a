"""Which files make the firmware, and where they stand on a board.

First of flash's line: names only, nothing is compiled here. The same list reaches an image through
firmware/manifest.py, and a test holds the two together.

A clone is found as sim.py finds the simulated board: firmware is no part of an installed wheel.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dewarlog.errors import FirmwareMissing

CLONE: Final = Path(__file__).parents[3]
PACKAGES: Final = (("firmware", "dewarlog_firmware"), ("protocol", "dewarlog_wire"))
"""Folder of a source tree, and the package in it that goes onto a board."""
SCRIPTS: Final = ("boot.py", "main.py")
"""What MicroPython runs by itself; it looks for these as source, and as nothing else."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the firmware: `file` here, `place` on the board, beginning with /."""

    file: Path
    place: str

    @property
    def is_compiled(self) -> bool:
        """True where the board gets byte code."""
        return self.place.endswith(".mpy")

    @property
    def module_file(self) -> str:
        """The name that a traceback on the board gives the file: `dewarlog_wire/layout.py`."""
        return self.place.removeprefix("/").removesuffix(".mpy").removesuffix(".py") + ".py"


def firmware_files(tree: Path | None = None) -> list[Source]:
    """List every file that goes onto a board, packages first, each by name.

    `tree` is a source tree: the folder that holds `firmware` and `protocol`, or the `firmware`
    folder in it. Without it, the clone this program runs from.

    Raises:
        FirmwareMissing: there is no firmware there, or this program runs from no clone.
    """
    root = CLONE if tree is None else tree
    if tree is not None and (tree / "main.py").is_file():
        root = tree.resolve().parent
    found: list[Source] = []
    for folder, package in PACKAGES:
        base = root / folder
        files = sorted(base.glob(f"{package}/**/*.py"))
        if not (base / package / "__init__.py").is_file():
            raise FirmwareMissing(base / package, given=tree is not None)
        found += [
            Source(file, f"/{file.relative_to(base).with_suffix('.mpy').as_posix()}")
            for file in files
        ]
    for name in SCRIPTS:
        file = root / PACKAGES[0][0] / name
        if not file.is_file():
            raise FirmwareMissing(file, given=tree is not None)
        found.append(Source(file, f"/{name}"))
    return found


def firmware_version(files: list[Source]) -> str:
    """Read the version the source says it is: `0.1.0`; empty where it says none."""
    for source in files:
        if source.place == "/dewarlog_firmware/__init__.mpy":
            for line in source.file.read_text(encoding="utf-8").splitlines():
                name, separator, value = line.partition("=")
                if separator and name.strip() == "VERSION":
                    return ".".join(part.strip() for part in value.strip(" ()").split(","))
    return ""
