"""Seals of a log by a state of the sealing key: proven, wrong, missing, early, another key's."""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import TYPE_CHECKING

from dewarlog.readings import read_log
from dewarlog.records import Block
from dewarlog.replies import SealState
from dewarlog.seals import SealCheck, Stretch, Worth, span_words, spans
from dewarlog_wire import layout, seal
from trips import HOUR_MS, quiet
from trusted import TrustedBoard

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from dewarlog.seals import Seals
    from log_writer import EventSpec, LogWriter

IN_USE, NEW, LOST = range(3)


def seal_key(state: int, index: int, at_ms: int = 0) -> EventSpec:
    """Give a SEAL_KEY event."""
    return (layout.KIND_SEAL_KEY, at_ms, (state, index))


def hours(log: LogWriter, count: int, events: dict[int, list[EventSpec]] | None = None) -> None:
    """Go on for some blocks; `events` stand in the block of that number."""
    for _ in range(count):
        told = (events or {}).get(log.blocks)
        log.samples(log.blocks * HOUR_MS, [quiet(log.blocks)], events=told)


def judged(tmp_path: Path, log: LogWriter, held: SealState | None) -> Seals:
    """Walk a log's blocks."""
    path = tmp_path / "log.dwl"
    path.write_bytes(log.data)
    check = SealCheck(held)
    for item in read_log(path):
        assert isinstance(item, Block)
        check.feed(item)
    return check.finish()


def worths(seals: Seals) -> list[tuple[str, int, int]]:
    """Give the stretches as (worth, first, last)."""
    return [(str(one.worth), one.first_seq, one.last_seq) for one in seals.stretches]


def test_every_block_from_the_state_on_is_proven(tmp_path: Path) -> None:
    """By the very keys that SPEC 4.9 makes of the state."""
    board = TrustedBoard()
    held = board.state
    log = board.begin()
    hours(log, 4)
    seals = judged(tmp_path, log, held)

    assert worths(seals) == [("proven", 0, 4)]
    assert (seals.first_index, seals.last_index, seals.troubles) == (1, 5, ())


def test_blocks_before_the_state_are_not_judged(tmp_path: Path) -> None:
    """A state taken on the way proves what comes after it, and says nothing of what was before."""
    board = TrustedBoard()
    log = board.begin()
    hours(log, 2)
    held = SealState(log.key_index, log.seal_state)
    hours(log, 2)

    assert worths(judged(tmp_path, log, held)) == [
        ("before the state", 0, 2),
        ("proven", 3, 4),
    ]


def test_without_a_state_only_the_numbers_are_held_against_each_other(tmp_path: Path) -> None:
    """Nothing is called proven."""
    log = TrustedBoard().begin()
    hours(log, 2)
    seals = judged(tmp_path, log, None)

    assert worths(seals) == [("no state held", 0, 2)]
    assert seals.troubles == ()


def test_a_lost_key_that_the_board_tells_of_is_no_contradiction(tmp_path: Path) -> None:
    """The blocks behind it have no seal, and are told as such."""
    board = TrustedBoard()
    held = board.state
    log = board.begin()
    hours(log, 1)
    log.key_index = 0
    hours(log, 2, {2: [seal_key(LOST, 0)]})
    seals = judged(tmp_path, log, held)

    assert worths(seals) == [("proven", 0, 1), ("unsealed", 2, 3)]
    assert (seals.troubles, seals.lost_keys) == ((), 1)


def test_a_new_key_that_the_board_tells_of_is_another_key(tmp_path: Path) -> None:
    """It counts from 1 again; the state held is of the old one and says nothing of the rest."""
    board = TrustedBoard()
    held = board.state
    log = board.begin()
    hours(log, 2)
    log.key_index, log.seal_state = seal.FIRST_INDEX, bytes(32)
    hours(log, 2, {3: [seal_key(NEW, 1)]})
    seals = judged(tmp_path, log, held)

    assert worths(seals) == [("proven", 0, 2), ("another key", 3, 4)]
    assert (seals.troubles, seals.new_keys) == ((), 1)


def test_the_state_of_the_new_key_proves_its_blocks_and_not_those_before(tmp_path: Path) -> None:
    """The owner paired again behind the loss."""
    log = TrustedBoard().begin()
    hours(log, 2)
    log.key_index, log.seal_state = seal.FIRST_INDEX, bytes(32)
    held = SealState(1, bytes(32))
    hours(log, 2, {3: [seal_key(NEW, 1)]})

    assert worths(judged(tmp_path, log, held)) == [("another key", 0, 2), ("proven", 3, 4)]


def test_a_key_that_begins_anew_without_a_word_is_a_contradiction(tmp_path: Path) -> None:
    """No SEAL_KEY event says that it was made."""
    board = TrustedBoard()
    held = board.state
    log = board.begin()
    hours(log, 2)
    log.key_index, log.seal_state = seal.FIRST_INDEX, bytes(32)
    hours(log, 1)
    (trouble,) = judged(tmp_path, log, held).troubles

    assert (trouble.code, trouble.block_seq, trouble.offset) == ("index", 3, log.offsets[3])


def test_a_key_that_was_said_to_be_lost_and_seals_again_is_a_contradiction(
    tmp_path: Path,
) -> None:
    """Who captured the board leaves out seals he cannot make, and says lost, then new."""
    board = TrustedBoard()
    held = board.state
    log = board.begin()
    hours(log, 1)
    captured = (log.key_index + 2, seal.next_state(seal.next_state(log.seal_state)))
    log.key_index = 0
    hours(log, 2, {2: [seal_key(LOST, 0)]})
    log.key_index, log.seal_state = captured
    hours(log, 1, {4: [seal_key(NEW, captured[0])]})
    (trouble,) = judged(tmp_path, log, held).troubles

    assert (trouble.code, trouble.block_seq) == ("index", 4)


def test_a_new_key_said_late_does_not_explain_a_first_index(tmp_path: Path) -> None:
    """The run goes on with the key of the run before: what is missing between stays missing."""
    board = TrustedBoard()
    board.key_index = 9
    log = board.begin()
    hours(log, 1, {1: [seal_key(NEW, 1)]})

    assert not judged(tmp_path, log, None).begins_with_new_key


def test_what_is_told_boots_later_explains_nothing(tmp_path: Path) -> None:
    """A word at the end of the log does not make a hole in the middle right."""
    board = TrustedBoard()
    log = board.begin()
    hours(log, 1)
    log.key_index = 0
    hours(log, 1)
    log.boot = 2
    hours(log, 1, {3: [seal_key(LOST, 0)]})
    (trouble,) = judged(tmp_path, log, None).troubles

    assert (trouble.code, trouble.block_seq) == ("unsealed", 2)


def test_a_state_that_is_not_this_keys_proves_nothing_and_says_so(tmp_path: Path) -> None:
    """Every tag is wrong: the first block is named."""
    log = TrustedBoard().begin()
    hours(log, 1)
    seals = judged(tmp_path, log, SealState(1, bytes(32)))

    assert worths(seals) == [("wrong tag", 0, 1)]
    assert [(one.code, one.block_seq) for one in seals.troubles] == [("wrong-tag", 0)]


def test_a_year_of_blocks_takes_one_step_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three HMACs a block and none again, however far on the log begins."""
    board = TrustedBoard()
    held = board.state
    log = board.begin()
    hours(log, 1)
    path = tmp_path / "log.dwl"
    path.write_bytes(log.data)
    blocks = [item for item in read_log(path) if isinstance(item, Block)]
    made = 0

    def counted(key: bytes, message: bytes, digest: str) -> bytes:
        nonlocal made
        made += 1
        return digest_of(key, message, digest)

    digest_of = hmac.digest
    monkeypatch.setattr("dewarlog.seals.hmac.digest", counted)
    check = SealCheck(held)
    for number in range(1000):
        check.feed(replace(blocks[1], block_seq=number, key_index=number + 1))
    check.finish()

    assert made == 3 * 1000 - 1


def test_stretches_are_told_as_a_person_counts() -> None:
    """Neighbours joined, one block in the singular."""
    pairs = ((0, 3), (4, 4), (7, 7), (9, 12))
    stretches = [Stretch(Worth.PROVEN, first, last, 1, 1) for first, last in pairs]

    assert span_words(spans(stretches)) == "blocks 0 to 4, 7 and 9 to 12"
    assert span_words(spans(stretches[2:3])) == "block 7"
    assert span_words([(2 * n, 2 * n) for n in range(14)]).endswith("22 and 2 more stretches")
