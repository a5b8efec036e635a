"""Every parser that a board runs, as functions of bytes: the same on CPython and on MicroPython.

`read_NAME(data)` is what the target of that name in targets.py calls. It returns lines that say
what was read, for two readers to be compared by, or raises one of REFUSALS. Run as a script, on
MicroPython, it reads a batch of cases and prints one line for each:

    micropython device_readers.py BATCH SCRATCH      lines of BATCH: NAME HEX
    > 17 ok 5f2c... 2048 310                         number, outcome, heap bytes, microseconds

A case that raises anything else prints `!`, and the traceback as one quoted line.
"""

import gc
import io
import os
import struct
import sys
import time
from binascii import hexlify, unhexlify
from hashlib import sha256

import describe
from dewarlog_firmware import config, device_key, former_run, profile
from dewarlog_firmware.excursion import Engine
from dewarlog_firmware.flash_log import FlashLog
from dewarlog_firmware.logbook import Logbook
from dewarlog_firmware.radio import Radio
from dewarlog_firmware.recorder import Recorder
from dewarlog_firmware.server import Server
from dewarlog_wire import block, cobs, column, events, frame, layout, session
from dewarlog_wire.errors import BlockError, WireError
from dewarlog_wire.frame import parse_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REFUSALS = (WireError, config.ConfigError)
# A slice of work moves at least a byte of a file of at most 64 KiB: more than this never ends.
POLLS_MAX = 70000

_scratch = ["."]  # replaced before the first case
_held: "dict[str, Any]" = {}  # what is costly to make, made once


def use_scratch(folder: str) -> str:
    """Keep the files of cases below `folder`, which exists; return the folder used before."""
    before = _scratch[0]
    _scratch[0] = folder
    return before


def outcome_of(name: str, data: bytes) -> "tuple[str, list[str]]":
    """Return ("ok", lines) or the refusal's word and no lines; anything else is raised."""
    try:
        return "ok", globals()["read_" + name](data)
    except WireError as error:
        return error.fault, []
    except config.ConfigError:
        return "config", []


def digest_of(lines: "list[str]") -> str:
    """Return a short name for these lines."""
    digest = sha256()
    for line in lines:
        digest.update(line.encode())
        digest.update(b"\n")
    return str(hexlify(digest.digest()[:8]), "ascii")


def _flat(values: "tuple[Any, ...]") -> str:
    """Write values as every interpreter writes them; `repr` of bytes and texts differs."""
    return " ".join(
        [_flat(value) if isinstance(value, tuple) else describe.show(value) for value in values]
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


# --- the wire -----------------------------------------------------------------------------------
def read_block(data: bytes) -> "list[str]":
    """Read blocks from the first byte to the last, and all that is in them."""
    return describe.describe_block({}, str(hexlify(data), "ascii"))


def read_journal(data: bytes) -> "list[str]":
    """Read a journal up to its torn tail, and every record of it."""
    return describe.describe_journal({}, str(hexlify(data), "ascii"))


def read_column(data: bytes) -> "list[str]":
    """Decode one column: the count of values, u16, then the payload."""
    values = column.decode_column(data[2:], data[0] | data[1] << 8 if len(data) > 1 else 0)
    return [",".join([str(value) for value in values])]


def read_events(data: bytes) -> "list[str]":
    """Read an EVENTS section."""
    return [_flat(event) for event in events.read_events(data, 0, len(data))]


def read_frame(data: bytes) -> "list[str]":
    """Read one whole frame."""
    return [_flat(frame.parse_frame(data))]


def read_message(data: bytes) -> "list[str]":
    """Read the body of one message: its kind, then the body."""
    if not data:
        return []
    return [describe.message_line(data[0], 0, session.unpack_body(data[0], data[1:]))]


def read_serial_line(data: bytes) -> "list[str]":
    """Read one whole line to the board."""
    return [_flat(frame.parse_serial_in(data))]


def read_serial_in(data: bytes) -> "list[str]":
    """Push bytes at the board's line reader, one by one."""
    reader = frame.LineReader()
    lines = []
    for byte in data:
        one = reader.push(byte)
        if one is not None:
            lines.append(_flat(one))
    lines.append(str(reader.ignored))
    return lines


def read_serial_out(data: bytes) -> "list[str]":
    """Find frames in a board's port; where the pieces are cut must not matter."""
    whole = frame.FrameReader()
    lines = [_flat(one) for one in whole.feed(data)]
    split = frame.FrameReader()
    again = []
    at = 0
    while at < len(data):
        step = 1 + data[at] % 61
        for one in split.feed(data[at : at + step]):
            again.append(_flat(one))
        at += step
    if again != lines:
        raise AssertionError("the frames found depend on where the bytes are cut")
    lines.append(str(whole.junk_bytes))
    return lines


def read_pieces(data: bytes) -> "list[str]":
    """Join notifications: each a length byte and its bytes, 10 ms apart; length 255: a pause."""
    reader = frame.PieceReader()
    lines = []
    at = now_ms = 0
    while at < len(data):
        length = data[at]
        at += 1
        now_ms += 10
        if length == 255:
            now_ms += 1000
            continue
        one = reader.feed(data[at : at + length], now_ms)
        at += length
        if one is not None:
            lines.append(_flat(one))
    lines.append(str(reader.dropped))
    return lines


def read_short_data(data: bytes) -> "list[str]":
    """Read a short DATA frame: seq, xfer and the byte due (u32) stand before it."""
    if len(data) < 6:
        return []
    due = struct.unpack("<I", data[2:6])[0]
    return [_flat(frame.parse_short_data(data[6:], data[0], data[1], due))]


def read_cobs(data: bytes) -> "list[str]":
    """Decode COBS."""
    return [str(hexlify(cobs.decode(data)), "ascii")]


# --- the board's files --------------------------------------------------------------------------
def read_config(data: bytes) -> "list[str]":
    """Read /profile.json; one that is taken must also make a run's first block and its engine."""
    made = config.load_config(data)
    sections = list(profile.profile_sections(made))
    Engine(made.rules, profile.reading_columns(made)).state_bytes()
    _recorder().run_block(sections, 0, 0)
    return []  # the two JSON readers do not promise the same


def read_radio(data: bytes) -> "list[str]":
    """Come up with radio.bin: what was said last, or the profile's word."""
    path = _scratch[0] + "/radio.bin"
    _write(path, data)
    notes = []
    switch = Radio(_Link(), 1, path, notes.append, lambda: (200000000, 0))  # pyright: ignore[reportArgumentType]
    switch.resume(5)
    switch.look(None, 6, 0)  # pyright: ignore[reportArgumentType]
    for values in notes:
        struct.pack(layout.EVENT_RADIO.format, *values)
    return [repr(notes)]


class _Link:
    """A radio that does as it is told."""

    connected = False
    is_open = False

    def open(self) -> None:
        self.is_open = True

    def close(self, server: object) -> None:
        self.is_open = False


def read_key(data: bytes) -> "list[str]":
    """Come up with key.bin: a key and its CRC are the key, anything else is none."""
    path = _scratch[0] + "/key.bin"
    _write(path, data)
    key = device_key.load_device_key(path, lambda count: b"n" * count)
    device_key.derived_keys(key)
    return [str(hexlify(key), "ascii")]


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


# --- the board's log ----------------------------------------------------------------------------
RULES = (
    config.Rule(0, layout.RULE_ABOVE, 0, 1, 15, -150 * 128, 256, 20, 0),
    config.Rule(1, layout.RULE_RISING, 1, 0, 1, 20, 10, 0, 600),
)


def _recorder() -> Recorder:
    """Return the one recorder: three probes, one conversion a sample. Its buffers are large."""
    if "recorder" not in _held:
        _held["recorder"] = Recorder((0, 1, 2), False)
    return _held["recorder"]


def new_engine() -> Engine:
    """Make the excursion engine of three probes."""
    return Engine(RULES, ((0, 0), (1, 1), (2, 2)))


def _logbook() -> Logbook:
    """Open the log as a boot does."""
    recorder = _recorder()
    recorder.interval_ms = 0  # of a new one
    engine = new_engine()
    flash = FlashLog(_scratch[0] + "/log", recorder.buffer)
    book = Logbook(recorder, flash, engine, layout.FULL_STOP, None, lambda values: False)
    engine.emit = book.emit
    return book


def _clear_log() -> None:
    root = _scratch[0] + "/log"
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


def _lay_log(segments: "list[bytes]", journal: bytes, state: bytes) -> None:
    """Put files of run 1 in place, as an earlier boot may have left them."""
    _clear_log()
    root = _scratch[0] + "/log"
    folder = root + "/00000001"
    for path in (root, folder):
        try:
            os.mkdir(path)
        except OSError:
            pass
    names = ["%04x.seg" % number for number in range(len(segments))] + ["journal", "state"]
    for name, data in zip(names, segments + [journal, state]):
        if data:
            _write(folder + "/" + name, data)


def _sound_blocks(data: bytes) -> "list[bytes]":
    """Return the blocks of a segment that have a good CRC."""
    found = []
    at = data.find(layout.BLOCK_MAGIC)
    while at >= 0:
        step = 1
        try:
            one = block.check_block(data, at, None)
            found.append(data[at : at + one.length])
            step = one.length
        except BlockError:
            pass
        at = data.find(layout.BLOCK_MAGIC, at + step)
    return found


def read_logbook(data: bytes) -> "list[str]":
    """Boot twice on two segments, a journal and a state file: the board comes up and records on.

    Every block that was sound before is still there, or an AssertionError says so.
    """
    first, second, journal, state = parts_of(data, 4)
    _lay_log([first, second], journal, state)
    lines = []
    for boot in range(2):
        book = _logbook()
        if book.flash.open_run() is None:
            book.at(boot, 0)
            book.begin([(layout.SECTION_TEXT, b"\x02dewar")], b"logid123", 7)
            lines.append("run %d" % book.flash.run)
        else:
            found = book.resume()
            lines.append(
                "boot %d samples %d dropped %d of %d stopped %d"
                % (
                    found.boot,
                    found.recovered_samples,
                    found.dropped_bytes,
                    book.recorder.blocks,
                    found.was_stopped,
                )
            )
        _record_on(book, boot)
        book.flash.release()
    _expect_kept(first, "0000.seg")
    _expect_kept(second, "0001.seg")
    return lines


def _record_on(book: Logbook, boot: int) -> None:
    """Write events and samples, seal, and answer a host, as the rest of the boot would."""
    recorder = book.recorder
    book.at(100 + boot, 5)
    book.emit(layout.KIND_BOOT, (1, recorder.boot & 0xFFFF, 0, 0, layout.UTC_UNKNOWN, 2))
    book.commit()
    recorder.begin_span(10000, 100 + boot, 5)
    for number in range(3):
        codes = (-24000 + number, -32767, -20000, 1600)
        book.judge(0, codes)
        recorder.sample(0, codes)
    book.commit()
    blocks, chain = book.seal()
    if not book.has_chain(blocks, chain):
        raise AssertionError("the board does not know its own chain")
    for index in range(book.list_count()):
        book.list_entry(index)
    book.backlog_bytes()
    if not book.confirm(recorder.run, blocks, chain, 200000000):
        raise AssertionError("the board refuses its own chain")


def _expect_kept(before: bytes, name: str) -> None:
    blocks = _sound_blocks(before)
    if not blocks:
        return
    with open(_scratch[0] + "/log/00000001/" + name, "rb") as file:
        after = file.read()
    for one in blocks:
        if one not in after:
            raise AssertionError("a sound block of %s is gone" % name)


def read_former_run(data: bytes) -> "list[str]":
    """Come up with another profile: the run on flash is closed, whatever stands there."""
    first, journal, state = parts_of(data, 3)
    _lay_log([first], journal, state)
    closed = former_run.close_former_run(_scratch[0] + "/log", 7, column.encode_page)
    _expect_kept(first, "0000.seg")
    log = FlashLog(_scratch[0] + "/log", bytearray(16))
    open_state = log.open_run()
    if open_state is not None and open_state.config_crc != 7:
        raise AssertionError("a run of another profile stays open")
    return [str(closed)]


# --- the server ---------------------------------------------------------------------------------
class _Desk:
    """Stands for desk.Desk, which needs a whole app: the same readers, over a real logbook."""

    features = 7

    def __init__(self, book: Logbook) -> None:
        self.book = book
        self.now_ms = 0

    def ticks_ms(self) -> int:
        self.now_ms += 1000  # so that no pause is waited for
        return self.now_ms & 0x3FFFFFFF

    def secret(self, key: int) -> bytes:
        return b"k" * 32

    def handoff(self, body: bytes) -> "tuple | None":
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
        struct.pack(layout.EVENT_RADIO.format, state, 1, minutes)

    def status(self) -> "tuple[int, ...]":
        return tuple([0] * len(layout.STATUS_REPLY.fields))

    def set_time(self, utc_s: int, utc_ms: int, error_ms: int) -> "tuple[int, int]":
        self.book.emit(layout.KIND_CLOCK_SYNC, (utc_s, utc_ms, error_ms, 0, 0))
        self.book.commit()
        return 0, 0

    def mark(self, custody: bytes) -> None:
        try:
            events.read_custody(custody)
        except BlockError as error:
            raise ValueError(str(error))
        self.book.record(layout.KIND_CUSTODY, custody)
        self.book.commit()

    def stop(self) -> None:
        pass


class _Out:
    """Takes what the server sends, and holds every frame to the format."""

    def __init__(self, body_max: int) -> None:
        self.body_max = body_max
        self.lines = []

    def send(self, frame: bytearray, length: int) -> bool:
        kind, seq, body = parse_frame(memoryview(frame)[:length])
        if len(body) > self.body_max:
            raise AssertionError("a body of %d bytes on a link that takes fewer" % len(body))
        session.unpack_body(kind, body)
        self.lines.append("%02x %d %d" % (kind, seq, len(body)))
        return True

    def send_packet(self, packet: memoryview) -> bool:
        if len(packet) > 64:
            raise AssertionError("a packet of %d bytes where 64 are allowed" % len(packet))
        self.lines.append("packet %d" % len(packet))
        return True


def read_server(data: bytes) -> "list[str]":
    """Answer requests: a first byte that says which link, then kind, seq, length and body each."""
    _clear_log()
    book = _logbook()
    book.at(0, 0)
    book.begin([(layout.SECTION_TEXT, b"\x02dewar" + bytes(300))], b"logid123", 7)
    by_air = bool(data) and bool(data[0] & 1)
    body_max = layout.BLE_BODY_MAX_BYTES if by_air else 1024
    server = Server(
        book,  # pyright: ignore[reportArgumentType]
        _Desk(book),  # pyright: ignore[reportArgumentType]
        b"deviceid",
        lambda count: b"r" * count,
        body_max,
        None,
        packets=by_air,
        in_hand=not by_air,
    )
    out = _Out(body_max)
    if by_air:
        server.use_packets(out, 64)
    at = 1
    while at + 3 <= len(data):
        length = data[at + 2]
        server.handle(data[at], data[at + 1], data[at + 3 : at + 3 + length])
        at += 3 + length
        polls = 0
        while server.poll(out):
            polls += 1
            if polls > POLLS_MAX:
                raise AssertionError("the server never comes to rest")
    server.drop()
    book.flash.release()
    return out.lines


# --- a batch, on MicroPython --------------------------------------------------------------------
def _traceback(error: BaseException) -> str:
    text = io.StringIO()
    sys.print_exception(error, text)  # pyright: ignore[reportAttributeAccessIssue]
    return text.getvalue()


def main(batch: str, scratch: str) -> None:
    """Run every case of a batch; print one line for each as soon as it is done."""
    use_scratch(scratch)
    number = 0
    with open(batch) as file:
        while True:
            line = file.readline()
            if not line:
                break
            name, _, data = line.strip().partition(" ")
            case = unhexlify(data)
            gc.collect()
            before = gc.mem_alloc()  # pyright: ignore[reportAttributeAccessIssue]
            began = time.ticks_us()  # pyright: ignore[reportAttributeAccessIssue]
            try:
                word, lines = outcome_of(name, case)
                took = time.ticks_diff(time.ticks_us(), began)  # pyright: ignore[reportAttributeAccessIssue]
                used = gc.mem_alloc() - before  # pyright: ignore[reportAttributeAccessIssue]
                print("%d %s %s %d %d" % (number, word, digest_of(lines), used, took))
            except Exception as error:
                print("%d ! %r" % (number, _traceback(error)))
            number += 1


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
