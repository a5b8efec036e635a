"""The whole board says in its log who did what, and what is not as it was."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dewarlog.records import (
    AccessEvent,
    ClockSync,
    FirmwareEvent,
    PullEvent,
    SignatureEvent,
    StopEvent,
)
from dewarlog_wire import layout, proof
from line import check, pull, scenario_file
from owner import Owner
from simboard.launch import start

if TYPE_CHECKING:
    from dewarlog.records import Event

pytestmark = pytest.mark.usefixtures("micropython")

# As if the last boot had been another firmware's, once.
MAIN = """
import os
try:
    os.stat("/log")
except OSError:
    from dewarlog_firmware.changes import FirmwareFile
    FirmwareFile("/firmware.bin", (0, 0, 9, 1, 20, 3)).keep()
from dewarlog_firmware import lock
lock.start()
"""


def test_a_pull_is_preceded_by_who_pulled_and_a_new_firmware_is_told_once(
    tmp_path: Path,
) -> None:
    """Over USB without a proof: one ACCESS event for the clock and the pull of a conversation."""
    scenario = scenario_file(tmp_path, "30 min", '[[power_cut]]\nat = "10 min"\n')
    with start(scenario, serve=True, main=MAIN) as board:
        board.wait_serving()
        pull(board.pty, tmp_path / "first")
        (log,) = pull(board.pty, tmp_path / "second", "--no-tell-time")["logs"]
    judged = check(Path(log["path"]))
    assert judged.checked["intact"] is True
    told: list[Event] = list(judged.events)
    (firmware,) = [event for event in told if isinstance(event, FirmwareEvent)]
    assert (firmware.before_major, firmware.before_minor, firmware.before_patch) == (0, 0, 9)
    assert firmware.boot == 0
    by_host = [event for event in told if isinstance(event, AccessEvent | ClockSync | PullEvent)]
    assert [type(event) for event in by_host[:3]] == [AccessEvent, ClockSync, PullEvent]
    access = by_host[0]
    assert isinstance(access, AccessEvent)
    assert (access.result, access.link, access.key) == (layout.ACCESS_OPEN, 0, 0)


@pytest.mark.parametrize("flags", [0, layout.AUTH_SECRET])
def test_an_owner_has_a_proven_word_with_a_whole_board(tmp_path: Path, flags: int) -> None:
    """On MicroPython, with its machine code: tags, the cipher, and a head that is signed."""
    scenario = scenario_file(tmp_path, "30 min")
    nonce = bytes(range(16))
    with start(scenario, serve=True) as board:
        board.wait_serving()
        with Owner(board) as owner:
            secret = owner.ask(layout.MSG_KEY, bytes((layout.KEY_ADMIN,)))
            owner.prove(secret, flags)
            run = struct.unpack_from("<I", owner.ask(layout.MSG_STATUS), 1)[0]
            public = owner.ask(layout.MSG_PUBLIC)
            reply = owner.ask(layout.MSG_SIGN, struct.pack(layout.SIGN.format, run, nonce))
            device_id = owner.device_id
        (log,) = pull(board.pty, tmp_path / "archive", "--no-tell-time")["logs"]
    judged = check(Path(log["path"]))
    signature = reply[layout.SIGN_REPLY.offset_of("signature") :]
    message = proof.signed_head(device_id, reply[: -len(signature)], nonce)
    Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    events = [event for event in judged.events if isinstance(event, AccessEvent | SignatureEvent)]
    assert [type(event) for event in events[:2]] == [AccessEvent, SignatureEvent]
    access, signed = events[:2]
    assert isinstance(access, AccessEvent)
    assert isinstance(signed, SignatureEvent)
    assert (access.result, access.key) == (layout.ACCESS_PROVEN, layout.KEY_ADMIN)
    assert (signed.nonce, signed.signature) == (nonce, signature)
    assert judged.checked["coverage"]["gaps"] == []


def test_who_ends_a_run_is_said_before_its_end(tmp_path: Path) -> None:
    """STOP is recorded behind its answer; a confirmation of the closed run adds nothing."""
    with start(scenario_file(tmp_path, "30 min"), serve=True) as board:
        board.wait_serving()
        with Owner(board) as owner:
            owner.ask(layout.MSG_STOP)
        (log,) = pull(board.pty, tmp_path / "archive")["logs"]
    judged = check(Path(log["path"]))
    access, stop = judged.events[-2:]
    assert isinstance(access, AccessEvent)
    assert (access.result, access.link) == (layout.ACCESS_OPEN, 0)
    assert isinstance(stop, StopEvent)
    assert stop.cause == 0
