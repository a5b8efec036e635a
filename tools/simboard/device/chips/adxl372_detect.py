"""Activity and inactivity detection of the ADXL372, without looking at samples that cannot matter.

Data sheet rev. C, "Autonomous event detection". Between disturbances every sample is gravity plus
bounded noise: whether it is beyond a threshold is decided for hours at once. Inside a disturbance
each sample counts.
"""

import micropython

from simboard.device.noise import TABLE_MAX, normal_at
from simboard.device.waveform import COUNTS_PER_G, LEAD_US, TAIL_US, Waveform, to_counts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableSequence

    from simboard.device.motion import Motion
    from simboard.device.waveform import Input

ACTIVITY = 1
INACTIVITY = 2
FAR = 1 << 50  # a sample number nobody reaches

_NEVER = 0  # no sample of the piece is beyond
_ALWAYS = 1
_MIXED = 2
_DETECT_FILTER_HZ = 10  # low-pass activity detect filter
_WAVEFORMS_KEPT = 3
_TURNING_COUNTS = 3.0  # gravity on an axis changes by less within a piece of a turn


class Threshold:
    """Three thresholds in counts, -1 where an axis is not watched, and the reference."""

    def __init__(self, limits: tuple[int, ...], referenced: bool) -> None:
        self.limits = limits
        self.referenced = referenced
        self.reference = (0, 0, 0)
        self.used = limits != (-1, -1, -1)

    def beyond(self, x: int, y: int, z: int) -> bool:
        """Tell whether any watched axis is beyond its threshold."""
        a, b, c = self.limits
        p, q, r = self.reference
        return (
            (a >= 0 and abs(x - p) > a)
            or (b >= 0 and abs(y - q) > b)
            or (c >= 0 and abs(z - r) > c)
        )

    def verdict(self, rest: tuple[float, float, float], bound: float) -> int:
        """Return _NEVER, _ALWAYS or _MIXED for samples within `bound` counts of `rest`."""
        verdict = _NEVER
        for axis in range(3):
            limit = self.limits[axis]
            if limit >= 0:
                off = abs(rest[axis] - self.reference[axis])
                if off - bound > limit:
                    return _ALWAYS
                if off + bound > limit:
                    verdict = _MIXED
        return verdict


class Detector:
    """Looks for the next activity or inactivity from a sample on.

    `view` is the chip's Input; `filtered` says whether the 10 Hz detect filter is on. The runs
    count consecutive samples beyond the activity, and within the inactivity threshold.
    """

    def __init__(
        self,
        view: "Input",
        motion: "Motion",
        activity: "Threshold",
        inactivity: "Threshold",
        activity_need: int,
        inactivity_need: int,
        filtered: bool,
    ) -> None:
        self.activity = activity
        self.inactivity = inactivity
        self.activity_run = 0
        self.inactivity_run = 0
        self._activity_need = activity_need
        self._inactivity_need = inactivity_need
        self._view = view
        self._motion = motion
        self._filtered = filtered
        self._waveforms = []
        # First and one-past-last sample of each disturbance that is not over yet.
        self._windows = []
        for disturbance in motion.disturbances:
            end = view.index_from(disturbance.end_us + TAIL_US)
            if end > 0:
                self._windows.append((view.index_from(disturbance.start_us - LEAD_US), end))
        if activity.referenced or inactivity.referenced:
            reference = tuple([to_counts(value) for value in self._still(0)])
            if activity.referenced:
                activity.reference = reference
            if inactivity.referenced:
                inactivity.reference = reference

    # --- samples ------------------------------------------------------------------------------

    def _still(self, k: int) -> tuple[float, float, float]:
        """Return gravity and offset at sample `k`, in counts."""
        view = self._view
        if view.high_pass_hz:
            return 0.0, 0.0, 0.0
        x, y, z = self._motion.gravity(int(view.time_us(k)))
        ox, oy, oz = view.offset_g
        return (x + ox) * COUNTS_PER_G, (y + oy) * COUNTS_PER_G, (z + oz) * COUNTS_PER_G

    def sample(self, k: int) -> tuple[int, int, int]:
        """Return x, y, z of sample `k` in counts."""
        waveform = self._waveform_at(k)
        if waveform is not None:
            return waveform.sample(k)
        view = self._view
        x, y, z = self._still(k)
        shaking = self._motion.vibration_rms_g(int(view.time_us(k))) * COUNTS_PER_G
        if shaking:
            x += shaking * normal_at(k, view.seed + 3)
            y += shaking * normal_at(k, view.seed + 4)
            z += shaking * normal_at(k, view.seed + 5)
        return (
            to_counts(x + view.noise(k, 0)),
            to_counts(y + view.noise(k, 1)),
            to_counts(z + view.noise(k, 2)),
        )

    def _waveform_at(self, k: int) -> "Waveform | None":
        """Return the waveform that holds sample `k`, None when nothing happens there."""
        for waveform in self._waveforms:
            if 0 <= k - waveform.first < waveform.count:
                return waveform
        for first, end in self._windows:
            if first <= k < end:
                waveform = Waveform(self._view, self._motion, first, end)
                if self._filtered:
                    waveform.detect = [
                        _detect_filter(axis, self._view) for axis in waveform.counts
                    ]
                self._waveforms.append(waveform)
                if len(self._waveforms) > _WAVEFORMS_KEPT:
                    self._waveforms.pop(0)
                return waveform
        return None

    def piece_end(self, k: int) -> int:
        """Return the sample at which the piece around `k` ends: a window, an edge, or FAR."""
        waveform = self._waveform_at(k)
        if waveform is not None:
            return waveform.first + waveform.count
        end = FAR
        for first, _ in self._windows:
            if first > k:
                end = first
                break
        now_us = self._view.time_us(k)
        for edge_us in self._motion.edges:
            if edge_us > now_us:
                end = min(end, self._view.index_from(edge_us))
                break
        return max(end, k + 1)

    # --- search -------------------------------------------------------------------------------

    def find(
        self, k: int, end: int, look_activity: bool, look_inactivity: bool
    ) -> tuple[int, int]:
        """Return (sample, kind) of the first event from `k` to before `end`, and keep the runs.

        (end, 0) when there is none. Stops at the end of the piece at the latest: then (that end,
        0) is returned, and the caller asks again from there.
        """
        piece = self.piece_end(k)
        if piece < end:
            end = piece
        if not look_activity:
            self.activity_run = 0
        if not look_inactivity:
            self.inactivity_run = 0
        if not (look_activity or look_inactivity):
            return end, 0
        waveform = self._waveform_at(k)
        if waveform is None:
            found = self._find_at_rest(k, end, look_activity, look_inactivity)
            if found is not None:
                return found
        return self._find_each(k, end, look_activity, look_inactivity, waveform)

    def _find_at_rest(
        self, k: int, end: int, look_activity: bool, look_inactivity: bool
    ) -> tuple[int, int] | None:
        """Decide a piece at rest at once; None when its samples must be looked at."""
        view = self._view
        rest = self._still(k)
        noise = view.noise_counts * (0.1 if self._filtered else 1.0)
        bound = noise * TABLE_MAX + _TURNING_COUNTS
        bound += self._motion.rest_bound_g(int(view.time_us(k))) * COUNTS_PER_G
        active = self.activity.verdict(rest, bound) if look_activity else _NEVER
        moving = self.inactivity.verdict(rest, bound) if look_inactivity else _ALWAYS
        if _MIXED in (active, moving):
            return None
        event = (end, 0)
        if active == _ALWAYS:
            at = k + self._activity_need - self.activity_run - 1
            if at < end:
                event = (at, ACTIVITY)
        if moving == _NEVER:
            at = k + self._inactivity_need - self.inactivity_run - 1
            if at < event[0]:
                event = (at, INACTIVITY)
        passed = event[0] - k + (1 if event[1] else 0)
        self.activity_run = self.activity_run + passed if active == _ALWAYS else 0
        self.inactivity_run = self.inactivity_run + passed if moving == _NEVER else 0
        return event

    def _find_each(
        self,
        k: int,
        end: int,
        look_activity: bool,
        look_inactivity: bool,
        waveform: "Waveform | None",
    ) -> tuple[int, int]:
        activity_run = self.activity_run
        inactivity_run = self.inactivity_run
        event = (end, 0)
        while k < end:
            if waveform is None:
                x, y, z = self.sample(k)
            else:
                i = k - waveform.first
                x, y, z = waveform.detect[0][i], waveform.detect[1][i], waveform.detect[2][i]
            if look_activity:
                activity_run = activity_run + 1 if self.activity.beyond(x, y, z) else 0
                if activity_run >= self._activity_need:
                    event = (k, ACTIVITY)
                    break
            if look_inactivity:
                inactivity_run = 0 if self.inactivity.beyond(x, y, z) else inactivity_run + 1
                if inactivity_run >= self._inactivity_need:
                    event = (k, INACTIVITY)
                    break
            k += 1
        self.activity_run = activity_run
        self.inactivity_run = inactivity_run
        return event


@micropython.native
def _detect_filter(axis: "MutableSequence[int]", view: "Input") -> "MutableSequence[int]":
    """Return the axis after the one-pole detect filter."""
    share = 1 - 2.718281828 ** (-6.283185307 * _DETECT_FILTER_HZ * view.period_us / 1000000)
    out = axis[:]
    value = float(axis[0])
    for i in range(len(axis)):
        value += share * (axis[i] - value)
        out[i] = int(value + 2048.5) - 2048
    return out
