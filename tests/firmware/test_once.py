"""What a board needs for a while is let go of, and can be had again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog_firmware import config, once

if TYPE_CHECKING:
    from conftest import MicroPython

SCRIPT = """
import gc, sys
import dewarlog_firmware
from dewarlog_firmware import once
def held():
    gc.collect()
    return gc.mem_alloc()
def load():
    for name in once.LET_GO:
        __import__("dewarlog_firmware." + name)
load()
once.let_go()
before = held()
load()
loaded = held()
once.let_go()
left = [name for name in once.LET_GO if "dewarlog_firmware." + name in sys.modules]
left += [name for name in once.LET_GO if hasattr(dewarlog_firmware, name)]
print(left, loaded - before > 20000, held() - before < 2000)
from dewarlog_firmware.config import load_config
print(len(load_config('{"channels": [{"channel": 2}], "rules": []}').channels))
"""


def test_what_is_let_go_of_gives_its_heap_back_and_can_be_imported_again(
    micropython: MicroPython,
) -> None:
    """Neither `sys.modules` nor the package has it; code read from files goes with it."""
    assert micropython(SCRIPT).stdout == "[] True True\n1\n"


def test_a_pc_keeps_its_modules() -> None:
    """Or a test would hold other classes than the firmware."""
    once.let_go()

    from dewarlog_firmware import config as again

    assert again is config
