"""What of the boards in an archive must be calibrated when.

In the bench: reads calibration files, and of each board the first block of its newest log: a board
that was calibrated elsewhere tells its due dates there.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from dewarlog.archive import Archive
from dewarlog.calibrate.drift import Due, due_by_calibration, newest_due
from dewarlog.calibrate.file import CalibrationShelf
from dewarlog.durable import storage
from dewarlog.errors import LogError
from dewarlog.readings import LogReader
from dewarlog.records import Block

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dewarlog.records import Run


def dues_of(root: Path | None) -> list[Due]:
    """List every probe of every board in the archive, the soonest due first.

    Raises:
        CalibrationDamaged, ArchiveDamaged, ArchiveError: something filed cannot be read.
    """
    shelf = CalibrationShelf(root)
    found = list(due_by_calibration(shelf.all()))
    for run in _newest_runs(Archive(root)):
        began_s = run.began_unix_s
        if began_s is not None:
            # What a run says that began later is all there is: a probe may be another one since,
            # or gone.
            board = run.device_id.hex()
            found = [one for one in found if one.device_id != board or one.known_unix_s >= began_s]
        found += [
            Due(
                run.device_id.hex(),
                channel.channel,
                channel.serial,
                _day(channel.calibrated_unix_s),
                _day(channel.calibration_due_unix_s),
                "log",
            )
            for channel in run.channels
        ]
    return newest_due(found)


def _newest_runs(archive: Archive) -> Iterator[Run]:
    """Yield what the newest log of each board says of its run; damaged logs, nothing."""
    newest: dict[bytes, tuple[int, Path]] = {}
    for log in archive.filed():
        if log.device_id not in newest or log.run > newest[log.device_id][0]:
            newest[log.device_id] = (log.run, log.path)
    for _, path in newest.values():
        run = _run_of(path)
        if run is not None:
            yield run


def _run_of(path: Path) -> Run | None:
    with storage(path), path.open("rb") as file:
        try:
            for item in LogReader(file, path).items():
                return item.run_settings if isinstance(item, Block) else None
        except LogError:
            return None
    return None


def _day(unix_s: int | None) -> date | None:
    return None if unix_s is None else datetime.fromtimestamp(unix_s, UTC).date()
