"""What a receipt proves, by which key, and what it does not; a changed field is named."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from dewarlog import cli
from dewarlog.errors import ExitCode, ReceiptDamaged
from dewarlog.keys import BoardKeys, KeyStore
from dewarlog.receipt import Receipt, judge_receipt, read_receipt, write_receipt
from dewarlog_wire import layout, proof
from dewarlog_wire.events import handoff_body
from door_board import DEVICE_ID, DEVICE_KEY, DoorLink, GrowingStore
from log_writer import LogWriter
from trips import trip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECEIPT = proof.derived_key(DEVICE_KEY, layout.KEY_RECEIPT)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Hand a dewar over; return the receipt."""
    monkeypatch.setattr("os.fsync", lambda handle: None)
    monkeypatch.setattr("dewarlog.link.open_link", lambda _: DoorLink())
    names = ("--giver", "A. Jansen", "--receiver", "S. Haddad", "--role", "depot")
    places = ("--place", "Dock 2", "--archive", str(tmp_path / "archive"), "--keys", str(tmp_path))
    assert CliRunner().invoke(cli.app, ["handoff", "usb:x", *names, *places]).exit_code == 0
    (path,) = tmp_path.rglob("*.handoff-*.json")
    return path


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Hold the receipt key of the board."""
    store = KeyStore(tmp_path / "keys")
    store.keep(BoardKeys(DEVICE_ID, None, RECEIPT))
    return store.root


def run(*arguments: str) -> tuple[int, str]:
    """Run `dewarlog receipt`; return its exit code and all it said."""
    result = CliRunner().invoke(cli.app, ["receipt", *arguments])
    return result.exit_code, " ".join(result.output.split())


def change(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change a receipt as somebody with an editor would."""
    fields = json.loads(path.read_text())
    edit(fields)
    path.chmod(0o644)
    path.write_text(json.dumps(fields, indent=2))


def told(receipt: Receipt, **fields: Any) -> Receipt:  # noqa: ANN401 - any field of the event
    """Rewrite what a receipt tells, consistently in every field, as a clever forger would."""
    handed = receipt.handoff
    new = replace(handed, **fields)
    texts = (new.giver, new.receiver, new.place)
    body = handoff_body(new.utc_s, new.verdict, new.role, new.blocks, new.chain, texts)
    return replace(receipt, body=body)


# --- a true one ----------------------------------------------------------------------------------
def test_with_log_and_key_everything_is_proved(made: Path, keys: Path) -> None:
    """By the log's chain and by the logger's receipt key, each named."""
    code, output = run(str(made), "--keys", str(keys))

    assert code == ExitCode.USE
    for part in (
        "From A. Jansen to S. Haddad (depot), Dock 2",
        "Proved - The log holds this handoff, word for word (event",
        "What was checked at the door is the beginning of this log, byte for byte.",
        "Logger 0102030405060708 made this receipt: its proof holds by the receipt key",
        "That the right logger was at the door: nothing proved that there",
        "Who typed the names",
        "Which file the log is in ('log'), and 'proven': the logger's proof does not cover these",
    ):
        assert part in output


def test_without_the_key_the_log_still_proves_the_record(made: Path, tmp_path: Path) -> None:
    """And what the key would prove is said to be open."""
    code, output = run(str(made), "--keys", str(tmp_path / "none"))

    assert code == ExitCode.USE
    assert "Not proved - That logger 0102030405060708 made this receipt: its receipt key" in output


def test_without_the_log_the_key_still_proves_the_receipt(
    made: Path, keys: Path, tmp_path: Path
) -> None:
    """A receipt that travelled alone."""
    alone = tmp_path / "alone.json"
    alone.write_bytes(made.read_bytes())

    code, output = run(str(alone), "--keys", str(keys))

    assert code == ExitCode.USE
    assert "Whether the log holds this handoff: no log is here; name it by --log." in output


def test_with_neither_there_is_nothing_to_judge(made: Path, tmp_path: Path) -> None:
    """Its fields agree, which proves nothing."""
    alone = tmp_path / "alone.json"
    alone.write_bytes(made.read_bytes())

    assert run(str(alone), "--keys", str(tmp_path / "none"))[0] == ExitCode.NO_DATA


def test_a_program_reads_what_is_proved_and_what_is_not(made: Path, keys: Path) -> None:
    """The same as data."""
    result = CliRunner().invoke(cli.app, ["receipt", str(made), "--keys", str(keys), "--json"])

    data = json.loads(result.stdout)
    assert (data["wrong"], len(data["proved"])) == ({}, 3)
    assert data["receipt"]["receiver"] == "S. Haddad"


def test_what_is_written_is_read_again(made: Path) -> None:
    """Byte for byte; and the file is read-only."""
    receipt = read_receipt(made)

    again = write_receipt(receipt, made.parent / receipt.log)

    assert (again, read_receipt(again)) == (made, receipt)
    assert made.stat().st_mode & 0o222 == 0


@pytest.mark.parametrize("proven", [True, False])
def test_the_proof_at_the_door_is_only_the_writers_word(made: Path, *, proven: bool) -> None:
    """The tag does not cover it: it is told among what is not proved."""
    receipt = replace(read_receipt(made), proven=proven)

    found = judge_receipt(receipt, RECEIPT, None)

    said = "of that there is only the word" if proven else "nothing proved that there"
    assert [text for text in found.open if said in text] != []


def test_a_receipt_never_takes_the_place_of_another(made: Path) -> None:
    """The same event of the same log, other words: beside it."""
    other = told(read_receipt(made), receiver="Somebody")

    path = write_receipt(other, made.parent / other.log)

    assert path.name == f"{made.stem}-2.json"
    assert read_receipt(made).handoff.receiver == "S. Haddad"


# --- a changed one -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("giver", "Somebody"),
        ("receiver", "Somebody"),
        ("role", "courier"),
        ("place", "Elsewhere"),
        ("verdict", "HOLD"),
        ("blocks", 2),
        ("chain", "00" * 32),
        ("unix_s", 1),
        ("text", ["All is well"]),
        ("proven", 1),
        ("proven", "yes"),
        ("log", 5),
        ("format", 3),
        ("run", -1),
        ("run", "7"),
        ("run", True),
        ("uptime_ms", 1000),
        ("tag", "00"),
        ("tag", "zz" * 32),
        ("device_id", None),
        ("log_id", "0011"),
        ("body", "00" * 20),
        ("extra", "word"),
    ],
)
def test_a_field_that_contradicts_the_others_is_named(
    made: Path, keys: Path, name: str, value: object
) -> None:
    """NOT INTACT, whether or not any key is here."""
    change(made, lambda fields: fields.__setitem__(name, value))

    code, output = run(str(made), "--keys", str(keys))

    assert code == ExitCode.NOT_INTACT
    assert f"its field {name!r} is wrong" in output


@pytest.mark.parametrize("name", ["text", "giver", "tag", "body", "run", "log", "proven"])
def test_a_field_that_is_missing_is_named(made: Path, name: str) -> None:
    """Nothing is filled in."""
    change(made, lambda fields: fields.pop(name))

    with pytest.raises(ReceiptDamaged) as caught:
        read_receipt(made)

    assert caught.value.field in (name, "text")


def test_a_field_that_stands_there_twice_is_named(made: Path) -> None:
    """Readers would take either."""
    made.chmod(0o644)
    made.write_text(made.read_text().replace('"run"', '"giver": "Somebody",\n  "run"', 1))

    with pytest.raises(ReceiptDamaged, match="it stands there twice") as caught:
        read_receipt(made)

    assert caught.value.field == "giver"


@pytest.mark.parametrize("data", [b"", b"[]", b"5", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_receipt_is_refused(tmp_path: Path, data: bytes) -> None:
    """With a sentence and the exit code, whatever it is."""
    path = tmp_path / "any.json"
    path.write_bytes(data)

    code, output = run(str(path))

    assert code == ExitCode.NOT_INTACT
    assert "this receipt proves nothing" in output


FORGERIES: dict[str, tuple[Callable[[Receipt], Receipt], str]] = {
    "receiver": (lambda one: told(one, receiver="Somebody"), "receiver"),
    "giver": (lambda one: told(one, giver="Somebody"), "giver"),
    "place": (lambda one: told(one, place="Elsewhere"), "place"),
    "verdict": (lambda one: told(one, verdict=1), "verdict"),
    "role": (lambda one: told(one, role=0), "role"),
    "time": (lambda one: told(one, utc_s=5), "utc_s"),
    "chain": (lambda one: told(one, chain=bytes(32)), "chain"),
    "run": (lambda one: replace(one, recorded=replace(one.recorded, run=8)), "run"),
    "number": (lambda one: replace(one, recorded=replace(one.recorded, number=1)), "number"),
    "uptime": (lambda one: replace(one, recorded=replace(one.recorded, uptime_s=1)), "uptime_s"),
    "device": (lambda one: replace(one, device_id=bytes(8)), "device_id"),
    "log": (lambda one: replace(one, log_id=bytes(8)), "log_id"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_clever_forgery_is_found_out_by_the_log(
    made: Path, tmp_path: Path, forgery: str
) -> None:
    """Every field agrees with every other; the log says otherwise, and in which field."""
    forge, name = FORGERIES[forgery]
    forged = write_receipt(forge(read_receipt(made)), tmp_path / "forged.dwl")
    log = made.parent / read_receipt(made).log

    code, output = run(str(forged), "--log", str(log), "--keys", str(tmp_path / "none"))

    assert code == ExitCode.NOT_INTACT
    assert f"Wrong - {name}: " in output


@pytest.mark.parametrize("forgery", [name for name in FORGERIES if name != "device"])
def test_a_clever_forgery_is_found_out_by_the_key(made: Path, forgery: str) -> None:
    """Without any log: the tag covers every field that says what happened."""
    forge, _ = FORGERIES[forgery]

    found = judge_receipt(forge(read_receipt(made)), RECEIPT, None)

    assert list(found.wrong) == ["tag"]
    assert found.proved == []


def test_a_forged_tag_is_found_out_by_the_key(made: Path, keys: Path) -> None:
    """The words are true, but this logger did not sign them."""
    change(made, lambda fields: fields.__setitem__("tag", "00" * 32))

    code, output = run(str(made), "--keys", str(keys))

    assert code == ExitCode.NOT_INTACT
    assert "Wrong - tag: it was not made with the receipt key of logger" in output


# --- the log -------------------------------------------------------------------------------------
def test_a_log_that_ends_before_the_record_leaves_it_open(made: Path, tmp_path: Path) -> None:
    """It was pulled earlier: nothing is wrong, and nothing is proved."""
    early = tmp_path / "early.dwl"
    early.write_bytes(GrowingStore().log_bytes(7))

    found = judge_receipt(read_receipt(made), None, early)

    assert (found.wrong, found.proved) == ({}, [])
    assert "early.dwl ends before it. Pull it again." in found.open[0]


def test_a_log_that_was_rewritten_since_is_found_out(made: Path, tmp_path: Path) -> None:
    """Another trip under the same names, the handoff put in: its head is not the one checked."""
    receipt = read_receipt(made)
    handed = receipt.handoff
    writer = trip(2, change=lambda *_: [], writer=LogWriter(channels=2), stop=False, gain=8)
    body = (
        *(handed.utc_s, handed.verdict, handed.role, handed.blocks, handed.chain),
        *(handed.giver, handed.receiver, handed.place),
    )
    writer.next_event = handed.number
    writer.events([(layout.KIND_HANDOFF, handed.uptime_ms, body)])
    log = tmp_path / "rewritten.dwl"
    log.write_bytes(writer.data)

    found = judge_receipt(receipt, RECEIPT, log)

    assert set(found.wrong) == {"log", "signed"}
    assert "the log's chain is not what was signed" in found.wrong["signed"]
    assert "is not intact" in found.wrong["log"]
    assert [text for text in found.proved if "log" in text.split(":")[0]] == []


def test_what_is_no_log_ends_with_the_exit_code_of_that(made: Path, tmp_path: Path) -> None:
    """Ten bytes of one."""
    other = tmp_path / "other.dwl"
    other.write_bytes(GrowingStore().log_bytes(7)[:10])

    assert run(str(made), "--log", str(other))[0] == ExitCode.NO_DATA
