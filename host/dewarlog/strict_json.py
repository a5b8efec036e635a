"""JSON objects in which every name stands once: a proof must say one thing to every reader.

Below certificate, receipt and tokens. Python's reader keeps the last of two equal names, others
the first. A file from elsewhere is read as far as one of ours could be long, and no further.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from pathlib import Path

# A token file of some hundred boards; a receipt has a few thousand bytes.
FILE_MOST_BYTES: Final = 1 << 20


class NotStrict(ValueError):
    """Bytes that are no such object; `field` names what stands twice, empty for the whole."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


def read_object_of(path: Path) -> dict[str, Any]:
    """Read the one object in a file; OSError as the system says it.

    Raises:
        NotStrict: as `read_object`; or it is longer than any of ours.
    """
    return read_object(read_at_most(path))


def read_at_most(path: Path) -> bytes:
    """Read a file as far as one of ours could be long; OSError as the system says it.

    Raises:
        NotStrict: it is longer.
    """
    with path.open("rb") as file:
        data = file.read(FILE_MOST_BYTES + 1)
    if len(data) > FILE_MOST_BYTES:
        raise NotStrict("", f"it has more than {FILE_MOST_BYTES:,} bytes")
    return data


def read_object(data: bytes) -> dict[str, Any]:
    """Read one object.

    Raises:
        NotStrict: it is not JSON, no object, or a name stands in it twice.
    """
    try:
        read = json.loads(data, object_pairs_hook=_only_once)
    except NotStrict:
        raise
    except (ValueError, RecursionError) as error:
        raise NotStrict("", "it is not JSON") from error
    if type(read) is not dict:
        raise NotStrict("format", "not one this program knows")
    return cast("dict[str, Any]", read)


def _only_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise NotStrict(name, "it stands there twice")
        made[name] = value
    return made
