"""What a trip takes of a logger's memory and battery.

In the bench: the gate asks it. Pure. Three times the plan must fit: consignments have been lost
for eight days and found (notifylibrary.org, incident 345), and then the log is all there is to
judge by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dewarlog.bench.profile import Profile

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

# Reckoned for a Pico W, radio on: processor idle between samples with USB up, the chips of the
# table in firmware/README.md (0.54 mA), an advertisement a second.
MEAN_MA: Final = 12.0
# What a cell gives of its rated capacity, cool and to the board's last 3 V.
USABLE_PART: Final = 0.80


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


def mah_needed(planned_h: float) -> float:
    """Return what a plan takes of a battery's rated capacity, in mAh."""
    return planned_h * MEAN_MA / USABLE_PART
