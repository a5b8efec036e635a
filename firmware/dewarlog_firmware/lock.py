"""The board's lock: who may open its prompt, kept over resets.

Beside the line: main.py starts the logger through it, access asks it, desk sets it. What locking
means: protocol/SPEC.md 7.7; how far it reaches: protocol/DESIGN.md "Trust".

MicroPython makes Ctrl-C raise KeyboardInterrupt, and gives whoever sits at the console a prompt
once main.py has ended. So on a locked board Ctrl-C is a byte like any other
(micropython.kbd_intr), and main.py never ends: whatever leaves the logger there ends in a reset.
MicroPython itself (shared/runtime/pyexec.c) gives Ctrl-C back before boot.py and again before
main.py, whose first statement takes it away. On rp2 no byte can come before that: the port starts
USB between the two, and a host needs far longer to find it. A port whose console is a UART, or is
kept by hardware over a reset, has a moment there that a flood of Ctrl-C may meet.

What no firmware can keep out, and who can do it has the device key: the BOOTSEL button (UF2 and
picotool read and write all of the flash), the debug port, and a reader on the flash chip itself.
Against them stand the forward-secure seals and what receivers hold, not this lock.

The way back: the admin key opens the board over USB, and Ctrl-C works at once. Without that key
there is none but to erase the whole flash, the log and the device key with it.
"""

import struct

import micropython
from micropython import const

from dewarlog_firmware.whole_file import write_whole
from dewarlog_wire.crc import crc32

LOCK_PATH = "/lock.bin"
_FORMAT = "<BBI"  # 1 claimed, 1 locked, CRC-32 of the two
_BYTES = const(6)
_ENOENT = const(2)  # errno, the same on every port
_CTRL_C = const(3)
_NOBODY = const(-1)
# A firmware that fails at once at each start resets no more often: flash wears.
_RESTART_PAUSE_MS = const(2000)


class Lock:
    """Whether the board is claimed and locked. `path` is its file; none is a new board's.

    A file that is there and cannot be read means claimed and locked: the safe side, from which
    the admin key is a way back.
    """

    def __init__(self, path: str = LOCK_PATH) -> None:
        self._path = path
        self.is_claimed = False
        self.is_locked = False
        try:
            with open(path, "rb") as file:
                data = file.read(_BYTES + 1)
        except OSError as error:
            if error.args[0] == _ENOENT:
                return  # nobody has claimed this board yet
            data = b""
        self.is_claimed = self.is_locked = True
        if len(data) == _BYTES:
            claimed, locked, crc = struct.unpack(_FORMAT, data)
            if crc == crc32(data[:-4]):
                self.is_claimed, self.is_locked = claimed != 0, locked != 0

    def claim(self) -> None:
        """Remember that an admin has proven itself. OSError when that cannot be kept."""
        if not self.is_claimed:
            self._keep(claimed=True, locked=self.is_locked)

    def unclaim(self) -> None:
        """Belong to nobody again, as an open board alone may. OSError when it cannot be kept."""
        if self.is_claimed:
            self._keep(claimed=False, locked=False)

    def set(self, *, locked: bool) -> None:
        """Lock the board or open it, and its console at once. OSError when it cannot be kept."""
        if locked != self.is_locked:
            self._keep(self.is_claimed, locked)
        self.apply()

    def apply(self) -> None:
        """Let Ctrl-C do what the lock says."""
        micropython.kbd_intr(_NOBODY if self.is_locked else _CTRL_C)

    def forget(self) -> None:
        """Be neither in this boot: a board without a key could not be opened."""
        self.is_claimed = self.is_locked = False
        self.apply()

    def _keep(self, claimed: bool, locked: bool) -> None:
        data = bytes((claimed, locked))
        write_whole(self._path, data + struct.pack("<I", crc32(data)))
        self.is_claimed, self.is_locked = claimed, locked


def start() -> None:
    """Start the logger, as main.py does; on a locked board this never returns."""
    # Before the rest: what keeps a locked board shut must not be missing when it is wanted.
    from dewarlog_firmware import restart  # noqa: F401

    lock = Lock()
    lock.apply()
    try:
        from dewarlog_firmware import app

        app.run(lock)
    finally:
        leave(lock)


def leave(lock: Lock) -> None:
    """Reset a locked board instead of giving anybody its prompt; nothing on an open one."""
    if lock.is_locked:
        from dewarlog_firmware.restart import restart

        restart(_RESTART_PAUSE_MS)
