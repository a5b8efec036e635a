"""Integrity: every kind of damage is found, named for what it is, and placed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dewarlog.checks.finding import Severity
from dewarlog.checks.review import review_log
from dewarlog_wire import layout
from log_writer import LogWriter
from trips import HOUR_MS, trip, written

if TYPE_CHECKING:
    from pathlib import Path

    from dewarlog.checks.finding import Finding
    from dewarlog.checks.review import Review
    from log_writer import EventSpec


def _review(folder: Path, data: bytes) -> Review:
    path = folder / "log.dwl"
    path.write_bytes(data)
    return review_log(path)


def _broken(review: Review) -> list[Finding]:
    return [item for item in review.findings if item.severity is Severity.BROKEN]


def test_a_whole_log_is_intact(tmp_path: Path) -> None:
    """Nothing is broken, and the figures are those of the file."""
    writer = trip()
    review = _review(tmp_path, bytes(writer.data))

    assert _broken(review) == []
    assert (review.integrity.intact, review.integrity.blocks) == (True, 5)
    assert review.integrity.sealed_bytes == review.size_bytes == len(writer.data)
    assert review.integrity.last_chain == writer.chain
    assert review.integrity.stopped


REGIONS = ("magic", "version", "kind", "length", "run", "block_seq", "boot", "uptime_s")
SEAL_REGIONS = ("chain", "key_index", "tag", "crc32")


@pytest.mark.parametrize("region", [*REGIONS, "body", *SEAL_REGIONS])
def test_a_flipped_bit_in_any_region_of_a_block_is_found(tmp_path: Path, region: str) -> None:
    """The finding names the block, its bytes and the samples that are gone."""
    writer = trip()
    start, end = writer.offsets[2], writer.offsets[3]
    seal = end - layout.BLOCK_SEAL.size
    if region == "body":
        at = start + layout.BLOCK_HEADER.size + 100
    elif region in SEAL_REGIONS:
        at = seal + layout.BLOCK_SEAL.offset_of(region)
    else:
        at = start + layout.BLOCK_HEADER.offset_of(region)
    data = bytearray(writer.data)
    data[at] ^= 0x10
    review = _review(tmp_path, bytes(data))

    (finding,) = _broken(review)
    assert finding.code == "corrupt"
    assert finding.message == (
        f"The log is damaged at bytes {start:,} to {end:,}: block 2 is lost, "
        "with samples 360 to 719."
    )
    assert (finding.offset, finding.block_seq) == (start, 2)
    assert review.integrity.first_bad is finding
    assert review.coverage.samples == 3 * 360


def test_a_truncated_log_is_incomplete(tmp_path: Path) -> None:
    """The finding says so and tells to pull again."""
    writer = trip()
    review = _review(tmp_path, bytes(writer.data[:-50]))

    (finding,) = _broken(review)
    assert finding.code == "incomplete"
    assert "the file ends inside block 4" in finding.message
    assert finding.offset == writer.offsets[-1]


def test_a_log_cut_between_two_blocks_does_not_claim_its_end(tmp_path: Path) -> None:
    """Its bytes are sound, so the note says where it ends, and that more may have followed."""
    writer = trip()
    whole = _review(tmp_path, bytes(writer.data))
    short = _review(tmp_path, bytes(writer.data[: writer.offsets[3]]))

    notes = {item.code: item.message for item in short.findings}
    assert "or its end is missing. Its last block is 2." in notes["still-recording"]
    assert "still-recording" not in {item.code for item in whole.findings}


def test_a_doubled_log_is_named_and_counted_once(tmp_path: Path) -> None:
    """The second copy adds no sample, no event and no gap."""
    data = bytes(trip().data)
    once, twice = _review(tmp_path, data), _review(tmp_path, data + data)

    assert [item.code for item in _broken(twice)] == ["doubled"]
    assert twice.integrity.first_bad is not None
    assert f"from byte {len(data):,} on (blocks 0 to 4)" in twice.integrity.first_bad.message
    assert twice.integrity.first_bad.offset == len(data)
    assert (twice.coverage, twice.events) == (once.coverage, once.events)


def test_the_copy_of_one_block_is_named(tmp_path: Path) -> None:
    """A block that stands twice is told by its number."""
    writer = trip()
    block = bytes(writer.data[writer.offsets[2] : writer.offsets[3]])
    data = writer.data[: writer.offsets[3]] + block + writer.data[writer.offsets[3] :]

    (finding,) = _broken(_review(tmp_path, bytes(data)))
    start, end = writer.offsets[3], writer.offsets[3] + len(block)
    assert finding.message == (
        f"Block 2 (bytes {start:,} to {end:,}) stands in the file a second time."
    )


def test_parts_joined_in_the_wrong_order_are_not_missing(tmp_path: Path) -> None:
    """One finding says which blocks stand where; no byte is called lost, replaced or doubled."""
    writer = trip()
    first, second = writer.offsets[2], writer.offsets[4]
    data = bytes(writer.data[first:second] + writer.data[:first] + writer.data[second:])

    (finding,) = _broken(_review(tmp_path, data))
    assert finding.code == "out-of-order"
    start, end = second - first, second
    assert finding.message.startswith(f"Blocks 0 to 1 (bytes {start:,} to {end:,}) stand behind")


def test_a_part_that_is_missing_and_one_out_of_order_are_both_named(tmp_path: Path) -> None:
    """Half of what is missing turning up later does not excuse the other half."""
    writer = trip()
    at = writer.offsets
    data = bytes(writer.data[: at[1]] + writer.data[at[3] :] + writer.data[at[1] : at[2]])

    codes = {item.code for item in _broken(_review(tmp_path, data))}
    assert codes == {"blocks-missing", "out-of-order"}


def test_blocks_that_are_missing_are_told_apart_from_damage(tmp_path: Path) -> None:
    """Cut out cleanly, a block leaves no wrong byte; its number tells."""
    writer = trip()
    data = writer.data[: writer.offsets[2]] + writer.data[writer.offsets[3] :]

    (finding,) = _broken(_review(tmp_path, bytes(data)))
    assert (finding.code, finding.block_seq) == ("blocks-missing", 2)
    assert finding.message == "Block 2 is not in the file."


def test_a_log_without_its_beginning_says_so(tmp_path: Path) -> None:
    """Without block 0 there are no limits, and the log cannot be judged."""
    writer = trip()
    review = _review(tmp_path, bytes(writer.data[writer.offsets[1] :]))

    (finding,) = _broken(review)
    assert finding.message == "The beginning of the log is missing. Block 0 is not in the file."
    assert review.run is None
    assert review.has_readings


def test_a_replaced_block_breaks_the_chain(tmp_path: Path) -> None:
    """A block with a good CRC of its own, from another log, does not follow."""
    writer, other = trip(), trip(change=lambda _, readings: readings[0].sort() or [])
    start, end = writer.offsets[2], writer.offsets[3]
    forged = other.data[other.offsets[2] : other.offsets[3]]
    data = writer.data[:start] + forged + writer.data[end:]

    findings = _broken(_review(tmp_path, bytes(data)))
    assert {finding.code for finding in findings} == {"chain"}
    assert findings[0].block_seq == 2


def test_a_block_of_another_run_is_named_and_left_out(tmp_path: Path) -> None:
    """Two logs joined are not one."""
    other = trip(1, writer=LogWriter(run=8, channels=2))
    review = _review(tmp_path, bytes(trip().data + other.data))

    (finding,) = _broken(review)
    assert finding.code == "foreign-run"
    start, end = len(trip().data), len(trip().data) + len(other.data)
    assert f"(run 8, blocks 0 to 1; bytes {start:,} to {end:,})" in finding.message
    assert review.coverage.samples == 4 * 360


def test_rubbish_between_blocks_is_damage_that_loses_nothing(tmp_path: Path) -> None:
    """The finding says that the blocks around it follow each other."""
    writer = trip()
    at = writer.offsets[2]
    data = writer.data[:at] + b"\xff" * 99 + writer.data[at:]
    review = _review(tmp_path, bytes(data))

    (finding,) = _broken(review)
    assert "between two blocks that follow each other" in finding.message
    assert review.coverage.samples == 4 * 360


def test_rubbish_before_the_first_block_is_damage_that_loses_nothing(tmp_path: Path) -> None:
    """The finding says where it stands."""
    review = _review(tmp_path, b"\xff" * 99 + bytes(trip().data))

    (finding,) = _broken(review)
    assert finding.message == "The log is damaged at bytes 0 to 99, before its first block."
    assert review.coverage.samples == 4 * 360


def test_a_sound_journal_is_told_and_a_torn_one_is_incomplete(tmp_path: Path) -> None:
    """What is not yet sealed counts; what is torn makes the log not intact."""
    samples = [(0, -24000, -24000, 1600)] * 3
    whole, torn = trip(stop=False), trip(stop=False)
    whole.journal(4 * HOUR_MS, samples)
    torn.journal(4 * HOUR_MS, samples, torn=b"\x01\x08\x00\x00")

    sound = _review(tmp_path, bytes(whole.data))
    assert sound.integrity.intact
    assert (sound.integrity.journal_samples, sound.coverage.samples) == (3, 4 * 360 + 3)
    (finding,) = _broken(_review(tmp_path, bytes(torn.data)))
    assert (finding.code, finding.offset) == ("journal-torn", len(torn.data) - 4)


def test_a_shock_stored_since_the_journal_began_does_not_hide_it(tmp_path: Path) -> None:
    """The block of a shock window takes a block number, and no sample, from the open journal."""
    writer = trip(stop=False)
    blocks = writer.blocks
    writer.shock(4 * HOUR_MS + 20_000, ([0] * 200, [0] * 200, [10] * 200))
    writer.blocks = blocks
    writer.journal(4 * HOUR_MS, [(0, -24000, -24000, 1600)] * 3)
    review = _review(tmp_path, bytes(writer.data))

    assert review.integrity.intact
    assert (review.integrity.journal_samples, review.coverage.samples) == (3, 4 * 360 + 3)


def test_a_journal_already_sealed_is_not_counted_again(tmp_path: Path) -> None:
    """A cut between sealing and the next journal leaves both: the block wins."""
    writer = trip(1, stop=False)
    before = (writer.blocks, writer.next_sample, writer.next_event)
    sealed = trip(2, stop=False)
    writer.blocks, writer.next_sample, writer.next_event = before
    stale = len(writer.data)
    writer.journal(HOUR_MS, [(0, -24000, -24000, 1600)] * 3)
    review = _review(tmp_path, bytes(sealed.data + writer.data[stale:]))

    assert _broken(review) == []
    assert review.coverage.samples == 2 * 360


def overwritten(minute: int, samples: int) -> EventSpec:
    """Give the event that tells how many samples were given up so far."""
    told = (0, layout.GAP_OVERWRITTEN, 0, layout.GAP_LENGTH_UNKNOWN, samples)
    return (layout.KIND_GAP, minute * 60_000, told)


def by_minute(told: dict[int, int], *, gone: tuple[int, ...], minutes: int = 9) -> bytes:
    """Write blocks 1 to `minutes` of 6 samples each; leave out those `gone`.

    `told`: in the block of which minute stands an event, and what it says was given up.
    """
    writer = LogWriter()
    writer.start()
    for minute in range(1, minutes + 1):
        events = [overwritten(minute, told[minute])] if minute in told else []
        supply = (layout.KIND_SUPPLY, minute * 60_000, (4000, 0))
        writer.samples(minute * 60_000, [[-24000] * 6], events=[supply, *events])
    ends = [*writer.offsets[1:], len(writer.data)]
    blocks = [writer.data[a:b] for a, b in zip(writer.offsets, ends, strict=True)]
    return b"".join(block for number, block in enumerate(blocks) if number not in gone)


def test_overwritten_blocks_are_a_known_loss(tmp_path: Path) -> None:
    """Where the board says it gave up its oldest samples, nothing is broken; but it is HOLD."""
    review = _review(tmp_path, by_minute({9: 12}, gone=(2, 3)))

    assert _broken(review) == []
    (hold,) = (item for item in review.findings if item.code == "overwritten")
    assert hold.severity is Severity.HOLD
    assert hold.evidence == {"first_block": 2, "last_block": 3, "samples": 12}


def test_the_last_event_counts_all_that_was_overwritten(tmp_path: Path) -> None:
    """Those before it are among what is gone, and those that are left do not add up."""
    gone = (2, 3, 4, 5)

    assert _broken(_review(tmp_path, by_minute({4: 6, 8: 18, 9: 24}, gone=gone))) == []
    for told in ({8: 18, 9: 18}, {8: 12, 9: 12}, {8: 24, 9: 18}, {4: 6, 9: 23}):
        (finding,) = _broken(_review(tmp_path, by_minute(told, gone=gone)))
        assert (finding.code, finding.block_seq) == ("blocks-missing", 2)


def test_a_segment_told_and_still_there_is_no_damage(tmp_path: Path) -> None:
    """The power failed between the word and the removal: nothing is missing, or less than told."""
    for gone in ((), (2,)):
        review = _review(tmp_path, by_minute({8: 12, 9: 12}, gone=gone))

        assert _broken(review) == []
        assert [gap.missed for gap in review.coverage.gaps] == [6] * len(gone)


def test_what_was_overwritten_between_two_pulls_is_a_known_loss(tmp_path: Path) -> None:
    """Joined from pulls, a log has what stood between as well: jumps within what was given up."""
    assert _broken(_review(tmp_path, by_minute({6: 12, 9: 30}, gone=(2, 3, 5)))) == []


def test_no_event_excuses_more_than_the_oldest_samples(tmp_path: Path) -> None:
    """Not the beginning, nothing behind the event, no block further on than samples were told."""
    beginning = by_minute({9: 54}, gone=(0, 1, 2))
    behind = by_minute({5: 54}, gone=(6, 7))
    further = by_minute({9: 18}, gone=(2, 3, 6))

    assert [item.block_seq for item in _broken(_review(tmp_path, beginning))] == [0]
    assert [item.block_seq for item in _broken(_review(tmp_path, behind))] == [6]
    assert [item.block_seq for item in _broken(_review(tmp_path, further))] == [6]


def test_what_was_overwritten_is_one_gap_in_the_readings(tmp_path: Path) -> None:
    """Of the length that the samples on both sides show, however often it was told."""
    review = _review(tmp_path, by_minute({7: 6, 8: 12, 9: 18}, gone=(2, 3, 4)))

    (gap,) = review.coverage.gaps
    assert (gap.cause, gap.told, gap.missed, gap.length_s) == ("overwritten", True, 18, 190.0)
    assert review.coverage.missing_s == 190.0


def test_samples_overwritten_before_any_that_is_left_are_a_gap(tmp_path: Path) -> None:
    """The first segment may hold no sample at all."""
    review = _review(tmp_path, by_minute({8: 12}, gone=(1, 2)))

    assert _broken(review) == []
    (gap,) = review.coverage.gaps
    assert (gap.cause, gap.missed, gap.length_s) == ("overwritten", 12, None)


def test_blocks_cut_out_of_a_log_are_no_gap_that_the_board_told(tmp_path: Path) -> None:
    """An event that tells of fewer samples names neither."""
    review = _review(tmp_path, by_minute({9: 6}, gone=(2, 3)))

    (gap,) = review.coverage.gaps
    assert (gap.cause, gap.told) == ("the log is damaged here", False)


@pytest.mark.parametrize("samples", [6, 5])
def test_overwritten_blocks_before_a_block_without_samples_are_a_known_loss(
    tmp_path: Path, samples: int
) -> None:
    """What stands first behind the hole may be a shock window: the next samples tell its size."""
    writer = LogWriter()
    writer.start()
    writer.samples(0, [[-24000] * 6], events=[(layout.KIND_SUPPLY, 0, (4000, 0))])
    start = len(writer.data)
    writer.samples(60_000, [[-24000] * 6], events=[(layout.KIND_SUPPLY, 60_000, (4000, 0))])
    end = len(writer.data)
    writer.shock(110_000, ([0] * 9, [0] * 9, [9] * 9))
    writer.journal(120_000, [(0, -24000, 1600)], events=[overwritten(2, samples)])
    data = writer.data[:start] + writer.data[end:]

    codes = [item.code for item in _broken(_review(tmp_path, bytes(data)))]
    assert codes == ([] if samples == 6 else ["blocks-missing"])


@pytest.mark.parametrize(("told", "broken"), [(True, []), (False, ["blocks-missing"])])
def test_overwritten_blocks_without_any_sample_are_a_known_loss(
    tmp_path: Path, *, told: bool, broken: list[str]
) -> None:
    """A segment of shock windows alone is told as no samples given up, and told it must be."""
    writer = LogWriter()
    writer.start()
    writer.samples(0, [[-24000] * 6], events=[(layout.KIND_SUPPLY, 0, (4000, 0))])
    start = len(writer.data)
    writer.shock(30_000, ([0] * 9, [0] * 9, [9] * 9))
    end = len(writer.data)
    writer.samples(60_000, [[-24000] * 6], events=[overwritten(1, 0)] if told else [])
    data = writer.data[:start] + writer.data[end:]

    assert [item.code for item in _broken(_review(tmp_path, bytes(data)))] == broken


def test_sample_and_event_numbers_must_follow(tmp_path: Path) -> None:
    """Numbers that jump inside a sound chain are the writer's fault, and told."""
    writer = LogWriter()
    writer.start()
    writer.samples(0, [[-24000] * 6], events=[(layout.KIND_SUPPLY, 0, (4000, 0))])
    writer.next_sample += 5
    writer.next_event += 2
    writer.samples(60_000, [[-24000] * 6], events=[(layout.KIND_SUPPLY, 0, (4000, 0))])

    codes = [item.code for item in _broken(review_log(written(tmp_path, writer)))]
    assert codes == ["sample-sequence", "event-sequence"]


def test_a_flood_of_one_kind_is_counted_not_listed(tmp_path: Path) -> None:
    """Thirty blocks that do not follow: twelve are named, the rest are one finding."""
    writer = LogWriter()
    writer.start()
    for index in range(30):
        writer.chain = bytes(32)
        writer.samples(index * 60_000, [[-24000] * 6])

    chain = [
        item for item in _broken(review_log(written(tmp_path, writer))) if item.code == "chain"
    ]
    assert len(chain) == 13
    assert chain[-1].message == "18 more of the same kind as above (chain)."
