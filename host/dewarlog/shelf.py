"""Where secrets stand on this computer: its keyring, or files for one user alone.

Below keys, on durable. A shelf keeps small texts by name. The keyring cannot be asked what it
holds, so the names (never a secret) of what was put there stand in a file beside the others; and
where that file names one while the keyring cannot be used, that is an error: a proof is never left
out in silence.

    <root>/<name>.json     one secret text, mode 0600
    <root>/keyring.json    names of those that stand in the keyring under the service "dewarlog"
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast

from dewarlog.durable import storage, sync_folder, write_all
from dewarlog.errors import KeyDamaged, KeyExposed, KeyringUnusable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_Answer = TypeVar("_Answer")
SERVICE: Final = "dewarlog"
_INDEX: Final = "keyring"
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_NAME: Final = re.compile(r"(token-[0-9a-f]{16}-)?[0-9a-f]{16}")  # keys, or a token (keys.py)
_OF_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
# Backends of the keyring library that keep nothing, or keep it as a file that we protect better.
_NO_KEYRINGS: Final = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")


class Keyring(Protocol):
    """What a backend of the keyring library does; each raises what its system's library raises."""

    def get_password(self, service: str, username: str) -> str | None:
        """Return a secret text; None when there is none of that name."""
        ...

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a secret text."""
        ...

    def delete_password(self, service: str, username: str) -> None:
        """Forget it."""
        ...


def system_keyring() -> Keyring | None:
    """Return this user's keyring; None where there is none that keeps a secret."""
    # Here, since it looks through every installed package: `check` and --help need none of it.
    import keyring  # noqa: PLC0415

    backend = keyring.get_keyring()
    chained = cast("list[Keyring]", getattr(backend, "backends", [backend]))
    for one in chained:
        module = type(one).__module__
        if not module.startswith(_NO_KEYRINGS) and "Plaintext" not in type(one).__name__:
            return one
    return None


class Shelf:
    """Small secret texts by name, in the keyring where there is one, else below a folder."""

    def __init__(self, root: Path, keyring: Callable[[], Keyring | None] | None) -> None:
        """Use `root`, made when something is first kept; no `keyring`: files only."""
        self.root = root
        self._keyring = keyring

    def path(self, name: str) -> Path:
        """Return the file a secret stands in where it is not in the keyring."""
        return self.root / f"{name}.json"

    def place(self, name: str) -> str:
        """Say where a secret stands, for a person."""
        return "keyring" if name in self._in_keyring() else str(self.path(name))

    def names(self) -> list[str]:
        """Return the names of all that is kept."""
        with storage(self.root):
            if not self.root.exists():
                return []
            files = {path.stem for path in self.root.glob("*.json")} - {_INDEX}
        return sorted(files | self._in_keyring())

    def read(self, name: str) -> bytes | None:
        """Return what is kept under a name; None for nothing.

        Raises:
            KeyExposed: somebody else on this computer can read or change it.
            KeyringUnusable: it is in the keyring, which is locked, not there, or another one.
        """
        if name in self._in_keyring():
            text = self._ask(lambda ring: ring.get_password(SERVICE, name))
            if text is None:
                reason = (
                    f"it has not got {name}, which was put there; where it is lost, "
                    "`dewarlog keys --forget ID` forgets that logger, and its keys can be taken "
                    "anew"
                )
                raise KeyringUnusable(self.root, reason)
            return text.encode()
        path = self.path(name)
        with storage(path):
            if not path.exists():
                return None
            for place in (self.root, path):
                _refuse_exposed(place)
            return path.read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """Keep something durably, for this user alone."""
        in_keyring = self._in_keyring()
        if name not in in_keyring and (self._keyring is None or self._opened() is None):
            self._write_file(name, data)
            return
        # The name first: a crash then leaves a name without a secret, never the other way round.
        self._write_index(in_keyring | {name})
        try:
            self._ask(lambda ring: ring.set_password(SERVICE, name, data.decode()))
        except KeyringUnusable:
            self._write_index(in_keyring)
            raise
        with storage(self.path(name)):
            self.path(name).unlink(missing_ok=True)

    def prepare(self) -> None:
        """Make sure that something can be kept, before there is anything to keep; leave no trace.

        Raises:
            ArchiveError: nothing can be written there.
            KeyExposed, KeyringUnusable: as `read`.
        """
        self._opened()
        was_there = self.root.exists()
        tried = self.root / "tried"
        self._write_private(tried, b"")
        with storage(tried):
            tried.unlink()
            if not was_there:
                self.root.rmdir()

    def forget(self, name: str) -> None:
        """Remove what is kept under a name; nothing where there is nothing."""
        in_keyring = self._in_keyring()
        if name in in_keyring:
            if self._ask(lambda ring: ring.get_password(SERVICE, name)) is not None:
                self._ask(lambda ring: ring.delete_password(SERVICE, name))
            self._write_index(in_keyring - {name})
        with storage(self.path(name)):
            self.path(name).unlink(missing_ok=True)

    # --- the keyring --------------------------------------------------------------------------

    def _in_keyring(self) -> frozenset[str]:
        if self._keyring is None:
            return frozenset()
        path = self.path(_INDEX)
        with storage(path):
            if not path.exists():
                return frozenset()
            for place in (self.root, path):
                _refuse_exposed(place)
            data = path.read_bytes()
        try:
            names = cast("list[Any]", json.loads(data))
        except (ValueError, RecursionError) as error:
            raise KeyDamaged(path, "it does not name what stands in the keyring") from error
        # They become names of files: nothing but what was ever kept under one.
        if type(names) is not list or not all(map(_is_name, names)):
            raise KeyDamaged(path, "it does not name what stands in the keyring")
        return frozenset(cast("list[str]", names))

    def _write_index(self, names: frozenset[str]) -> None:
        self._write_file(_INDEX, json.dumps(sorted(names)).encode())

    def _opened(self) -> Keyring | None:
        try:
            return None if self._keyring is None else self._keyring()
        except Exception as error:  # what a system's library raises is not ours to know
            raise KeyringUnusable(self.root, _reason(error)) from error

    def _ask(self, what: Callable[[Keyring], _Answer]) -> _Answer:
        ring = self._opened()
        if ring is None:
            raise KeyringUnusable(self.root, "there is none in this session")
        try:
            return what(ring)
        except Exception as error:  # as above
            raise KeyringUnusable(self.root, _reason(error)) from error

    # --- files --------------------------------------------------------------------------------

    def _write_file(self, name: str, data: bytes) -> None:
        self._write_private(self.path(name), data)

    def _write_private(self, path: Path, data: bytes) -> None:
        with storage(path):
            self.root.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
            _refuse_exposed(self.root)
            write_private(path, data)
            sync_folder(self.root)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only this user can read; OSError as the system says it."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    # Made with its mode, so that at no moment anybody else could open it.
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
    try:
        with os.fdopen(handle, "wb", buffering=0) as file:
            write_all(file, data)
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)  # no part of a secret stays where nobody looks for it
        raise


def _is_name(name: Any) -> bool:  # noqa: ANN401 - whatever stood in the file
    return type(name) is str and _NAME.fullmatch(name) is not None


def _refuse_exposed(path: Path) -> None:
    """Refuse what others can read; Windows keeps a user's data folder to that user by itself."""
    if sys.platform == "win32":
        return
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    if mode & _OF_OTHERS or found.st_uid != os.geteuid():
        raise KeyExposed(path, mode, mine=found.st_uid == os.geteuid())


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
