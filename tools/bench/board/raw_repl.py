"""A raw REPL with raw paste on this MicroPython's console, for mpremote to talk to.

The unix port up to 1.28 has no raw REPL of its own, so this stands in for the one boards have:
same bytes, same window of 128. Control characters as in MicroPython's documentation of the REPL:
A enters (and here also after C), E then A and 01 begins raw paste, D ends the code.

    micropython raw_repl.py
"""

import io
import sys

WINDOW = 128
BANNER = b"raw REPL; CTRL-B to exit\r\n>"

stdin = sys.stdin.buffer
stdout = sys.stdout.buffer
names = {}


def run(code: bytes) -> None:
    """Execute `code`: its output, 04, its traceback, 04, and a new prompt."""
    trace = io.StringIO()
    try:
        exec(str(code, "utf-8"), names)  # noqa: S102 - this is what a REPL is
    except Exception as error:  # noqa: BLE001 - all of them belong to the one who typed
        sys.print_exception(error, trace)
    stdout.write(b"\x04" + trace.getvalue().encode() + b"\x04>")


def read_paste() -> bytes:
    """Take code in windows, as the other side is told it may send."""
    stdout.write(b"R\x01" + bytes((WINDOW & 255, WINDOW >> 8)) + b"\x01")
    code = bytearray()
    while True:
        byte = stdin.read(1)
        if byte == b"\x04":
            stdout.write(b"\x04")
            return bytes(code)
        code += byte
        if len(code) % WINDOW == 0:
            stdout.write(b"\x01")


def serve() -> None:
    """Answer for ever."""
    code = bytearray()
    while True:
        byte = stdin.read(1)
        if not byte:
            return
        if byte == b"\x01":
            stdout.write(BANNER)
            code = bytearray()
        elif byte == b"\x04":
            stdout.write(b"OK")
            run(bytes(code))
            code = bytearray()
        elif byte == b"\x05":
            if stdin.read(2) == b"A\x01":
                run(read_paste())
        elif byte not in b"\x02\x03\r":
            code += byte


serve()
