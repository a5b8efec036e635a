"""A board and a host that do anything, on bad lines: the same log, or an error of ours.

The firmware's server, links, desk and log (log_board), the host's session, pull and archive, and
between them faulty_links: units lost, flipped, shortened, repeated, late, noise between, lines
cut, the board's power cut at once or at one of its next writes. After every pull, whatever came of
it, each log in the archive is the board's own, as far as it goes. A pull without faults then
completes, and nothing that was durable is missing.

Every run tries a share; `tools/test -k model --hypothesis-profile=long` a hundred times as many,
and with longer histories. On real MicroPython: test_pull_micropython.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import dewarlog.session
from bluetooth import BTSTACK, NIMBLE
from dewarlog.archive import Archive
from dewarlog.errors import DewarlogError, ExitCode
from dewarlog.pull import PullOptions, pull
from dewarlog.readings import LogReader
from dewarlog.records import Block
from dewarlog_wire import events, layout
from dewarlog_wire.block import check_block
from faulty_links import KINDS, AirLink, Fault, Faults, FaultyLink, SerialLink
from log_board import LogBoard, PowerCut
from shares import cases

HOUR_MS: Final = 3_600_000
MTUS: Final = (23, 65, 185, 247)
BODIES: Final = (80, 128, 512, 4096)
SMALL: Final = KINDS[: KINDS.index("disconnect")]
# Small ones, so that a history of minutes has several.
SEGMENT_BYTES: Final = 2048


def many_faults(seed: int) -> list[Fault]:
    """Return a plan of a bad day: more faults than a drawn list has, most of them small ones."""
    chance = random.Random(seed)
    return [
        Fault(
            int(chance.expovariate(0.15)),
            chance.choice(KINDS if chance.random() < 0.1 else SMALL),
            chance.randrange(10_000),
        )
        for _ in range(60)
    ]


PLANS: Final = st.one_of(
    st.lists(
        st.builds(
            Fault,
            after=st.integers(0, 20),
            kind=st.sampled_from(KINDS),
            at=st.integers(0, 10_000),
        ),
        max_size=20,
    ),
    st.integers(0, 1 << 32).map(many_faults),
)
OPTIONS: Final = st.builds(
    PullOptions,
    seal=st.booleans(),
    confirm=st.booleans(),
    hash_all=st.booleans(),
    set_time=st.sampled_from([None, lambda: (200_000_000, 0, 50)]),
    utc_s=st.just(lambda: 1000),
)


class Trip(RuleBasedStateMachine):
    """One board, one archive, and couriers on bad lines."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="dewarlog-model-"))
        (self.folder / "flash").mkdir()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(dewarlog.session, "REOPEN_EVERY_S", 0)
        self.durable: dict[str, int] = {}

    @initialize(stack=st.sampled_from([BTSTACK, NIMBLE]))
    def begin(self, stack: str) -> None:
        """Switch the board on."""
        self.board = LogBoard(self.folder / "flash", stack, SEGMENT_BYTES)
        self.archive = Archive(self.folder / "archive")

    def teardown(self) -> None:
        """Pull once more on a good line: everything durable comes, and is whole."""
        try:
            if hasattr(self, "board"):
                self.board.flash.cut_in = -1
                self.complete(SerialLink(self.board, Faults([])))
                self.complete(AirLink(self.board, Faults([]), 247))
                self.board.close()
        finally:
            self.patch.undo()
            shutil.rmtree(self.folder)

    # --- what happens on the board --------------------------------------------------------------

    @rule(samples=st.integers(1, 1500))
    def time_passes(self, samples: int) -> None:
        """Samples are taken."""
        self.guarded(lambda: self.board.pass_time(samples * 10_000))

    @rule()
    def somebody_marks(self) -> None:
        """A custody event is recorded."""
        body = events.texts_body(layout.KIND_CUSTODY, (1, 9), ("Ann", "door B", "n" * 60))
        self.guarded(lambda: self.board.desk.mark(body))

    @rule(fails_at=st.sampled_from([-1, -1, 1, 2]))
    def the_board_seals(self, fails_at: int) -> None:
        """The open block is full, or another host asked; the power may fail at either write."""
        self.board.flash.cut_in = fails_at
        self.guarded(self.board.logbook.seal)

    @rule()
    def the_power_is_cut(self) -> None:
        """Between two writes."""
        self.board.boot()

    @rule(writes=st.integers(1, 12))
    def the_power_will_fail(self, writes: int) -> None:
        """At a write to come, which is torn."""
        self.board.flash.cut_in = writes

    @rule()
    def a_new_run_begins(self) -> None:
        """The run was ended; another begins beside it."""

        def end_and_begin() -> None:
            self.board.logbook.end()
            self.board.begin()

        self.guarded(end_and_begin)

    def guarded(self, act: object) -> None:
        """Do it; where the power fails in it, the board boots."""
        assert callable(act)
        try:
            act()
        except PowerCut:
            self.board.boot()

    # --- pulls ----------------------------------------------------------------------------------

    @rule(plan=PLANS, options=OPTIONS, body_max=st.sampled_from(BODIES))
    def a_courier_pulls_by_cable(
        self, plan: list[Fault], options: PullOptions, body_max: int
    ) -> None:
        """Through a console that spoils what it carries."""
        self.pull(SerialLink(self.board, Faults(plan), body_max), options)

    @rule(plan=PLANS, options=OPTIONS, mtu=st.sampled_from(MTUS))
    def a_courier_pulls_over_the_air(
        self, plan: list[Fault], options: PullOptions, mtu: int
    ) -> None:
        """Through queues that lose and a connection that breaks."""
        self.pull(AirLink(self.board, Faults(plan), mtu), options)

    @rule(air=st.booleans())
    def a_courier_pulls_on_a_good_line(self, air: bool) -> None:
        """It completes, whatever happened before."""
        self.board.flash.cut_in = -1
        good = Faults([])
        self.complete(AirLink(self.board, good, 247) if air else SerialLink(self.board, good))

    def pull(self, link: FaultyLink, options: PullOptions) -> None:
        """Pull; an error must be ours, a sentence, and no fault of the program."""
        caught: DewarlogError | None = None
        try:
            pull(link, self.archive, options, clock=link.clock)  # type: ignore[arg-type]
        except DewarlogError as error:
            caught = error
        link.close()
        if caught is not None:
            # A line's faults are found by each frame's check: the log's own are another matter.
            assert caught.exit_code not in (ExitCode.FAULT, ExitCode.NOT_INTACT), caught
            assert str(caught)
            assert str(caught).isprintable()

    def complete(self, link: FaultyLink) -> None:
        """Pull on a good line, and hold the archive against the board."""
        options = PullOptions(utc_s=lambda: 1000)
        result = pull(link, self.archive, options, clock=link.clock)  # type: ignore[arg-type]
        link.close()
        stored = {folder: data for folder, data in self.board.logs().items() if data}
        assert len(result.logs) == len(stored)
        for filed, (folder, data) in zip(result.logs, stored.items(), strict=True):
            assert filed.run == int(folder, 16)
            assert filed.problem is None
            assert filed.disagrees is None
            log = filed.path.read_bytes()
            assert check_block(log, 0, layout.CHAIN_START).kind == layout.BLOCK_RUN
            assert log[: len(data)] == data[: len(log)]
            if result.not_sealed is None:
                # What came behind the seal is the pull's own record and new samples.
                assert len(log) <= len(data)
            samples = samples_of(filed.path)
            assert samples >= self.durable.get(folder, 0)

    # --- what always holds ----------------------------------------------------------------------

    @invariant()
    def everything_filed_is_the_boards(self) -> None:
        """Each log begins as the board's does; a journal behind it was one of the board's."""
        if not hasattr(self, "board"):
            return
        stored = self.board.logs()
        for path in (self.folder / "archive").glob("*/*/*.dwl"):
            log = path.read_bytes()
            data = stored[path.name[:8]]
            at = log.find(layout.JOURNAL_MAGIC)
            while at >= 0 and data[:at] == log[:at] and data[: at + 4] == log[: at + 4]:
                at = log.find(layout.JOURNAL_MAGIC, at + 1)
            sealed, journal = (log, b"") if at < 0 else (log[:at], log[at:])
            assert data[: len(sealed)] == sealed
            assert any(one.startswith(journal) for one in self.board.journals)

    @invariant()
    def nothing_durable_is_lost(self) -> None:
        """Samples that were committed stay counted, over every boot."""
        if not hasattr(self, "board"):
            return
        found = self.board.logbook.recorder.next_sample
        assert self.board.samples <= found
        self.durable["%08x" % self.board.logbook.recorder.run] = self.board.samples  # noqa: UP031


def samples_of(path: Path) -> int:
    """Return how many samples a log holds; they and its events follow one another, each once."""
    samples = events_seen = 0
    with path.open("rb") as file:
        for item in LogReader(file, path).items():
            if not isinstance(item, Block):
                continue
            if item.span is not None:
                assert item.span.first_sample == samples
                samples = item.span.end_sample
            for event in item.events:
                assert event.number == events_seen
                events_seen += 1
    return samples


TestModel = Trip.TestCase
TestModel.settings = settings(
    max_examples=cases(30),
    stateful_step_count=settings().stateful_step_count // 3,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    deadline=None,
)
