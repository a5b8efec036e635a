"""Pull, over the board's real server and framing in memory: equal bytes or a clear error."""

from __future__ import annotations

import tempfile
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dewarlog.archive import Archive
from dewarlog.errors import Changed, DewarlogError, HashMismatch, Incomplete, Unplugged
from dewarlog.proven import Credential
from dewarlog.pull import Progress, PullOptions, PullResult, pull
from dewarlog_wire import layout, proof
from memory_board import (
    DEVICE_KEY,
    LOG_ID,
    Clock,
    MemoryLink,
    MemoryStore,
    StoredRun,
    by_radio,
    make_log,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NOISE = b'Traceback (most recent call last):\r\n  File "main.py"\r\n'


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the test machine's disk: no test here is about what survives a crash of it."""
    monkeypatch.setattr("os.fsync", lambda handle: None)


def pull_now(link: MemoryLink, root: Path, **options: bool | int) -> PullResult:
    """Pull everything into an archive at `root`, at a fixed time."""
    chosen = PullOptions(utc_s=lambda: 1_000_000, **options)  # type: ignore[arg-type]
    return pull(link, Archive(root), chosen, clock=link.clock)


def small_store() -> MemoryStore:
    """Return a board with one run: two sealed segments and one still growing."""
    return MemoryStore({7: StoredRun(make_log(7, [900] * 30, 12000), closed=False)})


def cut_before(frame: int) -> Callable[[str, int, bytes], bytes]:
    """Return a line that is pulled out just before the board's frame of that number arrives."""

    def fault(direction: str, index: int, wire: bytes) -> bytes:
        if direction == "out" and index >= frame:
            raise Unplugged("usb:memory", "cut by the test")
        return wire

    return fault


# --- what a pull brings --------------------------------------------------------------------------
def test_a_pull_files_the_log_byte_for_byte_and_confirms_it(tmp_path: Path) -> None:
    """Several segments arrive as the board holds them, and the board learns that they did."""
    store = MemoryStore({1: StoredRun(make_log(1, [9000] * 9, 20000))})

    result = pull_now(MemoryLink(store, Clock()), tmp_path)

    assert [log.path.read_bytes() for log in result.logs] == [store.log_bytes(1)]
    assert store.runs[1].confirmed_blocks == 9


def test_a_second_pull_of_the_same_log_sends_no_payload(tmp_path: Path) -> None:
    """What is held is not asked for again."""
    store = small_store()
    pull_now(MemoryLink(store, Clock()), tmp_path)
    again = MemoryLink(store, Clock())

    result = pull_now(again, tmp_path)

    assert (again.data, result.received_bytes) == ([], 0)
    assert result.logs[0].path.read_bytes() == store.log_bytes(7)


def test_a_log_that_grew_is_extended_by_what_is_new(tmp_path: Path) -> None:
    """The growing segment goes on where it ended; the filed log keeps its beginning."""
    store = small_store()
    whole = store.runs[7].segments
    store.runs[7].segments = [whole[0], make_log(7, [900] * 17, 12000)[1]]
    first = pull_now(MemoryLink(store, Clock()), tmp_path).logs[0]
    before = first.path.read_bytes()
    store.runs[7].segments = whole

    second = pull_now(MemoryLink(store, Clock()), tmp_path).logs[0]

    assert second.path.read_bytes() == store.log_bytes(7)
    assert second.path.read_bytes().startswith(before)
    assert second.new_bytes == len(store.log_bytes(7)) - len(before)
    assert second.superseded == ()


def test_every_run_on_the_board_is_pulled(tmp_path: Path) -> None:
    """Runs are told apart by number and log id."""
    store = MemoryStore({n: StoredRun(make_log(n, [400] * n)) for n in (3, 4, 9)})

    result = pull_now(MemoryLink(store, Clock()), tmp_path)

    assert [log.run for log in result.logs] == [3, 4, 9]
    assert all(log.path.read_bytes() == store.log_bytes(log.run) for log in result.logs)


def test_one_run_can_be_chosen(tmp_path: Path) -> None:
    """`only_run` leaves the others on the board."""
    store = MemoryStore({n: StoredRun(make_log(n, [400] * n)) for n in (3, 4)})

    result = pull_now(MemoryLink(store, Clock()), tmp_path, only_run=4)

    assert [log.run for log in result.logs] == [4]


def test_a_board_without_a_log_gives_an_empty_result(tmp_path: Path) -> None:
    """Nothing to pull is no error."""
    result = pull_now(MemoryLink(MemoryStore({}), Clock()), tmp_path)

    assert result.logs == ()


def test_the_journal_is_pulled_when_the_board_cannot_seal_it(tmp_path: Path) -> None:
    """A full flash refuses SEAL: the open journal's bytes follow the segments."""
    store = small_store()
    store.runs[7].journal = b"journal bytes, as they are"
    store.full = True

    result = pull_now(MemoryLink(store, Clock()), tmp_path)

    assert result.logs[0].path.read_bytes() == store.log_bytes(7) + store.runs[7].journal
    assert result.not_sealed is not None
    assert "memory full" in result.not_sealed


def test_the_journal_is_left_when_the_board_has_sealed_it(tmp_path: Path) -> None:
    """After SEAL its samples stand in a block."""
    store = small_store()
    store.runs[7].journal = b"only the engine's state"

    result = pull_now(MemoryLink(store, Clock()), tmp_path)

    assert result.logs[0].path.read_bytes() == store.log_bytes(7)


def test_a_board_that_overwrote_old_segments_gives_what_it_still_has(tmp_path: Path) -> None:
    """Segments given up since the last pull stay in the archive; the rest is added."""
    store = MemoryStore({7: StoredRun(make_log(7, [900] * 30, 6000))})
    whole = store.log_bytes(7)
    pull_now(MemoryLink(store, Clock()), tmp_path)
    store.runs[7].segments = store.runs[7].segments[2:]
    store.runs[7].first_segment = 2

    result = pull_now(MemoryLink(store, Clock()), tmp_path)

    assert result.logs[0].path.read_bytes() == whole


def test_the_clock_is_set_only_when_asked(tmp_path: Path) -> None:
    """TIME changes the board: it is the caller's decision."""
    store = small_store()
    silent, asked = MemoryLink(store, Clock()), MemoryLink(store, Clock())

    pull_now(silent, tmp_path)
    pull(asked, Archive(tmp_path), PullOptions(set_time=lambda: (9, 8, 7)), clock=asked.clock)

    assert (silent.device.time_set, asked.device.time_set) == (None, (9, 8, 7))


@pytest.mark.parametrize("paired", [False, True])
def test_over_the_air_the_clock_is_set_with_the_courier_key_only(
    tmp_path: Path, *, paired: bool
) -> None:
    """Without it the log is pulled all the same, and the clock is a note."""
    link = MemoryLink(small_store(), Clock())
    by_radio(link)
    secret = proof.derived_key(DEVICE_KEY, layout.KEY_COURIER)
    courier = Credential(layout.KEY_COURIER, secret, b"", "courier key")
    options = PullOptions(
        set_time=lambda: (9, 8, 7), credentials=lambda _: courier if paired else None
    )

    result = pull(link, Archive(tmp_path), options, clock=link.clock)

    assert result.logs[0].problem is None
    refused = (
        "the logger's clock was not set: over the air this takes a proof by the courier or admin "
        "key"
    )
    told = (link.device.time_set, result.clock_not_set)
    assert told == (((9, 8, 7), None) if paired else (None, refused))


def test_a_refused_confirm_leaves_the_log_filed(tmp_path: Path) -> None:
    """The bytes are here and whole; that the board does not believe it is said, not raised."""
    store = small_store()
    store.confirm = lambda *_: False  # type: ignore[method-assign]

    result = pull_now(MemoryLink(store, Clock()), tmp_path)

    assert result.logs[0].path.read_bytes() == store.log_bytes(7)
    assert "not allowed" in (result.not_confirmed or "")


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    """The last report says that everything came."""
    seen: list[Progress] = []
    link = MemoryLink(small_store(), Clock())

    pull(link, Archive(tmp_path), progress=seen.append, clock=link.clock)

    total = len(small_store().log_bytes(7))
    assert (seen[0].done_bytes, seen[0].total_bytes) == (0, total)
    assert (seen[-1].done_bytes, seen[-1].total_bytes) == (total, total)


# --- cuts ----------------------------------------------------------------------------------------
def test_a_cut_at_every_frame_sends_no_byte_twice(tmp_path: Path) -> None:
    """Whatever arrived before the cut is not sent again, and the log comes out whole."""
    store = small_store()
    plain = MemoryLink(store, Clock())
    pull_now(plain, tmp_path / "plain")
    wrong: list[object] = []

    for frame in range(plain.sent_out):
        root = tmp_path / str(frame)
        first = MemoryLink(store, Clock(), cut_before(frame))
        with pytest.raises(Unplugged):
            pull_now(first, root)
        second = MemoryLink(store, Clock())
        result = pull_now(second, root)
        arrived = sum(length for _, length in first.data + second.data)
        if arrived != len(store.log_bytes(7)):
            wrong.append((frame, arrived))
        if result.logs[0].path.read_bytes() != store.log_bytes(7):
            wrong.append((frame, "other bytes"))

    assert plain.sent_out > 15
    assert wrong == []


def test_a_log_that_grew_while_the_line_was_cut_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Resume and growth together: still no byte twice."""
    store = small_store()
    whole = store.runs[7].segments
    store.runs[7].segments = [*whole[:2], whole[2][: len(make_log(7, [900] * 3)[0])]]
    first = MemoryLink(store, Clock(), cut_before(8))
    with pytest.raises(Unplugged):
        pull_now(first, tmp_path)
    store.runs[7].segments = whole
    second = MemoryLink(store, Clock())

    result = pull_now(second, tmp_path)

    assert sum(length for _, length in first.data + second.data) == len(b"".join(whole))
    assert result.logs[0].path.read_bytes() == b"".join(whole)


# --- a bad line ----------------------------------------------------------------------------------
def faulty(
    kinds: dict[int, str], seed: int = 0, direction: str = "out"
) -> Callable[[str, int, bytes], bytes]:
    """Return a line that does `kinds[n]` to the n-th frame of one direction."""

    def fault(where: str, index: int, wire: bytes) -> bytes:
        kind = kinds.get(index) if where == direction else None
        if kind == "drop":
            return b""
        if kind == "flip":
            at = (seed * 7919 + index * 104729) % len(wire)
            return wire[:at] + bytes((wire[at] ^ (1 << seed % 8),)) + wire[at + 1 :]
        if kind == "twice":
            return wire + wire
        if kind == "noise":
            return NOISE + wire + NOISE
        if kind == "torn":
            return wire[: len(wire) // 2]
        return wire

    return fault


@pytest.mark.parametrize("kind", ["drop", "flip", "twice", "noise", "torn"])
@pytest.mark.parametrize("direction", ["out", "in"])
def test_one_fault_at_any_frame_costs_time_and_nothing_else(
    tmp_path: Path, kind: str, direction: str
) -> None:
    """Lost, damaged, repeated and interrupted frames are all survived, wherever they fall."""
    store = small_store()
    plain = MemoryLink(store, Clock())
    pull_now(plain, tmp_path / "plain")
    frames = plain.sent_out if direction == "out" else plain.sent_in
    wrong: list[int] = []

    for frame in range(frames):
        link = MemoryLink(store, Clock(), faulty({frame: kind}, frame, direction))
        result = pull_now(link, tmp_path / str(frame))
        if result.logs[0].path.read_bytes() != store.log_bytes(7):
            wrong.append(frame)

    assert wrong == []


@settings(max_examples=40, deadline=None)
@given(
    kinds=st.dictionaries(
        st.integers(0, 60), st.sampled_from(["drop", "flip", "twice", "noise", "torn"])
    ),
    seed=st.integers(0, 1000),
    direction=st.sampled_from(["out", "in"]),
    credit=st.sampled_from([1, 500, 4096, 65536]),
    body_max=st.sampled_from([80, 236, 1000, 4096]),
)
def test_any_line_gives_the_same_bytes_or_a_clear_error(
    kinds: dict[int, str], seed: int, direction: str, credit: int, body_max: int
) -> None:
    """The one promise of a pull, whatever the line does and however small its windows."""
    store = MemoryStore({7: StoredRun(make_log(7, [300] * 9, 2000), closed=False)})
    with tempfile.TemporaryDirectory() as root:
        link = MemoryLink(
            store, Clock(), faulty(kinds, seed, direction), body_max=body_max, credit_bytes=credit
        )
        try:
            result = pull_now(link, Path(root))
        except DewarlogError as error:
            said = str(error)
        else:
            said = None
            assert result.logs[0].path.read_bytes() == store.log_bytes(7)
    assert said is None or said.endswith((".", ")"))


def test_a_file_is_complete_only_with_its_end(tmp_path: Path) -> None:
    """Every byte is here, END is lost again and again: asked for, then read anew from the end."""
    store = MemoryStore({7: StoredRun(make_log(7, [900] * 3))})
    lost: list[bytes] = []

    def lose_ends(direction: str, index: int, wire: bytes) -> bytes:
        is_end = direction == "out" and len(wire) < 30 and layout.MSG_END in wire[1:3]
        if is_end and len(lost) < 2:
            lost.append(wire)
            return b""
        return wire

    link = MemoryLink(store, Clock(), lose_ends)

    result = pull_now(link, tmp_path)

    assert result.logs[0].path.read_bytes() == store.log_bytes(7)
    assert len(lost) == 2
    assert link.kinds_sent.count(layout.MSG_READ) == 2
    assert sum(length for _, length in link.data) == len(store.log_bytes(7))


def test_a_line_that_dies_is_reported_with_what_is_held(tmp_path: Path) -> None:
    """The board falls silent: after opening the link anew in vain, the pull says how far it is."""
    store = small_store()
    silent = dict.fromkeys(range(10, 100000), "drop")
    link = MemoryLink(store, Clock(), faulty(silent))

    with pytest.raises(Incomplete) as caught:
        pull_now(link, tmp_path)

    assert 0 < caught.value.held_bytes < caught.value.wanted_bytes
    assert "run the command again" in str(caught.value)
    assert link.opens >= 1


def test_a_board_that_restarts_in_the_middle_is_greeted_again(tmp_path: Path) -> None:
    """It is silent until HELLO: the pull opens the link anew and goes on."""
    store = small_store()
    link = MemoryLink(store, Clock())

    def restart(direction: str, index: int, wire: bytes) -> bytes:
        if direction == "out" and index == 9:
            link.server.drop()
        return wire

    link.fault = restart

    result = pull_now(link, tmp_path)

    assert result.logs[0].path.read_bytes() == store.log_bytes(7)
    assert link.opens == 1


# --- a board that changes its mind ---------------------------------------------------------------
def test_a_file_that_changes_under_the_pull_is_listed_anew(tmp_path: Path) -> None:
    """The journal is sealed while it is pulled: its etag is another, the new list says so."""
    store = small_store()
    store.runs[7].journal = b"first journal"
    store.full = True

    def seal_once(direction: str, index: int, wire: bytes) -> bytes:
        if direction == "out" and index == 12:
            store.seals += 1
            store.runs[7].journal = b"the journal after sealing"
        return wire

    result = pull_now(MemoryLink(store, Clock(), seal_once), tmp_path)

    assert result.logs[0].path.read_bytes().endswith(b"the journal after sealing")


def test_a_file_that_never_holds_still_is_given_up(tmp_path: Path) -> None:
    """Changed, with everything kept, after a few lists."""
    store = small_store()
    store.runs[7].journal = b"journal"
    store.full = True
    opened = store.open

    def always_other(run: int, file: int, etag: int) -> object:
        if file == layout.FILE_JOURNAL:
            raise ValueError(etag)
        return opened(run, file, etag)

    store.open = always_other  # type: ignore[method-assign]

    with pytest.raises(Changed, match="Nothing in the archive was replaced"):
        pull_now(MemoryLink(store, Clock()), tmp_path)


def test_a_segment_that_differs_from_the_one_filed_is_filed_beside_it(tmp_path: Path) -> None:
    """Evidence is never replaced: two versions of one run, two folders."""
    store = MemoryStore({7: StoredRun(make_log(7, [900] * 30, 12000))})
    first = pull_now(MemoryLink(store, Clock()), tmp_path).logs[0]
    before = first.path.read_bytes()
    store.runs[7].segments = make_log(7, [901] * 30, 12000)

    second = pull_now(MemoryLink(store, Clock()), tmp_path).logs[0]

    assert first.path.read_bytes() == before
    assert second.path.read_bytes() == store.log_bytes(7)
    assert second.path.parent.name == first.path.parent.name + "-2"


def test_a_growing_segment_whose_beginning_changed_keeps_both_versions(tmp_path: Path) -> None:
    """The prefix check fails: what was held is set aside, the old log stays under its hash."""
    store = MemoryStore({7: StoredRun(make_log(7, [900] * 4), closed=False)})
    first = pull_now(MemoryLink(store, Clock()), tmp_path).logs[0]
    before = first.path.read_bytes()
    store.runs[7].segments = make_log(7, [902] * 6)

    second = pull_now(MemoryLink(store, Clock()), tmp_path).logs[0]

    assert second.path.read_bytes() == store.log_bytes(7)
    assert [path.read_bytes() for path in second.superseded] == [before]
    assert [path.read_bytes() for path in second.path.parent.glob("aside/*")] == [before]


def test_a_log_damaged_on_the_board_is_filed_as_it_is_and_not_confirmed(tmp_path: Path) -> None:
    """A flipped bit in flash breaks the chain: the board's hash agrees, so it is the board's."""
    store = small_store()
    damaged = bytearray(store.runs[7].segments[1])
    damaged[700] ^= 4
    store.runs[7].segments[1] = bytes(damaged)

    result = pull_now(MemoryLink(store, Clock()), tmp_path)

    assert result.logs[0].path.read_bytes() == store.log_bytes(7)
    assert "segment 1: block" in (result.logs[0].problem or "")
    assert store.runs[7].confirmed_blocks == 0


def test_bytes_that_are_not_the_boards_are_not_filed(tmp_path: Path) -> None:
    """The chain does not prove them and the board's hash denies them: set aside, said so."""
    store = small_store()
    reads = MemoryStore.open

    def bad_memory(run: int, file: int, etag: int) -> object:
        reader = reads(store, run, file, etag)
        if file == 1 and len(store.opened) < 4:
            reader.data = reader.data[:500] + b"\xff" + reader.data[501:]
        return reader

    store.open = bad_memory  # type: ignore[method-assign]

    with pytest.raises(HashMismatch, match="put aside, not filed"):
        pull_now(MemoryLink(store, Clock()), tmp_path)

    assert list(tmp_path.glob("*/*/*.dwl")) == []
    assert len(list(tmp_path.glob("*/*/aside/*"))) == 1


# --- memory --------------------------------------------------------------------------------------
def test_memory_stays_flat_however_long_the_log_is(tmp_path: Path) -> None:
    """Four times the log, the same peak: nothing but a window and a segment is held."""
    peaks: list[int] = []
    for blocks in (6, 24):
        store = MemoryStore({1: StoredRun(make_log(1, [30000] * blocks))})
        link = MemoryLink(store, Clock())
        tracemalloc.start()
        pull_now(link, tmp_path / str(blocks))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] - peaks[0] < 100_000


def test_log_identity_is_part_of_the_folder(tmp_path: Path) -> None:
    """A board set up anew counts runs from one again: the log id keeps them apart."""
    store = MemoryStore({1: StoredRun(make_log(1, [100]))})
    pull_now(MemoryLink(store, Clock()), tmp_path)
    store.runs[1] = StoredRun(make_log(1, [200]), log_id=bytes(8))

    result = pull_now(MemoryLink(store, Clock()), tmp_path)

    assert len(list(tmp_path.glob(f"*/00000001-{LOG_ID.hex()}/*.dwl"))) == 1
    assert result.logs[0].path.read_bytes() == store.log_bytes(1)


def test_another_journal_of_the_same_length_is_not_taken_for_the_one_held(tmp_path: Path) -> None:
    """The board sealed, or booted, and its new journal happens to be as long."""
    run = StoredRun(make_log(1, [300]), closed=False, journal=b"first journal")
    store = MemoryStore({1: run})
    archive = Archive(tmp_path)
    options = PullOptions(seal=False, confirm=False)
    link = MemoryLink(store, Clock())
    pull(link, archive, options, clock=link.clock)
    store.seals += 1
    run.journal = b"other journal"
    link = MemoryLink(store, Clock())

    result = pull(link, archive, options, clock=link.clock)

    assert result.logs[0].path.read_bytes().endswith(b"other journal")
