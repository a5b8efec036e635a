"""Signatures for hosts: one at a time for all links, worked on a slice a pass.

Place in the line: between desk, which takes what the servers ask for, and signer, which signs. A
signature takes seconds of a board's time and a place in the log, so a stranger over the air gets
one a minute; who has proven himself, or holds the board, as many as he likes.
"""

from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from dewarlog_firmware.access import Guard, Visitor

    class Signer(Protocol):
        """What is asked of signer.Signer."""

        @property
        def can_sign(self) -> bool:
            """Tell whether this board has a signing key."""
            ...

        def begin(self, run: int, nonce: bytes) -> None:
            """Begin to sign. KeyError for no such run, ValueError when busy."""
            ...

        def begin_public(self) -> None:
            """Begin to work out the public key. ValueError when busy."""
            ...

        def step(self) -> bool:
            """Do a slice; True when it is done. OSError when the signature finds no room."""
            ...

        def reply(self) -> tuple:
            """Return the values of SIGN_REPLY."""
            ...

        def public(self) -> bytes:
            """Return the public key; empty while it is not known."""
            ...

        def drop(self) -> None:
            """Give the job up."""
            ...


STRANGER_PAUSE_MS = const(60_000)
_TICKS_MASK = const(0x3FFFFFFF)


class Signing:
    """The job in hand, and whose it is. A host that went away does not stop it."""

    def __init__(self, signer: "Signer", guard: "Guard", ticks_ms: "Callable[[], int]") -> None:
        self._signer = signer
        self._guard = guard
        self._ticks_ms = ticks_ms
        self._visitor: "Visitor | None" = None  # whose job it is
        self._is_done = False
        self._is_public = False
        self._error: "OSError | MemoryError | None" = None
        self._stranger_ms = -1  # ticks when a stranger over the air last had one begun

    @property
    def can_sign(self) -> bool:
        """Tell whether this board signs (FEATURE_SIGN)."""
        return self._signer.can_sign

    def sign(self, visitor: "Visitor", run: int, nonce: bytes) -> None:
        """Begin to sign the head of a run. ValueError when it has to wait, KeyError for no run."""
        self._expect_free()
        is_stranger = not (visitor.is_proven or visitor.in_hand)
        if is_stranger:
            self._expect_pause()
        self._signer.begin(run, nonce)
        if is_stranger:
            self._stranger_ms = self._ticks_ms() & _TICKS_MASK
        self._begin(visitor, is_public=False)

    def public(self, visitor: "Visitor") -> None:
        """Begin to work out the public key, if it is not known. ValueError when it has to wait."""
        self._expect_free()
        if not self._signer.public():
            self._signer.begin_public()
        self._begin(visitor, is_public=True)
        self._is_done = self._signer.public() != b""

    def step(self) -> bool:
        """Do a slice of the job in hand; True while there is one."""
        visitor = self._visitor
        if visitor is None or self._is_done:
            return False
        # The signature's event is put down to who asked for it.
        self._guard.speaker = visitor
        try:
            self._is_done = self._signer.step()
        except (OSError, MemoryError) as error:
            # Sampling needs no memory of the heap, and goes on.
            self._signer.drop()
            self._is_done = True
            self._error = error
        finally:
            self._guard.speaker = None
        return True

    def signed(self, visitor: "Visitor") -> "tuple | None":
        """Return the values of the reply this host waits for, once; None while worked on.

        OSError or MemoryError when there was no room for it, ValueError when it was given up
        because another host's was begun before this one fetched it.
        """
        if visitor is not self._visitor:
            raise ValueError("another signature was asked for before this one was fetched")
        if not self._is_done:
            return None
        self._visitor = None
        if self._error is not None:
            raise self._error
        return (self._signer.public(),) if self._is_public else self._signer.reply()

    def _begin(self, visitor: "Visitor", *, is_public: bool) -> None:
        self._visitor = visitor
        self._is_public = is_public
        self._is_done = False
        self._error = None

    def _expect_free(self) -> None:
        """Refuse while a job is worked on; one that is done and not fetched is given up."""
        if self._visitor is not None and not self._is_done:
            raise ValueError("another signature is being made")

    def _expect_pause(self) -> None:
        if self._stranger_ms < 0:
            return
        gone_ms = (self._ticks_ms() - self._stranger_ms) & _TICKS_MASK
        if gone_ms < STRANGER_PAUSE_MS:
            left_s = (STRANGER_PAUSE_MS - gone_ms + 999) // 1000
            raise ValueError("without a proof one signature a minute: %d s to wait" % left_s)
