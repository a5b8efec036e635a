"""A board that cannot record: it boots, answers its hosts, and can be put right again.

What main.py runs here prepares the flash as a mishap leaves it; the firmware is as it is.
"""

from __future__ import annotations

import contextlib
import json
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from dewarlog.bench import requests
from dewarlog.link import open_link
from dewarlog.records import StopEvent
from dewarlog.session import Session
from dewarlog_wire import layout, proof
from line import COMMAND_S, check, profile_file, pull, scenario_file
from owner import Owner
from simboard.launch import SimBoard, start

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("micropython")

DEVICE_KEY: Final = bytes(range(32))
ADMIN: Final = proof.derived_key(DEVICE_KEY, layout.KEY_ADMIN)
CLAIMED, LOCKED = layout.ACCESS_IS_CLAIMED, layout.ACCESS_IS_LOCKED
# The first boot records; the next one finds the mishap.
PREPARED: Final = """
import micropython, os, struct
from dewarlog_wire.crc import crc32
micropython.kbd_intr(-1)
if "key.bin" not in os.listdir("/"):
    with open("/key.bin", "wb") as file:
        file.write(bytes(range(32)) + struct.pack("<I", crc32(bytes(range(32)))))
    open("/lock.bin", "w").close()  # cannot be read: locked
else:
    {mishap}
from dewarlog_firmware import lock
lock.start()
"""
BROKEN_PROFILE: Final = 'open("/profile.json", "wb").close()'
# Not a byte is left, whatever the board would make room for it with.
FILL: Final = """
    number = 0
    for size in (65536, 4096, 512, 8):
        while True:
            number += 1
            try:
                with open("/fill%d" % number, "wb") as file:
                    file.write(bytes(size))
            except OSError:
                break
"""


# A heap that is too small for a profile of every 7 s: for the parts, or for the run's begin.
SMALL_HEAP: Final = """
from dewarlog_firmware import app, lock
whole = app.App.{step}
def short(self, *arguments):
    whole(self, *arguments)
    if self.config.sampling.interval_ms == 7000:
        raise MemoryError("memory allocation failed, allocating 1148 bytes")
app.App.{step} = short
lock.start()
"""

# A flash that has no room for the next journal: that of the block a host asks for.
NO_JOURNAL: Final = """
from dewarlog_firmware import flash_log, lock
start_journal = flash_log.FlashLog.start_journal
begun = []
def denied(self, view):
    begun.append(1)
    if len(begun) < 2:
        return start_journal(self, view)
    self.release()
    raise OSError(28)
flash_log.FlashLog.start_journal = denied
lock.start()
"""


def _status(board: SimBoard) -> dict[str, int]:
    """Return what STATUS says."""
    with Owner(board) as owner:
        reply = owner.ask(layout.MSG_STATUS)
    names = [name for name, *_ in layout.STATUS_REPLY.fields]
    return dict(zip(names, struct.unpack(layout.STATUS_REPLY.format, reply), strict=True))


def _wait(board: SimBoard, holds: Callable[[dict[str, int]], bool]) -> dict[str, int]:
    """Wait until the board's status is so."""
    deadline_s = time.monotonic() + COMMAND_S
    while time.monotonic() < deadline_s:
        status = _status(board)
        if holds(status):
            return status
        time.sleep(0.2)
    pytest.fail("the board does not come to that state")


def _every_second(profile: dict[str, Any]) -> None:
    profile["sampling"]["interval_ms"] = 1000


def test_a_locked_board_whose_profile_is_broken_is_pulled_and_opened_by_its_admin(
    tmp_path: Path,
) -> None:
    """It records nothing by other limits, and closes no run; a reset loop would be its end."""
    main = PREPARED.format(mishap=BROKEN_PROFILE)
    profile = profile_file(tmp_path, _every_second)
    scenario = scenario_file(tmp_path, "1 day")
    with start(scenario, real_time=True, profile=profile, main=main) as board:
        _wait(board, lambda status: status["samples"] > 5)
        board.cut_power(1)
        time.sleep(4)  # nobody speaks to it while it falls
        status = _wait(board, lambda status: not status["state"] & layout.STATUS_RECORDING)
        assert status["access"] == CLAIMED | LOCKED
        (log,) = pull(board.pty, tmp_path / "archive", "--no-tell-time")["logs"]
        with Owner(board) as owner:
            owner.prove(ADMIN)
            owner.ask(layout.MSG_LOCK, b"\0")
            assert owner.access() == CLAIMED
    judged = check(Path(log["path"]))
    assert judged.checked["intact"] is True
    assert judged.checked["coverage"]["samples"] > 5


def test_a_board_whose_flash_is_full_to_the_last_byte_boots_and_answers(tmp_path: Path) -> None:
    """Again and again, with no room for an event: its log is pulled, its run is ended."""
    main = PREPARED.format(mishap=FILL)
    profile = profile_file(tmp_path, _every_second)
    scenario = scenario_file(tmp_path, "1 day", board="flash_kib = 256")
    with start(scenario, real_time=True, profile=profile, main=main) as board:
        _wait(board, lambda status: status["samples"] > 5)
        for _ in range(2):
            board.cut_power(1)
            time.sleep(4)  # nobody speaks to it while it falls
            status = _wait(board, lambda status: not status["state"] & layout.STATUS_RECORDING)
            assert status["state"] & layout.STATUS_MEMORY_FULL
        (log,) = pull(board.pty, tmp_path / "archive", "--no-tell-time")["logs"]
        with Owner(board) as owner:
            owner.prove(ADMIN)
            owner.ask(layout.MSG_STOP)
            assert owner.access() == CLAIMED | LOCKED
        # An error would have ended in a reset 2 s later.
        up_s = _status(board)["uptime_s"]
        _wait(board, lambda status: status["uptime_s"] > up_s + 4)
    judged = check(Path(log["path"]))
    assert judged.checked["intact"] is True
    assert judged.checked["coverage"]["samples"] > 5


def test_a_board_without_room_for_a_journal_stops_and_answers(tmp_path: Path) -> None:
    """An error would have ended in its prompt, and no host could have pulled what it has."""
    profile = profile_file(tmp_path, _every_second)
    scenario = scenario_file(tmp_path, "1 day")
    with start(scenario, real_time=True, profile=profile, main=NO_JOURNAL) as board:
        _wait(board, lambda status: status["samples"] > 5)
        with Owner(board) as owner, pytest.raises(AssertionError, match="refused"):
            owner.ask(layout.MSG_SEAL)
        status = _wait(board, lambda status: not status["state"] & layout.STATUS_RECORDING)
        assert status["state"] & layout.STATUS_MEMORY_FULL
        (log,) = pull(board.pty, tmp_path / "archive", "--no-tell-time")["logs"]
    judged = check(Path(log["path"]))
    assert judged.checked["intact"] is True
    assert judged.checked["coverage"]["samples"] > 5


@pytest.mark.parametrize("step", ["__init__", "_open_run"])
def test_a_board_whose_heap_is_too_small_for_a_profile_takes_another(
    tmp_path: Path, step: str
) -> None:
    """Until then it records nothing: what else there is are limits that are not its shipment's."""

    def of_its_own(profile: dict[str, Any]) -> None:
        profile["sampling"]["interval_ms"] = 8000

    profile = profile_file(tmp_path, of_its_own)
    scenario = scenario_file(tmp_path, "1 day")
    main = SMALL_HEAP.format(step=step)
    with start(scenario, real_time=True, profile=profile, main=main) as board:
        fits = json.loads(profile.read_text())
        too_large = fits | {"sampling": fits["sampling"] | {"interval_ms": 7000}}
        _put(board, too_large)
        status = _wait(board, lambda status: not status["state"] & layout.STATUS_RECORDING)
        assert status["interval_ms"] != 7000
        _put(board, fits)
        status = _wait(board, lambda status: bool(status["state"] & layout.STATUS_RECORDING))
        assert status["interval_ms"] == 8000
        (first, *_) = pull(board.pty, tmp_path / "archive", "--no-tell-time")["logs"]
    judged = check(Path(first["path"]))
    assert judged.checked["intact"] is True
    assert isinstance(judged.events[-1], StopEvent)


def _put(board: SimBoard, profile: dict[str, Any]) -> None:
    with contextlib.closing(open_link(f"usb:{board.pty}")) as link:
        session = Session(link)
        session.hello()
        requests.put_profile(
            session,
            json.dumps(profile).encode(),
            before=requests.get_profile(session),
            purpose=layout.PURPOSE_NAMES.index("other"),
            utc_s=200_000_000,
            actor="bench",
            note="",
        )
    time.sleep(3)  # it starts again within 2 s
