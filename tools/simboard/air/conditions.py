"""How the air is now: pace, delay, range, and every loss that is to come. README.md lists them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

HOST: Final = "host"  # packets from a board towards a host, of a peripheral towards its central
BOARD: Final = "board"
ACL_BYTES: Final = 251  # Core, Vol 6 Part B 2.4: longest payload of a data PDU
ACL_MIN_BYTES: Final = 27  # the same before the data length extension
ACL_BUFFERS: Final = 8  # packets a controller holds before it reports some as sent
RSSI_DBM: Final = -50
# Core, Vol 6 Part B 4.5.1: a connection interval is a multiple of 1.25 ms from 7.5 ms on. The
# longest here is the longest that hosts of phones and laptops use.
INTERVAL_MIN_MS: Final = 7.5
INTERVAL_MAX_MS: Final = 50.0
INTERVAL_STEP_MS: Final = 1.25


class OrderRefused(Exception):
    """An order that cannot be right; the text says why."""


@dataclass
class Loss:
    """A connection to be lost once `left` more packets have arrived at its end `towards`."""

    towards: str
    after: int
    board: str | None
    times: int
    left: int


@dataclass
class Conditions:
    """What the air does to packets and advertisements. Addresses are upper case."""

    delay_s: float = 0.0
    interval_s: float = 0.0  # 0: packets go at once, in no rhythm
    packets_per_event: int = 4  # each way
    acl_bytes: int = ACL_BYTES
    acl_buffers: int = ACL_BUFFERS
    supervision_s: float = 0.0  # from a loss until both ends are told
    losses: list[Loss] = field(default_factory=list[Loss])
    away: set[str] = field(default_factory=set[str])  # boards out of range
    all_away: bool = False
    rssi_dbm: dict[str, int] = field(default_factory=dict[str, int])
    arrived: dict[str, int] = field(default_factory=lambda: {HOST: 0, BOARD: 0})  # packets

    def in_range(self, board: str) -> bool:
        """Tell whether a board's packets and advertisements get through."""
        return not self.all_away and board not in self.away

    def set_pace(self, interval_ms: float, packets_per_event: int) -> None:
        """Give connections a rhythm; an interval of 0 takes it away.

        Raises:
            OrderRefused: No such interval exists on the air.
        """
        steps = interval_ms / INTERVAL_STEP_MS
        allowed = INTERVAL_MIN_MS <= interval_ms <= INTERVAL_MAX_MS and steps == int(steps)
        if interval_ms and not allowed:
            raise OrderRefused(f"no connection interval is {interval_ms:g} ms: 7.5 to 50 by 1.25")
        if packets_per_event < 1:
            raise OrderRefused("a connection event carries at least one packet")
        self.interval_s = interval_ms / 1000
        self.packets_per_event = packets_per_event

    def set_acl(self, length: int, buffers: int) -> None:
        """Set what controllers attached from now on say their packets hold.

        Raises:
            OrderRefused: No controller has such packets.
        """
        if not ACL_MIN_BYTES <= length <= ACL_BYTES or not 1 <= buffers <= 64:
            raise OrderRefused(
                "ACL packets are 27 to 251 bytes long, and 1 to 64 fit a controller"
            )
        self.acl_bytes, self.acl_buffers = length, buffers

    def add_loss(self, towards: str, after: int, board: str | None, times: int) -> None:
        """Arm the loss of a connection.

        Raises:
            OrderRefused: It could never come.
        """
        if towards not in (HOST, BOARD) or after < 1 or times < 1:
            raise OrderRefused('"lose" goes towards "host" or "board", after 1 packet or more')
        self.losses.append(Loss(towards, after, board, times, after))

    def count(self, towards: str, board: str) -> bool:
        """Count a packet that arrived; tell whether the connection is now to be lost."""
        self.arrived[towards] += 1
        lost = False
        for loss in list(self.losses):
            if loss.towards == towards and loss.board in (None, board):
                loss.left -= 1
                if loss.left == 0:
                    lost = True
                    loss.times -= 1
                    loss.left = loss.after
                    if loss.times == 0:
                        self.losses.remove(loss)
        return lost
