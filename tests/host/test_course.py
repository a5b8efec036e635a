"""What stands against a calibration is told before anybody fills a bath."""

from __future__ import annotations

from dataclasses import fields
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from dewarlog.bench import requests
from dewarlog.calibrate.bath import Patience
from dewarlog.calibrate.correction import ln2_reference
from dewarlog.calibrate.course import Course, Plan
from dewarlog.calibrate.file import CalibrationShelf
from dewarlog.errors import (
    ArchiveError,
    CalibrationDamaged,
    DewarlogError,
    KeyNeeded,
    NoSuchProbe,
    ProfileInvalid,
)
from dewarlog.replies import Status
from dewarlog_wire import layout

if TYPE_CHECKING:
    from pathlib import Path

    from dewarlog.calibrate.course import Guide
    from dewarlog.session import Session

_PROFILE = b'{"channels": [{"channel": 1, "serial": "A"}], "rules": []}'


def _session(*, access: int = 0, name: str = "usb:X", may: int = 0) -> Session:
    values: dict[str, Any] = dict.fromkeys((one.name for one in fields(Status)), 0)
    values["access"] = access
    proof = SimpleNamespace(may=may, name="reader key") if may else None
    made = SimpleNamespace(
        board=SimpleNamespace(name="e660583883724a32", features=layout.FEATURE_BENCH),
        status=lambda: Status(**values),
        link=SimpleNamespace(name=name),
        proof=proof,
        not_proven=None,
    )
    return cast("Session", made)


class _Nobody:
    """A guide that must not be asked for a bath."""

    def bath(self, *_: object) -> None:
        pytest.fail("a bath was asked for")


def _run(
    session: Session,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    profile: bytes = _PROFILE,
    channels: tuple[int, ...] | None = None,
) -> None:
    monkeypatch.setattr(requests, "get_profile", lambda _session: profile)
    plan = Plan((ln2_reference(1013.25),), channels, "A", "B", "C", 12, Patience(asks=False))
    Course(session, CalibrationShelf(folder), cast("Guide", _Nobody())).run(plan)


@pytest.mark.parametrize(
    ("session", "told"),
    [
        (_session(access=layout.ACCESS_IS_LOCKED), "this computer has none"),
        (_session(access=layout.ACCESS_IS_LOCKED, may=layout.MAY_READ), "reader key only"),
        (_session(name="ble:4b2f"), "is reached over the air"),
    ],
)
def test_who_may_not_write_is_told_first(
    session: Session, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an hour of baths would end in a refusal."""
    with pytest.raises(KeyNeeded, match=told):
        _run(session, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("profile", "channels", "error", "told"),
    [
        (b"", None, NoSuchProbe, "has no profile yet"),
        (_PROFILE, (0,), NoSuchProbe, "no probe 1; its profile has: 2"),
        (b'{"channels": []}', None, ProfileInvalid, "channels"),
    ],
)
def test_a_profile_that_does_not_serve_is_told_first(
    profile: bytes,
    channels: tuple[int, ...] | None,
    error: type[DewarlogError],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """None at all, one without that probe, one that is none."""
    with pytest.raises(error, match=told):
        _run(_session(), tmp_path, monkeypatch, profile, channels)


def test_an_archive_that_cannot_be_written_is_told_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file stands where its folder must be."""
    (tmp_path / "e660583883724a32").write_text("")

    with pytest.raises(ArchiveError):
        _run(_session(), tmp_path, monkeypatch)


def test_a_damaged_calibration_in_the_archive_is_told_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what nothing could be compared afterwards."""
    folder = tmp_path / "0000000000000001" / "calibrations"
    folder.mkdir(parents=True)
    (folder / "20260302T101500Z.json").write_text("{}")

    with pytest.raises(CalibrationDamaged):
        _run(_session(), tmp_path, monkeypatch)
