"""Say what the firmware takes of the heap on the simulated board (64-bit MicroPython).

    python tools/measure_heap.py

Two figures, in bytes: what importing app leaves (the code too, which a board that has it frozen
keeps in flash), and what the parts that app makes hold, their buffers included. Words are 8 bytes
here and 4 on a board; buffers are as large there.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

_TOOLS: Final = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(_TOOLS), str(_TOOLS.parent / "protocol")]

from simboard.launch import start  # noqa: E402 - after the path

SCENARIO: Final = """
title = "Two minutes"
begins = 2026-03-02T08:00:00Z
length = "2 min"
seed = 11
profile = "cryo_shipper.json"

[[probe]]
channel = 0

[[probe]]
channel = 1

[[probe]]
channel = 2
"""
MAIN: Final = """
import gc

def held():
    gc.collect()
    return gc.mem_alloc()

before = held()
from dewarlog_firmware import app
print("imports", held() - before)
init = app.App.__init__

def measured(self, *arguments):
    before = held()
    init(self, *arguments)
    print("parts", held() - before)

app.App.__init__ = measured
app.run()
"""


def main() -> int:
    """Start the board, and print what it said."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder) / "trip.toml"
        scenario.write_text(SCENARIO)
        with start(scenario, main=MAIN) as board:
            board.wait_end()
            said = board.console_output().decode(errors="replace")
    for line in said.splitlines():
        if line.startswith(("imports ", "parts ")):
            print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
