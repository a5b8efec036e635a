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
import struct
import sys
import time
from binascii import hexlify, unhexlify
from hashlib import sha256

import describe
import vector_lines
from device_bench import read_bench  # noqa: F401 - called by its name
from device_rig import (
    LOG_ID,
    POLLS_MAX,
    Desk,
    Out,
    clear_log,
    flat,
    lay_log,
    new_lock,
    open_logbook,
    parts_of,
    scratch,
    the_recorder,
    use_scratch,
    write,
)
from device_trust import (  # called by their names
    read_guarded,  # noqa: F401
    read_lock,  # noqa: F401
    read_public,  # noqa: F401
    read_seal_key,  # noqa: F401
    read_token,  # noqa: F401
    read_versions,  # noqa: F401
)
from dewarlog_firmware import config, device_key, former_run, profile
from dewarlog_firmware.excursion import Engine
from dewarlog_firmware.flash_log import FlashLog
from dewarlog_firmware.logbook import Logbook
from dewarlog_firmware.radio import Radio
from dewarlog_firmware.server import Server
from dewarlog_wire import block, cobs, column, events, frame, layout, session, texts
from dewarlog_wire.errors import BlockError, WireError

REFUSALS = (WireError, config.ConfigError)


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
    return [flat(event) for event in events.read_events(data, 0, len(data))]


def read_section_texts(data: bytes) -> "list[str]":
    """Read a section with texts: its kind by the first byte, then its payload."""
    kinds = sorted(layout.SECTION_TEXTS)
    kind = kinds[data[0] % len(kinds)] if data else kinds[0]
    return [flat(texts.read_section_texts(kind, data[1:]))]


def read_frame(data: bytes) -> "list[str]":
    """Read one whole frame."""
    return [flat(frame.parse_frame(data))]


def read_message(data: bytes) -> "list[str]":
    """Read the body of one message: its kind, then the body."""
    if not data:
        return []
    return [vector_lines.message_line(data[0], 0, session.unpack_body(data[0], data[1:]))]


def read_serial_line(data: bytes) -> "list[str]":
    """Read one whole line to the board."""
    return [flat(frame.parse_serial_in(data))]


def read_serial_in(data: bytes) -> "list[str]":
    """Push bytes at the board's line reader, one by one."""
    reader = frame.LineReader()
    lines = []
    for byte in data:
        one = reader.push(byte)
        if one is not None:
            lines.append(flat(one))
    lines.append(str(reader.ignored))
    return lines


def read_serial_out(data: bytes) -> "list[str]":
    """Find frames in a board's port; where the pieces are cut must not matter."""
    whole = frame.FrameReader()
    lines = [flat(one) for one in whole.feed(data)]
    split = frame.FrameReader()
    again = []
    at = 0
    while at < len(data):
        step = 1 + data[at] % 61
        for one in split.feed(data[at : at + step]):
            again.append(flat(one))
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
            lines.append(flat(one))
    lines.append(str(reader.dropped))
    return lines


def read_short_data(data: bytes) -> "list[str]":
    """Read a short DATA frame: seq, xfer and the byte due (u32) stand before it."""
    if len(data) < 6:
        return []
    due = struct.unpack("<I", data[2:6])[0]
    return [flat(frame.parse_short_data(data[6:], data[0], data[1], due))]


def read_cobs(data: bytes) -> "list[str]":
    """Decode COBS."""
    return [str(hexlify(cobs.decode(data)), "ascii")]


# --- the board's files --------------------------------------------------------------------------
def read_config(data: bytes) -> "list[str]":
    """Read /profile.json; one that is taken must also make a run's first block and its engine."""
    made = config.load_config(data)
    sections = list(profile.profile_sections(made))
    Engine(made.rules, profile.reading_columns(made)).state_bytes()
    the_recorder().run_block(sections, 0, 0)
    return []  # the two JSON readers do not promise the same


def read_radio(data: bytes) -> "list[str]":
    """Come up with radio.bin: what was said last, or the profile's word."""
    path = scratch[0] + "/radio.bin"
    write(path, data)
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
    path = scratch[0] + "/key.bin"
    write(path, data)
    key = device_key.load_device_key(path, lambda count: b"n" * count)
    device_key.derived_keys(key)
    return [str(hexlify(key), "ascii")]


# --- the board's log ----------------------------------------------------------------------------
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
    lay_log([first, second], journal, state)
    lines = []
    for boot in range(2):
        book = open_logbook()
        if book.flash.open_run() is None:
            book.at(boot, 0)
            book.begin([(layout.SECTION_TEXT, b"\x02dewar")], LOG_ID, 7)
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
    with open(scratch[0] + "/log/00000001/" + name, "rb") as file:
        after = file.read()
    for one in blocks:
        if one not in after:
            raise AssertionError("a sound block of %s is gone" % name)


def read_former_run(data: bytes) -> "list[str]":
    """Come up with another profile: the run on flash is closed, whatever stands there."""
    first, journal, state = parts_of(data, 3)
    lay_log([first], journal, state)
    closed = former_run.close_former_run(scratch[0] + "/log", 7, column.encode_page)
    _expect_kept(first, "0000.seg")
    log = FlashLog(scratch[0] + "/log")
    open_state = log.open_run()
    if open_state is not None and open_state.config_crc != 7:
        raise AssertionError("a run of another profile stays open")
    return [str(closed)]


# --- the server ---------------------------------------------------------------------------------
def read_server(data: bytes) -> "list[str]":
    """Answer requests: a first byte that says which link, then kind, seq, length and body each."""
    clear_log()
    book = open_logbook()
    book.at(0, 0)
    book.begin([(layout.SECTION_TEXT, b"\x02dewar" + bytes(300))], LOG_ID, 7)
    desk = Desk(book, new_lock())
    by_air = bool(data) and bool(data[0] & 1)
    body_max = layout.BLE_BODY_MAX_BYTES if by_air else 1024
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
    out = Out(body_max)
    if by_air:
        server.use_packets(out, 64)
    at = 1
    while at + 3 <= len(data):
        length = data[at + 2]
        server.handle(data[at], data[at + 1], data[at + 3 : at + 3 + length])
        at += 3 + length
        polls = 0
        while server.poll(out) or not server.ready:
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
