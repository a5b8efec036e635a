# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
"""The board that heap_lock_server.py and heap_lock_ble.py measure: one file, one key, no lock.

Runs on MicroPython, imported from the same folder.
"""

import struct

from dewarlog_firmware.access import Guard
from dewarlog_firmware.server import Server
from dewarlog_wire import layout, proof, session_keys

SECRET = bytes(range(32))


class Reader:
    """Bytes without a file: the file system's own costs are not what is measured."""

    def __init__(self, size: int) -> None:
        self.size = size

    def read_into(self, offset: int, view: memoryview) -> int:
        """Leave in `view` what is there."""
        return len(view)

    def close(self) -> None:
        """Do nothing."""


class Store:
    """One file, whatever is asked for."""

    def __init__(self, size: int) -> None:
        self._size = size

    def open(self, run: int, file: int, etag: int) -> Reader:
        """Open it."""
        return Reader(self._size)


class Device:
    """The rest of a board."""

    features = layout.FEATURE_SECRET

    def secret(self, key: int) -> bytes:
        """Return the one key."""
        return SECRET

    def ticks_ms(self) -> int:
        """Return a time."""
        return 0

    def note_access(self, visitor: object, result: int, failures: int) -> None:
        """Forget it."""


class Lock:
    """An open board's."""

    is_claimed = False
    is_locked = False


def guard() -> Guard:
    """Return what decides who may do what."""
    return Guard(Device(), b"heaptest", Lock())


def prove(server: Server, hello: bytes, flags: int) -> session_keys.SessionKeys:
    """Say AUTH as a reader; return the keys that follow."""
    hello_reply = server.visitor._hello_reply  # noqa: SLF001 - no host is there to hear it
    said = proof.transcript(hello, hello_reply, layout.KEY_READER, flags)
    given = proof.host_proof(SECRET, said)
    server.handle(
        layout.MSG_AUTH, 2, struct.pack(layout.AUTH.format, layout.KEY_READER, flags, given)
    )
    return session_keys.SessionKeys(SECRET, said)
