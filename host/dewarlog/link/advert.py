"""What a dewar says of itself on the air, before anyone connects: one advertisement, parsed.

Pure: no radio and no clock. Strict, because anyone can send anything: bytes that are not exactly
an advertisement of a version we know are no advertisement at all. Format: protocol/SPEC.md,
BLE binding.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROBE_STATES: Final = len(layout.STATE_NAMES)
# A dewar's name on the air: this, and the last digits of its device id. Whoever asks by digits
# gives at least as many.
NAME_PREFIX: Final = "dewarlog-"
NAME_DIGITS: Final = 4
_BY_DIGITS: Final = re.compile(rf"(?:{NAME_PREFIX})?([0-9a-f]{{{NAME_DIGITS},16}})")
_ADDRESS: Final = re.compile("[0-9a-f]{12}|[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Advert:
    """A sound advertisement: layout.ADVERT without its version."""

    state: int
    backlog_kib: int
    reading: int

    @property
    def temperature_degc(self) -> float | None:
        """The warmest payload probe; None when it gives no temperature."""
        if self.reading < layout.READING_MIN:
            return None
        return self.reading / layout.TEMPERATURE_PER_DEGC


@dataclass(frozen=True, slots=True)
class Heard:
    """One peripheral with our service, as it was last heard."""

    address: str
    name: str | None
    """As advertised, by whoever advertised it; None until a scan response came."""
    advert: Advert | None
    """None when it says nothing that this program understands."""
    rssi_dbm: int
    at_s: float
    """When, on the monotonic clock."""


def parse_advert(manufacturer_data: Mapping[int, bytes]) -> Advert | None:
    """Return what an advertisement's manufacturer data says; None when it is not ours."""
    data = manufacturer_data.get(layout.BLE_COMPANY)
    if data is None or len(data) != layout.ADVERT.size:
        return None
    version, state, backlog_kib, reading = struct.unpack(layout.ADVERT.format, data)
    if version != layout.ADVERT_VERSION:
        return None
    if reading < layout.READING_MIN and layout.state_of(reading) >= _PROBE_STATES:
        return None
    return Advert(state, backlog_kib, reading)


def answers_to(wanted: str, heard: Heard) -> bool:
    """Tell whether a person who asks for `wanted` may mean this peripheral.

    By its name, its address, or the last digits of its device id; letter case does not matter.
    """
    wanted = wanted.casefold()
    if _bare(wanted) == _bare(heard.address.casefold()):
        return True
    name = (heard.name or "").casefold()
    if not name:
        return False
    tail = id_digits(wanted)
    return name in (wanted, NAME_PREFIX + tail[-NAME_DIGITS:] if tail else wanted)


def id_digits(wanted: str) -> str:
    """Return the last digits of the device id that `wanted` asks for; empty when it does not.

    `dewarlog-4b2f`, `4b2f` and the whole id do, an address does not.
    """
    match = _BY_DIGITS.fullmatch(wanted.casefold())
    return match[1] if match else ""


def is_address(wanted: str) -> bool:
    """Tell whether `wanted` is an address: of Bluetooth's form, or of Apple's stand-in for it."""
    return _ADDRESS.fullmatch(_bare(wanted.casefold())) is not None


def _bare(address: str) -> str:
    return address.replace(":", "").replace("-", "")
