"""The attribute database a board registers: services, characteristics and their values.

Core, Vol 3 Part G 3: declarations; Part F 3.2: attributes. Values follow MicroPython's rules:
20 bytes at most are kept of what a host writes, until gatts_set_buffer or a longer gatts_write.
"""

import struct

from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PRIMARY_SERVICE = b"\x00\x28"
CHARACTERISTIC = b"\x03\x28"
CCCD = b"\x02\x29"  # Client Characteristic Configuration
_GAP_SERVICE = b"\x00\x18"
_DEVICE_NAME = b"\x00\x2a"
_GATT_SERVICE = b"\x01\x18"

FLAG_READ = const(0x0002)
FLAG_WRITE_NO_RESPONSE = const(0x0004)
FLAG_WRITE = const(0x0008)
FLAG_NOTIFY = const(0x0010)
FLAG_INDICATE = const(0x0020)
_PROPERTIES = const(0x7F)  # the flags that a characteristic's declaration shows

VALUE_BYTES = const(20)  # MP_BLUETOOTH_DEFAULT_ATTR_LEN


class Value:
    """What a characteristic or descriptor holds: `room` bytes at most from a host's write."""

    def __init__(self, data: bytes = b"", room: int = VALUE_BYTES) -> None:
        self.data = data
        self.room = room
        self.append = False

    def take(self, data: bytes) -> None:
        """Take a host's write; what does not fit is dropped without a word."""
        if self.append:
            data = self.data + data
        self.data = data[: self.room]

    def set(self, data: bytes) -> None:
        """Set it from the board's side, with room for that much from then on."""
        self.data = data
        self.room = max(self.room, len(data))

    def read(self) -> bytes:
        """Return it to the board; one that collects writes starts over."""
        data = self.data
        if self.append:
            self.data = b""
        return data


class Attribute:
    """One line of the database. `kind` is its type, little-endian; `flags` say what is allowed."""

    def __init__(self, kind: bytes, value: "Value", flags: int) -> None:
        self.kind = kind
        self.value = value
        self.flags = flags
        self.end = 0  # of a service: its last handle


class Database:
    """Attributes by handle, counted from 1. The GAP and GATT services are always there."""

    def __init__(self, name: bytes) -> None:
        self._attributes = []
        self._service = None
        self.name = Value(name)
        self._add_service(_GAP_SERVICE)
        self._add_characteristic(_DEVICE_NAME, FLAG_READ, self.name)
        self._add_service(_GATT_SERVICE)
        self._end_service()

    def register(self, service: "Any") -> tuple[int, ...]:
        """Add a service as gatts_register_services takes it; return its values' handles."""
        uuid, characteristics = service
        handles = []
        self._add_service(uuid.wire)
        for entry in characteristics:
            handles.append(self._add_characteristic(entry[0].wire, entry[1], Value()))
            for descriptor in entry[2] if len(entry) > 2 else ():
                handles.append(self._add(descriptor[0].wire, Value(), descriptor[1]))
        self._end_service()
        return tuple(handles)

    def get(self, handle: int) -> "Attribute | None":
        """Return an attribute, None when there is none with that handle."""
        return self._attributes[handle - 1] if 1 <= handle <= len(self._attributes) else None

    def between(self, first: int, last: int) -> "Any":
        """Yield (handle, attribute) of a range of handles."""
        for handle in range(max(first, 1), min(last, len(self._attributes)) + 1):
            yield handle, self._attributes[handle - 1]

    def subscription(self, handle: int) -> int:
        """Return a characteristic's CCCD: 1 notify, 2 indicate; -1 when it has none."""
        after = self.get(handle + 1)
        if after is None or after.kind != CCCD:
            return -1
        return after.value.data[0] if after.value.data else 0

    def unsubscribe_all(self) -> None:
        """Set every CCCD back, as for a host that has just connected."""
        for attribute in self._attributes:
            if attribute.kind == CCCD:
                attribute.value.data = bytes(2)

    def _add_service(self, uuid: bytes) -> None:
        self._end_service()
        self._service = Attribute(PRIMARY_SERVICE, Value(uuid), FLAG_READ)
        self._attributes.append(self._service)

    def _end_service(self) -> None:
        if self._service is not None:
            self._service.end = len(self._attributes)

    def _add_characteristic(self, uuid: bytes, flags: int, value: "Value") -> int:
        handle = len(self._attributes) + 2
        declaration = struct.pack("<BH", flags & _PROPERTIES, handle) + uuid
        self._add(CHARACTERISTIC, Value(declaration), FLAG_READ)
        self._add(uuid, value, flags)
        if flags & (FLAG_NOTIFY | FLAG_INDICATE):
            self._add(CCCD, Value(bytes(2), 2), FLAG_READ | FLAG_WRITE)
        return handle

    def _add(self, kind: bytes, value: "Value", flags: int) -> int:
        self._attributes.append(Attribute(kind, value, flags))
        return len(self._attributes)
