"""How a look at a board is drawn in a terminal: one frame for any size from 80 by 24 up.

Beside monitor, which knows what things mean. Colour says one thing each, and a word says it too:
red is a HOLD or a failure, yellow a warning or what may become one, green is as it should be.
Everything from the board goes through words.plain into Text, never through markup.
"""

from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from dewarlog import words
from dewarlog.words import byte_count
from dewarlog_wire import layout

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dewarlog.bench.monitor import ChannelLook, Look

SMALLEST: Final = (80, 24)
_WIDE: Final = 128
_BARS: Final = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
_BAD: Final = "bold red"
_WATCH: Final = "yellow"
_GOOD: Final = "green"
_SOFT: Final = "dim"
_HEAD: Final = "bold"
_LEVELS: Final = {"hold": _BAD, "warn": _WATCH, "pending": _WATCH, "": ""}
# A trend that stays within this is drawn around the middle, in its own size: noise is no mountain.
_SPARK_LEAST_K: Final = 0.5
_PASS_LONG_US: Final = 50_000  # of the main loop: five ticks of the shock sensor's FIFO watermark
_HEAP_LOW_BYTES: Final = 16_384
_CLOCK_OFF_S: Final = 2.0

Fact = tuple[str, str, str]  # name, value, style


def frame(
    look: Look | None,
    place: str,
    link_state: str,
    link_errors: int,
    size: tuple[int, int],
) -> RenderableType:
    """Draw a look.

    Args:
        look: The newest one; None before the first.
        place: How the device is called on the command line.
        link_state: Empty while the board answers, else why it does not.
        link_errors: Times it was lost since the monitor began.
        size: Columns and rows there are.
    """
    width, height = max(size[0], SMALLEST[0]), max(size[1], SMALLEST[1])
    parts: list[RenderableType] = [_title(look, place, link_state, width)]
    if look is None:
        return Group(*parts, Text(""), Text("  Nothing heard yet.", style=_SOFT))
    channels = _channels(look, width)
    facts = _facts(look, link_errors)
    columns = 3 if width >= _WIDE else 2
    fact_rows = -(-len(facts) // columns)
    notes = [_line(note, _WATCH) for note in look.notes]
    notes += [_line(f"Failed: {', '.join(look.parts_failed)}", _BAD)] * bool(look.parts_failed)
    used = 6 + len(look.channels) + fact_rows + len(notes)  # title, lines and heads are six
    rules = _rules(look, max(1, height - used), width)
    line = Rule(style=_SOFT)
    parts += [line, channels, line, rules, line, _grid(facts, columns, width), *notes]
    return Group(*parts)


def as_svg(look: Look | None, place: str, size: tuple[int, int] = (100, 30)) -> str:
    """Draw a look as an SVG picture that needs nothing from elsewhere."""
    console = Console(
        record=True, width=size[0], file=StringIO(), force_terminal=True, color_system="standard"
    )
    console.print(frame(look, place, "", 0, size))
    svg = console.export_svg(title=f"dewarlog monitor {words.plain(place)}")
    # rich's export names a web font: a picture in a report loads nothing.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code, monospace", "DejaVu Sans Mono, Menlo, Consolas, monospace")


def sparkline(values: tuple[float, ...], width: int) -> str:
    """Draw values as bars, the newest at the right; each bar is the mean of its share."""
    if not values:
        return ""
    count = min(width, len(values))
    means: list[float] = []
    for bar in range(count):
        first, last = bar * len(values) // count, (bar + 1) * len(values) // count
        means.append(sum(values[first:last]) / (last - first))
    low, high = min(means), max(means)
    top = len(_BARS) - 1
    if high - low < _SPARK_LEAST_K:
        middle = (low + high) / 2
        return "".join(_BARS[round((mean - middle) / _SPARK_LEAST_K * top) + 3] for mean in means)
    return "".join(_BARS[round((mean - low) / (high - low) * top)] for mean in means)


def _line(text: str, style: str) -> Text:
    return Text(f" {words.plain(text)}", style, no_wrap=True, overflow="ellipsis")


def _title(look: Look | None, place: str, link_state: str, width: int) -> Text:
    left = Text(" ")
    if look is None:
        left.append(words.plain(place), _HEAD)
    else:
        left.append(look.board.name, _HEAD)
        left.append(f"  {words.plain(place)}", _SOFT)
    if link_state:
        state = Text(f"LOST: {words.plain(link_state)}; opening it again", _BAD)
    elif look is None:
        state = Text("opening", _WATCH)
    else:
        state = _state(look)
    moment = "" if look is None else words.utc(look.at_unix_s)[11:]
    right = Text(f"{moment} ", _SOFT)
    room = width - left.cell_len - right.cell_len - 4
    state.truncate(max(12, room), overflow="ellipsis")
    gap = max(2, width - left.cell_len - state.cell_len - right.cell_len - 2)
    return Text.assemble(left, "  ", state, " " * gap, right, no_wrap=True, overflow="crop")


def _state(look: Look) -> Text:
    bits = look.status.state
    named = (
        (layout.STATUS_EXCURSION, "EXCURSION", _BAD),
        (layout.STATUS_HELD, "HOLD", _BAD),
        (layout.STATUS_MEMORY_FULL, "memory full", _BAD),
        (layout.STATUS_FAULT, "a part failed", _BAD),
        (layout.STATUS_WARNING, "warning", _WATCH),
        (layout.STATUS_CLOCK_UNSET, "clock not set", _WATCH),
        (layout.STATUS_LOW_SUPPLY, "supply low", _WATCH),
    )
    recording = bool(bits & layout.STATUS_RECORDING)
    state = Text()
    state.append("recording" if recording else "NOT RECORDING", _GOOD if recording else _BAD)
    for bit, name, style in named:
        if bits & bit:
            state.append(", ").append(name, style)
    state.append(f", run {look.status.run}", _SOFT)
    return state


def _channels(look: Look, width: int) -> Table:
    has_raw = look.live is not None
    probe = 26 if width >= _WIDE else 19
    columns = [("Probe", probe, ""), ("Reading", 10, "r"), ("State", 16 if width >= 96 else 8, "")]
    columns += [("Raw", 12, "r")] if has_raw else []
    columns += [("Cold jct", 8, "r"), ("Slope", 10, "r")]
    spark = min(60, width - 2 - sum(wide + 1 for _, wide, _ in columns))
    table = _table((*columns, ("Last 10 min" if spark >= 11 else "Trend", spark, "")))
    for channel in look.channels:
        cells = [
            Text(f"{channel.number + 1} {words.plain(channel.name)}"),
            Text(_degc(channel.reading_degc, 2), _reading_style(channel)),
            _channel_state(channel),
        ]
        if has_raw:
            cells.append(Text(_microvolts(channel.voltage_uv)))
        cells += [
            Text(_degc(channel.cold_junction_degc, 2)),
            Text(_slope(channel.slope_k_per_h)),
            Text(sparkline(channel.trend_degc, spark), "cyan"),
        ]
        table.add_row("", *cells)
    return table


def _table(columns: tuple[tuple[str, int, str], ...]) -> Table:
    """Make a table of columns of fixed width, behind a margin of one; "r" stands to the right."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style=_HEAD)
    table.add_column("", width=0)
    for name, wide, side in columns:
        justify = "right" if side else "left"
        table.add_column(name, width=wide, no_wrap=True, overflow="ellipsis", justify=justify)
    return table


def _reading_style(channel: ChannelLook) -> str:
    if channel.reading_degc is None:
        return _SOFT
    return _LEVELS[channel.worst_rule] or "bold"


def _channel_state(channel: ChannelLook) -> Text:
    if channel.state == "ok":
        word = channel.worst_rule.upper() if channel.worst_rule == "hold" else channel.worst_rule
        return Text(word or "ok", _LEVELS[channel.worst_rule] or _GOOD)
    fault = "" if not channel.fault else f" {channel.fault:02x}"
    return Text(channel.state + fault, _BAD)


def _rules(look: Look, most: int, width: int) -> Table:
    table = _table((("Rule", min(70, width - 22), ""), ("Means", 6, ""), ("Now", 8, "")))
    rules = sorted(look.rules, key=lambda rule: ("active", "pending", "").index(rule.state))
    shown = rules if len(rules) <= most else rules[: most - 1]
    for rule in sorted(shown, key=lambda rule: rule.number):
        style = _LEVELS[rule.severity] if rule.state == "active" else _WATCH if rule.state else ""
        table.add_row(
            "",
            Text(f"{rule.number + 1} {words.plain(rule.text)}"),
            Text(rule.severity.upper() if rule.severity == "hold" else rule.severity),
            Text(rule.state or "quiet", style or _SOFT),
        )
    if len(shown) < len(rules):
        table.add_row("", Text(f"  and {len(rules) - len(shown)} more, quieter", _SOFT))
    if not rules:
        table.add_row("", Text("  none", _SOFT))
    return table


def _facts(look: Look, link_errors: int) -> list[Fact]:
    status, live = look.status, look.live
    facts: list[Fact] = []
    if live is not None:
        facts += _motion(look)
    dropped = f", {status.ring_dropped:,} dropped" if status.ring_dropped else ", none dropped"
    facts.append(("Ring", f"{status.ring_high_water} at most{dropped}", _bad(status.ring_dropped)))
    facts += [
        ("Recorded", words.plural(status.samples, "sample"), ""),
        ("To pull", byte_count(status.backlog_bytes), ""),
        ("Flash free", byte_count(status.free_bytes), ""),
    ]
    if live is not None:
        heap = f"{byte_count(live.heap_free_bytes)}, least {byte_count(live.heap_low_bytes)}"
        facts += [
            ("Heap free", heap, _watch(live.heap_low_bytes < _HEAP_LOW_BYTES)),
            (
                "Pass, most",
                f"{live.pass_max_us / 1000:.1f} ms",
                _watch(live.pass_max_us > _PASS_LONG_US),
            ),
            ("Lateness", f"{live.late_ms} ms", ""),
            ("Wake-ups", _wake_ups(look), ""),
        ]
    offset = look.clock_offset_s
    facts += [
        (
            "Clock",
            "not set" if offset is None else f"{offset:+.1f} s to here".replace("-", "\u2212"),
            _watch(offset is None or abs(offset) > _CLOCK_OFF_S),
        ),
        (
            "Supply",
            f"{status.supply_mv / 1000:.2f} V",
            _watch(bool(status.state & layout.STATUS_LOW_SUPPLY)),
        ),
        ("Up", f"{words.duration(status.uptime_s)}, start {status.boot + 1}", ""),
        ("Access", _access(look), _watch(bool(status.failures))),
        (
            "Link",
            "never lost" if not link_errors else f"lost {link_errors} x",
            _watch(link_errors > 0),
        ),
    ]
    if live is not None:
        facts.append(("Firmware", f"{live.firmware}, MicroPython {live.micropython}", ""))
    return facts


def _motion(look: Look) -> list[Fact]:
    live = look.live
    if live is None:
        return []
    peak_g, angle = look.shock_peak_g, look.tilt_angle_deg
    hold_band = None if look.profile is None else look.profile.shock.hold_band
    held = bool(hold_band and peak_g is not None and live.shock_band >= hold_band)
    last = "none in this run"
    if peak_g is not None:
        change = live.shock_velocity_change_mm_s / 1000
        last = f"{peak_g:.1f} g, band {live.shock_band}, {change:.2f} m/s"
    minutes = " / ".join(f"{seconds // 60:,}" for seconds in live.band_s)
    tilt = "not known" if angle is None else f"{angle}\u00b0, band {live.tilt_band}"
    return [
        ("Shocks", f"{live.shocks:,}", _watch(live.shocks > 0)),
        ("Last shock", last, _BAD if held else ""),
        ("Tilt", tilt, _watch(angle is None or live.tilt_band > 0)),
        ("Tilt, min", minutes, ""),
    ]


def _grid(facts: list[Fact], columns: int, width: int) -> Table:
    rows = -(-len(facts) // columns)
    table = Table.grid(padding=(0, 1, 0, 0))
    each = (width - 1) // columns
    for _ in range(columns):
        table.add_column(style=_SOFT, no_wrap=True, width=12)
        table.add_column(no_wrap=True, overflow="ellipsis", width=each - 14)
    for row in range(rows):
        cells: list[Text] = []
        for column in range(columns):
            at = column * rows + row
            name, value, style = facts[at] if at < len(facts) else ("", "", "")
            cells += [Text(f" {name}"), Text(words.plain(value), style)]
        table.add_row(*cells)
    return table


def _wake_ups(look: Look) -> str:
    live, share = look.live, look.awake_share
    if live is None:
        return ""
    awake = "" if share is None else f", {share:.1%} awake"
    return f"{live.wake_ups:,}{awake}"


def _access(look: Look) -> str:
    status = look.status
    state = "locked" if status.locked else "open, claimed" if status.claimed else "open, unclaimed"
    return f"{state}, {status.failures:,} refused" if status.failures else state


def _degc(value: float | None, digits: int) -> str:
    return "-" if value is None else words.degc(value, digits)


def _microvolts(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f} \u00b5V".replace("-", "\u2212")


def _slope(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f} K/h".replace("-", "\u2212")


def _watch(is_so: bool) -> str:  # noqa: FBT001 - the one thing it is asked
    return _WATCH if is_so else ""


def _bad(count: int) -> str:
    return _BAD if count else ""
