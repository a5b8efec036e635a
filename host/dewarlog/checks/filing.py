"""Is the log still what was filed?

A log that ends between two blocks is whole by itself, whoever cut it. The archive's manifest
beside it says how long it was when it was filed, and its hash; without one nothing is said.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast

from dewarlog.checks.finding import Finding, Severity

if TYPE_CHECKING:
    from pathlib import Path

_MANIFEST_NAME: Final = "manifest.json"  # archive.py writes it


def check_filing(log: Path, size_bytes: int, sha256: str) -> tuple[Finding, ...]:
    """Hold a log against the manifest in its folder; nothing where none names it."""
    try:
        fields = cast("dict[str, object]", json.loads(log.with_name(_MANIFEST_NAME).read_bytes()))
        file, filed_bytes, filed_sha256 = (fields[name] for name in ("file", "bytes", "sha256"))
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    if file != log.name or not isinstance(filed_bytes, int) or filed_sha256 == sha256:
        return ()
    if size_bytes < filed_bytes:
        what = f"its last {filed_bytes - size_bytes:,} bytes are missing"
    elif size_bytes > filed_bytes:
        what = f"{size_bytes - filed_bytes:,} bytes were added"
    else:
        what = "its bytes were changed"
    return (
        Finding(
            "filing",
            Severity.BROKEN,
            "not-as-filed",
            f"The log is not the one that was filed here: {what}. Pull the board again.",
            {"bytes": size_bytes, "filed_bytes": filed_bytes, "filed_sha256": str(filed_sha256)},
            offset=min(size_bytes, filed_bytes),
        ),
    )
