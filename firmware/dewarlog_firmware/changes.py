"""What is not as it was: this run's settings against those of the run before, and the firmware.

Beside the line: app asks at the begin of a run and at each boot, and records what comes out. Pure
but for one small file. The events: protocol/SPEC.md section 5, 21 and 22.
"""

import struct

from dewarlog_firmware.whole_file import write_whole
from dewarlog_wire import block, events, layout
from dewarlog_wire.crc import crc32
from dewarlog_wire.errors import BlockError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dewarlog_firmware.flash_log import FlashLog

    Section = tuple[int, bytes]

_COMPARED = (
    layout.SECTION_TEXT,
    layout.SECTION_SAMPLING,
    layout.SECTION_CHANNEL,
    layout.SECTION_RULE,
    layout.SECTION_SHOCK_SETTINGS,
    layout.SECTION_TILT_SETTINGS,
    layout.SECTION_CALIBRATION,
    layout.SECTION_HANDLING,
)  # an ARMING is another in each run, and changes nothing
# Sections of these kinds are told apart by their first bytes: which text, channel or rule it is,
# and of a calibration which channel and point.
_NUMBER_BYTES = {
    layout.SECTION_TEXT: 1,
    layout.SECTION_CHANNEL: 1,
    layout.SECTION_RULE: 1,
    layout.SECTION_CALIBRATION: 2,
}
_VERSION_BYTES = 6
_FILE_BYTES = _VERSION_BYTES + 4


def former_sections(
    flash: "FlashLog", before: "int | None" = None
) -> "tuple[int, list[Section]] | None":
    """Return (run, sections of its block 0) of the newest stored run that can be read.

    Only of those before the run `before`, when that is given.
    """
    for run in reversed(flash.runs()):
        if before is not None and run >= before:
            continue
        try:
            first = flash.block_0(run)
            if first is None:
                continue
            found = block.check_block(first, 0, None)
            sections = []
            for kind, start, end in block.sections(first, found.body_start, found.body_end):
                sections.append((kind, bytes(first[start:end])))
        except (BlockError, OSError):
            continue
        return run, sections
    return None


def changed_settings(
    before_run: int, before: "Sequence[Section]", after: "Sequence[Section]"
) -> "Iterator[bytes]":
    """Yield the body of one SETTING event for each section that differs.

    A text is compared with the one of the same name, a channel with that of its terminal; `index`
    is the place in this run's block 0, or in the old one's for what went away.
    """
    old, new = _by_name(before), _by_name(after)
    for name, (index, payload) in new.items():
        was = old.pop(name, None)
        if was is None:
            yield events.setting_body(name[0], index, before_run, b"", payload)
        elif was[1] != payload:
            yield events.setting_body(name[0], index, before_run, was[1], payload)
    for name, (index, payload) in old.items():
        yield events.setting_body(name[0], index, before_run, payload, b"")


def _by_name(sections: "Sequence[Section]") -> "dict[tuple[int, bytes, int], tuple[int, bytes]]":
    """Return {(kind, number, which of these): (index among its kind, payload)}, in order."""
    found = {}
    indexes = {}
    for kind, payload in sections:
        index = indexes.get(kind, 0)
        indexes[kind] = index + 1
        if kind not in _COMPARED or not payload:
            continue
        number = bytes(payload[: _NUMBER_BYTES.get(kind, 0)])
        if kind == layout.SECTION_TEXT and number[0] == layout.TEXT_BOARD:
            continue  # the board's own name is no setting
        again = 0
        while (kind, number, again) in found:
            again += 1
        found[(kind, number, again)] = (index, payload)
    return found


class FirmwareFile:
    """The versions that the last boot ran: firmware and MicroPython, three numbers each; CRC-32.

    A file that is damaged is as none: better no word of another firmware than a wrong one.
    """

    def __init__(self, path: str, now: "tuple[int, ...]") -> None:
        self._path = path
        self._now = bytes(now)

    def before(self) -> "tuple[int, ...] | None":
        """Return the last boot's versions if they were others; None if not, or none are kept."""
        kept = self._read()
        return None if kept in (b"", self._now) else tuple(kept)

    def keep(self) -> None:
        """Remember this boot's; a file system that is full has the next boot say it again."""
        if self._read() != self._now:
            try:
                write_whole(self._path, self._now + struct.pack("<I", crc32(self._now)))
            except OSError:
                pass

    def _read(self) -> bytes:
        try:
            with open(self._path, "rb") as file:
                data = file.read(_FILE_BYTES + 1)
        except OSError:
            return b""
        versions = data[:_VERSION_BYTES]
        if data[_VERSION_BYTES:] != struct.pack("<I", crc32(versions)):
            return b""
        return versions
