"""Tokens: caveats that boards take, refuse or cannot read."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from dewarlog_wire import layout, proof
from vectors.parts import DEVICE_ID, DEVICE_KEY, LOG_ID, UTC_S, hex_text, scenario

if TYPE_CHECKING:
    from vectors.parts import Vector

    Board = tuple[bytes, bytes, int, int]  # device id, open run's log id, UTC, the role's MAY


def caveat(kind: int, value: bytes) -> bytes:
    """Return a caveat whose value nobody has looked at."""
    return struct.pack(layout.CAVEAT.format, kind, len(value)) + value


_ID: Final = caveat(layout.CAVEAT_ID, bytes.fromhex("d1d2d3d4d5d6d7d8"))
_DAY: Final = [
    caveat(layout.CAVEAT_NOT_BEFORE, struct.pack("<I", UTC_S)),
    caveat(layout.CAVEAT_NOT_AFTER, struct.pack("<I", UTC_S + 86400)),
]
_HERE: Final = (DEVICE_ID, LOG_ID, UTC_S + 60, 7)


def _token(
    *caveats: bytes, key: int = layout.KEY_COURIER, boards: tuple[Board, ...] = (_HERE,)
) -> Vector:
    """Write a token, and the boards that judge it: device id, open run's log id, UTC, role."""
    told = (f"{one.hex()} {log.hex() or '-'} {utc} {may}" for one, log, utc, may in boards)
    header = {
        "role key": proof.derived_key(DEVICE_KEY, key).hex(),
        "boards": "; ".join(told),
    }
    return header, "".join(map(hex_text, caveats))


@scenario
def token_plain() -> Vector:
    """A token that only has its id: all that its role may."""
    return _token(_ID)


@scenario
def token_for_a_day() -> Vector:
    """From its first second on and until its last, not before and not then; no clock, no day."""
    times = (UTC_S - 1, UTC_S, UTC_S + 86399, UTC_S + 86400, layout.UTC_UNKNOWN)
    return _token(_ID, *_DAY, boards=tuple((DEVICE_ID, LOG_ID, at, 7) for at in times))


@scenario
def token_narrowed_twice() -> Vector:
    """Two caveats of each kind: all count, whichever is the tighter."""
    return _token(
        _ID,
        caveat(layout.CAVEAT_MAY, bytes((layout.MAY_READ | layout.MAY_RECORD,))),
        *_DAY,
        caveat(layout.CAVEAT_MAY, bytes((layout.MAY_READ | layout.MAY_SET,))),
        caveat(layout.CAVEAT_NOT_AFTER, struct.pack("<I", UTC_S + 90)),
        boards=(_HERE, (DEVICE_ID, LOG_ID, UTC_S + 90, 7)),
    )


@scenario
def token_never_widens_its_role() -> Vector:
    """A caveat that names every bit gives a reader no more than a reader has."""
    every_bit = caveat(layout.CAVEAT_MAY, b"\xff")
    boards = ((DEVICE_ID, LOG_ID, UTC_S, layout.MAY_READ),)
    return _token(_ID, every_bit, key=layout.KEY_READER, boards=boards)


@scenario
def token_for_two_devices() -> Vector:
    """Two devices at once are none."""
    other = bytes(reversed(DEVICE_ID))
    caveats = [caveat(layout.CAVEAT_DEVICE, device) for device in (DEVICE_ID, other)]
    return _token(_ID, *caveats, boards=(_HERE, (other, LOG_ID, UTC_S, 7)))


@scenario
def token_kind_unknown() -> Vector:
    """A caveat of a kind this version does not know: it has a secret, and no board takes it."""
    return _token(_ID, caveat(200, b"mind the gap"))


@scenario
def token_id_missing() -> Vector:
    """No id in the first place."""
    return _token(*_DAY)


@scenario
def token_id_twice() -> Vector:
    """A second id."""
    return _token(_ID, _ID)


@scenario
def token_value_of_another_length() -> Vector:
    """A time of three bytes."""
    return _token(_ID, caveat(layout.CAVEAT_NOT_AFTER, bytes(3)))


@scenario
def token_holder_empty() -> Vector:
    """A holder without a name."""
    return _token(_ID, caveat(layout.CAVEAT_HOLDER, b""))


@scenario
def token_holder_too_long() -> Vector:
    """A holder one byte over the limit."""
    return _token(_ID, caveat(layout.CAVEAT_HOLDER, b"a" * 33))


@scenario
def token_holder_not_utf8() -> Vector:
    """A holder that is cut inside a character."""
    return _token(_ID, caveat(layout.CAVEAT_HOLDER, b"Zo\xc3"))


@scenario
def token_cut() -> Vector:
    """The last caveat is cut short: there is no secret."""
    return _token(_ID, _DAY[0][:-1])


@scenario
def token_head_cut() -> Vector:
    """A single byte stands behind the last caveat."""
    return _token(_ID, b"\x06")


@scenario
def token_too_long() -> Vector:
    """Caveats of 193 bytes."""
    holders = [caveat(layout.CAVEAT_HOLDER, b"a" * 32)] * 5
    return _token(_ID, *holders, caveat(layout.CAVEAT_HOLDER, b"a" * 11))


@scenario
def token_longest() -> Vector:
    """Caveats of 192 bytes."""
    holders = [caveat(layout.CAVEAT_HOLDER, b"a" * 32)] * 5
    return _token(_ID, *holders, caveat(layout.CAVEAT_HOLDER, b"a" * 10))
