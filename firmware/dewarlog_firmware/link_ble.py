"""Moves frames over Bluetooth Low Energy, beside link_usb.

Place in the line: last; after server. Knows how frames stand on the air, nothing of what they
mean. Format: protocol/SPEC.md 7.3; reasons: protocol/DESIGN.md "Wire".

Uses what docs.micropython.org documents of `bluetooth`, alike on BTstack (rp2) and NimBLE (esp32).
Where the two differ:
- BTstack takes every notification, and keeps on the heap what the controller does not take yet:
  the host's credit is the only bound. NimBLE refuses one with ENOMEM when its own buffers are
  full: the same frame is offered again 3 ms later. Neither says when there is room again.
- The stack's handler runs from the scheduler (rp2) or from the stack's own thread (esp32). It puts
  bytes into a ring and sets numbers, nothing else; all else is done by `poll`, in the main loop.

Who may touch what:
    handler     writes `_conn`, `_mtu`, `_session`, `_stranger`; fills `_ring`; counts `dropped`
    main loop   reads those, empties `_ring`, owns the rest; writes them only in open and close
`_session` counts comings and goings. Every piece in the ring carries its number, so that nothing a
host wrote is ever taken for another's.
"""

import struct

from micropython import RingIO, const

from dewarlog_wire import layout
from dewarlog_wire.frame import PieceReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from dewarlog_firmware.server import Server

    class Advert(Protocol):
        """What is said while no host is connected."""

        name: str
        payload: bytearray
        response: bytes
        changed: bool


# docs.micropython.org, "bluetooth", BLE.irq and BLE.gatts_register_services.
_IRQ_CENTRAL_CONNECT = const(1)
_IRQ_CENTRAL_DISCONNECT = const(2)
_IRQ_GATTS_WRITE = const(3)
_IRQ_MTU_EXCHANGED = const(21)
_FLAG_READ = const(0x0002)
_FLAG_WRITE_NO_RESPONSE = const(0x0004)
_FLAG_WRITE = const(0x0008)
_FLAG_NOTIFY = const(0x0010)

_ENOMEM = const(12)  # errno, the same on every port
_RETRY_MS = const(3)  # after ENOMEM
_ADVERTISE_RETRY_MS = const(250)
_CHECK_MS = const(1000)  # how exact the times of seconds below are
_LONG_MS = const(3_600_000)
# The one connection is not kept for a host that says nothing: another may stand at the door. One
# that pulls acks every 11 packets, and is silent longest while it checks a log on the spot: some
# seconds on a slow tablet. One that needs longer connects again and goes on where it was. SPEC 7.3
_IDLE_MS = const(60_000)
# A host that was lost on the way comes back soon, and needs an advertisement to find the board and
# one more to connect: at the profile's pace alone that takes 2 s.
_HURRY_US = const(200_000)
_HURRY_FOR_MS = const(30_000)
# Twice the longest frames in pieces of 20 bytes, heads included: a request and the acks around it.
_RING_BYTES = const(768)
_PIECE_HEAD = "<BBI"  # session, length, ticks when it came
_PIECE_HEAD_BYTES = const(6)
_SESSION_MASK = const(0xFF)
_TICKS_MASK = const(0x3FFFFFFF)
_TICKS_HALF = const(0x20000000)


class BleLink:
    """A server's way to its host: one GATT service, one host at a time.

    `bluetooth` is the module; `info` the value of the info characteristic. Silent until `open`.
    """

    def __init__(
        self,
        bluetooth: "Any",  # noqa: ANN401 - the stubs give it other arguments than the docs do
        advert: "Advert",
        info: bytes,
        advertise_ms: int,
        ticks_ms: "Callable[[], int]",
    ) -> None:
        self._bluetooth = bluetooth
        self._ble = bluetooth.BLE()
        self._advert = advert
        self._info = info
        self._interval_us = advertise_ms * 1000
        self._ticks_ms = ticks_ms
        self.is_open = False
        self.dropped = 0  # writes of a host that were too long, or met a full ring

        self._conn = -1  # -1: nobody is connected
        self._mtu = layout.BLE_MTU_MIN
        self._session = 0
        self._stranger = -1  # one who came while another was connected
        self._control = self._data = -1
        self._ring = RingIO(_RING_BYTES)
        self._head_in = bytearray(_PIECE_HEAD_BYTES)  # the handler's

        self._seen = 0  # the `_session` that `poll` works for
        self._head = bytearray(_PIECE_HEAD_BYTES)
        # One byte longer than a frame: what fills it was too long.
        self._piece = memoryview(bytearray(layout.BLE_FRAME_MAX_BYTES + 1))
        self._pieces = PieceReader()
        self._sent = 0  # bytes of a control frame that are on their way
        self._lost = False
        self._heard_ms = 0  # when the host last said something, or came
        self._advertising = False
        self._hurries = False  # whether it advertises more often than the profile says
        self._hurry_until_ms = -1
        self._wait_until_ms = -1  # nothing is asked of the stack before; -1: no wait
        # Bound once: `self._on_event` makes a new object each time.
        self._handler = self._on_event

    # --- on and off ---------------------------------------------------------------------------

    def open(self) -> None:
        """Switch the radio on and register the service. Raises OSError when the stack fails.

        Keeps the main loop while the radio starts; rp2 loads the radio's own firmware first.
        """
        try:
            self._start()
        except (OSError, RuntimeError, MemoryError):
            self._switch_off()
            raise
        self._advertising = False
        self._wait_until_ms = -1
        self.is_open = True

    def _start(self) -> None:
        ble = self._ble
        ble.active(True)
        ble.config(mtu=layout.BLE_MTU_MAX)
        ble.config(gap_name=self._advert.name)
        ble.irq(self._handler)
        uuid = self._bluetooth.UUID
        control = (
            uuid(layout.BLE_CONTROL_UUID),
            _FLAG_WRITE | _FLAG_WRITE_NO_RESPONSE | _FLAG_NOTIFY,
        )
        data = (uuid(layout.BLE_DATA_UUID), _FLAG_NOTIFY)
        info = (uuid(layout.BLE_INFO_UUID), _FLAG_READ)
        service = (uuid(layout.BLE_SERVICE_UUID), (control, data, info))
        ((self._control, self._data, info_handle),) = ble.gatts_register_services((service,))
        # Until then a write is cut at 20 bytes.
        ble.gatts_set_buffer(self._control, len(self._piece))
        ble.gatts_write(info_handle, self._info)

    def close(self, server: "Server") -> None:
        """Say goodbye and switch the radio off. What the stack has not sent yet is lost."""
        self.is_open = False
        server.drop()
        conn = self._conn
        try:
            if conn >= 0:
                self._ble.gap_disconnect(conn)
            self._ble.gap_advertise(None)
        except OSError:
            pass  # switched off below all the same
        self._conn = -1
        self._session = (self._session + 1) & _SESSION_MASK
        self._switch_off()

    def _switch_off(self) -> None:
        try:
            self._ble.active(False)
        except OSError:
            pass  # a stack that fails here is off, or does not answer at all

    @property
    def connected(self) -> bool:
        """Tell whether a host is there."""
        return self._conn >= 0

    @property
    def is_heard(self) -> bool:
        """Tell whether it advertises, or a host is there."""
        return self.is_open and (self._advertising or self._conn >= 0)

    @property
    def has_news(self) -> bool:
        """Tell whether the handler left something for `poll`. Allocates nothing."""
        if not self.is_open:
            return False  # what a switched-off radio left waits for `open`
        return self._session != self._seen or self._stranger >= 0 or self._ring.any() > 0

    def rest_ms(self) -> int:
        """Return how long `poll` has nothing to do unless `has_news`; looked at after `poll`."""
        if self._waits():
            return _RETRY_MS
        if self._conn >= 0 or self._hurry_until_ms >= 0:
            return _CHECK_MS
        return _LONG_MS

    # --- the stack's handler ------------------------------------------------------------------

    def _on_event(self, event: int, data: tuple) -> None:
        """Take an event of the stack. `data` and what it holds are the stack's own."""
        if event == _IRQ_GATTS_WRITE:
            if data[0] == self._conn and data[1] == self._control:
                self._keep(self._ble.gatts_read(data[1]))
        elif event == _IRQ_MTU_EXCHANGED:
            if data[0] == self._conn:
                self._mtu = data[1]
        elif event == _IRQ_CENTRAL_CONNECT:
            if self._conn >= 0:
                self._stranger = data[0]
                return
            self._mtu = layout.BLE_MTU_MIN
            self._conn = data[0]
            self._session = (self._session + 1) & _SESSION_MASK
        elif event == _IRQ_CENTRAL_DISCONNECT and data[0] == self._conn:
            self._conn = -1
            self._session = (self._session + 1) & _SESSION_MASK

    def _keep(self, piece: bytes) -> None:
        """Put one write into the ring, whole or not at all."""
        length = len(piece)
        room = _RING_BYTES - self._ring.any()
        if not 0 < length <= layout.BLE_FRAME_MAX_BYTES or length + _PIECE_HEAD_BYTES >= room:
            self.dropped += 1
            return
        now_ms = self._ticks_ms() & _TICKS_MASK
        struct.pack_into(_PIECE_HEAD, self._head_in, 0, self._session, length, now_ms)
        self._ring.write(self._head_in)
        self._ring.write(piece)

    # --- the main loop ------------------------------------------------------------------------

    def poll(self, server: "Server") -> bool:
        """Send at most one frame or piece and take at most one request; True while busy."""
        if not self.is_open:
            return False
        if self._session != self._seen:
            self._change_host(server)
        if self._stranger >= 0:
            stranger = self._stranger
            self._stranger = -1
            self._part_from(stranger)
        if self._conn < 0:
            self._advertise()
            return False
        busy = server.poll(self)
        if self._lost:
            self._give_up(server)
            return True
        # A frame whose first pieces are out goes on before anything else is begun.
        if server.ready and not self._sent:
            busy = self._listen(server) or busy
        if (self._ticks_ms() - self._heard_ms) & _TICKS_MASK >= _IDLE_MS:
            self._heard_ms = self._ticks_ms()  # a stack that does not part is asked again then
            self._give_up(server)
            return True
        return busy

    def send(self, frame: bytearray, length: int) -> bool:
        """Send the next piece of a control frame; True when that was the last one."""
        start = self._sent
        end = min(length, start + self._packet_max())
        if not self._notify(self._control, memoryview(frame)[start:end]):
            return False
        self._sent = end if end < length else 0
        return end == length

    def send_packet(self, packet: memoryview) -> bool:
        """Send one packet of data; False: not now. Allocates nothing unless the stack refuses."""
        return self._notify(self._data, packet)

    def _packet_max(self) -> int:
        """Return how many bytes one notification carries to this host."""
        return min(self._mtu, layout.BLE_MTU_MAX) - layout.BLE_ATT_HEAD_BYTES

    def _notify(self, handle: int, view: memoryview) -> bool:
        if self._session != self._seen or self._waits():
            return False
        try:
            self._ble.gatts_notify(self._conn, handle, view)
        except OSError as error:
            if error.args[0] == _ENOMEM:
                self._wait(_RETRY_MS)
                return False
            self._lost = True
        return True

    def _listen(self, server: "Server") -> bool:
        """Take what has come, up to the end of one request; True when anything was there."""
        ring = self._ring
        found = False
        while ring.any() >= _PIECE_HEAD_BYTES:
            ring.readinto(self._head)
            session, length, came_ms = struct.unpack(_PIECE_HEAD, self._head)
            piece = self._piece[:length]
            ring.readinto(piece)
            found = True
            if session != self._seen:
                continue  # of a host that is gone
            request = self._pieces.feed(piece, came_ms)
            if request is not None:
                self._heard_ms = self._ticks_ms()
                server.use_packets(self, self._packet_max())
                server.handle(request[0], request[1], request[2])
                return True
        return found

    def _change_host(self, server: "Server") -> None:
        """Forget the host that was here; the next one begins with HELLO."""
        self._seen = self._session
        self._heard_ms = self._ticks_ms()
        server.drop()
        self._pieces.reset()
        self._sent = 0
        self._lost = False
        self._wait_until_ms = -1
        # A connection ends advertising on every controller; some stacks take it up again.
        self._advertising = False
        if self._conn >= 0:
            try:
                self._ble.gap_advertise(None)
            except OSError:
                pass  # it had ended already
        else:
            self._hurry_until_ms = (self._ticks_ms() + _HURRY_FOR_MS) & _TICKS_MASK

    def _give_up(self, server: "Server") -> None:
        """End a conversation whose link fails or is not used, and the connection with it."""
        self._lost = False
        self._sent = 0
        server.drop()
        conn = self._conn
        if conn >= 0 and not self._part_from(conn) and self._conn == conn:
            # The stack knows no such connection and will never say that it ended.
            self._conn = -1
            self._session = (self._session + 1) & _SESSION_MASK

    def _part_from(self, conn: int) -> bool:
        """End a connection; False when the stack does not know it."""
        try:
            return self._ble.gap_disconnect(conn) is not False
        except OSError:
            return False

    # --- advertising --------------------------------------------------------------------------

    def _advertise(self) -> None:
        """Begin to advertise, or say what is new; nothing when neither is due."""
        hurries = self._is_ahead(self._hurry_until_ms)
        if not hurries:
            self._hurry_until_ms = -1
        said = self._advertising and hurries == self._hurries and not self._advert.changed
        if said or self._waits():
            return
        interval_us = min(self._interval_us, _HURRY_US) if hurries else self._interval_us
        try:
            # Both buffers each time: stacks forget them when advertising stops.
            self._ble.gap_advertise(
                interval_us, self._advert.payload, resp_data=self._advert.response
            )
        except OSError:
            self._wait(_ADVERTISE_RETRY_MS)
            return
        self._advertising = True
        self._hurries = hurries
        self._advert.changed = False

    # --- waiting ------------------------------------------------------------------------------

    def _wait(self, ms: int) -> None:
        self._wait_until_ms = (self._ticks_ms() + ms) & _TICKS_MASK

    def _waits(self) -> bool:
        if self._is_ahead(self._wait_until_ms):
            return True
        self._wait_until_ms = -1
        return False

    def _is_ahead(self, ticks_ms: int) -> bool:
        """Tell whether a moment is still to come; -1 never is."""
        return ticks_ms >= 0 and (self._ticks_ms() - ticks_ms) & _TICKS_MASK >= _TICKS_HALF
