"""Making a simulated board known, by the command a person types, at its port.

The firmware, its profile, its keys and its log are its own; the owner's computer is a folder.
"""

from __future__ import annotations

import io
import json
import time
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import zxingcpp
from PIL import Image
from typer.testing import CliRunner

from dewarlog import certificate, cli
from dewarlog.bench import requests
from dewarlog.errors import DiskFull, ExitCode, Unplugged
from dewarlog.keys import KeyStore
from dewarlog.provision import ownership
from dewarlog.records import LockEvent, ProfileWritten, SettingEvent
from dewarlog_wire import layout
from line import check, scenario_file
from simboard.launch import SimBoard, start

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from types import ModuleType

pytestmark = pytest.mark.usefixtures("micropython")

_TRIES_MOST = 5
MAP = """
name = "DL-0007"
hardware = "C"

[[probe]]
terminal = 1
serial = "TC-T-0900"
type = "T"
placement = "payload top"

[[probe]]
terminal = 2
serial = "TC-T-0413"
type = "T"
placement = "payload bottom"
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """A board at its port, and its owner's folder."""

    board: SimBoard
    folder: Path

    @property
    def device(self) -> str:
        """Name the board as commands do."""
        return f"usb:{self.board.pty}"

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run a command of the owner's; return its exit code and all it said."""
        keys = ("--keys", str(self.folder / "keys"))
        result = CliRunner().invoke(cli.app, [*arguments, *keys])
        return result.exit_code, result.output

    def provision(self, *options: str, text: str = MAP) -> dict[str, Any]:
        """Provision with a map; return what the command says as JSON."""
        (self.folder / "map.toml").write_text(text)
        options = ("--map", "map.toml", "--label", "label.png", "--actor", "E. Kim", *options)
        code, said = self.run("provision", self.device, *options, "--json")
        assert code == 0, said
        answer: dict[str, Any] = json.loads(said)
        return answer

    def label(self) -> str:
        """Read the code of the label that was written."""
        with Image.open(io.BytesIO((self.folder / "label.png").read_bytes())) as picture:
            return zxingcpp.read_barcodes(picture)[0].text

    def pulled(self) -> list[dict[str, Any]]:
        """Pull everything; return the logs as pull names them, in order of their runs."""
        archive = ("--archive", str(self.folder / "archive"), "--json")
        code, said = self.run("pull", self.device, *archive)
        assert code == 0, said
        logs: list[dict[str, Any]] = json.loads(said)["logs"]
        return logs


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Bench]:
    """Start a board in real time at its port, five times as fast."""
    monkeypatch.chdir(tmp_path)
    with start(scenario_file(tmp_path, "4 h"), real_time=True, speed=5) as board:
        yield Bench(board, tmp_path)


def test_a_board_is_given_its_name_probes_keys_certificate_and_label(bench: Bench) -> None:
    """All of it in one command; a second time there is nothing to do, but another label."""
    first = bench.provision()

    assert first["new_keys"] is True
    assert "name DL-SIM-01 to DL-0007" in first["changes"]
    assert "probe TC-T-0900 is new at terminal 1, without a calibration" in first["changes"]
    assert bench.label().endswith(f"?name=DL-0007&hardware=C&key={first['fingerprint']}")
    assert json.loads((bench.folder / first["certificate"]).read_text())["format"] == 1
    held = KeyStore(bench.folder / "keys").of(bytes.fromhex(first["device_id"]))
    assert held.admin is not None

    again = bench.provision()

    assert again["changes"] == []
    assert again["new_keys"] is False
    assert again["fingerprint"] == first["fingerprint"]
    code, said = bench.run("provision", bench.device, "--print-map")
    assert (code, said.split()) == (0, MAP.split())
    code, said = bench.run("provision", bench.device, "--print-map", "--json")
    assert (code, json.loads(said)) == (
        0, {"device_id": first["device_id"], **tomllib.loads(MAP)}
    )  # fmt: skip


def test_who_changed_what_stands_in_the_log(bench: Bench) -> None:
    """The run that was open says who; the next one, setting by setting, what."""
    bench.provision()
    logs = bench.pulled()

    before, after = (check(bench.folder / log["path"]) for log in logs[-2:])
    written = [event for event in before.events if isinstance(event, ProfileWritten)]
    assert [(event.actor, event.purpose_name) for event in written] == [("E. Kim", "provision")]
    assert written[0].note.startswith("name DL-SIM-01 to DL-0007")
    assert [event.state for event in before.events if isinstance(event, LockEvent)] == [2]
    assert before.findings("keys-replaced") != []
    changed = {event.section for event in after.events if isinstance(event, SettingEvent)}
    assert changed >= {17, 19}


def test_who_says_no_name_is_named_as_this_computer_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An audited change is nobody's never."""
    monkeypatch.setenv("LOGNAME", "k.olsen")
    (bench.folder / "map.toml").write_text(MAP)
    assert bench.run("provision", bench.device, "--map", "map.toml")[0] == 0
    events = check(bench.folder / bench.pulled()[-2]["path"]).events
    assert [event.actor for event in events if isinstance(event, ProfileWritten)] == ["k.olsen"]


def test_new_keys_are_of_both_and_void_the_old(bench: Bench) -> None:
    """A claimed board gives its owner alone new keys, on request; the label has the new key."""
    first = bench.provision()
    code, said = bench.run("provision", bench.device, "--map", "map.toml", "--new-keys", "--json")
    assert code == 0, said
    second = json.loads(said)

    assert second["new_keys"] is True
    assert second["fingerprint"] != first["fingerprint"]
    stranger = CliRunner().invoke(
        cli.app, ["provision", bench.device, "--map", "map.toml", "--new-keys", "--keys", "other"]
    )
    assert stranger.exit_code == ExitCode.DEVICE
    assert "admin" in stranger.output
    assert bench.run("lock", bench.device)[0] == 0
    code, said = bench.run("provision", bench.device, "--map", "map.toml", "--new-keys")
    assert code == ExitCode.DEVICE
    assert "open it first" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MAP.replace('"T"', '"N"', 1), "probe[0].type"),
        (MAP.replace("terminal = 2", "terminal = 1"), "terminal 1 stands 2 times"),
    ],
)
def test_a_map_with_a_mistake_changes_nothing(bench: Bench, text: str, words: str) -> None:
    """It is named, and the board is not asked for anything."""
    (bench.folder / "map.toml").write_text(text)
    code, said = bench.run("provision", bench.device, "--map", "map.toml")
    assert code == ExitCode.USAGE
    assert words in said
    assert not (bench.folder / "keys").exists()


def test_a_broken_probe_can_be_left_out_although_rules_name_it(bench: Bench) -> None:
    """They judge the one that is left, and the command and the log say so."""
    without_first = MAP[: MAP.index("[[probe]]")] + MAP[MAP.rindex("[[probe]]") :]
    done = bench.provision(text=without_first)
    assert (
        "rule 1 (above -150 degC) no longer judges terminal 1, where no probe is"
        in (done["changes"])
    )
    code, said = bench.run("monitor", bench.device, "--once", "--json")
    rules = [rule["text"] for rule in json.loads(said)["rules"]]
    assert code == 0
    assert rules[0] == "above \u2212150 °C, probe 2"


@pytest.mark.parametrize(
    ("options", "text", "code"),
    [
        (("--keys", "file/keys"), MAP, ExitCode.STORAGE),
        (("--keys", "keys", "--label", "file/label.png"), MAP, ExitCode.STORAGE),
        (("--keys", "keys", "--certificate", "file/c.json"), MAP, ExitCode.STORAGE),
        (("--keys", "keys"), MAP.replace("DL-0007", "\u6db2" * 32), ExitCode.USAGE),
        (("--keys", "keys", "--label", "one", "--certificate", "./one"), MAP, ExitCode.USAGE),
        (("--keys", "keys", "--label", "map.toml"), MAP, ExitCode.USAGE),
        (("--keys", "keys", "--label", "run.dwl"), MAP, ExitCode.USAGE),
        (("--keys", "keys", "--certificate", "log"), MAP, ExitCode.USAGE),
    ],
)
def test_what_cannot_be_kept_or_put_in_force_is_refused_before_the_board_is_changed(
    bench: Bench, options: tuple[str, ...], text: str, code: ExitCode
) -> None:
    """No key is made, nobody has claimed it, and its run goes on: keys, papers, label."""
    (bench.folder / "file").write_text("no folder")
    (bench.folder / "log").write_bytes(layout.BLOCK_MAGIC + b"evidence")
    (bench.folder / "map.toml").write_text(text)
    command = ["provision", bench.device, "--map", "map.toml", *options]
    result = CliRunner().invoke(cli.app, command)
    assert result.exit_code == code, result.output

    said, answer = bench.run("status", bench.device, "--json")
    now = json.loads(answer)
    assert (said, now["run"], now["boot"], now["claimed"]) == (0, 1, 0, False)
    assert not list((bench.folder / "keys").glob("*"))
    assert (bench.folder / "map.toml").read_text() == text
    assert (bench.folder / "log").read_bytes().endswith(b"evidence")


@pytest.mark.parametrize(
    ("module", "where", "note"),
    [
        (requests, "get_profile", ""),
        (requests, "await_boot", "the logger has new keys, which no computer has. Run"),
        (requests, "await_restart", "which no computer has; it may have its new profile. Run"),
        (ownership, "take_all", "which no computer has; it has its new profile. Run"),
        (certificate, "write_certificate", "and this computer has its keys; its papers are not"),
    ],
)
def test_what_is_done_already_is_told_and_the_next_command_does_the_rest(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, module: ModuleType, where: str, note: str
) -> None:
    """A cable that is pulled at any step: nothing is silent, and nothing is a dead end."""

    def pulled(*_: object) -> None:
        raise Unplugged(bench.device, "pulled")

    (bench.folder / "map.toml").write_text(MAP)
    with monkeypatch.context() as patch:
        patch.setattr(module, where, pulled)
        code, said = bench.run("provision", bench.device, "--map", "map.toml")
    said = " ".join(said.split())
    assert code == ExitCode.DEVICE
    assert ("note:" in said) == bool(note)
    assert note in said
    for _ in range(_TRIES_MOST):  # a person is slower than a board that starts again
        time.sleep(1)
        code, said = bench.run("provision", bench.device, "--map", "map.toml")
        if code == 0:
            break
    assert code == 0, said
    assert list(bench.folder.glob("*.certificate.json"))


@pytest.mark.parametrize("command", ["claim", "provision"])
def test_a_logger_whose_keys_cannot_be_kept_is_not_claimed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """It might lock itself at its next start, and nobody could open it."""

    def full(store: KeyStore, _keys: object) -> None:
        raise DiskFull(bench.folder, f"no room in {store}")

    (bench.folder / "map.toml").write_text(MAP)
    monkeypatch.setattr(KeyStore, "keep", full)
    options = ("--map", "map.toml") if command == "provision" else ()
    code, said = bench.run(command, bench.device, *options)
    assert code == ExitCode.STORAGE, said
    assert json.loads(bench.run("status", bench.device, "--json")[1])["claimed"] is False
