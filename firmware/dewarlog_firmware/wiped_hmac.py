"""HMAC-SHA256 that leaves nothing behind: every buffer that held a secret is overwritten.

Outside the line, below seal_key. hashlib's objects keep what they hashed, in their own bytes and
in the digests they return, until the heap gives that memory to something else: collecting garbage
erases nothing. Here all work is done in buffers of this module. FIPS 180-4, 5.3.3 and 6.2.2; RFC
2104. Importing this file on a port without viper raises SyntaxError.

What is left after a call: nothing in the heap. The machine's stack held eight words of the last
compression in the end; a compression of zeros, in the same place of it, follows.
"""

from binascii import unhexlify

import micropython
from micropython import const

from dewarlog_wire.proof import hmac_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # A viper pointer takes the address of any buffer, read-only ones included.
    ptr8 = ptr32 = Any

TEXT_MAX_BYTES = 55  # one block of SHA-256, less the padding
DIGEST_BYTES = 32
_BLOCK_BYTES = const(64)
_INNER = const(0x36)
_OUTER = const(0x5C)

# The first 32 bits behind the point of the square roots of the first 8 primes, and of the cube
# roots of the first 64, little-endian. A bytearray begins where a word may be read from.
_START = unhexlify("67e6096a85ae67bb72f36e3c3af54fa57f520e518c68059babd9831f19cde05b")
_CONSTANTS = bytearray(
    unhexlify(
        "982f8a4291443771cffbc0b5a5dbb5e9"
        "5bc25639f111f159a4823f92d55e1cab"
        "98aa07d8015b8312be853124c37d0c55"
        "745dbe72feb1de80a706dc9b74f19bc1"
        "c1699be48647beefc69dc10fcca10c24"
        "6f2ce92daa84744adca9b05cda88f976"
        "52513e986dc631a8c82703b0c77f59bf"
        "f30be0c64791a7d55163ca0667292914"
        "850ab72738211b2efc6d2c4d130d3853"
        "54730a65bb0a6a762ec9c281852c7292"
        "a1e8bfa24b661aa8708b4bc2a3516cc7"
        "19e892d1240699d685350ef470a06a10"
        "16c1a419086c371e4c774827b5bcb034"
        "b30c1c394aaad84e4fca9c5bf36f2e68"
        "ee828f746f63a5781478c8840802c78c"
        "faffbe90eb6c50a4f7a3f9bef27871c6"
    )
)
_state = bytearray(DIGEST_BYTES)
_inner = bytearray(DIGEST_BYTES)
_block = bytearray(_BLOCK_BYTES)
_words = bytearray(4 * (64 + 8))  # the message schedule, then a to h


def hmac_into(
    out: bytearray, key: "bytes | bytearray | memoryview", text: "bytes | bytearray | memoryview"
) -> None:
    """Write the 32 bytes of HMAC-SHA256 into `out`, which may be `key` itself.

    `key` has at most 64 bytes and `text` at most 55. Allocates nothing that holds any of them.
    """
    if len(key) > _BLOCK_BYTES or len(text) > TEXT_MAX_BYTES:
        raise ValueError("HMAC of a key of %d and a text of %d bytes" % (len(key), len(text)))
    _take_key(key, _INNER)
    _take_text(text)
    _digest_into(_inner)
    _take_key(key, _OUTER)
    _take_text(_inner)
    _digest_into(out)
    for buffer in (_state, _inner, _block, _words):
        wipe(buffer, len(buffer))
    _compress(_state, _words, _block, _CONSTANTS)


def agrees() -> bool:
    """Tell whether this machine code gives hashlib's answer, for a key that is no secret."""
    key = bytes(range(DIGEST_BYTES))
    out = bytearray(DIGEST_BYTES)
    hmac_into(out, key, key)
    return out == hmac_sha256(key, key)


def _take_key(key: "bytes | bytearray | memoryview", pad: int) -> None:
    """Begin a hash with the key's block."""
    _state[:] = _START
    for index in range(_BLOCK_BYTES):
        _block[index] = pad ^ (key[index] if index < len(key) else 0)
    _compress(_state, _words, _block, _CONSTANTS)


def _take_text(text: "bytes | bytearray | memoryview") -> None:
    """End it with a text, the padding and the length in bits of both blocks."""
    length = len(text)
    wipe(_block, _BLOCK_BYTES)
    for index in range(length):
        _block[index] = text[index]
    _block[length] = 0x80
    bits = 8 * (_BLOCK_BYTES + length)
    _block[_BLOCK_BYTES - 2] = bits >> 8
    _block[_BLOCK_BYTES - 1] = bits & 0xFF
    _compress(_state, _words, _block, _CONSTANTS)


def _digest_into(out: bytearray) -> None:
    """Write the state's words big-endian, as a digest has them."""
    for index in range(DIGEST_BYTES):
        out[index] = _state[index ^ 3]


@micropython.viper
def wipe(data: ptr8, count: int):  # noqa: ANN201
    """Overwrite the first `count` bytes of a buffer with zeros, a `bytes` object's too."""
    for index in range(count):
        data[index] = 0


# Viper's int is 32 bits on boards and 64 on the unix port, its pointers load without a sign there:
# a word is masked behind each shift to the right, and cut by each store.
@micropython.viper
def _compress(state: ptr32, words: ptr32, block: ptr8, constants: ptr32):  # noqa: ANN202
    """Take one block into the state (6.2.2). Allocates nothing."""
    i = 0
    while i < 16:
        k = i << 2
        words[i] = block[k] << 24 | block[k + 1] << 16 | block[k + 2] << 8 | block[k + 3]
        i += 1
    while i < 64:
        x = int(words[i - 15])
        y = int(words[i - 2])
        s = (((x >> 7) & 0x1FFFFFF) | x << 25) ^ (((x >> 18) & 0x3FFF) | x << 14)
        s ^= (x >> 3) & 0x1FFFFFFF
        u = (((y >> 17) & 0x7FFF) | y << 15) ^ (((y >> 19) & 0x1FFF) | y << 13)
        u ^= (y >> 10) & 0x3FFFFF
        words[i] = int(words[i - 16]) + s + int(words[i - 7]) + u
        i += 1
    k = 0
    while k < 8:
        words[64 + k] = int(state[k])
        k += 1
    i = 0
    while i < 64:
        x = int(words[68])  # e
        s = (((x >> 6) & 0x3FFFFFF) | x << 26) ^ (((x >> 11) & 0x1FFFFF) | x << 21)
        s ^= ((x >> 25) & 0x7F) | x << 7
        u = int(words[70]) ^ (x & (int(words[69]) ^ int(words[70])))
        t = int(words[71]) + s + u + int(constants[i]) + int(words[i])
        x = int(words[64])  # a
        y = int(words[65])  # b
        s = (((x >> 2) & 0x3FFFFFFF) | x << 30) ^ (((x >> 13) & 0x7FFFF) | x << 19)
        s ^= ((x >> 22) & 0x3FF) | x << 10
        u = (x & y) | (int(words[66]) & (x | y))
        k = 71
        while k > 64:
            words[k] = int(words[k - 1])
            k -= 1
        words[68] = int(words[68]) + t
        words[64] = t + s + u
        i += 1
    k = 0
    while k < 8:
        state[k] = int(state[k]) + int(words[64 + k])
        k += 1
