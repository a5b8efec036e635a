"""How the two Bluetooth stacks under MicroPython send what a board notifies.

Both measured on MicroPython's unix port with the real stacks. BTstack (Pico W, Pico 2 W) takes
any number of notifications: what has no buffer is copied to the heap, and success is reported.
NimBLE (ESP32) raises OSError(ENOMEM) instead, and nothing tells when to try again.
"""

from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simboard.device.radio.hci import Hci

_ENOMEM = const(12)
# 1000 queued values of 244 bytes took 319 bytes each of BTstack's heap, measured.
_QUEUED_HEAD_BYTES = const(75)


class BTstack:
    """Queues without a bound, in order."""

    mtu_default = 1017  # HCI_ACL_PAYLOAD 1021 less the L2CAP head
    mtu_limit = 1017
    not_connected = 22  # EINVAL
    queues = True
    keeps_subscriptions = True  # one CCCD for all hosts, kept when they go

    def __init__(self) -> None:
        self.queue_bytes = 0
        self.queue_max_bytes = 0
        self.refused = 0
        self._queue = []

    def send(self, hci: "Hci", handle: int, channel: int, pdu: bytes) -> None:
        """Send, or keep a copy until there is room."""
        if not self._queue and hci.has_room():
            hci.send(handle, channel, pdu)
            return
        self._queue.append((handle, channel, pdu))
        self.queue_bytes += len(pdu) + _QUEUED_HEAD_BYTES
        if self.queue_bytes > self.queue_max_bytes:
            self.queue_max_bytes = self.queue_bytes

    def on_room(self, hci: "Hci") -> None:
        """Send what was kept, the oldest first."""
        while self._queue and hci.has_room():
            handle, channel, pdu = self._queue.pop(0)
            self.queue_bytes -= len(pdu) + _QUEUED_HEAD_BYTES
            hci.send(handle, channel, pdu)

    def clear(self) -> None:
        """Drop what was kept: the connection is over."""
        self._queue = []
        self.queue_bytes = 0


class NimBLE:
    """Refuses when its buffers are full."""

    mtu_default = 256
    mtu_limit = 527  # BLE_ATT_MTU_MAX
    not_connected = 128  # ENOTCONN of the ESP32's C library
    queues = False
    keeps_subscriptions = False

    def __init__(self) -> None:
        self.queue_bytes = self.queue_max_bytes = 0  # it has no queue
        self.refused = 0

    def send(self, hci: "Hci", handle: int, channel: int, pdu: bytes) -> None:
        """Send, or raise ENOMEM; the same call may succeed a little later."""
        if not hci.has_room():
            self.refused += 1
            raise OSError(_ENOMEM)
        hci.send(handle, channel, pdu)

    def on_room(self, hci: "Hci") -> None:
        """Nobody waits: the firmware tries again by itself."""

    def clear(self) -> None:
        """Nothing is kept."""


STACKS = {"btstack": BTstack, "nimble": NimBLE}
