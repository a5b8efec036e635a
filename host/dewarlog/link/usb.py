"""A board's USB serial port as a link.

Opens the port without resetting the board: DTR and RTS are set before the port opens and stay
set. TinyUSB counts a host as there only while DTR is up, and ESP32 boards take RTS up with DTR
down for a reset, DTR up with RTS down after it for their boot loader; both up mean neither.
"""

from __future__ import annotations

import errno
import os
import select
import sys
import time
from collections import deque
from typing import Final

import serial

from dewarlog.errors import (
    BadDeviceName,
    LinkError,
    PortBusy,
    PortDenied,
    PortMissing,
    Unplugged,
)
from dewarlog.link import Frame
from dewarlog_wire import layout
from dewarlog_wire.frame import FrameReader, encode_serial_in

# USB CDC has no baud rate; this one is only what boards with a UART bridge are set to.
_BAUD: Final = 115_200
_WINDOWS: Final = sys.platform == "win32"
# Setting pyserial's timeout costs system calls, so it is set once, and waited for in turns.
_TURN_S: Final = 0.05
_READ_BYTES: Final = 1 << 14
_UNFRAMED_BYTES: Final = 512
# A terminal gives at most 4095 bytes a read (Linux N_TTY): a whole frame on the line, 2 delimiters
# and 17 bytes of COBS included, fits one, which halves the reads.
_BODY_MAX_BYTES: Final = 4064
_WRITE_TIMEOUT_S: Final = 5.0
# A whole segment and as much again: USB itself holds back a host that is slow, so that an ack in
# the middle of a file would only cost the board time.
_CREDIT_BYTES: Final = 1 << 17


class UsbLink:
    """A `Link` over a serial port, opened by the name the operating system gives it."""

    def __init__(self, port: str) -> None:
        """Name the port; `open` takes it."""
        self.port = port
        self.name = f"usb:{port}"
        self.body_max_bytes = _BODY_MAX_BYTES
        self.credit_bytes = _CREDIT_BYTES
        self.patience_s = 0.0  # a cable does not come back by itself
        self.received_bytes = 0
        """Bytes that came through the port since it was first opened."""
        self._serial: serial.Serial | None = None
        self._reader = FrameReader(layout.SERIAL_BODY_MAX_BYTES)
        self._frames: deque[Frame] = deque()
        self._unframed = b""

    @property
    def stray(self) -> bytes:
        """The last bytes received that belonged to no sound frame.

        Text without a single zero byte, as another device sends it, could still be the beginning
        of a frame: it counts until a frame comes.
        """
        return (self._reader.junk + self._unframed)[-_UNFRAMED_BYTES:]

    def open(self) -> None:
        """Take the port for this program alone.

        Raises:
            PortMissing, PortBusy, PortDenied: as they say.
            BadDeviceName: it is there, but it is no serial port.
        """
        port = serial.Serial()
        port.port = self.port
        port.baudrate = _BAUD
        port.timeout = _TURN_S if _WINDOWS else 0
        port.write_timeout = _WRITE_TIMEOUT_S
        port.exclusive = True
        port.dtr = True
        port.rts = True
        try:
            port.open()
        except (OSError, ValueError) as error:  # SerialException is an OSError
            raise self._why_not(error) from error
        self._serial = port
        self._reader = FrameReader(layout.SERIAL_BODY_MAX_BYTES)
        self._frames.clear()

    def send(self, kind: int, seq: int, body: bytes) -> None:
        """Send one frame as a line of text without a byte a REPL would act on."""
        try:
            self._port().write(encode_serial_in(kind, seq, body))
        except serial.SerialTimeoutException:
            return  # nothing reads there; who asked will hear no answer and say so
        except OSError as error:
            raise Unplugged(self.name, _reason(error)) from error

    def receive(self, timeout_s: float) -> Frame | None:
        """Return the next sound frame, or None when none came in time."""
        if self._frames:
            return self._frames.popleft()
        port = self._port()
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                data = _read_some(port, deadline - time.monotonic())
            except (OSError, TypeError) as error:  # TypeError: pyserial, closed while it reads
                raise Unplugged(self.name, _reason(error)) from error
            if data:
                self.received_bytes += len(data)
                for kind, seq, body in self._reader.feed(data):
                    self._frames.append(Frame(kind, seq, body))
                if self._frames:
                    self._unframed = b""
                    return self._frames.popleft()
                self._unframed = (self._unframed + data)[-_UNFRAMED_BYTES:]
            if time.monotonic() >= deadline:
                return None

    def close(self) -> None:
        """Give the port back; harmless when it is not open."""
        if self._serial is not None:
            self._serial.close()
            self._serial = None

    def _port(self) -> serial.Serial:
        if self._serial is None:
            raise Unplugged(self.name, "it is not open")
        return self._serial

    def _why_not(self, error: OSError | ValueError) -> LinkError:
        """Say what an error of `open` means for the person at the keyboard."""
        text = str(error)
        number = getattr(error, "errno", None)
        # pyserial passes on errno for some failures and only words for others.
        if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV) or "FileNotFound" in text:
            return PortMissing(self.name)
        if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text:
            return PortBusy(self.name)
        if "PermissionError" in text:
            return PortBusy(self.name)  # how Windows says it
        if number in (errno.EACCES, errno.EPERM):
            return PortDenied(self.name, _reason(error))
        return BadDeviceName(self.name, f"it is no serial port ({_reason(error)}).")


def _read_some(port: serial.Serial, timeout_s: float) -> bytes:
    """Return what has come, waiting for the first byte of it; nothing when none came in time.

    pyserial's own read waits until it has all it was asked for; this takes what is there.
    """
    if _WINDOWS:
        return port.read(port.in_waiting or 1)  # waits one turn
    ready, _, _ = select.select([port], [], [], max(0.0, timeout_s))
    if not ready:
        return b""
    try:
        data = os.read(port.fileno(), _READ_BYTES)
    except BlockingIOError:
        return b""
    if not data:
        raise OSError(errno.EIO, "end of file")
    return data


def _reason(error: Exception) -> str:
    """Return the last and plainest words of an error that may wrap another."""
    return getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
