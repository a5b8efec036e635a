"""Errors of a calibration: baths, probes, and its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog.errors.root import DewarlogError, ExitCode
from dewarlog.errors.storage import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class CalibrationError(DewarlogError):
    """No calibration came of it. Unless the sentence says otherwise the board is as it was."""


class BadPressure(CalibrationError):
    """A pressure or an altitude that does not occur where people work."""

    exit_code = ExitCode.USAGE

    def __init__(
        self,
        value: float,
        low: float,
        high: float,
        what: str = "at the bath",
        *,
        unit: str = "hPa",
    ) -> None:
        super().__init__(
            f"{value:g} {unit} ({what}) does not occur: between {low:g} and {high:g} {unit} do. "
            "Give the pressure of the air at the bath, as a barometer there shows it, with "
            "--pressure-hpa; what a weather service tells is reduced to sea level, and goes with "
            "--sea-level-hpa and --altitude-m."
        )
        self.value = value
        self.low = low
        self.high = high
        self.unit = unit


class NoSuchProbe(CalibrationError):
    """The board's profile has no probe of that number, or there is no profile; both from 1."""

    exit_code = ExitCode.USAGE

    def __init__(self, device_name: str, probe: int | None, fitted: Sequence[int]) -> None:
        if probe is None:
            sentence = (
                f"Logger {device_name} has no profile yet: it does not say which probes there "
                "are. Give it one first: `dewarlog provision`."
            )
        else:
            listed = ", ".join(map(str, fitted))
            sentence = f"Logger {device_name} has no probe {probe}; its profile has: {listed}."
        super().__init__(sentence)
        self.device_name = device_name
        self.probe = probe
        self.fitted = tuple(fitted)


class NotSettled(CalibrationError):
    """A probe did not come to rest in time; `why` is "slope", "spread" or "few readings"."""

    def __init__(self, probe: int, bath: str, waited_s: float, why: str, figures: str) -> None:
        cure = {
            "slope": "It is still moving: immerse it deeper, refill the bath, or give it longer "
            "with --settle-min",
            "spread": "It scatters: stir evenly, wait until boiling is quiet, and keep the probe "
            "off the wall",
        }.get(why, "There were too few readings: give it longer with --settle-min")
        super().__init__(
            f"Probe {probe} did not come to rest in the {bath} in {waited_s / 60:.0f} min "
            f"({figures}). {cure}. Nothing was changed on the logger."
        )
        self.probe = probe
        self.bath = bath
        self.waited_s = waited_s
        self.why = why
        self.figures = figures


class WrongBath(CalibrationError):
    """A probe reads what no probe in this bath reads; `seems` is the bath it seems to be in."""

    def __init__(
        self, probe: int, bath: str, degc: float, expected_degc: float, seems: str | None
    ) -> None:
        looks = "in no bath" if seems is None else f"in the {seems}"
        super().__init__(
            f"Probe {probe} reads {degc:.2f} degC, and the {bath} is at {expected_degc:.2f} degC: "
            f"it looks as if it were {looks}. Put it where it belongs, or check that it is the "
            "probe of this channel, and run the command again. Nothing was changed on the logger."
        )
        self.probe = probe
        self.bath = bath
        self.degc = degc
        self.expected_degc = expected_degc
        self.seems = seems


class ProbeFault(CalibrationError):
    """A probe gives no readings; `state` is one of layout.STATE_NAMES."""

    def __init__(self, probe: int, bath: str, state: str) -> None:
        super().__init__(
            f"Probe {probe} gives no readings in the {bath}: {state}. Look at its wire and its "
            "plug, and run the command again. Nothing was changed on the logger."
        )
        self.probe = probe
        self.bath = bath
        self.state = state


class ProbeSuspect(CalibrationError):
    """A probe errs by more than the class of its wire allows: it is not corrected away."""

    def __init__(
        self, probe: int, bath: str, deviation_k: float, limit_k: float, probe_type: str
    ) -> None:
        super().__init__(
            f"Probe {probe} is {deviation_k:+.2f} K off in the {bath}, and a sound one of type "
            f"{probe_type} at most {limit_k:.2f} K (IEC 60584-1 class 3, and what the comparison "
            "may be off). An offset must not hide that: it may be damaged, of another type than "
            "the profile says, or swapped. Nothing was changed on the logger."
        )
        self.probe = probe
        self.bath = bath
        self.deviation_k = deviation_k
        self.limit_k = limit_k
        self.probe_type = probe_type


class NothingNew(CalibrationError):
    """The board answers, and brings no new readings."""

    def __init__(self, device_name: str, why: str) -> None:
        super().__init__(
            f"Logger {device_name} brings no new readings: {why}. Look at it with `dewarlog "
            "status`; one whose run has ended begins another when it is reset. Nothing was "
            "changed on the logger."
        )
        self.device_name = device_name
        self.why = why


class NotVerified(CalibrationError):
    """The board has the new profile, and its readings are not those that must come of it."""

    def __init__(self, device_name: str, what: str, file: Path) -> None:
        super().__init__(
            f"The calibration is written to logger {device_name}, but not verified: {what}. If "
            "the probes left their bath before the end, put them back and calibrate once more. "
            f"What was measured is kept: {file}"
        )
        self.device_name = device_name
        self.what = what
        self.file = file


class CalibrationDamaged(ArchiveError):
    """A calibration file in the archive cannot be read as one."""

    exit_code = ExitCode.NOT_INTACT

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            path,
            f"{path}: this is no whole calibration file ({reason}). It is left as it is; another "
            "copy of the archive may have it.",
        )
        self.reason = reason


class NoCalibration(ArchiveError):
    """The archive holds no calibration of what was asked for."""

    exit_code = ExitCode.NO_DATA

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            path,
            f"{path}: holds no calibration of {what}. `dewarlog calibrate usb:PORT` makes one; "
            "another archive is named with --archive.",
        )
        self.what = what
