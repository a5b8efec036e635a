"""Who may do what: keys, tokens, the row of failures, and the lock, the same for every link.

Place in the line: beside server. Each link's server has a Visitor of its own, whoever is at the
other end in this conversation; all of them share one Guard. Rules: protocol/SPEC.md 7.7 and 7.8;
reasons: protocol/DESIGN.md "Trust".

How many proofs were refused is kept in RAM alone. A reset ends the row, and takes somebody who
holds the board; a file written at each failure would let anybody with a radio wear out the flash.
A proof has 128 bits: the wait makes guessing visible and slow, it is not what makes it hopeless.
"""

import struct

from micropython import const

from dewarlog_firmware.allowance import Allowance
from dewarlog_wire import access, layout, proof, token
from dewarlog_wire.errors import TokenError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Keys(Protocol):
        """What the guard needs of the board."""

        def secret(self, key: int) -> bytes:
            """Return the derived key of layout.KEY_*; empty when this board has no device key."""
            ...

        def ticks_ms(self) -> int:
            """Return a count of milliseconds, of which the low 30 bits are used."""
            ...

        def uptime_s(self) -> int:
            """Return for how many seconds the board has been up."""
            ...

        def clock(self) -> "tuple[int, int]":
            """Return what the clock says (UTC, layout.UTC_UNKNOWN) and its state."""
            ...

        def log_id(self) -> bytes:
            """Return the id of the open run; empty when there is none."""
            ...

        def note_access(self, visitor: "Visitor", result: int, failures: int) -> None:
            """Record an attempt to prove oneself, or its success; never fails."""
            ...

        def note_claimed(self) -> None:
            """Do what the profile asks of a board that an admin has just claimed."""
            ...

    class LockState(Protocol):
        """What is asked of lock.Lock."""

        is_claimed: bool
        is_locked: bool

        def unclaim(self) -> None:
            """Belong to nobody again. OSError when that cannot be kept."""
            ...

        def claim(self) -> None:
            """Remember that an admin has proven itself. OSError when that cannot be kept."""
            ...

        def set(self, *, locked: bool) -> None:
            """Lock the board or open it. OSError when that cannot be kept."""
            ...


UNPROVEN, PROVEN, PROOF_REFUSED, TOKEN_REFUSED, LOCKED_OUT = range(5)  # ACCESS_RESULT_NAMES
LINK_USB, LINK_RADIO = range(2)  # LINK_NAMES
FAILURES_MAX = const(0xFFFF)
WAIT_MAX_MS = const(16000)
# How far holders of tokens may move a clock that is set, in all of their requests since a host
# that needed no token set it: a token ends by this clock, and many small steps are one large one.
TOKEN_CLOCK_S = const(300)
# Proofs that hold are recorded too: so many at once, then one in a while, and the same host's next
# one within a minute not at all. A host that comes back over a bad link costs nothing, and nobody
# fills the flash by proving himself.
ADMISSIONS_AT_ONCE = const(64)
ADMISSION_EVERY_MS = const(10_000)
ADMISSION_AGAIN_MS = const(60_000)
_TICKS_MASK = const(0x3FFFFFFF)
_NO_TOKEN = bytes(8)


class Refused(Exception):
    """A request this board does not carry out; `code` is one of layout.ERROR_NAMES."""

    def __init__(self, code: int, text: str) -> None:
        """Keep the code and the words for the host's user."""
        super().__init__(text)
        self.code = code
        self.text = text


class Guard:
    """What the links of one board share. `keys`: desk.Desk; `lock`: lock.Lock.

    `speaker` is the Visitor whose request is being carried out, None between requests: who an
    event that comes of it is put down to (audit.py).
    """

    def __init__(self, keys: "Keys", device_id: bytes, lock: "LockState") -> None:
        self.keys = keys
        self.device_id = device_id
        self.lock = lock
        self.is_leaving = False  # the board is about to start again: what is said now goes nowhere
        self.speaker: "Visitor | None" = None
        self.failures = 0  # attempts refused since the last that held, locked out or not
        self._refused = 0  # those of them that were looked at
        self._shut_from_ms = -1  # ticks when the wait began; -1: no wait
        self._wait_ms = 0
        self._admissions = Allowance(ADMISSIONS_AT_ONCE, ADMISSION_EVERY_MS)
        self._admitted: "tuple | None" = None  # who was, last, as the log says
        self._admitted_ms = 0
        # UTC less uptime by the clock before a token's holder moved it, or by who needed no token.
        self._true_utc_s: "int | None" = None

    # --- the row of failures ------------------------------------------------------------------

    def left_ms(self) -> int:
        """Return for how long no proof is looked at; 0: one is, now."""
        if self._shut_from_ms < 0:
            return 0
        gone_ms = (self.keys.ticks_ms() - self._shut_from_ms) & _TICKS_MASK
        if gone_ms >= self._wait_ms:
            self._shut_from_ms = -1
            return 0
        return self._wait_ms - gone_ms

    def expect_patience(self, visitor: "Visitor") -> None:
        """Refuse to look at a proof while the wait lasts, right or wrong."""
        left_ms = self.left_ms()
        if left_ms:
            self._count(visitor, LOCKED_OUT)
            raise Refused(
                layout.ERROR_LOCKED_OUT,
                "%d seconds until a proof is looked at again" % ((left_ms + 999) // 1000),
            )

    def refuse(self, visitor: "Visitor", result: int, text: str) -> Refused:
        """Count a refused proof, begin the next wait, and return what to raise."""
        self._wait_ms = min(1000 << min(self._refused, 4), WAIT_MAX_MS)
        self._refused += 1
        self._shut_from_ms = self.keys.ticks_ms() & _TICKS_MASK
        self._count(visitor, result)
        return Refused(layout.ERROR_NOT_ALLOWED, text)

    def _count(self, visitor: "Visitor", result: int) -> None:
        """Count an attempt that failed; the first, second, fourth, eighth ... are recorded."""
        if self.failures < FAILURES_MAX:
            self.failures += 1
            if not self.failures & (self.failures - 1):
                self.keys.note_access(visitor, result, self.failures)

    def admit(self, visitor: "Visitor") -> None:
        """End the row: a proof held. An admin's own claims the board.

        Raises Refused (busy) when more proofs were recorded than a host has need of.
        """
        failures = self.failures
        now_ms = self.keys.ticks_ms() & _TICKS_MASK
        who = visitor.name()
        gone_ms = (now_ms - self._admitted_ms) & _TICKS_MASK
        if failures or who != self._admitted or gone_ms >= ADMISSION_AGAIN_MS:
            if not self._admissions.take(now_ms):
                raise Refused(
                    layout.ERROR_BUSY,
                    "too many proofs; ask again in %d s" % (ADMISSION_EVERY_MS // 1000),
                )
            self._admitted = who
            self._admitted_ms = now_ms
            self.keys.note_access(visitor, PROVEN, failures)
        self.failures = self._refused = 0
        self._shut_from_ms = -1
        if visitor.is_admin and not self.lock.is_claimed:
            try:
                self.lock.claim()
            except OSError:
                return  # memory is full: claimed the next time
            self.keys.note_claimed()

    # --- the clock ----------------------------------------------------------------------------

    def expect_small_step(self, utc_s: int) -> None:
        """Refuse a time by which the holder of a token would move the end of tokens."""
        if self._true_utc_s is None:
            now_s = self.keys.clock()[0]
            if now_s == layout.UTC_UNKNOWN:
                return
            self._true_utc_s = now_s - self.keys.uptime_s()
        # Not from what the clock says now: it is set up to a second after it was told.
        moved_s = utc_s - self.keys.uptime_s() - self._true_utc_s
        if not -TOKEN_CLOCK_S <= moved_s <= TOKEN_CLOCK_S:
            raise Refused(
                layout.ERROR_NOT_ALLOWED,
                "a token's holder moves the clock by at most %d s" % TOKEN_CLOCK_S,
            )

    def note_time(self, utc_s: int, *, by_token: bool) -> None:
        """Remember a time that was taken, if it is the one that holders are measured by."""
        if not by_token or self._true_utc_s is None:
            self._true_utc_s = utc_s - self.keys.uptime_s()


class Visitor:
    """Whoever is at the other end of one link in one conversation.

    `in_hand`: he holds the board, at its USB port.
    """

    def __init__(self, guard: Guard, *, in_hand: bool) -> None:
        self.guard = guard
        self.in_hand = in_hand
        self.link = LINK_USB if in_hand else LINK_RADIO
        self.introduced = False  # the log says who he is (audit.py)
        self._hello = self._hello_reply = b""
        self._unknow()

    def greet(self, hello: bytes, hello_reply: bytes) -> None:
        """Begin a conversation: both bodies go into every proof of it."""
        self._hello = hello
        self._hello_reply = hello_reply

    def forget(self) -> None:
        """Be nobody again: the conversation is not proven any more."""
        self._unknow()

    def _unknow(self) -> None:
        self._holds = b""  # the AUTH that holds, and what was answered
        self._answer = b""
        self.key = 0
        self.tried = 0  # the key that a proof was tried by
        self.token_id = _NO_TOKEN
        self.holder = ""
        self._caveats = b""
        self._role_may = 0

    # --- what he may --------------------------------------------------------------------------

    @property
    def is_proven(self) -> bool:
        """Tell whether a proof of this conversation holds."""
        return self.key != 0

    @property
    def is_admin(self) -> bool:
        """Tell whether he has the admin key itself."""
        return self.key == layout.KEY_ADMIN and not self._caveats

    def name(self) -> tuple:
        """Return who he is, as the log would say it."""
        return self.link, self.key, self.token_id, self.holder

    def expect(self, needs: int) -> None:
        """Refuse a request that takes `needs` (a MAY bit, or 0) from who has it not."""
        if not needs:
            return
        if needs == layout.MAY_KEYS and not self.in_hand:
            raise Refused(layout.ERROR_NOT_ALLOWED, "that is done over the USB port only")
        if self._unproven_may() & needs:
            return
        why, may = self._proven_may()
        if not may & needs:
            raise Refused(layout.ERROR_NOT_ALLOWED, why or _why_not(self, needs))

    def expect_admin(self) -> None:
        """Refuse everybody but who has the admin key itself, proven in this conversation."""
        if not self.is_admin:
            raise Refused(layout.ERROR_NOT_ALLOWED, "this takes a proof by the admin key")

    def sets_by_token(self) -> bool:
        """Tell whether he may set the clock by a token alone."""
        return self._caveats != b"" and not self._unproven_may() & layout.MAY_SET

    def _unproven_may(self) -> int:
        return access.MAY_UNPROVEN[(self.in_hand, self.guard.lock.is_locked)]

    def _proven_may(self) -> "tuple[str, int]":
        """Return (why a token holds no more, what the proof allows); the clock goes on."""
        if not self._caveats:
            return "", self._role_may
        why, may, _, _ = self._judge()
        return why, may

    def _judge(self) -> "tuple[str, int, bytes, str]":
        keys = self.guard.keys
        utc_s = keys.clock()[0]
        return token.why_not(
            self._caveats, self.guard.device_id, keys.log_id(), utc_s, self._role_may
        )

    # --- proving ------------------------------------------------------------------------------

    def is_this(self, auth: bytes) -> bool:
        """Tell whether this very AUTH is the one that holds; `answer` is what it was answered."""
        return self.is_proven and auth == self._holds

    def prove(self, auth: bytes, features: int) -> "tuple[bytes, bytes, bytes]":
        """Judge the body of an AUTH: return (the board's proof, secret, transcript).

        Raises Refused; nobody is proven then.
        """
        self._unknow()
        if len(auth) < layout.AUTH.size:
            raise Refused(layout.ERROR_MALFORMED, "auth has %d bytes" % layout.AUTH.size)
        key, flags, given = struct.unpack_from(layout.AUTH.format, auth, 0)
        if key not in access.MAY:
            raise Refused(layout.ERROR_RANGE, "no host proves itself by key %d" % key)
        if flags & ~layout.AUTH_SECRET or (flags and not features & layout.FEATURE_SECRET):
            raise Refused(layout.ERROR_RANGE, "no such flags: %d" % flags)
        guard = self.guard
        role_secret = guard.keys.secret(key)
        if not role_secret:
            raise Refused(layout.ERROR_NOT_ALLOWED, "this board could not store a device key")
        self.tried = key
        guard.expect_patience(self)
        caveats = auth[layout.AUTH.size :]
        try:
            secret = token.token_secret(role_secret, caveats)
        except TokenError as error:
            raise guard.refuse(self, TOKEN_REFUSED, str(error))
        said = proof.transcript(self._hello, self._hello_reply, key, flags)
        if not proof.same(proof.host_proof(secret, said), given):
            raise guard.refuse(
                self,
                PROOF_REFUSED,
                "that is no proof by this board's %s key" % layout.KEY_NAMES[key],
            )
        self._take(key, caveats)
        self._holds = auth
        self._answer = proof.board_proof(secret, said)
        try:
            guard.admit(self)
        except Refused:
            self._unknow()
            raise
        return self._answer, secret, said

    @property
    def answer(self) -> bytes:
        """What the AUTH that holds was answered with."""
        return self._answer

    def _take(self, key: int, caveats: bytes) -> None:
        """Be who has proven to have this key, or the token with these caveats."""
        self.key = key
        self._caveats = caveats
        self._role_may = access.MAY[key]
        if not caveats:
            return
        self._role_may &= access.MAY_BY_TOKEN
        try:
            why, _, self.token_id, self.holder = self._judge()
        except TokenError as error:
            why = str(error)
        if why:
            refusal = self.guard.refuse(self, TOKEN_REFUSED, why)
            self._unknow()
            raise refusal


def _why_not(visitor: Visitor, needs: int) -> str:
    """Say what would be needed, for a person."""
    if needs in (layout.MAY_KEYS, layout.MAY_STOP, layout.MAY_BENCH):
        key = "admin"
    elif needs == layout.MAY_READ:
        key = "reader, courier or admin"
    else:
        key = "courier or admin"
    if visitor.is_proven:
        return "a proven %s may not do that; the %s key may" % (
            layout.KEY_NAMES[visitor.key],
            key,
        )
    where = "on a locked board" if visitor.guard.lock.is_locked else "over the air"
    return "%s this takes a proof by the %s key" % (where, key)
