"""Tokens: made from a key, narrowed, kept, judged before a logger is asked, and taken by one."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog.cli.reach import credentials_over
from dewarlog.errors import DewarlogError, KeyNeeded, TokenDamaged, TokenRefused
from dewarlog.keys import BoardKeys, KeyStore
from dewarlog.session import Session
from dewarlog.tokens import (
    Token,
    make_token,
    may_words,
    parse_token,
    read_tokens,
    time_caveats,
    write_tokens,
)
from dewarlog_wire import layout, proof
from dewarlog_wire.errors import TokenError
from dewarlog_wire.token import caveat, token_secret
from door_board import DEVICE_ID, DEVICE_KEY, LOG_ID, DoorLink
from memory_board import by_radio

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COURIER = proof.derived_key(DEVICE_KEY, layout.KEY_COURIER)
NOW_S = 800_000_000
DAY_S = 86_400
TOKEN_ID = bytes(range(50, 58))
HOLDER = caveat(layout.CAVEAT_HOLDER, b"Ana Silva")


def lent(*caveats: bytes, days: float | None = 14, role: int = layout.KEY_COURIER) -> Token:
    """Make a token for the board of door_board."""
    ends = [] if days is None else time_caveats(None, NOW_S + int(days * DAY_S))
    key = proof.derived_key(DEVICE_KEY, role)
    return make_token(DEVICE_ID, role, key, TOKEN_ID, [HOLDER, *ends, *caveats])


def may(bits: int) -> bytes:
    """Return the caveat that leaves only these."""
    return caveat(layout.CAVEAT_MAY, bytes((bits,)))


# --- what a token says ---------------------------------------------------------------------------
def test_a_token_says_who_has_it_for_what_and_until_when() -> None:
    """In a sentence and in lines; its secret in neither."""
    token = lent(may(layout.MAY_READ | layout.MAY_RECORD))

    said = " ".join((token.name, repr(token), *token.lines()))

    assert "token of Ana Silva, until 2045-05-" in token.name
    assert "may read, record" in said
    assert token.secret.hex() not in said
    assert repr(token.secret) not in said
    assert (token.token_id, token.holder, token.until_s) == (
        TOKEN_ID,
        "Ana Silva",
        NOW_S + 14 * DAY_S,
    )


def test_a_tokens_secret_follows_from_the_key_and_its_caveats() -> None:
    """As the board computes it from the caveats alone."""
    token = lent()

    assert token.secret == token_secret(COURIER, token.caveats)
    assert token.values(layout.CAVEAT_DEVICE) == [DEVICE_ID]


def test_narrowing_takes_no_key_and_gives_what_the_board_computes() -> None:
    """Each caveat behind the others; what was allowed only shrinks."""
    token = lent()
    narrower = token.narrowed([may(layout.MAY_READ), *time_caveats(None, NOW_S + DAY_S)])

    assert narrower.secret == token_secret(COURIER, narrower.caveats)
    assert (narrower.may, narrower.until_s) == (layout.MAY_READ, NOW_S + DAY_S)
    again = narrower.narrowed([may(31), *time_caveats(None, NOW_S + 99 * DAY_S)])
    assert (again.may, again.until_s) == (narrower.may, narrower.until_s)


def test_a_token_that_gets_too_long_is_refused() -> None:
    """192 bytes of caveats, as the board takes them."""
    token = lent()

    with pytest.raises(TokenError):
        token.narrowed([caveat(layout.CAVEAT_HOLDER, b"x" * 32)] * 5)


@pytest.mark.parametrize(
    ("utc_s", "device_id", "why"),
    [
        (NOW_S, DEVICE_ID, None),
        (NOW_S + 14 * DAY_S - 1, DEVICE_ID, None),
        (NOW_S + 14 * DAY_S, DEVICE_ID, "it has expired"),
        (NOW_S, bytes(8), "it is for another logger"),
        (NOW_S - 2 * DAY_S, DEVICE_ID, "it is not valid before"),
    ],
)
def test_what_can_be_known_here_is_known_before_a_logger_is_asked(
    utc_s: int, device_id: bytes, why: str | None
) -> None:
    """Its end, its begin and its board; the end itself is outside, as for the board."""
    found = lent(*time_caveats(NOW_S - DAY_S, None)).why_not(device_id, utc_s)

    assert (found is None) if why is None else (found or "").startswith(why)


def test_what_a_token_allows_is_named() -> None:
    """Nothing, too."""
    assert may_words(0) == "nothing"
    assert may_words(31) == "read, record, set, stop, keys"


# --- the file ------------------------------------------------------------------------------------
def test_a_token_file_is_for_one_users_eyes_and_reads_back(tmp_path: Path) -> None:
    """Mode 0600, also where a file of another mode stood; several boards in one file."""
    path = tmp_path / "ana.json"
    path.write_text("old")
    path.chmod(0o644)
    tokens = [lent(), make_token(bytes(8), layout.KEY_READER, bytes(32), TOKEN_ID, [])]

    write_tokens(path, tokens)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_tokens(path) == tokens


def damaged(change: Callable[[dict[str, Any]], object]) -> bytes:
    """Return a token file with one change in its token."""
    fields = lent().fields()
    change(fields)
    return json.dumps({"format": 1, "tokens": [fields]}).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format": 1, "tokens": []}',
        b'{"format": 2, "tokens": [1]}',
        b'{"format": 1, "tokens": [null]}',
        b"[" * 100_000,
        damaged(lambda fields: fields.pop("secret")),
        damaged(lambda fields: fields.update({"secret": "00"})),
        damaged(lambda fields: fields.update(role="receipt")),
        damaged(lambda fields: fields.update(caveats="")),
        damaged(lambda fields: fields.update(caveats=fields["caveats"][:-2])),
        damaged(lambda fields: fields.update(caveats=fields["caveats"] + "6301ff")),
        damaged(lambda fields: fields.update(device_id="00" * 8)),
        damaged(lambda fields: fields.update(device_id=[1])),
    ],
)
def test_a_damaged_token_is_named(tmp_path: Path, data: bytes) -> None:
    """TokenDamaged, with what to do; never anything else."""
    path = tmp_path / "t.json"
    path.write_bytes(data)

    with pytest.raises(TokenDamaged, match="Ask whoever made it for a new one"):
        read_tokens(path)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["device_id", "role", "caveats", "secret", "text", "x"]),
        _JSON | st.binary(max_size=210).map(bytes.hex),
        max_size=6,
    )
    | _JSON
)
def test_any_fields_are_a_token_or_are_refused(fields: object) -> None:
    """And nothing else happens."""
    from pathlib import Path

    try:
        token = parse_token(Path("t.json"), fields)
    except TokenDamaged:
        return
    assert token.lines()


# --- this computer's store -----------------------------------------------------------------------
def test_the_best_that_is_held_is_used(tmp_path: Path) -> None:
    """Admin before courier before a token before the reader key; nothing where nothing is."""
    store = KeyStore(tmp_path / "keys")
    assert store.credential(DEVICE_ID, NOW_S) is None
    keys = BoardKeys(DEVICE_ID, reader=bytes(32))
    names: list[str] = []
    for step in (
        lambda: store.keep(keys),
        lambda: store.keep_token(lent()),
        lambda: store.keep(BoardKeys(DEVICE_ID, COURIER, reader=bytes(32))),
        lambda: store.keep(BoardKeys(DEVICE_ID, COURIER, admin=bytes(32))),
    ):
        step()
        found = store.credential(DEVICE_ID, NOW_S)
        assert found is not None
        assert not isinstance(found, str)
        names.append(found.name.partition(",")[0])
    assert names == ["reader key", "token of Ana Silva", "courier key", "admin key"]
    assert store.credential(bytes(8), NOW_S) is None


def test_where_every_token_has_expired_that_is_the_answer(tmp_path: Path) -> None:
    """In words; one that is valid is used in spite of others that are not."""
    store = KeyStore(tmp_path / "keys")
    store.keep_token(lent(days=-1))

    found = store.credential(DEVICE_ID, NOW_S)

    assert isinstance(found, str)
    assert "token of Ana Silva" in found
    assert "it has expired" in found
    other = make_token(DEVICE_ID, layout.KEY_COURIER, COURIER, bytes(8), [])
    store.keep_token(other)
    assert store.credential(DEVICE_ID, NOW_S) == other.credential()


def test_a_name_that_stands_twice_in_a_token_file_is_refused(tmp_path: Path) -> None:
    """One reader would show the first, another use the last."""
    path = tmp_path / "t.json"
    write_tokens(path, [lent()])
    text = path.read_text()
    path.write_text(text.replace('"role": "courier"', '"role": "reader", "role": "courier"'))

    with pytest.raises(TokenDamaged, match="'role': it stands there twice"):
        read_tokens(path)


def test_a_file_far_too_long_for_a_token_is_not_read(tmp_path: Path) -> None:
    """Nor held in memory."""
    path = tmp_path / "t.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)

    with pytest.raises(TokenDamaged, match="more than 1,048,576 bytes"):
        read_tokens(path)


@pytest.mark.parametrize("version", [True, 1.0, "1"])
def test_a_format_that_only_seems_to_be_ours_is_refused(tmp_path: Path, version: object) -> None:
    """As in a receipt and a certificate."""
    path = tmp_path / "t.json"
    write_tokens(path, [lent()])
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": version}))

    with pytest.raises(TokenDamaged):
        read_tokens(path)


def test_a_damaged_token_of_another_logger_does_not_stand_in_the_way(tmp_path: Path) -> None:
    """Over the air, where tokens are looked at before the logger is asked."""
    store = KeyStore(tmp_path / "k")
    store.keep_token(lent())
    (path,) = (tmp_path / "k").glob("token-*.json")
    other = "00" * 8
    path.rename(path.with_name(path.name.replace(DEVICE_ID.hex(), other)))

    credentials_over("ble:dewarlog-4b2f", tmp_path / "k")
    with pytest.raises(TokenDamaged, match="it is another than its name says"):
        store.tokens(bytes(8))


def test_a_damaged_token_in_the_store_is_named(tmp_path: Path) -> None:
    """With its file."""
    store = KeyStore(tmp_path / "keys")
    store.keep_token(lent())
    (path,) = store.root.glob("token-*.json")
    path.write_bytes(b"{")

    with pytest.raises(TokenDamaged, match="token-0102"):
        store.credential(DEVICE_ID, NOW_S)


# --- a board takes it ----------------------------------------------------------------------------
def locked_board() -> DoorLink:
    """Return a locked board on the air whose clock is set."""
    link = DoorLink()
    by_radio(link)
    link.door.lock.is_claimed = link.door.lock.is_locked = True
    link.door.utc_s = NOW_S
    return link


def greeted(link: DoorLink, token: Token | None) -> Session:
    """Say HELLO with this token in hand."""
    held = None if token is None else token.credential()
    session = Session(link, clock=link.clock, credentials=lambda _: held)
    session.hello()
    return session


def test_a_token_opens_what_a_locked_board_keeps_from_strangers() -> None:
    """The stranger is told what would be needed; the board notes who the holder is."""
    link = locked_board()

    with pytest.raises(KeyNeeded, match="is locked: LIST takes the reader key") as caught:
        greeted(link, None).list_files()

    assert "dewarlog token add" in str(caught.value)
    session = greeted(link, lent())
    assert session.list_files()
    assert link.door.attempts[-1][1:] == (layout.KEY_COURIER, TOKEN_ID, "Ana Silva")


def test_the_secret_of_a_token_never_crosses_the_air() -> None:
    """Nor the key it was made from: only caveats and proofs do."""
    link = locked_board()
    sent: list[bytes] = []
    send = link.send

    def listen(kind: int, seq: int, body: bytes) -> None:
        sent.append(bytes(body))
        send(kind, seq, body)

    link.send = listen  # type: ignore[method-assign]
    token = lent()

    greeted(link, token).status()

    assert any(token.caveats in body for body in sent)
    assert not any(token.secret in body or COURIER in body for body in sent)


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (lent(days=-1), "the token has expired"),
        (lent(*time_caveats(NOW_S + 5, None)), "the token is not valid yet"),
        (lent(caveat(layout.CAVEAT_LOG, bytes(8))), "the token is for another run"),
    ],
)
def test_a_board_says_why_it_does_not_take_a_token(token: Token, why: str) -> None:
    """TokenRefused, with its own words and what to do."""
    with pytest.raises(TokenRefused, match=why) as caught:
        greeted(locked_board(), token)

    assert "Ask whoever made it for a new one" in str(caught.value)


def test_a_widened_token_proves_nothing() -> None:
    """A holder who leaves a caveat out has no secret for the rest."""
    token = lent(may(layout.MAY_READ))
    wider = Token(token.device_id, token.role, token.caveats[: -len(may(1))], token.secret)

    with pytest.raises(TokenRefused):
        greeted(locked_board(), wider)


def test_a_token_for_one_run_holds_while_it_is_open() -> None:
    """LOG_ID is that of the run that records."""
    assert greeted(locked_board(), lent(caveat(layout.CAVEAT_LOG, LOG_ID))).list_files()


def test_a_token_that_ends_during_a_conversation_ends_what_it_allowed() -> None:
    """The board's own words say so; the conversation itself goes on."""
    link = locked_board()
    session = greeted(link, lent(days=1))
    session.list_files()
    link.door.utc_s = NOW_S + DAY_S

    with pytest.raises(DewarlogError, match="the token has expired"):
        session.list_files()

    assert session.status().locked


def test_a_reader_of_a_token_is_told_what_it_lacks() -> None:
    """KeyNeeded names what this computer has instead."""
    session = greeted(locked_board(), lent(may(layout.MAY_READ)))

    with pytest.raises(KeyNeeded, match=r"it has the token of Ana Silva, until .* only"):
        session.radio(on=False, minutes=5)
