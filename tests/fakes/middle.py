"""Somebody between a host and a board: he may change, drop, keep or repeat every frame.

He can make every check that is no secret, a CRC too, so what he changes is always a sound frame.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from dewarlog.link import Frame
from dewarlog_wire import layout
from dewarlog_wire.errors import FrameError
from dewarlog_wire.frame import encode_short_data, parse_short_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dewarlog.link import Link

    Change = Callable[[Frame], Iterable[Frame]]


def untouched(frame: Frame) -> list[Frame]:
    """Let it pass."""
    return [frame]


class Middle:
    """A host's `Link` with somebody on it; he is given frames and says what goes on instead.

    `to_board` sees what the host sends, `to_host` what the board does. `data` sees the bytes of
    each DATA frame and its offset, and returns as many.
    """

    def __init__(
        self,
        link: Link,
        *,
        to_board: Change = untouched,
        to_host: Change = untouched,
        data: Callable[[int, bytes], bytes] | None = None,
    ) -> None:
        self.link = link
        self.to_board = to_board
        self.to_host = to_host
        self.data = data
        self.heard: list[tuple[str, Frame]] = []
        """Every frame as its sender sent it: ("host" or "board", frame)."""
        self._waiting: deque[Frame] = deque()
        self._seq = self._xfer = self._offset = 0

    # --- the link in everything else ----------------------------------------------------------

    @property
    def name(self) -> str:
        """The link's."""
        return self.link.name

    @property
    def body_max_bytes(self) -> int:
        """The link's."""
        return self.link.body_max_bytes

    @property
    def credit_bytes(self) -> int:
        """The link's."""
        return self.link.credit_bytes

    @property
    def patience_s(self) -> float:
        """The link's."""
        return self.link.patience_s

    @property
    def stray(self) -> bytes:
        """The link's."""
        return self.link.stray

    def open(self) -> None:
        """Open the link."""
        self.link.open()

    def close(self) -> None:
        """Close the link."""
        self.link.close()

    # --- what goes over it --------------------------------------------------------------------

    def send(self, kind: int, seq: int, body: bytes) -> None:
        """Take a frame of the host's."""
        frame = Frame(kind, seq, bytes(body))
        self.heard.append(("host", frame))
        for one in self.to_board(frame):
            self.link.send(one.kind, one.seq, bytes(one.body))

    def receive(self, timeout_s: float) -> Frame | None:
        """Take a frame of the board's."""
        while not self._waiting:
            frame = self.link.receive(timeout_s)
            if frame is None:
                return None
            self._take(frame)
        return self._waiting.popleft()

    def _take(self, frame: Frame) -> None:
        frame = Frame(frame.kind, frame.seq, bytes(frame.body))
        self.heard.append(("board", frame))
        if frame.kind == layout.MSG_READ | layout.REPLY:
            self._seq, self._xfer, self._offset = frame.seq, frame.body[0], 0
        if self.data is not None:
            frame = self._changed(frame, self.data)
        self._waiting.extend(self.to_host(frame))

    def _changed(self, frame: Frame, change: Callable[[int, bytes], bytes]) -> Frame:
        body = bytes(frame.body)
        if frame.kind == layout.MSG_DATA:
            head, data = body[: layout.DATA_HEAD.size], body[layout.DATA_HEAD.size :]
            offset = int.from_bytes(head[2:6], "little")
            return Frame(frame.kind, frame.seq, head + change(offset, data))
        if frame.kind == layout.MSG_DATA_SHORT:
            try:
                offset, data = parse_short_data(body, self._seq, self._xfer, self._offset)
            except FrameError:
                return frame
            self._offset = offset + len(data)
            short = encode_short_data(self._seq, self._xfer, offset, change(offset, data))
            return Frame(frame.kind, frame.seq, short)
        return frame
