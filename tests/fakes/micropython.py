"""Stands in for MicroPython's module of this name when device code runs on CPython.

Only what firmware uses. It proves nothing about allocation or interrupts: tests that are about
those run on a real MicroPython (tests/conftest.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

_heap_locks = 0


def const(value: int) -> int:
    """Return the value: on a board it would be put in place at compile time."""
    return value


class RingIO:
    """Bytes in, bytes out, in order; what does not fit is not taken."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._bytes = bytearray()

    def any(self) -> int:
        """Return how many bytes can be read."""
        return len(self._bytes)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Take as many bytes as there is room for."""
        taken = bytes(data[: self._size - len(self._bytes)])
        self._bytes += taken
        return len(taken)

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill as much of the buffer as there are bytes for."""
        count = min(len(buffer), len(self._bytes))
        buffer[:count] = self._bytes[:count]
        del self._bytes[:count]
        return count


def heap_lock() -> int:
    """Count a lock as MicroPython does; allocation goes on."""
    global _heap_locks  # noqa: PLW0603 - one heap, one count, as on a board
    _heap_locks += 1
    return _heap_locks


def heap_unlock() -> int:
    """Take one lock away; return how many are left."""
    global _heap_locks  # noqa: PLW0603 - as above
    _heap_locks -= 1
    return _heap_locks


def heap_locked() -> int:
    """Return how many locks are held."""
    return _heap_locks


def schedule(function: Callable[[object], object], argument: object) -> None:
    """Call at once: there is no interrupt here to leave first."""
    function(argument)


def alloc_emergency_exception_buf(size: int) -> None:
    """Reserve nothing: CPython can always raise."""


def kbd_intr(character: int) -> None:
    """Change nothing: pytest keeps its Ctrl-C."""


def __getattr__(name: str) -> NoReturn:
    """Refuse machine code as a port without an emitter does: with SyntaxError, at import."""
    if name in {"native", "viper", "asm_thumb"}:
        raise SyntaxError("invalid micropython decorator")
    raise AttributeError(name)
