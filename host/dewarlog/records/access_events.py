"""Who spoke to the board, what was changed or erased for him, and what was signed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dewarlog.records.codes import named
from dewarlog.records.event import Event
from dewarlog_wire import layout


@dataclass(frozen=True, slots=True)
class AccessEvent(Event):
    """Who speaks to the board from now on, or tried to."""

    KIND: ClassVar[int] = layout.KIND_ACCESS
    NAME: ClassVar[str] = "access"

    result: int
    link: int
    key: int  # layout.KEY_*; 0: none
    failures: int  # since the last success; 65535: or more
    token: bytes  # id of the token; zero: the key itself, or none
    holder: str

    @property
    def result_name(self) -> str:
        """Say how it ended."""
        return named(layout.ACCESS_RESULT_NAMES, self.result)

    @property
    def link_name(self) -> str:
        """Say how the host was connected."""
        return named(layout.LINK_NAMES, self.link)

    @property
    def key_name(self) -> str | None:
        """Give the role of the key, or None where none was named."""
        if self.key == 0:
            return None
        return layout.KEY_NAMES.get(self.key, f"number {self.key}")

    @property
    def token_id(self) -> bytes | None:
        """Give the id of the token, or None where there is none."""
        return self.token if any(self.token) else None

    @property
    def is_actor(self) -> bool:
        """True where the events behind this one are this speaker's; else the attempt failed."""
        return self.result in (layout.ACCESS_OPEN, layout.ACCESS_PROVEN)


@dataclass(frozen=True, slots=True)
class LockEvent(Event):
    """The board was locked or opened."""

    KIND: ClassVar[int] = layout.KIND_LOCK
    NAME: ClassVar[str] = "lock"

    state: int
    cause: int


@dataclass(frozen=True, slots=True)
class SettingEvent(Event):
    """One section of block 0 differs from that of the run before on this board."""

    KIND: ClassVar[int] = layout.KIND_SETTING
    NAME: ClassVar[str] = "setting"

    section: int  # layout.SECTION_*
    index: int  # which of its kind in block 0, from 0
    flags: int
    before_run: int
    before_bytes: int
    before: bytes  # the old payload; empty: there was none
    after: bytes  # the new payload; empty: there is none

    @property
    def before_is_cut(self) -> bool:
        """True where the old payload was longer than what stands here."""
        return bool(self.flags & layout.SETTING_BEFORE_CUT)

    @property
    def after_is_cut(self) -> bool:
        """True where the new payload is longer than what stands here."""
        return bool(self.flags & layout.SETTING_AFTER_CUT)


@dataclass(frozen=True, slots=True)
class ProfileWritten(Event):
    """A host wrote another profile; the run ends with it."""

    KIND: ClassVar[int] = layout.KIND_PROFILE
    NAME: ClassVar[str] = "profile"

    purpose: int
    utc_s: int  # the host's clock
    before_crc32: int  # 0: there was none
    crc32: int
    actor: str
    note: str

    @property
    def purpose_name(self) -> str:
        """Say what for."""
        return named(layout.PURPOSE_NAMES, self.purpose)


@dataclass(frozen=True, slots=True)
class SignatureEvent(Event):
    """The board signed the head of this log for a host (protocol/SPEC.md 7.10)."""

    KIND: ClassVar[int] = layout.KIND_SIGNATURE
    NAME: ClassVar[str] = "signature"

    blocks: int
    signed_uptime_s: int  # what was signed says; the event's own uptime may be later
    signed_uptime_part_ms: int  # 0 to 999
    utc_s: int
    clock_state: int
    nonce: bytes  # of the host that asked
    signature: bytes


@dataclass(frozen=True, slots=True)
class SealKeyEvent(Event):
    """What happened to the sealing key, and which index the next block's seal has."""

    KIND: ClassVar[int] = layout.KIND_SEAL_KEY
    NAME: ClassVar[str] = "seal key"

    state: int
    key_index: int  # 0: none


@dataclass(frozen=True, slots=True)
class RunErased(Event):
    """A run was erased from the board for a host."""

    KIND: ClassVar[int] = layout.KIND_ERASE
    NAME: ClassVar[str] = "erase"

    run: int
    log_id: bytes
    blocks: int  # it had
    confirmed: int

    @property
    def was_held(self) -> bool:
        """True where a host had confirmed that it holds all of it."""
        return bool(self.confirmed)
