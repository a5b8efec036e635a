"""Ends a program at any change it makes to the file system, to see what the next one finds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

FSYNC = os.fsync


class Killed(BaseException):
    """The program ends here and now; nothing of it may catch this."""


class Killer:
    """Ends the program at the n-th change to the file system."""

    CALLS = ((os, "fsync"), (Path, "replace"), (Path, "open"), (Path, "mkdir"), (Path, "chmod"))

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = -1
        self.count = 0
        for owner, name in self.CALLS:
            monkeypatch.setattr(owner, name, self._watch(getattr(owner, name)))

    def _watch(self, call: Callable[..., object]) -> Callable[..., object]:
        def watched(*args: object, **kwargs: object) -> object:
            self.count += 1
            if self.left == 0:
                raise Killed
            self.left -= 1
            # What the disk would survive is not tested here: spare it.
            return None if call is FSYNC else call(*args, **kwargs)

        return watched
