"""The host's half of HCI: commands, events, ACL packets and buffers over a stream of H4.

Bluetooth Core 5.4, Vol 4: Part A (H4), Part E 4.1 (flow control), 5.4 (packets), 7 (commands and
events). L2CAP is here too, as far as a board needs it: Vol 3 Part A 3.1, fixed channels only.
"""

import select
import struct

from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_COMMAND = const(1)
_ACL = const(2)
_EVENT = const(4)

RESET = const(0x0C03)
DISCONNECT = const(0x0406)
SET_RANDOM_ADDRESS = const(0x2005)
SET_ADVERTISING_PARAMETERS = const(0x2006)
SET_ADVERTISING_DATA = const(0x2008)
SET_SCAN_RESPONSE_DATA = const(0x2009)
SET_ADVERTISING_ENABLE = const(0x200A)
READ_BUFFER_SIZE = const(0x2002)

_DISCONNECTION_COMPLETE = const(0x05)
_COMMAND_COMPLETE = const(0x0E)
_COMMAND_STATUS = const(0x0F)
_COMPLETED_PACKETS = const(0x13)
_LE_META = const(0x3E)
_LE_CONNECTION_COMPLETE = const(0x01)
_LE_CONNECTION_UPDATE = const(0x03)

_CONTINUES = const(0x1000)  # packet boundary flag 0b01, Part E 5.4.2
_READ_BYTES = const(4096)
_POLLIN = const(1)
_POLLOUT = const(4)
_WRITE_TRY_MS = const(20)


class Hci:
    """One controller at the other end of the descriptor `fd`; `host` is told what happens.

    `host` has on_connected(handle, address_type, address), on_disconnected(handle, reason),
    on_updated(handle, status, interval, latency, timeout), on_pdu(handle, channel, view) and
    on_room(), called when buffers have become free.
    """

    def __init__(self, fd: int, host: "Any") -> None:
        self.stream = open(fd, "rb")
        self._out = open(fd, "wb")
        self._host = host
        self._can_read = select.poll()
        self._can_read.register(self.stream, _POLLIN)
        self._can_write = select.poll()
        self._can_write.register(self._out, _POLLOUT)
        self._input = bytearray(_READ_BYTES)
        self._read = b""  # read and not yet taken apart
        self.lost = False  # the hub has gone
        self._forget()

    def _forget(self) -> None:
        self._commands = []  # that wait for the answer to the one before
        self._asked = False
        self._resetting = False
        self._acl_bytes = 27  # until READ_BUFFER_SIZE is answered
        self._acl_buffers = 1
        self._in_controller = 0  # packets
        self._fragments = []  # packets for which there is no buffer yet
        self._partial = bytearray()  # of an incoming L2CAP frame

    # --- commands -----------------------------------------------------------------------------

    def reset(self) -> None:
        """Start the controller anew; whatever it said before is not listened to any more."""
        self._forget()
        self._resetting = True
        self._asked = True
        self._write(struct.pack("<BHB", _COMMAND, RESET, 0))
        self.command(READ_BUFFER_SIZE)

    def command(self, opcode: int, parameters: bytes = b"") -> None:
        """Send a command as soon as the one before has been answered."""
        packet = struct.pack("<BHB", _COMMAND, opcode, len(parameters)) + parameters
        if self._asked:
            self._commands.append(packet)
        else:
            self._asked = True
            self._write(packet)

    # --- data out -----------------------------------------------------------------------------

    def has_room(self) -> bool:
        """Tell whether a frame sent now would reach the controller at once, at least in part."""
        return not self._fragments and self._in_controller < self._acl_buffers

    def send(self, handle: int, channel: int, pdu: "Any") -> None:
        """Send an L2CAP frame, cut to the controller's packets; what has no buffer yet waits."""
        frame = struct.pack("<HH", len(pdu), channel) + pdu
        flags = handle  # 0b00: first fragment, not flushable
        for start in range(0, len(frame), self._acl_bytes):
            part = frame[start : start + self._acl_bytes]
            self._fragments.append(struct.pack("<BHH", _ACL, flags, len(part)) + part)
            flags = handle | _CONTINUES
        self._fill()

    def _fill(self) -> None:
        while self._fragments and self._in_controller < self._acl_buffers:
            self._in_controller += 1
            self._write(self._fragments.pop(0))

    def _write(self, packet: "Any") -> None:
        view = memoryview(packet)
        while view and not self.lost:
            try:
                sent = self._out.write(view) or 0
            except OSError:  # EPIPE
                self.lost = True
                return
            view = view[sent:]
            if len(view):
                self._can_write.poll(_WRITE_TRY_MS)

    # --- input --------------------------------------------------------------------------------

    def pump(self) -> bool:
        """Read what has come; tell whether there is something to `process`, or the hub is lost."""
        if self.lost:
            return False
        while not self.lost and self._can_read.poll(0):
            try:
                count = self.stream.readinto(self._input)
            except OSError:  # ECONNRESET
                count = 0
            if count is None:
                break
            if count == 0:
                self.lost = True
            self._read += self._input[:count]
            if count < _READ_BYTES:
                break
        return self.lost or bool(self._read)

    def process(self) -> None:
        """Take every complete packet apart and tell the host."""
        view = memoryview(self._read)
        self._read = b""
        start = 0
        try:
            while True:
                end = _packet_end(view, start)
                if end < 0:
                    break
                kind = view[start]
                body = view[start + 1 : end]
                start = end
                if kind == _EVENT:
                    self._on_event(body[0], body[2:])
                elif kind == _ACL and not self._resetting:
                    self._on_acl(body)
        finally:
            # A handler may have let time pass, and more has been read; or the power went.
            self._read = bytes(view[start:]) + self._read

    def _on_event(self, code: int, body: memoryview) -> None:
        if code == _COMMAND_COMPLETE:
            self._on_answer(struct.unpack_from("<H", body, 1)[0], body[3:])
        elif self._resetting:
            pass
        elif code == _COMMAND_STATUS:
            self._on_answer(struct.unpack_from("<H", body, 2)[0], body[:1])
        elif code == _COMPLETED_PACKETS:
            for number in range(body[0]):
                self._in_controller -= struct.unpack_from("<H", body, 3 + 4 * number)[0]
            self._fill()
            if self.has_room():
                self._host.on_room()
        elif code == _DISCONNECTION_COMPLETE:
            status, handle, reason = struct.unpack_from("<BHB", body)
            if status == 0:
                self._in_controller = 0  # Part E 4.1.1: they count as flushed
                self._fragments = []
                self._partial = bytearray()
                self._host.on_disconnected(handle, reason)
        elif code == _LE_META:
            self._on_le_event(body[0], body[1:])

    def _on_answer(self, opcode: int, parameters: memoryview) -> None:
        if self._resetting:
            if opcode != RESET:
                return  # of the life before
            self._resetting = False
        if opcode == READ_BUFFER_SIZE and parameters[0] == 0:
            self._acl_bytes, self._acl_buffers = struct.unpack_from("<HB", parameters, 1)
        self._asked = False
        if self._commands:
            self._asked = True
            self._write(self._commands.pop(0))

    def _on_le_event(self, code: int, body: memoryview) -> None:
        if code == _LE_CONNECTION_COMPLETE:
            status, handle, _, address_type = struct.unpack_from("<BHBB", body)
            if status == 0:
                self._host.on_connected(handle, address_type, _reversed(body[5:11]))
        elif code == _LE_CONNECTION_UPDATE:
            status, handle, interval, latency, timeout = struct.unpack_from("<BHHHH", body)
            self._host.on_updated(handle, status, interval, latency, timeout)

    def _on_acl(self, body: memoryview) -> None:
        flags, length = struct.unpack_from("<HH", body)
        if flags & 0x3000 != _CONTINUES:
            self._partial = bytearray()
        self._partial += body[4 : 4 + length]
        frame = self._partial
        if len(frame) >= 4:
            size, channel = struct.unpack_from("<HH", frame)
            if len(frame) >= 4 + size:
                self._partial = bytearray()
                self._host.on_pdu(flags & 0x0FFF, channel, memoryview(frame)[4 : 4 + size])


def _packet_end(view: memoryview, start: int) -> int:
    """Return where the packet that begins at `start` ends, -1 when it is not all there."""
    left = len(view) - start
    if left < 3:
        return -1
    if view[start] == _EVENT:
        size = 3 + view[start + 2]
    elif left < 5:
        return -1
    else:
        size = 5 + (view[start + 3] | view[start + 4] << 8)
    return start + size if left >= size else -1


def _reversed(address: memoryview) -> bytes:
    """Return an address in the order people write it; on the wire its last byte comes first."""
    return bytes(reversed(bytes(address)))
