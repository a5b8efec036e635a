"""Makes the modules of tests and tools importable outside pytest; import it before them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[2]
_FOLDERS: Final = (
    "tests/fuzz",
    "tests/fakes",
    "tests/host",
    "tests/protocol",
    "firmware",
    "tools",
)

# numpy's linear algebra starts a thread for every core; its stacks would count as memory.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path[:0] = [str(_ROOT / folder) for folder in _FOLDERS if str(_ROOT / folder) not in sys.path]
