"""The radio of a board: one peripheral, one connection, on the air while the board has real time.

Like MicroPython's stacks on rp2 and ESP32 it works in the scheduler: what comes from the
controller is taken up there, and the firmware's handler is called from there. In virtual time
every call is accepted and nothing is on the air.
"""

import struct

from micropython import const

from simboard.device.radio import hci as hci_module
from simboard.device.radio.att import MTU_MIN, AttServer, value_pdu
from simboard.device.radio.gatt import Database
from simboard.device.radio.hci import Hci
from simboard.device.radio.stacks import STACKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from simboard.device.clock import Clock

CENTRAL_CONNECT = const(1)
CENTRAL_DISCONNECT = const(2)
GATTS_WRITE = const(3)
GATTS_READ_REQUEST = const(4)
GATTS_INDICATE_DONE = const(20)
MTU_EXCHANGED = const(21)
CONNECTION_UPDATE = const(27)

ENODEV = const(19)  # what calls raise while the radio is off
EINVAL = const(22)
_EALREADY = const(114)
_ATT_CHANNEL = const(4)  # Vol 3 Part A 2.1
_SIGNALLING_CHANNEL = const(5)
_SECURITY_CHANNEL = const(6)
_RANDOM_ADDRESS = const(1)
_ADVERT_MAX_BYTES = const(31)
_CONNECTABLE = const(0)  # ADV_IND
_SCANNABLE = const(2)  # ADV_SCAN_IND, what both stacks use for connectable=False
_ALL_CHANNELS = const(7)
_USER_ENDED = const(0x13)  # Remote User Terminated Connection, Vol 1 Part F 2.19
_POWER_OFF = const(0x15)
_TIMED_OUT = const(0x08)
_PAIRING_FAILED = b"\x05\x05"  # Vol 3 Part H 3.5.5: pairing not supported
_COMMAND_REJECT = const(0x01)  # Vol 3 Part A 4.1; reason 0: not understood
_DEFAULT_NAMES = {"btstack": b"MPY BTSTACK", "nimble": b"MPY ESP32"}


class Radio:
    """State of the radio, and what the `bluetooth` module's calls do. `address` is 6 bytes."""

    def __init__(self, clock: "Clock", stack: str, address: bytes) -> None:
        self.clock = clock
        self.stack_name = stack
        # Vol 6 Part B 1.3.2.1: the two highest bits of a random static address are set.
        self.address = bytes((address[0] | 0xC0,)) + address[1:]
        self.hci = None  # in real time only
        self.sent = 0  # notifications and indications
        self._node = self._process  # made once: the scheduler knows it by identity
        self._peer = bytearray(6)  # valid while a handler runs, as on boards
        self.stack = STACKS[stack]()
        self._forget()

    def _forget(self) -> None:
        self.active = False
        self.handler = None
        self.mtu_max = self.stack.mtu_default
        self.database = Database(_DEFAULT_NAMES[self.stack_name])
        self.connection = -1
        self._peer_type = 0
        self._peer_address = bytes(6)
        self._advertising = None  # (interval in us, connectable)
        self.advert = b""
        self.response = b""
        self._att = AttServer(self)
        self._indicating = 0  # value handle of the indication that waits for its confirmation
        self._indications = []  # (value handle, PDU) that wait for that
        self._afterwards = []
        self.stack.clear()

    # --- the process --------------------------------------------------------------------------

    def go_live(self, fd: int) -> None:
        """Get a controller, and do there what the firmware has asked for so far."""
        self.hci = Hci(fd, self)
        self.hci.reset()
        if self.active:
            self._set_address()
            if self._advertising is not None:
                self._enable()

    def reset(self) -> None:
        """Start over, as after any reset of the board; a host finds the connection silent."""
        self._forget()
        if self.hci is not None:
            self.hci.reset()

    def pump(self) -> None:
        """Fetch what the controller sent; the scheduler takes it up."""
        if self.hci is not None and self.hci.pump():
            self.clock.wake()
            self.clock.call_soon(self._node)

    def _process(self, _: object) -> None:
        self.hci.process()
        if self.hci.lost and self.connection >= 0:
            self.on_disconnected(self.connection, _TIMED_OUT)

    # --- calls of the module ------------------------------------------------------------------

    def need_active(self) -> None:
        """Raise what calls raise while the radio is off."""
        if not self.active:
            raise OSError(ENODEV)

    def activate(self, on: bool) -> None:
        """Switch on or off; off ends the connection and forgets the services."""
        if on == self.active:
            return
        if on:
            self.active = True
            self._set_address()
            return
        handler = self.handler
        if self.hci is not None and self.connection >= 0:
            self._command(hci_module.DISCONNECT, "<HB", self.connection, _POWER_OFF)
        self._command(hci_module.SET_ADVERTISING_ENABLE, "<B", 0)
        self._forget()
        self.handler = handler

    def advertise(self, interval_us: int, advert: bytes, response: bytes, ok: bool) -> None:
        """Advertise; while a host is connected that waits until it has gone."""
        if len(advert) > _ADVERT_MAX_BYTES or len(response) > _ADVERT_MAX_BYTES:
            raise OSError(EINVAL)
        self.advert = advert
        self.response = response
        self._advertising = (interval_us, ok)
        if self.connection < 0:
            self._enable()

    def stop_advertising(self) -> None:
        """Fall silent."""
        self._advertising = None
        self._command(hci_module.SET_ADVERTISING_ENABLE, "<B", 0)

    def register(self, services: "Any") -> "Any":
        """Replace the services; return the handles of their values."""
        self.database = Database(self.database.name.data)
        return tuple([self.database.register(service) for service in services])

    def disconnect(self, handle: int) -> bool:
        """End the connection; tell whether there was one."""
        if handle != self.connection:
            return False
        self._command(hci_module.DISCONNECT, "<HB", handle, _USER_ENDED)
        return True

    def value(self, handle: int) -> "Any":
        """Return the value with that handle, or raise EINVAL."""
        attribute = self.database.get(handle)
        if attribute is None:
            raise OSError(EINVAL)
        return attribute.value

    def send_value(self, handle: int, value_handle: int, data: "bytes | None", ask: bool) -> None:
        """Notify, or indicate if `ask`; longer than the MTU allows is cut without a word."""
        if handle != self.connection or handle < 0:
            raise OSError(self.stack.not_connected)
        if data is None:
            data = self.value(value_handle).data
        self.pump()
        pdu = value_pdu(ask, value_handle, data[: self._att.mtu - 3])
        if ask and self._indicating:  # Vol 3 Part F 3.3.2: one at a time
            if not self.stack.queues:
                raise OSError(_EALREADY)
            self._indications.append((value_handle, pdu))
            return
        self.stack.send(self.hci, handle, _ATT_CHANNEL, pdu)
        self.sent += 1
        if ask:
            self._indicating = value_handle

    # --- what the controller tells ------------------------------------------------------------

    def on_connected(self, handle: int, address_type: int, address: bytes) -> None:
        """A host has connected; the controller has stopped advertising by itself."""
        if not self.active:  # it was quicker than we were silent
            self._command(hci_module.DISCONNECT, "<HB", handle, _POWER_OFF)
            return
        self.connection = handle
        self._peer_type = address_type
        self._peer_address = address
        self._advertising = None
        self._att = AttServer(self)
        if not self.stack.keeps_subscriptions:
            self.database.unsubscribe_all()
        self._irq_of_peer(CENTRAL_CONNECT, handle, address_type, address)

    def on_disconnected(self, handle: int, reason: int) -> None:
        """It has gone, or is out of range."""
        if handle != self.connection:  # the radio was switched off meanwhile
            return
        self.connection = -1
        self._indicating = 0
        self._indications = []
        self.stack.clear()
        if self.stack_name == "btstack":  # it does not say who
            self._irq_of_peer(CENTRAL_DISCONNECT, handle, 0xFF, bytes(6))
        else:
            self._irq_of_peer(CENTRAL_DISCONNECT, handle, self._peer_type, self._peer_address)
        if self._advertising is not None:
            self._enable()

    def on_updated(
        self, handle: int, status: int, interval: int, latency: int, timeout: int
    ) -> None:
        """The connection's interval (1.25 ms each) has changed."""
        self._irq(CONNECTION_UPDATE, (handle, interval, latency, timeout, status))

    def on_pdu(self, handle: int, channel: int, pdu: memoryview) -> None:
        """A frame has come on an L2CAP channel."""
        answer = None
        if len(pdu) == 0 or handle != self.connection:
            return
        if channel == _ATT_CHANNEL:
            answer = self._att.answer(pdu)
        elif channel == _SECURITY_CHANNEL:
            answer = _PAIRING_FAILED
        elif channel == _SIGNALLING_CHANNEL and len(pdu) > 1:
            answer = struct.pack("<BBHH", _COMMAND_REJECT, pdu[1], 2, 0)
        if answer is not None and handle == self.connection:  # a handler may have ended it
            self.hci.send(handle, channel, answer)
        while self._afterwards:
            self._afterwards.pop(0)()

    def on_room(self) -> None:
        """The controller has buffers again."""
        if self.hci is not None:
            self.stack.on_room(self.hci)

    # --- what the attribute server tells ------------------------------------------------------

    def afterwards(self, action: "Callable[[], None]") -> None:
        """Do something once the answer in hand has been sent."""
        self._afterwards.append(action)

    def on_mtu(self, mtu: int) -> None:
        """Both ends have agreed on an MTU."""
        self._irq(MTU_EXCHANGED, (self.connection, mtu))

    def on_write(self, handle: int) -> None:
        """A host has written a value."""
        self._irq(GATTS_WRITE, (self.connection, handle))

    def on_read(self, handle: int) -> int:
        """A host is about to read a value; return an error code to refuse."""
        return self._irq(GATTS_READ_REQUEST, (self.connection, handle)) or 0

    def on_confirmed(self) -> None:
        """A host has taken an indication."""
        if self._indicating:
            handle = self._indicating
            self._indicating = 0
            if self._indications:
                self._indicating, pdu = self._indications.pop(0)
                self.stack.send(self.hci, self.connection, _ATT_CHANNEL, pdu)
                self.sent += 1
            self._irq(GATTS_INDICATE_DONE, (self.connection, handle, 0))

    # --- helpers ------------------------------------------------------------------------------

    def _irq_of_peer(self, event: int, handle: int, kind: int, address: bytes) -> None:
        self._peer[:] = address
        self._irq(event, (handle, kind, memoryview(self._peer)))
        self._peer[:] = b"\xee" * 6  # whoever kept the view reads this

    def _irq(self, event: int, data: "tuple[Any, ...]") -> "Any":
        handler = self.handler
        if handler is not None:
            try:
                return handler(event, data)
            except Exception as error:  # noqa: BLE001 - as the port: told, and the board goes on
                self.clock.handler_failed(handler, error)
        return None

    def _command(self, opcode: int, layout: str, *values: "Any") -> None:
        if self.hci is not None:
            self.hci.command(opcode, struct.pack(layout, *values))

    def _set_address(self) -> None:
        self._command(hci_module.SET_RANDOM_ADDRESS, "<6s", bytes(reversed(self.address)))

    def _enable(self) -> None:
        """Tell the controller what to advertise; it must be silent while that changes."""
        interval_us, connectable = self._advertising
        self._command(hci_module.SET_ADVERTISING_ENABLE, "<B", 0)
        self._command(
            hci_module.SET_ADVERTISING_PARAMETERS,
            "<HHBBB6sBB",
            max(interval_us // 625, 0x20),
            max(interval_us // 625, 0x20),
            _CONNECTABLE if connectable else _SCANNABLE,
            _RANDOM_ADDRESS,
            0,
            bytes(6),
            _ALL_CHANNELS,
            0,
        )
        for opcode, data in (
            (hci_module.SET_ADVERTISING_DATA, self.advert),
            (hci_module.SET_SCAN_RESPONSE_DATA, self.response),
        ):
            self._command(opcode, "<B31s", len(data), data)
        self._command(hci_module.SET_ADVERTISING_ENABLE, "<B", 1)


def is_mtu(stack: "Any", mtu: int) -> bool:
    """Tell whether a stack can be told to use an MTU."""
    return MTU_MIN <= mtu <= stack.mtu_limit
