"""A log file as a stream of what it says: blocks, then the open journal, with every loss named.

Takes bytes from archive (any file), gives records objects to checks and report. Reads one
window of the file at a time and decodes all columns of a window together, so that memory does not
grow with the log. A damaged stretch never ends the reading: it is searched for the next block with
a good CRC and handed on as `Lost`. Bytes are read with dewarlog_wire; parse reads the same
format on its own, and tests hold the two together.
"""

from __future__ import annotations

import hashlib
import struct
from typing import IO, TYPE_CHECKING, Final

from dewarlog import contents, open_journal
from dewarlog.errors import NotALog, UnknownVersion
from dewarlog.records import Block, JournalTail, Lost
from dewarlog_wire import block as wire_block
from dewarlog_wire import journal as wire_journal
from dewarlog_wire import layout
from dewarlog_wire.crc import crc32
from dewarlog_wire.errors import BlockError, JournalError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Item = Block | Lost | JournalTail
    Draft = contents.BlockDraft | Lost | JournalTail

WINDOW_BYTES: Final = 1 << 20
# Columns are decoded together, one array step a sample of all of them: enough at once keeps numpy
# busy, and a bound keeps memory flat (a value takes about 100 bytes while it is worked on).
VALUES_AT_ONCE: Final = 5 << 17
# A file that begins with so many bytes of something else is something else: 16 times the largest
# flash of a board. Without a bound, a disk image or /dev/zero would be searched to its end.
SEARCH_BYTES: Final = 1 << 26
_MAGICS: Final = (layout.BLOCK_MAGIC, layout.JOURNAL_MAGIC)


class LogReader:
    """Reads one log file from front to back; `items` yields what it holds, in file order."""

    def __init__(
        self,
        file: IO[bytes],
        path: Path | None = None,
        window_bytes: int = WINDOW_BYTES,
        search_bytes: int = SEARCH_BYTES,
    ) -> None:
        self._file = file
        self._path = path
        self._window_bytes = max(window_bytes, layout.BLOCK_MAX_BYTES)
        self._search_bytes = search_bytes
        self._sha256 = hashlib.sha256()
        self._window = b""
        self._base = 0  # file offset of the window's first byte
        self._at_end = False
        self._chain: bytes | None = layout.CHAIN_START  # None: the block before was lost
        self._columns: tuple[tuple[int, int], ...] = ()  # (channel, quantity) of a journal sample
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """Give the hash of everything read so far; of the whole file once `items` has ended."""
        return self._sha256.hexdigest()

    def items(self) -> Iterator[Item]:
        """Yield blocks, losses and the journal in file order.

        Raises:
            NotALog: the file is empty, or no block of a log can be found in it.
            UnknownVersion: a sound block is written in a format newer than this program.
        """
        found = False
        lost_from: int | None = None
        drafts: list[Draft] = []
        values = 0
        position = 0  # within the window
        self._fill(0)
        while True:
            must_fill = not self._at_end and len(self._window) - position < self._needed(position)
            if must_fill or values > VALUES_AT_ONCE:
                yield from contents.decode(drafts)
                drafts = []
                values = 0
            if must_fill:
                self._fill(position)
                position = 0
            if position >= len(self._window):
                break
            draft = self._read_at(position)
            if draft is None:
                if lost_from is None:
                    lost_from = self._base + position
                    self._chain = None
                position = self._next_magic(position + 1)
                if not found and self._base + position > self._search_bytes:
                    mib = self._search_bytes >> 20
                    what = f"no block of a log is in its first {mib} MiB (another file?)"
                    raise NotALog(self._path, what)
                continue
            if lost_from is not None:
                drafts.append(self._lost(lost_from, self._base + position))
                lost_from = None
            drafts.append(draft)
            found = True
            position += draft.length
            if isinstance(draft, contents.BlockDraft):
                values += draft.count * len(draft.columns)
        end = self._base + len(self._window)
        if not found:
            what = "no block of a log is in it (another file?)" if end else "the file is empty"
            raise NotALog(self._path, what)
        if lost_from is not None:
            drafts.append(self._lost(lost_from, end))
        yield from contents.decode(drafts)

    # --- the window ---------------------------------------------------------------------------

    def _fill(self, position: int) -> None:
        """Drop what stands before `position` and read on to a full window."""
        kept = self._window[position:]
        self._base += position
        parts = [kept]
        wanted = self._window_bytes - len(kept)
        while wanted > 0:
            chunk = self._file.read(wanted)
            if not chunk:
                self._at_end = True
                break
            self._sha256.update(chunk)
            self.size_bytes += len(chunk)
            parts.append(chunk)
            wanted -= len(chunk)
        self._window = b"".join(parts)

    def _needed(self, position: int) -> int:
        """Return how many bytes must stand in the window to judge what begins at `position`."""
        if self._window.startswith(layout.JOURNAL_MAGIC, position):
            return self._window_bytes
        return layout.BLOCK_MAX_BYTES

    def _next_magic(self, position: int) -> int:
        """Return where a block or a journal may begin next; the window's end if nowhere."""
        places = [place for magic in _MAGICS if (place := self._window.find(magic, position)) >= 0]
        if places:
            return min(places)
        # The last three bytes may be the beginning of a magic that the next window ends.
        return len(self._window) if self._at_end else max(position, len(self._window) - 3)

    def _lost(self, start: int, end: int) -> Lost:
        """Name a stretch that could not be read: cut off at the end of the file, or damaged."""
        length = end - start
        offset = start - self._base
        if end == self._base + len(self._window) and self._at_end and offset >= 0:
            tail = self._window[offset:]
            try:
                wire_block.read_header(tail, 0)
            except BlockError as error:
                begun = any(magic.startswith(tail[: len(magic)]) for magic in _MAGICS)
                if begun and error.fault == "length" and not _is_oversize(tail):
                    return Lost("incomplete", "the file ends inside a block", start, length)
        return Lost("corrupt", "no block with a good CRC stands here", start, length)

    # --- what stands there --------------------------------------------------------------------

    def _read_at(self, position: int) -> contents.BlockDraft | JournalTail | None:
        """Read the block or the journal that begins at `position`; None where no good one does."""
        window = self._window
        if window.startswith(layout.BLOCK_MAGIC, position):
            try:
                head = wire_block.check_block(window, position, None)
            except BlockError as error:
                if error.fault == "version":
                    self._refuse_version(position)
                return None
            return self._block(position, head)
        if window.startswith(layout.JOURNAL_MAGIC, position):
            return self._journal(position)
        return None

    def _block(self, position: int, head: wire_block.Block) -> contents.BlockDraft:
        window = self._window
        if head.block_seq == 0:
            self._chain = layout.CHAIN_START
        chain_holds: bool | None = None
        if self._chain is not None:
            digest = hashlib.sha256(self._chain)
            digest.update(memoryview(window)[position : head.body_end])
            chain_holds = digest.digest() == head.chain
        self._chain = head.chain
        draft = contents.read_block(window, head, self._base + position, chain_holds=chain_holds)
        columns = open_journal.journal_columns(draft)
        if columns:
            self._columns = columns
        return draft

    def _refuse_version(self, position: int) -> None:
        """Raise UnknownVersion where a newer block is sound; a flipped bit is only damage."""
        window = self._window
        room = len(window) - position
        header = struct.unpack_from(layout.BLOCK_HEADER.format, window, position)
        version, length = header[1], header[4]
        if not wire_block.BLOCK_MIN_BYTES <= length <= room:
            return
        crc_at = position + length - 4
        if (
            crc32(memoryview(window)[position:crc_at])
            == struct.unpack_from("<I", window, crc_at)[0]
        ):
            raise UnknownVersion(self._path, self._base + position, version)

    def _journal(self, position: int) -> JournalTail | None:
        """Read a journal up to its torn tail, which ends where a block begins or the file ends."""
        window = self._window
        try:
            head, entries, readable = wire_journal.read_journal(window, position)
        except JournalError:
            return None
        after = position + readable
        end = self._next_good_block(after)
        self._chain = None
        place = open_journal.Place(self._base + position, end - position, end - after)
        return open_journal.read_journal(window, head, entries, place, self._columns)

    def _next_good_block(self, position: int) -> int:
        window = self._window
        while (position := window.find(layout.BLOCK_MAGIC, position)) >= 0:
            try:
                wire_block.check_block(window, position, None)
            except BlockError:
                position += 1
            else:
                return position
        return len(window)


def _is_oversize(tail: bytes) -> bool:
    """Say whether a header claims more than any block may have: damage, not a cut."""
    if len(tail) < layout.BLOCK_HEADER.size:
        return False
    length: int = struct.unpack_from(layout.BLOCK_HEADER.format, tail)[4]
    return not wire_block.BLOCK_MIN_BYTES <= length <= layout.BLOCK_MAX_BYTES


def read_log(path: Path) -> Iterator[Item]:
    """Yield what a log file holds, in file order; see LogReader.items."""
    with path.open("rb") as file:
        yield from LogReader(file, path).items()
