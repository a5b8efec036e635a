"""The table of everything that reads bytes from outside. One entry adds one.

A target names its valid inputs, its readers and what they may raise. All readers of a target are
given every case; where there are several they must agree, on what they refuse and on what they
read. `on_board` says that device_readers.read_NAME exists: it is then also run on MicroPython, and
must say there what it says here.

    Target("token", seeds.tokens, (token.parse,), (TokenError,), fixups.token)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import device_readers
import fixups
import host_readers
import reply_readers
import seeds
from dewarlog.errors import DewarlogError
from dewarlog_firmware.config import ConfigError
from dewarlog_wire.errors import WireError
from simboard.errors import ScenarioError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Reader = Callable[[bytes], list[str]]

KIB: Final = 1 << 10
MIB: Final = 1 << 20
# Of one block: which of its layers is named first where two are wrong depends on who reads it, and
# none of the words is wrong.
_OF_A_BODY: Final = frozenset({"section", "column", "event"})


@dataclass(frozen=True, slots=True)
class Target:
    """One parser, or the same parser written several times."""

    name: str
    seeds: Callable[[], Sequence[bytes]]
    readers: tuple[Reader, ...] = ()
    """On this computer; the board's own is put before them when `on_board`."""
    allowed: tuple[type[Exception], ...] = (WireError,)
    """What a reader may raise; their subclasses too."""
    fix_up: Callable[[bytes], bytes] | None = None
    """Puts CRCs and lengths right after a mutation."""
    on_board: bool = False
    agrees_on_board: bool = True
    """False where the two interpreters' own libraries do not promise the same."""
    parts: int = 1
    """How many files a case holds (device_readers.parts_of); those in JSON are changed as such."""
    one_word: frozenset[str] = frozenset()
    """Refusals that count as the same."""
    weight: float = 1.0
    """Share of the cases, before all are made to add up to one."""
    max_bytes: int = 8 * KIB
    memory_bytes: int = 2 * MIB
    """Bound on what reading may hold at a time on this computer, for a case of no length..."""
    memory_per_byte: int = 400
    """...and for each byte of it."""
    heap_bytes: int = 256 * KIB
    """The same bound on MicroPython, where all that was allocated counts, freed or not."""
    heap_per_byte: int = 60

    @property
    def all_readers(self) -> tuple[Reader, ...]:
        """Give every reader on this computer."""
        own: Reader | None = vars(device_readers).get("read_" + self.name)
        return self.readers if own is None or not self.on_board else (own, *self.readers)


NOTHING: Final = ()  # a board comes up, whatever stands in its files
HOST: Final = (DewarlogError,)

TARGETS: Final = (
    # The wire, on the board and on the host.
    Target(
        "block",
        seeds.blocks,
        (host_readers.construct_block,),
        fix_up=fixups.blocks,
        on_board=True,
        one_word=_OF_A_BODY,
        weight=1.5,
    ),
    Target(
        "journal",
        seeds.journals,
        (host_readers.construct_journal,),
        fix_up=fixups.journal,
        on_board=True,
        one_word=_OF_A_BODY,
    ),
    Target("column", seeds.columns, (host_readers.numpy_column,), on_board=True, weight=0.7),
    Target("events", seeds.events_sections, on_board=True, weight=2),
    Target(
        "section_texts",
        seeds.sections_with_texts,
        (host_readers.construct_section_texts,),
        on_board=True,
        weight=0.5,
    ),
    Target(
        "frame", seeds.frames, (host_readers.construct_frame,), fix_up=fixups.frame, on_board=True
    ),
    Target("message", seeds.messages, (host_readers.construct_message,), on_board=True, weight=2),
    Target(
        "serial_line",
        seeds.serial_lines,
        (host_readers.construct_serial_line,),
        fix_up=fixups.serial_line,
        on_board=True,
    ),
    Target("serial_in", seeds.serial_lines, fix_up=fixups.serial_line, on_board=True),
    Target("serial_out", seeds.serial_out, fix_up=fixups.serial_out, on_board=True),
    Target(
        "serial_out_twice",
        seeds.serial_out,
        (host_readers.wire_serial_out, host_readers.construct_serial_out),
        fix_up=fixups.serial_out,
    ),
    Target("pieces", seeds.pieces, fix_up=fixups.pieces, on_board=True, weight=2),
    Target(
        "short_data",
        seeds.short_data,
        (host_readers.construct_short_data,),
        fix_up=fixups.short_data,
        on_board=True,
    ),
    Target("cobs", seeds.encoded, (host_readers.construct_cobs,), on_board=True),
    # The board's files, log and server.
    Target("config", seeds.profiles, agrees_on_board=False, allowed=(ConfigError,), on_board=True),
    Target("radio", seeds.radios, fix_up=fixups.radio, allowed=NOTHING, on_board=True),
    Target("key", seeds.device_keys, weight=0.3, allowed=NOTHING, on_board=True),
    Target(
        "logbook",
        seeds.logbooks,
        fix_up=fixups.logbook,
        parts=4,
        weight=0.25,
        heap_bytes=MIB,
        heap_per_byte=200,
        allowed=NOTHING,
        on_board=True,
    ),
    Target(
        "former_run",
        seeds.former_runs,
        fix_up=fixups.former_run,
        parts=3,
        weight=0.4,
        heap_bytes=MIB,
        heap_per_byte=200,
        allowed=NOTHING,
        on_board=True,
    ),
    Target(
        "server",
        seeds.servers,
        weight=0.5,
        heap_bytes=MIB,
        heap_per_byte=1000,
        allowed=NOTHING,
        on_board=True,
    ),
    Target(
        "bench",
        seeds.benches,
        weight=0.5,
        heap_bytes=MIB,
        heap_per_byte=1000,
        allowed=NOTHING,
        on_board=True,
        agrees_on_board=False,  # which JSON is read is each interpreter's own
    ),
    # Who may in, and what seals.
    Target("token", seeds.caveats, (host_readers.construct_token,), on_board=True),
    Target(
        "guarded",
        seeds.guarded,
        weight=0.3,
        heap_bytes=4 * MIB,
        heap_per_byte=4000,
        allowed=NOTHING,
        on_board=True,
    ),
    Target(
        "seal_key",
        seeds.seal_keys,
        fix_up=fixups.seal_key,
        parts=3,
        weight=0.1,
        max_bytes=12 * KIB,
        heap_bytes=MIB,
        heap_per_byte=200,
        allowed=NOTHING,
        on_board=True,
    ),
    Target("lock", seeds.locks, fix_up=fixups.checked, weight=0.3, allowed=NOTHING, on_board=True),
    Target(
        "public", seeds.publics, fix_up=fixups.public, weight=0.3, allowed=NOTHING, on_board=True
    ),
    Target("versions", seeds.versions, weight=0.2, allowed=NOTHING, on_board=True),
    Target(
        "replies",
        seeds.replies,
        (reply_readers.read_replies,),
        weight=0.3,
        memory_bytes=8 * MIB,
        allowed=HOST,
    ),
    Target(
        "transfer",
        seeds.transfers,
        (reply_readers.read_transfer,),
        weight=0.3,
        memory_bytes=8 * MIB,
        allowed=HOST,
    ),
    # The host's readings and commands.
    Target(
        "readings",
        seeds.logs,
        (host_readers.read_readings,),
        fix_up=fixups.log,
        weight=0.5,
        max_bytes=64 * KIB,
        memory_bytes=16 * MIB,
        allowed=HOST,
    ),
    Target(
        "review",
        seeds.logs,
        (host_readers.read_review,),
        fix_up=fixups.log,
        weight=0.12,
        max_bytes=64 * KIB,
        memory_bytes=24 * MIB,
        allowed=HOST,
    ),
    Target(
        "command",
        seeds.commands,
        (host_readers.read_command,),
        fix_up=fixups.command,
        weight=0.04,
        max_bytes=64 * KIB,
        memory_bytes=48 * MIB,
        allowed=HOST,
    ),
    Target(
        "verify",
        seeds.verified,
        (host_readers.read_verified,),
        fix_up=fixups.verified,
        parts=5,
        weight=0.04,
        max_bytes=64 * KIB,
        memory_bytes=48 * MIB,
        allowed=HOST,
    ),
    Target(
        "bomb",
        seeds.bombs,
        (host_readers.read_review,),
        fix_up=fixups.log,
        weight=0.0005,
        max_bytes=64 * KIB,
        memory_bytes=400 * MIB,
        allowed=HOST,
    ),
    Target("chain", seeds.blocks, (host_readers.read_chain,), fix_up=fixups.log, allowed=HOST),
    # Files on this computer.
    Target("held", seeds.notes, (host_readers.read_held,), parts=2, weight=0.4, allowed=HOST),
    Target(
        "manifest", lambda: [seeds.manifest()], (host_readers.read_manifest_file,), allowed=HOST
    ),
    Target(
        "archive",
        seeds.archives,
        (host_readers.read_archive,),
        parts=4,
        weight=0.1,
        memory_bytes=8 * MIB,
        allowed=HOST,
    ),
    Target(
        "receipt",
        seeds.receipts,
        (host_readers.read_receipt_file,),
        fix_up=fixups.receipt,
        weight=0.2,
        memory_bytes=8 * MIB,
        allowed=HOST,
    ),
    Target("certificate", seeds.certificates, (host_readers.read_certificate_file,), allowed=HOST),
    Target("keys", seeds.keys, (host_readers.read_keys,), allowed=HOST),
    Target(
        "keyring", seeds.keyrings, (host_readers.read_keyring,), parts=2, weight=0.4, allowed=HOST
    ),
    Target("tokens", seeds.tokens, (host_readers.read_token_file,), weight=0.4, allowed=HOST),
    Target("kept_token", seeds.kept_tokens, (host_readers.read_kept_token,), allowed=HOST),
    Target("advert", seeds.adverts, (host_readers.read_advert,), allowed=HOST),
    Target(
        "scenario", seeds.scenarios, (host_readers.read_scenario,), (ScenarioError,), weight=0.2
    ),
)
BY_NAME: Final = {target.name: target for target in TARGETS}
