"""What the board says to everybody while no host is connected: 31 bytes, and its name.

Place in the line: beside it; app looks once a second whether they have changed, link_ble sends
them. Pure, and the two buffers are made once: a look that finds nothing new allocates nothing.
Format: protocol/SPEC.md 7.3, "Advertisement".
"""

import struct
from binascii import hexlify

from micropython import const

from dewarlog_wire import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from dewarlog_firmware.config import Channel

# Each field of an advertisement: length of what follows, type, bytes. Types: Bluetooth Assigned
# Numbers, "Common Data Types"; the flags: Core Specification Supplement, Part A 1.3.
_TYPE_FLAGS = const(0x01)
_TYPE_SERVICES_128_COMPLETE = const(0x07)
_TYPE_NAME_COMPLETE = const(0x09)
_TYPE_MANUFACTURER = const(0xFF)
_FLAGS = const(0x06)  # general discoverable, no classic Bluetooth
_ADVERT_AT = const(25)  # flags 3, service 18, head and company of the manufacturer data 4
PAYLOAD_BYTES = const(31)
_KIB_MAX = const(0xFFFF)


class Advert:
    """The two buffers of one board: `payload`, exactly 31 bytes, and `response`."""

    def __init__(self, device_id: bytes) -> None:
        self.name = "dewarlog-" + hexlify(device_id).decode()[-4:]
        name = self.name.encode()
        self.response = bytes((len(name) + 1, _TYPE_NAME_COMPLETE)) + name
        self.payload = bytearray(PAYLOAD_BYTES)
        fields = (
            bytes((2, _TYPE_FLAGS, _FLAGS))
            + bytes((17, _TYPE_SERVICES_128_COMPLETE))
            + uuid_bytes(layout.BLE_SERVICE_UUID)
            + bytes((3 + layout.ADVERT.size, _TYPE_MANUFACTURER))
            + struct.pack("<H", layout.BLE_COMPANY)
        )
        self.payload[:_ADVERT_AT] = fields
        self._state = 0
        self._backlog_kib = 0
        self._reading = layout.state_code(layout.STATE_ABSENT)
        self.changed = True  # since whoever sends it set this to False
        self._pack()

    def update(self, state: int, backlog_bytes: int, reading: int) -> None:
        """Take how things stand: STATUS_* bits, bytes not confirmed yet, a reading code."""
        backlog_kib = min((backlog_bytes + 1023) >> 10, _KIB_MAX)
        if state == self._state and backlog_kib == self._backlog_kib and reading == self._reading:
            return
        self._state = state
        self._backlog_kib = backlog_kib
        self._reading = reading
        self.changed = True
        self._pack()

    def _pack(self) -> None:
        struct.pack_into(
            layout.ADVERT.format,
            self.payload,
            _ADVERT_AT,
            layout.ADVERT_VERSION,
            self._state,
            self._backlog_kib,
            self._reading,
        )


def uuid_bytes(text: str) -> bytes:
    """Return the 16 bytes of a UUID in the order of the air: least significant first."""
    digits = text.replace("-", "")
    return bytes([int(digits[at : at + 2], 16) for at in range(30, -2, -2)])


def payload_columns(channels: "Sequence[Channel]", columns: "Sequence[tuple]") -> tuple:
    """Return where among a sample's codes the payload probes' readings stand.

    `channels`: config.Channel of each fitted probe; `columns`: (channel, column) of each, in the
    same order. A board without a payload probe shows all it has.
    """
    found = []
    for channel, (_, column) in zip(channels, columns):
        if layout.PLACEMENT_NAMES[channel.placement].startswith("payload"):
            found.append(column)
    return tuple(found or [column for _, column in columns])


def warmest(codes: "Sequence[int]", columns: "Sequence[int]") -> int:
    """Return the highest temperature among some readings; if none has one, the first's state."""
    best = codes[columns[0]]  # a state code lies below every temperature
    for column in columns:
        code = codes[column]
        if code >= layout.READING_MIN and code > best:
            best = code
    return best
