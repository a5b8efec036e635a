"""The interrupt side of the accelerometer: drain its FIFO without losing what it still held.

Place in the line: takes the ADXL372 driver, fills `ring`; the main loop empties it with `take`.

    WATCHING   INT1 tells activity. The FIFO runs over all the time and so always holds the newest
               53 ms (3200 Hz). On activity: drain it, pre-trigger and all  -> CAPTURING
    CAPTURING  INT1 tells the watermark; each interrupt drains the FIFO.
               `rearm`, when the main loop finds the shock over and the chip has been quiet, too
                                                                            -> WATCHING

Every slot has the same number of sets, `burst_sets`; what does not fill one stays in the FIFO for
the next drain, which also keeps the one set there that the chip demands. A full ring leaves the
samples in the FIFO too; `service` fetches them once slots are free again.

What can be lost, and how it is told (`flags`, `gap_us` of the first slot after the hole):
    GAP    interrupts were off, or the ring full, for longer than the FIFO lasts, in a capture.
           gap_us = time since the last drain less the samples that came since; right to one
           sample and to the accuracy of the chip's clock over those samples. A FIFO found just
           full is told too, for it may have run over: FIFO_OVR does not fall while it is used.
    LATE   activity came while the main loop held interrupts off (between `stall_begins` and
           `stall_ends`). gap_us is the most that can be missing before this capture. A capture
           that begins below the trigger and then crosses it has lost nothing; one that never
           crosses it has lost the shock.

Interrupt code: `_on_interrupt`, `_drain` and all they call. It allocates nothing.
"""

from micropython import const

from dewarlog_firmware.ring import TICKS_MASK, Ring, get_u32, put_u32
from dewarlog_firmware.sensors.adxl372 import FIFO_SETS, FifoDecoder
from dewarlog_firmware.sizes import LARGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, MutableSequence

    from dewarlog_firmware.sampler import Line
    from dewarlog_firmware.sensors.adxl372 import ADXL372

FLAG_BEGIN = const(1)  # first slot of a capture
FLAG_GAP = const(2)  # gap_us are missing before this slot
FLAG_LATE = const(4)  # at most gap_us are missing before this slot
FLAG_AWAKE = const(8)  # the chip had not been below the trigger for quiet_ms at this drain
FLAG_UPSET = const(16)  # the chip had found its settings corrupted
FLAG_FULL = const(32)  # of a GAP: the ring had no room, the main loop stayed away

# A slot: ticks_us of the drain, gap_us, sets still newer in the FIFO, flags, then one burst.
_TICKS_US = const(0)
_GAP_US = const(4)
_BEHIND = const(8)
_FLAGS = const(9)
_BURST = const(10)

# Sensor states for EVENT_SENSOR: indices into layout.SENSOR_STATE_NAMES.
SENSOR_OK = 0
SENSOR_SILENT = 1
SENSOR_WRONG_IDENTITY = 2
SENSOR_FAULT = 3


class ShockSampler:
    """Captures shocks. After `take`, the attributes tell about the slot it decoded."""

    def __init__(
        self,
        chip: "ADXL372",
        line: "Line",
        ticks_us: "Callable[[], int]",
        slot_count: int = LARGE.shock_slots,
    ) -> None:
        """A slot of 16 sets bridges 5 ms of main loop at 3200 Hz; the FIFO has 53 ms itself."""
        self.ring = Ring(_BURST + chip.burst_bytes, slot_count)
        self.flags = 0  # FLAG_* of the slot taken last
        self.gap_us = 0  # what is missing before its first sample
        self.first_us = 0  # ticks_us of its first sample, modulo 2**30
        self._bursts = tuple([view[_BURST:] for view in self.ring.views])
        self._chip = chip
        self._line = line
        self._ticks_us = ticks_us
        self._decoder = FifoDecoder()
        self._handler = self._on_interrupt  # bound once: binding allocates
        self._sets = chip.burst_sets
        self._rate_hz = chip.rate_hz
        self._fifo_us = 0
        self.is_away = True  # stopped: the chip is looked at by nobody, or by another
        self._watching = True
        self._busy = False  # the main loop is talking to the chip
        self._again = False  # an interrupt came meanwhile
        self._was_high = False
        self._stalled = False
        self._stall_us = 0
        self._drain_us = 0  # ticks_us of the last drain
        self._left = 0  # sets it left behind
        self._new_flags = 0  # waits for the next slot
        self._new_gap_us = 0

    def start(self) -> None:
        """Watch for activity. The chip is configured. Main loop only."""
        self._rate_hz = self._chip.rate_hz
        self._fifo_us = FIFO_SETS * 1_000_000 // self._rate_hz
        self._drain_us = self._ticks_us() & TICKS_MASK  # what was before is no gap of the capture
        self._left = 0
        self._line.watch(self._handler)
        self.is_away = False
        self._watching = False
        self._new_flags = FLAG_BEGIN
        self._new_gap_us = 0
        if not self.rearm():  # in the midst of a shock already
            self._busy = True
            self._chip.map_watermark()
            self._give_back()

    def stop(self) -> None:
        """Watch no more. Main loop only."""
        self._line.watch(None)
        self.is_away = True
        self._watching = True

    def capturing(self) -> bool:
        """Say whether a capture is going on: slots come until `rearm` succeeds."""
        return not self._watching

    def has_news(self) -> bool:
        """Say whether the main loop has something to do here. Allocates nothing."""
        return self.ring.peek() >= 0 or (not self._was_high and self._line.level() != 0)

    def rest_begins(self) -> bool:
        """Say whether INT1 is high though `service` was just called; the main loop is to rest.

        Such a line, that of a broken chip perhaps, is no news until it has fallen.
        """
        self._was_high = self._line.level() != 0
        return self._was_high

    def bridged_ms(self, pre_trigger: int) -> int:
        """Return how long the chip keeps a shock and `pre_trigger` samples before it."""
        return (FIFO_SETS - pre_trigger) * 1000 // self._rate_hz

    def ring_us(self) -> int:
        """Return for how long the ring takes samples while the main loop takes none of them."""
        return self.ring.slot_count * self._sets * 1_000_000 // self._rate_hz

    def rearm(self) -> bool:
        """End the capture and watch for the next activity; say whether that is so now.

        False: the chip has not been quiet for its `quiet_ms` yet, and only then does it look for
        activity again; the capture goes on, call again after the next slot. Slots committed
        before stay in the ring. Main loop only.
        """
        self._busy = True
        self._chip.read_status()
        # Active: it came between the two bytes of the status just read.
        if not (self._chip.awake() or self._chip.active()):
            self._new_flags = 0
            self._new_gap_us = 0
            self._watching = True
            self._chip.map_activity()
            # New activity leaves INT1 high without an edge: it was high for the watermark.
            if self._line.level():
                self._again = True
        self._give_back()
        return self._watching

    def service(self) -> None:
        """Fetch what no interrupt will: call in every pass of the main loop. Main loop only.

        INT1 stays high, without a new edge, when a drain found the ring full, or when the
        scheduler of a port without hard interrupts lost the call.
        """
        if self._line.level():
            self._busy = True
            self._drain()
            self._give_back()

    def stall_begins(self) -> None:
        """Say that interrupts may be off from now on (a flash operation). Main loop only."""
        self._stall_us = self._ticks_us() & TICKS_MASK
        self._stalled = True

    def stall_ends(self) -> None:
        """Say that interrupts are on again. Main loop only."""
        self._stalled = False

    def take(self, counts: "MutableSequence[int]", at: int) -> int:
        """Decode the oldest slot into `counts` from index `at`; return its sets, 0 when none.

        x, y, z follow each other, in counts of 100 mg: at most 3 x burst_sets values.
        Main loop only; allocates nothing.
        """
        index = self.ring.peek()
        if index < 0:
            return 0
        view = self.ring.views[index]
        self.flags = view[_FLAGS]
        self.gap_us = get_u32(view, _GAP_US)
        if self.flags & (FLAG_BEGIN | FLAG_GAP):
            self._decoder.reset()
        sets = self._decoder.decode(self._bursts[index], counts, at)
        after = view[_BEHIND] + sets - 1
        self.first_us = (
            get_u32(view, _TICKS_US) - after * 1_000_000 // self._rate_hz
        ) & TICKS_MASK
        self.ring.release()
        return sets

    def check(self) -> int:
        """Say how the chip is: SENSOR_*. Main loop only; about 0.2 ms, so not in every pass."""
        self._busy = True
        if self._chip.identified():
            state = SENSOR_OK if self._chip.settings_kept() else SENSOR_FAULT
        else:
            state = SENSOR_WRONG_IDENTITY if self._chip.answered() else SENSOR_SILENT
        self._give_back()
        return state

    def _on_interrupt(self, _pin: object) -> None:
        if self._busy:
            self._again = True
        else:
            self._drain()

    def _give_back(self) -> None:
        """Let interrupts at the chip again, after serving what they asked for meanwhile."""
        while True:
            self._busy = False
            if not self._again:
                return
            self._busy = True
            self._again = False
            self._drain()

    def _drain(self) -> None:
        self._drain_once()
        # What came while the FIFO was read may have reached the watermark again: no edge then.
        if not self._watching and self._line.level():
            self._drain_once()

    def _drain_once(self) -> None:
        now_us = self._ticks_us() & TICKS_MASK
        chip = self._chip
        chip.read_status()
        sets = chip.fifo_sets()
        if self._watching:
            if not chip.active():
                return  # an edge of the capture before, or a disturbance on the line
            self._watching = False
            chip.map_watermark()
            self._begin(now_us)
        elif sets >= FIFO_SETS and chip.overrun():
            self._note_gap(now_us, sets)
        if chip.awake():
            self._new_flags |= FLAG_AWAKE
        if chip.upset():
            self._new_flags |= FLAG_UPSET
        while sets > self._sets and not self.ring.full():
            sets -= self._sets
            self._read_slot(now_us, sets)
        chip.release_interrupt()
        self._left = sets
        self._drain_us = now_us

    def _begin(self, now_us: int) -> None:
        self._new_flags |= FLAG_BEGIN
        if self._stalled:
            hidden_us = ((now_us - self._stall_us) & TICKS_MASK) - self._fifo_us
            if hidden_us > 0:
                self._new_flags |= FLAG_LATE
                self._new_gap_us = hidden_us

    def _note_gap(self, now_us: int, sets: int) -> None:
        """Work out how much time the samples of a FIFO that ran over lack since the last drain."""
        self._new_flags |= FLAG_GAP
        if self._left > self._sets:  # a burst that found no room
            self._new_flags |= FLAG_FULL
        came_us = (sets - self._left) * 1_000_000 // self._rate_hz
        missing_us = ((now_us - self._drain_us) & TICKS_MASK) - came_us
        if missing_us > 0:
            room_us = TICKS_MASK - self._new_gap_us
            self._new_gap_us += missing_us if missing_us < room_us else room_us

    def _read_slot(self, now_us: int, behind: int) -> None:
        index = self.ring.slot()
        view = self.ring.views[index]
        put_u32(view, _TICKS_US, now_us)
        put_u32(view, _GAP_US, self._new_gap_us)
        view[_BEHIND] = behind
        view[_FLAGS] = self._new_flags
        self._chip.read_fifo(self._bursts[index])
        self.ring.commit()
        self._new_flags = 0
        self._new_gap_us = 0
