"""Flight mode: whether the radio may send, who said so, and until when.

Place in the line: outside it; app asks once a pass, desk passes on what a host says. Acts on
link_ble by `open` and `close` alone.

Every change is a RADIO event, and so is the profile's setting at the start of a run. What a host
said outlasts resets and power cuts of the same run: it stands in one small file, which a new run
deletes. After a boot a time that was running goes on by the clock chip; where that does not know
the time, it begins anew, so that a board in flight mode never sends too early.
"""

import os
import struct

from dewarlog_firmware.whole_file import write_whole
from dewarlog_wire.crc import crc32
from dewarlog_wire.layout import RADIO_CAUSE_NAMES, UTC_UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from dewarlog_firmware.server import Server

    class Link(Protocol):
        """What is asked of link_ble."""

        is_open: bool

        @property
        def connected(self) -> bool:
            """Tell whether a host is there."""
            ...

        def open(self) -> None:
            """Switch the radio on. OSError when it fails."""
            ...

        def close(self, server: "Server") -> None:
            """Switch the radio off."""
            ...


STATE_OFF = 0
STATE_ON = 1
CAUSE_PROFILE = RADIO_CAUSE_NAMES.index("profile")
CAUSE_HOST = RADIO_CAUSE_NAMES.index("host")
CAUSE_TIME_OVER = RADIO_CAUSE_NAMES.index("time over")
CAUSE_FAULT = RADIO_CAUSE_NAMES.index("fault")
# A host that switches the radio off over the radio gets its answer first: a piece or two, a few
# connection intervals of 50 ms at most.
FAREWELL_MS = 500
_FORMAT = "<BHI"  # state, minutes, UTC when they are over
_BYTES = 11  # with the CRC-32 of the rest


class Radio:
    """The switch of one board's radio.

    `state` is layout's: 0 off, 1 on. `path` is the file of what a host said; `note(values)`
    records a RADIO event; `read_clock()` returns (utc_s, clock state).
    """

    def __init__(
        self,
        link: "Link",
        profile_state: int,
        path: str,
        note: "Callable[[tuple], None]",
        read_clock: "Callable[[], tuple]",
    ) -> None:
        self.link = link
        self.state = STATE_OFF
        self.has_failed = False  # off, because the stack could not be switched on
        self._profile_state = profile_state
        self._path = path
        self._note = note
        self._read_clock = read_clock
        self._over_s = -1  # uptime when the time is over; -1: none is running
        self._told_s = self._told_ms = 0

    def begin(self) -> None:
        """Do what the profile says: a new run began."""
        self._forget()
        self._set(self._profile_state, CAUSE_PROFILE, 0, 0)

    def resume(self, now_s: int) -> None:
        """Do what was last said in this run: the board came up again in the middle of it."""
        kept = self._read()
        if kept is None:
            self._set(self._profile_state, CAUSE_PROFILE, 0, now_s)
            return
        state, minutes, over_utc_s = kept
        if minutes:
            utc_s = self._read_clock()[0]
            if UTC_UNKNOWN not in (utc_s, over_utc_s):
                left_s = over_utc_s - utc_s
                if left_s <= 0:
                    self._end_time(state, now_s)
                    return
                minutes = min(minutes, (left_s + 59) // 60)
        self._set(state, CAUSE_HOST, minutes, now_s)

    def tell(self, state: int, minutes: int, now_s: int, now_ms: int) -> None:
        """Do what a host says, for so many minutes; 0: until something else is said."""
        self._keep(state, minutes)
        self._told_s, self._told_ms = now_s, now_ms
        self._set(state, CAUSE_HOST, minutes, now_s)

    def look(self, server: "Server", now_s: int, now_ms: int) -> bool:
        """Switch the link when it is due; True while a host is still being answered."""
        if 0 <= self._over_s <= now_s:
            self._end_time(self.state, now_s)
        link = self.link
        if self.state == STATE_ON:
            if not link.is_open:
                self._open(now_s)
        elif link.is_open:
            waited_ms = (now_s - self._told_s) * 1000 + now_ms - self._told_ms
            if link.connected and 0 <= waited_ms < FAREWELL_MS:
                return True
            link.close(server)
        return False

    def stop(self, server: "Server") -> None:
        """Send no more: nobody will poll the link."""
        if self.link.is_open:
            self.link.close(server)

    def _open(self, now_s: int) -> None:
        try:
            self.link.open()
        except (OSError, RuntimeError, MemoryError):
            # Tried again when a host says so over USB, and at the next boot.
            self._set(STATE_OFF, CAUSE_FAULT, 0, now_s)

    def _end_time(self, state: int, now_s: int) -> None:
        """The time is over: the other state, until something else is said."""
        self._keep(1 - state, 0)
        self._set(1 - state, CAUSE_TIME_OVER, 0, now_s)

    def _set(self, state: int, cause: int, minutes: int, now_s: int) -> None:
        self.state = state
        self.has_failed = cause == CAUSE_FAULT
        self._over_s = now_s + 60 * minutes if minutes else -1
        self._note((state, cause, minutes))

    # --- what outlasts a boot -----------------------------------------------------------------

    def _keep(self, state: int, minutes: int) -> None:
        """Keep what was said; a file system that takes no more does not keep the radio on."""
        if state == self._profile_state and not minutes:
            self._forget()
            return
        utc_s = self._read_clock()[0] if minutes else UTC_UNKNOWN
        over_utc_s = UTC_UNKNOWN if utc_s == UTC_UNKNOWN else utc_s + 60 * minutes
        data = struct.pack(_FORMAT, state, minutes, over_utc_s)
        try:
            write_whole(self._path, data + struct.pack("<I", crc32(data)))
        except OSError:
            pass

    def _read(self) -> "tuple[int, int, int] | None":
        try:
            with open(self._path, "rb") as file:
                data = file.read(_BYTES + 1)
        except OSError:
            return None
        if len(data) != _BYTES or crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
            return None
        state, minutes, over_utc_s = struct.unpack(_FORMAT, data[:-4])
        if state not in (STATE_OFF, STATE_ON):
            return None  # of another firmware
        return state, minutes, over_utc_s

    def _forget(self) -> None:
        try:
            os.remove(self._path)
        except OSError:
            pass  # there was none
