"""Moves frames over the board's USB console, beside the REPL and whatever else is printed there.

Place in the line: last; after server. Knows how frames stand on a serial line, nothing of what
they mean. Framing: protocol/SPEC.md, frames and messages; reasons: protocol/DESIGN.md "Wire".

Never waits for the host to say something: the console is asked whether a byte is there before
each byte is read (`read(n)` would block until n came). At most INPUT_BYTES_A_POLL are read and one
frame is written a call, so that the main loop gets back to sampling.

Writing: a frame is offered only while the console takes bytes. TinyUSB's console then takes 64
bytes at a time, each as soon as there is room, and gives up after 500 ms without any
(MICROPY_HW_USB_CDC_TX_TIMEOUT), `write` tries once more: a host that stops reading in the middle
of a frame costs the main loop 1 s, once. The write is then short, and the session is dropped.
Interrupts go on sampling meanwhile. At USB full speed a whole frame takes about 4 ms.

Ctrl-C raises KeyboardInterrupt out of whatever runs here: it is app's to catch. A line from the
host holds no 0x03, so that only a person (or mpremote) ever sends one.
"""

import select

from micropython import const

from dewarlog_wire import cobs, layout
from dewarlog_wire.frame import LineReader, encode_serial_out, serial_out_max_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from dewarlog_firmware.server import Server

    class Stream(Protocol):
        """`sys.stdin.buffer` or `sys.stdout.buffer`: bytes as they are, no line endings."""

        def readinto(self, __buffer: bytearray) -> "int | None":
            """Fill the buffer."""
            ...

        def write(self, __data: memoryview) -> "int | None":
            """Write the data; return how many bytes were taken."""
            ...


INPUT_BYTES_A_POLL = const(96)  # one READ or ACK line, so that an ack is never kept waiting


class UsbLink:
    """A server's way to its host: the console's two byte streams.

    `encode` is cobs.encode_into or its machine-code twin; `body_max` is the server's.
    """

    def __init__(
        self,
        stdin: "Stream",
        stdout: "Stream",
        encode: "Callable[..., int]" = cobs.encode_into,
        body_max: int = layout.SERIAL_BODY_MAX_BYTES,
    ) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._encode = encode
        self._input = select.poll()
        self._input.register(stdin, select.POLLIN)
        self._output = select.poll()
        self._output.register(stdout, select.POLLOUT)
        self._byte = bytearray(1)
        self._lines = LineReader()
        self._lost = False
        self.is_refused = False  # the console takes nothing just now

        frame_max = body_max + layout.FRAME_OVERHEAD_BYTES
        longest = serial_out_max_bytes(frame_max)
        self._wire = bytearray(longest)
        self._wire_view = memoryview(self._wire)
        # A full DATA frame has one of few lengths on the wire: a view for each, made now, spares
        # one allocation a frame.
        self._shortest = frame_max + 3  # one group more than no group, and two delimiters
        self._views = tuple(
            [self._wire_view[:length] for length in range(self._shortest, longest + 1)]
        )

    def poll(self, server: "Server") -> bool:
        """Send at most one frame and take at most one request; True while more is to be done.

        False where a frame `is_refused`: offer it again in some ms.
        """
        self.is_refused = False
        busy = server.poll(self) and not self.is_refused
        if self._lost:
            self._lost = False
            server.drop()
        if server.ready:
            busy = self._listen(server) or busy
        return busy

    def send(self, frame: bytearray, length: int) -> bool:
        """Send `frame[:length]`; False when the host takes nothing just now: offer it again."""
        if not _is_ready(self._output, select.POLLOUT):
            self.is_refused = True
            return False
        end = encode_serial_out(frame, length, self._wire, self._encode)
        index = end - self._shortest
        view = self._views[index] if index >= 0 else self._wire_view[:end]
        if self._stdout.write(view) != end:
            self._lost = True
        return True

    def _listen(self, server: "Server") -> bool:
        """Read what has come, up to the end of one request; True when anything was read."""
        for count in range(INPUT_BYTES_A_POLL):
            if not _is_ready(self._input, select.POLLIN):
                return count > 0
            try:
                if not self._stdin.readinto(self._byte):
                    return count > 0
            except OSError:
                return count > 0  # the port is gone for now; the console comes back by itself
            request = self._lines.push(self._byte[0])
            if request is not None:
                server.handle(request[0], request[1], request[2])
                return True
        return True


def _is_ready(poller, event: int) -> bool:  # noqa: ANN001 - select.poll(), a function on CPython
    """Ask a poller of one stream, without waiting and without allocating."""
    for _, events in poller.ipoll(0):
        if events & event:
            return True
    return False
