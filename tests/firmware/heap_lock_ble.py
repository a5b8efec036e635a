# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
"""Runs on MicroPython beside tests/fakes/bluetooth.py: what a pull over BLE takes from the heap.

Prints one `name value` a line.
locked_frames: full packets sent with the heap locked, from the file to the stack (64-bit);
frame_bytes: heap used up by one full packet when nothing is collected;
look_bytes: heap used up by looks at a board where nothing has changed;
btstack_growth, nimble_growth: most heap in use during a whole pull, compared with before it, under
a whole window and an air that takes nothing until the board has nothing more to send;
btstack_bytes, nimble_bytes: bytes of the file that the host got, in order;
the same with _secret: of a proven conversation that is enciphered;
proof_bytes: what the proof leaves on the heap while such a conversation lasts.
"""

import gc
import struct
import sys

import micropython

from bluetooth import BLE, BTSTACK, NIMBLE, Module, Phone
from dewarlog_firmware.advert import Advert
from dewarlog_firmware.config import parse_config
from dewarlog_firmware.desk import Desk
from dewarlog_firmware.link_ble import BleLink
from dewarlog_firmware.profile import default_document, reading_columns
from dewarlog_firmware.server import Server
from dewarlog_wire import PROTOCOL_VERSION, layout, session_keys
from dewarlog_wire.frame import encode_frame
from heap_lock_board import Device, Store, guard, prove

SIZE = 40 * 1024 + 77
CREDIT = 1 << 17  # more than the file: the window alone bounds what is sent
FRAMES = 14  # fewer full packets than a window holds
LOOKS = 100
HELLO = struct.pack(layout.HELLO.format, PROTOCOL_VERSION, 0, 236, bytes(8))

try:
    from dewarlog_firmware.fast import xor_into
except (ImportError, SyntaxError):  # the 32-bit build here makes no machine code
    xor_into = session_keys.xor_into


class Counted(BLE):
    """A stack that keeps nothing."""

    def __init__(self) -> None:
        super().__init__(BTSTACK)
        self.taken = 0

    def _take(self, connection: int, handle: int, data: memoryview) -> None:
        self.taken += 1


class Host(Phone):
    """A host that only counts, so that what grows is the board's."""

    def __init__(self, ble: BLE) -> None:
        super().__init__(ble)
        self.next_offset = 0
        self.ended = False
        self.data_handle = ble.handles[layout.BLE_DATA_UUID]

    def notified(self, handle: int, data: bytes) -> None:
        """Take a packet in order; an END ends the pull."""
        if handle == self.data_handle:
            assert data[0] == layout.MSG_DATA_SHORT
            assert data[1] | data[2] << 8 == self.next_offset & 0xFFFF
            self.next_offset += len(data) - layout.DATA_SHORT_OVERHEAD_BYTES
        elif data[0] == layout.MSG_END:
            self.ended = True


class Board:
    """A link and its server on one stack, with a host that has said HELLO and READ."""

    def __init__(self, module: Module) -> None:
        self.ms = 0
        self.ble = module.ble
        self.link = BleLink(module, Advert(b"heaptest"), bytes(16), 1000, self.ticks_ms)
        self.server = Server(
            Store(SIZE),
            Device(),
            guard(),
            bytes,
            layout.BLE_BODY_MAX_BYTES,
            packets=True,
            xor=xor_into,
        )
        self.link.open()
        self.host = Host(self.ble)
        self.host.connect()
        self.host.exchange_mtu(layout.BLE_MTU_MAX)
        self.poll()
        self.say(layout.MSG_HELLO, 1, HELLO)

    def ticks_ms(self) -> int:
        """Return the time: one call is one millisecond."""
        self.ms += 1
        return self.ms

    def poll(self) -> bool:
        """Do one pass."""
        return self.link.poll(self.server)

    def ask(self, kind: int, seq: int, record: layout.Record, *values: "int | bytes") -> None:
        """Write one request and let it be answered."""
        self.say(kind, seq, struct.pack(record.format, *values))

    def say(self, kind: int, seq: int, body: bytes) -> None:
        """Write one request and let it be answered."""
        self.host.write(layout.BLE_CONTROL_UUID, encode_frame(kind, seq, body))
        self.poll()
        self.poll()

    def read_secret(self, keys: session_keys.SessionKeys) -> None:
        """Ask for the whole file in a conversation that is enciphered by these keys."""
        body = bytearray(struct.pack(layout.READ.format, 1, 0, 1, 0, SIZE, 0, CREDIT))
        keys.cipher_into(body, session_keys.HOST, 1, 0)
        tag = keys.tag(session_keys.HOST, 1, layout.MSG_READ, 3, body)
        self.say(layout.MSG_READ, 3, bytes(body) + tag)

    def read(self, seq: int) -> None:
        """Ask for the whole file."""
        self.ask(layout.MSG_READ, seq, layout.READ, 1, 0, 1, 0, SIZE, 0, CREDIT)


def counted_board() -> Board:
    """Return a board whose stack keeps nothing, in the middle of a transfer."""
    module = Module()
    module.ble = Counted()
    board = Board(module)
    board.read(2)
    board.poll()
    return board


def locked_frames() -> int:
    """Send packets with the heap locked; an allocation ends the script."""
    board = counted_board()
    before = board.ble.taken
    micropython.heap_lock()
    for _ in range(FRAMES):
        board.poll()
    micropython.heap_unlock()
    return board.ble.taken - before


def frame_bytes() -> int:
    """Return what one packet takes from the heap."""
    board = counted_board()
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for _ in range(FRAMES):
        board.poll()
    used = gc.mem_alloc() - before
    gc.enable()
    return used // FRAMES


class Still:
    """An app, and each of its parts, on which nothing changes."""

    def __init__(self) -> None:
        self.config = parse_config(default_document())
        self.columns = reading_columns(self.config)
        self.logbook = self.recorder = self.flash = self.engine = self.keeper = self.chips = self
        self.blocks = self.confirms = 1
        self.journal_bytes = 5000
        self.active_mask = 0
        self.has_held = False
        self.codes = [-25000, 20 * 64]
        self.is_recording = self.has_reading = True
        self.has_fault = self.supply_low = self.is_full = False

    def is_active(self, _severity: int) -> bool:
        """Tell that no rule has an open excursion."""
        return False

    def backlog_bytes(self) -> int:
        """Return what is not confirmed."""
        return 200000


def look_bytes() -> int:
    """Return what looks take that find nothing new."""
    advert = Advert(b"heaptest")
    desk = Desk(Still(), {}, 0)
    advert.update(desk.state_bits(0), desk.backlog_bytes(), desk.payload_reading())
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for _ in range(LOOKS):
        advert.update(desk.state_bits(0), desk.backlog_bytes(), desk.payload_reading())
    used = gc.mem_alloc() - before
    gc.enable()
    return used


def proof_bytes() -> int:
    """Return what a proof leaves on the heap for as long as its conversation lasts."""
    board = Board(Module(BTSTACK))
    board.ble.carry()
    gc.collect()
    before = gc.mem_alloc()
    prove(board.server, HELLO, layout.AUTH_SECRET)
    board.poll()
    board.ble.carry()
    gc.collect()
    return gc.mem_alloc() - before


def pull(stack: str, *, secret: bool = False) -> tuple:
    """Pull the whole file; return (most heap in use compared with before, bytes received)."""
    board = Board(Module(stack))
    host = board.host
    board.ble.carry()
    keys = None
    if secret:
        keys = prove(board.server, HELLO, layout.AUTH_SECRET)
        board.poll()
        board.ble.carry()
    gc.collect()
    before = gc.mem_alloc()
    most = 0
    acked = 0
    if keys is not None:
        board.read_secret(keys)
    else:
        board.read(2)
    while not host.ended:
        for _ in range(200):  # as long as the board finds anything to send
            board.poll()
        gc.collect()
        most = max(most, gc.mem_alloc() - before)
        board.ble.carry()
        if host.next_offset - acked >= layout.BLE_ACK_PACKETS * 239:
            acked = host.next_offset
            board.ask(layout.MSG_ACK, 0, layout.ACK, 1, acked, CREDIT)
    return most, host.next_offset


print("size", SIZE)
print("frame_bytes", frame_bytes())
print("look_bytes", look_bytes())
if sys.maxsize > 2**32:  # the 32-bit build collects only between scripts
    print("locked_frames", locked_frames())
    print("proof_bytes", proof_bytes())
    for name in (BTSTACK, NIMBLE):
        grown, received = pull(name)
        print(name + "_growth", grown)
        print(name + "_bytes", received)
        grown, received = pull(name, secret=True)
        print(name + "_secret_growth", grown)
        print(name + "_secret_bytes", received)
