"""Byte-compile every file that reaches a board and report the flash it takes.

    python tools/build_firmware.py               compile for every board, print sizes
    python tools/build_firmware.py --out DIR     also keep the .mpy files, one folder a processor

mpy-cross refuses what MicroPython's grammar has not, so this is the syntax gate of the device
dialect. Byte code is the same for every processor; machine code (@micropython.viper) is not, and
is emitted for each. Files and compiler are those of `dewarlog flash`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Final

from dewarlog.errors import SetUpError
from dewarlog.flash.byte_code import compile_file
from dewarlog.flash.source import Source, firmware_files
from workshop.places import ROOT

# mpy-cross's names for the processors of the boards; armv7m code runs on the RP2350's Cortex-M33.
ARCHITECTURES: Final = {
    "armv6m": "RPI_PICO, RPI_PICO_W",
    "armv7m": "RPI_PICO2_W",
    "xtensawin": "ESP32_GENERIC_S3",
}


def on_board(source: Source) -> Path:
    """Return the place of a file below the root of a board, with the ending of compiled code."""
    return Path(source.place.removeprefix("/")).with_suffix(".mpy")


def compile_one(source: Source, architecture: str, out: Path) -> int:
    """Compile one file into `out`; return the size in bytes of what the board would hold.

    The start-up files too, which go onto a board as source: they must be MicroPython as well.

    Raises:
        NotMicroPython: The file is not MicroPython.
        CompilerMissing: There is no mpy-cross here.
    """
    target = out / architecture / on_board(source)
    compile_file(source.file, source.module_file, architecture, target)
    return target.stat().st_size


def compile_all(out: Path) -> dict[Path, dict[str, int]]:
    """Compile every device file for every processor; return sizes by place and processor."""
    jobs = [(source, name) for source in firmware_files(ROOT) for name in ARCHITECTURES]
    with ThreadPoolExecutor() as pool:
        sizes = list(pool.map(compile_one, *zip(*jobs, strict=True), repeat(out)))
    table: dict[Path, dict[str, int]] = {}
    for (source, name), size in zip(jobs, sizes, strict=True):
        table.setdefault(on_board(source), {})[name] = size
    return table


def main() -> int:
    """Compile, print the table; return 1 when a file is refused."""
    parser = argparse.ArgumentParser(description="Compile the firmware and report its size.")
    parser.add_argument("--out", type=Path, help="keep the .mpy files here")
    out: Path | None = parser.parse_args().out
    with tempfile.TemporaryDirectory() as scratch:
        try:
            table = compile_all(out or Path(scratch))
        except SetUpError as error:
            print(error, file=sys.stderr)
            return 1
    print(f"{'file':<44}" + "".join(f"{name:>11}" for name in ARCHITECTURES))
    for place, sizes in table.items():
        print(f"{place.as_posix():<44}" + "".join(f"{size:>11,}" for size in sizes.values()))
    totals = [sum(sizes[name] for sizes in table.values()) for name in ARCHITECTURES]
    print(f"{'total':<44}" + "".join(f"{total:>11,}" for total in totals))
    print(
        f"{len(table)} files compile for {len(totals)} processors, {max(totals):,} bytes at most"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
