"""The board's configuration: /profile.json read, checked once, and frozen.

Place in the line: beside it; app loads it at boot and hands its parts out. Pure: takes the file's
text, opens nothing. Every number a person writes is in the unit its key ends with; counts are made
here, once, so that single-precision floats of a board meet only a decimal and one rounding.

A key that is not below, or a value outside its range, is refused by name (ConfigError): a rule
that was meant to be there and is not would be worse than a board that will not start.

    texts           all optional, at most 200 bytes of UTF-8 each
      board, dewar, shipment, profile, contact, chain_of_identity
      hardware, account, purchase_order, cost_centre, consignee
      instructions  list of at most 12 texts, in the order a person is to follow
    sampling        optional
      interval_ms             10000   1000 to 600000, between two samples
      fast_interval_ms            0   while a rule is pending or active; 0: never faster
      conversions                 1   1 to 60 that make one sample; at least 1000 ms apart each
      gain                       32   8 or 32; 32 measures to +-19.5 mV in steps of 149 nV
      averaging                  16   1, 2, 4, 8 or 16 readings the converter averages itself
      mains_hz                   50   50 or 60, whose hum the converter rejects
      when_full              "stop"   or "overwrite", which gives up the oldest
    channels        required, 1 to 4 of
      channel            required     0 to 3: the board's terminal, and the number in the log
      probe_type              "T"     or "K" or "E"
      placement   "payload top"       or "payload bottom", "neck", "other"
      offset_degc               0     -10 to 10, added after linearising
      calibration_u_degc        0     0 to 10, standard uncertainty of that calibration
      calibrated, calibration_due     "2025-03-01", 00:00 UTC of that day; null: never
      serial                   ""     at most 12 ASCII characters
      calibration              []     at most 4, one for each point: what the offset rests on
        point            required     "ice point", "LN2 point" or "other bath"
        reference_degc   required     -250 to 130, what the probe should have read
        indicated_degc   required     -250 to 130, what it read, without any offset
        u_degc           required     0 to 10, standard uncertainty of the comparison
        pressure_hpa         null     300 to 1100, of the air over liquid nitrogen
        at               required     "2025-03-01T09:30:00Z"
        serial                 ""     of the probe that was compared
        reference              ""     what it was compared with, at most 76 bytes
    rules           required, 0 to 8 of
      kind               required     "above", "below" (a limit), "rising", "falling" (a rate)
      channels              "all"     or a list of fitted channels
      threshold_degc     required     above, below: -250 to 130
      hysteresis_degc           1     above, below: 0 to 100
      threshold_k_per_h  required     rising, falling: 1 to 30000
      hysteresis_k_per_h        0     rising, falling: 0 to 30000
      rate_window_s           600     rising, falling: 60 to 21600; at most 2 different ones
      dwell_s                   0     0 to 1209600 (14 days)
      mode               "single"     or "cumulative": the dwell counts over all stays
      severity             "hold"     or "warn"
    shock           optional
      rate_hz                3200     800, 1600, 3200 or 6400
      trigger_g                 8     1.5 g or more, gravity included, on any axis; low enough that
                                      no shock of the first band is missed (band / 1.732 - 1)
      quiet_ms                 30     5 to 500 below the trigger: the shock has ended
      pre_trigger_ms           10     kept from before the trigger; 8 to 128 samples
      window_ms               320     kept at most; at most 4096 samples
      bands_g        [25, 50, 100]    lower edges on the resultant peak, rising, 8 to 340
      hold_band                 3     a shock of this band or above means HOLD; 0: never
      hold_velocity_change_m_s  0     and it must reach this, 0 to 65
    tilt            optional
      edges_deg     [30, 60, 120]     from upright, rising, 1 to 179
      hold_band                 2     minutes in this band or above count, 1 to 3; 0: never HOLD
      hold_minutes             60     1 to 20160
      period_s                 10     1 to 600, between two looks
    radio           optional
      mode                   "on"     or "off": flight mode from the start of the run
      advertise_ms           1000     100 to 10000, between two advertisements
    access          optional
      lock                  false     or true: locked at each start, once an admin has claimed it
    power           optional
      sleep              "idle"       or "light": deep between samples while radio and USB are off
    handling        optional          what is asked of those who handle the product
      thaw_to_infusion_min      0     0 to 10080 from thaw start to infuse; 0: not told
      calibration_policy   "warn"     or "refuse": a run past a probe's due date
    arming          optional          who began this run, and for what plan
      at                 required     "2025-03-01T09:30:00Z", by the host's clock
      planned_h          required     0.1 to 2160
      static_hold_h          null     0.1 to 8760, what the charge gives at rest
      charge_g               null     1 to 100000 of liquid nitrogen, weighed
      overridden               []     what stood against it (layout.ARM_REFUSAL_NAMES)
      actor              required     1 to 76 bytes
      reason                   ""     at most 76 bytes; must be given when anything is overridden
"""

import json
from collections import namedtuple

from dewarlog_firmware.profile_reader import ConfigError, Section, checked_text
from dewarlog_firmware.provenance import read_arming, read_calibrations, read_handling
from dewarlog_wire import layout

CHANNELS_MAX = 4
TEXT_MAX_BYTES = 200
INSTRUCTIONS_MAX = 12
RATE_WINDOWS_MAX = 2  # keeps the excursion engine's state within the journal's write buffer
_DEPTH_MAX = 16  # of brackets; a profile's are 5 deep
LOWEST_DEGC = -250
HIGHEST_DEGC = 130

# What the accelerometer is (ADXL372 data sheet, Table 1): +-200 g, 100 mg a count.
_SHOCK_COUNT_MG = 100
_SHOCK_RANGE_G = 200
# A lower band would need a trigger that gravity, the part's zero offset and its noise
# reach at rest: the capture would never end.
_BAND_MIN_G = 8
_SHOCK_WINDOW_MAX = 4096  # samples, as many as a block's columns may hold
_PRE_TRIGGER_MIN = 8  # samples: fewer make no baseline
_PRE_TRIGGER_MAX = 128  # samples: the sensor's FIFO holds 170 and must fill while a board wakes

# The fields of the first five are those of the layout records of the same name, in their order.
Sampling = namedtuple(
    "Sampling", ("interval_ms", "fast_interval_ms", "conversions", "gain", "full_policy")
)
Channel = namedtuple(
    "Channel",
    (
        "channel",
        "probe_type",
        "placement",
        "offset_count",
        "calibration_u_count",
        "calibrated_utc_s",
        "calibration_due_utc_s",
        "serial",
    ),
)
Rule = namedtuple(
    "Rule",
    (
        "rule",
        "kind",
        "mode",
        "severity",
        "channel_mask",
        "threshold",
        "hysteresis",
        "dwell_s",
        "rate_window_s",
    ),
)
ShockSettings = namedtuple(
    "ShockSettings",
    (
        "rate_hz",
        "count_mg",
        "range_g",
        "trigger_count",
        "quiet_ms",
        "pre_trigger",
        "window",
        "band_1_g",
        "band_2_g",
        "band_3_g",
        "hold_band",
        "hold_velocity_change_mm_s",
    ),
)
TiltSettings = namedtuple(
    "TiltSettings",
    ("edge_1_deg", "edge_2_deg", "edge_3_deg", "hold_band", "hold_minutes", "period_s"),
)
RadioSettings = namedtuple("RadioSettings", ("state", "advertise_ms"))  # 0 off, 1 on
AccessSettings = namedtuple("AccessSettings", ("lock",))  # True, False
PowerSettings = namedtuple("PowerSettings", ("light",))  # True, False
Converter = namedtuple("Converter", ("gain", "averaging", "mains_hz"))
# `texts`: pairs of (layout.TEXT_*, text), empty ones left out. The last three: provenance.
Config = namedtuple(
    "Config",
    (
        "texts",
        "sampling",
        "converter",
        "channels",
        "rules",
        "shock",
        "tilt",
        "radio",
        "access",
        "power",
        "calibrations",
        "handling",
        "arming",
    ),
)


def load_config(text: "str | bytes") -> Config:
    """Return the configuration that the text of /profile.json describes. Raises ConfigError."""
    try:
        if not isinstance(text, str):
            text = str(text, "utf-8")
        deepest, left_open, named = _brackets(text)
        if deepest > _DEPTH_MAX:
            raise ConfigError("profile", "nested too deep", "a JSON object")
        document = json.loads(text)
    except (ValueError, UnicodeError) as error:
        raise ConfigError("profile", "not JSON (%s)" % error, "a JSON object") from None
    if left_open:
        raise ConfigError("profile", "cut off before its end", "a whole JSON object")
    if named != _names_in(document):
        raise ConfigError("profile", "not clear (a name stands twice)", "each name once, and a :")
    return parse_config(document)


def _brackets(text: str) -> tuple:
    """Return how deep brackets nest, how many are left open, and how many names have a value.

    MicroPython's reader takes a lost last brace, and 80 bytes of heap for each bracket. Of a name
    that stands twice every reader keeps the last value alone.
    """
    depth = deepest = named = 0
    in_string = False
    escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "}]":
            depth -= 1
        elif character == ":":
            named += 1
    return deepest, depth, named


def _names_in(value: object) -> int:
    """Return how many names the objects in a document have."""
    if isinstance(value, dict):
        return len(value) + sum([_names_in(item) for item in value.values()])
    if isinstance(value, list):
        return sum([_names_in(item) for item in value])
    return 0


def parse_config(document: object) -> Config:
    """Return the configuration of a profile already read from JSON. Raises ConfigError."""
    top = Section(document, "")
    texts = _texts(Section(top.value("texts", {}, ""), "texts"))
    sampling, converter = _sampling(Section(top.value("sampling", {}, ""), "sampling"))
    channels, calibrations = _channels(top)
    rules = _rules(top, channels)
    shock = _shock(Section(top.value("shock", {}, ""), "shock"))
    tilt = _tilt(Section(top.value("tilt", {}, ""), "tilt"))
    radio = _radio(Section(top.value("radio", {}, ""), "radio"))
    access = _access(Section(top.value("access", {}, ""), "access"))
    power = _power(Section(top.value("power", {}, ""), "power"))
    handling = read_handling(top)
    arming = read_arming(top)
    top.close()
    return Config(
        texts,
        sampling,
        converter,
        channels,
        rules,
        shock,
        tilt,
        radio,
        access,
        power,
        calibrations,
        handling,
        arming,
    )


def _texts(section: Section) -> tuple:
    texts = []
    for kind in sorted(layout.TEXT_NAMES):
        name = layout.TEXT_NAMES[kind]
        if kind == layout.TEXT_INSTRUCTION:
            lines = section.items("instructions", [], 0, INSTRUCTIONS_MAX)
            for index in range(len(lines)):
                checked_text(
                    section.path("instructions[%d]" % index), lines[index], TEXT_MAX_BYTES
                )
                texts.append((kind, lines[index]))
            continue
        text = section.text(name, TEXT_MAX_BYTES)
        if text:
            texts.append((kind, text))
    section.close()
    return tuple(texts)


def _sampling(section: Section) -> tuple:
    interval_ms = section.whole("interval_ms", 10000, 1000, 600000)
    fast_interval_ms = section.whole("fast_interval_ms", 0, 0, interval_ms)
    conversions = section.whole("conversions", 1, 1, 60)
    # The converter takes up to 800 ms for one conversion: none may be due sooner than 1 s.
    for key, interval in (("interval_ms", interval_ms), ("fast_interval_ms", fast_interval_ms)):
        least = 1000 * conversions
        if (interval or key == "interval_ms") and (interval < least or interval % conversions):
            allowed = "%d or more and a multiple of the %d conversions" % (least, conversions)
            raise section.refuse(key, allowed)
    gain = (8, 32)[section.one_of("gain", 32, (8, 32))]
    averaging = 1 << section.one_of("averaging", 16, (1, 2, 4, 8, 16))
    mains_hz = (50, 60)[section.one_of("mains_hz", 50, (50, 60))]
    full_policy = section.one_of("when_full", "stop", ("stop", "overwrite"))
    section.close()
    return (
        Sampling(interval_ms, fast_interval_ms, conversions, gain, full_policy),
        Converter(gain, averaging, mains_hz),
    )


def _channels(top: Section) -> tuple:
    channels = []
    calibrations = []
    fitted = 0
    items = top.items("channels", None, 1, CHANNELS_MAX)
    for index in range(len(items)):
        section = Section(items[index], "channels[%d]" % index)
        channel = section.whole("channel", None, 0, CHANNELS_MAX - 1)
        if fitted & 1 << channel:
            raise section.refuse("channel", "each channel once")
        fitted |= 1 << channel
        channels.append(_channel(section, channel))
        calibrations.extend(read_calibrations(section, channel))
        section.close()
    # The log's columns stand in this order.
    return tuple(sorted(channels)), tuple(sorted(calibrations))


def _channel(section: Section, channel: int) -> Channel:
    per_degc = layout.TEMPERATURE_PER_DEGC
    probe_type = ord("TKE"[section.one_of("probe_type", "T", ("T", "K", "E"))])
    placement = section.one_of("placement", "payload top", layout.PLACEMENT_NAMES)
    offset_count = section.counts("offset_degc", 0, -10, 10, per_degc)
    u_count = section.counts("calibration_u_degc", 0, 0, 10, per_degc)
    calibrated_utc_s = section.date("calibrated")
    due_utc_s = section.date("calibration_due")
    if due_utc_s != layout.UTC_UNKNOWN and not calibrated_utc_s < due_utc_s:
        raise section.refuse("calibration_due", "a day after `calibrated`, which must be given")
    return Channel(
        channel,
        probe_type,
        placement,
        offset_count,
        u_count,
        calibrated_utc_s,
        due_utc_s,
        section.serial("serial"),
    )


def _rules(top: Section, channels: tuple) -> tuple:
    rules = []
    windows = []
    items = top.items("rules", None, 0, layout.RULE_MAX)
    for index in range(len(items)):
        section = Section(items[index], "rules[%d]" % index)
        rule = _rule(section, index, channels)
        section.close()
        rules.append(rule)
        if rule.rate_window_s and rule.rate_window_s not in windows:
            windows.append(rule.rate_window_s)
            if len(windows) > RATE_WINDOWS_MAX:
                allowed = "one of the windows used before, %s" % windows[:RATE_WINDOWS_MAX]
                raise section.refuse("rate_window_s", allowed)
    return tuple(rules)


def _rule(section: Section, index: int, channels: tuple) -> Rule:
    kind = 1 + section.one_of("kind", None, ("above", "below", "rising", "falling"))
    mask = _mask(section, channels)
    window_s = 0
    if kind in (layout.RULE_ABOVE, layout.RULE_BELOW):
        per_degc = layout.TEMPERATURE_PER_DEGC
        threshold = section.counts("threshold_degc", None, LOWEST_DEGC, HIGHEST_DEGC, per_degc)
        hysteresis = section.counts("hysteresis_degc", 1, 0, 100, per_degc)
        back = threshold - hysteresis if kind == layout.RULE_ABOVE else threshold + hysteresis
        if not LOWEST_DEGC * per_degc <= back <= HIGHEST_DEGC * per_degc:
            raise section.refuse("hysteresis_degc", "an end of the excursion that can be read")
    else:
        threshold = section.whole("threshold_k_per_h", None, 1, 30000)
        hysteresis = section.whole("hysteresis_k_per_h", 0, 0, 30000)
        window_s = section.whole("rate_window_s", 600, 60, 21600)
    dwell_s = section.whole("dwell_s", 0, 0, 1209600)
    mode = section.one_of("mode", "single", ("single", "cumulative"))
    severity = section.one_of("severity", "hold", ("warn", "hold"))
    return Rule(index, kind, mode, severity, mask, threshold, hysteresis, dwell_s, window_s)


def _mask(section: Section, channels: tuple) -> int:
    fitted = [channel.channel for channel in channels]
    allowed = '"all" or a list of the fitted channels, %s' % fitted
    chosen = section.value("channels", "all", allowed)
    if chosen == "all":
        chosen = fitted
    if not isinstance(chosen, list) or not chosen:
        raise section.refuse("channels", allowed)
    mask = 0
    for channel in chosen:
        if isinstance(channel, bool) or not isinstance(channel, int) or channel not in fitted:
            raise section.refuse("channels", allowed)
        mask |= 1 << channel
    return mask


def _shock(section: Section) -> ShockSettings:
    rate_hz = 800 << section.one_of("rate_hz", 3200, (800, 1600, 3200, 6400))
    bands = section.rising("bands_g", [25, 50, 100], _BAND_MIN_G, 340)
    # A resultant of band_1 has at least band_1 / sqrt(3) on one axis, less 1 g of gravity.
    highest = bands[0] * 577 // 100 - 10
    usual = 8 if highest >= 80 else highest / 10
    trigger = section.counts("trigger_g", usual, 1.5, highest / 10, 1000 // _SHOCK_COUNT_MG)
    quiet_ms = section.whole("quiet_ms", 30, 5, 500)
    least_ms = (_PRE_TRIGGER_MIN * 1000 + rate_hz - 1) // rate_hz
    most_ms = _PRE_TRIGGER_MAX * 1000 // rate_hz
    pre_trigger = section.whole("pre_trigger_ms", 10, least_ms, most_ms) * rate_hz // 1000
    most_ms = _SHOCK_WINDOW_MAX * 1000 // rate_hz
    window = section.whole("window_ms", 320, 20, most_ms) * rate_hz // 1000
    if window < 2 * pre_trigger:
        raise section.refuse("window_ms", "at least twice pre_trigger_ms")
    hold_band = section.whole("hold_band", 3, 0, layout.SHOCK_BANDS)
    hold_mm_s = section.counts("hold_velocity_change_m_s", 0, 0, 65, 1000)
    section.close()
    return ShockSettings(
        rate_hz,
        _SHOCK_COUNT_MG,
        _SHOCK_RANGE_G,
        trigger,
        quiet_ms,
        pre_trigger,
        window,
        bands[0],
        bands[1],
        bands[2],
        hold_band,
        hold_mm_s,
    )


def _tilt(section: Section) -> TiltSettings:
    edges = section.rising("edges_deg", [30, 60, 120], 1, 179)
    hold_band = section.whole("hold_band", 2, 0, layout.TILT_BANDS - 1)
    hold_minutes = section.whole("hold_minutes", 60, 1, 20160)
    period_s = section.whole("period_s", 10, 1, 600)
    section.close()
    return TiltSettings(edges[0], edges[1], edges[2], hold_band, hold_minutes, period_s)


def _radio(section: Section) -> RadioSettings:
    state = section.one_of("mode", "on", ("off", "on"))
    advertise_ms = section.whole("advertise_ms", 1000, 100, 10000)
    section.close()
    return RadioSettings(state, advertise_ms)


def _access(section: Section) -> AccessSettings:
    lock = section.flag("lock", default=False)
    section.close()
    return AccessSettings(lock)


def _power(section: Section) -> PowerSettings:
    light = section.one_of("sleep", "idle", ("idle", "light"))
    section.close()
    return PowerSettings(light == 1)
