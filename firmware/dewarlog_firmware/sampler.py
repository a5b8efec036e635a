"""The interrupt side of the thermocouples: one tick, one conversion of every probe, one slot.

Place in the line: takes the MAX31856 drivers, fills `ring`; the main loop empties it with `take`.
At each tick every converter starts at once; as each says that its conversion is done (DRDY falls)
its registers go into the tick's slot; the last one hands the slot over. What is still missing at
the next tick is read then as it stands, so that the reason for the silence is on record.

On rp2 tick and DRDY are hard interrupts; where the port has none (esp32, and timers of MicroPython
before 1.26) the scheduler runs the same code, later by as much as `ticks_ms` of the slot tells.
Two hard interrupts never interleave, nor do two scheduled ones, but a hard DRDY may come in the
midst of a scheduled tick: `_busy` keeps the bus for the tick. A DRDY that comes then belongs to a
conversion the tick has given up, so it is ignored, not postponed.

A handler that raises is dropped by the port: the main loop finds the silence (`revive`).

Interrupt code: `_on_tick`, `_Probe._on_ready` and all they call. It allocates nothing.
"""

from array import array

from micropython import const

from dewarlog_firmware.ring import TICKS_MASK, Ring, get_u32, put_u32
from dewarlog_firmware.sensors import max31856
from dewarlog_wire.layout import STATE_BROWN_OUT, STATE_SILENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from dewarlog_firmware.sensors.max31856 import MAX31856

    class Timer(Protocol):
        """A periodic interrupt; see board.PeriodicTimer."""

        hard: bool

        def start(self, period_ms: int, callback: "Callable[[object], None]") -> object:
            """Call `callback` every `period_ms` from now on."""

        def stop(self) -> object:
            """Call no more."""

    class Line(Protocol):
        """An interrupt input; see board.InterruptLine."""

        @property
        def level(self) -> "Callable[[], int]":
            """What tells the level, bound once."""
            ...

        def watch(self, handler: "Callable[[object], None] | None") -> object:
            """Call `handler` at every edge; with None, call nothing."""


# A slot: ticks_ms of the tick, number of the tick, bit mask of fresh probes, one image a probe.
_TICKS_MS = const(0)
_TICK_NO = const(4)
_FRESH = const(8)
_IMAGES = const(9)
_IMAGE_BYTES = max31856.IMAGE_BYTES
_LATE_MS = const(20)
# Beyond two periods and this much more no tick is merely late: no flash operation takes so long.
_SILENCE_MS = const(1000)
_LOOK = const(0x80)  # in _FRESH: a conversion out of rhythm, no sample
_LOOK_MS = const(50)  # a tick no nearer than this behind a look's longest conversion


class Sample:
    """What one tick brought, by position among the fitted probes. Made once, filled by `take`."""

    def __init__(self, probe_count: int) -> None:
        self.ticks_ms = 0  # of the tick, modulo 2**30
        self.tick_no = 0  # modulo 2**30; a jump is a tick that found the ring full
        self.is_look = False  # it was asked for out of rhythm, and is no sample of the log
        self.states = bytearray(probe_count)  # layout.STATE_*
        self.faults = bytearray(probe_count)  # fault status register, less what was provoked
        self.provoked = bytearray(probe_count)  # FAULT_CJ_HIGH where a test has raised it
        self.lost = bytearray(probe_count)  # settings registers that are not as written
        self.voltage_raw = array("i", [0] * probe_count)
        self.cold_junction_raw = array("h", [0] * probe_count)


class Sampler:
    """Ticks at the conversion period and gathers one slot a tick."""

    def __init__(
        self,
        probes: "Sequence[tuple[MAX31856, Line]]",
        timer: "Timer",
        ticks_ms: "Callable[[], int]",
        slot_count: int = 16,
    ) -> None:
        """`probes`: converter and DRDY line of each fitted probe, in order; at most four."""
        self.ring = Ring(_IMAGES + _IMAGE_BYTES * len(probes), slot_count)
        self.converters = tuple([converter for converter, _ in probes])
        self._timer = timer
        self._ticks_ms = ticks_ms
        self._probes = tuple(
            [
                _Probe(self, position, converter, line)
                for position, (converter, line) in enumerate(probes)
            ]
        )
        self._all = (1 << len(probes)) - 1
        self._tick = self._on_tick  # bound once: binding allocates
        self._tick_no = -1
        self._ticked_ms = 0
        self._period_ms = 0
        self._open = -1  # ring index of the slot being gathered
        self._fresh = 0
        self._busy = False
        self._look = 0
        self._began_ms = 0  # when the slot being gathered was opened
        self.is_running = False
        self.taken = 0  # slots that `take` moved, modulo 2**30
        # The longest conversion, and a little for a tick that comes late.
        self.period_min_ms = _LATE_MS + max(
            [converter.conversion_max_ms for converter, _ in probes]
        )

    def start(self, period_ms: int) -> None:
        """Take the first sample now and one every `period_ms` after. Converters are configured.

        Raises ValueError for a period below `period_min_ms`: no conversion would ever end.
        """
        self._check_period(period_ms)
        self.is_running = True
        self._watch(period_ms)
        self._on_tick(None)

    def stop(self) -> None:
        """Stop ticking and give up the sample being gathered, if any."""
        self._timer.stop()
        self.is_running = False
        for probe in self._probes:
            probe.line.watch(None)
        self._open = -1

    def set_period_ms(self, period_ms: int) -> None:
        """Tick every `period_ms` from now on; the next tick comes one new period from now.

        Raises ValueError as `start` does.
        """
        self._check_period(period_ms)
        self._period_ms = period_ms
        self._ticked_ms = self._ticks_ms() & TICKS_MASK
        self._timer.start(period_ms, self._tick)

    def revive(self) -> bool:
        """Start timer and lines anew if they have fallen silent; say whether they had. Main loop.

        A port drops a handler that ever raised, and with it every tick to come. The ticks that
        were missed are a gap in the times of the samples.
        """
        if (self._ticks_ms() - self._ticked_ms) & TICKS_MASK < 2 * self._period_ms + _SILENCE_MS:
            return False
        self._open = -1
        self._busy = False
        self._watch(self._period_ms)
        self._on_tick(None)
        return True

    # --- looks: main loop only ----------------------------------------------------------------

    def look(self) -> bool:
        """Convert once out of rhythm; `take` gives it with `is_look`. False: not now.

        Not while a slot is open or waits, nor so near to the next tick that it would end this one
        early: where samples come that often, look at them. Works without a run too.
        """
        if self._open >= 0 or self.ring.used():
            return False
        now_ms = self._ticks_ms() & TICKS_MASK
        if not self.is_running:
            for probe in self._probes:
                probe.line.watch(probe.ready)
        else:
            room_ms = self._period_ms - self.period_min_ms - _LOOK_MS
            if (now_ms - self._ticked_ms) & TICKS_MASK >= room_ms:
                return False
        self._busy = True
        self._look = _LOOK
        self._convert(now_ms)
        self._busy = False
        return True

    def hurry(self) -> bool:
        """Hand over, as it stands, what a converter that says nothing keeps open; False: not yet.

        Else it would stay open up to the next tick, or for ever without a run.
        """
        if self._open < 0:
            return False
        passed_ms = (self._ticks_ms() - self._began_ms) & TICKS_MASK
        if passed_ms <= self.period_min_ms:
            return False
        self._busy = True
        self._give_up_waiting()
        self._busy = False
        return True

    def end_looks(self) -> None:
        """Without a run, let go of the lines that `look` watches."""
        if not self.is_running:
            self.stop()

    @property
    def is_gathering(self) -> bool:
        """Tell whether a slot is open."""
        return self._open >= 0

    def rewrite(self) -> None:
        """Let every converter get its settings again, before its next conversion."""
        for probe in self._probes:
            probe.settings_lost = True

    # --- rest ---------------------------------------------------------------------------------

    @property
    def is_hard(self) -> bool:
        """Tell whether ticks are hard interrupts; known after `start`."""
        return self._timer.hard

    def until_tick_ms(self) -> int:
        """Return how long it is until the next tick; 0 when it is due. Main loop only."""
        passed_ms = (self._ticks_ms() - self._ticked_ms) & TICKS_MASK
        return max(0, self._period_ms - passed_ms)

    def service(self) -> None:
        """Read what is ready and made no edge that was seen. Main loop, interrupts held back.

        After a sleep that pins do not end: DRDY stays low until its conversion is read.
        """
        for probe in self._probes:
            if self._open >= 0 and probe.line.level() == 0:
                self.gather(probe)

    def _watch(self, period_ms: int) -> None:
        self._period_ms = period_ms
        for probe in self._probes:
            probe.line.watch(probe.ready)
        self._timer.start(period_ms, self._tick)

    def take(self, sample: Sample) -> bool:
        """Move the oldest gathered slot into `sample`; say whether there was one. Main loop only.

        A converter found without its settings is given them back at the next tick.
        Allocates nothing.
        """
        index = self.ring.peek()
        if index < 0:
            return False
        view = self.ring.views[index]
        sample.ticks_ms = get_u32(view, _TICKS_MS)
        sample.tick_no = get_u32(view, _TICK_NO)
        fresh = view[_FRESH]
        sample.is_look = fresh & _LOOK != 0
        self.taken = (self.taken + 1) & TICKS_MASK
        for probe in self._probes:
            image = probe.images[index]
            position = probe.position
            state = probe.converter.state(image, fresh & probe.bit != 0)
            sample.lost[position] = 0
            if state == STATE_BROWN_OUT:
                probe.settings_lost = True
            # No `in (...)`: a tuple of names is made anew each time.
            if state == STATE_BROWN_OUT or state == STATE_SILENT:  # noqa: SIM109, PLR1714
                sample.lost[position] = probe.converter.registers_lost(image)
            sample.states[position] = state
            provoked = probe.converter.provoked(image)
            sample.provoked[position] = provoked
            sample.faults[position] = max31856.fault(image) & ~provoked
            sample.voltage_raw[position] = max31856.voltage_raw(image)
            sample.cold_junction_raw[position] = max31856.cold_junction_raw(image)
        self.ring.release()
        return True

    def _check_period(self, period_ms: int) -> None:
        if period_ms < self.period_min_ms:
            raise ValueError("period below %d ms" % self.period_min_ms)

    def _on_tick(self, _timer: object) -> None:
        now_ms = self._ticks_ms() & TICKS_MASK
        self._ticked_ms = now_ms
        self._busy = True
        if self._open >= 0:
            self._give_up_waiting()
        self._tick_no = (self._tick_no + 1) & TICKS_MASK
        self._look = 0
        self._convert(now_ms)
        self._busy = False

    def _convert(self, now_ms: int) -> None:
        """Open a slot and start every converter."""
        self._began_ms = now_ms
        index = self.ring.slot()
        if index >= 0:
            view = self.ring.views[index]
            put_u32(view, _TICKS_MS, now_ms)
            put_u32(view, _TICK_NO, self._tick_no)
            self._fresh = 0
            for probe in self._probes:
                probe.start()
            self._open = index

    def _give_up_waiting(self) -> None:
        """Read what has not reported as it stands, and hand the slot over."""
        index = self._open
        for probe in self._probes:
            if not self._fresh & probe.bit:
                # DRDY low: the conversion is there, only its edge was missed.
                if probe.line.level() == 0:
                    self._fresh |= probe.bit
                probe.converter.read_into(probe.images[index])
        self._hand_over()

    def gather(self, probe: "_Probe") -> None:
        """Read one converter that has a conversion ready. Interrupt side only."""
        if self._busy:
            return
        index = self._open
        if index < 0 or self._fresh & probe.bit:
            probe.discard()
            return
        probe.converter.read_into(probe.images[index])
        self._fresh |= probe.bit
        if self._fresh == self._all:
            self._hand_over()

    def _hand_over(self) -> None:
        self.ring.views[self._open][_FRESH] = self._fresh | self._look
        self._open = -1
        self.ring.commit()


class _Probe:
    """One converter's place in the slots and its DRDY handler."""

    def __init__(
        self, sampler: Sampler, position: int, converter: "MAX31856", line: "Line"
    ) -> None:
        self.position = position
        self.bit = 1 << position
        self.converter = converter
        self.line = line
        first = _IMAGES + _IMAGE_BYTES * position
        self.images = tuple([view[first : first + _IMAGE_BYTES] for view in sampler.ring.views])
        self.settings_lost = False  # written True by the main loop, False by the tick
        self.ready = self._on_ready  # bound once: binding allocates
        self._unwanted = bytearray(_IMAGE_BYTES)
        self._sampler = sampler

    def start(self) -> None:
        """Start a conversion, settings first should they be lost. Interrupt side only."""
        if self.settings_lost:
            self.settings_lost = False
            self.converter.restore()
        if self.line.level() == 0:
            self.discard()  # an old conversion holds DRDY low: the new one would make no edge
        self.converter.start()

    def discard(self) -> None:
        """Read a conversion nobody waits for, so that DRDY rises. Interrupt side only."""
        self.converter.read_into(self._unwanted)

    def _on_ready(self, _pin: object) -> None:
        # High: an edge from before the tick, whose conversion the tick has read.
        if self.line.level() == 0:
            self._sampler.gather(self)
