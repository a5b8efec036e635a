"""Who may do what: proofs, roles, tokens, the wait after failures, lock, keys, signatures."""

from __future__ import annotations

import struct
import zlib
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog_firmware import server
from dewarlog_firmware.access import (
    ADMISSIONS_AT_ONCE,
    LOCKED_OUT,
    PROOF_REFUSED,
    PROVEN,
    TOKEN_CLOCK_S,
    TOKEN_REFUSED,
)
from dewarlog_firmware.server import Server
from dewarlog_wire import PROTOCOL_VERSION, access, events, layout, proof, session_keys, token
from guarded_board import FullLock
from memory_board import DEVICE_ID, DEVICE_KEY, LOG_ID
from test_server import DATA, Talk, error_of, hash_body, payload, read_body

if TYPE_CHECKING:
    from collections.abc import Callable

READER, COURIER, ADMIN = layout.KEY_READER, layout.KEY_COURIER, layout.KEY_ADMIN
UTC_S: Final = 800_000_000
TOKEN_ID: Final = b"token id"
ID: Final = token.caveat(layout.CAVEAT_ID, TOKEN_ID)


def secret_of(key: int, caveats: bytes = b"") -> bytes:
    """Return what a holder of the key, or of a token of it, knows."""
    return token.token_secret(proof.derived_key(DEVICE_KEY, key), caveats)


# The bench's requests, which bench.py carries out: here they do nothing, for whoever may ask.
BENCH: Final = (
    layout.MSG_LIVE,
    layout.MSG_GET,
    layout.MSG_PUT,
    layout.MSG_PUT_END,
    layout.MSG_SELFTEST,
    layout.MSG_ERASE,
    layout.MSG_SEED,
)


def _nothing(_server: Server, _body: bytes) -> int:
    return 0


class Guest(Talk):
    """A conversation whose host proves itself, tags what it says and checks what it hears."""

    def __init__(self, *, in_hand: bool = False, greet: bool = True) -> None:
        super().__init__(greet=False, in_hand=in_hand, more=dict.fromkeys(BENCH, _nothing))
        self.nonces = 0
        self.keys: session_keys.SessionKeys | None = None
        self.is_secret = False
        self.counter = 0
        if greet:
            self.greet()

    def greet(self) -> None:
        """Say HELLO and keep what was said."""
        self.keys = None
        self.counter = 0
        self.nonces += 1
        nonce = struct.pack("<Q", self.nonces)
        body = struct.pack(layout.HELLO.format, PROTOCOL_VERSION, 0, 4096, nonce)
        _, reply = self.ask(layout.MSG_HELLO, body)
        self.said = (body, reply)

    def auth_body(
        self, key: int, caveats: bytes = b"", flags: int = 0, secret: bytes | None = None
    ) -> bytes:
        """Return the AUTH of this conversation."""
        known = secret_of(key, caveats) if secret is None else secret
        given = proof.host_proof(known, proof.transcript(*self.said, key, flags))
        return struct.pack(layout.AUTH.format, key, flags, given) + caveats

    def prove(self, key: int, caveats: bytes = b"", flags: int = 0) -> tuple[int, bytes]:
        """Say AUTH; from a reply on, tag."""
        self.keys = None
        answer = self.ask(layout.MSG_AUTH, self.auth_body(key, caveats, flags))
        if answer[0] == layout.MSG_AUTH | layout.REPLY:
            secret, said = secret_of(key, caveats), proof.transcript(*self.said, key, flags)
            assert answer[1] == proof.board_proof(secret, said)
            self.keys = session_keys.SessionKeys(secret, said)
            self.is_secret = flags & layout.AUTH_SECRET != 0
        return answer

    def tagged(self, kind: int, body: bytes, seq: int, counter: int) -> bytes:
        """Return a request's body with its tag."""
        assert self.keys is not None
        data = bytearray(body)
        if self.is_secret:
            self.keys.cipher_into(data, session_keys.HOST, counter, 0)
        return bytes(data) + self.keys.tag(session_keys.HOST, counter, kind, seq, data)

    def say(self, kind: int, body: bytes = b"", seq: int | None = None) -> None:
        """Hand one request to the server, tagged if the conversation is proven."""
        self.seq = (self.seq + 1) % 256 if seq is None else seq
        if self.keys is not None and kind != layout.MSG_ACK:
            self.counter += 1
            body = self.tagged(kind, body, self.seq, self.counter)
        self.last = (kind, self.seq, body)
        self.server.handle(kind, self.seq, body)

    def plain(self, frame: tuple[int, int, bytes]) -> bytes:
        """Check the tag of an answer and return its body without."""
        kind, seq, body = frame
        if self.keys is None or kind == layout.MSG_AUTH | layout.REPLY:
            return body
        data, tag = bytearray(body[:-12]), body[-12:]
        assert struct.unpack_from("<I", tag)[0] == self.counter
        assert self.keys.holds(session_keys.BOARD, kind, seq, data, tag)
        if self.is_secret:
            self.keys.cipher_into(data, session_keys.BOARD, self.counter, 0)
        return bytes(data)

    def ask(self, kind: int, body: bytes = b"") -> tuple[int, bytes]:
        """Ask and return the one answer's kind and plain body."""
        self.say(kind, body)
        frames = self.settle()
        while not frames:
            frames = self.settle()
        answer = frames[0]
        assert answer[1] == self.seq
        return answer[0], self.plain(answer)

    def code(self, kind: int, body: bytes = b"") -> int:
        """Ask; return the error's code, 0 when there was none."""
        answer, reply = self.ask(kind, body)
        return reply[0] if answer == layout.MSG_ERROR else 0


HANDOFF = events.handoff_body(1, 0, 0, 3, bytes(32), ("A", "B", "C"))
# One request of each kind that takes a permission, with a body the board can carry out.
REQUESTS = {
    layout.MSG_LIST: struct.pack(layout.LIST.format, 0, 5),
    layout.MSG_READ: read_body(len(DATA), 1),
    layout.MSG_HASH: hash_body(0, 9),
    layout.MSG_SEAL: b"",
    layout.MSG_SIGN: struct.pack(layout.SIGN.format, 1, bytes(16)),
    layout.MSG_MARK: events.custody_body(2, 1000, ("A", "B", "")),
    layout.MSG_HANDOFF: HANDOFF,
    layout.MSG_CONFIRM: struct.pack(layout.CONFIRM.format, 1, 0, b"", 0),
    layout.MSG_ACKNOWLEDGE: events.acknowledge_body(1, 1000, ("A", "")),
    layout.MSG_TIME: struct.pack(layout.TIME.format, 5, 0, 40),
    layout.MSG_RADIO: struct.pack(layout.RADIO.format, 0, 60),
    layout.MSG_STOP: b"",
    layout.MSG_KEY: bytes((COURIER,)),
    layout.MSG_SEAL_KEY: b"",
    layout.MSG_LOCK: b"\1",
    **dict.fromkeys(BENCH, b""),
}


def allowed(guest: Guest) -> set[int]:
    """Return the kinds of request that the board does not refuse to this host."""
    found: set[int] = set()
    guest.store.confirm = lambda *values: True  # type: ignore[method-assign]
    for kind, body in REQUESTS.items():
        guest.device.signing = None
        answer, reply = guest.ask(kind, body)
        if kind == layout.MSG_READ and answer != layout.MSG_ERROR:
            guest.settle()
        if not (answer == layout.MSG_ERROR and reply[0] == layout.ERROR_NOT_ALLOWED):
            found.add(kind)
    return found


def kinds(may: int) -> set[int]:
    """Return the kinds of request that these MAY bits open."""
    return {kind for kind, needs in access.NEEDS.items() if may & needs}


# --- the table -----------------------------------------------------------------------------------
@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("in_hand", [False, True])
@pytest.mark.parametrize("key", [0, READER, COURIER, ADMIN])
def test_everybody_may_what_the_table_says_and_nothing_else(
    key: int, *, in_hand: bool, locked: bool
) -> None:
    """For each link, role and lock: what a proof gives comes on top of what one has without."""
    guest = Guest(in_hand=in_hand)
    guest.device.lock.is_locked = locked
    if key:
        guest.prove(key)
    may = access.MAY_UNPROVEN[(in_hand, locked)] | access.MAY.get(key, 0)
    expected = kinds(may)
    if not in_hand:
        expected -= kinds(layout.MAY_KEYS)
    if key != ADMIN:
        expected.discard(layout.MSG_LOCK)

    guest.device.lock.set = lambda *, locked: None  # type: ignore[method-assign]

    assert REQUESTS.keys() == access.NEEDS.keys()
    assert allowed(guest) == expected


@pytest.mark.parametrize("kind", [layout.MSG_STATUS, layout.MSG_ABORT, layout.MSG_PUBLIC])
def test_some_requests_take_nothing_even_on_a_locked_board(kind: int) -> None:
    """What a stranger over the air may always ask."""
    guest = Guest()
    guest.device.lock.is_locked = True

    assert guest.code(kind) == 0


def test_a_refusal_says_which_key_would_do() -> None:
    """Words for the host's user."""
    guest = Guest()

    unproven = guest.ask(layout.MSG_STOP)[1][1:]
    bench = guest.ask(layout.MSG_ERASE)[1][1:]
    guest.prove(COURIER)
    courier = guest.ask(layout.MSG_STOP)[1][1:]
    guest.device.lock.is_locked = True
    guest.greet()
    locked = guest.ask(layout.MSG_LIST, REQUESTS[layout.MSG_LIST])[1][1:]

    assert unproven == b"over the air this takes a proof by the admin key"
    assert bench == unproven
    assert courier == b"a proven courier may not do that; the admin key may"
    assert locked == b"on a locked board this takes a proof by the reader, courier or admin key"


# --- proofs --------------------------------------------------------------------------------------
@pytest.mark.parametrize("key", [READER, COURIER, ADMIN])
def test_host_and_board_prove_themselves_to_each_other(key: int) -> None:
    """`prove` compares the board's proof; the log hears of it."""
    guest = Guest()

    assert guest.prove(key)[0] == layout.MSG_AUTH | layout.REPLY
    assert guest.device.told == [(PROVEN, 1, key, bytes(8), "", 0)]


@pytest.mark.parametrize(
    ("key", "flags", "code"),
    [
        (0, 0, layout.ERROR_RANGE),
        (layout.KEY_RECEIPT, 0, layout.ERROR_RANGE),
        (5, 0, layout.ERROR_RANGE),
        (COURIER, 2, layout.ERROR_RANGE),
        (COURIER, 255, layout.ERROR_RANGE),
    ],
)
def test_a_key_or_flag_that_is_none_is_out_of_range(key: int, flags: int, code: int) -> None:
    """And is no guess: nothing is counted."""
    guest = Guest()
    body = struct.pack(layout.AUTH.format, key, flags, bytes(16))

    assert guest.code(layout.MSG_AUTH, body) == code
    assert guest.device.told == []


def test_a_board_without_the_feature_enciphers_nothing() -> None:
    """The flag is refused, not ignored."""
    guest = Guest(greet=False)
    guest.device.features &= ~layout.FEATURE_SECRET
    guest.greet()

    answer = guest.prove(COURIER, flags=layout.AUTH_SECRET)

    assert error_of(answer) == layout.ERROR_RANGE


def test_a_replayed_proof_of_another_conversation_is_none() -> None:
    """Its transcript is not this one's."""
    guest = Guest()
    recorded = guest.auth_body(COURIER)
    guest.greet()

    assert guest.code(layout.MSG_AUTH, recorded) == layout.ERROR_NOT_ALLOWED
    assert guest.device.told[-1][0] == PROOF_REFUSED


@pytest.mark.parametrize("where", ["hello", "features", "nonce", "key", "flags"])
def test_what_a_man_in_the_middle_changes_breaks_the_proof(where: str) -> None:
    """One bit of either greeting, or of what AUTH asks for."""
    guest = Guest()
    asked, answered = bytearray(guest.said[0]), bytearray(guest.said[1])
    if where == "hello":
        asked[2] ^= 1  # body_max, as the host sent it
    elif where == "features":
        answered[layout.HELLO_REPLY.offset_of("features")] ^= layout.FEATURE_SECRET
    elif where == "nonce":
        answered[-1] ^= 1
    guest.said = (bytes(asked), bytes(answered))
    body = bytearray(guest.auth_body(COURIER))
    if where == "key":
        body[0] = READER
    elif where == "flags":
        body[1] = layout.AUTH_SECRET

    assert guest.code(layout.MSG_AUTH, bytes(body)) == layout.ERROR_NOT_ALLOWED


def test_the_boards_own_proof_is_not_the_hosts() -> None:
    """Thrown back at it, it proves nothing."""
    guest = Guest()
    said = proof.transcript(*guest.said, COURIER, 0)
    given = proof.board_proof(secret_of(COURIER), said)

    body = struct.pack(layout.AUTH.format, COURIER, 0, given)

    assert guest.code(layout.MSG_AUTH, body) == layout.ERROR_NOT_ALLOWED


@pytest.mark.parametrize("end", ["hello", "drop", "wrong proof"])
def test_a_proof_ends_with_its_conversation(end: str) -> None:
    """With the next HELLO, with the link, and with a proof that fails."""
    guest = Guest()
    guest.prove(ADMIN)
    if end == "wrong proof":
        guest.keys = None
        guest.ask(layout.MSG_AUTH, struct.pack(layout.AUTH.format, COURIER, 0, bytes(16)))
    else:
        if end == "drop":
            guest.server.drop()
        guest.greet()

    assert guest.code(layout.MSG_STOP) == layout.ERROR_NOT_ALLOWED
    assert not guest.device.stopped


def test_a_board_without_a_device_key_proves_nothing() -> None:
    """The empty secret is never used as one."""
    guest = Guest(in_hand=True)
    guest.device.device_key = b""

    for kind, body in (
        (layout.MSG_AUTH, guest.auth_body(COURIER, secret=b"")),
        (layout.MSG_KEY, bytes((COURIER,))),
        (layout.MSG_HANDOFF, HANDOFF),
    ):
        assert guest.code(kind, body) == layout.ERROR_NOT_ALLOWED
    assert guest.device.handoffs == []


# --- guessing ------------------------------------------------------------------------------------
def guess(guest: Guest, key: int = COURIER) -> tuple[int, int]:
    """Try a wrong proof: return the error's code, and the seconds it names (0: none)."""
    given = struct.pack("<QQ", guest.seq, 1)
    answer = guest.ask(layout.MSG_AUTH, struct.pack(layout.AUTH.format, key, 0, given))
    code = error_of(answer)
    seconds = int(answer[1][1:].split(b" ")[0]) if code == layout.ERROR_LOCKED_OUT else 0
    return code, seconds


def test_after_each_refusal_in_a_row_the_wait_doubles_up_to_sixteen_seconds() -> None:
    """Told at once, with the seconds that are left; a proof is looked at when they are over."""
    guest = Guest()
    waits: list[int] = []
    for _ in range(7):
        assert guess(guest)[0] == layout.ERROR_NOT_ALLOWED
        code, wait_s = guess(guest)
        assert code == layout.ERROR_LOCKED_OUT
        guest.device.now_ms += wait_s * 1000 - 1
        assert guess(guest) == (layout.ERROR_LOCKED_OUT, 1)
        guest.device.now_ms += 1
        waits.append(wait_s)

    assert waits == [1, 2, 4, 8, 16, 16, 16]


def test_the_right_proof_is_not_looked_at_while_the_wait_lasts() -> None:
    """Else a quick answer would say that it is right; afterwards it ends the row."""
    guest = Guest()
    guess(guest)

    early = guest.prove(COURIER)
    guest.device.now_ms += 1000
    late = guest.prove(COURIER)
    guest.greet()

    assert error_of(early) == layout.ERROR_LOCKED_OUT
    assert late[0] == layout.MSG_AUTH | layout.REPLY
    assert guess(guest)[0] == layout.ERROR_NOT_ALLOWED
    assert guess(guest) == (layout.ERROR_LOCKED_OUT, 1)


@pytest.mark.parametrize("how", ["hello", "reconnect", "other link"])
def test_coming_back_is_no_way_round_the_wait(how: str) -> None:
    """Nor is the other link: there is one row of failures."""
    guest = Guest()
    guess(guest)
    if how == "other link":
        guest.server = Server(
            guest.store,  # type: ignore[arg-type]
            guest.device,  # type: ignore[arg-type]
            guest.guard,
            lambda count: b"m" * count,
            in_hand=True,
        )
    if how == "reconnect":
        guest.server.drop()
    guest.greet()

    assert error_of(guest.prove(COURIER)) == layout.ERROR_LOCKED_OUT


@pytest.mark.parametrize("now_ms", [0, (1 << 30) - 500, (1 << 30) - 1])
def test_the_wait_holds_where_the_tick_count_begins_anew(now_ms: int) -> None:
    """And is over in time."""
    guest = Guest()
    guest.device.now_ms = now_ms
    guess(guest)
    guest.device.now_ms += 999

    assert guess(guest) == (layout.ERROR_LOCKED_OUT, 1)
    guest.device.now_ms += 1
    assert guess(guest)[0] == layout.ERROR_NOT_ALLOWED


def test_every_attempt_counts_and_the_powers_of_two_are_logged() -> None:
    """The success behind them tells the sum; a repeat of a request is no attempt."""
    guest = Guest()
    for _ in range(9):
        guess(guest)
        guest.server.handle(*guest.last)
        guest.settle()
    guest.device.now_ms += 20_000
    guest.prove(READER)

    assert [(what[0], what[2], what[5]) for what in guest.device.told] == [
        (PROOF_REFUSED, COURIER, 1),
        (LOCKED_OUT, COURIER, 2),
        (LOCKED_OUT, COURIER, 4),
        (LOCKED_OUT, COURIER, 8),
        (PROVEN, READER, 9),
    ]


def test_the_count_of_failures_ends_at_its_field() -> None:
    """65535 or more."""
    guest = Guest()
    guard = guest.guard
    guard.failures = 65534

    guess(guest)
    guess(guest)

    assert guard.failures == 65535


# --- claim and lock ------------------------------------------------------------------------------
def test_the_admin_key_itself_claims_a_board() -> None:
    """The courier's does not, nor a token of the admin's."""
    guest = Guest()

    guest.prove(COURIER)
    guest.greet()
    guest.prove(ADMIN, ID)
    before = guest.device.lock.is_claimed
    guest.greet()
    guest.prove(ADMIN)

    assert (before, guest.device.lock.is_claimed) == (False, True)


def fill(guest: Guest) -> None:
    """Let the lock's file find no room from now on."""
    assert isinstance(guest.device.lock, FullLock)
    guest.device.lock.full = True


def test_a_claim_that_finds_no_room_does_not_keep_the_admin_out() -> None:
    """Claimed the next time."""
    guest = Guest()
    fill(guest)

    assert guest.prove(ADMIN)[0] == layout.MSG_AUTH | layout.REPLY
    assert not guest.device.lock.is_claimed


@pytest.mark.parametrize(
    ("key", "caveats", "in_hand", "code"),
    [
        (ADMIN, b"", True, 0),
        (ADMIN, ID, True, layout.ERROR_NOT_ALLOWED),
        (COURIER, b"", True, layout.ERROR_NOT_ALLOWED),
        (0, b"", True, layout.ERROR_NOT_ALLOWED),
        (ADMIN, b"", False, layout.ERROR_NOT_ALLOWED),
    ],
)
def test_only_a_proven_admin_locks_a_board_and_over_usb(
    key: int, caveats: bytes, code: int, *, in_hand: bool
) -> None:
    """Nobody is to lock a board that nobody can open."""
    guest = Guest(in_hand=in_hand)
    if key:
        guest.prove(key, caveats)

    assert guest.code(layout.MSG_LOCK, b"\1") == code
    assert guest.device.lock.is_locked == (code == 0)


def test_a_third_state_of_the_lock_is_out_of_range() -> None:
    """Nothing is locked."""
    guest = Guest(in_hand=True)
    guest.prove(ADMIN)

    assert guest.code(layout.MSG_LOCK, b"\2") == layout.ERROR_RANGE
    assert not guest.device.lock.is_locked


def test_a_lock_that_cannot_be_kept_is_an_error() -> None:
    """A board that would be open after the next boot must not say that it is locked."""
    guest = Guest(in_hand=True)
    guest.prove(ADMIN)
    fill(guest)

    assert guest.code(layout.MSG_LOCK, b"\1") == layout.ERROR_MEMORY_FULL


# --- keys ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("key", [COURIER, layout.KEY_RECEIPT, READER, ADMIN])
def test_a_derived_key_is_given_over_usb(key: int) -> None:
    """Whoever is at an open board's port holds it in hand."""
    kind, body = Guest(in_hand=True).ask(layout.MSG_KEY, bytes((key,)))

    assert kind == layout.MSG_KEY | layout.REPLY
    assert body == proof.derived_key(DEVICE_KEY, key)


@pytest.mark.parametrize("kind", [layout.MSG_KEY, layout.MSG_SEAL_KEY])
def test_no_key_is_given_over_the_air_to_the_admin_either(kind: int) -> None:
    """Nor does the refusal hold one."""
    guest = Guest()
    guest.prove(ADMIN)

    assert guest.code(kind, REQUESTS[kind]) == layout.ERROR_NOT_ALLOWED
    said = guest.out.frames[-1][2]
    assert secret_of(COURIER) not in said
    assert b"ssss" not in said


@pytest.mark.parametrize("key", [0, 5, 255])
def test_a_key_that_does_not_exist_is_out_of_range(key: int) -> None:
    """The device key has no number."""
    guest = Guest(in_hand=True)

    assert guest.code(layout.MSG_KEY, bytes((key,))) == layout.ERROR_RANGE


def test_the_sealing_key_is_given_with_its_index() -> None:
    """Not allowed where there is none."""
    guest = Guest(in_hand=True)

    kind, body = guest.ask(layout.MSG_SEAL_KEY)
    guest.device.sealing = None

    assert kind == layout.MSG_SEAL_KEY | layout.REPLY
    assert struct.unpack(layout.SEAL_KEY_REPLY.format, body) == (41, b"s" * 32)
    assert guest.code(layout.MSG_SEAL_KEY) == layout.ERROR_NOT_ALLOWED


# --- tokens --------------------------------------------------------------------------------------
def before(utc_s: int) -> bytes:
    """Return the caveat of an end."""
    return token.caveat(layout.CAVEAT_NOT_AFTER, struct.pack("<I", utc_s))


def after(utc_s: int) -> bytes:
    """Return the caveat of a beginning."""
    return token.caveat(layout.CAVEAT_NOT_BEFORE, struct.pack("<I", utc_s))


HOLDER: Final = token.caveat(layout.CAVEAT_HOLDER, b"J\xc3\xb8rn, van 7")
FOR_DEVICE: Final = token.caveat(layout.CAVEAT_DEVICE, DEVICE_ID)
FOR_RUN: Final = token.caveat(layout.CAVEAT_LOG, LOG_ID)
GOOD: Final = ID + FOR_DEVICE + FOR_RUN + after(UTC_S - 9) + before(UTC_S + 9) + HOLDER


def guest_at(utc_s: int = UTC_S) -> Guest:
    """Return a stranger over the air at a board whose clock says so."""
    guest = Guest()
    guest.device.utc_s = utc_s
    return guest


def test_a_token_gives_its_role_and_its_holder_a_name() -> None:
    """What a courier may, put down to the holder."""
    guest = guest_at()

    assert guest.prove(COURIER, GOOD)[0] == layout.MSG_AUTH | layout.REPLY
    assert guest.code(layout.MSG_RADIO, REQUESTS[layout.MSG_RADIO]) == 0
    assert guest.device.told == [(PROVEN, 1, COURIER, TOKEN_ID, "Jørn, van 7", 0)]


REFUSED = {
    "another board": (ID + token.caveat(layout.CAVEAT_DEVICE, b"another!"), UTC_S),
    "another run": (ID + token.caveat(layout.CAVEAT_LOG, b"another!"), UTC_S),
    "expired": (ID + before(UTC_S), UTC_S),
    "not yet": (ID + after(UTC_S + 1), UTC_S),
    "no clock": (ID + before(UTC_S), layout.UTC_UNKNOWN),
    "a later, wider end": (ID + before(UTC_S) + before(UTC_S + 99), UTC_S),
    "unknown kind": (ID + b"\x63\x00", UTC_S),
    "a value of another length": (ID + b"\x02\x01x", UTC_S),
    "a holder that is no text": (ID + b"\x07\x01\xff", UTC_S),
    "no id": (FOR_DEVICE, UTC_S),
    "two ids": (ID + ID, UTC_S),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_token_that_does_not_hold_here_is_refused_and_counts_as_a_failure(why: str) -> None:
    """Though its proof holds."""
    caveats, utc_s = REFUSED[why]
    guest = guest_at(utc_s)

    assert error_of(guest.prove(COURIER, caveats)) == layout.ERROR_NOT_ALLOWED
    assert [(what[0], what[5]) for what in guest.device.told] == [(TOKEN_REFUSED, 1)]
    assert guest.code(layout.MSG_STOP) == layout.ERROR_NOT_ALLOWED
    assert guess(guest)[0] == layout.ERROR_LOCKED_OUT


@pytest.mark.parametrize("caveats", [ID[:-1], ID + b"\x02", b"\x02", ID + bytes(2) * 95])
def test_caveats_that_cannot_be_cut_are_refused_as_a_token(caveats: bytes) -> None:
    """They have no secret that could prove anything."""
    guest = guest_at()
    body = guest.auth_body(COURIER, secret=secret_of(COURIER)) + caveats

    assert guest.code(layout.MSG_AUTH, body) == layout.ERROR_NOT_ALLOWED
    assert guest.device.told[-1][0] == TOKEN_REFUSED


def test_nobody_takes_a_caveat_away() -> None:
    """The secret of the longer token proves nothing for the shorter one, nor the other way."""
    guest = guest_at()
    narrow, wide = ID + before(UTC_S + 9), ID
    stripped = guest.auth_body(COURIER, secret=secret_of(COURIER, narrow)) + wide

    assert guest.code(layout.MSG_AUTH, stripped) == layout.ERROR_NOT_ALLOWED
    assert guest.device.told[-1][0] == PROOF_REFUSED


def test_a_holder_may_narrow_his_token_without_the_key() -> None:
    """And hand it on."""
    guest = guest_at()
    more = token.caveat(layout.CAVEAT_MAY, bytes((layout.MAY_READ,)))
    narrowed = token.narrowed(secret_of(COURIER, GOOD), more)

    answer = guest.ask(layout.MSG_AUTH, guest.auth_body(COURIER, secret=narrowed) + GOOD + more)

    assert answer[0] == layout.MSG_AUTH | layout.REPLY


@pytest.mark.parametrize("may", [0, layout.MAY_READ, layout.MAY_SET, 255])
def test_a_token_may_what_its_role_may_less_what_its_caveats_take_away(may: int) -> None:
    """And never more than the role."""
    guest = guest_at(layout.UTC_UNKNOWN)
    guest.device.lock.is_locked = True
    guest.prove(COURIER, ID + token.caveat(layout.CAVEAT_MAY, bytes((may,))))

    assert allowed(guest) == kinds(may & access.MAY[COURIER])


def test_no_token_is_turned_into_the_key_it_was_made_from() -> None:
    """Of the admin key, in the hand, and nothing taken away by a caveat."""
    guest = Guest(in_hand=True)
    guest.device.lock.is_claimed = guest.device.lock.is_locked = True
    guest.prove(ADMIN, ID)

    no_token_may = layout.MAY_KEYS | layout.MAY_BENCH
    assert allowed(guest) == kinds(access.MAY_ALL) - kinds(no_token_may)
    for key in layout.KEY_NAMES:
        assert guest.code(layout.MSG_KEY, bytes((key,))) == layout.ERROR_NOT_ALLOWED


@pytest.mark.parametrize("what", ["expires", "run ends", "clock lost"])
def test_a_token_that_ceases_to_hold_ends_what_it_allowed(what: str) -> None:
    """In the middle of its conversation, which stays proven and tagged."""
    guest = guest_at()
    guest.prove(COURIER, GOOD)
    radio = REQUESTS[layout.MSG_RADIO]
    before_it = guest.code(layout.MSG_RADIO, radio)
    if what == "expires":
        guest.device.utc_s = UTC_S + 9
    elif what == "run ends":
        guest.device.open_log_id = b""
    else:
        guest.device.utc_s = layout.UTC_UNKNOWN

    assert before_it == 0
    assert guest.code(layout.MSG_RADIO, radio) == layout.ERROR_NOT_ALLOWED
    assert guest.code(layout.MSG_LIST, REQUESTS[layout.MSG_LIST]) == 0


def time_body(utc_s: int) -> bytes:
    """Return TIME's body."""
    return struct.pack(layout.TIME.format, utc_s, 0, 40)


def holder_of(caveats: bytes) -> Guest:
    """Return a token's holder at a board whose clock is set."""
    guest = guest_at()
    guest.prove(COURIER, caveats)
    return guest


def test_a_tokens_holder_moves_the_clock_by_little_and_not_by_many_little_steps() -> None:
    """Else he could keep his token for ever."""
    guest = holder_of(ID + before(UTC_S + 999))
    codes: list[int] = []
    for at_s in (-TOKEN_CLOCK_S - 1, TOKEN_CLOCK_S + 1, -200, -300, -301, -500, 300):
        codes.append(guest.code(layout.MSG_TIME, time_body(UTC_S + at_s)))
        if not codes[-1]:
            guest.device.utc_s = UTC_S + at_s

    refused = layout.ERROR_NOT_ALLOWED
    assert codes == [refused, refused, 0, 0, refused, refused, 0]


def test_steps_told_before_the_clock_has_moved_are_no_way_round() -> None:
    """It is set up to a second after it was told: ahead and back at once moves nothing."""
    guest = holder_of(ID)
    for at_s in (300, 0, -300):
        assert guest.code(layout.MSG_TIME, time_body(UTC_S + at_s)) == 0
    guest.device.utc_s = UTC_S - 300

    assert guest.code(layout.MSG_TIME, time_body(UTC_S - 600)) == layout.ERROR_NOT_ALLOWED


def test_time_goes_on_while_a_holder_waits() -> None:
    """A day later the true time is no step."""
    guest = holder_of(ID)
    guest.code(layout.MSG_TIME, time_body(UTC_S + 100))
    guest.device.now_ms += 86_400_000
    guest.device.utc_s = UTC_S + 100 + 86_400

    assert guest.code(layout.MSG_TIME, time_body(UTC_S + 86_400 + 300)) == 0
    assert guest.code(layout.MSG_TIME, time_body(UTC_S + 86_400 + 301)) != 0


def test_the_key_itself_sets_the_clock_by_which_holders_are_measured() -> None:
    """Even where the clock has not moved yet."""
    guest = holder_of(ID)
    guest.code(layout.MSG_TIME, time_body(UTC_S + 300))
    guest.greet()
    guest.prove(COURIER)
    by_key = guest.code(layout.MSG_TIME, time_body(UTC_S + 5000))
    guest.greet()
    guest.prove(COURIER, ID)

    assert by_key == 0
    assert guest.code(layout.MSG_TIME, time_body(UTC_S + 5300)) == 0
    assert guest.code(layout.MSG_TIME, time_body(UTC_S)) == layout.ERROR_NOT_ALLOWED


def test_a_time_that_was_refused_is_nobodys_measure() -> None:
    """The chip cannot hold it, or the log is full: holders stay where the clock is."""
    guest = guest_at()
    guest.prove(COURIER)

    def refuse(*_: int) -> tuple[int, int]:
        raise ValueError("the clock of this board ends with 2053")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(guest.device, "set_time", refuse)
        assert guest.code(layout.MSG_TIME, time_body(UTC_S + 9999)) == layout.ERROR_RANGE
    guest.greet()
    guest.prove(COURIER, ID)

    assert guest.code(layout.MSG_TIME, time_body(UTC_S + 9999)) == layout.ERROR_NOT_ALLOWED
    assert guest.code(layout.MSG_TIME, time_body(UTC_S + 300)) == 0


def test_a_tokens_holder_sets_a_clock_that_is_not_set() -> None:
    """A token with a time does not hold then; one without may, once."""
    guest = guest_at(layout.UTC_UNKNOWN)
    guest.prove(COURIER, ID)

    assert guest.code(layout.MSG_TIME, time_body(UTC_S)) == 0
    assert guest.code(layout.MSG_TIME, time_body(UTC_S + 301)) == layout.ERROR_NOT_ALLOWED


# --- tags ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("flags", [0, layout.AUTH_SECRET])
def test_every_answer_of_a_proven_conversation_is_tagged(flags: int) -> None:
    """Replies, errors and late replies; `plain` checks each, and deciphers it."""
    guest = Guest()
    guest.prove(ADMIN, flags=flags)

    assert guest.code(layout.MSG_STATUS) == 0
    assert guest.code(0x3F) == layout.ERROR_UNKNOWN
    assert guest.ask(layout.MSG_HASH, hash_body(0, len(DATA)))[0] == layout.MSG_HASH | layout.REPLY
    assert guest.code(layout.MSG_MARK, REQUESTS[layout.MSG_MARK]) == 0
    assert guest.device.marks == [REQUESTS[layout.MSG_MARK]]


def _stripped(guest: Guest) -> tuple[int, int, bytes]:
    return layout.MSG_STOP, 99, b""


def _bent(guest: Guest) -> tuple[int, int, bytes]:
    body = guest.tagged(layout.MSG_RADIO, struct.pack(layout.RADIO.format, 0, 60), 99, 9)
    return layout.MSG_RADIO, 99, b"\1" + body[1:]


def _renamed(guest: Guest) -> tuple[int, int, bytes]:
    return layout.MSG_STOP, 99, guest.tagged(layout.MSG_STATUS, b"", 99, 9)


def _renumbered(guest: Guest) -> tuple[int, int, bytes]:
    return layout.MSG_STOP, 98, guest.tagged(layout.MSG_STOP, b"", 99, 9)


def _recounted(guest: Guest) -> tuple[int, int, bytes]:
    body = guest.tagged(layout.MSG_STOP, b"", 99, 8)
    return layout.MSG_STOP, 99, struct.pack("<I", 9) + body[4:]


def _by_the_board(guest: Guest) -> tuple[int, int, bytes]:
    assert guest.keys is not None
    tag = guest.keys.tag(session_keys.BOARD, 9, layout.MSG_STOP, 99, b"")
    return layout.MSG_STOP, 99, tag


def _short(guest: Guest) -> tuple[int, int, bytes]:
    return layout.MSG_STOP, 99, guest.tagged(layout.MSG_STOP, b"", 99, 9)[1:]


@pytest.mark.parametrize(
    "make", [_stripped, _bent, _renamed, _renumbered, _recounted, _by_the_board, _short]
)
def test_a_forged_request_is_as_if_it_had_never_come(
    make: Callable[[Guest], tuple[int, int, bytes]],
) -> None:
    """No answer, nothing done; and the true host goes on."""
    guest = Guest()
    guest.prove(ADMIN)

    guest.server.handle(*make(guest))

    assert guest.settle() == []
    assert not guest.device.stopped
    assert guest.device.radio_told is None
    assert guest.code(layout.MSG_STOP) == 0


def test_a_replayed_request_is_dropped_and_the_last_one_is_answered_again() -> None:
    """By whoever recorded it, however often; done once."""
    guest = Guest()
    guest.prove(ADMIN)
    guest.ask(layout.MSG_MARK, REQUESTS[layout.MSG_MARK])
    first = guest.last
    guest.ask(layout.MSG_STATUS)
    last, answer = guest.last, guest.out.frames[-1]

    guest.server.handle(*first)
    dropped = guest.settle()
    guest.server.handle(*last)

    assert dropped == []
    assert guest.settle() == [answer]
    assert len(guest.device.marks) == 1


def test_another_request_with_the_last_counter_is_dropped() -> None:
    """A counter is good for one request."""
    guest = Guest()
    guest.prove(ADMIN)
    guest.ask(layout.MSG_STATUS)

    guest.server.handle(layout.MSG_STOP, 77, guest.tagged(layout.MSG_STOP, b"", 77, guest.counter))

    assert guest.settle() == []
    assert not guest.device.stopped


def test_a_repeated_auth_is_answered_again_and_sets_no_counter_back() -> None:
    """Whoever recorded AUTH and what came behind it can play neither again."""
    guest = Guest()
    guest.prove(ADMIN)
    auth, answer = guest.last, guest.out.frames[-1]
    guest.ask(layout.MSG_MARK, REQUESTS[layout.MSG_MARK])
    mark = guest.last

    guest.server.handle(*auth)
    again = guest.settle()
    guest.server.handle(*mark)
    guest.settle()

    assert again == [answer]
    assert len(guest.device.marks) == 1
    assert len(guest.device.told) == 1


def test_a_second_auth_goes_on_counting_so_that_the_first_can_be_played_to_no_avail() -> None:
    """As courier, then as admin, then an attacker's courier again."""
    guest = Guest()
    guest.prove(COURIER)
    auth = guest.last
    guest.ask(layout.MSG_MARK, REQUESTS[layout.MSG_MARK])
    mark = guest.last
    counter = guest.counter
    guest.prove(ADMIN)
    assert guest.counter == counter
    assert guest.code(layout.MSG_STATUS) == 0

    for frame in (auth, mark):
        guest.server.handle(*frame)
        guest.settle()

    assert len(guest.device.marks) == 1


# --- transfers -----------------------------------------------------------------------------------
@pytest.mark.parametrize("flags", [0, layout.AUTH_SECRET])
@pytest.mark.parametrize("offset", [0, 1, 5000])
def test_a_transfer_is_proven_by_its_end(flags: int, offset: int) -> None:
    """END's tag covers the SHA-256 of the plain bytes, in order, with the counter of the READ."""
    guest = Guest()
    guest.prove(READER, flags=flags)
    frames, data, end = pull(guest, offset)

    assert data == DATA[offset:]
    assert end == (1, 0, len(DATA), crc(DATA[offset:]))
    if flags:
        assert DATA[offset : offset + 64] not in payload(frames)
    else:
        assert payload(frames) == DATA[offset:]


def test_an_end_asked_for_again_is_the_same() -> None:
    """It was lost: the host still waits."""
    guest = Guest()
    guest.prove(READER, flags=layout.AUTH_SECRET)
    frames, _, _ = pull(guest, 0)

    guest.ack(len(DATA), 9)

    assert guest.settle() == [frames[-1]]


def test_a_proof_in_the_middle_of_a_transfer_ends_it() -> None:
    """What was begun without tags is not finished with them."""
    guest = Guest()
    guest.read()
    guest.server.poll(guest.out)
    guest.server.poll(guest.out)
    before_it = len(guest.out.frames)

    guest.prove(READER)

    assert len(guest.out.frames) == before_it + 1


def crc(data: bytes) -> int:
    """Return the CRC-32 of bytes."""
    return zlib.crc32(data)


def pull(guest: Guest, offset: int) -> tuple[list[tuple[int, int, bytes]], bytes, tuple[int, ...]]:
    """Read from `offset` on; return (frames, plain bytes, END's values); checks every tag."""
    assert guest.keys is not None
    keys = guest.keys
    guest.read(offset, prefix_crc32=crc(DATA[:offset]))
    counter = guest.counter
    frames = guest.settle()
    guest.plain(frames[0])
    sent = bytearray(payload(frames))
    end = bytearray(frames[-1][2][:-12])
    tag = frames[-1][2][-12:]
    seen = bytearray(end)
    if guest.is_secret:
        keys.cipher_into(sent, session_keys.DATA, counter, 0)
        keys.cipher_into(seen, session_keys.END, counter, 0)
    digest = sha256(sent).digest()
    assert struct.unpack_from("<I", tag)[0] == counter
    assert keys.holds(session_keys.BOARD, layout.MSG_END, guest.seq, end, tag, digest)
    assert not keys.holds(session_keys.BOARD, layout.MSG_END, guest.seq, end, tag, digest[::-1])
    return frames, bytes(sent), struct.unpack(layout.END.format, seen)


def test_a_list_leaves_room_for_its_tag() -> None:
    """At the smallest body a host may have, and on the board's reply buffer."""
    guest = Guest(greet=False)
    body = struct.pack(layout.HELLO.format, PROTOCOL_VERSION, 0, 160, bytes(8))
    guest.said = (body, guest.ask(layout.MSG_HELLO, body)[1])
    guest.store.runs[1].segments = [b"x"] * 30
    guest.prove(READER)

    guest.ask(layout.MSG_LIST, struct.pack(layout.LIST.format, 0, 255))

    assert 160 - layout.LIST_ENTRY.size < len(guest.out.frames[-1][2]) <= 160


# --- acknowledge and signatures ------------------------------------------------------------------
def test_an_acknowledgement_is_recorded() -> None:
    """A body that is none is refused with words."""
    guest = Guest()
    body = REQUESTS[layout.MSG_ACKNOWLEDGE]

    assert guest.code(layout.MSG_ACKNOWLEDGE, body) == 0
    assert guest.code(layout.MSG_ACKNOWLEDGE, body[:-1]) == layout.ERROR_MALFORMED
    assert guest.device.acknowledged == [body]


@pytest.mark.parametrize("flags", [None, 0, layout.AUTH_SECRET])
def test_a_signature_comes_when_it_is_done(flags: int | None) -> None:
    """Meanwhile the request sent again is not done again, and other answers go out."""
    guest = Guest()
    if flags is not None:
        guest.prove(READER, flags=flags)
    guest.device.sign_polls = 5
    guest.say(layout.MSG_SIGN, struct.pack(layout.SIGN.format, 1, b"0123456789abcdef"))
    guest.server.poll(guest.out)
    guest.server.handle(*guest.last)
    frames: list[tuple[int, int, bytes]] = []
    for _ in range(10):
        frames += guest.settle()

    (answer,) = frames
    assert answer[0] == layout.MSG_SIGN | layout.REPLY
    values = struct.unpack(layout.SIGN_REPLY.format, guest.plain(answer))
    assert values[:3] == (1, LOG_ID, 3)
    assert values[-1] == b"0123456789abcdef" * 4


def test_the_public_key_is_given_to_everybody() -> None:
    """It is public."""
    guest = Guest()
    guest.device.lock.is_locked = True

    assert guest.ask(layout.MSG_PUBLIC) == (layout.MSG_PUBLIC | layout.REPLY, b"p" * 32)


def test_a_signature_of_no_run_or_while_another_is_made_is_refused() -> None:
    """Not found, and busy; and what would end the reply's place is busy too."""
    guest = Guest()
    none = struct.pack(layout.SIGN.format, 2, bytes(16))
    assert guest.code(layout.MSG_SIGN, none) == layout.ERROR_NOT_FOUND
    guest.device.sign_polls = 1000
    guest.say(layout.MSG_SIGN, REQUESTS[layout.MSG_SIGN])

    assert guest.code(layout.MSG_PUBLIC) == layout.ERROR_BUSY
    assert guest.code(layout.MSG_READ, read_body(0, 9)) == layout.ERROR_BUSY
    assert guest.code(layout.MSG_AUTH, guest.auth_body(READER)) == layout.ERROR_BUSY
    assert guest.code(layout.MSG_ABORT) == 0


def test_a_board_that_cannot_sign_says_so() -> None:
    """It has no device key."""
    guest = Guest()
    guest.device.features &= ~layout.FEATURE_SIGN

    assert guest.code(layout.MSG_SIGN, REQUESTS[layout.MSG_SIGN]) == layout.ERROR_NOT_ALLOWED
    assert guest.code(layout.MSG_PUBLIC) == layout.ERROR_NOT_ALLOWED


def test_a_signature_whose_host_has_gone_is_told_to_nobody() -> None:
    """A new conversation on the same link does not get the old one's."""
    guest = Guest()
    guest.say(layout.MSG_SIGN, REQUESTS[layout.MSG_SIGN])
    guest.greet()

    assert guest.settle() == []
    assert guest.device.signing is not None


@pytest.mark.parametrize("error", [OSError(5, "the flash fails"), MemoryError()])
@pytest.mark.parametrize("where", ["note_access", "SessionKeys"])
def test_a_proof_that_fails_half_way_leaves_nobody_proven(
    error: Exception, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else requests without a tag would have the role: anybody's on the line."""

    def fail(*_: object) -> None:
        raise error

    guest = Guest()
    guest.device.lock.is_locked = True
    place = guest.device if where == "note_access" else server
    monkeypatch.setattr(place, where, fail)
    body = guest.auth_body(ADMIN)
    codes = [guest.code(layout.MSG_AUTH, body)]
    monkeypatch.undo()
    codes.append(guest.code(layout.MSG_LIST, REQUESTS[layout.MSG_LIST]))

    assert codes == [layout.ERROR_BUSY, layout.ERROR_NOT_ALLOWED]
    assert guest.prove(ADMIN)[0] == layout.MSG_AUTH | layout.REPLY


def test_a_signature_that_another_host_displaced_is_busy_and_holds_nothing_up() -> None:
    """It was done while its host still streamed a file; the conversation goes on."""
    guest = Guest()
    guest.device.sign_polls = 1000
    guest.say(layout.MSG_SIGN, REQUESTS[layout.MSG_SIGN])

    def displaced(_: object) -> None:
        raise ValueError("another signature was asked for before this one was fetched")

    guest.device.signed = displaced  # type: ignore[method-assign]
    (answer,) = guest.settle() or guest.settle()

    assert (answer[0], answer[2][0]) == (layout.MSG_ERROR, layout.ERROR_BUSY)
    assert guest.prove(READER)[0] == layout.MSG_AUTH | layout.REPLY


# --- anything at all -----------------------------------------------------------------------------
FRAMES = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 255), st.sampled_from(sorted(access.NEEDS))),
        st.integers(0, 255),
        st.one_of(
            st.binary(max_size=236),
            st.sampled_from(list(REQUESTS.values())),
            st.binary(max_size=200).map(
                lambda rest: struct.pack(layout.AUTH.format, COURIER, 0, bytes(16)) + rest
            ),
        ),
    ),
    max_size=20,
)


@given(frames=FRAMES, key=st.sampled_from([0, READER, ADMIN]), flags=st.sampled_from([0, 1]))
def test_no_frames_of_a_stranger_do_what_takes_a_proof(
    frames: list[tuple[int, int, bytes]], key: int, flags: int
) -> None:
    """Over the air, before a conversation is proven or in the middle of it; none raises."""
    guest = Guest()
    guest.device.lock.is_locked = True
    if key:
        guest.prove(key, flags=flags)
    for kind, seq, body in frames:
        guest.server.handle(kind, seq, body)
        guest.settle(10_000)

    device = guest.device
    done = (device.time_set, device.radio_told, device.marks, device.handoffs, device.acknowledged)
    assert done == (None, None, [], [], [])
    assert not device.stopped
    assert device.lock.is_locked
    assert guest.store.opened == []


@given(body=st.binary(min_size=18, max_size=236), flags=st.sampled_from([0, 1]))
def test_no_auth_is_taken_for_a_proof_that_is_none(body: bytes, flags: int) -> None:
    """Whatever stands in it, and behind it."""
    guest = Guest()
    guest.server.handle(layout.MSG_AUTH, 1, bytes((COURIER, flags)) + body[2:])
    guest.settle()

    assert guest.out.frames[-1][0] == layout.MSG_ERROR
    assert not guest.server.visitor.is_proven


# --- proofs without end --------------------------------------------------------------------------
def test_a_host_that_comes_back_over_a_bad_link_is_recorded_once_a_minute() -> None:
    """Each conversation is proven; the log says it once, and again when a minute has passed."""
    guest = Guest(in_hand=False)
    for _ in range(300):
        guest.greet()
        guest.prove(COURIER)
        guest.device.now_ms += 100

    assert [what[0] for what in guest.device.told] == [PROVEN]
    guest.device.now_ms += 60_000
    guest.greet()
    guest.prove(COURIER)
    assert [what[0] for what in guest.device.told] == [PROVEN, PROVEN]


def test_proofs_in_turn_do_not_fill_the_log() -> None:
    """Two keys by turns are two names each time: 64 at once, then busy, and nothing is proven."""
    guest = Guest(in_hand=False)
    for number in range(ADMISSIONS_AT_ONCE):
        guest.greet()
        guest.prove((COURIER, READER)[number % 2])
    guest.greet()

    kind, body = guest.prove(COURIER)
    assert (kind, body[0]) == (layout.MSG_ERROR, layout.ERROR_BUSY)
    assert len(guest.device.told) == ADMISSIONS_AT_ONCE
    assert not guest.server.visitor.is_proven
    guest.device.now_ms += 10_000
    guest.greet()
    assert guest.prove(COURIER)[0] == layout.MSG_AUTH | layout.REPLY
