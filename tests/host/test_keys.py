"""Keys on this computer: kept for one user's eyes, taken over USB, and what they prove."""

from __future__ import annotations

import errno
import json
import os
import stat
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from dewarlog import cli
from dewarlog.errors import (
    DiskFull,
    ExitCode,
    Impostor,
    KeyDamaged,
    KeyExposed,
    KeyRefused,
    KeyringUnusable,
    PeerViolation,
    TokenDamaged,
)
from dewarlog.keys import BoardKeys, KeyStore, default_keys_root
from dewarlog.proven import Credential
from dewarlog.replies import SealState
from dewarlog.session import Session
from dewarlog.shelf import system_keyring
from dewarlog_wire import layout, proof
from door_board import DEVICE_ID, DEVICE_KEY, DoorLink
from memory_board import by_radio

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COURIER = proof.derived_key(DEVICE_KEY, layout.KEY_COURIER)
RECEIPT = proof.derived_key(DEVICE_KEY, layout.KEY_RECEIPT)


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> DoorLink:
    """Put a board that records on every port."""
    link = DoorLink()

    def opened(_: str) -> DoorLink:
        link.open()
        return link

    monkeypatch.setattr("dewarlog.link.open_link", opened)
    return link


def run(*arguments: str) -> tuple[int, str]:
    """Run a command; return its exit code and all it said."""
    result = CliRunner().invoke(cli.app, list(arguments))
    return result.exit_code, result.output


# --- the store -----------------------------------------------------------------------------------
def test_keys_are_kept_for_one_user_and_found_again(tmp_path: Path) -> None:
    """A folder of mode 0700 and a file of mode 0600, whatever the umask."""
    store = KeyStore(tmp_path / "keys")
    before = os.umask(0)
    try:
        store.keep(BoardKeys(DEVICE_ID, COURIER, RECEIPT))
    finally:
        os.umask(before)

    assert KeyStore(tmp_path / "keys").of(DEVICE_ID) == BoardKeys(DEVICE_ID, COURIER, RECEIPT)
    assert stat.S_IMODE(store.root.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in store.root.iterdir()] == [0o600]


def test_a_board_without_a_key_here_has_none(tmp_path: Path) -> None:
    """Nothing is made for asking."""
    store = KeyStore(tmp_path / "keys")

    assert store.of(DEVICE_ID) == BoardKeys(DEVICE_ID)
    assert not store.root.exists()


def test_keys_never_show_when_printed() -> None:
    """A traceback or a log line tells which there are, not what they are."""
    shown = repr(BoardKeys(DEVICE_ID, COURIER))

    assert shown == f"BoardKeys({DEVICE_ID.hex()}: courier)"
    assert COURIER.hex() not in shown


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
def test_a_key_that_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    """The sentence names file and permissions, and what to do; nothing is repaired in silence."""
    store = KeyStore(tmp_path / "keys")
    store.keep(BoardKeys(DEVICE_ID, COURIER))
    store.path(DEVICE_ID).chmod(mode)

    with pytest.raises(KeyExposed, match=f"permissions are 0{mode:o}.*to 0600"):
        store.of(DEVICE_ID)

    assert stat.S_IMODE(store.path(DEVICE_ID).stat().st_mode) == mode


def test_a_folder_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    """Who can enter it can put another key in its place."""
    store = KeyStore(tmp_path / "keys")
    store.keep(BoardKeys(DEVICE_ID, COURIER))
    store.root.chmod(0o755)

    with pytest.raises(KeyExposed, match=r"keys in this folder \(its permissions are 0755"):
        store.of(DEVICE_ID)
    with pytest.raises(KeyExposed):
        store.keep(BoardKeys(DEVICE_ID, COURIER, RECEIPT))


def _sealed(data: bytes, index: bytes) -> bytes:
    """Give a key file a sealing state with that number."""
    more = b', "seal_state": "%s", "seal_index": %s}' % (b"ab" * 32, index)
    return data.rstrip(b"}\n") + more


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: b"[]",
        lambda data: data[:40],
        lambda data: data.replace(COURIER.hex().encode(), b"00ff"),
        lambda data: data.replace(COURIER.hex().encode(), b"zz" * 32),
        lambda data: data.replace(DEVICE_ID.hex().encode(), b"00" * 8),
        lambda data: b"[" * 100_000,
        lambda data: _sealed(data, b"Infinity"),
        lambda data: _sealed(data, b"0"),
        lambda data: _sealed(data, b"4294967296"),
        lambda data: _sealed(data, b"true"),
    ],
    ids=[
        *("empty", "a list", "cut", "short key", "no hex", "another logger's", "nested deep"),
        *("seal infinity", "seal 0", "seal beyond u32", "seal true"),
    ],
)
def test_a_damaged_key_file_is_named(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    """KeyDamaged, with what to do."""
    store = KeyStore(tmp_path / "keys")
    store.keep(BoardKeys(DEVICE_ID, COURIER))
    path = store.path(DEVICE_ID)
    path.write_bytes(change(path.read_bytes()))

    with pytest.raises(KeyDamaged, match="pair again"):
        store.of(DEVICE_ID)


def test_keys_have_a_place_of_their_own() -> None:
    """Unless a folder is named."""
    assert default_keys_root().parts[-2:] == ("dewarlog", "keys")


@pytest.mark.parametrize("name", ["ble:dewarlog-0708", "ble:0708", "ble:DEWARLOG-0708"])
def test_another_board_in_the_place_of_one_whose_key_is_here_is_an_impostor(
    tmp_path: Path, name: str
) -> None:
    """He says an id for which no key is here: else nothing would be proven, and nobody wonders."""
    store = KeyStore(tmp_path / "k")
    store.keep(BoardKeys(DEVICE_ID, COURIER))
    other = bytes(6) + DEVICE_ID[-2:]

    with pytest.raises(Impostor, match=f"logger {DEVICE_ID.hex()}, whose key or token is here"):
        store.credential_over(name, other, 0)

    assert store.credential_over(name, DEVICE_ID, 0) == store.credential(DEVICE_ID, 0)
    assert store.credential_over("ble:dewarlog-9999", other, 0) is None
    assert store.credential_over("ble:AA:BB:CC:DD:07:08", other, 0) is None
    assert store.credential_over("usb:/dev/ttyACM0708", other, 0) is None


# --- the keyring ---------------------------------------------------------------------------------
class MemoryKeyring:
    """A keyring in memory; `locked` makes it refuse as a system's library would."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], str] = {}
        self.locked = False
        self.asked = 0

    def _open(self) -> None:
        self.asked += 1
        if self.locked:
            raise RuntimeError("org.freedesktop.Secret.Error.IsLocked")

    def get_password(self, service: str, username: str) -> str | None:
        """Return a secret."""
        self._open()
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep one."""
        self._open()
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        """Forget one."""
        self._open()
        del self.held[service, username]


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give this user a folder of his own for what has no other place."""
    monkeypatch.setattr("dewarlog.keys.default_keys_root", lambda: tmp_path / "home")
    return tmp_path / "home"


def test_keys_stand_in_the_keyring_where_there_is_one(at_home: Path) -> None:
    """On the disk stands only the name of whose they are."""
    ring = MemoryKeyring()
    keys = BoardKeys(DEVICE_ID, COURIER, RECEIPT, seal=SealState(7, bytes(32)))

    KeyStore(keyring=lambda: ring).keep(keys)

    store = KeyStore(keyring=lambda: ring)
    assert (store.of(DEVICE_ID), store.place(DEVICE_ID)) == (keys, "keyring")
    on_disk = b"".join(path.read_bytes() for path in at_home.iterdir())
    assert on_disk == f'["{DEVICE_ID.hex()}"]'.encode()
    assert store.boards() == [DEVICE_ID]
    store.forget(DEVICE_ID)
    assert (ring.held, store.boards()) == ({}, [])


def test_keys_from_a_file_move_into_the_keyring_when_they_are_kept_again(at_home: Path) -> None:
    """The file with the secret is gone then."""
    KeyStore(keyring=lambda: None).keep(BoardKeys(DEVICE_ID, COURIER))
    ring = MemoryKeyring()
    store = KeyStore(keyring=lambda: ring)
    assert store.of(DEVICE_ID).courier == COURIER
    assert ring.asked == 0

    store.keep(BoardKeys(DEVICE_ID, COURIER, RECEIPT))

    assert not store.path(DEVICE_ID).exists()
    assert store.of(DEVICE_ID).receipt == RECEIPT


@pytest.mark.parametrize("gone", [True, False], ids=["no keyring here", "locked"])
def test_keys_in_a_keyring_that_cannot_be_used_are_an_error_not_none(
    at_home: Path, *, gone: bool
) -> None:
    """A proof is never left out in silence; the sentence names the ways out."""
    ring = MemoryKeyring()
    KeyStore(keyring=lambda: ring).keep(BoardKeys(DEVICE_ID, COURIER))
    ring.locked = True
    store = KeyStore(keyring=lambda: None if gone else ring)

    with pytest.raises(KeyringUnusable, match=r"Unlock it.*`--keys FOLDER`") as caught:
        store.credential(DEVICE_ID, 0)

    assert caught.value.exit_code is ExitCode.STORAGE
    with pytest.raises(KeyringUnusable):
        store.keep(BoardKeys(DEVICE_ID, COURIER))


@pytest.mark.parametrize(
    "names",
    ['["../../x"]', '["\\u0000"]', '["\\ud800"]', "[null]", '{"a": 1}', "7", "[" * 100_000],
)
def test_a_damaged_list_of_names_is_refused_before_a_file_is_touched(
    at_home: Path, names: str
) -> None:
    """Whatever stands there would become the name of a file."""
    ring = MemoryKeyring()
    KeyStore(keyring=lambda: ring).keep(BoardKeys(DEVICE_ID, COURIER))
    (at_home / "keyring.json").write_text(names)

    with pytest.raises(KeyDamaged, match="does not name"):
        KeyStore(keyring=lambda: ring).of(DEVICE_ID)


def test_a_kept_token_nested_deep_is_refused(tmp_path: Path) -> None:
    """TokenDamaged, as for whatever else is no token."""
    store = KeyStore(tmp_path / "keys")
    store.keep(BoardKeys(DEVICE_ID, COURIER))
    path = store.root / f"token-{DEVICE_ID.hex()}-{'00' * 8}.json"
    path.write_text("[" * 100_000)
    path.chmod(0o600)

    with pytest.raises(TokenDamaged):
        store.tokens(DEVICE_ID)


def test_a_key_that_the_keyring_has_lost_is_an_error_and_can_be_forgotten(at_home: Path) -> None:
    """Another backend, or somebody who emptied it: never 'this computer has no key'."""
    ring = MemoryKeyring()
    store = KeyStore(keyring=lambda: ring)
    store.keep(BoardKeys(DEVICE_ID, COURIER))
    ring.held.clear()

    with pytest.raises(KeyringUnusable, match=r"`dewarlog keys --forget ID`"):
        store.credential(DEVICE_ID, 0)

    store.forget(DEVICE_ID)
    assert store.credential(DEVICE_ID, 0) is None
    assert at_home.exists()


def test_a_keyring_that_refuses_a_key_is_not_said_to_hold_it(at_home: Path) -> None:
    """The name that was written first is taken back."""
    ring = MemoryKeyring()
    ring.locked = True
    store = KeyStore(keyring=lambda: ring)
    with pytest.raises(KeyringUnusable):
        store.keep(BoardKeys(DEVICE_ID, COURIER))

    assert store.credential(DEVICE_ID, 0) is None
    assert at_home.exists()


def test_a_full_disk_leaves_no_part_of_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither under its name nor under the one it is written by."""

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DiskFull):
        KeyStore(tmp_path / "k").keep(BoardKeys(DEVICE_ID, COURIER))

    assert list((tmp_path / "k").iterdir()) == []


@pytest.mark.parametrize("index", [0, -1, 1 << 32, True, "7", 7.0, None])
def test_an_index_no_board_has_is_no_key(tmp_path: Path, index: object) -> None:
    """It would be counted from."""
    store = KeyStore(tmp_path / "k")
    store.keep(BoardKeys(DEVICE_ID, seal=SealState(7, bytes(32))))
    path = store.path(DEVICE_ID)
    path.write_text(json.dumps({**json.loads(path.read_text()), "seal_index": index}))

    with pytest.raises(KeyDamaged):
        store.of(DEVICE_ID)


def test_a_folder_that_is_named_is_used_and_no_keyring(at_home: Path, tmp_path: Path) -> None:
    """--keys FOLDER is the way out of a keyring that cannot be used."""
    ring = MemoryKeyring()
    ring.locked = True

    KeyStore(tmp_path / "k", keyring=lambda: ring).keep(BoardKeys(DEVICE_ID, COURIER))

    assert (ring.asked, at_home.exists()) == (0, False)
    assert (tmp_path / "k" / f"{DEVICE_ID.hex()}.json").exists()


def test_what_keeps_no_secret_is_no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's null and fail backends; and a chain of them."""
    import keyring
    from keyring.backends import fail, null

    class Chain:
        backends = (null.Keyring(), fail.Keyring())

    for backend in (null.Keyring(), fail.Keyring(), Chain()):
        monkeypatch.setattr(keyring, "get_keyring", lambda backend=backend: backend)
        assert system_keyring() is None
    ours = MemoryKeyring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: ours)
    assert system_keyring() is ours


def test_every_key_is_kept_and_none_shows(tmp_path: Path) -> None:
    """Roles, sealing state and public key."""
    keys = BoardKeys(
        DEVICE_ID,
        courier=b"c" * 32,
        receipt=b"r" * 32,
        reader=b"e" * 32,
        admin=b"a" * 32,
        seal=SealState(9, b"s" * 32),
        public_key=b"p" * 32,
    )
    store = KeyStore(tmp_path / "k")
    store.keep(keys)

    assert store.of(DEVICE_ID) == keys
    assert repr(keys).endswith("courier, receipt, reader, admin, seals from 9 on, public key)")
    assert repr(b"s" * 32) not in repr(keys) + repr(keys.seal)


# --- pair ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("receipts", [False, True])
def test_pair_takes_the_keys_it_was_asked_to_take(
    board: DoorLink, tmp_path: Path, *, receipts: bool
) -> None:
    """The courier key, and the receipt key for those who check receipts; neither is printed."""
    options = ["--receipts"] if receipts else []
    code, output = run("pair", "usb:x", "--keys", str(tmp_path / "k"), *options)

    assert code == 0
    assert f"Paired with logger {DEVICE_ID.hex()}" in output
    assert COURIER.hex() not in output
    expected = BoardKeys(DEVICE_ID, COURIER, RECEIPT if receipts else None)
    assert KeyStore(tmp_path / "k").of(DEVICE_ID) == expected


def test_pairing_again_tells_that_the_key_is_another(board: DoorLink, tmp_path: Path) -> None:
    """And that the receipt key held is of the one before."""
    keys = ("--keys", str(tmp_path / "k"))
    run("pair", "usb:x", *keys, "--receipts")
    board.door.device_key = bytes(32)

    _, output = run("pair", "usb:x", *keys)

    assert "it had another key before" in output
    assert "the receipt key held is older" in output
    _, data = run("pair", "usb:x", *keys, "--json")
    assert json.loads(data)["changed"] is False


def test_a_logger_gives_no_key_over_the_air(board: DoorLink, tmp_path: Path) -> None:
    """Its own refusal, in words; nothing is kept."""
    by_radio(board)

    code, output = run("pair", "usb:x", "--keys", str(tmp_path / "k"))

    assert (code, "that is done over the USB port only" in output) == (ExitCode.DEVICE, True)
    assert not (tmp_path / "k").exists()


def test_a_key_that_does_not_prove_what_it_is_for_is_not_kept(
    board: DoorLink, tmp_path: Path
) -> None:
    """A logger that gives something else than its key is found out at once."""
    board.lie = lambda kind, reply: bytes(32) if kind == layout.MSG_KEY else reply

    code, _ = run("pair", "usb:x", "--keys", str(tmp_path / "k"))

    assert code == ExitCode.DEVICE
    assert not (tmp_path / "k").exists()


# --- the mutual proof ----------------------------------------------------------------------------
def greeted(link: DoorLink, secret: bytes | None) -> Session:
    """Say HELLO with this key in hand."""
    held = None if secret is None else Credential(layout.KEY_COURIER, secret, b"", "courier key")
    session = Session(link, clock=link.clock, credentials=lambda _: held)
    session.hello()
    return session


def test_the_right_key_proves_both_sides() -> None:
    """Again at every HELLO; without a key nothing is asked."""
    assert greeted(DoorLink(), COURIER).proven
    link = DoorLink()
    assert not greeted(link, None).proven
    assert link.kinds_sent == [layout.MSG_HELLO]


def test_a_logger_that_does_not_take_our_key_ends_the_conversation() -> None:
    """KeyRefused says what both sides may be, and what to do."""
    with pytest.raises(KeyRefused, match="pair again over USB"):
        greeted(DoorLink(), bytes(32))


def test_an_old_proof_proves_nothing() -> None:
    """One that was heard in another conversation: the nonces are others."""
    heard: list[bytes] = []

    def listen(kind: int, reply: bytes) -> bytes:
        heard.extend([reply] if kind == layout.MSG_AUTH else [])
        return reply

    honest = DoorLink()
    honest.lie = listen
    greeted(honest, COURIER)
    link = DoorLink()
    link.lie = lambda kind, reply: heard[0] if kind == layout.MSG_AUTH else reply

    with pytest.raises(Impostor, match="not the logger it says it is"):
        greeted(link, COURIER)


def test_a_proof_that_repeats_ours_proves_nothing() -> None:
    """Host and board prove with other words, so that an echo is no proof."""
    link = DoorLink()

    said: list[bytes] = []
    send = link.send

    def listen(kind: int, seq: int, body: bytes) -> None:
        said.extend([body] if kind == layout.MSG_AUTH else [])
        send(kind, seq, body)

    def echo(kind: int, reply: bytes) -> bytes:
        return said[0][-proof.PROOF_BYTES :] if kind == layout.MSG_AUTH else reply

    link.send = listen  # type: ignore[method-assign]
    link.lie = echo

    with pytest.raises(Impostor):
        greeted(link, COURIER)


def test_a_logger_that_says_it_cannot_prove_itself_is_refused() -> None:
    """This computer was paired with one that can: the question is not dropped."""
    link = DoorLink()
    del link.server._handlers[layout.MSG_AUTH]  # noqa: SLF001 - older firmware, or a stranger

    with pytest.raises(Impostor, match="will not prove it"):
        greeted(link, COURIER)


def test_a_proof_of_another_length_is_a_violation() -> None:
    """PeerViolation, as for every reply."""
    link = DoorLink()
    link.lie = lambda kind, reply: reply[:5] if kind == layout.MSG_AUTH else reply

    with pytest.raises(PeerViolation, match="auth_reply has 5 bytes"):
        greeted(link, COURIER)


# --- radio ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "sent", "said"),
    [
        (["off"], (0, 0), "off (flight mode)"),
        (["off", "--minutes", "90"], (0, 90), "off for 1 h 30 min (flight mode)"),
        (["on"], (1, 0), "on"),
    ],
)
def test_radio_switches_flight_mode(
    board: DoorLink, arguments: list[str], sent: tuple[int, int], said: str
) -> None:
    """State and minutes reach the board; the answer says what is so now."""
    code, output = run("radio", "usb:x", *arguments)

    assert (code, board.door.radio_told) == (0, sent)
    assert output.strip().endswith(said)


@pytest.mark.parametrize("arguments", [["maybe"], ["off", "--minutes", "70000"]])
def test_radio_refuses_what_is_no_state(board: DoorLink, arguments: list[str]) -> None:
    """Before anything is sent."""
    assert run("radio", "usb:x", *arguments)[0] == ExitCode.USAGE
    assert board.kinds_sent == []
