"""A host that keeps nothing of what it pulls, so that what fills the heap is the board's.

A visit is a generator of requests; each answer sends it on. Conversations are proven and
enciphered, over USB by the admin key and over BLE by the courier's: what costs a board most.
"""

import struct

from dewarlog_wire import PROTOCOL_VERSION, events, layout, proof
from dewarlog_wire.frame import encode_frame, encode_serial_in
from dewarlog_wire.session_keys import BOARD, HOST, SessionKeys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from size_rig.board import World

_CREDIT = 1 << 20
_ACK_BYTES = layout.BLE_ACK_PACKETS * (layout.BLE_FRAME_MAX_BYTES - 5)
_SHORT = 400  # bytes on the wire: what is longer is counted and forgotten
_TAG_BYTES = layout.SESSION_TAG.size
_UTC_S = 200_000_000
_PATIENCE_TICKS = 400  # the world's, at which a visit must be over


class Refused(Exception):
    """The board answered with an ERROR."""


class Host:
    """One host, over the console or the radio of a world."""

    def __init__(self, world: "World", *, by_radio: bool) -> None:
        self._world = world
        self._by_radio = by_radio
        self._visit = None
        self._request = None
        self._kind = 0
        self._seq = 0
        self._keys = None
        self._counter = 0
        self._answer = None
        self._acked = 0
        self.received = 0  # bytes of stored files
        self.has_signed = False

    def begin(self, visit: "Callable", then: "Callable[[], bool]") -> None:
        """Come to the board; `then` is the world's turn again when the visit is over."""
        world = self._world
        self._then = then
        self._keys = None
        if self._by_radio:
            radio = world.radio
            radio.heard = self._packet
            radio.handler(1, (64, 0, b"phone!"))
            radio.handler(21, (64, layout.BLE_MTU_MAX))
        else:
            world.console.heard = self._wire
        self._visit = visit(self)
        self._answer = None
        world.turn = self._turn
        self._request = self._visit.send(None)

    def _turn(self) -> bool:
        """Send the request that is due; say whether there was one."""
        if self._request is None:
            if self._world.ticks > _PATIENCE_TICKS:
                raise Refused("request %d: no answer" % self._kind)
            return False
        kind, body = self._request
        self._request = None
        self._kind = kind
        self._seq = (self._seq + 1) & 0xFF
        if self._keys is not None:
            self._counter += 1
            secret = bytearray(body)
            self._keys.cipher_into(secret, HOST, self._counter, 0)
            body = bytes(secret) + self._keys.tag(HOST, self._counter, kind, self._seq, secret)
        self.received_now = self._acked = 0
        self._send(kind, self._seq, body)
        return True

    def _send(self, kind: int, seq: int, body: bytes) -> None:
        if self._by_radio:
            radio = self._world.radio
            handle = radio.handles[layout.BLE_CONTROL_UUID]
            radio.values[handle] = encode_frame(kind, seq, body)
            radio.handler(3, (64, handle))
        else:
            self._world.console.said += encode_serial_in(kind, seq, body)

    # --- what the board says ------------------------------------------------------------------

    def _wire(self, data: memoryview) -> None:
        if len(data) <= _SHORT:
            self._hear(_decoded(data))
        elif _decoded(data[:16])[0] == layout.MSG_DATA:
            self.received += len(data)
        else:  # a long reply, of which nothing is wanted
            self._go_on(b"")

    def _packet(self, handle: int, data: bytes) -> None:
        if handle == self._world.radio.handles[layout.BLE_CONTROL_UUID]:
            self._hear(data)
            return
        count = len(data) - layout.DATA_SHORT_OVERHEAD_BYTES
        self.received += count
        self.received_now += count
        if self.received_now - self._acked >= _ACK_BYTES:
            self._acked = self.received_now
            body = struct.pack(layout.ACK.format, self._xfer, self._acked, _CREDIT)
            self._send(layout.MSG_ACK, 0, body)

    def _hear(self, frame: bytes) -> None:
        kind, seq, length = struct.unpack_from(layout.FRAME_HEAD.format, frame)
        body = frame[4 : 4 + length]
        if kind == layout.MSG_DATA:
            self.received += length
        elif kind == layout.MSG_END:
            self._go_on(body)
        elif kind == layout.MSG_ERROR:
            raise Refused("request %d: error %d" % (self._kind, self._plain(body)[0]))
        elif seq == self._seq:
            plain = self._plain(body)
            if kind == layout.MSG_READ | layout.REPLY:
                self._xfer = plain[0]
            else:
                self._go_on(plain)

    def _plain(self, body: bytes) -> bytes:
        if self._keys is None or self._kind == layout.MSG_AUTH:
            return body
        plain = bytearray(body[:-_TAG_BYTES])
        self._keys.cipher_into(plain, BOARD, self._counter, 0)
        return bytes(plain)

    def _go_on(self, answer: bytes) -> None:
        try:
            self._request = self._visit.send(answer)
        except StopIteration:
            self._visit = None
            self._world.turn = self._then
            if self._by_radio:
                self._world.radio.gap_disconnect(64)

    # --- requests -----------------------------------------------------------------------------

    def prove(self, key: int) -> "Generator":
        """Say HELLO and AUTH."""
        hello = struct.pack(layout.HELLO.format, PROTOCOL_VERSION, 0, 4096, b"sizehost")
        reply = yield layout.MSG_HELLO, hello
        with open("/key.bin", "rb") as file:
            secret = proof.derived_key(file.read(32), key)
        self.features = struct.unpack(layout.HELLO_REPLY.format, reply)[3]
        flags = layout.AUTH_SECRET
        said = proof.transcript(hello, reply, key, flags)
        given = proof.host_proof(secret, said)
        yield layout.MSG_AUTH, struct.pack(layout.AUTH.format, key, flags, given)
        self._keys = SessionKeys(secret, said)
        self._counter = 0

    def pull(self) -> "Generator":
        """Seal, list, read every file."""
        yield layout.MSG_SEAL, b""
        index, total = 0, 1
        while index < total:
            answer = yield layout.MSG_LIST, struct.pack(layout.LIST.format, index, 20)
            total, _, count = struct.unpack_from(layout.LIST_REPLY.format, answer)
            entries = [
                struct.unpack_from(
                    layout.LIST_ENTRY.format,
                    answer,
                    layout.LIST_REPLY.size + at * layout.LIST_ENTRY.size,
                )
                for at in range(count)
            ]
            index += count
            for run, file, _, etag, size, _ in entries:
                if size:
                    yield (
                        layout.MSG_READ,
                        struct.pack(layout.READ.format, run, file, etag, 0, size, 0, _CREDIT),
                    )


def _decoded(data: memoryview) -> bytes:
    """Return the frame in what one write put on the wire."""
    out = bytearray()
    at, end = 1, len(data) - 1
    while at < end:
        code = data[at]
        out += bytes(data[at + 1 : at + code])
        at += code
        if code != 0xFF and at < end:
            out.append(0)
    return bytes(out)


def cable_visit(host: Host) -> "Generator":
    """What a bench does with a logger on its cable."""
    yield from host.prove(layout.KEY_ADMIN)
    yield layout.MSG_TIME, struct.pack(layout.TIME.format, _UTC_S, 250, 40)
    yield layout.MSG_STATUS, b""
    yield from host.pull()
    yield layout.MSG_MARK, events.custody_body(1, _UTC_S, ("R. Lindqvist", "Dock B", "seen"))
    yield from _sign(host)
    if host.features & layout.FEATURE_BENCH:
        yield layout.MSG_LIVE, b""
        yield layout.MSG_GET, struct.pack(layout.GET.format, 0)
        if _has_selftest():
            yield layout.MSG_SELFTEST, struct.pack(layout.SELFTEST.format, 0)


def air_visit(host: Host) -> "Generator":
    """What a courier does at a door."""
    yield from host.prove(layout.KEY_COURIER)
    yield layout.MSG_STATUS, b""
    yield from host.pull()
    head = yield layout.MSG_SEAL, b""
    blocks, chain = struct.unpack(layout.SEAL_REPLY.format, head)
    texts = ("R. Lindqvist", "Courier 118", "Dock B")
    yield layout.MSG_HANDOFF, events.handoff_body(_UTC_S, 0, 0, blocks, chain, texts)
    yield from _sign(host)


def _has_selftest() -> bool:
    """Tell whether this firmware has one; it would be loaded now all the same."""
    try:
        __import__("dewarlog_firmware.selftest")
    except ImportError:
        return False
    return True


def _sign(host: Host) -> "Generator":
    status = yield layout.MSG_STATUS, b""
    run = struct.unpack(layout.STATUS_REPLY.format, status)[1]
    yield layout.MSG_SIGN, struct.pack(layout.SIGN.format, run, b"sizesizesizesize")
    host.has_signed = True
