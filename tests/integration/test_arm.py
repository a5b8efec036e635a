"""Arming a simulated board at its port: what is ready goes, what is not is told why and stays.

The board is in a hurry, two minutes in a second, and so is this computer's clock where the two are
compared. The firmware, its flash, the port and the host's program are the real ones.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from typer.testing import CliRunner

from dewarlog import cli
from dewarlog.arm import gate
from dewarlog.arm.course import ArmCourse, Callbacks, Order
from dewarlog.arm.manifest_files import read_manifest
from dewarlog.bench import requests
from dewarlog.cli import arm as cli_arm
from dewarlog.errors import ArmingUnknown, ExitCode, LinkError, NotArmed, Unplugged
from dewarlog.link.usb import UsbLink
from dewarlog.readings import LogReader
from dewarlog.records import Block, ProfileWritten, Run
from dewarlog.session import Session
from dewarlog_wire import layout
from line import STILL, check, dewarlog, pull, scenario_file
from simboard.launch import SimBoard, start
from simboard.scenario import PROFILES
from workshop.places import FIRMWARE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("micropython")

SPEED: Final = 120
MANIFEST: Final = FIRMWARE / "shipment.example.toml"
FULL: Final = ("--weight-kg", "8.60")
ACTOR: Final = ("--actor", "R. Lindqvist")
# As the profile has them: each probe where it says it is.
PLACES: Final = (("channel = 1", "payload bottom"), ("channel = 2", "neck"))
DRY: Final = """
[[dry_out]]
from = "20 min"
for = "10 h"
above_degc = -150
peak_degc = -118
"""


class Hurried:
    """This computer's time, as fast as the board's."""

    def __init__(self) -> None:
        self._began_s = time.time()

    def __call__(self) -> float:
        """Give Unix time."""
        return self._began_s + (time.time() - self._began_s) * SPEED


def trip(folder: Path, length: str, happenings: str = "") -> Path:
    """Write a scenario with each probe in its place."""
    file = scenario_file(folder, length, happenings)
    text = file.read_text()
    for channel, place in PLACES:
        text = text.replace(channel, f'{channel}\nplacement = "{place}"')
    file.write_text(text)
    return file


def profile(folder: Path, change: Callable[[dict[str, Any]], object] = lambda _: None) -> Path:
    """Write a profile file that leaves probes to the board."""
    document: dict[str, Any] = json.loads((PROFILES / "cryo_shipper.json").read_text())
    channels = document.pop("channels")
    document["was"] = channels
    change(document)
    document.pop("was")
    file = folder / "rules.json"
    file.write_text(json.dumps(document))
    return file


@pytest.fixture(scope="module")
def cold(micropython: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimBoard]:
    """Start a board in a charged dewar, in a hurry; its first run is not armed."""
    assert micropython
    scenario = trip(tmp_path_factory.mktemp("cold"), "90 days")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli_arm, "host_s", Hurried())
        patch.setattr(gate, "CLOCK_LIMIT_S", gate.CLOCK_LIMIT_S * SPEED)
        with start(scenario, real_time=True, speed=SPEED) as board:
            yield board


def arm_here(board: SimBoard, folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Arm in this process, whose clock is as fast as the board's; return what `--json` says."""
    done = CliRunner().invoke(
        cli.app,
        [
            *("arm", f"usb:{board.pty}", "--manifest", str(MANIFEST), "--json"),
            *("--profile", str(folder / "rules.json"), "--keys", str(folder / "keys")),
            *options,
        ],
    )
    assert done.stdout, done.stderr
    return done.exit_code, json.loads(done.stdout)


def first_block(log: Path) -> Run:
    """Return what block 0 of a log says."""
    with log.open("rb") as file:
        return next(
            item.run_settings
            for item in LogReader(file, log).items()
            if isinstance(item, Block) and item.run_settings is not None
        )


# --- a dewar that is ready -----------------------------------------------------------------------


def test_a_cold_charged_dewar_is_armed_once_and_its_papers_stand_in_block_0(
    cold: SimBoard, tmp_path: Path
) -> None:
    """A new run by the joined profile; again finds it armed; an override is there for good."""
    profile(tmp_path)
    dry = arm_here(cold, tmp_path, "--dry-run", *ACTOR)
    code, armed = arm_here(cold, tmp_path, *FULL, *ACTOR)
    again = arm_here(cold, tmp_path, *FULL, *ACTOR)
    over = arm_here(
        cold, tmp_path, "--again", "--weight-kg", "6.1", *ACTOR,
        "--override", "--reason", "the patient cannot wait",
    )  # fmt: skip
    logs = [Path(log["path"]) for log in pull(cold.pty, tmp_path / "archive", *STILL)["logs"]]

    assert (dry[0], dry[1]["refusals"]) == (
        ExitCode.REFUSED,
        ["probe not stable", "charge"],
    )
    assert (code, armed["armed"], armed["run"]) == (0, True, dry[1]["run"] + 1)
    assert armed["refusals"] == []
    assert (again[0], again[1]["already"], again[1]["run"]) == (0, True, armed["run"])
    assert (over[0], over[1]["run"]) == (0, armed["run"] + 1)
    # The run before was never pulled, and that is said.
    assert over[1]["overridden"] == ["charge", "log not pulled"]

    runs = [first_block(log) for log in logs]
    assert runs[0].arming is None
    first = runs[1].arming
    assert first is not None
    assert (first.actor, first.reason, first.overridden_names) == ("R. Lindqvist", "", ())
    assert first.planned_s == 72 * 3600
    assert first.charge_g == 3240
    assert first.static_hold_s == pytest.approx(3.24 / 3.31 * 240 * 3600, abs=360)
    assert runs[1].text("shipment") == "SHP-2026-00318"
    assert runs[1].text("account") == "ACC-20417"
    assert runs[1].text("purchase_order") == "PO-88120"
    assert runs[1].text("cost_centre") == "CC-7410"
    assert runs[1].text("chain_of_identity") == "W1234 26 000123"
    assert "DL-SIM-01" in runs[1].all_texts("board")
    assert len(runs[1].all_texts("instruction")) == 3
    assert runs[1].handling is not None
    assert runs[1].handling.thaw_to_infusion_min == 30
    assert runs[1].channels == runs[0].channels
    second = runs[2].arming
    assert second is not None
    assert second.overridden_names == ("charge", "log not pulled")
    assert second.reason == "the patient cannot wait"

    told = [
        [event for event in check(log).events if isinstance(event, ProfileWritten)] for log in logs
    ]
    assert [len(events) for events in told] == [1, 1, 0]
    assert [events[0].actor for events in told[:2]] == ["R. Lindqvist"] * 2
    assert told[0][0].note == ""
    assert told[1][0].note == "overridden charge, log not pulled: the patient cannot wait"
    assert f"{told[0][0].crc32:08x}" == armed["profile_crc32"]


# --- one that is not -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def warm(
    micropython: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[SimBoard, Path]]:
    """Start a board behind which two hours lie, at whose end its dewar is dry and warm."""
    assert micropython
    folder = tmp_path_factory.mktemp("warm")
    with start(trip(folder, "3 h", DRY), serve=True) as board:
        board.wait_serving()
        yield board, folder


def test_a_warm_dewar_is_refused_with_every_reason(
    warm: tuple[SimBoard, Path], tmp_path: Path
) -> None:
    """Exit code 7; what was measured, what is needed, what to do; its run goes on."""
    board, _ = warm
    before = dewarlog("status", f"usb:{board.pty}", "--json")
    done = dewarlog(
        *("arm", f"usb:{board.pty}", "--manifest", MANIFEST, "--profile", profile(tmp_path)),
        *("--weight-kg", "5.9", *ACTOR, "--keys", tmp_path / "keys"),
    )
    after = dewarlog("status", f"usb:{board.pty}", "--json")
    assert done.returncode == ExitCode.REFUSED, done.stderr
    said = " ".join(done.stdout.split())
    assert "REFUSED probes cold - probe 1 (TC-T-0412), payload top reads \u2212" in said
    assert "needed: \u2212155.0 °C or colder with its uncertainty, 5 K below" in said
    assert "REFUSED charge - 0.54 kg of liquid nitrogen" in said
    assert "REFUSED log pulled" in said
    assert "Pull it: `dewarlog pull`" in said
    assert "ok clock" in said
    assert "not armed: 4 reasons above" in said
    runs = [json.loads(status.stdout)["run"] for status in (before, after)]
    assert runs == [1, 1]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda document: document["rules"][0].update(threshold_degc=-190), "rules[0]"),
        (lambda document: document["rules"][0].update(dwell_s=300_000), "rules[0].dwell_s"),
        (lambda document: document["sampling"].update(interval_ms=10), "sampling.interval_ms"),
    ],
    ids=["hold limit before its warning", "dwell longer than the trip", "interval"],
)
def test_a_profile_that_cannot_be_right_is_refused_by_its_key(
    warm: tuple[SimBoard, Path],
    tmp_path: Path,
    change: Callable[[dict[str, Any]], object],
    place: str,
) -> None:
    """Exit code 2, and nothing is asked of the board but what it is."""
    board, _ = warm
    done = dewarlog(
        *("arm", f"usb:{board.pty}", "--manifest", MANIFEST, "--profile"),
        *(profile(tmp_path, change), *FULL, *ACTOR, "--keys", tmp_path / "keys"),
    )
    assert done.returncode == ExitCode.USAGE, done.stdout
    assert place in done.stderr
    assert "Nothing was changed" in done.stderr


def test_a_profile_for_other_probes_is_refused_naming_both(
    warm: tuple[SimBoard, Path], tmp_path: Path
) -> None:
    """A probe that was swapped, or the profile of another logger."""

    def other_probe(document: dict[str, Any]) -> None:
        document["channels"] = document["was"]
        document["channels"][1]["serial"] = "TC-T-9999"

    board, _ = warm
    done = dewarlog(
        *("arm", f"usb:{board.pty}", "--manifest", MANIFEST, "--profile"),
        *(profile(tmp_path, other_probe), *FULL, *ACTOR, "--keys", tmp_path / "keys"),
    )
    assert done.returncode == ExitCode.USAGE
    assert "TC-T-9999" in done.stderr
    assert "TC-T-0413" in done.stderr


@pytest.mark.parametrize(
    "options",
    [("--override",), ("--reason", "x"), ("--override", "--reason", "x" * 60), ("--actor", " ")],
    ids=["no reason", "a reason for nothing", "too long", "nobody"],
)
def test_an_override_takes_a_reason_and_a_name(options: tuple[str, ...], tmp_path: Path) -> None:
    """Exit code 2 before the port is opened."""
    done = dewarlog(
        *("arm", "usb:/dev/none", "--manifest", MANIFEST, "--profile", profile(tmp_path)),
        *options,
    )
    assert done.returncode == ExitCode.USAGE
    assert options[0] in done.stderr or "--reason" in done.stderr


# --- a cable that is pulled ----------------------------------------------------------------------


class Pulled(UsbLink):
    """A cable that is pulled just before the first request of a kind, or with its answer."""

    def __init__(self, port: str, kind: int, *, behind: bool, for_good: bool) -> None:
        super().__init__(port)
        self._kind = kind
        self._behind = behind
        self._for_good = for_good
        self.pulled = False

    def send(self, kind: int, seq: int, body: bytes) -> None:
        """Send, unless this is where the cable goes."""
        if kind != self._kind or self.pulled:
            super().send(kind, seq, body)
            return
        self.pulled = True
        if self._behind:
            super().send(kind, seq, body)
            assert self.receive(5) is not None  # the answer, which is lost on its way
        self.close()
        raise Unplugged(self.name, "pulled")

    def open(self) -> None:
        """Open the port, if the cable is there."""
        if self.pulled and self._for_good:
            raise Unplugged(self.name, "pulled")
        super().open()


def course(link: UsbLink, folder: Path, host_s: Callable[[], float]) -> ArmCourse:
    """Return a course over a link that arms whatever stands against it."""
    order = Order(
        document=json.loads(profile(folder).read_text()),
        where="rules.json",
        manifest=read_manifest(MANIFEST).manifest,
        planned_h=72,
        weight_kg=8.6,
        battery_wh=54,
        actor="R. Lindqvist",
        reason="bench",
        again=True,
    )
    link.open()
    session = Session(link)
    session.hello()
    return ArmCourse(session, order, host_s, Callbacks())


def _state(board: SimBoard) -> tuple[int, bytes]:
    """Return the run that is open, and the profile."""
    link = UsbLink(board.pty)
    link.open()
    try:
        session = Session(link)
        session.hello()
        return session.status().run, requests.get_profile(session)
    finally:
        link.close()


@pytest.mark.parametrize("kind", [layout.MSG_PUT, layout.MSG_PUT_END], ids=["put", "put end"])
def test_a_cable_pulled_before_the_profile_is_in_force_changes_nothing(
    cold: SimBoard, tmp_path: Path, kind: int
) -> None:
    """Plugged in again at once: it says that the logger is not armed, and its run is open."""
    before = _state(cold)
    link = Pulled(cold.pty, kind, behind=False, for_good=False)
    with pytest.raises(NotArmed) as caught:
        course(link, tmp_path, cli_arm.host_s).run()
    link.close()
    assert caught.value.run == before[0]
    assert _state(cold) == before


def test_a_cable_pulled_just_behind_is_found_to_have_armed_it(
    cold: SimBoard, tmp_path: Path
) -> None:
    """Plugged in again, the profile tells: the new run is waited for."""
    before = _state(cold)
    link = Pulled(cold.pty, layout.MSG_PUT_END, behind=True, for_good=False)
    outcome = course(link, tmp_path, cli_arm.host_s).run()
    link.close()
    assert (outcome.armed, outcome.run) == (True, before[0] + 1)
    assert _state(cold) == (before[0] + 1, outcome.profile.write())


def test_a_cable_pulled_for_good_leaves_a_logger_that_the_next_arm_knows(
    cold: SimBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows then; the same command finds it armed for this trip, and leaves it."""
    monkeypatch.setattr(requests, "RESTART_GIVE_UP_S", 1.0)
    profile(tmp_path)
    before, _ = _state(cold)
    link = Pulled(cold.pty, layout.MSG_PUT_END, behind=True, for_good=True)
    with pytest.raises(ArmingUnknown, match="run the command again"):
        course(link, tmp_path, cli_arm.host_s).run()
    deadline_s = time.monotonic() + 30
    run = before
    while run == before and time.monotonic() < deadline_s:
        time.sleep(0.3)
        with contextlib.suppress(LinkError):  # it is starting
            run, _ = _state(cold)
    found = arm_here(cold, tmp_path, *FULL, *ACTOR)
    now = (found[0], found[1]["already"], found[1]["run"])
    assert (run, *now) == (before + 1, 0, True, before + 1)


def test_a_logger_that_came_home_is_told_to_begin_a_run(tmp_path: Path) -> None:
    """Its last readings are cold, and of before: arm, mark and erase say what to do, and a way."""
    profile(tmp_path)
    scenario = trip(tmp_path, "2 h", '[[stop]]\nat = "60 s"\n')
    with start(scenario, real_time=True, speed=SPEED) as board:
        device = f"usb:{board.pty}"
        while json.loads(dewarlog("status", device, "--json").stdout)["recording"]:
            time.sleep(0.2)
        arguments = (
            *("arm", device, "--manifest", MANIFEST, "--profile", tmp_path / "rules.json"),
            *("--keys", tmp_path / "keys", *FULL, "--dry-run"),
        )
        said = dewarlog(*arguments)
        told = json.loads(dewarlog(*arguments, "--json").stdout)
        others = [
            dewarlog(*command, "--json")
            for command in (("mark", device, "note"), ("erase", device))
        ]

    assert said.returncode == ExitCode.REFUSED
    assert "Nothing was changed. It records nothing now." in said.stdout
    assert "Reset it" in said.stdout
    assert told["recording"] is False
    assert set(told["refusals"]) >= {"probe not cold", "probe not stable", "probe fault"}
    assert [one.returncode for one in others] == [ExitCode.DEVICE] * 2
    assert [json.loads(one.stdout)["error"] for one in others] == ["NotRecording"] * 2
