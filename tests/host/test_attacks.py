"""Attacks on a log, one test each: what finds it, by which key, and where it begins.

The attacker here has the log's bytes, writes any others, and makes every check that needs no key
come out right. Some tests give him more: another board, an older log, and at the worst a
*captured* board: its device key (so its Ed25519 secret and its receipt key) and its sealing state
as it is now.

What no test here finds, because nobody can:

- Whoever captures a board makes up what comes after. From then on he has its keys, and what he
  seals and signs is as good as the board's. What was sealed before the capture stands: its sealing
  keys are gone, and a state that the owner took earlier shows every change of it.
- Without a state of the sealing key, and without a receipt or signature that was kept elsewhere, a
  captured board can sign a whole new past with its own key.
- Blocks that were cut off the end, when nothing outside the log names them: no receipt, no
  signature, no copy, and no next run. The claim `end` then says that it is not proved.
- A key that the log says was made anew: what it sealed is told as not proved, never as proved.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog.checks.review import review_log
from dewarlog.errors import ExitCode, LogError
from dewarlog.pull import FiledLog
from dewarlog.replies import SealState
from dewarlog.verify.case import Proofs
from dewarlog.verify.claims import Standing
from dewarlog.verify.course import verify_log
from dewarlog_wire import layout, seal
from dewarlog_wire.block import check_block
from dewarlog_wire.errors import BlockError
from dewarlog_wire.events import handoff_body
from trips import HOUR_MS, quiet
from trusted import TrustedBoard, fixed, renumbered, signature_event, warmer

if TYPE_CHECKING:
    from pathlib import Path

    from dewarlog.verify.claims import Claim, Verified
    from log_writer import LogWriter
    from trusted import Trip


@pytest.fixture
def board() -> TrustedBoard:
    """Have a board with all its keys."""
    return TrustedBoard()


@pytest.fixture
def owner(board: TrustedBoard) -> Proofs:
    """Hold what the owner of the board took before the trip."""
    return Proofs(board.certificate, board.state, board.receipt_key)


@pytest.fixture
def trip(owner: Proofs, board: TrustedBoard) -> Trip:
    """Record a trip, after the owner took his keys: block 0, then an hour a block."""
    del owner
    return board.trip()


def told(
    folder: Path, data: bytes | bytearray, proofs: Proofs, name: str = "trip.dwl"
) -> Verified:
    """Verify a log of these bytes."""
    path = folder / name
    path.write_bytes(bytes(data))
    return verify_log(path, proofs)


def wrong(found: Verified, code: str) -> Claim:
    """Give the first contradicted claim of this code; fail where there is none."""
    assert found.exit_code is ExitCode.NOT_INTACT
    return next(claim for claim in found.of(Standing.CONTRADICTED) if claim.code == code)


def proved(found: Verified) -> list[tuple[str, tuple[int, int] | None]]:
    """Give what keys prove, and over which blocks."""
    return [(claim.code, claim.blocks) for claim in found.of(Standing.PROVED) if claim.keyed]


def filed(trip: Trip, blocks: int, folder: Path) -> FiledLog:
    """Give what an archive says of a copy with so many blocks."""
    log = trip.log
    return FiledLog(
        path=folder / "filed.dwl",
        device_id=log.device_id,
        run=log.run,
        log_id=log.log_id,
        size_bytes=0,
        new_bytes=0,
        sha256=bytes(32),
        blocks=blocks,
        chain=trip.blocks[blocks - 1][-layout.BLOCK_SEAL.size :][:32],
        problem=None,
        superseded=(),
    )


# --- nobody did anything -------------------------------------------------------------------------
def test_a_true_log_is_proved_by_each_key_over_its_blocks(
    tmp_path: Path, trip: Trip, owner: Proofs
) -> None:
    """Seals over all, a signature up to its head, a receipt; nothing contradicted."""
    found = told(tmp_path, trip.log.data, replace(owner, receipts=(("door.json", trip.receipt),)))

    assert found.of(Standing.CONTRADICTED) == ()
    assert found.exit_code is ExitCode.USE
    assert proved(found) == [
        ("device", (0, 0)),
        ("sealed", (0, 5)),
        ("signed", (0, 3)),
        ("receipt", (0, 2)),
        ("receipt", (0, 3)),
    ]


def test_a_true_log_without_any_key_proves_nobody_and_says_which_keys_would(
    tmp_path: Path, trip: Trip
) -> None:
    """Not a failure, and not called proved either."""
    found = told(tmp_path, trip.log.data, Proofs())

    assert found.of(Standing.CONTRADICTED) == ()
    assert found.exit_code is ExitCode.NO_DATA
    needs = {claim.code: claim.needs or "" for claim in found.of(Standing.NOT_PROVED)}
    assert "sealing key" in needs["sealed"]
    assert "certificate" in needs["signed"]


# --- bytes moved about ---------------------------------------------------------------------------
def test_a_block_taken_out_is_named(tmp_path: Path, trip: Trip) -> None:
    """By the block numbers and the chain: no key needed."""
    blocks = trip.blocks
    found = told(tmp_path, b"".join([*blocks[:3], *blocks[4:]]), Proofs())

    assert wrong(found, "order").block_seq == 3
    assert found.first_bad is not None
    assert found.first_bad.offset == trip.log.offsets[3]


def test_a_block_taken_out_and_all_numbers_and_the_chain_made_right_is_found_by_the_seal(
    tmp_path: Path, trip: Trip, owner: Proofs
) -> None:
    """The seal's numbers jump where the block was, and its tag is of another chain."""
    blocks = trip.blocks
    data = fixed([*blocks[:3], *blocks[4:]], renumbered, chain=True)
    found = told(tmp_path, data, replace(owner, certificate=None))

    claims = [claim for claim in found.of(Standing.CONTRADICTED) if claim.code == "sealed"]
    assert {claim.evidence["finding"] for claim in claims} == {"index", "wrong-tag"}
    assert all((claim.block_seq, claim.offset) == (3, trip.log.offsets[3]) for claim in claims)
    assert ("sealed", (0, 2)) in proved(found)


def test_blocks_in_another_order_are_named(tmp_path: Path, trip: Trip) -> None:
    """By the block numbers: no key needed."""
    blocks = trip.blocks
    found = told(tmp_path, b"".join([*blocks[:2], blocks[3], blocks[2], *blocks[4:]]), Proofs())

    assert wrong(found, "order").evidence["finding"] == "out-of-order"


# --- cut off and old -----------------------------------------------------------------------------
@pytest.mark.parametrize("kept", [2, 3], ids=["before its head", "before its event"])
def test_a_log_cut_after_a_handoff_is_found_by_the_receipt(
    tmp_path: Path, trip: Trip, owner: Proofs, kept: int
) -> None:
    """The receipt names a block, or an event, that the log has no more."""
    receipt = replace(trip.receipt, signed=None)
    proofs = replace(owner, receipts=(("door.json", receipt),))
    found = told(tmp_path, b"".join(trip.blocks[:kept]), proofs)

    claim = wrong(found, "end")
    assert "cut, or is an older copy" in claim.text
    assert claim.block_seq == kept


def test_a_log_cut_after_it_was_signed_is_found_by_the_signature_kept_elsewhere(
    tmp_path: Path, trip: Trip, owner: Proofs
) -> None:
    """The receipt's signature covers four blocks; here are three."""
    proofs = replace(owner, receipts=(("door.json", trip.receipt),))
    found = told(tmp_path, b"".join(trip.blocks[:3]), proofs)

    assert "names 4 blocks, here are 3" in " ".join(
        claim.text for claim in found.of(Standing.CONTRADICTED)
    )


def test_a_log_cut_where_nothing_names_its_end_is_not_called_whole(
    tmp_path: Path, trip: Trip, owner: Proofs
) -> None:
    """The limit: its end is told as not proved, and the logger named as what would prove it."""
    found = told(tmp_path, b"".join(trip.blocks[:5]), owner)

    assert found.of(Standing.CONTRADICTED) == ()
    (end,) = [claim for claim in found.claims if claim.code == "end"]
    assert (end.standing, end.needs) == (
        Standing.NOT_PROVED,
        "the logger itself: pull it again",
    )


def test_a_stop_put_behind_a_cut_in_the_journal_does_not_prove_the_end(
    tmp_path: Path, board: TrustedBoard, owner: Proofs
) -> None:
    """The last block is sealed and proven; what stands in the journal behind it is not."""
    log = board.begin()
    log.samples(0, [quiet(0)])
    log.journal(HOUR_MS, [], events=[(layout.KIND_STOP, 2 * HOUR_MS, (0,))])
    found = told(tmp_path, log.data, owner)

    assert ("sealed", (0, 1)) in proved(found)
    (end,) = (claim for claim in found.claims if claim.code == "end")
    assert end.standing is Standing.NOT_PROVED
    assert "nothing seals it" in end.text.lower()
    assert found.sentence.endswith(
        "Keys vouch for blocks 0 to 1, and not for its newest records, which stand in no block "
        "yet."
    )


def test_a_stop_without_a_proven_seal_does_not_prove_the_end(tmp_path: Path, trip: Trip) -> None:
    """Whoever has the file can write one."""
    found = told(tmp_path, trip.log.data, Proofs())

    (end,) = (claim for claim in found.claims if claim.code == "end")
    assert end.standing is Standing.NOT_PROVED


def test_blocks_said_to_be_given_up_are_in_no_proof_of_order(
    tmp_path: Path, board: TrustedBoard
) -> None:
    """They may have been taken out by who wrote that they were given up."""
    log = board.begin()
    gap = (layout.KIND_GAP, 4 * HOUR_MS, (0, layout.GAP_OVERWRITTEN, 0, 0xFFFFFFFF, 100_000))
    for hour in range(5):
        log.samples(hour * HOUR_MS, [quiet(hour)], events=[gap] if hour == 4 else [])
    ends = [*log.offsets[1:], len(log.data)]
    blocks = [bytes(log.data[a:b]) for a, b in zip(log.offsets, ends, strict=True)]
    found = told(tmp_path, b"".join(blocks[:2] + blocks[3:]), Proofs())

    order = {claim.standing: claim for claim in found.claims if claim.code == "order"}
    assert Standing.CONTRADICTED not in order
    assert order[Standing.PROVED].blocks is None
    assert order[Standing.PROVED].text.startswith("Besides those, no block")


def test_a_signature_over_no_block_is_told_to_cover_none(
    tmp_path: Path, board: TrustedBoard
) -> None:
    """It holds, and says nothing of the log."""
    log = board.begin()
    empty = replace(log, blocks=0, chain=layout.CHAIN_START)
    log.samples(0, [quiet(0)], events=[signature_event(board.signed(empty, 0), 0)])
    found = told(tmp_path, log.data, Proofs(board.certificate))

    assert found.of(Standing.CONTRADICTED) == ()
    (claim,) = (one for one in found.claims if one.code == "signed")
    assert (claim.standing, claim.text) == (
        Standing.NOT_PROVED,
        "No signature stands in this log over any of its blocks.",
    )


def test_the_receipt_key_stands_in_no_traceback(owner: Proofs) -> None:
    """Whatever prints the proofs prints no secret."""
    key = owner.receipt_key
    assert key is not None
    assert repr(key) not in repr(owner)


def test_a_run_cut_at_its_end_is_found_by_the_seals_of_the_next_run(
    tmp_path: Path, board: TrustedBoard, owner: Proofs
) -> None:
    """The next run begins two seals further on than the cut one ends."""
    first, second = board.trip(7), board.trip(8)
    path = tmp_path / "first.dwl"
    path.write_bytes(b"".join(first.blocks[:-2]))
    found = told(tmp_path, second.log.data, replace(owner, previous=path))

    claim = wrong(found, "previous")
    assert claim.evidence["missing_blocks"] == 2
    assert "2 blocks are missing at the end of first.dwl" in claim.text


def test_a_cut_run_itself_is_found_by_the_run_that_followed(
    tmp_path: Path, board: TrustedBoard, owner: Proofs
) -> None:
    """The other way round: the log in question is the cut one; where it ends is named."""
    first, second = board.trip(7), board.trip(8)
    path = tmp_path / "second.dwl"
    path.write_bytes(second.log.data)
    found = told(tmp_path, b"".join(first.blocks[:-2]), replace(owner, following=path))

    claim = wrong(found, "end")
    assert (claim.block_seq, claim.evidence["missing_blocks"]) == (4, 2)


def test_a_run_of_another_board_is_no_neighbour(
    tmp_path: Path, board: TrustedBoard, owner: Proofs
) -> None:
    """Whose numbers would fit by chance."""
    path = tmp_path / "other.dwl"
    path.write_bytes(TrustedBoard(2).trip(6).log.data)
    found = told(tmp_path, board.trip(7).log.data, replace(owner, previous=path))

    assert "is no earlier run of this logger" in wrong(found, "previous").text


def test_two_whole_runs_are_proved_to_follow_each_other(
    tmp_path: Path, board: TrustedBoard, owner: Proofs
) -> None:
    """Only where the seals on both sides are proven; without a state it is the log's own word."""
    first, second = board.trip(7), board.trip(8)
    path = tmp_path / "first.dwl"
    path.write_bytes(first.log.data)
    with_state = told(tmp_path, second.log.data, replace(owner, previous=path))
    without = told(tmp_path, second.log.data, Proofs(previous=path))

    assert ("previous", None) in proved(with_state)
    assert [claim.standing for claim in without.claims if claim.code == "previous"] == [
        Standing.NOT_PROVED
    ]


def test_an_older_copy_is_found_by_the_longer_one_filed_here(
    tmp_path: Path, trip: Trip, owner: Proofs
) -> None:
    """The archive's manifest says that there were six blocks."""
    proofs = replace(owner, filed=(filed(trip, 6, tmp_path),))
    found = told(tmp_path, b"".join(trip.blocks[:5]), proofs)

    assert wrong(found, "copy").block_seq == 5


def test_the_log_of_an_older_run_is_found_by_the_receipt_of_the_one_asked_for(
    tmp_path: Path, board: TrustedBoard, owner: Proofs
) -> None:
    """A replay: a good log, and a good receipt, of two runs."""
    old, new = board.trip(7), board.trip(8)
    found = told(tmp_path, old.log.data, replace(owner, receipts=(("door.json", new.receipt),)))

    assert "is of another log" in wrong(found, "receipt").text


def test_the_log_of_an_older_run_is_told_to_be_one_where_a_newer_is_filed(
    tmp_path: Path, board: TrustedBoard, owner: Proofs
) -> None:
    """It may be asked for on purpose: not a contradiction, but said, with the newer run."""
    old, new = board.trip(7), board.trip(8)
    found = told(tmp_path, old.log.data, replace(owner, filed=(filed(new, 6, tmp_path),)))

    (claim,) = [claim for claim in found.claims if claim.code == "copy"]
    assert (claim.standing, claim.evidence["newest_run"]) == (Standing.NOT_PROVED, 8)


# --- changed -------------------------------------------------------------------------------------
def test_a_changed_bit_with_its_crc_made_right_is_found_by_the_chain(
    tmp_path: Path, trip: Trip
) -> None:
    """No key needed: the block no longer follows from the one before."""
    found = told(tmp_path, fixed(trip.blocks, warmer(2)), Proofs())

    claim = wrong(found, "order")
    assert (claim.block_seq, claim.offset) == (2, trip.log.offsets[2])


def test_a_changed_bit_with_crc_and_chain_made_right_is_found_by_the_seal(
    tmp_path: Path, trip: Trip, owner: Proofs
) -> None:
    """The first bad block is the one that was changed; those before are proven."""
    data = fixed(trip.blocks, warmer(2), chain=True)
    found = told(tmp_path, data, replace(owner, certificate=None))

    claim = wrong(found, "sealed")
    assert (claim.block_seq, claim.offset) == (2, trip.log.offsets[2])
    assert ("sealed", (0, 1)) in proved(found)


def test_a_changed_bit_with_crc_and_chain_made_right_is_found_by_the_signature(
    tmp_path: Path, trip: Trip, board: TrustedBoard
) -> None:
    """By the certificate alone: one of the blocks that were signed was changed."""
    data = fixed(trip.blocks, warmer(2), chain=True)
    found = told(tmp_path, data, Proofs(board.certificate))

    claim = wrong(found, "signed")
    assert claim.block_seq == 0
    assert "Changed since: a block from 0 to 3." in claim.text


def test_what_seals_vouch_for_narrows_where_a_signature_breaks(
    tmp_path: Path, trip: Trip, owner: Proofs
) -> None:
    """All that contradicts the log names the same first bad block, and its byte."""
    proofs = replace(owner, receipts=(("door.json", trip.receipt),))
    found = told(tmp_path, fixed(trip.blocks, warmer(2), chain=True), proofs)

    placed = {claim.block_seq for claim in found.of(Standing.CONTRADICTED)} - {3}
    assert placed == {2}  # and 3, where the handoff stands that names another head
    assert found.first_bad is not None
    assert (found.first_bad.block_seq, found.first_bad.offset) == (2, trip.log.offsets[2])


def test_a_false_witness_against_a_proven_log_names_no_block_of_it(
    tmp_path: Path, trip: Trip, owner: Proofs
) -> None:
    """A contradiction all the same: one of the two was forged, and the seals say which."""
    handed = trip.receipt.handoff
    body = handoff_body(
        *(handed.utc_s, handed.verdict, handed.role, handed.blocks, bytes(32)),
        (handed.giver, handed.receiver, handed.place),
    )
    forged = replace(trip.receipt, body=body, signed=None)
    found = told(tmp_path, trip.log.data, replace(owner, receipts=(("door.json", forged),)))

    claim = wrong(found, "end")
    assert claim.block_seq is None
    assert "none of its blocks, though" in claim.text


def test_a_changed_bit_with_crc_and_chain_made_right_is_found_by_a_receipt(
    tmp_path: Path, trip: Trip
) -> None:
    """Without any key: the receipt names the chain value the log had."""
    proofs = Proofs(receipts=(("door.json", replace(trip.receipt, signed=None)),))
    found = told(tmp_path, fixed(trip.blocks, warmer(1), chain=True), proofs)

    assert "another log than the one door.json names" in wrong(found, "end").text


def test_a_block_changed_behind_a_damaged_one_is_not_proved_by_its_old_seal(
    tmp_path: Path, trip: Trip, owner: Proofs
) -> None:
    """Its tag is right over a chain value that nobody can compute any more: not its content."""
    data = bytearray(fixed(trip.blocks, warmer(3)))
    data[trip.log.offsets[2] + 60] ^= 1
    found = told(tmp_path, data, owner)

    assert wrong(found, "bytes").block_seq == 2
    assert proved(found) == [("device", (0, 0)), ("sealed", (0, 1)), ("sealed", (4, 5))]
    (left,) = [claim for claim in found.of(Standing.NOT_PROVED) if claim.code == "sealed"]
    assert (left.text[:8], left.blocks) == ("Block 3 ", (3, 3))


def test_a_signature_does_not_reach_over_a_damaged_block(
    tmp_path: Path, board: TrustedBoard, owner: Proofs
) -> None:
    """What stands before the break may have been changed: only what follows it is proved."""
    log = board.begin()
    for hour in range(6):
        at_ms = hour * HOUR_MS
        events = [signature_event(board.signed(log, at_ms), at_ms)] if hour == 5 else None
        log.samples(at_ms, [quiet(hour)], events=events)
    data = bytearray(log.data)
    data[log.offsets[2] + 60] ^= 1
    found = told(tmp_path, data, replace(owner, seal_state=None))

    assert proved(found) == [("signed", (4, 5))]
    assert (0, 3) in [claim.blocks for claim in found.of(Standing.NOT_PROVED)]


def test_seals_taken_away_are_found_by_who_holds_a_state(
    tmp_path: Path, trip: Trip, owner: Proofs
) -> None:
    """A board that has a sealing key does not stop to seal without a word."""
    log = trip.log

    def bare(_: int, block: bytearray) -> None:
        end = len(block) - layout.BLOCK_SEAL.size
        block[end + 32 : end + 52] = bytes(20)

    found = told(tmp_path, fixed(trip.blocks, bare), replace(owner, certificate=None))

    assert "No block has a seal" in wrong(found, "sealed").text
    assert log.key_index == 7


def test_the_seal_of_one_block_taken_away_is_found_without_a_state(
    tmp_path: Path, trip: Trip
) -> None:
    """The blocks around it have one."""

    def bare(number: int, block: bytearray) -> None:
        if number == 3:
            end = len(block) - layout.BLOCK_SEAL.size
            block[end + 32 : end + 52] = bytes(20)

    found = told(tmp_path, fixed(trip.blocks, bare), Proofs())

    claim = wrong(found, "sealed")
    assert (claim.block_seq, claim.offset) == (3, trip.log.offsets[3])


# --- two boards ----------------------------------------------------------------------------------
@pytest.mark.parametrize("chain", [False, True], ids=["as they are", "chain made right"])
def test_the_logs_of_two_boards_spliced_are_found_by_the_chain_or_the_seal(
    tmp_path: Path, trip: Trip, owner: Proofs, *, chain: bool
) -> None:
    """The other board's blocks begin where the first bad one is named."""
    other = TrustedBoard(2).trip()
    data = fixed([*trip.blocks[:3], *other.blocks[3:]], chain=chain)
    found = told(tmp_path, data, owner)

    claim = wrong(found, "sealed" if chain else "order")
    assert (claim.block_seq, claim.offset) == (3, trip.log.offsets[3])


def test_the_log_of_another_board_is_found_by_the_certificate(
    tmp_path: Path, trip: Trip, board: TrustedBoard
) -> None:
    """Its signatures are not even looked at: the certificate is of another logger."""
    found = told(tmp_path, trip.log.data, Proofs(TrustedBoard(2).certificate))

    assert "this is not the log of that logger" in wrong(found, "device").text
    assert board.device_id.hex() in wrong(found, "device").text


def test_the_log_of_another_board_under_this_ones_name_is_found_by_the_certificate(
    tmp_path: Path, trip: Trip, board: TrustedBoard
) -> None:
    """Another board's certificate that bears this device id does not make its signatures hold."""
    forged = replace(TrustedBoard(2).certificate, device_id=board.device_id)
    found = told(tmp_path, trip.log.data, Proofs(forged))

    assert wrong(found, "signed").block_seq == 0


def test_a_signature_moved_to_another_log_does_not_hold_there(
    tmp_path: Path, board: TrustedBoard, owner: Proofs
) -> None:
    """Run, log id and chain value are part of what is signed."""
    signed = board.trip(7).signed
    log = board.begin(8)
    for hour in range(4):
        at_ms = hour * HOUR_MS
        events = [signature_event(signed, at_ms)] if hour == 3 else None
        log.samples(at_ms, [quiet(hour)], events=events)
    found = told(tmp_path, log.data, replace(owner, seal_state=None))

    assert "does not hold by the certificate" in wrong(found, "signed").text


# --- receipts ------------------------------------------------------------------------------------
def test_a_receipt_made_without_the_key_is_found_by_its_tag(
    tmp_path: Path, trip: Trip, owner: Proofs
) -> None:
    """A forger who has the log can copy every word of it, but not the tag."""
    forged = replace(
        trip.receipt, signed=None, recorded=replace(trip.receipt.recorded, tag=bytes(32))
    )
    found = told(tmp_path, trip.log.data, replace(owner, receipts=(("door.json", forged),)))

    assert "forged or changed" in wrong(found, "receipt").text


def test_an_edited_receipt_is_found_by_its_tag_and_by_the_log(
    tmp_path: Path, trip: Trip, owner: Proofs
) -> None:
    """Another receiver's name: the tag is not over it, and the log has the true one."""
    handed = trip.receipt.handoff
    body = handoff_body(
        *(handed.utc_s, handed.verdict, handed.role, handed.blocks, handed.chain),
        (handed.giver, "Somebody else", handed.place),
    )
    edited = replace(trip.receipt, body=body)
    found = told(tmp_path, trip.log.data, replace(owner, receipts=(("door.json", edited),)))

    texts = [claim.text for claim in found.of(Standing.CONTRADICTED)]
    assert any("forged or changed" in text for text in texts)
    assert any("field receiver" in text and "Somebody else" in text for text in texts)


def test_a_receipt_whose_signature_was_exchanged_is_found_by_the_certificate(
    tmp_path: Path, trip: Trip, owner: Proofs
) -> None:
    """By the public key alone, at a site that trusts nobody on the way."""
    other = TrustedBoard(2).trip().receipt.signed
    assert other is not None
    assert trip.receipt.signed is not None
    exchanged = replace(
        trip.receipt, signed=replace(trip.receipt.signed, signature=other.signature)
    )
    proofs = Proofs(owner.certificate, receipts=(("door.json", exchanged),))

    assert (
        "its signature does not hold"
        in wrong(told(tmp_path, trip.log.data, proofs), "receipt").text
    )


# --- a captured board ----------------------------------------------------------------------------
def rewritten(board: TrustedBoard, trip: Trip) -> bytes:
    """Make a warmer past with all that a captured board has: sign it anew, seal what it can."""
    log: LogWriter = board_log(board, trip)
    return bytes(log.data)


def board_log(board: TrustedBoard, trip: Trip) -> LogWriter:
    """Write the run anew with other readings; seals by the state the board has *now*."""
    old = trip.log
    now = board.state
    log = TrustedBoard(board.name).begin(old.run)
    log.key_index, log.seal_state = seal.FIRST_INDEX, now.state  # the numbers fit, the keys do not
    log.data.clear()
    log.offsets.clear()
    log.blocks, log.chain = 0, layout.CHAIN_START
    log.start()
    for hour in range(5):
        at_ms = hour * HOUR_MS
        events: list[tuple[int, int, tuple[object, ...]]] = []
        if hour == 0:
            events.append((layout.KIND_SEAL_KEY, at_ms, (0, log.key_index)))
        if hour == 3:
            events.append(signature_event(board.signed(log, at_ms), at_ms))
        if hour == 4:
            events.append((layout.KIND_STOP, at_ms + HOUR_MS, (0,)))
        log.samples(at_ms, [quiet(hour, -180.0)], events=events)
    return log


def test_a_captured_board_that_signs_a_new_past_is_found_by_a_state_taken_before(
    tmp_path: Path, board: TrustedBoard, trip: Trip, owner: Proofs
) -> None:
    """Its signature holds; its seals do not, from the very first block on."""
    found = told(tmp_path, rewritten(board, trip), owner)

    assert ("signed", (0, 3)) in proved(found)
    claim = wrong(found, "sealed")
    assert (claim.block_seq, claim.offset) == (0, 0)


def test_a_captured_board_that_signs_a_new_past_is_found_by_a_receipt_kept_elsewhere(
    tmp_path: Path, board: TrustedBoard, trip: Trip
) -> None:
    """Without any state: what was signed at the door is not what is signed now."""
    receipts = (("door.json", trip.receipt),)
    found = told(tmp_path, rewritten(board, trip), Proofs(board.certificate, receipts=receipts))

    assert "another log than the one door.json names" in wrong(found, "end").text


def test_a_captured_board_cannot_pass_a_new_past_by_the_state_it_has_now(
    tmp_path: Path, board: TrustedBoard, trip: Trip
) -> None:
    """Who takes his state from the captured board proves nothing of what was before."""
    found = told(tmp_path, rewritten(board, trip), Proofs(seal_state=board.state))

    assert proved(found) == []
    open_claims = " ".join(claim.text for claim in found.of(Standing.NOT_PROVED))
    assert "before the state held here" in open_claims
    assert "The first seal that is proven" not in open_claims


def test_a_captured_board_that_changes_one_old_block_is_found_there(
    tmp_path: Path, board: TrustedBoard, owner: Proofs
) -> None:
    """Captured in the middle of a run: old blocks cannot be sealed again, new ones can."""
    log = board.begin()
    for hour in range(3):
        log.samples(hour * HOUR_MS, [quiet(hour)])
    captured = SealState(log.key_index, log.seal_state)
    log.samples(3 * HOUR_MS, [quiet(3)])
    ends = [*log.offsets[1:], len(log.data)]
    blocks = [bytes(log.data[a:b]) for a, b in zip(log.offsets, ends, strict=True)]
    past = fixed(blocks, warmer(2), chain=True, key=captured)
    future = fixed(blocks, warmer(4), chain=True, key=captured)
    held = replace(owner, certificate=None)

    assert wrong(told(tmp_path, past, held), "sealed").block_seq == 2
    # The limit: what comes after the capture is his to make up.
    assert ("sealed", (0, 4)) in proved(told(tmp_path, future, held))


def test_a_new_key_that_a_forged_log_tells_of_is_never_called_proved(
    tmp_path: Path, owner: Proofs
) -> None:
    """He says that the board made a new key: told as not proved, with that reason."""
    forger = TrustedBoard()
    forger.seal_state = bytes(32)
    log = forger.begin()
    log.samples(0, [quiet(1)], events=[(layout.KIND_SEAL_KEY, 0, (1, 1))])
    held = SealState(50, owner.seal_state.state if owner.seal_state else b"")
    found = told(tmp_path, log.data, Proofs(seal_state=held))

    assert proved(found) == []
    assert found.exit_code is ExitCode.NO_DATA


def test_a_key_number_beyond_any_boards_ends_at_once(
    tmp_path: Path, trip: Trip, owner: Proofs
) -> None:
    """A hostile log does not keep the verifier busy for four thousand million steps."""

    def far(number: int, block: bytearray) -> None:
        if number == 5:
            end = len(block) - layout.BLOCK_SEAL.size
            block[end + 32 : end + 36] = b"\xff\xff\xff\xff"

    found = told(tmp_path, fixed(trip.blocks, far), owner)

    assert wrong(found, "sealed").block_seq == 5


# --- any attack ----------------------------------------------------------------------------------
BOARD = TrustedBoard()
OWNER = Proofs(BOARD.certificate, BOARD.state, BOARD.receipt_key)
TRUE = BOARD.trip()
OTHER = TrustedBoard(2).trip()


def contents(data: bytes) -> dict[int, bytes]:
    """Give header and body of each block that can be read, by its number; the first of each."""
    found: dict[int, bytes] = {}
    at = 0
    while (at := data.find(layout.BLOCK_MAGIC, at)) >= 0:
        try:
            block = check_block(data, at, None)
        except BlockError:
            at += 1
            continue
        found.setdefault(block.block_seq, data[at : block.body_end])
        at += block.length
    return found


@given(
    order=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=8)
    | st.just([(False, number) for number in range(6)]),
    flips=st.lists(
        st.tuples(st.integers(0, 7), st.integers(0, 2000), st.integers(1, 255)), max_size=3
    ),
    renumber=st.booleans(),
    chain=st.booleans(),
    late=st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), max_size=2),
    cut=st.none() | st.integers(0, 10_000),
)
def test_no_forgery_is_ever_proved_by_a_key(
    tmp_path_factory: pytest.TempPathFactory,
    order: list[tuple[bool, int]],
    flips: list[tuple[int, int, int]],
    late: list[tuple[int, int]],
    cut: int | None,
    *,
    renumber: bool,
    chain: bool,
) -> None:
    """Blocks of two boards in any order, changed, numbered and chained anew, torn and cut.

    Whatever is said to be sealed or signed is, block by block, what the board recorded.
    """

    def change(number: int, block: bytearray) -> None:
        if renumber:
            renumbered(number, block)
        for which, at, mask in flips:
            if which == number:
                block[at % len(block)] ^= mask

    blocks = [(OTHER if other else TRUE).blocks[number] for other, number in order]
    data = bytearray(fixed(blocks, change, chain=chain))
    for at, mask in late:
        data[at % len(data)] ^= mask
    data = data[: len(data) if cut is None else cut % len(data)]
    try:
        found = told(tmp_path_factory.mktemp("forged"), data, OWNER)
    except LogError:
        return

    true, forged = contents(bytes(TRUE.log.data)), contents(bytes(data))
    for code, span in proved(found):
        assert span is not None
        first, last = span
        for number in range(first, last + 1):
            assert forged[number] == true[number], (code, number)


def test_check_calls_no_log_sealed_for_it_holds_no_state(tmp_path: Path, trip: Trip) -> None:
    """Seals that anybody could have put there (SPEC 4.9.5)."""
    path = tmp_path / "trip.dwl"
    path.write_bytes(trip.log.data)
    notes = [finding.message for finding in review_log(path).findings]

    assert any(note.startswith("Every block carries a seal") for note in notes)
    assert not any("is sealed" in note for note in notes)
