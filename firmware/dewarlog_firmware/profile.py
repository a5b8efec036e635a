"""What the log says about a run before its first sample, and the profile used when none is given.

Place in the line: beside config; app hands the sections to recorder for block 0. Pure.
Section bodies: protocol/SPEC.md section 4 through dewarlog_wire.layout.
"""

import struct

from dewarlog_wire import layout
from dewarlog_wire.crc import crc32
from dewarlog_wire.texts import section_texts_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dewarlog_firmware.config import Config


def default_document() -> dict:
    """Return the profile of a board that was given none, as it would stand in /profile.json.

    One probe, and the limits a payload below -150 degC is commonly held to; a board that starts
    with it records everything and judges cautiously.
    """
    return {
        "texts": {"profile": "built-in default"},
        "sampling": {"interval_ms": 10000, "fast_interval_ms": 2000},
        "channels": [{"channel": 0, "probe_type": "T", "placement": "payload top"}],
        "rules": [
            # Operators are called at -170 degC, with hours left to act.
            {
                "kind": "above",
                "threshold_degc": -170,
                "hysteresis_degc": 2,
                "dwell_s": 600,
                "severity": "warn",
            },
            {
                "kind": "above",
                "threshold_degc": -150,
                "hysteresis_degc": 2,
                "dwell_s": 300,
                "severity": "hold",
            },
            # Water in cells begins to move near the glass transition.
            {
                "kind": "above",
                "threshold_degc": -135,
                "hysteresis_degc": 2,
                "dwell_s": 0,
                "severity": "hold",
            },
            # A shipper that has run dry warms by tens of kelvins an hour.
            {
                "kind": "rising",
                "threshold_k_per_h": 20,
                "hysteresis_k_per_h": 10,
                "rate_window_s": 900,
                "dwell_s": 300,
                "severity": "warn",
            },
        ],
        "shock": {},
        "tilt": {},
        "radio": {},
        "access": {},
    }


def profile_sections(config: "Config") -> "Iterator[tuple[int, bytes]]":
    """Yield (section kind, body) of a run's first block; IDENTITY is the caller's, before them."""
    for kind, text in config.texts:
        yield layout.SECTION_TEXT, bytes((kind,)) + text.encode()
    yield layout.SECTION_SAMPLING, struct.pack(layout.SAMPLING.format, *config.sampling)
    for channel in config.channels:
        yield layout.SECTION_CHANNEL, struct.pack(layout.CHANNEL.format, *channel)
    for point in config.calibrations:
        kind = layout.SECTION_CALIBRATION
        yield kind, section_texts_body(kind, point[:-1], point[-1:])
    for rule in config.rules:
        yield layout.SECTION_RULE, struct.pack(layout.RULE.format, *rule)
    yield (
        layout.SECTION_SHOCK_SETTINGS,
        struct.pack(layout.SHOCK_SETTINGS.format, *config.shock),
    )
    yield layout.SECTION_TILT_SETTINGS, struct.pack(layout.TILT_SETTINGS.format, *config.tilt)
    if config.handling is not None:
        yield layout.SECTION_HANDLING, struct.pack(layout.HANDLING.format, *config.handling)
    if config.arming is not None:
        kind = layout.SECTION_ARMING
        yield kind, section_texts_body(kind, config.arming[:-2], config.arming[-2:])


def profile_crc(sections: "Iterable[tuple[int, bytes]]") -> int:
    """Return the CRC-32 that tells one profile from another."""
    crc = 0
    for kind, body in sections:
        crc = crc32(body, crc32(bytes((kind,)), crc))
    return crc


def reading_columns(config: "Config") -> tuple:
    """Return (channel, index of its reading among a sample's codes) of each fitted channel.

    Column order: reading, and min and max where several conversions make a sample, channel by
    channel; the cold junction is last.
    """
    width = 3 if config.sampling.conversions > 1 else 1
    columns = []
    for position in range(len(config.channels)):
        columns.append((config.channels[position].channel, position * width))
    return tuple(columns)
