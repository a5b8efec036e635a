"""The board's USB serial port: what sys.stdin and sys.stdout are to the firmware.

Rules of the rp2 port kept here: after a reset no byte interrupts, until a file is run (pyexec); a
received byte equal to the interrupt character empties the
input buffer and raises KeyboardInterrupt; print() sends CR LF, `.buffer` sends bytes as they are;
output waits at most 500 ms for a host that does not read, then the rest is dropped; with no host
connected the newest 256 bytes are kept. Where the bytes go is the port's business (pty, file).
"""

import io

from simboard.device.clock import WAIT_US

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from simboard.device.clock import Clock

CTRL_C = 3
_RX_BYTES = 512  # more than the port's 260: a pty delivers whole writes, USB 64 bytes at a time
_TX_KEPT_BYTES = 256
_POLLIN = 1
_POLLOUT = 4
_STREAM_POLL = 3  # MP_STREAM_POLL
_CALL_US = 2


class Console:
    """Received bytes, sent bytes, and the interrupt character between them.

    `port`, when there is one, has `connected()`, `read(count)` -> bytes and `write(buf, timeout)`
    -> bytes taken. Without one, input comes from `receive` and output goes to `sink`.
    """

    def __init__(self, clock: "Clock") -> None:
        self.clock = clock
        self.port = None
        self.sink = None
        self.interrupt_char = CTRL_C
        self.dropped_bytes = 0
        self.cables = []  # (from, until) in us, where no port is
        self._frame = 0
        self._rx = bytearray()
        self._kept = bytearray()
        self.stdin_buffer = _In(self)
        self.stdin = _TextIn(self)
        self.stdin.buffer = self.stdin_buffer
        self.stdout_buffer = _Out(self)
        self.stdout = _TextOut(self)
        self.stdout.buffer = self.stdout_buffer

    def reset(self) -> None:
        """Start over as after a reset of the board."""
        self._rx = bytearray()
        self.interrupt_char = -1

    # --- from the host ------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take bytes from the host, as the USB interrupt does."""
        if self.clock.timer_only:  # USB has no clock
            self.clock.energy.usb_lost_bytes += len(data)
            return
        special = self.interrupt_char
        if special >= 0:
            found = data.rfind(bytes([special]))
            if found >= 0:
                self._rx = bytearray()
                data = data[found + 1 :]
                self.clock.keyboard = True
        self._rx += data
        self.clock.wake()

    def pump(self) -> None:
        """Fetch what the port holds, as much as there is room for."""
        port = self.port
        if port is not None:
            room = _RX_BYTES - len(self._rx)
            if room > 0 or self.interrupt_char >= 0:
                data = port.read(room if room > 0 else 1)
                if data:
                    self.receive(data)

    def has_cable(self) -> bool:
        """Tell whether a host is on the bus: one that sends a frame each millisecond."""
        if self.port is not None:
            return self.port.connected()
        now_us = self.clock.now
        for from_us, until_us in self.cables:
            if from_us <= now_us < until_us:
                return True
        return False

    def frame_number(self) -> int:
        """Return the number of the last USB frame seen (register SOF_RD): 11 bits."""
        if self.has_cable():
            self._frame = self.clock.now // 1000 & 0x7FF
        return self._frame

    def has_room(self) -> bool:
        """Tell whether more input can be taken."""
        return len(self._rx) < _RX_BYTES

    def available(self) -> int:
        """Return how many bytes can be read without waiting."""
        self.pump()
        return len(self._rx)

    def take(self, into: bytearray) -> int:
        """Fill `into` from what is there; return how many bytes."""
        count = len(into)
        rx = self._rx
        if count > len(rx):
            count = len(rx)
        into[:count] = rx[:count]
        self._rx = rx[count:]
        return count

    def take_text(self, most: int) -> bytes:
        """Return what has been received, up to `most` bytes or a Ctrl-C or Ctrl-D."""
        rx = self._rx
        count = min(most, len(rx))
        for end in (b"\x03", b"\x04"):
            found = rx.find(end, 0, count)
            if found >= 0:
                count = found
        self._rx = rx[count:]
        return bytes(rx[:count])

    def wait_for_input(self) -> None:
        """Let time pass until something has been received."""
        while not self.available():
            self.clock.wait_until(self.clock.now + WAIT_US)

    # --- to the host --------------------------------------------------------------------------

    def send(self, data: "Any") -> None:
        """Send bytes to the host, or drop them as the port does."""
        port = self.port
        if port is None:
            if self.sink is not None:
                self.sink(data)
            return
        if not port.connected():
            self._kept += data
            self._kept = self._kept[-_TX_KEPT_BYTES:]
            return
        if self._kept:
            port.write(self._kept)
            self._kept = bytearray()
        sent = port.write(data)
        clock = self.clock
        waited_ms = 0
        while sent < len(data):
            if port.wait_writable(1):
                taken = port.write(memoryview(data)[sent:])
            else:
                taken = 0
            clock.spend(_CALL_US)
            if taken:
                sent += taken
                waited_ms = 0
            else:
                waited_ms += 1
                if waited_ms >= 500:
                    self.dropped_bytes += len(data) - sent
                    return


class _Out(io.IOBase):
    """sys.stdout.buffer: bytes as they are."""

    def __init__(self, console: "Console") -> None:
        self._console = console

    def write(self, data: "Any") -> int:
        console = self._console
        console.clock.spend(_CALL_US)
        console.send(data)
        return len(data)

    def flush(self) -> None:
        pass

    def ioctl(self, request: int, argument: object) -> int:
        if request == _STREAM_POLL:
            return argument & _POLLOUT
        return 0


class _TextOut(_Out):
    """sys.stdout: LF goes out as CR LF."""

    def write(self, data: "Any") -> int:
        text = data.encode() if isinstance(data, str) else bytes(data)
        self._console.send(text.replace(b"\n", b"\r\n"))
        return len(data)


class _In(io.IOBase):
    """sys.stdin.buffer: `read` waits for all it was asked for, as on boards."""

    def __init__(self, console: "Console") -> None:
        self._console = console

    def readinto(self, into: bytearray, count: int | None = None) -> int:
        console = self._console
        view = memoryview(into)
        if count is not None:
            view = view[:count]
        filled = 0
        while filled < len(view):
            console.clock.spend(_CALL_US)
            if not console.available():
                console.wait_for_input()
            filled += console.take(view[filled:])
        return filled

    def read(self, count: int = -1) -> "Any":
        if count < 0:
            raise OSError(22)  # a console has no end to read to
        data = bytearray(count)
        self.readinto(data)
        return bytes(data)

    def readline(self) -> "Any":
        line = bytearray()
        while not line.endswith(b"\n"):
            line += self.read(1)
        return bytes(line)

    def ioctl(self, request: int, argument: object) -> int:
        if request == _STREAM_POLL:
            self._console.clock.spend(_CALL_US)
            return argument & _POLLIN if self._console.available() else 0
        return 0


class _TextIn(_In):
    """sys.stdin: the same as text."""

    def read(self, count: int = -1) -> "Any":
        return _In.read(self, count).decode()

    def readline(self) -> "Any":
        return _In.readline(self).decode()
