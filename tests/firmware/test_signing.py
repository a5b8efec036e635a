"""Signatures for hosts: one at a time for both links, and a stranger's a minute apart."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from dewarlog_firmware.access import Guard, Visitor
from dewarlog_firmware.signing import STRANGER_PAUSE_MS, Signing
from memory_board import DEVICE_ID, MemoryDevice, MemoryLock

NONCE = b"0123456789abcdef"


@dataclass
class Signer:
    """Needs three slices; remembers who spoke in the last."""

    guard: Guard
    left: int = 0
    begun: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    key: bytes = b""
    spoke: object = None
    full: bool = False
    starved: bool = False
    can_sign: bool = True

    def begin(self, run: int, nonce: bytes) -> None:
        """Begin."""
        if run != 1:
            raise KeyError(run)
        assert not self.left, "begun while another job is in hand"
        self.begun.append((run, nonce))
        self.left = 3

    def begin_public(self) -> None:
        """Begin."""
        assert not self.left, "begun while another job is in hand"
        self.left = 3

    def step(self) -> bool:
        """Do a slice."""
        self.spoke = self.guard.speaker
        self.left -= 1
        if not self.left:
            if self.starved:
                raise MemoryError
            if self.full:
                raise OSError(28, "no space left on device")
            self.key = b"p" * 32
        return not self.left

    def reply(self) -> tuple[int, ...]:
        """Return something."""
        return (1, 2, 3)

    def public(self) -> bytes:
        """Return the key once it is known."""
        return self.key

    def drop(self) -> None:
        """Give up."""
        self.left = 0


class Bench:
    """Signing for two hosts: one over the air, one at the port."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.guard = Guard(MemoryDevice(), DEVICE_ID, MemoryLock())
        self.signer = Signer(self.guard)
        self.signing = Signing(self.signer, self.guard, lambda: self.now_ms)
        self.stranger = Visitor(self.guard, in_hand=False)
        self.holder = Visitor(self.guard, in_hand=True)

    def finish(self) -> None:
        """Do every slice."""
        while self.signing.step():
            pass


def test_a_signature_goes_to_who_asked_and_once() -> None:
    """The other link hears nothing of it."""
    bench = Bench()
    bench.signing.sign(bench.holder, 1, NONCE)
    early = bench.signing.signed(bench.holder)
    bench.finish()

    assert early is None
    with pytest.raises(ValueError, match="another signature"):
        bench.signing.signed(bench.stranger)
    assert bench.signing.signed(bench.holder) == (1, 2, 3)
    with pytest.raises(ValueError, match="another signature"):
        bench.signing.signed(bench.holder)


def test_its_event_is_put_down_to_who_asked() -> None:
    """Though it comes passes later."""
    bench = Bench()
    bench.signing.sign(bench.holder, 1, NONCE)
    bench.finish()

    assert bench.signer.spoke is bench.holder
    assert bench.guard.speaker is None


def test_the_other_link_waits_while_one_is_made() -> None:
    """And may begin when it is done, fetched or not: who went away holds nobody up."""
    bench = Bench()
    bench.signing.sign(bench.holder, 1, NONCE)
    with pytest.raises(ValueError, match="another signature"):
        bench.signing.sign(bench.stranger, 1, NONCE)
    with pytest.raises(ValueError, match="another signature"):
        bench.signing.public(bench.stranger)
    bench.finish()

    bench.signing.sign(bench.stranger, 1, NONCE)
    bench.finish()

    with pytest.raises(ValueError, match="before this one was fetched"):
        bench.signing.signed(bench.holder)
    assert bench.signing.signed(bench.stranger) == (1, 2, 3)


def test_a_stranger_over_the_air_gets_one_a_minute() -> None:
    """Each takes seconds of the board and a place in its log; the one at the port may go on."""
    bench = Bench()
    bench.signing.sign(bench.stranger, 1, NONCE)
    bench.finish()
    bench.now_ms = STRANGER_PAUSE_MS - 1
    with pytest.raises(ValueError, match="1 s to wait"):
        bench.signing.sign(bench.stranger, 1, NONCE)
    for _ in range(3):
        bench.signing.sign(bench.holder, 1, NONCE)
        bench.finish()
    bench.now_ms += 1

    bench.signing.sign(bench.stranger, 1, NONCE)

    assert len(bench.signer.begun) == 5


def test_what_could_not_be_begun_makes_nobody_wait() -> None:
    """There is no such run."""
    bench = Bench()
    with pytest.raises(KeyError):
        bench.signing.sign(bench.stranger, 9, NONCE)

    bench.signing.sign(bench.stranger, 1, NONCE)

    assert len(bench.signer.begun) == 1


def test_the_public_key_is_worked_out_once() -> None:
    """Then it is there at once."""
    bench = Bench()
    bench.signing.public(bench.stranger)
    early = bench.signing.signed(bench.stranger)
    bench.finish()
    first = bench.signing.signed(bench.stranger)
    bench.signing.public(bench.holder)

    assert (early, first) == (None, (b"p" * 32,))
    assert not bench.signing.step()
    assert bench.signing.signed(bench.holder) == (b"p" * 32,)


def test_a_signature_that_finds_no_room_is_an_error_and_no_stop() -> None:
    """Of the server that asked; the main loop goes on, and so does the next signature."""
    bench = Bench()
    bench.signer.full = True
    bench.signing.sign(bench.holder, 1, NONCE)
    bench.finish()

    with pytest.raises(OSError, match="no space"):
        bench.signing.signed(bench.holder)
    bench.signer.full = False
    bench.signing.sign(bench.holder, 1, NONCE)
    bench.finish()
    assert bench.signing.signed(bench.holder) == (1, 2, 3)


def test_a_signature_that_finds_no_memory_is_an_error_and_no_stop() -> None:
    """A heap too small for its integers: sampling goes on, and the next one is begun afresh."""
    bench = Bench()
    bench.signer.starved = True
    bench.signing.sign(bench.holder, 1, NONCE)
    bench.finish()

    with pytest.raises(MemoryError):
        bench.signing.signed(bench.holder)
    bench.signer.starved = False
    bench.signing.sign(bench.holder, 1, NONCE)
    bench.finish()
    assert bench.signing.signed(bench.holder) == (1, 2, 3)
