"""Tokens: caveats come back, narrow and never widen, and garbage is refused."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog import parse
from dewarlog_wire import access, layout, token
from dewarlog_wire.errors import TokenError

if TYPE_CHECKING:
    from collections.abc import Callable

ROLE_KEY = bytes(range(32))
DEVICE, OTHER_DEVICE = b"device 1", b"device 2"
LOG, OTHER_LOG = b"log id 1", b"log id 2"
NOON_S = 210_000_000
ID = token.caveat(layout.CAVEAT_ID, b"token id")
HERE = (DEVICE, LOG, NOON_S)


def time_of(kind: int, at_s: int) -> bytes:
    """Return a caveat of one time."""
    return token.caveat(kind, struct.pack("<I", at_s))


def holder(text: str) -> bytes:
    """Return the caveat that names a holder."""
    return token.caveat(layout.CAVEAT_HOLDER, text.encode())


TIMES = st.integers(NOON_S - 5, NOON_S + 5)
CAVEATS = st.one_of(
    st.sampled_from([DEVICE, OTHER_DEVICE]).map(lambda v: token.caveat(layout.CAVEAT_DEVICE, v)),
    st.sampled_from([LOG, OTHER_LOG]).map(lambda v: token.caveat(layout.CAVEAT_LOG, v)),
    TIMES.map(lambda at: time_of(layout.CAVEAT_NOT_BEFORE, at)),
    TIMES.map(lambda at: time_of(layout.CAVEAT_NOT_AFTER, at)),
    st.integers(0, 255).map(lambda may: token.caveat(layout.CAVEAT_MAY, bytes((may,)))),
    st.text(min_size=1, max_size=8).map(holder),
)
TOKENS = st.lists(CAVEATS, max_size=4).map(lambda listed: ID + b"".join(listed))
ROLES = st.sampled_from(sorted(access.MAY.values()))
CLOCKS = st.one_of(TIMES, st.just(layout.UTC_UNKNOWN))
LOGS = st.sampled_from([LOG, OTHER_LOG, b""])


# --- caveats ------------------------------------------------------------------------------------
@given(st.lists(CAVEATS, max_size=4))
def test_caveats_come_back_in_order(listed: list[bytes]) -> None:
    """Kind, value and the bytes each secret is made from."""
    read = list(token.read_caveats(ID + b"".join(listed)))

    assert [packed for _, _, packed in read] == [ID, *listed]
    assert all(packed == bytes((kind, len(value))) + value for kind, value, packed in read)


@given(st.binary(max_size=200))
def test_garbage_is_refused_with_a_token_error_by_both_readers(data: bytes) -> None:
    """Nothing else, and both readers refuse the same bytes, whole and piece by piece."""
    read = [
        _outcome(lambda: list(token.read_caveats(data))),
        _outcome(lambda: _by_construct(data)),
    ]
    cut = [
        _outcome(lambda: token.token_secret(ROLE_KEY, data)),
        _outcome(lambda: parse.parse_caveats(data)),
    ]

    assert read[0] == read[1]
    assert cut[0] == cut[1]


@given(TOKENS, st.integers(0, 1000), st.integers(0, 255))
def test_a_token_with_a_wrong_byte_means_the_same_to_both_readers(
    caveats: bytes, where: int, byte: int
) -> None:
    """Right but for one byte: what is left of it is read, or refused, by both."""
    changed = bytearray(caveats)
    changed[where % len(caveats)] = byte
    data = bytes(changed)

    assert _outcome(lambda: list(token.read_caveats(data))) == _outcome(
        lambda: _by_construct(data)
    )


def _by_construct(data: bytes) -> None:
    parse.check_caveats(parse.parse_caveats(data))


def _outcome(read: Callable[[], object]) -> str:
    try:
        read()
    except TokenError as error:
        return error.fault
    return "ok"


@pytest.mark.parametrize(
    ("caveats", "said"),
    [
        (ID + b"\x06", "a caveat is cut short"),
        (ID[:-1], "a caveat is cut short"),
        (ID + b"\xc8\x00", "a caveat of kind 200, which this version does not know"),
        (ID + b"\x06\x02ab", "a caveat of kind 6 has 2 bytes, not 1"),
        (ID + ID, "a token's id stands first, and once"),
        (holder("Bo"), "a token's id stands first, and once"),
        (ID + b"\x07\x00", "a holder has 1 to 32 bytes"),
        (ID + b"\x07\x01\xff", "a holder is not UTF-8"),
        (ID + holder("a" * 32) * 6, "214 bytes of caveats; at most 192"),
    ],
)
def test_what_is_wrong_with_caveats_is_said(caveats: bytes, said: str) -> None:
    """In words that name the rule."""
    with pytest.raises(TokenError) as caught:
        list(token.read_caveats(caveats))

    assert str(caught.value) == said


@pytest.mark.parametrize("value", [b"", b"seven b", b"nine byte"])
def test_a_caveat_of_another_length_is_not_made(value: bytes) -> None:
    """The maker finds out, not the board."""
    with pytest.raises(TokenError):
        token.caveat(layout.CAVEAT_DEVICE, value)


# --- secrets ------------------------------------------------------------------------------------
@given(TOKENS, CAVEATS)
def test_who_holds_a_secret_can_add_a_caveat(caveats: bytes, one: bytes) -> None:
    """Without the role's key: the secret of the longer token follows from the shorter one's."""
    longer = token.narrowed(token.token_secret(ROLE_KEY, caveats), one)

    assert longer == token.token_secret(ROLE_KEY, caveats + one)


@given(TOKENS, TOKENS)
def test_other_caveats_have_another_secret(one: bytes, other: bytes) -> None:
    """No caveat can be taken away, changed or moved: there is no secret in common."""
    secrets = [token.token_secret(ROLE_KEY, caveats) for caveats in (one, other)]

    assert (secrets[0] == secrets[1]) == (one == other)


def test_no_caveats_are_the_key_itself() -> None:
    """A key is a token without any."""
    assert token.token_secret(ROLE_KEY, b"") == ROLE_KEY


def test_a_kind_nobody_knows_has_a_secret_and_no_use() -> None:
    """The proof is judged first, so it must be there to be judged; the board then refuses."""
    caveats = ID + b"\xc8\x03new"

    assert token.token_secret(ROLE_KEY, caveats) != token.token_secret(ROLE_KEY, ID)
    with pytest.raises(TokenError):
        token.why_not(caveats, *HERE, access.MAY_ALL)


# --- what a token allows ------------------------------------------------------------------------
@given(TOKENS, CAVEATS, LOGS, CLOCKS, ROLES)
def test_one_caveat_more_only_ever_narrows(
    caveats: bytes, one: bytes, log: bytes, utc_s: int, may: int
) -> None:
    """Whatever the board, its clock and the role: no new bit, and a refusal stays one."""
    why, before, _, _ = token.why_not(caveats, DEVICE, log, utc_s, may)
    why_after, after, _, _ = token.why_not(caveats + one, DEVICE, log, utc_s, may)

    assert after & ~before == 0
    assert before & ~may == 0
    assert not why or why_after
    assert not (why and before)


REFUSALS = [
    ((), "", 7),
    ((token.caveat(layout.CAVEAT_DEVICE, DEVICE),), "", 7),
    ((token.caveat(layout.CAVEAT_DEVICE, OTHER_DEVICE),), "the token is for another logger", 0),
    ((token.caveat(layout.CAVEAT_LOG, LOG),), "", 7),
    ((token.caveat(layout.CAVEAT_LOG, OTHER_LOG),), "the token is for another run", 0),
    ((time_of(layout.CAVEAT_NOT_BEFORE, NOON_S),), "", 7),
    ((time_of(layout.CAVEAT_NOT_BEFORE, NOON_S + 1),), "the token is not valid yet", 0),
    ((time_of(layout.CAVEAT_NOT_AFTER, NOON_S + 1),), "", 7),
    ((time_of(layout.CAVEAT_NOT_AFTER, NOON_S),), "the token has expired", 0),
    ((token.caveat(layout.CAVEAT_MAY, b"\x03"),), "", 3),
    ((token.caveat(layout.CAVEAT_MAY, b"\x18"),), "", 0),
    ((token.caveat(layout.CAVEAT_MAY, b"\x03"), token.caveat(layout.CAVEAT_MAY, b"\x05")), "", 1),
    ((holder("Bo"),), "", 7),
]


@pytest.mark.parametrize(("caveats", "why", "may"), REFUSALS)
def test_a_token_is_judged_by_each_of_its_caveats(
    caveats: tuple[bytes, ...], why: str, may: int
) -> None:
    """Why it is refused, or what its holder may."""
    judged = token.why_not(ID + b"".join(caveats), *HERE, access.MAY[layout.KEY_COURIER])

    assert judged[:2] == (why, may)
    assert judged[2] == b"token id"


@pytest.mark.parametrize("kind", [layout.CAVEAT_NOT_BEFORE, layout.CAVEAT_NOT_AFTER])
def test_a_time_is_never_met_by_a_clock_that_is_not_set(kind: int) -> None:
    """Who stops the clock gains nothing."""
    why, may, _, _ = token.why_not(
        ID + time_of(kind, NOON_S), DEVICE, LOG, layout.UTC_UNKNOWN, access.MAY_ALL
    )

    assert (why, may) == ("the token has a time, and the clock is not set", 0)


def test_a_token_for_a_run_ends_with_the_run() -> None:
    """No run is open: nobody's log id is met."""
    caveats = ID + token.caveat(layout.CAVEAT_LOG, LOG)

    assert token.why_not(caveats, DEVICE, b"", NOON_S, 7)[0] == "the token is for another run"


def test_a_refusal_still_says_whose_token_it_was() -> None:
    """The log names the holder of a token that was refused, where the name stands before."""
    caveats = ID + holder("Bo") + token.caveat(layout.CAVEAT_DEVICE, OTHER_DEVICE)

    assert token.why_not(caveats, *HERE, 7)[2:] == (b"token id", "Bo")
