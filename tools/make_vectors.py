"""Write the golden vectors of protocol/vectors, one scenario each.

    python tools/make_vectors.py [--check]

Deterministic: the same bytes every time. `--check` writes nothing and fails when a file differs.
Each scenario is the small function of its name in tools/vectors; what a reader must say about it
is what dewarlog_wire says, and tests hold two other readers to the same lines. Files whose `made:`
line says they were typed by hand are judges of this program too: it never touches them.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

_ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(_ROOT / "protocol"), str(_ROOT / "tests/protocol"), str(_ROOT / "tools")]

import describe  # noqa: E402
from vectors.parts import SCENARIOS  # noqa: E402

if TYPE_CHECKING:
    from vectors.parts import Scenario

FOLDER: Final = _ROOT / "protocol/vectors"
MADE_HERE: Final = "by tools/make_vectors.py"

for _module in (
    "blocks",
    "blocks_refused",
    "seals",
    "journals",
    "frames",
    "sessions",
    "tokens",
    "proven",
    "signatures",
):
    importlib.import_module(f"vectors.{_module}")


def vector_of(make: Scenario) -> tuple[str, str]:
    """Return the path of one vector within FOLDER, and its text."""
    layer, _, name = make.__name__.partition("_")
    header, data = make()
    outcome, lines = describe.outcome_of(layer, header, data)
    head = {"expect": outcome, "comment": make.__doc__, "made": MADE_HERE, **header}
    parts = [f"{field}: {value}" for field, value in head.items()]
    text = "\n".join([*parts, *(f"  {line}" for line in lines)]) + "\n\n" + data
    return f"{layer}/{name}.txt", text


def main() -> int:
    """Write or check every file; 1 when `--check` finds one that differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, compare only")
    check = parser.parse_args().check
    wanted = dict(vector_of(make) for make in SCENARIOS)
    wrong: list[str] = []
    for name, text in wanted.items():
        path = FOLDER / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        wrong.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in sorted(FOLDER.glob("*/*.txt")):
        name = path.relative_to(FOLDER).as_posix()
        if name not in wanted and f"made: {MADE_HERE}" in path.read_text(encoding="utf-8"):
            wrong.append(name)
            if not check:
                path.unlink()
    for name in wrong:
        print(f"{'differs' if check else 'wrote'}: {name}")
    return int(check and bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
