"""The run on flash: what is durable stays, what is torn is cut, what is full says so."""

import random
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from dewarlog.checks.finding import Severity
from dewarlog.checks.review import review_log
from dewarlog_firmware import logbook as logbook_module
from dewarlog_firmware.flash_log import FlashLog
from dewarlog_firmware.logbook import Logbook
from dewarlog_firmware.recorder import Recorder
from dewarlog_firmware.sizes import LARGE, SMALL, Sizes
from dewarlog_wire import block, events, layout
from dewarlog_wire import journal as wire_journal
from dewarlog_wire.column import decode_column
from dewarlog_wire.errors import BlockError

if TYPE_CHECKING:
    from dewarlog_firmware.recorder import SealedBlock

INTERVAL_MS = 10_000
SHORT = Sizes(1024, *SMALL[1:])
LOG_ID = b"logid123"


OPEN: list[Logbook] = []  # every logbook a test made: its journal is closed when the test ends


@pytest.fixture(autouse=True)
def _release() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().flash.release()


class CountingEngine:
    """Stands for the excursion engine: its state is the number of samples it was shown."""

    def __init__(self) -> None:
        self.seen = 0
        self.mute = False

    def sample(self, number: int, t_s: int, t_ms: int, codes: Sequence[int]) -> None:
        """Count one sample."""
        self.seen += 1

    def state_bytes(self) -> bytes:
        """Return the count."""
        return struct.pack("<I", self.seen)

    def restore(self, state: bytes) -> None:
        """Take a count back."""
        self.seen = struct.unpack("<I", state)[0]

    def break_time(self) -> None:
        """Do nothing: counting knows no time."""


def seen(book: Logbook) -> int:
    """Return how many samples the logbook's engine was shown."""
    assert isinstance(book.engine, CountingEngine)
    return book.engine.seen


def codes_of(number: int) -> tuple[int, ...]:
    """Return the codes of one sample: a slow ramp, probe 2 open in every seventh."""
    probe_2 = layout.state_code(layout.STATE_OPEN) if number % 7 == 3 else -23_000
    return (-24_000 + number % 50, -24_100 - number % 9, probe_2, 1_280)


def new_book(root: Path, policy: int = layout.FULL_STOP, sizes: Sizes = LARGE) -> Logbook:
    """Open the log below `root` as the board does after a boot."""
    recorder = Recorder((0, 1, 2), has_extremes=False, sizes=sizes)
    OPEN.append(Logbook(recorder, FlashLog(str(root)), CountingEngine(), policy))
    return OPEN[-1]


def begun(root: Path, policy: int = layout.FULL_STOP) -> Logbook:
    """Begin a run whose block 0 names a dewar."""
    book = new_book(root, policy)
    book.at(1, 0)
    book.begin([(layout.SECTION_TEXT, b"\x02dewar 7")], LOG_ID, 7)
    return book


def calm_codes_of(number: int) -> tuple[int, ...]:
    """Return the codes of one sample: probe 2 open now and then, as a whole block has room for."""
    probe_2 = layout.state_code(layout.STATE_OPEN) if number % 97 == 3 else -23_000
    return (-24_000 + number % 50, -24_100 - number % 9, probe_2, 1_280)


def write_samples(
    book: Logbook,
    first: int,
    count: int,
    codes_of: Callable[[int], tuple[int, ...]] = codes_of,
) -> None:
    """Write samples, durable one by one, sealing when the open block is full."""
    for number in range(first, first + count):
        book.at(10 * number, 0)
        if not book.recorder.has_room():
            book.seal()
        if not book.recorder.count:
            book.recorder.begin_span(INTERVAL_MS, 10 * number, 0)
        book.judge(0, codes_of(number))
        book.recorder.sample(0, codes_of(number))
        if book.recorder.wants_raw:
            book.recorder.raw_set(0, 0, -9_000, 1_280)
        book.commit()


def segment_files(root: Path) -> list[Path]:
    """Return the segments below a log root, in order."""
    return sorted(root.glob("*/*.seg"))


def blocks_of(root: Path) -> list[tuple[block.Block, bytes]]:
    """Return every block of the run and the bytes it stands in, the chain checked on the way."""
    found = []
    chain = layout.CHAIN_START
    for path in segment_files(root):
        data = path.read_bytes()
        offset = 0
        while offset < len(data):
            one = block.check_block(data, offset, chain)
            chain = one.chain
            found.append((one, data))
            offset += one.length
    return found


def readings_of(root: Path, channel: int) -> list[int]:
    """Return one channel's sealed readings, state codes put back where a state run covers them."""
    readings: list[int] = []
    for one, data in blocks_of(root):
        count = 0
        values: list[int] = []
        for kind, start, end in block.sections(data, one.body_start, one.body_end):
            payload = data[start:end]
            if kind == layout.SECTION_SPAN:
                count = struct.unpack(layout.SPAN.format, payload)[1]
            elif kind == layout.SECTION_COLUMN and count and payload[:2] == bytes((channel, 0)):
                values = list(decode_column(payload, count))
            elif kind == layout.SECTION_STATES:
                for at in range(0, len(payload), layout.STATE_RUN.size):
                    number, state, first, length = struct.unpack_from(
                        layout.STATE_RUN.format, payload, at
                    )
                    if number == channel:
                        values[first : first + length] = [layout.state_code(state)] * length
        readings += values
    return readings


def test_sealed_samples_read_back_with_their_probe_states(tmp_path: Path) -> None:
    """What went in comes out of the blocks, states included, over a page boundary."""
    book = begun(tmp_path)
    write_samples(book, 0, 600)
    book.seal()

    for channel in range(3):
        assert readings_of(tmp_path, channel) == [codes_of(n)[channel] for n in range(600)]


def test_a_block_is_sealed_before_its_state_runs_overflow(tmp_path: Path) -> None:
    """A probe that opens and closes every few samples costs blocks, never samples."""
    book = begun(tmp_path)
    write_samples(book, 0, 1_000)
    book.seal()

    assert len(blocks_of(tmp_path)) > 3
    assert readings_of(tmp_path, 2) == [codes_of(n)[2] for n in range(1_000)]


def test_a_boot_in_mid_run_keeps_every_committed_sample(tmp_path: Path) -> None:
    """Without any seal the journal alone brings the samples and the engine's state back."""
    write_samples(begun(tmp_path), 0, 137)

    book = new_book(tmp_path)
    assert book.flash.open_run() is not None
    recovery = book.resume()

    assert recovery.recovered_samples == 137
    assert recovery.last_uptime_s == 1_360
    assert seen(book) == 137
    assert readings_of(tmp_path, 0) == [codes_of(n)[0] for n in range(137)]
    assert book.recorder.boot == 1


def test_a_torn_journal_tail_is_dropped_and_counted(tmp_path: Path) -> None:
    """Half a record at the end of the journal costs that record only, and the size is said."""
    write_samples(begun(tmp_path), 0, 20)
    path = next(tmp_path.glob("*/journal"))
    path.write_bytes(path.read_bytes()[:-5])

    book = new_book(tmp_path)
    book.flash.open_run()
    recovery = book.resume()

    assert recovery.recovered_samples == 19
    assert recovery.dropped_bytes == layout.JOURNAL_RECORD.size + 10 + 4 - 5


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (layout.JOURNAL_STATE, b"ab"),
        (layout.JOURNAL_SPAN, bytes(layout.JOURNAL_SPAN_BODY.size)),
        (layout.JOURNAL_SPAN, b"short"),
        (layout.JOURNAL_SAMPLE, struct.pack("<4h", 0, -24_000, -24_000, -24_000)),
        (layout.JOURNAL_SAMPLE, struct.pack("<5h", -32_768, 0, 0, 0, 0)),
        (layout.JOURNAL_RAW, b"raw"),
        (layout.JOURNAL_EVENT, b"\x0c\x03\0\0\0\0\0\0"),
        (layout.JOURNAL_EVENT, b"\x0c\x01\0\0\0\0\0\0x"),
    ],
    ids=["state", "no interval", "span", "columns", "lateness", "raw", "cut event", "event"],
)
def test_a_journal_record_of_another_firmware_does_not_stop_the_boot(
    tmp_path: Path, kind: int, body: bytes
) -> None:
    """Its CRC is right: what stands before it is kept, it and what follows are counted."""
    write_samples(begun(tmp_path), 0, 20)
    path = next(tmp_path.glob("*/journal"))
    data = path.read_bytes()
    crc = int.from_bytes(data[-4:], "little")
    behind = b""
    for record, content in ((kind, body), (layout.JOURNAL_SAMPLE, bytes(10))):
        buffer = bytearray(len(content) + wire_journal.RECORD_OVERHEAD_BYTES)
        buffer[3 : 3 + len(content)] = content
        _, crc = wire_journal.pack_record_into(buffer, 0, record, len(content), crc)
        behind += buffer
    path.write_bytes(data + behind)

    book = new_book(tmp_path)
    book.flash.open_run()
    recovery = book.resume()

    assert (recovery.recovered_samples, recovery.dropped_bytes) == (20, len(behind))
    assert readings_of(tmp_path, 0) == [codes_of(n)[0] for n in range(20)]


def test_a_cut_behind_a_changed_setting_loses_nothing_of_the_journal(tmp_path: Path) -> None:
    """A setting's event has no fixed length: it and the samples behind it come back."""
    book = begun(tmp_path)
    body = events.setting_body(layout.SECTION_RULE, 0, 1, b"the old rule", b"the new one")
    book.record(layout.KIND_SETTING, body)
    write_samples(book, 0, 20)

    book = new_book(tmp_path)
    book.flash.open_run()
    recovery = book.resume()

    assert (recovery.recovered_samples, recovery.dropped_bytes) == (20, 0)
    sealed, data = blocks_of(tmp_path)[-1]
    told = [
        (kind, values)
        for section, start, end in block.sections(data, sealed.body_start, sealed.body_end)
        if section == layout.SECTION_EVENTS
        for _, kind, _, _, values in events.read_events(data, start, end)
    ]
    assert told == [(layout.KIND_SETTING, events.read_setting(body))]


def test_a_journal_already_sealed_is_not_sealed_again(tmp_path: Path) -> None:
    """A cut between the seal and the new journal leaves both: the samples count once."""
    book = begun(tmp_path)
    write_samples(book, 0, 30)
    journal = next(tmp_path.glob("*/journal"))
    before = journal.read_bytes()
    book.seal()
    book.flash.release()
    journal.write_bytes(before)

    again = new_book(tmp_path)
    again.flash.open_run()
    again.resume()

    assert readings_of(tmp_path, 0) == [codes_of(n)[0] for n in range(30)]
    assert again.recorder.next_sample == 30
    assert seen(again) == 30


def test_a_lost_journal_leaves_the_counters_of_the_blocks(tmp_path: Path) -> None:
    """Numbers never start anew: they continue behind the last sealed block."""
    book = begun(tmp_path)
    write_samples(book, 0, 25)
    book.emit(layout.KIND_SUPPLY, (3_300, 0))
    book.seal()
    book.flash.release()
    next(tmp_path.glob("*/journal")).unlink()

    again = new_book(tmp_path)
    again.flash.open_run()
    again.resume()

    assert again.recorder.next_sample == 25
    assert again.recorder.next_event == 1


def test_a_damaged_length_hides_no_sound_block_behind_it(tmp_path: Path) -> None:
    """A bit that flipped at rest makes one block reach over the next: that one stays, uncut."""
    book = begun(tmp_path)
    for first in (0, 25, 50):
        write_samples(book, first, 25)
        book.seal()
    book.flash.release()
    path = segment_files(tmp_path)[-1]
    data = bytearray(path.read_bytes())
    second = data.find(layout.BLOCK_MAGIC, data.find(layout.BLOCK_MAGIC, 1) + 1)
    last = data.rfind(layout.BLOCK_MAGIC)
    at = second + layout.BLOCK_HEADER.offset_of("length")
    data[at : at + 4] = (len(data) - second).to_bytes(4, "little")
    path.write_bytes(data)

    again = new_book(tmp_path)
    again.flash.open_run()
    recovery = again.resume()

    assert second < last
    assert path.read_bytes()[: len(data)] == data
    assert recovery.dropped_bytes == 0
    assert again.recorder.blocks == 4


def test_a_board_that_starts_again_and_again_stays_at_the_last_boot_number(
    tmp_path: Path,
) -> None:
    """65535, the most a header can say, is not followed by 0."""
    book = begun(tmp_path)
    book.recorder.boot = 0xFFFF
    write_samples(book, 0, 5)
    book.seal()
    book.flash.release()

    again = new_book(tmp_path)
    again.flash.open_run()
    again.resume()
    write_samples(again, 5, 5)
    again.seal()

    assert [one.boot for one, _ in blocks_of(tmp_path)][1:] == [0xFFFF, 0xFFFF]


def test_a_torn_last_block_is_cut_and_the_run_goes_on(tmp_path: Path) -> None:
    """The chain continues from the last whole block."""
    book = begun(tmp_path)
    write_samples(book, 0, 25)
    book.seal()
    book.flash.release()
    path = segment_files(tmp_path)[-1]
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:60])

    again = new_book(tmp_path)
    again.flash.open_run()
    recovery = again.resume()
    write_samples(again, 25, 5)
    again.seal()

    assert recovery.dropped_bytes == 60
    assert len(readings_of(tmp_path, 0)) == 30


def test_a_damaged_block_in_the_middle_is_never_cut_away(tmp_path: Path) -> None:
    """Bit rot is for the host to name; the good blocks behind it stay."""
    book = begun(tmp_path)
    for part in range(3):
        write_samples(book, 10 * part, 10)
        book.seal()
    book.flash.release()
    path = segment_files(tmp_path)[-1]
    data = bytearray(path.read_bytes())
    first = block.read_header(bytes(data), 0)
    data[first.length + 40] ^= 1
    path.write_bytes(data)

    again = new_book(tmp_path)
    again.flash.open_run()
    recovery = again.resume()

    assert recovery.dropped_bytes == 0
    assert path.read_bytes()[: len(data)] == bytes(data)
    assert again.recorder.blocks == 4
    with pytest.raises(BlockError):
        block.check_block(bytes(data), first.length, None)


def test_segments_stay_below_their_limit_and_the_chain_runs_through(tmp_path: Path) -> None:
    """Many blocks fill several segments; one chain holds them all."""
    book = begun(tmp_path)
    window = tuple(
        [(37 * n * (axis + 1)) % 3_000 - 1_500 for n in range(900)] for axis in range(3)
    )
    for shock in range(30):
        book.write_shock(
            book.recorder.shock_sections((shock, 900, 100, 3_200, 100, 0), window), shock, 0
        )

    sizes = [path.stat().st_size for path in segment_files(tmp_path)]

    assert len(sizes) > 1
    assert max(sizes) <= layout.SEGMENT_MAX_BYTES
    assert len(blocks_of(tmp_path)) == 31


def test_run_numbers_never_come_back(tmp_path: Path) -> None:
    """After a run's files are gone its number is still spent."""
    book = begun(tmp_path)
    book.end()
    book.flash.remove_run(1)

    assert begun(tmp_path).recorder.run == 2


def test_a_closed_run_is_not_resumed(tmp_path: Path) -> None:
    """A new boot after the end of a run finds no run to continue."""
    book = begun(tmp_path)
    write_samples(book, 0, 3)
    book.end()

    assert new_book(tmp_path).flash.open_run() is None
    assert len(readings_of(tmp_path, 0)) == 3


class SmallFlash(FlashLog):
    """A flash log that says how much is free as a board of `capacity_bytes` would."""

    capacity_bytes = 300_000

    def free_bytes(self) -> int:
        """Return what the files below the root leave of the capacity."""
        used = sum(path.stat().st_size for path in Path(self.root).glob("**/*") if path.is_file())
        return self.capacity_bytes - used


def small_book(root: Path, policy: int) -> Logbook:
    """Begin a run on a flash with room for little more than the reserve."""
    recorder = Recorder((0, 1, 2), has_extremes=False)
    book = Logbook(recorder, SmallFlash(str(root)), CountingEngine(), policy)
    OPEN.append(book)
    book.at(1, 0)
    book.begin([(layout.SECTION_TEXT, b"\x02dewar 7")], LOG_ID, 7)
    return book


NOISE = tuple(
    [(7_919 * n * (axis + 3)) % 4_001 - 2_000 for n in range(1_200)] for axis in range(3)
)


def test_a_full_flash_refuses_a_shock_window_and_keeps_the_reserve(tmp_path: Path) -> None:
    """Windows stop before the space for the journal and the last words is gone."""
    book = small_book(tmp_path, layout.FULL_STOP)
    written = 0
    while book.write_shock(
        book.recorder.shock_sections((written, 1_200, 0, 3_200, 100, 0), NOISE), written, 0
    ):
        written += 1
        assert written < 200

    assert written > 5
    assert book.flash.free_bytes() >= logbook_module.RESERVE_BYTES - 8_192
    assert book.has_last_words()


def overwritten(samples: int) -> bytes:
    """Return the body of the event that tells how many samples were given up so far."""
    gap = (layout.STREAM_SAMPLES, layout.GAP_OVERWRITTEN, 0, layout.GAP_LENGTH_UNKNOWN, samples)
    return struct.pack(layout.EVENT_GAP.format, *gap)


def samples_of(path: Path) -> set[int]:
    """Return the numbers of the samples in one segment."""
    data, offset, numbers = path.read_bytes(), 0, set[int]()
    while offset < len(data):
        one = block.check_block(data, offset, None)
        for kind, start, _ in block.sections(data, one.body_start, one.body_end):
            if kind == layout.SECTION_SPAN:
                first, count, _ = struct.unpack_from(layout.SPAN.format, data, start)
                numbers.update(range(first, first + count))
        offset += one.length
    return numbers


def missing_samples(root: Path, end: int) -> set[int]:
    """Return which samples before number `end` are in no segment of the first run."""
    return set(range(end)).difference(*(samples_of(path) for path in segment_files(root)))


def test_overwriting_gives_up_the_oldest_segment_but_the_first_and_says_so(tmp_path: Path) -> None:
    """The gap names how many samples went; block 0 with the run's settings stays."""
    book = small_book(tmp_path, layout.FULL_OVERWRITE)
    SmallFlash.capacity_bytes = 300_000
    number = 0
    while len(segment_files(tmp_path)) < 3:
        write_samples(book, number, 40)
        number += 40
        book.seal()
        book.write_shock(
            book.recorder.shock_sections((0, 1_200, 0, 3_200, 100, 0), NOISE), number, 0
        )
    kept_before = {path.name for path in segment_files(tmp_path)}
    while {path.name for path in segment_files(tmp_path)} >= kept_before:
        book.write_shock(
            book.recorder.shock_sections((0, 1_200, 0, 3_200, 100, 0), NOISE), number, 0
        )
    book.seal()

    names = [path.name for path in segment_files(tmp_path)]
    last = segment_files(tmp_path)[-1].read_bytes()
    assert names[0] == "0000.seg"
    assert "0001.seg" not in names
    assert bytes((layout.KIND_GAP, layout.EVENT_GAP.size)) in last
    assert overwritten(len(missing_samples(tmp_path, number))) in last


def test_an_earlier_run_is_given_up_only_when_a_host_holds_all_of_it(tmp_path: Path) -> None:
    """A new run never erases an unpulled one; a confirmed one makes room."""
    book = begun(tmp_path)
    write_samples(book, 0, 50)
    book.seal()
    blocks, chain = book.head()
    book.end()
    flash = book.flash
    second = new_book(tmp_path)
    second.at(1, 0)
    second.begin([(layout.SECTION_TEXT, b"\x02dewar 8")], b"logid124", 8)

    assert second._drop_confirmed_run() is False  # noqa: SLF001 - the policy itself is the claim
    assert second.confirm(1, blocks, bytes(32), 0) is False
    assert second.confirm(1, blocks, chain, 0) is True
    assert second._drop_confirmed_run() is True  # noqa: SLF001
    assert flash.runs() == [2]


@pytest.mark.parametrize("sizes", [LARGE, SMALL], ids=["large", "small"])
def test_a_boards_blocks_are_what_the_format_allows(sizes: Sizes) -> None:
    """They never pass what readers must accept, and are filled page by page."""
    assert sizes.block_samples <= layout.BLOCK_MAX_SAMPLES
    assert sizes.block_samples % layout.COLUMN_PAGE == 0


def hard(shock: tuple[int, ...]) -> bool:
    """Say that a shock of band 3 means HOLD."""
    return shock[1] == 3


@pytest.mark.parametrize("sealed", [False, True])
def test_a_shock_that_means_hold_is_known_after_a_boot(tmp_path: Path, *, sealed: bool) -> None:
    """Whether the journal still holds it or only the state does."""
    book = begun(tmp_path)
    book._means_hold = hard  # noqa: SLF001 - as App gives it
    book.note_shock((1, 2, 0, 10, 10, 600, 600, 9000, 3000))
    before = book.has_held_shock
    book.shocks = 2  # counted when they were captured
    book.note_shock((2, 3, 0, 10, 10, 1180, 1180, 5000, 3700))
    book.commit()
    if sealed:
        book.seal()
    again = new_book(tmp_path)
    again._means_hold = hard  # noqa: SLF001
    again.flash.open_run()
    again.resume()

    assert (before, book.has_held_shock, again.has_held_shock) == (False, True, True)
    assert again.shocks == 2


def test_a_state_of_other_firmware_does_not_keep_the_board_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rules begin anew; every sample is kept."""

    def refuse(self: CountingEngine, state: bytes) -> None:
        raise ValueError("excursion state of other rules")

    write_samples(begun(tmp_path), 0, 5)
    monkeypatch.setattr(CountingEngine, "restore", refuse)
    book = new_book(tmp_path)
    book.flash.open_run()

    assert book.resume().recovered_samples == 5


def test_each_journal_of_a_run_has_an_etag_of_its_own(tmp_path: Path) -> None:
    """A host that holds part of one must not take the next one for it."""
    book = begun(tmp_path)
    etags: set[int] = set()
    for number in range(5):
        write_samples(book, 3 * number, 3)
        etags.add(book.list_entry(book.list_count() - 1)[3])
        book.seal()

    assert len(etags) == 5


def test_reading_a_run_that_was_erased_is_refused_as_changed(tmp_path: Path) -> None:
    """One link pulls it, the other erases it: the host is to list again, not to ask again."""
    book = begun(tmp_path)
    book.end()
    run, file, _, etag, _, _ = book.list_entry(0)
    stored = book.open(run, file, etag)
    book.begin([], b"logid456", 1)
    book.remove_run(run)

    with pytest.raises(ValueError, match="gone"):
        stored.read_into(0, memoryview(bytearray(8)))
    stored.close()


def test_a_run_is_given_up_as_all_that_stops_interrupts(tmp_path: Path) -> None:
    """A shock that begins meanwhile is marked as one that may have begun before."""
    book = begun(tmp_path)
    book.end()
    run = book.recorder.run
    book.begin([], b"logid456", 1)
    told: list[str] = []
    remove = book.flash.remove_run
    stalls: Any = SimpleNamespace(
        stall_begins=lambda: told.append("begins"), stall_ends=lambda: told.append("ends")
    )
    book.stalls = stalls

    def removed(run: int) -> int:
        told.append(f"removes {run}")
        return remove(run)

    book.flash.remove_run = removed
    book.remove_run(run)

    assert told == ["begins", f"removes {run}", "ends"]


def test_reading_a_journal_that_was_replaced_is_refused(tmp_path: Path) -> None:
    """Its path holds another one; while it only grew, its bytes come."""
    book = begun(tmp_path)
    write_samples(book, 0, 3)
    run, file, _, etag, size, _ = book.list_entry(book.list_count() - 1)
    reader = book.open(run, file, etag)
    buffer = bytearray(size)
    write_samples(book, 3, 3)

    assert reader.read_into(0, memoryview(buffer)) == size
    book.seal()

    with pytest.raises(ValueError, match="replaced"):
        reader.read_into(0, memoryview(buffer))
    reader.close()


@pytest.mark.parametrize("torn_bytes", [None, 0, 1, 60])
def test_a_run_cut_before_its_first_block_is_not_gone_on_with(
    tmp_path: Path, torn_bytes: int | None
) -> None:
    """Without block 0 nobody would know whose log it is: another run begins, with a new number."""
    book = begun(tmp_path)
    book.flash.release()
    (folder,) = tmp_path.glob("????????")
    (folder / "journal").unlink()
    whole = (folder / "0000.seg").read_bytes()
    (folder / "0000.seg").unlink()
    if torn_bytes is not None:
        (folder / "0000.seg").write_bytes(whole[:torn_bytes])

    again = new_book(tmp_path)

    assert again.flash.open_run() is None
    assert again.list_count() == 0
    again.begin([(layout.SECTION_TEXT, b"\x02dewar 7")], LOG_ID, 7)
    assert again.recorder.run == 2


def test_a_run_whose_first_block_rotted_is_gone_on_with(tmp_path: Path) -> None:
    """There are blocks or a journal: nothing of it is given up."""
    book = begun(tmp_path)
    write_samples(book, 0, 3)
    book.flash.release()
    (segment,) = segment_files(tmp_path)
    segment.write_bytes(bytes(60) + segment.read_bytes()[60:])

    assert new_book(tmp_path).flash.open_run() is not None


class _PowerCut(BaseException):
    """The supply is gone."""


def _cut(*_: object) -> None:
    raise _PowerCut


def test_a_cut_behind_a_block_with_unwritten_records_gives_no_number_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample that set off the seal itself is in the block: it counts, and the engine saw it."""
    book = begun(tmp_path)
    write_samples(book, 0, 20)
    book.judge(0, codes_of(20))
    book.recorder.sample(0, codes_of(20))
    book.emit(layout.KIND_SUPPLY, (3_300, 0))
    with monkeypatch.context() as patched:
        patched.setattr(book.flash, "start_journal", _cut)
        with pytest.raises(_PowerCut):
            book.seal()
    book.flash.release()

    again = new_book(tmp_path)
    again.flash.open_run()
    again.resume()

    assert (again.recorder.next_sample, again.recorder.next_event) == (21, 1)
    assert seen(again) == 21


@pytest.mark.parametrize("part", [0.5, 0.05])
def test_a_damaged_journal_already_sealed_gives_no_number_twice(
    tmp_path: Path, part: float
) -> None:
    """What its block holds counts, not what can still be read of the journal, if anything can."""
    book = begun(tmp_path)
    write_samples(book, 0, 30)
    journal = next(tmp_path.glob("*/journal"))
    before = bytearray(journal.read_bytes())
    book.seal()
    book.flash.release()
    before[layout.JOURNAL_HEAD.size + int(len(before) * part)] ^= 1
    journal.write_bytes(before)

    again = new_book(tmp_path)
    again.flash.open_run()
    again.resume()

    assert again.recorder.next_sample == 30


def test_a_cut_while_a_run_is_closed_gives_no_event_number_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last event stands in the last block; the run, found open again, goes on behind it."""
    book = begun(tmp_path)
    write_samples(book, 0, 5)
    book.emit(layout.KIND_STOP, (0,))
    with monkeypatch.context() as patched:
        patched.setattr(book.flash, "close_run", _cut)
        with pytest.raises(_PowerCut):
            book.end()
    book.flash.release()

    again = new_book(tmp_path)
    again.flash.open_run()
    again.resume()

    assert (again.recorder.next_sample, again.recorder.next_event) == (5, 1)


def test_a_run_without_its_first_block_never_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut between folder and first block, it is not continued: it would not say what it is."""
    book = new_book(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(book.flash, "append_block", _cut)
        with pytest.raises(_PowerCut):
            book.begin([(layout.SECTION_TEXT, b"\x02dewar 7")], LOG_ID, 7)

    again = new_book(tmp_path)

    assert again.flash.open_run() is None
    assert again.flash.runs() == []
    again.begin([(layout.SECTION_TEXT, b"\x02dewar 7")], LOG_ID, 7)
    assert again.recorder.run == 2


def test_a_journal_whose_head_is_damaged_is_said_to_be_dropped(tmp_path: Path) -> None:
    """No record behind it can be trusted: all its bytes count as dropped, in the BOOT event."""
    write_samples(begun(tmp_path), 0, 25)
    path = next(tmp_path.glob("*/journal"))
    data = bytearray(path.read_bytes())
    data[20] ^= 4
    path.write_bytes(data)

    again = new_book(tmp_path)
    again.flash.open_run()
    recovery = again.resume()

    assert recovery.recovered_samples == 0
    assert recovery.dropped_bytes == len(data)


def test_a_removal_that_a_power_cut_stopped_is_finished(tmp_path: Path) -> None:
    """Whatever was removed already, the rest of a confirmed run goes when room is wanted."""
    book = begun(tmp_path)
    write_samples(book, 0, 10)
    book.end()
    assert book.confirm(1, book.recorder.blocks, book.recorder.chain, 0)
    folder = tmp_path / "00000001"
    for name in sorted(path.name for path in folder.iterdir()):
        again = begun(tmp_path)
        assert folder.exists()
        (folder / name).unlink()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(again.flash, "free_bytes", lambda: 0 if folder.exists() else 1 << 20)
            kept = {path.name: path.read_bytes() for path in folder.iterdir()}
            assert again.check_room()
        again.end()
        folder.mkdir()
        for other, data in kept.items():
            (folder / other).write_bytes(data)


@pytest.mark.parametrize("samples_behind", [0, 3])
def test_a_spent_journal_does_not_keep_a_confirmed_run(
    tmp_path: Path, samples_behind: int
) -> None:
    """Cut between closing and the journal's removal, the run can still be given up."""
    book = begun(tmp_path)
    write_samples(book, 0, 10)
    book.seal()
    write_samples(book, 10, samples_behind)
    journal = tmp_path / "00000001" / "journal"
    spent = journal.read_bytes()
    book.end()
    journal.write_bytes(spent)
    assert book.confirm(1, book.recorder.blocks, book.recorder.chain, 0)

    again = begun(tmp_path)
    assert again.flash.runs() == [1, 2]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(again.flash, "free_bytes", lambda: 0 if journal.exists() else 1 << 20)
        assert again.check_room()
    assert again.flash.runs() == [2]


def test_a_journal_that_was_never_sealed_keeps_its_run(tmp_path: Path) -> None:
    """What stands in no block is not held by any host, whatever it has confirmed."""
    book = begun(tmp_path)
    write_samples(book, 0, 10)
    blocks, chain = book.seal()
    write_samples(book, 10, 3)
    book.flash.close_run(keep_journal=True)
    assert book.confirm(1, blocks, chain, 0)

    again = begun(tmp_path)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(again.flash, "free_bytes", lambda: 0)
        assert not again.check_room()
    assert again.flash.runs() == [1, 2]


def test_a_file_system_that_counts_more_blocks_than_it_has_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less than no room comes as a number beyond all; it must not read as endless room."""
    book = begun(tmp_path)
    told = (4096, 4096, 26, (1 << 32) - 3, 0, 0, 0, 0, 0, 255)
    monkeypatch.setattr("os.statvfs", lambda _: told)

    assert book.flash.free_bytes() == 0
    assert not book.check_room()


def test_a_cut_behind_the_removal_of_old_samples_leaves_it_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gap is durable before the segment goes."""
    monkeypatch.setattr(layout, "SEGMENT_MAX_BYTES", 512)
    book = begun(tmp_path, layout.FULL_OVERWRITE)
    for part in range(6):
        write_samples(book, 40 * part, 40)
        book.seal()
    remove = book.flash.remove_segment
    samples = len(samples_of(segment_files(tmp_path)[1]))
    assert samples > 0

    def remove_and_die(segment: int) -> None:
        remove(segment)
        raise _PowerCut

    with monkeypatch.context() as patched:
        patched.setattr(book.flash, "free_bytes", lambda: 0)
        patched.setattr(book.flash, "remove_segment", remove_and_die)
        with pytest.raises(_PowerCut):
            book.check_room()
    book.flash.release()

    again = new_book(tmp_path)
    again.flash.open_run()
    again.resume()

    assert overwritten(samples) in segment_files(tmp_path)[-1].read_bytes()


def words_of(log: bytes) -> list[int]:
    """Return what each stored event on overwritten samples tells, in the log's order."""
    head = bytes((layout.KIND_GAP, layout.EVENT_GAP.size))
    body = overwritten(0)[:-4]
    words, at = [], log.find(body)
    while at >= 0:
        if log[at - layout.EVENT_HEAD.size :].startswith(head):
            words.append(struct.unpack_from("<I", log, at + len(body))[0])
        at = log.find(body, at + 1)
    return words


def cut_while_overwriting(book: Logbook, where: str) -> bool:
    """Give up one segment if there is one, cut before or behind its removal; was there one?"""
    remove, free = book.flash.remove_segment, iter((0, 1 << 20))

    def remove_and_die(segment: int) -> None:
        if where != "before":
            remove(segment)
        if where:
            raise _PowerCut

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(book.flash, "free_bytes", lambda: next(free))
        patched.setattr(book.flash, "remove_segment", remove_and_die)
        try:
            return book.check_room()
        except _PowerCut:
            return True


@pytest.mark.parametrize("seed", range(4))
def test_the_last_word_counts_all_that_was_overwritten_when_the_first_words_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Rounds of it, cut now and then on either side of the removal, some segments without samples.

    The host calls none of it damaged.
    """
    monkeypatch.setattr(layout, "SEGMENT_MAX_BYTES", 700)
    chance = random.Random(seed)
    root, file = tmp_path / "log", tmp_path / "log.dwl"
    book = new_book(root, layout.FULL_OVERWRITE)
    channel = (ord("T"), 0, 0, 0, layout.UTC_UNKNOWN, layout.UTC_UNKNOWN, bytes(12))
    sections = [(layout.SECTION_IDENTITY, bytes(layout.IDENTITY.size))]
    for number in range(3):
        packed = struct.pack(layout.CHANNEL.format, number, *channel)
        sections.append((layout.SECTION_CHANNEL, packed))
    book.begin(sections, LOG_ID, 7)
    end, told, words = 0, 0, list[int]()
    for number in range(50):
        count = chance.choice((1, 30, 60))
        write_samples(book, end, count)
        end += count
        if chance.random() < 0.2:
            book.write_shock(
                book.recorder.shock_sections((0, 1_200, 0, 3_200, 100, 0), NOISE), 10 * end, 0
            )
        if chance.random() < 0.8:
            book.seal()
        where = chance.choice(("", "", "before", "behind"))
        is_told = cut_while_overwriting(book, where)
        if is_told and where:
            book.flash.release()
            book = new_book(root, layout.FULL_OVERWRITE)
            book.flash.open_run()
            book.resume()
        told += is_told

        files = segment_files(root)
        lost = len(missing_samples(root, book.recorder.first_sample))
        going = len(samples_of(files[1])) if is_told and where == "before" else 0
        file.write_bytes(b"".join(path.read_bytes() for path in [*files, *root.glob("*/journal")]))
        words = words_of(file.read_bytes())
        assert not told or words[-1] == lost + going
        assert words == sorted(words)
        if number % 5 == 4:
            found = review_log(file).findings
            assert [item.message for item in found if item.severity is Severity.BROKEN] == []
    assert told > 2 * len(words)


def test_a_seal_is_refused_where_the_newest_run_keeps_a_journal_nobody_can_seal(
    tmp_path: Path,
) -> None:
    """Its host pulls the journal as it is; one that was told "sealed" would leave it out."""
    book = begun(tmp_path)
    write_samples(book, 0, 3)
    book.flash.close_run(keep_journal=True)
    book.is_open = False

    with pytest.raises(OSError, match="9"):
        book.seal()


def test_a_run_that_ends_without_room_keeps_its_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An admin's STOP on a full board stops no loop, and loses no sample."""
    book = begun(tmp_path)
    write_samples(book, 0, 3)

    def full(_: object) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(book.flash, "append_block", full)
    book.end()

    assert not book.is_open
    assert book.flash.keeps_journal()
    state = book.flash.read_state(1)
    assert state is not None
    assert state.closed


def test_an_event_that_comes_behind_the_end_of_a_run_is_in_no_log(tmp_path: Path) -> None:
    """A chip that falls silent while hosts still ask: it must not grow a log that is closed."""
    book = begun(tmp_path)
    book.end()
    before = book.recorder.next_event

    book.emit(layout.KIND_SENSOR, (2, 1))

    assert book.recorder.next_event == before


def test_a_run_that_could_not_begin_takes_no_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log without its first block would not say whose it is."""
    book = begun(tmp_path)
    book.end()

    def full(_: object) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(book.flash, "append_block", full)
    with pytest.raises(OSError, match="no space"):
        book.begin([], bytes(8), 0)

    assert not book.is_open


def large_journal(root: Path, count: int) -> None:
    """Leave an open journal of `count` samples, an event with every 90th, by a board of LARGE."""
    book = begun(root)
    for number in range(count):
        if number % 90 == 0:
            book.at(10 * number, 0)
            book.emit(layout.KIND_SUPPLY, (4_000 + number // 90, 0))
        write_samples(book, number, 1, calm_codes_of)
    assert len(blocks_of(root)) == 1
    book.flash.release()


def supply_of(root: Path) -> list[int]:
    """Return the mV of every sealed SUPPLY event."""
    found = []
    for one, data in blocks_of(root):
        for kind, start, end in block.sections(data, one.body_start, one.body_end):
            if kind == layout.SECTION_EVENTS:
                found += [
                    body[0]
                    for _, event, _, _, body in events.read_events(data, start, end)
                    if event == layout.KIND_SUPPLY
                ]
    return found


def spans_of(root: Path) -> list[tuple[int, int, int]]:
    """Return (first sample, count, uptime) of every block of samples."""
    return [
        (*struct.unpack_from(layout.SPAN.format, data, start)[:2], one.uptime_s)
        for one, data in blocks_of(root)
        for kind, start, _ in block.sections(data, one.body_start, one.body_end)
        if kind == layout.SECTION_SPAN
    ]


@pytest.mark.parametrize("sealed", [0, 1, 2, 3])
def test_a_journal_longer_than_this_boards_blocks_is_sealed_in_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sealed: int
) -> None:
    """Nothing is lost or stored twice, wherever among the blocks the power failed before."""
    large_journal(tmp_path, 2_500)
    with monkeypatch.context() as patched:
        cut = new_book(tmp_path, sizes=SHORT)
        append = cut.flash.append_block
        left = [sealed]

        def cut_later(view: "SealedBlock") -> None:
            if not left[0]:
                raise _PowerCut
            left[0] -= 1
            append(view)

        patched.setattr(cut.flash, "append_block", cut_later)
        patched.setattr(cut.flash, "start_journal", _cut)
        assert cut.flash.open_run() is not None
        with pytest.raises(_PowerCut):
            cut.resume()
    cut.flash.release()

    again = new_book(tmp_path, sizes=SHORT)
    assert again.flash.open_run() is not None
    recovery = again.resume()

    expected = [calm_codes_of(number) for number in range(2_500)]
    assert readings_of(tmp_path, 0) == [codes[0] for codes in expected]
    assert readings_of(tmp_path, 2) == [codes[2] for codes in expected]
    assert supply_of(tmp_path) == list(range(4_000, 4_028))
    assert spans_of(tmp_path) == [(0, 1024, 0), (1024, 1024, 10_240), (2048, 452, 20_480)]
    assert (recovery.recovered_samples, recovery.last_uptime_s) == (2_500, 24_990)
    assert (again.recorder.next_sample, again.recorder.next_event) == (2_500, 28)
    assert seen(again) == 2_500


def test_a_block_longer_than_a_small_boards_own_is_found_by_it(tmp_path: Path) -> None:
    """A flash moved, or a firmware of other sizes: the tail of a large board is no torn one."""
    book = begun(tmp_path)
    write_samples(book, 0, 3_000, calm_codes_of)
    blocks, chain = book.seal()
    book.flash.release()
    size = segment_files(tmp_path)[-1].stat().st_size

    again = new_book(tmp_path, sizes=SMALL)
    assert again.flash.open_run() is not None
    recovery = again.resume()

    assert again.head() == (blocks, chain)
    assert recovery.dropped_bytes == 0
    assert segment_files(tmp_path)[-1].stat().st_size == size
    assert again.recorder.next_sample == 3_000


@pytest.mark.parametrize("sizes", [LARGE, SMALL], ids=["large", "small"])
def test_a_block_ends_where_the_boards_sizes_end_it(tmp_path: Path, sizes: Sizes) -> None:
    """The same samples are in either board's log, in blocks of its own length."""
    book = new_book(tmp_path, sizes=sizes)
    book.begin([(layout.SECTION_TEXT, b"\x02dewar 7")], LOG_ID, 7)
    count = sizes.block_samples + 10
    write_samples(book, 0, count, calm_codes_of)
    book.seal()

    assert [span[:2] for span in spans_of(tmp_path)] == [(0, count - 10), (count - 10, 10)]
    assert readings_of(tmp_path, 0) == [calm_codes_of(number)[0] for number in range(count)]
