"""Ed25519 signatures of RFC 8032 (5.1), in slices of one point operation.

Outside the line, off the sampling path: signer works at it between two passes of the main loop.
Deterministic: the same seed and message give the same 64 bytes, and no random source is asked.

Each scalar of 256 bits takes the same sequence of point operations, whatever its bits: from the
top, four doublings and one addition for each of 64 digits, digit 0 adding the neutral point by the
same formula (it is complete: RFC 8032 5.1.4). The integers beneath are MicroPython's own, whose
time does depend on their values; who can measure that over a wire holds the board in his hand.
"""

from dewarlog_firmware.sha512 import slices as sha512_slices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    Readable = bytes | bytearray | memoryview
    Point = tuple[int, int, int, int]

SEED_BYTES = 32
PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64
# Slices of one signature: two scalars, four hashes of at most four blocks, and what joins them.
SLICES_MAX = 1000

_P = (1 << 255) - 19
_ORDER = (1 << 252) + 27742317777372353535851937790883648493  # of the base point: L
_TWO_D = 0x2406D9DC56DFFCE7198E80F2EEF3D13000E0149A8283B156EBD69B9426B2F159  # 2 d
_BASE_X = 0x216936D3CD6E53FEC0A4E231FDD6DC5C692CC7609525A7B2C9562D608F25D51A
_BASE_Y = 0x6666666666666666666666666666666666666666666666666666666666666658
_NEUTRAL = (0, 1, 1, 0)
_DIGIT_BITS = 4
_SQUARINGS_A_SLICE = 16


class Ed25519:
    """The signing key of one seed, and at most one job with it at a time.

    `public` is the public key when it is known; computed in a job of its own or with the first
    signature otherwise. It must be this seed's: a signature with another gives the seed away.
    """

    def __init__(self, seed: bytes, public: bytes = b"") -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError("an Ed25519 seed has %d bytes, not %d" % (SEED_BYTES, len(seed)))
        self.public = public
        self.result = b""
        self._seed = seed
        self._job: "Generator[None, None, bytes] | None" = None

    @property
    def is_busy(self) -> bool:
        """Tell whether a job is under way."""
        return self._job is not None

    def begin(self, message: bytes) -> None:
        """Begin to sign; ValueError when a job is under way."""
        self._begin(self._sign(message))

    def begin_public(self) -> None:
        """Begin to compute the public key, which is then also `public`."""
        self._begin(self._make_public())

    def step(self) -> bool:
        """Do one slice; True when the job is done and `result` holds its bytes."""
        if self._job is None:
            return True
        try:
            next(self._job)
        except StopIteration as done:
            self.result = done.value
            self._job = None
            return True
        return False

    def drop(self) -> None:
        """Give the job up."""
        self._job = None

    def _begin(self, job: "Generator[None, None, bytes]") -> None:
        if self._job is not None:
            raise ValueError("a signature is being made")
        self.result = b""
        self._job = job

    # --- the jobs -----------------------------------------------------------------------------

    def _secrets(self) -> "Generator[None, None, tuple]":
        """Return the secret scalar and the prefix (5.1.5)."""
        digest = yield from sha512_slices(self._seed)
        scalar = int.from_bytes(digest[:32], "little")
        scalar &= (1 << 254) - 8
        return scalar | 1 << 254, digest[32:]

    def _make_public(self) -> "Generator[None, None, bytes]":
        scalar, _ = yield from self._secrets()
        self.public = yield from _base_times(scalar)
        return self.public

    def _sign(self, message: bytes) -> "Generator[None, None, bytes]":
        """Sign as 5.1.6 says."""
        scalar, prefix = yield from self._secrets()
        if not self.public:
            self.public = yield from _base_times(scalar)
        digest = yield from sha512_slices(prefix, message)
        r = int.from_bytes(digest, "little") % _ORDER
        encoded_r = yield from _base_times(r)
        digest = yield from sha512_slices(encoded_r, self.public, message)
        k = int.from_bytes(digest, "little") % _ORDER
        return encoded_r + ((r + k * scalar) % _ORDER).to_bytes(32, "little")


def _base_times(scalar: int) -> "Generator[None, None, bytes]":
    """Return the encoding of the base point times a scalar below 2**256."""
    table = [_NEUTRAL, (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)]
    while len(table) < 1 << _DIGIT_BITS:
        table.append(_add(table[-1], table[1]))
        yield
    point = _NEUTRAL
    for shift in range(256 - _DIGIT_BITS, -1, -_DIGIT_BITS):
        for _ in range(_DIGIT_BITS):
            point = _double(point)
            yield
        point = _add(point, table[(scalar >> shift) & 15])
        yield
    return (yield from _encode(point))


def _add(one: "Point", other: "Point") -> "Point":
    """Add two points in extended coordinates, any two (5.1.4)."""
    x1, y1, z1, t1 = one
    x2, y2, z2, t2 = other
    a = (y1 - x1 + _P) * (y2 - x2 + _P) % _P
    b = (y1 + x1) * (y2 + x2) % _P
    c = t1 * _TWO_D % _P * t2 % _P
    d = 2 * z1 * z2 % _P
    e, f, g, h = b - a + _P, d - c + _P, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(point: "Point") -> "Point":
    """Add a point to itself (5.1.4)."""
    x, y, z, _ = point
    a = x * x % _P
    b = y * y % _P
    c = 2 * z * z % _P
    h = a + b
    e = h + _P - (x + y) * (x + y) % _P
    g = a + _P - b
    f = c + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _encode(point: "Point") -> "Generator[None, None, bytes]":
    """Return y and the lowest bit of x (5.1.2)."""
    x, y, z, _ = point
    # 1/z is z**(p - 2), p - 2 being 2**255 - 21: 250 ones, then 01011.
    inverse = 1
    for index in range(254, -1, -1):
        inverse = inverse * inverse % _P
        if (_P - 2) >> index & 1:
            inverse = inverse * z % _P
        if not index % _SQUARINGS_A_SLICE:
            yield
    x = x * inverse % _P
    y = y * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")
