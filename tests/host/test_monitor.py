"""The bench's monitor: what a look shows at several sizes, of good, bad and hostile boards."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from io import StringIO
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from dewarlog.bench import monitor_view
from dewarlog.bench.monitor import TREND_S, Look, Monitor, rule_text, slope_k_per_h
from dewarlog.bench.requests import Live
from dewarlog.profile.model import Profile
from dewarlog.replies import Board, Status
from dewarlog_wire import layout

NOW_S = 1_772_445_600.0  # 2026-03-02 10:00:00 UTC
BOARD = Board(bytes.fromhex("e660583883724a32"), 1, 4096, layout.FEATURE_BENCH)
PROFILE = Profile.of(
    {
        "channels": [
            {"channel": 0, "placement": "payload top"},
            {"channel": 1, "placement": "payload bottom"},
            {"channel": 2, "placement": "neck", "probe_type": "K"},
        ],
        "rules": [
            {"kind": "above", "channels": [0, 1], "threshold_degc": -150, "dwell_s": 0},
            {
                "kind": "above",
                "channels": [0, 1],
                "threshold_degc": -170,
                "dwell_s": 600,
                "severity": "warn",
            },
            {
                "kind": "rising",
                "threshold_k_per_h": 12,
                "dwell_s": 90,
                "mode": "cumulative",
                "severity": "warn",
            },
        ],
    },
    "here",
)


def code(degc: float) -> int:
    """Return a reading code."""
    return round(degc * layout.TEMPERATURE_PER_DEGC)


def status(**changes: int) -> Status:
    """Return a calm board's status, with changes."""
    calm = {
        "state": layout.STATUS_RECORDING,
        "run": 3,
        "uptime_s": 7200,
        "utc_s": int(NOW_S) - layout.UTC_EPOCH_UNIX_S + 1,
        "interval_ms": 10_000,
        "samples": 720,
        "backlog_bytes": 5400,
        "free_bytes": 640_000,
        "supply_mv": 4150,
        "reading_0": code(-191.96),
        "reading_1": code(-195.34),
        "reading_2": -32768 + layout.STATE_OPEN,
        "reading_3": -32768 + layout.STATE_ABSENT,
        "cold_junction": 1320,
        "ring_high_water": 2,
    }
    values = {field.name: 0 for field in fields(Status)} | calm | changes
    return Status(**values)


def live(**changes: int) -> Live:
    """Return a calm board's figures, with changes."""
    calm = {
        "firmware_minor": 3,
        "micropython_major": 1,
        "micropython_minor": 26,
        "profile_crc32": 7,
        "heap_free_bytes": 61_000,
        "heap_low_bytes": 48_200,
        "pass_max_us": 10_480,
        "wake_ups": 90_400,
        "awake_s": 130,
        "late_ms": 2,
        "tilt_angle_deg": 1,
        "band_0_s": 7200,
        "voltage_raw_0": -42195,
        "voltage_raw_1": -42520,
        "cold_junction_raw_0": 1320,
        "cold_junction_raw_1": 1309,
        "cold_junction_raw_2": 1317,
        "fault_2": 1,
    }
    values = {field.name: 0 for field in fields(Live)} | calm | changes
    return Live(**values)


def look(now: Status | None = None, figures: Live | None = None, **parts: object) -> Look:
    """Return the first look at a board."""
    profile = parts.get("profile", PROFILE)
    return Monitor().look(NOW_S, BOARD, now or status(), figures, profile)  # type: ignore[arg-type]


def drawn(found: Look | None, size: tuple[int, int], *, lost: str = "", losses: int = 0) -> str:
    """Return a frame as text."""
    out = StringIO()
    console = Console(file=out, width=size[0], color_system=None)
    console.print(monitor_view.frame(found, "usb:/dev/ttyACM0", lost, losses, size))
    return out.getvalue()


# --- what is made of what the board says ---------------------------------------------------------


def test_a_channel_has_its_place_volts_and_cold_junction() -> None:
    """Of the profile, the raw code at the gain of the profile, and the converter's register."""
    first, _, third = look(figures=live()).channels

    assert first.name == "payload top, T"
    # -42195 codes at gain 32: 149.0116 nV each (MAX31856 data sheet, p. 20).
    assert first.voltage_uv == pytest.approx(-42195 * 0.1490116, abs=0.05)
    assert first.cold_junction_degc == 20.625
    assert (third.reading_degc, third.state, third.fault) == (None, "open", 1)


def test_a_channel_that_is_not_fitted_is_not_shown() -> None:
    """Three probes of four."""
    assert [channel.number for channel in look().channels] == [0, 1, 2]


def test_the_trend_keeps_one_point_a_sample_and_ten_minutes() -> None:
    """Looks between two samples add nothing; what is older goes."""
    monitor = Monitor()
    found = look()
    for second in range(1200):
        now = status(samples=second // 10, reading_0=code(-190 + second / 3600))
        found = monitor.look(NOW_S + second, BOARD, now, None, PROFILE)

    trend = found.channels[0].trend_degc
    assert len(trend) == TREND_S / 10
    assert found.channels[0].slope_k_per_h == pytest.approx(1.0, abs=0.05)


def test_another_run_begins_a_new_trend() -> None:
    """Its samples are another trip's."""
    monitor = Monitor()
    monitor.look(NOW_S, BOARD, status(), None, PROFILE)
    found = monitor.look(NOW_S + 10, BOARD, status(run=4, samples=1), None, PROFILE)

    assert len(found.channels[0].trend_degc) == 1


@pytest.mark.parametrize(
    ("trend", "slope"),
    [
        ((), None),
        (((0.0, 1.0), (40.0, 2.0)), None),
        (((0.0, 1.0), (5.0, 2.0), (10.0, 3.0)), None),
        (((0.0, 1.0), (20.0, 1.0), (40.0, 1.0)), 0.0),
        (((0.0, -190.0), (1800.0, -189.0), (3600.0, -188.0)), 2.0),
    ],
)
def test_a_slope_needs_three_points_and_half_a_minute(
    trend: tuple[tuple[float, float], ...], slope: float | None
) -> None:
    """Below that it would be noise; a straight line gives its own slope."""
    assert slope_k_per_h(trend) == (None if slope is None else pytest.approx(slope))


def test_rules_say_what_they_forbid_and_where() -> None:
    """Threshold, dwell and its way of counting, probes as a person counts them."""
    texts = [rule_text(rule, PROFILE.channels_of(rule)) for rule in PROFILE.rules]

    assert texts == [
        "above \u2212150 \u00b0C, probes 1, 2",
        "above \u2212170 \u00b0C for 10 min, probes 1, 2",
        "rising over 12 K/h in all 90 s, probes 1, 2, 3",
    ]


def test_a_rule_is_active_before_it_is_pending() -> None:
    """Both bits can be set: another probe of the same rule."""
    found = look(status(rules_active=0b001), live(rules_pending=0b011))

    assert [rule.state for rule in found.rules] == ["active", "pending", ""]


def test_only_a_probe_that_reads_beyond_a_limit_is_marked() -> None:
    """The board tells which rule has an excursion; the reading tells whose it can be."""
    now = status(rules_active=0b001, reading_0=code(-150.5), reading_1=code(-165))
    found = look(now, live(rules_pending=0b010))

    assert [channel.worst_rule for channel in found.channels] == ["hold", "pending", ""]


def test_a_rate_marks_every_probe_it_watches_that_reads() -> None:
    """Whose rate it is cannot be told from one reading."""
    found = look(status(rules_active=0b100))

    assert [channel.worst_rule for channel in found.channels] == ["warn", "warn", ""]


def test_rules_without_a_profile_are_numbered() -> None:
    """What is open is shown all the same."""
    found = look(status(rules_active=0b100), None, profile=None)

    assert [(rule.text, rule.state) for rule in found.rules][2] == (
        "its text is not known",
        "active",
    )


def test_the_clock_offset_is_the_boards_less_ours() -> None:
    """None while it is not set."""
    assert look().clock_offset_s == 1.0
    assert look(status(clock_state=layout.CLOCK_UNSET)).clock_offset_s is None


def test_json_has_everything_and_is_json() -> None:
    """Figures by the names of the wire, and what they mean beside them."""
    data = json.loads(json.dumps(look(figures=live(shocks=1)).data()))

    assert data["connected"] is True
    assert data["status"]["free_bytes"] == 640_000
    assert data["live"]["shocks"] == 1
    assert data["channels"][2]["state"] == "open"
    assert data["rules"][0]["severity"] == "hold"


# --- how it is drawn -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (132, 40), (220, 60)])
def test_a_frame_fits_its_terminal(size: tuple[int, int]) -> None:
    """No line is longer, and there are no more than rows; nothing needed is cut away."""
    text = drawn(look(figures=live(shocks=2, shock_peak=412, shock_band=2)), size)

    lines = text.splitlines()
    assert max(len(line) for line in lines) <= size[0]
    assert len(lines) <= size[1]
    for needed in ("\u2212191.96 \u00b0C", "\u22126,287.5 \u00b5V", "20.62 \u00b0C", "open 01"):
        assert needed in text
    for needed in ("41.2 g, band 2", "61.0 kB, least 48.2 kB", "10.5 ms", "+1.0 s to here"):
        assert needed in text


def test_a_smaller_terminal_gets_the_smallest_frame() -> None:
    """It is cut by the terminal, not by an error."""
    assert "e660583883724a32" in drawn(look(figures=live()), (20, 5))


def test_what_is_wrong_is_said_in_words() -> None:
    """Black on white says it too."""
    state = layout.STATUS_RECORDING | layout.STATUS_EXCURSION | layout.STATUS_LOW_SUPPLY
    now = status(state=state, rules_active=1, ring_dropped=3, failures=2, access=3)
    text = drawn(look(now, live(rules_pending=2, parts=0x10)), (100, 30))

    for words in ("EXCURSION", "supply low", "active", "pending", "3 dropped", "HOLD"):
        assert words in text
    assert "locked, 2 refused" in text
    assert "Failed: tilt sensor silent" in text


def test_eight_rules_on_a_small_terminal_show_those_that_matter() -> None:
    """The quiet ones go first; how many is said."""
    rules = [{"kind": "above", "threshold_degc": -100 - number} for number in range(8)]
    profile = PROFILE.with_(rules=rules)
    found = look(status(rules_active=0x80), live(), profile=profile)

    text = drawn(found, (80, 24))
    assert len(text.splitlines()) <= 24
    assert "8 above \u2212107 \u00b0C" in text
    assert "more, quieter" in text


def test_a_board_without_figures_shows_its_status() -> None:
    """No raw voltage, no shock: the columns are not there, and the rest is."""
    text = drawn(look(), (80, 24))

    assert "\u2212191.96 \u00b0C" in text
    assert "640.0 kB" in text
    for missing in ("Raw", "Shocks", "Heap"):
        assert missing not in text


def test_a_lost_board_keeps_its_last_figures_and_says_so() -> None:
    """An engineer sees what was before the cable went."""
    text = drawn(look(figures=live()), (100, 30), lost="the port is gone", losses=2)

    assert "LOST: the port is gone; opening it again" in text
    assert "lost 2 x" in text
    assert "\u2212191.96 \u00b0C" in text


def test_before_the_first_look_there_is_a_frame() -> None:
    """The name, and that nothing was heard."""
    text = drawn(None, (80, 24))
    assert "usb:/dev/ttyACM0" in text
    assert "Nothing heard yet" in text


def test_hostile_text_is_escaped_and_no_markup() -> None:
    """Control characters become numbers; brackets stay brackets."""
    found = look(figures=live())
    channels = (replace(found.channels[0], name="\x1b[2J[red]x\u202e"), *found.channels[1:])
    rules = (replace(found.rules[0], text="\x07[bold]above\r\n"),)
    hostile = replace(found, channels=channels, rules=rules, notes=("a\x1b]0;b\x07[/]",))

    text = drawn(hostile, (132, 40), lost="\x9b31m[link=http://x]y")
    assert all(char == "\n" or char.isprintable() for char in text)
    for shown in (r"\x1b[2J[red]x\u202e", r"\x07[bold]above\x0d\x0a", r"a\x1b]0;b\x07[/]"):
        assert shown in text
    assert r"\x9b31m[link=http://x]y" in text


def test_a_sparkline_rises_with_its_values_and_lies_flat_on_noise() -> None:
    """A trend of a hundredth of a kelvin is no mountain."""
    assert monitor_view.sparkline((), 8) == ""
    assert (
        monitor_view.sparkline(tuple(range(8)), 8)
        == "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
    )
    assert len(set(monitor_view.sparkline((-190.0, -190.01, -190.0), 8))) == 1
    assert len(monitor_view.sparkline(tuple(range(100)), 12)) == 12


def test_the_svg_is_a_picture_that_loads_nothing() -> None:
    """Well-formed XML without an address of anything else than its own names."""
    svg = monitor_view.as_svg(look(figures=live()), "usb:<&>")

    assert ET.fromstring(svg).tag.endswith("svg")  # noqa: S314 - our own
    assert "font-face" not in svg
    assert "url(http" not in svg
