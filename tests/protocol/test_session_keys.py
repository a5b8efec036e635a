"""Tags and key streams: offsets are slices, bytes the same on three interpreters, no tag bent."""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog_wire import layout, session_keys
from dewarlog_wire.session_keys import BOARD, DATA, END, HOST, SessionKeys

if TYPE_CHECKING:
    from conftest import MicroPython

SECRET = bytes(range(32))
SAID = b"all that was said before"
KEYS = SessionKeys(SECRET, SAID)
BODY = b"the body of a frame"
FRAME = (HOST, 7, layout.MSG_READ, 200, BODY)  # sender, counter, kind, seq, body
SCRIPT = """
from binascii import hexlify
from dewarlog_wire.session_keys import SessionKeys
keys = SessionKeys(bytes(range(32)), b"all that was said before")
for counter in (1, 0x3fffffff, 0x40000000, 0xffffffff):
    print(hexlify(keys.tag(1, counter, 0x85, 255, b"body", bytes(32))).decode())
    for offset in (0, 31, 32, 0x40000000, 0xfffffff0):
        data = bytearray(70)
        keys.cipher_into(data, 2, counter, offset)
        print(hexlify(data).decode())
"""


def listing() -> list[str]:
    """Return what SCRIPT prints, by the standard library and the words of SPEC.md 7.9."""
    lines: list[str] = []
    board, secret = (
        hmac.digest(SECRET, b"dewarlog session " + name + SAID, hashlib.sha256)
        for name in (b"board", b"secret")
    )
    for counter in (1, 0x3FFFFFFF, 0x40000000, 0xFFFFFFFF):
        said = struct.pack("<BBI", 0x85, 255, counter) + b"body" + bytes(32)
        mac = hmac.digest(board, said, hashlib.sha256)[:8]
        lines.append((struct.pack("<I", counter) + mac).hex())
        for offset in (0, 31, 32, 0x40000000, 0xFFFFFFF0):
            stream = bytearray()
            for n in range(offset, offset + 70):
                number = struct.pack("<BII", 2, counter, n // 32)
                stream.append(hashlib.sha256(secret + number).digest()[n % 32])
            lines.append(stream.hex())
    return lines


@pytest.mark.micropython
def test_64_bit_micropython_tags_and_enciphers_alike(micropython: MicroPython) -> None:
    """Counters and offsets of every size."""
    assert micropython(SCRIPT).stdout.split() == listing()


@pytest.mark.micropython
def test_32_bit_micropython_tags_and_enciphers_alike(micropython32: MicroPython) -> None:
    """Where an int of 2**30 lives on the heap, as on the boards."""
    assert micropython32(SCRIPT).stdout.split() == listing()


@given(st.integers(0, 1 << 30), st.integers(0, 200), st.integers(0, 200))
def test_a_stream_from_an_offset_is_a_slice_of_the_whole(
    start: int, before: int, count: int
) -> None:
    """DATA may be cut anywhere: both ends find the same bytes of the stream."""
    whole = bytearray(before + count)
    KEYS.cipher_into(whole, DATA, 9, start)
    part = bytearray(count)
    KEYS.cipher_into(part, DATA, 9, start + before)

    assert part == whole[before:]


@given(st.binary(max_size=100), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_enciphering_twice_gives_the_text_back(text: bytes, use: int, counter: int) -> None:
    """XOR is its own inverse, in place, in a view of a larger buffer too."""
    buffer = bytearray(b"head" + text)
    KEYS.cipher_into(memoryview(buffer)[4:], use, counter, 5)
    KEYS.cipher_into(memoryview(buffer)[4:], use, counter, 5)

    assert buffer == b"head" + text


def test_no_two_uses_or_counters_share_a_stream() -> None:
    """A stream used twice would give the XOR of two texts away."""
    streams: set[bytes] = set()
    for use in (HOST, BOARD, DATA, END):
        for counter in (1, 2, 256):
            stream = bytearray(64)
            KEYS.cipher_into(stream, use, counter, 0)
            streams |= {bytes(stream[:32]), bytes(stream[32:])}

    assert len(streams) == 4 * 3 * 2


def test_a_tag_holds_for_its_own_frame() -> None:
    """And gives the counter back."""
    sender, counter, kind, seq, body = FRAME
    tag = KEYS.tag(sender, counter, kind, seq, body)

    assert KEYS.holds(sender, kind, seq, body, tag)
    assert (len(tag), struct.unpack_from("<I", tag)) == (layout.SESSION_TAG.size, (counter,))


@pytest.mark.parametrize(
    ("sender", "counter", "kind", "seq", "body"),
    [
        pytest.param(BOARD, 7, layout.MSG_READ, 200, BODY, id="sender"),
        pytest.param(HOST, 8, layout.MSG_READ, 200, BODY, id="counter"),
        pytest.param(HOST, 7, layout.MSG_HASH, 200, BODY, id="kind"),
        pytest.param(HOST, 7, layout.MSG_READ, 201, BODY, id="seq"),
        pytest.param(HOST, 7, layout.MSG_READ, 200, BODY + b"\0", id="body"),
    ],
)
def test_a_tag_holds_for_no_other_frame(
    sender: int, counter: int, kind: int, seq: int, body: bytes
) -> None:
    """Whatever of the frame is another, also the direction it goes."""
    tag = struct.pack("<I", counter) + KEYS.tag(*FRAME)[4:]

    assert not KEYS.holds(sender, kind, seq, body, tag)


@given(st.integers(0, 8 * layout.SESSION_TAG.size - 1))
def test_no_bit_of_a_tag_may_be_another(bit: int) -> None:
    """Counter or mac."""
    sender, _, kind, seq, body = FRAME
    tag = bytearray(KEYS.tag(*FRAME))
    tag[bit // 8] ^= 1 << bit % 8

    assert not KEYS.holds(sender, kind, seq, body, tag)


def test_the_tag_of_end_vouches_for_its_transfer() -> None:
    """The same END behind other bytes does not hold."""
    right, wrong = (hashlib.sha256(data).digest() for data in (b"file", b"fila"))
    tag = KEYS.tag(BOARD, 3, layout.MSG_END, 4, BODY, right)

    assert KEYS.holds(BOARD, layout.MSG_END, 4, BODY, tag, right)
    assert not KEYS.holds(BOARD, layout.MSG_END, 4, BODY, tag, wrong)
    assert not KEYS.holds(BOARD, layout.MSG_END, 4, BODY, tag)


@pytest.mark.parametrize(("secret", "said"), [(bytes(32), SAID), (SECRET, SAID + b"!")])
def test_another_conversation_has_other_keys(secret: bytes, said: bytes) -> None:
    """Another secret, or one byte said otherwise."""
    sender, _, kind, seq, body = FRAME
    other = session_keys.SessionKeys(secret, said)

    assert not other.holds(sender, kind, seq, body, KEYS.tag(*FRAME))
