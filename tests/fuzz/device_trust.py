"""Readers of what keeps others out: tokens, proven conversations, the sealing key, small files.

As device_readers, which has them in its table: the same on CPython and on MicroPython.
"""

import os
import struct
from binascii import hexlify
from hashlib import sha256

import describe_trust
from device_rig import (
    DEVICE_KEY,
    LOG_ID,
    POLLS_MAX,
    UTC_S,
    Desk,
    clear_log,
    new_lock,
    open_logbook,
    parts_of,
    scratch,
    write,
)
from dewarlog_firmware import signer
from dewarlog_firmware.changes import FirmwareFile
from dewarlog_firmware.lock import Lock
from dewarlog_firmware.seal_key import IN_USE, LOST, NEW, SealKey
from dewarlog_firmware.server import Server
from dewarlog_wire import access, layout, proof, seal, session, token
from dewarlog_wire.crc import crc32
from dewarlog_wire.errors import TokenError
from dewarlog_wire.frame import parse_frame, parse_short_data
from dewarlog_wire.session_keys import BOARD, DATA, END, HOST, SessionKeys

# --- tokens -------------------------------------------------------------------------------------
# Boards: device id, open run, clock and what the role may; the clock of one is not set.
TOKEN_HEADER = {
    "role key": "00" * 31 + "01",
    "boards": "6465766963656964 6c6f676964313233 200000000 7;"
    "6465766963656964 - 200000000 31;0000000000000000 - 4294967295 1",
}


def read_token(data: bytes) -> "list[str]":
    """Read caveats: the secret, each of them, and what three boards make of it."""
    lines = describe_trust.describe_token(TOKEN_HEADER, str(hexlify(data), "ascii"))
    try:
        for _ in token.read_caveats(data):
            pass
    except TokenError:
        return lines
    for role_may in access.MAY.values():
        why, may, _, holder = token.why_not(data, b"deviceid", b"logid123", UTC_S, role_may)
        if may & ~role_may or (why and may):
            raise AssertionError("a token gives more than its role has")
        holder.encode()
    return lines


# --- proven conversations -----------------------------------------------------------------------
HOW_UNTAGGED = 1  # without a tag; of AUTH: with a wrong proof
HOW_AGAIN = 2  # with the counter of the request before
HOW_FLIPPED = 4  # one bit of the tag is wrong
BY_AIR = 1  # bits of a case's first byte
IS_LOCKED = 2
IS_SET = 4


class _Guest:
    """A host that has every key of the board, and holds the board to each tag and each byte."""

    def __init__(self, server: Server, desk: Desk, body_max: int) -> None:
        self.lines: "list[str]" = []
        self._server = server
        self._desk = desk
        self._body_max = body_max
        self._hello = self._said = b""
        self._asked: "tuple[int, int]" = (0, 0)  # kind and seq of the newest request
        self._auth: "tuple[int, int, bytes]" = (0, 0, b"")
        self._keys: "SessionKeys | None" = None
        self._is_secret = False
        self._transcript = self._secret = b""
        self._counter = 0
        self._reads: "dict[tuple[int, int], int]" = {}  # (seq, counter) of a READ: its offset
        self._xfer: "tuple[int, int, int, int]" = (0, 0, 0, 0)  # xfer, seq, counter, offset
        self._sha = sha256()
        self._due = 0

    # --- what the host says -------------------------------------------------------------------
    def say(self, kind: int, seq: int, how: int, body: bytes) -> None:
        """Say one frame, its tag or proof made here, and take all that is answered."""
        if kind == layout.MSG_HELLO:
            self._hello = body
        elif kind == layout.MSG_AUTH:
            body = self._proving(body, how)
        elif kind != layout.MSG_ACK and self._keys is not None and not how & HOW_UNTAGGED:
            body = self._tagged(kind, seq, how, body)
        if kind != layout.MSG_ACK:
            self._asked = (kind, seq)
        self._server.handle(kind, seq, body)
        polls = 0
        while self._server.poll(self) or not self._server.ready:  # pyright: ignore[reportArgumentType]
            polls += 1
            if polls > POLLS_MAX:
                raise AssertionError("the server never comes to rest")

    def _proving(self, said: bytes, how: int) -> bytes:
        """Make an AUTH of key, flags and caveats."""
        key = said[0] if said else 0
        flags = said[1] if len(said) > 1 else 0
        caveats = said[2:]
        try:
            role_key = proof.derived_key(DEVICE_KEY, key)
            self._secret = token.token_secret(role_key, caveats)
        except (KeyError, TokenError):
            self._secret = bytes(32)
        self._transcript = proof.transcript(self._hello, self._said, key, flags)
        shown = bytearray(proof.host_proof(self._secret, self._transcript))
        shown[0] ^= how & HOW_UNTAGGED
        self._is_secret = bool(flags & layout.AUTH_SECRET)
        return bytes((key, flags)) + bytes(shown) + caveats

    def _tagged(self, kind: int, seq: int, how: int, body: bytes) -> bytes:
        assert self._keys is not None
        if not how & HOW_AGAIN:
            self._counter += 1
        if kind == layout.MSG_READ and len(body) == layout.READ.size:
            self._reads[seq, self._counter] = session.unpack_body(kind, body)[3]
        sent = bytearray(body)
        if self._is_secret:
            self._keys.cipher_into(sent, HOST, self._counter, 0)
        tag = bytearray(self._keys.tag(HOST, self._counter, kind, seq, sent))
        if how & HOW_FLIPPED:
            tag[-1] ^= 1
        return bytes(sent) + bytes(tag)

    # --- what the board says ------------------------------------------------------------------
    def send(self, frame: bytearray, length: int) -> bool:
        """Take a frame, and hold it to its tag and its format."""
        kind, seq, body = parse_frame(memoryview(frame)[:length])
        body = bytes(body)
        if len(body) > self._body_max:
            raise AssertionError("a body of %d bytes on a link that takes fewer" % len(body))
        if kind == layout.MSG_HELLO | layout.REPLY:
            self._said = body
            self._keys = None
            self._counter = 0
        elif kind == layout.MSG_AUTH | layout.REPLY:
            if body != proof.board_proof(self._secret, self._transcript):
                raise AssertionError("the board's proof is wrong")
            self._keys = SessionKeys(self._secret, self._transcript)
        elif kind == layout.MSG_ERROR and self._asked == (layout.MSG_AUTH, seq):
            if b"a signature" not in body:  # then nobody was judged
                self._keys = None
        elif kind == layout.MSG_ERROR and self._asked == (layout.MSG_HELLO, seq):
            pass
        elif kind == layout.MSG_DATA:
            self._data(body)
        elif self._keys is not None:
            body = self._opened(kind, seq, body)
        session.unpack_body(kind, body)
        if kind == layout.MSG_READ | layout.REPLY:
            self._begin(seq, body)
        self.lines.append("%02x %d %d" % (kind, seq, len(body)))
        return True

    def _opened(self, kind: int, seq: int, whole: bytes) -> bytes:
        """Return a body without its tag, deciphered; AssertionError for one that is wrong."""
        assert self._keys is not None
        body, tag = bytearray(whole[: -layout.SESSION_TAG.size]), whole[-layout.SESSION_TAG.size :]
        counter = struct.unpack("<I", tag[:4])[0] if len(tag) == layout.SESSION_TAG.size else -1
        is_end = kind == layout.MSG_END
        more = self._sha.digest() if is_end else b""
        if not self._keys.holds(BOARD, kind, seq, body, tag, more):
            raise AssertionError("a tag of the board is wrong: kind %02x" % kind)
        if counter > self._counter or (is_end and counter != self._xfer[2]):
            raise AssertionError("the board counts otherwise than its host")
        if self._is_secret:
            self._keys.cipher_into(body, END if is_end else BOARD, counter, 0)
        if kind == layout.MSG_READ | layout.REPLY:
            self._xfer = (0, seq, counter, self._reads[seq, counter])
        return bytes(body)

    def _begin(self, seq: int, body: bytes) -> None:
        xfer = session.unpack_body(layout.MSG_READ | layout.REPLY, body)[0]
        if xfer == self._xfer[0]:
            return  # the reply again
        self._xfer = (xfer, seq) + self._xfer[2:]
        self._sha = sha256()
        self._due = self._xfer[3]

    def _data(self, body: bytes) -> None:
        xfer, _, offset, held = session.unpack_body(layout.MSG_DATA, body)
        if self._keys is None:
            return
        if (xfer, offset) != (self._xfer[0], self._due):
            raise AssertionError("DATA of byte %d where %d is due" % (offset, self._due))
        plain = bytearray(held)
        if self._is_secret:
            at = offset - self._xfer[3]
            self._keys.cipher_into(plain, DATA, self._xfer[2], at)
        self._sha.update(plain)
        self._due += len(plain)

    def send_packet(self, packet: memoryview) -> bool:
        """Take short DATA."""
        if len(packet) > 64:
            raise AssertionError("a packet of %d bytes where 64 are allowed" % len(packet))
        if self._keys is not None:
            xfer, seq = self._xfer[:2]
            offset, held = parse_short_data(bytes(packet), seq, xfer, self._due)
            head = struct.pack(layout.DATA_HEAD.format, xfer, 0, offset)
            self._data(head + bytes(held))
        self.lines.append("packet %d" % len(packet))
        return True


def read_guarded(data: bytes) -> "list[str]":
    """Answer a host that has the keys: whatever stands behind the right tag.

    The first byte says which link, lock and clock; then kind, seq, how, length and body of each
    frame. An AUTH's body is key, flags and caveats.
    """
    clear_log()
    book = open_logbook()
    book.at(0, 0)
    book.begin([(layout.SECTION_TEXT, b"\x02dewar" + bytes(300))], LOG_ID, 7)
    setting = data[0] if data else 0
    by_air = bool(setting & BY_AIR)
    body_max = layout.BLE_BODY_MAX_BYTES if by_air else 1024
    lock = new_lock()
    if setting & IS_LOCKED:
        lock.claim()
        lock.set(locked=True)
    desk = Desk(book, lock, UTC_S if setting & IS_SET else layout.UTC_UNKNOWN)
    server = Server(
        book,  # pyright: ignore[reportArgumentType]
        desk,  # pyright: ignore[reportArgumentType]
        desk.guard,
        lambda count: b"r" * count,
        body_max,
        None,
        packets=by_air,
        in_hand=not by_air,
    )
    guest = _Guest(server, desk, body_max)
    if by_air:
        server.use_packets(guest, 64)
    at = 1
    while at + 4 <= len(data):
        length = data[at + 3]
        guest.say(data[at], data[at + 1], data[at + 2], data[at + 4 : at + 4 + length])
        at += 4 + length
    server.drop()
    book.flash.release()
    guest.lines.append("%d %d" % (desk.guard.failures, lock.is_claimed))
    return guest.lines


# --- the sealing key ----------------------------------------------------------------------------
BLOCK_BYTES = 4096
PAGE_BYTES = 256
MARK_BYTES = 16


class _Flash:
    """A flash of four blocks; those that files seal.a and seal.b were given stand behind them."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files: "dict[str, tuple[int, bytes]]" = {}
        self._next = 0
        self.blocks = [bytearray(b"\xff" * BLOCK_BYTES) for _ in range(4)]

    def _look(self) -> None:
        """Give a file that was written anew a block, as littlefs does."""
        for name in "ab":
            try:
                with open(self._folder + "/seal." + name, "rb") as file:
                    data = file.read()
            except OSError:
                continue
            if name in self._files and self._files[name][1] == data:
                continue
            number = self._next % 4
            self._next += 1
            self._files[name] = (number, data)
            self.blocks[number][:] = data[:BLOCK_BYTES] + b"\xff" * (BLOCK_BYTES - len(data))

    def readblocks(self, number: int, buffer: bytearray, offset: int) -> int:
        buffer[:] = self.blocks[number][offset : offset + len(buffer)]
        return 0

    def writeblocks(self, number: int, buffer: bytearray, offset: int) -> int:
        block = self.blocks[number]
        for index in range(len(buffer)):
            block[offset + index] &= buffer[index]
        return 0

    def ioctl(self, request: int, number: int) -> int:
        if request == 4:
            self._look()
            return len(self.blocks)
        if request == 6:
            self.blocks[number][:] = b"\xff" * BLOCK_BYTES
        return BLOCK_BYTES

    def holds(self, state: bytes) -> bool:
        """Tell whether a state stands in a slot."""
        for block in self.blocks:
            for at in range(PAGE_BYTES + 4, BLOCK_BYTES, PAGE_BYTES // 2):
                if block[at : at + 32] == state and block[at - 4 : at] != b"\xff" * 4:
                    return True
        return False


class _Random:
    """Bytes that are others each time, and the same in every run of a case."""

    def __init__(self) -> None:
        self.drawn = 0

    def __call__(self, count: int) -> bytes:
        self.drawn += 1
        return bytes(bytearray([(7 * self.drawn + index) & 0xFF for index in range(count)]))


def read_seal_key(data: bytes) -> "list[str]":
    """Boot on two raw blocks and seal.made, whatever stands there; move on, and boot again.

    It says IN_USE, NEW or LOST; a newest state that stands whole in a block that is found is the
    one it has; once moved on the old state is nowhere on the flash.
    """
    made, first, second = parts_of(data, 3)
    folder = scratch[0]
    for name, content in (("made", made), ("a", first), ("b", second)):
        path = folder + "/seal." + name
        try:
            os.remove(path)
        except OSError:
            pass
        if content:
            write(path, content)
    flash = _Flash(folder)
    draw = _Random()
    lines = []
    was = 0
    for boot in range(2):
        key = SealKey(flash, folder, draw)  # pyright: ignore[reportArgumentType]
        key.open(lambda: bool(data) and bool(data[-1] & 1))
        if key.state not in (IN_USE, NEW, LOST) or (key.state == LOST) == (key.index > 0):
            raise AssertionError("state %d with index %d" % (key.state, key.index))
        if boot and (key.index != was or (was and key.state != IN_USE)):
            raise AssertionError("key %d, and at the next boot %d" % (was, key.index))
        lines.append("%d %d %s" % (key.state, key.index, str(hexlify(key.secret), "ascii")))
        if not boot:
            _expect_newest(key, made, (first, second))
        for _ in range(17 if key.index else 0):  # more than a block has slots
            old, index = bytes(key.secret), key.index
            key.move_on()
            if key.index == 0:
                break
            if key.index != index + 1 or key.secret != seal.next_state(old):
                raise AssertionError("the key behind %d is another" % index)
            if old != bytes(32) and flash.holds(old):
                raise AssertionError("state %d is still on the flash" % index)
        was = key.index
        lines.append("%d %s" % (key.index, key.tag(key.secret, bytes(32))))
    return lines


def _expect_newest(key: SealKey, made: bytes, blocks: "tuple[bytes, bytes]") -> None:
    """Look for the newest state by another way than the board's."""
    if len(made) != 2 * MARK_BYTES + 5 or crc32(made[:-4]) != struct.unpack("<I", made[-4:])[0]:
        return
    marks = [bytes([byte ^ 0xFF for byte in made[at : at + MARK_BYTES]]) for at in (0, MARK_BYTES)]
    if marks[0] == marks[1]:
        return  # neither is found, perhaps both
    newest, states = 0, []
    for mark, content in zip(marks, blocks):
        if len(content) != BLOCK_BYTES or mark != content[:MARK_BYTES]:
            continue
        if mark == b"\xff" * MARK_BYTES:
            return  # as that of a free block
        for at in range(PAGE_BYTES, BLOCK_BYTES, PAGE_BYTES // 2):
            slot = content[at : at + 40]
            index, crc = struct.unpack("<I", slot[:4])[0], struct.unpack("<I", slot[36:])[0]
            if index >= max(newest, 1) and crc32(slot[:36]) == crc:
                states = [] if index > newest else states
                newest = index
                states.append(slot[4:36])
    if newest and not (key.index == newest and bytes(key.secret) in states):
        raise AssertionError("key %d is there, and the board has %d" % (newest, key.index))


# --- small files --------------------------------------------------------------------------------
def _file(name: str, data: bytes) -> str:
    path = scratch[0] + "/" + name
    write(path, data)
    return path


def read_lock(data: bytes) -> "list[str]":
    """Come up with lock.bin: one that cannot be read is locked, and an admin has a way back."""
    path = _file("lock.bin", data)
    lock = Lock(path)
    sound = len(data) == 6 and crc32(data[:2]) == struct.unpack("<I", data[2:])[0]
    if not sound and not (lock.is_claimed and lock.is_locked):
        raise AssertionError("a damaged lock is open")
    lines = ["%d %d" % (lock.is_claimed, lock.is_locked)]
    lock.claim()
    lock.set(locked=not lock.is_locked)
    again = Lock(path)
    if (again.is_claimed, again.is_locked) != (True, lock.is_locked):
        raise AssertionError("the lock is another after a boot")
    return lines


def read_public(data: bytes) -> "list[str]":
    """Come up with public.bin: a key with a proof by the seed, or none."""
    seed = proof.signing_seed(DEVICE_KEY)
    path = _file("public.bin", data)
    made = signer.Signer(None, seed, b"deviceid", _no_clock, _no_clock, path)  # pyright: ignore[reportArgumentType]
    public = made.public()
    if public and data[:32] != public:
        raise AssertionError("a public key that stands nowhere")
    if len(public) not in (0, 32):
        raise AssertionError("a public key of %d bytes" % len(public))
    return [str(hexlify(public), "ascii")]


def _no_clock() -> "tuple[int, int]":
    return 0, 0


def read_versions(data: bytes) -> "list[str]":
    """Come up with firmware.bin: what the last boot ran goes into an event."""
    now = (1, 2, 3, 1, 25, 0)
    versions = FirmwareFile(_file("firmware.bin", data), now)
    before = versions.before()
    if before is not None:
        struct.pack(layout.EVENT_FIRMWARE.format, *(before + now))
    versions.keep()
    if versions.before() is not None:
        raise AssertionError("this boot's versions are not kept")
    return [repr(before)]
