"""What a profile says of its own making: calibrations, handling, and who armed the board for what.

Place in the line: between profile_reader and config. Pure. The board acts on none of it: it stands
in block 0, for whoever reads the log. Sections: protocol/SPEC.md 4.7.
"""

from collections import namedtuple

from dewarlog_firmware.profile_reader import Section
from dewarlog_wire import layout

POINTS_MAX = 4  # of one probe
_LOWEST_DEGC = -250
_HIGHEST_DEGC = 130
_HOUR_S = 3600
_HPA_PA = 100
_OTHER_BATH = layout.CALIBRATION_POINT_NAMES.index("other bath")

# The fields of the layout records of the same name, in their order, then their texts.
Calibration = namedtuple(
    "Calibration",
    (
        "channel",
        "point",
        "reference_count",
        "indicated_count",
        "u_count",
        "pressure_pa",
        "utc_s",
        "serial",
        "reference",
    ),
)
Handling = namedtuple("Handling", ("thaw_to_infusion_min", "calibration_policy"))
Arming = namedtuple(
    "Arming",
    ("utc_s", "planned_s", "static_hold_s", "charge_g", "overridden", "actor", "reason"),
)


def read_calibrations(channel_section: Section, channel: int) -> "list[Calibration]":
    """Return the points at which the probe of a channel was compared, each at most once."""
    found = []
    points = 0
    items = channel_section.items("calibration", [], 0, POINTS_MAX)
    for index in range(len(items)):
        section = Section(items[index], channel_section.path("calibration[%d]" % index))
        point = section.one_of("point", None, layout.CALIBRATION_POINT_NAMES)
        if points & 1 << point and point != _OTHER_BATH:
            raise section.refuse("point", "each fixed point once")
        points |= 1 << point
        found.append(_calibration(section, channel, point))
        section.close()
    return found


def _calibration(section: Section, channel: int, point: int) -> Calibration:
    per_degc = layout.TEMPERATURE_PER_DEGC
    pressure_pa = 0
    if not section.is_null("pressure_hpa"):
        pressure_pa = section.counts("pressure_hpa", None, 300, 1100, _HPA_PA)
    return Calibration(
        channel,
        point,
        section.counts("reference_degc", None, _LOWEST_DEGC, _HIGHEST_DEGC, per_degc),
        section.counts("indicated_degc", None, _LOWEST_DEGC, _HIGHEST_DEGC, per_degc),
        section.counts("u_degc", None, 0, 10, per_degc),
        pressure_pa,
        section.moment("at"),
        section.serial("serial"),
        section.text("reference", layout.SECTION_TEXT_MAX_BYTES),
    )


def read_handling(top: Section) -> "Handling | None":
    """Return what is asked of those who handle the product; None where nothing is said."""
    if top.is_null("handling"):
        return None
    section = Section(top.value("handling", None, ""), "handling")
    minutes = section.whole("thaw_to_infusion_min", 0, 0, 10080)
    policy = section.one_of("calibration_policy", "warn", layout.CALIBRATION_POLICY_NAMES)
    section.close()
    return Handling(minutes, policy)


def read_arming(top: Section) -> "Arming | None":
    """Return who began this run and for what plan; None where no arming host did."""
    if top.is_null("arming"):
        return None
    section = Section(top.value("arming", None, ""), "arming")
    utc_s = section.moment("at")
    planned_s = section.counts("planned_h", None, 0.1, 2160, _HOUR_S)
    static_hold_s = 0
    if not section.is_null("static_hold_h"):
        static_hold_s = section.counts("static_hold_h", None, 0.1, 8760, _HOUR_S)
    charge_g = 0
    if not section.is_null("charge_g"):
        charge_g = section.whole("charge_g", None, 1, 100000)
    overridden = _overridden(section)
    most = layout.SECTION_TEXT_MAX_BYTES
    actor = section.text("actor", most)
    if not actor.strip():
        raise section.refuse("actor", "who armed the board")
    reason = section.text("reason", most)
    if overridden and not reason.strip():
        raise section.refuse("reason", "a reason, because something is overridden")
    section.close()
    return Arming(utc_s, planned_s, static_hold_s, charge_g, overridden, actor, reason)


def _overridden(section: Section) -> int:
    """Return the mask of what stood against arming: bit n is layout.ARM_REFUSAL_NAMES[n]."""
    names = layout.ARM_REFUSAL_NAMES
    mask = 0
    for name in section.items("overridden", [], 0, len(names)):
        if name not in names:
            raise section.refuse("overridden", "a list of " + ", ".join(names))
        mask |= 1 << names.index(name)
    return mask
