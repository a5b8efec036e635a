"""Boards with keys, for tests of what can be proved: seals, signatures, receipts, forgeries."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dewarlog.certificate import Certificate
from dewarlog.receipt import Receipt
from dewarlog.replies import Recorded, SealState, Signed
from dewarlog_wire import events, layout, proof, seal
from log_writer import UTC_2026_03_01, LogWriter
from trips import HOUR_MS, quiet

if TYPE_CHECKING:
    from collections.abc import Callable

    from log_writer import EventSpec

NONCE = bytes(range(100, 116))
MADE_UNIX_S = 1_770_000_000


@dataclass(slots=True)
class TrustedBoard:
    """A board's keys, as the board holds them."""

    name: int = 1
    key_index: int = seal.FIRST_INDEX
    seal_state: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.seal_state = hashlib.sha256(b"state %d" % self.name).digest()

    @property
    def device_id(self) -> bytes:
        """Give the name it goes by on the wire."""
        return bytes([self.name]) * 8

    @property
    def device_key(self) -> bytes:
        """Give what all other keys but the sealing key follow from."""
        return hashlib.sha256(b"device key %d" % self.name).digest()

    @property
    def receipt_key(self) -> bytes:
        """Give what its receipts are tagged by."""
        return proof.derived_key(self.device_key, layout.KEY_RECEIPT)

    @property
    def certificate(self) -> Certificate:
        """Give what its signatures are checked by."""
        return Certificate(
            self.device_id, self._signer.public_key().public_bytes_raw(), MADE_UNIX_S
        )

    @property
    def state(self) -> SealState:
        """Give the state the board holds now, as SEAL_KEY does."""
        return SealState(self.key_index, self.seal_state)

    @property
    def _signer(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(proof.signing_seed(self.device_key))

    def signed(self, log: LogWriter, uptime_ms: int, nonce: bytes = NONCE) -> Signed:
        """Sign the head of a log as it stands."""
        head = Signed(
            run=log.run,
            log_id=log.log_id,
            blocks=log.blocks,
            chain=log.chain,
            uptime_s=uptime_ms // 1000,
            uptime_ms=uptime_ms % 1000,
            utc_s=UTC_2026_03_01 + uptime_ms // 1000,
            clock_state=layout.CLOCK_OK,
            signature=bytes(64),
            nonce=nonce,
        )
        return replace(head, signature=self._signer.sign(head.message(self.device_id)))

    def receipt(self, log: LogWriter, number: int, values: tuple[object, ...]) -> Receipt:
        """Answer a handoff whose event has this number and these values."""
        body = events.texts_body(layout.KIND_HANDOFF, values[:-3], values[-3:])  # type: ignore[arg-type]
        recorded = Recorded(log.run, number, 2 * HOUR_MS // 1000, 0, bytes(32))
        made = Receipt(self.device_id, log.log_id, recorded, body, proven=True, log="trip.dwl")
        tag = proof.receipt_tag(
            self.receipt_key, self.device_id, log.log_id, recorded.head(), body
        )
        return replace(made, recorded=replace(recorded, tag=tag))

    # --- runs -----------------------------------------------------------------------------------

    def begin(self, run: int = 7) -> LogWriter:
        """Begin a run, sealed by the key as it stands."""
        log = LogWriter(
            run=run,
            channels=1,
            device_id=self.device_id,
            log_id=hashlib.sha256(b"log %d %d" % (self.name, run)).digest()[:8],
            key_index=self.key_index,
            seal_state=self.seal_state,
        )
        log.start()
        return log

    def end(self, log: LogWriter) -> None:
        """Take over the sealing key as the run left it."""
        self.key_index, self.seal_state = log.key_index, log.seal_state

    def trip(self, run: int = 7, hours: int = 5) -> Trip:
        """Record a whole run: a handoff behind hour 2, a signature behind hour 3, a stop."""
        log = self.begin(run)
        told: dict[str, Receipt | Signed] = {}
        for hour in range(hours):
            items: list[EventSpec] = []
            at_ms = hour * HOUR_MS
            if hour == 0:
                items.append((layout.KIND_SEAL_KEY, at_ms, (0, log.key_index)))
            if hour == 2:
                values = (
                    *(UTC_2026_03_01 + at_ms // 1000, 0, 1, log.blocks, log.chain),
                    *("A. Jansen", "K. Mori", "Gate 4"),
                )
                number = log.next_event
                items.append((layout.KIND_HANDOFF, at_ms, values))
                told["receipt"] = self.receipt(log, number, values)
            if hour == 3:
                signed = self.signed(log, at_ms)
                told["signed"] = signed
                items.append(signature_event(signed, at_ms))
            if hour == hours - 1:
                items.append((layout.KIND_STOP, at_ms + HOUR_MS, (0,)))
            log.samples(at_ms, [quiet(hour)], events=items)
        self.end(log)
        receipt, signed = told["receipt"], told["signed"]
        assert isinstance(receipt, Receipt)
        assert isinstance(signed, Signed)
        return Trip(log, replace(receipt, signed=signed), signed)


@dataclass(frozen=True, slots=True)
class Trip:
    """A run as it was recorded, and what was given out of it on the way."""

    log: LogWriter
    receipt: Receipt
    signed: Signed

    @property
    def blocks(self) -> list[bytes]:
        """Give the blocks one by one."""
        ends = [*self.log.offsets[1:], len(self.log.data)]
        return [
            bytes(self.log.data[start:end])
            for start, end in zip(self.log.offsets, ends, strict=True)
        ]


def signature_event(signed: Signed, at_ms: int) -> EventSpec:
    """Give the event that a board records of what it signed."""
    values = (
        *(signed.blocks, signed.uptime_s, signed.uptime_ms, signed.utc_s, signed.clock_state),
        *(signed.nonce, signed.signature),
    )
    return (layout.KIND_SIGNATURE, at_ms, values)


# --- forgeries -----------------------------------------------------------------------------------
def fixed(
    blocks: list[bytes],
    change: Callable[[int, bytearray], None] = lambda _number, _block: None,
    *,
    chain: bool = False,
    key: SealState | None = None,
) -> bytes:
    """Join blocks, each changed by `change(number, block)`, and make their CRCs right again.

    With `chain`, the chain too; with `key`, every seal from its index on. Other tags stay.
    """
    made = bytearray()
    head = layout.CHAIN_START
    state = b"" if key is None else key.state
    for number, block in enumerate(blocks):
        forged = bytearray(block)
        change(number, forged)
        end = len(forged) - layout.BLOCK_SEAL.size
        value, index, tag, _ = struct.unpack_from(layout.BLOCK_SEAL.format, forged, end)
        if chain:
            value = head = hashlib.sha256(head + forged[:end]).digest()
        if key is not None and index >= key.key_index:
            tag = seal.block_tag(state, value)
            state = seal.next_state(state)
        struct.pack_into(layout.BLOCK_SEAL.format, forged, end, value, index, tag, 0)
        struct.pack_into("<I", forged, len(forged) - 4, zlib.crc32(forged[:-4]))
        made += forged
    return bytes(made)


def renumbered(number: int, block: bytearray) -> None:
    """Give a block the number of its place in the file."""
    struct.pack_into("<I", block, layout.BLOCK_HEADER.offset_of("block_seq"), number)


def warmer(block_number: int) -> Callable[[int, bytearray], None]:
    """Change one bit: the readings of one block begin 2 degC off."""
    first = layout.BLOCK_HEADER.size + layout.SECTION_HEAD.size + layout.SPAN.size
    first += layout.SECTION_HEAD.size + layout.COLUMN_HEAD.offset_of("first")

    def change(number: int, block: bytearray) -> None:
        if number == block_number:
            block[first + 1] ^= 1

    return change
