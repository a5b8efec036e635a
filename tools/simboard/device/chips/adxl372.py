"""ADXL372 +-200 g accelerometer at its registers.

Analog Devices, ADXL372 data sheet rev. C: register map table 15, interrupts "Interrupt pins",
modes "Operating modes". Samples are numbered from the start of measurement and worked out only
when somebody reads them or when a disturbance makes them matter, so a quiet day costs nothing.

Settings other than the interrupt maps take effect when measurement begins: the data sheet asks
for standby while they change.
"""

from simboard.device.chips.adxl372_detect import (
    ACTIVITY,
    FAR,
    INACTIVITY,
    Detector,
    Threshold,
)
from simboard.device.chips.adxl372_fifo import TRIGGERED, Fifo
from simboard.device.clock import Event
from simboard.device.waveform import COUNTS_PER_G, Input

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from simboard.device.clock import Clock
    from simboard.device.gpio import Line
    from simboard.device.motion import Motion

_STATUS = 0x04
_STATUS2 = 0x05
_FIFO_ENTRIES2 = 0x06
_FIFO_ENTRIES = 0x07
_XDATA_H = 0x08
_ZDATA_L = 0x0D
_MAXPEAK = 0x15
_MAXPEAK_END = 0x1A
_FIRST_WRITABLE = 0x20
_THRESH_ACT = 0x23
_TIME_ACT = 0x29
_THRESH_INACT = 0x2A
_TIME_INACT_H = 0x30
_HPF = 0x38
_FIFO_SAMPLES = 0x39
_FIFO_CTL = 0x3A
_INT1_MAP = 0x3B
_INT2_MAP = 0x3C
_TIMING = 0x3D
_MEASURE = 0x3E
_POWER_CTL = 0x3F
_SELF_TEST = 0x40
_RESET = 0x41
_FIFO_DATA = 0x42
_LAST = 0x67
_RESET_CODE = 0x52

_DATA_RDY = 0x01  # the same bits in STATUS and in the interrupt maps
_FIFO_RDY = 0x02
_FIFO_FULL = 0x04
_FIFO_OVR = 0x08
_MAP_INACT = 0x10
_MAP_ACT = 0x20
_AWAKE = 0x40
_MAP_LOW = 0x80
_NVM_BUSY = 0x20
_ERR_USER_REGS = 0x80
_INACT = 0x10  # in STATUS2
_ACT = 0x20
_ACT2 = 0x40
_FIFO_BITS = _FIFO_RDY | _FIFO_FULL | _FIFO_OVR

_STANDBY = 0
_WAKE_UP = 1
_INSTANT_ON = 2
_MEASURING = 3

_RATES_HZ = (400, 800, 1600, 3200, 6400)
_BANDWIDTHS_HZ = (200, 400, 800, 1600, 3200)
_WAKE_UP_US = (52000, 104000, 208000, 512000, 2048000, 4096000, 8192000, 24576000)
_HIGH_PASS_HZ = (30.48, 15.58, 7.88, 3.96)  # at 6400 Hz; proportional below
_SETTLE_US = (370000, 16000)  # by FILTER_SETTLE
_ACT_TIMER_US = 6600  # 3300 at 6400 Hz
_INACT_TIMER_US = 26000
_INSTANT_ON_G = (10.0, 30.0)
_BOOT_US = 500
# Self-test: begins 50 ms after ST, so that the first 50 ms of data can be the rest it is compared
# with, and lasts until ST_DONE. The force itself is in no table: the data sheet asks for more than
# 5 counts.
_PUSH_FROM_US = 50000
_PUSH_US = 300000
_PUSH_COUNTS = 16
_ST = 0x01
_ST_DONE = 0x02
_USER_ST = 0x04


class ADXL372:
    """The shock accelerometer on its SPI bus. `int1` and `int2` are its interrupt lines."""

    spi_phase = 0
    max_hz = 10000000

    def __init__(
        self,
        clock: "Clock",
        motion: "Motion",
        int1: "Line",
        seed: int,
        offset_g: tuple[float, ...] = (0.0, 0.0, 0.0),
        rate_ppm: float = 0,
        noise: float = 1,
        int2: "Line | None" = None,
        *,
        stuck: bool = False,
    ) -> None:
        self.registers = bytearray(_LAST + 1)
        self.powered = False
        self._clock = clock
        self._motion = motion
        self._lines = ((int1, _INT1_MAP), (int2, _INT2_MAP))
        self._seed = seed
        self._offset_g = offset_g
        self._rate_ppm = rate_ppm
        self._noise = noise  # a factor on the noise of the data sheet
        self._stuck = stuck  # the self-test's force moves nothing
        self._event = Event(self._on_event)
        self._command = -1
        self._address = 0
        self._mode = _STANDBY
        self._reset_registers()

    # --- power --------------------------------------------------------------------------------

    def power_on(self) -> None:
        """Start in standby with the reset values."""
        self.powered = True
        self._reset_registers()

    def power_off(self) -> None:
        """Lose everything."""
        self.powered = False
        self._clock.cancel(self._event)
        self._mode = _STANDBY

    def brown_out(self) -> None:
        """Drop below the reset threshold and come back: the processor may not even notice."""
        self.power_off()
        self.power_on()

    def _reset_registers(self) -> None:
        registers = self.registers
        for i in range(_LAST + 1):
            registers[i] = 0
        registers[0] = 0xAD
        registers[1] = 0x1D
        registers[2] = 0xFA
        registers[3] = 0x03
        registers[_FIFO_SAMPLES] = 0x80
        self._untouched = True
        self._pushes = []  # (first, last moment) of each self-test's force since the reset
        self._push_us = -1  # when the self-test going on, or the last one, began
        self._reset_us = self._clock.now
        self._view = None
        self._detector = None
        self._fifo = Fifo(0, 0, 0x80)
        self._stop()

    # --- SPI ----------------------------------------------------------------------------------

    def select(self, level: int) -> None:
        """CS went to `level`."""
        self._command = -1

    def exchange(self, out: bytes | None, into: bytearray | None, fill: int) -> None:
        """Move the bytes of one transfer while CS is low."""
        count = len(into) if out is None else len(out)
        start = 0
        if into is not None:
            for i in range(count):
                into[i] = 0
        if not self.powered:
            return
        if self._command < 0:
            self._command = fill if out is None else out[0]
            self._address = self._command >> 1
            start = 1
        if start >= count:
            return
        if self._command & 1:
            if into is not None:
                self._read_burst(into, start, count)
        else:
            for i in range(start, count):
                self._write(self._address, fill if out is None else out[i])
                if self._address < _FIFO_DATA:
                    self._address += 1
        self._plan()

    def _read_burst(self, into: bytearray, start: int, count: int) -> None:
        self._catch_up()
        i = start
        while i < count:
            at = self._address
            if at == _FIFO_DATA:
                self._read_fifo(into, i, count - i)
                return
            into[i] = self._read(at)
            i += 1
            self._address = at + 1

    # --- registers ----------------------------------------------------------------------------

    def _read(self, at: int) -> int:
        registers = self.registers
        if at == _STATUS:
            value = self._status()
            self._status_seen |= self._raised  # those reported may fall once their cause is gone
            self._settle_interrupts()
            return value
        if at == _STATUS2:
            value = self._status2
            self._clear_status2()
            return value
        if at == _FIFO_ENTRIES2:
            return self._fifo.entries() >> 8 & 3
        if at == _FIFO_ENTRIES:
            return self._fifo.entries() & 0xFF
        if _XDATA_H <= at <= _ZDATA_L:
            self._data_ready = False
            return self._data_byte(at - _XDATA_H, self._newest())
        if _MAXPEAK <= at <= _MAXPEAK_END:
            value = self._data_byte(at - _MAXPEAK, self._max_peak)
            if at == _MAXPEAK_END:
                self._max_peak = (0, 0, 0)
            return value
        if at == _SELF_TEST:
            return self._self_test()
        return registers[at] if at <= _LAST else 0

    def _data_byte(self, place: int, values: "Sequence[int]") -> int:
        entry = values[place >> 1] << 4
        return entry & 0xF0 if place & 1 else entry >> 8 & 0xFF

    def _write(self, at: int, value: int) -> None:
        if at == _RESET:
            if value == _RESET_CODE:
                self._reset_registers()
            return
        if not _FIRST_WRITABLE <= at <= _SELF_TEST:
            return
        self._catch_up()
        self._untouched = False
        self.registers[at] = value
        if at == _POWER_CTL:
            self._change_mode(value & 3)
        elif at == _SELF_TEST:
            self.registers[_SELF_TEST] = value & _ST
            self._begin_self_test(value & _ST)
        elif at in (_INT1_MAP, _INT2_MAP):
            self._drive_lines()

    # --- self-test ----------------------------------------------------------------------------

    def _begin_self_test(self, on: int) -> None:
        """Push, if the chip measures and its low-pass activity filter is on ("Self Test")."""
        self._push_us = -1
        if on and self._mode == _MEASURING and not self.registers[_POWER_CTL] & 0x08:
            now = self._push_us = self._clock.now
            if not self._stuck:
                self._pushes.append((now + _PUSH_FROM_US, now + _PUSH_US))

    def _self_test(self) -> int:
        value = self.registers[_SELF_TEST]
        if self._push_us < 0 or self._clock.now < self._push_us + _PUSH_US:
            return value
        return value | _ST_DONE | (0 if self._stuck else _USER_ST)

    def _sample(self, k: int) -> tuple[int, int, int]:
        """Return x, y, z of sample `k`, the force of a self-test with it."""
        x, y, z = self._detector.sample(k)
        if self._pushes:
            at_us = self._view.time_us(k)
            for first_us, last_us in self._pushes:
                if first_us <= at_us < last_us:
                    z = min(2047, z + _PUSH_COUNTS)
        return x, y, z

    def _status(self) -> int:
        value = 0
        if self._untouched:
            value |= _ERR_USER_REGS
        if self._clock.now - self._reset_us < _BOOT_US:
            value |= _NVM_BUSY
        if self._awake():
            value |= _AWAKE
        fifo = self._fifo
        if fifo.overrun:
            value |= _FIFO_OVR
        if fifo.at_watermark():
            value |= _FIFO_FULL
        if fifo.ready():
            value |= _FIFO_RDY
        if self._data_ready:
            value |= _DATA_RDY
        return value

    def _awake(self) -> bool:
        if self._mode != _MEASURING:
            return False
        linked = self.registers[_MEASURE] >> 4 & 3
        if not linked or self.registers[_MEASURE] & 0x40:
            return True
        return self._moving

    def _clear_status2(self) -> None:
        """Reading STATUS2 clears activity and inactivity, but see "Interrupt pins"."""
        linked = self.registers[_MEASURE] >> 4 & 3
        keep = self._status2 & _ACT2
        if not linked:
            if not self.registers[_TIME_ACT]:
                keep |= self._status2 & _ACT
            if not self.registers[_TIME_INACT_H] and not self.registers[_TIME_INACT_H + 1]:
                keep |= self._status2 & _INACT
        if self._status2 != keep:
            self._status2 = keep
            self._planned = (-1, 0)
            self._release_trigger()
            self._drive_lines()

    # --- modes --------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Standby: no samples, no interrupts."""
        self._mode = _STANDBY
        self._status2 = 0
        self._raised = 0
        self._status_seen = 0
        self._data_ready = False
        self._moving = False
        self._k = 0
        self._planned = (-1, 0)
        self._max_peak = (0, 0, 0)
        self._impact_from = -1
        self._due_us = -1
        self._sleeps_again = False
        self._drive_lines()

    def _change_mode(self, mode: int) -> None:
        before = self._mode
        if mode == before:
            return
        self._stop()
        self._mode = mode
        now = self._clock.now
        if mode == _MEASURING:
            settle = _SETTLE_US[self.registers[_POWER_CTL] >> 4 & 1]
            self._measure(now + settle)
        elif mode == _WAKE_UP:
            self._due_us = self._next_wake_up(now)
        elif mode == _INSTANT_ON and before == _MEASURING:
            # From any other mode the threshold circuit is not ready and nothing wakes it.
            self._due_us = self._next_impact(now)

    def _measure(self, first_us: int) -> None:
        """Begin to number samples, the first at `first_us`."""
        r = self.registers
        self._mode = _MEASURING
        rate_hz = _RATES_HZ[min(4, r[_TIMING] >> 5)]
        bandwidth_hz = min(_BANDWIDTHS_HZ[min(4, r[_MEASURE] & 7)], rate_hz // 2)
        high_pass_hz = 0
        if not r[_POWER_CTL] & 0x04:
            high_pass_hz = _HIGH_PASS_HZ[r[_HPF] & 3] * rate_hz / 6400
        period_us = 1000000 / rate_hz * (1 - self._rate_ppm / 1000000)
        self._view = Input(
            first_us,
            period_us,
            bandwidth_hz,
            high_pass_hz,
            r[_MEASURE] & 0x08,
            self._offset_g,
            self._noise,
            self._seed,
        )
        timer = 2 if rate_hz == 6400 else 1
        act_us = r[_TIME_ACT] * _ACT_TIMER_US // timer
        inact_us = (r[_TIME_INACT_H] << 8 | r[_TIME_INACT_H + 1]) * _INACT_TIMER_US // timer
        self._detector = Detector(
            self._view,
            self._motion,
            self._threshold(_THRESH_ACT),
            self._threshold(_THRESH_INACT),
            max(1, int(act_us / period_us + 0.5)),
            max(1, int(inact_us / period_us + 0.5)),
            not r[_POWER_CTL] & 0x08,
        )
        self._fifo = Fifo(
            r[_FIFO_CTL] >> 1 & 3,
            r[_FIFO_CTL] >> 3 & 7,
            (r[_FIFO_CTL] & 1) << 8 | r[_FIFO_SAMPLES],
        )
        self._k = 0
        self._planned = (-1, 0)

    def _threshold(self, at: int) -> "Threshold":
        r = self.registers
        limits = []
        for axis in range(3):
            low = r[at + 2 * axis + 1]
            counts = r[at + 2 * axis] << 3 | low >> 5
            limits.append(counts if low & 1 else -1)
        return Threshold(tuple(limits), bool(r[at + 1] & 2))

    def _next_wake_up(self, now: int) -> int:
        """Return when wake-up mode will see activity; -1 when never."""
        threshold = self._threshold(_THRESH_ACT)
        if not threshold.used:
            return -1
        step_us = _WAKE_UP_US[self.registers[_TIMING] >> 2 & 7]
        if threshold.referenced:
            threshold.reference = self._counts_at(now)
        moments = [(entry.start_us, entry.end_us) for entry in self._motion.disturbances]
        moments += [(edge, edge + step_us) for edge in self._motion.edges]
        moments.append((now, now + step_us))
        for start_us, end_us in sorted(moments):
            at = now + max(1, (start_us - now + step_us - 1) // step_us) * step_us
            while at <= end_us:
                if threshold.beyond(*self._counts_at(at)):
                    return at
                at += step_us
        return -1

    def _counts_at(self, us: int) -> tuple[int, ...]:
        counts = []
        for axis in range(3):
            counts.append(int((self._motion.at(us)[axis] + self._offset_g[axis]) * COUNTS_PER_G))
        return tuple(counts)

    def _next_impact(self, now: int) -> int:
        """Return when instant-on mode will see an impact; -1 when never."""
        limit_g = _INSTANT_ON_G[self.registers[_POWER_CTL] >> 5 & 1]
        for disturbance in self._motion.disturbances:
            if disturbance.end_us > now:
                at = max(now, disturbance.start_us)
                while at <= disturbance.end_us:
                    for g in self._motion.at(at):
                        if abs(g) > limit_g:
                            return at
                    at += 100
        return -1

    # --- catching up --------------------------------------------------------------------------

    def _taken(self) -> int:
        """Return how many samples have been taken by now."""
        view = self._view
        since = self._clock.now - view.first_us
        if since < 0:
            return 0
        k = int(since / view.period_us) + 1
        # Events are due at whole microseconds: one at a sample's time must find it taken.
        if view.time_us(k) <= self._clock.now:
            k += 1
        return k

    def _catch_up(self) -> None:
        """Let everything happen that has happened since the last look."""
        if self._mode in (_WAKE_UP, _INSTANT_ON) and 0 <= self._due_us <= self._clock.now:
            self._wake()
        if self._mode != _MEASURING:
            return
        taken = self._taken()
        if taken <= self._k:
            return
        self._data_ready = True
        while self._mode == _MEASURING and self._k < taken:
            k, kind = self._detector.find(
                self._k, taken, self._looks(ACTIVITY), self._looks(INACTIVITY)
            )
            if kind:
                self._fifo.fill(k + 1)
                self._k = k + 1
                self._happen(k, kind)
            else:
                self._k = k
        if self._mode == _MEASURING:
            self._fifo.fill(self._k)
            self._settle_interrupts()

    def _wake(self) -> None:
        """Leave wake-up or instant-on mode for measurement, as the chip does by itself."""
        autosleep = self._mode == _WAKE_UP and self.registers[_MEASURE] & 0x40
        self.registers[_POWER_CTL] |= 3
        self._stop()
        self._measure(self._clock.now)
        self._sleeps_again = bool(autosleep)
        self._moving = True

    def _looks(self, kind: int) -> bool:
        """Tell whether the chip looks for `kind` just now."""
        linked = self.registers[_MEASURE] >> 4 & 3
        if self.registers[_MEASURE] & 0x40:
            linked = 2
        if kind == ACTIVITY:
            if not self._detector.activity.used or (self._status2 & _ACT and linked != 2):
                return False
            return not linked or (not self._moving and (linked == 2 or not self._status2 & _INACT))
        if not self._detector.inactivity.used or (self._status2 & _INACT and linked != 2):
            return False
        return not linked or (self._moving and (linked == 2 or not self._status2 & _ACT))

    def _happen(self, k: int, kind: int) -> None:
        self._planned = (-1, 0)
        self._detector.activity_run = 0
        self._detector.inactivity_run = 0
        loops = self.registers[_MEASURE] >> 4 & 3 >= 2 or self.registers[_MEASURE] & 0x40
        if kind == ACTIVITY:
            self._moving = True
            self._status2 |= _ACT
            if loops:
                self._status2 &= ~_INACT
            self._impact_from = k
            if self._fifo.mode == TRIGGERED and self._fifo.trigger < 0:
                self._fifo.trigger = k
        else:
            self._moving = False
            self._status2 |= _INACT
            if loops:
                self._status2 &= ~_ACT
            self._end_impact(k)
            if self._sleeps_again:
                self.registers[_POWER_CTL] = self.registers[_POWER_CTL] & ~3 | _WAKE_UP
                self._stop()
                self._mode = _WAKE_UP
                self._due_us = self._next_wake_up(self._clock.now)
                return
        self._settle_interrupts()

    def _end_impact(self, k: int) -> None:
        """Note the peak between activity and inactivity, when the FIFO is in peak mode."""
        if self._impact_from < 0 or not self._fifo.keeps_peaks:
            return
        best = (0, 0, 0)
        for i in range(self._impact_from, k + 1):
            x, y, z = self._detector.sample(i)
            if x * x + y * y + z * z > best[0] * best[0] + best[1] * best[1] + best[2] * best[2]:
                best = (x, y, z)
        self._impact_from = -1
        self._fifo.add_peak(best)
        kept = self._max_peak
        if (
            best[0] * best[0] + best[1] * best[1] + best[2] * best[2]
            > kept[0] * kept[0] + kept[1] * kept[1] + kept[2] * kept[2]
        ):
            self._max_peak = best

    def _newest(self) -> tuple[int, int, int]:
        if self._mode != _MEASURING or not self._k:
            return (0, 0, 0)
        return self._sample(self._k - 1)

    def _read_fifo(self, into: bytearray, start: int, count: int) -> None:
        fifo = self._fifo
        if self._mode != _MEASURING and not fifo.entries():
            return
        fifo.pop_into(into, start, count, self._sample)
        if not fifo.entries():
            if self._status_seen & _FIFO_OVR:
                fifo.overrun = False
            self._release_trigger()
        self._settle_interrupts()

    def _release_trigger(self) -> None:
        """Triggered mode starts over once activity is cleared and all entries are read."""
        fifo = self._fifo
        done = not fifo.entries() and not self._status2 & _ACT
        if fifo.mode == TRIGGERED and fifo.trigger >= 0 and done:
            fifo.restart(self._k)

    # --- interrupts ---------------------------------------------------------------------------

    def _settle_interrupts(self) -> None:
        """Work out which interrupts stand.

        FIFO interrupts fall when their cause is gone and STATUS has been read since they rose.
        """
        fifo = self._fifo
        causes = self._status() & (_FIFO_BITS | _DATA_RDY | _AWAKE)
        if fifo.overrun and not fifo.entries() and self._status_seen & _FIFO_OVR:
            fifo.overrun = False
            causes &= ~_FIFO_OVR
        stale = self._raised & ~causes & _FIFO_BITS
        held = stale & ~self._status_seen
        raised = causes | held
        self._status_seen &= raised
        self._raised = raised
        self._drive_lines()

    def _drive_lines(self) -> None:
        state = self._raised & ~(_MAP_ACT | _MAP_INACT) if self._mode == _MEASURING else 0
        if self._status2 & _ACT:
            state |= _MAP_ACT
        if self._status2 & _INACT:
            state |= _MAP_INACT
        for line, at in self._lines:
            if line is not None:
                mapped = self.registers[at]
                if mapped & 0x7F:
                    active = 1 if state & mapped & 0x7F else 0
                    line.set_level(active ^ 1 if mapped & _MAP_LOW else active)

    def _plan(self) -> None:
        """Put the next moment at which a pin may change on the clock."""
        due_us = self._due_us if self._mode in (_WAKE_UP, _INSTANT_ON) else -1
        if self._mode == _MEASURING:
            due_us = self._next_change_us()
        if due_us >= 0:
            self._clock.at(self._event, max(self._clock.now, int(due_us) + 1))
        else:
            self._clock.cancel(self._event)

    def _next_change_us(self) -> float:
        mapped = 0
        for line, at in self._lines:
            if line is not None:
                mapped |= self.registers[at] & 0x7F
        if not mapped:
            return -1
        k = FAR
        if mapped & (_DATA_RDY | _FIFO_RDY) and not (
            self._raised & mapped & (_DATA_RDY | _FIFO_RDY)
        ):
            k = self._k
        if mapped & _FIFO_FULL and not self._raised & _FIFO_FULL:
            at = self._fifo.full_at()
            if at >= self._k:
                k = min(k, at)
        waits = self._fifo.mode == TRIGGERED and self._fifo.trigger < 0
        if mapped & _FIFO_OVR and not self._raised & _FIFO_OVR and self._fifo.mode and not waits:
            k = min(k, max(self._k, self._fifo.first + self._fifo.capacity))
        if mapped & (_MAP_ACT | _MAP_INACT | _AWAKE) or self._fifo.mode == TRIGGERED:
            k = min(k, self._next_event())
        return self._view.time_us(k) if k < FAR else -1

    def _next_event(self) -> int:
        """Return the sample of the next activity or inactivity, or where to look again."""
        look_activity = self._looks(ACTIVITY)
        look_inactivity = self._looks(INACTIVITY)
        if not (look_activity or look_inactivity):
            return FAR
        if self._planned[0] <= self._k:
            detector = self._detector
            runs = (detector.activity_run, detector.inactivity_run)
            self._planned = detector.find(self._k, FAR, look_activity, look_inactivity)
            detector.activity_run, detector.inactivity_run = runs
        return self._planned[0]

    def _on_event(self) -> None:
        self._catch_up()
        self._plan()
