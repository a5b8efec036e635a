"""Errors of a profile: its keys and values, and the probes it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog.errors.mistake import Mistake, listed
from dewarlog.errors.root import DewarlogError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence


class ProfileInvalid(DewarlogError):
    """A profile cannot be used; `mistakes` names every key that is wrong."""

    exit_code = ExitCode.USAGE

    def __init__(self, where: str, mistakes: Sequence[Mistake]) -> None:
        self.lines = listed(f"{where}: this profile cannot be used:", mistakes)
        super().__init__(" ".join(self.lines))
        self.where = where
        self.mistakes = tuple(mistakes)


class ProfileTooLarge(DewarlogError):
    """A profile has more bytes than a board takes."""

    exit_code = ExitCode.USAGE

    def __init__(self, size_bytes: int, most_bytes: int) -> None:
        super().__init__(
            f"This profile has {size_bytes} bytes; a logger takes {most_bytes}. Nothing was "
            "changed. Shorten its texts, or leave out old calibration points."
        )
        self.size_bytes = size_bytes
        self.most_bytes = most_bytes


class ProbesDiffer(DewarlogError):
    """A profile is for other probes than those the logger has; `differences` names both."""

    exit_code = ExitCode.USAGE

    def __init__(self, where: str, differences: Sequence[str]) -> None:
        super().__init__(
            f"{where}: this profile is not for this logger: {'; '.join(differences)}. Nothing was "
            "changed. If a probe was swapped, tell the logger (`dewarlog provision`) and "
            "calibrate it; else take the profile that belongs to it."
        )
        self.where = where
        self.differences = tuple(differences)
