"""Tilt: how far the shipper leans from upright, and for how long in each band.

Takes acceleration in mg from the tilt sensor a few times a minute, gives the values of TILT
events. Pure; integers only, every value below 2**30. On its side a dry shipper loses up to 60 % of
its hold time, upside down it lasts hours: the time in a band matters, not the moment.

Upright is +z. The angle is atan2(length of (x, y), z), found in a table of tangents: an angle
is told apart from an edge within 0.02 degree, and the whole degree returned is the nearest within
that. What the sensor adds (16 mg steps: about 1 degree) is
not in this figure.

A reading is used only while its length is 0.7 to 1.3 g: then gravity is nearly all of it. A band
is entered when CONFIRM_LOOKS readings in a row lie in it; the time since the first of them is then
counted there, else where the shipper was.
"""

from micropython import const

from dewarlog_firmware.isqrt import isqrt
from dewarlog_wire.layout import TILT_BANDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from dewarlog_firmware.config import TiltSettings

CONFIRM_LOOKS = 3
_LEAST_MG = const(700)
_MOST_MG = const(1300)

# tan(k / 2 degrees) * 2**14 for k = 0 to 90, nearest.
_TANGENT_BITS = const(14)
# fmt: off
_TANGENTS = (
    0, 143, 286, 429, 572, 715, 859, 1002, 1146, 1289, 1433, 1578, 1722,
    1867, 2012, 2157, 2303, 2449, 2595, 2742, 2889, 3037, 3185, 3333, 3483, 3632,
    3783, 3933, 4085, 4237, 4390, 4544, 4698, 4853, 5009, 5166, 5323, 5482, 5641,
    5802, 5963, 6126, 6289, 6454, 6620, 6786, 6955, 7124, 7295, 7467, 7640, 7815,
    7991, 8169, 8348, 8529, 8712, 8896, 9082, 9270, 9459, 9651, 9845, 10040, 10238,
    10438, 10640, 10844, 11051, 11260, 11472, 11687, 11904, 12124, 12346, 12572, 12801, 13032,
    13268, 13506, 13748, 13993, 14242, 14495, 14752, 15013, 15278, 15548, 15822, 16101, 16384,
)
# fmt: on


def half_degrees(x_mg: int, y_mg: int, z_mg: int) -> int:
    """Return the angle from +z in half degrees, floored: 0 to 360. Values within +-4000 mg.

    Each octant looks up a tangent of 45 degrees or less. Where the angle found is taken from a
    whole turn, floor becomes ceiling: the count of tangents strictly below.
    """
    across = isqrt(16 * (x_mg * x_mg + y_mg * y_mg))
    along = 4 * z_mg
    if along > 0 and across <= along:
        return _tangents_to(across, along) - 1
    if along >= 0:
        return 180 - _tangents_below(along, across)
    if across > -along:
        return 180 + _tangents_to(-along, across) - 1
    return 360 - _tangents_below(across, -along)


def _tangents_to(opposite: int, adjacent: int) -> int:
    """Count the tangents of the table at or below opposite / adjacent."""
    scaled = opposite << _TANGENT_BITS
    low = 0
    high = len(_TANGENTS)
    while low < high:
        middle = (low + high) >> 1
        if _TANGENTS[middle] * adjacent <= scaled:
            low = middle + 1
        else:
            high = middle
    return low


def _tangents_below(opposite: int, adjacent: int) -> int:
    """Count the tangents of the table strictly below opposite / adjacent."""
    scaled = opposite << _TANGENT_BITS
    low = 0
    high = len(_TANGENTS)
    while low < high:
        middle = (low + high) >> 1
        if _TANGENTS[middle] * adjacent < scaled:
            low = middle + 1
        else:
            high = middle
    return low


class Tilt:
    """Band and totals of one run. `settings`: config.TiltSettings. Main loop only."""

    def __init__(self, settings: "TiltSettings") -> None:
        edges = (settings.edge_1_deg, settings.edge_2_deg, settings.edge_3_deg)
        self._edges_half_deg = tuple([2 * edge for edge in edges])
        self._hold_band = settings.hold_band
        self._hold_s = 60 * settings.hold_minutes
        self.band = 0
        self.angle_deg = 0  # at the newest reading that could be used
        self.totals_s = [0] * TILT_BANDS  # since the run began
        self._last_s = -1  # uptime of the last look; -1: none since a break
        self.is_known = False  # a band has been seen in this run
        self._candidate = 0
        self._seen = 0  # looks in a row at the candidate
        self._unsure_s = 0  # time since the first of them

    def look(self, axes_mg: "Sequence[int] | None", uptime_s: int) -> bool:
        """Take one reading of x, y, z, or None when there was none; True when the band changed.

        Without a reading the time passes in the band the shipper was last seen in.
        """
        passed_s = uptime_s - self._last_s if self._last_s >= 0 else 0
        self._last_s = uptime_s
        if self._seen:
            self._unsure_s += passed_s
        else:
            self.totals_s[self.band] += passed_s
        if axes_mg is None:
            return False
        x_mg, y_mg, z_mg = axes_mg[0], axes_mg[1], axes_mg[2]
        length_2 = x_mg * x_mg + y_mg * y_mg + z_mg * z_mg
        if not _LEAST_MG * _LEAST_MG <= length_2 <= _MOST_MG * _MOST_MG:
            return False
        half_deg = half_degrees(x_mg, y_mg, z_mg)
        self.angle_deg = (half_deg + 1) >> 1
        return self._see(self._band_of(half_deg))

    def _band_of(self, half_deg: int) -> int:
        band = 0
        for edge in self._edges_half_deg:
            if half_deg >= edge:
                band += 1
        return band

    def _see(self, band: int) -> bool:
        """Confirm a band: table of (band seen) -> what becomes of the candidate."""
        if not self.is_known:  # the first reading of a run needs no confirmation
            self.is_known = True
            changed = band != self.band
            self.band = band
            return changed
        if band == self.band:
            self._settle(self.band)
            return False
        if not self._seen or band != self._candidate:
            self._settle(self.band)
            self._candidate = band
        self._seen += 1
        if self._seen < CONFIRM_LOOKS:
            return False
        self.band = band
        self._settle(band)
        return True

    def _settle(self, band: int) -> None:
        """Count the unsure time in a band and forget the candidate."""
        self.totals_s[band] += self._unsure_s
        self._unsure_s = 0
        self._seen = 0

    @property
    def has_held(self) -> bool:
        """Tell whether the bands that count have reached the minutes that mean HOLD."""
        if not self._hold_band:
            return False
        counted_s = 0
        for band in range(self._hold_band, TILT_BANDS):
            counted_s += self.totals_s[band]
        return counted_s >= self._hold_s

    def break_time(self) -> None:
        """Count no time from the last look to the next: a boot lies between them."""
        self._settle(self.band)
        self._last_s = -1

    def values(self) -> tuple:
        """Return the values of an EVENT_TILT; unsure time counts where the shipper was."""
        totals = list(self.totals_s)
        totals[self.band] += self._unsure_s
        return (self.band, self.angle_deg, totals[0], totals[1], totals[2], totals[3])

    def resume(self, values: "Sequence[int]", passed_s: int = 0) -> None:
        """Go on after a boot from the newest EVENT_TILT of the run.

        `passed_s`: uptime from that event to the last sign of life before the cut, which the
        shipper spent in the band of the event as far as anyone knows.
        """
        self.band = values[0]
        self.angle_deg = values[1]
        for band in range(TILT_BANDS):
            self.totals_s[band] = values[2 + band]
        self.totals_s[self.band] += passed_s
        self.is_known = True
        self._last_s = -1
        self._seen = 0
        self._unsure_s = 0
