"""What a captured shock sets off: its record, its window, and the sensor watching again.

Takes drained samples from shock_sampler, lets shock find the shocks in them, gives logbook a SHOCK
event for each and a block with the window for those that reach the first band. Main loop only.

A completed shock first waits on the shelf, its window encoded. Flash is written a window at a
time, the oldest first, so that the sampler's ring bridges each write:
    the sensor has watched in vain for CALM_MS, or the shock has waited for PATIENCE_MS, and
    nothing is left in the ring
    the next window does not fit: at once; one longer than the shelf, too

What is missing is told as GAP events of the shock stream:
    a hole inside a capture             its length, as the sampler measured it
    the sampler woke late (a stall)     the most that can be missing, if the shock that woke it was
                                        not seen from below the trigger on
    memory too full for the window      the samples of the window; the SHOCK event itself stays
    the sensor tested itself            how long it was away

Where the heap has no room to measure or encode a window, the conversations with hosts give theirs
up; where that is not enough, half of the window goes, and so on (shock.shorten): a shock that
comes amid a pull and a signature must not stop the logger.
"""

from array import array

from dewarlog_firmware.clock import earlier
from dewarlog_firmware.shock import COMPLETE
from dewarlog_firmware.shock_sampler import FLAG_BEGIN, FLAG_FULL, FLAG_GAP, FLAG_LATE
from dewarlog_firmware.shock_shelf import Entry, ShockShelf
from dewarlog_firmware.sizes import LARGE
from dewarlog_wire import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dewarlog_firmware.logbook import Logbook
    from dewarlog_firmware.shock import ShockCapture
    from dewarlog_firmware.shock_sampler import ShockSampler

_TICKS_MASK = 0x3FFFFFFF
CALM_MS = 500
PATIENCE_MS = 5000


class ShockKeeper:
    """Empties the sampler's ring. `now() -> (s, ms)` and `ticks_us()` tell one time together."""

    def __init__(
        self,
        sampler: "ShockSampler",
        capture: "ShockCapture",
        logbook: "Logbook",
        burst_sets: int,
        rate_hz: int,
        now: "Callable[[], tuple[int, int]]",
        ticks_us: "Callable[[], int]",
        shelf_bytes: int = LARGE.shelf_bytes,
        *,
        free_heap: "Callable[[], None] | None" = None,
    ) -> None:
        self._sampler = sampler
        self._capture = capture
        self._logbook = logbook
        self._rate_hz = rate_hz
        self._now = now
        self._ticks_us = ticks_us
        self._free_heap = free_heap  # gives up what can be done without
        self._counts = array("h", bytes(2 * 3 * burst_sets))
        self._late_us = 0  # what may be missing before the capture going on
        self._shelf = ShockShelf(shelf_bytes)
        self._told = 0  # how many of those on the shelf, the oldest, have their events in the log
        self._last_us = 0  # ticks_us when the newest shock was shelved
        self._is_away = False
        self._away_us = 0  # ticks_us when the sensor went away

    @property
    def busy(self) -> bool:
        """Tell whether a flash operation now could cost samples of a shock."""
        return self._sampler.capturing() or len(self._shelf) > 0

    def take(self) -> bool:
        """Deal with a drained slot, or let the sensor watch again and write a window.

        True when there may be more to do at once.
        """
        sampler = self._sampler
        if sampler.is_away:
            return False
        sampler.service()
        sets = self._next_slot()
        if not sets:
            if sampler.capturing() and self._capture.is_quiet and sampler.rearm():
                self._tell_late()  # what woke the sensor was gone before it could be read
            if not self._is_due():
                return False
            self._write_oldest()
            return True
        self._feed(sets)
        return True

    def _next_slot(self) -> int:
        """Take the oldest slot of the ring, and say what is missing before it; return its sets."""
        sampler = self._sampler
        sets = sampler.take(self._counts, 0)
        if sets:
            if sampler.flags & FLAG_BEGIN:
                self._late_us = sampler.gap_us if sampler.flags & FLAG_LATE else 0
                self._capture.begin(sampler.flags & FLAG_LATE != 0)
            if sampler.flags & FLAG_GAP:
                full = sampler.flags & FLAG_FULL
                cause = layout.GAP_RING_FULL if full else layout.GAP_FLASH_STALL
                self._tell_gap(cause, sampler.gap_us)
                self._capture.gap(sampler.gap_us)
        return sets

    def _feed(self, sets: int) -> None:
        """Look for shocks in the slot taken last."""
        taken = 0
        while True:
            first_us = self._sampler.first_us
            taken += self._capture.feed(self._counts, taken, sets - taken, first_us)
            if self._capture.state != COMPLETE:
                return
            self._shelve()

    def end(self) -> None:
        """Write all there is, now that the sampler has stopped: recording ends.

        A shock that goes on is told as far as it came, and a sensor that is away.
        """
        self.tell_away()
        capture = self._capture
        if capture.state == COMPLETE:  # what came before it found no room on the shelf
            self._shelve()
        sets = self._next_slot()
        while sets:
            self._feed(sets)
            sets = self._next_slot()
        capture.begin()  # what is open is cut off, and marked as having a gap
        if capture.state == COMPLETE:
            self._shelve()
        self.flush()

    def begin_away(self) -> None:
        """Note that the sensor goes away for its self-test."""
        self._away_us = self._ticks_us()
        self._is_away = True

    def tell_away(self) -> None:
        """Record for how long the sensor was away, if it was, and what it would have measured."""
        if not self._is_away:
            return
        self._is_away = False
        away_us = (self._ticks_us() - self._away_us) & _TICKS_MASK
        self._tell_gap(layout.GAP_SELFTEST, away_us)

    def _is_due(self) -> bool:
        """Tell whether a window is to be written now that the ring is empty."""
        shelf = self._shelf
        if not len(shelf):
            return False
        now_us = self._ticks_us()
        if (now_us - shelf.entry(0).shelved_us) & _TICKS_MASK >= PATIENCE_MS * 1000:
            return True
        calm_us = (now_us - self._last_us) & _TICKS_MASK
        return not self._sampler.capturing() and calm_us >= CALM_MS * 1000

    def _shelve(self) -> None:
        """Put a completed shock aside and go on to the next.

        OSError: it is complete still, and has no number yet.
        """
        capture = self._capture
        if capture.flags & layout.SHOCK_GAP:
            self._tell_late()
        self._late_us = 0
        number = self._logbook.shocks + 1
        window = self._window(number)
        now_s, now_ms = self._now()
        age_us = (self._ticks_us() - capture.first_us) & _TICKS_MASK
        began_at = earlier(now_s, now_ms, age_us)
        until_trigger_us = capture.trigger * 1000000 // self._rate_hz
        hit_at = earlier(now_s, now_ms, age_us - until_trigger_us)
        shelf = self._shelf
        while len(shelf) and not shelf.has_room(len(window)):
            self._write_oldest()
        self._last_us = self._ticks_us()
        self._logbook.shocks = number
        is_short = shelf.has_room(len(window))
        count = capture.count
        entry = Entry(self._last_us, hit_at, capture.event(number), began_at, count)
        shelf.put(entry, window if is_short else b"")
        capture.restart()
        if not is_short:  # longer than the shelf
            self.flush()
            self._write(window, began_at, count)
            self._logbook.commit()

    def _window(self, number: int) -> bytes:
        """Return the completed window as it will be stored; below the first band nothing."""
        capture = self._capture
        free_heap = self._free_heap
        while True:
            try:
                if not capture.band:
                    return b""
                return self._logbook.recorder.shock_sections(capture.head(number), capture.columns)
            except MemoryError:
                if free_heap is not None:
                    free_heap()
                    free_heap = None
                elif not capture.shorten():
                    raise

    def flush(self) -> None:
        """Write all that is on the shelf."""
        while len(self._shelf):
            self._write_oldest()

    def _write_oldest(self) -> None:
        """Write one window, behind the events of all that wait: those are durable at once."""
        shelf = self._shelf
        self._tell_shelved()
        is_written = False
        while len(shelf) and not is_written:
            window = shelf.oldest()
            if len(window):
                entry = shelf.entry(0)
                self._write(window, entry.began_at, entry.count)
                is_written = True
            shelf.drop()
            self._told -= 1
        self._logbook.commit()

    def _tell_shelved(self) -> None:
        logbook = self._logbook
        for number in range(self._told, len(self._shelf)):
            entry = self._shelf.entry(number)
            logbook.at(*entry.hit_at)
            logbook.note_shock(entry.event)
            self._told = number + 1
        logbook.at(*self._now())  # what making room brings about is of now, not of the hit
        logbook.commit()

    def _write(self, window: "bytes | memoryview", began_at: tuple, count: int) -> None:
        if not self._logbook.write_shock(window, *began_at):
            self._tell(layout.GAP_MEMORY_FULL, 0, count)

    def _tell_late(self) -> None:
        if self._late_us:
            self._tell_gap(layout.GAP_FLASH_STALL, self._late_us)
            self._late_us = 0

    def _tell_gap(self, cause: int, gap_us: int) -> None:
        self._tell(cause, gap_us, gap_us * (self._rate_hz // 100) // 10000)

    def _tell(self, cause: int, gap_us: int, missed: int) -> None:
        self._logbook.at(*self._now())
        gap_ms = (gap_us + 500) // 1000
        self._logbook.emit(
            layout.KIND_GAP,
            (layout.STREAM_SHOCK, cause, gap_ms % 1000, gap_ms // 1000, missed),
        )
