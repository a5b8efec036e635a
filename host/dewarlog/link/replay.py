"""Recorded bytes as a link: what a board's port once said, to look at again without the board."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from dewarlog.link import Frame
from dewarlog_wire import layout
from dewarlog_wire.frame import FrameReader

if TYPE_CHECKING:
    from collections.abc import Iterable


class ReplayLink:
    """A `Link` that receives `recorded` and keeps what is sent in `sent`.

    `recorded` is a recording of the board-to-host line, in any pieces. Nothing waits: when the
    recording is at its end, `receive` returns None at once.
    """

    def __init__(self, recorded: Iterable[bytes], name: str = "replay") -> None:
        """Read `recorded` piece by piece as frames are asked for."""
        self.name = name
        self.body_max_bytes = layout.SERIAL_BODY_MAX_BYTES
        self.credit_bytes = 1 << 16
        self.patience_s = 0.0
        self.sent: list[Frame] = []
        self._pieces = iter(recorded)
        self._reader = FrameReader(self.body_max_bytes)
        self._frames: deque[Frame] = deque()

    @property
    def stray(self) -> bytes:
        """The last bytes of the recording so far that belonged to no sound frame."""
        return self._reader.junk

    def open(self) -> None:
        """Do nothing: a recording is always there."""

    def send(self, kind: int, seq: int, body: bytes) -> None:
        """Keep what would have been sent."""
        self.sent.append(Frame(kind, seq, body))

    def receive(self, timeout_s: float) -> Frame | None:  # noqa: ARG002 - it never waits
        """Return the next sound frame of the recording, or None at its end."""
        while not self._frames:
            piece = next(self._pieces, None)
            if piece is None:
                return None
            self._frames.extend(Frame(*frame) for frame in self._reader.feed(piece))
        return self._frames.popleft()

    def close(self) -> None:
        """Do nothing; what was not received stays."""
