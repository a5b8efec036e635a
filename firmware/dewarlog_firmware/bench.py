"""The bench's requests: live figures, the profile, self-test, erasure (protocol/SPEC.md 7.11).

Outside the line, beside desk: hands `handlers` to the servers, and app gives it a turn each pass.
What takes long is done in slices, so that sampling always comes first: one test, or one run, at a
time. Rules:
- A profile is handed over in RAM, one for each conversation, and gone with it. It is put in force
  by one rename, behind an event that is durable before: a power cut leaves the old file or the
  new, whole, and the run that was open is never gone on with.
- The board starts again once the reply is on its way, never before; no host is told meanwhile
  that something was done which the next boot would not know of (access.Guard.is_leaving).
- A run is told as erased before it is; it is then gone at once (flash_log.remove_run).
"""

import os
import struct
from binascii import crc32

from micropython import const

from dewarlog_firmware import once
from dewarlog_firmware.access import Refused
from dewarlog_firmware.gauges import versions
from dewarlog_firmware.logbook import NO_ROOM
from dewarlog_firmware.request import expect_empty, fields_of
from dewarlog_firmware.server import LATER
from dewarlog_wire import events, layout
from dewarlog_wire.errors import BlockError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from dewarlog_firmware.access import Visitor
    from dewarlog_firmware.app import App
    from dewarlog_firmware.desk import Desk
    from dewarlog_firmware.server import Server

    Body = bytes | memoryview

    class Tester(Protocol):
        """What is asked of selftest.SelfTest."""

        results: "list[tuple[int, int, int, int, int, int]]"  # the fields of EVENT_SELFTEST

        @property
        def is_busy(self) -> bool:
            """Tell whether a test goes on."""
            ...

        def begin(self) -> None:
            """Begin anew. ValueError when it has to wait."""
            ...

        def step(self) -> bool:
            """Do a slice; True while at work."""
            ...

        def drop(self) -> None:
            """Give the test up, if one is going on; every chip is as it was."""
            ...


# A reply is on its way once the link took it; this long it may need to arrive.
FAREWELL_MS = const(500)
# The board starts again after so long, whether the host took the reply or not.
RESTART_MS = const(1500)
_CHUNK_BYTES = const(256)
_ENOENT = const(2)  # errno, the same on every port
_U16_MAX = const(0xFFFF)
_TICKS_MASK = const(0x3FFFFFFF)
_ANGLE_UNKNOWN = const(255)


class Bench:
    """Carries these requests out for every link. `path`: of the profile."""

    def __init__(self, app: "App", desk: "Desk", path: str) -> None:
        self._app = app
        self._desk = desk
        self._path = path
        self._profile: "tuple | None" = None  # (bytes, CRC-32) of the file, once it was asked for
        self._tester: "Visitor | None" = None  # whose self-test is going on
        self._restarter: "Server | None" = None  # whose reply must be away before the restart
        self._restart_ms = 0  # ticks when that was decided
        self.handlers = {
            layout.MSG_LIVE: self._live,
            layout.MSG_GET: self._get,
            layout.MSG_PUT: self._put,
            layout.MSG_PUT_END: self._put_end,
            layout.MSG_SELFTEST: self._selftest,
            layout.MSG_ERASE: self._erase,
            layout.MSG_SEED: self._seed,
        }

    def step(self) -> bool:
        """Do what is due in this pass of the main loop; True while there is more."""
        if self._restarter is not None:
            gone_ms = (self._app.board.ticks_ms() - self._restart_ms) & _TICKS_MASK
            # A time that was taken is set within a second of it: before the end, then.
            is_free = self._restarter.ready and not self._app.awaits_second
            if gone_ms >= RESTART_MS or (gone_ms >= FAREWELL_MS and is_free):
                self._app.restart()
            return True
        if self._tester is None:
            return False
        selftest = self._app.selftest
        if selftest is None or not selftest.step():
            self._end_selftest(self._tester)
        return True

    # --- figures ------------------------------------------------------------------------------

    def _live(self, server: "Server", body: "Body") -> int:
        expect_empty(body)
        return server.reply.put(layout.LIVE_REPLY, *self.live())

    def live(self) -> tuple:
        """Return the values of LIVE_REPLY, in order; the longest pass counts anew from here."""
        app = self._app
        gauges, logbook, keeper = app.gauges, app.logbook, app.keeper
        gauges.look_when_due()
        tilt = app.tilt.values()
        angle_deg = tilt[1] if app.tilt.is_known else _ANGLE_UNKNOWN
        shock = logbook.last_shock
        # EVENT_SHOCK: its band, peak and velocity change.
        band, peak, velocity = (0, 0, 0) if shock is None else (shock[1], shock[6], shock[8])
        raw = [[0, 0, 0] for _ in range(4)]
        for position in range(len(app.config.channels)):
            raw[app.config.channels[position].channel] = keeper.raw[position]
        values = versions() + (
            self._profile_file()[1],
            gauges.heap_free_bytes,
            gauges.heap_low_bytes,
            gauges.pass_max_us,
            app.rest.wake_ups,
            app.rest.awake_ms // 1000,
            max(0, min(keeper.late_ms, _U16_MAX)),
            app.engine.pending_mask,
            app.chips.states(),
            angle_deg,
            tilt[0],
            tilt[2],
            tilt[3],
            tilt[4],
            tilt[5],
            min(logbook.shocks, _U16_MAX),
            band,
            peak,
            velocity,
        )
        gauges.pass_max_us = 0
        for index in (1, 2, 0):  # voltages, cold junctions, faults
            values += tuple([channel[index] for channel in raw])
        return values

    # --- the profile --------------------------------------------------------------------------

    def _profile_file(self) -> tuple:
        """Return (bytes, CRC-32) of the profile's file; (0, 0) when there is none."""
        if self._profile is None:
            self._profile = _measured(self._path)
        return self._profile

    def _get(self, server: "Server", body: "Body") -> int:
        (offset,) = fields_of(layout.GET, body)
        total, crc = self._profile_file()
        if not offset <= total <= _U16_MAX:
            raise Refused(layout.ERROR_RANGE, "the profile has %d bytes" % total)
        length = server.reply.put(layout.GET_REPLY, total, crc)
        if offset < total:
            with open(self._path, "rb") as file:
                file.seek(offset)
                part = file.read(min(total - offset, server.room_bytes() - length))
            length = server.reply.put_bytes(length, part)
        return length

    def _put(self, server: "Server", body: "Body") -> int:
        if len(body) <= layout.PUT.size:
            raise Refused(layout.ERROR_MALFORMED, "put has bytes of a profile behind its head")
        total, offset = struct.unpack_from(layout.PUT.format, body, 0)
        if not 0 < total <= layout.PROFILE_MAX_BYTES:
            raise Refused(
                layout.ERROR_RANGE, "a profile has 1 to %d bytes" % layout.PROFILE_MAX_BYTES
            )
        if offset == 0:
            server.draft = None  # before its place is needed anew
            server.draft = bytearray(total)
            server.drafted = 0
        draft = server.draft
        if draft is None or len(draft) != total or offset != server.drafted:
            raise Refused(layout.ERROR_RANGE, "that is not where the part before ended")
        end = offset + len(body) - layout.PUT.size
        if end > total:
            raise Refused(layout.ERROR_RANGE, "more than the %d bytes announced" % total)
        draft[offset:end] = body[layout.PUT.size :]
        server.drafted = end
        return 0

    def _put_end(self, server: "Server", body: "Body") -> int:
        if len(body) < layout.PUT_END.size:
            raise Refused(layout.ERROR_MALFORMED, "put_end is cut short")
        (total,) = struct.unpack_from(layout.PUT_END.format, body, 0)
        told = bytes(body[layout.PUT_END.size :])
        try:
            purpose, _, before_crc, crc, _, _ = events.read_texts_body(layout.KIND_PROFILE, told)
        except BlockError as error:
            raise Refused(layout.ERROR_MALFORMED, str(error))
        if purpose >= len(layout.PURPOSE_NAMES):
            raise Refused(layout.ERROR_RANGE, "there is no purpose %d" % purpose)
        draft = server.draft
        if draft is None or not server.drafted == len(draft) == total:
            raise Refused(layout.ERROR_RANGE, "the profile was not handed over to its end")
        if crc != crc32(draft):
            raise Refused(layout.ERROR_CHANGED, "the bytes handed over are others")
        if before_crc != self._profile_file()[1]:
            raise Refused(layout.ERROR_CHANGED, "the board holds another profile by now")
        _expect_a_profile(draft)
        server.expect_allowance()
        self._put_in_force(draft, told)
        server.draft = None
        self._restart_behind(server)
        return 0

    def _restart_behind(self, server: "Server") -> None:
        """Have the board start again once this server's reply is away."""
        self._app.guard.is_leaving = True
        self._restarter = server
        self._restart_ms = self._app.board.ticks_ms() & _TICKS_MASK

    def _put_in_force(self, data: bytearray, told: bytes) -> None:
        """Write the profile, and end the run by it.

        OSError or Refused for no room: nothing has changed.
        """
        logbook = self._app.logbook
        flash = logbook.flash
        aside = self._path + ".new"
        runs = flash.runs()
        owner = None
        try:
            with open(aside, "wb") as file:
                file.write(data)
            if not logbook.has_last_words():
                raise Refused(layout.ERROR_MEMORY_FULL, "no room: pull the log, erase old runs")
            if logbook.is_open:
                self._app.stamp()
                logbook.record(layout.KIND_PROFILE, told)
                logbook.commit()
            if runs:
                owner = flash.disown(runs[-1])
            os.rename(aside, self._path)
        except (OSError, MemoryError, Refused):
            _remove(aside)
            if owner is not None:
                flash.disown(runs[-1], owner)
            raise
        self._profile = None
        if logbook.is_open:
            self._desk.stop()

    # --- the device key -----------------------------------------------------------------------

    def _seed(self, server: "Server", body: "Body") -> int:
        (secret,) = fields_of(layout.SEED, body)
        lock = self._app.guard.lock
        if lock.is_locked:
            raise Refused(layout.ERROR_NOT_ALLOWED, "a locked board keeps its key: open it first")
        if lock.is_claimed:
            server.visitor.expect_admin()
        self._desk.seed(secret)
        # What was proven was proven by the old key.
        server.visitor.forget()
        self._restart_behind(server)
        return 0

    # --- self-test ----------------------------------------------------------------------------

    def _selftest(self, server: "Server", body: "Body") -> int:
        (first,) = fields_of(layout.SELFTEST, body)
        if self._tester is not None:
            raise Refused(layout.ERROR_BUSY, "a self-test is going on")
        if first == layout.SELFTEST_LAST:
            self._expect_results()
            return self._put_results(server, 0)
        if first:
            return self._put_results(server, first)
        server.expect_idle()
        server.expect_allowance()
        visitor = server.visitor
        try:
            self._app.begin_selftest()
        except ValueError as error:
            raise Refused(layout.ERROR_BUSY, str(error))
        self._tester = visitor
        return server.work_on(lambda: self._tested(server, visitor))

    def _tested(self, server: "Server", visitor: "Visitor") -> "int | None":
        """Put the first results, once they are there."""
        return None if self._tester is visitor else self._put_results(server, 0)

    def _expect_results(self) -> None:
        selftest = self._app.selftest
        if selftest is None or not selftest.results:
            raise Refused(layout.ERROR_RANGE, "there was no self-test since the board started")

    def _put_results(self, server: "Server", first: int) -> int:
        selftest = self._app.selftest
        results = () if selftest is None else selftest.results
        if first and first >= len(results):
            raise Refused(layout.ERROR_RANGE, "there are %d results" % len(results))
        size = layout.EVENT_SELFTEST.size
        room = (server.room_bytes() - layout.SELFTEST_REPLY.size) // size
        count = min(len(results) - first, room)
        length = server.reply.put(layout.SELFTEST_REPLY, len(results), first, count)
        for index in range(first, first + count):
            length = server.reply.put_behind(length, layout.EVENT_SELFTEST, *results[index])
        return length

    def _end_selftest(self, visitor: "Visitor") -> None:
        """Record the results; a log that is full or closed does not take them."""
        self._tester = None
        app = self._app
        if not app.logbook.is_open or app.selftest is None:
            return
        app.guard.speaker = visitor
        try:
            app.stamp()
            for values in app.selftest.results:
                app.logbook.emit(layout.KIND_SELFTEST, values)
            app.logbook.commit()
        except OSError as error:
            if error.args[0] not in NO_ROOM:
                raise
        finally:
            app.guard.speaker = None

    # --- erasure ------------------------------------------------------------------------------

    def _erase(self, server: "Server", body: "Body") -> int:
        to_run, flags = fields_of(layout.ERASE, body)
        if flags & ~layout.ERASE_UNPULLED:
            raise Refused(layout.ERROR_RANGE, "no such flags: %d" % flags)
        logbook = self._app.logbook
        if not logbook.is_open:
            raise Refused(layout.ERROR_MALFORMED, "no run is open to record it in")
        server.expect_idle()
        server.expect_allowance()
        open_run = logbook.recorder.run
        runs = [run for run in logbook.flash.runs() if run <= to_run and run != open_run]
        return server.work_on(Erasure(self._app, server, runs, flags & layout.ERASE_UNPULLED).step)


class Erasure:
    """Erases `runs`, one a call; those that nobody holds only when `unpulled`."""

    def __init__(self, app: "App", server: "Server", runs: list, unpulled: int) -> None:
        self._app = app
        self._server = server
        self._runs = runs
        self._unpulled = unpulled
        self._erased = 0
        self._kept = 0

    def step(self) -> int:
        """Erase the oldest run that is left; the reply once there is none. OSError for no room."""
        if not self._runs:
            return self._server.reply.put(layout.ERASE_REPLY, self._erased, self._kept)
        run = self._runs.pop(0)
        logbook = self._app.logbook
        if not logbook.is_open or run not in logbook.flash.runs():
            return LATER  # the run that was open has ended, or the room was needed meanwhile
        confirmed = logbook.is_confirmed(run)
        if not confirmed and not self._unpulled:
            self._kept += 1
            return LATER
        flash = logbook.flash
        state = flash.read_state(run)
        log_id = bytes(8) if state is None else state.log_id
        try:
            blocks = flash.head_of(run)[0]
        except KeyError:
            blocks = 0
        self._app.stamp()
        logbook.emit(layout.KIND_ERASE, (run, log_id, blocks, int(confirmed)))
        logbook.commit()
        logbook.remove_run(run)
        self._erased += 1
        return LATER


def _expect_a_profile(text: bytearray) -> None:
    """Refuse a text that is no profile, by what config says of it."""
    from dewarlog_firmware.config import ConfigError, load_config

    try:
        load_config(text)
    except ConfigError as error:
        raise Refused(layout.ERROR_MALFORMED, str(error))
    finally:
        once.let_go()


def _measured(path: str) -> tuple:
    """Return (bytes, CRC-32) of a file, read in parts; (0, 0) when there is none."""
    total, crc = 0, 0
    try:
        with open(path, "rb") as file:
            while True:
                part = file.read(_CHUNK_BYTES)
                if not part:
                    return total, crc
                total += len(part)
                crc = crc32(part, crc)
    except OSError as error:
        if error.args[0] != _ENOENT:
            raise
    return 0, 0


def _remove(path: str) -> None:
    try:
        os.remove(path)
    except OSError:
        pass  # it was not there
