"""What a host may ask of the board besides its stored bytes: status, time, custody, radio, stop.

Answers the servers (their Device protocol); acts through keeper, chips, logbook and radio. Message
bytes are server's; only HANDOFF_REPLY's head is made here, because the board's proof is over it.
"""

import os
import struct

from micropython import const

from dewarlog_firmware.access import Refused
from dewarlog_firmware.advert import payload_columns, warmest
from dewarlog_firmware.sensors import ds3231
from dewarlog_wire import events, layout, proof
from dewarlog_wire.errors import BlockError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dewarlog_firmware.access import Visitor
    from dewarlog_firmware.app import App

_LOCK_OPEN = const(0)  # LOCK_STATE_NAMES
_LOCK_LOCKED = const(1)
_LOCK_NEW_KEYS = const(2)
_LOCK_BY_PROFILE = const(0)  # LOCK_CAUSE_NAMES
_LOCK_BY_HOST = const(1)
_HANDOFF_HEAD = layout.HANDOFF_REPLY.format[: layout.HANDOFF_REPLY.format.index("32s")]


class Desk:
    """The board's front desk. `app` is told of a stop and a clock to be set.

    `keys`: {layout.KEY_*: secret}, each empty on a board that could not store a device key.
    `features`: layout.FEATURE_* bits. `key_path`: of the device key.
    """

    def __init__(
        self, app: "App", keys: dict, features: int, key_path: "str | None" = None
    ) -> None:
        self._app = app
        self._key_path = key_path
        self._keys = keys
        self.features = features
        self.stopped_by: "Visitor | None" = None  # who asked for the end of the run
        self._payload_columns = payload_columns(app.config.channels, app.columns)
        self._sealed_bytes = 0  # of the backlog, counted when these were as they are
        self._counted_blocks = -1
        self._counted_confirms = 0

    # --- what everybody may see ---------------------------------------------------------------

    def backlog_bytes(self) -> int:
        """Return what is stored and not confirmed. Reads the flash only when blocks changed."""
        logbook = self._app.logbook
        if (
            logbook.recorder.blocks != self._counted_blocks
            or logbook.confirms != self._counted_confirms
        ):
            self._counted_blocks = logbook.recorder.blocks
            self._counted_confirms = logbook.confirms
            self._sealed_bytes = logbook.backlog_bytes() - logbook.flash.journal_bytes
        return self._sealed_bytes + logbook.flash.journal_bytes

    def payload_reading(self) -> int:
        """Return the reading code of the warmest payload probe."""
        keeper = self._app.keeper
        if not keeper.has_reading:
            return layout.state_code(layout.STATE_ABSENT)
        return warmest(keeper.codes, self._payload_columns)

    def status(self) -> tuple:
        """Return the values of STATUS_REPLY, in order."""
        app = self._app
        recorder = app.logbook.recorder
        codes = [layout.state_code(layout.STATE_ABSENT)] * 4
        cold_code = layout.state_code(layout.STATE_ABSENT)
        if app.keeper.has_reading:
            for channel, column in app.columns:
                codes[channel] = app.keeper.codes[column]
            cold_code = app.keeper.codes[-1]
        uptime_s, uptime_ms = app.now()
        utc_s, clock_state = app.chips.read_clock()
        return (
            self.state_bits(clock_state),
            recorder.run,
            recorder.boot,
            uptime_ms,
            uptime_s,
            utc_s,
            clock_state,
            app.keeper.interval_ms,
            recorder.next_sample,
            recorder.next_event,
            recorder.blocks,
            self.backlog_bytes(),
            app.logbook.flash.free_bytes(),
            app.chips.supply_mv,
            codes[0],
            codes[1],
            codes[2],
            codes[3],
            cold_code,
            app.sampler.ring.high_water,
            min(app.sampler.ring.dropped, 0xFFFF),
            app.engine.active_mask,
            self._access_bits(),
            app.guard.failures,
            0 if app.seal_key is None else app.seal_key.index,
        )

    def _access_bits(self) -> int:
        """Return the layout.ACCESS_IS_* bits."""
        app = self._app
        bits = 0
        if app.guard.lock.is_claimed:
            bits |= layout.ACCESS_IS_CLAIMED
        if app.guard.lock.is_locked:
            bits |= layout.ACCESS_IS_LOCKED
        if app.audit.is_acknowledged:
            bits |= layout.ACCESS_IS_ACKNOWLEDGED
        return bits

    def state_bits(self, clock_state: int) -> int:
        """Return the layout.STATUS_* bits. Allocates nothing."""
        app = self._app
        bits = 0
        if app.is_recording:
            bits |= layout.STATUS_RECORDING
        if app.engine.is_active(layout.SEVERITY_HOLD):
            bits |= layout.STATUS_EXCURSION
        if app.engine.is_active(layout.SEVERITY_WARN):
            bits |= layout.STATUS_WARNING
        if app.has_held:
            bits |= layout.STATUS_HELD
        if app.keeper.has_fault or app.chips.has_fault:
            bits |= layout.STATUS_FAULT
        if clock_state != layout.CLOCK_OK:
            bits |= layout.STATUS_CLOCK_UNSET
        if app.chips.supply_low:
            bits |= layout.STATUS_LOW_SUPPLY
        if app.keeper.is_full or app.logbook.is_full:
            bits |= layout.STATUS_MEMORY_FULL
        return bits

    def set_time(self, utc_s: int, utc_ms: int, error_ms: int) -> tuple:
        """Record the host's time and have the clock chip set at its next whole second.

        ValueError when the chip cannot hold that time.
        """
        if utc_s + 1 >= ds3231.END_UTC_S:
            raise ValueError("the clock of this board ends with 2053")
        app = self._app
        before_utc_s, before_state = app.chips.read_clock()
        if app.logbook.is_open:
            app.stamp()
            app.logbook.emit(
                layout.KIND_CLOCK_SYNC, (utc_s, utc_ms, error_ms, before_utc_s, before_state)
            )
            app.logbook.commit()
        app.set_clock_in(utc_s + 1, 1000 - utc_ms)
        return before_utc_s, before_state

    def mark(self, custody: bytes) -> None:
        """Record a custody event; ValueError when the body is none or the run has ended."""
        if not self._app.logbook.is_open:
            raise ValueError("no run is open: its log has ended")
        try:
            events.read_custody(custody)
        except BlockError as error:
            raise ValueError(str(error)) from None
        app = self._app
        app.stamp()
        app.logbook.record_custody(custody)

    def handoff(self, body: bytes) -> "tuple | None":
        """Record a handoff and return HANDOFF_REPLY's values; None when its chain is not ours.

        ValueError when the body is none or the run has ended.
        """
        app = self._app
        logbook = app.logbook
        if not logbook.is_open:
            raise ValueError("no run is open: its log has ended")
        try:
            _, _, _, blocks, chain, _, _, _ = events.read_handoff(body)
        except BlockError as error:
            raise ValueError(str(error)) from None
        if not logbook.has_chain(blocks, chain):
            return None
        uptime_s, uptime_ms = app.now()
        logbook.at(uptime_s, uptime_ms)
        logbook.record(layout.KIND_HANDOFF, body)
        recorder = logbook.recorder
        head = (recorder.run, recorder.next_event - 1, uptime_s, uptime_ms)
        logbook.commit()
        tag = proof.receipt_tag(
            self._keys[layout.KEY_RECEIPT],
            app.board.device_id,
            logbook.log_id(),
            struct.pack(_HANDOFF_HEAD, *head),
            body,
        )
        return head + (tag,)

    def radio(self, state: int, minutes: int) -> None:
        """Switch the radio; off, once the answer is on its way."""
        self._app.switch_radio(state, minutes)

    def stop(self) -> None:
        """End the run once the answer is on its way."""
        self.stopped_by = self._app.guard.speaker
        self._app.end_requested = True

    def acknowledge(self, body: bytes) -> None:
        """Record that a person has seen what was raised; ValueError as `mark`."""
        app = self._app
        if not app.logbook.is_open:
            raise ValueError("no run is open: its log has ended")
        try:
            events.read_texts_body(layout.KIND_ACKNOWLEDGE, body)
        except BlockError as error:
            raise ValueError(str(error)) from None
        app.stamp()
        app.logbook.record(layout.KIND_ACKNOWLEDGE, body)
        app.logbook.commit()
        app.audit.acknowledge()

    # --- keys, lock and signatures ------------------------------------------------------------

    def secret(self, key: int) -> bytes:
        """Return a derived key; empty when this board has none."""
        return self._keys[key]

    def ticks_ms(self) -> int:
        """Return the board's count of milliseconds."""
        return self._app.board.ticks_ms()

    def uptime_s(self) -> int:
        """Return for how many seconds the board has been up."""
        return self._app.now()[0]

    def clock(self) -> tuple:
        """Return what the clock says: (UTC, state)."""
        return self._app.chips.read_clock()

    def log_id(self) -> bytes:
        """Return the id of the open run; empty when there is none."""
        logbook = self._app.logbook
        return logbook.log_id() if logbook.is_open else b""

    def note_access(self, visitor: "Visitor", result: int, failures: int) -> None:
        """Record an attempt to prove oneself, or its success."""
        self._app.audit.note_access(visitor, result, failures)

    def note_claimed(self) -> None:
        """Lock the board that an admin has just claimed, if the profile asks for it."""
        if self._app.config.access.lock:
            self.lock_as_profile_says()

    def set_lock(self, *, locked: bool) -> None:
        """Lock the board or open it; OSError when that cannot be kept."""
        self._app.guard.lock.set(locked=locked)
        self._note_lock(self._lock_state(), _LOCK_BY_HOST)

    def lock_as_profile_says(self) -> None:
        """Lock a claimed board whose profile asks for it; a file system that is full does not."""
        lock = self._app.guard.lock
        if not lock.is_claimed or lock.is_locked:
            return
        try:
            lock.set(locked=True)
        except OSError:
            return
        self._note_lock(self._lock_state(), _LOCK_BY_PROFILE)

    def seed(self, secret: bytes) -> None:
        """Make another device key, for the next boot on; until then this board has none.

        Refused without a key; OSError when another cannot be stored: the old one stays then.
        """
        from dewarlog_firmware.device_key import KEY_PATH, load_device_key, seed_device_key

        app = self._app
        path = self._key_path or KEY_PATH
        device_key = b""
        if self._keys[layout.KEY_RECEIPT]:  # else it is missing or damaged, and stays so
            device_key = load_device_key(path, os.urandom)
        if not device_key:
            raise Refused(layout.ERROR_NOT_ALLOWED, "this board could not store a device key")
        lock = app.guard.lock
        was_claimed = lock.is_claimed
        try:
            # Unclaimed before the key is another: a board that is claimed by a key which nobody
            # has could not be locked or claimed.
            seed_device_key(path, device_key, secret, lock.unclaim)
        except (OSError, MemoryError):
            if was_claimed:
                lock.claim()
            raise
        for key in self._keys:
            self._keys[key] = b""
        self._note_lock(_LOCK_NEW_KEYS, _LOCK_BY_HOST)

    def _lock_state(self) -> int:
        return _LOCK_LOCKED if self._app.guard.lock.is_locked else _LOCK_OPEN

    def _note_lock(self, state: int, cause: int) -> None:
        self._app.audit.note(layout.KIND_LOCK, (state, cause))

    def seal_key(self) -> "tuple | None":
        """Return (index, state) of the sealing key; None when there is none."""
        key = self._app.seal_key
        return key.given() if key is not None and key.index else None

    def sign(self, visitor: "Visitor", run: int, nonce: bytes) -> None:
        """Begin to sign the head of a run. KeyError for no such run, ValueError: not now."""
        self._app.signing.sign(visitor, run, nonce)

    def public(self, visitor: "Visitor") -> None:
        """Begin to work out the public key. ValueError: not now."""
        self._app.signing.public(visitor)

    def signed(self, visitor: "Visitor") -> "tuple | None":
        """Return the reply to this host's SIGN or PUBLIC, once; None while it is worked on."""
        return self._app.signing.signed(visitor)
