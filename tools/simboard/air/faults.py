"""Orders to a hub that runs: what befalls the air while a host and a board talk."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Final, Literal, cast

from simboard.air.errors import AirError

if TYPE_CHECKING:
    from pathlib import Path

_ANSWER_S: Final = 5.0


def orders_path(path: str | Path) -> str:
    """Return the name of the socket on which the hub at `path` takes orders."""
    return f"{path}.orders"


class Faults:
    """Gives orders to the hub at `path`. `board` is an address; without one, every board is meant.

    Each method returns once the hub obeys.

    Raises (each method):
        AirError: No hub is there, or it does not take the order.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = orders_path(path)

    def lose(
        self,
        towards: Literal["host", "board"],
        after: int,
        *,
        board: str | None = None,
        times: int = 1,
    ) -> None:
        """Lose the connection when `after` more ACL packets have arrived there; `times` over."""
        self._order("lose", towards=towards, after=after, board=board, times=times)

    def hang_up(self, board: str | None = None) -> None:
        """Lose the connection now."""
        self._order("hang up", board=board)

    def clear(self) -> None:
        """Take back every loss that has not come yet."""
        self._order("clear")

    def supervision(self, ms: float) -> None:
        """Let a lost connection be silent for so long before its ends are told."""
        self._order("supervision", ms=ms)

    def delay(self, ms: float) -> None:
        """Let every ACL packet travel for so long."""
        self._order("delay", ms=ms)

    def pace(self, interval_ms: float, packets_per_event: int = 4) -> None:
        """Move at most so many packets each way in each connection interval; 0 ms: at once.

        The limit of goodput is then packets_per_event * (MTU - 3) bytes every interval.
        """
        self._order("pace", interval_ms=interval_ms, packets=packets_per_event)

    def acl(self, length: int, buffers: int = 8) -> None:
        """Set length and number of the ACL packets of controllers attached from now on."""
        self._order("acl", length=length, buffers=buffers)

    def leave(self, board: str | None = None) -> None:
        """Take a board out of range: its connection is lost, its advertisements reach nobody."""
        self._order("leave", board=board)

    def come_back(self, board: str | None = None) -> None:
        """Bring it into range again."""
        self._order("come back", board=board)

    def rssi(self, dbm: int, board: str | None = None) -> None:
        """Set how strong a board is received."""
        self._order("rssi", dbm=dbm, board=board)

    def arrived(self) -> dict[str, int]:
        """Return how many ACL packets have arrived at the ends `host` and `board`."""
        return cast("dict[str, int]", self._order("count"))

    def _order(self, name: str, **values: object) -> dict[str, object]:
        line = json.dumps({"order": name, **values}).encode() + b"\n"
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_ANSWER_S)
                connection.connect(self._path)
                connection.sendall(line)
                with connection.makefile("rb") as stream:
                    text = stream.readline()
        except OSError as error:
            raise AirError(f"no hub takes orders at {self._path}: {error}") from error
        if not text:
            raise AirError(f"the hub at {self._path} went away")
        answer = cast("dict[str, object]", json.loads(text))
        if "error" in answer:
            raise AirError(f"the hub refused {name!r}: {answer['error']}")
        return answer
