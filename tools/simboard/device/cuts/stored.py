"""Reads a stored run back from the board's file system, block by block, with every check."""

import os
import struct

from dewarlog_wire import block, journal, layout
from dewarlog_wire.errors import BlockError, JournalError
from simboard.device.cuts.broken import need

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dewarlog_wire.block import Block


class StoredBlock:
    """One block as it stands in a segment: its number, its bytes, what it counts."""

    def __init__(self, data: bytes, found: "Block", segment: str = "") -> None:
        self.segment = segment  # the name of its file
        self.seq = found.block_seq
        self.kind = found.kind
        self.boot = found.boot
        self.chain = found.chain
        self.data = data
        self.span = None  # (first sample, count)
        self.events = None  # (first event, count)
        for kind, start, _ in block.sections(data, found.body_start, found.body_end):
            if kind == layout.SECTION_SPAN:
                self.span = struct.unpack_from(layout.SPAN.format, data, start)[:2]
            elif kind == layout.SECTION_EVENTS:
                self.events = struct.unpack_from(layout.EVENTS_HEAD.format, data, start)


def read_file(path: str) -> "bytes | None":
    """Return the content of a file; None when there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def run_folders(root: str) -> list:
    """Return the numbers of the runs that have a folder."""
    return sorted([int(name, 16) for name in os.listdir(root) if len(name) == 8])


def read_segments(root: str, run: int) -> "tuple[list, list]":
    """Return (blocks, what is wrong) of a run; a damaged stretch is skipped and told.

    What is wrong: (segment, byte, fault) each.
    """
    blocks, wrong = [], []
    folder = "%s/%08x" % (root, run)
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".seg"):
            continue
        data = read_file(folder + "/" + name) or b""
        offset = 0
        while offset < len(data):
            try:
                found = block.check_block(data, offset, None)
                whole = data[offset : offset + found.length]
                blocks.append(StoredBlock(whole, block.check_block(whole, 0, None), name))
                offset += found.length
            except BlockError as error:
                wrong.append((name, offset, error.fault))
                offset = data.find(layout.BLOCK_MAGIC, offset + 1)
                if offset < 0:
                    break
    return blocks, wrong


def read_journal(root: str, run: int) -> "tuple | None":
    """Return (head, record bodies as (kind, bytes), torn bytes) of a run's journal; None: none.

    Raises ClaimBroken when its head cannot be read.
    """
    data = read_file("%s/%08x/journal" % (root, run))
    if data is None:
        return None
    try:
        head, records, end = journal.read_journal(data)
    except JournalError as error:
        need(False, "run %d: the journal's head cannot be read: %s", run, error)
    return head, [(kind, data[start:end]) for kind, start, end in records], len(data) - end
