"""What a trip takes of a logger's memory and battery.

In the bench: the gate asks it. Pure. Three times the plan must fit: consignments have been lost
for eight days and found (notifylibrary.org, incident 345), and then the log is all there is to
judge by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dewarlog.profile.model import Profile

PLANS: Final = 3
# Whole file of 14 days: 2.28 bytes for a sample of four readings (README.md, Figures), blocks,
# events and the small columns of cold junction and lateness with it.
BYTES_PER_READING: Final = 0.47
BYTES_PER_SAMPLE: Final = 0.40
# Express parcels meet some 24 drops, kicks and tosses on their way (d.lib.msu.edu/etd/29897); most
# stay below the first band, and only what reaches it keeps its window.
SHOCKS_PER_DAY: Final = 4
BYTES_PER_SHOCK: Final = 600
# How much of a trip is spent at the fast interval: a rule is pending or active then.
FAST_PART: Final = 0.05
# What flash and file system need beside the log's own bytes: a block that is being sealed.
SPARE_BYTES: Final = 32768

# Mean power of a Pico W with every part fitted, by how it sleeps (firmware/README.md, Current: a
# wake-up of 3 ms, the worse of its two figures, losses of the regulator in it).
_RADIO_MW: Final = 177.0
_IDLE_MW: Final = 107.0
_LIGHT_MW: Final = 22.9
_LIGHT_800_HZ_MW: Final = 11.8
_FIFO_TOO_SHORT_HZ: Final = 6400
"""At this rate of the accelerometer a board does not sleep lightly."""
USABLE_PART: Final = 0.80
"""What a cell gives of its rated energy, in a cold hold and with its age: the same table's."""


def bytes_needed(profile: Profile, planned_h: float) -> int:
    """Return what the log of a plan takes, in bytes; at least, for calm trips take less."""
    sampling = profile.sampling
    seconds = planned_h * 3600
    samples = seconds * 1000 / sampling.interval_ms
    if sampling.fast_interval_ms:
        fast = seconds * FAST_PART * 1000 / sampling.fast_interval_ms
        samples = samples * (1 - FAST_PART) + fast
    readings = len(profile.channels) * (3 if sampling.conversions > 1 else 1)
    of_samples = samples * (readings * BYTES_PER_READING + BYTES_PER_SAMPLE)
    of_shocks = planned_h / 24 * SHOCKS_PER_DAY * BYTES_PER_SHOCK
    return int(of_samples + of_shocks) + SPARE_BYTES


def mean_mw(profile: Profile) -> float:
    """Return the mean power that a board takes by a profile, in mW."""
    if profile.radio.mode == "on":
        return _RADIO_MW
    if profile.power.sleep != "light" or profile.shock.rate_hz >= _FIFO_TOO_SHORT_HZ:
        return _IDLE_MW
    return _LIGHT_800_HZ_MW if profile.shock.rate_hz == 800 else _LIGHT_MW


def wh_needed(profile: Profile, planned_h: float) -> float:
    """Return what a plan takes of a battery's rated energy, in Wh."""
    return planned_h * mean_mw(profile) / 1000 / USABLE_PART
