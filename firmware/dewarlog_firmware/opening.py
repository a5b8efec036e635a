"""The first words of a run, and of each boot in it: what it is, what it found, what is new.

Outside the line, beside app: once a boot. A first block, then the events that stand before any
sample: boot, sealing key, gap, firmware and settings that are not as they were.
"""

import os
import struct

from dewarlog_firmware.changes import FirmwareFile, changed_settings, former_sections
from dewarlog_firmware.clock import WallClock
from dewarlog_firmware.gauges import versions
from dewarlog_firmware.logbook import ENOSPC
from dewarlog_wire import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dewarlog_firmware.app import App
    from dewarlog_firmware.logbook import Recovery

FIRMWARE_PATH = "/firmware.bin"
LOG_ID_BYTES = 8


class Opening:
    """Begins a run, or goes on with the one that a boot found."""

    def __init__(self, app: "App") -> None:
        self._app = app

    def begin(self, sections: list, config_crc: int) -> None:
        """Begin a run: its first block, and what its log says before the first sample."""
        former = former_sections(self._app.logbook.flash)
        log_id = os.urandom(LOG_ID_BYTES)
        now = versions()
        identity = struct.pack(
            layout.IDENTITY.format,
            self._app.board.device_id,
            log_id,
            now[0],
            now[1],
            now[2],
            now[3],
            now[4],
            now[5],
            self._app.chips.read_clock()[0],
        )
        head = [(layout.SECTION_IDENTITY, identity)] + self._settings(sections)
        self._app.logbook.begin(head, log_id, config_crc)
        utc_s, clock_state = self._app.chips.read_clock()
        self._app.logbook.emit(
            layout.KIND_BOOT, (self._app.board.boot_cause, 0, 0, 0, utc_s, clock_state)
        )
        self._app.logbook.note_key()
        self._note_changes(former, head)
        self._app.keeper.start(*self._app.now())

    def _settings(self, sections: list) -> list:
        """Return what block 0 says behind the identity: the board's name, then the profile."""
        board_text = bytes((layout.TEXT_BOARD,)) + self._app.board.name.encode()
        return [(layout.SECTION_TEXT, board_text)] + sections

    def go_on(self, recovery: "Recovery", sections: list) -> None:
        """Say what this boot found, and how long nothing was recorded."""
        recorder = self._app.logbook.recorder
        former = None
        if recorder.next_event == 0:
            # The power failed before anything behind block 0 was durable: nobody has told yet
            # what is not as it was in the run before.
            former = former_sections(self._app.logbook.flash, recorder.run)
        utc_s, clock_state = self._app.chips.read_clock()
        self._app.logbook.emit(
            layout.KIND_BOOT,
            (
                self._app.board.boot_cause,
                self._app.logbook.recorder.boot,
                recovery.recovered_samples,
                min(recovery.dropped_bytes, 0xFFFF),
                utc_s,
                clock_state,
            ),
        )
        self._app.logbook.note_key()
        length_s, missed = layout.GAP_LENGTH_UNKNOWN, 0
        if recovery.last_uptime_s is not None and recovery.clock_uptime_s is not None:
            before = WallClock(recovery.clock_utc_s, recovery.clock_uptime_s, 0)
            last_utc_s = before.utc_at(recovery.last_uptime_s, 0)
            if layout.UTC_UNKNOWN not in (utc_s, last_utc_s):
                length_s = max(0, utc_s - last_utc_s)
                missed = length_s * 1000 // recovery.interval_ms
        cause = layout.GAP_STOPPED if recovery.was_stopped else layout.GAP_POWER
        self._app.logbook.emit(
            layout.KIND_GAP, (layout.STREAM_SAMPLES, cause, 0, length_s, missed)
        )
        if recovery.tilt_values is not None:
            last_s = recovery.last_uptime_s or recovery.tilt_uptime_s
            self._app.tilt.resume(recovery.tilt_values, max(0, last_s - recovery.tilt_uptime_s))
        self._note_changes(former, self._settings(sections))
        self._app.keeper.start(*self._app.now())

    def _note_changes(self, former: "tuple | None", sections: list) -> None:
        """Record what is not as it was: another firmware, and settings unlike the run before's.

        Memory that is full ends the list, never the boot. A firmware is remembered once the log
        has it; settings become durable with the first sample.
        """
        file = FirmwareFile(FIRMWARE_PATH, versions())
        before = file.before()
        try:
            if before is not None:
                self._app.logbook.emit(layout.KIND_FIRMWARE, before + versions())
            if former is not None:
                for body in changed_settings(former[0], former[1], sections):
                    self._app.logbook.record(layout.KIND_SETTING, body)
            if before is not None:
                self._app.logbook.commit()
        except OSError as error:
            if error.args[0] != ENOSPC:
                raise
            return
        file.keep()
