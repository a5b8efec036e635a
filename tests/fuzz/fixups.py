"""Puts lengths, CRCs and chains right after a mutation, so that what stands behind them is read.

Only what a careless or hostile writer could compute as well; all else stays as it was mutated.
"""

from __future__ import annotations

import json
import struct
import zlib
from base64 import b64encode
from hashlib import sha256
from typing import Any, Final

import device_readers
from device_rig import DEVICE_KEY
from dewarlog.receipt import Receipt
from dewarlog.replies import Recorded, Signed
from dewarlog_wire import FORMAT_VERSION, cobs, layout, proof, seal
from dewarlog_wire.errors import WireError
from trusted import TrustedBoard

_BLOCK_MIN: Final = layout.BLOCK_HEADER.size + layout.BLOCK_SEAL.size
_LENGTH_AT: Final = layout.BLOCK_HEADER.offset_of("length")
_VERSION_AT: Final = layout.BLOCK_HEADER.offset_of("version")
_JOURNAL_COUNTS: Final = ("block_seq", "first_sample", "first_event")
# What a document raises that lacks a field, or has it of another kind.
_NOT_ONE: Final = (
    *(ValueError, KeyError, TypeError, AttributeError, IndexError),
    *(OverflowError, RecursionError),
)
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


# --- keys and receipts --------------------------------------------------------------------------
def checked(data: bytes) -> bytes:
    """Give lock.bin its length and CRC."""
    data = data[:2].ljust(2, b"\0")
    return data + crc(data)


def public(data: bytes) -> bytes:
    """Give public.bin the proof by its board's seed."""
    data = data[:32].ljust(32, b"\0")
    seed = proof.signing_seed(DEVICE_KEY)
    return data + proof.hmac_sha256(seed, b"dewarlog public 1" + data)[: proof.PROOF_BYTES]


def seal_key(data: bytes) -> bytes:
    """Make seal.made sound, the blocks have its marks, and every slot that is not free whole."""
    made, *sides = device_readers.parts_of(data, 3)
    made = made[:33].ljust(33, b"\0")
    fixed: list[bytes] = []
    for number, side in enumerate(sides):
        block = bytearray(side[:4096].ljust(4096, b"\xff"))
        mark = bytes(255 - byte for byte in made[16 * number : 16 * number + 16])
        block[:16] = block[128:144] = mark
        for at in range(256, 4096, 128):
            slot = block[at : at + 40]
            if slot not in (b"\xff" * 40, bytes(40)):
                slot[3] = 0  # no board makes 2**24 blocks
                block[at : at + 40] = slot[:36] + crc(slot[:36])
        fixed.append(bytes(block))
    return joined([made + crc(made), *fixed])


def receipt(data: bytes) -> bytes:
    """Make a receipt whose fields say what its body and its numbers say."""
    try:
        fields = json.loads(data)
        run, number, uptime_s = (
            int(fields[name]) & 0xFFFFFFFF for name in ("run", "number", "uptime_s")
        )
        tag = bytes.fromhex(fields["tag"])[:32].ljust(32)
        recorded = Recorded(run, number, uptime_s, int(fields["uptime_ms"]) % 1000, tag)
        device_id, log_id = (
            bytes.fromhex(fields[name])[:8].ljust(8) for name in ("device_id", "log_id")
        )
        signed = fields.get("signed")
        head = None if signed is None else _signed(signed, recorded.run, log_id)
        body = bytes.fromhex(fields["body"])
        made = Receipt(
            device_id, log_id, recorded, body, fields["proven"] is True, str(fields["log"]), head
        )
        return json.dumps(made.fields()).encode("utf-8", "surrogatepass")
    except (*_NOT_ONE, WireError):
        return data


def _signed(fields: dict[str, Any], run: int, log_id: bytes) -> Signed:
    names = ("blocks", "uptime_s", "utc_s")
    blocks, uptime_s, utc_s = (int(fields[name]) & 0xFFFFFFFF for name in names)
    chain, nonce, signature = (
        bytes.fromhex(fields[name])[:size].ljust(size)
        for name, size in (("chain", 32), ("nonce", 16), ("signature", 64))
    )
    uptime_ms, clock_state = int(fields["uptime_ms"]) % 1000, int(fields["clock_state"]) & 255
    when = (uptime_s, uptime_ms, utc_s, clock_state)
    return Signed(run, log_id, blocks, chain, *when, signature, nonce)


def verified(data: bytes) -> bytes:
    """Make log and receipt sound, for every other case also what only the board's keys make."""
    options, held, certificate, told, keys = device_readers.parts_of(data, 5)
    held, told = log(held), receipt(told)
    if zlib.crc32(data) & 1:
        held, told = _sealed(held), _tagged(told)
    return joined([options, held, certificate, told, keys])


def _sealed(data: bytes) -> bytes:
    """Give each block that has a key index the tag of the trusted board's key."""
    made = bytearray(data)
    states = {seal.FIRST_INDEX: TrustedBoard().seal_state}
    for index in range(seal.FIRST_INDEX, 64):
        states[index + 1] = seal.next_state(states[index])
    at = 0
    while made.startswith(layout.BLOCK_MAGIC, at):
        length = int.from_bytes(made[at + _LENGTH_AT : at + _LENGTH_AT + 4], "little")
        end = at + length
        place = end - layout.BLOCK_SEAL.size
        if length < _BLOCK_MIN or end > len(made):
            break
        chain, index, tag, _ = struct.unpack_from(layout.BLOCK_SEAL.format, made, place)
        state = states.get(index)
        tag = tag if state is None else seal.block_tag(state, chain)
        struct.pack_into(layout.BLOCK_SEAL.format, made, place, chain, index, tag, 0)
        made[end - 4 : end] = crc(made[at : end - 4])
        at = end
    return bytes(made)


def _tagged(data: bytes) -> bytes:
    """Give a receipt the tag of the trusted board's receipt key."""
    try:
        fields = json.loads(data)
        ids = [bytes.fromhex(fields[name]) for name in ("device_id", "log_id")]
        names = ("run", "number", "uptime_s", "uptime_ms")
        run, number, uptime_s, uptime_ms = (int(fields[name]) for name in names)
        head = Recorded(run, number, uptime_s, uptime_ms, b"").head()
        key = TrustedBoard().receipt_key
        tag = proof.receipt_tag(key, ids[0], ids[1], head, bytes.fromhex(fields["body"]))
        return json.dumps({**fields, "tag": tag.hex()}).encode()
    except (*_NOT_ONE, struct.error):
        return data
