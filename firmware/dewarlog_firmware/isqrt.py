"""The integer square root, for lengths of vectors: boards have no double floats and no math.isqrt.

Place in the line: below shock and tilt. Pure.
"""


def isqrt(value: int) -> int:
    """Return the largest integer whose square is not above `value`, which is 0 or more.

    Newton's method from a power of two above the root: it falls until it is there. Values below
    2**30 allocate nothing on 32-bit boards.
    """
    if value < 2:
        return value
    root = 2
    rest = value >> 2
    while rest:
        root <<= 1
        rest >>= 2
    while True:
        better = (root + value // root) >> 1
        if better >= root:
            return root
        root = better
