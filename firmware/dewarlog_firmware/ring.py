"""Slots between one interrupt handler that fills them and the main loop that empties them.

Place in the line: between the sensors' interrupt side and the recorder. Everything is allocated
in `__init__`; after that no method allocates, so both sides may run with the heap locked.

Who may call what:
    producer (interrupt)    `full`, `slot`, writing to `views[slot()]`, `commit`
    consumer (main loop)    `peek`, reading from `views[peek()]`, `release`
    anyone, reading only    `used`, `dropped`, `high_water`
There is exactly one producer and one consumer. No lock is needed: only the producer writes
`_head`, only the consumer writes `_tail`, and each of the two is one small-integer store.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    Bytes = bytearray | memoryview

# 32-bit boards keep an integer of 2**30 or more on the heap, which an interrupt must not touch.
# Both ports count `ticks_ms` and `ticks_us` modulo 2**30 on such boards; the mask makes that so
# wherever the code runs, and makes the difference of two masked values a plain AND.
TICKS_MASK = 0x3FFFFFFF


class Ring:
    """A fixed number of equal slots, used in order: single producer, single consumer."""

    def __init__(self, slot_bytes: int, slot_count: int) -> None:
        whole = memoryview(bytearray(slot_bytes * slot_count))
        self.slot_bytes = slot_bytes
        self.slot_count = slot_count
        self.views: "tuple[memoryview, ...]" = tuple(
            [whole[at : at + slot_bytes] for at in range(0, len(whole), slot_bytes)]
        )
        self.dropped = 0  # slots asked for and refused since the start
        self.high_water = 0  # most slots ever in use at once
        # Both count modulo twice the slot count, so that full and empty differ.
        self._head = 0
        self._tail = 0
        self._turn = 2 * slot_count

    def used(self) -> int:
        """Return how many committed slots wait for the consumer."""
        return (self._head - self._tail) % self._turn

    def full(self) -> bool:
        """Say whether `slot` would refuse; unlike `slot`, asking costs nothing."""
        return (self._head - self._tail) % self._turn == self.slot_count

    def slot(self) -> int:
        """Return the index of the slot to fill next, or -1 (and count it) when all are in use.

        The same index is returned until `commit`. Producer only; interrupt-safe.
        """
        if (self._head - self._tail) % self._turn == self.slot_count:
            self.dropped = (self.dropped + 1) & TICKS_MASK
            return -1
        return self._head % self.slot_count

    def commit(self) -> None:
        """Hand the slot last returned by `slot` to the consumer. Producer only; interrupt-safe."""
        head = (self._head + 1) % self._turn
        self._head = head
        used = (head - self._tail) % self._turn
        if used > self.high_water:
            self.high_water = used

    def peek(self) -> int:
        """Return the index of the oldest committed slot, or -1 when there is none."""
        if self._head == self._tail:
            return -1
        return self._tail % self.slot_count

    def release(self) -> None:
        """Give the slot last returned by `peek` back to the producer."""
        self._tail = (self._tail + 1) % self._turn


def put_u32(view: "Bytes", at: int, value: int) -> None:
    """Store a value below 2**30 as four little-endian bytes. Interrupt-safe."""
    view[at] = value & 0xFF
    view[at + 1] = (value >> 8) & 0xFF
    view[at + 2] = (value >> 16) & 0xFF
    view[at + 3] = value >> 24


def get_u32(view: "Bytes", at: int) -> int:
    """Return what `put_u32` stored."""
    return view[at] | view[at + 1] << 8 | view[at + 2] << 16 | view[at + 3] << 24
