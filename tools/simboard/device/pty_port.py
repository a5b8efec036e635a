"""The host's side of the console in real time: a pseudo-terminal whose master end we hold.

A second descriptor carries the launcher's orders, one line each. Both are non-blocking.
"""

import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from simboard.device.console import Console

_POLLIN = 1
_POLLOUT = 4
_POLLHUP = 16
_HUP_NAP_MS = 20  # with no host on the line poll returns at once; look again this often
_EAGAIN = 11


class PtyPort:
    """Reads and writes the pty master `master_fd`; `orders` hands lines read from `order_fd`."""

    def __init__(self, master_fd: int, order_fd: int, console: "Console") -> None:
        self._in = open(master_fd, "rb")
        self._out = open(master_fd, "wb")
        self._orders = open(order_fd, "rb") if order_fd >= 0 else None
        self._console = console
        self._poll_out = select.poll()
        self._poll_out.register(self._out, _POLLOUT)
        self._poll_in = select.poll()
        self._poll_in.register(self._in, _POLLIN)
        self._poll_hup = select.poll()
        self._poll_hup.register(self._in, 0)
        self._poll_orders = select.poll()
        if self._orders is not None:
            self._poll_in.register(self._orders, _POLLIN)
            self._poll_orders.register(self._orders, _POLLIN)
        self._poll_rest = select.poll()  # all but the pty
        if self._orders is not None:
            self._poll_rest.register(self._orders, _POLLIN)
        self._radio = None
        self._line = b""

    def attach_radio(self, radio: "Any") -> None:
        """Wait for the radio's controller too, and have what it sends taken up."""
        self._radio = radio
        for poll in (self._poll_in, self._poll_rest):
            poll.register(radio.hci.stream, _POLLIN)

    def connected(self) -> bool:
        """Tell whether a host has the port open."""
        for _, events in self._poll_hup.poll(0):
            if events & _POLLHUP:
                return False
        return True

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes from the host, b"" when there are none."""
        try:
            return self._in.read(count) or b""
        except OSError:  # EIO: nobody has the port open
            return b""

    def write(self, data: "Any") -> int:
        """Return how many bytes the pty took."""
        try:
            return self._out.write(data) or 0
        except OSError:
            return 0

    def wait_writable(self, timeout_ms: int) -> bool:
        """Wait until the pty takes bytes again; tell whether it does."""
        return bool(self._poll_out.poll(timeout_ms))

    def wait(self, timeout_ms: int) -> None:
        """Wait for input, orders or the radio; returns early when something has come."""
        if not self.connected():
            self._poll_rest.poll(min(timeout_ms, _HUP_NAP_MS))
        elif self._console.has_room():
            self._poll_in.poll(timeout_ms)
            self._console.pump()
        else:
            time.sleep_ms(min(timeout_ms, 1))
        if self._radio is not None:
            self._radio.pump()
            if self._radio.hci.lost:  # else poll would return at once from now on
                for poll in (self._poll_in, self._poll_rest):
                    poll.unregister(self._radio.hci.stream)
                self._radio = None

    def orders(self) -> list[str]:
        """Return the complete lines the launcher has sent since the last call."""
        if self._orders is None or not self._poll_orders.poll(0):
            return []
        told = self._orders.read(256)
        if told == b"":
            return ["quit"]  # the launcher is gone: nobody would ever end this board
        self._line += told or b""
        lines = self._line.split(b"\n")
        self._line = lines.pop()
        return [line.decode() for line in lines]
