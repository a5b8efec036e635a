"""Drivers, one file per part. Each takes its bus and pins as arguments and knows nothing else.

Every register constant cites the datasheet that says so. A method marked "interrupt-safe"
allocates nothing, touches no float and no integer of 2**30 or more.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    Bytes = bytearray | memoryview
    ReadOnlyBytes = bytes | bytearray | memoryview

    # Leading underscores make a parameter positional-only: MicroPython parses no `/`.
    class Spi(Protocol):
        """What drivers ask of `machine.SPI`."""

        def write_readinto(self, __write: ReadOnlyBytes, __read: Bytes) -> object:
            """Move as many bytes out as in: both have the same length."""

    class I2c(Protocol):
        """What drivers ask of `machine.I2C`. Each raises OSError when nobody answers."""

        def readfrom_mem_into(self, __address: int, __register: int, __read: Bytes) -> object:
            """Fill `__read` from the registers from `__register` on."""

        def writeto_mem(self, __address: int, __register: int, __write: ReadOnlyBytes) -> object:
            """Write to the registers from `__register` on."""

    class Output(Protocol):
        """An output pin: called with its level."""

        def __call__(self, __level: int) -> object:
            """Drive the pin to `__level`."""
