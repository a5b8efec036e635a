"""What one sample sets off: gaps, intervals, probe states, seals; on the real logbook."""

import struct
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from dewarlog_firmware.config import Config, parse_config
from dewarlog_firmware.excursion import Engine
from dewarlog_firmware.flash_log import FlashLog
from dewarlog_firmware.keeper import FAST_HOLD_S, FAST_MAX_S, Keeper
from dewarlog_firmware.logbook import Logbook
from dewarlog_firmware.profile import default_document, profile_sections, reading_columns
from dewarlog_firmware.recorder import Recorder
from dewarlog_firmware.sampler import Sample
from dewarlog_firmware.sizes import LARGE, SMALL, Sizes
from dewarlog_wire import block, events, layout

RAW_COLD = -41_000  # about -190 degC
RAW_WARM = -27_000  # well above -150 degC
COLD_RAW = 20 * 64


class Chips:
    """The board around the keeper: tells fixed things and remembers the period asked for."""

    def __init__(self) -> None:
        self.periods_ms: list[int] = []
        self.uptime_ms = 0

    def now(self) -> tuple[int, int]:
        """Return the uptime, which the bench sets."""
        return divmod(self.uptime_ms, 1000)

    def set_period_ms(self, period_ms: int) -> None:
        """Remember it."""
        self.periods_ms.append(period_ms)

    def read_clock(self) -> tuple[int, int]:
        """Return a time."""
        return 195_000_000, layout.CLOCK_OK

    def read_supply(self) -> tuple[int, int]:
        """Return a healthy supply."""
        return 4_100, 0

    def tilt_totals(self) -> tuple[int, ...]:
        """Return a dewar that stood upright."""
        return (0, 1, 100, 0, 0, 0)


class Bench:
    """A keeper on a run of its own, fed by hand."""

    def __init__(self, root: Path, config: Config, sizes: Sizes = LARGE) -> None:
        self.root = root
        columns = reading_columns(config)
        self.engine = Engine(config.rules, columns)
        recorder = Recorder(
            tuple(one.channel for one in config.channels),
            config.sampling.conversions > 1,
            sizes=sizes,
        )
        flash = FlashLog(str(root))
        self.logbook = Logbook(recorder, flash, self.engine, config.sampling.full_policy)
        self.engine.emit = self.logbook.emit
        self.chips = Chips()
        self.keeper = Keeper(config, self.logbook, self.engine, self.chips)
        self.logbook.begin(list(profile_sections(config)), b"logid123", 1)
        self.keeper.start(0, 0)
        self.sample = Sample(len(config.channels))
        self.tick = 0

    def convert(
        self,
        uptime_ms: int,
        raw: int = RAW_COLD,
        state: int = layout.STATE_OK,
        cause: int = layout.GAP_LATE,
    ) -> None:
        """Hand the keeper one tick's conversion of its probe."""
        self.chips.uptime_ms = uptime_ms
        self.sample.tick_no = self.tick
        self.tick += 1
        self.sample.states[0] = state
        self.sample.voltage_raw[0] = raw
        self.sample.cold_junction_raw[0] = COLD_RAW
        self.keeper.conversion(self.sample, uptime_ms // 1000, uptime_ms % 1000, cause)
        self.logbook.commit()

    def stored(self) -> Iterator[SimpleNamespace]:
        """Seal, then yield every event of the run: kind, body and uptime."""
        for payload in self.sections(layout.SECTION_EVENTS):
            for _, kind, uptime_s, _, body in events.read_events(payload, 0, len(payload)):
                yield SimpleNamespace(kind=kind, body=body, uptime_s=uptime_s)

    def sections(self, wanted: int) -> list[bytes]:
        """Seal, then return the payload of every section of one kind."""
        self.logbook.seal()
        found: list[bytes] = []
        for path in sorted(self.root.glob("*/*.seg")):
            data = path.read_bytes()
            offset = 0
            while offset < len(data):
                one = block.check_block(data, offset, None)
                for kind, start, end in block.sections(data, one.body_start, one.body_end):
                    if kind == wanted:
                        found.append(data[start:end])
                offset += one.length
        return found

    def spans(self) -> list[tuple[int, int, int]]:
        """Return (first sample, count, interval) of every block of samples."""
        payloads = self.sections(layout.SECTION_SPAN)
        return [struct.unpack(layout.SPAN.format, payload) for payload in payloads]

    def lateness_columns(self) -> int:
        """Return how many blocks have a lateness column."""
        columns = self.sections(layout.SECTION_COLUMN)
        return sum(column[1] == layout.QUANTITY_LATENESS for column in columns)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A keeper with the built-in profile: 10 s, 2 s while a rule is pending."""
    made = Bench(tmp_path, parse_config(default_document()))
    yield made
    made.logbook.flash.release()


def of_kind(bench: Bench, kind: int) -> list[tuple[object, ...]]:
    """Return the bodies of all events of one kind."""
    return [event.body for event in bench.stored() if event.kind == kind]


def test_even_samples_share_one_block(bench: Bench) -> None:
    """A hundred samples on time make one span and no gap."""
    for number in range(100):
        bench.convert(10_000 * number)

    assert bench.spans() == [(0, 100, 10_000)]
    assert of_kind(bench, layout.KIND_GAP) == []


def test_a_late_tick_keeps_its_lateness_and_is_no_gap(bench: Bench) -> None:
    """Less than half an interval late is the same slot."""
    for number in range(20):
        bench.convert(10_000 * number + (4_000 if number == 7 else 0))

    assert bench.spans() == [(0, 20, 10_000)]
    assert of_kind(bench, layout.KIND_GAP) == []


def test_the_counter_s_last_millisecond_is_no_lateness(bench: Bench) -> None:
    """Ticks that read one off cost no lateness column; two off are recorded as they are."""
    for number in range(10):
        bench.convert(10_000 * number + number % 2)
    assert bench.lateness_columns() == 0

    for number in range(10, 20):
        bench.convert(10_000 * number + 2 * (number % 2))
    assert bench.lateness_columns() == 1


def test_missing_slots_are_a_gap_with_length_cause_and_count(bench: Bench) -> None:
    """Three samples that never came: 40 s between their neighbours."""
    for number in range(5):
        bench.convert(10_000 * number)
    bench.convert(80_000, cause=layout.GAP_RING_FULL)

    assert of_kind(bench, layout.KIND_GAP) == [
        (layout.STREAM_SAMPLES, layout.GAP_RING_FULL, 0, 40, 3)
    ]
    assert bench.spans() == [(0, 5, 10_000), (5, 1, 10_000)]


def test_slots_missing_right_after_a_seal_are_a_gap_too(bench: Bench) -> None:
    """A host that pulls has the block sealed; a hole behind the seal is told all the same."""
    for number in range(5):
        bench.convert(10_000 * number)
    bench.logbook.seal()
    bench.convert(80_000, cause=layout.GAP_FLASH_STALL)

    assert of_kind(bench, layout.KIND_GAP) == [
        (layout.STREAM_SAMPLES, layout.GAP_FLASH_STALL, 0, 40, 3)
    ]


def test_a_probe_state_is_told_when_it_changes_and_only_then(bench: Bench) -> None:
    """Open for three samples, then well again: two events."""
    for number in range(10):
        state = layout.STATE_OPEN if 3 <= number < 6 else layout.STATE_OK
        bench.convert(10_000 * number, state=state)

    assert of_kind(bench, layout.KIND_PROBE_STATE) == [
        (0, layout.STATE_OPEN, layout.STATE_OK, 0, 3),
        (0, layout.STATE_OK, layout.STATE_OPEN, 0, 6),
    ]


def test_a_pending_rule_makes_sampling_faster_and_lets_it_slow_down_again(bench: Bench) -> None:
    """Fast from the next block on, until FAST_HOLD_S after the last crossing."""
    bench.convert(0)
    bench.convert(10_000, raw=RAW_WARM)
    bench.convert(12_000)
    bench.convert(12_000 + 1000 * FAST_HOLD_S)

    assert bench.chips.periods_ms == [2_000, 10_000]
    assert [interval for _, _, interval in bench.spans()] == [10_000, 2_000, 2_000]


def test_a_rule_active_for_days_does_not_stay_fast(bench: Bench) -> None:
    """After FAST_MAX_S the usual interval comes back although the rule is still active."""
    uptime_ms = 0
    while uptime_ms < 1000 * (FAST_MAX_S + 2 * FAST_HOLD_S):
        bench.convert(uptime_ms, raw=RAW_WARM)
        uptime_ms += bench.keeper.interval_ms

    assert bench.chips.periods_ms == [2_000, 10_000]
    assert bench.engine.active_mask


@pytest.mark.parametrize(
    ("sizes", "clock_reads"), [(LARGE, 3), (SMALL, 2)], ids=["large", "small"]
)
def test_each_block_says_how_clock_supply_and_tilt_stand(
    tmp_path: Path, sizes: Sizes, clock_reads: int
) -> None:
    """One of each at the start and one for each block after it; the clock in a long one too."""
    bench = Bench(tmp_path, parse_config(default_document()), sizes)
    count = sizes.block_samples
    for number in range(count + 5):
        bench.convert(10_000 * number)
    said = [event.kind for event in bench.stored()]
    spans = bench.spans()
    bench.logbook.flash.release()

    assert said.count(layout.KIND_SUPPLY) == said.count(layout.KIND_TILT)
    assert said.count(layout.KIND_CLOCK_READ) >= clock_reads
    assert spans[:2] == [(0, count, 10_000), (count, 5, 10_000)]


def test_several_conversions_make_one_sample_with_extremes(tmp_path: Path) -> None:
    """Five conversions a sample: a fifth of the samples, three columns for the probe."""
    document = default_document()
    document["sampling"] = {"interval_ms": 10_000, "conversions": 5}
    made = Bench(tmp_path, parse_config(document))
    for number in range(50):
        made.convert(2_000 * number, raw=RAW_COLD + number % 5)

    assert made.spans() == [(0, 10, 10_000)]
    assert made.logbook.recorder.columns == 4
    made.logbook.flash.release()
