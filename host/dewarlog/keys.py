"""Keys of boards that this computer holds, and what it proves itself by.

Beside archive, on shelf. What each key proves: protocol/SPEC.md 7.7; why: protocol/DESIGN.md
"Proof at the door". A key others on this computer can read proves nothing any more, so a file with
wrong permissions is refused, not repaired.

    <device id>                      the board's keys, sealing state and public key, as hex digits
    token-<device id>-<token id>     a token for that board (tokens.py)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import platformdirs

from dewarlog.errors import Impostor, KeyDamaged, TokenDamaged
from dewarlog.link.advert import id_digits
from dewarlog.proven import Credential
from dewarlog.replies import SealState
from dewarlog.shelf import Shelf, system_keyring
from dewarlog.strict_json import NotStrict, read_object
from dewarlog.tokens import Token, parse_token
from dewarlog_wire import layout
from dewarlog_wire.proof import SECRET_BYTES
from dewarlog_wire.seal import FIRST_INDEX, STATE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dewarlog.shelf import Keyring

KEYS_FORMAT: Final = 1
PUBLIC_KEY_BYTES: Final = 32
_INDEX_MAX: Final = 0xFFFFFFFF  # u32 on the wire
# Names of the secrets in the file and of the fields below.
ROLES: Final = {name: number for number, name in layout.KEY_NAMES.items()}


def default_keys_root() -> Path:
    """Return the folder keys stand in unless another is named."""
    return platformdirs.user_data_path("dewarlog", appauthor=False) / "keys"


@dataclass(frozen=True, slots=True)
class BoardKeys:
    """Secrets derived from one board's key; None where this computer has not been given one."""

    device_id: bytes
    courier: bytes | None = None
    """Proves this computer to the board, and the board to this computer."""
    receipt: bytes | None = None
    """Proves that a receipt's tag was made by the board."""
    reader: bytes | None = None
    """As courier, for who may read only."""
    admin: bytes | None = None
    """As courier, for who owns the board."""
    seal: SealState | None = None
    """Checks the seals of every block from its index on."""
    public_key: bytes | None = None
    """Checks the board's signatures; no secret."""

    @property
    def held(self) -> list[str]:
        """Name what there is, never a secret."""
        names = [name for name in ROLES if getattr(self, name) is not None]
        if self.seal is not None:
            names.append(f"seals from {self.seal.key_index} on")
        return names + (["public key"] if self.public_key is not None else [])

    def __repr__(self) -> str:
        """Name the board and which keys there are, never a key."""
        return f"BoardKeys({self.device_id.hex()}: {', '.join(self.held) or 'none'})"


class KeyStore:
    """The keys and tokens of this computer: in its keyring, or below one folder."""

    def __init__(
        self,
        root: Path | None = None,
        *,
        keyring: Callable[[], Keyring | None] = system_keyring,
    ) -> None:
        """Use files below `root`; without it the keyring, or files where there is none."""
        self._shelf = Shelf(root or default_keys_root(), keyring if root is None else None)
        self.root = self._shelf.root

    def path(self, device_id: bytes) -> Path:
        """Return the file the keys of a board stand in, if they are in a file."""
        return self._shelf.path(device_id.hex())

    def place(self, device_id: bytes) -> str:
        """Say where the keys of a board stand: "keyring", or the file."""
        return self._shelf.place(device_id.hex())

    def of(self, device_id: bytes) -> BoardKeys:
        """Return the keys held of a board, perhaps none.

        Raises:
            KeyExposed: somebody else on this computer can read or change them.
            KeyDamaged: what is kept is not ours.
            KeyringUnusable: they are in the keyring, which is locked or not there.
        """
        data = self._shelf.read(device_id.hex())
        if data is None:
            return BoardKeys(device_id)
        return _parse(self.path(device_id), data, device_id)

    def prepare(self) -> None:
        """Make sure that keys can be kept, before a board is asked for any.

        Raises:
            ArchiveError: nothing can be written there.
            KeyExposed, KeyringUnusable: as `of`.
        """
        self._shelf.prepare()

    def keep(self, keys: BoardKeys) -> None:
        """Keep the keys of a board, durably and for this user alone."""
        fields: dict[str, str | int] = {"format": KEYS_FORMAT, "device": keys.device_id.hex()}
        fields |= dict(_texts(keys))
        data = json.dumps(fields, indent=2).encode() + b"\n"
        self._shelf.write(keys.device_id.hex(), data)

    def put_back(self, keys: BoardKeys) -> None:
        """Keep the keys that were held before, or none where there were none; tokens stay."""
        if keys.held:
            self.keep(keys)
        else:
            self._shelf.forget(keys.device_id.hex())

    def boards(self) -> list[bytes]:
        """Return the ids of the boards whose keys are held."""
        return [bytes.fromhex(name) for name in self._shelf.names() if _is_id(name)]

    def forget(self, device_id: bytes) -> None:
        """Remove what is held of a board, its tokens too."""
        self._shelf.forget(device_id.hex())
        for name in self._token_names(device_id):
            self._shelf.forget(name)

    # --- tokens -------------------------------------------------------------------------------

    def tokens(self, device_id: bytes | None = None) -> list[Token]:
        """Return the tokens held, of one board or of all.

        Raises:
            TokenDamaged: what is kept is no token.
            KeyExposed, KeyringUnusable: as `of`.
        """
        return [token for _, token in self.placed_tokens(device_id)]

    def placed_tokens(self, device_id: bytes | None = None) -> list[tuple[str, Token]]:
        """Return them with where each stands."""
        found: list[tuple[str, Token]] = []
        for name in self._token_names(device_id):
            data = self._shelf.read(name)
            if data is None:
                continue
            try:
                fields = read_object(data)
            except NotStrict as error:
                raise TokenDamaged(self._shelf.path(name), error.reason) from error
            token = parse_token(self._shelf.path(name), fields)
            if name != _token_name(token):
                raise TokenDamaged(self._shelf.path(name), "it is another than its name says")
            found.append((self._shelf.place(name), token))
        return found

    def keep_token(self, token: Token) -> None:
        """Keep a token, as a key."""
        self._shelf.write(_token_name(token), json.dumps(token.fields()).encode())

    def token_boards(self) -> set[bytes]:
        """Return the ids of the boards that tokens are held for, by their names alone."""
        names = [name.split("-")[1:2] for name in self._token_names(None)]
        return {bytes.fromhex(name) for (name,) in names if _is_id(name)}

    def _token_names(self, device_id: bytes | None) -> list[str]:
        prefix = "token-" if device_id is None else f"token-{device_id.hex()}-"
        return [name for name in self._shelf.names() if name.startswith(prefix)]

    # --- what to prove oneself by -------------------------------------------------------------

    def credential_over(
        self, device: str, device_id: bytes, utc_s: int
    ) -> Credential | str | None:
        """As `credential`, for the board that answered where this device name was called.

        Raises:
            Impostor: a name on the air was called whose board this computer could prove, and
                another answered: nothing would be proven, and nobody would wonder.
        """
        if device.startswith("ble:"):
            digits = id_digits(device.removeprefix("ble:"))
            held = {*self.boards(), *self.token_boards()} if digits else set[bytes]()
            meant = [board for board in held if board.hex().endswith(digits)]
            if meant and device_id not in meant:
                what = f"logger {meant[0].hex()}, whose key or token is here, was called"
                raise Impostor(device_id.hex(), what)
        return self.credential(device_id, utc_s)

    def credential(self, device_id: bytes, utc_s: int) -> Credential | str | None:
        """Choose what this computer proves itself by to a board: its key of most, or a token.

        A sentence says why what is held cannot be used: every token has expired, say.
        """
        keys = self.of(device_id)
        for key, secret in ((layout.KEY_ADMIN, keys.admin), (layout.KEY_COURIER, keys.courier)):
            if secret is not None:
                return Credential(key, secret, b"", f"{layout.KEY_NAMES[key]} key")
        problem: str | None = None
        usable: list[Token] = []
        for token in self.tokens(device_id):
            why = token.why_not(device_id, utc_s)
            if why is None:
                usable.append(token)
            else:
                problem = f"the {token.name} cannot be used: {why}"
        if usable:
            best = max(usable, key=lambda token: (token.may.bit_count(), token.until_s))
            return best.credential()
        if keys.reader is not None:
            return Credential(layout.KEY_READER, keys.reader, b"", "reader key")
        return problem


def _token_name(token: Token) -> str:
    return f"token-{token.device_id.hex()}-{token.token_id.hex()}"


def _is_id(name: str) -> bool:
    return len(name) == 16 and all(digit in "0123456789abcdef" for digit in name)


def _texts(keys: BoardKeys) -> Iterator[tuple[str, str | int]]:
    for name in ROLES:
        secret = cast("bytes | None", getattr(keys, name))
        if secret is not None:
            yield name, secret.hex()
    if keys.seal is not None:
        yield "seal_index", keys.seal.key_index
        yield "seal_state", keys.seal.state.hex()
    if keys.public_key is not None:
        yield "public_key", keys.public_key.hex()


def _parse(path: Path, data: bytes, device_id: bytes) -> BoardKeys:
    try:
        fields = read_object(data)
        if bytes.fromhex(fields["device"]) != device_id:
            raise KeyDamaged(path, f"it holds keys of logger {fields['device']}")
        secrets: dict[str, bytes | None] = {}
        for name in (*ROLES, "seal_state", "public_key"):
            secrets[name] = bytes.fromhex(fields[name]) if name in fields else None
        index = fields["seal_index"] if "seal_state" in fields else FIRST_INDEX
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise KeyDamaged(path, "it is no key file") from error
    if any(secret is not None and len(secret) != SECRET_BYTES for secret in secrets.values()):
        raise KeyDamaged(path, f"a key has not {SECRET_BYTES} bytes")
    if type(index) is not int or not FIRST_INDEX <= index <= _INDEX_MAX:
        raise KeyDamaged(path, "its sealing state has no number of a key")
    state = secrets["seal_state"]
    return BoardKeys(
        device_id,
        courier=secrets["courier"],
        receipt=secrets["receipt"],
        reader=secrets["reader"],
        admin=secrets["admin"],
        seal=None if state is None else SealState(index, state),
        public_key=secrets["public_key"],
    )


# One length holds for all that _parse reads.
assert SECRET_BYTES == STATE_BYTES == PUBLIC_KEY_BYTES  # noqa: S101 - of constants
