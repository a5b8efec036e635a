"""Changes to valid inputs, from a seeded source of chance: the same seed makes the same cases.

`mutated` changes bytes; `mutated_document` changes the values of a JSON document and writes it
again. Neither knows what the bytes mean: fixups.py puts lengths and CRCs right afterwards.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

_NUMBERS: Final = (
    0,
    1,
    2,
    3,
    7,
    8,
    15,
    16,
    31,
    32,
    63,
    64,
    88,
    127,
    128,
    255,
    256,
    257,
    999,
    1000,
)
_LARGE: Final = (4095, 4096, 4097, 32767, 32768, 65535, 65536, 2**24, 2**30, 2**31, 2**32 - 1)
# Values that a reader of documents may not expect where it expects another.
VALUES: Final = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2**31,
    2**32,
    2**64,
    -(2**63),
    10**400,
    1.5,
    -0.0,
    1e308,
    float("inf"),
    float("-inf"),
    float("nan"),
    "",
    "a",
    "\x00",
    "\ud800",
    "\u202e",
    "<b>",
    "../../x",
    "/etc/passwd",
    "9" * 5000,
    "ff" * 40,
    "0",
    "-1",
    "é" * 300,
    [],
    {},
    [[]],
    [None],
    {"a": 1},
    [0] * 300,
)


def mutated(rng: random.Random, seeds: Sequence[bytes], max_bytes: int) -> bytes:
    """Return one of the seeds with a few changes."""
    data = bytearray(rng.choice(seeds))
    for _ in range(min(16, 1 + int(rng.expovariate(0.5)))):
        rng.choice(_CHANGES)(rng, data, seeds)
    return bytes(data[:max_bytes])


def random_bytes(rng: random.Random, max_bytes: int) -> bytes:
    """Return bytes that were never anything."""
    length = int(min(max_bytes, 2 ** rng.uniform(0, 11)))
    return rng.randbytes(length)


# --- bytes --------------------------------------------------------------------------------------
def _place(rng: random.Random, data: bytearray) -> int:
    return rng.randrange(len(data)) if data else 0


def _flip(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    if data:
        data[_place(rng, data)] ^= 1 << rng.randrange(8)


def _set_byte(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    if data:
        data[_place(rng, data)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))


def _set_number(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    """Put a number that lies at some edge where a field may stand."""
    size = rng.choice((1, 2, 4))
    number = rng.choice(_NUMBERS + _LARGE) + rng.choice((-1, 0, 0, 1))
    at = _place(rng, data)
    data[at : at + size] = (number % (1 << 8 * size)).to_bytes(size, "little")


def _add_small(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    size = rng.choice((1, 2, 4))
    at = _place(rng, data)
    number = int.from_bytes(data[at : at + size], "little") + rng.randint(-4, 4)
    data[at : at + size] = (number % (1 << 8 * size)).to_bytes(size, "little")


def _cut(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    del data[_place(rng, data) :]


def _remove(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    at = _place(rng, data)
    del data[at : at + int(2 ** rng.uniform(0, 7))]


def _repeat(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    at = _place(rng, data)
    part = data[at : at + int(2 ** rng.uniform(0, 7))]
    data[at:at] = part * rng.choice((1, 1, 2, 16))


def _insert(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    at = _place(rng, data)
    fill = rng.choice((b"\0", b"\xff", rng.randbytes(1)))
    length = int(2 ** rng.uniform(0, 8))
    data[at:at] = rng.choice((fill * length, rng.randbytes(length)))


def _move(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    at = _place(rng, data)
    part = data[at : at + int(2 ** rng.uniform(0, 7))]
    del data[at : at + len(part)]
    at = _place(rng, data)
    data[at:at] = part


def _splice(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    """Go on with the rest of another seed."""
    other = rng.choice(seeds)
    at = rng.randrange(len(other)) if other else 0
    data[_place(rng, data) :] = other[at:]


_CHANGES: Final[tuple[Callable[[random.Random, bytearray, Sequence[bytes]], None], ...]] = (
    _flip,
    _flip,
    _set_byte,
    _set_byte,
    _set_number,
    _set_number,
    _add_small,
    _cut,
    _remove,
    _repeat,
    _insert,
    _move,
    _splice,
)


# --- documents ----------------------------------------------------------------------------------
def mutated_document(rng: random.Random, seed: bytes) -> bytes | None:
    """Return a JSON document with other values in it; None for bytes that are no JSON."""
    try:
        document = json.loads(seed)
    except (ValueError, RecursionError):
        return None
    for _ in range(1 + int(rng.expovariate(0.7))):
        document = _other(rng, document)
    if rng.random() < 0.01:  # deeper than any reader goes
        deep = rng.choice((900, 3000, 20_000))
        return rng.choice(("[", '{"a":')).encode() * deep
    return json.dumps(document, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def _other(rng: random.Random, value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Change one thing in a document, at a random depth."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        return _other_object(rng, value)
    if isinstance(value, list) and value and rng.random() < 0.8:
        return _other_list(rng, value)
    if isinstance(value, int) and not isinstance(value, bool) and rng.random() < 0.5:
        return value + rng.choice((-1, 1, 1000, -value, -2 * value))
    if isinstance(value, str) and rng.random() < 0.4:
        at = rng.randrange(len(value) + 1)
        put = rng.choice(("", "0", "g", "\x1b[2J", "\n", "x" * 200))
        return value[:at] + put + value[at + 1 :]
    return rng.choice(VALUES)


def _other_object(rng: random.Random, value: dict[str, Any]) -> dict[str, Any]:
    key = rng.choice(list(value))
    what = rng.random()
    if what < 0.1:
        return {name: held for name, held in value.items() if name != key}
    if what < 0.15:
        return {**value, rng.choice(("", "a", key + "x", "\ud800")): value[key]}
    return {**value, key: _other(rng, value[key])}


def _other_list(rng: random.Random, value: list[Any]) -> list[Any]:
    at = rng.randrange(len(value))
    what = rng.random()
    if what < 0.2:
        return value[:at] + value[at + 1 :]
    if what < 0.3:
        return value + [value[at]] * rng.choice((1, 20))
    return [*value[:at], _other(rng, value[at]), *value[at + 1 :]]
