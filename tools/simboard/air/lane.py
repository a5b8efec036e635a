"""ACL packets on their way, in one direction of one connection.

A controller holds a packet until the other end has it, and only then tells its host that a buffer
is free again (Core, Vol 4 Part E 7.7.19): so a slow link makes the host wait, as on the air.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from simboard.air.conditions import Conditions


class Lane:
    """Carries packets in order, at the pace and with the delay of the conditions.

    `deliver` hands one over at the far end. Connection events fall on whole intervals since
    `began_s`. What a process that was too late for its events could have sent in them is made up
    for within the next interval, so that a busy machine does not make the link slower than it is.
    """

    def __init__(
        self, conditions: Conditions, began_s: float, deliver: Callable[[bytes], None]
    ) -> None:
        self._conditions = conditions
        self._loop = asyncio.get_running_loop()
        self._began_s = began_s
        self._deliver = deliver
        self._waiting: deque[bytes] = deque()  # for a connection event
        self._flying: deque[tuple[float, bytes]] = deque()  # (when it arrives, packet)
        self._next_event: asyncio.TimerHandle | None = None
        self._next_arrival: asyncio.TimerHandle | None = None
        self._served = 0  # connection events over
        self._owed = 0  # packets that events served too late could have carried

    def put(self, packet: bytes) -> None:
        """Take a packet from the near end's host."""
        if not self._waiting and (self._owed or not self._conditions.interval_s):
            self._owed = max(0, self._owed - 1)
            self._send(packet)
            return
        self._waiting.append(packet)
        if self._next_event is None:
            self._served = self._events_over()
            self._await_event()

    def clear(self) -> None:
        """Forget every packet; the connection is over."""
        self._waiting.clear()
        self._flying.clear()
        for timer in (self._next_event, self._next_arrival):
            if timer is not None:
                timer.cancel()
        self._next_event = self._next_arrival = None

    def _events_over(self) -> int:
        interval_s = self._conditions.interval_s
        return int((self._loop.time() - self._began_s) / interval_s) if interval_s else 0

    def _await_event(self) -> None:
        when_s = self._began_s + (self._served + 1) * self._conditions.interval_s
        self._next_event = self._loop.call_at(when_s, self._on_event)

    def _on_event(self) -> None:
        self._next_event = None
        conditions = self._conditions
        room = len(self._waiting)
        if conditions.interval_s:
            over = max(self._events_over(), self._served + 1)
            late = over - self._served - 1
            room = (1 + late) * conditions.packets_per_event
            self._owed = min(
                late * conditions.packets_per_event, max(0, room - len(self._waiting))
            )
            self._served = over
        while room and self._waiting:
            room -= 1
            self._send(self._waiting.popleft())
        if self._waiting or self._owed:
            self._await_event()

    def _send(self, packet: bytes) -> None:
        delay_s = self._conditions.delay_s
        if not delay_s and not self._flying:
            self._deliver(packet)
            return
        self._flying.append((self._loop.time() + delay_s, packet))
        if self._next_arrival is None:
            self._next_arrival = self._loop.call_at(self._flying[0][0], self._on_arrival)

    def _on_arrival(self) -> None:
        self._next_arrival = None
        now_s = self._loop.time()
        while self._flying and self._flying[0][0] <= now_s:
            self._deliver(self._flying.popleft()[1])
        if self._flying:
            self._next_arrival = self._loop.call_at(self._flying[0][0], self._on_arrival)

    def change_pace(self, began_s: float) -> None:
        """Begin a new rhythm; packets that wait go by it."""
        self._began_s = began_s
        self._served = 0
        if self._next_event is not None:
            self._next_event.cancel()
            self._await_event()
