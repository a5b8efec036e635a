"""COBS: bytes without 0x00, so that 0x00 can mark where a frame begins and ends.

Place in the line: below frame; imports only errors. After Cheshire and Baker, "Consistent Overhead
Byte Stuffing", 1999. Costs at most one byte in 254. The board hands its machine-code twin
(firmware/dewarlog_firmware/fast.py) to frame.encode_serial_out; both write the same bytes.
"""

from dewarlog_wire.errors import FrameError

TYPE_CHECKING = False
if TYPE_CHECKING:
    Readable = bytes | bytearray | memoryview
    Writable = bytearray | memoryview


def encoded_max_bytes(length: int) -> int:
    """Return how long `length` bytes can become."""
    return length + 1 + length // 254


def encode_into(source: "Readable", length: int, target: "Writable", offset: int) -> int:
    """Encode the first `length` bytes of `source` at `offset`; return the offset behind them."""
    code_at = offset
    offset += 1
    code = 1
    for i in range(length):
        if code == 255:  # the group is full, and more bytes follow
            target[code_at] = code
            code_at = offset
            offset += 1
            code = 1
        byte = source[i]
        if byte:
            target[offset] = byte
            offset += 1
            code += 1
        else:
            target[code_at] = code
            code_at = offset
            offset += 1
            code = 1
    target[code_at] = code
    return offset


def decode(data: bytes) -> bytes:
    """Return what `data`, one encoded frame without its delimiters, stands for."""
    groups: list[bytes] = []
    at = 0
    length = len(data)
    while at < length:
        code = data[at]
        end = at + code
        if not code or end > length:
            raise FrameError(
                "cobs", f"code {code} at byte {at} of {length} points outside the frame", at
            )
        groups.append(data[at + 1 : end])
        if code != 255 and end < length:
            groups.append(b"\0")
        at = end
    decoded = b"".join(groups)
    if b"\0" in data:
        raise FrameError("cobs", "a zero byte stands inside the frame", data.find(b"\0"))
    return decoded
