"""Excursions: each rule on each of its channels, judged sample by sample in integers.

Takes the reading codes of every sample from logbook, gives EXCURSION events to a sink. Pure. The
host recomputes every excursion from the log with code of its own, from the same text:
protocol/SPEC.md "Excursions". One state machine for each rule and channel:

    state     sample               does                                                   becomes
    IDLE      beyond               onset, stay = 0, extreme = value; then the dwell test  PENDING
    PENDING   beyond               stay and total grow by dt; extreme; dwell test         PENDING
    PENDING   not beyond           -                                                      IDLE
    dwell     stay (single) or     EXCURSION_BEGIN                                        ACTIVE
    test      total (cumulative)
              reached dwell_s
    ACTIVE    back                 EXCURSION_EXTREME, EXCURSION_END                       IDLE
    ACTIVE    beyond               extreme; stay and total grow by dt if the sample       ACTIVE
                                   judged before was beyond too
    ACTIVE    between              -                                                      ACTIVE

dt is the time since the sample judged before: 0 for the first one and across a state code, a gap
or a boot. A state code freezes the machines of its channel for that sample. So does, for a rate
rule, a history that does not reach back far enough yet (rate_history); the time of the sample
judged before is then neither cleared nor set. Beyond is strict; back is threshold less (below:
plus) hysteresis, or further.

Contract: main loop only. A sample without an event leaves nothing on the heap on 64-bit builds; on
32-bit ones a rate over a step of more than 298 K passes through a big integer.
"""

import struct

from micropython import const

from dewarlog_firmware.rate_history import HISTORY_MAX_BYTES, RateHistory
from dewarlog_wire.layout import (
    KIND_EXCURSION_BEGIN,
    KIND_EXCURSION_END,
    KIND_EXCURSION_EXTREME,
    MODE_CUMULATIVE,
    READING_MIN,
    RULE_BELOW,
    RULE_FALLING,
    SEVERITY_HOLD,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dewarlog_firmware.config import Rule

IDLE = 0
PENDING = 1
ACTIVE = 2

_STATE_VERSION = const(1)
# Flags (state in bits 0 and 1, was_beyond in 2, has_last in 3), onset, stay, total, extreme and
# its sample, time of the sample judged last.
_MACHINE_FORMAT = "<BIiHiHiIIH"
_MACHINE_BYTES = struct.calcsize(_MACHINE_FORMAT)
_WAS_BEYOND = const(4)
_HAS_LAST = const(8)
_HAS_BEGUN = const(16)


class _Machine:
    """One rule on one channel."""

    def __init__(self, rule: "Rule", channel: int, column: int) -> None:
        self.rule = rule
        self.channel = channel
        self.column = column
        self.history: "RateHistory | None" = None  # of a rate rule
        self.seeks_low = rule.kind == RULE_BELOW
        self.state = IDLE
        self.was_beyond = False
        self.has_begun = False  # was active at some time in this run
        self.onset = 0
        self.stay_s = 0
        self.stay_ms = 0
        self.total_s = 0
        self.total_ms = 0
        self.extreme = 0
        self.extreme_sample = 0
        self.has_last = False
        self.last_s = 0
        self.last_ms = 0

    def judge(
        self, sample: int, t_s: int, t_ms: int, value: int, emit: "Callable[..., object] | None"
    ) -> None:
        """Take one value of the rule's own unit; see the table above."""
        rule = self.rule
        if self.seeks_low:
            beyond = value < rule.threshold
            back = value >= rule.threshold + rule.hysteresis
        else:
            beyond = value > rule.threshold
            back = value <= rule.threshold - rule.hysteresis
        dt_ms = 0
        if self.has_last:
            dt_ms = (t_s - self.last_s) * 1000 + t_ms - self.last_ms
        self.has_last = True
        self.last_s = t_s
        self.last_ms = t_ms

        if self.state == IDLE:
            if beyond:
                self.state = PENDING
                self.onset = sample
                self.stay_s = 0
                self.stay_ms = 0
                self.extreme = value
                self.extreme_sample = sample
                self._test_dwell(sample, value, emit)
        elif self.state == PENDING:
            if beyond:
                self._add(dt_ms)
                self._reach(sample, value)
                self._test_dwell(sample, value, emit)
            else:
                self.state = IDLE
        elif back:
            self.state = IDLE
            if emit is not None:
                self._emit_end(sample, emit)
        elif beyond:
            if self.was_beyond:
                self._add(dt_ms)
            self._reach(sample, value)
        self.was_beyond = beyond

    def _add(self, dt_ms: int) -> None:
        ms = self.stay_ms + dt_ms
        self.stay_s += ms // 1000
        self.stay_ms = ms % 1000
        ms = self.total_ms + dt_ms
        self.total_s += ms // 1000
        self.total_ms = ms % 1000

    def _reach(self, sample: int, value: int) -> None:
        if value < self.extreme if self.seeks_low else value > self.extreme:
            self.extreme = value
            self.extreme_sample = sample

    def _test_dwell(self, sample: int, value: int, emit: "Callable[..., object] | None") -> None:
        rule = self.rule
        counted_s = self.total_s if rule.mode == MODE_CUMULATIVE else self.stay_s
        if counted_s < rule.dwell_s:
            return
        self.state = ACTIVE
        self.has_begun = True
        if emit is not None:
            emit(
                KIND_EXCURSION_BEGIN,
                (rule.rule, self.channel, _clamped(value), self.onset, sample),
            )

    def _emit_end(self, sample: int, emit: "Callable[..., object]") -> None:
        number = self.rule.rule
        emit(
            KIND_EXCURSION_EXTREME,
            (number, self.channel, _clamped(self.extreme), self.onset, self.extreme_sample),
        )
        emit(
            KIND_EXCURSION_END,
            (number, self.channel, self.stay_ms, self.stay_s, self.onset, sample),
        )

    def pack_into(self, buffer: bytearray, offset: int) -> None:
        flags = self.state
        if self.was_beyond:
            flags |= _WAS_BEYOND
        if self.has_last:
            flags |= _HAS_LAST
        if self.has_begun:
            flags |= _HAS_BEGUN
        struct.pack_into(
            _MACHINE_FORMAT,
            buffer,
            offset,
            flags,
            self.onset,
            self.stay_s,
            self.stay_ms,
            self.total_s,
            self.total_ms,
            self.extreme,
            self.extreme_sample,
            self.last_s,
            self.last_ms,
        )

    def unpack_from(self, buffer: bytes, offset: int) -> None:
        (
            flags,
            self.onset,
            self.stay_s,
            self.stay_ms,
            self.total_s,
            self.total_ms,
            self.extreme,
            self.extreme_sample,
            self.last_s,
            self.last_ms,
        ) = struct.unpack_from(_MACHINE_FORMAT, buffer, offset)
        self.state = flags & 3
        self.was_beyond = flags & _WAS_BEYOND != 0
        self.has_last = flags & _HAS_LAST != 0
        self.has_begun = flags & _HAS_BEGUN != 0


class Engine:
    """All rules of one run.

    `rules`: config.Rule tuples. `columns`: (channel, index of its reading among the codes of a
    sample) of the fitted channels, profile.reading_columns. `emit(kind, values)` takes events;
    None, or `mute`, keeps them back while a journal is replayed.
    """

    def __init__(
        self,
        rules: "Sequence[Rule]",
        columns: "Sequence[tuple[int, int]]",
        emit: "Callable[[int, tuple], object] | None" = None,
    ) -> None:
        self.emit = emit
        self.mute = False
        self._machines = []
        self._histories = []
        for rule in rules:
            for channel, column in columns:
                if rule.channel_mask & 1 << channel:
                    machine = _Machine(rule, channel, column)
                    if rule.rate_window_s:
                        machine.history = self._history(rule.rate_window_s, channel, column)
                    self._machines.append(machine)

    def _history(self, window_s: int, channel: int, column: int) -> RateHistory:
        """Return the history for a window and channel; rules of the same window share it."""
        for history in self._histories:
            if history.window_ms == window_s * 1000 and history.channel == channel:
                return history
        history = RateHistory(window_s, channel, column)
        self._histories.append(history)
        return history

    def sample(self, number: int, t_s: int, t_ms: int, codes: "Sequence[int]") -> None:
        """Judge one sample taken at uptime t_s, t_ms. Events go to the sink, rule by rule."""
        emit = None if self.mute else self.emit
        for history in self._histories:
            x = codes[history.column]
            if x < READING_MIN:
                history.clear()
            else:
                history.take(t_s, t_ms, x)
        for machine in self._machines:
            value = codes[machine.column]
            if value < READING_MIN:
                machine.has_last = False
                continue
            history = machine.history
            if history is not None:
                if not history.has_rate:
                    continue
                value = -history.rate if machine.rule.kind == RULE_FALLING else history.rate
            machine.judge(number, t_s, t_ms, value, emit)

    def break_time(self) -> None:
        """Count no time from the last sample to the next: a gap or a boot lies between them."""
        for machine in self._machines:
            machine.has_last = False
        for history in self._histories:
            history.clear()

    @property
    def pending(self) -> bool:
        """Tell whether any rule is pending or active: sample at the fast interval."""
        for machine in self._machines:
            if machine.state != IDLE:
                return True
        return False

    @property
    def active_mask(self) -> int:
        """Return a mask of the rules (bit n: rule n) with an open excursion on any channel."""
        return self._mask(ACTIVE)

    @property
    def pending_mask(self) -> int:
        """Return a mask of the rules that are past their threshold, within their dwell."""
        return self._mask(PENDING)

    def _mask(self, state: int) -> int:
        mask = 0
        for machine in self._machines:
            if machine.state == state:
                mask |= 1 << machine.rule.rule
        return mask

    def is_active(self, severity: int) -> bool:
        """Tell whether a rule of that severity has an open excursion. Allocates nothing."""
        for machine in self._machines:
            if machine.state == ACTIVE and machine.rule.severity == severity:
                return True
        return False

    @property
    def has_held(self) -> bool:
        """Tell whether a rule that means HOLD was active at some time in this run."""
        for machine in self._machines:
            if machine.has_begun and machine.rule.severity == SEVERITY_HOLD:
                return True
        return False

    @property
    def state_max_bytes(self) -> int:
        """Return the most bytes `state_bytes` can ever give for these rules."""
        return 2 + len(self._machines) * _MACHINE_BYTES + len(self._histories) * HISTORY_MAX_BYTES

    def state_bytes(self) -> bytes:
        """Return everything an engine of the same rules needs to go on from here."""
        buffer = bytearray(self.state_max_bytes)
        buffer[0] = _STATE_VERSION
        buffer[1] = len(self._machines)
        offset = 2
        for machine in self._machines:
            machine.pack_into(buffer, offset)
            offset += _MACHINE_BYTES
        for history in self._histories:
            offset = history.pack_into(buffer, offset)
        return bytes(buffer[:offset])

    def restore(self, state: bytes) -> None:
        """Go on from `state_bytes` of an engine with the same rules.

        Raises ValueError when the state is of other rules; the engine is then as it was made.
        """
        machines = self._machines
        offset = 2 + len(machines) * _MACHINE_BYTES
        if len(state) < offset or state[0] != _STATE_VERSION or state[1] != len(machines):
            raise ValueError("excursion state of other rules")
        end = offset
        for _ in self._histories:
            end = RateHistory.end_of(state, end)
        if len(state) != end:
            raise ValueError("excursion state of other rules")
        for index in range(len(machines)):
            machines[index].unpack_from(state, 2 + index * _MACHINE_BYTES)
        for history in self._histories:
            offset = history.unpack_from(state, offset)


def _clamped(value: int) -> int:
    """Return a rule's value as the i16 of an event; only a rate can be larger."""
    return -32768 if value < -32768 else 32767 if value > 32767 else value
