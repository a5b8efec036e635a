"""Who has the dewar, who was told what, and how much of the log was held elsewhere by then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dewarlog.records.codes import named
from dewarlog.records.event import Event
from dewarlog_wire import layout


@dataclass(frozen=True, slots=True)
class CustodyEvent(Event):
    """A custody step, as a host told it: who, where, when by that host's clock."""

    KIND: ClassVar[int] = layout.KIND_CUSTODY
    NAME: ClassVar[str] = "custody"

    step: int
    utc_s: int
    actor: str
    place: str
    note: str

    @property
    def step_name(self) -> str:
        """Say which step this is."""
        return named(layout.CUSTODY_STEP_NAMES, self.step)

    @property
    def is_receipt(self) -> bool:
        """True where the journey ends with this step."""
        return self.step_name == "receive"


@dataclass(frozen=True, slots=True)
class HandoffEvent(Event):
    """One person gave the dewar to another, and what a host had checked of the log by then."""

    KIND: ClassVar[int] = layout.KIND_HANDOFF
    NAME: ClassVar[str] = "handoff"

    utc_s: int
    verdict: int
    role: int
    blocks: int
    chain: bytes
    giver: str
    receiver: str
    place: str

    @property
    def step_name(self) -> str:
        """Say which step this is."""
        return "handoff"

    @property
    def is_receipt(self) -> bool:
        """True where the journey ends with this step."""
        return self.role_name == "receiving site"

    @property
    def verdict_word(self) -> str:
        """Give the word the host's check said."""
        return named(layout.VERDICT_NAMES, self.verdict)

    @property
    def role_name(self) -> str:
        """Say what the receiver is."""
        return named(layout.ROLE_NAMES, self.role)


@dataclass(frozen=True, slots=True)
class PinEvent(Event):
    """The head the log had when the custody event before this one was recorded."""

    KIND: ClassVar[int] = layout.KIND_PIN
    NAME: ClassVar[str] = "pin"

    blocks: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class PullEvent(Event):
    """A host confirmed that it holds the log up to a block."""

    KIND: ClassVar[int] = layout.KIND_PULL
    NAME: ClassVar[str] = "pull"

    last_block_seq: int
    utc_s: int


@dataclass(frozen=True, slots=True)
class AcknowledgeEvent(Event):
    """A person has seen what the board had raised; it changes no verdict."""

    KIND: ClassVar[int] = layout.KIND_ACKNOWLEDGE
    NAME: ClassVar[str] = "acknowledge"

    state: int  # bits: layout.STATUS_* of what was seen
    utc_s: int
    actor: str
    note: str


# Whatever says who has the dewar from now on.
CustodyRecord = CustodyEvent | HandoffEvent
