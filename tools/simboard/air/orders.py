"""Orders to the air while it is in use, one line of JSON each; `faults.Faults` writes them.

An order has the key `order`, its name, and the keys its method here reads. The answer is a line of
JSON too: with `error` when the order was not taken.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from simboard.air.conditions import OrderRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from simboard.air.medium import Medium

_Order = dict[str, object]


class Orders:
    """Obeys orders on a medium and its conditions."""

    def __init__(self, medium: Medium) -> None:
        self._medium = medium
        self._conditions = medium.conditions
        self._by_name: dict[str, Callable[[_Order], None]] = {
            "lose": self._lose,
            "hang up": lambda order: medium.hang_up(_board(order)),
            "clear": lambda _: self._conditions.losses.clear(),
            "delay": self._delay,
            "supervision": self._supervision,
            "pace": self._pace,
            "acl": self._acl,
            "leave": self._leave,
            "come back": self._come_back,
            "rssi": self._rssi,
            "count": lambda _: None,
        }

    def take(self, line: bytes) -> bytes:
        """Obey one line; return the answer's."""
        try:
            order = json.loads(line)
            self._by_name.get(order.get("order"), _unknown)(order)
            answer: _Order = dict(self._conditions.arrived)
        except (OrderRefused, ValueError, AttributeError) as error:
            answer = {"error": str(error)}
        return json.dumps(answer).encode() + b"\n"

    def _lose(self, order: _Order) -> None:
        towards = cast("str", order.get("towards"))
        after, times = _number(order, "after"), _number(order, "times")
        self._conditions.add_loss(towards, int(after), _board(order), int(times))

    def _delay(self, order: _Order) -> None:
        self._conditions.delay_s = _number(order, "ms") / 1000

    def _supervision(self, order: _Order) -> None:
        self._conditions.supervision_s = _number(order, "ms") / 1000

    def _pace(self, order: _Order) -> None:
        self._conditions.set_pace(_number(order, "interval_ms"), int(_number(order, "packets")))
        self._medium.change_pace()

    def _acl(self, order: _Order) -> None:
        self._conditions.set_acl(int(_number(order, "length")), int(_number(order, "buffers")))

    def _leave(self, order: _Order) -> None:
        board = _board(order)
        if board is None:
            self._conditions.all_away = True
        else:
            self._conditions.away.add(board)
        self._medium.hang_up(board)

    def _come_back(self, order: _Order) -> None:
        board = _board(order)
        if board is None:
            self._conditions.all_away = False
            self._conditions.away.clear()
        else:
            self._conditions.away.discard(board)

    def _rssi(self, order: _Order) -> None:
        self._conditions.rssi_dbm[_board(order) or ""] = int(_number(order, "dbm"))


def _unknown(order: _Order) -> None:
    raise OrderRefused(f"no order has the name {order.get('order')!r}")


def _board(order: _Order) -> str | None:
    board = order.get("board")
    if board is not None and not isinstance(board, str):
        raise OrderRefused("a board is named by its address")
    return board and board.upper()


def _number(order: _Order, key: str) -> float:
    value = order.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OrderRefused(f"{key} is not a number")
    if value < 0 and key != "dbm":
        raise OrderRefused(f"{key} is negative")
    return value
