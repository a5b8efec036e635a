"""A file that repeats one finding: what it was, the target, and the case in hex.

# readings: LogReader read twice what stood behind a torn journal.
target: readings
what: read_readings: AssertionError in host_readers.py _expect

44574c42 ...
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from engine import Finding

_BYTES_A_LINE: Final = 32


def write_find(folder: Path, finding: Finding) -> Path:
    """Write a finding; return where it stands."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{finding.target}-{hashlib.sha256(finding.data).hexdigest()[:8]}.txt"
    head = [f"# {line}".rstrip() for line in finding.detail.strip().splitlines()[-30:]]
    head += [f"target: {finding.target}", f"what: {finding.what}", ""]
    lines = [
        finding.data[at : at + _BYTES_A_LINE].hex(" ", 4)
        for at in range(0, len(finding.data), _BYTES_A_LINE)
    ]
    path.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
    return path


def read_find(path: Path) -> tuple[str, bytes]:
    """Return the target and the case of a file."""
    head, _, data = path.read_text(encoding="utf-8").partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines() if not line.startswith("#"))
    return fields["target"], bytes.fromhex(data)
