"""SHA-512 in slices, judged by the standard library."""

from __future__ import annotations

import hashlib
from math import isqrt
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog_firmware import sha512

if TYPE_CHECKING:
    from conftest import MicroPython

# The padding ends in the block of the message up to 111 bytes, and in one more from 112 on.
LENGTHS: Final = (0, 1, 3, 63, 64, 111, 112, 127, 128, 129, 239, 240, 300)


def message(length: int) -> bytes:
    """Return bytes that say where they stand."""
    return bytes((7 * index + 3) & 255 for index in range(length))


def primes(count: int) -> list[int]:
    """Return the first primes."""
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found


def cube_root(number: int) -> int:
    """Return the cube root, rounded down."""
    root = 1 << -(-number.bit_length() // 3)
    while (lower := (2 * root + number // root**2) // 3) < root:
        root = lower
    return root


def test_the_constants_are_roots_of_primes() -> None:
    """FIPS 180-4, 5.3.5 and 4.2.3: the first 64 bits behind the point."""
    mask = (1 << 64) - 1

    assert list(sha512._START) == [isqrt(prime << 128) & mask for prime in primes(8)]  # noqa: SLF001
    assert list(sha512._ROUND_CONSTANTS) == [  # noqa: SLF001
        cube_root(prime << 192) & mask for prime in primes(80)
    ]


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_any_parts_hash_as_one_message(parts: list[bytes]) -> None:
    """Whatever their lengths."""
    assert sha512.sha512(*parts) == hashlib.sha512(b"".join(parts)).digest()


@pytest.mark.parametrize("which", ["micropython", "micropython32"])
def test_micropython_agrees(which: str, request: pytest.FixtureRequest) -> None:
    """Where a word of 64 bits is an object on the heap too."""
    interpreter: MicroPython = request.getfixturevalue(which)
    done = interpreter(
        f"""
from binascii import hexlify
from dewarlog_firmware.sha512 import sha512
for length in {LENGTHS}:
    data = bytes([(7 * index + 3) & 255 for index in range(length)])
    print(hexlify(sha512(data[:50], data[50:])).decode())
"""
    )

    assert done.stdout.split() == [hashlib.sha512(message(n)).hexdigest() for n in LENGTHS]


def test_a_slice_is_sixteen_rounds() -> None:
    """Five for each block of 128 bytes: no stretch is longer, whatever the message."""
    assert sum(1 for _ in sha512.slices(message(111))) == 5
    assert sum(1 for _ in sha512.slices(message(112))) == 10
