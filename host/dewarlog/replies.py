"""What a board answers, as typed data: itself, its state, its files, and what was done there.

Between link and session, which asks. Field names are those of protocol/dewarlog_wire/layout.py; a
test holds them together. Read from bytes and judged by themselves; nothing here asks or waits.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

from dewarlog.errors import PeerViolation
from dewarlog_wire import layout, proof

# All files together: four times the flash of the largest board there is (16 MiB).
BOARD_MAX_BYTES = 64 << 20
# A journal is sealed long before one block's worth of samples outgrows this.
JOURNAL_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Board:
    """What a board says of itself in HELLO."""

    device_id: bytes
    format_version: int
    body_max_bytes: int
    features: int

    @property
    def name(self) -> str:
        """The device id as it is written everywhere: 16 hex digits."""
        return self.device_id.hex()


@dataclass(frozen=True, slots=True)
class Status:
    """The board's state now; fields as in layout.STATUS_REPLY, a test holds the two together."""

    state: int
    run: int
    boot: int
    uptime_ms: int
    uptime_s: int
    utc_s: int
    clock_state: int
    interval_ms: int
    samples: int
    events: int
    blocks: int
    backlog_bytes: int
    free_bytes: int
    supply_mv: int
    reading_0: int
    reading_1: int
    reading_2: int
    reading_3: int
    cold_junction: int
    ring_high_water: int
    ring_dropped: int
    rules_active: int
    access: int
    failures: int
    key_index: int

    @property
    def recording(self) -> bool:
        """True while a run is being recorded."""
        return bool(self.state & layout.STATUS_RECORDING)

    @property
    def locked(self) -> bool:
        """True where roles are asked for on every link, and the console has no REPL."""
        return bool(self.access & layout.ACCESS_IS_LOCKED)

    @property
    def claimed(self) -> bool:
        """True once an admin has proven itself to the board."""
        return bool(self.access & layout.ACCESS_IS_CLAIMED)

    @property
    def acknowledged(self) -> bool:
        """True where nothing that was held or warned of is newer than an acknowledgement."""
        return bool(self.access & layout.ACCESS_IS_ACKNOWLEDGED)

    @property
    def readings(self) -> tuple[int, int, int, int]:
        """The latest reading code of each channel; see layout.state_of."""
        return (self.reading_0, self.reading_1, self.reading_2, self.reading_3)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file on the board as it was listed: a segment of a run's log, or its open journal."""

    run: int
    file: int
    flags: int
    etag: int
    size: int
    log_id: bytes

    @property
    def sealed(self) -> bool:
        """True when it will never grow."""
        return bool(self.flags & layout.ENTRY_SEALED)

    @property
    def is_journal(self) -> bool:
        """True for the open journal, False for a segment."""
        return self.file == layout.FILE_JOURNAL

    @property
    def name(self) -> str:
        """What to call it in a message."""
        part = "newest part" if self.is_journal else f"part {self.file + 1}"
        return f"run {self.run}, {part}"


@dataclass(frozen=True, slots=True)
class Sealed:
    """What SEAL answers: blocks of the open run, and the chain value after the last of them."""

    blocks: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class ClockBefore:
    """What the board's clock said before it was set."""

    utc_s: int
    state: int


class Transfer(NamedTuple):
    """What a READ began: its DATA and END carry `xfer` and `seq`, and `length` bytes will come."""

    xfer: int
    seq: int
    length: int
    counter: int = 0
    """Of the READ, in a conversation that is proven."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What HANDOFF answers: where in the log the event stands, and the board's proof over it."""

    run: int
    number: int
    uptime_s: int
    uptime_ms: int
    tag: bytes

    def head(self) -> bytes:
        """Return the bytes of the reply before the tag, which the tag covers."""
        values = (self.run, self.number, self.uptime_s, self.uptime_ms, b"")
        packed = struct.pack(layout.HANDOFF_REPLY.format, *values)
        return packed[: layout.HANDOFF_REPLY.offset_of("tag")]


@dataclass(frozen=True, slots=True)
class Signed:
    """What SIGN answers: the head of a run and the board's signature over it; and our nonce."""

    run: int
    log_id: bytes
    blocks: int
    chain: bytes
    uptime_s: int
    uptime_ms: int
    utc_s: int
    clock_state: int
    signature: bytes
    nonce: bytes

    def message(self, device_id: bytes) -> bytes:
        """Return the bytes that the board of this id has signed (protocol/SPEC.md 7.10)."""
        values = (
            self.run,
            self.log_id,
            self.blocks,
            self.chain,
            self.uptime_s,
            self.uptime_ms,
            self.utc_s,
            self.clock_state,
            b"",
        )
        packed = struct.pack(layout.SIGN_REPLY.format, *values)
        head = packed[: layout.SIGN_REPLY.offset_of("signature")]
        return proof.signed_head(device_id, head, self.nonce)


@dataclass(frozen=True, slots=True)
class SealState:
    """A state of the sealing key: who holds it could make, and can check, every seal since."""

    key_index: int
    """Of the block that is sealed by the key of this state."""
    state: bytes

    def __repr__(self) -> str:
        """Name the index, never the state."""
        return f"SealState({self.key_index})"


def read_record(record: layout.Record, body: bytes) -> tuple[Any, ...]:
    """Read a reply's body, or raise PeerViolation when it has another length."""
    if len(body) != record.size:
        raise PeerViolation(f"its {record.name} has {len(body)} bytes where {record.size} are due")
    return struct.unpack(record.format, body)


def check_list(files: list[StoredFile]) -> None:
    """Refuse sizes no board can hold and files listed twice: nothing is written for a liar."""
    seen: set[tuple[int, int, bytes]] = set()
    for file in files:
        most = JOURNAL_MAX_BYTES if file.is_journal else layout.SEGMENT_MAX_BYTES
        if file.size > most:
            raise PeerViolation(f"{file.name} is said to have {file.size} bytes, over {most}")
        key = (file.run, file.file, file.log_id)
        if key in seen:
            raise PeerViolation(f"{file.name} is listed twice")
        seen.add(key)
    size = sum(file.size for file in files)
    if size > BOARD_MAX_BYTES:
        raise PeerViolation(f"it lists {size} bytes; no logger holds {BOARD_MAX_BYTES}")
