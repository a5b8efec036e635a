"""Print what the firmware takes; the commands stand in tools/size."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench import flash_room
from dewarlog.errors import SetUpError
from sizing import board32, budget, measure

_PLACES: Final = (
    ("first parts", "the parts that app makes, buffers with them"),
    ("first running", "alive while it samples"),
    ("first behind_cable", "alive behind a pull and a signature over USB"),
    ("first behind_air", "alive behind a pull, a handoff and a signature over BLE"),
)


def main() -> int:
    """Measure and print; return 1 when a ceiling of budget.toml is broken or nothing was had."""
    parser = argparse.ArgumentParser(prog="tools/size", description=__doc__)
    parser.add_argument("--flash", action="store_true", help="flash alone, in seconds")
    parser.add_argument("--room", action="store_true", help="and the log's room, a minute more")
    chosen = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 110)
    limits = budget.load()
    try:
        sizes = measure.flash()
    except SetUpError as error:
        console.print(str(error), markup=False)
        return 1
    rams: dict[str, measure.Ram] = {}
    breaches = limits.flash_breaches(sizes)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        compiled = folder / "compiled"
        program = None if chosen.flash else _program(console)
        if program is not None:
            compiled = measure.compile_for(compiled)
            rams = measure.ram(program, compiled)
        _print_modules(console, sizes, rams)
        if program is not None:
            breaches += _print_heap(console, program, folder, compiled, limits)
    for line in breaches:
        console.print(f"over budget: {line}", markup=False)
    if chosen.room:
        flash_room.main()
    return 1 if breaches else 0


def _program(console: Console) -> Path | None:
    try:
        return board32.build()
    except board32.BuildError as error:
        console.print(f"no 32-bit MicroPython, so flash alone: {error}", markup=False)
        return None


def _print_modules(
    console: Console, sizes: dict[str, dict[str, int]], rams: dict[str, measure.Ram]
) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("bytes", no_wrap=True)
    names = list(next(iter(sizes.values())))
    for name in names:
        table.add_column(f"flash {name}", justify="right")
    for name in ("RAM: data", "RAM: code"):
        table.add_column(name, justify="right")
    for module, by_processor in sizes.items():
        ram = rams.get(module)
        cells = [f"{by_processor[name]:,}" for name in names]
        cells += _ram_cells(ram) if ram else ["-", "-"]
        table.add_row(module, *cells)
    totals = budget.total_of(sizes)
    cells = [f"{totals[name]:,}" for name in names]
    cells.append(f"{sum(ram.data_bytes for ram in rams.values() if ram.stays):,}")
    cells.append(f"{sum(ram.code_bytes for ram in rams.values()):,}")
    table.add_row("in all", *cells, style="bold")
    console.print(table)
    console.print("Data stays in RAM when the module is frozen; code then stays in flash.")
    console.print("(In brackets: let go of once the board has booted, and not in the sum.)\n")


def _ram_cells(ram: measure.Ram) -> list[str]:
    data = f"{ram.data_bytes:,}"
    return [data if ram.stays else f"({data})", f"{ram.code_bytes:,}"]


def _print_heap(
    console: Console, program: Path, folder: Path, compiled: Path, limits: budget.Budget
) -> list[str]:
    life = measure.Life(program, folder)
    figures, failed = life.live(measure.MOST_KIB)
    if failed:
        return [f"the board's life does not pass in {measure.MOST_KIB} KiB: {failed}"]
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("heap, frozen code, 32 bits")
    table.add_column("bytes", justify="right")
    for name, what in _PLACES:
        table.add_row(what, f"{figures[name]:,}")
    for name, count in figures.items():
        if name.startswith("first part "):
            table.add_row("  " + name.removeprefix("first part "), f"{count:,}")
    console.print(table)
    least_kib = life.least_kib()
    loaded_kib = measure.Life(program, folder, compiled).least_kib()
    console.print(f"least heap, frozen:           {least_kib} KiB ({least_kib * 1.024:.0f} KB)")
    console.print(f"least heap, files loaded:     {loaded_kib} KiB ({loaded_kib * 1.024:.0f} KB)")
    pico_w_kib = limits.pico_w_kib
    fits = "fits" if least_kib <= pico_w_kib else f"lacks {least_kib - pico_w_kib} KiB"
    console.print(f"a Pico W's heap, frozen:      {pico_w_kib} KiB: {fits}")
    over = least_kib - limits.least_frozen_kib
    return [f"the least heap is {over} KiB over {limits.least_frozen_kib}"] if over > 0 else []


if __name__ == "__main__":
    sys.exit(main())
