"""Logs as the boards wrote them, byte for byte, in folders; nothing filed is ever changed.

In the line: pull -> archive -> parse. One folder a board, one a run:

    <root>/<device id>/<run>-<log id>/
        <run>-<log id>.dwl      the log: its segments in order, then the journal if it was pulled
        <run>-<log id>.handoff-12.json
                                a receipt: what the logger answered to a handoff (receipt.py)
        manifest.json           size, SHA-256 and chain of the log, what it superseded, what proof
                                its pulls had, and the nonces of signatures asked for here
        segments/0000.seg       one file of the board, sealed and verified: read-only
        segments/0001.seg.part  one that may still grow, or is not all here yet
        segments/0001.json      what is known of it (held.py)
        aside/                  bytes that turned out not to be the board's, kept all the same

A log that grew replaces the one filed before only when it begins with the same bytes; otherwise
both are kept, the older one under the first digits of its hash. A board that gives other bytes
for a segment it had sealed is filed in a second folder, `<run>-<log id>-2`, and filing it names
the first block in which the two disagree.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import platformdirs

from dewarlog.chain import ChainWalk
from dewarlog.differ import first_difference, pieces_of, whole
from dewarlog.durable import locked, put_in_place, storage, sync_folder, write_whole
from dewarlog.errors import ArchiveDamaged
from dewarlog.held import Held, HeldFile, chunks, held_files
from dewarlog.pull import NONCE_BYTES, Asked, Disagreement, FiledLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from dewarlog.pull import Pulled
    from dewarlog.replies import StoredFile

MANIFEST_NAME: Final = "manifest.json"
MANIFEST_FORMAT: Final = 1
# What we name files. A manifest may come from elsewhere (merge.py).
_NAME: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,199}")
_MOST: Final = 0xFFFFFFFF  # runs, blocks and bytes of a log are counted in u32


def default_root() -> Path:
    """Return the folder the archive stands in unless another is named."""
    return platformdirs.user_data_path("dewarlog", appauthor=False) / "archive"


def _now() -> datetime:
    return datetime.now(UTC)


class Archive:
    """Every log this computer holds, below one folder. A `pull.Sink`."""

    def __init__(self, root: Path | None = None, now: Callable[[], datetime] = _now) -> None:
        """Use `root`, made when it is first written to; `now` dates the manifests."""
        self.root = root or default_root()
        self._now = now

    def lock(self, device_id: bytes) -> AbstractContextManager[None]:
        """Keep other pulls of the same board out."""
        return locked(self.root / device_id.hex() / ".lock")

    def log(self, device_id: bytes, run: int, log_id: bytes) -> ArchivedLog:
        """Open the newest version of one run's log, new or already there."""
        return self._version(device_id, run, log_id, apart=False)

    def log_apart(self, device_id: bytes, run: int, log_id: bytes) -> ArchivedLog:
        """Open an empty log of the same run beside those that are there."""
        return self._version(device_id, run, log_id, apart=True)

    def filed(self) -> Iterator[FiledLog]:
        """Yield every log filed, board by board and run by run.

        Raises:
            ArchiveDamaged: a manifest is not one.
        """
        for path in self.manifests():
            yield read_manifest(path)

    def manifests(self) -> list[Path]:
        """Return the manifest of every log filed, board by board and run by run."""
        return sorted(self.root.glob(f"*/*/{MANIFEST_NAME}"))

    def versions(self, device_id: bytes, run: int, log_id: bytes) -> list[ArchivedLog]:
        """Return every version there is of one run's log, the first one filed first."""
        found: list[ArchivedLog] = []
        while (log := self._nth(device_id, run, log_id, len(found) + 1)).folder.exists():
            found.append(log)
        return found

    def _version(self, device_id: bytes, run: int, log_id: bytes, *, apart: bool) -> ArchivedLog:
        held = self.versions(device_id, run, log_id)
        if held and not apart:
            return held[-1]
        return self._nth(device_id, run, log_id, len(held) + 1)

    def _nth(self, device_id: bytes, run: int, log_id: bytes, number: int) -> ArchivedLog:
        stem = f"{run:08x}-{log_id.hex()}"
        folders = [stem, *(f"{stem}-{later}" for later in range(2, number + 1))]
        parent = self.root / device_id.hex()
        rivals = [parent / name for name in folders[:-1]]
        return ArchivedLog(parent / folders[-1], (device_id, run, log_id), self._now, rivals)


class _Survey(NamedTuple):
    """What one reading of all the verified bytes of a log finds."""

    size_bytes: int
    sha256: bytes
    old_prefix_sha256: bytes
    """Of as many bytes as the log filed before has."""
    blocks: int
    chain: bytes
    problem: str | None


class ArchivedLog:
    """One run's log in its folder. A `pull.LogSink`."""

    def __init__(
        self,
        folder: Path,
        identity: tuple[bytes, int, bytes],
        now: Callable[[], datetime] = _now,
        rivals: Sequence[Path] = (),
    ) -> None:
        """Use `folder` for the log of `identity`: device id, run and log id.

        `rivals` are the folders in which other versions of it were filed before.
        """
        self._rivals = rivals
        self.folder = folder
        self._device_id, self._run, self._log_id = identity
        self._stem = f"{self._run:08x}-{self._log_id.hex()}"
        self._now = now

    @property
    def path(self) -> Path:
        """Where the log is filed."""
        return self.folder / f"{self._stem}.dwl"

    def part(self, file: StoredFile) -> HeldFile:
        """Open what is held of one file."""
        return HeldFile(self.folder / "segments", file)

    def unproven(self, files: Sequence[StoredFile]) -> list[StoredFile]:
        """Return those of `files` whose bytes the log's own chain does not prove."""
        walk = ChainWalk()
        proven: set[int] = set()
        with storage(self.folder):
            for held in held_files(self.folder / "segments", verified_only=False):
                if held.segment is not None and walk.segment(held.segment, held.read()):
                    proven.add(held.segment)
        return [file for file in files if file.file not in proven]

    def file_log(self, files: Sequence[StoredFile], pulled: Pulled | None = None) -> FiledLog:
        """Make the log of everything verified, its journal included if `files` names it.

        `pulled` tells of the pull that brought it; None where another archive did.

        Raises:
            ArchiveDamaged: something filed before is not what it was.
            DiskFull: no room for the log; its parts are kept.
        """
        with storage(self.folder):
            old = self.filed_before()
            with_journal = any(file.is_journal for file in files)
            parts = [
                part
                for part in held_files(self.folder / "segments", verified_only=True)
                if part.segment is not None or with_journal
            ]
            survey = _survey(parts, old.size_bytes if old else 0)
            if old is not None and (survey.size_bytes, survey.sha256) == (
                old.size_bytes,
                old.sha256,
            ):
                again = _pulled_so(old, parts, pulled)
                if again != old:
                    _write_manifest(self.folder / MANIFEST_NAME, again, self._now())
                return replace(again, disagrees=self._disagreement(parts, old.superseded))
            superseded = old.superseded if old else ()
            new_bytes = survey.size_bytes
            if old is not None:
                if survey.old_prefix_sha256 == old.sha256:
                    new_bytes -= old.size_bytes
                else:
                    superseded = (*superseded, self._keep(old))
            disagrees = self._disagreement(parts, superseded)
            self._write(parts, survey.sha256)
            sync_folder(self.folder / "segments")
            filed = FiledLog(
                path=self.path,
                device_id=self._device_id,
                run=self._run,
                log_id=self._log_id,
                size_bytes=survey.size_bytes,
                new_bytes=new_bytes,
                sha256=survey.sha256,
                blocks=survey.blocks,
                chain=survey.chain,
                problem=survey.problem,
                superseded=superseded,
                disagrees=disagrees,
                asked=old.asked if old else (),
            )
            filed = _pulled_so(filed, parts, pulled)
            _write_manifest(self.folder / MANIFEST_NAME, filed, self._now())
            sync_folder(self.folder)
            return filed

    def held(self) -> list[Held]:
        """Return every file of the log that is proven to be the board's, in order.

        Raises:
            ArchiveDamaged: one is not what it was when it was filed.
        """
        parts = held_files(self.folder / "segments", verified_only=True)
        for part in parts:
            if hashlib.sha256(part.read()).hexdigest() != part.sha256:
                raise ArchiveDamaged(part.path, f"its SHA-256 is no longer {part.sha256[:16]}...")
        return parts

    def _disagreement(
        self, parts: Sequence[Held], superseded: Sequence[Path]
    ) -> Disagreement | None:
        """Hold what is to be filed against every other version there is of it."""
        for folder in self._rivals:
            rival = held_files(folder / "segments", verified_only=True)
            block = first_difference(pieces_of(rival), pieces_of(parts))
            if block is not None:
                return Disagreement(folder / f"{self._stem}.dwl", block)
        for path in superseded:
            block = first_difference(whole(path), pieces_of(parts))
            if block is not None:
                return Disagreement(path, block)
        return None

    def filed_before(self) -> FiledLog | None:
        """Return the log filed before, once sure that it is still what was filed."""
        manifest = self.folder / MANIFEST_NAME
        if not manifest.exists():
            return None
        old = read_manifest(manifest)
        if not old.path.exists():
            raise ArchiveDamaged(old.path, "the manifest names it, but it is gone")
        # A pull cut between filing a log and its manifest leaves one that only begins so, or one
        # whose forerunner is already kept beside it.
        for path in (old.path, self._kept_path(old)):
            if path.exists() and _hash_of(path, old.size_bytes) == old.sha256:
                return old
        raise ArchiveDamaged(old.path, f"its SHA-256 is no longer {old.sha256.hex()[:16]}...")

    def _kept_path(self, old: FiledLog) -> Path:
        return self.folder / f"{self._stem}.{old.sha256.hex()[:16]}.dwl"

    def _keep(self, old: FiledLog) -> Path:
        """Copy the log filed before to a name of its own."""
        kept = self._kept_path(old)
        if not kept.exists():
            whole = Held("", old.path, old.size_bytes, old.sha256.hex())
            self._write([whole], old.sha256, kept)
        return kept

    def _write(self, parts: Sequence[Held], sha256: bytes, target: Path | None = None) -> None:
        """Write the parts one behind the other, and put the file in place when it is whole."""
        target = target or self.path
        temporary = target.with_name(target.name + ".new")
        written = hashlib.sha256()
        with temporary.open("wb") as file:
            for part in parts:
                with part.path.open("rb") as source:
                    for chunk in chunks(source, part.size):
                        written.update(chunk)
                        file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if written.digest() != sha256:
            raise ArchiveDamaged(self.folder, "its files changed while they were read")
        put_in_place(temporary, target)


def _pulled_so(log: FiledLog, parts: Sequence[Held], pulled: Pulled | None) -> FiledLog:
    """Say of a log what proof its bytes have, and what its newest pull asked."""
    proven = bool(parts) and all(part.proven for part in parts)
    if pulled is None:
        return replace(log, proven=proven)
    asked = log.asked if pulled.asked is None else (*log.asked, pulled.asked)
    return replace(log, proven=proven, proven_by=pulled.proven_by, asked=asked)


def _survey(parts: Sequence[Held], old_bytes: int) -> _Survey:
    """Read every verified byte once: hash it all, and follow the chain from block to block."""
    whole = hashlib.sha256()
    prefix = hashlib.sha256()
    size_bytes = 0
    walk = ChainWalk()
    for part in parts:
        data = part.read()
        if hashlib.sha256(data).hexdigest() != part.sha256:
            raise ArchiveDamaged(part.path, f"its SHA-256 is no longer {part.sha256[:16]}...")
        whole.update(data)
        prefix.update(data[: max(0, old_bytes - size_bytes)])
        size_bytes += len(data)
        if part.segment is not None:
            walk.segment(part.segment, data)
    return _Survey(
        size_bytes, whole.digest(), prefix.digest(), walk.blocks, walk.chain, walk.problem
    )


def _hash_of(path: Path, length: int) -> bytes:
    """Return the SHA-256 of the first `length` bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in chunks(file, length):
            digest.update(chunk)
    return digest.digest()


# --- the manifest -------------------------------------------------------------------------------
def _write_manifest(path: Path, log: FiledLog, now: datetime) -> None:
    fields = {
        "format": MANIFEST_FORMAT,
        "device": log.device_id.hex(),
        "run": log.run,
        "log_id": log.log_id.hex(),
        "file": log.path.name,
        "bytes": log.size_bytes,
        "sha256": log.sha256.hex(),
        "blocks": log.blocks,
        "chain": log.chain.hex(),
        "problem": log.problem,
        "superseded": [path.name for path in log.superseded],
        "proven": log.proven,
        "proven_by": log.proven_by,
        "asked": [
            {"nonce": one.nonce.hex(), "blocks": one.blocks, "unix_s": one.unix_s}
            for one in log.asked
        ],
        "filed_utc": now.isoformat(timespec="seconds"),
    }
    write_whole(path, json.dumps(fields, indent=2).encode() + b"\n")


def read_manifest(path: Path) -> FiledLog:
    """Read what is filed in a folder; its new_bytes are 0.

    Raises:
        ArchiveDamaged: the file is no manifest.
    """
    try:
        fields = cast("dict[str, Any]", json.loads(path.read_bytes()))
        return FiledLog(
            path=path.parent / _file_name(fields["file"]),
            device_id=_bytes_of(fields["device"], 8),
            run=_number_of(fields["run"]),
            log_id=_bytes_of(fields["log_id"], 8),
            size_bytes=_number_of(fields["bytes"]),
            new_bytes=0,
            sha256=_bytes_of(fields["sha256"], 32),
            blocks=_number_of(fields["blocks"]),
            chain=_bytes_of(fields["chain"], 32),
            problem=_text_or_none(fields["problem"]),
            superseded=tuple(path.parent / _file_name(name) for name in fields["superseded"]),
            # Manifests from before pulls were proven have none of these.
            proven=fields.get("proven") is True,
            proven_by=_text_or_none(fields.get("proven_by")),
            asked=tuple(_asked_of(one) for one in fields.get("asked", [])),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"it is no manifest: {error!r:.200}"
        raise ArchiveDamaged(path, reason) from error


def _asked_of(fields: dict[str, Any]) -> Asked:
    nonce = _bytes_of(fields["nonce"], NONCE_BYTES)
    return Asked(nonce, _number_of(fields["blocks"]), _number_of(fields["unix_s"]))


def _file_name(name: str) -> str:
    """Return the name of a file beside the manifest, whatever folder the manifest puts it in."""
    name = Path(name).name
    if not _NAME.fullmatch(name):
        raise ValueError(name)
    return name


def _text_or_none(text: str | None) -> str | None:
    if text is not None and not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - it is any JSON
        raise TypeError(text)
    return text


def _bytes_of(digits: str, length: int) -> bytes:
    made = bytes.fromhex(digits)
    if len(made) != length:
        raise ValueError(digits)
    return made


def _number_of(number: int) -> int:
    if type(number) is not int or not 0 <= number <= _MOST:
        raise ValueError(number)
    return number
