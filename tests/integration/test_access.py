"""One board from its owner's desk to a courier's hands: the commands, and the firmware itself.

The board is simulated, on a port and on the virtual radio; its keys, lock, tokens and log are its
own. Two computers: the owner's, by cable, and the courier's, by radio, with a token alone.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from dewarlog import cli
from dewarlog.cli import reach as cli_reach
from dewarlog.errors import ExitCode
from dewarlog.keys import KeyStore
from dewarlog.link import open_link, radio
from dewarlog.session import Session
from dewarlog.tokens import make_token, time_caveats
from dewarlog_wire import layout
from dewarlog_wire.token import caveat
from line import scenario_file
from simboard import air
from simboard.launch import start

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("micropython")

NAMES = ("--giver", "A. Jansen", "--receiver", "Ana", "--role", "courier", "--place", "Dock 2")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the board is reached, and the two computers' folders."""

    cable: str
    by_air: str
    folder: Path

    def run(self, computer: str, *arguments: str, archive: bool = False) -> tuple[int, str]:
        """Run a command on one of the computers; return its exit code and all it said."""
        keys = ("--keys", str(self.folder / computer))
        kept = ("--archive", str(self.folder / f"{computer}-archive")) if archive else ()
        result = CliRunner().invoke(cli.app, [*arguments, *keys, *kept])
        return result.exit_code, " ".join(result.output.split())

    def keys(self, computer: str) -> KeyStore:
        """Open a computer's keys."""
        return KeyStore(self.folder / computer)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Places]:
    """Start a board in real time, on its port and on the air; its clock is this computer's."""
    monkeypatch.chdir(tmp_path)
    with air.start() as hub:
        monkeypatch.setenv(radio.AIR, str(hub))
        file = scenario_file(tmp_path, "4 h")
        with start(file, real_time=True, speed=4, air=hub) as board:
            with contextlib.closing(open_link(f"usb:{board.pty}")) as cable:
                session = Session(cable)
                name = session.hello().name
                session.set_time(*cli_reach.host_time(100))
            yield Places(f"usb:{board.pty}", f"ble:dewarlog-{name[-4:]}", tmp_path)
            radio.end()


def test_a_board_is_claimed_locked_lent_by_token_handed_over_and_opened_again(
    places: Places,
) -> None:
    """Every step by the command that a person types."""
    code, said = places.run("owner", "claim", places.cable)
    assert code == 0, said
    assert places.run("owner", "lock", places.cable)[0] == 0

    code, said = places.run("stranger", "pull", places.by_air, archive=True)
    assert code == ExitCode.DEVICE
    assert "is locked: LIST takes the reader key" in said
    assert list(places.folder.rglob("*.dwl")) == []

    device_id = places.keys("owner").boards()[0]
    options = ("--device", device_id.hex(), "--days", "2", "--holder", "Ana", "-o", "ana.json")
    assert places.run("owner", "token", "make", *options)[0] == 0
    assert places.run("courier", "token", "add", "ana.json")[0] == 0
    code, said = places.run("courier", "handoff", places.by_air, *NAMES, archive=True)
    assert "proven by the token of Ana, until " in said, said
    assert "recorded in its log" in said
    assert code in (ExitCode.USE, ExitCode.HOLD, ExitCode.NO_DATA)
    (receipt,) = places.folder.rglob("*.handoff-*.json")
    held: dict[str, Any] = json.loads(receipt.read_bytes())
    assert (held["receiver"], held["proven"]) == ("Ana", True)

    code, said = places.run("owner", "unlock", places.cable)
    assert (code, "is open" in said) == (0, True)
    assert places.run("stranger", "pull", places.by_air, archive=True)[0] == 0


def test_a_board_refuses_a_token_that_has_expired_by_its_own_clock(places: Places) -> None:
    """This computer's clock may be wrong: what it takes for valid, the board judges itself."""
    assert places.run("owner", "claim", places.cable)[0] == 0
    assert places.run("owner", "lock", places.cable)[0] == 0
    owner, courier = places.keys("owner"), places.keys("courier")
    keys = owner.of(owner.boards()[0])
    now_s = cli_reach.host_time(0)[0]
    # As on a computer whose clock is late: nothing there looks at the end before it is asked.
    ends = [caveat(layout.CAVEAT_HOLDER, b"Ana"), *time_caveats(None, now_s - 5)]
    token = make_token(keys.device_id, layout.KEY_COURIER, keys.courier or b"", bytes(8), ends)
    courier.keep_token(token)
    with contextlib.closing(open_link(places.by_air)) as link:
        session = Session(link, credentials=lambda _: token.credential(), strict=False)
        session.hello()
        failures = session.status().failures

    assert session.not_proven is not None
    assert "does not take the token of Ana" in session.not_proven
    assert "the token has expired" in session.not_proven
    assert failures == 1
    code, said = places.run("courier", "pull", places.by_air, archive=True)
    assert (code, "it has expired. Going on without" in said) == (ExitCode.DEVICE, True)
