"""The front desk over a real log: handoffs with their proof, the backlog, what everybody sees."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from dewarlog_firmware.config import parse_config
from dewarlog_firmware.desk import Desk
from dewarlog_firmware.device_key import derived_keys
from dewarlog_firmware.profile import default_document, reading_columns
from dewarlog_wire import events, layout, proof
from memory_board import DEVICE_ID, DEVICE_KEY
from test_keeper import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXTS = ("Ann Ames", "Bo Berg", "Ward 7, door B")
ABSENT = layout.state_code(layout.STATE_ABSENT)


class Board:
    """What the desk sees of an app: a real log and keeper, the rest as told."""

    def __init__(self, root: Path) -> None:
        config = parse_config(default_document())
        self.bench = Bench(root, config)
        self.radio_told: list[tuple[int, int]] = []
        self.app: Any = SimpleNamespace(
            has_held=False,
            config=config,
            columns=reading_columns(config),
            logbook=self.bench.logbook,
            keeper=self.bench.keeper,
            engine=self.bench.engine,
            board=SimpleNamespace(device_id=DEVICE_ID),
            chips=SimpleNamespace(
                has_fault=False, supply_low=False, supply_mv=4100, read_clock=lambda: (1, 0)
            ),
            sampler=SimpleNamespace(ring=SimpleNamespace(high_water=1, dropped=0)),
            is_recording=True,
            now=self.bench.chips.now,
            stamp=lambda: self.bench.logbook.at(*self.bench.chips.now()),
            switch_radio=lambda state, minutes: self.radio_told.append((state, minutes)),
            guard=SimpleNamespace(
                failures=0, lock=SimpleNamespace(is_claimed=False, is_locked=False)
            ),
            audit=SimpleNamespace(is_acknowledged=False),
            seal_key=None,
            signing=None,
            end_requested=False,
        )
        self.desk = Desk(self.app, derived_keys(DEVICE_KEY), layout.FEATURE_HANDOFF)

    def sample(self, uptime_ms: int = 1000) -> None:
        """Take one sample."""
        self.bench.convert(uptime_ms)

    def handoff_body(self, blocks: int | None = None, chain: bytes | None = None) -> bytes:
        """Seal, and return a handoff over all of it or as told."""
        sealed, head = self.bench.logbook.seal()
        return events.handoff_body(
            1000,
            layout.VERDICT_NAMES.index("USE"),
            2,
            sealed if blocks is None else blocks,
            head if chain is None else chain,
            TEXTS,
        )


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    """Give a board whose run has begun; its journal is closed at the end."""
    made = Board(tmp_path)
    yield made
    made.bench.logbook.flash.release()


# --- handoff -------------------------------------------------------------------------------------
def test_a_handoff_stands_in_the_log_where_the_reply_says(board: Board) -> None:
    """Number, uptime and every field."""
    board.sample(61_250)
    body = board.handoff_body()

    values = board.desk.handoff(body)
    stored = list(board.bench.stored())

    assert values is not None
    run, number, uptime_s, uptime_ms, _ = values
    assert (run, uptime_s, uptime_ms) == (board.bench.logbook.recorder.run, 61, 250)
    assert (stored[number].kind, stored[number].uptime_s) == (layout.KIND_HANDOFF, 61)
    assert stored[number].body == events.read_handoff(body)


def test_a_handoff_is_durable_before_it_is_answered(board: Board) -> None:
    """A power cut behind the reply does not take it back: nothing waits to be written."""
    body = board.handoff_body()

    board.desk.handoff(body)

    assert len(board.bench.logbook.recorder.take_journal()) == 0
    journal = next(board.bench.root.glob("*/journal")).read_bytes()
    assert body in journal


def test_the_tag_is_over_the_place_and_the_body(board: Board) -> None:
    """By the receipt key, as the specification composes it."""
    body = board.handoff_body()

    values = board.desk.handoff(body)

    assert values is not None
    head = struct.pack("<IIIH", *values[:4])
    secret = proof.derived_key(DEVICE_KEY, layout.KEY_RECEIPT)
    assert values[4] == proof.receipt_tag(secret, DEVICE_ID, b"logid123", head, body)


def test_a_handoff_may_name_an_earlier_head(board: Board) -> None:
    """The host has checked what it held; samples went on meanwhile."""
    body = board.handoff_body()
    board.sample()
    board.bench.logbook.seal()

    assert board.desk.handoff(body) is not None


@pytest.mark.parametrize(
    ("blocks", "chain"),
    [(None, bytes(32)), (99, None), (0, bytes(32))],
    ids=["another chain", "blocks to come", "none"],
)
def test_a_chain_that_is_not_ours_is_not_recorded(
    board: Board, blocks: int | None, chain: bytes | None
) -> None:
    """None, and the log is as it was."""
    body = board.handoff_body(blocks, chain)
    before = board.bench.logbook.recorder.next_event

    assert board.desk.handoff(body) is None
    assert board.bench.logbook.recorder.next_event == before


def test_a_body_that_is_none_is_an_error_with_its_words(board: Board) -> None:
    """Cut short, or too long."""
    body = board.handoff_body()

    for wrong in (body[:-1], body + b"x", body[:10], b""):
        with pytest.raises(ValueError, match="handoff"):
            board.desk.handoff(wrong)


def test_nothing_is_handed_off_when_no_run_is_open(board: Board) -> None:
    """Its log has ended: there is nowhere to record it."""
    body = board.handoff_body()
    board.bench.logbook.end()

    with pytest.raises(ValueError, match="no run is open"):
        board.desk.handoff(body)


# --- what everybody may see ----------------------------------------------------------------------
def test_no_reading_is_claimed_before_the_first_sample(board: Board) -> None:
    """After a reboot too, whose log has samples already: codes begin as zeros, 0 degC."""
    board.bench.logbook.recorder.next_sample  # noqa: B018 - it is the boot that counts
    status = dict(
        zip([f[0] for f in layout.STATUS_REPLY.fields], board.desk.status(), strict=True)
    )

    assert board.desk.payload_reading() == ABSENT
    assert (status["reading_0"], status["cold_junction"]) == (ABSENT, ABSENT)


def test_the_reading_is_the_samples(board: Board) -> None:
    """The one payload probe's."""
    board.sample()

    assert board.desk.payload_reading() == board.bench.keeper.codes[0]


@pytest.mark.parametrize(
    ("change", "bit"),
    [
        (lambda app: setattr(app.engine, "severities", (1,)), layout.STATUS_EXCURSION),
        (lambda app: setattr(app.engine, "severities", (0,)), layout.STATUS_WARNING),
        (lambda app: setattr(app, "has_held", True), layout.STATUS_HELD),
        (lambda app: setattr(app.chips, "has_fault", True), layout.STATUS_FAULT),
        (lambda app: setattr(app.chips, "supply_low", True), layout.STATUS_LOW_SUPPLY),
        (lambda app: setattr(app.logbook, "is_full", True), layout.STATUS_MEMORY_FULL),
    ],
)
def test_each_state_has_its_bit(board: Board, change: Any, bit: int) -> None:  # noqa: ANN401
    """Beside that of recording."""
    engine = SimpleNamespace(severities=())
    engine.is_active = lambda severity: severity in engine.severities
    board.app.engine = engine
    board.app.has_held = False
    change(board.app)

    assert board.desk.state_bits(layout.CLOCK_OK) == layout.STATUS_RECORDING | bit


def test_an_unset_clock_has_its_bit(board: Board) -> None:
    """Its times are not to be trusted."""
    assert board.desk.state_bits(layout.CLOCK_UNSET) & layout.STATUS_CLOCK_UNSET


class Counting:
    """Counts how often the backlog is counted."""

    def __init__(self, board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self._count = board.bench.logbook.backlog_bytes
        monkeypatch.setattr(board.bench.logbook, "backlog_bytes", self)

    def __call__(self) -> int:
        """Count."""
        self.calls += 1
        return self._count()


def test_the_flash_is_read_for_the_backlog_only_when_blocks_change(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sealed or confirmed; a journal that grows is counted without."""
    counting = Counting(board, monkeypatch)
    logbook = board.bench.logbook
    seen: list[int] = []

    def look() -> None:
        assert board.desk.backlog_bytes() == type(logbook).backlog_bytes(logbook)
        seen.append(counting.calls)

    look()
    look()
    board.sample()
    look()
    blocks, chain = logbook.seal()
    look()
    logbook.confirm(logbook.recorder.run, blocks, chain, 1000)
    look()
    logbook.end()
    look()

    assert seen == [1, 1, 1, 2, 3, 4]


def test_a_confirmed_log_leaves_next_to_no_backlog(board: Board) -> None:
    """What stays is the open journal."""
    for number in range(1, 200):
        board.sample(10_000 * number)
    blocks, chain = board.bench.logbook.seal()
    before = board.desk.backlog_bytes()
    board.bench.logbook.confirm(board.bench.logbook.recorder.run, blocks, chain, 1000)

    after = board.desk.backlog_bytes()

    assert 0 < after < before // 2


@pytest.mark.parametrize(
    ("key", "given"),
    [
        (None, None),
        (SimpleNamespace(index=0, given=lambda: (0, b"")), None),
        (SimpleNamespace(index=9, given=lambda: (9, b"s" * 32)), (9, b"s" * 32)),
    ],
)
def test_a_sealing_key_is_given_where_there_is_one(
    board: Board,
    key: Any,  # noqa: ANN401 - stands for SealKey
    given: object,
) -> None:
    """Index 0: it is lost."""
    board.app.seal_key = key

    assert board.desk.seal_key() == given


def test_the_run_is_named_while_it_is_open(board: Board) -> None:
    """A token may be for this run alone."""
    before = board.desk.log_id()
    board.bench.logbook.end()

    assert (before, board.desk.log_id()) == (b"logid123", b"")


def test_what_a_host_says_of_the_radio_is_passed_on(board: Board) -> None:
    """The switch is app's."""
    board.desk.radio(0, 90)

    assert board.radio_told == [(0, 90)]
