"""A board's server and USB link over plain files, on this MicroPython's console.

Run by real MicroPython with a terminal as its standard input and output:

    micropython serve_files.py FOLDER

FOLDER holds <run, 8 hex>/<segment, 4 hex>.seg. Everything between the file and the console is the
firmware as boards run it; only the log is another. Ends on Ctrl-C, like the firmware.
"""

import os
import select
import struct
import sys

from dewarlog_firmware.access import Guard
from dewarlog_firmware.link_usb import UsbLink
from dewarlog_firmware.server import Server
from dewarlog_wire import cobs, layout

try:
    from dewarlog_firmware.fast import cobs_encode_into, crc_shift
except (ImportError, SyntaxError):  # a port without machine code
    cobs_encode_into = cobs.encode_into
    crc_shift = None

DEVICE_ID = b"benchdev"
LOG_ID = b"benchlog"
ETAG = 1
IDLE_MS = 5


class FileReader:
    """One file, as long as it was when it was opened."""

    def __init__(self, path: str) -> None:
        self.size = os.stat(path)[6]
        self._file = open(path, "rb")
        self._at = 0

    def read_into(self, offset: int, view: memoryview) -> int:
        """Fill `view` from `offset`."""
        if offset != self._at:
            self._file.seek(offset)
        count = self._file.readinto(view)
        self._at = offset + count
        return count

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class FileStore:
    """A log of closed runs below one folder, as it stood at the start."""

    def __init__(self, root: str) -> None:
        self._paths = [
            (int(run, 16), int(name[:4], 16), root + "/" + run + "/" + name)
            for run in sorted(os.listdir(root))
            for name in sorted(os.listdir(root + "/" + run))
        ]

    def list_count(self) -> int:
        """Return how many files there are."""
        return len(self._paths)

    def list_entry(self, index: int) -> tuple:
        """Return one list entry."""
        run, segment, path = self._paths[index]
        return run, segment, layout.ENTRY_SEALED, ETAG, os.stat(path)[6], LOG_ID

    def open(self, run: int, file: int, etag: int) -> FileReader:
        """Open one file."""
        if etag != ETAG:
            raise ValueError(etag)
        for entry in self._paths:
            if entry[:2] == (run, file):
                return FileReader(entry[2])
        raise KeyError((run, file))

    def seal(self) -> tuple:
        """Say that nothing is open."""
        return 0, layout.CHAIN_START

    def confirm(self, _run: int, _blocks: int, _chain: bytes, _utc_s: int) -> bool:
        """Take the host's word."""
        return True


class NoSensors:
    """The rest of a board that has nothing to say."""

    features = 0

    def status(self) -> tuple:
        """Return zeros."""
        return struct.unpack(layout.STATUS_REPLY.format, bytes(layout.STATUS_REPLY.size))

    def set_time(self, _utc_s: int, _utc_ms: int, _error_ms: int) -> tuple:
        """Forget the time."""
        return layout.UTC_UNKNOWN, layout.CLOCK_ABSENT

    def mark(self, custody: bytes) -> None:
        """Forget the event."""

    def stop(self) -> None:
        """Go on."""

    def secret(self, _key: int) -> bytes:
        """Have no key."""
        return b""


class OpenLock:
    """A lock that is open."""

    is_claimed = False
    is_locked = False


def _is_gone(events: list) -> bool:
    """Tell whether the other end of the terminal is closed."""
    return any(event[1] & select.POLLHUP for event in events)


def main() -> None:
    """Serve until Ctrl-C."""
    store = FileStore(sys.argv[1])
    guard = Guard(NoSensors(), DEVICE_ID, OpenLock())
    server = Server(store, NoSensors(), guard, os.urandom, crc_shift=crc_shift, in_hand=True)
    link = UsbLink(sys.stdin.buffer, sys.stdout.buffer, cobs_encode_into)
    waiting = select.poll()
    waiting.register(sys.stdin.buffer, select.POLLIN)
    print("logger is up")
    try:
        while link.poll(server) or not _is_gone(waiting.poll(IDLE_MS)):
            pass
    except KeyboardInterrupt:
        print("stopped")


main()
