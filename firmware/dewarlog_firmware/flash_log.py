"""Segments and the open journal in the file system, found again after power loss.

Takes sealed blocks and journal records from logbook; gives stored bytes to it and to server.
Never rewrites a sealed block: segments only grow, and a torn tail is cut by copying what stands
before it. `flush()` is the commit on littlefs. Format: protocol/SPEC.md section 7. Reasoning:
protocol/DESIGN.md "Recovery". Files below `root`:

    counter                      the next run's number, so that a number never comes back
    <run, 8 hex>/<segment, 4 hex>.seg
    <run, 8 hex>/journal         records not yet sealed
    <run, 8 hex>/state           log id, open or closed, blocks a host has confirmed
    <run, 8 hex>x                a run that is being removed: nothing asks for it any more
"""

import os
import struct

from dewarlog_firmware.whole_file import write_whole
from dewarlog_wire import block, journal, layout
from dewarlog_wire.crc import crc32
from dewarlog_wire.errors import BlockError, JournalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dewarlog_firmware.recorder import SealedBlock

TORN = -1  # stands for a record kind: what follows in a journal cannot be read

# log id, run closed, crc of the configuration, blocks confirmed by a host, crc32. Board-private.
_STATE_FORMAT = "<8sBIII"
_STATE_BYTES = struct.calcsize(_STATE_FORMAT)
_NOBODYS = 0xFFFFFFFF  # in the place of a profile's CRC: no profile goes on with that run
_ENOENT = 2  # errno, the same on every port
_COPY_BYTES = 512
_GOING = "x"  # behind the name of a folder: it is no run any more
# Places in the tuple that BLOCK_HEADER unpacks to.
_KIND = 2
_LENGTH = 4
_BLOCK_SEQ = 6
_JOURNAL_NAMED_BYTES = layout.AT_JOURNAL_CRC
_SEAL_CRC_AT = layout.AT_BLOCK_CRC
# A first block holds 24 texts of at most 200 bytes, 4 channels with 4 calibrations each, 8 rules
# and five more records.
BLOCK_0_MAX_BYTES = 7680
_FROM_JOURNAL = (layout.BLOCK_SAMPLES, layout.BLOCK_EVENTS)


class RunState:
    """What the board remembers of one run outside its log."""

    def __init__(
        self, log_id: bytes, closed: bool, config_crc: int, confirmed_blocks: int
    ) -> None:
        self.log_id = log_id
        self.closed = closed
        self.config_crc = config_crc
        self.confirmed_blocks = confirmed_blocks


class Tail:
    """Where a run ends on flash: blocks sealed, chain value, torn bytes that were cut.

    `key_index` is that of the last block's seal, 0 without.
    """

    def __init__(self, blocks: int, chain: bytes, dropped_bytes: int, key_index: int) -> None:
        self.blocks = blocks
        self.chain = chain
        self.dropped_bytes = dropped_bytes
        self.key_index = key_index


class StoredFile:
    """One file of the log as it stood when it was opened; reads never pass that size.

    littlefs may reuse the tail of a file that has grown since it was opened, so the handle is
    opened anew whenever the log has been written to (`generation`). A journal may be another one
    then: its etag is compared again.
    """

    def __init__(
        self, log: "FlashLog", path: str, key: "tuple[int, int, bytes]", etag: int
    ) -> None:
        self.size = os.stat(path)[6]
        self._log = log
        self._path = path
        self._key = key  # run, file, log id
        self._etag = etag
        self._file = open(path, "rb")
        self._generation = log.generation

    def read_into(self, offset: int, view: memoryview) -> int:
        """Fill `view` from `offset`; return the bytes read, fewer only at the snapshot's end.

        Raises ValueError when the file is another than the one that was opened, or is gone.
        """
        if self._generation != self._log.generation:
            self._file.close()
            try:
                self._file = open(self._path, "rb")
            except OSError as error:
                if error.args[0] != _ENOENT:
                    raise
                raise ValueError("the file is gone")
            if self._log.etag(*self._key) != self._etag:
                raise ValueError("the journal was replaced")
            self._generation = self._log.generation
        wanted = self.size - offset
        if wanted <= 0:
            return 0
        self._file.seek(offset)
        if wanted < len(view):
            return self._file.readinto(view[:wanted]) or 0
        return self._file.readinto(view) or 0

    def close(self) -> None:
        """Give the file handle back."""
        self._file.close()


class FlashLog:
    """The runs below one folder; one of them may be open for writing.

    Blocks are read in small parts: one may come from a board that makes larger ones.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.run = 0
        self.generation = 0
        self.journal_bytes = 0  # of the open journal
        self._scratch = memoryview(bytearray(_COPY_BYTES))
        self._seal = bytearray(layout.BLOCK_SEAL.size)
        self._segment = 0
        self._segment_bytes = 0
        self._journal = None
        _make_folder(root)

    # --- runs ---------------------------------------------------------------------------------

    def runs(self) -> list:
        """Return the numbers of the stored runs, oldest first."""
        return sorted(int(name, 16) for name in os.listdir(self.root) if len(name) == 8)

    def begin(self, log_id: bytes, config_crc: int) -> int:
        """Open a new run and return its number, which no run before it has had."""
        runs = self.runs()
        number = max(runs[-1] + 1 if runs else 1, self._next_run())
        self._replace(self.root + "/counter", b"%d" % (number + 1))
        _make_folder(self._folder(number))
        self.write_state(
            number, RunState(log_id, closed=False, config_crc=config_crc, confirmed_blocks=0)
        )
        self.run = number
        self._segment = 0
        self._segment_bytes = 0
        return number

    def open_run(self) -> "RunState | None":
        """Find the run that was open when the board stopped; None when there is none.

        A run whose state file is unreadable is left alone, never reopened: its log stays as it is.
        One that was cut before its first block is removed: a log that goes on without it would not
        say whose it is, and nothing was ever recorded in it.
        """
        self._finish_removals()
        runs = self.runs()
        if runs and self.is_empty(runs[-1]):
            self.remove_run(runs.pop())
        if not runs:
            return None
        state = self.read_state(runs[-1])
        if state is None or state.closed:
            return None
        if self._never_began(runs[-1]):
            self.remove_run(runs[-1])
            return None
        self.run = runs[-1]
        return state

    def _never_began(self, run: int) -> bool:
        """Tell whether a run has no journal, and of a first block a torn part at most."""
        segments = self.segments(run)
        if _exists(self._folder(run) + "/journal") or segments not in ([], [0]):
            return False
        if not segments:
            return True
        with open(self._segment_path(run, 0), "rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            head = file.read(layout.BLOCK_HEADER.size)
        if len(head) < layout.BLOCK_HEADER.size:
            return True
        fields = struct.unpack(layout.BLOCK_HEADER.format, head)
        return fields[0] == layout.BLOCK_MAGIC and fields[_LENGTH] > size

    def is_empty(self, run: int) -> bool:
        """Tell whether nothing is stored of a run: it never began, or was being removed."""
        for run_number, file in self._files(run):
            if os.stat(self._path(run_number, file))[6]:
                return False
        return True

    def close_run(self, keep_journal: bool = False) -> None:
        """Mark the open run as closed; its log never grows again.

        Its journal goes, since all of it is sealed; `keep_journal` when it is not.
        """
        self.release()
        state = self.read_state(self.run)
        if state is not None:
            state.closed = True
            self.write_state(self.run, state)
        journal_path = self._folder(self.run) + "/journal"
        if not keep_journal and _exists(journal_path):
            os.remove(journal_path)
        self.generation += 1
        self.journal_bytes = 0

    def read_state(self, run: int) -> "RunState | None":
        """Read what is remembered of a run; None when the file is missing or damaged."""
        try:
            with open(self._folder(run) + "/state", "rb") as file:
                data = file.read(_STATE_BYTES)
        except OSError:
            return None
        if len(data) != _STATE_BYTES or crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
            return None
        log_id, closed, config_crc, confirmed_blocks, _ = struct.unpack(_STATE_FORMAT, data)
        return RunState(log_id, bool(closed), config_crc, confirmed_blocks)

    def write_state(self, run: int, state: RunState) -> None:
        """Replace what is remembered of a run in one step."""
        data = struct.pack(
            _STATE_FORMAT[:-1],
            state.log_id,
            int(state.closed),
            state.config_crc,
            state.confirmed_blocks,
        )
        self._replace(self._folder(run) + "/state", data + struct.pack("<I", crc32(data)))

    # --- writing ------------------------------------------------------------------------------

    def append_block(self, sealed: "SealedBlock") -> None:
        """Store one sealed block at the end of the open run; durable on return."""
        if self._segment_bytes and self._segment_bytes + len(sealed) > layout.SEGMENT_MAX_BYTES:
            self._segment += 1
            self._segment_bytes = 0
        with open(self._segment_path(self.run, self._segment), "ab") as file:
            for piece in sealed.pieces:
                file.write(piece)
        self.generation += 1
        self._segment_bytes += len(sealed)

    def start_journal(self, view: memoryview) -> None:
        """Replace the journal by a new one that begins with `view`, in one step."""
        self.release()
        path = self._folder(self.run) + "/journal"
        self._replace(path, view)
        self.generation += 1
        self.journal_bytes = len(view)
        self._journal = open(path, "ab")

    def append_journal(self, view: memoryview) -> None:
        """Add records to the open journal; durable on return."""
        if self._journal is None:
            raise OSError(9)  # EBADF: no run is open for writing
        self._journal.write(view)
        self._journal.flush()
        self.generation += 1
        self.journal_bytes += len(view)

    def release(self) -> None:
        """Close the journal's file handle; the run stays open and can be resumed."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    # --- recovery -----------------------------------------------------------------------------

    def recover_tail(self) -> Tail:
        """Find the last whole block of the open run and cut whatever stands torn behind it.

        A damaged block with a good one after it is not a torn tail: it stays for the host to name.
        """
        dropped_bytes = 0
        segments = self.segments(self.run)
        while segments:
            segment = segments.pop()
            path = self._segment_path(self.run, segment)
            size = os.stat(path)[6]
            end, blocks, chain, key_index = self._last_block(path)
            if end < size:
                dropped_bytes += size - end
                self._cut(path, end)
            if end:
                self._segment = segment
                self._segment_bytes = end
                return Tail(blocks, chain, dropped_bytes, key_index)
        self._segment = 0
        self._segment_bytes = 0
        return Tail(0, layout.CHAIN_START, dropped_bytes, 0)

    def _last_block(self, path: str) -> tuple:
        """Return (end, number + 1, chain value, key index) of a segment's last good block.

        Zeros when it has none.
        """
        end, blocks, chain, key_index = 0, 0, layout.CHAIN_START, 0
        with open(path, "rb") as file:
            for offset, found in self._sound_blocks(file):
                end, blocks, chain = offset + found.length, found.block_seq + 1, found.chain
                key_index = struct.unpack(layout.BLOCK_SEAL.format, self._seal)[1]
        return end, blocks, chain, key_index

    def _sound_blocks(self, file):  # noqa: ANN001, ANN202 - an open file; yields (offset, Block)
        """Yield every block whose CRC holds.

        Where one's does not, its length may be what is damaged: the search for the next goes on
        behind its first byte, so that it hides no sound block.
        """
        size = file.seek(0, 2)
        offset = self._next_magic(file, 0, size)
        while offset < size:
            found = self._check_at(file, offset, size)
            if found is not None:
                yield offset, found
            offset = self._next_magic(file, offset + (found.length if found else 1), size)

    def _check_at(self, file, offset: int, size: int) -> "block.Block | None":  # noqa: ANN001 - an open file
        """Check the block at `offset`, its seal left in `_seal`; None when it is not sound."""
        view = self._scratch
        seal = self._seal
        file.seek(offset)
        if file.readinto(view[: layout.BLOCK_HEADER.size]) < layout.BLOCK_HEADER.size:
            return None
        try:
            found = block.read_header(view, 0, size - offset)
        except BlockError:
            return None
        file.seek(offset)
        left = found.body_end
        crc = 0
        while left:
            part = view if left >= len(view) else view[:left]
            file.readinto(part)
            crc = crc32(part, crc)
            left -= len(part)
        file.readinto(seal)
        chain, _, _, stored_crc = struct.unpack(layout.BLOCK_SEAL.format, seal)
        if crc32(memoryview(seal)[:_SEAL_CRC_AT], crc) != stored_crc:
            return None
        return block.Block(*found[:-1], chain)

    def _headers(self, file):  # noqa: ANN001, ANN202 - an open file; yields (offset, fields)
        """Yield (offset, header fields) of every block that fits, searching past damaged ones."""
        size = file.seek(0, 2)
        head = bytearray(layout.BLOCK_HEADER.size)
        offset = 0
        while offset + len(head) <= size:
            file.seek(offset)
            file.readinto(head)
            fields = struct.unpack(layout.BLOCK_HEADER.format, head)
            length = fields[_LENGTH]
            fits = len(head) < length <= min(size - offset, layout.BLOCK_MAX_BYTES)
            if fields[0] == layout.BLOCK_MAGIC and fits:
                yield offset, fields
                offset += length
            else:
                offset = self._next_magic(file, offset + 1, size)

    @staticmethod
    def _next_magic(file, start: int, size: int) -> int:  # noqa: ANN001 - an open file
        """Return where the next block header may begin at or after `start`; `size` if nowhere."""
        while start < size:
            file.seek(start)
            chunk = file.read(_COPY_BYTES)
            found = chunk.find(layout.BLOCK_MAGIC)
            if found >= 0:
                return start + found
            start += max(1, len(chunk) - len(layout.BLOCK_MAGIC) + 1)
        return size

    def keeps_journal(self) -> bool:
        """Tell whether the newest run has a journal whose content may stand in no block."""
        runs = self.runs()
        if not runs or not _exists(self._folder(runs[-1]) + "/journal"):
            return False
        return not self.journal_is_spent(runs[-1])

    def journal_is_spent(self, run: int) -> bool:
        """Tell whether a run's journal holds nothing that its blocks do not hold.

        So it is after a power cut between the closing of the run and the journal's removal.
        """
        try:
            head, records = self._read_journal(run)
        except (OSError, JournalError):
            return False
        has_content = False
        for kind, _ in records:
            has_content = has_content or kind != layout.JOURNAL_STATE
        return not has_content or self.sealed_since(head[3], run)

    def sealed_since(self, block_seq: int, run: "int | None" = None) -> bool:
        """Tell whether samples or events were sealed in block `block_seq` or a later one.

        Of the open run, if not of another.
        """
        run = self.run if run is None else run
        for segment in reversed(self.segments(run)):
            first_seq = None
            with open(self._segment_path(run, segment), "rb") as file:
                for _, fields in self._headers(file):
                    seq = fields[_BLOCK_SEQ]
                    if first_seq is None:
                        first_seq = seq
                    if seq >= block_seq and fields[_KIND] in _FROM_JOURNAL:
                        return True
            if first_seq is not None and first_seq < block_seq:
                return False
        return False

    def counters(self) -> tuple:
        """Return (boot, next sample, next event, last shock) as the open run's blocks tell."""
        boot, next_sample, next_event, shock = 0, 0, 0, 0
        for segment in self.segments(self.run):
            with open(self._segment_path(self.run, segment), "rb") as file:
                for offset, found in self._sound_blocks(file):
                    boot = found.boot
                    end = offset + found.length - layout.BLOCK_SEAL.size
                    for kind, first, count in _counts(file, offset, end):
                        if kind == layout.SECTION_SPAN:
                            next_sample = first + count
                        elif kind == layout.SECTION_EVENTS:
                            next_event = first + count
                        else:
                            shock = first & 0xFFFF  # SHOCK_HEAD begins with the u16 number
        return boot, next_sample, next_event, shock

    def chain_after(self, run: int, blocks: int) -> "bytes | None":
        """Return the chain value after the first `blocks` blocks of a run; None if not stored."""
        for segment in reversed(self.segments(run)):
            chain = None
            with open(self._segment_path(run, segment), "rb") as file:
                for offset, fields in self._headers(file):
                    if fields[_BLOCK_SEQ] == blocks - 1:
                        # The last one counts: a damaged header before it may say any number.
                        file.seek(offset + fields[_LENGTH] - layout.BLOCK_SEAL.size)
                        chain = file.read(32)
            if chain is not None:
                return chain
        return None

    def head_of(self, run: int) -> tuple:
        """Return (blocks, chain value) of a run as stored. KeyError when no block of it is."""
        if run in self.runs():
            for segment in reversed(self.segments(run)):
                end, blocks, chain, _ = self._last_block(self._segment_path(run, segment))
                if end:
                    return blocks, chain
        raise KeyError(run)

    def newest_key_index(self) -> int:
        """Return the key index of the newest block of all runs; 0 without a seal, or a block."""
        for run in reversed(self.runs()):
            for segment in reversed(self.segments(run)):
                end, _, _, key_index = self._last_block(self._segment_path(run, segment))
                if end:
                    return key_index
        return 0

    def block_0(self, run: int) -> "bytes | None":
        """Return a copy of a run's first block; None when there is none, or none so short."""
        path = self._segment_path(run, 0)
        if not _exists(path):
            return None
        with open(path, "rb") as file:
            for offset, fields in self._headers(file):
                if fields[_LENGTH] > BLOCK_0_MAX_BYTES:
                    return None
                file.seek(offset)
                return file.read(fields[_LENGTH])
        return None

    def _cut(self, path: str, end: int) -> None:
        """Keep the first `end` bytes of a file; there is no truncate on littlefs' binding."""
        if end == 0:
            os.remove(path)
            return
        chunk = self._scratch
        with open(path, "rb") as source, open(self.root + "/cut", "wb") as target:
            left = end
            while left:
                count = source.readinto(chunk[: min(left, _COPY_BYTES)])
                target.write(chunk[:count])
                left -= count
        os.rename(self.root + "/cut", path)

    def read_journal(self) -> tuple:
        """Return (head fields from `columns` on, generator of (kind, body)) of the open journal.

        The generator ends with (TORN, bytes not readable) when a torn tail follows.
        Raises OSError when there is no journal, JournalError when its head is unreadable.
        """
        return self._read_journal(self.run)

    def stored_journal_bytes(self) -> int:
        """Return the size of the open run's journal, readable or not; 0 when there is none."""
        try:
            return os.stat(self._folder(self.run) + "/journal")[6]
        except OSError:
            return 0

    def _read_journal(self, run: int) -> tuple:
        file = open(self._folder(run) + "/journal", "rb")
        try:
            head = journal.read_head(file.read(layout.JOURNAL_HEAD.size))
        except JournalError:
            file.close()
            raise
        return head, self._journal_records(file, head[-1])

    @staticmethod
    def _journal_records(file, crc: int):  # noqa: ANN001, ANN205 - yields (kind, body)
        try:
            head_bytes = layout.JOURNAL_RECORD.size
            start = file.tell()
            size = file.seek(0, 2)
            file.seek(start)
            while start < size:
                data = file.read(head_bytes)
                if len(data) < head_bytes:
                    break
                kind, length = struct.unpack(layout.JOURNAL_RECORD.format, data)
                data += file.read(length + journal.RECORD_CRC_BYTES)
                body_end = len(data) - journal.RECORD_CRC_BYTES
                if body_end < head_bytes + length:
                    break
                crc = crc32(memoryview(data)[:body_end], crc)
                if crc != struct.unpack_from("<I", data, body_end)[0]:
                    break
                yield kind, data[head_bytes:body_end]
                start += len(data)
        finally:
            file.close()
        if start < size:
            yield TORN, size - start

    # --- space --------------------------------------------------------------------------------

    def free_bytes(self) -> int:
        """Return the bytes the file system still has free."""
        stat = os.statvfs(self.root)
        # littlefs counts a block twice that two files share for a moment, as after a power cut;
        # MicroPython then tells less than none as a number beyond all.
        return stat[0] * stat[3] if stat[3] <= stat[2] else 0

    def remove_run(self, run: int) -> int:
        """Delete a run; return the bytes freed. The caller has checked that it may go.

        It is gone at once: what a power cut leaves of it the next boot removes.
        """
        going = self._folder(run) + _GOING
        os.rename(self._folder(run), going)
        self.generation += 1
        return _remove_folder(going)

    def _finish_removals(self) -> None:
        """Remove what a power cut left of runs that were being removed."""
        for name in os.listdir(self.root):
            if len(name) == 9 and name.endswith(_GOING):
                _remove_folder(self.root + "/" + name)

    def disown(self, run: int, crc: int = _NOBODYS) -> "int | None":
        """Have the next boot end this run and begin another, whatever its profile is then.

        Returns what told its profile before, which given as `crc` makes it that profile's again;
        None when the run has ended already.
        """
        state = self.read_state(run)
        if state is None or state.closed:
            return None
        before = state.config_crc
        if before != crc:
            state.config_crc = crc
            self.write_state(run, state)
        return before

    def remove_segment(self, segment: int) -> None:
        """Delete one segment of the open run."""
        os.remove(self._segment_path(self.run, segment))
        self.generation += 1

    def samples_between(self, before: int, behind: list, first_unsealed: int) -> int:
        """Return how many samples of the open run lie between a segment and those `behind`.

        `first_unsealed` is the number of the first sample that no block has.
        """
        end = 0
        for first, count in self._spans(before):
            if end <= first <= first_unsealed - count:  # else it is damaged
                end = first + count
        for segment in behind:
            for first, _ in self._spans(segment):
                if end <= first < first_unsealed:
                    return first - end
        return first_unsealed - end

    def _spans(self, segment: int) -> list:
        """Return (first sample, count) of each block of a segment that has samples."""
        spans = []
        span = bytearray(layout.SECTION_HEAD.size + layout.SPAN.size)
        with open(self._segment_path(self.run, segment), "rb") as file:
            for offset, fields in self._headers(file):
                if fields[_KIND] == layout.BLOCK_SAMPLES:
                    file.seek(offset + layout.BLOCK_HEADER.size)
                    file.readinto(span)
                    spans.append(
                        struct.unpack_from(layout.SPAN.format, span, layout.SECTION_HEAD.size)[:2]
                    )
        return spans

    # --- reading ------------------------------------------------------------------------------

    def segments(self, run: int) -> list:
        """Return the numbers of a run's segments, in order."""
        return sorted(
            int(name[:4], 16) for name in os.listdir(self._folder(run)) if name.endswith(".seg")
        )

    def entries(self) -> list:
        """Return (run, file) of everything a host may read, oldest first."""
        found = []
        for run in self.runs():
            found.extend(self._files(run))
        return found

    def _files(self, run: int) -> list:
        """Return (run, file) of one run's segments and its journal, as far as they are there."""
        found = [(run, segment) for segment in self.segments(run)]
        if _exists(self._folder(run) + "/journal"):
            found.append((run, layout.FILE_JOURNAL))
        return found

    def entry(self, run: int, file: int) -> tuple:
        """Return the LIST_ENTRY values of one stored file. Raises KeyError when it is gone."""
        path = self._path(run, file)
        if not _exists(path):
            raise KeyError((run, file))
        state = self.read_state(run)
        log_id = bytes(8) if state is None else state.log_id
        closed = state is None or state.closed
        flags = 0
        if file != layout.FILE_JOURNAL and (closed or file != self.segments(run)[-1]):
            flags |= layout.ENTRY_SEALED
        if state is not None and self._confirmed(run, file, state.confirmed_blocks):
            flags |= layout.ENTRY_CONFIRMED
        return (run, file, flags, self.etag(run, file, log_id), os.stat(path)[6], log_id)

    def open_stored(self, run: int, file: int, etag: int) -> StoredFile:
        """Open a file for a pull. Raises KeyError when gone, ValueError when it has changed."""
        entry = self.entry(run, file)
        if entry[3] != etag:
            raise ValueError(etag)
        return StoredFile(self, self._path(run, file), (run, file, entry[5]), etag)

    def _confirmed(self, run: int, file: int, confirmed_blocks: int) -> bool:
        if file == layout.FILE_JOURNAL or not confirmed_blocks:
            return False
        last_seq = -1
        with open(self._segment_path(run, file), "rb") as stored:
            for _, fields in self._headers(stored):
                last_seq = fields[_BLOCK_SEQ]
        return 0 <= last_seq < confirmed_blocks

    def etag(self, run: int, file: int, log_id: bytes) -> int:
        """Name a file: a segment only grows, so its log id does; a journal's own head does.

        Without the head's last field: a CRC over bytes and their own CRC is the same for all.
        """
        if file != layout.FILE_JOURNAL:
            return crc32(log_id + struct.pack("<H", file))
        with open(self._path(run, file), "rb") as journal:
            return crc32(journal.read(_JOURNAL_NAMED_BYTES), crc32(log_id))

    # --- paths --------------------------------------------------------------------------------

    def _folder(self, run: int) -> str:
        return "%s/%08x" % (self.root, run)

    def _segment_path(self, run: int, segment: int) -> str:
        return "%s/%08x/%04x.seg" % (self.root, run, segment)

    def _path(self, run: int, file: int) -> str:
        if file == layout.FILE_JOURNAL:
            return self._folder(run) + "/journal"
        return self._segment_path(run, file)

    def _next_run(self) -> int:
        try:
            with open(self.root + "/counter", "rb") as file:
                return int(file.read(12))
        except (OSError, ValueError):
            return 1

    def _replace(self, path: str, data) -> None:  # noqa: ANN001 - any buffer
        """Write a small file so that after a power cut it is the old one or the new one, whole."""
        write_whole(path, data, self.root + "/new")


def _counts(file, offset: int, end: int):  # noqa: ANN001, ANN202 - yields (kind, first, count)
    """Yield what the SPAN and EVENTS sections of one block count, reading only their heads."""
    offset += layout.BLOCK_HEADER.size
    head_bytes = layout.SECTION_HEAD.size
    while offset + head_bytes <= end:
        file.seek(offset)
        data = file.read(head_bytes + layout.EVENTS_HEAD.size)
        kind, length = struct.unpack_from(layout.SECTION_HEAD.format, data, 0)
        if kind in (layout.SECTION_SPAN, layout.SECTION_EVENTS, layout.SECTION_SHOCK_HEAD):
            # The first two begin with the number of the first and the count (SPAN, EVENTS_HEAD).
            first, count = struct.unpack_from(layout.EVENTS_HEAD.format, data, head_bytes)
            yield kind, first, count
        offset += head_bytes + length


def _remove_folder(folder: str) -> int:
    """Delete a folder of files; return the bytes they had."""
    freed = 0
    for name in sorted(os.listdir(folder)):
        freed += os.stat(folder + "/" + name)[6]
        os.remove(folder + "/" + name)
    os.rmdir(folder)
    return freed


def _exists(path: str) -> bool:
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def _make_folder(path: str) -> None:
    if not _exists(path):
        os.mkdir(path)
