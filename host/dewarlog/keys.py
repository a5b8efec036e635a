"""Keys of boards this computer has been paired with: one file a board, for this user's eyes alone.

Beside archive, on durable. What each key proves: protocol/SPEC.md 7.7; why: protocol/DESIGN.md
"Proof at the door". A key others on this computer can read proves nothing any more, so a file with
wrong permissions is refused, not repaired.

    <root>/<device id>.json     device id, and the courier and receipt keys as hex digits
"""

from __future__ import annotations

import json
import os
import stat
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import platformdirs

from dewarlog.durable import storage, sync_folder, write_all
from dewarlog.errors import KeyDamaged, KeyExposed
from dewarlog_wire.proof import SECRET_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS_FORMAT: Final = 1
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_OF_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


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

    def __repr__(self) -> str:
        """Name the board and which keys there are, never a key."""
        held = [name for name in ("courier", "receipt") if getattr(self, name) is not None]
        return f"BoardKeys({self.device_id.hex()}: {', '.join(held) or 'none'})"


class KeyStore:
    """The keys below one folder."""

    def __init__(self, root: Path | None = None) -> None:
        """Use `root`, made when a key is first kept."""
        self.root = root or default_keys_root()

    def path(self, device_id: bytes) -> Path:
        """Return where the keys of a board stand, if they do."""
        return self.root / f"{device_id.hex()}.json"

    def of(self, device_id: bytes) -> BoardKeys:
        """Return the keys held of a board, perhaps none.

        Raises:
            KeyExposed: somebody else on this computer can read or change them.
            KeyDamaged: the file is not one of ours.
        """
        path = self.path(device_id)
        with storage(path):
            if not path.exists():
                return BoardKeys(device_id)
            for place in (self.root, path):
                _refuse_exposed(place)
            return _parse(path, path.read_bytes(), device_id)

    def keep(self, keys: BoardKeys) -> None:
        """Keep the keys of a board, durably and for this user alone."""
        path = self.path(keys.device_id)
        fields: dict[str, str | int] = {"format": KEYS_FORMAT, "device": keys.device_id.hex()}
        fields |= {name: secret.hex() for name, secret in _secrets(keys)}
        data = json.dumps(fields, indent=2).encode() + b"\n"
        temporary = path.with_name(path.name + ".new")
        with storage(path):
            self.root.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
            _refuse_exposed(self.root)
            temporary.unlink(missing_ok=True)
            # Made with its mode, so that at no moment anybody else could open it.
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
            with os.fdopen(handle, "wb", buffering=0) as file:
                write_all(file, data)
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(self.root)


def _secrets(keys: BoardKeys) -> Iterator[tuple[str, bytes]]:
    for name, secret in (("courier", keys.courier), ("receipt", keys.receipt)):
        if secret is not None:
            yield name, secret


def _refuse_exposed(path: Path) -> None:
    """Refuse what others can read; Windows keeps a user's data folder to that user by itself."""
    if sys.platform == "win32":
        return
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    if mode & _OF_OTHERS or found.st_uid != os.geteuid():
        raise KeyExposed(path, mode, mine=found.st_uid == os.geteuid())


def _parse(path: Path, data: bytes, device_id: bytes) -> BoardKeys:
    try:
        fields = cast("dict[str, str]", json.loads(data))
        if bytes.fromhex(fields["device"]) != device_id:
            raise KeyDamaged(path, f"it holds keys of logger {fields['device']}")
        secrets: dict[str, bytes | None] = {}
        for name in ("courier", "receipt"):
            secrets[name] = bytes.fromhex(fields[name]) if name in fields else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise KeyDamaged(path, "it is no key file") from error
    if any(secret is not None and len(secret) != SECRET_BYTES for secret in secrets.values()):
        raise KeyDamaged(path, f"a key has not {SECRET_BYTES} bytes")
    return BoardKeys(device_id, secrets["courier"], secrets["receipt"])
