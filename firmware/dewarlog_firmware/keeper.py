"""What one sample sets off: reading codes, rules, tilt, probe states, the journal and its seals.

Takes gathered conversions from sampler, gives samples and events to logbook; decides when a gap,
a new interval or a full block ends the open block. The main loop (app) owns the order of things
and the chips; this file owns what becomes of their answers.

Times: a sample's time is the tick of its last conversion. A GAP event stands where the gap was
noticed and its length reaches back from there to the sample before.
"""

from dewarlog_firmware.reading import ReadingBuilder
from dewarlog_firmware.recorder import LATENESS_MAX_MS
from dewarlog_wire import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from dewarlog_firmware.config import Config
    from dewarlog_firmware.excursion import Engine
    from dewarlog_firmware.logbook import Logbook
    from dewarlog_firmware.sampler import Sample

    class Chips(Protocol):
        """What keeper asks of the board around it."""

        def set_period_ms(self, period_ms: int) -> None:
            """Convert every `period_ms` from now on."""
            ...

        def now(self) -> "tuple[int, int]":
            """Return the uptime as (s, ms)."""
            ...

        def read_clock(self) -> "tuple[int, int]":
            """Return (utc_s, clock state)."""
            ...

        def read_supply(self) -> "tuple[int, int]":
            """Return (mV, 1 when low)."""
            ...

        def tilt_totals(self) -> tuple:
            """Return the values of a TILT event."""
            ...


# After a rule was last pending the fast interval is kept this long, so that a reading that hovers
# about a limit does not seal a small block at every crossing.
FAST_HOLD_S = 600
# Two readings of a millisecond counter differ by one whenever its edge falls between them.
TICK_RESOLUTION_MS = 1
# A rule that stays pending or active for days must not fill the memory the trip needs.
FAST_MAX_S = 21600
# A clock reading at least this often lets the host bound the clock between them.
CLOCK_PERIOD_S = 21600


class Keeper:
    """Keeps one run going, sample by sample. `config`: config.Config; `logbook` has a run open.

    `chips` reach what stands on the board; they are called from the main loop only.
    """

    def __init__(
        self, config: "Config", logbook: "Logbook", engine: "Engine", chips: "Chips"
    ) -> None:
        self._logbook = logbook
        self._recorder = logbook.recorder
        self._engine = engine
        self._chips = chips
        self._channels = config.channels
        self._conversions = config.sampling.conversions
        self._interval_ms = config.sampling.interval_ms
        self._fast_interval_ms = config.sampling.fast_interval_ms
        self._builder = ReadingBuilder(config.channels, config.sampling.gain, self._conversions)
        self._states = bytearray(len(config.channels))
        self._next_tick = -1
        self._last_s = -1  # uptime of the newest sample of this boot; -1: none yet
        self._last_ms = 0
        self._fast_until_s = -1
        self._fast_since_s = 0
        self._fast_spent = False
        self._clock_due_s = 0
        self.interval_ms = self._interval_ms
        self.codes = self._builder.codes
        self.raw = self._builder.raw  # (fault, voltage, cold junction) codes of each channel
        self.late_ms = 0  # of the newest sample
        self.is_full = False

    def start(self, uptime_s: int, uptime_ms: int) -> None:
        """Say how things stand at the start of a boot; sampling may begin after it."""
        self._logbook.at(uptime_s, uptime_ms)
        self._say_how_things_stand(uptime_s)
        self._logbook.commit()

    # --- samples ------------------------------------------------------------------------------

    def conversion(self, sample: "Sample", uptime_s: int, uptime_ms: int, gap_cause: int) -> None:
        """Take one tick's conversions (sampler.Sample); log a sample when it has all of its own.

        `gap_cause`: layout.GAP_* to blame should samples be missing before this one.
        """
        builder = self._builder
        if self._next_tick >= 0 and sample.tick_no != self._next_tick:
            builder.restart()  # a mean over a hole would belong to no time
        self._next_tick = (sample.tick_no + 1) & 0x3FFFFFFF
        for position in range(len(self._channels)):
            builder.add(
                position,
                sample.states[position],
                sample.faults[position],
                sample.voltage_raw[position],
                sample.cold_junction_raw[position],
            )
        if builder.complete():
            self._log_sample(builder.finish(), uptime_s, uptime_ms, gap_cause)
            builder.restart()

    def _log_sample(self, codes: list, uptime_s: int, uptime_ms: int, gap_cause: int) -> None:
        logbook = self._logbook
        recorder = self._recorder
        logbook.at(uptime_s, uptime_ms)
        lateness_ms = self._lateness_ms(uptime_s, uptime_ms)
        self.late_ms = lateness_ms
        missed = (lateness_ms + self.interval_ms // 2) // self.interval_ms
        if missed > 0 or lateness_ms > LATENESS_MAX_MS:
            self.gap(gap_cause, lateness_ms + self.interval_ms, missed)
        self._last_s = uptime_s
        self._last_ms = uptime_ms
        if not recorder.has_room():
            if not self.seal(uptime_s):
                return
            logbook.at(uptime_s, uptime_ms)
        if not recorder.count:
            recorder.begin_span(self.interval_ms, uptime_s, uptime_ms)
            lateness_ms = 0
        number = recorder.next_sample
        self._note_states(number)
        logbook.judge(lateness_ms, codes)
        recorder.sample(lateness_ms, codes)
        if recorder.wants_raw:
            for position in range(len(self._channels)):
                fault, voltage_raw, cold_raw = self._builder.raw[position]
                recorder.raw_set(self._channels[position].channel, fault, voltage_raw, cold_raw)
        self._choose_interval(uptime_s)
        if uptime_s >= self._clock_due_s:
            self._say_how_things_stand(uptime_s)

    def _lateness_ms(self, uptime_s: int, uptime_ms: int) -> int:
        """Return how late a sample is for its slot; after a seal, for the one before it."""
        if self._recorder.count:
            lateness_ms = self._recorder.lateness_of(uptime_s, uptime_ms)
        elif self._last_s >= 0:
            since_ms = (uptime_s - self._last_s) * 1000 + uptime_ms - self._last_ms
            lateness_ms = since_ms - self.interval_ms
        else:
            return 0
        return 0 if abs(lateness_ms) <= TICK_RESOLUTION_MS else lateness_ms

    def _note_states(self, number: int) -> None:
        for position in range(len(self._channels)):
            state = self._builder.states[position]
            before = self._states[position]
            if state != before:
                self._states[position] = state
                fault = self._builder.raw[position][0]
                self._logbook.emit(
                    layout.KIND_PROBE_STATE,
                    (self._channels[position].channel, state, before, fault, number),
                )

    @property
    def has_reading(self) -> bool:
        """Tell whether `codes` hold a sample of this boot."""
        return self._last_s >= 0

    @property
    def has_fault(self) -> bool:
        """Tell whether any fitted probe gives no temperature."""
        return any(self._states)

    def gap(self, cause: int, length_ms: int, missed: int) -> None:
        """Close the open block before a hole in the samples and record the hole."""
        self._engine.break_time()  # before the seal, which keeps the engine's state
        self._logbook.seal()
        self._logbook.emit(
            layout.KIND_GAP,
            (layout.STREAM_SAMPLES, cause, length_ms % 1000, length_ms // 1000, missed),
        )

    # --- interval -----------------------------------------------------------------------------

    def _choose_interval(self, uptime_s: int) -> None:
        """Sample faster while a rule is pending or active, and for FAST_HOLD_S after."""
        if not self._fast_interval_ms:
            return
        if not self._engine.pending:
            self._fast_spent = False
        elif not self._fast_spent:
            self._fast_until_s = uptime_s + FAST_HOLD_S
        is_fast = uptime_s < self._fast_until_s
        if is_fast and self.interval_ms == self._interval_ms:
            self._fast_since_s = uptime_s
        elif is_fast and uptime_s - self._fast_since_s >= FAST_MAX_S:
            self._fast_spent = True
        wanted_ms = self._fast_interval_ms if is_fast else self._interval_ms
        if wanted_ms != self.interval_ms:
            self.interval_ms = wanted_ms
            self._chips.set_period_ms(wanted_ms // self._conversions)
            self._logbook.seal()

    # --- seals --------------------------------------------------------------------------------

    def seal(self, uptime_s: int) -> bool:
        """Seal the open block and begin the next; False when memory is too full to go on."""
        self._logbook.seal()
        if not self._logbook.check_room():
            self.is_full = True
            return False
        self._say_how_things_stand(uptime_s)
        return True

    def _say_how_things_stand(self, uptime_s: int) -> None:
        """Record clock, supply and tilt: once a block, and every CLOCK_PERIOD_S."""
        self._clock_due_s = uptime_s + CLOCK_PERIOD_S
        logbook = self._logbook
        # Not the sample's time: its conversion began up to a second ago, a seal may lie between,
        # and the host takes the stamp for when the clock was read.
        logbook.at(*self._chips.now())
        logbook.emit(layout.KIND_CLOCK_READ, self._chips.read_clock())
        logbook.emit(layout.KIND_SUPPLY, self._chips.read_supply())
        logbook.emit(layout.KIND_TILT, self._chips.tilt_totals())
