"""Numbers and foreign text as a person reads them: one place, so that every output agrees."""

from __future__ import annotations

import math
import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dewarlog.checks.wall_clock import WallTime

_MINUTE_S = 60
_HOUR_S = 3600
_DAY_S = 86400
# Unicode's categories: control, format, surrogate, line and paragraph separator.
_UNSAFE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


def duration(seconds: float) -> str:
    """Say a duration in its two largest units: `42 min`, `3 h 5 min`, `10 d 2 h`, `38 ms`."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    total = round(seconds)
    if total < 2 * _MINUTE_S:
        return f"{total} s"
    if total < _HOUR_S:
        return _two(total, _MINUTE_S, "min", 1, "s")
    to_minute = round(total / _MINUTE_S) * _MINUTE_S
    if to_minute < 2 * _DAY_S:
        return _two(to_minute, _HOUR_S, "h", _MINUTE_S, "min")
    return _two(round(total / _HOUR_S) * _HOUR_S, _DAY_S, "d", _HOUR_S, "h")


def _two(total: int, large: int, large_name: str, small: int, small_name: str) -> str:
    whole, rest = divmod(total, large)
    return (
        f"{whole} {large_name} {rest // small} {small_name}"
        if rest // small
        else (f"{whole} {large_name}")
    )


def utc(unix_s: float, *, seconds: bool = True) -> str:
    """Write a moment in UTC, as `2026-03-04 05:06:07 UTC`; a time out of range as a number."""
    try:
        moment = datetime.fromtimestamp(math.floor(unix_s + 0.5), UTC)
    except (OverflowError, OSError, ValueError):
        return f"{unix_s:.0f} s after 1970"
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC" if seconds else "%Y-%m-%d %H:%M UTC")


def wall(time: WallTime) -> str:
    """Write a wall time with its error bound."""
    return f"{utc(time.unix_s)} \u00b1{error_bound(time.error_s)}"


def wall_span(start: WallTime, end: WallTime) -> str:
    """Write from when to when, the date once where it is the same, with the larger bound."""
    first, last = utc(start.unix_s), utc(end.unix_s)
    if first[:10] == last[:10]:
        last = last[11:]
    bound = error_bound(max(start.error_s, end.error_s))
    return f"{first.removesuffix(' UTC')} to {last} \u00b1{bound}"


def error_bound(seconds: float) -> str:
    """Write an error bound, rounded up so that it is never understated."""
    if seconds < 10:
        return f"{math.ceil(seconds * 10) / 10:.1f} s"
    if seconds < 10 * _MINUTE_S:
        return f"{math.ceil(seconds)} s"
    return f"{math.ceil(seconds / _MINUTE_S)} min"


def uptime(boot: int, uptime_ms: int) -> str:
    """Write a moment by the board's own count, where no clock can tell it."""
    return f"{duration(uptime_ms / 1000)} after start {boot + 1}"


def degc(value: float, digits: int = 1) -> str:
    """Write a temperature with a true minus sign."""
    return f"{value:.{digits}f} \u00b0C".replace("-", "\u2212")


def plural(count: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun: `1 block`, `3 blocks`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def plain(text: str) -> str:
    r"""Make text from a log safe for a terminal: control characters become `\x1b` and the like.

    Covers C0, DEL, C1 and the characters that reorder or hide text (bidirectional controls,
    zero-width and other format characters, tags, line and paragraph separators).
    """
    if text.isprintable():
        return text
    return "".join(escaped(char) if _is_unsafe(char) else char for char in text)


def misfit(text: str, most_bytes: int) -> str | None:
    """Say why a log cannot keep a text of at most `most_bytes` of UTF-8; None when it can."""
    try:
        length = len(text.encode())
    except UnicodeEncodeError:
        return "it is no text in UTF-8"
    if plain(text) != text:
        return f"it holds a control character: {plain(text)}"
    if length > most_bytes:
        return f"it takes {length} bytes of UTF-8, and {most_bytes} fit: shorten it"
    return None


def _is_unsafe(char: str) -> bool:
    return unicodedata.category(char) in _UNSAFE or 0x2060 <= ord(char) <= 0x206F


def escaped(char: str) -> str:
    r"""Write a character as its number: `\x1b`, `\u202e`, `\U000e0041`."""
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x1_0000 else f"\\U{code:08x}"


def byte_count(count: float) -> str:
    """Write a number of bytes."""
    if count < 1000:
        return f"{count:.0f} B"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.2f} MB"
