"""The run of another profile: sealed by its own first block, or kept as it stands."""

import errno
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from dewarlog_firmware import former_run
from dewarlog_firmware.config import parse_config
from dewarlog_firmware.flash_log import FlashLog
from dewarlog_firmware.former_run import close_former_run
from dewarlog_firmware.logbook import Logbook
from dewarlog_firmware.profile import default_document, profile_crc, profile_sections
from dewarlog_firmware.recorder import Recorder
from dewarlog_firmware.seal_key import IN_USE, LOST
from dewarlog_wire import block, events, layout
from dewarlog_wire.column import decode_column, encode_page
from test_logbook_key import RamKey

LOG_ID = b"logid123"
OTHER = 1234  # CRC of the profile the board has now
CODES = [(-24_000 - number, -24_100, 1_280) for number in range(40)]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Leave behind an open run of two probes, 0 and 2, whose samples only the journal holds."""
    document = default_document()
    document["channels"] = [
        {"channel": channel, "probe_type": "T", "placement": "payload top"} for channel in (0, 2)
    ]
    sections = list(profile_sections(parse_config(document)))
    recorder = Recorder((0, 2), has_extremes=False)
    book = Logbook(
        recorder,
        FlashLog(str(tmp_path)),
        former_run._NoRules(),  # noqa: SLF001 - rules have no part in this
        layout.FULL_STOP,
    )
    book.begin(sections, LOG_ID, profile_crc(sections))
    recorder.begin_span(10_000, 5, 0)
    for codes in CODES:
        recorder.sample(0, codes)
        book.commit()
    book.flash.release()
    yield tmp_path
    book.flash.release()


def closed(root: Path) -> bool:
    """Tell whether the run is closed."""
    state = FlashLog(str(root)).read_state(1)
    assert state is not None
    return state.closed


def readings(root: Path) -> dict[int, list[int]]:
    """Return the sealed readings by channel."""
    data = (root / "00000001/0000.seg").read_bytes()
    first = block.check_block(data, 0, None)
    second = block.check_block(data, first.length, first.chain)
    found = {}
    for kind, start, end in block.sections(data, second.body_start, second.body_end):
        if kind == layout.SECTION_COLUMN:
            channel, quantity = struct.unpack_from("<BB", data, start)
            if quantity == layout.QUANTITY_READING:
                found[channel] = list(decode_column(data[start:end], len(CODES)))
    return found


def test_the_journal_is_sealed_with_the_columns_of_its_run(root: Path) -> None:
    """Whatever probes the new profile has."""
    assert close_former_run(str(root), OTHER, encode_page)

    assert readings(root) == {0: [a for a, _, _ in CODES], 2: [b for _, b, _ in CODES]}
    assert closed(root)
    assert not (root / "00000001/journal").exists()


def test_a_run_of_the_same_profile_is_left_open(root: Path) -> None:
    """It goes on; and nothing is done where there is no run at all."""
    state = FlashLog(str(root)).read_state(1)
    assert state is not None
    journal = (root / "00000001/journal").read_bytes()

    assert not close_former_run(str(root), state.config_crc, encode_page)
    assert not closed(root)
    assert (root / "00000001/journal").read_bytes() == journal
    assert not close_former_run(str(root / "empty"), OTHER, encode_page)


@pytest.mark.parametrize("damage", [40, -1, None])
def test_a_run_nobody_can_read_keeps_its_journal(root: Path, damage: int | None) -> None:
    """A first block that is damaged or gone: closed, and its bytes left to the host."""
    segment = root / "00000001/0000.seg"
    data = bytearray(segment.read_bytes())
    if damage is None:
        segment.unlink()
    else:
        data[damage] ^= 1
        segment.write_bytes(data)
    journal = (root / "00000001/journal").read_bytes()

    assert close_former_run(str(root), OTHER, encode_page)
    assert closed(root)
    assert (root / "00000001/journal").read_bytes() == journal


def test_full_memory_keeps_the_journal(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be sealed is not thrown away."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(FlashLog, "append_block", full)
    journal = (root / "00000001/journal").read_bytes()

    assert close_former_run(str(root), OTHER, encode_page)
    assert closed(root)
    assert (root / "00000001/journal").read_bytes() == journal


@pytest.mark.parametrize(("index", "expected"), [(1, 1), (0, 0)], ids=["key", "key lost"])
def test_the_journal_is_sealed_by_the_boards_key(root: Path, index: int, expected: int) -> None:
    """The block is sealed as in its own time; one without a seal says in itself why."""
    key = RamKey(index, IN_USE if index else LOST)
    assert close_former_run(str(root), OTHER, encode_page, key)  # type: ignore[arg-type]

    data = (root / "00000001/0000.seg").read_bytes()
    first = block.check_block(data, 0, None)
    second = block.check_block(data, first.length, first.chain)
    assert block.read_seal(data, second)[0] == expected
    found = [
        (kind, body)
        for section, start, end in block.sections(data, second.body_start, second.body_end)
        if section == layout.SECTION_EVENTS
        for _, kind, _, _, body in events.read_events(data, start, end)
    ]
    assert found == ([] if index else [(layout.KIND_SEAL_KEY, (LOST, 0))])
