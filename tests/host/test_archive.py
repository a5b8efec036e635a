"""The archive: what is filed stays as it was filed, and no crash or full disk loses a byte."""

from __future__ import annotations

import json
import resource
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from crashes import Killed, Killer
from dewarlog.archive import Archive, default_root
from dewarlog.errors import ArchiveDamaged, ArchiveError, ArchiveLocked, DiskFull, ExitCode
from dewarlog.pull import FiledLog, PullOptions, pull
from dewarlog_wire import layout
from memory_board import DEVICE_ID, LOG_ID, Clock, MemoryLink, MemoryStore, StoredRun, make_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FOLDER = f"{DEVICE_ID.hex()}/00000007-{LOG_ID.hex()}"
NAME = f"00000007-{LOG_ID.hex()}.dwl"


def store_of(blocks: int, *, closed: bool = False, length: int = 900) -> MemoryStore:
    """Return a board whose run 7 has so many blocks in segments of a few kilobytes."""
    return MemoryStore({7: StoredRun(make_log(7, [length] * blocks, 5000), closed=closed)})


def pull_into(root: Path, store: MemoryStore, link: MemoryLink | None = None) -> FiledLog:
    """Pull run 7; return what was filed."""
    link = link or MemoryLink(store, Clock())
    return pull(link, Archive(root), PullOptions(utc_s=lambda: 0), clock=link.clock).logs[0]


# --- the folders ---------------------------------------------------------------------------------
def test_a_pull_leaves_the_log_its_segments_and_a_manifest(tmp_path: Path) -> None:
    """One folder a board, one a run; growing segments stay parts."""
    store = store_of(12)

    pull_into(tmp_path, store)

    folder = tmp_path / FOLDER
    assert sorted(path.name for path in folder.iterdir()) == [NAME, "manifest.json", "segments"]
    assert sorted(path.name for path in (folder / "segments").iterdir()) == [
        "0000.json",
        "0000.seg",
        "0001.json",
        "0001.seg",
        "0002.json",
        "0002.seg.part",
    ]


def test_what_is_filed_is_read_only(tmp_path: Path) -> None:
    """A slip of the hand does not change evidence."""
    filed = pull_into(tmp_path, store_of(12))

    modes = {stat.S_IMODE(path.stat().st_mode) for path in filed.path.parent.rglob("*.seg")}
    assert modes | {stat.S_IMODE(filed.path.stat().st_mode)} == {0o444}


def test_the_manifest_says_what_was_filed(tmp_path: Path) -> None:
    """Size, hash and chain of the log, and when."""
    link = MemoryLink(store_of(3), Clock())
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)

    filed = pull(link, Archive(tmp_path, now=lambda: noon), clock=link.clock).logs[0]

    manifest = json.loads((tmp_path / FOLDER / "manifest.json").read_text())
    assert manifest == {
        "format": 1,
        "device": DEVICE_ID.hex(),
        "run": 7,
        "log_id": LOG_ID.hex(),
        "file": NAME,
        "bytes": filed.path.stat().st_size,
        "sha256": filed.sha256.hex(),
        "blocks": 3,
        "chain": filed.chain.hex(),
        "problem": None,
        "superseded": [],
        "proven": False,
        "proven_by": None,
        "asked": [],
        "filed_utc": "2026-03-01T12:00:00+00:00",
    }


def test_filed_logs_can_be_listed(tmp_path: Path) -> None:
    """`filed` reads back what pull returned."""
    filed = pull_into(tmp_path, store_of(12))

    listed = list(Archive(tmp_path).filed())

    assert [(log.path, log.sha256, log.blocks) for log in listed] == [
        (filed.path, filed.sha256, filed.blocks)
    ]


def test_an_archive_without_a_folder_is_empty(tmp_path: Path) -> None:
    """Nothing is made before something is written."""
    root = tmp_path / "none"

    assert list(Archive(root).filed()) == []
    assert not root.exists()


def test_the_archive_has_a_place_of_its_own() -> None:
    """Unless a folder is named."""
    assert default_root().parts[-2:] == ("dewarlog", "archive")


def test_two_pulls_of_one_board_do_not_write_at_once(tmp_path: Path) -> None:
    """The second one says so; after the first has ended, it goes."""
    archive = Archive(tmp_path)

    with archive.lock(DEVICE_ID), pytest.raises(ArchiveLocked), archive.lock(DEVICE_ID):
        pass
    with archive.lock(DEVICE_ID):
        pass


# --- damage on this computer ---------------------------------------------------------------------
def change(path: Path, edit: Callable[[bytes], bytes]) -> None:
    """Change a file, read-only or not."""
    path.chmod(0o644)
    path.write_bytes(edit(path.read_bytes()))


def flip(data: bytes) -> bytes:
    """Change one bit."""
    return data[:50] + bytes((data[50] ^ 1,)) + data[51:]


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        (NAME, flip),
        (NAME, lambda data: data[:-1]),
        (NAME, lambda data: b""),
        ("segments/0000.seg", flip),
        ("segments/0000.seg", lambda data: data[:-1]),
        ("segments/0000.json", lambda data: b"{"),
        ("manifest.json", lambda data: b"[]"),
        ("manifest.json", lambda data: data.replace(b'"run"', b'"ran"')),
    ],
)
def test_damage_to_what_is_filed_is_named_and_left_as_it_is(
    tmp_path: Path, name: str, edit: Callable[[bytes], bytes]
) -> None:
    """ArchiveDamaged: the file stays, as evidence, and no log is filed over it."""
    pull_into(tmp_path, store_of(8))
    path = tmp_path / FOLDER / name
    change(path, edit)
    damaged = path.read_bytes()

    with pytest.raises(ArchiveDamaged) as caught:
        pull_into(tmp_path, store_of(12))

    assert caught.value.path.name == path.name or path.suffix == ".json"
    assert caught.value.exit_code == ExitCode.NOT_INTACT
    assert path.read_bytes() == damaged


def test_a_filed_log_that_is_gone_is_named(tmp_path: Path) -> None:
    """The manifest remembers it."""
    filed = pull_into(tmp_path, store_of(8))
    filed.path.unlink()

    with pytest.raises(ArchiveDamaged, match="it is gone"):
        pull_into(tmp_path, store_of(12))


def test_a_part_damaged_here_is_set_aside_and_pulled_again(tmp_path: Path) -> None:
    """What was not filed yet can be had again from the board."""
    store = store_of(7)
    before = pull_into(tmp_path, store)
    assert before.problem is None
    change(tmp_path / FOLDER / "segments" / "0001.seg.part", flip)

    after = pull_into(tmp_path, store_of(9))

    assert after.path.read_bytes() == store_of(9).log_bytes(7)
    assert len(list((tmp_path / FOLDER / "aside").iterdir())) == 1


def test_a_part_longer_than_its_note_is_taken_up_whole(tmp_path: Path) -> None:
    """A program that was killed had written more than it noted: those bytes count."""
    store = store_of(12, closed=True)
    pull_into(tmp_path / "other", store)
    segments = tmp_path / FOLDER / "segments"
    segments.mkdir(parents=True)
    (segments / "0001.seg.part").write_bytes(store.runs[7].segments[1][:3000])
    link = MemoryLink(store, Clock())

    filed = pull_into(tmp_path, store, link)

    assert filed.path.read_bytes() == store.log_bytes(7)
    assert sum(length for _, length in link.data) == len(store.log_bytes(7)) - 3000


# --- a full disk ---------------------------------------------------------------------------------
@pytest.fixture
def file_size_limit() -> Iterator[Callable[[int], None]]:
    """Let the operating system refuse files over a size, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("limit", [0, 100, 2000, 4096, 4800, 5000, 9000])
def test_a_full_disk_loses_nothing_and_no_byte_is_sent_twice(
    tmp_path: Path, file_size_limit: Callable[[int], None], limit: int
) -> None:
    """DiskFull, on whatever write it falls; with room again the pull goes on where it stopped."""
    store = store_of(12)
    first = MemoryLink(store, Clock())
    file_size_limit(limit)
    with pytest.raises(DiskFull) as caught:
        pull_into(tmp_path, store, first)
    file_size_limit(resource.RLIM_INFINITY)
    second = MemoryLink(store, Clock())

    filed = pull_into(tmp_path, store, second)

    assert first.kinds_sent[-1] == layout.MSG_ABORT
    assert "Nothing is lost" in str(caught.value)
    assert caught.value.exit_code == ExitCode.STORAGE
    assert filed.path.read_bytes() == store.log_bytes(7)
    held = sum(length for _, length in first.data + second.data)
    # The frame the disk had no room for came for nothing: of it, what fitted counts.
    assert held - len(store.log_bytes(7)) <= 4096


def test_a_folder_that_cannot_be_written_is_an_error_of_the_archive(tmp_path: Path) -> None:
    """A file stands where the archive should be."""
    root = tmp_path / "archive"
    root.write_bytes(b"")

    with pytest.raises(ArchiveError, match="cannot be read or written"):
        pull_into(root, store_of(3))


# --- a crash of this program ---------------------------------------------------------------------
@pytest.mark.parametrize("grown_from", [0, 7, -7])
def test_a_crash_at_any_step_of_filing_is_healed_by_the_next_pull(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grown_from: int
) -> None:
    """First pull, growth, or another log of the same name (then both must survive)."""
    store = store_of(12)
    killer = Killer(monkeypatch)

    def prepare(root: Path) -> bytes:
        if not grown_from:
            return b""
        length = 900 if grown_from > 0 else 901
        return pull_into(root, store_of(abs(grown_from), length=length)).path.read_bytes()

    prepare(tmp_path / "plain")
    killer.count = 0
    pull_into(tmp_path / "plain", store)
    steps = killer.count
    wrong: list[tuple[int, str]] = []

    for step in range(steps):
        root = tmp_path / str(step)
        before = prepare(root)
        killer.left = step
        with pytest.raises(Killed):
            pull_into(root, store)
        killer.left = -1
        filed = pull_into(root, store)
        if filed.path.read_bytes() != store.log_bytes(7):
            wrong.append((step, "other bytes"))
        kept = [path.read_bytes() for path in root.rglob("*.dwl")]
        if not any(data.startswith(before) for data in kept):
            wrong.append((step, "the log filed before is gone"))

    assert steps > 30
    assert wrong == []
