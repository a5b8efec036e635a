"""What a stored number means, where a table of the layout says it."""

from __future__ import annotations

from dewarlog_wire import layout

COUNTS_PER_DEGC = layout.TEMPERATURE_PER_DEGC


def unix_s_of(utc_s: int) -> int | None:
    """Turn a stored UTC (seconds since 2020) into Unix time; None where it is unknown."""
    if utc_s == layout.UTC_UNKNOWN:
        return None
    return utc_s + layout.UTC_EPOCH_UNIX_S


def refusal_names(bits: int) -> tuple[str, ...]:
    """Name the refusals an arming host had, in the order of their bits."""
    return tuple(
        named(layout.ARM_REFUSAL_NAMES, bit) for bit in range(bits.bit_length()) if bits >> bit & 1
    )


def named(names: tuple[str, ...], number: int) -> str:
    """Give a name from a table of the layout; a number beyond it stays a number."""
    return names[number] if number < len(names) else f"number {number}"
