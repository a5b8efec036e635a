"""A log in the archive is held against its manifest: whole blocks can be missing too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dewarlog.archive import Archive
from dewarlog.checks.finding import Severity
from dewarlog.checks.review import review_log
from dewarlog.pull import PullOptions, pull
from dewarlog_wire import block
from memory_board import Clock, MemoryLink, MemoryStore, StoredRun, make_log

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def filed(tmp_path: Path) -> Path:
    """Pull a board's log into an archive and return the file."""
    link = MemoryLink(MemoryStore({7: StoredRun(make_log(7, [900] * 6))}), Clock())
    options = PullOptions(utc_s=lambda: 0)
    return pull(link, Archive(tmp_path), options, clock=link.clock).logs[0].path


def _last_block(data: bytes) -> int:
    at = before = 0
    while at < len(data):
        before, at = at, at + block.read_header(data, at).length
    return before


def test_a_log_as_it_was_filed_passes(filed: Path) -> None:
    """Nor is anything said of a copy that stands elsewhere."""
    copy = filed.parent.parent / "copy.dwl"
    copy.write_bytes(filed.read_bytes()[: _last_block(filed.read_bytes())])

    for log in (filed, copy):
        assert [found for found in review_log(log).findings if found.check == "filing"] == []


def test_a_whole_block_cut_off_the_end_is_not_intact(filed: Path) -> None:
    """The bytes alone say nothing: the manifest does."""
    data = filed.read_bytes()
    cut = _last_block(data)
    filed.chmod(0o600)
    filed.write_bytes(data[:cut])
    review = review_log(filed)
    (found,) = [found for found in review.findings if found.check == "filing"]

    assert (found.severity, found.code, found.offset) == (Severity.BROKEN, "not-as-filed", cut)
    assert f"its last {len(data) - cut:,} bytes are missing" in found.message
    assert not review.integrity.intact


def test_a_manifest_nobody_can_read_says_nothing(filed: Path) -> None:
    """The log's own checks still stand."""
    filed.with_name("manifest.json").write_text("[1, 2")

    assert [found for found in review_log(filed).findings if found.check == "filing"] == []
