"""Seals of a log's blocks, held against a state of the sealing key: protocol/SPEC.md 4.9.

Takes blocks in the order of the log, with or without a state; gives what each is worth. One HMAC
moves the state on and two make a tag, each key is used once and in order, so that a year's blocks
take a fraction of a second. A log that names a key far beyond any board's makes it no longer.

A log may have been sealed by several keys, one after the other: an *epoch* is what one key sealed.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from dewarlog.checks.finding import OF_ONE_KIND
from dewarlog.records import SealKeyEvent
from dewarlog_wire import seal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dewarlog.records import Block, Event
    from dewarlog.replies import SealState

# A block an hour for four centuries: no board seals so many, and they take some seconds here.
STEPS_MAX: Final = 1 << 22
_NEW, _LOST = 1, 2  # SEAL_KEY_STATE_NAMES
_KEY: Final = b"dewarlog seal key"
_NEXT: Final = b"dewarlog seal next"


class Worth(StrEnum):
    """What one block's seal says.

    A seal is over a chain value. Where that does not follow from the block before, because that
    one is missing or the block was changed, a right tag proves the value and not the block:
    unlinked.
    """

    PROVEN = "proven"
    WRONG_TAG = "wrong tag"
    UNSEALED = "unsealed"
    BEFORE_STATE = "before the state"
    OTHER_KEY = "another key"
    UNLINKED = "not linked"
    NO_STATE = "no state held"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Blocks that follow each other and are worth the same."""

    worth: Worth
    first_seq: int
    last_seq: int
    first_index: int
    last_index: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """A place where the seals contradict the log, or each other."""

    code: str  # wrong-tag, index, unsealed
    block_seq: int
    offset: int
    message: str


@dataclass(frozen=True, slots=True)
class Seals:
    """What the seals of a log say."""

    stretches: tuple[Stretch, ...]
    troubles: tuple[Trouble, ...]
    first_index: int | None
    """Of the log's first block; 0: not sealed; None: the log has no block, or begins later."""
    last_index: int | None
    new_keys: int
    """How often the board says that it made a key."""
    lost_keys: int
    begins_with_new_key: bool

    def worth(self, *kinds: Worth) -> tuple[Stretch, ...]:
        """Give the stretches of these kinds."""
        return tuple(one for one in self.stretches if one.worth in kinds)

    @property
    def sealed(self) -> bool:
        """True where at least one block carries a seal."""
        return any(one.worth is not Worth.UNSEALED for one in self.stretches)


@dataclass(slots=True)
class _Budget:
    """How many steps may still be made for this log, over all its epochs."""

    steps: int = STEPS_MAX


class _KeyWalk:
    """The tags of one key, index by index; it never goes back."""

    def __init__(self, held: SealState, budget: _Budget) -> None:
        self.index = held.key_index
        self._state = bytes(held.state)
        self._budget = budget

    def tag(self, index: int, chain: bytes) -> bytes | None:
        """Return the tag of a chain value; None where the index is behind, or far beyond."""
        steps = index - self.index
        if not 0 <= steps <= self._budget.steps:
            return None
        for _ in range(steps):
            self._state = hmac.digest(self._state, _NEXT, "sha256")
        self.index = index
        self._budget.steps -= steps
        key = hmac.digest(self._state, _KEY, "sha256")
        return hmac.digest(key, chain, "sha256")[: seal.TAG_BYTES]


@dataclass(slots=True)
class _Epoch:
    """What one key sealed, or a time without one."""

    walk: _KeyWalk | None
    stretches: list[Stretch] = field(default_factory=list[Stretch])
    proven: int = 0
    wrong: Trouble | None = None

    def take(self, block: Block, *, linked: bool) -> None:
        worth = self._worth(block)
        if worth is Worth.PROVEN and not linked:
            worth = Worth.UNLINKED
        self.proven += worth in (Worth.PROVEN, Worth.UNLINKED)
        if worth is Worth.WRONG_TAG and self.wrong is None:
            self.wrong = Trouble(
                "wrong-tag",
                block.block_seq,
                block.offset,
                f"The seal of block {block.block_seq} is not that of key {block.key_index}: this "
                "block, or one before it, is not what the board sealed.",
            )
        self.note(worth, block)

    def note(self, worth: Worth, block: Block) -> None:
        """Add a block to the stretch it goes on, or begin another."""
        seq, index = block.block_seq, block.key_index
        if self.stretches:
            last = self.stretches[-1]
            if (last.worth, last.last_seq + 1) == (worth, seq):
                self.stretches[-1] = Stretch(worth, last.first_seq, seq, last.first_index, index)
                return
        self.stretches.append(Stretch(worth, seq, seq, index, index))

    def _worth(self, block: Block) -> Worth:
        if block.key_index == 0:
            return Worth.UNSEALED
        if self.walk is None:
            return Worth.NO_STATE
        if block.key_index < self.walk.index:
            return Worth.BEFORE_STATE
        tag = self.walk.tag(block.key_index, block.chain)
        if tag is not None and hmac.compare_digest(tag, block.tag):
            return Worth.PROVEN
        return Worth.WRONG_TAG


@dataclass(frozen=True, slots=True)
class _Untold:
    """A trouble that is none if the board tells of it: in the same block, or soon behind."""

    state: int
    boot: int
    trouble: Trouble

    def told_by(self, event: SealKeyEvent) -> bool:
        # What a boot finds in the journal of the one before, it seals under that one's number.
        if event.boot not in (self.boot, self.boot + 1):
            return False
        # Between two keys there may have been none.
        return event.state == self.state or (self.state, event.state) == (_LOST, _NEW)


class SealCheck:
    """Takes the blocks that continue a log, then the events of its journal."""

    def __init__(self, held: SealState | None = None) -> None:
        """Judge by `held`, a state of the board's sealing key; None: look at the numbers alone."""
        self._held = held
        self._budget = _Budget()
        self._epochs = [self._epoch()]
        self._last: Block | None = None
        self._first_index: int | None = None
        self._new = 0
        self._lost = 0
        self._new_first = False
        self._untold: list[_Untold] = []
        self._troubles: list[Trouble] = []

    def _epoch(self) -> _Epoch:
        return _Epoch(None if self._held is None else _KeyWalk(self._held, self._budget))

    def feed(self, block: Block) -> None:
        """Take the next block."""
        if block.block_seq == 0:
            self._first_index = block.key_index
        linked = block.chain_holds is True
        if self._last is not None:
            self._follow(self._last, block)
            linked = linked and block.block_seq == self._last.block_seq + 1
        self._epochs[-1].take(block, linked=linked)
        self._last = block
        self.feed_events(block.events)

    def _follow(self, last: Block, block: Block) -> None:
        """Hold the index against the block before; where it goes back, the key is another."""
        if block.key_index == last.key_index == 0:
            return
        due = last.key_index + block.block_seq - last.block_seq
        if last.key_index and block.key_index == due:
            return
        if block.key_index == 0:
            self._untold.append(_Untold(_LOST, block.boot, _unsealed(block)))
            self._epochs.append(self._epoch())
            return
        trouble = Trouble(
            "index",
            block.block_seq,
            block.offset,
            f"Block {block.block_seq} is sealed by key {block.key_index}, where key {due} is due: "
            "blocks were taken out, put in or exchanged before it.",
        )
        if last.key_index and block.key_index > due:
            self._troubles.append(trouble)
            return
        self._epochs.append(self._epoch())
        # A new key counts from 1, and the board says that it made one. No word explains a key that
        # was lost and seals again: who captured the board could so leave out what is between.
        if block.key_index <= seal.FIRST_INDEX + block.block_seq - last.block_seq - 1:
            self._untold.append(_Untold(_NEW, block.boot, trouble))
        else:
            self._troubles.append(trouble)

    def feed_events(self, events: Iterable[Event]) -> None:
        """Take events that follow, of the block just fed or of the journal."""
        for event in events:
            if not isinstance(event, SealKeyEvent):
                continue
            self._new += event.state == _NEW
            self._lost += event.state == _LOST
            if event.state == _NEW and len(self._epochs) == 1:
                self._new_first = True
            self._untold = [one for one in self._untold if not one.told_by(event)]

    def finish(self) -> Seals:
        """Give what the seals say."""
        epochs = self._epochs
        ours = any(epoch.proven for epoch in epochs)
        troubles = [*self._troubles, *(one.trouble for one in self._untold)]
        stretches: list[Stretch] = []
        for epoch in epochs:
            another = ours and not epoch.proven and len(epochs) > 1
            if epoch.wrong is not None and not another:
                troubles.append(epoch.wrong)
            stretches += map(_as_other, epoch.stretches) if another else epoch.stretches
        return Seals(
            stretches=tuple(stretches),
            troubles=tuple(sorted(troubles, key=lambda trouble: trouble.offset)),
            first_index=self._first_index,
            last_index=None if self._last is None else self._last.key_index,
            new_keys=self._new,
            lost_keys=self._lost,
            # A word in the journal, say, does not make a key new that has sealed before.
            begins_with_new_key=self._new_first and self._first_index == seal.FIRST_INDEX,
        )


def _as_other(stretch: Stretch) -> Stretch:
    """Say that the state held is of another key than the one these blocks were sealed by."""
    if stretch.worth not in (Worth.WRONG_TAG, Worth.BEFORE_STATE):
        return stretch
    return Stretch(
        Worth.OTHER_KEY,
        stretch.first_seq,
        stretch.last_seq,
        stretch.first_index,
        stretch.last_index,
    )


def _unsealed(block: Block) -> Trouble:
    return Trouble(
        "unsealed",
        block.block_seq,
        block.offset,
        f"Block {block.block_seq} has no seal, though the block before it has one, and the board "
        "does not say that it lost its key.",
    )


def spans(stretches: Iterable[Stretch]) -> list[tuple[int, int]]:
    """Give first and last block of each row of blocks without a break."""
    joined: list[tuple[int, int]] = []
    for one in stretches:
        if joined and joined[-1][1] + 1 == one.first_seq:
            joined[-1] = (joined[-1][0], one.last_seq)
        else:
            joined.append((one.first_seq, one.last_seq))
    return joined


def span_words(told: Sequence[tuple[int, int]]) -> str:
    """Say which blocks: `block 3`, `blocks 0 to 5 and 7`; of very many, the first."""
    parts = [str(first) if first == last else f"{first} to {last}" for first, last in told]
    if len(parts) > OF_ONE_KIND:
        parts = [*parts[:OF_ONE_KIND], f"{len(parts) - OF_ONE_KIND:,} more stretches"]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    single = len(told) == 1 and told[0][0] == told[0][1]
    return f"block{'' if single else 's'} {listed}"
