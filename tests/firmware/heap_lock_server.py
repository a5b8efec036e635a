# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
"""Runs on MicroPython: what serving a file allocates. Prints one `name value` a line.

locked_frames: full DATA frames sent with the heap locked, console and COBS included (64-bit);
frame_bytes: heap used up by one full DATA frame when nothing is collected;
tagged_bytes, secret_bytes: the same in a proven conversation, and in an enciphered one;
pull_bytes: heap still in use after ten whole READs and HASHes, compared with before.
"""

import gc
import struct
import sys

import micropython

from dewarlog_firmware.server import Server
from dewarlog_wire import PROTOCOL_VERSION, cobs, layout, session_keys
from heap_lock_board import Device, Store, guard, prove

try:
    from dewarlog_firmware.fast import cobs_encode_into, crc_shift, xor_into
except (ImportError, SyntaxError):  # the 32-bit build here makes no machine code
    cobs_encode_into = cobs.encode_into
    crc_shift = None
    xor_into = session_keys.xor_into

SIZE = 40 * 4090
FRAMES = 30
HELLO = struct.pack(layout.HELLO.format, PROTOCOL_VERSION, 0, 4096, bytes(8))


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
    server = Server(Store(SIZE), Device(), guard(), bytes, crc_shift=crc_shift, xor=xor_into)
    server.handle(layout.MSG_HELLO, 1, HELLO)
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


def read_proven(server: Server, flags: int) -> None:
    """Prove oneself, then ask for the whole file at once."""
    keys = prove(server, HELLO, flags)
    body = bytearray(struct.pack(layout.READ.format, 1, 0, 1, 0, SIZE, 0, SIZE))
    if flags:
        keys.cipher_into(body, session_keys.HOST, 1, 0)
    tag = keys.tag(session_keys.HOST, 1, layout.MSG_READ, 3, body)
    server.handle(layout.MSG_READ, 3, bytes(body) + tag)


def frame_bytes(flags: int = -1) -> int:
    """Return what one frame takes from the heap; `flags` are those of AUTH, -1: no proof."""
    server = new_server()
    out = Out()
    if flags < 0:
        read(server, 2)
    else:
        server.poll(out)
        read_proven(server, flags)
        out.frames -= 1
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
print("tagged_bytes", frame_bytes(0))
print("secret_bytes", frame_bytes(layout.AUTH_SECRET))
if sys.maxsize > 2**32:  # the 32-bit build collects only between scripts, and has no console
    print("locked_frames", locked_frames())
    print("pull_bytes", pull_bytes())
