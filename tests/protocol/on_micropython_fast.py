"""Compares machine-code twins with the plain functions; runs on MicroPython with viper."""

import micropython

from dewarlog_firmware import fast
from dewarlog_wire import cobs, column, session_keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_state = [12345]


def draw(span: int) -> int:
    """Return a repeatable number from 0 to span - 1."""
    _state[0] = (_state[0] * 1103515245 + 12345) & 0x7FFFFFFF
    return (_state[0] >> 8) % span


def column_of(encode_page: "Callable[..., object]", values: "list[int]") -> bytes:
    """Return the column section that one page encoder makes of values."""
    encoder = column.ColumnEncoder(4096, 16, encode_page)
    for value in values:
        if not encoder.has_room():
            break
        encoder.push(value)
    buffer = bytearray(encoder.size())
    return bytes(buffer[: encoder.finish_into(buffer, 0)])


def values_of(count: int, spread: int, centre: int) -> "list[int]":
    """Return repeatable noise around a centre."""
    return [max(-32768, min(32767, centre + draw(2 * spread + 1) - spread)) for _ in range(count)]


for spread in (0, 1, 2, 9, 200, 5000, 40000, 70000):
    for count in (1, 2, 255, 256, 257, 900):
        values = values_of(count, spread, -24320 if spread & 1 else 0)
        if column_of(fast.encode_page, values) != column_of(column.encode_page, values):
            raise AssertionError("columns differ: spread %d, count %d" % (spread, count))
print("columns alike")

for count in (0, 1, 2, 253, 254, 255, 256, 507, 508, 509, 1200):
    for span in (1, 2, 256, 4096):
        data = bytes([min(255, draw(span)) for _ in range(count)])
        plain = bytearray(cobs.encoded_max_bytes(count) + 3)
        quick = bytearray(len(plain))
        end = cobs.encode_into(data, count, plain, 3)
        if fast.cobs_encode_into(data, count, quick, 3) != end or plain != quick:
            raise AssertionError("frames differ: span %d, count %d" % (span, count))
print("frames alike")

stream = bytes([draw(256) for _ in range(32)])
for skip in range(32):
    for count in range(33 - skip):
        plain = bytearray(stream + stream)
        quick = bytearray(plain)
        session_keys.xor_into(memoryview(plain)[1:], 5, stream, skip | count << 8)
        fast.xor_into(memoryview(quick)[1:], 5, stream, skip | count << 8)
        if plain != quick:
            raise AssertionError("ciphers differ: %d bytes from %d on" % (count, skip))
print("ciphers alike")

encoder = column.ColumnEncoder(4096, 16, fast.encode_page)
values = values_of(600, 30, -24320)
data = bytes(range(1, 256))
target = bytearray(300)
for value in values:  # the first calls may still make what stays
    encoder.push(value)
encoder.begin(0, 0)
micropython.heap_lock()
for value in values:
    encoder.push(value)
fast.cobs_encode_into(data, 255, target, 0)
fast.xor_into(target, 9, stream, 32 << 8)
micropython.heap_unlock()
print("nothing allocated")
