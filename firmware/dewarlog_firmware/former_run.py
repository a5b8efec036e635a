"""Closes a run that began under another profile, before this profile's recorder exists.

Outside the line, called once by app before it makes the rest. What a run's journal holds can only
be read by that run's own columns, and those stand in its first block: so a board that is given
another profile seals the old run as the old run was, and begins a new one.

A run whose first block cannot be read, or that memory is too full to seal, is closed as it stands,
its journal kept for a host.
"""

import os
import struct

from dewarlog_firmware.flash_log import FlashLog
from dewarlog_firmware.logbook import ENOSPC, Logbook
from dewarlog_firmware.recorder import Recorder
from dewarlog_firmware.sizes import LARGE
from dewarlog_wire import block, layout
from dewarlog_wire.errors import BlockError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dewarlog_firmware.seal_key import SealKey
    from dewarlog_firmware.sizes import Sizes


class _NoRules:
    """Stands where logbook has an excursion engine: what the old one found is recorded already."""

    def __init__(self) -> None:
        self.mute = False

    def sample(self, number: int, t_s: int, t_ms: int, codes: "Sequence[int]") -> None:
        """Judge nothing."""

    def break_time(self) -> None:
        """Keep no time."""

    def restore(self, state: bytes) -> None:
        """Keep no state."""

    def state_bytes(self) -> bytes:
        """Return no state."""
        return b""


def close_former_run(
    root: str,
    config_crc: int,
    encode_page: "Callable[..., object]",
    key: "SealKey | None" = None,
    sizes: "Sizes" = LARGE,
) -> bool:
    """Seal and close the open run below `root` if it is another profile's; say whether it was.

    `key` is the board's sealing key, moved on first if its block is stored (SPEC 4.9). `sizes` are
    the board's; the run may have begun with others.
    """
    try:
        os.stat(root)
    except OSError:
        return False  # a new board: its first write belongs to its first run
    flash = FlashLog(root)
    state = flash.open_run()
    if state is None or state.config_crc == config_crc:
        return False
    columns = _columns_of(flash.block_0(flash.run))
    if columns is None:
        flash.close_run(keep_journal=True)
        return True
    recorder = Recorder(columns[0], columns[1], encode_page, sizes)
    logbook = Logbook(recorder, flash, _NoRules(), layout.FULL_STOP, key=key)
    try:
        logbook.resume()
        logbook.end()
    except OSError as error:
        if error.args[0] != ENOSPC:
            raise
        logbook.flash.close_run(keep_journal=True)
    return True


def _columns_of(first: "bytes | None") -> "tuple[tuple[int, ...], bool] | None":
    """Return (channels, whether each has min and max) as a run's first block tells them."""
    if first is None:
        return None
    channels = []
    conversions = 0
    try:
        found = block.check_block(first, 0, None)
        for kind, start, end in block.sections(first, found.body_start, found.body_end):
            if kind == layout.SECTION_CHANNEL:
                channels.append(struct.unpack_from(layout.CHANNEL.format, first, start)[0])
            elif kind == layout.SECTION_SAMPLING:
                sampling = block.read_record(layout.SAMPLING, first, start, end)
                conversions = sampling[2]
    except BlockError:
        return None
    if not channels or not conversions:
        return None
    return tuple(channels), conversions > 1
