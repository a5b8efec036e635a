"""The figures: flash by mpy-cross, RAM by imports, the least heap by bisection.

One way to each: build_firmware compiles, board32 runs. Bytes and KiB (1024) as the names say.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import build_firmware
from dewarlog.flash.source import firmware_files
from sizing import board32
from workshop.places import FIRMWARE, ROOT

PROFILE: Final = FIRMWARE / "profile.example.json"
PROBES: Final = 4
STEPS: Final = ("first", "again", "other")
# What is looked for lies between these; it is found to so many KiB.
LEAST_KIB: Final = 96
MOST_KIB: Final = 640
_EMPTY_FLASH: Final = b"\xff" * (848 * 1024)


@dataclass(frozen=True, slots=True)
class Ram:
    """RAM that importing one module takes on 32 bits, in bytes, without what it imports."""

    data_bytes: int
    """Stays in RAM also when the module is frozen."""
    code_bytes: int
    """A frozen module's stays in flash."""
    stays: bool
    """The firmware does not let go of it once it has booted."""


def module_of(place: Path) -> str:
    """Return the module's name of a file on the board."""
    parts = place.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def flash() -> dict[str, dict[str, int]]:
    """Return bytes of .mpy by module and by processor.

    Raises:
        NotMicroPython, CompilerMissing: as build_firmware.compile_one.
    """
    with tempfile.TemporaryDirectory() as scratch:
        table = build_firmware.compile_all(Path(scratch))
    return {module_of(place): sizes for place, sizes in table.items()}


def compile_for(out: Path) -> Path:
    """Compile every module for board32; return the folder to search."""
    for source in firmware_files(ROOT):
        build_firmware.compile_one(source, board32.ARCHITECTURE, out)
    return out / board32.ARCHITECTURE


def ram(program: Path, compiled: Path) -> dict[str, Ram]:
    """Return what importing each module takes: once frozen, once from its compiled file."""
    frozen = _imports(program, None)
    loaded = _imports(program, compiled)
    return {
        name: Ram(frozen[name][0], max(0, count - frozen[name][0]), stays)
        for name, (count, stays) in loaded.items()
    }


def _imports(program: Path, compiled: Path | None) -> dict[str, tuple[int, bool]]:
    """Return (bytes, whether it stays) by module."""
    done = board32.run(program, "imports", heap_kib=1024, compiled=compiled)
    if done.returncode != 0:
        raise board32.BuildError(f"the imports failed:\n{done.stderr[-2000:]}")
    rows = (line.split() for line in done.stdout.splitlines())
    return {name: (int(count), stays == "1") for name, count, stays in rows}


class Life:
    """A board's life (device/size_rig/scenario.py) in heaps of any size."""

    def __init__(self, program: Path, folder: Path, compiled: Path | None = None) -> None:
        self._program = program
        self._compiled = compiled
        self._flash = folder / "flash.bin"
        profile = json.loads(PROFILE.read_text())
        first = profile["channels"][0]
        spare = [number for number in range(PROBES) if number >= len(profile["channels"])]
        profile["channels"] += [{**first, "channel": number} for number in spare]
        self._profiles = [folder / "profile.json", folder / "other.json"]
        self._profiles[0].write_text(json.dumps(profile))
        profile["texts"]["shipment"] = "SHP-OTHER"
        self._profiles[1].write_text(json.dumps(profile))

    def live(self, heap_kib: int) -> tuple[dict[str, int], str]:
        """Return the figures of every step by `STEP NAME`, and what went wrong, if it did."""
        self._flash.write_bytes(_EMPTY_FLASH)
        figures: dict[str, int] = {}
        for step in STEPS:
            profile = self._profiles[step == "other"]
            done = board32.run(
                self._program,
                "scenario",
                (step, str(self._flash), str(profile)),
                heap_kib=heap_kib,
                compiled=self._compiled,
            )
            for line in done.stdout.splitlines():
                name, _, value = line.rpartition(" ")
                if value.isdigit():
                    figures[f"{step} {name}"] = int(value)
            if f"passed {step}" not in done.stdout:
                lines = done.stderr.strip().splitlines() or ["it said nothing"]
                return figures, f"{step}: {lines[-1]}"
        return figures, ""

    def least_kib(self, step_kib: int = 1) -> int:
        """Return the least heap in KiB in which the whole life passes.

        Raises:
            BuildError: it does not pass in the largest.
        """
        low, high = LEAST_KIB, MOST_KIB
        if failed := self.live(high)[1]:
            raise board32.BuildError(f"not even in {high} KiB: {failed}")
        while high - low > step_kib:
            middle = (low + high) // 2
            if self.live(middle)[1]:
                low = middle
            else:
                high = middle
        return high
