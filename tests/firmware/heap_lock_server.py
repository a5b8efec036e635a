# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
"""Runs on MicroPython: what serving a file allocates. Prints one `name value` a line.

locked_frames: full DATA frames sent with the heap locked, console and COBS included (64-bit);
frame_bytes: heap used up by one full DATA frame when nothing is collected;
pull_bytes: heap still in use after ten whole READs and HASHes, compared with before.
"""

import gc
import struct
import sys

import micropython

from dewarlog_firmware.server import Server
from dewarlog_wire import PROTOCOL_VERSION, cobs, layout

try:
    from dewarlog_firmware.fast import cobs_encode_into, crc_shift
except (ImportError, SyntaxError):  # the 32-bit build here makes no machine code
    cobs_encode_into = cobs.encode_into
    crc_shift = None

SIZE = 40 * 4090
FRAMES = 30


class Reader:
    """Bytes without a file: the file system's own costs are not what is measured."""

    size = SIZE

    def read_into(self, offset: int, view: memoryview) -> int:
        """Leave in `view` what is there."""
        return len(view)

    def close(self) -> None:
        """Do nothing."""


class Store:
    """One file, whatever is asked for."""

    def open(self, run: int, file: int, etag: int) -> Reader:
        """Open it."""
        return Reader()


class Device:
    """The rest of a board."""

    features = 0


class Out:
    """A link that takes everything."""

    def __init__(self) -> None:
        self.frames = 0

    def send(self, frame: bytearray, length: int) -> bool:
        """Count one frame."""
        self.frames += 1
        return True


def ask(
    server: Server, kind: int, seq: int, record: layout.Record, *values: "int | bytes"
) -> None:
    """Hand one request to the server."""
    server.handle(kind, seq, struct.pack(record.format, *values))


def new_server() -> Server:
    """Return a server that has been greeted."""
    server = Server(Store(), Device(), guard(), bytes, crc_shift=crc_shift)
    ask(server, layout.MSG_HELLO, 1, layout.HELLO, PROTOCOL_VERSION, 0, 4096, bytes(8))
    return server


def read(server: Server, seq: int) -> None:
    """Ask for the whole file at once."""
    ask(server, layout.MSG_READ, seq, layout.READ, 1, 0, 1, 0, SIZE, 0, SIZE)


def locked_frames() -> int:
    """Send frames over a console with the heap locked; an allocation ends the script."""
    from dewarlog_firmware.link_usb import UsbLink

    server = new_server()
    link = UsbLink(sys.stdin.buffer, open("/dev/null", "wb"), cobs_encode_into)
    read(server, 2)
    for _ in range(4):  # the two replies, and two frames to warm up
        link.poll(server)
    micropython.heap_lock()
    for _ in range(FRAMES):
        link.poll(server)
    micropython.heap_unlock()
    return FRAMES


def frame_bytes() -> int:
    """Return what one frame takes from the heap."""
    server = new_server()
    out = Out()
    read(server, 2)
    for _ in range(4):
        server.poll(out)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for _ in range(FRAMES):
        server.poll(out)
    used = gc.mem_alloc() - before
    gc.enable()
    assert out.frames == FRAMES + 4
    return used // FRAMES


def pull(server: Server, out: Out, seq: int) -> None:
    """Send the whole file and hash it."""
    read(server, seq)
    while server.poll(out):
        pass
    ask(server, layout.MSG_HASH, seq + 1, layout.HASH, 1, 0, 1, 0, SIZE)
    while server.poll(out):
        pass


def pull_bytes() -> int:
    """Return what whole pulls leave on the heap."""
    server = new_server()
    out = Out()
    pull(server, out, 10)
    gc.collect()
    before = gc.mem_alloc()
    for seq in range(20, 40, 2):
        pull(server, out, seq)
    gc.collect()
    return gc.mem_alloc() - before


print("frame_bytes", frame_bytes())
if sys.maxsize > 2**32:  # the 32-bit build collects only between scripts, and has no console
    print("locked_frames", locked_frames())
    print("pull_bytes", pull_bytes())
