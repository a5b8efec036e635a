"""What stands against a calibration is told before anybody fills a bath."""

from __future__ import annotations

from dataclasses import fields
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from dewarlog.bench import requests
from dewarlog.calibrate import course
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
    NothingNew,
    NotVerified,
    ProfileInvalid,
)
from dewarlog.profile.model import Profile
from dewarlog.replies import Status
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from dewarlog.calibrate.course import Guide
    from dewarlog.session import Session

_PROFILE = b'{"channels": [{"channel": 1, "serial": "A"}], "rules": []}'


def _session(
    *, access: int = 0, name: str = "usb:X", may: int = 0, recording: bool = True
) -> Session:
    values: dict[str, Any] = dict.fromkeys((one.name for one in fields(Status)), 0)
    values |= {"access": access, "state": layout.STATUS_RECORDING if recording else 0}
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


def test_a_logger_whose_run_has_ended_is_told_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And how it begins another, for it brings no readings."""
    with pytest.raises(NothingNew, match="begins another when it is reset"):
        _run(_session(recording=False), tmp_path, monkeypatch)


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


def test_a_board_that_falls_silent_once_it_has_the_offset_is_not_called_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was written; only the proof is wanting."""

    def silent(*_: object) -> Generator[Status]:
        raise NothingNew("e660583883724a32", "it started again meanwhile")
        yield

    monkeypatch.setattr(course, "samples", silent)
    guide = SimpleNamespace(say=lambda _text: None)
    made = Course(_session(), CalibrationShelf(tmp_path), cast("Guide", guide))
    outcome = SimpleNamespace(probes=(SimpleNamespace(chain=SimpleNamespace(channel=0)),))
    with pytest.raises(NotVerified) as caught:
        made._verify(  # noqa: SLF001 - what stands before it takes two baths
            *cast("Any", (_session().board, None, None, outcome, SimpleNamespace(path="F")))
        )
    assert "is written to logger e660583883724a32, but not verified" in str(caught.value)
    assert "it started again meanwhile" in str(caught.value)
    assert "Nothing was changed" not in str(caught.value)


def test_each_probe_is_reckoned_up_to_its_own_limit() -> None:
    """What is left at a limit grows with it: a probe held to -130 is not known as at -150."""
    rules = [
        {"kind": "above", "threshold_degc": degc, "severity": severity, "channels": channels}
        for degc, severity, channels in (
            (-150, "hold", [0]),
            (-135, "hold", "all"),
            (-170, "warn", "all"),
        )
    ]
    channels = [{"channel": number} for number in (0, 1)]
    profile = Profile.of({"channels": channels, "rules": rules}, "profile")
    bare = Profile.of({"channels": channels, "rules": []}, "profile")
    assert [course.hold_limit_degc(profile, number) for number in (0, 1)] == [-150, -135]
    assert course.hold_limit_degc(bare, 0) == -150
