"""What the readers of cases stand on: a folder for files, the one recorder, a log, a desk, a link.

Below device_readers and device_trust; runs on CPython and on MicroPython.
"""

import os
import struct

import vector_lines
from dewarlog_firmware import config, device_key
from dewarlog_firmware.access import Guard
from dewarlog_firmware.audit import Audit
from dewarlog_firmware.excursion import Engine
from dewarlog_firmware.flash_log import FlashLog
from dewarlog_firmware.lock import Lock
from dewarlog_firmware.logbook import Logbook
from dewarlog_firmware.recorder import Recorder
from dewarlog_wire import events, layout, session
from dewarlog_wire.crc import crc32
from dewarlog_wire.errors import BlockError
from dewarlog_wire.frame import parse_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dewarlog_firmware.access import Visitor

# A slice of work moves at least a byte of a file of at most 64 KiB: more than this never ends.
POLLS_MAX = 70000

scratch = ["."]  # replaced before the first case
held: "dict[str, Any]" = {}  # what is costly to make, made once


def use_scratch(folder: str) -> str:
    """Keep the files of cases below `folder`, which exists; return the folder used before."""
    before = scratch[0]
    scratch[0] = folder
    return before


def write(path: str, data: bytes) -> None:
    """Write a file."""
    with open(path, "wb") as file:
        file.write(data)


def flat(values: "tuple[Any, ...]") -> str:
    """Write values as every interpreter writes them; `repr` of bytes and texts differs."""
    return " ".join(
        [flat(value) if isinstance(value, tuple) else vector_lines.show(value) for value in values]
    )


def parts_of(data: bytes, count: int) -> "list[bytes]":
    """Cut a case into parts: a u16 length before each but the last; a cut case has empty ones."""
    parts = []
    at = 0
    for _ in range(count - 1):
        length = data[at] | data[at + 1] << 8 if at + 2 <= len(data) else 0
        at = min(at + 2, len(data))
        parts.append(data[at : at + length])
        at = min(at + length, len(data))
    parts.append(data[at:])
    return parts


# --- the board's log ----------------------------------------------------------------------------
RULES = (
    config.Rule(0, layout.RULE_ABOVE, 0, 1, 15, -150 * 128, 256, 20, 0),
    config.Rule(1, layout.RULE_RISING, 1, 0, 1, 20, 10, 0, 600),
)


def the_recorder() -> Recorder:
    """Return the one recorder: three probes, one conversion a sample. Its buffers are large."""
    if "recorder" not in held:
        held["recorder"] = Recorder((0, 1, 2), False)
    return held["recorder"]


def new_engine() -> Engine:
    """Make the excursion engine of three probes."""
    return Engine(RULES, ((0, 0), (1, 1), (2, 2)))


def open_logbook() -> Logbook:
    """Open the log as a boot does."""
    recorder = the_recorder()
    recorder.interval_ms = 0  # of a new one
    engine = new_engine()
    flash = FlashLog(scratch[0] + "/log")
    book = Logbook(recorder, flash, engine, layout.FULL_STOP, None, lambda values: False)
    engine.emit = book.emit
    return book


def clear_log() -> None:
    """Leave no log."""
    root = scratch[0] + "/log"
    try:
        runs = os.listdir(root)
    except OSError:
        return
    for name in runs:
        path = root + "/" + name
        if os.stat(path)[0] & 0x4000:
            for file in os.listdir(path):
                os.remove(path + "/" + file)
            os.rmdir(path)
        else:
            os.remove(path)


def lay_log(segments: "list[bytes]", journal: bytes, state: bytes) -> None:
    """Put files of run 1 in place, as an earlier boot may have left them."""
    clear_log()
    root = scratch[0] + "/log"
    folder = root + "/00000001"
    for path in (root, folder):
        try:
            os.mkdir(path)
        except OSError:
            pass
    names = ["%04x.seg" % number for number in range(len(segments))] + ["journal", "state"]
    for name, data in zip(names, segments + [journal, state]):
        if data:
            write(folder + "/" + name, data)


# --- the server ---------------------------------------------------------------------------------
DEVICE_ID = b"deviceid"
LOG_ID = b"logid123"
DEVICE_KEY = bytes(range(32))
UTC_S = 200_000_000


class Desk:
    """Stands for desk.Desk, which needs a whole app: the same readers, over a real logbook."""

    features = (
        layout.FEATURE_RADIO
        | layout.FEATURE_HANDOFF
        | layout.FEATURE_AUTH
        | layout.FEATURE_SIGN
        | layout.FEATURE_SEAL
        | layout.FEATURE_SECRET
    )

    def __init__(self, book: Logbook, lock: Lock, utc_s: int = layout.UTC_UNKNOWN) -> None:
        self.book = book
        self.lock = lock
        self.utc_s = utc_s
        self.now_ms = 0
        self.guard = Guard(self, DEVICE_ID, lock)  # pyright: ignore[reportArgumentType]
        self.audit = Audit(book, self.guard, self.stamp, lambda: False, lambda values: False)
        book.on_event = self.audit.before
        self._signing: "list[Any]" = []  # visitor, values, how often they are not there yet

    def stamp(self) -> None:
        """Let events carry the present time."""
        self.book.at(self.uptime_s(), self.now_ms % 1000)

    # --- what the guard asks ------------------------------------------------------------------
    def ticks_ms(self) -> int:
        """Return a count of milliseconds."""
        self.now_ms += 1000  # so that no pause is waited for
        return self.now_ms & 0x3FFFFFFF

    def uptime_s(self) -> int:
        """Return whole seconds since the boot."""
        return self.now_ms // 1000

    def clock(self) -> "tuple[int, int]":
        """Return what the clock says, and its state."""
        known = self.utc_s != layout.UTC_UNKNOWN
        return self.utc_s, layout.CLOCK_OK if known else layout.CLOCK_UNSET

    def log_id(self) -> bytes:
        """Return the id of the open run."""
        return self.book.log_id() if self.book.is_open else b""

    def secret(self, key: int) -> bytes:
        """Return a derived key."""
        secrets = held.get("secrets")
        if secrets is None:
            secrets = held["secrets"] = device_key.derived_keys(DEVICE_KEY)
        return secrets[key]

    def note_access(self, visitor: "Visitor", result: int, failures: int) -> None:
        """Record an attempt."""
        self.audit.note_access(visitor, result, failures)

    def note_claimed(self) -> None:
        """Lock the board, as its profile asks."""
        self.set_lock(locked=True)

    # --- what the server asks -----------------------------------------------------------------
    def handoff(self, body: bytes) -> "tuple | None":
        """Record a handoff."""
        try:
            values = events.read_handoff(body)
        except BlockError as error:
            raise ValueError(str(error))
        if not self.book.has_chain(values[3], values[4]):
            return None
        self.book.record(layout.KIND_HANDOFF, body)
        self.book.commit()
        return 1, self.book.recorder.next_event - 1, 5, 0, bytes(32)

    def radio(self, state: int, minutes: int) -> None:
        """Record that the radio was switched."""
        self.audit.note(layout.KIND_RADIO, (state, 1, minutes))

    def status(self) -> "tuple[int, ...]":
        """Return a status."""
        record = layout.STATUS_REPLY
        return struct.unpack(record.format, bytes(record.size))

    def set_time(self, utc_s: int, utc_ms: int, error_ms: int) -> "tuple[int, int]":
        """Record a time, and take it."""
        self.book.emit(layout.KIND_CLOCK_SYNC, (utc_s, utc_ms, error_ms, 0, 0))
        self.book.commit()
        self.utc_s = utc_s
        return 0, 0

    def mark(self, custody: bytes) -> None:
        """Record a custody event."""
        try:
            events.read_custody(custody)
        except BlockError as error:
            raise ValueError(str(error))
        self.book.record_custody(custody)

    def acknowledge(self, body: bytes) -> None:
        """Record that a person has looked."""
        try:
            events.read_texts_body(layout.KIND_ACKNOWLEDGE, body)
        except BlockError as error:
            raise ValueError(str(error))
        self.book.record(layout.KIND_ACKNOWLEDGE, body)
        self.book.commit()
        self.audit.acknowledge()

    def stop(self) -> None:
        """Go on."""

    def set_lock(self, *, locked: bool) -> None:
        """Lock or open."""
        self.lock.set(locked=locked)
        self.audit.note(layout.KIND_LOCK, (1 if self.lock.is_locked else 0, 1))

    def seed(self, secret: bytes) -> None:
        """Take a secret for another key, which is nobody's yet."""
        if len(secret) != 32:
            raise AssertionError("the secret is no secret's length")
        self.lock.unclaim()

    def seal_key(self) -> "tuple | None":
        """Return index and state."""
        return 41, bytes(32)

    def sign(self, visitor: "Visitor", run: int, nonce: bytes) -> None:
        """Begin to sign."""
        if self._signing:
            raise ValueError("another signature is being made")
        if run != self.book.recorder.run:
            raise KeyError(run)
        blocks, chain = self.book.seal()
        head = (run, self.book.log_id(), blocks, chain, 5, 0)
        self._signing = [visitor, head + self.clock() + (nonce * 4,), 2]

    def public(self, visitor: "Visitor") -> None:
        """Begin to work out the public key."""
        if self._signing:
            raise ValueError("another signature is being made")
        self._signing = [visitor, (b"p" * 32,), 0]

    def signed(self, visitor: "Visitor") -> "tuple | None":
        """Return what was signed, once."""
        if not self._signing or self._signing[0] is not visitor:
            return None
        self._signing[2] -= 1
        if self._signing[2] >= 0:
            return None
        values = self._signing[1]
        self._signing = []
        return values


def new_lock() -> Lock:
    """Return the lock of a board that nobody has claimed."""
    path = scratch[0] + "/lock.bin"
    # The 32-bit build's file system has a number of its own for "no such file", which boards take
    # for one that cannot be read: so there is a file.
    with open(path, "wb") as file:
        file.write(struct.pack("<BBI", 0, 0, crc32(bytes(2))))
    return Lock(path)


class Out:
    """Takes what the server sends, and holds every frame to the format."""

    def __init__(self, body_max: int) -> None:
        self.body_max = body_max
        self.lines = []

    def send(self, frame: bytearray, length: int) -> bool:
        """Take a frame."""
        kind, seq, body = parse_frame(memoryview(frame)[:length])
        if len(body) > self.body_max:
            raise AssertionError("a body of %d bytes on a link that takes fewer" % len(body))
        session.unpack_body(kind, body)
        self.lines.append("%02x %d %d" % (kind, seq, len(body)))
        return True

    def send_packet(self, packet: memoryview) -> bool:
        """Take a packet."""
        if len(packet) > 64:
            raise AssertionError("a packet of %d bytes where 64 are allowed" % len(packet))
        self.lines.append("packet %d" % len(packet))
        return True
