"""Shocks: a stream of acceleration counts becomes windows around what crossed the trigger.

Takes the samples that shock_sampler drained, piece by piece, gives each shock as a window of raw
counts, its figures (shock_pulse) and the values of its records. Pure; integers only.

    state      sample or gap                         does                               becomes
    WATCHING   below the trigger on all axes         keep it among the pre-trigger      WATCHING
    WATCHING   at or beyond on any axis              window = pre-trigger + sample      CAPTURING
    CAPTURING  any, window not full                  append; count quiet samples        CAPTURING
    CAPTURING  any, window full, resultant larger    window = pre-trigger + sample;     CAPTURING
               than any of the shock                 CUT
    CAPTURING  any other, window full                keep it among the pre-trigger;     CAPTURING
                                                     CUT if beyond the trigger
    CAPTURING  quiet for quiet_ms, or LONGEST_S      end the window                     COMPLETE
               since the trigger
    CAPTURING  a gap of quiet_ms or more, or a new   GAP; end the window                COMPLETE
               capture of the sampler
    CAPTURING  a shorter gap                         GAP; samples close up              CAPTURING
    WATCHING   a gap, or a new capture               forget the pre-trigger             WATCHING
    COMPLETE   `restart`                             the window's end is pre-trigger,   WATCHING
                                                     unless a gap or capture followed

So a tumble or a ride on a rough road is one shock, and its window holds the hardest blow, however
late it came. The trigger is compared with raw counts, gravity included, as the sensor's own
activity detector does. Resultants here are taken from the mean of the pre-trigger samples; the
figures have a baseline of their own.

Contract: main loop only. `feed` leaves nothing on the heap; a shock that is complete is measured
when its figures are first asked for, and what that costs stands in shock_pulse. The window's
columns stay as they are until `restart` or `shorten`. A drained piece goes in like this, with
COMPLETE dealt with after every call:

    begin (its first piece) or gap (samples missing before it); feed until all sets are taken;
    let the sampler rearm when `is_quiet`
"""

from array import array

from dewarlog_firmware.shock_pulse import ShockFigures, measure
from dewarlog_wire.layout import SHOCK_CLIPPED, SHOCK_CUT, SHOCK_GAP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from dewarlog_firmware.config import ShockSettings

WATCHING = 0
CAPTURING = 1
COMPLETE = 2

_NO_FIGURES = ShockFigures(0, 0, 0, 0, 0, 0)
LONGEST_S = 10  # then a shock is told, even if it goes on: power may fail before it ends
_TICKS_MASK = 0x3FFFFFFF


def means_hold(settings: "ShockSettings", band: int, velocity_change_mm_s: int) -> bool:
    """Tell whether a shock of that band and velocity change means HOLD by the profile."""
    if not settings.hold_band or band < settings.hold_band:
        return False
    return velocity_change_mm_s >= settings.hold_velocity_change_mm_s


class ShockCapture:
    """The window being filled, and the figures of the shock once it is complete."""

    def __init__(self, settings: "ShockSettings") -> None:
        self._settings = settings
        size = settings.window
        # x, y, z counts of the window; the first `count` of each belong to the shock.
        self.columns = tuple([array("h", bytes(2 * size)) for _ in range(3)])
        self.count = 0
        self.trigger = 0  # index of the sample that crossed the trigger (or, CUT, was larger)
        self.flags = 0
        self.first_us = 0  # ticks_us of the window's first sample, modulo 2**30
        self._figures: "ShockFigures | None" = _NO_FIGURES  # None: not measured yet
        self.state = WATCHING
        self._before = tuple([array("h", bytes(2 * settings.pre_trigger)) for _ in range(3)])
        self._kept = 0  # pre-trigger samples held
        self._next = 0  # where the next one goes
        self._quiet_needed = settings.quiet_ms * settings.rate_hz // 1000
        self._longest = LONGEST_S * settings.rate_hz
        self._clip_count = settings.range_g * 1000 // settings.count_mg
        self._quiet = 0  # samples below the trigger in a row
        self._length = 0  # samples since the trigger
        self._largest_2 = 0  # squared resultant of the hardest sample of this shock
        self._base_x = 0
        self._base_y = 0
        self._base_z = 0
        self._is_late = False
        self._is_broken = False  # what follows the shock does not join its last sample

    def begin(self, is_late: bool = False) -> None:
        """Say that the next samples do not follow the last: the sampler woke anew.

        `is_late`: it may have woken too late. A shock that then begins without a single sample
        below the trigger before it is marked as having a gap.
        """
        self._is_late = is_late
        self._break(SHOCK_GAP)

    def gap(self, gap_us: int) -> None:
        """Say that this much is missing before the next sample; may complete the shock."""
        if self.state == CAPTURING and gap_us < self._settings.quiet_ms * 1000:
            self.flags |= SHOCK_GAP
        else:
            self._break(SHOCK_GAP)

    def _break(self, flags: int) -> None:
        """End the shock, if there is one, and forget the samples before the break."""
        if self.state == CAPTURING:
            self._finish(flags)
        self._is_broken = self.state == COMPLETE
        self._kept = 0
        self._next = 0
        self._quiet = 0

    @property
    def is_quiet(self) -> bool:
        """Tell whether the sampler may rearm: no shock goes on, and none began for quiet_ms."""
        return self.state == WATCHING and self._quiet >= self._quiet_needed

    def feed(self, counts: "Sequence[int]", at: int, sets: int, first_us: int) -> int:
        """Take sets of x, y, z from `counts`, beginning at set `at`; return how many were taken.

        Fewer than `sets` are taken when a shock is complete before the end: deal with it, call
        `restart` and feed the rest. `first_us`: ticks_us of the set at index 0.
        """
        trigger = self._settings.trigger_count
        place = 3 * at
        for taken in range(sets):
            if self.state == COMPLETE:
                return taken
            x, y, z = counts[place], counts[place + 1], counts[place + 2]
            place += 3
            beyond = (
                x >= trigger
                or y >= trigger
                or z >= trigger
                or -x >= trigger
                or -y >= trigger
                or -z >= trigger
            )
            self._quiet = 0 if beyond else self._quiet + 1
            if self.state == CAPTURING:
                self._capture(x, y, z, at + taken, first_us)
            elif beyond:
                self._find_base()
                if self._is_late and not self._kept:
                    self.flags |= SHOCK_GAP
                self._is_late = False
                self.state = CAPTURING
                self._open_window(at + taken, first_us)
                self._length = 0
                self._largest_2 = 0
                self._capture(x, y, z, at + taken, first_us)
            else:
                self._keep(x, y, z)
        return sets

    def _capture(self, x: int, y: int, z: int, index: int, first_us: int) -> None:
        dx, dy, dz = x - self._base_x, y - self._base_y, z - self._base_z
        square = dx * dx + dy * dy + dz * dz
        clip = self._clip_count
        if x >= clip or y >= clip or z >= clip or -x >= clip or -y >= clip or -z >= clip:
            self.flags |= SHOCK_CLIPPED
        if self.count == self._settings.window:
            if square > self._largest_2:
                self.flags |= SHOCK_CUT
                self._open_window(index, first_us)
            elif self._quiet == 0:
                self.flags |= SHOCK_CUT
        if self.count < self._settings.window:
            self._append(x, y, z)
        else:
            self._keep(x, y, z)
        if square > self._largest_2:
            self._largest_2 = square
        self._length += 1
        if self._quiet >= self._quiet_needed:
            self._finish(0)
        elif self._length >= self._longest:
            self._finish(SHOCK_CUT)

    def _append(self, x: int, y: int, z: int) -> None:
        count = self.count
        self.columns[0][count] = x
        self.columns[1][count] = y
        self.columns[2][count] = z
        self.count = count + 1

    def _keep(self, x: int, y: int, z: int) -> None:
        """Put a sample among the pre-trigger samples, over the oldest."""
        at = self._next
        self._before[0][at] = x
        self._before[1][at] = y
        self._before[2][at] = z
        size = self._settings.pre_trigger
        self._next = at + 1 if at + 1 < size else 0
        if self._kept < size:
            self._kept += 1

    def _find_base(self) -> None:
        """Take the mean of the pre-trigger samples as gravity, for comparing resultants."""
        kept = self._kept
        if not kept:
            return
        x = y = z = 0
        for at in range(kept):  # a full ring is used from 0 on, and so is one still filling
            x += self._before[0][at]
            y += self._before[1][at]
            z += self._before[2][at]
        self._base_x = (2 * x + kept) // (2 * kept)
        self._base_y = (2 * y + kept) // (2 * kept)
        self._base_z = (2 * z + kept) // (2 * kept)

    def _open_window(self, index: int, first_us: int) -> None:
        """Begin the window with the pre-trigger samples, oldest first."""
        kept = self._kept
        size = self._settings.pre_trigger
        at = (self._next - kept) % size
        self.count = 0
        for _ in range(kept):
            self._append(self._before[0][at], self._before[1][at], self._before[2][at])
            at = at + 1 if at + 1 < size else 0
        self.trigger = kept
        since = (index - kept) * 1000000 // self._settings.rate_hz
        self.first_us = (first_us + since) & _TICKS_MASK
        self._kept = 0
        self._next = 0

    def _finish(self, flags: int) -> None:
        self.flags |= flags
        self.state = COMPLETE
        self._figures = None

    def restart(self) -> None:
        """Let go of the completed shock and watch for the next."""
        if not self._is_broken and not self._kept:
            first = self.count - self._settings.pre_trigger
            for index in range(first if first > 0 else 0, self.count):
                self._keep(self.columns[0][index], self.columns[1][index], self.columns[2][index])
        self.state = WATCHING
        self.count = 0
        self.flags = 0
        self._figures = _NO_FIGURES
        self._is_broken = False

    def shorten(self) -> bool:
        """Keep half of a completed window, about its largest sample; False when it is short.

        For a heap that has no room to measure or encode more. What is left is CUT.
        """
        count = self.count // 2
        before = self._settings.pre_trigger
        if count < 2 * before:
            return False
        largest = self._largest()
        first = min(max(0, largest - before), self.count - count)
        for column in self.columns:
            for index in range(count):
                column[index] = column[first + index]
        self.count = count
        self.trigger = largest - first
        self.first_us = (self.first_us + first * 1000000 // self._settings.rate_hz) & _TICKS_MASK
        self.flags |= SHOCK_CUT
        self._figures = None
        if not self._kept:
            self._is_broken = True  # the window's end is gone
        return True

    def _largest(self) -> int:
        """Return the index of the sample that is furthest from the base."""
        largest = largest_2 = 0
        for index in range(self.count):
            dx = self.columns[0][index] - self._base_x
            dy = self.columns[1][index] - self._base_y
            dz = self.columns[2][index] - self._base_z
            square = dx * dx + dy * dy + dz * dz
            if square > largest_2:
                largest, largest_2 = index, square
        return largest

    # --- records of a completed shock ---------------------------------------------------------

    @property
    def figures(self) -> ShockFigures:
        """Return what the completed window says. MemoryError where there is none to measure it."""
        if self._figures is None:
            settings = self._settings
            self._figures = measure(
                self.columns,
                self.count,
                self.trigger,
                self.flags,
                settings.rate_hz,
                settings.count_mg,
            )
        return self._figures

    @property
    def band(self) -> int:
        """Return the severity band of the peak: 0 is below the first edge."""
        settings = self._settings
        peak_mg = self.figures.peak * settings.count_mg
        band = 0
        for edge_g in (settings.band_1_g, settings.band_2_g, settings.band_3_g):
            if peak_mg >= edge_g * 1000:
                band += 1
        return band

    def head(self, shock: int) -> tuple:
        """Return the values of the SHOCK_HEAD of the window; `shock` is its number in the run."""
        settings = self._settings
        return (
            shock,
            self.count,
            self.trigger,
            settings.rate_hz,
            settings.count_mg,
            self.flags,
        )

    def event(self, shock: int) -> tuple:
        """Return the values of the EVENT_SHOCK."""
        figures = self.figures
        return (
            shock,
            self.band,
            self.flags,
            figures.peak_x,
            figures.peak_y,
            figures.peak_z,
            figures.peak,
            figures.duration_us,
            figures.velocity_change_mm_s,
        )
