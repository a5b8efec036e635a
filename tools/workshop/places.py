"""Where the workshop keeps its things; all of them are ignored by git and may be deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
VENV: Final = ROOT / ".venv"
MICROPYTHON_HOME: Final = ROOT / ".micropython"  # a private MicroPython, when the machine has none
KAITAI_HOME: Final = ROOT / ".kaitai"  # the compiler of protocol/dewarlog.ksy
TYPINGS: Final = ROOT / "typings"  # MicroPython stubs, one folder for each port
FIRMWARE: Final = ROOT / "firmware"
PROTOCOL: Final = ROOT / "protocol"
