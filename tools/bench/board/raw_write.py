"""Write bytes to this MicroPython's console as fast as it takes them: the bound of any pull.

    micropython raw_write.py COUNT

Waits for one byte first, so that nothing is counted before the reader is ready.
"""

import sys

BLOCK_BYTES = 4096

left = int(sys.argv[1])
data = memoryview(bytearray(BLOCK_BYTES))
sys.stdin.buffer.read(1)
while left > 0:
    left -= sys.stdout.buffer.write(data[: min(left, BLOCK_BYTES)])
