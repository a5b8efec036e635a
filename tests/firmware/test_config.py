"""A profile is read exactly, or refused by name."""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dewarlog_firmware import config as config_module
from dewarlog_firmware import provenance
from dewarlog_firmware.config import Config, ConfigError, load_config, parse_config
from dewarlog_firmware.flash_log import BLOCK_0_MAX_BYTES
from dewarlog_firmware.profile import default_document, profile_sections, reading_columns
from dewarlog_firmware.recorder import Recorder
from dewarlog_wire import block, layout

if TYPE_CHECKING:
    import subprocess

RunMicroPython = Callable[..., "subprocess.CompletedProcess[str]"]

EXAMPLE = (Path(__file__).resolve().parents[2] / "firmware" / "profile.example.json").read_text(
    encoding="utf-8"
)
SMALLEST: dict[str, Any] = {"channels": [{"channel": 0}], "rules": []}


def changed(path: str, value: object) -> dict[str, Any]:
    """Return the example with one value replaced; the path is as in an error message."""
    document: Any = json.loads(EXAMPLE)
    keys: list[Any] = []
    for part in path.split("."):
        name, _, index = part.partition("[")
        keys.append(name)
        if index:
            keys.append(int(index.rstrip("]")))
    place = document
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return document


ICE, BOILING = "ice bath, checked by PRT 2231", "boiling nitrogen, barometer 118"
POINT = {"point": "ice point", "reference_degc": 0, "indicated_degc": 0.1, "u_degc": 0.05}
POINT |= {"at": "2025-03-01T09:30:00Z"}


def utc_s(text: str) -> int:
    """Return a moment as the log counts it, by the standard library."""
    return int(datetime.fromisoformat(text + "+00:00").timestamp()) - layout.UTC_EPOCH_UNIX_S


def refused(document: object) -> ConfigError:
    """Return the error that reading the document ends with."""
    with pytest.raises(ConfigError) as caught:
        parse_config(document)
    return caught.value


def test_example_is_read_value_by_value() -> None:
    """Human units become counts; names become the codes of the log."""
    config = load_config(EXAMPLE)
    assert config.sampling == (10000, 2000, 1, 32, layout.FULL_STOP)
    assert config.converter == (32, 16, 50)
    assert config.channels[0] == (
        0,
        ord("T"),
        0,
        -32,
        19,
        int((datetime(2025, 3, 1, tzinfo=UTC)).timestamp()) - layout.UTC_EPOCH_UNIX_S,
        int((datetime(2026, 3, 1, tzinfo=UTC)).timestamp()) - layout.UTC_EPOCH_UNIX_S,
        b"TC-T-0412",
    )
    assert config.channels[2][5:7] == (layout.UTC_UNKNOWN, layout.UTC_UNKNOWN)
    assert config.rules == (
        (0, layout.RULE_ABOVE, layout.MODE_SINGLE, layout.SEVERITY_HOLD, 3, -19200, 256, 300, 0),
        (1, layout.RULE_ABOVE, layout.MODE_CUMULATIVE, 0, 3, -20544, 192, 3600, 0),
        (2, layout.RULE_BELOW, layout.MODE_SINGLE, layout.SEVERITY_WARN, 4, -25600, 128, 60, 0),
        (3, layout.RULE_RISING, layout.MODE_SINGLE, layout.SEVERITY_WARN, 7, 20, 5, 300, 900),
    )
    assert config.shock == (3200, 100, 200, 80, 30, 32, 1024, 25, 50, 100, 3, 3500)
    assert config.tilt == (30, 60, 120, 2, 60, 10)
    assert config.radio == (1, 1000)
    assert config.access == (False,)
    assert config.power == (False,)
    assert config.calibrations == (
        (0, 0, 0, 28, 6, 0, utc_s("2025-03-01T09:30:00"), b"TC-T-0412", ICE),
        (0, 1, -25073, -25037, 15, 100_420, utc_s("2025-03-01T10:10:00"), b"TC-T-0412", BOILING),
    )
    assert config.handling == (30, 1)
    reason = "Probe 2 is due in two days; the courier has a second logger."
    armed_utc_s = utc_s("2025-03-10T06:45:00")
    assert config.arming == (armed_utc_s, 345_600, 864_000, 7400, 16, "S. Haddad", reason)


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        (layout.SAMPLING, config_module.Sampling),
        (layout.CHANNEL, config_module.Channel),
        (layout.RULE, config_module.Rule),
        (layout.SHOCK_SETTINGS, config_module.ShockSettings),
        (layout.TILT_SETTINGS, config_module.TiltSettings),
        (layout.HANDLING, provenance.Handling),
    ],
)
def test_frozen_tuples_have_the_fields_of_their_records(
    record: layout.Record, fields: type[tuple[object, ...]]
) -> None:
    """They are packed by position: names and order must be those of the layout."""
    assert fields._fields == tuple(  # pyright: ignore[reportAttributeAccessIssue]
        name for name, *_ in record.fields
    )


@pytest.mark.parametrize(
    ("record", "section", "fields"),
    [
        (layout.CALIBRATION, layout.SECTION_CALIBRATION, provenance.Calibration),
        (layout.ARMING, layout.SECTION_ARMING, provenance.Arming),
    ],
)
def test_texts_stand_behind_the_fields_of_their_record(
    record: layout.Record, section: int, fields: type[tuple[object, ...]]
) -> None:
    """As the layout names them, in its order."""
    names = (*(name for name, *_ in record.fields), *layout.SECTION_TEXTS[section])
    assert fields._fields == names  # pyright: ignore[reportAttributeAccessIssue]


def test_sections_say_everything_the_configuration_says() -> None:
    """Unpacked again by the layout, the sections of block 0 give back the same values."""
    config = load_config(EXAMPLE)
    sections = list(profile_sections(config))
    kinds = [kind for kind, _ in sections]
    assert kinds == (
        [layout.SECTION_TEXT] * 13
        + [layout.SECTION_SAMPLING]
        + [layout.SECTION_CHANNEL] * 3
        + [layout.SECTION_CALIBRATION] * 2
        + [layout.SECTION_RULE] * 4
        + [layout.SECTION_SHOCK_SETTINGS, layout.SECTION_TILT_SETTINGS]
        + [layout.SECTION_HANDLING, layout.SECTION_ARMING]
    )
    texts = [(body[0], body[1:].decode()) for kind, body in sections if kind == kinds[0]]
    assert tuple(texts) == config.texts
    rules = [
        struct.unpack(layout.RULE.format, body)
        for kind, body in sections
        if kind == layout.SECTION_RULE
    ]
    assert rules == [tuple(rule) for rule in config.rules]
    channel = struct.unpack(layout.CHANNEL.format, sections[14][1])
    assert channel[:-1] == tuple(config.channels[0])[:-1]
    assert channel[-1] == b"TC-T-0412\0\0\0"
    body = dict(sections)
    assert body[layout.SECTION_CALIBRATION][28:] == bytes((31,)) + BOILING.encode()
    assert struct.unpack("<IIIIH", body[layout.SECTION_ARMING][:18]) == config.arming[:5]
    assert body[layout.SECTION_ARMING][18:28] == b"\tS. Haddad"
    assert body[layout.SECTION_HANDLING] == b"\x1e\0\1"


def test_instructions_keep_their_order() -> None:
    """They are steps; texts that are empty leave no section."""
    document = changed("texts", {"instructions": ["one", "two", "three"], "board": ""})
    assert parse_config(document).texts == (
        (layout.TEXT_INSTRUCTION, "one"),
        (layout.TEXT_INSTRUCTION, "two"),
        (layout.TEXT_INSTRUCTION, "three"),
    )


def test_everything_but_channels_and_rules_has_a_default() -> None:
    """The defaults are those the schema states."""
    config = parse_config(SMALLEST)
    assert config.texts == ()
    assert config.sampling == (10000, 0, 1, 32, layout.FULL_STOP)
    assert config.converter == (32, 16, 50)
    assert config.channels == (
        (0, ord("T"), 0, 0, 0, layout.UTC_UNKNOWN, layout.UTC_UNKNOWN, b""),
    )
    assert config.shock == (3200, 100, 200, 80, 30, 32, 1024, 25, 50, 100, 3, 0)
    assert config.tilt == (30, 60, 120, 2, 60, 10)
    assert config.radio == (1, 1000)
    assert (config.calibrations, config.handling, config.arming) == ((), None, None)


@pytest.mark.parametrize("degc", [-195.806, -0.004, 0.004, 0])
def test_a_calibration_is_rounded_as_a_reading(degc: float) -> None:
    """To the nearest count."""
    channel = {"channel": 1, "calibration": [POINT | {"indicated_degc": degc}]}
    point = parse_config({"channels": [channel], "rules": []}).calibrations[0]

    assert (point.channel, point.indicated_count) == (1, round(degc * 128))
    assert (point.pressure_pa, point.serial, point.reference) == (0, b"", "")


def test_calibrations_stand_by_channel_and_point() -> None:
    """Whatever order the file has; a bath may have been used at several temperatures."""
    bath = POINT | {"point": "other bath", "at": "2025-03-01T11:00:00Z"}
    cold = bath | {"reference_degc": -80}
    channels = [
        {"channel": 2, "calibration": [POINT]},
        {"channel": 0, "calibration": [bath, cold, POINT | {"point": "LN2 point"}, POINT]},
    ]
    points = parse_config({"channels": channels, "rules": []}).calibrations

    assert [(one.channel, one.point) for one in points] == [(0, 0), (0, 1), (0, 2), (0, 2), (2, 0)]


def test_what_is_not_known_of_an_arming_is_zero() -> None:
    """A charge that was not weighed, a hold time nobody computed."""
    arming = {"at": "2053-12-31T23:59:59Z", "planned_h": 0.5, "actor": "A", "charge_g": None}
    armed = parse_config(SMALLEST | {"arming": arming}).arming

    assert armed is not None
    assert armed == (utc_s("2053-12-31T23:59:59"), 1800, 0, 0, 0, "A", "")


def test_every_refusal_that_can_be_overridden_has_its_bit() -> None:
    """In the order of the layout."""
    for bit, name in enumerate(layout.ARM_REFUSAL_NAMES):
        armed = parse_config(changed("arming.overridden", [name])).arming
        assert armed is not None
        assert armed.overridden == 1 << bit


@pytest.mark.parametrize(("mode", "state"), [("off", 0), ("on", 1)])
def test_flight_mode_is_the_state_of_a_radio_event(mode: str, state: int) -> None:
    """0 off, 1 on."""
    assert parse_config(changed("radio.mode", mode)).radio.state == state


def test_the_radio_makes_no_other_run() -> None:
    """It is no section of block 0: what a run measures does not hang on it."""
    on, off = parse_config(changed("radio.mode", "on")), parse_config(changed("radio.mode", "off"))

    assert list(profile_sections(on)) == list(profile_sections(off))


def test_built_in_profile_is_valid_and_guards_the_limit() -> None:
    """A board without a profile still judges -150 degC."""
    config = parse_config(default_document())
    assert isinstance(config, Config)
    assert -150 * 128 in [rule.threshold for rule in config.rules if rule.severity]


def test_channels_stand_in_the_order_of_their_numbers() -> None:
    """The log's columns follow the terminals, whatever order the file has."""
    document = {"channels": [{"channel": 3}, {"channel": 1}], "rules": []}
    config = parse_config(document)
    assert [channel.channel for channel in config.channels] == [1, 3]
    assert reading_columns(config) == ((1, 0), (3, 1))


def test_minimum_and_maximum_stand_between_the_readings() -> None:
    """With several conversions a channel has three columns."""
    document = changed("sampling", {"conversions": 5})
    assert reading_columns(parse_config(document)) == ((0, 0), (1, 3), (2, 6))


@pytest.mark.parametrize(
    ("degc", "count"),
    [(-150, -19200), (-150.5, -19264), (-195.79, -25061), (0.004, 1), (0.0039, 0), (-0.004, -1)],
)
def test_degrees_are_rounded_to_the_nearest_count(degc: float, count: int) -> None:
    """Half a count is 0.0039 degC."""
    rule = {"kind": "above", "threshold_degc": degc}
    document = {"channels": [{"channel": 0}], "rules": [rule]}
    assert parse_config(document).rules[0].threshold == count


@pytest.mark.parametrize(
    ("text", "utc_s"),
    [("2020-01-01", 0), ("2020-03-01", 5184000), ("2024-02-29", None), ("2053-12-31", None)],
)
def test_dates_are_midnight_utc(text: str, utc_s: int | None) -> None:
    """Counted from 2020-01-01, leap years and all."""
    unix_s = int(datetime.fromisoformat(text + "T00:00:00+00:00").timestamp())
    document = {"channels": [{"channel": 0, "calibrated": text}], "rules": []}
    actual = parse_config(document).channels[0].calibrated_utc_s
    assert actual == unix_s - layout.UTC_EPOCH_UNIX_S
    assert utc_s is None or actual == utc_s


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("texts.board", 7),
        ("texts.contact", "x" * 201),
        ("texts.contact", "\N{DEGREE SIGN}" * 101),
        ("texts.instructions", ["step"] * 13),
        ("texts.instructions[1]", None),
        ("sampling.interval_ms", 999),
        ("sampling.interval_ms", 600001),
        ("sampling.interval_ms", 10000.5),
        ("sampling.interval_ms", True),
        ("sampling.interval_ms", "10000"),
        ("sampling.fast_interval_ms", 999),
        ("sampling.fast_interval_ms", 10001),
        ("sampling.conversions", 0),
        ("sampling.conversions", 61),
        ("sampling.gain", 16),
        ("sampling.averaging", 3),
        ("sampling.mains_hz", 55),
        ("sampling.when_full", "ask"),
        ("channels", []),
        ("channels", [{"channel": n} for n in (0, 1, 2, 3, 0)]),
        ("channels[0].channel", 4),
        ("channels[1].channel", 0),
        ("channels[0].probe_type", "J"),
        ("channels[0].placement", "lid"),
        ("channels[0].offset_degc", 10.1),
        ("channels[0].calibration_u_degc", -0.1),
        ("channels[0].calibrated", "2025-02-29"),
        ("channels[0].calibrated", "2019-12-31"),
        ("channels[0].calibrated", "1.3.2025"),
        ("channels[0].calibrated", "2025-+1-01"),
        ("channels[0].calibration_due", "2025-03-01"),
        ("channels[2].calibration_due", "2026-03-01"),
        ("channels[0].serial", "TC-T-0412-LONG"),
        ("channels[0].serial", "T\N{DEGREE SIGN}"),
        ("rules", [{"kind": "above", "threshold_degc": -150}] * 9),
        ("rules[0].kind", "over"),
        ("rules[0].channels", []),
        ("rules[0].channels", [3]),
        ("rules[0].channels", [True]),
        ("rules[0].channels", "0"),
        ("rules[0].threshold_degc", -1500),
        ("rules[0].threshold_degc", float("nan")),
        ("rules[0].hysteresis_degc", -1),
        ("rules[1].hysteresis_degc", 100),
        ("rules[0].dwell_s", 1209601),
        ("rules[0].mode", "total"),
        ("rules[0].severity", 1),
        ("rules[3].threshold_k_per_h", 0),
        ("rules[3].hysteresis_k_per_h", 0.5),
        ("rules[3].rate_window_s", 59),
        ("shock.rate_hz", 400),
        ("shock.trigger_g", 1.4),
        ("shock.trigger_g", 13.5),
        ("shock.quiet_ms", 4),
        ("shock.pre_trigger_ms", 2),
        ("shock.pre_trigger_ms", 41),
        ("shock.window_ms", 1281),
        ("shock.window_ms", 19),
        ("shock.bands_g", [25, 50]),
        ("shock.bands_g", [25, 50, 50]),
        ("shock.bands_g", [7, 50, 100]),
        ("shock.hold_band", 4),
        ("shock.hold_velocity_change_m_s", 65.1),
        ("tilt.edges_deg", [30, 60, 180]),
        ("tilt.hold_band", 4),
        ("tilt.hold_minutes", 0),
        ("radio.mode", "flight"),
        ("radio.mode", False),
        ("radio.advertise_ms", 99),
        ("radio.advertise_ms", 10001),
        ("tilt.period_s", 601),
        ("access.lock", 1),
        ("access.lock", "yes"),
        ("power.sleep", "deep"),
        ("power.sleep", True),
        ("texts.consignee", "x" * 201),
        ("texts.hardware", 2),
        ("channels[0].calibration", {}),
        ("channels[0].calibration", [POINT] * 5),
        ("channels[0].calibration[1].point", "ice point"),
        ("channels[0].calibration[0].point", "steam point"),
        ("channels[0].calibration[0].reference_degc", -251),
        ("channels[0].calibration[0].reference_degc", None),
        ("channels[0].calibration[0].indicated_degc", 131),
        ("channels[0].calibration[0].u_degc", -1),
        ("channels[0].calibration[1].pressure_hpa", 299),
        ("channels[0].calibration[1].pressure_hpa", 101_325),
        ("channels[0].calibration[1].pressure_hpa", "1013"),
        ("channels[0].calibration[0].at", "2025-03-01"),
        ("channels[0].calibration[0].at", "2025-03-01T24:00:00Z"),
        ("channels[0].calibration[0].at", "2025-03-01T09:30:00+"),
        ("channels[0].calibration[0].at", "2025-03-01 09:30:00Z"),
        ("channels[0].calibration[0].at", "2025-02-30T09:30:00Z"),
        ("channels[0].calibration[0].at", "2025-03-01T09:30:-1Z"),
        ("channels[0].calibration[0].serial", "x" * 13),
        ("channels[0].calibration[0].reference", "x" * 77),
        ("handling", []),
        ("handling.thaw_to_infusion_min", 10_081),
        ("handling.calibration_policy", "ask"),
        ("arming", "yes"),
        ("arming.at", None),
        ("arming.planned_h", 0),
        ("arming.planned_h", 2161),
        ("arming.static_hold_h", 0),
        ("arming.charge_g", 0.5),
        ("arming.overridden", ["calibration", "weather"]),
        ("arming.overridden", "calibration"),
        ("arming.overridden", [[]]),
        ("arming.actor", " "),
        ("arming.actor", "x" * 77),
        ("arming.reason", ""),
        ("arming.reason", "x" * 77),
    ],
)
def test_value_out_of_range_is_refused_with_its_place(field: str, value: object) -> None:
    """The error names the field, shows the value and says what may stand there."""
    error = refused(changed(field, value))
    assert error.field == field
    assert error.allowed
    shown = json.dumps(value)
    assert str(error.value) == (shown if len(shown) <= 60 else shown[:57] + "...")
    assert str(error) == f"profile: {field} is {error.value}; allowed: {error.allowed}"


@pytest.mark.parametrize(
    "path",
    [
        "threshold",
        "texts.bord",
        "sampling.interval",
        "channels[0].offset",
        "rules[0].threshold_k_per_h",
        "rules[3].threshold_degc",
        "shock.band_g",
        "tilt.edges",
        "channels[0].calibration[0].temperature",
        "handling.thaw",
        "arming.by",
    ],
)
def test_unknown_key_is_refused(path: str) -> None:
    """A key misspelt would otherwise be a rule that is not there."""
    error = refused(changed(path, 1))
    assert (error.field, error.value) == (path, "no setting of this board")


@pytest.mark.parametrize(
    "path",
    [
        *("channels", "rules", "channels[0].channel", "rules[0].kind", "rules[0].threshold_degc"),
        *("channels[0].calibration[0].u_degc", "channels[0].calibration[0].at"),
        *("arming.at", "arming.planned_h"),
    ],
)
def test_required_key_is_missed_by_name(path: str) -> None:
    """No default stands in for what decides between USE and HOLD."""
    document = changed(path, None)
    place: Any = document
    *parents, last = path.split(".")
    for part in parents:
        name, _, index = part.partition("[")
        place = place[name][int(index.rstrip("]"))] if index else place[name]
    del place[last]
    error = refused(document)
    assert (error.field, error.value) == (path, "missing")


def test_third_rate_window_is_refused() -> None:
    """The engine's state, which every new journal carries, has room for two."""
    rule = {"kind": "rising", "threshold_k_per_h": 20, "rate_window_s": 600}
    rules = [rule, rule | {"rate_window_s": 900}, rule, rule | {"rate_window_s": 1200}]
    assert (
        refused({"channels": [{"channel": 0}], "rules": rules}).field == "rules[3].rate_window_s"
    )


@pytest.mark.parametrize(
    ("sampling", "field"),
    [
        ({"interval_ms": 10000, "conversions": 11}, "sampling.interval_ms"),
        ({"interval_ms": 10000, "conversions": 3}, "sampling.interval_ms"),
        (
            {"interval_ms": 10000, "fast_interval_ms": 2000, "conversions": 5},
            "sampling.fast_interval_ms",
        ),
    ],
)
def test_conversions_must_fit_into_the_interval(sampling: dict[str, int], field: str) -> None:
    """Each takes up to 800 ms, and they are evenly spaced in whole milliseconds."""
    assert refused(changed("sampling", sampling)).field == field


@pytest.mark.parametrize("band_1_g", [8, 10, 14, 25, 340 - 2])
def test_no_shock_of_the_first_band_can_miss_the_trigger(band_1_g: int) -> None:
    """Spread evenly over three axes, with gravity against it, it still reaches the trigger."""
    document = SMALLEST | {"shock": {"bands_g": [band_1_g, 339, 340]}}
    allowed = parse_config(document).shock.trigger_count
    assert 15 <= allowed <= 80
    assert allowed / 10 <= band_1_g / 3**0.5 - 1


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", b"\xff\xfe", '{"channels": 1}'])
def test_file_that_is_no_profile_is_refused(text: str | bytes) -> None:
    """Torn, foreign or empty: a ConfigError and nothing else."""
    with pytest.raises(ConfigError):
        load_config(text)


def test_configuration_is_frozen() -> None:
    """Nothing can change a limit once the run has recorded it."""
    with pytest.raises(AttributeError):
        load_config(EXAMPLE).rules[0].threshold = 0


_DEVICE_SCRIPT = """
from dewarlog_firmware.config import ConfigError, load_config, parse_config
from dewarlog_firmware.profile import default_document, profile_sections
import binascii
for config in (load_config({example!r}), parse_config(default_document())):
    for kind, body in profile_sections(config):
        print(kind, binascii.hexlify(body).decode())
try:
    load_config({wrong!r})
except ConfigError as error:
    print(error)
for text in ("{{", {example!r}.rstrip()[:-1], '{{"texts": {{"board": "}}"}}, "rules": []'):
    try:
        print(load_config(text))
    except ConfigError as error:
        print(error.field)
"""


def expected_on_the_board(wrong: str) -> list[str]:
    """Return the lines the script below must print, from CPython."""
    lines = [
        f"{kind} {body.hex()}"
        for config in (load_config(EXAMPLE), parse_config(default_document()))
        for kind, body in profile_sections(config)
    ]
    with pytest.raises(ConfigError) as caught:
        load_config(wrong)
    return [*lines, str(caught.value), "profile", "profile", "profile"]


@pytest.mark.parametrize("interpreter", ["micropython", "micropython32"])
def test_micropython_reads_the_same_profile(
    interpreter: str, request: pytest.FixtureRequest
) -> None:
    """The same sections and the same sentence for a mistake."""
    run: RunMicroPython = request.getfixturevalue(interpreter)
    document = copy.deepcopy(json.loads(EXAMPLE))
    document["rules"][0]["threshold_degc"] = -1500
    wrong = json.dumps(document)
    done = run(_DEVICE_SCRIPT.format(example=EXAMPLE, wrong=wrong))
    assert done.stdout.splitlines() == expected_on_the_board(wrong)


@pytest.mark.parametrize("opening", ["[", '{"a": '])
def test_brackets_deeper_than_a_profile_has_are_refused_before_they_are_read(opening: str) -> None:
    """MicroPython's reader takes 80 bytes of heap for each, and a board has little."""
    with pytest.raises(ConfigError, match="nested too deep"):
        load_config(opening * 17)


@pytest.mark.parametrize(
    "text",
    [
        '{"channels": [{"channel": 0}], "rules": [{"kind": "above"}], "rules": []}',
        '{"channels": [{"channel": 0, "channel": 1}], "rules": []}',
        '{"channels": [{"channel": 0}], "rules": [], "tilt": {}, "tilt": {}}',
    ],
)
def test_a_name_that_stands_twice_is_refused(text: str) -> None:
    """The last one would count, and the limits that the first one gives would be nowhere."""
    with pytest.raises(ConfigError, match="a name stands twice"):
        load_config(text)


def test_colons_in_a_text_name_nothing() -> None:
    """Texts may hold any character, escaped quotes too."""
    text = '{"texts": {"dewar": "a: \\"b\\": {"}, "channels": [{"channel": 0}], "rules": []}'
    assert load_config(text).texts == ((layout.TEXT_DEWAR, 'a: "b": {'),)


_NASTY_SCRIPT = """
from dewarlog_firmware.config import ConfigError, load_config
for value in {values!r}:
    text = '{{"channels": [{{"channel": 0, "offset_degc": ' + value + '}}], "rules": []}}'
    try:
        print(load_config(text))
    except ConfigError as error:
        print(error.field, len(str(error)) < 200)
"""


@pytest.mark.parametrize("interpreter", ["micropython", "micropython32"])
def test_numbers_beyond_all_bounds_are_refused_by_name(
    interpreter: str, request: pytest.FixtureRequest
) -> None:
    """A float that is infinite, a whole number of 4000 digits, a list of lists."""
    run: RunMicroPython = request.getfixturevalue(interpreter)
    values = ["1e400", "-1e400", "9" * 4000, "-" + "9" * 400, "[[[[[[1]]]]]]", '"\u0663"', "{}"]
    done = run(_NASTY_SCRIPT.format(values=values))
    assert done.stdout.splitlines() == ["channels[0].offset_degc True"] * len(values)


def longest_profile() -> dict[str, Any]:
    """Return the profile whose first block is the longest that one can be."""
    long = "\u00e4" * 100
    point = {
        "reference_degc": 0,
        "indicated_degc": 0,
        "u_degc": 1,
        "pressure_hpa": 1000,
        "at": "2025-03-01T09:30:00Z",
        "serial": "S" * 12,
        "reference": "r" * layout.SECTION_TEXT_MAX_BYTES,
    }
    names = ("ice point", "LN2 point", "other bath", "other bath")
    return {
        "texts": {name: long for kind, name in layout.TEXT_NAMES.items() if kind != 6}
        | {"instructions": [long] * 12},
        "channels": [
            {
                "channel": channel,
                "serial": "S" * 12,
                "calibrated": "2025-03-01",
                "calibration_due": "2026-03-01",
                "calibration": [{"point": name} | point for name in names],
            }
            for channel in range(4)
        ],
        "rules": [{"kind": "above", "threshold_degc": -100}] * layout.RULE_MAX,
        "handling": {"thaw_to_infusion_min": 30},
        "arming": {
            "at": "2025-03-01T09:30:00Z",
            "planned_h": 96,
            "actor": "a" * layout.SECTION_TEXT_MAX_BYTES,
            "reason": "r" * layout.SECTION_TEXT_MAX_BYTES,
            "overridden": list(layout.ARM_REFUSAL_NAMES),
        },
    }


def test_the_longest_first_block_is_a_sound_block() -> None:
    """No profile that is taken can keep the next boot from beginning its run."""
    config = parse_config(longest_profile())
    recorder = Recorder((0, 1, 2, 3), has_extremes=True)
    recorder.resume(1, 0, 0, layout.CHAIN_START, 0, 0)
    board = (layout.SECTION_TEXT, b"\x01" + bytes(32))
    head = [(layout.SECTION_IDENTITY, bytes(layout.IDENTITY.size)), board]

    data = recorder.run_block(head + list(profile_sections(config)), 0, 0).joined()

    found = block.check_block(data, 0, None)
    assert found.length == len(data)
    assert len(data) <= BLOCK_0_MAX_BYTES
    assert len(data) > BLOCK_0_MAX_BYTES - 1024  # the longest there is


def test_a_name_that_is_no_text_is_refused() -> None:
    """MicroPython's JSON reader takes any value for a name."""
    document = default_document()
    document["texts"] = {1.5: "a"}

    with pytest.raises(ConfigError, match=r"texts is the name 1\.5; allowed: names in quotes"):
        parse_config(document)


def test_a_board_sleeps_lightly_only_where_its_profile_says_so() -> None:
    """The default idles; the key is a word, as the radio's mode is."""
    document = json.loads(EXAMPLE)
    document["power"] = {"sleep": "light"}
    assert parse_config(document).power == (True,)
    del document["power"]
    assert parse_config(document).power == (False,)
