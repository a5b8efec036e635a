"""Many coded columns at once: numpy over all of them, one step a sample.

Between parse and readings. The predictor of a column is a recurrence, so values of one column come
one after the other; but columns do not depend on each other, so all columns of a stretch of log
are lanes of one array. Both bit planes are taken apart without any loop.

Says exactly what `dewarlog_wire.column.decode_column` says, value by value and refusal by refusal:
a column with anything odd in it is handed to that reference decoder, whose error is the answer.
Coding: protocol/SPEC.md 4.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from dewarlog_wire.column import decode_column
from dewarlog_wire.errors import BlockError
from dewarlog_wire.layout import BLOCK_MAX_SAMPLES, COLUMN_FLAT, COLUMN_HEAD, COLUMN_PAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Counts = NDArray[np.int16]
    Column = tuple[bytes | memoryview, int]  # COLUMN payload, count of values

# One step of all lanes costs numpy's call overhead, about what the reference needs for 4 values.
_LANES_WORTH_IT: Final = 4
# Bounds the working memory (32 MiB for each array of this many lanes and 4096 steps), whatever a
# log claims: a flat column of 4096 values is 20 bytes.
_LANES_MAX: Final = 2048
# zigzag(65535) and below; anything larger decodes outside i16.
_U_MAX: Final = 131071


def decode_columns(columns: Sequence[Column]) -> list[Counts | BlockError]:
    """Return the values of each (payload, count), or the BlockError that refuses it."""
    decoded: list[Counts | BlockError] = []
    for start in range(0, len(columns), _LANES_MAX):
        batch = columns[start : start + _LANES_MAX]
        total = sum(count for _, count in batch)
        steps = max(count for _, count in batch)
        if total < _LANES_WORTH_IT * steps:
            decoded.extend(_decode_one(payload, count) for payload, count in batch)
        else:
            decoded.extend(_decode_lanes(batch))
    return decoded


def _decode_one(payload: bytes | memoryview, count: int) -> Counts | BlockError:
    try:
        return np.array(decode_column(payload, count), dtype=np.int16)
    except BlockError as error:
        return error


def _decode_lanes(columns: Sequence[Column]) -> list[Counts | BlockError]:
    """Decode all columns together; the longest is lane 0, so that finished lanes drop off."""
    order = sorted(range(len(columns)), key=lambda number: -columns[number][1])
    lanes = [number for number in order if _plausible(*columns[number])]
    decoded: list[Counts | BlockError | None] = [None] * len(columns)
    if lanes:
        planes = _Planes([columns[number] for number in lanes])
        values = _integrate(planes)
        for lane, number in enumerate(lanes):
            if planes.sound[lane]:
                decoded[number] = values[lane, : columns[number][1]]
    return [
        _decode_one(*column) if values is None else values
        for column, values in zip(columns, decoded, strict=True)
    ]


def _plausible(payload: bytes | memoryview, count: int) -> bool:
    """Tell whether the head, the parameters and both planes can be cut out at all."""
    pages = -(-count // COLUMN_PAGE)
    if not 1 <= count <= BLOCK_MAX_SAMPLES or len(payload) < COLUMN_HEAD.size + pages:
        return False
    return len(payload) >= COLUMN_HEAD.size + pages + -(-_remainder_bits(payload, count) // 8)


def _remainder_bits(payload: bytes | memoryview, count: int) -> int:
    bits = 0
    at = COLUMN_HEAD.size
    for start in range(0, count, COLUMN_PAGE):
        k = payload[at] & 15
        if k != COLUMN_FLAT:
            bits += k * min(COLUMN_PAGE, count - start)
        at += 1
    return bits


class _Planes:
    """The bit planes of all lanes, joined, and what each page of each lane says of them.

    Pages stand in the order of the lanes. `sound` turns False for a lane with anything odd in it.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        heads: list[bytes | memoryview] = []
        parameters: list[bytes | memoryview] = []
        remainders: list[bytes | memoryview] = []
        unaries: list[bytes | memoryview] = []
        remainder_bits: list[int] = []
        for payload, count in columns:
            planes_at = COLUMN_HEAD.size - -count // COLUMN_PAGE
            bits = _remainder_bits(payload, count)
            unary_at = planes_at - -bits // 8
            heads.append(payload[: COLUMN_HEAD.size])
            parameters.append(payload[COLUMN_HEAD.size : planes_at])
            remainders.append(payload[planes_at:unary_at])
            unaries.append(payload[unary_at:])
            remainder_bits.append(bits)
        head = np.dtype([("channel", "u1"), ("quantity", "u1"), ("first", "<i2")])
        self.first = np.frombuffer(b"".join(heads), dtype=head)["first"].astype(np.int32)
        self.counts = np.array([count for _, count in columns])
        self.sound = np.ones(len(columns), dtype=bool)
        self._remainder_bits = np.array(remainder_bits)
        # Three bytes more, so that every code can be taken from a 24-bit window.
        self._remainder = np.frombuffer(b"".join([*remainders, bytes(3)]), dtype=np.uint8)
        self._unary = np.frombuffer(b"".join(unaries), dtype=np.uint8)
        self._unary_bytes = np.array([len(unary) for unary in unaries])
        self._spread_parameters(np.frombuffer(b"".join(parameters), dtype=np.uint8))
        self.residuals = self._decode_residuals()

    def _spread_parameters(self, parameters: NDArray[np.uint8]) -> None:
        """Say of every page: its lane, shift, k and how many coded values it holds."""
        pages = -(-self.counts // COLUMN_PAGE)
        self.first_page = np.cumsum(pages) - pages  # of each lane
        self._lane = np.repeat(np.arange(len(pages)), pages)
        page = np.arange(len(parameters)) - self.first_page[self._lane]  # within its lane
        length = np.minimum(COLUMN_PAGE, self.counts[self._lane] - page * COLUMN_PAGE)
        flat = (parameters & 15) == COLUMN_FLAT
        self._k = np.where(flat, 0, parameters & 15).astype(np.int32)
        self._coded = np.where(flat, 0, length)
        self.shifts = ((parameters >> 4) & 7).astype(np.int32)
        self.sound[self._lane[parameters > 127]] = False  # the reserved bit

    def _decode_residuals(self) -> NDArray[np.int32]:
        """Return residuals by (page, sample in page), zero where none is coded."""
        quotients = self._quotients()
        if quotients is None:
            return np.zeros((len(self._lane), COLUMN_PAGE), dtype=np.int32)
        u = self._by_page(quotients)
        # A quotient that does not fit 17 bits with its remainder decodes outside i16.
        self.sound[self._lane[u.max(axis=1) > (_U_MAX >> self._k)]] = False
        np.minimum(u, _U_MAX, out=u)
        np.left_shift(u, self._k[:, None], out=u)
        np.bitwise_or(u, self._remainders(), out=u)
        sign = u & 1
        np.negative(sign, out=sign)
        np.right_shift(u, 1, out=u)
        np.bitwise_xor(u, sign, out=u)
        return u

    def _by_page(self, coded: NDArray[np.int32]) -> NDArray[np.int32]:
        """Lay coded values out by (page, sample in page), zero where a page has none."""
        pages = len(self._lane)
        laid = np.zeros((pages, COLUMN_PAGE), dtype=np.int32)
        at = first = 0
        for page in (*np.flatnonzero(self._coded != COLUMN_PAGE).tolist(), pages):
            # Pages up to here are full; this one is a lane's last, or flat.
            end = at + (page - first) * COLUMN_PAGE
            laid[first:page] = coded[at:end].reshape(-1, COLUMN_PAGE)
            at, first = end, page + 1
            if page < pages:
                end += int(self._coded[page])
                laid[page, : end - at] = coded[at:end]
                at = end
        return laid

    def _quotients(self) -> NDArray[np.int32] | None:
        """Count the zeros before each one of the unary plane.

        A lane whose ones are not exactly its coded values, or that goes on behind its last one,
        is not sound; None when that leaves the joined plane without its order.
        """
        coded = np.bincount(self._lane, self._coded, len(self.counts)).astype(np.int64)
        ones = np.flatnonzero(np.unpackbits(self._unary).view(np.bool_)).astype(np.int32)
        byte_ends = np.cumsum(self._unary_bytes)
        one_ends = np.searchsorted(ones, (8 * byte_ends).astype(np.int32))
        found = np.diff(one_ends, prepend=0)
        if not np.array_equal(found, coded):
            self.sound[:] = False
            return None
        has_ones = found > 0
        last = ones[one_ends[has_ones] - 1]
        self.sound[has_ones] &= last // 8 + 1 == byte_ends[has_ones]
        self.sound[~has_ones] &= self._unary_bytes[~has_ones] == 0
        quotients = np.empty_like(ones)
        np.subtract(ones[1:], ones[:-1], out=quotients[1:])
        quotients -= 1
        starts = one_ends[has_ones] - found[has_ones]
        quotients[starts] = ones[starts] - 8 * (byte_ends - self._unary_bytes)[has_ones]
        return quotients

    def _remainders(self) -> NDArray[np.int32]:
        """Take the low k bits of every value from the remainder plane."""
        plane_ends = np.cumsum(-(-self._remainder_bits // 8))
        plane_starts = plane_ends - -(-self._remainder_bits // 8)
        padding = self._remainder_bits % 8
        padded = np.flatnonzero(padding)
        last = self._remainder[plane_ends[padded] - 1]
        self.sound[padded[(last & (255 >> padding[padded])) != 0]] = False
        # A page begins where its plane begins, plus the bits of the lane's pages before it.
        page_bits = self._k * self._coded
        before = np.cumsum(page_bits) - page_bits
        start = 8 * plane_starts[self._lane] + before - before[self.first_page[self._lane]]
        k = self._k[:, None]
        at = start.astype(np.int32)[:, None] + k * np.arange(COLUMN_PAGE, dtype=np.int32)
        np.minimum(at, 8 * (len(self._remainder) - 3), out=at)  # behind a last, shorter page
        plane = self._remainder.astype(np.int32)
        windows = plane[:-2] << 16 | plane[1:-1] << 8 | plane[2:]
        shift = 24 - (at & 7)
        shift -= k
        np.right_shift(at, 3, out=at)
        codes = windows[at]
        np.right_shift(codes, shift, out=codes)
        np.bitwise_and(codes, (1 << k) - 1, out=codes)
        for page in np.flatnonzero(self._coded != COLUMN_PAGE).tolist():
            codes[page, self._coded[page] :] = 0
        return codes


def _integrate(planes: _Planes) -> Counts:
    """Run the predictor of every lane over its residuals; return values by (lane, sample).

    With P = predictor + 128 and E = 256 x value + 128, one sample of SPEC 4.6 is
    E = (P & -256) + 256 x residual + 128; P += (E - P) >> shift. Clears `sound` where a value is
    no i16 or the first is not `first`.
    """
    pages = -(-planes.counts // COLUMN_PAGE)
    values = np.empty((len(pages), int(pages.max()) * COLUMN_PAGE), dtype=np.int16)
    predictor = (planes.first << 8) + 128
    scratch = np.empty_like(predictor)
    for page in range(int(pages.max())):
        live = int(np.searchsorted(-pages, -page))  # lanes that reach into this page
        rows = planes.first_page[:live] + page
        steps = np.ascontiguousarray(planes.residuals[rows].T)
        np.left_shift(steps, 8, out=steps)
        np.add(steps, 128, out=steps)
        p = predictor[:live]
        t = scratch[:live]
        shift = planes.shifts[rows]
        for step in steps:
            np.bitwise_and(p, -256, t)
            np.add(step, t, step)
            np.subtract(step, p, t)
            np.right_shift(t, shift, t)
            np.add(p, t, p)
        np.right_shift(steps, 8, out=steps)
        if not page:
            planes.sound &= steps[0] == planes.first
        planes.sound[:live] &= (steps.min(axis=0) >= -32768) & (steps.max(axis=0) <= 32767)
        values[:live, page * COLUMN_PAGE : (page + 1) * COLUMN_PAGE] = steps.T
    return values
