"""Pushes columns and encodes COBS with the heap locked; runs on any MicroPython."""

import micropython

from dewarlog_wire import cobs, column

encoder = column.ColumnEncoder(4096)
values = [(-32768, 32767, 5, -24320, -24319)[index * index % 5] for index in range(600)]
data = bytes(range(1, 256))
target = bytearray(300)
for value in values:  # the first calls may still make what stays
    encoder.push(value)
encoder.begin(0, 0)
micropython.heap_lock()
for value in values:
    if encoder.has_room():
        encoder.push(value)
cobs.encode_into(data, 255, target, 0)
micropython.heap_unlock()
print("nothing allocated")
