"""The main loop: samples first, then shocks, then at most one frame a link for a host, then sleep.

Outside the line: makes every part from board and config, and joins them. One loop and no asyncio:
what happens in one pass, and in which order, is what stands in `step`. Interrupts (sampler,
shock_sampler) go on whatever the loop does.

A run continues over resets and power cuts until a host ends it; Ctrl-C stops the loop, keeps the
run open and gives the REPL: `from dewarlog_firmware import app; app.run()` goes on. On a locked
board (lock.py) nothing gives the REPL: an error ends in a STOP event and a reset.
"""

import gc
import os
import struct

from micropython import const

from dewarlog_firmware import once, rest
from dewarlog_firmware.access import Guard
from dewarlog_firmware.advert import Advert
from dewarlog_firmware.audit import Audit
from dewarlog_firmware.bench import Bench
from dewarlog_firmware.board import open_board
from dewarlog_firmware.chips import PART_ACCELEROMETER, PART_DEVICE_KEY, Chips
from dewarlog_firmware.clock import Uptime
from dewarlog_firmware.desk import Desk
from dewarlog_firmware.excursion import Engine
from dewarlog_firmware.flash_log import FlashLog
from dewarlog_firmware.gauges import Gauges
from dewarlog_firmware.keeper import Keeper
from dewarlog_firmware.link_ble import BleLink
from dewarlog_firmware.link_usb import UsbLink
from dewarlog_firmware.lock import Lock, leave
from dewarlog_firmware.logbook import ENOSPC, NO_ROOM, Logbook
from dewarlog_firmware.radio import Radio
from dewarlog_firmware.recorder import Recorder
from dewarlog_firmware.rest import Rest
from dewarlog_firmware.sampler import Sample, Sampler
from dewarlog_firmware.seal_key import SealKey
from dewarlog_firmware.server import Server
from dewarlog_firmware.shock import ShockCapture, means_hold
from dewarlog_firmware.shock_keeper import ShockKeeper
from dewarlog_firmware.shock_sampler import SENSOR_FAULT, SENSOR_OK, ShockSampler
from dewarlog_firmware.signer import Signer
from dewarlog_firmware.signing import Signing
from dewarlog_firmware.tilt import Tilt
from dewarlog_wire import FORMAT_VERSION, PROTOCOL_VERSION, layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from dewarlog_firmware.bench import Tester
    from dewarlog_firmware.board import Board
    from dewarlog_firmware.config import Config

PROFILE_PATH = "/profile.json"
LOG_ROOT = "/log"
RADIO_PATH = "/radio.bin"
_PUBLIC_PATH = const("/public.bin")
# A shock window is captured for at most a second or so; a sample waits that long for its flush,
# so that no flash operation stalls the capture.
_CAPTURE_PATIENCE_MS = const(2000)
# How long a tick that fell silent can go unnoticed, and an accelerometer that lost its supply for
# a moment: unlike a converter, it is not read while all is quiet.
_HEALTH_PERIOD_S = const(60)
_REFUSED_MS = const(20)  # a frame that the console did not take is offered again
_SHOCK_MS = const(20)  # while a shock is captured or waits to be written
_ENOENT = const(2)  # errno, the same on every port
_STOP_COMMAND = const(0)
_STOP_KEYBOARD = const(1)
_STOP_MEMORY_FULL = const(2)
_STOP_ERROR = const(4)
_TOO_LARGE = const(
    "profile: it takes more memory than this board has, so nothing is recorded; put one with fewer"
    " rules, instructions or probes, 1 conversion for a sample, or a shorter shock.window_ms"
)


def run(lock: "Lock | None" = None) -> None:
    """Start the logger on this board and keep it going; returns after Ctrl-C, never when locked.

    Raises ConfigError when /profile.json cannot be used: a board must not log by other limits
    than its shipment's. A locked board says so on its console, and then answers its hosts without
    recording: its log can be pulled, and its admin opens it and mends the profile. So does any
    board whose heap is too small for the profile: a host that gave it one can give it another.
    """
    if lock is None:  # from the prompt
        lock = Lock()
    try:
        _run(lock)
    finally:
        leave(lock)


def _run(lock: Lock) -> None:
    board = open_board()
    began_ms = board.ticks_ms()  # what follows may erase flash for a second and more
    config, is_own = _configured(lock)
    if is_own:
        key = open_seal_key(board)
        if _records(board, config, lock, key, began_ms):
            return
        gc.collect()
        print(_TOO_LARGE)  # noqa: T201 - to whoever sits at the console
        config = _built_in()
    App(board, config, lock).run(records=False)


def _records(
    board: "Board", config: "Config", lock: Lock, key: "SealKey | None", began_ms: int
) -> bool:
    """Record until Ctrl-C, then True; False where the heap is too small for this profile."""
    app = None
    try:
        _close_former_run(board, config, key)
        once.let_go()
        gc.collect()  # its recorder's buffers are as large as those the app now makes
        app = App(board, config, lock, key, began_ms)
        app.run()
    except MemoryError:
        if app is not None and app.has_begun:
            raise
        return False
    return True


def _built_in() -> "Config":
    from dewarlog_firmware.config import parse_config
    from dewarlog_firmware.profile import default_document

    return parse_config(default_document())


def _configured(lock: Lock) -> "tuple[Config, bool]":
    """Return this board's configuration and True; the built-in one and False for want of it."""
    from dewarlog_firmware.config import ConfigError

    try:
        return load_profile(PROFILE_PATH), True
    except ConfigError as error:
        if not lock.is_locked:
            raise
        print(error)  # noqa: T201 - to whoever sits at the console, as the traceback would
        return _built_in(), False


def _close_former_run(board: "Board", config: "Config", key: "SealKey | None") -> None:
    """Close the run of another profile: limits never change inside one."""
    from dewarlog_firmware.former_run import close_former_run
    from dewarlog_firmware.profile import profile_crc, profile_sections

    crc = profile_crc(profile_sections(config))
    close_former_run(LOG_ROOT, crc, _fast_functions()[0], key, board.wiring.sizes)


def open_seal_key(board: "Board") -> "SealKey | None":
    """Find the sealing key, or make it at the first start; None on a board that can keep none."""
    device = board.key_flash()
    if device is None:
        return None
    key = SealKey(device, "", os.urandom)
    key.open(_has_sealed_blocks)
    return key


def _has_sealed_blocks() -> bool:
    """Tell whether the newest block stored has a seal. Asked once in a board's life."""
    try:
        os.stat(LOG_ROOT)
    except OSError:
        return False
    return FlashLog(LOG_ROOT).newest_key_index() > 0


def load_profile(path: str) -> "Config":
    """Read the shipment profile; the built-in one when the board was given none."""
    from dewarlog_firmware.config import ConfigError, load_config

    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        if error.args[0] != _ENOENT:
            raise ConfigError(path, "not readable (error %d)" % error.args[0], "a file")
        return _built_in()
    return load_config(text)


class App:
    """One board, one profile, one loop, one lock.

    `began_ms`: ticks from which uptime counts; now, when not given.
    """

    def __init__(
        self,
        board: "Board",
        config: "Config",
        lock: Lock,
        seal_key: "SealKey | None" = None,
        began_ms: "int | None" = None,
    ) -> None:
        from dewarlog_firmware.device_key import (
            KEY_PATH,
            derived_keys,
            load_device_key,
            signing_seed,
            stands_at,
        )
        from dewarlog_firmware.profile import reading_columns

        self.board = board
        self.is_recording = False
        self.has_begun = False  # a run goes on, or memory has no room for one
        self.end_requested = False
        self.config = config
        self._uptime = Uptime(board.ticks_ms() if began_ms is None else began_ms)
        self._clock_due_ms = -1
        self._clock_utc_s = 0
        self._uncommitted_since_ms = -1
        encode_page, cobs_encode, crc_shift, xor = _fast_functions()
        self.columns = reading_columns(config)

        self.engine = Engine(config.rules, self.columns)
        channels = tuple([channel.channel for channel in config.channels])
        sizes = board.wiring.sizes
        recorder = Recorder(channels, config.sampling.conversions > 1, encode_page, sizes)
        flash = FlashLog(LOG_ROOT)
        self.accelerometer = board.accelerometer()
        self.shock_sampler = ShockSampler(
            self.accelerometer, board.shock_line(), board.ticks_us, sizes.shock_slots
        )
        self.logbook = Logbook(
            recorder,
            flash,
            self.engine,
            config.sampling.full_policy,
            self.shock_sampler,
            self._means_hold,
            seal_key,
        )
        self.engine.emit = self.logbook.emit
        self.shocks = ShockKeeper(
            self.shock_sampler,
            ShockCapture(config.shock),
            self.logbook,
            self.accelerometer.burst_sets,
            config.shock.rate_hz,
            self.now,
            board.ticks_us,
            sizes.shelf_bytes,
            free_heap=self._part,
        )
        self.chips = Chips(board, self.logbook.emit)
        self.keeper = Keeper(config, self.logbook, self.engine, self)

        converter = config.converter
        probes = []
        for channel in channels:
            driver = board.converter(
                channel, converter.gain, converter.averaging, converter.mains_hz
            )
            driver.configure()  # one that does not hold its settings says so in every sample
            probes.append((driver, board.ready_line(channel)))
        self.sampler = Sampler(probes, board.timer(0), board.ticks_ms)
        self.sample = Sample(len(probes))
        self._dropped = 0
        self.tilt = Tilt(config.tilt)
        self._tilt_due_s = 0
        self._health_due_s = 0
        self._waits_for_tilt = False  # its looks come more often than samples
        self._keeps_shocks = False  # an accelerometer is there to watch
        self.rest = Rest(board, config.power.light, board.waiter(self._has_work), self)
        self.selftest: "Tester | None" = None  # made when it is first asked for

        device_key = load_device_key(KEY_PATH, os.urandom)
        self.has_key = device_key != b""
        keys = derived_keys(device_key)
        bluetooth = board.radio()
        features = layout.FEATURE_BENCH
        if bluetooth is not None:
            features |= layout.FEATURE_RADIO
        if keys[layout.KEY_RECEIPT]:
            features |= layout.FEATURE_HANDOFF | layout.FEATURE_AUTH | layout.FEATURE_SECRET
        elif not stands_at(KEY_PATH):
            lock.forget()  # no key could open it, now or later
        if seal_key is not None and seal_key.index:
            features |= layout.FEATURE_SEAL
        signer = Signer(
            self.logbook,
            signing_seed(device_key),
            board.device_id,
            self.now,
            self.chips.read_clock,
            _PUBLIC_PATH,
        )
        if signer.can_sign:
            features |= layout.FEATURE_SIGN
        self._desk = Desk(self, keys, features)
        self.bench = Bench(self, self._desk, PROFILE_PATH)
        self.guard = Guard(self._desk, board.device_id, lock)
        self.audit = Audit(self.logbook, self.guard, self.stamp, self._tell_held, self._means_hold)
        self.logbook.on_event = self.audit.before
        self.seal_key = seal_key
        self.signing = Signing(signer, self.guard, board.ticks_ms)
        console = board.console()
        self._server = Server(
            self.logbook,
            self._desk,
            self.guard,
            os.urandom,
            sizes.serial_body_bytes,
            crc_shift,
            in_hand=True,
            xor=xor,
            more=self.bench.handlers,
        )
        self._link = UsbLink(console.reader, console.writer, cobs_encode, sizes.serial_body_bytes)
        self.radio = None if bluetooth is None else self._make_radio(bluetooth, features, xor)
        self.gauges = Gauges(board)  # once all buffers are made

    def _make_radio(
        self, bluetooth: "ModuleType", features: int, xor: "Callable[..., None]"
    ) -> Radio:
        board, settings = self.board, self.config.radio
        self._air_server = Server(
            self.logbook,
            self._desk,
            self.guard,
            os.urandom,
            layout.BLE_BODY_MAX_BYTES,
            packets=True,
            xor=xor,
            more=self.bench.handlers,
        )
        info = struct.pack(
            layout.INFO.format,
            PROTOCOL_VERSION,
            FORMAT_VERSION,
            layout.BLE_FRAME_MAX_BYTES,
            features,
            board.device_id,
        )
        self._advert = Advert(board.device_id)
        self._advert_s = -1
        self.air = BleLink(bluetooth, self._advert, info, settings.advertise_ms, board.ticks_ms)
        return Radio(self.air, settings.state, RADIO_PATH, self._note_radio, self.chips.read_clock)

    def _means_hold(self, shock: tuple) -> bool:
        """Judge the values of a SHOCK event by the profile."""
        return means_hold(self.config.shock, shock[1], shock[-1])

    # --- time ---------------------------------------------------------------------------------

    def now(self) -> tuple:
        """Return the uptime as (s, ms)."""
        return self._uptime.at(self.board.ticks_ms())

    def stamp(self) -> None:
        """Let the events that follow carry the present time."""
        self.logbook.at(*self.now())

    def set_clock_in(self, utc_s: int, wait_ms: int) -> None:
        """Have the clock chip set to `utc_s` when that many ms have passed."""
        self._clock_utc_s = utc_s
        uptime_s, uptime_ms = self.now()
        self._clock_due_ms = uptime_s * 1000 + uptime_ms + wait_ms

    @property
    def awaits_second(self) -> bool:
        """Tell whether the clock chip is still to be set."""
        return self._clock_due_ms >= 0

    # --- radio --------------------------------------------------------------------------------

    def switch_radio(self, state: int, minutes: int) -> None:
        """Do what a host says: layout's state and minutes."""
        if self.radio is not None:
            self.radio.tell(state, minutes, *self.now())

    def _note_radio(self, values: tuple) -> None:
        """Record that the radio was switched."""
        self.audit.note(layout.KIND_RADIO, values)

    def _poll_air(self, radio: Radio) -> bool:
        """Give the air its turn: one frame, the switch, and what is advertised."""
        busy = self.air.poll(self._air_server)
        uptime_s, uptime_ms = self.now()
        busy = radio.look(self._air_server, uptime_s, uptime_ms) or busy
        if uptime_s != self._advert_s and self.air.is_open and not self.air.connected:
            self._advert_s = uptime_s
            desk = self._desk
            self._advert.update(
                desk.state_bits(self.chips.clock_state),
                desk.backlog_bytes(),
                desk.payload_reading(),
            )
        return busy

    # --- what keeper asks of the chips --------------------------------------------------------

    def set_period_ms(self, period_ms: int) -> None:
        """Tick every `period_ms` from now on."""
        self.sampler.set_period_ms(period_ms)

    def read_clock(self) -> tuple:
        """Return (utc_s, clock state)."""
        return self.chips.read_clock()

    def read_supply(self) -> tuple:
        """Return (mV, 1 when low)."""
        return self.chips.read_supply()

    def tilt_totals(self) -> tuple:
        """Return the values of a TILT event as things stand."""
        return self.tilt.values()

    @property
    def has_held(self) -> bool:
        """Tell whether anything in this run passed a limit that means HOLD. Allocates nothing."""
        return self.engine.has_held or self.logbook.has_held_shock or self.tilt.has_held

    def _tell_held(self) -> bool:
        return self.has_held

    # --- the run ------------------------------------------------------------------------------

    def run(self, *, records: bool = True) -> None:
        """Continue the open run or begin one, and loop until Ctrl-C.

        Without `records` no run is touched: hosts are answered, and that is all.
        """
        try:
            if records:
                self._begin()
            else:
                self.logbook.takes_events = False
            once.let_go()
            while True:
                self.step()
        except KeyboardInterrupt:
            self._stop(_STOP_KEYBOARD)
            # To the person at the REPL, who has just pressed Ctrl-C.
            print("dewarlog stopped; the run stays open. app.run() continues it.")  # noqa: T201
        except Exception:
            # A fault of the firmware: what is durable stays so, the log says why it ends here.
            self._stop(_STOP_ERROR)
            raise

    def _begin(self) -> None:
        """Open the run and record; a memory that has no room for either stops no boot."""
        try:
            self._open_run()
            self._start_sampling()
        except OSError as error:
            if error.args[0] != ENOSPC:
                raise
            self.logbook.is_full = True
            self._memory_full()
        self.has_begun = True

    def _open_run(self) -> None:
        from dewarlog_firmware.opening import Opening
        from dewarlog_firmware.profile import profile_crc, profile_sections

        sections = list(profile_sections(self.config))
        opening = Opening(self)
        self.stamp()
        if self.logbook.flash.open_run() is not None:  # of this profile: see `run` above
            opening.go_on(self.logbook.resume(), sections)
            if self.radio is not None:
                self.radio.resume(self.now()[0])
        else:
            opening.begin(sections, profile_crc(sections))
            if self.radio is not None:
                self.radio.begin()
        if self.config.access.lock:
            self._desk.lock_as_profile_says()

    def _start_sampling(self) -> None:
        if not self.logbook.check_room():
            self._memory_full()
            return
        self.chips.note(PART_DEVICE_KEY, SENSOR_OK if self.has_key else SENSOR_FAULT)
        self.chips.configure_tilt()
        held = self.start_accelerometer()
        self.chips.note(PART_ACCELEROMETER, SENSOR_OK if held else self.shock_sampler.check())
        self.logbook.commit()
        period_ms = self.keeper.interval_ms // self.config.sampling.conversions
        self._waits_for_tilt = self.config.tilt.period_s * 1000 < period_ms
        self.is_recording = True
        self.sampler.start(period_ms)

    def start_accelerometer(self) -> bool:
        """Set the accelerometer up and watch for shocks; say whether it took its settings."""
        self.shock_sampler.stop()
        held = self.configure_accelerometer()
        self.shock_sampler.start()
        self._keeps_shocks = held
        return held

    def configure_accelerometer(self) -> bool:
        """Give the accelerometer its settings; say whether it took them."""
        settings = self.config.shock
        return self.accelerometer.identified() and self.accelerometer.configure(
            settings.trigger_count, settings.rate_hz, quiet_ms=settings.quiet_ms
        )

    def step(self) -> None:
        """Do one pass of the loop; sleep at its end when nothing is left to do."""
        began_us = self.board.ticks_us()
        busy = False
        if self.is_recording:
            try:
                busy = self._take_samples()
                busy = self.shocks.take() or busy
                self._look_at_chips()
            except OSError as error:
                if error.args[0] not in NO_ROOM:
                    raise
                self._memory_full()
        try:
            busy = self._link.poll(self._server) or busy
            if self.radio is not None:
                busy = self._poll_air(self.radio) or busy
            busy = self.signing.step() or busy
            busy = self.bench.step() or busy
        except MemoryError:
            self._part()
        self._set_clock_when_due()
        if self.end_requested:
            self._end_run()
        self.gauges.passed(began_us)
        if not busy:
            self.gauges.look_when_due()
            self._rest()

    # --- rest ---------------------------------------------------------------------------------

    def _has_work(self) -> bool:
        """Tell whether an interrupt left work. Asked after each; allocates nothing."""
        if self.is_recording and (self.sampler.ring.peek() >= 0 or self.shock_sampler.has_news()):
            return True
        return self.radio is not None and self.air.has_news

    def _rest(self) -> None:
        """Sleep until there is something to do."""
        limit_ms = rest.LONGEST_MS
        against = 0
        if self._link.is_refused:
            against |= rest.HOST
            limit_ms = _REFUSED_MS
        if self.radio is not None and self.air.is_open:
            against |= rest.RADIO
            limit_ms = min(limit_ms, self.air.rest_ms())
        now_s, now_ms = self.now()
        if self._clock_due_ms >= 0:
            against |= rest.CLOCK
            limit_ms = min(limit_ms, max(1, self._clock_due_ms - now_s * 1000 - now_ms))
        tick_ms = bridge_ms = rest.LONGEST_MS
        if self.is_recording:
            tick_ms = self.sampler.until_tick_ms()
            if not self.sampler.is_hard:
                against |= rest.TIMER
            if self.shocks.busy:
                against |= rest.SHOCK
                limit_ms = min(limit_ms, _SHOCK_MS)
            elif self.shock_sampler.rest_begins():
                limit_ms = min(limit_ms, _SHOCK_MS)
            elif self._keeps_shocks:
                # Half: the other half is for a sleep that ends late, and the way to the FIFO.
                kept_ms = self.shock_sampler.bridged_ms(self.config.shock.pre_trigger)
                bridge_ms = kept_ms // 2
            if self._waits_for_tilt:
                limit_ms = min(limit_ms, max(1, (self._tilt_due_s - now_s) * 1000 - now_ms))
        self.rest.sleep(limit_ms, tick_ms, bridge_ms, against)

    def light_begins(self) -> None:
        """Note that the interrupts of pins may be lost from now on."""
        self.shock_sampler.stall_begins()

    def light_ends(self) -> None:
        """Fetch what made no interrupt."""
        if self.is_recording:
            self.shock_sampler.service()  # before the stall ends: what it finds came in it
            state = self.board.hold_interrupts()
            self.sampler.service()
            self.board.let_interrupts(state)
        self.shock_sampler.stall_ends()

    def _part(self) -> None:
        """End the conversations: one of them found no memory, and sampling goes on without it."""
        self._server.drop()
        if self.radio is not None and self.air.is_open:
            self.air.close(self._air_server)  # radio opens it again
        gc.collect()

    def _take_samples(self) -> bool:
        if not self.sampler.take(self.sample):
            return False
        if self.sample.is_look:
            return True  # a self-test's
        cause = layout.GAP_LATE
        dropped = self.sampler.ring.dropped
        if dropped != self._dropped:
            self._dropped = dropped
            cause = layout.GAP_RING_FULL
        uptime_s, uptime_ms = self._uptime.at(self.sample.ticks_ms)
        self.keeper.conversion(self.sample, uptime_s, uptime_ms, cause)
        if self.keeper.is_full:
            self._memory_full()
            return True
        self._commit()
        return True

    def _commit(self) -> None:
        """Make the sample durable, after the shock being captured if there is one."""
        if self.shocks.busy:
            now_s, now_ms = self.now()
            now_ms += now_s * 1000
            if self._uncommitted_since_ms < 0:
                self._uncommitted_since_ms = now_ms
            if now_ms - self._uncommitted_since_ms < _CAPTURE_PATIENCE_MS:
                return
        self._uncommitted_since_ms = -1
        self.logbook.commit()

    def _look_at_chips(self) -> None:
        """See to what no interrupt tells of, each in its time."""
        uptime_s, uptime_ms = self.now()
        if uptime_s >= self._tilt_due_s:
            self._tilt_due_s = uptime_s + self.config.tilt.period_s
            self.logbook.at(uptime_s, uptime_ms)
            if self.tilt.look(self.chips.read_tilt(), uptime_s):
                self.logbook.emit(layout.KIND_TILT, self.tilt.values())
                self._commit()
        if uptime_s >= self._health_due_s:
            self._health_due_s = uptime_s + _HEALTH_PERIOD_S
            self.sampler.revive()
            self.logbook.at(uptime_s, uptime_ms)
            if self.shock_sampler.is_away and (self.selftest is None or not self.selftest.is_busy):
                self.start_accelerometer()  # a self-test that found no memory at its very end
            if self.chips.look_at_accelerometer(self.shock_sampler, self.start_accelerometer):
                self._commit()

    def _set_clock_when_due(self) -> None:
        if self._clock_due_ms < 0:
            return
        now_s, now_ms = self.now()
        if now_s * 1000 + now_ms >= self._clock_due_ms:
            self._clock_due_ms = -1
            self.chips.set_clock(self._clock_utc_s)

    def begin_selftest(self) -> None:
        """Begin to test the board. ValueError when it has to wait."""
        selftest = self.selftest
        if selftest is None:
            from dewarlog_firmware.selftest import SelfTest

            selftest = self.selftest = SelfTest(self)
        selftest.begin()

    # --- ends ---------------------------------------------------------------------------------

    def _halt(self) -> None:
        """Stop every interrupt of ours."""
        self.is_recording = False
        self.sampler.stop()
        self.shock_sampler.stop()

    def _stop(self, cause: int) -> None:
        """Stop recording and seal what is open; the run can be continued."""
        if self.radio is not None:
            self.radio.stop(self._air_server)
        is_recording = self.is_recording
        self._halt()
        if self.selftest is not None:
            self.selftest.drop()
        try:
            if is_recording:
                self._stop_run(cause)
        finally:
            self.logbook.flash.release()

    def _stop_run(self, cause: int) -> None:
        """Record the shocks that wait, and the stop."""
        try:
            self._end_shocks()
        finally:  # whatever is wrong with them, the log says why it ends here
            self.stamp()
            try:
                self.logbook.emit(layout.KIND_STOP, (cause,))
                self.logbook.commit()
            except OSError as error:
                if error.args[0] not in NO_ROOM:
                    raise

    def _end_shocks(self) -> None:
        """Record the shocks that wait and the one that goes on, as far as there is room."""
        try:
            self.shocks.end()
        except OSError as error:
            if error.args[0] not in NO_ROOM:
                raise

    def _memory_full(self) -> None:
        """Stop recording for want of memory, and say so while there still is room for that."""
        is_recording = self.is_recording
        self._halt()
        self.keeper.is_full = True
        if not self.logbook.is_open or not self.logbook.has_last_words():
            return
        if is_recording:
            self._end_shocks()
        self.stamp()
        try:
            self.logbook.emit(
                layout.KIND_GAP,
                (layout.STREAM_SAMPLES, layout.GAP_MEMORY_FULL, 0, layout.GAP_LENGTH_UNKNOWN, 0),
            )
            self.logbook.emit(layout.KIND_STOP, (_STOP_MEMORY_FULL,))
            self.logbook.seal()
        except OSError as error:
            if error.args[0] not in NO_ROOM:
                raise

    def _end_run(self) -> None:
        """Close the run for good, as a host asked; its log can still be pulled."""
        self.end_requested = False
        is_recording = self.is_recording
        self._halt()
        try:
            if is_recording:
                self._end_shocks()
                self.stamp()
                self.guard.speaker = self._desk.stopped_by
                self.logbook.emit(layout.KIND_STOP, (_STOP_COMMAND,))
        except OSError as error:
            if error.args[0] not in NO_ROOM:
                raise
        finally:
            self.guard.speaker = None
        self.logbook.end()

    def restart(self) -> None:
        """Start the board over: nothing of a run that is open is lost. Does not return."""
        from dewarlog_firmware.restart import restart

        try:
            self._stop(_STOP_COMMAND)
        finally:  # a stop that fails must not leave a board that answers nobody
            restart(0)


def _fast_functions() -> tuple:
    """Return page encoder, COBS encoder, CRC joiner, cipher: machine code where there is any."""
    try:
        from dewarlog_firmware.fast import cobs_encode_into, crc_shift, encode_page, xor_into
    except (ImportError, SyntaxError):
        from dewarlog_wire.cobs import encode_into
        from dewarlog_wire.column import encode_page as plain_encode_page
        from dewarlog_wire.session_keys import xor_into as plain_xor_into

        return plain_encode_page, encode_into, None, plain_xor_into
    return encode_page, cobs_encode_into, crc_shift, xor_into
