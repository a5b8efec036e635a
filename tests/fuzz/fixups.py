"""Puts lengths, CRCs and chains right after a mutation, so that what stands behind them is read.

Only what a careless or hostile writer could compute as well; all else stays as it was mutated.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from hashlib import sha256
from typing import Final

import device_readers
from dewarlog_wire import FORMAT_VERSION, cobs, layout

_BLOCK_MIN: Final = layout.BLOCK_HEADER.size + layout.BLOCK_SEAL.size
_LENGTH_AT: Final = layout.BLOCK_HEADER.offset_of("length")
_VERSION_AT: Final = layout.BLOCK_HEADER.offset_of("version")
_JOURNAL_COUNTS: Final = ("block_seq", "first_sample", "first_event")
_MAGICS: Final = (layout.BLOCK_MAGIC, layout.JOURNAL_MAGIC)


def crc(data: bytes | bytearray, before: int = 0) -> bytes:
    """Return the CRC-32 as it is stored."""
    return zlib.crc32(data, before).to_bytes(4, "little")


def log(data: bytes) -> bytes:
    """Make every block that begins somewhere a sound one, and every journal."""
    made = bytearray(data)
    chain = layout.CHAIN_START
    at = 0
    while (at := _next_magic(made, at)) >= 0:
        if made.startswith(layout.JOURNAL_MAGIC, at):
            at = _journal_at(made, at)
        else:
            end, chain = _block_at(made, at, chain)
            at = end
    return bytes(made)


def blocks(data: bytes) -> bytes:
    """Make blocks sound, and cut what stands behind the last one."""
    made = log(data)
    at = 0
    while made.startswith(layout.BLOCK_MAGIC, at) and len(made) - at >= _BLOCK_MIN:
        at += int.from_bytes(made[at + _LENGTH_AT : at + _LENGTH_AT + 4], "little")
    return made[:at] or made


def _next_magic(data: bytearray, at: int) -> int:
    places = [place for magic in _MAGICS if (place := data.find(magic, at)) >= 0]
    return min(places, default=-1)


def _block_at(made: bytearray, at: int, chain: bytes) -> tuple[int, bytes]:
    room = len(made) - at
    if room < _BLOCK_MIN:
        return at + 1, chain
    length = int.from_bytes(made[at + _LENGTH_AT : at + _LENGTH_AT + 4], "little")
    if not _BLOCK_MIN <= length <= min(room, layout.BLOCK_MAX_BYTES):
        behind = _next_magic(made, at + _BLOCK_MIN)
        length = min(room if behind < 0 else behind - at, layout.BLOCK_MAX_BYTES)
        made[at + _LENGTH_AT : at + _LENGTH_AT + 4] = length.to_bytes(4, "little")
    end = at + length
    seal = end - layout.BLOCK_SEAL.size
    made[at + _VERSION_AT] = FORMAT_VERSION
    _fit_sections(made, at + layout.BLOCK_HEADER.size, seal)
    chain = sha256(chain + bytes(made[at:seal])).digest()
    made[seal : seal + len(chain)] = chain
    made[end - 4 : end] = crc(made[at : end - 4])
    return end, chain


def _fit_sections(made: bytearray, at: int, end: int) -> None:
    """Let the section that would overrun the body end with it."""
    while end - at >= layout.SECTION_HEAD.size:
        at += layout.SECTION_HEAD.size
        length = min(int.from_bytes(made[at - 2 : at], "little"), end - at)
        made[at - 2 : at] = length.to_bytes(2, "little")
        at += length


def journal(data: bytes) -> bytes:
    """Make the head sound, and every record that its length leaves whole."""
    made = bytearray(data)
    _journal_at(made, 0)
    return bytes(made)


def _journal_at(made: bytearray, at: int) -> int:
    head_end = at + layout.JOURNAL_HEAD.size
    if head_end > len(made):
        return at + 1
    made[head_end - 4 : head_end] = crc(made[at : head_end - 4])
    before = int.from_bytes(made[head_end - 4 : head_end], "little")
    at = head_end
    while at + 7 <= len(made) and not made.startswith(layout.BLOCK_MAGIC, at):
        end = at + 3 + int.from_bytes(made[at + 1 : at + 3], "little")
        if end + 4 > len(made):
            break
        made[end : end + 4] = crc(made[at:end], before)
        before = int.from_bytes(made[end : end + 4], "little")
        at = end + 4
    return at


def frame(data: bytes) -> bytes:
    """Make one sound frame of a frame's bytes."""
    if len(data) < layout.FRAME_OVERHEAD_BYTES:
        return data
    body = data[layout.FRAME_HEAD.size : -layout.FRAME_CRC_BYTES]
    made = data[:2] + len(body).to_bytes(2, "little") + body
    return made + crc(made)


def pieces(data: bytes) -> bytes:
    """Cut one sound frame into pieces as long as the case's bytes say."""
    whole = frame(data)
    made = bytearray()
    while whole:
        step = 1 + whole[0] % 97
        made += bytes([min(step, len(whole))]) + whole[:step]
        whole = whole[step:]
    return bytes(made)


def serial_line(data: bytes) -> bytes:
    """Make a line of a frame's bytes."""
    return layout.SERIAL_IN_MARK + b64encode(frame(data)) + b"\n"


def serial_out(data: bytes) -> bytes:
    """Send a frame's bytes as a board's port does, between other bytes."""
    sound = frame(data)
    target = bytearray(cobs.encoded_max_bytes(len(sound)) + 1)
    end = cobs.encode_into(sound, len(sound), target, 0)
    return data[:7] + b"\0" + bytes(target[:end]) + b"\0" + data[7:20]


def short_data(data: bytes) -> bytes:
    """Give a short DATA frame the check of the frame it stands for."""
    if len(data) < 6 + layout.DATA_SHORT_OVERHEAD_BYTES:
        return data
    seq, xfer = data[0], data[1]
    due = struct.unpack("<I", data[2:6])[0]
    low = struct.unpack("<H", data[7:9])[0]
    offset = max(0, due + ((low - due + 0x8000) & 0xFFFF) - 0x8000) & 0xFFFFFFFF
    held = data[9:-2]
    stands_for = struct.pack("<BBH", layout.MSG_DATA, seq, (6 + len(held)) & 0xFFFF)
    stands_for += struct.pack("<BBI", xfer, 0, offset)
    return data[:6] + bytes([layout.MSG_DATA_SHORT]) + data[7:-2] + crc(stands_for + held)[:2]


def joined(parts: list[bytes]) -> bytes:
    """Put parts together as device_readers.parts_of takes them apart."""
    heads = [min(len(part), 0xFFFF).to_bytes(2, "little") + part[:0xFFFF] for part in parts[:-1]]
    return b"".join(heads) + parts[-1]


def logbook(data: bytes) -> bytes:
    """Make segments, journal and state sound."""
    first, second, held, state = device_readers.parts_of(data, 4)
    return joined([log(_calm(first)), log(_calm(second)), journal(_calm(held)), _state(state)])


def former_run(data: bytes) -> bytes:
    """Make the segment, the journal and the state sound."""
    first, held, state = device_readers.parts_of(data, 3)
    return joined([log(_calm(first)), journal(_calm(held)), _state(state)])


def _calm(data: bytes) -> bytes:
    """Keep what counts up within a run below 2**24.

    No run comes near 2**32. Beyond it CPython's `struct` raises where a board's takes the low
    bits, and the two could not be compared.
    """
    made = bytearray(data)
    at = 0
    while (at := _next_magic(made, at)) >= 0:
        is_journal = made.startswith(layout.JOURNAL_MAGIC, at)
        if is_journal:
            places = [layout.JOURNAL_HEAD.offset_of(name) for name in _JOURNAL_COUNTS]
        else:
            places = [layout.BLOCK_HEADER.offset_of("block_seq"), *_section_counts(made[at:])]
        for place in places:
            if at + place + 4 <= len(made):
                made[at + place + 3] = 0
        at += 4
    return bytes(made)


def _section_counts(made: bytearray) -> list[int]:
    """Return where the sections of a block say which sample or event is their first."""
    at = layout.BLOCK_HEADER.size
    places: list[int] = []
    while at + layout.SECTION_HEAD.size <= len(made):
        if made[at] in (layout.SECTION_SPAN, layout.SECTION_EVENTS):
            places.append(at + layout.SECTION_HEAD.size)
        at += layout.SECTION_HEAD.size + int.from_bytes(made[at + 1 : at + 3], "little")
    return places


def _state(state: bytes) -> bytes:
    state = state[:17].ljust(17, b"\0")
    return state + crc(state)


def radio(data: bytes) -> bytes:
    """Give radio.bin its length and CRC."""
    data = data[:7].ljust(7, b"\0")
    return data + crc(data)


def command(data: bytes) -> bytes:
    """Make the log behind the byte that names a command sound."""
    return data[:1] + log(data[1:])
