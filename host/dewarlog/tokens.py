"""Tokens: a role of a board, lent to one holder for some days.

Beside keys. A token file holds a token for each of the boards it is for, since each board has keys
of its own. Whoever has the file can use it: it is made for one user's eyes (mode 0600), and goes
to its holder as a key would. The caveats and what follows from them: protocol/SPEC.md 7.8.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from dewarlog.durable import storage
from dewarlog.errors import TokenDamaged
from dewarlog.proven import Credential
from dewarlog.shelf import write_private
from dewarlog.strict_json import NotStrict, read_object_of
from dewarlog_wire import access, layout
from dewarlog_wire.errors import TokenError
from dewarlog_wire.proof import SECRET_BYTES
from dewarlog_wire.token import caveat, narrowed, read_caveats, token_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

TOKEN_FORMAT: Final = 1
ROLE_NAMES: Final = {
    name: number for number, name in layout.KEY_NAMES.items() if number in access.MAY
}
MAY_NAMES: Final = {
    "read": layout.MAY_READ,
    "record": layout.MAY_RECORD,
    "set": layout.MAY_SET,
    "stop": layout.MAY_STOP,
    "keys": layout.MAY_KEYS,
}
# No end is later than every end.
_NO_END: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Token:
    """One token for one board."""

    device_id: bytes
    role: int
    """Whose key it was made from: layout.KEY_READER, KEY_COURIER or KEY_ADMIN."""
    caveats: bytes
    secret: bytes = field(repr=False)

    def values(self, kind: int) -> list[bytes]:
        """Return the values of its caveats of one kind, in order."""
        return [value for found, value, _ in read_caveats(self.caveats) if found == kind]

    @property
    def token_id(self) -> bytes:
        """Its name in the board's log."""
        return self.values(layout.CAVEAT_ID)[0]

    @property
    def holder(self) -> str:
        """Who it was given to, newest last; empty where nobody is named."""
        return ", ".join(str(value, "utf-8") for value in self.values(layout.CAVEAT_HOLDER))

    @property
    def until_s(self) -> int:
        """The second, as in layout.UTC_EPOCH_UNIX_S, from which on it is worth nothing."""
        return min(map(_number, self.values(layout.CAVEAT_NOT_AFTER)), default=_NO_END)

    @property
    def from_s(self) -> int:
        """The second from which on it is worth something."""
        return max(map(_number, self.values(layout.CAVEAT_NOT_BEFORE)), default=0)

    @property
    def may(self) -> int:
        """What it allows: layout.MAY_*."""
        return self.credential(name="").may

    @property
    def name(self) -> str:
        """How to call it in a sentence."""
        # Whatever stood in a file may be printed: a holder's name moves no terminal's cursor.
        holder = "".join(letter for letter in self.holder if letter.isprintable())
        whose = f"token of {holder}" if holder else "token of nobody named"
        return whose if self.until_s == _NO_END else f"{whose}, until {_utc(self.until_s)}"

    def why_not(self, device_id: bytes, utc_s: int) -> str | None:
        """Say why a board would not take it now, by this computer's clock; None where it would.

        Which run is open only the board knows.
        """
        if {self.device_id, *self.values(layout.CAVEAT_DEVICE)} != {device_id}:
            return "it is for another logger"
        if utc_s < self.from_s:
            return f"it is not valid before {_utc(self.from_s)}"
        if utc_s >= self.until_s:
            return "it has expired"
        return None

    def narrowed(self, caveats: Iterable[bytes]) -> Token:
        """Return the token with more caveats behind those it has.

        Raises:
            TokenError: they are too many bytes, or are none.
        """
        secret, said = self.secret, self.caveats
        for one in caveats:
            secret, said = narrowed(secret, one), said + one
        for _ in read_caveats(said):
            pass
        return replace(self, caveats=said, secret=secret)

    def credential(self, name: str | None = None) -> Credential:
        """Return what a session proves itself by with it."""
        return Credential(
            self.role, self.secret, self.caveats, self.name if name is None else name
        )

    def fields(self) -> dict[str, Any]:
        """Give it as a file holds it; `text` is for people."""
        return {
            "text": self.lines(),
            "device_id": self.device_id.hex(),
            "role": layout.KEY_NAMES[self.role],
            "caveats": self.caveats.hex(),
            "secret": self.secret.hex(),
        }

    def lines(self) -> list[str]:
        """Say it to a person, without the secret."""
        lines = [
            f"Token {self.token_id.hex()} for logger {self.device_id.hex()}",
            f"Role: {layout.KEY_NAMES[self.role]}; may {may_words(self.may)}",
            f"Holder: {self.holder or 'nobody named'}",
        ]
        if self.from_s:
            lines.append(f"Not before {_utc(self.from_s)}")
        until = "until anybody changes the logger's key"
        lines.append(
            f"Not after {_utc(self.until_s)}" if self.until_s != _NO_END else f"Valid {until}"
        )
        logs = [value.hex() for value in self.values(layout.CAVEAT_LOG)]
        return lines + [f"Only while the run with log id {log} is open" for log in logs]


def make_token(
    device_id: bytes, role: int, role_key: bytes, token_id: bytes, caveats: Sequence[bytes]
) -> Token:
    """Make a token from a role's key; its id and its board come first, then `caveats`.

    Raises:
        TokenError: they are too many bytes.
    """
    said = caveat(layout.CAVEAT_ID, token_id) + caveat(layout.CAVEAT_DEVICE, device_id)
    said += b"".join(caveats)
    return Token(device_id, role, said, token_secret(role_key, said))


def may_words(may: int) -> str:
    """Name what a token allows."""
    return ", ".join(name for name, bit in MAY_NAMES.items() if may & bit) or "nothing"


def time_caveats(from_s: int | None, until_s: int | None) -> list[bytes]:
    """Return the caveats of a validity; seconds as in layout.UTC_EPOCH_UNIX_S."""
    times = ((layout.CAVEAT_NOT_BEFORE, from_s), (layout.CAVEAT_NOT_AFTER, until_s))
    return [caveat(kind, struct.pack("<I", at)) for kind, at in times if at is not None]


# --- the file -----------------------------------------------------------------------------------
def write_tokens(path: Path, tokens: Sequence[Token]) -> None:
    """Write a token file for one user's eyes."""
    fields = {"format": TOKEN_FORMAT, "tokens": [token.fields() for token in tokens]}
    with storage(path):
        write_private(path, json.dumps(fields, indent=2).encode() + b"\n")


def read_tokens(path: Path) -> list[Token]:
    """Read a token file.

    Raises:
        TokenDamaged: it is none, or a token in it contradicts itself.
    """
    try:
        with storage(path):
            fields = read_object_of(path)
    except NotStrict as error:
        where = f"{error.field!r:.40}: " if error.field else ""
        raise TokenDamaged(path, f"{where}{error.reason}") from error
    listed: Any = fields.get("tokens")
    version = fields.get("format")
    is_known = type(version) is int and version == TOKEN_FORMAT
    if type(listed) is not list or not is_known or not listed:
        raise TokenDamaged(path, "it is no token file of a format this program knows")
    return [parse_token(path, one) for one in cast("list[Any]", listed)]


def parse_token(path: Path, fields: Any) -> Token:  # noqa: ANN401 - whatever stood in the file
    """Make a token of what a file holds; `text` is not read."""
    try:
        token = Token(
            bytes.fromhex(fields["device_id"]),
            ROLE_NAMES[fields["role"]],
            bytes.fromhex(fields["caveats"]),
            bytes.fromhex(fields["secret"]),
        )
        token_id, devices = token.token_id, token.values(layout.CAVEAT_DEVICE)
    except TokenError as error:
        raise TokenDamaged(path, str(error)) from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise TokenDamaged(path, "a field of it is missing or no token's") from error
    lengths = (len(token.secret), len(token.device_id), len(token_id))
    if lengths != (SECRET_BYTES, 8, 8) or {*devices} != {token.device_id}:
        raise TokenDamaged(path, "its fields contradict each other")
    return token


def new_id(random_bytes: Callable[[int], bytes] = os.urandom) -> bytes:
    """Return a token's id."""
    return random_bytes(8)


def _number(value: bytes) -> int:
    number: int = struct.unpack("<I", value)[0]
    return number


def _utc(utc_s: int) -> str:
    told = datetime.fromtimestamp(utc_s + layout.UTC_EPOCH_UNIX_S, UTC)
    return f"{told:%Y-%m-%d %H:%M} UTC"
