"""The board's configuration: /profile.json read, checked once, and frozen.

Place in the line: beside it; app loads it at boot and hands its parts out. Pure: takes the file's
text, opens nothing. Every number a person writes is in the unit its key ends with; counts are made
here, once, so that single-precision floats of a board meet only a decimal and one rounding.

A key that is not below, or a value outside its range, is refused by name (ConfigError): a rule
that was meant to be there and is not would be worse than a board that will not start.

    texts           all optional, at most 200 bytes of UTF-8 each
      board, dewar, shipment, profile, contact, chain_of_identity
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
"""

import json
from collections import namedtuple

from dewarlog_wire import layout

CHANNELS_MAX = 4
TEXT_MAX_BYTES = 200
INSTRUCTIONS_MAX = 12
RATE_WINDOWS_MAX = 2  # keeps the excursion engine's state within the journal's write buffer
_DEPTH_MAX = 16  # of brackets; a profile's are 4 deep
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
# `texts`: pairs of (layout.TEXT_*, text), empty ones left out.
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
    ),
)


class ConfigError(Exception):
    """The profile cannot be used: `field` names the place, `allowed` what may stand there."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        """Keep the parts as data beside the sentence."""
        super().__init__("profile: %s is %s; allowed: %s" % (field, value, allowed))
        self.field = field
        self.value = value
        self.allowed = allowed


class _Section:
    """One JSON object being read; remembers which keys were asked for.

    A default of None means that the key must be there.
    """

    def __init__(self, document: object, path: str) -> None:
        if not isinstance(document, dict):
            raise ConfigError(path or "profile", _shown(document), "an object {...}")
        self._document = document
        self._path = path
        self._known = []

    def path(self, key: str) -> str:
        return self._path + "." + key if self._path else key

    def value(self, key: str, default: object, allowed: str) -> object:
        self._known.append(key)
        if key in self._document:
            return self._document[key]
        if default is None:
            raise ConfigError(self.path(key), "missing", allowed)
        return default

    def refuse(self, key: str, allowed: str) -> ConfigError:
        return ConfigError(self.path(key), _shown(self._document.get(key)), allowed)

    def whole(self, key: str, default: object, lowest: int, highest: int) -> int:
        allowed = "a whole number from %d to %d" % (lowest, highest)
        value = self.value(key, default, allowed)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse(key, allowed)
        if not lowest <= value <= highest:
            raise self.refuse(key, allowed)
        return value

    def counts(self, key: str, default: object, lowest: float, highest: float, scale: int) -> int:
        """Return a decimal times `scale`, rounded to the nearest, half away from zero."""
        allowed = "a number from %s to %s" % (lowest, highest)
        value = self.value(key, default, allowed)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.refuse(key, allowed)
        if not lowest <= value <= highest:
            raise self.refuse(key, allowed)
        scaled = value * scale
        return int(scaled + 0.5) if scaled >= 0 else -int(0.5 - scaled)

    def flag(self, key: str, *, default: bool) -> bool:
        allowed = "true or false"
        value = self.value(key, default, allowed)
        if not isinstance(value, bool):
            raise self.refuse(key, allowed)
        return value

    def one_of(self, key: str, default: object, choices: tuple) -> int:
        """Return the position of the value among `choices`."""
        allowed = "one of " + ", ".join([_shown(choice) for choice in choices])
        value = self.value(key, default, allowed)
        for index in range(len(choices)):
            if type(value) is type(choices[index]) and value == choices[index]:
                return index
        raise self.refuse(key, allowed)

    def items(self, key: str, default: object, fewest: int, most: int) -> list:
        allowed = "a list of %d to %d" % (fewest, most)
        value = self.value(key, default, allowed)
        if not isinstance(value, list) or not fewest <= len(value) <= most:
            raise self.refuse(key, allowed)
        return value

    def rising(self, key: str, default: list, lowest: int, highest: int) -> list:
        """Return a list of three whole numbers, each above the one before."""
        allowed = "three rising whole numbers from %d to %d" % (lowest, highest)
        values = self.items(key, default, 3, 3)
        before = lowest - 1
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int):
                raise self.refuse(key, allowed)
            if not before < value <= highest:
                raise self.refuse(key, allowed)
            before = value
        return values

    def close(self) -> None:
        """Refuse whatever was not asked for: most likely a key misspelt."""
        for key in self._document:
            if not isinstance(key, str):  # MicroPython's reader takes any value for one
                raise ConfigError(
                    self._path or "profile", "the name " + _shown(key), "names in quotes"
                )
            if key not in self._known:
                raise ConfigError(
                    self.path(key), "no setting of this board", ", ".join(self._known)
                )


def _shown(value: object) -> str:
    """Return a value as JSON, cut to a length that fits a message."""
    try:
        text = json.dumps(value)
    except RuntimeError:  # recursion
        text = "nested too deep"
    return text if len(text) <= 60 else text[:57] + "..."


def load_config(text: "str | bytes") -> Config:
    """Return the configuration that the text of /profile.json describes. Raises ConfigError."""
    try:
        if not isinstance(text, str):
            text = str(text, "utf-8")
        deepest, left_open = _brackets(text)
        if deepest > _DEPTH_MAX:
            raise ConfigError("profile", "nested too deep", "a JSON object")
        document = json.loads(text)
    except (ValueError, UnicodeError) as error:
        raise ConfigError("profile", "not JSON (%s)" % error, "a JSON object") from None
    if left_open:
        raise ConfigError("profile", "cut off before its end", "a whole JSON object")
    return parse_config(document)


def _brackets(text: str) -> tuple:
    """Return how deep brackets nest, and how many are left open.

    MicroPython's reader takes a lost last brace, and 80 bytes of heap for each bracket.
    """
    depth = 0
    deepest = 0
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
    return deepest, depth


def parse_config(document: object) -> Config:
    """Return the configuration of a profile already read from JSON. Raises ConfigError."""
    top = _Section(document, "")
    texts = _texts(_Section(top.value("texts", {}, ""), "texts"))
    sampling, converter = _sampling(_Section(top.value("sampling", {}, ""), "sampling"))
    channels = _channels(top)
    rules = _rules(top, channels)
    shock = _shock(_Section(top.value("shock", {}, ""), "shock"))
    tilt = _tilt(_Section(top.value("tilt", {}, ""), "tilt"))
    radio = _radio(_Section(top.value("radio", {}, ""), "radio"))
    access = _access(_Section(top.value("access", {}, ""), "access"))
    power = _power(_Section(top.value("power", {}, ""), "power"))
    top.close()
    return Config(texts, sampling, converter, channels, rules, shock, tilt, radio, access, power)


def _texts(section: _Section) -> tuple:
    texts = []
    for kind in sorted(layout.TEXT_NAMES):
        name = layout.TEXT_NAMES[kind]
        if kind == layout.TEXT_INSTRUCTION:
            lines = section.items("instructions", [], 0, INSTRUCTIONS_MAX)
            for index in range(len(lines)):
                _text(section.path("instructions[%d]" % index), lines[index])
                texts.append((kind, lines[index]))
            continue
        text = _text(section.path(name), section.value(name, "", ""))
        if text:
            texts.append((kind, text))
    section.close()
    return tuple(texts)


def _text(path: str, text: object) -> str:
    if not isinstance(text, str) or not _is_unicode(text) or len(text.encode()) > TEXT_MAX_BYTES:
        raise ConfigError(path, _shown(text), "a text of at most %d bytes" % TEXT_MAX_BYTES)
    return text


def _is_unicode(text: str) -> bool:
    """Tell whether a text has no half of a pair in it: JSON can write those, UTF-8 cannot."""
    for character in text:
        if 0xD800 <= ord(character) < 0xE000:
            return False
    return True


def _sampling(section: _Section) -> tuple:
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


def _channels(top: _Section) -> tuple:
    channels = []
    fitted = 0
    items = top.items("channels", None, 1, CHANNELS_MAX)
    for index in range(len(items)):
        section = _Section(items[index], "channels[%d]" % index)
        channel = section.whole("channel", None, 0, CHANNELS_MAX - 1)
        if fitted & 1 << channel:
            raise section.refuse("channel", "each channel once")
        fitted |= 1 << channel
        channels.append(_channel(section, channel))
        section.close()
    # The log's columns stand in this order.
    return tuple(sorted(channels))


def _channel(section: _Section, channel: int) -> Channel:
    per_degc = layout.TEMPERATURE_PER_DEGC
    probe_type = ord("TKE"[section.one_of("probe_type", "T", ("T", "K", "E"))])
    placement = section.one_of("placement", "payload top", layout.PLACEMENT_NAMES)
    offset_count = section.counts("offset_degc", 0, -10, 10, per_degc)
    u_count = section.counts("calibration_u_degc", 0, 0, 10, per_degc)
    calibrated_utc_s = _date(section, "calibrated")
    due_utc_s = _date(section, "calibration_due")
    if due_utc_s != layout.UTC_UNKNOWN and not calibrated_utc_s < due_utc_s:
        raise section.refuse("calibration_due", "a day after `calibrated`, which must be given")
    serial = section.value("serial", "", "")
    allowed = "at most 12 ASCII characters"
    if not isinstance(serial, str) or len(serial) > 12:
        raise section.refuse("serial", allowed)
    for character in serial:
        if not 32 <= ord(character) < 127:
            raise section.refuse("serial", allowed)
    return Channel(
        channel,
        probe_type,
        placement,
        offset_count,
        u_count,
        calibrated_utc_s,
        due_utc_s,
        serial.encode(),
    )


def _date(section: _Section, key: str) -> int:
    """Return 00:00 UTC of an ISO date in seconds since 2020-01-01, or UTC_UNKNOWN for null."""
    allowed = "a date from 2020-01-01 to 2053-12-31 as YYYY-MM-DD, or null"
    text = section.value(key, "", allowed)
    if text is None or text == "":
        return layout.UTC_UNKNOWN
    if not isinstance(text, str) or len(text) != 10 or text[4] != "-" or text[7] != "-":
        raise section.refuse(key, allowed)
    if not (text[:4] + text[5:7] + text[8:]).isdigit():
        raise section.refuse(key, allowed)
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:])
    if not 2020 <= year <= 2053 or not 1 <= month <= 12:
        raise section.refuse(key, allowed)
    # Every fourth year is a leap year between 2020 and 2053.
    months = [31, 28 if year % 4 else 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    if not 1 <= day <= months[month - 1]:
        raise section.refuse(key, allowed)
    days = (year - 2020) * 365 + (year - 2017) // 4 + sum(months[: month - 1]) + day - 1
    return days * 86400


def _rules(top: _Section, channels: tuple) -> tuple:
    rules = []
    windows = []
    items = top.items("rules", None, 0, layout.RULE_MAX)
    for index in range(len(items)):
        section = _Section(items[index], "rules[%d]" % index)
        rule = _rule(section, index, channels)
        section.close()
        rules.append(rule)
        if rule.rate_window_s and rule.rate_window_s not in windows:
            windows.append(rule.rate_window_s)
            if len(windows) > RATE_WINDOWS_MAX:
                allowed = "one of the windows used before, %s" % windows[:RATE_WINDOWS_MAX]
                raise section.refuse("rate_window_s", allowed)
    return tuple(rules)


def _rule(section: _Section, index: int, channels: tuple) -> Rule:
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


def _mask(section: _Section, channels: tuple) -> int:
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


def _shock(section: _Section) -> ShockSettings:
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


def _tilt(section: _Section) -> TiltSettings:
    edges = section.rising("edges_deg", [30, 60, 120], 1, 179)
    hold_band = section.whole("hold_band", 2, 0, layout.TILT_BANDS - 1)
    hold_minutes = section.whole("hold_minutes", 60, 1, 20160)
    period_s = section.whole("period_s", 10, 1, 600)
    section.close()
    return TiltSettings(edges[0], edges[1], edges[2], hold_band, hold_minutes, period_s)


def _radio(section: _Section) -> RadioSettings:
    state = section.one_of("mode", "on", ("off", "on"))
    advertise_ms = section.whole("advertise_ms", 1000, 100, 10000)
    section.close()
    return RadioSettings(state, advertise_ms)


def _access(section: _Section) -> AccessSettings:
    lock = section.flag("lock", default=False)
    section.close()
    return AccessSettings(lock)


def _power(section: _Section) -> PowerSettings:
    light = section.one_of("sleep", "idle", ("idle", "light"))
    section.close()
    return PowerSettings(light == 1)
