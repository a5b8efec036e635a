"""One column of a block: an adaptive predictor and Rice codes in pages of 256 samples.

Place in the line: layout -> column -> block. The recorder pushes values while they arrive; what
`finish_into` writes is a whole COLUMN section. Coding: protocol/SPEC.md 4.6; why this coding and
not another, with the figures: protocol/DESIGN.md "Columns".

Allocates in the constructor only. All arithmetic stays below 2**26, so that 32-bit boards keep
every intermediate value off the heap. `encode_page` is the inner loop; a board hands in the
machine-code twin of firmware/dewarlog_firmware/fast.py, which writes the same bytes.
"""

import struct
from array import array

from dewarlog_wire.errors import BlockError
from dewarlog_wire.layout import (
    BLOCK_MAX_SAMPLES,
    COLUMN_FLAT,
    COLUMN_HEAD,
    COLUMN_PAGE,
    SECTION_COLUMN,
    SECTION_HEAD,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Slots of the state that column and page encoder share: an array of 32-bit ints.
STATE_PREDICTOR = 0  # 256 x the expected next value
STATE_COUNT = 1  # values in the page to encode
STATE_REMAINDER_BITS = 2  # bits in the remainder plane so far
STATE_UNARY_BITS = 3  # bits in the unary plane so far
STATE_SHIFT_FIRST = 4  # shifts to try: from this one
STATE_SHIFT_LAST = 5  # to this one
STATE_PARAMETER = 6  # out: the page's parameter byte
STATE_SUMS = 7  # scratch: sum of u >> k for k = 0 to 14
STATE_SLOTS = 22

SHIFT_MAX = 7
RICE_MAX = 14
# u has at most 17 bits, so at k = 14 a value costs at most 14 remainder and 8 unary bits. At the
# best k below 14 the sum of u >> k is at most 2 a value: else k + 1 would be cheaper.
PAGE_REMAINDER_MAX_BYTES = RICE_MAX * COLUMN_PAGE // 8
PAGE_UNARY_MAX_BYTES = 8 * COLUMN_PAGE // 8
PAGE_UNARY_USUAL_BYTES = 3 * COLUMN_PAGE // 8
_VALUE_MAX_BITS = 22


def encode_page(
    page: "array[int]", state: "array[int]", remainder: bytearray, unary: bytearray
) -> None:
    """Encode the first values of `page` behind the bits both planes already hold.

    Tries the shifts the state names and takes the one, and the Rice parameter, that cost the
    fewest bits; the first of equals, so that every implementation writes the same bytes.
    """
    count = state[STATE_COUNT]
    start = state[STATE_PREDICTOR]
    best_bits = -1
    best_shift = 0
    best_k = 0
    best_sum = 0
    for shift in range(state[STATE_SHIFT_FIRST], state[STATE_SHIFT_LAST] + 1):
        for k in range(RICE_MAX + 1):
            state[STATE_SUMS + k] = 0
        predictor = start
        for i in range(count):
            value = page[i]
            residual = value - ((predictor + 128) >> 8)
            predictor += ((value << 8) - predictor) >> shift
            u = residual << 1 if residual >= 0 else -1 - (residual << 1)
            k = STATE_SUMS
            while u and k < STATE_SUMS + RICE_MAX:
                state[k] += u
                u >>= 1
                k += 1
            state[k] += u
        if state[STATE_SUMS] == 0:
            best_bits = 0
            best_shift = shift
            best_k = COLUMN_FLAT
            break
        for k in range(RICE_MAX + 1):
            bits = count * (k + 1) + state[STATE_SUMS + k]
            if best_bits < 0 or bits < best_bits:
                best_bits = bits
                best_shift = shift
                best_k = k
                best_sum = state[STATE_SUMS + k]
    state[STATE_PARAMETER] = best_k | best_shift << 4
    _emit_page(page, state, remainder, unary, best_sum)


def _emit_page(
    page: "array[int]",
    state: "array[int]",
    remainder: bytearray,
    unary: bytearray,
    quotients: int,
) -> None:
    """Write the page with the parameters chosen; `quotients` is the sum of its u >> k."""
    count = state[STATE_COUNT]
    k = state[STATE_PARAMETER] & 15
    shift = state[STATE_PARAMETER] >> 4
    predictor = state[STATE_PREDICTOR]
    if k == COLUMN_FLAT:
        for i in range(count):
            predictor += ((page[i] << 8) - predictor) >> shift
        state[STATE_PREDICTOR] = predictor
        return
    # Old bits may stand where this page's ones will be set.
    position = state[STATE_UNARY_BITS]
    for i in range((position + 7) >> 3, (position + quotients + count + 7) >> 3):
        unary[i] = 0
    bits = state[STATE_REMAINDER_BITS]
    at = bits >> 3
    held = bits & 7  # bits of the byte at `at` that are already written
    pending = remainder[at] >> (8 - held) if held else 0
    mask = (1 << k) - 1
    for i in range(count):
        value = page[i]
        residual = value - ((predictor + 128) >> 8)
        predictor += ((value << 8) - predictor) >> shift
        u = residual << 1 if residual >= 0 else -1 - (residual << 1)
        position += u >> k
        unary[position >> 3] |= 128 >> (position & 7)
        position += 1
        pending = pending << k | u & mask
        held += k
        while held >= 8:
            held -= 8
            remainder[at] = pending >> held
            pending &= (1 << held) - 1
            at += 1
    if held:
        remainder[at] = pending << (8 - held)
    state[STATE_PREDICTOR] = predictor
    state[STATE_REMAINDER_BITS] = bits + count * k
    state[STATE_UNARY_BITS] = position


class ColumnEncoder:
    """Collects one column of a block in buffers made once.

    One producer, the recorder; not for interrupt code. `capacity_bytes` bounds the remainder
    plane; the unary plane gets what `pages_max` pages can need.
    """

    def __init__(
        self,
        capacity_bytes: int,
        pages_max: int = BLOCK_MAX_SAMPLES // COLUMN_PAGE,
        encode_page: "Callable[..., object]" = encode_page,
    ) -> None:
        """Make every buffer the column will ever use."""
        self._encode_page = encode_page
        self._remainder = bytearray(max(capacity_bytes, PAGE_REMAINDER_MAX_BYTES) + 1)
        self._unary = bytearray(
            pages_max * PAGE_UNARY_USUAL_BYTES + PAGE_UNARY_MAX_BYTES - PAGE_UNARY_USUAL_BYTES + 1
        )
        self._remainder_view = memoryview(self._remainder)
        self._unary_view = memoryview(self._unary)
        self._parameters = bytearray(pages_max)
        self._page = array("h", bytes(2 * COLUMN_PAGE))
        self._state = array("i", bytes(4 * STATE_SLOTS))
        self.begin(0, 0)

    def begin(self, channel: int, quantity: int) -> None:
        """Forget the last column and start the next."""
        self._channel = channel
        self._quantity = quantity
        self._first = 0
        self._pages = 0  # pages encoded
        self._fill = 0  # values in the page not yet encoded
        self._state[STATE_REMAINDER_BITS] = 0
        self._state[STATE_UNARY_BITS] = 0
        self._state[STATE_SHIFT_FIRST] = 0
        self._state[STATE_SHIFT_LAST] = SHIFT_MAX

    @property
    def count(self) -> int:
        """Values pushed since `begin`."""
        return self._pages * COLUMN_PAGE + self._fill

    def push(self, value: int) -> None:
        """Take the next value, an i16; every 256th encodes a page."""
        if not self._pages and not self._fill:
            self._first = value
            self._state[STATE_PREDICTOR] = value << 8
        self._page[self._fill] = value
        self._fill += 1
        if self._fill == COLUMN_PAGE:
            self._close_page()

    def has_room(self) -> bool:
        """Tell whether the page being filled fits whatever values may still come."""
        state = self._state
        return (
            self._pages < len(self._parameters)
            and (state[STATE_REMAINDER_BITS] + 7 >> 3) + PAGE_REMAINDER_MAX_BYTES
            < len(self._remainder)
            and (state[STATE_UNARY_BITS] + 7 >> 3) + PAGE_UNARY_MAX_BYTES < len(self._unary)
        )

    def size(self) -> int:
        """Bytes of the whole section if it were finished now, at most."""
        state = self._state
        return (
            SECTION_HEAD.size
            + COLUMN_HEAD.size
            + self._pages
            + 1
            + (state[STATE_REMAINDER_BITS] + 7 >> 3)
            + (state[STATE_UNARY_BITS] + 7 >> 3)
            + (self._fill * _VALUE_MAX_BITS + 7 >> 3)
        )

    def finish_into(self, buffer: "bytearray | memoryview", offset: int) -> int:
        """Write the section at `offset` of `buffer` and return the offset behind it.

        The column is then finished: call `begin` before the next push.
        """
        for piece in self.finish():
            end = offset + len(piece)
            buffer[offset:end] = piece
            offset = end
        return offset

    def finish(self) -> "tuple[bytes, memoryview, memoryview]":
        """Return the section in pieces, which stand until the next push; as `finish_into`."""
        if self._fill:
            self._close_page()
        remainder_bytes = self._state[STATE_REMAINDER_BITS] + 7 >> 3
        unary_bytes = self._state[STATE_UNARY_BITS] + 7 >> 3
        pages = self._pages
        length = COLUMN_HEAD.size + pages + remainder_bytes + unary_bytes
        head = struct.pack(SECTION_HEAD.format, SECTION_COLUMN, length)
        head += struct.pack(COLUMN_HEAD.format, self._channel, self._quantity, self._first)
        return (
            head + bytes(memoryview(self._parameters)[:pages]),
            self._remainder_view[:remainder_bytes],
            self._unary_view[:unary_bytes],
        )

    def _close_page(self) -> None:
        state = self._state
        state[STATE_COUNT] = self._fill
        self._encode_page(self._page, state, self._remainder, self._unary)
        parameter = state[STATE_PARAMETER]
        self._parameters[self._pages] = parameter
        self._pages += 1
        self._fill = 0
        # A probe's noise changes slowly: the next page tries the neighbours of this shift only,
        # which costs no measurable size and 3/8 of the time.
        shift = parameter >> 4
        state[STATE_SHIFT_FIRST] = shift - 1 if shift else 0
        state[STATE_SHIFT_LAST] = shift + 1 if shift < SHIFT_MAX else SHIFT_MAX


def decode_column(payload: "bytes | bytearray | memoryview", count: int) -> "array[int]":
    """Return the `count` values of a COLUMN payload; the reference, one value at a time.

    Raises BlockError when a length, a bound or the padding is not exactly as the coding demands.
    """
    values = array("h")
    length = len(payload)
    pages = (count + COLUMN_PAGE - 1) // COLUMN_PAGE
    if not 1 <= count <= BLOCK_MAX_SAMPLES or length < COLUMN_HEAD.size + pages:
        raise BlockError(
            "column",
            f"column of {length} bytes cannot hold {count} values; the block is damaged",
        )
    first = struct.unpack_from(COLUMN_HEAD.format, payload, 0)[2]
    parameters = COLUMN_HEAD.size
    remainder_bits = 0
    for number in range(pages):
        parameter = payload[parameters + number]
        if parameter & 128:
            raise BlockError(
                "column",
                f"page {number}: parameter {parameter:#04x} sets the reserved bit; "
                "a newer writer may have made this block",
                parameters + number,
            )
        if parameter & 15 != COLUMN_FLAT:
            in_page = min(COLUMN_PAGE, count - number * COLUMN_PAGE)
            remainder_bits += (parameter & 15) * in_page
    at = 8 * (parameters + pages)  # bit positions from here on
    unary_at = at + 8 * (remainder_bits + 7 >> 3)
    remainder_end = at + remainder_bits
    end = 8 * length
    predictor = first << 8
    k = shift = 0
    for index in range(count):
        if index % COLUMN_PAGE == 0:
            parameter = payload[parameters + index // COLUMN_PAGE]
            k = parameter & 15
            shift = parameter >> 4
        u = 0
        if k != COLUMN_FLAT:
            while unary_at < end and not payload[unary_at >> 3] & 128 >> (unary_at & 7):
                unary_at += 1
                u += 1
            if unary_at >= end:
                raise BlockError("column", f"unary plane ends at value {index} of {count}", length)
            unary_at += 1
            for _ in range(k):
                u = u << 1 | payload[at >> 3] >> (7 - (at & 7)) & 1
                at += 1
        value = ((predictor + 128) >> 8) + (u >> 1 if not u & 1 else -(u + 1 >> 1))
        if not -32768 <= value <= 32767 or (index == 0 and value != first):
            raise BlockError(
                "column", f"value {index} of {count} decodes to {value}, which no writer stores"
            )
        predictor += ((value << 8) - predictor) >> shift
        values.append(value)
    _check_padding(payload, remainder_end, "remainder")
    _check_padding(payload, unary_at, "unary")
    if (unary_at + 7) >> 3 != length:
        raise BlockError(
            "column",
            f"{length - ((unary_at + 7) >> 3)} bytes stand behind the last value",
            (unary_at + 7) >> 3,
        )
    return values


def _check_padding(payload: "bytes | bytearray | memoryview", end_bit: int, plane: str) -> None:
    """Refuse a plane whose last byte holds ones behind its last bit."""
    if end_bit & 7 and payload[end_bit >> 3] & 255 >> (end_bit & 7):
        raise BlockError("column", f"{plane} plane is not padded with zero bits", end_bit >> 3)
