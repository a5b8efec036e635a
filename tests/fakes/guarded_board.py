"""A board in memory whose guard is what a test is about: locks that fail, slow signatures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dewarlog_wire import layout
from memory_board import DEVICE_ID, LOG_ID, MemoryDevice, MemoryLock

if TYPE_CHECKING:
    from dewarlog_firmware.access import Guard, Visitor


@dataclass
class FullLock(MemoryLock):
    """A lock whose file finds no room while `full`."""

    full: bool = False

    def claim(self) -> None:
        """Be claimed."""
        self._expect_room()
        super().claim()

    def set(self, *, locked: bool) -> None:
        """Lock or open."""
        self._expect_room()
        super().set(locked=locked)

    def _expect_room(self) -> None:
        if self.full:
            raise OSError(28, "no space left on device")


@dataclass
class GuardedDevice(MemoryDevice):
    """The rest of a board, which tells everything of the attempts and signs when it is told to."""

    lock: MemoryLock = field(default_factory=FullLock)
    open_log_id: bytes = LOG_ID
    told: list[tuple[int, int, int, bytes, str, int]] = field(
        default_factory=list[tuple[int, int, int, bytes, str, int]]
    )
    """(result, link, key, token id, holder, failures) of each that the log would hold."""
    sealing: tuple[int, bytes] | None = (41, b"s" * 32)
    signing: tuple[Visitor, tuple[Any, ...]] | None = None
    sign_polls: int = 0
    """How often a signature is asked for before it is there."""

    def log_id(self) -> bytes:
        """Return the id of the open run."""
        return self.open_log_id

    def note_access(self, visitor: Visitor, result: int, failures: int) -> None:
        """Take note of an attempt."""
        key = visitor.key or visitor.tried
        self.told.append((result, visitor.link, key, visitor.token_id, visitor.holder, failures))

    def seal_key(self) -> tuple[int, bytes] | None:
        """Return the sealing key."""
        return self.sealing

    def sign(self, visitor: Visitor, run: int, nonce: bytes) -> None:
        """Begin to sign: what comes is told apart by its nonce, and proves nothing."""
        if self.signing is not None:
            raise ValueError("another signature is being made")
        if run != 1:
            raise KeyError(run)
        values = (run, LOG_ID, 3, bytes(32), 60, 500, self.utc_s, layout.CLOCK_OK, nonce * 4)
        self.signing = (visitor, values)

    def public(self, visitor: Visitor) -> None:
        """Begin to work out the public key."""
        if self.signing is not None:
            raise ValueError("another signature is being made")
        self.signing = (visitor, (b"p" * 32,))

    def signed(self, visitor: Visitor) -> tuple[Any, ...] | None:
        """Return what was signed, after so many polls."""
        if self.signing is None or self.signing[0] is not visitor:
            return None
        self.sign_polls -= 1
        if self.sign_polls >= 0:
            return None
        values = self.signing[1]
        self.signing = None
        return values


def guard_of(device: MemoryDevice, device_id: bytes = DEVICE_ID) -> Guard:
    """Return what decides who may do what on this board."""
    return device.guard(device_id)
