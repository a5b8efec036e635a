"""Machine-code twins of inner loops: the page encoder, COBS, joining two CRC-32, the cipher.

Stands beside recorder and link_usb, which take these functions as arguments. They write the same
bytes as dewarlog_wire.column.encode_page and dewarlog_wire.cobs.encode_into; a test compares them.
Importing this file on a port without viper raises SyntaxError: the caller then stays with the
plain functions.

    try:
        from dewarlog_firmware.fast import cobs_encode_into, encode_page
    except (ImportError, SyntaxError):
        ...

Viper's int is 32 bits on boards and 64 on the unix port, and its pointers load without a sign:
every value here is kept below 2**26, and signs are restored by (x ^ m) - m.
"""

import micropython

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # A viper pointer takes the address of any buffer, read-only ones included.
    ptr8 = ptr16 = ptr32 = Any
    uint = int


@micropython.viper
def encode_page(page: ptr16, state: ptr32, remainder: ptr8, unary: ptr8):  # noqa: ANN201
    """Encode one page of a column; see dewarlog_wire.column. Allocates nothing.

    The numbers are that module's: state slots 0 predictor, 1 count, 2 and 3 bits in the planes,
    4 and 5 shifts to try, 6 parameter, 7 to 21 sums; 14 the largest k, 15 a flat page.
    """
    count = int(state[1])
    start = ((int(state[0]) & 0x1FFFFFF) ^ 0x1000000) - 0x1000000
    best_bits = -1
    best_shift = 0
    best_k = 0
    best_sum = 0
    shift = int(state[4])
    last = int(state[5])
    while shift <= last:
        k = 7
        while k <= 21:
            state[k] = 0
            k += 1
        predictor = start
        i = 0
        while i < count:
            value = (int(page[i]) ^ 0x8000) - 0x8000
            residual = value - ((predictor + 128) >> 8)
            predictor += ((value << 8) - predictor) >> shift
            u = residual << 1
            if residual < 0:
                u = -1 - u
            k = 7
            while u and k < 21:
                state[k] = int(state[k]) + u
                u >>= 1
                k += 1
            state[k] = int(state[k]) + u
            i += 1
        if int(state[7]) == 0:
            best_shift = shift
            best_k = 15
            best_sum = 0
            break
        k = 0
        while k <= 14:
            bits = count * (k + 1) + int(state[7 + k])
            if best_bits < 0 or bits < best_bits:
                best_bits = bits
                best_shift = shift
                best_k = k
                best_sum = int(state[7 + k])
            k += 1
        shift += 1
    state[6] = best_k | (best_shift << 4)

    shift = best_shift
    k = best_k
    predictor = start
    i = 0
    if k == 15:
        while i < count:
            value = (int(page[i]) ^ 0x8000) - 0x8000
            predictor += ((value << 8) - predictor) >> shift
            i += 1
        state[0] = predictor
        return
    position = int(state[3])
    i = (position + 7) >> 3
    end = (position + best_sum + count + 7) >> 3
    while i < end:
        unary[i] = 0
        i += 1
    bits = int(state[2])
    at = bits >> 3
    held = bits & 7
    pending = 0
    if held:
        pending = int(remainder[at]) >> (8 - held)
    mask = (1 << k) - 1
    i = 0
    while i < count:
        value = (int(page[i]) ^ 0x8000) - 0x8000
        residual = value - ((predictor + 128) >> 8)
        predictor += ((value << 8) - predictor) >> shift
        u = residual << 1
        if residual < 0:
            u = -1 - u
        position += u >> k
        unary[position >> 3] = int(unary[position >> 3]) | (128 >> (position & 7))
        position += 1
        pending = (pending << k) | (u & mask)
        held += k
        while held >= 8:
            held -= 8
            remainder[at] = pending >> held
            pending &= (1 << held) - 1
            at += 1
        i += 1
    if held:
        remainder[at] = pending << (8 - held)
    state[0] = predictor
    state[2] = bits + count * k
    state[3] = position


@micropython.viper
def cobs_encode_into(source: ptr8, length: int, target: ptr8, offset: int) -> int:
    """Encode the first `length` bytes of `source`; see dewarlog_wire.cobs. Allocates nothing."""
    code_at = offset
    offset += 1
    code = 1
    i = 0
    while i < length:
        if code == 255:
            target[code_at] = code
            code_at = offset
            offset += 1
            code = 1
        byte = int(source[i])
        if byte:
            target[offset] = byte
            offset += 1
            code += 1
        else:
            target[code_at] = code
            code_at = offset
            offset += 1
            code = 1
        i += 1
    target[code_at] = code
    return offset


@micropython.viper
def crc_shift(crc: uint, matrix: ptr32) -> uint:
    """Multiply a CRC by a matrix of 32 words over GF(2); see transfer.py. Allocates nothing.

    A shift to the right may carry the sign in from the left: the bit that is looked at stays.
    """
    shifted = uint(0)
    i = 0
    while i < 32:
        if (int(crc) >> i) & 1:
            shifted ^= uint(matrix[i])
        i += 1
    return shifted


@micropython.viper
def xor_into(target: ptr8, at: int, stream: ptr8, part: int):  # noqa: ANN201
    """XOR a part of a key stream into `target`; see dewarlog_wire.session_keys."""
    skip = part & 0xFF
    count = part >> 8
    i = 0
    while i < count:
        target[at + i] = int(target[at + i]) ^ int(stream[skip + i])
        i += 1
