"""Another courier's archive joined into this one: one log where two agree, both where they do not.

Beside archive. Logs are the same when logger, run and log id are. Of two that agree the longer one
wins, file by file, so that either may hold what the other lacks. Two that disagree on any block
cannot both be what the logger recorded: both are kept, and the block is named.

The other archive is only read. Writing goes the way of a pull, with its guards against crashes: a
merge that was cut goes on when it is run again.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from dewarlog.archive import ArchivedLog, read_manifest
from dewarlog.differ import block_at, first_break, first_difference, pieces_of
from dewarlog.durable import storage, write_for_good
from dewarlog.errors import ArchiveDamaged, NothingToMerge
from dewarlog.pull import Disagreement
from dewarlog.replies import StoredFile
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from dewarlog.archive import Archive
    from dewarlog.held import Held
    from dewarlog.pull import FiledLog

RECEIPTS: Final = "*.handoff-*.json"
# No board's name for any version of a file: the next pull then asks the board for its hash before
# it takes bytes that came from another computer for the board's own.
_NO_ETAG: Final = 0


@dataclass(frozen=True, slots=True)
class MergedLog:
    """What became of one log of the other archive."""

    source: Path
    filed: FiledLog | None
    """The log as it now stands in this archive; None when the other one was damaged."""
    disagrees: Disagreement | None
    """The copy in this archive that has another block in the place of one of these."""
    receipts: int
    """Receipts that came along."""
    damage: str | None
    """Why the other archive's log was left where it is."""


def merge(archive: Archive, other: Archive) -> list[MergedLog]:
    """Take over every log and receipt of `other` that `archive` lacks.

    Raises:
        NothingToMerge: `other` holds no log, or is the same folder.
        ArchiveError: this computer's storage.
    """
    with storage(other.root):
        manifests = other.manifests()
        if archive.root.exists() and other.root.exists() and archive.root.samefile(other.root):
            raise NothingToMerge(other.root, "it is this archive itself")
    if not manifests:
        raise NothingToMerge(other.root, "no log is in it")
    return [_merge_one(archive, manifest) for manifest in manifests]


def _merge_one(archive: Archive, manifest: Path) -> MergedLog:
    try:
        with storage(manifest):
            theirs = read_manifest(manifest)
            identity = (theirs.device_id, theirs.run, theirs.log_id)
            parts = ArchivedLog(manifest.parent, identity).held()
    except ArchiveDamaged as damage:
        return MergedLog(manifest.parent, None, None, 0, str(damage))
    with archive.lock(theirs.device_id):
        log, disagrees = _place(archive, identity, parts)
        with storage(log.folder):
            filed = _join(log, theirs, parts)
            receipts = _take_receipts(manifest.parent, log.folder)
    return MergedLog(theirs.path, filed, disagrees or filed.disagrees, receipts, None)


def _place(
    archive: Archive, identity: tuple[bytes, int, bytes], parts: Sequence[Held]
) -> tuple[ArchivedLog, Disagreement | None]:
    """Find the version these bytes belong to, a new one where none agrees; and who disagrees."""
    agreeing: ArchivedLog | None = None
    disagrees: Disagreement | None = None
    for log in archive.versions(*identity):
        block = _disagreement(log.held(), parts)
        if block is None:
            agreeing = agreeing or log
        else:
            disagrees = disagrees or Disagreement(log.path, block)
    return agreeing or archive.log_apart(*identity), disagrees


def _disagreement(ours: Sequence[Held], theirs: Sequence[Held]) -> int | None:
    """Return the first block on which two copies of a log disagree."""
    block = first_difference(pieces_of(ours), pieces_of(theirs))
    if block is not None:
        return block
    longest: dict[int, Held] = {}
    for part in (*ours, *theirs):
        if part.segment is None:
            continue
        other = longest.get(part.segment, part)
        shorter, longer = sorted((other, part), key=lambda held: held.size)
        if shorter.sealed and shorter.size < longer.size:
            return block_at(longer.read(), shorter.size)  # one says that the file ended here
        longest[part.segment] = longer
    if _first_break(ours) is not None or _first_break(theirs) is not None:
        return None  # damaged on the board itself: the bytes both hold are the same
    return _first_break([longest[number] for number in sorted(longest)])


def _first_break(parts: Iterable[Held]) -> int | None:
    return first_break((part.segment, part.read()) for part in parts if part.segment is not None)


def _join(log: ArchivedLog, theirs: FiledLog, parts: Sequence[Held]) -> FiledLog:
    """Copy what is missing here, and file the log anew."""
    before = log.filed_before()
    ours = [] if before is None else log.held()
    for part in parts:
        if part.segment is not None:
            _take(log, theirs, part)
    journal = _journal(theirs, parts)
    kept = None if before is None else _journal(before, ours)
    if before is not None and not _is_longer((theirs, journal), (before, kept)):
        journal = kept
    elif journal is not None:
        _take(log, theirs, journal)
    return log.file_log([] if journal is None else [_stored(theirs, journal)])


def _journal(filed: FiledLog, parts: Sequence[Held]) -> Held | None:
    """Return the journal a log ends with; one left over from an earlier pull is no part of it."""
    sealed_bytes = sum(part.size for part in parts if part.segment is not None)
    journal = next((part for part in parts if part.segment is None), None)
    return journal if filed.size_bytes > sealed_bytes else None


def _is_longer(one: tuple[FiledLog, Held | None], other: tuple[FiledLog, Held | None]) -> bool:
    """Tell whether one log says more than the other: more blocks, or more behind as many."""
    (filed, journal), (before, kept) = one, other
    if filed.blocks != before.blocks or journal is None or kept is None:
        return (filed.blocks, journal is not None) > (before.blocks, kept is not None)
    return journal.size > kept.size and journal.read().startswith(kept.read())


def _take(log: ArchivedLog, theirs: FiledLog, part: Held) -> None:
    """Bring one file up to what the other archive holds of it."""
    with contextlib.closing(log.part(_stored(theirs, part))) as mine:
        if mine.complete or (mine.verified_bytes >= part.size and not part.sealed):
            return
        data = part.read()
        held = data[: mine.size]
        if mine.size and (mine.size > part.size or sha256(held).digest() != mine.sha256()):
            # Behind what is proven stand bytes of a pull that was cut; here are proven ones.
            mine.set_aside()
        mine.write(data[mine.size :])
        mine.verified(sealed=part.sealed)


def _stored(theirs: FiledLog, part: Held) -> StoredFile:
    """Name a file as a board would list it."""
    number = layout.FILE_JOURNAL if part.segment is None else part.segment
    flags = layout.ENTRY_SEALED if part.sealed else 0
    return StoredFile(theirs.run, number, flags, _NO_ETAG, part.size, theirs.log_id)


def _take_receipts(source: Path, target: Path) -> int:
    """Copy the receipts that are not here; one of the same name with other bytes comes beside."""
    taken = 0
    for path in sorted(source.glob(RECEIPTS)):
        data = path.read_bytes()
        beside = f"{path.stem}.{sha256(data).hexdigest()[:8]}{path.suffix}"
        places = [target / path.name, target / beside]
        if any(place.exists() and place.read_bytes() == data for place in places):
            continue
        write_for_good(next(place for place in places if not place.exists()), data)
        taken += 1
    return taken
