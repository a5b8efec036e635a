"""The ceilings that the firmware stays under: budget.toml, and what breaks them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE: Final = Path(__file__).with_name("budget.toml")


@dataclass(frozen=True, slots=True)
class Budget:
    """Ceilings; bytes and KiB as the names say."""

    flash_total_bytes: int
    flash_module_bytes: dict[str, int]
    """By module, on the processor where it is largest."""
    new_module_bytes: int
    """Of each module that has no ceiling of its own."""
    pico_w_kib: int
    least_frozen_kib: int
    data_bytes: int
    parts_bytes: int

    def flash_breaches(self, sizes: Mapping[str, Mapping[str, int]]) -> list[str]:
        """Return a line for each ceiling that is broken, and for one whose module is gone.

        Args:
            sizes: Bytes by module and processor (measure.flash).
        """
        lines: list[str] = []
        for name, by_processor in sizes.items():
            processor, size = max(by_processor.items(), key=lambda entry: entry[1])
            ceiling = self.flash_module_bytes.get(name, self.new_module_bytes)
            if size > ceiling:
                lines.append(
                    f"{name} is {size - ceiling:,} bytes over its {ceiling:,} on {processor}"
                )
        lines += [
            f"{name} has a ceiling and is not there"
            for name in self.flash_module_bytes
            if name not in sizes
        ]
        totals = total_of(sizes)
        processor, total = max(totals.items(), key=lambda entry: entry[1])
        over = total - self.flash_total_bytes
        if over > 0:
            lines.append(
                f"all modules are {over:,} bytes over {self.flash_total_bytes:,} on {processor}"
            )
        return lines


def total_of(sizes: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Return the bytes of all modules by processor."""
    totals: dict[str, int] = {}
    for by_processor in sizes.values():
        for processor, size in by_processor.items():
            totals[processor] = totals.get(processor, 0) + size
    return totals


def load(file: Path = FILE) -> Budget:
    """Read the table. Raises KeyError for a key that is missing."""
    table = tomllib.loads(file.read_text())
    heap = table["heap"]
    return Budget(
        table["flash"]["total_bytes"],
        table["module_flash_bytes"],
        table["flash"]["new_module_bytes"],
        heap["pico_w_kib"],
        heap["least_frozen_kib"],
        heap["data_bytes"],
        heap["parts_bytes"],
    )
