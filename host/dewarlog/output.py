"""Files a command writes for a person: whole or not at all, and never over a log.

Beside archive, which keeps the logs themselves. A page or a table is written under another name
and renamed when it is whole, so that a full disk or Ctrl-C leaves no half of one, and leaves what
stood there before.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Final

from dewarlog.errors import LogInTheWay
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

LOG_SUFFIX: Final = ".dwl"
_MAGICS: Final = (layout.BLOCK_MAGIC, layout.JOURNAL_MAGIC)


def refuse_logs(target: Path, source: Path | None = None) -> None:
    """Refuse a target that is a log; `source` is the log that the command reads, if it does.

    Raises:
        LogInTheWay: it is one, or has the name of one.
    """
    if target.suffix.lower() == LOG_SUFFIX:
        raise LogInTheWay(target)
    if not target.is_file():
        return
    if source is not None and target.samefile(source):
        raise LogInTheWay(target)
    with target.open("rb") as file:
        if file.read(len(layout.BLOCK_MAGIC)) in _MAGICS:
            raise LogInTheWay(target)


@contextlib.contextmanager
def whole(target: Path) -> Generator[Path]:
    """Yield the path to write to; it becomes `target` when the block ends well.

    Devices and pipes are written to as they are.

    Raises:
        OSError: it cannot be written; names `target`.
    """
    if target.exists() and not target.is_file():
        try:
            yield target
        except OSError as error:
            if error.filename is not None:
                raise
            raise OSError(error.errno, error.strerror or str(error), str(target)) from error
        return
    place = target.resolve()
    temporary = place.with_name(place.name + ".new")
    try:
        if place.exists() and not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        yield temporary
        temporary.replace(place)
    except OSError as error:
        if error.filename is not None and str(error.filename) != str(temporary):
            raise
        raise OSError(error.errno, error.strerror or str(error), str(target)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def expect_writable(target: Path) -> None:
    """Make sure that a file can be written, before what it is to tell of is done; leave no trace.

    Its folder is made where there is none.

    Raises:
        LogInTheWay: it is a log, or has the name of one.
        OSError: it cannot be written; names `target`, or the folder that cannot be made.
    """

    class Tried(Exception):
        pass

    refuse_logs(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(Tried), whole(target) as place:
        if place != target:
            place.open("wb").close()
        raise Tried
