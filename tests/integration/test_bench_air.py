"""The bench without a cable: monitor, self-test and arming through the virtual radio.

The board stands closed in its dewar then, and is armed where it is charged. Its admin key is this
computer's, for over the air such requests take a proof.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from typer.testing import CliRunner

from dewarlog import cli
from dewarlog.arm import gate
from dewarlog.cli import reach as cli_reach
from dewarlog.errors import ExitCode
from dewarlog.link import open_link, radio
from dewarlog.session import Session
from line import scenario_file
from simboard import air
from simboard.launch import start
from simboard.scenario import PROFILES
from workshop.places import FIRMWARE

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("micropython")

MANIFEST: Final = FIRMWARE / "shipment.example.toml"


@dataclass(frozen=True, slots=True)
class Bench:
    """Where the board is reached, and this computer's folder."""

    cable: str
    by_air: str
    folder: Path

    def run(self, who: str, *arguments: str) -> tuple[int, str, str]:
        """Run a command with somebody's keys; return its exit code, and what it said where."""
        keys = ("--keys", str(self.folder / who))
        result = CliRunner().invoke(cli.app, [*arguments, *keys])
        return result.exit_code, result.stdout, " ".join(result.stderr.split())

    def run_json(self, who: str, *arguments: str) -> tuple[int, Any]:
        """Run a command that says its result as JSON."""
        code, said, error = self.run(who, *arguments, "--json")
        assert said, error
        return code, json.loads(said)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Bench]:
    """Start a board in real time, on its port and on the air, whose owner has claimed it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gate, "WATCH_S", 20.0)
    monkeypatch.setattr(gate, "WATCH_SAMPLES", 3)
    with air.start() as hub:
        monkeypatch.setenv(radio.AIR, str(hub))
        with start(scenario_file(tmp_path, "4 h"), real_time=True, speed=4, air=hub) as board:
            with contextlib.closing(open_link(f"usb:{board.pty}")) as cable:
                session = Session(cable)
                name = session.hello().name
                session.set_time(*cli_reach.host_time(100))
            made = Bench(f"usb:{board.pty}", f"ble:dewarlog-{name[-4:]}", tmp_path)
            assert made.run("owner", "claim", made.cable)[0] == 0
            yield made
            radio.end()


@pytest.fixture
def order(bench: Bench) -> tuple[str, ...]:
    """Return the options of an arming: our manifest, and rules that leave probes to the board."""
    document = json.loads((PROFILES / "cryo_shipper.json").read_text())
    del document["channels"]
    rules = bench.folder / "rules.json"
    rules.write_text(json.dumps(document))
    return (bench.by_air, "--manifest", str(MANIFEST), "--profile", str(rules), "--actor", "Ann")


def test_anyone_may_look_and_only_the_owner_test(bench: Bench) -> None:
    """The view is whole; a self-test runs beside the very radio that asks for it."""
    code, seen = bench.run_json("stranger", "monitor", bench.by_air, "--once")
    assert (code, seen["connected"], seen["status"]["run"]) == (0, True, 1)
    assert [channel["state"] for channel in seen["channels"]] == ["ok"] * 3

    code, _, refused = bench.run("stranger", "selftest", bench.by_air)
    assert "Readings go on" not in refused
    assert code == ExitCode.DEVICE
    assert "SELFTEST takes the admin key, and this computer has none" in refused

    _, report = bench.run_json("owner", "selftest", bench.by_air)
    verdicts = {test["title"]: test["verdict"] for test in report["tests"]}
    assert report["recorded"] is True
    assert report["tests_left_out"] == 0
    assert verdicts["probe 1"] == "pass"
    assert verdicts["radio"] == "pass"


def test_a_closed_dewar_is_armed_by_radio(bench: Bench, order: tuple[str, ...]) -> None:
    """Judged, refused, overridden; found on the air again behind its restart, in a new run."""
    code, _, refused = bench.run("stranger", "arm", *order, "--override", "--reason", "bench")
    assert code == ExitCode.DEVICE
    assert "takes the admin key" in refused

    code, judged = bench.run_json("owner", "arm", *order)
    assert (code, judged["armed"], judged["run"]) == (ExitCode.REFUSED, False, 1)
    assert "charge" in judged["refusals"]

    code, armed = bench.run_json("owner", "arm", *order, "--override", "--reason", "bench")
    assert (code, armed["armed"], armed["run"]) == (0, True, 2)
    assert "charge" in armed["overridden"]

    code, again = bench.run_json("owner", "arm", *order)
    assert (code, again["already"], again["run"]) == (0, True, 2)
    assert again["arming"]["reason"] == "bench"
