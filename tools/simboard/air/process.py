"""Starts a hub as a process of its own, for as long as a block lasts."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from simboard.air.errors import AirError

if TYPE_CHECKING:
    from collections.abc import Generator

_HUB: Final = Path(__file__).with_name("hub.py")
_END_S: Final = 5.0
READY: Final = "air "  # the hub's first line: this and the name of its socket


@contextlib.contextmanager
def start(
    path: str | Path | None = None,
    *,
    acl_bytes: int = 251,
    acl_buffers: int = 8,
    interval_ms: float = 0,
    packets_per_event: int = 4,
    delay_ms: float = 0,
) -> Generator[str]:
    """Run a hub; give the name of its socket. The arguments are the options of hub.py.

    Args:
        path: Where its socket is to be; in a temporary folder when not given.
        acl_bytes: Length of an ACL packet, 27 to 251.
        acl_buffers: How many of them a controller holds.
        interval_ms: Connection interval, 7.5 to 50; 0 lets packets go at once.
        packets_per_event: Packets that fit into one connection event, each way.
        delay_ms: How long every ACL packet travels.

    Raises:
        AirError: The hub did not start.
    """
    with contextlib.ExitStack() as stack:
        if path is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="air-"))
            path = Path(folder) / "hub"
        options = {
            "--socket": str(path),
            "--acl": str(acl_bytes),
            "--buffers": str(acl_buffers),
            "--interval-ms": str(interval_ms),
            "--packets": str(packets_per_event),
            "--delay-ms": str(delay_ms),
        }
        process = subprocess.Popen(
            [sys.executable, str(_HUB), "--until-eof", *(t for o in options.items() for t in o)],
            stdin=subprocess.PIPE,  # closed when we end, however we end: the hub ends with us
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        stack.callback(_end, process)
        line = process.stdout.readline() if process.stdout is not None else ""
        if not line.startswith(READY):
            raise AirError(f"the hub did not start: {line.strip() or 'see what it printed'}")
        yield line[len(READY) :].rstrip("\n")


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
