"""Write bytes to this MicroPython's console as fast as it takes them: the bound of any pull.

    micropython raw_write.py COUNT

Writes COUNT bytes for each byte it reads, so that nothing is counted before the reader is ready.
"""

import sys

BLOCK_BYTES = 4096

count = int(sys.argv[1])
data = memoryview(bytearray(BLOCK_BYTES))
while sys.stdin.buffer.read(1):
    left = count
    while left > 0:
        left -= sys.stdout.buffer.write(data[: min(left, BLOCK_BYTES)])
