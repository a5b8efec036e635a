"""Writing files so that they are whole or not there, and saying clearly when there is no room.

Below archive. A file that matters is written under another name, forced to the disk and then
renamed, so that a crash of this computer leaves the old one or the new one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TYPE_CHECKING, BinaryIO

from dewarlog.errors import ArchiveError, ArchiveLocked, DiskFull

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

# No room, quota used up, file larger than allowed: the cure is the same.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY = 0o444
_WRITABLE = 0o644


@contextlib.contextmanager
def storage(path: Path) -> Generator[None]:
    """Turn what the operating system says about `path` into an ArchiveError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _NO_ROOM:
            raise DiskFull(path, reason) from error
        raise ArchiveError(
            path,
            f"{path}: cannot be read or written ({reason}). What was received before is kept; "
            "put it right, or choose another folder with --archive, and run the command again.",
        ) from error


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write all of `data` to an unbuffered file, which may take it in parts."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk, where the operating system can."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def put_in_place(source: Path, target: Path) -> None:
    """Rename a finished, synced file over `target` in one step and make it read-only.

    The new name is on the disk after the next `sync_folder`.
    """
    if sys.platform == "win32" and target.exists():
        target.chmod(_WRITABLE)
    source.chmod(_READ_ONLY)
    source.replace(target)


def write_whole(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Replace a small file in one step; with `sync`, its content is on the disk before that."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb", buffering=0) as file:
        write_all(file, data)
        if sync:
            os.fsync(file.fileno())
    temporary.replace(path)


def write_for_good(path: Path, data: bytes) -> None:
    """Write a file that is never changed again: whole, read-only, and on the disk."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb", buffering=0) as file:
        write_all(file, data)
        os.fsync(file.fileno())
    put_in_place(temporary, path)
    sync_folder(path.parent)


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold `path` as a lock file; it is freed when the program ends, however it ends.

    Raises:
        ArchiveLocked: another program holds it.
    """
    with storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    with file:
        try:
            if sys.platform == "win32":
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ArchiveLocked(path.parent) from error
        yield
