"""Links: one way to move whole frames to and from a board, whatever carries them.

First in the host's line: link -> pull -> archive. A link knows frames (kind, seq, body) and
nothing of what a body means. Framing: protocol/SPEC.md, frames and messages.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from dewarlog.errors import BadDeviceName


class Frame(NamedTuple):
    """One sound frame: its CRC was right. `body` is valid for as long as it is held."""

    kind: int
    seq: int
    body: bytes | memoryview


class Link(Protocol):
    """What pull needs of a link. Everything but `open` and `close` needs an open link."""

    @property
    def name(self) -> str:
        """The device name it was opened by, for messages: `usb:/dev/ttyACM0`."""
        ...

    @property
    def body_max_bytes(self) -> int:
        """Largest frame body this link can carry towards the host."""
        ...

    @property
    def credit_bytes(self) -> int:
        """How many unacknowledged bytes this link bears; pull grants no more."""
        ...

    @property
    def patience_s(self) -> float:
        """How long a link that became Unreachable is worth opening again; 0: not at all."""
        ...

    @property
    def stray(self) -> bytes:
        """The last bytes received that belonged to no sound frame; empty when there were none."""
        ...

    def open(self) -> None:
        """Take the link.

        Raises:
            LinkError: it cannot be taken; the subclass says why.
        """
        ...

    def send(self, kind: int, seq: int, body: bytes) -> None:
        """Send one frame.

        Raises:
            Unreachable: the link went away; the subclass says how.
        """
        ...

    def receive(self, timeout_s: float) -> Frame | None:
        """Return the next sound frame, or None when none came in time.

        Anything that is not a sound frame is skipped in silence (and counted).

        Raises:
            Unreachable: the link went away; the subclass says how.
        """
        ...

    def close(self) -> None:
        """Give the link back; harmless when it is not open."""
        ...


def open_link(name: str) -> Link:
    """Open the link a device name stands for: `usb:PORT`, `ble:NAME` or `ble:ADDRESS`.

    Raises:
        LinkError: the name or the port is no good; the subclass says why.
    """
    scheme, separator, rest = name.partition(":")
    if not separator or not rest:
        raise BadDeviceName(
            name,
            "write usb:PORT, for example usb:/dev/ttyACM0 or usb:COM3, or ble:NAME, for example "
            "ble:dewarlog-4b2f.",
        )
    if scheme == "usb":
        # Imported here so that a program that opens no port needs no pyserial.
        from dewarlog.link.usb import UsbLink  # noqa: PLC0415

        link = UsbLink(rest)
        link.open()
        return link
    if scheme == "ble":
        from dewarlog.link.ble import BleLink  # noqa: PLC0415 - as above

        link = BleLink(rest)
        link.open()
        return link
    raise BadDeviceName(name, f"{scheme!r} is not a kind of link; use usb:PORT or ble:NAME.")
