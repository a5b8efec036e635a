"""The commands of who may do what: claim, lock, unlock, keys, token, acknowledge."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from dewarlog import cli
from dewarlog.certificate import read_certificate
from dewarlog.cli import reach as cli_reach
from dewarlog.errors import ExitCode
from dewarlog.keys import BoardKeys, KeyStore
from dewarlog.replies import SealState
from dewarlog.tokens import make_token, read_tokens, time_caveats, write_tokens
from dewarlog_wire import events, layout, proof
from door_board import DEVICE_ID, DEVICE_KEY, LOG_ID, DoorLink
from memory_board import by_radio

if TYPE_CHECKING:
    from pathlib import Path

ID = DEVICE_ID.hex()
KEYS = {number: proof.derived_key(DEVICE_KEY, number) for number in layout.KEY_NAMES}
NAMES = ("--giver", "A", "--receiver", "B", "--role", "courier", "--place", "C")


class Desk:
    """A computer with a folder of keys, and the board that its every device name leads to."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.store = KeyStore(folder / "keys")
        self.link = DoorLink()
        monkeypatch.setattr("dewarlog.link.open_link", self._opened)
        monkeypatch.setattr("os.fsync", lambda handle: None)
        monkeypatch.chdir(folder)

    def _opened(self, name: str) -> DoorLink:
        self.link.open()
        if name.startswith("ble:"):
            by_radio(self.link)
        else:
            self.link.server._in_hand = True  # noqa: SLF001 - as memory_board.by_radio
            self.link.server.drop()
            self.link.name = "usb:memory"
        return self.link

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run a command with this computer's keys; return its exit code and all it said."""
        keys = () if arguments[:2] in _WITHOUT_KEYS else ("--keys", str(self.store.root))
        result = CliRunner().invoke(cli.app, [*arguments, *keys])
        for secret in KEYS.values():
            assert secret.hex() not in result.output
        return result.exit_code, " ".join(result.output.split())

    def json(self, *arguments: str) -> tuple[int, Any]:
        """Run it with --json."""
        keys = () if arguments[:2] in _WITHOUT_KEYS else ("--keys", str(self.store.root))
        result = CliRunner().invoke(cli.app, [*arguments, *keys, "--json"])
        for secret in KEYS.values():
            assert secret.hex() not in result.output
        return result.exit_code, json.loads(result.stdout)


_WITHOUT_KEYS = (("token", "narrow"), ("token", "show"))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Sit at a computer that holds nothing yet."""
    return Desk(tmp_path, monkeypatch)


# --- claim ---------------------------------------------------------------------------------------
def test_claim_takes_every_key_and_writes_the_certificate(desk: Desk) -> None:
    """The board knows afterwards that it is claimed; a fingerprint is there to compare."""
    code, output = desk.run("claim", "usb:x")

    assert (code, desk.link.door.lock.is_claimed) == (0, True)
    public_key = desk.link.door.signing_key().public_key().public_bytes_raw()
    assert desk.store.of(DEVICE_ID) == BoardKeys(
        DEVICE_ID,
        courier=KEYS[layout.KEY_COURIER],
        receipt=KEYS[layout.KEY_RECEIPT],
        reader=KEYS[layout.KEY_READER],
        admin=KEYS[layout.KEY_ADMIN],
        seal=SealState(*(desk.link.door.seal_key() or (0, b""))),
        public_key=public_key,
    )
    certificate = read_certificate(desk.folder / f"dewarlog-{ID}.certificate.json")
    assert (certificate.device_id, certificate.public_key) == (DEVICE_ID, public_key)
    assert certificate.fingerprint in output


def test_claim_by_radio_is_refused_before_the_air_is_touched(desk: Desk) -> None:
    """A logger gives its keys through the cable."""
    code, output = desk.run("claim", "ble:0708")

    assert (code, desk.link.opens) == (ExitCode.USAGE, 0)
    assert "through the USB cable only" in output


def test_a_key_that_does_not_prove_what_it_is_for_is_not_kept(desk: Desk) -> None:
    """Nor is a certificate written."""
    desk.link.lie = lambda kind, reply: bytes(32) if kind == layout.MSG_KEY else reply

    assert desk.run("claim", "usb:x")[0] == ExitCode.DEVICE
    assert desk.store.boards() == []
    assert list(desk.folder.glob("*.json")) == []


def test_keys_held_before_are_back_where_others_prove_nothing(desk: Desk) -> None:
    """What was good is not given for what is not."""
    assert desk.run("claim", "usb:x")[0] == 0
    [board] = desk.store.boards()
    held = desk.store.of(board)
    desk.link.lie = lambda kind, reply: bytes(32) if kind == layout.MSG_KEY else reply

    assert desk.run("claim", "usb:x")[0] == ExitCode.DEVICE
    assert desk.store.of(board) == held


# --- lock ----------------------------------------------------------------------------------------
def test_lock_and_unlock_take_the_admin_key(desk: Desk) -> None:
    """Without it the next step is named, and nothing happens."""
    code, output = desk.run("lock", "usb:x")
    assert (code, desk.link.door.lock.is_locked) == (ExitCode.DEVICE, False)
    assert "Claim it first: `dewarlog claim usb:PORT`" in output

    desk.run("claim", "usb:x")
    assert desk.run("lock", "usb:x") == (0, f"Logger {ID} is locked.")
    assert desk.link.door.lock.is_locked
    assert desk.json("status", "usb:x")[1]["locked"] is True
    assert desk.json("unlock", "usb:x") == (0, {"device_id": ID, "locked": False})
    assert not desk.link.door.lock.is_locked


def test_a_locked_board_can_be_claimed_again_by_who_holds_its_admin_key(desk: Desk) -> None:
    """And by nobody else."""
    desk.run("claim", "usb:x")
    desk.run("lock", "usb:x")

    assert desk.run("claim", "usb:x")[0] == 0
    desk.store.forget(DEVICE_ID)
    code, output = desk.run("claim", "usb:x")
    assert (code, "is locked: KEY takes the admin key" in output) == (ExitCode.DEVICE, True)


# --- a stranger, and a courier with a token ------------------------------------------------------
def test_a_stranger_by_radio_gets_nothing_of_a_locked_board_but_its_status(desk: Desk) -> None:
    """And is told whom to ask."""
    desk.link.door.lock.is_claimed = desk.link.door.lock.is_locked = True

    code, output = desk.run("pull", "ble:0708", "--archive", str(desk.folder / "a"))

    assert code == ExitCode.DEVICE
    assert "is locked: LIST takes the reader key, or more, and this computer has none" in output
    assert list(desk.folder.rglob("*.dwl")) == []
    code, output = desk.run("status", "ble:0708")
    assert (code, "locked: keys or a token are asked for" in output) == (0, True)


def courier_with(desk: Desk, *caveats: bytes, days: int = 14) -> Path:
    """Write a token file; the board is locked, and its clock is this computer's."""
    now_s = cli_reach.host_time(0)[0]
    desk.link.door.lock.is_claimed = desk.link.door.lock.is_locked = True
    desk.link.door.utc_s = now_s
    ends = time_caveats(None, now_s + days * 86_400)
    holder = [bytes((layout.CAVEAT_HOLDER, 3)) + b"Ana"]
    role = layout.KEY_COURIER
    file = desk.folder / "ana.json"
    made = make_token(DEVICE_ID, role, KEYS[role], bytes(8), [*holder, *ends, *caveats])
    write_tokens(file, [made])
    return file


def test_a_couriers_computer_hands_over_by_its_token_alone(desk: Desk) -> None:
    """Every command uses it by itself, and says that it did."""
    file = courier_with(desk)
    assert desk.run("token", "add", str(file))[0] == 0
    archive = ("--archive", str(desk.folder / "a"))

    code, output = desk.run("handoff", "ble:0708", *NAMES, *archive)
    assert code == ExitCode.USE
    assert "proven by the token of Ana, until " in output
    assert len(desk.link.door.handoffs) == 1
    code, data = desk.json("pull", "ble:0708", *archive)
    assert (code, data["proven_by"].startswith("token of Ana")) == (0, True)
    assert "Proven: by the token of Ana" in desk.run("status", "ble:0708")[1]


def test_an_expired_token_is_refused_where_it_is_added(desk: Desk) -> None:
    """And where it expired since, that is said before the air is touched."""
    file = courier_with(desk, days=-1)

    code, output = desk.run("token", "add", str(file))

    assert (code, "it has expired. Nothing was kept" in output) == (ExitCode.NO_DATA, True)
    desk.store.keep_token(read_tokens(file)[0])
    code, output = desk.run("pull", "ble:dewarlog-0708", "--archive", str(desk.folder / "a"))
    assert code == ExitCode.DEVICE
    assert "cannot be used: it has expired. Going on without." in output
    assert "this computer has none: the token of Ana" in output
    assert desk.run("token", "show", str(file))[0] == ExitCode.NO_DATA


def test_with_a_token_no_secret_is_asked_for_in_the_clear(desk: Desk) -> None:
    """--secret without a key: nothing of the log is asked for."""
    code, output = desk.run("pull", "ble:0708", "--secret", "--archive", str(desk.folder / "a"))

    assert (code, "--secret cannot be had" in output) == (ExitCode.DEVICE, True)
    assert desk.link.kinds_sent[0] == layout.MSG_HELLO
    assert layout.MSG_LIST not in desk.link.kinds_sent


# --- token make, narrow, show --------------------------------------------------------------------
def test_a_token_is_made_from_a_key_that_is_held(desk: Desk) -> None:
    """Mode 0600; the end of the id is enough where the keys are here."""
    desk.run("claim", "usb:x")
    options = ("--device", "0708", "--days", "3", "--holder", "Ana", "--log", LOG_ID.hex())

    code, output = desk.run("token", "make", *options, "--may", "read", "-o", "t.json")

    assert (code, "may read" in output, "Holder: Ana" in output) == (0, True, True)
    assert stat.S_IMODE((desk.folder / "t.json").stat().st_mode) == 0o600
    (token,) = read_tokens(desk.folder / "t.json")
    assert token.values(layout.CAVEAT_LOG) == [LOG_ID]
    assert (token.role, token.may) == (layout.KEY_COURIER, layout.MAY_READ)
    assert token.why_not(DEVICE_ID, cli_reach.host_time(0)[0] + 2 * 86_400) is None
    assert token.why_not(DEVICE_ID, cli_reach.host_time(0)[0] + 4 * 86_400) == "it has expired"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--device", ID), "does not hold the courier key"),
        (("--device", "4b2f"), "no logger whose keys are here ends with '4b2f'"),
        (("--device", "zz" * 8), "is not 16 hex digits"),
        (("--device", ID, "--role", "receipt"), "is none of courier, reader, admin"),
        (("--device", ID, "--may", "fly"), "is none of read, record"),
        (("--device", ID, "--log", "12"), "is not 16 hex digits"),
        (("--device", ID, "--holder", "x" * 33), "1 to 32 bytes"),
    ],
)
def test_a_token_that_cannot_be_made_is_not_written(
    desk: Desk, options: tuple[str, ...], said: str
) -> None:
    """The sentence says what is wrong."""
    code, output = desk.run("token", "make", *options, "-o", "t.json")

    assert code in (ExitCode.USAGE, ExitCode.DEVICE)
    assert said in output.replace("\u2502 ", "")
    assert not (desk.folder / "t.json").exists()


def test_a_token_is_narrowed_without_a_key(desk: Desk) -> None:
    """The board takes the narrower one for what is left of it."""
    file = courier_with(desk)

    code, data = desk.json("token", "narrow", str(file), "--may", "read", "-o", "less.json")

    assert (code, "secret" in data["tokens"][0]) == (0, False)
    desk.run("token", "add", "less.json")
    assert desk.run("pull", "ble:0708", "--archive", str(desk.folder / "a"))[0] == 0
    code, output = desk.run("radio", "ble:0708", "off")
    assert (code, "this computer has none: it has the token of Ana" in output) == (5, True)
    assert desk.run("token", "narrow", str(file), "-o", "x.json")[0] == ExitCode.USAGE


# --- keys ----------------------------------------------------------------------------------------
def test_keys_lists_what_is_held_and_where_never_a_secret(desk: Desk) -> None:
    """Boards and tokens; --forget removes all of one."""
    assert "holds no key" in desk.run("keys")[1]
    file = courier_with(desk)
    desk.link.door.lock.is_locked = False
    desk.run("claim", "usb:x")
    desk.run("token", "add", str(file))

    code, data = desk.json("keys")

    (board,), (token,) = data["boards"], data["tokens"]
    assert (code, board["device_id"], token["holder"]) == (0, ID, "Ana")
    assert board["keys"] == [
        *("courier", "receipt", "reader", "admin"),
        "seals from 41 on",
        "public key",
    ]
    assert board["place"] == str(desk.store.path(DEVICE_ID))
    assert "secret" not in token
    desk.run("keys", "--forget", ID)
    assert "holds no key" in desk.run("keys")[1]


# --- pair ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("role", ["reader", "courier", "admin"])
def test_pair_takes_the_key_of_the_role_asked_for(desk: Desk, role: str) -> None:
    """And leaves the others that are held as they are."""
    desk.store.keep(BoardKeys(DEVICE_ID, receipt=KEYS[layout.KEY_RECEIPT]))

    assert desk.run("pair", "usb:x", "--role", role)[0] == 0

    assert desk.store.of(DEVICE_ID).held == (
        ["receipt", role] if role != "courier" else ["courier", "receipt"]
    )
    assert desk.run("pair", "usb:x", "--role", "receipt")[0] == ExitCode.USAGE


# --- acknowledge ---------------------------------------------------------------------------------
def test_acknowledge_records_what_was_seen_by_whom(desk: Desk) -> None:
    """The state the board has now stands in the record."""
    desk.link.door.state = layout.STATUS_RECORDING | layout.STATUS_HELD

    code, output = desk.run("acknowledge", "usb:x", "--actor", "S. Haddad", "--note", "called")

    assert (code, "S. Haddad has seen: hold." in output) == (0, True)
    (body,) = desk.link.door.acknowledged
    state, _utc_s, actor, note = events.read_texts_body(layout.KIND_ACKNOWLEDGE, body)
    assert (state, actor, note) == (desk.link.door.state, "S. Haddad", "called")


@pytest.mark.parametrize("option", ["--actor", "--note"])
def test_a_text_that_is_too_long_is_wrong_use(desk: Desk, option: str) -> None:
    """Before the port is opened."""
    texts = {"--actor": "A", "--note": "B"} | {option: "x" * 77}
    arguments = [part for pair in texts.items() for part in pair]

    assert desk.run("acknowledge", "usb:x", *arguments)[0] == ExitCode.USAGE
    assert desk.link.opens == 0


# --- sign ----------------------------------------------------------------------------------------
def test_pull_sign_brings_a_signature_with_the_log(desk: Desk) -> None:
    """The event stands in the log that was pulled; a board that signs nothing is no failure."""
    archive = ("--archive", str(desk.folder / "a"))
    code, data = desk.json("pull", "usb:x", "--sign", *archive)

    assert (code, data["signed"], data["not_signed"]) == (0, True, None)
    (log,) = (desk.folder / "a").rglob("*.dwl")
    (signature,) = desk.link.door.signatures
    assert signature in log.read_bytes()
    desk.link.door.signing_refused = True
    code, output = desk.run("pull", "usb:x", "--sign", *archive)
    assert (code, "note: not signed: a signature is worked on" in output) == (0, True)
