"""The bench's requests on the firmware itself: profile, figures, erasure; cable and radio."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from dewarlog import cli
from dewarlog.bench import requests
from dewarlog.cli import reach as cli_reach
from dewarlog.errors import KeyNeeded, ProfileChanged, ProfileRefused
from dewarlog.link import open_link, radio
from dewarlog.proven import Credential
from dewarlog.records import ProfileWritten, RunErased, SettingEvent, StopEvent
from dewarlog.session import Session
from dewarlog_wire import layout
from line import COMMAND_S, check, pull, scenario_file
from simboard import air
from simboard.launch import SimBoard, start

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = pytest.mark.usefixtures("micropython")

CALIBRATION = {
    "point": "ice point",
    "reference_degc": 0,
    "indicated_degc": 0.21,
    "u_degc": 0.05,
    "at": "2026-03-01T09:30:00Z",
    "reference": "ice bath 3",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A board on its port and on the air."""

    board: SimBoard
    by_air: str
    folder: Path

    @contextlib.contextmanager
    def talk(self, device: str = "", admin: bytes = b"") -> Generator[Session]:
        """Speak to the board, with its admin key or without."""
        credential = Credential(layout.KEY_ADMIN, admin, b"", "admin key") if admin else None
        with contextlib.closing(open_link(device or f"usb:{self.board.pty}")) as link:
            session = Session(link, credentials=lambda _device_id: credential)
            session.hello()
            yield session

    def logs(self) -> dict[int, Path]:
        """Pull everything."""
        found = pull(self.board.pty, self.folder / "archive", "--no-tell-time")["logs"]
        return {log["run"]: Path(log["path"]) for log in found}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Place]:
    """Start a board in real time, its clock this computer's."""
    monkeypatch.chdir(tmp_path)
    with air.start() as hub:
        monkeypatch.setenv(radio.AIR, str(hub))
        file = scenario_file(tmp_path, "4 h")
        with start(file, real_time=True, speed=4, air=hub) as board:
            with contextlib.closing(open_link(f"usb:{board.pty}")) as cable:
                session = Session(cable)
                name = session.hello().name
                session.set_time(*cli_reach.host_time(100))
            yield Place(board, f"ble:dewarlog-{name[-4:]}", tmp_path)
            radio.end()


def put(session: Session, profile: bytes, *, before: bytes | None = None) -> int:
    """Put a profile in force; return the run that begins by it."""
    run = session.status().run
    requests.put_profile(
        session,
        profile,
        before=requests.get_profile(session) if before is None else before,
        purpose=layout.PURPOSE_NAMES.index("calibrate"),
        utc_s=cli_reach.host_time(0)[0],
        actor="S. Haddad",
        note="probe 1 at the ice point",
    )
    return requests.await_restart(session, run).run


def calibrated(profile: bytes) -> bytes:
    """Return the profile with a calibration of its first probe."""
    document = json.loads(profile)
    document["channels"][0]["calibration"] = [CALIBRATION]
    return json.dumps(document).encode()


def test_a_profile_that_is_put_ends_one_run_and_begins_the_next(place: Place) -> None:
    """The old run says who did it and stops; the new one has the sections, and what changed."""
    with place.talk() as session:
        before = requests.get_profile(session)
        new = calibrated(before)
        assert put(session, new) == 2
        assert requests.get_profile(session) == new
        assert requests.live(session).profile_crc32 != 0
    logs = place.logs()
    old, fresh = check(logs[1]), check(logs[2])

    assert (old.checked["intact"], fresh.checked["intact"]) == (True, True)
    told = [event for event in old.events if isinstance(event, ProfileWritten)]
    assert [(one.actor, one.note, one.purpose) for one in told] == [
        ("S. Haddad", "probe 1 at the ice point", layout.PURPOSE_NAMES.index("calibrate"))
    ]
    assert isinstance(old.events[-1], StopEvent)
    settings = [event for event in fresh.events if isinstance(event, SettingEvent)]
    assert [(one.section, one.before) for one in settings] == [(layout.SECTION_CALIBRATION, b"")]


def test_the_same_profile_begins_a_new_run_too(place: Place) -> None:
    """As arming does; nothing has changed, and the log says so."""
    with place.talk() as session:
        assert put(session, requests.get_profile(session)) == 2
        assert put(session, requests.get_profile(session)) == 3
    fresh = check(place.logs()[3])

    assert fresh.checked["intact"] is True
    assert not [event for event in fresh.events if isinstance(event, SettingEvent)]


def test_a_profile_the_board_cannot_use_is_named_by_its_key_and_changes_nothing(
    place: Place,
) -> None:
    """Nor does one over a profile that is not the board's any more."""
    with place.talk() as session:
        before = requests.get_profile(session)
        document = json.loads(before)
        document["handling"] = {"thaw_to_infusion_min": "soon"}
        with pytest.raises(ProfileRefused, match=r"handling\.thaw_to_infusion_min is"):
            put(session, json.dumps(document).encode())
        with pytest.raises(ProfileChanged):
            put(session, calibrated(before), before=b"{}")

        assert requests.get_profile(session) == before
        assert (session.status().run, session.status().recording) == (1, True)


def test_a_locked_board_takes_a_profile_from_its_admin_alone_by_cable_and_by_radio(
    place: Place,
) -> None:
    """Whoever holds it without the key, or another key, is refused."""
    with place.talk() as session:
        admin = session.key(layout.KEY_ADMIN)
        before = requests.get_profile(session)
    with place.talk(admin=admin) as session:
        session.lock(on=True)
    with place.talk() as session, pytest.raises(KeyNeeded, match="the admin key"):
        requests.put_profile(
            session, before, before=before, purpose=0, utc_s=0, actor="X", note=""
        )
    with place.talk(admin=admin) as session:
        assert put(session, calibrated(before)) == 2
    with place.talk(place.by_air, admin) as session:
        assert put(session, before) == 3
        assert requests.get_profile(session) == before
        assert session.status().locked


def test_the_admin_mends_the_broken_profile_of_a_locked_board(place: Place) -> None:
    """It records nothing until then; the run from before is ended, and a new one begins."""
    with place.talk() as session:
        admin = session.key(layout.KEY_ADMIN)
        sound = requests.get_profile(session)
    _break_and_lock(place)
    with place.talk(admin=admin) as session:
        assert not session.status().recording
        assert session.status().locked
        assert put(session, sound, before=_BROKEN) == 2
    assert check(place.logs()[1]).checked["intact"] is True


_BROKEN = b'{"channels": ['


def _break_and_lock(place: Place) -> None:
    """Break the profile by hand, with a lock file that counts as locked, and start again."""
    code = f"f = open('/profile.json', 'wb'); f.write({_BROKEN!r}); f.close()\n"
    code += "open('/lock.bin', 'w').close()"
    for arguments in (("exec", code), ("reset",)):
        subprocess.run(
            [sys.executable, "-m", "mpremote", "connect", place.board.pty, *arguments],
            capture_output=True,
            timeout=COMMAND_S,
            check=True,
        )


def test_runs_are_erased_by_the_command_and_the_log_says_so(place: Place) -> None:
    """What nobody has pulled stays until that is asked for."""
    with place.talk() as session:
        put(session, requests.get_profile(session))
    device = f"usb:{place.board.pty}"

    def erase(*options: str) -> tuple[int, Any]:
        done = CliRunner().invoke(cli.app, ["erase", device, "--json", *options])
        return done.exit_code, json.loads(done.stdout)

    code, kept = erase()
    assert (code, kept["erased"]) == (0, [])
    assert [one["run"] for one in kept["kept"]] == [1, 2]
    place.logs()  # confirms
    code, went = erase()
    assert (code, [one["run"] for one in went["erased"]]) == (0, [1])
    assert went["free_bytes"] > kept["free_bytes"]
    told = [one for one in check(place.logs()[2]).events if isinstance(one, RunErased)]
    assert [(one.run, one.confirmed) for one in told] == [(1, 1)]


def test_status_says_which_firmware_runs(place: Place) -> None:
    """By LIVE, in words and as data."""
    device = f"usb:{place.board.pty}"
    said = CliRunner().invoke(cli.app, ["status", device]).stdout
    data = json.loads(CliRunner().invoke(cli.app, ["status", device, "--json"]).stdout)

    assert f"Firmware:         {data['firmware']} on MicroPython {data['micropython']}" in said
    assert data["firmware"].count(".") == 2
