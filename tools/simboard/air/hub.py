"""The air: `python tools/simboard/air/hub.py --socket PATH`.

One controller for each connection to the Unix socket PATH, spoken to in H4 (Core, Vol 4 Part A);
all controllers hear each other. PATH.orders takes orders (see orders). The first line printed
is `air PATH`; it ends at SIGTERM or Ctrl-C and takes both sockets away.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

# Run as a script, only its own folder is on the path.
_TOOLS: Final = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[:] = [str(_TOOLS), *(p for p in sys.path if Path(p) != Path(__file__).parent)]

from bumble.core import InvalidPacketError  # noqa: E402 - after the path
from bumble.transport.common import PacketParser, StreamPacketSink  # noqa: E402

from simboard.air.conditions import Conditions, OrderRefused  # noqa: E402
from simboard.air.controller import AirController  # noqa: E402
from simboard.air.errors import AirError  # noqa: E402
from simboard.air.faults import orders_path  # noqa: E402
from simboard.air.medium import Medium  # noqa: E402
from simboard.air.orders import Orders  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger(__name__)
_NAME_MAX_BYTES: Final = 107  # sun_path of Linux, its end included


class Attachment(asyncio.Protocol):
    """One connection to the socket: a board's or a host's controller, as long as it lasts."""

    _count = 0

    def __init__(self, medium: Medium) -> None:
        self._medium = medium
        self._parser = PacketParser()
        self._controller: AirController | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Put a controller on the air."""
        Attachment._count += 1
        self._transport = cast("asyncio.Transport", transport)
        sink = StreamPacketSink(self._transport)
        self._controller = AirController(f"controller {self._count}", sink, self._medium)
        self._parser.set_packet_sink(self._controller)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the host."""
        try:
            self._parser.feed_data(data)
        except InvalidPacketError as error:  # out of step for good: H4 has no way back
            _log.warning("a host does not speak H4: %s", error)
            if self._transport is not None:
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        """Take the controller off the air."""
        if self._controller is not None:
            self._controller.detach()
            self._medium.remove_controller(self._controller)
            self._controller = None


async def serve(path: Path, conditions: Conditions, stop: asyncio.Event) -> None:
    """Be the air until `stop` is set; say so on standard output when the sockets are there.

    Raises:
        AirError: The socket cannot be made.
    """
    orders_file = Path(orders_path(path))
    medium = Medium(conditions)
    orders = Orders(medium)

    async def take_orders(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(orders.take(line))
                await writer.drain()
        writer.close()

    for file in (path, orders_file):
        _make_free(file)
    try:
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(lambda: Attachment(medium), path)
        taker = await asyncio.start_unix_server(take_orders, orders_file)
        print(f"air {path}", flush=True)
        await stop.wait()
        server.close()
        taker.close()
    finally:
        for file in (path, orders_file):
            file.unlink(missing_ok=True)


def _make_free(path: Path) -> None:
    """Remove a socket that a hub left behind.

    Raises:
        AirError: Another hub still listens there, or it is no socket.
    """
    if len(os.fsencode(path)) > _NAME_MAX_BYTES:
        raise AirError(f"{path} is too long for a socket's name; choose a shorter one")
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise AirError(f"{path} is there and no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise AirError(f"a hub is already at {path}")


async def _run(options: argparse.Namespace) -> None:
    conditions = Conditions(delay_s=options.delay_ms / 1000)
    conditions.set_acl(options.acl, options.buffers)
    conditions.set_pace(options.interval_ms, options.packets)
    for towards, after in (("host", options.lose_host), ("board", options.lose_board)):
        if after:
            conditions.add_loss(towards, after, None, 1)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.until_eof:
        loop.add_reader(sys.stdin.fileno(), stop.set)
    await serve(options.socket, conditions, stop)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0: it was told to end, 2: wrong use."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.WARNING)
    try:
        asyncio.run(_run(options))
    except (AirError, OrderRefused, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Carry Bluetooth between boards and hosts.")
    parser.add_argument("--socket", type=Path, required=True, help="where to listen")
    parser.add_argument("--acl", type=int, default=251, help="bytes in an ACL packet, from 27 on")
    parser.add_argument("--buffers", type=int, default=8, help="ACL packets a controller holds")
    parser.add_argument(
        "--interval-ms", type=float, default=0, help="connection interval, 7.5 to 50; 0: no rhythm"
    )
    parser.add_argument(
        "--packets", type=int, default=4, help="packets in a connection event, each way"
    )
    parser.add_argument("--delay-ms", type=float, default=0, help="how long a packet travels")
    parser.add_argument(
        "--lose-host", type=int, default=0, help="lose the connection after N packets to the host"
    )
    parser.add_argument(
        "--lose-board", type=int, default=0, help="the same with packets to the board"
    )
    parser.add_argument(
        "--until-eof", action="store_true", help="end when standard input ends or gets a byte"
    )
    parser.add_argument("--verbose", action="store_true", help="log every packet")
    return parser


if __name__ == "__main__":
    sys.exit(main())
