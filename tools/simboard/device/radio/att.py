"""The attribute protocol's server: what a host asks of the database, and the answers.

Core, Vol 3 Part F 3.4. Not answered but refused: long writes (prepare and execute), multiple
reads, signed writes.
"""

import struct

from micropython import const

from simboard.device.radio import gatt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MTU_MIN = const(23)

_ERROR = const(0x01)
_MTU_REQUEST = const(0x02)
_FIND_INFORMATION = const(0x04)
_FIND_BY_TYPE_VALUE = const(0x06)
_READ_BY_TYPE = const(0x08)
_READ = const(0x0A)
_READ_BLOB = const(0x0C)
_READ_BY_GROUP_TYPE = const(0x10)
_WRITE = const(0x12)
_WRITE_COMMAND = const(0x52)
_NOTIFICATION = const(0x1B)
_INDICATION = const(0x1D)
_CONFIRMATION = const(0x1E)
_COMMAND_BIT = const(0x40)

_INVALID_HANDLE = const(0x01)
_READ_NOT_PERMITTED = const(0x02)
_WRITE_NOT_PERMITTED = const(0x03)
_INVALID_PDU = const(0x04)
_NOT_SUPPORTED = const(0x06)
_INVALID_OFFSET = const(0x07)
_NOT_FOUND = const(0x0A)
_UNSUPPORTED_GROUP = const(0x10)

_BASE_UUID = b"\xfb\x34\x9b\x5f\x80\x00\x00\x80\x00\x10\x00\x00"  # Part B 2.5.1, but the last 4


class Refused(Exception):
    """A request gets an Error Response: its handle and the code."""

    def __init__(self, handle: int, code: int) -> None:
        super().__init__(code)
        self.handle = handle
        self.code = code


class AttServer:
    """Answers one host.

    `owner` has `database` and `mtu_max`, and is told: on_mtu(mtu), on_write(handle),
    on_confirmed(), on_read(handle), which returns an error code or 0; afterwards(action) is done
    once the answer has been sent.
    """

    def __init__(self, owner: "Any") -> None:
        self._owner = owner
        self.mtu = MTU_MIN
        self._answers = {
            _MTU_REQUEST: self._exchange_mtu,
            _FIND_INFORMATION: self._find_information,
            _FIND_BY_TYPE_VALUE: self._find_by_type_value,
            _READ_BY_TYPE: self._read_by_type,
            _READ: self._read,
            _READ_BLOB: self._read_blob,
            _READ_BY_GROUP_TYPE: self._read_by_group_type,
            _WRITE: self._write,
        }

    def answer(self, pdu: memoryview) -> "bytes | None":
        """Return the response to a request; None for what gets none."""
        opcode = pdu[0]
        if opcode == _WRITE_COMMAND:
            try:
                self._write(pdu)
            except (Refused, ValueError):
                pass  # 3.4.5.3: no answer, not even to an error
            return None
        if opcode == _CONFIRMATION:
            self._owner.on_confirmed()
            return None
        if opcode & _COMMAND_BIT:
            return None
        try:
            answer = self._answers.get(opcode)
            if answer is None:
                raise Refused(0, _NOT_SUPPORTED)
            return answer(pdu)
        except Refused as error:
            return struct.pack("<BBHB", _ERROR, opcode, error.handle, error.code)
        except ValueError:  # too short for its fields
            return struct.pack("<BBHB", _ERROR, opcode, 0, _INVALID_PDU)

    # --- finding ------------------------------------------------------------------------------

    def _exchange_mtu(self, pdu: memoryview) -> bytes:
        theirs = struct.unpack_from("<H", pdu, 1)[0]
        ours = self._owner.mtu_max
        mtu = max(MTU_MIN, min(theirs, ours))

        def tell() -> None:
            self.mtu = mtu  # 3.4.2.2: takes effect after the response
            self._owner.on_mtu(mtu)

        self._owner.afterwards(tell)
        return struct.pack("<BH", _MTU_REQUEST + 1, ours)

    def _find_information(self, pdu: memoryview) -> bytes:
        first, last = _range(pdu)
        found = b""
        width = 0
        for handle, attribute in self._owner.database.between(first, last):
            kind = attribute.kind
            width = width or len(kind)
            if len(kind) != width or len(found) + 2 + width > self.mtu - 2:
                break
            found += struct.pack("<H", handle) + kind
        if not found:
            raise Refused(first, _NOT_FOUND)
        return bytes((_FIND_INFORMATION + 1, 1 if width == 2 else 2)) + found

    def _find_by_type_value(self, pdu: memoryview) -> bytes:
        first, last = _range(pdu)
        kind = bytes(pdu[5:7])
        wanted = bytes(pdu[7:])
        found = b""
        for handle, attribute in self._owner.database.between(first, last):
            if attribute.kind == kind and attribute.value.data == wanted:
                if len(found) + 4 > self.mtu - 1:
                    break
                found += struct.pack("<HH", handle, attribute.end or handle)
        if not found:
            raise Refused(first, _NOT_FOUND)
        return bytes((_FIND_BY_TYPE_VALUE + 1,)) + found

    def _read_by_type(self, pdu: memoryview) -> bytes:
        first, last = _range(pdu)
        return bytes((_READ_BY_TYPE + 1,)) + self._list(first, last, _short(pdu[5:]), False)

    def _read_by_group_type(self, pdu: memoryview) -> bytes:
        first, last = _range(pdu)
        kind = _short(pdu[5:])
        if kind != gatt.PRIMARY_SERVICE:
            raise Refused(first, _UNSUPPORTED_GROUP)
        return bytes((_READ_BY_GROUP_TYPE + 1,)) + self._list(first, last, kind, True)

    def _list(self, first: int, last: int, kind: bytes, groups: bool) -> bytes:
        """Return the length of an entry and the entries: handle, perhaps its end, value."""
        found = b""
        width = 0
        for handle, attribute in self._owner.database.between(first, last):
            if attribute.kind != kind:
                continue
            entry = struct.pack("<H", handle)
            if groups:
                entry += struct.pack("<H", attribute.end)
            entry += attribute.value.data
            entry = entry[: min(self.mtu - 2, 255)]
            width = width or len(entry)
            if len(entry) != width or len(found) + width > self.mtu - 2:
                break
            found += entry
        if not found:
            raise Refused(first, _NOT_FOUND)
        return bytes((width,)) + found

    # --- values -------------------------------------------------------------------------------

    def _readable(self, handle: int) -> "gatt.Attribute":
        attribute = self._owner.database.get(handle)
        if attribute is None:
            raise Refused(handle, _INVALID_HANDLE)
        if not attribute.flags & gatt.FLAG_READ:
            raise Refused(handle, _READ_NOT_PERMITTED)
        return attribute

    def _read(self, pdu: memoryview) -> bytes:
        handle = struct.unpack_from("<H", pdu, 1)[0]
        attribute = self._readable(handle)
        code = self._owner.on_read(handle)
        if code:
            raise Refused(handle, code)
        return bytes((_READ + 1,)) + attribute.value.data[: self.mtu - 1]

    def _read_blob(self, pdu: memoryview) -> bytes:
        handle, offset = struct.unpack_from("<HH", pdu, 1)
        data = self._readable(handle).value.data
        if offset > len(data):
            raise Refused(handle, _INVALID_OFFSET)
        return bytes((_READ_BLOB + 1,)) + data[offset : offset + self.mtu - 1]

    def _write(self, pdu: memoryview) -> bytes:
        handle = struct.unpack_from("<H", pdu, 1)[0]
        attribute = self._owner.database.get(handle)
        if attribute is None:
            raise Refused(handle, _INVALID_HANDLE)
        needed = gatt.FLAG_WRITE if pdu[0] == _WRITE else gatt.FLAG_WRITE_NO_RESPONSE
        if not attribute.flags & needed:
            raise Refused(handle, _WRITE_NOT_PERMITTED)
        attribute.value.take(bytes(pdu[3:]))
        if attribute.kind != gatt.CCCD:  # MicroPython tells nobody of those
            self._owner.on_write(handle)
        return bytes((_WRITE + 1,))


def value_pdu(indicate: bool, handle: int, data: bytes) -> bytes:
    """Return a notification or indication."""
    return struct.pack("<BH", _INDICATION if indicate else _NOTIFICATION, handle) + data


def _range(pdu: memoryview) -> tuple[int, int]:
    first, last = struct.unpack_from("<HH", pdu, 1)
    if not 0 < first <= last:
        raise Refused(first, _INVALID_HANDLE)
    return first, last


def _short(kind: memoryview) -> bytes:
    """Return a type in its short form, if it has one."""
    wire = bytes(kind)
    if len(wire) == 16 and wire[:12] == _BASE_UUID and wire[14:] == b"\x00\x00":
        return wire[12:14]
    return wire
