"""What a host does to the board during a trip, as the bytes a real host sends.

Each visit is a HELLO and one request, fed to the console at its moment. The replies are checked
after the trip, so that a mark the board refused does not go unnoticed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dewarlog_wire import PROTOCOL_VERSION, events, layout
from dewarlog_wire.frame import FrameReader, encode_serial_in

if TYPE_CHECKING:
    from collections.abc import Iterable

_GREETING_US: Final = 200_000  # a visit's HELLO comes this long before its request


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the board: when it arrives, and what a person calls it."""

    at_us: int
    name: str
    kind: int
    body: bytes


def time_sync(at_us: int, unix_us: int, error_ms: int) -> Request:
    """Tell the board the time; `unix_us` is what the host's clock says on arrival."""
    utc_ms = unix_us // 1000 - layout.UTC_EPOCH_UNIX_S * 1000
    body = struct.pack(layout.TIME.format, utc_ms // 1000, utc_ms % 1000, error_ms)
    return Request(at_us, "time sync", layout.MSG_TIME, body)


def mark(at_us: int, unix_us: int, step: str, texts: tuple[str, str, str]) -> Request:
    """Enter a custody event: step, and actor, place, note."""
    number = layout.CUSTODY_STEP_NAMES.index(step)
    utc_s = unix_us // 1_000_000 - layout.UTC_EPOCH_UNIX_S
    return Request(
        at_us, f"mark {step}", layout.MSG_MARK, events.custody_body(number, utc_s, texts)
    )


def selftest(at_us: int) -> Request:
    """Have the board test itself; the reply comes some seconds later."""
    return Request(at_us, "self-test", layout.MSG_SELFTEST, struct.pack(layout.SELFTEST.format, 0))


def stop(at_us: int) -> Request:
    """End the run."""
    return Request(at_us, "stop", layout.MSG_STOP, b"")


def as_inputs(requests: Iterable[Request]) -> tuple[list[tuple[int, bytes]], dict[int, Request]]:
    """Return ((when, line) for the console, request by the number its reply will carry)."""
    hello = struct.pack(layout.HELLO.format, PROTOCOL_VERSION, 0, 1024, bytes(8))
    inputs: list[tuple[int, bytes]] = []
    by_seq: dict[int, Request] = {}
    seq = 0
    for request in sorted(requests, key=lambda request: request.at_us):
        greets_us = max(0, request.at_us - _GREETING_US)
        inputs.append((greets_us, encode_serial_in(layout.MSG_HELLO, seq % 256, hello)))
        inputs.append(
            (request.at_us, encode_serial_in(request.kind, (seq + 1) % 256, request.body))
        )
        by_seq[(seq + 1) % 256] = request
        seq += 2
    return inputs, by_seq


def refused(output: bytes, by_seq: dict[int, Request]) -> list[str]:
    """Return what the board refused or never answered, judged by all it sent."""
    waiting = dict(by_seq)
    problems: list[str] = []
    for kind, seq, body in FrameReader().feed(output):
        request = waiting.get(seq)
        if request is None:
            continue
        if kind == request.kind | layout.REPLY:
            del waiting[seq]
        elif kind == layout.MSG_ERROR:
            del waiting[seq]
            words = bytes(body[layout.ERROR.size :]).decode(errors="replace")
            problems.append(f"{request.name}: {layout.ERROR_NAMES.get(body[0], body[0])}, {words}")
    problems.extend(f"{request.name}: no answer" for request in waiting.values())
    return problems
