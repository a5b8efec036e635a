"""Over the air as by cable: the real firmware, the virtual radio, the real host on bleak.

What a courier may meet at a door, and where it is held to a clear sentence, an exit code and an
archive that is never half written:

    wrong dewar               tests/host/test_link_ble: nobody on the air, another board's id
    two of one name           tests/host/test_link_ble, test_scan; told apart by ids: here
    a stranger, our service   tests/host/test_link_ble (refused) and tests/host/test_scan
    garbage, lies, silence    tests/host/test_link_ble, test_pull_liars
    out of range on the way   here, and it comes back; for good: tests/host/test_link_ble
    Bluetooth off, forbidden  tests/host/test_link_ble, and BlueZ's own in tests/host/test_bluez
    archive never half there  here (killed), tests/host/test_archive, test_handoff (every step)
"""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from dewarlog.archive import Archive
from dewarlog.errors import LinkError
from dewarlog.link import radio
from dewarlog.link.ble import BleLink
from dewarlog.link.usb import UsbLink
from dewarlog.pull import PullOptions, pull
from dewarlog.records import GapEvent, RadioEvent
from dewarlog.session import Session
from dewarlog_wire import layout
from line import (
    COMMAND_S,
    ONE_DAY,
    STILL,
    check,
    command,
    dewarlog,
    environment,
    profile_file,
    pull_from,
    scenario_file,
)
from simboard import air
from simboard.launch import SimBoard, start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dewarlog.link import Frame
    from dewarlog.pull import Progress, PullResult

pytestmark = pytest.mark.usefixtures("micropython", "on_air")

STACKS: Final = ("btstack", "nimble")
DIGITS: Final = {"btstack": "4a32", "nimble": "4b33"}
IDS: Final = {"btstack": "e660583883724a32", "nimble": "e660583883724b33"}
READY_S: Final = 2.0
HEAP_BYTES: Final = 8192
# Less than a full block: what was on its way when a connection was lost.
WINDOW_BYTES: Final = layout.BLE_WINDOW_PACKETS * 239
CUTS: Final = 12


class CountingLink(BleLink):
    """Counts what the host's radio heard of files, twice or not."""

    data_bytes = 0

    def receive(self, timeout_s: float) -> Frame | None:
        """Return the next frame."""
        frame = super().receive(timeout_s)
        if frame is not None and frame.kind == layout.MSG_DATA_SHORT:
            self.data_bytes += len(frame.body) - layout.DATA_SHORT_OVERHEAD_BYTES
        return frame


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    """Be the air for this file."""
    with air.start() as path:
        yield path


@pytest.fixture
def on_air(hub: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[air.Faults]:
    """Let hosts find the air, and leave it as it was."""
    monkeypatch.setenv("DEWARLOG_AIR", hub)
    monkeypatch.setattr("os.fsync", lambda handle: None)
    faults = air.Faults(hub)
    yield faults
    radio.end()
    faults.clear()
    faults.pace(0)
    faults.come_back()


@pytest.fixture(scope="module")
def boards(hub: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, SimBoard]]:
    """Serve a day that has ended, once with each stack's behaviour, on the same air."""
    with contextlib.ExitStack() as stack:
        running: dict[str, SimBoard] = {}
        for name in STACKS:
            table = f'radio = "{name}"\nunique_id = "{IDS[name]}"'
            file = scenario_file(tmp_path_factory.mktemp(name), "1 day", ONE_DAY, board=table)
            running[name] = stack.enter_context(start(file, serve=True, air=hub))
        for board in running.values():
            board.wait_serving()
        yield running


@pytest.fixture(scope="module")
def whole(boards: dict[str, SimBoard], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the BTstack board's log as the cable brings it."""
    return _cable(boards["btstack"], tmp_path_factory.mktemp("cable"))


def _cable(board: SimBoard, archive: Path) -> bytes:
    (log,) = pull_from(f"usb:{board.pty}", archive, *STILL)["logs"]
    return Path(log["path"]).read_bytes()


def _pull(
    link: BleLink,
    archive: Path,
    progress: Any = None,  # noqa: ANN401 - pull's own type
) -> PullResult:
    """Pull in this process, without a change to the log."""
    try:
        return pull(link, Archive(archive), PullOptions(seal=False), progress=progress)
    finally:
        link.close()


def _address(digits: str) -> str:
    """Return the radio address of a board: by it, it is found without waiting for a second."""
    deadline_s = time.monotonic() + COMMAND_S
    with radio.listening("the test", radio.backends()) as ear:
        while time.monotonic() < deadline_s:
            for heard in ear.heard():
                if heard.name == f"dewarlog-{digits}":
                    return heard.address
            ear.wait(0.2)
    raise AssertionError(digits)


def _hears(digits: str, seconds: float) -> bool:
    """Tell whether a board advertises."""
    deadline_s = time.monotonic() + seconds
    with radio.listening("the test", radio.backends()) as ear:
        while (left_s := deadline_s - time.monotonic()) > 0:
            if any(heard.name == f"dewarlog-{digits}" for heard in ear.heard()):
                return True
            ear.wait(min(left_s, 0.2))
    return False


# --- the same bytes -----------------------------------------------------------------------------
@pytest.mark.parametrize("stack", STACKS)
def test_the_air_brings_what_the_cable_brings(
    boards: dict[str, SimBoard], tmp_path: Path, stack: str
) -> None:
    """Byte for byte, and the log is whole."""
    expected = _cable(boards[stack], tmp_path / "cable")

    (log,) = pull_from(f"ble:{DIGITS[stack]}", tmp_path / "air", *STILL)["logs"]

    assert Path(log["path"]).read_bytes() == expected
    assert check(Path(log["path"])).checked["intact"] is True


@pytest.mark.usefixtures("boards")
def test_two_dewars_on_the_air_are_told_apart(tmp_path: Path) -> None:
    """By name before connecting; and whose log it is, the id in it says."""
    scanned = dewarlog("scan", "--no-usb", "--seconds", "2.5", "--json")
    ids: set[str] = set()
    for digits in DIGITS.values():
        link = CountingLink(f"dewarlog-{digits}")
        link.open()
        ids.add(_pull(link, tmp_path).board.name)

    assert {f"dewarlog-{digits}" in scanned.stdout for digits in DIGITS.values()} == {True}
    assert ids == set(IDS.values())


# --- the board's own work comes first -----------------------------------------------------------
def test_sampling_outranks_transfer(hub: str, tmp_path: Path) -> None:
    """A sample a second while the air never rests: none late, none missing, no gap."""

    def every_second(profile: dict[str, Any]) -> None:
        profile["sampling"]["interval_ms"] = 1000

    table = 'unique_id = "e660583883720001"'
    scenario = scenario_file(tmp_path, "1 day", board=table)
    profile = profile_file(tmp_path, every_second)
    with start(scenario, real_time=True, profile=profile, air=hub) as board:
        address = _address("0001")
        ends_s = time.monotonic() + 6
        pulls = 0
        while time.monotonic() < ends_s:
            link = CountingLink(address)
            link.open()
            _pull(link, tmp_path / str(pulls))
            pulls += 1
        link = CountingLink(address)
        link.open()
        status = Session(link)
        status.hello()
        told = status.status()
        link.close()
        (log,) = pull_from(f"usb:{board.pty}", tmp_path / "last", "--no-tell-time")["logs"]
    judged = check(Path(log["path"]))

    assert pulls >= 3
    assert told.ring_dropped == 0
    assert told.samples >= told.uptime_s - 1
    # A sample late by half an interval is a gap in the log, as is one that is missing.
    assert [event for event in judged.events if isinstance(event, GapEvent)] == []
    assert judged.checked["coverage"]["gaps"] == []


def test_a_full_pull_keeps_to_8_kb_of_heap_at_every_mtu(
    boards: dict[str, SimBoard], hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BTstack takes whatever it is given; what waits on a slow air is bounded by the window."""
    image = tmp_path / "flash.bin"
    shutil.copy(boards["btstack"].save_image(), image)
    table = 'unique_id = "e660583883720002"'
    scenario = scenario_file(tmp_path, "10 s", board=table)
    with start(scenario, serve=True, flash_image=image, air=hub) as board:
        board.wait_serving()
        address = _address("0002")
        air.Faults(hub).pace(7.5, 4)
        for mtu in (23, 65, 247):
            monkeypatch.setenv("DEWARLOG_AIR_MTU", str(mtu))
            link = CountingLink(address)
            link.open()
            _pull(link, tmp_path / str(mtu))
    queued_bytes = board.report["radio_queue_max_bytes"]

    assert isinstance(queued_bytes, int)
    assert 2048 < queued_bytes <= HEAP_BYTES


# --- connections that are lost ------------------------------------------------------------------
@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.usefixtures("boards")
def test_a_lost_connection_leaves_the_board_ready_in_2_s(on_air: air.Faults, stack: str) -> None:
    """On the air again and answering HELLO, whatever it was sending."""
    address = _address(DIGITS[stack])
    took_s: list[float] = []
    for after in (30, 33, 36):
        link = BleLink(address)
        link.open()
        session = Session(link)
        session.hello()
        file = session.list_files()[0]
        on_air.lose("host", after - 25)
        session.read(file, 0, 0, link.credit_bytes)
        with contextlib.suppress(LinkError):
            while True:
                link.receive(5.0)
        lost_s = time.monotonic()
        link.open()
        Session(link).hello()
        took_s.append(time.monotonic() - lost_s)
        link.close()

    assert max(took_s) < READY_S


def test_a_cut_at_random_points_costs_less_than_a_block(
    boards: dict[str, SimBoard], whole: bytes, on_air: air.Faults, tmp_path: Path
) -> None:
    """The same bytes as by cable, every time; tools/bench/air.py cuts at 200 points."""
    assert boards
    address = _address(DIGITS["btstack"])
    points = random.Random(3)
    packets = len(whole) // 239
    ends: list[tuple[int, bool, int]] = []
    for number in range(CUTS):
        link = CountingLink(address)
        link.open()
        cut = points.randrange(3, packets)
        on_air.lose("host", cut)
        result = _pull(link, tmp_path / str(number))
        same = result.logs[0].path.read_bytes() == whole
        ends.append((cut, same, link.data_bytes - len(whole)))
        on_air.clear()

    assert [end for end in ends if not end[1] or not 0 <= end[2] <= WINDOW_BYTES] == []


def test_a_dewar_out_of_range_on_the_way_is_waited_for(
    boards: dict[str, SimBoard], whole: bytes, on_air: air.Faults, tmp_path: Path
) -> None:
    """The courier walks away and comes back; the person is told, the bytes are the same."""
    assert boards
    on_air.pace(15, 2)
    link = CountingLink(_address(DIGITS["btstack"]))
    link.open()
    gone = threading.Event()
    said: list[str] = []

    def walk(progress: Progress) -> None:
        said.append(progress.what)
        if progress.done_bytes > len(whole) // 3 and not gone.is_set():
            gone.set()
            on_air.leave()
            threading.Timer(1.5, on_air.come_back).start()

    result = _pull(link, tmp_path, walk)

    assert gone.is_set()
    assert "out of range: go nearer" in said
    assert result.logs[0].path.read_bytes() == whole
    assert 0 <= link.data_bytes - len(whole) <= WINDOW_BYTES


def test_a_pull_that_is_killed_leaves_nothing_half_written(
    boards: dict[str, SimBoard], whole: bytes, on_air: air.Faults, tmp_path: Path
) -> None:
    """SIGKILL in the middle of the air's rhythm; the next pull goes on from what was on disk."""
    assert boards
    on_air.pace(50, 1)
    before = on_air.arrived()["host"]
    process = subprocess.Popen(
        command("pull", f"ble:{DIGITS['btstack']}", "--archive", tmp_path, "--json", *STILL),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline_s = time.monotonic() + COMMAND_S
    while on_air.arrived()["host"] < before + 40 and time.monotonic() < deadline_s:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(COMMAND_S)
    on_air.pace(0)
    assert list(tmp_path.rglob("*.dwl")) == []

    answer = pull_from(f"ble:{DIGITS['btstack']}", tmp_path, *STILL)

    (log,) = answer["logs"]
    assert Path(log["path"]).read_bytes() == whole
    assert answer["held_bytes"] > 0
    assert answer["held_bytes"] + answer["received_bytes"] == len(whole)


# --- flight mode --------------------------------------------------------------------------------
def _switches(board: SimBoard, archive: Path) -> list[tuple[int, str, int]]:
    """Return what the log says of the radio: state, cause, minutes."""
    (log,) = pull_from(f"usb:{board.pty}", archive, "--no-tell-time")["logs"]
    return [
        (event.state, layout.RADIO_CAUSE_NAMES[event.cause], event.minutes)
        for event in check(Path(log["path"])).events
        if isinstance(event, RadioEvent)
    ]


def test_flight_mode_by_command_ends_by_itself_and_stands_in_the_log(
    hub: str, tmp_path: Path
) -> None:
    """Told over the air for two minutes: answered, silent, back; three entries."""
    table = 'unique_id = "e660583883720003"'
    scenario = scenario_file(tmp_path, "2 days", board=table)
    keys = ("--keys", tmp_path / "keys")
    with start(scenario, real_time=True, speed=30, air=hub) as board:
        paired = dewarlog("pair", f"usb:{board.pty}", *keys)
        assert paired.returncode == 0, paired.stderr
        assert _hears("0003", COMMAND_S)
        told = dewarlog("radio", "ble:0003", "off", "--minutes", "2", *keys)
        silent = not _hears("0003", 1.5)
        back = _hears("0003", 10.0)
        switches = _switches(board, tmp_path / "archive")

    assert told.returncode == 0, told.stderr
    assert (silent, back) == (True, True)
    assert switches == [(1, "profile", 0), (0, "host", 2), (1, "time over", 0)]


def test_flight_mode_by_profile_keeps_the_radio_silent_until_a_cable_says_otherwise(
    boards: dict[str, SimBoard], hub: str, tmp_path: Path
) -> None:
    """Others are heard meanwhile; the log says that the profile had it off."""
    assert boards

    def off(profile: dict[str, Any]) -> None:
        profile["radio"] = {"mode": "off"}

    table = 'unique_id = "e660583883720004"'
    scenario = scenario_file(tmp_path, "1 day", board=table)
    profile = profile_file(tmp_path, off)
    with start(scenario, real_time=True, profile=profile, air=hub) as board:
        link = UsbLink(board.pty)
        link.open()
        Session(link).hello()
        link.close()
        silent = not _hears("0004", 2.5)
        others = _hears(DIGITS["nimble"], COMMAND_S)
        told = dewarlog("radio", f"usb:{board.pty}", "on")
        heard = _hears("0004", COMMAND_S)
        switches = _switches(board, tmp_path / "archive")

    assert told.returncode == 0, told.stderr
    assert (silent, others, heard) == (True, True, True)
    assert switches == [(0, "profile", 0), (1, "host", 0)]
