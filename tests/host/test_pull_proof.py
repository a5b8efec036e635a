"""What the archive knows of the proof behind each byte: of earlier pulls too, and after them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dewarlog.archive import Archive, read_manifest
from dewarlog.proven import Credential
from dewarlog.pull import PullOptions, pull
from dewarlog_wire import block, layout, proof
from door_board import DEVICE_KEY, DoorLink, GrowingStore
from memory_board import StoredRun, make_log

if TYPE_CHECKING:
    from pathlib import Path

    from dewarlog.pull import PullResult

SECRET = proof.derived_key(DEVICE_KEY, layout.KEY_COURIER)
COURIER = Credential(layout.KEY_COURIER, SECRET, b"", "courier key")
CLOSED_RUN = 6
CLOSED_ID = bytes(range(8))


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the disk."""
    monkeypatch.setattr("os.fsync", lambda handle: None)


def forged(segments: list[bytes]) -> list[bytes]:
    """Change every block, and make its chain value and CRC right again."""
    chain = layout.CHAIN_START
    made: list[bytes] = []
    for data in segments:
        made.append(b"")
        offset = 0
        while offset < len(data):
            found = block.check_block(data, offset, None)
            buffer = bytearray(data[offset : offset + found.length])
            end = found.body_end - offset
            buffer[end - 1] ^= 1
            _, chain = block.seal_block(buffer, end, chain)
            made[-1] += bytes(buffer)
            offset += found.length
    return made


def board(change: bool = False) -> DoorLink:  # noqa: FBT002 - one thing
    """Give a board that holds a closed run beside its open one; or who says that he is it."""
    store = GrowingStore()
    segments = make_log(CLOSED_RUN, [300, 300, 300, 300], segment_bytes=800)
    assert len(segments) > 1
    run = StoredRun(forged(segments) if change else segments, CLOSED_ID)
    store.runs = {CLOSED_RUN: run, **store.runs}
    return DoorLink(store)


def pulled(link: DoorLink, root: Path, *, proven: bool, **options: bool) -> PullResult:
    """Pull everything into one archive."""
    chosen = PullOptions(
        credentials=(lambda _: COURIER) if proven else None,
        utc_s=lambda: 1_000_000,
        **options,  # type: ignore[arg-type]
    )
    return pull(link, Archive(root), chosen, clock=link.clock)


def test_a_proven_pull_does_not_take_what_a_liar_filed_before(tmp_path: Path) -> None:
    """He gave the same sizes and etags, and a chain that holds: only the board can tell."""
    pulled(board(change=True), tmp_path, proven=False)

    result = pulled(board(), tmp_path, proven=True)

    closed = result.logs[0]
    assert closed.path.read_bytes() == b"".join(board().store.runs[CLOSED_RUN].segments)
    assert (closed.proven, result.proven_by) == (True, "courier key")
    assert closed.disagrees is not None
    assert closed.disagrees.block == 0


def test_true_bytes_of_an_unproven_pull_are_vouched_for_once(tmp_path: Path) -> None:
    """The board hashes each file the first time, and never again."""
    first = pulled(board(), tmp_path, proven=False)
    link = board()
    second = pulled(link, tmp_path, proven=True)
    asked = link.store.opened.count((CLOSED_RUN, 0))
    third = pulled(link, tmp_path, proven=True)

    assert [log.proven for log in (first.logs[0], second.logs[0], third.logs[0])] == [
        False,
        True,
        True,
    ]
    assert [log.disagrees for log in second.logs] == [None, None]
    assert (asked, link.store.opened.count((CLOSED_RUN, 0))) == (1, 1)


def test_the_manifest_tells_what_was_proven_by_what(tmp_path: Path) -> None:
    """A pull without a proof behind one with it leaves what was vouched for as it is."""
    link = board()
    pulled(link, tmp_path, proven=True)
    log = pulled(link, tmp_path, proven=False).logs[0]

    fields = json.loads((log.path.parent / "manifest.json").read_bytes())
    assert (fields["proven"], fields["proven_by"]) == (True, None)


def test_the_nonce_this_computer_chose_outlives_the_pull(tmp_path: Path) -> None:
    """Without it nobody could show later that the signature was made for this computer, then."""
    link = board()
    result = pulled(link, tmp_path, proven=True, sign=True)
    pulled(link, tmp_path, proven=True)

    signed = result.signed
    assert signed is not None
    (asked,) = read_manifest(result.logs[-1].path.parent / "manifest.json").asked
    assert (asked.nonce, asked.blocks) == (signed.nonce, signed.blocks)
    assert asked.unix_s == 1_000_000 + layout.UTC_EPOCH_UNIX_S
