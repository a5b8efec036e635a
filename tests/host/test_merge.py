"""Two archives become one: longer where they agree, tampering named where they do not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from crashes import Killed, Killer
from dewarlog import cli
from dewarlog.archive import Archive
from dewarlog.errors import ArchiveLocked, ExitCode, NothingToMerge
from dewarlog.merge import MergedLog, merge
from dewarlog.pull import FiledLog, PullOptions, pull
from memory_board import DEVICE_ID, Clock, MemoryLink, MemoryStore, StoredRun, make_log

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the test machine's disk."""
    monkeypatch.setattr("os.fsync", lambda handle: None)


def store_of(
    lengths: Sequence[int], *, closed: bool = False, journal: bytes | None = None, first: int = 0
) -> MemoryStore:
    """Return a board whose run 7 has blocks of these lengths, in segments of a few kilobytes."""
    segments = make_log(7, lengths, 5000)[first:]
    run = StoredRun(segments, closed=closed, journal=journal, first_segment=first)
    return MemoryStore({7: run}, full=journal is not None)


def pulled(root: Path, store: MemoryStore) -> FiledLog:
    """Pull run 7 into an archive; return the log filed."""
    link = MemoryLink(store, Clock())
    return pull(link, Archive(root), PullOptions(utc_s=lambda: 0), clock=link.clock).logs[0]


def merged(ours: Path, theirs: Path) -> MergedLog:
    """Merge one log."""
    (log,) = merge(Archive(ours), Archive(theirs))
    return log


def content(log: MergedLog) -> bytes:
    """Return the bytes of the log as it now stands."""
    assert log.filed is not None
    return log.filed.path.read_bytes()


SAME = [900] * 17


@pytest.mark.parametrize("closed", [False, True], ids=["growing", "closed"])
@pytest.mark.parametrize(("ours", "theirs"), [(0, 17), (1, 17), (7, 12), (12, 7), (17, 1), (9, 9)])
def test_of_two_copies_that_agree_the_longer_wins(
    tmp_path: Path, ours: int, theirs: int, *, closed: bool
) -> None:
    """Whichever of the two it is; what was here before is the beginning of what is here now."""
    longest = max(ours, theirs)
    for name, blocks in (("ours", ours), ("theirs", theirs)):
        if blocks:
            store = store_of(SAME[:blocks], closed=closed and blocks == longest)
            pulled(tmp_path / name, store)

    log = merged(tmp_path / "ours", tmp_path / "theirs")

    assert content(log) == store_of(SAME[:longest]).log_bytes(7)
    assert (log.disagrees, log.damage) == (None, None)
    assert log.filed is not None
    assert log.filed.blocks == longest
    assert log.filed.superseded == ()


@pytest.mark.parametrize("block", [0, 3, 8, 11])
def test_copies_that_disagree_are_both_kept_and_the_first_block_is_named(
    tmp_path: Path, block: int
) -> None:
    """Both chains are whole, and yet one of the two is not what the logger recorded."""
    forged = [*SAME[:block], 901, *SAME[block + 1 : 12]]
    ours = pulled(tmp_path / "ours", store_of(SAME[:12]))
    theirs = pulled(tmp_path / "theirs", store_of(forged))

    log = merged(tmp_path / "ours", tmp_path / "theirs")

    assert log.disagrees is not None
    assert (log.disagrees.block, log.disagrees.path) == (block, ours.path)
    assert content(log) == theirs.path.read_bytes()
    assert ours.path.read_bytes() == store_of(SAME[:12]).log_bytes(7)


def test_a_merge_done_twice_says_the_same_and_adds_nothing(tmp_path: Path) -> None:
    """Tampering is reported as long as both copies are there."""
    pulled(tmp_path / "ours", store_of(SAME[:12]))
    pulled(tmp_path / "theirs", store_of([900, 901, 900]))
    first = merged(tmp_path / "ours", tmp_path / "theirs")
    held = sorted((tmp_path / "ours").rglob("*"))

    second = merged(tmp_path / "ours", tmp_path / "theirs")

    assert (second.disagrees, sorted((tmp_path / "ours").rglob("*"))) == (first.disagrees, held)


@pytest.mark.parametrize("longer", ["ours", "theirs"])
def test_a_closed_log_that_the_other_copy_goes_on_from_is_tampering(
    tmp_path: Path, longer: str
) -> None:
    """The logger said that the file ended there."""
    shorter = "theirs" if longer == "ours" else "ours"
    pulled(tmp_path / longer, store_of(SAME[:8]))
    pulled(tmp_path / shorter, store_of(SAME[:7], closed=True))

    log = merged(tmp_path / "ours", tmp_path / "theirs")

    assert log.disagrees is not None
    assert log.disagrees.block == 7


def test_parts_that_do_not_follow_each_other_are_tampering(tmp_path: Path) -> None:
    """No block is in both, but the chain of the one does not lead to the other."""
    pulled(tmp_path / "ours", store_of(SAME[:5]))
    pulled(tmp_path / "theirs", store_of([901] * 12, first=1))

    log = merged(tmp_path / "ours", tmp_path / "theirs")

    assert log.disagrees is not None
    assert log.disagrees.block == 5


def test_what_the_board_overwrote_for_one_comes_from_the_other(tmp_path: Path) -> None:
    """The beginning is here, the end there: the log is whole again."""
    pulled(tmp_path / "ours", store_of(SAME[:9]))
    pulled(tmp_path / "theirs", store_of(SAME, first=1))

    log = merged(tmp_path / "ours", tmp_path / "theirs")

    assert content(log) == store_of(SAME).log_bytes(7)


@pytest.mark.parametrize(
    ("ours", "theirs", "ends"),
    [
        (b"begun", b"begun, went on", b"begun, went on"),
        (b"begun, went on", b"begun", b"begun, went on"),
        (b"one thing", b"another", b"one thing"),
        (None, b"new", b"new"),
        (b"old", None, b"old"),
    ],
)
def test_of_two_open_journals_behind_the_same_blocks_the_longer_wins(
    tmp_path: Path, ours: bytes | None, theirs: bytes | None, ends: bytes
) -> None:
    """What is not sealed proves nothing either way: it is never tampering."""
    pulled(tmp_path / "ours", store_of(SAME[:7], journal=ours))
    pulled(tmp_path / "theirs", store_of(SAME[:7], journal=theirs))

    log = merged(tmp_path / "ours", tmp_path / "theirs")

    assert content(log) == store_of(SAME[:7]).log_bytes(7) + ends
    assert log.disagrees is None


def test_a_journal_gives_way_to_the_block_it_became(tmp_path: Path) -> None:
    """The longer log has sealed it; the shorter one, journal and all, is kept beside."""
    before = pulled(tmp_path / "ours", store_of(SAME[:7], journal=b"open")).path.read_bytes()
    pulled(tmp_path / "theirs", store_of(SAME[:8]))

    log = merged(tmp_path / "ours", tmp_path / "theirs")

    assert content(log) == store_of(SAME[:8]).log_bytes(7)
    assert log.filed is not None
    assert [path.read_bytes() for path in log.filed.superseded] == [before]
    assert log.disagrees is None


def test_every_log_and_receipt_of_the_other_comes_along(tmp_path: Path) -> None:
    """Runs this archive never saw, and receipts; one of the same name with other words beside."""
    ours = pulled(tmp_path / "ours", store_of(SAME[:3]))
    theirs = pulled(tmp_path / "theirs", store_of(SAME[:5]))
    link = MemoryLink(MemoryStore({9: StoredRun(make_log(9, [400] * 4))}), Clock())
    pull(link, Archive(tmp_path / "theirs"), clock=link.clock)
    for number, text in ((4, b"four"), (5, b"five")):
        theirs.path.with_name(f"{theirs.path.stem}.handoff-{number}.json").write_bytes(text)
    ours.path.with_name(f"{ours.path.stem}.handoff-5.json").write_bytes(b"another five")

    logs = merge(Archive(tmp_path / "ours"), Archive(tmp_path / "theirs"))

    assert [(log.filed and log.filed.run, log.receipts) for log in logs] == [(7, 2), (9, 0)]
    texts = sorted(path.read_bytes() for path in ours.path.parent.glob("*.handoff-*"))
    assert texts == [b"another five", b"five", b"four"]
    assert merged_receipts(tmp_path) == 0


def merged_receipts(tmp_path: Path) -> int:
    """Merge once more; return the receipts that came."""
    return sum(
        log.receipts for log in merge(Archive(tmp_path / "ours"), Archive(tmp_path / "theirs"))
    )


@pytest.mark.parametrize("name", ["segments/0000.seg", "manifest.json"])
def test_a_damaged_log_of_the_other_is_left_where_it_is(tmp_path: Path, name: str) -> None:
    """It is named, the next one is merged, and the exit code says that something is not intact."""
    theirs = pulled(tmp_path / "theirs", store_of(SAME[:7]))
    link = MemoryLink(MemoryStore({9: StoredRun(make_log(9, [400] * 4))}), Clock())
    pull(link, Archive(tmp_path / "theirs"), clock=link.clock)
    place = theirs.path.parent / name
    place.chmod(0o644)
    place.write_bytes(b"x" + place.read_bytes()[1:])

    folders = ("--archive", str(tmp_path / "ours"), "--merge", str(tmp_path / "theirs"))
    result = CliRunner().invoke(cli.app, ["archive", *folders, "--json"])

    damaged, sound = json.loads(result.stdout)["merged"]
    assert result.exit_code == ExitCode.NOT_INTACT
    assert "not what was filed" in damaged["damage"]
    assert (damaged["log"], sound["log"]["run"], sound["damage"]) == (None, 9, None)


def test_tampering_is_told_in_words_with_logger_run_and_block(tmp_path: Path) -> None:
    """So that somebody knows whom to call about what."""
    pulled(tmp_path / "ours", store_of(SAME[:12]))
    pulled(tmp_path / "theirs", store_of([*SAME[:6], 901]))

    folders = ("--archive", str(tmp_path / "ours"), "--merge", str(tmp_path / "theirs"))
    result = CliRunner().invoke(cli.app, ["archive", *folders])

    assert result.exit_code == ExitCode.NOT_INTACT
    assert f"TAMPERING: logger {DEVICE_ID.hex()}, run 7: block 6 is not the one" in result.stderr


def test_nothing_to_merge_is_said(tmp_path: Path) -> None:
    """An empty folder, or the archive itself."""
    pulled(tmp_path / "ours", store_of(SAME[:3]))
    (tmp_path / "empty").mkdir()

    with pytest.raises(NothingToMerge, match="no log is in it"):
        merge(Archive(tmp_path / "ours"), Archive(tmp_path / "empty"))
    with pytest.raises(NothingToMerge, match="this archive itself"):
        merge(Archive(tmp_path / "ours"), Archive(tmp_path / "ours"))


def test_a_merge_waits_for_no_pull(tmp_path: Path) -> None:
    """Another program writes to the same logger's folder: it says so."""
    pulled(tmp_path / "theirs", store_of(SAME[:3]))

    with Archive(tmp_path / "ours").lock(DEVICE_ID), pytest.raises(ArchiveLocked):
        merged(tmp_path / "ours", tmp_path / "theirs")


def damaged(store: MemoryStore, block: int) -> MemoryStore:
    """Flip a bit of one block on the board itself."""
    run = store.runs[7]
    size = len(make_log(7, [900])[0])
    at, rest = divmod(block, 5000 // size)
    data = bytearray(run.segments[at])
    data[rest * size + 100] ^= 1
    run.segments[at] = bytes(data)
    return store


def test_copies_with_the_same_damage_agree(tmp_path: Path) -> None:
    """Damaged on the board itself: both hold the same bytes, and the longer wins."""
    pulled(tmp_path / "ours", damaged(store_of(SAME[:7]), 3))
    pulled(tmp_path / "theirs", damaged(store_of(SAME), 3))

    log = merged(tmp_path / "ours", tmp_path / "theirs")

    assert log.disagrees is None
    assert content(log) == damaged(store_of(SAME), 3).log_bytes(7)
    assert log.filed is not None
    assert log.filed.problem is not None


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_damage_in_one_copy_only_is_a_block_on_which_they_disagree(
    tmp_path: Path, whose: str
) -> None:
    """Whatever became of it: one of the two is not what the logger recorded."""
    pulled(tmp_path / whose, damaged(store_of(SAME), 8))
    pulled(tmp_path / ("theirs" if whose == "ours" else "ours"), store_of(SAME))

    log = merged(tmp_path / "ours", tmp_path / "theirs")

    assert log.disagrees is not None
    assert log.disagrees.block == 8


def test_two_versions_there_find_their_places_here(tmp_path: Path) -> None:
    """The other courier had met tampering already: both its copies come, and both are named."""
    pulled(tmp_path / "theirs", store_of(SAME[:12]))
    pulled(tmp_path / "theirs", store_of([*SAME[:2], 901, *SAME[3:12]]))
    ours = pulled(tmp_path / "ours", store_of([*SAME[:2], 901, *SAME[3:]]))

    logs = merge(Archive(tmp_path / "ours"), Archive(tmp_path / "theirs"))

    assert [log.disagrees and log.disagrees.block for log in logs] == [2, 2]
    assert len(list((tmp_path / "ours").rglob("*.dwl"))) == 2
    assert ours.path.read_bytes() == store_of([*SAME[:2], 901, *SAME[3:]]).log_bytes(7)


# --- what comes after ----------------------------------------------------------------------------
def test_the_next_pull_goes_on_behind_what_was_merged(tmp_path: Path) -> None:
    """No byte that came from the other courier is sent again."""
    pulled(tmp_path / "theirs", store_of(SAME[:12]))
    merged(tmp_path / "ours", tmp_path / "theirs")
    store = store_of(SAME)
    link = MemoryLink(store, Clock())

    result = pull(link, Archive(tmp_path / "ours"), PullOptions(utc_s=lambda: 0), clock=link.clock)

    assert result.logs[0].path.read_bytes() == store.log_bytes(7)
    assert result.logs[0].disagrees is None
    assert result.received_bytes == len(store.log_bytes(7)) - len(store_of(SAME[:12]).log_bytes(7))


@pytest.mark.parametrize("block", [0, 11], ids=["in a sealed file", "in the growing file"])
def test_the_next_pull_finds_out_a_forged_copy(tmp_path: Path, block: int) -> None:
    """Bytes of another computer are held against the board's own hash."""
    forged = [*SAME[:block], 901, *SAME[block + 1 : 12]]
    pulled(tmp_path / "theirs", store_of(forged))
    merged(tmp_path / "ours", tmp_path / "theirs")

    log = pulled(tmp_path / "ours", store_of(SAME))

    assert log.path.read_bytes() == store_of(SAME).log_bytes(7)
    assert log.disagrees is not None
    assert log.disagrees.block == block


def test_a_pull_that_disagrees_with_the_archive_is_tampering_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named with its block, in words and as data, and the exit code says it; again and again."""
    pulled(tmp_path, store_of(SAME[:12]))
    store = store_of([*SAME[:2], 901, *SAME[3:12]])
    monkeypatch.setattr("dewarlog.link.open_link", lambda _: MemoryLink(store, Clock()))
    command = ["pull", "usb:x", "--archive", str(tmp_path)]

    words = CliRunner().invoke(cli.app, command)
    data = CliRunner().invoke(cli.app, [*command, "--json"])

    assert (words.exit_code, data.exit_code) == (ExitCode.NOT_INTACT, ExitCode.NOT_INTACT)
    assert "TAMPERING" in words.stderr
    assert json.loads(data.stdout)["logs"][0]["tampering"]["block"] == 2


# --- crashes -------------------------------------------------------------------------------------
@pytest.mark.parametrize("lengths", [SAME, [901, *SAME[:9]]], ids=["agree", "disagree"])
def test_a_crash_at_any_step_is_healed_by_the_next_merge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lengths: list[int]
) -> None:
    """Never half a log: what was filed stays, and the second run ends as one without a crash."""
    theirs = pulled(tmp_path / "theirs", store_of(lengths))
    theirs.path.with_name(f"{theirs.path.stem}.handoff-4.json").write_bytes(b"{}")
    before = store_of(SAME[:7]).log_bytes(7)
    killer = Killer(monkeypatch)
    pulled(tmp_path / "plain", store_of(SAME[:7]))
    killer.count = 0
    merged(tmp_path / "plain", tmp_path / "theirs")
    steps = killer.count
    wrong: list[tuple[int, str]] = []

    for step in range(steps):
        root = tmp_path / str(step)
        pulled(root, store_of(SAME[:7]))
        killer.left = step
        with pytest.raises(Killed):
            merged(root, tmp_path / "theirs")
        killer.left = -1
        whole = [path.read_bytes() for path in root.rglob("*.dwl")]
        if not any(data.startswith(before) for data in whole):
            wrong.append((step, "the log filed before is gone"))
        log = merged(root, tmp_path / "theirs")
        if content(log) != store_of(lengths).log_bytes(7):
            wrong.append((step, "other bytes"))
        if len(list(root.rglob("*.handoff-4.json"))) != 1:
            wrong.append((step, "no receipt"))

    assert steps > 20
    assert wrong == []
