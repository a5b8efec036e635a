"""Which key seals which block, and when it moves on: the logbook over a key held in RAM."""

# A key held in RAM stands where SealKey is named: what opens a log with one is not typed.
# ruff: noqa: ANN401

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from dewarlog_firmware.flash_log import FlashLog
from dewarlog_firmware.former_run import close_former_run
from dewarlog_firmware.logbook import ENOSPC, Logbook
from dewarlog_firmware.recorder import Recorder
from dewarlog_firmware.seal_key import IN_USE, LOST, NEW
from dewarlog_wire import block, events, layout, seal
from dewarlog_wire.column import encode_page
from test_logbook import CountingEngine, blocks_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATES: Final = [bytes(range(32))]
while len(STATES) < 20:
    STATES.append(seal.next_state(STATES[-1]))


class RamKey:
    """Stands for seal_key.SealKey: what it keeps is what a flash would."""

    def __init__(self, index: int = 1, state: int = IN_USE) -> None:
        self.index = index
        self.state = state
        self.secret = bytearray(STATES[index - 1] if index else 32)
        self.tag = seal.block_tag
        self.asked: list[str] = []
        self.takes_no_more = False

    def stall_begins(self) -> None:
        """Note it."""
        self.asked.append("stall")

    def stall_ends(self) -> None:
        """Note it."""
        self.asked.append("over")

    def move_on(self) -> None:
        """Go to the next state, or lose it."""
        self.asked.append("move on")
        if self.takes_no_more:
            self.index, self.state = 0, LOST
        else:
            self.secret[:] = STATES[self.index]
            self.index += 1


@pytest.fixture
def books() -> Iterator[list[Logbook]]:
    """Collect logbooks, whose files are closed in the end."""
    opened: list[Logbook] = []
    yield opened
    for book in opened:
        book.flash.release()


@pytest.fixture
def open_book(tmp_path: Path, books: list[Logbook]) -> Any:
    """Return what opens the log as a boot does, with a key."""

    def opened(key: Any) -> Logbook:
        for book in books:
            book.flash.release()
        recorder = Recorder((0,), has_extremes=False)
        flash = FlashLog(str(tmp_path))
        books.append(
            Logbook(recorder, flash, CountingEngine(), layout.FULL_STOP, stalls=key, key=key)
        )
        return books[-1]

    return opened


def begin(book: Logbook) -> None:
    """Begin a run as app does."""
    book.at(1, 0)
    book.begin([(layout.SECTION_TEXT, b"\x02dewar 7")], b"logid123", 7)
    book.note_key()


def note(book: Logbook) -> None:
    """Add an event, durable."""
    book.emit(layout.KIND_SUPPLY, (3300, 0))
    book.commit()


def seals_of(root: Path) -> list[int]:
    """Return the key index of each block of the newest run; its tag is checked."""
    found = []
    for one, data in blocks_of(root):
        index, tag = block.read_seal(data, one)
        assert tag == (seal.block_tag(STATES[index - 1], one.chain) if index else bytes(16))
        found.append(index)
    return found


def events_of(root: Path) -> list[tuple[int, tuple[Any, ...]]]:
    """Return (kind, body) of each sealed event."""
    return [
        (kind, body)
        for one, data in blocks_of(root)
        for section, start, end in block.sections(data, one.body_start, one.body_end)
        if section == layout.SECTION_EVENTS
        for _, kind, _, _, body in events.read_events(data, start, end)
    ]


def test_every_kind_of_block_has_the_next_index(tmp_path: Path, open_book: Any) -> None:
    """Run, events, shock, and the last one of a run: the key moves on behind each."""
    key = RamKey()
    book = open_book(key)
    begin(book)
    book.seal()
    window = (list(range(64)), list(range(64)), list(range(64)))
    assert book.write_shock(book.recorder.shock_sections((1, 64, 10, 3200, 100, 0), window), 5, 5)
    note(book)
    book.end()

    assert seals_of(tmp_path) == [1, 2, 3, 4]
    assert (key.index, bytes(key.secret)) == (5, STATES[4])


def test_the_next_run_goes_on_counting(tmp_path: Path, open_book: Any) -> None:
    """So that blocks missing at the end of a run are missed."""
    book = open_book(RamKey())
    begin(book)
    book.end()
    key = book.key
    begin(book)
    book.seal()

    found = [
        block.read_seal(data, block.check_block(data, 0, None))[0]
        for data in (path.read_bytes() for path in sorted(tmp_path.glob("*/*.seg")))
    ]
    assert found == [1, 3]
    assert key.index == 5


def test_flash_operations_of_the_key_are_stalls_too(open_book: Any) -> None:
    """The shock sampler must know of each: interrupts may be off."""
    key = RamKey()
    book = open_book(key)
    begin(book)

    begins = [at for at, what in enumerate(key.asked) if what == "move on"]
    assert begins
    assert all(key.asked[at - 1 : at + 2] == ["stall", "move on", "over"] for at in begins)


def test_a_run_and_a_boot_begin_with_the_keys_state(tmp_path: Path, open_book: Any) -> None:
    """New once, in use from then on, with the index of the block that follows."""
    key = RamKey(state=NEW)
    book = open_book(key)
    begin(book)
    book.seal()
    book = open_book(key)
    book.flash.open_run()
    book.resume()
    book.note_key()
    book.seal()

    assert events_of(tmp_path) == [
        (layout.KIND_SEAL_KEY, (NEW, 2)),
        (layout.KIND_SEAL_KEY, (IN_USE, 3)),
    ]


@pytest.mark.parametrize("what", ["resume", "begin", "former run"])
def test_a_key_whose_block_is_stored_moves_on_first(
    tmp_path: Path, open_book: Any, what: str
) -> None:
    """The power went between the two: the index must not stand under a second block."""
    book = open_book(RamKey())
    begin(book)
    book.seal()
    note(book)
    if what == "begin":
        book.flash.close_run()
    book.flash.release()
    key = RamKey(2)
    if what == "former run":
        # Its first block cannot be read: it is closed as it stands, and a new one begins.
        assert close_former_run(str(tmp_path), 9, encode_page, key)  # type: ignore[arg-type]
    book = open_book(key)
    if what == "resume":
        book.flash.open_run()
        book.resume()
    else:
        begin(book)
        book.seal()

    data = max(tmp_path.glob("*/*.seg")).read_bytes()
    expected = 1 if what == "resume" else 3
    assert block.read_seal(data, block.check_block(data, 0, None))[0] == expected
    assert key.asked[:3] == ["stall", "move on", "over"]
    assert what != "resume" or seals_of(tmp_path) == [1, 2, 3]


def test_a_key_whose_block_is_not_stored_stays(tmp_path: Path, open_book: Any) -> None:
    """Its block was torn: the index is free for the one that is built again."""
    book = open_book(RamKey())
    begin(book)
    book.seal()
    book.flash.release()
    with next(tmp_path.glob("*/*.seg")).open("ab") as file:
        file.write(b"DWLBtorn")
    key = RamKey(3)
    book = open_book(key)
    book.flash.open_run()
    book.resume()
    note(book)
    book.seal()

    assert seals_of(tmp_path) == [1, 2, 3]
    assert key.asked.count("move on") == 1


def test_a_block_that_found_no_room_leaves_the_key(
    open_book: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was stored under it."""
    key = RamKey()
    book = open_book(key)
    begin(book)

    def full(*_: object) -> None:
        raise OSError(ENOSPC, "no room")

    monkeypatch.setattr(book.flash, "append_block", full)
    with pytest.raises(OSError, match="no room"):
        book.seal()

    assert key.index == 2


def test_a_key_lost_in_use_is_said_in_the_next_block(tmp_path: Path, open_book: Any) -> None:
    """Whatever is sealed next: no block without a seal comes before the reason."""
    key = RamKey()
    book = open_book(key)
    begin(book)
    key.takes_no_more = True
    window = (list(range(64)), list(range(64)), list(range(64)))
    assert book.write_shock(book.recorder.shock_sections((1, 64, 10, 3200, 100, 0), window), 5, 5)
    assert book.write_shock(book.recorder.shock_sections((2, 64, 10, 3200, 100, 0), window), 5, 5)

    assert seals_of(tmp_path) == [1, 2, 0, 0]
    kinds = [one.kind for one, _ in blocks_of(tmp_path)]
    assert kinds[2:] == [layout.BLOCK_EVENTS, layout.BLOCK_SHOCK]
    assert events_of(tmp_path)[-1] == (layout.KIND_SEAL_KEY, (LOST, 0))


def test_without_a_key_nothing_is_sealed_or_said(tmp_path: Path, open_book: Any) -> None:
    """A board that can keep none."""
    book = open_book(None)
    begin(book)
    note(book)
    book.seal()

    assert seals_of(tmp_path) == [0, 0]
    assert [kind for kind, _ in events_of(tmp_path)] == [layout.KIND_SUPPLY]


@pytest.mark.parametrize("before", [0, 1, 30, 200])
def test_a_custody_event_is_followed_by_the_head(
    tmp_path: Path, open_book: Any, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    """In one commit, and in one block, however full the open one was."""
    book = open_book(RamKey())
    begin(book)
    for _ in range(before):
        book.emit(layout.KIND_SUPPLY, (3300, 0))
    commits: list[bytes] = []
    real = book.flash.append_journal

    def append(view: memoryview) -> None:
        commits.append(bytes(view))
        real(view)

    monkeypatch.setattr(book.flash, "append_journal", append)
    body = events.custody_body(0, 1, ("a" * 70, "b" * 70, "c" * 70))
    book.record_custody(body)
    blocks, chain = book.head()
    assert body in commits[-1]
    assert chain in commits[-1]
    book.seal()

    found = events_of(tmp_path)
    at = [kind for kind, _ in found].index(layout.KIND_CUSTODY)
    assert found[at + 1] == (layout.KIND_PIN, (blocks, chain))
    last_blocks = {one.chain: number for number, (one, _) in enumerate(blocks_of(tmp_path), 1)}
    assert last_blocks[chain] == blocks
