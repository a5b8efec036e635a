"""MicroPython's `bluetooth` with a phone in reach: both stacks' ways, on CPython and MicroPython.

What is documented behaves as documented; what the two stacks do beyond that is `BLE.stack`:

    BTSTACK   takes every notification, copies to the heap what the controller has no buffer for
    NIMBLE    raises OSError(12) when its own buffers are full

Both cut a write at 20 bytes until gatts_set_buffer, a notification at MTU - 3, and have an MTU of
23 until the phone exchanged another. Nothing is on the air until `carry` is called.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

BTSTACK = "btstack"
NIMBLE = "nimble"
ACL_BUFFERS = 8  # of the controller
MBUFS = 12  # of NimBLE, beside those
_DEFAULT_VALUE_BYTES = 20
_CONNECT, _DISCONNECT, _WRITE, _MTU = 1, 2, 3, 21


class UUID:
    """A UUID as it was given."""

    def __init__(self, value: "str | int") -> None:
        self.value = value


class BLE:
    """One radio. On a board it is a singleton; here each test makes its own (`Module`)."""

    def __init__(self, stack: str = BTSTACK) -> None:
        self.stack = stack
        self.is_active = False
        self.preferred_mtu = 256
        self.gap_name = ""
        self.handler = None
        self.services: tuple = ()
        self.values = {}  # handle: bytes
        self.buffers = {}  # handle: size
        self.handles = {}  # UUID text: handle
        self.phones = {}  # connection: Phone
        self.queue = []  # (connection, handle, bytes) not on the air yet
        self.advertisement = None  # (interval_us, payload, response) while it is sent
        self.advertised = []  # every one there was
        self.refuse = 0  # as many calls of gatts_notify fail with `refusal`
        self.refusal = 12
        self.fail_active = False
        self.fail_advertise = 0
        self.disconnect_answer = True
        self.on_notify: Callable[[], object] | None = None  # called at the start of gatts_notify

    # --- what is documented -------------------------------------------------------------------

    def active(self, *state: bool) -> bool:
        """Switch on or off; forget everything when off."""
        if state:
            if state[0] and self.fail_active:
                raise OSError(110)
            if not state[0]:
                for connection in list(self.phones):
                    self.phones.pop(connection).connection = -1
                self.queue = []
                self.advertisement = None
                self.services = ()
                self.values, self.buffers, self.handles = {}, {}, {}
                self.preferred_mtu = 256
            self.is_active = state[0]
        return self.is_active

    def config(self, *, mtu: int = 0, gap_name: str = "") -> None:
        """Set the MTU or the name."""
        self._must_be_active()
        self.preferred_mtu = mtu or self.preferred_mtu
        self.gap_name = gap_name or self.gap_name

    def irq(self, handler) -> None:  # noqa: ANN001 - a function of (event, data)
        """Keep the handler."""
        self.handler = handler

    def gatts_register_services(self, services: tuple) -> tuple:
        """Give each characteristic a handle."""
        self._must_be_active()
        self.services = services
        handle = 9
        all_handles = []
        for _, characteristics in services:
            handles = []
            for characteristic in characteristics:
                self.handles[characteristic[0].value] = handle
                self.values[handle] = b""
                self.buffers[handle] = _DEFAULT_VALUE_BYTES
                handles.append(handle)
                handle += 3
            all_handles.append(tuple(handles))
        return tuple(all_handles)

    def gatts_set_buffer(self, handle: int, length: int, append: int = 0) -> None:
        """Let the value have that many bytes."""
        self.buffers[handle] = length

    def gatts_write(self, handle: int, data: bytes, send_update: int = 0) -> None:
        """Set a value."""
        self.values[handle] = bytes(data)

    def gatts_read(self, handle: int) -> bytes:
        """Return a value."""
        return self.values[handle]

    def gatts_notify(self, connection: int, handle: int, data: memoryview) -> None:
        """Hand one notification to the stack."""
        if self.on_notify is not None:
            self.on_notify()
        if self.refuse:
            self.refuse -= 1
            raise OSError(self.refusal)
        if connection not in self.phones:
            raise OSError(128)
        if self.stack == NIMBLE and len(self.queue) >= ACL_BUFFERS + MBUFS:
            raise OSError(12)
        most = self.phones[connection].mtu - 3
        self._take(connection, handle, data[:most] if len(data) > most else data)

    def gap_advertise(
        self,
        interval_us: "int | None",
        adv_data: "bytes | None" = None,
        *,
        resp_data: "bytes | None" = None,
        connectable: bool = True,
    ) -> None:
        """Begin to advertise, or stop."""
        self._must_be_active()
        if interval_us is None:
            self.advertisement = None
            return
        if self.fail_advertise:
            self.fail_advertise -= 1
            raise OSError(16)
        self.advertisement = (interval_us, bytes(adv_data or b""), bytes(resp_data or b""))
        self.advertised.append(self.advertisement)

    def gap_disconnect(self, connection: int) -> bool:
        """End a connection; the handler hears of it."""
        phone = self.phones.get(connection)
        if phone is None or not self.disconnect_answer:
            return False
        phone.disconnect()
        return True

    # --- the air ------------------------------------------------------------------------------

    def _take(self, connection: int, handle: int, data: memoryview) -> None:
        self.queue.append((connection, handle, bytes(data)))

    def carry(self, most: int = 1000) -> int:
        """Send what the stack holds, at most so many notifications; return how many went."""
        carried = 0
        while self.queue and carried < most:
            connection, handle, data = self.queue.pop(0)
            phone = self.phones.get(connection)
            if phone is not None:
                phone.notified(handle, data)
            carried += 1
        return carried

    def tell(self, event: int, *data: "int | bytes") -> None:
        """Call the handler as a stack does: what it is given is the stack's own."""
        if self.handler is not None and self.is_active:
            self.handler(event, data)

    def _must_be_active(self) -> None:
        if not self.is_active:
            raise OSError(19)


class Phone:
    """A central that connects, writes and listens. `heard` holds (handle, bytes)."""

    def __init__(self, ble: BLE) -> None:
        self.ble = ble
        self.connection = -1
        self.mtu = 23
        self.heard = []

    def connect(self, connection: int = 64) -> "Phone":
        """Connect; advertising ends."""
        self.connection = connection
        self.mtu = 23
        self.ble.phones[connection] = self
        self.ble.advertisement = None
        self.ble.tell(_CONNECT, connection, 0, b"phone!")
        return self

    def exchange_mtu(self, mtu: int) -> int:
        """Agree on the smaller of both."""
        self.mtu = min(mtu, self.ble.preferred_mtu)
        self.ble.tell(_MTU, self.connection, self.mtu)
        return self.mtu

    def write(self, uuid: str, data: bytes) -> None:
        """Write without response."""
        handle = self.ble.handles[uuid]
        self.ble.values[handle] = bytes(data[: self.ble.buffers[handle]])
        self.ble.tell(_WRITE, self.connection, handle)

    def disconnect(self) -> None:
        """Go away; what is on its way is lost."""
        connection = self.connection
        self.connection = -1
        self.ble.phones.pop(connection, None)
        self.ble.queue = [entry for entry in self.ble.queue if entry[0] != connection]
        self.ble.tell(_DISCONNECT, connection, 0, b"phone!")

    def notified(self, handle: int, data: bytes) -> None:
        """Hear a notification."""
        self.heard.append((handle, data))


class Module:
    """`import bluetooth` of one board: its BLE() is always the same."""

    UUID = UUID

    def __init__(self, stack: str = BTSTACK) -> None:
        self.ble = BLE(stack)

    def BLE(self) -> BLE:  # noqa: N802 - MicroPython's name
        """Return the singleton."""
        return self.ble
