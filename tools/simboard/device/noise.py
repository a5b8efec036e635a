"""Noise that repeats: a xorshift generator, and a table of normal deviates to look up by hash."""

import math
from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_TABLE_BITS = 12
TABLE_MAX = 4  # deviates are cut at this many standard deviations, so that bounds are bounds


class Noise:
    """A stream of pseudo-random bits (xorshift32, Marsaglia 2003)."""

    def __init__(self, seed: int) -> None:
        self._state = (seed * 2654435761 + 0x9E3779B9) & 0xFFFFFFFF or 1

    def bits(self, count: int) -> int:
        """Return `count` random bits, at most 32."""
        x = self._state
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        self._state = x
        return x >> (32 - count)

    def normal(self) -> float:
        """Return a normal deviate, mean 0, deviation 1."""
        return NORMAL[self.bits(_TABLE_BITS)]

    def normal_part(self, scale: int) -> int:
        """Return a normal deviate of deviation `scale`, an integer, without touching a float."""
        return _NORMAL_1024[self.bits(_TABLE_BITS)] * scale >> 10


def _deviates() -> "Sequence[float]":
    """Return normal deviates at even steps of probability, shuffled."""
    count = 1 << _TABLE_BITS
    values = []
    for i in range(count):
        values.append(_quantile((i + 0.5) / count))
    shuffle = Noise(1)
    for i in range(count - 1, 0, -1):
        j = shuffle.bits(24) % (i + 1)
        values[i], values[j] = values[j], values[i]
    return array("f", values)  # a list of objects would be walked by every collection


def _quantile(probability: float) -> float:
    """Return the normal quantile to 5e-4 (Abramowitz and Stegun 26.2.23)."""
    if probability > 0.5:
        return -_quantile(1 - probability)
    t = math.sqrt(-2 * math.log(probability))
    top = 2.515517 + t * (0.802853 + t * 0.010328)
    bottom = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308))
    return max(-TABLE_MAX, -(t - top / bottom))


NORMAL = _deviates()
_NORMAL_1024 = array("h", [int(value * 1024) for value in NORMAL])


def normal_at(index: int, stream: int) -> float:
    """Return the deviate of sample `index` of a stream: the same whenever it is asked for."""
    x = (index * 2654435761 + stream * 0x9E3779B1) & 0xFFFFFFFF
    x ^= x >> 15
    x = (x * 0x2C1B3C6D) & 0xFFFFFFFF
    return NORMAL[(x ^ (x >> 13)) & 0xFFF]
