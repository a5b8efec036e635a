"""The caveats of a token: cut apart, then held to what this version knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import construct as c

from dewarlog.parse.from_table import many, only, plain
from dewarlog_wire import layout
from dewarlog_wire.errors import TokenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dewarlog.parse.from_table import Construct

_CAVEATS: Final = many(
    c.RawCopy(c.Struct("kind" / c.Int8ul, "value" / c.Prefixed(c.Int8ul, c.GreedyBytes)))
)


# What each kind's value is; a holder's text is bounded below.
_CAVEAT_VALUES: Final[Mapping[int, Construct]] = {
    layout.CAVEAT_ID: c.Bytes(8),
    layout.CAVEAT_DEVICE: c.Bytes(8),
    layout.CAVEAT_NOT_BEFORE: c.Int32ul,
    layout.CAVEAT_NOT_AFTER: c.Int32ul,
    layout.CAVEAT_LOG: c.Bytes(8),
    layout.CAVEAT_MAY: c.Int8ul,
    layout.CAVEAT_HOLDER: c.GreedyString("utf8"),
}


_CAVEATS_MAX_BYTES: Final = 192


_HOLDER_MAX_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class ParsedCaveat:
    """One caveat of a token, and its bytes as they stand there."""

    kind: int
    value: bytes
    packed: bytes


def parse_caveats(data: bytes) -> list[ParsedCaveat]:
    """Cut caveats into heads and values, whatever their kinds: all that a secret needs.

    Raises:
        TokenError: they cannot be cut so, or are too long.
    """
    if len(data) > _CAVEATS_MAX_BYTES:
        message = f"{len(data)} bytes of caveats"
        raise TokenError(message)
    try:
        parsed = plain(_CAVEATS.parse(data))
    except c.ConstructError as cause:
        raise TokenError(str(cause).splitlines()[-1]) from cause
    return [
        ParsedCaveat(one["value"]["kind"], one["value"]["value"], one["data"]) for one in parsed
    ]


def check_caveats(caveats: Iterable[ParsedCaveat]) -> None:
    """Say whether each caveat is one that this version knows, with a value of its kind.

    Raises:
        TokenError: one is not, or the id does not stand first, and once.
    """
    for place, one in enumerate(caveats):
        value_of = _CAVEAT_VALUES.get(one.kind)
        if value_of is None or (one.kind == layout.CAVEAT_ID) != (place == 0):
            message = f"no caveat of kind {one.kind} may stand in place {place}"
            raise TokenError(message)
        if one.kind == layout.CAVEAT_HOLDER and not 1 <= len(one.value) <= _HOLDER_MAX_BYTES:
            message = f"a holder of {len(one.value)} bytes"
            raise TokenError(message)
        try:
            only(value_of).parse(one.value)
        except c.ConstructError as cause:
            raise TokenError(str(cause).splitlines()[-1]) from cause
