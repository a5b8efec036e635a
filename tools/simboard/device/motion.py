"""How the board moves: orientation, and the disturbances between which nothing happens.

Axes are the board's; z points up when the shipper stands upright, and an accelerometer at rest
then reads +1 g on z. A disturbance is a stretch of time with acceleration beyond gravity: a knock
(half-sine), a drop (free fall, then a half-sine that takes up the fall's velocity), or a replayed
recording. Outside of them there is gravity and, on the road, bounded vibration; so a chip need
look at single samples only inside a disturbance.
"""

import math

from simboard.device.noise import TABLE_MAX, normal_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

G_M_S2 = 9.80665
_TURN_US = 3000000  # a shipper takes this long to be laid down or put up
_SECOND_US = 1000000


class Tilt:
    """The shipper leans by `angle_deg` about its x axis from `start_us` to `end_us`."""

    def __init__(self, start_us: int, end_us: int, angle_deg: float) -> None:
        self.start_us = start_us
        self.end_us = end_us
        self.angle_deg = angle_deg

    def angle_at(self, now_us: int) -> float:
        """Return the angle from upright, turning included."""
        if now_us < self.start_us or now_us >= self.end_us + _TURN_US:
            return 0.0
        part = min(1.0, (now_us - self.start_us) / _TURN_US)
        if now_us > self.end_us:
            part = 1.0 - (now_us - self.end_us) / _TURN_US
        return self.angle_deg * part


class HalfSine:
    """A knock: `peak_g` along the unit vector `axis` for `length_us`."""

    def __init__(
        self, start_us: int, peak_g: float, length_us: int, axis: "Sequence[float]"
    ) -> None:
        self.start_us = start_us
        self.end_us = start_us + length_us
        self.peak_g = peak_g
        self.length_us = length_us
        self.axis = axis

    def at(self, t_us: int, gravity: tuple[float, float, float]) -> tuple[float, float, float]:
        """Return the acceleration without gravity at `t_us`, in g."""
        since = t_us - self.start_us
        if not 0 <= since <= self.length_us:
            return 0.0, 0.0, 0.0
        a = self.peak_g * math.sin(math.pi * since / self.length_us)
        return a * self.axis[0], a * self.axis[1], a * self.axis[2]


class Drop:
    """A fall from `height_m` that ends at `impact_us` in a half-sine of `length_us`.

    The half-sine takes up the whole velocity of the fall: peak = pi v / (2 T).
    """

    def __init__(
        self, impact_us: int, height_m: float, length_us: int, axis: "Sequence[float]"
    ) -> None:
        fall_s = math.sqrt(2 * height_m / G_M_S2)
        velocity_m_s = math.sqrt(2 * height_m * G_M_S2)
        peak_g = math.pi * velocity_m_s / (2 * length_us * 1e-6) / G_M_S2
        self.start_us = impact_us - int(fall_s * 1e6)
        self.end_us = impact_us + length_us
        self._impact_us = impact_us
        self._pulse = HalfSine(impact_us, peak_g, length_us, axis)

    def at(self, t_us: int, gravity: tuple[float, float, float]) -> tuple[float, float, float]:
        """Return the acceleration without gravity: in free fall it takes gravity away."""
        if self.start_us <= t_us < self._impact_us:
            return -gravity[0], -gravity[1], -gravity[2]
        return self._pulse.at(t_us, gravity)


class Recording:
    """A recording played back: `samples` holds x, y, z in g, one after the other, evenly spaced.

    With `has_gravity` the recording was DC-coupled and replaces gravity; else gravity is added.
    """

    def __init__(
        self, start_us: int, interval_us: float, samples: "Sequence[float]", has_gravity: bool
    ) -> None:
        self.start_us = start_us
        self.interval_us = interval_us
        self.end_us = start_us + int((len(samples) // 3 - 1) * interval_us)
        self._samples = samples
        self._has_gravity = has_gravity

    def at(self, t_us: int, gravity: tuple[float, float, float]) -> tuple[float, float, float]:
        """Return the acceleration without gravity at `t_us`, by straight lines."""
        place = (t_us - self.start_us) / self.interval_us
        index = int(place)
        samples = self._samples
        if place < 0 or index * 3 + 5 >= len(samples):
            return 0.0, 0.0, 0.0
        part = place - index
        i = index * 3
        x = samples[i] + part * (samples[i + 3] - samples[i])
        y = samples[i + 1] + part * (samples[i + 4] - samples[i + 1])
        z = samples[i + 2] + part * (samples[i + 5] - samples[i + 2])
        if self._has_gravity:
            return x - gravity[0], y - gravity[1], z - gravity[2]
        return x, y, z


class Motion:
    """All that moves the board. `vibrations` is a list of (start_us, end_us, rms_g)."""

    def __init__(
        self, tilts: "list[Any]", disturbances: "list[Any]", vibrations: "list[Any]", seed: int
    ) -> None:
        self._tilts = tilts
        self._vibrations = vibrations
        self._seed = seed
        self.disturbances = sorted(disturbances, key=lambda entry: entry.start_us)
        self._gravity_us = -1
        self._gravity = (0.0, 0.0, 1.0)
        # Moments at which something other than a disturbance begins or ends.
        edges = set()
        for tilt in tilts:
            for edge in (tilt.start_us, tilt.end_us):
                for part in range(7):  # turning is cut up, so that each piece is nearly still
                    edges.add(edge + part * _TURN_US // 6)
        for start_us, end_us, _ in vibrations:
            edges.add(start_us)
            edges.add(end_us)
        self.edges = sorted(edges)

    def tilt_deg(self, now_us: int) -> float:
        """Return the angle from upright."""
        angle = 0.0
        for tilt in self._tilts:
            angle += tilt.angle_at(now_us)
        return angle

    def gravity(self, now_us: int) -> tuple[float, float, float]:
        """Return what an accelerometer at rest reads, in g."""
        angle = self.tilt_deg(now_us)
        if angle == 0.0:
            return 0.0, 0.0, 1.0
        radians = angle * (math.pi / 180)
        return 0.0, math.sin(radians), math.cos(radians)

    def vibration_rms_g(self, now_us: int) -> float:
        """Return how hard the road shakes the board, per axis."""
        for start_us, end_us, rms_g in self._vibrations:
            if start_us <= now_us < end_us:
                return rms_g
        return 0.0

    def at_rest(self, now_us: int) -> tuple[float, float, float]:
        """Return x, y, z in g outside disturbances, vibration included; never filtered."""
        x, y, z = self.gravity(now_us)
        rms_g = self.vibration_rms_g(now_us)
        if rms_g:
            index = now_us // 100
            x += rms_g * normal_at(index, self._seed)
            y += rms_g * normal_at(index, self._seed + 1)
            z += rms_g * normal_at(index, self._seed + 2)
        return x, y, z

    def rest_bound_g(self, now_us: int) -> float:
        """Return how far `at_rest` can be from gravity on any axis."""
        return self.vibration_rms_g(now_us) * TABLE_MAX

    def at(self, now_us: int) -> tuple[float, float, float]:
        """Return x, y, z in g, disturbances included, before any filter."""
        x, y, z = self.at_rest(now_us)
        for disturbance in self.disturbances:
            if disturbance.start_us > now_us:
                break
            if now_us <= disturbance.end_us:
                dx, dy, dz = disturbance.at(now_us, self.gravity(now_us))
                x, y, z = x + dx, y + dy, z + dz
        return x, y, z
